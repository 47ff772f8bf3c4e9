/* SPDX-License-Identifier: MIT
 *
 * shard/shard_load: the machine of a load, step by step; who counts it, and who is told.
 */
#include "shard/shard_locked.h"
#include "unit/shards.h"

enum { FLIGHTS = 8, OWN = ENTRIES - FLIGHTS };

static struct flight flights[FLIGHTS];
static struct waiter waiters[FLIGHTS];
static char later_mark; /* what `later' points to */
static struct group_state group;
static const struct extra plain;

/* Of key ${i}; the items from OWN on are the flights' own entries. */
static struct flight *flight_of(unsigned i, const struct extra *x)
{
    struct flight *f = &flights[i];

    memset(f, 0, sizeof *f);
    ck_assert(flight_init(f, (uint32_t)hash_of(i), self));
    f->entry = link_of(OWN + i, i, 0).e;
    f->entry->kind_flags |= extra_flags(x);
    extra_init(f->entry, x, 0);
    return f;
}

static uint64_t keys[FLIGHTS];

static struct shard_ask ask_for(unsigned i)
{
    struct shard_ask a = {.hash = hash_of(i), .now = 1000, .key = &keys[i], .len = sizeof keys[i], .frame = 5, .self = self};

    return a;
}

static struct flight *claim_as(unsigned i, const struct extra *x)
{
    struct shard_ask a = ask_for(i);

    a.flight = flight_of(i, x);
    ck_assert_int_eq(shard_ask(&sh, &a, st), SHARD_CLAIMED);
    ck_assert_ptr_null(a.forgotten);
    return a.flight;
}

static struct flight *claim(unsigned i)
{
    return claim_as(i, &plain);
}

/* As in a race: beside an entry of the key. */
static struct flight *claim_beside(unsigned i, const struct extra *x)
{
    struct flight *f = flight_of(i, x);

    ck_assert(extra_load_begins(f->entry));
    f->counted = true;
    sh.loading++;
    atom_store_relaxed(&sh.flying, atom_load_relaxed(&sh.flying) + 1);
    flights_add(&sh.flights, f);
    return f;
}

static enum shard_claim ask(unsigned i)
{
    struct shard_ask a = ask_for(i);
    enum shard_claim claim = shard_ask(&sh, &a, st);

    ck_assert_ptr_null(a.forgotten);
    return claim;
}

static void join(unsigned i, unsigned w)
{
    struct shard_ask a = ask_for(i);

    waiters[w] = (struct waiter){.later = &later_mark};
    a.waiter = &waiters[w];
    ck_assert_int_eq(shard_ask(&sh, &a, st), SHARD_JOINED);
}

static enum flight_state state_of(const struct flight *f)
{
    return (enum flight_state)atom_load_relaxed(&((struct flight *)(uintptr_t)f)->state);
}

static void expect_flight(const struct flight *f, enum flight_state state, unsigned refs, bool listed, bool counted)
{
    const struct flight *other;
    unsigned n = 0;

    for (other = sh.flights.list; other != NULL; other = other->next)
        n++;
    ck_assert_uint_eq(atom_load_relaxed(&sh.flying), n);
    ck_assert_int_eq(state_of(f), state);
    ck_assert_uint_eq(f->refs, refs);
    ck_assert_int_eq(f->listed, listed);
    ck_assert_int_eq(f->counted, counted);
}

/* With ${waiters[w]} alone told. */
static void expect_told(const struct waiter *told, unsigned w, brim_status status, int reason)
{
    ck_assert_ptr_eq(told, &waiters[w]);
    ck_assert_ptr_null(told->next_told);
    ck_assert_int_eq(told->status, status);
    ck_assert_int_eq(told->reason, reason);
}

static uint32_t end_failed(struct flight *f, int reason, uint64_t until, struct waiter **told)
{
    *told = NULL;
    return shard_end(&sh, f, BRIM_FAILED, reason, NULL, 0, until, told);
}

static uint64_t loads(void)
{
    return atom_load_relaxed(&group.loads);
}

static struct extra grouped(void)
{
    struct extra x = {.groups = 1, .member = {{&group, atom_load_relaxed(&group.generation)}}};

    return x;
}

/* ---- Asking */

START_TEST(claimed_once_then_busy)
{
    struct waiter *told;
    struct flight *f;

    make(0);
    ck_assert_int_eq(ask(1), SHARD_CLAIMABLE);
    f = claim(1);
    expect_flight(f, FLIGHT_FLYING, 1, true, true);
    ck_assert_uint_eq(sh.loading, 1);
    ck_assert_uint_eq(atom_load_relaxed(&f->asked), 5);
    ck_assert_int_eq(ask(1), SHARD_BUSY);
    ck_assert_int_eq(ask(2), SHARD_CLAIMABLE);
    (void)claim(2);
    ck_assert_uint_eq(sh.loading, 2);
    ck_assert_uint_eq(end_failed(f, 1, 0, &told), 0);
    ck_assert_ptr_null(told);
    expect_flight(f, FLIGHT_ENDED, 1, false, false);
    ck_assert_ptr_null(atom_load_relaxed(&f->owner));
    ck_assert_uint_eq(sh.loading, 1);
    ck_assert_int_eq(ask(1), SHARD_CLAIMABLE);
    ck_assert(shard_unref(&sh, f));
    unmake();
}
END_TEST

START_TEST(who_asks_is_dated_and_may_wait)
{
    struct shard_ask a;
    struct flight *f;
    struct waiter w = {.later = NULL};

    make(0);
    f = claim(1);
    a = ask_for(1);
    a.frame = 9;
    ck_assert_int_eq(shard_ask(&sh, &a, st), SHARD_BUSY);
    ck_assert_uint_eq(atom_load_relaxed(&f->asked), 9);
    join(1, 0);
    ck_assert_uint_eq(atom_load_relaxed(&f->asked), 5);
    expect_flight(f, FLIGHT_FLYING, 1, true, true);
    ck_assert_uint_eq(atom_load_relaxed(&f->waiting), 1);
    a.waiter = &w;
    a.block = true;
    a.deadline = 1;
    ck_assert_int_eq(shard_ask(&sh, &a, st), SHARD_TOLD);
    ck_assert_int_eq(a.status, BRIM_DEADLOCK); /* its owner is this thread */
    atom_store_relaxed(&f->owner, NULL);
    ck_assert_int_eq(shard_ask(&sh, &a, st), SHARD_TOLD);
    ck_assert_int_eq(a.status, BRIM_TIMEOUT);
    ck_assert_ptr_null(a.forgotten); /* its claimer has it */
    expect_flight(f, FLIGHT_FLYING, 1, true, true);
    ck_assert_uint_eq(atom_load_relaxed(&f->waiting), 1);
    unmake();
}
END_TEST

START_TEST(what_is_there_is_a_hit)
{
    struct extra x = {.max_age = 100};
    struct shard_ask a;

    make(0);
    (void)claim(1);
    a = ask_for(1);
    link_item(1, 7, 0, &x, 950, 0);
    ck_assert_int_eq(shard_ask(&sh, &a, st), SHARD_HIT);
    ck_assert_ptr_eq(a.there, &items[1].e);
    expect_sums(7, 1, 7);
    ck_assert_uint_eq(release(a.there), ENTRY_UNPIN);
    a.now = 1050; /* stale: as nothing */
    a.there = NULL;
    ck_assert_int_eq(shard_ask(&sh, &a, st), SHARD_BUSY);
    ck_assert_ptr_null(a.there);
    expect_sums(7, 1, 0);
    unmake();
}
END_TEST

START_TEST(nothing_is_claimed_in_a_closed_shard_or_group)
{
    struct extra x = grouped();
    struct shard_ask a;
    struct flight *f;
    struct waiter *told;

    make(0);
    f = claim_as(1, &x);
    ck_assert_uint_eq(loads(), 1);
    (void)end_failed(f, 1, 0, &told);
    ck_assert_uint_eq(loads(), 0);
    atom_store_relaxed(&group.generation, 2 | GROUP_CLOSED);
    a = ask_for(1);
    a.flight = flight_of(1, &x);
    ck_assert_int_eq(shard_ask(&sh, &a, st), SHARD_CLOSED);
    expect_flight(a.flight, FLIGHT_FLYING, 1, false, false);
    ck_assert_uint_eq(loads(), 0);
    ck_assert_uint_eq(sh.loading, 0);
    ck_assert_int_eq(ask(1), SHARD_CLAIMABLE); /* without a flight nobody knows of a group */
    shard_close(&sh);
    ck_assert_int_eq(ask(2), SHARD_CLOSED);
    unmake();
}
END_TEST

/* ---- Ending */

START_TEST(a_result_outside_has_a_hold_for_each)
{
    struct waiter *told = NULL;
    struct flight *f;
    struct entry *e;

    make(0);
    f = claim(1);
    join(1, 0);
    join(1, 1);
    e = f->entry;
    ck_assert_uint_eq(shard_end(&sh, f, BRIM_OK, 0, e, 1, 0, &told), 2);
    ck_assert_uint_eq(atom_load_relaxed(&e->state), 3 * STATE_REF); /* neither linked nor dead */
    ck_assert(entry_flags(e) & ENTRY_UNCHARGED);
    ck_assert_ptr_eq(told, &waiters[0]);
    ck_assert_ptr_eq(told->next_told, &waiters[1]);
    ck_assert_ptr_eq(waiters[1].result, e);
    expect_flight(f, FLIGHT_ENDED, 1, false, false);
    unmake();
}
END_TEST

START_TEST(published_with_a_hold_for_each)
{
    struct entry_list left = {NULL, NULL};
    struct shard_link l;
    struct flight *f;

    make(0);
    f = claim(1);
    join(1, 0);
    join(1, 1);
    l = link_of(1, 1, 4);
    l.flight = f;
    l.refs = 1;
    ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_LINKED);
    ck_assert_uint_eq(l.refs, 3);
    ck_assert_uint_eq(atom_load_relaxed(&l.e->state) & STATE_COUNT_MASK, 4);
    ck_assert_ptr_eq(l.told, &waiters[0]);
    ck_assert_ptr_eq(l.told->next_told, &waiters[1]);
    ck_assert_int_eq(waiters[0].status, BRIM_OK);
    ck_assert_ptr_eq(waiters[0].result, l.e);
    expect_flight(f, FLIGHT_ENDED, 1, false, false);
    expect_sums(4, 1, 4);
    ck_assert_uint_eq(sh.loading, 0);
    unmake();
}
END_TEST

START_TEST(overtaken_publishes_nothing)
{
    struct entry_list left = {NULL, NULL};
    struct extra x = grouped();
    struct waiter *told = NULL;
    struct flight *f, *forgotten = NULL;
    struct shard_link l;
    struct shard_ask a;
    bool removed;

    make(0);
    f = claim_as(1, &x);
    a = ask_for(1);
    switch (_i) {
    case 0: /* by an insert */
        link_item(1, 2, 0, &plain, 0, 0);
        ck_assert_int_eq(state_of(f), FLIGHT_OVERTAKEN);
        ck_assert(shard_remove(&sh, &items[1].e, BRIM_REMOVED, st, &left, &forgotten));
        break;
    case 1: /* by a removal of nothing */
        (void)shard_remove_key(&sh, a.hash, a.key, a.len, 0, &removed, st, &left, &forgotten);
        ck_assert(!removed);
        break;
    case 2:
        shard_overtake_all(&sh, false, &told, &forgotten);
        break;
    case 3: /* by a removal by handle; the entry came first */
        shard_overtake_all(&sh, false, &told, &forgotten);
        (void)end_failed(f, 1, 0, &told);
        link_item(1, 2, 0, &plain, 0, 0);
        f = claim_beside(1, &x);
        ck_assert(shard_remove(&sh, &items[1].e, BRIM_REMOVED, st, &left, &forgotten));
        ck_assert_int_eq(state_of(f), FLIGHT_OVERTAKEN);
        break;
    default: /* by an invalidation: seen by the next who asks */
        atom_store_relaxed(&group.generation, 2);
        ck_assert_int_eq(state_of(f), FLIGHT_FLYING);
        break;
    }
    ck_assert_ptr_null(forgotten);
    ck_assert_ptr_null(told);
    ck_assert_int_eq(ask(1), SHARD_BUSY); /* the second load begins when the first has ended */
    expect_flight(f, FLIGHT_OVERTAKEN, 1, true, true);
    l = link_of(2, 1, 4);
    l.flight = f;
    ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_GONE);
    (void)end_failed(f, 3, 5000, &told); /* and is not remembered */
    expect_flight(f, FLIGHT_ENDED, 1, false, false);
    ck_assert_uint_eq(loads(), 0);
    ck_assert_int_eq(ask(1), SHARD_CLAIMABLE);
    unmake();
}
END_TEST

START_TEST(a_late_one_asks_anew)
{
    struct flight *f, *forgotten = NULL;
    struct waiter *told = NULL;

    make(0);
    f = claim(1);
    join(1, 0);
    shard_overtake_all(&sh, false, &told, &forgotten);
    join(1, 1);
    ck_assert_uint_eq(shard_end(&sh, f, BRIM_OK, 0, f->entry, 1, 0, &told), 1);
    ck_assert_uint_eq(atom_load_relaxed(&f->entry->state), 2 * STATE_REF);
    ck_assert_int_eq(waiters[0].status, BRIM_OK);
    ck_assert_int_eq(waiters[1].status, BRIM_PENDING);
    unmake();
}
END_TEST

/* ---- Failures that are remembered */

static struct flight *fail_until(unsigned i, uint64_t until)
{
    struct flight *f = claim(i);
    struct waiter *told;

    (void)end_failed(f, 42, until, &told);
    return f;
}

START_TEST(a_failure_is_remembered_for_a_while)
{
    struct shard_ask a;
    struct waiter *told;
    struct flight *f;

    make(0);
    f = claim(1);
    join(1, 0);
    ck_assert_uint_eq(end_failed(f, 42, 2000, &told), 1);
    expect_told(told, 0, BRIM_FAILED, 42);
    expect_flight(f, FLIGHT_FAILED, 2, true, false);
    ck_assert_ptr_null(atom_load_relaxed(&f->owner));
    ck_assert_uint_eq(sh.loading, 0);
    ck_assert(!shard_unref(&sh, f)); /* the table has it */
    a = ask_for(1);
    a.now = 1999;
    ck_assert_int_eq(shard_ask(&sh, &a, st), SHARD_FAILED);
    ck_assert_int_eq(a.reason, 42);
    ck_assert_ptr_null(a.forgotten);
    a.now = 2000;
    ck_assert_int_eq(shard_ask(&sh, &a, st), SHARD_CLAIMABLE);
    ck_assert_ptr_eq(a.forgotten, f);
    expect_flight(f, FLIGHT_ENDED, 0, false, false);
    a.forgotten = NULL;
    ck_assert_int_eq(shard_ask(&sh, &a, st), SHARD_CLAIMABLE);
    ck_assert_ptr_null(a.forgotten);
    unmake();
}
END_TEST

START_TEST(what_forgets_a_failure)
{
    struct entry_list left = {NULL, NULL};
    struct flight *f, *forgotten = NULL;
    struct waiter *told = NULL;
    struct shard_ask a;
    struct shard_link l;
    bool removed, claimer = _i >= 4; /* who still has a count */

    make(0);
    f = fail_until(1, 2000);
    if (!claimer)
        ck_assert(!shard_unref(&sh, f));
    a = ask_for(1);
    switch (_i % 4) {
    case 0:
        l = link_as(1, 1, 0, &plain, 0, 0);
        ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_LINKED);
        forgotten = l.forgotten;
        break;
    case 1:
        (void)shard_remove_key(&sh, a.hash, a.key, a.len, 0, &removed, st, &left, &forgotten);
        break;
    case 2:
        ck_assert(!shard_cancel(&sh, a.hash, a.key, a.len, &told, &forgotten)); /* none is under way */
        break;
    default:
        shard_overtake_all(&sh, false, &told, &forgotten);
        break;
    }
    ck_assert_ptr_eq(forgotten, claimer ? NULL : f);
    expect_flight(f, FLIGHT_ENDED, claimer, false, false);
    if (claimer)
        ck_assert(shard_unref(&sh, f));
    ck_assert_ptr_null(told);
    unmake();
}
END_TEST

/* Who asks for a key looks at four others, in turns. */
START_TEST(failures_that_nobody_asks_for_are_forgotten)
{
    struct flight *f;
    struct shard_ask a;
    unsigned n = 0;

    make(0);
    for (unsigned i = 0; i < FLIGHTS; i++)
        ck_assert(!shard_unref(&sh, fail_until(i, i == FLIGHTS - 1 ? 3000 : 2000)));
    sh.flights.hand = NULL;
    a = ask_for(0); /* the last whose turn would come */
    a.now = 2000;
    ck_assert_int_eq(shard_ask(&sh, &a, st), SHARD_CLAIMABLE);
    for (f = a.forgotten; f != NULL; f = f->next)
        n++;
    ck_assert_uint_eq(n, 4); /* three of four, and itself */
    expect_flight(&flights[0], FLIGHT_ENDED, 0, false, false);
    expect_flight(&flights[1], FLIGHT_FAILED, 1, true, false);
    expect_flight(&flights[FLIGHTS - 1], FLIGHT_FAILED, 1, true, false);
    a = ask_for(FLIGHTS - 1);
    a.now = 2000;
    ck_assert_int_eq(shard_ask(&sh, &a, st), SHARD_FAILED); /* and what is left of the others is forgotten */
    expect_flight(&flights[1], FLIGHT_ENDED, 0, false, false);
    unmake();
}
END_TEST

START_TEST(failures_are_forgotten_when_told_to)
{
    struct flight *forgotten = NULL, *under_way;

    make(0);
    shard_forget_failures(&sh, 5000, &forgotten);
    ck_assert_ptr_null(forgotten);
    under_way = claim(3);
    for (unsigned i = 0; i < 3; i++)
        ck_assert(!shard_unref(&sh, fail_until(i, 2000 + i)));
    shard_forget_failures(&sh, 2001, &forgotten);
    ck_assert_ptr_eq(forgotten, &flights[0]);
    ck_assert_ptr_eq(forgotten->next, &flights[1]);
    ck_assert_ptr_null(forgotten->next->next);
    expect_flight(&flights[2], FLIGHT_FAILED, 1, true, false);
    expect_flight(under_way, FLIGHT_FLYING, 1, true, true);
    unmake();
}
END_TEST

START_TEST(nothing_is_loaded)
{
    struct flight *forgotten = NULL;
    struct waiter *told = NULL;

    make(0);
    shard_overtake_all(&sh, false, &told, &forgotten);
    shard_overtake_all(&sh, true, &told, &forgotten);
    lock_acquire(&sh.lock);
    shard_child(&sh, self, &told, &forgotten);
    lock_release(&sh.lock);
    ck_assert_ptr_null(told);
    ck_assert_ptr_null(forgotten);
    unmake();
}
END_TEST

START_TEST(only_failures_are_remembered)
{
    struct waiter *told = NULL;
    struct flight *f;

    make(0);
    f = claim(1);
    (void)shard_end(&sh, f, _i == 0 ? BRIM_OK : BRIM_CANCELED, 0, f->entry, 1, 2000, &told);
    expect_flight(f, FLIGHT_ENDED, 1, false, false);
    unmake();
}
END_TEST

/* A group of the result, or of the load, was invalidated, and nobody has asked since. */
START_TEST(of_an_invalidated_group_nothing_is_published)
{
    struct entry_list left = {NULL, NULL};
    struct extra x = grouped();
    struct shard_link l;
    struct flight *f;

    make(0);
    f = claim_as(1, _i == 0 ? &x : &plain);
    l = link_as(1, 4, 0, _i == 1 ? &x : &plain, 0, 0);
    l.flight = f;
    atom_store_relaxed(&group.generation, 2);
    ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), _i < 2 ? SHARD_GONE : SHARD_LINKED);
    unmake();
}
END_TEST

/* Also where it would replace one entry and no other. */
START_TEST(overtaken_replaces_nothing)
{
    struct entry_list left = {NULL, NULL};
    struct shard_link l;
    struct flight *f;

    make(0);
    link_item(1, 2, 0, &plain, 0, 0);
    f = claim_beside(1, &plain);
    flight_overtake(f);
    l = link_of(2, 1, 4);
    l.flight = f;
    l.expected = &items[1].e;
    ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_GONE);
    unmake();
}
END_TEST

START_TEST(a_last_ref_that_removes)
{
    struct entry_list left = {NULL, NULL};
    struct extra aged = {.max_age = 100};
    struct flight *f, *forgotten = NULL;

    make(0);
    link_item(1, 2, 0, &aged, 1000, 0);
    f = claim_beside(1, &plain);
    (void)entry_try_hold(&items[1].e);
    shard_count_pins(st, &items[1].e, ENTRY_PIN);
    ck_assert(shard_remove_if_last(&sh, &items[1].e, 1099 + (unsigned)_i, st, &left, &forgotten));
    ck_assert_uint_eq(items[1].e.priority & 255, _i == 0 ? BRIM_REMOVED : BRIM_EXPIRED);
    ck_assert_int_eq(state_of(f), _i == 0 ? FLIGHT_OVERTAKEN : FLIGHT_FLYING); /* what is loaded for a stale one is newer */
    expect_sums(0, 0, 0);
    unmake();
}
END_TEST

/* It has no key, and so not that of a load of a key without bytes. */
START_TEST(an_anonymous_one_overtakes_nothing)
{
    struct entry_list left = {NULL, NULL};
    struct flight *f, *forgotten = NULL;
    struct shard_link l;

    make(0);
    f = claim(1);
    entry_init(f->entry, NULL, 0, NULL, 0);
    f->entry->kind_flags = 0;
    l = link_of(2, 2, 4);
    entry_init(l.e, NULL, 0, NULL, 4);
    l.e->place = f->place;
    l.e->kind_flags |= ENTRY_ANONYMOUS | 1 << ENTRY_PRIORITY_SHIFT;
    ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_LINKED);
    ck_assert_int_eq(state_of(f), FLIGHT_FLYING);
    ck_assert(shard_remove(&sh, l.e, BRIM_REMOVED, st, &left, &forgotten));
    ck_assert_int_eq(state_of(f), FLIGHT_FLYING);
    unmake();
}
END_TEST

/* What had been evicted not long before. */
START_TEST(a_redundant_load)
{
    struct entry_list left = {NULL, NULL};
    struct shard_link l;

    make(0);
    for (unsigned round = 0; round < 2; round++) { /* the first time there is no place to remember them in */
        struct shard_sweep w = {.cause = BRIM_EVICTED, .kind = -1, .but_kind = -1, .need = 2, .most = 2};

        link_new(1, 1, 1);
        link_new(3, 3, 1);
        shard_evict(&sh, &w, st, &left);
        ck_assert_uint_eq(w.taken, 2);
        while (entry_list_pop(&left) != NULL) {
        }
    }
    for (unsigned i = 1; i < 4; i++) {
        l = link_of(10 + i, i, 1);
        l.flight = i < 3 ? claim(i) : NULL; /* nobody loaded the third */
        ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_LINKED);
        ck_assert_int_eq(l.redundant, i == 1);
    }
    unmake();
}
END_TEST

START_TEST(what_is_not_remembered)
{
    struct extra x = grouped();
    struct waiter *told;
    struct flight *f;

    make(0);
    f = fail_until(1, 0);
    expect_flight(f, FLIGHT_ENDED, 1, false, false);
    f = claim_as(2, &x);
    atom_store_relaxed(&group.generation, 2); /* its group was invalidated */
    (void)end_failed(f, 1, 2000, &told);
    expect_flight(f, FLIGHT_ENDED, 1, false, false);
    f = claim(3);
    shard_close(&sh);
    (void)end_failed(f, 1, 2000, &told);
    expect_flight(f, FLIGHT_ENDED, 1, false, false);
    unmake();
}
END_TEST

/* ---- Canceling */

START_TEST(a_canceled_one_flies_on_overtaken)
{
    struct waiter *told = NULL;
    struct flight *f, *forgotten = NULL;
    struct shard_ask a;

    make(0);
    a = ask_for(1);
    ck_assert(!shard_cancel(&sh, a.hash, a.key, a.len, &told, &forgotten));
    f = claim(1);
    join(1, 0);
    ck_assert(shard_cancel(&sh, a.hash, a.key, a.len, &told, &forgotten));
    expect_told(told, 0, BRIM_CANCELED, 0);
    expect_flight(f, FLIGHT_OVERTAKEN, 1, true, true);
    ck_assert_ptr_null(forgotten);
    told = NULL;
    join(1, 1);
    ck_assert(shard_cancel(&sh, a.hash, a.key, a.len, &told, &forgotten)); /* again */
    expect_told(told, 1, BRIM_CANCELED, 0);
    unmake();
}
END_TEST

START_TEST(when_the_cache_is_freed)
{
    struct flight *f, *failed, *forgotten = NULL;
    struct waiter *told = NULL;
    struct entry_list left = {NULL, NULL};
    struct shard_link l;

    make(0);
    f = claim(1);
    join(1, 0);
    failed = fail_until(2, 2000);
    ck_assert(!shard_unref(&sh, failed));
    shard_close(&sh);
    shard_overtake_all(&sh, true, &told, &forgotten);
    expect_told(told, 0, BRIM_CANCELED, 0);
    ck_assert_ptr_eq(forgotten, failed);
    ck_assert_ptr_null(forgotten->next);
    expect_flight(f, FLIGHT_OVERTAKEN, 1, false, true); /* its claimer is still at it */
    ck_assert_uint_eq(sh.loading, 1);
    l = link_of(1, 1, 4);
    l.flight = f;
    ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_GONE);
    told = NULL;
    ck_assert_uint_eq(end_failed(f, 1, 2000, &told), 0);
    expect_flight(f, FLIGHT_ENDED, 1, false, false);
    ck_assert_uint_eq(sh.loading, 0);
    unmake();
}
END_TEST

START_TEST(who_waits_no_more)
{
    struct waiter *told;
    struct flight *f;

    make(0);
    f = claim(1);
    join(1, 0);
    join(1, 1);
    ck_assert(shard_forsake(&sh, &waiters[0]));
    ck_assert(!shard_forsake(&sh, &waiters[0]));
    ck_assert_uint_eq(end_failed(f, 7, 0, &told), 1);
    expect_told(told, 1, BRIM_FAILED, 7);
    ck_assert(!shard_forsake(&sh, &waiters[1]));
    unmake();
}
END_TEST

/* ---- Fork */

START_TEST(in_a_child_the_loads_of_others_end)
{
    static struct thread other;
    struct flight *own, *theirs, *nobodys, *forgotten = NULL;
    struct waiter *told = NULL;

    make(0);
    own = claim(1);
    theirs = claim(2);
    atom_store_relaxed(&theirs->owner, &other);
    nobodys = claim(3);
    atom_store_relaxed(&nobodys->owner, NULL);
    join(1, 0);
    join(2, 1);
    lock_acquire(&sh.lock);
    shard_child(&sh, self, &told, &forgotten);
    lock_release(&sh.lock);
    expect_told(told, 1, BRIM_CANCELED, 0);
    ck_assert_ptr_eq(forgotten, theirs);
    ck_assert_ptr_null(forgotten->next);
    expect_flight(theirs, FLIGHT_ENDED, 0, false, false);
    expect_flight(own, FLIGHT_FLYING, 1, true, true);
    expect_flight(nobodys, FLIGHT_FLYING, 1, true, true);
    ck_assert_uint_eq(sh.loading, 2);
    unmake();
}
END_TEST

/* ---- Many blocked, the claimer gone before them: whoever is last frees it. */

static atomic_uint frees;

static void wait_blocked(unsigned id, void *arg)
{
    struct flight *f = arg;
    struct shard_ask a = ask_for(1);
    struct waiter w = {.later = NULL}, *told = NULL;

    a.self = thread_self();
    a.waiter = &w;
    a.block = true;
    if (id == 0) {
        while (atom_load_relaxed(&f->waiting) < 3) {
        }
        (void)shard_end(&sh, f, BRIM_FAILED, 5, NULL, 0, 0, &told);
        if (shard_unref(&sh, f))
            atomic_fetch_add(&frees, 1);
        return;
    }
    EXPECT(shard_ask(&sh, &a, st) == SHARD_TOLD);
    EXPECT(a.status == BRIM_OK && w.status == BRIM_FAILED && w.reason == 5);
    if (a.forgotten != NULL) {
        EXPECT(a.forgotten == f);
        atomic_fetch_add(&frees, 1);
    }
}

START_TEST(the_last_one_frees_it)
{
    make(0);
    for (int round = 0; round < SCALED(200); round++) {
        struct flight *f = claim(1);

        atom_store_relaxed(&f->owner, NULL);
        atomic_store(&frees, 0);
        crew_do(4, wait_blocked, f);
        ck_assert_uint_eq(atomic_load(&frees), 1);
        ck_assert_uint_eq(f->refs, 0);
    }
    unmake();
}
END_TEST

/* Also where tests do not fork. */
static void begin_anew(void)
{
    for (uint64_t i = 0; i < FLIGHTS; i++)
        keys[i] = i;
    memset(&group, 0, sizeof group);
}

int main(void)
{
    TCase *tc = suite_case("shard_load");

    tcase_add_checked_fixture(tc, begin_anew, NULL);
    tcase_add_test(tc, claimed_once_then_busy);
    tcase_add_test(tc, who_asks_is_dated_and_may_wait);
    tcase_add_test(tc, what_is_there_is_a_hit);
    tcase_add_test(tc, nothing_is_claimed_in_a_closed_shard_or_group);
    tcase_add_test(tc, a_result_outside_has_a_hold_for_each);
    tcase_add_test(tc, published_with_a_hold_for_each);
    tcase_add_loop_test(tc, overtaken_publishes_nothing, 0, 5);
    tcase_add_test(tc, a_late_one_asks_anew);
    tcase_add_test(tc, a_failure_is_remembered_for_a_while);
    tcase_add_loop_test(tc, what_forgets_a_failure, 0, 8);
    tcase_add_test(tc, failures_that_nobody_asks_for_are_forgotten);
    tcase_add_test(tc, failures_are_forgotten_when_told_to);
    tcase_add_test(tc, nothing_is_loaded);
    tcase_add_loop_test(tc, only_failures_are_remembered, 0, 2);
    tcase_add_loop_test(tc, of_an_invalidated_group_nothing_is_published, 0, 3);
    tcase_add_test(tc, overtaken_replaces_nothing);
    tcase_add_loop_test(tc, a_last_ref_that_removes, 0, 2);
    tcase_add_test(tc, an_anonymous_one_overtakes_nothing);
    tcase_add_test(tc, a_redundant_load);
    tcase_add_test(tc, what_is_not_remembered);
    tcase_add_test(tc, a_canceled_one_flies_on_overtaken);
    tcase_add_test(tc, when_the_cache_is_freed);
    tcase_add_test(tc, who_waits_no_more);
    tcase_add_test(tc, in_a_child_the_loads_of_others_end);
    tcase_add_test(tc, the_last_one_frees_it);
    return suite_run(tc);
}
