/* SPDX-License-Identifier: MIT
 *
 * Sections and fork (G12): in the child the forking thread's own go on, those of vanished threads have ended.
 */
#include "support/support.h"
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_OK = 42, CHILD_LOST_MUCH = 43, ENTRIES = 20 };

#define NEED(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            _exit(__LINE__ % 200 + 50);                                                                      \
    } while (0)

static brim_cache *filled(void)
{
    brim_cache *c = make_borrow_cache(1000);

    for (uint64_t i = 0; i < ENTRIES; i++)
        ck_assert_int_eq(put(c, i, i, 10), BRIM_OK);
    return c;
}

static int status_of_child(pid_t pid)
{
    int status = 0;

    ck_assert_int_gt(pid, 0);
    while (waitpid(pid, &status, 0) < 0)
        ck_assert_int_eq(errno, EINTR);
    ck_assert_msg(WIFEXITED(status), "the child ended by signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

/* True: it lost much. */
static bool child_is_well_or_lost_much(pid_t pid)
{
    int status = status_of_child(pid);

    ck_assert_msg(status == CHILD_OK || status == CHILD_LOST_MUCH, "the child said %d: a line, modulo 200, + 50", status);
    return status == CHILD_LOST_MUCH;
}

static void child_is_well(pid_t pid)
{
    ck_assert(!child_is_well_or_lost_much(pid));
}

static size_t waiting_in(brim_cache *c)
{
    return stats_of(c).waiting_values;
}

/* What either process does in a section that was open at the fork, in which 0 had been removed. */
static int go_on_in_the_section(brim_cache *c, void **lent)
{
    uint64_t one = 1, two = 2;

    if (stats_of(c).sections != 1 || waiting_in(c) != 1 || stats_of(c).waiting != 10)
        return 1;
    for (uint64_t i = 0; i < ENTRIES; i++)
        if (!value_alive(lent[i], i))
            return 2;
    if (brim_peek(c, BRIM_KEY(one)) != lent[1])
        return 3;
    if (!brim_remove(c, BRIM_KEY(one)) || put(c, 2, 102, 10) != BRIM_OK)
        return 4;
    if (!value_alive(brim_peek(c, BRIM_KEY(two)), 102))
        return 5;
    if (waiting_in(c) != 3 || values_live() != ENTRIES + 1 || brim_used(c) != 10 * (ENTRIES + 1))
        return 6;
    brim_read_end(c);
    for (uint64_t i = 0; i < ENTRIES; i++)
        if (!value_alive(lent[i], i))
            return 7;
    brim_read_end(c);
    if (waiting_in(c) != 0 || values_live() != ENTRIES - 2 || stats_of(c).sections != 0)
        return 8;
    if (brim_drain(c, -1) != BRIM_OK || !brim_check(c, stderr))
        return 9;
    return 0;
}

START_TEST(test_g12_sections_of_the_forking_thread_go_on)
{
    brim_cache *c = filled();
    void *lent[ENTRIES];
    uint64_t key = 0;
    pid_t pid;

    begin_reading(c);
    begin_reading(c);
    for (uint64_t i = 0; i < ENTRIES; i++)
        lent[i] = brim_peek(c, BRIM_KEY(i));
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    pid = fork();
    if (pid == 0) {
        int wrong;

        (void)alarm(60);
        wrong = go_on_in_the_section(c, lent);
        if (wrong != 0)
            _exit(wrong);
        brim_cache_free(c);
        NEED(values_live() == 0 && !in_trouble());
        _exit(CHILD_OK);
    }
    child_is_well(pid);
    ck_assert_int_eq(go_on_in_the_section(c, lent), 0);
    finish(c);
}
END_TEST

/* The child frees the cache within the section; the parent is not concerned. */
START_TEST(test_g12_a_child_frees_the_cache_within_its_section)
{
    brim_cache *c = filled();
    brim_ref *held;
    uint64_t key = 7;
    void *v;
    pid_t pid;

    begin_reading(c);
    v = brim_peek(c, BRIM_KEY(key));
    held = brim_ref_hold(brim_borrow(c, BRIM_KEY(key)));
    pid = fork();
    if (pid == 0) {
        (void)alarm(60);
        brim_cache_free(c);
        NEED(values_live() == ENTRIES && value_alive(v, 7));
        brim_read_end(c);
        NEED(values_live() == 1 && value_alive(v, 7));
        brim_release(held);
        NEED(values_live() == 0 && !in_trouble());
        _exit(CHILD_OK);
    }
    child_is_well(pid);
    ck_assert(value_alive(v, 7));
    ck_assert_uint_eq(brim_count(c), ENTRIES);
    brim_release(held);
    brim_read_end(c);
    finish(c);
}
END_TEST

static void do_begin_and_borrow(void *p)
{
    brim_cache *c = p;

    begin_reading(c);
    for (uint64_t i = 0; i < ENTRIES; i++)
        EXPECT(value_alive(brim_peek(c, BRIM_KEY(i)), i));
}

static void do_end(void *c)
{
    brim_read_end(c);
}

/* ${_i}: 0 no section of the forking thread, 1 one of its own as well, 2 the cache is freed first. */
START_TEST(test_g12_sections_of_vanished_threads_have_ended_in_the_child)
{
    brim_cache *c = filled();
    uint64_t before = 0, after = 1;
    worker readers[3];
    pid_t pid;

    for (int i = 0; i < 3; i++) {
        worker_start(&readers[i]);
        for (int depth = 0; depth <= i; depth++)
            worker_do(&readers[i], do_begin_and_borrow, c);
    }
    if (_i == 1)
        begin_reading(c);
    ck_assert(brim_remove(c, BRIM_KEY(before)));
    ck_assert_uint_eq(waiting_in(c), 1);
    pid = fork();
    if (pid == 0) {
        (void)alarm(60);
        NEED(stats_of(c).sections == (_i == 1));
        if (_i != 2)
            NEED(brim_remove(c, BRIM_KEY(after)));
        if (_i == 1) {
            NEED(values_live() == ENTRIES && waiting_in(c) == 2);
            brim_read_end(c);
            NEED(values_live() == ENTRIES - 2);
        }
        if (_i == 0) {
            NEED(brim_drain(c, -1) == BRIM_OK);
            NEED(values_live() == ENTRIES - 2 && waiting_in(c) == 0 && stats_of(c).waiting_ns == 0);
            NEED(brim_used(c) == 10 * (ENTRIES - 2));
            NEED(put(c, 100, 100, 1000) == BRIM_OK);
        }
        NEED(brim_check(c, stderr));
        brim_cache_free(c);
        NEED(values_live() == 0 && !in_trouble());
        _exit(CHILD_OK);
    }
    child_is_well(pid);
    ck_assert_uint_eq(stats_of(c).sections, 3 + (_i == 1)); /* here they go on */
    ck_assert_uint_eq(values_live(), ENTRIES);
    if (_i == 1)
        brim_read_end(c);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(values_live(), ENTRIES);
        for (int depth = 0; depth <= i; depth++)
            worker_do(&readers[i], do_end, c);
        worker_end(&readers[i]);
    }
    ck_assert_uint_eq(values_live(), ENTRIES - 1);
    finish(c);
}
END_TEST

/* The cache had been freed before the fork, and only sections kept it. */
START_TEST(test_g12_sections_of_a_freed_cache)
{
    brim_cache *c = filled();
    worker reader;
    pid_t pid;

    worker_start(&reader);
    worker_do(&reader, do_begin_and_borrow, c);
    begin_reading(c);
    brim_cache_free(c);
    ck_assert_uint_eq(values_live(), ENTRIES);
    pid = fork();
    if (pid == 0) {
        (void)alarm(60);
        NEED(values_live() == ENTRIES);
        brim_read_end(c);
        NEED(values_live() == 0 && !in_trouble());
        _exit(CHILD_OK);
    }
    child_is_well(pid);
    brim_read_end(c);
    ck_assert_uint_eq(values_live(), ENTRIES);
    worker_do(&reader, do_end, c);
    ck_assert_uint_eq(values_live(), 0);
    worker_end(&reader);
}
END_TEST

/* ---- Among busy threads: values need no destruction, for those that vanish may be in the middle of one */

enum { KEYS = 64 };
static struct {
    brim_cache *cache;
    atomic_bool stop;
    atomic_ullong sections, writes;
    char value;
} busy;

static void busy_reader(void)
{
    while (!atomic_load(&busy.stop)) {
        begin_reading(busy.cache);
        for (uint64_t key = 0; key < KEYS; key++) {
            void *v = brim_peek(busy.cache, BRIM_KEY(key));

            EXPECT(v == NULL || v == &busy.value);
        }
        brim_read_end(busy.cache);
        atomic_fetch_add(&busy.sections, 1);
    }
}

static void busy_writer(void)
{
    uint64_t state = 5;

    while (!atomic_load(&busy.stop)) {
        uint64_t key = random_next(&state) % KEYS;

        if (key % 3 == 0)
            (void)brim_remove(busy.cache, BRIM_KEY(key));
        else
            EXPECT(brim_insert(busy.cache, BRIM_KEY(key), &busy.value, 1, NULL) != BRIM_NOMEM);
        atomic_fetch_add(&busy.writes, 1);
    }
}

static void busy_role(unsigned id, void *arg)
{
    (void)arg;
    if (id < 2)
        busy_reader();
    else
        busy_writer();
}

static void busy_child(brim_cache *c)
{
    size_t used;

    (void)alarm(60);
    begin_reading(c);
    for (uint64_t key = 0; key < KEYS; key++) {
        void *v = brim_peek(c, BRIM_KEY(key));

        NEED(v == NULL || v == &busy.value);
        (void)brim_remove(c, BRIM_KEY(key));
    }
    NEED(stats_of(c).sections == 1);
    brim_read_end(c);
    NEED(brim_drain(c, -1) == BRIM_OK);
    NEED(stats_of(c).sections == 0);
    NEED(stats_of(c).waiting_values == 0 && stats_of(c).waiting == 0);
    NEED(brim_used(c) <= brim_capacity(c));
    NEED(brim_check(c, stderr));
    brim_clear(c);
    NEED(brim_drain(c, -1) == BRIM_OK);
    NEED(stats_of(c).reserved == 0);
    /* What a vanished thread was about to destroy stays: all that waited for a section, if it had just taken that. */
    used = brim_used(c);
    NEED(used <= 40);
    NEED(brim_insert(c, "key", 3, &busy.value, 40 - used, NULL) == BRIM_OK);
    brim_cache_free(c);
    _exit(used <= 20 ? CHILD_OK : CHILD_LOST_MUCH);
}

START_TEST(test_g12_sections_at_a_fork_among_busy_threads)
{
    brim_options o;
    crew threads;
    int much = 0;

    memset(&busy, 0, sizeof busy);
    brim_options_init(&o, 40);
    o.borrow = true;
    o.shards = _i == 0 ? 1 : 8;
    busy.cache = make_cache(&o);
    crew_start(&threads, 3, busy_role, NULL);
    for (int i = 0; i < 50; i++) {
        unsigned long long sections = atomic_load(&busy.sections), writes = atomic_load(&busy.writes);
        pid_t pid;

        while (atomic_load(&busy.sections) < sections + 5 || atomic_load(&busy.writes) < writes + 20)
            sched_yield();
        pid = fork();
        if (pid == 0)
            busy_child(busy.cache);
        much += child_is_well_or_lost_much(pid);
    }
    ck_assert_int_le(much, 10); /* that a thread vanishes just then is rare */
    atomic_store(&busy.stop, true);
    crew_join(&threads);
    settle_cache(busy.cache);
    finish(busy.cache);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("sections_fork");

    tcase_add_test(tc, test_g12_sections_of_the_forking_thread_go_on);
    tcase_add_test(tc, test_g12_a_child_frees_the_cache_within_its_section);
    tcase_add_loop_test(tc, test_g12_sections_of_vanished_threads_have_ended_in_the_child, 0, 3);
    tcase_add_test(tc, test_g12_sections_of_a_freed_cache);
    tcase_add_loop_test(tc, test_g12_sections_at_a_fork_among_busy_threads, 0, 2);
    return suite_run(tc);
}
