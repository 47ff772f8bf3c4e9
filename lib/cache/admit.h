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
    struct kind *kind;             /* whose limits count; NULL: none */
    uint64_t now;                  /* for ages; 0: not looked at */
    bool own_too;                  /* the kind is below its floor, and yet its own must go */
    size_t have;                   /* of the charge, reserved for the calling thread already */
    bool counted;                  /* out: the charge is part of what the kind has taken */
};

/*
 * admit(a):
 * Reserve ${a->charge} for the calling thread.  OK; TOO_BIG; FULL: then what it had is given back too.  Runs destructors
 * and listeners of victims.
 */
brim_status admit(struct admission *a);

/*
 * admit_undo(c, by, charge):
 * Give a reservation back.
 */
void admit_undo(struct brim_cache *c, struct caller by, size_t charge);

/*
 * admit_cancel(a):
 * Give back all that ${a}, which was OK, has reserved.
 */
void admit_cancel(struct admission *a);

/*
 * admit_to_loads(c, by, charge), admit_from_loads(c, by, charge):
 * Make a reservation of the calling thread one of a load's, which any thread may end; and back.
 */
void admit_to_loads(struct brim_cache *c, struct caller by, size_t charge);
void admit_from_loads(struct brim_cache *c, struct caller by, size_t charge);

/*
 * admit_to_user(c, by, charge):
 * Make a reservation of the calling thread one of brim_reserve.
 */
void admit_to_user(struct brim_cache *c, struct caller by, size_t charge);

/*
 * admit_user_undo(c, by, charge):
 * Give up to ${charge} of what brim_reserve reserved back.
 */
void admit_user_undo(struct brim_cache *c, struct caller by, size_t charge);

/*
 * admit_freed(c, by, k, charge, keep):
 * A value of kind ${k} is destroyed: its charge is room again, or with ${keep} a reservation of the calling thread.
 */
void admit_freed(struct brim_cache *c, struct caller by, struct kind *k, size_t charge, bool keep);

/*
 * admit_raise(c, by, from, to):
 * Set the capacity up, if it is still ${from}.
 */
bool admit_raise(struct brim_cache *c, struct caller by, size_t from, size_t to);

/*
 * admit_lower(c, by, from, to, taken):
 * Set the capacity down from ${from}; ${taken} of the difference is a reservation of the calling thread, which is
 * used up.  False: the capacity is no longer ${from}.
 */
bool admit_lower(struct brim_cache *c, struct caller by, size_t from, size_t to, size_t taken);

/*
 * admit_counted(a):
 * Make ${a}, whose kind has begun to keep its sums since, part of them: it evicts its own if it must.  False: they do
 * not have room for it.
 */
bool admit_counted(struct admission *a);

/*
 * admit_entry(a):
 * Evict one entry, so that the number of entries may grow.  False: none can go.
 */
bool admit_entry(struct admission *a);

/*
 * admit_evict(c, by, need, k):
 * Evict, of kind ${k} or if NULL of all, until ${need} was freed or nothing more can go, whatever the floors.  Returns
 * what it freed.
 */
size_t admit_evict(struct brim_cache *c, struct caller by, size_t need, const struct kind *k);

/*
 * admit_evict_kind(c, by, need, k, like):
 * The same for an entry of kind ${k} that ${like}'s key goes on in, and often: fair also where the kind is rare.
 */
size_t admit_evict_kind(struct brim_cache *c, struct caller by, size_t need, struct kind *k, const struct entry *like);

#endif
