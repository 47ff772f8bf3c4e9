/* SPDX-License-Identifier: MIT */
/* What lasts over two seconds shows how far it is: a bar on a terminal, lines elsewhere.  One thread only. */
#ifndef BENCH_PROGRESS_H
#define BENCH_PROGRESS_H

void progress_begin(const char *what, double expected_seconds);   /* 0: unknown */
void progress_begin_bar(const char *what);   /* nothing elsewhere than on a terminal */
void progress_update(double share);
void progress_end(void);
#endif
