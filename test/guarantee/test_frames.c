/* SPDX-License-Identifier: MIT
 *
 * Frames: with options.protect_frame what the current one used goes last; what no later one used can be trimmed.  And
 * brim_idle, which gives back what was not used since its last call.
 */
#include "support/stale.h"
#include <sched.h>

enum { N = 100, OBJECTIVE_SHARDS = CHECKING_BUILD ? 4 : 8 };

static brim_cache *frame_cache(size_t capacity, unsigned shards)
{
    brim_options o = left_options(capacity, shards);

    o.protect_frame = true;
    return make_cache(&o);
}

/* ${variant}: each objective, with one shard and with four; in checking builds with either. */
static brim_cache *variant_cache(size_t capacity, int variant)
{
    brim_options o = left_options(capacity, variant % 2 == 0 ? 1 : 4);

    o.objective = (brim_objective)(CHECKING_BUILD ? variant : variant / 2);
    o.protect_frame = true;
    return make_cache(&o);
}

static uint64_t frame_evictions(brim_cache *c)
{
    return stats_of(c).frame_evictions;
}

/* ---- Numbers */

START_TEST(test_frames_are_numbered_from_0)
{
    brim_cache *c = frame_cache(100, 1), *other = make_value_cache(100);

    ck_assert_uint_eq(brim_frame(c), 0);
    ck_assert_uint_eq(stats_of(c).frame, 0);
    for (uint64_t i = 1; i <= 1000; i++) {
        ck_assert_uint_eq(brim_next_frame(c), i);
        ck_assert_uint_eq(brim_frame(c), i);
        ck_assert_uint_eq(stats_of(c).frame, i);
    }
    ck_assert_uint_eq(brim_frame(other), 0); /* each cache has its own */
    ck_assert_uint_eq(brim_next_frame(other), 1);
    brim_cache_free(other);
    finish(c);
}
END_TEST

START_TEST(test_frames_of_no_cache_are_0)
{
    ck_assert_uint_eq(brim_next_frame(NULL), 0);
    ck_assert_uint_eq(brim_frame(NULL), 0);
    ck_assert_uint_eq(brim_trim_unused_since(NULL, 0), 0);
    ck_assert_uint_eq(brim_idle(NULL), 0);
}
END_TEST

START_TEST(test_frames_a_load_knows_in_which_it_was_last_asked_for)
{
    brim_cache *c = frame_cache(100, 1);
    brim_load *load = NULL, *none = NULL;
    brim_ref *r = NULL;
    uint64_t key = 1;

    (void)brim_next_frame(c);
    ck_assert_int_eq(brim_claim(c, BRIM_KEY(key), 0, &r, &load), BRIM_CLAIMED);
    ck_assert_uint_eq(brim_load_asked(load), 1);
    (void)brim_next_frame(c);
    (void)brim_next_frame(c);
    ck_assert_uint_eq(brim_load_asked(load), 1);
    ck_assert_int_eq(brim_claim(c, BRIM_KEY(key), 0, &r, &none), BRIM_PENDING);
    ck_assert_uint_eq(brim_load_asked(load), 3);
    brim_load_fail(load, 1);
    finish(c);
}
END_TEST

/* ---- What goes first */

/* Ids from 0: used often, but in an earlier frame; from 1000: inserted in this one; from 2000: found in it. */
static brim_cache *three_ranks(size_t capacity, int variant)
{
    brim_cache *c = variant_cache(capacity, variant);

    put_range(c, 2000, N, NULL);
    put_range(c, 0, N, NULL);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(find_range(c, 0, N), N);
    (void)brim_next_frame(c);
    ck_assert_uint_eq(find_range(c, 2000, N), N);
    put_range(c, 1000, N, NULL);
    return c;
}

START_TEST(test_frames_trim_takes_the_unused_then_the_new_then_the_used)
{
    brim_cache *c = three_ranks(1000, _i);

    ck_assert_uint_eq(brim_trim(c, 2 * N + N / 2), N / 2);
    ck_assert_uint_eq(count_range(c, 0, N), N / 2);
    ck_assert_uint_eq(count_range(c, 1000, N), N);
    ck_assert_uint_eq(count_range(c, 2000, N), N);
    ck_assert_uint_eq(brim_trim(c, 2 * N), N / 2);
    ck_assert_uint_eq(count_range(c, 0, N), 0);
    ck_assert_uint_eq(count_range(c, 1000, N), N);
    ck_assert_uint_eq(brim_trim(c, N), N);
    ck_assert_uint_eq(count_range(c, 1000, N), 0);
    ck_assert_uint_eq(count_range(c, 2000, N), N);
    ck_assert_uint_eq(frame_evictions(c), 0);
    ck_assert_uint_eq(brim_trim(c, N / 4), N - N / 4); /* the limit wins */
    ck_assert_uint_eq(count_range(c, 2000, N), N / 4);
    ck_assert_uint_eq(frame_evictions(c), N - N / 4);
    finish(c);
}
END_TEST

START_TEST(test_frames_inserts_take_the_unused_then_the_new_then_the_used)
{
    brim_cache *c = three_ranks(3 * N, _i);

    put_range(c, 3000, N, NULL);
    ck_assert_uint_eq(count_range(c, 0, N), 0);
    ck_assert_uint_eq(count_range(c, 1000, N), N);
    ck_assert_uint_eq(count_range(c, 2000, N), N);
    ck_assert_uint_eq(count_range(c, 3000, N), N);
    put_range(c, 4000, 5 * N, NULL); /* the new ones make room for one another */
    ck_assert_uint_eq(count_range(c, 2000, N), N);
    ck_assert_uint_eq(frame_evictions(c), 0);
    ck_assert_uint_eq(left_by(BRIM_EVICTED), 6 * N);
    finish(c);
}
END_TEST

START_TEST(test_frames_max_entries_is_a_limit_in_the_same_way)
{
    brim_options o = left_options(1000000, _i == 0 ? 1 : 4);
    brim_cache *c;

    o.protect_frame = true;
    o.max_entries = 2 * N;
    c = make_cache(&o);
    put_range(c, 0, N, NULL);
    (void)brim_next_frame(c);
    ck_assert_uint_eq(find_range(c, 0, N), N);
    put_range(c, 1000, 5 * N, NULL);
    ck_assert_uint_eq(count_range(c, 0, N), N);
    ck_assert_uint_eq(frame_evictions(c), 0);
    ck_assert_uint_gt(left_by(BRIM_EVICTED), 0);
    finish(c);
}
END_TEST

START_TEST(test_frames_no_priority_outranks_a_use)
{
    brim_cache *c = variant_cache(1000, _i);
    brim_entry_options low, high;

    brim_entry_options_init(&low);
    brim_entry_options_init(&high);
    low.priority = -1;
    high.priority = 1;
    put_range(c, 0, N, &low);
    put_range(c, 1000, N, &high);
    ck_assert_uint_eq(find_range(c, 1000, N), N);
    (void)brim_next_frame(c);
    ck_assert_uint_eq(find_range(c, 0, N), N);
    ck_assert_uint_eq(brim_trim(c, N), N);
    ck_assert_uint_eq(count_range(c, 0, N), N);
    ck_assert_uint_eq(frame_evictions(c), 0);
    finish(c);
}
END_TEST

/* ---- What is a use */

static brim_cache *frame_borrow_cache(size_t capacity, unsigned shards)
{
    brim_options o = left_options(capacity, shards);

    o.protect_frame = true;
    o.borrow = true;
    return make_cache(&o);
}

START_TEST(test_frames_each_way_to_use_an_entry_protects_it)
{
    brim_cache *c = frame_borrow_cache(1000, 1);
    look_how how = (look_how)_i;
    looked used;

    look_start(&used, c, 0, NULL, false);
    (void)brim_next_frame(c);
    ck_assert_uint_eq(look(&used, how), LOOKED);
    put_range(c, 1000, N, NULL);
    (void)brim_trim(c, LOOKED);
    ck_assert_uint_eq(count_range(c, 0, LOOKED), LOOKED);
    ck_assert_uint_eq(count_range(c, 1000, N), 0);
    ck_assert_uint_eq(frame_evictions(c), 0);
    look_end(&used);
    finish(c);
}
END_TEST

START_TEST(test_frames_looking_quietly_protects_nothing)
{
    brim_cache *c = frame_borrow_cache(1000, 1);
    look_how how = (look_how)_i;
    looked quiet;

    if (how == LOOK_REMOVE_IF) /* nothing is said about it */
        how = LOOK_CONTAINS;
    look_start(&quiet, c, 0, NULL, false);
    (void)brim_next_frame(c);
    put_range(c, 1000, N, NULL);
    ck_assert_uint_eq(look(&quiet, how), LOOKED);
    (void)brim_trim(c, N);
    ck_assert_uint_eq(count_range(c, 0, LOOKED), 0);
    ck_assert_uint_eq(count_range(c, 1000, N), N);
    look_end(&quiet);
    finish(c);
}
END_TEST

static brim_status loads_its_key(const void *key, size_t len, void *arg, void **v, size_t *cost)
{
    uint64_t id = 0;

    (void)arg;
    EXPECT(len == sizeof id);
    memcpy(&id, key, sizeof id);
    *v = value_new(id, 1);
    *cost = 1;
    return BRIM_OK;
}

static brim_ref *insert_used(brim_cache *c, int how, uint64_t key)
{
    brim_entry_options e;
    brim_ref *r = NULL;
    brim_status s;

    brim_entry_options_init(&e);
    switch (how) {
    case 0: s = put_ref(c, key, key, 1, &r); break;
    case 1: s = put_with(c, key, key, 1, &e, &r); break;
    case 2: s = brim_insert_or_wrap(c, BRIM_KEY(key), value_new(key, 1), 1, NULL, &r); break;
    default: s = brim_get(c, BRIM_KEY(key), loads_its_key, NULL, &r); break;
    }
    ck_assert_int_eq(s, BRIM_OK);
    ck_assert_ptr_nonnull(r);
    return r;
}

START_TEST(test_frames_an_insert_with_out_and_a_loading_get_are_uses)
{
    brim_cache *c = frame_cache(1000, 1);

    (void)brim_next_frame(c);
    for (uint64_t i = 0; i < N; i++)
        brim_release(insert_used(c, _i, i));
    put_range(c, 1000, N, NULL);
    ck_assert_uint_eq(brim_trim(c, N), N);
    ck_assert_uint_eq(count_range(c, 0, N), N);
    ck_assert_uint_eq(count_range(c, 1000, N), 0);
    ck_assert_uint_eq(frame_evictions(c), 0);
    ck_assert_uint_eq(brim_trim(c, 0), N);
    ck_assert_uint_eq(frame_evictions(c), N);
    finish(c);
}
END_TEST

START_TEST(test_frames_to_be_inserted_again_is_no_use)
{
    brim_cache *c = frame_cache(1000, 1);

    (void)brim_next_frame(c);
    put_range(c, 0, N, NULL);
    ck_assert_uint_eq(find_range(c, 0, N), N);
    put_range(c, 1000, N, NULL);
    ck_assert_uint_eq(find_range(c, 1000, N), N);
    put_range(c, 0, N, NULL); /* new values, that nobody asked for */
    ck_assert_uint_eq(brim_trim(c, N), N);
    ck_assert_uint_eq(count_range(c, 0, N), 0);
    ck_assert_uint_eq(count_range(c, 1000, N), N);
    ck_assert_uint_eq(frame_evictions(c), 0);
    finish(c);
}
END_TEST

/* ---- For how long */

static void frames_pass(brim_cache *c, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        (void)brim_next_frame(c);
}

static const uint64_t distances[] = {1, 2, 3, 7, 8, 15, 16, 64, 127, 128, 255, 256, 512, 1024, 4096, 32768, 65536};
enum { DISTANCES = sizeof distances / sizeof distances[0] - (CHECKING_BUILD ? 2 : 0) };

START_TEST(test_frames_a_use_protects_in_its_own_frame_alone)
{
    brim_cache *c = frame_cache(1000, 1);

    frames_pass(c, 3);
    put_range(c, 0, 2 * N, NULL);
    ck_assert_uint_eq(find_range(c, 0, N), N);
    ck_assert_uint_eq(find_range(c, N, N), N);
    ck_assert_uint_eq(find_range(c, N, N), N);
    frames_pass(c, distances[_i]);
    ck_assert_uint_eq(find_range(c, 0, N), N);
    ck_assert_uint_eq(brim_trim(c, N), N);
    ck_assert_uint_eq(count_range(c, 0, N), N);
    ck_assert_uint_eq(frame_evictions(c), 0);
    ck_assert_uint_eq(brim_trim(c, N - 1), 1);
    ck_assert_uint_eq(frame_evictions(c), 1);
    finish(c);
}
END_TEST

START_TEST(test_frames_an_insertion_ranks_in_its_own_frame_alone)
{
    brim_cache *c = frame_cache(1000, 1);

    put_range(c, 0, N, NULL);
    frames_pass(c, distances[_i]);
    put_range(c, 1000, N, NULL);
    ck_assert_uint_eq(brim_trim(c, N), N);
    ck_assert_uint_eq(count_range(c, 0, N), 0);
    ck_assert_uint_eq(count_range(c, 1000, N), N);
    ck_assert_uint_eq(frame_evictions(c), 0);
    finish(c);
}
END_TEST

START_TEST(test_frames_what_each_uses_outlives_any_number_of_them)
{
    enum { HOT = 30, ROUNDS = CHECKING_BUILD ? 10 : 100 };
    brim_cache *c = variant_cache(N, _i);

    put_range(c, 0, HOT, NULL);
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        (void)brim_next_frame(c);
        ck_assert_uint_eq(find_range(c, 0, HOT), HOT);
        put_range(c, 1000 * round, N, NULL);
    }
    ck_assert_uint_eq(count_range(c, 0, HOT), HOT);
    ck_assert_uint_eq(frame_evictions(c), 0);
    ck_assert_uint_ge(left_by(BRIM_EVICTED), (ROUNDS - 1) * N);
    finish(c);
}
END_TEST

START_TEST(test_frames_each_way_to_use_what_was_used_before_protects_it_again)
{
    enum { ROUNDS = CHECKING_BUILD ? 3 : 40 };
    look_how how = (look_how)_i;
    brim_cache *c = frame_borrow_cache(N, 1);
    looked used;

    look_start(&used, c, 0, NULL, false);
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        (void)brim_next_frame(c);
        ck_assert_uint_eq(look(&used, how), LOOKED);
        ck_assert_uint_eq(look(&used, how), LOOKED);
        put_range(c, 1000 * round, N + N / 2, NULL);
    }
    ck_assert_uint_eq(look(&used, how), LOOKED);
    ck_assert_uint_eq(frame_evictions(c), 0);
    look_end(&used);
    settle_cache(c);
    finish(c);
}
END_TEST

/* ---- The limit wins */

START_TEST(test_frames_where_all_was_used_the_limit_wins)
{
    brim_cache *c = variant_cache(N, _i);

    put_range(c, 0, N, NULL);
    (void)brim_next_frame(c);
    ck_assert_uint_eq(find_range(c, 0, N), N);
    put_range(c, 1000, 1, NULL);
    ck_assert_uint_eq(brim_used(c), N);
    ck_assert_uint_eq(count_range(c, 0, N), N - 1);
    ck_assert_uint_eq(frame_evictions(c), 1);
    put_range(c, 1001, 10, NULL); /* each takes the place of the one before, which nobody asked for */
    ck_assert_uint_eq(count_range(c, 0, N), N - 1);
    ck_assert_uint_eq(frame_evictions(c), 1);
    ck_assert_int_eq(put(c, 2000, 2000, N), BRIM_OK);
    ck_assert_uint_eq(found_id(c, 2000), 2000);
    ck_assert_uint_eq(frame_evictions(c), N);
    finish(c);
}
END_TEST

START_TEST(test_frames_where_all_else_is_held_the_limit_wins)
{
    brim_cache *c = variant_cache(2 * N, _i);
    brim_ref *held[N];

    for (uint64_t i = 0; i < N; i++)
        ck_assert_int_eq(put_ref(c, 1000 + i, 1000 + i, 1, &held[i]), BRIM_OK);
    put_range(c, 0, N, NULL);
    (void)brim_next_frame(c);
    ck_assert_uint_eq(find_range(c, 0, N), N);
    ck_assert_int_eq(put(c, 2000, 2000, N / 2), BRIM_OK);
    ck_assert_uint_eq(count_range(c, 1000, N), N);
    ck_assert_uint_eq(count_range(c, 0, N), N / 2);
    ck_assert_uint_eq(frame_evictions(c), N / 2);
    brim_release_many(held, N);
    finish(c);
}
END_TEST

START_TEST(test_frames_a_new_value_takes_the_place_of_its_keys_old_one_alone)
{
    brim_cache *c = frame_cache(N, 1);

    put_range(c, 0, N, NULL);
    (void)brim_next_frame(c);
    ck_assert_uint_eq(find_range(c, 0, N), N);
    for (uint64_t i = 0; i < 5; i++)
        ck_assert_int_eq(put(c, 7, 7, 1), BRIM_OK);
    ck_assert_uint_le(frame_evictions(c), 1); /* old and new are charged together for a while */
    ck_assert_uint_ge(count_range(c, 0, N), N - 1);
    finish(c);
}
END_TEST

/* ---- Trimming what is out of use */

/* In frames 0 to 3: ids from 1000 * f inserted in f; those from 0 used in 2; all of 3000 unused. */
static brim_cache *four_frames(bool protects, unsigned shards)
{
    brim_options o = left_options(10000, shards);
    brim_cache *c;

    o.protect_frame = protects;
    c = make_cache(&o);
    put_range(c, 0, N, NULL);
    put_range(c, 500, N, NULL);
    ck_assert_uint_eq(find_range(c, 500, N), N); /* used, but in frame 0 */
    for (uint64_t f = 1; f <= 3; f++) {
        ck_assert_uint_eq(brim_next_frame(c), f);
        put_range(c, 1000 * f, N, NULL);
        if (f == 2)
            ck_assert_uint_eq(find_range(c, 0, N), N);
    }
    return c;
}

START_TEST(test_frames_trim_unused_since_takes_what_no_later_frame_used)
{
    brim_cache *c = four_frames(_i % 2 == 0, _i < 2 ? 1 : 4);

    ck_assert_uint_eq(brim_trim_unused_since(c, 0), 0);
    ck_assert_uint_eq(brim_count(c), 5 * N);
    ck_assert_uint_eq(brim_trim_unused_since(c, 1), N);
    ck_assert_uint_eq(count_range(c, 500, N), 0);
    ck_assert_uint_eq(brim_trim_unused_since(c, 2), N);
    ck_assert_uint_eq(count_range(c, 1000, N), 0);
    ck_assert_uint_eq(count_range(c, 0, N), N); /* used in it */
    ck_assert_uint_eq(count_range(c, 2000, N), N);
    ck_assert_uint_eq(brim_trim_unused_since(c, 3), 2 * N);
    ck_assert_uint_eq(count_range(c, 3000, N), N);
    ck_assert_uint_eq(brim_used(c), N);
    ck_assert_uint_eq(left_by(BRIM_EVICTED), 4 * N);
    ck_assert_uint_eq(values_live(), N);
    ck_assert_uint_eq(brim_trim_unused_since(c, 4), N); /* a frame that has not begun */
    ck_assert_uint_eq(brim_used(c), 0);
    finish(c);
}
END_TEST

START_TEST(test_frames_trim_unused_since_leaves_what_is_held)
{
    brim_cache *c = four_frames(true, 1);
    uint64_t key = 510;
    brim_ref *r = brim_find(c, BRIM_KEY(key));

    ck_assert_uint_eq(brim_trim_unused_since(c, 4), 5 * N - 1);
    ck_assert_uint_eq(brim_count(c), 1);
    ck_assert_uint_eq(id_of(r), 510);
    brim_release(r);
    ck_assert_uint_eq(brim_trim_unused_since(c, 4), 1);
    finish(c);
}
END_TEST

START_TEST(test_frames_trim_unused_since_tells_frames_far_apart)
{
    brim_cache *c = frame_cache(1000, 1);
    uint64_t frame;

    put_range(c, 0, N, NULL);
    ck_assert_uint_eq(find_range(c, 0, N), N);
    frames_pass(c, distances[_i]);
    frame = brim_frame(c);
    put_range(c, 1000, N / 2, NULL);
    ck_assert_uint_eq(find_range(c, 0, N / 2), N / 2);
    ck_assert_uint_eq(brim_trim_unused_since(c, frame), N / 2);
    ck_assert_uint_eq(count_range(c, 0, N / 2), N / 2);
    ck_assert_uint_eq(count_range(c, 1000, N / 2), N / 2);
    frames_pass(c, 1);
    ck_assert_uint_eq(brim_trim_unused_since(c, frame), 0);
    ck_assert_uint_eq(brim_trim_unused_since(c, frame + 1), N);
    finish(c);
}
END_TEST

START_TEST(test_frames_are_trimmed_of_the_stale_too)
{
    brim_cache *c = frame_cache(1000, 1);
    brim_group *g = brim_group_new(c);
    brim_entry_options e;

    brim_entry_options_init(&e);
    e.group = g;
    put_range(c, 0, N, &e);
    (void)brim_next_frame(c);
    put_range(c, 1000, N, NULL);
    brim_group_invalidate(g);
    (void)brim_trim_unused_since(c, 1);
    ck_assert_uint_eq(brim_used(c), N);
    ck_assert_uint_eq(left_by(BRIM_INVALIDATED), N);
    ck_assert_uint_eq(count_range(c, 1000, N), N);
    brim_group_drop(g);
    finish(c);
}
END_TEST

/* ---- brim_idle */

enum { MANY = 400 };

static brim_cache *idle_cache(int variant)
{
    brim_options o = left_options(100000, variant % 2 == 0 ? 1 : 4);

    o.protect_frame = variant >= 2;
    return make_cache(&o);
}

START_TEST(test_idle_gives_back_about_a_quarter_of_what_was_not_used)
{
    brim_cache *c = idle_cache(_i);
    size_t freed;

    ck_assert_uint_eq(brim_idle(c), 0);
    put_range(c, 0, MANY, NULL);
    ck_assert_uint_eq(brim_idle(c), 0); /* inserted since the last call */
    ck_assert_uint_eq(brim_used(c), MANY);
    freed = brim_idle(c);
    ck_assert_uint_ge(freed, MANY / 5);
    ck_assert_uint_le(freed, MANY / 3);
    ck_assert_uint_eq(brim_used(c), MANY - freed);
    ck_assert_uint_eq(values_live(), MANY - freed);
    ck_assert_uint_eq(left_by(BRIM_EVICTED), freed);
    finish(c);
}
END_TEST

START_TEST(test_idle_takes_nothing_that_was_used_or_inserted)
{
    brim_cache *c = idle_cache(_i);
    uint64_t next = 1000;

    put_range(c, 0, MANY, NULL);
    for (int i = 0; i < 60; i++) {
        (void)brim_idle(c);
        ck_assert_uint_eq(find_range(c, 0, 50), 50);
        ck_assert_uint_eq(count_range(c, next, 5), i == 0 ? 0 : 5);
        next += 5;
        put_range(c, next, 5, NULL);
    }
    ck_assert_uint_eq(count_range(c, 50, MANY - 50), 0);
    ck_assert_uint_lt(brim_count(c), MANY / 2);
    finish(c);
}
END_TEST

START_TEST(test_idle_takes_the_oldest_first)
{
    brim_cache *c = idle_cache(_i);
    unsigned old = N, calls = 0;

    put_range(c, 0, N, NULL);
    ck_assert_uint_eq(brim_idle(c), 0);
    put_range(c, 1000, N, NULL);
    ck_assert_uint_eq(count_range(c, 0, N), N);
    for (; old > 0 && calls < 60; calls++) {
        (void)brim_idle(c);
        old = count_range(c, 0, N);
        ck_assert(old == 0 || count_range(c, 1000, N) == N);
    }
    ck_assert_uint_eq(old, 0);
    ck_assert_uint_gt(calls, 2);
    ck_assert_uint_gt(count_range(c, 1000, N), N / 2);
    finish(c);
}
END_TEST

START_TEST(test_idle_reaches_an_empty_cache)
{
    brim_cache *c = idle_cache(_i);
    size_t freed, all = 0;
    int calls = 0;

    put_range(c, 0, MANY, NULL);
    ck_assert_uint_eq(brim_idle(c), 0);
    while (brim_used(c) > 0 && calls++ < 60) {
        freed = brim_idle(c);
        ck_assert_uint_gt(freed, 0);
        all += freed;
    }
    ck_assert_uint_eq(brim_used(c), 0);
    ck_assert_uint_eq(brim_count(c), 0);
    ck_assert_uint_eq(all, MANY);
    ck_assert_int_gt(calls, 5);
    ck_assert_uint_eq(brim_idle(c), 0);
    finish(c);
}
END_TEST

START_TEST(test_idle_goes_by_charge)
{
    brim_cache *c = idle_cache(_i);
    size_t freed, used;

    for (uint64_t i = 0; i < MANY; i++)
        ck_assert_int_eq(put(c, i, i, 1 + i % 100), BRIM_OK);
    ck_assert_uint_eq(brim_idle(c), 0);
    used = brim_used(c);
    freed = brim_idle(c);
    ck_assert_uint_ge(freed, used / 6);
    ck_assert_uint_le(freed, used * 2 / 5);
    ck_assert_uint_eq(brim_used(c), used - freed);
    finish(c);
}
END_TEST

START_TEST(test_idle_leaves_what_is_held_and_takes_what_is_stale)
{
    brim_cache *c = idle_cache(_i);
    brim_group *g = brim_group_new(c);
    brim_entry_options e;
    brim_ref *held = NULL;

    brim_entry_options_init(&e);
    e.group = g;
    put_range(c, 0, MANY, &e);
    put_range(c, 1000, N, NULL);
    ck_assert_int_eq(put_ref(c, 5000, 5000, 1, &held), BRIM_OK);
    brim_group_invalidate(g);
    ck_assert_uint_eq(brim_idle(c), MANY);
    ck_assert_uint_eq(left_by(BRIM_INVALIDATED), MANY);
    ck_assert_uint_eq(brim_used(c), N + 1);
    for (int i = 0; i < 60; i++)
        (void)brim_idle(c);
    ck_assert_uint_eq(brim_count(c), 1);
    ck_assert_uint_eq(id_of(held), 5000);
    ck_assert(brim_ref_is_cached(held));
    brim_release(held);
    brim_group_drop(g);
    finish(c);
}
END_TEST

START_TEST(test_idle_each_way_to_use_an_entry_counts)
{
    brim_options o = left_options(100000, 1);
    brim_cache *c;
    looked used;

    o.borrow = true;
    c = make_cache(&o);
    look_start(&used, c, 0, NULL, false);
    put_range(c, 1000, N, NULL);
    for (int i = 0; i < 40; i++) {
        ck_assert_uint_eq(look(&used, (look_how)_i), LOOKED);
        (void)brim_idle(c);
    }
    ck_assert_uint_eq(look(&used, (look_how)_i), LOOKED);
    ck_assert_uint_eq(count_range(c, 1000, N), 0);
    look_end(&used);
    settle_cache(c);
    finish(c);
}
END_TEST

/* ---- Threads */

enum { THREADS = 4 };

static struct {
    brim_cache *cache;
    atomic_uchar seen[THREADS * 1000 + 1];
} numbers;

static void take_numbers(unsigned id, void *arg)
{
    uint64_t last = 0, n;

    (void)id, (void)arg;
    for (int i = 0; i < SCALED(1000); i++) {
        n = brim_next_frame(numbers.cache);
        EXPECT(n > last && n < sizeof numbers.seen);
        EXPECT(brim_frame(numbers.cache) >= n);
        if (n < sizeof numbers.seen)
            EXPECT(atomic_fetch_add(&numbers.seen[n], 1) == 0);
        last = n;
    }
}

START_TEST(test_frames_begun_by_several_threads_have_their_own_numbers)
{
    memset(&numbers, 0, sizeof numbers);
    numbers.cache = frame_cache(100, 1);
    crew_do(THREADS, take_numbers, NULL);
    ck_assert_uint_eq(brim_frame(numbers.cache), THREADS * SCALED(1000));
    finish(numbers.cache);
}
END_TEST

/* In step: in each frame all use what they need, then all insert much else, then nothing of the former is gone. */

enum { HOT = 30, COLD = 60 };

static struct {
    brim_cache *cache;
    pthread_barrier_t barrier;
    atomic_ullong hits, frames;
} step;

static void step_wait(void)
{
    (void)pthread_barrier_wait(&step.barrier);
}

static void step_thread(unsigned id, void *arg)
{
    uint64_t hot = 1000 * (uint64_t)id, cold = 10000 + 1000000 * (uint64_t)id;

    (void)arg;
    put_range(step.cache, hot, HOT, NULL);
    for (int i = 0; i < SCALED(100); i++) {
        if (pthread_barrier_wait(&step.barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            atomic_store(&step.frames, brim_next_frame(step.cache));
        step_wait();
        atomic_fetch_add(&step.hits, find_range(step.cache, hot, HOT));
        step_wait();
        put_range(step.cache, cold, COLD, NULL);
        cold += COLD;
        step_wait();
        EXPECT(count_range(step.cache, hot, HOT) == HOT);
    }
}

START_TEST(test_frames_protect_what_each_of_several_threads_used)
{
    unsigned frames = SCALED(100);

    memset(&step, 0, sizeof step);
    step.cache = frame_cache(THREADS * (HOT + COLD / 3), _i == 0 ? 1 : 4);
    ck_assert_int_eq(pthread_barrier_init(&step.barrier, NULL, THREADS), 0);
    crew_do(THREADS, step_thread, NULL);
    pthread_barrier_destroy(&step.barrier);
    ck_assert_uint_eq(atomic_load(&step.frames), frames);
    ck_assert_uint_eq(atomic_load(&step.hits), frames * THREADS * HOT);
    ck_assert_uint_eq(frame_evictions(step.cache), 0);
    ck_assert_uint_gt(left_by(BRIM_EVICTED), (frames - 1) * THREADS * COLD);
    finish(step.cache);
}
END_TEST

/* Out of step: finds, inserts, frames, trims and idling all at once, below the limit all the while. */

static struct {
    brim_cache *cache;
    atomic_ullong hits, inserted;
} mixed;

static void mixed_thread(unsigned id, void *arg)
{
    uint64_t state = 3 + id, frame = 0;

    (void)arg;
    for (int i = 0; i < SCALED(6000); i++) {
        uint64_t x = random_next(&state), key = x % 256, now;

        switch (x >> 58) {
        case 0:
        case 1: (void)brim_next_frame(mixed.cache); break;
        case 2: (void)brim_trim_unused_since(mixed.cache, brim_frame(mixed.cache)); break;
        case 3:
            if (id == 0) /* one at a time */
                (void)brim_idle(mixed.cache);
            break;
        case 4: (void)brim_trim(mixed.cache, 50); break;
        default:
            if (found_id(mixed.cache, key) == key)
                atomic_fetch_add(&mixed.hits, 1);
            else if (put(mixed.cache, key, key, 1 + key % 4) == BRIM_OK)
                atomic_fetch_add(&mixed.inserted, 1);
        }
        now = brim_frame(mixed.cache);
        EXPECT(now >= frame);
        frame = now;
        EXPECT(brim_used(mixed.cache) <= 200);
    }
}

START_TEST(test_frames_among_threads_that_find_insert_trim_and_idle)
{
    brim_options o = left_options(200, _i == 0 ? 1 : 4);

    memset(&mixed, 0, sizeof mixed);
    o.protect_frame = true;
    mixed.cache = make_cache(&o);
    crew_do(THREADS, mixed_thread, NULL);
    ck_assert_uint_gt(atomic_load(&mixed.hits), 0);
    ck_assert_uint_gt(atomic_load(&mixed.inserted), 0);
    ck_assert_uint_gt(left_by(BRIM_EVICTED), 0);
    ck_assert_uint_gt(brim_frame(mixed.cache), 0);
    finish(mixed.cache);
}
END_TEST

/* Threads that use a set over and over; each has used all of it between one call of brim_idle and the next. */

enum { BUSY = 2 };

static struct {
    brim_cache *cache;
    atomic_bool ends;
    atomic_ullong rounds[BUSY], hits;
} busy;

static void busy_thread(unsigned id, void *arg)
{
    (void)arg;
    while (!atomic_load(&busy.ends)) {
        unsigned hits = find_range(busy.cache, 1000 * (uint64_t)id, HOT);

        EXPECT(hits == HOT);
        atomic_fetch_add(&busy.hits, hits);
        atomic_fetch_add(&busy.rounds[id], 1);
    }
}

START_TEST(test_idle_takes_nothing_that_threads_use)
{
    crew threads;

    memset(&busy, 0, sizeof busy);
    busy.cache = idle_cache(_i);
    for (uint64_t id = 0; id < BUSY; id++)
        put_range(busy.cache, 1000 * id, HOT, NULL);
    put_range(busy.cache, 10000, N, NULL);
    crew_start(&threads, BUSY, busy_thread, NULL);
    for (int i = 0; i < 60 && count_range(busy.cache, 10000, N) != 0; i++) {
        for (unsigned id = 0; id < BUSY; id++) { /* a whole round since the last call */
            unsigned long long round = atomic_load(&busy.rounds[id]);

            while (atomic_load(&busy.rounds[id]) < round + 2)
                sched_yield();
        }
        (void)brim_idle(busy.cache);
    }
    atomic_store(&busy.ends, true);
    crew_join(&threads);
    ck_assert_uint_eq(count_range(busy.cache, 10000, N), 0);
    ck_assert_uint_eq(brim_count(busy.cache), BUSY * HOT);
    ck_assert_uint_gt(atomic_load(&busy.hits), 0);
    finish(busy.cache);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("frames");

    tcase_add_test(tc, test_frames_are_numbered_from_0);
    tcase_add_test(tc, test_frames_of_no_cache_are_0);
    tcase_add_test(tc, test_frames_a_load_knows_in_which_it_was_last_asked_for);
    tcase_add_loop_test(tc, test_frames_trim_takes_the_unused_then_the_new_then_the_used, 0, OBJECTIVE_SHARDS);
    tcase_add_loop_test(tc, test_frames_inserts_take_the_unused_then_the_new_then_the_used, 0, OBJECTIVE_SHARDS);
    tcase_add_loop_test(tc, test_frames_max_entries_is_a_limit_in_the_same_way, 0, 2);
    tcase_add_loop_test(tc, test_frames_no_priority_outranks_a_use, 0, OBJECTIVE_SHARDS);
    tcase_add_loop_test(tc, test_frames_each_way_to_use_an_entry_protects_it, 0, LOOK_USES);
    tcase_add_loop_test(tc, test_frames_looking_quietly_protects_nothing, LOOK_USES, LOOK_REF_IS_CACHED);
    tcase_add_loop_test(tc, test_frames_an_insert_with_out_and_a_loading_get_are_uses, 0, 4);
    tcase_add_test(tc, test_frames_to_be_inserted_again_is_no_use);
    tcase_add_loop_test(tc, test_frames_a_use_protects_in_its_own_frame_alone, 0, DISTANCES);
    tcase_add_loop_test(tc, test_frames_an_insertion_ranks_in_its_own_frame_alone, 0, DISTANCES);
    tcase_add_loop_test(tc, test_frames_what_each_uses_outlives_any_number_of_them, 0, OBJECTIVE_SHARDS);
    tcase_add_loop_test(tc, test_frames_each_way_to_use_what_was_used_before_protects_it_again, 0, LOOK_USES);
    tcase_add_loop_test(tc, test_frames_where_all_was_used_the_limit_wins, 0, OBJECTIVE_SHARDS);
    tcase_add_loop_test(tc, test_frames_where_all_else_is_held_the_limit_wins, 0, OBJECTIVE_SHARDS);
    tcase_add_test(tc, test_frames_a_new_value_takes_the_place_of_its_keys_old_one_alone);
    tcase_add_loop_test(tc, test_frames_trim_unused_since_takes_what_no_later_frame_used, 0, 4);
    tcase_add_test(tc, test_frames_trim_unused_since_leaves_what_is_held);
    tcase_add_loop_test(tc, test_frames_trim_unused_since_tells_frames_far_apart, 0, DISTANCES);
    tcase_add_test(tc, test_frames_are_trimmed_of_the_stale_too);
    tcase_add_loop_test(tc, test_idle_gives_back_about_a_quarter_of_what_was_not_used, 0, 4);
    tcase_add_loop_test(tc, test_idle_takes_nothing_that_was_used_or_inserted, 0, 4);
    tcase_add_loop_test(tc, test_idle_takes_the_oldest_first, 0, 4);
    tcase_add_loop_test(tc, test_idle_reaches_an_empty_cache, 0, 4);
    tcase_add_loop_test(tc, test_idle_goes_by_charge, 0, 4);
    tcase_add_loop_test(tc, test_idle_leaves_what_is_held_and_takes_what_is_stale, 0, 4);
    tcase_add_loop_test(tc, test_idle_each_way_to_use_an_entry_counts, 0, LOOK_USES);
    tcase_add_test(tc, test_frames_begun_by_several_threads_have_their_own_numbers);
    tcase_add_loop_test(tc, test_frames_protect_what_each_of_several_threads_used, 0, 2);
    tcase_add_loop_test(tc, test_frames_among_threads_that_find_insert_trim_and_idle, 0, 2);
    tcase_add_loop_test(tc, test_idle_takes_nothing_that_threads_use, 0, 2);
    return suite_run(tc);
}
