/* SPDX-License-Identifier: MIT */
#include "base/lock.h"

#include "base/debug.h"

/* Locks are held for a microsecond at the most: where the C library can, who waits spins before it sleeps. */
bool lock_init(struct lock *l, enum lock_rank rank)
{
    pthread_mutexattr_t attributes;
    bool ready;

    l->rank = rank;
    atom_store_relaxed(&l->owner, 0);
    if (pthread_mutexattr_init(&attributes) != 0)
        return false;
#ifdef PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP
    (void)pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
#endif
    ready = pthread_mutex_init(&l->m, &attributes) == 0;
    pthread_mutexattr_destroy(&attributes);
    return ready;
}

void lock_destroy(struct lock *l)
{
    pthread_mutex_destroy(&l->m);
}

#ifdef NDEBUG

void lock_acquire_same_rank(struct lock *l)
{
    pthread_mutex_lock(&l->m);
}

#else

static _Thread_local unsigned held[8]; /* how many locks of each rank this thread has */
static _Thread_local char self;        /* its address names the thread */

static void check_rank(unsigned lowest)
{
    for (unsigned r = lowest; r < sizeof held / sizeof held[0]; r++)
        if (held[r] != 0)
            debug_panic("lock taken out of rank");
}

static void take(struct lock *l)
{
    pthread_mutex_lock(&l->m);
    held[l->rank]++;
    atom_store_relaxed(&l->owner, (uintptr_t)&self);
}

void lock_acquire(struct lock *l)
{
    atom_yield();
    check_rank(l->rank);
    take(l);
}

void lock_acquire_same_rank(struct lock *l)
{
    check_rank(l->rank + 1u);
    take(l);
}

void lock_release(struct lock *l)
{
    lock_assert_held(l);
    atom_store_relaxed(&l->owner, 0);
    held[l->rank]--;
    pthread_mutex_unlock(&l->m);
    atom_yield();
}

void lock_assert_held(struct lock *l)
{
    /* Relaxed: only this thread ever stores its own address there. */
    if (atom_load_relaxed(&l->owner) != (uintptr_t)&self)
        debug_panic("lock not held");
}

#endif
