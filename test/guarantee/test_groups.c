/* SPDX-License-Identifier: MIT
 *
 * Groups: what was inserted into one before it was invalidated is not found after, in whatever way it is looked for,
 * and is swept later, at most 64 entries a write.
 */
#include "support/stale.h"
#include <limits.h>
#include <sched.h>

enum { GROUPS = 4 };

static brim_entry_options in_group(brim_group *g)
{
    brim_entry_options e;

    brim_entry_options_init(&e);
    e.group = g;
    return e;
}

static void set_group(brim_entry_options *e, int place, brim_group *g)
{
    if (place == 0)
        e->group = g;
    else
        e->more_groups[place - 1] = g;
}

static brim_group *make_group(brim_cache *c)
{
    brim_group *g = brim_group_new(c);

    ck_assert_ptr_nonnull(g);
    return g;
}

static brim_cache *group_cache(size_t capacity, unsigned shards)
{
    brim_options o = left_options(capacity, shards);

    return make_cache(&o);
}

static brim_cache *group_borrow_cache(size_t capacity, unsigned shards)
{
    brim_options o = left_options(capacity, shards);

    o.borrow = true;
    return make_cache(&o);
}

/* A load of ${key} into ${g}. */
static brim_load *claim_into(brim_cache *c, uint64_t key, brim_group *g)
{
    brim_entry_options e = in_group(g);
    brim_claim_options o;
    brim_ref *r = NULL;
    brim_load *load = NULL;

    brim_claim_options_init(&o);
    o.timeout_ms = 0;
    o.entry = &e;
    ck_assert_int_eq(brim_claim_with(c, BRIM_KEY(key), &o, &r, &load), BRIM_CLAIMED);
    ck_assert_ptr_null(r);
    ck_assert_ptr_nonnull(load);
    return load;
}

/* What asking without waiting says of ${key}; a load that is claimed fails at once. */
static brim_status asked(brim_cache *c, uint64_t key)
{
    brim_ref *r = NULL;
    brim_load *load = NULL;
    brim_status s = brim_claim(c, BRIM_KEY(key), 0, &r, &load);

    brim_release(r);
    brim_load_fail(load, 1);
    return s;
}

/* ---- Which entries die */

START_TEST(test_groups_an_entry_dies_with_each_of_its_four)
{
    brim_cache *c = group_cache(1000, 1);
    brim_group *g[GROUPS];
    brim_entry_options all, others;

    brim_entry_options_init(&all);
    brim_entry_options_init(&others);
    for (int i = 0; i < GROUPS; i++) {
        g[i] = make_group(c);
        set_group(&all, i, g[i]);
        if (i != _i)
            set_group(&others, i, g[i]);
    }
    put_range(c, 0, 10, &all);
    put_range(c, 100, 10, &others);
    put_range(c, 200, 10, NULL);
    ck_assert_uint_eq(find_range(c, 0, 10), 10);
    brim_group_invalidate(g[_i]);
    ck_assert_uint_eq(find_range(c, 0, 10), 0);
    ck_assert_uint_eq(find_range(c, 100, 10), 10);
    brim_group_invalidate(g[(_i + 1) % GROUPS]);
    ck_assert_uint_eq(find_range(c, 100, 10), 0);
    ck_assert_uint_eq(find_range(c, 200, 10), 10);
    for (int i = 0; i < GROUPS; i++)
        brim_group_drop(g[i]);
    finish(c);
}
END_TEST

START_TEST(test_groups_each_place_in_the_options_counts_alone)
{
    brim_cache *c = group_cache(1000, 1);
    brim_group *g = make_group(c);
    brim_entry_options e;

    brim_entry_options_init(&e);
    set_group(&e, _i, g);
    put_range(c, 0, 10, &e);
    ck_assert_uint_eq(find_range(c, 0, 10), 10);
    brim_group_invalidate(g);
    ck_assert_uint_eq(find_range(c, 0, 10), 0);
    brim_group_drop(g);
    finish(c);
}
END_TEST

START_TEST(test_groups_the_same_one_may_be_named_twice)
{
    brim_cache *c = group_cache(1000, 1);
    brim_group *g = make_group(c);
    brim_entry_options e = in_group(g);

    e.more_groups[0] = e.more_groups[2] = g;
    put_range(c, 0, 10, &e);
    brim_group_invalidate(g);
    ck_assert_uint_eq(find_range(c, 0, 10), 0);
    put_range(c, 0, 10, &e);
    ck_assert_uint_eq(find_range(c, 0, 10), 10);
    brim_group_drop(g);
    ck_assert_uint_eq(find_range(c, 0, 10), 10);
    finish(c);
}
END_TEST

START_TEST(test_groups_anonymous_entries_die_too)
{
    brim_cache *c = group_cache(1000, 1);
    brim_group *g = make_group(c);
    brim_entry_options e = in_group(g);
    brim_key *k = NULL;
    brim_ref *r;

    ck_assert_int_eq(brim_insert_anonymous(c, value_new(1, 1), 1, &e, &k, NULL), BRIM_OK);
    r = brim_key_find(k);
    ck_assert_uint_eq(id_of(r), 1);
    brim_release(r);
    brim_group_invalidate(g);
    ck_assert_ptr_null(brim_key_find(k));
    ck_assert(!brim_key_is_valid(k));
    brim_key_drop(k);
    brim_group_drop(g);
    finish(c);
}
END_TEST

/* ---- At once, by every look-up */

START_TEST(test_groups_an_invalidation_is_seen_by_every_look_up)
{
    look_how how = (look_how)(_i % LOOKS);
    brim_cache *c = group_borrow_cache(1000, _i < LOOKS ? 1 : 4);
    brim_group *g = make_group(c);
    brim_entry_options e = in_group(g);
    looked dies, stays;

    look_start(&dies, c, 0, &e, how == LOOK_REF_IS_CACHED);
    look_start(&stays, c, 100, NULL, how == LOOK_REF_IS_CACHED);
    ck_assert_uint_eq(look(&dies, how), LOOKED);
    brim_group_invalidate(g);
    ck_assert_uint_eq(look(&dies, how), 0);
    ck_assert_uint_eq(look(&stays, how), LOOKED);
    for (int any = 0; any < LOOK_REF_IS_CACHED; any++)
        ck_assert_msg(look(&dies, (look_how)any) == 0, "found in way %d", any);
    no_trouble();
    look_end(&dies);
    look_end(&stays);
    brim_group_drop(g);
    finish(c);
}
END_TEST

START_TEST(test_groups_what_is_invalid_can_be_neither_removed_nor_replaced)
{
    brim_cache *c = group_cache(1000, 1);
    brim_group *g = make_group(c);
    brim_entry_options e = in_group(g);
    brim_ref *r = NULL;
    brim_key *k, *was;
    value *v = value_new(2, 1);
    uint64_t key = 1;

    ck_assert_int_eq(put_with(c, key, 1, 1, &e, &r), BRIM_OK);
    k = was = brim_ref_key(r);
    brim_group_invalidate(g);
    ck_assert_int_eq(brim_key_replace(&k, v, 1), BRIM_INVALID);
    ck_assert_ptr_eq(k, was);
    ck_assert(!brim_key_remove(k));
    ck_assert(!brim_remove(c, BRIM_KEY(key)));
    ck_assert(value_alive(v, 2));
    ck_assert(value_alive(brim_ref_value(r), 1)); /* it is still held */
    value_discard(v);
    brim_release(r);
    brim_key_drop(k);
    brim_group_drop(g);
    (void)brim_trim(c, 0);
    ck_assert_uint_eq(left_by(BRIM_INVALIDATED), 1);
    ck_assert_uint_eq(atomic_load(&left.total), 1);
    finish(c);
}
END_TEST

START_TEST(test_groups_only_if_absent_does_not_see_what_is_stale)
{
    brim_cache *c = group_cache(1000, 1);
    brim_group *g = make_group(c);
    brim_entry_options e = in_group(g);
    brim_ref *r = NULL;

    e.only_if_absent = true;
    ck_assert_int_eq(put_with(c, 1, 1, 1, &e, NULL), BRIM_OK);
    ck_assert_int_eq(put_with(c, 1, 2, 1, &e, &r), BRIM_EXISTS);
    ck_assert_uint_eq(id_of(r), 1);
    brim_release(r);
    brim_group_invalidate(g);
    ck_assert_int_eq(put_with(c, 1, 3, 1, &e, &r), BRIM_OK);
    ck_assert_uint_eq(id_of(r), 3);
    brim_release(r);
    ck_assert_uint_eq(found_id(c, 1), 3);
    ck_assert_uint_eq(left_by(BRIM_INVALIDATED), 1);
    ck_assert_uint_eq(left_by(BRIM_REPLACED), 0);
    brim_group_drop(g);
    finish(c);
}
END_TEST

/* ---- Usable again, and never back */

START_TEST(test_groups_an_invalidated_one_can_be_used_again)
{
    brim_cache *c = group_cache(1000, 4);
    brim_group *g = make_group(c);
    brim_entry_options e = in_group(g);
    brim_key *old = NULL;
    brim_ref *r = NULL;

    for (uint64_t round = 0; round < 100; round++) {
        ck_assert_int_eq(put_with(c, 1, round, 1, &e, &r), BRIM_OK);
        ck_assert_uint_eq(found_id(c, 1), round);
        ck_assert(!brim_key_is_valid(old));
        ck_assert_ptr_null(brim_key_find(old));
        brim_key_drop(old);
        old = brim_ref_key(r);
        brim_release(r);
        brim_group_invalidate(g);
        ck_assert_uint_eq(found_id(c, 1), UINT64_MAX);
    }
    brim_key_drop(old);
    brim_group_drop(g);
    finish(c);
}
END_TEST

START_TEST(test_groups_nothing_comes_back_after_any_number_of_invalidations)
{
    brim_cache *c = group_cache(1000, 1);
    brim_group *g = make_group(c);
    brim_entry_options e = in_group(g);
    uint64_t key = 1;
    unsigned found = 0;
    brim_ref *r = NULL;

    ck_assert_int_eq(put_with(c, key, 1, 1, &e, &r), BRIM_OK);
    for (int i = 0; i < 70000; i++) { /* more than 16 bits */
        brim_group_invalidate(g);
        found += brim_contains(c, BRIM_KEY(key)) || brim_ref_is_cached(r);
    }
    ck_assert_uint_eq(found, 0);
    brim_release(r);
    brim_group_drop(g);
    finish(c);
}
END_TEST

START_TEST(test_groups_held_and_borrowed_values_outlive_an_invalidation)
{
    brim_cache *c = group_borrow_cache(1000, 1);
    brim_group *g = make_group(c);
    brim_entry_options e = in_group(g);
    brim_ref *held = NULL;
    const value *lent;
    uint64_t key = 2;

    ck_assert_int_eq(put_with(c, 1, 1, 1, &e, &held), BRIM_OK);
    ck_assert_int_eq(put_with(c, 2, 2, 1, &e, NULL), BRIM_OK);
    begin_reading(c);
    lent = brim_peek(c, BRIM_KEY(key));
    ck_assert_ptr_nonnull(lent);
    brim_group_invalidate(g);
    (void)brim_trim(c, 0);
    for (uint64_t i = 0; i < 100; i++)
        write_once(c, i);
    ck_assert(value_alive(lent, 2));
    ck_assert(value_alive(brim_ref_value(held), 1));
    brim_read_end(c);
    ck_assert(value_alive(brim_ref_value(held), 1));
    (void)brim_trim(c, 0);
    settle_cache(c);
    ck_assert_uint_eq(values_live(), 1);
    ck_assert_uint_eq(brim_used(c), 1);
    brim_release(held);
    settle_cache(c);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(brim_used(c), 0);
    brim_group_drop(g);
    finish(c);
}
END_TEST

/* ---- Closed */

START_TEST(test_groups_a_closed_one_is_as_invalidated_and_refuses_inserts)
{
    brim_cache *c = group_cache(1000, 1);
    brim_group *g = make_group(c), *other = make_group(c);
    brim_entry_options e = in_group(other);
    brim_ref *r = NULL, *out = (brim_ref *)&e;
    brim_key *k, *was, *key_out = (brim_key *)&e;
    value *v = value_new(9, 1);
    uint64_t key = 1;

    set_group(&e, _i, g); /* one of several is enough */
    put_range(c, 0, 10, &e);
    put_range(c, 20, 1, NULL);
    brim_group_close(g);
    ck_assert_uint_eq(find_range(c, 0, 10), 0);
    ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(key), v, 1, &e, &out), BRIM_CANCELED);
    ck_assert_ptr_null(out);
    key = 20;
    ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(key), v, 1, &e, NULL), BRIM_CANCELED);
    ck_assert_uint_eq(found_id(c, 20), 20); /* the old entry is still found */
    out = (brim_ref *)&e;
    ck_assert_int_eq(brim_insert_anonymous(c, v, 1, &e, &key_out, &out), BRIM_CANCELED);
    ck_assert_ptr_null(out);
    ck_assert_ptr_null(key_out);
    r = brim_find(c, BRIM_KEY(key));
    k = was = brim_ref_key(r);
    brim_release(r);
    out = (brim_ref *)&e;
    ck_assert_int_eq(brim_key_replace_with(&k, v, 1, &e, &out), BRIM_CANCELED);
    ck_assert_ptr_null(out);
    ck_assert_ptr_eq(k, was);
    ck_assert(brim_key_is_valid(k));
    ck_assert(value_alive(v, 9));
    brim_group_invalidate(g);
    ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(key), v, 1, &e, NULL), BRIM_CANCELED); /* for good */
    value_discard(v);
    brim_key_drop(k);
    brim_group_drop(g);
    brim_group_drop(other);
    finish(c);
}
END_TEST

START_TEST(test_groups_insert_or_wrap_into_a_closed_one_gives_an_uncharged_value)
{
    brim_cache *c = group_cache(1000, 1);
    brim_group *g = make_group(c);
    brim_entry_options e = in_group(g);
    brim_ref *r = NULL;
    uint64_t key = 1;
    size_t len = 0;

    put_range(c, 1, 1, NULL);
    brim_group_close(g);
    ck_assert_int_eq(brim_insert_or_wrap(c, BRIM_KEY(key), value_new(2, 5), 5, &e, &r), BRIM_CANCELED);
    ck_assert_ptr_nonnull(r);
    ck_assert_uint_eq(id_of(r), 2);
    ck_assert(!brim_ref_is_cached(r));
    ck_assert_int_eq(memcmp(brim_ref_key_bytes(r, &len), &key, sizeof key), 0);
    ck_assert_uint_eq(len, sizeof key);
    ck_assert(!has(c, 1)); /* the old entry is removed */
    ck_assert_uint_eq(left_by(BRIM_REMOVED), 1);
    ck_assert_uint_eq(brim_used(c), 0);
    ck_assert_uint_eq(stats_of(c).uncharged, 5);
    brim_release(r);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_int_eq(brim_insert_or_wrap(c, BRIM_KEY(key), value_new(3, 5), 5, &e, NULL), BRIM_CANCELED);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(atomic_load(&left.total), 1); /* no listener heard of the uncharged ones */
    brim_group_drop(g);
    finish(c);
}
END_TEST

static unsigned loader_runs;

static brim_status counting_loader(const void *key, size_t len, void *arg, void **v, size_t *cost)
{
    (void)key, (void)len;
    loader_runs++;
    if (arg != NULL)
        brim_group_invalidate(arg);
    *v = value_new(100 + loader_runs, 1);
    *cost = 1;
    return BRIM_OK;
}

START_TEST(test_groups_a_closed_one_refuses_loads)
{
    brim_cache *c = group_cache(1000, 1);
    brim_group *g = make_group(c);
    brim_entry_options e = in_group(g);
    brim_claim_options o;
    brim_load *before = claim_into(c, 1, g), *load = (brim_load *)&e;
    brim_ref *r = (brim_ref *)&e;
    uint64_t key = 2;

    brim_claim_options_init(&o);
    o.timeout_ms = 0;
    o.entry = &e;
    loader_runs = 0;
    brim_group_close(g);
    ck_assert_int_eq(brim_claim_with(c, BRIM_KEY(key), &o, &r, &load), BRIM_CANCELED);
    ck_assert_ptr_null(r);
    ck_assert_ptr_null(load);
    r = (brim_ref *)&e;
    ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, counting_loader, NULL, &r), BRIM_CANCELED);
    ck_assert_ptr_null(r);
    ck_assert_uint_eq(loader_runs, 0);
    ck_assert(!brim_load_is_wanted(before));
    ck_assert_int_eq(brim_load_finish(before, value_new(1, 1), 1, &r), BRIM_CANCELED);
    ck_assert_uint_eq(id_of(r), 1);
    ck_assert(!brim_ref_is_cached(r));
    ck_assert(!has(c, 1));
    ck_assert_uint_eq(brim_used(c), 0);
    brim_release(r);
    ck_assert_int_eq(asked(c, 1), BRIM_CLAIMED); /* the keys themselves can be loaded */
    ck_assert_int_eq(asked(c, 2), BRIM_CLAIMED);
    brim_group_drop(g);
    finish(c);
}
END_TEST

START_TEST(test_groups_finish_into_a_closed_one_is_canceled)
{
    brim_cache *c = group_cache(1000, 1);
    brim_group *g = make_group(c);
    brim_entry_options e = in_group(g);
    brim_load *load = claim_into(c, 1, NULL);
    brim_ref *r = NULL;

    brim_group_close(g);
    ck_assert_int_eq(brim_load_finish_with(load, value_new(1, 1), 1, &e, &r), BRIM_CANCELED);
    ck_assert_uint_eq(id_of(r), 1);
    ck_assert(!has(c, 1));
    brim_release(r);
    ck_assert_uint_eq(values_live(), 0);
    brim_group_drop(g);
    finish(c);
}
END_TEST

/* ---- Another cache's, and none */

START_TEST(test_groups_one_of_another_cache_is_invalid_and_changes_nothing)
{
    brim_cache *c = group_cache(1000, 1), *other = make_value_cache(1000);
    brim_group *g = make_group(other);
    brim_entry_options e;
    brim_claim_options o;
    brim_ref *r, *out = (brim_ref *)&e;
    brim_key *k, *was, *key_out = (brim_key *)&e;
    brim_load *load = (brim_load *)&e;
    value *v = value_new(9, 1);
    uint64_t key = 1, absent = 2;

    brim_entry_options_init(&e);
    brim_claim_options_init(&o);
    o.entry = &e;
    set_group(&e, _i % GROUPS, g);
    put_range(c, 1, 1, NULL);
    if (_i >= GROUPS)
        brim_cache_free(other);
    r = brim_find(c, BRIM_KEY(key));
    k = was = brim_ref_key(r);
    brim_release(r);
    loader_runs = 0;
    ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(key), v, 1, &e, &out), BRIM_INVALID);
    ck_assert_ptr_null(out);
    out = (brim_ref *)&e;
    ck_assert_int_eq(brim_insert_or_wrap(c, BRIM_KEY(key), v, 1, &e, &out), BRIM_INVALID);
    ck_assert_ptr_null(out);
    out = (brim_ref *)&e;
    ck_assert_int_eq(brim_insert_anonymous(c, v, 1, &e, &key_out, &out), BRIM_INVALID);
    ck_assert_ptr_null(out);
    ck_assert_ptr_null(key_out);
    ck_assert_int_eq(brim_wrap(c, v, 1, &e, &out), BRIM_INVALID);
    ck_assert_ptr_null(out);
    ck_assert_int_eq(brim_key_replace_with(&k, v, 1, &e, &out), BRIM_INVALID);
    ck_assert_ptr_null(out);
    ck_assert_ptr_eq(k, was);
    out = (brim_ref *)&e;
    ck_assert_int_eq(brim_get_with(c, BRIM_KEY(absent), &o, counting_loader, NULL, &out), BRIM_INVALID);
    ck_assert_ptr_null(out);
    ck_assert_int_eq(brim_claim_with(c, BRIM_KEY(absent), &o, &out, &load), BRIM_INVALID);
    ck_assert_ptr_null(load);
    load = claim_into(c, absent, NULL);
    ck_assert_int_eq(brim_load_finish_with(load, v, 1, &e, &out), BRIM_INVALID);
    ck_assert_uint_eq(loader_runs, 0);
    ck_assert_uint_eq(found_id(c, 1), 1);
    ck_assert(brim_key_is_valid(k));
    ck_assert_uint_eq(brim_used(c), 1);
    ck_assert_uint_eq(atomic_load(&left.total), 0);
    ck_assert(value_alive(v, 9));
    ck_assert_int_eq(brim_load_finish(load, v, 1, NULL), BRIM_OK); /* the load was left alone, too */
    ck_assert_uint_eq(found_id(c, absent), 9);
    brim_key_drop(k);
    brim_group_drop(g);
    if (_i < GROUPS)
        brim_cache_free(other);
    finish(c);
}
END_TEST

START_TEST(test_groups_null_is_the_group_of_nothing)
{
    ck_assert_ptr_null(brim_group_new(NULL));
    ck_assert_ptr_null(brim_group_copy(NULL));
    brim_group_invalidate(NULL);
    brim_group_close(NULL);
    ck_assert_uint_eq(brim_group_loads(NULL), 0);
    brim_group_drop(NULL);
}
END_TEST

/* ---- Replaced and loaded again by handle */

START_TEST(test_groups_replace_by_handle_keeps_them)
{
    brim_cache *c = group_cache(1000, 1);
    brim_group *g[GROUPS];
    brim_entry_options e, none;
    brim_ref *r = NULL;
    brim_key *k;

    brim_entry_options_init(&e);
    brim_entry_options_init(&none);
    for (int i = 0; i < GROUPS; i++)
        set_group(&e, i, g[i] = make_group(c));
    ck_assert_int_eq(put_with(c, 1, 1, 1, &e, &r), BRIM_OK);
    k = brim_ref_key(r);
    brim_release(r);
    ck_assert_int_eq(brim_key_replace(&k, value_new(2, 1), 1), BRIM_OK);
    ck_assert_int_eq(brim_key_replace_with(&k, value_new(3, 1), 1, NULL, NULL), BRIM_OK);
    ck_assert_uint_eq(found_id(c, 1), 3);
    if (_i == GROUPS) { /* options that name no group */
        ck_assert_int_eq(brim_key_replace_with(&k, value_new(4, 1), 1, &none, NULL), BRIM_OK);
        for (int i = 0; i < GROUPS; i++)
            brim_group_invalidate(g[i]);
        ck_assert_uint_eq(found_id(c, 1), 4);
    } else {
        brim_group_invalidate(g[_i]);
        ck_assert_uint_eq(found_id(c, 1), UINT64_MAX);
        ck_assert(!brim_key_is_valid(k));
    }
    brim_key_drop(k);
    for (int i = 0; i < GROUPS; i++)
        brim_group_drop(g[i]);
    finish(c);
}
END_TEST

START_TEST(test_groups_key_get_loads_into_the_old_ones)
{
    brim_cache *c = group_cache(1000, 1);
    brim_group *g = make_group(c);
    brim_entry_options e = in_group(g);
    brim_ref *r = NULL;
    brim_key *k, *was;

    loader_runs = 0;
    ck_assert_int_eq(put_with(c, 1, 1, 1, &e, &r), BRIM_OK);
    k = brim_ref_key(r);
    brim_release(r);
    for (unsigned round = 1; round <= 3; round++) {
        brim_group_invalidate(g);
        ck_assert(!brim_key_is_valid(k));
        ck_assert_int_eq(brim_key_get(&k, counting_loader, NULL, &r), BRIM_OK);
        ck_assert_uint_eq(loader_runs, round);
        ck_assert_uint_eq(id_of(r), 100 + round);
        ck_assert(brim_ref_is_cached(r));
        ck_assert(brim_key_is_valid(k));
        ck_assert_uint_eq(found_id(c, 1), 100 + round);
        brim_release(r);
    }
    brim_group_close(g);
    was = k;
    r = (brim_ref *)&e;
    ck_assert_int_eq(brim_key_get(&k, counting_loader, NULL, &r), BRIM_CANCELED);
    ck_assert_ptr_null(r);
    ck_assert_ptr_eq(k, was);
    ck_assert_uint_eq(loader_runs, 3);
    brim_key_drop(k);
    brim_group_drop(g);
    finish(c);
}
END_TEST

/* ---- Lifetimes */

enum { STEPS = 6 };

typedef struct life {
    heap heap;
    brim_cache *cache;
    brim_group *group;
    brim_key *key;
    brim_ref *ref;
    unsigned gone;
} life;

static void life_gone(void *arg)
{
    ((life *)arg)->gone++;
}

static void life_begin(life *l)
{
    brim_options o = left_options(1000, 1);
    brim_entry_options e;

    memset(l, 0, sizeof *l);
    heap_init(&l->heap);
    o.allocator = &l->heap.allocator;
    o.gone = life_gone;
    o.gone_arg = l;
    l->cache = make_cache(&o);
    l->group = make_group(l->cache);
    e = in_group(l->group);
    ck_assert_int_eq(put_with(l->cache, 1, 1, 1, &e, &l->ref), BRIM_OK);
    ck_assert_int_eq(put_with(l->cache, 2, 2, 1, &e, NULL), BRIM_OK);
    ck_assert_int_eq(put_with(l->cache, 3, 3, 1, NULL, NULL), BRIM_OK);
    l->key = brim_ref_key(l->ref);
}

static void life_step(life *l, unsigned step)
{
    switch (step) {
    case 0: brim_group_drop(l->group); l->group = NULL; break;
    case 1: brim_key_drop(l->key); l->key = NULL; break;
    case 2: brim_release(l->ref); l->ref = NULL; break;
    case 3: brim_cache_free(l->cache); l->cache = NULL; break;
    case 4: brim_group_invalidate(l->group); break; /* nothing, when it has been dropped */
    default:
        if (l->cache != NULL)
            brim_clear(l->cache);
    }
    ck_assert(l->ref == NULL || value_alive(brim_ref_value(l->ref), 1));
    ck_assert(l->cache == NULL || brim_check(l->cache, stderr));
    if (l->cache != NULL || l->key != NULL || l->ref != NULL)
        ck_assert_uint_eq(l->gone, 0);
}

START_TEST(test_groups_may_end_in_every_order_with_entries_keys_refs_and_cache)
{
    life l;

    for (unsigned order = 0; order < 720; order += CHECKING_BUILD ? 7 : 1) {
        unsigned steps[STEPS] = {0, 1, 2, 3, 4, 5}, rest = order;

        life_begin(&l);
        for (unsigned n = STEPS; n > 0; n--) { /* the order's digits, of a changing base */
            unsigned pick = rest % n, step = steps[pick];

            rest /= n;
            steps[pick] = steps[n - 1];
            life_step(&l, step);
        }
        ck_assert_uint_eq(l.gone, 1);
        ck_assert_uint_eq(values_live(), 0);
        ck_assert_uint_eq(atomic_load(&left.total), 3);
        ck_assert_uint_eq(atomic_load(&l.heap.blocks), 0);
        ck_assert_uint_eq(atomic_load(&l.heap.live), 0);
        values_start();
    }
}
END_TEST

START_TEST(test_groups_calls_on_one_after_its_cache_was_freed)
{
    brim_cache *c = group_cache(1000, 1);
    brim_group *g = make_group(c), *copy;
    brim_load *load = claim_into(c, 1, g);
    brim_ref *r = NULL;

    ck_assert_uint_eq(brim_group_loads(g), 1);
    brim_cache_free(c);
    copy = brim_group_copy(g);
    ck_assert_ptr_eq(copy, g);
    ck_assert_uint_eq(brim_group_loads(g), 1);
    brim_group_invalidate(g);
    brim_group_close(copy);
    brim_group_drop(copy);
    ck_assert_int_eq(brim_load_finish(load, value_new(1, 1), 1, &r), BRIM_CANCELED);
    ck_assert_uint_eq(id_of(r), 1);
    brim_release(r);
    ck_assert_uint_eq(brim_group_loads(g), 0);
    brim_group_drop(g);
    ck_assert_uint_eq(values_live(), 0);
}
END_TEST

START_TEST(test_groups_a_copy_is_the_same_and_entries_need_none)
{
    brim_cache *c = group_cache(1000, 1);
    brim_group *g = make_group(c), *copy = brim_group_copy(g);
    brim_entry_options e = in_group(g);

    ck_assert_ptr_eq(copy, g);
    put_range(c, 0, 10, &e);
    brim_group_drop(g);
    ck_assert_uint_eq(find_range(c, 0, 10), 10);
    brim_group_invalidate(copy);
    ck_assert_uint_eq(find_range(c, 0, 10), 0);
    put_range(c, 0, 10, &e);
    brim_group_drop(copy);
    ck_assert_uint_eq(find_range(c, 0, 10), 10);
    finish(c);
}
END_TEST

/* A group's place may serve another one, but never for the entries of the first. */
START_TEST(test_groups_that_follow_one_another_do_not_know_each_others_entries)
{
    enum { ROUNDS = 200 };
    brim_cache *c = group_cache(10000, 4);
    brim_group *g;
    brim_entry_options e;
    unsigned stale = 0;

    for (uint64_t i = 0; i < ROUNDS; i++) {
        g = make_group(c);
        e = in_group(g);
        put_range(c, i, 1, &e);
        brim_group_drop(g); /* its entry stays, and cannot be invalidated any more */
        g = make_group(c);
        e = in_group(g);
        put_range(c, 1000 + i, 1, &e);
        brim_group_invalidate(g);
        brim_group_drop(g); /* its entry is stale for ever */
        for (uint64_t j = 0; j <= i; j++)
            stale += has(c, 1000 + j);
    }
    ck_assert_uint_eq(find_range(c, 0, ROUNDS), ROUNDS);
    ck_assert_uint_eq(stale, 0);
    finish(c);
}
END_TEST

START_TEST(test_groups_that_come_and_go_leave_no_memory)
{
    enum { EARLY = CHECKING_BUILD ? 2500 : 5000 }; /* memory is given back in batches */
    brim_options o = left_options(1000, 1);
    brim_cache *c;
    heap h;
    size_t early = 0, late;

    heap_init(&h);
    o.allocator = &h.allocator;
    c = make_cache(&o);
    for (int i = 0; i < 2 * EARLY; i++) {
        brim_group *g = make_group(c);
        brim_entry_options e = in_group(g);

        put_range(c, 1, 1, &e);
        brim_group_invalidate(g);
        brim_group_drop(g);
        (void)brim_trim(c, 0);
        ck_assert_uint_eq(values_live(), 0);
        values_start();
        memset(&left, 0, sizeof left);
        if (i == EARLY)
            early = atomic_load(&h.live);
    }
    late = atomic_load(&h.live);
    ck_assert_uint_gt(early, 0);
    ck_assert_msg(late <= 2 * early, "%zu bytes at first, %zu at last", early, late);
    brim_cache_free(c);
    ck_assert_uint_eq(atomic_load(&h.live), 0);
}
END_TEST

START_TEST(test_groups_no_memory_for_one_is_null_and_invalidation_needs_none)
{
    enum { MANY = 20000 };
    static brim_group *made[MANY];
    brim_options o = left_options(1000, 1);
    brim_cache *c;
    brim_group *g;
    brim_entry_options e;
    heap h;
    int n = 0;

    heap_init(&h);
    o.allocator = &h.allocator;
    c = make_cache(&o);
    g = make_group(c);
    e = in_group(g);
    put_range(c, 0, 10, &e);
    heap_fail(&h, 1, SIZE_MAX);
    while (n < MANY && (made[n] = brim_group_new(c)) != NULL) /* memory kept ready may serve a few */
        n++;
    ck_assert_int_lt(n, MANY);
    ck_assert_uint_gt(atomic_load(&h.failed), 0);
    ck_assert_uint_eq(find_range(c, 0, 10), 10);
    brim_group_invalidate(g);
    ck_assert_uint_eq(find_range(c, 0, 10), 0);
    brim_group_close(g);
    heap_fail(&h, SIZE_MAX, SIZE_MAX);
    for (int i = 0; i < n; i++)
        brim_group_drop(made[i]);
    brim_group_drop(g);
    g = make_group(c);
    e = in_group(g);
    put_range(c, 20, 10, &e);
    ck_assert_uint_eq(find_range(c, 20, 10), 10);
    brim_group_drop(g);
    finish(c);
}
END_TEST

/* ---- Swept */

enum { STALE = CHECKING_BUILD ? 400 : 1000, FRESH = 50 };

/* STALE entries, ids from 0, in a group that is invalidated then; FRESH others from 5000. */
static brim_cache *stale_and_fresh(size_t capacity, unsigned shards)
{
    brim_cache *c = group_cache(capacity, shards);
    brim_group *g = make_group(c);
    brim_entry_options e = in_group(g);

    put_range(c, 5000, FRESH, NULL);
    put_range(c, 0, STALE, &e);
    ck_assert_uint_eq(count_range(c, 0, STALE), STALE);
    brim_group_invalidate(g);
    brim_group_drop(g);
    ck_assert_uint_eq(count_range(c, 0, STALE), 0);
    return c;
}

static void only_the_fresh_are_left(brim_cache *c)
{
    ck_assert_uint_eq(values_live(), FRESH);
    ck_assert_uint_eq(brim_used(c), FRESH);
    ck_assert_uint_eq(find_range(c, 5000, FRESH), FRESH);
    ck_assert_uint_eq(left_by(BRIM_INVALIDATED), STALE);
    ck_assert_uint_eq(stats_of(c).left[BRIM_INVALIDATED], STALE);
    ck_assert_uint_eq(left_by(BRIM_EVICTED), 0);
    for (int id = 0; id < STALE; id++)
        ck_assert_uint_eq(atomic_load(&left.ids[id]), 1);
    no_trouble();
}

START_TEST(test_groups_stale_entries_stay_charged_until_swept)
{
    brim_cache *c = stale_and_fresh(10000, 1);

    ck_assert_uint_eq(values_live(), STALE + FRESH);
    ck_assert_uint_eq(brim_used(c), STALE + FRESH);
    ck_assert_uint_eq(stats_of(c).count, STALE + FRESH);
    ck_assert_uint_eq(atomic_load(&left.total), 0); /* an invalidation announces nothing itself */
    finish(c);
}
END_TEST

START_TEST(test_groups_writes_sweep_at_most_64_entries_each)
{
    brim_cache *c = stale_and_fresh(10000, (unsigned)_i);
    unsigned writes = write_until(c, FRESH);

    ck_assert_uint_ge(writes, STALE / SWEEP_AT_MOST);
    only_the_fresh_are_left(c);
    finish(c);
}
END_TEST

START_TEST(test_groups_removals_and_replacements_do_not_sweep_more_either)
{
    brim_cache *c = stale_and_fresh(10000, 1);
    uint64_t key = 5000;
    brim_ref *r = brim_find(c, BRIM_KEY(key));
    brim_key *k = brim_ref_key(r);
    size_t before;

    brim_release(r);
    for (uint64_t i = 1; i < FRESH; i++) {
        before = values_destroyed();
        key = 5000 + i;
        ck_assert(brim_remove(c, BRIM_KEY(key)));
        ck_assert_uint_le(values_destroyed() - before, SWEEP_AT_MOST + 1);
        before = values_destroyed();
        ck_assert_int_eq(brim_key_replace(&k, value_new(9000 + i, 1), 1), BRIM_OK);
        ck_assert_uint_le(values_destroyed() - before, SWEEP_AT_MOST + 1);
    }
    brim_key_drop(k);
    (void)write_until(c, 1);
    ck_assert_uint_eq(left_by(BRIM_INVALIDATED), STALE);
    finish(c);
}
END_TEST

START_TEST(test_groups_trim_evicts_the_stale_before_all_else)
{
    brim_cache *c = stale_and_fresh(10000, (unsigned)_i);

    (void)brim_trim(c, FRESH);
    only_the_fresh_are_left(c);
    finish(c);
}
END_TEST

START_TEST(test_groups_trim_sweeps_also_what_would_fit)
{
    brim_cache *c = stale_and_fresh(10000, (unsigned)_i);

    (void)brim_trim(c, 10000);
    only_the_fresh_are_left(c);
    finish(c);
}
END_TEST

START_TEST(test_groups_eviction_takes_the_stale_first)
{
    brim_cache *c = stale_and_fresh(STALE + FRESH, (unsigned)_i);

    for (uint64_t i = 0; i < STALE; i++) {
        ck_assert_int_eq(put(c, 6000 + i, 6000 + i, 1), BRIM_OK);
        ck_assert_uint_le(brim_used(c), STALE + FRESH);
    }
    ck_assert_uint_eq(find_range(c, 5000, FRESH), FRESH);
    ck_assert_uint_eq(find_range(c, 6000, STALE), STALE);
    ck_assert_uint_eq(left_by(BRIM_EVICTED), 0);
    ck_assert_uint_eq(left_by(BRIM_INVALIDATED), STALE);
    finish(c);
}
END_TEST

START_TEST(test_groups_a_value_as_large_as_the_cache_finds_room_among_the_stale)
{
    brim_cache *c = stale_and_fresh(STALE + FRESH, 4);

    ck_assert_int_eq(put(c, 6000, 6000, STALE), BRIM_OK);
    ck_assert_uint_eq(found_id(c, 6000), 6000);
    ck_assert_uint_eq(find_range(c, 5000, FRESH), FRESH);
    ck_assert_uint_eq(left_by(BRIM_INVALIDATED), STALE);
    finish(c);
}
END_TEST

START_TEST(test_groups_the_listener_hears_of_each_once_however_it_leaves)
{
    brim_cache *c = stale_and_fresh(10000, 1);

    switch (_i) {
    case 0: /* inserted again under the same keys */
        for (uint64_t i = 0; i < STALE; i++)
            ck_assert_int_eq(put(c, i, 6000 + i, 1), BRIM_OK);
        ck_assert_uint_eq(left_by(BRIM_REPLACED), 0);
        ck_assert_uint_eq(left_by(BRIM_INVALIDATED), STALE);
        break;
    case 1: brim_clear(c); break;
    case 2: (void)brim_trim(c, 0); break;
    case 3: ck_assert_int_eq(brim_set_capacity(c, FRESH), BRIM_OK); break;
    default: break;
    }
    no_trouble();
    finish(c);
    for (int id = 0; id < STALE; id++)
        ck_assert_uint_eq(atomic_load(&left.ids[id]), 1);
}
END_TEST

/* ---- Loads */

START_TEST(test_groups_a_load_claimed_before_an_invalidation_does_not_publish)
{
    brim_cache *c = group_cache(1000, 1);
    brim_group *g = make_group(c);
    brim_load *load = claim_into(c, 1, g);
    brim_ref *r = NULL;

    ck_assert(brim_load_is_wanted(load));
    if (_i == 0)
        brim_group_invalidate(g);
    else
        brim_group_close(g);
    ck_assert(!brim_load_is_wanted(load));
    ck_assert_int_eq(asked(c, 1), BRIM_PENDING); /* at most one load of a key runs, overtaken or not */
    ck_assert_int_eq(brim_load_finish(load, value_new(1, 1), 1, &r), BRIM_CANCELED);
    ck_assert_uint_eq(id_of(r), 1);
    ck_assert(!brim_ref_is_cached(r));
    ck_assert(!has(c, 1));
    ck_assert_uint_eq(brim_used(c), 0);
    brim_release(r);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(atomic_load(&left.total), 0);
    ck_assert_int_eq(asked(c, 1), BRIM_CLAIMED);
    brim_group_drop(g);
    finish(c);
}
END_TEST

START_TEST(test_groups_a_load_claimed_after_an_invalidation_publishes)
{
    brim_cache *c = group_cache(1000, 1);
    brim_group *g = make_group(c), *other = make_group(c);
    brim_load *load;

    brim_group_invalidate(g);
    load = claim_into(c, 1, g);
    brim_group_invalidate(other);
    brim_group_close(other);
    ck_assert(brim_load_is_wanted(load));
    ck_assert_int_eq(brim_load_finish(load, value_new(1, 1), 1, NULL), BRIM_OK);
    ck_assert_uint_eq(found_id(c, 1), 1);
    brim_group_invalidate(g);
    ck_assert(!has(c, 1));
    brim_group_drop(g);
    brim_group_drop(other);
    finish(c);
}
END_TEST

/* Claimed into the one, finished into the other: either overtakes. */
START_TEST(test_groups_a_load_is_overtaken_by_those_of_its_claim_and_of_its_finish)
{
    brim_cache *c = group_cache(1000, 1);
    brim_group *claimed = make_group(c), *finished = make_group(c);
    brim_entry_options e = in_group(finished);
    brim_load *load = claim_into(c, 1, claimed);

    if (_i != 2)
        brim_group_invalidate(_i == 0 ? claimed : finished);
    ck_assert_int_eq(brim_load_finish_with(load, value_new(1, 1), 1, &e, NULL), _i == 2 ? BRIM_OK : BRIM_CANCELED);
    ck_assert_int_eq(has(c, 1), _i == 2);
    brim_group_invalidate(claimed);
    ck_assert_int_eq(has(c, 1), _i == 2);
    brim_group_invalidate(finished);
    ck_assert(!has(c, 1));
    brim_group_drop(claimed);
    brim_group_drop(finished);
    finish(c);
}
END_TEST

START_TEST(test_groups_a_loader_that_invalidates_its_own_publishes_nothing)
{
    brim_cache *c = group_cache(1000, 1);
    brim_group *g = make_group(c);
    brim_entry_options e = in_group(g);
    brim_claim_options o;
    brim_ref *r = NULL;
    uint64_t key = 1;

    brim_claim_options_init(&o);
    o.entry = &e;
    loader_runs = 0;
    ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, counting_loader, g, &r), BRIM_OK);
    ck_assert_uint_eq(id_of(r), 101);
    ck_assert(!brim_ref_is_cached(r));
    ck_assert(!has(c, 1));
    brim_release(r);
    ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, counting_loader, NULL, &r), BRIM_OK);
    ck_assert_uint_eq(id_of(r), 102);
    ck_assert(brim_ref_is_cached(r));
    brim_release(r);
    ck_assert_uint_eq(found_id(c, 1), 102);
    brim_group_drop(g);
    finish(c);
}
END_TEST

static brim_status loads_loader(const void *key, size_t len, void *arg, void **v, size_t *cost)
{
    (void)key, (void)len;
    EXPECT(brim_group_loads(arg) == 1);
    *v = value_new(1, 1);
    *cost = 1;
    return BRIM_OK;
}

START_TEST(test_groups_know_how_many_loads_are_under_way)
{
    brim_cache *c = group_cache(1000, 1);
    brim_group *g = make_group(c), *other = make_group(c);
    brim_entry_options e = in_group(g);
    brim_claim_options o;
    brim_load *loads[4];
    brim_ref *r = NULL;
    uint64_t key = 9, canceled = 3;

    brim_claim_options_init(&o);
    o.timeout_ms = 0;
    o.entry = &e;
    ck_assert_uint_eq(brim_group_loads(g), 0);
    ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, loads_loader, g, &r), BRIM_OK);
    brim_release(r);
    ck_assert_uint_eq(brim_group_loads(g), 0);
    for (uint64_t i = 0; i < 4; i++)
        loads[i] = claim_into(c, i, g);
    ck_assert_uint_eq(brim_group_loads(g), 4);
    ck_assert_uint_eq(brim_group_loads(other), 0);
    ck_assert_int_eq(brim_load_finish(loads[0], value_new(2, 1), 1, NULL), BRIM_OK);
    ck_assert_uint_eq(brim_group_loads(g), 3);
    brim_load_fail(loads[1], 7);
    ck_assert_uint_eq(brim_group_loads(g), 2);
    brim_group_close(g);
    ck_assert_uint_eq(brim_group_loads(g), 2); /* overtaken, but still under way */
    key = 10;
    ck_assert_int_eq(brim_claim_with(c, BRIM_KEY(key), &o, &r, &loads[0]), BRIM_CANCELED);
    ck_assert_uint_eq(brim_group_loads(g), 2);
    (void)brim_load_cancel(c, BRIM_KEY(canceled));
    ck_assert_uint_eq(brim_group_loads(g), 2);
    ck_assert_int_eq(brim_load_finish(loads[2], value_new(3, 1), 1, NULL), BRIM_CANCELED);
    ck_assert_uint_eq(brim_group_loads(g), 1);
    ck_assert_int_eq(brim_load_finish(loads[3], value_new(4, 1), 1, NULL), BRIM_CANCELED);
    ck_assert_uint_eq(brim_group_loads(g), 0);
    brim_group_drop(g);
    brim_group_drop(other);
    finish(c);
}
END_TEST

START_TEST(test_groups_a_load_into_one_named_twice_is_one)
{
    brim_cache *c = group_cache(1000, 1);
    brim_group *g = make_group(c), *last = make_group(c);
    brim_entry_options e = in_group(g);
    brim_claim_options o;
    brim_load *load = NULL;
    brim_ref *r = NULL;
    uint64_t key = 1;

    e.more_groups[1] = g;
    e.more_groups[2] = last;
    brim_claim_options_init(&o);
    o.entry = &e;
    ck_assert_int_eq(brim_claim_with(c, BRIM_KEY(key), &o, &r, &load), BRIM_CLAIMED);
    ck_assert_uint_eq(brim_group_loads(g), 1);
    ck_assert_uint_eq(brim_group_loads(last), 1);
    brim_load_fail(load, 1);
    ck_assert_uint_eq(brim_group_loads(g), 0);
    ck_assert_uint_eq(brim_group_loads(last), 0);
    brim_group_drop(g);
    brim_group_drop(last);
    finish(c);
}
END_TEST

/* ---- From inside callbacks */

static struct {
    brim_cache *cache;
    brim_group *group;
    unsigned calls;
} inside;

static void invalidating_destroy(void *v, size_t cost, void *arg)
{
    brim_entry_options e = in_group(inside.group);

    inside.calls++;
    brim_group_invalidate(inside.group);
    EXPECT(!has(inside.cache, 2));
    EXPECT(put_with(inside.cache, 3, 3, 1, &e, NULL) == BRIM_OK);
    EXPECT(has(inside.cache, 3));
    value_destroy(v, cost, arg);
}

START_TEST(test_groups_may_be_invalidated_in_a_destructor)
{
    static const brim_kind kind = {.size = sizeof(brim_kind), .destroy = invalidating_destroy};
    brim_entry_options e;
    uint64_t key = 1;

    memset(&inside, 0, sizeof inside);
    inside.cache = group_cache(1000, 1);
    inside.group = make_group(inside.cache);
    e = in_group(inside.group);
    put_range(inside.cache, 2, 1, &e);
    brim_entry_options_init(&e);
    e.kind = &kind;
    ck_assert_int_eq(put_with(inside.cache, key, 1, 1, &e, NULL), BRIM_OK);
    ck_assert(brim_remove(inside.cache, BRIM_KEY(key)));
    ck_assert_uint_eq(inside.calls, 1);
    ck_assert(!has(inside.cache, 2));
    ck_assert_uint_eq(found_id(inside.cache, 3), 3);
    brim_group_drop(inside.group);
    finish(inside.cache);
}
END_TEST

/* ---- Threads: what was inserted, or claimed, before an invalidation that has returned is not found after */

enum { RACE_KEYS = 32 };

typedef struct stamped {
    uint64_t magic, key;
    atomic_ullong before; /* invalidations with this number or a later one began after it was inserted */
} stamped;

static struct {
    brim_cache *cache;
    brim_group *group;
    atomic_ullong begun, returned, hits, published, overtaken, inserted;
    atomic_ullong live;
    atomic_bool ends;
} race;

static void stamped_destroy(void *p, size_t cost, void *arg)
{
    stamped *s = p;

    (void)cost, (void)arg;
    EXPECT(s->magic == LEFT_IDS);
    s->magic = 0;
    atomic_fetch_sub(&race.live, 1);
    free(s);
}

static const brim_kind stamped_kind = {.size = sizeof(brim_kind), .destroy = stamped_destroy};

static stamped *stamped_new(uint64_t key, unsigned long long before)
{
    stamped *s = malloc(sizeof *s);

    if (s == NULL)
        abort();
    s->magic = LEFT_IDS;
    s->key = key;
    atomic_init(&s->before, before);
    atomic_fetch_add(&race.live, 1);
    return s;
}

static void race_insert(uint64_t key)
{
    brim_entry_options e = in_group(race.group);
    stamped *s = stamped_new(key, ULLONG_MAX);
    brim_ref *r = NULL;
    brim_status status = brim_insert_with(race.cache, BRIM_KEY(key), s, 1, &e, &r);

    EXPECT_MSG(status == BRIM_OK, "status %d", (int)status);
    if (status != BRIM_OK) {
        stamped_destroy(s, 1, NULL);
        return;
    }
    atomic_store(&s->before, atomic_load(&race.begun));
    brim_release(r);
    atomic_fetch_add(&race.inserted, 1);
}

static void race_load(uint64_t key)
{
    brim_entry_options e = in_group(race.group);
    brim_claim_options o;
    brim_ref *r = NULL;
    brim_load *load = NULL;
    brim_status status;

    brim_claim_options_init(&o);
    o.timeout_ms = 0;
    o.entry = &e;
    status = brim_claim_with(race.cache, BRIM_KEY(key), &o, &r, &load);
    brim_release(r);
    if (status != BRIM_CLAIMED)
        return;
    status = brim_load_finish(load, stamped_new(key, atomic_load(&race.begun)), 1, NULL);
    EXPECT(status == BRIM_OK || status == BRIM_CANCELED);
    atomic_fetch_add(status == BRIM_OK ? &race.published : &race.overtaken, 1);
}

static void race_judge(const brim_ref *r, uint64_t key, unsigned long long returned)
{
    stamped *s = brim_ref_value(r);
    unsigned long long before;

    if (s == NULL)
        return;
    before = atomic_load(&s->before);
    EXPECT(s->magic == LEFT_IDS && s->key == key);
    EXPECT_MSG(before == ULLONG_MAX || returned <= before, "after %llu invalidations, from before number %llu",
               returned, before);
    atomic_fetch_add(&race.hits, 1);
}

static void race_find(uint64_t key, bool many)
{
    unsigned long long returned = atomic_load(&race.returned);
    uint64_t names[4] = {key, key, key, key};
    brim_ref *refs[4] = {NULL};
    unsigned n = many ? 4 : 1;

    if (many)
        (void)brim_find_fixed(race.cache, names, 8, 8, n, refs);
    else
        refs[0] = brim_find(race.cache, BRIM_KEY(key));
    for (unsigned i = 0; i < n; i++)
        race_judge(refs[i], key, returned);
    brim_release_many(refs, n);
}

/* By a key that was made some time ago; ${*old} is the caller's. */
static void race_find_by_key(uint64_t key, brim_key **old)
{
    unsigned long long returned = atomic_load(&race.returned);
    bool valid = brim_key_is_valid(*old);
    brim_ref *r = brim_key_find(*old);
    size_t len = 0;

    if (r != NULL) {
        uint64_t its_key = 0;

        EXPECT(valid);
        memcpy(&its_key, brim_ref_key_bytes(r, &len), sizeof its_key);
        race_judge(r, its_key, returned);
        brim_release(r);
        return;
    }
    r = brim_find(race.cache, BRIM_KEY(key));
    brim_key_drop(*old);
    *old = brim_ref_key(r);
    brim_release(r);
}

static void race_thread(unsigned id, void *arg)
{
    uint64_t state = 77 + id;
    brim_key *old = NULL;

    (void)arg;
    while (!atomic_load(&race.ends)) {
        uint64_t x = random_next(&state), key = x % RACE_KEYS;

        switch (x >> 60) {
        case 0:
        case 1: race_insert(key); break;
        case 2:
        case 3: race_load(key); break;
        case 4:
        case 5: race_find_by_key(key, &old); break;
        case 6: race_find(key, true); break;
        default: race_find(key, false); break;
        }
    }
    brim_key_drop(old);
}

START_TEST(test_groups_nothing_from_before_an_invalidation_is_found_after_it)
{
    brim_options o = value_options(RACE_KEYS * 4);
    crew threads;

    memset(&race, 0, sizeof race);
    o.kind = &stamped_kind;
    o.borrow = _i == 1;
    o.shards = _i == 2 ? 4 : 1;
    race.cache = make_cache(&o);
    race.group = make_group(race.cache);
    crew_start(&threads, 3, race_thread, NULL);
    for (int i = 0; i < SCALED(400) && !in_trouble(); i++) {
        unsigned long long hits = atomic_load(&race.hits), inserted = atomic_load(&race.inserted);

        while (atomic_load(&race.hits) < hits + 10 || atomic_load(&race.inserted) < inserted + 5)
            sched_yield();
        atomic_fetch_add(&race.begun, 1);
        brim_group_invalidate(race.group);
        atomic_fetch_add(&race.returned, 1);
    }
    atomic_store(&race.ends, true);
    crew_join(&threads);
    ck_assert_uint_gt(atomic_load(&race.published), 0);
    ck_assert_uint_gt(stats_of(race.cache).misses, 0);
    brim_group_invalidate(race.group);
    for (uint64_t key = 0; key < RACE_KEYS; key++)
        ck_assert(!has(race.cache, key));
    (void)brim_trim(race.cache, 0);
    settle_cache(race.cache);
    ck_assert_uint_eq(brim_used(race.cache), 0);
    brim_group_drop(race.group);
    finish(race.cache);
    ck_assert_uint_eq(atomic_load(&race.live), 0);
}
END_TEST

/* ---- Threads: a closed group without loads reads from nothing any more */

static struct {
    brim_cache *cache;
    brim_group *group;
    atomic_bool file_closed;
    atomic_uint claims, canceled;
} file;

static void file_thread(unsigned id, void *arg)
{
    brim_entry_options e = in_group(file.group);
    brim_claim_options o;
    brim_status s = BRIM_OK;

    (void)arg;
    brim_claim_options_init(&o);
    o.timeout_ms = 0;
    o.entry = &e;
    for (uint64_t i = 0; s != BRIM_CANCELED; i++) {
        uint64_t key = i * 4 + id;
        brim_ref *r = NULL;
        brim_load *load = NULL;

        s = brim_claim_with(file.cache, BRIM_KEY(key), &o, &r, &load);
        EXPECT(s == BRIM_CLAIMED || s == BRIM_CANCELED);
        if (s != BRIM_CLAIMED)
            break;
        atomic_fetch_add(&file.claims, 1);
        EXPECT(!atomic_load(&file.file_closed));
        sched_yield();
        EXPECT(!atomic_load(&file.file_closed));
        if (i % 2 == 0)
            brim_load_fail(load, 1);
        else
            (void)brim_load_finish(load, NULL, 1, NULL);
    }
    atomic_fetch_add(&file.canceled, 1);
}

START_TEST(test_groups_after_close_the_last_load_ends_and_none_begins)
{
    enum { THREADS = 4 };

    for (int round = 0; round < SCALED(40); round++) {
        crew threads;

        memset(&file, 0, sizeof file);
        file.cache = make_value_cache(100);
        file.group = make_group(file.cache);
        crew_start(&threads, THREADS, file_thread, NULL);
        while (atomic_load(&file.claims) < 20)
            sched_yield();
        brim_group_close(file.group);
        while (brim_group_loads(file.group) != 0)
            sched_yield();
        atomic_store(&file.file_closed, true);
        crew_join(&threads);
        ck_assert_uint_eq(atomic_load(&file.canceled), THREADS);
        ck_assert_uint_eq(brim_group_loads(file.group), 0);
        brim_group_drop(file.group);
        finish(file.cache);
    }
}
END_TEST

/* ---- Threads: groups that come and go in shared places */

enum { PLACES = 4 };

static struct {
    brim_cache *cache;
    pthread_mutex_t mutex;
    brim_group *places[PLACES];
    atomic_uint oks, canceled, made;
} shared;

static brim_group *shared_take(uint64_t place)
{
    brim_group *g;

    pthread_mutex_lock(&shared.mutex);
    g = brim_group_copy(shared.places[place]);
    pthread_mutex_unlock(&shared.mutex);
    return g;
}

static void shared_change(uint64_t place)
{
    brim_group *g = brim_group_new(shared.cache), *old;

    EXPECT(g != NULL);
    pthread_mutex_lock(&shared.mutex);
    old = shared.places[place];
    shared.places[place] = g;
    pthread_mutex_unlock(&shared.mutex);
    brim_group_drop(old);
    atomic_fetch_add(&shared.made, 1);
}

static void shared_insert(uint64_t x, brim_group *g, brim_group *h)
{
    brim_entry_options e = in_group(g);
    brim_status s;

    e.more_groups[1] = h;
    s = put_with(shared.cache, x % 64, x % 64, 1, &e, NULL);
    EXPECT_MSG(s == BRIM_OK || s == BRIM_CANCELED, "status %d", (int)s);
    atomic_fetch_add(s == BRIM_OK ? &shared.oks : &shared.canceled, 1);
}

static void shared_thread(unsigned id, void *arg)
{
    uint64_t state = 5 + id;

    (void)arg;
    for (int i = 0; i < SCALED(4000); i++) {
        uint64_t x = random_next(&state);
        brim_group *g = shared_take(x % PLACES), *h = shared_take(x / PLACES % PLACES);

        switch (x >> 60) {
        case 0: brim_group_invalidate(g); break;
        case 1: brim_group_close(g); break;
        case 2: shared_change(x % PLACES); break;
        case 3:
        case 4: (void)found_id(shared.cache, x % 64); break;
        default: shared_insert(x / 16, g, h); break;
        }
        brim_group_drop(g);
        brim_group_drop(h);
    }
}

START_TEST(test_groups_come_and_go_among_threads)
{
    brim_options o = value_options(40);
    heap h;

    heap_init(&h);
    memset(&shared, 0, sizeof shared);
    o.allocator = &h.allocator;
    o.shards = 2;
    shared.cache = make_cache(&o);
    pthread_mutex_init(&shared.mutex, NULL);
    for (uint64_t i = 0; i < PLACES; i++)
        shared.places[i] = make_group(shared.cache);
    crew_do(4, shared_thread, NULL);
    ck_assert_uint_gt(atomic_load(&shared.oks), 0);
    ck_assert_uint_gt(atomic_load(&shared.canceled), 0);
    ck_assert_uint_gt(atomic_load(&shared.made), 0);
    for (uint64_t i = 0; i < PLACES; i++) { /* they still work */
        brim_entry_options e;

        shared_change(i);
        e = in_group(shared.places[i]);
        ck_assert_int_eq(put_with(shared.cache, 100 + i, 100 + i, 1, &e, NULL), BRIM_OK);
        ck_assert_uint_eq(found_id(shared.cache, 100 + i), 100 + i);
        brim_group_invalidate(shared.places[i]);
        ck_assert(!has(shared.cache, 100 + i));
    }
    for (uint64_t i = 0; i < PLACES / 2; i++)
        brim_group_drop(shared.places[i]);
    finish(shared.cache);
    for (uint64_t i = PLACES / 2; i < PLACES; i++)
        brim_group_drop(shared.places[i]);
    pthread_mutex_destroy(&shared.mutex);
    ck_assert_uint_eq(atomic_load(&h.live), 0);
}
END_TEST

/* What is loaded meanwhile is newer, and is published. */
START_TEST(test_groups_a_stale_value_released_for_good_leaves_for_its_cause)
{
    brim_options o = left_options(1000, 1);
    brim_cache *c = make_cache(&o);
    brim_group *g = brim_group_new(c);
    brim_ref *old = NULL, *none = NULL;
    brim_load *load = NULL;
    uint64_t key = 1;
    brim_entry_options e;

    brim_entry_options_init(&e);
    e.group = g;
    ck_assert_int_eq(put_with(c, key, 1, 10, &e, &old), BRIM_OK);
    brim_group_invalidate(g);
    ck_assert_int_eq(brim_claim(c, BRIM_KEY(key), 0, &none, &load), BRIM_CLAIMED);
    ck_assert(brim_release_with(old, BRIM_REMOVE_IF_LAST));
    ck_assert_uint_eq(left_by(BRIM_INVALIDATED), 1);
    ck_assert_uint_eq(left_by(BRIM_REMOVED), 0);
    ck_assert(brim_load_is_wanted(load));
    ck_assert_int_eq(brim_load_finish(load, value_new(2, 10), 10, NULL), BRIM_OK);
    ck_assert_uint_eq(found_id(c, key), 2);
    brim_group_drop(g);
    finish(c);
}
END_TEST

START_TEST(test_groups_a_stale_value_in_a_slot_is_a_miss_that_counts)
{
    brim_options o = left_options(1000, 1);
    brim_cache *c = make_cache(&o);
    brim_group *g = brim_group_new(c);
    brim_slot slot = BRIM_SLOT_INIT;
    brim_ref *r = NULL;
    brim_entry_options e;

    brim_entry_options_init(&e);
    e.group = g;
    ck_assert_int_eq(put_with(c, 1, 1, 10, &e, &r), BRIM_OK);
    brim_slot_store(&slot, brim_ref_key(r));
    brim_release(r);
    brim_group_invalidate(g);
    ck_assert_ptr_null(brim_slot_find(&slot));
    ck_assert_uint_eq(stats_of(c).misses, 1);
    ck_assert_uint_eq(stats_of(c).hits, 0);
    brim_slot_store(&slot, NULL);
    brim_group_drop(g);
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("groups");

    tcase_add_loop_test(tc, test_groups_an_entry_dies_with_each_of_its_four, 0, GROUPS);
    tcase_add_loop_test(tc, test_groups_each_place_in_the_options_counts_alone, 0, GROUPS);
    tcase_add_test(tc, test_groups_the_same_one_may_be_named_twice);
    tcase_add_test(tc, test_groups_anonymous_entries_die_too);
    tcase_add_loop_test(tc, test_groups_an_invalidation_is_seen_by_every_look_up, 0, 2 * LOOKS);
    tcase_add_test(tc, test_groups_what_is_invalid_can_be_neither_removed_nor_replaced);
    tcase_add_test(tc, test_groups_only_if_absent_does_not_see_what_is_stale);
    tcase_add_test(tc, test_groups_an_invalidated_one_can_be_used_again);
    tcase_add_test(tc, test_groups_nothing_comes_back_after_any_number_of_invalidations);
    tcase_add_test(tc, test_groups_held_and_borrowed_values_outlive_an_invalidation);
    tcase_add_loop_test(tc, test_groups_a_closed_one_is_as_invalidated_and_refuses_inserts, 0, GROUPS);
    tcase_add_test(tc, test_groups_insert_or_wrap_into_a_closed_one_gives_an_uncharged_value);
    tcase_add_test(tc, test_groups_a_closed_one_refuses_loads);
    tcase_add_test(tc, test_groups_finish_into_a_closed_one_is_canceled);
    tcase_add_loop_test(tc, test_groups_one_of_another_cache_is_invalid_and_changes_nothing, 0, 2 * GROUPS);
    tcase_add_test(tc, test_groups_null_is_the_group_of_nothing);
    tcase_add_loop_test(tc, test_groups_replace_by_handle_keeps_them, 0, GROUPS + 1);
    tcase_add_test(tc, test_groups_key_get_loads_into_the_old_ones);
    tcase_add_test(tc, test_groups_may_end_in_every_order_with_entries_keys_refs_and_cache);
    tcase_add_test(tc, test_groups_calls_on_one_after_its_cache_was_freed);
    tcase_add_test(tc, test_groups_a_copy_is_the_same_and_entries_need_none);
    tcase_add_test(tc, test_groups_that_follow_one_another_do_not_know_each_others_entries);
    tcase_add_test(tc, test_groups_that_come_and_go_leave_no_memory);
    tcase_add_test(tc, test_groups_no_memory_for_one_is_null_and_invalidation_needs_none);
    tcase_add_test(tc, test_groups_stale_entries_stay_charged_until_swept);
    tcase_add_loop_test(tc, test_groups_writes_sweep_at_most_64_entries_each, 1, 5);
    tcase_add_test(tc, test_groups_removals_and_replacements_do_not_sweep_more_either);
    tcase_add_loop_test(tc, test_groups_trim_evicts_the_stale_before_all_else, 1, 5);
    tcase_add_loop_test(tc, test_groups_trim_sweeps_also_what_would_fit, 1, 5);
    tcase_add_loop_test(tc, test_groups_eviction_takes_the_stale_first, 1, 5);
    tcase_add_test(tc, test_groups_a_value_as_large_as_the_cache_finds_room_among_the_stale);
    tcase_add_loop_test(tc, test_groups_the_listener_hears_of_each_once_however_it_leaves, 0, 5);
    tcase_add_test(tc, test_groups_a_stale_value_released_for_good_leaves_for_its_cause);
    tcase_add_test(tc, test_groups_a_stale_value_in_a_slot_is_a_miss_that_counts);
    tcase_add_loop_test(tc, test_groups_a_load_claimed_before_an_invalidation_does_not_publish, 0, 2);
    tcase_add_test(tc, test_groups_a_load_claimed_after_an_invalidation_publishes);
    tcase_add_loop_test(tc, test_groups_a_load_is_overtaken_by_those_of_its_claim_and_of_its_finish, 0, 3);
    tcase_add_test(tc, test_groups_a_loader_that_invalidates_its_own_publishes_nothing);
    tcase_add_test(tc, test_groups_know_how_many_loads_are_under_way);
    tcase_add_test(tc, test_groups_a_load_into_one_named_twice_is_one);
    tcase_add_test(tc, test_groups_may_be_invalidated_in_a_destructor);
    tcase_add_loop_test(tc, test_groups_nothing_from_before_an_invalidation_is_found_after_it, 0, 3);
    tcase_add_test(tc, test_groups_after_close_the_last_load_ends_and_none_begins);
    tcase_add_test(tc, test_groups_come_and_go_among_threads);
    return suite_run(tc);
}
