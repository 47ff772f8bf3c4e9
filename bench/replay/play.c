/* SPDX-License-Identifier: MIT */
#include "play.h"

#include "../fail.h"
#include "../latency.h"
#include "../progress.h"
#include "../publish.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 64 };                    /* requests that a thread takes at a time */

struct missed {
    uint64_t requests, refused;
    double bytes, work;
};

/* What the threads share. */
struct stage {
    const struct trace *trace;
    enum work_source work;
    brim_cache *cache;
    _Atomic size_t cursor;              /* the next request that nobody has taken */
    _Atomic int status;                 /* other than BRIM_OK: all stop */
};

/* One thread. */
struct player {
    struct stage *stage;
    pthread_t thread;
    bool shows;                         /* how far all are */
    brim_entry_options options;
    struct missed missed;
} __attribute__((aligned(64)));

/* ---- Playing ---------------------------------------------------------------------------------------------- */

static void miss(struct player *p, size_t i)
{
    struct stage *s = p->stage;
    const uint64_t size = s->trace->sizes[i];
    const struct work work = work_of(s->trace, s->work, i);
    p->missed.requests++;
    p->missed.bytes += (double)size;
    p->missed.work += work.counted;
    p->options.work = work.told;
    const brim_status status = brim_insert_with(s->cache, BRIM_KEY(s->trace->keys[i]), NULL, size, &p->options, NULL);
    if (status == BRIM_TOO_BIG || status == BRIM_FULL)
        p->missed.refused++;
    else if (status != BRIM_OK)
        atomic_store(&s->status, (int)status);
}

static void play_block(struct player *p, size_t first, size_t end)
{
    struct stage *s = p->stage;
    for (size_t i = first; i < end; i++) {
        brim_ref *found = brim_find(s->cache, BRIM_KEY(s->trace->keys[i]));
        if (found != NULL)
            brim_release(found);
        else
            miss(p, i);
    }
}

static void *play_all(void *arg)
{
    struct player *p = arg;
    struct stage *s = p->stage;
    const size_t requests = s->trace->requests;
    size_t first;
    while ((first = atomic_fetch_add(&s->cursor, BLOCK)) < requests && atomic_load(&s->status) == BRIM_OK) {
        play_block(p, first, requests - first < BLOCK ? requests : first + BLOCK);
        if (p->shows)
            progress_update((double)first / (double)requests);
    }
    return NULL;
}

/* This thread is the first player. */
static void play_together(struct stage *s, struct player *players, unsigned threads)
{
    for (unsigned i = 0; i < threads; i++) {
        players[i] = (struct player){.stage = s, .shows = i == 0};
        brim_entry_options_init(&players[i].options);
    }
    for (unsigned i = 1; i < threads; i++) {
        const int error = pthread_create(&players[i].thread, NULL, play_all, &players[i]);
        if (error != 0)
            bench_fail("cannot start thread %u: %s", i + 1, strerror(error));
    }
    play_all(&players[0]);
    for (unsigned i = 1; i < threads; i++)
        pthread_join(players[i].thread, NULL);
}

/* ---- A cell ----------------------------------------------------------------------------------------------- */

static brim_status open_cache(const struct replay_ask *ask, const struct cell *c, brim_cache **cache)
{
    const size_t mean_size = c->trace->footprint / c->trace->distinct;
    brim_options options;
    brim_options_init(&options, c->capacity);
    options.shards = ask->options->shards;
    options.expected_cost = mean_size != 0 ? mean_size : 1;
    options.objective = ask->objective;
    options.seed = 1; /* the same hash each time, though not the same random samples */
    return brim_cache_new(&options, cache);
}

/* If all of them are nothing, as if they were equal. */
static double share(double missed, double total, double of_requests)
{
    return total > 0 ? missed / total : of_requests;
}

static struct played conclude(const struct cell *c, const struct player *players, unsigned threads)
{
    struct missed sum = {0};
    for (unsigned i = 0; i < threads; i++) {
        const struct missed *m = &players[i].missed;
        sum.requests += m->requests;
        sum.refused += m->refused;
        sum.bytes += m->bytes;
        sum.work += m->work;
    }
    const double object_miss = (double)sum.requests / (double)c->trace->requests;
    return (struct played){
        .object_miss = object_miss,
        .byte_miss = share(sum.bytes, c->trace->bytes, object_miss),
        .work_miss = share(sum.work, c->work_total, object_miss),
        .refused = sum.refused,
    };
}

brim_status play(const struct replay_ask *ask, const struct cell *c, struct played *played)
{
    const unsigned threads = ask->options->threads;
    struct stage stage = {.trace = c->trace, .work = ask->work};
    const brim_status status = open_cache(ask, c, &stage.cache);
    if (status != BRIM_OK)
        return status;
    struct player *players = bench_alloc(threads, sizeof *players);
    progress_begin(c->trace->name, 0);
    publish_add(stage.cache);
    const uint64_t began = latency_now();
    play_together(&stage, players, threads);
    const uint64_t ended = latency_now();
    progress_end();
    publish_remove(stage.cache);
    *played = conclude(c, players, threads);
    played->seconds = (double)(ended - began) * 1e-9;
    brim_stats stats;
    brim_stats_get(stage.cache, &stats);
    played->shards = stats.shards;
    brim_cache_free(stage.cache);
    free(players);
    return (brim_status)atomic_load(&stage.status);
}
