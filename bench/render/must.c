/* SPDX-License-Identifier: MIT */
#include "must.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "diag.h"

void *must_alloc(size_t n, size_t size) {
    void *p = calloc(n ? n : 1, size ? size : 1);

    if (!p)
        die_no_memory();
    return p;
}

char *must_print(const char *format, ...) {
    va_list args;
    char *text;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        die_no_memory();
    va_end(args);
    return text;
}

void *must_grow(void *array, size_t *cap, size_t need, size_t size) {
    size_t n = *cap ? *cap : 64;
    void *p;

    if (need <= *cap)
        return array;
    while (n < need) {
        if (n > SIZE_MAX / 2 / size)
            die_no_memory();
        n *= 2;
    }
    p = realloc(array, n * size);
    if (!p)
        die_no_memory();
    *cap = n;
    return p;
}

static uint64_t read_clock(clockid_t clock) {
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t now_ns(void) { return read_clock(CLOCK_MONOTONIC); }

uint64_t processor_ns(void) { return read_clock(CLOCK_THREAD_CPUTIME_ID); }
