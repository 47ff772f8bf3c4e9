/* SPDX-License-Identifier: MIT */
#include "stress.h"

#include "fail.h"
#include "latency.h"
#include "memory.h"
#include "progress.h"
#include "publish.h"
#include "report.h"
#include "stress_end.h"
#include "stress_flat.h"
#include "stress_fork.h"
#include "stress_kinds.h"
#include "stress_limits.h"
#include "stress_loads.h"
#include "stress_queue.h"
#include "stress_stale.h"
#include "stress_use.h"
#include "stress_watch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BOUTS = 2, LONG_BOUTS = 8 };
static const size_t most_capacity = (size_t)256 << 20;   /* it is really allocated */

static const double long_enough = 5;                     /* seconds: all that can happen must */

struct totals {
    uint64_t operations, hits, created, destroyed, announced, watched, started;
    size_t max_used, max_alive, capacity;
    unsigned phases, missing;
    struct event_sums events;
};

struct clockwork {
    uint64_t began;
    double seconds;
};

static double elapsed(const struct clockwork *c)
{
    return (double)(latency_now() - c->began) * 1e-9;
}

/* ---- A phase --------------------------------------------------------------------------------------------------- */

static size_t clamp(size_t n, size_t min, size_t max)
{
    return n < min ? min : n > max ? max : n;
}

static void size_phase(struct phase *p)
{
    const struct shape *s = p->shape;
    const size_t held = (size_t)p->lane_count * (LANE_REFS + 2) + BOARD;
    if (s->calm) {
        p->ids = (uint32_t)clamp((size_t)p->lane_count * 64, 512, 1 << 18);
        p->capacity = (2 * (size_t)p->ids + 2 * held) * s->max_cost * 2 + (size_t)p->lane_count * 65536;
    } else {
        p->capacity = clamp(held * (s->max_cost + EXTRA_COST) * s->room, 16 * (size_t)s->max_cost, most_capacity);
        p->ids = (uint32_t)clamp(p->capacity / ((MIN_COST + s->max_cost) / 2) * 3 / 2, 256, 1 << 20);
    }
    p->min_capacity = s->resize ? p->capacity / 4 : p->capacity;
    p->set_to = p->capacity;
}

static void make_cache(struct phase *p)
{
    brim_options o;
    brim_options_init(&o, p->capacity);
    o.name = p->shape->name;
    o.shards = p->shape->shards;
    o.max_entries = (size_t)p->shape->entries_per_lane * p->lane_count;
    o.kind = &p->kinds[0];
    o.hash = p->shape->strong ? BRIM_HASH_STRONG : BRIM_HASH_FAST;
    o.charge_overhead = p->shape->charge_overhead;
    o.borrow = p->shape->borrow;
    o.protect_frame = p->shape->frames;
    o.now = clock_now;
    o.now_arg = p;
    o.gone = kinds_gone;
    o.gone_arg = p;
    const brim_status status = brim_cache_new(&o, &p->cache);
    if (status != BRIM_OK)
        bench_fail("cannot make a cache (%s): %s", p->shape->name, brim_strerror(status));
}

/* One value of each kind, so that each kind is told `unused`. */
static void use_every_kind(struct phase *p)
{
    for (unsigned i = 0; i < KINDS; i++) {
        struct key_bytes key;
        brim_entry_options e;
        const uint64_t id = (uint64_t)4 * i;
        brim_entry_options_init(&e);
        e.kind = &p->kinds[i];
        key_bytes_make(&key, id);
        struct value *v = value_new(p, id, 0, i, MIN_COST, true);
        const brim_status status = brim_insert_with(p->cache, key.data, key.len, v, MIN_COST, &e, NULL);
        if (status == BRIM_OK) {
            value_taken(p, MIN_COST);
        } else {
            value_refused(v);
            stress_violation(p, "G5: an insert into a new cache is %s", brim_strerror(status));
        }
    }
}

static struct phase *new_phase(const struct options *o, const struct shape *shape, unsigned number)
{
    struct phase *p = bench_alloc(1, sizeof *p);
    p->shape = shape;
    p->number = number;
    p->seed = o->seed;
    p->lane_count = o->threads;
    size_phase(p);
    p->id = bench_alloc(p->ids, sizeof *p->id);
    p->lanes = bench_alloc(p->lane_count, sizeof *p->lanes);
    for (unsigned i = 0; i < p->lane_count; i++) {
        p->lanes[i].phase = p;
        p->lanes[i].number = i;
        p->lanes[i].rng.state = rng_mix(rng_mix(o->seed + number) + i);
    }
    pthread_mutex_init(&p->resizing, NULL);
    pthread_mutex_init(&p->grouping, NULL);
    pthread_mutex_init(&p->idling, NULL);
    queue_open(p);
    kinds_init(p);
    limits_init(p);
    make_cache(p);
    groups_open(p);
    use_every_kind(p);
    return p;
}

/* ---- Bouts ----------------------------------------------------------------------------------------------------- */

static void start_thread(pthread_t *thread, void *(*run)(void *), void *arg)
{
    const int error = pthread_create(thread, NULL, run, arg);
    if (error != 0)
        bench_fail("cannot start a thread: %s", strerror(error));
}

/* Threads come and go: who has finished is followed by another. */
static uint64_t tend_lanes(struct phase *p)
{
    uint64_t started = 0;
    for (unsigned i = 0; i < p->lane_count; i++) {
        struct lane *l = &p->lanes[i];
        if (l->running && !atomic_load(&l->finished))
            continue;
        if (l->running)
            pthread_join(l->thread, NULL);
        atomic_store(&l->finished, false);
        start_thread(&l->thread, lane_run, l);
        l->running = true;
        started++;
    }
    return started;
}

static void join_lanes(struct phase *p)
{
    for (unsigned i = 0; i < p->lane_count; i++)
        if (p->lanes[i].running)
            pthread_join(p->lanes[i].thread, NULL);
    for (unsigned i = 0; i < p->lane_count; i++)
        p->lanes[i].running = false;
}

struct helpers {
    pthread_t watcher, keeper, collector, forker;
};

static void start_helpers(struct phase *p, struct helpers *h)
{
    atomic_store(&p->stop, false);
    atomic_store(&p->keep_no_more, false);
    start_thread(&h->watcher, watch_run, p);
    start_thread(&h->forker, fork_run, p);
    if (p->shape->loads)
        start_thread(&h->keeper, keeper_run, p);
    if (p->shape->queue)
        start_thread(&h->collector, queue_run, p);
}

/* Lanes may wait for loads that the keeper has, and it may want room that the collector makes. */
static void stop_all(struct phase *p, const struct helpers *h)
{
    atomic_store(&p->stop, true);
    join_lanes(p);
    pthread_join(h->watcher, NULL);
    pthread_join(h->forker, NULL);
    atomic_store(&p->keep_no_more, true);
    if (p->shape->loads)
        pthread_join(h->keeper, NULL);
    if (p->shape->queue)
        pthread_join(h->collector, NULL);
    for (unsigned i = 0; i < p->lane_count; i++)
        lane_drop_waits(&p->lanes[i]);
}

static void run_bout(struct phase *p, struct totals *t, const struct clockwork *c, double seconds)
{
    const struct timespec rest = {.tv_nsec = 1000000};
    const double until = elapsed(c) + seconds;
    struct helpers helpers;
    start_helpers(p, &helpers);
    do {
        t->started += tend_lanes(p);
        nanosleep(&rest, NULL);
        progress_update(elapsed(c) / c->seconds);
    } while (elapsed(c) < until);
    stop_all(p, &helpers);
    end_check(p);
}

/* RELIABILITY.md, pitfall 6: a harness in which nothing is ever found proves nothing. */
static void add_up(struct phase *p, struct totals *t)
{
    uint64_t hits = 0, operations = 0;
    for (unsigned i = 0; i < p->lane_count; i++) {
        hits += p->lanes[i].hits;
        operations += p->lanes[i].operations;
    }
    if (operations > 10000 && hits == 0)
        stress_violation(p, "nothing was ever found in %" PRIu64 " operations", operations);
    t->operations += operations;
    t->hits += hits;
    t->created += atomic_load(&p->created);
    t->destroyed += atomic_load(&p->destroyed);
    t->announced += atomic_load(&p->announced);
    t->watched += atomic_load(&p->watched);
    const size_t used = atomic_load(&p->max_used), alive = atomic_load(&p->max_alive);
    t->max_used = used > t->max_used ? used : t->max_used;
    t->max_alive = alive > t->max_alive ? alive : t->max_alive;
    t->capacity = p->capacity > t->capacity ? p->capacity : t->capacity;
    events_sum(&t->events, &p->events, p->shape);
    t->phases++;
}

static void count_statistics(struct phase *p)
{
    brim_stats stats;
    brim_stats_get(p->cache, &stats);
    event_add(&p->events, EVENT_EVICTED, stats.left[BRIM_EVICTED]);
    event_add(&p->events, EVENT_LOAD_WAITED, stats.load_waits);
    event_add(&p->events, EVENT_LEFT_INVALIDATED, stats.left[BRIM_INVALIDATED]);
    event_add(&p->events, EVENT_LEFT_EXPIRED, stats.left[BRIM_EXPIRED]);
}

static void free_phase(struct phase *p)
{
    pthread_mutex_destroy(&p->resizing);
    pthread_mutex_destroy(&p->grouping);
    pthread_mutex_destroy(&p->idling);
    for (int i = 0; i < KINDS; i++)
        pthread_mutex_destroy(&p->limits[i].changing);
    free(p->groups);
    free(p->lanes);
    free(p->id);
    free(p);
}

/* G4 is watched to the end of it too. */
static void end_watched(struct phase *p)
{
    pthread_t watcher;
    atomic_store(&p->stop, false);
    start_thread(&watcher, watch_run, p);
    end_stale(p);
    if (((p->number & 2) != 0 || p->shape->limits) && !p->shape->charge_overhead)
        end_fill_whole(p);
    atomic_store(&p->stop, true);
    pthread_join(watcher, NULL);
    if (atomic_load(&p->watched) == 0)
        stress_violation(p, "G4: nobody has compared what is used with the capacity");
}

static void run_phase(const struct options *o, const struct shape *shape, struct totals *t, const struct clockwork *c,
                      double seconds, int bouts)
{
    struct phase *p = new_phase(o, shape, t->phases);
    publish_add(p->cache);
    for (int i = 0; i < bouts; i++)
        run_bout(p, t, c, seconds / (double)bouts);
    end_watched(p);
    count_statistics(p);
    publish_remove(p->cache);
    end_free(p);
    end_count(p);
    add_up(p, t);
    if (stress_violations() == 0)       /* else late callbacks may still come */
        free_phase(p);
    if (o->soak)
        memory_give_back();
}

/* ---- The result ------------------------------------------------------------------------------------------------ */

static void print_result(const struct options *o, const struct totals *t)
{
    printf("phases          %u, threads started %" PRIu64 "\n", t->phases, t->started);
    printf("operations      %" PRIu64 ", hits %" PRIu64 ", announced %" PRIu64 "\n", t->operations, t->hits,
           t->announced);
    printf("values          %" PRIu64 " made, %" PRIu64 " destroyed\n", t->created, t->destroyed);
    printf("used            at most %zu, alive %zu, capacity %zu, compared %" PRIu64 " times\n", t->max_used,
           t->max_alive, t->capacity, t->watched);
    events_print(&t->events);
    printf("violations      %" PRIu64 " (seed %" PRIu64 ")\n", stress_violations(), o->seed);
    fflush(stdout);
}

static void write_json(const struct options *o, const struct totals *t, json_t *memory)
{
    json_t *j = json_object();
    json_object_set_new(j, "violations", json_integer((json_int_t)stress_violations()));
    json_object_set_new(j, "operations", json_integer((json_int_t)t->operations));
    json_object_set_new(j, "max_used", json_integer((json_int_t)t->max_used));
    json_object_set_new(j, "capacity", json_integer((json_int_t)t->capacity));
    json_object_set_new(j, "leaked", json_integer((json_int_t)(t->created - t->destroyed)));
    json_object_set_new(j, "hits", json_integer((json_int_t)t->hits));
    json_object_set_new(j, "values", json_integer((json_int_t)t->created));
    json_object_set_new(j, "compared", json_integer((json_int_t)t->watched));
    json_object_set_new(j, "phases", json_integer((json_int_t)t->phases));
    json_object_set_new(j, "threads", json_integer((json_int_t)o->threads));
    json_object_set_new(j, "threads_started", json_integer((json_int_t)t->started));
    json_object_set_new(j, "seed", json_integer((json_int_t)o->seed));
    json_object_set_new(j, "events", events_json(&t->events));
    json_object_set_new(j, "missing", t->missing != 0 ? events_missing_json(&t->events) : json_array());
    json_object_set_new(j, "memory", memory);
    json_object_set_new(j, "version", json_string(brim_version()));
    report_json_write(o->json, j);
}

/* ---- The whole ------------------------------------------------------------------------------------------------- */

static double length_of(const struct shapes *shapes, const struct shape *shape, double seconds)
{
    const double share = seconds / (double)shapes->weight * (double)shape_weight(shape);
    return share < 0.2 ? 0.2 : share > 10 ? 10 : share;
}

/* All shapes in turn until the time is up. */
static void run_in_turn(const struct options *o, const struct shapes *shapes, struct totals *t,
                        const struct clockwork *c)
{
    do {
        const struct shape *shape = shapes->at[t->phases % shapes->count];
        const double left = o->seconds - elapsed(c), length = length_of(shapes, shape, o->seconds);
        run_phase(o, shape, t, c, left < length ? left : length, BOUTS);
    } while (o->seconds - elapsed(c) > 0.02);
}

/* As many rounds of all shapes in each quarter, so that like is compared with like; of two minutes at most. */
static void run_rounds(const struct options *o, const struct shapes *shapes, struct totals *t,
                       const struct clockwork *c, double seconds, struct flat *flat)
{
    const int in_quarter = seconds < 8 * 120 ? 2 : (int)(seconds / 4 / 120) + 1;
    for (int round = 0; round < 4 * in_quarter; round++) {
        flat_quarter(flat, round / in_quarter);
        for (unsigned i = 0; i < shapes->count; i++)
            run_phase(o, shapes->at[i], t, c, length_of(shapes, shapes->at[i], seconds / 4 / in_quarter), BOUTS);
    }
}

/* A leak may be of what goes with its cache: so one cache lives as long as all others together. */
static bool run_soak(const struct options *o, const struct shapes *shapes, struct totals *t,
                     const struct clockwork *c, json_t *memory)
{
    struct shapes everything;
    struct flat flat;
    memory_one_arena();
    shapes_choose(&everything, "borrowed, everything, resized");
    flat_begin(&flat, "many_caches", o->seconds / 2);
    run_rounds(o, shapes, t, c, o->seconds / 2, &flat);
    const bool many = flat_end(&flat, memory);
    /* Rounds of shapes have a least length: of a short soak they may take all the time. */
    const double rest = o->seconds - elapsed(c), left = rest > o->seconds / 4 ? rest : o->seconds / 4;
    flat_begin(&flat, "one_cache", left);
    run_phase(o, everything.at[0], t, c, left, LONG_BOUTS);
    const bool one = flat_end(&flat, memory);
    return many && one;
}

int stress_run(const struct options *o)
{
    struct shapes shapes;
    shapes_choose(&shapes, o->shape);
    const struct clockwork c = {.began = latency_now(), .seconds = o->seconds};
    struct totals t = {0};
    json_t *memory = json_object();
    bool flat = true;
    printf("stress of brim %s: %u threads, %g s, seed %" PRIu64 "\n", brim_version(), o->threads, o->seconds,
           o->seed);
    fflush(stdout);
    stress_watchdog_start(o->seed);
    progress_begin("stress", o->seconds);
    if (o->soak)
        flat = run_soak(o, &shapes, &t, &c, memory);
    else
        run_in_turn(o, &shapes, &t, &c);
    progress_end();
    t.missing = o->seconds >= long_enough ? events_missing(&t.events) : 0;
    print_result(o, &t);
    write_json(o, &t, memory);
    return stress_violations() != 0 || t.missing != 0 || t.created != t.destroyed || !flat ? EXIT_WRONG
                                                                                           : EXIT_SUCCESS;
}
