/* SPDX-License-Identifier: MIT */
#ifndef RENDER_MUST_H
#define RENDER_MUST_H
#include <stddef.h>
#include <stdint.h>

/* malloc that ends the program when there is none; for everything but glyphs and what run threads allocate.
 */
void *must_alloc(size_t n, size_t size); /* zeroed */
char *must_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The array again, with room for at least need elements; *cap is raised. */
void *must_grow(void *array, size_t *cap, size_t need, size_t size);

uint64_t now_ns(void);       /* CLOCK_MONOTONIC */
uint64_t processor_ns(void); /* CLOCK_THREAD_CPUTIME_ID: a system call */
#endif
