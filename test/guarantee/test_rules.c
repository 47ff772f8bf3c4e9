/* SPDX-License-Identifier: MIT
 *
 * The rules that the API leaves unsaid (docs/DESIGN.md), as far as the functions exist.
 */
#include "support/support.h"

/* ---- A listener that writes down what leaves ---- */

static struct { unsigned causes[7], total; uint64_t last_id; brim_cause last; size_t last_cost, last_len; bool null_key; } left;

static void removed(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    EXPECT(arg == &left);
    EXPECT((unsigned)cause < 7);
    left.causes[cause]++;
    left.total++;
    left.last_id = v == NULL ? UINT64_MAX : ((value *)v)->id;
    left.last = cause;
    left.last_cost = cost;
    left.last_len = len;
    left.null_key = key == NULL;
}

static const brim_kind listened = { .size = sizeof(brim_kind), .name = "listened", .destroy = value_destroy, .removed = removed, .arg = &left };

static brim_cache *listened_cache(size_t capacity)
{
    brim_options o = value_options(capacity);

    memset(&left, 0, sizeof left);
    o.kind = &listened;
    o.shards = 1;
    return make_cache(&o);
}

static void left_last(unsigned total, uint64_t id, brim_cause cause)
{
    ck_assert_uint_eq(left.total, total);
    ck_assert_uint_eq(left.last_id, id);
    ck_assert_int_eq(left.last, cause);
}

START_TEST(test_rules_listener_is_told_each_cause)
{
    brim_cache *c = listened_cache(100);
    brim_stats stats;
    brim_ref *r = NULL;
    brim_key *k = NULL;
    uint64_t key = 1;

    ck_assert_int_eq(put(c, 1, 1, 10), BRIM_OK);
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    left_last(1, 1, BRIM_REMOVED);
    ck_assert_uint_eq(left.last_cost, 10);
    ck_assert_uint_eq(left.last_len, sizeof key);
    ck_assert_int_eq(put(c, 1, 2, 10), BRIM_OK);
    ck_assert_int_eq(put(c, 1, 3, 10), BRIM_OK);
    left_last(2, 2, BRIM_REPLACED);
    ck_assert_int_eq(put(c, 2, 4, 95), BRIM_OK);
    left_last(3, 3, BRIM_EVICTED);
    brim_clear(c);
    left_last(4, 4, BRIM_CLEARED);
    ck_assert_int_eq(put_ref(c, 3, 5, 10, &r), BRIM_OK);
    ck_assert(brim_release_with(r, BRIM_REMOVE_IF_LAST));
    left_last(5, 5, BRIM_REMOVED);
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(6, 10), 10, NULL, &k, NULL), BRIM_OK);
    ck_assert_int_eq(brim_key_replace(&k, value_new(7, 10), 10), BRIM_OK);
    left_last(6, 6, BRIM_REPLACED);
    ck_assert(left.null_key);
    ck_assert(brim_key_remove(k));
    left_last(7, 7, BRIM_REMOVED);
    brim_key_drop(k);
    ck_assert_int_eq(put(c, 4, 8, 10), BRIM_OK);
    (void)brim_trim(c, 0);
    left_last(8, 8, BRIM_EVICTED);
    ck_assert_int_eq(put_ref(c, 4, 9, 10, &r), BRIM_OK);
    ck_assert(brim_remove(c, BRIM_KEY(key)) == false);
    brim_clear(c);
    left_last(9, 9, BRIM_CLEARED);              /* when it leaves, not when it is released */
    ck_assert_uint_eq(values_live(), 1);
    brim_release(r);
    ck_assert_uint_eq(left.total, 9);
    brim_stats_get(c, &stats);
    for (int i = 0; i < 6; i++)
        ck_assert_uint_eq(stats.left[i], left.causes[i]);
    ck_assert_int_eq(put(c, 5, 10, 10), BRIM_OK);
    finish(c);
    left_last(10, 10, BRIM_FREED);
}
END_TEST

START_TEST(test_rules_listener_runs_before_the_call_returns_and_the_value_is_held)
{
    brim_cache *c = listened_cache(100);

    for (uint64_t i = 0; i < 50; i++)
        ck_assert_int_eq(put(c, i, i, 1), BRIM_OK);
    ck_assert_int_eq(put(c, 1000, 1000, 100), BRIM_OK);
    ck_assert_uint_eq(left.causes[BRIM_EVICTED], 50);
    ck_assert_uint_eq(values_destroyed(), 50);
    finish(c);
}
END_TEST

START_TEST(test_rules_wrapped_values_are_not_announced)
{
    brim_cache *c = listened_cache(100);
    brim_ref *r = NULL;

    ck_assert_int_eq(brim_wrap(c, value_new(1, 1), 1, NULL, &r), BRIM_OK);
    brim_release(r);
    ck_assert_int_eq(brim_insert_or_wrap(c, "k", 1, value_new(2, 101), 101, NULL, &r), BRIM_TOO_BIG);
    brim_release(r);
    ck_assert_uint_eq(left.total, 0);
    finish(c);
}
END_TEST

/* ---- NULL ---- */

START_TEST(test_rules_null_is_the_handle_of_nothing)
{
    brim_cache *c = make_value_cache(100);
    brim_slot slot = BRIM_SLOT_INIT, other = { &other };
    brim_key *none = NULL, *k = NULL, *k2 = NULL;
    value *v = value_new(1, 1);
    brim_ref *out = (brim_ref *)&slot;

    ck_assert_ptr_null(brim_ref_copy(NULL));
    ck_assert_ptr_null(brim_ref_key(NULL));
    ck_assert_ptr_null(brim_key_copy(NULL));
    ck_assert_ptr_null(brim_key_find(NULL));
    ck_assert(!brim_key_remove(NULL));
    ck_assert(!brim_key_is_valid(NULL));
    ck_assert(brim_key_equal(NULL, NULL));
    ck_assert(!brim_ref_is_cached(NULL));
    ck_assert(!brim_release_with(NULL, BRIM_REMOVE_IF_LAST));
    brim_release(NULL);
    brim_key_drop(NULL);
    ck_assert_int_eq(brim_key_replace(&none, v, 1), BRIM_INVALID);
    ck_assert_int_eq(brim_key_replace_with(&none, v, 1, NULL, &out), BRIM_INVALID);
    ck_assert_ptr_null(out);
    ck_assert_ptr_null(none);
    brim_slot_init(&other, NULL);
    ck_assert_ptr_null(brim_slot_load(&other));
    ck_assert_ptr_null(brim_slot_load(&slot));
    ck_assert_ptr_null(brim_slot_find(&slot));
    ck_assert_ptr_null(brim_slot_exchange(&slot, NULL));
    ck_assert(brim_slot_compare_exchange(&slot, NULL, NULL));
    ck_assert_int_eq(brim_insert_anonymous(c, v, 1, NULL, &k, NULL), BRIM_OK);
    ck_assert(!brim_key_equal(k, NULL));
    ck_assert(!brim_key_equal(NULL, k));
    ck_assert(!brim_slot_compare_exchange(&slot, k, NULL));
    ck_assert(brim_slot_compare_exchange(&slot, NULL, brim_key_copy(k)));
    ck_assert(!brim_slot_compare_exchange(&slot, NULL, NULL));
    brim_slot_store(&slot, NULL);
    brim_key_assign(&k2, k);
    ck_assert(brim_key_equal(k, k2));
    brim_key_assign(&k2, k2);
    ck_assert(brim_key_equal(k, k2));
    brim_key_assign(&k2, NULL);
    ck_assert_ptr_null(k2);
    brim_key_assign(&k2, NULL);
    brim_key_swap(&k, &k2);
    ck_assert_ptr_null(k);
    ck_assert(brim_key_is_valid(k2));
    brim_key_drop(k2);
    brim_cache_free(NULL);
    finish(c);
}
END_TEST

START_TEST(test_rules_null_options_are_the_defaults)
{
    brim_cache *c = NULL;
    brim_ref *r = NULL;

    ck_assert_int_eq(brim_cache_new(NULL, &c), BRIM_OK);
    ck_assert_ptr_nonnull(c);
    ck_assert(brim_check(c, stderr));
    brim_cache_free(c);
    c = make_value_cache(10);
    ck_assert_int_eq(brim_insert_with(c, "k", 1, value_new(1, 1), 1, NULL, &r), BRIM_OK);
    ck_assert_ptr_eq(brim_ref_kind(r), &value_kind);
    brim_release(r);
    finish(c);
}
END_TEST

/* ---- Inserts that fail, drop_old, only_if_absent ---- */

START_TEST(test_rules_a_failed_insert_keeps_the_old_entry)
{
    brim_cache *c = make_value_cache(100);
    brim_ref *held = NULL;
    value *v = value_new(9, 50);

    ck_assert_int_eq(put(c, 1, 1, 10), BRIM_OK);
    ck_assert_int_eq(put_ref(c, 2, 2, 60, &held), BRIM_OK);
    ck_assert_int_eq(put(c, 1, 3, 101), BRIM_TOO_BIG);
    ck_assert_uint_eq(found_id(c, 1), 1);
    ck_assert_int_eq(put(c, 1, 3, 41), BRIM_FULL);
    ck_assert_int_eq(put(c, 1, 3, 30), BRIM_OK);
    ck_assert_uint_eq(found_id(c, 1), 3);
    value_discard(v);
    brim_release(held);
    finish(c);
}
END_TEST

START_TEST(test_rules_old_and_new_that_do_not_fit_together)
{
    brim_cache *c = listened_cache(100);
    brim_ref *old = NULL;

    ck_assert_int_eq(put(c, 1, 1, 80), BRIM_OK);
    ck_assert_int_eq(put(c, 1, 2, 80), BRIM_OK);
    ck_assert_uint_eq(found_id(c, 1), 2);
    ck_assert_uint_eq(brim_used(c), 80);
    ck_assert_uint_eq(left.total, 1);
    ck_assert_int_eq(put_ref(c, 1, 3, 60, &old), BRIM_OK);
    ck_assert_int_eq(put(c, 1, 4, 60), BRIM_FULL);
    ck_assert_uint_le(brim_used(c), 100);
    ck_assert(value_alive(brim_ref_value(old), 3));
    brim_release(old);
    finish(c);
}
END_TEST

START_TEST(test_rules_drop_old)
{
    brim_cache *c = make_value_cache(100);
    brim_entry_options e;
    brim_ref *held = NULL, *out = NULL;
    value *v = value_new(9, 101);
    uint64_t key = 1;

    brim_entry_options_init(&e);
    e.drop_old = true;
    ck_assert_int_eq(put(c, key, 1, 10), BRIM_OK);
    ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(key), v, 101, &e, &out), BRIM_TOO_BIG);
    ck_assert(!has(c, key));
    ck_assert_int_eq(put(c, key, 1, 10), BRIM_OK);
    ck_assert_int_eq(put_ref(c, 2, 2, 80, &held), BRIM_OK);
    ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(key), v, 21, &e, &out), BRIM_FULL);
    ck_assert_ptr_null(out);
    ck_assert(!has(c, key));
    ck_assert_uint_eq(values_destroyed(), 2);
    ck_assert(value_alive(v, 9));
    v->cost = 5;
    ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(key), v, 5, &e, NULL), BRIM_OK);
    ck_assert_uint_eq(found_id(c, key), 9);
    brim_release(held);
    finish(c);
}
END_TEST

START_TEST(test_rules_only_if_absent)
{
    brim_cache *c = make_value_cache(100);
    brim_entry_options e;
    brim_ref *out = NULL;
    value *v = value_new(2, 1), *w = value_new(3, 101);

    brim_entry_options_init(&e);
    e.only_if_absent = true;
    ck_assert_int_eq(brim_insert_with(c, "k", 1, value_new(1, 1), 1, &e, &out), BRIM_OK);
    ck_assert_uint_eq(id_of(out), 1);
    brim_release(out);
    out = NULL;
    ck_assert_int_eq(brim_insert_with(c, "k", 1, v, 1, &e, &out), BRIM_EXISTS);
    ck_assert_ptr_nonnull(out);
    ck_assert_uint_eq(id_of(out), 1);
    ck_assert(brim_ref_is_cached(out));
    ck_assert(brim_remove(c, "k", 1));
    ck_assert(value_alive(brim_ref_value(out), 1));
    brim_release(out);
    ck_assert_int_eq(brim_insert_with(c, "k", 1, v, 1, &e, NULL), BRIM_OK);
    ck_assert_int_eq(brim_insert_with(c, "k2", 2, w, 101, &e, &out), BRIM_TOO_BIG);
    ck_assert_ptr_null(out);
    value_discard(w);
    finish(c);
}
END_TEST

/* ---- Anonymous entries ---- */

START_TEST(test_rules_anonymous_entries_stay_without_a_key_and_go_first)
{
    brim_cache *c = listened_cache(10);
    brim_key *k = NULL;
    brim_ref *r = NULL;

    for (uint64_t i = 0; i < 3; i++) {
        ck_assert_int_eq(brim_insert_anonymous(c, value_new(100 + i, 1), 1, NULL, &k, NULL), BRIM_OK);
        for (int use = 0; use < 5; use++)
            brim_release(brim_key_find(k));
        brim_key_drop(k);
    }
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(103, 1), 1, NULL, NULL, &r), BRIM_OK);
    ck_assert_ptr_null(brim_ref_key_bytes(r, NULL));
    brim_release(r);
    ck_assert_uint_eq(values_live(), 4);
    ck_assert_uint_eq(brim_used(c), 4);
    for (uint64_t i = 0; i < 6; i++)
        ck_assert_int_eq(put(c, i, i, 1), BRIM_OK);
    ck_assert_uint_eq(left.total, 0);
    for (uint64_t i = 6; i < 10; i++) {
        ck_assert_int_eq(put(c, i, i, 1), BRIM_OK);
        ck_assert_int_eq(left.last, BRIM_EVICTED);
        ck_assert_uint_ge(left.last_id, 100);
    }
    ck_assert_uint_eq(left.total, 4);
    for (uint64_t i = 0; i < 10; i++)
        ck_assert(has(c, i));
    finish(c);
}
END_TEST

START_TEST(test_rules_a_key_brought_back_from_a_ref_names_the_anonymous_entry)
{
    brim_cache *c = make_value_cache(10);
    brim_ref *r = NULL;
    brim_key *k;
    size_t len = 7;

    ck_assert_int_eq(brim_insert_anonymous(c, value_new(1, 1), 1, NULL, NULL, &r), BRIM_OK);
    ck_assert(brim_ref_is_cached(r));
    k = brim_ref_key(r);
    ck_assert_ptr_null(brim_key_bytes(k, &len));
    brim_release(r);
    r = brim_key_find(k);
    ck_assert_uint_eq(id_of(r), 1);
    brim_release(r);
    brim_key_drop(k);
    finish(c);
}
END_TEST

/* ---- Bounds ---- */

START_TEST(test_rules_capacity_0_admits_nothing)
{
    brim_cache *c = make_value_cache(0);
    brim_ref *r = NULL;
    brim_status s;

    ck_assert_uint_eq(brim_capacity(c), 0);
    ck_assert_int_eq(put(c, 1, 1, 1), BRIM_TOO_BIG);
    s = put_ref(c, 1, 1, 0, &r);
    ck_assert(s == BRIM_FULL || s == BRIM_TOO_BIG);
    ck_assert_ptr_null(r);
    ck_assert_uint_eq(brim_count(c), 0);
    ck_assert_int_eq(brim_reserve(c, 1), BRIM_FULL);
    ck_assert_int_eq(brim_insert_or_wrap(c, "k", 1, value_new(1, 1), 1, NULL, &r), BRIM_TOO_BIG);
    ck_assert_uint_eq(id_of(r), 1);
    brim_release(r);
    ck_assert_int_eq(brim_set_capacity(c, 1), BRIM_OK);
    ck_assert_int_eq(put(c, 1, 1, 1), BRIM_OK);
    finish(c);
}
END_TEST

START_TEST(test_rules_capacity_is_at_most_half_of_size_max)
{
    brim_options o = value_options(SIZE_MAX / 2);
    brim_cache *c = make_cache(&o);

    ck_assert_uint_eq(brim_capacity(c), SIZE_MAX / 2);
    ck_assert_int_eq(brim_set_capacity(c, SIZE_MAX / 2 + 1), BRIM_INVALID);
    ck_assert_int_eq(brim_set_capacity(c, SIZE_MAX), BRIM_INVALID);
    ck_assert_uint_eq(brim_capacity(c), SIZE_MAX / 2);
    ck_assert_int_eq(put(c, 1, 1, SIZE_MAX), BRIM_TOO_BIG);
    ck_assert_int_eq(put(c, 1, 1, SIZE_MAX / 2 + 1), BRIM_TOO_BIG);
    ck_assert_int_eq(put(c, 1, 1, SIZE_MAX / 2), BRIM_OK);
    ck_assert_uint_eq(brim_used(c), SIZE_MAX / 2);
    ck_assert_int_eq(put(c, 2, 2, SIZE_MAX / 2), BRIM_OK);
    ck_assert_int_eq(brim_reserve(c, SIZE_MAX), BRIM_FULL);
    finish(c);
    o.capacity = SIZE_MAX / 2 + 1;
    c = (brim_cache *)&o;
    ck_assert_int_eq(brim_cache_new(&o, &c), BRIM_INVALID);
    ck_assert_ptr_null(c);
}
END_TEST

START_TEST(test_rules_max_entries)
{
    brim_options o = value_options(1000000);
    brim_cache *c;

    o.max_entries = 10;
    o.shards = (unsigned)_i;
    c = make_cache(&o);
    for (uint64_t i = 0; i < 1000; i++) {
        ck_assert_int_eq(put(c, i, i, i % 3), BRIM_OK);
        ck_assert(has(c, i));
        ck_assert_uint_le(brim_count(c), 10);
    }
    ck_assert_uint_ge(brim_count(c), 5);        /* a limit; how far below it the cache stays is its own affair */
    ck_assert_int_eq(put(c, 999, 5, 1), BRIM_OK);
    ck_assert_uint_eq(found_id(c, 999), 5);
    ck_assert_uint_le(values_live(), 10);
    finish(c);
}
END_TEST

START_TEST(test_rules_zero_cost)
{
    brim_cache *c = make_value_cache(10);
    brim_ref *r = NULL;

    ck_assert_int_eq(put_ref(c, 0, 0, 10, &r), BRIM_OK);
    for (uint64_t i = 1; i < 50; i++)
        ck_assert_int_eq(put(c, i, i, 0), BRIM_OK);
    ck_assert_uint_eq(brim_used(c), 10);
    ck_assert_uint_eq(brim_count(c), 50);
    for (uint64_t i = 1; i < 50; i++)
        ck_assert_uint_eq(found_id(c, i), i);
    brim_release(r);
    finish(c);
}
END_TEST

START_TEST(test_rules_charge_overhead)
{
    brim_options o = value_options(100000);
    brim_cache *c;
    size_t few, used;

    o.charge_overhead = true;
    o.kind = NULL;
    c = make_cache(&o);
    for (uint64_t i = 0; i < 10; i++)
        ck_assert_int_eq(brim_insert(c, BRIM_KEY(i), &o, 100, NULL), BRIM_OK);
    few = brim_used(c);
    ck_assert_uint_gt(few, 1000 + 10 * sizeof(uint64_t));
    for (uint64_t i = 0; i < 100000; i++) {
        ck_assert_int_eq(brim_insert(c, BRIM_KEY(i), &o, i % 2, NULL), BRIM_OK);
        used = brim_used(c);
        ck_assert_uint_le(used, 100000);
    }
    ck_assert_uint_lt(brim_count(c), 100000 / sizeof(uint64_t));
    brim_clear(c);
    ck_assert_uint_eq(brim_used(c), 0);
    ck_assert_int_eq(brim_insert(c, "k", 1, &o, 100000, NULL), BRIM_TOO_BIG);
    finish(c);
}
END_TEST

START_TEST(test_rules_set_cost)
{
    brim_cache *c = make_value_cache(100);
    brim_ref *r = NULL, *w = NULL;
    brim_status s;

    ck_assert_int_eq(put_ref(c, 1, 1, 10, &r), BRIM_OK);
    for (uint64_t i = 10; i < 19; i++)
        ck_assert_int_eq(put(c, i, i, 10), BRIM_OK);
    ck_assert_int_eq(brim_ref_set_cost(r, 5), BRIM_OK);
    ck_assert_uint_eq(brim_used(c), 95);
    ck_assert_uint_eq(brim_pinned(c), 5);
    ck_assert_uint_eq(brim_ref_cost(r), 5);
    ck_assert_int_eq(brim_ref_set_cost(r, 100), BRIM_OK);
    ck_assert_uint_eq(brim_used(c), 100);
    ck_assert_uint_eq(brim_count(c), 1);
    s = brim_ref_set_cost(r, 101);
    ck_assert(s == BRIM_FULL || s == BRIM_TOO_BIG);
    ck_assert_uint_eq(brim_ref_cost(r), 100);
    ck_assert_int_eq(brim_ref_set_cost(r, 40), BRIM_OK);
    ck_assert_int_eq(put_ref(c, 2, 2, 60, &w), BRIM_OK);
    ck_assert_int_eq(brim_ref_set_cost(r, 41), BRIM_FULL);
    ck_assert_uint_eq(brim_ref_cost(r), 40);
    ck_assert_uint_eq(brim_used(c), 100);
    ((value *)brim_ref_value(r))->cost = 40;
    brim_release(r);
    brim_release(w);
    finish(c);
}
END_TEST

START_TEST(test_rules_release_with)
{
    brim_cache *c = make_value_cache(100);
    brim_ref *r = NULL, *copy;

    ck_assert_int_eq(put_ref(c, 1, 1, 1, &r), BRIM_OK);
    copy = brim_ref_copy(r);
    ck_assert(!brim_release_with(copy, BRIM_REMOVE_IF_LAST));
    ck_assert(has(c, 1));
    ck_assert(brim_release_with(r, BRIM_REMOVE_IF_LAST | BRIM_NOT_USEFUL));
    ck_assert(!has(c, 1));
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_int_eq(put_ref(c, 1, 1, 1, &r), BRIM_OK);
    ck_assert(!brim_release_with(r, 0));
    ck_assert(has(c, 1));
    r = brim_find(c, "nothing", 7);
    ck_assert_ptr_null(r);
    finish(c);
}
END_TEST

START_TEST(test_rules_trim)
{
    brim_cache *c = make_value_cache(1000);
    brim_entry_options e;
    brim_ref *held = NULL;
    size_t freed;

    brim_entry_options_init(&e);
    e.kind = &listened;
    memset(&left, 0, sizeof left);
    for (uint64_t i = 0; i < 50; i++)
        ck_assert_int_eq(put(c, i, i, 10), BRIM_OK);
    for (uint64_t i = 50; i < 90; i++)
        ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(i), value_new(i, 10), 10, &e, NULL), BRIM_OK);
    ck_assert_uint_eq(brim_trim(c, 900), 0);
    freed = brim_trim_kind(c, &listened, 100);
    ck_assert_uint_eq(freed, 300);
    ck_assert_uint_eq(left.total, 30);
    ck_assert_uint_eq(brim_used(c), 600);
    for (uint64_t i = 0; i < 50; i++)
        ck_assert(has(c, i));
    ck_assert_int_eq(put_ref(c, 1000, 1000, 100, &held), BRIM_OK);
    freed = brim_trim(c, 350);
    ck_assert_uint_eq(freed, 350);
    ck_assert_uint_eq(brim_used(c), 350);
    freed = brim_trim(c, 0);
    ck_assert_uint_eq(freed, 250);
    ck_assert_uint_eq(brim_used(c), 100);
    brim_release(held);
    finish(c);
}
END_TEST

/* ---- Finds count as uses, contains does not ---- */

START_TEST(test_rules_statistics)
{
    brim_cache *c = make_value_cache(100);
    brim_stats s;
    brim_ref *r = NULL;

    for (uint64_t i = 0; i < 10; i++)
        ck_assert_int_eq(put(c, i, i, 1), BRIM_OK);
    ck_assert_int_eq(put(c, 0, 0, 1), BRIM_OK);
    ck_assert_int_eq(put(c, 99, 0, 101), BRIM_TOO_BIG);
    for (uint64_t i = 0; i < 20; i++) {
        (void)found_id(c, i);
        (void)has(c, i);
    }
    ck_assert_int_eq(put_ref(c, 50, 0, 4, &r), BRIM_OK);
    ck_assert_int_eq(brim_reserve(c, 6), BRIM_OK);
    brim_stats_get(c, &s);
    ck_assert_uint_eq(s.size, sizeof s);
    ck_assert_uint_eq(s.hits, 10);
    ck_assert_uint_eq(s.misses, 10);
    ck_assert_uint_eq(s.insertions, 12);
    ck_assert_uint_eq(s.refused, 1);
    ck_assert_uint_eq(s.left[BRIM_REPLACED], 1);
    ck_assert_uint_eq(s.capacity, 100);
    ck_assert_uint_eq(s.used, 20);
    ck_assert_uint_eq(s.pinned, 4);
    ck_assert_uint_eq(s.reserved, 6);
    ck_assert_uint_eq(s.uncharged, 0);
    ck_assert_uint_eq(s.count, 11);
    ck_assert_uint_eq(s.values, 11);
    ck_assert_uint_gt(s.overhead, 0);
    ck_assert_uint_ge(s.shards, 1);
    brim_unreserve(c, 6);
    brim_release(r);
    brim_stats_get_sized(c, &value_kind, &s, sizeof s);
    ck_assert_uint_eq(s.used, 14);
    ck_assert_uint_eq(s.values, 11);
    brim_stats_get_sized(c, &listened, &s, sizeof s);
    ck_assert_uint_eq(s.used, 0);
    ck_assert_uint_eq(s.values, 0);
    finish(c);
}
END_TEST

/* ---- What does not fit says so, and loses nothing ---- */

static void limit_badly(brim_kind *kind, int how)
{
    *kind = value_kind;
    switch (how) {
    case 0: kind->floor = 101; break;
    case 1: kind->ceiling = 101; break;
    default: kind->floor = 2; kind->ceiling = 1; break;
    }
}

START_TEST(test_rules_bad_limits_of_the_cache)
{
    static brim_kind kind;
    brim_options o = value_options(100);
    brim_cache *c = (brim_cache *)&o;

    limit_badly(&kind, _i);
    o.kind = &kind;
    ck_assert_int_eq(brim_cache_new(&o, &c), BRIM_INVALID);
    ck_assert_ptr_null(c);
}
END_TEST

START_TEST(test_rules_bad_entry_options)
{
    static brim_kind kind;
    brim_cache *c = make_value_cache(100), *other = make_value_cache(100);
    brim_group *group = brim_group_new(other);
    brim_ref *out = (brim_ref *)&kind;
    brim_key *k, *key_out = (brim_key *)&kind;
    brim_entry_options e;
    value *v = value_new(2, 1);

    brim_entry_options_init(&e);
    limit_badly(&kind, _i);
    switch (_i) {
    case 3: e.group = group; break;
    case 4: e.more_groups[0] = group; break;
    case 5: e.more_groups[2] = group; break;
    default: e.kind = &kind; break;
    }
    ck_assert_int_eq(brim_insert(c, "k", 1, value_new(1, 1), 1, &out), BRIM_OK);
    k = brim_ref_key(out);
    brim_release(out);
    out = (brim_ref *)&kind;
    ck_assert_int_eq(brim_insert_with(c, "k", 1, v, 1, &e, &out), BRIM_INVALID);
    ck_assert_ptr_null(out);
    out = (brim_ref *)&kind;
    ck_assert_int_eq(brim_insert_anonymous(c, v, 1, &e, &key_out, &out), BRIM_INVALID);
    ck_assert_ptr_null(out);
    ck_assert_ptr_null(key_out);
    out = (brim_ref *)&kind;
    ck_assert_int_eq(brim_key_replace_with(&k, v, 1, &e, &out), BRIM_INVALID);
    ck_assert_ptr_null(out);
    ck_assert(brim_key_is_valid(k));
    ck_assert(value_alive(v, 2));
    ck_assert_uint_eq(brim_count(c), 1);
    brim_key_drop(k);
    brim_group_drop(group);
    value_discard(v);
    brim_cache_free(other);
    finish(c);
}
END_TEST

START_TEST(test_rules_a_size_below_the_first_layout_is_invalid)
{
    brim_options o = value_options(100);
    brim_cache *c = (brim_cache *)&o;
    brim_entry_options e;
    brim_allocator a = { 0, NULL, NULL, NULL };
    brim_ref *out = (brim_ref *)&o;
    value *v = value_new(1, 1);
    heap h;

    o.size = sizeof o - 1;
    ck_assert_int_eq(brim_cache_new(&o, &c), BRIM_INVALID);
    ck_assert_ptr_null(c);
    o.size = 0;
    c = (brim_cache *)&o;
    ck_assert_int_eq(brim_cache_new(&o, &c), BRIM_INVALID);
    ck_assert_ptr_null(c);
    o = value_options(100);
    heap_init(&h);
    a = h.allocator;
    a.size = sizeof a - 1;
    o.allocator = &a;
    c = (brim_cache *)&o;
    ck_assert_int_eq(brim_cache_new(&o, &c), BRIM_INVALID);
    ck_assert_ptr_null(c);
    c = make_value_cache(100);
    brim_entry_options_init(&e);
    e.size = sizeof e - 1;
    ck_assert_int_eq(brim_insert_with(c, "k", 1, v, 1, &e, &out), BRIM_INVALID);
    ck_assert_ptr_null(out);
    e.size = 0;
    out = (brim_ref *)&o;
    ck_assert_int_eq(brim_insert_or_wrap(c, "k", 1, v, 1, &e, &out), BRIM_INVALID);
    ck_assert_ptr_null(out);
    out = (brim_ref *)&o;
    ck_assert_int_eq(brim_wrap(c, v, 1, &e, &out), BRIM_INVALID);
    ck_assert_ptr_null(out);
    ck_assert(value_alive(v, 1));
    value_discard(v);
    finish(c);
}
END_TEST

/* ---- Costs that several threads set ---- */

enum { COST_FROM = 100, COSTS = 400, SETTERS = 3 };
static struct { brim_ref *ref; atomic_uint setting, looks; } costs;

static void set_costs(unsigned id, void *arg)
{
    uint64_t state = id + 1;

    (void)arg;
    if (id == SETTERS) {
        while (atomic_load(&costs.setting) > 0) {
            size_t n = brim_ref_cost(costs.ref);

            EXPECT_MSG(n >= COST_FROM && n < COST_FROM + COSTS, "a cost of %zu, which nobody set", n);
            atomic_fetch_add(&costs.looks, 1);
        }
        return;
    }
    for (int i = 0; i < SCALED(1000) || atomic_load(&costs.looks) < 100; i++)
        EXPECT(brim_ref_set_cost(costs.ref, COST_FROM + random_next(&state) % COSTS) == BRIM_OK);
    atomic_fetch_sub(&costs.setting, 1);
}

static void set_costs_together(void)
{
    atomic_store(&costs.setting, SETTERS);
    atomic_store(&costs.looks, 0);
    crew_do(SETTERS + 1, set_costs, NULL);
}

/* ${_i}: 0 without overhead, 1 with it. */
START_TEST(test_rules_a_cost_is_one_of_those_set)
{
    brim_options o = value_options(100000);
    brim_cache *c;
    size_t overhead, last;

    o.charge_overhead = _i == 1;
    c = make_cache(&o);
    ck_assert_int_eq(put_ref(c, 1, 1, COST_FROM, &costs.ref), BRIM_OK);
    overhead = brim_used(c) - COST_FROM;
    set_costs_together();
    last = brim_ref_cost(costs.ref);
    ck_assert_uint_eq(brim_used(c), last + overhead);
    ck_assert_uint_eq(brim_pinned(c), last + overhead);
    ((value *)brim_ref_value(costs.ref))->cost = last;
    brim_release(costs.ref);
    finish(c);
}
END_TEST

START_TEST(test_rules_uncharged_is_what_wrapped_values_cost_in_the_end)
{
    brim_cache *c = make_value_cache(100);
    size_t last;

    ck_assert_int_eq(brim_wrap(c, value_new(1, COST_FROM), COST_FROM, NULL, &costs.ref), BRIM_OK);
    set_costs_together();
    last = brim_ref_cost(costs.ref);
    ck_assert_uint_eq(stats_of(c).uncharged, last);
    ck_assert_uint_eq(brim_used(c), 0);
    ((value *)brim_ref_value(costs.ref))->cost = last;
    brim_release(costs.ref);
    ck_assert_uint_eq(stats_of(c).uncharged, 0);
    finish(c);
}
END_TEST

static size_t unwanted_key_len;
static uint64_t unwanted_key;

static void destroy_unwanted(const void *key, size_t len, void *v, size_t cost, void *arg)
{
    unwanted_key_len = key != NULL ? len : 0;
    if (key != NULL && len == sizeof unwanted_key)
        memcpy(&unwanted_key, key, len);
    value_destroy(v, cost, arg);
}

START_TEST(test_rules_what_insert_or_wrap_destroys_has_its_key)
{
    static const brim_kind kind = {.size = sizeof(brim_kind), .destroy_entry = destroy_unwanted};
    brim_cache *c = make_value_cache(100);
    brim_entry_options e;
    uint64_t key = 7;

    brim_entry_options_init(&e);
    e.kind = &kind;
    e.only_if_absent = true;
    ck_assert_int_eq(put(c, key, 1, 10), BRIM_OK);
    ck_assert_int_eq(brim_insert_or_wrap(c, BRIM_KEY(key), value_new(2, 10), 10, &e, NULL), BRIM_EXISTS);
    ck_assert_uint_eq(unwanted_key_len, sizeof key);
    ck_assert_uint_eq(unwanted_key, key);
    ck_assert_uint_eq(stats_of(c).values, 1);
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("rules");

    tcase_add_test(tc, test_rules_listener_is_told_each_cause);
    tcase_add_test(tc, test_rules_what_insert_or_wrap_destroys_has_its_key);
    tcase_add_test(tc, test_rules_listener_runs_before_the_call_returns_and_the_value_is_held);
    tcase_add_test(tc, test_rules_wrapped_values_are_not_announced);
    tcase_add_test(tc, test_rules_null_is_the_handle_of_nothing);
    tcase_add_test(tc, test_rules_null_options_are_the_defaults);
    tcase_add_test(tc, test_rules_a_failed_insert_keeps_the_old_entry);
    tcase_add_test(tc, test_rules_old_and_new_that_do_not_fit_together);
    tcase_add_test(tc, test_rules_drop_old);
    tcase_add_test(tc, test_rules_only_if_absent);
    tcase_add_test(tc, test_rules_anonymous_entries_stay_without_a_key_and_go_first);
    tcase_add_test(tc, test_rules_a_key_brought_back_from_a_ref_names_the_anonymous_entry);
    tcase_add_test(tc, test_rules_capacity_0_admits_nothing);
    tcase_add_test(tc, test_rules_capacity_is_at_most_half_of_size_max);
    tcase_add_loop_test(tc, test_rules_max_entries, 0, 5);
    tcase_add_test(tc, test_rules_zero_cost);
    tcase_add_test(tc, test_rules_charge_overhead);
    tcase_add_test(tc, test_rules_set_cost);
    tcase_add_test(tc, test_rules_release_with);
    tcase_add_test(tc, test_rules_trim);
    tcase_add_test(tc, test_rules_statistics);
    tcase_add_loop_test(tc, test_rules_bad_limits_of_the_cache, 0, 3);
    tcase_add_loop_test(tc, test_rules_bad_entry_options, 0, 6);
    tcase_add_test(tc, test_rules_a_size_below_the_first_layout_is_invalid);
    tcase_add_loop_test(tc, test_rules_a_cost_is_one_of_those_set, 0, 2);
    tcase_add_test(tc, test_rules_uncharged_is_what_wrapped_values_cost_in_the_end);
    return suite_run(tc);
}
