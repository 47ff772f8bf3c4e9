/* SPDX-License-Identifier: MIT */
#include "zipf.h"

#include <math.h>

static const uint64_t scatter_prime = 2654435761u;   /* above every n, so that multiplying modulo n is a permutation */

static double integral(const struct zipf *z, double x)
{
    const double l = log(x);
    const double t = (1 - z->theta) * l;
    return fabs(t) > 1e-8 ? expm1(t) / t * l : (1 + t / 2) * l;
}

static double integral_inverse(const struct zipf *z, double x)
{
    double t = x * (1 - z->theta);
    if (t < -1)
        t = -1;
    return exp(fabs(t) > 1e-8 ? log1p(t) / t * x : (1 - t / 2) * x);
}

static double density(const struct zipf *z, double x)
{
    return exp(-z->theta * log(x));
}

void zipf_init(struct zipf *z, uint32_t n, double theta)
{
    z->n = n;
    z->theta = theta;
    z->first = integral(z, 1.5) - 1;
    z->last = integral(z, (double)n + 0.5);
    z->squeeze = 2 - integral_inverse(z, integral(z, 2.5) - density(z, 2));
}

uint32_t zipf_rank(const struct zipf *z, struct rng *rng)
{
    for (;;) {
        const double u = z->last + rng_unit(rng) * (z->first - z->last);
        const double x = integral_inverse(z, u);
        double k = floor(x + 0.5);
        if (k < 1)
            k = 1;
        else if (k > (double)z->n)
            k = (double)z->n;
        if (k - x <= z->squeeze || u >= integral(z, k + 0.5) - density(z, k))
            return (uint32_t)k - 1;
    }
}

void zipf_fill(const struct zipf *z, struct rng *rng, uint32_t *sequence, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sequence[i] = (uint32_t)(zipf_rank(z, rng) * scatter_prime % z->n);
}
