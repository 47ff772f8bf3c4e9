/* SPDX-License-Identifier: MIT
 *
 * A shadow: a small cache of keys without values, run by one mode of the policy, that shows how the mode would fare.
 * It is given the requests of a sample of the keys, and as much less capacity as the sample is smaller than the whole.
 * Under the mutex of who owns it.
 */
#ifndef BRIM_SHARD_POLICY_SHADOW_H
#define BRIM_SHARD_POLICY_SHADOW_H

#include "shard/policy.h"

enum {
    SHADOW_ENTRIES = 128, /* it is made for so many: more are 0.1 point better over real traces */
    SHADOW_MOST = 160,
    SHADOW_GHOST_BUCKETS = (SHADOW_ENTRIES * GHOSTS_AN_ENTRY + GHOST_RING - 1) / GHOST_RING + 1
};

struct shadow {
    struct policy policy;
    double capacity GUARDED_BY(rank_adapt), used GUARDED_BY(rank_adapt);
    unsigned most GUARDED_BY(rank_adapt), count GUARDED_BY(rank_adapt);
    uint32_t place[SHADOW_MOST] GUARDED_BY(rank_adapt); /* of the entry of the same number */
    struct entry entry[SHADOW_MOST] GUARDED_BY(rank_adapt);
    struct ghosts ghosts;
    struct ghost_bucket buckets[SHADOW_GHOST_BUCKETS];
};

/*
 * shadow_init(s, objective, mode, seed):
 * ${s} is zeroed.
 */
void shadow_init(struct shadow *s, brim_objective objective, const struct policy_mode *mode, uint64_t seed);

/*
 * shadow_resize(s, capacity, most, ghosts_for):
 * Hold at most ${capacity} of cost and ${most} entries, about ${ghosts_for}, from the next on that is let in.
 */
void shadow_resize(struct shadow *s, double capacity, unsigned most, unsigned ghosts_for) REQUIRES(rank_adapt);

/*
 * shadow_scale(s, part):
 * Hold ${part} of the cost and entries.
 */
void shadow_scale(struct shadow *s, double part) REQUIRES(rank_adapt);

/*
 * shadow_is_crowded(s):
 * It has no place for another entry, and room for its cost.
 */
static inline bool shadow_is_crowded(const struct shadow *s) REQUIRES(rank_adapt)
{
    return s->count == SHADOW_MOST && s->used < s->capacity * 0.9;
}

/*
 * shadow_request(s, e):
 * ${e} is asked for.  True: a hit.
 */
bool shadow_request(struct shadow *s, const struct entry *e) REQUIRES(rank_adapt, rank_shard);

#endif
