/* SPDX-License-Identifier: MIT
 *
 * cache/dispose: announced, destroyed, one before the next, with a bounded stack.
 */
#include "cache/dispose.h"
#include "support/support.h"

static struct {
    brim_cache *cache;
    unsigned depth, deepest, destroyed, removed;
    bool under_way;
    uint64_t next;
    char order[64];
    size_t key_len;
    bool key_null;
} seen;

/* Removes the next entry from within. */
static void destroy_chain(void *v, size_t cost, void *arg)
{
    (void)v;
    (void)cost;
    (void)arg;
    if (++seen.depth > seen.deepest)
        seen.deepest = seen.depth;
    seen.destroyed++;
    seen.under_way = dispose_is_under_way();
    seen.next++;
    (void)brim_remove(seen.cache, BRIM_KEY(seen.next));
    seen.depth--;
}

static const brim_kind chain_kind = {.destroy = destroy_chain};

START_TEST(the_stack_stays_bounded)
{
    enum { N = 1000 };
    brim_options o = value_options(N);

    o.kind = &chain_kind;
    memset(&seen, 0, sizeof seen);
    seen.cache = make_cache(&o);
    for (uint64_t key = 0; key < N; key++)
        ck_assert_int_eq(brim_insert(seen.cache, BRIM_KEY(key), &seen, 1, NULL), BRIM_OK);
    ck_assert(brim_remove(seen.cache, BRIM_KEY(seen.next)));
    ck_assert_uint_eq(seen.destroyed, N);
    ck_assert_uint_eq(seen.deepest, 1);
    ck_assert(seen.under_way);
    ck_assert(!dispose_is_under_way());
    finish(seen.cache);
}
END_TEST

static void note(char what)
{
    size_t n = strlen(seen.order);

    if (n + 1 < sizeof seen.order)
        seen.order[n] = what;
}

static void on_destroy(void *v, size_t cost, void *arg)
{
    (void)cost;
    (void)arg;
    note(*(char *)v);
}

static void on_removed(const void *key, size_t key_len, void *v, size_t cost, brim_cause cause, void *arg)
{
    (void)v;
    (void)cost;
    (void)arg;
    seen.key_null = key == NULL;
    seen.key_len = key_len;
    note((char)('0' + cause));
}

static void on_destroy_entry(const void *key, size_t key_len, void *v, size_t cost, void *arg)
{
    (void)cost;
    (void)arg;
    seen.key_null = key == NULL;
    seen.key_len = key_len;
    note(*(char *)v == 'a' ? 'A' : 'B');
}

START_TEST(announced_then_destroyed)
{
    static char a[] = "a", b[] = "b";
    brim_kind kind = {.destroy = on_destroy, .removed = on_removed};
    brim_options o = value_options(10);
    brim_ref *r;

    o.kind = &kind;
    memset(&seen, 0, sizeof seen);
    seen.cache = make_cache(&o);
    ck_assert_int_eq(brim_insert(seen.cache, "key", 3, a, 5, &r), BRIM_OK);
    ck_assert_int_eq(brim_insert(seen.cache, "key", 3, b, 5, NULL), BRIM_OK);
    ck_assert_str_eq(seen.order, "2"); /* replaced, and held */
    brim_release(r);
    ck_assert_str_eq(seen.order, "2a");
    ck_assert(brim_remove(seen.cache, "key", 3));
    ck_assert_str_eq(seen.order, "2a1b");
    ck_assert(!seen.key_null);
    ck_assert_uint_eq(seen.key_len, 3);
    ck_assert_int_eq(brim_insert(seen.cache, "key", 3, NULL, 5, NULL), BRIM_OK);
    finish(seen.cache); /* NULL needs no destruction */
    ck_assert_str_eq(seen.order, "2a1b6");
}
END_TEST

START_TEST(destroy_entry_has_the_key)
{
    static char a[] = "a", b[] = "b";
    brim_kind kind = {.destroy = on_destroy, .destroy_entry = on_destroy_entry};
    brim_options o = value_options(10);
    brim_key *key;

    o.kind = &kind;
    memset(&seen, 0, sizeof seen);
    seen.cache = make_cache(&o);
    ck_assert_int_eq(brim_insert(seen.cache, "key", 3, a, 5, NULL), BRIM_OK);
    ck_assert(brim_remove(seen.cache, "key", 3));
    ck_assert_str_eq(seen.order, "A");
    ck_assert_uint_eq(seen.key_len, 3);
    ck_assert_int_eq(brim_insert_anonymous(seen.cache, b, 5, NULL, &key, NULL), BRIM_OK);
    ck_assert(brim_key_remove(key));
    ck_assert_str_eq(seen.order, "AB");
    ck_assert(seen.key_null);
    brim_key_drop(key);
    finish(seen.cache);
}
END_TEST

START_TEST(memory_stays_for_the_last_key)
{
    brim_cache *c = make_value_cache(10);
    brim_key *key, *copy;
    uint64_t name = 77;

    ck_assert_int_eq(brim_insert(c, BRIM_KEY(name), value_new(1, 5), 5, NULL), BRIM_OK);
    key = brim_ref_key(NULL);
    ck_assert_ptr_null(key);
    brim_ref *r = brim_find(c, BRIM_KEY(name));
    key = brim_ref_key(r);
    brim_release(r);
    copy = brim_key_copy(key);
    ck_assert(brim_key_remove(key));
    ck_assert_uint_eq(values_live(), 0);
    brim_key_drop(copy);
    brim_cache_free(c); /* the key's entry keeps it, for its bytes */
    ck_assert_mem_eq(brim_key_bytes(key, NULL), &name, sizeof name);
    ck_assert(!brim_key_is_valid(key));
    brim_key_drop(key);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("dispose");

    tcase_add_test(tc, the_stack_stays_bounded);
    tcase_add_test(tc, announced_then_destroyed);
    tcase_add_test(tc, destroy_entry_has_the_key);
    tcase_add_test(tc, memory_stays_for_the_last_key);
    return suite_run(tc);
}
