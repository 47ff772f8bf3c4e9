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

#ifdef BRIM_INTERFERE
/* Another drops meanwhile what it has: one of two, or the only one. */
static void drop_one(void *arg)
{
    ck_assert(tally_drop(&y, thread_self()) == *(bool *)arg);
}

START_TEST(dropped_while_it_is_added)
{
    struct thread *t = thread_self();
    bool only = _i == 1;

    for (unsigned after = 0;; after++) {
        bool added;
        tally_init(&y);
        tally_add(&y, t);
        if (!only)
            tally_add(&y, t);
        (void)tally_close(&y);
        atom_interfere(after, drop_one, &only);
        added = tally_try_add(&y, t);
        if (!atom_has_interfered()) {
            ck_assert(added);
            ck_assert_uint_ge(after, 3);
            break;
        }
        ck_assert_int_eq(added, !only);
        if (added) {
            ck_assert(!tally_drop(&y, t));
            ck_assert(tally_drop(&y, t));
        }
    }
}
END_TEST
#endif

static void add_and_adjust(struct thread *t, int n)
{
    for (int i = 0; i < n; i++) {
        tally_add(&y, t);
        tally_adjust(&y, t, 10);
    }
}

/* Threads with parts of their own, and all others, at the edges of their numbers. */
START_TEST(parts_by_number)
{
    static const unsigned numbers[] = {1, 2, TALLY_PARTS - 1, TALLY_PARTS, TALLY_PARTS + 1, 1000, 0};
    int n = (int)(sizeof numbers / sizeof numbers[0]);
    uint64_t own;

    tally_init(&y);
    for (int i = 0; i < n; i++) {
        struct thread t = {.number = numbers[i]};
        add_and_adjust(&t, i + 1);
        own = atom_load_relaxed(&y.part[numbers[i] < TALLY_PARTS ? numbers[i] : 0].n);
        ck_assert_uint_ge(own, (uint64_t)i + 1);
        if (i < 3)
            ck_assert_uint_eq(own, (uint64_t)i + 1);
    }
    ck_assert_uint_eq(atom_load_relaxed(&y.part[0].n), 4 + 5 + 6 + 7);
    ck_assert_uint_eq(atom_load_relaxed(&y.part[0].amount), 220);
    ck_assert_uint_eq(tally_count(&y), 28);
    ck_assert_uint_eq(tally_amount(&y), 280);
    atom_store_relaxed(&y.part[1].amount, (uint64_t)0 - 1000);
    ck_assert_uint_eq(tally_amount(&y), 0); /* seen by half */
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
    tcase_add_test(tc, parts_by_number);
#ifdef BRIM_INTERFERE
    tcase_add_loop_test(tc, dropped_while_it_is_added, 0, 2);
#endif
    tcase_add_test(tc, exactly_one_is_the_last);
    return suite_run(tc);
}
