/* SPDX-License-Identifier: MIT
 *
 * Loads: asked for, claimed, joined, finished, failed and canceled.  A thread that has claimed one waits for no
 * other, so that none can wait in a circle.
 */
#include "linear/must.h"
#include "linear/record.h"

#include <inttypes.h>
#include <sched.h>
#include <string.h>

enum { MANY = 2, COST = 10 };

static int pick_timeout(struct worker *w)
{
    static const int timeouts[] = {0, 1, -1, -1};

    return w->load_count > 0 ? 0 : timeouts[roll(w, 4)];
}

/* What a get or a claim says that did not load itself. */
static void settle(struct worker *w, struct op *op, brim_status s, brim_ref *ref, int reason)
{
    if ((ref != NULL) != (s == BRIM_OK))
        problem(w->round, "a get is %s and gives %s", brim_strerror(s), ref != NULL ? "a ref" : "none");
    op_end(w, op, ref_seen(w->round, ref, op->key));
    if (s == BRIM_OK)
        return;
    if (s == BRIM_FAILED) {
        op->what = SHARE_FAILURE;
        op->result = (uint32_t)reason;
        return;
    }
    op->what = PENDING;
    if (s != BRIM_PENDING && s != BRIM_TIMEOUT && s != BRIM_CANCELED)
        problem(w->round, "a get is %s", brim_strerror(s));
}

/* ---- Gets */

struct making {
    struct worker *w;
    struct op *get, *end; /* get becomes the claim; end: NULL until the loader has run */
    uint32_t value;
};

static brim_status load(const void *key, size_t key_len, void *arg, void **value, size_t *cost)
{
    struct making *m = arg;
    struct worker *w = m->w;

    (void)key, (void)key_len;
    m->get->what = CLAIM;
    m->get->a = m->value;
    op_end(w, m->get, NOTHING);
    if (roll(w, 2) == 0)
        sched_yield();
    if (roll(w, 8) == 0) {
        m->end = op_begin(w, FAIL, m->get->key, m->value);
        return (brim_status)m->value;
    }
    *value = value_new(w->round, m->value, m->get->key);
    *cost = w->round->model == MODEL_EXACT ? 1 : COST;
    m->end = op_begin(w, FINISH, m->get->key, m->value);
    return BRIM_OK;
}

/* It is known to have been published only if it is still there. */
static void settle_own(struct worker *w, const struct making *m, brim_status s, brim_ref *ref, int reason)
{
    bool cached = brim_ref_is_cached(ref);
    uint32_t number = ref_seen(w->round, ref, m->end->key);
    brim_status right = m->end->what == FAIL ? BRIM_FAILED : BRIM_OK;

    op_end(w, m->end, m->end->what == FAIL ? NOTHING : cached ? m->value : SOMEHOW);
    if (s != right || (s == BRIM_OK && number != m->value) || (s == BRIM_FAILED && (uint32_t)reason != m->value))
        problem(w->round, "a load is %s and gives value %" PRIu32 ", reason %d", brim_strerror(s), number, reason);
}

static void use_get(struct worker *w)
{
    struct round *r = w->round;
    uint32_t k = pick_key(w);
    uint64_t key = k;
    struct making m = {.w = w, .value = value_number(r)};
    brim_claim_options o;
    brim_ref *ref = NULL;
    int reason = 0;
    brim_status s;

    brim_claim_options_init(&o);
    o.timeout_ms = pick_timeout(w);
    o.reason = &reason;
    m.get = op_begin(w, GET, k, 0);
    s = brim_get_with(r->cache, &key, sizeof key, &o, load, &m, &ref);
    if (m.end != NULL)
        settle_own(w, &m, s, ref, reason);
    else
        settle(w, m.get, s, ref, reason);
}

/* The loader's status is the reason: of another's that is not known, and FAILED is what it may be. */
static void use_key_get(struct worker *w)
{
    uint32_t k = pick_key(w);
    struct named *n = &w->names[k];
    struct making m = {.w = w};
    brim_ref *ref = NULL;
    brim_status s;

    if (n->key == NULL || w->load_count > 0)
        return;
    m.value = value_number(w->round);
    m.get = op_begin(w, GET, k, 0);
    s = brim_key_get(&n->key, load, &m, &ref);
    if (s == BRIM_OK)
        n->value = value_seen(w->round, brim_ref_value(ref), k);
    if (m.end != NULL) {
        settle_own(w, &m, s, ref, m.end->what == FAIL ? (int)m.value : 0);
    } else if (s == BRIM_FAILED) {
        op_end(w, m.get, NOTHING);
        m.get->what = PENDING;
    } else {
        settle(w, m.get, s, ref, 0);
    }
}

/* ---- Claims */

static void settle_claim(struct worker *w, struct op *op, uint32_t value, brim_status s, brim_ref *ref,
                         brim_load *claimed, int reason)
{
    if ((s == BRIM_CLAIMED) != (claimed != NULL))
        problem(w->round, "a claim is %s and gives %s load", brim_strerror(s), claimed != NULL ? "a" : "no");
    if (claimed == NULL) {
        settle(w, op, s, ref, reason);
        return;
    }
    op_end(w, op, NOTHING);
    op->what = CLAIM;
    op->a = value;
    w->loads[w->load_count++] = (struct held_load){claimed, value, op->key};
}

static void use_claim(struct worker *w)
{
    uint32_t k = pick_key(w);
    uint64_t key = k;
    brim_claim_options o;
    brim_ref *ref;
    brim_load *claimed;
    int reason = 0;
    brim_status s;
    struct op *op;

    brim_claim_options_init(&o);
    o.timeout_ms = pick_timeout(w);
    o.reason = &reason;
    op = op_begin(w, GET, k, 0);
    s = brim_claim_with(w->round->cache, &key, sizeof key, &o, &ref, &claimed);
    settle_claim(w, op, value_number(w->round), s, ref, claimed, reason);
}

static void use_claim_many(struct worker *w)
{
    uint64_t keys[MANY];
    brim_bytes bytes[MANY];
    brim_ref *refs[MANY];
    brim_load *claimed[MANY];
    brim_status statuses[MANY];
    struct op *ops[MANY];
    uint32_t first = pick_key(w);

    for (uint32_t i = 0; i < MANY; i++) {
        keys[i] = (first + i) % w->round->keys;
        bytes[i] = (brim_bytes){&keys[i], sizeof keys[i]};
        ops[i] = op_begin(w, GET, (uint32_t)keys[i], 0);
    }
    (void)brim_claim_many(w->round->cache, bytes, MANY, NULL, refs, claimed, statuses);
    for (int i = 0; i < MANY; i++)
        settle_claim(w, ops[i], value_number(w->round), statuses[i], refs[i], claimed[i], 0);
}

static void told(brim_ref *ref, int reason, void *arg)
{
    struct join *j = arg;
    const struct value *v = brim_ref_value(ref);

    atomic_store_explicit(&j->result, v != NULL ? v->number : NOTHING, memory_order_relaxed);
    atomic_store_explicit(&j->reason, reason, memory_order_relaxed);
    brim_release(ref);
}

static void use_claim_async(struct worker *w)
{
    uint32_t k = pick_key(w);
    uint64_t key = k;
    struct join *j = &w->joins[w->join_count];
    brim_claim_options o;
    brim_ref *ref;
    brim_load *claimed;
    int reason = 0;
    brim_status s;

    brim_claim_options_init(&o);
    o.reason = &reason;
    j->op = op_begin(w, GET, k, 0);
    s = brim_claim_async(w->round->cache, &key, sizeof key, &o, told, j, &ref, &claimed, NULL);
    settle_claim(w, j->op, value_number(w->round), s, ref, claimed, reason);
    if (s == BRIM_PENDING)
        w->join_count++;
}

/* Only now is it known what they were told: NOTHING and no reason, that they were not. */
void joins_settle(struct worker *w)
{
    for (size_t i = 0; i < w->join_count; i++) {
        const struct join *j = &w->joins[i];
        uint32_t result = atomic_load(&((struct join *)(uintptr_t)j)->result);
        int reason = atomic_load(&((struct join *)(uintptr_t)j)->reason);

        if (result == NOTHING && reason == 0)
            problem(w->round, "who waits for a load of key %" PRIu32 " is never told", j->op->key);
        if (result != NOTHING) {
            j->op->what = JOIN;
            j->op->result = result;
        } else if (reason != BRIM_CANCELED) {
            j->op->what = SHARE_FAILURE;
            j->op->result = (uint32_t)reason;
        }
    }
}

/* ---- Their ends */

static void finish(struct worker *w, const struct held_load *l)
{
    struct round *r = w->round;
    struct value *v = value_new(r, l->value, l->key);
    struct op *op = op_begin(w, FINISH, l->key, l->value);
    brim_ref *ref = NULL;
    brim_status s = brim_load_finish(l->load, v, r->model == MODEL_EXACT ? 1 : COST, roll(w, 2) == 0 ? &ref : NULL);

    op_end(w, op, s == BRIM_OK ? l->value : s == BRIM_CANCELED ? NOTHING : REFUSED);
    if (ref != NULL && ref_seen(r, ref, l->key) != l->value)
        problem(r, "a load gives another value");
    if (s != BRIM_OK && s != BRIM_CANCELED && (r->model == MODEL_EXACT || s != BRIM_FULL))
        problem(r, "the end of a load is %s", brim_strerror(s));
}

void end_load(struct worker *w)
{
    unsigned i = roll(w, w->load_count);
    struct held_load l = w->loads[i];

    w->loads[i] = w->loads[--w->load_count];
    if (roll(w, 6) == 0) {
        struct op *op = op_begin(w, FAIL, l.key, l.value);

        brim_load_fail(l.load, (int)l.value);
        op_end(w, op, NOTHING);
    } else {
        finish(w, &l);
    }
}

static void use_cancel(struct worker *w)
{
    uint32_t k = pick_key(w);
    uint64_t key = k;
    struct op *op = op_begin(w, CANCEL, k, 0);

    op_end(w, op, brim_load_cancel(w->round->cache, &key, sizeof key));
}

void use_load(struct worker *w)
{
    bool room = w->load_count + MANY <= MAX_LOADS;

    switch (roll(w, 10)) {
    case 0:
    case 1:
    case 2: use_get(w); break;
    case 3: use_key_get(w); break;
    case 4:
        if (room)
            use_claim_many(w);
        break;
    case 5: use_cancel(w); break;
    case 6:
    case 7:
        if (room)
            use_claim_async(w);
        break;
    default:
        if (room)
            use_claim(w);
    }
}
