/* SPDX-License-Identifier: MIT
 *
 * Epoch-based reclamation: when what readers may still look at can be given back.
 *
 * A reader is in a section from epoch_enter to epoch_leave.  A writer unlinks, takes a stamp, and gives back what it
 * unlinked once epoch_passed(stamp): nobody is left who entered before.  There are two sorts of domain: the process's
 * own, for the memory of entries and indexes, in whose sections no lock is taken and no user code runs; and one for
 * each cache with options.borrow, for values (cache/limbo.h).
 *
 * Entering stores the epoch and must then be seen before anything the section reads (edge enter, docs/ORDERING.md).
 * Either the reader pays, with sequentially consistent accesses, or, where membarrier(2) works, entering is a plain
 * store and the writer makes every processor pass a barrier, once a batch.
 *
 * Scheme: Fraser, "Practical lock-freedom", 2004, section 5.2.3; asymmetric barriers as in userspace-rcu.
 * Proved by test/litmus/epoch.cpp.
 */
#ifndef BRIM_PART_EPOCH_H
#define BRIM_PART_EPOCH_H

#include "base/atom.h"

/* Where a thread says that it is in a section. */
struct epoch_reader {
    ATOM(uint64_t) epoch; /* written by its thread: 0 outside a section, else the epoch it entered in */
    bool shared;          /* by threads that have none of their own: `epoch' counts those inside; constant */
};

struct flight;

struct thread {
    struct epoch_reader reader; /* of the process's domain */
    unsigned number;            /* dense; constant */
    ATOM(uint32_t) in_use;      /* a thread has it */
    struct thread *next;        /* constant once in the list */
    uint64_t random;            /* its thread's alone, as all below */
    unsigned rounds;            /* of thread-exit destructors */
    unsigned borrowing;         /* caches in which it has a section open */
    unsigned trimming;          /* trims that it is in: they do not nest */
    struct flight *loading;     /* the load whose loader it runs, the innermost; NULL: none */
    ATOM(struct flight *) waits_for; /* it is blocked until this load ends; read by all: shard/flight.h */
    ATOM(uint64_t) waits;            /* how often it was so far */
};

struct epoch {
    ATOM(uint64_t) now;            /* from 1 */
    ATOM(uint64_t) passed;         /* every section from before this stamp was taken is known to have ended */
    ATOM(struct thread *) threads; /* of the process's own domain, as `passed': pushed only; records are never freed */
};

/* membarrier works: sections enter by a plain store. */
struct epoch_mode {
    ATOM(uint32_t) asymmetric;
};
extern struct epoch_mode epoch_mode HIDDEN;

/* The process's own. */
extern struct epoch epoch_process HIDDEN;

void epoch_enter_fenced(struct epoch *d, struct epoch_reader *r);

/*
 * epoch_enter(d, r), epoch_leave(r):
 * Begin and end a section of the calling thread, whose place is ${r}.  They do not nest and cannot fail.
 */
static inline void epoch_enter(struct epoch *d, struct epoch_reader *r)
{
#if defined(BRIM_RELACY) || defined(BRIM_YIELD)
    /* Checkers take the barriers of the plain entry for more than they are, so they see the fenced one. */
    epoch_enter_fenced(d, r);
#else
    if (likely(!r->shared)) {
        /* Acquire: who enters in an epoch has seen what was unlinked before it.  The barrier after is membarrier's. */
        atom_store_relaxed(&r->epoch, atom_load_acquire(&d->now));
        atom_compiler_barrier();
        /* After the store: who still reads `asymmetric' here has its store drained long before the pause in
           epoch_barrier, which follows a refusal, is over. */
        if (likely(atom_load_relaxed(&epoch_mode.asymmetric)))
            return;
    }
    epoch_enter_fenced(d, r);
#endif
}

static inline void epoch_leave(struct epoch_reader *r)
{
    /* Release: what the section read was read before memory is given back (edge leave). */
    if (unlikely(r->shared))
        (void)atom_sub_release(&r->epoch, (uint64_t)1);
    else if (PLANTED(epoch_leave_relaxed))
        atom_store_relaxed(&r->epoch, (uint64_t)0);
    else
        atom_store_release(&r->epoch, (uint64_t)0);
}

/*
 * epoch_leave_seen(r):
 * Leave, so that a writer who still sees the section has written before what the caller reads next (edge last).
 */
static inline void epoch_leave_seen(struct epoch_reader *r)
{
#if !defined(BRIM_RELACY) && !defined(BRIM_YIELD)
    if (likely(!r->shared && atom_load_relaxed(&epoch_mode.asymmetric))) {
        atom_store_release(&r->epoch, (uint64_t)0);
        atom_compiler_barrier(); /* the barrier is the writer's: epoch_barrier */
        return;
    }
#endif
    if (r->shared)
        (void)atom_sub_seq_cst(&r->epoch, (uint64_t)1);
    else if (PLANTED(epoch_leave_unseen))
        atom_store_release(&r->epoch, (uint64_t)0);
    else
        atom_store_seq_cst(&r->epoch, (uint64_t)0);
}

/*
 * epoch_refresh(d, r):
 * Leave and enter, never seen outside.  Not at a shared place.
 */
static inline void epoch_refresh(struct epoch *d, struct epoch_reader *r)
{
    /*
     * Acquire: what was unlinked before that epoch began is seen.  Release, as leaving.  No more, unlike entering: who sees
     * the store late sees a section that entered earlier, never none, and waits for it.
     */
    atom_store_release(&r->epoch, atom_load_acquire(&d->now));
}

/*
 * epoch_stamp(d):
 * The stamp for what was unlinked before this call.
 */
uint64_t epoch_stamp(struct epoch *d);

/*
 * epoch_barrier():
 * Before looking at readers: make every section that began before be seen.
 * Cost: one membarrier (about 1 us): once a batch.
 */
void epoch_barrier(void);

#define EPOCH_NONE UINT64_MAX

/*
 * epoch_entered(r):
 * The epoch that the section at ${r} entered in; EPOCH_NONE: there is none; 0: not known.  After epoch_barrier.
 */
uint64_t epoch_entered(const struct epoch_reader *r);

/*
 * epoch_passed(d, stamp):
 * True if every section of the process's domain that began before the stamp was taken has ended.  Never waits.
 * Cost: epoch_barrier and a look at each thread's record, if nobody has looked since.
 */
bool epoch_passed(struct epoch *d, uint64_t stamp);

/*
 * epoch_wait(d):
 * Wait until every section under way in the process's domain has ended.  They are a few hundred instructions long.
 * Not from within one.
 */
void epoch_wait(struct epoch *d);

#endif
