/* SPDX-License-Identifier: MIT */
#include "base/lock.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"
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

/* ---- Conditions */

bool cond_init(struct cond *c)
{
    pthread_condattr_t attributes;
    bool ready;

    if (pthread_condattr_init(&attributes) != 0)
        return false;
    ready = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 && pthread_cond_init(&c->c, &attributes) == 0;
    pthread_condattr_destroy(&attributes);
    return ready;
}

void cond_destroy(struct cond *c)
{
    pthread_cond_destroy(&c->c);
}

/* Not on that clock, if the system refuses: who waits for a time is back at once then. */
void cond_renew(struct cond *c)
{
    if (!cond_init(c))
        c->c = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
}

static int wait_until(struct cond *c, struct lock *l, uint64_t deadline)
{
    struct timespec t = {(time_t)(deadline / 1000000000u), (long)(deadline % 1000000000u)};

    return deadline == 0 ? pthread_cond_wait(&c->c, &l->m) : pthread_cond_timedwait(&c->c, &l->m, &t);
}

void cond_wake_all(struct cond *c)
{
    atom_yield();
    pthread_cond_broadcast(&c->c);
}

#ifdef NDEBUG

bool cond_wait(struct cond *c, struct lock *l, uint64_t deadline)
{
    int cancel, result;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    result = wait_until(c, l, deadline);
    pthread_setcancelstate(cancel, &cancel);
    return result != ETIMEDOUT;
}

void lock_acquire_counted(struct lock *l, uint64_t *waits, uint64_t *wait_ns)
{
    uint64_t since;

    atom_yield();
    if (likely(pthread_mutex_trylock(&l->m) == 0))
        return;
    since = clock_now();
    pthread_mutex_lock(&l->m);
    ++*waits;
    *wait_ns += clock_now() - since;
}

void lock_acquire_same_rank(struct lock *l)
{
    atom_yield();
    pthread_mutex_lock(&l->m);
}

#else

static _Thread_local unsigned held[RANK_PINS + 1]; /* how many locks of each rank this thread has */
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
    atom_yield();
    check_rank(l->rank + 1u);
    take(l);
}

void lock_acquire_counted(struct lock *l, uint64_t *waits, uint64_t *wait_ns)
{
    uint64_t since = 0;
    bool taken;

    atom_yield();
    check_rank(l->rank);
    taken = pthread_mutex_trylock(&l->m) == 0;
    if (!taken) {
        since = clock_now();
        pthread_mutex_lock(&l->m);
    }
    held[l->rank]++;
    atom_store_relaxed(&l->owner, (uintptr_t)&self);
    if (!taken) {
        ++*waits;
        *wait_ns += clock_now() - since;
    }
}

bool cond_wait(struct cond *c, struct lock *l, uint64_t deadline)
{
    int cancel, result;

    lock_assert_held(l);
    check_rank(l->rank + 1u);
    atom_store_relaxed(&l->owner, 0);
    held[l->rank]--;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    result = wait_until(c, l, deadline);
    pthread_setcancelstate(cancel, &cancel);
    held[l->rank]++;
    atom_store_relaxed(&l->owner, (uintptr_t)&self);
    return result != ETIMEDOUT;
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
