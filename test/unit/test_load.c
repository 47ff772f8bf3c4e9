/* SPDX-License-Identifier: MIT
 *
 * cache/load: a load's memory and reservation, at whatever allocation memory ends, and requests.
 */
#include <sched.h>

#include "unit/caches.h"

enum { KEY_LEN = 300 /* so that each entry is an allocation of its own */, CALLS_MOST = 40 };

static unsigned char long_key[KEY_LEN];
static told heard;

/* ---- Memory fails at each allocation */

typedef brim_status way(brim_cache *c, const brim_claim_options *o);

static brim_status by_claim(brim_cache *c, const brim_claim_options *o)
{
    brim_ref *ref;
    brim_load *load;
    brim_status s = brim_claim_with(c, long_key, KEY_LEN, o, &ref, &load);

    if (s == BRIM_CLAIMED)
        ck_assert_int_eq(finish_load(load, 1, 5, NULL), BRIM_OK);
    return s;
}

static brim_status by_claim_async(brim_cache *c, const brim_claim_options *o)
{
    brim_ref *ref;
    brim_load *load;
    brim_wait *wait;
    brim_status s = brim_claim_async(c, long_key, KEY_LEN, o, tell, &heard, &ref, &load, &wait);

    ck_assert_ptr_null(wait);
    if (s == BRIM_CLAIMED)
        brim_load_fail(load, 3);
    return s;
}

static brim_status by_claim_many(brim_cache *c, const brim_claim_options *o)
{
    brim_bytes key = {long_key, KEY_LEN};
    brim_ref *ref;
    brim_load *load;
    brim_status s;

    ck_assert_uint_eq(brim_claim_many(c, &key, 1, o, &ref, &load, &s), 0);
    if (s == BRIM_CLAIMED)
        ck_assert_int_eq(finish_load(load, 1, 5, NULL), BRIM_OK);
    return s;
}

static brim_status by_get(brim_cache *c, const brim_claim_options *o)
{
    maker m = {.id = 1, .cost = 5};
    brim_ref *ref;
    brim_status s = brim_get_with(c, long_key, KEY_LEN, o, make_value, &m, &ref);

    ck_assert_uint_eq(runs_of(&m), s == BRIM_OK);
    brim_release(ref);
    return s == BRIM_OK ? BRIM_CLAIMED : s;
}

static way *const ways[] = {by_claim, by_claim_async, by_claim_many, by_get};

START_TEST(memory_fails_at_each_allocation)
{
    brim_claim_options o = expecting(7);
    brim_entry_options e = entry_defaults();
    brim_status s = BRIM_NOMEM;
    unsigned failed = 0;
    brim_cache *c;
    heap h;

    c = cache_on(&h, 100);
    e.max_idle = UINT64_MAX / 2;
    e.group = brim_group_new(c);
    o.entry = &e;
    ck_assert_int_eq(put(c, 1, 1, 5), BRIM_OK); /* stripes and the first slots are there */
    for (size_t n = 1; s != BRIM_CLAIMED; n++) {
        ck_assert_uint_lt(n, CALLS_MOST);
        heap_fail(&h, n, n + 1);
        s = ways[_i](c, &o);
        ck_assert(s == BRIM_CLAIMED || s == BRIM_NOMEM);
        failed += s == BRIM_NOMEM;
        heap_fail(&h, SIZE_MAX, SIZE_MAX);
        ck_assert(brim_check(c, stderr));
        if (s == BRIM_NOMEM)
            no_loads(c, 1 + 1); /* the group counts, too */
        ck_assert_uint_eq(brim_group_loads(e.group), 0);
        ck_assert_uint_eq(brim_used(c), s == BRIM_CLAIMED && _i != 1 ? 10 : 5);
    }
    ck_assert_uint_ge(failed, _i == 3 ? 2 : 3); /* the load, its entry, and the spare of one that is claimed */
    (void)brim_remove(c, long_key, KEY_LEN);
    no_loads(c, 1 + 1);
    brim_group_drop(e.group);
    no_loads(c, 1);
    ck_assert_uint_eq(found_id(c, 1), 1);
    finish_on(c, &h);
}
END_TEST

START_TEST(a_kind_is_part_of_it)
{
    brim_kind kind = value_kind;
    brim_entry_options e = entry_defaults();
    brim_claim_options o = claim_defaults();
    brim_ref *ref;
    brim_load *load;
    brim_cache *c;
    heap h;

    c = cache_on(&h, 100);
    e.kind = &kind;
    o.entry = &e;
    heap_fail(&h, 1, 2);
    ck_assert_int_eq(brim_claim_with(c, long_key, KEY_LEN, &o, &ref, &load), BRIM_NOMEM);
    ck_assert_ptr_null(kind_look_up(c, &kind));
    no_loads(c, 0);
    finish_on(c, &h);
}
END_TEST

/* ---- What is made */

START_TEST(a_claimed_load_has_all_that_finishing_needs)
{
    struct extra most = {.max_age = 1, .groups = EXTRA_GROUPS};
    brim_cache *c;
    brim_load *l;
    size_t len;
    heap h;

    c = cache_on(&h, 100);
    l = claim(c, 7);
    ck_assert_ptr_eq(load_under_way(c, 7), l);
    ck_assert_ptr_nonnull(l->spare);
    ck_assert_uint_ge(entry_flags(l->spare) & ENTRY_CLASS, slab_class_of(extra_size(sizeof(uint64_t), &most)));
    ck_assert_mem_eq(entry_key(l->flight.entry, &len), &(uint64_t){7}, sizeof(uint64_t));
    ck_assert_mem_eq(entry_key(l->spare, &len), &(uint64_t){7}, sizeof(uint64_t));
    ck_assert_ptr_null(atom_load_relaxed(&l->flight.owner)); /* anybody may finish it */
    ck_assert_ptr_null(l->in.key);                           /* the caller's own */
    brim_load_fail(l, 1);
    no_loads(c, 0);
    finish_on(c, &h);
}
END_TEST

static struct brim_load *inside;

static void look_inside(void *c)
{
    inside = load_under_way(c, 7);
    EXPECT(inside != NULL && inside->spare == NULL && inside->by_loader);
    EXPECT(atom_load_relaxed(&inside->flight.owner) == thread_self());
    EXPECT(thread_self()->loading == &inside->flight);
}

START_TEST(a_loaders_has_no_spare_and_an_owner)
{
    brim_cache *c;
    maker m = {.id = 1, .cost = 1, .during = look_inside};
    brim_ref *r;
    heap h;

    c = cache_on(&h, 100);
    m.arg = c;
    ck_assert_int_eq(get(c, 7, &m, &r), BRIM_OK);
    ck_assert_ptr_null(thread_self()->loading);
    ck_assert_ptr_nonnull(inside);
    brim_release(r);
    no_loads(c, 1);
    finish_on(c, &h);
}
END_TEST

/* ---- Reservations */

START_TEST(what_is_expected_is_reserved_until_the_end)
{
    brim_claim_options o = expecting(30);
    brim_cache *c;
    brim_load *l;
    heap h;

    c = cache_on(&h, 100);
    l = claim_with(c, 1, &o);
    ck_assert_uint_eq(l->reserved, 30);
    ck_assert_uint_eq(atom_load_relaxed(&c->by_loads), 30);
    ck_assert_uint_eq(stripes_sum(&c->stripes, offsetof(struct stripe, reserved)), 0); /* no thread's any more */
    ck_assert_uint_eq(brim_used(c), 30);
    ck_assert_uint_eq(load_reserved(&l->flight), 30);
    switch (_i) {
    case 0:
        ck_assert_int_eq(finish_load(l, 1, 10, NULL), BRIM_OK);
        break;
    case 1:
        brim_load_fail(l, 1);
        break;
    case 2: /* overtaken: what it had is room again before the value is shared outside */
        ck_assert(brim_load_cancel(c, BRIM_KEY((uint64_t){1})));
        ck_assert_uint_eq(atom_load_relaxed(&c->by_loads), 30); /* until it ends */
        ck_assert_int_eq(finish_load(l, 1, 10, NULL), BRIM_CANCELED);
        break;
    default:
        ck_assert_int_eq(finish_load(l, 1, 101, NULL), BRIM_TOO_BIG);
        break;
    }
    ck_assert_uint_eq(brim_used(c), _i == 0 ? 10 : 0);
    no_loads(c, _i == 0);
    finish_on(c, &h);
}
END_TEST

START_TEST(what_cannot_be_reserved_is_not)
{
    static const size_t cost[] = {0, 101, SIZE_MAX, 60};
    brim_claim_options o = expecting(cost[_i]);
    brim_cache *c;
    brim_load *l;
    brim_ref *r;
    heap h;

    c = cache_on(&h, 100);
    ck_assert_int_eq(put_ref(c, 2, 2, 50, &r), BRIM_OK);
    l = claim_with(c, 1, &o); /* goes on without */
    ck_assert_uint_eq(l->reserved, 0);
    ck_assert_uint_eq(brim_used(c), 50);
    ck_assert_int_eq(finish_load(l, 1, 10, NULL), BRIM_OK);
    brim_release(r);
    no_loads(c, 2);
    finish_on(c, &h);
}
END_TEST

/* ---- Requests */

START_TEST(options_are_taken_over)
{
    brim_cache *c;
    struct request r = {.expected = 0};
    brim_claim_options o = expecting(9);
    int reason = 77;
    heap h;

    c = cache_on(&h, 100);
    r.cache = c;
    ck_assert_int_eq(request_options(&r, NULL), BRIM_OK);
    ck_assert_int_eq(r.timeout_ms, -1);
    ck_assert_ptr_null(r.reason);
    request_reason(&r, 5); /* nowhere */
    o.reason = &reason;
    o.timeout_ms = 12;
    ck_assert_int_eq(request_options(&r, &o), BRIM_OK);
    ck_assert_int_eq(r.timeout_ms, 12);
    ck_assert_uint_eq(r.expected, 9);
    ck_assert_int_eq(reason, 0);
    request_reason(&r, 5);
    ck_assert_int_eq(reason, 5);
    o.size--;
    ck_assert_int_eq(request_options(&r, &o), BRIM_INVALID);
    ck_assert_int_eq(reason, 5);
    finish_on(c, &h);
}
END_TEST

/* Of what the thread's loader does, the time that a nested call has taken. */
START_TEST(nested_time_is_counted_of_the_innermost)
{
    static struct brim_load l, outer;
    static struct thread shared = {.reader.shared = true};
    struct thread *t = thread_self();

    request_count_nested(t, 0); /* no loader runs */
    l.outer = &outer.flight;
    t->loading = &l.flight;
    request_count_nested(t, 1);
    ck_assert_uint_gt(l.nested, 0);
    ck_assert_uint_eq(outer.nested, 0);
    t->loading = NULL;
    shared.loading = &outer.flight; /* many threads': nobody's in particular */
    request_count_nested(&shared, 1);
    ck_assert_uint_eq(outer.nested, 0);
}
END_TEST

START_TEST(all_are_overtaken_and_failures_forgotten)
{
    brim_cache *c;
    brim_load *l, *failed;
    told t;
    heap h;

    c = cache_on(&h, 100);
    l = claim(c, 1);
    (void)wait_for(c, 1, &t);
    failed = claim(c, 2);
    brim_load_fail_for(failed, 3, UINT64_MAX);
    ck_assert_int_eq(claim_status(c, 2, 0), BRIM_FAILED);
    load_end_all(c, false);
    ck_assert_uint_eq(state_of_load(l), FLIGHT_OVERTAKEN);
    told_nothing(&t);
    ck_assert_int_eq(claim_status(c, 2, 0), BRIM_CLAIMED);
    load_end_all(c, true);
    told_failed(&t, BRIM_CANCELED);
    ck_assert_ptr_null(load_under_way(c, 1));
    ck_assert_int_eq(finish_load(l, 1, 1, NULL), BRIM_CANCELED);
    no_loads(c, 0);
    finish_on(c, &h);
}
END_TEST

#ifdef BRIM_INTERFERE
static struct { brim_cache *cache; brim_load *load; worker ends; } late;

static bool somebody_waits(struct brim_load *l)
{
    struct shard *sh = cache_shard(l->cache, hash_place(l->hash));
    bool waits;

    lock_acquire(&sh->lock);
    waits = l->flight.refs > 1;
    lock_release(&sh->lock);
    return waits;
}

static void end_late(void *arg)
{
    while (!somebody_waits(arg))
        (void)sched_yield();
    brim_load_fail(arg, 3);
}

/* A load that another call overtakes: who asks now waits for its end, and then asks anew. */
static void claim_and_overtake(void *arg)
{
    uint64_t key = 1;
    brim_ref *none;

    (void)arg;
    if (brim_claim(late.cache, BRIM_KEY(key), 0, &none, &late.load) != BRIM_CLAIMED)
        return;
    EXPECT(put(late.cache, key, 1, 1) == BRIM_OK);
    EXPECT(brim_remove(late.cache, BRIM_KEY(key)));
    worker_begin(&late.ends, end_late, late.load);
}

START_TEST(late_for_a_load_that_was_begun_meanwhile)
{
    bool met = true;
    unsigned waited = 0;

    for (unsigned after = 0; met; after++) {
        struct other o = {.act = claim_and_overtake};
        uint64_t key = 1;
        brim_load *own;
        brim_ref *none;
        heap h;

        late.cache = o.cache = cache_on(&h, 100);
        late.load = NULL;
        worker_start(&late.ends);
        other_begin(&o, after);
        ck_assert_int_eq(brim_claim(o.cache, BRIM_KEY(key), -1, &none, &own), BRIM_CLAIMED);
        met = other_end(&o);
        worker_end(&late.ends);
        brim_load_fail(own, 1);
        waited += late.load != NULL;
        no_loads(o.cache, 0);
        finish_on(o.cache, &h);
    }
    ck_assert_uint_gt(waited, 1);
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("load");

    tcase_add_loop_test(tc, memory_fails_at_each_allocation, 0, 4);
    tcase_add_test(tc, a_kind_is_part_of_it);
    tcase_add_test(tc, a_claimed_load_has_all_that_finishing_needs);
    tcase_add_test(tc, a_loaders_has_no_spare_and_an_owner);
    tcase_add_loop_test(tc, what_is_expected_is_reserved_until_the_end, 0, 4);
    tcase_add_loop_test(tc, what_cannot_be_reserved_is_not, 0, 4);
    tcase_add_test(tc, options_are_taken_over);
    tcase_add_test(tc, nested_time_is_counted_of_the_innermost);
    tcase_add_test(tc, all_are_overtaken_and_failures_forgotten);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, late_for_a_load_that_was_begun_meanwhile);
#endif
    return suite_run(tc);
}
