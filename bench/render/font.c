/* SPDX-License-Identifier: MIT */
#include "font.h"

#include <errno.h>
#include <hb-ot.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "must.h"
#include "readfile.h"

enum { MAX_FONT = 64 << 20 };

/* No bold: glyph.c draws it. */
static const char *const NAMES[FACE_COUNT] = {
    [FACE_REGULAR] = "DejaVuSans.ttf",
    [FACE_OBLIQUE] = "DejaVuSans-Oblique.ttf",
    [FACE_MONO] = "DejaVuSansMono.ttf",
};
/* fonts-dejavu-core has no oblique face. */
static const enum face INSTEAD[FACE_COUNT] = {
    [FACE_OBLIQUE] = FACE_REGULAR,
    [FACE_BOLD] = FACE_REGULAR,
    [FACE_BOLD_OBLIQUE] = FACE_OBLIQUE,
    [FACE_MONO_BOLD] = FACE_MONO,
};

static char *read_font(const char *dir, enum face face, size_t *len) {
    char *path = must_print("%s/%s", dir, NAMES[face]);
    char *data = readfile(path, MAX_FONT, len);

    free(path);
    return data;
}

static const char *find_dir(void) {
    static const char *const dirs[] = {"/usr/share/fonts/truetype/dejavu", "/usr/share/fonts/dejavu",
                                       "/usr/share/fonts/TTF", "/usr/share/fonts/dejavu-sans-fonts"};

    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        size_t len;
        char *data = read_font(dirs[i], FACE_REGULAR, &len);
        free(data);
        if (data)
            return dirs[i];
    }
    die("no font: %s is in none of the usual places (install fonts-dejavu or use --fonts)",
        NAMES[FACE_REGULAR]);
}

void font_files_read(struct font_files *f, const char *dir) {
    if (!dir)
        dir = find_dir();
    memset(f, 0, sizeof *f);
    for (enum face i = 0; i < FACE_COUNT; i++) {
        if (!NAMES[i])
            continue;
        f->data[i] = read_font(dir, i, &f->len[i]);
        if (!f->data[i] && i != FACE_OBLIQUE)
            die("no font: cannot read %s/%s: %s", dir, NAMES[i], strerror(errno));
    }
}

void font_files_free(struct font_files *f) {
    for (int i = 0; i < FACE_COUNT; i++)
        free(f->data[i]);
}

static hb_font_t *open_shaper(const char *data, size_t len) {
    hb_blob_t *blob = hb_blob_create(data, (unsigned)len, HB_MEMORY_MODE_READONLY, NULL, NULL);
    hb_face_t *face = hb_face_create(blob, 0);
    hb_font_t *font = hb_font_create(face);

    hb_ot_font_set_funcs(font);
    hb_face_destroy(face);
    hb_blob_destroy(blob);
    return font;
}

static enum face file_of(const struct font_files *f, enum face face) {
    while (!f->data[face])
        face = INSTEAD[face];
    return face;
}

void fonts_open(struct fonts *t, const struct font_files *f) {
    memset(t, 0, sizeof *t);
    if (FT_Init_FreeType(&t->library) != 0 || FT_Stroker_New(t->library, &t->pen) != 0)
        die("FreeType does not start");
    for (enum face i = 0; i < FACE_COUNT; i++) {
        enum face from = file_of(f, i);
        const char *data = f->data[from];
        size_t len = f->len[from];
        if (FT_New_Memory_Face(t->library, (const FT_Byte *)data, (FT_Long)len, 0, &t->face[i]) != 0)
            die("no font: %s cannot be used", NAMES[from]);
        t->shaper[i] = open_shaper(data, len);
    }
    t->buffer = hb_buffer_create();
    if (!hb_buffer_allocation_successful(t->buffer))
        die_no_memory();
}

void fonts_close(struct fonts *t) {
    hb_buffer_destroy(t->buffer);
    for (int i = 0; i < FACE_COUNT; i++) {
        hb_font_destroy(t->shaper[i]);
        FT_Done_Face(t->face[i]);
    }
    FT_Stroker_Done(t->pen);
    FT_Done_FreeType(t->library);
}
