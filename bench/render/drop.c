/* SPDX-License-Identifier: MIT */
#include "drop.h"

/* The font that most of the glyphs on the pages are of. */
static enum face busiest(const struct plan *plan) {
    size_t uses[FACE_COUNT] = {0};
    enum face most = FACE_REGULAR;

    for (size_t i = 0; i < plan->n; i++)
        for (size_t j = 0; j < plan->pages[i].count; j++)
            uses[plan->pages[i].glyphs[j].key.face]++;
    for (enum face f = 0; f < FACE_COUNT; f++)
        if (uses[f] > uses[most])
            most = f;
    return most;
}

static uint64_t look_ups_that_find(struct store *s, const struct plan *plan, enum face face) {
    uint64_t found = 0;

    for (size_t i = 0; i < plan->n; i++)
        for (size_t j = 0; j < plan->pages[i].count; j++) {
            struct glyph_key key = plan->pages[i].glyphs[j].key;
            found += key.face == face && s->has(s, key);
        }
    return found;
}

struct dropped drop_font(struct store *s, const struct plan *plan) {
    struct dropped d = {0};
    enum face face = busiest(plan);

    if (!s->drop_font)
        return d;
    d.glyphs = s->entries_of(s, face);
    s->drop_font(s, face);
    d.found = look_ups_that_find(s, plan, face);
    return d;
}

void drop_end(struct dropped *d, struct store *s, uint64_t drawn) {
    if (!s->drop_font)
        return;
    s->sweep(s);
    d->swept = s->counts(s).swept;
    d->drawn = drawn;
}
