/* SPDX-License-Identifier: MIT
 *
 * Frames, the user's clock, and what is evicted by when it was last used.  The stamp that look-ups give entries has the
 * frame and the number of calls of brim_idle so far, both modulo a power of two.
 */
#include "cache/load.h"
#include "cache/stale.h"

enum { IDLE_PART = 4 };

/* ---- The stamp: changed under kind_lock, read without; relaxed: a frame begins when it is seen to */

static uintptr_t stamp_for(uint64_t frame, uint8_t idle)
{
    return STAMP | (uintptr_t)(uint32_t)frame << STAMP_FRAME_SHIFT | (uintptr_t)idle << STAMP_IDLE_SHIFT;
}

static void set_stamp_locked(brim_cache *c, uint64_t frame, uint8_t idle) REQUIRES(rank_kind)
{
    atom_store_relaxed(&c->common.stamp, stamp_for(frame, idle));
}

uint64_t brim_next_frame(brim_cache *c)
{
    uint64_t frame;

    if (c == NULL)
        return 0;
    kinds_lock(c);
    frame = atom_load_relaxed(&c->frame) + 1;
    atom_store_relaxed(&c->frame, frame);
    set_stamp_locked(c, frame, stamp_idle(atom_load_relaxed(&c->common.stamp)));
    kinds_unlock(c);
    return frame;
}

uint64_t brim_frame(const brim_cache *c)
{
    return c != NULL ? atom_load_relaxed(&((brim_cache *)(uintptr_t)c)->frame) : 0;
}

/* Returns the number of calls, this one included. */
static uint8_t next_idle(brim_cache *c)
{
    uint8_t idle;

    kinds_lock(c);
    idle = (uint8_t)(stamp_idle(atom_load_relaxed(&c->common.stamp)) + 1);
    set_stamp_locked(c, atom_load_relaxed(&c->frame), idle);
    kinds_unlock(c);
    return idle;
}

/* ---- Sweeping by use */

static struct shard_sweep sweep_by_use(brim_cache *c, size_t need)
{
    struct shard_sweep w = {.cause = BRIM_EVICTED, .kind = -1, .but_kind = -1, .need = need, .most = UINT32_MAX};

    w.by_use = true;
    w.frame_too = 2;
    w.now = cache_now_for_ages(c);
    return w;
}

static size_t sweep_all(brim_cache *c, struct shard_sweep w)
{
    size_t freed = 0;

    for (unsigned i = 0; i < c->shard_count; i++) {
        struct index_cursor cursor = {0};
        bool more = true;

        while (more && freed < w.need) {
            struct shard_sweep part = w;
            struct entry_list left = {NULL, NULL};

            part.need = w.need - freed;
            more = shard_sweep(&c->shards[i], &cursor, &part, caller_of(c).st, &left);
            freed += part.freed;
            dispose(&left, NULL);
        }
        (void)shard_fit_index(&c->shards[i]);
    }
    return freed;
}

size_t brim_trim_unused_since(brim_cache *c, uint64_t frame)
{
    struct shard_sweep w;
    size_t freed = 0;

    if (c == NULL)
        return 0;
    tally_add(&c->live, thread_self()); /* a callback may free the cache */
    dispose_waiting(c, NULL);
    w = sweep_by_use(c, SIZE_MAX);
    w.before_frame = (uint32_t)frame;
    freed = sweep_all(c, w);
    cache_drop_live(c, thread_self());
    return freed;
}

/* ---- Idle: an age of 0 is used since this call began, 1 since the last one, 2 and more not since */

enum { UNUSED = 2 };

/* The oldest first, until about a quarter of what was not used since the last call. */
static size_t evict_idle(brim_cache *c, uint8_t idle)
{
    size_t by_age[SHARD_IDLE_AGES] = {0}, unused = 0, freed = 0, quota;

    for (unsigned i = 0; i < c->shard_count; i++) {
        struct index_cursor cursor = {0};
        while (shard_add_idle(&c->shards[i], &cursor, idle, by_age)) {
        }
    }
    for (unsigned age = UNUSED; age < SHARD_IDLE_AGES; age++)
        unused += by_age[age];
    quota = unused / IDLE_PART + (unused % IDLE_PART != 0);
    for (unsigned age = SHARD_IDLE_AGES - 1; age >= UNUSED && freed < quota; age--) {
        struct shard_sweep w = sweep_by_use(c, quota - freed);

        if (by_age[age] == 0)
            continue;
        w.idle_now = idle;
        w.idle_least = (uint8_t)age;
        freed += sweep_all(c, w);
    }
    return freed;
}

size_t brim_idle(brim_cache *c)
{
    size_t used, freed;

    if (c == NULL)
        return 0;
    tally_add(&c->live, thread_self()); /* a callback may free the cache */
    dispose_waiting(c, NULL);
    used = brim_used(c);
    stale_sweep_all(c);
    load_forget_failures(c);
    freed = used > brim_used(c) ? used - brim_used(c) : 0;
    freed += evict_idle(c, next_idle(c));
    cache_drop_live(c, thread_self());
    return freed;
}
