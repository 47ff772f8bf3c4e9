/* SPDX-License-Identifier: MIT */
#include "cache/queue.h"

#include "cache/dispose.h"

struct brim_queue {
    struct entry_list list GUARDED_BY(rank_queues);
    size_t uses GUARDED_BY(rank_queues); /* its handle, and kinds */
    bool dropped GUARDED_BY(rank_queues);
};

static LOCK_READY(lock, RANK_QUEUES); /* of all of them */

struct lock *queues_lock(void)
{
    return &lock;
}

static void acquire(void) LOCKS(rank_queues)
{
    lock_acquire(&lock);
}

static void release(void) UNLOCKS(rank_queues)
{
    lock_release(&lock);
}

brim_queue *brim_queue_new(void)
{
    brim_queue *q = mem_alloc_zeroed(&mem_default, sizeof *q, _Alignof(brim_queue));

    guard_is_alone();
    if (q != NULL)
        q->uses = 1;
    return q;
}

brim_queue *queue_use(brim_queue *q)
{
    if (q == NULL)
        return NULL;
    acquire();
    q->uses++;
    release();
    return q;
}

void queue_unuse(brim_queue *q)
{
    bool last;

    if (q == NULL)
        return;
    acquire();
    last = --q->uses == 0;
    release();
    if (last)
        mem_free(&mem_default, q, sizeof *q, _Alignof(brim_queue));
}

bool queue_push(brim_queue *q, struct entry *e)
{
    bool taken;

    acquire();
    taken = !q->dropped;
    if (taken)
        entry_list_push(&q->list, e);
    release();
    return taken;
}

static struct entry *pop_locked(brim_queue *q) REQUIRES(rank_queues)
{
    return entry_list_pop(&q->list);
}

/* Up to ${max}, the oldest first. */
static size_t take(brim_queue *q, size_t max, struct entry_list *out)
{
    struct entry *e;
    size_t n = 0;

    acquire();
    while (n < max && (e = pop_locked(q)) != NULL) {
        entry_list_push(out, e);
        n++;
    }
    release();
    return n;
}

size_t brim_collect(brim_queue *q, size_t max)
{
    struct entry_list taken = {NULL, NULL};
    size_t n;

    if (q == NULL || dispose_is_under_way())
        return 0;
    n = take(q, max, &taken);
    dispose_collected(&taken);
    return n;
}

void brim_queue_drop(brim_queue *q)
{
    struct entry_list rest = {NULL, NULL};

    if (q == NULL)
        return;
    acquire();
    q->dropped = true;
    release();
    (void)take(q, SIZE_MAX, &rest);
    dispose_collected(&rest);
    queue_unuse(q);
}
