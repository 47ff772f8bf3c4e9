/* SPDX-License-Identifier: MIT */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"

static const double WANTED_SECONDS = 0.4, ENOUGH_SECONDS = 0.12;
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

struct round {
    struct run_result timed, exact;
    struct store_counts counts;
    struct dropped dropped;
};

/* The pages once more, every pixel compared. */
static struct run_result draw_exactly(struct bench *b, const struct bench_run *run, struct store *s) {
    struct run_result r = run_passes(s, b->plan, b->reference, b->fonts, run->threads, 1, RUN_PIXELS);

    check_result(b, run, &r);
    return r;
}

/* A font is dropped, then the pages are drawn again. */
static struct dropped drop_and_draw(struct bench *b, const struct bench_run *run, struct store *s) {
    struct dropped d = drop_font(s, b->plan);

    drop_end(&d, s, draw_exactly(b, run, s).drawn);
    if (d.found || d.swept > d.glyphs) {
        fprintf(stderr, "brim-render: %s: %llu look-ups found a glyph of a dropped font; %llu of %zu swept\n",
                run->name, (unsigned long long)d.found, (unsigned long long)d.swept, d.glyphs);
        b->broken = true;
    }
    return d;
}

static void close_store(struct bench *b, const struct bench_run *run, struct store *s) {
    s->close(s);
    if (glyph_live() != 0) {
        fprintf(stderr, "brim-render: %s: %ld glyphs were not freed\n", run->name, glyph_live());
        b->broken = true;
    }
}

/* A cold store, the passes that are measured, one more that times the rasteriser, and one without a font. */
static struct round one_round(struct bench *b, struct bench_run *run, bool drop) {
    struct store *s;
    struct round r = {0};

    progress_step(run->name);
    s = run->open(run->capacity);
    r.timed = run_passes(s, b->plan, b->reference, b->fonts, run->threads, run->passes,
                         run->open == store_none ? RUN_RECORD : RUN_HASH);
    check_result(b, run, &r.timed);
    r.exact = draw_exactly(b, run, s);
    if (s->counts)
        r.counts = s->counts(s);
    if (drop && s->drop_font)
        r.dropped = drop_and_draw(b, run, s);
    close_store(b, run, s);
    return r;
}

static void add_counts(struct store_counts *sum, const struct store_counts *c) {
    sum->loads += c->loads;
    sum->load_waits += c->load_waits;
    sum->redundant_loads += c->redundant_loads;
}

static void measure(struct bench *b, struct bench_run *run) {
    struct round r = one_round(b, run, run->done == 0);

    run->pages_per_s[run->done] = (double)r.timed.pages / r.timed.seconds;
    run->lookups_per_s[run->done] = (double)r.timed.lookups / r.timed.seconds;
    run->rasterised[run->done] = (double)r.exact.drawn;
    run->raster_ns[run->done] = (double)r.exact.raster_ns;
    if (run->done == 0)
        run->dropped = r.dropped;
    run->done++;
    run->lookups += r.timed.lookups;
    run->drawn += r.timed.drawn;
    add_counts(&run->counts, &r.counts);
    run->peak = r.timed.peak > run->peak ? r.timed.peak : run->peak;
}

/* Finds how many passes last about long enough with a warm cache; also warms the machine up. */
static void calibrate(struct bench *b, struct bench_run *run) {
    struct run_result r = {0};
    double cold = 0, passes;

    for (run->passes = 1;; run->passes *= 4) {
        r = one_round(b, run, false).timed;
        if (run->passes == 1)
            cold = r.seconds;
        if (r.seconds - cold >= ENOUGH_SECONDS || run->passes * 4 > MAX_PASSES)
            break;
    }
    passes = (double)(run->passes - 1) * WANTED_SECONDS / (r.seconds - cold);
    run->passes = passes < 1 ? 1 : passes > (double)MAX_PASSES ? MAX_PASSES : (size_t)passes + 1;
    run->peak = r.peak;
}

/* Threads of 0 are all; capacities come later. */
static const struct bench_run RUNS[BENCH_RUNS] = {
    [BENCH_UNCACHED] = {.name = "uncached", .open = store_none, .threads = 1, .rounds = 1, .passes = 1},
    [BENCH_MUTEX] = {.name = "mutex lru", .open = store_mutex, .rounds = 5},
    [BENCH_BRIM_ONE] = {.name = "brim", .open = store_brim, .threads = 1, .rounds = 3},
    [BENCH_BRIM] = {.name = "brim", .open = store_brim, .rounds = 5},
    [BENCH_SMALL] = {.name = "brim small", .open = store_brim_frame, .rounds = 3},
    [BENCH_SMALL_LRU] = {.name = "lru small", .open = store_mutex, .rounds = 5},
    [BENCH_SMALL_HITS] = {.name = "hits small", .open = store_brim_hits, .rounds = 5},
    [BENCH_SMALL_WORK] = {.name = "work small", .open = store_brim_work, .rounds = 5},
};

static void describe(struct bench *b, unsigned threads, size_t capacity, size_t small) {
    memcpy(b->runs, RUNS, sizeof RUNS);
    for (int i = BENCH_UNCACHED; i < BENCH_RUNS; i++)
        if (!b->runs[i].threads)
            b->runs[i].threads = threads;
    for (int i = BENCH_MUTEX; i < BENCH_RUNS; i++)
        b->runs[i].capacity = i < BENCH_SMALL ? capacity : small;
}

/* An eighth of what the glyphs take when all are kept, so that it evicts all the time. */
static void choose_small(struct bench_run *r) {
    size_t peak = r[BENCH_BRIM].peak > r[BENCH_MUTEX].peak ? r[BENCH_BRIM].peak : r[BENCH_MUTEX].peak;

    for (int i = BENCH_SMALL; i < BENCH_RUNS; i++)
        if (!r[i].capacity)
            r[i].capacity = peak / 8 ? peak / 8 : 1;
}

static void calibrate_all(struct bench *b) {
    struct bench_run *r = b->runs;
    size_t passes;

    calibrate(b, &r[BENCH_MUTEX]);
    calibrate(b, &r[BENCH_BRIM]);
    calibrate(b, &r[BENCH_BRIM_ONE]);
    choose_small(r);
    calibrate(b, &r[BENCH_SMALL]);
    passes = r[BENCH_MUTEX].passes > r[BENCH_BRIM].passes ? r[BENCH_MUTEX].passes : r[BENCH_BRIM].passes;
    r[BENCH_MUTEX].passes = r[BENCH_BRIM].passes = passes;
    /* Shorter, and more rounds instead: what is asked of these is the pass that follows. */
    for (int i = BENCH_SMALL_LRU; i < BENCH_RUNS; i++)
        r[i].passes = (r[BENCH_SMALL].passes + 1) / 2;
}

void bench_run_all(struct bench *b, unsigned threads, size_t capacity, size_t small) {
    /* They take turns at going first, so that a noisy spell does not strike one alone. */
    static const int turns[2][BENCH_RUNS - 1] = {{BENCH_MUTEX, BENCH_BRIM, BENCH_BRIM_ONE, BENCH_SMALL,
                                                  BENCH_SMALL_LRU, BENCH_SMALL_HITS, BENCH_SMALL_WORK},
                                                 {BENCH_BRIM, BENCH_MUTEX, BENCH_SMALL, BENCH_BRIM_ONE,
                                                  BENCH_SMALL_WORK, BENCH_SMALL_HITS, BENCH_SMALL_LRU}};

    describe(b, threads, capacity, small);
    measure(b, &b->runs[BENCH_UNCACHED]);
    calibrate_all(b);
    for (unsigned round = 0; round < BENCH_MAX_ROUNDS; round++)
        for (int i = 0; i < BENCH_RUNS - 1; i++) {
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
