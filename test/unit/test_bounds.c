/* SPDX-License-Identifier: MIT
 *
 * cache/bounds: the capacity, reservations, trimming, draining.
 */
#include <sched.h>
#include <time.h>

#include "unit/caches.h"

/* In place of the C library's: a pause is short, counted, and something may happen in it. */
static _Thread_local struct { unsigned calls, after; void (*act)(void *arg); void *arg; } pauses;

static void act_in_pause(unsigned after, void (*act)(void *arg), void *arg)
{
    pauses.calls = 0;
    pauses.after = after;
    pauses.act = act;
    pauses.arg = arg;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left)
{
    (void)clock, (void)flags, (void)until, (void)left;
    if (++pauses.calls > 1000000)
        abort(); /* without end */
    if (pauses.act != NULL && pauses.calls == pauses.after)
        pauses.act(pauses.arg);
    (void)sched_yield();
    return 0;
}

static brim_cache *full(size_t n)
{
    brim_cache *c = make_value_cache(n);

    for (uint64_t key = 0; key < n; key++)
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    return c;
}

START_TEST(the_capacity_moves)
{
    brim_cache *c = full(100);
    brim_ref *r = brim_find(c, BRIM_KEY((uint64_t){3}));

    ck_assert_int_eq(brim_set_capacity(c, SIZE_MAX), BRIM_INVALID);
    ck_assert_int_eq(brim_set_capacity(NULL, 1), BRIM_INVALID);
    ck_assert_int_eq(brim_set_capacity(c, 40), BRIM_OK);
    ck_assert_uint_eq(brim_capacity(c), 40);
    ck_assert_uint_eq(brim_used(c), 40);
    ck_assert_int_eq(brim_set_capacity(c, 0), BRIM_FULL); /* one is held */
    ck_assert_uint_eq(brim_used(c), 1);
    ck_assert_uint_eq(brim_pinned(c), 1);
    ck_assert_int_eq(put(c, 3, 3, 0), BRIM_TOO_BIG);
    ck_assert_int_eq(brim_reserve(c, 0), BRIM_OK);
    brim_release(r);
    ck_assert_int_eq(brim_set_capacity(c, 100), BRIM_OK);
    ck_assert_uint_eq(brim_count(c), 1); /* there is room for it */
    for (uint64_t key = 0; key < 100; key++)
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    ck_assert_uint_eq(brim_used(c), 100);
    finish(c);
}
END_TEST

START_TEST(reservations)
{
    brim_cache *c = full(100);
    brim_stats s;

    ck_assert_int_eq(brim_reserve(c, 30), BRIM_OK);
    ck_assert_uint_eq(brim_count(c), 70);
    ck_assert_uint_eq(brim_used(c), 100);
    brim_stats_get(c, &s);
    ck_assert_uint_eq(s.reserved, 30);
    ck_assert_int_eq(brim_reserve(c, 71), BRIM_FULL);
    ck_assert_int_eq(brim_reserve(c, SIZE_MAX), BRIM_FULL);
    ck_assert_int_eq(brim_reserve(c, 0), BRIM_OK);
    ck_assert(brim_check(c, stderr));
    brim_unreserve(c, 10);
    ck_assert_uint_le(brim_used(c), 90);
    brim_unreserve(c, 1000); /* no more than what is left */
    ck_assert_int_eq(brim_reserve(c, 100), BRIM_OK);
    ck_assert_int_eq(brim_reserve(c, 1), BRIM_FULL);
    brim_unreserve(c, 100);
    finish(c);
}
END_TEST

/* What no capacity suffices for is refused before anything is made room for. */
START_TEST(a_reservation_beyond_all_bounds)
{
    brim_cache *c = make_borrow_cache(1000);

    for (uint64_t key = 0; key < 1000; key++)
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    atom_store_relaxed(&c->pressed, 1);
    ck_assert_int_eq(brim_reserve(c, SIZE_MAX), BRIM_FULL);
    ck_assert_uint_eq(brim_count(c), 1000);
    finish(c);
}
END_TEST

START_TEST(trimming)
{
    brim_cache *c = full(100);
    brim_kind other = value_kind;
    brim_entry_options o;
    brim_ref *r = brim_find(c, BRIM_KEY((uint64_t){3}));

    brim_entry_options_init(&o);
    o.kind = &other;
    ck_assert_uint_eq(brim_trim(c, 100), 0);
    ck_assert_uint_eq(brim_trim(c, 101), 0);
    ck_assert_uint_eq(brim_count(c), 100);
    ck_assert_uint_eq(brim_trim(c, 60), 40);
    ck_assert_uint_eq(brim_used(c), 60);
    for (uint64_t key = 200; key < 220; key++)
        ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(key), value_new(key, 1), 1, &o, NULL), BRIM_OK);
    ck_assert_uint_eq(brim_trim_kind(c, &other, 5), 15);
    ck_assert_uint_eq(brim_used(c), 65);
    ck_assert_uint_eq(brim_trim_kind(c, NULL, 0), 59); /* the default kind, but what is held */
    ck_assert_uint_eq(brim_used(c), 6);
    ck_assert_uint_eq(brim_trim(c, 0), 5);
    brim_release(r);
    finish(c);
}
END_TEST

/* It goes without help; but what waits of another kind makes no room in this one. */
START_TEST(trimming_where_values_wait)
{
    brim_cache *c = make_borrow_cache(100);
    brim_kind other = value_kind;
    brim_entry_options o;

    brim_entry_options_init(&o);
    o.kind = &other;
    for (uint64_t key = 0; key < 30; key++)
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    for (uint64_t key = 100; key < 130; key++)
        ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(key), value_new(key, 1), 1, &o, NULL), BRIM_OK);
    begin_reading(c);
    for (uint64_t key = 100; key < 120; key++)
        ck_assert(brim_remove(c, BRIM_KEY(key)));
    ck_assert_uint_eq(brim_trim(c, 45), 0);
    ck_assert_uint_eq(brim_count(c), 40);
    ck_assert_uint_eq(brim_trim_kind(c, &other, 15), 0);
    ck_assert_uint_eq(brim_count(c), 40);
    (void)brim_trim_kind(c, NULL, 20);
    ck_assert_uint_eq(brim_count(c), 30);
    brim_read_end(c);
    finish(c);
}
END_TEST

START_TEST(no_cache_no_kind)
{
    static const brim_kind unknown = {.size = sizeof unknown};
    brim_cache *c = full(10);

    ck_assert_uint_eq(brim_capacity(NULL), 0);
    ck_assert_uint_eq(brim_used(NULL), 0);
    ck_assert_uint_eq(brim_pinned(NULL), 0);
    ck_assert_uint_eq(brim_count(NULL), 0);
    ck_assert_int_eq(brim_reserve(NULL, 1), BRIM_INVALID);
    brim_unreserve(NULL, 1);
    ck_assert_uint_eq(brim_trim(NULL, 0), 0);
    ck_assert_uint_eq(brim_trim_kind(NULL, &value_kind, 0), 0);
    ck_assert_uint_eq(brim_trim_kind(c, &unknown, 0), 0);
    ck_assert_uint_eq(brim_used(c), 10);
    finish(c);
}
END_TEST

static void trim_half(void *arg)
{
    for (size_t left = 90; left >= 50; left -= 10) {
        EXPECT(brim_trim(arg, left) == 10);
        EXPECT(thread_self()->trimming == 0);
    }
    EXPECT(brim_reserve(arg, 30) == BRIM_OK);
    brim_unreserve(arg, 30);
}

START_TEST(by_a_thread_that_shares_its_record)
{
    brim_cache *c = full(100);

    as_shared(trim_half, c);
    ck_assert_uint_eq(brim_used(c), 50);
    ck_assert_uint_eq(brim_count(c), 50);
    finish(c);
}
END_TEST

/* A trim asks for the time, and the user's clock trims: that ends. */
static struct { brim_cache *cache; unsigned depth, deepest; size_t freed_deepest; } trims;

static uint64_t trimming_clock(void *arg)
{
    (void)arg;
    if (trims.cache == NULL || trims.depth == 10)
        return 1;
    if (++trims.depth > trims.deepest) {
        trims.deepest = trims.depth;
        trims.freed_deepest = brim_trim(trims.cache, 0);
    }
    trims.depth--;
    return 1;
}

START_TEST(trims_within_trims_end)
{
    brim_options o = value_options(100);
    brim_entry_options e;
    brim_cache *c;

    o.now = trimming_clock;
    memset(&trims, 0, sizeof trims);
    c = make_cache(&o);
    brim_entry_options_init(&e);
    e.max_age = 1000;
    for (uint64_t key = 0; key < 100; key++)
        ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(key), value_new(key, 1), 1, &e, NULL), BRIM_OK);
    trims.cache = c;
    (void)brim_trim(c, 0);
    trims.cache = NULL;
    ck_assert_uint_eq(trims.deepest, 4); /* the fourth one inside asks no more */
    ck_assert_uint_eq(brim_used(c), 0);
    ck_assert_uint_eq(thread_self()->trimming, 0);
    finish(c);
}
END_TEST

static gate in_destructor;
static brim_cache *cache;
static brim_status inner;

static void stop_here(void *what, size_t cost, void *arg)
{
    (void)what;
    (void)cost;
    (void)arg;
    inner = brim_drain(cache, 0);
    gate_stop_here(&in_destructor);
}

static void remove_k(void *arg)
{
    EXPECT(brim_remove(arg, "k", 1));
}

static void remove_one(unsigned id, void *arg)
{
    (void)id;
    (void)arg;
    remove_k(cache);
}

START_TEST(draining_waits_for_others)
{
    brim_kind kind = {.destroy = stop_here};
    brim_options o = value_options(10);
    crew c;

    o.kind = &kind;
    cache = make_cache(&o);
    gate_init(&in_destructor);
    ck_assert_int_eq(brim_drain(NULL, 0), BRIM_INVALID);
    ck_assert_int_eq(brim_drain(cache, 0), BRIM_OK);
    ck_assert_int_eq(brim_insert(cache, "k", 1, &kind, 1, NULL), BRIM_OK);
    crew_start(&c, 1, remove_one, NULL);
    gate_wait_reached(&in_destructor);
    ck_assert_int_eq(brim_drain(cache, 0), BRIM_TIMEOUT);
    ck_assert_int_eq(brim_drain(cache, 2), BRIM_TIMEOUT);
    gate_open(&in_destructor);
    ck_assert_int_eq(brim_drain(cache, -1), BRIM_OK);
    ck_assert_uint_eq(brim_used(cache), 0);
    ck_assert_int_eq(inner, BRIM_DEADLOCK);
    crew_join(&c);
    gate_destroy(&in_destructor);
    finish(cache);
}
END_TEST

static void drain_at_once(void *arg)
{
    inner = brim_drain(arg, 0);
}

static void remove_as_shared(void *arg)
{
    as_shared(remove_k, arg);
}

/* Of threads that share a record, each waits for what the others destroy. */
START_TEST(draining_by_a_thread_that_shares_its_record)
{
    brim_kind kind = {.destroy = stop_here};
    brim_options o = value_options(10);
    worker w;

    o.kind = &kind;
    cache = make_cache(&o);
    gate_init(&in_destructor);
    ck_assert_int_eq(brim_insert(cache, "k", 1, &kind, 1, NULL), BRIM_OK);
    worker_start(&w);
    worker_begin(&w, remove_as_shared, cache);
    gate_wait_reached(&in_destructor);
    as_shared(drain_at_once, cache);
    ck_assert_int_eq(inner, BRIM_TIMEOUT);
    gate_open(&in_destructor);
    worker_end(&w);
    as_shared(drain_at_once, cache);
    ck_assert_int_eq(inner, BRIM_OK);
    gate_destroy(&in_destructor);
    finish(cache);
}
END_TEST

static unsigned about_to_end;

static void drain_in_allocation(void *arg)
{
    brim_cache *c = arg;
    struct stripe *own = stripe_ready(&c->stripes, thread_self());

    about_to_end += atom_load_relaxed(&own->dying) != atom_load_relaxed(&own->destroyed);
    EXPECT(brim_drain(c, 0) == BRIM_OK);
}

/* In an allocation that a removal makes: what this thread itself is about to destroy is not waited for. */
START_TEST(draining_between_removal_and_end)
{
    heap h;
    brim_cache *c = cache_on(&h, 1000);

    for (uint64_t key = 0; key < 1000; key++)
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    h.hook = drain_in_allocation;
    h.hook_arg = c;
    for (uint64_t key = 0; key < 1000; key++)
        ck_assert(brim_remove(c, BRIM_KEY(key)));
    h.hook = NULL;
    ck_assert_uint_gt(about_to_end, 0);
    finish_on(c, &h);
}
END_TEST

static void begin_section(void *arg)
{
    begin_reading(arg);
}

static void end_section(void *arg)
{
    brim_read_end(arg);
}

static void end_section_of(void *arg)
{
    worker_do(arg, end_section, cache);
}

START_TEST(draining_waits_for_sections)
{
    worker w;

    cache = make_borrow_cache(10);
    worker_start(&w);
    begin_reading(cache);
    ck_assert_int_eq(brim_drain(cache, 0), BRIM_DEADLOCK); /* in one's own */
    brim_read_end(cache);
    ck_assert_int_eq(put(cache, 1, 1, 1), BRIM_OK);
    worker_do(&w, begin_section, cache);
    ck_assert(brim_remove(cache, BRIM_KEY((uint64_t){1})));
    act_in_pause(0, NULL, NULL);
    ck_assert_int_eq(brim_drain(cache, 0), BRIM_TIMEOUT);
    ck_assert_uint_eq(pauses.calls, 0);
    act_in_pause(3, end_section_of, &w);
    ck_assert_int_eq(brim_drain(cache, _i == 0 ? -1 : 1000000), BRIM_OK);
    ck_assert_uint_eq(pauses.calls, 3); /* no more than it takes */
    ck_assert_int_eq(brim_drain(cache, -1), BRIM_OK);
    ck_assert_uint_eq(pauses.calls, 3);
    worker_end(&w);
    finish(cache);
}
END_TEST

static size_t used_at_most;

static void look_at_used(void *what, size_t cost, void *arg)
{
    (void)what, (void)cost, (void)arg;
    EXPECT(brim_used(cache) <= brim_capacity(cache));
    used_at_most = brim_used(cache) > used_at_most ? brim_used(cache) : used_at_most;
}

/* What must go goes first: nobody sees more used than the capacity. */
START_TEST(lowered_when_all_has_gone)
{
    brim_kind kind = {.destroy = look_at_used};
    brim_options o = value_options(100);

    o.kind = &kind;
    cache = make_cache(&o);
    for (uint64_t key = 0; key < 100; key++)
        ck_assert_int_eq(brim_insert(cache, BRIM_KEY(key), &kind, 1, NULL), BRIM_OK);
    ck_assert_int_eq(brim_set_capacity(cache, 40), BRIM_OK);
    ck_assert_uint_eq(brim_capacity(cache), 40);
    ck_assert_uint_gt(used_at_most, 40); /* it was asked meanwhile */
    finish(cache);
}
END_TEST

/* In a destructor the capacity is lowered at once, and nothing evicted. */
static void lower_within(void *what, size_t cost, void *arg)
{
    (void)what, (void)cost, (void)arg;
    if (brim_capacity(cache) == 10)
        inner = brim_set_capacity(cache, 3);
}

START_TEST(lowered_in_a_destructor)
{
    brim_kind kind = {.destroy = lower_within};
    brim_options o = value_options(10);

    o.kind = &kind;
    inner = BRIM_OK;
    cache = make_cache(&o);
    for (uint64_t key = 0; key < 10; key++)
        ck_assert_int_eq(brim_insert(cache, BRIM_KEY(key), &kind, 1, NULL), BRIM_OK);
    ck_assert(brim_remove(cache, BRIM_KEY((uint64_t){0})));
    ck_assert_int_eq(inner, BRIM_FULL);
    ck_assert_uint_eq(brim_capacity(cache), 3);
    ck_assert_uint_eq(brim_count(cache), 9);
    ck_assert_int_eq(brim_set_capacity(cache, 3), BRIM_OK);
    ck_assert_uint_eq(brim_count(cache), 3);
    finish(cache);
}
END_TEST

#ifdef BRIM_INTERFERE
static size_t seen;

static void set_to_70(void *arg)
{
    seen = brim_capacity(arg);
    EXPECT(brim_set_capacity(arg, 70) == BRIM_OK);
}

/* Two who set it: the later one says what it is, and what was reserved to lower it is given back. */
START_TEST(the_capacity_is_set_by_two)
{
    bool met = true;

    for (unsigned after = 0; met; after++) {
        brim_cache *c = make_value_cache(100);
        struct other o = {.cache = c, .act = set_to_70, .arg = c};
        size_t to = _i == 0 ? 40 : 130;

        other_begin(&o, after);
        ck_assert_int_eq(brim_set_capacity(c, to), BRIM_OK);
        met = other_end(&o);
        if (!o.acted)
            ck_assert_uint_eq(brim_capacity(c), to);
        else
            ck_assert_uint_eq(brim_capacity(c), seen == 100 ? to : 70);
        ck_assert_uint_eq(brim_used(c), 0);
        ck_assert_uint_eq(stripes_sum(&c->stripes, offsetof(struct stripe, reserved)), 0);
        finish(c);
    }
}
END_TEST

static void put_one_of_30(void *arg)
{
    brim_cache *c = arg;

    EXPECT(put(c, 10, 10, 30) == BRIM_OK);
    seen = kind_used(c->default_kind);
    EXPECT(seen <= brim_capacity(c));
}

/* The room comes after the capacity. */
START_TEST(used_while_the_capacity_rises)
{
    bool met = true, more = false;

    for (unsigned after = 0; met; after++) {
        brim_cache *c = make_value_cache(100);
        struct other o = {.cache = c, .act = put_one_of_30, .arg = c};

        for (uint64_t key = 0; key < 10; key++)
            ck_assert_int_eq(put(c, key, key, 10), BRIM_OK);
        other_begin(&o, after);
        ck_assert_int_eq(brim_set_capacity(c, 130), BRIM_OK);
        met = other_end(&o);
        more = more || (o.acted && seen == 130);
        finish(c);
    }
    ck_assert(more);
}
END_TEST

static void unreserve_20(void *arg)
{
    brim_unreserve(arg, 20);
}

START_TEST(two_who_unreserve)
{
    bool met = true;

    for (unsigned after = 0; met; after++) {
        brim_cache *c = make_value_cache(100);
        struct other o = {.cache = c, .act = unreserve_20, .arg = c};

        ck_assert_int_eq(brim_reserve(c, 30), BRIM_OK);
        other_begin(&o, after);
        brim_unreserve(c, 15);
        met = other_end(&o);
        ck_assert_uint_eq(brim_used(c), o.acted ? 0 : 15); /* no more than there was */
        ck_assert_uint_eq(atom_load_relaxed(&c->by_user), o.acted ? 0 : 15);
        finish(c);
    }
}
END_TEST

struct beside { worker *w; bool acted; };

static void begin_beside(void *arg)
{
    struct beside *b = arg;

    b->acted = lock_is_free(&cache->limbo.lock);
    if (!b->acted)
        return;
    worker_begin(b->w, remove_k, cache);
    gate_wait_reached(&in_destructor);
}

/* ${*passed}: what began came too late for the drain. */
static bool drain_beside(unsigned after, worker *w, unsigned *timeouts, unsigned *passed)
{
    struct beside b = {w, false};
    brim_status s;
    bool met;

    worker_start(w);
    atom_interfere(after, begin_beside, &b);
    s = brim_drain(cache, 0);
    met = atom_has_interfered();
    EXPECT(s == BRIM_OK || (s == BRIM_TIMEOUT && b.acted));
    *timeouts += s == BRIM_TIMEOUT;
    *passed += s == BRIM_OK && b.acted;
    return met;
}

/*
 * What leaves the limbo while a drain looks is waited for, too.  Where there is none, it looks once at each thread,
 * the low numbers first: most of it comes after them.
 */
START_TEST(what_begins_meanwhile)
{
    brim_kind kind = {.destroy = stop_here};
    brim_options o = _i == 0 ? value_options(10) : borrow_options(10);
    unsigned timeouts = 0, passed = 0;
    bool met = true;

    o.kind = &kind;
    for (unsigned after = 0; met; after++) {
        worker w;

        gate_init(&in_destructor);
        cache = make_cache(&o);
        ck_assert_int_eq(brim_insert(cache, "k", 1, &kind, 1, NULL), BRIM_OK);
        met = drain_beside(after, &w, &timeouts, &passed);
        gate_open(&in_destructor);
        worker_end(&w);
        gate_destroy(&in_destructor);
        finish(cache);
    }
    ck_assert_uint_gt(timeouts, 0);
    if (_i == 0)
        ck_assert_uint_gt(passed, timeouts);
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("bounds");

    tcase_add_test(tc, the_capacity_moves);
    tcase_add_test(tc, reservations);
    tcase_add_test(tc, a_reservation_beyond_all_bounds);
    tcase_add_test(tc, trimming);
    tcase_add_test(tc, trimming_where_values_wait);
    tcase_add_test(tc, draining_waits_for_others);
    tcase_add_test(tc, no_cache_no_kind);
    tcase_add_test(tc, by_a_thread_that_shares_its_record);
    tcase_add_test(tc, trims_within_trims_end);
    tcase_add_test(tc, draining_by_a_thread_that_shares_its_record);
    tcase_add_test(tc, draining_between_removal_and_end);
    tcase_add_loop_test(tc, draining_waits_for_sections, 0, 2);
    tcase_add_test(tc, lowered_when_all_has_gone);
    tcase_add_test(tc, lowered_in_a_destructor);
#ifdef BRIM_INTERFERE
    tcase_add_loop_test(tc, the_capacity_is_set_by_two, 0, 2);
    tcase_add_test(tc, two_who_unreserve);
    tcase_add_test(tc, used_while_the_capacity_rises);
    tcase_add_loop_test(tc, what_begins_meanwhile, 0, 2);
#endif
    return suite_run(tc);
}
