/* SPDX-License-Identifier: MIT */
#ifndef BRIM_CACHE_REMOVE_H
#define BRIM_CACHE_REMOVE_H

#include "cache/cache.h"

/*
 * remove_entry(c, e):
 * Take ${e} from look-ups.  False: look-ups did not find it any more.  With a count on ${e}.  Runs its listener and
 * destructor.
 */
bool remove_entry(struct brim_cache *c, struct entry *e);

#endif
