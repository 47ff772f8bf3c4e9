/* SPDX-License-Identifier: MIT
 *
 * part/window: who closes the gate waits for windows, and keeps others out until the last one opens it.
 */
#include <sched.h>

#include "part/window.h"
#include "support/support.h"
#include "unit/interfere.h"

enum { ROUNDS = 4000, THREADS = 4 };

static struct {
    gate inside;
    atomic_bool leaving, closed;
} open_window;

static void stay_inside(unsigned id, void *arg)
{
    struct thread *t = thread_self();

    (void)id;
    (void)arg;
    window_open(t);
    gate_stop_here(&open_window.inside);
    atomic_store(&open_window.leaving, true);
    window_close(t);
}

static void close_gate(unsigned id, void *arg)
{
    (void)id;
    (void)arg;
    window_close_gate();
    EXPECT(atomic_load(&open_window.leaving));
    atomic_store(&open_window.closed, true);
    window_open_gate();
}

START_TEST(an_open_window_is_waited_for)
{
    crew inside, closes;

    atomic_store(&open_window.leaving, false);
    atomic_store(&open_window.closed, false);
    gate_init(&open_window.inside);
    crew_start(&inside, 1, stay_inside, NULL);
    gate_wait_reached(&open_window.inside);
    crew_start(&closes, 1, close_gate, NULL);
    while (atom_load_relaxed(&window_gate.closed) == 0 && !atomic_load(&open_window.closed))
        sched_yield();
    gate_open(&open_window.inside);
    crew_join(&inside);
    crew_join(&closes);
    gate_destroy(&open_window.inside);
    ck_assert_uint_eq(atom_load_relaxed(&window_gate.closed), 0);
}
END_TEST

/* What a window guards: both change, or neither. */
static struct {
    atomic_uint a[THREADS], b[THREADS];
    atomic_uint closing;
} words;

static void change_or_look(unsigned id, void *arg)
{
    struct thread *t = thread_self();

    (void)arg;
    for (int i = 0; i < SCALED(ROUNDS); i++) {
        window_open(t);
        EXPECT(atomic_load(&words.closing) == 0);
        atomic_fetch_add_explicit(&words.a[id], 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&words.b[id], 1, memory_order_relaxed);
        window_close(t);
        if (i % 64 != 0)
            continue;
        window_close_gate();
        atomic_fetch_add(&words.closing, 1);
        for (int w = 0; w < THREADS; w++)
            EXPECT(atomic_load(&words.a[w]) == atomic_load(&words.b[w]));
        atomic_fetch_sub(&words.closing, 1);
        window_open_gate();
    }
}

START_TEST(nobody_is_in_one_while_the_gate_is_closed)
{
    memset(&words, 0, sizeof words);
    crew_do(THREADS, change_or_look, NULL);
    for (int w = 0; w < THREADS; w++)
        ck_assert_uint_eq(atomic_load(&words.a[w]), SCALED(ROUNDS));
}
END_TEST

#ifdef BRIM_INTERFERE
static unsigned opens_left;

/* One of those who closed the gate, then, a little later, the other. */
static void open_gate(void *arg)
{
    window_open_gate();
    if (--opens_left > 0)
        atom_interfere(5, open_gate, arg);
}

/* However late the gate is opened: until then nobody is in. */
START_TEST(a_closed_gate_keeps_out)
{
    struct thread *t = thread_self();

    for (unsigned after = 1; after < 60; after++) {
        opens_left = 2;
        window_close_gate();
        window_close_gate();
        atom_interfere(after, open_gate, NULL);
        window_open(t);
        ck_assert(after < 5 || atom_has_interfered());
        ck_assert_uint_eq(opens_left, 0);
        ck_assert_uint_eq(atom_load_relaxed(&window_gate.closed), 0);
        ck_assert_uint_ne(epoch_entered(&t->reader), EPOCH_NONE);
        window_close(t);
        ck_assert_uint_eq(epoch_entered(&t->reader), EPOCH_NONE);
    }
}
END_TEST

static bool outside_seen;

static void look_and_open(void *arg)
{
    struct thread *t = arg;

    outside_seen |= epoch_entered(&t->reader) == EPOCH_NONE;
    window_open_gate();
}

/* Who waits before it is not in a section meanwhile, or a fork would wait for ever. */
START_TEST(who_is_kept_out_is_outside)
{
    struct thread *t = thread_self();

    for (unsigned after = 4; after < 30; after++) {
        window_close_gate();
        atom_interfere(after, look_and_open, t);
        window_open(t);
        ck_assert(atom_has_interfered());
        window_close(t);
    }
    ck_assert(outside_seen);
}
END_TEST

static void open_and_close(void *arg)
{
    window_open(arg);
    window_close(arg);
}

static void enter_and_leave(void *arg)
{
    section_enter(arg);
    section_leave(arg);
}

START_TEST(an_open_gate_costs_a_look)
{
    ck_assert_uint_eq(operations_of(open_and_close, thread_self()), operations_of(enter_and_leave, thread_self()) + 1);
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("window");

    tcase_add_test(tc, an_open_window_is_waited_for);
    tcase_add_test(tc, nobody_is_in_one_while_the_gate_is_closed);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, a_closed_gate_keeps_out);
    tcase_add_test(tc, who_is_kept_out_is_outside);
    tcase_add_test(tc, an_open_gate_costs_a_look);
#endif
    return suite_run(tc);
}
