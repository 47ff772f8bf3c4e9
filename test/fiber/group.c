/* SPDX-License-Identifier: MIT
 *
 * A group that is invalidated and closed while entries of it are inserted, found and loaded.  What was there before
 * an invalidation that is over is not found, and once a closed group has no loads none begins.
 *
 * plant: extra_load_looks_first
 * plant: extra_load_ends_relaxed
 */
#include "fiber/small.h"

enum { KEYS = 2, OPERATIONS = 4 };
enum { FOUND, MISSED, INVALIDATED, CLOSED, LOADED, OVERTAKEN, REFUSED, SWEPT };

static brim_group *group;
static _Atomic(unsigned) begun, over; /* invalidations */
static _Atomic(unsigned) settled[SMALL_VALUES + 1]; /* 1 + how many had begun when the value was certainly there */
static bool open_file; /* what loads read; closed once the group has none.  Not atomic: the library orders it */

static void before(void)
{
    brim_options o;

    small_options(&o, 100);
    small_begin(&o);
    group = brim_group_new(small_cache);
    expect(group != NULL);
    begun = over = 0;
    for (unsigned i = 0; i <= SMALL_VALUES; i++)
        settled[i] = 0;
    open_file = true;
}

static void note_settled(unsigned number)
{
    atomic_store_explicit(&settled[number], 1 + tell(&begun), memory_order_relaxed);
}

static void in_group(brim_entry_options *e)
{
    brim_entry_options_init(e);
    e->group = group;
}

static void insert(unsigned key)
{
    struct small_value *v = small_value(key, 1);
    unsigned number = v->number;
    brim_entry_options e;

    in_group(&e);
    if (brim_insert_with(small_cache, BRIM_KEY(key), v, v->cost, &e, NULL) == BRIM_OK) {
        note_settled(number);
    } else {
        fiber_saw(REFUSED);
        small_refused(v);
    }
}

static void find(unsigned key)
{
    unsigned are_over = tell(&over), there;
    brim_ref *ref = small_find(key);

    fiber_saw(ref != NULL ? FOUND : MISSED);
    if (ref == NULL)
        return;
    there = tell(&settled[small_look_at(ref, key)]);
    expect(there == 0 || are_over <= there - 1); /* the next to begin was not over yet */
    brim_release(ref);
}

static void load(unsigned key)
{
    brim_entry_options e;
    brim_claim_options o;
    brim_load *claimed;
    brim_ref *ref;

    in_group(&e);
    brim_claim_options_init(&o);
    o.timeout_ms = 0;
    o.entry = &e;
    if (brim_claim_with(small_cache, BRIM_KEY(key), &o, &ref, &claimed) == BRIM_CLAIMED) {
        struct small_value *v = small_value(key, 1);
        unsigned number = v->number;
        expect(open_file);
        if (brim_load_finish(claimed, v, v->cost, NULL) == BRIM_OK) {
            fiber_saw(LOADED);
            note_settled(number);
        } else {
            fiber_saw(OVERTAKEN);
        }
    }
    brim_release(ref);
}

static void invalidate(void)
{
    count(&begun);
    brim_group_invalidate(group);
    count(&over);
    fiber_saw(INVALIDATED);
}

static void close_group(void)
{
    count(&begun);
    brim_group_close(group);
    count(&over);
    if (brim_group_loads(group) == 0) {
        fiber_saw(CLOSED);
        open_file = false;
    }
}

static void work(brim_group *own)
{
    for (int n = 0; n < OPERATIONS; n++) {
        unsigned key = fiber_random(KEYS);

        switch (fiber_random(3)) {
        case 0: insert(key); break;
        case 1: load(key); break;
        default: find(key);
        }
    }
    brim_group_drop(own);
}

static void thread(unsigned i)
{
    if (i > 0) {
        work(brim_group_copy(group));
        return;
    }
    for (int n = 0; n < OPERATIONS; n++)
        if (fiber_random(2) == 0)
            invalidate();
    if (fiber_random(2) == 0)
        close_group();
}

static void after(void)
{
    if (small_left(BRIM_INVALIDATED) > 0)
        fiber_saw(SWEPT);
    expect(brim_group_loads(group) == 0);
    brim_group_drop(group);
    small_end();
}

int main(int argc, char **argv)
{
    static const struct fiber_harness harness = {
        3, before, thread, after,
        {"found", "missed", "invalidated", "closed without loads", "loaded", "overtaken", "refused", "swept"}};

    return fiber_main(argc, argv, &harness);
}
