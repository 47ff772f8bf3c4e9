/* SPDX-License-Identifier: MIT */
#include "shape.h"

#include <string.h>

#include "diag.h"
#include "must.h"

static uint8_t flags_at(const char *text, size_t at, size_t len) {
    if (text[at] == ' ')
        return ITEM_SPACE | ITEM_BREAK_AFTER;
    if (text[at] == '-' || text[at] == '/')
        return at > 0 && (text[at - 1] == ' ' || text[at - 1] == '(') ? 0 : ITEM_BREAK_AFTER;
    if (len - at >= 3 &&
        (memcmp(text + at, "\xE2\x80\x93", 3) == 0 || memcmp(text + at, "\xE2\x80\x94", 3) == 0))
        return ITEM_BREAK_AFTER;
    return 0;
}

static void shape_buffer(hb_buffer_t *b, hb_font_t *font, const char *language, const char *text,
                         size_t text_len, size_t start, size_t len) {
    hb_buffer_clear_contents(b);
    hb_buffer_set_language(b, hb_language_from_string(language, -1));
    hb_buffer_add_utf8(b, text, (int)text_len, (unsigned)start, (int)len);
    hb_buffer_guess_segment_properties(b);
    hb_buffer_set_direction(b, HB_DIRECTION_LTR);
    hb_shape(font, b, NULL, 0);
    if (!hb_buffer_allocation_successful(b))
        die_no_memory();
}

void shape_text(struct fonts *t, enum face face, unsigned size, const char *language, const char *text,
                size_t text_len, size_t start, size_t len, struct items *items) {
    hb_font_t *font = t->shaper[face];
    unsigned n;
    hb_glyph_info_t *info;
    hb_glyph_position_t *pos;

    hb_font_set_scale(font, (int)size * 64, (int)size * 64);
    shape_buffer(t->buffer, font, language, text, text_len, start, len);
    info = hb_buffer_get_glyph_infos(t->buffer, &n);
    pos = hb_buffer_get_glyph_positions(t->buffer, &n);
    items->at = must_grow(items->at, &items->cap, items->n + n, sizeof *items->at);
    for (unsigned i = 0; i < n; i++)
        items->at[items->n++] = (struct item){
            .glyph = info[i].codepoint,
            .cluster = info[i].cluster,
            .advance = pos[i].x_advance,
            .x = pos[i].x_offset,
            .y = pos[i].y_offset,
            .face = (uint8_t)face,
            .flags = flags_at(text, info[i].cluster, text_len),
        };
}

void shape_block(struct fonts *t, const struct doc *d, const struct block *b, unsigned size,
                 struct items *items) {
    items->n = 0;
    for (size_t i = 0; i < b->count; i++) {
        const struct span *s = &d->spans[b->first + i];
        shape_text(t, s->face, size, d->language, d->text, d->len, s->start, s->len, items);
    }
}

int32_t items_width(const struct item *at, size_t n) {
    int32_t width = 0;

    for (size_t i = 0; i < n; i++)
        width += at[i].advance;
    return width;
}
