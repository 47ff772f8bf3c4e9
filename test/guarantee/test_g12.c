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
    for (int i = 0; i < SCALED(50); i++)
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

/* ---- What vanished threads had taken of a kind's ceiling is room again */

static struct {
    gate stop;
    brim_cache *cache;
    atomic_bool stops;
} ceiling;
static const brim_kind ceiling_60 = {.size = sizeof(brim_kind), .ceiling = 60};

static void destroy_stopped(void *v, size_t cost, void *arg)
{
    (void)v, (void)cost, (void)arg;
    if (atomic_exchange(&ceiling.stops, false))
        gate_stop_here(&ceiling.stop);
}

static brim_status put_below_ceiling(uint64_t key, size_t cost, brim_ref **out)
{
    brim_entry_options e;

    brim_entry_options_init(&e);
    e.kind = &ceiling_60;
    return brim_insert_with(ceiling.cache, BRIM_KEY(key), &ceiling, cost, &e, out);
}

static void insert_stopped(unsigned id, void *arg)
{
    (void)arg;
    EXPECT(put_below_ceiling(100 + id, 30, NULL) == BRIM_OK);
}

/* The thread that makes room for 30 is not there: 60 are admitted, and no more. */
static void child_below_ceiling(void)
{
    brim_ref *refs[60];
    size_t n = 0;

    (void)alarm(60);
    brim_clear(ceiling.cache);
    while (n < 60 && put_below_ceiling(200 + n, 1, &refs[n]) == BRIM_OK)
        n++;
    if (n != 60)
        _exit((int)n + 100);
    if (put_below_ceiling(300, 1, NULL) != BRIM_FULL)
        _exit(1);
    brim_release_many(refs, n);
    if (put_below_ceiling(300, 60, NULL) != BRIM_OK)
        _exit(2);
    if (brim_used(ceiling.cache) > brim_capacity(ceiling.cache) || !brim_check(ceiling.cache, stderr))
        _exit(3);
    brim_cache_free(ceiling.cache);
    _exit(CHILD_OK);
}

static void ended_well(pid_t pid)
{
    int status = 0;

    ck_assert_int_gt(pid, 0);
    while (waitpid(pid, &status, 0) < 0)
        ck_assert_int_eq(errno, EINTR);
    ck_assert_msg(WIFEXITED(status), "the child ended by signal %d", WTERMSIG(status));
    ck_assert_int_eq(WEXITSTATUS(status), CHILD_OK);
}

START_TEST(test_g12_the_child_can_use_the_whole_ceiling)
{
    static const brim_kind stopped = {.size = sizeof(brim_kind), .destroy = destroy_stopped};
    brim_options o;
    crew thread;
    pid_t pid;

    memset(&ceiling, 0, sizeof ceiling);
    gate_init(&ceiling.stop);
    brim_options_init(&o, 200);
    o.kind = &stopped;
    o.shards = 1;
    ceiling.cache = make_cache(&o);
    for (uint64_t key = 0; key < 20; key++)
        ck_assert_int_eq(brim_insert(ceiling.cache, BRIM_KEY(key), &o, 10, NULL), BRIM_OK);
    atomic_store(&ceiling.stops, true);
    crew_start(&thread, 1, insert_stopped, NULL);
    gate_wait_reached(&ceiling.stop);
    pid = fork();
    if (pid == 0)
        child_below_ceiling();
    ended_well(pid);
    gate_open(&ceiling.stop);
    crew_join(&thread);
    ck_assert_int_eq(put_below_ceiling(300, 60, NULL), BRIM_OK);
    gate_destroy(&ceiling.stop);
    finish(ceiling.cache);
}
END_TEST

/* ---- Who forks need not be known in every cache: the child's handler asks for no memory, its locks are held */

enum { KNOWN = 20 };
static struct {
    heap heap;
    brim_cache *caches[2];
    atomic_uint ready;
    atomic_bool done;
    pid_t pid;
} handler;

static void be_known(unsigned id, void *arg)
{
    (void)id, (void)arg;
    EXPECT(!has(handler.caches[0], 1));
    atomic_fetch_add(&handler.ready, 1);
    while (!atomic_load(&handler.done))
        (void)usleep(1000);
}

static void fork_unknown(unsigned id, void *arg)
{
    size_t calls;

    (void)id, (void)arg;
    EXPECT(!has(handler.caches[0], 1));
    calls = atomic_load(&handler.heap.calls);
    handler.pid = fork();
    if (handler.pid != 0)
        return;
    (void)alarm(60);
    if (atomic_load(&handler.heap.calls) != calls)
        _exit(1);
    for (uint64_t key = 0; key < 20; key++)
        if (put(handler.caches[1], key, key, 10) != BRIM_OK)
            _exit(2);
    if (brim_used(handler.caches[1]) != 100 || !brim_check(handler.caches[1], stderr))
        _exit(3);
    _exit(CHILD_OK);
}

START_TEST(test_g12_the_childs_handler_asks_for_no_memory)
{
    brim_options o = value_options(100);
    crew known;

    memset(&handler, 0, sizeof handler);
    heap_init(&handler.heap);
    handler.caches[0] = make_cache(&o);
    o.allocator = &handler.heap.allocator;
    handler.caches[1] = make_cache(&o);
    crew_start(&known, KNOWN, be_known, NULL);
    while (atomic_load(&handler.ready) < KNOWN)
        (void)usleep(1000);
    crew_do(1, fork_unknown, NULL);
    ended_well(handler.pid);
    atomic_store(&handler.done, true);
    crew_join(&known);
    brim_cache_free(handler.caches[0]);
    finish(handler.caches[1]);
    ck_assert_uint_eq(atomic_load(&handler.heap.live), 0);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("g12");

    tcase_add_loop_test(tc, test_g12_both_go_on_after_a_fork_among_busy_threads, 0, 2);
    tcase_add_test(tc, test_g12_the_copies_are_independent);
    tcase_add_test(tc, test_g12_the_child_can_use_the_whole_ceiling);
    tcase_add_test(tc, test_g12_the_childs_handler_asks_for_no_memory);
    return suite_run(tc);
}
