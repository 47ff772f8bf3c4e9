/* SPDX-License-Identifier: MIT
 *
 * What tests of loading share: loaders that do as they are told, threads that ask, waits that write down what they
 * are told.  All is the test's own, on its stack, and must stay until who uses it was joined.
 */
#ifndef TEST_LOADS_H
#define TEST_LOADS_H
#include "support.h"
#include <sched.h>
#include <unistd.h>

#define MISS UINT64_MAX /* as found_id says */
#define WAIT_UNTIL(condition)                                                                                \
    do {                                                                                                     \
        while (!(condition))                                                                                 \
            (void)sched_yield();                                                                             \
    } while (0)

/* ---- A counter of what runs at once */

typedef struct together {
    atomic_uint now, most, runs;
} together;

static inline void together_begin(together *t)
{
    unsigned now = atomic_fetch_add(&t->now, 1) + 1, most = atomic_load(&t->most);

    while (most < now && !atomic_compare_exchange_weak(&t->most, &most, now))
        ;
    atomic_fetch_add(&t->runs, 1);
}

static inline void together_end(together *t)
{
    atomic_fetch_sub(&t->now, 1);
}

/* ---- A loader's argument: make_value stops at ${stop}, calls ${during}, then makes a value, or fails with ${status} */

typedef struct maker {
    uint64_t id;
    size_t cost;
    brim_status status;
    bool nothing; /* the value is NULL */
    gate *stop;
    void (*during)(void *arg);
    void *arg;
    together runs;
    brim_load *load; /* that of the last run: as lent to the loader */
} maker;

static inline brim_status make_value(const void *key, size_t key_len, void *arg, void **v, size_t *cost)
{
    maker *m = arg;

    (void)key;
    (void)key_len;
    m->load = brim_load_current();
    together_begin(&m->runs);
    if (m->stop != NULL)
        gate_stop_here(m->stop);
    if (m->during != NULL)
        m->during(m->arg);
    together_end(&m->runs);
    if (m->status != BRIM_OK)
        return m->status;
    *v = m->nothing ? NULL : value_new(m->id, m->cost);
    *cost = m->cost;
    return BRIM_OK;
}

static inline unsigned runs_of(maker *m)
{
    return atomic_load(&m->runs.runs);
}

/* ---- A thread that asks once: with a ${maker} it gets, without one it claims */

typedef struct asking {
    brim_cache *cache;
    uint64_t key;
    maker *maker;
    const brim_entry_options *entry;
    int timeout_ms;
    brim_status status;
    int reason;
    brim_ref *ref;
    brim_load *load;
    uint64_t frame; /* in which it asks */
    atomic_int tid;
    atomic_bool back;
    pthread_t thread;
} asking;

static inline void asking_do(asking *a)
{
    brim_claim_options o;

    brim_claim_options_init(&o);
    o.timeout_ms = a->timeout_ms;
    o.entry = a->entry;
    o.reason = &a->reason;
    a->ref = NULL;
    a->load = NULL;
    a->reason = INT32_MIN;
    if (a->maker != NULL)
        a->status = brim_get_with(a->cache, BRIM_KEY(a->key), &o, make_value, a->maker, &a->ref);
    else
        a->status = brim_claim_with(a->cache, BRIM_KEY(a->key), &o, &a->ref, &a->load);
    atomic_store(&a->back, true);
}

static inline void *asking_main(void *p)
{
    asking *a = p;

    atomic_store(&a->tid, gettid());
    asking_do(a);
    return NULL;
}

static inline void asking_start(asking *a, brim_cache *c, uint64_t key, maker *m)
{
    memset(a, 0, sizeof *a);
    a->cache = c;
    a->key = key;
    a->maker = m;
    a->timeout_ms = -1;
    a->frame = brim_next_frame(c);
    ck_assert_int_eq(pthread_create(&a->thread, NULL, asking_main, a), 0);
}

/* As the kernel says. */
static inline bool thread_sleeps(int tid)
{
    char name[64], line[256] = "", *end;
    FILE *f;

    (void)snprintf(name, sizeof name, "/proc/self/task/%d/stat", tid);
    f = fopen(name, "r");
    if (f == NULL)
        return false;
    (void)(fgets(line, sizeof line, f) == NULL);
    (void)fclose(f);
    end = strrchr(line, ')');
    return end != NULL && end[1] == ' ' && end[2] == 'S';
}

/* Until ${a}, the last one started, waits for ${load}: its loader, if it has one, may be what asked for it. */
static inline void asking_waits(asking *a, const brim_load *load)
{
    WAIT_UNTIL(brim_load_asked(load) == a->frame && thread_sleeps(atomic_load(&a->tid)));
}

static inline void asking_start_waiting(asking *a, brim_cache *c, uint64_t key, maker *m, const brim_load *load)
{
    asking_start(a, c, key, m);
    asking_waits(a, load);
}

static inline void asking_join(asking *a)
{
    ck_assert_int_eq(pthread_join(a->thread, NULL), 0);
}

/* What it was given names ${id}; releases it. */
static inline void asking_got(asking *a, uint64_t id, bool cached)
{
    ck_assert_int_eq(a->status, BRIM_OK);
    ck_assert_ptr_null(a->load);
    ck_assert_int_eq(a->reason, 0);
    ck_assert_uint_eq(id_of(a->ref), id);
    ck_assert(brim_ref_is_cached(a->ref) == cached);
    brim_release(a->ref);
}

/* It was given nothing. */
static inline void asking_got_none(asking *a, brim_status status, int reason)
{
    ck_assert_int_eq(a->status, status);
    ck_assert_int_eq(a->reason, reason);
    ck_assert_ptr_null(a->ref);
    ck_assert_ptr_null(a->load);
}

/* ---- A wait: what `done' was told */

typedef struct told {
    atomic_uint calls;
    uint64_t id; /* MISS: a NULL value, or none */
    int reason;
    bool got, cached;
    pthread_t thread;
} told;

static inline void tell(brim_ref *ref, int reason, void *arg)
{
    told *t = arg;

    t->got = ref != NULL;
    t->cached = brim_ref_is_cached(ref);
    t->id = brim_ref_value(ref) == NULL ? MISS : id_of(ref);
    t->reason = reason;
    t->thread = pthread_self();
    brim_release(ref);
    atomic_fetch_add(&t->calls, 1);
}

static inline void told_got(told *t, uint64_t id, bool cached)
{
    ck_assert_uint_eq(atomic_load(&t->calls), 1);
    ck_assert(t->got);
    ck_assert_int_eq(t->reason, 0);
    ck_assert_uint_eq(t->id, id);
    ck_assert(t->cached == cached);
}

static inline void told_failed(told *t, int reason)
{
    ck_assert_uint_eq(atomic_load(&t->calls), 1);
    ck_assert(!t->got);
    ck_assert_int_eq(t->reason, reason);
}

static inline void told_nothing(told *t)
{
    ck_assert_uint_eq(atomic_load(&t->calls), 0);
}

/* ---- Options */

static inline brim_claim_options claim_defaults(void)
{
    brim_claim_options o;

    brim_claim_options_init(&o);
    return o;
}

static inline brim_entry_options entry_defaults(void)
{
    brim_entry_options e;

    brim_entry_options_init(&e);
    return e;
}

static inline brim_claim_options expecting(size_t cost)
{
    brim_claim_options o = claim_defaults();

    o.expected_cost = cost;
    return o;
}

/* ---- Calls of the main thread, asserted */

static inline brim_load *claim_with(brim_cache *c, uint64_t key, const brim_claim_options *o)
{
    brim_ref *ref = (brim_ref *)&key;
    brim_load *load = NULL;

    ck_assert_int_eq(brim_claim_with(c, BRIM_KEY(key), o, &ref, &load), BRIM_CLAIMED);
    ck_assert_ptr_null(ref);
    ck_assert_ptr_nonnull(load);
    return load;
}

static inline brim_load *claim_entry(brim_cache *c, uint64_t key, const brim_entry_options *e)
{
    brim_claim_options o;

    brim_claim_options_init(&o);
    o.entry = e;
    return claim_with(c, key, &o);
}

static inline brim_load *claim(brim_cache *c, uint64_t key)
{
    return claim_with(c, key, NULL);
}

/* Another's load: ${t} will be told. */
static inline brim_wait *wait_for(brim_cache *c, uint64_t key, told *t)
{
    brim_ref *ref = (brim_ref *)&key;
    brim_load *load = (brim_load *)&key;
    brim_wait *wait = NULL;

    memset(t, 0, sizeof *t);
    ck_assert_int_eq(brim_claim_async(c, BRIM_KEY(key), NULL, tell, t, &ref, &load, &wait), BRIM_PENDING);
    ck_assert_ptr_null(ref);
    ck_assert_ptr_null(load);
    ck_assert_ptr_nonnull(wait);
    return wait;
}

/* What a claim that waits no longer than ${timeout_ms} says; what it is given it gives back. */
static inline brim_status claim_status(brim_cache *c, uint64_t key, int timeout_ms)
{
    brim_ref *ref = (brim_ref *)&key;
    brim_load *load = (brim_load *)&key;
    brim_status s = brim_claim(c, BRIM_KEY(key), timeout_ms, &ref, &load);

    EXPECT((s == BRIM_OK) == (ref != NULL));
    EXPECT((s == BRIM_CLAIMED) == (load != NULL));
    brim_release(ref);
    brim_load_fail(load, 0);
    return s;
}

static inline brim_status finish_load(brim_load *load, uint64_t id, size_t cost, brim_ref **out)
{
    return brim_load_finish(load, value_new(id, cost), cost, out);
}

static inline brim_status get(brim_cache *c, uint64_t key, maker *m, brim_ref **out)
{
    return brim_get(c, BRIM_KEY(key), make_value, m, out);
}

#endif
