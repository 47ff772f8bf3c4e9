/* SPDX-License-Identifier: MIT
 *
 * shard/budget: room is taken only while it suffices.
 */
#include "shard/budget.h"
#include "support/support.h"

static struct budget b;

START_TEST(take_and_give)
{
    budget_init(&b, 100);
    ck_assert(budget_take(&b, 60));
    ck_assert(!budget_take(&b, 41));
    ck_assert_uint_eq(budget_used(&b), 60);
    ck_assert(budget_take(&b, 40));
    ck_assert(budget_take(&b, 0));
    ck_assert(!budget_take(&b, 1));
    budget_give(&b, 100);
    ck_assert_int_eq(budget_room(&b), 100);
    ck_assert(!budget_take(&b, SIZE_MAX / 2));
    ck_assert_uint_eq(budget_used(&b), 0);
}
END_TEST

START_TEST(the_capacity_moves)
{
    budget_init(&b, 100);
    ck_assert(!budget_raise(&b, 99, 200));
    ck_assert(!budget_lower(&b, 101, 50, 0));
    ck_assert_uint_eq(budget_capacity(&b), 100);
    ck_assert(budget_raise(&b, 100, 150));
    ck_assert_int_eq(budget_room(&b), 150);
    ck_assert(budget_take(&b, 100));
    ck_assert(budget_lower(&b, 150, 50, 0)); /* below what is used */
    ck_assert_int_eq(budget_room(&b), -50);
    ck_assert_uint_eq(budget_used(&b), 100);
    ck_assert(!budget_take(&b, 1));
    ck_assert(!budget_take(&b, 0));
    budget_give(&b, 60);
    ck_assert_int_eq(budget_room(&b), 10);
    ck_assert(budget_take(&b, 10));
    ck_assert(budget_lower(&b, 50, 40, 10)); /* what was taken before is used up */
    ck_assert_int_eq(budget_room(&b), 0);
    ck_assert_uint_eq(budget_used(&b), 40);
}
END_TEST

enum { TURNS = 40000 };

static void turn(unsigned id, void *arg)
{
    uint64_t state = id + 1, have = 0;

    (void)arg;
    for (int i = 0; i < SCALED(TURNS); i++) {
        size_t n = random_next(&state) >> 60;

        if (id == 0) { /* moves the capacity, by what it has taken: nobody may see more used than there is */
            size_t now = budget_capacity(&b);
            if (i % 2 == 0)
                EXPECT(budget_raise(&b, now, now + 10));
            else if (budget_take(&b, 10))
                EXPECT(budget_lower(&b, now, now - 10, 10));
        } else if (have > 0 && n < 8) {
            budget_give(&b, have);
            have = 0;
        } else if (budget_take(&b, n)) {
            have += n;
        }
        EXPECT(budget_room(&b) >= 0);
    }
    budget_give(&b, have);
}

START_TEST(never_more_than_there_is)
{
    budget_init(&b, 40);
    crew_do(4, turn, NULL);
    ck_assert_uint_eq(budget_used(&b), 0);
    ck_assert_uint_ge(budget_capacity(&b), 40);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("budget");

    tcase_add_test(tc, take_and_give);
    tcase_add_test(tc, the_capacity_moves);
    tcase_add_test(tc, never_more_than_there_is);
    return suite_run(tc);
}
