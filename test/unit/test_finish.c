/* SPDX-License-Identifier: MIT
 *
 * cache/finish: which entry becomes the result, and that the other one goes; measuring; misuse.
 */
#include "base/clock.h"
#include "entry/extra.h"
#include "unit/caches.h"

enum { KEY = 7 };

static brim_cache *c;
static heap h;

static uint64_t count_of(size_t offset)
{
    return kind_sum(c->default_kind, offset);
}
#define COUNT(field) count_of(offsetof(struct kind_counts, field))

static char message[256];

static void hear(const char *text, void *arg)
{
    (void)arg;
    (void)snprintf(message, sizeof message, "%s", text);
}

/* ---- The result: the load's own entry, or with other options the spare */

enum { WITH_OPTIONS = 1, WITH_OUT = 2, OVERTAKEN = 4, TOO_BIG = 8, WAYS = 16 };

START_TEST(one_entry_becomes_the_result_and_the_other_goes)
{
    brim_entry_options e = entry_defaults();
    brim_kind kind = value_kind;
    size_t cost = _i & TOO_BIG ? 101 : 10;
    brim_status wanted = _i & OVERTAKEN ? BRIM_CANCELED : _i & TOO_BIG ? BRIM_TOO_BIG : BRIM_OK;
    brim_ref *out = NULL;
    struct entry *result;
    brim_load *l;

    c = cache_on(&h, 100);
    e.kind = &kind;
    e.max_age = 1000000000;
    l = claim(c, KEY);
    result = _i & WITH_OPTIONS ? l->spare : l->flight.entry;
    if (_i & OVERTAKEN)
        ck_assert(brim_load_cancel(c, BRIM_KEY((uint64_t){KEY})));
    ck_assert_int_eq(brim_load_finish_with(l, value_new(1, cost), cost, _i & WITH_OPTIONS ? &e : NULL,
                                           _i & WITH_OUT ? &out : NULL),
                     wanted);
    ck_assert_ptr_eq(out, _i & WITH_OUT ? ref_of(result) : NULL);
    ck_assert_uint_eq(values_live(), wanted == BRIM_OK || out != NULL);
    if (out != NULL) {
        ck_assert_ptr_eq(brim_ref_kind(out), _i & WITH_OPTIONS ? &kind : &value_kind);
        ck_assert_int_eq(extra_ages_of(result) != NULL, (_i & WITH_OPTIONS) != 0);
        ck_assert_int_eq((entry_flags(result) & ENTRY_UNCHARGED) != 0, wanted != BRIM_OK);
        ck_assert_uint_eq(brim_ref_cost(out), cost);
        brim_release(out);
    }
    no_loads(c, wanted == BRIM_OK);
    ck_assert_uint_eq(brim_pinned(c), 0);
    ck_assert_uint_eq(brim_used(c), wanted == BRIM_OK ? 10 : 0);
    ck_assert_uint_eq(stats_of(c).uncharged, 0);
    ck_assert_uint_eq(values_live(), wanted == BRIM_OK);
    finish_on(c, &h);
}
END_TEST

START_TEST(bad_options_consume_nothing)
{
    brim_entry_options e = entry_defaults();
    brim_ref *out = (brim_ref *)&e;
    brim_load *l;
    value *v = value_new(1, 5);

    c = cache_on(&h, 100);
    l = claim(c, KEY);
    e.priority = 2;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(brim_load_finish_with(l, v, 5, &e, &out), BRIM_INVALID);
        ck_assert_ptr_null(out);
        ck_assert(value_alive(v, 1));
    }
    ck_assert_ptr_eq(load_under_way(c, KEY), l);
    ck_assert_int_eq(brim_load_finish(l, v, 5, NULL), BRIM_OK);
    brim_set_debug_hook(hear, NULL);
    ck_assert_int_eq(brim_load_finish(NULL, v, 5, &out), BRIM_INVALID);
    brim_load_fail(NULL, 1);
    brim_set_debug_hook(NULL, NULL);
    ck_assert_str_eq(message, ""); /* NULL is no misuse */
    brim_load_begin(NULL);
    no_loads(c, 1);
    finish_on(c, &h);
}
END_TEST

START_TEST(into_a_group_that_was_closed_meanwhile)
{
    brim_entry_options e = entry_defaults(), before = e;
    brim_ref *out;
    brim_load *l;

    c = cache_on(&h, 100);
    e.group = brim_group_new(c);
    before.group = brim_group_new(c);
    l = claim_entry(c, KEY, _i == 0 ? &before : NULL);
    ck_assert_uint_eq(brim_group_loads(before.group), _i == 0);
    brim_group_close(e.group);
    ck_assert_int_eq(brim_load_finish_with(l, value_new(1, 5), 5, &e, &out), BRIM_CANCELED);
    ck_assert_uint_eq(id_of(out), 1);
    ck_assert_ptr_null(extra_groups_of(entry_of_ref(out)));
    brim_release(out);
    ck_assert_uint_eq(brim_group_loads(before.group), 0);
    no_loads(c, 2);
    brim_group_drop(e.group);
    brim_group_drop(before.group);
    no_loads(c, 0);
    finish_on(c, &h);
}
END_TEST

/* What was read before the group was invalidated does not join it. */
START_TEST(into_a_group_that_was_invalidated_meanwhile)
{
    brim_entry_options e = entry_defaults();
    brim_ref *out;
    brim_load *l;

    c = cache_on(&h, 100);
    e.group = brim_group_new(c);
    l = claim(c, KEY);
    brim_group_invalidate(e.group);
    ck_assert_int_eq(brim_load_finish_with(l, value_new(1, 5), 5, &e, &out), BRIM_CANCELED);
    ck_assert_uint_eq(id_of(out), 1);
    ck_assert_ptr_null(extra_groups_of(entry_of_ref(out)));
    brim_release(out);
    ck_assert_int_eq(brim_load_finish_with(claim(c, KEY), value_new(2, 5), 5, &e, NULL), BRIM_OK);
    ck_assert_uint_eq(found_id(c, KEY), 2);
    no_loads(c, 2);
    brim_group_drop(e.group);
    finish_on(c, &h);
}
END_TEST

/* ---- Measuring */

START_TEST(work_is_what_it_took_if_nobody_says)
{
    brim_entry_options e = entry_defaults();
    uint16_t unknown = policy_pack_work(0), given = policy_pack_work(5);
    brim_ref *out;
    brim_load *l;

    c = cache_on(&h, 100);
    l = claim(c, 1);
    ck_assert_int_eq(finish_load(l, 1, 1, &out), BRIM_OK);
    ck_assert_uint_eq(entry_of_ref(out)->work, unknown); /* nobody said when it began */
    brim_release(out);
    ck_assert_uint_eq(COUNT(load_ns), 0);
    l = claim(c, 2);
    brim_load_begin(l);
    l->begun -= 1000000000;
    l->nested = 400000000;
    ck_assert_int_eq(finish_load(l, 2, 1, &out), BRIM_OK);
    ck_assert_uint_ge(entry_of_ref(out)->work, policy_pack_work(600000000));
    ck_assert_uint_lt(entry_of_ref(out)->work, policy_pack_work(UINT64_C(60000000000)));
    brim_release(out);
    ck_assert_uint_ge(COUNT(load_ns), 600000000);
    ck_assert_uint_lt(COUNT(load_ns), UINT64_C(60000000000));
    e.work = 5;
    l = claim_entry(c, 3, &e);
    brim_load_begin(l);
    l->begun -= 1000000000;
    ck_assert_int_eq(finish_load(l, 3, 1, &out), BRIM_OK);
    ck_assert_uint_eq(entry_of_ref(out)->work, given);
    brim_release(out);
    ck_assert_uint_ge(COUNT(load_ns), 1600000000);
    l = claim(c, 4);
    brim_load_begin(l);
    l->nested = UINT64_MAX / 2; /* more than it took: no wrap */
    ck_assert_int_eq(finish_load(l, 4, 1, NULL), BRIM_OK);
    ck_assert_uint_lt(COUNT(load_ns), UINT64_C(60000000000));
    ck_assert_uint_eq(COUNT(loads), 4);
    ck_assert_uint_eq(COUNT(load_failures), 0);
    ck_assert_uint_eq(COUNT(insertions), 4);
    finish_on(c, &h);
}
END_TEST

START_TEST(what_each_end_counts)
{
    brim_load *l;

    c = cache_on(&h, 100);
    ck_assert_int_eq(finish_load(claim(c, 1), 1, 101, NULL), BRIM_TOO_BIG);
    ck_assert_uint_eq(COUNT(loads), 1);
    ck_assert_uint_eq(COUNT(refused), 1);
    ck_assert_uint_eq(COUNT(too_big), 1);
    ck_assert_uint_eq(COUNT(insertions), 0);
    l = claim(c, 1);
    brim_load_begin(l);
    l->begun -= 1000000;
    brim_load_fail(l, 1);
    ck_assert_uint_eq(COUNT(loads), 1);
    ck_assert_uint_eq(COUNT(load_failures), 1);
    ck_assert_uint_ge(COUNT(load_ns), 1000000);
    ck_assert_uint_eq(COUNT(redundant_loads), 0);
    finish_on(c, &h);
}
END_TEST

START_TEST(a_failure_is_remembered_from_now_or_for_ever)
{
    brim_load *l;
    uint64_t now;

    c = cache_on(&h, 100);
    l = claim(c, 1);
    now = cache_now(c);
    brim_load_fail_for(l, 3, UINT64_C(1000000000000));
    l = load_under_way(c, 1);
    ck_assert_uint_ge(l->flight.until, now + UINT64_C(1000000000000));
    ck_assert_uint_le(l->flight.until, cache_now(c) + UINT64_C(1000000000000));
    brim_load_fail_for(claim(c, 2), 3, UINT64_MAX - 1);
    ck_assert_uint_eq(load_under_way(c, 2)->flight.until, UINT64_MAX);
    brim_load_fail_for(claim(c, 3), 3, 0);
    ck_assert_ptr_null(load_under_way(c, 3));
    ck_assert_uint_eq(tally_count(&c->live), 1 + 2 * 2); /* a load and its entry each */
    finish_on(c, &h);
}
END_TEST

/* ---- While it is under way */

START_TEST(wanted_until_its_group_is_invalid)
{
    brim_entry_options e = entry_defaults();
    brim_load *l;

    c = cache_on(&h, 100);
    e.group = brim_group_new(c);
    l = claim_entry(c, 1, &e);
    ck_assert(brim_load_is_wanted(l));
    brim_group_invalidate(e.group);
    ck_assert(!brim_load_is_wanted(l));
    ck_assert(!brim_load_is_wanted(NULL));
    ck_assert_uint_eq(brim_load_asked(NULL), 0);
    brim_load_fail(l, 1);
    l = claim(c, 2);
    ck_assert(brim_load_is_wanted(l));
    ck_assert(brim_load_cancel(c, BRIM_KEY((uint64_t){2})));
    ck_assert(!brim_load_is_wanted(l));
    brim_load_fail(l, 1);
    brim_group_drop(e.group);
    finish_on(c, &h);
}
END_TEST

/* ---- Misuse */

static void end_the_callers(void *arg)
{
    brim_load *l = brim_load_current();

    EXPECT(l != NULL);
    l->begun -= 1000000000;
    brim_load_begin(l); /* it began when the loader was called */
    if (arg != NULL)
        EXPECT(brim_load_finish(l, NULL, 1, NULL) == BRIM_INVALID);
    else
        brim_load_fail(l, 1);
}

START_TEST(a_loaders_load_ends_by_its_return)
{
    maker m = {.id = 1, .cost = 5, .during = end_the_callers, .arg = _i == 0 ? message : NULL};
    brim_ref *r;

    c = cache_on(&h, 100);
    brim_set_debug_hook(hear, NULL);
    ck_assert_int_eq(get(c, 1, &m, &r), BRIM_OK);
    brim_set_debug_hook(NULL, NULL);
#ifndef NDEBUG
    ck_assert_ptr_nonnull(strstr(message, "returning"));
#else
    ck_assert_str_eq(message, "");
#endif
    ck_assert_uint_eq(id_of(r), 1);
    brim_release(r);
    no_loads(c, 1);
    ck_assert_uint_eq(COUNT(loads), 1);
    ck_assert_uint_ge(COUNT(load_ns), 1000000000);
    finish_on(c, &h);
}
END_TEST

static void finish_one(void *arg)
{
    brim_ref *r;

    EXPECT(finish_load(arg, 1, 5, &r) == BRIM_OK);
    EXPECT(id_of(r) == 1);
    brim_release(r);
}

START_TEST(by_a_thread_that_shares_its_record)
{
    c = cache_on(&h, 100);
    as_shared(finish_one, claim(c, 1));
    ck_assert_uint_eq(found_id(c, 1), 1);
    no_loads(c, 1);
    finish_on(c, &h);
}
END_TEST

START_TEST(of_more_than_any_cost)
{
    brim_ref *r;

    c = cache_on(&h, 100);
    ck_assert_int_eq(finish_load(claim(c, 1), 1, SIZE_MAX / 2 + 1, &r), BRIM_TOO_BIG);
    ck_assert_uint_eq(id_of(r), 1);
    ck_assert_uint_eq(stats_of(c).uncharged, SIZE_MAX / 2 + 1);
    ck_assert_uint_eq(brim_used(c), 0);
    brim_release(r);
    no_loads(c, 0);
    finish_on(c, &h);
}
END_TEST

START_TEST(canceled_by_what_is_no_key)
{
    c = cache_on(&h, 100);
    ck_assert(!brim_load_cancel(NULL, "k", 1));
    ck_assert(!brim_load_cancel(c, NULL, 1));
    ck_assert(!brim_load_cancel(c, "k", 1));
    finish_on(c, &h);
}
END_TEST

/* A loader's load is no other thread's either. */
static void end_anothers(void *arg)
{
    struct brim_load *l = arg;

#ifdef BRIM_TRACE_REFS
    EXPECT(brim_load_finish(l, NULL, 1, NULL) == BRIM_INVALID); /* never given out */
    pins_note(l->cache, l, true, NULL);
#endif
    EXPECT(brim_load_finish(l, NULL, 1, NULL) == BRIM_INVALID);
}

static void have_it_ended(void *arg)
{
    worker w;

    (void)arg;
    worker_start(&w);
    worker_do(&w, end_anothers, brim_load_current());
    worker_end(&w);
}

START_TEST(a_loaders_load_is_nobody_elses)
{
    maker m = {.id = 1, .cost = 5, .during = have_it_ended};
    brim_ref *r;

    c = cache_on(&h, 100);
    brim_set_debug_hook(hear, NULL);
    ck_assert_int_eq(get(c, 1, &m, &r), BRIM_OK);
    brim_set_debug_hook(NULL, NULL);
    ck_assert_uint_eq(id_of(r), 1);
    brim_release(r);
    no_loads(c, 1);
    finish_on(c, &h);
}
END_TEST

static void finish_a_claimed_one(void *arg)
{
    (void)arg;
    EXPECT(finish_load(claim(c, 2), 2, 5, NULL) == BRIM_OK);
}

START_TEST(a_loader_ends_loads_that_it_claimed)
{
    maker m = {.id = 1, .cost = 5, .during = finish_a_claimed_one};
    brim_ref *r;

    c = cache_on(&h, 100);
    ck_assert_int_eq(get(c, 1, &m, &r), BRIM_OK);
    brim_release(r);
    ck_assert_uint_eq(found_id(c, 2), 2);
    no_loads(c, 2);
    finish_on(c, &h);
}
END_TEST

static void fail_the_outer(void *arg)
{
    brim_load_fail(arg, 1);
}

static void nest(void *arg)
{
    maker *inner = arg;
    brim_ref *r;

    inner->arg = brim_load_current();
    EXPECT(get(c, 2, inner, &r) == BRIM_OK);
    brim_release(r);
}

/* Nor does that of a loader further out end within it. */
START_TEST(an_outer_loaders_load_ends_by_its_return)
{
    maker inner = {.id = 2, .cost = 5, .during = fail_the_outer}, m = {.id = 1, .cost = 5, .during = nest, .arg = &inner};
    brim_ref *r;

    c = cache_on(&h, 100);
    brim_set_debug_hook(hear, NULL);
    ck_assert_int_eq(get(c, 1, &m, &r), BRIM_OK);
    brim_set_debug_hook(NULL, NULL);
#ifndef NDEBUG
    ck_assert_ptr_nonnull(strstr(message, "returning"));
#endif
    ck_assert_uint_eq(id_of(r), 1);
    brim_release(r);
    no_loads(c, 2);
    finish_on(c, &h);
}
END_TEST

/* With its overhead it would be little again. */
START_TEST(of_a_cost_that_wraps)
{
    brim_options o = value_options(1000);
    brim_ref *r;

    o.charge_overhead = true;
    c = make_cache(&o);
    ck_assert_int_eq(brim_load_finish(claim(c, KEY), value_new(1, SIZE_MAX), SIZE_MAX, &r), BRIM_TOO_BIG);
    ck_assert_uint_eq(id_of(r), 1);
    ck_assert_uint_eq(brim_used(c), 0);
    brim_release(r);
    finish(c);
}
END_TEST

static unsigned unused_calls;

static void count_unused(void *arg)
{
    (void)arg;
    unused_calls++;
}

/* The cache was freed, and the kind told that it is unused; the user comes back with it, and is told again. */
START_TEST(with_a_kind_that_was_told_unused)
{
    brim_kind other = value_kind;
    brim_entry_options e = entry_defaults();
    value *v = value_new(1, 5);
    struct kind *k;
    brim_load *l;
    brim_ref *r;

    other.unused = count_unused;
    unused_calls = 0;
    c = cache_on(&h, 100);
    ck_assert_int_eq(kind_get(c, &other, &k), BRIM_OK);
    l = claim(c, 1);
    brim_cache_free(c);
    ck_assert_uint_eq(unused_calls, 1);
    e.kind = &other;
    ck_assert_int_eq(brim_load_finish_with(l, v, 5, &e, &r), BRIM_CANCELED);
    ck_assert_uint_eq(id_of(r), 1);
    ck_assert_uint_eq(unused_calls, 1);
    brim_release(r);
    ck_assert_uint_eq(unused_calls, 2);
    ck_assert(!value_alive(v, 1));
    ck_assert_uint_eq(atomic_load(&h.blocks), 0);
}
END_TEST

START_TEST(with_a_kind_of_its_own)
{
    brim_kind other = value_kind;
    brim_entry_options e = entry_defaults();

    other.unused = count_unused;
    unused_calls = 0;
    c = cache_on(&h, 100);
    e.kind = &other;
    ck_assert_int_eq(brim_load_finish_with(claim(c, 1), value_new(1, 5), 5, &e, NULL), BRIM_OK);
    ck_assert_uint_eq(unused_calls, 0);
    finish_on(c, &h);
    ck_assert_uint_eq(unused_calls, 1); /* nothing of the load's holds it any more */
}
END_TEST

#ifdef BRIM_INTERFERE
static bool was_held;

static void free_it(void *arg)
{
    struct brim_load *l = load_under_way(arg, 1);

    was_held = l != NULL && l->other != NULL;
    brim_cache_free(arg);
}

/* Freed while a load ends with another kind: if the load has that by then, it is told unused once, and last of all. */
START_TEST(freed_as_it_ends_with_another_kind)
{
    bool met = true;
    unsigned held = 0;

    for (unsigned after = 0; met; after++) {
        struct other o = {.act = free_it, .outside = true};
        brim_kind other = value_kind;
        brim_entry_options e = entry_defaults();
        brim_status s;
        brim_load *l;

        other.unused = count_unused;
        c = cache_on(&h, 100);
        o.cache = o.arg = c;
        e.kind = &other;
        ck_assert_int_eq(brim_insert_with(c, "k", 1, value_new(2, 5), 5, &e, NULL), BRIM_OK);
        l = claim(c, 1);
        unused_calls = 0;
        was_held = false;
        other_begin(&o, after);
        s = brim_load_finish_with(l, value_new(1, 5), 5, &e, NULL);
        met = other_end(&o);
        ck_assert(s == BRIM_OK || (s == BRIM_CANCELED && o.acted));
        if (!o.acted)
            brim_cache_free(c);
        ck_assert_uint_eq(values_live(), 0);
        ck_assert_uint_ge(unused_calls, 1);
        ck_assert(!was_held || unused_calls == 1);
        held += was_held;
        ck_assert_uint_eq(atomic_load(&h.blocks), 0);
    }
    ck_assert_uint_gt(held, 0);
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("finish");

    tcase_add_loop_test(tc, one_entry_becomes_the_result_and_the_other_goes, 0, WAYS);
    tcase_add_test(tc, bad_options_consume_nothing);
    tcase_add_loop_test(tc, into_a_group_that_was_closed_meanwhile, 0, 2);
    tcase_add_test(tc, into_a_group_that_was_invalidated_meanwhile);
    tcase_add_test(tc, work_is_what_it_took_if_nobody_says);
    tcase_add_test(tc, what_each_end_counts);
    tcase_add_test(tc, a_failure_is_remembered_from_now_or_for_ever);
    tcase_add_test(tc, wanted_until_its_group_is_invalid);
    tcase_add_loop_test(tc, a_loaders_load_ends_by_its_return, 0, 2);
    tcase_add_test(tc, by_a_thread_that_shares_its_record);
    tcase_add_test(tc, of_more_than_any_cost);
    tcase_add_test(tc, canceled_by_what_is_no_key);
    tcase_add_test(tc, a_loaders_load_is_nobody_elses);
    tcase_add_test(tc, with_a_kind_that_was_told_unused);
    tcase_add_test(tc, an_outer_loaders_load_ends_by_its_return);
    tcase_add_test(tc, of_a_cost_that_wraps);
    tcase_add_test(tc, a_loader_ends_loads_that_it_claimed);
    tcase_add_test(tc, with_a_kind_of_its_own);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, freed_as_it_ends_with_another_kind);
#endif
    return suite_run(tc);
}
