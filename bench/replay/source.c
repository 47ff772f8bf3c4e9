/* SPDX-License-Identifier: MIT */
#include "source.h"

#include "../fail.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zstd.h>

enum { RAW_BYTES = 1 << 17 };

struct source {
    const char *path;
    FILE *file;
    double size, taken;                 /* of the file, in bytes; size 0: unknown */
    ZSTD_inBuffer raw;                  /* what of `bytes' has not been given out yet */
    ZSTD_DStream *stream;               /* NULL: the file is not compressed */
    size_t unfinished;                  /* 0: the last frame is complete */
    bool waits;                         /* the stream may hold bytes for which there was no room */
    unsigned char bytes[RAW_BYTES];
};

static double file_size(FILE *f)
{
    struct stat st;
    return fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) ? (double)st.st_size : 0;
}

/* False: there is no more. */
static bool refill(struct source *s)
{
    const size_t n = fread(s->bytes, 1, sizeof s->bytes, s->file);
    if (ferror(s->file))
        bench_fail("cannot read '%s': %s", s->path, strerror(errno));
    s->raw = (ZSTD_inBuffer){s->bytes, n, 0};
    s->taken += (double)n;
    return n != 0;
}

/* A frame, or one that says to be skipped: compressors for many threads write such first. */
static bool is_zstd(const struct source *s)
{
    const unsigned char *b = s->bytes;
    if (s->raw.size < 4)
        return false;
    const uint32_t magic = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    return magic == ZSTD_MAGICNUMBER || (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
}

struct source *source_open(const char *path)
{
    struct source *s = bench_alloc(1, sizeof *s);
    s->path = path;
    s->file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rbe");
    if (s->file == NULL)
        bench_fail("cannot read '%s': %s", path, strerror(errno));
    s->size = file_size(s->file);
    refill(s);
    if (!is_zstd(s))
        return s;
    s->stream = ZSTD_createDStream();
    if (s->stream == NULL)
        bench_fail("out of memory");
    return s;
}

static size_t read_plain(struct source *s, void *bytes, size_t n)
{
    if (s->raw.pos == s->raw.size && !refill(s))
        return 0;
    const size_t left = s->raw.size - s->raw.pos;
    const size_t count = n < left ? n : left;
    memcpy(bytes, s->bytes + s->raw.pos, count);
    s->raw.pos += count;
    return count;
}

static size_t read_zstd(struct source *s, void *bytes, size_t n)
{
    ZSTD_outBuffer out = {bytes, n, 0};
    while (out.pos == 0) {
        if (s->raw.pos == s->raw.size && !s->waits && !refill(s)) {
            if (s->unfinished != 0)
                bench_fail("%s: the zstd data ends too early", s->path);
            return 0;
        }
        s->unfinished = ZSTD_decompressStream(s->stream, &out, &s->raw);
        if (ZSTD_isError(s->unfinished))
            bench_fail("%s: broken zstd data: %s", s->path, ZSTD_getErrorName(s->unfinished));
        s->waits = out.pos == out.size && s->unfinished != 0;
    }
    return out.pos;
}

size_t source_read(struct source *s, void *bytes, size_t n)
{
    return s->stream != NULL ? read_zstd(s, bytes, n) : read_plain(s, bytes, n);
}

double source_share(const struct source *s)
{
    return s->size > 0 ? s->taken / s->size : 0;
}

void source_close(struct source *s)
{
    ZSTD_freeDStream(s->stream);
    if (s->file != stdin)
        fclose(s->file);
    free(s);
}
