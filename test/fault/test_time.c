/* SPDX-License-Identifier: MIT
 *
 * Time that stands still, jumps ahead, goes back, or is about to end: on the user's clock, by which entries and
 * failures age, and on the system's, by which calls wait.
 */
#include "support/fault.h"
#include "support/loads.h"
#include <errno.h>
#include <time.h>

enum { KEY = 1, CAPACITY = 1000 };
#define SECOND UINT64_C(1000000000)
#define YEAR (UINT64_C(31556952) * SECOND)
#define END (UINT64_MAX - 1) /* nobody's clock gets there; the last two are the library's own words */

/* ---- The user's clock */

static atomic_uint_fast64_t user_now;

static uint64_t read_user(void *arg)
{
    (void)arg;
    return atomic_load(&user_now);
}

static brim_cache *make(uint64_t now)
{
    brim_options o = borrow_options(CAPACITY);

    atomic_store(&user_now, now);
    o.now = read_user;
    o.shards = 2;
    o.protect_frame = true;
    return make_cache(&o);
}

static void put_aged(brim_cache *c, uint64_t key, bool nothing, uint64_t max_age, uint64_t max_idle)
{
    brim_entry_options e = entry_defaults();

    e.max_age = max_age;
    e.max_idle = max_idle;
    ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(key), nothing ? NULL : value_new(key, 1), 1, &e, NULL), BRIM_OK);
}

/* Whatever the time is: finds, replaces, evicts, loads, waits, borrows, begins frames. */
static void work(brim_cache *c)
{
    maker m = {.id = 5, .cost = 5};
    brim_load *l;
    brim_ref *r;

    for (uint64_t k = 100; k < 350; k++) {
        ck_assert_int_eq(put(c, k, k, 10), BRIM_OK);
        ck_assert_uint_eq(found_id(c, k), k);
        if (k % 50 == 0) {
            (void)brim_next_frame(c);
            (void)brim_idle(c);
        }
    }
    ck_assert_uint_le(brim_used(c), CAPACITY);
    ck_assert_int_eq(get(c, 5, &m, &r), BRIM_OK);
    brim_release(r);
    l = claim(c, 6);
    brim_load_begin(l);
    ck_assert_int_eq(claim_status(c, 6, 0), BRIM_PENDING);
    ck_assert_int_eq(claim_status(c, 6, 2), BRIM_TIMEOUT);
    ck_assert_int_eq(finish_load(l, 6, 5, NULL), BRIM_OK);
    begin_reading(c);
    ck_assert_ptr_nonnull(brim_peek(c, BRIM_KEY((uint64_t){6})));
    ck_assert(brim_remove(c, BRIM_KEY((uint64_t){6})));
    (void)stats_of(c);
    brim_read_end(c);
    ck_assert(brim_remove(c, BRIM_KEY((uint64_t){5})));
    ck_assert_int_eq(brim_drain(c, 10000), BRIM_OK);
    (void)brim_trim(c, 0);
    ck_assert(brim_check(c, stderr));
    ck_assert_uint_eq(brim_used(c), 0);
}

/* While it stands nothing ages, and a failure is remembered. */
START_TEST(test_time_stands)
{
    static const uint64_t times[] = {0, 1, YEAR, INT64_MAX, END - 1, END, UINT64_MAX};
    brim_cache *c = make(times[_i]);

    put_aged(c, KEY, false, 1, 0);
    put_aged(c, KEY + 1, false, 0, 1);
    put_aged(c, KEY + 2, true, 1, 1);
    brim_load_fail_for(claim(c, KEY + 3), 7, 1);
    for (int i = 0; i < 100; i++) {
        ck_assert_uint_eq(found_id(c, KEY), KEY);
        ck_assert_uint_eq(found_id(c, KEY + 1), KEY + 1);
        ck_assert(has(c, KEY + 2));
        ck_assert_int_eq(claim_status(c, KEY + 3, 0), BRIM_FAILED);
    }
    work(c);
    finish(c);
}
END_TEST

/* It jumps: what had an age is over, what had none stays, and what is inserted then begins anew. */
START_TEST(test_time_jumps_ahead)
{
    static const uint64_t jumps[] = {SECOND, 300 * YEAR, INT64_MAX, END - 1};
    brim_cache *c = make(0);

    put_aged(c, KEY, false, SECOND, 0);
    put_aged(c, KEY + 1, false, 0, SECOND);
    put_aged(c, KEY + 2, true, SECOND, SECOND);
    put_aged(c, KEY + 3, false, 0, 0);
    brim_load_fail_for(claim(c, KEY + 4), 7, SECOND);
    atomic_store(&user_now, SECOND - 1);
    ck_assert(has(c, KEY) && has(c, KEY + 1) && has(c, KEY + 2));
    ck_assert_int_eq(claim_status(c, KEY + 4, 0), BRIM_FAILED);
    atomic_store(&user_now, jumps[_i]);
    for (uint64_t k = KEY; k < KEY + 3; k++)
        ck_assert(!has(c, k) && found_id(c, k) == MISS);
    ck_assert_uint_eq(found_id(c, KEY + 3), KEY + 3);
    ck_assert_int_eq(claim_status(c, KEY + 4, 0), BRIM_CLAIMED);
    put_aged(c, KEY, false, SECOND, 0);
    ck_assert_uint_eq(found_id(c, KEY), KEY);
    work(c);
    finish(c);
}
END_TEST

/* It goes back, which it must not: nothing is found that was seen expired, and nothing breaks. */
START_TEST(test_time_goes_back)
{
    static const uint64_t back[] = {YEAR - 1, YEAR / 2, 1, 0};
    brim_cache *c = make(YEAR);

    put_aged(c, KEY, false, SECOND, 0);
    put_aged(c, KEY + 1, false, 0, SECOND);
    put_aged(c, KEY + 2, false, SECOND, 0);
    brim_load_fail_for(claim(c, KEY + 3), 7, SECOND);
    atomic_store(&user_now, YEAR + SECOND);
    ck_assert(!has(c, KEY) && !has(c, KEY + 1)); /* seen expired; the third is not looked at */
    atomic_store(&user_now, back[_i]);
    ck_assert_uint_eq(found_id(c, KEY), MISS);
    ck_assert_uint_eq(found_id(c, KEY + 1), MISS);
    ck_assert_uint_eq(found_id(c, KEY + 2), KEY + 2);
    ck_assert_int_eq(claim_status(c, KEY + 3, 0), BRIM_FAILED);
    put_aged(c, KEY + 4, false, SECOND, SECOND); /* born before the others */
    ck_assert_uint_eq(found_id(c, KEY + 4), KEY + 4);
    atomic_store(&user_now, back[_i] + SECOND);
    ck_assert_uint_eq(found_id(c, KEY + 4), MISS);
    work(c);
    finish(c);
}
END_TEST

/* Its end: ages that would end beyond it never do, nor are failures forgotten; it goes on over it. */
START_TEST(test_time_is_about_to_end)
{
    static const uint64_t lengths[] = {2, SECOND, YEAR, UINT64_MAX};
    brim_cache *c = make(END - 1 - SECOND / 2);

    put_aged(c, KEY, false, lengths[_i], 0);
    put_aged(c, KEY + 1, false, 0, lengths[_i]);
    brim_load_fail_for(claim(c, KEY + 2), 7, lengths[_i]);
    atomic_store(&user_now, END - 2);
    ck_assert(has(c, KEY) == (lengths[_i] > SECOND / 2));
    ck_assert(has(c, KEY + 1) == (lengths[_i] > SECOND / 2));
    ck_assert_int_eq(claim_status(c, KEY + 2, 0), lengths[_i] > SECOND / 2 ? BRIM_FAILED : BRIM_CLAIMED);
    for (int i = 0; i < 5; i++) { /* over it, which is a step back */
        atomic_fetch_add(&user_now, 1);
        put_aged(c, KEY + 10, false, SECOND, SECOND);
        ck_assert_uint_eq(found_id(c, KEY + 10), KEY + 10);
    }
    ck_assert_uint_le(atomic_load(&user_now), 2);
    work(c);
    finish(c);
}
END_TEST

/* ---- The system's clock */

static atomic_uint_fast64_t reads;

static int ns_at(struct timespec *t, uint64_t ns)
{
    *t = (struct timespec){(time_t)(ns / SECOND), (long)(ns % SECOND)};
    return 0;
}

static int stands(struct timespec *t)
{
    return ns_at(t, YEAR);
}

static int jumps(struct timespec *t) /* an hour with each look */
{
    return ns_at(t, YEAR + atomic_fetch_add(&reads, 1) * 3600 * SECOND);
}

static int goes_back(struct timespec *t)
{
    return ns_at(t, 100 * YEAR - atomic_fetch_add(&reads, 1) * 1000000);
}

static int ends(struct timespec *t) /* and begins again */
{
    return ns_at(t, UINT64_MAX - 200000000 + atomic_fetch_add(&reads, 1) * 1000000);
}

static int is_refused(struct timespec *t)
{
    (void)t;
    errno = EINVAL;
    return -1;
}

static void wait_in(unsigned id, void *arg)
{
    brim_cache *c = arg;

    (void)id;
    EXPECT(claim_status(c, KEY, -1) == BRIM_OK); /* no time ends this */
}

/* What has no time-out waits for what it waits for; what has one says TIMEOUT; the rest does not look at the time. */
START_TEST(test_time_of_the_system)
{
    static int (*const clocks[])(struct timespec *) = {stands, jumps, goes_back, ends, is_refused};
    brim_options o = borrow_options(CAPACITY);
    brim_cache *c;
    brim_load *l;
    crew waiters;
    told t;

    atomic_store(&reads, 0);
    fault_clock(clocks[_i]);
    c = make_cache(&o);
    for (int i = 0; i < 3; i++) {
        l = claim(c, KEY);
        crew_start(&waiters, 2, wait_in, c);
        (void)wait_for(c, KEY, &t);
        ck_assert_int_eq(finish_load(l, KEY, 1, NULL), BRIM_OK);
        crew_join(&waiters);
        told_got(&t, KEY, true);
        put_aged(c, KEY + 1, false, SECOND, 0);
        (void)found_id(c, KEY + 1);
        work(c);
    }
    fault_clock(NULL);
    finish(c);
}
END_TEST

static void heal(void)
{
    fault_clock(NULL);
}

int main(void)
{
    TCase *tc = suite_case("time");

    tcase_add_checked_fixture(tc, NULL, heal);
    tcase_add_loop_test(tc, test_time_stands, 0, 7);
    tcase_add_loop_test(tc, test_time_jumps_ahead, 0, 4);
    tcase_add_loop_test(tc, test_time_goes_back, 0, 4);
    tcase_add_loop_test(tc, test_time_is_about_to_end, 0, 4);
    tcase_add_loop_test(tc, test_time_of_the_system, 0, 5);
    return suite_run(tc);
}
