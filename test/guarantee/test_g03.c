/* SPDX-License-Identifier: MIT
 *
 * G3: every value taken is destroyed exactly once, after it is unlinked and its last ref released; a refused one stays the caller's.
 */
#include "support/support.h"

START_TEST(test_g03_each_way_to_leave_destroys_once)
{
    brim_cache *c = make_value_cache(100);
    uint64_t key = 1;
    brim_ref *r = NULL;
    brim_key *k;
    value *v;

    ck_assert_int_eq(put(c, 1, 1, 1), BRIM_OK);
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    ck_assert_uint_eq(values_destroyed(), 1);
    ck_assert_int_eq(put(c, 2, 2, 1), BRIM_OK);
    ck_assert_int_eq(put(c, 2, 3, 1), BRIM_OK);
    ck_assert_uint_eq(values_destroyed(), 2);
    brim_clear(c);
    ck_assert_uint_eq(values_destroyed(), 3);
    ck_assert_int_eq(put(c, 3, 4, 1), BRIM_OK);
    ck_assert_uint_eq(brim_trim(c, 0), 1);
    ck_assert_uint_eq(values_destroyed(), 4);
    ck_assert_int_eq(put(c, 4, 5, 1), BRIM_OK);
    ck_assert_int_eq(brim_set_capacity(c, 0), BRIM_OK);
    ck_assert_uint_eq(values_destroyed(), 5);
    ck_assert_int_eq(brim_set_capacity(c, 100), BRIM_OK);
    ck_assert_int_eq(put(c, 5, 6, 60), BRIM_OK);
    ck_assert_int_eq(put(c, 6, 7, 60), BRIM_OK);
    ck_assert_uint_eq(values_destroyed(), 6);
    ck_assert_int_eq(put_ref(c, 7, 8, 1, &r), BRIM_OK);
    ck_assert(brim_release_with(r, BRIM_REMOVE_IF_LAST));
    ck_assert_uint_eq(values_destroyed(), 7);
    v = value_new(9, 1);
    ck_assert_int_eq(brim_insert_anonymous(c, v, 1, NULL, &k, NULL), BRIM_OK);
    v = value_new(10, 1);
    ck_assert_int_eq(brim_key_replace(&k, v, 1), BRIM_OK);
    ck_assert_uint_eq(values_destroyed(), 8);
    ck_assert(brim_key_remove(k));
    ck_assert_uint_eq(values_destroyed(), 9);
    brim_key_drop(k);
    v = value_new(11, 1);
    ck_assert_int_eq(brim_wrap(c, v, 1, NULL, &r), BRIM_OK);
    ck_assert_uint_eq(values_destroyed(), 9);
    brim_release(r);
    ck_assert_uint_eq(values_destroyed(), 10);
    finish(c);
    ck_assert_uint_eq(values_destroyed(), 11);
}
END_TEST

START_TEST(test_g03_not_before_unlinked_and_released)
{
    brim_cache *c = make_value_cache(100);
    brim_ref *r = NULL, *copy;
    uint64_t key = 1;

    ck_assert_int_eq(put_ref(c, 1, 1, 1, &r), BRIM_OK);
    copy = brim_ref_copy(r);
    brim_release(r);
    ck_assert_uint_eq(values_destroyed(), 0);
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    ck_assert_uint_eq(values_destroyed(), 0);
    r = brim_ref_copy(copy);
    brim_release(copy);
    ck_assert_uint_eq(values_destroyed(), 0);
    brim_release(r);
    ck_assert_uint_eq(values_destroyed(), 1);
    finish(c);
}
END_TEST

static void refused(brim_status got, brim_status expected, brim_ref *const *out, value *v, size_t destroyed)
{
    ck_assert_int_eq(got, expected);
    if (got != BRIM_EXISTS && out != NULL)
        ck_assert_ptr_null(*out);
    ck_assert_uint_eq(values_destroyed(), destroyed);
    ck_assert(value_alive(v, v->id));
}

START_TEST(test_g03_refused_values_stay_the_callers)
{
    brim_cache *c = make_value_cache(100);
    brim_entry_options e;
    brim_ref *held = NULL, *out = (brim_ref *)&e;
    value *v = value_new(50, 200);
    brim_key *k, *out_key = (brim_key *)&e;
    uint64_t key = 2;

    ck_assert_int_eq(put_ref(c, 1, 1, 90, &held), BRIM_OK);
    refused(brim_insert(c, BRIM_KEY(key), v, 200, &out), BRIM_TOO_BIG, &out, v, 0);
    out = (brim_ref *)&e;
    refused(brim_insert(c, BRIM_KEY(key), v, 101, &out), BRIM_TOO_BIG, &out, v, 0);
    out = (brim_ref *)&e;
    refused(brim_insert(c, BRIM_KEY(key), v, SIZE_MAX, &out), BRIM_TOO_BIG, &out, v, 0);
    out = (brim_ref *)&e;
    refused(brim_insert(c, BRIM_KEY(key), v, 11, &out), BRIM_FULL, &out, v, 0);
    out = (brim_ref *)&e;
    refused(brim_insert_anonymous(c, v, 101, NULL, &out_key, &out), BRIM_TOO_BIG, &out, v, 0);
    ck_assert_ptr_null(out_key);
    out_key = (brim_key *)&e;
    out = (brim_ref *)&e;
    refused(brim_insert_anonymous(c, v, 11, NULL, &out_key, &out), BRIM_FULL, &out, v, 0);
    ck_assert_ptr_null(out_key);
    k = brim_ref_key(held);
    out_key = k;
    out = (brim_ref *)&e;
    refused(brim_key_replace_with(&k, v, 101, NULL, &out), BRIM_TOO_BIG, &out, v, 0);
    ck_assert_ptr_eq(k, out_key);
    refused(brim_key_replace(&k, v, 11), BRIM_FULL, NULL, v, 0);
    ck_assert_ptr_eq(k, out_key);
    brim_key_drop(k);
    brim_entry_options_init(&e);
    e.only_if_absent = true;
    key = 1;
    out = NULL;
    refused(brim_insert_with(c, BRIM_KEY(key), v, 5, &e, &out), BRIM_EXISTS, &out, v, 0);
    ck_assert_uint_eq(id_of(out), 1);
    brim_release(out);
    refused(brim_insert_with(c, BRIM_KEY(key), v, 5, &e, NULL), BRIM_EXISTS, NULL, v, 0);
    brim_release(held);
    ck_assert_uint_eq(brim_count(c), 1);
    value_discard(v);
    finish(c);
}
END_TEST

START_TEST(test_g03_nomem_stays_the_callers)
{
    brim_options o = value_options(100);
    brim_cache *c;
    heap h;
    value *v = value_new(1, 1);
    brim_ref *out = (brim_ref *)&o;
    brim_key *key = (brim_key *)&o;
    uint64_t k = 1;

    heap_init(&h);
    o.allocator = &h.allocator;
    c = make_cache(&o);
    for (uint64_t i = 1000; i < 1010; i++)
        ck_assert_int_eq(put(c, i, i, 1), BRIM_OK);
    heap_fail(&h, 1, SIZE_MAX);
    for (k = 1; brim_insert(c, BRIM_KEY(k), v, 1, &out) == BRIM_OK; k++) {
        brim_release(out);              /* memory kept ready may serve a few */
        v = value_new(1, 1);
        ck_assert_uint_lt(k, 100000);
    }
    ck_assert_ptr_null(out);
    ck_assert(value_alive(v, 1));
    ck_assert_int_eq(brim_insert(c, BRIM_KEY(k), v, 1, NULL), BRIM_NOMEM);
    ck_assert_int_eq(brim_insert_anonymous(c, v, 1, NULL, &key, NULL), BRIM_NOMEM);
    ck_assert_ptr_null(key);
    out = (brim_ref *)&o;
    ck_assert_int_eq(brim_insert_or_wrap(c, BRIM_KEY(k), v, 1, NULL, &out), BRIM_NOMEM);
    ck_assert_ptr_null(out);
    out = (brim_ref *)&o;
    if (brim_wrap(c, v, 1, NULL, &out) == BRIM_NOMEM) {
        ck_assert_ptr_null(out);
        ck_assert(value_alive(v, 1));
        value_discard(v);
    } else {
        brim_release(out);              /* memory kept ready served */
    }
    heap_fail(&h, SIZE_MAX, SIZE_MAX);
    finish(c);
    ck_assert_uint_eq(atomic_load(&h.live), 0);
}
END_TEST

START_TEST(test_g03_insert_or_wrap_hands_over)
{
    brim_cache *c = make_value_cache(100);
    brim_ref *held = NULL, *r = NULL;
    brim_stats stats;
    size_t len = 0;
    uint64_t key = 1;

    ck_assert_int_eq(brim_insert_or_wrap(c, BRIM_KEY(key), value_new(1, 50), 50, NULL, &r), BRIM_OK);
    ck_assert(brim_ref_is_cached(r));
    brim_release(r);
    ck_assert_uint_eq(found_id(c, 1), 1);
    ck_assert_int_eq(brim_insert_or_wrap(c, BRIM_KEY(key), value_new(2, 101), 101, NULL, &r), BRIM_TOO_BIG);
    ck_assert_ptr_nonnull(r);
    ck_assert_uint_eq(id_of(r), 2);
    ck_assert(!brim_ref_is_cached(r));
    ck_assert_mem_eq(brim_ref_key_bytes(r, &len), &key, sizeof key);
    ck_assert_uint_eq(len, sizeof key);
    ck_assert(!has(c, 1));
    ck_assert_uint_eq(brim_used(c), 0);
    brim_stats_get(c, &stats);
    ck_assert_uint_eq(stats.uncharged, 101);
    brim_release(r);
    brim_stats_get(c, &stats);
    ck_assert_uint_eq(stats.uncharged, 0);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_int_eq(put_ref(c, 2, 3, 100, &held), BRIM_OK);
    ck_assert_int_eq(brim_insert_or_wrap(c, BRIM_KEY(key), value_new(4, 10), 10, NULL, &r), BRIM_FULL);
    ck_assert_uint_eq(id_of(r), 4);
    ck_assert_uint_eq(brim_used(c), 100);
    brim_release(r);
    ck_assert_uint_eq(values_live(), 1);
    ck_assert_int_eq(brim_insert_or_wrap(c, BRIM_KEY(key), value_new(5, 10), 10, NULL, NULL), BRIM_FULL);
    ck_assert_uint_eq(values_live(), 1);
    brim_release(held);
    finish(c);
}
END_TEST

START_TEST(test_g03_wrap_hands_over)
{
    brim_cache *c = make_value_cache(10);
    brim_ref *r = NULL;
    size_t len = 1;

    ck_assert_int_eq(brim_wrap(c, value_new(1, 1000), 1000, NULL, &r), BRIM_OK);
    ck_assert_uint_eq(id_of(r), 1);
    ck_assert_uint_eq(brim_ref_cost(r), 1000);
    ck_assert_ptr_null(brim_ref_key_bytes(r, &len));
    ck_assert(!brim_ref_is_cached(r));
    ck_assert_uint_eq(brim_used(c), 0);
    ck_assert_uint_eq(brim_count(c), 0);
    brim_release(r);
    ck_assert_uint_eq(values_destroyed(), 1);
    finish(c);
}
END_TEST

/* ---- Kinds ---- */

static struct { unsigned plain, entry, unused, announced; size_t len; char bytes[16]; void *arg; bool null_key; } seen;

static void kind_destroy(void *v, size_t cost, void *arg)
{
    seen.plain++;
    seen.arg = arg;
    value_destroy(v, cost, NULL);
}

static void kind_destroy_entry(const void *key, size_t len, void *v, size_t cost, void *arg)
{
    seen.entry++;
    seen.arg = arg;
    seen.len = len;
    seen.null_key = key == NULL;
    if (key != NULL && len <= sizeof seen.bytes)
        memcpy(seen.bytes, key, len);
    value_destroy(v, cost, NULL);
}

static void kind_unused(void *arg)
{
    EXPECT(arg == &seen);
    EXPECT(values_live() == 0);
    seen.unused++;
}

static const brim_kind entry_kind = { .size = sizeof(brim_kind), .destroy = kind_destroy, .destroy_entry = kind_destroy_entry,
                                      .unused = kind_unused, .arg = &seen };
static const brim_kind plain_kind = { .size = sizeof(brim_kind), .destroy = kind_destroy, .arg = &seen };
static const brim_kind first_layout_kind = { .size = 0, .destroy = kind_destroy, .arg = &seen };

START_TEST(test_g03_destroy_entry_is_used_if_set)
{
    brim_options o = value_options(100);
    brim_cache *c;
    brim_key *k = NULL;
    brim_entry_options e;

    memset(&seen, 0, sizeof seen);
    o.kind = &entry_kind;
    c = make_cache(&o);
    ck_assert_int_eq(brim_insert(c, "abc", 3, value_new(1, 1), 1, NULL), BRIM_OK);
    ck_assert(brim_remove(c, "abc", 3));
    ck_assert_uint_eq(seen.entry, 1);
    ck_assert_uint_eq(seen.plain, 0);
    ck_assert_uint_eq(seen.len, 3);
    ck_assert_mem_eq(seen.bytes, "abc", 3);
    ck_assert_ptr_eq(seen.arg, &seen);
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(2, 1), 1, NULL, &k, NULL), BRIM_OK);
    ck_assert(brim_key_remove(k));
    brim_key_drop(k);
    ck_assert_uint_eq(seen.entry, 2);
    ck_assert(seen.null_key);
    brim_entry_options_init(&e);
    e.kind = &plain_kind;
    ck_assert_int_eq(brim_insert_with(c, "abc", 3, value_new(3, 1), 1, &e, NULL), BRIM_OK);
    brim_clear(c);
    ck_assert_uint_eq(seen.plain, 1);
    e.kind = &first_layout_kind;
    ck_assert_int_eq(brim_insert_with(c, "abc", 3, value_new(3, 1), 1, &e, NULL), BRIM_OK);
    brim_clear(c);
    ck_assert_uint_eq(seen.plain, 2);
    ck_assert_uint_eq(seen.unused, 0);
    finish(c);
    ck_assert_uint_eq(seen.unused, 1);
}
END_TEST

START_TEST(test_g03_unused_after_the_last_value)
{
    brim_options o = value_options(100);
    brim_cache *c;
    brim_ref *r = NULL, *copy;

    memset(&seen, 0, sizeof seen);
    o.kind = &entry_kind;
    c = make_cache(&o);
    ck_assert_int_eq(put_ref(c, 1, 1, 1, &r), BRIM_OK);
    ck_assert_int_eq(put(c, 2, 2, 1), BRIM_OK);
    copy = brim_ref_copy(r);
    brim_release(r);
    brim_cache_free(c);
    ck_assert_uint_eq(seen.unused, 0);
    ck_assert_uint_eq(values_live(), 1);
    brim_release(copy);
    ck_assert_uint_eq(seen.unused, 1);
    ck_assert_uint_eq(values_live(), 0);
}
END_TEST

START_TEST(test_g03_unused_of_a_kind_named_by_entries)
{
    brim_cache *c = make_value_cache(100);
    brim_entry_options e;
    brim_ref *r = NULL;

    memset(&seen, 0, sizeof seen);
    brim_entry_options_init(&e);
    e.kind = &entry_kind;
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(brim_insert_with(c, "k", 1, value_new(1, 1), 1, &e, &r), BRIM_OK);
        ck_assert_ptr_eq(brim_ref_kind(r), &entry_kind);
        brim_release(r);
    }
    brim_clear(c);
    ck_assert_uint_eq(seen.unused, 0);
    finish(c);
    ck_assert_uint_eq(seen.unused, 1);
}
END_TEST

START_TEST(test_g03_null_values_are_not_destroyed)
{
    brim_options o = value_options(100);
    brim_cache *c;
    brim_ref *r = NULL;

    memset(&seen, 0, sizeof seen);
    o.kind = _i == 0 ? &entry_kind : &plain_kind;
    c = make_cache(&o);
    ck_assert_int_eq(brim_insert(c, "a", 1, NULL, 10, &r), BRIM_OK);
    ck_assert_ptr_nonnull(r);
    ck_assert_ptr_null(brim_ref_value(r));
    brim_release(r);
    r = brim_find(c, "a", 1);
    ck_assert_ptr_nonnull(r);
    brim_release(r);
    ck_assert_uint_eq(brim_used(c), 10);
    ck_assert(brim_remove(c, "a", 1));
    ck_assert_uint_eq(brim_used(c), 0);
    ck_assert_int_eq(brim_wrap(c, NULL, 10, NULL, &r), BRIM_OK);
    brim_release(r);
    ck_assert_int_eq(brim_insert(c, "a", 1, NULL, 10, NULL), BRIM_OK);
    finish(c);
    ck_assert_uint_eq(seen.entry + seen.plain, 0);
}
END_TEST

START_TEST(test_g03_values_need_no_destruction_without_a_kind)
{
    brim_options o;
    brim_cache *c;
    int x = 0;

    brim_options_init(&o, 10);
    c = make_cache(&o);
    for (uint64_t i = 0; i < 100; i++)
        ck_assert_int_eq(brim_insert(c, BRIM_KEY(i), &x, 1, NULL), BRIM_OK);
    ck_assert_uint_eq(brim_count(c), 10);
    finish(c);
}
END_TEST

/* ---- Threads ---- */

static void churn(unsigned id, void *arg)
{
    brim_cache *c = arg;
    uint64_t state = id + 1;
    brim_ref *kept[8] = { NULL };

    for (int i = 0; i < SCALED(40000); i++) {
        uint64_t x = random_next(&state), key = x % 200;
        brim_ref **r = &kept[(x >> 20) % 8];

        switch ((x >> 40) % 8) {
        case 0: (void)brim_remove(c, BRIM_KEY(key)); break;
        case 1:
        case 2: (void)put(c, key, key, 1 + (x >> 50) % 9); break;
        case 3:
            brim_release(*r);
            (void)put_ref(c, key, key, 1, r);
            break;
        case 4:
            (void)brim_release_with(*r, BRIM_REMOVE_IF_LAST);
            *r = NULL;
            *r = brim_ref_copy(kept[x % 7]);
            break;
        default:
            brim_release(*r);
            *r = brim_find(c, BRIM_KEY(key));
            if (*r != NULL)
                EXPECT(value_alive(brim_ref_value(*r), key));
            break;
        }
    }
    for (int i = 0; i < 8; i++)
        brim_release(kept[i]);
}

START_TEST(test_g03_once_with_many_threads)
{
    brim_cache *c = make_value_cache(300);

    crew_do(4, churn, c);
    ck_assert_uint_gt(values_destroyed(), 1000);
    ck_assert_uint_eq(brim_pinned(c), 0);
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("g03");

    tcase_add_test(tc, test_g03_each_way_to_leave_destroys_once);
    tcase_add_test(tc, test_g03_not_before_unlinked_and_released);
    tcase_add_test(tc, test_g03_refused_values_stay_the_callers);
    tcase_add_test(tc, test_g03_nomem_stays_the_callers);
    tcase_add_test(tc, test_g03_insert_or_wrap_hands_over);
    tcase_add_test(tc, test_g03_wrap_hands_over);
    tcase_add_test(tc, test_g03_destroy_entry_is_used_if_set);
    tcase_add_test(tc, test_g03_unused_after_the_last_value);
    tcase_add_test(tc, test_g03_unused_of_a_kind_named_by_entries);
    tcase_add_loop_test(tc, test_g03_null_values_are_not_destroyed, 0, 2);
    tcase_add_test(tc, test_g03_values_need_no_destruction_without_a_kind);
    tcase_add_test(tc, test_g03_once_with_many_threads);
    return suite_run(tc);
}
