/* SPDX-License-Identifier: MIT
 *
 * G4: used <= capacity at every instant, for every observer, also while the capacity is changed.
 */
#include "support/support.h"

enum { BIG = 1 << 20, TILE = 16 << 10, CHANGES = 4096 };

static void exact_fill(unsigned shards)
{
    brim_options o = value_options(BIG);
    brim_cache *c;

    o.shards = shards;
    o.expected_cost = TILE;
    c = make_cache(&o);
    for (uint64_t i = 0; i < 64; i++)
        ck_assert_int_eq(put(c, i, i, TILE), BRIM_OK);
    ck_assert_uint_eq(brim_used(c), BIG);
    ck_assert_uint_eq(brim_count(c), 64);
    for (uint64_t i = 0; i < 64; i++)
        ck_assert_uint_eq(found_id(c, i), i);
    ck_assert_int_eq(put(c, 64, 64, TILE), BRIM_OK);
    ck_assert_uint_eq(brim_used(c), BIG);
    ck_assert_uint_eq(brim_count(c), 64);
    finish(c);
}

START_TEST(test_g04_entries_fill_the_capacity_exactly)
{
    for (unsigned shards = 0; shards <= 64; shards = shards == 0 ? 1 : shards * 4)
        exact_fill(shards);
}
END_TEST

START_TEST(test_g04_held_values_count_until_released)
{
    brim_cache *c = make_value_cache(100);
    brim_ref *a = NULL, *b = NULL;
    uint64_t key = 1;

    ck_assert_int_eq(put_ref(c, 1, 1, 40, &a), BRIM_OK);
    ck_assert_int_eq(put_ref(c, 2, 2, 40, &b), BRIM_OK);
    ck_assert_uint_eq(brim_pinned(c), 80);
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    ck_assert_uint_eq(brim_used(c), 80);
    ck_assert_int_eq(put(c, 3, 3, 21), BRIM_FULL);
    ck_assert_int_eq(put(c, 3, 3, 20), BRIM_OK);
    ck_assert_uint_eq(brim_used(c), 100);
    brim_release(a);
    ck_assert_uint_eq(brim_used(c), 60);
    ck_assert_uint_eq(brim_pinned(c), 40);
    ck_assert_int_eq(put(c, 4, 4, 40), BRIM_OK);
    ck_assert_uint_eq(brim_used(c), 100);
    brim_release(b);
    ck_assert_uint_eq(brim_pinned(c), 0);
    finish(c);
}
END_TEST

START_TEST(test_g04_reservations_count)
{
    brim_cache *c = make_value_cache(100);
    brim_stats stats;
    brim_ref *r = NULL;

    for (uint64_t i = 0; i < 10; i++)
        ck_assert_int_eq(put(c, i, i, 10), BRIM_OK);
    ck_assert_int_eq(brim_reserve(c, 35), BRIM_OK);
    ck_assert_uint_le(brim_used(c), 100);
    ck_assert_uint_ge(brim_used(c), 35);
    brim_stats_get(c, &stats);
    ck_assert_uint_eq(stats.reserved, 35);
    ck_assert_uint_eq(stats.used, 35 + 10 * stats.count);
    ck_assert_int_eq(put(c, 20, 20, 66), BRIM_FULL);
    ck_assert_int_eq(put(c, 20, 20, 65), BRIM_OK);
    ck_assert_uint_eq(brim_used(c), 100);
    ck_assert_int_eq(brim_reserve(c, 66), BRIM_FULL);
    ck_assert_int_eq(brim_reserve(c, 65), BRIM_OK);
    ck_assert_uint_eq(brim_count(c), 0);
    ck_assert_uint_eq(brim_used(c), 100);
    ck_assert_int_eq(brim_reserve(c, 1), BRIM_FULL);
    ck_assert_int_eq(brim_reserve(c, 0), BRIM_OK);
    brim_unreserve(c, 0);
    ck_assert_int_eq(put(c, 21, 21, 1), BRIM_FULL);
    brim_unreserve(c, 65);
    ck_assert_int_eq(put_ref(c, 21, 21, 65, &r), BRIM_OK);
    ck_assert_int_eq(brim_reserve(c, 1), BRIM_FULL);
    brim_release(r);
    brim_unreserve(c, 35);
    ck_assert_uint_eq(brim_used(c), 65);
    finish(c);
}
END_TEST

START_TEST(test_g04_capacity_below_what_is_held)
{
    brim_cache *c = make_value_cache(100);
    brim_ref *r = NULL;

    ck_assert_int_eq(put_ref(c, 1, 1, 60, &r), BRIM_OK);
    ck_assert_int_eq(put(c, 2, 2, 40), BRIM_OK);
    ck_assert_int_eq(brim_set_capacity(c, 50), BRIM_FULL);
    ck_assert_uint_eq(brim_capacity(c), 50);
    ck_assert(!has(c, 2));
    ck_assert_uint_eq(brim_used(c), 60);
    ck_assert_int_eq(put(c, 3, 3, 1), BRIM_FULL);
    ck_assert_int_eq(brim_reserve(c, 1), BRIM_FULL);
    brim_release(r);
    ck_assert_uint_le(brim_used(c), 60);
    ck_assert_int_eq(put(c, 3, 3, 50), BRIM_OK);
    ck_assert_uint_eq(brim_used(c), 50);
    ck_assert_int_eq(brim_set_capacity(c, 20), BRIM_OK);
    ck_assert_uint_eq(brim_used(c), 0);
    finish(c);
}
END_TEST

START_TEST(test_g04_nothing_is_admitted_until_it_fits)
{
    static const size_t costs[] = { 0, 5, 5 };
    brim_cache *c = make_value_cache(100);
    brim_ref *a = NULL, *b = NULL;

    ck_assert_int_eq(put_ref(c, 1, 1, 60, &a), BRIM_OK);
    ck_assert_int_eq(put_ref(c, 2, 2, 30, &b), BRIM_OK);
    ck_assert_int_eq(brim_set_capacity(c, 10), BRIM_FULL);
    if (_i == 2)
        brim_release(b);                /* it can go now, but what is held is still too much */
    ck_assert_int_eq(put(c, 3, 3, costs[_i]), BRIM_FULL);
    ck_assert_uint_le(brim_used(c), 90);
    brim_release(a);
    if (_i != 2)
        brim_release(b);
    ck_assert_int_eq(put(c, 3, 3, costs[_i]), BRIM_OK);
    ck_assert_uint_le(brim_used(c), 10);
    finish(c);
}
END_TEST

START_TEST(test_g04_uncharged_is_reported_apart)
{
    brim_cache *c = make_value_cache(100);
    brim_ref *r = NULL;
    brim_stats stats;

    ck_assert_int_eq(brim_wrap(c, value_new(1, 500), 500, NULL, &r), BRIM_OK);
    brim_stats_get(c, &stats);
    ck_assert_uint_eq(stats.used, 0);
    ck_assert_uint_eq(stats.uncharged, 500);
    ck_assert_int_eq(put(c, 1, 1, 100), BRIM_OK);
    brim_release(r);
    brim_stats_get(c, &stats);
    ck_assert_uint_eq(stats.used, 100);
    ck_assert_uint_eq(stats.uncharged, 0);
    finish(c);
}
END_TEST

/* ---- A watcher, while others insert, replace, hold, and change the capacity ---- */

static struct {
    brim_cache *cache;
    atomic_uint turn;                   /* odd: the change turn / 2 is under way */
    brim_status said[CHANGES + 1];      /* what each change returned; [0]: none yet */
    atomic_bool over[2 * CHANGES + 2];  /* too much was seen at this turn */
    atomic_bool stop;
    atomic_llong own;                   /* cost of values taken, counted late, and not yet destroyed, counted early: never above used */
    atomic_ullong looks, fulls, oks;
} watch;

static void watched_destroy(void *v, size_t cost, void *arg)
{
    atomic_fetch_sub(&watch.own, (long long)cost);
    value_destroy(v, cost, arg);
}

static const brim_kind watched_kind = { .size = sizeof(brim_kind), .destroy = watched_destroy };

static void look(void)
{
    unsigned before = atomic_load(&watch.turn), after;
    size_t low = brim_capacity(watch.cache), used, high;
    long long own = atomic_load(&watch.own);

    used = brim_used(watch.cache);
    high = brim_capacity(watch.cache);
    after = atomic_load(&watch.turn);
    atomic_fetch_add(&watch.looks, 1);
    if (before != after)
        return;
    if (high < low)
        high = low;
    if (used > high || own > (long long)high)
        atomic_store(&watch.over[before], true);
}

static void watcher(void)
{
    while (!atomic_load(&watch.stop))
        look();
}

static void change_capacity(void)
{
    static const size_t sizes[] = { 10000, 3000, 7000, 2000, 9000, 4000 };

    for (unsigned i = 1; i <= (unsigned)SCALED(CHANGES - 1); i++) {
        atomic_fetch_add(&watch.turn, 1);
        watch.said[i] = brim_set_capacity(watch.cache, sizes[i % 6]);
        atomic_fetch_add(&watch.turn, 1);
        look();
        while (atomic_load(&watch.oks) + atomic_load(&watch.fulls) < 4ull * i)
            sched_yield(); /* the others keep up */
    }
    while (atomic_load(&watch.looks) <= 1000)
        sched_yield(); /* the watcher too */
    atomic_store(&watch.stop, true);
}

static void watched_churn(unsigned id)
{
    uint64_t state = id + 77;
    brim_ref *held = NULL;

    while (!atomic_load(&watch.stop)) {
        uint64_t x = random_next(&state), key = x % 300;
        size_t cost = 1 + (x >> 32) % ((x >> 60) == 0 ? 1500 : 60);
        value *v = value_new(key, cost);
        brim_ref *r = NULL;
        brim_status s = brim_insert(watch.cache, BRIM_KEY(key), v, cost, (x >> 50) % 4 == 0 ? &r : NULL);

        if (s == BRIM_OK) {
            atomic_fetch_add(&watch.own, (long long)cost);
            atomic_fetch_add(&watch.oks, 1);
        } else {
            EXPECT_MSG(s == BRIM_FULL || s == BRIM_TOO_BIG, "status %d", (int)s);
            atomic_fetch_add(&watch.fulls, 1);
            value_discard(v);
        }
        if (r != NULL && brim_ref_cost(r) < 60) {
            brim_release(held);
            held = r;
        } else {
            brim_release(r);
        }
        if (x % 64 == 0 && brim_reserve(watch.cache, 100) == BRIM_OK) {
            look();
            brim_unreserve(watch.cache, 100);
        }
        if (values_made() > 1500000)
            break;
    }
    brim_release(held);
}

static void watch_role(unsigned id, void *arg)
{
    (void)arg;
    if (id == 0)
        watcher();
    else if (id == 1)
        change_capacity();
    else
        watched_churn(id);
}

/* The set whose word counts at ${turn}: one under way is judged by its own result, else the last one that ended. */
static bool excused(unsigned turn)
{
    unsigned change = (turn + 1) / 2;

    if (turn % 2 != 0 && change > 1 && watch.said[change - 1] == BRIM_FULL)
        return true;
    return watch.said[change] == BRIM_FULL;
}

START_TEST(test_g04_a_watcher_never_sees_more_than_the_capacity)
{
    static const unsigned shard_counts[] = { 1, 0, 16 };
    brim_options o = value_options(10000);
    unsigned fitted = 0, shrunk = 0;

    memset(&watch, 0, sizeof watch);
    o.kind = &watched_kind;
    o.shards = shard_counts[_i];
    watch.cache = make_cache(&o);
    crew_do(5, watch_role, NULL);
    for (unsigned turn = 0; turn <= atomic_load(&watch.turn); turn++) {
        ck_assert_msg(!atomic_load(&watch.over[turn]) || excused(turn), "more than the capacity at turn %u", turn);
        if (turn % 2 == 0)
            fitted += watch.said[turn / 2] == BRIM_OK;
        else
            shrunk++;
    }
    ck_assert_uint_gt(atomic_load(&watch.looks), 1000);
    ck_assert_uint_gt(atomic_load(&watch.oks), SCALED(40)); /* something was admitted */
    ck_assert_uint_gt(fitted, shrunk / 4);
    finish(watch.cache);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("g04");

    tcase_add_test(tc, test_g04_entries_fill_the_capacity_exactly);
    tcase_add_test(tc, test_g04_held_values_count_until_released);
    tcase_add_test(tc, test_g04_reservations_count);
    tcase_add_test(tc, test_g04_capacity_below_what_is_held);
    tcase_add_loop_test(tc, test_g04_nothing_is_admitted_until_it_fits, 0, 3);
    tcase_add_test(tc, test_g04_uncharged_is_reported_apart);
    tcase_add_loop_test(tc, test_g04_a_watcher_never_sees_more_than_the_capacity, 0, 3);
    return suite_run(tc);
}
