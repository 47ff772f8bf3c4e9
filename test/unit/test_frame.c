/* SPDX-License-Identifier: MIT
 *
 * cache/frame: the stamp's fields, also where they wrap, and what idling takes by them.
 */
#include "unit/caches.h"

static brim_cache *c;
static heap h;

static uintptr_t stamp_now(void)
{
    return atom_load_relaxed(&c->common.stamp);
}

static void expect_stamp(uint32_t frame, uint8_t idle)
{
    uintptr_t stamp = stamp_now();

    ck_assert_uint_eq(stamp_frame(stamp), frame);
    ck_assert_uint_eq(stamp_idle(stamp), idle);
    ck_assert_uint_eq(stamp & (STAMP | STAMP_LINK | STAMP_FRESH), STAMP);
    ck_assert_uint_eq(stamp & ~STAMP_USE, 0);
}

/* Of ${key}'s entry, quietly. */
static uintptr_t stamp_of(uint64_t key)
{
    uint64_t hash = hash_bytes(&c->hash, &key, sizeof key);
    struct entry *e;

    section_enter(thread_self());
    e = shard_peek(cache_index(c, hash_place(hash)), hash, &key, sizeof key);
    section_leave(thread_self());
    ck_assert_ptr_nonnull(e);
    return entry_stamped(e);
}

START_TEST(frames_wrap_in_stamps_alone)
{
    c = cache_on(&h, 100);
    expect_stamp(0, 0);
    ck_assert_uint_eq(brim_next_frame(c), 1);
    (void)brim_idle(c);
    expect_stamp(1, 1);
    atom_store_relaxed(&c->frame, UINT32_MAX - 1);
    ck_assert_uint_eq(brim_next_frame(c), UINT32_MAX);
    expect_stamp(UINT32_MAX, 1);
    ck_assert_uint_eq(brim_next_frame(c), UINT64_C(1) << 32);
    ck_assert_uint_eq(brim_frame(c), UINT64_C(1) << 32);
    expect_stamp(0, 1);
    (void)brim_idle(c);
    expect_stamp(0, 2);
    finish_on(c, &h);
}
END_TEST

START_TEST(idle_calls_wrap_and_leave_the_frame)
{
    c = cache_on(&h, 100);
    (void)brim_next_frame(c);
    for (unsigned i = 1; i <= 600; i++) {
        (void)brim_idle(c);
        expect_stamp(1, (uint8_t)i);
    }
    finish_on(c, &h);
}
END_TEST

static uint64_t ticks;

static uint64_t tick(void *arg)
{
    (void)arg;
    return ticks << STAMP_TICK_NS_SHIFT;
}

/* Birth in ticks, of 21 bits, which a use keeps. */
START_TEST(born_used_and_fresh)
{
    brim_options o = value_options(100);
    uint32_t born;

    heap_init(&h);
    o.allocator = &h.allocator;
    o.now = tick;
    o.protect_frame = _i == 0;
    c = make_cache(&o);
    ticks = 5;
    (void)brim_next_frame(c);
    ck_assert_int_eq(put(c, 1, 1, 1), BRIM_OK);
    born = (uint32_t)(stamp_of(1) >> STAMP_BORN_SHIFT);
    ck_assert_uint_eq(stamp_of(1) & STAMP_USE, stamp_now() | (_i == 0 ? STAMP_FRESH : 0));
    ticks = 9;
    (void)brim_next_frame(c);
    ck_assert_uint_eq(stamp_frame(stamp_of(1)), 1);
    ck_assert_uint_eq(found_id(c, 1), 1);
    ck_assert_uint_eq(stamp_of(1), (uintptr_t)born << STAMP_BORN_SHIFT | stamp_now());
    ck_assert_int_eq(put(c, 2, 2, 1), BRIM_OK);
    ck_assert_uint_eq((uint32_t)(stamp_of(2) >> STAMP_BORN_SHIFT), born + 4);
    ticks = (UINT64_C(1) << 21) + 9;
    ck_assert_int_eq(put(c, 3, 3, 1), BRIM_OK);
    ck_assert_uint_eq(stamp_of(3), stamp_of(2)); /* it wraps, and spills into nothing */
    finish_on(c, &h);
}
END_TEST

START_TEST(trims_by_frames_on_both_sides_of_the_wrap)
{
    c = cache_on(&h, 100);
    atom_store_relaxed(&c->frame, UINT32_MAX - 2);
    for (uint64_t i = 0; i < 5; i++) { /* in frames ...fffe, ...ffff, 0, 1, 2 */
        (void)brim_next_frame(c);
        ck_assert_int_eq(put(c, i, i, 10), BRIM_OK);
    }
    ck_assert_uint_eq(brim_trim_unused_since(c, UINT32_MAX - 1), 0);
    ck_assert_uint_eq(brim_trim_unused_since(c, (UINT64_C(1) << 32)), 20);
    ck_assert(!has(c, 1) && has(c, 2));
    ck_assert_uint_eq(brim_trim_unused_since(c, (UINT64_C(1) << 32) + 2), 20);
    ck_assert(has(c, 4));
    ck_assert_uint_eq(brim_trim_unused_since(NULL, 1), 0);
    ck_assert_uint_eq(brim_idle(NULL), 0);
    ck_assert_uint_eq(brim_next_frame(NULL), 0);
    ck_assert_uint_eq(brim_frame(NULL), 0);
    finish_on(c, &h);
}
END_TEST

/* An age of 0 or 1 is none yet; of the rest a quarter of the charge goes, upwards, the oldest first. */
START_TEST(a_quarter_upwards_the_oldest_first)
{
    c = cache_on(&h, 100);
    for (uint64_t i = 0; i < 15; i++)
        ck_assert_int_eq(put(c, i, i, 1), BRIM_OK);
    ck_assert_uint_eq(brim_idle(c), 0); /* inserted since the last call */
    for (uint64_t i = 15; i < 20; i++)
        ck_assert_int_eq(put(c, i, i, 1), BRIM_OK);
    ck_assert_uint_eq(brim_idle(c), 4); /* of 15, with ages of 2 */
    ck_assert_uint_eq(brim_idle(c), 4); /* of 16 */
    for (uint64_t i = 15; i < 20; i++)
        ck_assert(has(c, i)); /* they are younger */
    ck_assert_uint_eq(brim_idle(c), 3); /* of 12 */
    ck_assert_uint_eq(brim_idle(c), 3); /* of 9 */
    for (uint64_t i = 15; i < 20; i++)
        ck_assert(has(c, i));
    ck_assert_uint_eq(brim_idle(c), 2); /* of 6: the last of the older */
    ck_assert_uint_eq(brim_idle(c), 1); /* of 4 */
    ck_assert_uint_eq(brim_count(c), 3);
    finish_on(c, &h);
}
END_TEST

/* An entry's age wraps, too: it may be taken for a young one, never for one that was just used. */
START_TEST(ages_wrap)
{
    brim_ref *r;

    c = cache_on(&h, 100);
    ck_assert_int_eq(put_ref(c, 1, 1, 1, &r), BRIM_OK); /* held, it stays for so long */
    for (unsigned i = 0; i < 256; i++)
        ck_assert_uint_eq(brim_idle(c), 0);
    brim_release(r);
    ck_assert_uint_eq(brim_idle(c), 0); /* 257 calls ago is taken for 1 */
    ck_assert_uint_eq(brim_idle(c), 1);
    finish_on(c, &h);
}
END_TEST

/* What was needed has gone, and a little more: no more goes then, neither of the next shard nor of the younger. */
START_TEST(no_more_than_the_quarter)
{
    enum { N = 1501 };

    c = cache_on(&h, 20 * N);
    for (uint64_t i = 0; i < N; i++)
        ck_assert_int_eq(put(c, i, i, 10), BRIM_OK);
    ck_assert_uint_eq(brim_idle(c), 0);
    ck_assert_int_eq(put(c, N, N, 10), BRIM_OK);
    ck_assert_uint_eq(brim_idle(c), 3760); /* of 15010 */
    ck_assert_uint_eq(brim_idle(c), 2820); /* of 11260, of which 10 are younger */
    ck_assert_uint_eq(brim_count(c), N + 1 - 376 - 282);
    ck_assert(has(c, N));
    finish_on(c, &h);
}
END_TEST

/* Of more entries than a shard looks at under its mutex at once. */
START_TEST(of_many)
{
    enum { N = 4000 };

    c = cache_on(&h, N);
    for (uint64_t i = 0; i < N; i++)
        ck_assert_int_eq(put(c, i, i, 1), BRIM_OK);
    ck_assert_uint_eq(brim_idle(c), 0);
    ck_assert_uint_eq(brim_idle(c), N / 4);
    (void)brim_next_frame(c);
    ck_assert_uint_eq(brim_trim_unused_since(c, 1), N - N / 4);
    ck_assert_uint_eq(brim_count(c), 0);
    finish_on(c, &h);
}
END_TEST

static void insert_more(void *v, size_t cost, void *arg)
{
    (void)arg;
    value_destroy(v, cost, NULL);
    EXPECT(put(c, 2, 2, 10) == BRIM_OK);
}

/* What is stale goes in any case, and counts; not if more than that comes meanwhile. */
START_TEST(what_is_stale_counts)
{
    brim_entry_options e = entry_defaults();
    brim_kind kind = value_kind;
    uint64_t name = 1;

    c = cache_on(&h, 100);
    e.group = brim_group_new(c);
    e.kind = &kind;
    if (_i == 1)
        kind.destroy = insert_more;
    ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(name), value_new(1, 5), 5, &e, NULL), BRIM_OK);
    brim_group_invalidate(e.group);
    ck_assert_uint_eq(brim_idle(c), _i == 0 ? 5 : 0);
    ck_assert_uint_eq(brim_used(c), _i == 0 ? 0 : 10);
    brim_group_drop(e.group);
    finish_on(c, &h);
}
END_TEST

static unsigned asked;

static uint64_t count_asking(void *arg)
{
    (void)arg;
    asked++;
    return 1;
}

/* For what is stale; and once more for each age of which something goes. */
START_TEST(asks_the_clock_no_more_than_needed)
{
    brim_options o = value_options(100);
    brim_entry_options e = entry_defaults();
    uint64_t name = 1;

    heap_init(&h);
    o.allocator = &h.allocator;
    o.now = count_asking;
    e.max_age = 1000;
    c = make_cache(&o);
    ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(name), value_new(1, 1), 1, &e, NULL), BRIM_OK);
    asked = 0;
    ck_assert_uint_eq(brim_idle(c), 0);
    ck_assert_uint_eq(asked, 1);
    finish_on(c, &h);
}
END_TEST

#ifdef BRIM_INTERFERE
static void idle(void *arg)
{
    (void)arg;
    (void)brim_idle(c);
}

/* It does not go through all entries for each of 256 ages. */
START_TEST(looks_at_ages_that_are_there)
{
    unsigned counting, taking;

    c = cache_on(&h, 1000);
    for (uint64_t i = 0; i < 1000; i++)
        ck_assert_int_eq(put(c, i, i, 1), BRIM_OK);
    counting = operations_of_one(idle, NULL);
    taking = operations_of_one(idle, NULL);
    ck_assert_uint_eq(brim_count(c), 750);
    ck_assert_uint_lt(taking, 20 * counting);
    finish_on(c, &h);
}
END_TEST

static void use_all(void *arg)
{
    (void)arg;
    for (uint64_t i = 0; i < 8; i++)
        (void)found_id(c, i);
}

/* Less goes then than the quarter: not what was used in its place. */
START_TEST(used_after_they_were_counted)
{
    unsigned less = 0;
    bool met = true;

    for (unsigned after = 0; met; after++) {
        struct other o = {.act = use_all, .outside = true};
        size_t freed;

        c = cache_on(&h, 100);
        for (uint64_t i = 0; i < 8; i++)
            ck_assert_int_eq(put(c, i, i, 1), BRIM_OK);
        ck_assert_uint_eq(brim_idle(c), 0);
        o.cache = c;
        other_begin(&o, after);
        freed = brim_idle(c);
        met = other_end(&o);
        ck_assert_uint_le(freed, 2);
        ck_assert_uint_eq(brim_count(c), 8 - freed);
        ck_assert(o.acted || freed == 2);
        less += freed < 2;
        finish_on(c, &h);
    }
    ck_assert_uint_gt(less, 0);
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("frame");

    tcase_add_test(tc, frames_wrap_in_stamps_alone);
    tcase_add_test(tc, idle_calls_wrap_and_leave_the_frame);
    tcase_add_loop_test(tc, born_used_and_fresh, 0, 2);
    tcase_add_test(tc, trims_by_frames_on_both_sides_of_the_wrap);
    tcase_add_test(tc, a_quarter_upwards_the_oldest_first);
    tcase_add_test(tc, ages_wrap);
    tcase_add_test(tc, no_more_than_the_quarter);
    tcase_add_test(tc, of_many);
    tcase_add_loop_test(tc, what_is_stale_counts, 0, 2);
    tcase_add_test(tc, asks_the_clock_no_more_than_needed);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, looks_at_ages_that_are_there);
    tcase_add_test(tc, used_after_they_were_counted);
#endif
    return suite_run(tc);
}
