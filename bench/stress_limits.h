/* SPDX-License-Identifier: MIT */
/* Kinds' floors and ceilings, changed while values come and go, and compared with what is used. */
#ifndef BENCH_STRESS_LIMITS_H
#define BENCH_STRESS_LIMITS_H
#include "stress_phase.h"

void limits_init(struct phase *);       /* of the kinds, before the cache is made; in shapes without, none */
void limits_compare(struct phase *);    /* the watcher's: no kind's used is above its ceiling */
void limits_lift(struct phase *);       /* all of them, when nothing else runs */
void limits_check_floor(
    struct phase *); /* alone, with nothing held: what a floor guarantees survives others' inserts */
#endif
