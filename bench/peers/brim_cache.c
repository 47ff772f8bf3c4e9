/* SPDX-License-Identifier: MIT */
#include "brim_cache.h"

#include "../fail.h"

#include <stdio.h>
#include <stdlib.h>

static void destroy(void *value, size_t cost, void *arg)
{
    (void)cost, (void)arg;
    free(value);
}

static const brim_kind kind = {.size = sizeof(brim_kind), .name = "bench", .destroy = destroy};

static void *open_cache(size_t capacity, unsigned shards, bool borrow)
{
    struct brim_peer *peer = bench_alloc(1, sizeof *peer);
    brim_options options;
    brim_options_init(&options, capacity);
    options.name = "bench";
    options.shards = shards;
    options.expected_cost = BENCH_VALUE_BYTES;
    options.kind = &kind;
    options.borrow = borrow;
    const brim_status status = brim_cache_new(&options, &peer->cache);
    if (status != BRIM_OK)
        bench_fail("cannot make a cache: %s", brim_strerror(status));
    return peer;
}

void *brim_peer_open(size_t capacity, size_t entries, unsigned shards)
{
    (void)entries;
    return open_cache(capacity, shards, false);
}

void *brim_peer_open_borrow(size_t capacity, size_t entries, unsigned shards)
{
    (void)entries;
    return open_cache(capacity, shards, true);
}

void brim_peer_close(void *cache)
{
    struct brim_peer *peer = cache;
    for (size_t i = 0; i < peer->key_count; i++)
        brim_key_drop(peer->keys[i]);
    free(peer->keys);
    brim_cache_free(peer->cache);
    free(peer);
}

void brim_peer_version(char *text, size_t size)
{
    snprintf(text, size, "Brim %s", brim_version());
}
