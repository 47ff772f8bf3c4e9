/* SPDX-License-Identifier: MIT */
#include "fail.h"
#include "stress_loads.h"

#include <stdlib.h>
#include <time.h>

/* What was there is ended here: a place is never full. */
void keeper_take(struct phase *p, struct rng *rng, const struct claim *c)
{
    struct claim *given = bench_alloc(1, sizeof *given);
    *given = *c;
    phase_event(p, EVENT_HANDED_OVER);
    struct claim *old = atomic_exchange_explicit(&p->handed[rng_below(rng, HANDED)], given, memory_order_acq_rel);
    if (old != NULL)
        claim_end(p, rng, old);
    free(old);
}

static bool cancel(struct phase *p, const struct key_bytes *key)
{
    if (!brim_load_cancel(p->cache, key->data, key->len))
        return false;
    phase_event(p, EVENT_LOAD_CANCELED);
    return true;
}

static bool insert_newer(struct phase *p, uint64_t id, const struct key_bytes *key)
{
    struct value *v = value_new(p, id, 0, 0, MIN_COST, true);
    const brim_status status = brim_insert(p->cache, key->data, key->len, v, MIN_COST, NULL);
    if (status == BRIM_OK)
        value_taken(p, MIN_COST);
    else
        value_refused(v);
    return status == BRIM_OK;
}

/* Sometimes whoever waits is sent away first, or something newer comes: then it must publish nothing. */
static void overtake(struct phase *p, struct rng *rng, struct claim *c)
{
    struct key_bytes key;
    key_bytes_make(&key, c->id);
    switch (rng_below(rng, 16)) {
    case 0:
        c->overtaken = cancel(p, &key);
        break;
    case 1:
        c->overtaken = insert_newer(p, c->id, &key);
        break;
    case 2:
        (void)brim_remove(p->cache, key.data, key.len);
        c->overtaken = true;
        break;
    default:
        break;
    }
}

static bool end_one(struct phase *p, struct rng *rng, unsigned place)
{
    struct claim *c = atomic_exchange_explicit(&p->handed[place], NULL, memory_order_acq_rel);
    if (c == NULL)
        return false;
    overtake(p, rng, c);
    claim_end(p, rng, c);
    free(c);
    return true;
}

static bool end_all(struct phase *p, struct rng *rng)
{
    bool any = false;
    for (unsigned i = 0; i < HANDED; i++)
        any = end_one(p, rng, i) || any;
    return any;
}

void *keeper_run(void *phase)
{
    struct phase *p = phase;
    struct rng rng = {.state = rng_mix(p->seed + p->number) + 1};
    bool last;
    do {
        last = atomic_load(&p->keep_no_more);
        const struct timespec rest = {.tv_nsec = 20000 + rng_below(&rng, 4) * 100000};
        nanosleep(&rest, NULL);
    } while (end_all(p, &rng) || !last);
    return NULL;
}
