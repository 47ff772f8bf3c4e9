/* SPDX-License-Identifier: MIT */
/* One phase of the stress: a cache of some shape, the lanes that use it, what they share, and what is known of it. */
#ifndef BENCH_STRESS_PHASE_H
#define BENCH_STRESS_PHASE_H
#include "rng.h"
#include "stress_events.h"
#include "stress_shapes.h"

#include <brim.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KINDS = 4,
    BOARD = 16,
    SLOTS = 16,
    LANE_REFS = 3,
    LANE_KEYS = 8,
    LANE_LOANS = 24,
    LANE_WAITS = 4,
    EXTRA_COST = 512,
    GROUPS = 4,
    HANDED = 16
};
enum { QUEUED_KIND = 3 };               /* in shapes with a queue */

/* Of one key.  Ordered keys are written by one lane with rising versions; kept keys, in a calm phase, are touched by one lane alone. */
struct id_state {
    _Atomic uint64_t seen;              /* ordered: somebody saw this version, so nobody may see an older one */
    uint64_t version;                   /* the owner lane's: the last it used */
    uint64_t present;                   /* the owner lane's, calm and kept: the version in the cache; 0: none */
    _Atomic unsigned loading;           /* loads of it that are being made: at most one */
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

/* A key of a value that was loaded, to load it again by. */
struct loaded_key {
    brim_key *key;
    unsigned kind;
};

/* Who waits for another's load without blocking. */
struct asked;
struct async_wait {
    brim_wait *wait;
    struct asked *asked;
};

/* A group of the cache, and what is known of it.  Its record stays until the phase ends. */
struct stress_group {
    brim_group *group;
    unsigned slot, generation;          /* which of the phase's, and how many it had before */
    _Atomic uint64_t started, returned; /* invalidations: begun, and the last begun of those that have returned */
    _Atomic unsigned loading;           /* loads into it that are being made */
    _Atomic bool closing, closed;       /* brim_group_close was called; has returned */
    _Atomic bool emptied;               /* and nothing was loading then, nor will be */
};

/* What was known when a look-up began: what is stale by then must not be found. */
struct moment {
    uint64_t clock;
    struct {
        unsigned generation;
        uint64_t returned;
    } group[GROUPS];
};

/* The limits of a kind, for whoever compares. */
struct kind_limits {
    pthread_mutex_t changing;
    _Atomic uint64_t change;            /* odd: a change is under way */
    _Atomic size_t floor, ceiling;
    _Atomic bool over;                  /* the last change said FULL */
};

struct claim;
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
    struct loaded_key loaded[2];
    struct async_wait waits[LANE_WAITS];
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
    bool looking;                       /* a test of the phase, alone, compares what is there: listeners change nothing */
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

    struct events events;
    struct stress_group *groups;        /* all that there were */
    unsigned group_count;               /* under `grouping' */
    pthread_mutex_t grouping;           /* one change of the groups at a time */
    _Atomic(struct stress_group *) active[GROUPS];
    _Atomic(struct stress_group *) last_closed; /* NULL: none since the last bout began */
    _Atomic uint64_t clock;             /* nanoseconds, as the cache is told */
    _Atomic unsigned reasons;           /* why loads failed, numbered */
    _Atomic(struct claim *) handed[HANDED];     /* loads that whoever claimed them has given away */
    _Atomic bool keep_no_more;          /* the lanes are gone: the keeper and the collector may go */
    _Atomic int64_t asked;              /* asynchronous waits that have not been told, nor canceled */
    pthread_mutex_t idling;             /* one brim_idle at a time */
    struct kind_limits limits[KINDS];
    brim_queue *queue;
    _Atomic bool queue_dropped;
};

/* Violations are counted over all phases; the first ones are printed. */
void stress_violation(const struct phase *, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t stress_violations(void);

/* The watchdog ends the program when this has not been called for long. */
void stress_beat(void);
void stress_watchdog_start(uint64_t seed);

static inline void phase_event(struct phase *p, enum event which)
{
    event_count(&p->events, which);
}

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
