/* SPDX-License-Identifier: MIT */
/* What replays came to, as text within 80 columns and as JSON. */
#ifndef BENCH_REPLAY_TABLE_H
#define BENCH_REPLAY_TABLE_H
#include "play.h"

#include <jansson.h>

void table_print_head(const struct replay_ask *);
void table_print_row(const struct cell *, const struct played *);

json_t *table_object(const struct replay_ask *, const struct cell *, const struct played *);
#endif
