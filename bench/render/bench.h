/* SPDX-License-Identifier: MIT */
#ifndef RENDER_BENCH_H
#define RENDER_BENCH_H
#include "drop.h"
#include "run.h"

enum {
    BENCH_UNCACHED,
    BENCH_MUTEX,
    BENCH_BRIM_ONE,
    BENCH_BRIM,
    BENCH_SMALL,
    BENCH_SMALL_LRU,
    BENCH_SMALL_HITS,
    BENCH_SMALL_WORK,
    BENCH_RUNS
};
enum { BENCH_MAX_ROUNDS = 5 };

struct bench_run {
    const char *name;
    store_opener *open;
    unsigned threads, rounds; /* rounds: how often it is measured */
    size_t capacity, passes;
    double pages_per_s[BENCH_MAX_ROUNDS], lookups_per_s[BENCH_MAX_ROUNDS];
    /* When all pages are drawn once more: glyphs made, and the processor time that making them took. */
    double rasterised[BENCH_MAX_ROUNDS], raster_ns[BENCH_MAX_ROUNDS];
    unsigned done;
    uint64_t lookups, drawn;    /* of all rounds */
    struct store_counts counts; /* likewise, with what else was drawn in them; 0 of what is not Brim's */
    struct dropped dropped;     /* in the first round */
    size_t peak;
};

struct bench {
    struct bench_run runs[BENCH_RUNS];
    const struct plan *plan;
    struct reference *reference;
    struct fonts *fonts;
    uint64_t different; /* pages with other pixels than the first run's */
    bool broken;        /* more used than the capacity, a glyph not freed, or one of a dropped font found */
};

enum { BENCH_STEPS = 1 + 12 + 5 + 5 + 3 + 3 + 3 * 5 }; /* 12: calibrating, about */

/* small: the capacity of the small caches; 0: an eighth of what all glyphs take. */
void bench_run_all(struct bench *, unsigned threads, size_t capacity, size_t small);
double bench_median(const double *samples, unsigned n);
#endif
