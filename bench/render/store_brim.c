/* SPDX-License-Identifier: MIT */
#include "store_brim.h"

#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "must.h"

static void destroy(void *value, size_t cost, void *arg) {
    (void)cost, (void)arg;
    glyph_free(value);
}

static const brim_kind GLYPHS = {.size = sizeof GLYPHS, .name = "glyphs", .destroy = destroy};

static const char CANNOT_DRAW[] = "a glyph could not be drawn";

static struct brim_store *brim_of(struct store *s) { return (struct brim_store *)s; }

/* Brim calls it on one thread for all who ask for the glyph, and measures the work by it. */
static brim_status draw(const void *bytes, size_t len, void *arg, void **value, size_t *cost) {
    struct artist *artist = arg;
    struct glyph_key key;
    struct glyph *g;

    memcpy(&key, bytes, len);
    g = artist->draw(artist, key);
    if (!g)
        return BRIM_FAILED;
    *value = g;
    *cost = glyph_bytes(g);
    return BRIM_OK;
}

/* Brim has no memory for the load: the glyph is drawn from and then freed. */
static const char *draw_unkept(struct artist *artist, struct glyph_key key, struct lease *lease) {
    *lease = (struct lease){artist->draw(artist, key), NULL};
    return lease->glyph ? NULL : CANNOT_DRAW;
}

static const char *get(struct store *base, struct glyph_key key, struct artist *artist, struct lease *lease) {
    struct brim_store *s = brim_of(base);
    brim_ref *ref;
    brim_status status =
        brim_get_with(s->cache, BRIM_KEY(key), &s->fonts[key.face].claim, draw, artist, &ref);

    if (status == BRIM_NOMEM)
        return draw_unkept(artist, key, lease);
    if (status != BRIM_OK)
        return status == BRIM_FAILED ? CANNOT_DRAW : brim_strerror(status);
    *lease = (struct lease){brim_ref_value(ref), ref};
    return NULL;
}

static void release(struct store *s, struct lease lease) {
    (void)s;
    if (lease.hold)
        brim_release(lease.hold);
    else
        glyph_free((struct glyph *)(uintptr_t)lease.glyph);
}

static size_t used(struct store *s) { return brim_used(brim_of(s)->cache); }

static void close_store(struct store *s) {
    brim_fonts_close(brim_of(s));
    brim_cache_free(brim_of(s)->cache);
    free(s);
}

static void next_frame(struct store *s) { (void)brim_next_frame(brim_of(s)->cache); }

static bool has(struct store *s, struct glyph_key key) {
    return brim_contains(brim_of(s)->cache, BRIM_KEY(key));
}

static struct store_counts counts(struct store *s) {
    brim_stats stats;

    brim_stats_get(brim_of(s)->cache, &stats);
    return (struct store_counts){stats.loads, stats.load_waits, stats.redundant_loads,
                                 stats.left[BRIM_INVALIDATED]};
}

static const struct store FUNCTIONS = {
    .get = get,
    .release = release,
    .used = used,
    .close = close_store,
    .next_frame = next_frame,
    .counts = counts,
    .has = has,
    .entries_of = brim_fonts_entries,
    .drop_font = brim_fonts_drop,
    .sweep = brim_fonts_sweep,
};

static struct store *open_store(size_t capacity, brim_objective objective, bool protect_frame) {
    struct brim_store *s = must_alloc(1, sizeof *s);
    brim_options options;
    brim_status status;

    brim_options_init(&options, capacity);
    options.name = "glyphs";
    options.kind = &GLYPHS;
    options.objective = objective;
    options.expected_cost = 256;
    options.protect_frame = protect_frame;
    status = brim_cache_new(&options, &s->cache);
    if (status != BRIM_OK)
        die("no cache of %zu bytes: %s", capacity, brim_strerror(status));
    s->store = FUNCTIONS;
    brim_fonts_open(s);
    return &s->store;
}

struct store *store_brim(size_t capacity) {
    return open_store(capacity, BRIM_BALANCED, false);
}

struct store *store_brim_frame(size_t capacity) {
    return open_store(capacity, BRIM_BALANCED, true);
}

struct store *store_brim_hits(size_t capacity) {
    return open_store(capacity, BRIM_HITS, false);
}

struct store *store_brim_work(size_t capacity) {
    return open_store(capacity, BRIM_WORK, false);
}
