/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "brim_debug.h"
#include "cache/cache.h"
#include "cache/find.h"
#include "cache/stats.h"

#define SUM(c, field) stripes_sum(&(c)->stripes, offsetof(struct stripe, field))

struct report {
    FILE *file;
    bool ok;
};

static void expect(struct report *r, bool ok, const char *what, uint64_t is, uint64_t should)
{
    if (ok)
        return;
    r->ok = false;
    if (r->file != NULL)
        fprintf(r->file, "brim_check: %s: is %" PRIu64 ", should be %" PRIu64 "\n", what, is, should);
}

/* ---- One shard: everything under its mutex */

struct shard_sums {
    uint64_t count, used, pooled;
};

static void check_entry_locked(brim_cache *c, struct shard *sh, const struct entry *e, struct report *r)
    REQUIRES(rank_shard)
{
    bool anonymous = (entry_flags(e) & ENTRY_ANONYMOUS) != 0;
    size_t len;
    const void *key = entry_key(e, &len);
    uint64_t hash = anonymous ? e->place : hash_bytes(&c->hash, key, len);

    expect(r, entry_is_linked(e) && !entry_is_dead(e), "an entry of the index is linked", 0, 1);
    expect(r, hash_place(hash) == e->place, "an entry's hash place", e->place, hash_place(hash));
    expect(r, cache_shard(c, e->place) == sh, "an entry lies in its shard", 0, 1);
    expect(r, !(entry_flags(e) & ENTRY_UNCHARGED), "a linked entry is charged", 0, 1);
    expect(r, cache_of(e) == c, "an entry belongs to its cache", 0, 1);
    if (!anonymous)
        expect(r, index_reaches_locked(&sh->index, e, hash_tag(hash)), "a look-up reaches an entry", 0, 1);
}

static void check_shard(brim_cache *c, struct shard *sh, struct report *r)
{
    struct index_cursor cursor = {0};
    struct shard_sums s = {0, 0, 0};
    struct entry *e[SHARD_BATCH];
    unsigned n;

    shard_lock_to_look(sh);
    while ((n = index_scan_locked(&sh->index, &cursor, e, SHARD_BATCH)) > 0) {
        for (unsigned i = 0; i < n; i++) {
            check_entry_locked(c, sh, e[i], r);
            s.count++;
            s.used += entry_cost(e[i]);
            s.pooled += (e[i]->eviction & ENTRY_POOLED) != 0;
        }
    }
    expect(r, s.count == sh->index.count, "entries of a shard's index", sh->index.count, s.count);
    expect(r, s.count == atom_load_relaxed(&sh->count), "a shard's count", atom_load_relaxed(&sh->count), s.count);
    expect(r, s.used == atom_load_relaxed(&sh->used), "a shard's charge", atom_load_relaxed(&sh->used), s.used);
    for (unsigned i = 0; i < sh->policy.pooled; i++) {
        const struct entry *in = sh->policy.pool[i];
        expect(r, entry_is_linked(in) && (in->eviction & ENTRY_POOLED), "a candidate is linked, and says so", 0, 1);
    }
    expect(r, s.pooled == sh->policy.pooled, "entries that are candidates", s.pooled, sh->policy.pooled);
    shard_unlock(sh);
}

/* ---- Over all shards: only true while nothing is under way */

struct totals {
    uint64_t activity; /* differs if anything happened */
    bool quiet;        /* nothing is half done */
    uint64_t used, should, count, values;
};

static struct totals totals_of(brim_cache *c)
{
    uint64_t dying = SUM(c, dying), destroyed = SUM(c, destroyed), reserved = SUM(c, reserved);
    struct totals s = {0};

    for (const struct kind *k = atom_load_acquire(&c->kinds); k != NULL; k = shared_get(k->next)) {
        s.should += tally_amount(&k->values);
        s.values += tally_count(&k->values) - atom_load_relaxed(&((struct kind *)(uintptr_t)k)->held);
        s.activity += kind_sum(k, offsetof(struct kind_counts, insertions));
    }
    s.should += atom_load_relaxed(&c->by_user) + atom_load_relaxed(&c->by_loads);
    s.used = budget_used(&c->budget);
    s.count = brim_count(c);
    s.quiet = dying == destroyed && reserved == 0;
    s.activity += dying + stats_hits(c) + SUM(c, misses) + s.used * 31 + s.should * 17;
    return s;
}

static void check_totals(brim_cache *c, struct report *r)
{
    struct totals a = totals_of(c), b = totals_of(c);
    uint64_t most = budget_capacity(&c->entries);

    if (!a.quiet || !b.quiet || a.activity != b.activity)
        return;
    expect(r, a.used == a.should, "used", a.used, a.should);
    expect(r, (int64_t)a.values >= (int64_t)a.count, "values, at least the entries", a.values, a.count);
    if (most != 0) {
        uint64_t taken = most - (uint64_t)budget_room(&c->entries);
        expect(r, taken == a.count, "the number of entries taken", taken, a.count);
    }
}

bool brim_check(brim_cache *c, FILE *file)
{
    struct report r = {file, true};

    if (c == NULL)
        return true;
    for (unsigned i = 0; i < c->shard_count; i++)
        check_shard(c, &c->shards[i], &r);
    check_totals(c, &r);
    return r.ok;
}

/* ---- Dump */

/* Times that eviction has seen it used, up to 15. */
static unsigned uses_locked(const struct entry *e) REQUIRES(rank_shard)
{
    return e->eviction & ENTRY_FREQUENCY;
}

static unsigned uses_of(brim_cache *c, const struct entry *e)
{
    struct shard *sh = cache_shard(c, e->place);
    unsigned uses;

    shard_lock_to_look(sh);
    uses = uses_locked(e);
    shard_unlock(sh);
    return uses;
}

static void dump_entry(brim_cache *c, FILE *file, const struct entry *e)
{
    size_t len;
    const unsigned char *key = entry_key(e, &len);

    fprintf(file, "  cost %zu uses %u%s key ", cache_entry_cost(e), uses_of(c, e),
            entry_flags(e) & ENTRY_ANONYMOUS ? " anonymous" : "");
    for (size_t i = 0; i < len && i < 32; i++)
        fprintf(file, "%02x", key[i]);
    fprintf(file, "%s (%zu bytes)\n", len > 32 ? "..." : "", len);
}

void brim_dump(brim_cache *c, FILE *file)
{
    struct entry *e[SHARD_BATCH];
    unsigned n;

    if (c == NULL || file == NULL)
        return;
    fprintf(file, "cache %s: capacity %zu used %zu pinned %zu entries %zu shards %u\n",
            c->name != NULL ? c->name : "(no name)", brim_capacity(c), brim_used(c), brim_pinned(c), brim_count(c),
            c->shard_count);
    for (unsigned i = 0; i < c->shard_count; i++) {
        struct index_cursor cursor = {0};
        fprintf(file, " shard %u: used %zu entries %u index %zu bytes\n", i, atom_load_relaxed(&c->shards[i].used),
                atom_load_relaxed(&c->shards[i].count), atom_load_relaxed(&c->shards[i].bytes));
        while ((n = shard_hold_some(&c->shards[i], &cursor, e, caller_of(c).st)) > 0) {
            for (unsigned j = 0; j < n; j++) {
                dump_entry(c, file, e[j]);
                find_let_go(e[j]);
            }
        }
    }
}
