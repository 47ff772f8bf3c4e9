/* SPDX-License-Identifier: MIT */
/* What a worker does again and again.  16-byte keys made from an index, 64-byte values that know their index. */
#ifndef BENCH_WORKLOADS_H
#define BENCH_WORKLOADS_H
#include "latency.h"
#include "rng.h"

#include <brim.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { BENCH_VALUE_BYTES = 64, BENCH_KEY_BYTES = 16, BENCH_ALIVE = 100 };

struct bench_key {
    uint64_t word[2];
};

struct bench_value {
    uint64_t word[BENCH_VALUE_BYTES / sizeof(uint64_t)];
};

struct counts {
    uint64_t operations, lookups, hits;
    uint64_t refused;                   /* inserts that got TOO_BIG or FULL */
    uint64_t wrong;                     /* values of another key, and misses of what must be there */
};

/* One thread's own; `published` is what others may read of it. */
struct worker {
    _Alignas(64) brim_cache *cache;
    const uint32_t *sequence;           /* of indices; mask + 1 of them, over and over */
    size_t mask, position;
    struct rng rng;
    uint64_t first_index, serial;       /* insert-remove: keys of its own, */
    unsigned alive;                     /* and how many of them are in the cache */
    unsigned number;
    struct counts counts;
    struct latency latency;
    _Alignas(64) struct {
        _Atomic uint64_t operations, lookups, hits;
    } published;
};

struct workload {
    const char *name;
    void (*batch)(struct worker *, unsigned operations);
    double theta;                       /* of the zipf distribution; 0: no sequence is needed */
    unsigned key_factor;                /* keys for each entry of the capacity */
    unsigned room_factor;               /* default capacity, in multiples of the entries */
    size_t fixed_entries;               /* 0: --entries says */
    int must_fit;                       /* every entry must be in the cache at once */
};

const struct workload *workload_find(const char *name);   /* NULL: there is none */

void workload_key(struct bench_key *, uint64_t index);
void *workload_value_new(uint64_t index);
extern const brim_kind workload_kind;
#endif
