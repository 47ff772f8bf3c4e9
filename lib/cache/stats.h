/* SPDX-License-Identifier: MIT */
#ifndef BRIM_CACHE_STATS_H
#define BRIM_CACHE_STATS_H

#include "cache/cache.h"

/*
 * stats_hits(c):
 * Look-ups that found a value, so far.
 */
uint64_t stats_hits(const struct brim_cache *c);

#endif
