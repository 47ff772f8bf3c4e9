/* SPDX-License-Identifier: MIT
 *
 * Caches: what the system refuses the first of a process is no memory for it.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "support/fault.h"

enum { FINE = 40, REFUSED, NOTHING_FAILED, WRONG };

static int make_one(size_t failing)
{
    brim_options o = value_options(100);
    size_t failed;
    brim_status s;
    brim_cache *c;
    heap h;

    heap_init(&h);
    o.allocator = &h.allocator; /* of which none fails */
    o.shards = 2;
    fault_begin(failing, failing + 1);
    s = brim_cache_new(&o, &c);
    failed = fault_end();
    if (s == BRIM_NOMEM)
        return failed == 1 && c == NULL && atomic_load(&h.blocks) == 0 ? REFUSED : WRONG;
    if (s != BRIM_OK)
        return WRONG;
    brim_cache_free(c);
    return atomic_load(&h.blocks) != 0 ? WRONG : failed == 1 ? FINE : NOTHING_FAILED;
}

/* Each try is a process of its own. */
START_TEST(what_is_refused_is_no_memory)
{
    int status = 0;
    unsigned refused = 0;

    for (size_t n = 1; status != NOTHING_FAILED; n++) {
        pid_t child = fork();

        ck_assert_int_ge(child, 0);
        if (child == 0)
            _exit(make_one(n));
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFEXITED(status));
        status = WEXITSTATUS(status);
        ck_assert(status >= FINE && status < WRONG);
        refused += status == REFUSED;
    }
    /* Two for each lock: kinds', of how it adapts, limbo's, slab's, two shards'; kinds' numbers; fork's handlers */
    ck_assert_uint_eq(refused, 2 * 6 + 1 + 1);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("cache");

    tcase_add_test(tc, what_is_refused_is_no_memory);
    return suite_run(tc);
}
