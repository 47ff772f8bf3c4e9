/* SPDX-License-Identifier: MIT
 *
 * The first calls in a process: what they make ready for all caches and threads, once, may fail; later calls make it
 * good.  Each try is a process of its own, forked from one that has never called Brim.
 */
#include "support/fault.h"
#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ALL_WELL = 40, FAILED_SOME = 41, WRONG = 42, CAPACITY = 100 };

#define NEED(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                            \
            _exit(WRONG);                                                                                    \
        }                                                                                                    \
    } while (0)

static bool fine(brim_status s)
{
    NEED(s == BRIM_OK || (s == BRIM_NOMEM && fault_count() > 0));
    return s == BRIM_OK;
}

static void tell(brim_ref *ref, int reason, void *arg)
{
    *(int *)arg += reason == 7 ? 1 : 100;
    brim_release(ref);
}

static void claim_and_wait(brim_cache *c)
{
    brim_load *load = NULL, *none = NULL;
    brim_ref *ref = NULL;
    brim_status waits;
    int told = 0;

    if (brim_claim(c, "load", 4, -1, &ref, &load) != BRIM_CLAIMED) {
        NEED(fault_count() > 0 && load == NULL);
        return;
    }
    waits = brim_claim_async(c, "load", 4, NULL, tell, &told, &ref, &none, NULL);
    NEED(waits == BRIM_PENDING || (waits == BRIM_NOMEM && fault_count() > 0));
    brim_load_fail(load, 7);
    NEED(told == (waits == BRIM_PENDING));
}

/* On each thread. */
static void call_all(brim_cache *c)
{
    brim_ref *ref = NULL;

    if (fine(brim_insert(c, "key", 3, NULL, 1, &ref)))
        NEED(ref != NULL && brim_contains(c, "key", 3));
    brim_release(ref);
    if (fine(brim_read_begin(c)))
        brim_read_end(c);
    claim_and_wait(c);
    (void)brim_remove(c, "key", 3);
}

static void *call_all_main(void *c)
{
    call_all(c);
    return NULL;
}

static void call_all_on(brim_cache *c)
{
    pthread_t thread;

    call_all(c);
    NEED(pthread_create(&thread, NULL, call_all_main, c) == 0 && pthread_join(thread, NULL) == 0);
}

/* False: there was no memory for a cache. */
static bool call_first(void)
{
    brim_queue *q = brim_queue_new();
    brim_kind kind = {.size = sizeof kind, .queue = q};
    brim_options o;
    brim_cache *c;
    bool made;

    NEED(q != NULL || fault_count() > 0);
    brim_options_init(&o, CAPACITY);
    o.borrow = true;
    o.kind = &kind;
    made = fine(brim_cache_new(&o, &c));
    if (made) {
        call_all_on(c);
        brim_clear(c);
        (void)brim_collect(q, SIZE_MAX);
        NEED(brim_used(c) == 0 && brim_check(c, stderr));
        brim_cache_free(c);
    }
    brim_queue_drop(q);
    return made;
}

/* All of it works: also fork, whose handlers are there once and not twice. */
static void all_works(void)
{
    int status = 0;
    pid_t pid;

    NEED(fault_count() == 0);
    NEED(call_first());
    pid = fork();
    if (pid == 0) {
        (void)alarm(60);
        _exit(call_first() ? ALL_WELL : WRONG);
    }
    NEED(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == ALL_WELL);
    NEED(call_first());
}

static size_t *kept; /* blocks of memory in a process that has met no failure; shared with the children */

static void attempt(size_t from, size_t to)
{
    size_t failed;

    (void)alarm(60);
    fault_begin(from, to);
    (void)call_first();
    failed = fault_end();
    fault_begin(SIZE_MAX, SIZE_MAX);
    all_works();
    if (*kept == 0)
        *kept = fault_blocks();
    NEED(fault_blocks() <= *kept);
    _exit(failed > 0 ? FAILED_SOME : ALL_WELL);
}

/* False: no call failed. */
static bool try_with(size_t from, size_t to)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        attempt(from, to);
    ck_assert_int_gt(pid, 0);
    while (waitpid(pid, &status, 0) < 0)
        ck_assert_int_eq(errno, EINTR);
    ck_assert_msg(WIFEXITED(status), "call %zu: ended by signal %d", from, WTERMSIG(status));
    ck_assert_msg(WEXITSTATUS(status) == FAILED_SOME || WEXITSTATUS(status) == ALL_WELL, "call %zu: status %d", from,
                  WEXITSTATUS(status));
    return WEXITSTATUS(status) == FAILED_SOME;
}

START_TEST(test_first_calls_fail)
{
    size_t n;

    kept = mmap(NULL, sizeof *kept, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(kept != MAP_FAILED);
    ck_assert(!try_with(SIZE_MAX, SIZE_MAX));
    for (n = 1; try_with(n, _i == 0 ? n + 1 : SIZE_MAX); n++)
        ck_assert_uint_lt(n, 1000);
    ck_assert_uint_gt(n, 12);
    (void)munmap(kept, sizeof *kept);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("first");

    tcase_add_loop_test(tc, test_first_calls_fail, 0, 2);
    return suite_run(tc);
}
