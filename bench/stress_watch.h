/* SPDX-License-Identifier: MIT */
/* G4: used <= capacity at every instant, seen by a thread that does nothing else, also while the capacity changes. */
#ifndef BENCH_STRESS_WATCH_H
#define BENCH_STRESS_WATCH_H
#include "stress_phase.h"

void *watch_run(void *phase);           /* a thread's; until phase.stop */
void watch_set_capacity(struct phase *, size_t capacity);   /* with the watcher told; skipped while another one changes it */
#endif
