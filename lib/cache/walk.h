/* SPDX-License-Identifier: MIT
 *
 * Over all entries, in batches: the mutex is held for at most SHARD_BATCH entries at a time and never over user code.
 */
#ifndef BRIM_CACHE_WALK_H
#define BRIM_CACHE_WALK_H

#include "cache/cache.h"

/*
 * walk_remove_all(c, cause):
 * Take all entries that are there from look-ups.
 */
void walk_remove_all(struct brim_cache *c, brim_cause cause);

#endif
