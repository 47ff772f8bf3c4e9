/* SPDX-License-Identifier: MIT
 *
 * A kind's floor and ceiling in one cache, and the two sums that they are about.  Kept only for kinds that have limits
 * or once had some:
 *
 *   linked = charge of its entries flagged IN_LINKED: those that look-ups find.  For the floor.
 *   taken  = charge of its values taken and not yet destroyed, plus that of admissions under way.  For the ceiling:
 *            taken <= ceiling at every instant, unless the ceiling was lowered.  One word, the room that is left, so that
 *            an admission beside a change of the ceiling is before or after it.
 *
 * For a kind that gets its first limit late, cache/limits.c begins the second sum while nothing moves, and the first
 * shard by shard.
 */
#ifndef BRIM_SHARD_LIMIT_H
#define BRIM_SHARD_LIMIT_H

#include "entry/entry.h"

struct limit {
    ATOM(uint32_t) counts; /* the sums are kept; set once */
    ATOM(size_t) floor, ceiling; /* 0: none */
    bool queued;           /* its values wait for their owner: evicting them frees nothing yet; constant */
    ATOM(uint64_t) linked;
    ATOM(uint64_t) room; /* signed: the ceiling, or if there is none LIMIT_NONE, less what is taken */
};
#define LIMIT_NONE ((uint64_t)SIZE_MAX / 2)

/*
 * limit_set(l, floor, ceiling):
 * Change both; not by two threads at once.
 */
void limit_set(struct limit *l, size_t floor, size_t ceiling);

/*
 * limit_begin(l, taken):
 * The sums are kept from now on.
 */
void limit_begin(struct limit *l, size_t taken);

/*
 * limit_above(l, n):
 * How much more than the ceiling would be taken with ${n} more; 0: it fits.
 */
size_t limit_above(const struct limit *l, size_t n);

/*
 * limit_taken(l):
 * What is taken, where the sums are kept; near it while the ceiling is changed, and never more than that.
 */
size_t limit_taken(const struct limit *l);

/*
 * limit_take(l, n):
 * ${n} more is taken.  False: it would pass the ceiling.
 */
bool limit_take(struct limit *l, size_t n);
void limit_give(struct limit *l, size_t n);

/*
 * limit_spare(l, n):
 * Take ${n} from what is linked, for others' sake.  False: that would go below the floor, and nothing changed.
 */
bool limit_spare(struct limit *l, size_t n);

static inline bool limit_counts(const struct limit *l)
{
    /* Relaxed: it is set while all mutexes are held and nobody is in a window. */
    return atom_load_relaxed(&((struct limit *)(uintptr_t)l)->counts) != 0;
}

/*
 * limit_join(l, e):
 * ${e}, whose charge is taken already, has been linked.  Under its shard's mutex, as all below.
 */
void limit_join(struct limit *l, struct entry *e);

/*
 * limit_leave(l, e):
 * ${e} has left.
 */
void limit_leave(struct limit *l, struct entry *e);

/*
 * limit_adjust(l, e, more, had):
 * ${e}'s charge has changed by ${more}, for which ${had} was taken.
 */
void limit_adjust(struct limit *l, const struct entry *e, size_t more, size_t had);

/*
 * limit_adopt(l, e):
 * ${e} is linked, perhaps since before the sums were kept.
 */
void limit_adopt(struct limit *l, struct entry *e);

#endif
