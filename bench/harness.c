/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include "crew.h"
#include "fail.h"
#include "fill.h"
#include "peers/brim_cache.h"
#include "progress.h"
#include "publish.h"
#include "run.h"

#include <stdlib.h>

/* ---- Rounds ---------------------------------------------------------------------------------------------------- */

static void pass_time(const struct run *run, double seconds, double done_before)
{
    const uint64_t began = latency_now();
    double left = seconds;
    while (left > 0) {
        crew_sleep(left < 0.1 ? left : 0.1);
        const double passed = (double)(latency_now() - began) * 1e-9;
        progress_update((done_before + passed) / run->options->seconds);
        left = seconds - passed;
    }
}

static void measure(struct run *run, struct crew *crew)
{
    const double warming = run->options->seconds * 0.1;
    const double round = (run->options->seconds - warming) / (double)RUN_ROUNDS;
    double mops[RUN_ROUNDS];
    progress_begin(run->workload->name, run->options->seconds);
    pass_time(run, warming, 0);
    crew_record(crew);
    struct counts first = crew_counts(crew), last = first;
    uint64_t time = latency_now();
    for (unsigned i = 0; i < RUN_ROUNDS; i++) {
        pass_time(run, round, warming + round * i);
        const struct counts now = crew_counts(crew);
        const uint64_t then = time;
        time = latency_now();
        mops[i] = (double)(now.operations - last.operations) / (double)(time - then) * 1e3;
        last = now;
    }
    progress_end();
    run->mops = spread_of(mops, RUN_ROUNDS);
    const uint64_t lookups = last.lookups - first.lookups;
    run->hit_ratio = lookups != 0 ? (double)(last.hits - first.hits) / (double)lookups : 0;
}

static void work(struct run *run)
{
    struct crew *crew = crew_new(run->options->threads, &run->size, run->workload->theta);
    const struct turn turn = {run->filled.peer, run->workload,
                              crew_workers(crew, run->filled.peer, run->filled.cache)};
    crew_start(crew, &turn);
    measure(run, crew);
    crew_stop(crew);
    run->total = crew_total(crew, turn.workers);
    crew_latency(crew, turn.workers, &run->latency);
    crew_workers_free(crew, turn.workers);
    crew_free(crew);
}

static double counted_overhead(const brim_stats *stats)
{
    if (stats->count == 0 || stats->overhead == 0)
        return -1;
    return (double)stats->overhead / (double)stats->count - (double)BENCH_KEY_BYTES;
}

int harness_run(const struct options *o)
{
    struct run *run = bench_alloc(1, sizeof *run);
    run->options = o;
    run->workload = workload_find(o->workload);
    workload_size(&run->size, run->workload, o->entries, o->threads, o->capacity);
    run_print_config(run);
    const struct peer *peer = run->workload->id == KEY_HIT ? &peer_brim_key_find : &peer_brim_find;
    progress_begin("filling", 0);
    fill_open(&run->filled, peer, run->workload, &run->size, o->shards, progress_update);
    progress_end();
    brim_cache *cache = ((struct brim_peer *)run->filled.cache)->cache;
    brim_stats_get(cache, &run->stats);
    run->overhead_per_entry = counted_overhead(&run->stats);
    publish_add(cache);
    work(run);
    publish_remove(cache);
    if (run->overhead_per_entry < 0) {
        brim_stats_get(cache, &run->stats);
        run->overhead_per_entry = counted_overhead(&run->stats);
    }
    run_print_result(run);
    run_write_json(run);
    const int status = run->total.wrong != 0 ? EXIT_WRONG : EXIT_SUCCESS;
    fill_close(&run->filled);
    free(run);
    return status;
}
