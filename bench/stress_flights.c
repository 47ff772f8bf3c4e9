/* SPDX-License-Identifier: MIT */
#include "stress_loads.h"

#include <inttypes.h>
#include <time.h>

/* Relaxed: that one load comes after another is what the library must see to. */
void flight_begin(struct phase *p, uint64_t id, struct stress_group *group)
{
    const unsigned others = atomic_fetch_add_explicit(&p->id[id].loading, 1, memory_order_relaxed);
    if (others != 0)
        stress_violation(p, "G9: key %" PRIu64 " is loaded while %u others load it", id, others);
    group_load_begin(p, group);
}

void flight_end(struct phase *p, uint64_t id, struct stress_group *group)
{
    group_load_end(group);
    atomic_fetch_sub_explicit(&p->id[id].loading, 1, memory_order_relaxed);
}

/* ---- Reasons: a number, and what tells whether it is unchanged and of this key */

enum { REASON_BIT = 1 << 30, REASON_NUMBERS = 1 << 14 };

static int reason_of(const struct phase *p, uint64_t id, unsigned number)
{
    const uint64_t check = rng_mix(p->seed ^ id << 20 ^ number) & 0xFFFF;
    return (int)(REASON_BIT | number << 16 | (unsigned)check);
}

int reason_new(struct phase *p, uint64_t id)
{
    const unsigned number = atomic_fetch_add_explicit(&p->reasons, 1, memory_order_relaxed) % REASON_NUMBERS;
    phase_event(p, EVENT_LOAD_FAILED);
    return reason_of(p, id, number);
}

void reason_check(struct phase *p, uint64_t id, int reason)
{
    const unsigned number = (unsigned)reason >> 16 & (REASON_NUMBERS - 1);
    if (reason != reason_of(p, id, number))
        stress_violation(p, "a load of key %" PRIu64 " failed for reason %d, which is none of its own", id, reason);
}

/* ---- What to load, and how long it takes */

uint64_t load_pick(struct phase *p, struct rng *rng)
{
    const uint32_t all = p->ids / 4, hot = p->shape->hot;
    return 4 * (uint64_t)rng_below(rng, hot != 0 && hot < all && rng_below(rng, 64) != 0 ? hot : all);
}

void load_dawdle(struct phase *p, struct rng *rng, const brim_load *load)
{
    enum { NAPS = 20 };
    const struct timespec nap = {.tv_nsec = 20000};
    if (rng_below(rng, 4) != 0)
        return;
    phase_event(p, EVENT_LOAD_SLOW);
    for (uint32_t i = rng_below(rng, NAPS); i > 0; i--) {
        nanosleep(&nap, NULL);
        if (brim_load_is_wanted(load))
            continue;
        phase_event(p, EVENT_LOAD_UNWANTED);
        return;
    }
}
