/* SPDX-License-Identifier: MIT
 *
 * Ghosts: how often entries were used that have been evicted, and roughly how long ago that was.
 *
 * A table is an array of buckets, each one cache line: a ring of 31 ghosts of 16 bits, and a cursor.
 *
 *   15      4 3         0
 *   |  tag   | frequency |     tag: bits of the mixed hash place, never 0 or 1; all zero: empty
 *
 * A ghost's age is its distance from the cursor, in thirty-firsts of what the table holds.  Two keys in some thousand
 * are taken for one another; that costs a better or worse choice, nothing more.  Under the mutex of who owns it.
 */
#ifndef BRIM_SHARD_POLICY_GHOSTS_H
#define BRIM_SHARD_POLICY_GHOSTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/atom.h"

enum { GHOST_RING = 31, GHOST_FREQUENCY = 15, GHOSTS_AN_ENTRY = 3, GHOSTS_ALIGN = 64 };

struct ghost_bucket {
    uint16_t slot[GHOST_RING + 1]; /* the last is the cursor: where the next one goes */
};

struct ghosts {
    uint32_t buckets;
    char pad[60];
    /* the buckets follow */
};

/*
 * ghosts_size(entries):
 * The bytes of a table that remembers GHOSTS_AN_ENTRY times ${entries}.
 */
size_t ghosts_size(uint32_t entries);

static inline size_t ghosts_bytes(const struct ghosts *g)
{
    return sizeof *g + sizeof(struct ghost_bucket) * g->buckets;
}

/*
 * ghosts_init(g, entries):
 * Make ${g}, zeroed memory of ghosts_size(${entries}), an empty table.
 */
void ghosts_init(struct ghosts *g, uint32_t entries);

static inline uint32_t ghosts_mix(uint32_t place)
{
    return place * 0x9E3779B1u; /* 2^32 / golden ratio: Knuth, section 6.4 */
}

static inline struct ghost_bucket *ghosts_bucket(struct ghosts *g, uint32_t mixed)
{
    return (struct ghost_bucket *)(void *)(g + 1) + ((uint64_t)mixed * g->buckets >> 32);
}

/*
 * ghosts_put(g, place, frequency):
 * What has ${place} has gone, used ${frequency} times.  The oldest of its bucket is forgotten.
 */
void ghosts_put(struct ghosts *g, uint32_t place, unsigned frequency);

/*
 * ghosts_have(g, place):
 * Whether ${place} has a ghost, however old.
 */
bool ghosts_have(struct ghosts *g, uint32_t place);

/*
 * ghosts_take(g, place, reach):
 * The frequency of ${place}'s ghost, which is forgotten with that; -1: there is none, or it is ${reach} or more
 * thirty-firsts old.
 */
int ghosts_take(struct ghosts *g, uint32_t place, unsigned reach);

#endif
