/* SPDX-License-Identifier: MIT */
#ifndef RENDER_UNTRANSLATED_H
#define RENDER_UNTRANSLATED_H
#include <stdint.h>

#include "doc.h"

/* The blocks of an original, to tell what a translation has left as it was. */
struct original {
    uint64_t *hashes;
    size_t n;
};

void original_learn(struct original *, const struct doc *);
void original_forget(struct original *);
/*
 * Takes the blocks from first on that stand in the original just so out of d, and the listings that follow
 * them; all from first on if that is most of them.
 */
void untranslated_drop(struct doc *d, size_t first, const struct original *);
#endif
