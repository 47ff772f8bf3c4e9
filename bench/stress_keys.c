/* SPDX-License-Identifier: MIT */
#include "stress_use.h"

#include <inttypes.h>

static struct known_key *pick_key(struct lane *l)
{
    return &l->keys[rng_below(&l->rng, LANE_KEYS)];
}

void lane_keep_key(struct lane *l, brim_key *key, uint64_t serial)
{
    struct known_key *k = pick_key(l);
    brim_key_drop(k->key);
    *k = (struct known_key){.key = key, .serial = serial};
}

void lane_drop_keys(struct lane *l)
{
    for (int i = 0; i < LANE_KEYS; i++) {
        brim_key_drop(l->keys[i].key);
        l->keys[i] = (struct known_key){0};
    }
    for (int i = 0; i < 2; i++) {
        brim_key_drop(l->loaded[i].key);
        l->loaded[i] = (struct loaded_key){0};
    }
}

static uint64_t id_of_key(const brim_key *key)
{
    size_t len = 0;
    const void *data = brim_key_bytes(key, &len);
    return key_bytes_id(data, len);
}

void use_key_take(struct lane *l)
{
    struct key_bytes bytes;
    key_bytes_make(&bytes, lane_pick(l));
    brim_ref *ref = brim_find(l->phase->cache, bytes.data, bytes.len);
    if (ref == NULL)
        return;
    const struct value *v = value_check_ref(l->phase, ref);
    brim_key *key = brim_ref_key(ref);
    if (key == NULL || id_of_key(key) != v->id)
        stress_violation(l->phase, "G8: the key of a value of key %" PRIu64 " is none, or has other bytes", v->id);
    lane_keep_key(l, key, v->serial);
    lane_hit(l, ref);
}

/* G8: only ever the value it was issued for, and never again once it was invalid. */
void lane_check_key(struct lane *l, struct known_key *k, const struct value *v)
{
    const struct phase *p = l->phase;
    if (k->key == NULL)
        stress_violation(p, "no key finds a value");
    if (k->dead)
        stress_violation(p, "G8: an invalid key finds value %" PRIu64, v->serial);
    if (k->serial != 0 && k->serial != v->serial)
        stress_violation(p, "G8: the key of value %" PRIu64 " finds value %" PRIu64, k->serial, v->serial);
    k->serial = v->serial;
    l->hits++;
}

void use_key_find(struct lane *l)
{
    struct known_key *k = pick_key(l);
    const struct moment before = moment_now(l->phase);
    brim_ref *ref = brim_key_find(k->key);
    if (ref == NULL)
        return;
    lane_check_key(l, k, value_check_ref(l->phase, ref));
    moment_check(l->phase, &before, brim_ref_value(ref));
    lane_hit(l, ref);
}

void use_key_check(struct lane *l)
{
    struct phase *p = l->phase;
    struct known_key *a = pick_key(l), *b = pick_key(l);
    const bool valid = brim_key_is_valid(a->key);
    if (valid && (a->dead || a->key == NULL))
        stress_violation(p, "G8: a key is valid again");
    a->dead = a->dead || !valid;
    const bool equal = brim_key_equal(a->key, b->key);
    if (equal != brim_key_equal(b->key, a->key) || ((a == b || (a->key == NULL && b->key == NULL)) && !equal))
        stress_violation(p, "brim_key_equal is not an equality");
    if (equal && a->serial != 0 && b->serial != 0 && a->serial != b->serial)
        stress_violation(p, "G8: keys of values %" PRIu64 " and %" PRIu64 " are equal", a->serial, b->serial);
    if (!equal && a->serial != 0 && a->serial == b->serial)
        stress_violation(p, "G8: two keys of value %" PRIu64 " are not equal", a->serial);
}

static void forget_if_none(struct known_key *k)
{
    if (k->key == NULL)
        *k = (struct known_key){0};
}

/* Between variables of this lane: assign, swap, copy. */
void use_key_pass(struct lane *l)
{
    struct known_key *a = pick_key(l), *b = pick_key(l);
    switch (rng_below(&l->rng, 3)) {
    case 0: {
        brim_key_assign(&a->key, b->key);
        a->serial = b->serial;
        a->dead = b->dead;
        break;
    }
    case 1: {
        brim_key_swap(&a->key, &b->key);
        const struct known_key k = *a;
        a->serial = b->serial, a->dead = b->dead;
        b->serial = k.serial, b->dead = k.dead;
        break;
    }
    default: {
        brim_key *copy = brim_key_copy(b->key);
        if (!brim_key_equal(copy, b->key))
            stress_violation(l->phase, "the copy of a key is not equal to it");
        const struct known_key k = *b;
        brim_key_drop(a->key);
        *a = (struct known_key){copy, k.serial, k.dead};
    }
    }
    forget_if_none(a);
    forget_if_none(b);
}

void use_key_remove(struct lane *l)
{
    struct phase *p = l->phase;
    struct known_key *k = pick_key(l);
    const uint64_t id = k->key != NULL ? id_of_key(k->key) : ID_ANONYMOUS;
    if (!lane_may_remove(l, id))
        return;
    const bool removed = brim_key_remove(k->key);
    if (removed && (k->dead || k->key == NULL))
        stress_violation(p, "G8: an invalid key removes something");
    if (brim_key_is_valid(k->key))
        stress_violation(p, "G8: a key is valid after its entry was removed");
    k->dead = true;
    if (removed && phase_is_kept(p, id))
        p->id[id].present = 0;
}

/* What replacing gave: the key names the new value, and its old copies nothing any more. */
static void check_replaced(struct lane *l, struct known_key *k, const brim_key *old, uint64_t serial)
{
    struct phase *p = l->phase;
    if (brim_key_is_valid(old))
        stress_violation(p, "G8: the key of a replaced value is valid");
    if (brim_key_equal(old, k->key))
        stress_violation(p, "G8: the key of a replaced value equals that of the new one");
    k->serial = serial;
    k->dead = false;
}

static void replace(struct lane *l, struct known_key *k, uint64_t id, unsigned kind)
{
    struct phase *p = l->phase;
    const size_t size = lane_pick_size(l);
    const uint64_t version = (id & ID_ANONYMOUS) == 0 ? lane_next_version(l, id) : 0;
    struct value *v = value_new(p, id, version, kind, size, true);
    const uint64_t serial = v->serial;
    brim_key *old = brim_key_copy(k->key);
    const brim_key *variable = k->key;
    const brim_status status = brim_key_replace(&k->key, v, size);
    if (status == BRIM_OK) {
        value_taken(p, size);
        check_replaced(l, k, old, serial);
        if ((id & ID_ANONYMOUS) == 0)
            phase_saw(p, id, version);
        if ((id & ID_ANONYMOUS) == 0 && phase_is_kept(p, id))
            p->id[id].present = version;
    } else {
        value_refused(v);
        if (k->key != variable)
            stress_violation(p, "a replace that is %s changes the key", brim_strerror(status));
        if (status != BRIM_INVALID && status != BRIM_FULL && status != BRIM_TOO_BIG && status != BRIM_NOMEM &&
            (status != BRIM_CANCELED || !p->shape->groups))
            stress_violation(p, "a replace is %s", brim_strerror(status));
        if (p->shape->calm && status == BRIM_FULL)
            stress_violation(p, "G5: a replace by %zu is FULL, used %zu, capacity %zu", size, brim_used(p->cache),
                             p->capacity);
        k->dead = k->dead || status == BRIM_INVALID;
    }
    if (status == BRIM_OK && variable == NULL)
        stress_violation(p, "no key was replaced");
    brim_key_drop(old);
}

void use_key_replace(struct lane *l)
{
    const struct phase *p = l->phase;
    struct known_key *k = pick_key(l);
    if (!lane_has_room(l))
        return;
    brim_ref *ref = brim_key_find(k->key);
    if (ref == NULL) {
        replace(l, k, ID_ANONYMOUS, 0);           /* INVALID, and nothing else */
        return;
    }
    const struct value *v = value_check_ref(p, ref);
    const uint64_t id = v->id;
    const unsigned kind = v->kind;
    lane_hit(l, ref);
    const bool owned = (id & ID_ANONYMOUS) == 0 && (phase_is_ordered(id) || phase_is_kept(p, id));
    if (!owned || phase_owner(p, id) == l->number)
        replace(l, k, id, kind);
}

void use_anonymous(struct lane *l)
{
    struct phase *p = l->phase;
    brim_entry_options e;
    brim_key *key = NULL;
    brim_ref *ref = NULL;
    if (p->shape->calm)
        return;
    const unsigned kind = rng_below(&l->rng, KINDS);
    const size_t size = lane_pick_size(l);
    struct value *v = value_new(p, ID_ANONYMOUS, 0, kind, size, true);
    const uint64_t serial = v->serial;
    brim_entry_options_init(&e);
    e.kind = &p->kinds[kind];
    const bool with_ref = rng_below(&l->rng, 2) == 0;
    const bool with_key = !with_ref || rng_below(&l->rng, 2) == 0;
    const brim_status status =
        brim_insert_anonymous(p->cache, v, size, &e, with_key ? &key : NULL, with_ref ? &ref : NULL);
    if (status == BRIM_OK)
        value_taken(p, size);
    else
        value_refused(v);
    if (status != BRIM_OK && status != BRIM_FULL && status != BRIM_TOO_BIG && status != BRIM_NOMEM)
        stress_violation(p, "insert_anonymous is %s", brim_strerror(status));
    if ((key != NULL) != (with_key && status == BRIM_OK) || (ref != NULL) != (with_ref && status == BRIM_OK))
        stress_violation(p, "insert_anonymous is %s and writes its results wrong", brim_strerror(status));
    if (key != NULL)
        lane_keep_key(l, key, serial);
    if (ref != NULL)
        lane_hit(l, ref);
}
