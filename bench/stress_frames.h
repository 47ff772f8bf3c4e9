/* SPDX-License-Identifier: MIT */
#ifndef BENCH_STRESS_FRAMES_H
#define BENCH_STRESS_FRAMES_H
#include "stress_phase.h"

void frames_check_end(struct phase *);  /* alone */
#endif
