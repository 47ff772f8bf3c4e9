/* SPDX-License-Identifier: MIT
 *
 * What brim_get, brim_claim, brim_claim_async and their like share: a load's memory, and asking for a value.
 */
#include "cache/load.h"

#include <string.h>

#include "base/clock.h"
#include "cache/find.h"
#include "cache/group.h"
#include "cache/wait.h"

/* ---- The end of its memory */

void load_unreserve(struct brim_load *l)
{
    struct caller by = caller_of(l->cache);
    size_t reserved = l->reserved;

    if (reserved == 0)
        return;
    l->reserved = 0;
    admit_from_loads(l->cache, by, reserved);
    admit_undo(l->cache, by, reserved);
}

static void free_one(struct brim_load *l)
{
    struct brim_cache *c = l->cache;
    struct thread *t = thread_self();

    load_unreserve(l);
    if (l->flight.entry != NULL)
        dispose_unborn(c, l->flight.entry);
    if (l->spare != NULL)
        dispose_unborn(c, l->spare);
    cond_destroy(&l->flight.ended);
    if (l->other != NULL)
        kind_let_go(l->other, t);
    if (l->kind != NULL)
        kind_let_go(l->kind, t); /* a callback, with the cache alive */
    slab_retire(&c->slab, t, l, slab_class_of(sizeof *l));
    cache_drop_live(c, t);
}

void load_free_slow(struct flight *list)
{
    while (list != NULL) {
        struct flight *f = list;
        list = f->next;
        free_one(load_of(f));
    }
}

size_t load_reserved(const struct flight *list)
{
    size_t sum = 0;

    for (; list != NULL; list = list->next)
        sum += load_of((struct flight *)(uintptr_t)list)->reserved;
    return sum;
}

void load_drop(struct brim_load *l)
{
    if (shard_unref(load_shard(l), &l->flight))
        free_one(l);
}

/* ---- A load is made */

/* Memory for all that finishing needs. */
static bool make_entries(struct brim_load *l, struct thread *t, const struct insertion *in)
{
    struct extra most = {.max_age = 1, .groups = EXTRA_GROUPS};

    l->flight.entry = insert_alloc(in, t, l->hash, extra_size(in->key_len, &in->extra));
    if (l->flight.entry == NULL)
        return false;
    insert_fill(in, l->flight.entry);
    if (l->by_loader)
        return true;
    l->spare = insert_alloc(in, t, l->hash, extra_size(in->key_len, &most));
    return l->spare != NULL;
}

static void reserve(struct brim_load *l, struct caller by, size_t expected)
{
    size_t charge = expected + cache_overhead(l->cache, extra_size(l->in.key_len, &l->in.extra));
    struct admission a = {.cache = l->cache, .by = by, .charge = charge};

    if (expected == 0 || expected > SIZE_MAX / 2 || charge > budget_capacity(&l->cache->budget))
        return;
    a.for_entry = l->flight.entry;
    a.hash = l->hash;
    a.now = cache_now_for_ages(l->cache);
    if (admit(&a) != BRIM_OK)
        return; /* the load goes on without */
    l->reserved = charge;
    admit_to_loads(l->cache, by, charge);
}

static struct brim_load *load_alloc(const struct insertion *in, uint64_t hash, struct caller by, bool by_loader)
{
    struct slab *slab = &in->cache->slab;
    struct brim_load *l = slab_alloc(slab, by.t, sizeof *l);

    if (l == NULL)
        return NULL;
    memset(l, 0, sizeof *l);
    l->cache = in->cache;
    l->in = *in;
    l->claimed = atom_load_acquire(&l->cache->group_clock); /* what it will load was not read before (edge late) */
    l->hash = hash;
    l->by_loader = by_loader;
    if (flight_init(&l->flight, hash_place(hash), !by.t->reader.shared ? by.t : NULL))
        return l;
    slab_retire(slab, by.t, l, slab_class_of(sizeof *l));
    return NULL;
}

/* OK; NOMEM; CANCELED. */
static brim_status load_new(const struct request *r, struct brim_load **out)
{
    struct brim_cache *c = r->cache;
    struct brim_load *l = load_alloc(&r->in, r->ask.hash, r->by, r->by_loader);

    if (l == NULL)
        return BRIM_NOMEM;
    tally_add(&c->live, r->by.t);
    if (!kind_hold(r->in.kind, r->by.t)) { /* the cache was freed */
        free_one(l);
        return BRIM_CANCELED;
    }
    l->kind = r->in.kind;
    if (!make_entries(l, r->by.t, &r->in)) {
        free_one(l);
        return BRIM_NOMEM;
    }
    l->in.key = NULL; /* the caller's; the entry has a copy */
    *out = l;
    return BRIM_OK;
}

/* ---- A request for a key's value */

void request_reason(const struct request *r, int reason)
{
    if (r->reason != NULL)
        *r->reason = reason;
}

brim_status request_options(struct request *r, const brim_claim_options *o)
{
    r->timeout_ms = -1;
    if (o == NULL)
        return insert_options(r->cache, NULL, &r->in);
    if (o->size < sizeof *o)
        return BRIM_INVALID;
    r->timeout_ms = o->timeout_ms;
    r->expected = o->expected_cost;
    r->reason = o->reason;
    request_reason(r, 0);
    return insert_options(r->cache, o->entry, &r->in);
}

/* The same for a call that may hit, and then takes no lock: a kind that the cache has not met waits in ${*unmet}. */
static brim_status options_of_hit(struct request *r, const brim_claim_options *o, brim_entry_options *entry,
                                  brim_claim_options *own, const brim_kind **unmet)
{
    *unmet = NULL;
    if (o == NULL || o->size < sizeof *o || o->entry == NULL || o->entry->size < sizeof *entry ||
        o->entry->kind == NULL || kind_look_up(r->cache, o->entry->kind) != NULL)
        return request_options(r, o);
    *own = *o;
    *entry = *o->entry;
    own->entry = entry;
    *unmet = entry->kind;
    entry->kind = NULL;
    return request_options(r, own);
}

void request_key(struct request *r, const void *key, size_t key_len, uint64_t hash)
{
    r->in.key = r->ask.key = key;
    r->in.key_len = r->ask.len = key_len;
    r->ask.hash = hash;
}

brim_status request_begin(struct request *r, struct brim_cache *c, const void *key, size_t key_len,
                          const brim_claim_options *o, struct entry_list *last)
{
    const brim_kind *unmet;
    brim_entry_options entry;
    brim_claim_options own;
    brim_status status, known;

    if (o != NULL && o->size >= sizeof *o && o->reason != NULL)
        *o->reason = 0;
    if (c == NULL || cache_key_is_bad(key, key_len))
        return BRIM_INVALID;
    r->cache = c;
    r->by = caller_of(c);
    if ((status = options_of_hit(r, o, &entry, &own, &unmet)) != BRIM_OK && status != BRIM_CANCELED)
        return status;
    request_key(r, key, key_len, hash_bytes(&c->hash, key, key_len));
    r->result = find_hit(c, r->by, r->ask.hash, key, key_len, last);
    if (r->result != NULL)
        return BRIM_OK;
    if (unmet != NULL && (known = kind_get(c, unmet, &r->in.kind)) != BRIM_OK)
        return known;
    return status == BRIM_CANCELED ? BRIM_CANCELED : BRIM_PENDING;
}

void request_missed(struct request *r, struct entry_list *last)
{
    PROBE_MISS(r->cache, r->ask.key, r->ask.len);
    stripe_add(r->by.st, misses, 1);
    kind_count(r->in.kind, r->by.t, misses, 1);
    dispose_lasts(last);
}

/* ---- Asking */

static uint64_t deadline_of(int timeout_ms)
{
    return timeout_ms < 0 ? 0 : clock_now() + (uint64_t)timeout_ms * 1000000u;
}

void request_count_nested(struct thread *t, uint64_t since)
{
    if (!t->reader.shared && t->loading != NULL)
        load_of(t->loading)->nested += clock_now() - since;
}

/* ${w} has waited. */
static brim_status told(struct request *r, const struct waiter *w, bool *again)
{
    if (r->ask.status != BRIM_OK)
        return r->ask.status;
    *again = w->status == BRIM_PENDING;
    r->result = w->result;
    if (w->status == BRIM_FAILED)
        request_reason(r, w->reason);
    return w->status;
}

static brim_status hit(struct request *r)
{
    r->result = r->ask.there;
    cache_use(r->cache, r->result);
    (void)stale_is(r->cache, r->result, true); /* it is used */
    return BRIM_OK;
}

/*
 * Make room for what it expects: now that it is the one.  Meanwhile it is its thread's own, so that a listener that asks
 * for the key gets DEADLOCK.
 */
static void begin_claimed(struct request *r)
{
    struct brim_load *l = r->load;

    PROBE_LOAD_BEGIN(r->cache, r->ask.key, r->ask.len, r->by_loader);
    reserve(l, r->by, r->expected);
    if (!r->by_loader)
        atom_store_relaxed(&l->flight.owner, NULL); /* relaxed: who still sees it looks twice */
}

/* Another's load was overtaken and has ended: groups count as they are now. */
static brim_status ask_anew(struct request *r)
{
    if (r->load != NULL)
        free_one(r->load);
    r->load = NULL;
    return groups_renew(&r->in.extra) == BRIM_OK ? BRIM_PENDING : BRIM_CANCELED;
}

static brim_status ask_once(struct request *r, bool *again)
{
    struct waiter own = {.status = BRIM_PENDING}, *w = r->later != NULL ? r->later : &own;
    enum shard_claim claim;
    brim_status status = BRIM_PENDING;
    uint64_t since = clock_now();

    *again = false;
    r->ask.now = cache_now(r->cache);
    r->ask.frame = brim_frame(r->cache);
    r->ask.flight = r->load != NULL ? &r->load->flight : NULL;
    r->ask.block = r->later == NULL && r->timeout_ms != 0;
    r->ask.waiter = r->later != NULL || r->ask.block ? w : NULL;
    claim = shard_ask(cache_shard(r->cache, hash_place(r->ask.hash)), &r->ask, r->by.st);
    load_free(r->ask.forgotten);
    r->ask.forgotten = NULL;
    switch (claim) {
    case SHARD_HIT:
        return hit(r);
    case SHARD_CLAIMED:
        begin_claimed(r);
        return BRIM_CLAIMED;
    case SHARD_CLAIMABLE:
        *again = true;
        return load_new(r, &r->load);
    case SHARD_JOINED:
    case SHARD_BUSY:
        return BRIM_PENDING;
    case SHARD_TOLD:
        kind_count(r->in.kind, r->by.t, load_waits, 1);
        request_count_nested(r->by.t, since);
        status = told(r, w, again);
        return *again ? ask_anew(r) : status;
    case SHARD_FAILED:
        request_reason(r, r->ask.reason);
        return BRIM_FAILED;
    default: /* SHARD_CLOSED */
        return BRIM_CANCELED;
    }
}

/* In the child of a fork: what the loads of vanished threads leave to do. */
static void end_orphans(struct brim_cache *c)
{
    struct waiter *told_;
    struct flight *flights;

    kinds_lock(c);
    told_ = c->orphans;
    flights = c->orphan_flights;
    c->orphans = NULL;
    c->orphan_flights = NULL;
    atom_store_relaxed(&c->orphaned, 0); /* relaxed: a hint */
    kinds_unlock(c);
    wait_tell(told_);
    load_free(flights);
}

brim_status request_ask(struct request *r)
{
    brim_status status;
    bool again;

    if (unlikely(atom_load_relaxed(&r->cache->orphaned)))
        end_orphans(r->cache);
    r->ask.self = r->by.t;
    r->ask.deadline = deadline_of(r->timeout_ms);
    do
        status = ask_once(r, &again);
    while (again && (status == BRIM_OK || status == BRIM_PENDING));
    if (status != BRIM_CLAIMED && r->load != NULL) {
        free_one(r->load);
        r->load = NULL;
    }
    return status;
}

/* ---- All of them */

void load_end_all(struct brim_cache *c, bool freeing)
{
    if (unlikely(atom_load_relaxed(&c->orphaned)))
        end_orphans(c);
    for (unsigned i = 0; i < c->shard_count; i++) {
        struct waiter *waiters = NULL;
        struct flight *forgotten = NULL;

        shard_overtake_all(&c->shards[i], freeing, &waiters, &forgotten);
        load_free(forgotten);
        wait_tell(waiters);
    }
}

void load_forget_failures(struct brim_cache *c)
{
    uint64_t now = 0;

    for (unsigned i = 0; i < c->shard_count; i++) {
        struct flight *forgotten = NULL;

        if (!shard_has_flights(&c->shards[i]))
            continue;
        now = now != 0 ? now : cache_now(c);
        shard_forget_failures(&c->shards[i], now, &forgotten);
        load_free(forgotten);
    }
}
