/* SPDX-License-Identifier: MIT
 *
 * Groups: a generation, which entries remember, and two counts.  An invalidation is one addition, whatever the number of
 * entries: those of an older generation are stale (entry/extra.h).  A group is counted by its handles, its entries and
 * its loads, and keeps its cache alive.
 */
#ifndef BRIM_CACHE_GROUP_H
#define BRIM_CACHE_GROUP_H

#include "cache/cache.h"
#include "entry/extra.h"

/*
 * group_join(c, o, x):
 * Have ${x} name the groups of ${o}, each with the generation it has now.  OK; INVALID: one is another cache's;
 * CANCELED: one is closed.
 */
brim_status group_join(const struct brim_cache *c, const brim_entry_options *o, struct extra *x);

/*
 * groups_renew(x):
 * The groups of ${x}, an entry's, with the generations they have now.  CANCELED: one is closed.
 */
brim_status groups_renew(struct extra *x);

/*
 * groups_raised_since(x, time):
 * Whether one of ${x} was invalidated since ${time}, of the cache's group_clock.
 */
bool groups_raised_since(const struct extra *x, uint64_t time);

/*
 * groups_count(x), groups_drop(e):
 * One entry more names those of ${x}; ${e}, which did, is about to be freed.
 */
void groups_count(const struct extra *x);
void groups_drop(struct entry *e);

#endif
