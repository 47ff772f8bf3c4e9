/* SPDX-License-Identifier: MIT */
#ifndef RENDER_FONT_H
#define RENDER_FONT_H
#include <ft2build.h>
#include FT_FREETYPE_H
#include FT_STROKER_H
#include <hb.h>

#include "doc.h"

/* The font files in memory: read once, shared by all threads, never written. */
struct font_files {
    char *data[FACE_COUNT];
    size_t len[FACE_COUNT];
};

/* Fonts of one thread: a library, faces and HarfBuzz fonts of its own. */
struct fonts {
    FT_Library library;
    FT_Stroker pen;
    FT_Face face[FACE_COUNT];
    unsigned size[FACE_COUNT]; /* that the FT_Face is set to; 0: none yet */
    hb_font_t *shaper[FACE_COUNT];
    hb_buffer_t *buffer;
};

void font_files_read(struct font_files *, const char *dir); /* dir NULL: the usual places */
void font_files_free(struct font_files *);
void fonts_open(struct fonts *, const struct font_files *);
void fonts_close(struct fonts *);
#endif
