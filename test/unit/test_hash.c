/* SPDX-License-Identifier: MIT
 *
 * base/hash: SipHash-1-3 against vectors of another implementation, keying, and the parts of a hash.
 */
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/hash.h"
#include "support/support.h"

/* In place of the system's: it may refuse, or give less than it was asked for. */
static struct { bool instead; ssize_t answer; } entropy;

ssize_t getrandom(void *buffer, size_t size, unsigned flags)
{
    return entropy.instead ? entropy.answer : (ssize_t)syscall(SYS_getrandom, buffer, size, flags);
}

/*
 * From CPython 3.11, whose hash(bytes) is SipHash-1-3: key 0 is PYTHONHASHSEED=0, the others are made by its generator
 * from PYTHONHASHSEED=1 and 3.  Byte i of the input is 7 i + 1 modulo 256.
 */
static const struct {
    uint64_t k0, k1;
    size_t len;
    uint64_t hash;
} vectors[] = {
    {0, 0, 1, 0x44bc103b1f8540ed},
    {0, 0, 2, 0xb238744ea7a5a1d0},
    {0, 0, 7, 0xb41012aeee05c7d4},
    {0, 0, 8, 0xd22d9341176d0728},
    {0, 0, 9, 0x4ec42971d570753b},
    {0, 0, 15, 0x566f711d32f59152},
    {0, 0, 16, 0x7e6bfb8bf1d36ac4},
    {0, 0, 17, 0xe11516de8399dc83},
    {0, 0, 64, 0x814eabd66a4299eb},
    {0, 0, 255, 0xb2f32f6aad260bc4},
    {0, 0, 256, 0xf2d7dbb07ff010cc},
    {0xaed66ce184be2329, 0xebe9bbf1f1499052, 1, 0xc1147c52c3233753},
    {0xaed66ce184be2329, 0xebe9bbf1f1499052, 7, 0x5c994516a4101331},
    {0xaed66ce184be2329, 0xebe9bbf1f1499052, 8, 0x7cbd3a6d1943283b},
    {0xaed66ce184be2329, 0xebe9bbf1f1499052, 23, 0x6466ae5963d1b8b8},
    {0xcf261977834e1c30, 0x5f4a00e749218851, 23, 0x0e687eb2256c8f37},
    {0xcf261977834e1c30, 0x5f4a00e749218851, 64, 0xbf1d5691abc778e5},
};

START_TEST(siphash_is_siphash)
{
    unsigned char data[1 + 256];

    for (size_t v = 0; v < sizeof vectors / sizeof vectors[0]; v++) {
        for (size_t shift = 0; shift < 2; shift++) { /* aligned or not */
            for (size_t i = 0; i < 256; i++)
                data[shift + i] = (unsigned char)(7 * i + 1);
            ck_assert_uint_eq(hash_siphash13(vectors[v].k0, vectors[v].k1, data + shift, vectors[v].len),
                              vectors[v].hash);
        }
    }
    /* The first of the vectors with key 00 01 ... 0f: of no bytes. */
    ck_assert_uint_eq(hash_siphash13(0x0706050403020100, 0x0f0e0d0c0b0a0908, NULL, 0), 0xabac0158050fc4dc);
}
END_TEST

START_TEST(splitmix_is_splitmix)
{
    uint64_t state = 0;

    ck_assert_uint_eq(hash_random(&state), 0xe220a8397b1dcdaf);
    ck_assert_uint_eq(hash_random(&state), 0x6e789e6aa1b965f4);
    ck_assert_uint_eq(hash_random(&state), 0x06c45d188009454f);
}
END_TEST

START_TEST(the_seed_is_the_key)
{
    static const brim_hash modes[] = {BRIM_HASH_FAST, BRIM_HASH_STRONG};
    struct hasher a, b, other, random, random2;
    const char key[] = "a key that is longer than sixteen bytes";

    hasher_init(&a, modes[_i], 5);
    hasher_init(&b, modes[_i], 5);
    hasher_init(&other, modes[_i], 6);
    hasher_init(&random, modes[_i], 0);
    hasher_init(&random2, modes[_i], 0);
    for (size_t len = 0; len < sizeof key; len++) {
        ck_assert_uint_eq(hash_bytes(&a, key, len), hash_bytes(&b, key, len));
        ck_assert_uint_ne(hash_bytes(&a, key, len), hash_bytes(&other, key, len));
        ck_assert_uint_ne(hash_bytes(&random, key, len), hash_bytes(&random2, key, len));
        ck_assert_uint_ne(hash_bytes(&a, key, len), hash_bytes(&a, key, len + 1));
    }
}
END_TEST

START_TEST(the_mode_is_the_function)
{
    struct hasher fast, strong;
    const char key[] = "a key that is longer than sixteen bytes";

    hasher_init(&fast, BRIM_HASH_FAST, 5);
    hasher_init(&strong, BRIM_HASH_STRONG, 5);
    for (size_t len = 0; len < sizeof key; len++) {
        ck_assert_uint_eq(hash_bytes(&fast, key, len),
                          XXH3_64bits_withSecret(key, len, fast.secret, sizeof fast.secret));
        ck_assert_uint_eq(hash_bytes(&strong, key, len), hash_siphash13(strong.k0, strong.k1, key, len));
    }
}
END_TEST

START_TEST(entropy_also_where_the_system_gives_none)
{
    static const ssize_t answers[] = {-1, 0, 4};
    uint64_t seen[2 * sizeof answers / sizeof answers[0] + 2];
    size_t n = 0;

    for (size_t i = 0; i < sizeof answers / sizeof answers[0] + 1; i++) {
        entropy.instead = i > 0;
        entropy.answer = i > 0 ? answers[i - 1] : 0;
        for (int twice = 0; twice < 2; twice++) {
            seen[n] = hash_entropy();
            ck_assert_uint_ne(seen[n] >> 32, 0);
            for (size_t j = 0; j < n; j++)
                ck_assert_uint_ne(seen[n] >> 32, seen[j] >> 32);
            n++;
        }
    }
    entropy.answer = sizeof(uint64_t);
    ck_assert_uint_eq(hash_entropy(), 0); /* what the system gives is taken as it is */
    entropy.instead = false;
}
END_TEST

/* Consecutive numbers as keys: every byte of the place and of the tag takes each value about equally often. */
START_TEST(all_bits_are_spread)
{
    static const brim_hash modes[] = {BRIM_HASH_FAST, BRIM_HASH_STRONG};
    static unsigned seen[6][256];
    struct hasher h;

    memset(seen, 0, sizeof seen);
    hasher_init(&h, modes[_i], 1);
    for (uint64_t key = 0; key < 65536; key++) {
        uint64_t hash = hash_bytes(&h, BRIM_KEY(key));
        uint64_t parts = (uint64_t)hash_tag(hash) << 32 | hash_place(hash);
        for (int byte = 0; byte < 6; byte++)
            seen[byte][parts >> (8 * byte) & 255]++;
    }
    for (int byte = 0; byte < 6; byte++)
        for (int x = 0; x < 256; x++)
            ck_assert(seen[byte][x] > 256 - 120 && seen[byte][x] < 256 + 120); /* 7.5 deviations */
}
END_TEST

START_TEST(tag_and_place_share_no_bit)
{
    ck_assert_uint_eq(hash_tag(0x1234567890abcdef), 0x1234);
    ck_assert_uint_eq(hash_place(0x1234567890abcdef), 0x90abcdef);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("hash");

    tcase_add_test(tc, siphash_is_siphash);
    tcase_add_test(tc, splitmix_is_splitmix);
    tcase_add_loop_test(tc, the_seed_is_the_key, 0, 2);
    tcase_add_test(tc, the_mode_is_the_function);
    tcase_add_test(tc, entropy_also_where_the_system_gives_none);
    tcase_add_loop_test(tc, all_bits_are_spread, 0, 2);
    tcase_add_test(tc, tag_and_place_share_no_bit);
    return suite_run(tc);
}
