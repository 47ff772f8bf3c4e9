/* SPDX-License-Identifier: MIT
 *
 * Making room (G4, G5).
 *
 * Room is taken from the budget when it suffices.  Else entries are evicted, and what they free is kept as the
 * caller's own reservation, which nobody can steal, until it is enough or nothing more can go.
 */
#ifndef BRIM_CACHE_ADMIT_H
#define BRIM_CACHE_ADMIT_H

#include "cache/dispose.h"

/* What an admission is for. */
struct admission {
    struct brim_cache *cache;
    struct caller by;
    size_t charge;
    const struct entry *for_entry; /* to be linked; NULL: for room alone.  Entries of its key go last */
    struct entry *expected;        /* the entry it is to replace; NULL: whatever has the key */
    uint64_t hash;
    bool keep_old;                 /* out: false: the old entry had to go first */
};

/*
 * admit(a):
 * Reserve ${a->charge} for the calling thread.  OK; TOO_BIG; FULL.  Runs destructors and listeners of victims.
 */
brim_status admit(struct admission *a);

/*
 * admit_undo(c, by, charge):
 * Give a reservation back.
 */
void admit_undo(struct brim_cache *c, struct caller by, size_t charge);

/*
 * admit_to_user(c, by, charge):
 * Make a reservation of the calling thread one of brim_reserve.
 */
void admit_to_user(struct brim_cache *c, struct caller by, size_t charge);

/*
 * admit_entry(a):
 * Evict one entry, so that the number of entries may grow.  False: none can go.
 */
bool admit_entry(struct admission *a);

/*
 * admit_evict(c, by, need, kind):
 * Evict by the policy until ${need} was freed or nothing more can go.  ${kind} number, or -1.  Returns what it freed.
 */
size_t admit_evict(struct brim_cache *c, struct caller by, size_t need, int kind);

/*
 * admit_close_gate(), admit_open_gate():
 * Around fork: while the gate is closed no thread is between taking room and noting it as its reservation.
 */
void admit_close_gate(void);
void admit_open_gate(void);

#endif
