/* SPDX-License-Identifier: MIT
 *
 * G5: one limit over all shards; a value of any cost up to the capacity is admitted when refs and reservations leave room.
 */
#include "support/support.h"

enum { CAPACITY = 64000 };

static brim_cache *sharded(unsigned shards)
{
    brim_options o = value_options(CAPACITY);

    o.shards = shards;
    return make_cache(&o);
}

START_TEST(test_g05_an_entry_as_large_as_the_capacity)
{
    for (unsigned shards = 1; shards <= 64; shards *= 4) {
        brim_cache *c = sharded(shards);

        ck_assert_int_eq(put(c, 1, 1, CAPACITY), BRIM_OK);
        ck_assert_uint_eq(found_id(c, 1), 1);
        ck_assert_int_eq(put(c, 2, 2, CAPACITY), BRIM_OK);
        ck_assert_uint_eq(found_id(c, 2), 2);
        ck_assert(!has(c, 1));
        ck_assert_int_eq(put(c, 2, 3, CAPACITY), BRIM_OK);
        ck_assert_uint_eq(found_id(c, 2), 3);
        for (uint64_t i = 10; i < 5000; i++)
            ck_assert_int_eq(put(c, i, i, 1 + i % 100), BRIM_OK);
        ck_assert_int_eq(put(c, 3, 3, CAPACITY), BRIM_OK);
        ck_assert_uint_eq(brim_count(c), 1);
        ck_assert_uint_eq(found_id(c, 3), 3);
        finish(c);
    }
}
END_TEST

START_TEST(test_g05_all_that_is_not_held_can_go)
{
    brim_cache *c = sharded(64);
    brim_ref *held[10];

    for (uint64_t round = 0; round < (uint64_t)SCALED(20); round++) {
        for (uint64_t i = 0; i < 10; i++)
            ck_assert_int_eq(put_ref(c, 1000000 + i, i, 1000, &held[i]), BRIM_OK);
        ck_assert_int_eq(brim_reserve(c, 4000), BRIM_OK);
        for (uint64_t i = 0; i < 3000; i++)
            ck_assert_int_eq(put(c, i, i, 1 + (i * 7 + round) % 50), BRIM_OK);
        ck_assert_int_eq(put(c, 2000000, 1, CAPACITY - 14000 + 1), BRIM_FULL);
        ck_assert_int_eq(put(c, 2000000, 1, CAPACITY - 14000), BRIM_OK);
        ck_assert_uint_eq(found_id(c, 2000000), 1);
        ck_assert_uint_eq(brim_used(c), CAPACITY);
        brim_unreserve(c, 4000);
        for (uint64_t i = 0; i < 10; i++) {
            ck_assert_uint_eq(id_of(held[i]), i);
            brim_release(held[i]);
        }
    }
    finish(c);
}
END_TEST

START_TEST(test_g05_small_ones_never_get_full)
{
    brim_cache *c = sharded(64);

    for (uint64_t i = 0; i < (uint64_t)SCALED_ALONE(200000); i++)
        ck_assert_int_eq(put(c, i, i, 1 + i % 40), BRIM_OK);
    ck_assert_uint_gt(brim_used(c), CAPACITY / 2);
    finish(c);
}
END_TEST

/* ---- Large ones, while small ones race ---- */

static struct { brim_cache *cache; atomic_bool stop; atomic_ullong small_ok, small_full; } race;

static void race_role(unsigned id, void *arg)
{
    size_t large = *(size_t *)arg;
    uint64_t state = id + 5;

    if (id == 0) {
        for (uint64_t i = 0; i < (uint64_t)SCALED(60); i++) {
            brim_status s = put(race.cache, 1u << 30, i, large);
            unsigned long long small = atomic_load(&race.small_ok) + atomic_load(&race.small_full);

            EXPECT_MSG(s == BRIM_OK, "large insert %llu of %zu got %d", (unsigned long long)i, large, (int)s);
            while (atomic_load(&race.small_ok) + atomic_load(&race.small_full) < small + 20 && values_made() < 1000000)
                ;
        }
        atomic_store(&race.stop, true);
        return;
    }
    while (!atomic_load(&race.stop)) {
        uint64_t x = random_next(&state);
        brim_status s = put(race.cache, x % 4096, x, 1 + (x >> 32) % 64);

        EXPECT_MSG(s == BRIM_OK || s == BRIM_FULL, "small insert got %d", (int)s);
        atomic_fetch_add(s == BRIM_OK ? &race.small_ok : &race.small_full, 1);
    }
}

START_TEST(test_g05_a_large_one_is_admitted_while_small_ones_race)
{
    static const size_t sizes[] = { CAPACITY / 2, CAPACITY * 9 / 10, CAPACITY };
    size_t large = sizes[_i % 3];

    memset(&race, 0, sizeof race);
    race.cache = sharded(_i < 3 ? 64 : 1);
    crew_do(4, race_role, &large);
    ck_assert_uint_gt(atomic_load(&race.small_ok), 0);
    finish(race.cache);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("g05");

    tcase_add_test(tc, test_g05_an_entry_as_large_as_the_capacity);
    tcase_add_test(tc, test_g05_all_that_is_not_held_can_go);
    tcase_add_test(tc, test_g05_small_ones_never_get_full);
    tcase_add_loop_test(tc, test_g05_a_large_one_is_admitted_while_small_ones_race, 0, 6);
    return suite_run(tc);
}
