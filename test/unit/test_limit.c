/* SPDX-License-Identifier: MIT
 *
 * shard/limit: the two sums after every event, and what may be taken from each.
 */
#include "shard/limit.h"
#include "support/support.h"

enum { CEILING = 100, FLOOR = 30 };

static struct limit l;
static struct entry e;

static void make(size_t floor, size_t ceiling)
{
    memset(&l, 0, sizeof l);
    limit_set(&l, floor, ceiling);
    limit_begin(&l, 0);
}

static struct entry *entry_costing(size_t cost)
{
    entry_init(&e, NULL, 0, NULL, cost);
    return &e;
}

/* With a ceiling. */
static void expect(size_t linked, size_t taken)
{
    size_t ceiling = atom_load_relaxed(&l.ceiling);

    ck_assert_uint_eq(atom_load_relaxed(&l.linked), linked);
    ck_assert_uint_eq(atom_load_relaxed(&l.room), (uint64_t)ceiling - taken);
}

START_TEST(taken_up_to_the_ceiling)
{
    make(0, CEILING);
    ck_assert(limit_counts(&l));
    ck_assert_uint_eq(limit_above(&l, CEILING), 0);
    ck_assert_uint_eq(limit_above(&l, CEILING + 1), 1);
    ck_assert(!limit_take(&l, CEILING + 1));
    ck_assert(limit_take(&l, 60));
    ck_assert_uint_eq(limit_above(&l, 40), 0);
    ck_assert_uint_eq(limit_above(&l, 45), 5);
    ck_assert(!limit_take(&l, 41));
    expect(0, 60);
    ck_assert(limit_take(&l, 40));
    ck_assert(limit_take(&l, 0));
    expect(0, CEILING);
    limit_give(&l, 30);
    expect(0, 70);
}
END_TEST

START_TEST(a_ceiling_may_be_lowered_below_what_is_taken)
{
    make(0, CEILING);
    ck_assert(limit_take(&l, 80));
    limit_set(&l, 0, 50);
    expect(0, 80);
    ck_assert_uint_eq(limit_above(&l, 0), 30);
    ck_assert_uint_eq(limit_above(&l, 5), 35);
    ck_assert(!limit_take(&l, 0));
    limit_give(&l, 30);
    ck_assert_uint_eq(limit_above(&l, 0), 0);
    ck_assert(limit_take(&l, 0));
    ck_assert(!limit_take(&l, 1));
    limit_set(&l, FLOOR, CEILING); /* up again: what is taken stays so */
    expect(0, 50);
    ck_assert_uint_eq(atom_load_relaxed(&l.floor), FLOOR);
    limit_set(&l, 0, 0);
    ck_assert(limit_take(&l, 1 << 30));
    limit_give(&l, 1 << 30);
    ck_assert_uint_eq(atom_load_relaxed(&l.room), LIMIT_NONE - 50);
    limit_set(&l, 0, CEILING);
    expect(0, 50);
}
END_TEST

START_TEST(begun_late_with_what_is_taken)
{
    memset(&l, 0, sizeof l);
    ck_assert(!limit_counts(&l));
    limit_join(&l, entry_costing(7));
    expect(0, 0);
    ck_assert(!(e.eviction & ENTRY_IN_LINKED));
    limit_adjust(&l, &e, 3, 0);
    limit_leave(&l, &e);
    expect(0, 0); /* nothing is counted yet */
    limit_set(&l, FLOOR, CEILING);
    limit_begin(&l, 40);
    ck_assert(limit_counts(&l));
    expect(0, 40);
    limit_adopt(&l, &e); /* it was there before */
    limit_adopt(&l, &e);
    expect(7, 40);
    ck_assert(e.eviction & ENTRY_IN_LINKED);
    memset(&l, 0, sizeof l);
    limit_begin(&l, 40); /* a floor alone */
    ck_assert_uint_eq(atom_load_relaxed(&l.room), LIMIT_NONE - 40);
}
END_TEST

START_TEST(the_sums_of_an_entrys_life)
{
    make(0, CEILING);
    ck_assert(limit_take(&l, 10));
    limit_join(&l, entry_costing(10));
    expect(10, 10);
    atom_store_relaxed(&e.cost, 15);
    ck_assert(limit_take(&l, 8));
    limit_adjust(&l, &e, 5, 8);
    expect(15, 15);
    atom_store_relaxed(&e.cost, 4);
    limit_adjust(&l, &e, (size_t)0 - 11, 0);
    expect(4, 4);
    limit_leave(&l, &e);
    expect(0, 4); /* the value is not destroyed yet */
    ck_assert(!(e.eviction & ENTRY_IN_LINKED));
    limit_leave(&l, &e);
    expect(0, 4);
    atom_store_relaxed(&e.cost, 6);
    limit_adjust(&l, &e, 2, 0);
    expect(0, 6);
    limit_give(&l, 6);
    expect(0, 0);
}
END_TEST

START_TEST(spared_down_to_the_floor)
{
    make(FLOOR, 0);
    ck_assert(!limit_spare(&l, 1));
    ck_assert(limit_take(&l, 50));
    limit_join(&l, entry_costing(50));
    ck_assert(!limit_spare(&l, 21));
    ck_assert(!limit_spare(&l, 51)); /* more than is linked: no wrap */
    ck_assert_uint_eq(atom_load_relaxed(&l.linked), 50);
    ck_assert(limit_spare(&l, 20));
    ck_assert_uint_eq(atom_load_relaxed(&l.linked), FLOOR);
    ck_assert(!limit_spare(&l, 1));
    ck_assert(limit_spare(&l, 0));
    limit_set(&l, 0, 0);
    ck_assert(limit_spare(&l, FLOOR));
    ck_assert(!limit_spare(&l, 1));
    ck_assert_uint_eq(atom_load_relaxed(&l.linked), 0);
}
END_TEST

#ifdef BRIM_INTERFERE
static void take_60(void *arg)
{
    (void)arg;
    ck_assert(limit_take(&l, 60));
}

static void spare_20(void *arg)
{
    (void)arg;
    ck_assert(limit_spare(&l, 20));
}

/* Another takes meanwhile: there is room for one of both, or for both. */
START_TEST(taken_while_it_is_taken)
{
    size_t ceiling = _i == 0 ? 100 : 120;

    for (unsigned after = 0;; after++) {
        bool took;
        make(0, ceiling);
        atom_interfere(after, take_60, NULL);
        took = limit_take(&l, 60);
        if (!atom_has_interfered()) {
            ck_assert_uint_ge(after, 2);
            break;
        }
        ck_assert_int_eq(took, ceiling == 120);
        expect(0, took ? 120 : 60);
    }
}
END_TEST

START_TEST(spared_while_it_is_spared)
{
    size_t linked = _i == 0 ? FLOOR + 30 : FLOOR + 40;

    for (unsigned after = 0;; after++) {
        bool spared;
        make(FLOOR, CEILING);
        limit_adopt(&l, entry_costing(linked));
        atom_interfere(after, spare_20, NULL);
        spared = limit_spare(&l, 20);
        if (!atom_has_interfered()) {
            ck_assert_uint_ge(after, 3);
            break;
        }
        ck_assert_int_eq(spared, _i == 1);
        expect(linked - (spared ? 40 : 20), 0);
    }
}
END_TEST
#endif

static atomic_size_t out;

static void take_and_give(unsigned id, void *arg)
{
    (void)arg;
    for (int i = 0; i < SCALED(20000); i++) {
        size_t n = 20 + id;

        if (!limit_take(&l, n))
            continue;
        EXPECT(atomic_fetch_add(&out, n) + n <= CEILING);
        atomic_fetch_sub(&out, n);
        limit_give(&l, n);
    }
}

static void spare_and_join(unsigned id, void *arg)
{
    (void)arg;
    for (int i = 0; i < SCALED(20000); i++) {
        if (!limit_spare(&l, 5 + id))
            continue;
        EXPECT(atom_load_relaxed(&l.linked) >= FLOOR);
        (void)atom_add_relaxed(&l.linked, (uint64_t)5 + id);
    }
}

START_TEST(threads_never_pass_a_limit)
{
    make(FLOOR, CEILING);
    crew_do(6, take_and_give, NULL);
    expect(0, 0);
    limit_adopt(&l, entry_costing(50));
    crew_do(4, spare_and_join, NULL);
    expect(50, 0);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("limit");

    tcase_add_test(tc, taken_up_to_the_ceiling);
    tcase_add_test(tc, a_ceiling_may_be_lowered_below_what_is_taken);
    tcase_add_test(tc, begun_late_with_what_is_taken);
    tcase_add_test(tc, the_sums_of_an_entrys_life);
    tcase_add_test(tc, spared_down_to_the_floor);
#ifdef BRIM_INTERFERE
    tcase_add_loop_test(tc, taken_while_it_is_taken, 0, 2);
    tcase_add_loop_test(tc, spared_while_it_is_spared, 0, 2);
#endif
    tcase_add_test(tc, threads_never_pass_a_limit);
    return suite_run(tc);
}
