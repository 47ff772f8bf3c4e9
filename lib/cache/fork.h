/* SPDX-License-Identifier: MIT
 *
 * The list of all caches, and what fork does to them (G12): the parent takes every lock, so that the child's copy is
 * whole; the child frees the records, sections and reservations of the threads that it does not have.
 */
#ifndef BRIM_CACHE_FORK_H
#define BRIM_CACHE_FORK_H

#include "cache/cache.h"

/*
 * fork_join(c), fork_leave(c):
 * Put ${c} on the list, and take it off.  Joining fails if the handlers cannot be registered.
 */
bool fork_join(struct brim_cache *c);
void fork_leave(struct brim_cache *c);

#endif
