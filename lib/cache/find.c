/* SPDX-License-Identifier: MIT */
#include "cache/dispose.h"
#include "cache/find.h"
#include "entry/slot.h"

__attribute__((flatten)) brim_ref *brim_find(brim_cache *c, const void *key, size_t key_len)
{
    struct entry_list last = {NULL, NULL};
    struct caller by;
    struct entry *e;
    uint64_t hash;

    if (c == NULL || cache_key_is_bad(key, key_len))
        return NULL;
    by = caller_of(c);
    hash = hash_bytes(&c->hash, key, key_len);
    section_enter(by.t);
    e = shard_find(cache_index(c, hash_place(hash)), hash, key, key_len, by.st, &last);
    if (likely(e != NULL)) {
        entry_mark_used(e);
        stripe_add(by.st, hits, 1);
    } else {
        stripe_add(by.st, misses, 1);
    }
    section_leave(by.t);
    if (unlikely(last.head != NULL))
        dispose_lasts(&last); /* last of all: a destructor may free the cache */
    return e != NULL ? ref_of(e) : NULL;
}

bool brim_contains(brim_cache *c, const void *key, size_t key_len)
{
    struct thread *t;
    uint64_t hash;
    bool there;

    if (c == NULL || cache_key_is_bad(key, key_len))
        return false;
    t = thread_self();
    hash = hash_bytes(&c->hash, key, key_len);
    section_enter(t);
    there = shard_peek(cache_index(c, hash_place(hash)), hash, key, key_len) != NULL;
    section_leave(t);
    return there;
}

bool brim_remove(brim_cache *c, const void *key, size_t key_len)
{
    struct entry_list left = {NULL, NULL};
    uint64_t hash;
    bool removed;

    if (c == NULL || cache_key_is_bad(key, key_len))
        return false;
    dispose_waiting(c, NULL);
    hash = hash_bytes(&c->hash, key, key_len);
    shard_prefetch(cache_shard(c, hash_place(hash)), cache_index(c, hash_place(hash)), hash);
    removed = shard_remove_key(cache_shard(c, hash_place(hash)), hash, key, key_len, caller_of(c).st, &left);
    dispose(&left, NULL);
    return removed;
}

brim_ref *brim_key_find(brim_key *key)
{
    struct entry_list last = {NULL, NULL};
    struct entry *e = entry_of_key(key);
    struct thread *t;
    bool held;

    if (key == NULL)
        return NULL;
    t = thread_self();
    section_enter(t);
    held = find_by_handle(e, t, true, &last);
    section_leave(t);
    if (unlikely(last.head != NULL))
        dispose_lasts(&last);
    return held ? ref_of(e) : NULL;
}

/* An entry that has left is a miss only while the slot still names it (G6). */
brim_ref *brim_slot_find(brim_slot *slot)
{
    struct entry *e;
    bool held, again;

    if (slot == NULL)
        return NULL;
    do {
        struct entry_list last = {NULL, NULL};
        struct thread *t = thread_self();

        section_enter(t);
        e = slot_peek((struct slot *)(void *)slot);
        held = e != NULL && find_by_handle(e, t, false, &last);
        again = e != NULL && !held && slot_peek((struct slot *)(void *)slot) != e;
        if (e != NULL && !held && !again)
            stripe_add(stripe_ready(&cache_of(e)->stripes, t), misses, 1);
        section_leave(t);
        dispose_lasts(&last);
    } while (again);
    return held ? ref_of(e) : NULL;
}
