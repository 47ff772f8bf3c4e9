/* SPDX-License-Identifier: MIT
 *
 * A key whose value is replaced while one still holds the old one, and others look it up: they find one of the two,
 * and whoever lets the old one go last destroys it (G3, G6).
 *
 * plant: shard_replace_unlinks_first
 */
#include "fiber/small.h"

enum { KEY = 1 };
enum { OLD, NEW };

static brim_ref *held;
static unsigned old;

static void before(void)
{
    brim_options o;

    small_options(&o, 10);
    small_begin(&o);
    expect(small_insert(KEY, 1, &held) == BRIM_OK);
    old = small_look_at(held, KEY);
}

static void thread(unsigned i)
{
    if (i == 0) {
        brim_release(held);
    } else if (i == 1) {
        expect(small_insert(KEY, 1, NULL) == BRIM_OK);
    } else {
        brim_ref *ref = small_find(KEY);
        expect(ref != NULL);
        fiber_saw(small_look_at(ref, KEY) == old ? OLD : NEW);
        brim_release(ref);
    }
}

static void after(void)
{
    brim_release(small_find(KEY));
    expect(small_left(BRIM_REPLACED) == 1);
    small_end();
}

int main(int argc, char **argv)
{
    static const struct fiber_harness harness = {4, before, thread, after, {"the old value", "the new value"}};

    return fiber_main(argc, argv, &harness);
}
