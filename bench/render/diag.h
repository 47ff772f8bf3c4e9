/* SPDX-License-Identifier: MIT */
#ifndef RENDER_DIAG_H
#define RENDER_DIAG_H
#include <stddef.h>

enum { EXIT_DIFFERENT = 1, EXIT_BAD = 2 };

/* One line on stderr, "brim-render: ...", then exit status 2.  Unfinished output files are removed. */
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void die_no_memory(void);
#endif
