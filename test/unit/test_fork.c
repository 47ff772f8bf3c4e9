/* SPDX-License-Identifier: MIT
 *
 * cache/fork: what the child of a fork finds of what other threads had under way.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

/* In place of the C library's, below: counts, and may refuse. */
static unsigned registered;
static bool refuses;

static int register_handlers(void (*prepares)(void), void (*in_parent)(void), void (*in_child)(void))
{
    if (refuses)
        return ENOMEM;
    registered++;
    return pthread_atfork(prepares, in_parent, in_child);
}

#define pthread_atfork register_handlers
#include "cache/admit.h"
#include "cache/fork.c" /* to register its handlers again */
#undef pthread_atfork
#include "unit/caches.h"

enum { CHILD_OK = 42 };

static brim_cache *c;
static gate under_way;

static uint64_t reserved(void)
{
    return stripes_sum(&c->stripes, offsetof(struct stripe, reserved));
}

/* 0: ${run} found all well in the child. */
static int in_child(bool (*run)(void))
{
    int status = 0;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)alarm(60);
        _exit(run() && brim_check(c, stderr) ? CHILD_OK : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status) - CHILD_OK;
}

static void reserve(unsigned id, void *arg)
{
    struct admission a = {.cache = c, .by = caller_of(c), .charge = 70};

    (void)id;
    (void)arg;
    EXPECT(admit(&a) == BRIM_OK);
    atom_store_relaxed(&c->turn, a.by.t);
    gate_stop_here(&under_way);
    atom_store_relaxed(&c->turn, NULL);
    admit_undo(c, a.by, 70);
}

static bool reservations_are_room_again(void)
{
    return reserved() == 0 && brim_used(c) == 10 && atom_load_relaxed(&c->turn) == NULL &&
           atom_load_relaxed(&c->orphaned) == 0 && put(c, 2, 2, 90) == BRIM_OK && brim_drain(c, -1) == BRIM_OK;
}

START_TEST(reservations_of_others)
{
    brim_cache *newer;
    crew others;

    c = make_value_cache(100);
    newer = make_value_cache(100); /* first in the list */
    ck_assert_int_eq(put(c, 1, 1, 10), BRIM_OK);
    gate_init(&under_way);
    crew_start(&others, 1, reserve, NULL);
    gate_wait_reached(&under_way);
    ck_assert_int_eq(in_child(reservations_are_room_again), 0);
    ck_assert_uint_eq(reserved(), 70); /* nothing changed here */
    ck_assert_uint_eq(brim_used(c), 80);
    gate_open(&under_way);
    crew_join(&others);
    gate_destroy(&under_way);
    brim_cache_free(newer);
    finish(c);
}
END_TEST

/* ---- Kinds with ceilings: what others were about to take of theirs is free again */

static struct kind *limited[2];

static void take_of_kinds(unsigned id, void *arg)
{
    struct admission a[2];

    (void)id, (void)arg;
    for (int i = 0; i < 2; i++) {
        a[i] = (struct admission){.cache = c, .by = caller_of(c), .charge = 15, .kind = limited[i]};
        EXPECT(admit(&a[i]) == BRIM_OK);
    }
    gate_stop_here(&under_way);
    for (int i = 0; i < 2; i++)
        admit_cancel(&a[i]);
}

static bool kinds_have_their_values_only(void)
{
    return kind_used(limited[0]) == 10 && kind_used(limited[1]) == 10 && !limit_counts(&c->default_kind->limit);
}

START_TEST(ceilings)
{
    brim_kind kinds[2] = {value_kind, value_kind};
    crew others;

    c = make_value_cache(100);
    for (uint64_t i = 0; i < 2; i++) {
        brim_entry_options o = entry_defaults();

        kinds[i].ceiling = 30;
        o.kind = &kinds[i];
        ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(i), value_new(i, 10), 10, &o, NULL), BRIM_OK);
        limited[i] = kind_look_up(c, &kinds[i]);
        ck_assert_ptr_nonnull(limited[i]);
    }
    gate_init(&under_way);
    crew_start(&others, 1, take_of_kinds, NULL);
    gate_wait_reached(&under_way);
    ck_assert_int_eq(in_child(kinds_have_their_values_only), 0);
    ck_assert_uint_eq(kind_used(limited[0]), 25);
    ck_assert_uint_eq(kind_used(limited[1]), 25);
    gate_open(&under_way);
    crew_join(&others);
    gate_destroy(&under_way);
    ck_assert(kinds_have_their_values_only());
    finish(c);
}
END_TEST

/* ---- Loads: those whose loader another thread runs have ended, claims go on */

enum { SHARDS = 4 };

static uint64_t key_of_load[3]; /* the first in the first shard, the others not */
static brim_load *claims[2];
static told later;

static void make_of_shards(void)
{
    brim_options o = value_options(1000);
    uint64_t key = 0;

    o.shards = SHARDS;
    c = make_cache(&o);
    ck_assert_uint_eq(c->shard_count, SHARDS);
    for (int i = 0; i < 3; i++) {
        while ((cache_shard(c, hash_place(hash_bytes(&c->hash, &key, sizeof key))) == &c->shards[0]) != (i == 0))
            key++;
        key_of_load[i] = key++;
    }
}

static void load_last(unsigned id, void *arg)
{
    brim_claim_options o = expecting(30);
    brim_ref *ref = NULL;

    (void)id;
    EXPECT(brim_get_with(c, BRIM_KEY(key_of_load[2]), &o, make_value, arg, &ref) == BRIM_OK);
    brim_release(ref);
}

static uint64_t by_loads(void)
{
    return atom_load_relaxed(&c->by_loads);
}

/* What the one that has ended had reserved goes with it, at the next call. */
static bool claims_go_on(void)
{
    bool well = by_loads() == 60 && brim_used(c) == 60 && stats_of(c).loading == 2 &&
                claim_status(c, key_of_load[2], 0) == BRIM_CLAIMED && by_loads() == 30 && brim_used(c) == 30 &&
                claim_status(c, key_of_load[0], 0) == BRIM_PENDING &&
                claim_status(c, key_of_load[1], 0) == BRIM_PENDING;

    for (int i = 0; i < 2; i++)
        well = well && finish_load(claims[i], 1, 1, NULL) == BRIM_OK;
    return well && by_loads() == 0 && brim_used(c) == 2;
}

START_TEST(loads_in_all_shards)
{
    maker m = {.id = 1, .cost = 1, .stop = &under_way};
    brim_claim_options o = expecting(10);
    crew others;

    make_of_shards();
    gate_init(&under_way);
    crew_start(&others, 1, load_last, &m);
    gate_wait_reached(&under_way);
    claims[0] = claim_with(c, key_of_load[0], &o);
    o.expected_cost = 20;
    claims[1] = claim_with(c, key_of_load[1], &o);
    ck_assert_int_eq(in_child(claims_go_on), 0);
    ck_assert_uint_eq(by_loads(), 60);
    for (int i = 0; i < 2; i++)
        brim_load_fail(claims[i], 1);
    gate_open(&under_way);
    crew_join(&others);
    gate_destroy(&under_way);
    ck_assert_uint_eq(by_loads(), 0);
    finish(c);
}
END_TEST

static bool it_is_told(void)
{
    return atomic_load(&later.calls) == 0 && claim_status(c, 7, 0) == BRIM_CLAIMED &&
           atomic_load(&later.calls) == 1 && !later.got && later.reason == BRIM_CANCELED &&
           claim_status(c, 1, 0) == BRIM_CLAIMED;
}

/* As a thread looks at it that was blocked, has been told that the load was canceled, and is on its way out. */
static void look_at_flight(brim_load *l, bool looks)
{
    struct shard *sh = load_shard(l);

    lock_acquire(&sh->lock);
    if (looks)
        flight_ref(&l->flight);
    else
        (void)flight_unref(&l->flight);
    lock_release(&sh->lock);
}

/* Who waits to be told is told by the next call, also if a thread that is gone (1) is blocked or (2) was. */
START_TEST(a_wait_for_a_load_of_another)
{
    maker m = {.id = 1, .cost = 1, .stop = &under_way};
    asking loads, waits;

    c = make_value_cache(100);
    gate_init(&under_way);
    asking_start(&loads, c, 1, &m);
    gate_wait_reached(&under_way);
    if (_i == 1)
        asking_start_waiting(&waits, c, 1, NULL, m.load);
    else if (_i == 2)
        look_at_flight(m.load, true);
    (void)wait_for(c, 1, &later);
    ck_assert_int_eq(in_child(it_is_told), 0);
    told_nothing(&later);
    if (_i == 2)
        look_at_flight(m.load, false);
    gate_open(&under_way);
    asking_join(&loads);
    asking_got(&loads, 1, true);
    if (_i == 1) {
        asking_join(&waits);
        asking_got(&waits, 1, true);
    }
    told_got(&later, 1, true);
    gate_destroy(&under_way);
    finish(c);
}
END_TEST

static void stop_here(void *what, size_t cost, void *arg)
{
    (void)what;
    (void)cost;
    (void)arg;
    gate_stop_here(&under_way);
}

static void remove_one(unsigned id, void *arg)
{
    (void)id;
    (void)arg;
    EXPECT(brim_remove(c, "k", 1));
}

/* Another thread's destructor will never end in the child: its charge stays, and nobody waits for it. */
static bool half_destroyed_stays(void)
{
    return brim_drain(c, -1) == BRIM_OK && brim_used(c) == 30 && put(c, 1, 1, 70) == BRIM_OK && has(c, 1) &&
           brim_insert(c, "k", 1, NULL, 70, NULL) == BRIM_OK;
}

START_TEST(destructors_of_others)
{
    brim_kind kind = {.destroy = stop_here};
    brim_entry_options o;
    crew others;

    brim_entry_options_init(&o);
    o.kind = &kind;
    c = make_value_cache(100);
    ck_assert_int_eq(brim_insert_with(c, "k", 1, &kind, 30, &o, NULL), BRIM_OK);
    gate_init(&under_way);
    crew_start(&others, 1, remove_one, NULL);
    gate_wait_reached(&under_way);
    ck_assert_int_eq(in_child(half_destroyed_stays), 0);
    gate_open(&under_way);
    crew_join(&others);
    gate_destroy(&under_way);
    ck_assert_uint_eq(brim_used(c), 0);
    finish(c);
}
END_TEST

static brim_cache *many[5];

static bool all_work(void)
{
    bool ok = true;

    for (int i = 0; i < 5; i++) {
        ok = ok && (many[i] == NULL || (put(many[i], 1, 1, 1) == BRIM_OK && brim_check(many[i], stderr)));
        if (many[i] != c)
            brim_cache_free(many[i]);
    }
    return ok;
}

/* The list of caches, as they come and go in any order. */
START_TEST(all_caches_are_on_the_list)
{
    static const int order[] = {2, 0, 4, 1};

    for (int i = 0; i < 5; i++)
        many[i] = make_value_cache(100);
    c = many[3];
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(in_child(all_work), 0);
        brim_cache_free(many[order[i]]);
        many[order[i]] = NULL;
    }
    ck_assert_int_eq(in_child(all_work), 0);
    ck_assert_int_eq(put(c, 1, 1, 1), BRIM_OK); /* no lock was kept */
    finish(c);
}
END_TEST

/* ---- Locks, and the handlers that take them */

static void expect_free(brim_cache *of, bool is)
{
    ck_assert(lock_is_free(&of->adapt.lock) == is);
    ck_assert(lock_is_free(&of->slab.lock) == is);
    ck_assert(lock_is_free(&of->kind_lock) == is);
    ck_assert(lock_is_free(&of->limbo.lock) == is);
    for (unsigned i = 0; i < of->shard_count; i++)
        ck_assert(lock_is_free(&of->shards[i].lock) == is);
}

START_TEST(all_locks_are_taken)
{
    brim_cache *other;

    make_of_shards();
    other = c;
    make_of_shards();
    for (int i = 0; i < 2; i++) {
        prepare();
        expect_free(c, false);
        expect_free(other, false);
        ck_assert(!lock_is_free(waits_lock()) && !lock_is_free(queues_lock()));
        ck_assert(pins_lock() == NULL || !lock_is_free(pins_lock()));
        parent();
        expect_free(c, true);
        expect_free(other, true);
        ck_assert(lock_is_free(waits_lock()) && lock_is_free(queues_lock()));
        ck_assert(pins_lock() == NULL || lock_is_free(pins_lock()));
    }
    brim_cache_free(other);
    finish(c);
}
END_TEST

static bool one_can_be_made(void)
{
    c = make_value_cache(100);
    return put(c, 1, 1, 1) == BRIM_OK;
}

START_TEST(no_cache_is_left)
{
    brim_cache_free(make_value_cache(100));
    ck_assert_int_eq(in_child(one_can_be_made), 0);
    ck_assert(one_can_be_made());
    finish(c);
}
END_TEST

START_TEST(handlers_are_registered_once)
{
    brim_options o = value_options(100);

    registered = 0;
    atom_store_relaxed(&ready, 0); /* as in a process that has made no cache yet, whatever tests it has run */
    refuses = true;
    ck_assert_int_eq(brim_cache_new(&o, &c), BRIM_NOMEM);
    ck_assert(!fork_start());
    refuses = false;
    ck_assert(fork_start());
    ck_assert(fork_start());
    ck_assert_uint_eq(registered, 1);
}
END_TEST

/* As by two threads that made the first caches at once. */
START_TEST(handlers_may_be_there_twice)
{
    c = make_value_cache(100);
    ck_assert(fork_start());
    atom_store_relaxed(&ready, 0);
    ck_assert(fork_start());
    ck_assert_uint_eq(atom_load_relaxed(&ready), 1);
    for (int i = 0; i < 3; i++) {
        memset(many, 0, sizeof many);
        ck_assert_int_eq(in_child(all_work), 0);
        ck_assert_int_eq(put(c, 1, 1, 1), BRIM_OK); /* no lock was kept */
    }
    finish(c);
}
END_TEST

static struct { pid_t child; unsigned calls; bool turn; } own;

static void fork_within(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    (void)key, (void)len, (void)v, (void)cost, (void)arg;
    if (cause != BRIM_EVICTED || own.calls++ != 1)
        return;
    EXPECT(reserved() > 0); /* by the first victim, which is destroyed */
    atom_store_relaxed(&c->turn, thread_self());
    own.child = fork();
    own.turn = atom_load_relaxed(&c->turn) == thread_self();
    atom_store_relaxed(&c->turn, NULL);
}

/* In a listener, as room is made: the child goes on with it, and keeps what was reserved and whose turn it is. */
START_TEST(in_an_admission_of_its_own)
{
    brim_kind kind = {.size = sizeof kind, .removed = fork_within, .floor = 10};
    brim_options o = value_options(100);
    int status = 0;
    bool well;

    o.kind = &kind;
    c = make_cache(&o);
    own.child = -1;
    own.calls = 0;
    for (uint64_t key = 0; key < 10; key++)
        ck_assert_int_eq(brim_insert(c, BRIM_KEY(key), NULL, 10, NULL), BRIM_OK);
    well = brim_insert(c, BRIM_KEY((uint64_t){10}), NULL, 50, NULL) == BRIM_OK && own.turn && reserved() == 0 &&
           brim_used(c) == 10 * (10 - own.calls) + 50 && kind_used(c->default_kind) == brim_used(c) &&
           tally_amount(&c->default_kind->values) == brim_used(c) && brim_check(c, stderr);
    if (own.child == 0)
        _exit(well ? CHILD_OK : 1);
    ck_assert(well);
    ck_assert_int_gt(own.child, 0);
    ck_assert_int_eq(waitpid(own.child, &status, 0), own.child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), CHILD_OK);
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("fork");

    tcase_add_test(tc, reservations_of_others);
    tcase_add_test(tc, ceilings);
    tcase_add_test(tc, loads_in_all_shards);
    tcase_add_loop_test(tc, a_wait_for_a_load_of_another, 0, 3);
    tcase_add_test(tc, destructors_of_others);
    tcase_add_test(tc, all_caches_are_on_the_list);
    tcase_add_test(tc, all_locks_are_taken);
    tcase_add_test(tc, no_cache_is_left);
    tcase_add_test(tc, handlers_are_registered_once);
    tcase_add_test(tc, handlers_may_be_there_twice);
    tcase_add_test(tc, in_an_admission_of_its_own);
    return suite_run(tc);
}
