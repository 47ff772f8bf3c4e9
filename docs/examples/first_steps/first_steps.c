/* SPDX-License-Identifier: MIT
 * A cache of tiles: make it, ask it for a tile with a loader, find the tile again, look at the figures, free it.
 */
#include <brim.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct tile {
    uint64_t id;
    unsigned char pixels[64 * 64];
};

/* Runs when a tile's key has no entry, once, however many threads ask for it. */
static brim_status render_tile(const void *key, size_t key_len, void *arg, void **value, size_t *cost)
{
    (void)arg;
    struct tile *tile = malloc(sizeof *tile);
    if (tile == NULL)
        return BRIM_NOMEM;
    memcpy(&tile->id, key, key_len);
    memset(tile->pixels, (int)(tile->id % 256), sizeof tile->pixels);
    printf("rendered tile %llu\n", (unsigned long long)tile->id);
    *value = tile; /* the cache's from now on */
    *cost = sizeof *tile;
    return BRIM_OK;
}

static void destroy_tile(void *value, size_t cost, void *arg)
{
    (void)cost;
    (void)arg;
    free(value);
}

static const brim_kind tile_kind = {.size = sizeof tile_kind, .name = "tile", .destroy = destroy_tile};

static brim_status draw(brim_cache *cache, uint64_t id)
{
    brim_ref *ref;
    const brim_status status = brim_get(cache, BRIM_KEY(id), render_tile, NULL, &ref);
    if (status != BRIM_OK)
        return status;
    const struct tile *tile = brim_ref_value(ref); /* valid until the release, whatever happens to its entry */
    printf("drew tile %llu in colour %d\n", (unsigned long long)id, tile->pixels[0]);
    brim_release(ref);
    return BRIM_OK;
}

int main(void)
{
    brim_options options;
    brim_options_init(&options, 1 << 20); /* bytes, as are the costs */
    options.kind = &tile_kind;
    brim_cache *cache;
    brim_status status = brim_cache_new(&options, &cache);
    if (status == BRIM_OK)
        status = draw(cache, 7); /* renders it */
    if (status == BRIM_OK)
        status = draw(cache, 7); /* finds it */
    if (status != BRIM_OK) {
        fprintf(stderr, "first_steps: %s\n", brim_strerror(status));
        brim_cache_free(cache);
        return 1;
    }

    const uint64_t absent = 8;
    brim_ref *ref = brim_find(cache, BRIM_KEY(absent)); /* never loads */
    printf("tile 8 is %s\n", ref != NULL ? "there" : "not there");
    brim_release(ref); /* NULL is nothing */

    brim_stats stats;
    brim_stats_get(cache, &stats);
    printf("%llu hit, %llu misses, %zu of %zu bytes used, %zu held\n", (unsigned long long)stats.hits,
           (unsigned long long)stats.misses, stats.used, stats.capacity, stats.pinned);
    brim_cache_free(cache);
    return 0;
}
