/* SPDX-License-Identifier: MIT */
#ifndef RENDER_GLYPH_H
#define RENDER_GLYPH_H
#include "font.h"
#include "page.h"

enum { INK_STEP = 8 }; /* rows are padded to it with ink 0 */

/* A bitmap of coverage, as the caches keep it; malloc'ed in one piece. */
struct glyph {
    int16_t left, top;      /* from the origin: right to the first column, up to the first row */
    uint16_t width, height; /* width: a multiple of INK_STEP */
    uint8_t ink[];
};

struct glyph *glyph_draw(struct fonts *, struct glyph_key); /* NULL: no memory, or FreeType gave up */
size_t glyph_bytes(const struct glyph *);
void glyph_free(struct glyph *);
long glyph_live(void); /* drawn and not yet freed */
#endif
