/* SPDX-License-Identifier: MIT
 *
 * cache/kind: a record and a number for each kind of each cache; `unused' after its last value.
 */
#include <dlfcn.h>
#include <errno.h>

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

START_TEST(limits_and_queues_are_noted)
{
    brim_cache *c = make_value_cache(100);
    brim_kind none = value_kind, floor = value_kind, ceiling = value_kind, queued = value_kind;
    struct kind *k;

    ck_assert_int_eq(kind_get(c, &none, &k), BRIM_OK);
    ck_assert(!limit_counts(&k->limit));
    ck_assert_uint_eq(atom_load_relaxed(&c->common.limits), 0);
    ck_assert_uint_eq(atom_load_relaxed(&c->common.queues), 0);
    floor.floor = 1;
    ck_assert_int_eq(kind_get(c, &floor, &k), BRIM_OK);
    ck_assert(limit_counts(&k->limit));
    ceiling.ceiling = 1;
    ck_assert_int_eq(kind_get(c, &ceiling, &k), BRIM_OK);
    ck_assert(limit_counts(&k->limit));
    queued.queue = brim_queue_new();
    ck_assert_int_eq(kind_get(c, &queued, &k), BRIM_OK);
    ck_assert(k->limit.queued);
    ck_assert_uint_eq(atom_load_relaxed(&c->common.queues), 1);
    brim_queue_drop(queued.queue);
    finish(c);
}
END_TEST

/* Values that need no destruction. */
START_TEST(without_a_kind)
{
    brim_options o = value_options(100);
    uint64_t name = 1;
    brim_cache *c;

    o.kind = NULL;
    c = make_cache(&o);
    ck_assert_ptr_null(c->default_kind->user);
    ck_assert_int_eq(brim_insert(c, BRIM_KEY(name), &name, 5, NULL), BRIM_OK);
    ck_assert_uint_eq(kind_used(c->default_kind), 5);
    finish(c);
}
END_TEST

/* As its own kind is refused. */
START_TEST(a_cache_that_has_met_none)
{
    brim_options o = value_options(100);
    brim_kind own = value_kind;
    brim_cache *c;

    own.floor = 101;
    o.kind = &own;
    ck_assert_int_eq(brim_cache_new(&o, &c), BRIM_INVALID);
}
END_TEST

START_TEST(what_waits_of_a_kind)
{
    brim_cache *c = make_borrow_cache(100), *plain = make_value_cache(100);

    ck_assert_int_eq(put(c, 1, 1, 5), BRIM_OK);
    begin_reading(c);
    ck_assert_uint_eq(kind_waiting(c->default_kind), 0);
    ck_assert(brim_remove(c, BRIM_KEY((uint64_t){1})));
    ck_assert_uint_eq(kind_waiting(c->default_kind), 5);
    brim_read_end(c);
    lock_acquire(&plain->limbo.lock); /* without borrow it is not looked at */
    ck_assert_uint_eq(kind_waiting(plain->default_kind), 0);
    lock_release(&plain->limbo.lock);
    finish(c);
    finish(plain);
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

/* Of kinds that have no values, at once; also if a load holds one that is closed. */
START_TEST(unused_when_the_cache_is_freed)
{
    struct thread *t = thread_self();
    brim_cache *c = make_value_cache(100);
    brim_entry_options o = entry_defaults();
    brim_kind user[3] = {value_kind, value_kind, value_kind};
    struct kind *k[3];
    brim_ref *r;

    atomic_store(&unused_calls, 0);
    for (int i = 0; i < 3; i++) {
        user[i].unused = count_unused;
        ck_assert_int_eq(kind_get(c, &user[i], &k[i]), BRIM_OK);
    }
    o.kind = &user[1];
    ck_assert_int_eq(brim_insert_with(c, "a", 1, value_new(1, 5), 5, &o, &r), BRIM_OK);
    ck_assert(kind_hold(k[0], t));
    ck_assert_uint_eq(atom_load_relaxed(&k[0]->held), 1);
    ck_assert_uint_eq(atom_load_relaxed(&k[0]->closed), 0);
    kind_let_go(k[0], t);
    ck_assert_uint_eq(atom_load_relaxed(&k[0]->held), 0);
    ck_assert_uint_eq(atomic_load(&unused_calls), 0);
    brim_cache_free(c);
    ck_assert_uint_eq(atomic_load(&unused_calls), 2);
    ck_assert(!kind_hold(k[0], t)); /* it has been told */
    ck_assert_uint_eq(atom_load_relaxed(&k[0]->held), 0);
    ck_assert(kind_hold(k[1], t));
    kind_let_go(k[1], t);
    ck_assert_uint_eq(atomic_load(&unused_calls), 2);
    brim_release(r);
    ck_assert_uint_eq(atomic_load(&unused_calls), 3);
}
END_TEST

/* All were closed before it came. */
START_TEST(held_too_late_to_be_closed)
{
    brim_cache *c = make_value_cache(100);
    brim_kind user = value_kind;
    struct kind *k;

    user.unused = count_unused;
    atomic_store(&unused_calls, 0);
    atom_store_relaxed(&c->kinds_closed, 1);
    ck_assert_int_eq(kind_get(c, &user, &k), BRIM_OK);
    ck_assert(kind_hold(k, thread_self()));
    ck_assert_uint_eq(atomic_load(&unused_calls), 0);
    kind_let_go(k, thread_self());
    ck_assert_uint_eq(atomic_load(&unused_calls), 1);
    atom_store_relaxed(&c->kinds_closed, 0);
    finish(c);
    ck_assert_uint_eq(atomic_load(&unused_calls), 1);
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
static void number_all(brim_cache *c, brim_kind *user, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct entry e = {.kind_flags = 0};
        struct kind *k;

        ck_assert_int_eq(kind_get(c, &user[i], &k), BRIM_OK);
        e.kind_flags = k->number << 8;
        ck_assert_ptr_eq(kind_of(&e), k);
        ck_assert_uint_lt(k->number, KIND_CHUNK);
    }
}

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

/* ${_i}: with a floor that does not fit twice; one of the late, of which there are several in a slot. */
START_TEST(the_same_kind_that_comes_twice)
{
    static brim_kind before[KIND_SLOTS];
    unsigned others = _i == 0 ? 0 : KIND_SLOTS;
    bool met = true;

    ours.floor = _i == 0 ? 60 : 0;
    for (unsigned after = 0; met; after++) {
        brim_cache *c = make_value_cache(100);
        struct other o = {.cache = c, .act = get_ours, .arg = c};
        struct kind *k = NULL;

        number_all(c, before, others);
        other_begin(&o, after);
        ck_assert_int_eq(kind_get(c, &ours, &k), BRIM_OK);
        met = other_end(&o);
        ck_assert_ptr_eq(kind_look_up(c, &ours), k);
        check_slots(c, others + 2);
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

/* In place of the C library's: there may be no memory for a chunk.  Not beside a sanitizer, which has its own. */
static bool refuse_chunks;

int posix_memalign(void **p, size_t align, size_t n)
{
    if (refuse_chunks && n == sizeof(struct kind_chunk))
        return ENOMEM;
    return ((int (*)(void **, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign"))(p, align, n);
}

/* Also all numbers of one slot, of which each chunk has several, before another is made: it needs no memory. */
START_TEST(a_chunk_is_used_up_first)
{
    static brim_kind user[KIND_SLOTS - 2 + KIND_CHUNK / KIND_SLOTS];
    brim_cache *c = make_value_cache(100);

    refuse_chunks = true;
    number_all(c, user, sizeof user / sizeof user[0]);
    refuse_chunks = false;
    finish(c);
}
END_TEST

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
        struct entry e = {.kind_flags = 0};
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
        e.kind_flags = k->number << 8;
        ck_assert_ptr_eq(kind_of(&e), k);
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

    for (uint32_t j = 0; k->next == NULL && j < KIND_CHUNK / 2; j++)
        if (atom_load_relaxed(&chunk->kind[j]) == NULL)
            atom_store_relaxed(&chunk->kind[j], &nobody); /* all that are free, of the first half */
    k->next = k;
}

/* The number that it has seen free is another's by then: it takes the next one, of the same chunk. */
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
        ck_assert_uint_lt(k->number, KIND_CHUNK);
        fill_table(1, false);
        finish(c);
    }
}
END_TEST

/* ${_i}: there is no memory for another chunk; there are no more chunks. */
START_TEST(no_number_is_left)
{
    static struct kind_chunk *were[KIND_CHUNKS];
    struct kind *k;
    brim_cache *c;
    heap h;

    c = cache_on(&h, 100);
    fill_table(chunks_made(), true);
    for (unsigned at = 1; at < KIND_CHUNKS; at++) {
        were[at] = atom_load_relaxed(&kind_table.chunk[at]);
        if (_i == 1)
            atom_store_relaxed(&kind_table.chunk[at], atom_load_relaxed(&kind_table.chunk[0]));
    }
    refuse_chunks = _i == 0;
    ck_assert_int_eq(kind_get(c, &ours, &k), BRIM_NOMEM);
    ck_assert_ptr_null(k);
    refuse_chunks = false;
    for (unsigned at = 1; at < KIND_CHUNKS; at++)
        atom_store_relaxed(&kind_table.chunk[at], were[at]);
    fill_table(chunks_made(), false);
    ck_assert_int_eq(kind_get(c, &ours, &k), BRIM_OK);
    finish_on(c, &h);
}
END_TEST

static void remove_first(void *c)
{
    EXPECT(brim_remove(c, BRIM_KEY((uint64_t){1})));
}

static void put_second(void *c)
{
    EXPECT(put(c, 2, 2, 50) == BRIM_OK);
}

static void remove_here_put_there(void *arg)
{
    struct other *o = arg;

    remove_first(o->cache);
    worker_do(&o->by, put_second, o->cache);
}

static void remove_there_put_here(void *arg)
{
    struct other *o = arg;

    worker_do(&o->by, remove_first, o->cache);
    put_second(o->cache);
}

/* Nobody sees both of two values of which the ceiling allows one. */
START_TEST(used_while_one_goes_and_another_comes)
{
    bool met = true;

    for (unsigned after = 0; met; after++) {
        brim_cache *c = make_value_cache(100);
        struct other o = {.cache = c};
        size_t used;

        ck_assert_int_eq(brim_kind_set_limits(c, &value_kind, 0, 60), BRIM_OK);
        ck_assert_int_eq(put(c, 1, 1, 50), BRIM_OK);
        worker_start(&o.by);
        atom_interfere(after, _i == 0 ? remove_here_put_there : remove_there_put_here, &o);
        used = kind_used(c->default_kind);
        met = atom_has_interfered();
        worker_end(&o.by);
        ck_assert_uint_le(used, 60);
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
    tcase_add_test(tc, limits_and_queues_are_noted);
    tcase_add_test(tc, without_a_kind);
    tcase_add_test(tc, a_cache_that_has_met_none);
    tcase_add_test(tc, what_waits_of_a_kind);
    tcase_add_test(tc, numbers_lead_back_and_are_used_again);
    tcase_add_test(tc, unused_after_the_last_value);
    tcase_add_test(tc, unused_when_the_cache_is_freed);
    tcase_add_test(tc, held_too_late_to_be_closed);
    tcase_add_test(tc, each_kind_has_a_slot_of_its_own_but_the_late);
    tcase_add_test(tc, threads_do_not_get_the_same_slot);
    tcase_add_test(tc, sums_of_all_parts);
    tcase_add_test(tc, without_memory_for_a_record);
    tcase_add_test(tc, all_threads_get_the_same);
#ifdef BRIM_INTERFERE
    tcase_add_loop_test(tc, the_same_kind_that_comes_twice, 0, 2);
    tcase_add_loop_test(tc, kinds_that_come_at_once, 0, 2);
    tcase_add_test(tc, a_chunk_is_used_up_first);
    tcase_add_loop_test(tc, numbers_that_are_claimed_at_once, 0, 2);
    tcase_add_test(tc, a_number_that_is_taken_first);
    tcase_add_loop_test(tc, no_number_is_left, 0, 2);
    tcase_add_loop_test(tc, used_while_one_goes_and_another_comes, 0, 2);
#endif
    return suite_run(tc);
}
