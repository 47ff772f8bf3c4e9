/* SPDX-License-Identifier: MIT */
#include "latency.h"

#include <math.h>
#include <time.h>

uint64_t latency_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t latency_clock_cost(void)
{
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < 1000; i++) {
        const uint64_t start = latency_now();
        const uint64_t took = latency_now() - start;
        if (took < best)
            best = took;
    }
    return best;
}

static unsigned bucket_of(uint64_t ns)
{
    if (ns < LATENCY_STEPS)
        return (unsigned)ns;
    const unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - LATENCY_STEP_BITS;
    return (shift + 1) * LATENCY_STEPS + (unsigned)((ns >> shift) - LATENCY_STEPS);
}

/* The largest time that falls into this bucket. */
static uint64_t bucket_top(unsigned bucket)
{
    if (bucket < LATENCY_STEPS)
        return bucket;
    const unsigned shift = bucket / LATENCY_STEPS - 1;
    const uint64_t step = bucket % LATENCY_STEPS + LATENCY_STEPS;
    return (step << shift) + (((uint64_t)1 << shift) - 1);
}

void latency_add(struct latency *l, uint64_t ns)
{
    l->buckets[bucket_of(ns)]++;
    l->count++;
    if (ns > l->max)
        l->max = ns;
}

void latency_merge(struct latency *into, const struct latency *from)
{
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
    into->count += from->count;
    if (from->max > into->max)
        into->max = from->max;
}

uint64_t latency_percentile(const struct latency *l, double share)
{
    const uint64_t wanted = (uint64_t)ceil(share * (double)l->count);
    uint64_t seen = 0;
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        seen += l->buckets[i];
        if (seen >= wanted && seen != 0)
            return bucket_top(i) < l->max ? bucket_top(i) : l->max;
    }
    return l->max;
}
