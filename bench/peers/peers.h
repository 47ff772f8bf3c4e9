/* SPDX-License-Identifier: MIT */
/* `brim-bench peers': every workload on every cache, in turns, within one process. */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H
#include "../options.h"

int peers_run(const struct options *);   /* the exit status */
#endif
