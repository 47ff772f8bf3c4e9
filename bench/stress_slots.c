/* SPDX-License-Identifier: MIT */
#include "stress_use.h"

#include <inttypes.h>

static brim_slot *pick_slot(struct lane *l)
{
    return &l->phase->slots[rng_below(&l->rng, SLOTS)];
}

static const struct known_key *pick_key(struct lane *l)
{
    return &l->keys[rng_below(&l->rng, LANE_KEYS)];
}

void use_slot_load(struct lane *l)
{
    lane_keep_key(l, brim_slot_load(pick_slot(l)), 0);
}

void use_slot_store(struct lane *l)
{
    brim_slot_store(pick_slot(l), brim_key_copy(pick_key(l)->key));
}

void use_slot_exchange(struct lane *l)
{
    lane_keep_key(l, brim_slot_exchange(pick_slot(l), brim_key_copy(pick_key(l)->key)), 0);
}

void use_slot_compare(struct lane *l)
{
    brim_slot *slot = pick_slot(l);
    const bool guess = rng_below(&l->rng, 2) == 0;
    brim_key *expected = guess ? brim_key_copy(pick_key(l)->key) : brim_slot_load(slot);
    brim_key *desired = brim_key_copy(pick_key(l)->key);
    lane_pause(l);
    if (!brim_slot_compare_exchange(slot, expected, desired))
        brim_key_drop(desired);
    brim_key_drop(expected);
}

void use_slot_find(struct lane *l)
{
    const struct moment before = moment_now(l->phase);
    brim_ref *ref = brim_slot_find(pick_slot(l));
    if (ref == NULL)
        return;
    moment_check(l->phase, &before, value_check_ref(l->phase, ref));
    l->hits++;
    lane_hit(l, ref);
}
