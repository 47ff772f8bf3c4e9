/* SPDX-License-Identifier: MIT
 *
 * Kinds: what a floor guarantees, what a ceiling limits, given in brim_kind or later; `unused'; statistics by kind.
 */
#include "support/support.h"
#include <sched.h>

enum { CAPACITY = 100, FIRST = 1000, OTHERS = 5000 }; /* keys of the kind in question, and of the others */

#define KIND(...) {.size = sizeof(brim_kind), .destroy = value_destroy, __VA_ARGS__}
static const brim_kind plain = KIND(.name = "plain");
static const brim_kind other = KIND(.name = "other");
static const brim_kind floor_50 = KIND(.name = "floor 50", .floor = 50);
static const brim_kind ceiling_30 = KIND(.name = "ceiling 30", .ceiling = 30);

static const unsigned shard_counts[] = {1, 4, 0};
enum { SHARD_COUNTS = sizeof shard_counts / sizeof shard_counts[0] };

static brim_cache *cache_of(unsigned shards)
{
    brim_options o = value_options(CAPACITY);

    o.shards = shards;
    o.expected_cost = 5;
    return make_cache(&o);
}

static brim_status put_as(brim_cache *c, const brim_kind *kind, uint64_t key, size_t cost, brim_ref **out)
{
    value *v = value_new(key, cost);
    brim_entry_options e;
    brim_status s;

    brim_entry_options_init(&e);
    e.kind = kind;
    s = brim_insert_with(c, BRIM_KEY(key), v, cost, &e, out);
    if (s != BRIM_OK)
        value_discard(v);
    return s;
}

static void fill(brim_cache *c, const brim_kind *kind, uint64_t from, unsigned n, size_t cost)
{
    for (uint64_t key = from; key < from + n; key++)
        ck_assert_int_eq(put_as(c, kind, key, cost, NULL), BRIM_OK);
}

static void fill_held(brim_cache *c, const brim_kind *kind, uint64_t from, unsigned n, size_t cost, brim_ref *refs[])
{
    for (unsigned i = 0; i < n; i++)
        ck_assert_int_eq(put_as(c, kind, from + i, cost, &refs[i]), BRIM_OK);
}

static unsigned found(brim_cache *c, uint64_t from, unsigned n)
{
    unsigned there = 0;

    for (uint64_t key = from; key < from + n; key++)
        there += has(c, key);
    return there;
}

static brim_stats of_kind(brim_cache *c, const brim_kind *kind)
{
    brim_stats s;

    brim_stats_get_sized(c, kind, &s, sizeof s);
    return s;
}

static size_t used_by(brim_cache *c, const brim_kind *kind)
{
    return of_kind(c, kind).used;
}

/* ---- Floors */

START_TEST(test_kinds_at_its_floor_a_kind_is_not_evicted_for_others)
{
    brim_cache *c = cache_of(shard_counts[_i]);

    fill(c, &floor_50, FIRST, 10, 5);
    for (uint64_t i = 0; i < 500; i++) {
        ck_assert_int_eq(put_as(c, &other, OTHERS + i, 5, NULL), BRIM_OK);
        if (i % 50 == 0)
            ck_assert_uint_eq(found(c, FIRST, 10), 10);
    }
    ck_assert_uint_eq(found(c, FIRST, 10), 10);
    ck_assert_uint_eq(used_by(c, &floor_50), 50);
    ck_assert_uint_eq(of_kind(c, &floor_50).left[BRIM_EVICTED], 0);
    ck_assert_uint_ge(of_kind(c, &other).left[BRIM_EVICTED], 490);
    finish(c);
}
END_TEST

START_TEST(test_kinds_below_its_floor_a_kind_is_not_evicted_for_others)
{
    brim_cache *c = cache_of(shard_counts[_i]);

    fill(c, &floor_50, FIRST, 4, 5);
    fill(c, &other, OTHERS, 300, 5);
    ck_assert_uint_eq(found(c, FIRST, 4), 4);
    ck_assert_int_eq(put_as(c, &other, OTHERS, 50, NULL), BRIM_OK);
    ck_assert_uint_eq(found(c, FIRST, 4), 4);
    brim_clear(c);
    fill(c, &other, OTHERS, 20, 5);
    fill(c, &floor_50, FIRST, 1, 5);
    fill(c, &other, OTHERS, 300, 5);
    ck_assert_uint_eq(found(c, FIRST, 1), 1);
    finish(c);
}
END_TEST

/* The second time the floor lies within an entry. */
START_TEST(test_kinds_above_its_floor_a_kind_gives_way_down_to_it)
{
    brim_kind kind = KIND(.name = "kind", .floor = _i == 0 ? 50 : 52);
    brim_cache *c = cache_of(1);
    size_t used = 0;

    fill(c, &kind, FIRST, 10, 10);
    ck_assert_uint_eq(used_by(c, &kind), CAPACITY);
    for (uint64_t i = 0; i < 300; i++) {
        ck_assert_int_eq(put_as(c, &other, OTHERS + i, 10, NULL), BRIM_OK);
        used = used_by(c, &kind);
        ck_assert_uint_ge(used, kind.floor);
    }
    ck_assert_uint_lt(used, CAPACITY);
    ck_assert_uint_eq(found(c, FIRST, 10), used / 10);
    finish(c);
}
END_TEST

START_TEST(test_kinds_what_only_a_floor_could_make_room_for_gets_full)
{
    brim_cache *c = cache_of(shard_counts[_i]);

    fill(c, &floor_50, FIRST, 10, 5);
    ck_assert_int_eq(put_as(c, &other, OTHERS, 51, NULL), BRIM_FULL);
    ck_assert_int_eq(brim_reserve(c, 51), BRIM_FULL);
    ck_assert_uint_eq(found(c, FIRST, 10), 10);
    ck_assert_int_eq(put_as(c, &other, OTHERS, 50, NULL), BRIM_OK);
    ck_assert_int_eq(put_as(c, &other, OTHERS + 1, 50, NULL), BRIM_OK);
    ck_assert_int_eq(brim_reserve(c, 50), BRIM_OK);
    brim_unreserve(c, 50);
    ck_assert_uint_eq(found(c, FIRST, 10), 10);
    ck_assert_uint_eq(of_kind(c, &other).refused, 1);
    finish(c);
}
END_TEST

START_TEST(test_kinds_at_its_floor_a_kind_evicts_its_own_for_its_own)
{
    brim_cache *c = cache_of(shard_counts[_i]);
    brim_ref *held[10];

    fill_held(c, &other, OTHERS, 10, 5, held);
    fill(c, &floor_50, FIRST, 10, 5);
    for (uint64_t i = 10; i < 100; i++) {
        ck_assert_int_eq(put_as(c, &floor_50, FIRST + i, 5, NULL), BRIM_OK);
        ck_assert(has(c, FIRST + i));
        ck_assert_uint_eq(used_by(c, &floor_50), 50);
    }
    ck_assert_uint_eq(of_kind(c, &floor_50).left[BRIM_EVICTED], 90);
    brim_release_many(held, 10);
    finish(c);
}
END_TEST

START_TEST(test_kinds_floors_of_several_kinds_hold_at_once)
{
    brim_kind kinds[] = {KIND(.floor = 20), KIND(.floor = 30), KIND(.floor = 40)};
    brim_cache *c = cache_of(shard_counts[_i]);

    for (unsigned k = 0; k < 3; k++)
        fill(c, &kinds[k], FIRST * (k + 1), 4 + 2 * k, 5);
    fill(c, &other, OTHERS, 300, 5);
    for (unsigned k = 0; k < 3; k++)
        ck_assert_uint_eq(found(c, FIRST * (k + 1), 4 + 2 * k), 4 + 2 * k);
    ck_assert_int_eq(put_as(c, &other, OTHERS, 10, NULL), BRIM_OK);
    ck_assert_uint_eq(found(c, FIRST, 4) + found(c, 2 * FIRST, 6) + found(c, 3 * FIRST, 8), 18);
    finish(c);
}
END_TEST

START_TEST(test_kinds_trim_and_set_capacity_do_not_know_floors)
{
    brim_cache *c = cache_of(shard_counts[_i]);

    fill(c, &floor_50, FIRST, 10, 5);
    ck_assert_uint_eq(brim_trim(c, 20), 30);
    ck_assert_uint_eq(brim_used(c), 20);
    ck_assert_uint_eq(brim_trim_kind(c, &floor_50, 10), 10);
    ck_assert_uint_eq(used_by(c, &floor_50), 10);
    ck_assert_uint_eq(brim_trim(c, 0), 10);
    fill(c, &floor_50, FIRST, 10, 5);
    ck_assert_int_eq(brim_set_capacity(c, 10), BRIM_OK);
    ck_assert_uint_le(used_by(c, &floor_50), 10);
    ck_assert_int_eq(brim_set_capacity(c, CAPACITY), BRIM_OK);
    brim_clear(c);
    fill(c, &floor_50, FIRST, 10, 5);
    fill(c, &other, OTHERS, 100, 5);
    ck_assert_uint_eq(found(c, FIRST, 10), 10);
    finish(c);
}
END_TEST

/* ---- Ceilings */

START_TEST(test_kinds_above_its_ceiling_a_kind_evicts_its_own)
{
    brim_cache *c = cache_of(shard_counts[_i]);

    fill(c, &other, OTHERS, 14, 5);
    for (uint64_t i = 0; i < 200; i++) {
        ck_assert_int_eq(put_as(c, &ceiling_30, FIRST + i, 5, NULL), BRIM_OK);
        ck_assert(has(c, FIRST + i));
        ck_assert_uint_le(used_by(c, &ceiling_30), 30);
    }
    ck_assert_uint_eq(found(c, OTHERS, 14), 14);
    ck_assert_uint_eq(of_kind(c, &other).left[BRIM_EVICTED], 0);
    ck_assert_uint_ge(of_kind(c, &ceiling_30).left[BRIM_EVICTED], 194);
    finish(c);
}
END_TEST

START_TEST(test_kinds_with_its_ceiling_held_a_kind_gets_full)
{
    brim_cache *c = cache_of(shard_counts[_i]);
    brim_ref *held[6], *out = (brim_ref *)&c;
    uint64_t first = FIRST;

    fill_held(c, &ceiling_30, FIRST, 6, 5, held);
    ck_assert_int_eq(put_as(c, &ceiling_30, 1, 1, &out), BRIM_FULL);
    ck_assert_ptr_null(out);
    ck_assert_uint_eq(of_kind(c, &ceiling_30).refused, 1);
    ck_assert_uint_eq(found(c, FIRST, 6), 6);
    ck_assert(brim_remove(c, BRIM_KEY(first))); /* until its destruction it counts */
    ck_assert_int_eq(put_as(c, &ceiling_30, 1, 1, NULL), BRIM_FULL);
    fill(c, &other, OTHERS, 14, 5); /* others have room */
    brim_release(held[0]);
    ck_assert_int_eq(put_as(c, &ceiling_30, 1, 5, NULL), BRIM_OK);
    brim_release_many(held + 1, 5);
    ck_assert_int_eq(put_as(c, &ceiling_30, 2, 30, NULL), BRIM_OK);
    ck_assert_uint_eq(used_by(c, &ceiling_30), 30);
    finish(c);
}
END_TEST

/* Which of the two it is called, brim.h leaves open. */
START_TEST(test_kinds_a_value_above_its_ceiling_is_refused)
{
    brim_cache *c = cache_of(shard_counts[_i]);
    brim_status s;

    fill(c, &other, OTHERS, 14, 5);
    fill(c, &ceiling_30, FIRST, 6, 5);
    s = put_as(c, &ceiling_30, FIRST, 31, NULL);
    ck_assert_msg(s == BRIM_FULL || s == BRIM_TOO_BIG, "status %d", (int)s);
    ck_assert_int_eq(put_as(c, &ceiling_30, 1, CAPACITY + 1, NULL), BRIM_TOO_BIG);
    ck_assert_uint_eq(found(c, OTHERS, 14), 14);
    ck_assert_uint_eq(of_kind(c, &ceiling_30).refused, 2);
    ck_assert_uint_le(used_by(c, &ceiling_30), 30);
    finish(c);
}
END_TEST

START_TEST(test_kinds_replacing_within_a_ceiling)
{
    brim_cache *c = cache_of(1);
    brim_ref *held = NULL;

    ck_assert_int_eq(put_as(c, &ceiling_30, FIRST, 20, NULL), BRIM_OK);
    ck_assert_int_eq(put_as(c, &ceiling_30, FIRST, 25, NULL), BRIM_OK); /* not both: the old one went first */
    ck_assert_uint_eq(used_by(c, &ceiling_30), 25);
    ck_assert_int_eq(put_as(c, &ceiling_30, FIRST, 15, &held), BRIM_OK);
    ck_assert_int_eq(put_as(c, &ceiling_30, FIRST, 16, NULL), BRIM_FULL);
    ck_assert(value_alive(brim_ref_value(held), FIRST));
    ck_assert_int_eq(put_as(c, &other, FIRST, 50, NULL), BRIM_OK); /* of another kind: it may */
    brim_release(held);
    ck_assert_uint_eq(used_by(c, &ceiling_30), 0);
    finish(c);
}
END_TEST

START_TEST(test_kinds_a_cost_set_later_stays_below_the_ceiling)
{
    brim_cache *c = cache_of(shard_counts[_i]);
    brim_ref *held = NULL;
    value *v;

    fill(c, &other, OTHERS, 14, 5);
    ck_assert_int_eq(put_as(c, &ceiling_30, FIRST, 10, &held), BRIM_OK);
    v = brim_ref_value(held);
    ck_assert_int_eq(put_as(c, &ceiling_30, FIRST + 1, 20, NULL), BRIM_OK);
    ck_assert_int_eq(brim_ref_set_cost(held, 31), BRIM_FULL);
    ck_assert_uint_eq(brim_ref_cost(held), 10);
    ck_assert_int_eq(brim_ref_set_cost(held, 30), BRIM_OK); /* evicts the kind's other value, and no other */
    v->cost = 30;
    ck_assert_uint_eq(used_by(c, &ceiling_30), 30);
    ck_assert(!has(c, FIRST + 1));
    ck_assert_uint_eq(found(c, OTHERS, 14), 14);
    brim_release(held);
    finish(c);
}
END_TEST

START_TEST(test_kinds_wrapped_values_are_no_part_of_a_ceiling)
{
    brim_cache *c = cache_of(1);
    brim_entry_options e;
    brim_ref *wrapped = NULL;

    brim_entry_options_init(&e);
    e.kind = &ceiling_30;
    ck_assert_int_eq(brim_wrap(c, value_new(1, 90), 90, &e, &wrapped), BRIM_OK);
    fill(c, &ceiling_30, FIRST, 6, 5);
    ck_assert_uint_eq(found(c, FIRST, 6), 6);
    ck_assert_uint_eq(used_by(c, &ceiling_30), 30);
    ck_assert_uint_eq(of_kind(c, &ceiling_30).uncharged, 90);
    brim_release(wrapped);
    ck_assert_uint_eq(of_kind(c, &ceiling_30).uncharged, 0);
    finish(c);
}
END_TEST

START_TEST(test_kinds_values_waiting_for_a_section_are_part_of_a_ceiling)
{
    brim_options o = borrow_options(CAPACITY);
    brim_cache *c;
    uint64_t first = FIRST;

    o.shards = 1;
    c = make_cache(&o);
    ck_assert_int_eq(put_as(c, &ceiling_30, FIRST, 30, NULL), BRIM_OK);
    begin_reading(c);
    ck_assert_ptr_nonnull(brim_peek(c, BRIM_KEY(first)));
    ck_assert(brim_remove(c, BRIM_KEY(first)));
    ck_assert_uint_eq(used_by(c, &ceiling_30), 30);
    ck_assert_int_eq(put_as(c, &ceiling_30, FIRST, 1, NULL), BRIM_FULL);
    ck_assert_int_eq(put_as(c, &other, OTHERS, 60, NULL), BRIM_OK);
    brim_read_end(c);
    settle_cache(c);
    ck_assert_int_eq(put_as(c, &ceiling_30, FIRST, 30, NULL), BRIM_OK);
    finish(c);
}
END_TEST

static brim_status load_ten(const void *key, size_t len, void *arg, void **v, size_t *cost)
{
    uint64_t id = 0;

    (void)arg;
    EXPECT(len == sizeof id);
    memcpy(&id, key, sizeof id);
    *cost = 10;
    *v = value_new(id, 10);
    return BRIM_OK;
}

START_TEST(test_kinds_loads_above_a_held_ceiling_are_uncharged)
{
    brim_cache *c = cache_of(1);
    brim_entry_options e;
    brim_claim_options o;
    brim_ref *held[3], *loaded = NULL;
    uint64_t key = 1;

    brim_entry_options_init(&e);
    brim_claim_options_init(&o);
    e.kind = &ceiling_30;
    o.entry = &e;
    fill_held(c, &ceiling_30, FIRST, 3, 10, held);
    ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, load_ten, NULL, &loaded), BRIM_OK);
    ck_assert_uint_eq(id_of(loaded), 1);
    ck_assert(!brim_ref_is_cached(loaded));
    ck_assert_uint_eq(used_by(c, &ceiling_30), 30);
    brim_release(loaded);
    brim_release_many(held, 3);
    ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, load_ten, NULL, &loaded), BRIM_OK);
    ck_assert(brim_ref_is_cached(loaded));
    ck_assert_ptr_eq(brim_ref_kind(loaded), &ceiling_30);
    ck_assert_uint_le(used_by(c, &ceiling_30), 30);
    brim_release(loaded);
    finish(c);
}
END_TEST

/* ---- Limits that are none */

START_TEST(test_kinds_limits_that_do_not_fit_a_new_cache)
{
    const brim_kind bad[] = {
        KIND(.floor = CAPACITY + 1), KIND(.ceiling = CAPACITY + 1), KIND(.floor = 50, .ceiling = 49),
        KIND(.floor = SIZE_MAX), KIND(.ceiling = SIZE_MAX)};
    const brim_kind good = KIND(.floor = CAPACITY, .ceiling = CAPACITY);
    brim_options o = value_options(CAPACITY);
    brim_cache *c;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        c = (brim_cache *)&o;
        o.kind = &bad[i];
        ck_assert_int_eq(brim_cache_new(&o, &c), BRIM_INVALID);
        ck_assert_ptr_null(c);
    }
    o.kind = &good;
    c = make_cache(&o);
    ck_assert_int_eq(put(c, 1, 1, CAPACITY), BRIM_OK);
    ck_assert_uint_eq(of_kind(c, &good).floor, CAPACITY);
    ck_assert_uint_eq(of_kind(c, &good).ceiling, CAPACITY);
    finish(c);
}
END_TEST

START_TEST(test_kinds_limits_above_the_capacity_are_refused_by_inserts)
{
    const brim_kind bad[] = {KIND(.floor = CAPACITY + 1), KIND(.ceiling = CAPACITY + 1)};
    brim_cache *c = cache_of(1);

    for (int i = 0; i < 2; i++) {
        brim_entry_options e;
        brim_claim_options o;
        brim_ref *out = (brim_ref *)&c;
        brim_load *load = (brim_load *)&c;
        uint64_t key = 1;

        brim_entry_options_init(&e);
        brim_claim_options_init(&o);
        e.kind = &bad[i];
        o.entry = &e;
        ck_assert_int_eq(put_as(c, &bad[i], 1, 1, &out), BRIM_INVALID);
        ck_assert_ptr_null(out);
        out = (brim_ref *)&c;
        ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, load_ten, NULL, &out), BRIM_INVALID);
        ck_assert_ptr_null(out);
        out = (brim_ref *)&c;
        ck_assert_int_eq(brim_claim_with(c, BRIM_KEY(key), &o, &out, &load), BRIM_INVALID);
        ck_assert_ptr_null(out);
        ck_assert_ptr_null(load);
    }
    ck_assert_uint_eq(brim_count(c), 0);
    finish(c);
}
END_TEST

static void limits_are(brim_cache *c, const brim_kind *kind, size_t floor, size_t ceiling)
{
    brim_stats s = of_kind(c, kind);

    ck_assert_uint_eq(s.floor, floor);
    ck_assert_uint_eq(s.ceiling, ceiling);
}

START_TEST(test_kinds_bad_limits_change_nothing)
{
    const brim_kind small = {.size = 8};
    brim_cache *c = cache_of(1);

    fill(c, &plain, FIRST, 12, 5);
    ck_assert_int_eq(brim_kind_set_limits(c, &plain, 20, 80), BRIM_OK);
    ck_assert_int_eq(brim_kind_set_limits(NULL, &plain, 1, 1), BRIM_INVALID);
    ck_assert_int_eq(brim_kind_set_limits(c, &small, 1, 1), BRIM_INVALID);
    ck_assert_int_eq(brim_kind_set_limits(c, &plain, CAPACITY + 1, 0), BRIM_INVALID);
    ck_assert_int_eq(brim_kind_set_limits(c, &plain, 0, CAPACITY + 1), BRIM_INVALID);
    ck_assert_int_eq(brim_kind_set_limits(c, &plain, SIZE_MAX, SIZE_MAX), BRIM_INVALID);
    ck_assert_int_eq(brim_kind_set_limits(c, &plain, 31, 30), BRIM_INVALID);
    limits_are(c, &plain, 20, 80);
    ck_assert_uint_eq(found(c, FIRST, 12), 12); /* nor was anything evicted for a ceiling of 30 */
    ck_assert_int_eq(brim_kind_set_limits(c, &plain, 30, 60), BRIM_OK);
    limits_are(c, &plain, 30, 60);
    ck_assert_int_eq(brim_kind_set_limits(c, &plain, CAPACITY, CAPACITY), BRIM_OK);
    limits_are(c, &plain, CAPACITY, CAPACITY);
    finish(c);
}
END_TEST

START_TEST(test_kinds_floors_above_the_capacity_together)
{
    brim_cache *c = cache_of(1);

    ck_assert_int_eq(brim_kind_set_limits(c, &plain, 60, 0), BRIM_OK);
    ck_assert_int_eq(brim_kind_set_limits(c, &other, 41, 0), BRIM_INVALID);
    limits_are(c, &other, 0, 0);
    ck_assert_int_eq(brim_kind_set_limits(c, &other, 40, 0), BRIM_OK);
    ck_assert_int_eq(brim_kind_set_limits(c, &plain, 61, 0), BRIM_INVALID);
    limits_are(c, &plain, 60, 0);
    ck_assert_int_eq(brim_kind_set_limits(c, NULL, 1, 0), BRIM_INVALID);
    ck_assert_int_eq(brim_kind_set_limits(c, &plain, 10, 0), BRIM_OK); /* what it gave up others may have */
    ck_assert_int_eq(brim_kind_set_limits(c, &other, 90, 0), BRIM_OK);
    ck_assert_int_eq(brim_kind_set_limits(c, &other, 90, 100), BRIM_OK);
    ck_assert_int_eq(brim_kind_set_limits(c, &plain, 11, 0), BRIM_INVALID);
    finish(c);
}
END_TEST

/* ---- Limits given later */

START_TEST(test_kinds_a_late_ceiling_counts_what_is_there)
{
    brim_cache *c = cache_of(shard_counts[_i]);

    fill(c, &plain, FIRST, 10, 5);
    fill(c, &other, OTHERS, 10, 5);
    ck_assert_int_eq(brim_kind_set_limits(c, &plain, 0, 30), BRIM_OK);
    ck_assert_uint_eq(found(c, OTHERS, 10), 10);
    ck_assert_uint_eq(used_by(c, &plain), 30);
    ck_assert_uint_eq(found(c, FIRST, 10), 6);
    ck_assert_uint_eq(of_kind(c, &plain).left[BRIM_EVICTED], 4);
    for (uint64_t i = 0; i < 50; i++) {
        ck_assert_int_eq(put_as(c, &plain, FIRST + 100 + i, 5, NULL), BRIM_OK);
        ck_assert_uint_le(used_by(c, &plain), 30);
    }
    ck_assert_uint_eq(found(c, OTHERS, 10), 10);
    finish(c);
}
END_TEST

START_TEST(test_kinds_a_late_floor_counts_what_is_there)
{
    brim_cache *c = cache_of(shard_counts[_i]);

    fill(c, &plain, FIRST, 10, 5);
    ck_assert_int_eq(brim_kind_set_limits(c, &plain, 50, 0), BRIM_OK);
    fill(c, &other, OTHERS, 300, 5);
    ck_assert_uint_eq(found(c, FIRST, 10), 10);
    ck_assert_int_eq(put_as(c, &other, OTHERS, 51, NULL), BRIM_FULL);
    ck_assert_int_eq(brim_kind_set_limits(c, &plain, 0, 0), BRIM_OK);
    ck_assert_int_eq(put_as(c, &other, OTHERS, 100, NULL), BRIM_OK);
    ck_assert_uint_eq(found(c, FIRST, 10), 0);
    finish(c);
}
END_TEST

START_TEST(test_kinds_a_ceiling_below_what_is_held_says_full)
{
    brim_cache *c = cache_of(shard_counts[_i]);
    brim_ref *held[10];

    fill_held(c, &plain, FIRST, 10, 5, held);
    ck_assert_int_eq(brim_kind_set_limits(c, &plain, 0, 30), BRIM_FULL);
    limits_are(c, &plain, 0, 30);
    ck_assert_uint_eq(used_by(c, &plain), 50);
    ck_assert_int_eq(put_as(c, &plain, 1, 1, NULL), BRIM_FULL);
    fill(c, &other, OTHERS, 10, 5);
    brim_release_many(held, 4);
    ck_assert_int_eq(put_as(c, &plain, 1, 1, NULL), BRIM_FULL); /* the six that are held fill it */
    brim_release_many(held + 4, 6);
    ck_assert_int_eq(put_as(c, &plain, 1, 5, NULL), BRIM_OK);
    ck_assert_uint_le(used_by(c, &plain), 30);
    ck_assert_uint_eq(found(c, OTHERS, 10), 10);
    finish(c);
}
END_TEST

/* What is stale of others goes on the way, and is no part of what is wanted. */
START_TEST(test_kinds_a_lowered_ceiling_is_reached_past_what_is_stale_of_others)
{
    brim_cache *c = cache_of(shard_counts[_i]);
    brim_entry_options e;

    brim_entry_options_init(&e);
    e.kind = &other;
    e.group = brim_group_new(c);
    fill(c, &plain, FIRST, 50, 1);
    for (uint64_t key = OTHERS; key < OTHERS + 50; key++)
        ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(key), value_new(key, 1), 1, &e, NULL), BRIM_OK);
    brim_group_invalidate(e.group);
    ck_assert_int_eq(brim_kind_set_limits(c, &plain, 0, 10), BRIM_OK);
    ck_assert_uint_le(used_by(c, &plain), 10);
    ck_assert_uint_ge(found(c, FIRST, 50), 9);
    brim_group_drop(e.group);
    finish(c);
}
END_TEST

/* What has left and is not destroyed, for somebody holds it or may have borrowed it, is there as well. */
START_TEST(test_kinds_a_late_ceiling_counts_what_has_left_too)
{
    brim_options o = borrow_options(CAPACITY);
    brim_ref *held = NULL;
    brim_cache *c;
    uint64_t first = FIRST;

    o.shards = 1;
    c = make_cache(&o);
    ck_assert_int_eq(put_as(c, &plain, FIRST, 50, _i == 0 ? &held : NULL), BRIM_OK);
    begin_reading(c);
    ck_assert_ptr_nonnull(brim_peek(c, BRIM_KEY(first)));
    ck_assert(brim_remove(c, BRIM_KEY(first)));
    if (_i == 0)
        brim_read_end(c);
    ck_assert_uint_eq(used_by(c, &plain), 50);
    ck_assert_int_eq(brim_kind_set_limits(c, &plain, 0, 40), BRIM_FULL);
    ck_assert_int_eq(put_as(c, &plain, FIRST, 1, NULL), BRIM_FULL);
    ck_assert_int_eq(put_as(c, &other, OTHERS, 50, NULL), BRIM_OK);
    brim_release(held);
    brim_read_end(c);
    settle_cache(c);
    ck_assert_uint_eq(used_by(c, &plain), 0);
    ck_assert_int_eq(put_as(c, &plain, FIRST, 40, NULL), BRIM_OK);
    ck_assert_int_eq(put_as(c, &plain, FIRST + 1, 1, NULL), BRIM_OK);
    ck_assert_uint_le(used_by(c, &plain), 40);
    finish(c);
}
END_TEST

START_TEST(test_kinds_limits_taken_back_and_given_again)
{
    brim_cache *c = cache_of(shard_counts[_i]);

    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(brim_kind_set_limits(c, &plain, 0, 20), BRIM_OK);
        ck_assert_uint_le(used_by(c, &plain), 20);
        fill(c, &plain, FIRST, 20, 5);
        ck_assert_uint_eq(used_by(c, &plain), 20);
        ck_assert_int_eq(brim_kind_set_limits(c, &plain, 0, 0), BRIM_OK);
        limits_are(c, &plain, 0, 0);
        fill(c, &plain, OTHERS, 20, 5);
        ck_assert_uint_eq(used_by(c, &plain), CAPACITY);
        if (round == 1)
            brim_clear(c);
    }
    finish(c);
}
END_TEST

START_TEST(test_kinds_limits_replace_those_of_the_kind)
{
    brim_cache *c = cache_of(1);

    fill(c, &ceiling_30, FIRST, 20, 5);
    ck_assert_uint_eq(used_by(c, &ceiling_30), 30);
    limits_are(c, &ceiling_30, 0, 30);
    ck_assert_int_eq(brim_kind_set_limits(c, &ceiling_30, 10, 60), BRIM_OK);
    fill(c, &ceiling_30, FIRST, 20, 5);
    ck_assert_uint_eq(used_by(c, &ceiling_30), 60);
    limits_are(c, &ceiling_30, 10, 60);
    finish(c);
    c = cache_of(1); /* another cache begins with the kind's own */
    fill(c, &ceiling_30, FIRST, 20, 5);
    limits_are(c, &ceiling_30, 0, 30);
    finish(c);
}
END_TEST

/* The second time the cache was made without a kind. */
START_TEST(test_kinds_limits_of_the_caches_own_kind)
{
    brim_options o = value_options(CAPACITY);
    brim_cache *c;
    size_t most = 0;

    if (_i == 1)
        o.kind = NULL;
    o.shards = 1;
    c = make_cache(&o);
    ck_assert_int_eq(brim_kind_set_limits(c, NULL, 0, 30), BRIM_OK);
    fill(c, &other, OTHERS, 12, 5);
    for (uint64_t i = 0; i < 50; i++) {
        ck_assert_int_eq(brim_insert(c, BRIM_KEY(i), _i == 0 ? value_new(i, 5) : NULL, 5, NULL), BRIM_OK);
        if (brim_used(c) > most)
            most = brim_used(c);
    }
    ck_assert_uint_eq(most, 60 + 30);
    ck_assert_uint_eq(found(c, OTHERS, 12), 12);
    if (_i == 0)
        limits_are(c, &value_kind, 0, 30);
    finish(c);
}
END_TEST

START_TEST(test_kinds_floor_and_ceiling_within_many_shards)
{
    enum { ROOM = 100000 };
    brim_kind kind = KIND(.floor = ROOM / 4, .ceiling = ROOM / 2);
    brim_options o = value_options(ROOM);
    brim_cache *c;

    o.shards = 64;
    o.expected_cost = 1000;
    c = make_cache(&o);
    for (uint64_t i = 0; i < 1000; i++) {
        ck_assert_int_eq(put_as(c, &kind, i, 500, NULL), BRIM_OK);
        ck_assert_uint_le(used_by(c, &kind), ROOM / 2);
    }
    ck_assert_uint_ge(used_by(c, &kind), ROOM / 4);
    ck_assert_int_eq(put_as(c, &other, OTHERS, ROOM * 3 / 4, NULL), BRIM_OK);
    ck_assert_uint_eq(used_by(c, &kind), ROOM / 4);
    ck_assert_int_eq(put_as(c, &other, OTHERS, ROOM * 3 / 4 + 1, NULL), BRIM_FULL);
    ck_assert_int_eq(put_as(c, &kind, 5, ROOM / 2, NULL), BRIM_OK);
    finish(c);
}
END_TEST

/* ---- `unused' */

static atomic_uint told_unused;

static void count_unused(void *arg)
{
    EXPECT(arg == &told_unused);
    atomic_fetch_add(&told_unused, 1);
}

static const brim_kind counted = KIND(.unused = count_unused, .arg = &told_unused);

START_TEST(test_kinds_unused_is_told_once_for_each_cache)
{
    brim_cache *a = cache_of(1), *b = cache_of(4), *never = cache_of(1);
    brim_ref *held = NULL, *copy;

    atomic_store(&told_unused, 0);
    fill(a, &counted, FIRST, 10, 5);
    fill(b, &counted, FIRST, 10, 5);
    ck_assert_int_eq(put_as(b, &counted, 1, 5, &held), BRIM_OK);
    brim_clear(a);
    ck_assert_uint_eq(atomic_load(&told_unused), 0); /* more may come */
    brim_cache_free(a);
    ck_assert_uint_eq(atomic_load(&told_unused), 1);
    brim_cache_free(b);
    copy = brim_ref_copy(held);
    brim_release(held);
    ck_assert_uint_eq(atomic_load(&told_unused), 1);
    brim_release(copy);
    ck_assert_uint_eq(atomic_load(&told_unused), 2);
    finish(never);
    ck_assert_uint_eq(atomic_load(&told_unused), 2);
}
END_TEST

START_TEST(test_kinds_unused_is_told_of_kinds_without_entries)
{
    brim_options o = value_options(CAPACITY);
    brim_cache *c;
    brim_entry_options e;
    brim_ref *wrapped = NULL;

    atomic_store(&told_unused, 0);
    o.kind = &counted;
    c = make_cache(&o);
    brim_cache_free(c);
    ck_assert_uint_eq(atomic_load(&told_unused), 1);
    c = cache_of(1);
    ck_assert_int_eq(brim_kind_set_limits(c, &counted, 10, 20), BRIM_OK);
    brim_cache_free(c);
    ck_assert_uint_eq(atomic_load(&told_unused), 2);
    c = cache_of(1);
    brim_entry_options_init(&e);
    e.kind = &counted;
    ck_assert_int_eq(brim_wrap(c, value_new(1, 1), 1, &e, &wrapped), BRIM_OK);
    brim_cache_free(c);
    ck_assert_uint_eq(atomic_load(&told_unused), 2);
    brim_release(wrapped);
    ck_assert_uint_eq(atomic_load(&told_unused), 3);
}
END_TEST

/* ---- Statistics */

START_TEST(test_kinds_statistics_are_kept_by_kind)
{
    brim_cache *c = cache_of(1);
    brim_ref *held = NULL;
    brim_stats s;
    uint64_t first = FIRST;

    fill(c, &plain, FIRST, 4, 5);
    fill(c, &other, OTHERS, 3, 10);
    fill(c, &plain, FIRST, 1, 7);
    ck_assert_int_eq(put_as(c, &plain, 1, CAPACITY + 1, NULL), BRIM_TOO_BIG);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(found_id(c, FIRST + 1), FIRST + 1);
    ck_assert_uint_eq(found_id(c, OTHERS), OTHERS);
    held = brim_find(c, BRIM_KEY(first));
    ck_assert(brim_remove(c, BRIM_KEY(first)));
    s = of_kind(c, &plain);
    ck_assert_uint_eq(s.hits, 4);
    ck_assert_uint_eq(s.insertions, 5);
    ck_assert_uint_eq(s.refused, 1);
    ck_assert_uint_eq(s.left[BRIM_REPLACED], 1);
    ck_assert_uint_eq(s.left[BRIM_REMOVED], 1);
    ck_assert_uint_eq(s.used, 22);
    ck_assert_uint_eq(s.pinned, 7);
    ck_assert_uint_eq(s.values, 4);
    ck_assert_uint_eq(s.capacity + s.count + s.shards + s.overhead + s.reserved, 0); /* not marked k */
    s = of_kind(c, &other);
    ck_assert_uint_eq(s.hits, 1);
    ck_assert_uint_eq(s.insertions, 3);
    ck_assert_uint_eq(s.refused + s.left[BRIM_REPLACED] + s.left[BRIM_REMOVED] + s.pinned, 0);
    ck_assert_uint_eq(s.used, 30);
    ck_assert_uint_eq(s.values, 3);
    s = stats_of(c);
    ck_assert_uint_eq(s.insertions, 8);
    ck_assert_uint_eq(s.used, 52);
    ck_assert_uint_eq(s.values, 7);
    ck_assert_uint_eq(s.count, 6);
    s = of_kind(c, &floor_50); /* not met */
    ck_assert_uint_eq(s.size, sizeof s);
    ck_assert_uint_eq(s.insertions + s.used + s.values + s.floor + s.hits, 0);
    brim_release(held);
    finish(c);
}
END_TEST

/* ---- Threads */

static struct {
    brim_cache *cache;
    size_t limit;            /* of what is live of the kind */
    atomic_llong live;       /* from after the insert to before its destructor returns: never more than is charged */
    atomic_uint taken, refused, seen;
    atomic_int running;
} race;

static void race_destroy(void *v, size_t cost, void *arg)
{
    (void)arg;
    atomic_fetch_sub(&race.live, (long long)cost);
    value_destroy(v, cost, NULL);
}

static const brim_kind raced = {.size = sizeof(brim_kind), .destroy = race_destroy};
enum { RACERS = 3, WATCHER = RACERS };

static void insert_raced(uint64_t *state)
{
    uint64_t x = random_next(state), key = FIRST + x % 40;
    size_t cost = 1 + (x >> 8) % 9;
    brim_ref *out = NULL;
    brim_status s = put_as(race.cache, &raced, key, cost, (x >> 16) % 4 == 0 ? &out : NULL);

    EXPECT_MSG(s == BRIM_OK || s == BRIM_FULL, "status %d", (int)s);
    if (s != BRIM_OK) {
        atomic_fetch_add(&race.refused, 1);
        return;
    }
    atomic_fetch_add(&race.live, (long long)cost);
    atomic_fetch_add(&race.taken, 1);
    brim_release(out);
    if ((x >> 20) % 8 == 0)
        (void)brim_remove(race.cache, BRIM_KEY(key));
    if ((x >> 24) % 8 == 0)
        (void)put_as(race.cache, &other, OTHERS + x % 30, 5, NULL);
}

static void watch_race(void)
{
    brim_stats s = of_kind(race.cache, &raced);
    long long live = atomic_load(&race.live);

    EXPECT_MSG(live <= (long long)race.limit, "%lld are live", live);
    EXPECT_MSG(s.used <= race.limit, "%zu are used", s.used);
    EXPECT(brim_used(race.cache) <= CAPACITY);
    if (s.used > 0)
        atomic_fetch_add(&race.seen, 1);
}

/* At least so often, and until the watcher has seen something. */
static bool goes_on(int i, int least)
{
    return i < least || atomic_load(&race.seen) == 0;
}

static void race_in_ceiling(unsigned id, void *arg)
{
    uint64_t state = id + 1;

    (void)arg;
    if (id == WATCHER) {
        while (atomic_load(&race.running) > 0) {
            watch_race();
            sched_yield();
        }
        return;
    }
    for (int i = 0; goes_on(i, SCALED(4000)); i++)
        insert_raced(&state);
    atomic_fetch_sub(&race.running, 1);
}

static void start_race(unsigned shards, size_t limit)
{
    memset(&race, 0, sizeof race);
    atomic_store(&race.running, RACERS);
    race.limit = limit;
    race.cache = cache_of(shards);
}

START_TEST(test_kinds_threads_never_exceed_a_ceiling)
{
    start_race(shard_counts[_i], 30);
    ck_assert_int_eq(brim_kind_set_limits(race.cache, &raced, 0, 30), BRIM_OK);
    fill(race.cache, &other, OTHERS, 14, 5);
    crew_do(RACERS + 1, race_in_ceiling, NULL);
    ck_assert_uint_gt(atomic_load(&race.taken), SCALED(4000));
    ck_assert_uint_gt(atomic_load(&race.seen), 0);
    ck_assert_uint_gt(of_kind(race.cache, &raced).left[BRIM_EVICTED], 0);
    ck_assert_uint_eq(used_by(race.cache, &raced), (size_t)atomic_load(&race.live));
    finish(race.cache);
}
END_TEST

static void race_others_against_floor(unsigned id, void *arg)
{
    uint64_t state = id + 1;

    (void)arg;
    if (id == WATCHER) {
        while (atomic_load(&race.running) > 0) {
            EXPECT(found(race.cache, FIRST, 10) == 10);
            atomic_fetch_add(&race.seen, 1);
            sched_yield();
        }
        return;
    }
    for (int i = 0; goes_on(i, SCALED(4000)); i++) {
        uint64_t x = random_next(&state);
        brim_status s = put_as(race.cache, &other, OTHERS + x % 200, 1 + (x >> 8) % 9, NULL);

        EXPECT_MSG(s == BRIM_OK || s == BRIM_FULL, "status %d", (int)s);
        if (s == BRIM_OK)
            atomic_fetch_add(&race.taken, 1);
    }
    atomic_fetch_sub(&race.running, 1);
}

START_TEST(test_kinds_threads_of_others_leave_a_floor_alone)
{
    start_race(shard_counts[_i], 0);
    fill(race.cache, &floor_50, FIRST, 10, 5);
    crew_do(RACERS + 1, race_others_against_floor, NULL);
    ck_assert_uint_gt(atomic_load(&race.seen), 0);
    ck_assert_uint_gt(atomic_load(&race.taken), SCALED(4000));
    ck_assert_uint_gt(of_kind(race.cache, &other).left[BRIM_EVICTED], 0);
    ck_assert_uint_eq(of_kind(race.cache, &floor_50).left[BRIM_EVICTED], 0);
    finish(race.cache);
}
END_TEST

static void race_while_limits_change(unsigned id, void *arg)
{
    uint64_t state = id + 1;

    (void)arg;
    if (id != WATCHER) {
        for (int i = 0; goes_on(i, SCALED(3000)); i++)
            insert_raced(&state);
        atomic_fetch_sub(&race.running, 1);
        return;
    }
    for (unsigned round = 0; atomic_load(&race.running) > 0; round++) {
        size_t ceiling = round % 3 == 0 ? 60 : round % 3 == 1 ? 20 : 0, floor = round % 2 == 0 ? 0 : 15;
        brim_status s = brim_kind_set_limits(race.cache, &raced, floor, ceiling);

        EXPECT_MSG(s == BRIM_OK || s == BRIM_FULL, "status %d", (int)s);
        if (s != BRIM_OK || ceiling == 0)
            continue;
        race.limit = ceiling;
        for (int i = 0; i < 10; i++)
            watch_race();
    }
}

START_TEST(test_kinds_limits_change_while_threads_insert)
{
    start_race(shard_counts[_i], 0);
    crew_do(RACERS + 1, race_while_limits_change, NULL);
    ck_assert_uint_gt(atomic_load(&race.taken), SCALED(3000));
    ck_assert_uint_gt(atomic_load(&race.seen), 0);
    ck_assert_uint_eq(used_by(race.cache, &raced), (size_t)atomic_load(&race.live));
    ck_assert_int_eq(brim_kind_set_limits(race.cache, &raced, 0, 10), BRIM_OK);
    ck_assert_int_le(atomic_load(&race.live), 10);
    finish(race.cache);
}
END_TEST

/* ---- What waits for a section makes no room within a ceiling: nothing more than is missing goes in vain */

START_TEST(test_kinds_at_a_ceiling_no_more_goes_than_is_missing_in_a_section)
{
    brim_kind kind = KIND(.name = "kind", .ceiling = 80);
    brim_options o = borrow_options(CAPACITY);
    brim_cache *c;

    o.shards = 1;
    c = make_cache(&o);
    fill(c, &kind, FIRST, 80, 1);
    begin_reading(c);
    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(put_as(c, &kind, OTHERS, 5, NULL), BRIM_FULL);
        ck_assert_uint_ge(found(c, FIRST, 80), 75);
    }
    ck_assert_uint_eq(used_by(c, &kind), 80);
    brim_read_end(c);
    settle_cache(c);
    ck_assert_uint_eq(used_by(c, &kind), 75);
    ck_assert_int_eq(put_as(c, &kind, OTHERS, 5, NULL), BRIM_OK);
    ck_assert_uint_eq(found(c, FIRST, 80), 75);
    finish(c);
}
END_TEST

/* ---- Limits that several threads set */

static struct {
    brim_cache *caches[2];
    brim_kind kinds[2];
    brim_status status[2];
    atomic_uint running;
} both;

static void both_start(unsigned caches)
{
    memset(&both, 0, sizeof both);
    for (unsigned i = 0; i < 2; i++) {
        both.kinds[i] = (brim_kind)KIND(.name = "kind");
        both.caches[i] = i < caches ? cache_of(4) : both.caches[0];
    }
}

static gate for_memory;
static _Thread_local bool stops_for_memory;

static void stop_for_memory(void *arg)
{
    (void)arg;
    if (!stops_for_memory)
        return;
    stops_for_memory = false;
    gate_stop_here(&for_memory);
}

static void meet_kind(unsigned id, void *arg)
{
    (void)arg;
    EXPECT(!has(both.caches[0], 1)); /* no memory is its first call's */
    stops_for_memory = true;
    both.status[id] = put_as(both.caches[0], &both.kinds[id], id, 1, NULL);
    EXPECT_MSG(!stops_for_memory, "it asked for no memory");
}

/* The second is met while memory for the first is asked for. */
START_TEST(test_kinds_floors_first_met_at_once_fit_the_capacity_together)
{
    brim_options o = value_options(CAPACITY);
    crew thread;
    heap h;

    memset(&both, 0, sizeof both);
    for (int i = 0; i < 2; i++)
        both.kinds[i] = (brim_kind)KIND(.floor = 60);
    gate_init(&for_memory);
    heap_init(&h);
    h.hook = stop_for_memory;
    o.allocator = &h.allocator;
    both.caches[0] = make_cache(&o);
    crew_start(&thread, 1, meet_kind, NULL);
    gate_wait_reached(&for_memory);
    both.status[1] = put_as(both.caches[0], &both.kinds[1], 1, 1, NULL);
    gate_open(&for_memory);
    crew_join(&thread);
    for (int i = 0; i < 2; i++)
        ck_assert(both.status[i] == BRIM_OK || both.status[i] == BRIM_INVALID);
    ck_assert_int_ne(both.status[0], both.status[1]);
    gate_destroy(&for_memory);
    h.hook = NULL;
    finish(both.caches[0]);
}
END_TEST

/* Exactly ${ceiling}, a multiple of 10, is admitted of ${kind}. */
static void admits(brim_cache *c, const brim_kind *kind, size_t ceiling)
{
    brim_ref *refs[CAPACITY / 10 + 1];
    size_t n = 0;

    brim_clear(c);
    while (n < CAPACITY / 10 && put_as(c, kind, FIRST + n, 10, &refs[n]) == BRIM_OK)
        n++;
    ck_assert_uint_eq(n * 10, ceiling);
    ck_assert_uint_eq(used_by(c, kind), ceiling);
    brim_release_many(refs, n);
}

static void set_a_ceiling(unsigned id, void *arg)
{
    (void)arg;
    EXPECT(brim_kind_set_limits(both.caches[0], &both.kinds[0], 0, id == 0 ? 30 : 60) == BRIM_OK);
}

START_TEST(test_kinds_a_ceiling_that_two_threads_set_holds)
{
    for (int round = 0; round < SCALED(600); round++) {
        both_start(1);
        fill(both.caches[0], &both.kinds[0], FIRST, 2, 10);
        crew_do(2, set_a_ceiling, NULL);
        ck_assert_int_eq(brim_kind_set_limits(both.caches[0], &both.kinds[0], 0, 40), BRIM_OK);
        admits(both.caches[0], &both.kinds[0], 40);
        finish(both.caches[0]);
    }
}
END_TEST

/* Two threads give the kinds of two caches a ceiling, two insert and remove meanwhile. */
static void limit_or_churn(unsigned id, void *arg)
{
    uint64_t key = id;

    (void)arg;
    if (id < 2) {
        EXPECT(brim_kind_set_limits(both.caches[id], &both.kinds[id], 0, 40) == BRIM_OK);
        atomic_fetch_sub(&both.running, 1);
        return;
    }
    do {
        (void)put_as(both.caches[0], &both.kinds[0], key, 10, NULL);
        (void)brim_remove(both.caches[0], BRIM_KEY(key));
    } while (atomic_load(&both.running) > 0);
}

START_TEST(test_kinds_ceilings_that_two_caches_get_at_once_hold)
{
    for (int round = 0; round < SCALED(400); round++) {
        both_start(2);
        for (int i = 0; i < 2; i++)
            fill(both.caches[i], &both.kinds[i], FIRST, 2, 10);
        atomic_store(&both.running, 2);
        crew_do(4, limit_or_churn, NULL);
        for (int i = 0; i < 2; i++) {
            admits(both.caches[i], &both.kinds[i], 40);
            ck_assert(brim_check(both.caches[i], stderr));
        }
        brim_cache_free(both.caches[1]);
        finish(both.caches[0]);
    }
}
END_TEST

START_TEST(test_kinds_a_capacity_of_0_is_too_big_whatever_the_ceiling)
{
    brim_cache *c = make_value_cache(100);
    brim_ref *held = NULL;

    ck_assert_int_eq(put_ref(c, 1, 1, 50, &held), BRIM_OK);
    ck_assert_int_eq(brim_kind_set_limits(c, NULL, 0, 20), BRIM_FULL);
    ck_assert_int_eq(brim_set_capacity(c, 0), BRIM_FULL);
    ck_assert_int_eq(put(c, 2, 2, 0), BRIM_TOO_BIG);
    brim_release(held);
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("kinds");

    tcase_add_loop_test(tc, test_kinds_at_its_floor_a_kind_is_not_evicted_for_others, 0, SHARD_COUNTS);
    tcase_add_loop_test(tc, test_kinds_below_its_floor_a_kind_is_not_evicted_for_others, 0, SHARD_COUNTS);
    tcase_add_loop_test(tc, test_kinds_above_its_floor_a_kind_gives_way_down_to_it, 0, 2);
    tcase_add_loop_test(tc, test_kinds_what_only_a_floor_could_make_room_for_gets_full, 0, SHARD_COUNTS);
    tcase_add_loop_test(tc, test_kinds_at_its_floor_a_kind_evicts_its_own_for_its_own, 0, SHARD_COUNTS);
    tcase_add_loop_test(tc, test_kinds_floors_of_several_kinds_hold_at_once, 0, SHARD_COUNTS);
    tcase_add_loop_test(tc, test_kinds_trim_and_set_capacity_do_not_know_floors, 0, SHARD_COUNTS);
    tcase_add_loop_test(tc, test_kinds_above_its_ceiling_a_kind_evicts_its_own, 0, SHARD_COUNTS);
    tcase_add_loop_test(tc, test_kinds_with_its_ceiling_held_a_kind_gets_full, 0, SHARD_COUNTS);
    tcase_add_loop_test(tc, test_kinds_a_value_above_its_ceiling_is_refused, 0, SHARD_COUNTS);
    tcase_add_test(tc, test_kinds_replacing_within_a_ceiling);
    tcase_add_test(tc, test_kinds_a_capacity_of_0_is_too_big_whatever_the_ceiling);
    tcase_add_loop_test(tc, test_kinds_a_cost_set_later_stays_below_the_ceiling, 0, SHARD_COUNTS);
    tcase_add_test(tc, test_kinds_wrapped_values_are_no_part_of_a_ceiling);
    tcase_add_test(tc, test_kinds_values_waiting_for_a_section_are_part_of_a_ceiling);
    tcase_add_test(tc, test_kinds_loads_above_a_held_ceiling_are_uncharged);
    tcase_add_test(tc, test_kinds_limits_that_do_not_fit_a_new_cache);
    tcase_add_test(tc, test_kinds_limits_above_the_capacity_are_refused_by_inserts);
    tcase_add_test(tc, test_kinds_bad_limits_change_nothing);
    tcase_add_test(tc, test_kinds_floors_above_the_capacity_together);
    tcase_add_loop_test(tc, test_kinds_a_late_ceiling_counts_what_is_there, 0, SHARD_COUNTS);
    tcase_add_loop_test(tc, test_kinds_a_late_floor_counts_what_is_there, 0, SHARD_COUNTS);
    tcase_add_loop_test(tc, test_kinds_a_ceiling_below_what_is_held_says_full, 0, SHARD_COUNTS);
    tcase_add_loop_test(tc, test_kinds_a_lowered_ceiling_is_reached_past_what_is_stale_of_others, 0, SHARD_COUNTS);
    tcase_add_loop_test(tc, test_kinds_a_late_ceiling_counts_what_has_left_too, 0, 2);
    tcase_add_loop_test(tc, test_kinds_limits_taken_back_and_given_again, 0, SHARD_COUNTS);
    tcase_add_test(tc, test_kinds_limits_replace_those_of_the_kind);
    tcase_add_loop_test(tc, test_kinds_limits_of_the_caches_own_kind, 0, 2);
    tcase_add_test(tc, test_kinds_floor_and_ceiling_within_many_shards);
    tcase_add_test(tc, test_kinds_unused_is_told_once_for_each_cache);
    tcase_add_test(tc, test_kinds_unused_is_told_of_kinds_without_entries);
    tcase_add_test(tc, test_kinds_statistics_are_kept_by_kind);
    tcase_add_loop_test(tc, test_kinds_threads_never_exceed_a_ceiling, 0, SHARD_COUNTS);
    tcase_add_loop_test(tc, test_kinds_threads_of_others_leave_a_floor_alone, 0, SHARD_COUNTS);
    tcase_add_loop_test(tc, test_kinds_limits_change_while_threads_insert, 0, SHARD_COUNTS);
    tcase_add_test(tc, test_kinds_at_a_ceiling_no_more_goes_than_is_missing_in_a_section);
    tcase_add_test(tc, test_kinds_floors_first_met_at_once_fit_the_capacity_together);
    tcase_add_test(tc, test_kinds_a_ceiling_that_two_threads_set_holds);
    tcase_add_test(tc, test_kinds_ceilings_that_two_caches_get_at_once_hold);
    return suite_run(tc);
}
