/* SPDX-License-Identifier: MIT */
/* Whether memory stays flat: what is resident, sampled, and the second quarter of the time compared with the last. */
#ifndef BENCH_STRESS_FLAT_H
#define BENCH_STRESS_FLAT_H
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { FLAT_SAMPLES = 65536, FLAT_GROWTH = 5 };         /* percent */

struct flat {
    const char *what;
    double began, length;               /* seconds */
    size_t count[4];                    /* samples of each quarter */
    size_t *resident[4];
};

void flat_begin(struct flat *, const char *what, double now, double length);
void flat_sample(struct flat *, double now);
bool flat_end(struct flat *, json_t *into);     /* prints both medians; false: it grew */
#endif
