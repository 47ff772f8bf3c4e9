/* SPDX-License-Identifier: MIT */
#ifndef LINEAR_MUST_H
#define LINEAR_MUST_H
#include <stdio.h>
#include <stdlib.h>

enum { EXIT_VIOLATION = 1, EXIT_BAD = 2, EXIT_PROVES_NOTHING = 3 };

#define must_fail(...) (fprintf(stderr, "brim-linear: " __VA_ARGS__), fputc('\n', stderr), exit(EXIT_BAD))

static inline void *must_alloc(size_t n, size_t size)
{
    void *p = calloc(n != 0 ? n : 1, size);

    if (p == NULL)
        must_fail("out of memory");
    return p;
}
#endif
