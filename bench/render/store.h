/* SPDX-License-Identifier: MIT */
#ifndef RENDER_STORE_H
#define RENDER_STORE_H
#include <stdbool.h>

#include "glyph.h"

/* A glyph that stays as it is until the lease is released. */
struct lease {
    const struct glyph *glyph;
    void *hold;
};

/* Where glyphs are kept.  All but close from any threads. */
struct store {
    bool (*find)(struct store *, struct glyph_key, struct lease *);
    /* Takes the glyph in every case; NULL, or what went wrong, and then there is no lease. */
    const char *(*put)(struct store *, struct glyph_key, struct glyph *, uint64_t work, struct lease *);
    void (*release)(struct store *, struct lease);
    size_t (*used)(struct store *);
    void (*close)(struct store *);
};

typedef struct store *store_opener(size_t capacity);

store_opener store_none;      /* keeps nothing */
store_opener store_mutex;     /* one mutex, a hash table and an LRU list */
store_opener store_brim;      /* these three: with the objective that is the default, */
store_opener store_brim_hits; /* with BRIM_HITS, */
store_opener store_brim_work; /* and with BRIM_WORK */
#endif
