/* SPDX-License-Identifier: MIT */
#ifndef RENDER_REFERENCE_H
#define RENDER_REFERENCE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The pages as the first run drew them: a hash of each, and the pixels of as many as KEEP_BYTES hold. */
struct reference;

struct reference *reference_new(size_t pages);
void reference_free(struct reference *);
void reference_record(struct reference *, size_t page,
                      const uint8_t *canvas); /* one thread, before the others */
bool reference_agrees(const struct reference *, size_t page, const uint8_t *canvas); /* by the hash */
bool reference_equals(const struct reference *, size_t page,
                      const uint8_t *canvas);                           /* by every pixel, where kept */
const uint8_t *reference_pixels(const struct reference *, size_t page); /* NULL: not kept */
#endif
