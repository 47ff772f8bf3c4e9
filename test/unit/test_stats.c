/* SPDX-License-Identifier: MIT
 *
 * cache/stats: what is counted, by all and by kind, in any size of the structure.
 */
#include "support/support.h"

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
    tcase_add_test(tc, any_size_of_the_structure);
    return suite_run(tc);
}
