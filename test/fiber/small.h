/* SPDX-License-Identifier: MIT
 *
 * A small cache for one schedule: values that know whether they are whole and are counted, memory that is counted,
 * and at the end what always holds.
 */
#ifndef BRIM_TEST_FIBER_SMALL_H
#define BRIM_TEST_FIBER_SMALL_H

#include <stdatomic.h>

#include "brim_debug.h"
#include "fiber/fiber.h"

enum { SMALL_VALUES = 256, SMALL_CAUSES = 7 };

struct small_value {
    unsigned key, number; /* of the key; of the value, from 1 in each schedule */
    size_t cost;
    uint64_t mark; /* what makes it whole */
};

extern brim_cache *small_cache;
extern const brim_kind small_kind;

/*
 * small_options(o, capacity), small_begin(o):
 * The options of a small cache, which may be changed; and the cache.
 */
void small_options(brim_options *o, size_t capacity);
void small_begin(const brim_options *o);

/*
 * small_end():
 * Nobody holds anything.  Free the cache, if that has not been done, and look whether all is as it must be: values
 * destroyed once (G3), memory given back, used right.
 */
void small_end(void);
void small_free(void);

/*
 * small_value(key, cost):
 * A value for the cache.  small_refused: the cache did not take it.
 */
struct small_value *small_value(unsigned key, size_t cost);
void small_refused(struct small_value *v);

/*
 * small_look(value, key):
 * ${value} is whole and of ${key}.  Returns its number.
 */
unsigned small_look(const void *value, unsigned key);
unsigned small_look_at(const brim_ref *ref, unsigned key);

/*
 * small_insert(key, cost, out):
 * A new value, with all that that entails.  small_find: a whole value of the key, or NULL.
 */
brim_status small_insert(unsigned key, size_t cost, brim_ref **out);
brim_ref *small_find(unsigned key);

/* How many entries left for ${cause}; and the values' cost that the cache has. */
unsigned small_left(brim_cause cause);
size_t small_alive(void);

/* Counters that order nothing. */
static inline unsigned tell(_Atomic(unsigned) *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}
static inline unsigned count(_Atomic(unsigned) *counter)
{
    return atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

#endif
