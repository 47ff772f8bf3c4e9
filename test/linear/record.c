/* SPDX-License-Identifier: MIT */
#include "linear/record.h"

#include "linear/must.h"

#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>

#define MAGIC_LIVE UINT64_C(0x6C696E6561726C76)
#define MAGIC_DEAD UINT64_C(0x6C696E6561726464)

void problem(struct round *r, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (atomic_fetch_add(&r->problems, 1) < 10)
        fprintf(stderr, "brim-linear: VIOLATION, seed %" PRIu64 ": %s\n", r->seed, text);
}

uint32_t roll(struct worker *w, uint32_t n)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (uint32_t)((w->random >> 20) % n);
}

uint32_t pick_key(struct worker *w)
{
    return roll(w, 2) * roll(w, w->round->keys);
}

/* ---- Times */

/* One clock for all, and in the order of everything else: times from several counters gave false alarms. */
uint64_t tick(struct round *r)
{
    return atomic_fetch_add(&r->clock, 1) + 1;
}

/* Let another thread run: within the library too where it is built with yields. */
static void pause_sometimes(struct worker *w)
{
    if (roll(w, 8) == 0)
        sched_yield();
}

struct op *op_begin(struct worker *w, enum what what, uint32_t key, uint32_t a)
{
    struct op *op = &w->op[w->count++];

    *op = (struct op){.thread = w->number, .key = key, .what = what, .a = a};
    op->called = tick(w->round);
    pause_sometimes(w);
    return op;
}

void op_end(struct worker *w, struct op *op, uint32_t result)
{
    pause_sometimes(w);
    op->returned = tick(w->round);
    op->result = result;
}

/* ---- Values */

uint32_t value_number(struct round *r)
{
    return FIRST_VALUE + atomic_fetch_add_explicit(&r->values, 1, memory_order_relaxed);
}

struct value *value_new(struct round *r, uint32_t number, uint32_t key)
{
    struct value *v = must_alloc(1, sizeof *v);

    atomic_init(&v->magic, MAGIC_LIVE);
    v->number = number;
    v->key = key;
    atomic_fetch_add_explicit(&r->made, 1, memory_order_relaxed);
    return v;
}

void value_discard(struct round *r, struct value *v)
{
    if (atomic_exchange_explicit(&v->magic, MAGIC_DEAD, memory_order_relaxed) != MAGIC_LIVE) {
        problem(r, "a value is destroyed twice");
        return;
    }
    atomic_fetch_add_explicit(&r->destroyed, 1, memory_order_relaxed);
    free(v);
}

uint32_t value_seen(struct round *r, const struct value *v, uint32_t key)
{
    if (atomic_load_explicit(&v->magic, memory_order_relaxed) != MAGIC_LIVE)
        problem(r, "what is found of key %" PRIu32 " is destroyed", key);
    if (v->key != key)
        problem(r, "what is found of key %" PRIu32 " is of key %" PRIu32, key, v->key);
    return v->number;
}

uint32_t ref_seen(struct round *r, brim_ref *ref, uint32_t key)
{
    uint32_t number;

    if (ref == NULL)
        return NOTHING;
    number = value_seen(r, brim_ref_value(ref), key);
    brim_release(ref);
    return number;
}

/* ---- Handles */

static struct handle *handle_place(struct round *r, brim_key *key)
{
    size_t i = (uintptr_t)key * UINT64_C(0x9E3779B97F4A7C15) >> 46;

    for (;; i = (i + 1) % HANDLES) {
        brim_key *there = atomic_load(&r->handles[i].key);

        if (there == NULL || there == key)
            return &r->handles[i];
    }
}

void handle_keep(struct round *r, const struct named *n)
{
    brim_key *copy = brim_key_copy(n->key), *there = NULL;
    struct handle *h = handle_place(r, copy);

    while (!atomic_compare_exchange_strong(&h->key, &there, copy) && there != copy) {
        h = handle_place(r, copy);
        there = NULL;
    }
    if (there == copy)
        brim_key_drop(copy); /* it is kept already */
    atomic_store(&h->value, n->value);
}

uint32_t handle_value(struct round *r, brim_key *key)
{
    struct handle *h;
    uint32_t value;

    if (key == NULL)
        return NOTHING;
    h = handle_place(r, key);
    while ((value = atomic_load(&h->value)) == NOTHING)
        sched_yield();
    return value;
}
