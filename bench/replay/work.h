/* SPDX-License-Identifier: MIT */
/* What making the values of a trace again takes. */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H
#include "trace.h"

enum work_source { WORK_GIVEN, WORK_RANDOM, WORK_NONE };   /* GIVEN: by the trace, if it has works */

struct work {
    double counted;                     /* in a miss; 1 if there are no works: all are equal */
    uint64_t told;                      /* to the library; 0 if there are none */
};

struct work work_of(const struct trace *, enum work_source, size_t request);
double work_total(const struct trace *, enum work_source);   /* counted, of all requests */
#endif
