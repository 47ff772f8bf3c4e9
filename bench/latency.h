/* SPDX-License-Identifier: MIT */
/* A log histogram of nanoseconds: 32 steps to a doubling, so that a percentile is right within 3 %.  C and C++. */
#ifndef BENCH_LATENCY_H
#define BENCH_LATENCY_H
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

enum {
    LATENCY_STEP_BITS = 5,
    LATENCY_STEPS = 1 << LATENCY_STEP_BITS,
    LATENCY_BUCKETS = (64 - LATENCY_STEP_BITS + 1) * LATENCY_STEPS
};

struct latency {
    uint64_t count, max;
    uint64_t buckets[LATENCY_BUCKETS];
};

uint64_t latency_now(void);             /* monotonic nanoseconds */
uint64_t latency_clock_cost(void);      /* what two readings of the clock, one after the other, differ by */
void latency_add(struct latency *, uint64_t ns);
void latency_merge(struct latency *into, const struct latency *from);

/* The time within which this share (0 to 1) of all was done; 0 if there is none. */
uint64_t latency_percentile(const struct latency *, double share);

#ifdef __cplusplus
}
#endif
#endif
