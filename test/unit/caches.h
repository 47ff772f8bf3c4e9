/* SPDX-License-Identifier: MIT
 *
 * What tests of the cache's files share: a cache on a heap that counts, and a look at what loads have left in it.
 */
#ifndef TEST_UNIT_CACHES_H
#define TEST_UNIT_CACHES_H
#include "cache/cache.h"
#include "cache/load.h"
#include "cache/pins.h"
#include "cache/wait.h"
#include "support/loads.h"
#include "support/support.h"
#include "unit/interfere.h"

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

/* ---- Threads without memory for a record of their own, which share one */

/* ${run} as such a thread. */
static inline void as_shared(void (*run)(void *arg), void *arg)
{
    static struct thread shared = {.reader.shared = true};
    struct thread *own = thread_self();

    thread_tls.self = &shared;
    run(arg);
    thread_tls.self = own;
}

static inline bool lock_is_free(struct lock *l)
{
    bool free = pthread_mutex_trylock(&l->m) == 0;

    if (free)
        pthread_mutex_unlock(&l->m);
    return free;
}

#ifdef BRIM_INTERFERE
/* ---- What another thread does in the midst of a call; ${acted}: it did, for the caller had no lock of ${cache} then */

struct other {
    brim_cache *cache;
    void (*act)(void *arg);
    void *arg;
    worker by;
    bool outside; /* only while the caller is in no section: it would be waited for */
    bool acted;
};

static inline void other_acts(void *arg)
{
    struct other *o = arg;
    bool free = lock_is_free(&o->cache->kind_lock) && lock_is_free(&o->cache->limbo.lock) && lock_is_free(waits_lock());

    free = free && (pins_lock() == NULL || lock_is_free(pins_lock()));
    free = free && !(o->outside && atom_load_relaxed(&thread_self()->reader.epoch) != 0);
    for (unsigned i = 0; i < o->cache->shard_count; i++)
        free = free && lock_is_free(&o->cache->shards[i].lock);
    if (free)
        worker_do(&o->by, o->act, o->arg);
    o->acted = free;
}

/* ${o} acts before the next atomic operation but ${after} of the calling thread. */
static inline void other_begin(struct other *o, unsigned after)
{
    o->acted = false;
    worker_start(&o->by);
    atom_interfere(after, other_acts, o);
}

/* False: there was no such operation. */
static inline bool other_end(struct other *o)
{
    bool met = atom_has_interfered();

    worker_end(&o->by);
    return met;
}
#endif

#endif
