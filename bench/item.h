/* SPDX-License-Identifier: MIT */
/* What is cached: 16-byte keys made from an index, 64-byte values that know their index.  C and C++. */
#ifndef BENCH_ITEM_H
#define BENCH_ITEM_H
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

enum { BENCH_VALUE_BYTES = 64, BENCH_KEY_BYTES = 16 };

struct bench_key {
    uint64_t word[2];
};

struct bench_value {
    uint64_t word[BENCH_VALUE_BYTES / sizeof(uint64_t)];
};

static inline struct bench_key item_key(uint64_t index)
{
    const struct bench_key key = {{index * 0x9E3779B97F4A7C15u, index}};
    return key;
}

/* The eight bytes that a look-up reads. */
static inline uint64_t item_word(uint64_t index)
{
    return index * 0xD6E8FEB86659FD93u + 1;
}

struct bench_value *item_new(uint64_t index);   /* for free() */

#ifdef __cplusplus
}
#endif
#endif
