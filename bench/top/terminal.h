/* SPDX-License-Identifier: MIT */
/* The terminal view: until q, Ctrl-C, or a signal that ends programs; the terminal is as before then. */
#ifndef TOP_TERMINAL_H
#define TOP_TERMINAL_H
#include "view.h"

int terminal_run(struct targets *, struct look *);
#endif
