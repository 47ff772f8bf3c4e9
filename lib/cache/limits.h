/* SPDX-License-Identifier: MIT
 *
 * Floors and ceilings of kinds, in one cache: shard/limit.h has the sums.
 */
#ifndef BRIM_CACHE_LIMITS_H
#define BRIM_CACHE_LIMITS_H

#include "cache/cache.h"

/*
 * limits_fit(c, k, floor, ceiling):
 * Whether kind ${k}, or if NULL a new one, may have these limits.
 */
bool limits_fit(const struct brim_cache *c, const struct kind *k, size_t floor, size_t ceiling);

/*
 * limits_set_first(c, k, floor, ceiling):
 * ${k}, which nobody has used yet, begins with them.
 */
void limits_set_first(struct brim_cache *c, struct kind *k, size_t floor, size_t ceiling);

#endif
