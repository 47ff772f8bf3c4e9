/* SPDX-License-Identifier: MIT */
/* The screen as lines of text, none wider than it: printed by --once, drawn on a terminal. */
#ifndef TOP_VIEW_H
#define TOP_VIEW_H
#include "rows.h"

enum style { STYLE_PLAIN, STYLE_TITLE, STYLE_HEAD, STYLE_CACHE, STYLE_KIND, STYLE_PROBLEM };

struct line {
    char *text;
    enum style style;
    size_t row;                         /* of STYLE_CACHE and STYLE_KIND */
    double full;                        /* likewise: share of the limit */
};

struct view {
    struct line *at;
    size_t count;
};

struct look {
    int columns;
    double interval;
    enum sort sort;
    bool paused;
};

void view_title(struct view *, const struct look *, const struct targets *, const struct rows *);
void view_table(struct view *, const struct look *, const struct rows *);
void view_details(struct view *, const struct look *, const struct row *);
void view_errors(struct view *, const struct look *, const struct targets *);
void view_free(struct view *);
#endif
