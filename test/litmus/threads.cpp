// SPDX-License-Identifier: MIT
//
// Threads that come and go: each has a record of its own, which the next takes over as it was left (edge record); a
// writer waits for the sections of those that have just come, too.
#include "litmus.h"

#define BRIM_PART_THREAD_H // what thread.c needs
#include "part/epoch.h"
#include "part/epoch.c"

#include "part/membarrier.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

struct thread_tls {
    struct thread *self;
};
#define BRIM_BASE_HASH_H
#define hash_entropy() 0
#define hash_random(state) 0
#define membarrier_register() false
#define pthread_once(once, fn) ((void)0)
// The system's keys: a number is one only for who comes after its creation.
static int (*key_made)(pthread_key_t *key);
static int (*key_used)(pthread_key_t key, bool deleted);
#define pthread_key_create(key, fn) key_made(key)
#define pthread_key_delete(key) key_used(key, true)
#define pthread_setspecific(key, t) key_used(key, false)

static struct epoch *domain; // of the running schedule
#define epoch_process (*domain)
static struct thread *(*make_record)();
static int take_record(void **out)
{
    *out = make_record();
    return 0;
}
#define posix_memalign(p, align, n) take_record(p)

// The file's own variables live for one schedule.
typedef struct epoch_mode mode_of_records;
#define epoch_mode mode
#define static
#define _Thread_local
struct records {
    mode_of_records mode;
#include "part/thread.c"
};
#undef static

template <typename Self, int THREADS> struct coming_and_going : rl::test_suite<Self, THREADS> {
    records r;
    epoch d;
    struct thread memory[THREADS];
    rl::var<int> field[THREADS + 1]; // of the record of that number: its owner's alone
    rl::atomic<int> counted[THREADS + 1]; // of its stripe: written by a load and a store
    rl::atomic<int> made, calls, keys_made;
    rl::var<bool> is_key[THREADS];

    void before()
    {
        current = this;
        key_made = make_key;
        key_used = use_key;
        keys_made($) = 0;
        domain = &d;
        make_record = make;
        made($) = 0;
        calls($) = 0;
        atom_store_relaxed(&d.now, 1);
        atom_store_relaxed(&d.passed, 0);
        atom_store_relaxed(&d.threads, NULL);
        atom_store_relaxed(&r.numbers, 0);
        atom_store_relaxed(&r.overflow.reader.epoch, 0);
        for (int i = 0; i <= THREADS; i++) {
            field[i]($) = 0;
            counted[i]($) = 0;
        }
        atom_store_relaxed(&r.exit_key, 0);
        r.start();
    }

    static coming_and_going *current;
    static struct thread *make()
    {
        return &current->memory[current->made.fetch_add(1, rl::memory_order_relaxed)];
    }

    static int make_key(pthread_key_t *key)
    {
        *key = (pthread_key_t)current->keys_made.fetch_add(1, rl::memory_order_relaxed);
        current->is_key[*key]($) = true;
        return 0;
    }

    static int use_key(pthread_key_t key, bool deleted)
    {
        RL_ASSERT(current->is_key[key]($));
        if (deleted)
            current->is_key[key]($) = false;
        return 0;
    }

    struct thread *come()
    {
        struct thread *t = r.thread_self_slow();

        RL_ASSERT(t != &r.overflow);
        RL_ASSERT(field[t->number]($) == 0);
        field[t->number]($) = 1;
        counted[t->number].store(counted[t->number].load(rl::memory_order_relaxed) + 1, rl::memory_order_relaxed);
        calls.fetch_add(1, rl::memory_order_relaxed);
        return t;
    }

    void go(struct thread *t)
    {
        RL_ASSERT(field[t->number]($) == 1);
        field[t->number]($) = 0;
        t->rounds = PTHREAD_DESTRUCTOR_ITERATIONS;
        r.thread_ends(t);
    }

    void after()
    {
        int sum = 0, n = 0;

        for (int i = 0; i <= THREADS; i++)
            sum += counted[i]($);
        RL_ASSERT(sum == calls($));
        for (struct thread *t = atom_load_relaxed(&d.threads); t != NULL; t = t->next)
            n++;
        RL_ASSERT(n == made($) + 1);
        interesting += made($) < THREADS; // one was used again
    }
};
template <typename Self, int THREADS>
coming_and_going<Self, THREADS> *coming_and_going<Self, THREADS>::current;

struct taken_over : coming_and_going<taken_over, 3> {
    void thread(unsigned)
    {
        go(come());
    }
};

struct taken_over_by_one : coming_and_going<taken_over_by_one, 2> {
    void thread(unsigned)
    {
        go(come());
    }
};

// A thread that has just come reads what a writer unlinks and gives back.
struct seen : coming_and_going<seen, 2> {
    rl::atomic<int> linked;
    rl::var<int> given_back;

    void before()
    {
        coming_and_going::before();
        linked($) = 1;
        given_back($) = 0;
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            struct thread *t = come();
            epoch_enter(&d, &t->reader);
            if (linked.load(rl::memory_order_acquire)) {
                RL_ASSERT(given_back($) == 0);
                interesting++;
            }
            epoch_leave(&t->reader);
            go(t);
        } else {
            linked.store(0, rl::memory_order_release);
            epoch_wait(&d);
            given_back($) = 1;
        }
    }
};

LITMUS(litmus_part<taken_over, 50000, 1, 2>,
       litmus_part<taken_over_by_one, 20000, 2>,
       litmus_part<seen, 100000, 4>)
