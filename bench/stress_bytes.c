/* SPDX-License-Identifier: MIT */
#include "stress_use.h"

#include <inttypes.h>

struct insertion {
    struct key_bytes key;
    uint64_t id, version, serial;
    unsigned kind;
    size_t size, cost;
    struct value *value;
    struct fate fate;
};

/* fated: it may be in a group, and have an age. */
static struct insertion prepare(struct lane *l, unsigned kind, bool counted, bool fated)
{
    struct insertion in = {.id = lane_pick_writable(l), .kind = kind, .size = lane_pick_size(l)};
    in.cost = in.size;
    in.version = lane_next_version(l, in.id);
    in.value = value_new(l->phase, in.id, in.version, kind, in.size, counted);
    in.serial = in.value->serial;
    if (fated)
        in.fate = fate_pick(l);
    fate_give(&in.fate, in.value);
    key_bytes_make(&in.key, in.id);
    return in;
}

/* A kept key is in the cache after every insert: in a calm phase nothing may be refused. */
static void note_result(struct lane *l, const struct insertion *in, brim_status status)
{
    struct phase *p = l->phase;
    const bool canceled = status == BRIM_CANCELED && in->fate.group != NULL;
    if (status != BRIM_OK && status != BRIM_EXISTS && status != BRIM_FULL && status != BRIM_NOMEM &&
        status != BRIM_TOO_BIG && !canceled)
        stress_violation(p, "an insert is %s", brim_strerror(status));
    fate_check_insert(p, &in->fate, status);
    if (status == BRIM_TOO_BIG && in->cost <= p->min_capacity && !p->shape->charge_overhead)
        stress_violation(p, "G5: %zu is TOO_BIG, capacity at least %zu", in->cost, p->min_capacity);
    if (p->shape->calm && (status == BRIM_FULL || status == BRIM_TOO_BIG))
        stress_violation(p, "G5: %zu does not fit: %s, used %zu, capacity %zu", in->cost, brim_strerror(status),
                         brim_used(p->cache), p->capacity);
    if (status == BRIM_OK && phase_is_kept(p, in->id))
        p->id[in->id].present = in->version;
    if (status == BRIM_OK)
        phase_saw(p, in->id, in->version);
}

static void check_out(struct lane *l, const struct insertion *in, brim_status status, brim_ref *out)
{
    struct phase *p = l->phase;
    const bool expected = status == BRIM_OK || status == BRIM_EXISTS;
    if ((out != NULL) != expected) {
        stress_violation(p, "an insert is %s and gives %s", brim_strerror(status), out != NULL ? "a ref" : "no ref");
        return;
    }
    if (out == NULL)
        return;
    struct value *v = value_check_ref(p, out);
    if (status == BRIM_OK && v->serial == in->serial)
        fate_settle(p, &in->fate, v);
    if (v->id != in->id)
        stress_violation(p, "G11: an insert of key %" PRIu64 " gives a value of key %" PRIu64, in->id, v->id);
    if ((v->serial == in->serial) != (status == BRIM_OK))
        stress_violation(p, "an insert is %s and gives %s value", brim_strerror(status),
                         status == BRIM_OK ? "another" : "its own");
    lane_hit(l, out);
}

static void finish(struct lane *l, const struct insertion *in, brim_status status, bool asked, brim_ref *out)
{
    if (status == BRIM_OK)
        value_taken(l->phase, in->size);
    else
        value_refused(in->value);
    note_result(l, in, status);
    if (asked)
        check_out(l, in, status, out);
}

void use_insert(struct lane *l)
{
    if (!lane_has_room(l))
        return;
    struct insertion in = prepare(l, 0, true, false);
    brim_ref *out = NULL;
    const bool asked = rng_below(&l->rng, 2) == 0;
    const brim_status status =
        brim_insert(l->phase->cache, in.key.data, in.key.len, in.value, in.cost, asked ? &out : NULL);
    if (status == BRIM_EXISTS)
        stress_violation(l->phase, "a plain insert is EXISTS");
    finish(l, &in, status, asked, out);
}

static void random_options(struct lane *l, brim_entry_options *e, const struct insertion *in)
{
    const unsigned kind = in->kind;
    brim_entry_options_init(e);
    fate_into(&in->fate, e);
    e->kind = kind != 0 || rng_below(&l->rng, 2) == 0 ? &l->phase->kinds[kind] : NULL;
    e->priority = (int)rng_below(&l->rng, 3) - 1;
    e->work = rng_below(&l->rng, 1000000);
}

void use_insert_with(struct lane *l)
{
    struct phase *p = l->phase;
    brim_entry_options e;
    brim_ref *out = NULL;
    if (!lane_has_room(l))
        return;
    const unsigned kind = rng_below(&l->rng, KINDS);
    struct insertion in = prepare(l, kind, true, true);
    random_options(l, &e, &in);
    e.only_if_absent = rng_below(&l->rng, 3) == 0;
    e.drop_old = !phase_is_kept(p, in.id) && rng_below(&l->rng, 4) == 0;
    if (rng_below(&l->rng, 4) == 0 && !p->shape->calm && !p->shape->exact)
        in.cost += rng_below(&l->rng, EXTRA_COST);
    const uint64_t present = p->id[in.id].present;
    const bool asked = rng_below(&l->rng, 4) != 0;
    const brim_status status =
        brim_insert_with(p->cache, in.key.data, in.key.len, in.value, in.cost, &e, asked ? &out : NULL);
    if (status == BRIM_EXISTS && !e.only_if_absent)
        stress_violation(p, "an insert over anything is EXISTS");
    if (phase_is_kept(p, in.id) && e.only_if_absent && status != BRIM_NOMEM &&
        (status == BRIM_EXISTS) != (present != 0))
        stress_violation(p, "G6: only_if_absent is %s over version %" PRIu64, brim_strerror(status), present);
    finish(l, &in, status, asked, out);
}

void use_insert_or_wrap(struct lane *l)
{
    struct phase *p = l->phase;
    brim_entry_options e;
    brim_ref *out = NULL;
    if (p->shape->exact || !lane_has_room(l))
        return;
    const unsigned kind = rng_below(&l->rng, KINDS);
    struct insertion in = prepare(l, kind, false, true);
    random_options(l, &e, &in);
    const bool asked = rng_below(&l->rng, 4) != 0;
    const brim_status status =
        brim_insert_or_wrap(p->cache, in.key.data, in.key.len, in.value, in.cost, &e, asked ? &out : NULL);
    if (status == BRIM_NOMEM || status == BRIM_INVALID) {
        value_refused(in.value);
        note_result(l, &in, status);
        return;
    }
    note_result(l, &in, status);
    if (status == BRIM_FULL || status == BRIM_TOO_BIG || status == BRIM_CANCELED)
        phase_saw(p, in.id, in.version);          /* the old entry is gone all the same */
    if (asked && out == NULL)
        stress_violation(p, "insert_or_wrap is %s and gives no ref", brim_strerror(status));
    if (out == NULL)
        return;
    struct value *v = value_check_ref(p, out);
    if (v->serial != in.serial)
        stress_violation(p, "insert_or_wrap gives another value");
    else if (status == BRIM_OK)
        fate_settle(p, &in.fate, v);
    if (status != BRIM_OK && brim_ref_is_cached(out))
        stress_violation(p, "insert_or_wrap is %s and its ref says it is cached", brim_strerror(status));
    lane_hit(l, out);
}

/* More than the capacity ever is. */
void use_insert_big(struct lane *l)
{
    struct phase *p = l->phase;
    struct key_bytes key;
    brim_ref *out = NULL;
    const uint64_t id = lane_pick(l) & ~(uint64_t)3;
    struct value *v = value_new(p, id, 0, 0, MIN_COST, true);
    key_bytes_make(&key, id);
    const size_t cost = p->capacity + 1 + rng_below(&l->rng, 1000);
    const brim_status status = brim_insert(p->cache, key.data, key.len, v, cost, &out);
    if (status != BRIM_TOO_BIG || out != NULL)
        stress_violation(p, "G4: a value above the capacity is %s", brim_strerror(status));
    if (status == BRIM_OK)
        value_taken(p, MIN_COST);
    else
        value_refused(v);
    brim_release(out);
}

struct look_up lane_look_up(struct lane *l, uint64_t id)
{
    struct look_up u = {.id = id,
                        .before = atomic_load_explicit(&l->phase->id[id].seen, memory_order_acquire),
                        .moment = moment_now(l->phase)};
    key_bytes_make(&u.key, id);
    return u;
}

struct look_up lane_pick_look_up(struct lane *l)
{
    return lane_look_up(l, rng_below(&l->rng, 2) == 0 ? lane_pick(l) : lane_pick_writable(l));   /* of its own it knows more */
}

void lane_check_found(struct lane *l, const struct look_up *u, const struct value *v)
{
    struct phase *p = l->phase;
    const uint64_t id = u->id, before = u->before;
    const bool mine = phase_is_kept(p, id) && phase_owner(p, id) == l->number;
    const uint64_t present = mine ? p->id[id].present : 0;
    if (v == NULL) {
        if (present != 0)
            stress_violation(p, "G6: key %" PRIu64 " is not found though version %" PRIu64 " was put there", id,
                             present);
        return;
    }
    moment_check(p, &u->moment, v);
    if (v->id != id)
        stress_violation(p, "G11: look-up of key %" PRIu64 " gives a value of key %" PRIu64, id, v->id);
    if (mine && v->version != present)
        stress_violation(p, "G6: key %" PRIu64 " has version %" PRIu64 ", not %" PRIu64, id, v->version, present);
    if (phase_is_ordered(id) && v->version < before)
        stress_violation(p, "G6: key %" PRIu64 " shows version %" PRIu64 " after %" PRIu64 " was seen", id,
                         v->version, before);
    phase_saw(p, id, v->version);
}

void use_find(struct lane *l)
{
    struct phase *p = l->phase;
    const struct look_up u = lane_pick_look_up(l);
    brim_ref *ref = brim_find(p->cache, u.key.data, u.key.len);
    lane_check_found(l, &u, ref != NULL ? value_check_ref(p, ref) : NULL);
    if (ref == NULL)
        return;
    l->hits++;
    lane_hit(l, ref);
}

void use_contains(struct lane *l)
{
    struct phase *p = l->phase;
    struct key_bytes key;
    const uint64_t id = rng_below(&l->rng, 2) == 0 ? lane_pick(l) : lane_pick_writable(l);   /* of its own it knows more */
    key_bytes_make(&key, id);
    const bool there = brim_contains(p->cache, key.data, key.len);
    if (phase_is_kept(p, id) && phase_owner(p, id) == l->number && there != (p->id[id].present != 0))
        stress_violation(p, "G6: contains says %d of key %" PRIu64 ", version %" PRIu64, there, id,
                         p->id[id].present);
}

void use_remove(struct lane *l)
{
    struct phase *p = l->phase;
    struct key_bytes key;
    const uint64_t id = rng_below(&l->rng, 2) == 0 ? lane_pick(l) : lane_pick_writable(l);   /* of its own it knows more */
    if (!lane_may_remove(l, id))
        return;
    key_bytes_make(&key, id);
    const bool removed = brim_remove(p->cache, key.data, key.len);
    if (!phase_is_kept(p, id))
        return;
    if (removed != (p->id[id].present != 0))
        stress_violation(p, "G6: remove says %d of key %" PRIu64 ", version %" PRIu64, removed, id,
                         p->id[id].present);
    p->id[id].present = 0;
}
