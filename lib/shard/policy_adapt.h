/* SPDX-License-Identifier: MIT
 *
 * Which mode of the policy suits what the cache is asked for: a shadow runs each, over a sample of the keys, and what
 * each has missed lately is weighed by the objective.  One for all shards.
 *
 * A shadow is told of a sampled key when it is inserted and when eviction finds that it was used: hits cost nothing,
 * and what is used again and again between two looks of eviction would hit in every shadow.
 */
#ifndef BRIM_SHARD_POLICY_ADAPT_H
#define BRIM_SHARD_POLICY_ADAPT_H

#include "base/lock.h"
#include "base/mem.h"
#include "shard/policy.h"

struct shadow;

struct policy_adapt {
    ATOM(uint32_t) mode;      /* read without the mutex, as the next */
    ATOM(uint32_t) threshold; /* mixed places up to this are sampled; 0: none are */
    ATOM(uint64_t) entries;   /* for which the sample was chosen; 0: there are no shadows yet */

    brim_objective objective; /* constant, as the next */
    uint64_t seed;
    struct lock lock; /* taken within a shard's */
    struct shadow *shadows GUARDED_BY(rank_adapt) PT_GUARDED_BY(rank_adapt); /* POLICY_MODES, or NULL */
    float missed[POLICY_MODES] GUARDED_BY(rank_adapt); /* fading sums of benefits */
    float mean_benefit GUARDED_BY(rank_adapt);
    uint32_t requests GUARDED_BY(rank_adapt); /* up to the span of the sums */
};

/*
 * adapt_init(a, objective, seed):
 * False: the system has no mutex left.
 */
bool adapt_init(struct policy_adapt *a, brim_objective objective, uint64_t seed);
void adapt_destroy(struct policy_adapt *a, const brim_allocator *mem);

/*
 * adapt_fits(a, entries):
 * Whether the shadows are there and their sample suits a cache of ${entries}.
 */
bool adapt_fits(struct policy_adapt *a, uint64_t entries);

/*
 * adapt_fit(a, mem, entries, used, exactly):
 * Make them so, for a cache in which ${entries} cost ${used}, and of which there may be no more if ${exactly}.  Without
 * memory all stays as it is.  No lock held.
 */
void adapt_fit(struct policy_adapt *a, const brim_allocator *mem, uint64_t entries, uint64_t used, bool exactly)
    EXCLUDES(rank_shard, rank_adapt);
size_t adapt_bytes(const struct policy_adapt *a);

/* Relaxed, all of them: any mode will do, and whoever finds shadows takes the mutex. */
static inline const struct policy_mode *adapt_mode(struct policy_adapt *a)
{
    return &policy_modes[atom_load_relaxed(&a->mode)];
}

static inline uint64_t adapt_entries(struct policy_adapt *a)
{
    return atom_load_relaxed(&a->entries);
}

static inline bool adapt_is_sampled(struct policy_adapt *a, uint32_t place)
{
    uint32_t threshold = atom_load_relaxed(&a->threshold);
    uint32_t mixed = (place ^ place >> 16) * 0xC2B2AE35u; /* not as ghosts are: the sample's must spread over their buckets */

    return unlikely(mixed <= threshold && threshold != 0);
}

void adapt_count(struct policy_adapt *a, const struct entry *e) REQUIRES(rank_shard) EXCLUDES(rank_adapt);

/*
 * adapt_request(a, e):
 * ${e} was asked for.
 */
static inline void adapt_request(struct policy_adapt *a, const struct entry *e) REQUIRES(rank_shard)
{
    if (adapt_is_sampled(a, e->place))
        adapt_count(a, e);
}

#endif
