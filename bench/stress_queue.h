/* SPDX-License-Identifier: MIT */
/* The thread that alone destroys the values of one kind, as GPU objects want it. */
#ifndef BENCH_STRESS_QUEUE_H
#define BENCH_STRESS_QUEUE_H
#include "stress_phase.h"

void queue_open(struct phase *);        /* before the kinds are made; in shapes without, nothing */
void *queue_run(void *phase);           /* a thread's; until phase.keep_no_more */
void queue_collect_all(struct phase *); /* the main thread's, when no other is there */
void queue_drop(struct phase *);        /* from now on values of the kind fall anywhere */
bool queue_is_collecting(void);         /* this thread */
#endif
