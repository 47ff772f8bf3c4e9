/* SPDX-License-Identifier: MIT */
#include "fail.h"
#include "stress_loads.h"

#include <inttypes.h>
#include <stdlib.h>

/* Counted by who will be told, and by the lane that may cancel it. */
struct asked {
    struct phase *phase;
    uint64_t id;
    struct moment before;
    _Atomic unsigned holders;
    _Atomic bool told, canceled;
};

static void let_go(struct asked *a, unsigned holders)
{
    if (atomic_fetch_sub(&a->holders, holders) == holders)
        free(a);
}

/* ---- Being told */

static void check_told(struct asked *a, const brim_ref *ref, int reason)
{
    struct phase *p = a->phase;
    if (ref == NULL && reason == BRIM_CANCELED) {
        phase_event(p, EVENT_ASYNC_CANCELED);
        return;
    }
    if (ref == NULL) {
        reason_check(p, a->id, reason);
        phase_event(p, EVENT_ASYNC_FAILED);
        return;
    }
    const struct value *v = value_check_ref(p, ref);
    if (v->id != a->id)
        stress_violation(p, "G11: who waits for key %" PRIu64 " is given a value of key %" PRIu64, a->id, v->id);
    moment_check(p, &a->before, v);
    phase_event(p, EVENT_ASYNC_VALUE);
}

static void on_done(brim_ref *ref, int reason, void *arg)
{
    struct asked *a = arg;
    if (atomic_exchange(&a->told, true))
        stress_violation(a->phase, "who waits for key %" PRIu64 " is told twice", a->id);
    if (atomic_load(&a->canceled))
        stress_violation(a->phase, "who waits for key %" PRIu64 " is told though it canceled that", a->id);
    check_told(a, ref, reason);
    brim_release(ref);
    atomic_fetch_sub_explicit(&a->phase->asked, 1, memory_order_relaxed);
    let_go(a, 1);
}

/* ---- The lane's part */

static void cancel(struct phase *p, struct async_wait *w)
{
    unsigned holders = 1;
    if (w->asked == NULL)
        return;
    if (brim_wait_cancel(w->wait)) {
        atomic_store(&w->asked->canceled, true);
        if (atomic_load(&w->asked->told))
            stress_violation(p, "a wait for key %" PRIu64 " is canceled though it was told", w->asked->id);
        atomic_fetch_sub_explicit(&p->asked, 1, memory_order_relaxed);
        phase_event(p, EVENT_WAIT_CANCELED);
        holders = 2; /* nobody will be told */
    } else {
        phase_event(p, EVENT_WAIT_LATE);
    }
    let_go(w->asked, holders);
    *w = (struct async_wait){0};
}

void use_wait_cancel(struct lane *l)
{
    cancel(l->phase, &l->waits[rng_below(&l->rng, LANE_WAITS)]);
}

void lane_drop_waits(struct lane *l)
{
    for (int i = 0; i < LANE_WAITS; i++)
        cancel(l->phase, &l->waits[i]);
}

static struct asked *ask(struct phase *p, uint64_t id, bool kept)
{
    struct asked *a = bench_alloc(1, sizeof *a);
    a->phase = p;
    a->id = id;
    a->before = moment_now(p);
    atomic_init(&a->holders, kept ? 2 : 1);
    atomic_fetch_add_explicit(&p->asked, 1, memory_order_relaxed);
    return a;
}

/* Not pending: nobody will be told. */
static void forget(struct asked *a, bool kept)
{
    if (atomic_load(&a->told))
        stress_violation(a->phase, "somebody is told of key %" PRIu64 " who does not wait", a->id);
    atomic_fetch_sub_explicit(&a->phase->asked, 1, memory_order_relaxed);
    let_go(a, kept ? 2 : 1);
}

/* Mostly for later. */
static void keep_wait(struct lane *l, brim_wait *wait, struct asked *a, bool briefly)
{
    struct async_wait *w = &l->waits[rng_below(&l->rng, LANE_WAITS)];
    cancel(l->phase, w);
    *w = (struct async_wait){wait, a};
    if (briefly)
        cancel(l->phase, w);
}

static void check_answer(struct lane *l, struct claim *c, brim_status status, brim_ref *ref, int reason,
                         const struct moment *before)
{
    struct making m = {.phase = l->phase, .rng = &l->rng, .id = c->id};
    if ((c->load != NULL) != (status == BRIM_CLAIMED))
        stress_violation(l->phase, "an asynchronous claim is %s and gives %s", brim_strerror(status),
                         c->load != NULL ? "a load" : "no load");
    if (status == BRIM_CLAIMED) {
        claim_begin(l->phase, c);
        claim_settle(l, c);
        return;
    }
    load_check(&m, status, ref, &reason, 0, before);
    if (ref != NULL)
        lane_hit(l, ref);
}

void use_claim_async(struct lane *l)
{
    struct phase *p = l->phase;
    struct claim c = {.id = load_pick(p, &l->rng), .kind = rng_below(&l->rng, KINDS), .fate = fate_pick(l)};
    const bool kept = rng_below(&l->rng, 3) != 0;
    struct asked *a = ask(p, c.id, kept);
    const struct moment before = a->before;
    struct key_bytes key;
    brim_entry_options e;
    brim_claim_options o;
    brim_ref *ref = NULL;
    brim_wait *wait = NULL;
    int reason = -1;
    key_bytes_make(&key, c.id);
    brim_entry_options_init(&e);
    brim_claim_options_init(&o);
    e.kind = &p->kinds[c.kind];
    fate_into(&c.fate, &e);
    o.entry = &e;
    o.reason = &reason;
    const brim_status status =
        brim_claim_async(p->cache, key.data, key.len, &o, on_done, a, &ref, &c.load, kept ? &wait : NULL);
    if ((wait != NULL) != (kept && status == BRIM_PENDING))
        stress_violation(p, "an asynchronous claim is %s and gives %s", brim_strerror(status),
                         wait != NULL ? "a wait" : "no wait");
    if (status == BRIM_PENDING)
        phase_event(p, EVENT_ASYNC_PENDING);
    else
        forget(a, kept);
    if (status == BRIM_PENDING && kept)
        keep_wait(l, wait, a, rng_below(&l->rng, 4) == 0);
    check_answer(l, &c, status, ref, reason, &before);
}
