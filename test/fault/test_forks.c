/* SPDX-License-Identifier: MIT
 *
 * Forks, again and again, among threads that do everything: loads, waits, groups, queues, listeners, limits,
 * sections, caches that come and go.  Each child uses its copy and frees it; the parent goes on (G12).
 */
#include "everything.h"
#include "support/loads.h"
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_OK = 42, FORKS = 30 };

#define NEED(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            (void)fprintf(stderr, "child: %s:%d: %s\n", __FILE__, __LINE__, #condition);                     \
            _exit(1);                                                                                        \
        }                                                                                                    \
    } while (0)

static void use_loads(void)
{
    brim_ref *r;
    brim_load *l;
    brim_status s;

    for (uint64_t key = LOADED; key < LOADED + 40; key++) { /* loaders that vanished have ended */
        s = brim_get(all.cache, BRIM_KEY(key), load_one, NULL, &r);
        NEED(s == (key % 7 == 0 ? BRIM_FAILED : BRIM_OK));
        brim_release(r);
    }
    for (uint64_t key = CLAIMED; key < CLAIMED + 10 * DOERS; key++) { /* claims that vanished stay */
        s = brim_claim(all.cache, BRIM_KEY(key), 0, &r, &l);
        NEED(s == BRIM_OK || s == BRIM_PENDING || s == BRIM_CLAIMED);
        brim_release(r);
        brim_load_fail(l, 1);
        if (s == BRIM_PENDING)
            NEED(brim_load_cancel(all.cache, BRIM_KEY(key)) || brim_claim(all.cache, BRIM_KEY(key), 0, &r, &l) == s);
    }
}

/*
 * All that is left after a clear is held by threads that vanished, for ever: room for the others, with more than its
 * ceiling of one kind perhaps.
 */
static void use_entries(void)
{
    brim_entry_options e;
    brim_ref *r;

    NEED(brim_set_capacity(all.cache, CAPACITY) == BRIM_OK && brim_used(all.cache) < CAPACITY);
    NEED(brim_kind_set_limits(all.cache, &all.limited, 0, 0) == BRIM_OK);
    brim_entry_options_init(&e);
    e.group = all.group;
    for (uint64_t i = 0; i < 100; i++) {
        uint64_t key = OWN + i;

        e.kind = i % 3 == 0 ? &all.limited : i % 3 == 1 ? &all.queued : &all.heard;
        NEED(brim_insert_with(all.cache, BRIM_KEY(key), &all.value, 1, &e, &r) == BRIM_OK);
        NEED(brim_ref_value(r) == &all.value);
        brim_release(r);
        NEED(brim_contains(all.cache, BRIM_KEY(key)));
    }
    brim_group_invalidate(all.group);
    for (uint64_t key = OWN; key < OWN + 100; key++)
        NEED(!brim_contains(all.cache, BRIM_KEY(key)));
}

static void child(void)
{
    (void)alarm(60);
    NEED(stats_of(all.cache).sections == 0);
    NEED(brim_used(all.cache) <= CAPACITY && brim_check(all.cache, stderr));
    brim_clear(all.cache);
    (void)brim_collect(all.queue, SIZE_MAX);
    use_entries();
    use_loads();
    for (uint64_t i = 0, state = 5; i < 100; i++)
        do_some(DOERS, random_next(&state));
    NEED(brim_drain(all.cache, 20000) == BRIM_OK);
    NEED(brim_check(all.cache, stderr) && !in_trouble());
    all_end();
    live_once();
    NEED(!in_trouble());
    _exit(CHILD_OK);
}

static void fork_once(void)
{
    int status = 0;
    pid_t pid;

    wait_for_turns(DOERS, 3);
    pid = fork();
    if (pid == 0)
        child();
    EXPECT(pid > 0);
    while (waitpid(pid, &status, 0) < 0)
        EXPECT(errno == EINTR);
    EXPECT_MSG(WIFEXITED(status) && WEXITSTATUS(status) == CHILD_OK, "the child's status: %d", status);
}

static void fork_often(unsigned id, void *arg)
{
    (void)id, (void)arg;
    for (int i = 0; i < (CHECKING_BUILD ? FORKS / 3 : FORKS) && !in_trouble(); i++)
        fork_once();
}

/* ${_i}: 0 the main thread forks, 1 two others do, at once. */
START_TEST(test_forks_in_the_middle_of_everything)
{
    crew doers;

    all_begin(_i == 0 ? 1 : 8);
    crew_start(&doers, DOERS, do_all, NULL);
    if (_i == 0)
        fork_often(0, NULL);
    else
        crew_do(2, fork_often, NULL);
    atomic_store(&all.stop, true);
    crew_join(&doers);
    no_trouble();
    ck_assert_int_eq(brim_drain(all.cache, -1), BRIM_OK);
    ck_assert(brim_check(all.cache, stderr));
    ck_assert_uint_eq(stats_of(all.cache).loading, 0);
    all_end();
}
END_TEST

/* ---- The program's own handlers, registered after the first cache was made, may call */

static struct {
    brim_cache *cache;
    atomic_uint before, parent, child;
    bool on;
} handlers;

static void call_from_handler(atomic_uint *calls)
{
    uint64_t key = 1;

    if (!handlers.on)
        return;
    EXPECT(brim_insert(handlers.cache, BRIM_KEY(key), &handlers, 1, NULL) == BRIM_OK);
    EXPECT(brim_contains(handlers.cache, BRIM_KEY(key)));
    EXPECT(brim_remove(handlers.cache, BRIM_KEY(key)));
    live_once();
    atomic_fetch_add(calls, 1);
}

static void before_fork(void) { call_from_handler(&handlers.before); }
static void in_parent(void) { call_from_handler(&handlers.parent); }
static void in_child(void) { call_from_handler(&handlers.child); }

START_TEST(test_forks_with_handlers_that_call)
{
    brim_options o;
    crew doers;
    int status;
    pid_t pid;

    all_begin(2);
    brim_options_init(&o, 100);
    handlers.cache = make_cache(&o);
    ck_assert_int_eq(pthread_atfork(before_fork, in_parent, in_child), 0);
    handlers.on = true;
    crew_start(&doers, DOERS, do_all, NULL);
    for (unsigned i = 1; i <= 10; i++) {
        wait_for_turns(DOERS, 3);
        pid = fork();
        if (pid == 0) {
            (void)alarm(60);
            NEED(atomic_load(&handlers.child) == 1 && atomic_load(&handlers.before) == i && !in_trouble());
            brim_cache_free(handlers.cache);
            _exit(CHILD_OK);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == CHILD_OK);
        ck_assert_uint_eq(atomic_load(&handlers.parent), i);
    }
    handlers.on = false;
    atomic_store(&all.stop, true);
    crew_join(&doers);
    brim_cache_free(handlers.cache);
    all_end();
}
END_TEST

/* ---- What the child asks of the system may be refused there, too */

START_TEST(test_forks_where_the_child_is_refused_all)
{
    brim_load *l = NULL, *none;
    asking waiter;
    brim_ref *r;
    int status;
    pid_t pid;

    all_begin(1);
    l = claim(all.cache, CLAIMED);
    asking_start_waiting(&waiter, all.cache, CLAIMED, NULL, l);
    fault_begin(1, SIZE_MAX);
    pid = fork();
    if (pid == 0) {
        (void)alarm(60);
        NEED(brim_claim(all.cache, BRIM_KEY(waiter.key), 1, &r, &none) == BRIM_TIMEOUT);
        (void)fault_end();
        brim_load_fail(l, 1); /* nobody waits for it here */
        NEED(brim_get(all.cache, BRIM_KEY((uint64_t){LOADED + 2}), load_one, NULL, &r) == BRIM_OK);
        brim_release(r);
        NEED(brim_check(all.cache, stderr));
        all_end();
        _exit(CHILD_OK);
    }
    (void)fault_end();
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == CHILD_OK, "status %d", status);
    brim_load_fail(l, 1);
    asking_join(&waiter);
    asking_got_none(&waiter, BRIM_FAILED, 1);
    all_end();
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("forks");

    tcase_add_loop_test(tc, test_forks_in_the_middle_of_everything, 0, 2);
    tcase_add_test(tc, test_forks_with_handlers_that_call);
    tcase_add_test(tc, test_forks_where_the_child_is_refused_all);
    return suite_run(tc);
}
