/* SPDX-License-Identifier: MIT */
#include "stress_use.h"
#include "stress_watch.h"

void use_reserve(struct lane *l)
{
    struct phase *p = l->phase;
    if (p->shape->exact)
        return;
    const size_t cost = rng_below(&l->rng, (uint32_t)(p->min_capacity / 8 < 65536 ? p->min_capacity / 8 : 65536)) + 1;
    const brim_status status = brim_reserve(p->cache, cost);
    if (status != BRIM_OK && status != BRIM_FULL && status != BRIM_TOO_BIG)
        stress_violation(p, "reserve is %s", brim_strerror(status));
    lane_pause(l);
    if (status == BRIM_OK && brim_used(p->cache) < cost)
        stress_violation(p, "G4: %zu is reserved and only %zu used", cost, brim_used(p->cache));
    if (status == BRIM_OK)
        brim_unreserve(p->cache, cost);
}

void use_trim(struct lane *l)
{
    struct phase *p = l->phase;
    if (p->shape->calm)
        return;
    /* Mostly a little, so that the cache is full most of the time. */
    const uint32_t kept = rng_below(&l->rng, 16) == 0 ? rng_below(&l->rng, 100) : 80 + rng_below(&l->rng, 20);
    const size_t target = kept * (p->capacity / 100);
    if (rng_below(&l->rng, 2) == 0)
        (void)brim_trim(p->cache, target);
    else
        (void)brim_trim_kind(p->cache, &p->kinds[rng_below(&l->rng, KINDS)], target / KINDS);
}

void use_capacity(struct lane *l)
{
    struct phase *p = l->phase;
    if (!p->shape->resize)
        return;
    const size_t span = p->capacity - p->min_capacity;
    watch_set_capacity(p, p->min_capacity + (size_t)(rng_unit(&l->rng) * (double)span));
    phase_event(p, EVENT_RESIZED);
}

void use_clear(struct lane *l)
{
    if (!l->phase->shape->calm && rng_below(&l->rng, 32) == 0)
        brim_clear(l->phase->cache);
}

/* What only looks. */
void use_look(struct lane *l)
{
    struct phase *p = l->phase;
    brim_stats stats;
    brim_stats_get(p->cache, &stats);
    if (stats.capacity > p->capacity || stats.capacity < p->min_capacity)
        stress_violation(p, "statistics say capacity %zu, set was %zu to %zu", stats.capacity, p->min_capacity,
                         p->capacity);
    if (l->nesting > 0 && stats.sections == 0)
        stress_violation(p, "statistics say no section, one is open");
    brim_stats_get_sized(p->cache, &p->kinds[rng_below(&l->rng, KINDS)], &stats, sizeof stats);
    (void)brim_pinned(p->cache);
    (void)brim_count(p->cache);
    const brim_status status = brim_drain(p->cache, 0);
    const bool right = l->nesting > 0 ? status == BRIM_DEADLOCK : status == BRIM_OK || status == BRIM_TIMEOUT;
    if (!right)
        stress_violation(p, "drain is %s, %u sections open", brim_strerror(status), l->nesting);
}
