/* SPDX-License-Identifier: MIT
 *
 * The capacity is lowered below what is held, and raised again while that is released: nobody is told of more used
 * than there was (G4).
 *
 * plant: budget_used_midway
 */
#include "fiber/small.h"

enum { KEY = 1, CAPACITY = 10, HELD = 9, LOWERED = 3, RAISED = 8, LOOKS = 3 };
enum { FULL, RAISED_FULL, FITS };

static brim_ref *held;

static void before(void)
{
    brim_options o;

    small_options(&o, CAPACITY);
    small_begin(&o);
    expect(small_insert(KEY, HELD, &held) == BRIM_OK);
    expect(brim_set_capacity(small_cache, LOWERED) == BRIM_FULL);
    fiber_saw(FULL);
}

static void thread(unsigned i)
{
    if (i == 0) {
        fiber_saw(brim_set_capacity(small_cache, RAISED) == BRIM_FULL ? RAISED_FULL : FITS);
    } else if (i == 1) {
        (void)brim_remove(small_cache, BRIM_KEY((unsigned){KEY}));
        brim_release(held);
    } else {
        for (int n = 0; n < LOOKS; n++)
            expect(brim_used(small_cache) <= HELD);
    }
}

static void after(void)
{
    expect(brim_capacity(small_cache) == RAISED);
    expect(brim_used(small_cache) == 0);
    small_end();
}

int main(int argc, char **argv)
{
    static const struct fiber_harness harness = {
        4, before, thread, after, {"lowered below what is held", "raised, but not enough", "raised enough"}};

    return fiber_main(argc, argv, &harness);
}
