/* SPDX-License-Identifier: MIT
 *
 * cache/stats: what is counted, by all and by kind, in any size of the structure.
 */
#include "base/clock.h"
#include "unit/caches.h"

START_TEST(all_is_counted)
{
    brim_options o = value_options(10);
    brim_cache *c;
    brim_stats s;
    brim_ref *r;
    heap h;

    heap_init(&h);
    o.allocator = &h.allocator;
    o.shards = 3;
    c = make_cache(&o);
    ck_assert_int_eq(put(c, 1, 1, 4), BRIM_OK);
    ck_assert_int_eq(put(c, 1, 2, 4), BRIM_OK);
    ck_assert_int_eq(put(c, 2, 3, 8), BRIM_OK);
    ck_assert_int_eq(put(c, 3, 4, 11), BRIM_TOO_BIG);
    ck_assert_uint_eq(found_id(c, 1), UINT64_MAX);
    r = brim_find(c, BRIM_KEY((uint64_t){2}));
    ck_assert(brim_remove(c, BRIM_KEY((uint64_t){2})));
    brim_stats_get(c, &s);
    ck_assert_uint_eq(s.size, sizeof s);
    ck_assert_uint_eq(s.insertions, 3);
    ck_assert_uint_eq(s.refused, 1);
    ck_assert_uint_eq(s.hits, 1);
    ck_assert_uint_eq(s.misses, 1);
    ck_assert_uint_eq(s.left[BRIM_REPLACED], 1);
    ck_assert_uint_eq(s.left[BRIM_EVICTED], 1);
    ck_assert_uint_eq(s.left[BRIM_REMOVED], 1);
    ck_assert_uint_eq(s.capacity, 10);
    ck_assert_uint_eq(s.used, 8);
    ck_assert_uint_eq(s.pinned, 8);
    ck_assert_uint_eq(s.count, 0);
    ck_assert_uint_eq(s.values, 1);
    ck_assert_uint_eq(s.shards, 4);
    ck_assert_uint_gt(s.overhead, 0);
    ck_assert_uint_le(s.overhead, h.live);
    ck_assert_uint_ge(s.overhead, h.live - 4096); /* but for kinds and the name */
    brim_release(r);
    finish(c);
}
END_TEST

START_TEST(by_kind)
{
    brim_cache *c = make_value_cache(100);
    brim_kind other = value_kind, unknown = value_kind;
    brim_entry_options o;
    brim_stats s;

    brim_entry_options_init(&o);
    o.kind = &other;
    ck_assert_int_eq(put(c, 1, 1, 5), BRIM_OK);
    ck_assert_int_eq(brim_insert_with(c, "k", 1, value_new(2, 7), 7, &o, NULL), BRIM_OK);
    brim_stats_get_sized(c, &other, &s, sizeof s);
    ck_assert_uint_eq(s.used, 7);
    ck_assert_uint_eq(s.values, 1);
    brim_stats_get_sized(c, &value_kind, &s, sizeof s);
    ck_assert_uint_eq(s.used, 5);
    brim_stats_get_sized(c, &unknown, &s, sizeof s);
    ck_assert_uint_eq(s.used + s.values, 0);
    brim_stats_get(NULL, &s);
    ck_assert_uint_eq(s.capacity, 0);
    finish(c);
}
END_TEST

/* What comes to the heap, of the shards, of what they remember, and of kinds, comes to the overhead. */
START_TEST(the_overhead_grows_as_the_heap)
{
    enum { KEYS = 5000 };
    brim_kind kinds[3] = {value_kind, value_kind, value_kind};
    brim_stats before, after;
    size_t live;
    struct kind *k;
    brim_cache *c;
    heap h;

    c = cache_on(&h, KEYS / 5);
    before = stats_of(c);
    live = atomic_load(&h.live);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(kind_get(c, &kinds[i], &k), BRIM_OK);
    for (uint64_t key = 0; key < KEYS; key++)
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    after = stats_of(c);
    ck_assert_uint_eq(after.overhead - before.overhead, atomic_load(&h.live) - live);
    for (unsigned i = 0; i < c->shard_count; i++)
        ck_assert_uint_gt(atom_load_relaxed(&c->shards[i].ghost_bytes), 0);
    finish_on(c, &h);
}
END_TEST

START_TEST(each_counter_of_a_kind)
{
    brim_cache *c = make_value_cache(100);
    struct kind *k = c->default_kind;
    brim_stats s;

    for (unsigned i = 0; i < 7; i++)
        kind_count(k, thread_self(), left[i], i + 1);
    for (unsigned i = 0; i < BRIM_AGES; i++)
        kind_count(k, thread_self(), eviction_age[i], i + 1);
    s = stats_of(c);
    for (unsigned i = 0; i < 7; i++)
        ck_assert_uint_eq(s.left[i], i + 1);
    for (unsigned i = 0; i < BRIM_AGES; i++)
        ck_assert_uint_eq(s.eviction_age[i], i + 1);
    finish(c);
}
END_TEST

/* Hits and pins of those that come late are counted with others', and so not told. */
START_TEST(the_late_kinds)
{
    enum { KINDS = KIND_SLOTS + 1 };
    static brim_kind kinds[KINDS];
    brim_cache *c = make_value_cache(100);
    brim_entry_options o = entry_defaults();
    brim_ref *r[KINDS];
    brim_stats s;

    for (uint64_t i = 0; i < KINDS; i++) {
        kinds[i] = value_kind;
        o.kind = &kinds[i];
        ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(i), value_new(i, 2), 2, &o, &r[i]), BRIM_OK);
        ck_assert_uint_eq(found_id(c, i), i);
        ck_assert_int_eq(kind_look_up(c, &kinds[i])->shares_slot, i + 1 >= KIND_SLOTS - 1);
    }
    for (uint64_t i = 0; i < KINDS; i++) {
        bool own = !kind_look_up(c, &kinds[i])->shares_slot;

        brim_stats_get_sized(c, &kinds[i], &s, sizeof s);
        ck_assert_uint_eq(s.hits, own ? 1 : 0);
        ck_assert_uint_eq(s.pinned, own ? 2 : 0);
        ck_assert_uint_eq(s.used, 2);
        brim_release(r[i]);
    }
    s = stats_of(c);
    ck_assert_uint_eq(s.hits, KINDS);
    ck_assert_uint_eq(s.insertions, KINDS);
    ck_assert_uint_eq(s.values, KINDS);
    finish(c);
}
END_TEST

START_TEST(what_waits)
{
    brim_cache *c = make_borrow_cache(100);
    brim_stats s, of_kind;
    uint64_t then;

    ck_assert_int_eq(put(c, 1, 1, 5), BRIM_OK);
    for (unsigned i = 0; i < 2; i++) {
        if (i == 1) {
            begin_reading(c);
            ck_assert(brim_remove(c, BRIM_KEY((uint64_t){1})));
            then = clock_now();
            while (clock_now() < then + 1000) {
            }
        }
        s = stats_of(c);
        brim_stats_get_sized(c, &value_kind, &of_kind, sizeof s);
        ck_assert_uint_eq(s.sections, i);
        ck_assert_uint_eq(s.waiting, i * 5);
        ck_assert_uint_eq(s.waiting_values, i);
        ck_assert_uint_ge(s.waiting_ns, i * 1000);
        ck_assert_uint_eq(s.waiting_ns > 0, i);
        ck_assert_uint_eq(of_kind.waiting, i * 5);
    }
    brim_read_end(c);
    finish(c);
}
END_TEST

START_TEST(loads_in_all_shards)
{
    enum { KEYS = 20 };
    brim_load *loads[KEYS];
    heap h;
    brim_cache *c = cache_on(&h, 100);

    for (uint64_t key = 0; key < KEYS; key++)
        loads[key] = claim(c, key);
    for (unsigned i = 0; i < c->shard_count; i++)
        ck_assert_uint_gt(c->shards[i].loading, 0);
    ck_assert_uint_eq(stats_of(c).loading, KEYS);
    for (uint64_t key = 0; key < KEYS; key++)
        brim_load_fail(loads[key], 1);
    finish_on(c, &h);
}
END_TEST

START_TEST(any_size_of_the_structure)
{
    struct { brim_stats s; unsigned char more[16]; } big;
    brim_cache *c = make_value_cache(100);

    memset(&big, 255, sizeof big);
    brim_stats_get_sized(c, NULL, &big.s, offsetof(brim_stats, misses));
    ck_assert_uint_eq(big.s.size, offsetof(brim_stats, misses));
    ck_assert_uint_eq(big.s.misses, UINT64_MAX); /* not touched */
    brim_stats_get_sized(c, NULL, &big.s, sizeof big);
    ck_assert_uint_eq(big.s.size, sizeof(brim_stats));
    ck_assert_uint_eq(big.s.capacity, 100);
    for (int i = 0; i < 16; i++)
        ck_assert_uint_eq(big.more[i], 0);
    brim_stats_get_sized(c, NULL, &big.s, 0);
    ck_assert_uint_eq(big.s.capacity, 100);
    brim_stats_get_sized(c, NULL, NULL, sizeof big);
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("stats");

    tcase_add_test(tc, all_is_counted);
    tcase_add_test(tc, by_kind);
    tcase_add_test(tc, the_overhead_grows_as_the_heap);
    tcase_add_test(tc, each_counter_of_a_kind);
    tcase_add_test(tc, the_late_kinds);
    tcase_add_test(tc, what_waits);
    tcase_add_test(tc, loads_in_all_shards);
    tcase_add_test(tc, any_size_of_the_structure);
    return suite_run(tc);
}
