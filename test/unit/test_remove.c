/* SPDX-License-Identifier: MIT
 *
 * cache/remove: what counts as removed, and what else goes with it.
 */
#include "cache/remove.h"
#include "support/stale.h"
#include "unit/caches.h"

static brim_cache *c;
static uint64_t time_now = 1000;

static uint64_t ask_time(void *arg)
{
    (void)arg;
    return time_now;
}

static void make(void)
{
    brim_options o = left_options(10000, 1);

    o.now = ask_time;
    c = make_cache(&o);
}

static bool remove_key(uint64_t key)
{
    return brim_remove(c, BRIM_KEY(key));
}

START_TEST(by_entry)
{
    brim_entry_options e = entry_defaults();
    brim_ref *r;

    make();
    e.max_age = 100;
    ck_assert_int_eq(put_with(c, 1, 1, 1, &e, &r), BRIM_OK);
    ck_assert(remove_entry(c, entry_of_ref(r)));
    ck_assert(!remove_entry(c, entry_of_ref(r)));
    ck_assert_uint_eq(left_by(BRIM_REMOVED), 1);
    brim_release(r);
    ck_assert_int_eq(put_with(c, 1, 1, 1, &e, &r), BRIM_OK);
    time_now += 100;
    ck_assert(!remove_entry(c, entry_of_ref(r))); /* nobody finds it; the sweep knows why it goes */
    ck_assert(entry_is_linked(entry_of_ref(r)));
    ck_assert_uint_eq(left_by(BRIM_REMOVED), 1);
    brim_release(r);
    finish(c);
}
END_TEST

START_TEST(by_key)
{
    brim_entry_options e = entry_defaults();

    make();
    ck_assert(!remove_key(1));
    ck_assert(!brim_remove(NULL, "k", 1));
    ck_assert(!brim_remove(c, NULL, 1));
    e.max_age = 100;
    ck_assert_int_eq(put_with(c, 1, 1, 1, &e, NULL), BRIM_OK);
    ck_assert(remove_key(1));
    ck_assert_int_eq(put_with(c, 1, 2, 1, &e, NULL), BRIM_OK);
    time_now += 100;
    ck_assert(!remove_key(1)); /* it was nothing any more, and goes for that */
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(left_by(BRIM_REMOVED), 1);
    ck_assert_uint_eq(left_by(BRIM_EXPIRED), 1);
    finish(c);
}
END_TEST

/* Loads are overtaken and failures forgotten, whether something was there or not. */
START_TEST(loads_of_the_key)
{
    brim_load *l;
    brim_ref *r;

    make();
    l = claim(c, 1);
    ck_assert(!remove_key(1));
    ck_assert_uint_eq(state_of_load(l), FLIGHT_OVERTAKEN);
    brim_load_fail_for(l, 1, UINT64_MAX);
    no_loads(c, 0); /* and it is not remembered */
    brim_load_fail_for(claim(c, 1), 1, UINT64_MAX);
    ck_assert_int_eq(claim_status(c, 1, 0), BRIM_FAILED);
    ck_assert(!remove_key(1));
    no_loads(c, 0);
    ck_assert_int_eq(put_with(c, 1, 1, 1, NULL, &r), BRIM_OK);
    ck_assert(remove_entry(c, entry_of_ref(r)));
    l = claim(c, 1);
    ck_assert(!remove_entry(c, entry_of_ref(r))); /* which has left already */
    ck_assert_uint_eq(state_of_load(l), FLIGHT_FLYING);
    brim_release(r);
    brim_load_fail(l, 1);
    no_loads(c, 0);
    finish(c);
}
END_TEST

START_TEST(each_removal_sweeps_some)
{
    brim_entry_options e = entry_defaults();
    brim_ref *r;
    size_t before;

    make();
    e.group = brim_group_new(c);
    put_range(c, 0, 300, &e);
    ck_assert_int_eq(put_with(c, 1000, 1000, 1, NULL, &r), BRIM_OK);
    brim_group_invalidate(e.group);
    before = values_live();
    ck_assert(!remove_key(5000));
    ck_assert_uint_lt(values_live(), before);
    ck_assert_uint_ge(values_live(), before - SHARD_SWEPT);
    before = values_live();
    ck_assert(remove_entry(c, entry_of_ref(r)));
    ck_assert_uint_lt(values_live(), before);
    for (int i = 0; i < 50; i++)
        (void)remove_key(5000);
    ck_assert_uint_eq(values_live(), 1);
    ck_assert_uint_eq(left_by(BRIM_INVALIDATED), 300);
    brim_release(r);
    brim_group_drop(e.group);
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("remove");

    tcase_add_test(tc, by_entry);
    tcase_add_test(tc, by_key);
    tcase_add_test(tc, loads_of_the_key);
    tcase_add_test(tc, each_removal_sweeps_some);
    return suite_run(tc);
}
