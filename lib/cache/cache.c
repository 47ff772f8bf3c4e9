/* SPDX-License-Identifier: MIT */
#include "cache/cache.h"

#include <string.h>

#include "base/clock.h"

#include "cache/dispose.h"
#include "cache/fork.h"
#include "cache/load.h"
#include "cache/registry.h"
#include "cache/section.h"
#include "cache/walk.h"
#include "entry/extra.h"

enum {
    SHARDS_CHOSEN = 64,           /* at most, when the choice is ours */
    SHARDS_MOST = 1 << 16,
    SHARD_ENTRIES = 128,          /* at least, on average: below 64 a shard eviction gets worse */
    /*
     * Of an entry, if nothing is known: rather too much.  Shards too few let writers wait for one another; shards of
     * too few entries evict what should stay (of a real trace in 16 of two entries each .42 missed, in one shard .29).
     */
    TYPICAL_COST = 65536
};

/* ---- Options */

void brim_options_init_sized(brim_options *o, size_t size, size_t capacity)
{
    memset(o, 0, size);
    o->size = size;
    o->capacity = capacity;
}

void brim_entry_options_init_sized(brim_entry_options *o, size_t size)
{
    memset(o, 0, size);
    o->size = size;
}

void brim_claim_options_init_sized(brim_claim_options *o, size_t size)
{
    memset(o, 0, size);
    o->size = size;
    o->timeout_ms = -1;
}

static brim_status validate(const brim_options *o)
{
    const brim_allocator *a = o->allocator;

    if (o->size < sizeof *o || o->capacity > SIZE_MAX / 2 || o->shards > SHARDS_MOST ||
        o->objective < BRIM_BALANCED || o->objective > BRIM_WORK || o->hash < BRIM_HASH_FAST ||
        o->hash > BRIM_HASH_STRONG)
        return BRIM_INVALID;
    if (a != NULL && (a->size < sizeof *a || a->alloc == NULL || a->free == NULL))
        return BRIM_INVALID;
    return BRIM_OK;
}

static unsigned log2_up(unsigned n)
{
    unsigned bits = 0;

    while ((1u << bits) < n)
        bits++;
    return bits;
}

static unsigned choose_shard_bits(const brim_options *o)
{
    size_t entries = o->capacity / (o->expected_cost != 0 ? o->expected_cost : TYPICAL_COST);
    unsigned bits = 0;

    if (o->shards != 0)
        return log2_up(o->shards);
    if (o->max_entries != 0 && o->max_entries < entries)
        entries = o->max_entries;
    while ((1u << bits) < SHARDS_CHOSEN && entries / SHARD_ENTRIES >> bits > 1)
        bits++;
    return bits;
}

/* ---- New */

static void destroy_parts(struct brim_cache *c)
{
    brim_allocator mem = c->mem;

    for (unsigned i = 0; i < c->shard_count; i++)
        shard_destroy(&c->shards[i]);
    mem_free(&mem, c->shards, sizeof *c->shards << c->shard_bits, CACHE_ALIGN);
    mem_free(&mem, c->roots, sizeof *c->roots << c->shard_bits, CACHE_ALIGN);
    slab_destroy(&c->slab);
    kinds_destroy(c);
    stripes_destroy(&c->stripes);
    limbo_destroy(&c->limbo);
    adapt_destroy(&c->adapt, &mem);
    lock_destroy(&c->kind_lock);
    if (c->name != NULL)
        mem_free(&mem, c->name, strlen(c->name) + 1, 1);
    mem_free(&mem, c, sizeof *c, CACHE_ALIGN);
}

static bool copy_name(struct brim_cache *c, const char *name)
{
    if (name == NULL)
        return true;
    c->name = mem_alloc(&c->mem, strlen(name) + 1, 1);
    if (c->name != NULL)
        memcpy(c->name, name, strlen(name) + 1);
    return c->name != NULL;
}

static bool make_shards(struct brim_cache *c, brim_objective objective, uint64_t seed)
{
    c->shards = mem_alloc_zeroed(&c->mem, sizeof *c->shards << c->shard_bits, CACHE_ALIGN);
    c->roots = mem_alloc_zeroed(&c->mem, sizeof *c->roots << c->shard_bits, CACHE_ALIGN);
    if (c->shards == NULL || c->roots == NULL)
        return false;
    while (c->shard_count < 1u << c->shard_bits) {
        if (!shard_init(&c->shards[c->shard_count], &c->roots[c->shard_count], &c->common, objective,
                        seed + c->shard_count, c->shard_bits))
            return false;
        c->shard_count++;
    }
    return true;
}

/* The parts that destroy_parts takes for granted. */
static struct brim_cache *make_frame(const brim_allocator *mem, brim_objective objective, uint64_t seed)
{
    struct brim_cache *c = mem_alloc_zeroed(mem, sizeof *c, CACHE_ALIGN);

    if (c == NULL)
        return NULL;
    c->mem = *mem;
    if (!stripes_init(&c->stripes, &c->mem))
        goto no_stripes;
    if (!lock_init(&c->kind_lock, RANK_KIND))
        goto no_lock;
    if (!adapt_init(&c->adapt, objective, seed))
        goto no_adapt;
    if (!limbo_init(&c->limbo))
        goto no_limbo;
    if (!slab_init(&c->slab, &c->mem))
        goto no_slab;
    return c;
no_slab:
    limbo_destroy(&c->limbo);
no_limbo:
    adapt_destroy(&c->adapt, mem);
no_adapt:
    lock_destroy(&c->kind_lock);
no_lock:
    stripes_destroy(&c->stripes);
no_stripes:
    mem_free(mem, c, sizeof *c, CACHE_ALIGN);
    return NULL;
}

static void fill_common(struct brim_cache *c, const brim_options *o)
{
    c->common.mem = &c->mem;
    c->common.entries = o->max_entries != 0 ? &c->entries : NULL;
    c->common.adapt = &c->adapt;
    c->common.limit_of = kind_limit;
    c->common.protect = o->protect_frame;
    atom_store_relaxed(&c->common.stamp, STAMP);
}

static brim_status fill(struct brim_cache *c, const brim_options *o, uint64_t seed)
{
    brim_status status;

    c->charge_overhead = o->charge_overhead;
    c->borrow = o->borrow;
    c->shard_bits = choose_shard_bits(o);
    c->shard_shift = 32 - c->shard_bits;
    c->now = o->now;
    c->now_arg = o->now_arg;
    c->gone = o->gone;
    c->gone_arg = o->gone_arg;
    hasher_init(&c->hash, o->hash, seed);
    tally_init(&c->live);
    budget_init(&c->budget, o->capacity);
    budget_init(&c->entries, o->max_entries);
    fill_common(c, o);
    if (!copy_name(c, o->name) || !make_shards(c, o->objective, seed))
        return BRIM_NOMEM;
    if ((status = kind_get(c, o->kind, &c->default_kind)) != BRIM_OK)
        return status;
    if (!fork_start())
        return BRIM_NOMEM;
    tally_add(&c->live, thread_self());
    if (c->borrow)
        section_allow(c);
    registry_join(c);
    return BRIM_OK;
}

brim_status brim_cache_new(const brim_options *o, brim_cache **out)
{
    brim_options defaults;
    uint64_t seed;
    brim_status status;
    brim_cache *c;

    if (out == NULL)
        return BRIM_INVALID;
    *out = NULL;
    if (o == NULL) {
        brim_options_init(&defaults, 0);
        o = &defaults;
    }
    if ((status = validate(o)) != BRIM_OK)
        return status;
    seed = o->seed != 0 ? o->seed : hash_entropy();
    c = make_frame(o->allocator != NULL ? o->allocator : &mem_default, o->objective, seed);
    if (c == NULL)
        return BRIM_NOMEM;
    if ((status = fill(c, o, seed)) != BRIM_OK) {
        destroy_parts(c);
        return status;
    }
    *out = c;
    return BRIM_OK;
}

/* ---- Free */

static void finish(struct brim_cache *c)
{
    void (*gone)(void *) = c->gone;
    void *arg = c->gone_arg;

    registry_leave(c);
    epoch_wait(&epoch_process); /* who dropped the others may still be on its way out */
    destroy_parts(c);
    if (gone != NULL)
        gone(arg);
}

void cache_drop_live(struct brim_cache *c, struct thread *t)
{
    if (tally_drop(&c->live, t))
        finish(c);
}

void brim_cache_free(brim_cache *c)
{
    if (c == NULL)
        return;
    for (unsigned i = 0; i < c->shard_count; i++)
        shard_close(&c->shards[i]);
    load_end_all(c, true);
    walk_remove_all(c, BRIM_FREED);
    kinds_close(c);
    (void)tally_close(&c->live); /* never the last: our own hold is still among them */
    if (c->borrow)
        section_forbid(c);
    cache_drop_live(c, thread_self());
}

/* ---- Time */

uint64_t cache_now(const struct brim_cache *c)
{
    uint64_t now = c->now != NULL ? c->now(c->now_arg) : clock_now();

    return now < EXTRA_EXPIRED - 2 ? now + 1 : EXTRA_EXPIRED - 1;
}

uint32_t cache_tick(const struct brim_cache *c)
{
    return (uint32_t)((c->now != NULL ? c->now(c->now_arg) : clock_coarse()) >> STAMP_TICK_NS_SHIFT);
}

uintptr_t cache_birth(const struct brim_cache *c, bool used)
{
    uintptr_t fresh = !used && c->common.protect ? STAMP_FRESH : 0;
    /* Relaxed: a frame begins when it is seen to. */
    uintptr_t now = atom_load_relaxed(&((struct brim_cache *)(uintptr_t)c)->common.stamp);

    return (uintptr_t)cache_tick(c) << STAMP_BORN_SHIFT | now | fresh;
}

/* ---- Small things */

size_t cache_entry_cost(const struct entry *e)
{
    size_t charge = entry_cost(e);

    if (entry_flags(e) & ENTRY_UNCHARGED)
        return charge;
    return charge - (cache_of(e)->charge_overhead ? cache_overhead(cache_of(e), extra_size_of(e)) : 0);
}
