/* SPDX-License-Identifier: MIT
 *
 * cache/ref: what a ref tells, its cost, its end.
 */
#include "unit/caches.h"

START_TEST(null_is_harmless)
{
    size_t len = 7;

    ck_assert_ptr_null(brim_ref_value(NULL));
    ck_assert_uint_eq(brim_ref_cost(NULL), 0);
    ck_assert_ptr_null(brim_ref_kind(NULL));
    ck_assert_ptr_null(brim_ref_key_bytes(NULL, &len));
    ck_assert_uint_eq(len, 0);
    ck_assert(!brim_ref_is_cached(NULL));
    ck_assert_ptr_null(brim_ref_copy(NULL));
    ck_assert_int_eq(brim_ref_set_cost(NULL, 1), BRIM_INVALID);
    brim_release(NULL);
    ck_assert(!brim_release_with(NULL, BRIM_REMOVE_IF_LAST));
}
END_TEST

START_TEST(it_tells_and_holds)
{
    brim_cache *c = make_value_cache(100);
    brim_ref *r, *copy;

    ck_assert_int_eq(put_ref(c, 1, 11, 10, &r), BRIM_OK);
    copy = brim_ref_copy(r);
    ck_assert_uint_eq(brim_ref_cost(r), 10);
    ck_assert_ptr_eq(brim_ref_kind(r), &value_kind);
    ck_assert_uint_eq(brim_pinned(c), 10);
    ck_assert(brim_ref_is_cached(r));
    brim_clear(c);
    ck_assert(!brim_ref_is_cached(r));
    brim_release(r);
    ck_assert_uint_eq(id_of(copy), 11);
    ck_assert_uint_eq(brim_used(c), 10); /* until the last one goes */
    brim_release(copy);
    ck_assert_uint_eq(brim_used(c), 0);
    ck_assert_uint_eq(values_live(), 0);
    finish(c);
}
END_TEST

/* _i = 1: with the entry's own memory charged beside. */
START_TEST(the_cost_changes)
{
    brim_options o = value_options(1000);
    brim_cache *c;
    size_t beyond;
    brim_ref *r;

    o.charge_overhead = _i == 1;
    c = make_cache(&o);
    ck_assert_int_eq(put_ref(c, 1, 11, 10, &r), BRIM_OK);
    ck_assert_int_eq(put(c, 2, 22, 300), BRIM_OK);
    beyond = brim_pinned(c) - 10;
    ck_assert_int_eq(beyond > 0, _i == 1);
    ck_assert_int_eq(brim_ref_set_cost(r, 20), BRIM_OK);
    ck_assert_uint_eq(brim_pinned(c), 20 + beyond);
    ck_assert_uint_eq(brim_used(c), 320 + 2 * beyond);
    ck_assert_int_eq(brim_ref_set_cost(r, 5), BRIM_OK);
    ck_assert_uint_eq(brim_used(c), 305 + 2 * beyond);
    ck_assert_int_eq(brim_ref_set_cost(r, 1001), BRIM_FULL);
    ck_assert_int_eq(brim_ref_set_cost(r, SIZE_MAX), BRIM_FULL);
    ck_assert_uint_eq(brim_ref_cost(r), 5);
    ck_assert(brim_check(c, stderr));
    ck_assert_int_eq(brim_ref_set_cost(r, 800), BRIM_OK); /* the other one goes for it */
    ck_assert(!has(c, 2));
    ck_assert_uint_eq(brim_used(c), 800 + beyond);
    ((value *)brim_ref_value(r))->cost = 800;
    brim_release(r);
    ck_assert_uint_eq(brim_pinned(c), 0);
    finish(c);
}
END_TEST

START_TEST(the_cost_of_what_has_left)
{
    brim_cache *c = make_value_cache(100);
    brim_ref *r, *w;

    ck_assert_int_eq(put_ref(c, 1, 11, 10, &r), BRIM_OK);
    ck_assert_int_eq(brim_wrap(c, value_new(2, 7), 7, NULL, &w), BRIM_OK);
    brim_clear(c);
    ck_assert_int_eq(brim_ref_set_cost(r, 30), BRIM_OK);
    ck_assert_uint_eq(brim_used(c), 30);
    ck_assert_int_eq(brim_ref_set_cost(w, 5000), BRIM_OK); /* no part of the capacity */
    ck_assert_uint_eq(brim_used(c), 30);
    ((value *)brim_ref_value(r))->cost = 30;
    ((value *)brim_ref_value(w))->cost = 5000;
    brim_release(r);
    brim_release(w);
    ck_assert_uint_eq(brim_used(c), 0);
    finish(c);
}
END_TEST

START_TEST(release_with)
{
    brim_cache *c = make_value_cache(100);
    brim_ref *r, *other;

    ck_assert_int_eq(put_ref(c, 1, 11, 10, &r), BRIM_OK);
    other = brim_ref_copy(r);
    ck_assert(!brim_release_with(r, BRIM_REMOVE_IF_LAST | BRIM_NOT_USEFUL));
    ck_assert(has(c, 1));
    ck_assert(brim_release_with(other, BRIM_REMOVE_IF_LAST));
    ck_assert(!has(c, 1));
    ck_assert_uint_eq(brim_pinned(c), 0);
    ck_assert_uint_eq(values_live(), 0);
    finish(c);
}
END_TEST

START_TEST(the_bytes_of_keys)
{
    brim_cache *c = make_value_cache(100);
    uint64_t name = 77;
    brim_ref *r, *a;
    size_t len = 9;

    ck_assert_ptr_null(brim_ref_key_bytes(NULL, &len));
    ck_assert_uint_eq(len, 0);
    ck_assert_ptr_null(brim_ref_key_bytes(NULL, NULL));
    ck_assert_int_eq(put_ref(c, name, 1, 1, &r), BRIM_OK);
    ck_assert_mem_eq(brim_ref_key_bytes(r, &len), &name, sizeof name);
    ck_assert_uint_eq(len, sizeof name);
    ck_assert_mem_eq(brim_ref_key_bytes(r, NULL), &name, sizeof name);
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(2, 1), 1, NULL, NULL, &a), BRIM_OK);
    ck_assert_ptr_null(brim_ref_key_bytes(a, &len));
    ck_assert_uint_eq(len, 0);
    brim_release(a);
    brim_release(r);
    finish(c);
}
END_TEST

/* Charged with what the entry takes, or not at all: the cost is what the user said. */
START_TEST(costs_beside_the_overhead)
{
    brim_options o = value_options(10000);
    brim_ref *r, *outside;
    brim_cache *c;
    size_t beyond;

    o.charge_overhead = true;
    c = make_cache(&o);
    ck_assert_int_eq(put_ref(c, 1, 1, 5, &r), BRIM_OK);
    ck_assert_int_eq(brim_wrap(c, value_new(2, 7), 6, NULL, &outside), BRIM_OK);
    beyond = brim_used(c) - 5;
    ck_assert_uint_gt(beyond, 0);
    ck_assert_int_eq(brim_ref_set_cost(r, 9), BRIM_OK);
    ck_assert_int_eq(brim_ref_set_cost(outside, 7), BRIM_OK);
    ck_assert_uint_eq(brim_ref_cost(r), 9);
    ck_assert_uint_eq(brim_ref_cost(outside), 7);
    ck_assert_uint_eq(brim_used(c), 9 + beyond);
    ck_assert_uint_eq(stats_of(c).uncharged, 7);
    ck_assert_int_eq(brim_ref_set_cost(r, 5), BRIM_OK);
    brim_release(outside);
    brim_release(r);
    finish(c);
}
END_TEST

START_TEST(costs_and_limits)
{
    brim_kind kind = value_kind;
    brim_options o = value_options(100);
    brim_cache *c;
    brim_ref *r;

    kind.ceiling = 20;
    o.kind = &kind;
    c = make_cache(&o);
    ck_assert_int_eq(put_ref(c, 1, 1, 5, &r), BRIM_OK);
    ck_assert_int_eq(brim_ref_set_cost(r, 21), BRIM_FULL); /* above the kind's ceiling */
    ck_assert_int_eq(brim_ref_set_cost(r, 20), BRIM_OK);
    ck_assert_uint_eq(kind_used(c->default_kind), 20);
    ck_assert_int_eq(brim_ref_set_cost(r, 6), BRIM_OK);
    ck_assert_uint_eq(kind_used(c->default_kind), 6);
    ck_assert_int_eq(brim_set_capacity(c, 0), BRIM_FULL);
    ck_assert_int_eq(brim_ref_set_cost(r, 5), BRIM_OK); /* less, even where nothing fits */
    ck_assert_uint_eq(brim_used(c), 5);
    brim_release(r);
    finish(c);
}
END_TEST

static unsigned misuses;

static void hear(const char *message, void *arg)
{
    (void)message, (void)arg;
    misuses++;
}

START_TEST(null_is_no_misuse)
{
    brim_cache *c = make_value_cache(100);
    brim_ref *r, *held;

    misuses = 0;
    brim_set_debug_hook(hear, NULL);
    brim_release(NULL);
    ck_assert(!brim_release_with(NULL, BRIM_REMOVE_IF_LAST));
    ck_assert_uint_eq(misuses, 0);
    ck_assert_int_eq(put_ref(c, 1, 1, 5, &r), BRIM_OK);
#ifdef BRIM_TRACE_REFS
    held = r; /* of what was released already nothing is given back */
    brim_release(r);
    brim_release(r);
    ck_assert_uint_eq(misuses, 1);
    ck_assert(!brim_release_with(r, BRIM_REMOVE_IF_LAST));
    ck_assert_uint_eq(misuses, 2);
    ck_assert_uint_eq(brim_pinned(c), 0);
    ck_assert(has(c, 1) && value_alive(brim_ref_value(held), 1));
#else
    held = NULL;
    brim_release(r);
#endif
    (void)held;
    brim_set_debug_hook(NULL, NULL);
    finish(c);
}
END_TEST

static bool is_used(const struct entry *e)
{
    return (atom_load_relaxed(&((struct entry *)(uintptr_t)e)->state) & STATE_USED) != 0;
}

START_TEST(released_with_each_flag)
{
    brim_cache *c = make_value_cache(100);
    brim_ref *r;

    ck_assert_int_eq(put(c, 1, 1, 5), BRIM_OK);
    for (unsigned flags = 0; flags < 2; flags++) {
        r = brim_find(c, BRIM_KEY((uint64_t){1}));
        ck_assert(is_used(entry_of_ref(r)));
        ck_assert(!brim_release_with(r, flags == 0 ? 0 : BRIM_NOT_USEFUL));
        ck_assert_int_eq(is_used(entry_of_ref(r)), flags == 0);
        ck_assert(has(c, 1));
    }
    finish(c);
}
END_TEST

#ifdef BRIM_INTERFERE
static brim_ref *costing;

static void set_to_2(void *arg)
{
    (void)arg;
    EXPECT(brim_ref_set_cost(costing, 2) == BRIM_OK);
}

/* Two who change a cost, charged or not, below a ceiling or not: one after the other, and all sums agree. */
START_TEST(the_cost_is_set_by_two)
{
    bool met = true;

    for (unsigned after = 0; met; after++) {
        brim_cache *c = make_value_cache(100);
        struct other o = {.cache = c, .act = set_to_2, .outside = true};
        size_t to = _i / 2 % 2 == 0 ? 7 : 12, cost;

        if (_i / 4 == 1)
            ck_assert_int_eq(brim_kind_set_limits(c, &value_kind, 0, 100), BRIM_OK);
        if (_i % 2 == 0)
            ck_assert_int_eq(put_ref(c, 1, 1, 5, &costing), BRIM_OK);
        else
            ck_assert_int_eq(brim_wrap(c, value_new(1, 5), 5, NULL, &costing), BRIM_OK);
        ((value *)brim_ref_value(costing))->cost = 9; /* to be expected in the end */
        other_begin(&o, after);
        ck_assert_int_eq(brim_ref_set_cost(costing, to), BRIM_OK);
        met = other_end(&o);
        cost = brim_ref_cost(costing);
        ck_assert(cost == to || (cost == 2 && o.acted));
        ck_assert_uint_eq(brim_used(c), _i % 2 == 0 ? cost : 0);
        ck_assert_uint_eq(kind_used(c->default_kind), _i % 2 == 0 ? cost : 0);
        ck_assert_uint_eq(brim_pinned(c), _i % 2 == 0 ? cost : 0);
        ck_assert_uint_eq(stats_of(c).uncharged, _i % 2 == 0 ? 0 : cost);
        ck_assert_int_eq(brim_ref_set_cost(costing, 9), BRIM_OK);
        brim_release(costing);
        finish(c);
    }
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("ref");

    tcase_add_test(tc, null_is_harmless);
    tcase_add_test(tc, it_tells_and_holds);
    tcase_add_loop_test(tc, the_cost_changes, 0, 2);
    tcase_add_test(tc, the_cost_of_what_has_left);
    tcase_add_test(tc, release_with);
    tcase_add_test(tc, null_is_no_misuse);
    tcase_add_test(tc, released_with_each_flag);
    tcase_add_test(tc, the_bytes_of_keys);
    tcase_add_test(tc, costs_beside_the_overhead);
    tcase_add_test(tc, costs_and_limits);
#ifdef BRIM_INTERFERE
    tcase_add_loop_test(tc, the_cost_is_set_by_two, 0, 8);
#endif
    return suite_run(tc);
}
