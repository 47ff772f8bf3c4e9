/* SPDX-License-Identifier: MIT */
#include "keyset.h"

#include "../fail.h"
#include "../rng.h"

#include <stdlib.h>

enum { FIRST_SLOTS = 1024 };

void keyset_init(struct keyset *set)
{
    *set = (struct keyset){.slots = bench_alloc(FIRST_SLOTS, sizeof *set->slots), .slot_count = FIRST_SLOTS};
}

void keyset_end(struct keyset *set)
{
    free(set->slots);
}

/* Where the key is, or could be put. */
static uint64_t *find_slot(const struct keyset *set, uint64_t key)
{
    size_t i = rng_mix(key) & (set->slot_count - 1);
    while (set->slots[i] != 0 && set->slots[i] != key)
        i = (i + 1) & (set->slot_count - 1);
    return &set->slots[i];
}

static void enlarge(struct keyset *set)
{
    const struct keyset old = *set;
    set->slot_count *= 2;
    set->slots = bench_alloc(set->slot_count, sizeof *set->slots);
    for (size_t i = 0; i < old.slot_count; i++)
        if (old.slots[i] != 0)
            *find_slot(set, old.slots[i]) = old.slots[i];
    free(old.slots);
}

static bool add_zero(struct keyset *set)
{
    const bool added = !set->has_zero;
    set->has_zero = true;
    set->count += added ? 1 : 0;
    return added;
}

bool keyset_add(struct keyset *set, uint64_t key)
{
    if (key == 0)
        return add_zero(set);
    uint64_t *slot = find_slot(set, key);
    if (*slot == key)
        return false;
    *slot = key;
    set->count++;
    if (set->count > set->slot_count / 2)
        enlarge(set);
    return true;
}
