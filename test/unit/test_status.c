/* SPDX-License-Identifier: MIT
 *
 * cache/status: a text for every status.
 */
#include "support/support.h"

START_TEST(each_has_its_own_text)
{
    const char *unknown = brim_strerror((brim_status)(BRIM_UNSUPPORTED + 1));

    for (int i = 0; i <= BRIM_UNSUPPORTED; i++) {
        ck_assert_ptr_nonnull(brim_strerror((brim_status)i));
        ck_assert_str_ne(brim_strerror((brim_status)i), unknown);
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(brim_strerror((brim_status)i), brim_strerror((brim_status)j));
    }
    ck_assert_str_eq(brim_strerror((brim_status)-1), unknown);
}
END_TEST

START_TEST(the_version_is_the_header_s)
{
    int a, b, c, n = 0;

    ck_assert_int_eq(sscanf(brim_version(), "%d.%d.%d%n", &a, &b, &c, &n), 3);
    ck_assert_int_eq(brim_version()[n], '\0');
    ck_assert_int_eq(a, BRIM_VERSION_MAJOR);
    ck_assert_int_eq(b, BRIM_VERSION_MINOR);
    ck_assert_int_eq(c, BRIM_VERSION_PATCH);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("status");

    tcase_add_test(tc, each_has_its_own_text);
    tcase_add_test(tc, the_version_is_the_header_s);
    return suite_run(tc);
}
