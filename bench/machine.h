/* SPDX-License-Identifier: MIT */
/* What the program runs on, and how it was built. */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H
#include <stdbool.h>
#include <stddef.h>

enum { MACHINE_TEXT = 256 };

struct machine {
    char processor[MACHINE_TEXT];       /* empty: unknown */
    char kernel[MACHINE_TEXT];
    char allocator[MACHINE_TEXT];       /* the file that malloc comes from, and the C library's version */
    const char *compiler;
    long processors;
    size_t memory;                      /* bytes */
    bool assertions;                    /* in this program */
    char day[16];                       /* as 2026-01-31 */
};

void machine_look(struct machine *);
bool machine_plain_malloc(void);        /* malloc is the GNU C library's, not one put in its place */
#endif
