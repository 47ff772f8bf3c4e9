/* SPDX-License-Identifier: MIT
 *
 * Stale entries: of an invalidated group, or expired.  A look-up finds an entry as any, holds it, leaves its section, and
 * looks whether it is stale then: so the user's clock is never called inside.  One that is, is a miss if it is still
 * linked after it was seen to be stale; else something else has its key by now, and the look-up begins anew (G6).
 */
#ifndef BRIM_CACHE_STALE_H
#define BRIM_CACHE_STALE_H

#include "cache/cache.h"
#include "entry/extra.h"

bool stale_look(struct brim_cache *c, struct entry *e, bool use);

/*
 * stale_is(c, e, use):
 * Whether ${e} is stale; ${use}: if not it is used now.  With a count on ${e}, no lock held, in no section.
 */
static inline bool stale_is(struct brim_cache *c, struct entry *e, bool use)
{
    return unlikely(entry_flags(e) & ENTRY_EXTRA) && stale_look(c, e, use);
}

/*
 * stale_is_found(e):
 * Whether look-ups find ${e}: it is linked and not stale.  With a count on it.
 */
static inline bool stale_is_found(struct entry *e)
{
    return entry_is_linked(e) && !stale_is(cache_of(e), e, false);
}

/*
 * stale_sweep(sh, now, by, left):
 * Go on with ${sh}'s sweep, if there is something to sweep: what goes comes on ${left}.
 */
static inline void stale_sweep(struct shard *sh, uint64_t now, struct caller by, struct entry_list *left)
{
    if (unlikely(shard_may_be_stale(sh, now)))
        (void)shard_sweep_stale(sh, now, by.st, left);
}

/*
 * stale_sweep_all(c):
 * Sweep all that is stale now.
 */
void stale_sweep_all(struct brim_cache *c);

#endif
