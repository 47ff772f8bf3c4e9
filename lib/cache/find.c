/* SPDX-License-Identifier: MIT */
#include "cache/find.h"

#include "cache/pins.h"

#include "entry/slot.h"

/* ---- What may be stale */

void find_drop(struct entry *e, struct thread *t, struct entry_list *last)
{
    section_enter(t);
    ref_let_go(e, t, last);
    section_leave(t);
}

bool find_settle_slow(struct entry *e, struct thread *t, struct entry_list *last)
{
    struct brim_cache *c = cache_of(e);

    if (stale_is(c, e, true)) {
        find_drop(e, t, last);
        return false;
    }
    PROBE_HIT(c, PROBE_NO_KEY, 0, e);
    stripe_add(stripe_ready(&c->stripes, t), of[entry_kind_slot(e)].hits, 1);
    return true;
}

struct entry *find_again(struct brim_cache *c, struct caller by, uint64_t hash, const void *key, size_t key_len,
                         struct entry *e, bool use, struct entry_list *last)
{
    while (e != NULL && stale_is(c, e, use)) {
        bool is_it = entry_is_linked(e); /* after it was seen to be stale: then the key has nothing else */

        find_drop(e, by.t, last);
        if (is_it)
            return NULL;
        section_enter(by.t);
        e = shard_find(cache_index(c, hash_place(hash)), hash, key, key_len, by.st, last);
        section_leave(by.t);
    }
    return e;
}

struct entry *find_peek_again(struct brim_cache *c, struct thread *t, uint64_t hash, const void *key, size_t key_len,
                              struct entry *e)
{
    while (e != NULL && stale_is(c, e, true)) {
        if (entry_is_linked(e)) /* after it was seen to be stale */
            return NULL;
        section_enter(t);
        e = shard_peek(cache_index(c, hash_place(hash)), hash, key, key_len);
        section_leave(t);
    }
    return e;
}

struct entry *find_hold(struct brim_cache *c, struct caller by, uint64_t hash, const void *key, size_t key_len,
                        struct entry_list *last)
{
    struct entry *e;

    section_enter(by.t);
    e = shard_find(cache_index(c, hash_place(hash)), hash, key, key_len, by.st, last);
    section_leave(by.t);
    return e != NULL ? find_again(c, by, hash, key, key_len, e, false, last) : NULL;
}

/* ---- The public calls */

__attribute__((flatten)) brim_ref *brim_find(brim_cache *c, const void *key, size_t key_len)
{
    struct entry_list last = {NULL, NULL};
    struct caller by;
    struct entry *e;

    if (c == NULL || cache_key_is_bad(key, key_len))
        return NULL;
    by = caller_of(c);
    e = find_hit(c, by, hash_bytes(&c->hash, key, key_len), key, key_len, &last);
    if (unlikely(e == NULL)) {
        PROBE_MISS(c, key, key_len);
        stripe_add(by.st, misses, 1);
    }
    if (unlikely(last.head != NULL))
        dispose_lasts(&last); /* last of all: a destructor may free the cache */
    return e != NULL ? pins_ref(ref_of(e)) : NULL;
}

/* One that may be stale is held while that is looked at. */
static bool contains_extra(brim_cache *c, uint64_t hash, const void *key, size_t key_len)
{
    struct entry_list last = {NULL, NULL};
    struct caller by = caller_of(c);
    struct entry *e = find_hold(c, by, hash, key, key_len, &last);

    if (e != NULL)
        find_drop(e, by.t, &last);
    dispose_lasts(&last);
    return e != NULL;
}

bool brim_contains(brim_cache *c, const void *key, size_t key_len)
{
    struct thread *t;
    struct entry *e;
    uint64_t hash;
    bool there, extra;

    if (c == NULL || cache_key_is_bad(key, key_len))
        return false;
    t = thread_self();
    hash = hash_bytes(&c->hash, key, key_len);
    section_enter(t);
    e = shard_peek(cache_index(c, hash_place(hash)), hash, key, key_len);
    there = e != NULL;
    extra = there && (entry_flags(e) & ENTRY_EXTRA) != 0;
    section_leave(t);
    return unlikely(extra) ? contains_extra(c, hash, key, key_len) : there;
}

bool find_key(struct entry *e, struct entry_list *last)
{
    struct thread *t = thread_self();
    bool held;

    section_enter(t);
    held = find_by_handle(e, t, last);
    section_leave(t);
    return held && find_settle(e, t, last);
}

__attribute__((flatten)) brim_ref *brim_key_find(brim_key *key)
{
    struct entry_list last = {NULL, NULL};
    struct entry *e = entry_of_key(key);
    bool held;

    if (key == NULL)
        return NULL;
    held = find_key(e, &last);
    if (unlikely(!held)) {
        PROBE_MISS(cache_of(e), PROBE_NO_KEY, 0);
        stripe_add(stripe_ready(&cache_of(e)->stripes, thread_self()), misses, 1);
    }
    if (unlikely(last.head != NULL))
        dispose_lasts(&last);
    return held ? pins_ref(ref_of(e)) : NULL;
}

/* ${e}, held, may be stale.  ${*again}: the slot names another by now; seen while our hold keeps its memory its own. */
static bool settle_in_slot(struct slot *s, struct entry *e, struct thread *t, bool *again, struct entry_list *last)
{
    struct brim_cache *c = cache_of(e);

    if (!stale_is(c, e, true)) {
        PROBE_HIT(c, PROBE_NO_KEY, 0, e);
        stripe_add(stripe_ready(&c->stripes, t), of[entry_kind_slot(e)].hits, 1);
        return true;
    }
    *again = slot_peek(s) != e;
    if (!*again) {
        PROBE_MISS(c, PROBE_NO_KEY, 0);
        stripe_add(stripe_ready(&c->stripes, t), misses, 1);
    }
    find_drop(e, t, last);
    return false;
}

/* An entry that has left is a miss only while the slot still names it (G6); so is a stale one. */
brim_ref *brim_slot_find(brim_slot *slot)
{
    struct slot *s = (struct slot *)(void *)slot;
    struct entry *e;
    bool held, again;

    if (slot == NULL)
        return NULL;
    do {
        struct entry_list last = {NULL, NULL};
        struct thread *t = thread_self();

        section_enter(t);
        e = slot_peek(s);
        held = e != NULL && find_by_handle(e, t, &last);
        again = e != NULL && !held && !PLANTED(find_slot_looks_once) && slot_peek(s) != e;
        if (e != NULL && !held && !again) {
            PROBE_MISS(cache_of(e), PROBE_NO_KEY, 0);
            stripe_add(stripe_ready(&cache_of(e)->stripes, t), misses, 1);
        }
        section_leave(t);
        if (unlikely(held && (entry_flags(e) & ENTRY_EXTRA)))
            held = settle_in_slot(s, e, t, &again, &last);
        dispose_lasts(&last);
    } while (again);
    return held ? pins_ref(ref_of(e)) : NULL;
}
