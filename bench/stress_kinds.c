/* SPDX-License-Identifier: MIT */
#include "stress_kinds.h"

#include "stress_value.h"

static void on_destroy(void *value, size_t cost, void *arg)
{
    value_destroyed(value, cost, arg);
}

static void on_destroy_entry(const void *key, size_t len, void *value, size_t cost, void *arg)
{
    value_check_key(value, key, len);
    value_destroyed(value, cost, arg);
}

/* Only for what was evicted, and as a kind without a listener: else listeners would keep one another going for ever. */
static void insert_from_listener(struct phase *p, uint64_t random)
{
    struct key_bytes key;
    const uint64_t id = random % p->ids & ~(uint64_t)3;
    struct value *v = value_new(p, id, 0, 0, MIN_COST, true);
    key_bytes_make(&key, id);
    const brim_status status = brim_insert(p->cache, key.data, key.len, v, MIN_COST, NULL);
    if (status == BRIM_OK)
        value_taken(p, MIN_COST);
    else
        value_refused(v);
    if (status == BRIM_INVALID)
        stress_violation(p, "G1: an insert in a listener is INVALID");
}

/* Within a section of the thread's own, if it has one. */
static void peek_from_listener(struct phase *p, const struct key_bytes *key)
{
    const brim_status status = brim_read_begin(p->cache);
    if (status != BRIM_OK && status != BRIM_NOMEM)
        stress_violation(p, "a section in a listener is %s", brim_strerror(status));
    if (status != BRIM_OK)
        return;
    const struct value *v = brim_peek(p->cache, key->data, key->len);
    if (v != NULL && value_check(p, v))
        value_check_key(v, key->data, key->len);
    brim_read_end(p->cache);
}

static void use_cache_from_listener(struct phase *p, uint64_t random, brim_cause cause)
{
    struct key_bytes key;
    key_bytes_make(&key, random % p->ids);
    (void)brim_contains(p->cache, key.data, key.len);
    brim_ref *ref = brim_find(p->cache, key.data, key.len);
    if (ref != NULL)
        (void)value_check_ref(p, ref);
    brim_release(ref);
    if (p->shape->borrow)
        peek_from_listener(p, &key);
    if (cause != BRIM_EVICTED || p->looking)
        return;
    if (random >> 60 == 0)
        (void)brim_remove(p->cache, key.data, key.len);
    else if (random >> 60 <= 3)
        insert_from_listener(p, random);
}

static void on_removed(const void *key, size_t len, void *value, size_t cost, brim_cause cause, void *arg)
{
    struct kind_context *context = arg;
    struct value *v = value;
    value_check_key(v, key, len);
    value_announced(v, context);
    if (cost < v->size)
        stress_violation(context->phase, "a value of %zu bytes is announced at a cost of %zu", v->size, cost);
    if ((unsigned)cause > BRIM_FREED ||
        (cause == BRIM_EVICTED && context->phase->shape->calm && !context->phase->filling))
        stress_violation(context->phase, "a value leaves for cause %u", (unsigned)cause);
    if (cause != BRIM_FREED)
        use_cache_from_listener(context->phase, rng_mix(v->serial + context->phase->seed), cause);
}

static void on_unused(void *arg)
{
    struct kind_context *context = arg;
    atomic_fetch_add(&context->unused, 1);
}

void kinds_gone(void *phase)
{
    struct phase *p = phase;
    atomic_fetch_add(&p->gone, 1);
}

void kinds_init(struct phase *p)
{
    static const char *const names[KINDS] = {"plain", "entry", "heard", "heard entry"};
    for (unsigned i = 0; i < KINDS; i++) {
        p->contexts[i] = (struct kind_context){.phase = p, .index = i};
        p->kinds[i] =
            (brim_kind){.size = sizeof(brim_kind), .name = names[i], .unused = on_unused, .arg = &p->contexts[i]};
        if (i % 2 == 0)
            p->kinds[i].destroy = on_destroy;
        else
            p->kinds[i].destroy_entry = on_destroy_entry;
        if (i >= 2)
            p->kinds[i].removed = on_removed;
    }
    p->kinds[QUEUED_KIND].queue = p->queue;
}
