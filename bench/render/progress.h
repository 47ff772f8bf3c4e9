/* SPDX-License-Identifier: MIT */
#ifndef RENDER_PROGRESS_H
#define RENDER_PROGRESS_H
#include <stdbool.h>

/* What the program is doing, on stderr: a bar on a terminal once two seconds have passed, elsewhere
 * nothing. */
void progress_begin(unsigned steps);
void progress_step(const char *what);  /* one of the steps begins */
void progress_within(double part);     /* how far the step has come, 0 to 1 */
void progress_end(void);               /* wipes the bar */
bool progress_is_bar(void);
#endif
