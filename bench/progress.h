/* SPDX-License-Identifier: MIT */
/* What lasts over two seconds shows how far it is, on a terminal only.  One thread only. */
#ifndef BENCH_PROGRESS_H
#define BENCH_PROGRESS_H

void progress_begin(const char *what, double expected_seconds);   /* 0: unknown */
void progress_update(double share);
void progress_end(void);
#endif
