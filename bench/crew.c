/* SPDX-License-Identifier: MIT */
#include "crew.h"

#include "fail.h"
#include "zipf.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum state { STATE_WARMING, STATE_RECORDING, STATE_STOPPING };

struct member {
    struct crew *crew;
    unsigned number;
    pthread_t thread;
    uint32_t *sequence;
};

struct crew {
    unsigned threads;
    struct sizes size;
    double theta;
    struct member *members;
    pthread_barrier_t gate;             /* all members and the owner: before and after each turn */
    struct turn turn;                   /* the owner's, while the members wait at the gate */
    bool ended;                         /* likewise */
    _Atomic int state;                  /* enum state */
};

void crew_sleep(double seconds)
{
    struct timespec t = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&t, &t) != 0)
        ;
}

/* ---- Members ---------------------------------------------------------------------------------------------- */

static uint32_t *make_sequence(const struct crew *crew, unsigned number)
{
    struct zipf zipf;
    struct rng rng = {rng_mix(number + 1)};
    if (crew->theta == 0)
        return NULL;
    uint32_t *sequence = bench_alloc(crew->size.sequence_length, sizeof *sequence);
    zipf_init(&zipf, (uint32_t)crew->size.keys, crew->theta);
    zipf_fill(&zipf, &rng, sequence, crew->size.sequence_length);
    return sequence;
}

static void publish(struct worker *w)
{
    /* Relaxed: figures only; the last ones are read after the gate. */
    __atomic_store_n(&w->published.operations, w->counts.operations, __ATOMIC_RELAXED);
    __atomic_store_n(&w->published.lookups, w->counts.lookups, __ATOMIC_RELAXED);
    __atomic_store_n(&w->published.hits, w->counts.hits, __ATOMIC_RELAXED);
}

static void take_turn(struct crew *crew, struct worker *w)
{
    const struct peer *peer = crew->turn.peer;
    worker_batch *batch = peer->loops[crew->turn.workload->loop];
    const unsigned operations = crew->turn.workload->sample_every;
    int state;
    if (peer->enter != NULL)
        peer->enter(w);
    while ((state = atomic_load_explicit(&crew->state, memory_order_relaxed)) != STATE_STOPPING) {
        w->sample = 0;
        batch(w, operations);
        if (state == STATE_RECORDING && w->sample != 0)
            latency_add(&w->latency, w->sample);
        w->counts.operations += operations;
        publish(w);
    }
    if (peer->leave != NULL)
        peer->leave(w);
}

static void *work(void *arg)
{
    struct member *member = arg;
    struct crew *crew = member->crew;
    member->sequence = make_sequence(crew, member->number);
    pthread_barrier_wait(&crew->gate);
    for (;;) {
        pthread_barrier_wait(&crew->gate);
        if (crew->ended)
            return NULL;
        take_turn(crew, crew->turn.workers[member->number]);
        pthread_barrier_wait(&crew->gate);
    }
}

struct crew *crew_new(unsigned threads, const struct sizes *size, double theta)
{
    struct crew *crew = bench_alloc(1, sizeof *crew);
    crew->threads = threads;
    crew->size = *size;
    crew->theta = theta;
    crew->members = bench_alloc(threads, sizeof *crew->members);
    pthread_barrier_init(&crew->gate, NULL, threads + 1);
    for (unsigned i = 0; i < threads; i++) {
        struct member *member = &crew->members[i];
        member->crew = crew;
        member->number = i;
        const int error = pthread_create(&member->thread, NULL, work, member);
        if (error != 0)
            bench_fail("cannot start thread %u: %s", i + 1, strerror(error));
    }
    pthread_barrier_wait(&crew->gate);
    return crew;
}

void crew_free(struct crew *crew)
{
    crew->ended = true;
    pthread_barrier_wait(&crew->gate);
    for (unsigned i = 0; i < crew->threads; i++) {
        pthread_join(crew->members[i].thread, NULL);
        free(crew->members[i].sequence);
    }
    pthread_barrier_destroy(&crew->gate);
    free(crew->members);
    free(crew);
}

/* ---- Workers ---------------------------------------------------------------------------------------------- */

static struct worker *new_worker(const struct crew *crew, unsigned number)
{
    struct worker *w = bench_alloc(1, sizeof *w);
    w->sequence = crew->members[number].sequence;
    w->mask = crew->size.sequence_length - 1;
    w->rng.state = rng_mix(((uint64_t)1 << 32) + number);
    w->first_index = (uint64_t)(number + 1) << 40;
    w->alive = BENCH_ALIVE / crew->threads + (number < BENCH_ALIVE % crew->threads ? 1 : 0);
    if (w->alive == 0)
        w->alive = 1;
    return w;
}

struct worker **crew_workers(const struct crew *crew, const struct peer *peer, void *cache)
{
    struct worker **workers = bench_alloc(crew->threads, sizeof *workers);
    for (unsigned i = 0; i < crew->threads; i++) {
        workers[i] = new_worker(crew, i);
        workers[i]->cache = cache;
        workers[i]->loses = peer->loses;
    }
    return workers;
}

void crew_workers_free(const struct crew *crew, struct worker **workers)
{
    for (unsigned i = 0; i < crew->threads; i++)
        free(workers[i]);
    free(workers);
}

/* ---- Turns ------------------------------------------------------------------------------------------------ */

void crew_start(struct crew *crew, const struct turn *turn)
{
    crew->turn = *turn;
    atomic_store(&crew->state, STATE_WARMING);
    pthread_barrier_wait(&crew->gate);
}

void crew_record(struct crew *crew)
{
    atomic_store(&crew->state, STATE_RECORDING);
}

void crew_stop(struct crew *crew)
{
    atomic_store(&crew->state, STATE_STOPPING);
    pthread_barrier_wait(&crew->gate);
}

struct counts crew_counts(const struct crew *crew)
{
    struct counts sum = {0};
    for (unsigned i = 0; i < crew->threads; i++) {
        const struct worker *w = crew->turn.workers[i];
        sum.operations += __atomic_load_n(&w->published.operations, __ATOMIC_RELAXED);
        sum.lookups += __atomic_load_n(&w->published.lookups, __ATOMIC_RELAXED);
        sum.hits += __atomic_load_n(&w->published.hits, __ATOMIC_RELAXED);
    }
    return sum;
}

struct counts crew_total(const struct crew *crew, struct worker **workers)
{
    struct counts sum = {0};
    for (unsigned i = 0; i < crew->threads; i++) {
        const struct counts *counts = &workers[i]->counts;
        sum.operations += counts->operations;
        sum.lookups += counts->lookups;
        sum.hits += counts->hits;
        sum.refused += counts->refused;
        sum.wrong += counts->wrong;
    }
    return sum;
}

void crew_latency(const struct crew *crew, struct worker **workers, struct latency *sum)
{
    for (unsigned i = 0; i < crew->threads; i++)
        latency_merge(sum, &workers[i]->latency);
}
