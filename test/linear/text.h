/* SPDX-License-Identifier: MIT
 *
 * Histories as text: one operation a line, `called returned thread key what a b result'.
 */
#ifndef LINEAR_TEXT_H
#define LINEAR_TEXT_H
#include "linear/model.h"

#include <stdio.h>

const char *what_name(enum what what);
const char *model_name(enum model m);
void print_history(FILE *f, const struct history *h);
void save_history(FILE *f, enum model m, const struct history *h);
struct history load_history(FILE *f, enum model *m); /* ends the program if it is none */
#endif
