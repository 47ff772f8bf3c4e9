/* SPDX-License-Identifier: MIT
 *
 * cache/fork: what the child of a fork finds of what other threads had under way.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "cache/admit.h"
#include "cache/fork.c" /* to register its handlers again */
#include "support/support.h"

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
           put(c, 2, 2, 90) == BRIM_OK && brim_drain(c, -1) == BRIM_OK;
}

START_TEST(reservations_of_others)
{
    crew others;

    c = make_value_cache(100);
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
    tcase_add_test(tc, destructors_of_others);
    tcase_add_test(tc, all_caches_are_on_the_list);
    tcase_add_test(tc, handlers_may_be_there_twice);
    tcase_add_test(tc, in_an_admission_of_its_own);
    return suite_run(tc);
}
