/* SPDX-License-Identifier: MIT */
#include "workloads.h"

#include "fail.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct bench_key) == BENCH_KEY_BYTES && sizeof(struct bench_value) == BENCH_VALUE_BYTES, "as PERFORMANCE.md has them");

static inline void key_make(struct bench_key *key, uint64_t index)
{
    key->word[0] = index * 0x9E3779B97F4A7C15u;
    key->word[1] = index;
}

/* The eight bytes that a look-up reads. */
static inline uint64_t value_word(uint64_t index)
{
    return index * 0xD6E8FEB86659FD93u + 1;
}

static inline uint64_t next_index(struct worker *w)
{
    return w->sequence[w->position++ & w->mask];
}

void workload_key(struct bench_key *key, uint64_t index)
{
    key_make(key, index);
}

void *workload_value_new(uint64_t index)
{
    struct bench_value *value = malloc(sizeof *value);
    if (value == NULL)
        bench_fail("out of memory");
    memset(value, 0x5A, sizeof *value);
    value->word[0] = value_word(index);
    return value;
}

static void value_destroy(void *value, size_t cost, void *arg)
{
    (void)cost, (void)arg;
    free(value);
}

const brim_kind workload_kind = {.size = sizeof(brim_kind), .name = "bench", .destroy = value_destroy};

/* Find, read eight bytes, check, release. */
static inline bool look_up(struct worker *w, uint64_t index)
{
    struct bench_key key;
    key_make(&key, index);
    w->counts.lookups++;
    brim_ref *ref = brim_find(w->cache, &key, sizeof key);
    if (ref == NULL)
        return false;
    const struct bench_value *value = brim_ref_value(ref);
    if (value->word[0] != value_word(index))
        w->counts.wrong++;
    brim_release(ref);
    w->counts.hits++;
    return true;
}

static inline bool put(struct worker *w, uint64_t index)
{
    struct bench_key key;
    key_make(&key, index);
    void *value = workload_value_new(index);
    if (brim_insert(w->cache, &key, sizeof key, value, BENCH_VALUE_BYTES, NULL) == BRIM_OK)
        return true;
    free(value);
    w->counts.refused++;
    return false;
}

static inline bool drop(struct worker *w, uint64_t index)
{
    struct bench_key key;
    key_make(&key, index);
    return brim_remove(w->cache, &key, sizeof key);
}

static void find_batch(struct worker *w, unsigned operations)
{
    for (unsigned i = 0; i < operations; i++)
        if (!look_up(w, next_index(w)))
            w->counts.wrong++;
}

static void churn_batch(struct worker *w, unsigned operations)
{
    for (unsigned i = 0; i < operations; i++) {
        const uint64_t index = next_index(w);
        if (!look_up(w, index))
            (void)put(w, index);
    }
}

static void mixed_batch(struct worker *w, unsigned operations)
{
    for (unsigned i = 0; i < operations; i++) {
        const uint64_t index = next_index(w);
        const uint32_t choice = rng_below(&w->rng, 20);
        if (choice < 18)
            (void)look_up(w, index);
        else if (choice == 18)
            (void)put(w, index);
        else
            (void)drop(w, index);
    }
}

/* A pair is one operation: insert a key never used before, remove the oldest of this thread's. */
static void insert_remove_batch(struct worker *w, unsigned operations)
{
    for (unsigned i = 0; i < operations; i++) {
        if (!put(w, w->first_index + w->serial))
            w->counts.wrong++;
        if (w->serial >= w->alive && !drop(w, w->first_index + w->serial - w->alive))
            w->counts.wrong++;
        w->serial++;
    }
}

static const struct workload workloads[] = {
    {.name = "zipf-hit", .batch = find_batch, .theta = 0.99, .key_factor = 1, .room_factor = 2, .must_fit = 1},
    {.name = "hot-key", .batch = find_batch, .theta = 0.99, .key_factor = 1, .room_factor = 1024, .fixed_entries = 1, .must_fit = 1},
    {.name = "churn", .batch = churn_batch, .theta = 0.9, .key_factor = 4, .room_factor = 1},
    {.name = "insert-remove", .batch = insert_remove_batch, .key_factor = 1, .room_factor = 8, .fixed_entries = BENCH_ALIVE, .must_fit = 1},
    {.name = "mixed", .batch = mixed_batch, .theta = 0.99, .key_factor = 1, .room_factor = 2},
};

const struct workload *workload_find(const char *name)
{
    for (size_t i = 0; i < sizeof workloads / sizeof workloads[0]; i++)
        if (strcmp(workloads[i].name, name) == 0)
            return &workloads[i];
    return NULL;
}
