/* SPDX-License-Identifier: MIT
 *
 * The nth call that the library makes fails, once or from then on, for each n, through every public function: with
 * the status that the header has for it, the value still the caller's, no memory lost, the cache whole, and as good
 * as ever once nothing fails.  test/support/faults.sh checks that no function is missing here.
 */
#include "support/fault.h"
#include "support/loads.h"

enum { CAPACITY = 500, MANY = 12 };

/* ---- What a status may be */

static unsigned successes;

static bool failed_before(void)
{
    return fault_count() > 0;
}

/* All that a scenario asks for would succeed. */
static bool fine(brim_status s)
{
    EXPECT_MSG(s == BRIM_OK || (s == BRIM_NOMEM && failed_before()), "status %d", (int)s);
    successes += s == BRIM_OK;
    return s == BRIM_OK;
}

/* ${v} was to become the cache's. */
static bool owned(brim_status s, value *v)
{
    if (fine(s))
        return true;
    EXPECT(value_alive(v, v->id));
    value_discard(v);
    return false;
}

/* Of what may be missing for lack of memory. */
static bool there(const void *p)
{
    EXPECT(p != NULL || failed_before());
    return p != NULL;
}

static bool add(brim_cache *c, uint64_t key, size_t cost)
{
    value *v = value_new(key, cost);

    return owned(brim_insert(c, BRIM_KEY(key), v, cost, NULL), v);
}

/* ---- Scenarios: what does not exist is left out */

static void by_bytes(brim_cache *c)
{
    brim_ref *r = NULL;
    char text[2000];
    value *v;

    memset(text, 'x', sizeof text);
    for (uint64_t i = 0; i < 100; i++) { /* the index grows */
        if (add(c, i, 1))
            EXPECT(found_id(c, i) == i && has(c, i));
    }
    for (size_t len = 100; len <= sizeof text; len += 950) {
        v = value_new(len, 2);
        if (owned(brim_insert(c, text, len, v, 2, &r), v))
            EXPECT(brim_contains(c, text, len));
        EXPECT((r != NULL) == brim_contains(c, text, len));
        brim_release(r);
    }
    for (uint64_t i = 0; i < 10; i++) {
        uint64_t before = found_id(c, i);

        if (!add(c, i, 2))
            EXPECT(found_id(c, i) == before); /* the old one stays */
    }
    for (uint64_t i = 0; i < 90; i++) {
        bool was = has(c, i);

        EXPECT(brim_remove(c, BRIM_KEY(i)) == was);
    }
    EXPECT(brim_count(c) <= 13);
}

static const brim_kind other_kind = {.size = sizeof(brim_kind), .name = "other", .destroy = value_destroy};

static void with_options(brim_cache *c)
{
    brim_entry_options e;
    brim_ref *r = (brim_ref *)&e;
    uint64_t key = 1;
    value *v;

    brim_entry_options_init(&e);
    e.kind = &other_kind;
    e.max_age = UINT64_MAX;
    e.more_groups[1] = brim_group_new(c);
    there(e.more_groups[1]);
    v = value_new(1, 3);
    if (owned(brim_insert_with(c, BRIM_KEY(key), v, 3, &e, &r), v))
        EXPECT(brim_ref_kind(r) == &other_kind && brim_ref_cost(r) == 3 && brim_ref_is_cached(r));
    else
        EXPECT(r == NULL);
    brim_release(r);
    key = 2;
    v = value_new(2, CAPACITY + 1);
    switch (brim_insert_or_wrap(c, BRIM_KEY(key), v, CAPACITY + 1, &e, &r)) {
    case BRIM_TOO_BIG:
        EXPECT(id_of(r) == 2 && !brim_ref_is_cached(r));
        break;
    case BRIM_NOMEM:
        EXPECT(failed_before() && r == NULL && value_alive(v, 2));
        value_discard(v);
        break;
    default:
        EXPECT_MSG(false, "a status that insert_or_wrap has not");
    }
    brim_release(r);
    v = value_new(3, 7);
    if (owned(brim_wrap(c, v, 7, &e, &r), v))
        EXPECT(id_of(r) == 3);
    else
        EXPECT(r == NULL);
    brim_release(r);
    brim_group_drop(e.more_groups[1]);
}

static void by_ref(brim_cache *c)
{
    uint64_t key = 5;
    brim_ref *r, *copy;
    brim_key *k;
    size_t len;

    if (!add(c, key, 4))
        return;
    r = brim_find(c, BRIM_KEY(key));
    copy = brim_ref_copy(r);
    EXPECT(id_of(copy) == 5 && brim_pinned(c) == 4);
    EXPECT(memcmp(brim_ref_key_bytes(r, &len), &key, sizeof key) == 0 && len == sizeof key);
    EXPECT(brim_ref_set_cost(r, 9) == BRIM_OK && brim_used(c) == 9);
    EXPECT(brim_ref_set_cost(r, 4) == BRIM_OK && brim_ref_cost(r) == 4); /* needs no memory */
    k = brim_ref_key(r);
    EXPECT(brim_key_is_valid(k));
    EXPECT(!brim_release_with(copy, BRIM_NOT_USEFUL));
    EXPECT(brim_release_with(r, BRIM_REMOVE_IF_LAST));
    EXPECT(!brim_key_is_valid(k) && brim_key_find(k) == NULL);
    brim_key_drop(k);
}

static void by_key(brim_cache *c)
{
    brim_key *k = (brim_key *)&c, *other = NULL, *before;
    brim_entry_options e;
    brim_ref *r = NULL;
    maker m = {.id = 13, .cost = 1};
    uint64_t key = 13;
    size_t len;
    value *v = value_new(10, 1);

    if (owned(brim_insert_anonymous(c, v, 1, NULL, &k, &r), v)) {
        brim_release(r);
        EXPECT(brim_key_bytes(k, &len) == NULL && len == 0);
        before = brim_key_copy(k);
        v = value_new(11, 1);
        if (owned(brim_key_replace(&k, v, 1), v))
            EXPECT(!brim_key_equal(k, before) && !brim_key_is_valid(before));
        else
            EXPECT(brim_key_equal(k, before) && brim_key_is_valid(before));
        brim_entry_options_init(&e);
        e.priority = 1;
        v = value_new(12, 1);
        if (owned(brim_key_replace_with(&k, v, 1, &e, &r), v))
            EXPECT(id_of(r) == 12);
        else
            EXPECT(r == NULL && brim_key_is_valid(k));
        brim_release(r);
        brim_key_assign(&other, k);
        brim_key_swap(&other, &before);
        EXPECT(brim_key_equal(before, k));
        EXPECT(brim_key_remove(k) && !brim_key_remove(k));
        EXPECT(brim_key_get(&k, make_value, &m, &r) == BRIM_INVALID && r == NULL); /* anonymous, and gone */
        brim_key_drop(before);
        brim_key_drop(other);
        brim_key_drop(k);
    } else {
        EXPECT(k == NULL && r == NULL);
    }
    if (!add(c, key, 1))
        return;
    r = brim_find(c, BRIM_KEY(key));
    k = before = brim_ref_key(r);
    brim_release(r);
    EXPECT(brim_remove(c, BRIM_KEY(key)));
    if (fine(brim_key_get(&k, make_value, &m, &r)))
        EXPECT(id_of(r) == 13 && runs_of(&m) == 1 && k != before);
    else
        EXPECT(r == NULL && runs_of(&m) == 0 && k == before);
    brim_release(r);
    brim_key_drop(k);
}

static void by_slot(brim_cache *c)
{
    brim_slot slot = BRIM_SLOT_INIT;
    brim_key *k = NULL, *was;
    brim_ref *r;
    value *v = value_new(20, 1);

    if (!owned(brim_insert_anonymous(c, v, 1, NULL, &k, NULL), v))
        return;
    brim_slot_init(&slot, brim_key_copy(k));
    r = brim_slot_find(&slot);
    EXPECT(id_of(r) == 20);
    brim_release(r);
    was = brim_slot_load(&slot);
    EXPECT(brim_key_equal(was, k));
    brim_key_drop(was);
    was = brim_slot_exchange(&slot, NULL);
    EXPECT(brim_slot_compare_exchange(&slot, NULL, was));
    brim_slot_store(&slot, NULL);
    brim_key_drop(k);
}

static void many_at_once(brim_cache *c)
{
    uint64_t keys[MANY];
    brim_bytes bytes[MANY];
    brim_ref *refs[MANY];
    brim_key *handles[MANY] = {NULL};
    void *values[MANY];
    size_t there_are = 0;

    for (size_t i = 0; i < MANY; i++) {
        keys[i] = 30 + i;
        bytes[i] = (brim_bytes){&keys[i], sizeof keys[i]};
        there_are += add(c, keys[i], 1);
    }
    EXPECT(brim_find_many(c, bytes, MANY, refs) == there_are);
    for (size_t i = 0; i < MANY; i++)
        handles[i] = brim_ref_key(refs[i]);
    brim_release_many(refs, MANY);
    EXPECT(brim_find_fixed(c, keys, sizeof keys[0], sizeof keys[0], MANY, refs) == there_are);
    brim_release_many(refs, MANY);
    EXPECT(brim_key_find_many(handles, MANY, refs) == there_are);
    brim_release_many(refs, MANY);
    if (fine(brim_read_begin(c))) {
        EXPECT(brim_peek_many(c, bytes, MANY, values) == there_are);
        EXPECT(brim_peek_fixed(c, keys, sizeof keys[0], sizeof keys[0], MANY, values) == there_are);
        brim_read_end(c);
    }
    for (size_t i = 0; i < MANY; i++)
        brim_key_drop(handles[i]);
}

static void borrowing(brim_cache *c)
{
    uint64_t key = 40;
    const brim_ref *lent;
    brim_key *k = NULL;
    brim_ref *r;
    bool is_there = add(c, key, 1);

    if (!fine(brim_read_begin(c)))
        return;
    lent = brim_borrow(c, BRIM_KEY(key));
    EXPECT((lent != NULL) == is_there && (brim_peek(c, BRIM_KEY(key)) != NULL) == is_there);
    r = brim_ref_hold(lent);
    k = brim_ref_key(r);
    EXPECT((brim_key_peek(k) != NULL) == is_there);
    EXPECT(brim_remove(c, BRIM_KEY(key)) == is_there);
    brim_release(r);
    EXPECT(brim_used(c) == (is_there ? 1 : 0)); /* it waits */
    brim_read_refresh(c);
    EXPECT(brim_used(c) == 0);
    brim_read_end(c);
    brim_key_drop(k);
}

static void getting(brim_cache *c)
{
    brim_claim_options o;
    brim_ref *r = (brim_ref *)&o;
    maker m = {.id = 50, .cost = 2}, failing = {.id = 51, .cost = 2, .status = BRIM_FAILED};
    uint64_t key = 50;
    int reason = -1;

    brim_claim_options_init(&o);
    o.expected_cost = 20;
    if (fine(brim_get(c, BRIM_KEY(key), make_value, &m, &r)))
        EXPECT(id_of(r) == 50 && runs_of(&m) == 1 && (brim_ref_is_cached(r) || failed_before()));
    else
        EXPECT(r == NULL && runs_of(&m) == 0);
    brim_release(r);
    key = 51;
    o.reason = &reason;
    if (brim_get_with(c, BRIM_KEY(key), &o, make_value, &failing, &r) == BRIM_FAILED)
        EXPECT(reason == BRIM_FAILED && runs_of(&failing) == 1);
    else
        EXPECT(failed_before() && runs_of(&failing) == 0);
    EXPECT(r == NULL && brim_load_current() == NULL);
}

static bool claimed(brim_status s, brim_load *const *load)
{
    const brim_load *l = *load;


    EXPECT_MSG(s == BRIM_CLAIMED ? l != NULL : (s == BRIM_NOMEM && failed_before() && l == NULL),
               "status %d, load %p", (int)s, (const void *)l);
    return s == BRIM_CLAIMED;
}

/* A load is finished with what it has already, but for the index. */
static void ended(brim_status s)
{
    EXPECT_MSG(s == BRIM_OK || (s == BRIM_FULL && failed_before()), "a load finished: %d", (int)s);
}

static void claiming(brim_cache *c)
{
    brim_claim_options o = expecting(20);
    brim_entry_options e = entry_defaults();
    brim_load *l = (brim_load *)&o, *none = NULL;
    brim_wait *wait = NULL;
    brim_ref *r = NULL;
    uint64_t key = 60;
    told t = {0}, canceled = {0};
    brim_status s;
    value *v;

    if (claimed(brim_claim(c, BRIM_KEY(key), -1, &r, &l), &l)) {
        brim_load_begin(l);
        EXPECT(brim_load_is_wanted(l) && brim_load_asked(l) == brim_frame(c));
        s = brim_claim_async(c, BRIM_KEY(key), NULL, tell, &t, &r, &none, NULL);
        EXPECT(s == BRIM_PENDING || (s == BRIM_NOMEM && failed_before()));
        EXPECT(brim_claim_async(c, BRIM_KEY(key), NULL, tell, &canceled, &r, &none, &wait) == s);
        EXPECT(brim_wait_cancel(wait) == (s == BRIM_PENDING));
        EXPECT(claim_status(c, key, 1) == BRIM_TIMEOUT);
        ended(brim_load_finish(l, value_new(60, 1), 1, &r));
        EXPECT(id_of(r) == 60);
        EXPECT(atomic_load(&t.calls) == (s == BRIM_PENDING) && atomic_load(&canceled.calls) == 0);
        brim_release(r);
    }
    key = 61;
    if (claimed(brim_claim_with(c, BRIM_KEY(key), &o, &r, &l), &l)) {
        e.kind = &other_kind;
        e.max_idle = UINT64_MAX;
        v = value_new(61, 1);
        s = brim_load_finish_with(l, v, 1, &e, &r);
        if (s == BRIM_NOMEM) { /* no memory for the kind */
            EXPECT(failed_before() && r == NULL && value_alive(v, 61));
            ended(brim_load_finish(l, v, 1, &r));
        } else {
            ended(s);
        }
        EXPECT(id_of(r) == 61);
        brim_release(r);
    }
    key = 62;
    if (claimed(brim_claim(c, BRIM_KEY(key), 0, &r, &l), &l)) {
        EXPECT(brim_load_cancel(c, BRIM_KEY(key)) && !brim_load_is_wanted(l));
        brim_load_fail(l, 3);
    }
    EXPECT(stats_of(c).loading == 0 && stats_of(c).reserved == 0);
}

static void claiming_many(brim_cache *c)
{
    uint64_t keys[MANY];
    brim_bytes bytes[MANY];
    brim_ref *refs[MANY];
    brim_load *loads[MANY];
    brim_status statuses[MANY];

    for (size_t i = 0; i < MANY; i++) {
        keys[i] = 70 + i;
        bytes[i] = (brim_bytes){&keys[i], sizeof keys[i]};
    }
    EXPECT(brim_claim_many(c, bytes, MANY, NULL, refs, loads, statuses) == 0);
    for (size_t i = 0; i < MANY; i++) {
        EXPECT(refs[i] == NULL);
        if (claimed(statuses[i], &loads[i]) && i % 2 == 0)
            brim_load_fail_for(loads[i], 4, UINT64_MAX); /* remembered until the cache goes */
        else if (loads[i] != NULL)
            ended(brim_load_finish(loads[i], value_new(keys[i], 1), 1, NULL));
    }
}

static void grouping(brim_cache *c)
{
    brim_entry_options e = entry_defaults();
    brim_group *g = brim_group_new(c);
    uint64_t key = 90;
    value *v;

    if (!there(g))
        return;
    e.group = brim_group_copy(g);
    v = value_new(90, 1);
    if (owned(brim_insert_with(c, BRIM_KEY(key), v, 1, &e, NULL), v)) {
        EXPECT(has(c, key));
        brim_group_invalidate(g);
        EXPECT(!has(c, key) && brim_group_loads(g) == 0);
    }
    brim_group_close(g);
    v = value_new(91, 1);
    EXPECT(brim_insert_with(c, BRIM_KEY(key), v, 1, &e, NULL) == BRIM_CANCELED);
    value_discard(v);
    brim_group_drop(e.group);
    brim_group_drop(g);
}

static void queueing(brim_cache *c)
{
    static brim_kind queued; /* until the cache is freed */
    brim_entry_options e = entry_defaults();
    uint64_t key = 95;
    value *v;

    queued = (brim_kind){.size = sizeof queued, .destroy = value_destroy, .queue = brim_queue_new()};
    if (!there(queued.queue))
        return;
    e.kind = &queued;
    v = value_new(95, 1);
    if (owned(brim_insert_with(c, BRIM_KEY(key), v, 1, &e, NULL), v)) {
        EXPECT(brim_remove(c, BRIM_KEY(key)) && value_alive(v, 95));
        EXPECT(brim_collect(queued.queue, 5) == 1);
    }
    v = value_new(96, 1);
    if (owned(brim_insert_with(c, BRIM_KEY(key), v, 1, &e, NULL), v))
        EXPECT(brim_remove(c, BRIM_KEY(key)));
    brim_queue_drop(queued.queue);
    EXPECT(brim_used(c) == 0);
}

static void bounds(brim_cache *c)
{
    EXPECT(brim_reserve(c, 10) == BRIM_OK && brim_used(c) == 10); /* none of these needs memory */
    brim_unreserve(c, 10);
    for (uint64_t i = 0; i < 150; i++)
        (void)add(c, 100 + i, 4); /* evictions */
    EXPECT(brim_set_capacity(c, CAPACITY / 2) == BRIM_OK && brim_used(c) <= CAPACITY / 2);
    EXPECT(brim_set_capacity(c, CAPACITY) == BRIM_OK && brim_capacity(c) == CAPACITY);
    (void)brim_trim(c, 100);
    EXPECT(brim_used(c) <= 100);
    (void)brim_trim_kind(c, &value_kind, 60);
    EXPECT(brim_next_frame(c) == brim_frame(c));
    (void)brim_trim_unused_since(c, brim_frame(c));
    EXPECT(brim_used(c) == 0);
    if (fine(brim_kind_set_limits(c, &other_kind, 10, 50)))
        EXPECT(brim_kind_set_limits(c, &other_kind, 0, 0) == BRIM_OK); /* known, it needs none */
    (void)brim_idle(c);
    EXPECT(brim_drain(c, -1) == BRIM_OK);
}

static bool show(brim_ref *lent, void *arg)
{
    ++*(size_t *)arg;
    return brim_ref_value(lent) != NULL;
}

static bool is_odd(brim_ref *lent, void *arg)
{
    (void)arg;
    return id_of(lent) % 2 != 0;
}

static int take(void *arg, const char *text, size_t len)
{
    *(size_t *)arg += len;
    return text == NULL;
}

static void ignore(const char *message, void *arg)
{
    (void)message, (void)arg;
}

static void looking(brim_cache *c)
{
    FILE *file = fopen("/dev/null", "w");
    size_t shown = 0, taken = 0;
    brim_stats stats;
    brim_status s;

    ck_assert_ptr_nonnull(file);
    for (uint64_t i = 0; i < 30; i++)
        (void)add(c, 700 + i, 1);
    EXPECT(brim_for_each(c, show, &shown) == shown && shown == brim_count(c));
    EXPECT(brim_remove_if(c, is_odd, NULL) <= shown);
    brim_stats_get(c, &stats);
    EXPECT(stats.count == brim_count(c) && stats.capacity == CAPACITY);
    s = brim_stats_write(c, file, BRIM_JSON);
    EXPECT(s == BRIM_OK || (s == BRIM_FAILED && failed_before()));
    EXPECT(brim_stats_emit(&c, 1, BRIM_PROMETHEUS, take, &taken) == BRIM_OK && taken > 0);
    (void)brim_report_problems(c, take, &taken);
    brim_set_debug_hook(ignore, NULL);
    brim_dump(c, file);
    brim_dump_refs(c, file);
    brim_set_debug_hook(NULL, NULL);
    EXPECT(brim_check(c, stderr));
    brim_clear(c);
    EXPECT(brim_count(c) == 0 && brim_used(c) == 0);
    EXPECT(brim_strerror(BRIM_NOMEM) != NULL && brim_version() != NULL);
    (void)fclose(file);
}

typedef void scenario(brim_cache *c);
static scenario *const scenarios[] = {by_bytes,      with_options, by_ref,   by_key,   by_slot,
                                      many_at_once,  borrowing,    getting,  claiming, claiming_many,
                                      grouping,      queueing,     bounds,   looking};
enum { SCENARIOS = sizeof scenarios / sizeof scenarios[0] };
/* With libc's memory, then with a user's: which makes no difference to threads. */
enum { EACH = THREADS_BUILD ? SCENARIOS : 2 * SCENARIOS };

/* ---- Running them */

static unsigned gone_calls;

static void gone(void *arg)
{
    (void)arg;
    gone_calls++;
}

static brim_options options(bool users)
{
    brim_options o;

    brim_options_init(&o, CAPACITY);
    o.kind = &value_kind;
    o.borrow = true;
    o.protect_frame = true;
    o.shards = 2;
    o.name = "faulty";
    o.seed = 1;
    o.gone = gone;
    o.allocator = users ? &fault_allocator : NULL;
    return o;
}

/* ${c} is as good as ever. */
static void use(brim_cache *c)
{
    maker m = {.id = 2001, .cost = 1};
    brim_ref *r = NULL;
    told t;
    brim_load *l;

    for (uint64_t i = 0; i < 20; i++)
        ck_assert_int_eq(put(c, 2000 + i, i, 1), BRIM_OK);
    ck_assert_uint_eq(found_id(c, 2019), 19);
    ck_assert_int_eq(brim_read_begin(c), BRIM_OK);
    brim_read_end(c);
    ck_assert_int_eq(get(c, 3000, &m, &r), BRIM_OK);
    brim_release(r);
    l = claim(c, 3001);
    (void)wait_for(c, 3001, &t);
    ck_assert_int_eq(finish_load(l, 3001, 1, NULL), BRIM_OK);
    told_got(&t, 3001, true);
}

/* How many calls were made to fail. */
static size_t run(scenario *sc, bool users, size_t from, size_t to)
{
    brim_options o = options(users);
    size_t blocks = fault_blocks(), failed;
    brim_cache *c = (brim_cache *)&o;
    brim_status s;

    gone_calls = 0;
    values_start();
    fault_begin(from, to);
    s = brim_cache_new(&o, &c);
    if (fine(s)) {
        sc(c);
        EXPECT(brim_check(c, stderr));
        failed = fault_end();
        use(c);
        EXPECT(brim_check(c, stderr));
        fault_begin(1, SIZE_MAX); /* to free it needs nothing */
        brim_cache_free(c);
        (void)fault_end();
    } else {
        failed = fault_end();
        ck_assert_ptr_null(c);
    }
    no_trouble();
    ck_assert_uint_eq(gone_calls, s == BRIM_OK);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(fault_blocks(), blocks);
    return failed;
}

/* What is the process's and stays. */
static void warm_up(scenario *sc, bool users)
{
    brim_options o = options(users);
    brim_cache *c = make_cache(&o);

    sc(c);
    use(c);
    finish(c);
}

static void each_n(int i, bool for_good)
{
    scenario *sc = scenarios[i % SCENARIOS];
    bool users = i >= SCENARIOS;
    size_t n;

    warm_up(sc, users);
    successes = 0;
    for (n = 1; run(sc, users, n, for_good ? SIZE_MAX : n + 1) != 0; n++)
        ck_assert_uint_lt(n, 10000);
    ck_assert_uint_gt(n, 8); /* a cache alone calls so often */
    ck_assert_uint_gt(successes, 1);
}

START_TEST(test_nth_fails_once)
{
    each_n(_i, false);
}
END_TEST

START_TEST(test_nth_and_all_after_it_fail)
{
    each_n(_i, true);
}
END_TEST

/* No mutex is free at once, and no wait on a condition ends for its own sake. */
START_TEST(test_nth_all_contended)
{
    warm_up(scenarios[_i], false);
    fault_contend(true);
    ck_assert_uint_eq(run(scenarios[_i], false, SIZE_MAX, SIZE_MAX), 0);
    fault_contend(false);
}
END_TEST

static void heal(void)
{
    (void)fault_end();
    fault_contend(false);
}

int main(void)
{
    TCase *tc = suite_case("nth");

    tcase_add_checked_fixture(tc, NULL, heal);
    tcase_add_loop_test(tc, test_nth_fails_once, 0, EACH);
    tcase_add_loop_test(tc, test_nth_and_all_after_it_fail, 0, EACH);
    tcase_add_loop_test(tc, test_nth_all_contended, 0, SCENARIOS);
    return suite_run(tc);
}
