/* SPDX-License-Identifier: MIT
 *
 * shard/policy_ghosts: what comes back, for how long, and how rarely one is taken for another.
 */
#include "base/hash.h"
#include "base/mem.h"
#include "shard/policy_ghosts.h"
#include "support/support.h"

enum { ENTRIES = 1000, HELD = ENTRIES * GHOSTS_AN_ENTRY, STRANGERS = 20000, NEIGHBOURS = 2 * GHOST_RING };

static heap h;
static struct ghosts *g;
static uint64_t seed;

/* The heap compares the sizes, and AddressSanitizer knows its end. */
static void make(uint32_t entries)
{
    heap_init(&h);
    g = mem_alloc_zeroed(&h.allocator, ghosts_size(entries), GHOSTS_ALIGN);
    ck_assert_ptr_nonnull(g);
    ghosts_init(g, entries);
    seed = 1;
}

static void unmake(void)
{
    mem_free(&h.allocator, g, ghosts_bytes(g), GHOSTS_ALIGN);
    ck_assert_uint_eq(h.blocks, 0);
}

/* Those of one shard: the upper ${shard_bits} are the same. */
static uint32_t random_place(unsigned shard_bits)
{
    uint32_t own = UINT32_MAX >> shard_bits;

    return (0xA5A5A5A5u & ~own) | ((uint32_t)hash_random(&seed) & own);
}

static struct ghost_bucket *bucket_of(uint32_t place)
{
    return ghosts_bucket(g, ghosts_mix(place));
}

static size_t offset_of(const struct ghost_bucket *b)
{
    return (size_t)((const char *)b - (const char *)g);
}

START_TEST(sizes)
{
    static const uint32_t entries[] = {0, 1, 2, 10, 11, 1000, 999999};
    const double ghost = sizeof(struct ghost_bucket) / (double)GHOST_RING;

    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        double wanted = (double)((uint64_t)entries[i] * GHOSTS_AN_ENTRY) * ghost;

        make(entries[i]);
        ck_assert_uint_eq(ghosts_bytes(g), ghosts_size(entries[i]));
        ck_assert_uint_eq((uintptr_t)bucket_of(0) % sizeof(struct ghost_bucket), 0);
        ck_assert_double_ge((double)ghosts_bytes(g), wanted);
        ck_assert_double_le((double)ghosts_bytes(g),
                            wanted + 3 * sizeof(struct ghost_bucket)); /* head, rounding, one */
        ck_assert_uint_ge(offset_of(bucket_of(0)), sizeof *g);
        ck_assert_uint_eq(offset_of(ghosts_bucket(g, UINT32_MAX) + 1), ghosts_bytes(g));
        unmake();
    }
    ck_assert_double_ge((double)ghosts_size(UINT32_MAX),
                        (double)((uint64_t)UINT32_MAX * GHOSTS_AN_ENTRY) * ghost); /* no overflow */
}
END_TEST

/* However old, and as often as it is asked; it is told apart from what only shares its bucket. */
START_TEST(to_ask_takes_nothing)
{
    unsigned mistaken = 0;

    make(0); /* one bucket */
    ck_assert_uint_eq(g->buckets, 1);
    for (uint32_t i = 0; i < GHOST_RING; i++) {
        ck_assert(!ghosts_have(g, 1000 + i));
        ghosts_put(g, 1000 + i, i);
    }
    for (uint32_t i = 0; i < GHOST_RING; i++) {
        ck_assert(ghosts_have(g, 1000 + i));
        ck_assert(ghosts_have(g, 1000 + i));
    }
    for (uint32_t i = 0; i < STRANGERS; i++)
        mistaken += ghosts_have(g, 5000 + i);
    ck_assert_uint_lt(mistaken, STRANGERS / 20); /* of 31 with tags of 12 bits: one in 132 */
    ghosts_put(g, 77, 1); /* in the oldest's place */
    ck_assert(!ghosts_have(g, 1000));
    ck_assert(ghosts_have(g, 77));
    ck_assert_int_eq(ghosts_take(g, 1001, GHOST_RING), 1);
    ck_assert(!ghosts_have(g, 1001));
    unmake();
}
END_TEST

START_TEST(all_comes_back_once)
{
    static const uint32_t edges[] = {0, 1, UINT32_MAX, UINT32_MAX - 1, 1u << 31, 0xffff};

    make(ENTRIES);
    for (unsigned i = 0; i < ENTRIES; i++) {
        uint32_t place = i < 6 ? edges[i] : random_place(0);
        unsigned frequency = i % (GHOST_FREQUENCY + 3);

        ck_assert_int_eq(ghosts_take(g, place, GHOST_RING), -1);
        ghosts_put(g, place, frequency);
        ck_assert_int_eq(ghosts_take(g, place, GHOST_RING),
                         (int)(frequency < GHOST_FREQUENCY ? frequency : GHOST_FREQUENCY));
        ck_assert_int_eq(ghosts_take(g, place, GHOST_RING), -1);
    }
    unmake();
}
END_TEST

/* Places in one bucket, of which no ghost is taken for another's. */
static void choose_neighbours(uint32_t place[NEIGHBOURS])
{
    for (unsigned n = 0; n < NEIGHBOURS;) {
        bool alike = false;

        place[n] = random_place(0);
        if (n > 0 && bucket_of(place[n]) != bucket_of(place[0]))
            continue;
        for (unsigned i = 0; i < n; i++) {
            ghosts_put(g, place[i], 0);
            alike = ghosts_take(g, place[n], GHOST_RING) >= 0 || alike;
            (void)ghosts_take(g, place[i], GHOST_RING);
        }
        n += !alike;
    }
}

/* What ${place[0]}'s ghost is after ${others} came into its bucket; then all are taken. */
static int after(const uint32_t place[NEIGHBOURS], unsigned others, unsigned reach)
{
    int frequency;

    ghosts_put(g, place[0], 5);
    for (unsigned i = 1; i <= others; i++)
        ghosts_put(g, place[i], 9);
    frequency = ghosts_take(g, place[0], reach);
    for (unsigned i = 1; i <= others; i++)
        (void)ghosts_take(g, place[i], GHOST_RING);
    return frequency;
}

/* From wherever the cursor stands: each call moves it on by another number. */
START_TEST(as_old_as_others_came)
{
    uint32_t place[NEIGHBOURS];
    unsigned wrong = 0, kept = 0;

    make(20);
    choose_neighbours(place);
    for (unsigned turn = 0; turn < GHOST_RING; turn++) {
        for (unsigned others = 0; others < GHOST_RING + 3; others++)
            for (unsigned reach = 0; reach <= GHOST_RING; reach++) {
                wrong += after(place, others, reach) != (others < reach ? 5 : -1);
                kept += ghosts_take(g, place[0], GHOST_RING) != -1; /* what is too old is forgotten too */
            }
        ghosts_put(g, place[0], 0);
        (void)ghosts_take(g, place[0], GHOST_RING);
    }
    ck_assert_uint_eq(wrong, 0);
    ck_assert_uint_eq(kept, 0);
    unmake();
}
END_TEST

START_TEST(the_oldest_is_forgotten)
{
    uint32_t place[NEIGHBOURS];

    make(20);
    choose_neighbours(place);
    for (unsigned n = 0; n < NEIGHBOURS; n++) {
        for (unsigned i = 0; i <= n; i++)
            ghosts_put(g, place[i], i % (GHOST_FREQUENCY + 1));
        for (unsigned i = 0; i <= n; i++)
            ck_assert_int_eq(ghosts_take(g, place[i], GHOST_RING),
                             i + GHOST_RING > n ? (int)(i % (GHOST_FREQUENCY + 1)) : -1);
    }
    unmake();
}
END_TEST

/* Where nothing is remembered nothing is found, whatever the cursor is: which lies beside the ghosts. */
START_TEST(the_cursor_is_no_ghost)
{
    enum { TAGS = 1 << 12 };
    uint32_t mine;
    unsigned found = 0;

    make(0);
    mine = random_place(0);
    for (unsigned turn = 0; turn < GHOST_RING; turn++) {
        for (unsigned i = 0; i < 2 * TAGS; i++)
            found += ghosts_take(g, random_place(0), GHOST_RING) != -1;
        ghosts_put(g, mine, 3);
        ck_assert_int_eq(ghosts_take(g, mine, GHOST_RING), 3);
    }
    ck_assert_uint_eq(found, 0);
    unmake();
}
END_TEST

static const unsigned bits_of_shards[] = {0, 4, 8};

/* One of 31 ghosts has a stranger's tag of 12 bits: 0.8 %. */
START_TEST(strangers_are_rarely_taken_for_ghosts)
{
    unsigned bits = bits_of_shards[_i], found = 0;

    make(ENTRIES);
    for (unsigned i = 0; i < 3 * HELD; i++)
        ghosts_put(g, random_place(bits), i % (GHOST_FREQUENCY + 1));
    for (unsigned i = 0; i < STRANGERS; i++)
        found += ghosts_take(g, random_place(bits), GHOST_RING) >= 0;
    ck_assert_uint_lt(found, STRANGERS * 15 / 1000);
    unmake();
}
END_TEST

/* Of as many as it is made for, buckets of 31 overflow by 7 %: as Poisson has it. */
START_TEST(it_remembers_what_it_is_made_for)
{
    static uint32_t place[HELD];
    unsigned bits = bits_of_shards[_i], found = 0, right = 0;

    make(ENTRIES);
    for (unsigned i = 0; i < HELD; i++) {
        place[i] = random_place(bits);
        ghosts_put(g, place[i], place[i] % 16);
    }
    for (unsigned i = 0; i < HELD; i++) {
        int frequency = ghosts_take(g, place[i], GHOST_RING);

        found += frequency >= 0;
        right += frequency == (int)(place[i] % 16);
    }
    ck_assert_uint_gt(found, HELD * 89 / 100);
    ck_assert_uint_gt(right, found - found * 15 / 1000); /* the others were taken for one another */
    unmake();
}
END_TEST

START_TEST(buckets_are_used_alike)
{
    enum { EACH = 200 };
    static unsigned in[ENTRIES];
    unsigned bits = bits_of_shards[_i];

    make(ENTRIES);
    ck_assert_uint_le(g->buckets, ENTRIES);
    memset(in, 0, sizeof in);
    for (unsigned i = 0; i < EACH * g->buckets; i++)
        in[(offset_of(bucket_of(random_place(bits))) - sizeof *g) / sizeof(struct ghost_bucket)]++;
    for (unsigned i = 0; i < g->buckets; i++) {
        ck_assert_uint_gt(in[i], EACH * 6 / 10); /* 5.6 standard deviations */
        ck_assert_uint_lt(in[i], EACH * 14 / 10);
    }
    unmake();
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("policy_ghosts");

    tcase_add_test(tc, sizes);
    tcase_add_test(tc, to_ask_takes_nothing);
    tcase_add_test(tc, all_comes_back_once);
    tcase_add_test(tc, as_old_as_others_came);
    tcase_add_test(tc, the_oldest_is_forgotten);
    tcase_add_test(tc, the_cursor_is_no_ghost);
    tcase_add_loop_test(tc, strangers_are_rarely_taken_for_ghosts, 0, 3);
    tcase_add_loop_test(tc, it_remembers_what_it_is_made_for, 0, 3);
    tcase_add_loop_test(tc, buckets_are_used_alike, 0, 3);
    return suite_run(tc);
}
