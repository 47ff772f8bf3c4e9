/* SPDX-License-Identifier: MIT */
/* One trace through one cache: a find for each request, and an insert for each miss. */
#ifndef BENCH_PLAY_H
#define BENCH_PLAY_H
#include "ask.h"

struct cell {
    const struct trace *trace;
    double work_total;                  /* of the trace */
    double fraction;                    /* of its footprint; 0: the capacity was given */
    size_t capacity;
};

/* Misses as shares of all: of the requests, of their sizes, of their works. */
struct played {
    double object_miss, byte_miss, work_miss;
    double seconds;
    uint64_t refused;                   /* inserts that the cache did not take */
    unsigned shards;
};

/* Other than BRIM_OK: what a call said that must not fail. */
brim_status play(const struct replay_ask *, const struct cell *, struct played *);
#endif
