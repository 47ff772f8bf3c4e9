/* SPDX-License-Identifier: MIT */
#include "cache/registry.h"

static struct lock list_lock = LOCK_READY(RANK_LIST); /* protects `list' and the links of its caches */
static struct brim_cache *list;

void registry_join(struct brim_cache *c)
{
    lock_acquire(&list_lock);
    c->next = list;
    c->back = &list;
    if (list != NULL)
        list->back = &c->next;
    list = c;
    lock_release(&list_lock);
}

void registry_leave(struct brim_cache *c)
{
    lock_acquire(&list_lock);
    *c->back = c->next;
    if (c->next != NULL)
        c->next->back = c->back;
    lock_release(&list_lock);
}

struct brim_cache *registry_find(bool (*match)(struct brim_cache *c, void *arg), void *arg)
{
    struct brim_cache *c;

    lock_acquire(&list_lock);
    for (c = list; c != NULL && !match(c, arg); c = c->next) {
    }
    lock_release(&list_lock);
    return c;
}

struct brim_cache *registry_lock(void)
{
    lock_acquire(&list_lock);
    return list;
}

void registry_unlock(void)
{
    lock_release(&list_lock);
}
