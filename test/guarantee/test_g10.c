/* SPDX-License-Identifier: MIT
 *
 * G10: every failure is reported and leaves the cache usable: the allocator fails at any call, once or from then on.
 */
#include "support/support.h"

static heap failing;
static unsigned successes;

/* Only OK and NOMEM are right here: all else that the scenario asks for would succeed. */
static bool fine(brim_status s)
{
    EXPECT_MSG(s == BRIM_OK || s == BRIM_NOMEM, "status %d", (int)s);
    EXPECT_MSG(s != BRIM_NOMEM || atomic_load(&failing.failed) > 0, "NOMEM without a failure");
    successes += s == BRIM_OK;
    return s == BRIM_OK;
}

static bool owned(brim_status s, value *v)
{
    if (!fine(s)) {
        EXPECT(value_alive(v, v->id));
        value_discard(v);
        return false;
    }
    return true;
}

static bool odd(brim_ref *lent, void *arg)
{
    (void)arg;
    return id_of(lent) % 2 != 0;
}

static bool visit(brim_ref *lent, void *arg)
{
    (*(size_t *)arg)++;
    return brim_ref_value(lent) != NULL;
}

static void by_bytes(brim_cache *c)
{
    char text[3000];
    brim_ref *r = NULL;

    memset(text, 'x', sizeof text);
    for (uint64_t i = 0; i < 40; i++) {
        value *v = value_new(i, 1);

        if (owned(brim_insert(c, BRIM_KEY(i), v, 1, i % 2 == 0 ? &r : NULL), v)) {
            EXPECT(found_id(c, i) == i);
            EXPECT(has(c, i));
        } else {
            EXPECT(r == NULL || i % 2 != 0);
        }
        brim_release(r);
        r = NULL;
    }
    for (size_t len = 100; len <= sizeof text; len += 725) {
        value *v = value_new(len, 2);

        if (owned(brim_insert(c, text, len, v, 2, NULL), v))
            EXPECT(brim_contains(c, text, len));
    }
    for (uint64_t i = 0; i < 40; i += 4) {             /* replace: the old one is found if that failed */
        uint64_t before = found_id(c, i), after;
        value *v = value_new(1000 + i, 1);

        if (owned(brim_insert(c, BRIM_KEY(i), v, 1, NULL), v))
            EXPECT(found_id(c, i) == 1000 + i);
        else if (after = found_id(c, i), after != before)
            trouble(__FILE__, __LINE__, "the old entry went with a failure");
    }
}

static void by_handle(brim_cache *c)
{
    brim_slot slot = BRIM_SLOT_INIT;
    brim_ref *r = NULL, *copy;
    brim_key *k = NULL, *k2 = NULL;
    value *v = value_new(500, 1);
    uint64_t key = 77;

    if (owned(brim_insert_anonymous(c, v, 1, NULL, &k, &r), v)) {
        copy = brim_ref_copy(r);
        EXPECT(copy != NULL && id_of(copy) == 500);
        brim_release(r);
        brim_release(copy);
        brim_slot_init(&slot, brim_key_copy(k));
        v = value_new(501, 1);
        if (owned(brim_key_replace(&k, v, 1), v)) {
            EXPECT(brim_slot_find(&slot) == NULL);
            brim_slot_store(&slot, brim_key_copy(k));
        }
        r = brim_slot_find(&slot);
        EXPECT(r != NULL);
        fine(brim_ref_set_cost(r, brim_ref_cost(r)));
        brim_release(r);
        k2 = brim_slot_load(&slot);
        EXPECT(brim_key_equal(k, k2));
        brim_key_drop(k2);
        EXPECT(brim_key_remove(k));
        brim_slot_store(&slot, NULL);
    } else {
        EXPECT(k == NULL && r == NULL);
    }
    brim_key_drop(k);
    v = value_new(502, 7);
    if (owned(brim_wrap(c, v, 7, NULL, &r), v))
        EXPECT(id_of(r) == 502);
    brim_release(r);
    v = value_new(503, 1);
    if (owned(brim_insert_or_wrap(c, BRIM_KEY(key), v, 1, NULL, &r), v))
        EXPECT(id_of(r) == 503);
    brim_release(r);
}

static void on_bounds(brim_cache *c)
{
    brim_stats stats;
    size_t visits = 0, went;

    fine(brim_reserve(c, 10));
    brim_unreserve(c, 10);
    fine(brim_set_capacity(c, 400));
    fine(brim_set_capacity(c, 500));
    brim_stats_get(c, &stats);
    went = brim_for_each(c, visit, &visits);
    EXPECT_MSG(went == visits, "visited %zu, returned %zu", visits, went);
    (void)brim_remove_if(c, odd, NULL);
    (void)brim_trim(c, 5);
    (void)brim_trim_kind(c, &value_kind, 3);
    fine(brim_drain(c, -1));
    brim_clear(c);
    EXPECT(brim_count(c) == 0);
    EXPECT(brim_used(c) == 0);
}

static unsigned gone_calls;

static void gone(void *arg)
{
    (void)arg;
    gone_calls++;
    EXPECT_MSG(atomic_load(&failing.live) == 0, "%zu bytes left at `gone'", atomic_load(&failing.live));
}

/* Returns how many calls were made to fail. */
static size_t scenario(size_t from, size_t to, bool strong)
{
    brim_options o = value_options(500);
    brim_cache *c = (brim_cache *)&o;
    brim_status s;
    size_t failed;

    values_start();
    heap_init(&failing);
    o.allocator = &failing.allocator;
    o.name = "failing";
    o.gone = gone;
    o.shards = strong ? 4 : 1;
    gone_calls = 0;
    heap_fail(&failing, from, to);
    s = brim_cache_new(&o, &c);
    if (!fine(s)) {
        ck_assert_ptr_null(c);
        ck_assert_uint_eq(gone_calls, 0);
        ck_assert_uint_eq(atomic_load(&failing.live), 0);
        return atomic_load(&failing.failed);
    }
    by_bytes(c);
    ck_assert(brim_check(c, stderr));
    by_handle(c);
    ck_assert(brim_check(c, stderr));
    on_bounds(c);
    by_bytes(c);
    failed = atomic_load(&failing.failed);
    heap_fail(&failing, SIZE_MAX, SIZE_MAX);
    ck_assert_int_eq(put(c, 4321, 1, 1), BRIM_OK);      /* usable when there is memory again */
    ck_assert_uint_eq(found_id(c, 4321), 1);
    finish(c);
    ck_assert_uint_eq(gone_calls, 1);
    ck_assert_uint_eq(atomic_load(&failing.live), 0);
    ck_assert_uint_eq(atomic_load(&failing.blocks), 0);
    return failed;
}

START_TEST(test_g10_the_nth_allocation_fails)
{
    size_t n;

    successes = 0;
    for (n = 1; scenario(n, n + 1, _i != 0) != 0; n++)
        ck_assert_uint_lt(n, 100000);
    ck_assert_uint_gt(n, 3);
    ck_assert_uint_gt(successes, 100);
    no_trouble();
}
END_TEST

START_TEST(test_g10_all_allocations_fail_from_the_nth_on)
{
    size_t n;

    successes = 0;
    for (n = 1; scenario(n, SIZE_MAX, _i != 0) != 0; n++)
        ck_assert_uint_lt(n, 100000);
    ck_assert_uint_gt(n, 3);
    ck_assert_uint_gt(successes, 100);
    no_trouble();
}
END_TEST

/* ---- What needs no memory goes on without any, also in threads that are new ---- */

static struct { brim_cache *cache; brim_key *key; brim_slot slot; } lean;

static void without_memory(unsigned id, void *arg)
{
    (void)id;
    (void)arg;
    for (uint64_t i = 0; i < 100; i++) {
        brim_ref *r = brim_find(lean.cache, BRIM_KEY(i)), *copy = brim_ref_copy(r);
        brim_key *k = brim_key_copy(lean.key), *other;

        EXPECT(r != NULL && copy != NULL && id_of(copy) == i);
        brim_release(r);
        brim_release(copy);
        EXPECT(has(lean.cache, i));
        r = brim_key_find(k);
        EXPECT(r != NULL && id_of(r) == 7);
        brim_release(r);
        r = brim_slot_find(&lean.slot);
        EXPECT(r != NULL);
        brim_release(r);
        other = brim_slot_exchange(&lean.slot, k);
        EXPECT(brim_key_equal(other, lean.key));
        brim_key_drop(other);
    }
}

START_TEST(test_g10_reading_needs_no_memory)
{
    brim_options o = value_options(1000);
    brim_ref *r;
    uint64_t seven = 7;

    heap_init(&failing);
    o.allocator = &failing.allocator;
    lean.cache = make_cache(&o);
    for (uint64_t i = 0; i < 100; i++)
        ck_assert_int_eq(put(lean.cache, i, i, 1), BRIM_OK);
    r = brim_find(lean.cache, BRIM_KEY(seven));
    lean.key = brim_ref_key(r);
    brim_slot_init(&lean.slot, brim_key_copy(lean.key));
    brim_release(r);
    heap_fail(&failing, 1, SIZE_MAX);
    without_memory(0, NULL);
    crew_do(8, without_memory, NULL);
    no_trouble();
    for (uint64_t i = 0; i < 100; i += 2)
        ck_assert(brim_remove(lean.cache, BRIM_KEY(i)));
    ck_assert_uint_eq(brim_count(lean.cache), 50);
    brim_clear(lean.cache);
    ck_assert_uint_eq(values_live(), 0);
    brim_key_drop(lean.key);
    brim_slot_store(&lean.slot, NULL);
    finish(lean.cache);
    ck_assert_uint_eq(atomic_load(&failing.live), 0);
}
END_TEST

/* ---- Ten thousand threads come and go ---- */

static atomic_size_t visitors;

static void come_and_go(unsigned id, void *arg)
{
    brim_cache *c = arg;
    uint64_t n = atomic_fetch_add(&visitors, 1), key = n % 50;
    brim_ref *r = NULL;

    (void)id;
    EXPECT(put_ref(c, key, n, 1, &r) == BRIM_OK);
    EXPECT(r != NULL && id_of(r) == n);
    brim_release(brim_find(c, BRIM_KEY(key)));
    if (n % 3 == 0)
        (void)brim_remove(c, BRIM_KEY(key));
    brim_release(r);
}

/* What threads keep for their next inserts is bounded: it is as much as it can become before the threads are counted. */
static void settle(unsigned id, void *arg)
{
    for (uint64_t i = 0; i < (uint64_t)SCALED(20000); i++) {
        uint64_t key = (id * 7 + i) % 50;
        EXPECT(put(arg, key, i, 1) == BRIM_OK);
        if (i % 3 == 0)
            (void)brim_remove(arg, BRIM_KEY(key));
    }
}

START_TEST(test_g10_ten_thousand_threads_come_and_go)
{
    brim_options o = value_options(1000);
    brim_cache *c;
    size_t early;

    heap_init(&failing);
    o.allocator = &failing.allocator;
    c = make_cache(&o);
    atomic_store(&visitors, 0);
    crew_do(20, settle, c);
    early = atomic_load(&failing.live);
    for (int round = 0; round < 10000 / 20; round++)
        crew_do(20, come_and_go, c);
    ck_assert_uint_eq(atomic_load(&visitors), 10000);
    ck_assert_msg(atomic_load(&failing.live) <= early + 65536, "%zu bytes before 10000 threads, %zu after", early,
                  atomic_load(&failing.live));
    ck_assert_uint_eq(brim_pinned(c), 0);
    finish(c);
    ck_assert_uint_eq(atomic_load(&failing.live), 0);
}
END_TEST

/* ---- What one thread inserts and another removes takes no more memory than it has entries ---- */

enum { APART = 500, HANDED = 60000 };
static struct { brim_cache *c; atomic_uint_fast64_t put, gone; size_t early; } hand;

static void insert_or_remove(unsigned id, void *arg)
{
    (void)arg;
    for (uint64_t k = 0; k < HANDED; k++) {
        if (id == 0) {
            while (k >= atomic_load(&hand.gone) + APART)
                sched_yield();
            EXPECT(put(hand.c, k, k, 1) == BRIM_OK);
            atomic_store(&hand.put, k + 1);
            if (k == HANDED / 10)
                hand.early = atomic_load(&failing.live);
        } else {
            while (k >= atomic_load(&hand.put))
                sched_yield();
            EXPECT(brim_remove(hand.c, BRIM_KEY(k)));
            atomic_store(&hand.gone, k + 1);
        }
    }
}

START_TEST(test_g10_one_inserts_and_another_removes)
{
    brim_options o = value_options(1000);

    heap_init(&failing);
    o.allocator = &failing.allocator;
    hand.c = make_cache(&o);
    atomic_store(&hand.put, 0);
    atomic_store(&hand.gone, 0);
    crew_do(2, insert_or_remove, NULL);
    no_trouble();
    /* 64 bytes an insert would be 3.8 MB. */
    ck_assert_msg(atomic_load(&failing.live) <= hand.early + 524288, "%zu bytes after a tenth, %zu in the end",
                  hand.early, atomic_load(&failing.live));
    finish(hand.c);
    ck_assert_uint_eq(atomic_load(&failing.live), 0);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("g10");

    tcase_add_loop_test(tc, test_g10_the_nth_allocation_fails, 0, 2);
    tcase_add_loop_test(tc, test_g10_all_allocations_fail_from_the_nth_on, 0, 2);
    tcase_add_test(tc, test_g10_reading_needs_no_memory);
    tcase_add_test(tc, test_g10_ten_thousand_threads_come_and_go);
    tcase_add_test(tc, test_g10_one_inserts_and_another_removes);
    return suite_run(tc);
}
