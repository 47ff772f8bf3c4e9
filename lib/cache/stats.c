/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "base/clock.h"
#include "cache/cache.h"

#define SUM(c, field) stripes_sum(&(c)->stripes, offsetof(struct stripe, field))

static size_t overhead(const brim_cache *c)
{
    size_t n = sizeof *c + sizeof *c->shards * c->shard_count + stripes_bytes(&c->stripes) +
               atom_load_relaxed(&((brim_cache *)(uintptr_t)c)->slab.bytes);

    for (unsigned i = 0; i < c->shard_count; i++)
        n += atom_load_relaxed(&c->shards[i].bytes);
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

static void fill_waiting(brim_cache *c, brim_stats *s)
{
    uint64_t now = clock_now(), since = atom_load_relaxed(&c->limbo.since);

    stripes_each(&c->stripes, count_section, &s->sections);
    s->waiting = limbo_charge(&c->limbo);
    s->waiting_values = (size_t)limbo_count(&c->limbo);
    s->waiting_ns = s->waiting_values == 0 ? 0 : now > since ? now - since : 1;
}

static void fill(brim_cache *c, brim_stats *s)
{
    s->hits = SUM(c, hits);
    s->misses = SUM(c, misses);
    s->insertions = SUM(c, insertions);
    s->refused = SUM(c, refused);
    for (size_t i = 0; i < sizeof s->left / sizeof s->left[0]; i++)
        s->left[i] = SUM(c, left[i]);
    s->capacity = brim_capacity(c);
    s->used = brim_used(c);
    s->pinned = brim_pinned(c);
    s->reserved = (size_t)(SUM(c, reserved) + atom_load_relaxed(&c->by_user));
    s->uncharged = (size_t)atom_load_relaxed(&c->uncharged);
    s->count = brim_count(c);
    for (const struct kind *k = atom_load_acquire(&c->kinds); k != NULL; k = k->next)
        s->values += tally_count(&k->values);
    s->remembering = remembering(c);
    s->overhead = overhead(c) + s->remembering;
    s->shards = c->shard_count;
    fill_waiting(c, s);
}

void brim_stats_get_sized(brim_cache *c, const brim_kind *kind, brim_stats *out, size_t size)
{
    brim_stats s;
    const struct kind *k;

    if (out == NULL || size == 0)
        return;
    memset(&s, 0, sizeof s);
    s.size = size < sizeof s ? size : sizeof s;
    if (c != NULL && kind == NULL) {
        fill(c, &s);
    } else if (c != NULL && (k = kind_look_up(c, kind)) != NULL) {
        s.used = tally_amount(&k->values);
        s.values = tally_count(&k->values);
    }
    memset(out, 0, size);
    memcpy(out, &s, s.size);
}
