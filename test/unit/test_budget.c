/* SPDX-License-Identifier: MIT
 *
 * shard/budget: room is taken only while it suffices.
 */
#include "shard/budget.h"
#include "support/support.h"
#include "unit/interfere.h"

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

#ifdef BRIM_INTERFERE
/* ---- What another thread does in the midst of an operation, at each place */

static bool other_took;

static void take_60(void *arg)
{
    (void)arg;
    other_took = budget_take(&b, 60);
}

/* There is room for one of both, or for both. */
START_TEST(taken_while_it_is_taken)
{
    size_t capacity = _i == 0 ? 100 : 120;

    for (unsigned after = 0;; after++) {
        bool took;
        budget_init(&b, capacity);
        atom_interfere(after, take_60, NULL);
        took = budget_take(&b, 60);
        if (!atom_has_interfered()) {
            ck_assert(took);
            ck_assert_uint_ge(after, 2);
            break;
        }
        ck_assert(other_took);
        ck_assert_int_eq(took, capacity >= 120);
        ck_assert_uint_eq(budget_used(&b), took ? 120 : 60);
    }
}
END_TEST

static void lower_it(void *arg)
{
    size_t from = *(size_t *)arg;

    (void)budget_lower(&b, from, from - 10, 0); /* unless it is too late */
}

/* The capacity is another by then: nothing has changed, also if room was taken for a while. */
START_TEST(moved_while_it_moves)
{
    size_t used = _i % 2 == 0 ? 30 : 130, capacity = 100;
    bool up = _i < 2;

    for (unsigned after = 0;; after++) {
        bool moved;
        budget_init(&b, 200);
        ck_assert(budget_take(&b, used));
        ck_assert(budget_lower(&b, 200, capacity, 0));
        atom_interfere(after, lower_it, &capacity);
        moved = up ? budget_raise(&b, capacity, 150) : budget_lower(&b, capacity, 60, 0);
        if (!atom_has_interfered()) {
            ck_assert(moved);
            ck_assert_uint_ge(after, 2);
            break;
        }
        if (budget_capacity(&b) != capacity - 10)
            break; /* after it had moved */
        ck_assert(!moved);
        ck_assert_int_eq(budget_room(&b), (int64_t)(capacity - 10) - (int64_t)used);
        ck_assert_uint_eq(budget_used(&b), used);
    }
}
END_TEST

static struct { size_t capacity; int64_t room; } seen;

static void look(void *arg)
{
    (void)arg;
    seen.capacity = budget_capacity(&b);
    seen.room = budget_room(&b);
}

/* At every step there is no more room than the capacity that is told has: nobody can take too much. */
START_TEST(looked_at_while_it_moves)
{
    static const struct { size_t from, to, used; } moves[] = {
        {100, 150, 30}, {100, 150, 130}, {100, 150, 190}, {150, 100, 30}, {150, 100, 130}};
    size_t from = moves[_i].from, to = moves[_i].to, used = moves[_i].used;

    for (unsigned after = 0;; after++) {
        budget_init(&b, 200);
        ck_assert(budget_take(&b, used));
        ck_assert(budget_lower(&b, 200, from, 0));
        atom_interfere(after, look, NULL);
        ck_assert(from < to ? budget_raise(&b, from, to) : budget_lower(&b, from, to, 0));
        ck_assert_int_eq(budget_room(&b), (int64_t)to - (int64_t)used);
        if (!atom_has_interfered())
            break;
        ck_assert_int_le(seen.room, (int64_t)seen.capacity - (int64_t)used);
    }
    ck_assert_uint_eq(budget_used(&b), used);
}
END_TEST

static void raise_it(void *arg)
{
    (void)arg;
    ck_assert(budget_raise(&b, 100, 1000));
}

START_TEST(moved_while_it_is_looked_at)
{
    for (unsigned after = 0;; after++) {
        budget_init(&b, 100);
        ck_assert(budget_take(&b, 30));
        atom_interfere(after, raise_it, NULL);
        ck_assert_uint_eq(budget_used(&b), 30);
        if (!atom_has_interfered()) {
            ck_assert_uint_eq(after, 4);
            break;
        }
    }
}
END_TEST
#endif

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
#ifdef BRIM_INTERFERE
    tcase_add_loop_test(tc, taken_while_it_is_taken, 0, 2);
    tcase_add_loop_test(tc, moved_while_it_moves, 0, 4);
    tcase_add_loop_test(tc, looked_at_while_it_moves, 0, 5);
    tcase_add_test(tc, moved_while_it_is_looked_at);
#endif
    tcase_add_test(tc, never_more_than_there_is);
    return suite_run(tc);
}
