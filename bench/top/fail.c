/* SPDX-License-Identifier: MIT */
#include "fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void top_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("brim-top: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(EXIT_USAGE);
}

void *top_alloc(size_t count, size_t size)
{
    void *p = calloc(count != 0 ? count : 1, size);
    if (p == NULL)
        top_fail("out of memory");
    return p;
}

char *top_copy(const char *text)
{
    char *copy = strdup(text);
    if (copy == NULL)
        top_fail("out of memory");
    return copy;
}
