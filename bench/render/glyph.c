/* SPDX-License-Identifier: MIT */
#include "glyph.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include FT_OUTLINE_H

static atomic_long live;

static bool load(struct fonts *t, struct glyph_key key) {
    FT_Face face = t->face[key.face];

    if (t->size[key.face] != key.size) {
        t->size[key.face] = 0;
        if (FT_Set_Pixel_Sizes(face, 0, key.size) != 0)
            return false;
        t->size[key.face] = key.size;
    }
    if (FT_Load_Glyph(face, key.glyph, FT_LOAD_NO_BITMAP | FT_LOAD_TARGET_LIGHT) != 0)
        return false;
    FT_Outline_Translate(&face->glyph->outline, key.subpixel * (64 / SUBPIXELS), 0);
    return FT_Render_Glyph(face->glyph, FT_RENDER_MODE_NORMAL) == 0;
}

struct glyph *glyph_draw(struct fonts *t, struct glyph_key key) {
    FT_GlyphSlot slot = t->face[key.face]->glyph;
    const FT_Bitmap *b = &slot->bitmap;
    struct glyph *g;
    size_t width;

    if (!load(t, key) || b->width > 4096 || b->rows > 4096)
        return NULL;
    width = (b->width + (INK_STEP - 1u)) & ~(INK_STEP - 1u);
    g = calloc(1, sizeof *g + width * b->rows);
    if (!g)
        return NULL;
    g->left = (int16_t)slot->bitmap_left;
    g->top = (int16_t)slot->bitmap_top;
    g->width = (uint16_t)width;
    g->height = (uint16_t)b->rows;
    for (unsigned y = 0; y < b->rows; y++)
        memcpy(g->ink + y * width, b->buffer + (ptrdiff_t)y * b->pitch, b->width);
    atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return g;
}

size_t glyph_bytes(const struct glyph *g) { return sizeof *g + (size_t)g->width * g->height; }

void glyph_free(struct glyph *g) {
    if (g)
        atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    free(g);
}

long glyph_live(void) { return atomic_load(&live); }
