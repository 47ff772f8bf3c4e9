/* SPDX-License-Identifier: MIT */
#include "cache/fork.h"

#include <pthread.h>

#include "cache/registry.h"
#include "part/window.h"

static struct brim_cache *list; /* as registry_lock gave it; valid between prepare and parent or child */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool ready;

/* By rank: the list, every shard, what they adapt by, every slab, every list of kinds and limbo.  Then nobody is in a window. */
static void prepare(void)
{
    list = registry_lock();
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
    window_close_gate();
}

static void parent(void)
{
    window_open_gate();
    for (struct brim_cache *c = list; c != NULL; c = c->next) {
        lock_release(&c->limbo.lock);
        lock_release(&c->kind_lock);
        lock_release(&c->slab.lock);
        lock_release(&c->adapt.lock);
        for (unsigned i = 0; i < c->shard_count; i++)
            lock_release(&c->shards[i].lock);
    }
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

static void child(void)
{
    struct thread *self = thread_self();

    for (struct brim_cache *c = list; c != NULL; c = c->next) {
        struct orphan o = {c, stripe_of(&c->stripes, self)};
        stripes_each(&c->stripes, end_stripe, &o);
        for (unsigned i = 0; i < c->shard_count; i++)
            shard_child(&c->shards[i]);
        if (atom_load_relaxed(&c->turn) != self)
            atom_store_relaxed(&c->turn, NULL);
    }
    thread_child(self);
    parent();
}

static void start(void)
{
    ready = registry_start() && pthread_atfork(prepare, parent, child) == 0;
}

bool fork_start(void)
{
    pthread_once(&once, start);
    return ready;
}
