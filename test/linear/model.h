/* SPDX-License-Identifier: MIT
 *
 * What one key is, for whoever does one thing after the other: a value, a slot that holds the key of one, and a load.
 */
#ifndef LINEAR_MODEL_H
#define LINEAR_MODEL_H
#include "linear/history.h"

/* EVICTION: an entry may vanish at any moment, and a value may be refused. */
enum model { MODEL_EXACT, MODEL_EVICTION };

/* UNKNOWN in any of them: as in the middle of a history.  It is whatever an operation says that it was. */
#define UNKNOWN UINT32_MAX
struct state {
    uint32_t current; /* the value that look-ups find; of values without bytes, that in the slot, while it is there */
    uint32_t slot;    /* the value whose key is in the slot */
    uint32_t load;    /* under way: the value that it makes */
    uint32_t overtaken;
};

#define STATE_NOTHING {NOTHING, NOTHING, NOTHING, false}
#define STATE_UNKNOWN {UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN}

/*
 * model_step(m, op, went_first, s):
 * Do ${op} in ${s}.  False: it could not have had its result, and ${s} is spoilt.  ${went_first}: what a
 * key_replace is to replace was evicted for it, to make room for the new value, which is then inserted if there is
 * nothing else.
 */
bool model_step(enum model m, const struct op *op, bool went_first, struct state *s);

/*
 * op_changes(op):
 * Whether ${op}, with its result, may change a state.
 */
bool op_changes(const struct op *op);
#endif
