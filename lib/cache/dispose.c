/* SPDX-License-Identifier: MIT */
#include "cache/admit.h"


struct disposal {
    struct entry_list left;
};

static void retire(struct brim_cache *c, struct entry *e)
{
    struct thread *t = thread_self();

    slab_retire(&c->slab, t, e, entry_flags(e) & ENTRY_CLASS);
    cache_drop_live(c, t);
}

void dispose_unborn(struct brim_cache *c, struct entry *e)
{
    retire(c, e);
}

void dispose_key(struct entry *e)
{
    struct brim_cache *c = cache_of(e);

    if (entry_drop_key(e))
        retire(c, e);
}

static void announce(struct brim_cache *c, struct entry *e)
{
    const brim_kind *kind = kind_of(e)->user;
    brim_cause cause = (brim_cause)e->priority;
    size_t len;
    const void *key = entry_key(e, &len);

    e->priority = ENTRY_NO_CAUSE;
    stripe_add(caller_of(c).st, left[cause], 1);
    if (kind != NULL && kind->removed != NULL)
        kind->removed(entry_flags(e) & ENTRY_ANONYMOUS ? NULL : key, len, shared_get(e->value), cache_entry_cost(e),
                      cause, kind->arg);
}

static void destroy_value(struct entry *e)
{
    const brim_kind *kind = kind_of(e)->user;
    void *value = shared_get(e->value);
    size_t len;
    const void *key = entry_key(e, &len);

    if (kind == NULL || value == NULL)
        return;
    if (kind->destroy_entry != NULL)
        kind->destroy_entry(entry_flags(e) & ENTRY_ANONYMOUS ? NULL : key, len, value, cache_entry_cost(e), kind->arg);
    else if (kind->destroy != NULL)
        kind->destroy(value, cache_entry_cost(e), kind->arg);
}

/* The value is ours alone. */
static void end_value(struct brim_cache *c, struct entry *e, struct claim *claim)
{
    bool keep = claim != NULL && claim->cache == c && (e->eviction & ENTRY_CLAIMED);
    size_t charge = entry_cost(e);
    struct kind *k = kind_of(e);
    struct caller by;

    destroy_value(e);
    by = caller_of(c);
    if (entry_flags(e) & ENTRY_UNCHARGED)
        (void)atom_sub_relaxed(&c->uncharged, (uint64_t)charge); /* relaxed: a statistic */
    else
        admit_freed(c, by, k, charge, keep);
    if (keep)
        claim->have += charge;
    stripe_add(by.st, destroyed, 1);
    kind_destroyed(k, by.t);
    dispose_key(e);
}

/* Give back the link's ref, which came to us with the victim. */
static bool give_back(struct brim_cache *c, struct entry *e)
{
    struct caller by = caller_of(c);
    unsigned events;

    section_enter(by.t);
    events = entry_release(e);
    shard_count_pins(by.st, e, events);
    section_leave(by.t);
    if (!(events & ENTRY_LAST))
        stripe_add(by.st, destroyed, 1); /* the value's end is another's now */
    return (events & ENTRY_LAST) != 0;
}

static void end_entry(struct entry *e, struct claim *claim)
{
    struct brim_cache *c = cache_of(e);

    if (e->priority != ENTRY_NO_CAUSE)
        announce(c, e);
    if (entry_is_dead(e) || give_back(c, e))
        end_value(c, e, claim);
}

void dispose(struct entry_list *left, struct claim *claim)
{
    struct disposal d = {*left};
    struct entry *e;

    left->head = left->tail = NULL;
    if (d.left.head == NULL)
        return;
    if (thread_tls.disposal != NULL) {
        struct disposal *outer = thread_tls.disposal;
        while ((e = entry_list_pop(&d.left)) != NULL)
            entry_list_push(&outer->left, e);
        return;
    }
    thread_tls.disposal = &d;
    while ((e = entry_list_pop(&d.left)) != NULL)
        end_entry(e, claim);
    thread_tls.disposal = NULL;
}

void dispose_last(struct entry *e)
{
    struct entry_list one = {NULL, NULL};

    stripe_add(caller_of(cache_of(e)).st, dying, 1);
    entry_list_push(&one, e);
    dispose(&one, NULL);
}

void dispose_lasts(struct entry_list *last)
{
    struct entry *e;

    while ((e = entry_list_pop(last)) != NULL)
        dispose_last(e);
}

bool dispose_is_under_way(void)
{
    return thread_tls.disposal != NULL;
}
