/* SPDX-License-Identifier: MIT
 *
 * Threads that end, by return, pthread_exit or pthread_cancel, in sections and with refs, keys and loads in hand; and
 * calls from the destructors of their thread-specific data, before and after the library's own.
 */
#include "support/fault.h"
#include "support/loads.h"
#include <limits.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

enum { KEY = 1, OTHER = 2, LOAD = 3, WAYS = 3 };
/* In the last round of destructors ThreadSanitizer has left the thread: no code that it compiled can run there. */
#if defined(__SANITIZE_THREAD__)
enum { ROUNDS = PTHREAD_DESTRUCTOR_ITERATIONS - 1 };
#elif defined(__has_feature)
enum { ROUNDS = PTHREAD_DESTRUCTOR_ITERATIONS - (__has_feature(thread_sanitizer) ? 1 : 0) };
#else
enum { ROUNDS = PTHREAD_DESTRUCTOR_ITERATIONS };
#endif

static pthread_key_t before, after; /* the library's own */

static struct {
    brim_cache *cache;
    int way;
    brim_ref *ref;
    brim_key *key;
    brim_load *load;
    void *lent;
    atomic_bool ready;
} gone;

/* AddressSanitizer does not see that a thread which is canceled or exits leaves its frames. */
static void leave_frames(void)
{
#ifdef __SANITIZE_ADDRESS__
    __asan_handle_no_return();
#endif
}

static void end_this_thread(void)
{
    atomic_store(&gone.ready, true);
    if (gone.way == 0)
        return;
    leave_frames();
    if (gone.way == 1)
        pthread_exit(NULL);
    for (;;) {
        leave_frames();
        pthread_testcancel();
        (void)sched_yield();
    }
}

static void join(pthread_t thread)
{
    while (!atomic_load(&gone.ready))
        (void)sched_yield();
    if (gone.way == 2)
        ck_assert_int_eq(pthread_cancel(thread), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}

static void run(void *(*body)(void *), void *arg)
{
    pthread_t thread;

    atomic_store(&gone.ready, false);
    ck_assert_int_eq(pthread_create(&thread, NULL, body, arg), 0);
    join(thread);
}

static void begin(int way)
{
    memset(&gone, 0, sizeof gone);
    gone.way = way;
    gone.cache = make_borrow_cache(1000);
    ck_assert_int_eq(put(gone.cache, KEY, KEY, 1), BRIM_OK);
    ck_assert_int_eq(put(gone.cache, OTHER, OTHER, 1), BRIM_OK);
}

/* ---- In a section */

static void *end_in_sections(void *depth)
{
    for (int i = 0; i < *(int *)depth; i++)
        begin_reading(gone.cache);
    gone.lent = brim_peek(gone.cache, BRIM_KEY((uint64_t){KEY}));
    EXPECT(value_alive(gone.lent, KEY));
    EXPECT(brim_remove(gone.cache, BRIM_KEY((uint64_t){KEY})));
    EXPECT(value_alive(gone.lent, KEY));
    end_this_thread();
    return NULL;
}

START_TEST(test_thread_ends_in_a_section)
{
    int depth = 1 + _i % 2;

    begin(_i / 2);
    run(end_in_sections, &depth);
    ck_assert_uint_eq(stats_of(gone.cache).sections, 0);
    ck_assert_int_eq(brim_drain(gone.cache, 0), BRIM_OK);
    ck_assert_uint_eq(values_live(), 1);
    finish(gone.cache);
}
END_TEST

static unsigned gone_calls;

static void on_gone(void *arg)
{
    (void)arg;
    gone_calls++;
}

static void *end_in_the_last_section(void *depth)
{
    for (int i = 0; i < *(int *)depth; i++)
        begin_reading(gone.cache);
    brim_cache_free(gone.cache);
    EXPECT(values_live() == 2 && gone_calls == 0);
    end_this_thread();
    return NULL;
}

/* The cache is freed, and the section is the last thing that keeps it. */
START_TEST(test_thread_ends_in_a_section_of_a_freed_cache)
{
    brim_options o = borrow_options(1000);
    int depth = 1 + _i % 2;

    begin(_i / 2);
    finish(gone.cache);
    gone_calls = 0;
    o.gone = on_gone;
    gone.cache = make_cache(&o);
    ck_assert_int_eq(put(gone.cache, KEY, KEY, 1), BRIM_OK);
    ck_assert_int_eq(put(gone.cache, OTHER, OTHER, 1), BRIM_OK);
    run(end_in_the_last_section, &depth);
    ck_assert_uint_eq(gone_calls, 1);
    ck_assert_uint_eq(values_live(), 0);
}
END_TEST

/* ---- With something in hand: it is the program's, and any thread may end it */

static void *end_with_all_in_hand(void *arg)
{
    brim_ref *none;

    (void)arg;
    gone.ref = brim_find(gone.cache, BRIM_KEY((uint64_t){KEY}));
    gone.key = brim_ref_key(gone.ref);
    EXPECT(brim_claim(gone.cache, BRIM_KEY((uint64_t){LOAD}), -1, &none, &gone.load) == BRIM_CLAIMED);
    brim_load_begin(gone.load);
    EXPECT(brim_remove(gone.cache, BRIM_KEY((uint64_t){KEY})));
    end_this_thread();
    return NULL;
}

START_TEST(test_thread_ends_with_a_ref_a_key_and_a_load)
{
    brim_ref *r = NULL;
    told t;

    begin(_i);
    run(end_with_all_in_hand, NULL);
    ck_assert_uint_eq(id_of(gone.ref), KEY);
    ck_assert(!brim_key_is_valid(gone.key));
    ck_assert_uint_eq(brim_pinned(gone.cache), 1);
    ck_assert_int_eq(claim_status(gone.cache, LOAD, 1), BRIM_TIMEOUT);
    (void)wait_for(gone.cache, LOAD, &t);
    ck_assert_int_eq(finish_load(gone.load, LOAD, 1, &r), BRIM_OK);
    told_got(&t, LOAD, true);
    brim_release(r);
    brim_release(gone.ref);
    brim_key_drop(gone.key);
    ck_assert_uint_eq(brim_pinned(gone.cache), 0);
    ck_assert_uint_eq(values_live(), 2);
    finish(gone.cache);
}
END_TEST

/* ---- In a loader */

static brim_status end_in_loader(const void *key, size_t key_len, void *arg, void **v, size_t *cost)
{
    (void)key, (void)key_len, (void)arg;
    *v = NULL;
    *cost = 1;
    end_this_thread();
    return BRIM_FAILED;
}

static void *end_loading(void *arg)
{
    brim_ref *r = NULL;

    (void)arg;
    EXPECT(brim_get(gone.cache, BRIM_KEY((uint64_t){LOAD}), end_in_loader, NULL, &r) == BRIM_FAILED);
    return NULL;
}

/* By pthread_exit as by pthread_cancel: both end the load. */
START_TEST(test_thread_ends_in_a_loader)
{
    maker m = {.id = LOAD, .cost = 1};
    brim_ref *r = NULL;

    begin(_i);
    run(end_loading, NULL);
    ck_assert_uint_eq(stats_of(gone.cache).loading, 0);
    ck_assert_int_eq(get(gone.cache, LOAD, &m, &r), BRIM_OK);
    brim_release(r);
    finish(gone.cache);
}
END_TEST

/* ---- Destructors that call */

enum { NOTHING, LEAVES_OPEN };
static struct {
    int first, what; /* the round of the first call */
    atomic_uint calls, sections, refused;
} calling;
static _Thread_local int rounds_before, rounds_after;

static void call_all(void)
{
    uint64_t key = 50, loaded = 51;
    maker m = {.id = 51, .cost = 1};
    brim_ref *r = NULL;
    brim_status s;

    EXPECT(put_ref(gone.cache, key, key, 1, &r) == BRIM_OK);
    brim_release(r);
    EXPECT(found_id(gone.cache, KEY) == KEY);
    EXPECT(get(gone.cache, loaded, &m, &r) == BRIM_OK);
    brim_release(r);
    EXPECT(brim_remove(gone.cache, BRIM_KEY(loaded)) && brim_remove(gone.cache, BRIM_KEY(key)));
    s = brim_read_begin(gone.cache);
    EXPECT(s == BRIM_OK || s == BRIM_NOMEM);
    atomic_fetch_add(s == BRIM_OK ? &calling.sections : &calling.refused, 1);
    EXPECT((brim_peek(gone.cache, BRIM_KEY((uint64_t){KEY})) != NULL) == (s == BRIM_OK));
    if (s == BRIM_OK && calling.what != LEAVES_OPEN)
        brim_read_end(gone.cache);
    EXPECT(brim_drain(gone.cache, 0) == (s == BRIM_OK && calling.what == LEAVES_OPEN ? BRIM_DEADLOCK : BRIM_OK) ||
           calling.what == LEAVES_OPEN);
    atomic_fetch_add(&calling.calls, 1);
}

static void in_destructor(pthread_key_t key, int *rounds, void *arg)
{
    if (++*rounds >= calling.first)
        call_all();
    if (*rounds < ROUNDS)
        (void)pthread_setspecific(key, arg);
}

static void destroy_before(void *arg) { in_destructor(before, &rounds_before, arg); }
static void destroy_after(void *arg) { in_destructor(after, &rounds_after, arg); }

/* ${arg}: it calls before it ends, too. */
static void *end_with_destructors(void *arg)
{
    EXPECT(pthread_setspecific(before, arg) == 0 && pthread_setspecific(after, arg) == 0);
    if (*(bool *)arg)
        EXPECT(found_id(gone.cache, KEY) == KEY);
    return NULL;
}

static void end_threads(bool calls, int first, int what)
{
    size_t blocks = fault_blocks();

    begin(0);
    calling.first = first;
    calling.what = what;
    atomic_store(&calling.calls, 0);
    atomic_store(&calling.sections, 0);
    atomic_store(&calling.refused, 0);
    for (int i = 0; i < 20; i++) {
        pthread_t thread;

        ck_assert_int_eq(pthread_create(&thread, NULL, end_with_destructors, &calls), 0);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        no_trouble();
    }
    ck_assert_uint_eq(atomic_load(&calling.calls), (unsigned)(20 * 2 * (ROUNDS - first + 1)));
    ck_assert_uint_ge(atomic_load(&calling.sections), 20 * 2 * 2); /* in the first two rounds at least */
    ck_assert_uint_eq(stats_of(gone.cache).sections, 0);
    ck_assert_int_eq(brim_drain(gone.cache, 0), BRIM_OK);
    ck_assert_uint_eq(values_live(), 2);
    finish(gone.cache);
    ck_assert_uint_le(fault_blocks(), blocks + 1); /* each thread leaves its record to the next */
}

/* A thread that has called before: in every round; ${_i}: 1 they leave sections open, which are closed for them. */
START_TEST(test_thread_ends_with_destructors_that_call)
{
    end_threads(true, 1, _i);
    ck_assert_uint_gt(atomic_load(&calling.refused), 0); /* in the last rounds */
}
END_TEST

/* One whose first call comes in the first round of its destructors. */
START_TEST(test_thread_ends_with_its_first_call)
{
    end_threads(false, 1, _i);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("thread_ends");
    brim_cache *c;

    /* The first cache makes the library's own key. */
    if (pthread_key_create(&before, destroy_before) != 0 || brim_cache_new(NULL, &c) != BRIM_OK ||
        pthread_key_create(&after, destroy_after) != 0)
        return EXIT_FAILURE;
    brim_cache_free(c);
    tcase_add_loop_test(tc, test_thread_ends_in_a_section, 0, 2 * WAYS);
    tcase_add_loop_test(tc, test_thread_ends_in_a_section_of_a_freed_cache, 0, 2 * WAYS);
    tcase_add_loop_test(tc, test_thread_ends_with_a_ref_a_key_and_a_load, 0, WAYS);
    tcase_add_loop_test(tc, test_thread_ends_in_a_loader, 0, WAYS);
    tcase_add_loop_test(tc, test_thread_ends_with_destructors_that_call, 0, 2);
    tcase_add_loop_test(tc, test_thread_ends_with_its_first_call, 0, 2);
    return suite_run(tc);
}
