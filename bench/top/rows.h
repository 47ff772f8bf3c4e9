/* SPDX-License-Identifier: MIT */
/* What the screen's lines are made of: one row for each cache and each of its kinds. */
#ifndef TOP_ROWS_H
#define TOP_ROWS_H
#include "target.h"

enum sort { SORT_USED, SORT_FINDS, SORT_EVICTIONS, SORT_NAME, SORTS };

/* A number that is not known is negative. */
struct row {
    const struct target *target;
    size_t cache;                       /* its number in the document */
    bool is_kind;
    const json_t *now;
    const char *name;
    double used, limit, entries, held, loading;
    double hit_ratio, hit_ratio_now;    /* shares of finds; of a kind unknown, for finds know no kind */
    double finds, inserts, evictions, loads; /* a second; of a kind, finds are its hits */
    size_t problems;
};

struct rows {
    struct row *at;
    size_t count;
};

/* Kinds follow their cache; caches are sorted, the most first. */
void rows_make(struct rows *, const struct targets *, enum sort);
void rows_free(struct rows *);
double row_number(const json_t *object, const char *member);   /* 0 if it is missing */
const char *sort_name(enum sort);
#endif
