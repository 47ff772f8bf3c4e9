/* SPDX-License-Identifier: MIT
 *
 * cache/walk: over all entries, also while they change.
 */
#include "support/loads.h"
#include "unit/interfere.h"

enum { N = 3000 };

static unsigned seen[2 * N];
static brim_cache *cache;

static brim_cache *filled(unsigned shards)
{
    brim_options o = value_options(10 * N);

    o.shards = shards;
    memset(seen, 0, sizeof seen);
    cache = make_cache(&o);
    for (uint64_t key = 0; key < N; key++)
        ck_assert_int_eq(put(cache, key, key, 1), BRIM_OK);
    return cache;
}

static bool mark(brim_ref *lent, void *arg)
{
    unsigned *left = arg;

    seen[id_of(lent)]++;
    return --*left > 0;
}

START_TEST(each_once)
{
    brim_cache *c = filled(8);
    unsigned left = N + 1;

    ck_assert_uint_eq(brim_for_each(c, mark, &left), N);
    for (unsigned i = 0; i < N; i++)
        ck_assert_uint_eq(seen[i], 1);
    ck_assert_uint_eq(brim_pinned(c), 0);
    left = 10;
    ck_assert_uint_eq(brim_for_each(c, mark, &left), 10); /* false stops it */
    ck_assert_uint_eq(brim_pinned(c), 0);
    ck_assert_uint_eq(brim_for_each(c, NULL, NULL), 0);
    ck_assert_uint_eq(brim_for_each(NULL, mark, &left), 0);
    finish(c);
}
END_TEST

static bool is_odd(brim_ref *lent, void *arg)
{
    (void)arg;
    return id_of(lent) % 2 == 1;
}

START_TEST(remove_if)
{
    brim_cache *c = filled(4);
    brim_ref *held = brim_find(c, BRIM_KEY((uint64_t){7}));

    ck_assert_uint_eq(brim_remove_if(NULL, is_odd, NULL), 0);
    ck_assert_uint_eq(brim_remove_if(c, NULL, NULL), 0);
    ck_assert_uint_eq(brim_remove_if(c, is_odd, NULL), N / 2);
    ck_assert_uint_eq(brim_count(c), N / 2);
    for (uint64_t key = 0; key < N; key++)
        ck_assert_int_eq(has(c, key), key % 2 == 0);
    ck_assert_uint_eq(values_live(), N / 2 + 1);
    brim_release(held);
    finish(c);
}
END_TEST

/* The visitor removes and inserts, so that the tables are rebuilt under way. */
static bool mark_and_change(brim_ref *lent, void *arg)
{
    uint64_t id = id_of(lent), *next = arg;

    seen[id]++;
    if (id % 3 == 0)
        (void)brim_remove(cache, BRIM_KEY(id));
    for (int i = 0; i < 2 && *next < 2 * N; i++, ++*next)
        EXPECT(put(cache, *next, *next, 1) == BRIM_OK);
    return true;
}

START_TEST(each_once_while_it_grows)
{
    brim_cache *c = filled(2);
    uint64_t next = N;

    ck_assert_uint_ge(brim_for_each(c, mark_and_change, &next), N);
    for (unsigned i = 0; i < 2 * N; i++)
        ck_assert(i < N ? seen[i] == 1 : seen[i] <= 1);
    finish(c);
}
END_TEST

START_TEST(clear)
{
    brim_cache *c = filled(4);
    brim_stats s;

    brim_clear(NULL);
    brim_clear(c);
    ck_assert_uint_eq(brim_count(c), 0);
    ck_assert_uint_eq(values_live(), 0);
    brim_stats_get(c, &s);
    ck_assert_uint_eq(s.left[BRIM_CLEARED], N);
    ck_assert_uint_eq(brim_used(c), 0);
    finish(c);
}
END_TEST

static bool remove_it(brim_ref *lent, void *arg)
{
    (void)lent, (void)arg;
    return true;
}

/* Neither visited, nor counted as removed. */
START_TEST(what_is_stale_is_passed_over)
{
    brim_entry_options grouped = entry_defaults();
    uint64_t fresh = 0, stale = 1;
    unsigned left = N;
    brim_ref *held;

    cache = make_value_cache(100);
    memset(seen, 0, sizeof seen);
    grouped.group = brim_group_new(cache);
    ck_assert_int_eq(put(cache, fresh, 0, 1), BRIM_OK);
    ck_assert_int_eq(brim_insert_with(cache, BRIM_KEY(stale), value_new(1, 1), 1, &grouped, &held), BRIM_OK);
    brim_group_invalidate(grouped.group);
    ck_assert_uint_eq(brim_for_each(cache, mark, &left), 1);
    ck_assert_uint_eq(seen[0], 1);
    ck_assert_uint_eq(seen[1], 0);
    ck_assert_uint_eq(brim_remove_if(cache, remove_it, NULL), 1);
    brim_release(held);
    brim_group_drop(grouped.group);
    finish(cache);
}
END_TEST

#ifdef BRIM_INTERFERE
/* As many entries as ${visits} says. */
static void walk(void *visits)
{
    unsigned most = *(unsigned *)visits, left = most;

    ck_assert_uint_eq(brim_for_each(cache, mark, &left), most);
}

/* Neither the rest of the shard nor the other shards are held for nobody. */
START_TEST(nothing_is_held_after_the_stop)
{
    brim_cache *c = filled(_i == 0 ? 1 : 8);
    unsigned one = 1, all = N;

    ck_assert_uint_lt(operations_of_one(walk, &one) * 4, operations_of_one(walk, &all));
    finish(c);
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("walk");

    tcase_add_test(tc, each_once);
    tcase_add_test(tc, remove_if);
    tcase_add_test(tc, each_once_while_it_grows);
    tcase_add_test(tc, clear);
    tcase_add_test(tc, what_is_stale_is_passed_over);
#ifdef BRIM_INTERFERE
    tcase_add_loop_test(tc, nothing_is_held_after_the_stop, 0, 2);
#endif
    return suite_run(tc);
}
