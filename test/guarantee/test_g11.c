/* SPDX-License-Identifier: MIT
 *
 * G11: keys are compared whole, whatever their length, the seed and the hash.
 */
#include "support/support.h"

enum { LONG_KEY = 100 * 1024, PREFIXES = 300 };
static unsigned char bytes[LONG_KEY + 1];
static const uint64_t seeds[] = { 0, 1, UINT64_MAX, UINT64_C(0x9E3779B97F4A7C15) };

static brim_cache *seeded(int i)
{
    brim_options o = value_options(1u << 20);

    o.hash = i % 2 == 0 ? BRIM_HASH_FAST : BRIM_HASH_STRONG;
    o.seed = seeds[i / 2];
    return make_cache(&o);
}

static void insert_bytes(brim_cache *c, const void *key, size_t len, uint64_t id)
{
    ck_assert_int_eq(brim_insert(c, key, len, value_new(id, 1), 1, NULL), BRIM_OK);
}

static void expect_bytes(brim_cache *c, const void *key, size_t len, uint64_t id)
{
    brim_ref *r = brim_find(c, key, len);
    size_t got = len + 1;
    const void *own;

    ck_assert(brim_contains(c, key, len) == (id != UINT64_MAX));
    if (id == UINT64_MAX) {
        ck_assert_ptr_null(r);
        return;
    }
    ck_assert_msg(r != NULL, "a key of %zu bytes is missing", len);
    ck_assert_uint_eq(id_of(r), id);
    own = brim_ref_key_bytes(r, &got);
    ck_assert_ptr_nonnull(own);
    ck_assert_ptr_ne(own, key);
    ck_assert_uint_eq(got, len);
    ck_assert(len == 0 || memcmp(own, key, len) == 0);
    brim_release(r);
}

START_TEST(test_g11_keys_that_differ_in_length_only)
{
    brim_cache *c = seeded(_i);

    for (int fill = 0; fill < 2; fill++) {              /* all NUL, then all 0xff */
        memset(bytes, fill == 0 ? 0 : 0xff, sizeof bytes);
        brim_clear(c);
        for (size_t len = 0; len < PREFIXES; len++) {
            expect_bytes(c, bytes, len, UINT64_MAX);
            insert_bytes(c, bytes, len, len);
        }
        ck_assert_uint_eq(brim_count(c), PREFIXES);
        for (size_t len = 0; len < PREFIXES; len++)
            expect_bytes(c, bytes, len, len);
        for (size_t len = 0; len < PREFIXES; len += 2)
            ck_assert(brim_remove(c, bytes, len));
        for (size_t len = 0; len < PREFIXES; len++)
            expect_bytes(c, bytes, len, len % 2 == 0 ? UINT64_MAX : len);
    }
    finish(c);
}
END_TEST

START_TEST(test_g11_the_empty_key_is_a_key)
{
    brim_cache *c = seeded(_i);
    brim_ref *r;
    brim_key *k;
    size_t len = 5;

    insert_bytes(c, "", 0, 1);
    expect_bytes(c, "x", 0, 1);
    expect_bytes(c, "", 1, UINT64_MAX);
    r = brim_find(c, "", 0);
    ck_assert_ptr_nonnull(brim_ref_key_bytes(r, &len));
    ck_assert_uint_eq(len, 0);
    k = brim_ref_key(r);
    len = 5;
    ck_assert_ptr_nonnull(brim_key_bytes(k, &len));
    ck_assert_uint_eq(len, 0);
    brim_key_drop(k);
    brim_release(r);
    ck_assert(brim_remove(c, "", 0));
    expect_bytes(c, "", 0, UINT64_MAX);
    finish(c);
}
END_TEST

START_TEST(test_g11_embedded_nuls)
{
    brim_cache *c = seeded(_i);

    insert_bytes(c, "a\0b", 3, 1);
    insert_bytes(c, "a\0c", 3, 2);
    insert_bytes(c, "a", 1, 3);
    insert_bytes(c, "a\0", 2, 4);
    insert_bytes(c, "\0a\0b", 4, 5);
    expect_bytes(c, "a\0b", 3, 1);
    expect_bytes(c, "a\0c", 3, 2);
    expect_bytes(c, "a", 1, 3);
    expect_bytes(c, "a\0", 2, 4);
    expect_bytes(c, "\0a\0b", 4, 5);
    expect_bytes(c, "a\0d", 3, UINT64_MAX);
    finish(c);
}
END_TEST

START_TEST(test_g11_long_keys_that_differ_in_one_byte)
{
    brim_cache *c = seeded(_i);
    static const size_t places[] = { 0, 1, 15, 16, 63, 64, 239, 240, 241, 1023, 1024, 4096, LONG_KEY / 2, LONG_KEY - 1 };
    size_t n = sizeof places / sizeof places[0];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 31 + (i >> 8));
    insert_bytes(c, bytes, LONG_KEY, 1000);
    insert_bytes(c, bytes, LONG_KEY - 1, 1001);
    for (size_t i = 0; i < n; i++) {
        bytes[places[i]] ^= 1;
        expect_bytes(c, bytes, LONG_KEY, UINT64_MAX);
        insert_bytes(c, bytes, LONG_KEY, i);
        bytes[places[i]] ^= 1;
    }
    for (size_t i = 0; i < n; i++) {
        bytes[places[i]] ^= 1;
        expect_bytes(c, bytes, LONG_KEY, i);
        bytes[places[i]] ^= 1;
    }
    expect_bytes(c, bytes, LONG_KEY, 1000);
    expect_bytes(c, bytes, LONG_KEY - 1, 1001);
    expect_bytes(c, bytes, LONG_KEY + 1, UINT64_MAX);
    finish(c);
}
END_TEST

static size_t length_of(unsigned i)
{
    return i > 0xffff ? 3 : i > 0xff ? 2 : 1;
}

START_TEST(test_g11_many_short_keys)
{
    brim_cache *c = seeded(_i);
    unsigned n = (unsigned)SCALED(10000);

    for (unsigned i = 0; i < n; i++)
        insert_bytes(c, &i, length_of(i), i);
    for (unsigned i = 0; i < n; i++)
        expect_bytes(c, &i, length_of(i), i);
    ck_assert_uint_eq(brim_count(c), n);
    finish(c);
}
END_TEST

START_TEST(test_g11_keys_are_copied_and_need_no_alignment)
{
    brim_cache *c = seeded(_i);

    for (size_t at = 0; at < 16; at++) {
        memset(bytes, 0xaa, 64);
        memcpy(bytes + at, "unaligned-key-of-some-length", 28);
        if (at == 0)
            insert_bytes(c, bytes, 28, 7);
        expect_bytes(c, bytes + at, 28, 7);
    }
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("g11");

    tcase_add_loop_test(tc, test_g11_keys_that_differ_in_length_only, 0, 8);
    tcase_add_loop_test(tc, test_g11_the_empty_key_is_a_key, 0, 8);
    tcase_add_loop_test(tc, test_g11_embedded_nuls, 0, 8);
    tcase_add_loop_test(tc, test_g11_long_keys_that_differ_in_one_byte, 0, 8);
    tcase_add_loop_test(tc, test_g11_many_short_keys, 0, 8);
    tcase_add_loop_test(tc, test_g11_keys_are_copied_and_need_no_alignment, 0, 8);
    return suite_run(tc);
}
