/* SPDX-License-Identifier: MIT */
/* G12: now and then the process forks in the middle of it all, and the child uses its copy of the cache, and frees it. */
#ifndef BENCH_STRESS_FORK_H
#define BENCH_STRESS_FORK_H
#include "stress_phase.h"

void *fork_run(void *phase);            /* a thread's; until phase.stop */
#endif
