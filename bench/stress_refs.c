/* SPDX-License-Identifier: MIT */
#include "stress_use.h"

#include <inttypes.h>

void lane_release(struct lane *l, brim_ref *ref)
{
    const struct phase *p = l->phase;
    const struct value *v = value_check_ref(p, ref);
    const uint64_t id = v->id;
    const bool removable = (id & ID_ANONYMOUS) != 0 || !phase_is_kept(p, id);
    switch (rng_below(&l->rng, 8)) {
    case 0:
        if (brim_release_with(ref, BRIM_NOT_USEFUL))
            stress_violation(p, "release_with NOT_USEFUL says that it removed");
        break;
    case 1:
        (void)brim_release_with(ref, removable ? BRIM_REMOVE_IF_LAST : 0);
        break;
    case 2:
        (void)brim_release_with(ref, removable ? BRIM_REMOVE_IF_LAST | BRIM_NOT_USEFUL : BRIM_NOT_USEFUL);
        break;
    default:
        brim_release(ref);
    }
}

/* Puts it where another thread will find and release it; releases what was there. */
static void pass_on(struct lane *l, brim_ref *ref)
{
    brim_ref *old = atomic_exchange_explicit(&l->phase->board[rng_below(&l->rng, BOARD)], ref, memory_order_acq_rel);
    if (old != NULL)
        lane_release(l, old);
}

static void stash(struct lane *l, brim_ref *ref)
{
    brim_ref **place = &l->refs[rng_below(&l->rng, LANE_REFS)];
    brim_ref *old = *place;
    *place = ref;
    if (old != NULL)
        lane_release(l, old);
}

static void release_twice(struct lane *l, brim_ref *ref)
{
    brim_ref *copy = brim_ref_copy(ref);
    if (copy == NULL || brim_ref_value(copy) != brim_ref_value(ref))
        stress_violation(l->phase, "the copy of a ref has another value");
    lane_release(l, ref);
    lane_pause(l);
    if (copy != NULL)
        lane_release(l, copy);
}

void lane_hit(struct lane *l, brim_ref *ref)
{
    (void)value_check_ref(l->phase, ref);
    lane_pause(l);
    switch (rng_below(&l->rng, 8)) {
    case 0: pass_on(l, ref); break;
    case 1: stash(l, ref); break;
    case 2: release_twice(l, ref); break;
    default: lane_release(l, ref);
    }
}

void lane_drop_refs(struct lane *l)
{
    for (int i = 0; i < LANE_REFS; i++) {
        if (l->refs[i] != NULL)
            lane_release(l, l->refs[i]);
        l->refs[i] = NULL;
    }
}

void use_ref_again(struct lane *l)
{
    brim_ref *ref = l->refs[rng_below(&l->rng, LANE_REFS)];
    if (brim_ref_copy(NULL) != NULL)
        stress_violation(l->phase, "the copy of no ref is one");
    if (ref == NULL)
        return;
    const bool was_cached = brim_ref_is_cached(ref);
    (void)value_check_ref(l->phase, ref);
    if (!was_cached && brim_ref_is_cached(ref))
        stress_violation(l->phase, "an entry that has left is cached again");
    brim_ref *copy = brim_ref_copy(ref);
    if (copy != NULL)
        pass_on(l, copy);
}

/* Never below what is really allocated. */
void use_set_cost(struct lane *l)
{
    brim_ref *ref = l->refs[rng_below(&l->rng, LANE_REFS)];
    if (ref == NULL || l->phase->shape->calm || l->phase->shape->exact)
        return;
    const struct value *v = value_check_ref(l->phase, ref);
    const brim_status status = brim_ref_set_cost(ref, v->size + rng_below(&l->rng, EXTRA_COST));
    if (status != BRIM_OK && status != BRIM_FULL && status != BRIM_TOO_BIG && status != BRIM_INVALID)
        stress_violation(l->phase, "set_cost is %s", brim_strerror(status));
    (void)value_check_ref(l->phase, ref);
}

void use_wrap(struct lane *l)
{
    struct phase *p = l->phase;
    brim_entry_options e;
    brim_ref *ref = NULL;
    const unsigned kind = rng_below(&l->rng, KINDS);
    const size_t size = lane_pick_size(l);
    struct value *v = value_new(p, ID_ANONYMOUS, 0, kind, size, false);
    brim_entry_options_init(&e);
    e.kind = &p->kinds[kind];
    const brim_status status = brim_wrap(p->cache, v, size, &e, &ref);
    if (status != BRIM_OK) {
        value_refused(v);
        if (status != BRIM_NOMEM || ref != NULL)
            stress_violation(p, "wrap is %s", brim_strerror(status));
        return;
    }
    if (brim_ref_value(ref) != v || brim_ref_is_cached(ref))
        stress_violation(p, "a wrapped value is another one, or cached");
    lane_hit(l, ref);
}
