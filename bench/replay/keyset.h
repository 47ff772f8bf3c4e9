/* SPDX-License-Identifier: MIT */
/* A set of keys that only grows. */
#ifndef BENCH_KEYSET_H
#define BENCH_KEYSET_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keyset {
    uint64_t *slots;                    /* a power of two of them; 0: empty */
    size_t slot_count;
    size_t count;
    bool has_zero;                      /* the key 0, which no slot can hold */
};

void keyset_init(struct keyset *);
void keyset_end(struct keyset *);
bool keyset_add(struct keyset *, uint64_t key);   /* true: it was not there */
#endif
