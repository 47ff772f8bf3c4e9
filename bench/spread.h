/* SPDX-License-Identifier: MIT */
/* The median of rounds, and how far they lie apart. */
#ifndef BENCH_SPREAD_H
#define BENCH_SPREAD_H

struct spread {
    double median, min, max;
};

struct spread spread_of(double *rounds, unsigned count);   /* sorts them; ${count} > 0 */
double spread_share(const struct spread *);                /* (max - min) / median */
#endif
