/* SPDX-License-Identifier: MIT */
/* The end of a phase: all threads are gone, what they held is still there. */
#ifndef BENCH_STRESS_END_H
#define BENCH_STRESS_END_H
#include "stress_phase.h"

void end_check(struct phase *);             /* between two bouts */
void end_stale(struct phase *);             /* what has grown old, and what was used last */
void end_fill_whole(struct phase *);        /* G5: with nothing held, a value of the whole capacity fits */
void end_free(struct phase *);              /* G2: frees the cache under refs, keys and slots, uses them, then drops them */
void end_count(struct phase *);             /* G3: every value is destroyed, gone and unused were called once */
#endif
