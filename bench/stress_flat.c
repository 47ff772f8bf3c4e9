/* SPDX-License-Identifier: MIT */
#include "stress_flat.h"

#include "fail.h"
#include "machine.h"
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>

void flat_begin(struct flat *f, const char *what, double now, double length)
{
    *f = (struct flat){.what = what, .began = now, .length = length};
    for (int i = 0; i < 4; i++)
        f->resident[i] = bench_alloc(FLAT_SAMPLES, sizeof *f->resident[i]);
}

/* Of all quarters room for as many: what comes too often is left out. */
void flat_sample(struct flat *f, double now)
{
    const double share = (now - f->began) / f->length;
    const int quarter = share < 0.25 ? 0 : share < 0.5 ? 1 : share < 0.75 ? 2 : 3;
    if (f->count[quarter] < FLAT_SAMPLES)
        f->resident[quarter][f->count[quarter]++] = memory_resident();
}

static int by_size(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static size_t median(struct flat *f, int quarter)
{
    qsort(f->resident[quarter], f->count[quarter], sizeof(size_t), by_size);
    return f->count[quarter] != 0 ? f->resident[quarter][f->count[quarter] / 2] : 0;
}

/* Sanitizers keep what is freed, and shadows of all that was ever touched: their memory says nothing of ours. */
bool flat_end(struct flat *f, json_t *into)
{
    const size_t second = median(f, 1), last = median(f, 3);
    const bool judged = machine_plain_malloc(), flat = second != 0 && last <= second + second / 100 * FLAT_GROWTH;
    const double growth = second != 0 ? 100 * ((double)last / (double)second - 1) : 0;
    printf("memory          %s: %.1f MiB in the second quarter, %.1f MiB in the last, %+.1f %%%s\n", f->what, (double)second / 1048576,
           (double)last / 1048576, growth, !judged ? " (not judged: not the C library's malloc)" : flat ? "" : ": NOT FLAT");
    json_object_set_new(into, f->what, json_pack("{s:I,s:I,s:f,s:b}", "second_quarter", (json_int_t)second, "last_quarter", (json_int_t)last, "growth_percent", growth, "judged", judged));
    for (int i = 0; i < 4; i++)
        free(f->resident[i]);
    return flat || !judged;
}
