/* SPDX-License-Identifier: MIT
 *
 * base/atom: each operation does what its name says; and tests may step in before any of them.
 */
#include "base/atom.h"
#include "support/support.h"

START_TEST(operations)
{
    ATOM(uint64_t) a;
    uint64_t old = 99;

    atom_store_relaxed(&a, 1);
    ck_assert_uint_eq(atom_load_relaxed(&a), 1);
    atom_store_release(&a, 2);
    ck_assert_uint_eq(atom_load_acquire(&a), 2);
    atom_store_seq_cst(&a, 3);
    ck_assert_uint_eq(atom_load_seq_cst(&a), 3);
    ck_assert_uint_eq(atom_add_relaxed(&a, 10), 3);
    ck_assert_uint_eq(atom_add_acq_rel(&a, 20), 13);
    ck_assert_uint_eq(atom_add_seq_cst(&a, 40), 33);
    ck_assert_uint_eq(atom_sub_relaxed(&a, 1), 73);
    ck_assert_uint_eq(atom_sub_release(&a, 2), 72);
    ck_assert_uint_eq(atom_sub_acq_rel(&a, 4), 70);
    ck_assert_uint_eq(atom_sub_seq_cst(&a, 2), 66);
    ck_assert_uint_eq(atom_or_relaxed(&a, 3), 64);
    ck_assert_uint_eq(atom_and_relaxed(&a, 65), 67);
    ck_assert_uint_eq(atom_exchange_acq_rel(&a, 5), 65);
    ck_assert_uint_eq(atom_exchange_seq_cst(&a, 6), 5);
    ck_assert(!atom_cas_relaxed(&a, &old, 7));
    ck_assert_uint_eq(old, 6);
    while (!atom_cas_relaxed(&a, &old, 7)) { /* a weak one may fail for no reason */
    }
    old = 7;
    while (!atom_cas_acq_rel(&a, &old, 8)) {
    }
    old = 8;
    while (!atom_cas_seq_cst(&a, &old, 9)) {
    }
    old = 8;
    ck_assert(!atom_cas_acq_rel(&a, &old, 10));
    ck_assert_uint_eq(old, 9);
    old = 8;
    ck_assert(!atom_cas_seq_cst(&a, &old, 10));
    ck_assert_uint_eq(atom_load_relaxed(&a), 9);
}
END_TEST

#ifdef BRIM_INTERFERE
static ATOM(uint64_t) word;
static unsigned acted;

static void set_hundred(void *arg)
{
    acted++;
    ck_assert_ptr_eq(arg, &acted);
    atom_store_relaxed(&word, 100); /* before this nobody steps in */
}

START_TEST(before_the_next_but_some)
{
    for (unsigned after = 0; after < 4; after++) {
        acted = 0;
        atom_store_relaxed(&word, 0);
        atom_interfere(after, set_hundred, &acted);
        for (unsigned i = 0; i < 3; i++) {
            ck_assert_uint_eq(atom_add_relaxed(&word, 1), i < after ? i : 100 + i - after);
            ck_assert_uint_eq(acted, i >= after);
        }
        ck_assert_int_eq(atom_has_interfered(), after < 3);
        ck_assert_uint_lt(atom_load_relaxed(&word), 104); /* it is forgotten */
        ck_assert_uint_eq(acted, after < 3);
    }
    ck_assert(atom_has_interfered()); /* nobody is to, any more */
}
END_TEST

static void touch(unsigned id, void *arg)
{
    (void)id;
    (void)arg;
    (void)atom_add_relaxed(&word, 1);
}

START_TEST(this_thread_alone)
{
    acted = 0;
    atom_interfere(0, set_hundred, &acted);
    crew_do(1, touch, NULL);
    ck_assert_uint_eq(acted, 0);
    touch(0, NULL);
    ck_assert_uint_eq(acted, 1);
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("atom");

    tcase_add_test(tc, operations);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, before_the_next_but_some);
    tcase_add_test(tc, this_thread_alone);
#endif
    return suite_run(tc);
}
