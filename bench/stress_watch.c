/* SPDX-License-Identifier: MIT */
#include "stress_watch.h"

#include "stress_limits.h"

#include <time.h>

struct glance {
    uint64_t change;
    size_t used, limit, capacity;
    int64_t alive;
    bool settled;                       /* no change of the capacity was under way */
};

static size_t max_of(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* False: the capacity was changed in between, and nothing can be said. */
static bool take_glance(struct phase *p, struct glance *g)
{
    g->change = atomic_load(&p->change);
    /* Before the look at what is used: it may go as soon as brim_set_capacity has returned. */
    const size_t allowance = atomic_load(&p->allowance);
    const size_t before = brim_capacity(p->cache);
    g->used = brim_used(p->cache);
    g->alive = atomic_load(&p->alive);
    const size_t after = brim_capacity(p->cache);
    g->capacity = after;
    g->limit = max_of(max_of(before, after), allowance);
    g->settled = g->change % 2 == 0;
    return atomic_load(&p->change) == g->change;
}

static void compare(struct phase *p, const struct glance *g, const struct glance *last)
{
    const size_t alive = g->alive > 0 ? (size_t)g->alive : 0;
    if (g->used > g->limit)
        stress_violation(p, "G4: used %zu is above the capacity %zu", g->used, g->limit);
    if (alive > g->limit)
        stress_violation(p, "G4: charged values of %zu bytes are alive, capacity %zu", alive, g->limit);
    if (g->settled && last->settled && g->change == last->change && last->used > last->capacity &&
        g->used > last->used)
        stress_violation(p, "G4: used rose from %zu to %zu above the capacity %zu", last->used, g->used, g->capacity);
    if (g->used > atomic_load_explicit(&p->max_used, memory_order_relaxed))
        atomic_store_explicit(&p->max_used, g->used, memory_order_relaxed);
    if (alive > atomic_load_explicit(&p->max_alive, memory_order_relaxed))
        atomic_store_explicit(&p->max_alive, alive, memory_order_relaxed);
    atomic_fetch_add_explicit(&p->watched, 1, memory_order_relaxed);
}

void *watch_run(void *phase)
{
    enum { GLANCES = 200 };
    const struct timespec rest = {.tv_nsec = 20000};
    struct phase *p = phase;
    struct glance g, last = {0};
    while (!atomic_load_explicit(&p->stop, memory_order_relaxed)) {
        for (int i = 0; i < GLANCES; i++) {
            if (!take_glance(p, &g))
                continue;
            compare(p, &g, &last);
            last = g;
        }
        limits_compare(p);
        nanosleep(&rest, NULL);
    }
    return NULL;
}

/* The allowance is there before the capacity sinks; it goes when all fits again. */
void watch_set_capacity(struct phase *p, size_t capacity)
{
    if (pthread_mutex_trylock(&p->resizing) != 0)
        return;
    const size_t old = p->set_to;
    const bool over = brim_used(p->cache) > old;
    const size_t allowance = over ? max_of(old, atomic_load(&p->allowance)) : old;
    atomic_store(&p->allowance, allowance);
    atomic_fetch_add(&p->change, 1);
    const brim_status status = brim_set_capacity(p->cache, capacity);
    p->set_to = capacity;
    if (status == BRIM_OK)
        atomic_store(&p->allowance, 0);
    else if (status != BRIM_FULL)
        stress_violation(p, "brim_set_capacity: %s", brim_strerror(status));
    if (brim_capacity(p->cache) != capacity)
        stress_violation(p, "the capacity is %zu, not the %zu that was set", brim_capacity(p->cache), capacity);
    atomic_fetch_add(&p->change, 1);
    pthread_mutex_unlock(&p->resizing);
}
