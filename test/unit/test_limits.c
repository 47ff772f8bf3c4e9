/* SPDX-License-Identifier: MIT
 *
 * cache/limits: which limits fit, and both sums after everything that can happen to an entry.
 */
#include "cache/limits.h"
#include "unit/caches.h"

enum { CAPACITY = 1000, CEILING = 100 };

static brim_cache *c;
static heap h;
static brim_kind kinds[3];
static struct kind *k[3];

static void make(void)
{
    c = cache_on(&h, CAPACITY);
    for (int i = 0; i < 3; i++) {
        kinds[i] = value_kind;
        ck_assert_int_eq(kind_get(c, &kinds[i], &k[i]), BRIM_OK);
    }
}

static brim_status insert(uint64_t key, uint64_t id, size_t cost, brim_ref **out)
{
    brim_entry_options e = entry_defaults();
    value *v = value_new(id, cost);
    brim_status s;

    e.kind = &kinds[0];
    s = brim_insert_with(c, BRIM_KEY(key), v, cost, &e, out);
    if (s != BRIM_OK)
        value_discard(v);
    return s;
}

static void expect_sums(size_t linked, size_t taken)
{
    size_t ceiling = atom_load_relaxed(&k[0]->limit.ceiling);

    ck_assert(limit_counts(&k[0]->limit));
    ck_assert_uint_eq(atom_load_relaxed(&k[0]->limit.linked), linked);
    ck_assert_uint_eq(atom_load_relaxed(&k[0]->limit.room), (ceiling != 0 ? ceiling : LIMIT_NONE) - taken);
    ck_assert_uint_eq(tally_amount(&k[0]->values), taken);
}

START_TEST(which_limits_fit)
{
    make();
    ck_assert(limits_fit(c, NULL, 0, 0));
    ck_assert(limits_fit(c, NULL, CAPACITY, 0));
    ck_assert(!limits_fit(c, NULL, CAPACITY + 1, 0));
    ck_assert(limits_fit(c, NULL, 0, CAPACITY));
    ck_assert(!limits_fit(c, NULL, 0, CAPACITY + 1));
    ck_assert(limits_fit(c, NULL, 5, 5));
    ck_assert(!limits_fit(c, NULL, 6, 5));
    ck_assert_int_eq(brim_kind_set_limits(c, &kinds[0], 600, 0), BRIM_OK);
    ck_assert_int_eq(brim_kind_set_limits(c, &kinds[1], 300, 0), BRIM_OK);
    ck_assert(limits_fit(c, NULL, 100, 0));
    ck_assert(!limits_fit(c, NULL, 101, 0));
    ck_assert(limits_fit(c, NULL, 0, 50)); /* ceilings may be whatever the floors are */
    ck_assert(limits_fit(c, k[0], 700, 0)); /* in place of its own */
    ck_assert(!limits_fit(c, k[0], 701, 0));
    ck_assert(limits_fit(c, k[2], 100, 0));
    ck_assert_int_eq(brim_kind_set_limits(c, &kinds[2], 101, 0), BRIM_INVALID);
    ck_assert(!limit_counts(&k[2]->limit)); /* nothing changed */
    ck_assert_int_eq(brim_kind_set_limits(NULL, &kinds[2], 1, 0), BRIM_INVALID);
    finish_on(c, &h);
}
END_TEST

/* The capacity has gone below the floors: what promises nothing more is not refused for that. */
START_TEST(floors_above_the_capacity)
{
    make();
    ck_assert_int_eq(brim_kind_set_limits(c, &kinds[0], 600, 0), BRIM_OK);
    ck_assert_int_eq(brim_kind_set_limits(c, &kinds[1], 300, 0), BRIM_OK);
    ck_assert_int_eq(brim_set_capacity(c, 200), BRIM_OK);
    ck_assert(!limits_fit(c, NULL, 1, 0));
    ck_assert_int_eq(brim_kind_set_limits(c, &kinds[2], 0, 50), BRIM_OK);
    ck_assert_int_eq(brim_kind_set_limits(c, &kinds[0], 0, 0), BRIM_OK);
    ck_assert_uint_eq(atom_load_relaxed(&k[0]->limit.floor), 0);
    finish_on(c, &h);
}
END_TEST

/* When there is no other kind yet. */
START_TEST(a_floor_of_the_first_kind)
{
    brim_options o = value_options(CAPACITY);
    brim_kind own = value_kind;

    own.floor = 20;
    o.kind = &own;
    c = make_cache(&o);
    ck_assert_uint_eq(atom_load_relaxed(&c->default_kind->limit.floor), 20);
    finish(c);
}
END_TEST

START_TEST(a_kind_begins_with_its_own)
{
    brim_kind own = value_kind;
    struct kind *x;

    make();
    ck_assert_uint_eq(atom_load_relaxed(&c->common.limits), 0);
    own.floor = 20;
    own.ceiling = CEILING;
    ck_assert_int_eq(kind_get(c, &own, &x), BRIM_OK);
    ck_assert(limit_counts(&x->limit));
    ck_assert_uint_eq(atom_load_relaxed(&x->limit.floor), 20);
    ck_assert_uint_eq(atom_load_relaxed(&x->limit.room), CEILING);
    ck_assert_uint_eq(atom_load_relaxed(&c->common.limits), 1);
    ck_assert(!limit_counts(&k[0]->limit));
    ck_assert_int_eq(brim_kind_set_limits(c, &kinds[0], 0, 0), BRIM_OK); /* none: still nothing to count */
    ck_assert(!limit_counts(&k[0]->limit));
    ck_assert_int_eq(brim_kind_set_limits(c, NULL, 1, 2), BRIM_OK); /* the cache's own kind */
    ck_assert(limit_counts(&c->default_kind->limit));
    finish_on(c, &h);
}
END_TEST

START_TEST(the_sums_after_every_event)
{
    brim_ref *r, *left;

    make();
    ck_assert_int_eq(brim_kind_set_limits(c, &kinds[0], 0, CEILING), BRIM_OK);
    ck_assert_int_eq(insert(1, 1, 10, &r), BRIM_OK);
    expect_sums(10, 10);
    ck_assert_int_eq(insert(2, 2, 20, NULL), BRIM_OK);
    expect_sums(30, 30);
    ck_assert_int_eq(insert(2, 3, 25, NULL), BRIM_OK); /* replaced */
    expect_sums(35, 35);
    ck_assert_int_eq(insert(1, 4, 11, &left), BRIM_OK); /* and while it is held */
    expect_sums(36, 46);
    ck_assert_int_eq(brim_ref_set_cost(r, 10), BRIM_OK);
    expect_sums(36, 46);
    brim_release(r);
    expect_sums(36, 36);
    ck_assert_int_eq(put(c, 9, 9, 500), BRIM_OK); /* another kind's */
    expect_sums(36, 36);
    ck_assert_int_eq(insert(5, 5, CEILING + 1, NULL), BRIM_TOO_BIG);
    expect_sums(36, 36);
    ck_assert(brim_remove(c, BRIM_KEY((uint64_t){1})));
    expect_sums(25, 36);
    ck_assert_int_eq(insert(6, 6, 64, NULL), BRIM_OK);
    expect_sums(89, 100);
    ck_assert_int_eq(insert(7, 7, 1, NULL), BRIM_OK); /* another of its own goes */
    ck_assert_uint_le(tally_amount(&k[0]->values), CEILING);
    expect_sums(tally_amount(&k[0]->values) - 11, tally_amount(&k[0]->values));
    brim_release(left);
    brim_clear(c);
    expect_sums(0, 0);
    ck_assert_int_eq(insert(1, 8, 10, NULL), BRIM_OK);
    ck_assert_uint_eq(brim_trim_kind(c, &kinds[0], 0), 10);
    expect_sums(0, 0);
    finish_on(c, &h);
}
END_TEST

START_TEST(a_cost_set_later)
{
    brim_ref *r;
    value *v;

    make();
    ck_assert_int_eq(brim_kind_set_limits(c, &kinds[0], 0, CEILING), BRIM_OK);
    ck_assert_int_eq(insert(1, 1, 10, &r), BRIM_OK);
    v = brim_ref_value(r);
    v->cost = 70;
    ck_assert_int_eq(brim_ref_set_cost(r, 70), BRIM_OK);
    expect_sums(70, 70);
    ck_assert_int_eq(brim_ref_set_cost(r, CEILING + 1), BRIM_FULL);
    expect_sums(70, 70);
    ck_assert(brim_remove(c, BRIM_KEY((uint64_t){1})));
    expect_sums(0, 70);
    v->cost = 30;
    ck_assert_int_eq(brim_ref_set_cost(r, 30), BRIM_OK);
    expect_sums(0, 30);
    brim_release(r);
    expect_sums(0, 0);
    finish_on(c, &h);
}
END_TEST

START_TEST(of_loads)
{
    brim_entry_options e = entry_defaults();
    brim_ref *r;

    make();
    e.kind = &kinds[0];
    ck_assert_int_eq(brim_kind_set_limits(c, &kinds[0], 0, CEILING), BRIM_OK);
    ck_assert_int_eq(finish_load(claim_entry(c, 1, &e), 1, 60, &r), BRIM_OK);
    expect_sums(60, 60);
    ck_assert_int_eq(finish_load(claim_entry(c, 2, &e), 2, 41, NULL), BRIM_FULL); /* outside */
    expect_sums(60, 60);
    ck_assert_int_eq(finish_load(claim_entry(c, 2, &e), 3, 40, NULL), BRIM_OK);
    expect_sums(100, 100);
    brim_release(r);
    no_loads(c, 2);
    finish_on(c, &h);
}
END_TEST

/* What was taken before is counted, linked or held outside; more than one batch of it, in two shards. */
START_TEST(begun_late)
{
    enum { N = 700 };
    brim_ref *r;

    make();
    for (uint64_t i = 0; i < N; i++)
        ck_assert_int_eq(insert(i, i, 1, i == 0 ? &r : NULL), BRIM_OK);
    ck_assert(brim_remove(c, BRIM_KEY((uint64_t){0})));
    ck_assert_int_eq(put(c, N, N, 5), BRIM_OK);
    ck_assert_int_eq(brim_kind_set_limits(c, &kinds[0], _i == 0 ? 50 : 0, _i == 0 ? 0 : N), BRIM_OK);
    expect_sums(N - 1, N);
    ck_assert_int_eq(brim_kind_set_limits(c, &kinds[0], 0, N / 2), BRIM_OK);
    ck_assert_uint_le(tally_amount(&k[0]->values), N / 2);
    expect_sums(tally_amount(&k[0]->values) - 1, tally_amount(&k[0]->values));
    ck_assert_uint_eq(found_id(c, N), N); /* another kind's */
    brim_release(r);
    ck_assert_int_eq(brim_kind_set_limits(c, &kinds[0], 0, 0), BRIM_OK);
    expect_sums(tally_amount(&k[0]->values), tally_amount(&k[0]->values)); /* counted on */
    finish_on(c, &h);
}
END_TEST

START_TEST(full_while_more_is_held)
{
    brim_ref *r;

    make();
    ck_assert_int_eq(insert(1, 1, 60, &r), BRIM_OK);
    ck_assert_int_eq(brim_kind_set_limits(c, &kinds[0], 0, 50), BRIM_FULL);
    expect_sums(60, 60);
    ck_assert_int_eq(insert(2, 2, 1, NULL), BRIM_FULL);
    brim_release(r);
    ck_assert_int_eq(brim_kind_set_limits(c, &kinds[0], 0, 50), BRIM_OK);
    expect_sums(0, 0);
    finish_on(c, &h);
}
END_TEST

START_TEST(a_kind_not_met_without_memory)
{
    brim_kind fresh = value_kind;

    make();
    heap_fail(&h, 1, 2);
    ck_assert_int_eq(brim_kind_set_limits(c, &fresh, 1, 0), BRIM_NOMEM);
    ck_assert_ptr_null(kind_look_up(c, &fresh));
    ck_assert_int_eq(brim_kind_set_limits(c, &fresh, CAPACITY + 1, 0), BRIM_INVALID);
    ck_assert_ptr_null(kind_look_up(c, &fresh));
    ck_assert_int_eq(brim_kind_set_limits(c, &fresh, 1, 0), BRIM_OK);
    ck_assert_uint_eq(atom_load_relaxed(&kind_look_up(c, &fresh)->limit.floor), 1);
    finish_on(c, &h);
}
END_TEST

/* In a destructor nothing is evicted, also not for a ceiling that is lowered there. */
static brim_status within;

static void lower_within(void *v, size_t cost, void *arg)
{
    (void)arg;
    value_destroy(v, cost, NULL);
    if (cost == 1)
        within = brim_kind_set_limits(c, &kinds[0], 0, 5);
}

START_TEST(lowered_in_a_destructor)
{
    make();
    kinds[0].destroy = lower_within;
    within = BRIM_OK;
    ck_assert_int_eq(brim_kind_set_limits(c, &kinds[0], 0, CEILING), BRIM_OK);
    for (uint64_t key = 1; key <= 3; key++)
        ck_assert_int_eq(insert(key, key, key, NULL), BRIM_OK);
    ck_assert_int_eq(insert(4, 4, 10, NULL), BRIM_OK);
    ck_assert(brim_remove(c, BRIM_KEY((uint64_t){1})));
    ck_assert_int_eq(within, BRIM_FULL);
    ck_assert_uint_eq(brim_count(c), 3);
    expect_sums(15, 15);
    ck_assert_int_eq(brim_kind_set_limits(c, &kinds[0], 0, 5), BRIM_OK);
    ck_assert_uint_le(kind_used(k[0]), 5);
    finish_on(c, &h);
}
END_TEST

/* Limits that leave everything where it is stop nobody: another thread may be in a shard's mutex; here, ourselves. */
START_TEST(changed_without_a_lock_of_shards)
{
    make();
    ck_assert_int_eq(brim_kind_set_limits(c, &kinds[0], 0, CEILING), BRIM_OK);
    ck_assert_int_eq(insert(1, 1, 10, NULL), BRIM_OK);
    lock_acquire(&c->shards[0].lock);
    ck_assert_int_eq(brim_kind_set_limits(c, &kinds[0], 20, 2 * CEILING), BRIM_OK);
    lock_release(&c->shards[0].lock);
    expect_sums(10, 10);
    finish_on(c, &h);
}
END_TEST

#ifdef BRIM_INTERFERE
static void floor_of_another(void *arg)
{
    *(brim_status *)arg = brim_kind_set_limits(c, &kinds[1], 600, 0);
}

/* Two kinds are promised more than there is, together: one of the two calls says so. */
START_TEST(promised_to_two)
{
    bool met = true;

    for (unsigned after = 0; met; after++) {
        brim_status theirs = BRIM_OK, ours;
        struct other o = {.act = floor_of_another, .arg = &theirs, .outside = true};

        make();
        for (int i = 0; i < 2; i++)
            ck_assert_int_eq(brim_kind_set_limits(c, &kinds[i], 1, 0), BRIM_OK);
        o.cache = c;
        other_begin(&o, after);
        ours = brim_kind_set_limits(c, &kinds[0], 600, 0);
        met = other_end(&o);
        ck_assert(ours == BRIM_OK || ours == BRIM_INVALID);
        ck_assert_int_eq(ours == BRIM_OK, !o.acted || theirs == BRIM_INVALID);
        ck_assert_uint_eq(atom_load_relaxed(&k[0]->limit.floor), ours == BRIM_OK ? 600 : 1);
        ck_assert_uint_eq(atom_load_relaxed(&k[1]->limit.floor), ours == BRIM_OK ? 1 : 600);
        finish_on(c, &h);
    }
}
END_TEST

static brim_kind brought;

static void bring_it(void *arg)
{
    struct kind *x;

    (void)arg;
    EXPECT(kind_get(c, &brought, &x) == BRIM_OK);
}

/* The first value of a kind comes while its limits are set: its own floor does not stand in its way. */
START_TEST(set_while_another_brings_the_kind)
{
    bool met = true;

    for (unsigned after = 0; met; after++) {
        struct other o = {.act = bring_it, .outside = true};

        make();
        brought = value_kind;
        brought.floor = CAPACITY / 10 * 6;
        o.cache = c;
        other_begin(&o, after);
        ck_assert_int_eq(brim_kind_set_limits(c, &brought, CAPACITY / 10 * 7, 0), BRIM_OK);
        met = other_end(&o);
        ck_assert_uint_eq(atom_load_relaxed(&kind_look_up(c, &brought)->limit.floor), CAPACITY / 10 * 7);
        finish_on(c, &h);
    }
}
END_TEST

static void limit_it(void *arg)
{
    (void)arg;
    EXPECT(brim_kind_set_limits(c, &kinds[0], 0, CEILING) == BRIM_OK);
}

/* Its first limits by two at once: the sums are begun once, and are right. */
START_TEST(begun_by_two)
{
    bool met = true;

    for (unsigned after = 0; met; after++) {
        struct other o = {.act = limit_it, .outside = true};

        make();
        ck_assert_int_eq(insert(1, 1, 7, NULL), BRIM_OK);
        o.cache = c;
        other_begin(&o, after);
        ck_assert_int_eq(brim_kind_set_limits(c, &kinds[0], 0, CEILING), BRIM_OK);
        met = other_end(&o);
        expect_sums(7, 7);
        finish_on(c, &h);
    }
}
END_TEST

/* Who sets the first ceiling stops when it is set, at the operation but ${after} for which no lock is held. */
static struct late {
    gate here;
    worker by;
    unsigned after;
    bool stopped;
} late;

static bool nothing_is_locked(void)
{
    return lock_is_free(&c->kind_lock) && lock_is_free(&c->shards[0].lock) && lock_is_free(&c->shards[1].lock) &&
           atom_load_relaxed(&thread_self()->reader.epoch) == 0;
}

static void stop_late(void *arg)
{
    if (atom_load_relaxed(&k[0]->limit.ceiling) == CEILING && nothing_is_locked() && late.after-- == 0) {
        late.stopped = true;
        gate_stop_here(&late.here);
    } else {
        atom_interfere(0, stop_late, arg);
    }
}

static void limit_late(void *arg)
{
    atom_interfere(0, stop_late, arg);
    limit_it(arg);
    (void)atom_has_interfered();
    gate_stop_here(&late.here); /* there were not so many */
}

static void late_start(void)
{
    late.stopped = false;
    gate_init(&late.here);
    worker_start(&late.by);
}

static void late_begin(unsigned after)
{
    late.after = after;
    worker_begin(&late.by, limit_late, NULL);
    gate_wait_reached(&late.here);
}

static void late_goes_on(void)
{
    gate_open(&late.here);
    worker_wait(&late.by);
}

static void late_end(void)
{
    late_goes_on();
    worker_end(&late.by);
    gate_destroy(&late.here);
}

static void go_on_when_taken(void *times)
{
    if (atom_load_relaxed(&k[0]->limit.room) == CEILING - 15 && nothing_is_locked()) {
        ++*(unsigned *)times;
        late_goes_on();
    } else {
        atom_interfere(0, go_on_when_taken, times);
    }
}

/* One has seen that nothing is counted, another begins to count, a value is let in, and the first one goes on. */
START_TEST(begun_once_beside_an_admission)
{
    unsigned times = 0;
    bool stopped = true;

    for (unsigned after = 0; stopped; after++) {
        make();
        late_start();
        late_begin(after);
        stopped = late.stopped;
        limit_it(NULL);
        atom_interfere(0, go_on_when_taken, &times);
        ck_assert_int_eq(insert(1, 1, 15, NULL), BRIM_OK);
        (void)atom_has_interfered();
        late_end();
        expect_sums(15, 15);
        finish_on(c, &h);
    }
    ck_assert_uint_gt(times, 1);
}
END_TEST

static void limit_half(void *arg)
{
    (void)arg;
    if (nothing_is_locked())
        late_begin(0);
}

/* Another has set a ceiling and not begun to count: who sets none does not take the one for the other. */
START_TEST(none_set_while_another_begins)
{
    unsigned stops = 0;
    bool met = true;

    for (unsigned after = 0; met; after++) {
        make();
        ck_assert_int_eq(insert(1, 1, 10, NULL), BRIM_OK);
        late_start();
        atom_interfere(after, limit_half, NULL);
        ck_assert_int_eq(brim_kind_set_limits(c, &kinds[0], 0, 0), BRIM_OK);
        met = atom_has_interfered();
        ck_assert_uint_eq(brim_count(c), 1);
        stops += late.stopped;
        late_end();
        finish_on(c, &h);
    }
    ck_assert_uint_gt(stops, 0);
}
END_TEST

enum { INSERTED, LOADED, RECHARGED };

/* A value of 15 more comes, and its kind, of which there is 95, gets its first ceiling meanwhile. */
static void come(int how, brim_ref *r)
{
    brim_entry_options e = entry_defaults();

    e.kind = &kinds[0];
    if (how == INSERTED)
        ck_assert_int_eq(insert(2, 2, 15, NULL), BRIM_OK);
    else if (how == LOADED)
        ck_assert_int_eq(finish_load(claim_entry(c, 2, &e), 2, 15, NULL), BRIM_OK);
    else
        ck_assert_int_eq(brim_ref_set_cost(r, 25), BRIM_OK);
}

START_TEST(begun_while_something_comes)
{
    bool met = true;

    for (unsigned after = 0; met; after++) {
        struct other o = {.act = limit_it, .outside = true};
        brim_ref *r;

        make();
        ck_assert_int_eq(insert(1, 1, 10, &r), BRIM_OK);
        ((value *)brim_ref_value(r))->cost = _i == RECHARGED ? 25 : 10;
        for (uint64_t key = 10; key < 27; key++)
            ck_assert_int_eq(insert(key, key, 5, NULL), BRIM_OK);
        o.cache = c;
        other_begin(&o, after);
        come(_i, r);
        met = other_end(&o);
        if (o.acted) {
            ck_assert_uint_le(kind_used(k[0]), CEILING);
            expect_sums(tally_amount(&k[0]->values), tally_amount(&k[0]->values));
        }
        brim_release(r);
        finish_on(c, &h);
    }
}
END_TEST

static void limit_somehow(void *status)
{
    *(brim_status *)status = brim_kind_set_limits(c, &kinds[0], 0, CEILING);
}

/* The same, and all that there is is held: either it or the ceiling comes too late, and says so. */
START_TEST(begun_while_all_is_held)
{
    unsigned refused = 0;
    bool met = true;

    for (unsigned after = 0; met; after++) {
        brim_status set = BRIM_OK, came;
        struct other o = {.act = limit_somehow, .arg = &set, .outside = true};
        brim_ref *r, *mine = NULL;

        make();
        ck_assert_int_eq(insert(1, 1, 95, &r), BRIM_OK);
        o.cache = c;
        other_begin(&o, after);
        came = insert(2, 2, 15, &mine);
        met = other_end(&o);
        ck_assert(came == BRIM_OK || (came == BRIM_FULL && o.acted && set == BRIM_OK));
        ck_assert(!o.acted || set == (kind_used(k[0]) > CEILING ? BRIM_FULL : BRIM_OK));
        refused += came == BRIM_FULL;
        brim_release(mine);
        brim_release(r);
        finish_on(c, &h);
    }
    ck_assert_uint_gt(refused, 0);
}
END_TEST

static void make_it_less(void *r)
{
    ((value *)brim_ref_value(r))->cost = 5;
    EXPECT(brim_ref_set_cost(r, 5) == BRIM_OK);
    ((value *)brim_ref_value(r))->cost = 40;
}

/* The cost of one by two: what was reserved for the difference to the old one is not enough. */
START_TEST(set_by_two)
{
    bool met = true;

    for (unsigned after = 0; met; after++) {
        struct other o = {.act = make_it_less, .outside = true};
        brim_ref *r;

        make();
        ck_assert_int_eq(brim_kind_set_limits(c, &kinds[0], 0, CEILING), BRIM_OK);
        ck_assert_int_eq(insert(1, 1, 10, &r), BRIM_OK);
        ((value *)brim_ref_value(r))->cost = 40;
        o.cache = c;
        o.arg = r;
        other_begin(&o, after);
        ck_assert_int_eq(brim_ref_set_cost(r, 40), BRIM_OK);
        met = other_end(&o);
        ck_assert(kind_used(k[0]) == 40 || (o.acted && kind_used(k[0]) == 5));
        expect_sums(kind_used(k[0]), kind_used(k[0]));
        ck_assert_int_eq(brim_ref_set_cost(r, 40), BRIM_OK);
        brim_release(r);
        finish_on(c, &h);
    }
}
END_TEST

static void look_at_used(void *most)
{
    size_t used = kind_used(k[0]);

    if (used > *(size_t *)most)
        *(size_t *)most = used;
}

/* What is more counts once, also in between. */
START_TEST(looked_at_while_a_cost_is_set)
{
    bool met = true;

    for (unsigned after = 0; met; after++) {
        size_t most = 0;
        struct other o = {.act = look_at_used, .arg = &most};
        brim_ref *r;

        make();
        ck_assert_int_eq(brim_kind_set_limits(c, &kinds[0], 0, CEILING), BRIM_OK);
        ck_assert_int_eq(insert(1, 1, 10, &r), BRIM_OK);
        ((value *)brim_ref_value(r))->cost = 40;
        ck_assert_int_eq(insert(2, 2, 60, NULL), BRIM_OK);
        o.cache = c;
        other_begin(&o, after);
        ck_assert_int_eq(brim_ref_set_cost(r, 40), BRIM_OK);
        met = other_end(&o);
        ck_assert_uint_le(most, CEILING);
        expect_sums(CEILING, CEILING);
        brim_release(r);
        finish_on(c, &h);
    }
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("limits");

    tcase_add_test(tc, which_limits_fit);
    tcase_add_test(tc, floors_above_the_capacity);
    tcase_add_test(tc, a_floor_of_the_first_kind);
    tcase_add_test(tc, a_kind_begins_with_its_own);
    tcase_add_test(tc, the_sums_after_every_event);
    tcase_add_test(tc, a_cost_set_later);
    tcase_add_test(tc, of_loads);
    tcase_add_loop_test(tc, begun_late, 0, 2);
    tcase_add_test(tc, full_while_more_is_held);
    tcase_add_test(tc, a_kind_not_met_without_memory);
    tcase_add_test(tc, lowered_in_a_destructor);
    tcase_add_test(tc, changed_without_a_lock_of_shards);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, promised_to_two);
    tcase_add_test(tc, set_while_another_brings_the_kind);
    tcase_add_test(tc, begun_by_two);
    tcase_add_test(tc, begun_once_beside_an_admission);
    tcase_add_test(tc, none_set_while_another_begins);
    tcase_add_loop_test(tc, begun_while_something_comes, INSERTED, RECHARGED + 1);
    tcase_add_test(tc, begun_while_all_is_held);
    tcase_add_test(tc, set_by_two);
    tcase_add_test(tc, looked_at_while_a_cost_is_set);
#endif
    return suite_run(tc);
}
