/* SPDX-License-Identifier: MIT */
#include "cache/fork.h"

#include <pthread.h>

#include "cache/admit.h"

static struct lock list_lock; /* protects all below */
static struct brim_cache *list;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool ready;

/* By rank: the list, every shard, every arena, every list of kinds.  Then nobody is within a reservation. */
static void prepare(void)
{
    lock_acquire(&list_lock);
    for (struct brim_cache *c = list; c != NULL; c = c->next)
        for (unsigned i = 0; i < c->shard_count; i++)
            lock_acquire_same_rank(&c->shards[i].lock);
    for (struct brim_cache *c = list; c != NULL; c = c->next)
        slab_lock_all(&c->slab);
    for (struct brim_cache *c = list; c != NULL; c = c->next)
        lock_acquire_same_rank(&c->kind_lock);
    admit_close_gate();
}

static void parent(void)
{
    admit_open_gate();
    for (struct brim_cache *c = list; c != NULL; c = c->next) {
        lock_release(&c->kind_lock);
        slab_unlock_all(&c->slab);
        for (unsigned i = 0; i < c->shard_count; i++)
            lock_release(&c->shards[i].lock);
    }
    lock_release(&list_lock);
}

struct orphan {
    struct brim_cache *cache;
    struct stripe *own;
};

/* What a thread that is gone had reserved is room again; the values it was about to destroy stay held. */
static void end_stripe(struct stripe *st, void *arg)
{
    struct orphan *o = arg;

    if (st == o->own)
        return;
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
        if (atom_load_relaxed(&c->turn) != self)
            atom_store_relaxed(&c->turn, NULL);
    }
    thread_child(self);
    parent();
}

static void start(void)
{
    ready = lock_init(&list_lock, RANK_LIST) && pthread_atfork(prepare, parent, child) == 0;
}

bool fork_join(struct brim_cache *c)
{
    pthread_once(&once, start);
    if (!ready)
        return false;
    lock_acquire(&list_lock);
    c->next = list;
    c->back = &list;
    if (list != NULL)
        list->back = &c->next;
    list = c;
    lock_release(&list_lock);
    return true;
}

void fork_leave(struct brim_cache *c)
{
    lock_acquire(&list_lock);
    *c->back = c->next;
    if (c->next != NULL)
        c->next->back = c->back;
    lock_release(&list_lock);
}
