/* SPDX-License-Identifier: MIT */
/* Groups and ages: what is stale must not be found by who asked after it had become so. */
#ifndef BENCH_STRESS_STALE_H
#define BENCH_STRESS_STALE_H
#include "stress_phase.h"

/* How an entry is to become stale. */
struct fate {
    struct stress_group *group;         /* NULL: none */
    bool was_closed;                    /* it had been closed before */
    uint64_t max_age, max_idle;         /* 0: none */
};

void groups_open(struct phase *);       /* in shapes without, nothing */
void groups_drop_closed(struct phase *);/* nobody else runs: entries count their groups themselves */
void groups_close(struct phase *);      /* the cache may be freed by then */

struct fate fate_pick(struct lane *);
void fate_into(const struct fate *, brim_entry_options *);
void fate_give(const struct fate *, struct value *);            /* before it is in the cache */
uint64_t fate_number(const struct fate *);                      /* of its group's invalidations so far: a stamp; NEVER: no group */
void fate_settle(struct phase *, const struct fate *, struct value *);  /* it has been inserted, and is held */
void fate_check_insert(struct phase *, const struct fate *, brim_status);

struct moment moment_now(const struct phase *);
void moment_check(struct phase *, const struct moment *, const struct value *);   /* a look-up that began then found it */

/* Its part about groups. */
void moment_of_groups(const struct phase *, struct moment *);
bool moment_is_after_group(const struct moment *, const struct value *);

/* A load into it is made, or was: brim_group_loads tells the truth of a closed one. */
void group_load_begin(struct phase *, struct stress_group *);   /* NULL: nothing */
void group_load_end(struct stress_group *);

uint64_t clock_now(void *phase);        /* options.now */
void clock_check_end(struct phase *);   /* alone: a week later nothing that has an age is found */
#endif
