/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "diag.h"
#include "store_brim.h"

static struct brim_store *brim_of(struct store *s) { return (struct brim_store *)s; }

static void open_font(struct brim_store *s, struct brim_font *f) {
    f->group = brim_group_new(s->cache);
    if (!f->group)
        die_no_memory();
    brim_entry_options_init(&f->entry);
    f->entry.group = f->group;
    brim_claim_options_init(&f->claim);
    f->claim.entry = &f->entry;
}

void brim_fonts_open(struct brim_store *s) {
    for (int i = 0; i < FACE_COUNT; i++)
        open_font(s, &s->fonts[i]);
}

/* As a program does that unmaps a font's file: nobody may still be drawing from it. */
void brim_fonts_close(struct brim_store *s) {
    for (int i = 0; i < FACE_COUNT; i++) {
        brim_group_close(s->fonts[i].group);
        if (brim_group_loads(s->fonts[i].group) != 0)
            die("a glyph is being drawn from a font that is closed");
        brim_group_drop(s->fonts[i].group);
    }
}

void brim_fonts_drop(struct store *s, enum face face) {
    brim_group_invalidate(brim_of(s)->fonts[face].group);
}

void brim_fonts_sweep(struct store *s) {
    (void)brim_trim(brim_of(s)->cache, brim_capacity(brim_of(s)->cache));
}

struct count {
    enum face face;
    size_t n;
};

static bool count_one(brim_ref *lent, void *arg) {
    struct count *count = arg;
    struct glyph_key key;

    memcpy(&key, brim_ref_key_bytes(lent, NULL), sizeof key);
    count->n += key.face == count->face;
    return true;
}

size_t brim_fonts_entries(struct store *s, enum face face) {
    struct count count = {face, 0};

    (void)brim_for_each(brim_of(s)->cache, count_one, &count);
    return count.n;
}
