/* SPDX-License-Identifier: MIT */
/* Whether memory stays flat: what is resident, sampled, and the second quarter of the time compared with the last. */
#ifndef BENCH_STRESS_FLAT_H
#define BENCH_STRESS_FLAT_H
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FLAT_SAMPLES = 1024, FLAT_GROWTH = 5 };          /* of each quarter; percent */

/* Part of the harness, so that the samples do not grow what they measure. */
struct flat_quarter {
    size_t count;
    size_t resident[FLAT_SAMPLES], allocated[FLAT_SAMPLES];
};

struct flat {
    const char *what;
    pthread_t sampler;
    _Atomic bool stop;
    uint64_t began;
    double length;                      /* seconds */
    _Atomic int quarter;                /* -1: as the time says */
    struct flat_quarter *quarters;      /* four */
};

void flat_begin(struct flat *, const char *what, double length);        /* a thread samples from now on */
void flat_quarter(struct flat *, int quarter);  /* 0 to 3: it begins now, whatever the time says */
bool flat_end(struct flat *, json_t *into);     /* prints both medians; false: it grew */
#endif
