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

enum { TILE = 4096, VIEW = 16, AHEAD = 16, FRAMES = 50, CAPACITY = 64 * TILE, ROOM = 24 * TILE };

static sem_t frame_begun, tiles_ahead;
static unsigned rendered, lost; /* lost: a frame drew it, and it was evicted before the next one */

static void destroy_tile(void *value, size_t cost, void *arg)
{
    (void)cost, (void)arg;
    free(value);
}

static const brim_kind tile_kind = {.size = sizeof tile_kind, .name = "tile", .destroy = destroy_tile};

static brim_status render(const void *key, size_t key_len, void *arg, void **value, size_t *cost)
{
    (void)arg;
    *cost = TILE;
    *value = malloc(TILE);
    if (*value != NULL)
        memcpy(*value, key, key_len);
    return *value != NULL ? BRIM_OK : BRIM_NOMEM;
}

/* What brim_peek gives is valid until the section ends; what brim_get gives, until the release. */
static brim_status draw(brim_cache *cache, uint32_t id)
{
    brim_ref *ref = NULL;
    const uint32_t *tile = brim_peek(cache, BRIM_KEY(id));
    if (tile == NULL) {
        const brim_status status = brim_get(cache, BRIM_KEY(id), render, NULL, &ref);
        if (status != BRIM_OK)
            return status;
        tile = brim_ref_value(ref);
        rendered++;
    }
    const bool right = *tile == id;
    brim_release(ref);
    return right ? BRIM_OK : BRIM_INVALID;
}

/* What leaves while a section is open waits, charged, for its end.  So make room before a frame ends for all that the
 * next one inserts: else it is refused. */
static void end_frame(brim_cache *cache)
{
    sem_wait(&tiles_ahead);
    (void)brim_trim(cache, CAPACITY - ROOM);
    brim_read_refresh(cache); /* nothing borrowed is used beyond: what waits is destroyed */
}

static brim_status draw_frames(brim_cache *cache)
{
    brim_status status = brim_read_begin(cache);
    if (status != BRIM_OK)
        return status;
    for (uint32_t frame = 0; frame < FRAMES && status == BRIM_OK; frame++) {
        const uint32_t first = frame * 4; /* the view pans */
        (void)brim_next_frame(cache);
        sem_post(&frame_begun);
        for (uint32_t id = first; id < first + VIEW && status == BRIM_OK; id++)
            status = draw(cache, id);
        end_frame(cache);
        for (uint32_t id = first; id < first + VIEW; id++)
            lost += brim_contains(cache, BRIM_KEY(id)) ? 0 : 1;
    }
    brim_read_end(cache);
    return status;
}

/* Inserted and not asked for: it goes before what the frame used. */
static void *render_ahead(void *cache)
{
    for (uint32_t id = 1000; id < 1000 + FRAMES * AHEAD;) {
        sem_wait(&frame_begun);
        for (int i = 0; i < AHEAD; i++, id++) {
            void *tile;
            size_t cost;
            if (render(&id, sizeof id, NULL, &tile, &cost) == BRIM_OK &&
                brim_insert(cache, BRIM_KEY(id), tile, cost, NULL) != BRIM_OK)
                free(tile); /* another time */
        }
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
    printf("%d tiles drawn, %u of them rendered for it, the others borrowed\n", FRAMES * VIEW, rendered);
    printf("tiles lost within a frame: %u, inserts refused: %llu\n", lost, (unsigned long long)stats.refused);
    (void)brim_idle(cache); /* from a timer, while nobody draws: what was not used since the last call goes slowly */
    while (brim_idle(cache) > 0)
        ;
    printf("used after idling: %zu\n", brim_used(cache));
    brim_cache_free(cache);
    return 0;
}
