/* SPDX-License-Identifier: MIT */
#include "lines.h"

#include "../fail.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lines *lines_open(const char *path)
{
    struct lines *l = bench_alloc(1, sizeof *l);
    l->path = path;
    l->source = source_open(path);
    return l;
}

void lines_close(struct lines *l)
{
    source_close(l->source);
    free(l);
}

void lines_fail(const struct lines *l, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    bench_fail("%s:%" PRIu64 ": %s", l->path, l->number, text);
}

static void refill(struct lines *l)
{
    memmove(l->buffer, l->buffer + l->begin, l->end - l->begin);
    l->end -= l->begin;
    l->begin = 0;
    const size_t n = source_read(l->source, l->buffer + l->end, sizeof l->buffer - l->end);
    l->ended = n == 0;
    l->end += n;
}

/* The line feed of the line that begins what waits; NULL: the file ends without one. */
static const char *find_end(struct lines *l)
{
    size_t looked = 0;
    for (;;) {
        const size_t waiting = l->end - l->begin;
        const char *feed = memchr(l->buffer + l->begin + looked, '\n', waiting - looked);
        if (feed != NULL || l->ended || waiting >= LINE_BYTES)
            return feed;
        looked = waiting;
        refill(l);
    }
}

bool lines_next(struct lines *l)
{
    const char *feed = find_end(l);
    const char *end = feed != NULL ? feed : l->buffer + l->end;
    l->text = l->buffer + l->begin;
    l->length = (size_t)(end - l->text);
    if (feed == NULL && l->length == 0)
        return false;
    l->number++;
    if (l->length >= LINE_BYTES)
        lines_fail(l, "the line is longer than %d bytes", LINE_BYTES);
    l->begin += l->length + (feed != NULL ? 1 : 0);
    if (l->length > 0 && l->text[l->length - 1] == '\r')
        l->length--;
    return true;
}
