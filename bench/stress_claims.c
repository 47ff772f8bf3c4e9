/* SPDX-License-Identifier: MIT */
#include "stress_loads.h"

#include <inttypes.h>

void claim_begin(struct phase *p, struct claim *c)
{
    c->stamp = fate_number(&c->fate);
    if (c->load == NULL)
        stress_violation(p, "a claim gives no load");
    if (c->fate.was_closed)
        stress_violation(p, "a load into a closed group is claimed");
    flight_begin(p, c->id, c->fate.group);
    phase_event(p, EVENT_CLAIMED);
}

/* ---- How it ends */

static void check_finished(struct phase *p, const struct claim *c, brim_status status, uint64_t serial, brim_ref *out)
{
    if (c->overtaken && status != BRIM_CANCELED)
        stress_violation(p, "G9: the finish of an overtaken load is %s", brim_strerror(status));
    if (status == BRIM_CANCELED)
        phase_event(p, EVENT_FINISH_OVERTAKEN);
    else if (status == BRIM_TOO_BIG || status == BRIM_FULL)
        phase_event(p, EVENT_FINISH_REFUSED);
    else if (status != BRIM_OK)
        stress_violation(p, "the finish of a load of key %" PRIu64 " is %s", c->id, brim_strerror(status));
    if (out == NULL)
        return;
    struct value *v = value_check_ref(p, out);
    if (v->serial != serial)
        stress_violation(p, "G9: the finish with value %" PRIu64 " gives value %" PRIu64, serial, v->serial);
    if (status != BRIM_OK && brim_ref_is_cached(out))
        stress_violation(p, "the finish of a load is %s and its ref says it is cached", brim_strerror(status));
    if (status == BRIM_OK && v->mortal && v->group == c->fate.group)
        fate_settle(p, &c->fate, v);
    brim_release(out);
}

static brim_status give(struct rng *rng, struct claim *c, struct value *v, size_t cost, brim_ref **out)
{
    brim_entry_options e;
    if (rng_below(rng, 4) != 0)
        return brim_load_finish(c->load, v, cost, out);
    brim_entry_options_init(&e);
    e.kind = &v->phase->kinds[c->kind];
    fate_into(&c->fate, &e);
    e.priority = 2;
    const brim_status bad = brim_load_finish_with(c->load, v, cost, &e, out);
    if (bad != BRIM_INVALID)
        stress_violation(v->phase, "a finish with a priority of 2 is %s", brim_strerror(bad));
    e.priority = (int)rng_below(rng, 3) - 1;
    return brim_load_finish_with(c->load, v, cost, &e, out);
}

static void finish(struct phase *p, struct rng *rng, struct claim *c)
{
    const size_t size = MIN_COST + rng_below(rng, p->shape->max_cost - MIN_COST + 1);
    const bool asked = rng_below(rng, 2) == 0, big = rng_below(rng, 8) == 0;
    brim_ref *out = NULL;
    struct value *v = value_new(p, c->id, 0, c->kind, size, false);
    const uint64_t serial = v->serial;
    fate_give(&c->fate, v);
    atomic_init(&v->stamp, c->stamp);
    const bool closed = c->fate.group != NULL && atomic_load(&c->fate.group->closed);
    phase_event(p, EVENT_LOADED);
    flight_end(p, c->id, c->fate.group);
    const brim_status status = give(rng, c, v, big ? p->capacity + 1 : size, asked ? &out : NULL);
    if (closed && status == BRIM_OK)
        stress_violation(p, "the finish of a load into a closed group is OK");
    if (asked && out == NULL)
        stress_violation(p, "the finish of a load is %s and gives no ref", brim_strerror(status));
    check_finished(p, c, status, serial, out);
}

static void fail(struct phase *p, struct rng *rng, struct claim *c)
{
    const int reason = reason_new(p, c->id);
    flight_end(p, c->id, c->fate.group);
    if (rng_below(rng, 2) == 0) {
        brim_load_fail(c->load, reason);
        return;
    }
    brim_load_fail_for(c->load, reason, 1 + rng_below(rng, 10000000));
    phase_event(p, EVENT_FAILED_FOR);
}

void claim_end(struct phase *p, struct rng *rng, struct claim *c)
{
    if (rng_below(rng, 2) == 0)
        brim_load_begin(c->load);
    load_dawdle(p, rng, c->load);
    if (brim_load_asked(c->load) > brim_frame(p->cache))
        stress_violation(p, "a load was asked for in a frame that has not begun");
    if (rng_below(rng, 4) == 0)
        fail(p, rng, c);
    else
        finish(p, rng, c);
}

void claim_settle(struct lane *l, const struct claim *c)
{
    struct claim mine = *c;
    if (rng_below(&l->rng, 3) == 0)
        keeper_take(l->phase, &l->rng, c);
    else
        claim_end(l->phase, &l->rng, &mine);
}

/* ---- Operations */

struct asking {
    brim_entry_options entry;
    brim_claim_options options;
    int reason;
};

static void ask_as(struct lane *l, struct asking *a, const struct claim *c, int timeout_ms)
{
    struct phase *p = l->phase;
    brim_entry_options_init(&a->entry);
    brim_claim_options_init(&a->options);
    a->entry.kind = &p->kinds[c->kind];
    fate_into(&c->fate, &a->entry);
    a->reason = -1;
    a->options.entry = &a->entry;
    a->options.timeout_ms = timeout_ms;
    a->options.reason = &a->reason;
    if (!p->shape->exact && rng_below(&l->rng, 4) == 0)
        a->options.expected_cost = lane_pick_size(l);
}

/* What came of it: as a get, but that the load is still to be made. */
static void settle(struct lane *l, struct claim *c, brim_status status, brim_ref *ref, const int *reason,
                   int timeout_ms, const struct moment *before)
{
    struct making m = {.phase = l->phase, .rng = &l->rng, .id = c->id};
    if ((c->load != NULL) != (status == BRIM_CLAIMED))
        stress_violation(l->phase, "a claim is %s and gives %s", brim_strerror(status),
                         c->load != NULL ? "a load" : "no load");
    if (status != BRIM_CLAIMED) {
        load_check(&m, status, ref, reason, timeout_ms, before);
        if (ref != NULL)
            lane_hit(l, ref);
        return;
    }
    if (ref != NULL)
        stress_violation(l->phase, "a claim gives a load and a ref");
    claim_begin(l->phase, c);
    claim_settle(l, c);
}

void use_claim(struct lane *l)
{
    static const int timeouts[] = {-1, 0, 1, 1, 5};
    struct phase *p = l->phase;
    struct claim c = {.id = load_pick(p, &l->rng), .kind = rng_below(&l->rng, KINDS), .fate = fate_pick(l)};
    struct asking a;
    struct key_bytes key;
    brim_ref *ref = NULL;
    const int timeout_ms = timeouts[rng_below(&l->rng, 5)];
    key_bytes_make(&key, c.id);
    ask_as(l, &a, &c, timeout_ms);
    const struct moment before = moment_now(p);
    const brim_status status = brim_claim_with(p->cache, key.data, key.len, &a.options, &ref, &c.load);
    settle(l, &c, status, ref, &a.reason, timeout_ms, &before);
}

void use_claim_many(struct lane *l)
{
    enum { MOST = 6 };
    struct phase *p = l->phase;
    struct claim claims[MOST];
    struct key_bytes keys[MOST];
    brim_bytes bytes[MOST];
    brim_ref *refs[MOST];
    brim_load *loads[MOST];
    brim_status statuses[MOST];
    struct asking a;
    const struct claim like = {.kind = rng_below(&l->rng, KINDS), .fate = fate_pick(l)};
    const size_t n = rng_below(&l->rng, MOST + 1);
    size_t there = 0, claimed = 0;
    for (size_t i = 0; i < n; i++) {
        claims[i] = like;
        claims[i].id = load_pick(p, &l->rng);
        key_bytes_make(&keys[i], claims[i].id);
        bytes[i] = (brim_bytes){keys[i].data, keys[i].len};
    }
    ask_as(l, &a, &like, 0);
    const struct moment before = moment_now(p);
    const size_t hits = brim_claim_many(p->cache, bytes, n, &a.options, refs, loads, statuses);
    /* First all of them are being made: each key once. */
    for (size_t i = 0; i < n; i++) {
        claims[i].load = loads[i];
        claimed += statuses[i] == BRIM_CLAIMED;
        there += refs[i] != NULL;
        if (statuses[i] == BRIM_CLAIMED)
            claim_begin(p, &claims[i]);
    }
    if (hits != there)
        stress_violation(p, "claims of many say %zu hits and give %zu", hits, there);
    for (size_t i = 0; i < n; i++) {
        if (statuses[i] == BRIM_CLAIMED)
            claim_settle(l, &claims[i]);
        else
            settle(l, &claims[i], statuses[i], refs[i], NULL, 0, &before);
    }
    if (claimed > 0 && n > 1)
        phase_event(p, EVENT_CLAIMED_MANY);
}
