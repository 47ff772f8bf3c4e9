/* SPDX-License-Identifier: MIT
 *
 * Whom to evict: pool-GDSF that adapts.  GreedyDual-Size-Frequency (Cherkasova 1998) orders entries by
 *
 *   priority = L + frequency * (benefit / cost) ^ power
 *
 * with L, the shard's clock, the highest priority evicted so far, so that what is not used goes in the end however
 * dear it was.  A hit only sets the entry's used bit.  To evict, some neighbours are looked at from a random place
 * on, their bits folded into frequency and priority; of them and the worst left from before, the pool, the lowest
 * goes.  No list is ever moved.
 *
 * What was evicted is remembered as a ghost (policy_ghosts.h), and comes back with the frequency it had.  How much a
 * newcomer and one that comes back weigh, and how long they are remembered, is the mode: one of five, chosen for the
 * whole cache by which would have missed least on a sample of the keys (policy_adapt.h).
 *
 * Priorities are in 1/65536 of the mean ratio of benefit to cost, and wrap: they are compared by their distance to L.
 * All under the shard's mutex.
 */
#ifndef BRIM_SHARD_POLICY_H
#define BRIM_SHARD_POLICY_H

#include "base/guard.h"
#include "entry/entry.h"
#include "shard/policy_ghosts.h"

enum { POLICY_SAMPLE = 8, POLICY_POOL = 16, POLICY_MODES = 5 };

/* How newcomers are met. */
struct policy_mode {
    float newcomer;          /* weight of what is not remembered, of an entry's that was used once */
    float returned;          /* factor on the weight of what is */
    unsigned reach;          /* how old a ghost counts, in thirty-firsts of the table */
    const float *frequency;  /* weight by frequency, up to GHOST_FREQUENCY */
};
extern const struct policy_mode policy_modes[POLICY_MODES] HIDDEN;

struct policy_adapt;

struct policy {
    uint32_t clock GUARDED_BY(rank_shard);    /* L */
    uint32_t admitted GUARDED_BY(rank_shard); /* the means are of so many, at the most */
    float mean_ratio GUARDED_BY(rank_shard);  /* of benefit to cost, moving */
    float mean_work GUARDED_BY(rank_shard);
    float scale GUARDED_BY(rank_shard);       /* UNIT / mean_ratio */
    unsigned pooled GUARDED_BY(rank_shard);
    bool evicting GUARDED_BY(rank_shard); /* something has been evicted */
    brim_objective objective;             /* constant */
    uint64_t random GUARDED_BY(rank_shard);
    struct policy_adapt *adapt; /* constant: it chooses the mode, and is told of requests; NULL: `mode' stays */
    const struct policy_mode *mode GUARDED_BY(rank_shard); /* of the last admission */
    struct ghosts *ghosts GUARDED_BY(rank_shard) PT_GUARDED_BY(rank_shard); /* NULL: none yet */
    uint32_t ghosts_for GUARDED_BY(rank_shard); /* entries */
    uint32_t creep GUARDED_BY(rank_shard); /* of the clock: what is not a whole unit yet, in parts of ghosts_for */
    uint32_t rank[POLICY_POOL] GUARDED_BY(rank_shard); /* priorities of the pool when they joined it: the worst last */
    struct entry *pool[POLICY_POOL] GUARDED_BY(rank_shard); /* each flagged POOLED */
};

/*
 * policy_init(p, objective, seed, adapt):
 * ${adapt} may be NULL: the first mode then stays.
 */
void policy_init(struct policy *p, brim_objective objective, uint64_t seed, struct policy_adapt *adapt);

/*
 * policy_pack_work(ns):
 * ${ns} in a logarithmic scale of 16 bits, for entry.work.  0 is unknown, and counts as the mean.
 */
uint16_t policy_pack_work(uint64_t ns);

/*
 * policy_benefit(p, e):
 * What a hit of ${e} saves, by the objective.
 */
float policy_benefit(const struct policy *p, const struct entry *e) REQUIRES(rank_shard);

/*
 * policy_follow(mean, x, span):
 * Have ${*mean} follow ${x}, positive, one of the last ${span}; 0: of none yet.
 */
void policy_follow(float *mean, float x, uint32_t span);

/*
 * policy_prefetch(p, place):
 * Ask for what policy_admit and policy_evicted of ${place} look at.
 */
static inline void policy_prefetch(const struct policy *p, uint32_t place) REQUIRES(rank_shard)
{
    if (p->ghosts != NULL)
        __builtin_prefetch(ghosts_bucket(p->ghosts, ghosts_mix(place)), 1);
}

/*
 * policy_remembers(p, e):
 * Whether ${e}'s key was evicted not long ago.
 */
static inline bool policy_remembers(const struct policy *p, const struct entry *e) REQUIRES(rank_shard)
{
    return p->ghosts != NULL && ghosts_have(p->ghosts, e->place);
}

/*
 * policy_admit(p, e, old):
 * ${e} is new.  It goes on as ${old}, whose key it has; or ${old} is NULL.
 */
void policy_admit(struct policy *p, struct entry *e, const struct entry *old) REQUIRES(rank_shard);

/*
 * policy_forget(p, e):
 * ${e} leaves.
 */
void policy_forget(struct policy *p, struct entry *e) REQUIRES(rank_shard);

/*
 * policy_sample(p):
 * How many entries should be looked at before the next is evicted: POLICY_SAMPLE, or fewer in a large cache, where
 * each is a miss to memory.
 */
unsigned policy_sample(struct policy *p) REQUIRES(rank_shard);

/*
 * policy_consider(p, sample, n):
 * Join ${n} entries with the pool.
 */
void policy_consider(struct policy *p, struct entry *const sample[], unsigned n) REQUIRES(rank_shard);

/*
 * policy_keep_up(p, e):
 * ${e} is held: when it is held no more it counts as if it had just been worth no more than L.
 */
void policy_keep_up(const struct policy *p, struct entry *e) REQUIRES(rank_shard);

/*
 * policy_next(p):
 * The worst of the pool, which is taken from it; NULL: the pool is empty.
 */
struct entry *policy_next(struct policy *p) REQUIRES(rank_shard);

/*
 * policy_evicted(p, e, chosen):
 * ${e} is evicted: it becomes a ghost.  If it was ${chosen} by policy_next, the clock follows.
 */
void policy_evicted(struct policy *p, const struct entry *e, bool chosen) REQUIRES(rank_shard);

/* ---- Memory, which is not had under the mutex */

/*
 * policy_wants_ghosts(p, count):
 * The number of entries, for a shard with ${count}, that it wants a new table of ghosts for; 0: it has the right one,
 * or needs none yet.
 */
uint32_t policy_wants_ghosts(const struct policy *p, uint32_t count) REQUIRES(rank_shard);

/*
 * policy_take_ghosts(p, g, entries):
 * Have ${g}, which is empty, for ${entries} from now on.  Returns the one it had, or NULL.
 */
struct ghosts *policy_take_ghosts(struct policy *p, struct ghosts *g, uint32_t entries) REQUIRES(rank_shard);

#endif
