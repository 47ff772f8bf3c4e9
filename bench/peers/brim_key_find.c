/* SPDX-License-Identifier: MIT */
/* brim_key_find: look-ups by kept handles, which neither hash nor probe. */
#include "../fail.h"

/* The second word of a key is its index. */
#define FIND_REF(w, key) brim_key_find(((const struct brim_peer *)(w)->cache)->keys[(key)->word[1]])
#include "refs.h"

static void keep_keys(struct worker *w, size_t entries)
{
    struct brim_peer *peer = w->cache;
    peer->keys = bench_alloc(entries, sizeof *peer->keys);
    peer->key_count = entries;
    for (size_t i = 0; i < entries; i++) {
        const struct bench_key key = item_key(i);
        brim_ref *ref = brim_find(peer->cache, &key, sizeof key);
        peer->keys[i] = brim_ref_key(ref);
        brim_release(ref);
    }
}

/* While it is filled there are no keys yet. */
static bool has(struct worker *w, uint64_t index)
{
    const struct bench_key key = item_key(index);
    return brim_contains(brim_of(w), &key, sizeof key);
}

const struct peer peer_brim_key_find = {
    .name = "brim key_find",
    .workloads = PEER_IN(KEY_HIT),
    .version = brim_peer_version,
    .open = brim_peer_open,
    .close = brim_peer_close,
    .prepare = keep_keys,
    .put = put_value,
    .has = has,
    .loops = {[LOOP_FIND] = find_batch},
};
