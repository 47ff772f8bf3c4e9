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

/* Who draws what a store does not have: one thread's. */
struct artist {
    struct glyph *(*draw)(struct artist *, struct glyph_key); /* NULL: it cannot be drawn */
};

/* What a store counts itself, since it was opened. */
struct store_counts {
    uint64_t loads;           /* glyphs that it had drawn */
    uint64_t load_waits;      /* look-ups that waited for another thread to draw, and shared the glyph */
    uint64_t redundant_loads; /* of loads: of what it had evicted not long before */
    uint64_t swept;           /* glyphs of dropped fonts whose memory was given back */
};

/* Where glyphs are kept.  All but close from any threads. */
struct store {
    /* The glyph that is kept, or else what the artist draws.  NULL, or what went wrong, without a lease. */
    const char *(*get)(struct store *, struct glyph_key, struct artist *, struct lease *);
    void (*release)(struct store *, struct lease);
    size_t (*used)(struct store *);
    void (*close)(struct store *);

    /* Only of Brim's, else NULL: */
    void (*next_frame)(struct store *); /* a round of pages begins */
    struct store_counts (*counts)(struct store *);
    bool (*has)(struct store *, struct glyph_key); /* without counting as a use */
    size_t (*entries_of)(struct store *, enum face);
    void (*drop_font)(struct store *, enum face); /* none of its glyphs is found any more */
    void (*sweep)(struct store *);                /* and those left of them go from memory now */
};

typedef struct store *store_opener(size_t capacity);

store_opener store_none;       /* keeps nothing */
store_opener store_mutex;      /* one mutex, a hash table and an LRU list */
store_opener store_brim;       /* these four: with the objective that is the default, */
store_opener store_brim_frame; /* with that, and what the current frame used protected, */
store_opener store_brim_hits;  /* with BRIM_HITS, */
store_opener store_brim_work;  /* and with BRIM_WORK */
#endif
