/* SPDX-License-Identifier: MIT */
#include "canvas.h"

#include <stddef.h>
#include <string.h>

typedef uint8_t pixels __attribute__((vector_size(INK_STEP)));

void canvas_clear(uint8_t *canvas) { memset(canvas, 255, PAGE_BYTES); }

/* to -= ink, not below 0. */
static inline void ink_step(uint8_t *to, const uint8_t *ink) {
    pixels p, i;

    memcpy(&p, to, sizeof p);
    memcpy(&i, ink, sizeof i);
    p = (p - i) & (pixels)(p > i);
    memcpy(to, &p, sizeof p);
}

static void ink_whole(uint8_t *to, const struct glyph *g) {
    const uint8_t *ink = g->ink;

    for (unsigned row = 0; row < g->height; row++, to += PAGE_WIDTH)
        for (unsigned x = 0; x < g->width; x += INK_STEP, ink += INK_STEP)
            ink_step(to + x, ink);
}

static void ink_clipped(uint8_t *canvas, const struct glyph *g, int left, int top) {
    for (int row = 0; row < g->height; row++)
        for (int column = 0; column < g->width; column++) {
            int x = left + column, y = top + row;
            uint8_t ink = g->ink[row * g->width + column], *to;
            if (x < 0 || x >= PAGE_WIDTH || y < 0 || y >= PAGE_HEIGHT)
                continue;
            to = &canvas[y * PAGE_WIDTH + x];
            *to = (uint8_t)(*to > ink ? *to - ink : 0);
        }
}

void canvas_ink(uint8_t *canvas, const struct glyph *g, int x, int y) {
    int left = x + g->left, top = y - g->top;

    if (left >= 0 && top >= 0 && left + g->width <= PAGE_WIDTH && top + g->height <= PAGE_HEIGHT)
        ink_whole(canvas + (ptrdiff_t)top * PAGE_WIDTH + left, g);
    else
        ink_clipped(canvas, g, left, top);
}
