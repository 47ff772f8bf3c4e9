/* SPDX-License-Identifier: MIT */
#ifndef RENDER_LAYOUT_H
#define RENDER_LAYOUT_H
#include "font.h"
#include "page.h"

/*
 * Sets doc at size pixels into exactly n pages, on from where the text is share (0 to 1) of the way through,
 * round again after its end.  numbers: what stands at the foot of each.
 */
struct layout_order {
    const struct doc *doc;
    unsigned size;
    double share;
    struct page **pages;
    size_t *numbers;
    size_t n;
};

void layout_run(struct fonts *, const struct layout_order *);
#endif
