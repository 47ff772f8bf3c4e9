/* SPDX-License-Identifier: MIT */
/* A peer's cache as a workload begins with it, and what memory it took. */
#ifndef BENCH_FILL_H
#define BENCH_FILL_H
#include "peers/peer.h"

struct filled {
    const struct peer *peer;
    void *cache;
    size_t count;                       /* entries found after filling */
    void **held;                        /* of `pinned'; else NULL */
    size_t held_count;
    double bytes_per_entry;             /* growth of what malloc gave, beyond value and key; < 0: unknown */
    double rss_per_entry;               /* the same of the resident set */
};

/* ${show}, if not NULL, hears how much is done, 0 to 1. */
void fill_open(struct filled *, const struct peer *, const struct workload *, const struct sizes *, unsigned shards,
               void (*show)(double share));
void fill_close(struct filled *);
#endif
