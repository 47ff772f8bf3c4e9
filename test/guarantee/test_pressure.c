/* SPDX-License-Identifier: MIT
 *
 * Memory pressure: trimming to a target, also from within the allocator that has no more, and while pins hold.
 */
#include "support/support.h"
#include <sched.h>

enum { CAPACITY = 1000 };
static const unsigned shard_counts[] = {1, 4, 64};
enum { SHARD_COUNTS = sizeof shard_counts / sizeof shard_counts[0] };

static brim_cache *cache_of(unsigned shards)
{
    brim_options o = value_options(CAPACITY);

    o.shards = shards;
    return make_cache(&o);
}

static void fill(brim_cache *c, uint64_t from, uint64_t n, size_t cost)
{
    for (uint64_t key = from; key < from + n; key++)
        ck_assert_int_eq(put(c, key, key, cost), BRIM_OK);
}

/* ---- To a target */

START_TEST(test_pressure_trim_reaches_its_target)
{
    brim_cache *c = cache_of(shard_counts[_i]);
    size_t used;

    fill(c, 0, 100, 10);
    for (size_t target = CAPACITY + 100; target > 0; target = target * 2 / 3) {
        size_t before = brim_used(c), freed = brim_trim(c, target);

        used = brim_used(c);
        ck_assert_uint_le(used, target);
        ck_assert_uint_eq(before - used, freed);
        ck_assert(used + 10 > target || used == before); /* and no further */
        ck_assert_uint_eq(brim_capacity(c), CAPACITY);
        ck_assert_uint_eq(brim_count(c), used / 10);
    }
    ck_assert_uint_eq(brim_used(c) + brim_trim(c, 0), 0);
    fill(c, 0, 100, 10);
    ck_assert_uint_eq(brim_trim(c, SIZE_MAX), 0);
    ck_assert_uint_eq(brim_trim(c, 0), CAPACITY);
    ck_assert_uint_eq(brim_trim(NULL, 0), 0);
    finish(c);
}
END_TEST

START_TEST(test_pressure_trim_leaves_what_refs_and_reservations_hold)
{
    brim_cache *c = cache_of(shard_counts[_i]);
    brim_ref *held[20];

    for (uint64_t i = 0; i < 20; i++)
        ck_assert_int_eq(put_ref(c, 500 + i, i, 10, &held[i]), BRIM_OK);
    fill(c, 0, 50, 10);
    ck_assert_int_eq(brim_reserve(c, 100), BRIM_OK);
    ck_assert_uint_eq(brim_trim(c, 0), 500);
    ck_assert_uint_eq(brim_used(c), 300);
    ck_assert_uint_eq(brim_pinned(c), 200);
    ck_assert_uint_eq(brim_trim(c, 0), 0);
    for (uint64_t i = 0; i < 20; i++) {
        ck_assert(has(c, 500 + i));
        ck_assert(value_alive(brim_ref_value(held[i]), i));
    }
    brim_release_many(held, 20);
    ck_assert_uint_eq(brim_trim(c, 150), 150);
    brim_unreserve(c, 100);
    ck_assert_uint_eq(brim_used(c), 50);
    finish(c);
}
END_TEST

START_TEST(test_pressure_trim_kind_leaves_others_alone)
{
    static const brim_kind kind = {.size = sizeof kind, .destroy = value_destroy}, never = {.size = sizeof never};
    brim_cache *c = cache_of(shard_counts[_i]);
    brim_entry_options e;
    brim_ref *held = NULL;

    brim_entry_options_init(&e);
    e.kind = &kind;
    fill(c, 0, 40, 10);
    for (uint64_t i = 100; i < 140; i++) {
        brim_ref **out = i == 100 ? &held : NULL;

        ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(i), value_new(i, 10), 10, &e, out), BRIM_OK);
    }
    ck_assert_uint_eq(brim_trim_kind(c, &never, 0), 0);
    ck_assert_uint_eq(brim_trim_kind(c, &kind, 400), 0);
    ck_assert_uint_eq(brim_trim_kind(c, &kind, 255), 150);
    ck_assert_uint_eq(brim_trim_kind(c, &kind, 0), 240);
    ck_assert(has(c, 100));
    for (uint64_t i = 0; i < 40; i++)
        ck_assert(has(c, i));
    brim_release(held);
    ck_assert_uint_eq(brim_trim_kind(c, &kind, 0), 10);
    ck_assert_uint_eq(brim_trim_kind(c, NULL, 100), 300); /* the cache's own */
    ck_assert_uint_eq(brim_used(c), 100);
    finish(c);
}
END_TEST

START_TEST(test_pressure_trim_takes_what_is_stale_first)
{
    brim_cache *c = cache_of(1);
    brim_group *g = brim_group_new(c);
    brim_entry_options e;

    ck_assert_ptr_nonnull(g);
    brim_entry_options_init(&e);
    e.group = g;
    for (uint64_t i = 0; i < 20; i++)
        ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(i), value_new(i, 10), 10, &e, NULL), BRIM_OK);
    fill(c, 100, 20, 10);
    brim_group_invalidate(g);
    ck_assert_uint_le(brim_used(c), 400);
    (void)brim_trim(c, 200);
    ck_assert_uint_eq(brim_used(c), 200);
    for (uint64_t i = 0; i < 20; i++) {
        ck_assert(!has(c, i));
        ck_assert(has(c, 100 + i));
    }
    brim_group_drop(g);
    finish(c);
}
END_TEST

START_TEST(test_pressure_trim_within_a_section_frees_at_its_end)
{
    brim_options o = borrow_options(CAPACITY);
    uint64_t first = 0;
    brim_cache *c;

    o.shards = shard_counts[_i];
    c = make_cache(&o);
    fill(c, 0, 50, 10);
    begin_reading(c);
    ck_assert_ptr_nonnull(brim_peek(c, BRIM_KEY(first)));
    ck_assert_uint_eq(brim_trim(c, 0), 500);
    ck_assert_uint_eq(brim_count(c), 0);
    ck_assert_uint_eq(brim_used(c), 500);
    ck_assert_uint_eq(values_live(), 50);
    brim_read_end(c);
    settle_cache(c);
    ck_assert_uint_eq(brim_used(c), 0);
    finish(c);
}
END_TEST

/* ---- Within callbacks */

static struct {
    brim_cache *cache;
    unsigned told;
    size_t evicted, used_after;
} nest;

static void trim_all(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    (void)key, (void)len, (void)v, (void)cost, (void)cause, (void)arg;
    if (nest.told++ != 0)
        return;
    nest.evicted = brim_trim(nest.cache, 0);
    nest.used_after = brim_used(nest.cache);
}

START_TEST(test_pressure_trim_within_a_listener_frees_in_the_outermost_call)
{
    static const brim_kind kind = {.size = sizeof kind, .destroy = value_destroy, .removed = trim_all};
    brim_options o = value_options(CAPACITY);
    uint64_t first = 0;

    memset(&nest, 0, sizeof nest);
    o.kind = &kind;
    o.shards = shard_counts[_i];
    nest.cache = make_cache(&o);
    fill(nest.cache, 0, 50, 10);
    ck_assert(brim_remove(nest.cache, BRIM_KEY(first)));
    ck_assert_uint_eq(nest.told, 50);
    ck_assert_uint_eq(nest.evicted, 490);
    ck_assert_uint_eq(nest.used_after, 500);
    ck_assert_uint_eq(brim_used(nest.cache), 0);
    ck_assert_uint_eq(values_destroyed(), 50);
    finish(nest.cache);
}
END_TEST

/* ---- While pins hold */

START_TEST(test_pressure_a_capacity_below_what_is_held)
{
    brim_cache *c = cache_of(shard_counts[_i]);
    brim_ref *held[30], *out = NULL;

    for (uint64_t i = 0; i < 30; i++)
        ck_assert_int_eq(put_ref(c, 500 + i, 500 + i, 10, &held[i]), BRIM_OK);
    fill(c, 0, 70, 10);
    ck_assert_int_eq(brim_set_capacity(c, 500), BRIM_OK);
    ck_assert_uint_le(brim_used(c), 500);
    ck_assert_int_eq(brim_set_capacity(c, 200), BRIM_FULL);
    ck_assert_uint_eq(brim_capacity(c), 200);
    ck_assert_uint_eq(brim_used(c), 300);
    ck_assert_int_eq(put_ref(c, 1, 1, 1, &out), BRIM_FULL);
    ck_assert_int_eq(put(c, 1, 1, 201), BRIM_TOO_BIG);
    ck_assert_int_eq(brim_reserve(c, 1), BRIM_FULL);
    ck_assert_uint_eq(brim_trim(c, 0), 0);
    for (uint64_t i = 0; i < 30; i++)
        ck_assert(value_alive(brim_ref_value(held[i]), 500 + i));
    brim_release_many(held, 10);
    ck_assert_int_eq(put(c, 1, 1, 1), BRIM_FULL); /* the twenty that are held fill it */
    brim_release_many(held + 10, 20);
    ck_assert_int_eq(put(c, 1, 1, 10), BRIM_OK);
    ck_assert_uint_le(brim_used(c), 200);
    ck_assert_int_eq(brim_set_capacity(c, 0), BRIM_OK);
    ck_assert_uint_eq(brim_used(c), 0);
    finish(c);
}
END_TEST

enum { WRITERS = 2, WATCHER = WRITERS };
static struct {
    brim_cache *cache;
    atomic_int running;
    atomic_uint taken, refused, trimmed;
} race;

static void pin_and_write(unsigned id)
{
    uint64_t state = id + 1;
    brim_ref *pins[8] = {NULL};

    for (int i = 0; i < SCALED(6000); i++) {
        uint64_t x = random_next(&state), key = x % 200;
        brim_ref **pin = &pins[(x >> 8) % 8];
        brim_status s;

        brim_release(*pin);
        *pin = NULL;
        s = put_ref(race.cache, key, key, 1 + (x >> 16) % 40, (x >> 24) % 4 == 0 ? pin : NULL);
        EXPECT_MSG(s == BRIM_OK || s == BRIM_FULL || s == BRIM_TOO_BIG, "status %d", (int)s);
        atomic_fetch_add(s == BRIM_OK ? &race.taken : &race.refused, 1);
    }
    brim_release_many(pins, 8);
    atomic_fetch_sub(&race.running, 1);
}

static void press(unsigned id, void *arg)
{
    (void)arg;
    if (id != WATCHER) {
        pin_and_write(id);
        return;
    }
    for (unsigned round = 0; atomic_load(&race.running) > 0; round++) {
        size_t capacity = round % 2 == 0 ? 300 : CAPACITY;
        brim_status s = brim_set_capacity(race.cache, capacity);

        EXPECT_MSG(s == BRIM_OK || s == BRIM_FULL, "status %d", (int)s);
        for (int i = 0; i < 10 && s == BRIM_OK; i++)
            EXPECT(brim_used(race.cache) <= capacity);
        if (brim_trim(race.cache, 100) > 0)
            atomic_fetch_add(&race.trimmed, 1);
        sched_yield();
    }
}

START_TEST(test_pressure_capacity_and_trim_beside_threads_that_pin)
{
    memset(&race, 0, sizeof race);
    atomic_store(&race.running, WRITERS);
    race.cache = cache_of(shard_counts[_i]);
    crew_do(WRITERS + 1, press, NULL);
    ck_assert_uint_gt(atomic_load(&race.taken), SCALED(3000));
    ck_assert_uint_gt(atomic_load(&race.trimmed), 0);
    ck_assert_uint_eq(brim_pinned(race.cache), 0);
    ck_assert_int_eq(brim_set_capacity(race.cache, 50), BRIM_OK);
    ck_assert_uint_le(brim_used(race.cache), 50);
    finish(race.cache);
}
END_TEST

/* ---- Within the allocator: what fails trims the cache first */

enum { DEPTH_MAX = 150 }; /* of allocations within trims within allocations */

static struct {
    heap heap;
    brim_allocator allocator;
    _Atomic(brim_cache *) cache; /* NULL: allocate, no more */
    unsigned every;              /* each such call has no memory at first ... */
    size_t nth;                  /* ... or this one alone, counted from 1 */
    size_t limit;                /* or what would exceed so many bytes; 0: no limit */
    bool retry;                  /* after the trim there is some */
    atomic_size_t calls, trims, evicted;
    atomic_uint deepest;
} squeeze;
static _Thread_local unsigned depth;

static bool there_is_none(size_t n)
{
    size_t call = atomic_fetch_add(&squeeze.calls, 1) + 1;

    if (squeeze.limit != 0)
        return atomic_load(&squeeze.heap.live) + n > squeeze.limit;
    return squeeze.nth != 0 ? call == squeeze.nth : call % squeeze.every == 0;
}

static void trim_half(void)
{
    brim_cache *c = atomic_load(&squeeze.cache);
    unsigned deepest = atomic_load(&squeeze.deepest);

    while (deepest < depth && !atomic_compare_exchange_weak(&squeeze.deepest, &deepest, depth))
        ;
    EXPECT_MSG(depth < DEPTH_MAX, "allocations nest %u deep", depth);
    if (depth >= DEPTH_MAX)
        return;
    atomic_fetch_add(&squeeze.trims, 1);
    atomic_fetch_add(&squeeze.evicted, brim_trim(c, brim_used(c) / 2));
}

static void *squeezed_alloc(size_t n, size_t align, void *arg)
{
    void *p = NULL;
    bool none;

    (void)arg;
    if (atomic_load(&squeeze.cache) == NULL)
        return squeeze.heap.allocator.alloc(n, align, &squeeze.heap);
    depth++;
    none = there_is_none(n);
    if (none)
        trim_half();
    if (!none || (squeeze.retry && (squeeze.limit == 0 || !there_is_none(n))))
        p = squeeze.heap.allocator.alloc(n, align, &squeeze.heap);
    depth--;
    return p;
}

static void squeezed_free(void *p, size_t n, size_t align, void *arg)
{
    (void)arg;
    squeeze.heap.allocator.free(p, n, align, &squeeze.heap);
}

static void start_squeeze(brim_options o, unsigned every, size_t nth, bool retry)
{
    memset(&squeeze, 0, sizeof squeeze);
    heap_init(&squeeze.heap);
    squeeze.allocator = (brim_allocator){
        .size = sizeof(brim_allocator), .alloc = squeezed_alloc, .free = squeezed_free};
    squeeze.every = every;
    squeeze.nth = nth;
    squeeze.retry = retry;
    o.allocator = &squeeze.allocator;
    race.cache = make_cache(&o);
    atomic_store(&squeeze.cache, race.cache);
}

static void finish_squeeze(void)
{
    atomic_store(&squeeze.cache, NULL);
    finish(race.cache);
    ck_assert_uint_eq(atomic_load(&squeeze.heap.live), 0);
}

static brim_status load_some(const void *key, size_t len, void *arg, void **v, size_t *cost)
{
    (void)key, (void)len, (void)arg;
    *cost = 3;
    *v = value_new(1, 3);
    return BRIM_OK;
}

static bool known(brim_status s)
{
    return s == BRIM_OK || s == BRIM_FULL || s == BRIM_NOMEM;
}

static void load_squeezed(brim_cache *c, uint64_t key)
{
    brim_ref *r = NULL;
    brim_load *load = NULL;
    brim_status s = brim_get(c, BRIM_KEY(key), load_some, NULL, &r);

    EXPECT_MSG(s == BRIM_OK || s == BRIM_NOMEM || s == BRIM_FAILED, "get: status %d", (int)s);
    brim_release(r);
    key++;
    s = brim_claim(c, BRIM_KEY(key), 0, &r, &load);
    EXPECT_MSG(known(s) || s == BRIM_CLAIMED || s == BRIM_PENDING, "claim: status %d", (int)s);
    brim_release(r);
    if (load != NULL && key % 2 == 0)
        (void)brim_load_finish(load, value_new(2, 3), 3, NULL);
    else
        brim_load_fail(load, 1);
}

static void handles_squeezed(brim_cache *c, uint64_t id)
{
    brim_group *g = brim_group_new(c);
    brim_entry_options e;
    brim_key *k = NULL;
    brim_ref *r = NULL;
    value *v = value_new(id, 2);
    brim_status s;

    brim_entry_options_init(&e);
    e.group = g;
    s = brim_insert_anonymous(c, v, 2, &e, &k, NULL);
    EXPECT_MSG(known(s), "anonymous: status %d", (int)s);
    if (s != BRIM_OK)
        value_discard(v);
    if (s == BRIM_OK) {
        v = value_new(id, 4);
        s = brim_key_replace(&k, v, 4);
        EXPECT_MSG(known(s) || s == BRIM_INVALID, "replace: status %d", (int)s); /* a trim may have taken it */
        if (s != BRIM_OK)
            value_discard(v);
    }
    brim_key_drop(k);
    v = value_new(id, 5);
    s = brim_wrap(c, v, 5, NULL, &r);
    if (s != BRIM_OK)
        value_discard(v);
    brim_release(r);
    brim_group_invalidate(g);
    brim_group_drop(g);
}

static void use_squeezed(unsigned id, unsigned rounds)
{
    static const char long_key[200] = "a key too long to be packed";
    brim_cache *c = race.cache;
    uint64_t state = id + 1;

    for (unsigned i = 0; i < rounds; i++) {
        uint64_t x = random_next(&state), key = x % 500;
        value *v = value_new(x, 2);
        brim_status s = put(c, key, x, 1 + (x >> 16) % 6);

        EXPECT_MSG(known(s), "insert: status %d", (int)s);
        atomic_fetch_add(s == BRIM_OK ? &race.taken : &race.refused, 1);
        s = brim_insert(c, long_key, 100 + (x >> 8) % 100, v, 2, NULL);
        EXPECT_MSG(known(s), "long key: status %d", (int)s);
        if (s != BRIM_OK)
            value_discard(v);
        (void)found_id(c, (x >> 24) % 500);
        key = (x >> 32) % 500;
        if (x >> 62 == 0)
            (void)brim_remove(c, BRIM_KEY(key));
        if (i % 4 == 1)
            load_squeezed(c, 1000 + key);
        if (i % 4 == 3)
            handles_squeezed(c, x);
        if (x >> 57 == 0x20)
            brim_clear(c);
    }
}

static void use_squeezed_from_start(unsigned id, void *arg)
{
    use_squeezed(id, *(const unsigned *)arg);
}

/* One call alone fails, each in its turn, until there are no more; with and without memory after the trim. */
START_TEST(test_pressure_trim_within_the_nth_allocation)
{
    enum { LAST = CHECKING_BUILD ? 24 : 60, OPERATIONS = CHECKING_BUILD ? 60 : 300 };
    size_t made = 0, trims = 0, evicted = 0;

    memset(&race, 0, sizeof race);
    for (size_t nth = 1; nth == 1 || (made >= nth && nth <= LAST); nth++) {
        brim_options o = value_options(CAPACITY);

        o.shards = shard_counts[_i / 2];
        start_squeeze(o, 1, nth, _i % 2 == 0);
        use_squeezed(1, OPERATIONS);
        made = atomic_load(&squeeze.calls);
        trims += atomic_load(&squeeze.trims);
        evicted += atomic_load(&squeeze.evicted);
        finish_squeeze();
        values_start();
    }
    ck_assert_uint_ge(trims, LAST / 2);
    ck_assert_uint_gt(evicted, 0);
    ck_assert_uint_gt(atomic_load(&race.taken), 0);
}
END_TEST

START_TEST(test_pressure_trim_within_allocations_of_threads)
{
    brim_options o = value_options(CAPACITY);
    unsigned rounds = SCALED(2000);

    memset(&race, 0, sizeof race);
    o.shards = shard_counts[_i / 2];
    o.borrow = _i == 1;
    start_squeeze(o, 3, 0, _i % 2 == 0);
    crew_do(3, use_squeezed_from_start, &rounds);
    ck_assert_uint_gt(atomic_load(&squeeze.trims), 10);
    ck_assert_uint_gt(atomic_load(&squeeze.evicted), 0);
    ck_assert_uint_gt(atomic_load(&race.taken), rounds);
    settle_cache(race.cache);
    finish_squeeze();
}
END_TEST

/* A trim may itself want memory: that this fails too, and trims again, comes to an end on a small stack. */
START_TEST(test_pressure_trim_within_allocations_that_all_fail)
{
    enum { ENTRIES = 5000 };
    brim_options o = value_options(ENTRIES);
    unsigned rounds = 4;

    memset(&race, 0, sizeof race);
    o.shards = 1U << 2 * (_i / 2);
    start_squeeze(o, 1, 0, _i % 2 == 0);
    atomic_store(&squeeze.cache, NULL);
    fill(race.cache, 0, ENTRIES, 1); /* large indexes, that trims would make smaller */
    atomic_store(&squeeze.cache, race.cache);
    run_on_stack(CHECKING_BUILD ? 1024 * 1024 : 256 * 1024, use_squeezed_from_start, &rounds);
    ck_assert_uint_gt(atomic_load(&squeeze.trims), 0);
    ck_assert_uint_gt(atomic_load(&squeeze.evicted), ENTRIES / 2);
    ck_assert_uint_lt(atomic_load(&squeeze.deepest), DEPTH_MAX);
    finish_squeeze();
}
END_TEST

/* A heap of so many bytes and no more: trims keep the program going. */
START_TEST(test_pressure_trim_makes_room_in_a_bounded_heap)
{
    brim_options o = value_options(1000000);
    unsigned taken = 0;

    memset(&race, 0, sizeof race);
    o.shards = 1;
    o.kind = NULL;
    start_squeeze(o, 1, 0, true);
    squeeze.limit = atomic_load(&squeeze.heap.live) + 200000;
    for (uint64_t key = 0; key < 20000; key++) {
        char bytes[100];
        brim_status s;

        memset(bytes, 'k', sizeof bytes);
        memcpy(bytes, &key, sizeof key);
        s = brim_insert(race.cache, bytes, sizeof bytes, NULL, 1, NULL);
        ck_assert_msg(s == BRIM_OK || s == BRIM_NOMEM, "status %d", (int)s);
        taken += s == BRIM_OK;
        ck_assert_uint_le(atomic_load(&squeeze.heap.live), squeeze.limit);
    }
    ck_assert_uint_gt(taken, 19000);
    ck_assert_uint_gt(atomic_load(&squeeze.trims), 5);
    ck_assert_uint_gt(brim_count(race.cache), 100);
    finish_squeeze();
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("pressure");

    tcase_add_loop_test(tc, test_pressure_trim_reaches_its_target, 0, SHARD_COUNTS);
    tcase_add_loop_test(tc, test_pressure_trim_leaves_what_refs_and_reservations_hold, 0, SHARD_COUNTS);
    tcase_add_loop_test(tc, test_pressure_trim_kind_leaves_others_alone, 0, SHARD_COUNTS);
    tcase_add_test(tc, test_pressure_trim_takes_what_is_stale_first);
    tcase_add_loop_test(tc, test_pressure_trim_within_a_section_frees_at_its_end, 0, SHARD_COUNTS);
    tcase_add_loop_test(tc, test_pressure_trim_within_a_listener_frees_in_the_outermost_call, 0, SHARD_COUNTS);
    tcase_add_loop_test(tc, test_pressure_a_capacity_below_what_is_held, 0, SHARD_COUNTS);
    tcase_add_loop_test(tc, test_pressure_capacity_and_trim_beside_threads_that_pin, 0, SHARD_COUNTS);
    tcase_add_loop_test(tc, test_pressure_trim_within_the_nth_allocation, 0, 2 * SHARD_COUNTS);
    tcase_add_loop_test(tc, test_pressure_trim_within_allocations_of_threads, 0, 2 * SHARD_COUNTS);
    tcase_add_loop_test(tc, test_pressure_trim_within_allocations_that_all_fail, 0, 2 * SHARD_COUNTS);
    tcase_add_test(tc, test_pressure_trim_makes_room_in_a_bounded_heap);
    return suite_run(tc);
}
