/* SPDX-License-Identifier: MIT
 *
 * Statistics: each field, in all and by kind; as text, JSON and for Prometheus; problems in words.
 */
#include "support/support.h"
#include <ctype.h>
#include <sched.h>
#include <time.h>

enum { CAPACITY = 1000 };

#define KIND(...) {.size = sizeof(brim_kind), .destroy = value_destroy, __VA_ARGS__}
static const brim_kind first_kind = KIND(.name = "first");
static const brim_kind second_kind = KIND(.name = "second");

static brim_stats of_kind(brim_cache *c, const brim_kind *kind)
{
    brim_stats s;

    brim_stats_get_sized(c, kind, &s, sizeof s);
    return s;
}

static brim_entry_options entry_of(const brim_kind *kind)
{
    brim_entry_options e;

    brim_entry_options_init(&e);
    e.kind = kind;
    return e;
}

static brim_status put_as(brim_cache *c, const brim_kind *kind, uint64_t key, size_t cost, brim_ref **out)
{
    value *v = value_new(key, cost);
    brim_entry_options e = entry_of(kind);
    brim_status s = brim_insert_with(c, BRIM_KEY(key), v, cost, &e, out);

    if (s != BRIM_OK)
        value_discard(v);
    return s;
}

static atomic_ullong clock_now;

static uint64_t fake_now(void *arg)
{
    (void)arg;
    return atomic_load(&clock_now);
}

static uint64_t system_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

enum { WORK = 3 * 1000 * 1000, SLACK = 1000 * 1000 }; /* nanoseconds */

static void work(void)
{
    uint64_t until = system_now() + WORK;

    while (system_now() < until)
        ;
}

/* ---- Counters */

START_TEST(test_stats_hits_and_misses)
{
    brim_cache *c = make_value_cache(CAPACITY);
    uint64_t keys[3] = {1, 2, 3}, absent = 9;
    brim_ref *refs[3], *r;
    brim_key *k;

    for (uint64_t i = 0; i < 3; i++)
        ck_assert_int_eq(put_as(c, i < 2 ? &first_kind : &second_kind, keys[i], 1, NULL), BRIM_OK);
    ck_assert_uint_eq(stats_of(c).hits + stats_of(c).misses, 0);
    ck_assert_uint_eq(brim_find_fixed(c, keys, 8, 8, 3, refs), 3);
    k = brim_ref_key(refs[0]);
    brim_release_many(refs, 3);
    r = brim_key_find(k);
    brim_release(r);
    ck_assert_ptr_null(brim_find(c, BRIM_KEY(absent)));
    ck_assert(brim_key_remove(k));
    ck_assert_ptr_null(brim_key_find(k));
    brim_key_drop(k);
    ck_assert(has(c, 2) && !has(c, 9)); /* quiet */
    ck_assert_uint_eq(stats_of(c).hits, 4);
    ck_assert_uint_eq(stats_of(c).misses, 2);
    ck_assert_uint_eq(of_kind(c, &first_kind).hits, 3);
    ck_assert_uint_eq(of_kind(c, &second_kind).hits, 1);
    ck_assert_uint_eq(of_kind(c, &first_kind).misses, 0); /* finds know no kind */
    finish(c);
}
END_TEST

static brim_status load_working(const void *key, size_t len, void *arg, void **v, size_t *cost)
{
    (void)key, (void)len, (void)arg;
    work();
    *cost = 2;
    *v = value_new(1, 2);
    return BRIM_OK;
}

static brim_status load_nothing(const void *key, size_t len, void *arg, void **v, size_t *cost)
{
    (void)key, (void)len, (void)arg, (void)v, (void)cost;
    return BRIM_NOMEM;
}

static brim_status get_as(brim_cache *c, const brim_kind *kind, uint64_t key, brim_loader *loader, void *arg)
{
    brim_entry_options e = entry_of(kind);
    brim_claim_options o;
    brim_ref *r = NULL;
    brim_status s;

    brim_claim_options_init(&o);
    o.entry = &e;
    s = brim_get_with(c, BRIM_KEY(key), &o, loader, arg, &r);
    brim_release(r);
    return s;
}

START_TEST(test_stats_loads_failures_hits_and_misses_by_kind)
{
    brim_cache *c = make_value_cache(CAPACITY);
    brim_entry_options e = entry_of(&second_kind);
    brim_claim_options o;
    brim_load *load = NULL;
    brim_ref *r = NULL;
    brim_stats s;
    uint64_t key = 10;

    brim_claim_options_init(&o);
    o.entry = &e;
    for (uint64_t i = 0; i < 6; i++)
        ck_assert_int_eq(get_as(c, &first_kind, i % 3, load_working, NULL), BRIM_OK);
    ck_assert_int_eq(get_as(c, &first_kind, 7, load_nothing, NULL), BRIM_FAILED);
    ck_assert_int_eq(brim_claim_with(c, BRIM_KEY(key), &o, &r, &load), BRIM_CLAIMED);
    ck_assert_uint_eq(stats_of(c).loading, 1);
    ck_assert_int_eq(brim_load_finish(load, value_new(10, 5), 5, NULL), BRIM_OK);
    key++;
    ck_assert_int_eq(brim_claim_with(c, BRIM_KEY(key), &o, &r, &load), BRIM_CLAIMED);
    brim_load_fail(load, 3);
    ck_assert_uint_eq(stats_of(c).loading, 0);
    s = of_kind(c, &first_kind);
    ck_assert_uint_eq(s.loads, 3);
    ck_assert_uint_eq(s.load_failures, 1);
    ck_assert_uint_eq(s.hits, 3);
    ck_assert_uint_eq(s.misses, 4);
    ck_assert_uint_eq(s.insertions, 3);
    ck_assert_uint_ge(s.load_ns, 3 * (uint64_t)WORK);
    s = of_kind(c, &second_kind);
    ck_assert_uint_eq(s.loads, 1);
    ck_assert_uint_eq(s.load_failures, 1);
    ck_assert_uint_eq(s.misses, 2);
    ck_assert_uint_eq(s.insertions, 1);
    s = stats_of(c);
    ck_assert_uint_eq(s.loads, 4);
    ck_assert_uint_eq(s.load_failures, 2);
    ck_assert_uint_eq(s.hits, 3);
    ck_assert_uint_eq(s.misses, 6);
    ck_assert_uint_ge(s.load_ns, 3 * (uint64_t)WORK);
    finish(c);
}
END_TEST

static brim_status load_nested(const void *key, size_t len, void *arg, void **v, size_t *cost)
{
    uint64_t inner = 100;
    brim_ref *r = NULL;

    EXPECT(brim_get(arg, BRIM_KEY(inner), load_working, NULL, &r) == BRIM_OK);
    brim_release(r);
    return load_working(key, len, arg, v, cost);
}

START_TEST(test_stats_load_time_of_nested_loads_counts_once)
{
    brim_cache *c = make_value_cache(CAPACITY);
    uint64_t begin = system_now(), all;
    brim_ref *r = NULL;

    ck_assert_int_eq(brim_get(c, "outer", 5, load_nested, c, &r), BRIM_OK);
    all = system_now() - begin;
    brim_release(r);
    ck_assert_uint_eq(stats_of(c).loads, 2);
    ck_assert_uint_ge(stats_of(c).load_ns, 2 * (uint64_t)WORK);
    ck_assert_uint_le(stats_of(c).load_ns, all + SLACK);
    finish(c);
}
END_TEST

START_TEST(test_stats_load_time_of_a_claim_is_from_begin_to_end)
{
    brim_cache *c = make_value_cache(CAPACITY);
    brim_load *load = NULL;
    brim_ref *r = NULL;
    uint64_t begin;

    ck_assert_int_eq(brim_claim(c, "k", 1, 0, &r, &load), BRIM_CLAIMED);
    work();
    work();
    begin = system_now();
    brim_load_begin(load);
    work();
    ck_assert_int_eq(brim_load_finish(load, value_new(1, 1), 1, NULL), BRIM_OK);
    ck_assert_uint_ge(stats_of(c).load_ns, WORK);
    ck_assert_uint_le(stats_of(c).load_ns, system_now() - begin + SLACK);
    finish(c);
}
END_TEST

static brim_status load_quick(const void *key, size_t len, void *arg, void **v, size_t *cost)
{
    (void)key, (void)len;
    *cost = *(const size_t *)arg;
    *v = value_new(1, *cost);
    return BRIM_OK;
}

START_TEST(test_stats_redundant_loads_are_of_what_was_evicted)
{
    brim_options o = value_options(CAPACITY);
    size_t cost = 10;
    brim_cache *c;
    brim_stats s;

    o.shards = 1;
    c = make_cache(&o);
    for (uint64_t key = 0; key < 100; key++)
        ck_assert_int_eq(get_as(c, &first_kind, key, load_quick, &cost), BRIM_OK);
    for (uint64_t key = 0; key < 100; key++)
        ck_assert(brim_remove(c, BRIM_KEY(key)));
    for (uint64_t key = 0; key < 100; key++)
        ck_assert_int_eq(get_as(c, &first_kind, key, load_quick, &cost), BRIM_OK);
    ck_assert_uint_le(stats_of(c).redundant_loads, 10); /* removed, not evicted */
    for (int round = 0; round < 20; round++)
        for (uint64_t key = 0; key < 150; key++)
            ck_assert_int_eq(get_as(c, &first_kind, key, load_quick, &cost), BRIM_OK);
    s = stats_of(c);
    ck_assert_uint_gt(s.loads, 500);
    ck_assert_uint_gt(s.redundant_loads, s.loads / 4);
    ck_assert_uint_le(s.redundant_loads, s.left[BRIM_EVICTED]);
    ck_assert_uint_eq(of_kind(c, &first_kind).redundant_loads, s.redundant_loads);
    ck_assert_uint_eq(of_kind(c, &second_kind).redundant_loads, 0);
    finish(c);
}
END_TEST

static struct {
    brim_cache *cache;
    uint64_t key;
    atomic_bool go;
    size_t reserved, loading;
} loading;

static brim_status load_what_others_want(const void *key, size_t len, void *arg, void **v, size_t *cost)
{
    brim_stats s = stats_of(loading.cache);

    loading.loading = s.loading;
    loading.reserved = s.reserved;
    EXPECT(s.used >= s.reserved);
    atomic_store(&loading.go, true);
    return load_working(key, len, arg, v, cost);
}

static void get_what_is_loaded(void *arg)
{
    brim_ref *r = NULL;

    (void)arg;
    while (!atomic_load(&loading.go))
        sched_yield();
    EXPECT(brim_get(loading.cache, BRIM_KEY(loading.key), load_nothing, NULL, &r) == BRIM_OK);
    brim_release(r);
}

/* Again until the other thread came while it was loading. */
START_TEST(test_stats_waits_for_loads_and_their_reservations)
{
    brim_claim_options o;
    brim_ref *r = NULL;
    brim_stats s;
    worker w;

    brim_claim_options_init(&o);
    o.expected_cost = 30;
    loading.cache = make_value_cache(CAPACITY);
    worker_start(&w);
    for (loading.key = 0; loading.key < 400 && stats_of(loading.cache).load_waits == 0; loading.key++) {
        atomic_store(&loading.go, false);
        worker_begin(&w, get_what_is_loaded, NULL);
        ck_assert_int_eq(brim_get_with(loading.cache, BRIM_KEY(loading.key), &o, load_what_others_want, NULL, &r),
                         BRIM_OK);
        brim_release(r);
        worker_wait(&w);
        ck_assert_uint_eq(loading.loading, 1);
        ck_assert_uint_eq(loading.reserved, 30);
    }
    worker_end(&w);
    s = stats_of(loading.cache);
    ck_assert_uint_eq(s.load_waits, 1);
    ck_assert_uint_eq(s.loads, loading.key);
    ck_assert_uint_eq(s.loading + s.reserved, 0);
    ck_assert_uint_eq(s.used, 2 * loading.key);
    finish(loading.cache);
}
END_TEST

START_TEST(test_stats_insertions_refusals_and_causes)
{
    brim_options o = value_options(CAPACITY);
    brim_group *g;
    brim_entry_options e = entry_of(&first_kind);
    brim_cache *c;
    brim_stats s;
    uint64_t key = 3;

    o.now = fake_now;
    o.shards = 1;
    atomic_store(&clock_now, 1000);
    c = make_cache(&o);
    g = brim_group_new(c);
    for (uint64_t i = 0; i < 10; i++)
        ck_assert_int_eq(put_as(c, &first_kind, i, 1, NULL), BRIM_OK);
    ck_assert_int_eq(put_as(c, &first_kind, 2, 1, NULL), BRIM_OK);
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    ck_assert_uint_eq(brim_trim(c, 5), 4);
    ck_assert_int_eq(put_as(c, &first_kind, 20, CAPACITY + 1, NULL), BRIM_TOO_BIG);
    ck_assert_int_eq(put_as(c, &second_kind, 20, CAPACITY + 1, NULL), BRIM_TOO_BIG);
    brim_clear(c);
    e.group = g;
    ck_assert_int_eq(brim_insert_with(c, "g", 1, value_new(1, 1), 1, &e, NULL), BRIM_OK);
    e.group = NULL;
    e.max_age = 1000;
    ck_assert_int_eq(brim_insert_with(c, "a", 1, value_new(1, 1), 1, &e, NULL), BRIM_OK);
    brim_group_invalidate(g);
    atomic_fetch_add(&clock_now, UINT64_C(1000000000));
    for (int i = 0; i < 200; i++)
        ck_assert_int_eq(put_as(c, &second_kind, 100, 1, NULL), BRIM_OK);
    s = of_kind(c, &first_kind);
    ck_assert_uint_eq(s.insertions, 13);
    ck_assert_uint_eq(s.refused, 1);
    ck_assert_uint_eq(s.left[BRIM_EVICTED], 4);
    ck_assert_uint_eq(s.left[BRIM_REMOVED], 1);
    ck_assert_uint_eq(s.left[BRIM_REPLACED], 1);
    ck_assert_uint_eq(s.left[BRIM_CLEARED], 5);
    ck_assert_uint_eq(s.left[BRIM_INVALIDATED], 1);
    ck_assert_uint_eq(s.left[BRIM_EXPIRED], 1);
    ck_assert_uint_eq(s.left[BRIM_FREED], 0);
    ck_assert_uint_eq(s.values, 0);
    s = stats_of(c);
    ck_assert_uint_eq(s.insertions, 213);
    ck_assert_uint_eq(s.refused, 2);
    ck_assert_uint_eq(s.left[BRIM_REPLACED], 200);
    ck_assert_uint_eq(s.count, 1);
    brim_group_drop(g);
    finish(c);
}
END_TEST

/* ---- Ages of what is evicted */

START_TEST(test_stats_eviction_ages)
{
    brim_options o = value_options(CAPACITY);
    brim_cache *c;
    brim_stats s;

    o.now = fake_now;
    o.shards = 1;
    atomic_store(&clock_now, UINT64_C(5000000000));
    c = make_cache(&o);
    for (uint64_t i = 0; i < BRIM_AGES + 2; i++) {
        ck_assert_int_eq(put_as(c, &first_kind, i, 1, NULL), BRIM_OK);
        atomic_fetch_add(&clock_now, i == 0 ? 0 : UINT64_C(3) << (25 + i)); /* amid the places of age i */
        ck_assert_uint_eq(brim_trim(c, 0), 1);
        ck_assert_int_eq(put_as(c, &first_kind, i, 1, NULL), BRIM_OK); /* not evicted: not counted */
        ck_assert(brim_remove(c, BRIM_KEY(i)));
        s = stats_of(c);
        ck_assert_uint_eq(s.eviction_age[i < BRIM_AGES ? i : BRIM_AGES - 1], i < BRIM_AGES ? 1 : i - BRIM_AGES + 2);
    }
    s = of_kind(c, &first_kind);
    for (int i = 0; i < BRIM_AGES - 1; i++)
        ck_assert_uint_eq(s.eviction_age[i], 1);
    ck_assert_uint_eq(s.eviction_age[BRIM_AGES - 1], 3);
    ck_assert_uint_eq(s.left[BRIM_EVICTED], BRIM_AGES + 2);
    finish(c);
}
END_TEST

static void insert_many(unsigned id, void *arg)
{
    uint64_t state = id + 1;

    for (int i = 0; i < SCALED(3000); i++) {
        uint64_t key = random_next(&state) % 400;

        EXPECT(put_as(arg, key % 2 == 0 ? &first_kind : &second_kind, key, 10, NULL) == BRIM_OK);
    }
}

START_TEST(test_stats_eviction_ages_sum_up_to_the_evictions)
{
    const brim_kind *kinds[] = {&first_kind, &second_kind, NULL};
    brim_cache *c = make_value_cache(CAPACITY);

    crew_do(3, insert_many, c);
    for (int k = 0; k < 3; k++) {
        brim_stats s = of_kind(c, kinds[k]);
        uint64_t sum = 0;

        for (int i = 0; i < BRIM_AGES; i++)
            sum += s.eviction_age[i];
        ck_assert_uint_gt(sum, 0);
        ck_assert_uint_eq(sum, s.left[BRIM_EVICTED]);
        if (kinds[k] == NULL)
            ck_assert_uint_eq(s.insertions, 3 * (unsigned)SCALED(3000));
    }
    finish(c);
}
END_TEST

/* ---- What there is now */

START_TEST(test_stats_what_is_used_held_reserved_and_outside)
{
    brim_cache *c = make_value_cache(CAPACITY);
    brim_entry_options e = entry_of(&second_kind);
    brim_ref *held = NULL, *wrapped = NULL;
    brim_stats s;
    uint64_t key = 1;

    ck_assert_int_eq(put_as(c, &first_kind, 1, 10, &held), BRIM_OK);
    ck_assert_int_eq(put_as(c, &first_kind, 2, 20, NULL), BRIM_OK);
    ck_assert_int_eq(put_as(c, &second_kind, 3, 30, NULL), BRIM_OK);
    ck_assert_int_eq(brim_wrap(c, value_new(4, 400), 400, &e, &wrapped), BRIM_OK);
    ck_assert_int_eq(brim_reserve(c, 100), BRIM_OK);
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    s = stats_of(c);
    ck_assert_uint_eq(s.size, sizeof s);
    ck_assert_uint_eq(s.capacity, CAPACITY);
    ck_assert_uint_eq(s.used, 160);
    ck_assert_uint_eq(s.pinned, 10);
    ck_assert_uint_eq(s.reserved, 100);
    ck_assert_uint_eq(s.uncharged, 400);
    ck_assert_uint_eq(s.count, 2);
    ck_assert_uint_eq(s.values, 4);
    ck_assert_uint_gt(s.overhead, 0);
    ck_assert_uint_le(s.remembering, s.overhead);
    ck_assert_uint_gt(s.shards, 0);
    s = of_kind(c, &first_kind);
    ck_assert_uint_eq(s.used, 30);
    ck_assert_uint_eq(s.pinned, 10);
    ck_assert_uint_eq(s.values, 2);
    ck_assert_uint_eq(s.uncharged, 0);
    s = of_kind(c, &second_kind);
    ck_assert_uint_eq(s.used, 30);
    ck_assert_uint_eq(s.pinned, 0);
    ck_assert_uint_eq(s.values, 2);
    ck_assert_uint_eq(s.uncharged, 400);
    brim_unreserve(c, 100);
    brim_release(held);
    brim_release(wrapped);
    s = stats_of(c);
    ck_assert_uint_eq(s.used, 50);
    ck_assert_uint_eq(s.pinned + s.reserved + s.uncharged, 0);
    ck_assert_uint_eq(s.values, 2);
    finish(c);
}
END_TEST

START_TEST(test_stats_waiting_and_queued_values)
{
    brim_kind queued = KIND(.name = "queued");
    brim_options o = borrow_options(CAPACITY);
    brim_cache *c;
    brim_stats s;

    queued.queue = brim_queue_new();
    ck_assert_ptr_nonnull(queued.queue);
    c = make_cache(&o);
    ck_assert_int_eq(put_as(c, &first_kind, 1, 10, NULL), BRIM_OK);
    ck_assert_int_eq(put_as(c, &queued, 2, 20, NULL), BRIM_OK);
    begin_reading(c);
    begin_reading(c);
    brim_clear(c);
    s = stats_of(c);
    ck_assert_uint_eq(s.sections, 1);
    ck_assert_uint_eq(s.waiting, 30);
    ck_assert_uint_eq(s.waiting_values, 2);
    ck_assert_uint_eq(s.used, 30);
    ck_assert_uint_eq(of_kind(c, &first_kind).waiting, 10);
    ck_assert_uint_eq(of_kind(c, &queued).waiting, 20);
    ck_assert_uint_eq(s.queued, 0);
    while (stats_of(c).waiting_ns == 0) /* longer than the clock's tick */
        sched_yield();
    brim_read_end(c);
    brim_read_end(c);
    s = stats_of(c);
    ck_assert_uint_eq(s.sections + s.waiting + s.waiting_values + s.waiting_ns, 0);
    ck_assert_uint_eq(s.queued, 20);
    ck_assert_uint_eq(s.queued_values, 1);
    ck_assert_uint_eq(of_kind(c, &queued).queued, 20);
    ck_assert_uint_eq(of_kind(c, &queued).queued_values, 1);
    ck_assert_uint_eq(of_kind(c, &first_kind).queued, 0);
    ck_assert_uint_eq(brim_collect(queued.queue, SIZE_MAX), 1);
    ck_assert_uint_eq(stats_of(c).queued + stats_of(c).used, 0);
    finish(c);
    brim_queue_drop(queued.queue);
}
END_TEST

START_TEST(test_stats_frames_and_limits)
{
    const brim_kind limited = KIND(.floor = 100, .ceiling = 500);
    brim_options o = value_options(10);
    brim_cache *c;

    o.shards = 1;
    o.protect_frame = true;
    c = make_cache(&o);
    ck_assert_uint_eq(stats_of(c).frame, 0);
    ck_assert_uint_eq(brim_next_frame(c), 1);
    for (uint64_t i = 0; i < 10; i++) {
        ck_assert_int_eq(put(c, i, i, 1), BRIM_OK);
        ck_assert_uint_eq(found_id(c, i), i);
    }
    ck_assert_uint_eq(stats_of(c).frame_evictions, 0);
    ck_assert_int_eq(put(c, 20, 20, 2), BRIM_OK); /* the limit wins */
    ck_assert_uint_eq(stats_of(c).frame_evictions, 2);
    ck_assert_uint_eq(brim_next_frame(c), 2);
    ck_assert_int_eq(put(c, 21, 21, 2), BRIM_OK);
    ck_assert_uint_eq(stats_of(c).frame_evictions, 2);
    ck_assert_uint_eq(stats_of(c).frame, 2);
    finish(c);
    c = make_value_cache(CAPACITY);
    ck_assert_int_eq(put_as(c, &limited, 1, 1, NULL), BRIM_OK);
    ck_assert_uint_eq(of_kind(c, &limited).floor, 100);
    ck_assert_uint_eq(of_kind(c, &limited).ceiling, 500);
    ck_assert_int_eq(brim_kind_set_limits(c, &limited, 0, 600), BRIM_OK);
    ck_assert_uint_eq(of_kind(c, &limited).floor, 0);
    ck_assert_uint_eq(of_kind(c, &limited).ceiling, 600);
    finish(c);
}
END_TEST

START_TEST(test_stats_waits_for_locks)
{
    brim_options o = value_options(CAPACITY);
    brim_cache *c;

    o.shards = 1;
    c = make_cache(&o);
    insert_many(0, c);
    ck_assert_uint_eq(stats_of(c).lock_waits, 0);
    ck_assert_uint_eq(stats_of(c).lock_wait_ns, 0);
    for (int round = 0; round < 300 && stats_of(c).lock_waits == 0; round++)
        crew_do(4, insert_many, c);
    ck_assert_uint_gt(stats_of(c).lock_waits, 0);
    ck_assert_uint_gt(stats_of(c).lock_wait_ns, 0);
    finish(c);
}
END_TEST

START_TEST(test_stats_beyond_fifteen_kinds_hits_are_shared)
{
    enum { KINDS = 20 };
    static brim_kind kinds[KINDS];
    brim_cache *c = make_value_cache(CAPACITY);
    unsigned kept = 0;

    for (unsigned i = 0; i < KINDS; i++) {
        kinds[i] = value_kind;
        ck_assert_int_eq(put_as(c, &kinds[i], i, 3 + i, NULL), BRIM_OK);
        for (unsigned n = 0; n <= i; n++)
            ck_assert_uint_eq(found_id(c, i), i);
    }
    ck_assert_uint_eq(stats_of(c).hits, KINDS * (KINDS + 1) / 2);
    for (unsigned i = 0; i < KINDS; i++) {
        brim_stats s = of_kind(c, &kinds[i]);

        ck_assert(s.hits == i + 1 || (s.hits == 0 && i >= 13));
        kept += s.hits != 0;
        ck_assert_uint_eq(s.insertions, 1);
        ck_assert_uint_eq(s.used, 3 + i);
        ck_assert_uint_eq(s.values, 1);
    }
    ck_assert(kept == 14 || kept == 15); /* the cache's own may be one of the first */
    finish(c);
}
END_TEST

START_TEST(test_stats_of_another_size)
{
    brim_cache *c = make_value_cache(CAPACITY);
    struct {
        brim_stats stats;
        unsigned char more[64];
    } larger;
    size_t small = offsetof(brim_stats, insertions);

    ck_assert_int_eq(put(c, 1, 1, 1), BRIM_OK);
    ck_assert_uint_eq(found_id(c, 1), 1);
    memset(&larger, 0xee, sizeof larger);
    brim_stats_get_sized(c, NULL, &larger.stats, small);
    ck_assert_uint_eq(larger.stats.size, small);
    ck_assert_uint_eq(larger.stats.hits, 1);
    for (size_t i = small; i < sizeof larger; i++)
        ck_assert_uint_eq(((unsigned char *)&larger)[i], 0xee);
    brim_stats_get_sized(c, NULL, &larger.stats, sizeof larger);
    ck_assert_uint_eq(larger.stats.size, sizeof larger.stats);
    ck_assert_uint_eq(larger.stats.insertions, 1);
    memset(&larger, 0xee, sizeof larger);
    brim_stats_get_sized(NULL, NULL, &larger.stats, sizeof larger.stats);
    ck_assert_uint_eq(larger.stats.size, sizeof larger.stats);
    larger.stats.size = 0;
    for (size_t i = 0; i < sizeof larger.stats; i++)
        ck_assert_uint_eq(((unsigned char *)&larger)[i], 0);
    ck_assert_uint_eq(larger.more[0], 0xee);
    finish(c);
}
END_TEST

/* ---- In words: a text that is written in pieces */

typedef struct text {
    char *bytes;
    size_t len, room;
    unsigned calls, stop_at; /* the call that wants no more; 0: none */
} text;

static int append(void *arg, const char *bytes, size_t len)
{
    text *t = arg;

    EXPECT(t->stop_at == 0 || t->calls < t->stop_at); /* never again after it was told to stop */
    if (++t->calls == t->stop_at)
        return -5;
    if (t->len + len + 1 > t->room) {
        t->room = 2 * (t->len + len + 1);
        t->bytes = realloc(t->bytes, t->room);
        if (t->bytes == NULL)
            abort();
    }
    memcpy(t->bytes + t->len, bytes, len);
    t->len += len;
    t->bytes[t->len] = '\0';
    return 0;
}

static text emitted(brim_cache *const caches[], size_t n, brim_format format)
{
    text t = {0};

    ck_assert_int_eq(brim_stats_emit(caches, n, format, append, &t), BRIM_OK);
    ck_assert_uint_gt(t.len, 0);
    ck_assert_uint_eq(strlen(t.bytes), t.len);
    return t;
}

#define ODD "odd \"name\"\\ with\nlines"
#define CONTROLS "tab\tbell\a\x01 \xc3\xa9"
static const brim_kind odd_kind = KIND(.name = "kind \"of\"\\\nits own");
static const brim_kind unnamed = KIND(.name = NULL);

/* Numbers to be found again: a capacity, and so many hits. */
enum { TOLD_CAPACITY = 987654, TOLD_HITS = 137 };

static brim_cache *talkative(const char *name)
{
    brim_options o = value_options(TOLD_CAPACITY);
    brim_cache *c;

    o.name = name;
    c = make_cache(&o);
    ck_assert_int_eq(put_as(c, &odd_kind, 1, 10, NULL), BRIM_OK);
    ck_assert_int_eq(put_as(c, &first_kind, 2, 10, NULL), BRIM_OK);
    for (int i = 0; i < TOLD_HITS; i++)
        ck_assert_uint_eq(found_id(c, 1), 1);
    return c;
}

START_TEST(test_stats_as_text)
{
    brim_cache *caches[] = {talkative("one"), talkative("two")};
    text t = emitted(caches, 2, BRIM_TEXT);

    ck_assert_ptr_nonnull(strstr(t.bytes, "one"));
    ck_assert_ptr_nonnull(strstr(t.bytes, "two"));
    ck_assert_ptr_nonnull(strstr(t.bytes, "first"));
    ck_assert_ptr_nonnull(strstr(t.bytes, "987654"));
    ck_assert_ptr_nonnull(strstr(t.bytes, "137"));
    ck_assert_int_eq(t.bytes[t.len - 1], '\n');
    free(t.bytes);
    brim_cache_free(caches[1]);
    finish(caches[0]);
}
END_TEST

/* ---- JSON: a reader that knows the grammar and counts strings that are ${wanted} */

static struct {
    const char *at, *wanted;
    unsigned matches, depth, objects;
} json;

static void json_value(void);

static void json_space(void)
{
    while (*json.at != '\0' && strchr(" \t\r\n", *json.at) != NULL)
        json.at++;
}

static void json_take(char c)
{
    ck_assert_msg(*json.at == c, "'%c' expected at \"%.30s\"", c, json.at);
    json.at++;
    json_space();
}

static unsigned json_hex(void)
{
    char digits[5] = {0};

    for (int i = 0; i < 4; i++) {
        ck_assert(isxdigit((unsigned char)*json.at));
        digits[i] = *json.at++;
    }
    return (unsigned)strtoul(digits, NULL, 16);
}

static char json_escape(void)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *found;

    if (*json.at == 'u') {
        unsigned code;

        json.at++;
        code = json_hex();
        ck_assert_msg(code < 0x80, "an escape that is not needed: %u", code);
        return (char)code;
    }
    found = *json.at == '\0' ? NULL : strchr(from, *json.at);
    ck_assert_msg(found != NULL, "a bad escape at \"%.30s\"", json.at);
    json.at++;
    return to[found - from];
}

static void json_string(void)
{
    char read[256];
    size_t n = 0;

    ck_assert_int_eq(*json.at++, '"');
    while (*json.at != '"') {
        ck_assert_msg((unsigned char)*json.at >= 0x20, "a bare control character: %d", *json.at);
        ck_assert_uint_lt(n, sizeof read - 1);
        if (*json.at == '\\') {
            json.at++;
            read[n++] = json_escape();
        } else {
            read[n++] = *json.at++;
        }
    }
    read[n] = '\0';
    json.matches += strcmp(read, json.wanted) == 0;
    json_take('"');
}

static void json_digits(void)
{
    ck_assert_msg(isdigit((unsigned char)*json.at), "a digit expected at \"%.30s\"", json.at);
    while (isdigit((unsigned char)*json.at))
        json.at++;
}

static void json_number(void)
{
    if (*json.at == '-')
        json.at++;
    if (*json.at == '0')
        json.at++;
    else
        json_digits();
    if (*json.at == '.') {
        json.at++;
        json_digits();
    }
    if (*json.at == 'e' || *json.at == 'E') {
        json.at++;
        if (*json.at == '+' || *json.at == '-')
            json.at++;
        json_digits();
    }
    json_space();
}

static void json_members(bool object, char end)
{
    json.at++;
    json_space();
    while (*json.at != end) {
        if (object) {
            json_string();
            json_take(':');
        }
        json_value();
        if (*json.at == end)
            break;
        json_take(',');
        ck_assert_msg(*json.at != end, "a comma before the end");
    }
    json_take(end);
}

static void json_value(void)
{
    static const char *const words[] = {"true", "false", "null"};

    ck_assert_uint_lt(json.depth++, 50);
    if (*json.at == '{') {
        json.objects++;
        json_members(true, '}');
    } else if (*json.at == '[') {
        json_members(false, ']');
    } else if (*json.at == '"') {
        json_string();
    } else if (*json.at == '-' || isdigit((unsigned char)*json.at)) {
        json_number();
    } else {
        size_t w = 0;

        while (w < 3 && strncmp(json.at, words[w], strlen(words[w])) != 0)
            w++;
        ck_assert_msg(w < 3, "no value at \"%.30s\"", json.at);
        json.at += strlen(words[w]);
        json_space();
    }
    json.depth--;
}

/* One value and nothing else. Returns how many of its strings are ${wanted}. */
static unsigned read_json(const char *bytes, const char *wanted)
{
    memset(&json, 0, sizeof json);
    json.at = bytes;
    json.wanted = wanted;
    json_space();
    json_value();
    ck_assert_msg(*json.at == '\0', "after the end: \"%.30s\"", json.at);
    ck_assert_uint_gt(json.objects, 0);
    return json.matches;
}

START_TEST(test_stats_as_json)
{
    brim_cache *caches[] = {talkative(ODD), talkative(CONTROLS), talkative(NULL)};
    text t = emitted(caches, 3, BRIM_JSON);

    ck_assert_int_eq(put_as(caches[2], &unnamed, 3, 10, NULL), BRIM_OK);
    ck_assert_uint_ge(read_json(t.bytes, ODD), 1);
    ck_assert_uint_ge(read_json(t.bytes, CONTROLS), 1);
    ck_assert_uint_ge(read_json(t.bytes, odd_kind.name), 3);
    ck_assert_uint_ge(read_json(t.bytes, "first"), 3);
    ck_assert_uint_eq(read_json(t.bytes, "no such name"), 0);
    ck_assert_ptr_nonnull(strstr(t.bytes, "987654"));
    ck_assert_ptr_nonnull(strstr(t.bytes, "137"));
    free(t.bytes);
    t = emitted(caches + 2, 1, BRIM_JSON);
    (void)read_json(t.bytes, "");
    free(t.bytes);
    for (int i = 0; i < 3; i++)
        brim_cache_free(caches[i]);
}
END_TEST

/* ---- Prometheus: its text format, read line by line */

enum { FAMILIES = 400, SERIES = 4000 };

static struct {
    struct {
        char name[128];
        bool help, type, histogram, closed;
    } families[FAMILIES];
    const char *series[SERIES]; /* their lines, of which everything up to the value names one */
    size_t lengths[SERIES];
    uint64_t sums[SERIES]; /* of those bytes, so that most are told apart quickly */
    unsigned n_families, n_series, matches; /* labels that are ${wanted} */
    int current;
    const char *wanted;
} prom;

static int family(const char *name, size_t len)
{
    for (unsigned i = 0; i < prom.n_families; i++)
        if (strlen(prom.families[i].name) == len && memcmp(prom.families[i].name, name, len) == 0)
            return (int)i;
    return -1;
}

static size_t name_length(const char *s)
{
    size_t n = 0;

    ck_assert_msg(isalpha((unsigned char)*s) || *s == '_' || *s == ':', "no name: \"%.30s\"", s);
    while (isalnum((unsigned char)s[n]) || s[n] == '_' || s[n] == ':')
        n++;
    return n;
}

static void enter_family(int f)
{
    if (f == prom.current)
        return;
    if (prom.current >= 0)
        prom.families[prom.current].closed = true;
    ck_assert_msg(!prom.families[f].closed, "%s comes twice", prom.families[f].name);
    prom.current = f;
}

/* "# HELP name words", "# TYPE name type", or any other comment. */
static void prom_comment(const char *line)
{
    bool help = strncmp(line, "# HELP ", 7) == 0, type = strncmp(line, "# TYPE ", 7) == 0;
    size_t n;
    int f;

    if (!help && !type)
        return;
    line += 7;
    n = name_length(line);
    ck_assert_msg(strncmp(line, "brim_", 5) == 0, "a name that is not Brim's: \"%.30s\"", line);
    ck_assert_int_eq(line[n], ' ');
    f = family(line, n);
    if (f < 0) {
        ck_assert_uint_lt(prom.n_families, FAMILIES);
        ck_assert_uint_lt(n, sizeof prom.families[0].name);
        f = (int)prom.n_families++;
        memcpy(prom.families[f].name, line, n);
    }
    enter_family(f);
    ck_assert_msg(!(help ? prom.families[f].help : prom.families[f].type), "told twice: \"%.40s\"", line);
    if (help)
        prom.families[f].help = true;
    if (!type)
        return;
    prom.families[f].type = true;
    line += n + 1;
    n = strcspn(line, "\n");
    prom.families[f].histogram = n == 9 && memcmp(line, "histogram", 9) == 0;
    ck_assert_msg(prom.families[f].histogram || (n == 5 && memcmp(line, "gauge", 5) == 0) ||
                      (n == 7 && memcmp(line, "counter", 7) == 0) || (n == 7 && memcmp(line, "untyped", 7) == 0),
                  "no type: \"%.20s\"", line);
}

/* What everything before ${at} names must be new. */
static void add_series(const char *line, const char *at)
{
    size_t n = (size_t)(at - line);
    uint64_t sum = 0;

    ck_assert_uint_lt(prom.n_series, SERIES);
    for (size_t i = 0; i < n; i++)
        sum = sum * 31 + (unsigned char)line[i];
    for (unsigned i = 0; i < prom.n_series; i++)
        if (prom.sums[i] == sum && prom.lengths[i] == n)
            ck_assert_msg(memcmp(prom.series[i], line, n) != 0, "a series comes twice: %.*s", (int)n, line);
    prom.series[prom.n_series] = line;
    prom.lengths[prom.n_series] = n;
    prom.sums[prom.n_series++] = sum;
}

static const char *prom_labels(const char *at)
{
    char read[256];

    ck_assert_int_eq(*at++, '{');
    while (*at != '}') {
        size_t n = 0;

        at += name_length(at);
        ck_assert_int_eq(*at++, '=');
        ck_assert_int_eq(*at++, '"');
        while (*at != '"') {
            ck_assert_msg(*at != '\n' && *at != '\0', "a label that does not end");
            ck_assert_uint_lt(n, sizeof read - 1);
            if (*at == '\\') {
                at++;
                ck_assert_msg(*at == '\\' || *at == '"' || *at == 'n', "a bad escape: \\%c", *at);
                read[n++] = *at == 'n' ? '\n' : *at;
                at++;
            } else {
                read[n++] = *at++;
            }
        }
        at++;
        read[n] = '\0';
        prom.matches += strcmp(read, prom.wanted) == 0;
        if (*at == ',')
            at++;
        else
            ck_assert_int_eq(*at, '}');
    }
    return at + 1;
}

static void prom_sample(const char *line)
{
    static const char *const suffixes[] = {"_bucket", "_sum", "_count"};
    size_t n = name_length(line);
    const char *at = line + n;
    int f = family(line, n);
    char *end;

    for (int i = 0; f < 0 && i < 3; i++) {
        size_t s = strlen(suffixes[i]);

        if (n > s && memcmp(line + n - s, suffixes[i], s) == 0) {
            f = family(line, n - s);
            ck_assert(f < 0 || prom.families[f].histogram);
        }
    }
    ck_assert_msg(f >= 0, "no type was told for \"%.*s\"", (int)n, line);
    ck_assert(prom.families[f].help && prom.families[f].type);
    enter_family(f);
    if (*at == '{')
        at = prom_labels(at);
    add_series(line, at);
    ck_assert_int_eq(*at++, ' ');
    (void)strtod(at, &end);
    ck_assert_msg(end != at && *end == '\n', "no number: \"%.20s\"", at);
}

static unsigned read_prometheus(const char *bytes, const char *wanted)
{
    memset(&prom, 0, sizeof prom);
    prom.current = -1;
    prom.wanted = wanted;
    while (*bytes != '\0') {
        const char *end = strchr(bytes, '\n');

        ck_assert_msg(end != NULL, "the last line does not end");
        ck_assert_msg(end != bytes, "an empty line");
        if (*bytes == '#')
            prom_comment(bytes);
        else
            prom_sample(bytes);
        bytes = end + 1;
    }
    ck_assert_uint_gt(prom.n_series, 20);
    return prom.matches;
}

/* How many series of a name that contains ${part} have ${number}. */
static unsigned series_with(const char *part, double number)
{
    unsigned n = 0;

    for (unsigned i = 0; i < prom.n_series; i++) {
        const char *line = prom.series[i];

        n += memmem(line, name_length(line), part, strlen(part)) != NULL &&
             strtod(line + prom.lengths[i], NULL) == number;
    }
    return n;
}

START_TEST(test_stats_for_prometheus)
{
    brim_cache *caches[] = {talkative(ODD), talkative("two"), talkative("three")};
    text t = emitted(caches, 3, BRIM_PROMETHEUS);
    unsigned matches = read_prometheus(t.bytes, ODD);

    ck_assert_uint_ge(matches, 20);
    ck_assert_uint_eq(series_with("capacity", TOLD_CAPACITY), 3);
    ck_assert_uint_ge(series_with("hits", TOLD_HITS), 3);
    ck_assert_uint_eq(read_prometheus(t.bytes, "two"), matches);
    ck_assert_uint_eq(read_prometheus(t.bytes, "three"), matches);
    ck_assert_uint_ge(read_prometheus(t.bytes, odd_kind.name), 3);
    ck_assert_uint_ge(read_prometheus(t.bytes, "first"), 3);
    ck_assert_uint_eq(read_prometheus(t.bytes, "no such name"), 0);
    free(t.bytes);
    for (int i = 0; i < 3; i++)
        brim_cache_free(caches[i]);
}
END_TEST

START_TEST(test_stats_of_one_cache_for_prometheus)
{
    brim_cache *c = talkative(NULL);
    text t;

    ck_assert_int_eq(put_as(c, &unnamed, 3, 10, NULL), BRIM_OK);
    t = emitted(&c, 1, BRIM_PROMETHEUS);
    (void)read_prometheus(t.bytes, "");
    ck_assert_uint_eq(series_with("capacity", TOLD_CAPACITY), 1);
    free(t.bytes);
    finish(c);
}
END_TEST

/* Everything that eviction age's histogram says agrees with itself, if it is one. */
START_TEST(test_stats_histograms_for_prometheus_add_up)
{
    brim_cache *c = talkative("one");
    double last = -1;
    text t;

    (void)brim_trim(c, 0);
    t = emitted(&c, 1, BRIM_PROMETHEUS);
    (void)read_prometheus(t.bytes, "one");
    for (unsigned i = 0; i < prom.n_series; i++) {
        const char *line = prom.series[i], *le = memmem(line, prom.lengths[i], "le=\"", 4);
        size_t n = name_length(line);
        double number = strtod(line + prom.lengths[i], NULL);

        if (n < 7 || memcmp(line + n - 7, "_bucket", 7) != 0 || le == NULL) {
            last = -1;
            continue;
        }
        ck_assert_double_ge(number, last); /* cumulative */
        last = strncmp(le, "le=\"+Inf\"", 9) == 0 ? -1 : number;
    }
    free(t.bytes);
    finish(c);
}
END_TEST

/* ---- Writing */

START_TEST(test_stats_written_to_a_file)
{
    brim_cache *c = talkative("one");

    for (int format = BRIM_TEXT; format <= BRIM_PROMETHEUS; format++) {
        char *bytes = NULL;
        size_t len = 0;
        FILE *f = open_memstream(&bytes, &len);

        ck_assert_ptr_nonnull(f);
        ck_assert_int_eq(brim_stats_write(c, f, (brim_format)format), BRIM_OK);
        ck_assert_int_ge(fprintf(f, " "), 1); /* it is still open */
        ck_assert_int_eq(fclose(f), 0);
        ck_assert_uint_gt(len, 100);
        bytes[--len] = '\0';
        if (format == BRIM_JSON)
            ck_assert_uint_ge(read_json(bytes, "one"), 1);
        else if (format == BRIM_PROMETHEUS)
            ck_assert_uint_ge(read_prometheus(bytes, "one"), 20);
        else
            ck_assert_ptr_nonnull(strstr(bytes, "987654"));
        free(bytes);
    }
    finish(c);
}
END_TEST

START_TEST(test_stats_what_is_not_written_is_reported)
{
    brim_cache *c = talkative("one");

    for (int format = BRIM_TEXT; format <= BRIM_PROMETHEUS; format++) {
        FILE *full = fopen("/dev/full", "w"), *readable = fopen("/dev/null", "r");
        unsigned calls;
        text t = {0};

        ck_assert(full != NULL && readable != NULL);
        setbuf(full, NULL);
        ck_assert_int_eq(brim_stats_write(c, full, (brim_format)format), BRIM_FAILED);
        ck_assert_int_eq(brim_stats_write(c, readable, (brim_format)format), BRIM_FAILED);
        fclose(full);
        fclose(readable);
        ck_assert_int_eq(brim_stats_emit(&c, 1, (brim_format)format, append, &t), BRIM_OK);
        calls = t.calls;
        for (unsigned stop = 1; stop <= calls; stop += 1 + calls / 50) {
            t.calls = 0;
            t.stop_at = stop;
            ck_assert_int_eq(brim_stats_emit(&c, 1, (brim_format)format, append, &t), BRIM_FAILED);
            ck_assert_uint_eq(t.calls, stop);
        }
        free(t.bytes);
    }
    finish(c);
}
END_TEST

START_TEST(test_stats_bad_input)
{
    brim_cache *c = talkative("one"), *missing[] = {c, NULL};
    text t = {0};

    ck_assert_int_eq(brim_stats_write(NULL, stderr, BRIM_TEXT), BRIM_INVALID);
    ck_assert_int_eq(brim_stats_write(c, NULL, BRIM_TEXT), BRIM_INVALID);
    ck_assert_int_eq(brim_stats_write(c, stderr, (brim_format)77), BRIM_INVALID);
    ck_assert_int_eq(brim_stats_write(c, stderr, (brim_format)-1), BRIM_INVALID);
    ck_assert_int_eq(brim_stats_emit(NULL, 1, BRIM_TEXT, append, &t), BRIM_INVALID);
    ck_assert_int_eq(brim_stats_emit(missing, 2, BRIM_TEXT, append, &t), BRIM_INVALID);
    ck_assert_int_eq(brim_stats_emit(&c, 1, BRIM_TEXT, NULL, &t), BRIM_INVALID);
    ck_assert_int_eq(brim_stats_emit(&c, 1, (brim_format)77, append, &t), BRIM_INVALID);
    ck_assert_uint_eq(t.calls, 0);
    ck_assert_uint_eq(brim_report_problems(NULL, append, &t), 0);
    ck_assert_uint_eq(t.calls, 0);
    finish(c);
}
END_TEST

static int append_and_call(void *arg, const char *bytes, size_t len)
{
    brim_cache *c = *(brim_cache **)arg;
    uint64_t key = len % 50;

    (void)bytes;
    EXPECT(put(c, key, key, 1) == BRIM_OK);
    EXPECT(found_id(c, key) == key);
    (void)brim_trim(c, 20);
    (void)stats_of(c);
    return 0;
}

START_TEST(test_stats_are_written_without_allocating_and_without_a_lock)
{
    brim_options o = value_options(CAPACITY);
    brim_cache *c;
    size_t calls;
    text t = {0};
    heap h;

    heap_init(&h);
    o.allocator = &h.allocator;
    o.shards = 1;
    c = make_cache(&o);
    for (uint64_t i = 0; i < 30; i++)
        ck_assert_int_eq(put_as(c, &first_kind, i, 1, NULL), BRIM_OK);
    (void)stats_of(c);
    calls = atomic_load(&h.calls);
    for (int format = BRIM_TEXT; format <= BRIM_PROMETHEUS; format++)
        ck_assert_int_eq(brim_stats_emit(&c, 1, (brim_format)format, append, &t), BRIM_OK);
    (void)brim_report_problems(c, NULL, NULL);
    ck_assert_uint_eq(atomic_load(&h.calls), calls);
    for (int format = BRIM_TEXT; format <= BRIM_PROMETHEUS; format++)
        ck_assert_int_eq(brim_stats_emit(&c, 1, (brim_format)format, append_and_call, &c), BRIM_OK);
    free(t.bytes);
    finish(c);
}
END_TEST

static void write_stats_or_churn(unsigned id, void *arg)
{
    brim_cache *c = arg;
    text t = {0};

    if (id > 0) {
        insert_many(id, arg);
        return;
    }
    for (int i = 0; i < 20; i++) {
        brim_stats s = stats_of(c);

        t.len = 0;
        EXPECT(s.used <= s.capacity);
        EXPECT(brim_stats_emit(&c, 1, (brim_format)(i % 3), append, &t) == BRIM_OK);
        (void)brim_report_problems(c, NULL, NULL);
    }
    free(t.bytes);
}

START_TEST(test_stats_are_written_while_threads_work)
{
    brim_cache *c = make_value_cache(CAPACITY);

    crew_do(3, write_stats_or_churn, c);
    ck_assert_uint_eq(stats_of(c).insertions, 2 * (unsigned)SCALED(3000));
    finish(c);
}
END_TEST

/* ---- Problems in words */

static int append_line(void *arg, const char *bytes, size_t len)
{
    const char *end = memchr(bytes, '\n', len);

    EXPECT_MSG(len > 10, "a problem in %zu bytes", len);
    EXPECT_MSG(end == NULL || end == bytes + len - 1, "a problem in more than a line");
    return append(arg, bytes, len);
}

static size_t problems(brim_cache *c)
{
    text t = {0};
    size_t n = brim_report_problems(c, append_line, &t);

    ck_assert_uint_eq(t.calls, n);
    ck_assert_uint_eq(brim_report_problems(c, NULL, NULL), n);
    free(t.bytes);
    return n;
}

static brim_cache *healthy(brim_options o)
{
    uint64_t state = 5;
    size_t cost = 10;
    brim_cache *c;

    o.expected_cost = 10;
    c = make_cache(&o);
    for (int i = 0; i < 3000; i++) {
        uint64_t x = random_next(&state);

        ck_assert_int_eq(get_as(c, &first_kind, x % 80, load_quick, &cost), BRIM_OK);
    }
    ck_assert_uint_gt(stats_of(c).hits, 2000);
    return c;
}

START_TEST(test_stats_a_healthy_cache_has_no_problems)
{
    brim_options o = _i == 0 ? value_options(CAPACITY) : borrow_options(CAPACITY);
    brim_cache *c = healthy(o);

    ck_assert_uint_eq(problems(c), 0);
    finish(c);
    c = make_cache(&o); /* nor an empty one */
    ck_assert_uint_eq(problems(c), 0);
    finish(c);
}
END_TEST

START_TEST(test_stats_values_larger_than_the_capacity_are_a_problem)
{
    brim_cache *c = healthy(value_options(CAPACITY));

    for (uint64_t i = 0; i < 1000; i++)
        ck_assert_int_eq(put(c, 1000 + i, i, CAPACITY + 1), BRIM_TOO_BIG);
    ck_assert_uint_gt(problems(c), 0);
    finish(c);
}
END_TEST

START_TEST(test_stats_thrashing_is_a_problem)
{
    brim_options o = value_options(CAPACITY);
    size_t cost = 10;
    brim_cache *c;

    o.expected_cost = 10;
    c = make_cache(&o);
    for (int round = 0; round < 60; round++)
        for (uint64_t key = 0; key < 200; key++)
            ck_assert_int_eq(get_as(c, &first_kind, key, load_quick, &cost), BRIM_OK);
    ck_assert_uint_gt(stats_of(c).redundant_loads, 1000);
    ck_assert_uint_gt(problems(c), 0);
    finish(c);
}
END_TEST

START_TEST(test_stats_too_many_shards_are_a_problem)
{
    brim_options o = value_options(CAPACITY);
    brim_cache *c;

    o.shards = 4096;
    c = make_cache(&o);
    for (uint64_t i = 0; i < 1000; i++)
        ck_assert_int_eq(put(c, i, i, 10), BRIM_OK);
    for (int round = 0; round < 10; round++)
        for (uint64_t i = 0; i < 1000; i++)
            (void)found_id(c, i);
    ck_assert_uint_gt(problems(c), 0);
    finish(c);
}
END_TEST

START_TEST(test_stats_holding_most_of_it_is_a_problem)
{
    brim_cache *c = healthy(value_options(CAPACITY));
    brim_ref *held[97];

    for (unsigned i = 0; i < 97; i++)
        ck_assert_int_eq(put_ref(c, 1000 + i, i, 10, &held[i]), BRIM_OK);
    ck_assert_uint_gt(problems(c), 0);
    brim_release_many(held, 97);
    ck_assert_uint_eq(problems(c), 0);
    finish(c);
}
END_TEST

static void sleep_a_while(void)
{
    struct timespec t = {.tv_nsec = 20 * 1000 * 1000};

    nanosleep(&t, NULL);
}

START_TEST(test_stats_a_section_open_long_is_a_problem)
{
    brim_cache *c = healthy(borrow_options(CAPACITY));
    uint64_t until = system_now() + UINT64_C(60000000000), key = 5;

    ck_assert_int_eq(put(c, 5, 5, CAPACITY / 2), BRIM_OK);
    begin_reading(c);
    ck_assert_ptr_nonnull(brim_peek(c, BRIM_KEY(key)));
    ck_assert_uint_eq(problems(c), 0);
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    while (brim_report_problems(c, NULL, NULL) == 0 && system_now() < until)
        sleep_a_while();
    ck_assert_uint_gt(problems(c), 0);
    brim_read_end(c);
    settle_cache(c);
    ck_assert_uint_eq(problems(c), 0);
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("stats");

    tcase_add_test(tc, test_stats_hits_and_misses);
    tcase_add_test(tc, test_stats_loads_failures_hits_and_misses_by_kind);
    tcase_add_test(tc, test_stats_load_time_of_nested_loads_counts_once);
    tcase_add_test(tc, test_stats_load_time_of_a_claim_is_from_begin_to_end);
    tcase_add_test(tc, test_stats_redundant_loads_are_of_what_was_evicted);
    tcase_add_test(tc, test_stats_waits_for_loads_and_their_reservations);
    tcase_add_test(tc, test_stats_insertions_refusals_and_causes);
    tcase_add_test(tc, test_stats_eviction_ages);
    tcase_add_test(tc, test_stats_eviction_ages_sum_up_to_the_evictions);
    tcase_add_test(tc, test_stats_what_is_used_held_reserved_and_outside);
    tcase_add_test(tc, test_stats_waiting_and_queued_values);
    tcase_add_test(tc, test_stats_frames_and_limits);
    tcase_add_test(tc, test_stats_waits_for_locks);
    tcase_add_test(tc, test_stats_beyond_fifteen_kinds_hits_are_shared);
    tcase_add_test(tc, test_stats_of_another_size);
    tcase_add_test(tc, test_stats_as_text);
    tcase_add_test(tc, test_stats_as_json);
    tcase_add_test(tc, test_stats_for_prometheus);
    tcase_add_test(tc, test_stats_of_one_cache_for_prometheus);
    tcase_add_test(tc, test_stats_histograms_for_prometheus_add_up);
    tcase_add_test(tc, test_stats_written_to_a_file);
    tcase_add_test(tc, test_stats_what_is_not_written_is_reported);
    tcase_add_test(tc, test_stats_bad_input);
    tcase_add_test(tc, test_stats_are_written_without_allocating_and_without_a_lock);
    tcase_add_test(tc, test_stats_are_written_while_threads_work);
    tcase_add_loop_test(tc, test_stats_a_healthy_cache_has_no_problems, 0, 2);
    tcase_add_test(tc, test_stats_values_larger_than_the_capacity_are_a_problem);
    tcase_add_test(tc, test_stats_thrashing_is_a_problem);
    tcase_add_test(tc, test_stats_too_many_shards_are_a_problem);
    tcase_add_test(tc, test_stats_holding_most_of_it_is_a_problem);
    tcase_add_test(tc, test_stats_a_section_open_long_is_a_problem);
    return suite_run(tc);
}
