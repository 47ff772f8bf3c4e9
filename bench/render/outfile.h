/* SPDX-License-Identifier: MIT */
#ifndef RENDER_OUTFILE_H
#define RENDER_OUTFILE_H
#include <stdio.h>

/*
 * A file that appears whole or not at all: written beside its place, renamed when complete, removed when the
 * program ends before.  A device or a pipe is written directly.  Every failure ends the program.
 */
typedef struct outfile outfile;

void outfile_guard(void); /* first of all: signals that end the program remove what is unfinished */
outfile *outfile_open(const char *path);
FILE *outfile_stream(outfile *);
void outfile_finish(outfile *); /* flushed and closed, not yet in place */
void outfile_commit(outfile *); /* finished before; in place; the handle is gone */
void outfile_discard_all(void);
void outfile_make_dir(const char *path); /* with its parents; it can be written in */
#endif
