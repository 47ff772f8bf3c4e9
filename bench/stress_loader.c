/* SPDX-License-Identifier: MIT */
#include "stress_loads.h"

#include <inttypes.h>

enum { DEPTH = 3 };

static uint64_t pick_nested(const struct making *m)
{
    return rng_below(m->rng, 4) == 0 ? m->id : load_pick(m->phase, m->rng);
}

/* Another value is needed for this one; perhaps, in a circle, this one itself. */
static void load_nested(const struct making *m)
{
    brim_ref *ref = NULL;
    struct making nested = {.phase = m->phase,
                            .rng = m->rng,
                            .id = pick_nested(m),
                            .depth = m->depth + 1,
                            .kind = rng_below(m->rng, KINDS)};
    const int timeout_ms = rng_below(m->rng, 4) == 0 ? 1 : -1;
    phase_event(m->phase, EVENT_LOAD_NESTED);
    const brim_status status = load_get(&nested, timeout_ms, &ref);
    if (nested.id == m->id && nested.ran)
        stress_violation(m->phase, "G9: key %" PRIu64 " is loaded within its own load, which is %s", m->id,
                         brim_strerror(status));
    brim_release(ref);
}

static size_t pick_size(struct phase *p, struct rng *rng)
{
    return MIN_COST + rng_below(rng, p->shape->max_cost - MIN_COST + 1);
}

static struct value *make(struct making *m, size_t *cost)
{
    struct phase *p = m->phase;
    struct value *v = value_new(p, m->id, 0, m->kind, pick_size(p, m->rng), false);
    fate_give(&m->fate, v);
    atomic_init(&v->stamp, m->stamp);
    m->serial = v->serial;
    *cost = rng_below(m->rng, 64) == 0 ? p->capacity + 1 : v->size;     /* sometimes nobody but those who asked can have it */
    phase_event(p, EVENT_LOADED);
    return v;
}

brim_status load_value(const void *key, size_t len, void *arg, void **value, size_t *cost)
{
    struct making *m = arg;
    struct phase *p = m->phase;
    if (m->ran)
        stress_violation(p, "a loader runs twice in one call");
    if (key_bytes_id(key, len) != m->id)
        stress_violation(p, "G11: the loader of key %" PRIu64 " is called for key %" PRIu64, m->id,
                         key_bytes_id(key, len));
    m->ran = true;
    m->stamp = fate_number(&m->fate);
    flight_begin(p, m->id, m->fate.group);
    if (m->depth < DEPTH && rng_below(m->rng, 4) == 0)
        load_nested(m);
    load_dawdle(p, m->rng, brim_load_current());
    if (rng_below(m->rng, 5) == 0)
        m->failed = reason_new(p, m->id);
    else
        *value = make(m, cost);
    flight_end(p, m->id, m->fate.group);
    return m->failed != 0 ? (brim_status)m->failed : BRIM_OK;
}

/* ---- The answers */

static void check_value(struct making *m, const brim_ref *ref, const struct moment *before)
{
    struct phase *p = m->phase;
    struct value *v = value_check_ref(p, ref);
    if (v->id != m->id)
        stress_violation(p, "G11: a get of key %" PRIu64 " gives a value of key %" PRIu64, m->id, v->id);
    if (m->ran && v->serial != m->serial)
        stress_violation(p, "G9: a get that made value %" PRIu64 " gives value %" PRIu64, m->serial, v->serial);
    if (m->ran && brim_ref_is_cached(ref))
        fate_settle(p, &m->fate, v);
    if (!m->ran)
        moment_check(p, before, v);
}

static void check_failure(struct making *m, const int *reason)
{
    struct phase *p = m->phase;
    if (!m->ran)
        phase_event(p, EVENT_FAILURE_SHARED);
    if (m->ran && m->failed == 0)
        stress_violation(p, "a get that made value %" PRIu64 " is FAILED", m->serial);
    if (reason == NULL)
        return;
    reason_check(p, m->id, *reason);
    if (m->ran && m->failed != *reason)
        stress_violation(p, "a load that failed for reason %d says %d", m->failed, *reason);
}

/* What else a get may be; it made nothing then. */
static void check_other(struct making *m, brim_status status, int timeout_ms)
{
    struct phase *p = m->phase;
    const bool right = status == BRIM_NOMEM || status == BRIM_CANCELED || (status == BRIM_DEADLOCK && m->depth > 0) ||
                       (status == BRIM_TIMEOUT && timeout_ms > 0) || (status == BRIM_PENDING && timeout_ms == 0);
    if (!right || m->ran)
        stress_violation(p, "a get of key %" PRIu64 " that may wait for %d ms is %s, its loader %s", m->id,
                         timeout_ms, brim_strerror(status), m->ran ? "ran" : "did not run");
    if (status == BRIM_DEADLOCK)
        phase_event(p, EVENT_ASKED_ITSELF);
    if (status == BRIM_TIMEOUT)
        phase_event(p, EVENT_GET_TIMEOUT);
    if (status == BRIM_PENDING)
        phase_event(p, EVENT_GET_PENDING);
    if (status == BRIM_CANCELED)
        phase_event(p, EVENT_GET_CANCELED);
}

void load_check(struct making *m, brim_status status, const brim_ref *ref, const int *reason, int timeout_ms,
                const struct moment *before)
{
    struct phase *p = m->phase;
    if ((ref != NULL) != (status == BRIM_OK))
        stress_violation(p, "a get is %s and gives %s", brim_strerror(status), ref != NULL ? "a ref" : "no ref");
    if (reason != NULL && status != BRIM_FAILED && *reason != 0)
        stress_violation(p, "a get is %s for reason %d", brim_strerror(status), *reason);
    if (m->ran && m->failed != 0 && status != BRIM_FAILED)
        stress_violation(p, "a get whose load failed is %s", brim_strerror(status));
    if (m->ran && m->fate.was_closed)
        stress_violation(p, "a load into a closed group is made");
    if (status == BRIM_OK && ref != NULL)
        check_value(m, ref, before);
    else if (status == BRIM_FAILED)
        check_failure(m, reason);
    else
        check_other(m, status, timeout_ms);
}

brim_status load_get(struct making *m, int timeout_ms, brim_ref **ref)
{
    struct phase *p = m->phase;
    struct key_bytes key;
    brim_entry_options e;
    brim_claim_options c;
    int reason = -1;
    brim_entry_options_init(&e);
    brim_claim_options_init(&c);
    e.kind = &p->kinds[m->kind];
    fate_into(&m->fate, &e);
    c.entry = &e;
    c.timeout_ms = timeout_ms;
    c.reason = &reason;
    if (!p->shape->exact && rng_below(m->rng, 4) == 0)
        c.expected_cost = pick_size(p, m->rng);
    key_bytes_make(&key, m->id);
    const struct moment before = moment_now(p);
    const brim_status status = brim_get_with(p->cache, key.data, key.len, &c, load_value, m, ref);
    load_check(m, status, *ref, &reason, timeout_ms, &before);
    return status;
}

/* ---- Operations */

/* To load it again by, when it has left. */
static void keep_loaded(struct lane *l, brim_ref *ref, unsigned kind)
{
    struct loaded_key *k = &l->loaded[rng_below(&l->rng, 2)];
    if (rng_below(&l->rng, 8) != 0)
        return;
    brim_key_drop(k->key);
    *k = (struct loaded_key){brim_ref_key(ref), kind};
}

static void take(struct lane *l, brim_ref *ref)
{
    if (ref == NULL)
        return;
    l->hits++;
    keep_loaded(l, ref, ((const struct value *)brim_ref_value(ref))->kind);
    lane_hit(l, ref);
}

void use_get(struct lane *l)
{
    struct phase *p = l->phase;
    brim_ref *ref = NULL;
    struct making m = {.phase = p, .rng = &l->rng, .id = load_pick(p, &l->rng)};
    struct key_bytes key;
    key_bytes_make(&key, m.id);
    const struct moment before = moment_now(p);
    const brim_status status = brim_get(p->cache, key.data, key.len, load_value, &m, &ref);
    load_check(&m, status, ref, NULL, -1, &before);
    take(l, ref);
}

void use_get_with(struct lane *l)
{
    static const int timeouts[] = {-1, -1, 0, 1, 1, 5};
    struct phase *p = l->phase;
    brim_ref *ref = NULL;
    struct making m = {.phase = p,
                       .rng = &l->rng,
                       .id = load_pick(p, &l->rng),
                       .kind = rng_below(&l->rng, KINDS),
                       .fate = fate_pick(l)};
    (void)load_get(&m, timeouts[rng_below(&l->rng, 6)], &ref);
    take(l, ref);
}

static uint64_t id_of(const brim_key *key)
{
    size_t len = 0;
    const void *data = brim_key_bytes(key, &len);
    return key_bytes_id(data, len);
}

/* It is loaded again with its old kind, groups and ages. */
void use_key_get(struct lane *l)
{
    struct phase *p = l->phase;
    struct loaded_key *k = &l->loaded[rng_below(&l->rng, 2)];
    brim_ref *ref = NULL;
    if (k->key == NULL)
        return;
    struct making m = {.phase = p, .rng = &l->rng, .id = id_of(k->key), .kind = k->kind};
    const brim_key *old = k->key;
    const struct moment before = moment_now(p);
    const brim_status status = brim_key_get(&k->key, load_value, &m, &ref);
    load_check(&m, status, ref, NULL, -1, &before);
    if (status != BRIM_OK && k->key != old)
        stress_violation(p, "a get by key that is %s changes the key", brim_strerror(status));
    if (ref == NULL)
        return;
    brim_key *now = brim_ref_key(ref);
    if (!brim_key_equal(now, k->key))
        stress_violation(p, "G8: a get by key gives one value, and its key another");
    brim_key_drop(now);
    k->kind = ((const struct value *)brim_ref_value(ref))->kind;
    if (m.ran)
        phase_event(p, EVENT_KEY_GET);
    lane_hit(l, ref);
}

void use_load_cancel(struct lane *l)
{
    struct key_bytes key;
    key_bytes_make(&key, load_pick(l->phase, &l->rng));
    if (brim_load_cancel(l->phase->cache, key.data, key.len))
        phase_event(l->phase, EVENT_LOAD_CANCELED);
}
