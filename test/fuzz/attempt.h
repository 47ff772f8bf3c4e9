/* SPDX-License-Identifier: MIT
 *
 * Run a part of a program that may end it.  Such a fuzzer is linked with --wrap=exit,_Exit: an exit ends the attempt
 * alone. What it then has not freed is given back; what is left after a return is a leak, and aborts.
 */
#ifndef FUZZ_ATTEMPT_H
#define FUZZ_ATTEMPT_H

#include <stdbool.h>
#include <stddef.h>

enum { RETURNED = -1 };

/* The status of the exit, or RETURNED.  ${out} and ${err}, valid until the next attempt, become what was printed. */
int attempt(void (*run)(void *), void *arg, const char **out, const char **err);

/* Aborts, and says why, unless ${err} is one line that begins with ${program}. */
void expect_message(const char *err, const char *program);
_Noreturn void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));
#endif
