/* SPDX-License-Identifier: MIT
 *
 * An entry that expires while others use it: what one call has missed as expired no later one finds again, also not
 * by a use whose time was read before.
 *
 * plant: extra_expiry_unsaid
 * plant: extra_use_stores
 */
#include "fiber/small.h"

enum { KEY = 7, BORN = 100, MAX_IDLE = 10, USES = 2 };
enum { FOUND, EXPIRED };

static _Atomic(unsigned) now, expired;

static uint64_t read_clock(void *arg)
{
    (void)arg;
    return tell(&now);
}

static void before(void)
{
    brim_options o;
    brim_entry_options e;
    struct small_value *v;

    now = BORN;
    expired = 0;
    small_options(&o, 10);
    o.now = read_clock;
    small_begin(&o);
    brim_entry_options_init(&e);
    e.max_idle = MAX_IDLE;
    v = small_value(KEY, 1);
    expect(brim_insert_with(small_cache, BRIM_KEY((unsigned){KEY}), v, v->cost, &e, NULL) == BRIM_OK);
    now = BORN + MAX_IDLE - 1;
}

static void use(void)
{
    bool was_expired = tell(&expired) != 0;
    brim_ref *ref = small_find(KEY);

    fiber_saw(ref != NULL ? FOUND : EXPIRED);
    if (ref == NULL)
        atomic_store_explicit(&expired, 1, memory_order_relaxed);
    expect(ref == NULL || !was_expired);
    brim_release(ref);
}

static void thread(unsigned i)
{
    if (i == 0)
        count(&now); /* it is too old then, if nobody has used it */
    for (int n = 0; n < USES; n++)
        use();
}

static void after(void)
{
    small_end();
}

int main(int argc, char **argv)
{
    static const struct fiber_harness harness = {3, before, thread, after, {"found", "expired"}};

    return fiber_main(argc, argv, &harness);
}
