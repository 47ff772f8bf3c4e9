/* SPDX-License-Identifier: MIT
 *
 * Signals interrupt threads that do everything, at a high rate, with SA_RESTART and without: no call notices.
 */
#include "everything.h"
#include <errno.h>
#include <signal.h>
#include <time.h>

static atomic_ullong signals;
static crew doers;

static void on_signal(int number)
{
    int before = errno;

    (void)number;
    atomic_fetch_add(&signals, 1);
    errno = before;
}

/* A signal to each in turn; in between time for what they are at. */
static void interrupt_doers(unsigned id, void *arg)
{
    struct timespec pause = {0, 20000};

    (void)id, (void)arg;
    for (unsigned i = 0; !atomic_load(&all.stop); i++) {
        EXPECT(pthread_kill(doers.threads[i % DOERS], SIGUSR1) == 0);
        (void)nanosleep(&pause, NULL);
    }
}

static struct sigaction handle(int flags)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags}, before;

    ck_assert_int_eq(sigaction(SIGUSR1, &action, &before), 0);
    return before;
}

START_TEST(test_signals_in_the_middle_of_everything)
{
    struct sigaction before = handle(_i == 0 ? 0 : SA_RESTART);
    crew other;

    atomic_store(&signals, 0);
    all_begin(2);
    crew_start(&doers, DOERS, do_all, NULL);
    crew_start(&other, 1, interrupt_doers, NULL);
    while (atomic_load(&signals) < (CHECKING_BUILD ? 500 : 5000))
        wait_for_turns(DOERS, 5);
    atomic_store(&all.stop, true);
    crew_join(&other); /* it needs the others' threads */
    crew_join(&doers);
    ck_assert_int_eq(brim_drain(all.cache, -1), BRIM_OK);
    ck_assert(brim_check(all.cache, stderr));
    all_end();
    (void)sigaction(SIGUSR1, &before, NULL);
}
END_TEST

/* ---- Calls that wait, as long as they should */

static struct {
    brim_load *load;
    brim_status status[DOERS];
    uint64_t took[DOERS]; /* ms */
    atomic_uint back;
} waits;

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void wait_for_load(int timeout_ms, unsigned id)
{
    brim_load *none;
    brim_ref *r;

    waits.status[id] = brim_claim(all.cache, "key", 3, timeout_ms, &r, &none);
    brim_release(r);
}

enum { SHORT = 150 };

static void wait_each(unsigned id, void *arg)
{
    uint64_t began = now_ms();

    (void)arg;
    switch (id) {
    case 0: wait_for_load(SHORT, id); break;
    case 1: wait_for_load(-1, id); break;
    case 2: waits.status[id] = brim_drain(all.cache, SHORT); break;
    default: waits.status[id] = brim_drain(all.cache, -1); break;
    }
    waits.took[id] = now_ms() - began;
    atomic_fetch_add(&waits.back, 1);
    while (!atomic_load(&all.stop)) /* it is still sent signals */
        (void)sched_yield();
}

START_TEST(test_signals_neither_end_nor_lengthen_a_wait)
{
    struct sigaction before = handle(_i == 0 ? 0 : SA_RESTART);
    uint64_t key = 1, began;
    brim_ref *r = NULL;
    crew other;

    atomic_store(&signals, 0);
    memset(&waits, 0, sizeof waits);
    all_begin(1);
    ck_assert_int_eq(brim_claim(all.cache, "key", 3, -1, &r, &waits.load), BRIM_CLAIMED);
    ck_assert_int_eq(brim_insert(all.cache, BRIM_KEY(key), &all.value, 1, NULL), BRIM_OK);
    begin_reading(all.cache);
    ck_assert(brim_remove(all.cache, BRIM_KEY(key))); /* it waits for us, and the drains for it */
    crew_start(&doers, DOERS, wait_each, NULL);
    crew_start(&other, 1, interrupt_doers, NULL);
    began = now_ms();
    while (atomic_load(&waits.back) < 2)
        (void)sched_yield();
    while (now_ms() < began + 2 * SHORT)
        (void)sched_yield();
    EXPECT(atomic_load(&waits.back) == 2); /* the others still wait */
    ck_assert_int_eq(brim_load_finish(waits.load, &all.value, 1, NULL), BRIM_OK);
    brim_read_end(all.cache);
    while (atomic_load(&waits.back) < DOERS)
        (void)sched_yield();
    atomic_store(&all.stop, true);
    crew_join(&other);
    crew_join(&doers);
    ck_assert_uint_gt(atomic_load(&signals), 100);
    ck_assert_int_eq(waits.status[0], BRIM_TIMEOUT);
    ck_assert_int_eq(waits.status[1], BRIM_OK);
    ck_assert_int_eq(waits.status[2], BRIM_TIMEOUT);
    ck_assert_int_eq(waits.status[3], BRIM_OK);
    for (unsigned i = 0; i < DOERS; i += 2)
        ck_assert_uint_ge(waits.took[i], SHORT - 1); /* of whole milliseconds */
    all_end();
    (void)sigaction(SIGUSR1, &before, NULL);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("signals");

    tcase_add_loop_test(tc, test_signals_in_the_middle_of_everything, 0, 2);
    tcase_add_loop_test(tc, test_signals_neither_end_nor_lengthen_a_wait, 0, 2);
    return suite_run(tc);
}
