/* SPDX-License-Identifier: MIT
 *
 * What tests of the cache's files share: a cache on a heap that counts, and a look at what loads have left in it.
 */
#ifndef TEST_UNIT_CACHES_H
#define TEST_UNIT_CACHES_H
#include "cache/cache.h"
#include "cache/load.h"
#include "support/loads.h"
#include "support/support.h"

static inline brim_cache *cache_on(heap *h, size_t capacity)
{
    brim_options o = value_options(capacity);

    heap_init(h);
    o.allocator = &h->allocator;
    o.shards = 2;
    return make_cache(&o);
}

/* The load of ${key}, or NULL. */
static inline struct brim_load *load_under_way(brim_cache *c, uint64_t key)
{
    uint64_t hash = hash_bytes(&c->hash, &key, sizeof key);
    struct shard *sh = cache_shard(c, hash_place(hash));
    struct flight *f;

    lock_acquire(&sh->lock);
    f = flights_find(&sh->flights, hash_place(hash), &key, sizeof key);
    lock_release(&sh->lock);
    return f != NULL ? load_of(f) : NULL;
}

/* No load, no count on one and nothing reserved for one is left; ${entries} exist, beside the cache. */
static inline void no_loads(brim_cache *c, uint64_t entries)
{
    for (unsigned i = 0; i < c->shard_count; i++) {
        ck_assert_ptr_null(c->shards[i].flights.root);
        ck_assert_ptr_null(c->shards[i].flights.list);
        ck_assert_uint_eq(c->shards[i].loading, 0);
    }
    ck_assert_uint_eq(atom_load_relaxed(&c->by_loads), 0);
    ck_assert_uint_eq(stripes_sum(&c->stripes, offsetof(struct stripe, reserved)), 0);
    ck_assert_uint_eq(tally_count(&c->live), 1 + entries);
}

/* ${c} is whole and goes, and all of its memory with it. */
static inline void finish_on(brim_cache *c, const heap *h)
{
    finish(c);
    ck_assert_uint_eq(atomic_load(&((heap *)(uintptr_t)h)->blocks), 0);
}

static inline uint64_t state_of_load(const struct brim_load *l)
{
    return atom_load_relaxed(&((struct brim_load *)(uintptr_t)l)->flight.state);
}

#endif
