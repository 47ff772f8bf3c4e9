/* SPDX-License-Identifier: MIT
 *
 * Look-ups while others insert, remove and replace, so that the index grows and shrinks under them.  What is never
 * removed is always found, and never an older value after a newer one, also not by who knows that the newer one is
 * there (G6).
 *
 * plant: index_publish_relaxed
 * plant: index_find_relaxed
 * plant: shard_replace_unlinks_first
 */
#include "fiber/small.h"

#include "cache/cache.h"

enum { STABLE = 2, PASSING = 12, LOOKS = 8, REPLACEMENTS = 3 };
enum { GREW, SHRANK, SEEN_REPLACED, FOUND_PASSING, MISSED_PASSING };

/* Of each stable key's values: the newest that is certainly there. */
static _Atomic(unsigned) newest[STABLE];
static _Atomic(unsigned) most_buckets;

static unsigned buckets(void)
{
    struct shard *sh = &small_cache->shards[0];
    unsigned n;

    lock_acquire(&sh->lock);
    n = sh->index.table->buckets;
    lock_release(&sh->lock);
    return n;
}

static void note_buckets(void)
{
    unsigned n = buckets();

    if (n > tell(&most_buckets))
        atomic_store_explicit(&most_buckets, n, memory_order_relaxed);
}

static void replace(unsigned key)
{
    brim_ref *ref;

    expect(small_insert(key, 1, &ref) == BRIM_OK);
    atomic_store_explicit(&newest[key], small_look_at(ref, key), memory_order_relaxed);
    brim_release(ref);
}

static void before(void)
{
    brim_options o;

    small_options(&o, 1000);
    small_begin(&o);
    most_buckets = 0;
    for (unsigned k = 0; k < STABLE; k++)
        replace(k);
    for (unsigned k = STABLE; k < 5; k++)
        expect(small_insert(k, 1, NULL) == BRIM_OK);
    most_buckets = buckets();
}

static void look(void)
{
    unsigned seen[STABLE] = {0};

    for (int n = 0; n < LOOKS; n++) {
        unsigned key = fiber_random(STABLE), at_least = tell(&newest[key]), number;
        brim_ref *ref = small_find(key);

        expect(ref != NULL);
        number = small_look_at(ref, key);
        expect(number >= at_least && number >= seen[key]);
        if (seen[key] != 0 && number > seen[key])
            fiber_saw(SEEN_REPLACED);
        seen[key] = number;
        brim_release(ref);
        ref = small_find(STABLE + fiber_random(PASSING));
        fiber_saw(ref != NULL ? FOUND_PASSING : MISSED_PASSING);
        brim_release(ref);
    }
}

/* The one inserts, the other removes what it has inserted. */
static void pass_through(unsigned first)
{
    for (unsigned k = first; k < first + PASSING / 2; k++) {
        brim_ref *held = small_find(fiber_random(STABLE));
        expect(held != NULL);
        expect(small_insert(k, 1, NULL) == BRIM_OK);
        note_buckets();
        brim_release(held);
    }
    for (unsigned k = first; k < first + PASSING / 2; k++)
        expect(brim_remove(small_cache, BRIM_KEY(k)));
}

static void thread(unsigned i)
{
    if (i == 0) {
        look();
    } else if (i == 1) {
        pass_through(STABLE);
    } else {
        for (unsigned n = 0; n < REPLACEMENTS; n++)
            replace(fiber_random(STABLE));
        pass_through(STABLE + PASSING / 2);
        expect(brim_contains(small_cache, BRIM_KEY((unsigned){0})));
    }
}

static void after(void)
{
    if (tell(&most_buckets) > 1)
        fiber_saw(GREW);
    if (buckets() < tell(&most_buckets))
        fiber_saw(SHRANK);
    expect(brim_count(small_cache) == STABLE);
    for (unsigned k = 0; k < STABLE; k++)
        brim_release(small_find(k));
    small_end();
}

int main(int argc, char **argv)
{
    static const struct fiber_harness harness = {
        3, before, thread, after,
        {"the index grew", "the index shrank", "a newer value", "another's key found", "another's key missed"}};

    return fiber_main(argc, argv, &harness);
}
