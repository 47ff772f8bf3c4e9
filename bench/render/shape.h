/* SPDX-License-Identifier: MIT */
#ifndef RENDER_SHAPE_H
#define RENDER_SHAPE_H
#include <stdint.h>

#include "font.h"

enum { ITEM_SPACE = 1, ITEM_BREAK_AFTER = 2 };

/* A shaped glyph, in 1/64 pixel. */
struct item {
    uint32_t glyph, cluster;
    int32_t advance, x, y;
    uint8_t face, flags;
};

struct items {
    struct item *at;
    size_t n, cap;
};

/* Appends the glyphs of text[start, start + len). */
void shape_text(struct fonts *, enum face, unsigned size, const char *language, const char *text,
                size_t text_len, size_t start, size_t len, struct items *);
/* The glyphs of a whole block, in place of what was there. */
void shape_block(struct fonts *, const struct doc *, const struct block *, unsigned size, struct items *);
int32_t items_width(const struct item *, size_t n);
#endif
