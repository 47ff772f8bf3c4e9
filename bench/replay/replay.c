/* SPDX-License-Identifier: MIT */
#include "replay.h"

#include "../fail.h"
#include "../report.h"
#include "table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* All of them before anything is replayed: a line that is wrong in the last one is said at once. */
static struct trace *load_all(const struct options *o)
{
    struct trace *traces = bench_alloc(o->trace_count, sizeof *traces);
    for (unsigned i = 0; i < o->trace_count; i++)
        trace_load(&traces[i], o->traces[i]);
    return traces;
}

static void unload_all(struct trace *traces, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        trace_unload(&traces[i]);
    free(traces);
}

/* Rounded, and at least 1. */
static size_t share_of(size_t footprint, double fraction)
{
    const double capacity = round(fraction * (double)footprint);
    if (capacity < 1)
        return 1;
    return capacity < (double)footprint ? (size_t)capacity : footprint;
}

static void replay_cell(const struct replay_ask *ask, const struct cell *c, json_t *results)
{
    struct played played;
    const brim_status status = play(ask, c, &played);
    if (status != BRIM_OK) {
        fprintf(stderr, "brim-bench: %s: the cache failed: %s\n", c->trace->name, brim_strerror(status));
        exit(EXIT_WRONG);
    }
    table_print_row(c, &played);
    json_array_append_new(results, table_object(ask, c, &played));
}

static void replay_trace(const struct replay_ask *ask, const struct trace *t, json_t *results)
{
    struct cell cell = {.trace = t, .work_total = work_total(t, ask->work), .capacity = ask->options->capacity};
    if (ask->fractions == NULL) {
        replay_cell(ask, &cell, results);
        return;
    }
    for (size_t i = 0; i < ask->fraction_count; i++) {
        cell.fraction = ask->fractions[i];
        cell.capacity = share_of(t->footprint, cell.fraction);
        replay_cell(ask, &cell, results);
    }
}

int replay_run(const struct options *o)
{
    struct replay_ask ask;
    replay_ask_parse(&ask, o);
    struct trace *traces = load_all(o);
    json_t *results = json_array();
    table_print_head(&ask);
    for (unsigned i = 0; i < o->trace_count; i++)
        replay_trace(&ask, &traces[i], results);
    json_t *object = json_object();
    json_object_set_new(object, "results", results);
    report_json_write(o->json, object);
    unload_all(traces, o->trace_count);
    replay_ask_end(&ask);
    return EXIT_SUCCESS;
}
