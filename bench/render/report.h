/* SPDX-License-Identifier: MIT */
#ifndef RENDER_REPORT_H
#define RENDER_REPORT_H
#include <stdio.h>

#include "bench.h"

void report_table(const struct bench *, FILE *);
void report_json(const struct bench *, FILE *); /* write errors stay in the stream */
#endif
