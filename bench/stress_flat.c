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

static int quarter_now(struct flat *f)
{
    const double share = (double)(latency_now() - f->began) * 1e-9 / f->length;
    const int told = atomic_load(&f->quarter);
    return told >= 0 ? told : share < 0.25 ? 0 : share < 0.5 ? 1 : share < 0.75 ? 2 : 3;
}

static void sample(struct flat *f)
{
    struct flat_quarter *q = &f->quarters[quarter_now(f)];
    if (q->count == FLAT_SAMPLES)
        return;
    q->resident[q->count] = memory_resident();
    q->allocated[q->count++] = memory_allocated();
}

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

/* The samples' memory is written to now: else it would become resident with them. */
void flat_begin(struct flat *f, const char *what, double length)
{
    *f = (struct flat){.what = what, .began = latency_now(), .length = length, .quarter = -1};
    f->quarters = bench_alloc(4, sizeof *f->quarters);
    memset(f->quarters, 0xff, 4 * sizeof *f->quarters);
    for (int i = 0; i < 4; i++)
        f->quarters[i].count = 0;
    const int error = pthread_create(&f->sampler, NULL, run, f);
    if (error != 0)
        bench_fail("cannot start a thread: %s", strerror(error));
}

void flat_quarter(struct flat *f, int quarter)
{
    atomic_store(&f->quarter, quarter);
}

static int by_size(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static size_t median(size_t *samples, size_t count)
{
    qsort(samples, count, sizeof *samples, by_size);
    return count != 0 ? samples[count / 2] : 0;
}

/* Sanitizers keep what is freed, and shadows of all that was ever touched: their memory says nothing of ours. */
bool flat_end(struct flat *f, json_t *into)
{
    json_t *resident = json_array(), *allocated = json_array();
    size_t medians[4];
    atomic_store(&f->stop, true);
    pthread_join(f->sampler, NULL);
    for (int i = 0; i < 4; i++) {
        struct flat_quarter *q = &f->quarters[i];
        medians[i] = median(q->resident, q->count);
        json_array_append_new(resident, json_integer((json_int_t)medians[i]));
        json_array_append_new(allocated, json_integer((json_int_t)median(q->allocated, q->count)));
    }
    free(f->quarters);
    const size_t second = medians[1], last = medians[3];
    const bool judged = machine_plain_malloc(), flat = second != 0 && last <= second + second / 100 * FLAT_GROWTH;
    const double growth = second != 0 ? 100 * ((double)last / (double)second - 1) : 0;
    printf("memory          %s: %.1f MiB in the second quarter, %.1f MiB in the last, %+.1f %%%s\n", f->what,
           (double)second / 1048576, (double)last / 1048576, growth,
           !judged ? " (not judged: not the C library's malloc)" : flat ? "" : ": NOT FLAT");
    json_object_set_new(into, f->what,
                        json_pack("{s:I,s:I,s:f,s:b,s:o,s:o}", "second_quarter", (json_int_t)second, "last_quarter",
                                  (json_int_t)last, "growth_percent", growth, "judged", judged, "resident", resident,
                                  "allocated", allocated));
    return flat || !judged;
}
