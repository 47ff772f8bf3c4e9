/* SPDX-License-Identifier: MIT */
#include "reference.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "must.h"
#include "page.h"

static const size_t KEEP_BYTES = (size_t)256 << 20;

struct reference {
    XXH128_hash_t *hashes;
    uint8_t *pixels;
    size_t kept;
};

struct reference *reference_new(size_t pages) {
    struct reference *r = must_alloc(1, sizeof *r);

    r->kept = pages < KEEP_BYTES / PAGE_BYTES ? pages : KEEP_BYTES / PAGE_BYTES;
    r->hashes = must_alloc(pages, sizeof *r->hashes);
    r->pixels = must_alloc(r->kept, PAGE_BYTES);
    return r;
}

void reference_free(struct reference *r) {
    free(r->hashes);
    free(r->pixels);
    free(r);
}

void reference_record(struct reference *r, size_t page, const uint8_t *canvas) {
    r->hashes[page] = XXH3_128bits(canvas, PAGE_BYTES);
    if (page < r->kept)
        memcpy(r->pixels + page * PAGE_BYTES, canvas, PAGE_BYTES);
}

bool reference_agrees(const struct reference *r, size_t page, const uint8_t *canvas) {
    return XXH128_isEqual(XXH3_128bits(canvas, PAGE_BYTES), r->hashes[page]);
}

const uint8_t *reference_pixels(const struct reference *r, size_t page) {
    return page < r->kept ? r->pixels + page * PAGE_BYTES : NULL;
}

bool reference_equals(const struct reference *r, size_t page, const uint8_t *canvas) {
    const uint8_t *pixels = reference_pixels(r, page);

    return pixels ? memcmp(pixels, canvas, PAGE_BYTES) == 0 : reference_agrees(r, page, canvas);
}
