/* SPDX-License-Identifier: MIT
 *
 * Loads: what the system refuses is no memory for one.
 */
#include "support/fault.h"
#include "support/loads.h"

START_TEST(no_memory_for_one)
{
    brim_options o = value_options(100);
    uint64_t key = 1;
    brim_cache *c;
    brim_load *l;
    brim_ref *r;
    heap h;

    heap_init(&h);
    o.allocator = &h.allocator; /* of which none fails */
    c = make_cache(&o);
    brim_load_fail(claim(c, key), 1); /* all that is the thread's is there */
    for (size_t n = 1; n <= 3; n++) { /* a condition's attributes, their clock, and itself */
        fault_begin(n, n + 1);
        ck_assert_int_eq(brim_claim(c, BRIM_KEY(key), 0, &r, &l), BRIM_NOMEM);
        ck_assert_uint_eq(fault_end(), 1);
        ck_assert_ptr_null(l);
    }
    ck_assert_int_eq(claim_status(c, key, 0), BRIM_CLAIMED);
    finish(c);
    ck_assert_uint_eq(atomic_load(&h.blocks), 0);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("load");

    tcase_add_test(tc, no_memory_for_one);
    return suite_run(tc);
}
