/* SPDX-License-Identifier: MIT
 *
 * cache/key: handles and slots.
 */
#include "unit/caches.h"

static heap h;

static brim_key *key_of_new(brim_cache *c, uint64_t id)
{
    brim_key *key = NULL;

    ck_assert_int_eq(brim_insert_anonymous(c, value_new(id, 1), 1, NULL, &key, NULL), BRIM_OK);
    return key;
}

START_TEST(null_is_harmless)
{
    brim_key *none = NULL;

    ck_assert_ptr_null(brim_ref_key(NULL));
    ck_assert_ptr_null(brim_key_copy(NULL));
    ck_assert(!brim_key_remove(NULL));
    ck_assert(!brim_key_is_valid(NULL));
    ck_assert(brim_key_equal(NULL, NULL));
    ck_assert_int_eq(brim_key_replace(NULL, NULL, 1), BRIM_INVALID);
    ck_assert_int_eq(brim_key_replace(&none, NULL, 1), BRIM_INVALID);
    brim_key_assign(NULL, NULL);
    brim_key_assign(&none, NULL);
    brim_key_swap(&none, NULL);
    brim_key_swap(NULL, &none);
    brim_key_drop(NULL);
    brim_slot_init(NULL, NULL);
    ck_assert_ptr_null(brim_slot_load(NULL));
}
END_TEST

START_TEST(copy_assign_swap)
{
    brim_cache *c = cache_on(&h, 100);
    brim_key *a = key_of_new(c, 1), *b = key_of_new(c, 2), *k = brim_key_copy(a);

    ck_assert(brim_key_equal(a, k));
    ck_assert(!brim_key_equal(a, b));
    brim_key_assign(&k, b);
    ck_assert(brim_key_equal(b, k));
    brim_key_assign(&k, k); /* its own count is all that keeps it, for the moment */
    brim_key_swap(&a, &b);
    ck_assert(brim_key_equal(a, k));
    ck_assert(brim_key_remove(k));
    ck_assert(!brim_key_remove(a));
    ck_assert(!brim_key_is_valid(a));
    ck_assert(brim_key_is_valid(b));
    brim_key_drop(a);
    brim_key_drop(b);
    brim_key_drop(k);
    finish_on(c, &h); /* no key keeps it */
}
END_TEST

START_TEST(replace_renews_the_key)
{
    brim_cache *c = cache_on(&h, 100);
    uint64_t name = 5;
    brim_key *key, *old;
    value *v = value_new(3, 1);
    brim_ref *r;

    ck_assert_int_eq(put_ref(c, name, 1, 1, &r), BRIM_OK);
    key = brim_ref_key(r);
    old = brim_key_copy(key);
    brim_release(r);
    ck_assert_int_eq(brim_key_replace_with(&key, value_new(2, 4), 4, NULL, &r), BRIM_OK);
    ck_assert_uint_eq(id_of(r), 2);
    brim_release(r);
    ck_assert_uint_eq(found_id(c, name), 2);
    ck_assert(!brim_key_is_valid(old));
    ck_assert(brim_key_is_valid(key));
    ck_assert_mem_eq(brim_key_bytes(key, NULL), &name, sizeof name);
    ck_assert_int_eq(brim_key_replace(&old, v, 1), BRIM_INVALID); /* it names what has left */
    ck_assert_uint_eq(found_id(c, name), 2);
    ck_assert_int_eq(brim_key_replace(&key, v, 101), BRIM_TOO_BIG);
    ck_assert(brim_key_is_valid(key));
    value_discard(v);
    brim_key_drop(old);
    brim_key_drop(key);
    finish_on(c, &h); /* no key keeps it */
}
END_TEST

START_TEST(slots_own_a_count)
{
    brim_cache *c = cache_on(&h, 100);
    brim_key *a = key_of_new(c, 1), *b = key_of_new(c, 2), *k;
    brim_slot slot = BRIM_SLOT_INIT;
    uint64_t state;

    ck_assert_ptr_null(brim_slot_load(&slot));
    brim_slot_init(&slot, brim_key_copy(b));
    k = brim_slot_load(&slot);
    ck_assert(brim_key_equal(k, b));
    brim_key_drop(k);
    brim_slot_store(&slot, brim_key_copy(a));
    k = brim_slot_load(&slot);
    ck_assert(brim_key_equal(k, a));
    brim_key_drop(k);
    state = atom_load_relaxed(&entry_of_key(b)->state);
    ck_assert(!brim_slot_compare_exchange(&slot, b, b));
    ck_assert_uint_eq(atom_load_relaxed(&entry_of_key(b)->state), state); /* nothing was given or taken */
    ck_assert(brim_slot_compare_exchange(&slot, a, brim_key_copy(b)));
    k = brim_slot_exchange(&slot, NULL);
    ck_assert(brim_key_equal(k, b));
    brim_key_drop(k);
    brim_key_drop(a);
    brim_key_drop(b);
    finish_on(c, &h); /* no key keeps it */
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("key");

    tcase_add_test(tc, null_is_harmless);
    tcase_add_test(tc, copy_assign_swap);
    tcase_add_test(tc, replace_renews_the_key);
    tcase_add_test(tc, slots_own_a_count);
    return suite_run(tc);
}
