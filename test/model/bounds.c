/* SPDX-License-Identifier: MIT
 *
 * Operations on capacities, limits, frames and queues.
 */
#include "model/model.h"

static void op_reserve(void)
{
    struct cache *c = pick_cache();
    size_t n = pick_cost(c);
    enum verdict v;
    brim_status s;

    if (c->reserved != 0 && one_in(2)) {
        n = 1 + pick(c->reserved);
        brim_unreserve(c->cache, n);
        c->reserved -= n;
        return;
    }
    v = n > SIZE_MAX / 2 || (n > 0 && is_too_big(c, n, -1)) ? NO : n == 0 ? YES : room(c, n, -1, false);
    may_evict(c, n, -1);
    s = brim_reserve(c->cache, n);
    model_say("  cost, status", n, (uint64_t)s);
    AGREE(s == BRIM_OK ? v != NO : v != YES && was_refused(s, false), "status %d for %zu", (int)s, n);
    if (s == BRIM_OK)
        c->reserved += n;
}

/* What leaves is destroyed at once. */
static bool is_all_freed(const struct cache *c)
{
    return c->queued == 0 && !m.to_queue && c->nesting == 0;
}

static bool can_go(const struct cache *c)
{
    size_t idle = 0;

    for (int k = 0; k < KINDS; k++)
        idle += k == QUEUED && !m.queue_dropped ? 0 : c->kind[k].idle;
    return idle > 0 && is_all_freed(c);
}

static void op_set_capacity(void)
{
    static const size_t capacities[] = {100, 400, 1500, 30, 0, 20000};
    struct cache *c = pick_cache();
    size_t n = m.setup->capacity == 0 ? capacities[pick(6)] : m.setup->capacity - m.setup->capacity / 3 * pick(3);
    brim_status s;

    if (m.setup->capacity == 0 && one_in(16)) {
        AGREE(brim_set_capacity(c->cache, SIZE_MAX / 2 + 1) == BRIM_INVALID, "too large");
        return;
    }
    may_evict(c, n < c->capacity ? c->capacity - n : 0, -1);
    c->over = true; /* until we know */
    m.for_kind = ANY_KIND;
    s = brim_set_capacity(c->cache, n);
    model_say("  capacity, status", n, (uint64_t)s);
    c->capacity = n;
    AGREE(s == (taken(c) <= n ? BRIM_OK : BRIM_FULL), "status %d: %zu taken of %zu", (int)s, taken(c), n);
    AGREE(s == BRIM_OK || !can_go(c), "%zu taken of %zu, and something could go", taken(c), n);
    AGREE(brim_capacity(c->cache) == n, "capacity");
    c->over = s != BRIM_OK;
}

static void op_trim(void)
{
    struct cache *c = pick_cache();
    size_t before = taken(c), target = pick(before + 10), freed;

    m.evicting = c;
    m.exact = !c->borrow;
    m.target = target;
    freed = brim_trim(c->cache, target);
    model_say("  target, freed", target, freed);
    AGREE(taken(c) <= target || !can_go(c), "trimmed to %zu, target %zu", taken(c), target);
    if (is_all_freed(c))
        AGREE(freed == before - taken(c), "freed %zu, not %zu", freed, before - taken(c));
}

static void op_trim_kind(void)
{
    struct cache *c = pick_cache();
    unsigned k = (unsigned)pick(KINDS);
    size_t before = c->kind[k].used, target = pick(before + 10), freed;

    m.evicting = c;
    freed = brim_trim_kind(c->cache, k == 0 && one_in(2) ? NULL : model_kinds[k], target);
    if (k == QUEUED || c->nesting > 0)
        return;
    AGREE(c->kind[k].used <= target || c->kind[k].idle == 0, "trimmed to %zu, target %zu", c->kind[k].used, target);
    AGREE(freed == before - c->kind[k].used, "freed %zu, not %zu", freed, before - c->kind[k].used);
}

static void op_clear(void)
{
    struct cache *c = pick_cache();

    if (!one_in(4))
        return;
    m.clearing = c;
    overtake_all(c);
    brim_clear(c->cache);
    AGREE(c->count == 0, "%zu left", c->count);
}

static void op_set_limits(void)
{
    static const size_t limits[] = {0, 0, 20, 50, 100, 400, 2000, 40};
    struct cache *c = pick_cache();
    unsigned k = (unsigned)pick(KINDS);
    size_t floor = limits[pick(8)], ceiling = limits[pick(8)], floors = floor;
    brim_status s;
    bool fit;

    if (m.setup->capacity != 0)
        return;
    fit = floor <= c->capacity && ceiling <= c->capacity && (ceiling == 0 || floor <= ceiling);
    for (unsigned i = 0; i < KINDS && floor != 0; i++)
        floors += i != k ? c->kind[i].floor : 0;
    fit = fit && floors <= (floor != 0 ? c->capacity : SIZE_MAX);
    m.evicting = c;
    if (fit && ceiling != 0)
        c->kind[k].over = true;
    s = brim_kind_set_limits(c->cache, k == 0 && one_in(2) ? NULL : model_kinds[k], floor, ceiling);
    model_say("  floor, ceiling", floor, ceiling);
    model_say("  kind, status", k, (uint64_t)s);
    if (s == BRIM_NOMEM) {
        AGREE(memory_failed(), "NOMEM");
        return;
    }
    AGREE((s != BRIM_INVALID) == fit, "status %d", (int)s);
    if (!fit)
        return;
    c->kind[k].floor = floor;
    c->kind[k].ceiling = ceiling;
    c->kind[k].limited = c->kind[k].limited || floor != 0 || ceiling != 0;
    c->kind[k].over = ceiling != 0 && c->kind[k].used > ceiling;
    AGREE(s == (c->kind[k].over ? BRIM_FULL : BRIM_OK), "status %d: %zu of %zu", (int)s, c->kind[k].used, ceiling);
}

/* ---- Frames */

static void op_next_frame(void)
{
    struct cache *c = pick_cache();

    AGREE(brim_next_frame(c->cache) == ++c->frame, "frame");
    AGREE(brim_frame(c->cache) == c->frame, "frame");
}

static bool is_unused_since(const struct cache *c, uint64_t frame)
{
    for (unsigned k = 0; k < m.setup->keys; k++)
        if (c->by_key[k] != NULL && c->by_key[k]->refs == 0 && c->by_key[k]->frame < frame)
            return true;
    return false;
}

static void op_trim_unused(void)
{
    struct cache *c = pick_cache();
    uint64_t frame = c->frame - pick(c->frame + 1);
    size_t before = taken(c), freed;

    m.evicting = c;
    m.before_frame = frame == 0 ? 1 : frame;
    freed = brim_trim_unused_since(c->cache, frame);
    AGREE(frame == 0 || !is_unused_since(c, frame), "something was left");
    if (is_all_freed(c))
        AGREE(freed == before - taken(c), "freed %zu, not %zu", freed, before - taken(c));
}

static void op_idle(void)
{
    struct cache *c = pick_cache();
    size_t before, freed;

    m.evicting = c;
    m.idling = true;
    before = taken(c);
    c->idles++;
    freed = brim_idle(c->cache);
    if (is_all_freed(c))
        AGREE(freed == before - taken(c), "freed %zu, not %zu", freed, before - taken(c));
}

/* ---- Queues */

static size_t queued_values(void)
{
    size_t n = 0;

    for (size_t i = 0; i < m.made; i++)
        n += m.items[i].in_use && m.items[i].queued;
    return n;
}

static void op_collect(void)
{
    size_t n = queued_values(), most = one_in(3) ? SIZE_MAX : pick(3), said;

    if (m.queue_dropped)
        return;
    m.collecting = true;
    m.collected = 0;
    said = brim_collect(m.queue, most);
    m.collecting = false;
    AGREE(said == (n < most ? n : most), "collected %zu of %zu", said, n);
    AGREE(queued_values() == n - said, "%zu are left", queued_values());
}

void drop_queue(void)
{
    m.queue_dropped = m.collecting = true;
    brim_queue_drop(m.queue);
    m.collecting = false;
    AGREE(queued_values() == 0, "%zu are left", queued_values());
}

/* The queue's memory goes with the last cache that has met its kind: each must have, before it is dropped. */
static bool meet_queue(const struct cache *c)
{
    brim_entry_options e;
    brim_ref *r;

    brim_entry_options_init(&e);
    e.kind = model_kinds[QUEUED];
    if (brim_wrap(c->cache, NULL, 0, &e, &r) != BRIM_OK)
        return false;
    brim_release(r);
    return true;
}

static void op_drop_queue(void)
{
    bool met = !m.queue_dropped && one_in(4);

    for (unsigned i = 0; i < m.caches; i++)
        met = met && m.cache[i].nesting == 0 && meet_queue(&m.cache[i]);
    if (met)
        drop_queue();
}

const struct operation bound_operations[] = {
    {4, "reserve", op_reserve},       {3, "set capacity", op_set_capacity}, {2, "trim", op_trim},
    {2, "trim kind", op_trim_kind},   {1, "clear", op_clear},               {0, NULL, NULL},
};
const struct operation more_operations[] = {
    {4, "set limits", op_set_limits}, {6, "next frame", op_next_frame}, {2, "trim unused", op_trim_unused},
    {3, "idle", op_idle},             {4, "collect", op_collect},       {1, "drop queue", op_drop_queue},
    {0, NULL, NULL},
};
