/* SPDX-License-Identifier: MIT
 *
 * Traces as brim-bench replay reads them.  The first byte says how they come: plain; compressed here, which must
 * make no difference; or as they are, so that broken compression is met.  What is plain is read by a second, naive
 * parser too: both must accept the same, and read the same.
 */
#include "../../bench/replay/trace.h"
#include "attempt.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 4096, LINE = 4096 };

/* ---- The naive parser */

struct expected {
    bool good, works;
    size_t requests;
    uint64_t keys[MOST], sizes[MOST], work[MOST];
};

static bool read_number(const char *word, size_t len, uint64_t *n)
{
    *n = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned)(word[i] - '0');
        if (digit > 9 || __builtin_mul_overflow(*n, 10, n) || __builtin_add_overflow(*n, digit, n))
            return false;
    }
    return len > 0;
}

static bool is_known(const struct expected *e, uint64_t key)
{
    for (size_t i = 0; i < e->requests; i++)
        if (e->keys[i] == key)
            return true;
    return false;
}

static bool read_line(struct expected *e, const char *line, size_t len, size_t *footprint)
{
    uint64_t n[3] = {0};
    size_t words = 0;

    if (len >= LINE)
        return false;
    if (len > 0 && line[len - 1] == '\r')
        len--;
    for (size_t at = 0; at < len;) {
        size_t from;
        while (at < len && (line[at] == ' ' || line[at] == '\t'))
            at++;
        for (from = at; at < len && line[at] != ' ' && line[at] != '\t'; at++) {
        }
        if (at == from)
            break;
        if (words == 0 && line[from] == '#')
            return true;
        if (words == 3 || !read_number(line + from, at - from, &n[words]))
            return false;
        words++;
    }
    if (words == 0)
        return true;
    if (words == 1 || n[1] > SIZE_MAX / 2 || (e->requests > 0 && e->works != (words == 3)))
        return false;
    if (!is_known(e, n[0]) && (*footprint += n[1]) > SIZE_MAX / 2)
        return false;
    e->works = words == 3;
    e->keys[e->requests] = n[0];
    e->sizes[e->requests] = n[1];
    e->work[e->requests++] = n[2];
    return true;
}

static void expect(struct expected *e, const char *text, size_t len)
{
    size_t footprint = 0;

    e->good = true;
    e->requests = 0;
    for (size_t at = 0; at < len && e->good;) {
        const char *feed = memchr(text + at, '\n', len - at);
        size_t n = feed != NULL ? (size_t)(feed - text) - at : len - at;
        e->good = read_line(e, text + at, n, &footprint);
        at += n + 1;
    }
    e->good = e->good && e->requests > 0;
}

/* ---- The program's */

struct compared {
    const struct expected *with; /* NULL: nothing is known */
    struct trace trace;
};

static void load_and_compare(void *arg)
{
    struct compared *c = arg;
    const struct expected *e = c->with;
    struct trace *t = &c->trace;

    trace_load(t, "-");
    if (e != NULL) {
        if (!e->good)
            wrong("accepted");
        if (t->requests != e->requests || (t->works != NULL) != e->works)
            wrong("%zu requests, not %zu", t->requests, e->requests);
        for (size_t i = 0; i < t->requests; i++)
            if (t->keys[i] != e->keys[i] || t->sizes[i] != e->sizes[i] || (e->works && t->works[i] != e->work[i]))
                wrong("request %zu", i);
    }
    trace_unload(t);
}

static void read_as(const void *bytes, size_t n, const struct expected *e)
{
    struct compared c = {.with = e};
    static char buffer[BUFSIZ];
    const char *out, *err;
    FILE *real = stdin;
    int status;

    stdin = fmemopen((void *)(uintptr_t)bytes, n, "rb");
    if (stdin == NULL || setvbuf(stdin, buffer, _IOFBF, sizeof buffer) != 0)
        abort();
    status = attempt(load_and_compare, &c, &out, &err);
    fclose(stdin);
    stdin = real;
    if (out[0] != '\0')
        wrong("printed '%s'", out);
    if (status == RETURNED)
        return;
    if (status != 2 || (e != NULL && e->good))
        wrong("status %d: %s", status, err);
    expect_message(err, "brim-bench: ");
    for (const char *p = err; p[1] != '\0'; p++)
        if (!isprint((unsigned char)*p))
            wrong("what a terminal may obey in '%s'", err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct expected e;
    static char compressed[2 * MOST + 1024];
    size_t n;

    if (size == 0 || size > MOST)
        return 0;
    expect(&e, (const char *)data + 1, size - 1);
    switch (data[0] % 3) {
    case 0:
        /* What looks compressed is. */
        read_as(data + 1, size - 1, size < 5 || (data[4] != 0xfd && data[4] != 0x18) ? &e : NULL);
        break;
    case 1:
        n = ZSTD_compress(compressed, sizeof compressed, data + 1, size - 1, 1);
        if (ZSTD_isError(n))
            abort();
        read_as(compressed, n, &e);
        break;
    default: read_as(data + 1, size - 1, NULL); break;
    }
    return 0;
}
