/* SPDX-License-Identifier: MIT */
/* brim-bench replay: traces of requests, through caches of several capacities. */
#ifndef BENCH_REPLAY_H
#define BENCH_REPLAY_H
#include "../options.h"

int replay_run(const struct options *);   /* the exit status */
#endif
