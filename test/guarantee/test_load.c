/* SPDX-License-Identifier: MIT
 *
 * Loading, call by call: gets and claims, one key or many, by bytes or by handle; what they are given, and refuse.
 * (Overtaking: test_g09.c.  How a load ends: test_load_ends.c.  Waits: test_load_async.c.)
 */
#include "support/loads.h"

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

/* ---- brim_get */

START_TEST(test_load_get_loads_once_and_hits_then)
{
    brim_cache *c = make_value_cache(100);
    maker m = {.id = ID, .cost = COST};
    brim_ref *first = NULL, *second = NULL;
    brim_stats s;

    ck_assert_int_eq(get(c, KEY, &m, &first), BRIM_OK);
    ck_assert_uint_eq(id_of(first), ID);
    ck_assert_uint_eq(brim_ref_cost(first), COST);
    ck_assert(brim_ref_is_cached(first));
    ck_assert_uint_eq(brim_used(c), COST);
    ck_assert_uint_eq(found_id(c, KEY), ID);
    s = stats_of(c);
    ck_assert_uint_eq(s.hits, 1);
    ck_assert_uint_eq(s.misses, 1);
    ck_assert_int_eq(get(c, KEY, &m, &second), BRIM_OK);
    ck_assert_ptr_eq(second, first);
    ck_assert_uint_eq(runs_of(&m), 1);
    s = stats_of(c);
    ck_assert_uint_eq(s.hits, 2);
    ck_assert_uint_eq(s.misses, 1);
    ck_assert_uint_eq(s.loads, 1);
    ck_assert_uint_eq(s.insertions, 1);
    ck_assert_uint_eq(s.load_waits, 0);
    brim_release(first);
    brim_release(second);
    ck_assert_uint_eq(brim_pinned(c), 0);
    finish(c);
}
END_TEST

typedef struct asked_for {
    const char *key;
    size_t len;
    unsigned runs;
} asked_for;

static brim_status load_asked_for(const void *key, size_t len, void *arg, void **v, size_t *cost)
{
    asked_for *a = arg;

    EXPECT(len == a->len);
    EXPECT(len == 0 || memcmp(key, a->key, len) == 0);
    a->runs++;
    *v = value_new(len, 1);
    *cost = 1;
    return BRIM_OK;
}

START_TEST(test_load_loader_is_given_the_key)
{
    static const size_t lengths[] = {0, 1, 8, 16, 80, 81, 5000};
    brim_cache *c = make_value_cache(100);
    char bytes[5000];
    brim_ref *ref = NULL;
    size_t len = 0;

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        asked_for a = {bytes, lengths[i], 0};
        const char *key = lengths[i] == 0 ? NULL : bytes;

        for (int again = 0; again < 2; again++) {
            ck_assert_int_eq(brim_get(c, key, lengths[i], load_asked_for, &a, &ref), BRIM_OK);
            ck_assert_uint_eq(id_of(ref), lengths[i]);
            ck_assert_ptr_nonnull(brim_ref_key_bytes(ref, &len));
            ck_assert_uint_eq(len, lengths[i]);
            brim_release(ref);
        }
        ck_assert_uint_eq(a.runs, 1);
    }
    finish(c);
}
END_TEST

START_TEST(test_load_whatever_is_not_ok_is_a_failure_and_its_reason)
{
    static const int statuses[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 99, -1};
    enum { N = sizeof statuses / sizeof *statuses };
    brim_cache *c = make_value_cache(100);
    brim_claim_options o = claim_defaults();
    brim_ref *ref;
    uint64_t key = KEY;
    int reason = 0;

    o.reason = &reason;
    for (int i = 0; i < N; i++) {
        maker m = {.status = (brim_status)statuses[i]};

        ref = (brim_ref *)&o;
        ck_assert_int_eq(get(c, KEY, &m, &ref), BRIM_FAILED);
        ck_assert_ptr_null(ref);
        ref = (brim_ref *)&o;
        ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, make_value, &m, &ref), BRIM_FAILED);
        ck_assert_ptr_null(ref);
        ck_assert_int_eq(reason, statuses[i]);
        ck_assert_uint_eq(runs_of(&m), 2);
    }
    ck_assert_uint_eq(stats_of(c).load_failures, 2 * N);
    ck_assert_uint_eq(stats_of(c).loads + stats_of(c).loading, 0);
    ck_assert_uint_eq(brim_count(c) + brim_used(c), 0);
    finish(c);
}
END_TEST

static brim_status load_and_fail(const void *key, size_t len, void *arg, void **v, size_t *cost)
{
    (void)key, (void)len;
    *v = arg;
    *cost = 1;
    return BRIM_FAILED;
}

START_TEST(test_load_what_a_failing_loader_wrote_stays_its_own)
{
    brim_cache *c = make_value_cache(100);
    value *v = value_new(ID, 1);
    brim_ref *ref = NULL;

    ck_assert_int_eq(brim_get(c, "k", 1, load_and_fail, v, &ref), BRIM_FAILED);
    ck_assert(value_alive(v, ID));
    value_discard(v);
    finish(c);
}
END_TEST

START_TEST(test_load_after_a_failure_the_next_to_ask_tries)
{
    brim_cache *c = make_value_cache(100);
    maker fails = {.status = BRIM_FAILED}, makes = {.id = ID, .cost = COST};
    brim_ref *ref = NULL;

    ck_assert_int_eq(get(c, KEY, &fails, &ref), BRIM_FAILED);
    ck_assert_int_eq(get(c, KEY, &makes, &ref), BRIM_OK);
    ck_assert_uint_eq(id_of(ref), ID);
    brim_release(ref);
    ck_assert_uint_eq(stats_of(c).load_failures, 1);
    ck_assert_uint_eq(stats_of(c).loads, 1);
    finish(c);
}
END_TEST

/* ---- Negative entries */

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

/* ${_i}: 0 a loader's, 1 a claimed load's. */
START_TEST(test_load_negative_loads)
{
    brim_cache *c = heard_cache(100);
    maker m = {.nothing = true, .cost = COST};
    brim_ref *ref = NULL;
    uint64_t key = KEY;

    if (_i == 0)
        ck_assert_int_eq(get(c, KEY, &m, &ref), BRIM_OK);
    else
        ck_assert_int_eq(brim_load_finish(claim(c, KEY), NULL, COST, &ref), BRIM_OK);
    ck_assert_ptr_nonnull(ref);
    ck_assert_ptr_null(brim_ref_value(ref));
    ck_assert(brim_ref_is_cached(ref));
    ck_assert_uint_eq(brim_ref_cost(ref), COST);
    brim_release(ref);
    ref = brim_find(c, BRIM_KEY(key));
    ck_assert_ptr_nonnull(ref);
    brim_release(ref);
    ck_assert_int_eq(get(c, KEY, &m, &ref), BRIM_OK);
    ck_assert_ptr_null(brim_ref_value(ref));
    brim_release(ref);
    ck_assert_uint_eq(runs_of(&m), _i == 0 ? 1 : 0);
    ck_assert_uint_eq(stats_of(c).loads, 1);
    ck_assert_uint_eq(brim_used(c), COST);
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    ck_assert_uint_eq(heard.nulls, 1);
    finish(c);
    ck_assert_uint_eq(heard.nulls, 1);
    ck_assert_uint_eq(heard.others + heard.destroyed, 0);
}
END_TEST

/* ---- What cannot be admitted */

/* ${_i}: 0 larger than the capacity, 1 what is held leaves no room, 2 a capacity of 0. */
START_TEST(test_load_what_cannot_be_admitted_is_returned_uncharged)
{
    brim_cache *c = heard_cache(_i == 2 ? 0 : 100);
    size_t used = _i == 1 ? 60 : 0, cost = _i == 0 ? 101 : 50;
    maker m = {.id = ID, .cost = cost};
    brim_ref *ref = NULL, *held = NULL;
    uint64_t key = KEY;
    brim_stats s;

    if (_i == 1)
        ck_assert_int_eq(put_ref(c, 2, 2, 60, &held), BRIM_OK);
    ck_assert_int_eq(get(c, KEY, &m, &ref), BRIM_OK);
    ck_assert_uint_eq(id_of(ref), ID);
    ck_assert_uint_eq(brim_ref_cost(ref), cost);
    ck_assert(!brim_ref_is_cached(ref));
    ck_assert_mem_eq(brim_ref_key_bytes(ref, NULL), &key, sizeof key);
    s = stats_of(c);
    ck_assert_uint_eq(s.uncharged, cost);
    ck_assert_uint_eq(s.used, used);
    ck_assert_uint_eq(s.loads, 1);
    ck_assert_uint_eq(s.refused, 1);
    ck_assert(!has(c, KEY));
    ck_assert_uint_eq(heard.destroyed, 0);
    brim_release(ref);
    ck_assert_uint_eq(heard.destroyed, 1);
    ck_assert_uint_eq(stats_of(c).uncharged, 0);
    ck_assert_int_eq(get(c, KEY, &m, &ref), BRIM_OK);
    ck_assert_uint_eq(runs_of(&m), 2);
    brim_release(ref);
    ck_assert_uint_eq(heard.others, 0);
    brim_release(held);
    finish(c);
}
END_TEST

START_TEST(test_load_makes_room_by_evicting)
{
    brim_cache *c = heard_cache(100);
    maker m = {.id = ID, .cost = 100};
    brim_ref *ref = NULL;

    for (uint64_t i = 10; i < 20; i++)
        ck_assert_int_eq(put(c, i, i, 10), BRIM_OK);
    ck_assert_int_eq(get(c, KEY, &m, &ref), BRIM_OK);
    ck_assert(brim_ref_is_cached(ref));
    ck_assert_uint_eq(heard.others, 10);
    ck_assert_uint_eq(heard.destroyed, 10);
    brim_release(ref);
    finish(c);
}
END_TEST

/* ---- brim_get_with: timeouts, options */

START_TEST(test_load_how_long_it_waits)
{
    brim_cache *c = make_value_cache(100);
    brim_load *load = claim(c, KEY);
    maker never = {.id = ID, .cost = 1};
    brim_claim_options o = claim_defaults();
    brim_ref *ref = (brim_ref *)&o;
    uint64_t key = KEY;
    int reason = 5;

    o.reason = &reason;
    o.timeout_ms = 0;
    ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, make_value, &never, &ref), BRIM_PENDING);
    ck_assert_ptr_null(ref);
    ck_assert_int_eq(reason, 0);
    ref = (brim_ref *)&o;
    reason = 5;
    o.timeout_ms = 1;
    ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, make_value, &never, &ref), BRIM_TIMEOUT);
    ck_assert_ptr_null(ref);
    ck_assert_int_eq(reason, 0);
    ck_assert_int_eq(claim_status(c, KEY, 0), BRIM_PENDING);
    ck_assert_int_eq(claim_status(c, KEY, 1), BRIM_TIMEOUT);
    ck_assert_int_eq(finish_load(load, ID, 1, NULL), BRIM_OK);
    for (int timeout = -1; timeout < 2; timeout++) {
        o.timeout_ms = timeout;
        ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, make_value, &never, &ref), BRIM_OK);
        brim_release(ref);
        ck_assert_int_eq(claim_status(c, KEY, timeout), BRIM_OK);
    }
    ck_assert_uint_eq(runs_of(&never), 0);
    finish(c);
}
END_TEST

/* Nobody makes it: with any timeout the caller does. */
START_TEST(test_load_no_timeout_keeps_from_loading)
{
    brim_cache *c = make_value_cache(100);
    brim_claim_options o = claim_defaults();

    for (int timeout = -1; timeout < 2; timeout++) {
        maker m = {.id = ID, .cost = 1};
        uint64_t key = (uint64_t)(timeout + 10);
        brim_ref *ref = NULL;

        o.timeout_ms = timeout;
        ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, make_value, &m, &ref), BRIM_OK);
        brim_release(ref);
        ck_assert_int_eq(claim_status(c, 20 + key, timeout), BRIM_CLAIMED);
    }
    finish(c);
}
END_TEST

/* ${_i}: 0 brim_get_with, 1 brim_claim_with and finish, 2 finish_with. */
static brim_ref *load_with(brim_cache *c, uint64_t key, const brim_entry_options *e, int how)
{
    brim_claim_options o = claim_defaults();
    maker m = {.id = ID, .cost = COST};
    brim_ref *ref = NULL;

    o.entry = how == 2 ? NULL : e;
    if (how == 0)
        ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, make_value, &m, &ref), BRIM_OK);
    else if (how == 1)
        ck_assert_int_eq(finish_load(claim_with(c, key, &o), ID, COST, &ref), BRIM_OK);
    else
        ck_assert_int_eq(brim_load_finish_with(claim(c, key), value_new(ID, COST), COST, e, &ref), BRIM_OK);
    ck_assert(brim_ref_is_cached(ref));
    return ref;
}

START_TEST(test_load_is_published_with_its_entry_options)
{
    brim_cache *c = clock_cache(100);
    brim_group *group = brim_group_new(c);
    brim_entry_options e = entry_defaults();
    brim_ref *ref;

    e.kind = &heard_kind;
    e.group = group;
    e.max_age = 50;
    memset(&heard, 0, sizeof heard);
    ref = load_with(c, KEY, &e, _i);
    ck_assert_ptr_eq(brim_ref_kind(ref), &heard_kind);
    brim_release(ref);
    atomic_fetch_add(&clock_ns, 49);
    ck_assert(has(c, KEY));
    atomic_fetch_add(&clock_ns, 2);
    ck_assert(!has(c, KEY));
    brim_release(load_with(c, KEY, &e, _i));
    ck_assert(has(c, KEY));
    brim_group_invalidate(group);
    ck_assert(!has(c, KEY));
    ck_assert_uint_eq(brim_group_loads(group), 0);
    brim_group_drop(group);
    finish(c);
    ck_assert_uint_eq(heard.destroyed, 2);
}
END_TEST

START_TEST(test_load_into_a_closed_group_is_canceled)
{
    brim_cache *c = make_value_cache(100);
    brim_group *group = brim_group_new(c);
    brim_entry_options e = entry_defaults();
    brim_claim_options o = claim_defaults();
    maker never = {.id = ID, .cost = 1};
    brim_ref *ref = (brim_ref *)&e;
    brim_load *load = (brim_load *)&e;
    brim_wait *wait = (brim_wait *)&e;
    uint64_t key = KEY;
    brim_bytes bytes = {&key, sizeof key};
    brim_status s = BRIM_OK;
    told t = {0};

    e.more_groups[1] = group;
    o.entry = &e;
    brim_group_close(group);
    ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, make_value, &never, &ref), BRIM_CANCELED);
    ck_assert_ptr_null(ref);
    ck_assert_int_eq(brim_claim_with(c, BRIM_KEY(key), &o, &ref, &load), BRIM_CANCELED);
    ck_assert_ptr_null(load);
    load = (brim_load *)&e;
    ck_assert_int_eq(brim_claim_async(c, BRIM_KEY(key), &o, tell, &t, &ref, &load, &wait), BRIM_CANCELED);
    ck_assert(load == NULL && wait == NULL);
    ck_assert_uint_eq(brim_claim_many(c, &bytes, 1, &o, &ref, &load, &s), 0);
    ck_assert_int_eq(s, BRIM_CANCELED);
    ck_assert_uint_eq(runs_of(&never), 0);
    told_nothing(&t);
    ck_assert_uint_eq(stats_of(c).loading, 0);
    ck_assert_uint_eq(brim_group_loads(group), 0);
    brim_group_drop(group);
    finish(c);
}
END_TEST

START_TEST(test_load_groups_count_their_loads)
{
    brim_cache *c = make_value_cache(100);
    brim_group *group = brim_group_new(c);
    brim_entry_options e = entry_defaults();
    brim_load *loads[3];

    e.group = group;
    for (uint64_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(brim_group_loads(group), i);
        loads[i] = claim_entry(c, i, &e);
    }
    ck_assert_int_eq(finish_load(loads[0], 0, 1, NULL), BRIM_OK);
    ck_assert_uint_eq(brim_group_loads(group), 2);
    brim_load_fail(loads[1], REASON);
    ck_assert_uint_eq(brim_group_loads(group), 1);
    brim_group_close(group);
    ck_assert_uint_eq(brim_group_loads(group), 1);
    ck_assert_int_eq(finish_load(loads[2], 2, 1, NULL), BRIM_CANCELED);
    ck_assert_uint_eq(brim_group_loads(group), 0);
    ck_assert_uint_eq(brim_group_loads(NULL), 0);
    brim_group_drop(group);
    finish(c);
}
END_TEST

/* ---- Bad input: INVALID, and nothing changed */

/* All calls that take ${o}. */
static void all_invalid(brim_cache *c, const void *key, size_t key_len, const brim_claim_options *o)
{
    maker never = {.id = ID, .cost = 1};
    brim_bytes bytes = {key, key_len};
    brim_ref *ref = (brim_ref *)&never;
    brim_load *load = (brim_load *)&never;
    brim_wait *wait = (brim_wait *)&never;
    brim_status s = BRIM_OK;
    told t = {0};

    ck_assert_int_eq(brim_get_with(c, key, key_len, o, make_value, &never, &ref), BRIM_INVALID);
    ck_assert_ptr_null(ref);
    ref = (brim_ref *)&never;
    ck_assert_int_eq(brim_claim_with(c, key, key_len, o, &ref, &load), BRIM_INVALID);
    ck_assert(ref == NULL && load == NULL);
    ref = (brim_ref *)&never;
    load = (brim_load *)&never;
    ck_assert_int_eq(brim_claim_async(c, key, key_len, o, tell, &t, &ref, &load, &wait), BRIM_INVALID);
    ck_assert(ref == NULL && load == NULL && wait == NULL);
    ref = (brim_ref *)&never;
    load = (brim_load *)&never;
    ck_assert_uint_eq(brim_claim_many(c, &bytes, 1, o, &ref, &load, &s), 0);
    ck_assert_int_eq(s, BRIM_INVALID);
    ck_assert(ref == NULL && load == NULL);
    ck_assert_uint_eq(runs_of(&never), 0);
    told_nothing(&t);
}

static void nothing_changed(brim_cache *c)
{
    brim_stats s = stats_of(c);

    ck_assert_uint_eq(s.loading + s.loads + s.load_failures + s.load_waits, 0);
    ck_assert_uint_eq(s.used + s.count + s.values + s.reserved, 0);
    ck_assert_uint_eq(values_made(), 0);
    ck_assert(brim_check(c, stderr));
}

START_TEST(test_load_invalid_keys_and_caches)
{
    brim_cache *c = make_value_cache(100);
    char k = 'k';

    all_invalid(NULL, &k, 1, NULL);
    all_invalid(c, NULL, 1, NULL);
    all_invalid(c, &k, (size_t)UINT32_MAX + 1, NULL);
    nothing_changed(c);
    finish(c);
}
END_TEST

START_TEST(test_load_invalid_options)
{
    brim_cache *c = make_value_cache(100), *other = make_value_cache(100);
    brim_group *stranger = brim_group_new(other);
    brim_kind small = {.size = 8}, high = {.size = sizeof(brim_kind), .ceiling = 101};
    brim_claim_options o = claim_defaults();
    brim_entry_options e = entry_defaults();
    char k = 'k';
    int reason = 5;

    o.size--;
    all_invalid(c, &k, 1, &o);
    o.size = 0;
    all_invalid(c, &k, 1, &o);
    o = claim_defaults();
    o.entry = &e;
    o.reason = &reason;
    e.size--;
    all_invalid(c, &k, 1, &o);
    for (int i = 0; i < 6; i++) {
        e = entry_defaults();
        if (i < 2)
            e.priority = i == 0 ? 2 : -2;
        if (i == 2)
            e.group = stranger;
        if (i == 3)
            e.more_groups[2] = stranger;
        if (i >= 4)
            e.kind = i == 4 ? &small : &high;
        reason = 5;
        all_invalid(c, &k, 1, &o);
        ck_assert_int_eq(reason, 0);
    }
    nothing_changed(c);
    e = entry_defaults();
    ck_assert_int_eq(finish_load(claim_with(c, KEY, &o), ID, 1, NULL), BRIM_OK); /* they were all that was wrong */
    brim_group_drop(stranger);
    brim_cache_free(other);
    finish(c);
}
END_TEST

START_TEST(test_load_invalid_without_loader_or_out)
{
    brim_cache *c = make_value_cache(100);
    maker never = {.id = ID, .cost = 1};
    brim_ref *ref = (brim_ref *)&never;
    brim_load *load = (brim_load *)&never;
    brim_wait *wait = (brim_wait *)&never;
    told t = {0};

    ck_assert_int_eq(brim_get(c, "k", 1, NULL, &never, &ref), BRIM_INVALID);
    ck_assert_ptr_null(ref);
    ck_assert_int_eq(brim_get(c, "k", 1, make_value, &never, NULL), BRIM_INVALID);
    ck_assert_int_eq(brim_get_with(c, "k", 1, NULL, make_value, &never, NULL), BRIM_INVALID);
    ck_assert_int_eq(brim_claim(c, "k", 1, -1, NULL, &load), BRIM_INVALID);
    ck_assert_ptr_null(load);
    ref = (brim_ref *)&never;
    ck_assert_int_eq(brim_claim(c, "k", 1, -1, &ref, NULL), BRIM_INVALID);
    ck_assert_ptr_null(ref);
    ref = (brim_ref *)&never;
    load = (brim_load *)&never;
    ck_assert_int_eq(brim_claim_async(c, "k", 1, NULL, NULL, NULL, &ref, &load, &wait), BRIM_INVALID);
    ck_assert(ref == NULL && load == NULL && wait == NULL);
    ck_assert_int_eq(brim_claim_async(c, "k", 1, NULL, tell, &t, NULL, &load, &wait), BRIM_INVALID);
    ck_assert_int_eq(brim_claim_async(c, "k", 1, NULL, tell, &t, &ref, NULL, &wait), BRIM_INVALID);
    ck_assert_uint_eq(runs_of(&never), 0);
    told_nothing(&t);
    nothing_changed(c);
    finish(c);
}
END_TEST

START_TEST(test_load_null_is_the_load_of_nothing)
{
    value *v = value_new(ID, 1);
    brim_ref *out = (brim_ref *)&v;

    ck_assert_int_eq(brim_load_finish(NULL, v, 1, &out), BRIM_INVALID);
    ck_assert_ptr_null(out);
    out = (brim_ref *)&v;
    ck_assert_int_eq(brim_load_finish_with(NULL, v, 1, NULL, &out), BRIM_INVALID);
    ck_assert_ptr_null(out);
    ck_assert(value_alive(v, ID));
    brim_load_fail(NULL, REASON);
    brim_load_fail_for(NULL, REASON, 1);
    brim_load_begin(NULL);
    ck_assert(!brim_load_is_wanted(NULL));
    ck_assert_uint_eq(brim_load_asked(NULL), 0);
    ck_assert(!brim_wait_cancel(NULL));
    ck_assert_ptr_null(brim_load_current());
    value_discard(v);
}
END_TEST

/* ---- brim_claim */

START_TEST(test_load_claim)
{
    brim_cache *c = make_value_cache(100);
    brim_ref *ref = (brim_ref *)&c, *out = NULL;
    brim_load *load = NULL;
    uint64_t key = KEY;

    ck_assert_int_eq(brim_claim(c, BRIM_KEY(key), -1, &ref, &load), BRIM_CLAIMED);
    ck_assert_ptr_null(ref);
    ck_assert_uint_eq(stats_of(c).loading, 1);
    ck_assert(!has(c, KEY));
    ck_assert_uint_eq(brim_count(c) + brim_used(c), 0);
    ck_assert_int_eq(finish_load(load, ID, COST, &out), BRIM_OK);
    ck_assert_uint_eq(id_of(out), ID);
    ck_assert(brim_ref_is_cached(out));
    load = (brim_load *)&c;
    ck_assert_int_eq(brim_claim(c, BRIM_KEY(key), -1, &ref, &load), BRIM_OK);
    ck_assert_ptr_eq(ref, out);
    ck_assert_ptr_null(load);
    ck_assert_uint_eq(stats_of(c).loads, 1);
    ck_assert_uint_eq(stats_of(c).insertions, 1);
    brim_release(out);
    brim_release(ref);
    finish(c);
}
END_TEST

typedef struct finishing {
    brim_load *load;
    brim_status status;
} finishing;

static void finish_there(unsigned id, void *arg)
{
    finishing *f = arg;

    (void)id;
    f->status = finish_load(f->load, ID, COST, NULL);
}

START_TEST(test_load_is_finished_on_another_thread)
{
    brim_cache *c = make_value_cache(100);
    finishing f = {claim(c, KEY), BRIM_INVALID};

    crew_do(1, finish_there, &f);
    ck_assert_int_eq(f.status, BRIM_OK);
    ck_assert_uint_eq(found_id(c, KEY), ID);
    finish(c);
}
END_TEST

/* ---- brim_claim_many */

START_TEST(test_load_claim_many)
{
    enum { N = 8 };
    brim_cache *c = clock_cache(100);
    uint64_t keys[N] = {1, 2, 3, 2, 4, 1, 5, 6};
    static const brim_status expected[N] = {BRIM_OK, BRIM_CLAIMED, BRIM_PENDING, BRIM_PENDING,
                                            BRIM_FAILED, BRIM_OK, BRIM_FAILED, BRIM_CLAIMED};
    brim_claim_options o = expecting(7);
    brim_bytes bytes[N];
    brim_ref *refs[N];
    brim_load *loads[N], *third = claim(c, 3);
    brim_status statuses[N];
    int reason = 0;

    ck_assert_int_eq(put(c, 1, 1, 1), BRIM_OK);
    brim_load_fail_for(claim(c, 4), REASON, 100);
    brim_load_fail_for(claim(c, 5), REASON + 1, 100);
    o.reason = &reason;
    for (int i = 0; i < N; i++) {
        bytes[i] = (brim_bytes){&keys[i], sizeof keys[i]};
        refs[i] = (brim_ref *)&o;
        loads[i] = (brim_load *)&o;
        statuses[i] = BRIM_UNSUPPORTED;
    }
    ck_assert_uint_eq(brim_claim_many(c, bytes, N, &o, refs, loads, statuses), 2);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(statuses[i], expected[i]);
        ck_assert((refs[i] != NULL) == (expected[i] == BRIM_OK));
        ck_assert((loads[i] != NULL) == (expected[i] == BRIM_CLAIMED));
    }
    ck_assert_ptr_eq(refs[0], refs[5]);
    ck_assert_int_eq(reason, REASON + 1);
    ck_assert_uint_eq(stats_of(c).reserved, 14);
    ck_assert_uint_eq(stats_of(c).loading, 3);
    ck_assert_uint_eq(stats_of(c).load_waits, 0);
    ck_assert_int_eq(finish_load(loads[1], 2, 7, NULL), BRIM_OK);
    ck_assert_int_eq(finish_load(loads[7], 6, 7, NULL), BRIM_OK);
    ck_assert_int_eq(finish_load(third, 3, 1, NULL), BRIM_OK);
    ck_assert_uint_eq(found_id(c, 2), 2);
    ck_assert_uint_eq(found_id(c, 6), 6);
    brim_release_many(refs, N);
    ck_assert_uint_eq(brim_pinned(c), 0);
    finish(c);
}
END_TEST

START_TEST(test_load_claim_many_of_a_viewport)
{
    enum { N = 1000 };
    static uint64_t keys[N];
    static brim_bytes bytes[N];
    static brim_ref *refs[N];
    static brim_load *loads[N];
    static brim_status statuses[N];
    brim_cache *c = make_value_cache(10 * N);
    int reason = 5;
    brim_claim_options o = claim_defaults();

    o.reason = &reason;
    for (uint64_t i = 0; i < N; i++) {
        keys[i] = i;
        bytes[i] = (brim_bytes){&keys[i], sizeof keys[i]};
        if (i % 3 == 0)
            ck_assert_int_eq(put(c, i, i, 1), BRIM_OK);
    }
    ck_assert_uint_eq(brim_claim_many(c, bytes, N, &o, refs, loads, statuses), (N + 2) / 3);
    ck_assert_int_eq(reason, 0);
    for (uint64_t i = 0; i < N; i++) {
        ck_assert_int_eq(statuses[i], i % 3 == 0 ? BRIM_OK : BRIM_CLAIMED);
        if (i % 3 == 0)
            ck_assert_uint_eq(id_of(refs[i]), i);
        else
            ck_assert_int_eq(finish_load(loads[i], i, 1, NULL), BRIM_OK);
    }
    brim_release_many(refs, N);
    ck_assert_uint_eq(brim_claim_many(c, bytes, N, NULL, refs, loads, statuses), N);
    brim_release_many(refs, N);
    ck_assert_uint_eq(brim_count(c), N);
    ck_assert_uint_eq(stats_of(c).hits, N + (N + 2) / 3);
    ck_assert_uint_eq(stats_of(c).misses, N - (N + 2) / 3);
    finish(c);
}
END_TEST

START_TEST(test_load_claim_many_without_an_array_does_nothing)
{
    brim_cache *c = make_value_cache(100);
    brim_bytes key = {"k", 1};
    brim_ref *ref = (brim_ref *)&key, *ref_was = ref;
    brim_load *load = (brim_load *)&key, *load_was = load;
    brim_status s = BRIM_UNSUPPORTED;

    ck_assert_uint_eq(brim_claim_many(c, &key, 1, NULL, NULL, &load, &s), 0);
    ck_assert_uint_eq(brim_claim_many(c, &key, 1, NULL, &ref, NULL, &s), 0);
    ck_assert_uint_eq(brim_claim_many(c, &key, 1, NULL, &ref, &load, NULL), 0);
    ck_assert_uint_eq(brim_claim_many(c, &key, 0, NULL, &ref, &load, &s), 0);
    ck_assert(ref == ref_was && load == load_was && s == BRIM_UNSUPPORTED);
    nothing_changed(c);
    finish(c);
}
END_TEST

/* ---- brim_key_get */

static brim_key *key_of(brim_cache *c, uint64_t key, uint64_t id, const brim_entry_options *e)
{
    brim_ref *ref = NULL;
    brim_key *k;

    ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(key), value_new(id, 1), 1, e, &ref), BRIM_OK);
    k = brim_ref_key(ref);
    brim_release(ref);
    return k;
}

START_TEST(test_load_key_get_hits_or_loads_again)
{
    brim_cache *c = make_value_cache(100);
    maker m = {.id = ID, .cost = COST};
    brim_key *k = key_of(c, KEY, 1, NULL), *other = brim_key_copy(k), *found;
    brim_ref *ref = NULL;
    uint64_t key = KEY;

    ck_assert_int_eq(brim_key_get(&k, make_value, &m, &ref), BRIM_OK);
    ck_assert_uint_eq(id_of(ref), 1);
    ck_assert(brim_key_equal(k, other));
    brim_release(ref);
    ck_assert_uint_eq(runs_of(&m), 0);
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    ck_assert_int_eq(brim_key_get(&k, make_value, &m, &ref), BRIM_OK);
    ck_assert_uint_eq(runs_of(&m), 1);
    ck_assert_uint_eq(id_of(ref), ID);
    ck_assert(brim_ref_is_cached(ref));
    found = brim_ref_key(ref);
    ck_assert(brim_key_equal(k, found));
    ck_assert(!brim_key_equal(k, other));
    ck_assert(brim_key_is_valid(k));
    ck_assert(!brim_key_is_valid(other)); /* G8 */
    ck_assert_uint_eq(found_id(c, KEY), ID);
    brim_release(ref);
    ck_assert_int_eq(brim_key_get(&other, make_value, &m, &ref), BRIM_OK); /* finds the new one by the bytes */
    ck_assert_uint_eq(runs_of(&m), 1);
    ck_assert(brim_key_equal(k, other));
    brim_release(ref);
    brim_key_drop(k);
    brim_key_drop(other);
    brim_key_drop(found);
    finish(c);
}
END_TEST

START_TEST(test_load_key_get_keeps_kind_groups_and_ages)
{
    brim_cache *c = clock_cache(100);
    brim_group *group = brim_group_new(c);
    brim_entry_options e = entry_defaults();
    maker m = {.id = ID, .cost = 1};
    brim_ref *ref = NULL;
    brim_key *k;

    memset(&heard, 0, sizeof heard);
    e.kind = &heard_kind;
    e.more_groups[2] = group;
    e.max_age = 100;
    k = key_of(c, KEY, 1, &e);
    brim_group_invalidate(group);
    for (int i = 0; i < 2; i++) {
        ck_assert(!brim_key_is_valid(k));
        ck_assert_int_eq(brim_key_get(&k, make_value, &m, &ref), BRIM_OK);
        ck_assert_ptr_eq(brim_ref_kind(ref), &heard_kind);
        ck_assert(brim_key_is_valid(k) && has(c, KEY));
        brim_release(ref);
        if (i == 0)
            atomic_fetch_add(&clock_ns, 101);
        else
            brim_group_invalidate(group);
    }
    ck_assert_uint_eq(runs_of(&m), 2);
    ck_assert(!has(c, KEY));
    brim_group_close(group);
    ck_assert_int_eq(brim_key_get(&k, make_value, &m, &ref), BRIM_CANCELED);
    ck_assert_ptr_null(ref);
    ck_assert_ptr_nonnull(k);
    ck_assert_uint_eq(runs_of(&m), 2);
    brim_key_drop(k);
    brim_group_drop(group);
    finish(c);
    ck_assert_uint_eq(heard.destroyed, 3);
}
END_TEST

START_TEST(test_load_key_get_that_fails_leaves_the_key)
{
    brim_cache *c = make_value_cache(100);
    maker fails = {.status = BRIM_FAILED};
    brim_key *k = key_of(c, KEY, 1, NULL), *was = k;
    brim_ref *ref = (brim_ref *)&k;
    uint64_t key = KEY;

    ck_assert(brim_remove(c, BRIM_KEY(key)));
    ck_assert_int_eq(brim_key_get(&k, make_value, &fails, &ref), BRIM_FAILED);
    ck_assert_ptr_null(ref);
    ck_assert_ptr_eq(k, was);
    ck_assert_int_eq(brim_key_get(&k, NULL, NULL, &ref), BRIM_INVALID);
    ck_assert_int_eq(brim_key_get(&k, make_value, &fails, NULL), BRIM_INVALID);
    ck_assert_ptr_eq(k, was);
    ck_assert_uint_eq(runs_of(&fails), 1);
    brim_key_drop(k);
    finish(c);
}
END_TEST

START_TEST(test_load_key_get_of_what_is_not_admitted)
{
    brim_cache *c = make_value_cache(100);
    maker m = {.id = ID, .cost = 101};
    brim_key *k = key_of(c, KEY, 1, NULL), *found;
    brim_ref *ref = NULL;
    uint64_t key = KEY;

    ck_assert(brim_remove(c, BRIM_KEY(key)));
    ck_assert_int_eq(brim_key_get(&k, make_value, &m, &ref), BRIM_OK);
    ck_assert_uint_eq(id_of(ref), ID);
    ck_assert(!brim_ref_is_cached(ref));
    found = brim_ref_key(ref);
    ck_assert(brim_key_equal(k, found));
    ck_assert(!brim_key_is_valid(k));
    brim_key_drop(found);
    brim_release(ref);
    m.cost = 1;
    ck_assert_int_eq(brim_key_get(&k, make_value, &m, &ref), BRIM_OK);
    ck_assert(brim_key_is_valid(k));
    brim_release(ref);
    brim_key_drop(k);
    finish(c);
}
END_TEST

START_TEST(test_load_key_get_of_anonymous_and_of_nothing)
{
    brim_cache *c = make_value_cache(100);
    maker never = {.id = ID, .cost = 1};
    brim_key *k = NULL, *was;
    brim_ref *ref = (brim_ref *)&k;

    ck_assert_int_eq(brim_key_get(&k, make_value, &never, &ref), BRIM_INVALID);
    ck_assert_ptr_null(ref);
    ck_assert_int_eq(brim_key_get(NULL, make_value, &never, &ref), BRIM_INVALID);
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(1, 1), 1, NULL, &k, NULL), BRIM_OK);
    was = k;
    ck_assert_int_eq(brim_key_get(&k, make_value, &never, &ref), BRIM_OK);
    ck_assert_uint_eq(id_of(ref), 1);
    brim_release(ref);
    ck_assert(brim_key_remove(k));
    ck_assert_int_eq(brim_key_get(&k, make_value, &never, &ref), BRIM_INVALID);
    ck_assert_ptr_null(ref);
    ck_assert_ptr_eq(k, was);
    ck_assert_uint_eq(runs_of(&never), 0);
    brim_key_drop(k);
    finish(c);
}
END_TEST

typedef struct key_asking {
    brim_key *key;
    atomic_int tid;
    maker never;
    brim_status status;
    brim_ref *ref;
} key_asking;

static void get_by_key(unsigned id, void *arg)
{
    key_asking *a = arg;

    (void)id;
    atomic_store(&a->tid, gettid());
    a->status = brim_key_get(&a->key, make_value, &a->never, &a->ref);
}

START_TEST(test_load_key_get_waits_for_anothers_load)
{
    brim_cache *c = make_value_cache(100);
    key_asking a = {.key = key_of(c, KEY, 1, NULL), .never = {.id = ID + 1, .cost = 1}};
    uint64_t key = KEY, frame = brim_next_frame(c);
    brim_load *load;
    brim_key *found;
    crew thread;

    ck_assert(brim_remove(c, BRIM_KEY(key)));
    load = claim(c, KEY);
    ck_assert_uint_eq(brim_next_frame(c), ++frame);
    crew_start(&thread, 1, get_by_key, &a);
    WAIT_UNTIL(brim_load_asked(load) == frame && thread_sleeps(atomic_load(&a.tid)));
    ck_assert_int_eq(finish_load(load, ID, 1, NULL), BRIM_OK);
    crew_join(&thread);
    ck_assert_int_eq(a.status, BRIM_OK);
    ck_assert_uint_eq(id_of(a.ref), ID);
    found = brim_ref_key(a.ref);
    ck_assert(brim_key_equal(a.key, found));
    ck_assert_uint_eq(runs_of(&a.never), 0);
    brim_release(a.ref);
    brim_key_drop(a.key);
    brim_key_drop(found);
    finish(c);
}
END_TEST

START_TEST(test_load_key_get_outlives_the_cache)
{
    brim_cache *c = make_value_cache(100);
    maker never = {.id = ID, .cost = 1};
    brim_key *k = key_of(c, KEY, 1, NULL), *was = k;
    brim_ref *ref = (brim_ref *)&k;
    brim_status s;

    brim_cache_free(c);
    s = brim_key_get(&k, make_value, &never, &ref);
    ck_assert(s == BRIM_CANCELED || s == BRIM_INVALID);
    ck_assert_ptr_null(ref);
    ck_assert_ptr_eq(k, was);
    ck_assert_uint_eq(runs_of(&never), 0);
    brim_key_drop(k);
    ck_assert_uint_eq(values_live(), 0);
}
END_TEST

/* The clock stops the thread that asks for it: the value found is not known to be stale yet. */
static gate at_clock;
static _Thread_local bool stops_at_clock;

static uint64_t stopping_clock(void *arg)
{
    if (stops_at_clock) {
        stops_at_clock = false;
        gate_stop_here(&at_clock);
    }
    return clock_now(arg);
}

static void get_by_key_stopped(unsigned id, void *arg)
{
    stops_at_clock = true;
    get_by_key(id, arg);
    stops_at_clock = false;
}

/* The value leaves meanwhile, and cannot be loaded again: ${_i} 0 it is anonymous, 1 its group was closed. */
START_TEST(test_load_key_get_whose_old_value_leaves_meanwhile_keeps_nothing)
{
    brim_options o = value_options(100);
    brim_entry_options e = entry_defaults();
    key_asking a = {.never = {.id = ID, .cost = 1}};
    brim_group *group;
    brim_cache *c;
    crew thread;

    gate_init(&at_clock);
    atomic_store(&clock_ns, 1000);
    o.now = stopping_clock;
    c = make_cache(&o);
    group = brim_group_new(c);
    e.max_age = 500;
    e.group = _i == 0 ? NULL : group;
    if (_i == 0)
        ck_assert_int_eq(brim_insert_anonymous(c, value_new(1, 1), 1, &e, &a.key, NULL), BRIM_OK);
    else
        a.key = key_of(c, KEY, 1, &e);
    crew_start(&thread, 1, get_by_key_stopped, &a);
    gate_wait_reached(&at_clock);
    brim_clear(c);
    brim_group_close(group);
    atomic_store(&clock_ns, 5000);
    gate_open(&at_clock);
    crew_join(&thread);
    ck_assert_int_eq(a.status, _i == 0 ? BRIM_INVALID : BRIM_CANCELED);
    ck_assert_ptr_null(a.ref);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(brim_used(c), 0);
    ck_assert_uint_eq(brim_pinned(c), 0);
    brim_key_drop(a.key);
    brim_group_drop(group);
    gate_destroy(&at_clock);
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("load");

    tcase_add_test(tc, test_load_get_loads_once_and_hits_then);
    tcase_add_test(tc, test_load_loader_is_given_the_key);
    tcase_add_test(tc, test_load_whatever_is_not_ok_is_a_failure_and_its_reason);
    tcase_add_test(tc, test_load_what_a_failing_loader_wrote_stays_its_own);
    tcase_add_test(tc, test_load_after_a_failure_the_next_to_ask_tries);
    tcase_add_loop_test(tc, test_load_negative_loads, 0, 2);
    tcase_add_loop_test(tc, test_load_what_cannot_be_admitted_is_returned_uncharged, 0, 3);
    tcase_add_test(tc, test_load_makes_room_by_evicting);
    tcase_add_test(tc, test_load_how_long_it_waits);
    tcase_add_test(tc, test_load_no_timeout_keeps_from_loading);
    tcase_add_loop_test(tc, test_load_is_published_with_its_entry_options, 0, 3);
    tcase_add_test(tc, test_load_into_a_closed_group_is_canceled);
    tcase_add_test(tc, test_load_groups_count_their_loads);
    tcase_add_test(tc, test_load_invalid_keys_and_caches);
    tcase_add_test(tc, test_load_invalid_options);
    tcase_add_test(tc, test_load_invalid_without_loader_or_out);
    tcase_add_test(tc, test_load_null_is_the_load_of_nothing);
    tcase_add_test(tc, test_load_claim);
    tcase_add_test(tc, test_load_is_finished_on_another_thread);
    tcase_add_test(tc, test_load_claim_many);
    tcase_add_test(tc, test_load_claim_many_of_a_viewport);
    tcase_add_test(tc, test_load_claim_many_without_an_array_does_nothing);
    tcase_add_test(tc, test_load_key_get_hits_or_loads_again);
    tcase_add_test(tc, test_load_key_get_keeps_kind_groups_and_ages);
    tcase_add_test(tc, test_load_key_get_that_fails_leaves_the_key);
    tcase_add_test(tc, test_load_key_get_of_what_is_not_admitted);
    tcase_add_test(tc, test_load_key_get_of_anonymous_and_of_nothing);
    tcase_add_test(tc, test_load_key_get_waits_for_anothers_load);
    tcase_add_test(tc, test_load_key_get_outlives_the_cache);
    tcase_add_loop_test(tc, test_load_key_get_whose_old_value_leaves_meanwhile_keeps_nothing, 0, 2);
    return suite_run(tc);
}
