/* SPDX-License-Identifier: MIT
 *
 * A mutex with a rank.  A thread takes locks in rising rank only; builds with assertions check that, and that a
 * `_locked' function's lock is held.
 */
#ifndef BRIM_BASE_LOCK_H
#define BRIM_BASE_LOCK_H

#include "base/atom.h"

enum lock_rank { RANK_LIST = 1, RANK_SHARD = 2, RANK_ADAPT = 3, RANK_ARENA = 4, RANK_KIND = 5, RANK_LIMBO = 6 };

#ifdef BRIM_RELACY

struct lock {
    rl::mutex m;
};
#define lock_acquire(l) ((l)->m.lock($))
#define lock_release(l) ((l)->m.unlock($))
#define lock_assert_held(l) ((void)(l))

#else

#include <pthread.h>

#if defined(__clang__) && defined(__has_attribute)
#define LOCK_ATTRIBUTE(x) __attribute__((x))
#else
#define LOCK_ATTRIBUTE(x)
#endif

struct LOCK_ATTRIBUTE(capability("mutex")) lock {
    pthread_mutex_t m;
    enum lock_rank rank;
    ATOM(uintptr_t) owner; /* 0: free; kept only in builds with assertions */
};

/*
 * lock_init(l, rank):
 * Make ${l} ready.  False: the system has no memory for it.
 */
bool lock_init(struct lock *l, enum lock_rank rank);
void lock_destroy(struct lock *l);
#ifdef NDEBUG
static inline LOCK_ATTRIBUTE(no_thread_safety_analysis) void lock_acquire(struct lock *l)
    LOCK_ATTRIBUTE(acquire_capability(*l))
{
    atom_yield();
    pthread_mutex_lock(&l->m);
}
static inline LOCK_ATTRIBUTE(no_thread_safety_analysis) void lock_release(struct lock *l)
    LOCK_ATTRIBUTE(release_capability(*l))
{
    pthread_mutex_unlock(&l->m);
    atom_yield();
}
#else
void lock_acquire(struct lock *l) LOCK_ATTRIBUTE(acquire_capability(*l));
void lock_release(struct lock *l) LOCK_ATTRIBUTE(release_capability(*l));
#endif

/*
 * lock_acquire_same_rank(l):
 * Take ${l} beside others of its rank: for fork only, which takes all locks, in the order of the cache list.
 */
void lock_acquire_same_rank(struct lock *l) LOCK_ATTRIBUTE(acquire_capability(*l));

#ifdef NDEBUG
#define lock_assert_held(l) ((void)(l))
#else
void lock_assert_held(struct lock *l) LOCK_ATTRIBUTE(assert_capability(*l));
#endif

#endif
#endif
