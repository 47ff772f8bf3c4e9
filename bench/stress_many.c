/* SPDX-License-Identifier: MIT */
#include "stress_use.h"

enum { MOST = 24 };                     /* beyond what the library looks up in one go */

struct batch {
    size_t n;
    struct look_up look_ups[MOST];
    bool bad[MOST];                     /* no key at all: never found */
    brim_bytes bytes[MOST];
};

static void pick_batch(struct lane *l, struct batch *b)
{
    b->n = rng_below(&l->rng, MOST + 1);
    for (size_t i = 0; i < b->n; i++) {
        b->look_ups[i] = lane_pick_look_up(l);
        b->bad[i] = rng_below(&l->rng, 32) == 0;
        b->bytes[i] = (brim_bytes){b->bad[i] ? NULL : b->look_ups[i].key.data, b->look_ups[i].key.len};
        b->bad[i] = b->bad[i] && b->bytes[i].len > 0;
    }
}

/* Keys of one length, which is returned; of none, if there are none. */
static size_t pick_fixed_batch(struct lane *l, struct batch *b)
{
    size_t length = 8;
    enum { LENGTHS = 41 };
    const uint32_t ids = l->phase->ids;
    const uint64_t first = rng_below(&l->rng, LENGTHS);
    b->n = rng_below(&l->rng, MOST + 1);
    for (size_t i = 0; i < b->n; i++) {
        const uint64_t id = first + LENGTHS * (uint64_t)rng_below(&l->rng, ids / LENGTHS);
        b->look_ups[i] = lane_look_up(l, id != 0 ? id : LENGTHS);
        b->bad[i] = false;
        length = b->look_ups[i].key.len;
    }
    return length;
}

/* Some are kept or passed on, what is left goes all at once. */
static void release_batch(struct lane *l, brim_ref *refs[], size_t n)
{
    const bool all = rng_below(&l->rng, 2) == 0;
    for (size_t i = 0; i < n; i++) {
        if (refs[i] == NULL || all || rng_below(&l->rng, 2) == 0)
            continue;
        lane_hit(l, refs[i]);
        refs[i] = NULL;
    }
    for (size_t i = 0; i < n; i++)
        if (refs[i] != NULL)
            (void)value_check_ref(l->phase, refs[i]);
    brim_release_many(refs, n);
}

static void expect_hits(const struct lane *l, size_t said, size_t there)
{
    if (said != there)
        stress_violation(l->phase, "many look-ups say %zu hits and give %zu", said, there);
}

/* ---- Refs */

static void check_refs(struct lane *l, const struct batch *b, brim_ref *refs[], size_t hits)
{
    size_t there = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (b->bad[i] && refs[i] != NULL)
            stress_violation(l->phase, "no key finds a value");
        if (!b->bad[i])
            lane_check_found(l, &b->look_ups[i], refs[i] != NULL ? value_check_ref(l->phase, refs[i]) : NULL);
        there += refs[i] != NULL;
    }
    expect_hits(l, hits, there);
    l->hits += there;
    release_batch(l, refs, b->n);
}

void use_find_many(struct lane *l)
{
    struct batch b;
    brim_ref *refs[MOST];
    pick_batch(l, &b);
    const size_t hits = brim_find_many(l->phase->cache, b.bytes, b.n, refs);
    check_refs(l, &b, refs, hits);
}

void use_find_fixed(struct lane *l)
{
    struct batch b;
    brim_ref *refs[MOST];
    const size_t length = pick_fixed_batch(l, &b);
    const size_t hits = brim_find_fixed(l->phase->cache, b.look_ups[0].key.data, length, sizeof b.look_ups[0],
                                        b.n, refs);
    check_refs(l, &b, refs, hits);
}

void use_key_find_many(struct lane *l)
{
    brim_key *keys[MOST] = {NULL};
    struct known_key *known[MOST];
    brim_ref *refs[MOST];
    const size_t n = rng_below(&l->rng, MOST + 1);
    size_t there = 0;
    for (size_t i = 0; i < n; i++) {
        known[i] = &l->keys[rng_below(&l->rng, LANE_KEYS)];
        keys[i] = known[i]->key;
    }
    const size_t hits = brim_key_find_many(keys, n, refs);
    for (size_t i = 0; i < n; i++) {
        if (refs[i] == NULL)
            continue;
        lane_check_key(l, known[i], value_check_ref(l->phase, refs[i]));
        there++;
    }
    expect_hits(l, hits, there);
    release_batch(l, refs, n);
}

void use_release_many(struct lane *l)
{
    for (int i = 0; i < LANE_REFS; i++)
        if (l->refs[i] != NULL)
            (void)value_check_ref(l->phase, l->refs[i]);
    brim_release_many(l->refs, LANE_REFS);
    for (int i = 0; i < LANE_REFS; i++)
        l->refs[i] = NULL;
}

/* ---- Loans */

static void check_values(struct lane *l, const struct batch *b, void *values[], size_t hits, bool inside)
{
    size_t there = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (values[i] != NULL && (b->bad[i] || !inside))
            stress_violation(l->phase, "a peek %s finds a value", inside ? "of no key" : "without a section");
        if (inside && !b->bad[i])
            lane_check_found(l, &b->look_ups[i], values[i]);
        if (inside && values[i] != NULL)
            lane_borrow(l, values[i], NULL);
        there += values[i] != NULL;
    }
    expect_hits(l, hits, there);
}

void use_peek_many(struct lane *l)
{
    struct batch b;
    void *values[MOST];
    const bool inside = lane_in_section(l);
    pick_batch(l, &b);
    const size_t hits = brim_peek_many(l->phase->cache, b.bytes, b.n, values);
    check_values(l, &b, values, hits, inside);
}

void use_peek_fixed(struct lane *l)
{
    struct batch b;
    void *values[MOST];
    const bool inside = lane_in_section(l);
    const size_t length = pick_fixed_batch(l, &b);
    const size_t hits = brim_peek_fixed(l->phase->cache, b.look_ups[0].key.data, length, sizeof b.look_ups[0],
                                        b.n, values);
    check_values(l, &b, values, hits, inside);
}
