/* SPDX-License-Identifier: MIT
 *
 * From key to entry, read without the mutex.
 *
 * A table is an array of buckets, each one cache line of eight words.  A word is
 *
 *   63    48 47               4 3        0
 *   |  tag  | entry's address  | overflow |      overflow: in a bucket's first word only
 *
 * An entry lies in its home bucket or, where that is full, in the next that is not; each bucket that it passed on the
 * way counts it in `overflow', so a look-up stops at the first bucket that was never passed.  At 15 the count sticks
 * until the table is built anew.  Buckets lie in the order of the hash (base/hash.h).
 *
 * Entries never move within a table.  Growing and shrinking publish a new one; the old one is read on by who has it:
 * whatever left since says so in its state word, whatever was replaced names its successor.
 *
 * Writers hold the shard's mutex.  Proved by test/litmus/index.cpp.
 */
#ifndef BRIM_SHARD_INDEX_H
#define BRIM_SHARD_INDEX_H

#include "entry/entry.h"

enum { INDEX_WORDS = 8 };

struct bucket {
    ATOM(uint64_t) word[INDEX_WORDS];
};

struct table {
    uint32_t buckets;
    char pad[60];
    /* the buckets follow */
};

struct index {
    ATOM(struct table *) table;
    uint32_t count; /* entries; the shard's mutex */
    unsigned shard_bits;
};

struct index_cursor {
    uint64_t from; /* the first hash place, without the shard's bits, not visited yet; 2^32: all done */
};

size_t index_table_size(uint32_t buckets);

/*
 * index_table_init(t, buckets):
 * Make zeroed memory of index_table_size(${buckets}) an empty table.
 */
void index_table_init(struct table *t, uint32_t buckets);
void index_init(struct index *x, struct table *t, unsigned shard_bits);

/*
 * index_find(x, hash, key, len):
 * The entry of ${key} or NULL.  It may have left: who holds it finds out.  In a section, or under the mutex.
 * Cost: one line of the table, and one of each entry whose 16-bit tag matches.
 */
struct entry *index_find(const struct index *x, uint64_t hash, const void *key, size_t len);

/*
 * index_prefetch(x, hash):
 * Ask for the bucket's line.
 */
void index_prefetch(const struct index *x, uint64_t hash);

/*
 * index_first(x, hash):
 * The entry that index_find looks at first, by its tag, or NULL.  In a section.
 */
struct entry *index_first(const struct index *x, uint64_t hash);

/*
 * index_wanted(x, more):
 * How many buckets the table should have for ${more} entries more than now; its present number if it suits.
 */
uint32_t index_wanted(const struct index *x, uint32_t more);
bool index_has_room(const struct index *x);

/* ---- Under the shard's mutex */

void index_insert_locked(struct index *x, struct entry *e, uint16_t tag);
void index_remove_locked(struct index *x, struct entry *e);

/*
 * index_swap_locked(x, old, e):
 * Put ${e} in the word of ${old}; they have the same key, or none.
 */
void index_swap_locked(struct index *x, struct entry *old, struct entry *e);

/*
 * index_rebuild_locked(x, t):
 * Copy all entries to the empty table ${t} and publish it.  Returns the old one, to be retired.
 */
struct table *index_rebuild_locked(struct index *x, struct table *t);

/*
 * index_scan_locked(x, c, out, most):
 * Up to ${most} (at least 64) linked entries from ${c} on, in the order of their hash places; ${c} is moved past
 * them.  An entry that is there all through a walk comes once, also when the table is rebuilt in between.
 */
unsigned index_scan_locked(const struct index *x, struct index_cursor *c, struct entry *out[], unsigned most);

/*
 * index_sample_locked(x, random, out, most):
 * Up to ${most} neighbours from a random bucket on.
 */
unsigned index_sample_locked(const struct index *x, uint64_t random, struct entry *out[], unsigned most);

/*
 * index_reaches_locked(x, e, tag):
 * For brim_check: ${e} is there under ${tag}, where a look-up comes past it.
 */
bool index_reaches_locked(const struct index *x, const struct entry *e, uint16_t tag);

#endif
