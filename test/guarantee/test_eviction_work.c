/* SPDX-License-Identifier: MIT
 *
 * Eviction keeps what the objective, the works and the priorities say is worth most, and no number that a program may
 * give throws it off.  What a bound follows from stands beside it; a turnover is as many inserts as the cache has
 * places.  (What holds whatever entries are worth: test_eviction.c.)
 */
#include "support/ask.h"
#include <math.h>

/* Keys of several sorts, all equally often asked for; what is inserted differs by sort. */
enum { SORTS_MAX = 3 };
typedef struct sort { uint64_t keys, work; size_t cost; int priority; } sort;
typedef struct share { double of[SORTS_MAX]; } share;

/* ${n} requests, uniform over the keys of all ${sorts}: for each, the share of those that hit. */
static share ask_sorts(asker *a, const sort *sorts, unsigned count, uint64_t n)
{
    uint64_t asked[SORTS_MAX] = { 0 }, hits[SORTS_MAX] = { 0 }, keys = 0;
    share result = { { 0 } };

    for (unsigned k = 0; k < count; k++)
        keys += sorts[k].keys;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t key = ask_below(a, keys), within = key;
        unsigned k = 0;

        while (within >= sorts[k].keys)
            within -= sorts[k++].keys;
        a->cost = sorts[k].cost;
        a->entry.work = sorts[k].work;
        a->entry.priority = sorts[k].priority;
        asked[k]++;
        hits[k] += ask(a, key);
    }
    for (unsigned k = 0; k < count; k++)
        result.of[k] = (double)hits[k] / (double)asked[k];
    return result;
}

/* The same of a new cache, once it has warmed up. */
static share hits_by_sort(brim_options o, const sort *sorts, unsigned count)
{
    asker a = ask_start(o);
    share result;

    (void)ask_sorts(&a, sorts, count, 15 * o.capacity);
    result = ask_sorts(&a, sorts, count, 10 * o.capacity);
    ask_finish(&a);
    return result;
}

/* A cache with one shard if ${i} is even, else with several. */
static brim_options by(brim_objective objective, int i, size_t capacity)
{
    return ask_options(objective, i % 2 == 0 ? 1 : SEVERAL, capacity);
}

/* ---- Costs ---- */

/*
 * As many small entries as fill 4/5 of the cache, and a quarter as many of 16 times the cost, all asked for equally.
 * Most finds hit if all small ones stay, and of the large ones one in sixteen: at least half of that difference.  A
 * byte of either saves as much, so by BRIM_BYTES they fare alike within 0.2; BRIM_BALANCED lies between.
 */
START_TEST(test_work_small_or_large_by_objective)
{
    enum { ROOM = 2 * PLACES };
    static const sort sorts[] = {{ROOM * 4 / 5, 0, 1, 0}, {ROOM / 5, 0, 16, 0}};
    double difference[OBJECTIVES];

    for (int k = 0; k < OBJECTIVES; k++) {
        share s = hits_by_sort(by((brim_objective)k, _i, ROOM), sorts, 2);

        difference[k] = s.of[0] - s.of[1];
    }
    ASSERT_AT_LEAST(difference[BRIM_HITS], 15.0 / 16 / 2);
    ASSERT_AT_MOST(fabs(difference[BRIM_BYTES]), 0.2);
    ASSERT_AT_LEAST(difference[BRIM_BALANCED], difference[BRIM_BYTES] + 0.1);
    ASSERT_AT_LEAST(difference[BRIM_HITS], difference[BRIM_BALANCED] - 0.05);
}
END_TEST

/* ---- Priorities ---- */

/*
 * Three sorts, each of 2/3 as many keys as there are places.  Keeping by priority alone hits 0, 0.5 and 1: a third of
 * each difference.
 */
START_TEST(test_work_priorities)
{
    static const sort sorts[] = {{PLACES * 2 / 3, 0, 1, -1}, {PLACES * 2 / 3, 0, 1, 0}, {PLACES * 2 / 3, 0, 1, 1}};
    share s = hits_by_sort(ask_variant(_i, PLACES), sorts, 3);

    ASSERT_AT_LEAST(s.of[1], s.of[0] + 0.5 / 3);
    ASSERT_AT_LEAST(s.of[2], s.of[1] + 0.5 / 3);
}
END_TEST

/* ---- Works ---- */

/* 10^(3u) of a u that the key decides: as POLICY.md's work miss. */
static uint64_t work_of(uint64_t key)
{
    uint64_t x = 3 * key + 77;

    x = (x ^ x >> 33) * UINT64_C(0xff51afd7ed558ccd);
    x = (x ^ x >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    x ^= x >> 33;
    return (uint64_t)pow(10, 3 * ((double)(x >> 11) * 0x1p-53));
}

/* ${n} requests, zipf over five times as many keys as there are places: the work that misses cost. */
static double work_paid(asker *a, uint64_t n)
{
    zipf z = zipf_new(5 * PLACES, 0.8);
    double paid = 0;

    for (uint64_t i = 0; i < n; i++) {
        uint64_t key = zipf_next(&z, a);

        a->entry.work = work_of(key);
        paid += ask(a, key) ? 0 : (double)a->entry.work;
    }
    zipf_free(&z);
    return paid;
}

static double work_paid_under(brim_options o)
{
    asker a = ask_start(o);
    double paid;

    (void)work_paid(&a, 40 * PLACES);
    paid = work_paid(&a, 40 * PLACES);
    ask_finish(&a);
    return paid;
}

/*
 * Keeping the PLACES keys with the most probability times work pays 0.41 of what keeping the most probable ones does:
 * at least half of that saving.
 */
START_TEST(test_work_less_is_paid_than_by_hits)
{
    double by_hits = work_paid_under(by(BRIM_HITS, _i, PLACES));

    ASSERT_AT_MOST(work_paid_under(by(BRIM_WORK, _i, PLACES)) / by_hits, 0.7);
}
END_TEST

/*
 * Two sorts, together twice what fits, one a thousand times as dear.  Keeping that one alone hits 0 and 1: at least half
 * of that difference.
 */
START_TEST(test_work_dear_ones_stay)
{
    static const sort sorts[] = {{PLACES, 100, 1, 0}, {PLACES, 100000, 1, 0}};
    share s = hits_by_sort(by(BRIM_WORK, _i, PLACES), sorts, 2);

    ASSERT_AT_LEAST(s.of[1], s.of[0] + 0.5);
}
END_TEST

/*
 * Works of 100 and of 10000, and unknown ones, which count as the mean.  Whichever mean that is, they fare no worse than
 * the cheap and no better than the dear.
 */
START_TEST(test_work_unknown_lies_between)
{
    static const sort sorts[] = {{PLACES, 100, 1, 0}, {PLACES, 0, 1, 0}, {PLACES, 10000, 1, 0}};
    share s = hits_by_sort(by(BRIM_WORK, _i, PLACES), sorts, 3);

    ASSERT_AT_LEAST(s.of[1], s.of[0] - 0.03);
    ASSERT_AT_MOST(s.of[1], s.of[2] + 0.03);
    ASSERT_AT_LEAST(s.of[2], s.of[0] + 0.2);
}
END_TEST

/* All known works are alike, so that the mean is that too: the unknown fare as the known, within 0.1. */
START_TEST(test_work_unknown_is_as_the_mean)
{
    static const uint64_t works[] = {1, 1000, UINT64_C(1) << 40, UINT64_MAX};
    sort sorts[] = {{PLACES, 0, 1, 0}, {PLACES, works[_i / 2], 1, 0}};
    share s = hits_by_sort(by(BRIM_WORK, _i, PLACES), sorts, 2);

    ASSERT_AT_MOST(fabs(s.of[0] - s.of[1]), 0.1);
}
END_TEST

/* ---- Absurd works ---- */

static double share_of_zipf_hits(brim_options o, uint64_t work, uint64_t n)
{
    asker a = ask_start(o);
    zipf z = zipf_new(5 * PLACES, 0.8);
    uint64_t hits = 0;

    a.entry.work = work;
    for (uint64_t i = 0; i < n; i++) {
        hits += ask(&a, zipf_next(&z, &a));
        if (i % 4 == 0)
            ask_fresh(&a, 1);
    }
    zipf_free(&z);
    ask_finish(&a);
    return (double)hits / (double)n;
}

/* Equal works tell nothing, however large: within a point the same hits as with unknown ones, and as by BRIM_HITS. */
START_TEST(test_work_equal_ones_tell_nothing)
{
    static const uint64_t works[] = {1, 12345678, UINT64_MAX};
    const uint64_t n = SCALED(80000);
    const brim_options work = by(BRIM_WORK, _i, PLACES);
    double unknown = share_of_zipf_hits(work, 0, n);

    ASSERT_AT_LEAST(unknown, share_of_zipf_hits(by(BRIM_HITS, _i, PLACES), 0, n) - 0.01);
    for (unsigned i = 0; i < 3; i++)
        ASSERT_AT_LEAST(share_of_zipf_hits(work, works[i], n), unknown - 0.01);
}
END_TEST

/* A million of the largest works: no sum overflows into something else. */
START_TEST(test_work_a_million_of_the_largest)
{
    asker a = ask_start(by(BRIM_WORK, _i, PLACES));

    a.entry.work = UINT64_MAX;
    ask_fresh(&a, SCALED(_i == 0 && !CHECKING_BUILD ? 1000000 : 100000));
    ck_assert_uint_eq(brim_count(a.cache), PLACES);
    (void)ask_set(&a, 0, PLACES * 3 / 4, 10 * PLACES);
    ASSERT_AT_LEAST(ask_set(&a, 0, PLACES * 3 / 4, 4 * PLACES), 0.9);
    ask_finish(&a);
}
END_TEST

/* ---- One that is unlike all others ---- */

enum { FEW = 16, OTHERS = 4, OTHERS_AND_SHARDS = CHECKING_BUILD ? OTHERS : 2 * OTHERS };

/* The works of what goes through the cache: 1, 1000, 1 to 1000, unknown. */
static void ask_fresh_of(asker *a, unsigned others, uint64_t n)
{
    static const uint64_t works[] = {1, 1000, 0, 0};

    for (uint64_t i = 0; i < n; i++) {
        a->entry.work = others == 2 ? work_of(a->fresh) : works[others];
        ask_fresh(a, 1);
    }
}

static asker start_few(int i)
{
    return ask_start(ask_options(BRIM_WORK, i < OTHERS ? 1 : 4, FEW));
}

/* How many turnovers, of up to ${most}, the entry of ${key} is there. */
static unsigned turnovers_until_gone(asker *a, uint64_t key, unsigned others, unsigned most)
{
    unsigned n = 0;

    while (n < most && has(a->cache, key)) {
        ask_fresh_of(a, others, FEW);
        n++;
    }
    return n;
}

/*
 * An entry as dear as can be that is never asked for again.  After a thousand turnovers it would have to be a thousand
 * times as dear as the others for its place to pay; what is thousands of times as dear may wait a little longer, but
 * no number makes it stay for ever.
 */
START_TEST(test_work_the_dearest_goes)
{
    unsigned others = (unsigned)_i % OTHERS;
    asker a = start_few(_i);

    ask_fresh_of(&a, others, 10 * FEW);
    a.entry.work = UINT64_MAX;
    (void)ask(&a, 1);
    ASSERT_AT_MOST(turnovers_until_gone(&a, 1, others, 5000), 4096);
    ask_finish(&a);
}
END_TEST

/* And likewise with all the priority there is, used, and at first in an empty cache. */
START_TEST(test_work_the_dearest_goes_with_priority)
{
    unsigned others = (unsigned)_i % OTHERS;
    asker a = start_few(_i);

    a.entry.work = UINT64_MAX;
    a.entry.priority = 1;
    for (unsigned i = 0; i < 10; i++)
        (void)ask(&a, 1);
    a.entry.priority = 0;
    ASSERT_AT_MOST(turnovers_until_gone(&a, 1, others, 40000), 8 * 4096);
    ask_finish(&a);
}
END_TEST

/* It does not blind the cache to the works of the others: at most a tenth more is paid beside it. */
START_TEST(test_work_the_dearest_blinds_nobody)
{
    asker a = ask_start(by(BRIM_WORK, _i, PLACES));
    double before, after;

    (void)work_paid(&a, 40 * PLACES);
    before = work_paid(&a, 40 * PLACES);
    a.entry.work = UINT64_MAX;
    for (unsigned i = 0; i < 10; i++)
        (void)ask(&a, UINT32_MAX);
    (void)work_paid(&a, 40 * PLACES);
    after = work_paid(&a, 40 * PLACES);
    ASSERT_AT_MOST(after / before, 1.1);
    ask_finish(&a);
}
END_TEST

/* A hot set a hundred times as dear as the next may age a hundred times as slowly: a hundred times ten turnovers. */
START_TEST(test_work_a_cheap_hot_set_after_a_dear_one)
{
    asker a = start_few(_i * OTHERS);

    a.entry.work = 100000;
    (void)ask_set(&a, 0, FEW * 3 / 4, 200 * FEW);
    a.entry.work = 1000;
    (void)ask_set(&a, 1000, FEW * 3 / 4, 100 * 10 * FEW);
    ASSERT_AT_LEAST(ask_set(&a, 1000, FEW * 3 / 4, 50 * FEW), 0.9);
    ask_finish(&a);
}
END_TEST

/*
 * One of work 1 among millions: it fits (G5), it is found until something else is inserted, and it takes nobody's place
 * for long: half of the places, asked for twice a turnover amid a scan, go on hitting as in test_eviction.c.
 */
START_TEST(test_work_the_cheapest_fits)
{
    asker a = ask_start(by(BRIM_WORK, _i, PLACES));
    uint64_t hits = 0, asked = 0;

    for (uint64_t i = 0; i < 20 * PLACES; i++) {
        uint64_t key = ask_below(&a, PLACES / 2);

        a.entry.work = 1000000 + work_of(key) * 9000;
        if (i >= 10 * PLACES) {
            ask_fresh(&a, 1);
            hits += ask(&a, key);
            asked++;
        } else {
            (void)ask(&a, key);
        }
        a.entry.work = 1;
        (void)ask(&a, 1 << 20);
        EXPECT(ask(&a, 1 << 20));
    }
    ASSERT_AT_LEAST((double)hits / (double)asked, 0.9);
    ask_finish(&a);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("eviction_work");

    tcase_add_loop_test(tc, test_work_small_or_large_by_objective, CHECKING_BUILD, 2);
    tcase_add_loop_test(tc, test_work_priorities, 0, EACH_OBJECTIVE);
    tcase_add_loop_test(tc, test_work_less_is_paid_than_by_hits, CHECKING_BUILD, 2);
    tcase_add_loop_test(tc, test_work_dear_ones_stay, 0, 2);
    tcase_add_loop_test(tc, test_work_unknown_lies_between, 0, 2);
    tcase_add_loop_test(tc, test_work_unknown_is_as_the_mean, 6 * CHECKING_BUILD, 8);
    tcase_add_loop_test(tc, test_work_equal_ones_tell_nothing, CHECKING_BUILD, 2);
    tcase_add_loop_test(tc, test_work_a_million_of_the_largest, CHECKING_BUILD, 2);
    tcase_add_loop_test(tc, test_work_the_dearest_goes, 0, OTHERS_AND_SHARDS);
    tcase_add_loop_test(tc, test_work_the_dearest_goes_with_priority, CHECKING_BUILD * (OTHERS - 1), OTHERS);
    tcase_add_loop_test(tc, test_work_the_dearest_blinds_nobody, CHECKING_BUILD, 2);
    tcase_add_loop_test(tc, test_work_a_cheap_hot_set_after_a_dear_one, 0, 2);
    tcase_add_loop_test(tc, test_work_the_cheapest_fits, 0, 2);
    return suite_run(tc);
}
