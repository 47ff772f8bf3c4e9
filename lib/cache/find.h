/* SPDX-License-Identifier: MIT */
#ifndef BRIM_CACHE_FIND_H
#define BRIM_CACHE_FIND_H

#include "base/probe.h"
#include "cache/dispose.h"
#include "cache/stale.h"

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

/*
 * find_by_handle(e, t, last):
 * Hold ${e}'s value, and use it: nothing is hashed or probed.  In a section of ${t}, the calling thread, which keeps the
 * entry and with it the cache.  ${last} as with shard_find.  What is held may be stale: find_settle.
 */
static inline bool find_by_handle(struct entry *e, struct thread *t, struct entry_list *last)
{
    struct brim_cache *c;
    struct stripe *st;
    unsigned events;

    __builtin_prefetch(e, 1);
    __builtin_prefetch(shared_get(e->value));
    c = cache_of(e);
    st = stripe_ready(&c->stripes, t);
    events = entry_try_hold(e);

    shard_count_pins(st, e, events);
    if (unlikely(events & ENTRY_LAST))
        entry_list_push(last, e);
    if (unlikely(!(events & ENTRY_HELD)))
        return false;
    cache_use(c, e);
    if (likely(!(entry_flags(e) & ENTRY_EXTRA))) {
        PROBE_HIT(c, PROBE_NO_KEY, 0, e);
        stripe_add(st, of[entry_kind_slot(e)].hits, 1);
    }
    return true;
}

/*
 * find_key(e, last):
 * Hold and use ${e}, on which the caller has a key.  False: look-ups do not find it any more; nothing is counted.
 */
bool find_key(struct entry *e, struct entry_list *last);

/*
 * many_find(c, keys, n, refs):
 * brim_find_many.
 */
size_t many_find(struct brim_cache *c, const brim_bytes keys[], size_t n, brim_ref *refs[]);

/*
 * find_let_go(e):
 * Give back a hold that no call has given out.  Runs destructors.
 */
void find_let_go(struct entry *e);

/* Give back the hold on ${e}, which is stale; in no section. */
void find_drop(struct entry *e, struct thread *t, struct entry_list *last);

/*
 * find_settle(e, t, last):
 * After find_by_handle of ${e} held it, out of the section: whether it is not stale.  If it is, the hold is given back.
 */
bool find_settle_slow(struct entry *e, struct thread *t, struct entry_list *last);

static inline bool find_settle(struct entry *e, struct thread *t, struct entry_list *last)
{
    return likely(!(entry_flags(e) & ENTRY_EXTRA)) || find_settle_slow(e, t, last);
}

/* What a look-up of ${key} holds that held ${e}, which may be stale.  ${use}: it is used. */
struct entry *find_again(struct brim_cache *c, struct caller by, uint64_t hash, const void *key, size_t key_len,
                         struct entry *e, bool use, struct entry_list *last);

/*
 * find_peek_again(c, t, hash, key, key_len, e):
 * What a peek of ${key} finds that found ${e}, which may be stale: in a section of the user's, in none of the process's.
 */
struct entry *find_peek_again(struct brim_cache *c, struct thread *t, uint64_t hash, const void *key, size_t key_len,
                              struct entry *e);

/*
 * find_hit(c, by, hash, key, key_len, last):
 * Hold ${key}'s entry, use it, and count a hit; NULL: there is none, and nothing is counted.  ${last} as with shard_find.
 */
static inline struct entry *find_hit(struct brim_cache *c, struct caller by, uint64_t hash, const void *key,
                                     size_t key_len, struct entry_list *last)
{
    struct entry *e;

    section_enter(by.t);
    e = shard_find(cache_index(c, hash_place(hash)), hash, key, key_len, by.st, last);
    if (likely(e != NULL))
        cache_use(c, e);
    section_leave(by.t);
    if (unlikely(e != NULL && (entry_flags(e) & ENTRY_EXTRA)))
        e = find_again(c, by, hash, key, key_len, e, true, last);
    if (likely(e != NULL)) {
        stripe_add(by.st, of[entry_kind_slot(e)].hits, 1);
        PROBE_HIT(c, key, key_len, e);
    }
    return e;
}

/* The same without use and count. */
struct entry *find_hold(struct brim_cache *c, struct caller by, uint64_t hash, const void *key, size_t key_len,
                        struct entry_list *last);

#endif
