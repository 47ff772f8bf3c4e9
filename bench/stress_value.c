/* SPDX-License-Identifier: MIT */
#include "stress_value.h"

#include "fail.h"
#include "stress_queue.h"

#include <inttypes.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC_LIVE 0x4C49564556414C55u
#define MAGIC_DEAD 0x4445414456414C55u

_Static_assert(sizeof(struct value) + sizeof(uint64_t) <= MIN_COST, "a value has room for its head and its tail");

/* Relaxed throughout: these counters must not order what the library forgot to, or ThreadSanitizer would not see it. */
#define ADD(counter, n) atomic_fetch_add_explicit(&(counter), (n), memory_order_relaxed)

void key_bytes_make(struct key_bytes *key, uint64_t id)
{
    key->len = id == 0 ? 0 : sizeof id + id % 41;
    memcpy(key->data, &id, sizeof id);
    for (size_t i = sizeof id; i < key->len; i++)
        key->data[i] = (unsigned char)(id * 31 + i);
}

uint64_t key_bytes_id(const void *data, size_t len)
{
    uint64_t id = 0;
    if (data == NULL)
        return ID_ANONYMOUS;
    if (len >= sizeof id)
        memcpy(&id, data, sizeof id);
    return id;
}

static uint64_t checksum_of(const struct value *v)
{
    return rng_mix(v->id ^ rng_mix(v->serial ^ rng_mix(v->size + v->kind) ^ (v->version << 8)));
}

static unsigned char *tail_of(const struct value *v)
{
    return (unsigned char *)(uintptr_t)v + v->size - sizeof(uint64_t);
}

struct value *value_new(struct phase *p, uint64_t id, uint64_t version, unsigned kind, size_t size, bool counted)
{
    struct value *v = malloc(size);
    if (v == NULL)
        bench_fail("out of memory");
    memset(v, (int)(id & 0x7F), size);
    atomic_init(&v->magic, MAGIC_LIVE);
    atomic_init(&v->announced, 0);
    v->phase = p;
    v->serial = ADD(p->serial, 1) + 1;
    v->id = id;
    v->version = version;
    v->size = size;
    v->kind = kind;
    v->counted = counted;
    v->mortal = false;
    v->group = NULL;
    atomic_init(&v->stamp, NEVER);
    atomic_init(&v->expires, NEVER);
    v->checksum = checksum_of(v);
    memcpy(tail_of(v), &v->checksum, sizeof v->checksum);
    ADD(p->created, 1);
    return v;
}

bool value_check(const struct phase *p, const struct value *v)
{
    uint64_t tail;
    const uint64_t magic = atomic_load_explicit(&v->magic, memory_order_relaxed);
    if (magic != MAGIC_LIVE) {
        stress_violation(p, "G2: a value that is held or borrowed is %s",
                         magic == MAGIC_DEAD ? "destroyed" : "no value");
        return false;
    }
    memcpy(&tail, tail_of(v), sizeof tail);
    if (v->checksum == checksum_of(v) && tail == v->checksum && v->phase == p)
        return true;
    stress_violation(p, "G2: value %" PRIu64 " of key %" PRIu64 " has changed", v->serial, v->id);
    return false;
}

void value_check_key(const struct value *v, const void *key, size_t len)
{
    struct key_bytes right;
    if ((v->id & ID_ANONYMOUS) != 0) {
        if (key != NULL)
            stress_violation(v->phase, "G8: an anonymous value has key bytes");
        return;
    }
    key_bytes_make(&right, v->id);
    if (key == NULL || len != right.len || memcmp(key, right.data, len) != 0)
        stress_violation(v->phase, "G11: value %" PRIu64 " of key %" PRIu64 " goes by other key bytes", v->serial,
                         v->id);
}

struct value *value_check_ref(const struct phase *p, const brim_ref *ref)
{
    size_t len = 0;
    struct value *v = brim_ref_value(ref);
    (void)value_check(p, v);
    const void *key = brim_ref_key_bytes(ref, &len);
    value_check_key(v, key, len);
    if (brim_ref_cost(ref) < v->size)
        stress_violation(p, "G4: value %" PRIu64 " of %zu bytes costs only %zu", v->serial, v->size,
                         brim_ref_cost(ref));
    if (brim_ref_kind(ref) != &p->kinds[v->kind])
        stress_violation(p, "value %" PRIu64 " has another kind than it was given", v->serial);
    return v;
}

void value_taken(struct phase *p, size_t size)
{
    ADD(p->alive, (int64_t)size);
}

/* Some dead values stay around unreadable for a while, so that who reads one, or destroys it again, finds MAGIC_DEAD. */
static void bury(struct value *v)
{
#if defined(__SANITIZE_ADDRESS__)
    free(v);
#else
    enum { GRAVES = 1024 };
    static _Atomic(struct value *) graves[GRAVES];
    free(atomic_exchange_explicit(&graves[v->serial % GRAVES], v, memory_order_acq_rel));
#endif
}

static void end_value(struct value *v)
{
    struct phase *p = v->phase;
    if (atomic_exchange_explicit(&v->magic, MAGIC_DEAD, memory_order_relaxed) != MAGIC_LIVE) {
        stress_violation(p, "G3: value %" PRIu64 " is destroyed twice", v->serial);
        return;
    }
    ADD(p->destroyed, 1);
    memset((unsigned char *)v + sizeof *v, 0xDD, v->size - sizeof *v);
    bury(v);
}

void value_refused(struct value *v)
{
    (void)value_check(v->phase, v);
    if (atomic_load_explicit(&v->announced, memory_order_relaxed) != 0)
        stress_violation(v->phase, "G3: value %" PRIu64 " was refused and yet announced", v->serial);
    end_value(v);
}

void value_announced(struct value *v, const struct kind_context *context)
{
    (void)value_check(context->phase, v);
    if (v->kind != context->index)
        stress_violation(context->phase, "value %" PRIu64 " is announced to another kind", v->serial);
    if (atomic_exchange_explicit(&v->announced, 1, memory_order_relaxed) != 0)
        stress_violation(context->phase, "value %" PRIu64 " is announced twice", v->serial);
    ADD(context->phase->announced, 1);
}

void value_destroyed(struct value *v, size_t cost, const struct kind_context *context)
{
    struct phase *p = context->phase;
    (void)value_check(p, v);
    if (v->kind != context->index)
        stress_violation(p, "value %" PRIu64 " is destroyed by another kind", v->serial);
    if (p->kinds[v->kind].queue != NULL && !queue_is_collecting() && !atomic_load(&p->queue_dropped))
        stress_violation(p, "value %" PRIu64 " of a queue is destroyed where nobody collects", v->serial);
    if (cost < v->size)
        stress_violation(p, "value %" PRIu64 " of %zu bytes is destroyed at a cost of %zu", v->serial, v->size, cost);
    const bool announced = atomic_load_explicit(&v->announced, memory_order_relaxed) != 0;
    if (v->counted && p->kinds[v->kind].removed != NULL && !announced)
        stress_violation(p, "value %" PRIu64 " is destroyed before it was announced", v->serial);
    const int64_t charged = v->counted ? (int64_t)v->size : 0;
    if (v->serial % 16 == 0)
        sched_yield();                  /* it is alive until the destructor returns, and must be charged till then */
    end_value(v);
    ADD(p->alive, -charged);
}
