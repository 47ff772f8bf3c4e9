/* SPDX-License-Identifier: MIT */
#include "fail.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void bench_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("brim-bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(EXIT_USAGE);
}

void *bench_alloc(size_t count, size_t size)
{
    const size_t line = 64;
    if (size != 0 && count > (SIZE_MAX / 2) / size)
        bench_fail("out of memory");
    const size_t n = (count * size + line - 1) / line * line;
    void *p = aligned_alloc(line, n != 0 ? n : line);
    if (p == NULL)
        bench_fail("out of memory: %zu bytes", n);
    memset(p, 0, n);
    return p;
}
