/* SPDX-License-Identifier: MIT */
/* What `brim-bench peers' is to measure: the options' lists, or the defaults. */
#ifndef BENCH_ASK_H
#define BENCH_ASK_H
#include "../options.h"
#include "peer.h"

enum { ASK_MAX = 16, ASK_PEERS = 32 };

struct ask {
    const struct options *options;
    unsigned workloads;                 /* PEER_IN of each */
    const struct peer *peers[ASK_PEERS];
    unsigned peer_count;
    size_t threads[ASK_MAX], entries[ASK_MAX];
    unsigned thread_count, entry_count;   /* 0: the workload's own */
};

/* One table: a workload at so many threads and entries. */
struct setting {
    const struct workload *workload;
    unsigned threads;
    double theta;
    struct sizes size;
};

/* Names on stdout the peers that are left out.  Bad input ends the program. */
void ask_parse(struct ask *, const struct options *);

/* All settings, for free(). */
struct setting *ask_settings(const struct ask *, unsigned *count);
#endif
