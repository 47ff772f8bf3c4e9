/* SPDX-License-Identifier: MIT */
#ifndef RENDER_DROP_H
#define RENDER_DROP_H
#include "plan.h"
#include "store.h"

/* What became of the glyphs of a font that was dropped; all 0 of a store that cannot. */
struct dropped {
    size_t glyphs;  /* of it that were kept before */
    uint64_t found; /* look-ups on the pages that still found one right after: must be 0 */
    uint64_t swept; /* of those glyphs, whose memory was given back: all but what had to make room before */
    uint64_t drawn; /* when the pages were drawn again: glyphs made, of any font */
};

/* Before the pages are drawn again, and after. */
struct dropped drop_font(struct store *, const struct plan *);
void drop_end(struct dropped *, struct store *, uint64_t drawn);
#endif
