/* SPDX-License-Identifier: MIT
 *
 * Loads of two keys: claimed, joined, finished, failed, overtaken, canceled, waited for with a time, and told later.
 * At most one runs of a key, also after it was overtaken; who waits gets its result, its failure or its end (G9); a
 * thread that waits for itself is told, and no other (DEADLOCK).
 *
 * plant: flight_wakes_nobody
 */
#include "fiber/small.h"

enum { KEYS = 2, CAPACITY = 3, OPERATIONS = 3, REASON = 7, SOON_MS = 1 };
enum { LOADED, WAITED, OVERTAKEN, FAILED, TIMED_OUT, CANCELED };
enum { TOLD = CANCELED + 1, TOLD_NOTHING, WAIT_CANCELED, DEADLOCK, REFUSED, UNWANTED };

static _Atomic(unsigned) flying[KEYS], told, to_be_told;
static bool nested; /* loaders of one key get the other: circles may be */

static brim_status finish(brim_load *load, unsigned key, brim_ref **out);

static void done(brim_ref *ref, int reason, void *arg)
{
    unsigned key = *(const unsigned *)arg;

    if (ref != NULL)
        (void)small_look_at(ref, key);
    expect(ref == NULL ? reason == REASON || reason == BRIM_CANCELED : reason == 0);
    fiber_saw(ref != NULL ? TOLD : TOLD_NOTHING);
    count(&told);
    brim_release(ref);
}

static const unsigned keys[KEYS] = {0, 1};

static void begin(unsigned key)
{
    expect(count(&flying[key]) == 0);
}

static void end(unsigned key)
{
    expect(atomic_fetch_sub_explicit(&flying[key], 1, memory_order_relaxed) == 1);
}

static void before(void)
{
    brim_options o;
    brim_ref *ref;
    brim_load *load, *other;
    brim_wait *wait;

    small_options(&o, CAPACITY);
    small_begin(&o);
    nested = fiber_random(2) == 0;
    told = to_be_told = 0;
    /* So that later nobody is the first to be told later in this process: that takes memory. */
    expect(brim_claim(small_cache, BRIM_KEY(keys[0]), 0, &ref, &load) == BRIM_CLAIMED);
    expect(brim_claim_async(small_cache, BRIM_KEY(keys[0]), NULL, done, (void *)(uintptr_t)&keys[0], &ref, &other,
                            &wait) == BRIM_PENDING);
    expect(brim_wait_cancel(wait));
    brim_load_fail(load, REASON);
}

static brim_status load_key(const void *key, size_t len, void *arg, void **value, size_t *cost)
{
    unsigned k = *(const unsigned *)key;
    struct small_value *v;

    (void)len;
    begin(k);
    if (nested && arg == NULL) {
        unsigned other = 1 - k;
        brim_ref *ref;
        brim_status status = brim_get(small_cache, BRIM_KEY(other), load_key, &nested, &ref);
        if (status == BRIM_DEADLOCK)
            fiber_saw(DEADLOCK);
        else if (ref != NULL)
            (void)small_look_at(ref, other);
        brim_release(ref);
    }
    end(k);
    if (fiber_random(4) == 0)
        return (brim_status)REASON;
    v = small_value(k, 1 + fiber_random(CAPACITY));
    *value = v;
    *cost = v->cost;
    return BRIM_OK;
}

static void get(unsigned key)
{
    brim_ref *ref;
    brim_status status = brim_get(small_cache, BRIM_KEY(key), load_key, NULL, &ref);

    if (ref != NULL)
        (void)small_look_at(ref, key);
    expect((status == BRIM_OK) == (ref != NULL));
    if (status == BRIM_FAILED)
        fiber_saw(FAILED);
    if (status == BRIM_DEADLOCK)
        expect(nested);
    brim_release(ref);
}

static brim_status finish(brim_load *load, unsigned key, brim_ref **out)
{
    size_t cost = 1 + fiber_random(CAPACITY + 1);
    brim_status status;

    if (!brim_load_is_wanted(load))
        fiber_saw(UNWANTED);
    end(key);
    status = brim_load_finish(load, small_value(key, cost), cost, out);
    fiber_saw(status == BRIM_OK ? LOADED : status == BRIM_CANCELED ? OVERTAKEN : REFUSED);
    return status;
}

static void end_load(brim_load *load, unsigned key)
{
    brim_ref *ref = NULL;

    switch (fiber_random(4)) {
    case 0:
        end(key);
        brim_load_fail(load, REASON);
        break;
    case 1:
        end(key);
        brim_load_fail_for(load, REASON, 1000);
        break;
    default:
        (void)finish(load, key, &ref);
        (void)small_look_at(ref, key);
        brim_release(ref);
    }
}

static void claim(unsigned key)
{
    static const int times[] = {0, SOON_MS, -1};
    int reason = -1;
    brim_claim_options o;
    brim_ref *ref;
    brim_load *load;
    brim_status status;

    brim_claim_options_init(&o);
    o.timeout_ms = times[fiber_random(3)];
    o.reason = &reason;
    status = brim_claim_with(small_cache, BRIM_KEY(key), &o, &ref, &load);
    if (status == BRIM_CLAIMED) {
        begin(key);
        end_load(load, key);
    } else if (status == BRIM_OK) {
        (void)small_look_at(ref, key);
        brim_release(ref);
    }
    expect(status != BRIM_DEADLOCK && status != BRIM_FULL);
    expect(status == BRIM_FAILED ? reason == REASON : reason == 0);
    if (status == BRIM_TIMEOUT)
        fiber_saw(TIMED_OUT);
    if (status == BRIM_FAILED)
        fiber_saw(FAILED);
    if (status == BRIM_CANCELED)
        fiber_saw(CANCELED);
}

static void claim_for_later(unsigned key)
{
    brim_ref *ref;
    brim_load *load;
    brim_wait *wait;
    brim_status status = brim_claim_async(small_cache, BRIM_KEY(key), NULL, done, (void *)(uintptr_t)&keys[key], &ref,
                                          &load, &wait);

    if (status == BRIM_CLAIMED) {
        begin(key);
        end_load(load, key);
    }
    brim_release(ref);
    if (status != BRIM_PENDING)
        return;
    if (fiber_random(2) == 0 && brim_wait_cancel(wait))
        fiber_saw(WAIT_CANCELED);
    else
        count(&to_be_told);
}

static void thread(unsigned i)
{
    (void)i;
    for (int n = 0; n < OPERATIONS; n++) {
        unsigned key = fiber_random(KEYS);

        switch (fiber_random(9)) {
        case 0: (void)!small_insert(key, 1, NULL); break;
        case 1: (void)brim_remove(small_cache, BRIM_KEY(key)); break;
        case 2: (void)brim_load_cancel(small_cache, BRIM_KEY(key)); break;
        case 3: claim_for_later(key); break;
        case 4:
        case 5: claim(key); break;
        default: get(key);
        }
    }
}

static void after(void)
{
    brim_stats s;

    brim_stats_get(small_cache, &s);
    expect(s.loading == 0);
    if (s.load_waits > 0)
        fiber_saw(WAITED);
    for (unsigned k = 0; k < KEYS; k++)
        expect(tell(&flying[k]) == 0);
    expect(tell(&told) == tell(&to_be_told));
    expect(brim_used(small_cache) <= CAPACITY);
    small_end();
}

int main(int argc, char **argv)
{
    static const struct fiber_harness harness = {
        3, before, thread, after,
        {"loaded", "waited", "overtaken", "failed for others too", "timed out", "canceled", "told later",
         "told later that there is nothing", "not told, by cancellation", "a circle", "refused",
         "not wanted any more"}};

    return fiber_main(argc, argv, &harness);
}
