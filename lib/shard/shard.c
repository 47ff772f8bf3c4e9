/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "shard/shard_locked.h"

enum { TABLE_ALIGN = 64 };

static struct table *table_new(const brim_allocator *mem, uint32_t buckets)
{
    struct table *t = mem_alloc_zeroed(mem, index_table_size(buckets), TABLE_ALIGN);

    if (t != NULL)
        index_table_init(t, buckets);
    return t;
}

static void table_free(const brim_allocator *mem, struct table *t)
{
    mem_free(mem, t, index_table_size(t->buckets), TABLE_ALIGN);
}

bool shard_init(struct shard *sh, struct index_root *root, struct shard_common *common, brim_objective objective,
                uint64_t seed, unsigned shard_bits)
{
    struct table *t = table_new(common->mem, 1);

    if (t == NULL)
        return false;
    if (!lock_init(&sh->lock, RANK_SHARD)) {
        table_free(common->mem, t);
        return false;
    }
    sh->common = common;
    index_init(&sh->index, root, t, shard_bits);
    atom_store_relaxed(&sh->bytes, index_table_size(1));
    atom_store_relaxed(&sh->next_expiry, UINT64_MAX);
    policy_init(&sh->policy, objective, seed, common->adapt);
    return true;
}

void shard_destroy(struct shard *sh)
{
    const brim_allocator *mem = sh->common->mem;
    struct table *t, *next;

    guard_is_alone();
    table_free(mem, sh->index.table);
    for (t = sh->orphans; t != NULL; t = next) {
        next = t->orphan;
        table_free(mem, t);
    }
    shard_free_ghosts(sh, sh->policy.ghosts);
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

    *again = (next & STAMP_LINK) != 0;
    return (next & (STAMP_LINK | STAMP)) != 0 ? NULL : (struct entry *)next;
}

/*
 * Undoing a hold that came too late can make us the last one of an entry that has left.  It may have been replaced all
 * the same: the successor is read before the entry goes on the list, which uses the same word.
 */
struct entry *shard_find_next(struct index_view v, struct entry *e, unsigned events, uint64_t hash, const void *key,
                              size_t len, struct stripe *st, struct entry_list *last)
{
    for (;;) {
        bool again;
        struct entry *next = successor(e, &again);

        if (events & ENTRY_LAST)
            entry_list_push(last, e);
        if (PLANTED(shard_last_is_a_miss) && (events & ENTRY_LAST))
            return NULL;
        e = again ? index_find(v, hash, key, len) : next;
        if (e == NULL)
            return NULL;
        events = entry_try_hold(e);
        shard_count_pins(st, e, events);
        if (events & ENTRY_HELD)
            return e;
    }
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

static void count_locked(struct shard *sh, size_t charge, int n) REQUIRES(rank_shard)
{
    /* Relaxed: readers take them as they are; the mutex orders writers. */
    atom_store_relaxed(&sh->used, atom_load_relaxed(&sh->used) + (n > 0 ? charge : 0 - charge));
    atom_store_relaxed(&sh->count, atom_load_relaxed(&sh->count) + (uint32_t)n);
}

void shard_leave_locked(struct shard *sh, struct entry *e, brim_cause cause, bool claim, struct stripe *st,
                        struct entry_list *left)
{
    policy_forget(&sh->policy, e);
    if (unlikely(sh->common->protect))
        shard_forget_fresh_locked(sh, e);
    count_locked(sh, entry_cost(e), -1);
    if (unlikely(e->eviction & ENTRY_IN_LINKED))
        limit_leave(sh->common->limit_of(e), e);
    e->priority = (uint32_t)cause | entry_born(e) << ENTRY_BORN_SHIFT;
    e->eviction = claim ? ENTRY_CLAIMED : 0;
    stripe_add(st, dying, 1);
    entry_list_push(left, e);
}

/* One entry less. */
static void count_out(struct shard *sh)
{
    if (sh->common->entries != NULL)
        budget_give(sh->common->entries, 1);
}

void shard_unlink_locked(struct shard *sh, struct entry *e, brim_cause cause, struct stripe *st, struct entry_list *left)
{
    (void)entry_unlink(e);
    index_remove_locked(&sh->index, e);
    shard_leave_locked(sh, e, cause, false, st, left);
    count_out(sh);
}

bool shard_evict_locked(struct shard *sh, struct entry *e, brim_cause cause, enum shard_how how, bool claim,
                        struct stripe *st, struct entry_list *left)
{
    if (!entry_try_evict(e))
        return false;
    index_remove_locked(&sh->index, e);
    if (how != SHARD_UNTOLD)
        policy_evicted(&sh->policy, e, how == SHARD_CHOSEN); /* by its priority, before that becomes the cause */
    shard_leave_locked(sh, e, cause, claim, st, left);
    count_out(sh);
    return true;
}

enum extra_state shard_look_locked(const struct entry *e, uint64_t now)
{
    return likely(!(entry_flags(e) & ENTRY_EXTRA)) ? EXTRA_FRESH : extra_look(e, now, false);
}

/* What is loaded for ${e}'s key is overtaken; what is remembered of it, forgotten. */
static void overtake_of_locked(struct shard *sh, const struct entry *e, struct flight **forgotten)
    REQUIRES(rank_shard)
{
    size_t len;
    const void *key = entry_key(e, &len);

    if (unlikely(sh->flights.root != NULL) && !(entry_flags(e) & ENTRY_ANONYMOUS))
        shard_overtake_locked(sh, flights_find(&sh->flights, e->place, key, len), forgotten);
}

static bool keeps_sums_locked(const struct shard *sh, const struct entry *e) REQUIRES(rank_shard)
{
    /* relaxed: the mutex, see limit_counts */
    return unlikely(atom_load_relaxed(&sh->common->limits)) && limit_counts(sh->common->limit_of(e));
}

/* As ${old}, if it replaces that. */
static void join_locked(struct shard *sh, struct entry *e, const struct entry *old) REQUIRES(rank_shard)
{
    policy_admit(&sh->policy, e, old);
    count_locked(sh, entry_cost(e), 1);
    if (unlikely(atom_load_relaxed(&sh->common->limits))) /* relaxed: the mutex, see limit_counts */
        limit_join(sh->common->limit_of(e), e);
    if (unlikely(entry_stamped(e) & STAMP_FRESH))
        shard_add_fresh_locked(sh, e);
    if (unlikely(entry_flags(e) & ENTRY_AGES))
        shard_expect_locked(sh, extra_expiry(e));
    if (unlikely(shard_look_locked(e, 0) != EXTRA_FRESH))
        atom_store_relaxed(&sh->clean_of, UINT64_MAX); /* its group was invalidated since the call began: sweep again */
}

/*
 * One step (G6).  The successor is set; then `linked' is cleared in the old one's state word, from where on every
 * look-up finds the new one: by the successor, or once the word is swapped, by the index.
 */
static void replace_locked(struct shard *sh, struct entry *old, struct entry *e, brim_cause cause, struct stripe *st,
                           struct entry_list *left) REQUIRES(rank_shard)
{
    if (PLANTED(shard_replace_unlinks_first))
        (void)entry_unlink(old);
    /*
     * Relaxed: who reads it has seen `linked' cleared, which follows, and with that the new entry's fields (edge replace).
     * Over a stamp: who is just writing one exchanges, and fails.
     */
    atom_store_relaxed(&old->next, (uintptr_t)e);
    /* NOLINTNEXTLINE(misc-redundant-expression): planted, they differ */
    if (!PLANTED(shard_replace_unlinks_first) && !PLANTED(shard_replace_unlinks_last))
        (void)entry_unlink(old);
    index_swap_locked(&sh->index, old, e);
    if (PLANTED(shard_replace_unlinks_last))
        (void)entry_unlink(old);
    join_locked(sh, e, old);
    shard_leave_locked(sh, old, cause, false, st, left);
}

static struct entry *find_old_locked(const struct shard *sh, const struct shard_link *l) REQUIRES(rank_shard)
{
    size_t len;
    const void *key = entry_key(l->e, &len);

    if (l->expected != NULL)
        return l->expected;
    if (entry_flags(l->e) & ENTRY_ANONYMOUS)
        return NULL;
    return index_find(index_view(&sh->index), (uint64_t)l->tag << 48 | l->e->place, key, len);
}

/* Whether ${l} may be done at all.  ${stale}: what it would replace is no longer found. */
static bool may_link_locked(const struct shard *sh, const struct shard_link *l, const struct entry *old, bool stale)
    REQUIRES(rank_shard)
{
    if (shared_get(sh->closed) || (l->expected != NULL && (stale || !entry_is_linked(old))))
        return false;
    if (l->flight == NULL || PLANTED(shard_publishes_overtaken))
        return true;
    return !flight_is_overtaken(l->flight) && shard_look_locked(l->e, 0) == EXTRA_FRESH &&
           shard_look_locked(l->flight->entry, 0) == EXTRA_FRESH;
}

static void count_linked_locked(struct shard *sh, struct shard_link *l, struct thread *t, struct stripe *st)
    REQUIRES(rank_shard)
{
    stripe_add(st, reserved, 0 - entry_cost(l->e));
    tally_adjust(l->values, t, entry_cost(l->e));
    if (l->refs > 0)
        shard_pin(st, l->e, entry_cost(l->e));
    if (l->flight != NULL)
        shard_publish_locked(sh, l);
}

static enum shard_outcome link_locked(struct shard *sh, struct shard_link *l, struct thread *t, struct stripe *st,
                                      struct entry_list *left) REQUIRES(rank_shard)
{
    enum extra_state state = EXTRA_FRESH;
    struct entry *old;

    policy_prefetch(&sh->policy, l->e->place);
    old = find_old_locked(sh, l);
    if (old != NULL)
        state = shard_look_locked(old, l->now);
    if (!may_link_locked(sh, l, old, state != EXTRA_FRESH))
        return SHARD_GONE;
    if (old != NULL && l->only_if_absent && state == EXTRA_FRESH) {
        shard_count_pins(st, old, entry_try_hold(old)); /* it is linked and stays so: the hold stands */
        l->there = old;
        return SHARD_EXISTS;
    }
    if (!l->counted && keeps_sums_locked(sh, l->e))
        return SHARD_UNCOUNTED;
    l->added = old == NULL;
    if (old == NULL && !index_has_room(&sh->index))
        return SHARD_NOMEM;
    if (old == NULL && sh->common->entries != NULL && !budget_take(sh->common->entries, 1))
        return SHARD_NO_ENTRY;
    if (l->flight != NULL)
        l->refs += atom_load_relaxed(&l->flight->waiting);
    else
        overtake_of_locked(sh, l->e, &l->forgotten);
    l->redundant = l->flight != NULL && policy_remembers(&sh->policy, l->e);
    entry_publish(l->e, l->refs, l->keys);
    if (old != NULL) {
        replace_locked(sh, old, l->e, shard_cause(state, BRIM_REPLACED), st, left);
    } else {
        join_locked(sh, l->e, NULL);
        index_insert_locked(&sh->index, l->e, l->tag);
    }
    count_linked_locked(sh, l, t, st);
    return SHARD_LINKED;
}

/* And nobody is at it. */
bool shard_is_ill_sized_locked(const struct shard *sh)
{
    return sh->index.next == NULL && index_wanted(&sh->index, 1) != sh->index.table->buckets;
}

/* Copy to ${fresh}, in many short holds of the mutex.  Returns the table that is not used any more. */
static struct table *move_index(struct shard *sh, struct table *fresh, bool *moved)
{
    struct table *old = NULL;
    bool more;

    shard_lock(sh);
    more = shard_is_ill_sized_locked(sh) && sh->index.count < (uint64_t)fresh->buckets * INDEX_ENTRIES * 8 / 10;
    if (more)
        index_begin_locked(&sh->index, fresh);
    shard_unlock(sh);
    while (more) {
        shard_lock(sh);
        more = index_copy_locked(&sh->index, fresh);
        if (!more) {
            old = index_end_locked(&sh->index, fresh);
            atom_store_relaxed(&sh->bytes, index_table_size(sh->index.table->buckets)); /* relaxed: a statistic */
        }
        shard_unlock(sh);
    }
    *moved = old != NULL;
    return *moved ? old : fresh;
}

bool shard_fit_index(struct shard *sh)
{
    struct table *fresh, *unused;
    uint32_t wanted = 0;
    bool moved;

    shard_lock(sh);
    if (shard_is_ill_sized_locked(sh))
        wanted = index_wanted(&sh->index, 1);
    shard_unlock(sh);
    if (wanted == 0)
        return true;
    fresh = table_new(sh->common->mem, wanted);
    if (fresh == NULL)
        return false;
    unused = move_index(sh, fresh, &moved);
    if (moved && !PLANTED(shard_frees_table_at_once))
        epoch_wait(&epoch_process);
    table_free(sh->common->mem, unused);
    return true;
}

/* There is no memory for a larger index.  False: nor has it any room, nor is anybody else making it larger. */
static bool may_get_room(struct shard *sh)
{
    bool may;

    shard_lock(sh);
    may = index_has_room(&sh->index) || sh->index.next != NULL;
    shard_unlock(sh);
    return may;
}

enum shard_outcome shard_link(struct shard *sh, struct shard_link *l, struct thread *t, struct stripe *st,
                              struct entry_list *left)
{
    for (;;) {
        enum shard_outcome outcome;
        bool fit, ready = true;

        shard_lock(sh);
        outcome = link_locked(sh, l, t, st, left);
        fit = shard_is_ill_sized_locked(sh);
        shard_unlock(sh);
        if (fit)
            ready = shard_fit_index(sh);
        if (outcome != SHARD_NOMEM || (!ready && !may_get_room(sh)))
            return outcome;
        if (!fit)
            clock_pause(0); /* somebody else is at it */
    }
}

bool shard_remove(struct shard *sh, struct entry *e, brim_cause cause, struct stripe *st,
                  struct entry_list *left, struct flight **forgotten)
{
    bool there, fit;

    shard_lock(sh);
    there = entry_is_linked(e);
    if (there) {
        overtake_of_locked(sh, e, forgotten);
        shard_unlink_locked(sh, e, cause, st, left);
    }
    fit = shard_is_ill_sized_locked(sh);
    shard_unlock(sh);
    if (fit)
        (void)shard_fit_index(sh);
    return there;
}

enum extra_state shard_remove_key(struct shard *sh, uint64_t hash, const void *key, size_t len, uint64_t now,
                                  bool *removed, struct stripe *st, struct entry_list *left, struct flight **forgotten)
{
    enum extra_state state = EXTRA_FRESH;
    struct entry *e;
    bool fit;

    shard_lock(sh);
    e = index_find(index_view(&sh->index), hash, key, len);
    *removed = e != NULL;
    if (unlikely(sh->flights.root != NULL) && !PLANTED(shard_remove_overtakes_nothing))
        shard_overtake_locked(sh, flights_find(&sh->flights, (uint32_t)hash, key, len), forgotten);
    if (e != NULL) {
        state = shard_look_locked(e, now);
        shard_unlink_locked(sh, e, shard_cause(state, BRIM_REMOVED), st, left);
    }
    fit = shard_is_ill_sized_locked(sh);
    shard_unlock(sh);
    if (fit)
        (void)shard_fit_index(sh);
    return state;
}

bool shard_remove_if_last(struct shard *sh, struct entry *e, uint64_t now, struct stripe *st, struct entry_list *left,
                          struct flight **forgotten)
{
    bool last;

    shard_lock(sh);
    last = entry_remove_last(e);
    if (last) {
        enum extra_state state = shard_look_locked(e, now);
        if (state == EXTRA_FRESH) /* else what is loaded is newer */
            overtake_of_locked(sh, e, forgotten);
        shard_count_pins(st, e, ENTRY_UNPIN);
        index_remove_locked(&sh->index, e);
        shard_leave_locked(sh, e, shard_cause(state, BRIM_REMOVED), false, st, left);
        count_out(sh);
    }
    shard_unlock(sh);
    return last;
}

unsigned shard_hold_some(struct shard *sh, struct index_cursor *c, struct entry *out[SHARD_BATCH], struct stripe *st)
{
    unsigned n;

    shard_lock(sh);
    n = index_scan_locked(&sh->index, c, out, SHARD_BATCH);
    for (unsigned i = 0; i < n; i++)
        shard_count_pins(st, out[i], entry_try_hold(out[i])); /* linked under the mutex: the hold stands */
    shard_unlock(sh);
    return n;
}

static void set_charge_locked(struct shard *sh, struct entry *e, size_t charge) REQUIRES(rank_shard)
{
    if (entry_is_linked(e))
        atom_store_relaxed(&sh->used, atom_load_relaxed(&sh->used) + charge - entry_cost(e));
    atom_store_relaxed(&e->cost, charge); /* relaxed: see entry_cost */
}

bool shard_set_cost(struct shard *sh, struct entry *e, size_t charge, size_t *reserved, bool counted,
                    struct tally *values, struct thread *t, struct stripe *st, size_t *changed)
{
    bool charged = !(entry_flags(e) & ENTRY_UNCHARGED), enough;
    size_t more;

    /* Who took the first hold just before us is still to add the old cost to the pins; it is in a section. */
    epoch_wait(&epoch_process);
    shard_lock(sh);
    *changed = more = charge - entry_cost(e); /* wraps if it is less */
    enough = !charged || charge <= entry_cost(e) || (more <= *reserved && (counted || !keeps_sums_locked(sh, e)));
    if (enough)
        set_charge_locked(sh, e, charge);
    if (enough && charged) {
        shard_pin(st, e, more);
        stripe_add(st, reserved, 0 - more);
        tally_adjust(values, t, more);
        limit_adjust(sh->common->limit_of(e), e, more, counted ? *reserved : 0);
        *reserved -= more;
    }
    shard_unlock(sh);
    return enough;
}

void shard_child(struct shard *sh, struct thread *self, struct waiter **told, struct flight **forgotten)
{
    struct table *t = sh->index.next;

    if (t != NULL) {
        t->orphan = sh->orphans;
        sh->orphans = t;
        sh->index.next = NULL;
    }
    shard_end_orphans_locked(sh, self, told, forgotten);
}

void shard_close(struct shard *sh)
{
    shard_lock(sh);
    shared_set(sh->closed, true);
    shard_unlock(sh);
}
