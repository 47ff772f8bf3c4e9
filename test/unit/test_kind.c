/* SPDX-License-Identifier: MIT
 *
 * cache/kind: a record and a number for each kind of each cache; `unused' after its last value.
 */
#include "cache/limits.h"
#include "unit/caches.h"

static atomic_uint unused_calls;

static void count_unused(void *arg)
{
    (void)arg;
    atomic_fetch_add(&unused_calls, 1);
}

START_TEST(one_record_for_each)
{
    brim_cache *c = make_value_cache(100), *other = make_value_cache(100);
    brim_kind user = {.size = sizeof user};
    struct kind *k, *again, *there;

    ck_assert_ptr_null(kind_look_up(c, &user));
    ck_assert_int_eq(kind_get(c, &user, &k), BRIM_OK);
    ck_assert_int_eq(kind_get(c, &user, &again), BRIM_OK);
    ck_assert_int_eq(kind_get(other, &user, &there), BRIM_OK);
    ck_assert_ptr_eq(k, again);
    ck_assert_ptr_eq(kind_look_up(c, &user), k);
    ck_assert_ptr_eq(kind_look_up(c, &value_kind), c->default_kind);
    ck_assert_ptr_ne(k, there);
    ck_assert_uint_ne(k->number, there->number);
    ck_assert_uint_ne(k->number, c->default_kind->number);
    ck_assert_ptr_eq(k->cache, c);
    ck_assert_ptr_eq(k->user, &user);
    finish(c);
    finish(other);
}
END_TEST

START_TEST(bad_kinds)
{
    brim_cache *c = make_value_cache(100);
    brim_kind small = {.size = 8}, floor = {.floor = 101}, ceiling = {.ceiling = 101}, both = {.floor = 2, .ceiling = 1};
    struct kind *k;

    ck_assert_int_eq(kind_get(c, &small, &k), BRIM_INVALID);
    ck_assert_int_eq(kind_get(c, &both, &k), BRIM_INVALID);
    ck_assert_int_eq(kind_get(c, &floor, &k), BRIM_INVALID);
    ck_assert_int_eq(kind_get(c, &ceiling, &k), BRIM_INVALID);
    finish(c);
}
END_TEST

START_TEST(numbers_lead_back_and_are_used_again)
{
    enum { KINDS = KIND_CHUNK + 20, CACHES = 20 };
    static brim_kind user[KINDS];
    uint32_t most = 0;

    for (int round = 0; round < CACHES; round++) {
        brim_cache *c = make_value_cache(100);
        for (unsigned i = 0; i < KINDS; i++) {
            struct entry e = {.kind_flags = 0};
            struct kind *k;
            ck_assert_int_eq(kind_get(c, &user[i], &k), BRIM_OK);
            e.kind_flags = k->number << 8 | 255;
            ck_assert_ptr_eq(kind_of(&e), k);
            if (round == 0 && k->number > most)
                most = k->number;
            ck_assert_uint_lt(k->number, most + KIND_SLOTS); /* the slot of the late kinds differs by cache */
        }
        finish(c);
    }
}
END_TEST

START_TEST(unused_after_the_last_value)
{
    brim_kind user = value_kind;
    brim_entry_options o;
    brim_cache *c = make_value_cache(100);
    brim_ref *r;

    user.unused = count_unused;
    atomic_store(&unused_calls, 0);
    brim_entry_options_init(&o);
    o.kind = &user;
    ck_assert_int_eq(brim_insert_with(c, "a", 1, value_new(1, 5), 5, &o, &r), BRIM_OK);
    ck_assert_int_eq(brim_insert_with(c, "b", 1, value_new(2, 5), 5, &o, NULL), BRIM_OK);
    ck_assert(brim_remove(c, "b", 1));
    brim_cache_free(c);
    ck_assert_uint_eq(atomic_load(&unused_calls), 0);
    brim_release(r);
    ck_assert_uint_eq(atomic_load(&unused_calls), 1);
    ck_assert_uint_eq(values_live(), 0);
}
END_TEST

/* ---- Slots: one for each of the first kinds, whatever the cache; the last is for all others */

static void check_slots(const brim_cache *c, unsigned kinds)
{
    unsigned own = 0, late = 0, taken = 0, late_slot = KIND_SLOTS;

    for (struct kind *k = atom_load_acquire(&((struct brim_cache *)(uintptr_t)c)->kinds); k != NULL; k = k->next) {
        unsigned slot = k->number % KIND_SLOTS;

        if (k->shares_slot) {
            ck_assert(late_slot == KIND_SLOTS || late_slot == slot);
            late_slot = slot;
            late++;
        } else {
            ck_assert(!(taken & 1u << slot));
            taken |= 1u << slot;
            own++;
        }
    }
    ck_assert_uint_eq(own + late, kinds);
    ck_assert_uint_eq(own, kinds < KIND_SLOTS - 1 ? kinds : KIND_SLOTS - 1);
    ck_assert(late_slot == KIND_SLOTS || !(taken & 1u << late_slot));
}

START_TEST(each_kind_has_a_slot_of_its_own_but_the_late)
{
    static brim_kind user[3 * KIND_SLOTS];

    for (int round = 0; round < 20; round++) { /* in caches at various addresses */
        brim_cache *c = make_value_cache(100), *beside = make_value_cache(100);

        for (unsigned i = 0; i < 3 * KIND_SLOTS; i++) {
            struct kind *k;

            check_slots(c, i + 1); /* with its own */
            ck_assert_int_eq(kind_get(c, &user[i], &k), BRIM_OK);
            ck_assert_int_eq(kind_get(beside, &user[i], &k), BRIM_OK);
        }
        finish(c);
        finish(beside);
    }
}
END_TEST

static void get_all(unsigned id, void *arg)
{
    static brim_kind user[KIND_SLOTS];
    struct kind *k;

    for (unsigned i = 0; i < KIND_SLOTS; i++)
        EXPECT(kind_get(arg, &user[(i + 5 * id) % KIND_SLOTS], &k) == BRIM_OK);
}

START_TEST(threads_do_not_get_the_same_slot)
{
    for (int round = 0; round < SCALED(200); round++) {
        brim_cache *c = make_value_cache(100);

        crew_do(3, get_all, c);
        check_slots(c, KIND_SLOTS + 1);
        finish(c);
    }
}
END_TEST

START_TEST(sums_of_all_parts)
{
    brim_cache *c = make_value_cache(100);
    struct kind *k = c->default_kind;

    for (unsigned i = 0; i < 2 * KIND_PARTS; i++) {
        struct thread t = {.number = i};

        kind_count(k, &t, misses, 1);
        kind_count(k, &t, left[BRIM_CLEARED], i);
        kind_count(k, &t, eviction_age[BRIM_AGES - 1], 2);
    }
    ck_assert_uint_eq(kind_sum(k, offsetof(struct kind_counts, misses)), 2 * KIND_PARTS);
    ck_assert_uint_eq(kind_sum(k, offsetof(struct kind_counts, left[BRIM_CLEARED])), KIND_PARTS * (2 * KIND_PARTS - 1));
    ck_assert_uint_eq(kind_sum(k, offsetof(struct kind_counts, left[BRIM_CLEARED - 1])), 0);
    ck_assert_uint_eq(kind_sum(k, offsetof(struct kind_counts, eviction_age[BRIM_AGES - 1])), 4 * KIND_PARTS);
    ck_assert_uint_eq(kind_sum(k, offsetof(struct kind_counts, eviction_age[0])), 0);
    finish(c);
}
END_TEST

START_TEST(without_memory_for_a_record)
{
    brim_kind user = {.size = sizeof user, .floor = 10};
    struct kind *k = (struct kind *)(void *)&user;
    brim_cache *c;
    heap h;

    c = cache_on(&h, 100);
    heap_fail(&h, 1, 2);
    ck_assert_int_eq(kind_get(c, &user, &k), BRIM_NOMEM);
    ck_assert_ptr_null(k);
    ck_assert_ptr_null(kind_look_up(c, &user));
    ck_assert(limits_fit(c, NULL, 100, 0)); /* its floor counts for nothing */
    ck_assert_int_eq(kind_get(c, &user, &k), BRIM_OK);
    ck_assert(!limits_fit(c, NULL, 91, 0));
    finish_on(c, &h);
}
END_TEST

static brim_cache *shared;
static brim_kind fresh;
static struct kind *got[4];

static void get_fresh(unsigned id, void *arg)
{
    (void)arg;
    EXPECT(kind_get(shared, &fresh, &got[id]) == BRIM_OK);
}

START_TEST(all_threads_get_the_same)
{
    for (int round = 0; round < SCALED(200); round++) {
        shared = make_value_cache(100);
        crew_do(4, get_fresh, NULL);
        for (int i = 0; i < 4; i++)
            ck_assert_ptr_eq(got[i], kind_look_up(shared, &fresh));
        finish(shared);
    }
}
END_TEST

#ifdef BRIM_INTERFERE
static brim_kind ours, theirs;

static brim_status theirs_got;

static void get_theirs(void *arg)
{
    struct kind *k;

    theirs_got = kind_get(arg, &theirs, &k);
}

static void get_ours(void *arg)
{
    struct kind *k;

    EXPECT(kind_get(arg, &ours, &k) == BRIM_OK);
}

START_TEST(the_same_kind_that_comes_twice)
{
    bool met = true;

    ours.floor = 60;
    for (unsigned after = 0; met; after++) {
        brim_cache *c = make_value_cache(100);
        struct other o = {.cache = c, .act = get_ours, .arg = c};
        struct kind *k = NULL;

        other_begin(&o, after);
        ck_assert_int_eq(kind_get(c, &ours, &k), BRIM_OK);
        met = other_end(&o);
        ck_assert_ptr_eq(kind_look_up(c, &ours), k);
        check_slots(c, 2);
        finish(c);
    }
}
END_TEST

/* Another thread brings a kind meanwhile: the same, or one that takes the slot that was chosen, or the room for floors. */
START_TEST(kinds_that_come_at_once)
{
    bool met = true;

    for (unsigned after = 0; met; after++) {
        brim_cache *c = make_value_cache(100);
        struct other o = {.cache = c, .act = get_theirs, .arg = c};
        struct kind *k = NULL, *there;
        bool both;
        brim_status s;

        ours.floor = theirs.floor = _i == 0 ? 0 : 60;
        other_begin(&o, after);
        s = kind_get(c, &ours, &k);
        met = other_end(&o);
        there = kind_look_up(c, &theirs);
        both = s == BRIM_OK && there != NULL;
        ck_assert_int_eq(there != NULL, o.acted && theirs_got == BRIM_OK);
        ck_assert_ptr_eq(kind_look_up(c, &ours), s == BRIM_OK ? k : NULL);
        ck_assert_int_eq(both, o.acted && _i == 0);
        ck_assert(s == BRIM_OK || (s == BRIM_INVALID && there != NULL));
        check_slots(c, both ? 3 : 2);
        finish(c);
    }
}
END_TEST

/* ---- Numbers */

static struct kind nobody;

/* Take all numbers that are free among the first ${chunks} chunks, or give them back. */
static void fill_table(unsigned chunks, bool take)
{
    for (unsigned at = 0; at < chunks; at++) {
        struct kind_chunk *chunk = atom_load_acquire(&kind_table.chunk[at]);
        for (unsigned j = 0; chunk != NULL && j < KIND_CHUNK; j++)
            if (atom_load_relaxed(&chunk->kind[j]) == (take ? NULL : &nobody))
                atom_store_relaxed(&chunk->kind[j], take ? &nobody : NULL);
    }
}

static unsigned chunks_made(void)
{
    unsigned n = 0;

    while (atom_load_acquire(&kind_table.chunk[n]) != NULL)
        n++;
    return n;
}

/* As if nobody had ever wanted it. */
static void unmake_chunk(unsigned at)
{
    struct kind_chunk *chunk = atom_load_acquire(&kind_table.chunk[at]);

    atom_store_release(&kind_table.chunk[at], NULL);
    mem_free(&mem_default, chunk, sizeof *chunk, 128);
}

/* In another cache, so that both want a number, and perhaps a chunk for it, and no more. */
START_TEST(numbers_that_are_claimed_at_once)
{
    bool met = true;

    for (unsigned after = 0; met; after++) {
        brim_cache *c = make_value_cache(100), *other = make_value_cache(100);
        struct other o = {.cache = c, .act = get_theirs, .arg = other};
        unsigned chunks = chunks_made();
        struct kind *k = NULL;

        ours.floor = theirs.floor = 0;
        if (_i != 0)
            fill_table(chunks, true);
        other_begin(&o, after);
        ck_assert_int_eq(kind_get(c, &ours, &k), BRIM_OK);
        met = other_end(&o);
        ck_assert_uint_eq(chunks_made(), chunks + (_i != 0));
        if (o.acted)
            ck_assert_uint_ne(kind_look_up(other, &theirs)->number, k->number);
        fill_table(chunks, false);
        finish(other);
        finish(c);
        if (_i != 0)
            unmake_chunk(chunks);
    }
}
END_TEST

static void claim_number(void *arg)
{
    struct kind *k = arg;
    struct kind_chunk *chunk = atom_load_acquire(&kind_table.chunk[0]);

    for (uint32_t j = 0; k->next == NULL && j < KIND_CHUNK; j++)
        if (atom_load_relaxed(&chunk->kind[j]) == NULL)
            atom_store_relaxed(&chunk->kind[j], &nobody); /* all that are free */
    k->next = k;
}

/* The number that it has seen free is another's by then. */
START_TEST(a_number_that_is_taken_first)
{
    bool met = true;

    for (unsigned after = 0; met; after++) {
        brim_cache *c = make_value_cache(100);
        struct kind mark = {.next = NULL}, *k = NULL;
        struct entry e = {.kind_flags = 0};

        atom_interfere(after, claim_number, &mark);
        ck_assert_int_eq(kind_get(c, &ours, &k), BRIM_OK);
        met = atom_has_interfered();
        e.kind_flags = k->number << 8;
        ck_assert_ptr_eq(kind_of(&e), k);
        fill_table(1, false);
        finish(c);
    }
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("kind");

    tcase_add_test(tc, one_record_for_each);
    tcase_add_test(tc, bad_kinds);
    tcase_add_test(tc, numbers_lead_back_and_are_used_again);
    tcase_add_test(tc, unused_after_the_last_value);
    tcase_add_test(tc, each_kind_has_a_slot_of_its_own_but_the_late);
    tcase_add_test(tc, threads_do_not_get_the_same_slot);
    tcase_add_test(tc, sums_of_all_parts);
    tcase_add_test(tc, without_memory_for_a_record);
    tcase_add_test(tc, all_threads_get_the_same);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, the_same_kind_that_comes_twice);
    tcase_add_loop_test(tc, kinds_that_come_at_once, 0, 2);
    tcase_add_loop_test(tc, numbers_that_are_claimed_at_once, 0, 2);
    tcase_add_test(tc, a_number_that_is_taken_first);
#endif
    return suite_run(tc);
}
