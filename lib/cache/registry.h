/* SPDX-License-Identifier: MIT
 *
 * The list of all caches: for fork, which locks them all, and for threads that end in sections.
 */
#ifndef BRIM_CACHE_REGISTRY_H
#define BRIM_CACHE_REGISTRY_H

#include "cache/cache.h"

void registry_join(struct brim_cache *c) EXCLUDES(rank_list);
void registry_leave(struct brim_cache *c) EXCLUDES(rank_list);

/*
 * registry_find(match, arg):
 * A cache for which ${match} is true.  It is called under the list's lock, and should make what it finds stay.
 */
struct brim_cache *registry_find(bool (*match)(struct brim_cache *c, void *arg), void *arg) EXCLUDES(rank_list);

/* For fork: the list stays as it is from lock to unlock. */
struct brim_cache *registry_lock(void) LOCKS(rank_list);
void registry_unlock(void) UNLOCKS(rank_list);

#endif
