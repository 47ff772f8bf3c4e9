/* SPDX-License-Identifier: MIT
 *
 * Queues: values whose owner thread alone may destroy them wait there, still charged, until it collects.  A queue is
 * counted by its handle and by each kind record that names it.  One lock serves all queues, so that fork can take it.
 */
#ifndef BRIM_CACHE_QUEUE_H
#define BRIM_CACHE_QUEUE_H

#include "cache/cache.h"

/*
 * queue_use(q), queue_unuse(q):
 * A kind names ${q} from now on; no longer.  NULL: nothing.
 */
brim_queue *queue_use(brim_queue *q) EXCLUDES(rank_queues);
void queue_unuse(brim_queue *q) EXCLUDES(rank_queues);

/*
 * queue_push(q, e):
 * ${e}'s value, the caller's, waits there.  False: nobody collects any more.
 */
bool queue_push(brim_queue *q, struct entry *e) EXCLUDES(rank_queues);

/* For fork: nothing changes from lock to unlock. */
struct lock *queues_lock(void);

#endif
