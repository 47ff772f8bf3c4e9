/* SPDX-License-Identifier: MIT */
/* Loads: what is made once for all who ask, and how it may end. */
#ifndef BENCH_STRESS_LOADS_H
#define BENCH_STRESS_LOADS_H
#include "stress_stale.h"
#include "stress_use.h"

/* ---- stress_flights.c: one load of a key at a time, and the reasons why loads fail */

void flight_begin(struct phase *, uint64_t id, struct stress_group *);
void flight_end(struct phase *, uint64_t id, struct stress_group *);     /* just before the load is given back */
int reason_new(struct phase *, uint64_t id);
void reason_check(struct phase *, uint64_t id, int reason);

uint64_t load_pick(struct phase *, struct rng *);               /* an id that anybody may load and write */
void load_dawdle(struct phase *, struct rng *,
                 const brim_load *); /* now and then takes long; may give up when nobody wants it */

/* ---- stress_loader.c: loads within brim_get and brim_key_get */

struct making {
    struct phase *phase;
    struct rng *rng;
    uint64_t id;
    unsigned kind, depth;               /* depth: of nested loads */
    struct fate fate;
    uint64_t stamp;                     /* of the group, once the load was its own */
    bool ran;
    uint64_t serial;                    /* of the value that it made; 0: none */
    int failed;                         /* why not */
};

brim_loader load_value;                 /* its arg is a struct making */
void load_check(struct making *, brim_status, const brim_ref *, const int *reason, int timeout_ms,
                const struct moment *);
brim_status load_get(struct making *, int timeout_ms, brim_ref **);     /* brim_get_with, checked */

/* ---- stress_claims.c: loads that are claimed */

struct claim {
    brim_load *load;
    uint64_t id;
    unsigned kind;
    struct fate fate;
    uint64_t stamp;                     /* of the group, once it was claimed */
    bool overtaken;                     /* whoever ends it has seen to that */
};

void claim_begin(struct phase *, struct claim *);
void claim_end(struct phase *, struct rng *, struct claim *);   /* finishes or fails it, somehow */
void claim_settle(struct lane *, const struct claim *);         /* ends it, or hands it over */

/* ---- stress_keeper.c: the thread that ends what others have claimed, and never waits for a load itself */

void keeper_take(struct phase *, struct rng *, const struct claim *);
void *keeper_run(void *phase);          /* a thread's; until phase.keep_no_more and nothing is left */

/* ---- stress_async.c */

void lane_drop_waits(struct lane *);

/* ---- stress_loads_end.c */

struct left_loads;
struct left_loads *left_loads_claim(struct phase *);            /* before the cache is freed; NULL: in shapes without loads */
void left_loads_end(struct left_loads *);                       /* after it */
#endif
