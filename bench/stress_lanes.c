/* SPDX-License-Identifier: MIT */
#include "stress_use.h"

#include <sched.h>

struct choice {
    lane_operation *run;
    unsigned weight;
};

static const struct choice operations[] = {
    {use_find, 300},        {use_insert, 120},   {use_insert_with, 120}, {use_insert_or_wrap, 40},
    {use_insert_big, 4},    {use_contains, 40},  {use_remove, 40},       {use_ref_again, 30},
    {use_set_cost, 30},     {use_wrap, 10},      {use_key_take, 50},     {use_key_find, 50},
    {use_key_check, 40},    {use_key_pass, 40},  {use_key_remove, 15},   {use_key_replace, 60},
    {use_anonymous, 20},    {use_slot_load, 30}, {use_slot_store, 30},   {use_slot_exchange, 30},
    {use_slot_compare, 30}, {use_slot_find, 40}, {use_reserve, 20},      {use_trim, 2},
    {use_capacity, 3},      {use_clear, 1},      {use_remove_if, 1},     {use_for_each, 1},
    {use_look, 4},          {use_find_many, 20}, {use_find_fixed, 10},   {use_key_find_many, 10},
    {use_release_many, 10},
};
enum { OPERATIONS = sizeof operations / sizeof operations[0] };

/* Where values can be borrowed.  The others go on meanwhile, within sections and without. */
static const struct choice borrowing[] = {
    {use_section_begin, 10}, {use_section_end, 20}, {use_section_refresh, 8}, {use_peek, 40},     {use_key_peek, 15},
    {use_borrow, 25},        {use_loan_again, 10},  {use_loan_hold, 15},      {use_peek_many, 8}, {use_peek_fixed, 4},
};
enum { BORROWING = sizeof borrowing / sizeof borrowing[0] };

static const struct choice loading[] = {
    {use_get, 30},        {use_get_with, 50},    {use_key_get, 10},     {use_claim, 25},
    {use_claim_many, 10}, {use_claim_async, 40}, {use_wait_cancel, 20}, {use_load_cancel, 10},
};
enum { LOADING = sizeof loading / sizeof loading[0] };

static const struct choice growing_stale[] = {
    {use_group_invalidate, 6}, {use_group_close, 2}, {use_group_look, 6}, {use_group_own, 6},
};
enum { GROWING_STALE = sizeof growing_stale / sizeof growing_stale[0] };

static const struct choice framing[] = {{use_frame, 20}, {use_idle, 2}, {use_trim_unused, 1}};
enum { FRAMING = sizeof framing / sizeof framing[0] };

static lane_operation *pick_of(struct lane *l, const struct choice *choices, size_t count)
{
    unsigned total = 0;
    for (size_t i = 0; i < count; i++)
        total += choices[i].weight;
    unsigned r = rng_below(&l->rng, total);
    size_t i = 0;
    while (r >= choices[i].weight)
        r -= choices[i++].weight;
    return choices[i].run;
}

static lane_operation *pick_operation(struct lane *l)
{
    const struct shape *s = l->phase->shape;
    if (s->loads && rng_below(&l->rng, s->hot != 0 ? 2 : 4) == 0)
        return pick_of(l, loading, LOADING);
    if (s->groups && rng_below(&l->rng, 16) == 0)
        return pick_of(l, growing_stale, GROWING_STALE);
    if (s->ages && rng_below(&l->rng, 32) == 0)
        return use_clock;
    if (s->frames && rng_below(&l->rng, 16) == 0)
        return pick_of(l, framing, FRAMING);
    if (s->limits && rng_below(&l->rng, 64) == 0)
        return use_limits;
    if (s->borrow && rng_below(&l->rng, 3) == 0)
        return pick_of(l, borrowing, BORROWING);
    return pick_of(l, operations, OPERATIONS);
}

uint64_t lane_pick(struct lane *l)
{
    const uint32_t ids = l->phase->ids;
    return rng_below(&l->rng, rng_below(&l->rng, 2) == 0 ? ids : rng_below(&l->rng, ids) + 1);
}

uint64_t lane_pick_writable(struct lane *l)
{
    const uint64_t id = lane_pick(l);
    if (!phase_is_ordered(id) && !phase_is_kept(l->phase, id))
        return id;
    if (phase_owner(l->phase, id) == l->number)
        return id;
    const uint64_t own = (id / 4 / l->phase->lane_count * l->phase->lane_count + l->number) * 4 + (id & 3);
    return own < l->phase->ids ? own : id & ~(uint64_t)3;
}

bool lane_may_remove(const struct lane *l, uint64_t id)
{
    return (id & ID_ANONYMOUS) != 0 || !phase_is_kept(l->phase, id) || phase_owner(l->phase, id) == l->number;
}

uint64_t lane_next_version(struct lane *l, uint64_t id)
{
    if (!phase_is_ordered(id) && !phase_is_kept(l->phase, id))
        return 0;
    return ++l->phase->id[id].version;
}

size_t lane_pick_size(struct lane *l)
{
    return MIN_COST + rng_below(&l->rng, l->phase->shape->max_cost - MIN_COST + 1);
}

/* What waits for sections must not pile up, however long a thread is preempted in one. */
bool lane_has_room(const struct lane *l)
{
    const struct phase *p = l->phase;
    return !p->shape->calm || !p->shape->borrow || brim_used(p->cache) < p->capacity / 2;
}

void lane_pause(struct lane *l)
{
    if (rng_below(&l->rng, 32) == 0)
        sched_yield();
}

void phase_saw(struct phase *p, uint64_t id, uint64_t version)
{
    if (!phase_is_ordered(id))
        return;
    uint64_t seen = atomic_load_explicit(&p->id[id].seen, memory_order_relaxed);
    while (seen < version && !atomic_compare_exchange_weak_explicit(&p->id[id].seen, &seen, version,
                                                                    memory_order_release, memory_order_relaxed))
        ;
}

/* A thread lives for some thousand operations; what it holds it drops, or leaves to the next thread of its lane. */
void *lane_run(void *lane)
{
    enum { BEAT = 64 };
    struct lane *l = lane;
    const struct phase *p = l->phase;
    const uint64_t life = 500 + rng_below(&l->rng, 20000);
    for (uint64_t i = 0; i < life && !atomic_load_explicit(&p->stop, memory_order_relaxed); i++) {
        pick_operation(l)(l);
        lane_pause(l);
        l->operations++;
        if (i % BEAT == 0)
            stress_beat();
    }
    if (rng_below(&l->rng, 2) == 0) {
        lane_drop_refs(l);
        lane_drop_keys(l);
    }
    lane_leave_sections(l);
    atomic_store(&l->finished, true);
    return NULL;
}
