/* SPDX-License-Identifier: MIT
 *
 * What fork does to all caches (G12): the parent takes every lock, so that the child's copy is
 * whole; the child frees the records, sections and reservations of the threads that it does not have.
 */
#ifndef BRIM_CACHE_FORK_H
#define BRIM_CACHE_FORK_H

#include <stdbool.h>

/*
 * fork_start():
 * Register the handlers, at the first call.  False: they cannot be now; a later call may.
 */
bool fork_start(void);

#endif
