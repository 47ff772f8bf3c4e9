/* SPDX-License-Identifier: MIT */
#include "run.h"

#include "report.h"

#include <inttypes.h>
#include <stdio.h>

void run_print_config(const struct run *run)
{
    report_build();
    printf("workload        %s\n", run->workload->name);
    printf("threads         %u\n", run->options->threads);
    printf("entries         %zu (keys of %d bytes, values of %d, %zu different keys)\n", run->size.entries,
           BENCH_KEY_BYTES, BENCH_VALUE_BYTES, run->size.keys);
    printf("capacity        %zu bytes of cost\n", run->size.capacity);
    printf("time            %g s: a tenth to warm up, then %d rounds\n", run->options->seconds, RUN_ROUNDS);
    fflush(stdout);
}

static void print_memory(const char *label, double bytes, const char *how)
{
    if (bytes >= 0)
        printf("%s%.1f bytes an entry beyond value and key (%s)\n", label, bytes, how);
}

static void print_latency(const struct latency *l)
{
    printf("latency         50 %% %" PRIu64 " ns, 99 %% %" PRIu64 " ns, 99.9 %% %" PRIu64 " ns, max %" PRIu64 " ns\n",
           latency_percentile(l, 0.5), latency_percentile(l, 0.99), latency_percentile(l, 0.999), l->max);
    printf("                (of %" PRIu64 " sampled operations; reading the clock takes %" PRIu64 " ns of each)\n",
           l->count, latency_clock_cost());
}

void run_print_result(const struct run *run)
{
    printf("shards          %u\n", run->stats.shards);
    printf("operations      %.3f million a second (median of %d rounds, %.3f to %.3f)%s\n", run->mops.median,
           RUN_ROUNDS, run->mops.min, run->mops.max, run->workload->theta == 0 ? "; an operation is a pair" : "");
    if (run->total.lookups != 0)
        printf("hit ratio       %.4f\n", run->hit_ratio);
    print_memory("memory          ", run->overhead_per_entry, "as the cache counts it");
    print_memory("                ", run->filled.rss_per_entry, "growth of the resident set");
    print_latency(&run->latency);
    if (run->total.refused != 0)
        printf("refused         %" PRIu64 " inserts\n", run->total.refused);
    fflush(stdout);
    if (run->total.wrong != 0)
        fprintf(stderr, "brim-bench: WRONG: %" PRIu64 " look-ups, inserts or removals did not do what they must\n",
                run->total.wrong);
}

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *latency_object(const struct latency *l)
{
    json_t *o = json_object();
    json_object_set_new(o, "p50", number(latency_percentile(l, 0.5)));
    json_object_set_new(o, "p99", number(latency_percentile(l, 0.99)));
    json_object_set_new(o, "p999", number(latency_percentile(l, 0.999)));
    json_object_set_new(o, "max", number(l->max));
    json_object_set_new(o, "samples", number(l->count));
    json_object_set_new(o, "clock", number(latency_clock_cost()));
    return o;
}

void run_write_json(const struct run *run)
{
    if (run->options->json == NULL)
        return;
    json_t *o = json_object();
    json_object_set_new(o, "workload", json_string(run->workload->name));
    json_object_set_new(o, "threads", number(run->options->threads));
    json_object_set_new(o, "entries", number(run->size.entries));
    json_object_set_new(o, "capacity", number(run->size.capacity));
    json_object_set_new(o, "shards", number(run->stats.shards));
    json_object_set_new(o, "seconds", json_real(run->options->seconds));
    json_object_set_new(o, "mops", json_real(run->mops.median));
    json_object_set_new(o, "mops_min", json_real(run->mops.min));
    json_object_set_new(o, "mops_max", json_real(run->mops.max));
    json_object_set_new(o, "hit_ratio", run->total.lookups != 0 ? json_real(run->hit_ratio) : json_null());
    json_object_set_new(o, "bytes_per_entry",
                        run->overhead_per_entry >= 0 ? json_real(run->overhead_per_entry) : json_null());
    json_object_set_new(o, "rss_per_entry",
                        run->filled.rss_per_entry >= 0 ? json_real(run->filled.rss_per_entry) : json_null());
    json_object_set_new(o, "latency_ns", latency_object(&run->latency));
    json_object_set_new(o, "refused", number(run->total.refused));
    json_object_set_new(o, "wrong", number(run->total.wrong));
    json_object_set_new(o, "version", json_string(brim_version()));
    report_json_write(run->options->json, o);
}
