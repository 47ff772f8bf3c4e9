/* SPDX-License-Identifier: MIT
 *
 * Room that racing inserts, evictions, releases, reservations and changes of the capacity take and give: never more
 * is used than there is, for any observer (G4), and none is lost.
 *
 * plant: budget_check_then_take
 */
#include "fiber/small.h"

enum { KEYS = 4, CAPACITY = 10, MUCH = 9, LOWERED = 3, RAISED = 8, OPERATIONS = 3 };
enum { ADMITTED, EVICTED, FULL, RESERVED, LOWERED_FULL, LOWERED_OK, COST_CHANGED, LOOKED };

static bool fits; /* the last change of the capacity said so */

static void before(void)
{
    brim_options o;

    small_options(&o, CAPACITY);
    small_begin(&o);
    expect(small_insert(0, fiber_random(2) == 0 ? LOWERED : MUCH, NULL) == BRIM_OK);
}

/* The capacity is never more than CAPACITY. */
static void look(void)
{
    fiber_saw(LOOKED);
    expect(brim_used(small_cache) <= CAPACITY);
}

static void hold_some(unsigned key)
{
    brim_ref *ref;

    if (small_insert(key, 1 + fiber_random(6), &ref) != BRIM_OK) {
        fiber_saw(FULL);
        return;
    }
    fiber_saw(ADMITTED);
    look();
    (void)small_look_at(ref, key);
    brim_release(ref);
}

static void change_capacity(void)
{
    fiber_saw(brim_set_capacity(small_cache, LOWERED) == BRIM_FULL ? LOWERED_FULL : LOWERED_OK);
    look();
    fits = brim_set_capacity(small_cache, RAISED) == BRIM_OK;
    look();
}

static void reserve(size_t cost)
{
    if (brim_reserve(small_cache, cost) != BRIM_OK)
        return;
    fiber_saw(RESERVED);
    look();
    brim_unreserve(small_cache, cost);
}

/* Of a value of cost 0, whose charge then changes under its entry. */
static void wrap(void)
{
    struct small_value *v = small_value(0, 0);
    brim_ref *ref;

    if (brim_insert_anonymous(small_cache, v, 0, NULL, NULL, &ref) != BRIM_OK) {
        small_refused(v);
        return;
    }
    if (brim_ref_set_cost(ref, 2) == BRIM_OK) {
        fiber_saw(COST_CHANGED);
        look();
        while (brim_ref_set_cost(ref, 0) != BRIM_OK) {
        }
    }
    brim_release(ref);
}

static void thread(unsigned i)
{
    if (i == 0) {
        brim_ref *ref = small_find(0);
        change_capacity();
        brim_release(ref);
        return;
    }
    for (int n = 0; n < OPERATIONS; n++) {
        switch (fiber_random(5)) {
        case 0: reserve(1 + fiber_random(6)); break;
        case 1: (void)brim_remove(small_cache, BRIM_KEY((unsigned){0})); break;
        case 2: wrap(); break;
        default: hold_some(fiber_random(KEYS)); break;
        }
        look();
    }
}

static void after(void)
{
    if (small_left(BRIM_EVICTED) > 0)
        fiber_saw(EVICTED);
    expect(brim_capacity(small_cache) == RAISED);
    expect(!fits || brim_used(small_cache) <= RAISED);
    expect(brim_used(small_cache) == small_alive());
    small_end();
}

int main(int argc, char **argv)
{
    static const struct fiber_harness harness = {
        3, before, thread, after,
        {"admitted", "evicted", "full", "reserved", "lowered below what is held", "lowered", "a cost changed",
         "looked"}};

    return fiber_main(argc, argv, &harness);
}
