/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "fiber/schedule.h"

UNCHECKED_BEGIN

/* ---- Mutexes and conditions */

int fiber_mutex_init(struct fiber_mutex *m, const pthread_mutexattr_t *attributes)
{
    (void)attributes;
    m->holder = NULL;
    return 0;
}

int fiber_mutex_destroy(struct fiber_mutex *m)
{
    if (m->holder != NULL)
        fail("a mutex is destroyed while it is held");
    return 0;
}

int fiber_mutex_lock(struct fiber_mutex *m)
{
    while (m->holder != NULL) {
        if (m->holder == running || !may_switch())
            fail("a mutex is taken that cannot be had");
        running->state = BLOCKED;
        running->waits_for = m;
        pass(true);
    }
    m->holder = running;
    __tsan_acquire(m);
    return 0;
}

int fiber_mutex_trylock(struct fiber_mutex *m)
{
    return m->holder != NULL ? EBUSY : fiber_mutex_lock(m);
}

int fiber_mutex_unlock(struct fiber_mutex *m)
{
    if (m->holder != running)
        fail("a mutex is given back by who does not have it");
    __tsan_release(m);
    m->holder = NULL;
    for (struct fiber *f = fibers + 1; f < fibers + FIBERS; f++)
        if (f->state == BLOCKED && f->waits_for == m)
            f->state = READY;
    return 0;
}

int fiber_cond_init(struct fiber_cond *c, const pthread_condattr_t *attributes)
{
    (void)c;
    (void)attributes;
    return 0;
}

int fiber_cond_destroy(struct fiber_cond *c)
{
    for (struct fiber *f = fibers + 1; f < fibers + FIBERS; f++)
        if (f->state == WAITING && f->waits_for == c)
            fail("a condition is destroyed while somebody waits for it");
    return 0;
}

static int wait_until(struct fiber_cond *c, struct fiber_mutex *m, uint64_t deadline)
{
    if (!may_switch())
        fail("a wait that nobody can end");
    fiber_mutex_unlock(m);
    running->state = WAITING;
    running->waits_for = c;
    running->deadline = deadline;
    running->timed_out = false;
    pass(true);
    fiber_mutex_lock(m);
    return running->timed_out ? ETIMEDOUT : 0;
}

int fiber_cond_wait(struct fiber_cond *c, struct fiber_mutex *m)
{
    return wait_until(c, m, 0);
}

int fiber_cond_timedwait(struct fiber_cond *c, struct fiber_mutex *m, const struct timespec *deadline)
{
    return wait_until(c, m, (uint64_t)deadline->tv_sec * 1000000000u + (uint64_t)deadline->tv_nsec);
}

int fiber_cond_broadcast(struct fiber_cond *c)
{
    for (struct fiber *f = fibers + 1; f < fibers + FIBERS; f++)
        if (f->state == WAITING && f->waits_for == c)
            f->state = READY;
    return 0;
}

/* Not divided: that others come in between is the system's business. */
int fiber_once(pthread_once_t *once, void (*fn)(void))
{
    if (*once == 0) {
        undivided++;
        fn();
        undivided--;
        *once = 1;
        __tsan_release(once);
    }
    __tsan_acquire(once);
    return 0;
}

/* ---- What a thread has of its own */

static void (*destructor_of[KEYS])(void *value);
static pthread_key_t keys;

int fiber_key_create(pthread_key_t *key, void (*destructor)(void *value))
{
    if (keys == KEYS)
        return EAGAIN;
    destructor_of[keys] = destructor;
    *key = keys++;
    return 0;
}

int fiber_setspecific(pthread_key_t key, const void *value)
{
    running->value[key] = (void *)(uintptr_t)value;
    return 0;
}

void end_thread(void)
{
    struct fiber *f = running;

    for (int round = 0; round < PTHREAD_DESTRUCTOR_ITERATIONS; round++) {
        for (pthread_key_t k = 0; k < keys; k++) {
            void *value = f->value[k];
            f->value[k] = NULL;
            if (value != NULL && destructor_of[k] != NULL)
                destructor_of[k](value);
        }
    }
    memset(f->value, 0, sizeof f->value);
    memset(f->local, 0, sizeof f->local);
    f->locals = 0;
}

/* What compilers call for a thread-local variable with -femulated-tls. */
struct emutls_object {
    size_t size, align;
    uintptr_t number; /* ours; from 1 */
    const void *initial;
};
void *__emutls_get_address(struct emutls_object *o);
void *__emutls_get_address(struct emutls_object *o)
{
    static uintptr_t objects;
    struct fiber *f = running;

    if (o->number == 0 && (o->number = ++objects) >= LOCALS)
        fail("too many thread-local variables");
    if (f->local[o->number] == NULL) {
        size_t at = (f->locals + o->align - 1) & ~(o->align - 1);
        if (at + o->size > LOCAL_BYTES || o->align > 16)
            fail("a thread-local variable is too large");
        f->locals = at + o->size;
        f->local[o->number] = f->local_bytes + at;
        if (o->initial != NULL)
            memcpy(f->local_bytes + at, o->initial, o->size);
        else
            memset(f->local_bytes + at, 0, o->size);
    }
    return f->local[o->number];
}

/* ---- Time and chance */

int fiber_yield(void)
{
    if (!may_switch())
        return 0;
    step();
    behind_all();
    pass(true);
    return 0;
}

int fiber_sleep(const struct timespec *time, struct timespec *rest)
{
    uint64_t until = now_ns + (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_nsec;

    (void)rest;
    if (!may_switch()) {
        now_ns = until;
        return 0;
    }
    step();
    running->state = ASLEEP;
    running->deadline = until;
    pass(true);
    return 0;
}

int fiber_clock(clockid_t clock, struct timespec *time)
{
    (void)clock;
    now_ns += tick;
    time->tv_sec = (time_t)(now_ns / 1000000000u);
    time->tv_nsec = (long)(now_ns % 1000000000u);
    return 0;
}

ssize_t fiber_entropy(void *to, size_t n, unsigned flags)
{
    uint64_t x = next_random(&running->random);

    (void)flags;
    if (n != sizeof x)
        return -1;
    memcpy(to, &x, sizeof x);
    return (ssize_t)n;
}

UNCHECKED_END
