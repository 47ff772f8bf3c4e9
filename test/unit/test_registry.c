/* SPDX-License-Identifier: MIT
 *
 * cache/registry: every cache is in the list from its birth until its memory goes.
 */
#include "cache/registry.h"
#include "support/support.h"

enum { CACHES = 4 };

struct search {
    const brim_cache *wanted; /* NULL: none */
    unsigned calls;
};

static bool is_wanted(brim_cache *c, void *arg)
{
    struct search *s = arg;

    s->calls++;
    return c == s->wanted;
}

static bool is_listed(const brim_cache *c)
{
    struct search s = {c, 0};

    return registry_find(is_wanted, &s) == c;
}

static unsigned count(void)
{
    struct search s = {NULL, 0};

    ck_assert_ptr_null(registry_find(is_wanted, &s));
    return s.calls;
}

START_TEST(found_until_freed)
{
    static const int order[CACHES] = {2, 0, 3, 1}; /* in the midst, the last, the first, the only one */
    brim_cache *c[CACHES];

    ck_assert_uint_eq(count(), 0);
    for (int i = 0; i < CACHES; i++)
        c[i] = i % 2 == 0 ? make_value_cache(10) : make_borrow_cache(10);
    ck_assert_uint_eq(count(), CACHES);
    for (int i = 0; i < CACHES; i++) {
        ck_assert(is_listed(c[order[i]]));
        brim_cache_free(c[order[i]]);
        ck_assert_uint_eq(count(), (unsigned)(CACHES - 1 - i));
        for (int j = i + 1; j < CACHES; j++)
            ck_assert(is_listed(c[order[j]]));
    }
    ck_assert_ptr_null(registry_lock());
    registry_unlock();
}
END_TEST

START_TEST(the_first_match_ends_the_search)
{
    brim_cache *a = make_value_cache(10), *b = make_value_cache(10);
    struct search s = {registry_lock(), 0};

    registry_unlock();
    ck_assert(s.wanted == a || s.wanted == b);
    ck_assert_ptr_eq(registry_find(is_wanted, &s), s.wanted);
    ck_assert_uint_eq(s.calls, 1);
    brim_cache_free(a);
    brim_cache_free(b);
}
END_TEST

/* For a thread that ends in its section, or a fork: also one that is freed, while something stands on it. */
START_TEST(listed_while_its_memory_lives)
{
    brim_cache *c = make_borrow_cache(10);
    brim_key *key;

    ck_assert_int_eq(brim_insert_anonymous(c, value_new(1, 1), 1, NULL, &key, NULL), BRIM_OK);
    begin_reading(c);
    brim_cache_free(c);
    ck_assert(is_listed(c));
    brim_read_end(c);
    ck_assert(is_listed(c));
    brim_key_drop(key);
    ck_assert_uint_eq(count(), 0);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("registry");

    tcase_add_test(tc, found_until_freed);
    tcase_add_test(tc, the_first_match_ends_the_search);
    tcase_add_test(tc, listed_while_its_memory_lives);
    return suite_run(tc);
}
