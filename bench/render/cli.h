/* SPDX-License-Identifier: MIT */
#ifndef RENDER_CLI_H
#define RENDER_CLI_H
#include <stddef.h>

struct cli {
    unsigned threads;
    size_t pages;
    size_t capacity, small;         /* small: 0 if not given */
    const char *out, *json, *fonts; /* json, fonts: may be NULL */
    char **texts;                   /* n_texts names out of argv */
    size_t n_texts;
};

/* Ends the program after --help and --version (status 0) and on a mistake (status 2). */
void cli_parse(struct cli *, int argc, char **argv);
void cli_flush_stdout(void); /* ends the program if what was printed did not arrive */
#endif
