/* SPDX-License-Identifier: MIT */
#include "result.h"

#include "../machine.h"
#include "../report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char against[] = "rocksdb hyperclock";

/* ---- Text, within 80 columns ------------------------------------------------------------------------------ */

void result_print_head(const struct ask *ask)
{
    report_build();
    printf("items           keys of %d bytes, values of %d; %d shards where one can say\n", BENCH_KEY_BYTES,
           BENCH_VALUE_BYTES, PEER_SHARDS);
    printf("time            %u rounds of %g s a peer, in turns; medians\n", ask->options->rounds,
           ask->options->seconds);
    for (unsigned i = 0; i < ask->peer_count; i++) {
        char version[64];
        const struct peer *p = ask->peers[i];
        p->version(version, sizeof version);
        printf("%-20s%s%s%s\n", p->name, version, p->note != NULL ? ": " : "", p->note != NULL ? p->note : "");
    }
    fflush(stdout);
}

static const struct result *find_reference(const struct result *results, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(results[i].peer->name, against) == 0)
            return &results[i];
    return NULL;
}

static void print_row(const struct result *r, const struct result *reference)
{
    char ratio[16] = "-", hits[16] = "-", bytes[16] = "-";
    if (reference != NULL && reference->mops.median > 0)
        snprintf(ratio, sizeof ratio, "%.2f", r->mops.median / reference->mops.median);
    if (r->hit_ratio >= 0)
        snprintf(hits, sizeof hits, "%.4f", r->hit_ratio);
    if (r->bytes_per_entry >= 0)
        snprintf(bytes, sizeof bytes, "%.1f", r->bytes_per_entry);
    printf("%-20s%9.3f%8.0f %%%9s%9s%10" PRIu64 "%9s\n", r->peer->name, r->mops.median, spread_share(&r->mops) * 100,
           ratio, hits, r->p999_ns, bytes);
}

static void print_warnings(const struct setting *s, const struct result *r)
{
    if (r->wrong != 0)
        fprintf(stderr, "brim-bench: WRONG: %s: %" PRIu64 " operations did not do what they must\n", r->peer->name,
                r->wrong);
    else if (s->workload->must_fit && r->hit_ratio >= 0 && r->hit_ratio < 1)
        fprintf(stderr, "brim-bench: WARNING: %s misses %.4f %% of what was inserted\n", r->peer->name,
                (1 - r->hit_ratio) * 100);
}

void result_print_table(const struct setting *s, const struct result *results, unsigned count)
{
    const struct result *reference = find_reference(results, count);
    printf("\n%s, %u thread%s, %zu entr%s", s->workload->name, s->threads, s->threads == 1 ? "" : "s",
           s->size.entries, s->size.entries == 1 ? "y" : "ies");
    if (s->theta != 0 && s->workload->fixed_entries == 0)
        printf(", zipf %g", s->theta);
    printf("\n%-20s%9s%10s%9s%9s%10s%9s\n", "", "Mops", "spread", "x HC", "hits", "p99.9 ns", "bytes");
    for (unsigned i = 0; i < count; i++)
        print_row(&results[i], reference);
    fflush(stdout);
    for (unsigned i = 0; i < count; i++)
        print_warnings(s, &results[i]);
}

/* ---- JSON ------------------------------------------------------------------------------------------------- */

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

static json_t *real_or_null(double x)
{
    return x >= 0 ? json_real(x) : json_null();
}

static json_t *peer_versions(const struct ask *ask)
{
    json_t *o = json_object();
    for (unsigned i = 0; i < ask->peer_count; i++) {
        char version[64];
        ask->peers[i]->version(version, sizeof version);
        json_object_set_new(o, ask->peers[i]->name, json_string(version));
    }
    return o;
}

json_t *result_machine(const struct ask *ask)
{
    struct machine m;
    machine_look(&m);
    json_t *o = json_object();
    json_object_set_new(o, "cpu", json_string(m.processor));
    json_object_set_new(o, "cores", json_integer(m.processors));
    json_object_set_new(o, "memory", number(m.memory));
    json_object_set_new(o, "kernel", json_string(m.kernel));
    json_object_set_new(o, "compiler", json_string(m.compiler));
    json_object_set_new(o, "allocator", json_string(m.allocator));
    json_object_set_new(o, "assertions", json_boolean(m.assertions));
    json_object_set_new(o, "date", json_string(m.day));
    json_object_set_new(o, "versions", peer_versions(ask));
    return o;
}

json_t *result_left_out(const struct ask *ask)
{
    json_t *array = json_array();
    for (size_t i = 0; i < known_peer_count && ask->options->peers == NULL; i++)
        if (known_peers[i].peer == NULL)
            json_array_append_new(array, json_string(known_peers[i].name));
    return array;
}

static json_t *result_object(const struct ask *ask, const struct setting *s, const struct result *r)
{
    json_t *o = json_object();
    json_object_set_new(o, "workload", json_string(s->workload->name));
    json_object_set_new(o, "peer", json_string(r->peer->name));
    json_object_set_new(o, "threads", number(s->threads));
    json_object_set_new(o, "entries", number(s->size.entries));
    json_object_set_new(o, "mops", json_real(r->mops.median));
    json_object_set_new(o, "spread", json_real(spread_share(&r->mops)));
    json_object_set_new(o, "hit_ratio", real_or_null(r->hit_ratio));
    json_object_set_new(o, "p999_ns", number(r->p999_ns));
    json_object_set_new(o, "bytes_per_entry", real_or_null(r->bytes_per_entry));
    json_object_set_new(o, "p50_ns", number(r->p50_ns));
    json_object_set_new(o, "p99_ns", number(r->p99_ns));
    json_object_set_new(o, "mops_min", json_real(r->mops.min));
    json_object_set_new(o, "mops_max", json_real(r->mops.max));
    json_object_set_new(o, "capacity", number(s->size.capacity));
    json_object_set_new(o, "skew", s->theta != 0 ? json_real(s->theta) : json_null());
    json_object_set_new(o, "rounds", number(ask->options->rounds));
    json_object_set_new(o, "seconds", json_real(ask->options->seconds));
    json_object_set_new(o, "refused", number(r->refused));
    json_object_set_new(o, "wrong", number(r->wrong));
    json_object_set_new(o, "note", r->peer->note != NULL ? json_string(r->peer->note) : json_null());
    return o;
}

void result_add(json_t *array, const struct ask *ask, const struct setting *s, const struct result *results,
                unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        json_array_append_new(array, result_object(ask, s, &results[i]));
}
