/* SPDX-License-Identifier: MIT */
#include "spread.h"

#include <stdlib.h>

static int compare_doubles(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct spread spread_of(double *rounds, unsigned count)
{
    qsort(rounds, count, sizeof rounds[0], compare_doubles);
    const unsigned middle = count / 2;
    const double median = count % 2 != 0 ? rounds[middle] : (rounds[middle - 1] + rounds[middle]) / 2;
    return (struct spread){median, rounds[0], rounds[count - 1]};
}

double spread_share(const struct spread *s)
{
    return s->median > 0 ? (s->max - s->min) / s->median : 0;
}
