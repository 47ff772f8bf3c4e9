/* SPDX-License-Identifier: MIT
 *
 * part/stripe: one stripe for each thread number, and sums that lose nothing.
 */
#include "part/stripe.h"
#include "support/support.h"
#include "unit/interfere.h"

enum { NUMBERS = 200, COUNTS = 4000, THREADS = 4 };

static heap h;
static struct {
    struct stripes s;
    struct stripe *behind[8]; /* where a chunk beyond the last would be looked for */
} all;
#define s all.s

static void make(void)
{
    static struct stripe nobodys;

    heap_init(&h);
    memset(&s, 0, sizeof s);
    for (int i = 0; i < 8; i++)
        all.behind[i] = &nobodys;
    ck_assert(stripes_init(&s, &h.allocator));
}

static void unmake(void)
{
    ck_assert_uint_eq(h.live, stripes_bytes(&s));
    stripes_destroy(&s);
    ck_assert_uint_eq(h.blocks, 0);
}

static void visit(struct stripe *st, void *arg)
{
    unsigned *n = arg;

    ++*n;
    stripe_add(st, misses, 1);
}

START_TEST(each_number_has_its_own)
{
    static struct stripe *of[NUMBERS];
    unsigned visited = 0;

    make();
    for (unsigned i = 0; i < NUMBERS; i++) {
        struct thread t = {.number = i};
        of[i] = stripe_of(&s, &t);
        ck_assert_int_eq(of[i]->shared, i == 0);
        for (unsigned j = 0; j < i; j++)
            ck_assert_ptr_ne(of[i], of[j]);
    }
    stripes_each(&s, visit, &visited);
    ck_assert_uint_eq(visited, 8 + 16 + 32 + 64 + 128);
    ck_assert_uint_eq(h.calls, 5);
    for (unsigned i = 0; i < NUMBERS; i++) {
        struct thread t = {.number = i};
        ck_assert_ptr_eq(stripe_of(&s, &t), of[i]);
        ck_assert_ptr_eq(stripe_ready(&s, &t), of[i]);
        ck_assert_uint_eq(atom_load_relaxed(&of[i]->misses), 1);
    }
    ck_assert_uint_eq(h.calls, 5); /* who has one asks for no memory */
    unmake();
}
END_TEST

START_TEST(without_memory_the_shared_one)
{
    struct thread zero = {.number = 0}, t = {.number = 100}, huge = {.number = UINT32_MAX - 8};
    struct stripe *shared;

    make();
    shared = stripe_of(&s, &zero);
    ck_assert(shared->shared);
    ck_assert_ptr_eq(stripe_ready(&s, &t), shared);
    heap_fail(&h, 1, SIZE_MAX);
    ck_assert_ptr_eq(stripe_of(&s, &t), shared);
    heap_fail(&h, SIZE_MAX, SIZE_MAX);
    ck_assert_ptr_ne(stripe_of(&s, &t), shared);
    ck_assert_ptr_ne(stripe_ready(&s, &t), shared);
    ck_assert_ptr_eq(stripe_of(&s, &huge), shared);
    ck_assert_ptr_eq(stripe_ready(&s, &huge), shared);
    unmake();
    heap_fail(&h, 1, 2);
    ck_assert(!stripes_init(&s, &h.allocator));
}
END_TEST

START_TEST(sums_are_signed_and_by_field)
{
    struct thread a = {.number = 1}, b = {.number = 30};

    make();
    stripe_add(stripe_of(&s, &a), of[3].pinned, 10);
    stripe_add(stripe_of(&s, &b), of[3].pinned, (size_t)0 - 7);
    stripe_add(stripe_of(&s, &b), of[6].hits, 5);
    ck_assert_uint_eq(stripes_sum(&s, offsetof(struct stripe, of[3].pinned)), 3);
    ck_assert_uint_eq(stripes_sum(&s, offsetof(struct stripe, of[6].hits)), 5);
    ck_assert_uint_eq(stripes_sum(&s, offsetof(struct stripe, misses)), 0);
    unmake();
}
END_TEST

START_TEST(pins_of_all_kinds)
{
    struct thread a = {.number = 1}, b = {.number = 30}, none = {.number = 0};

    make();
    ck_assert_uint_eq(stripes_pinned(&s), 0);
    for (unsigned i = 0; i < STRIPE_KINDS; i++)
        stripe_add(stripe_of(&s, &a), of[i].pinned, (size_t)1 << i);
    ck_assert_uint_eq(stripes_pinned(&s), (1u << STRIPE_KINDS) - 1);
    stripe_add(stripe_of(&s, &b), of[0].pinned, (size_t)0 - 1); /* a release on another thread */
    stripe_add(stripe_of(&s, &none), of[3].pinned, 2);
    ck_assert_uint_eq(stripes_pinned(&s), 1u << STRIPE_KINDS);
    stripe_add(stripe_of(&s, &b), of[5].pinned, (size_t)0 - (1u << STRIPE_KINDS) - 1);
    ck_assert_uint_eq(stripes_pinned(&s), 0); /* less than nothing: seen in the wrong order */
    unmake();
}
END_TEST

/* All on the shared one, then each on its own, from a chunk that all need at once. */
static void count(unsigned id, void *arg)
{
    struct thread none = {.number = 0}, own = {.number = 60 + id};
    struct stripe *st = stripe_of(&s, &own);

    (void)arg;
    for (int i = 0; i < SCALED(COUNTS); i++) {
        stripe_add(stripe_of(&s, &none), of[0].hits, 1);
        stripe_add(st, of[0].hits, 2);
    }
}

START_TEST(no_count_is_lost)
{
    for (int round = 0; round < 20; round++) {
        make();
        crew_do(THREADS, count, NULL);
        ck_assert_uint_eq(stripes_sum(&s, offsetof(struct stripe, of[0].hits)), (uint64_t)THREADS * 3 * SCALED(COUNTS));
        ck_assert_uint_eq(h.blocks, 2); /* who lost the race for the chunk gave its own back */
        unmake();
    }
}
END_TEST

#ifdef BRIM_INTERFERE
static void count_one(void *arg)
{
    struct stripe *st = arg;

    stripe_add(st, misses, 1);
}

static void count_own(void *arg)
{
    struct stripe *st = arg;

    stripe_add_own(st, misses, 1);
}

/* Where others count too, by one locked operation; else by a load and a store. */
START_TEST(how_it_is_counted)
{
    static struct stripe own, shared = {.shared = true};

    ck_assert_uint_eq(operations_of(count_one, &own), 2);
    ck_assert_uint_eq(operations_of(count_one, &shared), 1);
    ck_assert_uint_eq(operations_of(count_own, &own), 2);
}
END_TEST

static void make_chunk(void *arg)
{
    struct thread other = {.number = 61};

    *(struct stripe **)arg = stripe_of(&s, &other);
}

/* Another thread makes the chunk while we do: there is one, and both use it. */
START_TEST(a_chunk_is_made_once)
{
    struct thread t = {.number = 60};
    bool interfered = true;

    for (unsigned after = 0; interfered; after++) {
        struct stripe *own, *other = NULL;
        make();
        atom_interfere(after, make_chunk, &other);
        own = stripe_of(&s, &t);
        interfered = atom_has_interfered();
        ck_assert(interfered || after >= 2);
        ck_assert(!interfered || other == own + 1);
        ck_assert_ptr_eq(stripe_ready(&s, &t), own);
        ck_assert_uint_eq(h.blocks, 2);
        unmake();
    }
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("stripe");

    tcase_add_test(tc, each_number_has_its_own);
    tcase_add_test(tc, without_memory_the_shared_one);
    tcase_add_test(tc, sums_are_signed_and_by_field);
    tcase_add_test(tc, pins_of_all_kinds);
    tcase_add_test(tc, no_count_is_lost);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, how_it_is_counted);
    tcase_add_test(tc, a_chunk_is_made_once);
#endif
    return suite_run(tc);
}
