/* SPDX-License-Identifier: MIT
 *
 * G7: a hit takes no lock and never waits for a writer, not even for one that is stopped.
 */
#include <sched.h>
#include "support/support.h"
#include <errno.h>
#include <signal.h>
#include <unistd.h>

enum { KEYS = 64 };

static void find_all(unsigned id, void *arg)
{
    brim_cache *c = arg;

    (void)id;
    for (int round = 0; round < 100; round++) {
        for (uint64_t key = 0; key < KEYS; key++) {
            brim_ref *r = brim_find(c, BRIM_KEY(key)), *again;
            brim_key *k = brim_ref_key(r);

            EXPECT_MSG(r != NULL, "key %llu not found", (unsigned long long)key);
            if (r == NULL)
                continue;
            EXPECT(id_of(r) == key);
            EXPECT(brim_contains(c, BRIM_KEY(key)));
            again = brim_key_find(k);
            EXPECT(again != NULL);
            brim_release(again);
            brim_key_drop(k);
            brim_release(r);
        }
    }
}

static struct { gate gate; atomic_bool armed; brim_cache *cache; int how; } stop;

static void stop_if_armed(void)
{
    if (atomic_exchange(&stop.armed, false))
        gate_stop_here(&stop.gate);
}

static void stopping_destroy(void *v, size_t cost, void *arg)
{
    if (((value *)v)->id >= 1000)
        stop_if_armed();
    value_destroy(v, cost, arg);
}

static void stopping_removed(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    (void)key;
    (void)len;
    (void)cost;
    (void)cause;
    (void)arg;
    if (((value *)v)->id >= 2000)
        stop_if_armed();
}

static void stopping_allocator(void *arg)
{
    (void)arg;
    if (stop.how == 0)
        stop_if_armed();
}

static bool stopping_visit(brim_ref *lent, void *arg)
{
    (void)lent;
    (void)arg;
    stop_if_armed();
    return false;
}

static const brim_kind stopping_kind = { .size = sizeof(brim_kind), .destroy = stopping_destroy, .removed = stopping_removed };

static void stopped_write(unsigned id, void *arg)
{
    uint64_t key = 5000;

    (void)id;
    (void)arg;
    switch (stop.how) {
    case 0:                                     /* in the allocator; a long key always needs memory */
        for (uint64_t i = 0; atomic_load(&stop.armed) && i < 100000; i++)
            (void)put(stop.cache, 6000 + i, 1, 0);
        stop_if_armed();
        break;
    case 1: (void)put(stop.cache, key, 1001, 1); break;         /* in the destructor of what it replaces */
    case 2: (void)put(stop.cache, key, 2001, 1); break;         /* in the listener */
    case 3: (void)brim_remove(stop.cache, BRIM_KEY(key)); break;
    case 4: (void)brim_for_each(stop.cache, stopping_visit, NULL); break;
    default: (void)brim_remove_if(stop.cache, stopping_visit, NULL); break;
    }
}

START_TEST(test_g07_hits_while_a_writer_is_stopped_in_a_callback)
{
    brim_options o = value_options(100000);
    crew writer;
    heap h;

    heap_init(&h);
    h.hook = stopping_allocator;
    o.allocator = &h.allocator;
    o.kind = &stopping_kind;
    o.shards = 1;
    atomic_store(&stop.armed, false);
    stop.how = _i;
    stop.cache = make_cache(&o);
    gate_init(&stop.gate);
    for (uint64_t key = 0; key < KEYS; key++)
        ck_assert_int_eq(put(stop.cache, key, key, 10), BRIM_OK);
    ck_assert_int_eq(put(stop.cache, 5000, _i == 2 ? 2000 : 1000, 1), BRIM_OK);
    atomic_store(&stop.armed, true);
    crew_start(&writer, 1, stopped_write, NULL);
    gate_wait_reached(&stop.gate);
    crew_do(2, find_all, stop.cache);
    gate_open(&stop.gate);
    crew_join(&writer);
    gate_destroy(&stop.gate);
    h.hook = NULL;
    finish(stop.cache);
}
END_TEST

/* ---- Stopped anywhere: a signal handler holds the writer wherever it happens to be ---- */

static int reached_pipe[2], go_pipe[2];
static atomic_bool writer_ends;
static atomic_ullong writes;

static void hold_here(int signal_number)
{
    int saved = errno;
    char byte = 0;

    (void)signal_number;
    while (write(reached_pipe[1], &byte, 1) != 1)
        ;
    while (read(go_pipe[0], &byte, 1) != 1)
        ;
    errno = saved;
}

static void write_for_ever(unsigned id, void *arg)
{
    brim_cache *c = arg;
    uint64_t state = 1 + id;

    while (!atomic_load(&writer_ends)) {
        uint64_t x = random_next(&state), key = 1000 + x % 200;

        if (x >> 62 == 0)
            (void)brim_remove(c, BRIM_KEY(key));
        else if (brim_insert(c, BRIM_KEY(key), &writes, 1, NULL) != BRIM_OK)
            trouble(__FILE__, __LINE__, "an insert that fits failed");
        atomic_fetch_add(&writes, 1);
    }
}

/* Finds and releases, without touching the C library: the writer may be stopped in malloc. Returns the misses. */
static unsigned quiet_finds(brim_cache *c)
{
    unsigned misses = 0;

    for (uint64_t key = 0; key < KEYS; key++) {
        brim_ref *r = brim_find(c, BRIM_KEY(key));

        misses += r == NULL || brim_ref_value(r) != &writer_ends;
        brim_release(r);
    }
    return misses;
}

START_TEST(test_g07_hits_while_a_writer_is_stopped_anywhere)
{
    struct sigaction hold = { .sa_handler = hold_here }, before;
    unsigned misses = 0;
    brim_options o;
    brim_cache *c;
    crew writer;
    char byte = 0;

    brim_options_init(&o, 1000000);
    o.shards = 1;
    c = make_cache(&o);
    ck_assert_int_eq(pipe(reached_pipe) | pipe(go_pipe), 0);
    ck_assert_int_eq(sigaction(SIGUSR1, &hold, &before), 0);
    for (uint64_t key = 0; key < KEYS; key++)
        ck_assert_int_eq(brim_insert(c, BRIM_KEY(key), &writer_ends, 10, NULL), BRIM_OK);
    atomic_store(&writer_ends, false);
    atomic_store(&writes, 0);
    crew_start(&writer, 1, write_for_ever, c);
    while (atomic_load(&writes) == 0) /* ThreadSanitizer's start of a thread bears no signal */
        sched_yield();
    for (int round = 0; round < SCALED(1500); round++) {
        unsigned long long from = atomic_load(&writes);

        while (atomic_load(&writes) < from + (unsigned long long)(round % 7))
            ;
        pthread_kill(writer.threads[0], SIGUSR1);
        while (read(reached_pipe[0], &byte, 1) != 1)
            ;
        misses += quiet_finds(c);
        while (write(go_pipe[1], &byte, 1) != 1)
            ;
    }
    atomic_store(&writer_ends, true);
    crew_join(&writer);
    ck_assert_uint_eq(misses, 0);
    ck_assert_uint_gt(atomic_load(&writes), SCALED(1000));
    sigaction(SIGUSR1, &before, NULL);
    for (int i = 0; i < 2; i++) {
        close(reached_pipe[i]);
        close(go_pipe[i]);
    }
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("g07");

    tcase_add_loop_test(tc, test_g07_hits_while_a_writer_is_stopped_in_a_callback, 0, 6);
    tcase_add_test(tc, test_g07_hits_while_a_writer_is_stopped_anywhere);
    return suite_run(tc);
}
