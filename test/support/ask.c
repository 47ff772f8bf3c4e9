/* SPDX-License-Identifier: MIT */
#include "ask.h"
#include <math.h>

enum { RANDOM_SEED = 20240229 };
#define FIRST_FRESH (UINT64_C(1) << 39)

brim_options ask_options(brim_objective objective, unsigned shards, size_t capacity)
{
    brim_options o;

    brim_options_init(&o, capacity);
    o.objective = objective;
    o.shards = shards;
    o.seed = 1;
    return o;
}

brim_options ask_variant(int variant, size_t capacity)
{
    bool several = CHECKING_BUILD ? variant % 2 != 0 : variant >= OBJECTIVES;

    return ask_options((brim_objective)(variant % OBJECTIVES), several ? SEVERAL : 1, capacity);
}

asker ask_start(brim_options o)
{
    asker a = { .cache = make_cache(&o), .cost = 1, .random = RANDOM_SEED, .fresh = FIRST_FRESH };

    brim_entry_options_init(&a.entry);
    return a;
}

void ask_finish(asker *a)
{
    ck_assert_uint_le(brim_used(a->cache), brim_capacity(a->cache));
    finish(a->cache);
}

bool ask(asker *a, uint64_t key)
{
    void *expected = (void *)(uintptr_t)(key + 1);
    brim_ref *r = brim_find(a->cache, BRIM_KEY(key));
    brim_status s;

    if (r != NULL) {
        EXPECT(brim_ref_value(r) == expected);
        brim_release(r);
        return true;
    }
    s = brim_insert_with(a->cache, BRIM_KEY(key), expected, a->cost, &a->entry, NULL);
    EXPECT_MSG(s == BRIM_OK, "an insert of cost %zu got %d", a->cost, (int)s);
    return false;
}

void ask_fresh(asker *a, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        EXPECT(!ask(a, ++a->fresh));
}

double ask_set(asker *a, uint64_t first, uint64_t keys, uint64_t n)
{
    uint64_t hits = 0;

    for (uint64_t i = 0; i < n; i++)
        hits += ask(a, first + ask_below(a, keys));
    return (double)hits / (double)n;
}

double ask_loop(asker *a, uint64_t first, uint64_t keys, unsigned rounds)
{
    uint64_t hits = 0;

    for (unsigned round = 0; round < rounds; round++)
        for (uint64_t i = 0; i < keys; i++)
            hits += ask(a, first + i);
    return (double)hits / (double)(rounds * keys);
}

uint64_t ask_below(asker *a, uint64_t n)
{
    return (random_next(&a->random) >> 32) % n;
}

double ask_unit(asker *a)
{
    return (double)(random_next(&a->random) >> 11) * 0x1p-53;
}

zipf zipf_new(unsigned keys, double alpha)
{
    zipf z = { keys, malloc(keys * sizeof *z.below) };
    double sum = 0;

    ck_assert_ptr_nonnull(z.below);
    for (unsigned i = 0; i < keys; i++)
        z.below[i] = sum += pow(i + 1, -alpha);
    return z;
}

unsigned zipf_next(const zipf *z, asker *a)
{
    double x = ask_unit(a) * z->below[z->keys - 1];
    unsigned low = 0, high = z->keys - 1;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (z->below[middle] > x)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

void zipf_free(zipf *z)
{
    free(z->below);
}
