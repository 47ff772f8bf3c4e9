/* SPDX-License-Identifier: MIT */
#include "cache/limbo.h"

#include "base/clock.h"

bool limbo_init(struct limbo *l)
{
    atom_store_relaxed(&l->values.now, 1);
    return lock_init(&l->lock, RANK_LIMBO);
}

void limbo_destroy(struct limbo *l)
{
    lock_destroy(&l->lock);
}

static size_t charge_of(const struct entry *e)
{
    return entry_flags(e) & ENTRY_UNCHARGED ? 0 : entry_cost(e);
}

void limbo_push(struct limbo *l, struct entry *e)
{
    limbo_lock(l);
    entry_list_push(&l->young.list, e);
    if (l->young.count == 0)
        l->young.since = clock_now();
    if (l->old.count == 0)
        atom_store_relaxed(&l->since, l->young.since); /* relaxed: a statistic, as below */
    l->young.count++;
    l->young.charge += charge_of(e);
    l->young.stamp = atom_load_relaxed(&l->values.now); /* relaxed: it rises under the lock */
    l->pushed++;
    (void)atom_add_relaxed(&l->charge, (uint64_t)charge_of(e)); /* relaxed: a sum */
    /* Sequentially consistent: a section that is seen open after this sees the count when it ends (edge last). */
    (void)atom_add_seq_cst(&l->count, (uint64_t)1);
    limbo_unlock(l);
}

struct oldest {
    uint64_t epoch;
    const struct stripe *stripe;
};

static void look_at(struct stripe *st, void *arg)
{
    struct oldest *o = (struct oldest *)arg;
    uint64_t e = epoch_entered(&st->section);

    if (e < o->epoch) {
        o->epoch = e;
        o->stripe = st;
    }
}

/* The section that entered first, of all that are open. */
static struct oldest oldest_section(const struct stripes *s)
{
    struct oldest o = {EPOCH_NONE, NULL};

    epoch_barrier();
    stripes_each(s, look_at, &o);
    return o;
}

bool limbo_is_quiet(const struct stripes *s)
{
    return oldest_section(s).stripe == NULL;
}

static void take_batch_locked(struct limbo *l, struct limbo_batch *b, struct stripe *st, struct entry_list *out)
    REQUIRES(rank_limbo)
{
    if (b->count == 0)
        return;
    stripe_add(st, dying, b->count);
    l->taken += b->count;
    /* Relaxed, both: a sum; and who still finds the count raised looks in vain. */
    (void)atom_sub_relaxed(&l->charge, (uint64_t)b->charge);
    (void)atom_sub_relaxed(&l->count, (uint64_t)b->count);
    entry_list_join(out, &b->list);
    b->count = b->charge = 0;
}

/* Relaxed: if it has just ended, it has been counting on itself, not on us. */
static bool is_blocked_locked(const struct limbo *l) REQUIRES(rank_limbo)
{
    struct stripe *st = (struct stripe *)(uintptr_t)l->blocker;

    return st != NULL && (PLANTED(limbo_blocker_stays) || atom_load_relaxed(&st->section.epoch) == l->blocker_epoch);
}

static void take_locked(struct limbo *l, const struct stripes *s, struct stripe *st, struct entry_list *out)
    REQUIRES(rank_limbo)
{
    struct oldest oldest;

    if (!PLANTED(limbo_never_rises))
        (void)epoch_stamp(&l->values);
    if (l->old.count == 0) {
        l->old = l->young;
        l->young = (struct limbo_batch){{NULL, NULL}, 0, 0, 0, 0};
    }
    oldest = oldest_section(s);
    l->blocker = oldest.epoch > l->old.stamp ? NULL : oldest.stripe;
    l->blocker_epoch = oldest.epoch;
    if (oldest.epoch > l->old.stamp)
        take_batch_locked(l, &l->old, st, out);
    if (oldest.epoch > l->young.stamp)
        take_batch_locked(l, &l->young, st, out);
    atom_store_relaxed(&l->since, l->old.count > 0 ? l->old.since : l->young.since);
}

void limbo_take(struct limbo *l, const struct stripes *s, struct stripe *st, struct entry_list *out)
{
    if (limbo_count(l) == 0)
        return;
    limbo_lock(l);
    if (!is_blocked_locked(l))
        take_locked(l, s, st, out);
    limbo_unlock(l);
}

void limbo_refresh(struct limbo *l, struct epoch_reader *r)
{
    uint64_t now;

    limbo_lock(l);
    now = atom_load_relaxed(&l->values.now); /* relaxed: it rises under the lock */
    /* It enters in an epoch later than the stamps of all that waits: what is old has seen one rise already. */
    if (l->young.count > 0 && l->young.stamp == now)
        (void)epoch_stamp(&l->values);
    limbo_unlock(l);
    epoch_refresh(&l->values, r);
}

static size_t sum_of_kind(struct limbo_batch *b, unsigned kind) REQUIRES(rank_limbo)
{
    size_t sum = 0;

    for (struct entry *e = b->list.head; e != NULL; e = entry_list_next(e))
        sum += entry_kind(e) == kind ? charge_of(e) : 0;
    return sum;
}

size_t limbo_charge_of(struct limbo *l, unsigned kind)
{
    size_t sum;

    limbo_lock(l);
    sum = sum_of_kind(&l->old, kind) + sum_of_kind(&l->young, kind);
    limbo_unlock(l);
    return sum;
}

uint64_t limbo_mark(struct limbo *l)
{
    uint64_t mark;

    limbo_lock(l);
    mark = l->pushed;
    limbo_unlock(l);
    return mark;
}

bool limbo_is_past(struct limbo *l, uint64_t mark)
{
    bool past;

    limbo_lock(l);
    past = (int64_t)(l->taken - mark) >= 0;
    limbo_unlock(l);
    return past;
}
