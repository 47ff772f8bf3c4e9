/* SPDX-License-Identifier: MIT
 *
 * Whom to evict: pool-GDSF.  GreedyDual-Size-Frequency (Cherkasova 1998) orders entries by
 *
 *   priority = L + frequency * benefit / cost
 *
 * with L, the shard's clock, the highest priority evicted so far, so that what is not used goes in the end however
 * dear it was.  A hit only sets the entry's used bit.  To evict, some neighbours are looked at from a random place
 * on, their bits folded into frequency and priority; of them and the worst left from before, the lowest goes.  What
 * is no better than L then goes without another look at neighbours, a few times.  No list is ever moved.
 *
 * Priorities are in 1/1024 of the mean ratio of benefit to cost, and wrap: they are compared by their distance to L.
 * All under the shard's mutex.
 */
#ifndef BRIM_SHARD_POLICY_H
#define BRIM_SHARD_POLICY_H

#include "entry/entry.h"

enum { POLICY_SAMPLE = 16, POLICY_POOL = 16 };

struct policy {
    uint32_t clock;   /* L */
    float mean_ratio; /* of benefit to cost, moving */
    float mean_work;
    unsigned pooled;
    unsigned unsampled; /* evictions since the last sample */
    brim_objective objective;
    struct entry *pool[POLICY_POOL]; /* the worst seen, each flagged POOLED */
};

void policy_init(struct policy *p, brim_objective objective);

/*
 * policy_pack_work(ns):
 * ${ns} in a logarithmic scale of 16 bits, for entry.work.  0 is unknown, and counts as the mean.
 */
uint16_t policy_pack_work(uint64_t ns);

/*
 * policy_admit(p, e):
 * ${e} is new.
 */
void policy_admit(struct policy *p, struct entry *e);

/*
 * policy_forget(p, e):
 * ${e} leaves.
 */
void policy_forget(struct policy *p, struct entry *e);

/*
 * policy_consider(p, sample, n):
 * Join ${n} entries with the pool.
 */
void policy_consider(struct policy *p, struct entry *const sample[], unsigned n);

/*
 * policy_has_overdue(p):
 * True if the worst of the pool is no better than what has been evicted already, and few have gone since the last
 * sample: it can go without a new one.
 */
bool policy_has_overdue(struct policy *p);

/*
 * policy_next(p):
 * The worst of the pool, which is taken from it; NULL: the pool is empty.
 */
struct entry *policy_next(struct policy *p);

/*
 * policy_evicted(p, e):
 * ${e}, from policy_next, has been evicted: the clock follows.
 */
void policy_evicted(struct policy *p, const struct entry *e);

#endif
