/* SPDX-License-Identifier: MIT */
/* What there is to measure, how large it is, and what one thread keeps while it works.  C and C++. */
#ifndef BENCH_WORKLOADS_H
#define BENCH_WORKLOADS_H
#include "item.h"
#include "latency.h"
#include "rng.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

enum { BENCH_ALIVE = 100 };

enum workload_id { ZIPF_HIT, KEY_HIT, HOT_KEY, CHURN, INSERT_REMOVE, MIXED, PINNED, WORKLOADS };
enum loop { LOOP_FIND, LOOP_CHURN, LOOP_MIXED, LOOP_INSERT_REMOVE, LOOPS };   /* peers/batches.h has them */

struct workload {
    const char *name;
    enum workload_id id;
    enum loop loop;
    double theta;                       /* of the zipf distribution; 0: no sequence is needed */
    unsigned key_factor;                /* keys for each entry of the capacity */
    unsigned room_factor;               /* default capacity, in multiples of the entries */
    unsigned sample_every;              /* one operation of so many is timed */
    size_t fixed_entries;               /* 0: --entries says */
    int must_fit;                       /* every entry must be in the cache at once */
    int pinned;                         /* three quarters of the entries are held all the time */
};

extern const struct workload workloads[WORKLOADS];
const struct workload *workload_find(const char *name);   /* NULL: there is none */

struct sizes {
    size_t entries, keys, capacity;     /* capacity in cost */
    size_t sequence_length;             /* of each thread's sequence, a power of two */
};

/* ${capacity} 0: what the workload needs.  Bad input ends the program. */
void workload_size(struct sizes *, const struct workload *, size_t entries, unsigned threads, size_t capacity);

struct counts {
    uint64_t operations, lookups, hits;
    uint64_t refused;                   /* inserts that the cache did not take */
    uint64_t wrong;                     /* values of another key, and misses of what must be there */
};

/* One thread's own, for one cache; `published' is what others may read of it. */
struct worker {
    void *cache;                        /* the peer's own */
    const uint32_t *sequence;           /* of indices; mask + 1 of them, over and over */
    size_t mask, position;
    struct rng rng;
    uint64_t first_index, serial;       /* insert-remove: keys of its own, */
    unsigned alive;                     /* and how many of them are in the cache */
    bool loses;                         /* as its peer: a miss is no error */
    uint64_t sample;                    /* what the timed operation took; 0: none was timed */
    struct counts counts;
    struct latency latency;
    struct {
        uint64_t operations, lookups, hits;
    } published __attribute__((aligned(64)));
} __attribute__((aligned(64)));

typedef void worker_batch(struct worker *, unsigned operations);

#ifdef __cplusplus
}
#endif
#endif
