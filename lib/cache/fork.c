/* SPDX-License-Identifier: MIT */
#include "cache/fork.h"

#include <pthread.h>

#include "cache/load.h"
#include "cache/pins.h"
#include "cache/queue.h"
#include "cache/registry.h"
#include "cache/wait.h"
#include "part/window.h"

static struct brim_cache *list GUARDED_BY(rank_list); /* as registry_lock gave it, while fork holds that */

static ATOM(uint32_t) ready; /* the handlers are there, */
static _Thread_local unsigned nested; /* perhaps twice: the inner pair does nothing */

/*
 * By rank: the list, the waits, every shard, what they adapt by, every slab, every list of kinds and limbo, the queues.
 * Then nobody is in a window.
 */
static void lock_all(void) LOCKS(ALL_RANKS)
{
    struct lock *pins = pins_lock();

    list = registry_lock();
    lock_acquire(waits_lock());
    for (struct brim_cache *c = list; c != NULL; c = c->next)
        for (unsigned i = 0; i < c->shard_count; i++)
            lock_acquire_same_rank(&c->shards[i].lock);
    for (struct brim_cache *c = list; c != NULL; c = c->next)
        lock_acquire_same_rank(&c->adapt.lock);
    for (struct brim_cache *c = list; c != NULL; c = c->next)
        lock_acquire_same_rank(&c->slab.lock);
    for (struct brim_cache *c = list; c != NULL; c = c->next)
        lock_acquire_same_rank(&c->kind_lock);
    for (struct brim_cache *c = list; c != NULL; c = c->next)
        lock_acquire_same_rank(&c->limbo.lock);
    lock_acquire(queues_lock());
    if (pins != NULL)
        lock_acquire(pins);
    window_close_gate();
}

static void unlock_all(void) UNLOCKS(ALL_RANKS)
{
    struct lock *pins = pins_lock();

    window_open_gate();
    if (pins != NULL)
        lock_release(pins);
    lock_release(queues_lock());
    for (struct brim_cache *c = list; c != NULL; c = c->next) {
        lock_release(&c->limbo.lock);
        lock_release(&c->kind_lock);
        lock_release(&c->slab.lock);
        lock_release(&c->adapt.lock);
        for (unsigned i = 0; i < c->shard_count; i++)
            lock_release(&c->shards[i].lock);
    }
    lock_release(waits_lock());
    registry_unlock();
}

struct orphan {
    struct brim_cache *cache;
    struct stripe *own;
};

/*
 * What a thread that is gone had reserved is room again; the values it was about to destroy stay held; its sections
 * are over.
 */
static void end_stripe(struct stripe *st, void *arg)
{
    struct orphan *o = arg;

    if (st == o->own)
        return;
    atom_store_relaxed(&st->nesting, 0);
    atom_store_relaxed(&st->section.epoch, 0);
    budget_give(&o->cache->budget, atom_load_relaxed(&st->reserved));
    atom_store_relaxed(&st->reserved, 0);
    atom_store_relaxed(&st->destroyed, atom_load_relaxed(&st->dying));
}

/* What was reserved for loads that are known; what vanished threads had reserved for others is room again. */
static void renew_by_loads(struct brim_cache *c) REQUIRES(rank_kind, rank_shard)
{
    size_t sum = load_reserved(c->orphan_flights);

    for (unsigned i = 0; i < c->shard_count; i++)
        sum += load_reserved(c->shards[i].flights.list);
    budget_give(&c->budget, (size_t)atom_load_relaxed(&c->by_loads) - sum);
    atom_store_relaxed(&c->by_loads, (uint64_t)sum);
}

/* The same of kinds' ceilings; not while we are in an admission of our own, which may be part of one. */
static void renew_limits(struct brim_cache *c)
{
    for (struct kind *k = atom_load_acquire(&c->kinds); k != NULL; k = shared_get(k->next))
        if (limit_counts(&k->limit))
            limit_begin(&k->limit, tally_amount(&k->values));
}

static void renew(void) REQUIRES(ALL_RANKS)
{
    struct thread *self = thread_self();

    for (struct brim_cache *c = list; c != NULL; c = c->next) {
        struct orphan o = {c, stripe_ready(&c->stripes, self)}; /* without memory: locks are held */
        stripes_each(&c->stripes, end_stripe, &o);
        for (unsigned i = 0; i < c->shard_count; i++)
            shard_child(&c->shards[i], self, &c->orphans, &c->orphan_flights);
        renew_by_loads(c);
        if (atom_load_relaxed(&o.own->reserved) == 0)
            renew_limits(c);
        atom_store_relaxed(&c->orphaned, c->orphans != NULL || c->orphan_flights != NULL);
        if (atom_load_relaxed(&c->turn) != self)
            atom_store_relaxed(&c->turn, NULL);
    }
    thread_child(self);
}

/* ---- The handlers.  Not followed: only the outer pair takes the locks. */

static void prepare(void) UNFOLLOWED
{
    if (nested++ == 0)
        lock_all();
}

static void parent(void) UNFOLLOWED
{
    if (--nested == 0)
        unlock_all();
}

static void child(void) UNFOLLOWED
{
    if (--nested != 0)
        return;
    renew();
    unlock_all();
}

/*
 * Two threads may both register, or one and a child that was forked before it could say so.  Relaxed: the handlers
 * need nothing that this thread has done.
 */
bool fork_start(void)
{
    if (atom_load_relaxed(&ready) == 0 && pthread_atfork(prepare, parent, child) == 0)
        atom_store_relaxed(&ready, 1);
    return atom_load_relaxed(&ready) != 0;
}
