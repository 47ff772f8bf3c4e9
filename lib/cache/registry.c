/* SPDX-License-Identifier: MIT */
#include "cache/registry.h"

static LOCK_READY(list_lock, RANK_LIST);
static struct brim_cache *list GUARDED_BY(rank_list);

struct brim_cache *registry_lock(void)
{
    lock_acquire(&list_lock);
    return list;
}

void registry_unlock(void)
{
    lock_release(&list_lock);
}

void registry_join(struct brim_cache *c)
{
    (void)registry_lock();
    c->next = list;
    c->back = &list;
    if (list != NULL)
        list->back = &c->next;
    list = c;
    registry_unlock();
}

void registry_leave(struct brim_cache *c)
{
    (void)registry_lock();
    *c->back = c->next;
    if (c->next != NULL)
        c->next->back = c->back;
    registry_unlock();
}

struct brim_cache *registry_find(bool (*match)(struct brim_cache *c, void *arg), void *arg)
{
    struct brim_cache *c;

    (void)registry_lock();
    for (c = list; c != NULL && !match(c, arg); c = c->next) {
    }
    registry_unlock();
    return c;
}
