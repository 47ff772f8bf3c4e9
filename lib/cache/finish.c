/* SPDX-License-Identifier: MIT
 *
 * How loads end: published, shared outside the cache, or failed.
 */
#include "base/clock.h"
#include "base/debug.h"
#include "cache/find.h"
#include "cache/group.h"
#include "cache/load.h"
#include "cache/pins.h"
#include "cache/wait.h"

/* Nanoseconds in which its value was made. */
static uint64_t time_taken(const struct brim_load *l)
{
    uint64_t taken = l->begun != 0 ? clock_now() - l->begun : 0;

    return taken > l->nested ? taken - l->nested : 0;
}

/* Now: what is published may be gone the next moment, with its key. */
static void probe_end(const struct brim_load *l, const struct entry *e, brim_status status, uint64_t taken, size_t cost,
                      int reason)
{
    size_t len;
    const void *key = entry_key(e, &len);

    PROBE_LOAD_END(l->cache, key, len, status, taken, cost, reason);
}

static void count_load(const struct brim_load *l, struct thread *t, uint64_t taken, bool redundant)
{
    kind_count(l->in.kind, t, loads, 1);
    kind_count(l->in.kind, t, load_ns, taken);
    if (redundant)
        kind_count(l->in.kind, t, redundant_loads, 1);
}

/* Of a load whose room is reserved: publish it.  OK; CANCELED; FULL. */
static brim_status publish(struct brim_load *l, struct admission *a, struct entry *e, uint64_t taken, struct waiter **told,
                           struct entry_list *left)
{
    struct shard_link link = {.refs = l->in.refs, .flight = &l->flight};
    enum shard_outcome outcome;

    kind_taken(l->in.kind, a->by.t);
    outcome = insert_link(&l->in, a, &link, e, left);
    if (outcome == SHARD_LINKED) {
        *told = link.told;
        count_load(l, a->by.t, taken, link.redundant);
        return BRIM_OK;
    }
    kind_destroyed(l->in.kind, a->by.t);
    admit_cancel(a);
    return outcome == SHARD_GONE ? BRIM_CANCELED : BRIM_FULL;
}

/* Reserve what ${e} is charged: what was reserved for the load is part of it. */
static brim_status admit_load(struct brim_load *l, struct admission *a, size_t cost)
{
    size_t have = l->reserved;

    l->reserved = 0;
    if (have > 0)
        admit_from_loads(l->cache, a->by, have);
    a->have = have;
    if (cost <= SIZE_MAX / 2 && a->charge <= budget_capacity(&l->cache->budget))
        return admit(a);
    admit_undo(l->cache, a->by, have);
    return BRIM_TOO_BIG;
}

static brim_status try_publish(struct brim_load *l, struct entry *e, size_t cost, uint64_t taken, struct waiter **told,
                               struct entry_list *left)
{
    struct admission a = {.cache = l->cache, .by = caller_of(l->cache), .for_entry = e, .hash = l->hash, .kind = l->in.kind};
    brim_status status;

    if (l->in.closed || flight_is_overtaken(&l->flight))
        return BRIM_CANCELED;
    a.charge = entry_cost(e);
    a.now = cache_now_for_ages(l->cache);
    status = admit_load(l, &a, cost);
    if (status == BRIM_OK)
        status = publish(l, &a, e, taken, told, left);
    if (status != BRIM_TOO_BIG && status != BRIM_FULL)
        return status;
    kind_count(l->in.kind, a.by.t, refused, 1);
    kind_count(l->in.kind, a.by.t, too_big, status == BRIM_TOO_BIG);
    return status;
}

/* Not published: those who asked before share it all the same, uncharged. */
static void share_outside(struct brim_load *l, struct entry *e, size_t cost, uint64_t taken, struct waiter **told)
{
    struct thread *t = thread_self();

    kind_taken(l->in.kind, t);
    insert_uncharge(&l->in, e, cost);
    count_load(l, t, taken, false);
    (void)shard_end(load_shard(l), &l->flight, BRIM_OK, 0, e, 1, 0, told);
}

brim_status load_finish(struct brim_load *l, struct entry *e, void *value, size_t cost, struct entry **out)
{
    struct entry_list left = {NULL, NULL};
    struct waiter *waiters = NULL;
    uint64_t taken = time_taken(l);
    bool wants = l->in.refs > 0;
    brim_status status;

    if (e->work == policy_pack_work(0))
        e->work = policy_pack_work(taken);
    probe_end(l, e, BRIM_OK, taken, cost, 0);
    insert_set_value(&l->in, e, value, cost);
    status = try_publish(l, e, cost, taken, &waiters, &left);
    if (status != BRIM_OK)
        share_outside(l, e, cost, taken, &waiters);
    if (e == l->flight.entry)
        l->flight.entry = NULL; /* it is not ours to free any more */
    else
        l->spare = NULL;
    load_unreserve(l);
    *out = wants ? e : NULL;
    if (status != BRIM_OK && !wants)
        find_let_go(e);
    wait_tell(waiters);
    dispose(&left, NULL);
    load_drop(l);
    return status;
}

void load_fail(struct brim_load *l, int reason, uint64_t ns)
{
    struct waiter *waiters = NULL;
    uint64_t until = 0, now, taken = time_taken(l);
    struct thread *t = thread_self();

    if (ns > 0) {
        now = cache_now(l->cache);
        until = ns < UINT64_MAX - now ? now + ns : UINT64_MAX;
    }
    if (l->spare != NULL)
        dispose_unborn(l->cache, l->spare);
    l->spare = NULL;
    kind_count(l->in.kind, t, load_failures, 1);
    kind_count(l->in.kind, t, load_ns, taken);
    probe_end(l, l->flight.entry, BRIM_FAILED, taken, 0, reason);
    load_unreserve(l);
    (void)shard_end(load_shard(l), &l->flight, BRIM_FAILED, reason, NULL, 0, until, &waiters);
    wait_tell(waiters);
    load_drop(l);
}

/* ---- The public calls */

/* A loader's own load ends by its return. */
static bool is_lent(const struct brim_load *l)
{
    struct thread *t = thread_self();

    for (struct flight *f = t->reader.shared ? NULL : t->loading; f != NULL; f = load_of(f)->outer)
        if (load_of(f) == l)
            return true;
    return false;
}

static bool may_end(const struct brim_load *l, const char *consumed)
{
    if (l == NULL)
        return false;
    if (is_lent(l)) {
        debug_misuse("brim: a loader ends its load by returning, not by brim_load_finish or brim_load_fail");
        return false;
    }
    (void)consumed;
    return pins_forget(l, consumed) && !l->by_loader;
}

/* The spare becomes the entry, with other options. */
static brim_status use_spare(struct brim_load *l, const brim_entry_options *o)
{
    struct insertion in = {.key_len = l->in.key_len};
    brim_status status = insert_options(l->cache, o, &in);

    if (status != BRIM_OK && status != BRIM_CANCELED)
        return status;
    in.closed = status == BRIM_CANCELED || groups_raised_since(&in.extra, l->claimed);
    if (in.closed)
        in.extra.groups = 0;
    if (in.kind != l->kind && kind_hold(in.kind, thread_self()))
        l->other = in.kind; /* else it was told unused, and will be again: the user has come back with it */
    l->in = in;
    insert_fill(&l->in, l->spare);
    return BRIM_OK;
}

static brim_status end_claimed(brim_load *l, void *value, size_t cost, const brim_entry_options *o, brim_ref **out)
{
    struct entry *result = NULL;
    brim_status status;

    if (out != NULL)
        *out = NULL;
    if (!may_end(l, "brim_load_finish: the load was consumed already"))
        return BRIM_INVALID;
    if (o != NULL && (status = use_spare(l, o)) != BRIM_OK) {
        pins_load(l->cache, l);
        return status;
    }
    l->in.refs = out != NULL;
    status = load_finish(l, o != NULL ? l->spare : l->flight.entry, value, cost, &result);
    if (out != NULL)
        *out = ref_of(result);
    return status;
}

brim_status brim_load_finish_with(brim_load *l, void *value, size_t cost, const brim_entry_options *o, brim_ref **out)
{
    brim_status status = end_claimed(l, value, cost, o, out);

    pins_out(out);
    return status;
}

brim_status brim_load_finish(brim_load *l, void *value, size_t cost, brim_ref **out)
{
    brim_status status = end_claimed(l, value, cost, NULL, out);

    pins_out(out);
    return status;
}

void brim_load_fail_for(brim_load *l, int reason, uint64_t ns)
{
    if (may_end(l, "brim_load_fail: the load was consumed already"))
        load_fail(l, reason, ns);
}

void brim_load_fail(brim_load *l, int reason)
{
    brim_load_fail_for(l, reason, 0);
}

/* ---- While it is under way */

void brim_load_begin(brim_load *l)
{
    if (l != NULL && !l->by_loader)
        l->begun = clock_now();
}

static bool has_stale_groups(const struct brim_load *l)
{
    return (entry_flags(l->flight.entry) & ENTRY_GROUPS) != 0 && extra_look(l->flight.entry, 0, false) != EXTRA_FRESH;
}

bool brim_load_is_wanted(const brim_load *l)
{
    return l != NULL && flight_is_wanted(&l->flight, l->by_loader) && !has_stale_groups(l);
}

uint64_t brim_load_asked(const brim_load *l)
{
    /* Relaxed: news of it may be late. */
    return l != NULL ? atom_load_relaxed(&((brim_load *)(uintptr_t)l)->flight.asked) : 0;
}

brim_load *brim_load_current(void)
{
    struct thread *t = thread_self();

    return t->reader.shared || t->loading == NULL ? NULL : load_of(t->loading);
}

bool brim_load_cancel(brim_cache *c, const void *key, size_t key_len)
{
    struct waiter *waiters = NULL;
    struct flight *forgotten = NULL;
    uint64_t hash;
    bool canceled;

    if (c == NULL || cache_key_is_bad(key, key_len))
        return false;
    hash = hash_bytes(&c->hash, key, key_len);
    tally_add(&c->live, thread_self()); /* a callback may free the cache */
    canceled = shard_cancel(cache_shard(c, hash_place(hash)), hash, key, key_len, &waiters, &forgotten);
    load_free(forgotten);
    wait_tell(waiters);
    cache_drop_live(c, thread_self());
    return canceled;
}
