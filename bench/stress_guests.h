/* SPDX-License-Identifier: MIT */
/* Threads with a section in a cache that is freed meanwhile. */
#ifndef BENCH_STRESS_GUESTS_H
#define BENCH_STRESS_GUESTS_H
#include "stress_phase.h"

struct guests *guests_come(struct phase *);     /* with values borrowed; some end their section while the cache is freed */
void guests_go(struct guests *);                /* the others after it; NULL: nobody came */
#endif
