/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

static uint64_t read_clock(clockid_t clock)
{
    struct timespec t = {0, 0}; /* without that clock time stands still */

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t clock_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_coarse(void)
{
#ifdef CLOCK_MONOTONIC_COARSE
    return read_clock(CLOCK_MONOTONIC_COARSE);
#else
    return clock_now();
#endif
}

void clock_pause(uint64_t ns)
{
    struct timespec t;
    uint64_t end;
    int cancel;

    if (ns == 0) {
        sched_yield();
        return;
    }
    /* Until a time: what a signal leaves of a length is rounded up, so that many signals would make it endless. */
    end = clock_now() + ns;
    t = (struct timespec){(time_t)(end / 1000000000u), (long)(end % 1000000000u)};
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
    }
    pthread_setcancelstate(cancel, &cancel);
}
