/* SPDX-License-Identifier: MIT
 *
 * Waits: those who are told later that a load has ended.  A wait's handle is a number, of a record and of how often that
 * has been used, in a pointer's clothes: so that it may be forgotten, and canceled at any time, also after the record
 * serves somebody else.  Records are the process's and stay; one lock serves all.
 */
#ifndef BRIM_CACHE_WAIT_H
#define BRIM_CACHE_WAIT_H

#include "cache/cache.h"

/*
 * wait_new(sh, done, arg):
 * Somebody who will be told, by ${done}, the end of a load in ${sh}.  NULL: no memory.
 */
struct waiter *wait_new(struct shard *sh, brim_done *done, void *arg) NO_LOCK_HELD;

/*
 * wait_handle(w):
 * What the user cancels it by.  Before it joins a flight.
 */
brim_wait *wait_handle(const struct waiter *w);

/*
 * wait_free(w):
 * It has joined nothing.
 */
void wait_free(struct waiter *w) EXCLUDES(rank_waits);

/*
 * wait_tell(told):
 * Call `done' of all of ${told}, a list by `next_told'.  No lock held; somebody keeps the cache alive.
 */
void wait_tell(struct waiter *told) NO_LOCK_HELD;

/* For fork: nothing changes from lock to unlock. */
struct lock *waits_lock(void);

#endif
