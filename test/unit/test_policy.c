/* SPDX-License-Identifier: MIT
 *
 * shard/policy: what goes first, and what comes back.
 */
#include "base/mem.h"
#include "shard/policy.h"
#include "shard/policy_adapt.h"
#include "support/support.h"
#include "unit/interfere.h"

enum {
    MANY = 100,
    FEW = 8,               /* entries that there are ghosts for */
    UNIT = 1 << 16,        /* of priorities, by policy.h */
    ENOUGH_TURNS = 4000,   /* of all entries, for what is not used to go */
    ENOUGH_ROUNDS = 200000 /* likewise of evictions, for what is absurdly dear */
};

static struct entry all[MANY];
static struct policy p;
static struct policy_adapt adapt;

static struct entry *fresh(struct entry *e, size_t cost, uint64_t work)
{
    entry_init(e, NULL, 0, NULL, cost);
    e->place = (uint32_t)(e - all + 1) * 0x01000193u;
    e->work = policy_pack_work(work);
    e->kind_flags = 1 << ENTRY_PRIORITY_SHIFT; /* priority 0 */
    entry_publish(e, 0, 0);
    return e;
}

static struct entry *admit(struct entry *e, size_t cost, uint64_t work)
{
    policy_admit(&p, fresh(e, cost, work), NULL);
    return e;
}

/* By bytes all ratios of benefit to cost are 1: weights are whole UNITs.  There are ghosts for FEW. */
static void make(unsigned mode)
{
    struct ghosts *g = mem_alloc_zeroed(&mem_default, ghosts_size(FEW), GHOSTS_ALIGN);

    ck_assert_ptr_nonnull(g);
    ghosts_init(g, FEW);
    policy_init(&p, BRIM_BYTES, 1, NULL);
    ck_assert_ptr_eq(p.mode, &policy_modes[0]);
    p.mode = &policy_modes[mode]; /* stays, as nothing adapts */
    ck_assert_ptr_null(policy_take_ghosts(&p, g, FEW));
}

static void unmake(void)
{
    struct ghosts *g = policy_take_ghosts(&p, NULL, 0);

    mem_free(&mem_default, g, ghosts_bytes(g), GHOSTS_ALIGN);
}

/* How far above the clock: priorities wrap. */
static int32_t above(const struct entry *e)
{
    return (int32_t)(e->priority - p.clock);
}

static unsigned frequency(const struct entry *e)
{
    return e->eviction & ENTRY_FREQUENCY;
}

/* Found ${times}, each seen by eviction. */
static struct entry *use(struct entry *e, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        entry_mark_used(e);
        policy_consider(&p, &e, 1);
        ck_assert_ptr_eq(policy_next(&p), e);
    }
    return e;
}

static void evict(struct entry *e, bool chosen)
{
    policy_evicted(&p, e, chosen);
    policy_forget(&p, e);
}

static void expect_weight(const struct entry *e, float times)
{
    int32_t units = (int32_t)(times * (float)UNIT);

    ck_assert_int_le(above(e), units + 1);
    ck_assert_int_ge(above(e), units - 1);
}

/* The first to go of two; nothing else is pooled. */
static struct entry *worse(struct entry *a, struct entry *b)
{
    struct entry *sample[2] = {a, b}, *first, *second, *third;

    policy_consider(&p, sample, 2);
    first = policy_next(&p);
    second = policy_next(&p);
    third = policy_next(&p);
    ck_assert_msg(first != second && second == (first == a ? b : a) && third == NULL, "the pool is not of these two");
    return first;
}

START_TEST(work_is_packed_in_order)
{
    uint16_t last = 0;

    ck_assert_uint_eq(policy_pack_work(0), 0xffff); /* unknown */
    ck_assert_uint_ne(policy_pack_work(UINT64_MAX), 0xffff);
    for (unsigned i = 0; i < 64; i++)
        ck_assert_uint_eq(policy_pack_work((uint64_t)1 << i), i << 10);
    ck_assert_uint_eq(policy_pack_work(3), 1 << 10 | 512);
    ck_assert_uint_eq(policy_pack_work(1023), 9 << 10 | 1022);
    ck_assert_uint_eq(policy_pack_work(3 << 10), 11 << 10 | 512);
    for (uint64_t ns = 1; ns < UINT64_MAX / 2; ns += 1 + ns / 1500) {
        uint16_t packed = policy_pack_work(ns);
        ck_assert_uint_ge(packed, last);
        ck_assert_uint_le(packed, last + 1025u); /* 1 to 2: a whole exponent */
        last = packed;
    }
    ck_assert_uint_gt(policy_pack_work(3000 + 6), policy_pack_work(3000)); /* to two thousandths */
}
END_TEST

START_TEST(the_objective_orders)
{
    static const brim_objective objectives[] = {BRIM_BALANCED, BRIM_HITS, BRIM_BYTES, BRIM_WORK};
    brim_objective o = objectives[_i];
    struct entry *small, *large, *dear, *cheap;

    policy_init(&p, o, 1, NULL);
    for (unsigned i = 10; i < MANY; i++)
        admit(&all[i], 100, 100);
    small = admit(&all[0], 10, 100);
    large = admit(&all[1], 1000, 100);
    dear = admit(&all[2], 100, 10000);
    cheap = admit(&all[3], 100, 1);
    if (o == BRIM_BYTES) {
        ck_assert_uint_lt(small->priority - large->priority + 1024, 2048);
    } else {
        ck_assert_ptr_eq(worse(small, large), large);
        ck_assert_ptr_eq(worse(large, small), large);
    }
    if (o == BRIM_WORK) {
        ck_assert_ptr_eq(worse(dear, cheap), cheap);
        ck_assert_ptr_eq(worse(cheap, dear), cheap);
    } else {
        ck_assert_uint_lt(dear->priority - cheap->priority + 1024, 2048); /* equal, but that the mean moves a little */
    }
}
END_TEST

START_TEST(use_and_priority_keep)
{
    struct entry *unused, *once, *often, *high, *low;

    policy_init(&p, BRIM_BYTES, 1, NULL);
    unused = admit(&all[0], 1, 0);
    once = admit(&all[1], 1, 0);
    often = admit(&all[2], 1, 0);
    for (int i = 0; i < 5; i++) {
        entry_mark_used(often);
        (void)worse(often, unused);
    }
    entry_mark_used(once);
    ck_assert_ptr_eq(worse(unused, once), unused);
    ck_assert_ptr_eq(worse(often, once), once);
    high = &all[3];
    low = &all[4];
    admit(high, 1, 0);
    high->kind_flags = 2 << ENTRY_PRIORITY_SHIFT;
    policy_admit(&p, high, NULL);
    admit(low, 1, 0);
    low->kind_flags = 0;
    policy_admit(&p, low, NULL);
    ck_assert_ptr_eq(worse(high, unused), unused);
    ck_assert_ptr_eq(worse(unused, low), low);
}
END_TEST

/* An anonymous one whose keys are all dropped can never be found again. */
START_TEST(the_unreachable_goes_first)
{
    struct entry *lost, *kept, *poor;

    policy_init(&p, BRIM_HITS, 1, NULL);
    poor = admit(&all[0], 100000, 0);
    lost = admit(&all[1], 1, 0);
    kept = admit(&all[2], 1, 0);
    lost->kind_flags |= ENTRY_ANONYMOUS;
    kept->kind_flags |= ENTRY_ANONYMOUS;
    entry_copy_key(kept);
    entry_mark_used(lost);
    poor->priority = p.clock - 10 * UNIT; /* left behind long ago */
    ck_assert_ptr_eq(worse(lost, poor), lost);
    ck_assert_ptr_eq(worse(kept, poor), poor);
}
END_TEST

/* In each mode, from a clock that is about to wrap. */
START_TEST(what_is_not_used_goes_however_dear)
{
    struct entry *dear, *e = &all[1];
    unsigned round = 0;

    make((unsigned)_i);
    p.objective = BRIM_WORK;
    p.clock = UINT32_MAX - 10000;
    admit(e, 1000, 1000);
    dear = use(admit(&all[0], 1, UINT64_MAX), 1); /* absurdly dear */
    for (; e != dear && round < ENOUGH_ROUNDS; round++) {
        admit(&all[1], 1000, 1000)->place = 0x9E3779B1u * round; /* always another */
        entry_mark_used(&all[1]);
        e = worse(&all[1], dear);
        evict(e, true);
    }
    ck_assert_ptr_eq(e, dear);
    ck_assert_uint_gt(round, 10); /* but late */
    unmake();
}
END_TEST

/* Also where newcomers, weighing nothing, do not move the clock: it creeps. */
START_TEST(what_is_used_no_more_goes)
{
    struct entry *idle, *e = &all[1];
    unsigned round = 0;

    make((unsigned)_i);
    p.clock = UINT32_MAX - UNIT / 2;
    admit(e, 1, 0);
    idle = use(admit(&all[0], 1, 0), 1);
    for (; e != idle && round < ENOUGH_TURNS * FEW; round++) {
        admit(&all[1], 1, 0);
        e = worse(&all[1], idle);
        evict(e, true);
        (void)ghosts_take(p.ghosts, e->place, GHOST_RING); /* it is always another */
    }
    ck_assert_ptr_eq(e, idle);
    if (p.mode->newcomer <= 0)
        ck_assert_uint_gt(round, FEW); /* it was worth more than what came meanwhile */
    unmake();
}
END_TEST

/* ---- Coming */

START_TEST(modes_can_be_used)
{
    for (unsigned i = 0; i < POLICY_MODES; i++) {
        const struct policy_mode *m = &policy_modes[i];

        ck_assert(m->newcomer >= 0 && m->newcomer <= m->frequency[1]);
        ck_assert(m->returned > 0 && m->returned <= 1);
        ck_assert_uint_le(m->reach, GHOST_RING);
        ck_assert_double_eq(m->frequency[1], 1);
        for (unsigned f = 1; f < GHOST_FREQUENCY; f++)
            ck_assert_double_gt(m->frequency[f + 1], m->frequency[f]);
    }
    ck_assert_double_gt(policy_modes[0].newcomer, 0); /* what all weigh until something is evicted */
}
END_TEST

START_TEST(newcomers)
{
    struct entry *e;

    make((unsigned)_i);
    e = admit(&all[0], 1, 0);
    expect_weight(e, policy_modes[0].newcomer); /* no mode matters yet */
    ck_assert_uint_eq(e->eviction, 0);
    ck_assert_ptr_null(policy_next(&p));
    evict(e, true);
    e = admit(&all[1], 1, 0);
    if (p.mode->newcomer > 0) {
        expect_weight(e, p.mode->newcomer);
    } else { /* before what the clock has just reached, but not before what it left behind long ago */
        ck_assert_int_lt(above(e), 0);
        ck_assert_int_gt(above(e), -UNIT);
    }
    ck_assert_uint_eq(e->eviction, ENTRY_POOLED); /* among the first to go, without being met in a sample */
    ck_assert_ptr_eq(policy_next(&p), e);
    ck_assert_ptr_null(policy_next(&p));
    unmake();
}
END_TEST

START_TEST(a_full_pool_takes_no_better_newcomer)
{
    struct entry *first;

    policy_init(&p, BRIM_HITS, 1, NULL);
    for (unsigned i = POLICY_POOL; i < MANY; i++)
        admit(&all[i], 100, 0); /* so that the mean hardly moves */
    p.evicting = true;
    for (unsigned i = 0; i < POLICY_POOL; i++)
        admit(&all[i], 100 + i, 0);
    ck_assert_uint_eq(p.pooled, POLICY_POOL);
    first = admit(&all[POLICY_POOL], 10, 0); /* small: worth more than any */
    ck_assert_uint_eq(first->eviction & ENTRY_POOLED, 0);
    first = admit(&all[POLICY_POOL + 1], 1000, 0);
    ck_assert_uint_ne(first->eviction & ENTRY_POOLED, 0);
    ck_assert_uint_eq(all[0].eviction & ENTRY_POOLED, 0); /* had to leave for it */
    ck_assert_uint_eq(p.pooled, POLICY_POOL);
    ck_assert_ptr_eq(policy_next(&p), first);
}
END_TEST

/* ${_i}: the mode. */
START_TEST(what_comes_back_was_used_before)
{
    make((unsigned)_i);
    for (unsigned uses = 0; uses < GHOST_FREQUENCY + 3; uses++) {
        unsigned before = uses < GHOST_FREQUENCY ? uses : GHOST_FREQUENCY;
        unsigned back = uses + 1 < GHOST_FREQUENCY ? uses + 1 : GHOST_FREQUENCY;
        bool remembers = p.mode->reach > 0;
        struct entry *e = use(admit(&all[uses], 1, 0), uses);

        ck_assert_uint_eq(frequency(e), before);
        if (uses > 0)
            expect_weight(e, p.mode->frequency[before]);
        evict(e, true);
        e = admit(&all[uses], 1, 0);
        ck_assert_uint_eq(frequency(e), remembers ? back : 0);
        if (remembers)
            expect_weight(e, p.mode->returned * p.mode->frequency[back]);
        ck_assert_ptr_eq(policy_next(&p), e); /* it joined the pool, as newcomers do */
        e = admit(&all[uses], 1, 0);
        ck_assert_uint_eq(frequency(e), 0); /* its ghost was for once */
        policy_forget(&p, e);
    }
    unmake();
}
END_TEST

/* ${_i}: the mode.  In a table of one bucket, where ages are exact. */
START_TEST(what_went_too_long_ago_is_new)
{
    unsigned reach = policy_modes[_i].reach;

    for (unsigned others = reach > 0 ? reach - 1 : 0; others <= reach; others++) {
        struct entry *e = &all[0];

        make((unsigned)_i);
        ghosts_init(p.ghosts, 0);
        ck_assert_uint_eq(p.ghosts->buckets, 1);
        evict(use(admit(e, 1, 0), 3), true);
        for (unsigned i = 1; i <= others; i++)
            policy_evicted(&p, fresh(&all[i], 1, 0), false);
        admit(e, 1, 0);
        ck_assert_uint_eq(frequency(e), others < reach ? 4 : 0);
        unmake();
    }
}
END_TEST

/* ${_i}: the mode. */
START_TEST(what_replaces_goes_on_as_the_old)
{
    struct entry *old = &all[0], *e = &all[1];

    make((unsigned)_i);
    for (unsigned uses = 0; uses <= GHOST_FREQUENCY; uses++) {
        p.evicting = false;
        use(admit(old, 1, 0), uses);
        p.evicting = uses % 2 != 0;
        policy_consider(&p, &old, 1);
        policy_admit(&p, fresh(e, 1, 0), old);
        expect_weight(e, uses > 0 ? p.mode->frequency[uses] : policy_modes[0].newcomer); /* not nothing: it had come */
        policy_forget(&p, old);
        ck_assert_uint_eq(e->eviction, uses | (p.evicting ? ENTRY_POOLED : 0));
        ck_assert_ptr_eq(policy_next(&p), p.evicting ? e : NULL);
    }
    unmake();
}
END_TEST

/* Nobody asks for them by a key. */
START_TEST(anonymous_ones_leave_no_trace)
{
    struct entry *e = &all[0];

    make(0);
    memset(&adapt, 0, sizeof adapt);
    ck_assert(adapt_init(&adapt, BRIM_BYTES, 1));
    adapt_fit(&adapt, &mem_default, FEW, FEW, false);
    ck_assert(adapt_is_sampled(&adapt, fresh(e, 1, 0)->place));
    p.adapt = &adapt;
    e->kind_flags |= ENTRY_ANONYMOUS;
    entry_copy_key(e);
    policy_admit(&p, e, NULL);
    use(e, 3);
    ck_assert_uint_eq(frequency(e), 3);
    evict(e, true);
    ck_assert_int_eq(ghosts_take(p.ghosts, e->place, GHOST_RING), -1);
    ghosts_put(p.ghosts, e->place, 9);
    policy_admit(&p, e, NULL);
    ck_assert_uint_eq(frequency(e), 0); /* nor is the ghost of another theirs */
    policy_forget(&p, e);
    ck_assert_uint_eq(adapt.requests, 0);
    admit(e, 1, 0); /* with a key, all of this is so */
    ck_assert_uint_eq(frequency(e), 10);
    ck_assert_uint_eq(adapt.requests, 1);
    use(e, 3);
    ck_assert_uint_eq(adapt.requests, 4);
    policy_evicted(&p, e, true);
    ck_assert_uint_eq(adapt.requests, 4);
    ck_assert_int_eq(ghosts_take(p.ghosts, e->place, GHOST_RING), 13);
    unmake();
    adapt_destroy(&adapt, &mem_default);
}
END_TEST

START_TEST(the_mode_is_asked_for)
{
    memset(&adapt, 0, sizeof adapt);
    ck_assert(adapt_init(&adapt, BRIM_BYTES, 1));
    policy_init(&p, BRIM_BYTES, 1, &adapt);
    for (unsigned i = 0; i < POLICY_MODES; i++) {
        atom_store_relaxed(&adapt.mode, i);
        admit(&all[0], 1, 0);
        ck_assert_ptr_eq(p.mode, &policy_modes[i]);
    }
    adapt_destroy(&adapt, &mem_default);
}
END_TEST

/* ---- Numbers */

START_TEST(benefits)
{
    static const struct {
        brim_objective objective;
        float of_100, of_0, by_work;
    } cases[] = {
        {BRIM_HITS, 1, 1, 1}, {BRIM_BYTES, 100, 1, 1}, {BRIM_BALANCED, 10, 1, 1}, {BRIM_WORK, 2048, 2048, 4096}};

    policy_init(&p, cases[_i].objective, 1, NULL);
    admit(&all[0], 1, 2048);
    fresh(&all[1], 100, 0); /* of unknown work: that of the mean */
    fresh(&all[2], 0, 0);   /* of no cost: counts as 1 */
    fresh(&all[3], 1, 4096);
    ck_assert_double_eq_tol(policy_benefit(&p, &all[1]), cases[_i].of_100, 0.01 * cases[_i].of_100);
    ck_assert_double_eq_tol(policy_benefit(&p, &all[2]), cases[_i].of_0, 0.01 * cases[_i].of_0);
    ck_assert_double_eq_tol(policy_benefit(&p, &all[3]), cases[_i].by_work, 0.01 * cases[_i].by_work);
}
END_TEST

START_TEST(benefits_at_the_ends)
{
    static const uint64_t works[] = {1, 3, (uint64_t)1 << 62, UINT64_MAX};

    policy_init(&p, BRIM_BYTES, 1, NULL);
    fresh(&all[0], SIZE_MAX, 0);
    ck_assert_double_eq_tol(policy_benefit(&p, &all[0]), 0x1p64, 0x1p58);
    policy_init(&p, BRIM_WORK, 1, NULL);
    ck_assert_double_eq_tol(policy_benefit(&p, &all[0]), 1, 0.001); /* there is no mean yet */
    for (size_t i = 0; i < sizeof works / sizeof works[0]; i++) {
        fresh(&all[0], 1, works[i]);
        ck_assert_double_eq_tol(policy_benefit(&p, &all[0]), (double)works[i], 0.001 * (double)works[i]);
    }
    admit(&all[0], 1, 1 << 10);
    admit(&all[1], 1, 0); /* unknown: it is no part of the mean */
    ck_assert_double_eq_tol(p.mean_work, 1 << 10, 0.5);
}
END_TEST

/* The powers of benefit / cost, in the mean after the first. */
START_TEST(ratios)
{
    static const struct { brim_objective objective; double ratio; } cases[] = {
        {BRIM_HITS, 0x1p-14}, {BRIM_BYTES, 1}, {BRIM_BALANCED, 0x1p-6}, {BRIM_WORK, 0x1p-9}};

    policy_init(&p, cases[_i].objective, 1, NULL);
    admit(&all[0], 1 << 10, 1 << 5);
    ck_assert_double_eq_tol(p.mean_ratio, cases[_i].ratio, 0.01 * cases[_i].ratio);
}
END_TEST

START_TEST(weights_by_priority)
{
    static const float factors[] = {1 / 8.0f, 1, 8};

    policy_init(&p, BRIM_BYTES, 1, NULL);
    for (unsigned i = 0; i < 3; i++) {
        fresh(&all[0], 1, 0)->kind_flags = i << ENTRY_PRIORITY_SHIFT;
        policy_admit(&p, &all[0], NULL);
        expect_weight(&all[0], policy_modes[0].newcomer * factors[i]);
    }
}
END_TEST

/* What is worth 64 times the mean, is used as often as is counted, and has the highest priority: no more than a bound. */
START_TEST(weights_are_bounded)
{
    policy_init(&p, BRIM_WORK, 1, NULL);
    for (unsigned i = 0; i < 2000; i++)
        admit(&all[0], 1, 1000);
    all[0].eviction = GHOST_FREQUENCY;
    fresh(&all[1], 1, UINT64_MAX)->kind_flags = 2 << ENTRY_PRIORITY_SHIFT;
    policy_admit(&p, &all[1], &all[0]);
    ck_assert_int_eq(above(&all[1]), 1 << 28);
    fresh(&all[1], SIZE_MAX, 1)->kind_flags = 0;
    policy_admit(&p, &all[1], NULL);
    ck_assert_int_eq(above(&all[1]), 1);
}
END_TEST

/* By the ratio while they are few, by the difference of at most 15 means then, and never out of bounds. */
START_TEST(means_of_few_and_many)
{
    static const struct { uint32_t span; float mean, x, then; } cases[] = {
        {1, 0, 7, 7}, {2, 1, 4, 2}, {32, 1, 0x1p32f, 2}, {33, 1, 4, 1 + 3 / 33.0f}, {1000, 1, 0x1p40f, 1 + 15 / 1000.0f},
        {1, 0x1p-100f, 0x1p100f, 0x1p20f}, {1, 0x1p100f, 0x1p-100f, 0x1p-20f}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        float mean = cases[i].mean;

        policy_follow(&mean, cases[i].x, cases[i].span);
        ck_assert_double_eq_tol(mean, cases[i].then, 0.01 * cases[i].then);
        if (cases[i].span > 32)
            ck_assert_double_eq_tol(mean, cases[i].then, 0.00001);
    }
}
END_TEST

START_TEST(the_mean_follows)
{
    static const size_t costs[] = {100, 1000, 10};
    static const unsigned works[] = {1 << 10, 1 << 14, 1 << 6};
    const int32_t newcomer = (int32_t)(policy_modes[0].newcomer * (float)UNIT);

    policy_init(&p, BRIM_HITS, 1, NULL);
    for (unsigned i = 0; i < 3; i++) {
        int32_t first = above(admit(&all[0], costs[i], works[i]));

        if (i > 0)
            ck_assert_int_eq(first > newcomer, costs[i] < costs[i - 1]);
        for (unsigned n = 0; n < 20000; n++)
            admit(&all[0], costs[i], works[i]);
        ck_assert_int_gt(above(&all[0]), newcomer * 98 / 100); /* it is the mean */
        ck_assert_int_lt(above(&all[0]), newcomer * 102 / 100);
        p.objective = BRIM_WORK;
        ck_assert_double_eq_tol(policy_benefit(&p, fresh(&all[1], 1, 0)), works[i], 0.02 * works[i]);
        p.objective = BRIM_HITS;
    }
}
END_TEST

/* One among a thousand must not make all others worth nothing. */
START_TEST(one_absurd_ratio_is_no_measure)
{
    int32_t before;

    policy_init(&p, BRIM_WORK, 1, NULL);
    for (unsigned i = 0; i < 2000; i++)
        admit(&all[0], 1000, 1000);
    before = above(&all[0]);
    ck_assert_int_gt(before, 1000);
    admit(&all[1], 1, UINT64_MAX);
    ck_assert_int_gt(above(&all[1]), above(&all[0]));
    ck_assert_int_lt(above(&all[1]) / UNIT, 1000); /* bounded, so that it goes one day */
    admit(&all[0], 1000, 1000);
    ck_assert_int_gt(above(&all[0]), before * 9 / 10);
    admit(&all[1], SIZE_MAX, 1); /* nor worth nothing the measure */
    ck_assert_int_gt(above(&all[1]), 0);
    admit(&all[0], 1000, 1000);
    ck_assert_int_gt(above(&all[0]), before * 9 / 10);
    ck_assert_int_lt(above(&all[0]), before * 11 / 10);
    for (unsigned i = 0; i < 2000; i++) /* though one in fifty is */
        admit(&all[0], i % 50 != 0 ? 1000 : 1, i % 50 != 0 ? 1000 : UINT64_MAX);
    admit(&all[0], 1000, 1000);
    ck_assert_int_gt(above(&all[0]), before / 4); /* each adds 16 means at the most: all of them less than one */
}
END_TEST

/* ---- Going */

START_TEST(the_clock_follows_what_was_chosen)
{
    uint32_t start;

    policy_init(&p, BRIM_BYTES, 1, NULL);
    p.clock = start = UINT32_MAX - 10;
    admit(&all[0], 1, 0);
    use(admit(&all[1], 1, 0), 2);
    policy_evicted(&p, &all[1], false); /* somebody else wanted it */
    ck_assert_uint_eq(p.clock, start);
    policy_evicted(&p, &all[1], true);
    ck_assert_uint_eq(p.clock, all[1].priority); /* has wrapped */
    policy_evicted(&p, &all[0], true);           /* was below */
    ck_assert_uint_eq(p.clock, all[1].priority);
}
END_TEST

/* ${_i}: the mode.  While as many go as there are entries, it moves by the same little, whatever their number is. */
START_TEST(the_clock_creeps_by_turns)
{
    static const uint32_t entries[] = {FEW, 1000, 20011};
    uint32_t moved[3], start;

    make((unsigned)_i);
    admit(&all[0], 1, 0)->priority = p.clock - UNIT; /* leaves it where it is */
    for (size_t i = 0; i < 3; i++) {
        p.ghosts_for = entries[i];
        p.creep = 0;
        start = p.clock;
        for (uint32_t n = 0; n < entries[i]; n++)
            policy_evicted(&p, &all[0], i == 0); /* whoever wanted it to go */
        moved[i] = p.clock - start;
        ck_assert_uint_lt(moved[i], UNIT); /* less than a use */
        ck_assert_uint_le(moved[i], moved[0] + 1);
        ck_assert_uint_ge(moved[i] + 1, moved[0]);
    }
    ck_assert_int_eq(moved[0] > 0, p.mode->newcomer <= 0); /* as nothing else would move it */
    unmake();
}
END_TEST

START_TEST(what_is_held_keeps_up)
{
    struct entry *e = &all[0];

    policy_init(&p, BRIM_BYTES, 1, NULL);
    for (unsigned i = 0; i < 3; i++) {
        p.clock = (uint32_t[]){0, UINT32_MAX, 100}[i];
        admit(e, 1, 0);
        p.clock -= 5; /* at its place, and above it */
        policy_keep_up(&p, e);
        expect_weight(e, policy_modes[0].newcomer + 5 / (float)UNIT);
        p.clock = e->priority + 1;
        policy_keep_up(&p, e);
        ck_assert_int_eq(above(e), 0);
    }
}
END_TEST

START_TEST(what_was_used_since_goes_later)
{
    struct entry *sample[4];

    make(0);
    for (unsigned i = 0; i < 4; i++)
        sample[i] = use(admit(&all[i], 1, 0), 1);
    sample[0]->priority = p.clock - 20;
    sample[1]->priority = p.clock - 10;
    sample[2]->priority = p.clock - 5;
    sample[3]->priority = p.clock + 5;
    policy_consider(&p, sample, 4);
    entry_mark_used(sample[0]);
    policy_keep_up(&p, sample[1]);
    ck_assert_ptr_eq(policy_next(&p), sample[2]);
    ck_assert_uint_eq(sample[0]->eviction, 2 | ENTRY_POOLED); /* its use was seen, and it is back in the pool */
    expect_weight(sample[0], p.mode->frequency[2]);
    ck_assert_ptr_eq(policy_next(&p), sample[1]);
    ck_assert_ptr_eq(policy_next(&p), sample[3]);
    ck_assert_ptr_eq(policy_next(&p), sample[0]);
    ck_assert_ptr_null(policy_next(&p));
    unmake();
}
END_TEST

START_TEST(if_all_were_used_since_all_go)
{
    struct entry *sample[POLICY_POOL];

    make(0);
    for (unsigned i = 0; i < POLICY_POOL; i++)
        sample[i] = admit(&all[i], 1, 0);
    policy_consider(&p, sample, POLICY_POOL);
    for (unsigned i = 0; i < POLICY_POOL; i++) {
        struct entry *e;

        for (unsigned j = 0; j < POLICY_POOL; j++)
            entry_mark_used(sample[j]); /* again and again */
        e = policy_next(&p);
        ck_assert_ptr_nonnull(e);
        ck_assert_uint_eq(e->eviction & ENTRY_POOLED, 0);
        ck_assert(entry_is_linked(e)); /* each once */
        (void)entry_unlink(e);
    }
    ck_assert_ptr_null(policy_next(&p));
    unmake();
}
END_TEST

#ifdef BRIM_INTERFERE
static unsigned times_used;

/* Others use all of them at every step. */
static void use_all(void *arg)
{
    times_used++;
    for (unsigned i = 0; i < POLICY_POOL; i++)
        entry_mark_used(&all[i]);
    atom_interfere(0, use_all, arg);
}

/* It looks once for each, and then takes what it has. */
START_TEST(to_look_for_the_worst_ends)
{
    struct entry *sample[POLICY_POOL], *e;

    make(0);
    for (unsigned i = 0; i < POLICY_POOL; i++)
        sample[i] = admit(&all[i], 1, 0);
    policy_consider(&p, sample, POLICY_POOL);
    times_used = 0;
    atom_interfere(0, use_all, NULL);
    e = policy_next(&p);
    (void)atom_has_interfered();
    ck_assert_ptr_nonnull(e);
    ck_assert_uint_le(times_used, 4 * (POLICY_POOL + 1));
    ck_assert_uint_eq(p.pooled, POLICY_POOL - 1);
    unmake();
}
END_TEST
#endif

/* The worst once that is folded, not the last one looked at. */
START_TEST(if_all_were_used_since_the_worst_goes)
{
    struct entry *often, *once, *sample[2];

    policy_init(&p, BRIM_BYTES, 1, NULL);
    often = sample[0] = admit(&all[0], 1, 0);
    once = sample[1] = admit(&all[1], 1, 0);
    often->eviction = 3;
    often->priority = p.clock + 1; /* the worse of the two, until their uses are counted */
    once->priority = p.clock + 2;
    policy_consider(&p, sample, 2);
    entry_mark_used(often);
    entry_mark_used(once);
    ck_assert_ptr_eq(policy_next(&p), once);
    ck_assert_ptr_eq(policy_next(&p), often);
}
END_TEST

START_TEST(samples_are_of_use)
{
    unsigned looked_at = 0;

    memset(&adapt, 0, sizeof adapt);
    policy_init(&p, BRIM_BYTES, 1, NULL);
    ck_assert_uint_eq(policy_sample(&p), POLICY_SAMPLE);
    p.adapt = &adapt;
    ck_assert_uint_eq(policy_sample(&p), POLICY_SAMPLE);
    atom_store_relaxed(&adapt.entries, 1000);
    ck_assert_uint_eq(policy_sample(&p), POLICY_SAMPLE);
    atom_store_relaxed(&adapt.entries, UINT64_C(1) << 40);
    for (unsigned i = 0; i < 100; i++)
        looked_at += policy_sample(&p);
    ck_assert_uint_gt(looked_at, 100); /* more than one for each: else nothing is chosen */
    ck_assert_uint_lt(looked_at, 100 * POLICY_SAMPLE);
}
END_TEST

/* ---- Memory */

START_TEST(ghosts_follow_the_number_of_entries)
{
    static const uint32_t counts[] = {0, 1, 5, 100, 12345, 100000000};
    static struct ghosts some[2];

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        uint32_t count = counts[i], wanted, larger, smaller;

        policy_init(&p, BRIM_BYTES, 1, NULL);
        ck_assert_uint_eq(policy_wants_ghosts(&p, count), 0); /* nothing to remember */
        policy_evicted(&p, admit(&all[0], 1, 0), true);
        wanted = policy_wants_ghosts(&p, count);
        ck_assert_uint_gt(wanted, 0);
        ck_assert_uint_ge(wanted, count);
        ck_assert_uint_le(wanted, count + count / 4 + 100);
        ck_assert_ptr_null(policy_take_ghosts(&p, &some[0], wanted));
        ck_assert_uint_eq(policy_wants_ghosts(&p, count), 0);
        ck_assert_uint_eq(policy_wants_ghosts(&p, count + count / 8), 0); /* a little up and down: the same */
        ck_assert_uint_eq(policy_wants_ghosts(&p, count - count / 8), 0);
        larger = policy_wants_ghosts(&p, 3 * count + 100);
        ck_assert_uint_ge(larger, 3 * count + 100);
        ck_assert_ptr_eq(policy_take_ghosts(&p, &some[1], larger), &some[0]);
        ck_assert_uint_eq(policy_wants_ghosts(&p, 3 * count + 100), 0);
        smaller = policy_wants_ghosts(&p, count);
        ck_assert_uint_gt(smaller, 0);
        ck_assert_uint_lt(smaller, larger);
    }
}
END_TEST

/* Wherever it goes, a table is replaced now and then only. */
START_TEST(tables_of_ghosts_are_not_changed_back_and_forth)
{
    static struct ghosts some;
    unsigned changes = 0;

    policy_init(&p, BRIM_BYTES, 1, NULL);
    policy_evicted(&p, admit(&all[0], 1, 0), true);
    for (uint32_t i = 0; i < 60000; i++) {
        uint32_t count = i < 30000 ? i : 60000 - i, wanted;

        count += i % 2 * (count / 16);
        wanted = policy_wants_ghosts(&p, count);
        if (wanted == 0)
            continue;
        (void)policy_take_ghosts(&p, &some, wanted);
        changes++;
    }
    ck_assert_uint_gt(changes, 10);
    ck_assert_uint_lt(changes, 100); /* a quarter up or half down: some forty */
}
END_TEST

START_TEST(the_pool_keeps_the_worst)
{
    struct entry *sample[MANY], *e;
    unsigned pooled = 0;
    uint32_t last;

    policy_init(&p, BRIM_HITS, 1, NULL);
    for (unsigned i = 0; i < MANY; i++)
        sample[i] = admit(&all[i], 100, 0);
    for (unsigned i = 0; i < MANY; i++)
        all[i].priority = p.clock + 1000 + (i * 37) % MANY; /* each another */
    for (unsigned i = 0; i < MANY; i += 10)
        policy_consider(&p, &sample[i], 10);
    policy_consider(&p, &sample[MANY - 10], 10); /* some are there already */
    for (unsigned i = 0; i < MANY; i++) {
        ck_assert_int_eq((all[i].eviction & ENTRY_POOLED) != 0, all[i].priority < p.clock + 1000 + POLICY_POOL);
        pooled += (all[i].eviction & ENTRY_POOLED) != 0;
    }
    ck_assert_uint_eq(pooled, POLICY_POOL);
    for (unsigned i = 0; i < MANY; i++)
        if (all[i].priority == p.clock + 1003)
            policy_forget(&p, &all[i]);
    policy_consider(&p, sample, 0); /* sorts what is left */
    e = policy_next(&p);
    last = e->priority;
    ck_assert_uint_eq(last, p.clock + 1000);
    for (pooled = 1; (e = policy_next(&p)) != NULL; pooled++) {
        ck_assert_uint_eq(e->eviction & ENTRY_POOLED, 0);
        ck_assert_uint_ne(e->priority, p.clock + 1003);
    }
    ck_assert_uint_eq(pooled, POLICY_POOL - 1);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("policy");

    tcase_add_test(tc, work_is_packed_in_order);
    tcase_add_loop_test(tc, the_objective_orders, 0, 4);
    tcase_add_test(tc, use_and_priority_keep);
    tcase_add_test(tc, the_unreachable_goes_first);
    tcase_add_loop_test(tc, what_is_not_used_goes_however_dear, 0, POLICY_MODES);
    tcase_add_loop_test(tc, what_is_used_no_more_goes, 0, POLICY_MODES);
    tcase_add_test(tc, the_pool_keeps_the_worst);
    tcase_add_test(tc, modes_can_be_used);
    tcase_add_loop_test(tc, newcomers, 0, POLICY_MODES);
    tcase_add_test(tc, a_full_pool_takes_no_better_newcomer);
    tcase_add_loop_test(tc, what_comes_back_was_used_before, 0, POLICY_MODES);
    tcase_add_loop_test(tc, what_went_too_long_ago_is_new, 0, POLICY_MODES);
    tcase_add_loop_test(tc, what_replaces_goes_on_as_the_old, 0, POLICY_MODES);
    tcase_add_test(tc, anonymous_ones_leave_no_trace);
    tcase_add_test(tc, the_mode_is_asked_for);
    tcase_add_loop_test(tc, benefits, 0, 4);
    tcase_add_test(tc, benefits_at_the_ends);
    tcase_add_loop_test(tc, ratios, 0, 4);
    tcase_add_test(tc, weights_by_priority);
    tcase_add_test(tc, weights_are_bounded);
    tcase_add_test(tc, means_of_few_and_many);
    tcase_add_test(tc, the_mean_follows);
    tcase_add_test(tc, one_absurd_ratio_is_no_measure);
    tcase_add_test(tc, the_clock_follows_what_was_chosen);
    tcase_add_loop_test(tc, the_clock_creeps_by_turns, 0, POLICY_MODES);
    tcase_add_test(tc, what_is_held_keeps_up);
    tcase_add_test(tc, what_was_used_since_goes_later);
    tcase_add_test(tc, if_all_were_used_since_all_go);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, to_look_for_the_worst_ends);
#endif
    tcase_add_test(tc, if_all_were_used_since_the_worst_goes);
    tcase_add_test(tc, samples_are_of_use);
    tcase_add_test(tc, ghosts_follow_the_number_of_entries);
    tcase_add_test(tc, tables_of_ghosts_are_not_changed_back_and_forth);
    return suite_run(tc);
}
