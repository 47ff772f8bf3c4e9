/* SPDX-License-Identifier: MIT
 *
 * Relaxed, all: each sum is one word that says no more than itself; what is done by it is ordered by the shard's mutex,
 * or by the budget.
 */
#include "shard/limit.h"

static uint64_t effective(size_t ceiling)
{
    return ceiling != 0 ? ceiling : LIMIT_NONE;
}

void limit_set(struct limit *l, size_t floor, size_t ceiling)
{
    size_t old = atom_load_relaxed(&l->ceiling);

    atom_store_relaxed(&l->floor, floor);
    atom_store_relaxed(&l->ceiling, ceiling);
    (void)atom_add_relaxed(&l->room, effective(ceiling) - effective(old));
}

void limit_begin(struct limit *l, size_t taken)
{
    atom_store_relaxed(&l->room, effective(atom_load_relaxed(&l->ceiling)) - taken);
    atom_store_relaxed(&l->counts, 1);
}

size_t limit_above(const struct limit *l, size_t n)
{
    int64_t room = (int64_t)atom_load_relaxed(&((struct limit *)(uintptr_t)l)->room);

    return room >= (int64_t)n ? 0 : (size_t)((int64_t)n - room);
}

size_t limit_taken(const struct limit *l)
{
    struct limit *m = (struct limit *)(uintptr_t)l;
    int64_t taken = (int64_t)(effective(atom_load_relaxed(&m->ceiling)) - atom_load_relaxed(&m->room));

    return taken > 0 ? (size_t)taken : 0;
}

bool limit_take(struct limit *l, size_t n)
{
    uint64_t room = atom_load_relaxed(&l->room);

    while ((int64_t)room >= (int64_t)n)
        if (atom_cas_relaxed(&l->room, &room, room - n))
            return true;
    return false;
}

void limit_give(struct limit *l, size_t n)
{
    (void)atom_add_relaxed(&l->room, (uint64_t)n);
}

bool limit_spare(struct limit *l, size_t n)
{
    uint64_t linked = atom_load_relaxed(&l->linked);

    for (;;) {
        size_t floor = atom_load_relaxed(&l->floor);
        if (linked < n || linked - n < floor)
            return false;
        if (atom_cas_relaxed(&l->linked, &linked, linked - n))
            return true;
    }
}

void limit_join(struct limit *l, struct entry *e)
{
    if (limit_counts(l))
        limit_adopt(l, e);
}

void limit_leave(struct limit *l, struct entry *e)
{
    if (!(e->eviction & ENTRY_IN_LINKED))
        return;
    e->eviction &= (uint8_t)~ENTRY_IN_LINKED;
    (void)atom_sub_relaxed(&l->linked, (uint64_t)entry_cost(e));
}

void limit_adjust(struct limit *l, const struct entry *e, size_t more, size_t had)
{
    if (!limit_counts(l))
        return;
    if (e->eviction & ENTRY_IN_LINKED)
        (void)atom_add_relaxed(&l->linked, (uint64_t)more);
    limit_give(l, had - more); /* at once: else both would be taken for a moment */
}

void limit_adopt(struct limit *l, struct entry *e)
{
    if (e->eviction & ENTRY_IN_LINKED)
        return;
    e->eviction |= ENTRY_IN_LINKED;
    (void)atom_add_relaxed(&l->linked, (uint64_t)entry_cost(e));
}
