/* SPDX-License-Identifier: MIT
 *
 * Who would wait for itself, over any number of loads, threads and caches, gets DEADLOCK, and nobody else does.
 */
#include "support/loads.h"

enum { A = 1, B = 2, ID = 100, COST = 1, REASON = 77 };

/* ---- One thread */

typedef enum call { BY_GET, BY_GET_WITH, BY_CLAIM, BY_KEY_GET, CALLS } call;

/* What a call that may wait says of ${key}; what it is given is given back. */
static brim_status ask_by(call by, brim_cache *c, uint64_t key, brim_key **k)
{
    maker m = {.id = key, .cost = COST};
    brim_claim_options o;
    brim_ref *ref = (brim_ref *)&m;
    brim_status s = BRIM_INVALID;

    brim_claim_options_init(&o);
    o.timeout_ms = 100000;
    switch (by) {
    case BY_GET: s = get(c, key, &m, &ref); break;
    case BY_GET_WITH: s = brim_get_with(c, BRIM_KEY(key), &o, make_value, &m, &ref); break;
    case BY_CLAIM: return claim_status(c, key, -1);
    case BY_KEY_GET: s = brim_key_get(k, make_value, &m, &ref); break;
    case CALLS: break;
    }
    EXPECT((s == BRIM_OK) == (ref != NULL));
    if (ref != NULL)
        EXPECT(id_of(ref) == key);
    brim_release(ref);
    return s;
}

/* A handle of ${key} whose value has left. */
static brim_key *old_key(brim_cache *c, uint64_t key)
{
    brim_ref *ref = NULL;
    brim_key *k;

    ck_assert_int_eq(put_ref(c, key, key, COST, &ref), BRIM_OK);
    k = brim_ref_key(ref);
    brim_release(ref);
    ck_assert(brim_key_remove(k));
    return k;
}

typedef struct inside {
    brim_cache *cache;
    uint64_t key;
    brim_key *handle;
    call by;
    brim_status status;
} inside;

static void ask_inside(void *arg)
{
    inside *i = arg;

    i->status = ask_by(i->by, i->cache, i->key, &i->handle);
}

START_TEST(test_deadlock_a_loader_asks_for_its_own_key)
{
    brim_cache *c = make_value_cache(100);
    inside i = {.cache = c, .key = A, .by = (call)_i, .handle = old_key(c, A)};
    maker m = {.id = ID, .cost = COST, .during = ask_inside, .arg = &i};
    brim_key *was = i.handle;
    brim_ref *ref = NULL;

    ck_assert_int_eq(get(c, A, &m, &ref), BRIM_OK);
    ck_assert_int_eq(i.status, BRIM_DEADLOCK);
    ck_assert_ptr_eq(i.handle, was);
    ck_assert_uint_eq(id_of(ref), ID);
    ck_assert(brim_ref_is_cached(ref));
    ck_assert_uint_eq(runs_of(&m), 1);
    brim_release(ref);
    brim_key_drop(i.handle);
    finish(c);
}
END_TEST

/* Calls that do not wait. */
static void ask_without_waiting(void *arg)
{
    inside *i = arg;
    brim_bytes bytes = {&i->key, sizeof i->key};
    brim_ref *ref = NULL;
    brim_load *load = NULL;
    brim_status s = BRIM_OK;

    EXPECT(brim_claim_many(i->cache, &bytes, 1, NULL, &ref, &load, &s) == 0);
    EXPECT(s == BRIM_PENDING && ref == NULL && load == NULL);
    EXPECT(brim_find(i->cache, BRIM_KEY(i->key)) == NULL);
    s = claim_status(i->cache, i->key, 0);
    EXPECT(s == BRIM_PENDING || s == BRIM_DEADLOCK);
}

typedef struct asked_inside {
    brim_cache *cache;
    told told;
    brim_status status;
} asked_inside;

static void ask_async(void *arg)
{
    asked_inside *i = arg;
    brim_ref *ref = NULL;
    brim_load *load = NULL;
    uint64_t key = A;

    i->status = brim_claim_async(i->cache, BRIM_KEY(key), NULL, tell, &i->told, &ref, &load, NULL);
    EXPECT(atomic_load(&i->told.calls) == 0);
}

START_TEST(test_deadlock_is_not_of_calls_that_do_not_wait)
{
    brim_cache *c = make_value_cache(100);
    inside i = {.cache = c, .key = A};
    asked_inside a = {.cache = c};
    maker m = {.id = ID, .cost = COST, .during = ask_without_waiting, .arg = &i};
    brim_ref *ref = NULL;
    uint64_t key = A;

    ck_assert_int_eq(get(c, A, &m, &ref), BRIM_OK);
    brim_release(ref);
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    m.during = ask_async;
    m.arg = &a;
    ck_assert_int_eq(get(c, A, &m, &ref), BRIM_OK);
    brim_release(ref);
    ck_assert_int_eq(a.status, BRIM_PENDING);
    told_got(&a.told, ID, true);
    finish(c);
}
END_TEST

static brim_status load_own_key_and_fail_so(const void *key, size_t key_len, void *arg, void **v, size_t *cost)
{
    brim_ref *ref = NULL;

    (void)v, (void)cost;
    return brim_get(arg, key, key_len, load_own_key_and_fail_so, arg, &ref);
}

START_TEST(test_deadlock_may_be_a_loaders_reason_to_fail)
{
    brim_cache *c = make_value_cache(100);
    brim_claim_options o;
    brim_ref *ref = NULL;
    uint64_t key = A;
    int reason = 0;

    brim_claim_options_init(&o);
    o.reason = &reason;
    ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, load_own_key_and_fail_so, c, &ref), BRIM_FAILED);
    ck_assert_int_eq(reason, BRIM_DEADLOCK);
    ck_assert_int_eq(claim_status(c, A, -1), BRIM_CLAIMED);
    finish(c);
}
END_TEST

/* A chain of nested loaders, in two caches by turns, the last of which asks for the first's key. */
enum { LONG = 40 };
typedef struct chain {
    brim_cache *caches[2];
    uint64_t first, depth;
    brim_status last;
} chain;

static brim_status load_chain(const void *key, size_t key_len, void *arg, void **v, size_t *cost)
{
    chain *x = arg;
    uint64_t depth = x->depth++, next = depth + 1 < LONG ? depth + 1 : x->first;
    brim_ref *ref = NULL;
    brim_status s = brim_get(x->caches[next % 2], BRIM_KEY(next), load_chain, x, &ref);

    (void)key, (void)key_len;
    if (depth + 1 == LONG)
        x->last = s;
    else
        EXPECT(s == BRIM_OK && id_of(ref) == next);
    brim_release(ref);
    *v = value_new(depth, COST);
    *cost = COST;
    return BRIM_OK;
}

START_TEST(test_deadlock_at_the_end_of_a_chain_of_loaders)
{
    static const uint64_t firsts[] = {0, 1, LONG / 2, LONG - 1};
    chain x = {.caches = {make_value_cache(100), make_value_cache(100)}, .first = firsts[_i]};
    uint64_t key = 0;
    brim_ref *ref = NULL;

    ck_assert_int_eq(brim_get(x.caches[0], BRIM_KEY(key), load_chain, &x, &ref), BRIM_OK);
    ck_assert_int_eq(x.last, BRIM_DEADLOCK);
    ck_assert_uint_eq(x.depth, LONG);
    ck_assert_uint_eq(id_of(ref), 0);
    brim_release(ref);
    ck_assert_uint_eq(brim_count(x.caches[0]) + brim_count(x.caches[1]), LONG);
    ck_assert(brim_check(x.caches[1], stderr));
    brim_cache_free(x.caches[1]);
    finish(x.caches[0]);
}
END_TEST

/* Overtaken, its key is still being loaded: who asks now would wait for it; but an entry is given. */
typedef struct overtaking {
    brim_cache *cache;
    brim_status removed, inserted;
} overtaking;

static void overtake_and_ask(void *arg)
{
    overtaking *o = arg;
    uint64_t key = A;

    (void)brim_remove(o->cache, BRIM_KEY(key));
    o->removed = ask_by(BY_GET, o->cache, A, NULL);
    EXPECT(put(o->cache, A, A, COST) == BRIM_OK);
    o->inserted = ask_by(BY_GET, o->cache, A, NULL);
}

START_TEST(test_deadlock_of_a_loader_that_overtook_its_load)
{
    brim_cache *c = make_value_cache(100);
    overtaking o = {.cache = c};
    maker m = {.id = ID, .cost = COST, .during = overtake_and_ask, .arg = &o};
    brim_ref *ref = NULL;

    ck_assert_int_eq(get(c, A, &m, &ref), BRIM_OK);
    ck_assert_int_eq(o.removed, BRIM_DEADLOCK);
    ck_assert_int_eq(o.inserted, BRIM_OK);
    ck_assert_uint_eq(id_of(ref), ID);
    ck_assert(!brim_ref_is_cached(ref));
    brim_release(ref);
    ck_assert_uint_eq(found_id(c, A), A);
    finish(c);
}
END_TEST

/* A listener runs within the loader whose insert evicted. */
static struct {
    brim_cache *cache;
    brim_status status;
    unsigned calls;
} listening;

static void ask_for_a(const void *key, size_t key_len, void *v, size_t cost, brim_cause cause, void *arg)
{
    (void)key, (void)key_len, (void)v, (void)cost, (void)arg;
    if (cause != BRIM_EVICTED)
        return;
    listening.calls++;
    listening.status = ask_by(BY_GET, listening.cache, A, NULL);
}

static void insert_large(void *arg)
{
    EXPECT(put(arg, 50, 50, 99) == BRIM_OK);
}

START_TEST(test_deadlock_of_a_listener_within_the_loader)
{
    static const brim_kind kind = {.size = sizeof(brim_kind), .destroy = value_destroy, .removed = ask_for_a};
    brim_options o = value_options(100);
    maker m = {.id = ID, .cost = COST, .during = insert_large};
    brim_ref *ref = NULL;

    o.kind = &kind;
    memset(&listening, 0, sizeof listening);
    m.arg = listening.cache = make_cache(&o);
    ck_assert_int_eq(put(listening.cache, 10, 10, 50), BRIM_OK);
    ck_assert_int_eq(get(listening.cache, A, &m, &ref), BRIM_OK);
    ck_assert_uint_eq(listening.calls, 1);
    ck_assert_int_eq(listening.status, BRIM_DEADLOCK);
    brim_release(ref);
    finish(listening.cache);
}
END_TEST

/* ---- Threads in a circle: each loads a key and, once all do, asks for the next one's */

enum { CIRCLE_MAX = 5 };
typedef struct circle {
    brim_cache *caches[2];
    unsigned count;
    call by;
    bool fails; /* a loader that does not get the next one's value fails, with that as its reason */
    pthread_barrier_t all;
    brim_key *handles[CIRCLE_MAX];
    brim_status inner[CIRCLE_MAX], outer[CIRCLE_MAX];
} circle;

typedef struct member {
    circle *circle;
    unsigned id;
} member;

static brim_status load_member(const void *key, size_t key_len, void *arg, void **v, size_t *cost)
{
    member *m = arg;
    circle *x = m->circle;
    unsigned next = (m->id + 1) % x->count;

    (void)key, (void)key_len;
    pthread_barrier_wait(&x->all);
    x->inner[m->id] = ask_by(x->by, x->caches[next % 2], next, &x->handles[m->id]);
    if (x->fails && x->inner[m->id] != BRIM_OK)
        return x->inner[m->id];
    *v = value_new(m->id, COST);
    *cost = COST;
    return BRIM_OK;
}

static void circle_run(unsigned id, void *arg)
{
    circle *x = arg;
    member m = {x, id};
    uint64_t key = id;
    brim_ref *ref = NULL;

    x->outer[id] = brim_get(x->caches[id % 2], BRIM_KEY(key), load_member, &m, &ref);
    if (ref != NULL)
        EXPECT(id_of(ref) == id);
    brim_release(ref);
}

static unsigned count_status(const brim_status *s, unsigned n, brim_status status)
{
    unsigned count = 0;

    for (unsigned i = 0; i < n; i++)
        count += s[i] == status;
    return count;
}

static brim_cache *sharded_cache(unsigned shards)
{
    brim_options o = value_options(1000);

    o.shards = shards;
    return make_cache(&o);
}

/* The same again and again: the order in which they come to wait differs. */
static void circle_start(circle *x, unsigned count, bool two_caches, unsigned shards)
{
    memset(x, 0, sizeof *x);
    x->count = count;
    x->caches[0] = sharded_cache(shards);
    x->caches[1] = two_caches ? sharded_cache(shards) : x->caches[0];
    ck_assert_int_eq(pthread_barrier_init(&x->all, NULL, count), 0);
    for (unsigned i = 0; i < count; i++)
        x->handles[i] = old_key(x->caches[(i + 1) % count % 2], (i + 1) % count);
}

static void circle_go(circle *x)
{
    unsigned deadlocks;

    crew_do(x->count, circle_run, x);
    deadlocks = count_status(x->inner, x->count, BRIM_DEADLOCK);
    ck_assert_uint_ge(deadlocks, 1);
    if (x->fails) {
        ck_assert_uint_eq(count_status(x->inner, x->count, BRIM_FAILED), x->count - deadlocks);
        ck_assert_uint_eq(count_status(x->outer, x->count, BRIM_FAILED), x->count);
    } else {
        ck_assert_uint_eq(count_status(x->inner, x->count, BRIM_OK), x->count - deadlocks);
        ck_assert_uint_eq(count_status(x->outer, x->count, BRIM_OK), x->count);
    }
    ck_assert_uint_eq(stats_of(x->caches[0]).loading + stats_of(x->caches[1]).loading, 0);
    brim_clear(x->caches[0]);
    brim_clear(x->caches[1]);
    for (uint64_t i = 0; i < x->count; i++)
        ck_assert_int_eq(claim_status(x->caches[i % 2], i, -1), BRIM_CLAIMED);
}

static void circle_finish(circle *x)
{
    for (unsigned i = 0; i < x->count; i++)
        brim_key_drop(x->handles[i]);
    if (x->caches[1] != x->caches[0]) {
        ck_assert(brim_check(x->caches[1], stderr));
        brim_cache_free(x->caches[1]);
    }
    finish(x->caches[0]);
    pthread_barrier_destroy(&x->all);
}

static void circle_rounds(circle *x)
{
    for (int round = 0; round < SCALED(40); round++)
        circle_go(x);
    circle_finish(x);
}

START_TEST(test_deadlock_of_threads_in_a_circle)
{
    circle x;

    circle_start(&x, (unsigned)_i, false, 1);
    circle_rounds(&x);
}
END_TEST

START_TEST(test_deadlock_of_a_circle_through_two_caches_of_many_shards)
{
    circle x;

    circle_start(&x, (unsigned)_i, true, 16);
    circle_rounds(&x);
}
END_TEST

START_TEST(test_deadlock_of_a_circle_by_each_call_that_waits)
{
    circle x;

    circle_start(&x, 2, true, 4);
    x.by = (call)_i;
    circle_rounds(&x);
}
END_TEST

START_TEST(test_deadlock_as_a_failure_goes_round)
{
    circle x;

    circle_start(&x, (unsigned)_i, true, 4);
    x.fails = true;
    circle_rounds(&x);
}
END_TEST

/* Who waits from outside is not in the circle, and gets the value. */
START_TEST(test_deadlock_is_of_the_circle_alone)
{
    brim_cache *c = make_value_cache(100);
    inside i = {.cache = c, .key = A};
    gate stop;
    maker m = {.id = ID, .cost = COST, .stop = &stop, .during = ask_inside, .arg = &i};
    inside nested = {.cache = c, .key = A, .by = BY_CLAIM};
    maker outside = {.id = B, .cost = COST, .during = ask_inside, .arg = &nested};
    asking first, waits, loads;

    gate_init(&stop);
    asking_start(&first, c, A, &m);
    gate_wait_reached(&stop);
    asking_start_waiting(&waits, c, A, NULL, m.load);
    asking_start_waiting(&loads, c, B, &outside, m.load);
    gate_open(&stop);
    asking_join(&first);
    asking_join(&waits);
    asking_join(&loads);
    ck_assert_int_eq(i.status, BRIM_DEADLOCK);
    asking_got(&first, ID, true);
    asking_got(&waits, ID, true);
    ck_assert_int_eq(nested.status, BRIM_OK);
    asking_got(&loads, B, true);
    gate_destroy(&stop);
    finish(c);
}
END_TEST

/* ---- Claimed loads belong to no thread: circles through them end by timeouts */

typedef struct timed {
    brim_cache *cache;
    uint64_t key;
    int timeout_ms;
    brim_status status;
    gate *then; /* after that it stops here */
} timed;

static void ask_timed(void *arg)
{
    timed *t = arg;

    t->status = claim_status(t->cache, t->key, t->timeout_ms);
    if (t->then != NULL)
        gate_stop_here(t->then);
}

START_TEST(test_deadlock_is_not_of_claimed_loads)
{
    brim_cache *c = make_value_cache(100);
    brim_load *load = claim(c, A);
    timed t = {.cache = c, .key = A, .timeout_ms = -1};
    maker m = {.id = B, .cost = COST, .during = ask_timed, .arg = &t};
    asking loads;

    ck_assert_int_eq(claim_status(c, A, 1), BRIM_TIMEOUT); /* its own, claimed */
    asking_start_waiting(&loads, c, B, &m, load);
    ck_assert_int_eq(claim_status(c, B, 5), BRIM_TIMEOUT); /* which waits for that */
    ck_assert(!atomic_load(&loads.back));
    ck_assert_int_eq(finish_load(load, A, COST, NULL), BRIM_OK);
    asking_join(&loads);
    ck_assert_int_eq(t.status, BRIM_OK);
    asking_got(&loads, B, true);
    finish(c);
}
END_TEST

/* Claimed within a loader, and waited for by it. */
static void claim_and_ask(void *arg)
{
    timed *t = arg;
    brim_ref *ref = NULL;
    brim_load *load = NULL;

    EXPECT(brim_claim(t->cache, BRIM_KEY(t->key), -1, &ref, &load) == BRIM_CLAIMED);
    t->status = claim_status(t->cache, t->key, 1);
    EXPECT(claim_status(t->cache, t->key, 0) == BRIM_PENDING);
    EXPECT(finish_load(load, t->key, COST, NULL) == BRIM_OK);
    EXPECT(claim_status(t->cache, t->key, -1) == BRIM_OK);
}

START_TEST(test_deadlock_is_not_of_what_a_loader_claimed)
{
    brim_cache *c = make_value_cache(100);
    timed t = {.cache = c, .key = B};
    maker m = {.id = A, .cost = COST, .during = claim_and_ask, .arg = &t};
    brim_ref *ref = NULL;

    ck_assert_int_eq(get(c, A, &m, &ref), BRIM_OK);
    ck_assert_int_eq(t.status, BRIM_TIMEOUT);
    brim_release(ref);
    ck_assert_uint_eq(found_id(c, B), B);
    finish(c);
}
END_TEST

/*
 * The loader of A waited for B, loaded by another, until its time was up (${_i} 0) or that load was canceled (1).  It
 * waits no more: when the loader of B asks for A that is no circle.
 */
START_TEST(test_deadlock_is_not_of_who_waited_before)
{
    brim_cache *c = make_value_cache(100);
    gate after_a, before_b;
    timed t = {.cache = c, .key = B, .timeout_ms = _i == 0 ? 1 : -1, .then = &after_a};
    maker a = {.id = A, .cost = COST, .during = ask_timed, .arg = &t};
    inside i = {.cache = c, .key = A, .by = BY_GET};
    maker b = {.id = B, .cost = COST, .stop = &before_b, .during = ask_inside, .arg = &i};
    asking loads_a, loads_b;
    uint64_t key = B, frame;

    gate_init(&after_a);
    gate_init(&before_b);
    asking_start(&loads_b, c, B, &b);
    gate_wait_reached(&before_b);
    asking_start(&loads_a, c, A, &a);
    if (_i == 1) {
        asking_waits(&loads_a, b.load);
        ck_assert(brim_load_cancel(c, BRIM_KEY(key)));
    }
    gate_wait_reached(&after_a);
    ck_assert_int_eq(t.status, _i == 0 ? BRIM_TIMEOUT : BRIM_CANCELED);
    frame = brim_next_frame(c);
    gate_open(&before_b);
    WAIT_UNTIL(brim_load_asked(a.load) == frame && thread_sleeps(atomic_load(&loads_b.tid)));
    ck_assert(!atomic_load(&loads_b.back));
    gate_open(&after_a);
    asking_join(&loads_a);
    asking_join(&loads_b);
    asking_got(&loads_a, A, true);
    ck_assert_int_eq(i.status, BRIM_OK);
    asking_got(&loads_b, B, _i == 0);
    gate_destroy(&after_a);
    gate_destroy(&before_b);
    finish(c);
}
END_TEST

/*
 * The loader of A waits for B.  The loader of B cancels that load, which tells the other, and asks for A at once: who
 * was told waits for nothing, be it awake yet or not.
 */
static void cancel_own_and_ask(void *arg)
{
    inside *i = arg;
    uint64_t key = B;

    EXPECT(brim_load_cancel(i->cache, BRIM_KEY(key)));
    ask_inside(arg);
}

START_TEST(test_deadlock_is_not_of_who_was_told_and_still_sleeps)
{
    brim_cache *c = make_value_cache(100);

    for (int round = 0; round < 20; round++) {
        gate stop;
        timed t = {.cache = c, .key = B, .timeout_ms = -1};
        maker a = {.id = A, .cost = COST, .during = ask_timed, .arg = &t};
        inside i = {.cache = c, .key = A, .by = BY_GET};
        maker b = {.id = B, .cost = COST, .stop = &stop, .during = cancel_own_and_ask, .arg = &i};
        asking loads_a, loads_b;

        gate_init(&stop);
        asking_start(&loads_b, c, B, &b);
        gate_wait_reached(&stop);
        asking_start_waiting(&loads_a, c, A, &a, b.load);
        gate_open(&stop);
        asking_join(&loads_a);
        asking_join(&loads_b);
        ck_assert_int_eq(t.status, BRIM_CANCELED);
        ck_assert_int_eq(i.status, BRIM_OK);
        asking_got(&loads_a, A, true);
        asking_got(&loads_b, B, false);
        gate_destroy(&stop);
        brim_clear(c);
    }
    finish(c);
}
END_TEST

/* Who asks for an overtaken load's key waits for that load: a circle through it is one. */
START_TEST(test_deadlock_of_a_circle_through_an_overtaken_load)
{
    brim_cache *c = make_value_cache(100);
    gate before_a;
    inside asks_b = {.cache = c, .key = B, .by = BY_GET}, asks_a = {.cache = c, .key = A, .by = BY_GET};
    maker a = {.id = ID, .cost = COST, .stop = &before_a, .during = ask_inside, .arg = &asks_b};
    maker b = {.id = B, .cost = COST, .during = ask_inside, .arg = &asks_a};
    asking loads_a, loads_b;
    uint64_t key = A;

    gate_init(&before_a);
    asking_start(&loads_a, c, A, &a);
    gate_wait_reached(&before_a);
    ck_assert(!brim_remove(c, BRIM_KEY(key)));
    asking_start_waiting(&loads_b, c, B, &b, a.load);
    gate_open(&before_a);
    asking_join(&loads_a);
    asking_join(&loads_b);
    ck_assert_int_eq(asks_b.status, BRIM_DEADLOCK);
    asking_got(&loads_a, ID, false);
    ck_assert_int_eq(asks_a.status, BRIM_OK); /* loaded anew, by the loader of B */
    asking_got(&loads_b, B, true);
    ck_assert_uint_eq(found_id(c, A), A);
    gate_destroy(&before_a);
    finish(c);
}
END_TEST

/* ---- Many threads */

enum { CROWD = 4, ORDERED = 12, TANGLED = 5 };
static struct {
    brim_cache *caches[2];
    atomic_uint loads, oks, deadlocks;
    atomic_ullong random;
} many;

static uint64_t any(void)
{
    uint64_t x = atomic_fetch_add(&many.random, UINT64_C(0x9e3779b97f4a7c15)) | 1;

    return random_next(&x) >> 16;
}

static void many_made(uint64_t key, void **v, size_t *cost)
{
    atomic_fetch_add(&many.loads, 1);
    *v = value_new(key, COST);
    *cost = COST;
}

static void many_get(uint64_t key, brim_loader *loader, bool may_deadlock)
{
    brim_ref *ref = NULL;
    brim_status s = brim_get(many.caches[key % 2], BRIM_KEY(key), loader, NULL, &ref);

    EXPECT_MSG(s == BRIM_OK || (may_deadlock && s == BRIM_DEADLOCK), "status %d", (int)s);
    if (s == BRIM_OK)
        EXPECT(id_of(ref) == key);
    atomic_fetch_add(s == BRIM_OK ? &many.oks : &many.deadlocks, 1);
    brim_release(ref);
}

/* Asks for larger keys only: no circle. */
static brim_status load_in_order(const void *key, size_t key_len, void *arg, void **v, size_t *cost)
{
    uint64_t k;

    (void)key_len, (void)arg;
    memcpy(&k, key, sizeof k);
    for (int n = (int)(any() % 3); n > 0 && k + 1 < ORDERED; n--)
        many_get(k + 1 + any() % (ORDERED - k - 1), load_in_order, false);
    many_made(k, v, cost);
    return BRIM_OK;
}

/* Asks for any. */
static brim_status load_in_disorder(const void *key, size_t key_len, void *arg, void **v, size_t *cost)
{
    uint64_t k;

    (void)key_len, (void)arg;
    memcpy(&k, key, sizeof k);
    for (int n = (int)(any() % 3); n > 0; n--)
        many_get(any() % TANGLED, load_in_disorder, true);
    many_made(k, v, cost);
    return BRIM_OK;
}

static void many_run(unsigned id, void *arg)
{
    bool ordered = arg == NULL;
    uint64_t keys = ordered ? ORDERED : TANGLED;

    (void)id;
    for (int i = 0; i < SCALED(4000); i++) {
        uint64_t key = any() % keys;

        if (any() % 3 == 0)
            (void)brim_remove(many.caches[key % 2], BRIM_KEY(key));
        else
            many_get(key, ordered ? load_in_order : load_in_disorder, !ordered);
    }
}

static void many_start(void)
{
    memset(&many, 0, sizeof many);
    atomic_store(&many.random, 12345);
    for (int i = 0; i < 2; i++)
        many.caches[i] = sharded_cache(4);
}

static void many_finish(void)
{
    ck_assert_uint_gt(atomic_load(&many.loads), 100);
    ck_assert_uint_gt(atomic_load(&many.oks), 100);
    ck_assert_uint_eq(stats_of(many.caches[0]).loading + stats_of(many.caches[1]).loading, 0);
    ck_assert_uint_eq(brim_pinned(many.caches[0]) + brim_pinned(many.caches[1]), 0);
    ck_assert(brim_check(many.caches[1], stderr));
    brim_cache_free(many.caches[1]);
    finish(many.caches[0]);
}

START_TEST(test_deadlock_never_where_all_ask_in_one_order)
{
    many_start();
    crew_do(CROWD, many_run, NULL);
    ck_assert_uint_eq(atomic_load(&many.deadlocks), 0);
    many_finish();
}
END_TEST

START_TEST(test_deadlock_always_where_they_would_wait_for_one_another)
{
    many_start();
    crew_do(CROWD, many_run, &many);
    ck_assert_uint_gt(atomic_load(&many.deadlocks), 0);
    many_finish();
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("deadlock");

    tcase_add_loop_test(tc, test_deadlock_a_loader_asks_for_its_own_key, 0, CALLS);
    tcase_add_test(tc, test_deadlock_is_not_of_calls_that_do_not_wait);
    tcase_add_test(tc, test_deadlock_may_be_a_loaders_reason_to_fail);
    tcase_add_loop_test(tc, test_deadlock_at_the_end_of_a_chain_of_loaders, 0, 4);
    tcase_add_test(tc, test_deadlock_of_a_loader_that_overtook_its_load);
    tcase_add_test(tc, test_deadlock_of_a_listener_within_the_loader);
    tcase_add_loop_test(tc, test_deadlock_of_threads_in_a_circle, 2, CIRCLE_MAX + 1);
    tcase_add_loop_test(tc, test_deadlock_of_a_circle_through_two_caches_of_many_shards, 2, CIRCLE_MAX + 1);
    tcase_add_loop_test(tc, test_deadlock_of_a_circle_by_each_call_that_waits, 0, CALLS);
    tcase_add_loop_test(tc, test_deadlock_as_a_failure_goes_round, 2, CIRCLE_MAX + 1);
    tcase_add_test(tc, test_deadlock_is_of_the_circle_alone);
    tcase_add_test(tc, test_deadlock_is_not_of_claimed_loads);
    tcase_add_test(tc, test_deadlock_is_not_of_what_a_loader_claimed);
    tcase_add_loop_test(tc, test_deadlock_is_not_of_who_waited_before, 0, 2);
    tcase_add_test(tc, test_deadlock_of_a_circle_through_an_overtaken_load);
    tcase_add_test(tc, test_deadlock_never_where_all_ask_in_one_order);
    tcase_add_test(tc, test_deadlock_always_where_they_would_wait_for_one_another);
    tcase_add_test(tc, test_deadlock_is_not_of_who_was_told_and_still_sleeps);
    return suite_run(tc);
}
