/* SPDX-License-Identifier: MIT */
#include "item.h"

#include "fail.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct bench_key) == BENCH_KEY_BYTES && sizeof(struct bench_value) == BENCH_VALUE_BYTES,
               "as PERFORMANCE.md has them");

struct bench_value *item_new(uint64_t index)
{
    struct bench_value *value = malloc(sizeof *value);
    if (value == NULL)
        bench_fail("out of memory");
    memset(value, 0x5A, sizeof *value);
    value->word[0] = item_word(index);
    return value;
}
