/* SPDX-License-Identifier: MIT */
/* The bytes of a file, or of standard input for `-': decompressed, if they are zstd's. */
#ifndef BENCH_SOURCE_H
#define BENCH_SOURCE_H
#include <stddef.h>

struct source;

/* All of these end the program, if the file cannot be read or its compression is broken. */
struct source *source_open(const char *path);
size_t source_read(struct source *, void *bytes, size_t n);   /* how many there were; 0: no more */
void source_close(struct source *);

double source_share(const struct source *);   /* of the file, read so far; 0: unknown */
#endif
