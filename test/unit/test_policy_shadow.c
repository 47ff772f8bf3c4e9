/* SPDX-License-Identifier: MIT
 *
 * shard/policy_shadow: a small cache that keeps its bounds, and hits what it has.
 */
#include "base/hash.h"
#include "shard/policy_shadow.h"
#include "support/support.h"

enum { STEPS = 6000, PLAIN = 1 << ENTRY_PRIORITY_SHIFT, HIGH = 2 << ENTRY_PRIORITY_SHIFT };

static struct shadow s;

static void make(brim_objective objective, unsigned mode, double capacity, unsigned most)
{
    memset(&s, 0, sizeof s);
    shadow_init(&s, objective, &policy_modes[mode], 1);
    shadow_resize(&s, capacity, most, most);
}

static uint32_t place_of(uint64_t key)
{
    return (uint32_t)hash_random(&key);
}

static bool ask_as(uint64_t key, size_t cost, uint64_t work, uint32_t kind_flags)
{
    struct entry e;

    entry_init(&e, NULL, 0, NULL, cost);
    e.place = place_of(key);
    e.work = policy_pack_work(work);
    e.kind_flags = kind_flags;
    return shadow_request(&s, &e);
}

static bool ask(uint64_t key, size_t cost)
{
    return ask_as(key, cost, 0, PLAIN);
}

static bool has_key(uint64_t key)
{
    for (unsigned i = 0; i < SHADOW_MOST; i++)
        if (s.place[i] == place_of(key) && entry_is_linked(&s.entry[i]))
            return true;
    return false;
}

/* Sums of whole numbers: exact, and never negative. */
static bool sums_are_right(void)
{
    double used = 0;
    unsigned count = 0;

    for (unsigned i = 0; i < SHADOW_MOST; i++) {
        bool there = entry_is_linked(&s.entry[i]);

        count += there;
        used += there ? (double)entry_cost(&s.entry[i]) : 0;
    }
    return s.count == count && s.used <= used && s.used >= used;
}

static bool within_bounds(void)
{
    return s.used <= s.capacity && s.count <= s.most && s.count <= SHADOW_MOST;
}

/* Few large, many small, some of no cost; constant for each key. */
static size_t cost_of(uint64_t key)
{
    uint64_t r = hash_random(&key);

    return (size_t)(r % 1000 >> (r >> 32) % 10);
}

static const brim_objective objectives[] = {BRIM_BALANCED, BRIM_HITS, BRIM_BYTES, BRIM_WORK};

/* In each mode, by each objective. */
START_TEST(bounds_hold_and_hits_are_what_is_there)
{
    static const struct {
        double capacity;
        unsigned most;
    } bounds[] = {{8000, SHADOW_ENTRIES}, {8000.5, 20}, {500, SHADOW_MOST}, {1e9, SHADOW_MOST}, {1e9, 3}};
    unsigned hits = 0, wrong = 0;
    uint64_t random = 1;

    for (size_t b = 0; b < sizeof bounds / sizeof bounds[0]; b++) {

        make(objectives[_i / POLICY_MODES], (unsigned)_i % POLICY_MODES, bounds[b].capacity, bounds[b].most);
        for (unsigned i = 0; i < SCALED(STEPS) / 4; i++) {
            uint64_t key = hash_random(&random) % 400 * (hash_random(&random) % 400) / 400;
            bool was_there = has_key(key), hit = ask_as(key, cost_of(key), 1 + key, PLAIN);

            wrong += hit != was_there || !sums_are_right() || !within_bounds();
            wrong += has_key(key) != ((double)cost_of(key) <= s.capacity);
            hits += hit;
        }
    }
    ck_assert_uint_eq(wrong, 0);
    ck_assert_uint_gt(hits, SCALED(STEPS) / 20);
}
END_TEST

/* From the next that is let in on. */
START_TEST(it_shrinks)
{
    unsigned wrong = 0;

    make(BRIM_HITS, 0, 1000, 100);
    for (unsigned i = 0; i < 300; i++)
        (void)ask(i, 10);
    ck_assert_uint_eq(s.count, 100);
    shadow_scale(&s, 0.5);
    ck_assert_double_eq(s.capacity, 500);
    ck_assert_uint_eq(s.most, 50);
    for (unsigned i = 300; i < 600; i++) {
        (void)ask(i, 5);
        wrong += !within_bounds() || !sums_are_right();
    }
    ck_assert_uint_eq(s.count, 50);
    shadow_resize(&s, 101, 1000, 25); /* as many as it has places */
    ck_assert_uint_eq(s.most, SHADOW_MOST);
    for (unsigned i = 600; i < 900; i++) {
        (void)ask(i, 5);
        wrong += !within_bounds() || !sums_are_right();
    }
    ck_assert_uint_eq(s.count, 20);
    shadow_scale(&s, 0.25);
    ck_assert_uint_eq(s.most, SHADOW_MOST); /* any number, still */
    (void)ask(1000, 5);
    ck_assert_uint_eq(s.count, 5);
    ck_assert_double_eq(s.used, 25);
    ck_assert_uint_eq(wrong, 0);
}
END_TEST

/* What it has stays, as far as it fits. */
START_TEST(another_size_loses_nothing)
{
    uint64_t random = 1;
    unsigned wrong = 0;

    make(BRIM_HITS, 0, 1000, 100);
    for (unsigned i = 0; i < 50; i++)
        (void)ask(i, 1);
    shadow_resize(&s, 2000, SHADOW_MOST, 0);
    for (unsigned i = 0; i < 50; i++)
        ck_assert(ask(i, 1));
    for (unsigned i = 0; i < SCALED(STEPS); i++) {
        uint64_t r = hash_random(&random);

        if (i % 64 == 0)
            shadow_resize(&s, (double)(r % 3000), r >> 16 & 255, r >> 32 & 1023);
        (void)ask(r >> 50, cost_of(r >> 50));
        wrong += !sums_are_right() || s.ghosts.buckets > SHADOW_GHOST_BUCKETS;
    }
    ck_assert_uint_eq(wrong, 0);
}
END_TEST

START_TEST(the_largest_cost)
{
    make(BRIM_HITS, 0, 0x1p66, SHADOW_MOST);
    ck_assert(!ask(1, SIZE_MAX));
    ck_assert_double_eq_tol(s.used, 0x1p64, 0.5);
    ck_assert(ask(1, SIZE_MAX));
    shadow_resize(&s, 0x1p64, 1, 1);
    ck_assert(!ask(2, SIZE_MAX)); /* in its place */
    ck_assert_double_eq_tol(s.used, 0x1p64, 0.5);
    ck_assert_uint_eq(s.count, 1);
}
END_TEST

/* What it remembers, as long as that lies where it did. */
START_TEST(another_number_forgets_what_was_evicted)
{
    static const struct ghost_bucket none;

    make(BRIM_HITS, 0, 10, SHADOW_ENTRIES);
    for (uint64_t key = 0; key < 1000; key++)
        (void)ask(key, 1);
    shadow_resize(&s, 11, SHADOW_MOST, SHADOW_ENTRIES + 1); /* as many */
    ck_assert_int_ne(memcmp(&s.buckets[1], &none, sizeof none), 0);
    shadow_resize(&s, 11, SHADOW_MOST, SHADOW_ENTRIES / 2);
    for (size_t i = 0; i < SHADOW_GHOST_BUCKETS; i++)
        ck_assert_int_eq(memcmp(&s.buckets[i], &none, sizeof none), 0);
}
END_TEST

START_TEST(too_large_is_never_there)
{
    make(BRIM_BYTES, 0, 100, 10);
    ck_assert(!ask(1, 60));
    ck_assert(!ask(2, 101));
    ck_assert(!ask(2, 101));
    ck_assert(!ask(2, SIZE_MAX));
    ck_assert(has_key(1)); /* and drives nothing out */
    ck_assert_uint_eq(s.count, 1);
    ck_assert(!ask(2, 100));
    ck_assert(ask(2, 100)); /* it fits */
    ck_assert_double_eq(s.used, 100);
    ck_assert(!has_key(1));
}
END_TEST

START_TEST(no_cost)
{
    make(BRIM_BALANCED, 0, 0, 10);
    for (unsigned i = 0; i < 1000; i++) {
        ck_assert(!ask(i, 0));
        ck_assert(ask(i, 0));
        ck_assert(!ask(i + 1000, 1));
    }
    ck_assert_uint_eq(s.count, 10);
    ck_assert_double_eq(s.used, 0);
}
END_TEST

START_TEST(none_or_one)
{
    make(BRIM_HITS, (unsigned)_i, 100, 0);
    for (unsigned i = 0; i < 10; i++)
        ck_assert(!ask(1, 1));
    ck_assert_uint_eq(s.count, 0);
    make(BRIM_HITS, (unsigned)_i, 100, 1);
    for (unsigned i = 0; i < 1000; i++) {
        ck_assert(!ask(i, 1));
        ck_assert(ask(i, 1));
        ck_assert_uint_eq(s.count, 1);
        ck_assert_double_eq(s.used, 1);
    }
}
END_TEST

/* A ghost for each that has gone, with how often it was used. */
START_TEST(it_remembers)
{
    enum { GONE = SHADOW_ENTRIES };
    unsigned remembered = 0;

    make(BRIM_HITS, (unsigned)_i, SHADOW_ENTRIES, SHADOW_ENTRIES);
    for (unsigned i = 0; i < SHADOW_ENTRIES + GONE; i++) {
        (void)ask(i, 1);
        (void)ask(i, 1);
    }
    for (unsigned i = 0; i < SHADOW_ENTRIES + GONE; i++)
        if (!has_key(i))
            remembered += ghosts_take(&s.ghosts, place_of(i), GHOST_RING) == 1;
    ck_assert_uint_gt(remembered, GONE * 9 / 10); /* some are taken for one another */
    ck_assert_uint_le(remembered, GONE);
}
END_TEST

/* Of a loop too long for it, of which LRU has nothing, some modes keep a part. */
START_TEST(a_mode_breaks_loops)
{
    enum { AROUND = 20 };
    unsigned loop = (unsigned)(_i == 0 ? SHADOW_ENTRIES * 5 / 4 : SHADOW_ENTRIES * 5 / 2), best = 0;

    for (unsigned mode = 0; mode < POLICY_MODES; mode++) {
        unsigned hits = 0;

        make(BRIM_HITS, mode, SHADOW_ENTRIES, SHADOW_ENTRIES);
        for (unsigned i = 0; i < AROUND * loop; i++)
            hits += ask(i % loop, 1) && i >= (AROUND / 2) * loop;
        best = hits > best ? hits : best;
    }
    ck_assert_uint_gt(best, (SHADOW_ENTRIES - 1) * AROUND / 2 / 3); /* a third of what can be had */
}
END_TEST

/* As the cache would: cost, work and priority of what is asked for count. */
START_TEST(what_is_worth_more_stays)
{
    static const struct {
        brim_objective objective;
        size_t cost;
        uint64_t work;
        uint32_t flags;
    } poor[] = {{BRIM_HITS, 100, 1000, PLAIN},
                {BRIM_BALANCED, 100, 1000, PLAIN},
                {BRIM_WORK, 10, 10, PLAIN},
                {BRIM_BYTES, 10, 1000, 0 /* a low priority */}};
    uint64_t random = 1;
    unsigned hits = 0, poor_hits = 0;

    make(poor[_i].objective, 0, 20 * SHADOW_ENTRIES, SHADOW_MOST);
    for (unsigned i = 0; i < STEPS; i++) {
        uint64_t key = hash_random(&random) % (4 * SHADOW_ENTRIES);

        if (key % 2 == 0)
            hits += ask_as(key, 10, 1000, PLAIN);
        else
            poor_hits += ask_as(key, poor[_i].cost, poor[_i].work, poor[_i].flags);
    }
    ck_assert_uint_gt(hits, 2 * poor_hits);
}
END_TEST

START_TEST(crowded_without_a_place_but_with_room)
{
    make(BRIM_HITS, 0, 1000, SHADOW_MOST);
    for (unsigned i = 0; i < SHADOW_MOST; i++) {
        ck_assert(!shadow_is_crowded(&s));
        (void)ask(i, 1);
    }
    ck_assert(shadow_is_crowded(&s));
    make(BRIM_HITS, 0, SHADOW_MOST, SHADOW_MOST); /* no room */
    for (unsigned i = 0; i < 2 * SHADOW_MOST; i++) {
        (void)ask(i, 1);
        ck_assert(!shadow_is_crowded(&s));
    }
    make(BRIM_HITS, 0, 1000, SHADOW_MOST - 1); /* it was to have no more */
    for (unsigned i = 0; i < 2 * SHADOW_MOST; i++) {
        (void)ask(i, 1);
        ck_assert(!shadow_is_crowded(&s));
    }
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("policy_shadow");

    tcase_add_loop_test(tc, bounds_hold_and_hits_are_what_is_there, 0, 4 * POLICY_MODES);
    tcase_add_test(tc, it_shrinks);
    tcase_add_test(tc, another_size_loses_nothing);
    tcase_add_test(tc, the_largest_cost);
    tcase_add_test(tc, another_number_forgets_what_was_evicted);
    tcase_add_test(tc, too_large_is_never_there);
    tcase_add_test(tc, no_cost);
    tcase_add_loop_test(tc, none_or_one, 0, POLICY_MODES);
    tcase_add_loop_test(tc, it_remembers, 0, POLICY_MODES);
    tcase_add_loop_test(tc, a_mode_breaks_loops, 0, 2);
    tcase_add_loop_test(tc, what_is_worth_more_stays, 0, 4);
    tcase_add_test(tc, crowded_without_a_place_but_with_room);
    return suite_run(tc);
}
