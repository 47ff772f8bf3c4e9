/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <jansson.h>

#include "diag.h"

static void print_bytes(FILE *out, size_t n) {
    if (n < 10240)
        fprintf(out, " %9zu B", n);
    else if (n < (size_t)10 << 20)
        fprintf(out, " %7.1f KiB", (double)n / 1024);
    else
        fprintf(out, " %7.1f MiB", (double)n / 1048576);
}

static double hit_ratio(const struct bench_run *r) {
    return r->lookups ? (double)(r->lookups - r->drawn) / (double)r->lookups : 0;
}

static double lookups_per_s(const struct bench_run *r) {
    return r->capacity ? bench_median(r->lookups_per_s, r->done) : 0;
}

static void print_run(FILE *out, const struct bench_run *r) {
    fprintf(out, "%-11s %7u %10.1f ", r->name, r->threads, bench_median(r->pages_per_s, r->done));
    if (!r->capacity) {
        fprintf(out, "%11s %8s %11s %11s\n", "-", "-", "-", "-");
        return;
    }
    fprintf(out, "%11.0f %7.2f%%", lookups_per_s(r), 100 * hit_ratio(r));
    print_bytes(out, r->peak);
    print_bytes(out, r->capacity);
    putc('\n', out);
}

static double raster_ns(const struct bench_run *r) { return bench_median(r->raster_ns, r->done); }

static double rasterised(const struct bench_run *r) { return bench_median(r->rasterised, r->done); }

static void print_rasterising(FILE *out, const struct bench_run *r, double lru_ns) {
    if (rasterised(r) < 1)
        return;
    fprintf(out, "%-16s %11.0f %13.1f %11.2f", r->name, rasterised(r), raster_ns(r) / 1e6,
            raster_ns(r) / rasterised(r) / 1000);
    if (lru_ns > 0)
        fprintf(out, " %14.1f%%\n", 100 * raster_ns(r) / lru_ns);
    else
        fprintf(out, " %15s\n", "-");
}

static bool has_counts(const struct bench_run *r) { return r->counts.loads != 0; }

static void print_loads(FILE *out, const struct bench_run *r) {
    if (has_counts(r))
        fprintf(out, "  %-14s %7u %11llu %13llu %11llu\n", r->name, r->threads,
                (unsigned long long)r->counts.loads, (unsigned long long)r->counts.load_waits,
                (unsigned long long)r->counts.redundant_loads);
}

static void print_dropped(FILE *out, const struct bench_run *r) {
    const struct dropped *d = &r->dropped;

    if (has_counts(r))
        fprintf(out, "  %-14s %7u %11zu %13llu %11llu %15llu\n", r->name, r->threads, d->glyphs,
                (unsigned long long)d->found, (unsigned long long)d->swept, (unsigned long long)d->drawn);
}

/* What only Brim does: glyphs drawn once for all who ask, and fonts dropped at once. */
static void print_brim(const struct bench *b, FILE *out) {
    fprintf(out, "\n%-16s %7s %11s %13s %11s\n", "drawn once", "threads", "loads", "shared", "redundant");
    for (int i = 0; i < BENCH_RUNS; i++)
        print_loads(out, &b->runs[i]);
    fprintf(out, "\n%-16s %7s %11s %13s %11s %15s\n", "a font dropped", "threads", "its glyphs",
            "still found", "swept", "drawn again");
    for (int i = 0; i < BENCH_RUNS; i++)
        print_dropped(out, &b->runs[i]);
}

void report_table(const struct bench *b, FILE *out) {
    fprintf(out, "%-11s %7s %10s %11s %8s %11s %11s\n", "run", "threads", "pages/s", "look-ups/s", "hits",
            "peak used", "capacity");
    for (int i = 0; i < BENCH_RUNS; i++)
        print_run(out, &b->runs[i]);
    fprintf(out, "\n%-16s %11s %13s %11s %15s\n", "rasterised again", "glyphs", "processor ms", "us a glyph",
            "of lru small's");
    for (int i = 0; i < BENCH_RUNS; i++)
        print_rasterising(out, &b->runs[i], raster_ns(&b->runs[BENCH_SMALL_LRU]));
    print_brim(b, out);
    fprintf(out, "pixels identical: %s\n", b->different ? "no" : "yes");
}

static void add_counts_to_json(json_t *o, const struct bench_run *r) {
    const struct store_counts *c = &r->counts;
    const struct dropped *d = &r->dropped;
    json_t *more =
        json_pack("{s:I, s:I, s:I, s:{s:I, s:I, s:I, s:I}}", "loads", (json_int_t)c->loads, "load_waits",
                  (json_int_t)c->load_waits, "redundant_loads", (json_int_t)c->redundant_loads,
                  "dropped_font", "glyphs", (json_int_t)d->glyphs, "found", (json_int_t)d->found, "swept",
                  (json_int_t)d->swept, "drawn_again", (json_int_t)d->drawn);

    if (!more || json_object_update(o, more) != 0)
        die_no_memory();
    json_decref(more);
}

static json_t *run_to_json(const struct bench_run *r) {
    json_t *o = json_pack("{s:s, s:I, s:f, s:f, s:f, s:I, s:I, s:I, s:I}", "name", r->name, "threads",
                          (json_int_t)r->threads, "pages_per_s", bench_median(r->pages_per_s, r->done),
                          "lookups_per_s", lookups_per_s(r), "hit_ratio", hit_ratio(r), "peak_used",
                          (json_int_t)r->peak, "capacity", (json_int_t)r->capacity, "rasterised",
                          (json_int_t)rasterised(r), "raster_ns", (json_int_t)raster_ns(r));

    if (!o)
        die_no_memory();
    add_counts_to_json(o, r);
    return o;
}

void report_json(const struct bench *b, FILE *out) {
    json_t *runs = json_array(), *root;

    for (int i = 0; i < BENCH_RUNS; i++)
        if (json_array_append_new(runs, run_to_json(&b->runs[i])) != 0)
            die_no_memory();
    root = json_pack("{s:o, s:b}", "runs", runs, "identical", b->different == 0);
    if (!root)
        die_no_memory();
    if (json_dumpf(root, out, JSON_INDENT(2)) == 0)
        putc('\n', out);
    json_decref(root);
}
