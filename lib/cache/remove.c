/* SPDX-License-Identifier: MIT */
#include "cache/remove.h"

#include "cache/load.h"
#include "cache/stale.h"

/* One that is stale is left to the sweep, which knows why it goes. */
bool remove_entry(struct brim_cache *c, struct entry *e)
{
    struct shard *sh = cache_shard(c, e->place);
    struct entry_list left = {NULL, NULL};
    struct flight *forgotten = NULL;
    bool removed;

    dispose_waiting(c, NULL);
    if (stale_is(c, e, false))
        return false;
    removed = shard_remove(sh, e, BRIM_REMOVED, caller_of(c).st, &left, &forgotten);
    load_free(forgotten);
    stale_sweep(sh, cache_now_for_ages(c), caller_of(c), &left);
    dispose(&left, NULL); /* last of all: a callback may free the cache */
    return removed;
}

bool brim_remove(brim_cache *c, const void *key, size_t key_len)
{
    struct entry_list left = {NULL, NULL};
    struct flight *forgotten = NULL;
    enum extra_state state;
    struct caller by;
    struct shard *sh;
    uint64_t hash, now;
    bool removed;

    if (c == NULL || cache_key_is_bad(key, key_len))
        return false;
    dispose_waiting(c, NULL);
    hash = hash_bytes(&c->hash, key, key_len);
    by = caller_of(c);
    sh = cache_shard(c, hash_place(hash));
    shard_prefetch(sh, cache_index(c, hash_place(hash)), hash);
    now = cache_now_for_ages(c);
    state = shard_remove_key(sh, hash, key, key_len, now, &removed, by.st, &left, &forgotten);
    load_free(forgotten);
    stale_sweep(sh, now, by, &left);
    dispose(&left, NULL);
    return removed && state == EXTRA_FRESH;
}
