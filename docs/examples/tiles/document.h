/* SPDX-License-Identifier: MIT */
/* The document, an SVG file or a page of a PDF file, and the drawing of its tiles. */
#ifndef TILES_DOCUMENT_H
#define TILES_DOCUMENT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TILE_PIXELS = 256, MAX_ZOOM = 10 };

/* At zoom z the document fits a square of 2^z by 2^z tiles.  The bytes of a key: no padding. */
struct place {
    uint32_t zoom, x, y;
};

/* Counted and constant: threads that draw an old one go on while a new one is read. */
struct document;

/* NULL: the map that is built in.  NULL is returned, and ${why} says why, if it cannot be read, is neither, or
 * has no such page. */
struct document *document_read(const char *path, int page, char *why, size_t why_size);
struct document *document_copy(struct document *d);
void document_drop(struct document *d);

/* A thread's own: handles of librsvg and poppler are not for two threads at a time. */
struct painter {
    struct document *document;
    void *handle;
};

/* What a tile is in the cache: ${len} bytes of PNG. */
struct tile {
    size_t len;
    unsigned char png[];
};

/* NULL: no memory, or the library could not. */
struct tile *painter_draw(struct painter *p, struct document *d, struct place place);
void painter_end(struct painter *p);

#endif
