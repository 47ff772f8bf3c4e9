/* SPDX-License-Identifier: MIT */
#include "shard/policy.h"

#include <string.h>

enum { UNIT = 1024, HIGHEST = 1 << 24, MEAN_SPAN = 64, WORK_UNKNOWN = 0xffff };

enum { UNSAMPLED = 3 }; /* evictions between samples: over real traces not worse than 0, and far cheaper */

static const float NEWCOMER = 0.3f; /* of a used entry's weight: measured best of 1, .3, .05 over real traces */
static const float PRIORITY_FACTOR = 8;

void policy_init(struct policy *p, brim_objective objective)
{
    memset(p, 0, sizeof *p);
    p->objective = objective;
}

/* Six bits of exponent, ten of mantissa. */
uint16_t policy_pack_work(uint64_t ns)
{
    unsigned exponent, packed;

    if (ns == 0)
        return WORK_UNKNOWN;
    exponent = 63u - (unsigned)__builtin_clzll(ns);
    packed = exponent << 10 | (unsigned)((exponent >= 10 ? ns >> (exponent - 10) : ns << (10 - exponent)) & 1023);
    return (uint16_t)(packed == WORK_UNKNOWN ? packed - 1 : packed);
}

static float unpack_work(uint16_t packed)
{
    uint64_t mantissa = 1024u + (packed & 1023u);
    unsigned exponent = packed >> 10;

    return (float)mantissa / 1024.0f * (float)((uint64_t)1 << exponent);
}

/* 1 / sqrt(x) to a thousandth: the bit trick of Quake III and two of Newton's steps; needs no libm. */
static float inverse_root(float x)
{
    uint32_t bits;
    float y;

    memcpy(&bits, &x, sizeof bits);
    bits = 0x5f3759df - (bits >> 1);
    memcpy(&y, &bits, sizeof y);
    y *= 1.5f - 0.5f * x * y * y;
    return y * (1.5f - 0.5f * x * y * y);
}

/* One absurd value must not become the measure of all. */
static void follow_at_most_thousandfold(float *mean, float x)
{
    if (*mean > 0)
        *mean += ((x > 1000 * *mean ? 1000 * *mean : x) - *mean) / (float)MEAN_SPAN;
    else
        *mean = x;
}

static float ratio_of(const struct policy *p, const struct entry *e)
{
    size_t c = entry_cost(e);
    float cost = c > 0 ? (float)c : 1.0f;

    switch (p->objective) {
    case BRIM_HITS:
        return 1 / cost;
    case BRIM_BYTES:
        return 1;
    case BRIM_WORK:
        return (e->work != WORK_UNKNOWN ? unpack_work(e->work) : p->mean_work > 0 ? p->mean_work : 1) / cost;
    case BRIM_BALANCED:
    default:
        return inverse_root(cost);
    }
}

static uint32_t weight(const struct policy *p, const struct entry *e, float ratio, float times)
{
    int priority = (int)((entry_flags(e) & ENTRY_PRIORITY) >> ENTRY_PRIORITY_SHIFT) - 1;
    float w = times * (float)UNIT * ratio / p->mean_ratio;

    if (priority != 0)
        w = priority > 0 ? w * PRIORITY_FACTOR : w / PRIORITY_FACTOR;
    return w < 1 ? 1 : w > (float)HIGHEST ? (uint32_t)HIGHEST : (uint32_t)w;
}

void policy_admit(struct policy *p, struct entry *e)
{
    float ratio;

    if (e->work != WORK_UNKNOWN)
        follow_at_most_thousandfold(&p->mean_work, unpack_work(e->work));
    ratio = ratio_of(p, e);
    follow_at_most_thousandfold(&p->mean_ratio, ratio);
    e->eviction = 0;
    e->priority = p->clock + weight(p, e, ratio, NEWCOMER);
}

void policy_forget(struct policy *p, struct entry *e)
{
    if (!(e->eviction & ENTRY_POOLED))
        return;
    e->eviction &= (uint8_t)~ENTRY_POOLED;
    for (unsigned i = 0; i < p->pooled; i++) {
        if (p->pool[i] == e) {
            p->pooled--;
            memmove(&p->pool[i], &p->pool[i + 1], (p->pooled - i) * sizeof p->pool[0]);
            return;
        }
    }
}

/* How far above the clock: priorities wrap. */
static int32_t rank(const struct policy *p, const struct entry *e)
{
    return (int32_t)(e->priority - p->clock);
}

static void fold(struct policy *p, struct entry *e)
{
    if ((entry_flags(e) & ENTRY_ANONYMOUS) && !entry_has_keys(e)) {
        e->priority = p->clock - HIGHEST; /* nobody can find it any more: it goes first */
        return;
    }
    if (!entry_take_use(e))
        return;
    if ((e->eviction & ENTRY_FREQUENCY) < ENTRY_FREQUENCY)
        e->eviction++;
    e->priority = p->clock + weight(p, e, ratio_of(p, e), (float)(e->eviction & ENTRY_FREQUENCY));
}

/* The pool is kept sorted, the worst last. */
static void join(struct policy *p, struct entry *e)
{
    unsigned i;

    if (p->pooled == POLICY_POOL) {
        if (rank(p, e) >= rank(p, p->pool[0]))
            return;
        p->pool[0]->eviction &= (uint8_t)~ENTRY_POOLED;
        p->pooled--;
        memmove(&p->pool[0], &p->pool[1], p->pooled * sizeof p->pool[0]);
    }
    for (i = p->pooled; i > 0 && rank(p, p->pool[i - 1]) < rank(p, e); i--)
        p->pool[i] = p->pool[i - 1];
    p->pool[i] = e;
    p->pooled++;
    e->eviction |= ENTRY_POOLED;
}

void policy_consider(struct policy *p, struct entry *const sample[], unsigned n)
{
    struct entry *old[POLICY_POOL];
    unsigned olds = p->pooled;

    p->unsampled = 0;

    memcpy(old, p->pool, olds * sizeof old[0]);
    p->pooled = 0;
    for (unsigned i = 0; i < olds; i++) {
        old[i]->eviction &= (uint8_t)~ENTRY_POOLED;
        fold(p, old[i]);
        join(p, old[i]);
    }
    for (unsigned i = 0; i < n; i++) {
        if (sample[i]->eviction & ENTRY_POOLED)
            continue;
        fold(p, sample[i]);
        join(p, sample[i]);
    }
}

bool policy_has_overdue(struct policy *p)
{
    if (p->unsampled++ >= UNSAMPLED)
        return false;
    for (unsigned looks = p->pooled; looks > 0; looks--) {
        struct entry *worst = p->pool[p->pooled - 1];

        fold(p, worst);
        if (rank(p, worst) <= 0)
            return true;
        if (p->pooled < 2 || rank(p, worst) <= rank(p, p->pool[p->pooled - 2]))
            return false;
        p->pooled--; /* used meanwhile: it goes where it belongs now */
        join(p, worst);
    }
    return false;
}

struct entry *policy_next(struct policy *p)
{
    struct entry *e;

    if (p->pooled == 0)
        return NULL;
    e = p->pool[--p->pooled];
    e->eviction &= (uint8_t)~ENTRY_POOLED;
    return e;
}

void policy_evicted(struct policy *p, const struct entry *e)
{
    if (rank(p, e) > 0)
        p->clock = e->priority;
}
