/* SPDX-License-Identifier: MIT
 *
 * What every file of the fiber variants sees in place of the system's threads, clock and random numbers: the compiler
 * is told to include this first.  The library is compiled as it is, its locks and thread records included; its
 * thread-local variables are the fiber's (-femulated-tls).
 */
#ifndef BRIM_TEST_FIBER_THREADS_H
#define BRIM_TEST_FIBER_THREADS_H

#include <pthread.h>
#include <sched.h>
#include <sys/random.h>
#include <time.h>

struct fiber;
struct fiber_mutex {
    struct fiber *holder;
};
struct fiber_cond {
    char none;
};

int fiber_mutex_init(struct fiber_mutex *m, const pthread_mutexattr_t *attributes);
int fiber_mutex_destroy(struct fiber_mutex *m);
int fiber_mutex_lock(struct fiber_mutex *m);
int fiber_mutex_trylock(struct fiber_mutex *m);
int fiber_mutex_unlock(struct fiber_mutex *m);
int fiber_cond_init(struct fiber_cond *c, const pthread_condattr_t *attributes);
int fiber_cond_destroy(struct fiber_cond *c);
int fiber_cond_wait(struct fiber_cond *c, struct fiber_mutex *m);
int fiber_cond_timedwait(struct fiber_cond *c, struct fiber_mutex *m, const struct timespec *deadline);
int fiber_cond_broadcast(struct fiber_cond *c);
int fiber_once(pthread_once_t *once, void (*fn)(void));
int fiber_key_create(pthread_key_t *key, void (*destructor)(void *value));
int fiber_setspecific(pthread_key_t key, const void *value);
int fiber_yield(void);
int fiber_sleep(const struct timespec *time, struct timespec *rest);
int fiber_clock(clockid_t clock, struct timespec *time);
ssize_t fiber_entropy(void *to, size_t n, unsigned flags);

#undef PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP
#undef PTHREAD_MUTEX_INITIALIZER
#undef PTHREAD_COND_INITIALIZER
#define PTHREAD_MUTEX_INITIALIZER {NULL}
#define PTHREAD_COND_INITIALIZER {0}
#define pthread_mutex_t struct fiber_mutex
#define pthread_mutex_init fiber_mutex_init
#define pthread_mutex_destroy fiber_mutex_destroy
#define pthread_mutex_lock fiber_mutex_lock
#define pthread_mutex_trylock fiber_mutex_trylock
#define pthread_mutex_unlock fiber_mutex_unlock
#define pthread_cond_t struct fiber_cond
#define pthread_cond_init fiber_cond_init
#define pthread_cond_destroy fiber_cond_destroy
#define pthread_cond_wait fiber_cond_wait
#define pthread_cond_timedwait fiber_cond_timedwait
#define pthread_cond_broadcast fiber_cond_broadcast
#define pthread_once fiber_once
#define pthread_key_create fiber_key_create
#define pthread_setspecific fiber_setspecific
#define sched_yield fiber_yield
#define nanosleep fiber_sleep
#define clock_gettime fiber_clock
#define getrandom fiber_entropy

/* Fibers are not canceled, and the system's list of handlers is the system thread's. */
#undef pthread_cleanup_push
#undef pthread_cleanup_pop
#define pthread_cleanup_push(fn, arg)                                                                             \
    do {                                                                                                          \
    (void)(fn), (void)(arg)
#define pthread_cleanup_pop(execute)                                                                              \
    }                                                                                                             \
    while (0)

#endif
