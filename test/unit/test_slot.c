/* SPDX-License-Identifier: MIT
 *
 * entry/slot: one word that owns a key count.
 */
#include "entry/slot.h"
#include "support/support.h"

static void make(struct entry *e, unsigned keys)
{
    entry_init(e, NULL, 0, NULL, 1);
    entry_publish(e, 0, keys);
}

static uint64_t keys_of(const struct entry *e)
{
    return atom_load_relaxed(&((struct entry *)(uintptr_t)e)->state) / STATE_KEY & STATE_COUNT_MASK;
}

START_TEST(counts_go_with_the_word)
{
    struct slot s = {{NULL}};
    struct entry a, b;

    make(&a, 1);
    make(&b, 1);
    ck_assert_ptr_null(slot_load_key(&s));
    ck_assert_ptr_null(slot_peek(&s));
    ck_assert_ptr_null(slot_exchange(&s, &a));
    ck_assert_uint_eq(keys_of(&a), 1); /* now the slot's */
    ck_assert_ptr_eq(slot_peek(&s), &a);
    ck_assert_uint_eq(keys_of(&a), 1);
    ck_assert_ptr_eq(slot_load_key(&s), &a);
    ck_assert_uint_eq(keys_of(&a), 2);
    ck_assert_ptr_eq(slot_exchange(&s, &b), &a);
    ck_assert_uint_eq(keys_of(&a), 2);
}
END_TEST

START_TEST(compare_exchange)
{
    struct slot s = {{NULL}};
    struct entry a, b;

    make(&a, 1);
    make(&b, 1);
    ck_assert(!slot_compare_exchange(&s, &b, &a));
    ck_assert_ptr_null(slot_peek(&s));
    ck_assert(slot_compare_exchange(&s, NULL, &a));
    ck_assert(!slot_compare_exchange(&s, NULL, &b));
    ck_assert_ptr_eq(slot_peek(&s), &a);
    ck_assert(slot_compare_exchange(&s, &a, &b));
    ck_assert_ptr_eq(slot_peek(&s), &b);
    ck_assert(slot_compare_exchange(&s, &b, NULL));
    ck_assert_ptr_null(slot_peek(&s));
    ck_assert_uint_eq(keys_of(&a) + keys_of(&b), 2);
}
END_TEST

#ifdef BRIM_INTERFERE
static struct slot place;

static void fill(void *e)
{
    atom_store_release(&place.entry, e);
}

/* What is found in the slot is freed, and has been taken from it since: by another, or by none. */
START_TEST(taken_while_it_is_loaded)
{
    struct entry a, b;

    for (int round = 0; round < 2; round++) {
        struct entry *other = round == 0 ? &b : NULL;
        make(&a, 1);
        make(&b, 1);
        ck_assert(entry_try_evict(&a));
        ck_assert(!entry_drop_key(&a));
        ck_assert(entry_drop_key(&a));
        fill(&a);
        atom_interfere(1, fill, other); /* after the look at the slot */
        ck_assert_ptr_eq(slot_load_key(&place), other);
        ck_assert(atom_has_interfered());
        ck_assert_uint_eq(keys_of(&a), 0);
        ck_assert_uint_eq(keys_of(&b), round == 0 ? 2 : 1);
    }
}
END_TEST

START_TEST(changed_while_it_is_compared)
{
    struct entry a, b;

    make(&a, 1);
    make(&b, 1);
    fill(&a);
    atom_interfere(1, fill, &b);
    ck_assert(!slot_compare_exchange(&place, &a, NULL));
    ck_assert(atom_has_interfered());
    ck_assert_ptr_eq(slot_peek(&place), &b);
}
END_TEST
#endif

/* One puts entries that have died, whose only count is the slot's; the others load, and may be the last to drop. */
enum { ENTRIES = 20000, LOADERS = 3 };

static struct entry entries[ENTRIES];
static atomic_int freed[ENTRIES];
static struct slot shared;
static atomic_bool done;

static void drop(struct entry *e)
{
    if (e != NULL && entry_drop_key(e))
        atomic_fetch_add(&freed[e - entries], 1);
}

static void run(unsigned id, void *arg)
{
    (void)arg;
    if (id == 0) {
        for (int i = 0; i < SCALED(ENTRIES); i++)
            drop(slot_exchange(&shared, &entries[i]));
        drop(slot_exchange(&shared, NULL));
        atomic_store(&done, true);
        return;
    }
    while (!atomic_load(&done)) {
        struct entry *e = slot_load_key(&shared);
        EXPECT(e == NULL || atomic_load(&freed[e - entries]) == 0);
        drop(e);
    }
}

START_TEST(each_is_freed_once)
{
    for (int i = 0; i < SCALED(ENTRIES); i++) {
        make(&entries[i], 1);
        ck_assert(entry_try_evict(&entries[i]));
        ck_assert(!entry_drop_key(&entries[i])); /* the destroyer's */
        atomic_store(&freed[i], 0);
    }
    atomic_store(&done, false);
    crew_do(LOADERS + 1, run, NULL);
    for (int i = 0; i < SCALED(ENTRIES); i++)
        ck_assert_int_eq(atomic_load(&freed[i]), 1);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("slot");

    tcase_add_test(tc, counts_go_with_the_word);
    tcase_add_test(tc, compare_exchange);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, taken_while_it_is_loaded);
    tcase_add_test(tc, changed_while_it_is_compared);
#endif
    tcase_add_test(tc, each_is_freed_once);
    return suite_run(tc);
}
