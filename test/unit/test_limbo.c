/* SPDX-License-Identifier: MIT
 *
 * cache/limbo: what waits goes when the sections that were open when it left have ended, and no later.
 */
#include "base/clock.h"
#include "cache/limbo.h"
#include "support/support.h"
#include "unit/interfere.h"

enum { ITEMS = 4, READERS = 3 };

static struct {
    _Alignas(16) struct entry e;
    unsigned char key[16];
} items[ITEMS];

static heap h;
static struct stripes s;
static struct limbo l;
static struct stripe *at[READERS]; /* 0 is nobody's */

static void make(void)
{
    heap_init(&h);
    memset(&s, 0, sizeof s);
    memset(&l, 0, sizeof l);
    ck_assert(stripes_init(&s, &h.allocator));
    ck_assert(limbo_init(&l));
    for (unsigned i = 0; i < READERS; i++) {
        struct thread t = {.number = i};
        at[i] = stripe_of(&s, &t);
    }
}

static void unmake(void)
{
    ck_assert_uint_eq(limbo_count(&l), 0);
    ck_assert_uint_eq(limbo_charge(&l), 0);
    ck_assert(limbo_is_quiet(&s));
    limbo_destroy(&l);
    stripes_destroy(&s);
    ck_assert_uint_eq(h.blocks, 0);
}

static void enter(unsigned reader)
{
    epoch_enter(&l.values, &at[reader]->section);
}

static void leave(unsigned reader)
{
    epoch_leave_seen(&at[reader]->section);
}

/* Item ${i} has left, at a charge of 10 ${i} + 1. */
static void push(unsigned i)
{
    entry_init(&items[i].e, "key", 3, NULL, 10 * i + 1);
    items[i].e.kind_flags = 0;
    limbo_push(&l, &items[i].e);
}

/* The items taken, in their order, as digits. */
static unsigned take(void)
{
    struct entry_list out = {NULL, NULL};
    uint64_t dying = atom_load_relaxed(&at[1]->dying);
    struct entry *e;
    unsigned n = 0, taken = 0;

    limbo_take(&l, &s, at[1], &out);
    for (; (e = entry_list_pop(&out)) != NULL; n++)
        taken = taken * 10 + (unsigned)entry_cost(e) / 10;
    ck_assert_uint_eq(atom_load_relaxed(&at[1]->dying), dying + n);
    return taken;
}

static uint64_t now(void)
{
    return atom_load_relaxed(&l.values.now);
}

static void let_time_pass(void)
{
    uint64_t began = clock_now();

    while (clock_now() == began) {
    }
}

START_TEST(without_sections_all_goes)
{
    struct entry_list out = {NULL, NULL};
    uint64_t began;

    make();
    began = now();
    ck_assert_uint_eq(began, 1); /* 0 is no section */
    limbo_take(&l, &s, at[1], &out);
    ck_assert_ptr_null(out.head);
    ck_assert_uint_eq(now(), began); /* an empty one costs nothing */
    push(1);
    push(3);
    push(2);
    ck_assert_uint_eq(limbo_count(&l), 3);
    ck_assert_uint_eq(limbo_charge(&l), 63);
    ck_assert_uint_eq(take(), 132);
    unmake();
}
END_TEST

START_TEST(a_section_keeps_what_left_since)
{
    uint64_t looked;

    make();
    enter(1);
    push(1);
    ck_assert(!limbo_is_quiet(&s));
    ck_assert_uint_eq(take(), 0);
    looked = now();
    ck_assert_uint_eq(take(), 0);
    ck_assert_uint_eq(now(), looked); /* the section in the way is there still: nobody looks */
    ck_assert_uint_eq(limbo_count(&l), 1);
    enter(2); /* later: it cannot have found it */
    leave(1);
    ck_assert_uint_eq(take(), 1);
    leave(2);
    unmake();
}
END_TEST

START_TEST(the_young_wait_for_younger_sections)
{
    make();
    enter(1);
    push(1);
    ck_assert_uint_eq(take(), 0);
    enter(2);
    push(2);
    ck_assert_uint_eq(l.old.count, 1);
    ck_assert_uint_eq(l.young.count, 1);
    ck_assert_uint_eq(take(), 0);
    leave(1);
    ck_assert_uint_eq(take(), 1); /* in the step of whose look the young one is not old yet */
    ck_assert_uint_eq(l.young.count, 1);
    ck_assert_uint_eq(take(), 0);
    ck_assert_uint_eq(l.old.count, 1);
    leave(2);
    ck_assert_uint_eq(take(), 2);
    unmake();
}
END_TEST

START_TEST(both_batches_at_once)
{
    make();
    enter(1);
    push(3);
    ck_assert_uint_eq(take(), 0);
    push(1);
    push(2);
    ck_assert_uint_eq(take(), 0);
    leave(1);
    ck_assert_uint_eq(take(), 312);
    unmake();
}
END_TEST

START_TEST(a_refresh_lets_go)
{
    uint64_t began;

    make();
    enter(1);
    began = now();
    limbo_refresh(&l, &at[1]->section);
    ck_assert_uint_eq(now(), began); /* nothing waits */
    push(1);
    limbo_refresh(&l, &at[1]->section);
    ck_assert_uint_eq(now(), began + 1);
    limbo_refresh(&l, &at[1]->section); /* it is later than what waits already */
    ck_assert_uint_eq(now(), began + 1);
    ck_assert_uint_eq(take(), 1);
    began = now();
    limbo_refresh(&l, &at[1]->section);
    ck_assert_uint_eq(now(), began);
    ck_assert(!limbo_is_quiet(&s));
    push(2);
    ck_assert_uint_eq(take(), 0);
    enter(2);
    push(3);
    limbo_refresh(&l, &at[1]->section);
    ck_assert_uint_eq(take(), 2); /* the old batch; the other section may have what left since it began */
    leave(2);
    ck_assert_uint_eq(take(), 3);
    leave(1);
    unmake();
}
END_TEST

START_TEST(what_is_uncharged_is_counted)
{
    make();
    enter(1);
    entry_init(&items[2].e, "key", 3, NULL, 21);
    items[2].e.kind_flags = ENTRY_UNCHARGED;
    limbo_push(&l, &items[2].e);
    ck_assert_uint_eq(limbo_count(&l), 1);
    ck_assert_uint_eq(limbo_charge(&l), 0);
    push(1);
    ck_assert_uint_eq(limbo_charge(&l), 11);
    leave(1);
    ck_assert_uint_eq(take(), 21);
    unmake();
}
END_TEST

START_TEST(marks_pass_in_order)
{
    uint64_t none, first;

    make();
    none = limbo_mark(&l);
    ck_assert(limbo_is_past(&l, none));
    enter(1);
    push(1);
    first = limbo_mark(&l);
    ck_assert(limbo_is_past(&l, none));
    ck_assert(!limbo_is_past(&l, first));
    ck_assert_uint_eq(take(), 0);
    ck_assert(!limbo_is_past(&l, first));
    enter(2);
    push(2);
    leave(1);
    ck_assert_uint_eq(take(), 1);
    ck_assert(limbo_is_past(&l, first)); /* what came later does not matter */
    ck_assert(!limbo_is_past(&l, limbo_mark(&l)));
    leave(2);
    ck_assert_uint_eq(take(), 2);
    ck_assert(limbo_is_past(&l, limbo_mark(&l)));
    unmake();
}
END_TEST

START_TEST(since_when_something_waits)
{
    uint64_t before = clock_now(), since;

    make();
    enter(1);
    push(1);
    since = atom_load_relaxed(&l.since);
    ck_assert_uint_ge(since, before);
    ck_assert_uint_le(since, clock_now());
    let_time_pass();
    push(2);
    ck_assert_uint_eq(atom_load_relaxed(&l.since), since);
    leave(1);
    ck_assert_uint_eq(take(), 12);
    push(3);
    ck_assert_uint_gt(atom_load_relaxed(&l.since), since);
    ck_assert_uint_eq(take(), 3);
    unmake();
}
END_TEST

/* Two batches: the older one says since when, while it waits; then the younger. */
START_TEST(since_when_the_oldest_waits)
{
    uint64_t first, second;

    make();
    enter(1);
    push(1);
    first = atom_load_relaxed(&l.since);
    ck_assert_uint_eq(take(), 0); /* it is old now */
    ck_assert_uint_eq(atom_load_relaxed(&l.since), first);
    let_time_pass();
    enter(2);
    push(2);
    ck_assert_uint_eq(atom_load_relaxed(&l.since), first);
    second = l.young.since;
    ck_assert_uint_gt(second, first);
    leave(1);
    ck_assert_uint_eq(take(), 1);
    ck_assert_uint_eq(atom_load_relaxed(&l.since), second);
    leave(2);
    ck_assert_uint_eq(take(), 2);
    unmake();
}
END_TEST

static void push_kind(unsigned i, unsigned kind, unsigned flags)
{
    entry_init(&items[i].e, "key", 3, NULL, 10 * i + 1);
    items[i].e.kind_flags = kind << 8 | flags;
    limbo_push(&l, &items[i].e);
}

START_TEST(the_charge_of_a_kind)
{
    make();
    ck_assert_uint_eq(limbo_charge_of(&l, 7), 0);
    enter(1);
    push_kind(0, 7, 0);
    push_kind(1, 8, 0);
    ck_assert_uint_eq(take(), 0); /* these are old, */
    ck_assert_uint_eq(limbo_charge_of(&l, 7), 1);
    push_kind(2, 7, ENTRY_UNCHARGED);
    push_kind(3, 7, 0); /* and those young */
    ck_assert_uint_eq(limbo_charge_of(&l, 7), 32);
    ck_assert_uint_eq(limbo_charge_of(&l, 8), 11);
    ck_assert_uint_eq(limbo_charge_of(&l, 0), 0);
    leave(1);
    ck_assert_uint_eq(take(), 123);
    ck_assert_uint_eq(limbo_charge_of(&l, 7), 0);
    unmake();
}
END_TEST

#ifdef BRIM_INTERFERE
static void count_at_nobodys(void *arg)
{
    (void)arg;
    (void)atom_add_relaxed(&at[0]->dying, 100);
}

/* Threads without a stripe of their own count at one place: nothing is lost. */
START_TEST(counted_at_a_shared_place)
{
    bool go_on = true;

    for (unsigned after = 0; go_on; after++) {
        struct entry_list out = {NULL, NULL};
        make();
        push(1);
        atom_interfere(after, count_at_nobodys, NULL);
        limbo_take(&l, &s, at[0], &out);
        go_on = atom_has_interfered();
        ck_assert_ptr_eq(out.head, &items[1].e);
        ck_assert_uint_eq(atom_load_relaxed(&at[0]->dying), go_on ? 101 : 1);
        unmake();
    }
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("limbo");

    tcase_add_test(tc, without_sections_all_goes);
    tcase_add_test(tc, a_section_keeps_what_left_since);
    tcase_add_test(tc, the_young_wait_for_younger_sections);
    tcase_add_test(tc, both_batches_at_once);
    tcase_add_test(tc, a_refresh_lets_go);
    tcase_add_test(tc, what_is_uncharged_is_counted);
    tcase_add_test(tc, marks_pass_in_order);
    tcase_add_test(tc, since_when_something_waits);
    tcase_add_test(tc, since_when_the_oldest_waits);
    tcase_add_test(tc, the_charge_of_a_kind);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, counted_at_a_shared_place);
#endif
    return suite_run(tc);
}
