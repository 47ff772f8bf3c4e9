/* SPDX-License-Identifier: MIT */
#include "stress_phase.h"

#include "fail.h"
#include "latency.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static _Atomic uint64_t violations, beats;

void stress_violation(const struct phase *p, const char *format, ...)
{
    enum { PRINTED = 20 };
    char text[512];
    va_list args;
    if (atomic_fetch_add(&violations, 1) >= PRINTED)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "brim-bench: VIOLATION in phase %u (%s), seed %" PRIu64 ": %s\n", p->number, p->shape->name,
            p->seed, text);
}

uint64_t stress_violations(void)
{
    return atomic_load(&violations);
}

void stress_beat(void)
{
    atomic_fetch_add_explicit(&beats, 1, memory_order_relaxed);
}

/* A cache that blocks for ever is a violation too, but one that nobody is left to report. */
static void *watch_beats(void *arg)
{
    enum { PATIENCE = 120 };             /* seconds; sanitizers are slow */
    const uint64_t seed = *(const uint64_t *)arg;
    uint64_t last = 0;
    for (unsigned still = 0; still < PATIENCE;) {
        const struct timespec second = {.tv_sec = 1};
        nanosleep(&second, NULL);
        const uint64_t now = atomic_load_explicit(&beats, memory_order_relaxed);
        still = now == last ? still + 1 : 0;
        last = now;
    }
    fprintf(stderr, "brim-bench: VIOLATION: nothing has moved for %d seconds, seed %" PRIu64 "\n", PATIENCE, seed);
    _exit(EXIT_WRONG);
}

void stress_watchdog_start(uint64_t seed)
{
    static uint64_t kept_seed;
    pthread_t thread;
    kept_seed = seed;
    const int error = pthread_create(&thread, NULL, watch_beats, &kept_seed);
    if (error != 0)
        bench_fail("cannot start a thread: %s", strerror(error));
    pthread_detach(thread);
}
