/* SPDX-License-Identifier: MIT */
#include "cache/find.h"
#include "cache/pins.h"
#include "cache/section.h"

/*
 * The caller's section keeps the value; one of the process's own the entry, while the index is read.  No hold is
 * taken, and on a repeated hit nothing is written but the thread's own counters (G7).
 */
static struct entry *peek(struct brim_cache *c, struct thread *t, struct stripe *st, const void *key, size_t key_len)
{
    uint64_t hash = hash_bytes(&c->hash, key, key_len);
    struct index_view v = cache_index(c, hash_place(hash));
    struct entry *e;

    section_enter(t);
    e = index_find(v, hash, key, key_len);
    if (unlikely(e != NULL && !entry_is_in_use(e)))
        e = shard_peek_next(v, e, hash, key, key_len);
    if (likely(e != NULL))
        cache_use(c, e);
    section_leave(t);
    if (unlikely(e != NULL && (entry_flags(e) & ENTRY_EXTRA)))
        e = find_peek_again(c, t, hash, key, key_len, e);
    if (likely(e != NULL)) {
        PROBE_HIT(c, key, key_len, e);
        stripe_add_own(st, of[entry_kind_slot(e)].hits, 1);
    } else {
        PROBE_MISS(c, key, key_len);
        stripe_add_own(st, misses, 1);
    }
    return e;
}

static inline struct entry *borrow(struct brim_cache *c, const void *key, size_t key_len)
{
    struct thread *t = thread_self();
    struct stripe *st = section_of(c, t);

    return likely(st != NULL && !cache_key_is_bad(key, key_len)) ? peek(c, t, st, key, key_len) : NULL;
}

__attribute__((flatten)) void *brim_peek(brim_cache *c, const void *key, size_t key_len)
{
    struct entry *e = borrow(c, key, key_len);

    return e != NULL ? shared_get(e->value) : NULL;
}

const brim_ref *brim_borrow(brim_cache *c, const void *key, size_t key_len)
{
    struct entry *e = borrow(c, key, key_len);

    return e != NULL ? ref_of(e) : NULL;
}

void *brim_key_peek(brim_key *key)
{
    struct entry *e = entry_of_key(key);
    struct stripe *st;

    if (key == NULL || (st = section_of(cache_of(e), thread_self())) == NULL)
        return NULL;
    if (!entry_is_linked(e) || stale_is(cache_of(e), e, true)) {
        PROBE_MISS(cache_of(e), PROBE_NO_KEY, 0);
        stripe_add_own(st, misses, 1);
        return NULL;
    }
    cache_use(cache_of(e), e);
    PROBE_HIT(cache_of(e), PROBE_NO_KEY, 0, e);
    stripe_add_own(st, of[entry_kind_slot(e)].hits, 1);
    return shared_get(e->value);
}

brim_ref *brim_ref_hold(const brim_ref *borrowed)
{
    struct entry *e = entry_of_ref(borrowed);
    struct thread *t;

    if (borrowed == NULL)
        return NULL;
    t = thread_self();
    section_enter(t);
    shard_count_pins(stripe_ready(&cache_of(e)->stripes, t), e, entry_copy_hold(e));
    section_leave(t);
    return pins_ref(ref_of(e));
}
