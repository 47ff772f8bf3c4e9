/* SPDX-License-Identifier: MIT */
#include "glyph.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include FT_GLYPH_H
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
    FT_Outline_Translate(&face->glyph->outline, (FT_Pos)key.subpixel * (64 / SUBPIXELS), 0);
    return true;
}

static struct glyph *copy(const FT_Bitmap *b, int left, int top) {
    size_t width = (b->width + (INK_STEP - 1u)) & ~(INK_STEP - 1u);
    struct glyph *g;

    if (b->width > 4096 || b->rows > 4096)
        return NULL;
    g = calloc(1, sizeof *g + width * b->rows);
    if (!g)
        return NULL;
    g->left = (int16_t)left;
    g->top = (int16_t)top;
    g->width = (uint16_t)width;
    g->height = (uint16_t)b->rows;
    for (unsigned y = 0; y < b->rows; y++)
        memcpy(g->ink + y * width, b->buffer + (ptrdiff_t)y * b->pitch, b->width);
    atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    return g;
}

static struct glyph *fill(FT_GlyphSlot slot) {
    if (FT_Render_Glyph(slot, FT_RENDER_MODE_NORMAL) != 0)
        return NULL;
    return copy(&slot->bitmap, slot->bitmap_left, slot->bitmap_top);
}

/*
 * Bold without a bold face: a round pen goes along the outline too, as in PDF's text rendering mode 2.  Takes
 * several times as long as filling, for about the same size.
 */
static struct glyph *fill_and_stroke(FT_GlyphSlot slot, FT_Stroker pen, unsigned size) {
    FT_Fixed radius = (FT_Fixed)size * 64 / 48;
    struct glyph *g = NULL;
    FT_Glyph drawn;

    FT_Stroker_Set(pen, radius, FT_STROKER_LINECAP_ROUND, FT_STROKER_LINEJOIN_ROUND, 0);
    if (FT_Get_Glyph(slot, &drawn) != 0)
        return NULL;
    if (FT_Glyph_StrokeBorder(&drawn, pen, false, true) == 0 &&
        FT_Glyph_To_Bitmap(&drawn, FT_RENDER_MODE_NORMAL, NULL, true) == 0) {
        FT_BitmapGlyph b = (FT_BitmapGlyph)drawn;
        g = copy(&b->bitmap, b->left, b->top);
    }
    FT_Done_Glyph(drawn);
    return g;
}

static bool is_bold(unsigned face) {
    return face == FACE_BOLD || face == FACE_BOLD_OBLIQUE || face == FACE_MONO_BOLD;
}

struct glyph *glyph_draw(struct fonts *t, struct glyph_key key) {
    FT_GlyphSlot slot = t->face[key.face]->glyph;

    if (!load(t, key))
        return NULL;
    return is_bold(key.face) ? fill_and_stroke(slot, t->pen, key.size) : fill(slot);
}

size_t glyph_bytes(const struct glyph *g) { return sizeof *g + (size_t)g->width * g->height; }

void glyph_free(struct glyph *g) {
    if (g)
        atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
    free(g);
}

long glyph_live(void) { return atomic_load(&live); }
