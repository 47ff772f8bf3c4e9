/* SPDX-License-Identifier: MIT
 *
 * Epoch-based reclamation: when memory that readers may still look at can be given back.
 *
 * A reader is in a section from epoch_enter to epoch_leave; it takes no lock in one and runs no user code.  A writer
 * unlinks, takes a stamp, and gives the memory back once epoch_passed(stamp): nobody is left who entered before.
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

struct thread {
    ATOM(uint64_t) epoch;  /* written by its thread: 0 outside a section, else the epoch it entered in */
    bool shared;           /* the overflow record: `epoch' counts the threads inside; constant */
    unsigned number;       /* dense; constant */
    ATOM(uint32_t) in_use; /* a thread has it */
    struct thread *next;   /* constant once in the list */
    uint64_t random;       /* its thread's alone */
    unsigned rounds;       /* of thread-exit destructors; its thread's alone */
};

struct epoch {
    ATOM(uint64_t) now;             /* from 1 */
    ATOM(uint32_t) asymmetric;      /* membarrier works: sections enter by a plain store */
    ATOM(struct thread *) threads;  /* pushed only; records are never freed */
};

/* The process's own: for the memory of entries and indexes. */
extern struct epoch epoch_process;

void epoch_enter_fenced(struct epoch *d, struct thread *t);

/*
 * epoch_enter(d, t), epoch_leave(d, t):
 * Begin and end a section of the calling thread, whose record is ${t}.  They do not nest and cannot fail.
 */
static inline void epoch_enter(struct epoch *d, struct thread *t)
{
#if defined(BRIM_RELACY) || defined(BRIM_YIELD)
    /* Checkers take the barriers of the plain entry for more than they are, so they see the fenced one. */
    epoch_enter_fenced(d, t);
#else
    if (likely(!t->shared)) {
        /* Relaxed: a stale epoch only makes the section look older.  The barrier is membarrier's. */
        atom_store_relaxed(&t->epoch, atom_load_relaxed(&d->now));
        atomic_signal_fence(memory_order_seq_cst);
        /* After the store: who still reads `asymmetric' here has its store drained long before the pause in
           epoch_passed, which follows a refusal, is over. */
        if (likely(atom_load_relaxed(&d->asymmetric)))
            return;
    }
    epoch_enter_fenced(d, t);
#endif
}

static inline void epoch_leave(struct epoch *d, struct thread *t)
{
    (void)d;
    /* Release: what the section read was read before memory is given back (edge leave). */
    if (unlikely(t->shared))
        atom_sub_release(&t->epoch, (uint64_t)1);
    else if (PLANTED(epoch_leave_relaxed))
        atom_store_relaxed(&t->epoch, (uint64_t)0);
    else
        atom_store_release(&t->epoch, (uint64_t)0);
}

/*
 * epoch_stamp(d):
 * The stamp for what was unlinked before this call.
 */
uint64_t epoch_stamp(struct epoch *d);

/*
 * epoch_passed(d, stamp):
 * True if every section that began before the stamp was taken has ended.  Never waits.
 * Cost: one membarrier (about 1 us) and a look at each thread's record: once a batch.
 */
bool epoch_passed(struct epoch *d, uint64_t stamp);

/*
 * epoch_wait(d):
 * Wait until every section under way has ended.  Sections are a few hundred instructions long.  Not from within one.
 */
void epoch_wait(struct epoch *d);

#endif
