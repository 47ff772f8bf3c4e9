/* SPDX-License-Identifier: MIT
 *
 * What happens to entries that have left: announced to their kind's listener, and, when nobody holds them, destroyed,
 * one before the next, no lock held, in no section of the library's own (G1, G3).  A call made by one of these
 * callbacks adds what it made leave to the list of the outermost call, so that the stack stays bounded.  In a cache
 * with options.borrow values are not destroyed at once: they go to its limbo, and from there as soon as they may.  Those
 * of a kind with a queue go there then, and end when their owner collects.
 */
#ifndef BRIM_CACHE_DISPOSE_H
#define BRIM_CACHE_DISPOSE_H

#include "cache/cache.h"

/* Room kept by who evicts: what its victims free is its own until it is admitted (G5). */
struct claim {
    struct brim_cache *cache;
    struct caller by;
    size_t have;
};

/*
 * dispose(left, claim):
 * End all of ${left}.  What those flagged CLAIMED free goes to ${claim}.
 */
void dispose(struct entry_list *left, struct claim *claim) NO_LOCK_HELD;

/*
 * dispose_collected(list):
 * End all of ${list}, which have waited in a queue.
 */
void dispose_collected(struct entry_list *list) NO_LOCK_HELD;

/*
 * dispose_waiting(c, claim):
 * End what need not wait for sections any longer.  What it frees goes to ${claim}, if that is not NULL.  In a
 * destructor or listener: later, by the outermost call.
 */
void dispose_waiting_slow(struct brim_cache *c, struct claim *claim) NO_LOCK_HELD;

static inline void dispose_waiting(struct brim_cache *c, struct claim *claim) NO_LOCK_HELD
{
    if (unlikely(c->borrow && limbo_count(&c->limbo) != 0))
        dispose_waiting_slow(c, claim);
}

/*
 * dispose_lasts(last):
 * End entries whose last hold is gone (ENTRY_LAST), announced long ago.
 */
void dispose_lasts(struct entry_list *last) NO_LOCK_HELD;

/*
 * dispose_is_under_way():
 * True in a destructor or listener: nothing is evicted then.
 */
bool dispose_is_under_way(void);

/*
 * dispose_key(e):
 * Drop a key.
 */
void dispose_key(struct entry *e) NO_LOCK_HELD;

/*
 * dispose_unborn(c, e):
 * Free an entry that was never published.
 */
void dispose_unborn(struct brim_cache *c, struct entry *e) NO_LOCK_HELD;

#endif
