/* SPDX-License-Identifier: MIT
 *
 * The one limit over all shards (G4, G5), and the only code that adds or subtracts cost.
 *
 *   room = capacity - used
 *
 * Room is taken only while it suffices, so that used <= capacity for every observer; it is negative only after the
 * capacity was set below what could not go at once.  Proved by test/litmus/budget.cpp.
 */
#ifndef BRIM_SHARD_BUDGET_H
#define BRIM_SHARD_BUDGET_H

#include "base/atom.h"

struct budget {
    ATOM(uint64_t) capacity, begun, done; /* moves of the capacity */
    char pad[64 - 3 * sizeof(uint64_t)]; /* it is read far more often than written, the room is not */
    ATOM(uint64_t) room; /* signed */
    char pad2[64 - sizeof(uint64_t)];
};

void budget_init(struct budget *b, size_t capacity);

/*
 * budget_take(b, n):
 * Take ${n} of the room, if there is as much.
 */
bool budget_take(struct budget *b, size_t n);
void budget_give(struct budget *b, size_t n);

/*
 * budget_raise(b, from, to):
 * Set the capacity up, if it is still ${from}.
 */
bool budget_raise(struct budget *b, size_t from, size_t to);

/*
 * budget_lower(b, from, to, taken):
 * Set the capacity down, if it is still ${from}.  ${taken} of the difference was taken before and is used up; for the
 * rest the room goes below zero.
 */
bool budget_lower(struct budget *b, size_t from, size_t to, size_t taken);

size_t budget_capacity(const struct budget *b);

/*
 * budget_used(b):
 * What was used at some instant of the call, of the capacity at that instant.  Waits while another thread is between
 * the steps of a move.
 */
size_t budget_used(const struct budget *b);
int64_t budget_room(const struct budget *b);

#endif
