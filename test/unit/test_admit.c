/* SPDX-License-Identifier: MIT
 *
 * cache/admit: reservations, and what is evicted for them.
 */
#include "cache/admit.h"
#include "support/support.h"

static uint64_t reserved(brim_cache *c)
{
    return stripes_sum(&c->stripes, offsetof(struct stripe, reserved));
}

START_TEST(room_is_reserved_and_given_back)
{
    brim_cache *c = make_value_cache(100);
    struct admission a = {.cache = c, .by = caller_of(c), .charge = 60};

    ck_assert_int_eq(admit(&a), BRIM_OK);
    ck_assert_uint_eq(reserved(c), 60);
    ck_assert_uint_eq(brim_used(c), 60);
    ck_assert_int_eq(admit(&a), BRIM_FULL); /* nothing can go */
    ck_assert_uint_eq(reserved(c), 60);
    admit_to_user(c, a.by, 40);
    ck_assert_uint_eq(reserved(c), 20);
    ck_assert_uint_eq(brim_used(c), 60);
    admit_undo(c, a.by, 20);
    ck_assert_uint_eq(brim_used(c), 40);
    admit_user_undo(c, a.by, 1000); /* no more than there is */
    ck_assert_uint_eq(brim_used(c), 0);
    a.charge = 101;
    ck_assert_int_eq(admit(&a), BRIM_TOO_BIG);
    finish(c);
}
END_TEST

START_TEST(what_nobody_holds_goes)
{
    enum { N = 500 };
    brim_options o = value_options(N);
    struct admission a = {.charge = N - 3};
    brim_ref *held[3];
    brim_cache *c;

    o.shards = 8;
    c = make_cache(&o);
    for (uint64_t key = 0; key < N; key++)
        ck_assert_int_eq(put_ref(c, key, key, 1, key < 3 ? &held[key] : NULL), BRIM_OK);
    a.cache = c;
    a.by = caller_of(c);
    ck_assert_int_eq(admit(&a), BRIM_OK); /* every last one of them, in all shards */
    ck_assert_uint_eq(brim_count(c), 3);
    ck_assert_uint_eq(values_live(), 3);
    ck_assert_uint_eq(brim_used(c), N);
    ck_assert_uint_eq(reserved(c), N - 3);
    ck_assert_uint_eq(a.by.t->reader.shared, 0);
    admit_undo(c, a.by, N - 3);
    for (int i = 0; i < 3; i++)
        brim_release(held[i]);
    ck_assert_uint_ge(admit_evict(c, a.by, 2, NULL), 2);
    finish(c);
}
END_TEST

START_TEST(one_entry_makes_way_for_one)
{
    brim_options o = value_options(1000);
    struct admission a = {.charge = 1};
    brim_ref *held;
    brim_cache *c;

    o.max_entries = 10;
    o.shards = 4;
    c = make_cache(&o);
    for (uint64_t key = 0; key < 10; key++)
        ck_assert_int_eq(put(c, key, key, _i == 0 ? 1 : 0), BRIM_OK);
    a.cache = c;
    a.by = caller_of(c);
    ck_assert(admit_entry(&a));
    ck_assert_uint_eq(brim_count(c), 9);
    for (uint64_t key = 0; key < 10; key++) /* also of those that cost nothing, one at a time */
        ck_assert_int_eq(put(c, 100 + key, key, _i == 0 ? 1 : 0), BRIM_OK);
    ck_assert_uint_eq(brim_count(c), 10);
    brim_clear(c);
    ck_assert_int_eq(put_ref(c, 1, 1, 1, &held), BRIM_OK);
    ck_assert(!admit_entry(&a)); /* held */
    brim_release(held);
    finish(c);
}
END_TEST

static brim_cache *cache;
static brim_status inner;
static size_t most_used;

/* In a destructor nothing is evicted; and the room of victims is its evictor's already. */
static void insert_from_within(void *what, size_t cost, void *arg)
{
    uint64_t key = 1000;

    (void)what;
    (void)cost;
    (void)arg;
    inner = brim_insert(cache, BRIM_KEY(key), NULL, 8, NULL);
    if (brim_used(cache) > most_used)
        most_used = brim_used(cache);
}

START_TEST(in_a_destructor_nothing_is_evicted)
{
    static char v;
    brim_kind kind = {.destroy = insert_from_within};
    brim_options o = value_options(10);
    uint64_t key = 2000;

    o.kind = &kind;
    most_used = 0;
    inner = BRIM_OK;
    cache = make_cache(&o);
    for (uint64_t i = 0; i < 10; i++)
        ck_assert_int_eq(brim_insert(cache, BRIM_KEY(i), &v, 1, NULL), BRIM_OK);
    ck_assert_int_eq(brim_insert(cache, BRIM_KEY(key), NULL, 8, NULL), BRIM_OK);
    ck_assert_int_eq(inner, BRIM_FULL);
    ck_assert_uint_eq(most_used, 10);
    ck_assert(brim_contains(cache, BRIM_KEY(key)));
    finish(cache);
}
END_TEST

static void take_turns(unsigned id, void *arg)
{
    struct admission a = {.cache = arg, .by = caller_of(arg), .charge = 70};

    (void)id;
    for (int i = 0; i < SCALED(200); i++) {
        brim_status s = admit(&a);
        EXPECT(s == BRIM_OK || s == BRIM_FULL);
        EXPECT(brim_used(a.cache) <= 100);
        if (s == BRIM_OK) {
            uint64_t key = (uint64_t)i;
            admit_undo(a.cache, a.by, 70);
            (void)put(a.cache, key, key, 9);
        }
    }
}

START_TEST(two_large_ones_do_not_block_each_other)
{
    brim_cache *c = make_value_cache(100);

    crew_do(3, take_turns, c);
    ck_assert_uint_eq(reserved(c), 0);
    ck_assert_ptr_null(atom_load_relaxed(&c->turn));
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("admit");

    tcase_add_test(tc, room_is_reserved_and_given_back);
    tcase_add_test(tc, what_nobody_holds_goes);
    tcase_add_loop_test(tc, one_entry_makes_way_for_one, 0, 2);
    tcase_add_test(tc, in_a_destructor_nothing_is_evicted);
    tcase_add_test(tc, two_large_ones_do_not_block_each_other);
    return suite_run(tc);
}
