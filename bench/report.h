/* SPDX-License-Identifier: MIT */
/* What the program says besides its figures: the configuration, warnings about the build, and the JSON file. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H
#include <jansson.h>

void report_build(void);                /* library, compiler, allocator, processor; warnings to stderr */

/* Bad input (status 2) now rather than after the run, if the file cannot be written.  NULL: nothing.  -: standard output,
   to which printf does not come any more. */
void report_json_probe(const char *path);

/* Writes under a temporary name and renames; consumes the object.  NULL path: only that. */
void report_json_write(const char *path, json_t *object);
#endif
