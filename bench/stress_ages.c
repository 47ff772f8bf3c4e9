/* SPDX-License-Identifier: MIT */
#include "stress_stale.h"
#include "stress_use.h"

#include <inttypes.h>

static const uint64_t second = 1000000000, week = (uint64_t)7 * 86400 * 1000000000;

uint64_t clock_now(void *phase)
{
    const struct phase *p = phase;
    return atomic_load_explicit(&p->clock, memory_order_relaxed);
}

/* Mostly a little, now and then an hour, as after a suspend. */
void use_clock(struct lane *l)
{
    const bool jump = rng_below(&l->rng, 16) == 0;
    const uint64_t by = jump ? 3600 * second : rng_below(&l->rng, 1000000);
    atomic_fetch_add_explicit(&l->phase->clock, by, memory_order_relaxed);
    if (jump)
        phase_event(l->phase, EVENT_CLOCK_JUMPED);
}

/* ---- What is to become of an entry */

static uint64_t pick_age(struct lane *l)
{
    switch (rng_below(&l->rng, 4)) {
    case 0: return 1 + rng_below(&l->rng, 1000000);
    case 1: return second;
    case 2: return 7200 * second;
    default: return 0;
    }
}

/* Sometimes one that refuses all. */
static struct stress_group *pick_group(struct lane *l)
{
    const struct phase *p = l->phase;
    struct stress_group *closed = rng_below(&l->rng, 16) == 0 ? atomic_load(&p->last_closed) : NULL;
    return closed != NULL ? closed
                          : atomic_load_explicit(&p->active[rng_below(&l->rng, GROUPS)], memory_order_acquire);
}

struct fate fate_pick(struct lane *l)
{
    const struct phase *p = l->phase;
    struct fate f = {0};
    if (p->shape->groups && rng_below(&l->rng, 2) == 0) {
        f.group = pick_group(l);
        lane_pause(l);
        f.was_closed = atomic_load(&f.group->closed);
    }
    if (p->shape->ages && rng_below(&l->rng, 3) == 0) {
        f.max_age = pick_age(l);
        f.max_idle = pick_age(l);
    }
    return f;
}

void fate_into(const struct fate *f, brim_entry_options *e)
{
    e->group = f->group != NULL ? f->group->group : NULL;
    e->max_age = f->max_age;
    e->max_idle = f->max_idle;
}

void fate_give(const struct fate *f, struct value *v)
{
    v->group = f->group;
    v->mortal = f->max_age != 0 || f->max_idle != 0;
}

void fate_settle(struct phase *p, const struct fate *f, struct value *v)
{
    if (v->group == f->group && atomic_load_explicit(&v->stamp, memory_order_relaxed) == NEVER)
        atomic_store_explicit(&v->stamp, fate_number(f), memory_order_relaxed);
    if (f->max_age != 0)
        atomic_store_explicit(&v->expires, clock_now(p) + f->max_age, memory_order_relaxed);
    if (v->mortal)
        phase_event(p, EVENT_MORTAL);
}

/* ---- What a look-up may find */

struct moment moment_now(const struct phase *p)
{
    struct moment m = {.clock = atomic_load_explicit(&p->clock, memory_order_relaxed)};
    moment_of_groups(p, &m);
    return m;
}

void moment_check(struct phase *p, const struct moment *m, const struct value *v)
{
    const uint64_t expires = atomic_load_explicit(&v->expires, memory_order_relaxed);
    if (expires < m->clock)
        stress_violation(p, "value %" PRIu64 " is found at %" PRIu64 " though it expired at %" PRIu64, v->serial,
                         m->clock, expires);
    if (moment_is_after_group(m, v))
        stress_violation(p, "value %" PRIu64 " is found though its group was invalidated before", v->serial);
    if (expires != NEVER)
        phase_event(p, EVENT_MORTAL_FOUND);
    if (v->group != NULL && p->shape->groups)
        phase_event(p, EVENT_GROUP_FOUND);
}

void clock_check_end(struct phase *p)
{
    if (!p->shape->ages)
        return;
    atomic_fetch_add(&p->clock, week);
    for (uint64_t id = 0; id < p->ids; id++) {
        struct key_bytes key;
        key_bytes_make(&key, id);
        brim_ref *ref = brim_find(p->cache, key.data, key.len);
        if (ref != NULL && value_check_ref(p, ref)->mortal)
            stress_violation(p, "key %" PRIu64 " is found a week later though it has an age", id);
        brim_release(ref);
    }
}
