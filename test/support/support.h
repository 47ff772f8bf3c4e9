/* SPDX-License-Identifier: MIT
 *
 * What the black-box tests share: values that notice a second destruction, a heap that counts and fails, threads that
 * record their failures for the main thread to assert (house rule 11).
 */
#ifndef TEST_SUPPORT_H
#define TEST_SUPPORT_H
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "brim.h"
#include "brim_debug.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define CHECKING_BUILD 1
#endif
#endif
#if !defined(CHECKING_BUILD) && (defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__))
#define CHECKING_BUILD 1
#endif
#if !defined(CHECKING_BUILD)
#define CHECKING_BUILD 0
#endif
#if defined(__SANITIZE_THREAD__)
#define THREADS_BUILD 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREADS_BUILD 1
#endif
#endif
#if !defined(THREADS_BUILD)
#define THREADS_BUILD 0
#endif
/* How often to repeat: ${n} in a plain build, an eighth of it under a sanitizer. */
#define SCALED(n) (CHECKING_BUILD ? (n) / 8 + 1 : (n))
/* The same for what one thread does, on which ThreadSanitizer has little to say. */
#define SCALED_ALONE(n) (THREADS_BUILD ? SCALED(n) / 8 + 1 : SCALED(n))

/* ---- Trouble: failures seen on any thread, the first one kept in words ---- */

void trouble(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool in_trouble(void);
void no_trouble(void);                  /* main thread: asserts that nothing was recorded, and forgets it */
#define EXPECT(condition) do { if (!(condition)) trouble(__FILE__, __LINE__, "%s", #condition); } while (0)
#define EXPECT_MSG(condition, ...) do { if (!(condition)) trouble(__FILE__, __LINE__, __VA_ARGS__); } while (0)

/* ---- Values: memory stays until the next test, so that any use after destruction is seen in every build ---- */

typedef struct value {
    uint64_t magic, id;
    size_t cost;
    atomic_uint destroyed;
    struct value *next;
} value;

value *value_new(uint64_t id, size_t cost);
void value_discard(value *);            /* by the caller who still owns it */
void value_destroy(void *p, size_t cost, void *arg);        /* as brim_kind.destroy; counts a second one as trouble */
bool value_alive(const value *, uint64_t id);
size_t values_made(void);
size_t values_live(void);               /* made, and neither destroyed nor discarded */
size_t values_destroyed(void);          /* by value_destroy */
void values_start(void);                /* forget and free all */
extern const brim_kind value_kind;      /* destroy is value_destroy, no listener */

/* ---- A heap for brim_options.allocator: counts, checks sizes given back, fails calls fail_from <= n < fail_to ---- */

typedef struct heap {
    brim_allocator allocator;
    atomic_size_t live, blocks, calls, failed, bytes_peak;
    atomic_size_t fail_from, fail_to;
    void (*hook)(void *arg);            /* called at each alloc and free, if set */
    void *hook_arg;
} heap;

void heap_init(heap *);
void heap_fail(heap *, size_t from, size_t to);         /* counted from now on: 1 is the next call */

/* ---- Threads ---- */

enum { CREW_MAX = 64 };
typedef void crew_run(unsigned id, void *arg);
typedef struct crew_member { struct crew *crew; unsigned id; } crew_member;
typedef struct crew {
    pthread_t threads[CREW_MAX];
    crew_member members[CREW_MAX];
    pthread_barrier_t start;
    crew_run *run;
    void *arg;
    unsigned count;
} crew;

void crew_start(crew *c, unsigned count, crew_run *run, void *arg); /* they begin together */
void crew_join(crew *);
void crew_do(unsigned count, crew_run *run, void *arg);             /* start and join */
void run_on_stack(size_t stack_bytes, crew_run *run, void *arg);    /* one thread with that stack */

typedef struct gate { pthread_mutex_t mutex; pthread_cond_t changed; bool reached, open; } gate;
void gate_init(gate *);
void gate_stop_here(gate *);            /* says that it was reached, blocks until opened */
void gate_wait_reached(gate *);
void gate_open(gate *);
void gate_destroy(gate *);

/* A thread that does what it is told, one thing after the other, and may be ended in the middle of a section. */
typedef void worker_run(void *arg);
typedef struct worker {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    worker_run *run;
    void *arg;
    bool ends;
} worker;
void worker_start(worker *);
void worker_begin(worker *, worker_run *, void *arg); /* the caller goes on meanwhile */
void worker_wait(worker *);                           /* for what was begun */
void worker_do(worker *, worker_run *, void *arg);    /* both */
void worker_end(worker *);                            /* and joins it */

static inline uint64_t random_next(uint64_t *state)     /* xorshift64*; *state not 0 */
{
    uint64_t x = *state;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(0x2545F4914F6CDD1D);
}

/* ---- Caches ---- */

brim_options value_options(size_t capacity);                    /* kind: value_kind */
brim_cache *make_cache(const brim_options *);                   /* asserts */
brim_cache *make_value_cache(size_t capacity);
brim_options borrow_options(size_t capacity);   /* as value_options, with borrow */
brim_cache *make_borrow_cache(size_t capacity);
void settle_cache(brim_cache *);                /* what has left is destroyed: expects a drain to say so */
brim_stats stats_of(brim_cache *);
brim_status put(brim_cache *, uint64_t key, uint64_t id, size_t cost);     /* a new value; discarded if refused */
brim_status put_ref(brim_cache *, uint64_t key, uint64_t id, size_t cost, brim_ref **out);
bool has(brim_cache *, uint64_t key);                           /* quiet */
uint64_t id_of(const brim_ref *);
uint64_t found_id(brim_cache *, uint64_t key);                  /* of the value found; UINT64_MAX: a miss */
void finish(brim_cache *);      /* brim_check, free, and every value is gone, without trouble */

static inline void begin_reading(brim_cache *c) /* expects that it can */
{
    brim_status s = brim_read_begin(c);

    EXPECT_MSG(s == BRIM_OK, "brim_read_begin: status %d", (int)s);
}

/* ---- Suites: setup starts the values anew, teardown asserts that there was no trouble ---- */

TCase *suite_case(const char *name);
int suite_run(TCase *);                 /* for main: the exit status */

#endif
