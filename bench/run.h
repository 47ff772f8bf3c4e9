/* SPDX-License-Identifier: MIT */
/* A measurement: what was asked, the cache, and what came out. */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H
#include "fill.h"
#include "options.h"
#include "spread.h"

#include <brim.h>

enum { RUN_ROUNDS = 5 };

struct run {
    const struct options *options;
    const struct workload *workload;
    struct sizes size;
    struct filled filled;

    struct spread mops;
    double hit_ratio;
    double overhead_per_entry;          /* brim_stats.overhead / count, less the key; < 0: unknown */
    struct counts total;
    struct latency latency;
    brim_stats stats;
};

void run_print_config(const struct run *);
void run_print_result(const struct run *);
void run_write_json(const struct run *);
#endif
