/* SPDX-License-Identifier: MIT */
#include "workloads.h"

#include "fail.h"
#include "options.h"

#include <string.h>

enum { MIN_SEQUENCE = 1 << 12, MAX_SEQUENCE = 1 << 22, ALL_SEQUENCES = 1 << 26 };

/* A borrowed look-up of a hot key takes 2 ns: timing one of 64 would double that. */
enum { SAMPLE_EVERY = 64, SAMPLE_HOT_EVERY = 1024 };

const struct workload workloads[WORKLOADS] = {
    {.name = "zipf-hit",
     .id = ZIPF_HIT,
     .loop = LOOP_FIND,
     .theta = 0.99,
     .key_factor = 1,
     .room_factor = 2,
     .sample_every = SAMPLE_EVERY,
     .must_fit = 1},
    {.name = "key-hit",
     .id = KEY_HIT,
     .loop = LOOP_FIND,
     .theta = 0.99,
     .key_factor = 1,
     .room_factor = 2,
     .sample_every = SAMPLE_EVERY,
     .must_fit = 1},
    {.name = "hot-key",
     .id = HOT_KEY,
     .loop = LOOP_FIND,
     .theta = 0.99,
     .key_factor = 1,
     .room_factor = 1024,
     .sample_every = SAMPLE_HOT_EVERY,
     .fixed_entries = 1,
     .must_fit = 1},
    {.name = "churn",
     .id = CHURN,
     .loop = LOOP_CHURN,
     .theta = 0.9,
     .key_factor = 4,
     .room_factor = 1,
     .sample_every = SAMPLE_EVERY},
    {.name = "insert-remove",
     .id = INSERT_REMOVE,
     .loop = LOOP_INSERT_REMOVE,
     .key_factor = 1,
     .room_factor = 8,
     .sample_every = SAMPLE_EVERY,
     .fixed_entries = BENCH_ALIVE,
     .must_fit = 1},
    {.name = "mixed",
     .id = MIXED,
     .loop = LOOP_MIXED,
     .theta = 0.99,
     .key_factor = 1,
     .room_factor = 2,
     .sample_every = SAMPLE_EVERY},
    {.name = "pinned",
     .id = PINNED,
     .loop = LOOP_CHURN,
     .theta = 0.9,
     .key_factor = 4,
     .room_factor = 1,
     .sample_every = SAMPLE_EVERY,
     .pinned = 1},
};

const struct workload *workload_find(const char *name)
{
    for (size_t i = 0; i < WORKLOADS; i++)
        if (strcmp(workloads[i].name, name) == 0)
            return &workloads[i];
    return NULL;
}

void workload_size(struct sizes *size, const struct workload *w, size_t entries, unsigned threads, size_t capacity)
{
    size->entries = w->fixed_entries != 0 ? w->fixed_entries : entries;
    const size_t spare = w->must_fit && w->theta == 0 ? 2 * (size_t)threads : 0;
    const size_t needed = (size->entries + spare) * BENCH_VALUE_BYTES;
    size->capacity = capacity != 0 ? capacity : needed * w->room_factor;
    if (w->must_fit && size->capacity < needed)
        bench_fail("--capacity: %s with %zu entries needs at least %zu", w->name, size->entries, needed);
    if (!w->must_fit && w->key_factor > 1) {
        if (size->capacity / BENCH_VALUE_BYTES > BENCH_MAX_ENTRIES)
            bench_fail("--capacity: %zu is more than %s can fill", size->capacity, w->name);
        size->entries = size->capacity / BENCH_VALUE_BYTES;
    }
    if (size->entries == 0)
        bench_fail("--capacity: %zu does not hold one entry of %d", size->capacity, BENCH_VALUE_BYTES);
    size->keys = size->entries * w->key_factor;
    size->sequence_length = MAX_SEQUENCE;
    while (size->sequence_length > MIN_SEQUENCE && size->sequence_length * threads > ALL_SEQUENCES)
        size->sequence_length /= 2;
}
