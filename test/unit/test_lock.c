/* SPDX-License-Identifier: MIT
 *
 * base/lock: it excludes; ranks rise; builds with assertions abort where they do not.
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lock.h"
#include "support/support.h"

enum { TURNS = 20000 };

static struct lock list, shard, second, kind;

static void make_locks(void)
{
    ck_assert(lock_init(&list, RANK_LIST));
    ck_assert(lock_init(&shard, RANK_SHARD));
    ck_assert(lock_init(&second, RANK_SHARD));
    ck_assert(lock_init(&kind, RANK_KIND));
}

static void destroy_locks(void)
{
    lock_destroy(&kind);
    lock_destroy(&second);
    lock_destroy(&shard);
    lock_destroy(&list);
}

static void count(unsigned id, void *arg)
{
    unsigned *n = arg;

    (void)id;
    for (int i = 0; i < SCALED(TURNS); i++) {
        lock_acquire(&shard);
        lock_assert_held(&shard);
        ++*n;
        lock_release(&shard);
    }
}

START_TEST(one_at_a_time)
{
    unsigned n = 0;

    make_locks();
    crew_do(4, count, &n);
    ck_assert_uint_eq(n, 4 * SCALED(TURNS));
    destroy_locks();
}
END_TEST

static void rising(void)
{
    lock_acquire(&list);
    lock_acquire(&shard);
    lock_acquire_same_rank(&second);
    lock_acquire(&kind);
    lock_release(&shard); /* in any order */
    lock_release(&list);
    lock_release(&kind);
    lock_release(&second);
    lock_acquire(&list); /* nothing is remembered of those released */
    lock_release(&list);
}

/* The signal that ends ${run} in a child process; 0: none. */
static int signal_of(void (*run)(void))
{
    int status = -1;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct rlimit none = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &none);
        (void)alarm(60);
        run();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

START_TEST(ranks_may_rise)
{
    make_locks();
    ck_assert_int_eq(signal_of(rising), 0);
    destroy_locks();
}
END_TEST

#ifndef NDEBUG
static void falling(void)
{
    lock_acquire(&kind);
    lock_acquire(&shard);
}

static void twice_the_same(void)
{
    lock_acquire(&shard);
    lock_acquire(&second);
}

static void same_below_another(void)
{
    lock_acquire(&kind);
    lock_acquire_same_rank(&shard);
}

static void not_held(void)
{
    lock_acquire(&second);
    lock_assert_held(&shard);
}

static void release_not_held(void)
{
    lock_release(&shard);
}

static void *assert_held(void *arg)
{
    (void)arg;
    lock_assert_held(&shard);
    return NULL;
}

static void held_by_another(void)
{
    pthread_t thread;

    lock_acquire(&shard);
    if (pthread_create(&thread, NULL, assert_held, NULL) == 0)
        pthread_join(thread, NULL);
}

START_TEST(misuse_aborts)
{
    static void (*const misuse[])(void) = {falling,  twice_the_same,   same_below_another,
                                           not_held, release_not_held, held_by_another};

    make_locks();
    ck_assert_int_eq(signal_of(misuse[_i]), SIGABRT);
    destroy_locks();
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("lock");

    tcase_add_test(tc, one_at_a_time);
    tcase_add_test(tc, ranks_may_rise);
#ifndef NDEBUG
    tcase_add_loop_test(tc, misuse_aborts, 0, 6);
#endif
    return suite_run(tc);
}
