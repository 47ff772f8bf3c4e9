/* SPDX-License-Identifier: MIT */
#include "layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lines.h"
#include "must.h"
#include "shape.h"

enum { MARGIN = 48, TOP = 52, BOTTOM = PAGE_HEIGHT - 64, FOOT_LINE = PAGE_HEIGHT - 32, FOOT_SIZE = 10 };

struct setter {
    struct fonts *fonts;
    const struct layout_order *order;
    size_t page; /* at which it is; order->n: all full */
    int y;       /* pixel under the last line */
    struct items items;
};

static void place(struct page *p, const struct item *item, unsigned size, int32_t x, int y) {
    int32_t quarter = (x + item->x + 8) >> 4;
    struct placed *g;

    p->glyphs = must_grow(p->glyphs, &p->cap, p->count + 1, sizeof *p->glyphs);
    g = &p->glyphs[p->count++];
    g->key =
        (struct glyph_key){item->glyph, (uint16_t)size, item->face, (uint8_t)(quarter & (SUBPIXELS - 1))};
    g->x = (int16_t)(quarter >> 2);
    g->y = (int16_t)(y - ((item->y + 32) >> 6));
}

static void place_items(struct page *p, const struct item *at, size_t n, unsigned size, int32_t x, int y,
                        int32_t stretch) {
    for (size_t i = 0; i < n; i++) {
        if (at[i].flags & ITEM_SPACE)
            x += stretch;
        else
            place(p, &at[i], size, x, y);
        x += at[i].advance;
    }
}

static void set_foot(struct setter *s) {
    const struct layout_order *o = s->order;
    char *foot = must_print("%.40s, %u px, page %zu", o->doc->label, o->size, o->numbers[s->page] + 1);
    struct items items = {0};
    int32_t width;

    shape_text(s->fonts, FACE_REGULAR, FOOT_SIZE, "en", foot, strlen(foot), 0, strlen(foot), &items);
    width = items_width(items.at, items.n);
    place_items(o->pages[s->page], items.at, items.n, FOOT_SIZE, (PAGE_WIDTH * 64 - width) / 2, FOOT_LINE, 0);
    free(items.at);
    free(foot);
}

static void next_page(struct setter *s) {
    set_foot(s);
    s->page++;
    s->y = TOP;
}

static unsigned size_of(const struct block *b, unsigned size) {
    static const unsigned percent[7] = {100, 180, 155, 130, 115, 105, 100};

    if (b->kind == BLOCK_PRE)
        return (size * 90 + 50) / 100;
    return b->kind == BLOCK_HEADING ? (size * percent[b->level] + 50) / 100 : size;
}

static int gap_before(const struct block *b, unsigned size) {
    if (b->tight)
        return 0;
    return b->kind == BLOCK_HEADING ? (int)size : (int)(size * 55 / 100);
}

/* One line at the pen, or at the top of the next page if it does not fit. */
static void set_line(struct setter *s, const struct block *b, const struct line *l, unsigned size, int left,
                     int32_t width) {
    int height = (int)(size * (b->kind == BLOCK_PARA ? 138 : 122) / 100), ascent = (int)(size * 102 / 100);
    int32_t stretch = b->kind == BLOCK_PARA ? line_stretch(&s->items, l, width, size) : 0;

    if (s->y + height > BOTTOM)
        next_page(s);
    if (s->page == s->order->n)
        return;
    place_items(s->order->pages[s->page], s->items.at + l->from, l->to - l->from, size, left * 64,
                s->y + ascent, stretch);
    s->y += height;
}

static void set_block(struct setter *s, const struct block *b) {
    unsigned size = size_of(b, s->order->size);
    int indent = b->indent * (int)s->order->size * 5 / 4, left = MARGIN + (indent < 160 ? indent : 160);
    int32_t width = (PAGE_WIDTH - MARGIN - left) * 64;

    if (s->y > TOP)
        s->y += gap_before(b, size);
    if (b->kind == BLOCK_HEADING && s->y + (int)(size + 3 * s->order->size) > BOTTOM)
        next_page(s);
    shape_block(s->fonts, s->order->doc, b, size, &s->items);
    for (size_t at = 0; at < s->items.n && s->page < s->order->n;) {
        struct line l = line_break(&s->items, at, width);
        set_line(s, b, &l, size, left, width);
        at = l.next;
    }
}

void layout_run(struct fonts *fonts, const struct layout_order *o) {
    struct setter s = {.fonts = fonts, .order = o, .y = TOP};
    size_t block = (size_t)((double)o->doc->n_blocks * o->share);

    while (s.page < o->n) {
        if (block >= o->doc->n_blocks)
            block = 0;
        set_block(&s, &o->doc->blocks[block++]);
    }
    free(s.items.at);
}
