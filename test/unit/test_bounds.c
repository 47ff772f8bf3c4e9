/* SPDX-License-Identifier: MIT
 *
 * cache/bounds: the capacity, reservations, trimming, draining.
 */
#include "support/support.h"

static brim_cache *full(size_t n)
{
    brim_cache *c = make_value_cache(n);

    for (uint64_t key = 0; key < n; key++)
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    return c;
}

START_TEST(the_capacity_moves)
{
    brim_cache *c = full(100);
    brim_ref *r = brim_find(c, BRIM_KEY((uint64_t){3}));

    ck_assert_int_eq(brim_set_capacity(c, SIZE_MAX), BRIM_INVALID);
    ck_assert_int_eq(brim_set_capacity(NULL, 1), BRIM_INVALID);
    ck_assert_int_eq(brim_set_capacity(c, 40), BRIM_OK);
    ck_assert_uint_eq(brim_capacity(c), 40);
    ck_assert_uint_eq(brim_used(c), 40);
    ck_assert_int_eq(brim_set_capacity(c, 0), BRIM_FULL); /* one is held */
    ck_assert_uint_eq(brim_used(c), 1);
    ck_assert_int_eq(put(c, 3, 3, 0), BRIM_TOO_BIG);
    brim_release(r);
    ck_assert_int_eq(brim_set_capacity(c, 100), BRIM_OK);
    for (uint64_t key = 0; key < 100; key++)
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    ck_assert_uint_eq(brim_used(c), 100);
    finish(c);
}
END_TEST

START_TEST(reservations)
{
    brim_cache *c = full(100);
    brim_stats s;

    ck_assert_int_eq(brim_reserve(c, 30), BRIM_OK);
    ck_assert_uint_eq(brim_count(c), 70);
    ck_assert_uint_eq(brim_used(c), 100);
    brim_stats_get(c, &s);
    ck_assert_uint_eq(s.reserved, 30);
    ck_assert_int_eq(brim_reserve(c, 71), BRIM_FULL);
    ck_assert_int_eq(brim_reserve(c, SIZE_MAX), BRIM_FULL);
    ck_assert_int_eq(brim_reserve(c, 0), BRIM_OK);
    ck_assert(brim_check(c, stderr));
    brim_unreserve(c, 10);
    ck_assert_uint_le(brim_used(c), 90);
    brim_unreserve(c, 1000); /* no more than what is left */
    ck_assert_int_eq(brim_reserve(c, 100), BRIM_OK);
    ck_assert_int_eq(brim_reserve(c, 1), BRIM_FULL);
    brim_unreserve(c, 100);
    finish(c);
}
END_TEST

START_TEST(trimming)
{
    brim_cache *c = full(100);
    brim_kind other = value_kind;
    brim_entry_options o;
    brim_ref *r = brim_find(c, BRIM_KEY((uint64_t){3}));

    brim_entry_options_init(&o);
    o.kind = &other;
    ck_assert_uint_eq(brim_trim(c, 100), 0);
    ck_assert_uint_eq(brim_trim(c, 60), 40);
    ck_assert_uint_eq(brim_used(c), 60);
    for (uint64_t key = 200; key < 220; key++)
        ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(key), value_new(key, 1), 1, &o, NULL), BRIM_OK);
    ck_assert_uint_eq(brim_trim_kind(c, &other, 5), 15);
    ck_assert_uint_eq(brim_used(c), 65);
    ck_assert_uint_eq(brim_trim_kind(c, NULL, 0), 59); /* the default kind, but what is held */
    ck_assert_uint_eq(brim_used(c), 6);
    ck_assert_uint_eq(brim_trim(c, 0), 5);
    brim_release(r);
    finish(c);
}
END_TEST

static gate in_destructor;
static brim_cache *cache;
static brim_status inner;

static void stop_here(void *what, size_t cost, void *arg)
{
    (void)what;
    (void)cost;
    (void)arg;
    inner = brim_drain(cache, 0);
    gate_stop_here(&in_destructor);
}

static void remove_one(unsigned id, void *arg)
{
    (void)id;
    (void)arg;
    EXPECT(brim_remove(cache, "k", 1));
}

START_TEST(draining_waits_for_others)
{
    brim_kind kind = {.destroy = stop_here};
    brim_options o = value_options(10);
    crew c;

    o.kind = &kind;
    cache = make_cache(&o);
    gate_init(&in_destructor);
    ck_assert_int_eq(brim_drain(NULL, 0), BRIM_INVALID);
    ck_assert_int_eq(brim_drain(cache, 0), BRIM_OK);
    ck_assert_int_eq(brim_insert(cache, "k", 1, &kind, 1, NULL), BRIM_OK);
    crew_start(&c, 1, remove_one, NULL);
    gate_wait_reached(&in_destructor);
    ck_assert_int_eq(brim_drain(cache, 0), BRIM_TIMEOUT);
    ck_assert_int_eq(brim_drain(cache, 2), BRIM_TIMEOUT);
    gate_open(&in_destructor);
    ck_assert_int_eq(brim_drain(cache, -1), BRIM_OK);
    ck_assert_uint_eq(brim_used(cache), 0);
    ck_assert_int_eq(inner, BRIM_DEADLOCK);
    crew_join(&c);
    gate_destroy(&in_destructor);
    finish(cache);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("bounds");

    tcase_add_test(tc, the_capacity_moves);
    tcase_add_test(tc, reservations);
    tcase_add_test(tc, trimming);
    tcase_add_test(tc, draining_waits_for_others);
    return suite_run(tc);
}
