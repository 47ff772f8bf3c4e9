/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include "machine.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#if defined(__GLIBC_PREREQ)
#if __GLIBC_PREREQ(2, 33)
#define HAVE_MALLINFO2 1
#endif
#endif

size_t memory_allocated(void)
{
#ifdef HAVE_MALLINFO2
    if (machine_plain_malloc()) {
        const struct mallinfo2 info = mallinfo2();
        return info.uordblks + info.hblkhd;
    }
#endif
    return MEMORY_UNKNOWN;
}

void memory_one_arena(void)
{
#ifdef M_ARENA_MAX
    (void)mallopt(M_ARENA_MAX, 1);
#endif
}

void memory_give_back(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

size_t memory_resident(void)
{
    unsigned long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL)
        return MEMORY_UNKNOWN;
    /* NOLINTNEXTLINE(cert-err34-c): the kernel writes numbers that fit */
    if (fscanf(f, "%lu %lu", &size, &resident) != 2)
        resident = 0;
    fclose(f);
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}
