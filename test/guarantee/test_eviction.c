/* SPDX-License-Identifier: MIT
 *
 * Eviction holds out: whatever is asked for, and whatever came before, the cache serves what is asked for now, within
 * its capacity and a little memory.  What a bound follows from stands beside it; a turnover is as many requests or
 * inserts as the cache has places.  (What the objectives, works and priorities do: test_eviction_work.c.)
 */
#include "support/ask.h"
#include <math.h>

/* ---- Changes of phase ---- */

/* A hot set fits, but not beside another one.  Sets begin at multiples of APART; loops are shorter than that. */
enum { HOT = PLACES * 3 / 4, APART = PLACES * 4 };

/*
 * LRU needs one turnover to take to a new set.  Twenty leave time for the old one's frequencies, of up to 15, to age;
 * then all that is asked for fits, so that every request might hit.
 */
enum { TAKES = 20 };

static void assert_takes_to(asker *a, uint64_t first, uint64_t keys, unsigned turnovers)
{
    (void)ask_set(a, first, keys, turnovers * PLACES);
    ASSERT_AT_LEAST(ask_set(a, first, keys, 4 * PLACES), 0.9);
}

START_TEST(test_eviction_one_hot_set_after_another)
{
    asker a = ask_start(ask_variant(_i, PLACES));

    (void)ask_set(&a, 0, HOT, 100 * PLACES);
    assert_takes_to(&a, APART, HOT, TAKES);
    assert_takes_to(&a, 0, HOT, TAKES);
    ask_finish(&a);
}
END_TEST

START_TEST(test_eviction_many_hot_sets_in_a_row)
{
    asker a = ask_start(ask_variant(_i, PLACES));

    for (uint64_t phase = 0; phase < SCALED(12); phase++)
        assert_takes_to(&a, phase * APART, HOT, TAKES);
    ask_finish(&a);
}
END_TEST

START_TEST(test_eviction_a_hot_set_after_a_long_scan)
{
    asker a = ask_start(ask_variant(_i, PLACES));

    ask_fresh(&a, 20 * PLACES);
    assert_takes_to(&a, 0, HOT, TAKES);
    ask_fresh(&a, 20 * PLACES);
    assert_takes_to(&a, APART, HOT, TAKES);
    ask_finish(&a);
}
END_TEST

/* Whoever has learnt from a loop that newcomers are worth little may take twice as long. */
START_TEST(test_eviction_a_hot_set_after_a_long_loop)
{
    asker a = ask_start(ask_variant(_i, PLACES));

    (void)ask_loop(&a, 0, PLACES * 5 / 4, 20);
    assert_takes_to(&a, APART, HOT, 2 * TAKES);
    (void)ask_loop(&a, 0, PLACES * 3, 10);
    assert_takes_to(&a, 2 * APART, HOT, 2 * TAKES);
    ask_finish(&a);
}
END_TEST

/*
 * A set of large entries after one of small ones, each worth up to eight times as much: eight times as long to age; but
 * an eighth of the requests is a turnover.
 */
START_TEST(test_eviction_a_hot_set_of_larger_entries)
{
    asker a = ask_start(ask_variant(_i, PLACES));

    (void)ask_set(&a, 0, HOT, 30 * PLACES);
    a.cost = 8;
    assert_takes_to(&a, APART, HOT / 8, 8 * TAKES / 8);
    ask_finish(&a);
}
END_TEST

/* ---- A set that drifts ---- */

/* ${n} requests, uniform over WINDOW keys; every fourth request the window moves on by a key.  The share of hits. */
static double ask_drifting(asker *a, uint64_t first, uint64_t n)
{
    enum { WINDOW = PLACES / 2 };
    uint64_t hits = 0;

    for (uint64_t i = 0; i < n; i++)
        hits += ask(a, first + i / 4 + ask_below(a, WINDOW));
    return (double)hits / (double)n;
}

/*
 * A key is asked for four times on average, and never after: LRU misses each but once, and hits 0.75.  At most ten
 * points less, also once a loop has taught that newcomers are worth little.
 */
START_TEST(test_eviction_a_set_that_drifts)
{
    asker a = ask_start(ask_variant(_i, PLACES));

    (void)ask_drifting(&a, 0, 4 * PLACES);
    ASSERT_AT_LEAST(ask_drifting(&a, PLACES, 20 * PLACES), 0.75 - 0.1);
    (void)ask_loop(&a, UINT64_C(1) << 32, PLACES * 5 / 4, 20);
    (void)ask_drifting(&a, UINT64_C(1) << 33, 2 * TAKES * PLACES);
    ASSERT_AT_LEAST(ask_drifting(&a, (UINT64_C(1) << 33) + 2 * TAKES * PLACES / 4, 10 * PLACES), 0.75 - 0.1);
    ask_finish(&a);
}
END_TEST

/* ---- Loops ---- */

/*
 * LRU has no hits here.  The best possible is (PLACES - 1) of (keys - 1); at least a third of that after ten rounds, in the
 * mean of some caches: they adapt by a sample of the keys, from which a loop that is hardly larger than the cache may
 * look as if it fitted.
 */
enum { SEEDS = 4 };

static double third_of_the_best(uint64_t keys)
{
    return (PLACES - 1) / (double)(keys - 1) / 3;
}

static double hits_after_ten_rounds(asker *a, uint64_t first, uint64_t keys)
{
    (void)ask_loop(a, first, keys, 10);
    return ask_loop(a, first, keys, 4);
}

START_TEST(test_eviction_loops)
{
    static const unsigned loops[] = {PLACES + 1, PLACES * 11 / 10, PLACES * 5 / 4, PLACES * 3 / 2, PLACES * 2, PLACES * 3};

    for (unsigned i = 0; i < 6; i += 1 + CHECKING_BUILD) {
        double hits = 0;

        for (unsigned seed = 1; seed <= SEEDS; seed++) {
            brim_options o = ask_variant(_i, PLACES);
            asker a;

            o.seed = seed;
            a = ask_start(o);
            hits += hits_after_ten_rounds(&a, 0, loops[i]) / (double)SEEDS;
            ask_finish(&a);
        }
        ASSERT_AT_LEAST(hits, third_of_the_best(loops[i]));
    }
}
END_TEST

/*
 * What was used often stays for long where newcomers weigh nothing, in the cache and in the samples it adapts by: an
 * eighth of the best, where LRU has none.
 */
START_TEST(test_eviction_a_loop_after_a_hot_set)
{
    double hits = 0;

    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        brim_options o = ask_variant(_i, PLACES);
        asker a;

        o.seed = seed;
        a = ask_start(o);
        (void)ask_set(&a, APART, HOT, 30 * PLACES);
        hits += hits_after_ten_rounds(&a, 0, PLACES * 5 / 4) / (double)SEEDS;
        ask_finish(&a);
    }
    ASSERT_AT_LEAST(hits, third_of_the_best(PLACES * 5 / 4) * 3 / 8);
}
END_TEST

/* ---- Scans through a hot set ---- */

enum { WARM = PLACES / 2 };

/* ${turnovers} of keys that come once, after each of them a request to the warm set: the share of those that hit. */
static double scan_through(asker *a, unsigned turnovers)
{
    uint64_t hits = 0;

    for (unsigned i = 0; i < turnovers * PLACES; i++) {
        ask_fresh(a, 1);
        hits += ask(a, ask_below(a, WARM));
    }
    return (double)hits / (turnovers * PLACES);
}

/*
 * A warm key comes twice a turnover, what is scanned never again: keeping all warm keys hits always.  LRU, which keeps
 * what came last, hits 0.72.
 */
START_TEST(test_eviction_a_scan_through_a_hot_set)
{
    asker a = ask_start(ask_variant(_i, PLACES));

    (void)ask_set(&a, 0, WARM, 30 * PLACES);
    ASSERT_AT_LEAST(scan_through(&a, 10), 0.9);
    ASSERT_AT_LEAST(ask_set(&a, 0, WARM, PLACES), 0.9);
    ask_finish(&a);
}
END_TEST

/*
 * Three scanned keys for every two of the warm set, which comes in order: each comes again after 1.25 turnovers, so that
 * LRU hits none.  Keeping all warm keys still hits always.
 */
START_TEST(test_eviction_a_scan_through_a_loop_that_fits)
{
    asker a = ask_start(ask_variant(_i, PLACES));
    uint64_t hits = 0;

    (void)ask_loop(&a, 0, WARM, 30);
    for (uint64_t i = 0; i < 10 * PLACES; i++) {
        ask_fresh(&a, 1 + i % 2);
        hits += ask(&a, i % WARM);
    }
    ASSERT_AT_LEAST((double)hits / (10 * PLACES), 0.9);
    ask_finish(&a);
}
END_TEST

/*
 * Ten turnovers of keys that come once, and nothing else: the warm set may go.  Then it comes back amid a scan.  LRU
 * hits 0.69 in the first five turnovers: at most ten points less; by then it is known again who comes back.
 *
 * In the mean of four caches: with several shards the one to evict from is drawn, and of a thousand such caches three
 * took longer to learn it (0.18 and 0.58 in the first five turnovers, 0.86 in the next).
 */
START_TEST(test_eviction_a_hot_set_returns_after_a_burst)
{
    const int caches = 4;
    double soon = 0, later = 0;

    for (int i = 0; i < caches; i++) {
        asker a = ask_start(ask_variant(_i, PLACES));
        (void)ask_set(&a, 0, WARM, 30 * PLACES);
        ask_fresh(&a, 10 * PLACES);
        soon += scan_through(&a, 5) / caches;
        later += scan_through(&a, 5) / caches;
        ask_finish(&a);
    }
    ASSERT_AT_LEAST(soon, 0.69 - 0.1);
    ASSERT_AT_LEAST(later, 0.9);
}
END_TEST

/*
 * As the first scan, but what is scanned costs an eighth of the warm keys' cost.  LRU, for which eight of them make one place,
 * hits 0.73; at most ten points less.
 */
START_TEST(test_eviction_a_scan_of_small_entries)
{
    asker a = ask_start(ask_variant(_i, 8 * PLACES));
    uint64_t hits = 0;

    a.cost = 8;
    (void)ask_set(&a, 0, WARM, 30 * PLACES);
    for (unsigned i = 0; i < 10 * PLACES; i++) {
        a.cost = 1;
        ask_fresh(&a, 8);
        a.cost = 8;
        hits += ask(&a, ask_below(&a, WARM));
    }
    ASSERT_AT_LEAST((double)hits / (10 * PLACES), 0.73 - 0.1);
    ask_finish(&a);
}
END_TEST

/* ---- Sizes ---- */

enum { MEGABYTE = 1 << 20 };

/* As many in each octave from 1 byte to the whole capacity.  Nothing is held, so that each fits (G5). */
START_TEST(test_eviction_sizes_from_a_byte_to_the_capacity)
{
    asker a = ask_start(ask_variant(_i, MEGABYTE));

    for (unsigned i = 0; i < SCALED(16000); i++) {
        uint64_t key = ask_below(&a, 4096);
        size_t cost = i % 100 == 0 ? MEGABYTE : (size_t)exp2(20 * ask_unit(&a));

        EXPECT(brim_insert(a.cache, BRIM_KEY(key), &a, cost, NULL) == BRIM_OK);
        EXPECT(brim_used(a.cache) <= MEGABYTE);
        EXPECT(has(a.cache, key));
        if (i % 4 == 0)
            brim_release(brim_find(a.cache, BRIM_KEY(key)));
    }
    ask_finish(&a);
}
END_TEST

/* ---- Costs of 0 ---- */

/* Only the number of entries is bounded.  As test_eviction_a_scan_through_a_hot_set. */
START_TEST(test_eviction_costs_of_0_within_max_entries)
{
    brim_options o = ask_variant(_i, 1);
    brim_stats s;
    asker a;

    o.max_entries = PLACES;
    a = ask_start(o);
    a.cost = 0;
    (void)ask_set(&a, 0, WARM, 20 * PLACES);
    ASSERT_AT_LEAST(scan_through(&a, 10), 0.9);
    for (unsigned i = 0; i < PLACES; i++) {
        ask_fresh(&a, 1);
        EXPECT(brim_count(a.cache) <= PLACES);
    }
    s = stats_of(a.cache);
    ck_assert_uint_eq(s.insertions, s.count + s.left[BRIM_EVICTED]);
    ck_assert_uint_eq(s.used, 0);
    ask_finish(&a);
}
END_TEST

/* Whatever costs nothing makes no room by leaving. */
START_TEST(test_eviction_costs_of_0_without_a_limit)
{
    asker a = ask_start(ask_variant(_i, 1));
    uint64_t key = 0;
    brim_stats s;

    a.cost = 0;
    ask_fresh(&a, 10 * PLACES);
    s = stats_of(a.cache);
    ck_assert_uint_eq(s.count, 10 * PLACES);
    ck_assert_uint_eq(s.left[BRIM_EVICTED], 0);
    ck_assert_int_eq(brim_set_capacity(a.cache, 0), BRIM_OK);
    ck_assert_int_eq(brim_insert(a.cache, BRIM_KEY(key), &a, 0, NULL), BRIM_TOO_BIG);
    ck_assert_uint_eq(brim_count(a.cache), 10 * PLACES);
    ask_finish(&a);
}
END_TEST

/* ---- Room for one, two, three ---- */

enum { ONE = 1000, ZIPF_KEYS = 100 };

/* First in, first out. */
typedef struct fifo { unsigned places, next; uint64_t keys[3]; } fifo;

static bool fifo_ask(fifo *f, uint64_t key)
{
    for (unsigned i = 0; i < f->places; i++)
        if (f->keys[i] == key)
            return true;
    f->keys[f->next++ % f->places] = key;
    return false;
}

/*
 * One place holds what came last, by whatever policy.  Of two or three, leaving at random hits as often as FIFO: at least
 * nine tenths of that.
 */
START_TEST(test_eviction_room_for_one_two_three)
{
    zipf z = zipf_new(ZIPF_KEYS, 1);

    for (unsigned places = 1; places <= 3; places++) {
        asker a = ask_start(ask_variant(_i, places * ONE));
        fifo f = { places, 0, { ZIPF_KEYS, ZIPF_KEYS, ZIPF_KEYS } };
        double hits = 0, fifo_hits = 0;

        a.cost = ONE;
        for (unsigned i = 0; i < 5000; i++) {
            uint64_t key = zipf_next(&z, &a);

            hits += ask(&a, key);
            fifo_hits += fifo_ask(&f, key);
            EXPECT(has(a.cache, key) && brim_count(a.cache) <= places);
        }
        if (places == 1)
            ck_assert_uint_eq((uint64_t)hits, (uint64_t)fifo_hits);
        ASSERT_AT_LEAST(hits / fifo_hits, 0.9);
        ask_finish(&a);
    }
    zipf_free(&z);
}
END_TEST

/* ---- Held for long ---- */

static brim_ref *hold(asker *a, uint64_t key)
{
    brim_ref *r;

    (void)ask(a, key);
    r = brim_find(a->cache, BRIM_KEY(key));
    ck_assert_ptr_nonnull(r);
    return r;
}

/*
 * A quarter is held while many others go, with the first variant a million.  It was used once, and never again: it
 * goes as a hot set does that is no more.
 */
START_TEST(test_eviction_what_was_held_for_long_goes)
{
    enum { ROOM = 32, HELD = ROOM / 4 };
    const uint64_t others = SCALED(_i == 0 && !CHECKING_BUILD ? 300000 : 20000);
    asker a = ask_start(ask_variant(_i, ROOM));
    brim_ref *held[HELD];

    for (uint64_t i = 0; i < HELD; i++)
        held[i] = hold(&a, i);
    ask_fresh(&a, others);
    ck_assert_uint_ge(stats_of(a.cache).left[BRIM_EVICTED], others - ROOM);
    for (uint64_t i = 0; i < HELD; i++) {
        ck_assert(has(a.cache, i));
        brim_release(held[i]);
    }
    ask_fresh(&a, TAKES * ROOM);
    for (uint64_t i = 0; i < HELD; i++)
        ck_assert_msg(!has(a.cache, i), "%d of %d is still there", (int)i, HELD);
    ask_finish(&a);
}
END_TEST

/* ---- Memory ---- */

static void insert_long_keys(asker *a, uint64_t from, uint64_t n)
{
    for (uint64_t i = from; i < from + n; i++) {
        uint64_t key[2] = { i, ~i };

        EXPECT(brim_insert_with(a->cache, key, sizeof key, a, 1, &a->entry, NULL) == BRIM_OK);
    }
}

/* What eviction remembers beside the entries: less than 12 bytes for each, and 64 KiB. */
START_TEST(test_eviction_takes_little_memory)
{
    enum { ENTRIES = SCALED(200000) };
    asker a = ask_start(ask_options((brim_objective)_i, _i % 2 == 0 ? 1 : SEVERAL, ENTRIES));
    size_t before, after;

    a.entry.work = 1000;
    insert_long_keys(&a, 0, ENTRIES);
    before = stats_of(a.cache).overhead;
    ck_assert_uint_eq(stats_of(a.cache).left[BRIM_EVICTED], 0);
    insert_long_keys(&a, ENTRIES, ENTRIES + ENTRIES / 2);
    after = stats_of(a.cache).overhead;
    ck_assert_uint_eq(brim_count(a.cache), ENTRIES);
    ck_assert_uint_le(after, before + 12 * ENTRIES + 65536);
    ask_finish(&a);
}
END_TEST

/* ---- Threads ---- */

static struct { brim_cache *cache; size_t capacity; } shared;

/* Get or insert, so that each key has one id; a small cache may be full of what others hold. */
static void mixed_stream(unsigned id, void *arg)
{
    uint64_t state = id + 7;

    (void)arg;
    for (uint64_t i = 0; i < (uint64_t)SCALED(4000); i++) {
        uint64_t x = random_next(&state), key = x % 2 == 0 ? (x >> 8) % 16 : (x >> 8) % 1024;
        size_t cost = 1 + (x >> 32) % shared.capacity;
        brim_ref *r = brim_find(shared.cache, BRIM_KEY(key));
        brim_status s = BRIM_OK;

        if (r == NULL)
            s = put_ref(shared.cache, key, key, cost, &r);
        EXPECT_MSG(s == BRIM_OK || s == BRIM_FULL, "insert got %d", (int)s);
        EXPECT(r == NULL || id_of(r) == key);
        EXPECT(brim_used(shared.cache) <= shared.capacity);
        brim_release(r);
    }
}

START_TEST(test_eviction_by_threads_in_small_caches)
{
    static const size_t capacities[] = {1, 2, 3, 16, 64};

    for (unsigned i = 0; i < 5; i++) {
        brim_options o = value_options(capacities[i]);

        o.objective = (brim_objective)_i;
        o.shards = _i % 2 == 0 ? 1 : 4;
        shared.cache = make_cache(&o);
        shared.capacity = capacities[i];
        crew_do(4, mixed_stream, NULL);
        finish(shared.cache);
    }
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("eviction");

    tcase_add_loop_test(tc, test_eviction_one_hot_set_after_another, 0, VARIANTS);
    tcase_add_loop_test(tc, test_eviction_many_hot_sets_in_a_row, 0, VARIANTS);
    tcase_add_loop_test(tc, test_eviction_a_hot_set_after_a_long_scan, 0, VARIANTS);
    tcase_add_loop_test(tc, test_eviction_a_hot_set_after_a_long_loop, 0, VARIANTS);
    tcase_add_loop_test(tc, test_eviction_a_hot_set_of_larger_entries, 0, VARIANTS);
    tcase_add_loop_test(tc, test_eviction_a_set_that_drifts, 0, VARIANTS);
    tcase_add_loop_test(tc, test_eviction_loops, 0, VARIANTS);
    tcase_add_loop_test(tc, test_eviction_a_loop_after_a_hot_set, 0, VARIANTS);
    tcase_add_loop_test(tc, test_eviction_a_scan_through_a_hot_set, 0, VARIANTS);
    tcase_add_loop_test(tc, test_eviction_a_scan_through_a_loop_that_fits, 0, VARIANTS);
    tcase_add_loop_test(tc, test_eviction_a_hot_set_returns_after_a_burst, 0, VARIANTS);
    tcase_add_loop_test(tc, test_eviction_a_scan_of_small_entries, 0, VARIANTS);
    tcase_add_loop_test(tc, test_eviction_sizes_from_a_byte_to_the_capacity, 0, EACH_OBJECTIVE);
    tcase_add_loop_test(tc, test_eviction_costs_of_0_within_max_entries, 0, EACH_OBJECTIVE);
    tcase_add_loop_test(tc, test_eviction_costs_of_0_without_a_limit, 0, EACH_OBJECTIVE);
    tcase_add_loop_test(tc, test_eviction_room_for_one_two_three, 0, VARIANTS);
    tcase_add_loop_test(tc, test_eviction_what_was_held_for_long_goes, 0, EACH_OBJECTIVE);
    tcase_add_loop_test(tc, test_eviction_takes_little_memory, OBJECTIVES - (CHECKING_BUILD ? 1 : 2), OBJECTIVES);
    tcase_add_loop_test(tc, test_eviction_by_threads_in_small_caches, 0, OBJECTIVES);
    return suite_run(tc);
}
