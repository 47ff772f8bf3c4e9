/* SPDX-License-Identifier: MIT */
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static void *default_alloc(size_t n, size_t align, void *arg)
{
    void *p = NULL;

    (void)arg;
    if (align <= _Alignof(max_align_t))
        return malloc(n);
    return posix_memalign(&p, align, n) == 0 ? p : NULL;
}

static void default_free(void *p, size_t n, size_t align, void *arg)
{
    (void)n;
    (void)align;
    (void)arg;
    free(p);
}

const brim_allocator mem_default = {sizeof(brim_allocator), default_alloc, default_free, NULL};

void *mem_alloc(const brim_allocator *a, size_t n, size_t align)
{
    void *p = a->alloc(n, align, a->arg);

    /* The index keeps a table's size in its address's upper 16 bits: an allocator that uses them has no memory for us. */
    if (((uint64_t)(uintptr_t)p >> 48) != 0) {
        a->free(p, n, align, a->arg);
        return NULL;
    }
    return p;
}

void *mem_alloc_zeroed(const brim_allocator *a, size_t n, size_t align)
{
    void *p = mem_alloc(a, n, align);

    if (p != NULL)
        memset(p, 0, n);
    return p;
}

void mem_free(const brim_allocator *a, void *p, size_t n, size_t align)
{
    if (p != NULL)
        a->free(p, n, align, a->arg);
}
