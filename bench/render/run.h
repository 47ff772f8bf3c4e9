/* SPDX-License-Identifier: MIT */
#ifndef RENDER_RUN_H
#define RENDER_RUN_H
#include <stdint.h>

#include "plan.h"
#include "reference.h"
#include "store.h"

/* What to do with a page that has been drawn. */
enum run_check {
    RUN_RECORD, /* the first time round it is the reference, then as RUN_HASH; one thread */
    RUN_HASH,   /* compare hashes */
    RUN_PIXELS  /* compare every pixel, and time the rasteriser */
};

struct run_result {
    double seconds;
    uint64_t pages, lookups, different;
    uint64_t drawn;     /* glyphs rasterised; the other look-ups hit, or shared what another thread drew */
    uint64_t raster_ns; /* processor time in the rasteriser, of all threads; of RUN_PIXELS only */
    size_t peak;        /* the most that the store used, asked for after every page */
};

/* Draws all pages passes times out of the store, on so many threads of their own, and waits for them. */
struct run_result run_passes(struct store *, const struct plan *, struct reference *, struct fonts *,
                             unsigned threads, size_t passes, enum run_check);
#endif
