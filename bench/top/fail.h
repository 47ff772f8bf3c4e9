/* SPDX-License-Identifier: MIT */
#ifndef TOP_FAIL_H
#define TOP_FAIL_H
#include <stddef.h>

enum { EXIT_NOTHING = 1, EXIT_USAGE = 2 };

/* One line, and status 2. */
_Noreturn void top_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Memory that is there: top_fail otherwise.  Zeroed. */
void *top_alloc(size_t count, size_t size);
char *top_copy(const char *text);
#endif
