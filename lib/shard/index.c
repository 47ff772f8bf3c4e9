/* SPDX-License-Identifier: MIT */
#include "shard/index.h"

#include <string.h>

enum { FULL_PERCENT = 80, GROWN_PERCENT = 57, EMPTY_PERCENT = 25 };

static uint32_t next_bucket(const struct table *t, uint32_t b)
{
    return b + 1 < t->buckets ? b + 1 : 0;
}

uint32_t index_size(uint64_t buckets)
{
    unsigned exponent = 0;

    if (buckets > (uint64_t)INDEX_MANTISSA << 20)
        buckets = (uint64_t)INDEX_MANTISSA << 20;
    while (buckets > INDEX_MANTISSA) {
        buckets = (buckets + 1) / 2;
        exponent++;
    }
    return (uint32_t)(buckets << exponent);
}

size_t index_table_size(uint32_t buckets)
{
    return sizeof(struct table) + (size_t)buckets * sizeof(struct bucket);
}

void index_table_init(struct table *t, uint32_t buckets)
{
    t->buckets = buckets;
}

static uint32_t percent_of(uint64_t lanes, unsigned percent)
{
    uint64_t n = lanes * percent / 100;

    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static void publish(struct index *x, struct table *t) REQUIRES(rank_shard)
{
    uint64_t mantissa = t->buckets, exponent = 0, lanes = mantissa * INDEX_ENTRIES;

    shared_set(x->most, percent_of(lanes, FULL_PERCENT));
    shared_set(x->least, t->buckets > 2 ? percent_of(lanes, EMPTY_PERCENT) : 0);

    while (mantissa > INDEX_MANTISSA) {
        mantissa /= 2;
        exponent++;
    }
    x->table = t;
    /* Release: the buckets before the table (edge rebuild). */
    atom_store_release(&x->root->word, (exponent << INDEX_MANTISSA_BITS | mantissa) << INDEX_ADDRESS_BITS |
                                           (uint64_t)(uintptr_t)index_buckets(t));
}

void index_init(struct index *x, struct index_root *root, struct table *t, unsigned shard_bits)
{
    guard_is_alone();
    x->root = root;
    x->next = NULL;
    x->shard_bits = shard_bits;
    x->count = 0;
    publish(x, t);
}

/* ---- Reading */

/* From the beginning, past entries whose tag is the same and full buckets. */
struct entry *index_find_on(struct index_view v, uint64_t hash, const void *key, size_t len)
{
    uint64_t word = index_word(v);
    uint32_t buckets = index_word_count(word), b = index_home(buckets, index_local(v.shard_bits, (uint32_t)hash));

    for (uint32_t n = 0; n < buckets; n++) {
        struct bucket *at = &index_word_buckets(word)[b];
        uint64_t low = index_tags(at, 0), high = index_tags(at, 1);
        unsigned m = index_matches(low, high, (uint16_t)(hash >> INDEX_TAG_SHIFT));

        for (; m != 0; m &= m - 1) {
            struct entry *e = index_entry(at, index_lane(m));
            if (e != NULL && entry_has_key(e, key, len)) {
                __builtin_prefetch(shared_get(e->value));
                return e;
            }
        }
        if (index_overflow(high) == 0)
            return NULL;
        b = b + 1 < buckets ? b + 1 : 0;
    }
    return NULL;
}

static uint32_t home_of(const struct index *x, const struct table *t, const struct entry *e)
{
    return index_home(t->buckets, index_local(x->shard_bits, e->place));
}

/* ---- Writing.  Loads are relaxed: the mutex orders writers. */

static uint64_t tags_locked(const struct table *t, uint32_t b, unsigned i) REQUIRES(rank_shard)
{
    return atom_load_relaxed(&index_buckets(t)[b].tags[i]);
}

static struct entry *entry_locked(const struct table *t, uint32_t b, unsigned i) REQUIRES(rank_shard)
{
    return atom_load_relaxed(&index_buckets(t)[b].entry[i]);
}

static uint16_t lane_locked(const struct table *t, uint32_t b, unsigned lane) REQUIRES(rank_shard)
{
    return (uint16_t)(tags_locked(t, b, lane / INDEX_LANES) >> lane % INDEX_LANES * INDEX_LANE_BITS);
}

static void set_lane_locked(const struct table *t, uint32_t b, unsigned lane, uint16_t x) REQUIRES(rank_shard)
{
    unsigned i = lane / INDEX_LANES, shift = lane % INDEX_LANES * INDEX_LANE_BITS;
    uint64_t tags = (tags_locked(t, b, i) & ~((uint64_t)0xffff << shift)) | (uint64_t)x << shift;

    /* Release: that an entry has left, before its tag goes (edge miss). */
    if (PLANTED(index_publish_relaxed))
        atom_store_relaxed(&index_buckets(t)[b].tags[i], tags);
    else
        atom_store_release(&index_buckets(t)[b].tags[i], tags);
}

static void set_entry_locked(const struct table *t, uint32_t b, unsigned i, struct entry *e) REQUIRES(rank_shard)
{
    /* Release: the entry, all of it, before the address that shows it (edge publish). */
    if (PLANTED(index_publish_relaxed))
        atom_store_relaxed(&index_buckets(t)[b].entry[i], e);
    else
        atom_store_release(&index_buckets(t)[b].entry[i], e);
}

/* One entry more, or one less, has passed bucket ${b} on its way from home. */
static void pass_locked(const struct table *t, uint32_t b, int n) REQUIRES(rank_shard)
{
    uint16_t passed = lane_locked(t, b, INDEX_OVERFLOW_LANE);

    if (passed != UINT16_MAX)
        set_lane_locked(t, b, INDEX_OVERFLOW_LANE, (uint16_t)(passed + n));
}

/*
 * The tag first: so that the entry is there for all look-ups from one store on, that of its address.  Else one that
 * has read the tag of what was there before could find it, and a later one miss it.  Returns the bucket.
 */
static uint32_t place_locked(const struct index *x, const struct table *t, struct entry *e, uint16_t tag)
    REQUIRES(rank_shard)
{
    uint32_t b = home_of(x, t, e);

    for (;; b = next_bucket(t, b)) {
        for (unsigned i = 0; i < INDEX_ENTRIES; i++) {
            if (entry_locked(t, b, i) == NULL) {
                if (PLANTED(index_address_first))
                    set_entry_locked(t, b, i, e);
                set_lane_locked(t, b, i, tag);
                set_entry_locked(t, b, i, e);
                return b;
            }
        }
        pass_locked(t, b, 1);
    }
}

struct position {
    uint32_t bucket;
    unsigned lane;
    uint32_t passed; /* buckets from home to there */
};

static bool locate_locked(const struct index *x, const struct table *t, const struct entry *e, struct position *p)
    REQUIRES(rank_shard)
{
    p->bucket = home_of(x, t, e);
    for (p->passed = 0; p->passed < t->buckets; p->passed++) {
        for (p->lane = 0; p->lane < INDEX_ENTRIES; p->lane++)
            if (entry_locked(t, p->bucket, p->lane) == e)
                return true;
        p->bucket = next_bucket(t, p->bucket);
    }
    return false;
}

static void take_out_locked(const struct index *x, const struct table *t, const struct entry *e, struct position p)
    REQUIRES(rank_shard)
{
    uint32_t b = home_of(x, t, e);

    set_lane_locked(t, p.bucket, p.lane, 0);
    set_entry_locked(t, p.bucket, p.lane, NULL);
    for (; p.passed > 0; p.passed--, b = next_bucket(t, b))
        pass_locked(t, b, -1);
}

/* What was done in ${bucket} of the table is to be done in the next one too. */
static bool is_copied(const struct index *x, uint32_t bucket) REQUIRES(rank_shard)
{
    return !PLANTED(index_changes_one_table) && x->next != NULL && bucket < x->copied;
}

static bool is_nearly_full(const struct index *x, const struct table *t) REQUIRES(rank_shard)
{
    return x->count >= (uint64_t)t->buckets * INDEX_ENTRIES * 9 / 10;
}

void index_insert_locked(struct index *x, struct entry *e, uint16_t tag)
{
    uint32_t b = place_locked(x, x->table, e, tag);

    if (x->next != NULL && is_nearly_full(x, x->next))
        x->next = NULL; /* it has become too small: index_end_locked gives it back */
    if (!PLANTED(index_insert_forgets_copy) && is_copied(x, b))
        (void)place_locked(x, x->next, e, tag);
    x->count++;
}

void index_remove_locked(struct index *x, struct entry *e)
{
    struct position p, q;

    if (!locate_locked(x, x->table, e, &p))
        return;
    if (is_copied(x, p.bucket) && locate_locked(x, x->next, e, &q)) /* not covered: what was copied is always there */
        take_out_locked(x, x->next, e, q);
    take_out_locked(x, x->table, e, p);
    x->count--;
}

void index_swap_locked(struct index *x, struct entry *old, struct entry *e)
{
    struct position p, q;

    if (!locate_locked(x, x->table, old, &p))
        return;
    if (is_copied(x, p.bucket) && locate_locked(x, x->next, old, &q)) /* not covered: as in index_remove_locked */
        set_entry_locked(x->next, q.bucket, q.lane, e);
    set_entry_locked(x->table, p.bucket, p.lane, e);
}

/* ---- Size */

uint32_t index_wanted(const struct index *x, uint32_t more)
{
    uint64_t entries = (uint64_t)x->count + more;

    if (likely(entries <= shared_get(x->most) && entries >= shared_get(x->least)))
        return x->table->buckets;
    return index_size(entries * 100 / ((uint64_t)GROWN_PERCENT * INDEX_ENTRIES) + 1);
}

bool index_has_room(const struct index *x)
{
    return x->count < (uint64_t)x->table->buckets * INDEX_ENTRIES;
}

void index_begin_locked(struct index *x, struct table *t)
{
    x->next = t;
    x->copied = 0;
}

bool index_copy_locked(struct index *x, struct table *t)
{
    enum { BUCKETS = 32, AHEAD = 2 };
    const struct table *old = x->table;

    if (x->next != t)
        return false;
    for (unsigned n = 0; n < BUCKETS && x->copied < old->buckets; n++, x->copied++) {
        uint32_t b = x->copied;
        for (unsigned i = 0; i < INDEX_ENTRIES && b + AHEAD < old->buckets; i++)
            __builtin_prefetch(entry_locked(old, b + AHEAD, i));
        for (unsigned i = 0; i < INDEX_ENTRIES; i++)
            if (entry_locked(old, b, i) != NULL)
                (void)place_locked(x, t, entry_locked(old, b, i), lane_locked(old, b, i));
    }
    return x->copied < old->buckets;
}

struct table *index_end_locked(struct index *x, struct table *t)
{
    struct table *old = x->table;

    if (x->next != t)
        return NULL;
    x->next = NULL;
    publish(x, t);
    return old;
}

/* ---- Walking */

/* The linked entries of buckets from home bucket ${b} to ${end} whose place lies in [from, to). */
static unsigned gather_locked(const struct index *x, uint32_t b, uint32_t end, uint64_t from, uint64_t to,
                              struct entry *out[], unsigned most) REQUIRES(rank_shard)
{
    const struct table *t = x->table;
    unsigned n = 0;

    for (uint32_t seen = 0; seen < t->buckets; seen++, b = next_bucket(t, b)) {
        if (seen > end && lane_locked(t, b == 0 ? t->buckets - 1 : b - 1, INDEX_OVERFLOW_LANE) == 0)
            break;
        for (unsigned i = 0; i < INDEX_ENTRIES; i++) {
            struct entry *e = entry_locked(t, b, i);
            uint32_t local = e != NULL ? index_local(x->shard_bits, e->place) : 0;
            if (e == NULL || local < from || local >= to)
                continue;
            if (n == most)
                return most + 1;
            out[n++] = e;
        }
    }
    return n;
}

/* The first place whose home lies beyond bucket ${b}. */
static uint64_t place_after(const struct table *t, uint32_t b)
{
    return ((((uint64_t)b + 1) << 32) + t->buckets - 1) / t->buckets;
}

unsigned index_scan_locked(const struct index *x, struct index_cursor *c, struct entry *out[], unsigned most)
{
    const struct table *t = x->table;
    uint32_t more = most / INDEX_ENTRIES - 1;

    while (c->from < (uint64_t)1 << 32) {
        uint32_t b = index_home(t->buckets, (uint32_t)c->from);
        uint32_t last = t->buckets - b > more ? b + more : t->buckets - 1;
        uint64_t to = place_after(t, last);
        unsigned n;

        while ((n = gather_locked(x, b, last - b, c->from, to, out, most)) > most && to > c->from + 1) {
            /* Too many: fewer buckets, or only a part of the one bucket's places. */
            if (last > b) {
                last = b + (last - b) / 2;
                to = place_after(t, last);
            } else {
                to = c->from + (to - c->from) / 2;
            }
        }
        c->from = to;
        if (n > 0)
            return n > most ? most : n; /* more than ${most} of one and the same place: the rest is left out */
    }
    return 0;
}

unsigned index_sample_locked(const struct index *x, uint64_t random, struct entry *out[], unsigned most)
{
    const struct table *t = x->table;
    uint32_t b = index_home(t->buckets, (uint32_t)random), look = t->buckets < most ? t->buckets : most;
    unsigned n = 0;

    for (; look > 0 && n < most; look--, b = next_bucket(t, b))
        for (unsigned i = 0; i < INDEX_ENTRIES && n < most; i++) {
            struct entry *e = entry_locked(t, b, i);
            if (e != NULL)
                out[n++] = e;
        }
    return n;
}

bool index_reaches_locked(const struct index *x, const struct entry *e, uint16_t tag)
{
    const struct table *t = x->table;
    uint32_t b = home_of(x, t, e);
    struct position p;

    if (!locate_locked(x, t, e, &p) || lane_locked(t, p.bucket, p.lane) != tag)
        return false;
    for (; b != p.bucket; b = next_bucket(t, b))
        if (lane_locked(t, b, INDEX_OVERFLOW_LANE) == 0)
            return false;
    return true;
}
