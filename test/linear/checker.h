/* SPDX-License-Identifier: MIT
 *
 * Whether a history of one key is linearizable: whether there is an order of its operations, each somewhere between
 * its call and its return, in which one after the other could have had these results.
 *
 * After J. M. Wing and C. Gong, Testing and Verifying Concurrent Objects, JPDC 17, 1993, and G. Lowe, Testing for
 * Linearizability, Concurrency and Computation: Practice and Experience 29(4), 2017: a search in depth that puts
 * operations into the order only when one of them returns, and remembers where it has been by what is done and the
 * state.
 */
#ifndef LINEAR_CHECKER_H
#define LINEAR_CHECKER_H
#include "linear/model.h"

enum { MAX_OPEN = 64 }; /* operations under way at once */

struct verdict {
    bool linearizable;
    uint64_t stuck;     /* the return up to which no order was found */
    uint64_t looked_at; /* points of the search */
};

/*
 * check_history(m, h, begin):
 * Check ${h}, which begins in ${begin}.
 */
struct verdict check_history(enum model m, const struct history *h, struct state begin);

/*
 * shorten_history(m, h):
 * Leave of ${h}, which is not linearizable, few operations that are not either, whatever was before them.
 */
void shorten_history(enum model m, struct history *h);

/*
 * count_overlapping(h):
 * The number of operations that overlap another one of another thread.
 */
size_t count_overlapping(const struct history *h);
#endif
