/* SPDX-License-Identifier: MIT */
/*
 * A full cache with keys and values that follow from an index: 16-byte keys; 64-byte values in one array, of no
 * kind.  Not counted.  Of all keys ever made those from ${first} to ${next} - 1 are meant to be there, until
 * something is evicted.
 */
#ifndef INSTRUCTIONS_FILL_H
#define INSTRUCTIONS_FILL_H
#include <brim.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VALUE_BYTES = 64 };

struct fill_key {
    uint64_t word[2];
};

struct fill {
    brim_cache *cache;
    unsigned char *values;
    size_t entries;
    uint64_t first, next;
    uint64_t random;
    size_t wrong;               /* answers */
};

/* Zeroed memory that is there. */
void *fill_alloc(size_t count, size_t size);

void fill_make(struct fill *, size_t entries, bool borrow);
void fill_free(struct fill *);

struct fill_key fill_key(uint64_t index);
void *fill_value(const struct fill *, uint64_t index);

/* The index of some entry that is there, drawn at random. */
uint64_t fill_draw(struct fill *);
#endif
