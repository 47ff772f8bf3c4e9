/* SPDX-License-Identifier: MIT */
/* What is counted, one part for each column of the table. */
#ifndef INSTRUCTIONS_PARTS_H
#define INSTRUCTIONS_PARTS_H
#include "fill.h"

enum { BATCH = 16, BATCHES = 512 };

/* One batch's arguments and results. */
struct batch {
    uint64_t index[BATCH];
    struct fill_key key[BATCH];
    brim_bytes bytes[BATCH];
    brim_ref *ref[BATCH];
    brim_key *handle[BATCH];
    void *value[BATCH];
    size_t n;                   /* what the counted call returned, where that is a number */
};

/* ${before} and ${after} are not counted; ${counted} is, and does BATCH operations. */
struct part {
    const char *name;
    void (*before)(struct fill *, struct batch *);
    void (*counted)(struct fill *, struct batch *);
    void (*after)(struct fill *, struct batch *);
    bool borrow;                /* needs options.borrow */
    bool lasting;               /* changes the cache: is not done twice to be warm */
};

extern const struct part parts[];
extern const size_t part_count;

/* Do it BATCHES times, print the part's name and the number of operations, and mark its end. */
void part_run(const struct part *, struct fill *);
#endif
