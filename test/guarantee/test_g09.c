/* SPDX-License-Identifier: MIT
 *
 * G9: at most one load of a key at a time, also after it was overtaken.  Who asked before shares its result or its
 * failure; what was overtaken publishes nothing; who asks after gets the entry, or waits and loads anew.
 */
#include "support/loads.h"

enum { KEY = 1, OLD = 100, NEW = 200, ANEW = 300, COST = 10, REASON = 77 };

/* ---- Ways to overtake a load of KEY, into a group */

enum { LEAVE_AN_ENTRY = 3 }; /* the first ones */
typedef enum way {
    BY_INSERT,
    BY_REPLACE,
    BY_IF_ABSENT,
    BY_REMOVE,
    BY_KEY_REMOVE,
    BY_REMOVE_IF_LAST,
    BY_EVICTED_INSERT,
    BY_CLEAR,
    BY_INVALIDATE,
    BY_CLOSE,
    BY_CANCEL,
    WAYS
} way;

typedef struct overtaking {
    brim_cache *cache;
    brim_group *group;
    brim_entry_options entry; /* into the group */
    way way;
} overtaking;

static void insert_new(brim_cache *c, brim_ref **out)
{
    EXPECT(put_ref(c, KEY, NEW, 1, out) == BRIM_OK);
}

static void insert_if_absent(brim_cache *c)
{
    brim_entry_options e;
    uint64_t key = KEY;

    brim_entry_options_init(&e);
    e.only_if_absent = true;
    EXPECT(brim_insert_with(c, BRIM_KEY(key), value_new(NEW, 1), 1, &e, NULL) == BRIM_OK);
}

static void replace(brim_cache *c)
{
    brim_ref *ref = NULL;
    brim_key *k;

    EXPECT(put_ref(c, KEY, NEW + 1, 1, &ref) == BRIM_OK);
    k = brim_ref_key(ref);
    brim_release(ref);
    EXPECT(brim_key_replace(&k, value_new(NEW, 1), 1) == BRIM_OK);
    brim_key_drop(k);
}

static void insert_and_remove_by_key(brim_cache *c)
{
    brim_ref *ref = NULL;
    brim_key *k;

    insert_new(c, &ref);
    k = brim_ref_key(ref);
    brim_release(ref);
    EXPECT(brim_key_remove(k));
    brim_key_drop(k);
}

static void insert_and_remove_if_last(brim_cache *c)
{
    brim_ref *ref = NULL;

    insert_new(c, &ref);
    EXPECT(brim_release_with(ref, BRIM_REMOVE_IF_LAST));
}

static void insert_and_evict(brim_cache *c)
{
    insert_new(c, NULL);
    (void)brim_trim(c, 0);
    EXPECT(!has(c, KEY));
}

/* Also within a loader. */
static void overtake(void *arg)
{
    overtaking *o = arg;
    uint64_t key = KEY;

    switch (o->way) {
    case BY_INSERT: insert_new(o->cache, NULL); break;
    case BY_REPLACE: replace(o->cache); break;
    case BY_IF_ABSENT: insert_if_absent(o->cache); break;
    case BY_REMOVE: EXPECT(!brim_remove(o->cache, BRIM_KEY(key))); break;
    case BY_KEY_REMOVE: insert_and_remove_by_key(o->cache); break;
    case BY_REMOVE_IF_LAST: insert_and_remove_if_last(o->cache); break;
    case BY_EVICTED_INSERT: insert_and_evict(o->cache); break;
    case BY_CLEAR: brim_clear(o->cache); break;
    case BY_INVALIDATE: brim_group_invalidate(o->group); break;
    case BY_CLOSE: brim_group_close(o->group); break;
    case BY_CANCEL: EXPECT(brim_load_cancel(o->cache, BRIM_KEY(key))); break;
    case WAYS: break;
    }
}

static void overtaking_start(overtaking *o, int w)
{
    o->cache = make_value_cache(100);
    o->group = brim_group_new(o->cache);
    ck_assert_ptr_nonnull(o->group);
    brim_entry_options_init(&o->entry);
    o->entry.group = o->group;
    o->way = (way)w;
}

static void overtaking_finish(overtaking *o)
{
    brim_group_drop(o->group);
    finish(o->cache);
}

static bool leaves_an_entry(const overtaking *o)
{
    return (int)o->way < LEAVE_AN_ENTRY;
}

/* What look-ups find: what overtook the load, or nothing. */
static void assert_found_what_overtook(const overtaking *o)
{
    ck_assert_uint_eq(found_id(o->cache, KEY), leaves_an_entry(o) ? NEW : MISS);
}

static void assert_uncharged(brim_ref *ref, uint64_t id)
{
    uint64_t key = KEY;
    size_t len = 0;

    ck_assert_uint_eq(id_of(ref), id);
    ck_assert_uint_eq(brim_ref_cost(ref), COST);
    ck_assert(!brim_ref_is_cached(ref));
    ck_assert_mem_eq(brim_ref_key_bytes(ref, &len), &key, sizeof key);
    ck_assert_uint_eq(len, sizeof key);
}

/* ---- What was overtaken publishes nothing */

START_TEST(test_g09_an_overtaken_load_publishes_nothing)
{
    overtaking o;
    brim_load *load;
    brim_ref *out = NULL;

    overtaking_start(&o, _i);
    load = claim_entry(o.cache, KEY, &o.entry);
    ck_assert(brim_load_is_wanted(load));
    overtake(&o);
    ck_assert(!brim_load_is_wanted(load));
    ck_assert_uint_eq(stats_of(o.cache).loading, 1);
    ck_assert_int_eq(finish_load(load, OLD, COST, &out), BRIM_CANCELED);
    assert_uncharged(out, OLD);
    assert_found_what_overtook(&o);
    ck_assert_uint_eq(stats_of(o.cache).uncharged, COST);
    ck_assert_uint_eq(brim_used(o.cache), leaves_an_entry(&o) ? 1 : 0);
    ck_assert_uint_eq(stats_of(o.cache).loading, 0);
    brim_release(out);
    ck_assert_uint_eq(stats_of(o.cache).uncharged, 0);
    ck_assert_uint_eq(values_live(), leaves_an_entry(&o) ? 1 : 0);
    ck_assert_int_eq(claim_status(o.cache, KEY, 0), leaves_an_entry(&o) ? BRIM_OK : BRIM_CLAIMED);
    overtaking_finish(&o);
}
END_TEST

START_TEST(test_g09_what_nobody_asked_for_is_destroyed_before_finish_returns)
{
    overtaking o;
    brim_load *load;

    overtaking_start(&o, _i);
    load = claim_entry(o.cache, KEY, &o.entry);
    overtake(&o);
    ck_assert_int_eq(finish_load(load, OLD, COST, NULL), BRIM_CANCELED);
    ck_assert_uint_eq(values_live(), leaves_an_entry(&o) ? 1 : 0);
    assert_found_what_overtook(&o);
    overtaking_finish(&o);
}
END_TEST

START_TEST(test_g09_a_loader_that_overtakes_its_own_load_gets_its_value_uncharged)
{
    overtaking o;
    maker m = {.id = OLD, .cost = COST, .during = overtake, .arg = &o};
    brim_claim_options c;
    brim_ref *ref = NULL;
    uint64_t key = KEY;

    overtaking_start(&o, _i);
    brim_claim_options_init(&c);
    c.entry = &o.entry;
    ck_assert_int_eq(brim_get_with(o.cache, BRIM_KEY(key), &c, make_value, &m, &ref), BRIM_OK);
    assert_uncharged(ref, OLD);
    assert_found_what_overtook(&o);
    brim_release(ref);
    ck_assert_uint_eq(values_live(), leaves_an_entry(&o) ? 1 : 0);
    ck_assert_uint_eq(runs_of(&m), 1);
    overtaking_finish(&o);
}
END_TEST

START_TEST(test_g09_a_failure_of_an_overtaken_load_is_not_remembered)
{
    overtaking o;
    brim_load *load;

    overtaking_start(&o, _i);
    load = claim_entry(o.cache, KEY, &o.entry);
    overtake(&o);
    brim_load_fail_for(load, REASON, UINT64_C(3600000000000));
    assert_found_what_overtook(&o);
    ck_assert_int_eq(claim_status(o.cache, KEY, 0), leaves_an_entry(&o) ? BRIM_OK : BRIM_CLAIMED);
    overtaking_finish(&o);
}
END_TEST

/* ---- Who asked before */

START_TEST(test_g09_who_asked_before_gets_the_result_uncharged)
{
    overtaking o;
    asking gets, claims;
    maker never = {.id = ANEW, .cost = 1};
    brim_load *load;
    told before;

    overtaking_start(&o, _i);
    if (o.way == BY_CANCEL) /* tells them at once: below */
        o.way = BY_REMOVE;
    load = claim_entry(o.cache, KEY, &o.entry);
    (void)wait_for(o.cache, KEY, &before);
    asking_start_waiting(&gets, o.cache, KEY, &never, load);
    asking_start_waiting(&claims, o.cache, KEY, NULL, load);
    overtake(&o);
    told_nothing(&before);
    ck_assert(!atomic_load(&gets.back) && !atomic_load(&claims.back));
    ck_assert_int_eq(finish_load(load, OLD, COST, NULL), BRIM_CANCELED);
    told_got(&before, OLD, false);
    asking_join(&gets);
    asking_join(&claims);
    ck_assert_ptr_eq(brim_ref_value(gets.ref), brim_ref_value(claims.ref));
    assert_found_what_overtook(&o);
    ck_assert_uint_eq(brim_used(o.cache), leaves_an_entry(&o) ? 1 : 0);
    asking_got(&gets, OLD, false);
    asking_got(&claims, OLD, false);
    ck_assert_uint_eq(runs_of(&never), 0);
    overtaking_finish(&o);
}
END_TEST

START_TEST(test_g09_who_asked_before_shares_the_failure)
{
    overtaking o;
    asking gets;
    maker never = {.id = ANEW, .cost = 1};
    brim_load *load;
    told before;

    overtaking_start(&o, _i);
    if (o.way == BY_CANCEL)
        o.way = BY_REMOVE;
    load = claim_entry(o.cache, KEY, &o.entry);
    (void)wait_for(o.cache, KEY, &before);
    asking_start_waiting(&gets, o.cache, KEY, &never, load);
    overtake(&o);
    brim_load_fail(load, REASON);
    told_failed(&before, REASON);
    asking_join(&gets);
    asking_got_none(&gets, BRIM_FAILED, REASON);
    ck_assert_uint_eq(runs_of(&never), 0);
    assert_found_what_overtook(&o);
    overtaking_finish(&o);
}
END_TEST

START_TEST(test_g09_who_waited_for_a_loader_gets_its_value)
{
    overtaking o;
    asking first, second;
    gate stop;
    maker m = {.id = OLD, .cost = COST, .stop = &stop};

    overtaking_start(&o, _i);
    if (o.way == BY_CANCEL || o.way == BY_INVALIDATE || o.way == BY_CLOSE) /* here it is of no group */
        o.way = BY_CLEAR;
    gate_init(&stop);
    asking_start(&first, o.cache, KEY, &m);
    gate_wait_reached(&stop);
    asking_start_waiting(&second, o.cache, KEY, &m, m.load);
    overtake(&o);
    gate_open(&stop);
    asking_join(&first);
    asking_join(&second);
    ck_assert_ptr_eq(brim_ref_value(first.ref), brim_ref_value(second.ref));
    assert_found_what_overtook(&o);
    asking_got(&first, OLD, false);
    asking_got(&second, OLD, false);
    ck_assert_uint_eq(runs_of(&m), 1);
    gate_destroy(&stop);
    overtaking_finish(&o);
}
END_TEST

START_TEST(test_g09_cancel_tells_who_waits_at_once)
{
    brim_cache *c = make_value_cache(100);
    brim_load *load = claim(c, KEY);
    asking gets, claims;
    maker never = {.id = ANEW, .cost = 1};
    uint64_t key = KEY;
    told before;

    (void)wait_for(c, KEY, &before);
    asking_start_waiting(&gets, c, KEY, &never, load);
    asking_start_waiting(&claims, c, KEY, NULL, load);
    ck_assert(brim_load_cancel(c, BRIM_KEY(key)));
    told_failed(&before, BRIM_CANCELED);
    ck_assert(pthread_equal(before.thread, pthread_self()));
    asking_join(&gets);
    asking_join(&claims);
    asking_got_none(&gets, BRIM_CANCELED, 0);
    asking_got_none(&claims, BRIM_CANCELED, 0);
    ck_assert_uint_eq(runs_of(&never), 0);
    ck_assert_uint_eq(stats_of(c).loading, 1);
    ck_assert_int_eq(finish_load(load, OLD, COST, NULL), BRIM_CANCELED);
    told_failed(&before, BRIM_CANCELED);
    ck_assert_uint_eq(values_live(), 0);
    finish(c);
}
END_TEST

START_TEST(test_g09_canceling_leaves_an_entry_and_a_load_that_there_is_not)
{
    overtaking o;
    uint64_t key = KEY;
    brim_load *load;

    overtaking_start(&o, BY_INSERT);
    ck_assert(!brim_load_cancel(o.cache, BRIM_KEY(key)));
    load = claim(o.cache, KEY);
    overtake(&o);
    ck_assert(brim_load_cancel(o.cache, BRIM_KEY(key)));
    ck_assert_uint_eq(found_id(o.cache, KEY), NEW);
    ck_assert_int_eq(finish_load(load, OLD, COST, NULL), BRIM_CANCELED);
    ck_assert_uint_eq(found_id(o.cache, KEY), NEW);
    ck_assert(!brim_load_cancel(o.cache, BRIM_KEY(key)));
    ck_assert_uint_eq(found_id(o.cache, KEY), NEW);
    ck_assert(!brim_load_cancel(NULL, BRIM_KEY(key)));
    overtaking_finish(&o);
}
END_TEST

/* ---- Who asks after */

START_TEST(test_g09_who_asks_after_gets_the_entry)
{
    overtaking o;
    maker never = {.id = ANEW, .cost = 1};
    brim_load *load, *none = NULL;
    brim_ref *ref = NULL;
    uint64_t key = KEY;
    told t = {0};

    overtaking_start(&o, _i);
    load = claim(o.cache, KEY);
    overtake(&o);
    ck_assert_int_eq(get(o.cache, KEY, &never, &ref), BRIM_OK);
    ck_assert_uint_eq(id_of(ref), NEW);
    ck_assert(brim_ref_is_cached(ref));
    brim_release(ref);
    ck_assert_int_eq(claim_status(o.cache, KEY, -1), BRIM_OK);
    ck_assert_int_eq(brim_claim_async(o.cache, BRIM_KEY(key), NULL, tell, &t, &ref, &none, NULL), BRIM_OK);
    ck_assert_uint_eq(id_of(ref), NEW);
    brim_release(ref);
    ck_assert_int_eq(finish_load(load, OLD, COST, NULL), BRIM_CANCELED);
    ck_assert_uint_eq(runs_of(&never), 0);
    told_nothing(&t);
    ck_assert_uint_eq(found_id(o.cache, KEY), NEW);
    overtaking_finish(&o);
}
END_TEST

/* ${fails}: so does the load that was overtaken. */
static void who_asks_after_loads_anew(int w, bool fails)
{
    overtaking o;
    maker anew = {.id = ANEW, .cost = 1};
    asking after;
    brim_load *load;
    told later;

    overtaking_start(&o, w);
    load = claim_entry(o.cache, KEY, &o.entry);
    overtake(&o);
    ck_assert_int_eq(claim_status(o.cache, KEY, 0), BRIM_PENDING);
    ck_assert_int_eq(claim_status(o.cache, KEY, 1), BRIM_TIMEOUT);
    (void)wait_for(o.cache, KEY, &later);
    asking_start_waiting(&after, o.cache, KEY, &anew, load);
    ck_assert_uint_eq(runs_of(&anew), 0);
    told_nothing(&later);
    if (fails)
        brim_load_fail(load, REASON);
    else
        ck_assert_int_eq(finish_load(load, OLD, COST, NULL), BRIM_CANCELED);
    told_failed(&later, BRIM_CANCELED);
    asking_join(&after);
    asking_got(&after, ANEW, true);
    ck_assert_uint_eq(runs_of(&anew), 1);
    ck_assert_uint_eq(found_id(o.cache, KEY), ANEW);
    overtaking_finish(&o);
}

START_TEST(test_g09_who_asks_after_waits_and_loads_anew)
{
    who_asks_after_loads_anew(_i, false);
}
END_TEST

START_TEST(test_g09_who_asks_after_a_load_that_then_fails_loads_anew)
{
    who_asks_after_loads_anew(_i, true);
}
END_TEST

START_TEST(test_g09_a_loader_overtaken_ends_before_the_next_begins)
{
    brim_cache *c = make_value_cache(100);
    asking first, second, third;
    gate stop;
    maker m = {.id = OLD, .cost = COST, .stop = &stop};
    uint64_t key = KEY;

    gate_init(&stop);
    asking_start(&first, c, KEY, &m);
    gate_wait_reached(&stop);
    ck_assert(!brim_remove(c, BRIM_KEY(key)));
    asking_start_waiting(&second, c, KEY, &m, m.load);
    asking_start_waiting(&third, c, KEY, &m, m.load);
    ck_assert_uint_eq(runs_of(&m), 1);
    gate_open(&stop);
    asking_join(&first);
    asking_join(&second);
    asking_join(&third);
    asking_got(&first, OLD, false);
    ck_assert_uint_eq(runs_of(&m), 2);
    ck_assert_uint_eq(atomic_load(&m.runs.most), 1);
    ck_assert_ptr_eq(brim_ref_value(second.ref), brim_ref_value(third.ref));
    asking_got(&second, OLD, true);
    asking_got(&third, OLD, true);
    gate_destroy(&stop);
    finish(c);
}
END_TEST

/* Who asked between two removals asks after the first, and again after the load. */
START_TEST(test_g09_overtaken_twice)
{
    brim_cache *c = make_value_cache(100);
    brim_load *load = claim(c, KEY);
    told before, between, after;
    uint64_t key = KEY;

    (void)wait_for(c, KEY, &before);
    ck_assert(!brim_remove(c, BRIM_KEY(key)));
    (void)wait_for(c, KEY, &between);
    ck_assert_int_eq(put(c, KEY, NEW, 1), BRIM_OK);
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    (void)wait_for(c, KEY, &after);
    ck_assert_int_eq(finish_load(load, OLD, COST, NULL), BRIM_CANCELED);
    told_got(&before, OLD, false);
    told_failed(&between, BRIM_CANCELED);
    told_failed(&after, BRIM_CANCELED);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_int_eq(claim_status(c, KEY, 0), BRIM_CLAIMED);
    finish(c);
}
END_TEST

START_TEST(test_g09_a_negative_load_that_was_overtaken)
{
    brim_cache *c = make_value_cache(100);
    brim_load *load = claim(c, KEY);
    brim_ref *out = NULL;
    told before;

    (void)wait_for(c, KEY, &before);
    ck_assert_int_eq(put(c, KEY, NEW, 1), BRIM_OK);
    ck_assert_int_eq(brim_load_finish(load, NULL, 1, &out), BRIM_CANCELED);
    ck_assert_ptr_nonnull(out);
    ck_assert_ptr_null(brim_ref_value(out));
    ck_assert(!brim_ref_is_cached(out));
    told_got(&before, MISS, false);
    ck_assert_uint_eq(found_id(c, KEY), NEW);
    brim_release(out);
    finish(c);
}
END_TEST

/* ---- What does not overtake */

typedef enum harmless {
    OTHER_KEYS,
    TRIM,
    CAPACITY,
    OTHER_GROUP,
    INVALIDATED_BEFORE,
    REFUSED_INSERT,
    FRAMES,
    FINDS,
    DROPPED_GROUP,
    HARMLESS
} harmless;

static void do_harmless(brim_cache *c, brim_group *other, harmless h)
{
    uint64_t key = KEY, another = 2;

    switch (h) {
    case OTHER_KEYS:
        ck_assert_int_eq(put(c, another, 2, 1), BRIM_OK);
        ck_assert(brim_remove(c, BRIM_KEY(another)));
        break;
    case TRIM:
        ck_assert_int_eq(put(c, another, 2, 1), BRIM_OK);
        ck_assert_uint_eq(brim_trim(c, 0), 1);
        break;
    case CAPACITY:
        ck_assert_int_eq(brim_set_capacity(c, 0), BRIM_OK);
        ck_assert_int_eq(brim_set_capacity(c, 100), BRIM_OK);
        break;
    case OTHER_GROUP:
        brim_group_invalidate(other);
        brim_group_close(other);
        break;
    case REFUSED_INSERT:
        ck_assert_int_eq(put(c, KEY, NEW, 101), BRIM_TOO_BIG);
        break;
    case FRAMES:
        ck_assert_uint_eq(brim_next_frame(c), 1);
        (void)brim_trim_unused_since(c, 1);
        (void)brim_idle(c);
        (void)brim_idle(c);
        break;
    case FINDS:
        ck_assert_ptr_null(brim_find(c, BRIM_KEY(key)));
        ck_assert(!has(c, KEY));
        break;
    case INVALIDATED_BEFORE:
    case DROPPED_GROUP:
    case HARMLESS: break;
    }
}

START_TEST(test_g09_not_overtaken)
{
    brim_cache *c = make_value_cache(100);
    brim_group *own = brim_group_new(c), *other = brim_group_new(c);
    brim_entry_options e;
    brim_load *load;
    told before;

    brim_entry_options_init(&e);
    e.group = own;
    if (_i == INVALIDATED_BEFORE)
        brim_group_invalidate(own);
    load = claim_entry(c, KEY, &e);
    if (_i == DROPPED_GROUP)
        brim_group_drop(own);
    (void)wait_for(c, KEY, &before);
    do_harmless(c, other, (harmless)_i);
    ck_assert(brim_load_is_wanted(load));
    ck_assert_int_eq(finish_load(load, OLD, COST, NULL), BRIM_OK);
    told_got(&before, OLD, true);
    ck_assert_uint_eq(found_id(c, KEY), OLD);
    if (_i != DROPPED_GROUP)
        brim_group_drop(own);
    brim_group_drop(other);
    finish(c);
}
END_TEST

/* ---- Groups */

START_TEST(test_g09_any_of_four_groups_overtakes)
{
    brim_cache *c = make_value_cache(100);
    brim_group *g[4];
    brim_entry_options e;
    brim_load *load;

    brim_entry_options_init(&e);
    for (int i = 0; i < 4; i++)
        g[i] = brim_group_new(c);
    e.group = g[0];
    for (int i = 1; i < 4; i++)
        e.more_groups[i - 1] = g[i];
    load = claim_entry(c, KEY, &e);
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(brim_group_loads(g[i]), 1);
    if (_i < 4)
        brim_group_invalidate(g[_i]);
    else
        brim_group_close(g[_i - 4]);
    ck_assert_int_eq(finish_load(load, OLD, COST, NULL), BRIM_CANCELED);
    ck_assert_uint_eq(found_id(c, KEY), MISS);
    for (int i = 0; i < 4; i++) {
        ck_assert_uint_eq(brim_group_loads(g[i]), 0);
        brim_group_drop(g[i]);
    }
    finish(c);
}
END_TEST

/* ${_i}: 0 a group of the claim's options, 1 one of the finish's options, 2 that one closed, 3 neither. */
START_TEST(test_g09_finish_with_other_groups)
{
    brim_cache *c = make_value_cache(100);
    brim_group *asked = brim_group_new(c), *given = brim_group_new(c);
    brim_status expected = _i == 3 ? BRIM_OK : BRIM_CANCELED;
    brim_entry_options e;
    brim_load *load;

    brim_entry_options_init(&e);
    e.group = asked;
    brim_group_invalidate(given);
    load = claim_entry(c, KEY, &e);
    if (_i == 2)
        brim_group_close(given);
    else if (_i < 2)
        brim_group_invalidate(_i == 0 ? asked : given);
    e.group = given;
    ck_assert_int_eq(brim_load_finish_with(load, value_new(OLD, COST), COST, &e, NULL), expected);
    ck_assert_uint_eq(found_id(c, KEY), _i == 3 ? OLD : MISS);
    brim_group_invalidate(asked); /* no longer its group */
    ck_assert_uint_eq(found_id(c, KEY), _i == 3 ? OLD : MISS);
    brim_group_invalidate(given);
    ck_assert_uint_eq(found_id(c, KEY), MISS);
    brim_group_drop(asked);
    brim_group_drop(given);
    finish(c);
}
END_TEST

/* ---- What cannot be admitted */

/* ${_i}: 0 it is larger than the capacity, 1 the capacity is full of what is held, 2 the capacity was lowered. */
START_TEST(test_g09_what_is_not_admitted_is_shared_and_loaded_anew)
{
    brim_cache *c = make_value_cache(100);
    brim_status expected = _i == 1 ? BRIM_FULL : BRIM_TOO_BIG;
    size_t cost = _i == 0 ? 101 : 50;
    brim_ref *held = NULL, *out = NULL;
    asking gets;
    maker never = {.id = ANEW, .cost = 1};
    brim_load *load = claim(c, KEY);
    told before;

    (void)wait_for(c, KEY, &before);
    asking_start_waiting(&gets, c, KEY, &never, load);
    if (_i == 1)
        ck_assert_int_eq(put_ref(c, 2, 2, 60, &held), BRIM_OK);
    if (_i == 2)
        ck_assert_int_eq(brim_set_capacity(c, 49), BRIM_OK);
    ck_assert_int_eq(finish_load(load, OLD, cost, &out), expected);
    told_got(&before, OLD, false);
    asking_join(&gets);
    asking_got(&gets, OLD, false);
    ck_assert_uint_eq(stats_of(c).uncharged, cost);
    ck_assert_uint_eq(brim_used(c), _i == 1 ? 60 : 0);
    ck_assert(!has(c, KEY));
    ck_assert_int_eq(claim_status(c, KEY, 0), BRIM_CLAIMED);
    ck_assert_uint_eq(runs_of(&never), 0);
    brim_release(out);
    brim_release(held);
    finish(c);
}
END_TEST

/* ---- One load for all who ask */

static void ask_in_threads(brim_cache *c, asking *a, int n, maker *m)
{
    asking_start(&a[0], c, KEY, m);
    gate_wait_reached(m->stop);
    for (int i = 1; i < n; i++)
        asking_start_waiting(&a[i], c, KEY, m, m->load);
    gate_open(m->stop);
    for (int i = 0; i < n; i++)
        asking_join(&a[i]);
}

START_TEST(test_g09_one_load_serves_all_who_ask)
{
    enum { ASKING = 8 };
    brim_cache *c = make_value_cache(100);
    asking a[ASKING];
    gate stop;
    maker m = {.id = OLD, .cost = COST, .stop = &stop};
    brim_stats s;

    gate_init(&stop);
    ask_in_threads(c, a, ASKING, &m);
    for (int i = 0; i < ASKING; i++)
        asking_got(&a[i], OLD, true);
    ck_assert_uint_eq(runs_of(&m), 1);
    ck_assert_uint_eq(values_made(), 1);
    s = stats_of(c);
    ck_assert_uint_eq(s.loads, 1);
    ck_assert_uint_eq(s.load_waits, ASKING - 1);
    ck_assert_uint_eq(s.load_failures, 0);
    ck_assert_uint_eq(s.loading, 0);
    gate_destroy(&stop);
    finish(c);
}
END_TEST

START_TEST(test_g09_one_failure_serves_all_who_ask)
{
    enum { ASKING = 8 };
    brim_cache *c = make_value_cache(100);
    asking a[ASKING];
    gate stop;
    maker m = {.status = BRIM_NOMEM, .stop = &stop};
    brim_stats s;

    gate_init(&stop);
    ask_in_threads(c, a, ASKING, &m);
    for (int i = 0; i < ASKING; i++)
        asking_got_none(&a[i], BRIM_FAILED, BRIM_NOMEM);
    ck_assert_uint_eq(runs_of(&m), 1);
    s = stats_of(c);
    ck_assert_uint_eq(s.loads, 0);
    ck_assert_uint_eq(s.load_failures, 1);
    ck_assert_uint_eq(s.load_waits, ASKING - 1);
    ck_assert_uint_eq(brim_count(c), 0);
    ck_assert_uint_eq(brim_used(c), 0);
    gate_destroy(&stop);
    finish(c);
}
END_TEST

/* ---- Loads that outlive the cache */

static void note(void *arg)
{
    atomic_fetch_add((atomic_uint *)arg, 1);
}

/* ${_i}: how the load ends: 0 finish, 1 finish_with, 2 without out, 3 fail, 4 fail_for; 5 to 9: it was overtaken. */
START_TEST(test_g09_a_load_outlives_the_cache)
{
    brim_options o = value_options(100);
    atomic_uint gone = 0;
    brim_entry_options e;
    brim_ref *out = NULL;
    brim_load *load;
    brim_cache *c;
    uint64_t key = KEY;
    told before;

    o.gone = note;
    o.gone_arg = &gone;
    c = make_cache(&o);
    brim_entry_options_init(&e);
    load = claim(c, KEY);
    (void)wait_for(c, KEY, &before);
    if (_i >= 5)
        ck_assert(!brim_remove(c, BRIM_KEY(key)));
    brim_cache_free(c);
    told_failed(&before, BRIM_CANCELED);
    ck_assert_uint_eq(atomic_load(&gone), 0);
    ck_assert(!brim_load_is_wanted(load));
    (void)brim_load_asked(load);
    brim_load_begin(load);
    switch (_i % 5) {
    case 0: ck_assert_int_eq(finish_load(load, OLD, COST, &out), BRIM_CANCELED); break;
    case 1: ck_assert_int_eq(brim_load_finish_with(load, value_new(OLD, COST), COST, &e, &out), BRIM_CANCELED); break;
    case 2: ck_assert_int_eq(finish_load(load, OLD, COST, NULL), BRIM_CANCELED); break;
    case 3: brim_load_fail(load, REASON); break;
    default: brim_load_fail_for(load, REASON, UINT64_C(1000000000)); break;
    }
    if (_i % 5 < 2) {
        ck_assert_uint_eq(atomic_load(&gone), 0);
        assert_uncharged(out, OLD);
        brim_release(out);
    }
    told_failed(&before, BRIM_CANCELED);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(atomic_load(&gone), 1);
}
END_TEST

START_TEST(test_g09_claims_blocked_in_a_freed_cache_are_canceled)
{
    brim_cache *c = make_value_cache(100);
    brim_load *load = claim(c, KEY);
    maker never = {.id = ANEW, .cost = 1};
    asking claims, gets;
    told t;

    (void)wait_for(c, KEY, &t);
    asking_start_waiting(&claims, c, KEY, NULL, load);
    asking_start_waiting(&gets, c, KEY, &never, load);
    brim_cache_free(c);
    asking_join(&claims);
    asking_join(&gets);
    asking_got_none(&claims, BRIM_CANCELED, 0);
    asking_got_none(&gets, BRIM_CANCELED, 0);
    told_failed(&t, BRIM_CANCELED);
    ck_assert_uint_eq(runs_of(&never), 0);
    ck_assert_int_eq(finish_load(load, OLD, COST, NULL), BRIM_CANCELED);
    ck_assert_uint_eq(values_live(), 0);
}
END_TEST

/* In the callbacks of brim_cache_free. */
static struct {
    brim_cache *cache;
    unsigned calls;
} freeing;

static bool refused_while_freed(brim_status s)
{
    return s == BRIM_CANCELED || s == BRIM_INVALID;
}

static void claim_while_freed(const void *key, size_t key_len, void *v, size_t cost, brim_cause cause, void *arg)
{
    uint64_t under_way = KEY, another = 99;
    maker never = {.id = ANEW, .cost = 1};
    brim_ref *ref = (brim_ref *)&never;
    brim_load *load = (brim_load *)&never;

    (void)key, (void)key_len, (void)v, (void)cost, (void)arg;
    EXPECT(cause == BRIM_FREED);
    freeing.calls++;
    EXPECT(refused_while_freed(brim_claim(freeing.cache, BRIM_KEY(under_way), -1, &ref, &load)));
    EXPECT(ref == NULL && load == NULL);
    EXPECT(refused_while_freed(brim_claim(freeing.cache, BRIM_KEY(another), -1, &ref, &load)));
    EXPECT(refused_while_freed(get(freeing.cache, KEY, &never, &ref)));
    EXPECT(refused_while_freed(get(freeing.cache, another, &never, &ref)));
    EXPECT(ref == NULL && load == NULL && runs_of(&never) == 0);
}

START_TEST(test_g09_a_claim_in_the_callbacks_of_free_does_not_block)
{
    static const brim_kind kind = {.size = sizeof(brim_kind), .destroy = value_destroy, .removed = claim_while_freed};
    brim_options o = value_options(100);
    brim_load *load;

    o.kind = &kind;
    freeing.cache = make_cache(&o);
    freeing.calls = 0;
    for (uint64_t i = 10; i < 13; i++)
        ck_assert_int_eq(put(freeing.cache, i, i, 1), BRIM_OK);
    load = claim(freeing.cache, KEY);
    brim_cache_free(freeing.cache);
    ck_assert_uint_eq(freeing.calls, 3);
    ck_assert_int_eq(finish_load(load, OLD, COST, NULL), BRIM_CANCELED);
    ck_assert_uint_eq(values_live(), 0);
}
END_TEST

/* Loads end, on other threads, while the cache is freed. */
enum { ENDING = 12 };
typedef struct ending {
    brim_load *load[ENDING];
    atomic_uint ended, cached, canceled;
} ending;

static void end_loads(unsigned id, void *arg)
{
    ending *e = arg;

    for (unsigned i = id; i < ENDING; i += 3) {
        brim_ref *out = NULL;
        brim_status s;

        atomic_fetch_add(&e->ended, 1);
        if (i % 4 == 3) {
            brim_load_fail(e->load[i], REASON);
            continue;
        }
        s = finish_load(e->load[i], i, COST, &out);
        EXPECT_MSG(s == BRIM_OK || s == BRIM_CANCELED, "status %d", (int)s);
        EXPECT(id_of(out) == i);
        brim_release(out);
        atomic_fetch_add(s == BRIM_OK ? &e->cached : &e->canceled, 1);
    }
}

START_TEST(test_g09_loads_that_end_while_the_cache_is_freed)
{
    unsigned cached = 0, canceled = 0;

    for (int round = 0; round < SCALED(300); round++) {
        brim_cache *c = make_value_cache(1000);
        told t[ENDING];
        ending e = {.ended = 0};
        crew threads;

        for (uint64_t i = 0; i < ENDING; i++) {
            e.load[i] = claim(c, i);
            (void)wait_for(c, i, &t[i]);
        }
        crew_start(&threads, 3, end_loads, &e);
        WAIT_UNTIL(atomic_load(&e.ended) >= (unsigned)round % ENDING);
        brim_cache_free(c);
        crew_join(&threads);
        for (uint64_t i = 0; i < ENDING; i++)
            ck_assert_uint_eq(atomic_load(&t[i].calls), 1);
        ck_assert_uint_eq(values_live(), 0);
        no_trouble();
        cached += atomic_load(&e.cached);
        canceled += atomic_load(&e.canceled);
    }
    ck_assert_uint_eq(cached + canceled, (unsigned)SCALED(300) * ENDING * 3 / 4);
}
END_TEST

/* ---- Among many threads: at most one load of a key runs at a time */

enum { FEW = 3, CROWD = 4 };
static struct {
    brim_cache *cache;
    brim_group *group;
    maker makers[FEW];
    together claims[FEW]; /* of both, loaders and claimed loads */
    atomic_uint oks, claimed, overtaken;
} crowd;

static void crowd_load(void *arg)
{
    together *t = arg;

    together_begin(t);
    (void)sched_yield();
    together_end(t);
}

static void crowd_get(uint64_t key)
{
    brim_ref *ref = NULL;
    brim_status s = get(crowd.cache, key, &crowd.makers[key], &ref);

    EXPECT_MSG(s == BRIM_OK || s == BRIM_CANCELED || s == BRIM_FAILED, "status %d", (int)s);
    EXPECT((s == BRIM_OK) == (ref != NULL));
    if (ref != NULL) {
        EXPECT(id_of(ref) % FEW == key);
        atomic_fetch_add(&crowd.oks, 1);
    }
    brim_release(ref);
}

static void crowd_claim(uint64_t key, uint64_t random)
{
    brim_entry_options e;
    brim_claim_options o;
    brim_ref *ref = NULL;
    brim_load *load = NULL;
    brim_status s;

    brim_entry_options_init(&e);
    e.group = crowd.group;
    brim_claim_options_init(&o);
    o.entry = &e;
    o.timeout_ms = (int)(random % 3) - 1;
    s = brim_claim_with(crowd.cache, BRIM_KEY(key), &o, &ref, &load);
    brim_release(ref);
    if (s != BRIM_CLAIMED)
        return;
    crowd_load(&crowd.claims[key]);
    atomic_fetch_add(&crowd.claimed, 1);
    if (random % 8 == 0)
        brim_load_fail(load, REASON);
    else if (finish_load(load, key + FEW, 1, NULL) == BRIM_CANCELED)
        atomic_fetch_add(&crowd.overtaken, 1);
}

static void crowd_run(unsigned id, void *arg)
{
    uint64_t state = id + 1;

    (void)arg;
    for (int i = 0; i < SCALED(8000); i++) {
        uint64_t x = random_next(&state), key = x % FEW;

        switch ((x >> 40) % 16) {
        case 0: (void)put(crowd.cache, key, key, 1); break;
        case 1: brim_clear(crowd.cache); break;
        case 2: brim_group_invalidate(crowd.group); break;
        case 3: (void)brim_load_cancel(crowd.cache, BRIM_KEY(key)); break;
        case 4:
        case 5:
        case 6: (void)brim_remove(crowd.cache, BRIM_KEY(key)); break;
        case 7:
        case 8:
        case 9:
        case 10: crowd_claim(key, x >> 50); break;
        default: crowd_get(key); break;
        }
    }
}

START_TEST(test_g09_at_most_one_load_of_a_key_at_a_time)
{
    unsigned runs = 0;

    memset(&crowd, 0, sizeof crowd);
    crowd.cache = make_value_cache(100);
    crowd.group = brim_group_new(crowd.cache);
    for (uint64_t i = 0; i < FEW; i++)
        crowd.makers[i] = (maker){.id = i, .cost = 1, .during = crowd_load, .arg = &crowd.claims[i]};
    crew_do(CROWD, crowd_run, NULL);
    for (int i = 0; i < FEW; i++) {
        ck_assert_uint_eq(atomic_load(&crowd.claims[i].most), 1);
        runs += atomic_load(&crowd.claims[i].runs);
    }
    ck_assert_uint_gt(runs, 50);
    ck_assert_uint_gt(atomic_load(&crowd.oks), 50);
    ck_assert_uint_gt(atomic_load(&crowd.claimed), 20);
    ck_assert_uint_gt(atomic_load(&crowd.overtaken), 0);
    ck_assert_uint_eq(stats_of(crowd.cache).loading, 0);
    brim_group_drop(crowd.group);
    finish(crowd.cache);
}
END_TEST

/*
 * The point of it all: a value made from what was so before a removal is not given to who asks after that.  The
 * source's version goes up, then the entry is removed; who asks after that gets no older version.
 */
enum { NO_OLDER_WAYS = 4, SOURCES = 2 };
static struct {
    brim_cache *cache;
    brim_group *group;
    int way;
    atomic_ullong source[SOURCES], floor[SOURCES];
    atomic_bool stop;
    atomic_uint gets, loads;
} versions;

static brim_status load_version(const void *key, size_t key_len, void *arg, void **v, size_t *cost)
{
    uint64_t k, seen;

    (void)key_len;
    memcpy(&k, key, sizeof k);
    seen = atomic_load(&versions.source[k]);
    for (int i = (int)((uintptr_t)arg % 4); i > 0; i--)
        (void)sched_yield();
    atomic_fetch_add(&versions.loads, 1);
    *v = value_new(seen, 1);
    *cost = 1;
    return BRIM_OK;
}

static void read_versions(uint64_t state)
{
    brim_entry_options e;
    brim_claim_options o;

    brim_entry_options_init(&e);
    e.group = versions.group;
    brim_claim_options_init(&o);
    o.entry = &e;
    while (!atomic_load(&versions.stop)) {
        uint64_t x = random_next(&state), key = x % SOURCES, least = atomic_load(&versions.floor[key]);
        brim_ref *ref = NULL;
        brim_status s = BRIM_OK;

        if ((x >> 20) % 4 == 0)
            ref = brim_find(versions.cache, BRIM_KEY(key));
        else
            s = brim_get_with(versions.cache, BRIM_KEY(key), &o, load_version, (void *)(uintptr_t)(x >> 30), &ref);
        EXPECT_MSG(s == BRIM_OK, "status %d", (int)s);
        if (ref != NULL)
            EXPECT_MSG(id_of(ref) >= least, "version %llu after %llu", (unsigned long long)id_of(ref),
                       (unsigned long long)least);
        brim_release(ref);
        atomic_fetch_add(&versions.gets, 1);
    }
}

static void write_versions(void)
{
    for (uint64_t version = 1; version <= (uint64_t)SCALED(1600); version++) {
        uint64_t key = version % SOURCES;
        unsigned gets = atomic_load(&versions.gets);

        atomic_store(&versions.source[key], version);
        switch (versions.way) {
        case 0: (void)brim_remove(versions.cache, BRIM_KEY(key)); break;
        case 1: brim_clear(versions.cache); break;
        case 2: brim_group_invalidate(versions.group); break;
        default: EXPECT(put(versions.cache, key, version, 1) == BRIM_OK); break;
        }
        atomic_store(&versions.floor[key], version);
        if (versions.way == 3 && version % 2 == 0)
            (void)brim_trim(versions.cache, 0); /* so that something is loaded */
        if (version % 4 == 0)
            WAIT_UNTIL(atomic_load(&versions.gets) != gets);
    }
    atomic_store(&versions.stop, true);
}

static void versions_role(unsigned id, void *arg)
{
    (void)arg;
    if (id == 0)
        write_versions();
    else
        read_versions(id * 77);
}

START_TEST(test_g09_who_asks_after_gets_nothing_older)
{
    memset(&versions, 0, sizeof versions);
    versions.cache = make_value_cache(1000);
    versions.group = brim_group_new(versions.cache);
    versions.way = _i;
    crew_do(4, versions_role, NULL);
    ck_assert_uint_gt(atomic_load(&versions.gets), 40);
    ck_assert_uint_gt(atomic_load(&versions.loads), 5);
    brim_group_drop(versions.group);
    finish(versions.cache);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("g09");

    tcase_add_loop_test(tc, test_g09_an_overtaken_load_publishes_nothing, 0, WAYS);
    tcase_add_loop_test(tc, test_g09_what_nobody_asked_for_is_destroyed_before_finish_returns, 0, WAYS);
    tcase_add_loop_test(tc, test_g09_a_loader_that_overtakes_its_own_load_gets_its_value_uncharged, 0, WAYS);
    tcase_add_loop_test(tc, test_g09_a_failure_of_an_overtaken_load_is_not_remembered, 0, WAYS);
    tcase_add_loop_test(tc, test_g09_who_asked_before_gets_the_result_uncharged, 0, WAYS);
    tcase_add_loop_test(tc, test_g09_who_asked_before_shares_the_failure, 0, WAYS);
    tcase_add_loop_test(tc, test_g09_who_waited_for_a_loader_gets_its_value, 0, WAYS);
    tcase_add_test(tc, test_g09_cancel_tells_who_waits_at_once);
    tcase_add_test(tc, test_g09_canceling_leaves_an_entry_and_a_load_that_there_is_not);
    tcase_add_loop_test(tc, test_g09_who_asks_after_gets_the_entry, 0, LEAVE_AN_ENTRY);
    tcase_add_loop_test(tc, test_g09_who_asks_after_waits_and_loads_anew, LEAVE_AN_ENTRY, WAYS);
    tcase_add_loop_test(tc, test_g09_who_asks_after_a_load_that_then_fails_loads_anew, LEAVE_AN_ENTRY, WAYS);
    tcase_add_test(tc, test_g09_a_loader_overtaken_ends_before_the_next_begins);
    tcase_add_test(tc, test_g09_overtaken_twice);
    tcase_add_test(tc, test_g09_a_negative_load_that_was_overtaken);
    tcase_add_loop_test(tc, test_g09_not_overtaken, 0, HARMLESS);
    tcase_add_loop_test(tc, test_g09_any_of_four_groups_overtakes, 0, 8);
    tcase_add_loop_test(tc, test_g09_finish_with_other_groups, 0, 4);
    tcase_add_loop_test(tc, test_g09_what_is_not_admitted_is_shared_and_loaded_anew, 0, 3);
    tcase_add_test(tc, test_g09_one_load_serves_all_who_ask);
    tcase_add_test(tc, test_g09_one_failure_serves_all_who_ask);
    tcase_add_loop_test(tc, test_g09_a_load_outlives_the_cache, 0, 10);
    tcase_add_test(tc, test_g09_claims_blocked_in_a_freed_cache_are_canceled);
    tcase_add_test(tc, test_g09_a_claim_in_the_callbacks_of_free_does_not_block);
    tcase_add_test(tc, test_g09_loads_that_end_while_the_cache_is_freed);
    tcase_add_test(tc, test_g09_at_most_one_load_of_a_key_at_a_time);
    tcase_add_loop_test(tc, test_g09_who_asks_after_gets_nothing_older, 0, NO_OLDER_WAYS);
    return suite_run(tc);
}
