/* SPDX-License-Identifier: MIT */
#include "part/tally.h"

#define BIAS ((uint64_t)1 << 62)

void tally_init(struct tally *y)
{
    for (unsigned i = 0; i < TALLY_PARTS; i++) {
        atom_store_relaxed(&y->part[i].n, 0);
        atom_store_relaxed(&y->part[i].amount, 0);
    }
    atom_store_relaxed(&y->closing, 0);
    atom_store_relaxed(&y->total, BIAS);
}

static bool has_own(const struct thread *t)
{
    return t->number - 1 < TALLY_PARTS - 1;
}

/*
 * Relaxed, parts and `closing': they are looked at in sections, and tally_close raises `closing' before it waits for
 * those and sums after, so that it orders all of them (edge tally).  An own part has one writer.
 */
static void change(struct tally *y, const struct thread *t, uint64_t delta)
{
    if (likely(has_own(t))) {
        struct tally_part *own = &y->part[t->number];
        atom_store_relaxed(&own->n, atom_load_relaxed(&own->n) + delta);
    } else {
        (void)atom_add_relaxed(&y->part[0].n, delta);
    }
}

void tally_adjust(struct tally *y, struct thread *t, size_t delta)
{
    /* Relaxed: it is only summed. */
    if (likely(has_own(t)))
        atom_store_relaxed(&y->part[t->number].amount, atom_load_relaxed(&y->part[t->number].amount) + delta);
    else
        (void)atom_add_relaxed(&y->part[0].amount, delta);
}

/*
 * The section makes tally_close wait until an addition to a part is seen by its sum: who enters later sees `closing'.
 */
void tally_add(struct tally *y, struct thread *t)
{
    section_enter(t);
    if (likely(!atom_load_relaxed(&y->closing)))
        change(y, t, 1);
    else
        (void)atom_add_relaxed(&y->total, 1);
    section_leave(t);
}

/*
 * Relaxed, the exchange: it hands nothing on but when what was added is dropped, and the section keeps what is counted.
 * Drops that come before it are handed on through it: it is in their release sequence.
 */
bool tally_try_add(struct tally *y, struct thread *t)
{
    uint64_t total;

    if (likely(!atom_load_relaxed(&y->closing))) {
        change(y, t, 1);
        return true;
    }
    total = atom_load_relaxed(&y->total);
    while (total != 0)
        if (atom_cas_relaxed(&y->total, &total, total + 1))
            return true;
    return false;
}

bool tally_drop(struct tally *y, struct thread *t)
{
    bool last = false;

    section_enter(t);
    if (likely(!atom_load_relaxed(&y->closing)))
        change(y, t, (uint64_t)-1);
    else
        last = atom_sub_acq_rel(&y->total, 1) == 1;
    section_leave(t);
    return last;
}

bool tally_close(struct tally *y)
{
    uint64_t sum = 0;

    atom_store_relaxed(&y->closing, 1);
    if (!PLANTED(tally_waits_for_nobody))
        epoch_wait(&epoch_process);
    for (unsigned i = 0; i < TALLY_PARTS; i++)
        sum += atom_load_relaxed(&y->part[i].n);
    sum -= BIAS;
    return atom_add_acq_rel(&y->total, sum) + sum == 0;
}

uint64_t tally_count(const struct tally *y)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < TALLY_PARTS; i++)
        sum += atom_load_relaxed(&y->part[i].n);
    return sum;
}

size_t tally_amount(const struct tally *y)
{
    size_t sum = 0;

    for (unsigned i = 0; i < TALLY_PARTS; i++)
        sum += atom_load_relaxed(&y->part[i].amount);
    return (int64_t)sum > 0 ? sum : 0; /* what is added and taken away beside us may be seen by half */
}
