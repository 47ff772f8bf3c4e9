/* SPDX-License-Identifier: MIT
 *
 * A round: a new cache with a few hot keys, threads that use them at random, and what each of them did and saw.
 */
#ifndef LINEAR_RECORD_H
#define LINEAR_RECORD_H
#include "linear/model.h"

#include <brim.h>
#include <pthread.h>
#include <stdatomic.h>

enum { MAX_KEYS = 64, MAX_THREADS = 31, MAX_LOADS = 4, HANDLES = 1 << 18 };

struct value {
    _Atomic uint64_t magic;
    uint32_t number, key;
};

/* Which value a key that was in a slot names.  It is kept to the end of the round, so that no other has its address.
 */
struct handle {
    _Atomic(brim_key *) key;
    _Atomic uint32_t value;
};

struct round {
    enum model model;
    unsigned threads, keys;
    uint64_t seed;
    size_t operations;   /* of each thread, at least */
    bool borrow, clears; /* clears: and has no values without bytes, which would go too */
    size_t capacity;
    brim_cache *cache;
    brim_kind kind;
    brim_slot slots[MAX_KEYS + 1]; /* the last, of key number ${keys}, is for values without bytes */
    struct handle *handles;
    _Atomic uint64_t clock, made, destroyed, problems;
    _Atomic uint32_t values;
};

struct held_load {
    brim_load *load;
    uint32_t value, key;
};

struct named {
    brim_key *key;
    uint32_t value;
};

/* One that is told when a load ends. */
struct join {
    struct op *op;
    _Atomic uint32_t result;
    _Atomic int reason;
};

struct worker {
    struct round *round;
    pthread_t thread;
    uint32_t number;
    uint64_t random;
    struct op *op;
    size_t count;
    struct join *joins;
    size_t join_count;
    struct named names[MAX_KEYS]; /* a handle of each key that it has used */
    struct held_load loads[MAX_LOADS];
    unsigned load_count;
};

/* ---- record.c */

/* Something other than the order is wrong: told, counted. */
void problem(struct round *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint32_t roll(struct worker *w, uint32_t n);
uint32_t pick_key(struct worker *w); /* of one in half of the cases */

/*
 * op_begin(w, what, key, a), op_end(w, op, result):
 * A call begins; it has returned.
 */
struct op *op_begin(struct worker *w, enum what what, uint32_t key, uint32_t a);
void op_end(struct worker *w, struct op *op, uint32_t result);
uint64_t tick(struct round *r);

uint32_t value_number(struct round *r);
struct value *value_new(struct round *r, uint32_t number, uint32_t key);
void value_discard(struct round *r, struct value *v);
uint32_t value_seen(struct round *r, const struct value *v, uint32_t key); /* its number, checked */
uint32_t ref_seen(struct round *r, brim_ref *ref, uint32_t key);           /* NOTHING for NULL; releases it */

void handle_keep(struct round *r, const struct named *n); /* of a key about to be put into a slot */
uint32_t handle_value(struct round *r, brim_key *key);

/* ---- use.c, use_loads.c */

enum { MOST_OPS = 4 * MAX_KEYS }; /* that one use records */
void use_something(struct worker *w);
void use_load(struct worker *w);
void end_load(struct worker *w);
void joins_settle(struct worker *w);                                              /* when all loads have ended */
void name_keep(struct worker *w, uint32_t key, brim_key *handle, uint32_t value); /* takes over the count */

/* ---- round.c */

/*
 * round_run(r, out):
 * Run it.  ${*out} is what all threads did, for free.
 */
void round_run(struct round *r, struct history *out);
#endif
