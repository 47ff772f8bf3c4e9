/* SPDX-License-Identifier: MIT
 *
 * A key that threads share: one word that owns a key count of the entry it names.  It knows no cache.
 * Proved by test/litmus/slot.cpp.
 */
#ifndef BRIM_ENTRY_SLOT_H
#define BRIM_ENTRY_SLOT_H

#include "entry/entry.h"

struct slot {
    ATOM(struct entry *) entry;
};

/*
 * slot_load_key(s):
 * Count a key on the entry named, or NULL.  In a section: the slot's own count may go while we look, and the entry
 * with it, but for the section.
 */
struct entry *slot_load_key(struct slot *s);

/*
 * slot_peek(s):
 * The entry named, without a count, or NULL.  In a section, for as long as it lasts.
 */
struct entry *slot_peek(struct slot *s);

/*
 * slot_exchange(s, e):
 * Put ${e}, whose key count passes to the slot, and return what was there, with its count.
 */
struct entry *slot_exchange(struct slot *s, struct entry *e);

/*
 * slot_compare_exchange(s, expected, e):
 * Put ${e} if ${expected} is there, whose count is the caller's then.  False: another is there, nothing changed.
 */
bool slot_compare_exchange(struct slot *s, const struct entry *expected, struct entry *e);

#endif
