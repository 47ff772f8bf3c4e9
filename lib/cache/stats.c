/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/clock.h"
#include "cache/stats.h"

#define SUM(c, field) stripes_sum(&(c)->stripes, offsetof(struct stripe, field))

static size_t overhead(const brim_cache *c)
{
    size_t n = sizeof *c + sizeof *c->shards * c->shard_count + stripes_bytes(&c->stripes) +
               atom_load_relaxed(&((brim_cache *)(uintptr_t)c)->slab.bytes);

    for (unsigned i = 0; i < c->shard_count; i++)
        n += atom_load_relaxed(&c->shards[i].bytes);
    for (const struct kind *k = atom_load_acquire(&((brim_cache *)(uintptr_t)c)->kinds); k != NULL; k = shared_get(k->next))
        n += sizeof *k;
    return n;
}

/* What eviction remembers by. */
static size_t remembering(const brim_cache *c)
{
    size_t n = adapt_bytes(&c->adapt);

    for (unsigned i = 0; i < c->shard_count; i++)
        n += atom_load_relaxed(&c->shards[i].ghost_bytes);
    return n;
}

static void count_section(struct stripe *st, void *arg)
{
    *(unsigned *)arg += atom_load_relaxed(&st->section.epoch) != 0; /* relaxed: a statistic */
}

/* Of one slot: a kind's, if that does not share it. */
static uint64_t sum_slot(const struct brim_cache *c, size_t field, unsigned slot)
{
    return stripes_sum(&c->stripes, offsetof(struct stripe, of) + slot * sizeof(struct stripe_kind) + field);
}

static void add_hits(struct stripe *st, void *arg)
{
    for (unsigned slot = 0; slot < STRIPE_KINDS; slot++)
        *(uint64_t *)arg += atom_load_relaxed(&st->of[slot].hits);
}

uint64_t stats_hits(const struct brim_cache *c)
{
    uint64_t sum = 0;

    stripes_each(&c->stripes, add_hits, &sum);
    return sum;
}

/* ---- By kind, and summed over all */

#define COUNT(k, field) kind_sum((k), offsetof(struct kind_counts, field))

static void add_counts(const struct kind *k, brim_stats *s)
{
    s->insertions += COUNT(k, insertions);
    s->refused += COUNT(k, refused);
    s->too_big += COUNT(k, too_big);
    for (size_t i = 0; i < sizeof s->left / sizeof s->left[0]; i++)
        s->left[i] += kind_sum(k, offsetof(struct kind_counts, left) + i * sizeof(ATOM(uint64_t)));
    s->loads += COUNT(k, loads);
    s->load_failures += COUNT(k, load_failures);
    s->load_ns += COUNT(k, load_ns);
    s->redundant_loads += COUNT(k, redundant_loads);
    s->load_waits += COUNT(k, load_waits);
    for (size_t i = 0; i < BRIM_AGES; i++)
        s->eviction_age[i] += kind_sum(k, offsetof(struct kind_counts, eviction_age) + i * sizeof(ATOM(uint64_t)));
}

/* Relaxed, all: statistics. */
static void add_kind(const struct kind *kind, brim_stats *s)
{
    struct kind *k = (struct kind *)(uintptr_t)kind;

    add_counts(k, s);
    s->uncharged += (size_t)atom_load_relaxed(&k->uncharged);
    s->values += (size_t)(tally_count(&k->values) - atom_load_relaxed(&k->held));
    s->queued += (size_t)atom_load_relaxed(&k->queued);
    s->queued_values += (size_t)atom_load_relaxed(&k->queued_values);
    s->floor += atom_load_relaxed(&k->limit.floor);
    s->ceiling += atom_load_relaxed(&k->limit.ceiling);
}

static void fill_kind(brim_cache *c, const struct kind *k, brim_stats *s)
{
    unsigned slot = k->number % KIND_SLOTS;
    int64_t pinned;

    add_kind(k, s);
    s->used = kind_used(k);
    s->misses = COUNT(k, misses);
    s->waiting = c->borrow ? limbo_charge_of(&c->limbo, k->number) : 0;
    if (k->shares_slot)
        return;
    s->hits = sum_slot(c, offsetof(struct stripe_kind, hits), slot);
    pinned = (int64_t)sum_slot(c, offsetof(struct stripe_kind, pinned), slot);
    s->pinned = pinned > 0 ? (size_t)pinned : 0;
}

/* ---- In all */

static void fill_waiting(brim_cache *c, brim_stats *s)
{
    uint64_t now = clock_now(), since = atom_load_relaxed(&c->limbo.since);

    stripes_each(&c->stripes, count_section, &s->sections);
    s->waiting = limbo_charge(&c->limbo);
    s->waiting_values = (size_t)limbo_count(&c->limbo);
    s->waiting_ns = s->waiting_values == 0 ? 0 : now > since ? now - since : 1;
}

static void fill_shards(brim_cache *c, brim_stats *s)
{
    for (unsigned i = 0; i < c->shard_count; i++) {
        struct shard *sh = &c->shards[i];

        shard_lock_to_look(sh);
        s->lock_waits += sh->lock_waits;
        s->lock_wait_ns += sh->lock_wait_ns;
        s->loading += sh->loading;
        shard_unlock(sh);
    }
}

/* Relaxed, all: statistics. */
static void fill(brim_cache *c, brim_stats *s)
{
    for (const struct kind *k = atom_load_acquire(&c->kinds); k != NULL; k = shared_get(k->next))
        add_kind(k, s);
    s->floor = s->ceiling = 0;
    s->hits = stats_hits(c);
    s->misses = SUM(c, misses);
    s->capacity = brim_capacity(c);
    s->used = brim_used(c);
    s->pinned = brim_pinned(c);
    s->reserved = (size_t)(SUM(c, reserved) + atom_load_relaxed(&c->by_user) + atom_load_relaxed(&c->by_loads));
    s->count = brim_count(c);
    s->remembering = remembering(c);
    s->overhead = overhead(c) + s->remembering;
    s->shards = c->shard_count;
    s->frame = brim_frame(c);
    s->frame_evictions = atom_load_relaxed(&c->frame_evictions);
    fill_waiting(c, s);
    fill_shards(c, s);
}

void brim_stats_get_sized(brim_cache *c, const brim_kind *kind, brim_stats *out, size_t size)
{
    brim_stats s;
    const struct kind *k;

    if (out == NULL || size == 0)
        return;
    memset(&s, 0, sizeof s);
    s.size = size < sizeof s ? size : sizeof s;
    if (c != NULL && kind == NULL)
        fill(c, &s);
    else if (c != NULL && (k = kind_look_up(c, kind)) != NULL)
        fill_kind(c, k, &s);
    memset(out, 0, size);
    memcpy(out, &s, s.size);
}
