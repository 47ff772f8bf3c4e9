/* SPDX-License-Identifier: MIT */
#include "lines.h"

enum { JUSTIFY_EMS = 34 }; /* narrower lines are left ragged */

/* An end within a word: at least one glyph, and no mark parted from its base. */
static size_t forced_end(const struct items *items, size_t from, size_t at) {
    size_t end = at > from ? at : from + 1;

    while (end > from + 1 && end < items->n && items->at[end].cluster == items->at[end - 1].cluster)
        end--;
    return end;
}

struct line line_break(const struct items *items, size_t from, int32_t width) {
    struct line l = {from, items->n, items->n, true};
    int64_t used = 0;
    size_t good = from, i;

    for (i = from; i < items->n; i++) {
        const struct item *item = &items->at[i];
        used += item->advance;
        if (used > width && !(item->flags & ITEM_SPACE)) {
            l.to = l.next = good > from ? good : forced_end(items, from, i);
            l.last = false;
            break;
        }
        if (item->flags & ITEM_BREAK_AFTER)
            good = i + 1;
    }
    while (l.to > l.from && (items->at[l.to - 1].flags & ITEM_SPACE))
        l.to--;
    return l;
}

int32_t line_stretch(const struct items *items, const struct line *l, int32_t width, unsigned size) {
    int32_t spaces = 0, each, spare = width - items_width(items->at + l->from, l->to - l->from);

    for (size_t i = l->from; i < l->to; i++)
        spaces += (items->at[i].flags & ITEM_SPACE) != 0;
    if (l->last || !spaces || spare <= 0 || width < (int32_t)size * 64 * JUSTIFY_EMS)
        return 0;
    each = spare / spaces;
    return each > (int32_t)size * 64 ? 0 : each;
}
