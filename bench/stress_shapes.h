/* SPDX-License-Identifier: MIT */
/* What caches there are to be stressed, and what is done to them. */
#ifndef BENCH_STRESS_SHAPES_H
#define BENCH_STRESS_SHAPES_H
#include <stdbool.h>
#include <stdint.h>

struct shape {
    const char *name;
    unsigned shards;
    unsigned room;                      /* capacity, in multiples of what refs can hold at once */
    uint32_t max_cost;
    uint32_t entries_per_lane;          /* max_entries; 0: no limit */
    bool calm;                          /* all fits and nothing is swept: what was put must be found */
    bool exact;                         /* every charge is what is really allocated, so that the watcher sees it given back too early */
    bool resize, charge_overhead, strong;
    bool borrow;                        /* with sections; inserts may be FULL while they are open */
    bool loads;                         /* values are loaded too, */
    unsigned hot;                       /* most of them of so few keys; 0: of all that anybody may write */
    bool groups;                        /* values belong to groups that are invalidated and closed */
    bool ages;                          /* values grow old, by a clock that jumps */
    bool frames;                        /* frames begin and are protected; what was not used is given back */
    bool limits;                        /* kinds have floors and ceilings, which change */
    bool queue;                         /* one kind's values are destroyed by the thread that collects them */
};

/* How long it runs beside others: three times as long if most of what there is is in it. */
static inline unsigned shape_weight(const struct shape *s)
{
    return s->loads && (s->groups || s->limits) ? 3 : 1;
}

enum { MAX_SHAPES = 32 };
struct shapes {
    const struct shape *at[MAX_SHAPES];
    unsigned count, weight;             /* weight: of all of them */
};

/* That of this name, or all whose names have it in them; NULL: all.  A name of none ends the program. */
void shapes_choose(struct shapes *, const char *name);
#endif
