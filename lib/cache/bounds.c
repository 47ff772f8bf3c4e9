/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "cache/admit.h"
#include "cache/load.h"
#include "cache/section.h"
#include "cache/stale.h"

enum { POLL_NS = 100000 };

size_t brim_capacity(const brim_cache *c)
{
    return c != NULL ? budget_capacity(&c->budget) : 0;
}

size_t brim_used(const brim_cache *c)
{
    return c != NULL ? budget_used(&c->budget) : 0;
}

size_t brim_pinned(const brim_cache *c)
{
    return c != NULL ? stripes_pinned(&c->stripes) : 0;
}

size_t brim_count(const brim_cache *c)
{
    size_t n = 0;

    for (unsigned i = 0; c != NULL && i < c->shard_count; i++)
        n += atom_load_relaxed(&c->shards[i].count);
    return n;
}

/* ---- The capacity */

/*
 * Going down, the difference is reserved first, as an insert's cost is, and then used up: nobody ever sees more used
 * than the capacity, unless it cannot be had.
 */
static bool lower(brim_cache *c, size_t from, size_t to)
{
    struct admission a = {.cache = c, .by = caller_of(c), .charge = from - to, .now = cache_now_for_ages(c)};
    size_t taken = admit(&a) == BRIM_OK ? from - to : 0;

    if (admit_lower(c, a.by, from, to, taken))
        return true;
    admit_undo(c, a.by, taken);
    return false;
}

brim_status brim_set_capacity(brim_cache *c, size_t capacity)
{
    bool done = false;
    brim_status status;
    int64_t room;

    if (c == NULL || capacity > SIZE_MAX / 2)
        return BRIM_INVALID;
    tally_add(&c->live, thread_self()); /* a callback may free the cache */
    while (!done) {
        size_t now = budget_capacity(&c->budget);
        done = capacity >= now ? admit_raise(c, caller_of(c), now, capacity) : lower(c, now, capacity);
    }
    dispose_waiting(c, NULL);
    /* What waits goes without our help; relaxed: a sum. */
    room = budget_room(&c->budget) + (int64_t)limbo_charge(&c->limbo) + (int64_t)atom_load_relaxed(&c->queued);
    if (room < 0 && !dispose_is_under_way())
        (void)admit_evict(c, caller_of(c), (size_t)-room, NULL);
    status = budget_room(&c->budget) < 0 ? BRIM_FULL : BRIM_OK;
    cache_drop_live(c, thread_self());
    return status;
}

brim_status brim_reserve(brim_cache *c, size_t cost)
{
    struct admission a = {.cache = c, .charge = cost};
    brim_status status;

    if (c == NULL)
        return BRIM_INVALID;
    if (cost > SIZE_MAX / 2)
        return BRIM_FULL;
    if (cost == 0)
        return BRIM_OK;
    a.by = caller_of(c);
    tally_add(&c->live, a.by.t); /* a callback may free the cache */
    status = admit(&a) == BRIM_OK ? BRIM_OK : BRIM_FULL;
    if (status == BRIM_OK)
        admit_to_user(c, a.by, cost);
    cache_drop_live(c, a.by.t);
    return status;
}

void brim_unreserve(brim_cache *c, size_t cost)
{
    if (c != NULL)
        admit_user_undo(c, caller_of(c), cost);
}

/* ---- Trimming */

/*
 * A trim in an allocation that a trim makes, and so on, would never end: deep inside it gives back nothing.  Threads
 * without a record of their own share one, and cannot tell.
 */
static bool trim_begin(struct thread *t)
{
    enum { NESTED = 4 };

    if (t->reader.shared)
        return true;
    if (t->trimming >= NESTED)
        return false;
    t->trimming++;
    return true;
}

static void trim_end(struct thread *t)
{
    if (!t->reader.shared)
        t->trimming--;
}

static size_t charge_of(const brim_cache *c, const struct kind *k)
{
    return k != NULL ? kind_used(k) : brim_used(c);
}

/* Of kind ${k}, or if NULL of all.  What waits for sections or in queues goes without our help. */
static size_t trim(brim_cache *c, const struct kind *k, size_t target)
{
    size_t before = charge_of(c, k), used, waiting, freed;

    dispose_waiting(c, NULL);
    stale_sweep_all(c);
    load_forget_failures(c);
    used = charge_of(c, k);
    freed = before > used ? before - used : 0;
    if (k == NULL)
        waiting = limbo_charge(&c->limbo) + (size_t)atom_load_relaxed(&c->queued); /* relaxed: a sum */
    else
        waiting = kind_waiting(k);
    if (used > target && used - target > waiting)
        freed += admit_evict(c, caller_of(c), used - target - waiting, k);
    return freed;
}

static size_t trim_once(brim_cache *c, const struct kind *k, size_t target)
{
    struct thread *t = thread_self();
    size_t freed;

    if (!trim_begin(t))
        return 0;
    tally_add(&c->live, t); /* a callback may free the cache */
    freed = trim(c, k, target);
    cache_drop_live(c, t);
    trim_end(t);
    return freed;
}

size_t brim_trim(brim_cache *c, size_t target)
{
    return c != NULL ? trim_once(c, NULL, target) : 0;
}

size_t brim_trim_kind(brim_cache *c, const brim_kind *kind, size_t target)
{
    struct kind *k = c == NULL ? NULL : kind != NULL ? kind_look_up(c, kind) : c->default_kind;

    return k != NULL ? trim_once(c, k, target) : 0;
}

/* ---- Draining */

struct drain {
    struct brim_cache *cache;
    const struct stripe *own;
    uint64_t deadline;
    int timeout_ms;
};

static bool is_late(const struct drain *d)
{
    if (d->timeout_ms >= 0 && clock_now() >= d->deadline)
        return true;
    clock_pause(POLL_NS);
    return false;
}

struct ending {
    const struct drain *drain;
    bool late;
};

/* What others have begun to end. */
static void drain_stripe(struct stripe *st, void *arg)
{
    struct ending *x = arg;
    uint64_t dying = atom_load_acquire(&st->dying);

    if (st == x->drain->own && !st->shared)
        return;
    while (!x->late && (int64_t)(dying - atom_load_acquire(&st->destroyed)) > 0)
        x->late = is_late(x->drain);
}

static bool drain_stripes(const struct drain *d)
{
    struct ending x = {d, false};

    stripes_each(&d->cache->stripes, drain_stripe, &x);
    return !x.late;
}

/* What waits for sections, until none of it is left. */
static bool drain_limbo(const struct drain *d)
{
    struct limbo *l = &d->cache->limbo;
    uint64_t mark = limbo_mark(l);

    for (;;) {
        dispose_waiting(d->cache, NULL);
        if (limbo_is_past(l, mark))
            return true;
        if (is_late(d))
            return false;
    }
}

brim_status brim_drain(brim_cache *c, int timeout_ms)
{
    struct drain d = {c, NULL, 0, timeout_ms};
    bool done;

    if (c == NULL)
        return BRIM_INVALID;
    d.own = caller_of(c).st;
    /* What this thread is destroying, or its own section lends, cannot be waited for by itself. */
    if (dispose_is_under_way() || (c->borrow && section_stripe(c, thread_self()) != NULL))
        return BRIM_DEADLOCK;
    if (timeout_ms >= 0)
        d.deadline = clock_now() + (uint64_t)timeout_ms * 1000000u;
    tally_add(&c->live, thread_self()); /* a callback may free the cache */
    /* On their way into the limbo, in it, and on their way out of it. */
    done = drain_stripes(&d) && (!c->borrow || (drain_limbo(&d) && drain_stripes(&d)));
    cache_drop_live(c, thread_self());
    return done ? BRIM_OK : BRIM_TIMEOUT;
}
