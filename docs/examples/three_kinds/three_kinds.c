/* SPDX-License-Identifier: MIT
 * One limit for tiles, pages of glyphs and decoded images.  Glyphs have a floor, so that a flood of tiles does not take
 * them; images have a ceiling, so that they do not take the rest.
 */
#include <brim.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)

struct image {
    int width, height;
    unsigned char *pixels;
};

static void destroy_plain(void *value, size_t cost, void *arg)
{
    (void)cost;
    (void)arg;
    free(value);
}

static void destroy_image(void *value, size_t cost, void *arg)
{
    struct image *image = value;
    free(image->pixels);
    destroy_plain(image, cost, arg);
}

static const brim_kind tile_kind = {.size = sizeof tile_kind, .name = "tile", .destroy = destroy_plain};
static const brim_kind glyph_kind = {
    .size = sizeof glyph_kind, .name = "glyph", .destroy = destroy_plain, .floor = 1 * MIB};
static const brim_kind image_kind = {
    .size = sizeof image_kind, .name = "image", .destroy = destroy_image, .ceiling = 2 * MIB};

/* Keys of all kinds share one space, so the kind is part of each. */
struct key {
    uint32_t kind, id;
};

static brim_status insert(brim_cache *cache, const brim_kind *kind, struct key key, void *value, size_t cost)
{
    if (value == NULL)
        return BRIM_NOMEM;
    brim_entry_options options;
    brim_entry_options_init(&options);
    options.kind = kind;
    const brim_status status = brim_insert_with(cache, BRIM_KEY(key), value, cost, &options, NULL);
    if (status != BRIM_OK)
        kind->destroy(value, cost, NULL); /* what was refused is still ours */
    return status;
}

static struct image *decode(int width, int height)
{
    struct image *image = malloc(sizeof *image);
    if (image == NULL)
        return NULL;
    *image = (struct image){width, height, calloc((size_t)width, (size_t)height)};
    if (image->pixels == NULL) {
        free(image);
        return NULL;
    }
    return image;
}

static brim_status fill(brim_cache *cache)
{
    brim_status status = BRIM_OK;
    for (uint32_t i = 0; i < 64 && status == BRIM_OK; i++)
        status = insert(cache, &glyph_kind, (struct key){0, i}, malloc(16 * KIB), 16 * KIB);
    for (uint32_t i = 0; i < 16 && status == BRIM_OK; i++)
        status = insert(cache, &image_kind, (struct key){1, i}, decode(512, 512), 256 * KIB);
    for (uint32_t i = 0; i < 1024 && status == BRIM_OK; i++)
        status = insert(cache, &tile_kind, (struct key){2, i}, malloc(16 * KIB), 16 * KIB);
    return status;
}

static void print(brim_cache *cache, const brim_kind *kind)
{
    brim_stats stats;
    brim_stats_get_sized(cache, kind, &stats, sizeof stats);
    printf("%s: %llu in, %s; floor kept: %s; ceiling kept: %s\n", kind->name, (unsigned long long)stats.insertions,
           stats.left[BRIM_EVICTED] > 0 ? "some evicted" : "none evicted", stats.used >= stats.floor ? "yes" : "no",
           stats.ceiling == 0 ? "has none" : stats.used <= stats.ceiling ? "yes" : "no");
}

int main(void)
{
    brim_options options;
    brim_options_init(&options, 8 * MIB);
    brim_cache *cache;
    brim_status status = brim_cache_new(&options, &cache);
    if (status == BRIM_OK)
        status = fill(cache);
    print(cache, &glyph_kind);
    print(cache, &image_kind);
    print(cache, &tile_kind);
    printf("within the limit: %s\n", brim_used(cache) <= brim_capacity(cache) ? "yes" : "no");
    brim_cache_free(cache);
    return status == BRIM_OK ? 0 : 1;
}
