/* SPDX-License-Identifier: MIT
 *
 * cache/section: nesting, refreshing, no memory, threads that end, and who ends a cache that was freed.
 */
#include "cache/section.h"

#include <sched.h>

#include "brim_debug.h"
#include "unit/caches.h"

static brim_cache *c;
static struct thread *t;
static struct stripe *own; /* stripe */
static unsigned gone;

static void on_gone(void *arg)
{
    (void)arg;
    gone++;
}

static void make_with(brim_options o)
{
    o.gone = on_gone;
    gone = 0;
    c = make_cache(&o);
    t = thread_self();
    own = stripe_of(&c->stripes, t);
    ck_assert(!own->shared);
}

static void make(void)
{
    make_with(borrow_options(1000));
}

static uint64_t epoch_at(const struct stripe *st)
{
    return atom_load_relaxed(&((struct stripe *)(uintptr_t)st)->section.epoch);
}

static void expect_open(unsigned nesting)
{
    ck_assert_uint_eq(atom_load_relaxed(&own->nesting), nesting);
    ck_assert_int_eq(epoch_at(own) != 0, nesting > 0);
    ck_assert_uint_eq(t->borrowing, nesting > 0);
    ck_assert_ptr_eq(section_stripe(c, t), nesting > 0 ? own : NULL);
    ck_assert_uint_eq(stats_of(c).sections, nesting > 0);
}

static void expect_waiting(size_t values)
{
    ck_assert_uint_eq(stats_of(c).waiting_values, values);
}

/* The cache's own count and its sections', and nothing that was counted and not given back. */
static void expect_quiet(void)
{
    expect_waiting(0);
    ck_assert_uint_eq(tally_count(&c->live), 2);
    ck_assert_uint_eq(atom_load_relaxed(&c->sections_over), 0);
}

static void put_and_remove(uint64_t key)
{
    ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    ck_assert(brim_remove(c, BRIM_KEY(key)));
}

START_TEST(nested_ones_are_one)
{
    uint64_t epoch;

    make();
    expect_open(0);
    begin_reading(c);
    expect_open(1);
    epoch = epoch_at(own);
    put_and_remove(1);
    begin_reading(c);
    expect_open(2);
    ck_assert_uint_eq(epoch_at(own), epoch);
    ck_assert_uint_gt(atom_load_relaxed(&c->limbo.values.now), epoch);
    brim_read_end(c);
    expect_open(1);
    ck_assert_uint_eq(epoch_at(own), epoch);
    expect_waiting(1);
    brim_read_end(c);
    expect_open(0);
    expect_quiet();
    ck_assert_uint_eq(values_live(), 0);
    brim_read_end(c);
    expect_open(0);
    finish(c);
}
END_TEST

#ifndef NDEBUG
static unsigned misuses;

static void hear(const char *message, void *arg)
{
    (void)message, (void)arg;
    misuses++;
}

START_TEST(outside_of_any)
{
    brim_cache *plain = make_value_cache(10);

    make();
    brim_set_debug_hook(hear, NULL);
    ck_assert_int_eq(brim_read_begin(NULL), BRIM_INVALID);
    ck_assert_int_eq(brim_read_begin(plain), BRIM_UNSUPPORTED);
    ck_assert_uint_eq(misuses, 0);
    brim_read_end(NULL);
    ck_assert_uint_eq(misuses, 1);
    brim_read_refresh(plain);
    ck_assert_uint_eq(misuses, 2);
    brim_read_end(c);
    ck_assert_uint_eq(misuses, 3);
    begin_reading(c);
    brim_read_refresh(c);
    brim_read_end(c);
    ck_assert_uint_eq(misuses, 3);
    brim_set_debug_hook(NULL, NULL);
    finish(plain);
    finish(c);
}
END_TEST
#endif

START_TEST(a_refresh_enters_anew)
{
    uint64_t epoch;

    make();
    begin_reading(c);
    epoch = epoch_at(own);
    brim_read_refresh(c);
    ck_assert_uint_eq(epoch_at(own), epoch); /* nothing has left */
    put_and_remove(1);
    begin_reading(c);
    brim_read_refresh(c);
    ck_assert_uint_eq(epoch_at(own), epoch); /* nested: nothing */
    expect_waiting(1);
    brim_read_end(c);
    brim_read_refresh(c);
    ck_assert_uint_gt(epoch_at(own), epoch);
    expect_open(1);
    expect_waiting(0);
    ck_assert_uint_eq(values_live(), 0);
    brim_read_end(c);
    brim_read_refresh(c);
    expect_open(0);
    finish(c);
}
END_TEST

/* ---- Without memory for a stripe of its own, as the shared number stands for */

START_TEST(none_at_the_shared_stripe)
{
    struct stripe *shared;
    unsigned number;
    uint64_t key = 1;

    make();
    shared = atom_load_acquire(&c->stripes.chunk[0]);
    number = t->number;
    ck_assert_int_eq(put(c, key, 1, 1), BRIM_OK);
    t->number = 0;
    ck_assert_int_eq(brim_read_begin(c), BRIM_NOMEM);
    ck_assert_ptr_null(section_stripe(c, t));
    ck_assert_ptr_null(brim_peek(c, BRIM_KEY(key)));
    brim_read_refresh(c);
    brim_read_end(c);
    ck_assert_uint_eq(epoch_at(shared), 0);
    ck_assert_uint_eq(atom_load_relaxed(&shared->nesting), 0);
    t->number = number;
    expect_open(0);
    begin_reading(c);
    ck_assert(value_alive(brim_peek(c, BRIM_KEY(key)), 1));
    brim_read_end(c);
    finish(c);
}
END_TEST

/* ---- The cache's end */

START_TEST(a_section_outlives_its_cache)
{
    uint64_t key = 1;
    value *v;

    make();
    ck_assert_int_eq(put(c, key, 7, 1), BRIM_OK);
    begin_reading(c);
    begin_reading(c);
    v = brim_peek(c, BRIM_KEY(key));
    brim_cache_free(c);
    ck_assert_uint_eq(atom_load_relaxed(&c->freed), 1);
    ck_assert_uint_eq(atom_load_relaxed(&c->sections_over), 0);
    ck_assert_int_eq(brim_read_begin(c), BRIM_INVALID);
    ck_assert_uint_eq(atom_load_relaxed(&own->nesting), 2);
    brim_read_end(c);
    ck_assert(value_alive(v, 7));
    ck_assert_uint_eq(gone, 0);
    if (_i == 1) {
        brim_read_refresh(c); /* lets go of the value, and the cache stays */
        ck_assert_uint_eq(values_live(), 0);
        ck_assert_uint_eq(atom_load_relaxed(&c->sections_over), 0);
        ck_assert_uint_eq(gone, 0);
    }
    brim_read_end(c);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(gone, 1);
    ck_assert_uint_eq(t->borrowing, 0);
}
END_TEST

static void begin_here(void *arg)
{
    begin_reading(arg);
}

static void end_here(void *arg)
{
    brim_read_end(arg);
}

/* Whoever ends last; a key keeps the memory, so that we can look. */
START_TEST(the_last_section_ends_the_cache)
{
    brim_key *key;
    worker w;

    make();
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(7, 1), 1, NULL, &key, NULL), BRIM_OK);
    if (_i > 0)
        begin_reading(c);
    worker_start(&w);
    if (_i > 1)
        worker_do(&w, begin_here, c);
    brim_cache_free(c);
    ck_assert_uint_eq(atom_load_relaxed(&c->sections_over), _i == 0);
    ck_assert_uint_eq(values_live(), _i > 0);
    if (_i == 3)
        worker_do(&w, end_here, c);
    if (_i > 0)
        brim_read_end(c);
    ck_assert_uint_eq(atom_load_relaxed(&c->sections_over), _i != 2);
    ck_assert_uint_eq(values_live(), _i == 2);
    if (_i == 2)
        worker_do(&w, end_here, c);
    worker_end(&w);
    ck_assert_uint_eq(atom_load_relaxed(&c->sections_over), 1);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(gone, 0);
    ck_assert_uint_eq(atom_load_relaxed(&c->live.total), 1); /* the key's entry */
    brim_key_drop(key);
    ck_assert_uint_eq(gone, 1);
}
END_TEST

/* ---- Threads that end */

static struct {
    brim_cache *cache[2];
    struct stripe *stripe[2];
} left_open;

static void begin_in_both(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        begin_reading(left_open.cache[i]);
        begin_reading(left_open.cache[i]);
        left_open.stripe[i] = section_stripe(left_open.cache[i], thread_self());
    }
    EXPECT(thread_self()->borrowing == 2);
}

START_TEST(a_thread_that_ends_ends_its_sections)
{
    worker w;

    make();
    left_open.cache[0] = c;
    left_open.cache[1] = make_borrow_cache(100);
    worker_start(&w);
    worker_do(&w, begin_in_both, NULL);
    begin_reading(c);
    put_and_remove(1);
    ck_assert_int_eq(put(left_open.cache[1], 2, 2, 1), BRIM_OK);
    brim_clear(left_open.cache[1]);
    ck_assert_uint_eq(values_live(), 2);
    worker_end(&w);
    ck_assert_uint_eq(values_live(), 1); /* our own section goes on */
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(atom_load_relaxed(&left_open.stripe[i]->nesting), 0);
        ck_assert_uint_eq(epoch_at(left_open.stripe[i]), 0);
    }
    expect_open(1);
    brim_read_end(c);
    ck_assert_uint_eq(values_live(), 0);
    brim_cache_free(left_open.cache[1]);
    finish(c);
}
END_TEST

static void read_and_end(void *arg)
{
    (void)arg;
    begin_reading(c);
}

/* A thread that ends looks for its sections among all caches, also such as have none. */
START_TEST(a_thread_that_ends_beside_other_caches)
{
    brim_cache *other = NULL;
    worker w;

    make();
    other = make_value_cache(100); /* the latest: found first */
    worker_start(&w);
    worker_do(&w, read_and_end, NULL);
    put_and_remove(1);
    expect_waiting(1);
    worker_end(&w);
    expect_waiting(0);
    ck_assert_uint_eq(values_live(), 0);
    brim_cache_free(other);
    finish(c);
}
END_TEST

#ifdef BRIM_INTERFERE
static void read_end(void *arg)
{
    (void)arg;
    brim_read_end(c);
}

/* The cache was freed, and its last two sections end at once: one of them ends it. */
START_TEST(ended_by_one_of_two)
{
    bool met = true;

    for (unsigned after = 0; met; after++) {
        struct other o = {.act = read_end};
        brim_key *key;
        brim_ref *r;

        make();
        ck_assert_int_eq(put_ref(c, 1, 1, 1, &r), BRIM_OK);
        key = brim_ref_key(r); /* keeps it for us to look at */
        brim_release(r);
        o.cache = c;
        worker_start(&o.by);
        worker_do(&o.by, read_and_end, NULL);
        begin_reading(c);
        brim_cache_free(c);
        ck_assert_uint_eq(atom_load_relaxed(&c->sections_over), 0);
        o.acted = false;
        atom_interfere(after, other_acts, &o);
        brim_read_end(c);
        met = atom_has_interfered();
        if (!o.acted)
            worker_do(&o.by, read_end, NULL);
        ck_assert_uint_eq(atom_load_relaxed(&c->sections_over), 1);
        ck_assert_uint_eq(values_live(), 0);
        ck_assert_uint_eq(gone, 0);
        ck_assert_uint_eq(atom_load_relaxed(&c->live.total), 1); /* the key's entry */
        brim_key_drop(key);
        ck_assert_uint_eq(gone, 1);
        worker_end(&o.by);
    }
}
END_TEST

static void remove_it(void *arg)
{
    (void)arg;
    EXPECT(brim_remove(c, BRIM_KEY((uint64_t){1})));
}

/* What leaves while the section ends waits for it, and for nothing else: one of the two threads ends it (edge last). */
START_TEST(what_leaves_as_it_ends)
{
    bool met = true;

    for (unsigned after = 0; met; after++) {
        struct other o = {.act = remove_it};

        make();
        o.cache = c;
        ck_assert_int_eq(put(c, 1, 1, 1), BRIM_OK);
        begin_reading(c);
        other_begin(&o, after);
        brim_read_end(c);
        met = other_end(&o);
        if (!o.acted)
            remove_it(NULL);
        ck_assert_uint_eq(values_live(), 0);
        expect_quiet();
        finish(c);
        ck_assert_uint_eq(gone, 1);
    }
}
END_TEST

/* Memory that is freed and stays, so that we can look. */
static void *alloc_to_keep(size_t n, size_t align, void *arg)
{
    (void)arg;
    return aligned_alloc(align, (n + align - 1) / align * align);
}

static void keep(void *p, size_t n, size_t align, void *arg)
{
    (void)p, (void)n, (void)align, (void)arg;
}

static struct { struct other frees; worker ends; unsigned then; bool begun; atomic_bool ended; } steps;

static void free_it(void *arg)
{
    (void)arg;
    brim_cache_free(c);
}

static void end_theirs(void *arg)
{
    read_end(arg);
    atomic_store(&steps.ended, true);
}

/* Theirs ends, and the cache with it if ours has been left; its memory waits until we have looked. */
static void begin_to_end(void *arg)
{
    bool inside = atom_load_relaxed(&t->reader.epoch) != 0;

    (void)arg;
    if (!lock_is_free(&c->limbo.lock))
        return;
    steps.begun = true;
    if (!inside)
        section_enter(t);
    worker_begin(&steps.ends, end_theirs, NULL);
    while (!atomic_load(&steps.ended) && atom_load_relaxed(&c->live.total) != 0)
        (void)sched_yield();
    if (!inside)
        section_leave(t);
}

static void free_and_go_on(void *arg)
{
    other_acts(arg);
    if (steps.frees.acted)
        atom_interfere(steps.then, begin_to_end, NULL);
}

/* Freed when we have found nothing to do, and ended by another's section before we look again: we touch it no more. */
START_TEST(freed_and_ended_as_it_ends)
{
    static const brim_allocator kept = {.size = sizeof kept, .alloc = alloc_to_keep, .free = keep};
    bool met = true;

    for (unsigned after = 0; met; after++) {
        for (steps.then = 0; steps.then < 12; steps.then++) {
            brim_options options = borrow_options(1000);

            options.allocator = &kept;
            make_with(options);
            steps.frees = (struct other){.cache = c, .act = free_it, .outside = true};
            steps.begun = false;
            atomic_store(&steps.ended, false);
            worker_start(&steps.frees.by);
            worker_start(&steps.ends);
            worker_do(&steps.ends, read_and_end, NULL);
            begin_reading(c);
            atom_interfere(after, free_and_go_on, &steps.frees);
            brim_read_end(c);
            met = atom_has_interfered() || steps.frees.acted;
            if (!steps.frees.acted)
                brim_cache_free(c);
            if (!steps.begun)
                worker_begin(&steps.ends, end_theirs, NULL);
            worker_wait(&steps.ends);
            worker_end(&steps.ends);
            worker_end(&steps.frees.by);
            ck_assert_uint_eq(gone, 1);
            ck_assert_uint_eq(atom_load_relaxed(&c->live.total), 0);
            ck_assert_uint_eq(t->borrowing, 0);
        }
    }
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("section");

    tcase_add_test(tc, nested_ones_are_one);
#ifndef NDEBUG
    tcase_add_test(tc, outside_of_any);
#endif
    tcase_add_test(tc, a_refresh_enters_anew);
    tcase_add_test(tc, none_at_the_shared_stripe);
    tcase_add_loop_test(tc, a_section_outlives_its_cache, 0, 2);
    tcase_add_loop_test(tc, the_last_section_ends_the_cache, 0, 4);
    tcase_add_test(tc, a_thread_that_ends_ends_its_sections);
    tcase_add_test(tc, a_thread_that_ends_beside_other_caches);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, ended_by_one_of_two);
    tcase_add_test(tc, what_leaves_as_it_ends);
    tcase_add_test(tc, freed_and_ended_as_it_ends);
#endif
    return suite_run(tc);
}
