/* SPDX-License-Identifier: MIT
 *
 * G2: a ref's value is unchanged until released; handles outlive the cache; gone is called once, after the last of them.
 */
#include "support/support.h"

static atomic_uint gone_calls;

static void gone(void *arg)
{
    EXPECT(arg == &gone_calls);
    atomic_fetch_add(&gone_calls, 1);
}

static brim_cache *cache_with_gone(const brim_allocator *allocator)
{
    brim_options o = value_options(1000);

    o.gone = gone;
    o.gone_arg = &gone_calls;
    o.allocator = allocator;
    atomic_store(&gone_calls, 0);
    return make_cache(&o);
}

START_TEST(test_g02_value_unchanged_until_release)
{
    brim_cache *c = make_value_cache(100);
    brim_ref *refs[7];
    uint64_t key = 1;

    for (uint64_t i = 0; i < 7; i++)
        ck_assert_int_eq(put_ref(c, i, i, 5, &refs[i]), BRIM_OK);
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    ck_assert_int_eq(put(c, 2, 1002, 5), BRIM_OK);
    ck_assert_uint_ge(brim_trim(c, 0), 0);
    for (uint64_t i = 100; i < 200; i++)
        (void)put(c, i, i, 9);
    brim_clear(c);
    (void)brim_set_capacity(c, 10);
    for (uint64_t i = 0; i < 7; i++) {
        ck_assert(value_alive(brim_ref_value(refs[i]), i));
        ck_assert_uint_eq(brim_ref_cost(refs[i]), 5);
        ck_assert_ptr_eq(brim_ref_kind(refs[i]), &value_kind);
        ck_assert(!brim_ref_is_cached(refs[i]));
    }
    brim_cache_free(c);
    ck_assert_uint_eq(values_live(), 7);
    for (uint64_t i = 0; i < 7; i++) {
        size_t len = 0;
        const void *bytes = brim_ref_key_bytes(refs[i], &len);

        ck_assert(value_alive(brim_ref_value(refs[i]), i));
        ck_assert_uint_eq(len, sizeof i);
        ck_assert_mem_eq(bytes, &i, sizeof i);
        brim_release(refs[i]);
        ck_assert_uint_eq(values_live(), 6 - i);
    }
}
END_TEST

START_TEST(test_g02_gone_at_once_when_nothing_outlives)
{
    brim_cache *c = cache_with_gone(NULL);

    ck_assert_int_eq(put(c, 1, 1, 1), BRIM_OK);
    ck_assert_uint_eq(atomic_load(&gone_calls), 0);
    brim_cache_free(c);
    ck_assert_uint_eq(atomic_load(&gone_calls), 1);
    ck_assert_uint_eq(values_live(), 0);
}
END_TEST

enum { A_REF, A_KEY, A_SLOT, A_WRAP, AN_ANONYMOUS_KEY, A_DEAD_KEY, A_REF_OF_THE_REMOVED, HANDLES };

typedef struct outlive { brim_ref *ref; brim_key *key; brim_slot slot; } outlive;

static outlive outlive_make(brim_cache *c, int what)
{
    outlive x = { NULL, NULL, BRIM_SLOT_INIT };
    brim_ref *r = NULL;
    uint64_t key = 1;
    value *v;

    ck_assert_int_eq(put_ref(c, key, 1, 10, &r), BRIM_OK);
    if (what == A_REF || what == A_REF_OF_THE_REMOVED)
        x.ref = brim_ref_copy(r);
    if (what == A_KEY || what == A_DEAD_KEY)
        x.key = brim_ref_key(r);
    if (what == A_SLOT)
        brim_slot_init(&x.slot, brim_ref_key(r));
    if (what == A_WRAP) {
        v = value_new(2, 10);
        ck_assert_int_eq(brim_wrap(c, v, 10, NULL, &x.ref), BRIM_OK);
    }
    if (what == AN_ANONYMOUS_KEY) {
        v = value_new(3, 10);
        ck_assert_int_eq(brim_insert_anonymous(c, v, 10, NULL, &x.key, NULL), BRIM_OK);
    }
    brim_release(r);
    if (what == A_DEAD_KEY || what == A_REF_OF_THE_REMOVED)
        ck_assert(brim_remove(c, BRIM_KEY(key)));
    return x;
}

static void outlive_use(outlive *x)
{
    brim_key *copy;
    value *v = value_new(50, 1);
    brim_ref *out = (brim_ref *)(void *)x;

    if (x->ref != NULL) {
        ck_assert(value_alive(brim_ref_value(x->ref), ((value *)brim_ref_value(x->ref))->id));
        ck_assert(!brim_ref_is_cached(x->ref));
        brim_release(brim_ref_copy(x->ref));
        copy = brim_ref_key(x->ref);
        ck_assert_ptr_null(brim_key_find(copy));
        brim_key_drop(copy);
    }
    if (x->key != NULL) {
        ck_assert_ptr_null(brim_key_find(x->key));
        ck_assert(!brim_key_is_valid(x->key));
        ck_assert(!brim_key_remove(x->key));
        copy = x->key;
        ck_assert_int_eq(brim_key_replace(&x->key, v, 1), BRIM_INVALID);
        ck_assert_ptr_eq(x->key, copy);
        ck_assert_int_eq(brim_key_replace_with(&x->key, v, 1, NULL, &out), BRIM_INVALID);
        ck_assert_ptr_null(out);
        copy = brim_key_copy(x->key);
        ck_assert(brim_key_equal(copy, x->key));
        brim_key_drop(copy);
    }
    ck_assert_ptr_null(brim_slot_find(&x->slot));
    brim_key_drop(brim_slot_load(&x->slot));
    ck_assert_uint_eq(atomic_load(&gone_calls), 0);
    value_discard(v);
}

START_TEST(test_g02_handles_outlive_the_cache)
{
    heap h;
    brim_cache *c;
    outlive x;

    heap_init(&h);
    c = cache_with_gone(&h.allocator);
    x = outlive_make(c, _i);
    brim_cache_free(c);
    outlive_use(&x);
    brim_release(x.ref);
    brim_key_drop(x.key);
    brim_slot_store(&x.slot, NULL);
    ck_assert_uint_eq(atomic_load(&gone_calls), 1);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(atomic_load(&h.live), 0);
}
END_TEST

START_TEST(test_g02_gone_after_the_last_of_many)
{
    brim_cache *c = cache_with_gone(NULL);
    outlive x[HANDLES];

    for (int i = 0; i < HANDLES; i++)
        x[i] = outlive_make(c, i);
    brim_cache_free(c);
    for (int i = 0; i < HANDLES; i++) {
        ck_assert_uint_eq(atomic_load(&gone_calls), 0);
        brim_release(x[i].ref);
        brim_key_drop(x[i].key);
        brim_slot_store(&x[i].slot, NULL);
    }
    ck_assert_uint_eq(atomic_load(&gone_calls), 1);
    ck_assert_uint_eq(values_live(), 0);
}
END_TEST

/* ---- Threads use handles while the cache is freed ---- */

enum { USERS = 4 };
static struct { brim_key *keys[USERS]; brim_ref *refs[USERS]; brim_slot slot; atomic_uint begun; atomic_bool freed; atomic_uint hits; } during;

static void use_during_free(unsigned id, void *arg)
{
    unsigned after = 0;
    bool seen_miss = false;
    value *v = value_new(99, 1);

    (void)arg;
    for (unsigned round = 0; after < 200; round++) {
        brim_ref *r = brim_key_find(during.keys[id]);

        if (round == 100)
            atomic_fetch_add(&during.begun, 1);
        if (atomic_load(&during.freed))
            after++;
        if (r != NULL) {
            EXPECT(!seen_miss);
            EXPECT(id_of(r) == id);
            atomic_fetch_add(&during.hits, 1);
            brim_release(r);
        } else {
            seen_miss = true;
            EXPECT(!brim_key_is_valid(during.keys[id]));
            EXPECT(brim_key_replace(&during.keys[id], v, 1) == BRIM_INVALID);
        }
        EXPECT(id_of(during.refs[id]) == id + 100);
        r = brim_slot_find(&during.slot);
        if (r != NULL)
            EXPECT(id_of(r) == 0);
        brim_release(r);
    }
    EXPECT(seen_miss);
    brim_key_drop(during.keys[id]);
    brim_release(during.refs[id]);
    value_discard(v);
}

START_TEST(test_g02_handles_used_while_the_cache_is_freed)
{
    for (int round = 0; round < SCALED(50); round++) {
        brim_cache *c = cache_with_gone(NULL);
        brim_ref *r = NULL;
        crew threads;

        memset(&during, 0, sizeof during);
        for (uint64_t i = 0; i < USERS; i++) {
            ck_assert_int_eq(put_ref(c, i, i, 1, &r), BRIM_OK);
            during.keys[i] = brim_ref_key(r);
            if (i == 0)
                brim_slot_init(&during.slot, brim_ref_key(r));
            brim_release(r);
            ck_assert_int_eq(put_ref(c, i + 100, i + 100, 1, &during.refs[i]), BRIM_OK);
        }
        crew_start(&threads, USERS, use_during_free, NULL);
        while (atomic_load(&during.begun) < USERS)
            ;
        brim_cache_free(c);
        atomic_store(&during.freed, true);
        crew_join(&threads);
        ck_assert_uint_eq(atomic_load(&gone_calls), 0);
        brim_slot_store(&during.slot, NULL);
        ck_assert_uint_eq(atomic_load(&gone_calls), 1);
        ck_assert_uint_gt(atomic_load(&during.hits), 0);
        ck_assert_uint_eq(values_live(), 0);
        no_trouble();
    }
}
END_TEST

/* ---- The last handle is dropped by whichever thread comes last ---- */

static void drop_one(unsigned id, void *arg)
{
    outlive *x = arg;

    brim_release(x[id].ref);
    brim_key_drop(x[id].key);
    brim_slot_store(&x[id].slot, NULL);
}

START_TEST(test_g02_gone_once_when_threads_drop_together)
{
    for (int round = 0; round < SCALED(200); round++) {
        brim_cache *c = cache_with_gone(NULL);
        outlive x[HANDLES];

        for (int i = 0; i < HANDLES; i++)
            x[i] = outlive_make(c, i);
        brim_cache_free(c);
        crew_do(HANDLES, drop_one, x);
        ck_assert_uint_eq(atomic_load(&gone_calls), 1);
        ck_assert_uint_eq(values_live(), 0);
    }
}
END_TEST

START_TEST(test_g02_a_held_ref_keeps_its_charge)
{
    brim_cache *c = make_value_cache(100);
    brim_ref *r = NULL;
    uint64_t key = 1;

    ck_assert_int_eq(put_ref(c, key, 1, 60, &r), BRIM_OK);
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    ck_assert_uint_eq(brim_used(c), 60);
    ck_assert_uint_eq(brim_pinned(c), 60);
    ck_assert_uint_eq(brim_count(c), 0);
    brim_release(r);
    ck_assert_uint_eq(brim_used(c), 0);
    ck_assert_uint_eq(brim_pinned(c), 0);
    finish(c);
}
END_TEST

/* ---- Who is stopped in the clock or for memory while the cache is freed brings no kind back */

static struct {
    gate stop;
    brim_cache *cache;
    brim_key *key;
    brim_status status;
    brim_ref *ref;
    atomic_uint unused, destroyed, after_unused;
} late;
static _Thread_local bool stops_late;

static void late_stop(void *arg)
{
    (void)arg;
    if (!stops_late)
        return;
    stops_late = false;
    gate_stop_here(&late.stop);
}

static uint64_t late_clock(void *arg)
{
    late_stop(arg);
    return 1000;
}

static void late_destroy(void *v, size_t cost, void *arg)
{
    atomic_fetch_add(&late.destroyed, 1);
    atomic_fetch_add(&late.after_unused, atomic_load(&late.unused));
    value_destroy(v, cost, arg);
}

static void late_unused(void *arg)
{
    (void)arg;
    atomic_fetch_add(&late.unused, 1);
}

static brim_status late_load(const void *key, size_t len, void *arg, void **v, size_t *cost)
{
    (void)key, (void)len, (void)arg;
    *v = value_new(3, 1);
    *cost = 1;
    return BRIM_OK;
}

static void late_replace(unsigned id, void *arg)
{
    value *v = value_new(2, 1);

    (void)id, (void)arg;
    stops_late = true;
    late.status = brim_key_replace(&late.key, v, 1);
    if (late.status != BRIM_OK)
        value_discard(v);
}

static void late_get(unsigned id, void *arg)
{
    (void)id, (void)arg;
    EXPECT(!has(late.cache, 5)); /* no memory is its first call's */
    stops_late = true;
    late.status = brim_key_get(&late.key, late_load, NULL, &late.ref);
    brim_release(late.ref);
}

/* ${_i}: 0 brim_key_replace in the clock, 1 brim_key_get in the allocator. */
START_TEST(test_g02_unused_is_told_once_though_somebody_is_stopped_while_the_cache_is_freed)
{
    static const brim_kind kind = {.size = sizeof(brim_kind), .destroy = late_destroy, .unused = late_unused};
    heap h;
    brim_options o = value_options(1000);
    brim_ref *r = NULL;
    brim_cache *c;
    uint64_t key = 1;
    crew thread;

    memset(&late, 0, sizeof late);
    atomic_store(&gone_calls, 0);
    gate_init(&late.stop);
    heap_init(&h);
    o.kind = &kind;
    o.now = late_clock;
    o.gone = gone;
    o.gone_arg = &gone_calls;
    o.allocator = &h.allocator;
    c = late.cache = make_cache(&o);
    ck_assert_int_eq(put_ref(c, key, 1, 1, &r), BRIM_OK);
    late.key = brim_ref_key(r);
    brim_release(r);
    if (_i == 1) {
        ck_assert(brim_remove(c, BRIM_KEY(key)));
        h.hook = late_stop;
    }
    crew_start(&thread, 1, _i == 0 ? late_replace : late_get, NULL);
    gate_wait_reached(&late.stop);
    brim_cache_free(c);
    gate_open(&late.stop);
    crew_join(&thread);
    ck_assert(late.status == BRIM_INVALID || late.status == BRIM_CANCELED);
    brim_key_drop(late.key);
    ck_assert_uint_eq(atomic_load(&late.destroyed), 1);
    ck_assert_uint_eq(atomic_load(&late.after_unused), 0);
    ck_assert_uint_eq(atomic_load(&late.unused), 1);
    ck_assert_uint_eq(atomic_load(&gone_calls), 1);
    ck_assert_uint_eq(atomic_load(&h.live), 0);
    ck_assert_uint_eq(values_live(), 0);
    gate_destroy(&late.stop);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("g02");

    tcase_add_test(tc, test_g02_value_unchanged_until_release);
    tcase_add_test(tc, test_g02_gone_at_once_when_nothing_outlives);
    tcase_add_loop_test(tc, test_g02_handles_outlive_the_cache, 0, HANDLES);
    tcase_add_test(tc, test_g02_gone_after_the_last_of_many);
    tcase_add_test(tc, test_g02_handles_used_while_the_cache_is_freed);
    tcase_add_test(tc, test_g02_gone_once_when_threads_drop_together);
    tcase_add_test(tc, test_g02_a_held_ref_keeps_its_charge);
    tcase_add_loop_test(tc, test_g02_unused_is_told_once_though_somebody_is_stopped_while_the_cache_is_freed, 0, 2);
    return suite_run(tc);
}
