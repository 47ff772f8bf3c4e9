/* SPDX-License-Identifier: MIT
 *
 * Failures of what the library calls: test/fault/calls lists it, and tests of test/fault are linked with a library
 * whose calls come here.  Calls of the tests themselves do not.
 */
#ifndef TEST_FAULT_H
#define TEST_FAULT_H
#include "support.h"

/* ---- The nth call fails, of all that can */

void fault_begin(size_t from, size_t to); /* calls from <= n < to, counted from now on; SIZE_MAX, SIZE_MAX: none */
size_t fault_end(void);                   /* none fails any more; returns how many did */
size_t fault_count(void);                 /* how many did so far */
size_t fault_calls(void);                 /* since fault_begin */
size_t fault_blocks(void);                /* of memory that the library has, from malloc or fault_allocator */
extern const brim_allocator fault_allocator; /* a user's, which fails likewise */

/* ---- membarrier(2) */

enum fault_membarrier {
    FAULT_MEMBARRIER_WORKS,
    FAULT_MEMBARRIER_NEVER, /* there is none */
    FAULT_MEMBARRIER_LATER   /* refused from the fourth barrier on, as by a sandbox */
};
void fault_membarrier(enum fault_membarrier); /* at first what FAULT_MEMBARRIER in the environment says by number */
size_t fault_membarriers(void);               /* barriers that were asked for */
size_t fault_refusals(void);

/* ---- Threads and time */

void fault_contend(bool); /* each lock is found taken, and each wait on a condition returns for no reason first */
void fault_clock(int (*clock)(struct timespec *)); /* instead of clock_gettime; NULL: that */

#endif
