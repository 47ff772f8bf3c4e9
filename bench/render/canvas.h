/* SPDX-License-Identifier: MIT */
#ifndef RENDER_CANVAS_H
#define RENDER_CANVAS_H
#include "glyph.h"
#include "page.h"

/* PAGE_BYTES of gray, 255 is paper. */
void canvas_clear(uint8_t *canvas);
void canvas_ink(uint8_t *canvas, const struct glyph *, int x, int y); /* clipped */
#endif
