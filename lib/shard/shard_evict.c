/* SPDX-License-Identifier: MIT
 *
 * What a shard gives up: to eviction, to sweeps, and what is stale.
 */
#include "shard/shard_locked.h"

#include "base/hash.h"

enum { SAMPLES = 4, EVICTIONS = 16 /* in one hold of the mutex */ };

/* ---- Who may go */

/*
 * How the current frame protects ${e}: 0: not; 1: it inserted it, and nobody has asked for it since; 2: it used it.
 */
static unsigned level_of(const struct shard *sh, const struct entry *e)
{
    uintptr_t stamp = entry_stamped(e), now = atom_load_relaxed(&sh->common->stamp); /* relaxed: a hint */

    if (!sh->common->protect || stamp_frame(stamp) != stamp_frame(now))
        return 0;
    return stamp & STAMP_FRESH ? 1 : 2;
}

static bool is_used_since(const struct shard_sweep *w, const struct entry *e)
{
    uintptr_t stamp = entry_stamped(e);

    if (w->idle_least > 0)
        return (uint8_t)(w->idle_now - stamp_idle(stamp)) < w->idle_least;
    return (int32_t)(stamp_frame(stamp) - w->before_frame) >= 0;
}

/* Evicting it frees nothing yet: its owner is to destroy it. */
static bool is_queued(const struct shard *sh, const struct shard_sweep *w, const struct entry *e)
{
    return unlikely(w->queues) && sh->common->limit_of(e)->queued;
}

static bool spared(const struct shard *sh, const struct shard_sweep *w, const struct entry *e)
{
    return e == w->keep || (w->like != NULL && e->place == w->like->place) ||
           (w->kind >= 0 && entry_kind(e) != (unsigned)w->kind) || (w->by_use && is_used_since(w, e)) ||
           (w->cause == BRIM_EVICTED && level_of(sh, e) > w->frame_too) ||
           (w->queue_need == 0 && is_queued(sh, w, e));
}

static bool wants_more(const struct shard_sweep *w)
{
    return w->freed < w->need && w->taken < w->most;
}

/* ---- Taking one */

static void count_taken(struct shard_sweep *w, size_t freed, bool queued)
{
    if (unlikely(queued))
        w->queue_need -= freed < w->queue_need ? freed : w->queue_need;
    else
        w->freed += freed;
    w->taken++;
}

/* Of the sum that its kind's floor is about.  False: that would go below it. */
static bool leave_floor_locked(struct shard *sh, struct entry *e, const struct shard_sweep *w, struct limit **limit)
    REQUIRES(rank_shard)
{
    *limit = NULL;
    if (likely(!(e->eviction & ENTRY_IN_LINKED)) || !w->floors || (int)entry_kind(e) == w->but_kind)
        return true;
    *limit = sh->common->limit_of(e);
    return limit_spare(*limit, entry_cost(e));
}

/* ${chosen}: by the policy. */
static bool take_locked(struct shard *sh, struct entry *e, bool chosen, struct shard_sweep *w, struct stripe *st,
                        struct entry_list *left) REQUIRES(rank_shard)
{
    unsigned level = w->cause == BRIM_EVICTED ? level_of(sh, e) : 0;
    enum shard_how how = w->cause != BRIM_EVICTED ? SHARD_UNTOLD : chosen ? SHARD_CHOSEN : SHARD_EVICTED;
    size_t cost = entry_cost(e);
    bool queued = is_queued(sh, w, e);
    struct limit *limit;

    policy_prefetch(&sh->policy, e->place);
    if (entry_is_held(e) || !leave_floor_locked(sh, e, w, &limit))
        return false;
    if (limit != NULL)
        e->eviction &= (uint8_t)~ENTRY_IN_LINKED;
    if (!shard_evict_locked(sh, e, w->cause, how, w->claim, st, left)) {
        if (limit != NULL)
            limit_adopt(limit, e);
        return false;
    }
    w->used_now += level == 2;
    count_taken(w, cost, queued);
    return true;
}

/*
 * ${e} is stale: it goes, for that cause, whatever else; if it is held it frees nothing yet, and of another kind nothing
 * of what is wanted.
 */
static void take_stale_locked(struct shard *sh, struct entry *e, enum extra_state state, struct shard_sweep *w,
                              struct stripe *st, struct entry_list *left) REQUIRES(rank_shard)
{
    size_t cost = w->kind < 0 || entry_kind(e) == (unsigned)w->kind ? entry_cost(e) : 0;
    bool queued = is_queued(sh, w, e);

    if (shard_evict_locked(sh, e, shard_cause(state, BRIM_EVICTED), SHARD_UNTOLD, w->claim, st, left))
        count_taken(w, cost, queued);
    else
        shard_unlink_locked(sh, e, shard_cause(state, BRIM_EVICTED), st, left);
}

bool shard_evict_old(struct shard *sh, uint64_t hash, const void *key, size_t len, struct entry *expected,
                     struct shard_sweep *w, struct stripe *st, struct entry_list *left)
{
    struct entry *e = expected;
    bool evicted;

    shard_lock(sh);
    if (e == NULL)
        e = index_find(index_view(&sh->index), hash, key, len);
    evicted = e != NULL && entry_is_linked(e) && entry_cost(e) >= w->need && take_locked(sh, e, false, w, st, left);
    shard_unlock(sh);
    return evicted;
}

/* ---- By the policy */

/* Neighbours from a random place on, those left out that nobody could evict now.  What is stale goes at once. */
static unsigned sample_locked(struct shard *sh, struct entry *sample[POLICY_SAMPLE], unsigned most,
                              struct shard_sweep *w, struct stripe *st, struct entry_list *left) REQUIRES(rank_shard)
{
    unsigned n = index_sample_locked(&sh->index, hash_random(&sh->policy.random), sample, most), free = 0;

    for (unsigned i = 0; i < n; i++)
        __builtin_prefetch(sample[i], 1);
    for (unsigned i = 0; i < n; i++) {
        enum extra_state state = shard_look_locked(sample[i], w->now);
        if (unlikely(state != EXTRA_FRESH))
            take_stale_locked(sh, sample[i], state, w, st, left);
        else if (!entry_is_held(sample[i]))
            sample[free++] = sample[i];
        else
            policy_keep_up(&sh->policy, sample[i]);
    }
    return free;
}

/* The first of ${n} that can be. */
static bool take_first_locked(struct shard *sh, struct entry *const e[], unsigned n, struct shard_sweep *w,
                              struct stripe *st, struct entry_list *left) REQUIRES(rank_shard)
{
    for (unsigned i = 0; i < n; i++)
        if (take_locked(sh, e[i], true, w, st, left))
            return true;
    return false;
}

/* The worst of the pool, in the order of how the frame protects them. */
static bool take_worst_locked(struct shard *sh, struct shard_sweep *w, struct stripe *st, struct entry_list *left)
    REQUIRES(rank_shard)
{
    struct entry *inserted[POLICY_POOL], *used[POLICY_POOL], *e; /* by the frame: later */
    unsigned n_inserted = 0, n_used = 0;

    while ((e = policy_next(&sh->policy)) != NULL) {
        unsigned level = level_of(sh, e);
        enum extra_state state = shard_look_locked(e, w->now);
        if (unlikely(state != EXTRA_FRESH)) {
            take_stale_locked(sh, e, state, w, st, left);
            return true;
        }
        if (spared(sh, w, e) || entry_is_held(e))
            continue;
        if (unlikely(level == 2))
            used[n_used++] = e;
        else if (unlikely(level == 1))
            inserted[n_inserted++] = e;
        else if (take_locked(sh, e, true, w, st, left))
            return true;
    }
    return take_first_locked(sh, inserted, n_inserted, w, st, left) || take_first_locked(sh, used, n_used, w, st, left);
}

/* The policy's choice among a sample and what it keeps from before. */
static bool evict_one_locked(struct shard *sh, struct shard_sweep *w, struct stripe *st, struct entry_list *left)
    REQUIRES(rank_shard)
{
    unsigned most = policy_sample(&sh->policy), before = w->taken;
    struct entry *sample[POLICY_SAMPLE];

    policy_consider(&sh->policy, sample, sample_locked(sh, sample, most, w, st, left));
    return w->taken > before || take_worst_locked(sh, w, st, left);
}

/* ---- Memory that the policy remembers by */

static struct ghosts *ghosts_new(const brim_allocator *mem, uint32_t entries)
{
    struct ghosts *g = mem_alloc_zeroed(mem, ghosts_size(entries), GHOSTS_ALIGN);

    if (g != NULL)
        ghosts_init(g, entries);
    return g;
}

void shard_free_ghosts(struct shard *sh, struct ghosts *g)
{
    if (g != NULL)
        mem_free(sh->common->mem, g, ghosts_bytes(g), GHOSTS_ALIGN);
}

static bool is_nearly_full(const struct budget *b)
{
    enum { PART = 64 };

    return b != NULL && budget_room(b) <= (int64_t)(budget_capacity(b) / PART) + 1;
}

/* What the policy remembers by; without memory it goes on with what it has. */
static void fit_policy(struct shard *sh, uint32_t ghosts_for)
{
    const brim_allocator *mem = sh->common->mem;
    struct ghosts *fresh = ghosts_for > 0 ? ghosts_new(mem, ghosts_for) : NULL;
    uint64_t shards = (uint64_t)1 << sh->index.shard_bits;

    /* Relaxed, all: hints and statistics. */
    if (!adapt_fits(sh->policy.adapt, atom_load_relaxed(&sh->count) * shards))
        adapt_fit(sh->policy.adapt, mem, atom_load_relaxed(&sh->count) * shards,
                  atom_load_relaxed(&sh->used) * shards, is_nearly_full(sh->common->entries));
    if (fresh == NULL)
        return;
    shard_lock(sh);
    atom_store_relaxed(&sh->ghost_bytes, ghosts_size(ghosts_for));
    fresh = policy_take_ghosts(&sh->policy, fresh, ghosts_for);
    shard_unlock(sh);
    shard_free_ghosts(sh, fresh);
}

void shard_evict(struct shard *sh, struct shard_sweep *w, struct stripe *st, struct entry_list *left)
{
    uint32_t ghosts_for;
    unsigned fails = 0;
    bool fit, adapted;

    shard_lock(sh);
    for (unsigned n = 0; n < EVICTIONS && wants_more(w) && fails < SAMPLES; n++)
        if (!evict_one_locked(sh, w, st, left))
            fails++;
    fit = shard_is_ill_sized_locked(sh);
    ghosts_for = policy_wants_ghosts(&sh->policy, sh->index.count);
    adapted = w->taken == 0 || adapt_fits(sh->policy.adapt, (uint64_t)sh->index.count << sh->index.shard_bits);
    shard_unlock(sh);
    if (fit)
        (void)shard_fit_index(sh);
    if (ghosts_for > 0 || !adapted)
        fit_policy(sh, ghosts_for);
}

/* ---- One after the other */

static void sweep_one_locked(struct shard *sh, struct entry *e, struct shard_sweep *w, struct stripe *st,
                             struct entry_list *left) REQUIRES(rank_shard)
{
    enum extra_state state = w->cause == BRIM_EVICTED ? shard_look_locked(e, w->now) : EXTRA_FRESH;

    if (unlikely(state != EXTRA_FRESH) && e != w->keep)
        take_stale_locked(sh, e, state, w, st, left);
    else if (spared(sh, w, e) || (w->second_chance && entry_take_use(e)))
        return;
    else if (!take_locked(sh, e, false, w, st, left) && w->held_too)
        shard_unlink_locked(sh, e, w->cause, st, left);
}

bool shard_sweep(struct shard *sh, struct index_cursor *c, struct shard_sweep *w, struct stripe *st,
                 struct entry_list *left)
{
    struct entry *e[SHARD_BATCH];
    unsigned n;

    shard_lock(sh);
    n = index_scan_locked(&sh->index, c, e, SHARD_BATCH);
    for (unsigned i = 0; i < n && wants_more(w); i++)
        sweep_one_locked(sh, e[i], w, st, left);
    shard_unlock(sh);
    return n > 0;
}

static bool has_fresh_locked(const struct shard *sh) REQUIRES(rank_shard)
{
    /* Relaxed: a hint. */
    return sh->fresh > 0 && sh->fresh_frame == stamp_frame(atom_load_relaxed(&sh->common->stamp));
}

/* A batch from ${c} on.  False: there is no more, and so nothing fresh that can go. */
static bool sweep_fresh(struct shard *sh, struct index_cursor *c, struct shard_sweep *w, struct stripe *st,
                        struct entry_list *left)
{
    struct entry *e[SHARD_BATCH];
    unsigned n = 0;

    shard_lock(sh);
    if (has_fresh_locked(sh))
        n = index_scan_locked(&sh->index, c, e, SHARD_BATCH);
    for (unsigned i = 0; i < n && wants_more(w); i++)
        sweep_one_locked(sh, e[i], w, st, left);
    if (n == 0)
        sh->fresh = 0;
    shard_unlock(sh);
    return n > 0;
}

/* The newest first: they are known.  What leaves takes itself from the ring. */
static void take_newest(struct shard *sh, struct shard_sweep *w, struct stripe *st, struct entry_list *left)
{
    shard_lock(sh);
    for (unsigned i = 0; i < SHARD_NEWEST && has_fresh_locked(sh) && wants_more(w); i++) {
        struct entry *e = sh->newest[i];
        unsigned before = w->taken;

        if (e == NULL || level_of(sh, e) != 1)
            continue;
        sweep_one_locked(sh, e, w, st, left);
        sh->fresh -= w->taken > before;
    }
    shard_unlock(sh);
}

void shard_sweep_fresh(struct shard *sh, struct shard_sweep *w, struct stripe *st, struct entry_list *left)
{
    struct index_cursor cursor = {0};

    w->frame_too = 1;
    take_newest(sh, w, st, left);
    while (wants_more(w) && sweep_fresh(sh, &cursor, w, st, left)) {
    }
}

/* ---- What is stale */

/* Relaxed, all: the mutex orders them. */
static bool begin_pass_locked(struct shard *sh, uint64_t now) REQUIRES(rank_shard)
{
    uint64_t invalidations = atom_load_acquire(&sh->common->invalidations); /* see shard_may_be_stale */

    if (atom_load_relaxed(&sh->sweeping))
        return true;
    if (!shard_may_be_stale(sh, now))
        return false;
    atom_store_relaxed(&sh->sweeping, 1);
    atom_store_relaxed(&sh->clean_of, invalidations);
    sh->swept = (struct index_cursor){0};
    sh->pass_expiry = UINT64_MAX;
    return true;
}

static void sweep_stale_locked(struct shard *sh, struct entry *e, uint64_t now, struct stripe *st,
                               struct entry_list *left) REQUIRES(rank_shard)
{
    enum extra_state state = shard_look_locked(e, now);

    if (state != EXTRA_FRESH)
        shard_unlink_locked(sh, e, shard_cause(state, BRIM_EXPIRED), st, left);
    else if (unlikely(entry_flags(e) & ENTRY_AGES))
        shard_expect_locked(sh, extra_expiry(e));
}

bool shard_sweep_stale(struct shard *sh, uint64_t now, struct stripe *st, struct entry_list *left)
{
    struct entry *e[SHARD_SWEPT];
    unsigned n = 0;
    bool more;

    shard_lock(sh);
    more = begin_pass_locked(sh, now);
    if (more)
        n = index_scan_locked(&sh->index, &sh->swept, e, SHARD_SWEPT);
    for (unsigned i = 0; i < n; i++)
        sweep_stale_locked(sh, e[i], now, st, left);
    if (more && n == 0) {
        atom_store_relaxed(&sh->sweeping, 0);
        atom_store_relaxed(&sh->next_expiry, sh->pass_expiry);
    }
    shard_unlock(sh);
    return more;
}

bool shard_adopt_kind(struct shard *sh, struct index_cursor *c, unsigned kind, struct limit *limit)
{
    struct entry *e[SHARD_BATCH];
    unsigned n;

    shard_lock(sh);
    n = index_scan_locked(&sh->index, c, e, SHARD_BATCH);
    for (unsigned i = 0; i < n; i++)
        if (entry_kind(e[i]) == kind)
            limit_adopt(limit, e[i]);
    shard_unlock(sh);
    return n > 0;
}

bool shard_add_idle(struct shard *sh, struct index_cursor *c, uint8_t idle, size_t by_age[SHARD_IDLE_AGES])
{
    struct entry *e[SHARD_BATCH];
    unsigned n;

    shard_lock(sh);
    n = index_scan_locked(&sh->index, c, e, SHARD_BATCH);
    for (unsigned i = 0; i < n; i++)
        if (!entry_is_held(e[i]))
            by_age[(uint8_t)(idle - stamp_idle(entry_stamped(e[i])))] += entry_cost(e[i]);
    shard_unlock(sh);
    return n > 0;
}
