/* SPDX-License-Identifier: MIT
 *
 * Looking for mistakes, the library's and the program's.  No promise about its ABI; the form of the comments
 * is brim.h's.
 */
#ifndef BRIM_DEBUG_H
#define BRIM_DEBUG_H
#include "brim.h"
#ifdef __cplusplus
extern "C" {
#endif

/**
 * brim_check(cache, file):
 * Look whether the cache's invariants hold, and write each that does not to ${file}, if it is not NULL. Those
 * of a shard always; the equations over all shards (used, values, count) only when nothing else is under way.
 *
 * Returns    True: none is broken, or ${cache} is NULL.
 * Ownership  ${file} stays the caller's, open.
 * Threads    Any.
 * Blocks     On one shard's mutex at a time, each for as long as it takes to look at the whole shard; ${file}
 *            is written meanwhile, and must not lead back into Brim.
 * Cost       O(entries + threads + shards); hashes every key.
 */
BRIM_EXPORT bool brim_check(brim_cache *cache, FILE *file);

/**
 * brim_dump(cache, file):
 * Write the cache's bounds, its shards, and each entry's cost in the user's unit, how often eviction has seen it
 * used, up to 15 times, and its first 32 key bytes in hexadecimal.  NULL for either: nothing.
 *
 * Ownership  ${file} stays the caller's, open.
 * Threads    Any.
 * Blocks     On one mutex, and on ${file}, with no lock held.
 * Callbacks  Destructors of what left meanwhile and was last held by the walk.
 * Cost       O(entries + threads + shards).  Up to 256 entries at a time are held, and cannot be evicted.
 */
BRIM_EXPORT void brim_dump(brim_cache *cache, FILE *file);

/**
 * brim_dump_refs(cache, file):
 * Write who holds what: for each ref that a call has given out and that has not been released, the value's key,
 * the thread that took it, how long ago, and from which call site; the same for loads.  In builds with
 * BRIM_TRACE_REFS only, as `make debug' makes them; others say that they do not know.  NULL for either: nothing.
 *
 * Ownership  ${file} stays the caller's, open.
 * Threads    Any.
 * Blocks     On the mutex of the list, over ${file}, which must not lead back into Brim.
 * Cost       O(refs of all caches).
 */
BRIM_EXPORT void brim_dump_refs(brim_cache *cache, FILE *file);

/**
 * brim_set_debug_hook(hook, arg):
 * Have ${hook} called, with ${arg}, with the reason before the library aborts: a handle given back twice, a
 * count about to overflow; in checking builds, a lock taken out of rank or not held.  In builds with assertions
 * also for misuse that is seen and then ignored: a peek outside a section, a loader that finishes its own load;
 * with BRIM_TRACE_REFS a ref released twice, a load consumed twice.  The message names the call.  One for the
 * process; NULL: none.
 *
 * Ownership  ${arg} stays the caller's, and must stay as long as the hook is set.  ${message} is constant.
 * Threads    Any, but best before others use Brim: a message under way while the hook is changed may reach
 *            the old function with the new argument.
 * Callbacks  None here.  ${hook} itself runs on the thread of the call, perhaps with locks held: it must not
 *            call Brim.
 */
BRIM_EXPORT void brim_set_debug_hook(void (*hook)(const char *message, void *arg), void *arg);

#ifdef __cplusplus
}
#endif
#endif
