/* SPDX-License-Identifier: MIT
 *
 * cache/admit: reservations, and what is evicted for them.
 */
#include "cache/admit.h"
#include "cache/limits.h"
#include "unit/caches.h"

static uint64_t reserved(brim_cache *c)
{
    return stripes_sum(&c->stripes, offsetof(struct stripe, reserved));
}

START_TEST(room_is_reserved_and_given_back)
{
    brim_cache *c = make_value_cache(100);
    struct admission a = {.cache = c, .by = caller_of(c), .charge = 60};

    ck_assert_int_eq(admit(&a), BRIM_OK);
    ck_assert_uint_eq(reserved(c), 60);
    ck_assert_uint_eq(brim_used(c), 60);
    ck_assert_int_eq(admit(&a), BRIM_FULL); /* nothing can go */
    ck_assert_uint_eq(reserved(c), 60);
    admit_to_user(c, a.by, 40);
    ck_assert_uint_eq(reserved(c), 20);
    ck_assert_uint_eq(brim_used(c), 60);
    admit_undo(c, a.by, 20);
    ck_assert_uint_eq(brim_used(c), 40);
    admit_user_undo(c, a.by, 1000); /* no more than there is */
    ck_assert_uint_eq(brim_used(c), 0);
    a.charge = 101;
    ck_assert_int_eq(admit(&a), BRIM_TOO_BIG);
    finish(c);
}
END_TEST

START_TEST(what_nobody_holds_goes)
{
    enum { N = 500 };
    brim_options o = value_options(N);
    struct admission a = {.charge = N - 3};
    brim_ref *held[3];
    brim_cache *c;

    o.shards = 8;
    c = make_cache(&o);
    for (uint64_t key = 0; key < N; key++)
        ck_assert_int_eq(put_ref(c, key, key, 1, key < 3 ? &held[key] : NULL), BRIM_OK);
    a.cache = c;
    a.by = caller_of(c);
    ck_assert_int_eq(admit(&a), BRIM_OK); /* every last one of them, in all shards */
    ck_assert_uint_eq(brim_count(c), 3);
    ck_assert_uint_eq(values_live(), 3);
    ck_assert_uint_eq(brim_used(c), N);
    ck_assert_uint_eq(reserved(c), N - 3);
    ck_assert_uint_eq(a.by.t->reader.shared, 0);
    admit_undo(c, a.by, N - 3);
    for (int i = 0; i < 3; i++)
        brim_release(held[i]);
    ck_assert_uint_ge(admit_evict(c, a.by, 2, NULL), 2);
    finish(c);
}
END_TEST

START_TEST(one_entry_makes_way_for_one)
{
    brim_options o = value_options(1000);
    struct admission a = {.charge = 1};
    brim_ref *held;
    brim_cache *c;

    o.max_entries = 10;
    o.shards = 4;
    c = make_cache(&o);
    for (uint64_t key = 0; key < 10; key++)
        ck_assert_int_eq(put(c, key, key, _i == 0 ? 1 : 0), BRIM_OK);
    a.cache = c;
    a.by = caller_of(c);
    ck_assert(admit_entry(&a));
    ck_assert_uint_eq(brim_count(c), 9);
    for (uint64_t key = 0; key < 10; key++) /* also of those that cost nothing, one at a time */
        ck_assert_int_eq(put(c, 100 + key, key, _i == 0 ? 1 : 0), BRIM_OK);
    ck_assert_uint_eq(brim_count(c), 10);
    brim_clear(c);
    ck_assert_int_eq(put_ref(c, 1, 1, 1, &held), BRIM_OK);
    ck_assert(!admit_entry(&a)); /* held */
    brim_release(held);
    finish(c);
}
END_TEST

static brim_cache *cache;
static brim_status inner;
static size_t most_used;

/* In a destructor nothing is evicted; and the room of victims is its evictor's already. */
static void insert_from_within(void *what, size_t cost, void *arg)
{
    uint64_t key = 1000;

    (void)what;
    (void)cost;
    (void)arg;
    inner = brim_insert(cache, BRIM_KEY(key), NULL, 8, NULL);
    if (brim_used(cache) > most_used)
        most_used = brim_used(cache);
}

START_TEST(in_a_destructor_nothing_is_evicted)
{
    static char v;
    brim_kind kind = {.destroy = insert_from_within};
    brim_options o = value_options(10);
    uint64_t key = 2000;

    o.kind = &kind;
    most_used = 0;
    inner = BRIM_OK;
    cache = make_cache(&o);
    for (uint64_t i = 0; i < 10; i++)
        ck_assert_int_eq(brim_insert(cache, BRIM_KEY(i), &v, 1, NULL), BRIM_OK);
    ck_assert_int_eq(brim_insert(cache, BRIM_KEY(key), NULL, 8, NULL), BRIM_OK);
    ck_assert_int_eq(inner, BRIM_FULL);
    ck_assert_uint_eq(most_used, 10);
    ck_assert(brim_contains(cache, BRIM_KEY(key)));
    finish(cache);
}
END_TEST

static void take_turns(unsigned id, void *arg)
{
    struct admission a = {.cache = arg, .by = caller_of(arg), .charge = 70};

    (void)id;
    for (int i = 0; i < SCALED(200); i++) {
        brim_status s = admit(&a);
        EXPECT(s == BRIM_OK || s == BRIM_FULL);
        EXPECT(brim_used(a.cache) <= 100);
        if (s == BRIM_OK) {
            uint64_t key = (uint64_t)i;
            admit_undo(a.cache, a.by, 70);
            (void)put(a.cache, key, key, 9);
        }
    }
}

START_TEST(two_large_ones_do_not_block_each_other)
{
    brim_cache *c = make_value_cache(100);

    crew_do(3, take_turns, c);
    ck_assert_uint_eq(reserved(c), 0);
    ck_assert_ptr_null(atom_load_relaxed(&c->turn));
    finish(c);
}
END_TEST

/* ---- Floors */

static brim_kind poor, rich; /* poor is below its floor, rich is at its own */

static brim_status put_of(brim_cache *c, const brim_kind *k, uint64_t key, size_t cost, brim_ref **out)
{
    value *v = value_new(key, cost);
    brim_entry_options e;
    brim_status s;

    brim_entry_options_init(&e);
    e.kind = k;
    s = brim_insert_with(c, BRIM_KEY(key), v, cost, &e, out);
    if (s != BRIM_OK)
        value_discard(v);
    return s;
}

static brim_cache *make_floors(size_t poor_floor, size_t rich_floor)
{
    brim_options o = value_options(100);

    poor = rich = value_kind;
    poor.floor = poor_floor;
    rich.floor = rich_floor;
    o.protect_frame = true;
    return make_cache(&o);
}

START_TEST(below_its_floor_others_go_first_then_its_own)
{
    brim_cache *c = make_floors(80, 0);
    brim_ref *held;

    for (uint64_t key = 0; key < 4; key++)
        ck_assert_int_eq(put_of(c, &poor, key, 10, NULL), BRIM_OK);
    ck_assert_int_eq(put_ref(c, 10, 10, 50, &held), BRIM_OK);
    ck_assert_int_eq(put(c, 11, 11, 10), BRIM_OK);
    ck_assert_int_eq(put_of(c, &poor, 20, 10, NULL), BRIM_OK);
    ck_assert(!has(c, 11));
    for (uint64_t key = 0; key < 4; key++)
        ck_assert(has(c, key));
    ck_assert_int_eq(put_of(c, &poor, 21, 30, NULL), BRIM_OK);
    ck_assert(has(c, 10) && has(c, 21));
    ck_assert_uint_eq(brim_used(c), 100);
    ck_assert_uint_eq(brim_count(c), 4); /* two of its own are left beside these two */
    brim_release(held);
    finish(c);
}
END_TEST

/* Nor are its own enough: what is at its floor stays, at every level of the frame's protection. */
START_TEST(nothing_but_what_is_at_its_floor)
{
    brim_cache *c = make_floors(40, 50);
    value *v = value_new(30, 11);
    brim_key *none;
    brim_ref *held;

    ck_assert_int_eq(put_of(c, &poor, 1, 10, NULL), BRIM_OK);
    for (uint64_t key = 10; key < 15; key++)
        ck_assert_int_eq(put_of(c, &rich, key, 10, NULL), BRIM_OK);
    ck_assert_int_eq(put_ref(c, 20, 20, 40, &held), BRIM_OK);
    ck_assert_int_eq(put_of(c, &poor, 2, 30, NULL), BRIM_FULL);
    ck_assert_uint_eq(reserved(c), 0);
    ck_assert_uint_eq(brim_count(c), 6);
    ck_assert(!has(c, 1));
    ck_assert_int_eq(put(c, 3, 3, 11), BRIM_FULL); /* of no floor: the same */
    ck_assert_int_eq(brim_insert_anonymous(c, v, 11, NULL, &none, NULL), BRIM_FULL);
    ck_assert_uint_eq(brim_used(c), 90);
    value_discard(v);
    brim_release(held);
    finish(c);
}
END_TEST

static brim_ref *taken[5];

static void take_rich(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    (void)key, (void)len, (void)v, (void)cost, (void)cause;
    for (uint64_t k = 10; k < 15; k++)
        taken[k - 10] = brim_find(arg, BRIM_KEY(k));
}

/* A listener holds what could have gone: it gives up at once. */
START_TEST(hopeless_while_it_tries)
{
    brim_cache *c = make_floors(40, 50);
    brim_ref *held;

    poor.removed = take_rich;
    poor.arg = c;
    memset(taken, 0, sizeof taken);
    ck_assert_int_eq(put_of(c, &poor, 1, 10, NULL), BRIM_OK);
    for (uint64_t key = 10; key < 15; key++)
        ck_assert_int_eq(put_of(c, &rich, key, 10, NULL), BRIM_OK);
    ck_assert_int_eq(put_ref(c, 20, 20, 40, &held), BRIM_OK);
    ck_assert_int_eq(put_of(c, &poor, 2, 30, NULL), BRIM_FULL);
    ck_assert(!has(c, 1));
    for (int i = 0; i < 5; i++) {
        ck_assert_ptr_nonnull(taken[i]);
        brim_release(taken[i]);
    }
    brim_release(held);
    finish(c);
}
END_TEST

START_TEST(canceled_is_no_part_of_its_kind)
{
    brim_cache *c = make_floors(0, 0);
    struct admission a = {.cache = c, .by = caller_of(c), .charge = 60};

    poor.ceiling = 70;
    ck_assert_int_eq(kind_get(c, &poor, &a.kind), BRIM_OK);
    ck_assert_int_eq(admit(&a), BRIM_OK);
    ck_assert(a.counted);
    ck_assert_uint_eq(kind_used(a.kind), 60);
    admit_cancel(&a);
    ck_assert(!a.counted);
    ck_assert_uint_eq(kind_used(a.kind), 0);
    ck_assert_uint_eq(brim_used(c), 0);
    finish(c);
}
END_TEST

static void read_begin(void *arg) { begin_reading(arg); }
static void read_end(void *arg) { brim_read_end(arg); }

static void reserve_ten(void *arg)
{
    struct admission a = {.cache = arg, .by = caller_of(arg), .charge = 10};

    EXPECT(admit(&a) == BRIM_OK);
}

static void undo_ten(void *arg)
{
    admit_undo(arg, caller_of(arg), 10);
}

/* What waits for another's section is waited for, but not for long. */
START_TEST(anothers_section_stands_in_the_way)
{
    brim_cache *c = make_borrow_cache(100);
    worker w;

    worker_start(&w);
    worker_do(&w, read_begin, c);
    if (_i != 0)
        worker_do(&w, reserve_ten, c); /* it is at work: what it has may come, too */
    for (uint64_t key = 0; key < 9; key++)
        ck_assert_int_eq(put(c, key, key, 10), BRIM_OK);
    ck_assert_int_eq(put(c, 20, 20, 50), BRIM_FULL);
    ck_assert_uint_eq(limbo_charge(&c->limbo), 10 * (9 - brim_count(c)));
    if (_i != 0)
        worker_do(&w, undo_ten, c);
    ck_assert_uint_eq(reserved(c), 0);
    worker_do(&w, read_end, c);
    ck_assert_int_eq(put(c, 20, 20, 50), BRIM_OK);
    worker_end(&w);
    finish(c);
}
END_TEST

/* Another thread has a reservation, which may be given back: that is waited for, but not for ever. */
START_TEST(anothers_reservation_stands_in_the_way)
{
    brim_cache *c = make_floors(0, 90);
    worker w;

    worker_start(&w);
    for (uint64_t key = 10; key < 19; key++)
        ck_assert_int_eq(put_of(c, &rich, key, 10, NULL), BRIM_OK);
    worker_do(&w, reserve_ten, c);
    ck_assert_int_eq(put(c, 1, 1, 5), BRIM_FULL);
    ck_assert_uint_eq(reserved(c), 10);
    ck_assert_uint_eq(brim_count(c), 9);
    worker_do(&w, undo_ten, c);
    ck_assert_int_eq(put(c, 1, 1, 5), BRIM_OK);
    worker_end(&w);
    finish(c);
}
END_TEST

/* ---- Ahead */

START_TEST(no_more_than_a_batch_ahead)
{
    enum { CAPACITY = 40000, SMALL = 1000, BATCH = 256 };
    brim_options o = borrow_options(CAPACITY);
    brim_cache *c;
    brim_ref *held;

    o.shards = 1;
    c = make_cache(&o);
    ck_assert_int_eq(put_ref(c, 0, 0, CAPACITY - SMALL, &held), BRIM_OK);
    for (uint64_t key = 1; key <= SMALL; key++)
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    ck_assert_uint_eq(brim_count(c), 1 + SMALL);
    ck_assert_int_eq(put(c, 2000, 2000, 1), BRIM_OK);
    /* 1/64 of the capacity were 625: one batch as it needs room, and one for what comes. */
    ck_assert_uint_eq(brim_count(c), 1 + SMALL + 1 - 2 * BATCH);
    brim_release(held);
    finish(c);
}
END_TEST

static struct { brim_cache *cache; unsigned calls; size_t before, after; } within;

static void insert_within(void *v, size_t cost, void *arg)
{
    (void)arg;
    value_destroy(v, cost, NULL);
    if (within.calls++ != 0)
        return;
    within.before = brim_count(within.cache);
    EXPECT(put(within.cache, 5000, 5000, 1) == BRIM_FULL);
    within.after = brim_count(within.cache);
}

START_TEST(in_a_destructor_nothing_is_evicted_ahead)
{
    brim_kind kind = {.size = sizeof kind, .destroy = insert_within};
    brim_options o = borrow_options(640);

    o.kind = &kind;
    memset(&within, 0, sizeof within);
    within.cache = make_cache(&o);
    for (uint64_t key = 0; key < 640; key++)
        ck_assert_int_eq(put(within.cache, key, key, 1), BRIM_OK);
    within.calls = 0;
    ck_assert_int_eq(put(within.cache, 1000, 1000, 1), BRIM_OK);
    ck_assert_uint_gt(within.calls, 0);
    ck_assert_uint_eq(within.after, within.before);
    finish(within.cache);
}
END_TEST

/* ---- Threads that share a record, and with it a reservation that nobody can call his own */

static void fill_twice(void *arg)
{
    for (uint64_t key = 0; key < 200; key++)
        EXPECT(put(arg, key, key, 1) == BRIM_OK);
    EXPECT(put(arg, 1000, 1000, 90) == BRIM_OK);
    EXPECT(put(arg, 1001, 1001, 101) == BRIM_TOO_BIG);
}

START_TEST(by_a_thread_that_shares_its_record)
{
    brim_cache *c = make_value_cache(100);
    brim_ref *held;

    ck_assert_int_eq(put_ref(c, 5000, 5000, 5, &held), BRIM_OK);
    as_shared(fill_twice, c);
    ck_assert(has(c, 1000) && has(c, 5000));
    ck_assert_uint_eq(reserved(c), 0);
    brim_release(held);
    finish(c);
}
END_TEST

/* ---- The number of entries */

static struct { brim_cache *cache; brim_status status; } beside;

static void insert_one(void *v, size_t cost, void *arg)
{
    (void)arg;
    value_destroy(v, cost, NULL);
    if (cost == 2)
        beside.status = put(beside.cache, 1000, 1000, 1);
}

START_TEST(in_a_destructor_no_entry_makes_way)
{
    brim_kind kind = {.size = sizeof kind, .destroy = insert_one};
    brim_options o = value_options(1000);

    o.kind = &kind;
    o.max_entries = 4;
    beside.status = BRIM_OK;
    beside.cache = make_cache(&o);
    for (uint64_t key = 0; key < 4; key++)
        ck_assert_int_eq(put(beside.cache, key, key, 1), BRIM_OK);
    ck_assert_int_eq(put(beside.cache, 0, 4, 2), BRIM_OK);
    ck_assert_int_eq(put(beside.cache, 0, 5, 1), BRIM_OK); /* its old one, of cost 2, is destroyed */
    ck_assert_int_eq(beside.status, BRIM_FULL);
    ck_assert_uint_eq(brim_count(beside.cache), 4);
    ck_assert_uint_eq(brim_used(beside.cache), 4);
    finish(beside.cache);
}
END_TEST

START_TEST(the_only_one_that_can_go_is_found)
{
    enum { N = 600 };
    static brim_ref *held[N];
    brim_options o = value_options(10 * N);
    struct admission a = {.charge = 1};

    o.max_entries = N;
    o.shards = 1;
    a.cache = make_cache(&o);
    a.by = caller_of(a.cache);
    for (uint64_t key = 0; key < N; key++)
        ck_assert_int_eq(put_ref(a.cache, key, key, 1, &held[key]), BRIM_OK);
    ck_assert(!admit_entry(&a));
    for (uint64_t key = 0; key < N; key += 7) {
        brim_release(held[key]);
        ck_assert(admit_entry(&a));
        ck_assert(!has(a.cache, key));
        ck_assert_int_eq(put_ref(a.cache, key, key, 1, &held[key]), BRIM_OK);
    }
    for (uint64_t key = 0; key < N; key++)
        brim_release(held[key]);
    finish(a.cache);
}
END_TEST

#ifdef BRIM_INTERFERE
static brim_kind topped;

static void lift(void *arg)
{
    EXPECT(brim_kind_set_limits(arg, &topped, 0, 0) == BRIM_OK);
}

static void raise_to_60(void *arg)
{
    EXPECT(brim_kind_set_limits(arg, &topped, 0, 60) == BRIM_OK);
}

/* The ceiling is lifted, or raised, while an admission is refused for it. */
START_TEST(a_ceiling_that_changes_meanwhile)
{
    bool met = true;
    unsigned admitted = 0;

    topped = value_kind;
    topped.ceiling = 50;
    for (unsigned after = 0; met; after++) {
        brim_cache *c = make_value_cache(100);
        struct other o = {.cache = c, .act = _i == 0 ? lift : raise_to_60, .arg = c};
        brim_ref *held;
        brim_status s;

        ck_assert_int_eq(put_of(c, &topped, 1, 50, &held), BRIM_OK);
        other_begin(&o, after);
        s = put_of(c, &topped, 2, 10, NULL);
        met = other_end(&o);
        ck_assert(s == BRIM_FULL || (s == BRIM_OK && o.acted));
        admitted += s == BRIM_OK;
        ck_assert_uint_eq(brim_used(c), s == BRIM_OK ? 60 : 50);
        ck_assert_uint_eq(kind_used(kind_look_up(c, &topped)), s == BRIM_OK ? 60 : 50);
        brim_release(held);
        finish(c);
    }
    ck_assert_uint_gt(admitted, 0);
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("admit");

    tcase_add_test(tc, room_is_reserved_and_given_back);
    tcase_add_test(tc, what_nobody_holds_goes);
    tcase_add_loop_test(tc, one_entry_makes_way_for_one, 0, 2);
    tcase_add_test(tc, in_a_destructor_nothing_is_evicted);
    tcase_add_test(tc, two_large_ones_do_not_block_each_other);
    tcase_add_test(tc, below_its_floor_others_go_first_then_its_own);
    tcase_add_test(tc, nothing_but_what_is_at_its_floor);
    tcase_add_test(tc, hopeless_while_it_tries);
    tcase_add_test(tc, canceled_is_no_part_of_its_kind);
    tcase_add_loop_test(tc, anothers_section_stands_in_the_way, 0, 2);
    tcase_add_test(tc, anothers_reservation_stands_in_the_way);
    tcase_add_test(tc, no_more_than_a_batch_ahead);
    tcase_add_test(tc, in_a_destructor_nothing_is_evicted_ahead);
    tcase_add_test(tc, by_a_thread_that_shares_its_record);
    tcase_add_test(tc, in_a_destructor_no_entry_makes_way);
    tcase_add_test(tc, the_only_one_that_can_go_is_found);
#ifdef BRIM_INTERFERE
    tcase_add_loop_test(tc, a_ceiling_that_changes_meanwhile, 0, 2);
#endif
    return suite_run(tc);
}
