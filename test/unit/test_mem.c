/* SPDX-License-Identifier: MIT
 *
 * base/mem: malloc or the user's allocator.
 */
#include "base/mem.h"
#include "support/support.h"

static void *high_alloc(size_t n, size_t align, void *arg)
{
    (void)n;
    (void)align;
    (void)arg;
    return (void *)(uintptr_t)UINT64_C(0x0001000000000040);
}

static void high_free(void *p, size_t n, size_t align, void *arg)
{
    unsigned *freed = arg;

    *freed += p == high_alloc(n, align, NULL) && n == 100 && align == 64;
}

START_TEST(default_is_aligned)
{
    for (size_t align = 1; align <= 4096; align *= 2) {
        void *p = mem_alloc(&mem_default, 24, align);

        ck_assert_ptr_nonnull(p);
        ck_assert_uint_eq((uintptr_t)p % align, 0);
        memset(p, 1, 24);
        mem_free(&mem_default, p, 24, align);
    }
}
END_TEST

static unsigned char used_before[5000];

static void *used_alloc(size_t n, size_t align, void *arg)
{
    (void)align;
    (void)arg;
    ck_assert_uint_le(n, sizeof used_before);
    return used_before;
}

START_TEST(zeroed_is_zero)
{
    brim_allocator a = {sizeof a, used_alloc, high_free, NULL};
    unsigned char *p;

    memset(used_before, 255, sizeof used_before);
    p = mem_alloc_zeroed(&a, 4999, 1);
    ck_assert_ptr_eq(p, used_before);
    for (size_t i = 0; i < 4999; i++)
        ck_assert_uint_eq(p[i], 0);
    ck_assert_uint_eq(p[4999], 255);
}
END_TEST

START_TEST(the_users_allocator_gets_all_back)
{
    heap h;
    void *p, *q;

    heap_init(&h);
    p = mem_alloc(&h.allocator, 1000, 128);
    q = mem_alloc_zeroed(&h.allocator, 1, 1);
    ck_assert_uint_eq(h.blocks, 2);
    ck_assert_uint_eq(h.live, 1001);
    mem_free(&h.allocator, p, 1000, 128); /* the heap compares sizes and alignments */
    mem_free(&h.allocator, q, 1, 1);
    mem_free(&h.allocator, NULL, 1, 1); /* does not reach it: NULL would be trouble */
    ck_assert_uint_eq(h.blocks, 0);
    heap_fail(&h, 1, 3);
    ck_assert_ptr_null(mem_alloc(&h.allocator, 1000, 128));
    ck_assert_ptr_null(mem_alloc_zeroed(&h.allocator, 1000, 128));
}
END_TEST

START_TEST(an_address_beyond_48_bits_is_refused)
{
    unsigned freed = 0;
    brim_allocator a = {sizeof a, high_alloc, high_free, &freed};

    ck_assert_ptr_null(mem_alloc(&a, 100, 64));
    ck_assert_ptr_null(mem_alloc_zeroed(&a, 100, 64));
    ck_assert_uint_eq(freed, 2);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("mem");

    tcase_add_test(tc, default_is_aligned);
    tcase_add_test(tc, zeroed_is_zero);
    tcase_add_test(tc, the_users_allocator_gets_all_back);
    tcase_add_test(tc, an_address_beyond_48_bits_is_refused);
    return suite_run(tc);
}
