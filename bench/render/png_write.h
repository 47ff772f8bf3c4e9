/* SPDX-License-Identifier: MIT */
#ifndef RENDER_PNG_WRITE_H
#define RENDER_PNG_WRITE_H
#include <stddef.h>

#include "reference.h"

/* The first pages as DIR/page-001.png and so on, 8-bit gray: all of them or none.  How many. */
size_t png_write_pages(const char *dir, const struct reference *, size_t pages);
#endif
