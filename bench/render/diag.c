/* SPDX-License-Identifier: MIT */
#include "diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "outfile.h"
#include "progress.h"

_Noreturn void die(const char *format, ...) {
    va_list args;
    char line[1024];

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    progress_end();
    fprintf(stderr, "brim-render: %s\n", line);
    outfile_discard_all();
    _Exit(EXIT_BAD);
}

_Noreturn void die_no_memory(void) { die("out of memory"); }
