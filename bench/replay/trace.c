/* SPDX-License-Identifier: MIT */
#include "trace.h"

#include "../fail.h"
#include "../progress.h"
#include "keyset.h"
#include "request.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* A trace that is being read. */
struct loading {
    struct trace *trace;
    struct lines *lines;
    struct keyset seen;
    size_t room;                        /* for requests, in the arrays */
    uint64_t first_line;                /* of a request */
};

/* ---- Name ------------------------------------------------------------------------------------------------- */

static void strip(char *name, const char *suffix)
{
    const size_t length = strlen(name), end = strlen(suffix);
    if (length > end && strcmp(name + length - end, suffix) == 0)
        name[length - end] = '\0';
}

/* JSON has only UTF-8, and file names need not be. */
static void make_utf8(char *name)
{
    json_t *string = json_string(name);
    if (string == NULL)
        for (char *p = name; *p != '\0'; p++)
            if (!isascii((unsigned char)*p))
                *p = '?';
    json_decref(string);
}

static char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *name = strdup(slash != NULL ? slash + 1 : path);
    if (name == NULL)
        bench_fail("out of memory");
    strip(name, ".zst");
    strip(name, ".txt");
    make_utf8(name);
    return name;
}

/* ---- Requests --------------------------------------------------------------------------------------------- */

static uint64_t *resize(uint64_t *numbers, size_t count)
{
    uint64_t *larger = count <= SIZE_MAX / 2 / sizeof *numbers ? realloc(numbers, count * sizeof *numbers) : NULL;
    if (larger == NULL)
        bench_fail("out of memory");
    return larger;
}

/* gcc's analyzer takes what *t keeps for lost when realloc has moved it; trace_unload frees all three. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif
static void resize_all(struct loading *l, size_t room, bool works)
{
    struct trace *t = l->trace;
    t->keys = resize(t->keys, room);
    t->sizes = resize(t->sizes, room);
    if (works)
        t->works = resize(t->works, room);
    l->room = room;
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

/* The first request says whether there are works. */
static void check_work(const struct loading *l, bool has_work)
{
    const bool expected = l->trace->works != NULL;
    if (has_work && !expected)
        lines_fail(l->lines, "a work, which the first request, in line %" PRIu64 ", does not have", l->first_line);
    if (!has_work && expected)
        lines_fail(l->lines, "no work, which the first request, in line %" PRIu64 ", has", l->first_line);
}

static void add_footprint(struct loading *l, uint64_t size)
{
    struct trace *t = l->trace;
    if (size > SIZE_MAX / 2 - t->footprint)
        lines_fail(l->lines, "all keys together have a size of more than %zu", SIZE_MAX / 2);
    t->footprint += size;
}

static void add(struct loading *l, const struct request *r)
{
    struct trace *t = l->trace;
    if (l->first_line == 0)
        l->first_line = l->lines->number;
    if (t->requests == l->room)
        resize_all(l, l->room != 0 ? l->room * 2 : 4096, t->requests == 0 ? r->has_work : t->works != NULL);
    check_work(l, r->has_work);
    t->keys[t->requests] = r->key;
    t->sizes[t->requests] = r->size;
    if (t->works != NULL)
        t->works[t->requests] = r->work;
    t->requests++;
    t->bytes += (double)r->size;
    if (keyset_add(&l->seen, r->key))
        add_footprint(l, r->size);
}

static void read_all(struct loading *l)
{
    struct request request;
    while (lines_next(l->lines)) {
        if (request_parse(&request, l->lines))
            add(l, &request);
        if (l->lines->number % 4096 == 0)
            progress_update(source_share(l->lines->source));
    }
}

void trace_load(struct trace *t, const char *path)
{
    *t = (struct trace){.name = name_of(path)};
    struct loading l = {.trace = t, .lines = lines_open(path)};
    keyset_init(&l.seen);
    progress_begin("loading", 0);
    read_all(&l);
    progress_end();
    if (t->requests == 0)
        bench_fail("%s: no request in it", path);
    resize_all(&l, t->requests, t->works != NULL);
    t->distinct = l.seen.count;
    keyset_end(&l.seen);
    lines_close(l.lines);
}

void trace_unload(struct trace *t)
{
    free(t->name);
    free(t->keys);
    free(t->sizes);
    free(t->works);
}
