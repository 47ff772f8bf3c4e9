/* SPDX-License-Identifier: MIT
 *
 * Threads that do everything at once in one cache, for tests that disturb them: values need no destruction, for a
 * child of fork may have been born in the middle of one.
 */
#ifndef TEST_FAULT_EVERYTHING_H
#define TEST_FAULT_EVERYTHING_H
#include "support/fault.h"
#include <sched.h>

enum { CAPACITY = 2000, KEYS = 300, LOADED = 1000, CLAIMED = 2000, OWN = 5000, DOERS = 4 };

static struct {
    brim_cache *cache;
    brim_group *group;
    brim_queue *queue;
    brim_kind limited, queued, heard; /* with a ceiling; with a queue; with a listener */
    brim_slot slot;
    atomic_bool stop;
    atomic_ullong turns[16];
    char value;
} all;

static inline void hear(const void *key, size_t key_len, void *v, size_t cost, brim_cause cause, void *arg)
{
    (void)key, (void)key_len, (void)cost, (void)cause, (void)arg;
    EXPECT(v == &all.value);
    (void)brim_contains(all.cache, BRIM_KEY((uint64_t){1}));
}

static inline brim_status load_one(const void *key, size_t key_len, void *arg, void **v, size_t *cost)
{
    uint64_t k = 0;

    (void)arg;
    memcpy(&k, key, key_len);
    (void)sched_yield();
    if (k % 7 == 0)
        return BRIM_FAILED;
    *v = &all.value;
    *cost = 3;
    return BRIM_OK;
}

static inline void all_begin(unsigned shards)
{
    brim_options o;

    memset(&all, 0, sizeof all);
    all.queue = brim_queue_new();
    all.limited = (brim_kind){.size = sizeof(brim_kind), .floor = 50, .ceiling = 300};
    all.queued = (brim_kind){.size = sizeof(brim_kind), .queue = all.queue};
    all.heard = (brim_kind){.size = sizeof(brim_kind), .removed = hear};
    brim_options_init(&o, CAPACITY);
    o.borrow = true;
    o.protect_frame = true;
    o.shards = shards;
    all.cache = make_cache(&o);
    all.group = brim_group_new(all.cache);
    ck_assert_ptr_nonnull(all.group);
}

/* In either process, with no thread at work. */
static inline void all_end(void)
{
    brim_group_drop(all.group);
    brim_slot_store(&all.slot, NULL);
    brim_cache_free(all.cache);
    brim_queue_drop(all.queue);
}

static inline void insert_some(uint64_t x)
{
    const brim_kind *kinds[] = {NULL, &all.limited, &all.queued, &all.heard};
    uint64_t key = x % KEYS;
    brim_entry_options e;
    brim_ref *r;
    brim_status s;

    brim_entry_options_init(&e);
    e.kind = kinds[(x >> 20) % 4];
    e.group = (x >> 22) % 4 == 0 ? all.group : NULL;
    e.max_idle = (x >> 24) % 4 == 0 ? UINT64_C(3600000000000) : 0;
    s = brim_insert_with(all.cache, BRIM_KEY(key), &all.value, 1 + (x >> 26) % 20, &e, &r);
    EXPECT_MSG(s == BRIM_OK || s == BRIM_FULL, "insert: status %d", (int)s);
    EXPECT((r != NULL) == (s == BRIM_OK));
    if ((x >> 32) % 4 == 0)
        brim_slot_store(&all.slot, brim_ref_key(r));
    brim_release(r);
}

static inline void load_some(uint64_t x)
{
    uint64_t key = LOADED + x % 40;
    brim_claim_options o;
    brim_ref *r;
    brim_status s;

    brim_claim_options_init(&o);
    o.timeout_ms = (x >> 20) % 3 == 0 ? 1 : -1;
    o.expected_cost = (x >> 22) % 2 * 10;
    s = brim_get_with(all.cache, BRIM_KEY(key), &o, load_one, NULL, &r);
    EXPECT_MSG(s == BRIM_OK || s == BRIM_FAILED || (s == BRIM_TIMEOUT && o.timeout_ms == 1), "get: status %d",
               (int)s);
    EXPECT(r == NULL || brim_ref_value(r) == &all.value);
    brim_release(r);
}

static inline void told_some(brim_ref *r, int reason, void *arg)
{
    (void)reason, (void)arg;
    brim_release(r);
}

/* Its own keys: a claim dies with its thread. */
static inline void claim_some(unsigned id, uint64_t x)
{
    uint64_t key = CLAIMED + id * 10 + x % 10;
    brim_load *l, *none;
    brim_wait *w;
    brim_ref *r;
    brim_status s = brim_claim(all.cache, BRIM_KEY(key), 0, &r, &l);

    EXPECT_MSG(s == BRIM_OK || s == BRIM_CLAIMED, "claim: status %d", (int)s);
    brim_release(r);
    if (s != BRIM_CLAIMED)
        return;
    s = brim_claim_async(all.cache, BRIM_KEY(key), NULL, told_some, NULL, &r, &none, &w);
    EXPECT_MSG(s == BRIM_PENDING, "claim_async: status %d", (int)s);
    if ((x >> 20) % 2 == 0)
        EXPECT(brim_wait_cancel(w));
    if ((x >> 21) % 3 == 0)
        brim_load_fail(l, 1);
    else
        (void)brim_load_finish(l, &all.value, 2, NULL);
    if ((x >> 22) % 2 == 0)
        (void)brim_remove(all.cache, BRIM_KEY(key));
}

static inline void borrow_some(uint64_t x)
{
    EXPECT(brim_read_begin(all.cache) == BRIM_OK);
    for (uint64_t i = 0; i < 8; i++) {
        uint64_t key = (x >> (4 * i)) % KEYS;
        void *v = brim_peek(all.cache, BRIM_KEY(key));

        EXPECT(v == NULL || v == &all.value);
        if (i == 3)
            brim_read_refresh(all.cache);
    }
    brim_read_end(all.cache);
}

static inline void find_some(uint64_t x)
{
    uint64_t keys[8];
    brim_bytes bytes[8];
    brim_ref *refs[8], *r = brim_slot_find(&all.slot);

    EXPECT(r == NULL || brim_ref_value(r) == &all.value);
    brim_release(r);
    for (size_t i = 0; i < 8; i++) {
        keys[i] = (x >> (4 * i)) % KEYS;
        bytes[i] = (brim_bytes){&keys[i], sizeof keys[i]};
    }
    (void)brim_find_many(all.cache, bytes, 8, refs);
    if (refs[0] != NULL) {
        brim_status s = brim_ref_set_cost(refs[0], 1 + (x >> 40) % 20);
        EXPECT_MSG(s == BRIM_OK || s == BRIM_FULL, "set_cost: status %d", (int)s);
    }
    brim_release_many(refs, 8);
}

/* A cache of its own, from birth to end. */
static inline void live_once(void)
{
    uint64_t key = 1;
    brim_cache *c = NULL;
    brim_options o;

    brim_options_init(&o, 10);
    EXPECT(brim_cache_new(&o, &c) == BRIM_OK);
    EXPECT(brim_insert(c, BRIM_KEY(key), &all.value, 1, NULL) == BRIM_OK);
    brim_cache_free(c);
}

static inline bool is_odd_cost(brim_ref *lent, void *arg)
{
    (void)arg;
    return brim_ref_cost(lent) % 2 != 0;
}

static inline void rule_some(uint64_t x)
{
    switch (x % 10) {
    case 0: brim_group_invalidate(all.group); break;
    case 1: (void)brim_next_frame(all.cache); break;
    case 2: (void)brim_trim(all.cache, CAPACITY / 2); break;
    case 3: (void)brim_set_capacity(all.cache, CAPACITY - (x >> 20) % 500); break;
    case 4: (void)brim_idle(all.cache); break;
    case 5: (void)brim_kind_set_limits(all.cache, &all.limited, 50, 200 + (x >> 20) % 100); break;
    case 6: (void)brim_remove_if(all.cache, is_odd_cost, NULL); break;
    case 7: live_once(); break;
    case 8: EXPECT(stats_of(all.cache).used <= CAPACITY); break;
    default: (void)brim_collect(all.queue, 50); break;
    }
}

/* One thing. */
static inline void do_some(unsigned id, uint64_t x)
{
    switch ((x >> 56) % 16) {
    case 0: case 1: case 2: case 3: insert_some(x); break;
    case 4: case 5: load_some(x); break;
    case 6: case 7: claim_some(id, x); break;
    case 8: case 9: borrow_some(x); break;
    case 10: case 11: case 12: find_some(x); break;
    case 13: (void)brim_remove(all.cache, BRIM_KEY((uint64_t){x % KEYS})); break;
    case 14: (void)brim_collect(all.queue, 5); break;
    default: rule_some(x); break;
    }
    EXPECT(brim_used(all.cache) <= CAPACITY);
    atomic_fetch_add(&all.turns[id], 1);
}

static inline void do_all(unsigned id, void *arg)
{
    uint64_t state = id + 77;

    (void)arg;
    while (!atomic_load(&all.stop))
        do_some(id, random_next(&state));
}

/* Until each of ${n} threads has done ${turns} things more. */
static inline void wait_for_turns(unsigned n, unsigned turns)
{
    unsigned long long since[16];

    for (unsigned i = 0; i < n; i++)
        since[i] = atomic_load(&all.turns[i]);
    for (unsigned i = 0; i < n; i++)
        while (atomic_load(&all.turns[i]) < since[i] + turns)
            (void)sched_yield();
}

#endif
