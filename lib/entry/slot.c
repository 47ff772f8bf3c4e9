/* SPDX-License-Identifier: MIT */
#include "entry/slot.h"

/* Acquire: the entry's constant fields, from who stored it (edge publish). */
struct entry *slot_load_key(struct slot *s)
{
    struct entry *e;

    /* An entry that is about to be freed has been taken from the slot since: look again. */
    do
        e = atom_load_acquire(&s->entry);
    while (e != NULL && !entry_try_key(e));
    return e;
}

struct entry *slot_peek(struct slot *s)
{
    return atom_load_acquire(&s->entry);
}

/* Release: as above; acquire: the entry that we get. */
struct entry *slot_exchange(struct slot *s, struct entry *e)
{
    return atom_exchange_acq_rel(&s->entry, e);
}

bool slot_compare_exchange(struct slot *s, const struct entry *expected, struct entry *e)
{
    struct entry *there = atom_load_acquire(&s->entry);

    if (PLANTED(slot_compares_then_stores) && there == expected) {
        atom_store_release(&s->entry, e);
        return true;
    }
    while (there == expected)
        if (atom_cas_acq_rel(&s->entry, &there, e))
            return true;
    return false;
}
