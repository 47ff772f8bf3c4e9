/* SPDX-License-Identifier: MIT */
/* One line of a trace: `key size' or `key size work'. */
#ifndef BENCH_REQUEST_H
#define BENCH_REQUEST_H
#include "lines.h"

struct request {
    uint64_t key, size;
    uint64_t work;                      /* nanoseconds */
    bool has_work;
};

/* False: the line is blank or a comment.  A malformed one ends the program. */
bool request_parse(struct request *, const struct lines *);
#endif
