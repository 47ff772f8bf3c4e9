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

struct brim_cache;

struct kind {
    const brim_kind *user; /* NULL: values need no destruction */
    struct brim_cache *cache;
    uint32_t number;
    struct kind *next;   /* of the cache; constant */
    struct tally values; /* taken and not yet destroyed, and their charge */
};

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

    /* Acquire: the record, which is older than any entry that names it; here it costs nothing. */
    return atom_load_acquire(&atom_load_acquire(&kind_table.chunk[number / KIND_CHUNK])->kind[number % KIND_CHUNK]);
}

/*
 * kind_get(c, user, out):
 * The record of ${user}, made at its first use.  NOMEM; INVALID: a size that is no layout; UNSUPPORTED: a queue,
 * floor or ceiling.
 */
brim_status kind_get(struct brim_cache *c, const brim_kind *user, struct kind **out);

/*
 * kind_look_up(c, user):
 * The same, but NULL if the cache has not met it.
 */
struct kind *kind_look_up(const struct brim_cache *c, const brim_kind *user);

/*
 * kind_taken(k, t), kind_destroyed(k, t):
 * A value of the kind is the cache's; is no more.  The last one after the cache was freed tells `unused'.
 */
void kind_taken(struct kind *k, struct thread *t);
void kind_destroyed(struct kind *k, struct thread *t);

/*
 * kinds_close(c):
 * The cache is freed: tell `unused' of each kind once its last value is destroyed.
 */
void kinds_close(struct brim_cache *c);
void kinds_destroy(struct brim_cache *c);

#endif
