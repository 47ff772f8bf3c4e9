/* SPDX-License-Identifier: MIT
 *
 * G12: after fork both parent and child go on using, checking and freeing their copy.
 */
#include "support/support.h"
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_OK = 42, STEADY = 100 };

static struct { brim_cache *cache; brim_key *key; brim_ref *ref; atomic_bool stop; atomic_ullong turns; } forked;

static void busy(unsigned id, void *arg)
{
    uint64_t state = id + 11;
    brim_ref *held = NULL;

    (void)arg;
    while (!atomic_load(&forked.stop)) {
        uint64_t x = random_next(&state), key = 1000 + x % 500;
        brim_status s;

        switch ((x >> 40) % 4) {
        case 0: (void)brim_remove(forked.cache, BRIM_KEY(key)); break;
        case 1:
            brim_release(held);
            held = brim_find(forked.cache, BRIM_KEY(key));
            break;
        default:
            s = brim_insert(forked.cache, BRIM_KEY(key), &forked, 1 + (x >> 50) % 10, NULL);
            EXPECT_MSG(s == BRIM_OK || s == BRIM_FULL, "status %d", (int)s);
            break;
        }
        atomic_fetch_add(&forked.turns, 1);
    }
    brim_release(held);
}

/* What either side does with its copy; 0, or the number of what went wrong. */
static int use(brim_cache *c)
{
    brim_ref *r;
    unsigned there = 0;

    for (uint64_t key = 2000; key < 2300; key++) {
        brim_status s = brim_insert(c, BRIM_KEY(key), &forked, 1, NULL);

        if (s != BRIM_OK)
            return 1;
        there += brim_contains(c, BRIM_KEY(key));
    }
    if (there == 0)
        return 2;
    for (uint64_t key = 2000; key < 2300; key++)
        (void)brim_remove(c, BRIM_KEY(key));
    if (forked.ref == NULL || brim_ref_value(forked.ref) != &forked.turns)
        return 3;
    r = brim_key_find(forked.key);
    if (r != NULL && brim_ref_value(r) != &forked.turns)
        return 4;
    brim_release(r);
    if (brim_used(c) > brim_capacity(c))
        return 5;
    (void)brim_trim(c, brim_used(c) / 2);
    return 0;
}

static void child(brim_cache *c)
{
    brim_options o;
    int wrong;

    (void)alarm(60);
    wrong = use(c);
    if (wrong != 0)
        _exit(wrong);
    if (!brim_check(c, stderr))
        _exit(10);
    brim_clear(c);
    if (brim_count(c) != 0)
        _exit(11);
    brim_cache_free(c);
    if (brim_key_find(forked.key) != NULL || brim_key_is_valid(forked.key))
        _exit(12);
    brim_key_drop(forked.key);
    brim_release(forked.ref);
    brim_options_init(&o, 10);
    if (brim_cache_new(&o, &c) != BRIM_OK)
        _exit(13);
    brim_cache_free(c);
    _exit(CHILD_OK);
}

static void fork_once(brim_cache *c)
{
    unsigned long long turns = atomic_load(&forked.turns);
    int status = 0;
    pid_t pid;

    while (atomic_load(&forked.turns) < turns + 50)
        ;
    pid = fork();
    if (pid == 0)
        child(c);
    ck_assert_int_gt(pid, 0);
    ck_assert_int_eq(use(c), 0);
    while (waitpid(pid, &status, 0) < 0)
        ck_assert_int_eq(errno, EINTR);
    ck_assert_msg(WIFEXITED(status), "the child ended by signal %d", WTERMSIG(status));
    ck_assert_int_eq(WEXITSTATUS(status), CHILD_OK);
}

START_TEST(test_g12_both_go_on_after_a_fork_among_busy_threads)
{
    brim_options o;
    crew threads;

    memset(&forked, 0, sizeof forked);
    brim_options_init(&o, 2000);
    o.shards = _i == 0 ? 1 : 8;
    forked.cache = make_cache(&o);
    ck_assert_int_eq(brim_insert(forked.cache, "key", 3, &forked.turns, 5, &forked.ref), BRIM_OK);
    forked.key = brim_ref_key(forked.ref);
    crew_start(&threads, 3, busy, NULL);
    for (int i = 0; i < 50; i++)
        fork_once(forked.cache);
    atomic_store(&forked.stop, true);
    crew_join(&threads);
    brim_key_drop(forked.key);
    brim_release(forked.ref);
    ck_assert_uint_eq(brim_pinned(forked.cache), 0);
    finish(forked.cache);
}
END_TEST

/* ---- Quiet forks: the child's copy is the parent's, and independent of it ---- */

START_TEST(test_g12_the_copies_are_independent)
{
    brim_cache *c = make_value_cache(1000);
    brim_ref *held = NULL;
    int status = 0;
    pid_t pid;

    for (uint64_t i = 0; i < STEADY; i++)
        ck_assert_int_eq(put(c, i, i, 1), BRIM_OK);
    ck_assert_int_eq(put_ref(c, 5000, 5000, 10, &held), BRIM_OK);
    pid = fork();
    if (pid == 0) {
        (void)alarm(60);
        for (uint64_t i = 0; i < STEADY; i++)
            if (found_id(c, i) != i)
                _exit(1);
        if (brim_used(c) != STEADY + 10 || brim_pinned(c) != 10 || brim_count(c) != STEADY + 1)
            _exit(2);
        brim_clear(c);
        if (brim_used(c) != 10 || values_live() != 1)
            _exit(3);
        brim_cache_free(c);
        if (id_of(held) != 5000)
            _exit(4);
        brim_release(held);
        _exit(values_live() == 0 ? CHILD_OK : 5);
    }
    ck_assert_int_gt(pid, 0);
    while (waitpid(pid, &status, 0) < 0)
        ck_assert_int_eq(errno, EINTR);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), CHILD_OK);
    for (uint64_t i = 0; i < STEADY; i++)
        ck_assert_uint_eq(found_id(c, i), i);
    brim_release(held);
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("g12");

    tcase_add_loop_test(tc, test_g12_both_go_on_after_a_fork_among_busy_threads, 0, 2);
    tcase_add_test(tc, test_g12_the_copies_are_independent);
    return suite_run(tc);
}
