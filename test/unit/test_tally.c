/* SPDX-License-Identifier: MIT
 *
 * part/tally: once closed, its way to zero is seen exactly once.
 */
#include "part/tally.h"
#include "support/support.h"

enum { ROUNDS = 300, THREADS = 4, THINGS = 50 };

static struct tally y;

START_TEST(it_counts_and_sums)
{
    struct thread *t = thread_self(), other = {.number = t->number + 1};

    tally_init(&y);
    tally_add(&y, t);
    tally_add(&y, t);
    tally_adjust(&y, t, 100);
    tally_adjust(&y, &other, (size_t)0 - 5);
    ck_assert_uint_eq(tally_count(&y), 2);
    ck_assert_uint_eq(tally_amount(&y), 95);
    ck_assert(!tally_drop(&y, t));
    ck_assert(!tally_drop(&y, t)); /* zero, but not closed */
    ck_assert_uint_eq(tally_count(&y), 0);
    ck_assert_uint_eq(tally_amount(&y), 95);
}
END_TEST

START_TEST(closing_at_zero_says_so)
{
    struct thread *t = thread_self();

    tally_init(&y);
    tally_add(&y, t);
    (void)tally_drop(&y, t);
    ck_assert(tally_close(&y));
}
END_TEST

START_TEST(the_last_drop_says_so)
{
    struct thread *t = thread_self();

    tally_init(&y);
    tally_add(&y, t);
    tally_add(&y, t);
    ck_assert(!tally_close(&y));
    ck_assert(!tally_drop(&y, t));
    tally_add(&y, t); /* still possible: one is alive */
    ck_assert(!tally_drop(&y, t));
    ck_assert(tally_drop(&y, t));
}
END_TEST

START_TEST(nothing_is_added_to_what_has_ended)
{
    struct thread *t = thread_self();

    tally_init(&y);
    section_enter(t);
    ck_assert(tally_try_add(&y, t));
    section_leave(t);
    ck_assert_uint_eq(tally_count(&y), 1);
    ck_assert(!tally_close(&y));
    section_enter(t);
    ck_assert(tally_try_add(&y, t));
    section_leave(t);
    ck_assert(!tally_drop(&y, t));
    ck_assert(tally_drop(&y, t));
    section_enter(t);
    ck_assert(!tally_try_add(&y, t));
    ck_assert(!tally_try_add(&y, t));
    section_leave(t);
}
END_TEST

static atomic_uint lasts;

/* Thread 0 closes; each has one thing from the start and gives it back in the end. */
static void come_and_go(unsigned id, void *arg)
{
    struct thread *t = thread_self();

    (void)arg;
    for (int i = 0; i < THINGS; i++) {
        tally_add(&y, t);
        if (id == 0 && i == THINGS / 4)
            EXPECT(!tally_close(&y));
        EXPECT(!tally_drop(&y, t));
    }
    atomic_fetch_add(&lasts, tally_drop(&y, t));
}

START_TEST(exactly_one_is_the_last)
{
    for (int round = 0; round < SCALED(ROUNDS); round++) {
        tally_init(&y);
        for (int i = 0; i < THREADS; i++)
            tally_add(&y, thread_self());
        atomic_store(&lasts, 0);
        crew_do(THREADS, come_and_go, NULL);
        ck_assert_uint_eq(atomic_load(&lasts), 1);
    }
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("tally");

    tcase_add_test(tc, it_counts_and_sums);
    tcase_add_test(tc, closing_at_zero_says_so);
    tcase_add_test(tc, the_last_drop_says_so);
    tcase_add_test(tc, nothing_is_added_to_what_has_ended);
    tcase_add_test(tc, exactly_one_is_the_last);
    return suite_run(tc);
}
