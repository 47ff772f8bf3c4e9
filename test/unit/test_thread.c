/* SPDX-License-Identifier: MIT
 *
 * part/thread: one record for each living thread, used again by the next, also from destructors at its end.
 */
#include <limits.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "part/thread.h"
#include "support/support.h"

enum { AT_ONCE = 4, COME_AND_GO = 10000 };

static unsigned records(void)
{
    unsigned n = 0;

    for (struct thread *t = atom_load_acquire(&epoch_process.threads); t != NULL; t = t->next)
        n++;
    return n;
}

static struct thread *seen[AT_ONCE];
static pthread_barrier_t all_seen;

static void show_self(unsigned id, void *arg)
{
    struct thread *t = thread_self();

    (void)arg;
    EXPECT(thread_self() == t);
    EXPECT(!t->reader.shared && t->number > 0);
    seen[id] = t;
    pthread_barrier_wait(&all_seen); /* all of them live */
}

START_TEST(each_living_thread_has_its_own)
{
    struct thread *own = thread_self();

    ck_assert_int_eq(pthread_barrier_init(&all_seen, NULL, AT_ONCE), 0);
    crew_do(AT_ONCE, show_self, NULL);
    pthread_barrier_destroy(&all_seen);
    for (unsigned i = 0; i < AT_ONCE; i++) {
        ck_assert_ptr_ne(seen[i], own);
        for (unsigned j = 0; j < i; j++) {
            ck_assert_ptr_ne(seen[i], seen[j]);
            ck_assert_uint_ne(seen[i]->number, seen[j]->number);
        }
    }
    ck_assert_ptr_eq(thread_self(), own);
}
END_TEST

static void come_by(unsigned id, void *arg)
{
    struct thread *t = thread_self();

    (void)id;
    (void)arg;
    EXPECT(atom_load_relaxed(&t->reader.epoch) == 0);
    section_enter(t);
    section_leave(t);
}

START_TEST(ten_thousand_leave_few)
{
    unsigned before;

    (void)thread_self();
    before = records();
    for (int i = 0; i < SCALED(COME_AND_GO); i += AT_ONCE)
        crew_do(AT_ONCE, come_by, NULL);
    ck_assert_uint_le(records(), before + AT_ONCE);
}
END_TEST

static pthread_key_t user_key; /* younger than the library's: its destructor runs after the library's in each round */
static atomic_uint destructor_calls, shared_calls;

/* In the last of four rounds ThreadSanitizer has left the thread: no code that it compiled can run there. */
#if defined(__SANITIZE_THREAD__)
enum { ROUNDS = 3 };
#elif defined(__has_feature)
enum { ROUNDS = __has_feature(thread_sanitizer) ? 3 : 5 };
#else
enum { ROUNDS = 5 };
#endif
static _Thread_local int rounds;

static void user_destructor(void *arg)
{
    struct thread *t = thread_self();

    EXPECT(t != NULL);
    section_enter(t);
    (void)thread_random(t);
    section_leave(t);
    atomic_fetch_add(&destructor_calls, 1);
    atomic_fetch_add(&shared_calls, t->reader.shared);
    if (++rounds < ROUNDS)
        (void)pthread_setspecific(user_key, arg); /* again in the next round, as long as there is one */
}

static void end_with_destructor(unsigned id, void *arg)
{
    (void)id;
    EXPECT(pthread_setspecific(user_key, arg) == 0);
    come_by(id, arg);
}

START_TEST(destructors_may_call)
{
    unsigned before, threads = 0;

    (void)thread_self();
    ck_assert_int_eq(pthread_key_create(&user_key, user_destructor), 0);
    atomic_store(&destructor_calls, 0);
    atomic_store(&shared_calls, 0);
    before = records();
    for (; threads < 100 * AT_ONCE; threads += AT_ONCE)
        crew_do(AT_ONCE, end_with_destructor, &threads);
    ck_assert_uint_ge(atomic_load(&destructor_calls), threads);
    ck_assert_uint_le(atomic_load(&shared_calls), 2 * threads); /* the last two of four rounds at most */
    ck_assert_uint_le(records(), before + AT_ONCE);
    ck_assert(epoch_passed(&epoch_process, epoch_stamp(&epoch_process)));
    ck_assert_int_eq(pthread_key_delete(user_key), 0);
}
END_TEST

static struct {
    struct thread *t;
    unsigned calls, rounds;
} ended;

static void on_exit_borrowing(struct thread *t)
{
    EXPECT(t == thread_self() && t->borrowing == 1);
    t->borrowing = 0;
    ended.t = t;
    ended.calls++;
    ended.rounds = t->rounds;
}

static void end_borrowing(unsigned id, void *arg)
{
    (void)id;
    thread_self()->borrowing = *(unsigned *)arg;
    seen[0] = thread_self();
}

START_TEST(who_ends_while_borrowing_is_told)
{
    unsigned borrowing;

    thread_on_exit(on_exit_borrowing);
    memset(&ended, 0, sizeof ended);
    for (borrowing = 0; borrowing < 2; borrowing++) {
        crew_do(1, end_borrowing, &borrowing);
        ck_assert_uint_eq(ended.calls, borrowing);
    }
    ck_assert_ptr_eq(ended.t, seen[0]);
    ck_assert_uint_eq(ended.rounds, PTHREAD_DESTRUCTOR_ITERATIONS - 1); /* the last but one */
    ck_assert_uint_eq(atom_load_relaxed(&ended.t->in_use), 0);
}
END_TEST

START_TEST(random_numbers_differ)
{
    struct thread own = {.random = 1}, other = {.random = 2}, shared = {.reader = {.shared = true}};
    uint64_t state = 1, x = thread_random(&own);

    ck_assert_uint_eq(x, hash_random(&state)); /* its own sequence */
    ck_assert_uint_ne(x, thread_random(&own));
    ck_assert_uint_ne(x, thread_random(&other));
    ck_assert_uint_ne(thread_random(&shared), thread_random(&shared));
    ck_assert_uint_eq(shared.random, 0); /* it has none of its own, which threads would share */
}
END_TEST

static gate inside[2];

static void stay_inside(unsigned id, void *arg)
{
    struct thread *t = thread_self();

    (void)arg;
    section_enter(t);
    atom_store_relaxed(&t->waits_for, (struct flight *)(void *)t); /* anything */
    seen[id] = t;
    gate_stop_here(&inside[id]);
    atom_store_relaxed(&t->waits_for, NULL);
    section_leave(t);
}

static bool is_free(struct thread *t)
{
    return atom_load_relaxed(&t->in_use) == 0 && atom_load_relaxed(&t->waits_for) == NULL &&
           epoch_entered(&t->reader) == EPOCH_NONE;
}

START_TEST(a_child_frees_the_others_records)
{
    int status = -1;
    crew c;
    pid_t pid;

    (void)thread_self();
    for (int i = 0; i < 2; i++)
        gate_init(&inside[i]);
    crew_start(&c, 2, stay_inside, NULL);
    for (int i = 0; i < 2; i++)
        gate_wait_reached(&inside[i]);
    pid = fork();
    if (pid == 0) {
        struct thread *self = thread_self();
        thread_child(self);
        _exit(epoch_passed(&epoch_process, epoch_stamp(&epoch_process)) && is_free(seen[0]) && is_free(seen[1]) &&
                      atom_load_relaxed(&self->in_use) == 1 && thread_self() == self
                  ? 0
                  : 1);
    }
    for (int i = 0; i < 2; i++)
        gate_open(&inside[i]);
    crew_join(&c);
    for (int i = 0; i < 2; i++)
        gate_destroy(&inside[i]);
    ck_assert_int_gt(pid, 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

/* The one key serves all threads: also those that begin when there is none left. */
START_TEST(no_thread_needs_a_key_of_its_own)
{
    static pthread_key_t key[PTHREAD_KEYS_MAX];
    struct thread *own = thread_self();
    unsigned n = 0;

    while (n < PTHREAD_KEYS_MAX && pthread_key_create(&key[n], NULL) == 0)
        n++;
    ck_assert_int_eq(pthread_barrier_init(&all_seen, NULL, 1), 0);
    crew_do(1, show_self, NULL);
    pthread_barrier_destroy(&all_seen);
    while (n > 0)
        (void)pthread_key_delete(key[--n]);
    ck_assert_ptr_ne(seen[0], own);
    ck_assert_uint_eq(atom_load_relaxed(&seen[0]->in_use), 0);
}
END_TEST

#ifdef BRIM_INTERFERE
/* Of the first call's operations: in the first, of pthread_once, another thread would wait for ours. */
enum { IN_ONCE = 3, NOT_SO_MANY = 2 };

static crew other;
static gate other_has_called;

static void call_and_stay(unsigned id, void *arg)
{
    (void)id;
    seen[1] = thread_self();
    gate_stop_here(arg);
}

static void another_calls(void *arg)
{
    crew_start(&other, 1, call_and_stay, arg);
    gate_wait_reached(arg);
}

/* How many keys for thread-specific data are left. */
static unsigned keys_left(void)
{
    static pthread_key_t key[PTHREAD_KEYS_MAX];
    unsigned n = 0;

    while (n < PTHREAD_KEYS_MAX && pthread_key_create(&key[n], NULL) == 0)
        n++;
    for (unsigned i = 0; i < n; i++)
        (void)pthread_key_delete(key[i]);
    return n;
}

static int first_calls_meet(unsigned after)
{
    unsigned keys = keys_left();
    bool ok, meet;

    gate_init(&other_has_called);
    atom_interfere(after, another_calls, &other_has_called);
    seen[0] = thread_self();
    meet = atom_has_interfered();
    ok = !seen[0]->reader.shared && thread_self() == seen[0] && records() == (meet ? 3 : 2);
    ok = ok && keys_left() == keys - 1; /* one for all threads */
    if (meet) {
        ok = ok && !seen[1]->reader.shared && seen[1] != seen[0] && seen[1]->number != seen[0]->number;
        gate_open(&other_has_called);
        crew_join(&other);
        ok = ok && atom_load_relaxed(&seen[1]->in_use) == 0; /* it was told of the thread's end */
    }
    return !ok ? 1 : meet ? 0 : NOT_SO_MANY;
}

/* Each in a process of its own, in which nobody has called. */
START_TEST(two_first_calls_at_once)
{
    int status = 0;

    ck_assert_uint_eq(records(), 0);
    for (unsigned after = IN_ONCE; status == 0; after++) {
        pid_t pid = fork();

        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
            (void)alarm(60);
            _exit(first_calls_meet(after));
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) != 1);
        ck_assert(status == 0 || after > IN_ONCE + 5);
    }
}
END_TEST
static void claim_a_record(unsigned id, void *arg)
{
    (void)id;
    atom_interfere(*(unsigned *)arg, another_calls, &other_has_called);
    seen[0] = thread_self();
    *(unsigned *)arg += 1;
    if (!atom_has_interfered())
        *(unsigned *)arg = 0;
}

/* Another takes the record that nobody uses while we do. */
START_TEST(a_record_has_one_owner)
{
    unsigned next = 0, all, meetings = 0;

    (void)thread_self();
    crew_do(2, come_by, NULL); /* whose records are used again */
    all = records();
    do {
        gate_init(&other_has_called);
        crew_do(1, claim_a_record, &next);
        if (next > 0) {
            meetings++;
            ck_assert_ptr_ne(seen[0], seen[1]);
            gate_open(&other_has_called);
            crew_join(&other);
        }
        gate_destroy(&other_has_called);
    } while (next > 0);
    ck_assert_uint_ge(meetings, 5);
    ck_assert_uint_le(records(), all + 1);
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("thread");

    tcase_add_test(tc, each_living_thread_has_its_own);
    tcase_add_test(tc, ten_thousand_leave_few);
    tcase_add_test(tc, destructors_may_call);
    tcase_add_test(tc, who_ends_while_borrowing_is_told);
    tcase_add_test(tc, random_numbers_differ);
    tcase_add_test(tc, a_child_frees_the_others_records);
    tcase_add_test(tc, no_thread_needs_a_key_of_its_own);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, two_first_calls_at_once);
    tcase_add_test(tc, a_record_has_one_owner);
#endif
    return suite_run(tc);
}
