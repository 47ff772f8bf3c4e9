/* SPDX-License-Identifier: MIT */
/* Threads that work in turns: in each, all of them run one workload's loop on one cache. */
#ifndef BENCH_CREW_H
#define BENCH_CREW_H
#include "peers/peer.h"

struct crew;

struct turn {
    const struct peer *peer;
    const struct workload *workload;
    struct worker **workers;            /* one a thread */
};

/* Threads that have made their sequences, and wait.  ${theta} 0: no sequences. */
struct crew *crew_new(unsigned threads, const struct sizes *, double theta);
void crew_free(struct crew *);

/* One worker a thread, for ${cache}.  All caches' workers go through the same sequences. */
struct worker **crew_workers(const struct crew *, const struct peer *, void *cache);
void crew_workers_free(const struct crew *, struct worker **);

void crew_start(struct crew *, const struct turn *);
void crew_record(struct crew *);        /* from now on, what is timed goes to worker.latency */
struct counts crew_counts(const struct crew *);   /* of the turn's workers since they were made; any time */
void crew_stop(struct crew *);          /* returns when all have stopped */

/* Their sums, while none works. */
struct counts crew_total(const struct crew *, struct worker **);
void crew_latency(const struct crew *, struct worker **, struct latency *sum);

void crew_sleep(double seconds);
#endif
