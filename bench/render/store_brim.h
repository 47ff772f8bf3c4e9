/* SPDX-License-Identifier: MIT */
#ifndef RENDER_STORE_BRIM_H
#define RENDER_STORE_BRIM_H
#include "brim.h"
#include "store.h"

/* How glyphs of one font are asked for: each font has a group, so that all of it can be dropped at once. */
struct brim_font {
    brim_group *group;
    brim_entry_options entry;
    brim_claim_options claim;
};

struct brim_store {
    struct store store;
    brim_cache *cache;
    struct brim_font fonts[FACE_COUNT];
};

/* store_brim_fonts.c */
void brim_fonts_open(struct brim_store *);
void brim_fonts_close(struct brim_store *);
size_t brim_fonts_entries(struct store *, enum face);
void brim_fonts_drop(struct store *, enum face);
void brim_fonts_sweep(struct store *);
#endif
