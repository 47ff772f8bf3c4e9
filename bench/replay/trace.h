/* SPDX-License-Identifier: MIT */
/* A trace in memory: the requests in their order, and what is to be known of all of them. */
#ifndef BENCH_TRACE_H
#define BENCH_TRACE_H
#include <stddef.h>
#include <stdint.h>

struct trace {
    char *name;                         /* of the file, without directory, .zst and .txt */
    size_t requests;
    uint64_t *keys, *sizes;             /* of each request */
    uint64_t *works;                    /* likewise, in nanoseconds; NULL: it has none */
    size_t distinct;                    /* keys */
    size_t footprint;                   /* of the distinct keys, each by the first size it has */
    double bytes;                       /* of all requests */
};

/* Bad input ends the program. */
void trace_load(struct trace *, const char *path);
void trace_unload(struct trace *);
#endif
