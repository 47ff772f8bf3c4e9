/* SPDX-License-Identifier: MIT
 *
 * Queues: no memory for one; its own goes with the last who counts it.
 */
#include "support/fault.h"

START_TEST(no_memory_for_one)
{
    fault_begin(0, SIZE_MAX);
    ck_assert_ptr_null(brim_queue_new());
    ck_assert_uint_eq(fault_end(), 1);
    ck_assert_uint_eq(fault_blocks(), 0);
}
END_TEST

START_TEST(its_memory_goes_with_its_handle)
{
    brim_queue *q = brim_queue_new();

    ck_assert_ptr_nonnull(q);
    ck_assert_uint_eq(fault_blocks(), 1);
    brim_queue_drop(q);
    ck_assert_uint_eq(fault_blocks(), 0);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("queue");

    tcase_add_test(tc, no_memory_for_one);
    tcase_add_test(tc, its_memory_goes_with_its_handle);
    return suite_run(tc);
}
