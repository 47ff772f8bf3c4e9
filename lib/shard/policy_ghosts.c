/* SPDX-License-Identifier: MIT */
#include "shard/policy_ghosts.h"

_Static_assert(sizeof(struct ghost_bucket) == 64, "a bucket is a cache line");
_Static_assert(sizeof(struct ghosts) == 64, "and so the head is one too");

static uint32_t buckets_for(uint32_t entries)
{
    return (uint32_t)(((uint64_t)entries * GHOSTS_AN_ENTRY + GHOST_RING - 1) / GHOST_RING) + 1;
}

size_t ghosts_size(uint32_t entries)
{
    return sizeof(struct ghosts) + sizeof(struct ghost_bucket) * buckets_for(entries);
}

void ghosts_init(struct ghosts *g, uint32_t entries)
{
    g->buckets = buckets_for(entries);
}

/* The product's upper bits choose the bucket, so the tag comes from a second mixing of all of them. */
static uint16_t tag_of(uint32_t mixed)
{
    uint32_t tag = (mixed ^ mixed >> 15) * 0x85EBCA6Bu >> 20; /* a step of MurmurHash3's finaliser */

    return (uint16_t)((tag > 1 ? tag : 2) << 4);
}

void ghosts_put(struct ghosts *g, uint32_t place, unsigned frequency)
{
    uint32_t mixed = ghosts_mix(place);
    uint16_t *slot = ghosts_bucket(g, mixed)->slot, *cursor = &slot[GHOST_RING];

    slot[*cursor] = (uint16_t)(tag_of(mixed) | (frequency < GHOST_FREQUENCY ? frequency : GHOST_FREQUENCY));
    *cursor = (uint16_t)(*cursor + 1 < GHOST_RING ? *cursor + 1 : 0);
}

/* Where a ghost with ${tag} lies; -1: nowhere.  Written so that compilers do it with vectors; the cursor is no tag. */
static int find(const uint16_t slot[GHOST_RING + 1], uint16_t tag)
{
    int16_t found = 0;

    /* NOLINTBEGIN(bugprone-too-small-loop-variable, bugprone-narrowing-conversions): 32 at the most */
    for (int16_t i = 0; i < GHOST_RING + 1; i++) {
        int16_t here = (slot[i] & 0xfff0) == tag ? (int16_t)(i + 1) : 0;
        found = here > found ? here : found;
    }
    /* NOLINTEND(bugprone-too-small-loop-variable, bugprone-narrowing-conversions) */
    return found - 1;
}

bool ghosts_have(struct ghosts *g, uint32_t place)
{
    uint32_t mixed = ghosts_mix(place);

    return find(ghosts_bucket(g, mixed)->slot, tag_of(mixed)) >= 0;
}

int ghosts_take(struct ghosts *g, uint32_t place, unsigned reach)
{
    uint32_t mixed = ghosts_mix(place);
    uint16_t *slot = ghosts_bucket(g, mixed)->slot;
    int i = find(slot, tag_of(mixed)), age, frequency;

    if (i < 0)
        return -1;
    age = slot[GHOST_RING] - 1 - i;
    frequency = slot[i] & GHOST_FREQUENCY;
    slot[i] = 0;
    return (age >= 0 ? age : age + GHOST_RING) < (int)reach ? frequency : -1;
}
