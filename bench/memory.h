/* SPDX-License-Identifier: MIT */
/* How much memory the process has taken so far. */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H
#include <stddef.h>
#include <stdint.h>

#define MEMORY_UNKNOWN SIZE_MAX

size_t memory_allocated(void);          /* by malloc, its own headers included; known of the GNU C library's only */
size_t memory_resident(void);
void memory_one_arena(void);            /* for all threads: else what malloc keeps of each one's is part of the growth */
void memory_give_back(void);            /* what malloc keeps of what was freed */
#endif
