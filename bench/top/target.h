/* SPDX-License-Identifier: MIT */
/* The programs that are looked at, and the last two documents of each: what a counter grew by is its rate. */
#ifndef TOP_TARGET_H
#define TOP_TARGET_H
#include "source.h"

#include <jansson.h>

struct target {
    char *place;
    long pid;                           /* 0: unknown */
    json_t *now, *before;               /* NULL: none yet; the whole document, as it came */
    double now_time, before_time;       /* seconds */
    bool ended;
    char error[SOURCE_ERROR];           /* of the last reading; empty: it went well */
};

struct targets {
    char **asked;                       /* none: all that publish */
    size_t asked_count;
    struct target *at;
    size_t count;
};

/* Reads them all; those in directories are looked up anew. */
void targets_read(struct targets *);
void targets_free(struct targets *);
const char *target_program(const struct target *);
/* ${document}'s caches, an array of objects; NULL for a NULL one. */
json_t *target_caches(const json_t *document);
json_t *target_problems(const struct target *, size_t cache); /* an array, or NULL */
#endif
