/* SPDX-License-Identifier: MIT */
#include "entry/entry.h"

#include <string.h>

#include "base/debug.h"

static uint64_t keys_of(uint64_t s)
{
    return s / STATE_KEY & STATE_COUNT_MASK;
}

/* ---- Life */

void entry_init(struct entry *e, const void *key, size_t key_len, void *value, size_t cost)
{
    unsigned char *p = (unsigned char *)(e + 1);

    atom_store_relaxed(&e->state, STATE_REF);
    atom_store_relaxed(&e->next, (uintptr_t)0);
    atom_store_relaxed(&e->cost, cost);
    shared_set(e->value, value);
    e->eviction = 0;
    e->priority = ENTRY_NO_CAUSE;
    if (key_len < ENTRY_LONG) {
        e->key_len8 = (uint8_t)key_len;
    } else {
        uint32_t len = (uint32_t)key_len;
        e->key_len8 = ENTRY_LONG;
        memcpy(p, &len, sizeof len);
        p += sizeof len;
    }
    if (key_len > 0)
        memcpy(p, key, key_len);
}

void entry_publish(struct entry *e, unsigned refs, unsigned keys)
{
    /* Relaxed: its address in the index, which makes it visible, is stored with release. */
    atom_store_relaxed(&e->state, STATE_LINKED + (refs + 1) * STATE_REF + keys * STATE_KEY);
}

void entry_set_refs(struct entry *e, unsigned refs)
{
    atom_store_relaxed(&e->state, refs * STATE_REF); /* relaxed: whatever gives it to others orders it */
}

/* ---- Refs */

/*
 * The last hold on an entry that has left is gone: become the one who destroys the value, unless a passing reader
 * holds it again, who then comes here in its turn.  Acquire: every release before this one (edge destroy).  No release:
 * that of our own ref, just before, is passed on by this.
 */
unsigned entry_try_die(struct entry *e)
{
    uint64_t s = atom_load_relaxed(&e->state);

    while (refs_of(s) == 0 && !(s & (STATE_LINKED | STATE_DEAD))) {
        uint64_t dead = s + STATE_DEAD + STATE_KEY;
        if (PLANTED(entry_die_relaxed)) {
            if (atom_cas_relaxed(&e->state, &s, dead))
                return ENTRY_LAST;
        } else if (atom_cas_acquire(&e->state, &s, dead)) {
            return ENTRY_LAST;
        }
    }
    return 0;
}

unsigned entry_undo_hold(struct entry *e, uint64_t s)
{
    unsigned events = held_of(s) == 0 ? ENTRY_PIN : 0;

    if (!PLANTED(entry_left_relaxed))
        (void)atom_load_acquire(&e->state); /* who sees that it has left must see its successor (edge replace) */
    return events | entry_release(e); /* also of a dead one: its wait may end in between, and find our hold */
}

void entry_panic_refs(void)
{
    debug_panic("brim: too many refs on one entry");
}

void entry_panic_release(void)
{
    debug_panic("brim: a ref was released twice");
}

bool entry_end_wait(struct entry *e)
{
    /* Acquire: who held it in its section and has released it is done with it (edge destroy). */
    uint64_t s = PLANTED(entry_wait_relaxed) ? atom_load_relaxed(&e->state) : atom_load_acquire(&e->state);

    if (PLANTED(entry_wait_ignores_holds))
        return true;
    while (refs_of(s) != 0)
        if (atom_cas_acq_rel(&e->state, &s, s - STATE_DEAD - STATE_KEY))
            return false;
    return true;
}

unsigned entry_copy_hold(struct entry *e)
{
    /* Relaxed: the caller's own hold, or its section, keeps all in place. */
    uint64_t s = atom_add_relaxed(&e->state, STATE_REF);

    if (unlikely(refs_of(s) >= ENTRY_COUNT_LIMIT))
        debug_panic("brim: too many refs on one entry");
    return held_of(s) == 0 ? ENTRY_PIN : 0;
}

/* Once it has left, its word is another thing: the exchange fails then (edge replace). */
void entry_restamp(struct entry *e, uintptr_t next, uintptr_t stamp)
{
    while ((next & (STAMP | STAMP_LINK)) == STAMP && ((next ^ stamp) & STAMP_USE) != 0)
        if (PLANTED(entry_stamp_stores)) {
            atom_store_relaxed(&e->next, (next & ~STAMP_USE) | (stamp & STAMP_USE));
            return;
        } else if (atom_cas_relaxed(&e->next, &next, (next & ~STAMP_USE) | (stamp & STAMP_USE))) {
            return;
        }
}

/* ---- Keys */

void entry_copy_key(struct entry *e)
{
    /* Relaxed: as above. */
    uint64_t s = atom_add_relaxed(&e->state, STATE_KEY);

    if (unlikely(keys_of(s) >= ENTRY_COUNT_LIMIT))
        debug_panic("brim: too many keys on one entry");
}

bool entry_try_key(struct entry *e)
{
    /*
     * Acquire: who sees that it is freed must see what the slot has held since (edge slot).  Relaxed, the exchange: a key
     * hands nothing on but when it is dropped; and who learns by its failure that the entry is freed, and still sees the
     * slot as it was, comes here again, and acquires then.
     */
    uint64_t s = PLANTED(entry_key_relaxed) ? atom_load_relaxed(&e->state) : atom_load_acquire(&e->state);

    for (;;) {
        if (!PLANTED(entry_key_of_freed) && (s & STATE_DEAD) && keys_of(s) == 0)
            return false;
        if (unlikely(keys_of(s) >= ENTRY_COUNT_LIMIT))
            debug_panic("brim: too many keys on one entry");
        if (atom_cas_relaxed(&e->state, &s, s + STATE_KEY))
            return true;
    }
}

bool entry_drop_key(struct entry *e)
{
    /* Release: our use of the entry comes before its memory goes; acquire: everybody else's (edge free). */
    uint64_t s;

    if (PLANTED(entry_drop_relaxed))
        s = atom_sub_relaxed(&e->state, STATE_KEY);
    else
        s = atom_sub_acq_rel(&e->state, STATE_KEY);
    if (unlikely(keys_of(s) == 0))
        debug_panic("brim: a key was dropped twice");
    return (s & STATE_DEAD) != 0 && keys_of(s) == 1;
}

/* ---- Leaving */

/* What becomes of ${s} when the entry leaves: dead at once if only the link holds it. */
static uint64_t leave(uint64_t s)
{
    if (refs_of(s) == 1)
        return s - STATE_LINKED - STATE_REF + STATE_DEAD + STATE_KEY;
    return s - STATE_LINKED;
}

/*
 * Release: the successor was set before `linked' is cleared (edge replace).  Acquire: whoever released the value
 * before us is done with it (edge destroy).
 */
bool entry_unlink(struct entry *e)
{
    uint64_t s = atom_load_relaxed(&e->state);

    while (!atom_cas_acq_rel(&e->state, &s, leave(s))) {
    }
    return refs_of(s) == 1;
}

/* Acquire: as above.  Release: who sees that it has left sees what the slots that named it hold since (edge slot). */
bool entry_try_evict(struct entry *e)
{
    uint64_t s = atom_load_relaxed(&e->state);

    while ((s & STATE_LINKED) != 0 && refs_of(s) == 1) {
        if (PLANTED(entry_evict_stores)) {
            atom_store_relaxed(&e->state, leave(s));
            return true;
        }
        if (atom_cas_acq_rel(&e->state, &s, leave(s)))
            return true;
    }
    return false;
}

/* As entry_try_evict. */
bool entry_remove_last(struct entry *e)
{
    uint64_t s = atom_load_relaxed(&e->state);

    while ((s & STATE_LINKED) != 0 && refs_of(s) == 2)
        if (atom_cas_acq_rel(&e->state, &s, leave(s - STATE_REF)))
            return true;
    return false;
}

/* ---- Looking */

/*
 * Relaxed: who asks whether it is dead has made it so, and acquired by that, or has a ref with which nobody else can; keys
 * are a hint to eviction.
 */
static uint64_t state_of(const struct entry *e)
{
    return atom_load_relaxed(&((struct entry *)(uintptr_t)e)->state);
}

bool entry_is_dead(const struct entry *e)
{
    return (state_of(e) & STATE_DEAD) != 0;
}

bool entry_has_keys(const struct entry *e)
{
    return keys_of(state_of(e)) != 0;
}

/* Relaxed, as entry_mark_used. */
void entry_forget_use(struct entry *e)
{
    (void)atom_and_relaxed(&e->state, ~STATE_USED);
}


