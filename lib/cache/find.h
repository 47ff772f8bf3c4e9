/* SPDX-License-Identifier: MIT */
#ifndef BRIM_CACHE_FIND_H
#define BRIM_CACHE_FIND_H

#include "cache/cache.h"

/*
 * find_by_handle(e, t, count_miss, last):
 * Hold ${e}'s value: nothing is hashed or probed.  In a section of ${t}, the calling thread, which keeps the entry and
 * with it the cache.  ${last} as with shard_find.
 */
static inline bool find_by_handle(struct entry *e, struct thread *t, bool count_miss, struct entry_list *last)
{
    struct stripe *st;
    unsigned events;

    __builtin_prefetch(e, 1);
    __builtin_prefetch(shared_get(e->value));
    st = stripe_ready(&cache_of(e)->stripes, t);
    events = entry_try_hold(e);

    shard_count_pins(st, e, events);
    if (unlikely(events & ENTRY_LAST))
        entry_list_push(last, e);
    if (likely(events & ENTRY_HELD)) {
        entry_mark_used(e);
        stripe_add(st, hits, 1);
    } else if (count_miss) {
        stripe_add(st, misses, 1);
    }
    return (events & ENTRY_HELD) != 0;
}

/*
 * ref_let_go(e, t, last):
 * Give back a hold.  In a section of ${t}.  ${last} as with shard_find.
 */
static inline void ref_let_go(struct entry *e, struct thread *t, struct entry_list *last)
{
    struct stripe *st;
    unsigned events;

    __builtin_prefetch(e, 1);
    st = stripe_ready(&cache_of(e)->stripes, t);
    events = entry_release(e);

    shard_count_pins(st, e, events);
    if (unlikely(events & ENTRY_LAST))
        entry_list_push(last, e);
}

#endif
