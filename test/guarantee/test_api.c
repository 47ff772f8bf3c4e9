/* SPDX-License-Identifier: MIT
 *
 * Every function: normal use, NULL arguments, bad input; out-parameters written in every case.
 */
#include "support/support.h"

static const uint64_t one = 1;
static int junk;
#define JUNK_REF ((brim_ref *)&junk)
#define JUNK_KEY ((brim_key *)&junk)

START_TEST(test_api_options_init)
{
    brim_options o;
    brim_entry_options e;

    memset(&o, 0xff, sizeof o);
    memset(&e, 0xff, sizeof e);
    brim_options_init(&o, 123);
    ck_assert_uint_eq(o.size, sizeof o);
    ck_assert_uint_eq(o.capacity, 123);
    ck_assert_ptr_null(o.kind);
    ck_assert_ptr_null(o.allocator);
    ck_assert_ptr_null(o.gone);
    ck_assert_uint_eq(o.shards, 0);
    ck_assert_uint_eq(o.max_entries, 0);
    ck_assert_int_eq(o.objective, BRIM_BALANCED);
    ck_assert_int_eq(o.hash, BRIM_HASH_FAST);
    ck_assert(!o.borrow && !o.charge_overhead && !o.protect_frame);
    brim_entry_options_init(&e);
    ck_assert_uint_eq(e.size, sizeof e);
    ck_assert_ptr_null(e.kind);
    ck_assert_ptr_null(e.group);
    ck_assert_int_eq(e.priority, 0);
    ck_assert(!e.only_if_absent && !e.drop_old);
}
END_TEST

START_TEST(test_api_cache_new)
{
    brim_options o = value_options(100);
    brim_cache *c = (brim_cache *)&junk;
    brim_allocator a;
    heap h;

    ck_assert_int_eq(brim_cache_new(&o, NULL), BRIM_INVALID);
    o.hash = (brim_hash)77;
    ck_assert_int_ne(brim_cache_new(&o, &c), BRIM_OK);
    ck_assert_ptr_null(c);
    o = value_options(100);
    o.objective = (brim_objective)77;
    c = (brim_cache *)&junk;
    ck_assert_int_ne(brim_cache_new(&o, &c), BRIM_OK);
    ck_assert_ptr_null(c);
    heap_init(&h);
    for (int i = 0; i < 2; i++) {
        a = h.allocator;
        if (i == 0)
            a.alloc = NULL;
        else
            a.free = NULL;
        o = value_options(100);
        o.allocator = &a;
        c = (brim_cache *)&junk;
        ck_assert_int_eq(brim_cache_new(&o, &c), BRIM_INVALID);
        ck_assert_ptr_null(c);
    }
    for (unsigned shards = 0; shards < 70; shards += 3) {
        brim_stats s;

        o = value_options(1000);
        o.shards = shards;
        o.expected_cost = shards;
        c = make_cache(&o);
        brim_stats_get(c, &s);
        ck_assert_uint_gt(s.shards, 0);
        ck_assert_uint_eq(s.shards & (s.shards - 1), 0);
        if (shards != 0)
            ck_assert(s.shards >= shards && s.shards < 2 * shards);
        ck_assert_int_eq(put(c, 1, 1, 1000), BRIM_OK);
        finish(c);
    }
}
END_TEST

START_TEST(test_api_the_name_and_options_are_copied)
{
    char name[] = "a name";
    brim_options o = value_options(1000);
    heap *h = calloc(1, sizeof *h);
    brim_allocator *a = malloc(sizeof *a);
    brim_cache *c;

    ck_assert(h != NULL && a != NULL);
    heap_init(h);
    *a = h->allocator;
    o.name = name;
    o.allocator = a;
    c = make_cache(&o);
    memset(name, 'x', sizeof name - 1);
    memset(&o, 0xff, sizeof o);
    memset(a, 0xff, sizeof *a);
    free(a);
    for (uint64_t i = 0; i < 2000; i++)
        ck_assert_int_eq(put(c, i, i, 1), BRIM_OK);
    finish(c);
    ck_assert_uint_eq(atomic_load(&h->live), 0);
    free(h);
}
END_TEST

START_TEST(test_api_insert_bad_input)
{
    brim_cache *c = make_value_cache(100);
    value *v = value_new(1, 1);
    brim_ref *r = JUNK_REF;
    brim_key *k = JUNK_KEY;

    ck_assert_int_eq(brim_insert(c, NULL, 3, v, 1, &r), BRIM_INVALID);
    ck_assert_ptr_null(r);
    r = JUNK_REF;
    ck_assert_int_eq(brim_insert_with(c, NULL, 3, v, 1, NULL, &r), BRIM_INVALID);
    ck_assert_ptr_null(r);
    r = JUNK_REF;
    ck_assert_int_eq(brim_insert_or_wrap(c, NULL, 3, v, 1, NULL, &r), BRIM_INVALID);
    ck_assert_ptr_null(r);
    ck_assert_int_eq(brim_insert_anonymous(c, v, 1, NULL, NULL, NULL), BRIM_INVALID);
    ck_assert_int_eq(brim_wrap(c, v, 1, NULL, NULL), BRIM_INVALID);
    r = JUNK_REF;
    ck_assert_int_eq(brim_key_replace_with(NULL, v, 1, NULL, &r), BRIM_INVALID);
    ck_assert_ptr_null(r);
    ck_assert_int_eq(brim_key_replace(NULL, v, 1), BRIM_INVALID);
    ck_assert_ptr_null(brim_find(c, NULL, 3));
    ck_assert(!brim_contains(c, NULL, 3));
    ck_assert(!brim_remove(c, NULL, 3));
    (void)k;
    ck_assert(value_alive(v, 1));
    ck_assert_uint_eq(brim_count(c), 0);
    value_discard(v);
    finish(c);
}
END_TEST

/* A NULL cache: the contract names it for free only; here it is the cache of nothing. */
START_TEST(test_api_a_null_cache)
{
    value *v = value_new(1, 1);
    brim_ref *r = JUNK_REF;
    brim_key *k = JUNK_KEY;

    ck_assert_int_eq(brim_insert(NULL, BRIM_KEY(one), v, 1, &r), BRIM_INVALID);
    ck_assert_ptr_null(r);
    r = JUNK_REF;
    ck_assert_int_eq(brim_insert_with(NULL, BRIM_KEY(one), v, 1, NULL, &r), BRIM_INVALID);
    ck_assert_ptr_null(r);
    r = JUNK_REF;
    ck_assert_int_eq(brim_insert_or_wrap(NULL, BRIM_KEY(one), v, 1, NULL, &r), BRIM_INVALID);
    ck_assert_ptr_null(r);
    r = JUNK_REF;
    ck_assert_int_eq(brim_insert_anonymous(NULL, v, 1, NULL, &k, &r), BRIM_INVALID);
    ck_assert_ptr_null(r);
    ck_assert_ptr_null(k);
    r = JUNK_REF;
    ck_assert_int_eq(brim_wrap(NULL, v, 1, NULL, &r), BRIM_INVALID);
    ck_assert_ptr_null(r);
    ck_assert_ptr_null(brim_find(NULL, BRIM_KEY(one)));
    ck_assert(!brim_contains(NULL, BRIM_KEY(one)));
    ck_assert(!brim_remove(NULL, BRIM_KEY(one)));
    ck_assert(value_alive(v, 1));
    value_discard(v);
}
END_TEST

START_TEST(test_api_outs_are_written)
{
    brim_cache *c = make_value_cache(100);
    brim_ref *r = JUNK_REF, *r2;
    brim_key *k = JUNK_KEY;
    size_t len = 99;

    ck_assert_int_eq(put_ref(c, 1, 1, 1, &r), BRIM_OK);
    ck_assert_ptr_ne(r, JUNK_REF);
    ck_assert_uint_eq(id_of(r), 1);
    r2 = r;
    r = JUNK_REF;
    ck_assert_int_eq(put_ref(c, 1, 2, 101, &r), BRIM_TOO_BIG);
    ck_assert_ptr_null(r);
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(3, 1), 1, NULL, &k, &r), BRIM_OK);
    ck_assert_ptr_nonnull(r);
    ck_assert_ptr_nonnull(brim_ref_key_bytes(r2, NULL));
    ck_assert_ptr_null(brim_ref_key_bytes(r, &len));
    ck_assert_uint_eq(len, 0);
    len = 99;
    ck_assert_ptr_null(brim_key_bytes(k, &len));
    ck_assert_uint_eq(len, 0);
    len = 99;
    ck_assert_ptr_null(brim_key_bytes(NULL, &len));
    ck_assert_uint_eq(len, 0);
    len = 99;
    ck_assert_ptr_null(brim_ref_key_bytes(NULL, &len));
    ck_assert_uint_eq(len, 0);
    brim_release(r);
    r = JUNK_REF;
    ck_assert_int_eq(brim_key_replace_with(&k, value_new(4, 1), 1, NULL, &r), BRIM_OK);
    ck_assert_uint_eq(id_of(r), 4);
    brim_release(r);
    brim_release(r2);
    brim_key_drop(k);
    k = NULL;
    r = JUNK_REF;
    ck_assert_int_eq(brim_insert_or_wrap(c, BRIM_KEY(one), value_new(5, 1), 1, NULL, &r), BRIM_OK);
    ck_assert_uint_eq(id_of(r), 5);
    brim_release(r);
    finish(c);
}
END_TEST

START_TEST(test_api_refs)
{
    brim_cache *c = make_value_cache(100);
    brim_ref *r = NULL, *copy;
    brim_key *k;
    size_t len = 0;

    ck_assert_int_eq(put_ref(c, 1, 1, 7, &r), BRIM_OK);
    ck_assert_uint_eq(brim_ref_cost(r), 7);
    ck_assert_ptr_eq(brim_ref_kind(r), &value_kind);
    ck_assert_mem_eq(brim_ref_key_bytes(r, &len), &one, sizeof one);
    ck_assert_uint_eq(len, sizeof one);
    ck_assert(brim_ref_is_cached(r));
    copy = brim_ref_copy(r);
    ck_assert_ptr_eq(brim_ref_value(copy), brim_ref_value(r));
    k = brim_ref_key(r);
    ck_assert_mem_eq(brim_key_bytes(k, &len), &one, sizeof one);
    ck_assert(brim_key_is_valid(k));
    brim_release(r);
    brim_release(copy);
    brim_key_drop(k);
    ck_assert_ptr_null(brim_ref_value(NULL));
    ck_assert_uint_eq(brim_ref_cost(NULL), 0);
    ck_assert_ptr_null(brim_ref_kind(NULL));
    ck_assert_int_eq(brim_ref_set_cost(NULL, 1), BRIM_INVALID);
    finish(c);
}
END_TEST

static bool all(brim_ref *lent, void *arg)
{
    (*(unsigned *)arg)++;
    return brim_ref_value(lent) != NULL;
}

static bool three(brim_ref *lent, void *arg)
{
    (void)lent;
    return ++*(unsigned *)arg < 3;
}

static bool keep_first(brim_ref *lent, void *arg)
{
    brim_ref **kept = arg;

    if (*kept == NULL)
        *kept = brim_ref_copy(lent);
    return true;
}

static bool even(brim_ref *lent, void *arg)
{
    (void)arg;
    return id_of(lent) % 2 == 0;
}

START_TEST(test_api_walks)
{
    brim_cache *c = make_value_cache(1000);
    unsigned calls = 0;
    brim_ref *kept = NULL;
    brim_key *k = NULL;

    ck_assert_uint_eq(brim_for_each(c, all, &calls), 0);
    ck_assert_uint_eq(brim_remove_if(c, all, &calls), 0);
    for (uint64_t i = 0; i < 100; i++)
        ck_assert_int_eq(put(c, i, i, 1), BRIM_OK);
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(101, 1), 1, NULL, &k, NULL), BRIM_OK);
    ck_assert_uint_eq(brim_for_each(c, all, &calls), 101);
    ck_assert_uint_eq(calls, 101);
    calls = 0;
    (void)brim_for_each(c, three, &calls);
    ck_assert_uint_eq(calls, 3);
    (void)brim_for_each(c, keep_first, &kept);
    ck_assert_ptr_nonnull(kept);
    ck_assert_uint_eq(brim_pinned(c), 1);
    brim_release(kept);
    ck_assert_uint_eq(brim_remove_if(c, even, NULL), 50);
    ck_assert_uint_eq(brim_count(c), 51);
    ck_assert(!has(c, 0));
    ck_assert(has(c, 1));
    ck_assert(brim_key_is_valid(k));
    brim_key_drop(k);
    finish(c);
}
END_TEST

START_TEST(test_api_bounds)
{
    brim_cache *c = make_value_cache(100);

    ck_assert_uint_eq(brim_capacity(c), 100);
    ck_assert_uint_eq(brim_used(c) + brim_pinned(c) + brim_count(c), 0);
    ck_assert_uint_eq(brim_trim(c, 0), 0);
    ck_assert_uint_eq(brim_trim(c, SIZE_MAX), 0);
    brim_clear(c);
    ck_assert_int_eq(brim_drain(c, 0), BRIM_OK);
    ck_assert_int_eq(brim_drain(c, -1), BRIM_OK);
    ck_assert_int_eq(brim_set_capacity(c, 50), BRIM_OK);
    ck_assert_uint_eq(brim_capacity(c), 50);
    ck_assert_int_eq(brim_reserve(c, 50), BRIM_OK);
    ck_assert_int_eq(brim_set_capacity(c, 40), BRIM_FULL);
    ck_assert_int_eq(brim_set_capacity(c, 60), BRIM_OK);
    brim_unreserve(c, 50);
    ck_assert_uint_eq(brim_used(c), 0);
    finish(c);
}
END_TEST

START_TEST(test_api_stats_write_no_more_than_asked)
{
    brim_cache *c = make_value_cache(100);
    brim_stats s;
    size_t part = offsetof(brim_stats, insertions);

    memset(&s, 0xab, sizeof s);
    ck_assert_int_eq(put(c, 1, 1, 1), BRIM_OK);
    ck_assert_uint_eq(found_id(c, 1), 1);
    brim_stats_get_sized(c, NULL, &s, part);
    ck_assert_uint_eq(s.hits, 1);
    ck_assert_uint_eq(s.misses, 0);
    for (size_t i = part; i < sizeof s; i++)
        ck_assert_uint_eq(((unsigned char *)&s)[i], 0xab);
    finish(c);
}
END_TEST

START_TEST(test_api_strings)
{
    for (int s = BRIM_OK; s <= BRIM_UNSUPPORTED; s++) {
        const char *text = brim_strerror((brim_status)s);

        ck_assert_ptr_nonnull(text);
        ck_assert_uint_gt(strlen(text), 0);
        for (int t = BRIM_OK; t < s; t++)
            ck_assert_str_ne(text, brim_strerror((brim_status)t));
    }
    ck_assert_ptr_nonnull(brim_strerror((brim_status)99));
    ck_assert_ptr_nonnull(brim_strerror((brim_status)-1));
    ck_assert_ptr_nonnull(brim_version());
    ck_assert_uint_gt(strlen(brim_version()), 0);
}
END_TEST

START_TEST(test_api_debug)
{
    brim_cache *c = make_value_cache(100);
    FILE *sink = tmpfile();
    brim_ref *r = NULL;

    ck_assert_ptr_nonnull(sink);
    ck_assert_int_eq(put_ref(c, 1, 1, 1, &r), BRIM_OK);
    brim_dump(c, sink);
    ck_assert_int_gt(ftell(sink), 0);
    rewind(sink);
    ck_assert(brim_check(c, sink));
    ck_assert_int_eq(ftell(sink), 0);
    ck_assert(brim_check(c, NULL));
    fclose(sink);
    brim_set_debug_hook(NULL, NULL);
    brim_release(r);
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("api");

    tcase_add_test(tc, test_api_options_init);
    tcase_add_test(tc, test_api_cache_new);
    tcase_add_test(tc, test_api_the_name_and_options_are_copied);
    tcase_add_test(tc, test_api_insert_bad_input);
    tcase_add_test(tc, test_api_a_null_cache);
    tcase_add_test(tc, test_api_outs_are_written);
    tcase_add_test(tc, test_api_refs);
    tcase_add_test(tc, test_api_walks);
    tcase_add_test(tc, test_api_bounds);
    tcase_add_test(tc, test_api_stats_write_no_more_than_asked);
    tcase_add_test(tc, test_api_strings);
    tcase_add_test(tc, test_api_debug);
    return suite_run(tc);
}
