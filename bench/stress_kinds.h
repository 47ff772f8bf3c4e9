/* SPDX-License-Identifier: MIT */
/* The callbacks: both destructors, and a listener that uses the cache itself. */
#ifndef BENCH_STRESS_KINDS_H
#define BENCH_STRESS_KINDS_H
#include "stress_phase.h"

void kinds_init(struct phase *);
void kinds_gone(void *phase);           /* options.gone */
#endif
