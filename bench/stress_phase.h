/* SPDX-License-Identifier: MIT */
/* One phase of the stress: a cache of some shape, the lanes that use it, what they share, and what is known of it. */
#ifndef BENCH_STRESS_PHASE_H
#define BENCH_STRESS_PHASE_H
#include "rng.h"

#include <brim.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KINDS = 4, BOARD = 16, SLOTS = 16, LANE_REFS = 3, LANE_KEYS = 8, LANE_LOANS = 24, EXTRA_COST = 512 };

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
};

/* Of one key.  Ordered keys are written by one lane with rising versions; kept keys, in a calm phase, are touched by one lane alone. */
struct id_state {
    _Atomic uint64_t seen;              /* ordered: somebody saw this version, so nobody may see an older one */
    uint64_t version;                   /* the owner lane's: the last it used */
    uint64_t present;                   /* the owner lane's, calm and kept: the version in the cache; 0: none */
};

struct phase;
struct kind_context {
    struct phase *phase;
    unsigned index;
    _Atomic unsigned unused;            /* calls of the callback */
};

struct known_key {
    brim_key *key;
    uint64_t serial;                    /* of the value it names; 0: not known yet */
    bool dead;                          /* it was seen invalid */
};

struct value;
struct loan {
    const struct value *value;
    const brim_ref *ref;                /* NULL: it was peeked at */
    uint64_t serial;                    /* of the value, when it was borrowed */
};

struct lane {
    struct phase *phase;
    unsigned number;
    struct rng rng;
    brim_ref *refs[LANE_REFS];
    struct known_key keys[LANE_KEYS];
    struct loan loans[LANE_LOANS];      /* borrowed in the section that is open */
    unsigned loan_count, nesting;       /* 0: no section is open */
    uint64_t operations, hits;
    pthread_t thread;
    bool running;                       /* main thread's: to be joined */
    _Atomic bool finished;
};

struct phase {
    const struct shape *shape;
    unsigned number;
    uint64_t seed;
    brim_cache *cache;
    size_t capacity, min_capacity;      /* the bounds of what brim_set_capacity is given */
    uint32_t ids;
    struct id_state *id;
    unsigned lane_count;
    struct lane *lanes;
    brim_kind kinds[KINDS];
    struct kind_context contexts[KINDS];

    _Atomic(brim_ref *) board[BOARD];   /* refs change hands here */
    brim_slot slots[SLOTS];
    _Atomic bool stop;
    bool filling;                       /* the last test of the phase, alone: it evicts in a calm phase too */
    _Atomic unsigned gone;
    _Atomic uint64_t serial, created, destroyed, announced;
    _Atomic int64_t alive;              /* bytes of charged values, a lower bound at every instant */

    pthread_mutex_t resizing;           /* one change of the capacity at a time */
    _Atomic uint64_t change;            /* odd: a change is under way */
    _Atomic size_t allowance;           /* what used may still be, for the last change said FULL; 0: the capacity */
    size_t set_to;                      /* the last capacity set; under `resizing` */
    _Atomic size_t max_used, max_alive;
    _Atomic uint64_t watched;           /* times the watcher compared */
};

/* Violations are counted over all phases; the first ones are printed. */
void stress_violation(const struct phase *, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t stress_violations(void);

/* The watchdog ends the program when this has not been called for long. */
void stress_beat(void);
void stress_watchdog_start(uint64_t seed);

static inline bool phase_is_kept(const struct phase *p, uint64_t id)
{
    return p->shape->calm && (id & 3) == 2;
}

static inline bool phase_is_ordered(uint64_t id)
{
    return (id & 3) == 1;
}

static inline unsigned phase_owner(const struct phase *p, uint64_t id)
{
    return (unsigned)(id / 4 % p->lane_count);
}
#endif
