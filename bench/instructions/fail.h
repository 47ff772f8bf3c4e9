/* SPDX-License-Identifier: MIT */
/* How the program gives up: one line and status 2. */
#ifndef INSTRUCTIONS_FAIL_H
#define INSTRUCTIONS_FAIL_H

enum { EXIT_USAGE = 2 };

_Noreturn void instructions_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
#endif
