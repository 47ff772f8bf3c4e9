/* SPDX-License-Identifier: MIT
 *
 * A cache, as the files of this folder share it.  It lives until brim_cache_free was called and the last entry that a
 * handle stands on is freed.
 *
 *   budget.room = capacity - sum of kinds' values.amount - sum of stripes' reserved - by_user - by_loads
 *
 * when nothing is under way; brim_check looks.
 */
#ifndef BRIM_CACHE_CACHE_H
#define BRIM_CACHE_CACHE_H

#include "base/hash.h"
#include "brim.h"
#include "cache/kind.h"
#include "cache/limbo.h"
#include "part/slab.h"
#include "part/stripe.h"
#include "part/tally.h"
#include "shard/shard.h"

enum { CACHE_ALIGN = 128 };

struct brim_cache {
    /* constant */
    brim_allocator mem;
    struct hasher hash;
    struct shard *shards;
    struct index_root *roots; /* of their indexes */
    unsigned shard_count, shard_bits, shard_shift; /* of hash places: to the shard's number */
    bool charge_overhead, borrow;
    struct kind *default_kind;
    char *name;
    uint64_t (*now)(void *); /* NULL: the system's clock */
    void *now_arg;
    void (*gone)(void *);
    void *gone_arg;

    struct shard_common common; /* in it: the stamp that look-ups give, and whether there is something to sweep */
    ATOM(uint32_t) ages;        /* some entry has had ages */

    struct stripes stripes;
    struct slab slab;
    struct tally live; /* entries that exist, one for the cache itself, and with borrow one for all sections */
    struct budget budget;
    struct policy_adapt adapt;     /* all shards': which mode of eviction suits */
    struct budget entries;         /* of max_entries */
    ATOM(uint64_t) by_user;        /* reserved by brim_reserve */
    ATOM(uint64_t) hand;           /* of looks at every entry: shard and hash place */
    ATOM(uint64_t) by_loads;       /* reserved by loads under way */
    ATOM(uint64_t) group_clock;    /* ticks with each invalidation, before that takes effect */
    ATOM(uint64_t) queued;         /* charge of what waits in queues */
    ATOM(uint64_t) frame;          /* written by who has kinds_lock, with common.stamp */
    ATOM(uint64_t) frame_evictions;
    ATOM(struct thread *) turn;    /* the large admission that keeps what it has: see admit.c */
    ATOM(uint32_t) orphaned;       /* there are some of the next two: */
    struct waiter *orphans GUARDED_BY(rank_kind); /* in the child of a fork: of loads whose owners are gone, to be told; */
    struct flight *orphan_flights GUARDED_BY(rank_kind); /*   and those loads: cache/load.c */
    struct lock kind_lock;
    ATOM(struct kind *) kinds; /* pushed only, by who has kinds_lock */
    ATOM(uint32_t) kinds_closed; /* the cache is freed, and kinds are told `unused' */
    struct limbo limbo;        /* with borrow only, as the next five */
    ATOM(uint32_t) pressed;    /* an admission has found no room: evict ahead from now on */
    ATOM(uint32_t) freed;      /* brim_cache_free has been called */
    ATOM(uint32_t) sections_over; /* and no section is left: their hold on `live' has been dropped */
    ATOM(uint32_t) asked;         /* in a list of some thread's, by next_asked: see dispose.c */
    struct brim_cache *next_asked;

    struct brim_cache *next GUARDED_BY(rank_list), **back GUARDED_BY(rank_list); /* the list of all: registry.c */
};

static inline void kinds_lock(struct brim_cache *c) LOCKS(rank_kind)
{
    lock_acquire(&c->kind_lock);
}

static inline void kinds_unlock(struct brim_cache *c) UNLOCKS(rank_kind)
{
    lock_release(&c->kind_lock);
}

/* Who calls, where: looked up once for each call. */
struct caller {
    struct thread *t;
    struct stripe *st;
};

static inline struct caller caller_of(struct brim_cache *c)
{
    struct caller w;

    w.t = thread_self();
    w.st = stripe_of(&c->stripes, w.t);
    return w;
}

static inline struct shard *cache_shard(struct brim_cache *c, uint32_t place)
{
    return &c->shards[(uint64_t)place >> c->shard_shift];
}

/* The index in which look-ups find what has ${place}. */
static inline struct index_view cache_index(const struct brim_cache *c, uint32_t place)
{
    struct index_view v = {&c->roots[(uint64_t)place >> c->shard_shift], c->shard_bits};

    return v;
}

static inline bool cache_key_is_bad(const void *key, size_t key_len)
{
    return unlikely((key == NULL && key_len > 0) || key_len > UINT32_MAX);
}

/*
 * cache_overhead(c, size):
 * What an entry of ${size} bytes is charged beyond its cost: 0, or with options.charge_overhead the memory it takes:
 * itself, and at the worst the index's part.
 */
static inline size_t cache_overhead(const struct brim_cache *c, size_t size)
{
    return unlikely(c->charge_overhead) ? (size + 31) / 32 * 32 + 19 : 0;
}

/* It is used now. */
static inline void cache_use(struct brim_cache *c, struct entry *e)
{
    entry_mark_used(e);
    entry_stamp(e, atom_load_relaxed(&c->common.stamp)); /* relaxed: a frame begins when it is seen to */
}

/*
 * cache_now(c):
 * Nanoseconds on its clock, and one: never 0.  User code: no lock held, in no section of the process's.
 */
uint64_t cache_now(const struct brim_cache *c) NO_LOCK_HELD;

/* The same, where it matters only if some entry has ages; else 0. */
static inline uint64_t cache_now_for_ages(const struct brim_cache *c) NO_LOCK_HELD
{
    /* Relaxed: who inserted such an entry before knows it. */
    return unlikely(atom_load_relaxed(&((struct brim_cache *)(uintptr_t)c)->ages)) ? cache_now(c) : 0;
}

/* The stamp of an entry that is inserted now; ${used}: and used. */
uintptr_t cache_birth(const struct brim_cache *c, bool used) NO_LOCK_HELD;

/* Its clock in the ticks of stamps; not to be called where cache_now is not. */
uint32_t cache_tick(const struct brim_cache *c) NO_LOCK_HELD;

/*
 * cache_entry_cost(e):
 * The cost that the user gave.
 */
size_t cache_entry_cost(const struct entry *e);

static inline struct brim_cache *cache_of(const struct entry *e)
{
    return kind_of(e)->cache;
}

/*
 * cache_drop_live(c, t):
 * One existing entry less, or the cache's own hold: whoever drops the last one frees the cache.
 */
void cache_drop_live(struct brim_cache *c, struct thread *t) NO_LOCK_HELD;

/* A handle is the entry. */
static inline struct entry *entry_of_ref(const brim_ref *ref)
{
    return (struct entry *)(uintptr_t)ref;
}

static inline struct entry *entry_of_key(const brim_key *key)
{
    return (struct entry *)(uintptr_t)key;
}

static inline brim_ref *ref_of(struct entry *e)
{
    return (brim_ref *)e;
}

static inline brim_key *key_of(struct entry *e)
{
    return (brim_key *)e;
}

#endif
