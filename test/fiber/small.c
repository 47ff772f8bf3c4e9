/* SPDX-License-Identifier: MIT */
#include "fiber/small.h"

#include <stdlib.h>

#define MARK UINT64_C(0x5a5a5a5a5a5a5a5a)

brim_cache *small_cache;

/* Relaxed, all: they must not order what the library has to order. */
static _Atomic(unsigned) made, left[SMALL_CAUSES], gone;
static _Atomic(unsigned) ended[SMALL_VALUES + 1];
static _Atomic(size_t) alive, memory;

/* ---- Memory */

static void *take(size_t n, size_t align, void *arg)
{
    void *p = NULL;

    (void)arg;
    if (posix_memalign(&p, align < sizeof p ? sizeof p : align, n) != 0)
        return NULL;
    atomic_fetch_add_explicit(&memory, n, memory_order_relaxed);
    return p;
}

static void give(void *p, size_t n, size_t align, void *arg)
{
    (void)align;
    (void)arg;
    atomic_fetch_sub_explicit(&memory, n, memory_order_relaxed);
    free(p);
}

static const brim_allocator allocator = {sizeof allocator, take, give, NULL};

/* ---- Values */

struct small_value *small_value(unsigned key, size_t cost)
{
    struct small_value *v = malloc(sizeof *v);

    expect(v != NULL);
    *v = (struct small_value){key, count(&made) + 1, cost, MARK};
    expect(v->number <= SMALL_VALUES);
    atomic_fetch_add_explicit(&alive, cost, memory_order_relaxed);
    return v;
}

static void end_value(struct small_value *v)
{
    expect(v->mark == MARK);
    expect(count(&ended[v->number]) == 0);
    atomic_fetch_sub_explicit(&alive, v->cost, memory_order_relaxed);
    v->mark = 0;
    free(v);
}

void small_refused(struct small_value *v)
{
    end_value(v);
}

static void destroy(void *value, size_t cost, void *arg)
{
    struct small_value *v = value;

    (void)arg;
    expect(cost == v->cost);
    end_value(v);
}

static void removed(const void *key, size_t key_len, void *value, size_t cost, brim_cause cause, void *arg)
{
    (void)arg;
    expect(cost == ((struct small_value *)value)->cost);
    if (key != NULL) {
        expect(key_len == sizeof(unsigned));
        (void)small_look(value, *(const unsigned *)key);
    }
    count(&left[cause]);
}

const brim_kind small_kind = {.size = sizeof small_kind, .name = "small", .destroy = destroy, .removed = removed};

unsigned small_look(const void *value, unsigned key)
{
    const struct small_value *v = value;

    expect(v->mark == MARK);
    expect(v->key == key);
    return v->number;
}

unsigned small_look_at(const brim_ref *ref, unsigned key)
{
    return small_look(brim_ref_value(ref), key);
}

brim_status small_insert(unsigned key, size_t cost, brim_ref **out)
{
    struct small_value *v = small_value(key, cost);
    brim_status status = brim_insert(small_cache, BRIM_KEY(key), v, cost, out);

    if (status != BRIM_OK)
        small_refused(v);
    return status;
}

brim_ref *small_find(unsigned key)
{
    brim_ref *ref = brim_find(small_cache, BRIM_KEY(key));

    if (ref != NULL)
        (void)small_look_at(ref, key);
    return ref;
}

unsigned small_left(brim_cause cause)
{
    return tell(&left[cause]);
}

size_t small_alive(void)
{
    return atomic_load_explicit(&alive, memory_order_relaxed);
}

/* ---- The cache */

static void note_gone(void *arg)
{
    (void)arg;
    expect(count(&gone) == 0);
}

void small_options(brim_options *o, size_t capacity)
{
    brim_options_init(o, capacity);
    o->shards = 1;
    o->seed = fiber_seed() | 1;
    o->kind = &small_kind;
    o->allocator = &allocator;
    o->gone = note_gone;
}

void small_begin(const brim_options *o)
{
    for (unsigned i = 0; i <= tell(&made); i++)
        ended[i] = 0;
    for (unsigned i = 0; i < SMALL_CAUSES; i++)
        left[i] = 0;
    made = gone = 0;
    expect(brim_cache_new(o, &small_cache) == BRIM_OK);
}

void small_free(void)
{
    brim_cache *c = small_cache;

    small_cache = NULL;
    brim_cache_free(c);
}

void small_end(void)
{
    if (small_cache != NULL) {
        expect(brim_check(small_cache, stderr));
        expect(brim_pinned(small_cache) == 0);
        small_free();
    }
    expect(tell(&gone) == 1);
    expect(memory == 0);
    expect(small_alive() == 0);
    for (unsigned i = 1; i <= tell(&made); i++)
        expect(tell(&ended[i]) == 1);
}
