/* SPDX-License-Identifier: MIT
 *
 * Each thread's record: its section, its number, its random numbers.  Records are made on first use, given back when
 * the thread ends, used again by the next, and never freed: ten thousand threads that come and go leave as many as
 * lived at once.  A thread for which no memory could be had shares one static record, number 0 (G10).
 */
#ifndef BRIM_PART_THREAD_H
#define BRIM_PART_THREAD_H

#include "part/epoch.h"

struct disposal;

struct thread_tls {
    struct thread *self;
    struct disposal *disposal; /* the outermost call's list of victims, or NULL: see cache/dispose.h */
};
_Static_assert(sizeof(struct thread_tls) <= 16, "initial-exec TLS is scarce: dlopen refuses a library with 4 KiB");

extern _Thread_local struct thread_tls thread_tls HIDDEN __attribute__((tls_model("initial-exec")));

struct thread *thread_self_slow(void);

/*
 * thread_self():
 * The calling thread's record.  Never NULL.
 */
static inline struct thread *thread_self(void)
{
    struct thread *t = thread_tls.self;

    return likely(t != NULL) ? t : thread_self_slow();
}

/*
 * thread_random(t):
 * The next of ${t}'s own random numbers.  The shared record's may repeat: they choose victims, nothing more.
 */
uint64_t thread_random(struct thread *t);

/*
 * thread_child(self):
 * In the child of a fork: free the records of threads that are gone.
 */
void thread_child(struct thread *self);

/*
 * thread_on_exit(fn):
 * Have ${fn} called with a thread's record when it ends while `borrowing', on that thread, no lock held.
 */
void thread_on_exit(void (*fn)(struct thread *t));

static inline void section_enter(struct thread *t)
{
    epoch_enter(&epoch_process, &t->reader);
}

static inline void section_leave(struct thread *t)
{
    epoch_leave(&t->reader);
}

#endif
