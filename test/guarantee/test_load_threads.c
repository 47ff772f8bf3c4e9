/* SPDX-License-Identifier: MIT
 *
 * Loads among other things: loaders that use the cache, threads canceled in a loader or while they wait, fork in the
 * middle of loads, and many threads that load, fail, abandon and overtake.
 */
#include "support/loads.h"
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

enum { KEY = 1, OTHER = 2, ID = 100, COST = 10, REASON = 77 };

/* ---- Loaders that use the cache */

static void use_other_keys(void *arg)
{
    brim_cache *c = arg;
    uint64_t key = 20;

    for (uint64_t i = 20; i < 30; i++)
        EXPECT(put(c, i, i, 5) == BRIM_OK);
    EXPECT(found_id(c, 20) == 20);
    EXPECT(brim_remove(c, BRIM_KEY(key)));
    EXPECT(!has(c, 20));
    EXPECT(found_id(c, KEY) == MISS);
    EXPECT(!has(c, KEY));
    EXPECT(brim_trim(c, 20) > 0);
    EXPECT(brim_check(c, stderr));
}

START_TEST(test_loader_inserts_finds_removes_and_evicts_other_keys)
{
    brim_cache *c = make_value_cache(100);
    maker m = {.id = ID, .cost = COST, .during = use_other_keys, .arg = c};
    brim_ref *ref = NULL;

    ck_assert_int_eq(get(c, KEY, &m, &ref), BRIM_OK);
    ck_assert(brim_ref_is_cached(ref));
    ck_assert_uint_eq(brim_used(c), 20 + COST);
    brim_release(ref);
    finish(c);
}
END_TEST

/* Each loader gets the next two keys: all are loaded once. */
enum { TREE = 60 };
static struct {
    brim_cache *cache;
    unsigned loads[TREE];
} tree;

static brim_status load_tree(const void *key, size_t key_len, void *arg, void **v, size_t *cost)
{
    uint64_t k;

    (void)key_len, (void)arg;
    memcpy(&k, key, sizeof k);
    tree.loads[k]++;
    for (uint64_t next = k + 1; next <= k + 2 && next < TREE; next++) {
        brim_ref *ref = NULL;

        EXPECT(brim_get(tree.cache, BRIM_KEY(next), load_tree, NULL, &ref) == BRIM_OK);
        EXPECT(id_of(ref) == next);
        brim_release(ref);
    }
    *v = value_new(k, 1);
    *cost = 1;
    return BRIM_OK;
}

START_TEST(test_loader_gets_other_keys)
{
    uint64_t key = 0;
    brim_ref *ref = NULL;

    memset(&tree, 0, sizeof tree);
    tree.cache = make_value_cache(100);
    ck_assert_int_eq(brim_get(tree.cache, BRIM_KEY(key), load_tree, NULL, &ref), BRIM_OK);
    brim_release(ref);
    for (uint64_t i = 0; i < TREE; i++) {
        ck_assert_uint_eq(tree.loads[i], 1);
        ck_assert_uint_eq(found_id(tree.cache, i), i);
    }
    ck_assert_uint_eq(stats_of(tree.cache).loads, TREE);
    finish(tree.cache);
}
END_TEST

static void use_another_cache(void *arg)
{
    brim_cache *c = NULL, *outer = arg;
    brim_options o = value_options(10);
    maker m = {.id = 5, .cost = 1};
    brim_load *load = NULL;
    brim_ref *ref = NULL;
    uint64_t key = KEY;

    EXPECT(brim_cache_new(&o, &c) == BRIM_OK);
    EXPECT(get(c, KEY, &m, &ref) == BRIM_OK);
    brim_cache_free(c);
    EXPECT(id_of(ref) == 5);
    brim_release(ref);
    EXPECT(brim_claim(outer, BRIM_KEY(key), 0, &ref, &load) == BRIM_PENDING);
}

START_TEST(test_loader_makes_and_frees_another_cache)
{
    brim_cache *c = make_value_cache(100);
    maker m = {.id = ID, .cost = COST, .during = use_another_cache, .arg = c};
    brim_ref *ref = NULL;

    ck_assert_int_eq(get(c, KEY, &m, &ref), BRIM_OK);
    ck_assert_uint_eq(id_of(ref), ID);
    brim_release(ref);
    finish(c);
}
END_TEST

/* A value that leaves has its successor loaded by the listener. */
static struct {
    brim_cache *cache;
    unsigned calls, cached, uncharged;
} successors;

static void load_successor(const void *key, size_t key_len, void *v, size_t cost, brim_cause cause, void *arg)
{
    maker m = {.id = 500, .cost = 40};
    brim_ref *ref = NULL;

    (void)key, (void)key_len, (void)v, (void)cost, (void)arg;
    if (cause != BRIM_REMOVED && cause != BRIM_EVICTED)
        return;
    EXPECT(get(successors.cache, 500 + successors.calls++, &m, &ref) == BRIM_OK);
    if (brim_ref_is_cached(ref))
        successors.cached++;
    else
        successors.uncharged++;
    brim_release(ref);
}

START_TEST(test_loads_in_a_listener_evict_nothing)
{
    static const brim_kind kind = {.size = sizeof(brim_kind), .destroy = value_destroy, .removed = load_successor};
    brim_options o = value_options(100);
    brim_ref *held = NULL;
    uint64_t key = KEY;

    o.kind = &kind;
    memset(&successors, 0, sizeof successors);
    successors.cache = make_cache(&o);
    ck_assert_int_eq(put(successors.cache, KEY, KEY, 10), BRIM_OK);
    ck_assert(brim_remove(successors.cache, BRIM_KEY(key)));
    ck_assert_uint_eq(successors.cached, 1); /* there is room */
    ck_assert_int_eq(put_ref(successors.cache, 3, 3, 50, &held), BRIM_OK);
    ck_assert_int_eq(put(successors.cache, 4, 4, 10), BRIM_OK);
    key = 4;
    ck_assert(brim_remove(successors.cache, BRIM_KEY(key)));
    ck_assert_uint_eq(successors.calls, 2);
    ck_assert_uint_eq(successors.uncharged, 1); /* only by evicting */
    brim_release(held);
    finish(successors.cache);
}
END_TEST

static void peek_and_remove(void *arg)
{
    brim_cache *c = arg;
    uint64_t key = OTHER;

    EXPECT(brim_peek(c, BRIM_KEY(key)) != NULL);
    EXPECT(brim_remove(c, BRIM_KEY(key)));
}

START_TEST(test_loads_in_a_section)
{
    brim_cache *c = make_borrow_cache(100);
    maker m = {.id = ID, .cost = COST, .during = peek_and_remove, .arg = c};
    brim_ref *ref = NULL;
    uint64_t key = OTHER;
    value *lent;

    ck_assert_int_eq(put(c, OTHER, OTHER, 1), BRIM_OK);
    begin_reading(c);
    lent = brim_peek(c, BRIM_KEY(key));
    ck_assert_int_eq(get(c, KEY, &m, &ref), BRIM_OK);
    ck_assert(value_alive(lent, OTHER));
    key = KEY;
    ck_assert_ptr_eq(brim_peek(c, BRIM_KEY(key)), brim_ref_value(ref));
    brim_release(ref);
    brim_read_end(c);
    settle_cache(c);
    finish(c);
}
END_TEST

/* ---- Threads that are canceled */

/* To be called before: AddressSanitizer does not see that a canceled thread leaves its frames. */
static void leave_frames(void)
{
#ifdef __SANITIZE_ADDRESS__
    __asan_handle_no_return();
#endif
}

typedef struct endless {
    brim_cache *cache;
    atomic_bool inside, came_back;
    bool nested;
    brim_load *outer; /* the load of KEY */
    brim_status status;
} endless;

static brim_status load_for_ever(const void *key, size_t key_len, void *arg, void **v, size_t *cost)
{
    endless *e = arg;

    (void)key, (void)key_len, (void)v, (void)cost;
    if (!e->nested)
        e->outer = brim_load_current();
    atomic_store(&e->inside, true);
    while (!atomic_load(&e->came_back)) {
        leave_frames();
        pthread_testcancel();
        (void)sched_yield();
    }
    return BRIM_FAILED;
}

static brim_status load_nested_for_ever(const void *key, size_t key_len, void *arg, void **v, size_t *cost)
{
    endless *e = arg;
    brim_ref *ref = NULL;
    uint64_t other = OTHER;

    (void)key, (void)key_len, (void)v, (void)cost;
    e->outer = brim_load_current();
    return brim_get(e->cache, BRIM_KEY(other), load_for_ever, e, &ref);
}

static void *endless_main(void *arg)
{
    endless *e = arg;
    brim_claim_options o;
    brim_ref *ref = NULL;
    uint64_t key = KEY;

    brim_claim_options_init(&o);
    o.expected_cost = 60;
    e->status = brim_get_with(e->cache, BRIM_KEY(key), &o, e->nested ? load_nested_for_ever : load_for_ever, e, &ref);
    atomic_store(&e->came_back, true);
    return NULL;
}

static void join_canceled(pthread_t thread)
{
    void *result = NULL;

    ck_assert_int_eq(pthread_cancel(thread), 0);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    ck_assert(result == PTHREAD_CANCELED);
}

/* ${_i}: 1 the loader gets another key, whose loader is canceled. */
START_TEST(test_a_thread_canceled_in_a_loader_fails_its_load)
{
    endless e = {.cache = make_value_cache(100), .nested = _i == 1};
    maker never = {.id = ID, .cost = COST};
    asking waits;
    pthread_t thread;
    told outer, inner;

    ck_assert_int_eq(pthread_create(&thread, NULL, endless_main, &e), 0);
    WAIT_UNTIL(atomic_load(&e.inside));
    (void)wait_for(e.cache, KEY, &outer);
    if (e.nested)
        (void)wait_for(e.cache, OTHER, &inner);
    asking_start_waiting(&waits, e.cache, KEY, &never, e.outer);
    ck_assert_uint_eq(brim_used(e.cache), 60);
    join_canceled(thread);
    ck_assert(!atomic_load(&e.came_back));
    asking_join(&waits);
    ck_assert_int_eq(waits.status, BRIM_FAILED);
    ck_assert_ptr_null(waits.ref);
    ck_assert_uint_eq(runs_of(&never), 0);
    ck_assert_uint_eq(atomic_load(&outer.calls), 1);
    ck_assert(!outer.got);
    if (e.nested) {
        ck_assert_uint_eq(atomic_load(&inner.calls), 1);
        ck_assert(!inner.got);
    }
    ck_assert_uint_eq(stats_of(e.cache).loading + stats_of(e.cache).reserved, 0);
    ck_assert_uint_eq(stats_of(e.cache).load_failures, e.nested ? 2 : 1);
    ck_assert_uint_eq(brim_used(e.cache), 0);
    ck_assert_int_eq(claim_status(e.cache, KEY, -1), BRIM_CLAIMED);
    ck_assert_int_eq(claim_status(e.cache, OTHER, -1), BRIM_CLAIMED);
    finish(e.cache);
}
END_TEST

static void *waiting_main(void *arg)
{
    (void)asking_main(arg);
    leave_frames();
    pthread_testcancel();
    return NULL;
}

START_TEST(test_a_thread_that_waits_is_not_canceled_before_it_comes_back)
{
    brim_cache *c = make_value_cache(100);
    brim_load *load = claim(c, KEY);
    maker never = {.id = ID, .cost = COST};
    asking a = {.cache = c, .key = KEY, .maker = &never, .timeout_ms = -1, .frame = brim_next_frame(c)};
    void *result = NULL;

    ck_assert_int_eq(pthread_create(&a.thread, NULL, waiting_main, &a), 0);
    asking_waits(&a, load);
    ck_assert_int_eq(pthread_cancel(a.thread), 0);
    ck_assert_int_eq(claim_status(c, KEY, 1), BRIM_TIMEOUT);
    ck_assert_int_eq(finish_load(load, ID + 1, COST, NULL), BRIM_OK);
    ck_assert_int_eq(pthread_join(a.thread, &result), 0);
    ck_assert(result == PTHREAD_CANCELED); /* at the program's own cancellation point */
    ck_assert(atomic_load(&a.back));
    asking_got(&a, ID + 1, true);
    ck_assert_uint_eq(runs_of(&never), 0);
    ck_assert_uint_eq(brim_pinned(c), 0);
    finish(c);
}
END_TEST

/* A thread with a cancellation pending: no call is a cancellation point, also where it pauses for other threads. */
static struct {
    brim_cache *cache;
    gate stop; /* the destructor of 1 stops there */
    brim_status status;
    atomic_uint calls;
} pausing;

static void destroy_stopping(void *v, size_t cost, void *arg)
{
    if (((value *)v)->id == 1)
        gate_stop_here(&pausing.stop);
    value_destroy(v, cost, arg);
}

static void evict_stopping(unsigned id, void *arg)
{
    (void)id, (void)arg;
    EXPECT(put(pausing.cache, 2, 2, 50) == BRIM_OK);
}

static void *pending_main(void *arg)
{
    maker m = {.id = 5, .cost = 1};
    brim_claim_options o = expecting(50);
    brim_load *load = NULL;
    brim_ref *ref = NULL;
    uint64_t key = 5;

    (void)arg;
    (void)pthread_cancel(pthread_self());
    pausing.status = put(pausing.cache, 3, 3, 50); /* pauses for the victim that is being destroyed */
    atomic_fetch_add(&pausing.calls, 1);
    EXPECT(get(pausing.cache, 5, &m, &ref) == BRIM_OK);
    brim_release(ref);
    (void)brim_remove(pausing.cache, BRIM_KEY(key));
    atomic_fetch_add(&pausing.calls, 1);
    EXPECT(brim_claim_with(pausing.cache, BRIM_KEY(key), &o, &ref, &load) == BRIM_CLAIMED);
    brim_load_fail(load, REASON);
    atomic_fetch_add(&pausing.calls, 1);
    leave_frames();
    pthread_testcancel();
    return NULL;
}

START_TEST(test_a_pending_cancellation_waits_for_the_programs_own_points)
{
    static const brim_kind kind = {.size = sizeof(brim_kind), .destroy = destroy_stopping};
    brim_options o = value_options(100);
    pthread_t thread;
    void *result = NULL;
    crew evicts;

    o.kind = &kind;
    memset(&pausing, 0, sizeof pausing);
    pausing.cache = make_cache(&o);
    gate_init(&pausing.stop);
    ck_assert_int_eq(put(pausing.cache, 1, 1, 60), BRIM_OK);
    crew_start(&evicts, 1, evict_stopping, NULL);
    gate_wait_reached(&pausing.stop);
    ck_assert_int_eq(pthread_create(&thread, NULL, pending_main, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    gate_open(&pausing.stop);
    crew_join(&evicts);
    ck_assert_uint_eq(atomic_load(&pausing.calls), 3);
    ck_assert_int_eq(pausing.status, BRIM_FULL);
    ck_assert(result == PTHREAD_CANCELED);
    ck_assert_uint_eq(stats_of(pausing.cache).loading + stats_of(pausing.cache).reserved, 0);
    gate_destroy(&pausing.stop);
    finish(pausing.cache);
}
END_TEST

/* ---- fork */

enum { CHILD_OK = 42 };
#define NEED(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            _exit(__LINE__ % 200 + 50);                                                                      \
    } while (0)

static void child_is_well(pid_t pid)
{
    int status = 0;

    ck_assert_int_gt(pid, 0);
    while (waitpid(pid, &status, 0) < 0)
        ck_assert_int_eq(errno, EINTR);
    ck_assert_msg(WIFEXITED(status), "the child ended by signal %d", WTERMSIG(status));
    ck_assert_msg(WEXITSTATUS(status) == CHILD_OK, "the child said %d: a line, modulo 200, + 50",
                  WEXITSTATUS(status));
}

/* The child: the loader of KEY has vanished, the claimed load of OTHER is as it was. */
static void child_of_a_load(brim_cache *c, brim_load *load, told *of_loader, told *of_claim)
{
    maker m = {.id = ID + 5, .cost = COST};
    brim_ref *ref = NULL;

    (void)alarm(60);
    NEED(claim_status(c, OTHER, 0) == BRIM_PENDING);
    NEED(brim_load_is_wanted(load));
    NEED(get(c, KEY, &m, &ref) == BRIM_OK);
    NEED(id_of(ref) == ID + 5 && runs_of(&m) == 1);
    brim_release(ref);
    NEED(stats_of(c).reserved == 20); /* the claimed load's; the loader's 60 were given back */
    NEED(brim_used(c) == 20 + COST);
    NEED(stats_of(c).loading == 1);
    NEED(finish_load(load, ID + 6, 20, NULL) == BRIM_OK);
    NEED(atomic_load(&of_claim->calls) == 1 && of_claim->got && of_claim->id == ID + 6);
    NEED(found_id(c, OTHER) == ID + 6);
    NEED(stats_of(c).loading == 0 && stats_of(c).reserved == 0 && brim_pinned(c) == 0);
    NEED(brim_check(c, stderr));
    brim_cache_free(c);
    NEED(atomic_load(&of_loader->calls) == 1 && !of_loader->got && of_loader->reason == BRIM_CANCELED);
    NEED(values_live() == 0 && !in_trouble());
    _exit(CHILD_OK);
}

static void *load_stopped(void *arg)
{
    asking *a = arg;
    brim_claim_options o;

    brim_claim_options_init(&o);
    o.expected_cost = 60;
    a->status = brim_get_with(a->cache, BRIM_KEY(a->key), &o, make_value, a->maker, &a->ref);
    return NULL;
}

START_TEST(test_g12_loaders_of_vanished_threads_have_ended_in_the_child)
{
    brim_cache *c = make_value_cache(100);
    brim_claim_options o;
    gate stop;
    maker m = {.id = ID, .cost = COST, .stop = &stop};
    asking loads = {.cache = c, .key = KEY, .maker = &m};
    brim_load *load;
    told of_loader, of_claim;
    pid_t pid;

    gate_init(&stop);
    ck_assert_int_eq(pthread_create(&loads.thread, NULL, load_stopped, &loads), 0);
    gate_wait_reached(&stop);
    brim_claim_options_init(&o);
    o.expected_cost = 20;
    load = claim_with(c, OTHER, &o);
    (void)wait_for(c, KEY, &of_loader);
    (void)wait_for(c, OTHER, &of_claim);
    ck_assert_uint_eq(brim_used(c), 80);
    pid = fork();
    if (pid == 0)
        child_of_a_load(c, load, &of_loader, &of_claim);
    child_is_well(pid);
    ck_assert_uint_eq(brim_used(c), 80);
    told_nothing(&of_loader);
    told_nothing(&of_claim);
    gate_open(&stop);
    asking_join(&loads);
    ck_assert_int_eq(loads.status, BRIM_OK);
    brim_release(loads.ref);
    told_got(&of_loader, ID, true);
    ck_assert_int_eq(finish_load(load, ID + 1, 20, NULL), BRIM_OK);
    told_got(&of_claim, ID + 1, true);
    gate_destroy(&stop);
    finish(c);
}
END_TEST

/* What a claimed load gives is not kept for threads that have vanished. */
START_TEST(test_g12_vanished_threads_wait_no_more)
{
    brim_cache *c = make_value_cache(100);
    brim_load *load = claim(c, KEY);
    asking a[3];
    pid_t pid;

    for (int i = 0; i < 3; i++)
        asking_start_waiting(&a[i], c, KEY, NULL, load);
    pid = fork();
    if (pid == 0) {
        uint64_t key = KEY;

        (void)alarm(60);
        NEED(finish_load(load, ID, COST, NULL) == BRIM_OK);
        NEED(found_id(c, KEY) == ID && brim_pinned(c) == 0);
        NEED(brim_remove(c, BRIM_KEY(key)));
        NEED(values_live() == 0 && brim_used(c) == 0);
        NEED(brim_check(c, stderr));
        brim_cache_free(c);
        NEED(!in_trouble());
        _exit(CHILD_OK);
    }
    child_is_well(pid);
    ck_assert_int_eq(finish_load(load, ID, COST, NULL), BRIM_OK);
    for (int i = 0; i < 3; i++) {
        asking_join(&a[i]);
        asking_got(&a[i], ID, true);
    }
    finish(c);
}
END_TEST

/* The loader itself forks, in a load within a load: both go on in both processes. */
static struct {
    brim_cache *cache;
    pid_t pid;
} forking;

static void fork_here(void *arg)
{
    (void)arg;
    forking.pid = fork();
    if (forking.pid == 0)
        (void)alarm(60);
}

static void get_forking(void *arg)
{
    maker m = {.id = ID + 1, .cost = COST, .during = fork_here};
    brim_ref *ref = NULL;

    (void)arg;
    EXPECT(get(forking.cache, OTHER, &m, &ref) == BRIM_OK);
    EXPECT(brim_ref_is_cached(ref));
    brim_release(ref);
}

START_TEST(test_g12_a_loader_that_forks_goes_on_in_both)
{
    maker m = {.id = ID, .cost = COST, .during = get_forking};
    brim_ref *ref = NULL;
    brim_status s;

    forking.cache = make_value_cache(100);
    s = get(forking.cache, KEY, &m, &ref);
    if (forking.pid == 0) {
        NEED(s == BRIM_OK && brim_ref_is_cached(ref) && id_of(ref) == ID);
        brim_release(ref);
        NEED(found_id(forking.cache, OTHER) == ID + 1);
        NEED(stats_of(forking.cache).loading == 0 && stats_of(forking.cache).loads == 2);
        NEED(brim_load_current() == NULL);
        NEED(brim_check(forking.cache, stderr));
        brim_cache_free(forking.cache);
        NEED(values_live() == 0 && !in_trouble());
        _exit(CHILD_OK);
    }
    child_is_well(forking.pid);
    ck_assert_int_eq(s, BRIM_OK);
    ck_assert_uint_eq(id_of(ref), ID);
    brim_release(ref);
    ck_assert_uint_eq(found_id(forking.cache, OTHER), ID + 1);
    finish(forking.cache);
}
END_TEST

/*
 * KEY is loaded here; the loader of OTHER, on another thread, waits for it.  To ask for OTHER now would close a
 * circle; not so in a child, where that thread has vanished and its loader has ended.
 */
typedef struct circle {
    brim_cache *cache;
    maker there;
    asking other;
    pid_t pid;
    brim_status status;
} circle;

static void get_key(void *arg)
{
    circle *x = arg;
    maker never = {.id = ID + 9, .cost = COST};
    brim_ref *ref = NULL;

    EXPECT(get(x->cache, KEY, &never, &ref) == BRIM_OK);
    EXPECT(id_of(ref) == ID && runs_of(&never) == 0);
    brim_release(ref);
}

static void fork_and_get_other(void *arg)
{
    circle *x = arg;
    maker m = {.id = ID + 2, .cost = COST};
    brim_ref *ref = NULL;

    asking_start_waiting(&x->other, x->cache, OTHER, &x->there, brim_load_current());
    x->pid = fork();
    if (x->pid == 0)
        (void)alarm(60);
    x->status = get(x->cache, OTHER, &m, &ref);
    EXPECT(x->status != BRIM_OK || id_of(ref) == ID + 2);
    brim_release(ref);
}

START_TEST(test_g12_no_deadlock_with_vanished_threads)
{
    circle x = {.cache = make_value_cache(100)};
    maker here = {.id = ID, .cost = COST, .during = fork_and_get_other, .arg = &x};
    brim_ref *ref = NULL;
    brim_status s;

    x.there = (maker){.id = ID + 1, .cost = COST, .during = get_key, .arg = &x};
    s = get(x.cache, KEY, &here, &ref);
    if (x.pid == 0) {
        NEED(s == BRIM_OK && x.status == BRIM_OK);
        brim_release(ref);
        NEED(found_id(x.cache, OTHER) == ID + 2 && found_id(x.cache, KEY) == ID);
        NEED(stats_of(x.cache).loading == 0 && brim_pinned(x.cache) == 0 && brim_check(x.cache, stderr));
        brim_cache_free(x.cache);
        NEED(values_live() == 0 && !in_trouble());
        _exit(CHILD_OK);
    }
    child_is_well(x.pid);
    ck_assert_int_eq(s, BRIM_OK);
    ck_assert_int_eq(x.status, BRIM_DEADLOCK);
    brim_release(ref);
    asking_join(&x.other);
    asking_got(&x.other, ID + 1, true);
    finish(x.cache);
}
END_TEST

/* Forks among threads that load: values need no destruction, for those that vanish may be in the middle of one. */
enum { BUSY_KEYS = 6, BUSY_CLAIMS = 2 };
static struct {
    brim_cache *cache;
    atomic_bool stop;
    atomic_ullong turns;
    brim_load *claims[BUSY_CLAIMS]; /* of keys that nobody else asks for */
    char value;
} busy;

static brim_status load_busy(const void *key, size_t key_len, void *arg, void **v, size_t *cost)
{
    uint64_t k;

    (void)key_len, (void)arg;
    memcpy(&k, key, sizeof k);
    if (k + 1 < BUSY_KEYS && k % 2 == 0) {
        brim_ref *ref = NULL;
        uint64_t next = k + 1;

        EXPECT(brim_get(busy.cache, BRIM_KEY(next), load_busy, NULL, &ref) == BRIM_OK);
        brim_release(ref);
    }
    *v = &busy.value;
    *cost = 1;
    return BRIM_OK;
}

static void busy_run(unsigned id, void *arg)
{
    uint64_t state = id + 5;
    brim_claim_options o;

    (void)arg;
    brim_claim_options_init(&o);
    o.expected_cost = 3;
    while (!atomic_load(&busy.stop)) {
        uint64_t key = random_next(&state) % BUSY_KEYS;
        brim_ref *ref = NULL;

        if (random_next(&state) % 3 == 0)
            (void)brim_remove(busy.cache, BRIM_KEY(key));
        else
            EXPECT(brim_get_with(busy.cache, BRIM_KEY(key), &o, load_busy, NULL, &ref) == BRIM_OK);
        brim_release(ref);
        atomic_fetch_add(&busy.turns, 1);
    }
}

static void busy_child(void)
{
    (void)alarm(60);
    for (uint64_t key = 0; key < BUSY_KEYS; key++) {
        brim_ref *ref = NULL;

        NEED(brim_get(busy.cache, BRIM_KEY(key), load_busy, NULL, &ref) == BRIM_OK);
        NEED(brim_ref_value(ref) == &busy.value);
        brim_release(ref);
    }
    NEED(stats_of(busy.cache).loading == BUSY_CLAIMS);
    for (int i = 0; i < BUSY_CLAIMS; i++)
        NEED(brim_load_finish(busy.claims[i], &busy.value, 1, NULL) == BRIM_OK);
    NEED(stats_of(busy.cache).reserved == 0 && stats_of(busy.cache).loading == 0);
    NEED(brim_check(busy.cache, stderr));
    brim_clear(busy.cache);
    NEED(brim_count(busy.cache) == 0);
    brim_cache_free(busy.cache);
    _exit(CHILD_OK);
}

START_TEST(test_g12_forks_among_threads_that_load)
{
    brim_options o;
    crew threads;

    memset(&busy, 0, sizeof busy);
    brim_options_init(&o, 1000);
    o.shards = _i == 0 ? 1 : 8;
    busy.cache = make_cache(&o);
    for (uint64_t i = 0; i < BUSY_CLAIMS; i++)
        busy.claims[i] = claim(busy.cache, 1000 + i);
    crew_start(&threads, 3, busy_run, NULL);
    for (int i = 0; i < SCALED(40); i++) {
        unsigned long long turns = atomic_load(&busy.turns);
        pid_t pid;

        WAIT_UNTIL(atomic_load(&busy.turns) >= turns + 50);
        pid = fork();
        if (pid == 0)
            busy_child();
        child_is_well(pid);
    }
    atomic_store(&busy.stop, true);
    crew_join(&threads);
    for (int i = 0; i < BUSY_CLAIMS; i++)
        brim_load_fail(busy.claims[i], REASON);
    ck_assert_uint_eq(stats_of(busy.cache).loading + stats_of(busy.cache).reserved, 0);
    finish(busy.cache);
}
END_TEST

/* ---- Many threads, few keys, and all that may happen to a load */

enum { FEW = 6, CROWD = 4, BIN = 8, SMALL = 40 };
typedef struct bin_load {
    brim_load *load;
    uint64_t key;
} bin_load;

static struct {
    brim_cache *cache;
    brim_group *group;
    together running[FEW];
    pthread_mutex_t mutex; /* of the bin: claimed loads that wait for who finishes them */
    bin_load bin[BIN];
    unsigned in_bin;
    atomic_uint at_work;
    atomic_uint pending, told, withdrawn, given, failed, canceled, uncharged;
} crowd;

static _Thread_local uint64_t crowd_random;

static uint64_t below(uint64_t n)
{
    return (random_next(&crowd_random) >> 20) % n;
}

static size_t crowd_cost(void)
{
    return below(10) == 0 ? SMALL + 1 : 1 + below(12);
}

static void crowd_took(brim_ref *ref, uint64_t key)
{
    EXPECT(id_of(ref) % FEW == key);
    atomic_fetch_add(&crowd.given, 1);
    if (!brim_ref_is_cached(ref))
        atomic_fetch_add(&crowd.uncharged, 1);
    brim_release(ref);
}

static void crowd_get(uint64_t key, int timeout_ms);

static brim_status load_crowd(const void *key, size_t key_len, void *arg, void **v, size_t *cost)
{
    uint64_t k;
    bool fails = below(8) == 0;

    (void)key_len, (void)arg;
    memcpy(&k, key, sizeof k);
    together_begin(&crowd.running[k]);
    for (uint64_t n = below(3); n > 0; n--)
        (void)sched_yield();
    if (k + 1 < FEW && below(3) == 0)
        crowd_get(k + 1 + below(FEW - k - 1), -1);
    if (below(6) == 0)
        (void)brim_remove(crowd.cache, key, key_len);
    together_end(&crowd.running[k]);
    if (fails)
        return BRIM_FAILED;
    *cost = crowd_cost();
    *v = value_new(k, *cost);
    return BRIM_OK;
}

static void crowd_get(uint64_t key, int timeout_ms)
{
    brim_entry_options e;
    brim_claim_options o;
    brim_ref *ref = NULL;
    int reason = INT32_MIN;
    brim_status s;

    brim_entry_options_init(&e);
    e.group = below(2) == 0 ? crowd.group : NULL;
    brim_claim_options_init(&o);
    o.entry = &e;
    o.timeout_ms = timeout_ms;
    o.expected_cost = below(12);
    o.reason = &reason;
    s = brim_get_with(crowd.cache, BRIM_KEY(key), &o, load_crowd, NULL, &ref);
    EXPECT((s == BRIM_OK) == (ref != NULL));
    EXPECT(s == BRIM_FAILED ? reason == BRIM_FAILED || reason == REASON : reason == 0);
    switch (s) {
    case BRIM_OK: crowd_took(ref, key); break;
    case BRIM_FAILED: atomic_fetch_add(&crowd.failed, 1); break;
    case BRIM_CANCELED: atomic_fetch_add(&crowd.canceled, 1); break;
    default: EXPECT_MSG(timeout_ms >= 0 && (s == BRIM_TIMEOUT || s == BRIM_PENDING), "status %d", (int)s); break;
    }
}

static void crowd_end(bin_load b)
{
    size_t cost = crowd_cost();
    brim_ref *out = NULL;

    if (!brim_load_is_wanted(b.load) && below(2) == 0) {
        brim_load_fail(b.load, REASON);
        return;
    }
    switch (below(8)) {
    case 0: brim_load_fail(b.load, REASON); return;
    case 1: brim_load_fail_for(b.load, REASON, below(100000)); return;
    case 2: (void)brim_load_finish(b.load, value_new(b.key, cost), cost, NULL); return;
    default:
        (void)brim_load_finish_with(b.load, value_new(b.key, cost), cost, NULL, &out);
        crowd_took(out, b.key);
        return;
    }
}

/* Into the bin, if there is a place. */
static bool crowd_abandon(bin_load b)
{
    bool done;

    pthread_mutex_lock(&crowd.mutex);
    done = crowd.in_bin < BIN;
    if (done)
        crowd.bin[crowd.in_bin++] = b;
    pthread_mutex_unlock(&crowd.mutex);
    return done;
}

static void crowd_loaded(brim_load *load, uint64_t key)
{
    bin_load b = {load, key};

    brim_load_begin(load);
    if (below(2) == 0 || !crowd_abandon(b))
        crowd_end(b);
}

static void crowd_claim(uint64_t key)
{
    brim_ref *ref = NULL;
    brim_load *load = NULL;
    brim_status s = brim_claim(crowd.cache, BRIM_KEY(key), (int)below(3) - 1, &ref, &load);

    EXPECT(s != BRIM_DEADLOCK && s != BRIM_INVALID && s != BRIM_NOMEM);
    if (s == BRIM_OK)
        crowd_took(ref, key);
    if (s == BRIM_CLAIMED)
        crowd_loaded(load, key);
}

static void crowd_done(brim_ref *ref, int reason, void *arg)
{
    uint64_t key = (uint64_t)(uintptr_t)arg;

    EXPECT(ref != NULL || reason == REASON || reason == BRIM_FAILED || reason == BRIM_CANCELED);
    atomic_fetch_add(&crowd.told, 1);
    if (ref != NULL)
        crowd_took(ref, key);
}

static void crowd_async(uint64_t key)
{
    brim_ref *ref = NULL;
    brim_load *load = NULL;
    brim_wait *wait = NULL;
    brim_status s = brim_claim_async(crowd.cache, BRIM_KEY(key), NULL, crowd_done, (void *)(uintptr_t)key, &ref,
                                     &load, &wait);

    if (s == BRIM_OK)
        crowd_took(ref, key);
    if (s == BRIM_CLAIMED)
        crowd_loaded(load, key);
    if (s != BRIM_PENDING)
        return;
    atomic_fetch_add(&crowd.pending, 1);
    if (below(3) == 0 && brim_wait_cancel(wait))
        atomic_fetch_add(&crowd.withdrawn, 1);
}

static void crowd_overtake(uint64_t key)
{
    switch (below(8)) {
    case 0: brim_clear(crowd.cache); break;
    case 1: brim_group_invalidate(crowd.group); break;
    case 2: (void)brim_load_cancel(crowd.cache, BRIM_KEY(key)); break;
    case 3: (void)brim_trim(crowd.cache, below(SMALL)); break;
    case 4: (void)put(crowd.cache, key, key, 1 + below(5)); break;
    default: (void)brim_remove(crowd.cache, BRIM_KEY(key)); break;
    }
}

static void crowd_ask(void)
{
    for (int i = 0; i < SCALED(4000); i++) {
        uint64_t key = below(FEW);

        switch (below(8)) {
        case 0:
        case 1: crowd_overtake(key); break;
        case 2: crowd_claim(key); break;
        case 3: crowd_async(key); break;
        case 4: crowd_get(key, (int)below(2)); break;
        default: crowd_get(key, -1); break;
        }
        EXPECT(brim_used(crowd.cache) <= SMALL);
    }
    atomic_fetch_sub(&crowd.at_work, 1);
}

/* Ends what lies in the bin, and never waits. */
static void crowd_empty_bin(void)
{
    bool more = true;

    while (more) {
        bin_load b = {NULL, 0};

        more = atomic_load(&crowd.at_work) > 0;
        pthread_mutex_lock(&crowd.mutex);
        if (crowd.in_bin > 0)
            b = crowd.bin[--crowd.in_bin];
        pthread_mutex_unlock(&crowd.mutex);
        if (b.load == NULL) {
            (void)sched_yield();
            continue;
        }
        crowd_end(b);
        more = true;
    }
}

static void crowd_role(unsigned id, void *arg)
{
    (void)arg;
    crowd_random = id + 1;
    if (id == 0)
        crowd_empty_bin();
    else
        crowd_ask();
}

START_TEST(test_many_threads_load_fail_abandon_and_overtake)
{
    brim_options o = value_options(SMALL);
    brim_stats s;

    memset(&crowd, 0, sizeof crowd);
    o.shards = _i == 0 ? 1 : 4;
    crowd.cache = make_cache(&o);
    crowd.group = brim_group_new(crowd.cache);
    pthread_mutex_init(&crowd.mutex, NULL);
    atomic_store(&crowd.at_work, CROWD);
    crew_do(CROWD + 1, crowd_role, NULL);
    ck_assert_uint_eq(crowd.in_bin, 0);
    ck_assert_uint_eq(atomic_load(&crowd.pending), atomic_load(&crowd.told) + atomic_load(&crowd.withdrawn));
    for (int i = 0; i < FEW; i++)
        ck_assert_uint_eq(atomic_load(&crowd.running[i].most), 1);
    s = stats_of(crowd.cache);
    ck_assert_uint_eq(s.loading + s.reserved + s.pinned + s.uncharged, 0);
    ck_assert_uint_eq(brim_group_loads(crowd.group), 0);
    ck_assert_uint_gt(atomic_load(&crowd.given), 50);
    ck_assert_uint_gt(atomic_load(&crowd.failed), 5);
    ck_assert_uint_gt(atomic_load(&crowd.pending), 0);
    ck_assert_uint_gt(atomic_load(&crowd.uncharged), 5);
    brim_group_drop(crowd.group);
    pthread_mutex_destroy(&crowd.mutex);
    finish(crowd.cache);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("load_threads");

    tcase_add_test(tc, test_loader_inserts_finds_removes_and_evicts_other_keys);
    tcase_add_test(tc, test_loader_gets_other_keys);
    tcase_add_test(tc, test_loader_makes_and_frees_another_cache);
    tcase_add_test(tc, test_loads_in_a_listener_evict_nothing);
    tcase_add_test(tc, test_loads_in_a_section);
    tcase_add_loop_test(tc, test_a_thread_canceled_in_a_loader_fails_its_load, 0, 2);
    tcase_add_test(tc, test_a_thread_that_waits_is_not_canceled_before_it_comes_back);
    tcase_add_test(tc, test_a_pending_cancellation_waits_for_the_programs_own_points);
    tcase_add_test(tc, test_g12_loaders_of_vanished_threads_have_ended_in_the_child);
    tcase_add_test(tc, test_g12_vanished_threads_wait_no_more);
    tcase_add_test(tc, test_g12_a_loader_that_forks_goes_on_in_both);
    tcase_add_test(tc, test_g12_no_deadlock_with_vanished_threads);
    tcase_add_loop_test(tc, test_g12_forks_among_threads_that_load, 0, 2);
    tcase_add_loop_test(tc, test_many_threads_load_fail_abandon_and_overtake, 0, 2);
    return suite_run(tc);
}
