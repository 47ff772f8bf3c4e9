/* SPDX-License-Identifier: MIT
 *
 * From key to entry, read without the mutex.
 *
 * A table is an array of buckets, each one cache line: the addresses of six entries, and before them two words of
 * four lanes of 16 bits, in which the tags of all are compared at once.
 *
 *   lane 0 to 5   the entry's tag, bits of its hash; 0 where there is none
 *   lane 6        overflow
 *
 * An entry lies in its home bucket or, where that is full, in the next that is not; each bucket that it passed on the
 * way counts it in `overflow', so a look-up stops at the first bucket that was never passed.  At its highest the
 * count sticks until the table is built anew.  Buckets lie in the order of the hash (base/hash.h).
 *
 * An entry's tag is stored before its address, which alone shows it, and goes before that does.  What a tag shows may be
 * another entry by now, or none: the key decides.
 *
 * Entries never move within a table.  Growing and shrinking copy them to a new one, some buckets in each hold of the
 * mutex; what writers change meanwhile in buckets that have been copied they change in both.  Then the new one is
 * published, and the old one is read on by who has it: whatever left since says so in its state word, whatever was
 * replaced names its successor.
 *
 * Writers hold the shard's mutex.  Proved by test/litmus/index.cpp.
 */
#ifndef BRIM_SHARD_INDEX_H
#define BRIM_SHARD_INDEX_H

#if defined(__SSE2__) && !defined(BRIM_RELACY) && !defined(BRIM_YIELD)
#include <emmintrin.h>
#endif

#include "base/guard.h"
#include "entry/entry.h"

enum { INDEX_ENTRIES = 6, INDEX_LANES = 4, INDEX_LANE_BITS = 16, INDEX_OVERFLOW_LANE = 6 };

struct bucket {
    ATOM(uint64_t) tags[2];
    ATOM(struct entry *) entry[INDEX_ENTRIES];
};

struct table {
    uint32_t buckets; /* an index_size */
    char pad[52];
    struct table *orphan; /* the next of shard.orphans */
    /* the buckets follow */
};

/*
 * What readers need of a table: the address of its buckets in 48 bits, and their number as a floating one of 11 bits
 * and 5 of exponent.  The roots of all shards lie side by side, in lines that are written only when a table changes.
 */
struct index_root {
    ATOM(uint64_t) word;
};

/* The index as a look-up sees it. */
struct index_view {
    const struct index_root *root;
    unsigned shard_bits;
};

struct index {
    struct index_root *root;
    struct table *table GUARDED_BY(rank_shard);
    struct table *next GUARDED_BY(rank_shard);  /* to which `table' is being copied; NULL: none */
    uint32_t copied GUARDED_BY(rank_shard);     /* buckets of `table' */
    uint32_t count GUARDED_BY(rank_shard);      /* entries */
    SHARED(uint32_t) most GUARDED_BY(rank_shard), least GUARDED_BY(rank_shard); /* of them that suit the table */
    unsigned shard_bits; /* constant */
};

static inline struct index_view index_view(const struct index *x)
{
    struct index_view v = {x->root, x->shard_bits};

    return v;
}

struct index_cursor {
    uint64_t from; /* the first hash place, without the shard's bits, not visited yet; 2^32: all done */
};

/*
 * index_size(buckets):
 * The next number of buckets that a table can have.
 */
uint32_t index_size(uint64_t buckets);
size_t index_table_size(uint32_t buckets);

/*
 * index_table_init(t, buckets):
 * Make zeroed memory of index_table_size(${buckets}) an empty table.
 */
void index_table_init(struct table *t, uint32_t buckets);
void index_init(struct index *x, struct index_root *root, struct table *t, unsigned shard_bits);

/* ---- Reading: in a section, or under the mutex */

#define INDEX_TAG_SHIFT 48

static inline struct bucket *index_buckets(const struct table *t)
{
    return (struct bucket *)(uintptr_t)(t + 1);
}

/* The home of a hash place, of whose bits the shard's own are shifted out, among ${buckets}. */
static inline uint32_t index_home(uint32_t buckets, uint32_t local)
{
    return (uint32_t)((uint64_t)local * buckets >> 32);
}

static inline uint32_t index_local(unsigned shard_bits, uint32_t place)
{
    return (uint32_t)((uint64_t)place << shard_bits);
}

#define INDEX_ADDRESS_BITS 48
#define INDEX_MANTISSA 2047u
#define INDEX_MANTISSA_BITS 11

/* Acquire: the buckets of a rebuilt table (edge rebuild). */
static inline uint64_t index_word(struct index_view v)
{
    struct index_root *root = (struct index_root *)(uintptr_t)v.root;

    return PLANTED(index_table_relaxed) ? atom_load_relaxed(&root->word) : atom_load_acquire(&root->word);
}

static inline struct bucket *index_word_buckets(uint64_t word)
{
    return (struct bucket *)(uintptr_t)(word & (((uint64_t)1 << INDEX_ADDRESS_BITS) - 1));
}

static inline uint32_t index_word_count(uint64_t word)
{
    unsigned size = (unsigned)(word >> INDEX_ADDRESS_BITS);

    return (size & INDEX_MANTISSA) << (size >> INDEX_MANTISSA_BITS);
}

/* Where a look-up of ${hash} begins. */
static inline struct bucket *index_start(struct index_view v, uint64_t hash)
{
    uint64_t word = index_word(v);
    uint32_t local = index_local(v.shard_bits, (uint32_t)hash);

    return index_word_buckets(word) + index_home(index_word_count(word), local);
}

/*
 * Acquire, both.  The tag: who misses an entry that has been removed sees that it has left, also by handle (edge miss);
 * for what it finds it need not.  The address: the entry's key, value and cost (edge publish).
 */
static inline uint64_t index_tags(struct bucket *b, unsigned i)
{
    return PLANTED(index_find_relaxed) ? atom_load_relaxed(&b->tags[i]) : atom_load_acquire(&b->tags[i]);
}

static inline struct entry *index_entry(struct bucket *b, unsigned i)
{
    return PLANTED(index_find_relaxed) ? atom_load_relaxed(&b->entry[i]) : atom_load_acquire(&b->entry[i]);
}

/*
 * index_matches(low, high, tag):
 * The entries of a bucket with the words of tags ${low} and ${high} whose tag is ${tag}, as bits for index_lane.
 */
#if defined(__SSE2__) && !defined(BRIM_RELACY) && !defined(BRIM_YIELD)

static inline unsigned index_matches(uint64_t low, uint64_t high, uint16_t tag)
{
    __m128i tags = _mm_set_epi64x((long long)high, (long long)low);

    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi16(tags, _mm_set1_epi16((short)tag))) & 0x555;
}

static inline unsigned index_lane(unsigned matches)
{
    return (unsigned)__builtin_ctz(matches) / 2;
}

#else

/*
 * The lanes that equal, by their highest bits; one that differs by its lowest bit may be among them, above one that
 * equals.  Lamport, "Multiple byte processing with full-word instructions", 1975.
 */
static inline uint64_t index_match_word(uint64_t tags, uint16_t tag)
{
    const uint64_t ones = 0x0001000100010001u;
    uint64_t x = tags ^ tag * ones;

    return (x - ones) & ~x & ones << 15;
}

/* Bit 4 i for entry i, and bit 4 i + 1 for entry 4 + i. */
static inline unsigned index_matches(uint64_t low, uint64_t high, uint16_t tag)
{
    uint64_t a = index_match_word(low, tag), b = index_match_word(high, tag);

    return (unsigned)((a >> 15 & 1) | (a >> 27 & 16) | (a >> 39 & 256) | (a >> 51 & 4096) | (b >> 14 & 2) | (b >> 26 & 32));
}

static inline unsigned index_lane(unsigned matches)
{
    unsigned bit = (unsigned)__builtin_ctz(matches);

    return bit / 4 + (bit & 1) * INDEX_LANES;
}

#endif

static inline unsigned index_overflow(uint64_t high)
{
    return (unsigned)(high >> (INDEX_OVERFLOW_LANE - INDEX_LANES) * INDEX_LANE_BITS) & 0xffff;
}

struct entry *index_find_on(struct index_view v, uint64_t hash, const void *key, size_t len);

/*
 * index_find(v, hash, key, len):
 * The entry of ${key} or NULL.  It may have left: who holds it finds out.
 * Cost: one line of the table, and one of each entry whose 16-bit tag matches.
 */
static inline __attribute__((always_inline)) struct entry *index_find_for(struct index_view v, uint64_t hash, const void *key,
                                                                         size_t len, bool hold)
{
    struct bucket *home = index_start(v, hash);
    uint64_t low = index_tags(home, 0), high = index_tags(home, 1);
    unsigned matches = index_matches(low, high, (uint16_t)(hash >> INDEX_TAG_SHIFT));

    if (likely(matches != 0)) {
        struct entry *e = index_entry(home, index_lane(matches));
        if (hold) /* not covered: a constant of each caller */
            __builtin_prefetch(e, 1); /* to be written: else the line comes twice, for reading first */
        if (likely(e != NULL && entry_has_key(e, key, len))) {
            /* The user's next step, which would else wait for the hold's locked instruction. */
            __builtin_prefetch(shared_get(e->value));
            return e;
        }
    } else if (likely(index_overflow(high) == 0)) {
        return NULL;
    }
    return index_find_on(v, hash, key, len);
}

static inline struct entry *index_find(struct index_view v, uint64_t hash, const void *key, size_t len)
{
    return index_find_for(v, hash, key, len, false);
}

/*
 * index_prefetch(v, hash):
 * Ask for the line that index_find looks at first.
 */
static inline void index_prefetch(struct index_view v, uint64_t hash)
{
    __builtin_prefetch(index_start(v, hash));
}

/*
 * index_first(v, hash):
 * The entry that index_find looks at first, by its tag, or NULL.
 */
static inline struct entry *index_first(struct index_view v, uint64_t hash)
{
    struct bucket *home = index_start(v, hash);
    unsigned m = index_matches(index_tags(home, 0), index_tags(home, 1), (uint16_t)(hash >> INDEX_TAG_SHIFT));

    return m != 0 ? index_entry(home, index_lane(m)) : NULL;
}

/* ---- Size */

/*
 * index_wanted(x, more):
 * How many buckets the table should have for ${more} entries more than now; its present number if it suits.
 */
uint32_t index_wanted(const struct index *x, uint32_t more) REQUIRES(rank_shard);
bool index_has_room(const struct index *x) REQUIRES(rank_shard);

/* ---- Under the shard's mutex */

void index_insert_locked(struct index *x, struct entry *e, uint16_t tag) REQUIRES(rank_shard);
void index_remove_locked(struct index *x, struct entry *e) REQUIRES(rank_shard);

/*
 * index_swap_locked(x, old, e):
 * Put ${e} in the word of ${old}; they have the same key, or none.
 */
void index_swap_locked(struct index *x, struct entry *old, struct entry *e) REQUIRES(rank_shard);

/*
 * index_begin_locked(x, t), index_copy_locked(x, t), index_end_locked(x, t):
 * Begin to copy all entries to the empty table ${t}; copy some; publish it.  index_copy_locked returns false when
 * there is nothing left to copy.  index_end_locked returns the old table, to be retired; NULL: ${t} had become too
 * small, and is the caller's again.  One ${t} at a time.
 */
void index_begin_locked(struct index *x, struct table *t) REQUIRES(rank_shard);
bool index_copy_locked(struct index *x, struct table *t) REQUIRES(rank_shard);
struct table *index_end_locked(struct index *x, struct table *t) REQUIRES(rank_shard);

/*
 * index_scan_locked(x, c, out, most):
 * Up to ${most} (at least 64) linked entries from ${c} on, in the order of their hash places; ${c} is moved past
 * them.  An entry that is there all through a walk comes once, also when the table is rebuilt in between.
 */
unsigned index_scan_locked(const struct index *x, struct index_cursor *c, struct entry *out[], unsigned most)
    REQUIRES(rank_shard);

/*
 * index_sample_locked(x, random, out, most):
 * Up to ${most} neighbours from a random bucket on.
 */
unsigned index_sample_locked(const struct index *x, uint64_t random, struct entry *out[], unsigned most)
    REQUIRES(rank_shard);

/*
 * index_reaches_locked(x, e, tag):
 * For brim_check: ${e} is there under ${tag}, where a look-up comes past it.
 */
bool index_reaches_locked(const struct index *x, const struct entry *e, uint16_t tag) REQUIRES(rank_shard);

#endif
