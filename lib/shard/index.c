/* SPDX-License-Identifier: MIT */
#include "shard/index.h"

#include <string.h>

#define TAG_SHIFT 48
#define ADDRESS_MASK (((uint64_t)1 << TAG_SHIFT) - 16)
#define OVERFLOW_MASK ((uint64_t)15)

enum { FULL_PERCENT = 82, GROWN_PERCENT = 58, EMPTY_PERCENT = 25 };

static struct bucket *buckets_of(const struct table *t)
{
    return (struct bucket *)(uintptr_t)(t + 1);
}

static struct entry *entry_of(uint64_t word)
{
    return (struct entry *)(uintptr_t)(word & ADDRESS_MASK);
}

static uint64_t word_of(const struct entry *e, uint16_t tag)
{
    return (uint64_t)(uintptr_t)e | (uint64_t)tag << TAG_SHIFT;
}

/* The part of a hash's place that is left when the shard is known. */
static uint32_t local_place(const struct index *x, uint32_t place)
{
    return (uint32_t)((uint64_t)place << x->shard_bits);
}

static uint32_t home_of(const struct table *t, uint32_t local)
{
    return (uint32_t)((uint64_t)local * t->buckets >> 32);
}

static uint32_t next_bucket(const struct table *t, uint32_t b)
{
    return b + 1 < t->buckets ? b + 1 : 0;
}

size_t index_table_size(uint32_t buckets)
{
    return sizeof(struct table) + (size_t)buckets * sizeof(struct bucket);
}

void index_table_init(struct table *t, uint32_t buckets)
{
    t->buckets = buckets;
}

void index_init(struct index *x, struct table *t, unsigned shard_bits)
{
    x->shard_bits = shard_bits;
    x->count = 0;
    atom_store_release(&x->table, t);
}

/* The mutex orders writers; relaxed will do. */
static struct table *table_locked(const struct index *x)
{
    return atom_load_relaxed(&((struct index *)(uintptr_t)x)->table);
}

/* ---- Reading */

static uint64_t eight_bytes(const void *p)
{
    uint64_t x;

    memcpy(&x, p, sizeof x);
    return x;
}

static bool same_key(const struct entry *e, const void *key, size_t len)
{
    size_t own;
    const unsigned char *p = entry_key(e, &own);

    if (own != len || (entry_flags(e) & ENTRY_ANONYMOUS))
        return false;
    if (len >= 8 && len <= 16) /* most keys: two words that may overlap, no call */
        return eight_bytes(p) == eight_bytes(key) &&
               eight_bytes(p + len - 8) == eight_bytes((const unsigned char *)key + len - 8);
    return len == 0 || memcmp(p, key, len) == 0;
}

/* Acquire: the entry's key, value and cost (edge publish). */
static uint64_t load_word(struct bucket *b, unsigned i)
{
    return PLANTED(index_find_relaxed) ? atom_load_relaxed(&b->word[i]) : atom_load_acquire(&b->word[i]);
}

/* The words of one bucket whose tag matches, as bits. */
static unsigned match_tags(struct bucket *b, uint16_t tag)
{
    unsigned match = 0;

    for (unsigned i = 0; i < INDEX_WORDS; i++)
        match |= (unsigned)(load_word(b, i) >> TAG_SHIFT == tag) << i;
    return match;
}

/* Acquire: the words of a rebuilt table (edge rebuild). */
static const struct table *table_of(const struct index *x)
{
    struct index *shared = (struct index *)(uintptr_t)x;

    return PLANTED(index_table_relaxed) ? atom_load_relaxed(&shared->table) : atom_load_acquire(&shared->table);
}

void index_prefetch(const struct index *x, uint64_t hash)
{
    const struct table *t = table_of(x);

    __builtin_prefetch(&buckets_of(t)[home_of(t, local_place(x, (uint32_t)hash))]);
}

struct entry *index_first(const struct index *x, uint64_t hash)
{
    const struct table *t = table_of(x);
    struct bucket *at = &buckets_of(t)[home_of(t, local_place(x, (uint32_t)hash))];
    unsigned match = match_tags(at, (uint16_t)(hash >> TAG_SHIFT));

    return match != 0 ? entry_of(load_word(at, (unsigned)__builtin_ctz(match))) : NULL;
}

struct entry *index_find(const struct index *x, uint64_t hash, const void *key, size_t len)
{
    const struct table *t = table_of(x);
    uint16_t tag = (uint16_t)(hash >> TAG_SHIFT);
    uint32_t b = home_of(t, local_place(x, (uint32_t)hash));

    for (uint32_t n = 0; n < t->buckets; n++, b = next_bucket(t, b)) {
        struct bucket *at = &buckets_of(t)[b];

        for (unsigned match = match_tags(at, tag); match != 0; match &= match - 1) {
            /* Read again: it may be another entry by now, or none; the key decides. */
            struct entry *e = entry_of(load_word(at, (unsigned)__builtin_ctz(match)));
            if (e != NULL && same_key(e, key, len)) {
                /* The user's next step, which would else wait for the hold's locked instruction. */
                __builtin_prefetch(shared_get(e->value));
                return e;
            }
        }
        if (likely((load_word(at, 0) & OVERFLOW_MASK) == 0))
            return NULL;
    }
    return NULL;
}

/* ---- Writing */

static uint64_t word_locked(const struct table *t, uint32_t b, unsigned i)
{
    return atom_load_relaxed(&buckets_of(t)[b].word[i]); /* relaxed: the mutex orders writers */
}

static void set_word_locked(const struct table *t, uint32_t b, unsigned i, uint64_t word)
{
    uint64_t overflow = i == 0 ? word_locked(t, b, 0) & OVERFLOW_MASK : 0;

    /* Release: the entry, all of it, before the word that shows it (edge publish). */
    if (PLANTED(index_publish_relaxed))
        atom_store_relaxed(&buckets_of(t)[b].word[i], word | overflow);
    else
        atom_store_release(&buckets_of(t)[b].word[i], word | overflow);
}

/* One entry more, or one less, has passed bucket ${b} on its way from home. */
static void pass_locked(const struct table *t, uint32_t b, int n)
{
    uint64_t word = word_locked(t, b, 0);

    if ((word & OVERFLOW_MASK) != OVERFLOW_MASK)
        atom_store_release(&buckets_of(t)[b].word[0], word + (uint64_t)(int64_t)n);
}

static void place_locked(const struct index *x, const struct table *t, const struct entry *e, uint16_t tag)
{
    uint32_t b = home_of(t, local_place(x, e->place));

    for (;; b = next_bucket(t, b)) {
        for (unsigned i = 0; i < INDEX_WORDS; i++) {
            if (entry_of(word_locked(t, b, i)) == NULL) {
                set_word_locked(t, b, i, word_of(e, tag));
                return;
            }
        }
        pass_locked(t, b, 1);
    }
}

void index_insert_locked(struct index *x, struct entry *e, uint16_t tag)
{
    place_locked(x, table_locked(x), e, tag);
    x->count++;
}

struct position {
    uint32_t bucket;
    unsigned word;
    uint32_t passed; /* buckets from home to there */
};

static bool locate_locked(const struct index *x, const struct entry *e, struct position *p)
{
    const struct table *t = table_locked(x);

    p->bucket = home_of(t, local_place(x, e->place));
    for (p->passed = 0; p->passed < t->buckets; p->passed++) {
        for (p->word = 0; p->word < INDEX_WORDS; p->word++)
            if (entry_of(word_locked(t, p->bucket, p->word)) == e)
                return true;
        p->bucket = next_bucket(t, p->bucket);
    }
    return false;
}

void index_remove_locked(struct index *x, struct entry *e)
{
    const struct table *t = table_locked(x);
    uint32_t b = home_of(t, local_place(x, e->place));
    struct position p;

    if (!locate_locked(x, e, &p))
        return;
    set_word_locked(t, p.bucket, p.word, 0);
    for (; p.passed > 0; p.passed--, b = next_bucket(t, b))
        pass_locked(t, b, -1);
    x->count--;
}

void index_swap_locked(struct index *x, struct entry *old, struct entry *e)
{
    const struct table *t = table_locked(x);
    struct position p;

    if (locate_locked(x, old, &p))
        set_word_locked(t, p.bucket, p.word,
                        word_of(e, (uint16_t)(word_locked(t, p.bucket, p.word) >> TAG_SHIFT)));
}

/* ---- Size */

static uint32_t buckets_for(uint64_t entries, unsigned percent)
{
    uint64_t n = entries * 100 / ((uint64_t)percent * INDEX_WORDS) + 1;

    return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

uint32_t index_wanted(const struct index *x, uint32_t more)
{
    uint32_t now = table_locked(x)->buckets;
    uint64_t entries = (uint64_t)x->count + more;

    if (buckets_for(entries, FULL_PERCENT) > now || (now > 2 && buckets_for(entries, EMPTY_PERCENT) < now))
        return buckets_for(entries, GROWN_PERCENT);
    return now;
}

bool index_has_room(const struct index *x)
{
    return x->count < (uint64_t)table_locked(x)->buckets * INDEX_WORDS;
}

struct table *index_rebuild_locked(struct index *x, struct table *t)
{
    enum { AHEAD = 2 };
    struct table *old = table_locked(x);

    for (uint32_t b = 0; b < old->buckets; b++) {
        for (unsigned i = 0; i < INDEX_WORDS && b + AHEAD < old->buckets; i++)
            __builtin_prefetch(entry_of(word_locked(old, b + AHEAD, i)));
        for (unsigned i = 0; i < INDEX_WORDS; i++) {
            uint64_t word = word_locked(old, b, i);
            if (entry_of(word) != NULL)
                place_locked(x, t, entry_of(word), (uint16_t)(word >> TAG_SHIFT));
        }
    }
    /* Release: the words before the table (edge rebuild). */
    atom_store_release(&x->table, t);
    return old;
}

/* ---- Walking */

/* The linked entries of buckets from home bucket ${b} to ${end} whose place lies in [from, to). */
static unsigned gather_locked(const struct index *x, uint32_t b, uint32_t end, uint64_t from, uint64_t to,
                              struct entry *out[], unsigned most)
{
    const struct table *t = table_locked(x);
    unsigned n = 0;

    for (uint32_t seen = 0; seen < t->buckets; seen++, b = next_bucket(t, b)) {
        if (seen > end && (word_locked(t, b == 0 ? t->buckets - 1 : b - 1, 0) & OVERFLOW_MASK) == 0)
            break;
        for (unsigned i = 0; i < INDEX_WORDS; i++) {
            struct entry *e = entry_of(word_locked(t, b, i));
            uint32_t local = e != NULL ? local_place(x, e->place) : 0;
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
    const struct table *t = table_locked(x);
    uint32_t more = most / INDEX_WORDS > 1 ? most / INDEX_WORDS - 1 : 0;

    while (c->from < (uint64_t)1 << 32) {
        uint32_t b = home_of(t, (uint32_t)c->from);
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
    const struct table *t = table_locked(x);
    uint32_t b = home_of(t, (uint32_t)random), look = t->buckets < most ? t->buckets : most;
    unsigned n = 0;

    for (; look > 0 && n < most; look--, b = next_bucket(t, b))
        for (unsigned i = 0; i < INDEX_WORDS && n < most; i++) {
            struct entry *e = entry_of(word_locked(t, b, i));
            if (e != NULL)
                out[n++] = e;
        }
    return n;
}

bool index_reaches_locked(const struct index *x, const struct entry *e, uint16_t tag)
{
    const struct table *t = table_locked(x);
    uint32_t b = home_of(t, local_place(x, e->place));
    struct position p;

    if (!locate_locked(x, e, &p) || word_locked(t, p.bucket, p.word) >> TAG_SHIFT != tag)
        return false;
    for (; b != p.bucket; b = next_bucket(t, b))
        if ((word_locked(t, b, 0) & OVERFLOW_MASK) == 0)
            return false;
    return true;
}
