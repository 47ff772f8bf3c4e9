/* SPDX-License-Identifier: MIT */
#include "part/thread.h"

#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"
#include "part/membarrier.h"

#define RECORD_ALIGN 128 /* two lines: the neighbour's is prefetched along */

_Thread_local struct thread_tls thread_tls;

static struct thread overflow = {.reader = {.shared = true}};
static pthread_once_t once = PTHREAD_ONCE_INIT;
static ATOM(uint32_t) exit_key; /* and 1; 0: none yet */
static ATOM(uint32_t) numbers; /* given out so far */

typedef void exit_fn(struct thread *t);
static ATOM(exit_fn *) on_exit_fn;

void thread_on_exit(void (*fn)(struct thread *t))
{
    atom_store_release(&on_exit_fn, fn);
}

/* Acquire: the key before its number. */
static bool set_exit_key(struct thread *t)
{
    return pthread_setspecific((pthread_key_t)(atom_load_acquire(&exit_key) - 1), t) == 0;
}

/*
 * Runs in each round of a dying thread's destructors and gives the record back in the last but one, so that the
 * user's destructors may still call us; in the last, which belongs to ThreadSanitizer's own, they use the shared
 * record.
 */
static void thread_ends(void *arg)
{
    struct thread *t = arg;

    if (++t->rounds < PTHREAD_DESTRUCTOR_ITERATIONS - 1 && set_exit_key(t))
        return;
    if (t->borrowing != 0)
        atom_load_acquire(&on_exit_fn)(t);
    thread_tls.self = &overflow;
    /* Release: the next owner's stores follow ours (edge record). */
    atom_store_release(&t->in_use, 0);
}

/*
 * Also at a later call, if at the first the system had none left.
 * Release: the key, which the system has made, before its number.  Relaxed, else: who uses it loads the number again.
 */
static bool have_exit_key(void)
{
    uint32_t none = 0;
    pthread_key_t fresh;

    if (atom_load_relaxed(&exit_key) != 0)
        return true;
    if (pthread_key_create(&fresh, thread_ends) != 0)
        return false;
    while (none == 0 && !atom_cas_release(&exit_key, &none, (uint32_t)fresh + 1)) {
    }
    if (none != 0)
        pthread_key_delete(fresh); /* another thread was first */
    return true;
}

/*
 * Sequentially consistent: its sections are to be seen, and before them the record.  Else a writer that does not find
 * it in the list may wait for nobody, and the first section see what was given back (edge enter).
 */
static void push(struct thread *t)
{
    struct thread *head = atom_load_relaxed(&epoch_process.threads); /* relaxed: the exchange acquires it */

    do
        t->next = head;
    while (!atom_cas_seq_cst(&epoch_process.threads, &head, t));
}

static void start(void)
{
    push(&overflow);
    /* Relaxed: whoever reads it, relaxed too, has come by pthread_once, which orders it. */
    atom_store_relaxed(&epoch_mode.asymmetric, membarrier_register() ? 1u : 0u);
}

/* Acquire: the record as its last owner left it (edge record).  A claim hands nothing on. */
static struct thread *reuse(void)
{
    for (struct thread *t = atom_load_acquire(&epoch_process.threads); t != NULL; t = t->next) {
        uint32_t unused = 0;
        if (t->reader.shared || atom_load_relaxed(&t->in_use) != 0)
            continue;
        if (PLANTED(thread_claims_by_store)) {
            atom_store_relaxed(&t->in_use, 1);
            return t;
        }
        if (atom_cas_acquire(&t->in_use, &unused, 1))
            return t;
    }
    return NULL;
}

static struct thread *make(void)
{
    void *p = NULL;
    struct thread *t;

    if (posix_memalign(&p, RECORD_ALIGN, sizeof *t) != 0)
        return NULL;
    t = p;
    atom_store_relaxed(&t->reader.epoch, 0);
    atom_store_relaxed(&t->in_use, 1);
    atom_store_relaxed(&t->waits_for, NULL);
    atom_store_relaxed(&t->waits, 0);
    t->reader.shared = false;
    t->number = atom_add_relaxed(&numbers, 1) + 1;
    push(t);
    return t;
}

struct thread *thread_self_slow(void)
{
    struct thread *t = NULL;

    pthread_once(&once, start);
    if (have_exit_key() && (t = reuse()) == NULL)
        t = make();
    if (t != NULL && !set_exit_key(t)) {
        atom_store_release(&t->in_use, 0);
        t = NULL;
    }
    if (t == NULL)
        return &overflow; /* not remembered: memory may be had at the next call */
    t->rounds = 0;
    t->borrowing = 0;
    t->trimming = 0;
    t->loading = NULL;
    t->random = hash_entropy();
    thread_tls.self = t;
    return t;
}

uint64_t thread_random(struct thread *t)
{
    static ATOM(uint64_t) shared;
    uint64_t state;

    if (!t->reader.shared)
        return hash_random(&t->random);
    state = atom_add_relaxed(&shared, 0x9E3779B97F4A7C15u); /* relaxed: any number will do */
    return hash_random(&state);
}

void thread_child(struct thread *self)
{
    for (struct thread *t = atom_load_acquire(&epoch_process.threads); t != NULL; t = t->next) {
        atom_store_relaxed(&t->reader.epoch, 0); /* nobody forks within a section */
        if (t != self) {
            atom_store_relaxed(&t->in_use, 0);
            atom_store_relaxed(&t->waits_for, NULL);
        }
    }
}
