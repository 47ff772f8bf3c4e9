/* SPDX-License-Identifier: MIT */
/* A measurement: what was asked, the workers, and what came out. */
#ifndef BENCH_RUN_H
#define BENCH_RUN_H
#include "options.h"
#include "workloads.h"

enum { RUN_ROUNDS = 5 };
enum run_state { RUN_WARMING, RUN_RECORDING, RUN_STOPPING };

struct run {
    const struct options *options;
    const struct workload *workload;
    size_t entries, keys, capacity;
    size_t sequence_length;             /* a power of two */
    brim_cache *cache;
    struct worker **workers;
    _Atomic unsigned ready;             /* workers whose sequence is made */
    _Atomic int state;                  /* enum run_state */

    double mops[RUN_ROUNDS];            /* sorted */
    double hit_ratio;
    double overhead_per_entry;          /* brim_stats.overhead / count, less the key; < 0: unknown */
    double rss_per_entry;               /* growth of the resident set while filling, less the key; < 0: unknown */
    struct counts total;
    struct latency latency;
    brim_stats stats;
};

void run_print_config(const struct run *);
void run_print_result(const struct run *);
void run_write_json(const struct run *);
#endif
