/* SPDX-License-Identifier: MIT */
/* The lines of a source, one after the other, and what to say if one of them is wrong. */
#ifndef BENCH_LINES_H
#define BENCH_LINES_H
#include "source.h"

#include <stdbool.h>
#include <stdint.h>

enum { LINE_BYTES = 4096 };             /* the longest line, with its end */

struct lines {
    const char *path;
    struct source *source;
    uint64_t number;                    /* of this line, from 1 */
    const char *text;                   /* of this line, until the next one; not terminated */
    size_t length;                      /* without its end, LF or CR LF; 0 before the first */
    size_t begin, end;                  /* of what waits in `buffer' */
    bool ended;                         /* the source has no more */
    char buffer[16 * LINE_BYTES];
};

struct lines *lines_open(const char *path);
bool lines_next(struct lines *);        /* false: that was the last one */
void lines_close(struct lines *);

/* Ends the program: FILE:LINE: the message. */
_Noreturn void lines_fail(const struct lines *, const char *format, ...) __attribute__((format(printf, 2, 3)));
#endif
