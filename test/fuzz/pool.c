/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <sanitizer/asan_interface.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 8 << 20, ALIGN = 4096, STARTS = 16, BASE = STARTS * ALIGN, GAP = 32, JUNK = 0xa5 };

static alignas(ALIGN) unsigned char space[SIZE + BASE];
static unsigned char *memory; /* at a multiple of BASE: the library numbers some things by their addresses */
static size_t first, at, blocks, bytes, calls, fail_from, fail_to, failures;

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
    return memory + start;
}

static void pool_free(void *p, size_t n, size_t align, void *arg)
{
    (void)align;
    (void)arg;
    blocks--;
    bytes -= n;
    memset(p, JUNK, n);
    ASAN_POISON_MEMORY_REGION(p, n);
}

const brim_allocator pool_allocator = {sizeof(brim_allocator), pool_alloc, pool_free, NULL};

static void fill(void)
{
    memory = (unsigned char *)(((uintptr_t)space + BASE - 1) & ~(uintptr_t)(BASE - 1));
    memset(memory, JUNK, SIZE);
    ASAN_POISON_MEMORY_REGION(memory, SIZE);
}

void pool_begin(unsigned start)
{
    if (memory == NULL)
        fill();
    first = at = start % STARTS * ALIGN;
    blocks = bytes = calls = fail_from = fail_to = failures = 0;
}

/* All blocks have been freed: so all is as it was. */
static void look(void)
{
    size_t most = at + GAP < SIZE ? at + GAP : SIZE;

    ASAN_UNPOISON_MEMORY_REGION(memory, most);
    if (memory[first] != JUNK || memcmp(memory + first, memory + first + 1, most - first - 1) != 0) {
        fprintf(stderr, "something was written to after it was freed, or outside of its block\n");
        abort();
    }
    ASAN_POISON_MEMORY_REGION(memory, most);
}

void pool_end(bool checked)
{
    if (blocks != 0 || bytes != 0) {
        fprintf(stderr, "%zu blocks, %zu bytes leaked\n", blocks, bytes);
        abort();
    }
    if (checked)
        look();
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
