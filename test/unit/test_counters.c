/* SPDX-License-Identifier: MIT
 *
 * Counters that were set a little before their end, and go over it or stop there, under real operations.  Those with
 * tests of their own are where their file's tests are; docs/TESTING.md has the list.
 */
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/section.h"
#include "cache/wait.c" /* its records are its own */

#include "unit/caches.h"

enum { CAPACITY = 1000, KEY = 7 };

static heap h;
static brim_cache *c;

static void make(bool borrow)
{
    brim_options o = borrow ? borrow_options(CAPACITY) : value_options(CAPACITY);

    heap_init(&h);
    o.allocator = &h.allocator;
    o.protect_frame = true;
    o.shards = 2;
    c = make_cache(&o);
}

/* Inserts, finds, replaces, evicts, loads: and all is as it should be. */
static void work(void)
{
    brim_ref *r;
    maker m = {.id = 5, .cost = 5};

    for (uint64_t i = 0; i < 300; i++) {
        ck_assert_int_eq(put(c, 100 + i, i, 10), BRIM_OK);
        ck_assert_uint_eq(found_id(c, 100 + i), i);
        if (i % 3 == 0)
            ck_assert_int_eq(put(c, 100 + i, i + 1000, 5), BRIM_OK);
        ck_assert_uint_le(brim_used(c), CAPACITY);
        if (i % 50 == 0)
            (void)brim_next_frame(c);
    }
    ck_assert_int_eq(get(c, 1, &m, &r), BRIM_OK);
    brim_release(r);
    ck_assert(brim_remove(c, BRIM_KEY((uint64_t){1})));
    settle_cache(c);
    ck_assert(brim_check(c, stderr));
}

/* ---- Of an entry: 28 bits each; at the end the library panics, before it has given out one too many */

enum { LEFT = 40, CALLS = 5 }; /* how many may still be taken; and by how many calls in turn */

static brim_ref *held;
static brim_key *named;
static brim_slot slot;

static brim_ref *take_ref(unsigned how)
{
    uint64_t k = KEY;

    switch (how % CALLS) {
    case 0: return brim_find(c, BRIM_KEY(k));
    case 1: return brim_slot_find(&slot);
    case 2: return brim_ref_copy(held);
    case 3: return brim_key_find(named);
    default: return brim_ref_hold(brim_borrow(c, BRIM_KEY(k)));
    }
}

static brim_key *take_key(unsigned how)
{
    switch (how % 3) {
    case 0: return brim_key_copy(named);
    case 1: return brim_slot_load(&slot);
    default: return brim_ref_key(held);
    }
}

static void listen(const char *message, void *arg)
{
    _exit(strcmp(message, arg) == 0 ? 42 : 1);
}

/* One more, in a child, in each way: says so. */
static bool panics(unsigned how, bool keys)
{
    int status = 0;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        static char too_many_keys[] = "brim: too many keys on one entry";
        static char too_many_refs[] = "brim: too many refs on one entry";
        struct rlimit none = {0, 0};

        (void)setrlimit(RLIMIT_CORE, &none);
        brim_set_debug_hook(listen, keys ? too_many_keys : too_many_refs);
        if (keys)
            (void)take_key(how);
        else
            (void)take_ref(how);
        _exit(2);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 42;
}

static void name_one(void)
{
    make(true);
    ck_assert_int_eq(put_ref(c, KEY, KEY, 1, &held), BRIM_OK);
    named = brim_ref_key(held);
    brim_slot_init(&slot, brim_key_copy(named));
    begin_reading(c);
}

static void forget_it(void)
{
    brim_read_end(c);
    brim_slot_store(&slot, NULL);
    brim_key_drop(named);
    ck_assert_uint_eq(brim_pinned(c), 1);
    brim_release(held);
    ck_assert_uint_eq(brim_pinned(c), 0);
    ck_assert(has(c, KEY));
    work();
    finish_on(c, &h);
}

START_TEST(refs_of_an_entry)
{
    static brim_ref *refs[LEFT];
    uint64_t preset;

    name_one();
    preset = (ENTRY_COUNT_LIMIT - LEFT - 2) * STATE_REF; /* beside the link's and ours */
    (void)atom_add_relaxed(&entry_of_ref(held)->state, preset);
    for (unsigned i = 0; i < LEFT; i++) {
        refs[i] = take_ref(i);
        ck_assert_uint_eq(id_of(refs[i]), KEY);
    }
    for (unsigned how = 0; how < CALLS; how++)
        ck_assert(panics(how, false));
    ck_assert(brim_key_is_valid(named) && brim_pinned(c) == 1);
    for (unsigned i = 0; i < LEFT; i++)
        brim_release(refs[i]);
    (void)atom_sub_relaxed(&entry_of_ref(held)->state, preset);
    forget_it();
}
END_TEST

START_TEST(keys_of_an_entry)
{
    static brim_key *keys[LEFT];
    uint64_t preset;

    name_one();
    preset = (ENTRY_COUNT_LIMIT - LEFT - 2) * STATE_KEY; /* beside ours and the slot's */
    (void)atom_add_relaxed(&entry_of_ref(held)->state, preset);
    for (unsigned i = 0; i < LEFT; i++) {
        keys[i] = take_key(i);
        ck_assert(brim_key_equal(keys[i], named));
    }
    for (unsigned how = 0; how < 3; how++)
        ck_assert(panics(how, true));
    ck_assert(brim_key_is_valid(named));
    for (unsigned i = 0; i < LEFT; i++)
        brim_key_drop(keys[i]);
    (void)atom_sub_relaxed(&entry_of_ref(held)->state, preset);
    forget_it();
}
END_TEST

/* ---- Sections of one thread, one in the other: beyond 32 bits */

START_TEST(nested_sections)
{
    uint64_t preset = UINT64_C(0xfffffffe), k = KEY;
    struct stripe *st;

    make(true);
    ck_assert_int_eq(put(c, KEY, KEY, 1), BRIM_OK);
    begin_reading(c);
    st = section_of(c, thread_self());
    atom_store_relaxed(&st->nesting, atom_load_relaxed(&st->nesting) + preset);
    for (int i = 0; i < 4; i++)
        begin_reading(c);
    ck_assert(brim_remove(c, BRIM_KEY(k)));
    ck_assert_uint_eq(values_live(), 1); /* it waits for the outermost */
    for (int i = 0; i < 4; i++)
        brim_read_end(c);
    ck_assert_uint_eq(values_live(), 1);
    ck_assert_uint_eq(stats_of(c).sections, 1);
    atom_store_relaxed(&st->nesting, atom_load_relaxed(&st->nesting) - preset);
    brim_read_end(c);
    ck_assert_uint_eq(values_live(), 0);
    work();
    finish_on(c, &h);
}
END_TEST

/* ---- Epochs, 64 bits: where 32 end, and where signed ones do.  Where 64 end nobody comes. */

START_TEST(epochs)
{
    static const uint64_t ends[] = {UINT32_MAX - UINT64_C(5), INT64_MAX - UINT64_C(5)};
    uint64_t before = atom_load_relaxed(&epoch_process.now), passed = atom_load_relaxed(&epoch_process.passed);
    uint64_t k = KEY;
    uint64_t stamp;
    void *lent;

    make(true);
    atom_store_seq_cst(&epoch_process.now, ends[_i]);
    atom_store_seq_cst(&c->limbo.values.now, ends[_i]);
    for (int i = 0; i < 12; i++) {
        ck_assert_int_eq(put(c, KEY, KEY, 1), BRIM_OK);
        begin_reading(c);
        lent = brim_peek(c, BRIM_KEY(k));
        ck_assert(brim_remove(c, BRIM_KEY(k)) && value_alive(lent, KEY));
        ck_assert_int_eq(brim_drain(c, 0), BRIM_DEADLOCK);
        brim_read_refresh(c);
        ck_assert_uint_eq(values_live(), 0);
        brim_read_end(c);
        section_enter(thread_self());
        stamp = epoch_stamp(&epoch_process);
        ck_assert(!epoch_passed(&epoch_process, stamp));
        section_leave(thread_self());
        ck_assert(epoch_passed(&epoch_process, stamp));
    }
    ck_assert_uint_gt(atom_load_relaxed(&c->limbo.values.now), ends[_i] + 6);
    ck_assert_uint_gt(atom_load_relaxed(&epoch_process.now), ends[_i] + 6);
    work();
    finish_on(c, &h);
    atom_store_seq_cst(&epoch_process.passed, passed); /* nobody is in a section: for the tests that follow */
    atom_store_seq_cst(&epoch_process.now, before);
}
END_TEST

/* ---- What has come to wait for sections and what has gone, 64 bits each, which a drain compares */

static void do_begin(void *arg)
{
    begin_reading(arg);
}

static void do_end(void *arg)
{
    brim_read_end(arg);
}

START_TEST(what_has_waited)
{
    uint64_t k = KEY;
    worker reader;

    make(true);
    worker_start(&reader);
    c->limbo.pushed = c->limbo.taken = UINT64_MAX - 3;
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(put(c, KEY, KEY, 1), BRIM_OK);
        worker_do(&reader, do_begin, c);
        ck_assert(brim_remove(c, BRIM_KEY(k)));
        ck_assert_int_eq(brim_drain(c, 0), BRIM_TIMEOUT);
        worker_do(&reader, do_end, c);
        ck_assert_int_eq(brim_drain(c, 5000), BRIM_OK);
        ck_assert_uint_eq(values_live(), 0);
    }
    worker_end(&reader);
    ck_assert_uint_eq(c->limbo.taken, 6);
    finish_on(c, &h);
}
END_TEST

/* ---- A thread's counters in a cache, 64 bits: sums of all threads' are right modulo 2^64, and pins signed */

START_TEST(statistics)
{
    struct stripe *st;
    struct kind *k;
    brim_stats s;

    make(false);
    st = stripe_of(&c->stripes, thread_self());
    k = c->default_kind;
    atom_store_relaxed(&st->of[k->number % KIND_SLOTS].hits, UINT64_MAX - 1);
    atom_store_relaxed(&st->misses, UINT64_MAX);
    atom_store_relaxed(&k->counts[thread_self()->number % KIND_PARTS].insertions, UINT64_MAX);
    ck_assert_int_eq(put(c, KEY, KEY, 1), BRIM_OK);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(found_id(c, KEY), KEY);
    ck_assert_uint_eq(found_id(c, KEY + 1), MISS);
    s = stats_of(c);
    ck_assert_uint_eq(s.hits, 1);
    ck_assert_uint_eq(s.misses, 0);
    ck_assert_uint_eq(s.insertions, 0);
    work();
    finish_on(c, &h);
}
END_TEST

static void pin_here(unsigned id, void *arg)
{
    uint64_t k = KEY;
    brim_ref **r = arg;

    (void)id;
    *r = brim_find(c, BRIM_KEY(k));
}

/* Taken on one thread and released on another, for ever: each part runs away, and the sum does not. */
START_TEST(pins_and_ends_of_values)
{
    struct stripe *own, *other;
    unsigned slot_of;
    brim_ref *r = NULL;

    make(false);
    own = stripe_of(&c->stripes, thread_self());
    other = own + (thread_self()->number == 1 ? 1 : -1);
    slot_of = c->default_kind->number % KIND_SLOTS;
    ck_assert_int_eq(put(c, KEY, KEY, 10), BRIM_OK);
    (void)atom_add_relaxed(&own->of[slot_of].pinned, (uint64_t)INT64_MIN + 5);
    (void)atom_sub_relaxed(&other->of[slot_of].pinned, (uint64_t)INT64_MIN + 5);
    (void)atom_add_relaxed(&own->dying, UINT64_MAX);
    (void)atom_add_relaxed(&own->destroyed, UINT64_MAX);
    crew_do(1, pin_here, &r);
    ck_assert_uint_eq(brim_pinned(c), 10);
    brim_release(r);
    ck_assert_uint_eq(brim_pinned(c), 0);
    work();
    ck_assert_int_eq(brim_drain(c, 5000), BRIM_OK);
    finish_on(c, &h);
}
END_TEST

/* ---- A tally's parts, 64 bits, signed */

START_TEST(values_and_their_charge)
{
    struct tally *y;

    make(false);
    y = &c->default_kind->values;
    for (int i = 0; i < 2; i++) {
        struct tally *each = i == 0 ? y : &c->live;
        (void)atom_add_relaxed(&each->part[thread_self()->number].n, (uint64_t)INT64_MAX);
        (void)atom_sub_relaxed(&each->part[0].n, (uint64_t)INT64_MAX);
        (void)atom_add_relaxed(&each->part[thread_self()->number].amount, (uint64_t)INT64_MAX - 10);
        (void)atom_sub_relaxed(&each->part[0].amount, (uint64_t)INT64_MAX - 10);
    }
    ck_assert_int_eq(put(c, KEY, KEY, 20), BRIM_OK);
    ck_assert_uint_eq(brim_used(c), 20);
    ck_assert_uint_eq(stats_of(c).values, 1);
    work();
    finish_on(c, &h);
}
END_TEST

/* ---- A group's generation: 63 bits, which only differ.  And the cache's own counts of invalidations, likewise. */

START_TEST(generations)
{
    brim_entry_options e = entry_defaults();
    struct group_state *state;
    uint64_t k = KEY;
    brim_load *l;

    make(false);
    e.group = brim_group_new(c);
    state = (struct group_state *)(void *)e.group;
    atom_store_relaxed(&state->generation, UINT64_MAX - 5); /* even */
    atom_store_relaxed(&c->common.invalidations, UINT64_MAX - 2);
    for (unsigned i = 0; i < c->shard_count; i++)
        atom_store_relaxed(&c->shards[i].clean_of, UINT64_MAX - 2);
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(k), value_new(KEY, 1), 1, &e, NULL), BRIM_OK);
        l = claim_entry(c, 1, &e);
        ck_assert(has(c, KEY) && brim_load_is_wanted(l) && brim_group_loads(e.group) == 1);
        brim_group_invalidate(e.group);
        ck_assert(!has(c, KEY) && !brim_load_is_wanted(l));
        ck_assert_int_eq(finish_load(l, 1, 1, NULL), BRIM_CANCELED);
        ck_assert_int_eq(put(c, 500, 500, 1), BRIM_OK);
        (void)brim_trim(c, CAPACITY); /* swept */
        ck_assert_uint_eq(stats_of(c).values, 1);
    }
    ck_assert_uint_lt(atom_load_relaxed(&state->generation), 10); /* it went over */
    brim_group_close(e.group);
    ck_assert_int_eq(claim_status(c, 2, 0), BRIM_CLAIMED); /* of no group */
    brim_group_drop(e.group);
    work();
    finish_on(c, &h);
}
END_TEST

/* ---- Frames: 64 bits to the user */

START_TEST(frames)
{
    make(false);
    atom_store_relaxed(&c->frame, UINT64_MAX - 2);
    for (int i = 0; i < 5; i++) {
        (void)brim_next_frame(c);
        for (uint64_t k = 0; k < 150; k++) {
            ck_assert_int_eq(put(c, k, k, 10), BRIM_OK);
            ck_assert_uint_eq(found_id(c, k), k);
        }
        ck_assert_uint_le(brim_used(c), CAPACITY);
    }
    ck_assert_uint_eq(brim_frame(c), 2);
    work();
    finish_on(c, &h);
}
END_TEST

/* ---- What a frame has inserted, 32 bits: it stays at its end, for more there cannot be */

START_TEST(inserted_in_a_frame)
{
    make(false);
    ck_assert_int_eq(put(c, 1, 1, 1), BRIM_OK);
    ck_assert_int_eq(put(c, 2, 2, 1), BRIM_OK);
    for (unsigned i = 0; i < c->shard_count; i++) {
        c->shards[i].fresh_frame = 0;
        c->shards[i].fresh = UINT32_MAX - 3;
    }
    for (uint64_t k = 10; k < 90; k++)
        ck_assert_int_eq(put(c, k, k, 1), BRIM_OK);
    for (unsigned i = 0; i < c->shard_count; i++)
        ck_assert_uint_eq(c->shards[i].fresh, UINT32_MAX);
    work();
    finish_on(c, &h);
}
END_TEST

/* ---- Threads' numbers, 32 bits: those beyond the last stripe share the first */

static void work_as_another(unsigned id, void *arg)
{
    struct thread *self = thread_self();
    unsigned number = self->number;

    (void)id;
    self->number = *(const unsigned *)arg;
    for (uint64_t i = 0; i < 100; i++) {
        EXPECT(put(c, i, i, 10) == BRIM_OK);
        EXPECT(found_id(c, i) == i);
    }
    EXPECT(brim_read_begin(c) == BRIM_NOMEM);
    EXPECT(brim_pinned(c) == 0 && brim_used(c) <= CAPACITY);
    self->number = number;
}

START_TEST(numbers_of_threads)
{
    unsigned numbers[] = {UINT32_MAX, UINT32_MAX - 1, 1u << 31, 8 * ((1u << 24) - 1)};

    make(true);
    crew_do(1, work_as_another, &numbers[_i]);
    work();
    finish_on(c, &h);
}
END_TEST

/* ---- Kinds' numbers, 24 bits of a table of the process: where all are taken a new kind gets NOMEM */

START_TEST(numbers_of_kinds)
{
    static const brim_kind fresh = {.size = sizeof(brim_kind), .destroy = value_destroy};
    static struct kind_chunk *were[KIND_CHUNKS], full;
    static struct kind someone;
    brim_entry_options e = entry_defaults();
    value *v = value_new(1, 1);
    brim_cache *another;

    make(false);
    e.kind = &fresh;
    for (unsigned i = 0; i < KIND_CHUNK; i++)
        atom_store_relaxed(&full.kind[i], &someone);
    for (unsigned i = 0; i < KIND_CHUNKS; i++) {
        were[i] = atom_load_relaxed(&kind_table.chunk[i]);
        if (i > 0)
            atom_store_relaxed(&kind_table.chunk[i], &full);
    }
    for (unsigned i = 0; i < KIND_CHUNK; i++)
        if (atom_load_relaxed(&were[0]->kind[i]) == NULL)
            atom_store_relaxed(&were[0]->kind[i], &someone);
    ck_assert_int_eq(brim_insert_with(c, "k", 1, v, 1, &e, NULL), BRIM_NOMEM);
    ck_assert(value_alive(v, 1));
    ck_assert_int_eq(brim_kind_set_limits(c, &fresh, 1, 2), BRIM_NOMEM);
    ck_assert_int_eq(brim_cache_new(NULL, &another), BRIM_NOMEM);
    work();
    for (unsigned i = 1; i < KIND_CHUNKS; i++)
        atom_store_relaxed(&kind_table.chunk[i], were[i]);
    for (unsigned i = 0; i < KIND_CHUNK; i++)
        if (atom_load_relaxed(&were[0]->kind[i]) == &someone)
            atom_store_relaxed(&were[0]->kind[i], NULL);
    ck_assert_int_eq(brim_insert_with(c, "k", 1, v, 1, &e, NULL), BRIM_OK);
    finish_on(c, &h);
}
END_TEST

/* ---- Handles of waits: 40 bits of a record's uses.  A record that has had them all is not used again. */

START_TEST(handles_of_waits)
{
    enum { BEFORE_THE_END = 3, N = 10 };
    struct wait *record;
    brim_wait *handles[N];
    brim_load *l;
    told t[N];

    make(false);
    l = claim(c, KEY);
    ck_assert(brim_wait_cancel(wait_for(c, KEY, &t[0]))); /* there is a free one */
    record = unused;
    record->uses = (UINT64_C(1) << USE_BITS) - BEFORE_THE_END;
    for (int i = 0; i < N; i++) {
        handles[i] = wait_for(c, KEY, &t[i]);
        ck_assert_ptr_nonnull(handles[i]);
        ck_assert(record->busy == (i < BEFORE_THE_END));
        for (int j = 0; j < i; j++) {
            ck_assert_ptr_ne(handles[j], handles[i]);
            ck_assert(!brim_wait_cancel(handles[j])); /* canceled long ago: touches nobody's */
        }
        told_nothing(&t[i]);
        if (i < N - 1)
            ck_assert(brim_wait_cancel(handles[i]));
    }
    brim_load_fail(l, 3);
    told_failed(&t[N - 1], 3);
    for (int i = 0; i < N; i++)
        ck_assert(!brim_wait_cancel(handles[i]));
    ck_assert(!record->busy);
    no_loads(c, 0);
    finish_on(c, &h);
}
END_TEST

/* Records: 24 bits. */
START_TEST(records_of_waits)
{
    struct wait *free_ones = unused;
    uint32_t there_are = chunks;
    brim_ref *r;
    brim_load *l, *none;
    told t = {0};

    make(false);
    l = claim(c, KEY);
    unused = NULL;
    chunks = CHUNKS;
    ck_assert_int_eq(brim_claim_async(c, BRIM_KEY((uint64_t){KEY}), NULL, tell, &t, &r, &none, NULL), BRIM_NOMEM);
    chunks = there_are;
    unused = free_ones;
    (void)wait_for(c, KEY, &t);
    brim_load_fail(l, 3);
    told_failed(&t, 3);
    finish_on(c, &h);
}
END_TEST

/* ---- How often a thread has waited for loads, 64 bits */

static void wait_here(unsigned id, void *arg)
{
    (void)id, (void)arg;
    atom_store_seq_cst(&thread_self()->waits, UINT64_MAX);
    for (int i = 0; i < 3; i++)
        EXPECT(claim_status(c, KEY, 1) == BRIM_TIMEOUT);
    EXPECT(atom_load_relaxed(&thread_self()->waits) == 2);
}

START_TEST(waits_of_a_thread)
{
    brim_load *l;

    make(false);
    l = claim(c, KEY);
    crew_do(1, wait_here, NULL);
    brim_load_fail(l, 3);
    work();
    finish_on(c, &h);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("counters");

    tcase_add_test(tc, refs_of_an_entry);
    tcase_add_test(tc, keys_of_an_entry);
    tcase_add_test(tc, nested_sections);
    tcase_add_loop_test(tc, epochs, 0, 2);
    tcase_add_test(tc, what_has_waited);
    tcase_add_test(tc, statistics);
    tcase_add_test(tc, pins_and_ends_of_values);
    tcase_add_test(tc, values_and_their_charge);
    tcase_add_test(tc, generations);
    tcase_add_test(tc, frames);
    tcase_add_test(tc, inserted_in_a_frame);
    tcase_add_loop_test(tc, numbers_of_threads, 0, 4);
    tcase_add_test(tc, numbers_of_kinds);
    tcase_add_test(tc, handles_of_waits);
    tcase_add_test(tc, records_of_waits);
    tcase_add_test(tc, waits_of_a_thread);
    return suite_run(tc);
}
