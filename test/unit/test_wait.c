/* SPDX-License-Identifier: MIT
 *
 * cache/wait: records that are used again under other names, and who is told in which order.
 */
#include "cache/wait.h"

#include <sys/resource.h>

#include "unit/caches.h"

enum { RECORDS = 200 /* more than a chunk */, INDEX_BITS = 24 };

static char order[16];

static void note(brim_ref *ref, int reason, void *arg)
{
    size_t n = strlen(order);

    (void)reason;
    brim_release(ref);
    if (n + 1 < sizeof order)
        order[n] = *(const char *)arg;
}

static uint64_t number_of(const struct waiter *w)
{
    return (uintptr_t)wait_handle(w);
}

#ifdef BRIM_INTERFERE /* a build whose memory is the system's: no sanitizer */
START_TEST(no_memory_for_records)
{
    struct rlimit all, none;
    void *volatile last;

    (void)thread_self();
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &all), 0);
    none = (struct rlimit){.rlim_cur = 1, .rlim_max = all.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &none), 0);
    do
        last = malloc(1024);
    while (last != NULL);
    ck_assert_ptr_null(wait_new(NULL, note, NULL));
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &all), 0);
    wait_free(wait_new(NULL, note, NULL));
}
END_TEST
#endif

START_TEST(records_and_their_names)
{
    static struct waiter *w[RECORDS];
    static brim_wait *old[RECORDS];

    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < RECORDS; i++) {
            w[i] = wait_new(NULL, note, NULL);
            ck_assert_ptr_nonnull(w[i]);
            ck_assert_ptr_nonnull(wait_handle(w[i]));
            ck_assert_ptr_nonnull(w[i]->later);
            ck_assert(!w[i]->told && w[i]->flight == NULL && w[i]->result == NULL);
            ck_assert_uint_lt(number_of(w[i]) & ((1u << INDEX_BITS) - 1), 256); /* four chunks, and all of each */
            for (unsigned j = 0; j < i; j++)
                ck_assert_uint_ne(number_of(w[i]) << (64 - INDEX_BITS), number_of(w[j]) << (64 - INDEX_BITS));
            for (unsigned j = 0; round > 0 && j < RECORDS; j++)
                ck_assert_ptr_ne(wait_handle(w[i]), old[j]); /* none is as any before */
        }
        for (unsigned i = 0; i < RECORDS; i++) {
            old[i] = wait_handle(w[i]);
            w[i]->told = true;
            wait_free(w[i]);
            ck_assert(!brim_wait_cancel(old[i]));
        }
    }
}
END_TEST

START_TEST(the_last_given_back_is_next_and_has_another_name)
{
    struct waiter *w = wait_new(NULL, note, NULL), *again;
    brim_wait *name = wait_handle(w);

    wait_free(w);
    again = wait_new(NULL, note, NULL);
    ck_assert_ptr_eq(again, w);
    ck_assert_uint_eq(number_of(again), (uintptr_t)name + (UINT64_C(1) << INDEX_BITS));
    ck_assert(!brim_wait_cancel(name)); /* does not touch who has it now */
    wait_free(again);
    again = wait_new(NULL, note, NULL);
    ck_assert_ptr_eq(again, w);
    wait_free(again);
}
END_TEST

START_TEST(names_of_nothing)
{
    struct waiter *w = wait_new(NULL, note, NULL);
    uint64_t use = UINT64_C(1) << INDEX_BITS;
    brim_wait *next;

    ck_assert(!brim_wait_cancel(NULL));
    ck_assert(!brim_wait_cancel((brim_wait *)(uintptr_t)(number_of(w) + use)));
    ck_assert(!brim_wait_cancel((brim_wait *)(uintptr_t)(number_of(w) - use)));
    ck_assert(!brim_wait_cancel((brim_wait *)(uintptr_t)(use | 0xffffff)));
    ck_assert_ptr_nonnull(waits_lock());
    next = (brim_wait *)(uintptr_t)(number_of(w) + use);
    wait_free(w);
    ck_assert(!brim_wait_cancel(next)); /* nobody has it yet */
}
END_TEST

static brim_wait *wait_as(brim_cache *c, uint64_t key, const char *name)
{
    brim_ref *ref;
    brim_load *load;
    brim_wait *wait;

    ck_assert_int_eq(brim_claim_async(c, BRIM_KEY(key), NULL, note, (void *)(uintptr_t)name, &ref, &load, &wait),
                     BRIM_PENDING);
    return wait;
}

START_TEST(told_in_the_order_in_which_they_came)
{
    brim_cache *c;
    brim_wait *b, *d;
    brim_load *l;
    heap h;

    c = cache_on(&h, 100);
    l = claim(c, 1);
    (void)wait_as(c, 1, "a");
    b = wait_as(c, 1, "b");
    (void)wait_as(c, 1, "c");
    ck_assert(brim_wait_cancel(b));
    ck_assert(!brim_wait_cancel(b));
    d = wait_as(c, 1, "d"); /* b's record */
    ck_assert_uint_eq((uintptr_t)d, (uintptr_t)b + (UINT64_C(1) << INDEX_BITS));
    ck_assert(!brim_wait_cancel(b));
    ck_assert_int_eq(finish_load(l, 1, 1, NULL), BRIM_OK);
    ck_assert_str_eq(order, "acd");
    ck_assert(!brim_wait_cancel(d));
    ck_assert_uint_eq(brim_pinned(c), 0);
    no_loads(c, 1);
    finish_on(c, &h);
}
END_TEST

static brim_cache *cache;

static void wait_again(brim_ref *ref, int reason, void *arg)
{
    ck_assert_ptr_null(ref);
    *(int *)arg = reason;
    (void)wait_as(cache, 2, "x"); /* its own record is free already */
}

START_TEST(a_record_is_free_when_done_is_called)
{
    static const int reasons[] = {9, BRIM_CANCELED, BRIM_CANCELED};
    brim_ref *ref;
    brim_load *l, *other, *none;
    brim_wait *wait;
    struct waiter *next;
    int reason = -1;
    heap h;

    cache = cache_on(&h, 100);
    l = claim(cache, 1);
    other = claim(cache, 2);
    ck_assert_int_eq(brim_claim_async(cache, BRIM_KEY((uint64_t){1}), NULL, wait_again, &reason, &ref, &none, &wait),
                     BRIM_PENDING);
    switch (_i) {
    case 0:
        brim_load_fail(l, 9);
        break;
    case 1:
        ck_assert(brim_load_cancel(cache, BRIM_KEY((uint64_t){1})));
        brim_load_fail(l, 9);
        break;
    default: /* late: it came when the load had been overtaken */
        ck_assert(brim_wait_cancel(wait));
        (void)brim_remove(cache, BRIM_KEY((uint64_t){1}));
        ck_assert_int_eq(
            brim_claim_async(cache, BRIM_KEY((uint64_t){1}), NULL, wait_again, &reason, &ref, &none, &wait),
            BRIM_PENDING);
        brim_load_fail(l, 9);
        break;
    }
    ck_assert_int_eq(reason, reasons[_i]);
    next = wait_new(NULL, note, NULL); /* the one of `wait' waits again */
    ck_assert_uint_ne(number_of(next) << (64 - INDEX_BITS), (uintptr_t)wait << (64 - INDEX_BITS));
    wait_free(next);
    brim_load_fail(other, 1);
    ck_assert_str_eq(order, "x");
    no_loads(cache, 0);
    finish_on(cache, &h);
}
END_TEST

/* ---- Told or canceled, on different threads: one of the two, and the record goes once. */

static brim_load *race_load;
static brim_wait *race_wait;
static told race_told;
static bool canceled;

static void end_or_cancel(unsigned id, void *arg)
{
    (void)arg;
    if (id == 0)
        brim_load_fail(race_load, 3);
    else
        canceled = brim_wait_cancel(race_wait);
}

START_TEST(told_or_canceled)
{
    struct waiter *w = wait_new(NULL, note, NULL);
    brim_cache *c = make_value_cache(100);

    wait_free(w);
    for (int round = 0; round < SCALED(1000); round++) {
        race_load = claim(c, 1);
        race_wait = wait_for(c, 1, &race_told);
        crew_do(2, end_or_cancel, NULL);
        ck_assert_uint_eq(atomic_load(&race_told.calls), canceled ? 0 : 1);
        ck_assert_ptr_eq(wait_new(NULL, note, NULL), w);
        wait_free(w);
    }
    no_loads(c, 0);
    finish(c);
}
END_TEST

/* Also where tests do not fork. */
#ifdef BRIM_INTERFERE
static struct { brim_wait *wait; bool canceled; } canceling;

static void cancel_it(void *arg)
{
    (void)arg;
    canceling.canceled = brim_wait_cancel(canceling.wait);
}

/* Canceled while its load ends: either it was in time, and nothing is told, or not. */
START_TEST(canceled_as_it_is_told)
{
    bool met = true;
    unsigned in_time = 0;

    for (unsigned after = 0; met; after++) {
        struct other o = {.act = cancel_it};
        struct waiter *records[2];
        brim_load *l;
        told t;
        heap h;

        o.cache = cache_on(&h, 100);
        l = claim(o.cache, 1);
        canceling.wait = wait_for(o.cache, 1, &t);
        canceling.canceled = false;
        other_begin(&o, after);
        ck_assert_int_eq(finish_load(l, 1, 1, NULL), BRIM_OK);
        met = other_end(&o);
        if (canceling.canceled)
            told_nothing(&t);
        else
            told_got(&t, 1, true);
        in_time += canceling.canceled;
        ck_assert_uint_eq(brim_pinned(o.cache), 0);
        ck_assert(!brim_wait_cancel(canceling.wait));
        records[0] = wait_new(NULL, note, NULL);
        records[1] = wait_new(NULL, note, NULL);
        ck_assert_ptr_ne(records[0], records[1]); /* given back once */
        wait_free(records[0]);
        wait_free(records[1]);
        no_loads(o.cache, 1);
        finish_on(o.cache, &h);
    }
    ck_assert_uint_gt(in_time, 0);
}
END_TEST
#endif

static void begin_anew(void)
{
    memset(order, 0, sizeof order);
}

int main(void)
{
    TCase *tc = suite_case("wait");

    tcase_add_checked_fixture(tc, begin_anew, NULL);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, no_memory_for_records);
#endif
    tcase_add_test(tc, records_and_their_names);
    tcase_add_test(tc, the_last_given_back_is_next_and_has_another_name);
    tcase_add_test(tc, names_of_nothing);
    tcase_add_test(tc, told_in_the_order_in_which_they_came);
    tcase_add_loop_test(tc, a_record_is_free_when_done_is_called, 0, 3);
    tcase_add_test(tc, told_or_canceled);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, canceled_as_it_is_told);
#endif
    return suite_run(tc);
}
