/* SPDX-License-Identifier: MIT */
#include "fail.h"
#include "stress_stale.h"
#include "stress_use.h"

#include <inttypes.h>
#include <stdlib.h>

enum { MAX_GROUPS = 8192 };

/* The library's own order between threads must do: but who wants to know that one call came after another needs some. */
static uint64_t invalidations(struct stress_group *g)
{
    return atomic_fetch_add_explicit(&g->started, 0, memory_order_acq_rel);
}

/* ---- All groups of a phase */

static bool renew(struct phase *p, unsigned slot, unsigned generation)
{
    if (p->group_count == MAX_GROUPS)
        return false;
    struct stress_group *g = &p->groups[p->group_count];
    *g = (struct stress_group){.group = brim_group_new(p->cache), .slot = slot, .generation = generation};
    if (g->group == NULL)
        bench_fail("out of memory");
    p->group_count++;
    atomic_store_explicit(&p->active[slot], g, memory_order_release);
    return true;
}

void groups_open(struct phase *p)
{
    if (!p->shape->groups)
        return;
    p->groups = bench_alloc(MAX_GROUPS, sizeof *p->groups);
    for (unsigned i = 0; i < GROUPS; i++)
        (void)renew(p, i, 0);
}

void groups_drop_closed(struct phase *p)
{
    atomic_store(&p->last_closed, NULL);
    for (unsigned i = 0; i < p->group_count; i++) {
        struct stress_group *g = &p->groups[i];
        if (!atomic_load(&g->closed) || g->group == NULL)
            continue;
        if (brim_group_loads(g->group) != 0 || atomic_load(&g->loading) != 0)
            stress_violation(p, "a closed group has %zu loads while nothing runs", brim_group_loads(g->group));
        brim_group_drop(g->group);
        g->group = NULL;
    }
}

void groups_close(struct phase *p)
{
    for (unsigned i = 0; i < p->group_count; i++) {
        brim_group_invalidate(p->groups[i].group);
        brim_group_drop(p->groups[i].group);
    }
}

/* ---- Which loads are into one */

void group_load_begin(struct phase *p, struct stress_group *g)
{
    if (g == NULL)
        return;
    atomic_fetch_add_explicit(&g->loading, 1, memory_order_relaxed);
    if (atomic_load_explicit(&g->emptied, memory_order_relaxed))
        stress_violation(p, "a load into a closed group begins after brim_group_loads was 0");
}

void group_load_end(struct stress_group *g)
{
    if (g != NULL)
        atomic_fetch_sub_explicit(&g->loading, 1, memory_order_relaxed);
}

/* ---- What a value's group says of it */

uint64_t fate_number(const struct fate *f)
{
    return f->group != NULL ? invalidations(f->group) : NEVER;
}

void moment_of_groups(const struct phase *p, struct moment *m)
{
    for (unsigned i = 0; p->shape->groups && i < GROUPS; i++) {
        const struct stress_group *g = atomic_load_explicit(&p->active[i], memory_order_acquire);
        m->group[i].generation = g->generation;
        m->group[i].returned = atomic_load_explicit(&g->returned, memory_order_acquire);
    }
}

/* Those that follow in its place are there only once it is closed. */
bool moment_is_after_group(const struct moment *m, const struct value *v)
{
    const uint64_t stamp = v->group != NULL ? atomic_load_explicit(&v->stamp, memory_order_relaxed) : NEVER;
    if (stamp == NEVER)
        return false;
    const unsigned slot = v->group->slot, generation = m->group[slot].generation;
    return v->group->generation < generation ||
           (v->group->generation == generation && m->group[slot].returned > stamp);
}

void fate_check_insert(struct phase *p, const struct fate *f, brim_status status)
{
    if (f->group == NULL)
        return;
    if (f->was_closed && (status == BRIM_OK || status == BRIM_EXISTS))
        stress_violation(p, "an insert into a closed group is %s", brim_strerror(status));
    if (status == BRIM_CANCELED && !atomic_load(&f->group->closing))
        stress_violation(p, "an insert into an open group is CANCELED");
    phase_event(p, status == BRIM_CANCELED ? EVENT_GROUP_REFUSED : EVENT_GROUPED);
}

/* ---- Operations */

static struct stress_group *pick_active(struct lane *l)
{
    return atomic_load_explicit(&l->phase->active[rng_below(&l->rng, GROUPS)], memory_order_acquire);
}

static void note_returned(struct stress_group *g, uint64_t number)
{
    uint64_t returned = atomic_load_explicit(&g->returned, memory_order_relaxed);
    while (returned < number && !atomic_compare_exchange_weak_explicit(&g->returned, &returned, number,
                                                                       memory_order_acq_rel, memory_order_relaxed))
        ;
}

void use_group_invalidate(struct lane *l)
{
    struct stress_group *g = pick_active(l);
    const uint64_t number = atomic_fetch_add_explicit(&g->started, 1, memory_order_acq_rel) + 1;
    brim_group_invalidate(g->group);
    note_returned(g, number);
    phase_event(l->phase, EVENT_GROUP_INVALIDATED);
}

/* Another comes in its place. */
void use_group_close(struct lane *l)
{
    struct phase *p = l->phase;
    if (pthread_mutex_trylock(&p->grouping) != 0)
        return;
    struct stress_group *g = pick_active(l);
    if (p->group_count < MAX_GROUPS) {
        const uint64_t number = atomic_fetch_add_explicit(&g->started, 1, memory_order_acq_rel) + 1;
        atomic_store(&g->closing, true);
        brim_group_close(g->group);
        note_returned(g, number);
        atomic_store(&g->closed, true);
        atomic_store(&p->last_closed, g);
        lane_pause(l);
        (void)renew(p, g->slot, g->generation + 1);
        phase_event(p, EVENT_GROUP_CLOSED);
    }
    pthread_mutex_unlock(&p->grouping);
}

/* A closed one, once nothing is loading into it: what it stands for may be closed as well. */
void use_group_look(struct lane *l)
{
    struct phase *p = l->phase;
    if (pthread_mutex_trylock(&p->grouping) != 0)
        return;
    const unsigned count = p->group_count, back = rng_below(&l->rng, 16);
    struct stress_group *g = back < count ? &p->groups[count - 1 - back] : NULL;
    pthread_mutex_unlock(&p->grouping);
    if (g == NULL || g->group == NULL)
        return;
    brim_group *copy = brim_group_copy(g->group);
    const bool closed = atomic_load(&g->closed);
    if (brim_group_loads(copy) == 0 && closed) {
        if (atomic_load(&g->loading) != 0)
            stress_violation(p, "brim_group_loads is 0 while %u loads into the group are made",
                             atomic_load(&g->loading));
        atomic_store_explicit(&g->emptied, true, memory_order_relaxed);
        phase_event(p, EVENT_GROUP_EMPTY);
    }
    brim_group_drop(copy);
}

/* ---- A group of this lane's own, so that all is known of it */

struct own {
    struct key_bytes key;
    uint64_t id, serial;
    brim_ref *ref;
};

static brim_status insert_own(struct lane *l, brim_group *group, struct own *own)
{
    struct phase *p = l->phase;
    brim_entry_options e;
    const unsigned kind = rng_below(&l->rng, KINDS);
    const size_t size = lane_pick_size(l);
    own->id = lane_pick(l) & ~(uint64_t)3;
    key_bytes_make(&own->key, own->id);
    brim_entry_options_init(&e);
    e.kind = &p->kinds[kind];
    e.more_groups[rng_below(&l->rng, 3)] = group;
    struct value *v = value_new(p, own->id, 0, kind, size, true);
    own->serial = v->serial;
    const brim_status status = brim_insert_with(p->cache, own->key.data, own->key.len, v, size, &e, &own->ref);
    if (status == BRIM_OK)
        value_taken(p, size);
    else
        value_refused(v);
    return status;
}

static void check_own_is_stale(struct lane *l, struct own *own)
{
    struct phase *p = l->phase;
    brim_key *key = brim_ref_key(own->ref);
    if (brim_ref_is_cached(own->ref) || brim_key_is_valid(key))
        stress_violation(p, "value %" PRIu64 " of an invalidated group is cached", own->serial);
    brim_ref *by_key = brim_key_find(key);
    if (by_key != NULL)
        stress_violation(p, "value %" PRIu64 " of an invalidated group is found by its key", own->serial);
    brim_release(by_key);
    brim_ref *found = brim_find(p->cache, own->key.data, own->key.len);
    if (found != NULL && value_check_ref(p, found)->serial == own->serial)
        stress_violation(p, "value %" PRIu64 " of an invalidated group is found", own->serial);
    brim_release(found);
    brim_key_drop(key);
    (void)value_check_ref(p, own->ref);
}

void use_group_own(struct lane *l)
{
    struct phase *p = l->phase;
    struct own own = {0}, late = {0};
    brim_group *group = brim_group_new(p->cache);
    if (group == NULL)
        return;
    const brim_status status = insert_own(l, group, &own);
    if (status == BRIM_CANCELED)
        stress_violation(p, "an insert into a new group is CANCELED");
    const bool close = rng_below(&l->rng, 2) == 0;
    if (rng_below(&l->rng, 4) != 0) {
        (close ? brim_group_close : brim_group_invalidate)(group);
        if (status == BRIM_OK)
            check_own_is_stale(l, &own);
        const brim_status again = insert_own(l, group, &late);
        if (close ? again == BRIM_OK : again == BRIM_CANCELED)
            stress_violation(p, "an insert into a group that was %s is %s", close ? "closed" : "invalidated",
                             brim_strerror(again));
    }
    brim_group_drop(group);
    brim_release(own.ref);
    brim_release(late.ref);
}
