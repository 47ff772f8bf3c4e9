/* SPDX-License-Identifier: MIT
 *
 * cache/get: what the thread says that it loads, what the loader is given, and counts.
 */
#include "unit/caches.h"

static brim_cache *c;
static heap h;

static brim_status get_key(uint64_t key, maker *m)
{
    brim_ref *r = (brim_ref *)m;
    brim_status s = get(c, key, m, &r);

    EXPECT((s == BRIM_OK) == (r != NULL));
    brim_release(r);
    return s;
}

/* ---- What the thread loads */

static struct flight *outermost;

static void look_innermost(void *arg)
{
    struct brim_load *l = brim_load_current();

    EXPECT(l != NULL && &l->flight != outermost && l->outer == outermost);
    EXPECT(get_key(1, arg) == BRIM_DEADLOCK); /* that of the outer one, by its own thread */
    EXPECT(brim_load_current() == l);
}

static void look_and_nest(void *arg)
{
    maker *inner = arg;
    struct brim_load *l = brim_load_current();

    EXPECT(l != NULL && l->outer == NULL);
    outermost = &l->flight;
    inner->during = look_innermost;
    inner->arg = inner;
    EXPECT(get_key(2, inner) == (inner->status == BRIM_OK ? BRIM_OK : BRIM_FAILED));
    EXPECT(brim_load_current() == l);
    EXPECT(l->nested > 0);
}

START_TEST(a_thread_knows_what_it_loads)
{
    maker inner = {.id = 2, .cost = 1, .status = _i == 0 ? BRIM_OK : 9};
    maker m = {.id = 1, .cost = 1, .during = look_and_nest, .arg = &inner};

    c = cache_on(&h, 100);
    ck_assert_ptr_null(brim_load_current());
    ck_assert_int_eq(get_key(1, &m), BRIM_OK);
    ck_assert_uint_eq(runs_of(&inner), 1);
    ck_assert_ptr_null(brim_load_current());
    ck_assert_ptr_null(thread_self()->loading);
    no_loads(c, _i == 0 ? 2 : 1);
    finish_on(c, &h);
}
END_TEST

/* A thread for whose record there was no memory shares one with others: it loads all the same. */
START_TEST(with_the_shared_record)
{
    static struct thread shared = {.reader.shared = true};
    struct thread *own = thread_self();
    maker m = {.id = 1, .cost = 1}, f = {.status = 9};

    c = cache_on(&h, 100);
    thread_tls.self = &shared;
    ck_assert_int_eq(get_key(1, &m), BRIM_OK);
    ck_assert_int_eq(get_key(1, &m), BRIM_OK);
    ck_assert_int_eq(get_key(2, &f), BRIM_FAILED);
    thread_tls.self = own;
    ck_assert_ptr_null(m.load); /* brim_load_current cannot say */
    ck_assert_ptr_null(shared.loading);
    ck_assert_uint_eq(runs_of(&m), 1);
    no_loads(c, 1);
    finish_on(c, &h);
}
END_TEST

/* ---- Answers */

static void cancel_it(void *key)
{
    EXPECT(brim_load_cancel(c, key, sizeof(uint64_t)));
}

START_TEST(canceled_only_if_it_was)
{
    brim_claim_options o = claim_defaults();
    uint64_t key = 1;
    maker m = {.status = BRIM_CANCELED}, other = {.status = 9};
    brim_ref *r;
    int reason;

    c = cache_on(&h, 100);
    o.reason = &reason;
    ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, make_value, &m, &r), BRIM_FAILED); /* as its own status */
    ck_assert_int_eq(reason, BRIM_CANCELED);
    m.during = other.during = cancel_it;
    m.arg = other.arg = &key;
    ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, make_value, &m, &r), BRIM_CANCELED);
    ck_assert_int_eq(reason, 0);
    ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), &o, make_value, &other, &r), BRIM_FAILED);
    ck_assert_int_eq(reason, 9);
    ck_assert_ptr_null(r);
    no_loads(c, 0);
    finish_on(c, &h);
}
END_TEST

START_TEST(bad_arguments)
{
    uint64_t key = 1;
    maker m = {.id = 1, .cost = 1};
    brim_key *none = NULL;
    brim_ref *r = (brim_ref *)&m;

    c = cache_on(&h, 100);
    ck_assert_int_eq(brim_get(NULL, BRIM_KEY(key), make_value, &m, &r), BRIM_INVALID);
    ck_assert_ptr_null(r);
    r = (brim_ref *)&m;
    ck_assert_int_eq(brim_get_with(c, BRIM_KEY(key), NULL, NULL, &m, &r), BRIM_INVALID);
    ck_assert_ptr_null(r);
    ck_assert_int_eq(brim_get(c, BRIM_KEY(key), NULL, &m, &r), BRIM_INVALID);
    ck_assert_int_eq(brim_get(c, NULL, 1, make_value, &m, &r), BRIM_INVALID);
    ck_assert_int_eq(brim_get(c, BRIM_KEY(key), make_value, &m, NULL), BRIM_INVALID);
    r = (brim_ref *)&m;
    ck_assert_int_eq(brim_key_get(&none, make_value, &m, &r), BRIM_INVALID);
    ck_assert_ptr_null(r);
    ck_assert_int_eq(brim_key_get(NULL, make_value, &m, &r), BRIM_INVALID);
    ck_assert_uint_eq(runs_of(&m), 0);
    no_loads(c, 0);
    finish_on(c, &h);
}
END_TEST

START_TEST(hits_misses_and_holds)
{
    maker m = {.id = 1, .cost = 5};
    brim_ref *r, *again;

    c = cache_on(&h, 100);
    ck_assert_int_eq(get(c, 1, &m, &r), BRIM_OK);
    ck_assert_int_eq(get(c, 1, &m, &again), BRIM_OK);
    ck_assert_ptr_eq(r, again);
    ck_assert_uint_eq(runs_of(&m), 1);
    ck_assert_uint_eq(brim_pinned(c), 5);
    ck_assert_uint_eq(stats_of(c).hits, 1);
    ck_assert_uint_eq(stats_of(c).misses, 1);
    ck_assert_uint_eq(kind_sum(c->default_kind, offsetof(struct kind_counts, misses)), 1);
    brim_release(r);
    brim_release(again);
    ck_assert_uint_eq(brim_pinned(c), 0);
    no_loads(c, 1);
    finish_on(c, &h);
}
END_TEST

/* ---- By a key */

START_TEST(the_count_of_a_key_becomes_one_of_the_new)
{
    uint64_t k = 1;
    maker m = {.id = 2, .cost = 5}, f = {.status = 9};
    brim_ref *r;
    brim_key *key, *old;

    c = cache_on(&h, 100);
    ck_assert_int_eq(put_ref(c, k, 1, 5, &r), BRIM_OK);
    key = old = brim_ref_key(r);
    brim_release(r);
    ck_assert_int_eq(brim_key_get(&key, make_value, &m, &r), BRIM_OK);
    ck_assert_uint_eq(id_of(r), 1);
    ck_assert_ptr_eq(key, old);
    brim_release(r);
    ck_assert(brim_remove(c, BRIM_KEY(k)));
    ck_assert_int_eq(brim_key_get(&key, make_value, &f, &r), BRIM_FAILED);
    ck_assert_ptr_eq(key, old);
    no_loads(c, 1); /* the old one, for its key */
    ck_assert_int_eq(brim_key_get(&key, make_value, &m, &r), BRIM_OK);
    ck_assert_ptr_ne(key, old);
    ck_assert_ptr_eq(entry_of_key(key), entry_of_ref(r));
    no_loads(c, 1); /* the new one: the old one's is given back */
    brim_release(r);
    ck_assert(brim_key_remove(key));
    brim_key_drop(key);
    no_loads(c, 0);
    finish_on(c, &h);
}
END_TEST

START_TEST(by_a_key_that_names_nothing_to_load)
{
    brim_entry_options e = entry_defaults();
    maker m = {.id = 2, .cost = 5};
    brim_key *key;
    brim_ref *r;

    c = cache_on(&h, 100);
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(1, 5), 5, NULL, &key, NULL), BRIM_OK);
    ck_assert(brim_key_remove(key));
    ck_assert_int_eq(brim_key_get(&key, make_value, &m, &r), BRIM_INVALID);
    ck_assert_ptr_null(r);
    brim_key_drop(key);
    e.group = brim_group_new(c);
    ck_assert_int_eq(brim_insert_with(c, "k", 1, value_new(1, 5), 5, &e, &r), BRIM_OK);
    key = brim_ref_key(r);
    brim_release(r);
    brim_group_close(e.group);
    ck_assert_int_eq(brim_key_get(&key, make_value, &m, &r), BRIM_CANCELED);
    ck_assert_ptr_null(r);
    ck_assert_uint_eq(runs_of(&m), 0);
    ck_assert_uint_eq(stats_of(c).misses, 0); /* it has not asked */
    brim_key_drop(key);
    brim_group_drop(e.group);
    finish_on(c, &h);
}
END_TEST

/* ---- Threads that end, and others that act, in the midst of it */

static void exit_in_it(void *arg)
{
    (void)arg;
    pthread_exit(NULL);
}

static void get_and_end(void *arg)
{
    maker m = {.id = 1, .during = exit_in_it};
    brim_ref *r;

    (void)arg;
    (void)get(c, 1, &m, &r);
}

static brim_load *current;

static void look_at_last(void *arg)
{
    (void)arg;
    current = brim_load_current();
}

static void *end_and_look(void *arg)
{
    current = (brim_load *)arg;
    pthread_cleanup_push(look_at_last, NULL);
    get_and_end(NULL);
    pthread_cleanup_pop(0);
    return NULL;
}

/* What else the thread does while it ends is no loader's any more. */
START_TEST(a_thread_ends_in_its_loader)
{
    pthread_t thread;

    c = cache_on(&h, 100);
    ck_assert_int_eq(pthread_create(&thread, NULL, end_and_look, c), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_ptr_null(current);
    no_loads(c, 0);
    finish_on(c, &h);
}
END_TEST

static void *end_as_shared(void *arg)
{
    as_shared(get_and_end, arg);
    return NULL;
}

START_TEST(a_thread_ends_that_shares_its_record)
{
    pthread_t thread;
    maker m = {.id = 2, .cost = 1};

    c = cache_on(&h, 100);
    ck_assert_int_eq(pthread_create(&thread, NULL, end_as_shared, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    no_loads(c, 0);
    ck_assert_int_eq(get_key(1, &m), BRIM_OK);
    no_loads(c, 1);
    finish_on(c, &h);
}
END_TEST

#ifdef BRIM_INTERFERE
static struct { unsigned then; struct other first, second; brim_ref *held; } steps;

static void replace_it(void *arg)
{
    (void)arg;
    EXPECT(put(c, 1, 2, 1) == BRIM_OK);
}

static void release_it(void *arg)
{
    (void)arg;
    brim_release(steps.held);
}

/* One after the other, ${steps.then} operations apart. */
static void both_act(void *arg)
{
    (void)arg;
    other_acts(&steps.first);
    if (steps.first.acted)
        atom_interfere(steps.then, other_acts, &steps.second);
}

/* What the look-up holds leaves, and then its last other hold goes: the hit is the new one, and the old one is ended. */
START_TEST(replaced_and_released_while_it_looks)
{
    bool met = true;

    for (unsigned after = 0; met; after++) {
        for (steps.then = 0; steps.then < 8; steps.then++) {
            maker m = {.status = 9};
            brim_ref *r;
            bool released;

            c = cache_on(&h, 100);
            ck_assert_int_eq(put_ref(c, 1, 1, 1, &steps.held), BRIM_OK);
            steps.first = (struct other){.cache = c, .act = replace_it};
            steps.second = (struct other){.cache = c, .act = release_it};
            worker_start(&steps.first.by);
            worker_start(&steps.second.by);
            atom_interfere(after, both_act, NULL);
            ck_assert_int_eq(get(c, 1, &m, &r), BRIM_OK);
            met = atom_has_interfered() || steps.first.acted;
            released = steps.second.acted;
            worker_end(&steps.first.by);
            worker_end(&steps.second.by);
            ck_assert_uint_eq(runs_of(&m), 0);
            ck_assert(id_of(r) == 1 || (id_of(r) == 2 && steps.first.acted));
            brim_release(r);
            if (!released)
                brim_release(steps.held);
            ck_assert_uint_eq(values_live(), 1);
            ck_assert_uint_eq(brim_pinned(c), 0);
            ck_assert_uint_eq(brim_used(c), 1);
            finish_on(c, &h);
        }
    }
}
END_TEST

static void free_it(void *arg)
{
    (void)arg;
    brim_cache_free(c);
}

/* The cache is freed while a get is at it that only a key keeps alive: no load is begun that nobody ends. */
START_TEST(freed_while_it_begins)
{
    bool met = true;
    unsigned canceled = 0;

    for (unsigned after = 0; met; after++) {
        struct other o = {.act = free_it, .outside = true};
        maker m = {.id = 2, .cost = 1};
        brim_kind own = value_kind;
        brim_entry_options e = entry_defaults();
        brim_ref *r;
        brim_key *key;
        brim_status s;

        c = cache_on(&h, 100);
        e.kind = &own;
        ck_assert_int_eq(brim_insert_with(c, "k", 1, value_new(1, 1), 1, &e, &r), BRIM_OK);
        key = brim_ref_key(r);
        brim_release(r);
        ck_assert(brim_key_remove(key));
        o.cache = c;
        other_begin(&o, after);
        s = brim_key_get(&key, make_value, &m, &r);
        met = other_end(&o);
        ck_assert(s == BRIM_OK || (s == BRIM_CANCELED && o.acted));
        ck_assert(s == BRIM_OK || r == NULL);
        canceled += s == BRIM_CANCELED;
        brim_release(r);
        brim_key_drop(key);
        if (!o.acted)
            brim_cache_free(c);
        ck_assert_uint_eq(values_live(), 0);
        ck_assert_uint_eq(atomic_load(&h.blocks), 0);
    }
    ck_assert_uint_gt(canceled, 0);
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("get");

    tcase_add_loop_test(tc, a_thread_knows_what_it_loads, 0, 2);
    tcase_add_test(tc, with_the_shared_record);
    tcase_add_test(tc, canceled_only_if_it_was);
    tcase_add_test(tc, bad_arguments);
    tcase_add_test(tc, hits_misses_and_holds);
    tcase_add_test(tc, the_count_of_a_key_becomes_one_of_the_new);
    tcase_add_test(tc, by_a_key_that_names_nothing_to_load);
    tcase_add_test(tc, a_thread_ends_in_its_loader);
    tcase_add_test(tc, a_thread_ends_that_shares_its_record);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, replaced_and_released_while_it_looks);
    tcase_add_test(tc, freed_while_it_begins);
#endif
    return suite_run(tc);
}
