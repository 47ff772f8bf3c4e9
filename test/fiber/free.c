/* SPDX-License-Identifier: MIT
 *
 * A cache is freed while others still have refs, keys, a slot, loads, a group, a section and waits of it: all of that
 * goes on, and what the cache stands on is given back once, with the last of it (G2).
 *
 * plant: entry_drop_relaxed
 * plant: group_drop_relaxed
 */
#include <sched.h>

#include "fiber/small.h"

enum { KEYS = 3, LOADED = 9 };
enum { STAYS, FOUND_LATE, FINISHED, FAILED, CANCELED_WAIT, IN_SECTION, LAST_OF_ALL };

static brim_cache *cache;
static brim_ref *ref;
static brim_key *key;
static brim_slot slot;
static brim_load *load;
static brim_group *group;
static brim_wait *wait;
static _Atomic(unsigned) told, calls;

static void done(brim_ref *got, int reason, void *arg)
{
    (void)arg;
    count(&told);
    expect(got != NULL || reason == BRIM_CANCELED);
    brim_release(got);
}

static void before(void)
{
    brim_entry_options e;
    brim_options o;
    brim_ref *second, *none;
    brim_load *other;

    small_options(&o, 10);
    o.borrow = true;
    small_begin(&o);
    cache = small_cache;
    small_cache = NULL; /* small_end is not to free it */
    told = calls = 0;
    group = brim_group_new(cache);
    brim_entry_options_init(&e);
    e.group = group;
    for (unsigned k = 0; k < KEYS; k++) {
        struct small_value *v = small_value(k, 1);
        expect(brim_insert_with(cache, BRIM_KEY(k), v, v->cost, k == 0 ? &e : NULL, &second) == BRIM_OK);
        if (k == 0)
            ref = brim_ref_copy(second);
        if (k == 1)
            key = brim_ref_key(second);
        if (k == 2)
            brim_slot_init(&slot, brim_ref_key(second));
        brim_release(second);
    }
    expect(brim_claim(cache, BRIM_KEY((unsigned){LOADED}), 0, &none, &load) == BRIM_CLAIMED);
    expect(brim_claim_async(cache, BRIM_KEY((unsigned){LOADED}), NULL, done, NULL, &none, &other, &wait) ==
           BRIM_PENDING);
}

/* Calls that take the cache must not be under way when it is freed: whoever has begun one is waited for. */
static void free_it(void)
{
    while (tell(&calls) < 1)
        sched_yield();
    brim_cache_free(cache);
    fiber_saw(STAYS);
}

static void use_handles(void)
{
    brim_ref *found = brim_key_find(key);

    if (found != NULL) {
        fiber_saw(FOUND_LATE);
        (void)small_look_at(found, 1);
    }
    (void)small_look_at(ref, 0);
    brim_release(ref);
    brim_release(found);
    brim_key_drop(key);
    brim_group_invalidate(group);
    brim_group_drop(group);
}

static void cancel_wait(void)
{
    if (!brim_wait_cancel(wait))
        return;
    expect(count(&told) == 0);
    fiber_saw(CANCELED_WAIT);
}

static void end_load(void)
{
    bool late = fiber_random(2) == 0;
    brim_ref *got = NULL;

    if (!late)
        cancel_wait();
    if (fiber_random(2) == 0) {
        fiber_saw(FINISHED);
        (void)brim_load_finish(load, small_value(LOADED, 1), 1, &got);
        (void)small_look_at(got, LOADED);
        brim_release(got);
    } else {
        fiber_saw(FAILED);
        brim_load_fail(load, BRIM_CANCELED);
    }
    if (late)
        cancel_wait();
    brim_release(brim_slot_find(&slot));
    brim_slot_store(&slot, NULL);
}

static void read_it(void)
{
    const brim_ref *lent;
    brim_ref *held = NULL;

    expect(brim_read_begin(cache) == BRIM_OK);
    lent = brim_borrow(cache, BRIM_KEY((unsigned){1}));
    count(&calls);
    if (lent != NULL) {
        (void)small_look_at(lent, 1);
        fiber_saw(IN_SECTION);
        held = brim_ref_hold(lent);
        (void)small_look_at(lent, 1);
    }
    brim_read_end(cache);
    if (held != NULL && !brim_ref_is_cached(held))
        fiber_saw(LAST_OF_ALL);
    brim_release(held);
}

static void thread(unsigned i)
{
    switch (i) {
    case 0: free_it(); break;
    case 1: use_handles(); break;
    case 2: end_load(); break;
    default: read_it(); break;
    }
}

static void after(void)
{
    expect(tell(&told) == 1);
    small_end();
}

int main(int argc, char **argv)
{
    static const struct fiber_harness harness = {
        4, before, thread, after,
        {"freed", "found by key until then", "a load finished", "a load failed", "a wait canceled",
         "borrowed meanwhile", "held when the cache was freed"}};

    return fiber_main(argc, argv, &harness);
}
