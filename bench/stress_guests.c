/* SPDX-License-Identifier: MIT */
#include "stress_guests.h"

#include "fail.h"
#include "stress_value.h"

#include <brim_debug.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { GUESTS = 8, GUEST_LOANS = 8, GUEST_LOOKS = 200 };

struct guest {
    struct guests *all;
    unsigned number;
    pthread_t thread;
    struct rng rng;
    struct loan loans[GUEST_LOANS];
    unsigned loan_count;
    brim_key *key;                      /* of the first loan, or NULL */
};

struct guests {
    struct phase *phase;
    brim_cache *cache;
    pthread_barrier_t meet;             /* all are inside; the cache is about to be freed */
    _Atomic bool freed;
    struct guest guest[GUESTS];
};

/* ---- A guest */

static void borrow_some(struct guest *g)
{
    const struct phase *p = g->all->phase;
    for (int i = 0; i < GUEST_LOOKS && g->loan_count < GUEST_LOANS; i++) {
        struct key_bytes key;
        key_bytes_make(&key, rng_below(&g->rng, p->ids));
        const brim_ref *ref = brim_borrow(g->all->cache, key.data, key.len);
        if (ref == NULL)
            continue;
        const struct value *v = value_check_ref(p, ref);
        g->loans[g->loan_count++] = (struct loan){.value = v, .ref = ref, .serial = v->serial};
    }
    if (g->loan_count == 0)
        return;
    brim_ref *held = brim_ref_hold(g->loans[0].ref);
    g->key = brim_ref_key(held);
    brim_release(held);
}

static void check_loans(const struct guest *g)
{
    const struct phase *p = g->all->phase;
    for (unsigned i = 0; i < g->loan_count; i++) {
        const struct loan *loan = &g->loans[i];
        if (value_check_ref(p, loan->ref) != loan->value || loan->value->serial != loan->serial)
            stress_violation(p, "G2: where value %" PRIu64 " was borrowed is another one", loan->serial);
    }
    if (atomic_load(&p->gone) != 0)
        stress_violation(p, "G2: gone is called while a section is open");
}

static void use_freed(struct guest *g)
{
    const struct phase *p = g->all->phase;
    if (brim_key_peek(g->key) != NULL)
        stress_violation(p, "G2: a key finds a value though its cache is freed");
    for (unsigned i = 0; i < g->loan_count; i++)
        if (brim_ref_is_cached(g->loans[i].ref))
            stress_violation(p, "G2: a borrowed entry is cached in a cache that is freed");
    check_loans(g);
}

static void wait_until_freed(struct guest *g)
{
    const struct timespec rest = {.tv_nsec = 20000};
    while (!atomic_load(&g->all->freed)) {
        check_loans(g);
        nanosleep(&rest, NULL);
    }
    use_freed(g);
}

/* By its number: ends its section while the cache is freed; later; in a thread's last moment; or holds a value beyond. */
static void *guest_run(void *guest)
{
    struct guest *g = guest;
    brim_cache *cache = g->all->cache;
    const unsigned how = g->number % 4;
    /* NOLINTNEXTLINE(misc-redundant-expression): twice, one in the other */
    const bool nested = brim_read_begin(cache) == BRIM_OK && brim_read_begin(cache) == BRIM_OK;
    if (!nested)
        stress_violation(g->all->phase, "a section cannot be begun");
    borrow_some(g);
    pthread_barrier_wait(&g->all->meet);
    pthread_barrier_wait(&g->all->meet);
    for (uint32_t n = rng_below(&g->rng, 100); n > 0 && how == 0; n--)
        check_loans(g);
    if (how != 0)
        wait_until_freed(g);
    brim_ref *held = how == 3 && g->loan_count > 0 ? brim_ref_hold(g->loans[g->loan_count - 1].ref) : NULL;
    brim_key_drop(g->key);
    brim_read_refresh(cache);           /* nothing: it is nested */
    check_loans(g);
    if (how == 2)
        return NULL;
    brim_read_end(cache);
    check_loans(g);
    if (how == 1)
        brim_read_refresh(cache);
    brim_read_end(cache);
    if (held != NULL)
        (void)value_check_ref(g->all->phase, held);
    brim_release(held);
    return NULL;
}

/* ---- The host */

/* All that can leave has left, and waits. */
static void check_waiting(struct phase *p)
{
    brim_stats stats;
    brim_clear(p->cache);
    if (!brim_check(p->cache, stderr))
        stress_violation(p, "brim_check with sections open");
    brim_stats_get(p->cache, &stats);
    if (stats.sections != GUESTS)
        stress_violation(p, "statistics say %u sections, %d are open", stats.sections, GUESTS);
    if (stats.values != atomic_load(&p->created) - atomic_load(&p->destroyed))
        stress_violation(p, "G3: statistics count %zu values", stats.values);
    if (stats.waiting > stats.used || stats.waiting_values > stats.values ||
        (stats.waiting_values != 0) != (stats.waiting_ns != 0))
        stress_violation(p, "statistics say %zu of %zu values wait", stats.waiting_values, stats.values);
    const brim_status status = brim_drain(p->cache, 0), right = stats.waiting_values != 0 ? BRIM_TIMEOUT : BRIM_OK;
    if (status != right)
        stress_violation(p, "drain with sections open is %s, %zu values wait", brim_strerror(status),
                         stats.waiting_values);
}

struct guests *guests_come(struct phase *p)
{
    struct guests *all = bench_alloc(1, sizeof *all);
    all->phase = p;
    all->cache = p->cache;
    pthread_barrier_init(&all->meet, NULL, GUESTS + 1);
    for (unsigned i = 0; i < GUESTS; i++) {
        struct guest *g = &all->guest[i];
        g->all = all;
        g->number = i;
        g->rng.state = rng_mix(p->seed + p->number) + i;
        const int error = pthread_create(&g->thread, NULL, guest_run, g);
        if (error != 0)
            bench_fail("cannot start a thread: %s", strerror(error));
    }
    pthread_barrier_wait(&all->meet);
    if (p->number % 3 != 0)
        check_waiting(p);
    pthread_barrier_wait(&all->meet);
    return all;
}

void guests_go(struct guests *all)
{
    if (all == NULL)
        return;
    atomic_store(&all->freed, true);
    for (unsigned i = 0; i < GUESTS; i++)
        pthread_join(all->guest[i].thread, NULL);
    pthread_barrier_destroy(&all->meet);
    free(all);
}
