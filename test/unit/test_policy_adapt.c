/* SPDX-License-Identifier: MIT
 *
 * shard/policy_adapt: the sample, and the mode that suits what is asked for.
 */
#include "base/hash.h"
#include "shard/policy_adapt.h"
#include "shard/policy_shadow.h"
#include "support/support.h"

enum { PLACES = 1 << 18, WINDOW = 120, LONG = (CHECKING_BUILD ? 50 : 100) * SHADOW_ENTRIES, THREADS = 4, TURNS = 4000 };

static heap h;
static struct policy_adapt a;
static uint64_t next_key; /* that was never asked for */

static void make(brim_objective objective)
{
    heap_init(&h);
    memset(&a, 0, sizeof a);
    ck_assert(adapt_init(&a, objective, 1));
    next_key = UINT64_C(1) << 32;
}

static void unmake(void)
{
    adapt_destroy(&a, &h.allocator);
    ck_assert_uint_eq(h.blocks, 0);
}

static void fit(uint64_t entries, uint64_t used)
{
    adapt_fit(&a, &h.allocator, entries, used, false);
}

static uint32_t place_of(uint64_t key)
{
    return (uint32_t)hash_random(&key);
}

static void ask_for(uint64_t key, size_t cost, uint64_t work)
{
    struct entry e;

    entry_init(&e, NULL, 0, NULL, cost);
    e.place = place_of(key);
    e.work = policy_pack_work(work);
    e.kind_flags = 1 << ENTRY_PRIORITY_SHIFT; /* priority 0 */
    adapt_request(&a, &e);
}

static unsigned mode(void)
{
    return atom_load_relaxed(&a.mode);
}

static bool has_key(const struct shadow *s, uint64_t key)
{
    for (unsigned i = 0; i < SHADOW_MOST; i++)
        if (s->place[i] == place_of(key) && entry_is_linked(&s->entry[i]))
            return true;
    return false;
}

/* True: the shadow of the mode chosen so far has it. */
static bool ask(uint64_t key)
{
    bool hit = has_key(&a.shadows[mode()], key);

    ask_for(key, 1, 0);
    return hit;
}

/* ---- The sample */

/* The upper ${shard_bits} are the same. */
static uint32_t random_place(uint64_t *seed, unsigned shard_bits)
{
    uint32_t own = UINT32_MAX >> shard_bits;

    return (0x5A5A5A5Au & ~own) | ((uint32_t)hash_random(seed) & own);
}

static unsigned sampled(unsigned shard_bits)
{
    uint64_t seed = 1;
    unsigned n = 0;

    for (unsigned i = 0; i < PLACES; i++)
        n += adapt_is_sampled(&a, random_place(&seed, shard_bits));
    return n;
}

START_TEST(the_sample_is_as_large_as_shadows_are_made_for)
{
    static const uint64_t entries[] = {2 * SHADOW_ENTRIES, 1000, 4000, 40000};

    make(BRIM_HITS);
    ck_assert_uint_eq(sampled(0), 0);
    ck_assert(!adapt_is_sampled(&a, 0));
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        double expected = (double)PLACES * (double)SHADOW_ENTRIES / (double)entries[i];

        fit(entries[i], entries[i]);
        for (unsigned bits = 0; bits <= 4; bits += 4) {
            double n = sampled(bits), off = n - expected;

            ck_assert_double_le(off * off, 25 * expected); /* five standard deviations */
        }
    }
    fit(UINT64_C(1) << 40, 1); /* hardly any, and not all */
    ck_assert_uint_lt(sampled(0), PLACES / 1000);
    for (unsigned i = 1; i < 1000; i++)
        ask_for(i, 1, 0);
    ck_assert_uint_eq(a.requests, 0); /* of the others nothing is heard */
    fit(SHADOW_ENTRIES, 1);
    ck_assert_uint_eq(sampled(0), PLACES);
    fit(1, 1);
    ck_assert_uint_eq(sampled(0), PLACES);
    unmake();
}
END_TEST

/* What is sampled must not lie in a few of the shadows' buckets, nor in a few of its shard's. */
START_TEST(the_sample_spreads_over_buckets_of_ghosts)
{
    enum { BUCKETS = SHADOW_GHOST_BUCKETS, WANTED = 400 * BUCKETS };
    unsigned in[BUCKETS] = {0}, n = 0;
    uint64_t seed = 1;

    make(BRIM_HITS);
    fit(2000, 2000);
    ck_assert_uint_eq(a.shadows[0].ghosts.buckets, BUCKETS);
    while (n < WANTED) {
        uint32_t place = random_place(&seed, (unsigned)_i);

        if (!adapt_is_sampled(&a, place))
            continue;
        in[ghosts_bucket(&a.shadows[0].ghosts, ghosts_mix(place)) - a.shadows[0].buckets]++;
        n++;
    }
    for (unsigned i = 0; i < BUCKETS; i++) {
        ck_assert_uint_gt(in[i], 300); /* of 400: five standard deviations */
        ck_assert_uint_lt(in[i], 500);
    }
    unmake();
}
END_TEST

/* ---- The mode */

/* What misses everywhere speaks for no mode. */
static void ask_for_new_until_0(unsigned most)
{
    for (unsigned i = 0; i < most && mode() != 0; i++)
        (void)ask(next_key++);
}

static unsigned go_around(unsigned loop, unsigned requests)
{
    unsigned hits = 0;

    for (unsigned i = 0; i < requests; i++)
        hits += ask(i % loop);
    return hits;
}

/* A little too long a loop, and a longer one. */
START_TEST(loops_are_broken)
{
    unsigned loop = (unsigned)(_i == 0 ? SHADOW_ENTRIES * 5 / 4 : SHADOW_ENTRIES * 5 / 2), hits;

    make(BRIM_HITS);
    fit(SHADOW_ENTRIES, SHADOW_ENTRIES);
    (void)go_around(loop, LONG);
    ck_assert_uint_ne(mode(), 0);
    hits = go_around(loop, 10 * loop);
    ck_assert_uint_ne(mode(), 0);
    ck_assert_uint_gt(hits, 10 * (SHADOW_ENTRIES - 1) / 3); /* a third of what can be had; LRU has nothing */
    ck_assert_double_lt(a.missed[mode()], a.missed[0]);
    unmake();
}
END_TEST

/* Hits of an exact LRU cache: a list, the latest first. */
static bool lru_ask(uint64_t list[SHADOW_ENTRIES], uint64_t key)
{
    unsigned i = 0;
    bool hit;

    while (i < SHADOW_ENTRIES - 1 && list[i] != key)
        i++;
    hit = list[i] == key;
    memmove(&list[1], &list[0], i * sizeof list[0]);
    list[0] = key;
    return hit;
}

/* Always the newest, each for a while. */
START_TEST(a_moving_window_is_followed)
{
    static uint64_t list[SHADOW_ENTRIES];
    unsigned hits = 0, lru_hits = 0;
    uint64_t random = 1;

    make(BRIM_HITS);
    fit(SHADOW_ENTRIES, SHADOW_ENTRIES);
    (void)go_around(SHADOW_ENTRIES * 5 / 4, LONG); /* from another mode */
    memset(list, 0, sizeof list);
    for (unsigned i = 0; i < LONG; i++) {
        uint64_t key = next_key + i / 4 - hash_random(&random) % WINDOW;
        bool hit = ask(key), lru_hit = lru_ask(list, key);

        hits += hit && i >= LONG / 2;
        lru_hits += lru_hit && i >= LONG / 2;
    }
    ck_assert_uint_gt(lru_hits, LONG / 4);
    ck_assert_uint_gt(hits, lru_hits * 8 / 10); /* the best of them has nine tenths, the first three quarters */
    unmake();
}
END_TEST

START_TEST(phases_come_and_go)
{
    make(BRIM_HITS);
    fit(SHADOW_ENTRIES, SHADOW_ENTRIES);
    for (unsigned turn = 0; turn < 2; turn++) {
        (void)go_around(SHADOW_ENTRIES * 5 / 4, LONG);
        ck_assert_uint_ne(mode(), 0);
        ask_for_new_until_0(200 * SHADOW_ENTRIES); /* the sums fade until they are equal */
        ck_assert_uint_eq(mode(), 0);
    }
    unmake();
}
END_TEST

/* ${less} by what mode ${i} is ahead of mode 0; the mode chosen after a request that misses everywhere. */
static unsigned chosen_if_ahead(unsigned i, float less)
{
    a.missed[i] = a.missed[0] - less * a.mean_benefit;
    (void)ask(next_key++);
    return mode();
}

START_TEST(the_first_unless_another_is_clearly_better)
{
    make(BRIM_HITS);
    fit(SHADOW_ENTRIES, SHADOW_ENTRIES);
    for (unsigned i = 0; i < LONG / 10; i++)
        (void)ask(next_key++);
    ck_assert_uint_eq(mode(), 0);
    ck_assert_uint_eq(chosen_if_ahead(2, 0.1f), 0);
    ck_assert_uint_eq(chosen_if_ahead(2, 100), 2);
    ck_assert_uint_eq(chosen_if_ahead(2, 0.1f), 2); /* not back and forth */
    ck_assert_uint_eq(chosen_if_ahead(1, 0.2f), 2); /* nor to the next */
    ck_assert_uint_eq(chosen_if_ahead(1, 100), 1);
    ck_assert_uint_eq(chosen_if_ahead(1, -0.1f), 0);
    unmake();
}
END_TEST

/* A miss counts as what a hit would have saved. */
START_TEST(misses_are_weighed_by_the_objective)
{
    static const struct {
        brim_objective objective;
        float first, second;
    } cases[] = {{BRIM_HITS, 1, 1}, {BRIM_BYTES, 100, 25}, {BRIM_BALANCED, 10, 5}, {BRIM_WORK, 4096, 8192}};
    float before;

    make(cases[_i].objective);
    fit(SHADOW_ENTRIES, SHADOW_ENTRIES * 100);
    ask_for(1, 100, 4096);
    for (unsigned i = 0; i < POLICY_MODES; i++)
        ck_assert_double_eq_tol(a.missed[i], cases[_i].first, 0.02 * cases[_i].first); /* powers are not exact */
    before = a.missed[0];
    ask_for(1, 100, 4096);
    ck_assert_double_lt(a.missed[0], before); /* a hit; what was missed fades */
    ck_assert_double_gt(a.missed[0], 0.9 * before);
    before = a.missed[0];
    ask_for(2, 25, 8192);
    for (unsigned i = 0; i < POLICY_MODES; i++)
        ck_assert_double_eq_tol(a.missed[i], before + cases[_i].second, 0.02 * (before + cases[_i].second));
    unmake();
}
END_TEST

START_TEST(an_absurd_work_is_no_measure)
{
    float missed, mean;

    make(BRIM_WORK);
    fit(SHADOW_ENTRIES, SHADOW_ENTRIES);
    for (unsigned i = 0; i < LONG / 4; i++)
        ask_for(next_key++, 1, 1024);
    missed = a.missed[0];
    mean = a.mean_benefit;
    ck_assert_double_eq_tol(mean, 1024, 1);
    ask_for(next_key++, 1, UINT64_MAX);
    ck_assert_double_gt(a.missed[0], missed);
    ck_assert_double_lt(a.missed[0], missed + 100 * mean);
    ck_assert_double_lt(a.mean_benefit, 1.1 * mean);
    for (unsigned i = 0; i < LONG; i++) /* unless it is that of all */
        ask_for(i % 8, 1, 8192);
    ck_assert_double_eq_tol(a.mean_benefit, 8192, 100);
    unmake();
}
END_TEST

/* ---- Memory */

START_TEST(without_memory_all_stays_as_it_is)
{
    make(BRIM_HITS);
    heap_fail(&h, 1, SIZE_MAX);
    fit(SHADOW_ENTRIES, SHADOW_ENTRIES);
    ck_assert_uint_eq(h.failed, 1);
    ck_assert(!adapt_fits(&a, SHADOW_ENTRIES));
    ck_assert_uint_eq(adapt_bytes(&a), 0);
    ck_assert_uint_eq(adapt_entries(&a), 0);
    for (unsigned i = 0; i < 1000; i++)
        ask_for(i, 1, 0);
    ck_assert_uint_eq(a.requests, 0); /* nobody is sampled */
    ck_assert_ptr_eq(adapt_mode(&a), &policy_modes[0]);
    heap_fail(&h, SIZE_MAX, SIZE_MAX);
    fit(SHADOW_ENTRIES, SHADOW_ENTRIES);
    ck_assert(adapt_fits(&a, SHADOW_ENTRIES));
    ask_for(1, 1, 0);
    ck_assert_uint_eq(a.requests, 1);
    heap_fail(&h, 1, SIZE_MAX);
    fit(10 * SHADOW_ENTRIES, SHADOW_ENTRIES); /* takes none */
    ck_assert(adapt_fits(&a, 10 * SHADOW_ENTRIES));
    ck_assert_uint_eq(h.failed, 0);
    unmake();
}
END_TEST

START_TEST(bytes)
{
    make(BRIM_HITS);
    ck_assert_uint_eq(adapt_bytes(&a), 0);
    fit(0, 0); /* nothing to go by */
    ck_assert_uint_eq(h.calls, 0);
    ck_assert(!adapt_fits(&a, 0));
    fit(1000, 1000);
    ck_assert_uint_eq(adapt_bytes(&a), h.live);
    ck_assert_uint_eq(adapt_bytes(&a), POLICY_MODES * sizeof(struct shadow));
    unmake();
}
END_TEST

START_TEST(it_fits_about_as_many)
{
    make(BRIM_HITS);
    fit(1000, 1000);
    ck_assert(adapt_fits(&a, 1000));
    ck_assert(adapt_fits(&a, 700)); /* shards differ */
    ck_assert(adapt_fits(&a, 1400));
    ck_assert(!adapt_fits(&a, 100));
    ck_assert(!adapt_fits(&a, 10000));
    ck_assert(!adapt_fits(&a, UINT64_MAX / 2));
    ck_assert(!adapt_fits(&a, 0));
    fit(10000, 10000);
    ck_assert(adapt_fits(&a, 10000));
    ck_assert(!adapt_fits(&a, 1000));
    unmake();
}
END_TEST

/* To the last digit, and at the ends. */
START_TEST(the_sample_is_exact)
{
    make(BRIM_HITS);
    adapt_fit(&a, &h.allocator, 5, 7, true);
    ck_assert_uint_eq(a.shadows[0].most, 5);
    ck_assert_double_eq_tol(a.shadows[0].capacity, 7, 0.5);
    ck_assert_uint_eq(atom_load_relaxed(&a.threshold), UINT32_MAX);
    fit(129, 1);
    ck_assert_uint_eq(atom_load_relaxed(&a.threshold), (uint32_t)(128 / 129.0 * UINT32_MAX) + 1);
    ck_assert_uint_eq(a.shadows[0].most, SHADOW_MOST);
    fit(1, UINT64_MAX);
    ck_assert_double_eq_tol(a.shadows[0].capacity, 0x1p64, 0.5);
    adapt_fit(&a, &h.allocator, UINT64_MAX, UINT64_MAX, true);
    ck_assert_uint_eq(atom_load_relaxed(&a.threshold), 1);
    ck_assert_uint_eq(a.shadows[0].most, SHADOW_ENTRIES);
    ck_assert_double_eq_tol(a.shadows[0].capacity, SHADOW_ENTRIES, 0.5);
    unmake();
}
END_TEST

START_TEST(one_crowded_shadow_is_enough)
{
    uint32_t before;

    make(BRIM_HITS);
    fit(SHADOW_ENTRIES, UINT32_MAX);
    while (a.shadows[0].count < SHADOW_MOST - 1)
        ask_for(next_key++, 1, 0);
    for (unsigned i = 0; i < POLICY_MODES; i++)
        if (i != (unsigned)_i)
            a.shadows[i].used = 0.95 * UINT32_MAX; /* full */
    before = atom_load_relaxed(&a.threshold);
    ask_for(next_key++, 1, 0);
    ck_assert_uint_lt(atom_load_relaxed(&a.threshold), before);
    unmake();
}
END_TEST

START_TEST(to_fit_again_changes_nothing)
{
    unsigned count;
    uint32_t threshold;
    double capacity;
    size_t calls;
    float missed;

    make(BRIM_BYTES);
    fit(4000, 12000);
    threshold = atom_load_relaxed(&a.threshold);
    capacity = a.shadows[3].capacity;
    ck_assert_double_eq_tol(capacity, 12000.0 * (double)SHADOW_ENTRIES / 4000, 0.01);
    for (unsigned i = 0; i < LONG; i++)
        ask_for(i, 3, 0);
    calls = h.calls;
    count = a.shadows[3].count;
    missed = a.missed[3];
    ck_assert_uint_gt(count, 0);
    fit(4000, 12000);
    ck_assert_uint_eq(h.calls, calls);
    ck_assert_uint_eq(atom_load_relaxed(&a.threshold), threshold);
    ck_assert_double_eq(a.shadows[3].capacity, capacity);
    ck_assert_uint_eq(a.shadows[3].count, count);
    ck_assert_double_eq(a.missed[3], missed);
    unmake();
}
END_TEST

/* Entries of a fifth of what they cost on the average: no shadow has as many places. */
START_TEST(where_it_is_crowded_fewer_are_sampled)
{
    const double fits = (double)(SHADOW_MOST * 10) / (double)(SHADOW_ENTRIES * 50);
    double capacity, part;
    uint32_t threshold;

    make(BRIM_BYTES);
    fit(400, 400 * 50);
    threshold = atom_load_relaxed(&a.threshold);
    capacity = a.shadows[0].capacity;
    for (unsigned i = 0; i < LONG; i++)
        ask_for(next_key++, 10, 0);
    part = (double)atom_load_relaxed(&a.threshold) / threshold;
    ck_assert_double_lt(part, 1.3 * fits); /* about those that it has places for */
    ck_assert_double_gt(part, fits / 1.5);
    for (unsigned i = 0; i < POLICY_MODES; i++) {
        ck_assert(!shadow_is_crowded(&a.shadows[i]));
        ck_assert_double_eq_tol(a.shadows[i].capacity, capacity * part, 0.001 * capacity);
    }
    ck_assert(adapt_fits(&a, 400)); /* it is for as many still */
    unmake();
}
END_TEST

/* The number of the cache's entries is bounded, and so the shadows' is: they have the same part of it. */
START_TEST(a_bounded_number_crowds_nothing)
{
    uint32_t threshold;

    make(BRIM_BYTES);
    adapt_fit(&a, &h.allocator, 400, 400 * 50, true);
    threshold = atom_load_relaxed(&a.threshold);
    for (unsigned i = 0; i < LONG; i++)
        ask_for(next_key++, 10, 0);
    ck_assert_uint_eq(atom_load_relaxed(&a.threshold), threshold);
    for (unsigned i = 0; i < POLICY_MODES; i++)
        ck_assert_uint_eq(a.shadows[i].count, SHADOW_ENTRIES);
    adapt_fit(&a, &h.allocator, 20, 20 * 50, true);
    for (unsigned i = 0; i < 1000; i++)
        ask_for(next_key++, 10, 0);
    for (unsigned i = 0; i < POLICY_MODES; i++)
        ck_assert_uint_eq(a.shadows[i].count, 20);
    unmake();
}
END_TEST

/* ---- Threads */

static bool sums_are_right(const struct shadow *s)
{
    double used = 0;
    unsigned count = 0;

    for (unsigned i = 0; i < SHADOW_MOST; i++) {
        bool there = entry_is_linked(&s->entry[i]);

        count += there;
        used += there ? (double)entry_cost(&s->entry[i]) : 0;
    }
    return s->count == count && s->used <= used && s->used >= used;
}

static pthread_barrier_t all_here;
static atomic_uint arrived;

/* Nobody's first shadows come before all want them. */
static void wait_for_all(void *arg)
{
    (void)arg;
    if (atomic_fetch_add(&arrived, 1) < THREADS)
        pthread_barrier_wait(&all_here);
}

/* Shards count at the same time, and find at the same time that the sample does not suit them. */
static void work_and_fit(unsigned id, void *arg)
{
    uint64_t random = id + 1;

    (void)arg;
    for (unsigned i = 0; i < SCALED(TURNS); i++) {
        uint64_t r = hash_random(&random), entries = 20 + (r >> 32) % 500;

        if (i % 64 == 0 && !adapt_fits(&a, entries))
            adapt_fit(&a, &h.allocator, entries, entries * 5, (r >> 16) % 2 == 0);
        ask_for(r % 400, r >> 16 & 15, 0);
        EXPECT(adapt_mode(&a) < &policy_modes[POLICY_MODES]);
        EXPECT(adapt_bytes(&a) == POLICY_MODES * sizeof(struct shadow));
    }
}

START_TEST(threads_share_it)
{
    make(BRIM_BYTES);
    ck_assert_int_eq(pthread_barrier_init(&all_here, NULL, THREADS), 0);
    atomic_store(&arrived, 0);
    h.hook = wait_for_all;
    crew_do(THREADS, work_and_fit, NULL);
    pthread_barrier_destroy(&all_here);
    ck_assert_uint_eq(h.calls, THREADS);
    ck_assert_uint_eq(h.blocks, 1); /* the others gave theirs back */
    for (unsigned i = 0; i < POLICY_MODES; i++)
        ck_assert(sums_are_right(&a.shadows[i]));
    unmake();
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("policy_adapt");

    tcase_add_test(tc, the_sample_is_as_large_as_shadows_are_made_for);
    tcase_add_loop_test(tc, the_sample_spreads_over_buckets_of_ghosts, 0, 5);
    tcase_add_loop_test(tc, loops_are_broken, 0, 2);
    tcase_add_test(tc, a_moving_window_is_followed);
    tcase_add_test(tc, phases_come_and_go);
    tcase_add_test(tc, the_first_unless_another_is_clearly_better);
    tcase_add_loop_test(tc, misses_are_weighed_by_the_objective, 0, 4);
    tcase_add_test(tc, an_absurd_work_is_no_measure);
    tcase_add_test(tc, without_memory_all_stays_as_it_is);
    tcase_add_test(tc, bytes);
    tcase_add_test(tc, it_fits_about_as_many);
    tcase_add_test(tc, the_sample_is_exact);
    tcase_add_loop_test(tc, one_crowded_shadow_is_enough, 0, POLICY_MODES);
    tcase_add_test(tc, to_fit_again_changes_nothing);
    tcase_add_test(tc, where_it_is_crowded_fewer_are_sampled);
    tcase_add_test(tc, a_bounded_number_crowds_nothing);
    tcase_add_test(tc, threads_share_it);
    return suite_run(tc);
}
