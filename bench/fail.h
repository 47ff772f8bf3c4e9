/* SPDX-License-Identifier: MIT */
/* How the program gives up on bad input: one line and status 2. */
#ifndef BENCH_FAIL_H
#define BENCH_FAIL_H
#include <stddef.h>

enum { EXIT_WRONG = 1, EXIT_USAGE = 2 };

_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Memory that is there: bench_fail otherwise.  Zeroed, on a cache line of its own. */
void *bench_alloc(size_t count, size_t size);
#endif
