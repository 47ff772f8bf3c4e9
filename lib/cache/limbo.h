/* SPDX-License-Identifier: MIT
 *
 * Values that have left a cache with options.borrow, and wait for the sections that may have borrowed them.  They are
 * the waiter's, as with ENTRY_LAST, unless a section's thread has held one again when its wait is over.
 *
 * Two batches: the old one waits, the young one gathers meanwhile.  The stamp of each is the epoch of its last value:
 * it need not wait for sections that entered in a later one.
 *
 * Proved by test/litmus/limbo.cpp.
 */
#ifndef BRIM_CACHE_LIMBO_H
#define BRIM_CACHE_LIMBO_H

#include "base/lock.h"
#include "entry/entry.h"
#include "part/stripe.h"

struct limbo_batch {
    struct entry_list list;
    size_t count, charge;
    uint64_t stamp;
    uint64_t since; /* when its first value came, on clock_now */
};

struct limbo {
    ATOM(uint64_t) count, charge; /* of what waits; written under the lock */
    ATOM(uint64_t) since;         /* when the oldest value that waits came, on clock_now; as above */
    struct epoch values;          /* the domain of the cache's sections */
    struct lock lock;             /* protects also the epoch's rise */
    struct limbo_batch old GUARDED_BY(rank_limbo), young GUARDED_BY(rank_limbo);
    uint64_t pushed GUARDED_BY(rank_limbo), taken GUARDED_BY(rank_limbo); /* entries so far */
    const struct stripe *blocker GUARDED_BY(rank_limbo); /* a section seen to stand in the way, and its epoch: while */
    uint64_t blocker_epoch GUARDED_BY(rank_limbo); /*   it lasts looking is of no use, and when it ends it looks itself */
};

static inline void limbo_lock(struct limbo *l) LOCKS(rank_limbo)
{
    lock_acquire(&l->lock);
}

static inline void limbo_unlock(struct limbo *l) UNLOCKS(rank_limbo)
{
    lock_release(&l->lock);
}

bool limbo_init(struct limbo *l);
void limbo_destroy(struct limbo *l);

/*
 * limbo_push(l, e):
 * The value of ${e}, the caller's, waits from now on.
 */
void limbo_push(struct limbo *l, struct entry *e) EXCLUDES(rank_limbo);

/*
 * limbo_take(l, s, st, out):
 * Add to ${out} what need not wait any longer: ${st} counts it as dying.
 * Cost: epoch_barrier and a look at each stripe of ${s}, if anything waits.
 */
void limbo_take(struct limbo *l, const struct stripes *s, struct stripe *st, struct entry_list *out)
    EXCLUDES(rank_limbo);

/*
 * limbo_refresh(l, r):
 * The calling thread's section, at ${r}, begins anew where something waits: it stands in the way of nothing that waits
 * now.  The caller then looks at what that has freed.
 */
void limbo_refresh(struct limbo *l, struct epoch_reader *r) EXCLUDES(rank_limbo);

/*
 * limbo_is_quiet(s):
 * True if no section is open at any stripe of ${s}.  Cost: as limbo_take.
 */
bool limbo_is_quiet(const struct stripes *s);

/*
 * limbo_charge_of(l, kind):
 * The charge of what waits and is of kind number ${kind}.  Cost: O(what waits).
 */
size_t limbo_charge_of(struct limbo *l, unsigned kind) EXCLUDES(rank_limbo);

/* What must be taken before all that waits now has been; and whether it has. */
uint64_t limbo_mark(struct limbo *l) EXCLUDES(rank_limbo);
bool limbo_is_past(struct limbo *l, uint64_t mark) EXCLUDES(rank_limbo);

static inline uint64_t limbo_count(const struct limbo *l)
{
    /* Sequentially consistent: see epoch_leave_seen. */
    return atom_load_seq_cst(&((struct limbo *)(uintptr_t)l)->count);
}

static inline size_t limbo_charge(const struct limbo *l)
{
    return (size_t)atom_load_relaxed(&((struct limbo *)(uintptr_t)l)->charge); /* relaxed: a sum */
}

#endif
