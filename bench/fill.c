/* SPDX-License-Identifier: MIT */
#include "fill.h"

#include "fail.h"
#include "memory.h"

#include <malloc.h>
#include <stdlib.h>

/* Fewer say nothing about what malloc gave, or about the resident set. */
static const size_t worth_entries = 1000, rss_worth_entries = 10000;

/* Held at once: later ones could push it out. */
static void hold(struct filled *f, struct worker *w, uint64_t index)
{
    void *held = f->peer->hold(w, index);
    if (held != NULL)
        f->held[f->held_count++] = held;
}

static void put_all(struct filled *f, struct worker *w, const struct workload *workload, const struct sizes *size,
                    struct bench_value **values, void (*show)(double share))
{
    for (size_t i = 0; i < size->entries; i++) {
        const bool taken = f->peer->put(w, i, values[i]);
        if (!taken && workload->must_fit)
            bench_fail("%s: cannot fill the cache: entry %zu of %zu", f->peer->name, i, size->entries);
        if (workload->pinned && i < size->entries / 4 * 3)
            hold(f, w, i);
        if (show != NULL && i % 65536 == 0)
            show((double)i / (double)size->entries);
    }
}

static size_t count_entries(const struct peer *peer, struct worker *w, size_t entries)
{
    size_t count = 0;
    if (peer->enter != NULL)
        peer->enter(w);
    for (size_t i = 0; i < entries; i++)
        if (peer->has(w, i))
            count++;
    if (peer->leave != NULL)
        peer->leave(w);
    return count;
}

/* ${grown} bytes while ${f->count} entries came, and ${gone} values of ${value_bytes} went. */
static double per_entry(const struct filled *f, size_t before, size_t after, size_t gone, size_t value_bytes)
{
    if (f->count < worth_entries || before == MEMORY_UNKNOWN || after == MEMORY_UNKNOWN ||
        after + gone * value_bytes <= before)
        return -1;
    const double grown = (double)(after + gone * value_bytes) - (double)before;
    return grown / (double)f->count - (double)BENCH_KEY_BYTES;
}

/* The values are made first, so that what memory grows by then is the cache's own. */
void fill_open(struct filled *f, const struct peer *peer, const struct workload *workload, const struct sizes *size,
               unsigned shards, void (*show)(double share))
{
    const size_t entries = workload->theta != 0 ? size->entries : 0;
    struct worker *w = bench_alloc(1, sizeof *w);
    struct bench_value **values = bench_alloc(entries, sizeof *values);
    *f = (struct filled){.peer = peer};
    f->held = workload->pinned ? bench_alloc(size->entries, sizeof *f->held) : NULL;
    for (size_t i = 0; i < entries; i++)
        values[i] = item_new(i);
    const size_t value_bytes = entries != 0 ? malloc_usable_size(values[0]) + sizeof(size_t) : 0;
    const size_t before = memory_allocated(), resident_before = memory_resident();
    f->cache = w->cache = peer->open(size->capacity, size->entries, shards);
    if (entries != 0)
        put_all(f, w, workload, size, values, show);
    const size_t after = memory_allocated(), resident_after = memory_resident();
    f->count = count_entries(peer, w, entries);
    f->bytes_per_entry = per_entry(f, before, after, entries - f->count, value_bytes);
    f->rss_per_entry = f->count >= rss_worth_entries ? per_entry(f, resident_before, resident_after, 0, 0) : -1;
    if (peer->prepare != NULL)
        peer->prepare(w, size->entries);
    free(values);
    free(w);
}

void fill_close(struct filled *f)
{
    struct worker *w = bench_alloc(1, sizeof *w);
    w->cache = f->cache;
    for (size_t i = 0; i < f->held_count; i++)
        f->peer->let_go(w, f->held[i]);
    free(f->held);
    free(w);
    f->peer->close(f->cache);
}
