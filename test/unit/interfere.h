/* SPDX-License-Identifier: MIT
 *
 * For tests in which another thread acts in the midst of an operation: atom_interfere, in base/atom.h.
 */
#ifndef TEST_UNIT_INTERFERE_H
#define TEST_UNIT_INTERFERE_H
#ifdef BRIM_INTERFERE
#include "base/atom.h"

static inline void interfere_by_nothing(void *arg)
{
    (void)arg;
}

/* How many atomic operations ${act} does. */
static inline unsigned operations_of(void (*act)(void *arg), void *arg)
{
    for (unsigned after = 0;; after++) {
        atom_interfere(after, interfere_by_nothing, NULL);
        act(arg);
        if (!atom_has_interfered())
            return after;
    }
}

static inline void interfere_by_counting(void *count)
{
    ++*(unsigned *)count;
    atom_interfere(0, interfere_by_counting, count);
}

/* The same, where ${act} can be done only once. */
static inline unsigned operations_of_one(void (*act)(void *arg), void *arg)
{
    unsigned n = 0;

    atom_interfere(0, interfere_by_counting, &n);
    act(arg);
    (void)atom_has_interfered();
    return n;
}

#endif
#endif
