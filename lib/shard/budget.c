/* SPDX-License-Identifier: MIT */
#include "shard/budget.h"

#include "base/clock.h"

void budget_init(struct budget *b, size_t capacity)
{
    atom_store_relaxed(&b->capacity, (uint64_t)capacity);
    atom_store_relaxed(&b->begun, 0);
    atom_store_relaxed(&b->done, 0);
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

/* Release: what the caller did before; who is told the new capacity sees that a move has begun. */
static bool move_capacity(struct budget *b, size_t from, size_t to)
{
    uint64_t old = from;

    while (!atom_cas_release(&b->capacity, &old, (uint64_t)to))
        if (old != from) /* not covered: the same, as no exchange fails for nothing on x86 */
            return false;
    return true;
}

/*
 * First the capacity, then the room: so what somebody takes is within the capacity that he is told after it.  Each step
 * releases those before it; the first has none.  Nothing is read after them, so there is nothing to acquire.
 */
bool budget_raise(struct budget *b, size_t from, size_t to)
{
    bool raised;

    (void)atom_add_relaxed(&b->begun, (uint64_t)1);
    if (PLANTED(budget_raise_room_first))
        (void)atom_add_release(&b->room, (uint64_t)(to - from));
    raised = move_capacity(b, from, to);
    if (raised && !PLANTED(budget_raise_room_first))
        (void)atom_add_release(&b->room, (uint64_t)(to - from));
    (void)atom_add_release(&b->done, (uint64_t)1);
    return raised;
}

/* For the same reason first the room, then the capacity.  Relaxed, what goes back: an operation on what was released. */
bool budget_lower(struct budget *b, size_t from, size_t to, size_t taken)
{
    bool lowered;
    uint64_t rest = from - to - taken;

    (void)atom_add_relaxed(&b->begun, (uint64_t)1);
    if (!PLANTED(budget_lower_capacity_first))
        (void)atom_sub_release(&b->room, rest);
    lowered = move_capacity(b, from, to);
    if (!lowered && !PLANTED(budget_lower_capacity_first))
        (void)atom_add_relaxed(&b->room, rest);
    if (lowered && PLANTED(budget_lower_capacity_first))
        (void)atom_sub_release(&b->room, rest);
    (void)atom_add_release(&b->done, (uint64_t)1);
    return lowered;
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
 * The two words agree while no move is between its steps: the number done before they are read is that of those begun
 * after it.  Acquire, first: who sees a move done sees all that it did.  Relaxed, last: who was told a word of a move
 * has acquired that it has begun.  A move is a few instructions within a window (part/window.h), which no fork cuts.
 */
size_t budget_used(const struct budget *b)
{
    struct budget *m = (struct budget *)(uintptr_t)b;

    for (;;) {
        uint64_t done = atom_load_acquire(&m->done);
        size_t capacity = budget_capacity(b);
        int64_t room = budget_room(b);

        if (atom_load_relaxed(&m->begun) == done || PLANTED(budget_used_midway))
            return (size_t)((uint64_t)capacity - (uint64_t)room);
        clock_pause(0);
    }
}
