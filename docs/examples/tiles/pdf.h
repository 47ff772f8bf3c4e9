/* SPDX-License-Identifier: MIT */
/* Pages of PDF files, by poppler, where it was there when this was built. */
#ifndef TILES_PDF_H
#define TILES_PDF_H
#include <cairo.h>
#include <stdbool.h>
#include <stddef.h>

bool pdf_is(const unsigned char *bytes, size_t len);

/*
 * A GObject, for one thread at a time, with a document of its own: poppler's are not for several.  ${bytes} stay
 * until it is gone.  NULL: ${why} says why.
 */
void *pdf_open(const unsigned char *bytes, size_t len, int page, char *why, size_t why_size);
void pdf_size(void *page, double *width, double *height);
void pdf_draw(void *page, cairo_t *cairo); /* in its own size, at the origin */

#endif
