/* SPDX-License-Identifier: MIT */
#include "cache/limits.h"

#include "cache/admit.h"
#include "part/window.h"

/* Relaxed, all: floors, ceilings and `limits' are read as they come; shard/limit.h says what is exact. */

bool limits_fit(const struct brim_cache *c, const struct kind *k, size_t floor, size_t ceiling)
{
    size_t capacity = budget_capacity(&c->budget), floors = floor;

    if (floor > capacity || ceiling > capacity || (ceiling != 0 && floor > ceiling))
        return false;
    if (floor == 0)
        return true;
    for (struct kind *x = atom_load_acquire(&((struct brim_cache *)(uintptr_t)c)->kinds); x != NULL; x = shared_get(x->next)) {
        size_t other = x != k ? atom_load_relaxed(&x->limit.floor) : 0;
        if (other > capacity - floors)
            return false;
        floors += other;
    }
    return true;
}

/* Under the lock, so that two calls cannot promise the same to two kinds. */
static bool set_if_fit_locked(struct brim_cache *c, struct kind *k, size_t floor, size_t ceiling) REQUIRES(rank_kind)
{
    if (!limits_fit(c, k, floor, ceiling))
        return false;
    limit_set(&k->limit, floor, ceiling);
    return true;
}

static bool set_if_fit(struct brim_cache *c, struct kind *k, size_t floor, size_t ceiling)
{
    bool fit;

    kinds_lock(c);
    fit = set_if_fit_locked(c, k, floor, ceiling);
    kinds_unlock(c);
    return fit;
}

void limits_set_first(struct brim_cache *c, struct kind *k, size_t floor, size_t ceiling)
{
    limit_set(&k->limit, floor, ceiling);
    limit_begin(&k->limit, 0);
    atom_store_relaxed(&c->common.limits, 1);
}

/* Not followed, both: all locks of a rank. */
static void lock_all(struct brim_cache *c) LOCKS(rank_shard)
{
    for (unsigned i = 0; i < c->shard_count; i++)
        lock_acquire_same_rank(&c->shards[i].lock);
    window_close_gate();
}

static void unlock_all(struct brim_cache *c) UNLOCKS(rank_shard)
{
    window_open_gate();
    for (unsigned i = 0; i < c->shard_count; i++)
        lock_release(&c->shards[i].lock);
}

static void begin_locked(struct brim_cache *c, struct kind *k) REQUIRES(rank_shard, rank_kind)
{
    if (limit_counts(&k->limit))
        return;
    limit_begin(&k->limit, tally_amount(&k->values));
    atom_store_relaxed(&c->common.limits, 1);
}

/*
 * From now on the sums are kept.  What is taken changes under a shard's mutex or in a window: it is begun while nobody
 * is in either.  What is linked by then is counted shard by shard.
 */
static void begin_counting(struct brim_cache *c, struct kind *k)
{
    lock_all(c);
    kinds_lock(c); /* beside changes of the limits */
    begin_locked(c, k);
    kinds_unlock(c);
    unlock_all(c);
    for (unsigned i = 0; i < c->shard_count; i++) {
        struct index_cursor cursor = {0};
        while (shard_adopt_kind(&c->shards[i], &cursor, k->number, &k->limit)) {
        }
    }
}

/* What is above the ceiling goes, as far as it can. */
static brim_status evict_above(struct brim_cache *c, struct kind *k)
{
    size_t above, waiting;

    dispose_waiting(c, NULL);
    above = limit_counts(&k->limit) ? limit_above(&k->limit, 0) : 0;
    waiting = kind_waiting(k);
    above -= above < waiting ? above : waiting;
    if (above > 0 && !dispose_is_under_way())
        (void)admit_evict(c, caller_of(c), above, k);
    return limit_counts(&k->limit) && limit_above(&k->limit, 0) > 0 ? BRIM_FULL : BRIM_OK;
}

brim_status brim_kind_set_limits(brim_cache *c, const brim_kind *kind, size_t floor, size_t ceiling)
{
    struct kind *k;
    brim_status status;

    if (c == NULL)
        return BRIM_INVALID;
    k = kind != NULL ? kind_look_up(c, kind) : c->default_kind;
    /* Unless another thread brings the kind meanwhile, and its own floor is in the way. */
    if (!limits_fit(c, k, floor, ceiling) && (k != NULL || kind_look_up(c, kind) == NULL))
        return BRIM_INVALID;
    if (k == NULL && (status = kind_get(c, kind, &k)) != BRIM_OK)
        return status;
    if (!set_if_fit(c, k, floor, ceiling))
        return BRIM_INVALID;
    tally_add(&c->live, thread_self()); /* a callback may free the cache */
    if (!limit_counts(&k->limit) && (floor != 0 || ceiling != 0))
        begin_counting(c, k);
    status = evict_above(c, k);
    cache_drop_live(c, thread_self());
    return status;
}
