/* SPDX-License-Identifier: MIT
 *
 * G13: no thread, no signal handler, no output, no file left open; no lock across caches.
 */
#include "support/support.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIGNALS = 65 };

static unsigned entries_of(const char *path)
{
    DIR *dir = opendir(path);
    unsigned n = 0;

    if (dir == NULL)
        return 0;
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

static bool odd(brim_ref *lent, void *arg)
{
    (void)arg;
    return id_of(lent) % 2 != 0;
}

static void work(brim_cache *c)
{
    brim_key *k = NULL;
    brim_ref *r = NULL;
    uint64_t key = 1;

    for (uint64_t i = 0; i < 3000; i++)
        (void)put(c, i, i, 1 + i % 10);
    (void)put(c, 1, 1, 100000);
    (void)brim_remove_if(c, odd, NULL);
    value_destroy(value_new(1, 1), 1, NULL);
    if (brim_insert_anonymous(c, value_new(1, 1), 1, NULL, &k, &r) == BRIM_OK)
        brim_key_drop(k);
    brim_release(r);
    (void)brim_remove(c, BRIM_KEY(key));
    (void)brim_trim(c, 10);
    brim_clear(c);
}

static void work_role(unsigned id, void *arg)
{
    (void)id;
    work(arg);
}

static void whole_life(void)
{
    brim_cache *c = make_value_cache(1000);
    FILE *sink = fopen("/dev/null", "w");

    work(c);
    crew_do(3, work_role, c);
    EXPECT(sink != NULL && brim_check(c, sink));
    if (sink != NULL)
        fclose(sink);
    brim_cache_free(c);
    EXPECT(values_live() == 0);
}

START_TEST(test_g13_no_thread_is_started)
{
    brim_cache *c;
    unsigned before;

    crew_do(1, work_role, c = make_value_cache(100));   /* a sanitizer may have a thread of its own by now */
    brim_cache_free(c);
    before = entries_of("/proc/self/task");
    ck_assert_uint_gt(before, 2);
    c = make_value_cache(1000);
    ck_assert_uint_eq(entries_of("/proc/self/task"), before);
    work(c);
    ck_assert_uint_eq(entries_of("/proc/self/task"), before);
    finish(c);
    ck_assert_uint_eq(entries_of("/proc/self/task"), before);
}
END_TEST

START_TEST(test_g13_no_signal_handler_is_installed)
{
    struct sigaction before[SIGNALS], after[SIGNALS];
    sigset_t mask_before, mask_after;

    memset(before, 0, sizeof before);
    memset(after, 0, sizeof after);
    for (int s = 1; s < SIGNALS; s++)
        (void)sigaction(s, NULL, &before[s]);
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &mask_before), 0);
    whole_life();
    for (int s = 1; s < SIGNALS; s++)
        (void)sigaction(s, NULL, &after[s]);
    ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, NULL, &mask_after), 0);
    for (int s = 1; s < SIGNALS; s++) {
        ck_assert_msg(before[s].sa_handler == after[s].sa_handler, "signal %d", s);
        ck_assert_int_eq(sigismember(&mask_before, s), sigismember(&mask_after, s));
    }
}
END_TEST

START_TEST(test_g13_no_file_stays_open)
{
    unsigned before;

    whole_life();
    before = entries_of("/proc/self/fd");
    ck_assert_uint_gt(before, 2);
    for (int i = 0; i < SCALED(20); i++)
        whole_life();
    ck_assert_uint_eq(entries_of("/proc/self/fd"), before);
}
END_TEST

START_TEST(test_g13_the_first_use_opens_nothing)
{
    unsigned before = entries_of("/proc/self/fd");
    brim_cache *c = make_value_cache(1000);

    work(c);
    ck_assert_uint_eq(entries_of("/proc/self/fd"), before);
    finish(c);
    ck_assert_uint_eq(entries_of("/proc/self/fd"), before);
}
END_TEST

START_TEST(test_g13_nothing_is_printed)
{
    char name[] = "/tmp/brim_g13_XXXXXX";
    int file = mkstemp(name), out = dup(1), err = dup(2);
    struct stat st;

    ck_assert_int_ge(file, 0);
    ck_assert_int_ge(out, 0);
    ck_assert_int_ge(err, 0);
    fflush(NULL);
    dup2(file, 1);
    dup2(file, 2);
    whole_life();
    fflush(NULL);
    dup2(out, 1);
    dup2(err, 2);
    ck_assert_int_eq(fstat(file, &st), 0);
    close(file);
    close(out);
    close(err);
    unlink(name);
    ck_assert_int_eq(st.st_size, 0);
}
END_TEST

/* ---- A cache whose writer is stopped in a callback does not stop another cache ---- */

static gate stopped;
static atomic_bool armed;

static void stopping_destroy(void *v, size_t cost, void *arg)
{
    if (atomic_exchange(&armed, false))
        gate_stop_here(&stopped);
    value_destroy(v, cost, arg);
}

static void clear_role(unsigned id, void *arg)
{
    (void)id;
    brim_clear(arg);
}

START_TEST(test_g13_caches_do_not_wait_for_each_other)
{
    static const brim_kind kind = { .size = sizeof(brim_kind), .destroy = stopping_destroy };
    brim_options o = value_options(100);
    brim_cache *a, *b = make_value_cache(1000);
    crew writer;

    o.kind = &kind;
    a = make_cache(&o);
    gate_init(&stopped);
    ck_assert_int_eq(put(a, 1, 1, 1), BRIM_OK);
    atomic_store(&armed, true);
    crew_start(&writer, 1, clear_role, a);
    gate_wait_reached(&stopped);
    work(b);
    crew_do(2, work_role, b);
    brim_cache_free(b);
    b = make_value_cache(10);
    gate_open(&stopped);
    crew_join(&writer);
    gate_destroy(&stopped);
    brim_cache_free(b);
    finish(a);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("g13");

    tcase_add_test(tc, test_g13_the_first_use_opens_nothing);
    tcase_add_test(tc, test_g13_no_thread_is_started);
    tcase_add_test(tc, test_g13_no_signal_handler_is_installed);
    tcase_add_test(tc, test_g13_no_file_stays_open);
    tcase_add_test(tc, test_g13_nothing_is_printed);
    tcase_add_test(tc, test_g13_caches_do_not_wait_for_each_other);
    return suite_run(tc);
}
