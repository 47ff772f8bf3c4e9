/* SPDX-License-Identifier: MIT */
#ifndef RENDER_LINES_H
#define RENDER_LINES_H
#include <stdbool.h>

#include "shape.h"

/* A line is items[from, to) without the spaces that end it; the next one begins at next. */
struct line {
    size_t from, to, next;
    bool last;
};

/* The line that begins at from: as much as fits, broken where it may be, within a word if it must. */
struct line line_break(const struct items *, size_t from, int32_t width);
/* What every space of the line is widened by, so that the line is full; 0 if that would look odd. */
int32_t line_stretch(const struct items *, const struct line *, int32_t width, unsigned size);
#endif
