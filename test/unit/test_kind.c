/* SPDX-License-Identifier: MIT
 *
 * cache/kind: a record and a number for each kind of each cache; `unused' after its last value.
 */
#include "cache/cache.h"
#include "support/support.h"

static atomic_uint unused_calls;

static void count_unused(void *arg)
{
    (void)arg;
    atomic_fetch_add(&unused_calls, 1);
}

START_TEST(one_record_for_each)
{
    brim_cache *c = make_value_cache(100), *other = make_value_cache(100);
    brim_kind user = {.size = sizeof user};
    struct kind *k, *again, *there;

    ck_assert_ptr_null(kind_look_up(c, &user));
    ck_assert_int_eq(kind_get(c, &user, &k), BRIM_OK);
    ck_assert_int_eq(kind_get(c, &user, &again), BRIM_OK);
    ck_assert_int_eq(kind_get(other, &user, &there), BRIM_OK);
    ck_assert_ptr_eq(k, again);
    ck_assert_ptr_eq(kind_look_up(c, &user), k);
    ck_assert_ptr_eq(kind_look_up(c, &value_kind), c->default_kind);
    ck_assert_ptr_ne(k, there);
    ck_assert_uint_ne(k->number, there->number);
    ck_assert_uint_ne(k->number, c->default_kind->number);
    ck_assert_ptr_eq(k->cache, c);
    ck_assert_ptr_eq(k->user, &user);
    finish(c);
    finish(other);
}
END_TEST

START_TEST(bad_kinds)
{
    brim_cache *c = make_value_cache(100);
    brim_kind small = {.size = 8}, floor = {.floor = 101}, ceiling = {.ceiling = 101}, both = {.floor = 2, .ceiling = 1};
    struct kind *k;

    ck_assert_int_eq(kind_get(c, &small, &k), BRIM_INVALID);
    ck_assert_int_eq(kind_get(c, &both, &k), BRIM_INVALID);
    ck_assert_int_eq(kind_get(c, &floor, &k), BRIM_INVALID);
    ck_assert_int_eq(kind_get(c, &ceiling, &k), BRIM_INVALID);
    finish(c);
}
END_TEST

START_TEST(numbers_lead_back_and_are_used_again)
{
    enum { KINDS = KIND_CHUNK + 20, CACHES = 20 };
    static brim_kind user[KINDS];
    uint32_t most = 0;

    for (int round = 0; round < CACHES; round++) {
        brim_cache *c = make_value_cache(100);
        for (unsigned i = 0; i < KINDS; i++) {
            struct entry e = {.kind_flags = 0};
            struct kind *k;
            ck_assert_int_eq(kind_get(c, &user[i], &k), BRIM_OK);
            e.kind_flags = k->number << 8 | 255;
            ck_assert_ptr_eq(kind_of(&e), k);
            if (round == 0 && k->number > most)
                most = k->number;
            ck_assert_uint_lt(k->number, most + KIND_SLOTS); /* the slot of the late kinds differs by cache */
        }
        finish(c);
    }
}
END_TEST

START_TEST(unused_after_the_last_value)
{
    brim_kind user = value_kind;
    brim_entry_options o;
    brim_cache *c = make_value_cache(100);
    brim_ref *r;

    user.unused = count_unused;
    atomic_store(&unused_calls, 0);
    brim_entry_options_init(&o);
    o.kind = &user;
    ck_assert_int_eq(brim_insert_with(c, "a", 1, value_new(1, 5), 5, &o, &r), BRIM_OK);
    ck_assert_int_eq(brim_insert_with(c, "b", 1, value_new(2, 5), 5, &o, NULL), BRIM_OK);
    ck_assert(brim_remove(c, "b", 1));
    brim_cache_free(c);
    ck_assert_uint_eq(atomic_load(&unused_calls), 0);
    brim_release(r);
    ck_assert_uint_eq(atomic_load(&unused_calls), 1);
    ck_assert_uint_eq(values_live(), 0);
}
END_TEST

static brim_cache *shared;
static brim_kind fresh;
static struct kind *got[4];

static void get(unsigned id, void *arg)
{
    (void)arg;
    EXPECT(kind_get(shared, &fresh, &got[id]) == BRIM_OK);
}

START_TEST(all_threads_get_the_same)
{
    for (int round = 0; round < SCALED(200); round++) {
        shared = make_value_cache(100);
        crew_do(4, get, NULL);
        for (int i = 0; i < 4; i++)
            ck_assert_ptr_eq(got[i], kind_look_up(shared, &fresh));
        finish(shared);
    }
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("kind");

    tcase_add_test(tc, one_record_for_each);
    tcase_add_test(tc, bad_kinds);
    tcase_add_test(tc, numbers_lead_back_and_are_used_again);
    tcase_add_test(tc, unused_after_the_last_value);
    tcase_add_test(tc, all_threads_get_the_same);
    return suite_run(tc);
}
