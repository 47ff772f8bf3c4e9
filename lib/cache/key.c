/* SPDX-License-Identifier: MIT */
#include "cache/dispose.h"
#include "cache/remove.h"
#include "cache/stale.h"
#include "entry/slot.h"

brim_key *brim_ref_key(brim_ref *ref)
{
    if (ref == NULL)
        return NULL;
    entry_copy_key(entry_of_ref(ref));
    return key_of(entry_of_ref(ref));
}

bool brim_key_remove(brim_key *key)
{
    struct entry *e = entry_of_key(key);

    return key != NULL && remove_entry(cache_of(e), e);
}

bool brim_key_is_valid(const brim_key *key)
{
    return key != NULL && stale_is_found(entry_of_key(key));
}

bool brim_key_equal(const brim_key *a, const brim_key *b)
{
    return a == b;
}

brim_key *brim_key_copy(brim_key *key)
{
    if (key != NULL)
        entry_copy_key(entry_of_key(key));
    return key;
}

/* Copy first: *dst may be the only count that keeps src. */
void brim_key_assign(brim_key **dst, brim_key *src)
{
    brim_key *old;

    if (dst == NULL)
        return;
    old = *dst;
    *dst = brim_key_copy(src);
    brim_key_drop(old);
}

void brim_key_swap(brim_key **a, brim_key **b)
{
    brim_key *key;

    if (a == NULL || b == NULL)
        return;
    key = *a;
    *a = *b;
    *b = key;
}

void brim_key_drop(brim_key *key)
{
    if (key != NULL)
        dispose_key(entry_of_key(key));
}

/* ---- Slots */

_Static_assert(sizeof(struct slot) == sizeof(brim_slot), "a slot is one pointer, for ever");

static struct slot *slot_of(brim_slot *s)
{
    return (struct slot *)(void *)s;
}

void brim_slot_init(brim_slot *s, brim_key *key)
{
    if (s != NULL)
        atom_store_release(&slot_of(s)->entry, entry_of_key(key));
}

brim_key *brim_slot_load(brim_slot *s)
{
    struct thread *t;
    struct entry *e;

    if (s == NULL)
        return NULL;
    t = thread_self();
    section_enter(t);
    e = slot_load_key(slot_of(s));
    section_leave(t);
    return key_of(e);
}

brim_key *brim_slot_exchange(brim_slot *s, brim_key *key)
{
    return key_of(slot_exchange(slot_of(s), entry_of_key(key)));
}

void brim_slot_store(brim_slot *s, brim_key *key)
{
    brim_key_drop(brim_slot_exchange(s, key));
}

bool brim_slot_compare_exchange(brim_slot *s, const brim_key *expected, brim_key *desired)
{
    if (!slot_compare_exchange(slot_of(s), entry_of_key(expected), entry_of_key(desired)))
        return false;
    brim_key_drop((brim_key *)(uintptr_t)expected); /* the slot's count of it */
    return true;
}
