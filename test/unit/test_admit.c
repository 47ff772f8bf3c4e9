/* SPDX-License-Identifier: MIT
 *
 * cache/admit: reservations, and what is evicted for them.
 */
#include "cache/admit.h"
#include "cache/limits.h"
#include "part/window.h"
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

/* ---- The shard that gives */

enum { SHARDS = 16, APART = 11 };

static uint64_t next_key; /* no test's keys are made by hand and by key_in, too */

/* A new key whose place is in ${shard}. */
static uint64_t key_in(brim_cache *c, unsigned shard)
{
    uint64_t key;

    do {
        key = next_key++;
    } while (cache_shard(c, hash_place(hash_bytes(&c->hash, &key, sizeof key))) != &c->shards[shard]);
    return key;
}

/* ${n} entries in ${shard}; ${out}: their handles, or NULL. */
static void put_in(brim_cache *c, unsigned shard, unsigned n, size_t cost, brim_ref **out)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t key = key_in(c, shard);
        ck_assert_int_eq(put_ref(c, key, key, cost, out != NULL ? &out[i] : NULL), BRIM_OK);
    }
}

static brim_options sharded_options(size_t capacity, unsigned shards)
{
    brim_options o = value_options(capacity);

    o.shards = shards;
    return o;
}

static unsigned count_in(brim_cache *c, unsigned shard)
{
    return atom_load_relaxed(&c->shards[shard].count);
}

static size_t fullness_of(brim_cache *c, unsigned shard)
{
    size_t used = atom_load_relaxed(&c->shards[shard].used);

    return used > 0 ? used : count_in(c, shard);
}

/* The fullest of ${own}, or of a random one if that is SHARDS, and of three random others; ${state}: of those. */
static unsigned fullest_of_four(brim_cache *c, uint64_t state, unsigned own)
{
    unsigned best = own < SHARDS ? own : (unsigned)(hash_random(&state) & (c->shard_count - 1));

    for (int i = 0; i < 3; i++) {
        unsigned other = (unsigned)(hash_random(&state) & (c->shard_count - 1));
        if (fullness_of(c, other) > fullness_of(c, best))
            best = other;
    }
    return best;
}

/* Eight shards, the more charged the fewer entries they have; all of the capacity is used. */
static brim_cache *make_uneven(brim_ref *held[8])
{
    brim_options o = sharded_options(8 * 4500 + 8 * 20 + 8 * 28, 8);
    brim_cache *c = make_cache(&o);

    for (unsigned i = 0; i < 8; i++) {
        put_in(c, i, 1, 1000 * (i + 1), &held[i]);
        put_in(c, i, 20 + 8 * (7 - i), 1, NULL);
    }
    ck_assert_uint_eq(brim_used(c), brim_capacity(c));
    return c;
}

static void expect_counts(brim_cache *c, const unsigned expected[8])
{
    for (unsigned i = 0; i < 8; i++)
        ck_assert_uint_eq(count_in(c, i), expected[i]);
}

START_TEST(the_fullest_of_four_shards_gives)
{
    brim_ref *held[8];
    brim_cache *c = make_uneven(held);
    struct caller by = caller_of(c);
    unsigned expected[8];

    by.t->random = 1;
    for (unsigned i = 0; i < 8; i++)
        expected[i] = count_in(c, i);
    for (int n = 0; n < 30; n++) {
        expected[fullest_of_four(c, by.t->random, SHARDS)]--;
        ck_assert_uint_eq(admit_evict(c, by, 1, NULL), 1);
        expect_counts(c, expected);
    }
    brim_release_many(held, 8);
    finish(c);
}
END_TEST

/* Where nothing costs anything, the one of most entries. */
START_TEST(of_what_is_free_the_longest_of_four_shards_gives)
{
    brim_options o = sharded_options(100, 8);
    struct admission a = {.cache = make_cache(&o)};
    unsigned expected[8];

    a.by = caller_of(a.cache);
    for (unsigned i = 0; i < 8; i++) {
        put_in(a.cache, i, 40 + i, 0, NULL);
        expected[i] = 40 + i;
    }
    a.by.t->random = 1;
    for (int n = 0; n < 30; n++) {
        expected[fullest_of_four(a.cache, a.by.t->random, SHARDS)]--;
        ck_assert(admit_entry(&a));
        expect_counts(a.cache, expected);
    }
    finish(a.cache);
}
END_TEST

/* What is over its fair share makes room for its own; else a fuller one of four does. */
START_TEST(the_own_shard_gives_if_it_has_more_than_its_share)
{
    brim_ref *held[8];
    brim_cache *c = make_uneven(held);
    struct thread *t = thread_self();
    unsigned expected[8], own_gave = 0;

    t->random = 1;
    for (unsigned i = 0; i < 8; i++)
        expected[i] = count_in(c, i);
    for (unsigned n = 0; n < 40; n++) {
        unsigned own = n % 8;
        bool over = fullness_of(c, own) > brim_capacity(c) / 8;
        unsigned gives = over ? own : fullest_of_four(c, t->random, own);

        put_in(c, own, 1, 1, NULL);
        expected[own]++;
        expected[gives]--;
        own_gave += over;
        expect_counts(c, expected);
    }
    ck_assert_uint_eq(own_gave, 20);
    brim_release_many(held, 8);
    finish(c);
}
END_TEST

/*
 * ${n} entries of ${cost} in shard APART, of which samples know nothing: they look at fuller shards, where all is
 * held.  No room is left.
 */
static brim_cache *make_hidden(unsigned n, size_t cost, brim_ref *held[SHARDS])
{
    size_t most = (size_t)n * cost + 1;
    brim_options o = sharded_options((SHARDS - 1) * most + n * cost, SHARDS);
    brim_cache *c;

    o.protect_frame = true;
    c = make_cache(&o);
    for (unsigned i = 0; i < SHARDS; i++)
        if (i != APART)
            put_in(c, i, 1, most, &held[i]);
    held[APART] = NULL;
    put_in(c, APART, n, cost, NULL);
    (void)brim_next_frame(c); /* nothing is protected */
    return c;
}

static void finish_hidden(brim_cache *c, brim_ref *held[SHARDS])
{
    for (unsigned i = 0; i < SHARDS; i++)
        brim_release(held[i]);
    finish(c);
}

/* ---- No more than is missing */

START_TEST(what_room_is_left_is_used)
{
    brim_cache *c = make_value_cache(100);

    for (uint64_t key = 0; key < 19; key++)
        ck_assert_int_eq(put(c, key, key, 5), BRIM_OK);
    ck_assert_int_eq(put(c, 100, 100, 10), BRIM_OK);
    ck_assert_uint_eq(brim_count(c), 19);
    ck_assert_uint_eq(brim_used(c), 100);
    finish(c);
}
END_TEST

START_TEST(without_sections_nothing_goes_ahead)
{
    enum { N = 640 };
    brim_cache *c = make_value_cache(N);

    for (uint64_t key = 0; key < N; key++)
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    for (uint64_t key = N; key < N + 20; key++) {
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
        ck_assert_uint_eq(brim_count(c), N);
    }
    finish(c);
}
END_TEST

/* By looking at all, and more than enough at once. */
START_TEST(of_its_own_no_more_than_is_missing)
{
    brim_cache *c = make_floors(80, 0);
    brim_ref *held;

    for (uint64_t key = 0; key < 4; key++)
        ck_assert_int_eq(put_of(c, &poor, key, 10, NULL), BRIM_OK);
    ck_assert_int_eq(put_ref(c, 10, 10, 60, &held), BRIM_OK);
    ck_assert_int_eq(put_of(c, &poor, 20, 15, NULL), BRIM_OK);
    ck_assert_uint_eq(brim_count(c), 4);
    ck_assert_uint_eq(brim_used(c), 95);
    brim_release(held);
    finish(c);
}
END_TEST

/* A trim that gets more than it has asked for: by samples, by looking at all, for the frame's sake. */
START_TEST(a_trim_takes_no_more_than_is_missing)
{
    brim_cache *c = make_floors(0, 0);

    for (uint64_t key = 0; key < 10; key++)
        ck_assert_int_eq(put(c, key, key, 10), BRIM_OK);
    if (_i == 1)
        (void)brim_next_frame(c);
    ck_assert_uint_eq(admit_evict(c, caller_of(c), 15, NULL), 20);
    ck_assert_uint_eq(brim_count(c), 8);
    finish(c);
}
END_TEST

START_TEST(a_trim_that_looks_takes_no_more_than_is_missing)
{
    enum { N = 600 }; /* in several holds of the shard's mutex */
    brim_ref *held[SHARDS];
    brim_cache *c = make_hidden(N, 10, held);

    ck_assert_uint_eq(admit_evict(c, caller_of(c), 5, NULL), 10);
    ck_assert_uint_eq(count_in(c, APART), N - 1);
    ck_assert_uint_eq(admit_evict_kind(c, caller_of(c), 5, c->default_kind, NULL), 10);
    ck_assert_uint_eq(count_in(c, APART), N - 2);
    finish_hidden(c, held);
}
END_TEST

START_TEST(of_a_kind_no_more_than_is_missing)
{
    brim_cache *c = make_floors(0, 0);

    for (uint64_t key = 0; key < 10; key++)
        ck_assert_int_eq(put(c, key, key, 10), BRIM_OK);
    (void)brim_next_frame(c);
    ck_assert_uint_eq(admit_evict_kind(c, caller_of(c), 15, c->default_kind, NULL), 20);
    ck_assert_uint_eq(brim_count(c), 8);
    finish(c);
}
END_TEST

/* A listener gives room back after the first of two batches: the second stays. */
static struct { brim_cache *cache; bool given; } giver;

static void unreserve_30(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    (void)key, (void)len, (void)v, (void)cost, (void)cause, (void)arg;
    if (!giver.given)
        brim_unreserve(giver.cache, 30);
    giver.given = true;
}

START_TEST(each_batch_is_ended_before_the_next)
{
    enum { BATCH = 16 }; /* in one hold of a shard's mutex */
    brim_options o = sharded_options(100, 1);
    brim_kind kind = value_kind;

    kind.removed = unreserve_30;
    o.kind = &kind;
    giver.given = false;
    giver.cache = make_cache(&o);
    ck_assert_int_eq(brim_reserve(giver.cache, 30), BRIM_OK);
    for (uint64_t key = 0; key < 70; key++)
        ck_assert_int_eq(put(giver.cache, key, key, 1), BRIM_OK);
    ck_assert_int_eq(put(giver.cache, 100, 100, BATCH + 4), BRIM_OK);
    ck_assert_uint_eq(brim_count(giver.cache), 70 - BATCH + 1);
    finish(giver.cache);
}
END_TEST

/* ---- While more is used than the capacity */

START_TEST(what_is_freed_pays_for_what_is_above_first)
{
    brim_options o = sharded_options(100, 4);
    brim_cache *c = make_cache(&o);
    brim_ref *held[3];

    ck_assert_int_eq(brim_reserve(c, 30), BRIM_OK);
    for (unsigned i = 0; i < 3; i++)
        put_in(c, i + 1, 1, 10, &held[i]);
    ck_assert_int_eq(brim_set_capacity(c, 50), BRIM_FULL);
    brim_release_many(held, 3);
    ck_assert_uint_eq(brim_used(c), 60);
    put_in(c, 0, 1, 10, NULL);
    ck_assert_uint_eq(brim_used(c), 50);
    ck_assert_uint_eq(brim_count(c), 2);
    brim_unreserve(c, 30);
    finish(c);
}
END_TEST

START_TEST(what_costs_nothing_is_refused_then_too)
{
    brim_cache *c = make_value_cache(100);
    brim_ref *held;

    ck_assert_int_eq(put_ref(c, 1, 1, 60, &held), BRIM_OK);
    ck_assert_int_eq(brim_set_capacity(c, 50), BRIM_FULL);
    ck_assert_int_eq(put(c, 2, 2, 0), BRIM_FULL);
    brim_release(held);
    ck_assert_int_eq(put(c, 2, 2, 0), BRIM_OK); /* the other goes */
    ck_assert_uint_eq(brim_used(c), 0);
    finish(c);
}
END_TEST

/* But what is reserved is reserved. */
START_TEST(what_it_has_is_enough)
{
    brim_cache *c = make_value_cache(100);
    struct admission a = {.cache = c, .by = caller_of(c), .charge = 10};
    brim_ref *held;

    ck_assert_int_eq(put_ref(c, 1, 1, 20, &held), BRIM_OK);
    ck_assert_int_eq(admit(&a), BRIM_OK);
    ck_assert_int_eq(brim_set_capacity(c, 20), BRIM_FULL);
    a.have = 10;
    a.charge = 5;
    ck_assert_int_eq(admit(&a), BRIM_OK);
    ck_assert_uint_eq(reserved(c), 5);
    ck_assert_uint_eq(brim_used(c), 25);
    admit_undo(c, a.by, 5);
    brim_release(held);
    finish(c);
}
END_TEST

/* A refusal gives back what it had, also to its kind. */
START_TEST(refused_with_part_of_it)
{
    brim_cache *c = make_value_cache(100);
    struct admission a = {.cache = c, .by = caller_of(c), .charge = 10};
    brim_ref *held;

    ck_assert_int_eq(put_ref(c, 1, 1, 60, &held), BRIM_OK);
    for (int i = 0; i < 2; i++) {
        a.have = 0;
        a.charge = 10;
        ck_assert_int_eq(admit(&a), BRIM_OK);
        ck_assert_uint_eq(reserved(c), 10);
        a.have = 10;
        a.charge = i == 0 ? 41 : 101;
        ck_assert_int_eq(admit(&a), i == 0 ? BRIM_FULL : BRIM_TOO_BIG);
        ck_assert_uint_eq(reserved(c), 0);
    }
    brim_release(held);
    finish(c);
}
END_TEST

START_TEST(refused_by_the_cache_not_by_its_kind)
{
    brim_cache *c = make_floors(0, 0);
    struct admission a = {.cache = c, .by = caller_of(c), .charge = 10};
    brim_ref *held;

    poor.ceiling = 70;
    ck_assert_int_eq(kind_get(c, &poor, &a.kind), BRIM_OK);
    ck_assert_int_eq(put_ref(c, 1, 1, 100, &held), BRIM_OK);
    ck_assert_int_eq(admit(&a), BRIM_FULL);
    ck_assert(!a.counted);
    ck_assert_uint_eq(kind_used(a.kind), 0);
    brim_release(held);
    finish(c);
}
END_TEST

START_TEST(the_capacity_is_no_longer_that)
{
    brim_cache *c = make_value_cache(100);
    struct admission a = {.cache = c, .by = caller_of(c), .charge = 60};

    ck_assert_int_eq(admit(&a), BRIM_OK);
    ck_assert(!admit_lower(c, a.by, 90, 30, 60));
    ck_assert_uint_eq(reserved(c), 60);
    ck_assert(admit_lower(c, a.by, 100, 40, 60));
    ck_assert_uint_eq(reserved(c), 0);
    ck_assert_uint_eq(brim_used(c), 0);
    ck_assert_uint_eq(brim_capacity(c), 40);
    a.charge = 40;
    ck_assert_int_eq(admit(&a), BRIM_OK);
    admit_cancel(&a); /* of no kind */
    ck_assert_uint_eq(reserved(c), 0);
    finish(c);
}
END_TEST

/* ---- What frames protect */

static brim_cache *make_frames(size_t capacity, unsigned shards, bool borrow)
{
    brim_options o = sharded_options(capacity, shards);

    o.protect_frame = true;
    o.borrow = borrow;
    return make_cache(&o);
}

/* Ids from ${from} on, found: used in this frame. */
static void use(brim_cache *c, uint64_t from, uint64_t n)
{
    for (uint64_t key = from; key < from + n; key++)
        ck_assert_uint_eq(found_id(c, key), key);
}

static unsigned how_many(brim_cache *c, uint64_t from, uint64_t n)
{
    unsigned there = 0;

    for (uint64_t key = from; key < from + n; key++)
        there += has(c, key);
    return there;
}

static uint64_t frame_evictions(brim_cache *c)
{
    return atom_load_relaxed(&c->frame_evictions);
}

START_TEST(what_is_new_stays_while_there_is_what_is_unused)
{
    brim_cache *c = make_frames(100, 1, false);

    for (uint64_t key = 0; key < 50; key++)
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    (void)brim_next_frame(c);
    for (uint64_t key = 100; key < 170; key++)
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    ck_assert_uint_eq(how_many(c, 100, 70), 70);
    ck_assert_uint_eq(how_many(c, 0, 50), 30);
    ck_assert_uint_eq(frame_evictions(c), 0);
    finish(c);
}
END_TEST

/* Once it is known that all is used: what is new goes first, of whatever shard, then again what is used. */
START_TEST(what_is_new_goes_before_what_is_used)
{
    enum { N = 2000 }; /* shards of several batches: the hand moves when all are looked at */
    brim_cache *c = make_frames(N, 4, false);
    uint64_t hand;

    for (uint64_t key = 0; key < N; key++)
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    (void)brim_next_frame(c);
    use(c, 0, N);
    next_key = N;
    put_in(c, 0, 1, 1, NULL);
    ck_assert_uint_eq(frame_evictions(c), 1);
    for (unsigned i = 1; i < 20; i++)
        put_in(c, i % 4, 1, 1, NULL);
    ck_assert_uint_eq(how_many(c, 0, N), N - 1);
    ck_assert_uint_eq(frame_evictions(c), 1);
    use(c, next_key - 1, 1);
    hand = atom_load_relaxed(&c->hand);
    put_in(c, 0, 1, 1, NULL);
    ck_assert_uint_eq(frame_evictions(c), 2);
    ck_assert_uint_eq(atom_load_relaxed(&c->hand), hand); /* by samples */
    ck_assert_uint_eq(brim_count(c), N);
    finish(c);
}
END_TEST

/* What can go without harm to the frame is found first; that its protection is in the way is not known then. */
START_TEST(what_is_hidden_goes_before_what_the_frame_protects)
{
    brim_ref *held[SHARDS];
    brim_cache *c = make_hidden(5, 10, held);

    ck_assert_int_eq(put(c, key_in(c, 0), 0, 10), BRIM_OK);
    ck_assert_uint_eq(count_in(c, APART), 4);
    ck_assert_uint_eq(atom_load_relaxed(&c->common.protected_until), 0);
    finish_hidden(c, held);
}
END_TEST

START_TEST(the_number_of_entries_too)
{
    enum { N = 100 };
    brim_cache *c = make_frames(1000000, SHARDS, false);
    struct admission a = {.cache = c, .by = caller_of(c), .charge = 1};
    uint64_t hidden[5];

    next_key = 1000;
    for (unsigned i = 0; i < 5; i++) {
        hidden[i] = key_in(c, APART);
        ck_assert_int_eq(put(c, hidden[i], hidden[i], 1), BRIM_OK);
    }
    for (unsigned i = 0; i < SHARDS; i++)
        if (i != APART)
            put_in(c, i, 10, 1, NULL);
    (void)brim_next_frame(c);
    for (uint64_t key = 1000; key < next_key; key++)
        if (cache_shard(c, hash_place(hash_bytes(&c->hash, &key, sizeof key))) != &c->shards[APART])
            (void)found_id(c, key);
    for (unsigned i = 1; i <= 5; i++) {
        ck_assert(admit_entry(&a));
        ck_assert_uint_eq(count_in(c, APART), 5 - i);
        ck_assert_uint_eq(frame_evictions(c), 0);
    }
    ck_assert(admit_entry(&a)); /* the limit wins */
    ck_assert_uint_eq(frame_evictions(c), 1);
    finish(c);
}
END_TEST

START_TEST(a_trim_goes_through_all_levels)
{
    brim_cache *c = make_frames(100, 4, false);

    for (uint64_t key = 0; key < 100; key++)
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    use(c, 0, 100);
    ck_assert_uint_eq(admit_evict(c, caller_of(c), 10, NULL), 10);
    ck_assert_uint_eq(frame_evictions(c), 10);
    finish(c);
}
END_TEST

/* The look at all entries stays where it found enough. */
START_TEST(the_hand_stays_where_it_found_enough)
{
    enum { N = 100 };
    brim_cache *c = make_frames(N, 4, false);
    brim_ref *held[N / 4];

    put_in(c, 0, N / 4, 1, held);
    for (unsigned i = 1; i < 4; i++)
        put_in(c, i, N / 4, 1, NULL);
    for (uint64_t key = 0; key < next_key; key++)
        (void)found_id(c, key);
    put_in(c, 0, 1, 1, NULL); /* at the third level, after two full rounds */
    ck_assert_uint_eq(frame_evictions(c), 1);
    ck_assert_uint_eq(count_in(c, 1), N / 4 - 1);
    ck_assert_uint_eq(atom_load_relaxed(&c->hand) >> 32, 1);
    brim_release_many(held, N / 4);
    finish(c);
}
END_TEST

/* ---- What samples do not find */

START_TEST(the_only_one_that_can_go_makes_room)
{
    enum { MOST = 5000 };
    static brim_ref *held[MOST];
    unsigned n = _i == 0 ? 640 : MOST, step = _i == 0 ? 17 : 263;
    brim_options o = sharded_options(n, _i == 0 ? 16 : 1);
    brim_cache *c = make_cache(&o);

    for (uint64_t key = 0; key < n; key++)
        ck_assert_int_eq(put_ref(c, key, key, 1, &held[key]), BRIM_OK);
    for (uint64_t key = 0; key < n; key += step) {
        brim_release(held[key]);
        ck_assert_int_eq(put_ref(c, n + key, key, 1, &held[key]), BRIM_OK);
        ck_assert(!has(c, key));
    }
    brim_release_many(held, n);
    finish(c);
}
END_TEST

START_TEST(the_only_one_of_its_kind_that_can_go_is_found)
{
    enum { N = 5000 };
    static brim_ref *held[N];
    brim_options o = sharded_options(N, 1);
    brim_cache *c = make_cache(&o);

    for (uint64_t key = 0; key < N; key++)
        ck_assert_int_eq(put_ref(c, key, key, 1, &held[key]), BRIM_OK);
    for (uint64_t key = 0; key < N; key += 263) {
        brim_release(held[key]);
        ck_assert_uint_eq(admit_evict_kind(c, caller_of(c), 1, c->default_kind, NULL), 1);
        ck_assert(!has(c, key));
        ck_assert_int_eq(put_ref(c, key, key, 1, &held[key]), BRIM_OK);
    }
    brim_release_many(held, N);
    finish(c);
}
END_TEST

/* All of them, in several holds of the shard's mutex; and the memory that its index needs no more is given back. */
START_TEST(all_that_is_hidden_goes)
{
    enum { N = 2000 };
    brim_ref *held[SHARDS];
    brim_cache *c = make_hidden(N, 1, held);
    struct caller by = caller_of(c);
    size_t bytes = atom_load_relaxed(&c->shards[APART].bytes);

    switch (_i) {
    case 0: ck_assert_uint_eq(admit_evict(c, by, N, NULL), N); break;
    case 1: ck_assert_uint_eq(admit_evict(c, by, N, c->default_kind), N); break;
    case 2: ck_assert_uint_eq(admit_evict_kind(c, by, N, c->default_kind, NULL), N); break;
    default:
        by.t->trimming = 2; /* inside an allocation of a trim's */
        ck_assert_uint_eq(admit_evict(c, by, N, NULL), N);
        by.t->trimming = 0;
    }
    ck_assert_uint_eq(count_in(c, APART), 0);
    if (_i < 2)
        ck_assert_uint_lt(atom_load_relaxed(&c->shards[APART].bytes), bytes / 4);
    else
        ck_assert_uint_eq(atom_load_relaxed(&c->shards[APART].bytes), bytes);
    finish_hidden(c, held);
}
END_TEST

/* But as long as samples do find something nobody looks at all. */
START_TEST(samples_suffice)
{
    brim_options o = sharded_options(200, 1);
    brim_cache *c = make_cache(&o);

    for (uint64_t key = 0; key < 200; key++)
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    if (_i == 0) {
        ck_assert_int_eq(put(c, 300, 300, 100), BRIM_OK);
        ck_assert_uint_eq(brim_count(c), 101);
    } else {
        ck_assert_uint_eq(admit_evict_kind(c, caller_of(c), 100, c->default_kind, NULL), 100);
        ck_assert_uint_eq(brim_count(c), 100);
    }
    ck_assert_uint_eq(atom_load_relaxed(&c->hand), 0);
    ck_assert_uint_eq(atom_load_relaxed(&c->default_kind->hand), 0);
    finish(c);
}
END_TEST

START_TEST(what_cannot_succeed_evicts_nothing)
{
    brim_cache *c = make_value_cache(100);
    brim_ref *held;

    ck_assert_int_eq(put_ref(c, 100, 100, 60, &held), BRIM_OK);
    for (uint64_t key = 0; key < 40; key++)
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    ck_assert_int_eq(put(c, 200, 200, 41), BRIM_FULL);
    ck_assert_uint_eq(brim_count(c), 41);
    ck_assert_int_eq(put(c, 200, 200, 40), BRIM_OK);
    brim_release(held);
    finish(c);
}
END_TEST

/* What is stale goes before all else, if much is needed; for a little, nobody looks at all. */
START_TEST(what_is_stale_goes_first)
{
    enum { N = 2000 };
    brim_options o = sharded_options(2 * N, 1);
    brim_cache *c = make_cache(&o);
    brim_group *g = brim_group_new(c);
    brim_entry_options e;

    brim_entry_options_init(&e);
    e.group = g;
    for (uint64_t key = 0; key < N; key++)
        ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(key), value_new(key, 1), 1, &e, NULL), BRIM_OK);
    for (uint64_t key = N; key < 2 * N; key++)
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    brim_group_invalidate(g);
    ck_assert_int_eq(put(c, 2 * N, 2 * N, 1), BRIM_OK);
    ck_assert_uint_gt(brim_count(c), N + N / 2);
    ck_assert_int_eq(put(c, 2 * N + 1, 2 * N + 1, N - 3), BRIM_OK);
    ck_assert_uint_le(brim_count(c), N + 2);
    ck_assert_uint_ge(how_many(c, N, N), N - 1);
    brim_group_drop(g);
    finish(c);
}
END_TEST

/* ---- The entry that is replaced */

START_TEST(the_old_entry_goes_if_nothing_else_can)
{
    brim_cache *c = make_value_cache(100);
    brim_ref *held;

    ck_assert_int_eq(put_ref(c, 1, 1, 40, &held), BRIM_OK);
    ck_assert_int_eq(put(c, 2, 2, 60), BRIM_OK);
    ck_assert_int_eq(put(c, 2, 3, 60), BRIM_OK);
    ck_assert_uint_eq(found_id(c, 2), 3);
    ck_assert_uint_eq(brim_count(c), 2);
    brim_release(held);
    finish(c);
}
END_TEST

START_TEST(an_anonymous_one_goes_too)
{
    brim_cache *c = make_value_cache(100);
    brim_key *key;
    brim_ref *held;

    ck_assert_int_eq(put_ref(c, 1, 1, 40, &held), BRIM_OK);
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(2, 60), 60, NULL, &key, NULL), BRIM_OK);
    ck_assert_int_eq(brim_key_replace(&key, value_new(3, 60), 60), BRIM_OK);
    ck_assert_uint_eq(brim_count(c), 2);
    ck_assert_uint_eq(brim_used(c), 100);
    brim_key_drop(key);
    brim_release(held);
    finish(c);
}
END_TEST

/* One without a key has no old entry: not the one of the empty key either, were its hash the same. */
START_TEST(without_a_key_there_is_no_old_entry)
{
    brim_cache *c = make_floors(0, 60);
    struct admission a = {.cache = c, .by = caller_of(c), .charge = 60, .hash = hash_bytes(&c->hash, NULL, 0)};
    brim_entry_options e;
    brim_ref *held, *nameless;

    brim_entry_options_init(&e);
    e.kind = &rich;
    ck_assert_int_eq(put_ref(c, 1, 1, 40, &held), BRIM_OK);
    ck_assert_int_eq(brim_insert_with(c, NULL, 0, value_new(2, 60), 60, &e, NULL), BRIM_OK);
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(3, 0), 0, NULL, NULL, &nameless), BRIM_OK);
    a.for_entry = entry_of_ref(nameless);
    ck_assert_int_eq(admit(&a), BRIM_FULL);
    ck_assert(a.keep_old);
    ck_assert(brim_contains(c, NULL, 0));
    a.for_entry = entry_of_ref(held); /* nor can one that is held go */
    a.hash = hash_bytes(&c->hash, BRIM_KEY((uint64_t){1}));
    ck_assert_int_eq(admit(&a), BRIM_FULL);
    ck_assert(a.keep_old);
    brim_release(nameless);
    brim_release(held);
    finish(c);
}
END_TEST

/* ---- Kinds */

START_TEST(others_suffice_for_what_is_below_its_floor)
{
    brim_ref *held[SHARDS];
    brim_cache *c = make_hidden(5, 10, held);
    struct admission a = {.cache = c, .by = caller_of(c), .charge = 10};

    poor = value_kind;
    poor.floor = 20;
    ck_assert_int_eq(kind_get(c, &poor, &a.kind), BRIM_OK);
    ck_assert_int_eq(admit(&a), BRIM_OK);
    ck_assert_uint_eq(count_in(c, APART), 4);
    ck_assert(!a.own_too);
    admit_cancel(&a);
    finish_hidden(c, held);
}
END_TEST

START_TEST(at_its_floor_its_own_make_room)
{
    brim_cache *c = make_floors(0, 50);
    brim_ref *held;

    for (uint64_t key = 0; key < 5; key++)
        ck_assert_int_eq(put_of(c, &rich, key, 10, NULL), BRIM_OK);
    ck_assert_int_eq(put_ref(c, 10, 10, 50, &held), BRIM_OK);
    ck_assert_int_eq(put_of(c, &rich, 5, 10, NULL), BRIM_OK);
    ck_assert_uint_eq(how_many(c, 0, 5), 4);
    ck_assert(has(c, 5));
    ck_assert_int_eq(brim_reserve(c, 10), BRIM_FULL); /* for room alone they do not */
    ck_assert_uint_eq(brim_count(c), 6);
    brim_release(held);
    finish(c);
}
END_TEST

static brim_cache *make_topped(brim_kind *k, bool borrow)
{
    brim_options o = borrow ? borrow_options(100) : value_options(100);

    *k = value_kind;
    k->ceiling = 50;
    return make_cache(&o);
}

static uint64_t evictions_of(brim_cache *c, const brim_kind *k)
{
    return kind_sum(kind_look_up(c, k), offsetof(struct kind_counts, left[BRIM_EVICTED]));
}

/* Below its ceiling, others of its kind go before the old entry, which then is replaced. */
START_TEST(below_its_ceiling_the_old_entry_goes_last)
{
    static brim_kind k;
    brim_cache *c = make_topped(&k, false);

    for (uint64_t key = 0; key < 5; key++)
        ck_assert_int_eq(put_of(c, &k, key, 10, NULL), BRIM_OK);
    ck_assert_int_eq(put_of(c, &k, 0, 10, NULL), BRIM_OK);
    ck_assert_uint_eq(evictions_of(c, &k), 1);
    ck_assert_uint_eq(brim_count(c), 4);
    finish(c);
}
END_TEST

START_TEST(below_its_ceiling_others_and_the_old_entry_go)
{
    static brim_kind k;
    brim_cache *c = make_topped(&k, false);
    brim_ref *held;

    ck_assert_int_eq(put_of(c, &k, 0, 40, NULL), BRIM_OK);
    ck_assert_int_eq(put_of(c, &k, 1, 5, &held), BRIM_OK);
    ck_assert_int_eq(put_of(c, &k, 2, 5, NULL), BRIM_OK);
    ck_assert_int_eq(put_of(c, &k, 0, 42, NULL), BRIM_OK);
    ck_assert_uint_eq(evictions_of(c, &k), 2);
    ck_assert_uint_eq(kind_used(kind_look_up(c, &k)), 47);
    brim_release(held);
    finish(c);
}
END_TEST

/* What waits for sections is room soon: no more than that is evicted. */
START_TEST(below_its_ceiling_what_waits_counts)
{
    static brim_kind k;
    brim_cache *c = make_topped(&k, true);

    for (uint64_t key = 0; key < 5; key++)
        ck_assert_int_eq(put_of(c, &k, key, 10, NULL), BRIM_OK);
    begin_reading(c);
    for (uint64_t key = 0; key < 2; key++)
        ck_assert(brim_remove(c, BRIM_KEY(key)));
    ck_assert_int_eq(put_of(c, &k, 5, 10, NULL), BRIM_FULL);
    ck_assert_int_eq(put_of(c, &k, 6, 20, NULL), BRIM_FULL);
    ck_assert_uint_eq(brim_count(c), 3);
    brim_read_end(c);
    ck_assert_int_eq(put_of(c, &k, 5, 10, NULL), BRIM_OK);
    ck_assert_uint_eq(brim_count(c), 4);
    finish(c);
}
END_TEST

static struct { brim_cache *cache; const brim_kind *kind; brim_status status; size_t count; } inside;

static void insert_topped(void *v, size_t cost, void *arg)
{
    (void)arg;
    value_destroy(v, cost, NULL);
    inside.status = put_of(inside.cache, inside.kind, 1000, 10, NULL);
    inside.count = brim_count(inside.cache);
}

START_TEST(in_a_destructor_no_kind_evicts_its_own)
{
    static brim_kind k;
    brim_kind first = value_kind;

    inside.kind = &k;
    inside.status = BRIM_OK;
    inside.cache = make_topped(&k, false);
    first.destroy = insert_topped;
    ck_assert_int_eq(put_of(inside.cache, &first, 100, 10, NULL), BRIM_OK);
    for (uint64_t key = 0; key < 5; key++)
        ck_assert_int_eq(put_of(inside.cache, &k, key, 10, NULL), BRIM_OK);
    ck_assert(brim_remove(inside.cache, BRIM_KEY((uint64_t){100})));
    ck_assert_int_eq(inside.status, BRIM_FULL);
    ck_assert_uint_eq(inside.count, 5);
    ck_assert_uint_eq(brim_count(inside.cache), 5);
    finish(inside.cache);
}
END_TEST

/* ---- Ahead, and no more than that */

START_TEST(ahead_when_half_of_it_is_used_up)
{
    enum { N = 640, AHEAD = 10 };
    brim_cache *c = make_borrow_cache(N);

    for (uint64_t key = 0; key < N; key++)
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    for (unsigned n = 0; n < 4 * (AHEAD / 2 + 1); n++) {
        unsigned room = n == 0 ? AHEAD : n % (AHEAD / 2 + 1) == 0 ? AHEAD : AHEAD - n % (AHEAD / 2 + 1);
        ck_assert_int_eq(put(c, N + n, n, 1), BRIM_OK);
        ck_assert_uint_eq(brim_count(c), N - room);
    }
    finish(c);
}
END_TEST

/* What the frame protects goes for what is needed now alone. */
START_TEST(nothing_that_the_frame_protects_goes_ahead)
{
    enum { N = 640 };
    brim_cache *c = make_frames(N, 1, true);

    for (uint64_t key = 0; key < N; key++)
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    use(c, 0, N);
    for (uint64_t key = N; key < N + 5; key++) {
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
        ck_assert_uint_eq(brim_count(c), N);
        use(c, key, 1);
    }
    ck_assert_uint_eq(frame_evictions(c), 5);
    finish(c);
}
END_TEST

/* What waits for sections is not evicted anew, by whoever needs room; and it counts as what goes ahead. */
START_TEST(nothing_goes_ahead_of_what_waits)
{
    enum { N = 640, AHEAD = 10 };
    brim_cache *c = make_borrow_cache(N);

    for (uint64_t key = 0; key < N; key++)
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    begin_reading(c);
    for (uint64_t key = N; key < N + 5; key++) {
        ck_assert_int_eq(put(c, key, key, 1), BRIM_FULL);
        ck_assert_uint_eq(brim_count(c), N - 1 - AHEAD);
    }
    brim_read_end(c);
    finish(c);
}
END_TEST

/* Nor is what waits for our own section going to be room: then a large one evicts nothing. */
START_TEST(what_waits_for_our_own_section_is_no_room)
{
    brim_cache *c = make_borrow_cache(100);

    for (uint64_t key = 0; key < 10; key++)
        ck_assert_int_eq(put(c, key, key, 10), BRIM_OK);
    begin_reading(c);
    for (uint64_t key = 0; key < 6; key++)
        ck_assert(brim_remove(c, BRIM_KEY(key)));
    ck_assert_int_eq(put(c, 20, 20, 70), BRIM_FULL);
    ck_assert_uint_eq(brim_count(c), 4);
    brim_read_end(c);
    ck_assert_int_eq(put(c, 20, 20, 70), BRIM_OK);
    finish(c);
}
END_TEST

START_TEST(where_nothing_can_go_ahead_it_ends)
{
    enum { N = 640 };
    static brim_ref *held[N];
    brim_cache *c = make_borrow_cache(N);

    for (uint64_t key = 0; key < N; key++)
        ck_assert_int_eq(put_ref(c, key, key, 1, &held[key]), BRIM_OK);
    ck_assert_int_eq(put(c, N, N, 1), BRIM_FULL);
    ck_assert_int_eq(put(c, N, N, 0), BRIM_OK);
    brim_release_many(held, N);
    finish(c);
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

/* ---- What is freed is the evictor's */

static struct { brim_cache *cache; size_t wanted; bool done; } thief;

static void steal(void *arg)
{
    (void)arg;
    thief.done = budget_take(&thief.cache->budget, thief.wanted);
}

static struct thread another; /* that has the turn */

/* Whoever else is in want of room, at whatever moment, gets nothing of it: of one entry, or of the old entry. */
START_TEST(nobody_takes_what_was_evicted)
{
    bool met = true;

    for (unsigned after = 0; met; after++) {
        brim_ref *held;

        thief.cache = make_value_cache(100);
        thief.wanted = _i == 0 ? 10 : 60;
        thief.done = false;
        ck_assert_int_eq(put_ref(thief.cache, 1, 1, 100 - thief.wanted, &held), BRIM_OK);
        ck_assert_int_eq(put(thief.cache, 2, 2, thief.wanted), BRIM_OK);
        if (_i != 0)
            atom_store_release(&thief.cache->turn, &another);
        atom_interfere(after, steal, NULL);
        ck_assert_int_eq(put(thief.cache, _i == 0 ? 3 : 2, 3, thief.wanted), BRIM_OK);
        met = atom_has_interfered();
        ck_assert(!thief.done);
        atom_store_release(&thief.cache->turn, NULL);
        brim_release(held);
        finish(thief.cache);
    }
}
END_TEST

/* ---- Waiting, and for how long: in atomic operations */

enum {
    SOON = 25000, /* several times what twenty turns take */
    LATE = 50000  /* and a fraction of the thousands after which it gives up */
};

static void look_at_pins(void *arg)
{
    (void)stripes_pinned(&((brim_cache *)arg)->stripes);
}

/* A look at what is held. */
static unsigned operations_of_a_look(brim_cache *c)
{
    return operations_of_one(look_at_pins, c);
}

/* Refused, in no more than SOON operations. */
static void refused_soon(brim_cache *c, uint64_t key, size_t cost)
{
    atom_interfere(SOON, interfere_by_nothing, NULL);
    ck_assert_int_eq(put(c, key, key, cost), BRIM_FULL);
    ck_assert(!atom_has_interfered());
}

/* What we have reserved ourselves nobody else gives back. */
START_TEST(our_own_reservation_is_not_waited_for)
{
    brim_cache *c = make_value_cache(100);
    struct admission a = {.cache = c, .by = caller_of(c), .charge = 60};

    ck_assert_int_eq(admit(&a), BRIM_OK);
    refused_soon(c, 1, 60);
    admit_undo(c, a.by, 60);
    finish(c);
}
END_TEST

/* Nobody is at work: what is left stays. */
START_TEST(where_nobody_is_busy_it_gives_up_soon)
{
    brim_cache *c = make_floors(0, 90);

    for (uint64_t key = 10; key < 19; key++)
        ck_assert_int_eq(put_of(c, &rich, key, 10, NULL), BRIM_OK);
    refused_soon(c, 1, 20);
    ck_assert_uint_eq(reserved(c), 0);
    ck_assert_ptr_null(atom_load_relaxed(&c->turn));
    finish(c);
}
END_TEST

/* Others are, but a listener has taken what could have gone. */
START_TEST(hopeless_meanwhile_it_gives_up_at_once)
{
    brim_cache *c = make_floors(40, 50);
    brim_ref *held;
    worker w;

    worker_start(&w);
    poor.removed = take_rich;
    poor.arg = c;
    ck_assert_int_eq(brim_set_capacity(c, 110), BRIM_OK);
    ck_assert_int_eq(put_of(c, &poor, 1, 10, NULL), BRIM_OK);
    for (uint64_t key = 10; key < 15; key++)
        ck_assert_int_eq(put_of(c, &rich, key, 10, NULL), BRIM_OK);
    ck_assert_int_eq(put_ref(c, 20, 20, 40, &held), BRIM_OK);
    worker_do(&w, reserve_ten, c);
    atom_interfere(SOON, interfere_by_nothing, NULL);
    ck_assert_int_eq(put_of(c, &poor, 2, 30, NULL), BRIM_FULL);
    ck_assert(!atom_has_interfered());
    ck_assert(!has(c, 1));
    for (int i = 0; i < 5; i++)
        brim_release(taken[i]);
    worker_do(&w, undo_ten, c);
    worker_end(&w);
    brim_release(held);
    finish(c);
}
END_TEST

/* Another's section stands in the way, and keeps us no longer though others are busy. */
START_TEST(anothers_section_is_not_waited_for_long)
{
    brim_cache *c = make_borrow_cache(100);
    worker w;

    worker_start(&w);
    worker_do(&w, read_begin, c);
    worker_do(&w, reserve_ten, c);
    for (uint64_t key = 0; key < 9; key++)
        ck_assert_int_eq(put(c, key, key, 10), BRIM_OK);
    refused_soon(c, 20, 50);
    worker_do(&w, undo_ten, c);
    worker_do(&w, read_end, c);
    worker_end(&w);
    finish(c);
}
END_TEST

/* A reservation of another thread's, given back late. */
static struct { brim_cache *cache; struct thread *turn; uint64_t reserved; worker by; bool given; } late;

static void give_late(void *arg)
{
    (void)arg;
    late.turn = atom_load_relaxed(&late.cache->turn);
    late.reserved = reserved(late.cache);
    worker_do(&late.by, undo_ten, late.cache);
    late.given = true;
}

static void late_begin(brim_cache *c)
{
    late.cache = c;
    late.given = false;
    worker_start(&late.by);
    worker_do(&late.by, reserve_ten, c);
}

static void late_end(void)
{
    ck_assert(atom_has_interfered());
    ck_assert(late.given);
    worker_end(&late.by);
}

/* Where nothing can be evicted. */
START_TEST(what_another_gives_back_late_suffices)
{
    brim_cache *c = make_floors(0, 90);

    for (uint64_t key = 10; key < 19; key++)
        ck_assert_int_eq(put_of(c, &rich, key, 10, NULL), BRIM_OK);
    late_begin(c);
    atom_interfere(LATE, give_late, NULL);
    ck_assert_int_eq(put(c, 1, 1, 5), BRIM_OK);
    late_end();
    ck_assert_ptr_eq(late.turn, thread_self());
    ck_assert_ptr_null(atom_load_relaxed(&c->turn));
    ck_assert_uint_eq(brim_count(c), 10);
    finish(c);
}
END_TEST

/* Meanwhile who has the turn keeps what it has; who has not gives it back. */
START_TEST(who_has_the_turn_keeps_what_it_has)
{
    brim_cache *c = make_value_cache(100);
    struct thread *other = _i == 0 ? NULL : &another;
    brim_ref *held;

    ck_assert_int_eq(put_ref(c, 1, 1, 80, &held), BRIM_OK);
    ck_assert_int_eq(put(c, 2, 2, 10), BRIM_OK);
    late_begin(c);
    atom_store_release(&c->turn, other);
    atom_interfere(LATE, give_late, NULL);
    ck_assert_int_eq(put(c, 3, 3, 20), BRIM_OK);
    late_end();
    ck_assert_ptr_eq(late.turn, _i == 0 ? thread_self() : &another);
    ck_assert_uint_eq(late.reserved, _i == 0 ? 20 : 10);
    ck_assert_ptr_eq(atom_load_relaxed(&c->turn), other);
    brim_release(held);
    finish(c);
}
END_TEST

/* At whatever moment of a turn, of which it has had many. */
static void give_ten(void *arg)
{
    worker_do(&late.by, undo_ten, arg);
    late.given = true;
}

START_TEST(what_another_gives_back_suffices_at_once)
{
    enum { TURNS = 22 };
    brim_cache *c = make_value_cache(100);
    unsigned look = operations_of_a_look(c), turn = 2 * look;

    ck_assert_int_eq(brim_reserve(c, 90), BRIM_OK);
    worker_start(&late.by);
    for (unsigned after = TURNS * turn; after < (TURNS + 1) * turn; after++) {
        late.given = false;
        worker_do(&late.by, reserve_ten, c);
        atom_interfere(after, give_ten, c);
        ck_assert_int_eq(put(c, 1, 1, 5), BRIM_OK);
        ck_assert(atom_has_interfered());
        ck_assert(late.given);
        ck_assert(brim_remove(c, BRIM_KEY((uint64_t){1})));
    }
    worker_end(&late.by);
    finish(c);
}
END_TEST

/* While it waits its kind gets a higher floor.  Then its own can go, and another of no floor: that one does. */
static struct { struct kind *kind; brim_ref *own, *other; } risen;

static void rise_and_let_go(void *arg)
{
    (void)arg;
    atom_store_relaxed(&risen.kind->limit.floor, 50);
    brim_release(risen.own);
    brim_release(risen.other);
}

static void rise_late(void *arg)
{
    worker_do(&late.by, rise_and_let_go, arg);
    late.given = true;
}

START_TEST(a_floor_that_rises_meanwhile)
{
    brim_options o = sharded_options(100, 2);
    brim_cache *c = make_cache(&o);
    uint64_t own = key_in(c, 0), other = key_in(c, 1);

    poor = value_kind;
    poor.floor = 10;
    ck_assert_int_eq(put_of(c, &poor, own, 10, &risen.own), BRIM_OK);
    ck_assert_int_eq(put_ref(c, other, other, 10, &risen.other), BRIM_OK);
    ck_assert_int_eq(brim_reserve(c, 70), BRIM_OK);
    risen.kind = kind_look_up(c, &poor);
    late_begin(c);
    late.given = false;
    atom_interfere(LATE, rise_late, NULL);
    ck_assert_int_eq(put_of(c, &poor, key_in(c, 0), 10, NULL), BRIM_OK);
    ck_assert(has(c, own));
    ck_assert(!has(c, other));
    worker_do(&late.by, undo_ten, c);
    late_end();
    finish(c);
}
END_TEST

/* In our own section: what waits for it is not all that is missing. */
START_TEST(another_gives_back_what_our_own_section_does_not_keep)
{
    brim_cache *c = make_borrow_cache(100);
    brim_ref *held;

    ck_assert_int_eq(put_ref(c, 1, 1, 60, &held), BRIM_OK);
    ck_assert_int_eq(put(c, 2, 2, 5), BRIM_OK);
    begin_reading(c);
    ck_assert(brim_remove(c, BRIM_KEY((uint64_t){2})));
    late_begin(c);
    atom_interfere(LATE + 100 * (unsigned)_i, give_late, NULL);
    ck_assert_int_eq(put(c, 3, 3, 35), BRIM_OK);
    late_end();
    brim_read_end(c);
    brim_release(held);
    finish(c);
}
END_TEST

/* What others reserve by the record that they share with us is not our own. */
static void reserve_half(void *arg)
{
    struct admission a = {.cache = arg, .by = caller_of(arg), .charge = 50};

    EXPECT(admit(&a) == BRIM_OK);
}

static void undo_half(void *arg)
{
    admit_undo(arg, caller_of(arg), 50);
}

static void as_shared_undo_half(void *arg)
{
    as_shared(undo_half, arg);
}

static void give_half_late(void *arg)
{
    worker_do(&late.by, as_shared_undo_half, arg);
    late.given = true;
}

static void put_more_than_half(void *arg)
{
    EXPECT(put(arg, 1, 1, 60) == BRIM_OK);
}

START_TEST(of_a_shared_record_another_gives_back)
{
    brim_cache *c = make_value_cache(100);

    late.given = false;
    worker_start(&late.by);
    as_shared(reserve_half, c);
    atom_interfere(LATE, give_half_late, c);
    as_shared(put_more_than_half, c);
    late_end();
    ck_assert_uint_eq(reserved(c), 0);
    finish(c);
}
END_TEST

/* Who has taken room and not said so yet is waited for: it is in a window. */
static void take_ten_and_stop(void *arg)
{
    brim_cache *c = arg;

    window_open(thread_self());
    EXPECT(budget_take(&c->budget, 10));
}

static void go_on_and_undo_ten(void *arg)
{
    struct caller by = caller_of(arg);

    stripe_add(by.st, reserved, 10);
    window_close(by.t);
    undo_ten(arg);
}

static void go_on_late(void *arg)
{
    worker_do(&late.by, go_on_and_undo_ten, arg);
    late.given = true;
}

START_TEST(windows_are_waited_for)
{
    brim_cache *c = make_floors(0, 90);

    for (uint64_t key = 10; key < 19; key++)
        ck_assert_int_eq(put_of(c, &rich, key, 10, NULL), BRIM_OK);
    late.given = false;
    worker_start(&late.by);
    worker_do(&late.by, take_ten_and_stop, c);
    atom_interfere(SOON, go_on_late, c);
    ck_assert_int_eq(put(c, 1, 1, 5), BRIM_OK);
    late_end();
    finish(c);
}
END_TEST

/* ---- As long as something is freed now and then, it goes on: here each value, when it ends, lets go of the next */

enum { CHAIN = 40 };
static brim_ref *chain[CHAIN + 1];

static void let_go_of_next(void *v, size_t cost, void *arg)
{
    uint64_t id = ((value *)v)->id;

    value_destroy(v, cost, arg);
    brim_release(chain[id + 1]);
    chain[id + 1] = NULL;
}

START_TEST(little_by_little)
{
    brim_kind links = value_kind;
    brim_cache *c = make_floors(0, 60);

    memset(chain, 0, sizeof chain);
    links.destroy = let_go_of_next;
    for (uint64_t key = 0; key < CHAIN; key++)
        ck_assert_int_eq(put_of(c, &links, key, 1, &chain[key]), BRIM_OK);
    for (uint64_t key = 100; key < 106; key++)
        ck_assert_int_eq(put_of(c, &rich, key, 10, NULL), BRIM_OK);
    use(c, 0, CHAIN); /* so that samples do not find them */
    brim_release(chain[0]);
    ck_assert_int_eq(put(c, 200, 200, CHAIN), BRIM_OK);
    ck_assert_uint_eq(brim_count(c), 7);
    ck_assert_uint_eq(frame_evictions(c), CHAIN);
    finish(c);
}
END_TEST

/* ---- The last moment at which what another does helps */

struct scene {
    struct other o;
    brim_ref *held;
};

/* In atomic operations of ${call}, of which a look at what is held takes ${*look}.  Later, it is refused. */
static unsigned latest_help(void (*make)(struct scene *s), brim_status (*call)(struct scene *s), unsigned *look)
{
    enum { STEP = 20 };
    unsigned latest = 0;
    bool met = true;

    for (unsigned after = 0; met; after += STEP) {
        struct scene s = {.o.outside = true};
        brim_status status;

        make(&s);
        *look = operations_of_a_look(s.o.cache);
        other_begin(&s.o, after);
        status = call(&s);
        met = atom_has_interfered();
        ck_assert(status == BRIM_FULL || (status == BRIM_OK && s.o.acted));
        if (status == BRIM_OK)
            latest = after;
        if (!s.o.acted)
            worker_do(&s.o.by, s.o.act, s.o.arg);
        worker_end(&s.o.by);
        finish(s.o.cache);
    }
    return latest;
}

/* Before it is hopeless one looks several times. */
static void release_it(void *arg)
{
    brim_release(arg);
}

static void make_held(struct scene *s)
{
    s->o.cache = make_value_cache(100);
    ck_assert_int_eq(put_ref(s->o.cache, 1, 1, 60, &s->held), BRIM_OK);
    s->o.act = release_it;
    s->o.arg = s->held;
}

static brim_status put_50(struct scene *s)
{
    return put(s->o.cache, 2, 2, 50);
}

START_TEST(hopeless_only_after_several_looks)
{
    unsigned look, latest = latest_help(make_held, put_50, &look);

    ck_assert_uint_gt(latest, 4 * look);
}
END_TEST

/* Another's section ends: that is waited for for a while. */
static void make_read(struct scene *s)
{
    s->o.cache = make_borrow_cache(100);
    for (uint64_t key = 0; key < 10; key++)
        ck_assert_int_eq(put(s->o.cache, key, key, 10), BRIM_OK);
    s->o.act = read_end;
    s->o.arg = s->o.cache;
}

static brim_status put_70_beside_60(struct scene *s)
{
    worker_do(&s->o.by, read_begin, s->o.cache);
    for (uint64_t key = 0; key < 6; key++)
        EXPECT(brim_remove(s->o.cache, BRIM_KEY(key)));
    return put(s->o.cache, 20, 20, 70);
}

START_TEST(anothers_section_is_waited_for)
{
    unsigned look, latest = latest_help(make_read, put_70_beside_60, &look);

    ck_assert_uint_gt(latest, 14 * look);
}
END_TEST

/* Also for the sake of the old entry, which had to go. */
static void make_old(struct scene *s)
{
    s->o.cache = make_borrow_cache(100);
    ck_assert_int_eq(put(s->o.cache, 1, 1, 60), BRIM_OK);
    ck_assert_int_eq(brim_reserve(s->o.cache, 40), BRIM_OK);
    s->o.act = read_end;
    s->o.arg = s->o.cache;
}

static brim_status replace_60(struct scene *s)
{
    brim_status status;

    worker_do(&s->o.by, read_begin, s->o.cache);
    status = put(s->o.cache, 1, 2, 60);
    brim_unreserve(s->o.cache, 40);
    return status;
}

START_TEST(anothers_section_is_waited_for_after_the_old_entry_too)
{
    unsigned look, latest = latest_help(make_old, replace_60, &look);

    ck_assert_uint_gt(latest, 12 * look);
}
END_TEST

static void put_one(void *arg)
{
    ck_assert_int_eq(put(arg, 300, 300, 1), BRIM_OK);
}

static void get_stripe(void *arg)
{
    (void)caller_of(arg);
}

/* A little is evicted without any look at what is held, which is not to be had in a few steps. */
START_TEST(for_a_little_nobody_looks_what_is_held)
{
    enum { WORKERS = STRIPE_FIRST };
    brim_options o = sharded_options(200, 1);
    brim_cache *c = make_cache(&o);
    worker w[WORKERS];

    for (unsigned i = 0; i < WORKERS; i++)
        worker_start(&w[i]);
    for (unsigned i = 0; i < WORKERS; i++)
        worker_do(&w[i], get_stripe, c);
    for (uint64_t key = 0; key < 200; key++)
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    ck_assert_uint_lt(operations_of_one(put_one, c), operations_of_a_look(c));
    for (unsigned i = 0; i < WORKERS; i++)
        worker_end(&w[i]);
    finish(c);
}
END_TEST

/* ---- Below a ceiling, beside an admission of the same kind that is canceled and comes again */

static struct { struct limit *limit; unsigned then; bool taken; } same;

static void come_again(void *arg)
{
    (void)arg;
    same.taken = limit_take(same.limit, 10);
}

static void cancel_and_come_again(void *arg)
{
    limit_give(same.limit, 10);
    same.taken = false;
    atom_interfere(same.then, come_again, arg);
}

START_TEST(beside_one_of_the_same_kind_it_makes_its_room)
{
    static brim_kind k;
    brim_cache *c = make_topped(&k, false);
    uint64_t key = 4;
    bool met = true;

    for (uint64_t i = 0; i < 4; i++)
        ck_assert_int_eq(put_of(c, &k, i, 10, NULL), BRIM_OK);
    same.limit = &kind_look_up(c, &k)->limit;
    for (unsigned after = 0; met; after++) {
        for (same.then = 0; same.then < 3; same.then++) {
            same.taken = limit_take(same.limit, 10);
            ck_assert(same.taken);
            atom_interfere(after, cancel_and_come_again, NULL);
            ck_assert_int_eq(put_of(c, &k, key++, 10, NULL), BRIM_OK);
            met = atom_has_interfered() || !same.taken;
            if (same.taken)
                limit_give(same.limit, 10);
            while (kind_used(kind_look_up(c, &k)) > 40)
                ck_assert_uint_gt(brim_trim_kind(c, &k, 40), 0);
        }
    }
    finish(c);
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
    tcase_add_test(tc, the_fullest_of_four_shards_gives);
    tcase_add_test(tc, of_what_is_free_the_longest_of_four_shards_gives);
    tcase_add_test(tc, the_own_shard_gives_if_it_has_more_than_its_share);
    tcase_add_test(tc, what_room_is_left_is_used);
    tcase_add_test(tc, without_sections_nothing_goes_ahead);
    tcase_add_test(tc, of_its_own_no_more_than_is_missing);
    tcase_add_loop_test(tc, a_trim_takes_no_more_than_is_missing, 0, 2);
    tcase_add_test(tc, a_trim_that_looks_takes_no_more_than_is_missing);
    tcase_add_test(tc, of_a_kind_no_more_than_is_missing);
    tcase_add_test(tc, each_batch_is_ended_before_the_next);
    tcase_add_test(tc, what_is_freed_pays_for_what_is_above_first);
    tcase_add_test(tc, what_costs_nothing_is_refused_then_too);
    tcase_add_test(tc, what_it_has_is_enough);
    tcase_add_test(tc, refused_with_part_of_it);
    tcase_add_test(tc, refused_by_the_cache_not_by_its_kind);
    tcase_add_test(tc, the_capacity_is_no_longer_that);
    tcase_add_test(tc, what_is_new_stays_while_there_is_what_is_unused);
    tcase_add_test(tc, what_is_new_goes_before_what_is_used);
    tcase_add_test(tc, what_is_hidden_goes_before_what_the_frame_protects);
    tcase_add_test(tc, the_number_of_entries_too);
    tcase_add_test(tc, a_trim_goes_through_all_levels);
    tcase_add_test(tc, the_hand_stays_where_it_found_enough);
    tcase_add_loop_test(tc, the_only_one_that_can_go_makes_room, 0, 2);
    tcase_add_test(tc, the_only_one_of_its_kind_that_can_go_is_found);
    tcase_add_loop_test(tc, all_that_is_hidden_goes, 0, 4);
    tcase_add_loop_test(tc, samples_suffice, 0, 2);
    tcase_add_test(tc, what_cannot_succeed_evicts_nothing);
    tcase_add_test(tc, what_is_stale_goes_first);
    tcase_add_test(tc, the_old_entry_goes_if_nothing_else_can);
    tcase_add_test(tc, an_anonymous_one_goes_too);
    tcase_add_test(tc, without_a_key_there_is_no_old_entry);
    tcase_add_test(tc, others_suffice_for_what_is_below_its_floor);
    tcase_add_test(tc, at_its_floor_its_own_make_room);
    tcase_add_test(tc, below_its_ceiling_the_old_entry_goes_last);
    tcase_add_test(tc, below_its_ceiling_others_and_the_old_entry_go);
    tcase_add_test(tc, below_its_ceiling_what_waits_counts);
    tcase_add_test(tc, in_a_destructor_no_kind_evicts_its_own);
    tcase_add_test(tc, ahead_when_half_of_it_is_used_up);
    tcase_add_test(tc, nothing_that_the_frame_protects_goes_ahead);
    tcase_add_test(tc, nothing_goes_ahead_of_what_waits);
    tcase_add_test(tc, what_waits_for_our_own_section_is_no_room);
    tcase_add_test(tc, where_nothing_can_go_ahead_it_ends);
#ifdef BRIM_INTERFERE
    tcase_add_loop_test(tc, a_ceiling_that_changes_meanwhile, 0, 2);
    tcase_add_loop_test(tc, nobody_takes_what_was_evicted, 0, 2);
    tcase_add_test(tc, our_own_reservation_is_not_waited_for);
    tcase_add_test(tc, where_nobody_is_busy_it_gives_up_soon);
    tcase_add_test(tc, hopeless_meanwhile_it_gives_up_at_once);
    tcase_add_test(tc, anothers_section_is_not_waited_for_long);
    tcase_add_test(tc, what_another_gives_back_late_suffices);
    tcase_add_loop_test(tc, who_has_the_turn_keeps_what_it_has, 0, 2);
    tcase_add_test(tc, what_another_gives_back_suffices_at_once);
    tcase_add_test(tc, a_floor_that_rises_meanwhile);
    tcase_add_loop_test(tc, another_gives_back_what_our_own_section_does_not_keep, 0, 4);
    tcase_add_test(tc, of_a_shared_record_another_gives_back);
    tcase_add_test(tc, windows_are_waited_for);
    tcase_add_test(tc, little_by_little);
    tcase_add_test(tc, hopeless_only_after_several_looks);
    tcase_add_test(tc, anothers_section_is_waited_for);
    tcase_add_test(tc, anothers_section_is_waited_for_after_the_old_entry_too);
    tcase_add_test(tc, for_a_little_nobody_looks_what_is_held);
    tcase_add_test(tc, beside_one_of_the_same_kind_it_makes_its_room);
#endif
    return suite_run(tc);
}
