/* SPDX-License-Identifier: MIT
 *
 * cache/cache: options, memory that fails, and the end.
 */
#include "base/clock.h"
#include "cache/cache.h"
#include "cache/registry.h"
#include "support/support.h"

START_TEST(bad_options)
{
    brim_allocator no_free = {.size = sizeof no_free, .alloc = mem_default.alloc};
    brim_allocator no_alloc = {.size = sizeof no_alloc, .free = mem_default.free}, shorter = mem_default;
    brim_kind small = {.size = 1}, floor = {.floor = 101}, ceiling = {.ceiling = 101};
    brim_cache *c = (brim_cache *)(void *)&small;
    brim_options o[11];

    for (int i = 0; i < 11; i++)
        brim_options_init(&o[i], 100);
    ck_assert_int_eq(brim_cache_new(&o[0], NULL), BRIM_INVALID);
    o[0].size--;
    o[1].capacity = SIZE_MAX;
    o[2].shards = 65537;
    o[3].objective = (brim_objective)4;
    o[4].hash = (brim_hash)2;
    o[5].allocator = &no_free;
    o[6].kind = &small;
    o[7].kind = &floor;
    o[8].kind = &ceiling;
    o[9].allocator = &no_alloc;
    o[10].allocator = &shorter;
    shorter.size = sizeof shorter - 1;
    for (int i = 0; i < 11; i++) {
        ck_assert_int_eq(brim_cache_new(&o[i], &c), BRIM_INVALID);
        ck_assert_ptr_null(c);
    }
    ck_assert_ptr_null(registry_lock()); /* none is in the list of all */
    registry_unlock();
    brim_cache_free(NULL);
}
END_TEST

START_TEST(no_options)
{
    brim_cache *c;

    ck_assert_int_eq(brim_cache_new(NULL, &c), BRIM_OK);
    ck_assert_uint_eq(brim_capacity(c), 0);
    finish(c);
}
END_TEST

struct seeded { uint64_t hash, random; };

static struct seeded with_seed(uint64_t seed)
{
    brim_options o = value_options(100);
    struct seeded s;
    brim_cache *c;

    o.seed = seed;
    c = make_cache(&o);
    s.hash = hash_bytes(&c->hash, "k", 1);
    s.random = c->shards[0].policy.random;
    finish(c);
    return s;
}

/* 0: a random one. */
START_TEST(seeds)
{
    struct seeded s = with_seed((uint64_t)_i), same = with_seed((uint64_t)_i), other = with_seed(6);

    ck_assert_int_eq(s.hash == same.hash, _i != 0);
    ck_assert_int_eq(s.random == same.random, _i != 0);
    ck_assert_uint_ne(s.hash, other.hash);
    ck_assert_uint_ne(s.random, other.random);
}
END_TEST

START_TEST(how_many_entries)
{
    brim_options o = value_options(100);
    brim_cache *c;

    o.max_entries = 2;
    c = make_cache(&o);
    for (uint64_t key = 1; key <= 3; key++)
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    ck_assert_uint_eq(brim_count(c), 2);
    finish(c);
}
END_TEST

START_TEST(how_many_shards)
{
    static const struct { size_t capacity, expected_cost, max_entries; unsigned shards, is; } cases[] = {
        {1000, 0, 0, 1, 1},         {1000, 0, 0, 5, 8},           {0, 0, 0, 0, 1},
        {1u << 30, 0, 0, 0, 64},    {1u << 30, 0, 100, 0, 1},     {1u << 20, 1u << 20, 0, 0, 1},
        {1u << 20, 1, 0, 0, 64},    {10u << 20, 0, 0, 0, 1},    {4 * 128 * 10, 10, 0, 0, 4},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        brim_options o = value_options(cases[i].capacity);
        brim_cache *c;
        o.expected_cost = cases[i].expected_cost;
        o.max_entries = cases[i].max_entries;
        o.shards = cases[i].shards;
        c = make_cache(&o);
        ck_assert_uint_eq(c->shard_count, cases[i].is);
        ck_assert_ptr_eq(cache_shard(c, 0), &c->shards[0]);
        ck_assert_ptr_eq(cache_shard(c, UINT32_MAX), &c->shards[c->shard_count - 1]);
        finish(c);
    }
}
END_TEST

static atomic_uint gone_calls;
static heap h;

static void count_gone(void *arg)
{
    EXPECT(arg == &h && h.blocks == 0); /* its memory was given back */
    atomic_fetch_add(&gone_calls, 1);
}

START_TEST(any_allocation_may_fail)
{
    brim_options o = value_options(1000);
    brim_status s = BRIM_NOMEM;
    unsigned failed = 0;

    o.name = "a name";
    o.shards = 4;
    o.gone = count_gone;
    o.gone_arg = &h;
    atomic_store(&gone_calls, 0);
    heap_init(&h);
    o.allocator = &h.allocator;
    for (size_t n = 1; s != BRIM_OK; n++) {
        brim_cache *c;
        heap_fail(&h, n, n + 1);
        s = brim_cache_new(&o, &c);
        ck_assert(s == BRIM_OK || (s == BRIM_NOMEM && c == NULL && h.blocks == 0));
        ck_assert_uint_eq(atomic_load(&gone_calls), 0);
        failed += s != BRIM_OK;
        if (s == BRIM_OK)
            ck_assert_str_eq(c->name, "a name");
        brim_cache_free(c);
    }
    ck_assert_uint_ge(failed, 8); /* frame, stripes, name, shards, four tables, kind */
    ck_assert_uint_eq(atomic_load(&gone_calls), 1);
    ck_assert_uint_eq(h.blocks, 0);
}
END_TEST

START_TEST(it_lives_as_long_as_a_handle)
{
    brim_options o = value_options(1000);
    brim_cache *c;
    brim_key *key;
    brim_ref *r;

    atomic_store(&gone_calls, 0);
    heap_init(&h);
    o.allocator = &h.allocator;
    o.gone = count_gone;
    o.gone_arg = &h;
    o.shards = 2;
    c = make_cache(&o);
    ck_assert_int_eq(put_ref(c, 1, 1, 10, &r), BRIM_OK);
    ck_assert_int_eq(put(c, 2, 2, 10), BRIM_OK);
    key = brim_ref_key(r);
    brim_cache_free(c);
    for (unsigned i = 0; i < 2; i++)
        ck_assert(shared_get(c->shards[i].closed));
    ck_assert_uint_eq(values_live(), 1);
    ck_assert_uint_eq(id_of(r), 1);
    ck_assert(!brim_ref_is_cached(r));
    brim_release(r);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(atomic_load(&gone_calls), 0);
    ck_assert_ptr_null(brim_key_find(key));
    brim_key_drop(key);
    ck_assert_uint_eq(atomic_load(&gone_calls), 1);
    ck_assert_uint_eq(h.blocks, 0);
}
END_TEST

/* Or as a section. */
START_TEST(it_lives_as_long_as_a_section)
{
    brim_options o = borrow_options(1000);
    brim_cache *c;

    atomic_store(&gone_calls, 0);
    heap_init(&h);
    o.allocator = &h.allocator;
    o.gone = count_gone;
    o.gone_arg = &h;
    c = make_cache(&o);
    if (_i == 0)
        begin_reading(c);
    brim_cache_free(c);
    ck_assert_uint_eq(atomic_load(&gone_calls), _i != 0);
    if (_i == 0)
        brim_read_end(c);
    ck_assert_uint_eq(atomic_load(&gone_calls), 1);
    ck_assert_uint_eq(h.blocks, 0);
}
END_TEST

/* ---- Time */

static uint64_t ask_now(void *arg)
{
    return *(uint64_t *)arg;
}

START_TEST(by_the_users_clock)
{
    brim_options o = value_options(1000);
    uint64_t now = (uint64_t)7 << STAMP_TICK_NS_SHIFT;
    brim_entry_options e;
    brim_cache *c;

    o.now = ask_now;
    o.now_arg = &now;
    c = make_cache(&o);
    ck_assert_uint_eq(cache_now(c), now + 1);
    ck_assert_uint_eq(cache_tick(c), 7);
    ck_assert_uint_eq(cache_now_for_ages(c), 0);
    brim_entry_options_init(&e);
    e.max_age = 1;
    ck_assert_int_eq(brim_insert_with(c, "k", 1, NULL, 1, &e, NULL), BRIM_OK);
    ck_assert_uint_eq(cache_now_for_ages(c), now + 1);
    now = UINT64_MAX;
    ck_assert_uint_eq(cache_now(c), EXTRA_EXPIRED - 1);
    now = 0;
    finish(c);
}
END_TEST

START_TEST(by_the_systems_clock)
{
    brim_cache *c = make_value_cache(1000);
    uint64_t before = clock_now(), now = cache_now(c);

    ck_assert_uint_gt(now, before);
    ck_assert_uint_le(now, clock_now() + 1);
    ck_assert_uint_le(cache_tick(c), (uint32_t)(clock_now() >> STAMP_TICK_NS_SHIFT));
    finish(c);
}
END_TEST

/* Where frames protect, what is inserted and not used yet is fresh. */
START_TEST(births)
{
    brim_options o = value_options(1000);
    brim_cache *c;

    o.protect_frame = _i != 0;
    c = make_cache(&o);
    ck_assert_int_eq((cache_birth(c, false) & STAMP_FRESH) != 0, _i != 0);
    ck_assert_uint_eq(cache_birth(c, true) & STAMP_FRESH, 0);
    finish(c);
}
END_TEST

START_TEST(its_own_memory_is_charged)
{
    brim_options o = value_options(10000);
    brim_cache *c;
    brim_ref *r;

    c = make_cache(&o);
    ck_assert_uint_eq(cache_overhead(c, 300), 0);
    finish(c);
    o.charge_overhead = true;
    c = make_cache(&o);
    ck_assert_uint_ge(cache_overhead(c, entry_size(8)), entry_size(8) + sizeof(uint64_t));
    ck_assert_uint_ge(cache_overhead(c, entry_size(300)), entry_size(300) + sizeof(uint64_t));
    ck_assert_int_eq(put(c, 1, 1, 10), BRIM_OK);
    ck_assert_uint_eq(brim_used(c), 10 + cache_overhead(c, entry_size(sizeof(uint64_t))));
    r = brim_find(c, BRIM_KEY((uint64_t){1}));
    ck_assert_uint_eq(brim_ref_cost(r), 10);
    brim_release(r);
    ck_assert_int_eq(brim_wrap(c, NULL, 10, NULL, &r), BRIM_OK);
    ck_assert_uint_eq(brim_ref_cost(r), 10); /* that of what is outside is not */
    brim_release(r);
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("cache");

    tcase_add_test(tc, bad_options);
    tcase_add_test(tc, no_options);
    tcase_add_loop_test(tc, seeds, 0, 2);
    tcase_add_test(tc, how_many_entries);
    tcase_add_test(tc, how_many_shards);
    tcase_add_test(tc, any_allocation_may_fail);
    tcase_add_test(tc, it_lives_as_long_as_a_handle);
    tcase_add_loop_test(tc, it_lives_as_long_as_a_section, 0, 2);
    tcase_add_test(tc, by_the_users_clock);
    tcase_add_test(tc, by_the_systems_clock);
    tcase_add_loop_test(tc, births, 0, 2);
    tcase_add_test(tc, its_own_memory_is_charged);
    return suite_run(tc);
}
