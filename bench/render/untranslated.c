/* SPDX-License-Identifier: MIT */
#include "untranslated.h"

#include <stdlib.h>

#include "hash.h"
#include "must.h"

static size_t block_bytes(const struct doc *d, const struct block *b) {
    const struct span *first = &d->spans[b->first], *last = &d->spans[b->first + b->count - 1];

    return last->start + last->len - first->start;
}

static uint64_t hash_block(const struct doc *d, const struct block *b) {
    return XXH3_64bits(d->text + d->spans[b->first].start, block_bytes(d, b));
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

void original_learn(struct original *o, const struct doc *d) {
    o->n = d->n_blocks;
    o->hashes = must_alloc(o->n, sizeof *o->hashes);
    for (size_t i = 0; i < o->n; i++)
        o->hashes[i] = hash_block(d, &d->blocks[i]);
    qsort(o->hashes, o->n, sizeof *o->hashes, ascending);
}

void original_forget(struct original *o) {
    free(o->hashes);
    *o = (struct original){0};
}

static bool stands_in(const struct original *o, const struct doc *d, const struct block *b) {
    uint64_t hash = hash_block(d, b);

    return o->n && bsearch(&hash, o->hashes, o->n, sizeof *o->hashes, ascending) != NULL;
}

void untranslated_drop(struct doc *d, size_t first, const struct original *o) {
    size_t kept = first, words_kept = 0, words_dropped = 0;
    bool dropping = false;

    for (size_t i = first; i < d->n_blocks; i++) {
        const struct block *b = &d->blocks[i];
        if (b->kind != BLOCK_PRE) {
            dropping = stands_in(o, d, b);
            *(dropping ? &words_dropped : &words_kept) += block_bytes(d, b);
        }
        if (!dropping)
            d->blocks[kept++] = *b;
    }
    d->n_blocks = words_dropped > words_kept ? first : kept;
}
