/* SPDX-License-Identifier: MIT
 *
 * cache/stale: who asks the clock, and that a sweep of all sweeps all.
 */
#include "cache/find.h"
#include "support/stale.h"
#include "unit/caches.h"

static brim_cache *c;
static uint64_t time_now = 1000;
static unsigned asked;

static uint64_t ask_time(void *arg)
{
    (void)arg;
    asked++;
    return time_now;
}

static void make(unsigned shards)
{
    brim_options o = left_options(10000, shards);

    o.now = ask_time;
    c = make_cache(&o);
}

START_TEST(only_ages_ask_the_clock)
{
    brim_entry_options grouped = entry_defaults(), aged = entry_defaults();
    brim_ref *r[3];
    unsigned before;

    make(1);
    grouped.group = brim_group_new(c);
    aged.max_age = 100;
    ck_assert_int_eq(put_with(c, 0, 0, 1, NULL, &r[0]), BRIM_OK);
    ck_assert_int_eq(put_with(c, 1, 1, 1, &grouped, &r[1]), BRIM_OK);
    before = asked;
    ck_assert_uint_eq(cache_now_for_ages(c), 0); /* nothing has ages yet */
    for (int i = 0; i < 2; i++) {
        ck_assert(!stale_is(c, entry_of_ref(r[i]), true));
        ck_assert(stale_is_found(entry_of_ref(r[i])));
    }
    ck_assert_uint_eq(asked, before);
    ck_assert_int_eq(put_with(c, 2, 2, 1, &aged, &r[2]), BRIM_OK);
    before = asked;
    ck_assert(!stale_is(c, entry_of_ref(r[2]), true));
    ck_assert_uint_eq(asked, before + 1);
    ck_assert_uint_eq(cache_now_for_ages(c), time_now + 1); /* never 0 */
    brim_group_invalidate(grouped.group);
    time_now += 100;
    ck_assert(!stale_is(c, entry_of_ref(r[0]), false));
    for (int i = 1; i < 3; i++) {
        ck_assert(stale_is(c, entry_of_ref(r[i]), false));
        ck_assert(!stale_is_found(entry_of_ref(r[i])));
        ck_assert(entry_is_linked(entry_of_ref(r[i])));
    }
    for (int i = 0; i < 3; i++)
        brim_release(r[i]);
    brim_group_drop(grouped.group);
    finish(c);
}
END_TEST

START_TEST(a_sweep_of_all_shards)
{
    brim_entry_options e = entry_defaults();

    make(4);
    if (_i == 0)
        e.group = brim_group_new(c);
    else
        e.max_idle = 100;
    put_range(c, 0, 500, &e);
    put_range(c, 500, 500, NULL);
    stale_sweep_all(c);
    ck_assert_uint_eq(values_live(), 1000);
    brim_group_invalidate(e.group);
    time_now += 100;
    stale_sweep_all(c);
    ck_assert_uint_eq(values_live(), 500);
    ck_assert_uint_eq(left_by(_i == 0 ? BRIM_INVALIDATED : BRIM_EXPIRED), 500);
    ck_assert_uint_eq(count_range(c, 500, 500), 500);
    for (unsigned i = 0; i < c->shard_count; i++)
        ck_assert(!shard_may_be_stale(&c->shards[i], cache_now(c)));
    brim_group_drop(e.group);
    finish(c);
}
END_TEST

/* A pass is under way, and has seen what becomes stale behind it. */
START_TEST(a_sweep_of_all_during_a_pass)
{
    brim_entry_options e = entry_defaults();
    struct entry_list swept = {NULL, NULL};

    make(1);
    e.group = brim_group_new(c);
    put_range(c, 0, 500, &e);
    (void)atom_add_relaxed(&c->common.invalidations, (uint64_t)1);
    ck_assert(shard_sweep_stale(&c->shards[0], 0, caller_of(c).st, &swept));
    ck_assert_ptr_null(swept.head);
    brim_group_invalidate(e.group);
    stale_sweep_all(c);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(atom_load_relaxed(&c->shards[0].sweeping), 0);
    brim_group_drop(e.group);
    finish(c);
}
END_TEST

START_TEST(writes_sweep_what_is_stale)
{
    brim_entry_options e = entry_defaults();

    c = make_value_cache(1000);
    e.group = brim_group_new(c);
    put_range(c, 0, 10, &e);
    put_range(c, 10, 1, NULL);
    (void)write_until(c, 11);
    ck_assert_uint_eq(values_live(), 11);
    brim_group_invalidate(e.group);
    (void)write_until(c, 1);
    ck_assert_uint_eq(values_live(), 1);
    ck_assert(has(c, 10));
    brim_group_drop(e.group);
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("stale");

    tcase_add_test(tc, only_ages_ask_the_clock);
    tcase_add_loop_test(tc, a_sweep_of_all_shards, 0, 2);
    tcase_add_test(tc, a_sweep_of_all_during_a_pass);
    tcase_add_test(tc, writes_sweep_what_is_stale);
    return suite_run(tc);
}
