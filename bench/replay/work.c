/* SPDX-License-Identifier: MIT */
#include "work.h"

#include <math.h>

/* The library has whole nanoseconds.  In thousandths, which changes no order, works of 1 to 1000 differ finely. */
static const double told_scale = 1000;

/* The 64-bit finaliser of MurmurHash3. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 33)) * 0xFF51AFD7ED558CCDu;
    x = (x ^ (x >> 33)) * 0xC4CEB9FE1A85EC53u;
    return x ^ (x >> 33);
}

/* 1 to 1000, its logarithm uniform. */
static double random_work(uint64_t key)
{
    const double u = (double)(mix(3 * key + 77) >> 11) * 0x1p-53;
    return pow(10, 3 * u);
}

struct work work_of(const struct trace *t, enum work_source source, size_t request)
{
    if (source == WORK_RANDOM) {
        const double work = random_work(t->keys[request]);
        return (struct work){work, (uint64_t)llround(work * told_scale)};
    }
    if (source == WORK_GIVEN && t->works != NULL)
        return (struct work){(double)t->works[request], t->works[request]};
    return (struct work){1, 0};
}

double work_total(const struct trace *t, enum work_source source)
{
    double total = 0;
    for (size_t i = 0; i < t->requests; i++)
        total += work_of(t, source, i).counted;
    return total;
}
