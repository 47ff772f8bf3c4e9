/* SPDX-License-Identifier: MIT
 *
 * A cache's memory: malloc, or the user's allocator.  Never called under a lock or in a section.
 */
#ifndef BRIM_BASE_MEM_H
#define BRIM_BASE_MEM_H

#include "brim.h"

/*
 * mem_alloc(a, n, align):
 * ${n} > 0 bytes aligned to ${align}, a power of two; NULL when there is no memory.
 */
void *mem_alloc(const brim_allocator *a, size_t n, size_t align);
void *mem_alloc_zeroed(const brim_allocator *a, size_t n, size_t align);

/*
 * mem_free(a, p, n, align):
 * Give back what mem_alloc returned, with the same size and alignment.  NULL: nothing.
 */
void mem_free(const brim_allocator *a, void *p, size_t n, size_t align);

/* What NULL options.allocator stands for. */
extern const brim_allocator mem_default;

#endif
