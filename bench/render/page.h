/* SPDX-License-Identifier: MIT */
#ifndef RENDER_PAGE_H
#define RENDER_PAGE_H
#include <stddef.h>
#include <stdint.h>

enum { PAGE_WIDTH = 608, PAGE_HEIGHT = 860, PAGE_BYTES = PAGE_WIDTH * PAGE_HEIGHT, SUBPIXELS = 4 };

/* What the cache looks a bitmap up by.  No padding: it is hashed and compared as bytes. */
struct glyph_key {
    uint32_t glyph;
    uint16_t size;    /* pixels to the em */
    uint8_t face;     /* enum face */
    uint8_t subpixel; /* quarters of a pixel to the right */
};
_Static_assert(sizeof(struct glyph_key) == 8, "glyph_key has padding");

struct placed {
    struct glyph_key key;
    int16_t x, y;
}; /* the pixel of its origin on the baseline */

struct page {
    struct placed *glyphs;
    size_t count, cap;
};
#endif
