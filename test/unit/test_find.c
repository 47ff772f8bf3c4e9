/* SPDX-License-Identifier: MIT
 *
 * cache/find: by bytes, key and slot; what counts as hit and miss.
 */
#include "support/stale.h"
#include "unit/caches.h"

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

static void replace_or_look(unsigned id, void *arg)
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
    crew_do(3, replace_or_look, NULL);
    brim_slot_store(&shared.slot, NULL);
    finish(shared.cache);
}
END_TEST

#ifdef BRIM_INTERFERE
static brim_ref *held;

static void release_it(void *arg)
{
    (void)arg;
    brim_release(held);
}

/* The last hold on what has left goes while a look-up by handle is at it: whoever undoes the last one destroys it. */
START_TEST(by_key_as_the_last_hold_goes)
{
    bool met = true;

    for (unsigned after = 0; met; after++) {
        brim_cache *c = make_value_cache(100);
        struct other o = {.cache = c, .act = release_it};
        brim_key *key;

        ck_assert_int_eq(put_ref(c, 1, 1, 5, &held), BRIM_OK);
        key = brim_ref_key(held);
        ck_assert(brim_key_remove(key));
        other_begin(&o, after);
        ck_assert_ptr_null(brim_key_find(key));
        met = other_end(&o);
        if (!o.acted)
            brim_release(held);
        ck_assert_uint_eq(values_live(), 0);
        ck_assert_uint_eq(brim_pinned(c), 0);
        ck_assert_uint_eq(brim_used(c), 0);
        brim_key_drop(key);
        finish(c);
    }
}
END_TEST

static void put_new(void *arg)
{
    EXPECT(put(arg, 1, 2, 1) == BRIM_OK);
}

static void remove_it(void *arg)
{
    (void)brim_remove(arg, BRIM_KEY((uint64_t){1}));
    write_once(arg, 0); /* which sweeps */
}

/* What is stale has something new, or goes, while it is peeked at: the new one is found, or nothing. */
START_TEST(peeked_while_it_is_replaced)
{
    brim_entry_options e;
    bool met = true;
    unsigned found = 0;

    brim_entry_options_init(&e);
    for (unsigned after = 0; met; after++) {
        brim_cache *c = make_borrow_cache(100);
        struct other o = {.cache = c, .act = _i == 0 ? put_new : remove_it, .arg = c};
        uint64_t key = 1;
        value *v;

        e.group = brim_group_new(c);
        ck_assert_int_eq(put_with(c, key, 1, 1, &e, NULL), BRIM_OK);
        brim_group_invalidate(e.group);
        begin_reading(c);
        other_begin(&o, after);
        v = brim_peek(c, BRIM_KEY(key));
        met = other_end(&o);
        ck_assert(v == NULL || (o.acted && _i == 0 && value_alive(v, 2)));
        found += v != NULL;
        expect_counts(c, v != NULL, v == NULL);
        brim_read_end(c);
        brim_group_drop(e.group);
        finish(c);
    }
    ck_assert_int_eq(found > 1, _i == 0);
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("find");

    tcase_add_test(tc, by_bytes);
    tcase_add_test(tc, by_key_and_slot);
    tcase_add_test(tc, found_while_replaced);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, by_key_as_the_last_hold_goes);
    tcase_add_loop_test(tc, peeked_while_it_is_replaced, 0, 2);
#endif
    return suite_run(tc);
}
