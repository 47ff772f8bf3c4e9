/* SPDX-License-Identifier: MIT
 *
 * part/slab: slots, and when they are used again.
 */
#include "base/clock.h"
#include "part/slab.h"
#include "support/support.h"
#include "unit/interfere.h"

enum { SLOTS = 300, MANY = 4 * SLAB_BATCH_MOST };

static heap h;
static struct slab s;

static void make(void)
{
    heap_init(&h);
    memset(&s, 0, sizeof s);
    ck_assert(slab_init(&s, &h.allocator));
}

static void unmake(void)
{
    ck_assert_uint_eq(h.live, atom_load_relaxed(&s.bytes));
    slab_destroy(&s);
    ck_assert_uint_eq(h.blocks, 0);
    ck_assert_uint_eq(h.live, 0);
}

START_TEST(classes_by_size)
{
    static const struct { size_t size; unsigned class; } cases[] = {
        {1, 0}, {64, 0}, {65, 1}, {96, 1}, {97, 2}, {128, 2}, {129, SLAB_LARGE}, {100000, SLAB_LARGE}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        ck_assert_uint_eq(slab_class_of(cases[i].size), cases[i].class);
}
END_TEST

START_TEST(slots_are_apart)
{
    static const size_t sizes[] = {64, 96, 128, 500};
    static unsigned char *slot[SLOTS];

    make();
    for (unsigned i = 0; i < SLOTS; i++) {
        size_t size = sizes[i % 4];
        slot[i] = slab_alloc(&s, thread_self(), size);
        ck_assert_ptr_nonnull(slot[i]);
        ck_assert_uint_eq((uintptr_t)slot[i] % (size == 96 ? 16 : 64), 0);
        memset(slot[i], (int)(i & 255), size);
    }
    for (unsigned i = 0; i < SLOTS; i++)
        for (size_t j = 0; j < sizes[i % 4]; j++)
            ck_assert_uint_eq(slot[i][j], i & 255);
    for (unsigned i = 0; i < SLOTS; i++)
        slab_retire(&s, thread_self(), slot[i], slab_class_of(sizes[i % 4]));
    unmake();
}
END_TEST

START_TEST(what_nobody_sees_is_used_again)
{
    size_t size = _i == 3 ? 200 : 64u + 32u * (unsigned)_i, most = 0;

    make();
    for (int i = 0; i < 100 * SLAB_BATCH_MOST; i++) {
        struct slab_slot *slot = slab_alloc(&s, thread_self(), size);
        size_t bytes = atom_load_relaxed(&s.bytes);
        ck_assert_ptr_nonnull(slot);
        atom_store_relaxed(&slot->link, 0);
        slab_retire(&s, thread_self(), slot, slab_class_of(size));
        most = bytes > most ? bytes : most;
    }
    ck_assert_uint_le(most, 4 * SLAB_BATCH_MOST * (size + 64));
    unmake();
}
END_TEST

static void retire_all(unsigned id, void *arg)
{
    struct slab_slot **slot = arg;

    (void)id;
    for (int i = 0; i < SLOTS; i++)
        slab_retire(&s, thread_self(), slot[i], 0);
}

START_TEST(what_another_thread_gives_back_is_used_again)
{
    static struct slab_slot *slot[SLOTS];
    size_t most = 0;
    crew c;

    make();
    for (int round = 0; round < 60; round++) {
        for (int i = 0; i < SLOTS; i++) {
            slot[i] = slab_alloc(&s, thread_self(), 64);
            ck_assert_ptr_nonnull(slot[i]);
            memset(slot[i], round & 255, 64);
            atom_store_relaxed(&slot[i]->link, 0);
        }
        for (int i = 0; i < SLOTS; i++)
            ck_assert_uint_eq(slot[i]->opaque[1] & 255, (unsigned)round & 255);
        crew_start(&c, 1, retire_all, slot);
        crew_join(&c);
        size_t bytes = atom_load_relaxed(&s.bytes);
        most = bytes > most ? bytes : most;
    }
    ck_assert_uint_le(most, (SLOTS + 4 * SLAB_BATCH_MOST) * 64);
    unmake();
}
END_TEST

struct inside {
    gate in;
};

static void stay_inside(unsigned id, void *arg)
{
    struct inside *w = arg;
    struct thread *t = thread_self();

    (void)id;
    section_enter(t);
    gate_stop_here(&w->in);
    section_leave(t);
}

START_TEST(what_a_reader_may_see_is_not)
{
    static struct slab_slot *old[MANY];
    size_t size = _i == 0 ? 64 : 500;
    struct inside w;
    size_t blocks;
    crew c;

    make();
    for (int i = 0; i < MANY; i++) {
        old[i] = slab_alloc(&s, thread_self(), size);
        ck_assert_ptr_nonnull(old[i]);
        atom_store_relaxed(&old[i]->link, 0);
    }
    gate_init(&w.in);
    crew_start(&c, 1, stay_inside, &w);
    gate_wait_reached(&w.in);
    blocks = h.blocks;
    for (int i = 0; i < MANY; i++)
        slab_retire(&s, thread_self(), old[i], slab_class_of(size));
    ck_assert_uint_eq(h.blocks, blocks);
    for (int n = 0; n < 100; n++) {
        void *fresh = slab_alloc(&s, thread_self(), size);
        for (int i = 0; i < MANY; i++) {
            ck_assert_ptr_ne(fresh, old[i]);
            ck_assert_uint_eq(atom_load_relaxed(&old[i]->link) & 1, 1); /* it tells the reader that it has gone */
        }
        slab_retire(&s, thread_self(), fresh, slab_class_of(size));
    }
    gate_open(&w.in);
    crew_join(&c);
    gate_destroy(&w.in);
    unmake();
}
END_TEST

START_TEST(without_memory_none)
{
    make();
    heap_fail(&h, 1, SIZE_MAX);
    ck_assert_ptr_null(slab_alloc(&s, thread_self(), 64));
    ck_assert_ptr_null(slab_alloc(&s, thread_self(), 1000));
    heap_fail(&h, SIZE_MAX, SIZE_MAX);
    ck_assert_ptr_nonnull(slab_alloc(&s, thread_self(), 64));
    unmake();
}
END_TEST

enum { TURNS = 20000 };

/* Slots are made by one thread and retired by another, through ${box}. */
static _Atomic(uint64_t *) box[8];

static void pass_on(unsigned id, void *arg)
{
    uint64_t state = id + 1;

    (void)arg;
    for (int i = 0; i < SCALED(TURNS); i++) {
        uint64_t mark = (uint64_t)id << 32 | (uint64_t)i;
        uint64_t *slot = slab_alloc(&s, thread_self(), 64);

        if (slot == NULL) {
            trouble(__FILE__, __LINE__, "no memory");
            return;
        }
        memset(slot, 0, 64);
        slot[6] = slot[7] = mark;
        slot = atomic_exchange(&box[random_next(&state) % 8], slot);
        if (slot != NULL) {
            EXPECT(slot[6] == slot[7] && slot[6] != UINT64_MAX); /* nobody else has it */
            slot[6] = slot[7] = UINT64_MAX;
            slab_retire(&s, thread_self(), slot, 0);
        }
    }
}

START_TEST(no_slot_has_two_owners)
{
    make();
    crew_do(4, pass_on, NULL);
    for (int i = 0; i < 8; i++)
        atomic_store(&box[i], NULL);
    unmake();
}
END_TEST

/* ---- Where a slot comes from */

static struct slab_class *own_class(unsigned class)
{
    return &s.arena[thread_self()->number].class[class];
}

static void *must_alloc(size_t size)
{
    void *slot = slab_alloc(&s, thread_self(), size);

    ck_assert_ptr_nonnull(slot);
    return slot;
}

START_TEST(an_arena_of_its_own_needs_no_lock)
{
    static const size_t sizes[] = {64, 96, 128, 500};
    struct thread one_more = {.number = SLAB_ARENAS};
    void *slot;

    make();
    lock_acquire(&s.lock);
    for (unsigned i = 0; i < 4; i++)
        slab_retire(&s, thread_self(), must_alloc(sizes[i]), i);
    lock_release(&s.lock);
    ck_assert_ptr_nonnull(s.arena[thread_self()->number].regions);
    ck_assert_ptr_null(s.arena[0].regions);
    slot = slab_alloc(&s, &one_more, 64); /* it has none */
    ck_assert_ptr_nonnull(slot);
    ck_assert_ptr_nonnull(s.arena[0].regions);
    slab_retire(&s, &one_more, slot, 0);
    ck_assert_ptr_eq(s.arena[0].class[0].recent, slot);
    unmake();
}
END_TEST

START_TEST(slots_lie_side_by_side)
{
    char *first, *middle, *last;

    make();
    first = must_alloc(96);
    ck_assert_ptr_eq(must_alloc(96), first + 96);
    middle = must_alloc(96);
    ck_assert_ptr_eq(middle, first + 192);
    last = must_alloc(64);
    ck_assert(last >= middle + 96 && last < middle + 96 + 64); /* on the next line that is free */
    unmake();
    make();
    for (int i = 0; i < 4096 / 64 - 1; i++)
        (void)must_alloc(64);
    ck_assert_uint_eq(h.live, 4096); /* all of it but the header is used */
    for (size_t i = 1, live = 4096; i < 9; i++) {
        size_t next = (size_t)4096 << (i < 6 ? i : 6);
        (void)must_alloc(64);
        live += next;
        ck_assert_uint_eq(h.live, live);
        for (size_t n = 64 + 64; n < next; n += 64)
            (void)must_alloc(64);
        ck_assert_uint_eq(h.live, live);
    }
    unmake();
}
END_TEST

/* Close a batch of the smallest class, as many as it takes; ${quick}: so soon after the last one. */
static size_t close_one(bool quick)
{
    static void *slot[SLAB_BATCH_MOST];
    struct slab_class *k = own_class(0);
    size_t n = k->batch;

    ck_assert_uint_le(n, SLAB_BATCH_MOST);
    for (size_t i = 0; i < n; i++)
        slot[i] = must_alloc(64);
    for (size_t i = 0; i < n; i++) {
        ck_assert_uint_eq(k->weight, i);
        k->closed = quick ? clock_now() : 0;
        slab_retire(&s, thread_self(), slot[i], 0);
    }
    ck_assert_uint_eq(k->weight, 0);
    ck_assert_uint_eq(k->waiting_count, n);
    ck_assert_ptr_eq(k->waiting, slot[n - 1]);
    ck_assert_ptr_eq(k->waiting_last, slot[0]);
    return k->batch;
}

START_TEST(batches_that_fill_quickly_grow)
{
    make();
    ck_assert_uint_eq(own_class(0)->batch, SLAB_BATCH_LEAST);
    ck_assert_uint_eq(close_one(false), SLAB_BATCH_LEAST);
    for (size_t n = SLAB_BATCH_LEAST; n < SLAB_BATCH_MOST; n *= 2)
        ck_assert_uint_eq(close_one(true), 2 * n);
    ck_assert_uint_eq(close_one(true), SLAB_BATCH_MOST);
    for (size_t n = SLAB_BATCH_MOST; n > SLAB_BATCH_LEAST; n /= 2)
        ck_assert_uint_eq(close_one(false), n / 2);
    ck_assert_uint_eq(close_one(false), SLAB_BATCH_LEAST);
    unmake();
}
END_TEST

START_TEST(more_than_enough_goes_to_the_depot)
{
    static void *slot[MANY];
    struct slab_class *k;
    unsigned kept = 0, passed_on = 0;

    make();
    k = own_class(0);
    for (int i = 0; i < MANY; i++)
        slot[i] = must_alloc(64);
    for (int i = 0; i < MANY; i++) {
        size_t free = k->free_count, enough = k->batch, waiting = k->waiting_count;
        uint32_t batches = atom_load_relaxed(&s.batches[0]);

        slab_retire(&s, thread_self(), slot[i], 0);
        if (k->free_count != free) {
            ck_assert_uint_lt(free, enough);
            ck_assert_uint_eq(k->free_count, free + waiting);
            kept++;
        }
        if (atom_load_relaxed(&s.batches[0]) != batches) {
            ck_assert_uint_ge(free, enough);
            ck_assert_uint_eq(s.depot[0]->count, waiting);
            passed_on++;
        }
    }
    ck_assert_uint_ge(kept, 1);
    ck_assert_uint_ge(passed_on, 1);
    unmake();
}
END_TEST

START_TEST(a_batch_is_looked_at_when_it_is_needed)
{
    struct slab_class *k;
    void *slot[SLAB_BATCH_LEAST], *spare;
    struct inside w;
    crew c;

    make();
    k = own_class(0);
    (void)close_one(false);
    spare = k->waiting;
    ck_assert_ptr_eq(must_alloc(64), spare); /* it has passed: used before new memory */
    ck_assert_ptr_null(k->waiting);
    ck_assert_uint_eq(k->free_count, SLAB_BATCH_LEAST - 1);
    slot[0] = spare;
    for (int i = 1; i < SLAB_BATCH_LEAST; i++)
        slot[i] = must_alloc(64);
    spare = must_alloc(64);
    k->closed = 0;
    for (int i = 0; i < SLAB_BATCH_LEAST; i++)
        slab_retire(&s, thread_self(), slot[i], 0);
    for (int i = 0; i < SLAB_BATCH_LEAST; i++)
        slot[i] = must_alloc(64);
    ck_assert_ptr_null(k->waiting);
    ck_assert_ptr_null(k->free);
    /* While there are free ones a batch is not looked at. */
    k->free = spare;
    k->free_count = 1;
    atom_store_relaxed(&k->free->link, 1);
    k->closed = 0;
    for (int i = 0; i < SLAB_BATCH_LEAST; i++)
        slab_retire(&s, thread_self(), slot[i], 0);
    ck_assert_ptr_eq(must_alloc(64), spare);
    ck_assert_ptr_nonnull(k->waiting);
    ck_assert_uint_eq(k->free_count, 0);
    /* In vain: then no allocation looks at it again. */
    gate_init(&w.in);
    crew_start(&c, 1, stay_inside, &w);
    gate_wait_reached(&w.in);
    k->stamp = epoch_stamp(&epoch_process);
    spare = k->waiting;
    (void)must_alloc(64);
    gate_open(&w.in);
    crew_join(&c);
    gate_destroy(&w.in);
    (void)must_alloc(64);
    ck_assert_ptr_eq(k->waiting, spare);
    unmake();
}
END_TEST

START_TEST(while_it_waits_it_is_looked_at_now_and_then)
{
    struct slab_class *k;
    struct inside w;
    crew c;

    make();
    k = own_class(0);
    gate_init(&w.in);
    crew_start(&c, 1, stay_inside, &w);
    gate_wait_reached(&w.in);
    (void)close_one(false);
    for (size_t n = 1; n <= 3 * SLAB_BATCH_LEAST; n++) {
        size_t look = n / (SLAB_BATCH_LEAST / 2) * (SLAB_BATCH_LEAST / 2) + SLAB_BATCH_LEAST / 2;
        slab_retire(&s, thread_self(), must_alloc(64), 0);
        ck_assert_uint_eq(k->weight, n);
        ck_assert_uint_eq(k->next_look, n < SLAB_BATCH_LEAST ? 0 : look);
        ck_assert_uint_eq(k->waiting_count, SLAB_BATCH_LEAST);
    }
    gate_open(&w.in);
    crew_join(&c);
    gate_destroy(&w.in);
    for (size_t n = k->weight + 1; n < k->next_look; n++) {
        slab_retire(&s, thread_self(), must_alloc(64), 0);
        ck_assert_uint_eq(k->weight, n);
    }
    slab_retire(&s, thread_self(), must_alloc(64), 0);
    ck_assert_uint_eq(k->weight, 0);
    ck_assert_uint_eq(k->next_look, 0);
    unmake();
}
END_TEST

/* What is large has the weight of its size, and goes back to the allocator. */
START_TEST(large_slots_weigh_more)
{
    void *light[3], *heavy[2];
    size_t with;

    make();
    for (int i = 0; i < 3; i++)
        light[i] = must_alloc(200);
    for (int i = 0; i < 2; i++)
        heavy[i] = must_alloc((size_t)64 * SLAB_BATCH_LEAST);
    with = h.live;
    for (int i = 0; i < 3; i++)
        slab_retire(&s, thread_self(), light[i], SLAB_LARGE);
    ck_assert_uint_eq(own_class(SLAB_LARGE)->weight, 3 * (1 + (200 + 64) / 64));
    slab_retire(&s, thread_self(), heavy[0], SLAB_LARGE);
    ck_assert_ptr_eq(own_class(SLAB_LARGE)->waiting, heavy[0]);
    ck_assert_uint_eq(h.live, with);
    slab_retire(&s, thread_self(), heavy[1], SLAB_LARGE);
    ck_assert_ptr_eq(own_class(SLAB_LARGE)->waiting, heavy[1]);
    ck_assert_uint_eq(h.live, (size_t)64 * SLAB_BATCH_LEAST + 64);
    unmake();
}
END_TEST

#ifdef BRIM_INTERFERE
/* Two threads that share the arena. */
static struct thread ours = {.number = SLAB_ARENAS}, others = {.number = SLAB_ARENAS + 1};

static void take_one(void *arg)
{
    if (pthread_mutex_trylock(&s.lock.m) != 0)
        return; /* we have it: the other thread would wait */
    pthread_mutex_unlock(&s.lock.m);
    *(void **)arg = slab_alloc(&s, &others, 64);
}

static size_t length_of(const void *first)
{
    size_t n = 0;

    for (const struct slab_slot *slot = first; slot != NULL; n++)
        slot = (struct slab_slot *)(atom_load_relaxed(&((struct slab_slot *)slot)->link) & ~(uintptr_t)1);
    return n;
}

/* Free ones of the smallest class, in the shared arena and in the depot. */
static size_t free_slots(void)
{
    size_t n = length_of(s.arena[0].class[0].free);

    ck_assert_uint_eq(n, s.arena[0].class[0].free_count);
    for (struct slab_batch *b = s.depot[0]; b != NULL; b = b->next) {
        ck_assert_uint_eq(length_of(b), b->count);
        n += b->count;
    }
    return n;
}

static unsigned batches(void)
{
    unsigned n = 0;

    for (struct slab_batch *b = s.depot[0]; b != NULL; b = b->next)
        n++;
    ck_assert_uint_eq(n, atom_load_relaxed(&s.batches[0]));
    return n;
}

/* Give so much back that ${wanted} batches come to the depot. */
static void fill_depot(unsigned wanted)
{
    static void *slot[MANY];

    for (int i = 0; i < MANY; i++) {
        slot[i] = slab_alloc(&s, thread_self(), 64);
        ck_assert_ptr_nonnull(slot[i]);
    }
    for (int i = 0; batches() < wanted; i++) {
        ck_assert_int_lt(i, MANY);
        slab_retire(&s, thread_self(), slot[i], 0);
    }
}

/* Another thread takes from the depot while we do: each gets a slot of its own, and no batch is lost. */
START_TEST(the_depot_is_shared)
{
    unsigned wanted = 1 + (unsigned)_i, taken = 0, not_taken = 0;
    bool interfered = true;

    for (unsigned after = 0; interfered; after++) {
        void *own, *other = NULL;
        size_t before;

        make();
        fill_depot(wanted);
        before = free_slots();
        atom_interfere(after, take_one, &other);
        own = slab_alloc(&s, &ours, 64);
        interfered = atom_has_interfered();
        ck_assert_ptr_nonnull(own);
        ck_assert_ptr_ne(own, other);
        /* All are there, but what the two have; or one of them came too late, and asked for new memory. */
        ck_assert(free_slots() == before - 1 - (other != NULL) || (other != NULL && free_slots() == before - 1));
        (void)batches();
        taken += other != NULL;
        not_taken += interfered && other == NULL;
        unmake();
    }
    ck_assert_uint_ge(taken, 5);
    ck_assert_uint_ge(not_taken, 3);
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("slab");

    tcase_add_test(tc, classes_by_size);
    tcase_add_test(tc, slots_are_apart);
    tcase_add_loop_test(tc, what_nobody_sees_is_used_again, 0, 4);
    tcase_add_test(tc, what_another_thread_gives_back_is_used_again);
    tcase_add_loop_test(tc, what_a_reader_may_see_is_not, 0, 2);
    tcase_add_test(tc, without_memory_none);
    tcase_add_test(tc, no_slot_has_two_owners);
    tcase_add_test(tc, an_arena_of_its_own_needs_no_lock);
    tcase_add_test(tc, slots_lie_side_by_side);
    tcase_add_test(tc, batches_that_fill_quickly_grow);
    tcase_add_test(tc, more_than_enough_goes_to_the_depot);
    tcase_add_test(tc, a_batch_is_looked_at_when_it_is_needed);
    tcase_add_test(tc, while_it_waits_it_is_looked_at_now_and_then);
    tcase_add_test(tc, large_slots_weigh_more);
#ifdef BRIM_INTERFERE
    tcase_add_loop_test(tc, the_depot_is_shared, 0, 2);
#endif
    return suite_run(tc);
}
