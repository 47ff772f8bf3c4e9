/* SPDX-License-Identifier: MIT */
#include "stress_limits.h"

#include "stress_use.h"

#include <inttypes.h>

enum { FLOORED_KIND = 1 };

static void note(struct kind_limits *k, size_t floor, size_t ceiling, bool over)
{
    atomic_store(&k->floor, floor);
    atomic_store(&k->ceiling, ceiling);
    atomic_store(&k->over, over);
}

void limits_init(struct phase *p)
{
    for (int i = 0; i < KINDS; i++)
        pthread_mutex_init(&p->limits[i].changing, NULL);
    if (!p->shape->limits)
        return;
    p->kinds[1].floor = p->min_capacity / 16;
    p->kinds[2].ceiling = p->min_capacity / 3;
    for (int i = 0; i < KINDS; i++)
        note(&p->limits[i], p->kinds[i].floor, p->kinds[i].ceiling, false);
}

/* In the middle of a change nobody may compare. */
static brim_status set_limits(struct phase *p, unsigned kind, size_t floor, size_t ceiling)
{
    struct kind_limits *k = &p->limits[kind];
    atomic_fetch_add(&k->change, 1);
    const brim_status status = brim_kind_set_limits(p->cache, &p->kinds[kind], floor, ceiling);
    if (status == BRIM_OK || status == BRIM_FULL)
        note(k, floor, ceiling, status == BRIM_FULL);
    else if (status != BRIM_NOMEM)
        stress_violation(p, "limits %zu and %zu of kind %s are %s", floor, ceiling, p->kinds[kind].name,
                         brim_strerror(status));
    atomic_fetch_add(&k->change, 1);
    return status;
}

/* What the capacity allows at its smallest; a value always fits below a ceiling. */
void use_limits(struct lane *l)
{
    struct phase *p = l->phase;
    const unsigned kind = rng_below(&l->rng, KINDS);
    struct kind_limits *k = &p->limits[kind];
    if (!p->shape->limits || pthread_mutex_trylock(&k->changing) != 0)
        return;
    const double share = rng_unit(&l->rng);
    const size_t most = p->min_capacity - p->min_capacity / 4;
    const size_t part = p->min_capacity / 2 / KINDS;
    const size_t floor = rng_below(&l->rng, 2) == 0 ? 0 : (size_t)(share * (double)part);
    const size_t ceiling = rng_below(&l->rng, 3) == 0 ? 0 : p->min_capacity / 4 + (size_t)(share * (double)most);
    (void)set_limits(p, kind, floor, ceiling);
    phase_event(p, EVENT_LIMITED);
    pthread_mutex_unlock(&k->changing);
}

static void compare_one(struct phase *p, unsigned kind)
{
    struct kind_limits *k = &p->limits[kind];
    brim_stats stats;
    const uint64_t change = atomic_load(&k->change);
    const size_t ceiling = atomic_load(&k->ceiling), floor = atomic_load(&k->floor);
    const bool over = atomic_load(&k->over);
    brim_stats_get_sized(p->cache, &p->kinds[kind], &stats, sizeof stats);
    if (change % 2 != 0 || atomic_load(&k->change) != change)
        return;
    if (stats.floor != floor || stats.ceiling != ceiling)
        stress_violation(p, "statistics say limits %zu and %zu of kind %s, set were %zu and %zu", stats.floor,
                         stats.ceiling, p->kinds[kind].name, floor, ceiling);
    if (ceiling == 0 || over)
        return;
    phase_event(p, EVENT_LIMIT_COMPARED);
    if (stats.used > ceiling)
        stress_violation(p, "kind %s uses %zu, its ceiling is %zu", p->kinds[kind].name, stats.used, ceiling);
    if (stats.used > ceiling - ceiling / 4)
        phase_event(p, EVENT_LIMIT_NEAR);
}

void limits_compare(struct phase *p)
{
    for (unsigned i = 0; p->shape->limits && i < KINDS; i++)
        compare_one(p, i);
}

void limits_lift(struct phase *p)
{
    for (unsigned i = 0; p->shape->limits && i < KINDS; i++)
        if (set_limits(p, i, 0, 0) != BRIM_OK)
            stress_violation(p, "limits cannot be lifted");
}

/* ---- A floor */

static bool insert_one(struct phase *p, uint64_t id, unsigned kind, size_t size)
{
    struct key_bytes key;
    brim_entry_options e;
    stress_beat();
    brim_entry_options_init(&e);
    e.kind = &p->kinds[kind];
    key_bytes_make(&key, id);
    struct value *v = value_new(p, id, 0, kind, size, true);
    const brim_status status = brim_insert_with(p->cache, key.data, key.len, v, size, &e, NULL);
    if (status == BRIM_OK)
        value_taken(p, size);
    else
        value_refused(v);
    if (status != BRIM_OK)
        stress_violation(p, "G5: with nothing held an insert of %zu is %s", size, brim_strerror(status));
    return status == BRIM_OK;
}

/* Keys that nothing else uses. */
void limits_check_floor(struct phase *p)
{
    enum { GUARDED = 32 };
    const size_t size = p->min_capacity / 8 / GUARDED;
    if (!p->shape->limits || size < MIN_COST || p->shape->charge_overhead)
        return;
    limits_lift(p);
    brim_clear(p->cache);
    (void)set_limits(p, FLOORED_KIND, size * GUARDED, 0);
    for (unsigned i = 0; i < GUARDED; i++)
        (void)insert_one(p, ((uint64_t)1 << 40) + i, FLOORED_KIND, size);
    for (size_t inserted = 0, i = 0; inserted < 2 * p->capacity; inserted += size, i++)
        if (!insert_one(p, ((uint64_t)1 << 41) + i, 0, size))
            return;
    for (unsigned i = 0; i < GUARDED; i++) {
        struct key_bytes key;
        key_bytes_make(&key, ((uint64_t)1 << 40) + i);
        if (!brim_contains(p->cache, key.data, key.len))
            stress_violation(p, "a value below its kind's floor of %zu was evicted for others", size * GUARDED);
    }
    phase_event(p, EVENT_FLOOR_KEPT);
    limits_lift(p);
}
