/* SPDX-License-Identifier: MIT */
#include "shard/policy.h"

#include <string.h>

#include "base/hash.h"
#include "shard/policy_adapt.h"

enum { UNIT = 1 << 16, HIGHEST = 1 << 28, MEAN_SPAN = 1024, WORK_UNKNOWN = 0xffff };

/*
 * Of the clock, while as many go as there are entries, in modes whose newcomers weigh nothing: there too what is not
 * used goes one day.
 */
enum { CREEP = UNIT / 512 };

/* Times the mean: what is worth more counts as that, so that it goes one day. */
static const float RATIO_MOST = 64;
static const float MEAN_STEP_MOST = 16; /* likewise, in the mean itself */
static const float PRIORITY_FACTOR = 8;

/*
 * Powers of benefit / cost: measured best over real traces.  Above 1, since the clock makes little of differences: it
 * climbs with what goes, which is the cheapest.
 */
static const float POWER_HITS = 1.4f, POWER_BALANCED = 0.6f, POWER_WORK = 1.8f; /* BALANCED: (1 / root of cost)^1.2 */

/* ---- Modes */

static const float linear[GHOST_FREQUENCY + 1] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static const float flat[GHOST_FREQUENCY + 1] = {0,     1,     1.625f, 2.158f, 2.639f, 3.085f, 3.505f, 3.905f,
                                                4.287f, 4.656f, 5.012f, 5.358f, 5.695f, 6.023f, 6.342f, 6.657f}; /* f^0.7 */

/*
 * All but the last are near those found by taking, of 49 over twelve real traces, the one that made the mean of the best
 * of those taken lowest, four times.  The first is the best alone; the second lets nothing new displace what is used; the
 * third is near LRU; the fourth lets in what comes again.  The last breaks loops: it remembers nothing.
 */
const struct policy_mode policy_modes[POLICY_MODES] = {
    {.newcomer = 0.3f, .returned = 1, .reach = 31, .frequency = linear},
    {.newcomer = 0, .returned = 1, .reach = 5, .frequency = linear},
    {.newcomer = 1, .returned = 1, .reach = 31, .frequency = flat},
    {.newcomer = 0, .returned = 0.3f, .reach = 31, .frequency = linear},
    {.newcomer = 0, .returned = 1, .reach = 0, .frequency = linear},
};

void policy_init(struct policy *p, brim_objective objective, uint64_t seed, struct policy_adapt *adapt)
{
    guard_is_alone();
    memset(p, 0, sizeof *p);
    p->objective = objective;
    p->random = seed;
    p->adapt = adapt;
    p->mode = &policy_modes[0];
}

/* ---- Numbers */

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

/* To a hundredth, of a positive number: exponent, and a parabola for the mantissa.  Needs no libm. */
static float log2_near(float x)
{
    uint32_t bits;
    float m;

    memcpy(&bits, &x, sizeof bits);
    m = (float)(bits & 0x7fffffu) * 0x1p-23f;
    return (float)((int)(bits >> 23) - 127) + m + 0.34f * m * (1 - m);
}

static float exp2_near(float y)
{
    int whole;
    uint32_t bits;
    float x;

    y = y < -120 ? -120 : y > 120 ? 120 : y;
    whole = (int)(y + 128) - 128; /* towards minus infinity */
    y -= (float)whole;
    bits = (uint32_t)(whole + 127) << 23;
    memcpy(&x, &bits, sizeof x);
    return x * (1 + y - 0.343f * y * (1 - y));
}

static float cost_of(const struct entry *e)
{
    size_t cost = entry_cost(e);

    return cost > 0 ? (float)cost : 1.0f;
}

static float work_of(const struct policy *p, const struct entry *e) REQUIRES(rank_shard)
{
    return e->work != WORK_UNKNOWN ? unpack_work(e->work) : p->mean_work > 0 ? p->mean_work : 1;
}

float policy_benefit(const struct policy *p, const struct entry *e)
{
    switch (p->objective) {
    case BRIM_HITS:
        return 1;
    case BRIM_BYTES:
        return cost_of(e);
    case BRIM_WORK:
        return work_of(p, e);
    case BRIM_BALANCED:
    default:
        return exp2_near(0.5f * log2_near(cost_of(e)));
    }
}

static float ratio_of(const struct policy *p, const struct entry *e) REQUIRES(rank_shard)
{
    switch (p->objective) {
    case BRIM_HITS:
        return exp2_near(-POWER_HITS * log2_near(cost_of(e)));
    case BRIM_BYTES:
        return 1;
    case BRIM_WORK:
        return exp2_near(POWER_WORK * (log2_near(work_of(p, e)) - log2_near(cost_of(e))));
    case BRIM_BALANCED:
    default:
        return exp2_near(-POWER_BALANCED * log2_near(cost_of(e)));
    }
}

/* The geometric mean at first: of few, one absurd value would be the measure of all. */
void policy_follow(float *mean, float x, uint32_t span)
{
    enum { FEW = 32 };

    if (*mean <= 0)
        *mean = x;
    else if (span <= FEW)
        *mean *= exp2_near((log2_near(x) - log2_near(*mean)) / (float)span);
    else
        *mean += ((x > MEAN_STEP_MOST * *mean ? MEAN_STEP_MOST * *mean : x) - *mean) / (float)span;
}

/* In UNITs; ${ratio}: of ${e}; ${times}: of one that was used once. */
static uint32_t weight(const struct policy *p, const struct entry *e, float ratio, float times) REQUIRES(rank_shard)
{
    int priority = (int)((entry_flags(e) & ENTRY_PRIORITY) >> ENTRY_PRIORITY_SHIFT) - 1;
    float most = (float)UNIT * RATIO_MOST, w;

    if (times <= 0)
        return 0u - UNIT / 2; /* below all that has not been left behind by the clock for long */
    w = ratio * p->scale;
    w = times * (w > most ? most : w);
    if (priority != 0)
        w = priority > 0 ? w * PRIORITY_FACTOR : w / PRIORITY_FACTOR;
    return w < 1 ? 1 : w > (float)HIGHEST ? (uint32_t)HIGHEST : (uint32_t)w;
}

static unsigned frequency_of(const struct entry *e)
{
    return e->eviction & ENTRY_FREQUENCY;
}

/* Of one that is in no pool. */
static void set_frequency(struct entry *e, int frequency)
{
    e->eviction = (uint8_t)((e->eviction & ENTRY_IN_LINKED) | (unsigned)frequency);
}

/* ---- The pool: sorted, the worst last */

/* How far above the clock: priorities wrap. */
static int32_t above(const struct policy *p, uint32_t priority) REQUIRES(rank_shard)
{
    return (int32_t)(priority - p->clock);
}

static void leave(struct policy *p, unsigned i) REQUIRES(rank_shard)
{
    p->pool[i]->eviction &= (uint8_t)~ENTRY_POOLED;
    p->pooled--;
    memmove(&p->pool[i], &p->pool[i + 1], (p->pooled - i) * sizeof p->pool[0]);
    memmove(&p->rank[i], &p->rank[i + 1], (p->pooled - i) * sizeof p->rank[0]);
}

static void join(struct policy *p, struct entry *e) REQUIRES(rank_shard)
{
    unsigned i;

    if (p->pooled == POLICY_POOL) {
        if (above(p, e->priority) >= above(p, p->rank[0]))
            return;
        leave(p, 0);
    }
    for (i = p->pooled; i > 0 && above(p, p->rank[i - 1]) < above(p, e->priority); i--) {
        p->pool[i] = p->pool[i - 1];
        p->rank[i] = p->rank[i - 1];
    }
    p->pool[i] = e;
    p->rank[i] = e->priority;
    p->pooled++;
    e->eviction |= ENTRY_POOLED;
}

void policy_forget(struct policy *p, struct entry *e)
{
    unsigned i = 0;

    if (!(e->eviction & ENTRY_POOLED))
        return;
    while (p->pool[i] != e)
        i++;
    leave(p, i);
}

/* ---- Coming */

static void request(const struct policy *p, const struct entry *e) REQUIRES(rank_shard)
{
    if (p->adapt != NULL && !(entry_flags(e) & ENTRY_ANONYMOUS))
        adapt_request(p->adapt, e);
}

/* The weight of one that was evicted before, or of a newcomer. */
static float remember(struct policy *p, struct entry *e) REQUIRES(rank_shard)
{
    int frequency = -1;

    if (p->ghosts != NULL && !(entry_flags(e) & ENTRY_ANONYMOUS))
        frequency = ghosts_take(p->ghosts, e->place, p->mode->reach);
    if (frequency < 0)
        return p->evicting ? p->mode->newcomer : policy_modes[0].newcomer;
    set_frequency(e, frequency < GHOST_FREQUENCY ? frequency + 1 : GHOST_FREQUENCY);
    return p->mode->returned * p->mode->frequency[frequency_of(e)];
}

static float go_on_as(const struct policy *p, struct entry *e, const struct entry *old) REQUIRES(rank_shard)
{
    set_frequency(e, (int)frequency_of(old));
    return frequency_of(e) > 0 ? p->mode->frequency[frequency_of(e)] : policy_modes[0].newcomer;
}

void policy_admit(struct policy *p, struct entry *e, const struct entry *old)
{
    float ratio;

    p->admitted += p->admitted < MEAN_SPAN;
    if (e->work != WORK_UNKNOWN)
        policy_follow(&p->mean_work, unpack_work(e->work), p->admitted);
    ratio = ratio_of(p, e);
    policy_follow(&p->mean_ratio, ratio, p->admitted);
    p->scale = (float)UNIT / p->mean_ratio;
    if (p->adapt != NULL)
        p->mode = adapt_mode(p->adapt);
    set_frequency(e, 0);
    e->priority = p->clock + weight(p, e, ratio, old != NULL ? go_on_as(p, e, old) : remember(p, e));
    if (p->evicting)
        join(p, e); /* among the first to go, if it is worth as little */
    request(p, e);
}

/* ---- Going */

static void fold(struct policy *p, struct entry *e) REQUIRES(rank_shard)
{
    float ratio;

    if ((entry_flags(e) & ENTRY_ANONYMOUS) && !entry_has_keys(e)) {
        e->priority = p->clock - HIGHEST; /* nobody can find it any more: it goes first */
        return;
    }
    if (!entry_take_use(e))
        return;
    if (frequency_of(e) < GHOST_FREQUENCY)
        e->eviction++;
    ratio = ratio_of(p, e);
    policy_follow(&p->mean_ratio, ratio, p->admitted);
    e->priority = p->clock + weight(p, e, ratio, p->mode->frequency[frequency_of(e)]);
    request(p, e);
}

void policy_keep_up(const struct policy *p, struct entry *e)
{
    if (above(p, e->priority) < 0)
        e->priority = p->clock;
}

unsigned policy_sample(struct policy *p)
{
    enum { SMALL = 16384 };

    return p->adapt != NULL && adapt_entries(p->adapt) > SMALL ? POLICY_SAMPLE * 3 / 4 : POLICY_SAMPLE;
}

void policy_consider(struct policy *p, struct entry *const sample[], unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (sample[i]->eviction & ENTRY_POOLED)
            continue;
        fold(p, sample[i]);
        join(p, sample[i]);
    }
}

/* One that was used since it joined is put where it belongs now. */
struct entry *policy_next(struct policy *p)
{
    if (p->pooled == 0)
        return NULL;
    for (unsigned looks = p->pooled;; looks--) {
        struct entry *e = p->pool[p->pooled - 1];
        uint32_t before = p->rank[p->pooled - 1];

        fold(p, e);
        leave(p, p->pooled - 1);
        if (looks == 0 || above(p, e->priority) <= above(p, before))
            return e;
        join(p, e);
    }
}

void policy_evicted(struct policy *p, const struct entry *e, bool chosen)
{
    if (chosen && above(p, e->priority) > 0)
        p->clock = e->priority;
    p->evicting = true;
    if (p->ghosts == NULL)
        return;
    if (p->mode->newcomer <= 0) {
        p->creep += CREEP;
        p->clock += p->creep / p->ghosts_for;
        p->creep %= p->ghosts_for;
    }
    if (!(entry_flags(e) & ENTRY_ANONYMOUS))
        ghosts_put(p->ghosts, e->place, frequency_of(e));
}

/* ---- Memory */

uint32_t policy_wants_ghosts(const struct policy *p, uint32_t count)
{
    enum { SLACK = 8 };

    if (!p->evicting)
        return 0;
    if (p->ghosts != NULL && count <= p->ghosts_for + p->ghosts_for / 4 + SLACK && count + SLACK >= p->ghosts_for / 2)
        return 0;
    return count + SLACK;
}

struct ghosts *policy_take_ghosts(struct policy *p, struct ghosts *g, uint32_t entries)
{
    struct ghosts *old = p->ghosts;

    p->ghosts = g;
    p->ghosts_for = entries;
    return old;
}
