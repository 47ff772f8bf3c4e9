/* SPDX-License-Identifier: MIT */
/* Threads that draw the tiles of claimed loads, in the order in which they come. */
#ifndef TILES_POOL_H
#define TILES_POOL_H
#include <stdbool.h>
#include <stdint.h>

#include "brim.h"
#include "document.h"

struct pool;

/* NULL: no memory or no thread.  ${current} gives the document to draw, with a count of it. */
struct pool *pool_new(unsigned threads, struct document *(*current)(void *), void *arg);

/* ${load} is the pool's in every case: once the pool has ended it fails as canceled. */
void pool_add(struct pool *p, brim_load *load, struct place place);

/* What is drawn is finished, what waits fails as canceled. */
void pool_end(struct pool *p);
void pool_free(struct pool *p);

/* Loads that were given up before they were drawn, for nobody waited for them any more. */
uint64_t pool_given_up(struct pool *p);

#endif
