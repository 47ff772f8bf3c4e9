/* SPDX-License-Identifier: MIT
 *
 * part/epoch: a stamp passes once every section that began before it has ended.
 */
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "part/epoch.h"
#include "part/membarrier.h"
#include "part/thread.h"
#include "support/support.h"
#include "unit/interfere.h"

/* In place of the library's: barriers are counted, and refused when a test wants it. */
static struct { bool refused; unsigned asked; } barriers;

static bool membarrier(int command)
{
    return !barriers.refused && syscall(SYS_membarrier, command, 0, 0) == 0;
}

bool membarrier_register(void)
{
    return membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
}

bool membarrier_all(void)
{
    barriers.asked++;
    return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

struct domain {
    struct epoch d;
    struct thread a, b, overflow;
};

static void domain_init(struct domain *m)
{
    memset(m, 0, sizeof *m);
    memset(&barriers, 0, sizeof barriers);
    atom_store_relaxed(&m->d.now, 7);
    m->overflow.reader.shared = true;
    m->a.next = &m->b;
    m->b.next = &m->overflow;
    atom_store_relaxed(&m->d.threads, &m->a);
}

START_TEST(only_older_sections_count)
{
    struct domain m;
    uint64_t stamp;

    domain_init(&m);
    ck_assert(epoch_passed(&m.d, epoch_stamp(&m.d)));
    epoch_enter(&m.d, &m.b.reader);
    stamp = epoch_stamp(&m.d);
    epoch_enter(&m.d, &m.a.reader); /* after the stamp */
    ck_assert(!epoch_passed(&m.d, stamp));
    epoch_leave(&m.b.reader);
    ck_assert(epoch_passed(&m.d, stamp));
    ck_assert(!epoch_passed(&m.d, epoch_stamp(&m.d)));
    epoch_leave(&m.a.reader);
    ck_assert(epoch_passed(&m.d, epoch_stamp(&m.d)));
}
END_TEST

START_TEST(the_shared_record_counts_all_inside)
{
    struct domain m;
    uint64_t stamp;

    domain_init(&m);
    epoch_enter(&m.d, &m.overflow.reader);
    epoch_enter(&m.d, &m.overflow.reader);
    stamp = epoch_stamp(&m.d);
    epoch_leave(&m.overflow.reader);
    ck_assert(!epoch_passed(&m.d, stamp));
    epoch_leave(&m.overflow.reader);
    ck_assert(epoch_passed(&m.d, stamp));
}
END_TEST

/* A refusal ends plain entries, after a pause in which all that was stored by then is drained. */
START_TEST(refused_barriers_end_plain_entries)
{
    struct domain m;
    uint64_t began = clock_now();

    domain_init(&m);
    barriers.refused = true;
    atom_store_relaxed(&epoch_mode.asymmetric, 1);
    epoch_enter(&m.d, &m.a.reader);
    ck_assert(!epoch_passed(&m.d, epoch_stamp(&m.d)));
    ck_assert_uint_eq(atom_load_relaxed(&epoch_mode.asymmetric), 0);
    ck_assert_uint_eq(barriers.asked, 1);
    ck_assert_uint_ge(clock_now() - began, 20000000);
    epoch_leave(&m.a.reader);
    ck_assert(epoch_passed(&m.d, epoch_stamp(&m.d)));
    ck_assert_uint_eq(barriers.asked, 1); /* nobody asks again */
}
END_TEST

START_TEST(barriers_that_work_are_used)
{
    struct domain m;

    domain_init(&m);
    if (!membarrier_register())
        return;
    atom_store_relaxed(&epoch_mode.asymmetric, 1);
    epoch_barrier();
    ck_assert_uint_eq(barriers.asked, 1);
    ck_assert_uint_eq(atom_load_relaxed(&epoch_mode.asymmetric), 1);
}
END_TEST

START_TEST(what_has_passed_has_passed_for_all)
{
    struct domain m;
    uint64_t stamp;

    domain_init(&m);
    atom_store_relaxed(&m.d.threads, NULL); /* nobody */
    stamp = epoch_stamp(&m.d);
    ck_assert(epoch_passed(&m.d, stamp));
    ck_assert_uint_eq(atom_load_relaxed(&m.d.passed), stamp);
    domain_init(&m);
    epoch_enter(&m.d, &m.a.reader);
    atom_store_relaxed(&m.d.passed, 9); /* others have seen what would be a section from before */
    for (uint64_t s = 1; s < 10; s++)
        ck_assert(epoch_passed(&m.d, s));
    ck_assert(!epoch_passed(&m.d, 10));
    ck_assert_uint_eq(atom_load_relaxed(&m.d.passed), 9);
}
END_TEST

#ifdef BRIM_INTERFERE
static void pass(void *arg)
{
    struct { struct epoch *d; uint64_t stamp; } *p = arg;

    atom_store_release(&p->d->passed, p->stamp);
}

/* Another notes meanwhile what has passed: the later of both stays. */
START_TEST(noted_while_it_is_noted)
{
    struct domain m;
    struct { struct epoch *d; uint64_t stamp; } other = {&m.d, _i == 0 ? 3 : _i == 1 ? 5 : 9};

    for (unsigned after = 0;; after++) {
        domain_init(&m);
        atom_interfere(after, pass, &other);
        ck_assert(epoch_passed(&m.d, 5));
        if (!atom_has_interfered()) {
            ck_assert_uint_eq(atom_load_relaxed(&m.d.passed), 5);
            ck_assert_uint_ge(after, 3);
            break;
        }
        ck_assert_uint_eq(atom_load_relaxed(&m.d.passed), other.stamp > 5 ? other.stamp : 5);
    }
}
END_TEST

/* What the plain ways cost, which no other test sees. */
static void enter(void *arg)
{
    struct domain *m = arg;

    epoch_enter(&m->d, &m->a.reader);
}

static void refresh(void *arg)
{
    struct domain *m = arg;

    epoch_refresh(&m->d, &m->a.reader);
}

START_TEST(plain_entries_are_short)
{
    struct domain m;

    domain_init(&m);
    atom_store_relaxed(&epoch_mode.asymmetric, 1);
    ck_assert_uint_eq(operations_of(enter, &m), 3);
    ck_assert_uint_eq(operations_of(refresh, &m), 2);
    atom_store_relaxed(&epoch_mode.asymmetric, 0);
    ck_assert_uint_eq(operations_of(enter, &m), 6);
    ck_assert_uint_eq(operations_of(refresh, &m), 2);
}
END_TEST
#endif

/* Fenced, and, where there are barriers, plain. */
static void choose_mode(int mode)
{
    atom_store_relaxed(&epoch_mode.asymmetric, mode == 1 && membarrier_register() ? 1u : 0u);
}

START_TEST(a_refresh_is_a_new_section)
{
    struct domain m;
    uint64_t before, after;

    domain_init(&m);
    choose_mode(_i);
    epoch_enter(&m.d, &m.a.reader);
    before = epoch_stamp(&m.d);
    ck_assert(!epoch_passed(&m.d, before));
    epoch_refresh(&m.d, &m.a.reader);
    after = epoch_stamp(&m.d);
    ck_assert(epoch_passed(&m.d, before));
    ck_assert(!epoch_passed(&m.d, after));
    epoch_leave(&m.a.reader);
    ck_assert(epoch_passed(&m.d, after));
}
END_TEST

START_TEST(leaving_seen_leaves)
{
    struct domain m;

    domain_init(&m);
    choose_mode(_i);
    epoch_enter(&m.d, &m.a.reader);
    epoch_enter(&m.d, &m.overflow.reader);
    epoch_enter(&m.d, &m.overflow.reader);
    epoch_leave_seen(&m.a.reader);
    ck_assert_uint_eq(epoch_entered(&m.a.reader), EPOCH_NONE);
    epoch_leave_seen(&m.overflow.reader);
    ck_assert_uint_eq(epoch_entered(&m.overflow.reader), 0); /* one is left, of whom nothing is known */
    epoch_leave_seen(&m.overflow.reader);
    ck_assert_uint_eq(epoch_entered(&m.overflow.reader), EPOCH_NONE);
    ck_assert(epoch_passed(&m.d, epoch_stamp(&m.d)));
}
END_TEST

struct wait {
    struct epoch *d;
    struct thread *t;
    gate inside;
    atomic_bool leaving;
};

static void reader(unsigned id, void *arg)
{
    struct wait *w = arg;

    (void)id;
    epoch_enter(w->d, &w->t->reader);
    gate_stop_here(&w->inside);
    atomic_store(&w->leaving, true);
    epoch_leave(&w->t->reader);
}

static void waiter(unsigned id, void *arg)
{
    struct wait *w = arg;

    (void)id;
    epoch_wait(w->d);
    EXPECT(atomic_load(&w->leaving));
}

START_TEST(wait_outlasts_the_sections)
{
    struct domain m;
    struct wait w = {&m.d, &m.a, .leaving = false};
    uint64_t before;
    crew readers, waiters;

    domain_init(&m);
    gate_init(&w.inside);
    crew_start(&readers, 1, reader, &w);
    gate_wait_reached(&w.inside);
    before = atom_load_relaxed(&m.d.now);
    crew_start(&waiters, 1, waiter, &w);
    while (atom_load_relaxed(&m.d.now) == before)
        sched_yield(); /* until it took its stamp */
    gate_open(&w.inside);
    crew_join(&waiters);
    crew_join(&readers);
    gate_destroy(&w.inside);
}
END_TEST

enum { WRITES = 2000, READERS = 3, GONE = 7 };

static struct { _Atomic(atomic_int *) shown; atomic_bool stop; } box;

static void look(unsigned id, void *arg)
{
    (void)arg;
    if (id == READERS) {
        static atomic_int copies[2];
        for (unsigned i = 0; i < SCALED(WRITES); i++) {
            atomic_int *old;
            atomic_store(&copies[i & 1], 1);
            old = atomic_exchange(&box.shown, &copies[i & 1]);
            epoch_wait(&epoch_process);
            if (old != NULL)
                atomic_store(old, GONE);
        }
        atomic_store(&box.stop, true);
        return;
    }
    while (!atomic_load(&box.stop)) {
        struct thread *t = thread_self();
        section_enter(t);
        atomic_int *p = atomic_load_explicit(&box.shown, memory_order_acquire);
        for (int i = 0; p != NULL && i < 8; i++)
            EXPECT(atomic_load_explicit(p, memory_order_relaxed) != GONE);
        section_leave(t);
    }
}

START_TEST(nothing_goes_under_a_reader)
{
    atomic_store(&box.shown, NULL);
    atomic_store(&box.stop, false);
    crew_do(READERS + 1, look, NULL);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("epoch");

    tcase_add_test(tc, only_older_sections_count);
    tcase_add_test(tc, the_shared_record_counts_all_inside);
    tcase_add_test(tc, refused_barriers_end_plain_entries);
    tcase_add_test(tc, barriers_that_work_are_used);
    tcase_add_test(tc, what_has_passed_has_passed_for_all);
#ifdef BRIM_INTERFERE
    tcase_add_loop_test(tc, noted_while_it_is_noted, 0, 3);
    tcase_add_test(tc, plain_entries_are_short);
#endif
    tcase_add_loop_test(tc, a_refresh_is_a_new_section, 0, 2);
    tcase_add_loop_test(tc, leaving_seen_leaves, 0, 2);
    tcase_add_test(tc, wait_outlasts_the_sections);
    tcase_add_test(tc, nothing_goes_under_a_reader);
    return suite_run(tc);
}
