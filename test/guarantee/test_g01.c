/* SPDX-License-Identifier: MIT
 *
 * G1: every function from every callback; no user code under a lock; evictions do not nest; bounded stack.
 */
#include "support/support.h"

static _Atomic(brim_cache *) target;    /* what the callbacks call into; NULL: nothing */
static _Thread_local bool inside;       /* every_call does not run within itself */
static _Thread_local bool helping;      /* this thread is a callback's helper */
static _Thread_local unsigned budget;   /* calls left to callbacks: what they insert leaves too, and would call them for ever */
static atomic_uint callbacks;
static atomic_uint visited;

static bool none(brim_ref *lent, void *arg)
{
    (void)lent;
    (void)arg;
    return false;
}

static bool go_on(brim_ref *lent, void *arg)
{
    (void)arg;
    EXPECT(brim_ref_value(lent) != NULL);
    atomic_fetch_add(&visited, 1);
    return true;
}

static void calls_by_bytes(brim_cache *c, uint64_t key)
{
    brim_entry_options e;
    brim_ref *r = NULL, *copy;
    brim_key *k;
    value *v;
    brim_status s;

    (void)put(c, key, key, 1);
    if (put_ref(c, key + 1, key + 1, 2, &r) == BRIM_OK)
        EXPECT(id_of(r) == key + 1);
    copy = brim_ref_copy(r);
    k = brim_ref_key(r);
    (void)brim_ref_cost(copy);
    (void)brim_ref_kind(copy);
    (void)brim_ref_is_cached(copy);
    brim_release(copy);
    (void)brim_release_with(r, key % 2 == 0 ? BRIM_REMOVE_IF_LAST : BRIM_NOT_USEFUL);
    brim_release(brim_key_find(k));
    brim_key_drop(k);
    brim_entry_options_init(&e);
    e.only_if_absent = true;
    v = value_new(key, 1);
    s = brim_insert_with(c, BRIM_KEY(key), v, 1, &e, &r);
    if (s != BRIM_OK)
        value_discard(v);
    brim_release(r);
    v = value_new(key, 3);
    s = brim_insert_or_wrap(c, BRIM_KEY(key), v, 3, NULL, &r);
    if (s == BRIM_NOMEM || s == BRIM_INVALID)
        value_discard(v);
    brim_release(r);
    brim_release(brim_find(c, BRIM_KEY(key)));
    (void)brim_contains(c, BRIM_KEY(key));
    key += 1;
    (void)brim_remove(c, BRIM_KEY(key));
}

static void calls_by_handle(brim_cache *c)
{
    brim_slot slot = BRIM_SLOT_INIT;
    brim_key *k = NULL, *copy;
    brim_ref *r = NULL;
    value *v = value_new(7, 1);

    if (brim_wrap(c, v, 1, NULL, &r) != BRIM_OK)
        value_discard(v);
    brim_release(r);
    v = value_new(8, 1);
    if (brim_insert_anonymous(c, v, 1, NULL, &k, &r) != BRIM_OK) {
        value_discard(v);
        return;
    }
    brim_release(r);
    v = value_new(9, 2);
    if (brim_key_replace(&k, v, 2) != BRIM_OK)
        value_discard(v);
    copy = brim_key_copy(k);
    (void)brim_key_is_valid(copy);
    EXPECT(brim_key_equal(copy, k));
    brim_slot_store(&slot, copy);
    brim_release(brim_slot_find(&slot));
    brim_key_drop(brim_slot_load(&slot));
    brim_key_drop(brim_slot_exchange(&slot, NULL));
    (void)brim_key_remove(k);
    brim_key_drop(k);
}

static void calls_on_bounds(brim_cache *c, unsigned turn)
{
    brim_stats stats;

    (void)brim_set_capacity(c, brim_capacity(c));
    (void)brim_used(c);
    (void)brim_pinned(c);
    (void)brim_count(c);
    if (brim_reserve(c, 1) == BRIM_OK)
        brim_unreserve(c, 1);
    if (turn % 8 == 0)
        (void)brim_trim(c, brim_used(c) / 2);
    if (turn % 8 == 1)
        (void)brim_trim_kind(c, NULL, 10);
    if (turn % 64 == 2)
        brim_clear(c);
    (void)brim_drain(c, 0);
    if (turn % 4 == 0) {
        (void)brim_remove_if(c, none, NULL);
        (void)brim_for_each(c, go_on, NULL);
    }
    brim_stats_get(c, &stats);
    (void)brim_strerror(BRIM_FULL);
    (void)brim_version();
}

/* Calls every function; nothing when it is already running on this thread. */
static void every_call(void)
{
    brim_cache *c = atomic_load(&target);
    unsigned turn;

    if (c == NULL || inside || budget == 0)
        return;
    budget--;
    inside = true;
    turn = atomic_fetch_add(&callbacks, 1);
    calls_by_bytes(c, turn % 32);
    calls_by_handle(c);
    calls_on_bounds(c, turn);
    if (turn % 16 == 0) {
        brim_cache *other = NULL;
        brim_options o;

        brim_options_init(&o, 10);
        EXPECT(brim_cache_new(&o, &other) == BRIM_OK);
        brim_cache_free(other);
    }
    inside = false;
}

static void *help(void *arg)
{
    (void)arg;
    helping = true;
    budget = 1;
    every_call();
    return NULL;
}

static bool with_helpers;

/* A helper that gets through shows that the calling thread holds no lock that any of the calls needs. */
static void callback(void)
{
    pthread_t helper;

    if (inside || helping || atomic_load(&target) == NULL)
        return;
    if (!with_helpers) {
        every_call();
        return;
    }
    inside = true;
    if (atomic_load(&callbacks) < 400) {
        EXPECT(pthread_create(&helper, NULL, help, NULL) == 0);
        pthread_join(helper, NULL);
    }
    inside = false;
}

static void destroy(const void *key, size_t len, void *v, size_t cost, void *arg)
{
    (void)key;
    (void)len;
    callback();
    value_destroy(v, cost, arg);
}

static void removed(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    (void)key;
    (void)len;
    (void)cost;
    (void)cause;
    (void)arg;
    EXPECT(((value *)v)->magic != 0 && atomic_load(&((value *)v)->destroyed) == 0);
    callback();
}

static void allocator_hook(void *arg)
{
    (void)arg;
    callback();
}

static bool visiting(brim_ref *lent, void *arg)
{
    (void)lent;
    (void)arg;
    callback();
    return true;
}

static bool choosing(brim_ref *lent, void *arg)
{
    (void)arg;
    callback();
    return id_of(lent) % 2 == 0;
}

static const brim_kind calling_kind = { .size = sizeof(brim_kind), .name = "calling", .destroy_entry = destroy, .removed = removed };

static void busy(unsigned id, void *arg)
{
    brim_cache *c = arg;

    for (uint64_t i = 0; i < (uint64_t)SCALED(2000); i++) {
        budget = 3;
        (void)put(c, 100 + (i + id) % 97, i, 1 + i % 5);
        if (i % 256 == 0)
            (void)brim_for_each(c, visiting, NULL);
        if (i % 256 == 128)
            (void)brim_remove_if(c, choosing, NULL);
        if (i % 512 == 300)
            brim_clear(c);
        if (i % 512 == 400)
            (void)brim_trim(c, 20);
    }
}

static void callbacks_call_everything(unsigned threads, bool helpers, bool hook, unsigned shards)
{
    brim_options o = value_options(100);
    brim_cache *c;
    heap h;

    heap_init(&h);
    o.allocator = &h.allocator;
    o.kind = &calling_kind;
    o.shards = shards;
    c = make_cache(&o);
    with_helpers = helpers;
    atomic_store(&callbacks, 0);
    if (hook)
        h.hook = allocator_hook;
    atomic_store(&target, c);
    crew_do(threads, busy, c);
    ck_assert_uint_gt(atomic_load(&callbacks), SCALED(50));
    ck_assert_uint_gt(atomic_load(&visited), 0);
    h.hook = NULL;
    ck_assert(brim_check(c, stderr));
    atomic_store(&target, NULL);
    budget = 0;
    finish(c);
}

START_TEST(test_g01_callbacks_call_every_function)
{
    callbacks_call_everything(1, false, false, 1);
}
END_TEST

START_TEST(test_g01_allocator_calls_every_function)
{
    callbacks_call_everything(1, false, true, 1);
}
END_TEST

START_TEST(test_g01_callbacks_of_many_threads_call_every_function)
{
    callbacks_call_everything(4, false, true, 0);
}
END_TEST

START_TEST(test_g01_no_lock_is_held_in_any_callback)
{
    callbacks_call_everything(1, true, false, 1);
}
END_TEST

START_TEST(test_g01_no_lock_is_held_in_the_allocator)
{
    callbacks_call_everything(1, true, true, 1);
}
END_TEST

/* ---- A callback in brim_cache_free may still use the cache and what stands on it ---- */

static atomic_uint late_inserts;

static void removed_late(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    brim_cache *c = atomic_load(&target);
    uint64_t other = 5;

    (void)key;
    (void)len;
    (void)v;
    (void)cost;
    (void)arg;
    EXPECT(cause == BRIM_FREED || cause == BRIM_EVICTED || cause == BRIM_REMOVED);
    if (atomic_fetch_add(&late_inserts, 1) < 50)
        (void)put(c, 1000 + atomic_load(&late_inserts), 1, 1);
    brim_release(brim_find(c, BRIM_KEY(other)));
    (void)brim_remove(c, BRIM_KEY(other));
    (void)brim_used(c);
}

START_TEST(test_g01_listeners_use_the_cache_while_it_is_freed)
{
    static const brim_kind kind = { .size = sizeof(brim_kind), .destroy = value_destroy, .removed = removed_late };
    brim_options o = value_options(100);
    brim_cache *c;

    o.kind = &kind;
    atomic_store(&late_inserts, 0);
    c = make_cache(&o);
    atomic_store(&target, c);
    for (uint64_t i = 0; i < 20; i++)
        ck_assert_int_eq(put(c, i, i, 1), BRIM_OK);
    brim_cache_free(c);
    ck_assert_uint_ge(atomic_load(&late_inserts), 20);
    ck_assert_uint_eq(values_live(), 0);
}
END_TEST

/* ---- Evictions do not nest ---- */

static struct { brim_cache *cache; unsigned evictions, nested_full, nested_other; bool in_destroy; } nest;

static void nested_insert(void)
{
    uint64_t key = 777;
    value *v = value_new(777, 5);
    brim_status s = brim_insert(nest.cache, BRIM_KEY(key), v, 5, NULL);

    if (s != BRIM_OK)
        value_discard(v);
    if (s == BRIM_FULL)
        nest.nested_full++;
    else
        nest.nested_other++;
}

static void nest_removed(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    (void)key;
    (void)len;
    (void)v;
    (void)cost;
    (void)arg;
    if (cause != BRIM_EVICTED)
        return;
    nest.evictions++;
    if (!nest.in_destroy)
        nested_insert();
}

static void nest_destroy(void *v, size_t cost, void *arg)
{
    if (nest.in_destroy)
        nested_insert();
    value_destroy(v, cost, arg);
}

static const brim_kind nest_kind = { .size = sizeof(brim_kind), .destroy = nest_destroy, .removed = nest_removed };

static void nested_gets_full(bool in_destroy, unsigned shards)
{
    brim_options o = value_options(10);
    brim_cache *c;

    memset(&nest, 0, sizeof nest);
    o.kind = &nest_kind;
    o.shards = shards;
    c = nest.cache = make_cache(&o);
    for (uint64_t i = 0; i < 10; i++)
        ck_assert_int_eq(put(c, i, i, 1), BRIM_OK);
    nest.in_destroy = in_destroy;
    ck_assert_int_eq(put(c, 10, 10, 1), BRIM_OK);
    ck_assert_uint_eq(nest.evictions, 1);
    ck_assert_uint_eq(nest.nested_full, 1);
    ck_assert_uint_eq(nest.nested_other, 0);
    ck_assert_uint_eq(brim_count(c), 10);
    ck_assert(has(c, 10));
    ck_assert(!has(c, 777));
    nest.in_destroy = false;
    nest.cache = c;
    finish(c);
}

START_TEST(test_g01_nested_insert_that_does_not_fit_gets_full)
{
    for (unsigned shards = 1; shards <= 64; shards *= 8) {
        nested_gets_full(false, shards);
        values_start();
        nested_gets_full(true, shards);
        values_start();
    }
}
END_TEST

static atomic_uint fitted;

static void removed_inserts_small(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    (void)key;
    (void)len;
    (void)v;
    (void)cost;
    (void)arg;
    if (cause == BRIM_REMOVED && put(atomic_load(&target), 900, 900, 1) == BRIM_OK)
        atomic_fetch_add(&fitted, 1);
}

START_TEST(test_g01_nested_insert_that_fits_is_admitted)
{
    static const brim_kind kind = { .size = sizeof(brim_kind), .destroy = value_destroy, .removed = removed_inserts_small };
    brim_options o = value_options(100);
    brim_cache *c;
    uint64_t key = 3;

    o.kind = &kind;
    atomic_store(&fitted, 0);
    c = make_cache(&o);
    atomic_store(&target, c);
    for (uint64_t i = 0; i < 50; i++)
        ck_assert_int_eq(put(c, i, i, 1), BRIM_OK);
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    ck_assert_uint_eq(atomic_load(&fitted), 1);
    ck_assert_uint_eq(found_id(c, 900), 900);
    finish(c);
}
END_TEST

/* ---- Each victim is announced and destroyed before the next ---- */

static struct { brim_cache *cache; unsigned count; struct { char what; uint64_t id; } events[256]; } history;

static void note(char what, uint64_t id)
{
    if (history.count < 256) {
        history.events[history.count].what = what;
        history.events[history.count++].id = id;
    }
}

static void drop_key(uint64_t key)
{
    bool was = brim_contains(history.cache, BRIM_KEY(key));

    EXPECT(brim_remove(history.cache, BRIM_KEY(key)) == was);
    EXPECT(!brim_contains(history.cache, BRIM_KEY(key)));
}

static void order_removed(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    uint64_t id = ((value *)v)->id;

    (void)key;
    (void)len;
    (void)cost;
    (void)cause;
    (void)arg;
    note('R', id);
    if (id == 1) {
        drop_key(2);
        drop_key(3);
    }
    if (id == 5)
        (void)brim_trim(history.cache, 0);
}

static void order_destroy(void *v, size_t cost, void *arg)
{
    uint64_t id = ((value *)v)->id;

    note('D', id);
    if (id == 2)
        drop_key(4);
    if (id == 3)
        drop_key(5);
    value_destroy(v, cost, arg);
}

START_TEST(test_g01_victims_of_nested_calls_one_before_the_next)
{
    static const brim_kind kind = { .size = sizeof(brim_kind), .destroy = order_destroy, .removed = order_removed };
    brim_options o = value_options(100);
    brim_cache *c;
    uint64_t first = 1;

    memset(&history, 0, sizeof history);
    o.kind = &kind;
    c = history.cache = make_cache(&o);
    for (uint64_t i = 1; i <= 40; i++)
        ck_assert_int_eq(put(c, i, i, 1), BRIM_OK);
    ck_assert(brim_remove(c, BRIM_KEY(first)));
    ck_assert_uint_eq(brim_count(c), 0);
    ck_assert_uint_eq(history.count, 80);
    for (unsigned i = 0; i < history.count; i += 2) {
        ck_assert_int_eq(history.events[i].what, 'R');
        ck_assert_int_eq(history.events[i + 1].what, 'D');
        ck_assert_uint_eq(history.events[i].id, history.events[i + 1].id);
    }
    ck_assert_uint_eq(history.events[0].id, 1);
    ck_assert_uint_eq(values_destroyed(), 40);
    finish(c);
}
END_TEST

/* ---- A bounded stack ---- */

enum { MANY = CHECKING_BUILD ? 20000 : 100000, SMALL_STACK = CHECKING_BUILD ? 512 * 1024 : 64 * 1024 };

static struct { brim_cache *cache; unsigned how; atomic_size_t listened, destroyed; } cascade;

static void cascade_insert(brim_cache *c, const void *key, size_t len, size_t cost)
{
    brim_status s = brim_insert(c, key, len, &cascade, cost, NULL);

    EXPECT_MSG(s == BRIM_OK || s == BRIM_FULL, "status %d", (int)s);
}

static void cascade_removed(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    uint64_t k, next;

    (void)v;
    (void)cost;
    (void)cause;
    (void)arg;
    if (len != sizeof k)
        return;
    memcpy(&k, key, sizeof k);
    atomic_fetch_add(&cascade.listened, 1);
    if (k >= MANY || cascade.how == 9)
        return;
    next = k + 1;
    (void)brim_remove(cascade.cache, BRIM_KEY(next));
    next = k + MANY;
    cascade_insert(cascade.cache, &next, sizeof next, 1);
}

static void cascade_destroy(void *v, size_t cost, void *arg)
{
    (void)v;
    (void)cost;
    (void)arg;
    atomic_fetch_add(&cascade.destroyed, 1);
}

static void cascade_run(unsigned id, void *arg)
{
    brim_cache *c = arg;
    uint64_t first = 0;

    (void)id;
    switch (cascade.how) {
    case 0: (void)brim_remove(c, BRIM_KEY(first)); break;
    case 1: brim_clear(c); break;
    case 2: (void)brim_trim(c, 0); break;
    case 3: (void)brim_set_capacity(c, 0); break;
    default: cascade_insert(c, "big", 3, MANY); break;
    }
}

START_TEST(test_g01_a_long_cascade_needs_a_bounded_stack)
{
    static const brim_kind kind = { .size = sizeof(brim_kind), .destroy = cascade_destroy, .removed = cascade_removed };
    brim_options o = value_options(MANY);
    brim_cache *c;

    memset(&cascade, 0, sizeof cascade);
    cascade.how = (unsigned)_i;
    o.kind = &kind;
    c = cascade.cache = make_cache(&o);
    for (uint64_t i = 0; i < MANY; i++)
        ck_assert_int_eq(brim_insert(c, BRIM_KEY(i), &cascade, 1, NULL), BRIM_OK);
    run_on_stack(SMALL_STACK, cascade_run, c);
    ck_assert_uint_ge(atomic_load(&cascade.listened), MANY);
    for (uint64_t i = 0; i < MANY; i++)
        ck_assert(!has(c, i));
    ck_assert(brim_check(c, stderr));
    cascade.how = 9;
    brim_cache_free(c);
    ck_assert_uint_ge(atomic_load(&cascade.destroyed), atomic_load(&cascade.listened));
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("g01");

    tcase_add_test(tc, test_g01_callbacks_call_every_function);
    tcase_add_test(tc, test_g01_allocator_calls_every_function);
    tcase_add_test(tc, test_g01_callbacks_of_many_threads_call_every_function);
    tcase_add_test(tc, test_g01_no_lock_is_held_in_any_callback);
    tcase_add_test(tc, test_g01_no_lock_is_held_in_the_allocator);
    tcase_add_test(tc, test_g01_listeners_use_the_cache_while_it_is_freed);
    tcase_add_test(tc, test_g01_nested_insert_that_does_not_fit_gets_full);
    tcase_add_test(tc, test_g01_nested_insert_that_fits_is_admitted);
    tcase_add_test(tc, test_g01_victims_of_nested_calls_one_before_the_next);
    tcase_add_loop_test(tc, test_g01_a_long_cascade_needs_a_bounded_stack, 0, 5);
    return suite_run(tc);
}
