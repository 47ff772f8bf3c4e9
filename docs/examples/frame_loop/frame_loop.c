/* SPDX-License-Identifier: MIT
 * A frame loop that borrows: the tiles in view are drawn without counting refs, while another thread renders tiles
 * for later frames into the same cache, which is too small for all.  What a frame used is protected until the next.
 */
#include <brim.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { TILE = 4096, VIEW = 16, AHEAD = 8, FRAMES = 50, CAPACITY = 64 * TILE };

static sem_t frame_begun, tiles_ahead;

static void destroy_tile(void *value, size_t cost, void *arg)
{
    (void)cost;
    (void)arg;
    free(value);
}

static const brim_kind tile_kind = {.size = sizeof tile_kind, .name = "tile", .destroy = destroy_tile};

static brim_status render(const void *key, size_t key_len, void *arg, void **value, size_t *cost)
{
    (void)arg;
    void *tile = malloc(TILE);
    if (tile == NULL)
        return BRIM_NOMEM;
    memcpy(tile, key, key_len);
    *value = tile;
    *cost = TILE;
    return BRIM_OK;
}

/* Draw one tile, or take it for the frames to come.  What brim_peek gives is valid until the section ends. */
static brim_status draw(brim_cache *cache, uint32_t id)
{
    const uint32_t *tile = brim_peek(cache, BRIM_KEY(id));
    if (tile != NULL)
        return *tile == id ? BRIM_OK : BRIM_INVALID;
    brim_ref *ref;
    const brim_status status = brim_get(cache, BRIM_KEY(id), render, NULL, &ref);
    brim_release(ref); /* in a section what was found stays, too */
    return status;
}

static brim_status draw_frames(brim_cache *cache)
{
    brim_status status = brim_read_begin(cache);
    if (status != BRIM_OK)
        return status;
    for (uint32_t frame = 0; frame < FRAMES && status == BRIM_OK; frame++) {
        (void)brim_next_frame(cache);
        sem_post(&frame_begun);
        for (uint32_t i = 0; i < VIEW && status == BRIM_OK; i++)
            status = draw(cache, frame / 8 + i); /* the view pans by a tile now and then */
        sem_wait(&tiles_ahead);
        brim_read_refresh(cache); /* what was borrowed is not used beyond: what left meanwhile may be destroyed */
    }
    brim_read_end(cache);
    return status;
}

/* Inserted and not asked for: it goes before what the frame used. */
static void *render_ahead(void *cache)
{
    for (uint32_t id = 1000; id < 1000 + FRAMES * AHEAD; id++) {
        void *tile;
        size_t cost;
        if (id % AHEAD == 0)
            sem_wait(&frame_begun);
        if (render(&id, sizeof id, NULL, &tile, &cost) == BRIM_OK &&
            brim_insert(cache, BRIM_KEY(id), tile, cost, NULL) != BRIM_OK)
            free(tile); /* another time */
        if (id % AHEAD == AHEAD - 1)
            sem_post(&tiles_ahead);
    }
    return NULL;
}

int main(void)
{
    brim_options options;
    brim_options_init(&options, CAPACITY);
    options.kind = &tile_kind;
    options.borrow = true;
    options.protect_frame = true;
    brim_cache *cache;
    pthread_t worker;
    if (brim_cache_new(&options, &cache) != BRIM_OK || sem_init(&frame_begun, 0, 0) != 0 ||
        sem_init(&tiles_ahead, 0, 0) != 0 || pthread_create(&worker, NULL, render_ahead, cache) != 0) {
        fputs("frame_loop: no memory\n", stderr);
        return 1;
    }
    const brim_status status = draw_frames(cache);
    if (status != BRIM_OK) {
        fprintf(stderr, "frame_loop: %s\n", brim_strerror(status));
        exit(1); /* the worker waits for a frame */
    }
    pthread_join(worker, NULL);

    brim_stats stats;
    brim_stats_get(cache, &stats);
    printf("evictions: %s, of what the same frame had used: %llu\n",
           stats.left[BRIM_EVICTED] > 0 ? "some" : "none", (unsigned long long)stats.frame_evictions);
    (void)brim_idle(cache); /* from a timer, while nobody draws: what was not used since the last call goes slowly */
    while (brim_idle(cache) > 0)
        ;
    printf("used after idling: %zu\n", brim_used(cache));
    brim_cache_free(cache);
    return 0;
}
