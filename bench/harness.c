/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include "fail.h"
#include "progress.h"
#include "run.h"
#include "zipf.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLE_EVERY = 64, MIN_SEQUENCE = 1 << 12, MAX_SEQUENCE = 1 << 22, ALL_SEQUENCES = 1 << 26 };
static const size_t rss_worth_entries = 10000;   /* fewer say nothing about the resident set */

static void sleep_for(double seconds)
{
    struct timespec t = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&t, &t) != 0)
        ;
}

static size_t resident_bytes(void)
{
    unsigned long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f != NULL) {
        if (fscanf(f, "%lu %lu", &size, &resident) != 2)
            resident = 0;
        fclose(f);
    }
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* ---- What is asked -------------------------------------------------------------------------------------------------- */

static void plan(struct run *run, const struct options *o)
{
    const struct workload *w = workload_find(o->workload);
    run->options = o;
    run->workload = w;
    run->entries = w->fixed_entries != 0 ? w->fixed_entries : o->entries;
    const size_t needed = (run->entries + (w->must_fit && w->theta == 0 ? 2 * (size_t)o->threads : 0)) * BENCH_VALUE_BYTES;
    run->capacity = o->capacity != 0 ? o->capacity : needed * w->room_factor;
    if (w->must_fit && run->capacity < needed)
        bench_fail("--capacity: %s with %zu entries needs at least %zu", w->name, run->entries, needed);
    if (!w->must_fit && w->key_factor > 1) {
        if (run->capacity / BENCH_VALUE_BYTES > BENCH_MAX_ENTRIES)
            bench_fail("--capacity: %zu is more than %s can fill", run->capacity, w->name);
        run->entries = run->capacity / BENCH_VALUE_BYTES;
    }
    if (run->entries == 0)
        bench_fail("--capacity: %zu does not hold one entry of %d", run->capacity, BENCH_VALUE_BYTES);
    run->keys = run->entries * w->key_factor;
    run->sequence_length = MAX_SEQUENCE;
    while (run->sequence_length > MIN_SEQUENCE && run->sequence_length * o->threads > ALL_SEQUENCES)
        run->sequence_length /= 2;
}

/* ---- Filling -------------------------------------------------------------------------------------------------------- */

static void make_cache(struct run *run)
{
    brim_options options;
    brim_options_init(&options, run->capacity);
    options.name = "bench";
    options.shards = run->options->shards;
    options.expected_cost = BENCH_VALUE_BYTES;
    options.kind = &workload_kind;
    const brim_status status = brim_cache_new(&options, &run->cache);
    if (status != BRIM_OK)
        bench_fail("cannot make a cache: %s", brim_strerror(status));
}

static void insert_all(struct run *run, void **values)
{
    for (size_t i = 0; i < run->entries; i++) {
        struct bench_key key;
        workload_key(&key, i);
        const brim_status status = brim_insert(run->cache, &key, sizeof key, values[i], BENCH_VALUE_BYTES, NULL);
        if (status != BRIM_OK && run->workload->must_fit)
            bench_fail("cannot fill the cache: entry %zu of %zu: %s", i, run->entries, brim_strerror(status));
        if (status != BRIM_OK)
            free(values[i]);
        if (i % 65536 == 0)
            progress_update((double)i / (double)run->entries);
    }
}

static void measure_memory(struct run *run, size_t before)
{
    const size_t after = resident_bytes();
    brim_stats_get(run->cache, &run->stats);
    const double count = (double)run->stats.count;
    run->overhead_per_entry = run->rss_per_entry = -1;
    if (run->stats.count != 0 && run->stats.overhead != 0)
        run->overhead_per_entry = (double)run->stats.overhead / count - (double)BENCH_KEY_BYTES;
    if (run->stats.count >= rss_worth_entries && after > before)
        run->rss_per_entry = (double)(after - before) / count - (double)BENCH_KEY_BYTES;
}

/* The values are made first, so that what the resident set grows by then is the cache's own. */
static void fill(struct run *run)
{
    void **values = bench_alloc(run->entries, sizeof *values);
    for (size_t i = 0; i < run->entries; i++)
        values[i] = workload_value_new(i);
    const size_t before = resident_bytes();
    make_cache(run);
    progress_begin("filling", 0);
    if (run->workload->theta != 0) {
        insert_all(run, values);
    } else {
        for (size_t i = 0; i < run->entries; i++)
            free(values[i]);
    }
    progress_end();
    measure_memory(run, before);
    free(values);
}

/* ---- Workers -------------------------------------------------------------------------------------------------------- */

struct start {
    struct run *run;
    struct worker *worker;
};

static void publish(struct worker *w)
{
    /* Relaxed: figures only; the last ones are read after the join. */
    atomic_store_explicit(&w->published.operations, w->counts.operations, memory_order_relaxed);
    atomic_store_explicit(&w->published.lookups, w->counts.lookups, memory_order_relaxed);
    atomic_store_explicit(&w->published.hits, w->counts.hits, memory_order_relaxed);
}

static uint32_t *make_sequence(const struct run *run, struct worker *w)
{
    struct zipf zipf;
    if (run->workload->theta == 0)
        return NULL;
    uint32_t *sequence = bench_alloc(run->sequence_length, sizeof *sequence);
    zipf_init(&zipf, (uint32_t)run->keys, run->workload->theta);
    zipf_fill(&zipf, &w->rng, sequence, run->sequence_length);
    return sequence;
}

static void *work(void *arg)
{
    const struct start start = *(struct start *)arg;
    struct run *run = start.run;
    struct worker *w = start.worker;
    free(arg);
    uint32_t *sequence = make_sequence(run, w);
    w->sequence = sequence;
    w->mask = run->sequence_length - 1;
    atomic_fetch_add(&run->ready, 1);
    for (;;) {
        const int state = atomic_load_explicit(&run->state, memory_order_relaxed);
        if (state == RUN_STOPPING)
            break;
        const uint64_t began = latency_now();
        run->workload->batch(w, 1);
        const uint64_t ended = latency_now();
        if (state == RUN_RECORDING)
            latency_add(&w->latency, ended - began);
        run->workload->batch(w, SAMPLE_EVERY - 1);
        w->counts.operations += SAMPLE_EVERY;
        publish(w);
    }
    free(sequence);
    return NULL;
}

static struct worker *new_worker(struct run *run, unsigned number)
{
    const unsigned threads = run->options->threads;
    struct worker *w = bench_alloc(1, sizeof *w);
    w->cache = run->cache;
    w->number = number;
    w->rng.state = rng_mix(number + 1);
    w->first_index = (uint64_t)(number + 1) << 40;
    w->alive = BENCH_ALIVE / threads + (number < BENCH_ALIVE % threads ? 1 : 0);
    if (w->alive == 0)
        w->alive = 1;
    return w;
}

static void start_workers(struct run *run, pthread_t *threads)
{
    for (unsigned i = 0; i < run->options->threads; i++) {
        struct start *start = bench_alloc(1, sizeof *start);
        *start = (struct start){run, run->workers[i] = new_worker(run, i)};
        const int error = pthread_create(&threads[i], NULL, work, start);
        if (error != 0)
            bench_fail("cannot start thread %u: %s", i + 1, strerror(error));
    }
    while (atomic_load(&run->ready) < run->options->threads)
        sleep_for(0.002);
}

/* ---- Rounds --------------------------------------------------------------------------------------------------------- */

static struct counts sum_published(const struct run *run)
{
    struct counts sum = {0};
    for (unsigned i = 0; i < run->options->threads; i++) {
        struct worker *w = run->workers[i];
        sum.operations += atomic_load_explicit(&w->published.operations, memory_order_relaxed);
        sum.lookups += atomic_load_explicit(&w->published.lookups, memory_order_relaxed);
        sum.hits += atomic_load_explicit(&w->published.hits, memory_order_relaxed);
    }
    return sum;
}

static void pass_time(const struct run *run, double seconds, double done_before)
{
    const uint64_t began = latency_now();
    double left = seconds;
    while (left > 0) {
        sleep_for(left < 0.1 ? left : 0.1);
        const double passed = (double)(latency_now() - began) * 1e-9;
        progress_update((done_before + passed) / run->options->seconds);
        left = seconds - passed;
    }
}

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(struct run *run)
{
    const double warming = run->options->seconds * 0.1;
    const double round = (run->options->seconds - warming) / (double)RUN_ROUNDS;
    progress_begin(run->workload->name, run->options->seconds);
    pass_time(run, warming, 0);
    atomic_store(&run->state, RUN_RECORDING);
    struct counts first = sum_published(run), last = first;
    uint64_t time = latency_now();
    for (unsigned i = 0; i < RUN_ROUNDS; i++) {
        pass_time(run, round, warming + round * i);
        const struct counts now = sum_published(run);
        const uint64_t then = time;
        time = latency_now();
        run->mops[i] = (double)(now.operations - last.operations) / (double)(time - then) * 1e3;
        last = now;
    }
    progress_end();
    qsort(run->mops, RUN_ROUNDS, sizeof run->mops[0], compare_doubles);
    const uint64_t lookups = last.lookups - first.lookups;
    run->hit_ratio = lookups != 0 ? (double)(last.hits - first.hits) / (double)lookups : 0;
}

static void stop_workers(struct run *run, const pthread_t *threads)
{
    atomic_store(&run->state, RUN_STOPPING);
    for (unsigned i = 0; i < run->options->threads; i++) {
        pthread_join(threads[i], NULL);
        const struct worker *w = run->workers[i];
        run->total.operations += w->counts.operations;
        run->total.lookups += w->counts.lookups;
        run->total.hits += w->counts.hits;
        run->total.refused += w->counts.refused;
        run->total.wrong += w->counts.wrong;
        latency_merge(&run->latency, &w->latency);
        free(run->workers[i]);
    }
}

int harness_run(const struct options *o)
{
    struct run *run = bench_alloc(1, sizeof *run);
    plan(run, o);
    run_print_config(run);
    fill(run);
    run->workers = bench_alloc(o->threads, sizeof *run->workers);
    pthread_t *threads = bench_alloc(o->threads, sizeof *threads);
    start_workers(run, threads);
    measure(run);
    stop_workers(run, threads);
    if (run->overhead_per_entry < 0)
        measure_memory(run, SIZE_MAX);
    run_print_result(run);
    run_write_json(run);
    const int status = run->total.wrong != 0 ? EXIT_WRONG : EXIT_SUCCESS;
    brim_cache_free(run->cache);
    free(threads);
    free(run->workers);
    free(run);
    return status;
}
