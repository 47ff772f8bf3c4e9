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
    lock_acquire(&l->lock);
    entry_list_push(&l->young.list, e);
    l->young.count++;
    l->young.charge += charge_of(e);
    l->young.stamp = atom_load_relaxed(&l->values.now); /* relaxed: it rises under the lock */
    l->pushed++;
    (void)atom_add_relaxed(&l->charge, (uint64_t)charge_of(e)); /* relaxed: a sum */
    if (atom_load_relaxed(&l->count) == 0)
        atom_store_relaxed(&l->since, clock_now()); /* relaxed: a statistic */
    /* Sequentially consistent: a section that is seen open after this sees the count when it ends (edge last). */
    (void)atom_add_seq_cst(&l->count, (uint64_t)1);
    lock_release(&l->lock);
}

static void look_at(struct stripe *st, void *arg)
{
    uint64_t *oldest = (uint64_t *)arg, e = epoch_entered(&st->section);

    if (e < *oldest)
        *oldest = e;
}

/* The oldest epoch that a section is in. */
static uint64_t oldest_section(const struct stripes *s)
{
    uint64_t oldest = EPOCH_NONE;

    epoch_barrier();
    stripes_each(s, look_at, &oldest);
    return oldest;
}

bool limbo_is_quiet(const struct stripes *s)
{
    return oldest_section(s) == EPOCH_NONE;
}

static void take_batch_locked(struct limbo *l, struct limbo_batch *b, struct stripe *st, struct entry_list *out)
{
    if (b->count == 0)
        return;
    stripe_add(st, dying, b->count);
    l->taken += b->count;
    (void)atom_sub_relaxed(&l->charge, (uint64_t)b->charge);
    (void)atom_sub_relaxed(&l->count, (uint64_t)b->count);
    entry_list_join(out, &b->list);
    b->count = b->charge = 0;
}

void limbo_take(struct limbo *l, const struct stripes *s, struct stripe *st, struct entry_list *out)
{
    uint64_t oldest;

    if (limbo_count(l) == 0)
        return;
    lock_acquire(&l->lock);
    if (!PLANTED(limbo_never_rises))
        (void)epoch_stamp(&l->values);
    if (l->old.count == 0) {
        l->old = l->young;
        l->young = (struct limbo_batch){{NULL, NULL}, 0, 0, 0};
    }
    oldest = oldest_section(s);
    if (oldest > l->old.stamp)
        take_batch_locked(l, &l->old, st, out);
    if (oldest > l->young.stamp)
        take_batch_locked(l, &l->young, st, out);
    lock_release(&l->lock);
}

void limbo_refresh(struct limbo *l, struct epoch_reader *r)
{
    if (limbo_count(l) != 0) {
        lock_acquire(&l->lock);
        (void)epoch_stamp(&l->values);
        lock_release(&l->lock);
    }
    epoch_refresh(&l->values, r);
}

static size_t sum_of_kind(struct limbo_batch *b, unsigned kind)
{
    size_t sum = 0;

    for (struct entry *e = b->list.head; e != NULL; e = entry_list_next(e))
        sum += entry_kind(e) == kind ? charge_of(e) : 0;
    return sum;
}

size_t limbo_charge_of(struct limbo *l, unsigned kind)
{
    size_t sum;

    lock_acquire(&l->lock);
    sum = sum_of_kind(&l->old, kind) + sum_of_kind(&l->young, kind);
    lock_release(&l->lock);
    return sum;
}

uint64_t limbo_mark(struct limbo *l)
{
    uint64_t mark;

    lock_acquire(&l->lock);
    mark = l->pushed;
    lock_release(&l->lock);
    return mark;
}

bool limbo_is_past(struct limbo *l, uint64_t mark)
{
    bool past;

    lock_acquire(&l->lock);
    past = (int64_t)(l->taken - mark) >= 0;
    lock_release(&l->lock);
    return past;
}
