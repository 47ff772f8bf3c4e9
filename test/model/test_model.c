/* SPDX-License-Identifier: MIT
 *
 * Random operations against the model: long runs on one cache, with a capacity that evicts nothing and with one that
 * is tight, and many short ones of all operations on caches of all options.  BRIM_SEED=n repeats a run;
 * BRIM_SEQUENCES=n makes so many short ones.
 */
#include "model/model.h"
#include "support/support.h"

static uint64_t random_state;

static uint64_t choose(uint64_t n)
{
    return (random_next(&random_state) >> 11) % n;
}

static const char *seed(void)
{
    const char *given = getenv("BRIM_SEED");

    return given != NULL ? given : "20260101";
}

/* ---- Long runs */

static void run(bool tight, unsigned shards, uint64_t steps)
{
    struct model_setup setup = {.choose = choose, .keys = KEYS, .items = 200000, .shards = shards, .seed = seed()};

    setup.capacity = tight ? 1500 : 1000000000;
    random_state = strtoull(setup.seed, NULL, 0) * 2 + 1;
    printf("model: BRIM_SEED=%s, %s, %u shards, %llu steps\n", setup.seed, tight ? "tight" : "ample", shards,
           (unsigned long long)steps);
    fflush(stdout);
    ck_assert(model_begin(&setup));
    for (uint64_t i = 0; i < steps; i++)
        model_step();
    ck_assert_uint_gt(m.cache[0].hits, steps / 100);
    ck_assert_uint_gt(m.statuses[BRIM_OK], steps / 20);
    ck_assert_uint_gt(m.cache[0].left[tight ? BRIM_EVICTED : BRIM_REPLACED], steps / 100);
    model_end();
}

START_TEST(test_model_ample_capacity_agrees_exactly)
{
    run(false, _i == 0 ? 1 : 0, (uint64_t)SCALED_ALONE(1500000));
}
END_TEST

START_TEST(test_model_tight_capacity_agrees_exactly)
{
    static const unsigned shards[] = {1, 0, 16};

    run(true, shards[_i], (uint64_t)SCALED_ALONE(1000000));
}
END_TEST

/* ---- Short runs of all operations */

static heap memory;

static void fail_memory(size_t from, size_t to)
{
    if (from == 0)
        heap_fail(&memory, SIZE_MAX, SIZE_MAX);
    else
        heap_fail(&memory, from, to);
}

/* heap_fail begins the count anew. */
static size_t failures(void)
{
    return atomic_load(&memory.failed);
}

START_TEST(test_model_all_operations_agree)
{
    const char *given = getenv("BRIM_SEQUENCES");
    uint64_t sequences = given != NULL ? strtoull(given, NULL, 0) : (uint64_t)SCALED(20000);
    struct model_setup setup = {.choose = choose, .keys = 12, .items = 4096, .fail = fail_memory,
        .failures = failures};
    uint64_t first = strtoull(seed(), NULL, 0);
    char name[32];

    heap_init(&memory);
    fail_memory(0, 0);
    setup.allocator = &memory.allocator;
    setup.seed = name;
    for (uint64_t s = 0; s < sequences; s++) {
        size_t steps;
        (void)snprintf(name, sizeof name, "BRIM_SEED=%llu", (unsigned long long)(first + s));
        random_state = (first + s) * 2 + 1;
        for (int i = 0; i < 8; i++)
            (void)random_next(&random_state);
        steps = choose(100);
        if (model_begin(&setup))
            for (size_t i = 0; i < steps; i++)
                model_step();
        model_end();
        ck_assert_uint_eq(atomic_load(&memory.blocks), 0);
    }
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("model");

    tcase_add_loop_test(tc, test_model_ample_capacity_agrees_exactly, 0, 2);
    tcase_add_loop_test(tc, test_model_tight_capacity_agrees_exactly, 0, 3);
    tcase_add_test(tc, test_model_all_operations_agree);
    return suite_run(tc);
}
