/* SPDX-License-Identifier: MIT
 *
 * Sections: what was borrowed stays, undestroyed and charged, until the outermost end, however and by
 * whomever its entry is made to leave; then it is destroyed, once.  Which sections a value waits for, and
 * brim_ref_hold.
 */
#include "support/support.h"

enum { ENTRIES = 8, COST = 10 };

static atomic_uint gone_calls, unused_calls;

static void gone(void *arg)
{
    EXPECT(arg == &gone_calls);
    EXPECT(values_live() == 0);
    EXPECT(atomic_load(&unused_calls) == 1);
    atomic_fetch_add(&gone_calls, 1);
}

static void unused(void *arg)
{
    EXPECT(arg == &unused_calls);
    EXPECT(values_live() == 0);
    atomic_fetch_add(&unused_calls, 1);
}

static const brim_kind kind = {
    .size = sizeof(brim_kind), .destroy = value_destroy, .unused = unused, .arg = &unused_calls};

static brim_cache *cache_with_gone(size_t capacity, size_t max_entries)
{
    brim_options o = borrow_options(capacity);

    o.kind = &kind;
    o.gone = gone;
    o.gone_arg = &gone_calls;
    o.max_entries = max_entries;
    atomic_store(&gone_calls, 0);
    atomic_store(&unused_calls, 0);
    return make_cache(&o);
}

static void free_and_see_it_gone(brim_cache *c)
{
    ck_assert_uint_eq(atomic_load(&gone_calls), 0);
    finish(c);
    ck_assert_uint_eq(atomic_load(&unused_calls), 1);
    ck_assert_uint_eq(atomic_load(&gone_calls), 1);
}

/* ---- Every way to borrow, every way to leave, by the same thread or another */

typedef struct stay {
    brim_cache *cache;
    brim_key *keys[ENTRIES];
    void *values[ENTRIES];
    uint64_t key; /* that most ways make leave */
    bool freed;
} stay;

enum { BY_PEEK, BY_BORROW, BY_KEY, BY_MANY, BY_FIXED, BORROWS };

static void borrow_all(stay *s, int how)
{
    uint64_t names[ENTRIES];
    brim_bytes bytes[ENTRIES];

    for (uint64_t i = 0; i < ENTRIES; i++) {
        names[i] = i;
        bytes[i] = (brim_bytes){&names[i], sizeof names[i]};
        if (how == BY_PEEK)
            s->values[i] = brim_peek(s->cache, BRIM_KEY(i));
        if (how == BY_BORROW)
            s->values[i] = brim_ref_value(brim_borrow(s->cache, BRIM_KEY(i)));
        if (how == BY_KEY)
            s->values[i] = brim_key_peek(s->keys[i]);
    }
    if (how == BY_MANY)
        ck_assert_uint_eq(brim_peek_many(s->cache, bytes, ENTRIES, s->values), ENTRIES);
    if (how == BY_FIXED)
        ck_assert_uint_eq(brim_peek_fixed(s->cache, names, 8, 8, ENTRIES, s->values), ENTRIES);
}

static bool all_stay(const stay *s)
{
    bool alive = true;

    for (uint64_t i = 0; i < ENTRIES; i++)
        alive = alive && value_alive(s->values[i], i);
    return alive;
}

static void by_remove(void *p)
{
    stay *s = p;

    EXPECT(brim_remove(s->cache, BRIM_KEY(s->key)));
}

static void by_replace(void *p)
{
    stay *s = p;

    EXPECT(put(s->cache, s->key, 100, COST) == BRIM_OK);
    EXPECT(put(s->cache, s->key, 101, COST) == BRIM_OK);
}

static void by_key_remove(void *p)
{
    stay *s = p;

    EXPECT(brim_key_remove(s->keys[s->key]));
}

static void by_key_replace(void *p)
{
    stay *s = p;
    value *v = value_new(100, COST);

    EXPECT(brim_key_replace(&s->keys[s->key], v, COST) == BRIM_OK);
}

static void by_clear(void *p)
{
    brim_clear(((stay *)p)->cache);
}

static bool always(brim_ref *lent, void *arg)
{
    (void)lent;
    (void)arg;
    return true;
}

static void by_remove_if(void *p)
{
    EXPECT(brim_remove_if(((stay *)p)->cache, always, NULL) == ENTRIES);
}

static void by_last_release(void *p)
{
    stay *s = p;

    EXPECT(brim_release_with(brim_find(s->cache, BRIM_KEY(s->key)), BRIM_REMOVE_IF_LAST));
}

static void by_released_refs(void *p)
{
    stay *s = p;
    brim_ref *r = brim_find(s->cache, BRIM_KEY(s->key));

    EXPECT(brim_remove(s->cache, BRIM_KEY(s->key)));
    brim_release(r);
}

static void by_released_many(void *p)
{
    stay *s = p;
    brim_ref *refs[ENTRIES];

    EXPECT(brim_key_find_many(s->keys, ENTRIES, refs) == ENTRIES);
    brim_clear(s->cache);
    brim_release_many(refs, ENTRIES);
}

static void by_max_entries(void *p)
{
    for (uint64_t i = 0; i < 3 * ENTRIES; i++)
        EXPECT(put(((stay *)p)->cache, 100 + i, 100 + i, COST) == BRIM_OK);
}

static void by_trim(void *p)
{
    EXPECT(brim_trim(((stay *)p)->cache, 0) >= COST);
}

static void by_trim_kind(void *p)
{
    EXPECT(brim_trim_kind(((stay *)p)->cache, &kind, 0) >= COST);
}

static void by_capacity(void *p)
{
    stay *s = p;

    EXPECT(brim_set_capacity(s->cache, ENTRIES * COST / 2) == BRIM_FULL);
    EXPECT(put(s->cache, 100, 100, 1) == BRIM_FULL);
    EXPECT(brim_remove(s->cache, BRIM_KEY(s->key)) ||
           !has(s->cache, s->key)); /* nothing need be evicted in vain */
}

static void by_free(void *p)
{
    stay *s = p;

    brim_cache_free(s->cache);
    s->freed = true;
}

static worker_run *const ways[] = {by_remove,        by_replace,     by_key_remove,   by_key_replace,
                                   by_clear,         by_remove_if,   by_last_release, by_released_refs,
                                   by_released_many, by_max_entries, by_trim,         by_trim_kind,
                                   by_capacity,      by_free};
enum { WAYS = sizeof ways / sizeof *ways };

/* Of what left, all waits: nobody else has a section, and nothing is held. */
static void waits_and_is_charged(const stay *s)
{
    brim_stats stats = stats_of(s->cache);
    uint64_t left = 0;

    for (int cause = 0; cause < 7; cause++)
        left += stats.left[cause];
    ck_assert_uint_ge(left, 1);
    ck_assert_uint_eq(stats.waiting_values, left);
    ck_assert_uint_eq(stats.waiting, COST * left);
    ck_assert_uint_eq(stats.values, values_live());
    ck_assert_uint_eq(stats.values, stats.count + left);
    ck_assert_uint_eq(stats.used, COST * stats.values);
    ck_assert_uint_eq(brim_used(s->cache), stats.used);
    ck_assert_uint_eq(stats.pinned, 0);
    ck_assert_uint_eq(stats.sections, 1);
    ck_assert(brim_check(s->cache, stderr));
}

static void end_and_see(stay *s)
{
    brim_read_end(s->cache);
    if (s->freed) {
        ck_assert_uint_eq(values_live(), 0);
        return;
    }
    ck_assert_uint_eq(values_live(), brim_count(s->cache));
    ck_assert_uint_eq(brim_used(s->cache), COST * brim_count(s->cache));
    ck_assert_uint_eq(stats_of(s->cache).waiting, 0);
    ck_assert_uint_eq(stats_of(s->cache).waiting_values, 0);
    ck_assert_uint_eq(stats_of(s->cache).waiting_ns, 0);
}

static void stays_until_the_end(int how, worker_run *leave, bool by_another)
{
    stay s = {.cache = cache_with_gone(1000, ENTRIES), .key = 3};
    worker other;

    worker_start(&other);
    for (uint64_t i = 0; i < ENTRIES; i++) {
        brim_ref *r = NULL;

        ck_assert_int_eq(put_ref(s.cache, i, i, COST, &r), BRIM_OK);
        s.keys[i] = brim_ref_key(r);
        brim_release(r);
    }
    begin_reading(s.cache);
    begin_reading(s.cache);
    borrow_all(&s, how);
    ck_assert(all_stay(&s));
    if (by_another)
        worker_do(&other, leave, &s);
    else
        leave(&s);
    ck_assert(all_stay(&s));
    for (int i = 0; i < ENTRIES; i++)
        brim_key_drop(s.keys[i]);
    ck_assert(all_stay(&s));
    if (!s.freed)
        waits_and_is_charged(&s);
    brim_read_end(s.cache);
    ck_assert(all_stay(&s));
    ck_assert_uint_eq(atomic_load(&gone_calls) + atomic_load(&unused_calls), 0);
    end_and_see(&s);
    if (!s.freed)
        free_and_see_it_gone(s.cache);
    ck_assert_uint_eq(atomic_load(&unused_calls), 1);
    ck_assert_uint_eq(atomic_load(&gone_calls), 1);
    ck_assert_uint_eq(values_live(), 0);
    worker_end(&other);
}

START_TEST(test_sections_what_is_borrowed_stays)
{
    for (int how = 0; how < BORROWS; how++) {
        stays_until_the_end(how, ways[_i], false);
        stays_until_the_end(how, ways[_i], true);
    }
}
END_TEST

/* ---- Whom a value waits for */

static void do_begin(void *c)
{
    begin_reading(c);
}

static void do_end(void *c)
{
    brim_read_end(c);
}

static void do_refresh(void *c)
{
    brim_read_refresh(c);
}

typedef struct peeking {
    brim_cache *cache;
    uint64_t key;
    void *value;
    brim_status status;
} peeking;

static void do_begin_and_peek(void *arg)
{
    peeking *p = arg;

    begin_reading(p->cache);
    p->value = brim_peek(p->cache, BRIM_KEY(p->key));
}

static void do_remove_1(void *c)
{
    uint64_t key = 1;

    EXPECT(brim_remove(c, BRIM_KEY(key)));
}

/* ${last} of two sections to end, or be refreshed, lets the value go. */
START_TEST(test_sections_a_value_waits_for_all_that_were_open)
{
    brim_cache *c = make_borrow_cache(100);
    worker w[2];
    int first = _i % 2, last = 1 - first;
    worker_run *leave = _i / 2 == 0 ? do_end : do_refresh;

    worker_start(&w[0]);
    worker_start(&w[1]);
    ck_assert_int_eq(put(c, 1, 1, 10), BRIM_OK);
    worker_do(&w[0], do_begin, c);
    worker_do(&w[1], do_begin, c);
    ck_assert_uint_eq(stats_of(c).sections, 2);
    do_remove_1(c);
    ck_assert_int_eq(brim_drain(c, 0), BRIM_TIMEOUT);
    worker_do(&w[first], leave, c);
    ck_assert_uint_eq(values_live(), 1);
    ck_assert_uint_eq(brim_used(c), 10);
    ck_assert_uint_eq(stats_of(c).waiting, 10);
    ck_assert_int_eq(brim_drain(c, 0), BRIM_TIMEOUT);
    ck_assert_int_eq(brim_drain(c, 20), BRIM_TIMEOUT);
    worker_do(&w[last], leave, c);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(brim_used(c), 0);
    ck_assert_uint_eq(stats_of(c).waiting, 0);
    ck_assert_int_eq(brim_drain(c, 0), BRIM_OK);
    worker_end(&w[0]);
    worker_end(&w[1]);
    ck_assert_uint_eq(stats_of(c).sections, 0);
    finish(c);
}
END_TEST

START_TEST(test_sections_a_value_does_not_wait_for_later_ones)
{
    brim_cache *c = make_borrow_cache(100);
    worker older, later;

    worker_start(&older);
    worker_start(&later);
    ck_assert_int_eq(put(c, 1, 1, 10), BRIM_OK);
    if (_i == 0)
        worker_do(&older, do_begin, c);
    do_remove_1(c);
    worker_do(&later, do_begin, c);
    if (_i == 0) {
        ck_assert_uint_eq(values_live(), 1);
        worker_do(&older, do_end, c);
    } else {
        ck_assert_int_eq(brim_drain(c, 10000), BRIM_OK);
    }
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(brim_used(c), 0);
    ck_assert_uint_eq(stats_of(c).sections, 1);
    ck_assert_int_eq(brim_drain(c, 0), BRIM_OK);
    worker_do(&later, do_end, c);
    worker_end(&older);
    worker_end(&later);
    finish(c);
}
END_TEST

/* Sections follow one another, overlapping, so that some section is always open. */
START_TEST(test_sections_overlapping_ones_let_values_go)
{
    brim_cache *c = make_borrow_cache(1000);
    worker w[2];

    worker_start(&w[0]);
    worker_start(&w[1]);
    worker_do(&w[0], do_begin, c);
    for (uint64_t i = 0; i < 200; i++) {
        ck_assert_int_eq(put(c, i, i, 10), BRIM_OK);
        ck_assert(brim_remove(c, BRIM_KEY(i)));
        worker_do(&w[(i + 1) % 2], do_begin, c);
        worker_do(&w[i % 2], do_end, c);
        ck_assert_uint_eq(stats_of(c).sections, 1);
        ck_assert_uint_eq(values_live(), 0);
    }
    worker_do(&w[0], do_end, c);
    worker_end(&w[0]);
    worker_end(&w[1]);
    finish(c);
}
END_TEST

START_TEST(test_sections_of_another_cache_are_not_waited_for)
{
    brim_cache *c = make_borrow_cache(100), *other = make_borrow_cache(100);

    ck_assert_int_eq(put(c, 1, 1, 10), BRIM_OK);
    ck_assert_int_eq(put(other, 1, 2, 10), BRIM_OK);
    begin_reading(other);
    do_remove_1(c);
    ck_assert_int_eq(brim_drain(c, -1), BRIM_OK);
    ck_assert_uint_eq(values_live(), 1);
    begin_reading(c);
    do_remove_1(other);
    brim_read_end(other);
    ck_assert_uint_eq(values_live(), 0);
    brim_read_end(c);
    brim_cache_free(other);
    finish(c);
}
END_TEST

static struct {
    brim_cache *cache;
    atomic_bool begun, over;
    brim_status status;
} draining;

static void do_drain(void *arg)
{
    (void)arg;
    atomic_store(&draining.begun, true);
    draining.status = brim_drain(draining.cache, -1);
    EXPECT(values_live() == 0);
    atomic_store(&draining.over, true);
}

/* The section ends after the drain has begun to wait, as far as anyone can tell: it may not be over by then.
 */
START_TEST(test_sections_drain_waits_for_others)
{
    brim_cache *c = make_borrow_cache(100);
    worker reader, drainer;

    memset(&draining, 0, sizeof draining);
    draining.cache = c;
    worker_start(&reader);
    worker_start(&drainer);
    ck_assert_int_eq(put(c, 1, 1, 10), BRIM_OK);
    worker_do(&reader, do_begin, c);
    do_remove_1(c);
    ck_assert_int_eq(brim_drain(c, 0), BRIM_TIMEOUT);
    ck_assert_int_eq(brim_drain(c, 3), BRIM_TIMEOUT);
    worker_begin(&drainer, do_drain, NULL);
    while (!atomic_load(&draining.begun))
        sched_yield();
    ck_assert_int_eq(brim_drain(c, 30), BRIM_TIMEOUT);
    ck_assert(!atomic_load(&draining.over));
    worker_do(&reader, do_end, c);
    worker_wait(&drainer);
    ck_assert_int_eq(draining.status, BRIM_OK);
    worker_end(&reader);
    worker_end(&drainer);
    finish(c);
}
END_TEST

static pthread_t destroyer;

static void noting_destroy(void *v, size_t cost, void *arg)
{
    destroyer = pthread_self();
    value_destroy(v, cost, arg);
}

START_TEST(test_sections_the_last_end_destroys_on_its_thread)
{
    static const brim_kind noting_kind = {.size = sizeof(brim_kind), .destroy = noting_destroy};
    brim_options o = borrow_options(100);
    brim_cache *c;
    worker reader;

    o.kind = &noting_kind;
    c = make_cache(&o);
    worker_start(&reader);
    ck_assert_int_eq(put(c, 1, 1, 10), BRIM_OK);
    worker_do(&reader, do_begin, c);
    do_remove_1(c);
    worker_do(&reader, do_end, c);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert(pthread_equal(destroyer, reader.thread));
    worker_end(&reader);
    finish(c);
}
END_TEST

/* Others' sections stand in the way of an insert: it is refused, not hung, and succeeds when they have ended.
 */
START_TEST(test_sections_of_others_make_an_insert_full)
{
    enum { N = 200 };
    brim_cache *c = make_borrow_cache(N * 10);
    worker reader;

    worker_start(&reader);
    for (uint64_t i = 0; i < N; i++)
        ck_assert_int_eq(put(c, i, i, 10), BRIM_OK);
    worker_do(&reader, do_begin, c);
    for (uint64_t i = 0; i < 10; i++)
        ck_assert_int_eq(put(c, N + i, N + i, 10), BRIM_FULL);
    ck_assert_uint_gt(brim_count(c), N / 2);
    ck_assert_uint_eq(values_live(), N);
    worker_do(&reader, do_end, c);
    for (uint64_t i = 0; i < 10; i++)
        ck_assert_int_eq(put(c, N + i, N + i, 10), BRIM_OK);
    worker_end(&reader);
    finish(c);
}
END_TEST

START_TEST(test_sections_capacity_lowered_fits_after_the_end)
{
    brim_cache *c = make_borrow_cache(100);

    for (uint64_t i = 0; i < 10; i++)
        ck_assert_int_eq(put(c, i, i, 10), BRIM_OK);
    begin_reading(c);
    ck_assert_int_eq(brim_set_capacity(c, 50), BRIM_FULL);
    ck_assert_uint_eq(brim_capacity(c), 50);
    ck_assert_uint_eq(brim_used(c), 100);
    ck_assert_int_eq(put(c, 20, 20, 1), BRIM_FULL);
    brim_read_end(c);
    ck_assert_int_eq(put(c, 20, 20, 10), BRIM_OK);
    settle_cache(c);
    ck_assert_uint_le(brim_used(c), 50);
    ck_assert_uint_eq(found_id(c, 20), 20);
    finish(c);
}
END_TEST

/* ---- Holding what was borrowed */

START_TEST(test_sections_hold_of_what_is_cached)
{
    brim_cache *c = make_borrow_cache(100);
    const brim_ref *lent;
    brim_ref *r, *again;
    uint64_t key = 1;

    ck_assert_int_eq(put(c, 1, 1, 10), BRIM_OK);
    begin_reading(c);
    lent = brim_borrow(c, BRIM_KEY(key));
    ck_assert_uint_eq(brim_pinned(c), 0);
    r = brim_ref_hold(lent);
    ck_assert_ptr_nonnull(r);
    ck_assert_uint_eq(brim_pinned(c), 10);
    again = brim_ref_hold(lent);
    ck_assert_uint_eq(brim_pinned(c), 10);
    ck_assert_uint_eq(stats_of(c).hits, 1); /* holding is no look-up */
    brim_read_end(c);
    ck_assert_uint_eq(brim_pinned(c), 10);
    ck_assert(value_alive(brim_ref_value(r), 1));
    ck_assert(brim_ref_is_cached(r));
    ck_assert_uint_eq(brim_trim(c, 0), 0); /* held */
    brim_release(r);
    ck_assert_uint_eq(brim_pinned(c), 10);
    brim_release(again);
    ck_assert_uint_eq(brim_pinned(c), 0);
    ck_assert_uint_eq(found_id(c, 1), 1);
    finish(c);
}
END_TEST

/* What left is held as well: 0 released before the section's end, 1 after it, 2 after the cache was freed. */
START_TEST(test_sections_hold_of_what_left)
{
    brim_cache *c = cache_with_gone(100, 0);
    const brim_ref *lent;
    brim_ref *r;
    brim_key *k;
    uint64_t key = 1;

    ck_assert_int_eq(put(c, 1, 1, 10), BRIM_OK);
    begin_reading(c);
    lent = brim_borrow(c, BRIM_KEY(key));
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    ck_assert_uint_eq(brim_pinned(c), 0);
    r = brim_ref_hold(lent);
    ck_assert_ptr_nonnull(r);
    ck_assert_uint_eq(brim_pinned(c), 10);
    ck_assert_uint_eq(stats_of(c).pinned, 10);
    ck_assert(!brim_ref_is_cached(r));
    k = brim_ref_key(r);
    ck_assert_ptr_null(brim_key_find(k));
    ck_assert_ptr_null(brim_key_peek(k));
    if (_i == 0) {
        brim_release(r);
        ck_assert(value_alive(brim_ref_value(lent), 1));
        ck_assert_uint_eq(brim_pinned(c), 0);
        r = brim_ref_hold(lent); /* and again */
        brim_release(brim_ref_copy(r));
        ck_assert_uint_eq(brim_pinned(c), 10);
        brim_release(r);
        ck_assert(value_alive(brim_ref_value(lent), 1));
        ck_assert_uint_eq(brim_used(c), 10);
    }
    brim_read_end(c);
    if (_i > 0) {
        ck_assert(value_alive(brim_ref_value(r), 1));
        ck_assert_uint_eq(brim_used(c), 10);
        ck_assert_int_eq(put(c, 2, 2, 91), BRIM_FULL);
        ck_assert_int_eq(put(c, 2, 2, 90), BRIM_OK);
        ck_assert_uint_eq(brim_pinned(c), 10);
    }
    if (_i == 1) {
        brim_release(r);
        settle_cache(c);
        ck_assert_uint_eq(brim_used(c), 90);
        ck_assert_uint_eq(brim_pinned(c), 0);
    }
    if (_i == 2) {
        brim_key_drop(k);
        brim_cache_free(c);
        ck_assert(value_alive(brim_ref_value(r), 1));
        ck_assert_uint_eq(brim_ref_cost(r), 10);
        ck_assert_uint_eq(atomic_load(&gone_calls), 0);
        brim_release(r);
        ck_assert_uint_eq(atomic_load(&gone_calls), 1);
        return;
    }
    ck_assert_uint_eq(values_live(), (unsigned)_i);
    brim_key_drop(k);
    free_and_see_it_gone(c);
}
END_TEST

/* ---- A section outlives the cache */

START_TEST(test_sections_outlive_the_cache)
{
    brim_cache *c = cache_with_gone(100, 0);
    const brim_ref *lent;
    uint64_t key = 1;
    brim_ref *held;
    brim_key *k;
    void *v;

    ck_assert_int_eq(put(c, 1, 1, 10), BRIM_OK);
    ck_assert_int_eq(put(c, 2, 2, 10), BRIM_OK);
    begin_reading(c);
    v = brim_peek(c, BRIM_KEY(key));
    key = 2;
    lent = brim_borrow(c, BRIM_KEY(key));
    held = brim_ref_hold(lent);
    k = brim_ref_key(held);
    brim_release(held);
    brim_cache_free(c);
    ck_assert_int_eq(brim_read_begin(c), BRIM_INVALID);
    ck_assert(value_alive(v, 1));
    ck_assert(!brim_ref_is_cached(lent));
    ck_assert(value_alive(brim_ref_value(lent), 2));
    ck_assert_ptr_null(brim_key_peek(k));
    ck_assert_ptr_null(brim_key_find(k));
    brim_key_drop(k);
    held = brim_ref_hold(lent);
    ck_assert_uint_eq(values_live(), 2);
    brim_read_end(c);
    ck_assert_uint_eq(values_live(), 1);
    ck_assert_uint_eq(atomic_load(&gone_calls) + atomic_load(&unused_calls), 0);
    ck_assert(value_alive(brim_ref_value(held), 2));
    brim_release(held);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(atomic_load(&unused_calls), 1);
    ck_assert_uint_eq(atomic_load(&gone_calls), 1);
}
END_TEST

START_TEST(test_sections_with_nothing_borrowed_outlive_the_cache)
{
    brim_cache *c = cache_with_gone(100, 0);
    worker reader;

    worker_start(&reader);
    worker_do(&reader, do_begin, c);
    begin_reading(c);
    begin_reading(c);
    brim_cache_free(c);
    brim_read_end(c);
    worker_do(&reader, do_refresh, c);
    ck_assert_uint_eq(atomic_load(&gone_calls), 0);
    if (_i == 0) {
        brim_read_end(c);
        ck_assert_uint_eq(atomic_load(&gone_calls), 0);
        worker_do(&reader, do_end, c);
    } else {
        worker_do(&reader, do_end, c);
        ck_assert_uint_eq(atomic_load(&gone_calls), 0);
        brim_read_end(c);
    }
    ck_assert_uint_eq(atomic_load(&unused_calls), 1);
    ck_assert_uint_eq(atomic_load(&gone_calls), 1);
    worker_end(&reader);
}
END_TEST

START_TEST(test_sections_handles_and_sections_outlive_the_cache_in_any_order)
{
    brim_cache *c = cache_with_gone(100, 0);
    brim_ref *r = NULL;
    brim_key *k;

    ck_assert_int_eq(put_ref(c, 1, 1, 10, &r), BRIM_OK);
    ck_assert_int_eq(put(c, 2, 2, 10), BRIM_OK);
    k = brim_ref_key(r);
    begin_reading(c);
    brim_cache_free(c);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(atomic_load(&gone_calls), 0);
        switch ((i + _i) % 3) {
        case 0: brim_read_end(c); break;
        case 1: brim_release(r); break;
        default: brim_key_drop(k); break;
        }
    }
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(atomic_load(&unused_calls), 1);
    ck_assert_uint_eq(atomic_load(&gone_calls), 1);
}
END_TEST

/* ---- The heap is given back whole */

START_TEST(test_sections_give_back_all_memory)
{
    brim_options o = borrow_options(100000);
    brim_cache *c;
    heap h;

    heap_init(&h);
    o.allocator = &h.allocator;
    c = make_cache(&o);
    begin_reading(c);
    for (uint64_t i = 0; i < 5000; i++) {
        ck_assert_int_eq(put(c, i, i, 10), BRIM_OK);
        ck_assert_ptr_nonnull(brim_peek(c, BRIM_KEY(i)));
        ck_assert(brim_remove(c, BRIM_KEY(i)));
        if (i % 100 == 99)
            brim_read_refresh(c);
    }
    brim_cache_free(c);
    ck_assert_uint_gt(atomic_load(&h.live), 0);
    brim_read_end(c);
    ck_assert_uint_eq(atomic_load(&h.live), 0);
    ck_assert_uint_eq(atomic_load(&h.blocks), 0);
    ck_assert_uint_eq(values_live(), 0);
}
END_TEST

/* Peeking, holding, ending and refreshing need no memory (G10). */
START_TEST(test_sections_work_without_memory)
{
    brim_options o = borrow_options(1000);
    brim_cache *c;
    brim_ref *r;
    heap h;

    heap_init(&h);
    o.allocator = &h.allocator;
    c = make_cache(&o);
    for (uint64_t i = 0; i < 50; i++)
        ck_assert_int_eq(put(c, i, i, 10), BRIM_OK);
    heap_fail(&h, 1, SIZE_MAX);
    begin_reading(c);
    for (uint64_t i = 0; i < 50; i++) {
        const brim_ref *lent = brim_borrow(c, BRIM_KEY(i));

        ck_assert(value_alive(brim_peek(c, BRIM_KEY(i)), i));
        r = brim_ref_hold(lent);
        if (i % 2 == 0)
            ck_assert(brim_remove(c, BRIM_KEY(i)));
        ck_assert(value_alive(brim_ref_value(lent), i));
        brim_release(r);
        ck_assert(value_alive(brim_ref_value(lent), i));
        if (i == 25)
            brim_read_refresh(c);
        ck_assert_uint_eq(values_live(), i < 25 ? 50 : 37);
    }
    brim_read_end(c);
    ck_assert_uint_eq(values_live(), 25);
    ck_assert_int_eq(brim_drain(c, -1), BRIM_OK);
    heap_fail(&h, SIZE_MAX, SIZE_MAX);
    finish(c);
    ck_assert_uint_eq(atomic_load(&h.live), 0);
}
END_TEST

static void do_begin_without_memory(void *arg)
{
    peeking *p = arg;

    p->status = brim_read_begin(p->cache);
    EXPECT(p->status == BRIM_OK || p->status == BRIM_NOMEM);
    p->value = brim_peek(p->cache, BRIM_KEY(p->key));
    EXPECT((p->value != NULL) == (p->status == BRIM_OK));
}

/* Threads whose first call in the cache is a section, when there is no memory for what they would get of
 * their own: they are told, and can begin one later. */
START_TEST(test_sections_of_threads_for_which_there_is_no_memory)
{
    enum { THREADS = 40 };
    brim_options o = borrow_options(1000);
    static worker w[THREADS]; /* static: they outlive a failure */
    static peeking p[THREADS];
    static heap h;
    unsigned begun = 0;
    brim_cache *c;

    heap_init(&h);
    o.allocator = &h.allocator;
    for (int i = 0; i < THREADS; i++)
        worker_start(&w[i]);
    c = make_cache(&o);
    for (uint64_t i = 0; i < THREADS; i++) {
        ck_assert_int_eq(put(c, i, i, 10), BRIM_OK);
        p[i] = (peeking){.cache = c, .key = i};
    }
    heap_fail(&h, 1, SIZE_MAX);
    for (int i = 0; i < THREADS; i++) {
        worker_do(&w[i], do_begin_without_memory, &p[i]);
        begun += p[i].status == BRIM_OK;
    }
    ck_assert_uint_lt(begun, THREADS);
    ck_assert_uint_eq(stats_of(c).sections, begun);
    heap_fail(&h, SIZE_MAX, SIZE_MAX);
    for (int i = 0; i < THREADS; i++)
        if (p[i].status != BRIM_OK)
            worker_do(&w[i], do_begin_and_peek, &p[i]);
    for (uint64_t i = 0; i < THREADS; i++)
        ck_assert(brim_remove(c, BRIM_KEY(i)));
    for (size_t i = 0; i < THREADS; i++) {
        ck_assert_uint_eq(values_live(), THREADS);
        if (_i == 1 && i % 5 == 4) /* by the end of the thread */
            worker_end(&w[i]);
        else
            worker_do(&w[i], do_end, c);
        ck_assert_uint_eq(stats_of(c).sections, THREADS - 1 - i);
    }
    settle_cache(c);
    ck_assert_uint_eq(values_live(), 0);
    for (size_t i = 0; i < THREADS; i++)
        if (_i == 0 || i % 5 != 4)
            worker_end(&w[i]);
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("sections_leave");

    tcase_add_loop_test(tc, test_sections_what_is_borrowed_stays, 0, WAYS);
    tcase_add_loop_test(tc, test_sections_a_value_waits_for_all_that_were_open, 0, 4);
    tcase_add_loop_test(tc, test_sections_a_value_does_not_wait_for_later_ones, 0, 2);
    tcase_add_test(tc, test_sections_overlapping_ones_let_values_go);
    tcase_add_test(tc, test_sections_of_another_cache_are_not_waited_for);
    tcase_add_test(tc, test_sections_drain_waits_for_others);
    tcase_add_test(tc, test_sections_the_last_end_destroys_on_its_thread);
    tcase_add_test(tc, test_sections_of_others_make_an_insert_full);
    tcase_add_test(tc, test_sections_capacity_lowered_fits_after_the_end);
    tcase_add_test(tc, test_sections_hold_of_what_is_cached);
    tcase_add_loop_test(tc, test_sections_hold_of_what_left, 0, 3);
    tcase_add_test(tc, test_sections_outlive_the_cache);
    tcase_add_loop_test(tc, test_sections_with_nothing_borrowed_outlive_the_cache, 0, 2);
    tcase_add_loop_test(tc, test_sections_handles_and_sections_outlive_the_cache_in_any_order, 0, 3);
    tcase_add_test(tc, test_sections_give_back_all_memory);
    tcase_add_test(tc, test_sections_work_without_memory);
    tcase_add_loop_test(tc, test_sections_of_threads_for_which_there_is_no_memory, 0, 2);
    return suite_run(tc);
}
