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

enum { FLAT_SAMPLES = 65536, FLAT_GROWTH = 5 };         /* percent */

struct flat {
    const char *what;
    pthread_t sampler;
    _Atomic bool stop;
    uint64_t began;
    double length;                      /* seconds */
    size_t count[4];                    /* samples of each quarter */
    size_t *resident[4];
};

void flat_begin(struct flat *, const char *what, double length);        /* a thread samples from now on */
bool flat_end(struct flat *, json_t *into);     /* prints both medians; false: it grew */
#endif
