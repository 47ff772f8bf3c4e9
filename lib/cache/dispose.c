/* SPDX-License-Identifier: MIT */
#include "base/probe.h"
#include "cache/admit.h"
#include "cache/group.h"
#include "cache/queue.h"

struct disposal {
    struct entry_list left;
    struct entry_list collected; /* from a queue */
    struct brim_cache *waiting; /* its limbo is to be looked at; counted alive, as all of */
    struct brim_cache *asked;   /* a list of those for which callbacks have asked the same */
    struct claim *claim;
};

static void retire(struct brim_cache *c, struct entry *e)
{
    struct thread *t = thread_self();

    if (unlikely(entry_flags(e) & ENTRY_GROUPS))
        groups_drop(e);
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

/* Of an eviction: the bucket is the bit length of the age in ticks. */
static unsigned age_bucket(const struct brim_cache *c, uint32_t born)
{
    uint32_t mask = (1u << (64 - STAMP_BORN_SHIFT)) - 1, age = (cache_tick(c) - born) & mask;
    unsigned bucket = age == 0 ? 0 : 32u - (unsigned)__builtin_clz(age);

    return bucket < BRIM_AGES ? bucket : BRIM_AGES - 1;
}

static void announce(struct brim_cache *c, struct entry *e)
{
    struct kind *k = kind_of(e);
    const brim_kind *kind = k->user;
    brim_cause cause = (brim_cause)(e->priority & ((1u << ENTRY_BORN_SHIFT) - 1));
    uint32_t born = e->priority >> ENTRY_BORN_SHIFT;
    size_t len;
    const void *key = entry_key(e, &len);

    e->priority = ENTRY_NO_CAUSE;
    PROBE_EVICT(c, key, len, entry_cost(e), cause);
    kind_count(k, thread_self(), left[cause], 1);
    if (cause == BRIM_EVICTED)
        kind_count(k, thread_self(), eviction_age[age_bucket(c, born)], 1);
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

/* Its owner will destroy it. */
static bool enqueue(struct brim_cache *c, struct entry *e)
{
    struct kind *k = kind_of(e);
    size_t charge = entry_flags(e) & ENTRY_UNCHARGED ? 0 : entry_cost(e);

    if (likely(k->queue == NULL) || shared_get(e->value) == NULL)
        return false;
    /* Relaxed, all: sums.  Before: it may be collected at once. */
    (void)atom_add_relaxed(&k->queued, (uint64_t)charge);
    (void)atom_add_relaxed(&k->queued_values, (uint64_t)1);
    (void)atom_add_relaxed(&c->queued, (uint64_t)charge);
    stripe_add(caller_of(c).st, destroyed, 1); /* passed on */
    e->eviction = 0;
    if (queue_push(k->queue, e))
        return true;
    stripe_add(caller_of(c).st, dying, 1);
    (void)atom_sub_relaxed(&k->queued, (uint64_t)charge);
    (void)atom_sub_relaxed(&k->queued_values, (uint64_t)1);
    (void)atom_sub_relaxed(&c->queued, (uint64_t)charge);
    return false;
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
        (void)atom_sub_relaxed(&k->uncharged, (uint64_t)charge); /* relaxed: a statistic */
    else
        admit_freed(c, by, k, charge, keep);
    if (keep)
        claim->have += charge;
    stripe_add(by.st, destroyed, 1);
    kind_destroyed(k, by.t);
    dispose_key(e);
}

static void end_or_enqueue(struct brim_cache *c, struct entry *e, struct claim *claim)
{
    if (!enqueue(c, e))
        end_value(c, e, claim);
}

static void end_collected(struct entry *e)
{
    struct brim_cache *c = cache_of(e);
    struct kind *k = kind_of(e);
    size_t charge = entry_flags(e) & ENTRY_UNCHARGED ? 0 : entry_cost(e);

    stripe_add(caller_of(c).st, dying, 1);
    (void)atom_sub_relaxed(&k->queued, (uint64_t)charge);
    (void)atom_sub_relaxed(&k->queued_values, (uint64_t)1);
    (void)atom_sub_relaxed(&c->queued, (uint64_t)charge);
    end_value(c, e, NULL);
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

/* End what need not wait, in one go for all that has come to the limbo since. */
static void end_waiting(struct disposal *d, struct brim_cache *c)
{
    struct entry_list passed = {NULL, NULL};
    struct caller by = caller_of(c);
    struct entry *e;

    limbo_take(&c->limbo, &c->stripes, by.st, &passed);
    while ((e = entry_list_pop(&passed)) != NULL) {
        /* Whoever evicted it: what it frees is ours now. */
        e->eviction = entry_flags(e) & ENTRY_UNCHARGED ? 0 : ENTRY_CLAIMED;
        if (entry_end_wait(e))
            end_or_enqueue(c, e, d->claim);
        else
            stripe_add(caller_of(c).st, destroyed, 1); /* held again: the end is another's */
    }
    cache_drop_live(c, thread_self());
}

static void end_noted(struct disposal *d)
{
    struct brim_cache *c = d->waiting;

    d->waiting = NULL;
    end_waiting(d, c);
}

static void note_waiting(struct disposal *d, struct brim_cache *c)
{
    if (d->waiting == c)
        return;
    if (d->waiting != NULL)
        end_noted(d);
    tally_add(&c->live, thread_self());
    d->waiting = c;
}

/*
 * In a callback.  A cache is in one thread's list at a time: if it is in another's, that one will look later than now.
 * An exchange, also then, whose release the exchange in end_asked acquires: so that look sees the end of a section that
 * came before (edge asked).  Acquire: who had it in his list before has read `next_asked'.
 */
static void ask(struct disposal *d, struct brim_cache *c)
{
    if (atom_exchange_acq_rel(&c->asked, 1) != 0)
        return;
    tally_add(&c->live, thread_self());
    c->next_asked = d->asked;
    d->asked = c;
}

static void end_asked(struct disposal *d)
{
    struct brim_cache *c = d->asked;

    d->asked = c->next_asked;
    if (PLANTED(dispose_looks_first))
        end_waiting(d, c);
    (void)atom_exchange_acq_rel(&c->asked, 0); /* before the look: who finds it 1 has asked before */
    if (!PLANTED(dispose_looks_first))
        end_waiting(d, c);
}

static void wait_for_sections(struct disposal *d, struct brim_cache *c, struct entry *e)
{
    note_waiting(d, c);
    limbo_push(&c->limbo, e);
    stripe_add(caller_of(c).st, destroyed, 1); /* passed on */
}

static void end_entry(struct disposal *d, struct entry *e)
{
    struct brim_cache *c = cache_of(e);

    if (e->priority != ENTRY_NO_CAUSE)
        announce(c, e);
    if (!entry_is_dead(e) && !give_back(c, e))
        return;
    if (c->borrow)
        wait_for_sections(d, c, e);
    else
        end_or_enqueue(c, e, d->claim);
}

static void run(struct disposal *d)
{
    thread_tls.disposal = d;
    for (;;) {
        if (d->left.head != NULL)
            end_entry(d, entry_list_pop(&d->left));
        else if (d->collected.head != NULL)
            end_collected(entry_list_pop(&d->collected));
        else if (d->waiting != NULL)
            end_noted(d);
        else if (d->asked != NULL)
            end_asked(d);
        else
            break;
    }
    thread_tls.disposal = NULL;
}

void dispose(struct entry_list *left, struct claim *claim)
{
    struct disposal d = {.left = *left, .claim = claim};

    left->head = left->tail = NULL;
    if (d.left.head == NULL)
        return;
    if (thread_tls.disposal != NULL)
        entry_list_join(&thread_tls.disposal->left, &d.left);
    else
        run(&d);
}

void dispose_collected(struct entry_list *list)
{
    struct disposal d = {.collected = *list}, *outer = thread_tls.disposal;

    list->head = list->tail = NULL;
    if (outer != NULL)
        entry_list_join(&outer->collected, &d.collected);
    else if (d.collected.head != NULL)
        run(&d);
}

void dispose_waiting_slow(struct brim_cache *c, struct claim *claim)
{
    struct disposal d = {.claim = claim};

    if (thread_tls.disposal != NULL) {
        ask(thread_tls.disposal, c);
    } else {
        note_waiting(&d, c);
        run(&d);
    }
}

void dispose_lasts(struct entry_list *last)
{
    struct entry_list all = {NULL, NULL};
    struct entry *e;

    while ((e = entry_list_pop(last)) != NULL) {
        stripe_add(caller_of(cache_of(e)).st, dying, 1);
        entry_list_push(&all, e);
    }
    dispose(&all, NULL);
}

bool dispose_is_under_way(void)
{
    return thread_tls.disposal != NULL;
}
