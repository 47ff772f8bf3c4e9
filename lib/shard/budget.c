/* SPDX-License-Identifier: MIT */
#include "shard/budget.h"

void budget_init(struct budget *b, size_t capacity)
{
    atom_store_relaxed(&b->capacity, (uint64_t)capacity);
    atom_store_relaxed(&b->moves, 0);
    atom_store_relaxed(&b->room, (uint64_t)capacity);
}

/*
 * Acquire, and release in budget_give: whose room this was has gone (edge budget).  No more: the room is changed by
 * read-modify-write operations alone, so whatever comes between a giving and a taking passes the giving on.
 */
bool budget_take(struct budget *b, size_t n)
{
    uint64_t room;

    __builtin_prefetch(&b->room, 1); /* to be written: else the line comes twice */
    room = atom_load_relaxed(&b->room);
    if (PLANTED(budget_check_then_take)) {
        if ((int64_t)room < (int64_t)n)
            return false;
        (void)atom_sub_relaxed(&b->room, (uint64_t)n);
        return true;
    }
    while ((int64_t)room >= (int64_t)n)
        if (atom_cas_acquire(&b->room, &room, room - n))
            return true;
    return false;
}

void budget_give(struct budget *b, size_t n)
{
    (void)atom_add_release(&b->room, (uint64_t)n);
}

/* What of ${n} only makes good for more being used than the capacity. */
static uint64_t deficit_of(const struct budget *b, uint64_t n)
{
    int64_t room = (int64_t)atom_load_relaxed(&((struct budget *)(uintptr_t)b)->room);

    if (PLANTED(budget_raise_capacity_first) || room >= 0)
        return 0;
    return n < (uint64_t)-room ? n : (uint64_t)-room;
}

/*
 * First the part of the room that makes good a deficit, of which nobody can take anything; then the capacity; then the
 * rest.  So what is told to be used in between is neither more than was used nor more than the new capacity.
 *
 * Each step releases those before it, for who is told the one word must not be told an older one of the other; the first
 * addition to the room has none before it.  First of all the move is counted; release: what moved before it.  Nothing is
 * read after them, so there is nothing to acquire.
 */
bool budget_raise(struct budget *b, size_t from, size_t to)
{
    uint64_t old = from, first = deficit_of(b, (uint64_t)(to - from));

    (void)atom_add_release(&b->moves, (uint64_t)1);
    if (first > 0)
        (void)atom_add_relaxed(&b->room, first);
    while (!atom_cas_release(&b->capacity, &old, (uint64_t)to)) {
        if (old != from) { /* not covered: the same, as no exchange fails for nothing on x86 */
            if (first > 0)
                (void)atom_sub_relaxed(&b->room, first); /* nothing of ours has been told but that */
            return false;
        }
    }
    (void)atom_add_release(&b->room, (uint64_t)(to - from) - first);
    return true;
}

/* Release: as budget_raise; the first step is the taking, which the caller has done. */
bool budget_lower(struct budget *b, size_t from, size_t to, size_t taken)
{
    uint64_t old = from;

    (void)atom_add_release(&b->moves, (uint64_t)1);
    while (!atom_cas_release(&b->capacity, &old, (uint64_t)to))
        if (old != from) /* not covered: as in budget_raise */
            return false;
    if (from - to > taken)
        (void)atom_sub_release(&b->room, (uint64_t)(from - to - taken));
    return true;
}

size_t budget_capacity(const struct budget *b)
{
    return (size_t)atom_load_acquire(&((struct budget *)(uintptr_t)b)->capacity);
}

int64_t budget_room(const struct budget *b)
{
    return (int64_t)atom_load_acquire(&((struct budget *)(uintptr_t)b)->room);
}

/*
 * The two words are read one after the other; the capacity is read on both sides, and again if it changed, so that
 * what is told is used of one capacity.  Also if it has changed back: then it has moved twice, and who sees the second
 * move sees it counted; relaxed, for the capacity was acquired.  Acquire, before: a move that is counted already comes
 * after all that it has built on.
 */
size_t budget_used(const struct budget *b)
{
    for (;;) {
        uint64_t moves = atom_load_acquire(&((struct budget *)(uintptr_t)b)->moves);
        size_t capacity = budget_capacity(b);
        int64_t room = budget_room(b);

        if (budget_capacity(b) == capacity && atom_load_relaxed(&((struct budget *)(uintptr_t)b)->moves) == moves)
            return room > (int64_t)capacity ? 0 : (size_t)((int64_t)capacity - room);
    }
}
