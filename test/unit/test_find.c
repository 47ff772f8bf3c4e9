/* SPDX-License-Identifier: MIT
 *
 * cache/find: by bytes, key and slot; what counts as hit and miss.
 */
#include "support/support.h"

static void expect_counts(brim_cache *c, uint64_t hits, uint64_t misses)
{
    brim_stats s;

    brim_stats_get(c, &s);
    ck_assert_uint_eq(s.hits, hits);
    ck_assert_uint_eq(s.misses, misses);
}

START_TEST(by_bytes)
{
    brim_cache *c = make_value_cache(100);

    ck_assert_int_eq(put(c, 1, 11, 1), BRIM_OK);
    ck_assert_uint_eq(found_id(c, 1), 11);
    ck_assert_uint_eq(found_id(c, 2), UINT64_MAX);
    ck_assert(has(c, 1));
    ck_assert(!has(c, 2));
    ck_assert_ptr_null(brim_find(c, NULL, 1));
    ck_assert_ptr_null(brim_find(NULL, "", 1));
    ck_assert(!brim_contains(c, NULL, 1));
    ck_assert(!brim_remove(c, NULL, 1));
    ck_assert(!brim_remove(c, "x", 1));
    expect_counts(c, 1, 1); /* what is quiet does not count */
    finish(c);
}
END_TEST

START_TEST(by_key_and_slot)
{
    brim_cache *c = make_value_cache(100);
    brim_slot slot = BRIM_SLOT_INIT;
    brim_key *key;
    brim_ref *r;

    ck_assert_ptr_null(brim_key_find(NULL));
    ck_assert_ptr_null(brim_slot_find(NULL));
    ck_assert_ptr_null(brim_slot_find(&slot));
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(7, 3), 3, NULL, &key, NULL), BRIM_OK);
    brim_slot_init(&slot, brim_key_copy(key));
    r = brim_key_find(key);
    ck_assert_uint_eq(id_of(r), 7);
    ck_assert_uint_eq(brim_pinned(c), 3);
    brim_release(r);
    r = brim_slot_find(&slot);
    ck_assert_uint_eq(id_of(r), 7);
    brim_release(r);
    ck_assert_uint_eq(brim_pinned(c), 0);
    ck_assert(brim_key_remove(key));
    ck_assert_ptr_null(brim_key_find(key));
    ck_assert_ptr_null(brim_slot_find(&slot));
    expect_counts(c, 2, 2);
    brim_slot_store(&slot, NULL);
    brim_key_drop(key);
    finish(c);
}
END_TEST

static struct { brim_cache *cache; brim_slot slot; atomic_bool stop; } shared;

static void look(unsigned id, void *arg)
{
    (void)arg;
    if (id == 0) {
        for (uint64_t i = 1; i < SCALED(10000); i++) {
            brim_key *key;
            EXPECT(put(shared.cache, 1, i, 1) == BRIM_OK);
            if (brim_insert_anonymous(shared.cache, value_new(i, 1), 1, NULL, &key, NULL) == BRIM_OK)
                brim_slot_store(&shared.slot, key);
            else
                EXPECT(false);
        }
        atomic_store(&shared.stop, true);
        return;
    }
    while (!atomic_load(&shared.stop)) {
        brim_ref *r = id == 1 ? brim_slot_find(&shared.slot) : NULL;
        EXPECT(id == 1 || found_id(shared.cache, 1) != UINT64_MAX); /* a replace is no miss */
        if (r != NULL) {
            EXPECT(value_alive(brim_ref_value(r), id_of(r)));
            brim_release(r);
        }
    }
}

START_TEST(found_while_replaced)
{
    shared.cache = make_value_cache(100000);
    atomic_store(&shared.stop, false);
    brim_slot_init(&shared.slot, NULL);
    ck_assert_int_eq(put(shared.cache, 1, 0, 1), BRIM_OK);
    crew_do(3, look, NULL);
    brim_slot_store(&shared.slot, NULL);
    finish(shared.cache);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("find");

    tcase_add_test(tc, by_bytes);
    tcase_add_test(tc, by_key_and_slot);
    tcase_add_test(tc, found_while_replaced);
    return suite_run(tc);
}
