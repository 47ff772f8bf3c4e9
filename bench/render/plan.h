/* SPDX-License-Identifier: MIT */
#ifndef RENDER_PLAN_H
#define RENDER_PLAN_H
#include "font.h"
#include "page.h"
#include "texts.h"

/* All pages, set once; every run draws these. */
struct plan {
    struct page *pages;
    size_t n;
    size_t glyphs; /* on all pages */
};

/* On as many threads as there are fonts.  Page i is of text i modulo their number; its zoom changes from page
 * to page. */
void plan_make(struct plan *, const struct texts *, size_t pages, struct fonts *, unsigned threads);
void plan_free(struct plan *);
#endif
