/* SPDX-License-Identifier: MIT
 *
 * Counters of one cache, a stripe for each thread number.  A stripe has one writer, so that counting is a load and a
 * store and needs no locked instruction; stripe 0 is shared by those who have none of their own, and counts by
 * atomic additions.  Sums are exact when nobody is counting, and never lose a count: a stripe passes to the next
 * owner of its number as it is.
 */
#ifndef BRIM_PART_STRIPE_H
#define BRIM_PART_STRIPE_H

#include "base/mem.h"
#include "part/thread.h"

enum { STRIPE_KINDS = 16 }; /* as KIND_SLOTS */

typedef ATOM(uint64_t) stripe_counter;

/* Of one kind, or of those that share its place. */
struct stripe_kind {
    stripe_counter hits;
    stripe_counter pinned; /* signed: + when an entry's first hold is taken, - when its last one goes */
};

struct stripe {
    struct stripe_kind of[STRIPE_KINDS];
    stripe_counter misses;
    struct epoch_reader section;     /* of the cache's own domain: cache/section.c; not of the shared stripe */
    ATOM(uint64_t) nesting;          /* of sections; as above */
    bool shared;
    stripe_counter reserved;         /* room taken by this thread's inserts under way */
    stripe_counter dying, destroyed; /* values whose end this thread has begun, and brought about or passed on */
} __attribute__((aligned(128)));

enum { STRIPE_CHUNKS = 24, STRIPE_FIRST = 8 };

struct stripes {
    const brim_allocator *mem;
    ATOM(struct stripe *) chunk[STRIPE_CHUNKS]; /* of 8, 16, 32, ... stripes; published once, never moved */
};

/*
 * stripes_init(s, mem):
 * False: no memory.
 */
bool stripes_init(struct stripes *s, const brim_allocator *mem);
void stripes_destroy(struct stripes *s);

struct stripe *stripe_of_slow(struct stripes *s, unsigned number);

/*
 * stripe_of(s, t):
 * The stripe of thread ${t}; the shared one if there is no memory for it.  May allocate: not in a section.
 */
static inline struct stripe *stripe_of(struct stripes *s, const struct thread *t)
{
    if (likely(t->number < STRIPE_FIRST))
        return atom_load_acquire(&s->chunk[0]) + t->number;
    return stripe_of_slow(s, t->number);
}

struct stripe *stripe_ready_slow(struct stripes *s, unsigned number);

/*
 * stripe_ready(s, t):
 * The same without memory: the shared one if there is none yet.  Also in a section.
 */
static inline struct stripe *stripe_ready(struct stripes *s, const struct thread *t)
{
    if (likely(t->number < STRIPE_FIRST))
        return atom_load_acquire(&s->chunk[0]) + t->number;
    return stripe_ready_slow(s, t->number);
}

/*
 * stripe_add(st, field, n):
 * Relaxed: only its own thread writes a stripe, and sums are promised to nobody while others count.
 */
#define stripe_add(st, field, n) stripe_count(&(st)->field, (st)->shared, (uint64_t)(n))

/* The same of a stripe that is known not to be the shared one. */
#define stripe_add_own(st, field, n) stripe_count(&(st)->field, false, (uint64_t)(n))

static inline void stripe_count(stripe_counter *counter, bool shared, uint64_t n)
{
    if (unlikely(shared))
        (void)atom_add_relaxed(counter, n);
    else
        atom_store_relaxed(counter, atom_load_relaxed(counter) + n);
}

/*
 * stripes_each(s, fn, arg):
 * Call ${fn} on every stripe that there is.
 */
void stripes_each(const struct stripes *s, void (*fn)(struct stripe *st, void *arg), void *arg);

/*
 * stripes_sum(s, offset):
 * The sum of one counter, given as offsetof(struct stripe, it).
 */
uint64_t stripes_sum(const struct stripes *s, size_t offset);

/*
 * stripes_pinned(s):
 * The sum of all kinds' pins; 0 if a hold and its release were seen in the wrong order.
 */
size_t stripes_pinned(const struct stripes *s);
size_t stripes_bytes(const struct stripes *s);

#endif
