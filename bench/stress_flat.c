/* SPDX-License-Identifier: MIT */
#include "stress_flat.h"

#include "fail.h"
#include "latency.h"
#include "machine.h"
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void sample(struct flat *f)
{
    const double share = (double)(latency_now() - f->began) * 1e-9 / f->length;
    const int quarter = share < 0.25 ? 0 : share < 0.5 ? 1 : share < 0.75 ? 2 : 3;
    if (f->count[quarter] < FLAT_SAMPLES)
        f->resident[quarter][f->count[quarter]++] = memory_resident();
}

/* Of a day there is room for so many of each quarter. */
static void *run(void *flat)
{
    struct flat *f = flat;
    const uint64_t apart = (uint64_t)(f->length / 4 / (double)FLAT_SAMPLES * 1e9) + 5000000;
    const struct timespec rest = {.tv_sec = (time_t)(apart / 1000000000), .tv_nsec = (long)(apart % 1000000000)};
    while (!atomic_load(&f->stop)) {
        sample(f);
        nanosleep(&rest, NULL);
    }
    return NULL;
}

void flat_begin(struct flat *f, const char *what, double length)
{
    *f = (struct flat){.what = what, .began = latency_now(), .length = length};
    for (int i = 0; i < 4; i++)
        f->resident[i] = bench_alloc(FLAT_SAMPLES, sizeof *f->resident[i]);
    const int error = pthread_create(&f->sampler, NULL, run, f);
    if (error != 0)
        bench_fail("cannot start a thread: %s", strerror(error));
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
    atomic_store(&f->stop, true);
    pthread_join(f->sampler, NULL);
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
