/* SPDX-License-Identifier: MIT */
/* What all of Brim's adapters share: the cache, inserting, removing. */
#ifndef BENCH_BRIM_CACHE_H
#define BENCH_BRIM_CACHE_H
#include "peer.h"

#include <brim.h>

enum { BRIM_GROUP = 16 };               /* keys looked up at once */

/* What worker.cache is. */
struct brim_peer {
    brim_cache *cache;
    brim_key **keys;                    /* of brim key_find, one an entry; else NULL */
    size_t key_count;
};

void *brim_peer_open(size_t capacity, size_t entries, unsigned shards);
void *brim_peer_open_borrow(size_t capacity, size_t entries, unsigned shards);
void brim_peer_close(void *);
void brim_peer_version(char *text, size_t size);

static inline brim_cache *brim_of(const struct worker *w)
{
    return ((const struct brim_peer *)w->cache)->cache;
}

static inline bool peer_put(struct worker *w, const struct bench_key *key, struct bench_value *value)
{
    return brim_insert(brim_of(w), key, sizeof *key, value, BENCH_VALUE_BYTES, NULL) == BRIM_OK;
}

static inline bool peer_erase(struct worker *w, const struct bench_key *key)
{
    return brim_remove(brim_of(w), key, sizeof *key);
}
#endif
