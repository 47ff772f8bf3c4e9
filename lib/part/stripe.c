/* SPDX-License-Identifier: MIT */
#include "part/stripe.h"

#define STRIPE_ALIGN 128

/* Chunk k holds the numbers from 8 * (2^k - 1) on, 8 * 2^k of them. */
static unsigned chunk_of(unsigned number)
{
    return (unsigned)(31 - __builtin_clz(number / STRIPE_FIRST + 1));
}

static unsigned chunk_start(unsigned k)
{
    return STRIPE_FIRST * ((1u << k) - 1);
}

static size_t chunk_size(unsigned k)
{
    return (size_t)STRIPE_FIRST << k;
}

static size_t stripe_bytes(unsigned k)
{
    return chunk_size(k) * sizeof(struct stripe);
}

bool stripes_init(struct stripes *s, const brim_allocator *mem)
{
    struct stripe *first = mem_alloc_zeroed(mem, stripe_bytes(0), STRIPE_ALIGN);

    if (first == NULL)
        return false;
    first[0].shared = true;
    s->mem = mem;
    atom_store_release(&s->chunk[0], first);
    return true;
}

void stripes_destroy(struct stripes *s)
{
    for (unsigned k = 0; k < STRIPE_CHUNKS; k++)
        mem_free(s->mem, atom_load_acquire(&s->chunk[k]), stripe_bytes(k), STRIPE_ALIGN);
}

struct stripe *stripe_ready_slow(struct stripes *s, unsigned number)
{
    unsigned k = chunk_of(number);
    struct stripe *chunk = k < STRIPE_CHUNKS ? atom_load_acquire(&s->chunk[k]) : NULL;

    return chunk != NULL ? chunk + (number - chunk_start(k)) : atom_load_acquire(&s->chunk[0]);
}

struct stripe *stripe_of_slow(struct stripes *s, unsigned number)
{
    unsigned k = chunk_of(number);
    struct stripe *chunk, *none = NULL;

    if (k >= STRIPE_CHUNKS)
        return atom_load_acquire(&s->chunk[0]);
    chunk = atom_load_acquire(&s->chunk[k]);
    if (chunk == NULL) {
        chunk = mem_alloc_zeroed(s->mem, stripe_bytes(k), STRIPE_ALIGN);
        if (chunk == NULL)
            return atom_load_acquire(&s->chunk[0]);
        if (PLANTED(stripe_publishes_by_store))
            atom_store_release(&s->chunk[k], chunk);
        /* Sequentially consistent: before a section at one of its stripes is seen, it is (edge last). */
        while (!PLANTED(stripe_publishes_by_store) && none == NULL && !atom_cas_seq_cst(&s->chunk[k], &none, chunk)) {
        }
        if (none != NULL) { /* another thread was first */
            mem_free(s->mem, chunk, stripe_bytes(k), STRIPE_ALIGN);
            chunk = none;
        }
    }
    return chunk + (number - chunk_start(k));
}

void stripes_each(const struct stripes *s, void (*fn)(struct stripe *st, void *arg), void *arg)
{
    for (unsigned k = 0; k < STRIPE_CHUNKS; k++) {
        struct stripe *chunk = atom_load_seq_cst(&((struct stripes *)(uintptr_t)s)->chunk[k]); /* as stripe_of_slow */
        for (size_t i = 0; chunk != NULL && i < chunk_size(k); i++)
            fn(&chunk[i], arg);
    }
}

struct sum {
    size_t offset;
    uint64_t total;
};

static void add_one(struct stripe *st, void *arg)
{
    struct sum *sum = arg;
    stripe_counter *counter = (void *)((char *)st + sum->offset);

    sum->total += atom_load_relaxed(counter);
}

uint64_t stripes_sum(const struct stripes *s, size_t offset)
{
    struct sum sum = {offset, 0};

    stripes_each(s, add_one, &sum);
    return sum.total;
}

static void add_pinned(struct stripe *st, void *arg)
{
    for (unsigned i = 0; i < STRIPE_KINDS; i++)
        *(uint64_t *)arg += atom_load_relaxed(&st->of[i].pinned);
}

size_t stripes_pinned(const struct stripes *s)
{
    uint64_t sum = 0;

    stripes_each(s, add_pinned, &sum);
    return (int64_t)sum > 0 ? (size_t)sum : 0;
}

size_t stripes_bytes(const struct stripes *s)
{
    size_t n = 0;

    for (unsigned k = 0; k < STRIPE_CHUNKS; k++)
        if (atom_load_acquire(&s->chunk[k]) != NULL)
            n += stripe_bytes(k);
    return n;
}
