/* SPDX-License-Identifier: MIT
 *
 * A mutex with a rank.  A thread takes locks in rising rank only; builds with assertions check that, and that a
 * `_locked' function's lock is held.
 */
#ifndef BRIM_BASE_LOCK_H
#define BRIM_BASE_LOCK_H

#include "base/atom.h"
#include "base/guard.h"

enum lock_rank {
    RANK_LIST = 1,
    RANK_WAITS = 2,
    RANK_SHARD = 3,
    RANK_ADAPT = 4,
    RANK_ARENA = 5,
    RANK_KIND = 6,
    RANK_LIMBO = 7,
    RANK_QUEUES = 8,
    RANK_PINS = 9
};

#ifdef BRIM_RELACY

struct lock {
    rl::mutex m;
};
#define LOCK_READY(name, rank) struct lock name
#define lock_acquire(l) (PLANT_UNLOCKED() ? (void)0 : (l)->m.lock($))
#define lock_release(l) (PLANT_UNLOCKED() ? (void)0 : (l)->m.unlock($))
#define lock_acquire_counted(l, waits, wait_ns) lock_acquire(l)
#define lock_assert_held(l) ((void)(l))

/* A deadline comes whenever somebody else could run.  Random schedules wake for no reason, too. */
struct cond {
    rl::condition_variable_any c;
};
#define cond_init(c_) ((void)(c_), true)
static inline bool cond_wait(struct cond *c, struct lock *l, uint64_t deadline)
{
    bool woken = deadline == 0 || rl::rand(2) == 0;

    if (woken) {
        c->c.wait(l->m, $);
    } else {
        l->m.unlock($);
        l->m.lock($);
    }
    return woken;
}
#define cond_renew(c_) ((void)(c_))
#define cond_wake_all(c_) ((c_)->c.notify_all($))

#else

#include <pthread.h>

struct CAPABILITY("mutex") lock {
    pthread_mutex_t m;
    enum lock_rank rank;
    ATOM(uintptr_t) owner; /* 0: free; kept only in builds with assertions */
};

/* One of the process's, which is ready from the start and needs nothing that could be refused. */
#ifdef PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP
#define LOCK_READY(name, rank) struct lock name = {PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP, rank, {0}}
#else
#define LOCK_READY(name, rank) struct lock name = {PTHREAD_MUTEX_INITIALIZER, rank, {0}}
#endif

/*
 * lock_init(l, rank):
 * Make ${l} ready.  False: the system has no memory for it.
 */
bool lock_init(struct lock *l, enum lock_rank rank);
void lock_destroy(struct lock *l);
#ifdef NDEBUG
static inline void lock_acquire(struct lock *l) LOCKS(*l)
{
    atom_yield();
    pthread_mutex_lock(&l->m);
}
static inline void lock_release(struct lock *l) UNLOCKS(*l)
{
    pthread_mutex_unlock(&l->m);
    atom_yield();
}
#else
void lock_acquire(struct lock *l) LOCKS(*l);
void lock_release(struct lock *l) UNLOCKS(*l);
#endif

/*
 * lock_acquire_counted(l, waits, wait_ns):
 * As lock_acquire.  If another thread has ${l}, ${*waits} and ${*wait_ns}, which ${l} protects, count that.
 */
void lock_acquire_counted(struct lock *l, uint64_t *waits, uint64_t *wait_ns) LOCKS(*l);

/*
 * lock_acquire_same_rank(l):
 * Take ${l} beside others of its rank: for fork only, which takes all locks, in the order of the cache list.
 */
void lock_acquire_same_rank(struct lock *l) LOCKS(*l);

#ifdef NDEBUG
#define lock_assert_held(l) ((void)(l))
#else
void lock_assert_held(struct lock *l) ASSERTS(*l);
#endif

/* What threads wait for under a lock, on the system's monotonic clock. */
struct cond {
    pthread_cond_t c;
};

/*
 * cond_init(c):
 * Make ${c} ready.  False: the system has no memory for it.
 */
bool cond_init(struct cond *c);
void cond_destroy(struct cond *c);

/*
 * cond_renew(c):
 * In the child of a fork: make ${c}, for which threads waited that are gone, as new.
 */
void cond_renew(struct cond *c);

/*
 * cond_wait(c, l, deadline):
 * Give ${l} up and wait to be woken, for ${deadline}, of clock_now, at the most; 0: no limit.  False: that has come.
 * May return for no reason.  The thread cannot be canceled meanwhile.
 */
bool cond_wait(struct cond *c, struct lock *l, uint64_t deadline);
void cond_wake_all(struct cond *c);

#endif
#endif
