/* SPDX-License-Identifier: MIT */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"

static const double WANTED_SECONDS = 0.6, ENOUGH_SECONDS = 0.12;
enum { MAX_PASSES = 1000000 };

static void check_result(struct bench *b, const struct bench_run *run, const struct run_result *r) {
    if (r->different) {
        fprintf(stderr, "brim-render: %s: %llu pages differ\n", run->name, (unsigned long long)r->different);
        b->different += r->different;
    }
    if (run->capacity && r->peak > run->capacity) {
        fprintf(stderr, "brim-render: %s: used %zu of a capacity of %zu\n", run->name, r->peak,
                run->capacity);
        b->broken = true;
    }
}

/* One round: a cold store, the passes that are measured, one more that compares every pixel. */
static struct run_result one_round(struct bench *b, struct bench_run *run) {
    struct store *s;
    struct run_result timed, exact;
    bool first = run->open == store_none;

    progress_step(run->name);
    s = run->open(run->capacity);
    timed = run_passes(s, b->plan, b->reference, b->fonts, run->threads, run->passes,
                       first ? RUN_RECORD : RUN_HASH);
    check_result(b, run, &timed);
    if (!first) {
        exact = run_passes(s, b->plan, b->reference, b->fonts, run->threads, 1, RUN_PIXELS);
        check_result(b, run, &exact);
    }
    s->close(s);
    if (glyph_live() != 0) {
        fprintf(stderr, "brim-render: %s: %ld glyphs were not freed\n", run->name, glyph_live());
        b->broken = true;
    }
    return timed;
}

static void measure(struct bench *b, struct bench_run *run) {
    struct run_result r = one_round(b, run);

    run->pages_per_s[run->done] = (double)r.pages / r.seconds;
    run->lookups_per_s[run->done] = (double)r.lookups / r.seconds;
    run->done++;
    run->lookups += r.lookups;
    run->hits += r.hits;
    run->peak = r.peak > run->peak ? r.peak : run->peak;
}

/* Finds how many passes last about long enough; also warms the machine up. */
static void calibrate(struct bench *b, struct bench_run *run) {
    struct run_result r = {0};
    double passes;

    for (run->passes = 1;; run->passes *= 4) {
        r = one_round(b, run);
        if (r.seconds >= ENOUGH_SECONDS || run->passes * 4 > MAX_PASSES)
            break;
    }
    passes = (double)run->passes * WANTED_SECONDS / r.seconds;
    run->passes = passes < 1 ? 1 : passes > (double)(int)MAX_PASSES ? MAX_PASSES : (size_t)passes + 1;
    run->peak = r.peak;
}

static void describe(struct bench *b, unsigned threads, size_t capacity) {
    struct bench_run *r = b->runs;

    r[BENCH_UNCACHED] =
        (struct bench_run){.name = "uncached", .open = store_none, .threads = 1, .rounds = 1, .passes = 1};
    r[BENCH_MUTEX] =
        (struct bench_run){.name = "mutex lru", .open = store_mutex, .threads = threads, .rounds = 5};
    r[BENCH_BRIM_ONE] = (struct bench_run){.name = "brim", .open = store_brim, .threads = 1, .rounds = 3};
    r[BENCH_BRIM] = (struct bench_run){.name = "brim", .open = store_brim, .threads = threads, .rounds = 5};
    r[BENCH_SMALL] =
        (struct bench_run){.name = "brim small", .open = store_brim, .threads = threads, .rounds = 3};
    for (int i = BENCH_MUTEX; i < BENCH_RUNS; i++)
        r[i].capacity = capacity;
}

/* An eighth of what the glyphs take when all are kept, so that it evicts all the time. */
static void choose_small(struct bench_run *r) {
    size_t peak = r[BENCH_BRIM].peak > r[BENCH_MUTEX].peak ? r[BENCH_BRIM].peak : r[BENCH_MUTEX].peak;

    r[BENCH_SMALL].capacity = peak / 8 ? peak / 8 : 1;
}

static void calibrate_all(struct bench *b) {
    struct bench_run *r = b->runs;
    size_t passes;

    progress_phase("finding how many passes last half a second");
    calibrate(b, &r[BENCH_MUTEX]);
    calibrate(b, &r[BENCH_BRIM]);
    calibrate(b, &r[BENCH_BRIM_ONE]);
    choose_small(r);
    calibrate(b, &r[BENCH_SMALL]);
    passes = r[BENCH_MUTEX].passes > r[BENCH_BRIM].passes ? r[BENCH_MUTEX].passes : r[BENCH_BRIM].passes;
    r[BENCH_MUTEX].passes = r[BENCH_BRIM].passes = passes;
}

void bench_run_all(struct bench *b, unsigned threads, size_t capacity) {
    /* Mutex and Brim take turns at going first, so that a noisy spell does not strike one alone. */
    static const int turns[2][4] = {{BENCH_MUTEX, BENCH_BRIM, BENCH_BRIM_ONE, BENCH_SMALL},
                                    {BENCH_BRIM, BENCH_MUTEX, BENCH_SMALL, BENCH_BRIM_ONE}};

    describe(b, threads, capacity);
    progress_phase("drawing the pages without a cache");
    measure(b, &b->runs[BENCH_UNCACHED]);
    calibrate_all(b);
    progress_phase("measuring the cached runs");
    for (unsigned round = 0; round < BENCH_MAX_ROUNDS; round++)
        for (int i = 0; i < 4; i++) {
            struct bench_run *run = &b->runs[turns[round % 2][i]];
            if (round < run->rounds)
                measure(b, run);
        }
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_median(const double *samples, unsigned n) {
    double sorted[BENCH_MAX_ROUNDS];

    if (!n)
        return 0;
    memcpy(sorted, samples, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, ascending);
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}
