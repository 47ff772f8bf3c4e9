/* SPDX-License-Identifier: MIT
 *
 * Ages: what is older than its max_age, or was not used for its max_idle, is not found in any way, never comes back,
 * and is swept as what is stale.
 */
#include "support/stale.h"
#include <sched.h>
#include <time.h>

/* ---- A clock that stands where it was set */

#define START UINT64_C(1000000000000)

static atomic_ullong clock_time, clock_calls;

static uint64_t set_clock(void *arg)
{
    EXPECT(arg == &clock_time);
    atomic_fetch_add(&clock_calls, 1);
    return atomic_load(&clock_time);
}

static brim_options age_options(size_t capacity, unsigned shards)
{
    brim_options o = left_options(capacity, shards);

    o.now = set_clock;
    o.now_arg = &clock_time;
    atomic_store(&clock_time, START);
    atomic_store(&clock_calls, 0);
    return o;
}

static brim_cache *age_cache(size_t capacity, unsigned shards)
{
    brim_options o = age_options(capacity, shards);

    return make_cache(&o);
}

static brim_cache *age_borrow_cache(size_t capacity, unsigned shards)
{
    brim_options o = age_options(capacity, shards);

    o.borrow = true;
    return make_cache(&o);
}

static brim_entry_options aged(uint64_t max_age, uint64_t max_idle)
{
    brim_entry_options e;

    brim_entry_options_init(&e);
    e.max_age = max_age;
    e.max_idle = max_idle;
    return e;
}

/* With the one limit or the other. */
static brim_entry_options aged_or_idle(bool idle, uint64_t limit)
{
    return idle ? aged(0, limit) : aged(limit, 0);
}

static void later(uint64_t ns)
{
    atomic_fetch_add(&clock_time, ns);
}

/* ---- When */

static const uint64_t spans[] = {2, 100, 1000000, 1000000000, UINT64_C(3600000000000), UINT64_C(31536000000000000)};
enum { SPANS = sizeof spans / sizeof spans[0] };

START_TEST(test_ages_max_age_is_counted_from_insertion_whatever_the_uses)
{
    brim_cache *c = age_cache(100, 1);
    brim_entry_options e = aged(spans[_i], 0);

    put_range(c, 0, 10, &e);
    ck_assert_uint_eq(find_range(c, 0, 10), 10);
    later(spans[_i] / 2);
    ck_assert_uint_eq(find_range(c, 0, 10), 10);
    later(spans[_i] - spans[_i] / 2 - 1);
    ck_assert_uint_eq(find_range(c, 0, 10), 10); /* a nanosecond less */
    later(2);
    ck_assert_uint_eq(find_range(c, 0, 10), 0); /* a nanosecond more */
    finish(c);
}
END_TEST

START_TEST(test_ages_max_idle_is_counted_from_insertion_at_first)
{
    brim_cache *c = age_cache(100, 1);
    brim_entry_options e = aged(0, spans[_i]);

    put_range(c, 0, 10, &e);
    later(spans[_i] - 1);
    ck_assert_uint_eq(count_range(c, 0, 10), 10);
    later(2);
    ck_assert_uint_eq(find_range(c, 0, 10), 0);
    finish(c);
}
END_TEST

START_TEST(test_ages_what_has_no_limit_or_the_greatest_never_expires)
{
    brim_cache *c = age_cache(100, 1);
    brim_entry_options e = aged(UINT64_MAX, UINT64_MAX), none = aged(0, 0), mortal = aged(1000, 0);

    put_range(c, 0, 10, &e);
    put_range(c, 10, 10, &none);
    put_range(c, 20, 10, NULL);
    put_range(c, 30, 10, &mortal);
    later(UINT64_C(1) << 62);
    ck_assert_uint_eq(count_range(c, 0, 30), 30);
    ck_assert_uint_eq(find_range(c, 0, 30), 30);
    ck_assert_uint_eq(find_range(c, 30, 10), 0);
    finish(c);
}
END_TEST

START_TEST(test_ages_a_clock_may_begin_at_0_and_may_stand)
{
    brim_cache *c = age_cache(100, 1);
    brim_entry_options age = aged(100, 0), idle = aged(0, 100);
    unsigned found = 0;

    atomic_store(&clock_time, 0);
    put_range(c, 0, 10, &age);
    put_range(c, 10, 10, &idle);
    for (int i = 0; i < 1000; i++)
        found += find_range(c, (uint64_t)i % 20, 1);
    ck_assert_uint_eq(found, 1000);
    later(99);
    ck_assert_uint_eq(count_range(c, 0, 20), 20);
    later(2);
    ck_assert_uint_eq(count_range(c, 0, 20), 0);
    finish(c);
}
END_TEST

START_TEST(test_ages_each_way_to_use_an_entry_keeps_it_from_idling)
{
    enum { IDLE = 1000 };
    look_how how = (look_how)_i;
    brim_cache *c = age_borrow_cache(1000, 1);
    brim_entry_options e = aged(0, IDLE);
    looked used;

    look_start(&used, c, 0, &e, false);
    for (int i = 0; i < 30; i++) {
        later(IDLE / 3 * 2);
        ck_assert_uint_eq(look(&used, how), LOOKED);
    }
    later(IDLE + 1);
    ck_assert_uint_eq(look(&used, how), 0);
    look_end(&used);
    finish(c);
}
END_TEST

START_TEST(test_ages_looking_quietly_is_no_use)
{
    enum { IDLE = 1000 };
    look_how how = (look_how)_i;
    brim_cache *c = age_borrow_cache(1000, 1);
    brim_entry_options e = aged(0, IDLE);
    looked quiet;

    if (how == LOOK_REMOVE_IF) /* nothing is said about it */
        how = LOOK_CONTAINS;
    look_start(&quiet, c, 0, &e, how == LOOK_REF_IS_CACHED);
    for (int i = 0; i < 9; i++) {
        later(IDLE / 10);
        ck_assert_uint_eq(look(&quiet, how), LOOKED);
    }
    later(IDLE / 10 + 1);
    ck_assert_uint_eq(look(&quiet, how), 0);
    look_end(&quiet);
    finish(c);
}
END_TEST

START_TEST(test_ages_the_first_of_both_limits_counts)
{
    brim_cache *c = age_cache(100, 1);
    brim_entry_options e = aged(1000, 100);

    put_range(c, 0, 2, &e);
    for (int i = 0; i < 19; i++) {
        later(50);
        ck_assert_uint_eq(find_range(c, 0, 1), 1); /* the one is used, the other is not */
    }
    ck_assert_uint_eq(count_range(c, 0, 2), 1);
    later(51);
    ck_assert_uint_eq(find_range(c, 0, 2), 0);
    finish(c);
}
END_TEST

START_TEST(test_ages_those_in_a_group_die_of_either)
{
    brim_cache *c = age_cache(100, 1);
    brim_group *g = brim_group_new(c);
    brim_entry_options e = aged(1000, 0);

    e.group = g;
    put_range(c, 0, 10, &e);
    brim_group_invalidate(g);
    ck_assert_uint_eq(find_range(c, 0, 10), 0);
    put_range(c, 20, 10, &e);
    ck_assert_uint_eq(find_range(c, 20, 10), 10);
    later(1001);
    ck_assert_uint_eq(find_range(c, 20, 10), 0);
    (void)brim_trim(c, 0);
    ck_assert_uint_eq(left_by(BRIM_INVALIDATED), 10);
    ck_assert_uint_eq(left_by(BRIM_EXPIRED), 10);
    brim_group_drop(g);
    finish(c);
}
END_TEST

START_TEST(test_ages_anonymous_entries_expire)
{
    brim_cache *c = age_cache(100, 1);
    brim_entry_options e = aged_or_idle(_i == 1, 100);
    brim_key *k = NULL;

    ck_assert_int_eq(brim_insert_anonymous(c, value_new(1, 1), 1, &e, &k, NULL), BRIM_OK);
    ck_assert(brim_key_is_valid(k));
    later(101);
    ck_assert(!brim_key_is_valid(k));
    ck_assert_ptr_null(brim_key_find(k));
    brim_key_drop(k);
    finish(c);
}
END_TEST

/* ---- Not found, and never back */

START_TEST(test_ages_the_expired_is_found_by_no_look_up)
{
    look_how how = (look_how)(_i % LOOKS);
    brim_cache *c = age_borrow_cache(1000, _i < LOOKS ? 4 : 1);
    brim_entry_options e = aged_or_idle(_i < LOOKS, 100);
    looked dies, stays;

    look_start(&dies, c, 0, &e, how == LOOK_REF_IS_CACHED);
    look_start(&stays, c, 100, NULL, how == LOOK_REF_IS_CACHED);
    later(50);
    ck_assert_uint_eq(look(&dies, how), LOOKED);
    later(101);
    ck_assert_uint_eq(look(&dies, how), 0);
    ck_assert_uint_eq(look(&stays, how), LOOKED);
    for (int any = 0; any < LOOK_REF_IS_CACHED; any++)
        ck_assert_msg(look(&dies, (look_how)any) == 0, "found in way %d", any);
    no_trouble();
    look_end(&dies);
    look_end(&stays);
    finish(c);
}
END_TEST

START_TEST(test_ages_the_expired_can_be_neither_removed_nor_replaced)
{
    brim_cache *c = age_cache(100, 1);
    brim_entry_options e = aged_or_idle(_i == 1, 100), absent = e;
    brim_ref *r = NULL;
    brim_key *k;
    value *v = value_new(2, 1);
    uint64_t key = 1;

    ck_assert_int_eq(put_with(c, 1, 1, 1, &e, &r), BRIM_OK);
    k = brim_ref_key(r);
    later(101);
    ck_assert_int_eq(brim_key_replace(&k, v, 1), BRIM_INVALID);
    ck_assert(!brim_key_remove(k));
    ck_assert(!brim_remove(c, BRIM_KEY(key)));
    ck_assert(value_alive(brim_ref_value(r), 1)); /* it is still held */
    absent.only_if_absent = true;
    ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(key), v, 1, &absent, NULL), BRIM_OK);
    ck_assert_uint_eq(found_id(c, 1), 2);
    ck_assert(!brim_key_is_valid(k));
    ck_assert_ptr_null(brim_key_find(k));
    brim_release(r);
    brim_key_drop(k);
    ck_assert_uint_eq(left_by(BRIM_EXPIRED), 1);
    ck_assert_uint_eq(atomic_load(&left.total), 1);
    finish(c);
}
END_TEST

START_TEST(test_ages_to_replace_the_expired_says_expired)
{
    brim_cache *c = age_cache(1000, 1);
    brim_entry_options e = aged_or_idle(_i == 1, 100);

    put_range(c, 0, 100, &e);
    ck_assert_int_eq(put_with(c, 0, 200, 1, &e, NULL), BRIM_OK);
    ck_assert_uint_eq(left_by(BRIM_REPLACED), 1);
    later(101);
    for (uint64_t i = 0; i < 100; i++) {
        ck_assert_int_eq(put_with(c, i, 300 + i, 1, &e, NULL), BRIM_OK);
        ck_assert_uint_eq(found_id(c, i), 300 + i);
    }
    ck_assert_uint_eq(left_by(BRIM_REPLACED), 1);
    ck_assert_uint_eq(left_by(BRIM_EXPIRED), 100);
    ck_assert_uint_eq(stats_of(c).left[BRIM_EXPIRED], 100);
    ck_assert_uint_eq(values_live(), 100);
    finish(c);
}
END_TEST

START_TEST(test_ages_held_and_borrowed_values_outlive_expiry)
{
    brim_cache *c = age_borrow_cache(100, 1);
    brim_entry_options e = aged_or_idle(_i == 1, 100);
    brim_ref *held = NULL;
    const value *lent;
    uint64_t key = 2;

    ck_assert_int_eq(put_with(c, 1, 1, 1, &e, &held), BRIM_OK);
    ck_assert_int_eq(put_with(c, 2, 2, 1, &e, NULL), BRIM_OK);
    begin_reading(c);
    lent = brim_peek(c, BRIM_KEY(key));
    ck_assert_ptr_nonnull(lent);
    later(101);
    ck_assert_ptr_null(brim_peek(c, BRIM_KEY(key))); /* in the same section */
    ck_assert(!brim_ref_is_cached(held));
    (void)brim_trim(c, 0);
    ck_assert(value_alive(lent, 2));
    brim_read_end(c);
    settle_cache(c);
    ck_assert_uint_eq(values_live(), 1);
    ck_assert(value_alive(brim_ref_value(held), 1));
    brim_release(held);
    settle_cache(c);
    ck_assert_uint_eq(values_live(), 0);
    finish(c);
}
END_TEST

/* A clock that stops in one call, which then gives the time at which it was stopped. */
static struct {
    gate gate;
    atomic_bool armed;
    looked entries;
    brim_cache *cache;
    look_how how;
} odd;

static void odd_stop(void)
{
    if (atomic_exchange(&odd.armed, false))
        gate_stop_here(&odd.gate);
}

static uint64_t odd_clock(void *arg)
{
    uint64_t time = set_clock(arg);

    odd_stop();
    return time;
}

static void odd_look(void *arg)
{
    (void)arg;
    (void)look(&odd.entries, odd.how);
    odd_stop(); /* if that called no clock */
}

static unsigned odd_found(void)
{
    unsigned n = 0;

    for (uint64_t i = 0; i < LOOKED; i++) {
        brim_ref *r = brim_key_find(odd.entries.keys[i]);

        n += r != NULL || brim_key_is_valid(odd.entries.keys[i]) || has(odd.cache, i);
        brim_release(r);
    }
    return n;
}

/* A look-up reads the clock, and pauses until others have seen that all has expired: its uses come too late. */
START_TEST(test_ages_a_use_at_a_time_read_long_ago_brings_nothing_back)
{
    enum { LIMIT = 1000 };
    brim_options o = age_options(100, 1);
    brim_entry_options e = aged_or_idle(_i < LOOK_REF_IS_CACHED, LIMIT);
    worker w;

    odd.how = (look_how)(_i % LOOK_REF_IS_CACHED);
    o.borrow = true;
    o.now = odd_clock;
    atomic_store(&odd.armed, false);
    odd.cache = make_cache(&o);
    look_start(&odd.entries, odd.cache, 0, &e, false);
    gate_init(&odd.gate);
    worker_start(&w);
    later(LIMIT / 2);
    atomic_store(&odd.armed, true);
    worker_begin(&w, odd_look, NULL);
    gate_wait_reached(&odd.gate);
    later(LIMIT / 2 + 1);
    ck_assert_uint_eq(odd_found(), 0);
    gate_open(&odd.gate);
    worker_wait(&w);
    ck_assert_uint_eq(odd_found(), 0);
    later(LIMIT / 2 - 2); /* less than the limit after the time of that use */
    ck_assert_uint_eq(odd_found(), 0);
    later(LIMIT);
    ck_assert_uint_eq(odd_found(), 0);
    worker_end(&w);
    gate_destroy(&odd.gate);
    look_end(&odd.entries);
    settle_cache(odd.cache);
    finish(odd.cache);
}
END_TEST

/* ---- Negative entries */

START_TEST(test_ages_negative_entries_expire)
{
    brim_cache *c = age_cache(100, 1);
    brim_entry_options e = aged_or_idle(_i == 1, 100);
    brim_ref *r;

    for (uint64_t key = 0; key < 10; key++)
        ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(key), NULL, 1, &e, NULL), BRIM_OK);
    for (uint64_t key = 0; key < 10; key++) {
        r = brim_find(c, BRIM_KEY(key));
        ck_assert_ptr_nonnull(r);
        ck_assert_ptr_null(brim_ref_value(r));
        brim_release(r);
    }
    later(101);
    for (uint64_t key = 0; key < 10; key++) {
        ck_assert_ptr_null(brim_find(c, BRIM_KEY(key)));
        ck_assert(!has(c, key));
    }
    (void)brim_trim(c, 0);
    ck_assert_uint_eq(left_by(BRIM_EXPIRED), 10);
    ck_assert_uint_eq(atomic_load(&left.nulls), 10);
    ck_assert_uint_eq(brim_used(c), 0);
    finish(c);
}
END_TEST

/* ---- Swept */

enum { STALE = CHECKING_BUILD ? 400 : 1000, FRESH = 50 };

/* STALE entries, ids from 0, that have expired; FRESH others from 5000. */
static brim_cache *stale_and_fresh(size_t capacity, unsigned shards, bool idle)
{
    brim_cache *c = age_cache(capacity, shards);
    brim_entry_options e = aged_or_idle(idle, 1000), young = aged_or_idle(idle, 1000000);

    put_range(c, 5000, FRESH / 2, NULL);
    put_range(c, 5000 + FRESH / 2, FRESH / 2, &young);
    put_range(c, 0, STALE, &e);
    ck_assert_uint_eq(find_range(c, 0, STALE), STALE);
    later(1001);
    ck_assert_uint_eq(count_range(c, 0, STALE), 0);
    ck_assert_uint_eq(brim_used(c), STALE + FRESH); /* charged until swept */
    ck_assert_uint_eq(stats_of(c).count, STALE + FRESH);
    return c;
}

static void only_the_fresh_are_left(brim_cache *c)
{
    ck_assert_uint_eq(values_live(), FRESH);
    ck_assert_uint_eq(brim_used(c), FRESH);
    ck_assert_uint_eq(find_range(c, 5000, FRESH), FRESH);
    ck_assert_uint_eq(left_by(BRIM_EXPIRED), STALE);
    ck_assert_uint_eq(stats_of(c).left[BRIM_EXPIRED], STALE);
    ck_assert_uint_eq(left_by(BRIM_EVICTED), 0);
    for (int id = 0; id < STALE; id++)
        ck_assert_uint_eq(atomic_load(&left.ids[id]), 1);
    no_trouble();
}

START_TEST(test_ages_writes_sweep_at_most_64_entries_each)
{
    brim_cache *c = stale_and_fresh(10000, _i / 2 % 2 == 0 ? 1 : 4, _i % 2 == 0);
    unsigned writes = write_until(c, FRESH);

    ck_assert_uint_ge(writes, STALE / SWEEP_AT_MOST);
    only_the_fresh_are_left(c);
    finish(c);
}
END_TEST

START_TEST(test_ages_trim_sweeps_the_expired_first)
{
    brim_cache *c = stale_and_fresh(10000, _i / 2 % 2 == 0 ? 1 : 4, _i % 2 == 0);

    (void)brim_trim(c, _i < 4 ? FRESH : 10000); /* where something must go, and where nothing need */
    only_the_fresh_are_left(c);
    finish(c);
}
END_TEST

START_TEST(test_ages_eviction_takes_the_expired_first)
{
    brim_cache *c = stale_and_fresh(STALE + FRESH, _i / 2 % 2 == 0 ? 1 : 4, _i % 2 == 0);

    for (uint64_t i = 0; i < STALE; i++)
        ck_assert_int_eq(put(c, 6000 + i, 6000 + i, 1), BRIM_OK);
    ck_assert_uint_eq(find_range(c, 5000, FRESH), FRESH);
    ck_assert_uint_eq(find_range(c, 6000, STALE), STALE);
    ck_assert_uint_eq(left_by(BRIM_EVICTED), 0);
    ck_assert_uint_eq(left_by(BRIM_EXPIRED), STALE);
    finish(c);
}
END_TEST

START_TEST(test_ages_idle_gives_back_the_expired)
{
    brim_cache *c = stale_and_fresh(10000, _i / 2 % 2 == 0 ? 1 : 4, _i % 2 == 0);

    ck_assert_uint_eq(find_range(c, 5000, FRESH), FRESH);
    ck_assert_uint_eq(brim_idle(c), STALE);
    only_the_fresh_are_left(c);
    finish(c);
}
END_TEST

START_TEST(test_ages_the_listener_hears_of_each_once_however_it_leaves)
{
    brim_cache *c = stale_and_fresh(10000, 4, _i % 2 == 0);

    switch (_i / 2) {
    case 0: brim_clear(c); break;
    case 1: (void)brim_trim(c, 0); break;
    case 2: ck_assert_int_eq(brim_set_capacity(c, FRESH), BRIM_OK); break;
    default: break;
    }
    finish(c);
    for (int id = 0; id < STALE; id++)
        ck_assert_uint_eq(atomic_load(&left.ids[id]), 1);
}
END_TEST

/* ---- Kept by handle, and loads */

START_TEST(test_ages_replace_by_handle_keeps_them_and_begins_anew)
{
    brim_cache *c = age_cache(100, 1);
    brim_entry_options e = aged_or_idle(_i % 2 == 1, 100), none = aged(0, 0);
    brim_ref *r = NULL;
    brim_key *k;

    ck_assert_int_eq(put_with(c, 1, 1, 1, &e, &r), BRIM_OK);
    k = brim_ref_key(r);
    brim_release(r);
    later(50);
    if (_i < 2)
        ck_assert_int_eq(brim_key_replace(&k, value_new(2, 1), 1), BRIM_OK);
    else
        ck_assert_int_eq(brim_key_replace_with(&k, value_new(2, 1), 1, _i < 4 ? NULL : &none, NULL), BRIM_OK);
    later(99);
    ck_assert(brim_key_is_valid(k));
    later(2);
    ck_assert_int_eq(brim_key_is_valid(k), _i >= 4); /* options that name no limit */
    ck_assert_int_eq(has(c, 1), _i >= 4);
    brim_key_drop(k);
    finish(c);
}
END_TEST

static unsigned loads;

static brim_status slow_loader(const void *key, size_t len, void *arg, void **v, size_t *cost)
{
    (void)key, (void)len, (void)arg;
    loads++;
    later(500); /* longer than the entry may grow old */
    *v = value_new(loads, 1);
    *cost = 1;
    return BRIM_OK;
}

START_TEST(test_ages_of_a_loaded_value_begin_with_its_publication)
{
    brim_cache *c = age_cache(100, 1);
    brim_entry_options e = aged_or_idle(_i == 1, 100);
    brim_claim_options o;
    brim_ref *r = NULL;
    uint64_t key = 1;

    brim_claim_options_init(&o);
    o.entry = &e;
    loads = 0;
    for (unsigned round = 1; round <= 5; round++) {
        ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, slow_loader, NULL, &r), BRIM_OK);
        ck_assert_uint_eq(loads, round);
        ck_assert_uint_eq(id_of(r), round);
        ck_assert(brim_ref_is_cached(r));
        brim_release(r);
        later(99);
        ck_assert(has(c, 1));
        later(2);
        ck_assert(!has(c, 1));
    }
    finish(c);
}
END_TEST

START_TEST(test_ages_key_get_loads_the_expired_again_with_its_old_limits)
{
    brim_cache *c = age_cache(100, 1);
    brim_entry_options e = aged_or_idle(_i == 1, 100);
    brim_ref *r = NULL;
    brim_key *k;

    ck_assert_int_eq(put_with(c, 1, 99, 1, &e, &r), BRIM_OK);
    k = brim_ref_key(r);
    brim_release(r);
    loads = 0;
    for (unsigned round = 1; round <= 5; round++) {
        later(101);
        ck_assert(!brim_key_is_valid(k));
        ck_assert_int_eq(brim_key_get(&k, slow_loader, NULL, &r), BRIM_OK);
        ck_assert_uint_eq(loads, round);
        ck_assert_uint_eq(id_of(r), round);
        brim_release(r);
        later(50);
        ck_assert(brim_key_is_valid(k));
        ck_assert_int_eq(brim_key_get(&k, slow_loader, NULL, &r), BRIM_OK);
        ck_assert_uint_eq(loads, round); /* a hit */
        brim_release(r);
    }
    brim_key_drop(k);
    finish(c);
}
END_TEST

START_TEST(test_ages_a_failure_is_remembered_on_the_same_clock)
{
    brim_cache *c = age_cache(100, 1);
    brim_load *load = NULL;
    brim_ref *r = NULL;
    uint64_t key = 1;

    ck_assert_int_eq(brim_claim(c, BRIM_KEY(key), 0, &r, &load), BRIM_CLAIMED);
    brim_load_fail_for(load, 7, 100);
    ck_assert_int_eq(brim_claim(c, BRIM_KEY(key), 0, &r, &load), BRIM_FAILED);
    later(99);
    ck_assert_int_eq(brim_claim(c, BRIM_KEY(key), 0, &r, &load), BRIM_FAILED);
    later(2);
    ck_assert_int_eq(brim_claim(c, BRIM_KEY(key), 0, &r, &load), BRIM_CLAIMED);
    brim_load_fail(load, 7);
    finish(c);
}
END_TEST

/* ---- The clock itself */

START_TEST(test_ages_without_limits_a_hit_asks_for_no_time)
{
    brim_cache *c = age_borrow_cache(1000, 1);
    brim_entry_options e = aged(100, 0);
    looked l;
    unsigned long long calls;

    look_start(&l, c, 0, NULL, false);
    calls = atomic_load(&clock_calls);
    for (int how = 0; how < LOOK_FOR_EACH; how++)
        for (int i = 0; i < 20; i++)
            ck_assert_uint_eq(look(&l, (look_how)how), LOOKED);
    ck_assert_uint_eq(atomic_load(&clock_calls), calls);
    look_end(&l);
    look_start(&l, c, 100, &e, false); /* and with them it does */
    calls = atomic_load(&clock_calls);
    ck_assert_uint_eq(look(&l, LOOK_FIND), LOOKED);
    ck_assert_uint_gt(atomic_load(&clock_calls), calls);
    look_end(&l);
    finish(c);
}
END_TEST

/* Done while another thread is stopped in the clock, in the same shard: hits, misses, writes, a growing index. */
static void work_beside_the_clock(void *arg)
{
    enum { WORK = CHECKING_BUILD ? 300 : 2000 };
    brim_cache *c = arg;
    brim_entry_options e = aged(1000000, 1000000);

    put_range(c, 1000, WORK, &e);
    EXPECT(find_range(c, 1000, WORK) == WORK);
    EXPECT(find_range(c, 4000, 10) == 0);
    for (uint64_t key = 1000; key < 1000 + WORK; key++)
        EXPECT(brim_remove(c, BRIM_KEY(key)));
    put_range(c, 4000, 10, NULL);
    begin_reading(c);
    EXPECT(has(c, 4000));
    brim_read_end(c);
    (void)brim_trim(c, brim_used(c) - 5);
    (void)stats_of(c);
}

enum { CALLS = 14 };

static struct {
    brim_cache *cache;
    int call;
    brim_key *key; /* of entry 1 */
    bool reached;
} beside;

static void one_call(void)
{
    brim_cache *c = beside.cache;
    brim_entry_options e = aged(100, 100);
    uint64_t key = 1, absent = 77;
    brim_ref *r = NULL;
    brim_load *load = NULL;

    switch (beside.call) {
    case 0: put_range(c, 1, 1, &e); break;
    case 1: (void)found_id(c, 1); break;
    case 2: (void)has(c, 1); break;
    case 3: brim_release(brim_key_find(beside.key)); break;
    case 4: (void)brim_key_is_valid(beside.key); break;
    case 5: (void)brim_remove(c, BRIM_KEY(key)); break;
    case 6: (void)brim_trim(c, 0); break;
    case 7: brim_clear(c); break;
    case 8: (void)brim_remove_if(c, look_judge, &odd.entries); break;
    case 9: (void)brim_idle(c); break;
    case 10: EXPECT(brim_get(c, BRIM_KEY(absent), look_loader, NULL, &r) == BRIM_FAILED); break;
    case 11:
        if (brim_claim(c, BRIM_KEY(absent), 0, &r, &load) == BRIM_CLAIMED)
            brim_load_fail_for(load, 1, 100);
        break;
    case 12: (void)stats_of(c); break;
    default: EXPECT(brim_insert_anonymous(c, value_new(9, 1), 1, &e, NULL, &r) == BRIM_OK); break;
    }
    brim_release(r);
}

static void call_beside(void *arg)
{
    (void)arg;
    atomic_store(&odd.armed, true);
    one_call();
    beside.reached = !atomic_load(&odd.armed);
    odd_stop(); /* if that called no clock */
}

START_TEST(test_ages_the_clock_is_asked_under_no_lock)
{
    brim_options o = age_options(1000000, 1);
    brim_entry_options e = aged(100, 100);
    brim_ref *r = NULL;
    worker w;

    memset(&beside, 0, sizeof beside);
    o.borrow = true;
    o.now = odd_clock;
    atomic_store(&odd.armed, false);
    beside.cache = make_cache(&o);
    beside.call = _i % CALLS;
    ck_assert_int_eq(put_with(beside.cache, 1, 500, 1, &e, &r), BRIM_OK);
    beside.key = brim_ref_key(r);
    brim_release(r);
    put_range(beside.cache, 2, 50, &e);
    if (_i >= CALLS)
        later(101);
    gate_init(&odd.gate);
    worker_start(&w);
    worker_begin(&w, call_beside, NULL);
    gate_wait_reached(&odd.gate);
    work_beside_the_clock(beside.cache); /* waits for ever, if the clock is called where it must not be */
    gate_open(&odd.gate);
    worker_wait(&w);
    ck_assert(beside.reached || beside.call > 4 || _i >= CALLS);
    worker_end(&w);
    gate_destroy(&odd.gate);
    brim_key_drop(beside.key);
    settle_cache(beside.cache);
    finish(beside.cache);
}
END_TEST

static uint64_t system_time(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

START_TEST(test_ages_on_the_systems_clock)
{
    enum { SPAN = 2000000 };
    brim_options o = left_options(100, 1);
    brim_cache *c = make_cache(&o);
    brim_entry_options soon = aged_or_idle(_i == 1, SPAN), hour = aged_or_idle(_i == 1, UINT64_C(3600000000000));
    uint64_t before, after;
    brim_ref *r = NULL;
    brim_key *k;

    put_range(c, 10, 10, &hour);
    ck_assert_uint_eq(find_range(c, 10, 10), 10);
    before = system_time();
    ck_assert_int_eq(put_with(c, 1, 1, 1, &soon, &r), BRIM_OK);
    k = brim_ref_key(r);
    while (has(c, 1))
        sched_yield();
    after = system_time();
    ck_assert_uint_ge(after - before, SPAN);
    ck_assert_uint_eq(found_id(c, 1), UINT64_MAX);
    ck_assert(!brim_key_is_valid(k));
    ck_assert(!brim_ref_is_cached(r));
    ck_assert_uint_eq(find_range(c, 10, 10), 10);
    brim_release(r);
    brim_key_drop(k);
    (void)brim_trim(c, 10);
    ck_assert_uint_eq(left_by(BRIM_EXPIRED), 1);
    finish(c);
}
END_TEST

/* ---- Threads, among which a main thread moves the clock on */

enum { RACE_KEYS = 32, RACE_AGE = 100 };

typedef struct stamped {
    uint64_t magic;
    atomic_ullong when; /* when it was in the cache; 0: it may not be in it yet */
} stamped;

static struct {
    brim_cache *cache;
    brim_key *keys[RACE_KEYS];
    atomic_bool dead[RACE_KEYS]; /* somebody has seen that it is not valid any more */
    atomic_bool ends;
    atomic_ullong hits, misses, inserted, live;
} race;

static void stamped_destroy(void *p, size_t cost, void *arg)
{
    stamped *s = p;

    (void)cost, (void)arg;
    EXPECT(s->magic == START);
    s->magic = 0;
    atomic_fetch_sub(&race.live, 1);
    free(s);
}

static const brim_kind stamped_kind = {.size = sizeof(brim_kind), .destroy = stamped_destroy};

static void race_insert(uint64_t key)
{
    brim_entry_options e = aged(RACE_AGE, 0);
    stamped *s = malloc(sizeof *s);
    brim_ref *r = NULL;

    if (s == NULL)
        abort();
    s->magic = START;
    atomic_init(&s->when, 0);
    atomic_fetch_add(&race.live, 1);
    if (brim_insert_with(race.cache, BRIM_KEY(key), s, 1, &e, &r) != BRIM_OK) {
        trouble(__FILE__, __LINE__, "an insert that fits failed");
        stamped_destroy(s, 1, NULL);
        return;
    }
    atomic_store(&s->when, atomic_load(&clock_time));
    brim_release(r);
    atomic_fetch_add(&race.inserted, 1);
}

static void race_find(uint64_t key)
{
    unsigned long long now = atomic_load(&clock_time), when;
    brim_ref *r = brim_find(race.cache, BRIM_KEY(key));
    stamped *s = brim_ref_value(r);

    if (s == NULL) {
        atomic_fetch_add(&race.misses, 1);
        return;
    }
    EXPECT(s->magic == START);
    when = atomic_load(&s->when);
    EXPECT_MSG(when == 0 || now <= when + RACE_AGE, "at %llu found what was there at %llu", now, when);
    brim_release(r);
    atomic_fetch_add(&race.hits, 1);
}

static void race_thread(unsigned id, void *arg)
{
    uint64_t state = 9 + id;

    (void)arg;
    while (!atomic_load(&race.ends)) {
        uint64_t x = random_next(&state);

        if (x >> 61 == 0)
            race_insert(x % RACE_KEYS);
        else
            race_find(x % RACE_KEYS);
    }
}

START_TEST(test_ages_nothing_is_found_when_it_is_too_old)
{
    brim_options o = age_options(1000, _i == 0 ? 1 : 4);
    crew threads;

    memset(&race, 0, sizeof race);
    o.kind = &stamped_kind;
    race.cache = make_cache(&o);
    crew_start(&threads, 3, race_thread, NULL);
    for (int i = 0; i < SCALED(300) && !in_trouble(); i++) {
        unsigned long long hits = atomic_load(&race.hits), inserted = atomic_load(&race.inserted);

        while (atomic_load(&race.hits) < hits + 5 || atomic_load(&race.inserted) < inserted + 5)
            sched_yield();
        later(RACE_AGE / 4);
    }
    atomic_store(&race.ends, true);
    crew_join(&threads);
    ck_assert_uint_gt(atomic_load(&race.misses), 0);
    finish(race.cache);
    ck_assert_uint_eq(atomic_load(&race.live), 0);
}
END_TEST

static void die_thread(unsigned id, void *arg)
{
    uint64_t state = 19 + id;
    unsigned alive = RACE_KEYS;

    (void)arg;
    while (alive != 0) {
        uint64_t i = random_next(&state) % RACE_KEYS;
        bool dead = atomic_load(&race.dead[i]), valid = brim_key_is_valid(race.keys[i]);
        brim_ref *r = i % 4 == 0 ? NULL : brim_key_find(race.keys[i]); /* some are never used */

        EXPECT_MSG(!dead || (!valid && r == NULL), "key %llu came back", (unsigned long long)i);
        atomic_fetch_add(r != NULL ? &race.hits : &race.misses, 1);
        brim_release(r);
        if (!valid)
            atomic_store(&race.dead[i], true);
        if (i == 0) {
            alive = 0;
            for (int j = 0; j < RACE_KEYS; j++)
                alive += !atomic_load(&race.dead[j]);
        }
    }
    atomic_fetch_add(&race.inserted, 1);
}

START_TEST(test_ages_what_somebody_has_seen_expired_stays_so_for_all)
{
    enum { THREADS = 3 };

    for (int round = 0; round < SCALED(16) && !in_trouble(); round++) {
        brim_options o = age_options(1000, 1);
        brim_entry_options e = aged(10 * RACE_AGE, RACE_AGE);
        uint64_t state = 1 + (uint64_t)round;
        crew threads;

        memset(&race, 0, sizeof race);
        race.cache = make_cache(&o);
        for (uint64_t i = 0; i < RACE_KEYS; i++) {
            brim_ref *r = NULL;

            ck_assert_int_eq(put_with(race.cache, i, i, 1, &e, &r), BRIM_OK);
            race.keys[i] = brim_ref_key(r);
            brim_release(r);
        }
        crew_start(&threads, THREADS, die_thread, NULL);
        while (atomic_load(&race.inserted) < THREADS) {
            unsigned long long did = atomic_load(&race.hits) + atomic_load(&race.misses);

            later(random_next(&state) % RACE_AGE);
            while (atomic_load(&race.inserted) < THREADS &&
                   atomic_load(&race.hits) + atomic_load(&race.misses) < did + 20)
                sched_yield();
        }
        crew_join(&threads);
        ck_assert_uint_gt(atomic_load(&race.hits), 0);
        for (uint64_t i = 0; i < RACE_KEYS; i++) {
            ck_assert(!brim_key_is_valid(race.keys[i]));
            brim_key_drop(race.keys[i]);
        }
        (void)brim_trim(race.cache, 0);
        ck_assert_uint_eq(left_by(BRIM_EXPIRED), RACE_KEYS);
        finish(race.cache);
    }
}
END_TEST

/* ---- A slot is stored to while the clock is asked what its key's age is */

static struct {
    gate stop;
    brim_slot slot;
    brim_ref *found;
} stored;
static _Thread_local unsigned stops_in; /* calls of the clock; 0: never */

static uint64_t stopping_clock(void *arg)
{
    if (stops_in > 0 && --stops_in == 0)
        gate_stop_here(&stored.stop);
    return set_clock(arg);
}

static void find_in_slot(unsigned id, void *arg)
{
    (void)id;
    stops_in = *(const unsigned *)arg;
    stored.found = brim_slot_find(&stored.slot);
    if (stops_in > 0) /* it did not ask that often */
        gate_stop_here(&stored.stop);
    stops_in = 0;
}

/* It holds no stale key at any time: what is found is the one or the other.  Stopped the first time, or a later one. */
START_TEST(test_ages_a_slot_that_never_held_a_stale_key_is_no_miss)
{
    brim_options o = age_options(100, 1);
    brim_entry_options e = aged(500, 0);
    brim_key *first = NULL, *then = NULL;
    unsigned nth = (unsigned)_i;
    brim_cache *c;
    crew thread;

    memset(&stored, 0, sizeof stored);
    gate_init(&stored.stop);
    o.now = stopping_clock;
    c = make_cache(&o);
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(1, 1), 1, &e, &first, NULL), BRIM_OK);
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(2, 1), 1, NULL, &then, NULL), BRIM_OK);
    brim_slot_init(&stored.slot, first);
    crew_start(&thread, 1, find_in_slot, &nth);
    gate_wait_reached(&stored.stop);
    brim_slot_store(&stored.slot, then);
    later(1000);
    gate_open(&stored.stop);
    crew_join(&thread);
    ck_assert_ptr_nonnull(stored.found);
    ck_assert(id_of(stored.found) == 1 || id_of(stored.found) == 2);
    brim_release(stored.found);
    brim_slot_store(&stored.slot, NULL);
    gate_destroy(&stored.stop);
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("ages");

    tcase_add_loop_test(tc, test_ages_max_age_is_counted_from_insertion_whatever_the_uses, 0, SPANS);
    tcase_add_loop_test(tc, test_ages_max_idle_is_counted_from_insertion_at_first, 0, SPANS);
    tcase_add_test(tc, test_ages_what_has_no_limit_or_the_greatest_never_expires);
    tcase_add_test(tc, test_ages_a_clock_may_begin_at_0_and_may_stand);
    tcase_add_loop_test(tc, test_ages_each_way_to_use_an_entry_keeps_it_from_idling, 0, LOOK_USES);
    tcase_add_loop_test(tc, test_ages_looking_quietly_is_no_use, LOOK_USES, LOOKS);
    tcase_add_test(tc, test_ages_the_first_of_both_limits_counts);
    tcase_add_test(tc, test_ages_those_in_a_group_die_of_either);
    tcase_add_loop_test(tc, test_ages_anonymous_entries_expire, 0, 2);
    tcase_add_loop_test(tc, test_ages_the_expired_is_found_by_no_look_up, 0, 2 * LOOKS);
    tcase_add_loop_test(tc, test_ages_the_expired_can_be_neither_removed_nor_replaced, 0, 2);
    tcase_add_loop_test(tc, test_ages_to_replace_the_expired_says_expired, 0, 2);
    tcase_add_loop_test(tc, test_ages_held_and_borrowed_values_outlive_expiry, 0, 2);
    tcase_add_loop_test(tc, test_ages_a_use_at_a_time_read_long_ago_brings_nothing_back, 0, 2 * LOOK_REF_IS_CACHED);
    tcase_add_loop_test(tc, test_ages_negative_entries_expire, 0, 2);
    tcase_add_loop_test(tc, test_ages_writes_sweep_at_most_64_entries_each, 0, 4);
    tcase_add_loop_test(tc, test_ages_trim_sweeps_the_expired_first, 0, 8);
    tcase_add_loop_test(tc, test_ages_eviction_takes_the_expired_first, 0, 4);
    tcase_add_loop_test(tc, test_ages_idle_gives_back_the_expired, 0, 4);
    tcase_add_loop_test(tc, test_ages_the_listener_hears_of_each_once_however_it_leaves, 0, 8);
    tcase_add_loop_test(tc, test_ages_replace_by_handle_keeps_them_and_begins_anew, 0, 6);
    tcase_add_loop_test(tc, test_ages_of_a_loaded_value_begin_with_its_publication, 0, 2);
    tcase_add_loop_test(tc, test_ages_key_get_loads_the_expired_again_with_its_old_limits, 0, 2);
    tcase_add_test(tc, test_ages_a_failure_is_remembered_on_the_same_clock);
    tcase_add_test(tc, test_ages_without_limits_a_hit_asks_for_no_time);
    tcase_add_loop_test(tc, test_ages_the_clock_is_asked_under_no_lock, 0, 2 * CALLS);
    tcase_add_loop_test(tc, test_ages_on_the_systems_clock, 0, 2);
    tcase_add_loop_test(tc, test_ages_nothing_is_found_when_it_is_too_old, 0, 2);
    tcase_add_test(tc, test_ages_what_somebody_has_seen_expired_stays_so_for_all);
    tcase_add_loop_test(tc, test_ages_a_slot_that_never_held_a_stale_key_is_no_miss, 1, 4);
    return suite_run(tc);
}
