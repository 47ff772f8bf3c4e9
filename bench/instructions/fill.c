/* SPDX-License-Identifier: MIT */
#include "fill.h"

#include "fail.h"

#include <stdlib.h>

enum { FILL_SEED = 20240229 };

void *fill_alloc(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (p == NULL)
        instructions_fail("out of memory");
    return p;
}

struct fill_key fill_key(uint64_t index)
{
    return (struct fill_key){{index * 0x9E3779B97F4A7C15u, index}};
}

void *fill_value(const struct fill *f, uint64_t index)
{
    return f->values + (size_t)(index % f->entries) * VALUE_BYTES;
}

uint64_t fill_draw(struct fill *f)
{
    uint64_t x = f->random += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return f->first + (x ^ (x >> 31)) % (f->next - f->first);
}

/* The capacity is what the entries cost and no more: the next one evicts. */
void fill_make(struct fill *f, size_t entries, bool borrow)
{
    *f = (struct fill){.entries = entries, .random = FILL_SEED};
    f->values = fill_alloc(entries, VALUE_BYTES);
    brim_options options;
    brim_options_init(&options, entries * VALUE_BYTES);
    options.seed = FILL_SEED;
    options.expected_cost = VALUE_BYTES;
    options.borrow = borrow;
    const brim_status made = brim_cache_new(&options, &f->cache);
    if (made != BRIM_OK)
        instructions_fail("no cache: %s", brim_strerror(made));
    for (; f->next < entries; f->next++) {
        const struct fill_key key = fill_key(f->next);
        const brim_status status = brim_insert(f->cache, BRIM_KEY(key), fill_value(f, f->next), VALUE_BYTES, NULL);
        if (status != BRIM_OK)
            instructions_fail("entry %llu does not fit: %s", (unsigned long long)f->next, brim_strerror(status));
    }
    if (brim_count(f->cache) != entries)
        instructions_fail("%zu of %zu entries are there", brim_count(f->cache), entries);
}

void fill_free(struct fill *f)
{
    brim_cache_free(f->cache);
    free(f->values);
}
