/* SPDX-License-Identifier: MIT
 *
 * Memory for one run of a fuzzer: given out in one direction, never twice, and all given back at once.  What was
 * freed and what lies between blocks is junk, and poisoned, so that AddressSanitizer sees every use of it.
 */
#ifndef FUZZ_POOL_H
#define FUZZ_POOL_H
#include <stdbool.h>

#include "brim.h"

extern const brim_allocator pool_allocator;

void pool_begin(unsigned start); /* at one of 16 places */
void pool_end(bool checked);     /* aborts if something was not freed; checked: or written to after or outside */

/* The allocations of these numbers fail, 1 is the next; 0, 0: none. */
void pool_fail(size_t from, size_t to);
size_t pool_failures(void);
#endif
