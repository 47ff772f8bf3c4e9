/* SPDX-License-Identifier: MIT
 *
 * cache/insert: options, keys of all lengths, what happens to what is refused.
 */
#include "cache/insert.h"
#include "unit/caches.h"

static brim_entry_options defaults(void)
{
    brim_entry_options o;

    brim_entry_options_init(&o);
    return o;
}

START_TEST(bad_arguments)
{
    brim_cache *c = make_value_cache(100);
    brim_entry_options o = defaults();
    brim_ref *r = (brim_ref *)(void *)&o;
    brim_key *k = NULL;
    static const brim_kind above = {.ceiling = 1000000};

    ck_assert_int_eq(brim_insert(NULL, "k", 1, NULL, 1, &r), BRIM_INVALID);
    ck_assert_ptr_null(r);
    ck_assert_int_eq(brim_insert(c, NULL, 1, NULL, 1, NULL), BRIM_INVALID);
    o.size = sizeof o - 1;
    ck_assert_int_eq(brim_insert_with(c, "k", 1, NULL, 1, &o, NULL), BRIM_INVALID);
    o = defaults();
    o.priority = 2;
    ck_assert_int_eq(brim_insert_with(c, "k", 1, NULL, 1, &o, NULL), BRIM_INVALID);
    o = defaults();
    o.kind = &above;
    ck_assert_int_eq(brim_insert_with(c, "k", 1, NULL, 1, &o, NULL), BRIM_INVALID);
    ck_assert_int_eq(brim_insert_anonymous(c, NULL, 1, NULL, NULL, NULL), BRIM_INVALID);
    ck_assert_int_eq(brim_insert_anonymous(NULL, NULL, 1, NULL, &k, NULL), BRIM_INVALID);
    ck_assert_int_eq(brim_insert_anonymous(NULL, NULL, 1, NULL, &k, &r), BRIM_INVALID);
    o = defaults();
    o.priority = 2;
    ck_assert_int_eq(brim_insert_anonymous(c, NULL, 1, &o, &k, NULL), BRIM_INVALID);
    ck_assert_int_eq(brim_key_replace(NULL, NULL, 1), BRIM_INVALID);
    ck_assert_ptr_null(k);
    r = (brim_ref *)(void *)&o;
    ck_assert_int_eq(brim_key_replace_with(&k, NULL, 1, NULL, &r), BRIM_INVALID);
    ck_assert_ptr_null(r);
    ck_assert_int_eq(brim_wrap(c, NULL, 1, NULL, NULL), BRIM_INVALID);
    ck_assert_int_eq(brim_insert(c, "k", 1, NULL, SIZE_MAX, NULL), BRIM_TOO_BIG);
    ck_assert_uint_eq(brim_count(c), 0);
    finish(c);
}
END_TEST

START_TEST(a_kind_is_not_met_by_what_is_invalid)
{
    brim_cache *c = make_value_cache(100), *other = make_value_cache(100);
    brim_entry_options o = defaults();
    brim_kind kind = value_kind;

    o.kind = &kind;
    o.group = brim_group_new(other);
    ck_assert_int_eq(brim_insert_with(c, "k", 1, NULL, 1, &o, NULL), BRIM_INVALID);
    ck_assert_ptr_null(kind_look_up(c, &kind));
    brim_group_drop(o.group);
    finish(other);
    finish(c);
}
END_TEST

START_TEST(keys_of_all_lengths)
{
    static const size_t lens[] = {0, 1, 16, 48, 80, 81, 254, 255, 256, 70000};
    enum { N = sizeof lens / sizeof lens[0] };
    static char key[70000];
    brim_cache *c = make_value_cache(100);

    for (size_t i = 0; i < N; i++) {
        value *v = value_new(i, 1);
        ck_assert_int_eq(brim_insert(c, lens[i] > 0 ? key : NULL, lens[i], v, 1, NULL), BRIM_OK);
    }
    ck_assert_uint_eq(brim_count(c), N);
    for (size_t i = 0; i < N; i++) {
        brim_ref *r = brim_find(c, key, lens[i]);
        size_t len = 1;
        ck_assert_ptr_nonnull(r);
        ck_assert_uint_eq(id_of(r), i);
        ck_assert_mem_eq(brim_ref_key_bytes(r, &len), key, lens[i]);
        ck_assert_uint_eq(len, lens[i]);
        brim_release(r);
    }
    finish(c);
}
END_TEST

START_TEST(only_if_absent)
{
    brim_cache *c = make_value_cache(100);
    brim_entry_options o = defaults();
    value *unwanted = value_new(2, 5);
    brim_ref *r;

    o.only_if_absent = true;
    ck_assert_int_eq(brim_insert_with(c, "k", 1, value_new(1, 5), 5, &o, NULL), BRIM_OK);
    ck_assert_int_eq(brim_insert_with(c, "k", 1, unwanted, 5, &o, &r), BRIM_EXISTS);
    ck_assert_uint_eq(id_of(r), 1);
    brim_release(r);
    ck_assert_int_eq(brim_insert_with(c, "k", 1, unwanted, 101, &o, NULL), BRIM_EXISTS); /* nor is it too big then */
    ck_assert_int_eq(brim_insert_with(c, "k", 1, unwanted, 5, &o, NULL), BRIM_EXISTS);
    ck_assert_uint_eq(brim_pinned(c), 0);
    ck_assert(value_alive(unwanted, 2)); /* the caller's still */
    value_discard(unwanted);
    finish(c);
}
END_TEST

START_TEST(what_is_refused)
{
    brim_cache *c = make_value_cache(10);
    brim_entry_options o = defaults();
    value *big = value_new(2, 11);
    brim_stats s;
    brim_ref *r;

    ck_assert_int_eq(put(c, 1, 1, 5), BRIM_OK);
    ck_assert_int_eq(brim_insert(c, BRIM_KEY((uint64_t){1}), big, 11, &r), BRIM_TOO_BIG);
    ck_assert_ptr_null(r);
    ck_assert_uint_eq(found_id(c, 1), 1);
    o.drop_old = true;
    ck_assert_int_eq(brim_insert_with(c, BRIM_KEY((uint64_t){1}), big, 11, &o, &r), BRIM_TOO_BIG);
    ck_assert(!has(c, 1));
    ck_assert(value_alive(big, 2));
    ck_assert_int_eq(put(c, 1, 3, 5), BRIM_OK);
    ck_assert_int_eq(brim_insert_or_wrap(c, BRIM_KEY((uint64_t){1}), big, 11, NULL, &r), BRIM_TOO_BIG);
    ck_assert(!has(c, 1));
    ck_assert_uint_eq(id_of(r), 2);
    ck_assert(!brim_ref_is_cached(r));
    brim_stats_get(c, &s);
    ck_assert_uint_eq(s.uncharged, 11);
    ck_assert_uint_eq(s.used, 0);
    ck_assert_uint_eq(s.refused, 3);
    brim_release(r);
    ck_assert(!value_alive(big, 2));
    finish(c);
}
END_TEST

/* Of its group: what it would replace goes if it is taken all the same, and else stays. */
START_TEST(what_is_closed_out)
{
    brim_cache *c = make_value_cache(100);
    brim_entry_options o = defaults();
    value *v = value_new(2, 5);
    brim_ref *r = (brim_ref *)(void *)&o;
    brim_stats s;

    o.group = brim_group_new(c);
    o.drop_old = true;
    brim_group_close(o.group);
    ck_assert_int_eq(put(c, 1, 1, 5), BRIM_OK);
    ck_assert_int_eq(brim_insert_with(c, BRIM_KEY((uint64_t){1}), v, 5, &o, &r), BRIM_CANCELED);
    ck_assert_ptr_null(r);
    ck_assert(value_alive(v, 2));
    ck_assert_uint_eq(found_id(c, 1), 1);
    o.drop_old = false;
    ck_assert_int_eq(brim_insert_or_wrap(c, BRIM_KEY((uint64_t){1}), v, 5, &o, &r), BRIM_CANCELED);
    ck_assert_uint_eq(id_of(r), 2);
    ck_assert(!brim_ref_is_cached(r));
    ck_assert(!has(c, 1));
    brim_release(r);
    ck_assert(!value_alive(v, 2));
    brim_stats_get(c, &s);
    ck_assert_uint_eq(s.refused, 0); /* there was room */
    brim_group_drop(o.group);
    finish(c);
}
END_TEST

START_TEST(what_finds_no_room_is_not_taken)
{
    brim_cache *c = make_value_cache(10);
    value *v = value_new(2, 5);
    brim_ref *held, *r = NULL;

    ck_assert_int_eq(put_ref(c, 1, 1, 10, &held), BRIM_OK);
    ck_assert_int_eq(brim_insert(c, "k", 1, v, 5, &r), BRIM_FULL);
    ck_assert_ptr_null(r);
    ck_assert(value_alive(v, 2));
    value_discard(v);
    brim_release(held);
    finish(c);
}
END_TEST

/* With its own memory it is more than there can be. */
START_TEST(too_big_by_far)
{
    brim_options o = value_options(10000);
    brim_cache *c;

    o.charge_overhead = true;
    c = make_cache(&o);
    ck_assert_int_eq(brim_insert(c, "k", 1, NULL, SIZE_MAX, NULL), BRIM_TOO_BIG);
    ck_assert_uint_eq(brim_count(c), 0);
    finish(c);
}
END_TEST

START_TEST(too_big_without_memory)
{
    static char key[300];
    brim_ref *r;
    brim_cache *c;
    heap h;

    c = cache_on(&h, 100);
    heap_fail(&h, 1, SIZE_MAX);
    ck_assert_int_eq(brim_insert(c, key, sizeof key, NULL, 101, NULL), BRIM_TOO_BIG);
    ck_assert_int_eq(brim_wrap(c, NULL, 5, NULL, &r), BRIM_NOMEM);
    ck_assert_ptr_null(r);
    heap_fail(&h, SIZE_MAX, SIZE_MAX);
    finish_on(c, &h);
}
END_TEST

static void fill_index(brim_cache *c, heap *h)
{
    brim_status s = BRIM_OK;

    heap_fail(h, 1, SIZE_MAX);
    for (uint64_t key = 100; s == BRIM_OK; key++)
        s = brim_insert(c, BRIM_KEY(key), NULL, 0, NULL);
    EXPECT(s == BRIM_NOMEM);
}

/* The new entry is there, and no room in the index: no refusal. */
START_TEST(no_memory_for_the_index)
{
    brim_options o = value_options(100);
    brim_entry_options e = defaults();
    value *v = value_new(2, 5);
    uint64_t key = 1, entries;
    brim_cache *c;
    brim_load *l;
    brim_ref *r;
    heap h;

    heap_init(&h);
    o.allocator = &h.allocator;
    o.shards = 1;
    c = make_cache(&o);
    e.drop_old = true;
    l = claim(c, key);
    fill_index(c, &h);
    entries = tally_count(&c->live);
    ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(key), v, 5, &e, &r), BRIM_NOMEM);
    ck_assert_ptr_null(r);
    ck_assert_int_eq(brim_insert_or_wrap(c, BRIM_KEY(key), v, 5, &e, &r), BRIM_NOMEM);
    ck_assert_ptr_null(r);
    ck_assert(value_alive(v, 2));
    ck_assert_uint_eq(state_of_load(l), FLIGHT_FLYING);
    ck_assert_uint_eq(tally_count(&c->live), entries);
    heap_fail(&h, SIZE_MAX, SIZE_MAX);
    ck_assert_int_eq(finish_load(l, 3, 5, NULL), BRIM_OK);
    value_discard(v);
    finish_on(c, &h);
}
END_TEST

START_TEST(no_more_entries_than_may_be)
{
    brim_options o = value_options(100);
    brim_ref *r[2];
    brim_cache *c;
    brim_stats s;

    o.max_entries = 2;
    c = make_cache(&o);
    for (uint64_t key = 1; key <= 3; key++) {
        ck_assert_int_eq(put(c, key, key, 5), BRIM_OK);
        ck_assert(has(c, key));
    }
    ck_assert_uint_eq(brim_count(c), 2);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(put_ref(c, 4 + (uint64_t)i, 4, 5, &r[i]), BRIM_OK);
    ck_assert_int_eq(put(c, 6, 6, 5), BRIM_FULL);
    brim_stats_get(c, &s);
    ck_assert_uint_eq(s.insertions, 5);
    ck_assert_uint_eq(s.refused, 1);
    brim_release(r[0]);
    brim_release(r[1]);
    finish(c);
}
END_TEST

/* A run that fails at any allocation leaves all as it was. */
START_TEST(no_memory)
{
    brim_options o = value_options(1000);
    brim_cache *c;
    heap h;

    heap_init(&h);
    o.allocator = &h.allocator;
    c = make_cache(&o);
    ck_assert_int_eq(put(c, 1, 1, 5), BRIM_OK);
    for (size_t n = 1; n < 10; n++) {
        static char key[300];
        value *v = value_new(2, 5);
        brim_status s;
        heap_fail(&h, n, SIZE_MAX);
        s = brim_insert(c, key, sizeof key, v, 5, NULL);
        heap_fail(&h, SIZE_MAX, SIZE_MAX);
        ck_assert(s == BRIM_OK || s == BRIM_NOMEM);
        ck_assert(brim_check(c, stderr));
        ck_assert_int_eq(brim_contains(c, key, sizeof key), s == BRIM_OK);
        ck_assert_uint_eq(brim_used(c), s == BRIM_OK ? 10 : 5);
        if (s != BRIM_OK)
            value_discard(v);
        (void)brim_remove(c, key, sizeof key);
    }
    finish(c);
    ck_assert_uint_eq(h.blocks, 0);
}
END_TEST

/* ---- Options that stay with the entry */

START_TEST(what_an_entry_is_given)
{
    brim_entry_options o = defaults();
    brim_kind kind = value_kind;
    struct insertion in = {.refs = 0}, as = in;
    brim_cache *c;
    struct extra x;
    struct entry *e;
    brim_ref *r;
    heap h;

    c = cache_on(&h, 100);
    ck_assert_int_eq(insert_options(c, NULL, &in), BRIM_OK);
    ck_assert_ptr_eq(in.kind, c->default_kind);
    ck_assert_uint_eq(in.work, policy_pack_work(0));
    ck_assert_uint_eq(extra_flags(&in.extra), 0);
    o.kind = &kind;
    o.work = 5000;
    o.priority = -1 + _i;
    o.max_age = 70;
    o.max_idle = 30;
    o.group = brim_group_new(c);
    o.more_groups[2] = brim_group_new(c);
    ck_assert_uint_eq(atom_load_relaxed(&c->ages), 0);
    ck_assert_int_eq(brim_insert_with(c, "k", 1, value_new(1, 5), 5, &o, &r), BRIM_OK);
    ck_assert_uint_eq(atom_load_relaxed(&c->ages), 1);
    e = entry_of_ref(r);
    extra_read(e, &x);
    ck_assert_uint_eq(x.max_age, 70);
    ck_assert_uint_eq(x.max_idle, 30);
    ck_assert_uint_eq(x.groups, 2);
    ck_assert_ptr_eq(kind_of(e)->user, &kind);
    brim_group_invalidate(o.group);
    ck_assert_int_eq(insert_as(e, &as), BRIM_OK); /* the same again, with the generations of now */
    ck_assert_ptr_eq(as.cache, c);
    ck_assert_ptr_eq(as.kind, kind_of(e));
    ck_assert_uint_eq(as.work, policy_pack_work(5000));
    ck_assert_int_eq(as.priority, -1 + _i);
    ck_assert_uint_eq(as.extra.max_age, 70);
    ck_assert_uint_eq(as.extra.max_idle, 30);
    ck_assert_uint_eq(as.extra.groups, 2);
    ck_assert_uint_eq(as.extra.member[0].generation, 2);
    brim_group_close(o.more_groups[2]);
    ck_assert_int_eq(insert_as(e, &as), BRIM_CANCELED);
    ck_assert_int_eq(insert_options(c, &o, &in), BRIM_CANCELED);
    ck_assert_ptr_eq(in.kind, kind_of(e)); /* all but groups is taken over */
    ck_assert_uint_eq(in.extra.max_age, 70);
    ck_assert_int_eq(in.priority, -1 + _i);
    brim_group_drop(o.group);
    brim_group_drop(o.more_groups[2]);
    brim_release(r);
    (void)brim_remove(c, "k", 1);
    brim_clear(c);
    no_loads(c, 0); /* nor is a group */
    finish_on(c, &h);
}
END_TEST

static struct { unsigned calls; } times;

static uint64_t count_now(void *arg)
{
    (void)arg;
    return ++times.calls;
}

/* The user's clock: when it is born, and again only where something ages. */
START_TEST(the_clock_is_asked_for_ages)
{
    brim_options o = value_options(100);
    brim_entry_options e = defaults();
    brim_cache *c;

    o.now = count_now;
    c = make_cache(&o);
    times.calls = 0;
    ck_assert_int_eq(brim_insert_with(c, "k", 1, value_new(1, 5), 5, &e, NULL), BRIM_OK);
    ck_assert_uint_eq(times.calls, 1);
    ck_assert_uint_eq(atom_load_relaxed(&c->ages), 0);
    e.max_age = 1000;
    ck_assert_int_eq(brim_insert_with(c, "l", 1, value_new(2, 5), 5, &e, NULL), BRIM_OK);
    ck_assert_uint_eq(atom_load_relaxed(&c->ages), 1);
    ck_assert_uint_eq(times.calls, 4); /* its age; what has expired */
    finish(c);
}
END_TEST

START_TEST(with_the_charge_of_what_it_has)
{
    brim_options o = value_options(10000);
    brim_entry_options e = defaults();
    brim_cache *c;
    size_t plain;

    o.charge_overhead = true;
    c = make_cache(&o);
    ck_assert_int_eq(brim_insert(c, "k", 1, value_new(1, 5), 5, NULL), BRIM_OK);
    plain = brim_used(c);
    ck_assert_uint_eq(plain, 5 + cache_overhead(c, entry_size(1)));
    e.max_age = 1000000000;
    e.group = brim_group_new(c);
    ck_assert_int_eq(brim_insert_with(c, "k", 1, value_new(2, 5), 5, &e, NULL), BRIM_OK);
    ck_assert_uint_eq(brim_used(c), 5 + cache_overhead(c, 56 + sizeof(struct extra_ages) + sizeof(struct extra_groups) +
                                                              sizeof(struct extra_member)));
    ck_assert_uint_gt(brim_used(c), plain);
    brim_group_drop(e.group);
    finish(c);
}
END_TEST

START_TEST(no_memory_for_groups_and_ages)
{
    brim_entry_options o = defaults();
    static char key[300];
    brim_cache *c;
    heap h;

    c = cache_on(&h, 1000);
    ck_assert_int_eq(put(c, 1, 1, 5), BRIM_OK);
    o.group = brim_group_new(c);
    o.max_age = 1000000000;
    for (int round = 0; round < 3; round++) {
        value *v = value_new(2, 5);
        brim_ref *r;

        heap_fail(&h, 1, SIZE_MAX);
        ck_assert_int_eq(brim_insert_with(c, key, sizeof key, v, 5, &o, &r), BRIM_NOMEM);
        ck_assert_int_eq(brim_insert_or_wrap(c, key, sizeof key, v, 5, &o, &r), BRIM_NOMEM);
        ck_assert_ptr_null(r);
        heap_fail(&h, SIZE_MAX, SIZE_MAX);
        value_discard(v);
        no_loads(c, 2); /* what is there, and the group */
    }
    brim_group_drop(o.group);
    no_loads(c, 1);
    finish_on(c, &h);
}
END_TEST

START_TEST(an_insert_overtakes_the_load_of_its_key)
{
    brim_cache *c;
    brim_load *l;
    told t;
    heap h;

    c = cache_on(&h, 100);
    l = claim(c, 1);
    (void)wait_for(c, 1, &t);
    ck_assert_int_eq(put(c, 2, 2, 1), BRIM_OK);
    ck_assert_uint_eq(state_of_load(l), FLIGHT_FLYING);
    ck_assert_int_eq(put(c, 1, 1, 101), BRIM_TOO_BIG); /* what is refused overtakes nothing */
    ck_assert_uint_eq(state_of_load(l), FLIGHT_FLYING);
    ck_assert_int_eq(put(c, 1, 1, 1), BRIM_OK);
    ck_assert_uint_eq(state_of_load(l), FLIGHT_OVERTAKEN);
    told_nothing(&t);
    ck_assert_int_eq(finish_load(l, 3, 1, NULL), BRIM_CANCELED);
    told_got(&t, 3, false);
    ck_assert_uint_eq(found_id(c, 1), 1);
    brim_load_fail_for(claim(c, 3), 7, UINT64_MAX);
    ck_assert_int_eq(put(c, 3, 3, 1), BRIM_OK); /* and what failed is forgotten */
    ck_assert(brim_remove(c, BRIM_KEY((uint64_t){3})));
    ck_assert_int_eq(claim_status(c, 3, 0), BRIM_CLAIMED);
    no_loads(c, 2);
    finish_on(c, &h);
}
END_TEST

/* ---- What a replace evicts first may be followed by something newer, which must stay */

static struct {
    brim_cache *cache;
    unsigned evicted, unused;
    void (*act)(void);
    brim_ref *held;
    heap heap;
} follow;

static void follow_evicted(const void *key, size_t key_len, void *v, size_t cost, brim_cause cause, void *arg)
{
    (void)key, (void)key_len, (void)v, (void)cost, (void)arg;
    if (cause == BRIM_EVICTED && follow.evicted++ == 0 && follow.act != NULL)
        follow.act();
}

static void follow_unused(void *arg)
{
    (void)arg;
    follow.unused++;
}

/* A cache whose first victim is followed by ${act}.  Returns a handle of key 1, of more than half the capacity. */
static brim_key *follow_begin(void (*act)(void), size_t max_entries)
{
    static const brim_kind kind = {
        .size = sizeof kind, .destroy = value_destroy, .removed = follow_evicted, .unused = follow_unused};
    brim_options o = value_options(100);
    brim_key *key;
    brim_ref *r;

    memset(&follow, 0, sizeof follow);
    heap_init(&follow.heap);
    o.allocator = &follow.heap.allocator;
    o.kind = &kind;
    o.shards = 1;
    o.max_entries = max_entries;
    follow.act = act;
    follow.cache = make_cache(&o);
    ck_assert_int_eq(put_ref(follow.cache, 1, 1, 60, &r), BRIM_OK);
    key = brim_ref_key(r);
    brim_release(r);
    return key;
}

static void follow_end(brim_key *key)
{
    brim_key_drop(key);
    brim_release(follow.held);
    finish_on(follow.cache, &follow.heap);
}

static void put_newer(void)
{
    EXPECT(brim_insert(follow.cache, BRIM_KEY((uint64_t){1}), value_new(3, 0), 0, NULL) == BRIM_OK);
}

START_TEST(a_replace_that_evicts_first)
{
    brim_key *key = follow_begin(NULL, 0);

    ck_assert_int_eq(brim_key_replace(&key, value_new(2, 60), 60), BRIM_OK);
    ck_assert_uint_eq(follow.evicted, 1);
    ck_assert(brim_key_is_valid(key));
    ck_assert_uint_eq(found_id(follow.cache, 1), 2);
    follow_end(key);
}
END_TEST

START_TEST(a_replace_that_evicts_first_replaces_nothing_newer)
{
    brim_key *key = follow_begin(put_newer, 0);
    value *v = value_new(2, 60);
    brim_stats s;

    ck_assert_int_eq(brim_key_replace(&key, v, 60), BRIM_INVALID);
    ck_assert_uint_eq(follow.evicted, 1);
    ck_assert(!brim_key_is_valid(key));
    ck_assert_uint_eq(found_id(follow.cache, 1), 3);
    ck_assert_uint_eq(brim_used(follow.cache), 0);
    ck_assert_uint_eq(brim_pinned(follow.cache), 0);
    brim_stats_get(follow.cache, &s);
    ck_assert_uint_eq(s.insertions, 2);
    value_discard(v);
    follow_end(key);
}
END_TEST

/* By its key it replaces whatever that has. */
START_TEST(an_insert_that_evicts_first_replaces_what_is_newer)
{
    brim_key *key = follow_begin(put_newer, 0);

    ck_assert_int_eq(put(follow.cache, 1, 2, 60), BRIM_OK);
    ck_assert_uint_eq(follow.evicted, 1);
    ck_assert_uint_eq(found_id(follow.cache, 1), 2);
    follow_end(key);
}
END_TEST

static void fill_its_index(void)
{
    fill_index(follow.cache, &follow.heap);
}

START_TEST(a_replace_that_evicts_first_and_finds_no_memory)
{
    brim_key *key = follow_begin(fill_its_index, 0);
    value *v = value_new(2, 60);

    ck_assert_int_eq(brim_key_replace(&key, v, 60), BRIM_NOMEM);
    ck_assert_uint_eq(follow.evicted, 1);
    heap_fail(&follow.heap, SIZE_MAX, SIZE_MAX);
    value_discard(v);
    follow_end(key);
}
END_TEST

static void put_held(void)
{
    EXPECT(brim_insert(follow.cache, "l", 1, NULL, 0, &follow.held) == BRIM_OK);
}

START_TEST(a_replace_that_evicts_first_and_is_one_too_many)
{
    brim_key *key = follow_begin(put_held, 2);
    value *v = value_new(2, 60);
    brim_ref *r;

    ck_assert_int_eq(put_ref(follow.cache, 2, 2, 0, &r), BRIM_OK);
    ck_assert_int_eq(brim_key_replace(&key, v, 60), BRIM_FULL);
    ck_assert_uint_eq(follow.evicted, 1);
    value_discard(v);
    brim_release(r);
    follow_end(key);
}
END_TEST

static void free_it(void)
{
    brim_cache_free(follow.cache);
}

/* With another value of the kind, or without: then it was told that it is not used already. */
START_TEST(a_replace_that_evicts_first_and_finds_the_cache_freed)
{
    brim_key *key = follow_begin(free_it, 0);
    value *v = value_new(2, 60);
    brim_ref *r = NULL;

    if (_i == 0)
        ck_assert_int_eq(put_ref(follow.cache, 2, 2, 10, &r), BRIM_OK);
    ck_assert_int_eq(brim_key_replace(&key, v, 60), BRIM_INVALID);
    ck_assert_uint_eq(follow.evicted, 1);
    ck_assert(value_alive(v, 2));
    ck_assert_uint_eq(follow.unused, r == NULL);
    ck_assert_uint_eq(atom_load_relaxed(&follow.cache->default_kind->values.total), r != NULL); /* it is closed */
    brim_release(r);
    ck_assert_uint_eq(follow.unused, 1);
    value_discard(v);
    brim_key_drop(key);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(atomic_load(&follow.heap.blocks), 0);
}
END_TEST

static void hold_old_put_newer(void)
{
    follow.held = brim_find(follow.cache, BRIM_KEY((uint64_t){1}));
    put_newer();
}

/* What is dropped is the entry of the handle, not what has the key since. */
START_TEST(a_replace_that_is_refused_drops_nothing_newer)
{
    brim_key *key = follow_begin(hold_old_put_newer, 0);
    brim_entry_options o = defaults();
    value *v = value_new(2, 60);
    brim_ref *r;

    o.drop_old = true;
    ck_assert_int_eq(put(follow.cache, 2, 2, 20), BRIM_OK);
    ck_assert_int_eq(put_ref(follow.cache, 3, 3, 20, &r), BRIM_OK);
    ck_assert_int_eq(brim_key_replace_with(&key, v, 60, &o, NULL), BRIM_FULL);
    ck_assert_uint_eq(follow.evicted, 1);
    ck_assert(!brim_key_is_valid(key));
    ck_assert_uint_eq(found_id(follow.cache, 1), 3);
    value_discard(v);
    brim_release(r);
    follow_end(key);
}
END_TEST

START_TEST(wrapped_and_anonymous)
{
    brim_cache *c = make_value_cache(10);
    brim_ref *r, *a;
    brim_key *key;

    ck_assert_int_eq(brim_wrap(c, value_new(1, 100), 100, NULL, &r), BRIM_OK);
    ck_assert_uint_eq(brim_used(c), 0);
    ck_assert_uint_eq(brim_pinned(c), 0);
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(2, 4), 4, NULL, &key, &a), BRIM_OK);
    ck_assert_uint_eq(brim_used(c), 4);
    ck_assert_uint_eq(brim_pinned(c), 4);
    ck_assert_ptr_null(brim_key_bytes(key, NULL));
    ck_assert_int_eq(brim_key_replace(&key, value_new(3, 6), 6), BRIM_OK);
    brim_release(a);
    ck_assert_uint_eq(brim_used(c), 6);
    a = brim_key_find(key);
    ck_assert_uint_eq(id_of(a), 3);
    brim_release(a);
    brim_release(r);
    brim_key_drop(key);
    finish(c);
}
END_TEST

/* By random numbers; and where the old one was. */
START_TEST(anonymous_ones_are_everywhere)
{
    brim_cache *c = make_value_cache(100);
    unsigned other = 0;
    uint32_t first = 0;

    for (int i = 0; i < 10; i++) {
        brim_key *key;
        uint32_t place;
        brim_ref *r;

        ck_assert_int_eq(brim_insert_anonymous(c, value_new(1, 1), 1, NULL, NULL, &r), BRIM_OK);
        key = brim_ref_key(r);
        place = entry_of_ref(r)->place;
        brim_release(r);
        ck_assert_int_eq(brim_key_replace(&key, value_new(2, 1), 1), BRIM_OK);
        ck_assert_uint_eq(entry_of_key(key)->place, place);
        brim_key_drop(key);
        first = i == 0 ? place : first;
        other += place != first;
    }
    ck_assert_uint_gt(other, 0);
    finish(c);
}
END_TEST

/* An entry with the empty key, as if that had ${hash}. */
static void put_empty_key_at(brim_cache *c, uint64_t hash)
{
    struct insertion in = {.key = "", .value = value_new(1, 1), .cost = 1};
    struct admission a = {.cache = c, .by = caller_of(c), .hash = hash};
    struct shard_link l = {.refs = 0};
    struct entry_list left = {NULL, NULL};
    struct entry *e;

    ck_assert_int_eq(insert_options(c, NULL, &in), BRIM_OK);
    e = insert_alloc(&in, a.by.t, hash, extra_size(0, &in.extra));
    ck_assert_ptr_nonnull(e);
    insert_fill(&in, e);
    insert_set_value(&in, e, in.value, in.cost);
    a.for_entry = e;
    a.charge = entry_cost(e);
    ck_assert_int_eq(admit(&a), BRIM_OK);
    kind_taken(in.kind, a.by.t);
    ck_assert_int_eq(insert_link(&in, &a, &l, e, &left), SHARD_LINKED);
    ck_assert_ptr_null(left.head);
}

/* Nor is one the empty key's, whatever its random number. */
START_TEST(anonymous_ones_have_no_key)
{
    struct thread *t = thread_self();
    brim_cache *c = make_value_cache(100);
    brim_entry_options o = defaults();
    uint64_t state = t->random;
    brim_key *key;

    put_empty_key_at(c, thread_random(t));
    o.drop_old = true;
    t->random = state;
    ck_assert_int_eq(brim_insert_anonymous(c, NULL, 101, &o, &key, NULL), BRIM_TOO_BIG);
    ck_assert_uint_eq(brim_count(c), 1);
    o = defaults();
    o.only_if_absent = true;
    t->random = state;
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(2, 1), 1, &o, &key, NULL), BRIM_OK);
    ck_assert_uint_eq(brim_count(c), 2);
    ck_assert_uint_eq(brim_pinned(c), 0);
    brim_key_drop(key);
    brim_clear(c); /* that key has another hash */
    finish(c);
}
END_TEST

START_TEST(refused_by_handle_or_without_a_key)
{
    brim_cache *c = make_value_cache(10);
    brim_entry_options o = defaults();
    value *big = value_new(2, 11), *full = value_new(3, 5);
    brim_group *closed = brim_group_new(c);
    brim_key *key, *none;
    brim_ref *r, *held;

    o.drop_old = true;
    none = (brim_key *)&o;
    ck_assert_int_eq(brim_insert_anonymous(c, big, 11, &o, &none, NULL), BRIM_TOO_BIG);
    ck_assert_ptr_null(none);
    ck_assert_int_eq(brim_insert_anonymous(c, big, 11, &o, NULL, &r), BRIM_TOO_BIG);
    for (int i = 0; i < 2; i++) { /* too big, then held by others: the old one goes if that is wanted */
        size_t cost = i == 0 ? 11 : 5;
        value *v = i == 0 ? big : full;
        brim_status refused = i == 0 ? BRIM_TOO_BIG : BRIM_FULL;

        ck_assert_int_eq(put_ref(c, 1, 1, 4, &r), BRIM_OK);
        key = brim_ref_key(r);
        brim_release(r);
        ck_assert_int_eq(put_ref(c, 2, 2, 6, &held), BRIM_OK);
        ck_assert_int_eq(brim_key_replace(&key, v, cost), refused);
        ck_assert(i != 0 || brim_key_is_valid(key));
        if (brim_key_is_valid(key)) {
            o.drop_old = false;
            ck_assert_int_eq(brim_key_replace_with(&key, v, cost, &o, NULL), refused);
            ck_assert(brim_key_is_valid(key));
            o.drop_old = true;
            ck_assert_int_eq(brim_key_replace_with(&key, v, cost, &o, NULL), refused);
        }
        ck_assert(!brim_key_is_valid(key));
        ck_assert(value_alive(v, v->id));
        brim_key_drop(key);
        brim_release(held);
        brim_clear(c);
    }
    o.group = closed;
    brim_group_close(closed);
    ck_assert_int_eq(put_ref(c, 1, 1, 4, &r), BRIM_OK);
    key = brim_ref_key(r);
    ck_assert_int_eq(brim_key_replace_with(&key, full, 5, &o, NULL), BRIM_CANCELED);
    ck_assert(brim_key_is_valid(key)); /* it was not refused for room */
    brim_key_drop(key);
    brim_release(r);
    brim_group_drop(closed);
    value_discard(big);
    value_discard(full);
    finish(c);
}
END_TEST

START_TEST(replaced_with_other_options)
{
    static const brim_kind other = {.size = sizeof other, .destroy = value_destroy};
    brim_cache *c = make_value_cache(100);
    brim_entry_options o = defaults();
    brim_key *key;
    brim_ref *r;

    o.work = 7000;
    ck_assert_int_eq(brim_insert_with(c, "k", 1, value_new(1, 5), 5, &o, &r), BRIM_OK);
    key = brim_ref_key(r);
    brim_release(r);
    o = defaults();
    ck_assert_int_eq(brim_key_replace_with(&key, value_new(2, 5), 5, &o, &r), BRIM_OK);
    ck_assert_ptr_eq(brim_ref_kind(r), &value_kind); /* what the options do not say is the old one's */
    ck_assert_uint_eq(entry_of_ref(r)->work, policy_pack_work(7000));
    brim_release(r);
    o.kind = &other;
    o.work = 50;
    ck_assert_int_eq(brim_key_replace_with(&key, value_new(3, 5), 5, &o, &r), BRIM_OK);
    ck_assert_ptr_eq(brim_ref_kind(r), &other);
    ck_assert_uint_eq(entry_of_ref(r)->work, policy_pack_work(50));
    brim_release(r);
    o.kind = NULL;
    ck_assert_int_eq(brim_key_replace_with(&key, value_new(4, 5), 5, &o, &r), BRIM_OK);
    ck_assert_ptr_eq(brim_ref_kind(r), &other);
    brim_release(r);
    ck_assert(brim_key_remove(key));
    ck_assert_int_eq(brim_key_replace_with(&key, NULL, 101, &o, NULL), BRIM_INVALID); /* it is not there */
    brim_key_drop(key);
    finish(c);
}
END_TEST

START_TEST(anonymous_ones_are_never_there)
{
    brim_cache *c = make_value_cache(100);
    brim_entry_options o = defaults();
    brim_key *a, *b;

    o.only_if_absent = true;
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(1, 5), 5, &o, &a, NULL), BRIM_OK);
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(2, 5), 5, &o, &b, NULL), BRIM_OK);
    ck_assert(!brim_key_equal(a, b));
    ck_assert(brim_key_is_valid(a));
    ck_assert_uint_eq(brim_count(c), 2);
    brim_key_drop(a);
    brim_key_drop(b);
    finish(c);
}
END_TEST

START_TEST(wrapped_with_options)
{
    brim_cache *c = make_value_cache(100);
    brim_entry_options o = defaults();
    value *v = value_new(1, 5);
    brim_ref *r = (brim_ref *)&o;

    ck_assert_int_eq(brim_wrap(NULL, v, 5, &o, &r), BRIM_INVALID);
    ck_assert_ptr_null(r);
    ck_assert_int_eq(brim_wrap(c, v, SIZE_MAX, &o, &r), BRIM_INVALID);
    o.priority = 2;
    ck_assert_int_eq(brim_wrap(c, v, 5, &o, &r), BRIM_INVALID);
    o.priority = 0;
    o.group = brim_group_new(c);
    brim_group_close(o.group);
    ck_assert_int_eq(brim_wrap(c, v, 5, &o, &r), BRIM_OK); /* outside groups count for nothing */
    ck_assert_uint_eq(id_of(r), 1);
    brim_release(r);
    ck_assert(!value_alive(v, 1));
    brim_group_drop(o.group);
    finish(c);
}
END_TEST

START_TEST(unwanted_without_memory)
{
    static char key[300];
    brim_entry_options o = defaults();
    value *v = value_new(2, 5);
    brim_key *handle;
    brim_cache *c;
    brim_ref *r;
    heap h;

    c = cache_on(&h, 100);
    o.only_if_absent = true;
    ck_assert_int_eq(brim_insert(c, key, sizeof key, value_new(1, 5), 5, &r), BRIM_OK);
    handle = brim_ref_key(r);
    brim_release(r);
    heap_fail(&h, 1, SIZE_MAX);
    r = (brim_ref *)&o;
    ck_assert_int_eq(brim_insert_or_wrap(c, key, sizeof key, v, 5, &o, &r), BRIM_NOMEM);
    ck_assert_ptr_null(r);
    ck_assert_int_eq(brim_insert_or_wrap(c, key, sizeof key, v, 5, &o, NULL), BRIM_NOMEM);
    ck_assert_int_eq(brim_insert_or_wrap(c, key, 299, v, 101, &o, &r), BRIM_NOMEM); /* nor is what is too big wrapped */
    ck_assert_ptr_null(r);
    o.drop_old = true;
    ck_assert_int_eq(brim_key_replace_with(&handle, v, 5, &o, NULL), BRIM_NOMEM);
    ck_assert(brim_key_is_valid(handle)); /* that is no refusal */
    heap_fail(&h, SIZE_MAX, SIZE_MAX);
    brim_key_drop(handle);
    ck_assert_uint_eq(brim_pinned(c), 0);
    ck_assert(value_alive(v, 2)); /* not taken */
    ck_assert_int_eq(brim_insert_or_wrap(c, key, sizeof key, v, 5, &o, NULL), BRIM_EXISTS);
    ck_assert(!value_alive(v, 2)); /* taken, and wanted by nobody */
    finish_on(c, &h);
}
END_TEST

#ifdef BRIM_INTERFERE
static void put_first(void *arg)
{
    EXPECT(put(arg, 1, 1, 5) == BRIM_OK);
}

/* Another thread inserts the key that was absent. */
START_TEST(no_longer_absent)
{
    bool met = true;
    unsigned there = 0;

    for (unsigned after = 0; met; after++) {
        brim_cache *c = make_value_cache(100);
        struct other o = {.cache = c, .act = put_first, .arg = c};
        brim_entry_options e = defaults();
        value *v = value_new(2, 5);
        brim_status s;
        brim_ref *r;

        e.only_if_absent = true;
        other_begin(&o, after);
        s = brim_insert_with(c, BRIM_KEY((uint64_t){1}), v, 5, &e, &r);
        met = other_end(&o);
        ck_assert(s == BRIM_OK || (s == BRIM_EXISTS && o.acted));
        ck_assert_uint_eq(id_of(r), s == BRIM_OK ? 2 : 1);
        ck_assert_uint_eq(found_id(c, 1), s == BRIM_OK && !o.acted ? 2 : 1);
        there += s == BRIM_EXISTS;
        brim_release(r);
        if (s != BRIM_OK)
            value_discard(v);
        ck_assert_uint_eq(brim_used(c), 5);
        finish(c);
    }
    ck_assert_uint_gt(there, 0);
}
END_TEST

static void close_it(void *arg)
{
    brim_group_close(arg);
}

/* A group of the old entry is closed while it is replaced: the new one is not made, or is closed out, too. */
START_TEST(a_group_that_closes_while_its_entry_is_replaced)
{
    bool met = true;
    unsigned canceled = 0, replaced = 0;

    for (unsigned after = 0; met; after++) {
        brim_cache *c = make_value_cache(100);
        brim_entry_options o = defaults();
        value *v = value_new(2, 5);
        brim_status s;
        brim_key *key;
        brim_ref *r;

        o.group = brim_group_new(c);
        ck_assert_int_eq(brim_insert_with(c, "k", 1, value_new(1, 5), 5, &o, &r), BRIM_OK);
        key = brim_ref_key(r);
        brim_release(r);
        atom_interfere(after, close_it, o.group);
        s = brim_key_replace(&key, v, 5);
        met = atom_has_interfered();
        if (s == BRIM_OK) {
            ck_assert_int_eq(brim_contains(c, "k", 1), !met);
            replaced++;
        } else {
            ck_assert(met);
            ck_assert(s == BRIM_CANCELED || s == BRIM_INVALID);
            ck_assert(!brim_contains(c, "k", 1));
            canceled += s == BRIM_CANCELED;
            value_discard(v);
        }
        brim_key_drop(key);
        brim_group_drop(o.group);
        finish(c);
    }
    ck_assert_uint_gt(canceled, 0);
    ck_assert_uint_gt(replaced, 1);
}
END_TEST
#endif

static void insert_many(unsigned id, void *arg)
{
    brim_cache *c = arg;

    for (uint64_t i = 0; i < 40; i++) {
        uint64_t key = id * 100 + i;
        EXPECT(brim_insert(c, BRIM_KEY(key), NULL, 1, NULL) == BRIM_OK);
    }
}

/* From one bucket on: who meets a full index while others make it larger, and fill it again, goes on. */
START_TEST(an_index_that_grows_under_many)
{
    for (int round = 0; round < 200; round++) {
        brim_options o;
        brim_cache *c;

        brim_options_init(&o, 100000);
        o.shards = 1;
        c = make_cache(&o);
        crew_do(12, insert_many, c);
        ck_assert_uint_eq(brim_count(c), 12 * 40);
        finish(c);
    }
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("insert");

    tcase_add_test(tc, bad_arguments);
    tcase_add_test(tc, a_kind_is_not_met_by_what_is_invalid);
    tcase_add_test(tc, keys_of_all_lengths);
    tcase_add_test(tc, only_if_absent);
    tcase_add_test(tc, what_is_refused);
    tcase_add_test(tc, what_is_closed_out);
    tcase_add_test(tc, what_finds_no_room_is_not_taken);
    tcase_add_test(tc, too_big_by_far);
    tcase_add_test(tc, too_big_without_memory);
    tcase_add_test(tc, no_memory_for_the_index);
    tcase_add_test(tc, no_more_entries_than_may_be);
    tcase_add_test(tc, no_memory);
    tcase_add_loop_test(tc, what_an_entry_is_given, 0, 3);
    tcase_add_test(tc, the_clock_is_asked_for_ages);
    tcase_add_test(tc, with_the_charge_of_what_it_has);
    tcase_add_test(tc, no_memory_for_groups_and_ages);
    tcase_add_test(tc, an_insert_overtakes_the_load_of_its_key);
    tcase_add_test(tc, a_replace_that_evicts_first);
    tcase_add_test(tc, a_replace_that_evicts_first_replaces_nothing_newer);
    tcase_add_test(tc, an_insert_that_evicts_first_replaces_what_is_newer);
    tcase_add_test(tc, a_replace_that_evicts_first_and_finds_no_memory);
    tcase_add_test(tc, a_replace_that_evicts_first_and_is_one_too_many);
    tcase_add_loop_test(tc, a_replace_that_evicts_first_and_finds_the_cache_freed, 0, 2);
    tcase_add_test(tc, a_replace_that_is_refused_drops_nothing_newer);
    tcase_add_test(tc, wrapped_and_anonymous);
    tcase_add_test(tc, anonymous_ones_are_everywhere);
    tcase_add_test(tc, anonymous_ones_have_no_key);
    tcase_add_test(tc, refused_by_handle_or_without_a_key);
    tcase_add_test(tc, replaced_with_other_options);
    tcase_add_test(tc, anonymous_ones_are_never_there);
    tcase_add_test(tc, wrapped_with_options);
    tcase_add_test(tc, unwanted_without_memory);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, no_longer_absent);
    tcase_add_test(tc, a_group_that_closes_while_its_entry_is_replaced);
#endif
    tcase_add_test(tc, an_index_that_grows_under_many);
    return suite_run(tc);
}
