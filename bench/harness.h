/* SPDX-License-Identifier: MIT */
/* Fills a cache, lets workers run, takes figures in rounds. */
#ifndef BENCH_HARNESS_H
#define BENCH_HARNESS_H
#include "options.h"

int harness_run(const struct options *);   /* the exit status */
#endif
