/* SPDX-License-Identifier: MIT
 *
 * Who waits for a load without blocking, what `done' may do, and what a load knows of those who ask: whether it is
 * wanted, when it was asked for, which is current.
 */
#include "support/loads.h"

enum { KEY = 1, ID = 100, COST = 10, REASON = 77 };

/* ---- brim_claim_async */

START_TEST(test_async_hit_and_claim)
{
    brim_cache *c = make_value_cache(100);
    brim_ref *ref = (brim_ref *)&c;
    brim_load *load = NULL;
    brim_wait *wait = (brim_wait *)&c;
    uint64_t key = KEY;
    told t = {0};

    ck_assert_int_eq(brim_claim_async(c, BRIM_KEY(key), NULL, tell, &t, &ref, &load, &wait), BRIM_CLAIMED);
    ck_assert(ref == NULL && load != NULL && wait == NULL);
    ck_assert_int_eq(finish_load(load, ID, COST, NULL), BRIM_OK);
    wait = (brim_wait *)&c;
    ck_assert_int_eq(brim_claim_async(c, BRIM_KEY(key), NULL, tell, &t, &ref, &load, &wait), BRIM_OK);
    ck_assert_uint_eq(id_of(ref), ID);
    ck_assert(load == NULL && wait == NULL);
    brim_release(ref);
    told_nothing(&t);
    finish(c);
}
END_TEST

/* ${_i}: how it ends: 0 finished, 1 not admitted, 2 failed, 3 negative. */
START_TEST(test_async_done_is_called_once_on_the_thread_that_ends_the_load)
{
    brim_cache *c = make_value_cache(100);
    brim_load *load = claim(c, KEY);
    told t[20];

    for (int i = 0; i < 20; i++)
        (void)wait_for(c, KEY, &t[i]);
    switch (_i) {
    case 0: ck_assert_int_eq(finish_load(load, ID, COST, NULL), BRIM_OK); break;
    case 1: ck_assert_int_eq(finish_load(load, ID, 101, NULL), BRIM_TOO_BIG); break;
    case 2: brim_load_fail(load, REASON); break;
    default: ck_assert_int_eq(brim_load_finish(load, NULL, COST, NULL), BRIM_OK); break;
    }
    for (int i = 0; i < 20; i++) {
        if (_i == 2)
            told_failed(&t[i], REASON);
        else
            told_got(&t[i], _i == 3 ? MISS : ID, _i != 1);
        ck_assert(pthread_equal(t[i].thread, pthread_self()));
    }
    ck_assert_uint_eq(brim_pinned(c), 0);
    ck_assert_uint_eq(values_live(), _i == 0 ? 1 : 0);
    finish(c);
}
END_TEST

START_TEST(test_async_done_of_a_loader)
{
    brim_cache *c = make_value_cache(100);
    gate stop;
    maker m = {.id = ID, .cost = COST, .stop = &stop, .status = _i == 0 ? BRIM_OK : BRIM_NOMEM};
    asking gets;
    told t;

    gate_init(&stop);
    asking_start(&gets, c, KEY, &m);
    gate_wait_reached(&stop);
    (void)wait_for(c, KEY, &t);
    told_nothing(&t);
    gate_open(&stop);
    asking_join(&gets);
    if (_i == 0) {
        told_got(&t, ID, true);
        asking_got(&gets, ID, true);
    } else {
        told_failed(&t, BRIM_NOMEM);
        asking_got_none(&gets, BRIM_FAILED, BRIM_NOMEM);
    }
    ck_assert(pthread_equal(t.thread, gets.thread));
    gate_destroy(&stop);
    finish(c);
}
END_TEST

START_TEST(test_async_wait_may_be_forgotten_and_its_place_be_null)
{
    brim_options o = value_options(100);
    brim_cache *c;
    brim_load *load, *none = NULL;
    brim_ref *ref = NULL;
    uint64_t key = KEY;
    told t[3] = {{0}};
    heap h;

    heap_init(&h);
    o.allocator = &h.allocator;
    c = make_cache(&o);
    load = claim(c, KEY);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(brim_claim_async(c, BRIM_KEY(key), NULL, tell, &t[i], &ref, &none, NULL), BRIM_PENDING);
    (void)wait_for(c, KEY, &t[2]);
    ck_assert_int_eq(finish_load(load, ID, COST, NULL), BRIM_OK);
    for (int i = 0; i < 3; i++)
        told_got(&t[i], ID, true);
    finish(c);
    ck_assert_uint_eq(atomic_load(&h.live), 0);
}
END_TEST

START_TEST(test_async_reason_is_0_while_pending)
{
    brim_cache *c = make_value_cache(100);
    brim_load *load = claim(c, KEY), *none = NULL;
    brim_claim_options o;
    brim_ref *ref = NULL;
    uint64_t key = KEY;
    told t = {0};
    int reason = 5;

    brim_claim_options_init(&o);
    o.reason = &reason;
    o.timeout_ms = 0; /* not used */
    ck_assert_int_eq(brim_claim_async(c, BRIM_KEY(key), &o, tell, &t, &ref, &none, NULL), BRIM_PENDING);
    ck_assert_int_eq(reason, 0);
    reason = 5;
    brim_load_fail(load, REASON);
    told_failed(&t, REASON);
    ck_assert_int_eq(reason, 5);
    finish(c);
}
END_TEST

/* ---- What `done' may do */

typedef struct doing {
    brim_cache *cache;
    brim_load *other; /* to finish */
    brim_status status;
    brim_ref *kept;
    unsigned calls;
} doing;

static void done_claims_again(brim_ref *ref, int reason, void *arg)
{
    doing *d = arg;

    d->calls++;
    EXPECT((ref == NULL) == (reason == REASON));
    d->status = claim_status(d->cache, KEY, -1);
    brim_release(ref);
}

/* The load has ended: after a failure the next to ask may try, also in `done'. */
START_TEST(test_async_done_may_claim_the_same_key)
{
    brim_cache *c = make_value_cache(100);
    brim_load *load = claim(c, KEY), *none = NULL;
    doing d = {.cache = c};
    brim_ref *ref = NULL;
    uint64_t key = KEY;

    ck_assert_int_eq(brim_claim_async(c, BRIM_KEY(key), NULL, done_claims_again, &d, &ref, &none, NULL),
                     BRIM_PENDING);
    if (_i == 0)
        ck_assert_int_eq(finish_load(load, ID, COST, NULL), BRIM_OK);
    else
        brim_load_fail(load, REASON);
    ck_assert_uint_eq(d.calls, 1);
    ck_assert_int_eq(d.status, _i == 0 ? BRIM_OK : BRIM_CLAIMED);
    finish(c);
}
END_TEST

static void done_keeps_and_finishes_another(brim_ref *ref, int reason, void *arg)
{
    doing *d = arg;
    uint64_t key = KEY;

    EXPECT(reason == 0 || ref == NULL);
    d->calls++;
    d->kept = ref;
    d->status = finish_load(d->other, ID + 1, COST, NULL);
    (void)brim_remove(d->cache, BRIM_KEY(key));
}

START_TEST(test_async_done_may_keep_its_ref_finish_another_load_and_remove)
{
    brim_cache *c = make_value_cache(100);
    brim_load *load = claim(c, KEY), *none = NULL;
    doing d = {.cache = c, .other = claim(c, 2)};
    brim_ref *ref = NULL;
    uint64_t key = KEY;
    told t;

    (void)wait_for(c, 2, &t);
    ck_assert_int_eq(brim_claim_async(c, BRIM_KEY(key), NULL, done_keeps_and_finishes_another, &d, &ref, &none, NULL),
                     BRIM_PENDING);
    ck_assert_int_eq(finish_load(load, ID, COST, NULL), BRIM_OK);
    ck_assert_uint_eq(d.calls, 1);
    ck_assert_int_eq(d.status, BRIM_OK);
    told_got(&t, ID + 1, true);
    ck_assert_uint_eq(id_of(d.kept), ID);
    ck_assert(!has(c, KEY));
    ck_assert_uint_eq(found_id(c, 2), ID + 1);
    brim_release(d.kept);
    ck_assert_uint_eq(values_live(), 1);
    finish(c);
}
END_TEST

static void done_asks_again(brim_ref *ref, int reason, void *arg)
{
    doing *d = arg;
    brim_ref *now = NULL;
    uint64_t key = KEY;

    d->calls++;
    brim_release(ref);
    if (reason == BRIM_CANCELED && ref == NULL)
        d->status = brim_claim_async(d->cache, BRIM_KEY(key), NULL, done_asks_again, d, &now, &d->other, NULL);
    EXPECT(now == NULL);
}

/* Asked after the load was overtaken: told to ask again, and then it is the one who loads. */
START_TEST(test_async_done_that_asks_again_when_told_so)
{
    brim_cache *c = make_value_cache(100);
    brim_load *load = claim(c, KEY), *none = NULL;
    doing d = {.cache = c};
    brim_ref *ref = NULL;
    uint64_t key = KEY;

    ck_assert(!brim_remove(c, BRIM_KEY(key)));
    ck_assert_int_eq(brim_claim_async(c, BRIM_KEY(key), NULL, done_asks_again, &d, &ref, &none, NULL), BRIM_PENDING);
    ck_assert_int_eq(finish_load(load, ID, COST, NULL), BRIM_CANCELED);
    ck_assert_uint_eq(d.calls, 1);
    ck_assert_int_eq(d.status, BRIM_CLAIMED);
    ck_assert_int_eq(finish_load(d.other, ID + 1, COST, NULL), BRIM_OK);
    ck_assert_uint_eq(found_id(c, KEY), ID + 1);
    finish(c);
}
END_TEST

/* ---- brim_wait_cancel */

START_TEST(test_async_canceled_wait_is_not_told)
{
    brim_cache *c = make_value_cache(100);
    brim_load *load = claim(c, KEY);
    brim_wait *w[4];
    told t[4];

    for (int i = 0; i < 4; i++)
        w[i] = wait_for(c, KEY, &t[i]);
    ck_assert(brim_wait_cancel(w[1]));
    ck_assert(brim_wait_cancel(w[3]));
    if (_i == 0)
        ck_assert_int_eq(finish_load(load, ID, COST, NULL), BRIM_OK);
    else
        brim_load_fail(load, REASON);
    ck_assert_uint_eq(atomic_load(&t[0].calls), 1);
    told_nothing(&t[1]);
    ck_assert_uint_eq(atomic_load(&t[2].calls), 1);
    told_nothing(&t[3]);
    ck_assert(!brim_wait_cancel(w[0]));
    ck_assert(!brim_wait_cancel(w[2]));
    ck_assert_uint_eq(atomic_load(&t[0].calls), 1);
    finish(c);
}
END_TEST

/* ${_i}: 0 told by the freeing, 1 by a cancellation before it, 2 canceled before it; the wait outlives the cache. */
START_TEST(test_async_wait_outlives_the_cache)
{
    brim_cache *c = make_value_cache(100);
    brim_load *load = claim(c, KEY);
    uint64_t key = KEY;
    brim_wait *w;
    told t;

    w = wait_for(c, KEY, &t);
    if (_i == 1)
        ck_assert(brim_load_cancel(c, BRIM_KEY(key)));
    if (_i == 2) {
        ck_assert(brim_wait_cancel(w));
        w = NULL;
    }
    brim_cache_free(c);
    if (_i == 2)
        told_nothing(&t);
    else
        told_failed(&t, BRIM_CANCELED);
    if (_i != 0)
        brim_load_fail(load, REASON);
    ck_assert(!brim_wait_cancel(w));
    if (_i == 0)
        brim_load_fail(load, REASON);
    ck_assert_uint_eq(atomic_load(&t.calls), _i == 2 ? 0 : 1);
}
END_TEST

START_TEST(test_async_forgotten_waits_of_a_freed_cache)
{
    brim_options o = value_options(100);
    brim_load *load;
    brim_cache *c;
    told t[3];
    heap h;

    heap_init(&h);
    o.allocator = &h.allocator;
    c = make_cache(&o);
    load = claim(c, KEY);
    for (int i = 0; i < 3; i++)
        (void)wait_for(c, KEY, &t[i]);
    brim_cache_free(c);
    for (int i = 0; i < 3; i++)
        told_failed(&t[i], BRIM_CANCELED);
    ck_assert_int_eq(finish_load(load, ID, COST, NULL), BRIM_CANCELED);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(atomic_load(&h.live), 0);
}
END_TEST

/* A wait is canceled while its load ends: either it was canceled or told, never both, never neither. */
enum { WAITS = 8 };
static struct {
    brim_load *load;
    brim_wait *waits[WAITS];
    told told[WAITS];
    bool canceled[WAITS];
    atomic_uint begun, ended;
    unsigned first; /* that which goes before the others: 0 the finish, 1 the cancellations; 2: none */
} race;

static void race_run(unsigned id, void *arg)
{
    (void)arg;
    atomic_fetch_add(&race.begun, 1);
    WAIT_UNTIL(atomic_load(&race.begun) == 3);
    if (race.first < 2 && race.first != id)
        WAIT_UNTIL(atomic_load(&race.ended) > 0);
    if (id == 0)
        (void)finish_load(race.load, ID, 1, NULL);
    else
        for (unsigned i = id - 1; i < WAITS; i += 2)
            race.canceled[i] = brim_wait_cancel(race.waits[i]);
    atomic_fetch_add(&race.ended, 1);
}

START_TEST(test_async_wait_is_canceled_or_told)
{
    brim_cache *c = make_value_cache(100);
    unsigned canceled = 0, told_so = 0;
    uint64_t key = KEY;

    for (int round = 0; round < SCALED(400); round++) {
        race.load = claim(c, KEY);
        for (int i = 0; i < WAITS; i++)
            race.waits[i] = wait_for(c, KEY, &race.told[i]);
        atomic_store(&race.begun, 0);
        atomic_store(&race.ended, 0);
        race.first = (unsigned)round % 8;
        crew_do(3, race_run, NULL);
        for (int i = 0; i < WAITS; i++) {
            unsigned calls = atomic_load(&race.told[i].calls);

            ck_assert_uint_eq(calls + race.canceled[i], 1);
            canceled += race.canceled[i];
            told_so += calls;
        }
        ck_assert_uint_eq(brim_pinned(c), 0);
        ck_assert(brim_remove(c, BRIM_KEY(key)));
    }
    ck_assert_uint_gt(canceled, 0);
    ck_assert_uint_gt(told_so, 0);
    finish(c);
}
END_TEST

/* ---- Wanted */

START_TEST(test_wanted_while_somebody_waits_or_nobody_ever_did)
{
    brim_cache *c = make_value_cache(100);
    brim_load *load = claim(c, KEY);
    brim_wait *a, *b;
    told t;

    ck_assert(brim_load_is_wanted(load));
    ck_assert_int_eq(claim_status(c, KEY, 0), BRIM_PENDING); /* does not wait */
    ck_assert(brim_load_is_wanted(load));
    a = wait_for(c, KEY, &t);
    b = wait_for(c, KEY, &t);
    ck_assert(brim_load_is_wanted(load));
    ck_assert(brim_wait_cancel(a));
    ck_assert(brim_load_is_wanted(load));
    ck_assert(brim_wait_cancel(b));
    ck_assert(!brim_load_is_wanted(load));
    a = wait_for(c, KEY, &t);
    ck_assert(brim_load_is_wanted(load));
    ck_assert_int_eq(finish_load(load, ID, COST, NULL), BRIM_OK);
    ck_assert(!brim_wait_cancel(a));
    told_got(&t, ID, true);
    finish(c);
}
END_TEST

START_TEST(test_wanted_no_more_when_the_time_of_all_who_waited_is_up)
{
    brim_cache *c = make_value_cache(100);
    brim_load *load = claim(c, KEY);

    ck_assert_int_eq(claim_status(c, KEY, 1), BRIM_TIMEOUT);
    ck_assert(!brim_load_is_wanted(load));
    ck_assert_int_eq(finish_load(load, ID, COST, NULL), BRIM_OK); /* all the same */
    ck_assert_uint_eq(found_id(c, KEY), ID);
    finish(c);
}
END_TEST

typedef struct wanting {
    brim_cache *cache;
    bool before, alone, after;
} wanting;

static void want(void *arg)
{
    wanting *w = arg;
    uint64_t key = KEY;
    brim_wait *wait;
    brim_load *none = NULL;
    brim_ref *ref = NULL;
    told t = {0};

    w->before = brim_load_is_wanted(brim_load_current());
    EXPECT(brim_claim_async(w->cache, BRIM_KEY(key), NULL, tell, &t, &ref, &none, &wait) == BRIM_PENDING);
    EXPECT(brim_wait_cancel(wait));
    w->alone = brim_load_is_wanted(brim_load_current());
    (void)brim_load_cancel(w->cache, BRIM_KEY(key));
    w->after = brim_load_is_wanted(brim_load_current());
    EXPECT(atomic_load(&t.calls) == 0);
}

START_TEST(test_wanted_by_its_own_get)
{
    brim_cache *c = make_value_cache(100);
    wanting w = {.cache = c};
    maker m = {.id = ID, .cost = COST, .during = want, .arg = &w};
    brim_ref *ref = NULL;

    ck_assert_int_eq(get(c, KEY, &m, &ref), BRIM_OK);
    ck_assert(w.before && w.alone && !w.after);
    brim_release(ref);
    finish(c);
}
END_TEST

/* ---- Asked for */

START_TEST(test_asked_is_the_frame_of_the_last_who_asked)
{
    brim_cache *c = make_value_cache(100);
    brim_load *load;
    uint64_t key = KEY;
    told t;

    ck_assert_uint_eq(brim_next_frame(c), 1);
    ck_assert_uint_eq(brim_next_frame(c), 2);
    load = claim(c, KEY);
    ck_assert_uint_eq(brim_load_asked(load), 2);
    ck_assert_uint_eq(brim_next_frame(c), 3);
    ck_assert_uint_eq(brim_load_asked(load), 2);
    (void)wait_for(c, KEY, &t);
    ck_assert_uint_eq(brim_load_asked(load), 3);
    ck_assert_uint_eq(brim_next_frame(c), 4);
    ck_assert(!has(c, KEY));
    ck_assert_uint_eq(brim_load_asked(load), 3);
    ck_assert_int_eq(claim_status(c, KEY, 0), BRIM_PENDING);
    ck_assert_uint_eq(brim_load_asked(load), 4);
    ck_assert_uint_eq(brim_next_frame(c), 5);
    ck_assert_int_eq(claim_status(c, KEY, 1), BRIM_TIMEOUT);
    ck_assert_uint_eq(brim_load_asked(load), 5);
    ck_assert(!brim_remove(c, BRIM_KEY(key)));
    ck_assert_int_eq(finish_load(load, ID, COST, NULL), BRIM_CANCELED);
    finish(c);
}
END_TEST

/* ---- Current */

enum { DEEP = 5 };
typedef struct current {
    brim_cache *cache;
    brim_load *seen[DEEP], *again[DEEP], *elsewhere;
    unsigned depth;
} current;

static void see_elsewhere(unsigned id, void *arg)
{
    (void)id;
    ((current *)arg)->elsewhere = brim_load_current();
}

static brim_status load_deep(const void *key, size_t key_len, void *arg, void **v, size_t *cost)
{
    current *s = arg;
    unsigned depth = s->depth++;
    uint64_t next = depth + 10;
    brim_ref *ref = NULL;

    (void)key, (void)key_len;
    s->seen[depth] = brim_load_current();
    if (depth + 1 < DEEP)
        EXPECT(brim_get(s->cache, BRIM_KEY(next), load_deep, s, &ref) == BRIM_OK);
    else
        crew_do(1, see_elsewhere, s);
    brim_release(ref);
    s->again[depth] = brim_load_current();
    *v = value_new(depth, 1);
    *cost = 1;
    return BRIM_OK;
}

START_TEST(test_current_is_the_innermost_loaders)
{
    brim_cache *c = make_value_cache(100);
    current s = {.cache = c, .elsewhere = (brim_load *)&c};
    brim_ref *ref = NULL;
    uint64_t key = KEY;

    ck_assert_ptr_null(brim_load_current());
    ck_assert_int_eq(brim_get(c, BRIM_KEY(key), load_deep, &s, &ref), BRIM_OK);
    ck_assert_ptr_null(brim_load_current());
    ck_assert_uint_eq(s.depth, DEEP);
    for (int i = 0; i < DEEP; i++) {
        ck_assert_ptr_nonnull(s.seen[i]);
        ck_assert_ptr_eq(s.seen[i], s.again[i]);
        for (int j = 0; j < i; j++)
            ck_assert_ptr_ne(s.seen[i], s.seen[j]);
    }
    ck_assert_ptr_null(s.elsewhere);
    brim_release(ref);
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("load_async");

    tcase_add_test(tc, test_async_hit_and_claim);
    tcase_add_loop_test(tc, test_async_done_is_called_once_on_the_thread_that_ends_the_load, 0, 4);
    tcase_add_loop_test(tc, test_async_done_of_a_loader, 0, 2);
    tcase_add_test(tc, test_async_wait_may_be_forgotten_and_its_place_be_null);
    tcase_add_test(tc, test_async_reason_is_0_while_pending);
    tcase_add_loop_test(tc, test_async_done_may_claim_the_same_key, 0, 2);
    tcase_add_test(tc, test_async_done_may_keep_its_ref_finish_another_load_and_remove);
    tcase_add_test(tc, test_async_done_that_asks_again_when_told_so);
    tcase_add_loop_test(tc, test_async_canceled_wait_is_not_told, 0, 2);
    tcase_add_loop_test(tc, test_async_wait_outlives_the_cache, 0, 3);
    tcase_add_test(tc, test_async_forgotten_waits_of_a_freed_cache);
    tcase_add_test(tc, test_async_wait_is_canceled_or_told);
    tcase_add_test(tc, test_wanted_while_somebody_waits_or_nobody_ever_did);
    tcase_add_test(tc, test_wanted_no_more_when_the_time_of_all_who_waited_is_up);
    tcase_add_test(tc, test_wanted_by_its_own_get);
    tcase_add_test(tc, test_asked_is_the_frame_of_the_last_who_asked);
    tcase_add_test(tc, test_current_is_the_innermost_loaders);
    return suite_run(tc);
}
