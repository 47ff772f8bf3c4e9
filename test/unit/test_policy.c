/* SPDX-License-Identifier: MIT
 *
 * shard/policy: what goes first.
 */
#include "shard/policy.h"
#include "support/support.h"

enum { MANY = 100, ENOUGH_ROUNDS = 200000 };

static struct entry all[MANY];
static struct policy p;

static struct entry *admit(struct entry *e, size_t cost, uint64_t work)
{
    entry_init(e, NULL, 0, NULL, cost);
    e->work = policy_pack_work(work);
    e->kind_flags = 1 << ENTRY_PRIORITY_SHIFT; /* priority 0 */
    entry_publish(e, 0, 0);
    policy_admit(&p, e, NULL);
    return e;
}

/* The first to go of two. */
static struct entry *worse(struct entry *a, struct entry *b)
{
    struct entry *sample[2] = {a, b}, *first;

    policy_consider(&p, sample, 2);
    first = policy_next(&p);
    ck_assert_ptr_eq(policy_next(&p), first == a ? b : a);
    ck_assert_ptr_null(policy_next(&p));
    return first;
}

START_TEST(work_is_packed_in_order)
{
    uint16_t last = 0;

    ck_assert_uint_eq(policy_pack_work(0), 0xffff); /* unknown */
    ck_assert_uint_ne(policy_pack_work(UINT64_MAX), 0xffff);
    for (unsigned i = 0; i < 64; i++)
        ck_assert_uint_eq(policy_pack_work((uint64_t)1 << i), i << 10);
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
    ck_assert_ptr_eq(worse(lost, poor), lost);
    ck_assert_ptr_eq(worse(kept, poor), poor);
}
END_TEST

/* From a clock that is about to wrap, too. */
START_TEST(what_is_not_used_goes_however_dear)
{
    struct entry *dear, *e = &all[1];
    unsigned round = 0;

    policy_init(&p, BRIM_WORK, 1, NULL);
    p.clock = UINT32_MAX - 10000;
    admit(e, 1000, 1000);
    dear = admit(&all[0], 1, UINT64_MAX); /* absurdly dear */
    for (; e != dear && round < ENOUGH_ROUNDS; round++) {
        admit(&all[1], 1000, 1000);
        entry_mark_used(&all[1]);
        e = worse(&all[1], dear);
        policy_evicted(&p, e, true);
    }
    ck_assert_ptr_eq(e, dear);
    ck_assert_uint_gt(round, 10); /* but late */
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
    tcase_add_test(tc, what_is_not_used_goes_however_dear);
    tcase_add_test(tc, the_pool_keeps_the_worst);
    return suite_run(tc);
}
