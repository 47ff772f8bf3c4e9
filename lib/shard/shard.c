/* SPDX-License-Identifier: MIT */
#include "shard/shard.h"

#include "base/clock.h"
#include "base/hash.h"

enum { TABLE_ALIGN = 64, SAMPLES = 4, EVICTIONS = 16 /* in one hold of the mutex */ };

static struct table *table_new(const brim_allocator *mem, uint32_t buckets)
{
    struct table *t = mem_alloc_zeroed(mem, index_table_size(buckets), TABLE_ALIGN);

    if (t != NULL)
        index_table_init(t, buckets);
    return t;
}

static void table_free(const brim_allocator *mem, struct table *t)
{
    if (t != NULL)
        mem_free(mem, t, index_table_size(t->buckets), TABLE_ALIGN);
}

static struct ghosts *ghosts_new(const brim_allocator *mem, uint32_t entries)
{
    struct ghosts *g = mem_alloc_zeroed(mem, ghosts_size(entries), GHOSTS_ALIGN);

    if (g != NULL)
        ghosts_init(g, entries);
    return g;
}

static void ghosts_free(const brim_allocator *mem, struct ghosts *g)
{
    if (g != NULL)
        mem_free(mem, g, ghosts_bytes(g), GHOSTS_ALIGN);
}

bool shard_init(struct shard *sh, struct index_root *root, const brim_allocator *mem, struct budget *entries,
                brim_objective objective, struct policy_adapt *adapt, uint64_t seed, unsigned shard_bits)
{
    struct table *t = table_new(mem, 1);

    if (t == NULL)
        return false;
    if (!lock_init(&sh->lock, RANK_SHARD)) {
        table_free(mem, t);
        return false;
    }
    sh->mem = mem;
    sh->entries = entries;
    index_init(&sh->index, root, t, shard_bits);
    atom_store_relaxed(&sh->bytes, index_table_size(1));
    policy_init(&sh->policy, objective, seed, adapt);
    return true;
}

void shard_destroy(struct shard *sh)
{
    table_free(sh->mem, sh->index.table);
    table_free(sh->mem, sh->orphan);
    ghosts_free(sh->mem, sh->policy.ghosts);
    lock_destroy(&sh->lock);
}

/* ---- Look-ups: no lock */

/*
 * The entry that look-ups of the key find, from ${e} on: itself while it is linked; else its successor, for a replace
 * under way; else, with an odd link, whatever the index says now, and ${*again} is set; else none.
 * Acquire: the successor's fields, and the address stored in the index before the link (edge replace).
 */
static struct entry *successor(struct entry *e, bool *again)
{
    uintptr_t next = PLANTED(shard_successor_relaxed) ? atom_load_relaxed(&e->next) : atom_load_acquire(&e->next);

    *again = (next & 1) != 0;
    return *again ? NULL : (struct entry *)next;
}

/*
 * Undoing a hold that came too late can make us the last one of an entry that has left.  It may have been replaced all
 * the same: the successor is read before the entry goes on the list, which uses the same word.
 */
struct entry *shard_find_next(struct index_view v, struct entry *e, unsigned events, uint64_t hash, const void *key,
                              size_t len, struct stripe *st, struct entry_list *last)
{
    while (e != NULL) {
        bool again;
        struct entry *next = successor(e, &again);

        if (events & ENTRY_LAST)
            entry_list_push(last, e);
        if (PLANTED(shard_last_is_a_miss) && (events & ENTRY_LAST))
            return NULL;
        e = again ? index_find(v, hash, key, len) : next;
        if (e == NULL)
            break;
        events = entry_try_hold(e);
        shard_count_pins(st, e, events);
        if (events & ENTRY_HELD)
            break;
    }
    return e;
}

struct entry *shard_peek_next(struct index_view v, struct entry *e, uint64_t hash, const void *key, size_t len)
{
    while (e != NULL && !entry_is_linked(e)) {
        bool again;
        struct entry *next = successor(e, &again);

        e = again ? index_find(v, hash, key, len) : next;
    }
    return e;
}

/* ---- Under the mutex */

static void count_locked(struct shard *sh, size_t charge, int n)
{
    /* Relaxed: readers take them as they are; the mutex orders writers. */
    atom_store_relaxed(&sh->used, atom_load_relaxed(&sh->used) + (n > 0 ? charge : 0 - charge));
    atom_store_relaxed(&sh->count, atom_load_relaxed(&sh->count) + (uint32_t)n);
}

/* What ${e}, just unlinked, needs before the mutex is released. */
static void leave_locked(struct shard *sh, struct entry *e, brim_cause cause, bool claim, struct stripe *st,
                         struct entry_list *left)
{
    policy_forget(&sh->policy, e);
    count_locked(sh, entry_cost(e), -1);
    e->priority = (uint32_t)cause;
    e->eviction = claim ? ENTRY_CLAIMED : 0;
    stripe_add(st, dying, 1);
    if (sh->entries != NULL && cause != BRIM_REPLACED)
        budget_give(sh->entries, 1);
    entry_list_push(left, e);
}

static void unlink_locked(struct shard *sh, struct entry *e, brim_cause cause, struct stripe *st,
                          struct entry_list *left)
{
    (void)entry_unlink(e);
    index_remove_locked(&sh->index, e);
    leave_locked(sh, e, cause, false, st, left);
}

/* As ${old}, if it replaces that. */
static void join_locked(struct shard *sh, struct entry *e, const struct entry *old)
{
    policy_admit(&sh->policy, e, old);
    count_locked(sh, entry_cost(e), 1);
}

/*
 * One step (G6).  The successor is set; then `linked' is cleared in the old one's state word, from where on every
 * look-up finds the new one: by the successor, or once the word is swapped, by the index.
 */
static void replace_locked(struct shard *sh, struct entry *old, struct entry *e, struct stripe *st,
                           struct entry_list *left)
{
    if (PLANTED(shard_replace_unlinks_first))
        (void)entry_unlink(old);
    /* Release: the new entry's fields (edge replace). */
    atom_store_release(&old->next, (uintptr_t)e);
    if (!PLANTED(shard_replace_unlinks_first))
        (void)entry_unlink(old);
    index_swap_locked(&sh->index, old, e);
    join_locked(sh, e, old);
    leave_locked(sh, old, BRIM_REPLACED, false, st, left);
}

static struct entry *find_old_locked(const struct shard *sh, const struct shard_link *l)
{
    size_t len;
    const void *key = entry_key(l->e, &len);

    if (l->expected != NULL)
        return l->expected;
    if (entry_flags(l->e) & ENTRY_ANONYMOUS)
        return NULL;
    return index_find(index_view(&sh->index), (uint64_t)l->tag << 48 | l->e->place, key, len);
}

static enum shard_outcome link_locked(struct shard *sh, struct shard_link *l, struct thread *t, struct stripe *st,
                                      struct entry_list *left)
{
    struct entry *old;

    policy_prefetch(&sh->policy, l->e->place);
    old = find_old_locked(sh, l);
    if (sh->closed || (l->expected != NULL && !entry_is_linked(old)))
        return SHARD_GONE;
    if (old != NULL && l->only_if_absent) {
        shard_count_pins(st, old, entry_try_hold(old)); /* it is linked and stays so: the hold stands */
        l->there = old;
        return SHARD_EXISTS;
    }
    l->added = old == NULL;
    if (old == NULL && !index_has_room(&sh->index))
        return SHARD_NOMEM;
    if (old == NULL && sh->entries != NULL && !budget_take(sh->entries, 1))
        return SHARD_NO_ENTRY;
    entry_publish(l->e, l->refs, l->keys);
    if (old != NULL) {
        replace_locked(sh, old, l->e, st, left);
    } else {
        join_locked(sh, l->e, NULL);
        index_insert_locked(&sh->index, l->e, l->tag);
    }
    stripe_add(st, reserved, 0 - entry_cost(l->e));
    tally_adjust(l->values, t, entry_cost(l->e));
    if (l->refs > 0)
        stripe_add(st, pinned, entry_cost(l->e));
    stripe_add(st, insertions, 1);
    return SHARD_LINKED;
}

/* And nobody is at it. */
static bool index_is_ill_sized_locked(const struct shard *sh)
{
    return sh->index.next == NULL && index_wanted(&sh->index, 1) != sh->index.table->buckets;
}

/* Copy to ${fresh}, in many short holds of the mutex.  Returns the table that is not used any more. */
static struct table *move_index(struct shard *sh, struct table *fresh, bool *moved)
{
    struct table *old = NULL;
    bool more;

    lock_acquire(&sh->lock);
    more = index_is_ill_sized_locked(sh) && sh->index.count < (uint64_t)fresh->buckets * INDEX_ENTRIES * 8 / 10;
    if (more)
        index_begin_locked(&sh->index, fresh);
    lock_release(&sh->lock);
    while (more) {
        lock_acquire(&sh->lock);
        more = index_copy_locked(&sh->index, fresh);
        if (!more)
            old = index_end_locked(&sh->index, fresh);
        lock_release(&sh->lock);
    }
    *moved = old != NULL;
    return *moved ? old : fresh;
}

bool shard_fit_index(struct shard *sh)
{
    struct table *fresh, *unused;
    uint32_t wanted = 0;
    bool moved;

    lock_acquire(&sh->lock);
    if (index_is_ill_sized_locked(sh))
        wanted = index_wanted(&sh->index, 1);
    lock_release(&sh->lock);
    if (wanted == 0)
        return true;
    fresh = table_new(sh->mem, wanted);
    if (fresh == NULL)
        return false;
    unused = move_index(sh, fresh, &moved);
    if (moved) {
        atom_store_relaxed(&sh->bytes, index_table_size(wanted)); /* relaxed: a statistic */
        epoch_wait(&epoch_process);
    }
    table_free(sh->mem, unused);
    return true;
}

/* There is no memory for a larger index.  False: nor has it any room, nor is anybody else making it larger. */
static bool may_get_room(struct shard *sh)
{
    bool may;

    lock_acquire(&sh->lock);
    may = index_has_room(&sh->index) || sh->index.next != NULL;
    lock_release(&sh->lock);
    return may;
}

enum shard_outcome shard_link(struct shard *sh, struct shard_link *l, struct thread *t, struct stripe *st,
                              struct entry_list *left)
{
    for (;;) {
        enum shard_outcome outcome;
        bool fit, ready = true;

        lock_acquire(&sh->lock);
        outcome = link_locked(sh, l, t, st, left);
        fit = index_is_ill_sized_locked(sh);
        lock_release(&sh->lock);
        if (fit)
            ready = shard_fit_index(sh);
        if (outcome != SHARD_NOMEM || (!ready && !may_get_room(sh)))
            return outcome;
        if (!fit)
            clock_pause(0); /* somebody else is at it */
    }
}

bool shard_remove(struct shard *sh, struct entry *e, brim_cause cause, struct stripe *st, struct entry_list *left)
{
    bool there, fit;

    lock_acquire(&sh->lock);
    there = entry_is_linked(e);
    if (there)
        unlink_locked(sh, e, cause, st, left);
    fit = index_is_ill_sized_locked(sh);
    lock_release(&sh->lock);
    if (fit)
        (void)shard_fit_index(sh);
    return there;
}

bool shard_remove_key(struct shard *sh, uint64_t hash, const void *key, size_t len, struct stripe *st,
                      struct entry_list *left)
{
    struct entry *e;
    bool fit;

    lock_acquire(&sh->lock);
    e = index_find(index_view(&sh->index), hash, key, len);
    if (e != NULL)
        unlink_locked(sh, e, BRIM_REMOVED, st, left);
    fit = index_is_ill_sized_locked(sh);
    lock_release(&sh->lock);
    if (fit)
        (void)shard_fit_index(sh);
    return e != NULL;
}

bool shard_remove_if_last(struct shard *sh, struct entry *e, struct stripe *st, struct entry_list *left)
{
    bool last;

    lock_acquire(&sh->lock);
    last = entry_remove_last(e);
    if (last) {
        shard_count_pins(st, e, ENTRY_UNPIN);
        index_remove_locked(&sh->index, e);
        leave_locked(sh, e, BRIM_REMOVED, false, st, left);
    }
    lock_release(&sh->lock);
    return last;
}

/* ---- Eviction */

static bool spared(const struct shard_sweep *w, const struct entry *e)
{
    return e == w->keep || (w->like != NULL && e->place == w->like->place) ||
           (w->kind >= 0 && entry_kind(e) != (unsigned)w->kind);
}

static bool wants_more(const struct shard_sweep *w)
{
    return w->freed < w->need && w->taken < w->most;
}

/* ${chosen}: by the policy. */
static bool evict_locked(struct shard *sh, struct entry *e, bool chosen, struct shard_sweep *w, struct stripe *st,
                         struct entry_list *left)
{
    policy_prefetch(&sh->policy, e->place);
    if (!entry_try_evict(e))
        return false;
    index_remove_locked(&sh->index, e);
    if (w->cause == BRIM_EVICTED)
        policy_evicted(&sh->policy, e, chosen);
    w->freed += entry_cost(e);
    w->taken++;
    leave_locked(sh, e, w->cause, w->claim, st, left);
    return true;
}

bool shard_evict_old(struct shard *sh, uint64_t hash, const void *key, size_t len, struct entry *expected,
                     struct shard_sweep *w, struct stripe *st, struct entry_list *left)
{
    struct entry *e = expected;
    bool evicted;

    lock_acquire(&sh->lock);
    if (e == NULL)
        e = index_find(index_view(&sh->index), hash, key, len);
    evicted = e != NULL && entry_is_linked(e) && entry_cost(e) >= w->need && evict_locked(sh, e, false, w, st, left);
    lock_release(&sh->lock);
    return evicted;
}

/* Neighbours from a random place on, those left out that nobody could evict now. */
static unsigned sample_locked(struct shard *sh, struct entry *sample[POLICY_SAMPLE], unsigned most)
{
    unsigned n = index_sample_locked(&sh->index, hash_random(&sh->policy.random), sample, most), free = 0;

    for (unsigned i = 0; i < n; i++)
        __builtin_prefetch(sample[i], 1);
    for (unsigned i = 0; i < n; i++)
        if (!entry_is_held(sample[i]))
            sample[free++] = sample[i];
        else
            policy_keep_up(&sh->policy, sample[i]);
    return free;
}

/* The policy's choice among a sample and what it keeps from before. */
static bool evict_one_locked(struct shard *sh, struct shard_sweep *w, struct stripe *st, struct entry_list *left)
{
    unsigned most = policy_sample(&sh->policy);
    struct entry *sample[POLICY_SAMPLE], *e;

    if (most > 0)
        policy_consider(&sh->policy, sample, sample_locked(sh, sample, most));
    while ((e = policy_next(&sh->policy)) != NULL) {
        if (spared(w, e) || entry_is_held(e))
            continue;
        if (evict_locked(sh, e, true, w, st, left))
            return true;
    }
    return false;
}

static bool is_nearly_full(const struct budget *b)
{
    enum { PART = 64 };

    return budget_room(b) <= (int64_t)(budget_capacity(b) / PART) + 1;
}

/* What the policy remembers by; without memory it goes on with what it has. */
static void fit_policy(struct shard *sh, uint32_t ghosts_for)
{
    struct ghosts *fresh = ghosts_for > 0 ? ghosts_new(sh->mem, ghosts_for) : NULL;
    uint64_t shards = (uint64_t)1 << sh->index.shard_bits;

    /* Relaxed, all: hints and statistics. */
    if (!adapt_fits(sh->policy.adapt, atom_load_relaxed(&sh->count) * shards))
        adapt_fit(sh->policy.adapt, sh->mem, atom_load_relaxed(&sh->count) * shards,
                  atom_load_relaxed(&sh->used) * shards, sh->entries != NULL && is_nearly_full(sh->entries));
    if (fresh == NULL)
        return;
    lock_acquire(&sh->lock);
    atom_store_relaxed(&sh->ghost_bytes, ghosts_size(ghosts_for));
    fresh = policy_take_ghosts(&sh->policy, fresh, ghosts_for);
    lock_release(&sh->lock);
    ghosts_free(sh->mem, fresh);
}

void shard_evict(struct shard *sh, struct shard_sweep *w, struct stripe *st, struct entry_list *left)
{
    uint32_t ghosts_for;
    unsigned fails = 0;
    bool fit, adapted;

    lock_acquire(&sh->lock);
    for (unsigned n = 0; n < EVICTIONS && wants_more(w) && fails < SAMPLES; n++)
        if (!evict_one_locked(sh, w, st, left))
            fails++;
    fit = index_is_ill_sized_locked(sh);
    ghosts_for = policy_wants_ghosts(&sh->policy, sh->index.count);
    adapted = w->taken == 0 || adapt_fits(sh->policy.adapt, (uint64_t)sh->index.count << sh->index.shard_bits);
    lock_release(&sh->lock);
    if (fit)
        (void)shard_fit_index(sh);
    if (ghosts_for > 0 || !adapted)
        fit_policy(sh, ghosts_for);
}

bool shard_sweep(struct shard *sh, struct index_cursor *c, struct shard_sweep *w, struct stripe *st,
                 struct entry_list *left)
{
    struct entry *e[SHARD_BATCH];
    unsigned n;

    lock_acquire(&sh->lock);
    n = index_scan_locked(&sh->index, c, e, SHARD_BATCH);
    for (unsigned i = 0; i < n && wants_more(w); i++) {
        if (spared(w, e[i]))
            continue;
        if (!evict_locked(sh, e[i], false, w, st, left) && w->held_too)
            unlink_locked(sh, e[i], w->cause, st, left);
    }
    lock_release(&sh->lock);
    return n > 0;
}

unsigned shard_hold_some(struct shard *sh, struct index_cursor *c, struct entry *out[SHARD_BATCH], struct stripe *st)
{
    unsigned n;

    lock_acquire(&sh->lock);
    n = index_scan_locked(&sh->index, c, out, SHARD_BATCH);
    for (unsigned i = 0; i < n; i++)
        shard_count_pins(st, out[i], entry_try_hold(out[i])); /* linked under the mutex: the hold stands */
    lock_release(&sh->lock);
    return n;
}

bool shard_set_cost(struct shard *sh, struct entry *e, size_t charge, size_t *reserved, struct tally *values,
                    struct thread *t, struct stripe *st)
{
    bool charged = !(entry_flags(e) & ENTRY_UNCHARGED), enough;
    size_t more;

    /* Who took the first hold just before us is still to add the old cost to the pins; it is in a section. */
    epoch_wait(&epoch_process);
    lock_acquire(&sh->lock);
    more = charge - entry_cost(e); /* wraps if it is less */
    enough = !charged || charge <= entry_cost(e) || more <= *reserved;
    if (enough) {
        atom_store_relaxed(&e->cost, charge); /* relaxed: see entry_cost */
        if (entry_is_linked(e))
            atom_store_relaxed(&sh->used, atom_load_relaxed(&sh->used) + more);
    }
    if (enough && charged) {
        stripe_add(st, pinned, more);
        stripe_add(st, reserved, 0 - more);
        tally_adjust(values, t, more);
        *reserved -= more;
    }
    lock_release(&sh->lock);
    return enough;
}

void shard_child(struct shard *sh)
{
    if (sh->index.next == NULL)
        return;
    sh->orphan = sh->index.next;
    sh->index.next = NULL;
}

void shard_close(struct shard *sh)
{
    lock_acquire(&sh->lock);
    sh->closed = true;
    lock_release(&sh->lock);
}
