/* SPDX-License-Identifier: MIT
 *
 * What a load reserves, how it is finished and fails, for how long a failure is remembered, what is counted and
 * measured, and that ending it needs no memory.
 */
#include "support/loads.h"
#include <time.h>

enum { KEY = 1, ID = 100, COST = 10, REASON = 77 };

/* ---- A clock for ages and for failures that are remembered */

static atomic_ullong clock_ns;

static uint64_t clock_now(void *arg)
{
    (void)arg;
    return atomic_load(&clock_ns);
}

static brim_cache *clock_cache(size_t capacity)
{
    brim_options o = value_options(capacity);

    atomic_store(&clock_ns, 1000);
    o.now = clock_now;
    return make_cache(&o);
}

/* ---- A kind that counts what leaves and what is destroyed */

static struct {
    unsigned nulls, others, destroyed;
} heard;

static void hear(const void *key, size_t key_len, void *v, size_t cost, brim_cause cause, void *arg)
{
    (void)key, (void)key_len, (void)cost, (void)cause, (void)arg;
    if (v == NULL)
        heard.nulls++;
    else
        heard.others++;
}

static void hear_destroyed(void *v, size_t cost, void *arg)
{
    heard.destroyed++;
    value_destroy(v, cost, arg);
}

static const brim_kind heard_kind = {
    .size = sizeof(brim_kind), .name = "heard", .destroy = hear_destroyed, .removed = hear};

static brim_cache *heard_cache(size_t capacity)
{
    brim_options o = value_options(capacity);

    memset(&heard, 0, sizeof heard);
    o.kind = &heard_kind;
    return make_cache(&o);
}

/* ---- Reservations */

START_TEST(test_load_reserves_what_it_expects)
{
    brim_cache *c = make_value_cache(100);
    brim_claim_options o = expecting(60);
    brim_load *load = claim_with(c, KEY, &o);
    told t;

    ck_assert_uint_eq(brim_used(c), 60);
    ck_assert_uint_eq(stats_of(c).reserved, 60);
    ck_assert_uint_eq(stats_of(c).used, 60);
    (void)wait_for(c, KEY, &t);
    ck_assert_int_eq(claim_status(c, KEY, 0), BRIM_PENDING);
    ck_assert_uint_eq(brim_used(c), 60); /* once */
    ck_assert_int_eq(put(c, 2, 2, 41), BRIM_FULL);
    ck_assert_int_eq(put(c, 2, 2, 40), BRIM_OK);
    switch (_i) {
    case 0:
        ck_assert_int_eq(finish_load(load, ID, 60, NULL), BRIM_OK);
        ck_assert_uint_eq(brim_used(c), 100);
        break;
    case 1:
        ck_assert_int_eq(finish_load(load, ID, 30, NULL), BRIM_OK);
        ck_assert_uint_eq(brim_used(c), 70);
        break;
    case 2: /* more than it expected: the other goes */
        ck_assert_int_eq(finish_load(load, ID, 61, NULL), BRIM_OK);
        ck_assert_uint_eq(brim_used(c), 61);
        break;
    case 3:
        ck_assert_int_eq(finish_load(load, ID, 101, NULL), BRIM_TOO_BIG);
        ck_assert_uint_eq(brim_used(c), 40);
        break;
    case 4:
        brim_load_fail(load, REASON);
        ck_assert_uint_eq(brim_used(c), 40);
        break;
    case 5:
        brim_load_fail_for(load, REASON, UINT64_C(3600000000000));
        ck_assert_uint_eq(brim_used(c), 40);
        break;
    case 6:
        ck_assert_int_eq(put(c, KEY, 3, 0), BRIM_OK);
        ck_assert_int_eq(finish_load(load, ID, 60, NULL), BRIM_CANCELED);
        ck_assert_uint_eq(brim_used(c), 40);
        break;
    default:
        ck_assert_int_eq(brim_load_finish(load, NULL, 60, NULL), BRIM_OK);
        ck_assert_uint_eq(brim_used(c), 100);
        break;
    }
    ck_assert_uint_eq(stats_of(c).reserved, 0);
    ck_assert_uint_eq(atomic_load(&t.calls), 1);
    finish(c);
}
END_TEST

START_TEST(test_load_makes_room_before_it_begins)
{
    brim_cache *c = make_value_cache(100);
    brim_claim_options o = expecting(50);
    brim_load *load;

    for (uint64_t i = 10; i < 20; i++)
        ck_assert_int_eq(put(c, i, i, 10), BRIM_OK);
    load = claim_with(c, KEY, &o);
    ck_assert_uint_eq(values_live(), 5);
    ck_assert_uint_eq(brim_used(c), 100);
    ck_assert_uint_eq(stats_of(c).reserved, 50);
    ck_assert_int_eq(finish_load(load, ID, 50, NULL), BRIM_OK);
    ck_assert_uint_eq(values_live(), 6);
    ck_assert_uint_eq(brim_used(c), 100);
    finish(c);
}
END_TEST

/* ${_i}: 0 what is held leaves no room, 1 more than the capacity, 2 much more. */
START_TEST(test_load_goes_on_without_a_reservation)
{
    static const size_t expected[] = {50, 101, SIZE_MAX};
    brim_cache *c = make_value_cache(100);
    brim_claim_options o = expecting(expected[_i]);
    maker m = {.id = ID, .cost = 20};
    brim_ref *held = NULL, *ref = NULL;
    brim_load *load;
    uint64_t key = 3;

    ck_assert_int_eq(put_ref(c, 2, 2, 60, &held), BRIM_OK);
    load = claim_with(c, KEY, &o);
    ck_assert_uint_eq(stats_of(c).reserved, 0);
    ck_assert_uint_eq(brim_used(c), 60);
    ck_assert_int_eq(finish_load(load, ID, 20, NULL), BRIM_OK);
    ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, make_value, &m, &ref), BRIM_OK);
    ck_assert(brim_ref_is_cached(ref));
    brim_release(ref);
    brim_release(held);
    finish(c);
}
END_TEST

typedef struct looking {
    brim_cache *cache;
    size_t used, reserved, loading;
} looking;

static void look(void *arg)
{
    looking *l = arg;
    brim_stats s = stats_of(l->cache);

    l->used = brim_used(l->cache);
    l->reserved = s.reserved;
    l->loading = s.loading;
}

START_TEST(test_load_a_loader_runs_with_its_reservation)
{
    brim_cache *c = make_value_cache(100);
    looking l = {.cache = c};
    maker m = {.id = ID, .cost = 30, .during = look, .arg = &l};
    brim_claim_options o = expecting(60);
    brim_ref *ref = NULL;
    uint64_t key = KEY;

    ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, make_value, &m, &ref), BRIM_OK);
    ck_assert_uint_eq(l.used, 60);
    ck_assert_uint_eq(l.reserved, 60);
    ck_assert_uint_eq(l.loading, 1);
    ck_assert_uint_eq(brim_used(c), 30);
    ck_assert_uint_eq(stats_of(c).reserved + stats_of(c).loading, 0);
    m.status = BRIM_FAILED;
    key = 2;
    brim_release(ref);
    ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, make_value, &m, &ref), BRIM_FAILED);
    ck_assert_uint_eq(l.reserved, 60);
    ck_assert_uint_eq(brim_used(c), 30);
    ck_assert_uint_eq(stats_of(c).reserved, 0);
    finish(c);
}
END_TEST

/* ---- Finishing */

typedef struct meddling {
    value *v;
    brim_status finish, finish_with;
    brim_ref *out;
} meddling;

static void meddle(void *arg)
{
    meddling *x = arg;

    x->out = (brim_ref *)x;
    x->finish = brim_load_finish(brim_load_current(), x->v, 1, &x->out);
    EXPECT(x->out == NULL);
    x->finish_with = brim_load_finish_with(brim_load_current(), x->v, 1, NULL, NULL);
}

START_TEST(test_load_of_a_loader_ends_by_its_return_alone)
{
    brim_cache *c = make_value_cache(100);
    meddling x = {.v = value_new(5, 1)};
    maker m = {.id = ID, .cost = COST, .during = meddle, .arg = &x};
    brim_ref *ref = NULL;

    ck_assert_int_eq(get(c, KEY, &m, &ref), BRIM_OK);
    ck_assert_int_eq(x.finish, BRIM_INVALID);
    ck_assert_int_eq(x.finish_with, BRIM_INVALID);
    ck_assert(value_alive(x.v, 5));
    ck_assert_uint_eq(id_of(ref), ID);
    ck_assert(brim_ref_is_cached(ref));
    brim_release(ref);
    value_discard(x.v);
    finish(c);
}
END_TEST

START_TEST(test_load_finish_with_bad_options_leaves_load_and_value)
{
    brim_cache *c = make_value_cache(100), *other = make_value_cache(100);
    brim_group *stranger = brim_group_new(other);
    brim_kind small = {.size = 8}, high = {.size = sizeof(brim_kind), .ceiling = 101};
    value *v = value_new(ID, COST);
    brim_load *load = claim(c, KEY);
    brim_entry_options e;
    brim_ref *out;
    told t;

    (void)wait_for(c, KEY, &t);
    for (int i = 0; i < 6; i++) {
        e = entry_defaults();
        switch (i) {
        case 0: e.size--; break;
        case 1: e.priority = 2; break;
        case 2: e.priority = -2; break;
        case 3: e.more_groups[0] = stranger; break;
        case 4: e.kind = &small; break;
        default: e.kind = &high; break;
        }
        out = (brim_ref *)&e;
        ck_assert_int_eq(brim_load_finish_with(load, v, COST, &e, &out), BRIM_INVALID);
        ck_assert_ptr_null(out);
        ck_assert(value_alive(v, ID));
        ck_assert_uint_eq(stats_of(c).loading, 1);
        told_nothing(&t);
    }
    e = entry_defaults();
    ck_assert_int_eq(brim_load_finish_with(load, v, COST, &e, NULL), BRIM_OK);
    told_got(&t, ID, true);
    ck_assert_uint_eq(found_id(c, KEY), ID);
    brim_group_drop(stranger);
    brim_cache_free(other);
    finish(c);
}
END_TEST

/* NULL: those of the claim; others take their place. */
START_TEST(test_load_finish_with_the_claims_options_or_others)
{
    brim_cache *c = make_value_cache(100);
    brim_entry_options e = entry_defaults(), plain = entry_defaults();
    brim_ref *out = NULL;
    brim_load *load;

    memset(&heard, 0, sizeof heard);
    e.kind = &heard_kind;
    load = claim_entry(c, 1, &e);
    ck_assert_int_eq(brim_load_finish_with(load, value_new(1, 1), 1, NULL, &out), BRIM_OK);
    ck_assert_ptr_eq(brim_ref_kind(out), &heard_kind);
    brim_release(out);
    load = claim_entry(c, 2, &e);
    ck_assert_int_eq(brim_load_finish_with(load, value_new(2, 1), 1, &plain, &out), BRIM_OK);
    ck_assert_ptr_eq(brim_ref_kind(out), &value_kind);
    brim_release(out);
    load = claim(c, 3);
    ck_assert_int_eq(brim_load_finish_with(load, value_new(3, 1), 1, &e, &out), BRIM_OK);
    ck_assert_ptr_eq(brim_ref_kind(out), &heard_kind);
    brim_release(out);
    brim_clear(c);
    ck_assert_uint_eq(heard.destroyed, 2);
    finish(c);
}
END_TEST

START_TEST(test_load_finished_without_room_for_its_destruction_is_destroyed_once)
{
    brim_cache *c = heard_cache(100);
    brim_ref *held = NULL;

    ck_assert_int_eq(finish_load(claim(c, KEY), ID, 101, NULL), BRIM_TOO_BIG);
    ck_assert_uint_eq(heard.destroyed, 1);
    ck_assert_int_eq(put_ref(c, 2, 2, 60, &held), BRIM_OK);
    ck_assert_int_eq(finish_load(claim(c, KEY), ID, 41, NULL), BRIM_FULL);
    ck_assert_uint_eq(heard.destroyed, 2);
    ck_assert_uint_eq(heard.others, 0);
    ck_assert_uint_eq(stats_of(c).refused, 2);
    ck_assert_uint_eq(stats_of(c).loads, 2);
    brim_release(held);
    finish(c);
}
END_TEST

/* ---- Failing */

START_TEST(test_load_a_failed_load_wakes_all_who_wait)
{
    brim_cache *c = make_value_cache(100);
    brim_load *load = claim(c, KEY);
    asking a[3];
    told t;

    (void)wait_for(c, KEY, &t);
    for (int i = 0; i < 3; i++)
        asking_start_waiting(&a[i], c, KEY, NULL, load);
    brim_load_fail(load, REASON + _i);
    told_failed(&t, REASON + _i);
    for (int i = 0; i < 3; i++) {
        asking_join(&a[i]);
        asking_got_none(&a[i], BRIM_FAILED, REASON + _i);
    }
    ck_assert_uint_eq(stats_of(c).load_failures, 1);
    ck_assert_int_eq(claim_status(c, KEY, -1), BRIM_CLAIMED);
    finish(c);
}
END_TEST

/* All who ask get FAILED and the reason at once. */
static void failed_at_once(brim_cache *c, int expected)
{
    maker never = {.id = ID, .cost = 1};
    uint64_t key = KEY;
    brim_bytes bytes = {&key, sizeof key};
    brim_claim_options o = claim_defaults();
    brim_ref *ref = (brim_ref *)&never;
    brim_load *load = (brim_load *)&never;
    brim_wait *wait = (brim_wait *)&never;
    brim_status s = BRIM_OK;
    int reason = 0;
    told t = {0};

    o.reason = &reason;
    ck_assert_int_eq(get(c, KEY, &never, &ref), BRIM_FAILED);
    ck_assert_ptr_null(ref);
    ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, make_value, &never, &ref), BRIM_FAILED);
    ck_assert_int_eq(reason, expected);
    reason = 0;
    ck_assert_int_eq(brim_claim_with(c, BRIM_KEY(key), &o, &ref, &load), BRIM_FAILED);
    ck_assert(ref == NULL && load == NULL);
    ck_assert_int_eq(reason, expected);
    reason = 0;
    ck_assert_int_eq(brim_claim_async(c, BRIM_KEY(key), &o, tell, &t, &ref, &load, &wait), BRIM_FAILED);
    ck_assert(ref == NULL && load == NULL && wait == NULL);
    ck_assert_int_eq(reason, expected);
    reason = 0;
    ck_assert_uint_eq(brim_claim_many(c, &bytes, 1, &o, &ref, &load, &s), 0);
    ck_assert_int_eq(s, BRIM_FAILED);
    ck_assert_int_eq(reason, expected);
    ck_assert_uint_eq(runs_of(&never), 0);
    told_nothing(&t);
    ck_assert_ptr_null(brim_find(c, BRIM_KEY(key)));
}

START_TEST(test_load_a_failure_is_remembered_until_its_time_is_up)
{
    brim_cache *c = clock_cache(100);
    told t;

    for (int round = 1; round < 3; round++) {
        brim_load *load = claim(c, KEY);

        (void)wait_for(c, KEY, &t);
        brim_load_fail_for(load, REASON + round, 100);
        told_failed(&t, REASON + round);
        failed_at_once(c, REASON + round);
        atomic_fetch_add(&clock_ns, 99);
        failed_at_once(c, REASON + round);
        atomic_fetch_add(&clock_ns, 2);
    }
    ck_assert_int_eq(finish_load(claim(c, KEY), ID, 1, NULL), BRIM_OK);
    ck_assert_uint_eq(found_id(c, KEY), ID);
    ck_assert_uint_eq(stats_of(c).load_failures, 2);
    finish(c);
}
END_TEST

START_TEST(test_load_how_long_a_failure_is_remembered)
{
    brim_cache *c = clock_cache(100);

    brim_load_fail_for(claim(c, KEY), REASON, 0);
    ck_assert_int_eq(claim_status(c, KEY, -1), BRIM_CLAIMED);
    brim_load_fail_for(claim(c, KEY), REASON, UINT64_MAX);
    failed_at_once(c, REASON);
    atomic_store(&clock_ns, UINT64_MAX / 2);
    failed_at_once(c, REASON);
    brim_clear(c);
    brim_load_fail_for(claim(c, KEY), REASON, UINT64_MAX);
    failed_at_once(c, REASON);
    finish(c);
}
END_TEST

/* ${_i}: 0 an insert, 1 one that then leaves, 2 a removal, 3 a clear, 4 a cancellation. */
START_TEST(test_load_what_forgets_a_failure)
{
    brim_cache *c = clock_cache(100);
    uint64_t key = KEY, other = 2;

    brim_load_fail_for(claim(c, KEY), REASON, UINT64_MAX / 4);
    brim_load_fail_for(claim(c, other), REASON, UINT64_MAX / 4);
    failed_at_once(c, REASON);
    switch (_i) {
    case 0: ck_assert_int_eq(put(c, KEY, ID, 1), BRIM_OK); break;
    case 1:
        ck_assert_int_eq(put(c, KEY, ID, 1), BRIM_OK);
        ck_assert_uint_eq(brim_trim(c, 0), 1);
        break;
    case 2: ck_assert(!brim_remove(c, BRIM_KEY(key))); break;
    case 3: brim_clear(c); break;
    default: (void)brim_load_cancel(c, BRIM_KEY(key)); break;
    }
    ck_assert_int_eq(claim_status(c, KEY, -1), _i == 0 ? BRIM_OK : BRIM_CLAIMED);
    ck_assert_int_eq(claim_status(c, other, -1), _i == 3 ? BRIM_CLAIMED : BRIM_FAILED);
    finish(c);
}
END_TEST

START_TEST(test_load_remembered_failures_give_their_memory_back)
{
    brim_options o = value_options(100);
    brim_cache *c;
    heap h;

    heap_init(&h);
    atomic_store(&clock_ns, 1000);
    o.allocator = &h.allocator;
    o.now = clock_now;
    c = make_cache(&o);
    for (uint64_t i = 0; i < 100; i++)
        brim_load_fail_for(claim(c, i), REASON, i % 2 == 0 ? 10 : UINT64_MAX / 4);
    atomic_fetch_add(&clock_ns, 11);
    for (uint64_t i = 0; i < 100; i += 4)
        ck_assert_int_eq(claim_status(c, i, -1), BRIM_CLAIMED);
    finish(c);
    ck_assert_uint_eq(atomic_load(&h.live), 0);
}
END_TEST

/* ---- Statistics and work */

static uint64_t nanoseconds(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static void work_for(uint64_t ns)
{
    uint64_t end = nanoseconds() + ns;

    while (nanoseconds() < end)
        ;
}

enum { MS = 1000000 };

static void work_two_ms(void *arg)
{
    (void)arg;
    work_for(2 * MS);
}

typedef struct nesting {
    brim_cache *cache;
    maker *inner;
} nesting;

static void get_inner(void *arg)
{
    nesting *n = arg;
    brim_ref *ref = NULL;

    for (uint64_t key = 10; key < 13; key++) {
        EXPECT(get(n->cache, key, n->inner, &ref) == BRIM_OK);
        brim_release(ref);
    }
}

START_TEST(test_load_time_in_loaders_is_measured_and_nested_not_twice)
{
    brim_cache *c = make_value_cache(100);
    maker inner = {.id = 1, .cost = 1, .during = work_two_ms};
    nesting n = {c, &inner};
    maker outer = {.id = ID, .cost = 1, .during = get_inner, .arg = &n};
    uint64_t before = nanoseconds(), elapsed;
    brim_ref *ref = NULL;

    ck_assert_int_eq(get(c, KEY, &outer, &ref), BRIM_OK);
    elapsed = nanoseconds() - before;
    ck_assert_uint_eq(runs_of(&inner), 3);
    ck_assert_uint_ge(stats_of(c).load_ns, 6 * MS);
    ck_assert_uint_le(stats_of(c).load_ns, elapsed);
    brim_release(ref);
    finish(c);
}
END_TEST

START_TEST(test_load_time_of_claimed_loads_is_measured_from_begin)
{
    brim_cache *c = make_value_cache(100);
    brim_load *load = claim(c, KEY);
    uint64_t before, elapsed, first;

    work_for(2 * MS);
    before = nanoseconds();
    brim_load_begin(load);
    work_for(2 * MS);
    ck_assert_int_eq(finish_load(load, ID, 1, NULL), BRIM_OK);
    elapsed = nanoseconds() - before;
    first = stats_of(c).load_ns;
    ck_assert_uint_ge(first, 2 * MS);
    ck_assert_uint_le(first, elapsed);
    load = claim(c, 2);
    work_for(2 * MS);
    ck_assert_int_eq(finish_load(load, ID, 1, NULL), BRIM_OK);
    ck_assert_uint_eq(stats_of(c).load_ns, first); /* it never began */
    load = claim(c, 3);
    brim_load_begin(load);
    work_for(2 * MS);
    brim_load_fail(load, REASON);
    ck_assert_uint_ge(stats_of(c).load_ns, first + 2 * MS);
    finish(c);
}
END_TEST

/*
 * Twice as many keys as places, asked for uniformly, half of them take long to load.  By the objective of the least
 * work those stay: keeping them alone hits 1 and 0, keeping any 0.5 and 0.5; at least 0.3 of that difference.
 */
enum { PLACES = CHECKING_BUILD ? 128 : 512, LONG_NS = 40000 };

static brim_status load_by_parity(const void *key, size_t key_len, void *arg, void **v, size_t *cost)
{
    uint64_t k;

    (void)key_len;
    memcpy(&k, key, sizeof k);
    if (k % 2 == 0)
        work_for(LONG_NS);
    *v = arg;
    *cost = 1;
    return BRIM_OK;
}

static brim_cache *work_cache(void)
{
    brim_options o;

    brim_options_init(&o, PLACES);
    o.objective = BRIM_WORK;
    o.shards = 1;
    o.seed = 7;
    return make_cache(&o);
}

static double share_of_hits(const unsigned hits[2], const unsigned asked[2], int sort)
{
    return (double)hits[sort] / (double)asked[sort];
}

START_TEST(test_load_measured_work_keeps_what_takes_long)
{
    brim_cache *c = work_cache();
    unsigned hits[2] = {0}, asked[2] = {0};
    uint64_t state = 9;

    for (int i = 0; i < 24 * PLACES; i++) {
        uint64_t key = (random_next(&state) >> 20) % (2 * PLACES);
        bool hit = has(c, key);
        brim_ref *ref = NULL;

        ck_assert_int_eq(brim_get(c, BRIM_KEY(key), load_by_parity, &state, &ref), BRIM_OK);
        brim_release(ref);
        if (i < 12 * PLACES)
            continue;
        asked[key % 2]++;
        hits[key % 2] += hit;
    }
    ck_assert_double_gt(share_of_hits(hits, asked, 0), share_of_hits(hits, asked, 1) + 0.3);
    finish(c);
}
END_TEST

START_TEST(test_load_statistics_by_kind)
{
    brim_cache *c = make_value_cache(100);
    brim_entry_options e = entry_defaults();
    brim_claim_options o = claim_defaults();
    maker m = {.id = ID, .cost = 1};
    brim_ref *ref = NULL;
    brim_stats all, heards, values;

    memset(&heard, 0, sizeof heard);
    e.kind = &heard_kind;
    o.entry = &e;
    for (uint64_t key = 0; key < 3; key++)
        for (int again = 0; again < 2; again++) {
            ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, make_value, &m, &ref), BRIM_OK);
            brim_release(ref);
        }
    brim_load_fail(claim_with(c, 3, &o), REASON);
    ck_assert_int_eq(get(c, 4, &m, &ref), BRIM_OK);
    brim_release(ref);
    all = stats_of(c);
    brim_stats_get_sized(c, &heard_kind, &heards, sizeof heards);
    brim_stats_get_sized(c, &value_kind, &values, sizeof values);
    ck_assert_uint_eq(heards.loads, 3);
    ck_assert_uint_eq(heards.load_failures, 1);
    ck_assert_uint_eq(heards.hits, 3);
    ck_assert_uint_eq(heards.misses, 4);
    ck_assert_uint_eq(heards.insertions, 3);
    ck_assert_uint_eq(values.loads, 1);
    ck_assert_uint_eq(values.load_failures, 0);
    ck_assert_uint_eq(values.misses, 1);
    ck_assert_uint_eq(all.loads, 4);
    ck_assert_uint_eq(all.load_failures, 1);
    ck_assert_uint_eq(all.misses, 5);
    ck_assert_uint_eq(all.hits, 3);
    finish(c);
}
END_TEST

/* Loads of keys evicted a moment ago are redundant; those of keys never seen are not, but for one in a hundred. */
START_TEST(test_load_redundant_loads_are_counted)
{
    brim_options o = value_options(64);
    brim_cache *c;
    maker m = {.id = ID, .cost = 1};
    brim_ref *ref = NULL;
    uint64_t fresh, again;

    o.shards = 1;
    c = make_cache(&o);
    for (uint64_t key = 0; key < 1000; key++) {
        ck_assert_int_eq(get(c, key, &m, &ref), BRIM_OK);
        brim_release(ref);
    }
    fresh = stats_of(c).redundant_loads;
    ck_assert_uint_le(fresh, 50);
    for (int round = 0; round < 4; round++)
        for (uint64_t key = 5000; key < 5080; key++) {
            ck_assert_int_eq(get(c, key, &m, &ref), BRIM_OK);
            brim_release(ref);
        }
    again = stats_of(c).redundant_loads - fresh;
    ck_assert_uint_gt(again, 5);
    ck_assert_uint_le(again, stats_of(c).loads - 1000);
    finish(c);
}
END_TEST

/* ---- No memory */

static brim_cache *heap_cache(heap *h, size_t capacity)
{
    brim_options o = value_options(capacity);

    heap_init(h);
    o.allocator = &h->allocator;
    return make_cache(&o);
}

START_TEST(test_load_without_memory_the_loader_does_not_run)
{
    heap h;
    brim_cache *c = heap_cache(&h, 1000000);
    maker m = {.id = ID, .cost = 1};
    brim_ref *ref = NULL;
    brim_load *load = NULL;
    uint64_t key = 1;

    ck_assert_int_eq(get(c, 0, &m, &ref), BRIM_OK);
    brim_release(ref);
    heap_fail(&h, 1, SIZE_MAX);
    while (get(c, key, &m, &ref) == BRIM_OK) { /* memory kept ready may serve a few */
        brim_release(ref);
        ck_assert_uint_eq(runs_of(&m), ++key);
        ck_assert_uint_lt(key, 100000);
    }
    ck_assert_int_eq(get(c, key, &m, &ref), BRIM_NOMEM);
    ck_assert_ptr_null(ref);
    ck_assert_uint_eq(runs_of(&m), key);
    load = (brim_load *)&key;
    ck_assert_int_eq(brim_claim(c, BRIM_KEY(key), -1, &ref, &load), BRIM_NOMEM);
    ck_assert(ref == NULL && load == NULL);
    ck_assert_uint_eq(stats_of(c).loading, 0);
    ck_assert_uint_eq(found_id(c, 0), ID);
    heap_fail(&h, SIZE_MAX, SIZE_MAX);
    ck_assert_int_eq(get(c, key, &m, &ref), BRIM_OK);
    brim_release(ref);
    finish(c);
    ck_assert_uint_eq(atomic_load(&h.live), 0);
}
END_TEST

/* Whichever allocation fails. */
START_TEST(test_load_the_nth_allocation_fails)
{
    unsigned failed = 0;

    for (size_t n = 1; n < 12; n++) {
        heap h;
        brim_cache *c = heap_cache(&h, 1000);
        maker m = {.id = ID, .cost = 1};
        brim_ref *ref = NULL;
        brim_load *load = NULL;
        uint64_t key = 2;
        brim_status s;

        ck_assert_int_eq(put(c, 50, 50, 1), BRIM_OK);
        heap_fail(&h, n, n + 1);
        s = get(c, KEY, &m, &ref);
        ck_assert(s == BRIM_OK || s == BRIM_NOMEM);
        ck_assert_uint_eq(runs_of(&m), s == BRIM_OK ? 1 : 0);
        ck_assert((ref != NULL) == (s == BRIM_OK));
        brim_release(ref);
        s = brim_claim(c, BRIM_KEY(key), -1, &ref, &load);
        ck_assert(s == BRIM_CLAIMED || s == BRIM_NOMEM);
        if (s == BRIM_CLAIMED) {
            told t = {0};
            brim_load *none = NULL;
            brim_status waited = brim_claim_async(c, BRIM_KEY(key), NULL, tell, &t, &ref, &none, NULL);

            ck_assert(waited == BRIM_PENDING || waited == BRIM_NOMEM);
            s = finish_load(load, 2, 1, NULL);
            ck_assert(s == BRIM_OK || s == BRIM_FULL);
            ck_assert_uint_eq(atomic_load(&t.calls), waited == BRIM_PENDING ? 1 : 0);
        }
        failed += (unsigned)atomic_load(&h.failed);
        ck_assert_uint_eq(stats_of(c).loading, 0);
        ck_assert_uint_eq(stats_of(c).reserved, 0);
        finish(c);
        ck_assert_uint_eq(atomic_load(&h.live), 0);
    }
    ck_assert_uint_gt(failed, 0);
}
END_TEST

START_TEST(test_load_finishing_needs_no_memory)
{
    enum { N = 40 };
    heap h;
    brim_cache *c = heap_cache(&h, 1000);
    brim_load *loads[N];
    told t[N];
    unsigned cached = 0;

    for (uint64_t i = 0; i < N; i++) {
        loads[i] = claim(c, i);
        (void)wait_for(c, i, &t[i]);
    }
    heap_fail(&h, 1, SIZE_MAX);
    for (uint64_t i = 0; i < N; i++) {
        brim_ref *out = NULL;
        brim_status s;

        if (i % 4 == 3) {
            brim_load_fail(loads[i], REASON);
            told_failed(&t[i], REASON);
            continue;
        }
        s = finish_load(loads[i], i, 1, &out);
        ck_assert(s == BRIM_OK || s == BRIM_FULL); /* FULL: no memory for a larger index */
        ck_assert_uint_eq(id_of(out), i);
        ck_assert(brim_ref_is_cached(out) == (s == BRIM_OK));
        told_got(&t[i], i, s == BRIM_OK);
        ck_assert_uint_eq(found_id(c, i), s == BRIM_OK ? i : MISS);
        cached += s == BRIM_OK;
        brim_release(out);
    }
    ck_assert_uint_gt(cached, 0);
    heap_fail(&h, SIZE_MAX, SIZE_MAX);
    finish(c);
    ck_assert_uint_eq(atomic_load(&h.live), 0);
}
END_TEST

START_TEST(test_load_finish_with_a_new_kind_without_memory)
{
    heap h;
    brim_cache *c = heap_cache(&h, 1000);
    brim_load *load = claim(c, KEY);
    brim_entry_options e = entry_defaults();
    value *v = value_new(ID, COST);
    brim_ref *out = (brim_ref *)&h;

    memset(&heard, 0, sizeof heard);
    e.kind = &heard_kind;
    heap_fail(&h, 1, SIZE_MAX);
    ck_assert_int_eq(brim_load_finish_with(load, v, COST, &e, &out), BRIM_NOMEM);
    ck_assert_ptr_null(out);
    ck_assert(value_alive(v, ID));
    ck_assert_uint_eq(stats_of(c).loading, 1);
    heap_fail(&h, SIZE_MAX, SIZE_MAX);
    ck_assert_int_eq(brim_load_finish_with(load, v, COST, &e, NULL), BRIM_OK);
    finish(c);
    ck_assert_uint_eq(heard.destroyed, 1);
    ck_assert_uint_eq(atomic_load(&h.live), 0);
}
END_TEST

START_TEST(test_load_that_hits_needs_no_memory_for_a_new_kind)
{
    heap h;
    brim_cache *c = heap_cache(&h, 1000);
    brim_entry_options e = entry_defaults();
    brim_claim_options o = claim_defaults();
    maker never = {.id = ID, .cost = 1};
    brim_ref *ref = NULL;
    brim_load *load = NULL;
    uint64_t key = KEY;

    ck_assert_int_eq(put(c, KEY, 1, 1), BRIM_OK);
    e.kind = &heard_kind;
    o.entry = &e;
    heap_fail(&h, 1, SIZE_MAX);
    ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, make_value, &never, &ref), BRIM_OK);
    ck_assert_uint_eq(id_of(ref), 1);
    brim_release(ref);
    ck_assert_int_eq(brim_claim_with(c, BRIM_KEY(key), &o, &ref, &load), BRIM_OK);
    brim_release(ref);
    ck_assert_uint_eq(atomic_load(&h.failed), 0);
    ck_assert_uint_eq(runs_of(&never), 0);
    heap_fail(&h, SIZE_MAX, SIZE_MAX);
    finish(c);
    ck_assert_uint_eq(atomic_load(&h.live), 0);
}
END_TEST

/* ---- Failures that nobody asks for any more */

enum { FAILURES = 2000, A_FEW = 100 };

static size_t overhead_of_failures(brim_cache *c, uint64_t first, unsigned n, uint64_t ns)
{
    for (uint64_t i = 0; i < n; i++) {
        brim_load_fail_for(claim(c, first + i), REASON, ns);
        atomic_fetch_add(&clock_ns, 2);
    }
    return stats_of(c).overhead;
}

START_TEST(test_load_failures_that_are_over_make_way_for_later_ones)
{
    brim_cache *c = clock_cache(100);
    size_t few = overhead_of_failures(c, 0, A_FEW, 1), many = overhead_of_failures(c, A_FEW, FAILURES, 1);

    ck_assert_msg(many < 4 * few, "%zu bytes after %d failures, %zu after %d", many, FAILURES, few, A_FEW);
    finish(c);
}
END_TEST

/* ${_i}: brim_trim 0, brim_idle 1 make their memory that of other loads. */
START_TEST(test_load_failures_that_are_over_are_forgotten_from_outside)
{
    static brim_load *loads[FAILURES];
    brim_cache *c = clock_cache(100);
    size_t before = overhead_of_failures(c, 0, FAILURES, UINT64_C(1000000)), after;

    ck_assert_int_eq(claim_status(c, 0, -1), BRIM_FAILED);
    atomic_fetch_add(&clock_ns, UINT64_C(10000000));
    if (_i == 0)
        (void)brim_trim(c, 0);
    else
        (void)brim_idle(c);
    for (uint64_t i = 0; i < FAILURES; i++)
        loads[i] = claim(c, FAILURES + i);
    after = stats_of(c).overhead;
    ck_assert_msg(after < before + before / 2, "%zu bytes, %zu before", after, before);
    for (uint64_t i = 0; i < FAILURES; i++)
        brim_load_fail(loads[i], REASON);
    finish(c);
}
END_TEST

/* ---- Reservations of who comes second */

static struct {
    gate stop;
    brim_cache *cache;
    brim_status status;
    atomic_int tid;
} second;
static _Thread_local bool stops_for_memory;

static void stop_for_memory(void *arg)
{
    (void)arg;
    if (!stops_for_memory)
        return;
    stops_for_memory = false;
    gate_stop_here(&second.stop);
}

static void claim_second(unsigned id, void *arg)
{
    brim_claim_options o = expecting(60);
    brim_ref *ref = NULL;
    brim_load *load = NULL;
    uint64_t key = KEY;

    (void)id, (void)arg;
    EXPECT(!has(second.cache, KEY)); /* no memory is its first call's */
    atomic_store(&second.tid, gettid());
    stops_for_memory = true;
    second.status = brim_claim_with(second.cache, BRIM_KEY(key), &o, &ref, &load);
    EXPECT_MSG(!stops_for_memory, "it asked for no memory");
    EXPECT(load == NULL);
    EXPECT(second.status != BRIM_OK || id_of(ref) == ID);
    brim_release(ref);
}

/* Another claims while it gets the memory for its own load: it waits, and what it expects is not reserved. */
START_TEST(test_load_who_waits_for_anothers_keeps_no_reservation)
{
    heap h;
    uint64_t frame;
    brim_load *load;
    crew thread;

    memset(&second, 0, sizeof second);
    gate_init(&second.stop);
    second.cache = heap_cache(&h, 100);
    for (uint64_t i = 10; i < 20; i++)
        ck_assert_int_eq(put(second.cache, i, i, 10), BRIM_OK);
    h.hook = stop_for_memory;
    crew_start(&thread, 1, claim_second, NULL);
    gate_wait_reached(&second.stop);
    load = claim(second.cache, KEY);
    frame = brim_next_frame(second.cache);
    gate_open(&second.stop);
    WAIT_UNTIL(brim_load_asked(load) == frame && thread_sleeps(atomic_load(&second.tid)));
    ck_assert_uint_eq(stats_of(second.cache).loading, 1);
    ck_assert_uint_eq(stats_of(second.cache).reserved, 0);
    ck_assert_uint_eq(brim_count(second.cache), 10);
    ck_assert_int_eq(finish_load(load, ID, 70, NULL), BRIM_OK);
    crew_join(&thread);
    ck_assert_int_eq(second.status, BRIM_OK);
    ck_assert(has(second.cache, KEY));
    gate_destroy(&second.stop);
    h.hook = NULL;
    finish(second.cache);
    ck_assert_uint_eq(atomic_load(&h.live), 0);
}
END_TEST

/* ---- Groups as they are when it is claimed */

static void *claim_into_group(void *p)
{
    asking *a = p;

    atomic_store(&a->tid, gettid());
    asking_do(a);
    return NULL;
}

/* ${_i}: 0 the group is invalidated, 1 closed, while it waits for a load that was overtaken. */
START_TEST(test_load_claimed_after_an_invalidation_is_wanted_though_asked_for_before)
{
    brim_cache *c = make_value_cache(100);
    brim_group *group = brim_group_new(c);
    brim_entry_options e = entry_defaults();
    brim_load *before = claim(c, KEY);
    asking a = {.cache = c, .key = KEY, .entry = &e, .timeout_ms = -1};
    uint64_t key = KEY;

    e.group = group;
    (void)brim_remove(c, BRIM_KEY(key));
    a.frame = brim_next_frame(c);
    ck_assert_int_eq(pthread_create(&a.thread, NULL, claim_into_group, &a), 0);
    asking_waits(&a, before);
    if (_i == 0)
        brim_group_invalidate(group);
    else
        brim_group_close(group);
    brim_load_fail(before, REASON);
    asking_join(&a);
    if (_i == 0) {
        ck_assert_int_eq(a.status, BRIM_CLAIMED);
        ck_assert(brim_load_is_wanted(a.load));
        ck_assert_uint_eq(brim_group_loads(group), 1);
        ck_assert_int_eq(finish_load(a.load, ID, 1, NULL), BRIM_OK);
        ck_assert_uint_eq(found_id(c, KEY), ID);
        brim_group_invalidate(group);
        ck_assert(!has(c, KEY));
    } else {
        asking_got_none(&a, BRIM_CANCELED, 0);
    }
    ck_assert_uint_eq(brim_group_loads(group), 0);
    brim_group_drop(group);
    finish(c);
}
END_TEST

START_TEST(test_load_refused_for_want_of_an_entry_is_counted)
{
    brim_options o = value_options(1000);
    brim_ref *held = NULL, *none = NULL;
    brim_load *load = NULL;
    uint64_t key = 2;
    brim_cache *c;

    o.max_entries = 1;
    c = make_cache(&o);
    ck_assert_int_eq(put_ref(c, 1, 1, 10, &held), BRIM_OK);
    ck_assert_int_eq(brim_claim(c, BRIM_KEY(key), 0, &none, &load), BRIM_CLAIMED);
    ck_assert_int_eq(brim_load_finish(load, value_new(2, 10), 10, NULL), BRIM_FULL);
    ck_assert_uint_eq(stats_of(c).refused, 1);
    ck_assert_uint_eq(stats_of(c).too_big, 0);
    ck_assert_uint_eq(stats_of(c).loads, 1);
    brim_release(held);
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("load_ends");

    tcase_add_loop_test(tc, test_load_reserves_what_it_expects, 0, 8);
    tcase_add_test(tc, test_load_makes_room_before_it_begins);
    tcase_add_loop_test(tc, test_load_goes_on_without_a_reservation, 0, 3);
    tcase_add_test(tc, test_load_a_loader_runs_with_its_reservation);
    tcase_add_test(tc, test_load_of_a_loader_ends_by_its_return_alone);
    tcase_add_test(tc, test_load_finish_with_bad_options_leaves_load_and_value);
    tcase_add_test(tc, test_load_finish_with_the_claims_options_or_others);
    tcase_add_test(tc, test_load_finished_without_room_for_its_destruction_is_destroyed_once);
    tcase_add_loop_test(tc, test_load_a_failed_load_wakes_all_who_wait, 0, 2);
    tcase_add_test(tc, test_load_a_failure_is_remembered_until_its_time_is_up);
    tcase_add_test(tc, test_load_how_long_a_failure_is_remembered);
    tcase_add_loop_test(tc, test_load_what_forgets_a_failure, 0, 5);
    tcase_add_test(tc, test_load_remembered_failures_give_their_memory_back);
    tcase_add_test(tc, test_load_time_in_loaders_is_measured_and_nested_not_twice);
    tcase_add_test(tc, test_load_time_of_claimed_loads_is_measured_from_begin);
    tcase_add_test(tc, test_load_measured_work_keeps_what_takes_long);
    tcase_add_test(tc, test_load_statistics_by_kind);
    tcase_add_test(tc, test_load_redundant_loads_are_counted);
    tcase_add_test(tc, test_load_without_memory_the_loader_does_not_run);
    tcase_add_test(tc, test_load_the_nth_allocation_fails);
    tcase_add_test(tc, test_load_finishing_needs_no_memory);
    tcase_add_test(tc, test_load_refused_for_want_of_an_entry_is_counted);
    tcase_add_test(tc, test_load_finish_with_a_new_kind_without_memory);
    tcase_add_test(tc, test_load_that_hits_needs_no_memory_for_a_new_kind);
    tcase_add_test(tc, test_load_failures_that_are_over_make_way_for_later_ones);
    tcase_add_loop_test(tc, test_load_failures_that_are_over_are_forgotten_from_outside, 0, 2);
    tcase_add_test(tc, test_load_who_waits_for_anothers_keeps_no_reservation);
    tcase_add_loop_test(tc, test_load_claimed_after_an_invalidation_is_wanted_though_asked_for_before, 0, 2);
    return suite_run(tc);
}
