/* SPDX-License-Identifier: MIT */
/* Random numbers for one thread: splitmix64, seeded by anything.  C and C++. */
#ifndef BENCH_RNG_H
#define BENCH_RNG_H
#include <stdint.h>

struct rng {
    uint64_t state;
};

static inline uint64_t rng_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static inline uint64_t rng_next(struct rng *r)
{
    r->state += 0x9E3779B97F4A7C15u;
    return rng_mix(r->state);
}

/* 0 .. n - 1; n below 2^32. */
static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
    return (uint32_t)(((rng_next(r) >> 32) * n) >> 32);
}

/* 0 <= x < 1. */
static inline double rng_unit(struct rng *r)
{
    return (double)(rng_next(r) >> 11) * 0x1p-53;
}
#endif
