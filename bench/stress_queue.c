/* SPDX-License-Identifier: MIT */
#include "stress_queue.h"

#include "fail.h"

#include <time.h>

static _Thread_local bool collecting;

bool queue_is_collecting(void)
{
    return collecting;
}

void queue_open(struct phase *p)
{
    if (!p->shape->queue)
        return;
    p->queue = brim_queue_new();
    if (p->queue == NULL)
        bench_fail("out of memory");
}

static size_t collect(struct phase *p, size_t max)
{
    collecting = true;
    const size_t n = brim_collect(p->queue, max);
    collecting = false;
    if (n > max)
        stress_violation(p, "%zu were collected, %zu at most were asked for", n, max);
    event_add(&p->events, EVENT_COLLECTED, n);
    return n;
}

/* Now and then it is late, and the queue long. */
void *queue_run(void *phase)
{
    struct phase *p = phase;
    struct rng rng = {.state = rng_mix(p->seed + p->number)};
    while (!atomic_load_explicit(&p->keep_no_more, memory_order_relaxed)) {
        const struct timespec rest = {.tv_nsec = rng_below(&rng, 16) == 0 ? 2000000 : 50000};
        (void)collect(p, 1 + rng_below(&rng, 64));
        nanosleep(&rest, NULL);
    }
    return NULL;
}

void queue_collect_all(struct phase *p)
{
    while (p->queue != NULL && collect(p, 1000) != 0)
        ;
}

void queue_drop(struct phase *p)
{
    if (p->queue == NULL)
        return;
    atomic_store(&p->queue_dropped, true);
    brim_queue_drop(p->queue);
    p->queue = NULL;
}
