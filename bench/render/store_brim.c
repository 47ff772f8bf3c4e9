/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "brim.h"
#include "diag.h"
#include "must.h"
#include "store.h"

struct brim_store {
    struct store store;
    brim_cache *cache;
};

static void destroy(void *value, size_t cost, void *arg) {
    (void)cost, (void)arg;
    glyph_free(value);
}

static const brim_kind GLYPHS = {.size = sizeof GLYPHS, .name = "glyphs", .destroy = destroy};

static brim_cache *cache_of(struct store *s) { return ((struct brim_store *)s)->cache; }

static bool find(struct store *s, struct glyph_key key, struct lease *lease) {
    brim_ref *ref = brim_find(cache_of(s), BRIM_KEY(key));

    if (!ref)
        return false;
    *lease = (struct lease){brim_ref_value(ref), ref};
    return true;
}

static const char *put(struct store *s, struct glyph_key key, struct glyph *g, uint64_t work,
                       struct lease *lease) {
    brim_entry_options options;
    brim_ref *ref;
    brim_status status;

    brim_entry_options_init(&options);
    options.work = work;
    status = brim_insert_or_wrap(cache_of(s), BRIM_KEY(key), g, glyph_bytes(g), &options, &ref);
    switch (status) {
    case BRIM_OK:
    case BRIM_TOO_BIG:
    case BRIM_FULL:
        *lease = (struct lease){brim_ref_value(ref), ref};
        return NULL;
    case BRIM_NOMEM: /* still ours: drawn from, then freed */
        *lease = (struct lease){g, NULL};
        return NULL;
    default:
        glyph_free(g);
        return brim_strerror(status);
    }
}

static void release(struct store *s, struct lease lease) {
    (void)s;
    if (lease.hold)
        brim_release(lease.hold);
    else
        glyph_free((struct glyph *)(uintptr_t)lease.glyph);
}

static size_t used(struct store *s) { return brim_used(cache_of(s)); }

static void close_store(struct store *s) {
    brim_cache_free(cache_of(s));
    free(s);
}

static struct store *open_store(size_t capacity, brim_objective objective) {
    struct brim_store *s = must_alloc(1, sizeof *s);
    brim_options options;
    brim_status status;

    brim_options_init(&options, capacity);
    options.name = "glyphs";
    options.kind = &GLYPHS;
    options.objective = objective;
    options.expected_cost = 256;
    status = brim_cache_new(&options, &s->cache);
    if (status != BRIM_OK)
        die("no cache of %zu bytes: %s", capacity, brim_strerror(status));
    s->store = (struct store){find, put, release, used, close_store};
    return &s->store;
}

struct store *store_brim(size_t capacity) {
    return open_store(capacity, BRIM_BALANCED);
}

struct store *store_brim_hits(size_t capacity) {
    return open_store(capacity, BRIM_HITS);
}

struct store *store_brim_work(size_t capacity) {
    return open_store(capacity, BRIM_WORK);
}
