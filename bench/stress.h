/* SPDX-License-Identifier: MIT */
#ifndef BENCH_STRESS_H
#define BENCH_STRESS_H
#include "options.h"
int stress_run(const struct options *);
#endif
