/* SPDX-License-Identifier: MIT
 *
 * Sequences of operations on one or two caches, chosen by the input's bytes, against the model of test/model.  Any
 * bytes are a sequence: a choice takes one of them, or two where there are more than 256 to choose from.
 * BRIM_TRACE=1 prints the operations.
 */
#include "operations.h"

#include "model/model.h"
#include "pool.h"

enum { ITEMS = 4096, MOST_STEPS = 400 };

bool operations_checked;
static const uint8_t *bytes;
static size_t left;

/* The choices of an input that has ended are the first ones. */
static uint64_t choose(uint64_t n)
{
    uint64_t x = 0;

    for (uint64_t span = n - 1; span > 0 && left > 0; span >>= 8) {
        x = x << 8 | *bytes++;
        left--;
    }
    return (x | n) >> 32 == 0 ? (uint32_t)x % (uint32_t)n : x % n; /* the first takes a third of the time */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct model_setup setup = {.choose = choose, .keys = 12, .items = ITEMS,
        .allocator = &pool_allocator,
                                             .fail = pool_fail, .failures = pool_failures, .seed = "input"};

    bytes = data;
    left = size;
    pool_begin((unsigned)size);
    if (model_begin(&setup))
        for (int steps = 0; left > 0 && steps < MOST_STEPS; steps++) {
            model_step();
            if (operations_checked)
                model_check();
        }
    model_end();
    pool_end(operations_checked);
    return 0;
}
