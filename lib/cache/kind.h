/* SPDX-License-Identifier: MIT
 *
 * What a cache keeps of a kind.  Entries name it by a number of 24 bits from a table of the process, which leads back
 * to the cache as well.
 */
#ifndef BRIM_CACHE_KIND_H
#define BRIM_CACHE_KIND_H

#include "brim.h"
#include "entry/entry.h"
#include "part/tally.h"
#include "shard/limit.h"

struct brim_cache;

enum { KIND_PARTS = 8 };

/* What is counted by kind and not on the way of a hit.  By thread number, several threads to a part. */
struct kind_counts {
    ATOM(uint64_t) insertions, refused, too_big;
    ATOM(uint64_t) misses; /* of gets and claims */
    ATOM(uint64_t) left[7];
    ATOM(uint64_t) loads, load_failures, load_ns, redundant_loads, load_waits;
    ATOM(uint64_t) eviction_age[BRIM_AGES];
} __attribute__((aligned(128)));

struct kind {
    const brim_kind *user; /* NULL: values need no destruction */
    struct brim_cache *cache;
    uint32_t number;
    bool shares_slot;    /* its slot in the stripes is not its alone; constant, as the next two */
    SHARED(struct kind *) next; /* of the cache; constant once in the list */
    brim_queue *queue;   /* counted; NULL: none */
    struct limit limit;
    ATOM(uint64_t) hand; /* of eviction: cache/admit.c */
    ATOM(uint64_t) uncharged;             /* cost of values outside */
    ATOM(uint64_t) queued, queued_values; /* in the queue */
    ATOM(uint64_t) held; /* by loads, which count in `values' too */
    ATOM(uint32_t) closed; /* `values' is: `unused' is told when it comes to zero */
    struct tally values; /* taken and not yet destroyed, and their charge */
    struct kind_counts counts[KIND_PARTS];
};

/*
 * kind_count(k, t, field, n):
 * Relaxed: a statistic.
 */
#define kind_count(k, t, field, n)                                                                                \
    ((void)atom_add_relaxed(&(k)->counts[(t)->number % KIND_PARTS].field, (uint64_t)(n)))

/* The sum of one of them, given as offsetof(struct kind_counts, it). */
uint64_t kind_sum(const struct kind *k, size_t offset);

enum { KIND_CHUNK = 256, KIND_CHUNKS = 1 << 16 };

struct kind_chunk {
    ATOM(struct kind *) kind[KIND_CHUNK];
};

struct kind_table {
    ATOM(struct kind_chunk *) chunk[KIND_CHUNKS];
};

extern struct kind_table kind_table HIDDEN;

static inline struct kind *kind_of(const struct entry *e)
{
    unsigned number = entry_kind(e);

    /* Relaxed, both: the record was in the table before any entry that names it was published (edge publish). */
    return atom_load_relaxed(&atom_load_relaxed(&kind_table.chunk[number / KIND_CHUNK])->kind[number % KIND_CHUNK]);
}

/*
 * kind_get(c, user, out):
 * The record of ${user}, made at its first use.  NOMEM; INVALID: a size that is no layout, or limits that do not fit.
 */
brim_status kind_get(struct brim_cache *c, const brim_kind *user, struct kind **out);

/*
 * kind_look_up(c, user):
 * The same, but NULL if the cache has not met it.
 */
struct kind *kind_look_up(const struct brim_cache *c, const brim_kind *user);

/*
 * kind_taken(k, t), kind_try_take(k, t), kind_destroyed(k, t):
 * A value of the kind is the cache's; is no more.  The last one after the cache was freed tells `unused': then
 * kind_try_take is false.
 */
void kind_taken(struct kind *k, struct thread *t);
bool kind_try_take(struct kind *k, struct thread *t);
void kind_destroyed(struct kind *k, struct thread *t);

/*
 * kind_waiting(k):
 * The charge of those that wait for sections or in its queue.
 */
size_t kind_waiting(const struct kind *k);

/*
 * kind_used(k):
 * The charge of its values.
 */
size_t kind_used(const struct kind *k);

/*
 * kind_hold(k, t), kind_let_go(k, t):
 * A load is under way whose value will be of the kind, also after the cache was freed; no longer.  False: it has been
 * told `unused' already.
 */
bool kind_hold(struct kind *k, struct thread *t);
void kind_let_go(struct kind *k, struct thread *t);

/*
 * kind_limit(e):
 * The limits of ${e}'s kind: for shards.
 */
struct limit *kind_limit(const struct entry *e);

/*
 * kinds_close(c):
 * The cache is freed: tell `unused' of each kind once its last value is destroyed.
 */
void kinds_close(struct brim_cache *c);
void kinds_destroy(struct brim_cache *c);

#endif
