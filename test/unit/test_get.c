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

int main(void)
{
    TCase *tc = suite_case("get");

    tcase_add_loop_test(tc, a_thread_knows_what_it_loads, 0, 2);
    tcase_add_test(tc, with_the_shared_record);
    tcase_add_test(tc, canceled_only_if_it_was);
    tcase_add_test(tc, bad_arguments);
    tcase_add_test(tc, hits_misses_and_holds);
    tcase_add_test(tc, the_count_of_a_key_becomes_one_of_the_new);
    return suite_run(tc);
}
