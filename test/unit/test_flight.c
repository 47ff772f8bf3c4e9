/* SPDX-License-Identifier: MIT
 *
 * shard/flight: the table's tree in all shapes, waiters in their order, what each is told, and who waits for himself.
 */
#include "base/clock.h"
#include "shard/flight.h"
#include "support/support.h"
#include "unit/interfere.h"

enum { FLIGHTS = 64, KEY_LEN = 8 };

static struct flight flights[FLIGHTS];
static struct { _Alignas(16) struct entry e; unsigned char key[KEY_LEN]; } entries[FLIGHTS];
static struct flights table;
static struct lock lock;

static struct flight *make(unsigned i, uint32_t place, struct thread *owner)
{
    struct flight *f = &flights[i];
    uint64_t key = i;

    memset(f, 0, sizeof *f);
    ck_assert(flight_init(f, place, owner));
    entry_init(&entries[i].e, &key, sizeof key, NULL, 1);
    entries[i].e.kind_flags = 0;
    f->entry = &entries[i].e;
    return f;
}

static struct flight *find(unsigned i)
{
    uint64_t key = i;

    return flights_find(&table, flights[i].place, &key, sizeof key);
}

static enum flight_state state_of(struct flight *f)
{
    return (enum flight_state)atom_load_relaxed(&f->state);
}

/* ---- The table */

/* Smaller ones to the left, others to the right.  Returns how many there are. */
static unsigned check_tree(const struct flight *f, uint64_t least, uint64_t end)
{
    if (f == NULL)
        return 0;
    ck_assert(f->listed);
    ck_assert_uint_ge(f->place, least);
    ck_assert_uint_lt(f->place, end);
    return 1 + check_tree(f->left, least, f->place) + check_tree(f->right, f->place, end);
}

static void check_table(unsigned count, const bool in[])
{
    struct flight **at = &table.list;
    unsigned listed = 0, n = 0;

    for (; *at != NULL; at = &(*at)->next, listed++)
        ck_assert_ptr_eq((*at)->back, at);
    for (unsigned i = 0; i < count; i++) {
        ck_assert_ptr_eq(find(i), in[i] ? &flights[i] : NULL);
        ck_assert_int_eq(flights[i].listed, in[i]);
        n += in[i];
    }
    ck_assert_uint_eq(listed, n);
    ck_assert_uint_eq(check_tree(table.root, 0, (uint64_t)UINT32_MAX + 1), n);
}

/* Every order of adding five, two of them in the same place, and each of them taken out: all shapes of removal. */
static void permute(unsigned order[], unsigned n, unsigned at, void (*fn)(const unsigned order[], unsigned n))
{
    if (at == n)
        fn(order, n);
    for (unsigned i = at; i < n; i++) {
        unsigned x = order[at];

        order[at] = order[i];
        order[i] = x;
        permute(order, n, at + 1, fn);
        order[i] = order[at];
        order[at] = x;
    }
}

static void add_and_take_out(const unsigned order[], unsigned n)
{
    static const uint32_t places[] = {20, 10, 20, UINT32_MAX, 0};

    for (unsigned out = 0; out < n; out++) {
        bool in[5] = {false};

        table = (struct flights){NULL, NULL, NULL};
        for (unsigned i = 0; i < n; i++)
            make(i, places[i], NULL);
        for (unsigned i = 0; i < n; i++) {
            flights_add(&table, &flights[order[i]]);
            in[order[i]] = true;
            ck_assert_ptr_eq(table.list, &flights[order[i]]);
        }
        check_table(n, in);
        for (unsigned i = 0; i < n; i++) {
            flights_take_out(&table, &flights[(out + i) % n]);
            in[(out + i) % n] = false;
            check_table(n, in);
            flights_take_out(&table, &flights[(out + i) % n]); /* nothing */
            check_table(n, in);
        }
    }
}

START_TEST(all_shapes_of_removal)
{
    unsigned order[] = {0, 1, 2, 3, 4};

    permute(order, 5, 0, add_and_take_out);
}
END_TEST

/* With many in equal places. */
START_TEST(many_come_and_go)
{
    bool in[FLIGHTS] = {false};
    uint64_t random = 7;

    for (unsigned i = 0; i < FLIGHTS; i++)
        make(i, (uint32_t)(random_next(&random) >> 32) % 16, NULL);
    for (int n = 0; n < SCALED(4000); n++) {
        unsigned i = (unsigned)(random_next(&random) >> 32) % FLIGHTS;

        if (in[i])
            flights_take_out(&table, &flights[i]);
        else
            flights_add(&table, &flights[i]);
        in[i] = !in[i];
        if (n % 16 == 0)
            check_table(FLIGHTS, in);
    }
    check_table(FLIGHTS, in);
}
END_TEST

/* Round and round, also while some come, which is before the hand, and go. */
START_TEST(each_in_its_turn)
{
    table = (struct flights){NULL, NULL, NULL};
    ck_assert_ptr_null(flights_next(&table));
    for (unsigned i = 0; i < 4; i++)
        flights_add(&table, make(i, i, NULL));
    for (unsigned n = 0; n < 9; n++)
        ck_assert_ptr_eq(flights_next(&table), &flights[3 - n % 4]);
    flights_take_out(&table, &flights[2]); /* the next one */
    ck_assert_ptr_eq(flights_next(&table), &flights[1]);
    flights_take_out(&table, &flights[1]); /* the last one: the hand stays */
    ck_assert_ptr_eq(flights_next(&table), &flights[0]);
    ck_assert_ptr_eq(flights_next(&table), &flights[3]);
    flights_take_out(&table, &flights[0]); /* the next and last of all: anew */
    ck_assert_ptr_eq(flights_next(&table), &flights[3]);
    flights_take_out(&table, &flights[3]);
    ck_assert_ptr_null(flights_next(&table));
    for (unsigned i = 0; i < 4; i++)
        flights_add(&table, make(i, i, NULL));
    ck_assert_ptr_eq(flights_next(&table), &flights[3]);
    flights_take_out(&table, &flights[0]); /* far from the hand */
    ck_assert_ptr_eq(flights_next(&table), &flights[2]);
}
END_TEST

START_TEST(found_by_place_and_key)
{
    uint64_t key = 0;

    make(0, 5, NULL);
    flights_add(&table, &flights[0]);
    ck_assert_ptr_eq(flights_find(&table, 5, &key, sizeof key), &flights[0]);
    ck_assert_ptr_null(flights_find(&table, 6, &key, sizeof key));
    ck_assert_ptr_null(flights_find(&table, 5, &key, sizeof key - 1));
    key = 1;
    ck_assert_ptr_null(flights_find(&table, 5, &key, sizeof key));
}
END_TEST

/* ---- Waiters */

enum { WAITERS = 6 };

static struct waiter waiters[WAITERS];
static char later_mark; /* what `later' points to */

static struct waiter *join(struct flight *f, unsigned i, bool later)
{
    waiters[i] = (struct waiter){.later = later ? &later_mark : NULL, .next_told = &waiters[i]};
    flight_join(f, &waiters[i]);
    return &waiters[i];
}

/* Those who wait for ${f}, as digits in their order, and the fields that go with them. */
static unsigned waiting(struct flight *f)
{
    struct waiter **at = &f->waiters;
    unsigned digits = 0, n = 0;

    for (; *at != NULL; at = &(*at)->next) {
        ck_assert_ptr_eq((*at)->back, at);
        ck_assert_ptr_eq((*at)->flight, f);
        ck_assert(!(*at)->told);
        digits = digits * 10 + (unsigned)(*at - waiters) + 1;
        n += !(*at)->late;
    }
    ck_assert_ptr_eq(f->last, at);
    ck_assert_uint_eq(atom_load_relaxed(&f->waiting), n);
    return digits;
}

START_TEST(they_wait_in_order_and_any_may_leave)
{
    static const unsigned without[] = {23, 13, 12};
    struct flight *f = make(0, 1, NULL);

    ck_assert_uint_eq(f->refs, 1);
    ck_assert_uint_eq(atom_load_relaxed(&f->had_waiters), 0);
    for (unsigned i = 0; i < 3; i++)
        join(f, i, true);
    ck_assert_uint_eq(waiting(f), 123);
    ck_assert_uint_eq(atom_load_relaxed(&f->had_waiters), 1);
    flight_leave(f, &waiters[_i]);
    ck_assert_uint_eq(waiting(f), without[_i]);
    join(f, 3, true);
    ck_assert_uint_eq(waiting(f), without[_i] * 10 + 4);
    for (unsigned i = 0; i < 4; i++)
        if (i != (unsigned)_i)
            flight_leave(f, &waiters[i]);
    ck_assert_uint_eq(waiting(f), 0);
    ck_assert_uint_eq(f->refs, 1); /* who is told later does not look at it */
    ck_assert_uint_eq(atom_load_relaxed(&f->had_waiters), 1);
}
END_TEST

static unsigned told_digits(const struct waiter *w)
{
    unsigned digits = 0;

    for (; w != NULL; w = w->next_told)
        digits = digits * 10 + (unsigned)(w - waiters) + 1;
    return digits;
}

static void expect_told(const struct waiter *w, brim_status status, int reason, const struct entry *result)
{
    ck_assert(w->told);
    ck_assert_int_eq(w->status, status);
    ck_assert_int_eq(w->reason, reason);
    ck_assert_ptr_eq(w->result, result);
}

/* 1 and 3 are told later, 2 blocks; 4 and 5 are late, of which 5 blocks. */
static struct flight *make_waited_for(void)
{
    struct flight *f = make(0, 1, NULL);

    join(f, 0, true);
    join(f, 1, false);
    join(f, 2, true);
    ck_assert_uint_eq(f->refs, 2);
    flight_overtake(f);
    ck_assert(flight_is_overtaken(f));
    join(f, 3, true);
    join(f, 4, false);
    ck_assert_uint_eq(f->refs, 3);
    ck_assert_uint_eq(waiting(f), 12345);
    ck_assert_uint_eq(atom_load_relaxed(&f->waiting), 3);
    return f;
}

START_TEST(what_each_is_told)
{
    static const brim_status ends[] = {BRIM_OK, BRIM_FAILED, BRIM_CANCELED};
    struct flight *f = make_waited_for();
    struct entry *e = f->entry;
    struct waiter before = {.later = &later_mark}, before_too = before, *told = &before;
    brim_status end = ends[_i];

    before.next_told = &before_too;
    flight_tell(f, end, 7, e, &told);
    ck_assert_ptr_eq(told, &before);
    ck_assert_ptr_eq(before.next_told, &before_too);
    ck_assert_uint_eq(told_digits(before_too.next_told), 134); /* behind those there, in their order */
    for (unsigned i = 0; i < 3; i++)
        expect_told(&waiters[i], end, end == BRIM_FAILED ? 7 : 0, end == BRIM_OK ? e : NULL);
    for (unsigned i = 3; i < 5; i++)
        expect_told(&waiters[i], end == BRIM_CANCELED ? BRIM_CANCELED : BRIM_PENDING, 0, NULL);
    ck_assert_uint_eq(waiting(f), 0);
    ck_assert_uint_eq(f->refs, 3); /* the blocked give theirs back themselves */
    flight_leave(f, &waiters[0]); /* told: nothing */
    join(f, 0, true); /* it may be joined again, as one that was canceled and flies on */
    ck_assert_uint_eq(waiting(f), 1);
}
END_TEST

/* A blocked thread waits for nothing from then on; the shared record, and who is told later, are left alone. */
START_TEST(who_is_told_waits_for_nothing)
{
    static struct thread own, shared = {.reader.shared = true}, other;
    struct flight *f = make(0, 1, NULL);
    struct waiter *told = NULL;

    join(f, 0, false)->thread = &own;
    join(f, 1, false)->thread = &shared;
    join(f, 2, true)->thread = &other;
    atom_store_relaxed(&own.waits_for, f);
    atom_store_relaxed(&shared.waits_for, f);
    atom_store_relaxed(&other.waits_for, f);
    flight_tell(f, BRIM_OK, 0, f->entry, &told);
    ck_assert_ptr_null(atom_load_relaxed(&own.waits_for));
    ck_assert_ptr_eq(atom_load_relaxed(&shared.waits_for), f);
    ck_assert_ptr_eq(atom_load_relaxed(&other.waits_for), f);
}
END_TEST

START_TEST(nobody_to_tell)
{
    struct flight *f = make(0, 1, NULL);
    struct waiter *told = NULL;

    flight_tell(f, BRIM_OK, 0, f->entry, &told);
    ck_assert_ptr_null(told);
    join(f, 0, false);
    flight_tell(f, BRIM_OK, 0, f->entry, &told);
    ck_assert_ptr_null(told);
    expect_told(&waiters[0], BRIM_OK, 0, f->entry);
}
END_TEST

START_TEST(only_what_flies_is_overtaken)
{
    struct flight *f = make(0, 1, NULL);

    ck_assert_int_eq(state_of(f), FLIGHT_FLYING);
    ck_assert(!flight_is_overtaken(f));
    for (unsigned state = FLIGHT_FLYING; state <= FLIGHT_ENDED; state++) {
        atom_store_relaxed(&f->state, state);
        flight_overtake(f);
        ck_assert_int_eq(state_of(f), state == FLIGHT_FLYING ? FLIGHT_OVERTAKEN : state);
        ck_assert(flight_is_overtaken(f) == (state <= FLIGHT_OVERTAKEN));
    }
}
END_TEST

START_TEST(wanted_while_somebody_waits_or_nobody_did)
{
    struct flight *f = make(0, 1, NULL);

    ck_assert(flight_is_wanted(f, false));
    join(f, 0, true);
    join(f, 1, true);
    ck_assert(flight_is_wanted(f, false));
    flight_leave(f, &waiters[0]);
    ck_assert(flight_is_wanted(f, false));
    flight_leave(f, &waiters[1]);
    ck_assert(!flight_is_wanted(f, false));
    ck_assert(flight_is_wanted(f, true));
    join(f, 2, true);
    ck_assert(flight_is_wanted(f, false));
    flight_overtake(f);
    ck_assert(!flight_is_wanted(f, false));
    ck_assert(!flight_is_wanted(f, true));
}
END_TEST

START_TEST(in_a_child_the_blocked_are_gone)
{
    struct flight *f = make_waited_for();

    flight_child(f);
    ck_assert_uint_eq(waiting(f), 134);
    ck_assert_uint_eq(f->refs, 1);
    ck_assert_uint_eq(atom_load_relaxed(&f->waiting), 2);
    cond_wake_all(&f->ended); /* it is ready for use */
    f = make(1, 1, NULL);
    flight_child(f); /* nobody waited */
    ck_assert_uint_eq(waiting(f), 0);
    ck_assert_uint_eq(f->refs, 1);
}
END_TEST

/* ---- Blocking */

enum { LONG_AGO = 1 };

static brim_status block(struct flight *f, struct thread *self, uint64_t deadline, bool told)
{
    struct waiter w = {.later = NULL};
    struct waiter *later = NULL;
    brim_status status;

    lock_acquire(&lock);
    flight_join(f, &w);
    if (told)
        flight_tell(f, BRIM_OK, 0, f->entry, &later);
    status = flight_wait(f, &lock, &w, self, deadline);
    ck_assert_int_eq(w.told, told);
    ck_assert_ptr_null(f->waiters);
    ck_assert_uint_eq(atom_load_relaxed(&f->waiting), 0);
    lock_release(&lock);
    ck_assert_ptr_null(atom_load_relaxed(&self->waits_for));
    return status;
}

START_TEST(until_a_time)
{
    struct thread *self = thread_self();
    struct flight *f = make(0, 1, NULL);
    uint64_t waits = atom_load_relaxed(&self->waits), deadline;

    ck_assert(lock_init(&lock, RANK_SHARD));
    ck_assert_int_eq(block(f, self, LONG_AGO, false), BRIM_TIMEOUT);
    ck_assert_uint_eq(atom_load_relaxed(&self->waits), waits + 1);
    deadline = clock_now() + 2000000;
    ck_assert_int_eq(block(f, self, deadline, false), BRIM_TIMEOUT);
    ck_assert_uint_ge(clock_now(), deadline);
    ck_assert_int_eq(block(f, self, LONG_AGO, true), BRIM_OK); /* told before the time is looked at */
    ck_assert_uint_eq(atom_load_relaxed(&self->waits), waits + 3);
    ck_assert_uint_eq(f->refs, 4); /* who waited gives his back himself */
    lock_destroy(&lock);
}
END_TEST

static uint64_t deadline_passed;
static brim_status told_late;
static int rounds_told;
static bool over; /* he has come back, perhaps before he could be told; by the lock */

static void wait_until_then(unsigned id, void *arg)
{
    struct flight *f = arg;
    struct waiter w = {.later = NULL}, *later = NULL;

    lock_acquire(&lock);
    if (id == 0) {
        flight_join(f, &w);
        told_late = flight_wait(f, &lock, &w, thread_self(), deadline_passed);
        over = true;
        lock_release(&lock);
        return;
    }
    while (atom_load_relaxed(&f->waiting) == 0 && !over) {
        lock_release(&lock);
        lock_acquire(&lock);
    }
    while (clock_now() < deadline_passed + 5000000) /* it has timed out, and wants the mutex */
        clock_pause(1000000);
    rounds_told += !over;
    flight_tell(f, BRIM_OK, 0, f->entry, &later);
    lock_release(&lock);
}

/* Told while the time came: what it was given is not lost. */
START_TEST(told_at_the_last_moment)
{
    ck_assert(lock_init(&lock, RANK_SHARD));
    rounds_told = 0;
    while (rounds_told < 5) {
        int before = rounds_told;

        over = false;
        deadline_passed = clock_now() + 20000000;
        crew_do(2, wait_until_then, make(0, 1, NULL));
        ck_assert_int_eq(told_late, rounds_told > before ? BRIM_OK : BRIM_TIMEOUT);
    }
    lock_destroy(&lock);
}
END_TEST

static void tell_all(unsigned id, void *arg)
{
    struct flight *f = arg;
    struct waiter *later = NULL;
    bool all = false;

    (void)id;
    while (!all) {
        lock_acquire(&lock);
        all = atom_load_relaxed(&f->waiting) == 3;
        if (all)
            flight_tell(f, BRIM_FAILED, 9, NULL, &later);
        lock_release(&lock);
    }
}

static void wait_or_tell(unsigned id, void *arg)
{
    struct waiter w = {.later = NULL};
    struct flight *f = arg;

    if (id == 3) {
        tell_all(id, arg);
        return;
    }
    lock_acquire(&lock);
    flight_join(f, &w);
    EXPECT(flight_wait(f, &lock, &w, thread_self(), 0) == BRIM_OK);
    EXPECT(w.status == BRIM_FAILED && w.reason == 9);
    lock_release(&lock);
}

START_TEST(all_who_block_are_woken)
{
    ck_assert(lock_init(&lock, RANK_SHARD));
    for (int round = 0; round < SCALED(200); round++)
        crew_do(4, wait_or_tell, make(0, 1, NULL));
    lock_destroy(&lock);
}
END_TEST

static atomic_bool is_told;

static void wake_for_nothing(unsigned id, void *arg)
{
    struct waiter w = {.later = NULL}, *later = NULL;
    struct flight *f = arg;

    if (id == 0) {
        lock_acquire(&lock);
        flight_join(f, &w);
        EXPECT(flight_wait(f, &lock, &w, thread_self(), 0) == BRIM_OK);
        EXPECT(atomic_load(&is_told));
        lock_release(&lock);
        return;
    }
    for (int wakes = 0; wakes < 100;) {
        lock_acquire(&lock);
        wakes += atom_load_relaxed(&f->waiting) == 1; /* it has given the mutex back: it blocks */
        cond_wake_all(&f->ended);
        lock_release(&lock);
        clock_pause(10000);
        if (wakes > 0 && atom_load_relaxed(&f->waiting) == 0)
            break; /* it is wrong, and has left */
    }
    lock_acquire(&lock);
    atomic_store(&is_told, true);
    flight_tell(f, BRIM_OK, 0, f->entry, &later);
    lock_release(&lock);
}

START_TEST(who_wakes_untold_waits_on)
{
    ck_assert(lock_init(&lock, RANK_SHARD));
    atomic_store(&is_told, false);
    crew_do(2, wake_for_nothing, make(0, 1, NULL));
    lock_destroy(&lock);
}
END_TEST

/* Self owns 0; a waits for it and owns 1; b waits for 1 and owns 2. */
START_TEST(who_would_wait_for_himself)
{
    static struct thread a, b, c;
    struct thread *self = thread_self();
    struct flight *own = make(0, 1, self), *as = make(1, 1, &a), *bs = make(2, 1, &b), *nobodys = make(3, 1, NULL);

    ck_assert(lock_init(&lock, RANK_SHARD));
    ck_assert_int_eq(block(own, self, LONG_AGO, false), BRIM_DEADLOCK);
    ck_assert_int_eq(block(as, self, LONG_AGO, false), BRIM_TIMEOUT);
    atom_store_relaxed(&a.waits_for, own);
    atom_store_relaxed(&b.waits_for, as);
    ck_assert_int_eq(block(as, self, 0, false), BRIM_DEADLOCK);
    ck_assert_int_eq(block(bs, self, 0, false), BRIM_DEADLOCK);
    atom_store_relaxed(&own->owner, NULL); /* as when it has ended */
    ck_assert_int_eq(block(bs, self, LONG_AGO, false), BRIM_TIMEOUT);
    atom_store_relaxed(&own->owner, self);
    atom_store_relaxed(&a.waits_for, nobodys);
    ck_assert_int_eq(block(bs, self, LONG_AGO, false), BRIM_TIMEOUT);
    atom_store_relaxed(&nobodys->owner, &c); /* who waits for nothing */
    ck_assert_int_eq(block(bs, self, LONG_AGO, false), BRIM_TIMEOUT);
    atom_store_relaxed(&a.waits_for, bs); /* a circle of others, who find it themselves */
    ck_assert_int_eq(block(bs, self, LONG_AGO, false), BRIM_TIMEOUT);
    lock_destroy(&lock);
}
END_TEST

#ifdef BRIM_INTERFERE
static struct thread circling;

static void waits_anew(void *arg)
{
    (void)arg;
    (void)atom_add_seq_cst(&circling.waits, 1);
}

static void waits_no_more(void *arg)
{
    (void)arg;
    atom_store_seq_cst(&circling.waits_for, NULL);
}

/*
 * The other of a circle of two moves between, at each place: a circle is believed only if both walks met the same wait,
 * that is if the other moved before the first walk has met it, or after the second.
 */
START_TEST(a_circle_that_moves_is_none)
{
    struct thread *self = thread_self();
    struct flight *own = make(0, 1, self), *theirs = make(1, 1, &circling);
    unsigned verdicts[3] = {0, 0, 0}, stage = 0; /* believed at first, then not, then again */

    atom_store_relaxed(&self->waits_for, theirs);
    for (unsigned after = 0;; after++) {
        bool circle;
        atom_store_relaxed(&circling.waits_for, own);
        atom_interfere(after, _i == 0 ? waits_anew : waits_no_more, NULL);
        circle = flight_would_deadlock(self);
        if (!atom_has_interfered()) {
            ck_assert(circle);
            break;
        }
        if (circle == (stage == 1))
            stage++;
        ck_assert_uint_le(stage, 2);
        verdicts[stage]++;
    }
    atom_store_relaxed(&self->waits_for, NULL);
    ck_assert_uint_eq(stage, 2);
    ck_assert_int_eq(verdicts[0] > 0, _i == 0); /* who waits no more is in no circle */
    ck_assert_uint_gt(verdicts[1], 5);
    ck_assert_uint_gt(verdicts[2], 0);
}
END_TEST

/* Of two, one waits at a time; it leaves, and the other begins.  Thrice, ${after} so many operations each. */
static struct {
    struct thread t[2];
    struct flight *next[2]; /* for which each waits */
    unsigned after[3], turns;
} two;

static void take_turns(void *arg)
{
    unsigned waits = two.turns++ % 2, comes = 1 - waits;

    (void)arg;
    atom_store_seq_cst(&two.t[waits].waits_for, NULL);
    (void)atom_add_seq_cst(&two.t[comes].waits, 1);
    atom_store_seq_cst(&two.t[comes].waits_for, two.next[comes]);
    if (two.turns < 3)
        atom_interfere(two.after[two.turns], take_turns, NULL);
}

/* False: some of the turns were not reached. */
static bool looks_while_they_take_turns(struct thread *self)
{
    two.turns = 0;
    atom_store_relaxed(&two.t[0].waits_for, two.next[0]);
    atom_store_relaxed(&two.t[1].waits_for, NULL);
    atom_interfere(two.after[0], take_turns, NULL);
    ck_assert(!flight_would_deadlock(self));
    (void)atom_has_interfered(); /* it is forgotten */
    return two.turns == 3;
}

/* Self, and both of them, would make a circle, but are never in it at once: also where both walks meet all three. */
START_TEST(a_circle_of_those_who_never_wait_at_once_is_none)
{
    enum { OPERATIONS = 32 };
    struct thread *self = thread_self();
    struct flight *own = make(0, 1, self), *firsts = make(1, 1, &two.t[0]), *seconds = make(2, 1, &two.t[1]);
    unsigned all = 0;

    two.next[0] = seconds;
    two.next[1] = own;
    atom_store_relaxed(&self->waits_for, firsts);
    for (unsigned i = 0; i < OPERATIONS * OPERATIONS * OPERATIONS; i++) {
        two.after[0] = i / (OPERATIONS * OPERATIONS);
        two.after[1] = i / OPERATIONS % OPERATIONS;
        two.after[2] = i % OPERATIONS;
        all += looks_while_they_take_turns(self);
    }
    atom_store_relaxed(&self->waits_for, NULL);
    ck_assert_uint_gt(all, 100);
}
END_TEST
#endif

/* The record of those who have none of their own says nothing of what each waits for. */
START_TEST(the_shared_record_has_timeouts_alone)
{
    static struct thread shared = {.reader.shared = true};
    struct flight *f = make(0, 1, &shared);

    ck_assert(lock_init(&lock, RANK_SHARD));
    ck_assert_int_eq(block(f, &shared, LONG_AGO, false), BRIM_TIMEOUT);
    ck_assert_uint_eq(atom_load_relaxed(&shared.waits), 0);
    lock_destroy(&lock);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("flight");

    tcase_add_test(tc, all_shapes_of_removal);
    tcase_add_test(tc, many_come_and_go);
    tcase_add_test(tc, each_in_its_turn);
    tcase_add_test(tc, found_by_place_and_key);
    tcase_add_loop_test(tc, they_wait_in_order_and_any_may_leave, 0, 3);
    tcase_add_loop_test(tc, what_each_is_told, 0, 3);
    tcase_add_test(tc, who_is_told_waits_for_nothing);
    tcase_add_test(tc, nobody_to_tell);
    tcase_add_test(tc, only_what_flies_is_overtaken);
    tcase_add_test(tc, wanted_while_somebody_waits_or_nobody_did);
    tcase_add_test(tc, in_a_child_the_blocked_are_gone);
    tcase_add_test(tc, until_a_time);
    tcase_add_test(tc, told_at_the_last_moment);
    tcase_add_test(tc, all_who_block_are_woken);
    tcase_add_test(tc, who_wakes_untold_waits_on);
    tcase_add_test(tc, who_would_wait_for_himself);
#ifdef BRIM_INTERFERE
    tcase_add_loop_test(tc, a_circle_that_moves_is_none, 0, 2);
    tcase_add_test(tc, a_circle_of_those_who_never_wait_at_once_is_none);
#endif
    tcase_add_test(tc, the_shared_record_has_timeouts_alone);
    return suite_run(tc);
}
