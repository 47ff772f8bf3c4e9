/* SPDX-License-Identifier: MIT
 *
 * base/clock: nanoseconds of the monotonic clock.
 */
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/support.h"

/* In place of the C library's: counts. */
static atomic_uint yields;

int sched_yield(void)
{
    atomic_fetch_add(&yields, 1);
    return (int)syscall(SYS_sched_yield);
}

static pthread_t main_thread;

static uint64_t system_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

START_TEST(it_is_the_monotonic_clock)
{
    for (int i = 0; i < 1000; i++) {
        uint64_t before = system_now(), now = clock_now(), after = system_now();

        ck_assert_uint_le(before, now);
        ck_assert_uint_le(now, after);
    }
}
END_TEST

START_TEST(the_coarse_one_is_not_far_behind)
{
    uint64_t last = 0, start = clock_now(), moved = 0;

    while (moved < 3) {
        uint64_t coarse = clock_coarse();

        ck_assert_uint_ge(coarse, last);
        ck_assert_uint_le(coarse, clock_now());
        ck_assert_uint_le(clock_now() - start, UINT64_C(10000000000)); /* or it stands */
        moved += coarse > last;
        last = coarse;
    }
    ck_assert_uint_ge(last, start - 20000000); /* a tick is 10 ms at the most */
}
END_TEST

START_TEST(a_pause_passes_time)
{
    uint64_t start = clock_now();
    unsigned before = atomic_load(&yields);

    clock_pause(0);
    ck_assert_uint_eq(atomic_load(&yields), before + 1); /* the processor is another's */
    clock_pause(2000000);
    ck_assert_uint_eq(atomic_load(&yields), before + 1);
    ck_assert_uint_ge(clock_now() - start, 2000000);
    start = clock_now();
    clock_pause(1000000001); /* more than a second: both fields of a timespec */
    ck_assert_uint_ge(clock_now() - start, 1000000001);
}
END_TEST

static void on_signal(int number)
{
    (void)number;
}

static void interrupt(unsigned id, void *arg)
{
    (void)id;
    while (!atomic_load((atomic_bool *)arg)) {
        (void)pthread_kill(main_thread, SIGUSR1);
        (void)sched_yield();
    }
}

START_TEST(signals_do_not_shorten_a_pause)
{
    struct sigaction action = {.sa_handler = on_signal}, before;
    atomic_bool done = false;
    uint64_t start;
    crew c;

    main_thread = pthread_self();
    ck_assert_int_eq(sigaction(SIGUSR1, &action, &before), 0);
    crew_start(&c, 1, interrupt, &done);
    start = clock_now();
    clock_pause(20000000);
    ck_assert_uint_ge(clock_now() - start, 20000000);
    atomic_store(&done, true);
    crew_join(&c);
    (void)sigaction(SIGUSR1, &before, NULL);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("clock");

    tcase_add_test(tc, it_is_the_monotonic_clock);
    tcase_add_test(tc, the_coarse_one_is_not_far_behind);
    tcase_add_test(tc, a_pause_passes_time);
    tcase_add_test(tc, signals_do_not_shorten_a_pause);
    return suite_run(tc);
}
