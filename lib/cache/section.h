/* SPDX-License-Identifier: MIT
 *
 * Sections: stretches of one thread's work in which it borrows a cache's values.  A section is a reader of the
 * cache's own epoch domain, at the thread's stripe, and holds what left since it began in the limbo.
 *
 * All sections together keep one count on the cache's life, until it was freed and none is left.
 */
#ifndef BRIM_CACHE_SECTION_H
#define BRIM_CACHE_SECTION_H

#include "base/debug.h"
#include "cache/cache.h"

/*
 * section_allow(c), section_forbid(c):
 * ${c} is new, with options.borrow; it has been freed.
 */
void section_allow(struct brim_cache *c);
void section_forbid(struct brim_cache *c);

/*
 * section_stripe(c, t):
 * The stripe at which thread ${t} has a section open in ${c}; NULL: it has none.
 */
static inline struct stripe *section_stripe(struct brim_cache *c, const struct thread *t)
{
    struct stripe *st = stripe_ready(&c->stripes, t);

    return likely(atom_load_relaxed(&st->nesting) != 0) ? st : NULL; /* relaxed: our own; 0 in the shared one */
}

/*
 * section_of(c, t):
 * The same for a public call that needs a section: NULL also if ${c} is NULL or knows no sections; and a message to
 * the debug hook.
 */
static inline struct stripe *section_of(struct brim_cache *c, const struct thread *t)
{
    struct stripe *st = c != NULL ? section_stripe(c, t) : NULL; /* without borrow there are none */

    if (unlikely(st == NULL))
        debug_misuse("brim: not in a section of this cache");
    return st;
}

#endif
