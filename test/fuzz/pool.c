/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <sanitizer/asan_interface.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 8 << 20, ALIGN = 4096, GAP = 32, JUNK = 0xa5 };

static alignas(ALIGN) unsigned char memory[SIZE];
static size_t at, blocks, bytes, calls, fail_from, fail_to, failures;

static void *pool_alloc(size_t n, size_t align, void *arg)
{
    size_t start = (at + GAP + align - 1) & ~(align - 1);

    (void)arg;
    calls++;
    if ((calls >= fail_from && calls < fail_to) || n > SIZE || start > SIZE - n) {
        failures++;
        return NULL;
    }
    at = start + n;
    blocks++;
    bytes += n;
    ASAN_UNPOISON_MEMORY_REGION(memory + start, n);
    memset(memory + start, JUNK, n);
    return memory + start;
}

static void pool_free(void *p, size_t n, size_t align, void *arg)
{
    (void)align;
    (void)arg;
    blocks--;
    bytes -= n;
    ASAN_POISON_MEMORY_REGION(p, n);
}

const brim_allocator pool_allocator = {sizeof(brim_allocator), pool_alloc, pool_free, NULL};

void pool_begin(void)
{
    ASAN_POISON_MEMORY_REGION(memory, at > 0 ? at + ALIGN : SIZE);
    at = blocks = bytes = calls = fail_from = fail_to = failures = 0;
}

void pool_end(void)
{
    if (blocks == 0 && bytes == 0)
        return;
    fprintf(stderr, "%zu blocks, %zu bytes leaked\n", blocks, bytes);
    abort();
}

void pool_fail(size_t from, size_t to)
{
    fail_from = from != 0 ? calls + from : 0;
    fail_to = to > SIZE_MAX - calls ? SIZE_MAX : calls + to;
}

size_t pool_failures(void)
{
    return failures;
}
