/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <sched.h>
#include <time.h>

uint64_t clock_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void clock_pause(uint64_t ns)
{
    struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};

    if (ns == 0)
        sched_yield();
    else
        nanosleep(&t, NULL);
}
