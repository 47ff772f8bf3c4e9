/* SPDX-License-Identifier: MIT */
/* Zipf-distributed indices, by rejection-inversion (Hörmann and Derflinger 1996): exact, without a table. */
#ifndef BENCH_ZIPF_H
#define BENCH_ZIPF_H
#include "rng.h"

#include <stddef.h>
#include <stdint.h>

struct zipf {
    uint32_t n;
    double theta;
    double first, last, squeeze;        /* of the method: H(1.5) - 1, H(n + 0.5), and where no test is needed */
};

/* theta 0 < theta < 1 or > 1; n > 0. */
void zipf_init(struct zipf *, uint32_t n, double theta);

/* A rank, 0 the most frequent. */
uint32_t zipf_rank(const struct zipf *, struct rng *);

/* Fills a sequence with ranks scattered over 0 .. n - 1, so that neighbours in rank are no neighbours in memory. */
void zipf_fill(const struct zipf *, struct rng *, uint32_t *sequence, size_t count);
#endif
