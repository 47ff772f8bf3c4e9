/* SPDX-License-Identifier: MIT
 *
 * Sections that borrow while others remove, replace and evict, and threads that come and go, one of them with its
 * section open.  What was borrowed stays whole until the section ends (G2), what has left is destroyed once (G3), and
 * none of it is left waiting for a section that has ended.
 *
 * plant: limbo_blocker_stays
 * plant: entry_wait_ignores_holds
 * plant: entry_wait_relaxed
 */
#include "fiber/small.h"

#include "part/thread.h"

enum { KEYS = 3, CAPACITY = 4, OPERATIONS = 4 };
enum { BORROWED, WAITED, HELD, REFRESHED, NESTED, LEFT_OPEN, FULL, EVICTED };

static void before(void)
{
    brim_options o;

    small_options(&o, CAPACITY);
    o.borrow = true;
    small_begin(&o);
    for (unsigned k = 0; k < KEYS; k++)
        expect(small_insert(k, 1, NULL) == BRIM_OK);
}

static void note_waiting(void)
{
    brim_stats s;

    brim_stats_get(small_cache, &s);
    if (s.waiting_values > 0)
        fiber_saw(WAITED);
}

/* In a section. */
static brim_ref *borrow(void)
{
    unsigned key = fiber_random(KEYS), other = fiber_random(KEYS), number;
    const brim_ref *lent = brim_borrow(small_cache, BRIM_KEY(key));
    const void *value = brim_peek(small_cache, BRIM_KEY(other));
    brim_ref *held = NULL;

    if (lent != NULL) {
        fiber_saw(BORROWED);
        number = small_look_at(lent, key);
        if (fiber_random(3) == 0)
            held = brim_ref_hold(lent);
        expect(small_look_at(lent, key) == number);
    }
    if (value != NULL)
        (void)small_look(value, other);
    return held;
}

static void read_some(void)
{
    brim_ref *held, *more = NULL;

    expect(brim_read_begin(small_cache) == BRIM_OK);
    held = borrow();
    switch (fiber_random(8)) {
    case 0:
    case 1:
        fiber_saw(REFRESHED);
        brim_read_refresh(small_cache);
        more = borrow();
        break;
    case 2:
    case 3:
        fiber_saw(NESTED);
        expect(brim_read_begin(small_cache) == BRIM_OK);
        more = borrow();
        brim_read_end(small_cache);
        break;
    case 4:
        if (small_insert(fiber_random(KEYS), CAPACITY, NULL) == BRIM_FULL)
            fiber_saw(FULL);
        break;
    default: break;
    }
    brim_read_end(small_cache);
    if (held != NULL) {
        fiber_saw(HELD);
        (void)small_look(brim_ref_value(held), ((struct small_value *)brim_ref_value(held))->key);
    }
    brim_release(held);
    brim_release(more);
}

static void write_some(void)
{
    unsigned key = fiber_random(KEYS);

    switch (fiber_random(4)) {
    case 0: (void)brim_remove(small_cache, BRIM_KEY(key)); break;
    case 1: (void)!small_insert(key, CAPACITY - 1, NULL); break;
    case 2: brim_release(small_find(key)); break;
    default: (void)!small_insert(key, 1, NULL); break;
    }
    note_waiting();
}

static void thread(unsigned i)
{
    for (int n = 0; n < OPERATIONS; n++) {
        if (i == 0 || fiber_random(3) == 0)
            read_some();
        else
            write_some();
    }
    if (i == 1 && fiber_random(2) == 0) { /* and ends */
        expect(brim_read_begin(small_cache) == BRIM_OK);
        brim_release(borrow());
        fiber_saw(LEFT_OPEN);
    }
}

static void after(void)
{
    brim_stats s;

    if (small_left(BRIM_EVICTED) > 0)
        fiber_saw(EVICTED);
    brim_stats_get(small_cache, &s);
    expect(s.sections == 0);
    expect(s.waiting_values == 0);
    expect(brim_used(small_cache) == small_alive());
    small_end();
}

int main(int argc, char **argv)
{
    static const struct fiber_harness harness = {
        3, before, thread, after,
        {"borrowed", "waited for sections", "held beyond its section", "refreshed", "nested",
         "left open by a thread that ended", "full", "evicted"}};

    return fiber_main(argc, argv, &harness);
}
