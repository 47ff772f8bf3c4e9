/* SPDX-License-Identifier: MIT */
/* What is to be replayed: the command line of `replay', understood. */
#ifndef BENCH_REPLAY_ASK_H
#define BENCH_REPLAY_ASK_H
#include "../options.h"
#include "work.h"

#include <brim.h>

struct replay_ask {
    const struct options *options;
    brim_objective objective;
    const char *objective_name;
    enum work_source work;
    double *fractions;                  /* NULL: the capacity is given */
    size_t fraction_count;
};

/* Bad input ends the program. */
void replay_ask_parse(struct replay_ask *, const struct options *);
void replay_ask_end(struct replay_ask *);
#endif
