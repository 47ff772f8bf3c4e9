/* SPDX-License-Identifier: MIT */
#include "peers.h"

#include "../crew.h"
#include "../fail.h"
#include "../fill.h"
#include "../progress.h"
#include "../report.h"
#include "result.h"

#include <stdlib.h>

/* Where entries come and go: so many operations an entry until every peer is in its steady state. */
enum { WARM_SETTLED = 10 };
static const double warm_most = 2;      /* seconds; a peer that takes longer is measured as it is then */
static const double lead_in = 0.1;      /* of a turn: for the processor's caches, which the peer before has filled */

/* A peer that takes part in a setting. */
struct entrant {
    struct filled filled;
    struct turn turn;
    double *mops;                       /* one a round */
    struct counts measured;             /* in the rounds */
};

/* What has been done of all. */
struct progress_of {
    unsigned turns, done;
};

static double seconds_since(uint64_t began)
{
    return (double)(latency_now() - began) * 1e-9;
}

/* ---- Turns ------------------------------------------------------------------------------------------------ */

static void warm_up(struct crew *crew, const struct setting *s, const struct entrant *e, double seconds)
{
    const uint64_t wanted = !s->workload->must_fit ? (uint64_t)s->size.entries * WARM_SETTLED : 0;
    const double at_least = seconds < 0.1 ? seconds : 0.1;
    const uint64_t began = latency_now();
    crew_start(crew, &e->turn);
    do
        crew_sleep(0.01);
    while (seconds_since(began) < at_least ||
           (crew_counts(crew).operations < wanted && seconds_since(began) < warm_most));
    crew_stop(crew);
}

static void take_turn(struct crew *crew, struct entrant *e, unsigned round, double seconds)
{
    crew_start(crew, &e->turn);
    crew_sleep(seconds * lead_in);
    crew_record(crew);
    const struct counts first = crew_counts(crew);
    const uint64_t began = latency_now();
    crew_sleep(seconds);
    const struct counts last = crew_counts(crew);
    const uint64_t ended = latency_now();
    crew_stop(crew);
    e->mops[round] = (double)(last.operations - first.operations) / (double)(ended - began) * 1e3;
    e->measured.lookups += last.lookups - first.lookups;
    e->measured.hits += last.hits - first.hits;
}

static void show_progress(struct progress_of *p)
{
    p->done++;
    progress_update((double)p->done / (double)p->turns);
}

static void take_rounds(struct crew *crew, const struct ask *ask, const struct setting *s, struct entrant *entrants,
                        unsigned count, struct progress_of *progress)
{
    for (unsigned i = 0; i < count; i++) {
        warm_up(crew, s, &entrants[i], ask->options->seconds);
        show_progress(progress);
    }
    for (unsigned round = 0; round < ask->options->rounds; round++)
        for (unsigned i = 0; i < count; i++) {
            take_turn(crew, &entrants[i], round, ask->options->seconds);
            show_progress(progress);
        }
}

/* ---- Settings --------------------------------------------------------------------------------------------- */

static bool fits(const struct peer *peer, const struct setting *s)
{
    return (peer->workloads & PEER_IN(s->workload->id)) != 0;
}

static unsigned open_all(struct crew *crew, const struct ask *ask, const struct setting *s, struct entrant *entrants)
{
    unsigned count = 0;
    for (unsigned i = 0; i < ask->peer_count; i++) {
        const struct peer *peer = ask->peers[i];
        if (!fits(peer, s))
            continue;
        struct entrant *e = &entrants[count++];
        fill_open(&e->filled, peer, s->workload, &s->size, PEER_SHARDS, NULL);
        e->turn = (struct turn){peer, s->workload, crew_workers(crew, peer, e->filled.cache)};
        e->mops = bench_alloc(ask->options->rounds, sizeof *e->mops);
    }
    return count;
}

static struct result conclude(const struct crew *crew, const struct entrant *e, unsigned rounds)
{
    struct latency *latency = bench_alloc(1, sizeof *latency);
    const struct counts total = crew_total(crew, e->turn.workers);
    crew_latency(crew, e->turn.workers, latency);
    const struct result result = {
        .peer = e->filled.peer,
        .mops = spread_of(e->mops, rounds),
        .hit_ratio = e->measured.lookups != 0 ? (double)e->measured.hits / (double)e->measured.lookups : -1,
        .bytes_per_entry = e->filled.bytes_per_entry,
        .p50_ns = latency_percentile(latency, 0.5),
        .p99_ns = latency_percentile(latency, 0.99),
        .p999_ns = latency_percentile(latency, 0.999),
        .refused = total.refused,
        .wrong = total.wrong,
    };
    free(latency);
    return result;
}

static void close_entrant(const struct crew *crew, struct entrant *e)
{
    crew_workers_free(crew, e->turn.workers);
    fill_close(&e->filled);
    free(e->mops);
}

/* Whether all that it looked at was right. */
static bool run_setting(const struct ask *ask, const struct setting *s, json_t *array, struct progress_of *progress)
{
    struct entrant entrants[ASK_PEERS] = {0};
    struct result results[ASK_PEERS];
    struct crew *crew = crew_new(s->threads, &s->size, s->theta);
    const unsigned count = open_all(crew, ask, s, entrants);
    bool right = true;
    take_rounds(crew, ask, s, entrants, count, progress);
    for (unsigned i = 0; i < count; i++) {
        results[i] = conclude(crew, &entrants[i], ask->options->rounds);
        right = right && results[i].wrong == 0;
        close_entrant(crew, &entrants[i]);
    }
    crew_free(crew);
    progress_end();
    if (count != 0)
        result_print_table(s, results, count);
    result_add(array, ask, s, results, count);
    return right;
}

static unsigned count_turns(const struct ask *ask, const struct setting *settings, unsigned count)
{
    unsigned entrants = 0;
    for (unsigned i = 0; i < count; i++)
        for (unsigned j = 0; j < ask->peer_count; j++)
            entrants += fits(ask->peers[j], &settings[i]) ? 1 : 0;
    return entrants * (1 + ask->options->rounds);
}

int peers_run(const struct options *o)
{
    struct ask ask;
    unsigned count;
    bool right = true;
    ask_parse(&ask, o);
    struct setting *settings = ask_settings(&ask, &count);
    struct progress_of progress = {.turns = count_turns(&ask, settings, count)};
    if (progress.turns == 0)
        bench_fail("none of these peers fits any of these workloads");
    result_print_head(&ask);
    json_t *array = json_array();
    progress_begin("peers", progress.turns * o->seconds);
    for (unsigned i = 0; i < count; i++)
        right = run_setting(&ask, &settings[i], array, &progress) && right;
    json_t *object = json_object();
    json_object_set_new(object, "machine", result_machine(&ask));
    json_object_set_new(object, "left_out", result_left_out(&ask));
    json_object_set_new(object, "results", array);
    report_json_write(o->json, object);
    free(settings);
    return right ? EXIT_SUCCESS : EXIT_WRONG;
}
