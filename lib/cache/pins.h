/* SPDX-License-Identifier: MIT
 *
 * Who holds what, for the hunt for leaks and for what was given back twice: each ref and each load that a call has given
 * out is noted, with the call site, until it comes back.  In builds with BRIM_TRACE_REFS only: a lock at every look-up
 * would hide from the other checking builds what they look for.
 */
#ifndef BRIM_CACHE_PINS_H
#define BRIM_CACHE_PINS_H

#include "cache/cache.h"

#ifdef BRIM_TRACE_REFS

void pins_note(const struct brim_cache *c, const void *what, bool load, const void *site) EXCLUDES(rank_pins);

/* False: it was not out, and the hook has been told of ${misuse}. */
bool pins_forget(const void *what, const char *misuse) EXCLUDES(rank_pins);

static inline brim_ref *pins_note_ref(brim_ref *ref, const void *site)
{
    if (ref != NULL)
        pins_note(cache_of(entry_of_ref(ref)), ref, false, site);
    return ref;
}

/* The lock, for fork; NULL: none. */
struct lock *pins_lock(void);

/* To be used in public functions, whose caller is the site. */
#define pins_ref(ref) pins_note_ref((ref), __builtin_return_address(0))
#define pins_load(c, load) pins_note((c), (load), true, __builtin_return_address(0))

#else

#define pins_ref(ref) (ref)
#define pins_load(c, load) ((void)(c), (void)(load))
#define pins_forget(what, misuse) ((void)(what), true)
#define pins_lock() ((struct lock *)NULL)

#endif

/* What a call has put into ${n} places. */
#define pins_refs(refs, n)                                                                                        \
    do {                                                                                                          \
        for (size_t pins_i = 0; pins_i < (n); pins_i++)                                                           \
            (void)pins_ref((refs)[pins_i]);                                                                       \
    } while (0)

/* What a claim with ${status} has given. */
#define pins_claim(c, status, ref, load)                                                                          \
    do {                                                                                                          \
        if ((status) == BRIM_OK)                                                                                  \
            (void)pins_ref(*(ref));                                                                               \
        else if ((status) == BRIM_CLAIMED)                                                                        \
            pins_load((c), *(load));                                                                              \
    } while (0)

/* What a call with a status and an out-parameter, which may be NULL, has given. */
#define pins_out(out) ((out) != NULL ? (void)pins_ref(*(out)) : (void)0)

#endif
