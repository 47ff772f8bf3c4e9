/* SPDX-License-Identifier: MIT
 *
 * base/lock: it excludes; ranks rise; builds with assertions abort where they do not; conditions; what the system refuses.
 */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "support/support.h"

enum { TURNS = 20000 };

static struct lock list, shard, second, kind;

/* In place of the C library's: one of them refuses. */
static enum { REFUSE_NONE, REFUSE_MUTEX, REFUSE_COND, REFUSE_CLOCK } refuse;

#define REAL(name, ...) ((int (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

int pthread_mutexattr_init(pthread_mutexattr_t *a)
{
    return refuse == REFUSE_MUTEX ? ENOMEM : REAL("pthread_mutexattr_init", pthread_mutexattr_t *)(a);
}

int pthread_condattr_init(pthread_condattr_t *a)
{
    return refuse == REFUSE_COND ? ENOMEM : REAL("pthread_condattr_init", pthread_condattr_t *)(a);
}

int pthread_condattr_setclock(pthread_condattr_t *a, clockid_t clock)
{
    return refuse == REFUSE_CLOCK ? EINVAL : REAL("pthread_condattr_setclock", pthread_condattr_t *, clockid_t)(a, clock);
}

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

START_TEST(one_that_is_ready)
{
    static LOCK_READY(ready, RANK_KIND);

    lock_acquire(&ready);
    lock_assert_held(&ready);
    lock_release(&ready);
    lock_acquire(&ready);
    lock_release(&ready);
}
END_TEST

START_TEST(one_at_a_time)
{
    unsigned n = 0;

    make_locks();
    crew_do(4, count, &n);
    ck_assert_uint_eq(n, 4 * SCALED(TURNS));
    destroy_locks();
}
END_TEST

/* ---- Waits are counted */

static uint64_t waits, wait_ns;
static atomic_uint held_up;

static void count_waits(unsigned id, void *arg)
{
    unsigned *n = arg;

    (void)id;
    for (int i = 0; i < SCALED(TURNS); i++) {
        lock_acquire_counted(&shard, &waits, &wait_ns);
        lock_assert_held(&shard);
        ++*n;
        lock_release(&shard);
    }
}

static void *acquire_late(void *arg)
{
    atomic_store(&held_up, 1);
    lock_acquire_counted(&shard, &waits, &wait_ns);
    lock_release(&shard);
    return arg;
}

START_TEST(waits_are_counted)
{
    unsigned n = 0;
    pthread_t thread;

    make_locks();
    lock_acquire_counted(&shard, &waits, &wait_ns);
    ck_assert_uint_eq(waits, 0);
    ck_assert_uint_eq(wait_ns, 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, acquire_late, NULL), 0);
    while (atomic_load(&held_up) == 0) {
    }
    clock_pause(2000000); /* a turn in which it most likely begins to wait */
    lock_release(&shard);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_le(waits, 1);
    ck_assert(waits == 1 ? wait_ns > 0 : wait_ns == 0);
    crew_do(4, count_waits, &n);
    ck_assert_uint_eq(n, 4 * SCALED(TURNS));
    ck_assert_uint_le(waits, 1 + n);
    destroy_locks();
}
END_TEST

/* ---- Conditions */

static struct cond cond;
static unsigned turn, woken;

START_TEST(a_deadline_comes)
{
    uint64_t deadline = clock_now() + 3000000;
    int state;

    make_locks();
    ck_assert(cond_init(&cond));
    lock_acquire(&shard);
    while (cond_wait(&cond, &shard, deadline)) {
    }
    ck_assert_uint_ge(clock_now(), deadline); /* the same clock */
    lock_assert_held(&shard);
    while (cond_wait(&cond, &shard, 1)) { /* long ago */
    }
    ck_assert_int_eq(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state), 0);
    ck_assert_int_eq(state, PTHREAD_CANCEL_ENABLE); /* as it was */
    lock_acquire(&kind);                            /* nor is it counted as held twice */
    lock_release(&kind);
    lock_release(&shard);
    lock_acquire(&list);
    lock_release(&list);
    cond_destroy(&cond);
    destroy_locks();
}
END_TEST

static void wait_for_turn(unsigned id, void *arg)
{
    (void)arg;
    lock_acquire(&shard);
    if (id == 0) {
        turn = 1;
        cond_wake_all(&cond);
    }
    while (turn == 0)
        EXPECT(cond_wait(&cond, &shard, id % 2 == 0 ? 0 : clock_now() + UINT64_C(60000000000)));
    lock_assert_held(&shard);
    woken++;
    lock_release(&shard);
}

START_TEST(all_are_woken)
{
    make_locks();
    ck_assert(cond_init(&cond));
    for (int round = 0; round < SCALED(200); round++) {
        turn = woken = 0;
        crew_do(5, wait_for_turn, NULL);
        ck_assert_uint_eq(woken, 5);
    }
    cond_destroy(&cond);
    destroy_locks();
}
END_TEST

static void *wait_and_be_canceled(void *arg)
{
    uint64_t deadline = clock_now() + 3000000;

    lock_acquire(&shard);
    atomic_store(&held_up, 1);
    while (cond_wait(&cond, &shard, deadline)) {
    }
    lock_release(&shard);
    return arg;
}

START_TEST(no_point_of_cancellation)
{
    pthread_t thread;
    void *result;

    make_locks();
    ck_assert(cond_init(&cond));
    ck_assert_int_eq(pthread_create(&thread, NULL, wait_and_be_canceled, &turn), 0);
    while (atomic_load(&held_up) == 0) {
    }
    lock_acquire(&shard); /* it waits */
    ck_assert_int_eq(pthread_cancel(thread), 0);
    lock_release(&shard);
    ck_assert_int_eq(pthread_join(thread, &result), 0);
    ck_assert_ptr_eq(result, &turn); /* it came to its end */
    cond_destroy(&cond);
    destroy_locks();
}
END_TEST

START_TEST(what_the_system_refuses)
{
    struct lock l;
    struct cond c;

    refuse = REFUSE_MUTEX;
    ck_assert(!lock_init(&l, RANK_LIST));
    refuse = REFUSE_COND;
    ck_assert(!cond_init(&c));
    refuse = REFUSE_CLOCK;
    ck_assert(!cond_init(&c));
    refuse = REFUSE_NONE;
}
END_TEST

/* The clock's and what was left in it: nothing of that stays. */
START_TEST(a_condition_is_renewed)
{
    static const pthread_cond_t fresh = PTHREAD_COND_INITIALIZER;
    uint64_t deadline = clock_now() + 3000000;

    make_locks();
    memset(&cond, 85, sizeof cond);
    cond_renew(&cond);
    lock_acquire(&shard);
    while (cond_wait(&cond, &shard, deadline)) {
    }
    lock_release(&shard);
    ck_assert_uint_ge(clock_now(), deadline); /* the same clock */
    cond_destroy(&cond);
    refuse = REFUSE_COND;
    memset(&cond, 85, sizeof cond);
    cond_renew(&cond);
    refuse = REFUSE_NONE;
    ck_assert_mem_eq(&cond.c, &fresh, sizeof fresh);
    cond_destroy(&cond);
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

static void counted_out_of_rank(void)
{
    lock_acquire(&kind);
    lock_acquire_counted(&shard, &waits, &wait_ns);
}

static void wait_below_another(void)
{
    (void)cond_init(&cond);
    lock_acquire(&shard);
    lock_acquire(&kind);
    (void)cond_wait(&cond, &shard, 1);
}

static void wait_without(void)
{
    (void)cond_init(&cond);
    (void)cond_wait(&cond, &shard, 1);
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
    static void (*const misuse[])(void) = {
        falling,          twice_the_same,  same_below_another,  not_held,
        release_not_held, held_by_another, counted_out_of_rank, wait_below_another,
        wait_without};

    make_locks();
    ck_assert_int_eq(signal_of(misuse[_i]), SIGABRT);
    destroy_locks();
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("lock");

    tcase_add_test(tc, one_that_is_ready);
    tcase_add_test(tc, one_at_a_time);
    tcase_add_test(tc, ranks_may_rise);
    tcase_add_test(tc, waits_are_counted);
    tcase_add_test(tc, a_deadline_comes);
    tcase_add_test(tc, all_are_woken);
    tcase_add_test(tc, no_point_of_cancellation);
    tcase_add_test(tc, what_the_system_refuses);
    tcase_add_test(tc, a_condition_is_renewed);
#ifndef NDEBUG
    tcase_add_loop_test(tc, misuse_aborts, 0, 9);
#endif
    return suite_run(tc);
}
