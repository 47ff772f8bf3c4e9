/* SPDX-License-Identifier: MIT
 *
 * cache/find: by bytes, key and slot; what counts as hit and miss.
 */
#include "support/stale.h"
#include "unit/caches.h"

static void expect_counts(brim_cache *c, uint64_t hits, uint64_t misses)
{
    brim_stats s;

    brim_stats_get(c, &s);
    ck_assert_uint_eq(s.hits, hits);
    ck_assert_uint_eq(s.misses, misses);
}

START_TEST(by_bytes)
{
    brim_cache *c = make_value_cache(100);

    ck_assert_int_eq(put(c, 1, 11, 1), BRIM_OK);
    ck_assert_uint_eq(found_id(c, 1), 11);
    ck_assert_uint_eq(found_id(c, 2), UINT64_MAX);
    ck_assert(has(c, 1));
    ck_assert(!has(c, 2));
    ck_assert_ptr_null(brim_find(c, NULL, 1));
    ck_assert_ptr_null(brim_find(NULL, "", 1));
    ck_assert(!brim_contains(c, NULL, 1));
    ck_assert(!brim_remove(c, NULL, 1));
    ck_assert(!brim_remove(c, "x", 1));
    expect_counts(c, 1, 1); /* what is quiet does not count */
    finish(c);
}
END_TEST

START_TEST(by_key_and_slot)
{
    brim_cache *c = make_value_cache(100);
    brim_slot slot = BRIM_SLOT_INIT;
    brim_key *key;
    brim_ref *r;

    ck_assert_ptr_null(brim_key_find(NULL));
    ck_assert_ptr_null(brim_slot_find(NULL));
    ck_assert_ptr_null(brim_slot_find(&slot));
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(7, 3), 3, NULL, &key, NULL), BRIM_OK);
    brim_slot_init(&slot, brim_key_copy(key));
    r = brim_key_find(key);
    ck_assert_uint_eq(id_of(r), 7);
    ck_assert_uint_eq(brim_pinned(c), 3);
    brim_release(r);
    r = brim_slot_find(&slot);
    ck_assert_uint_eq(id_of(r), 7);
    brim_release(r);
    ck_assert_uint_eq(brim_pinned(c), 0);
    ck_assert(brim_key_remove(key));
    ck_assert_ptr_null(brim_key_find(key));
    ck_assert_ptr_null(brim_slot_find(&slot));
    expect_counts(c, 2, 2);
    brim_slot_store(&slot, NULL);
    brim_key_drop(key);
    finish(c);
}
END_TEST

static struct { brim_cache *cache; brim_slot slot; atomic_bool stop; } shared;

static void replace_or_look(unsigned id, void *arg)
{
    (void)arg;
    if (id == 0) {
        for (uint64_t i = 1; i < SCALED(10000); i++) {
            brim_key *key;
            EXPECT(put(shared.cache, 1, i, 1) == BRIM_OK);
            if (brim_insert_anonymous(shared.cache, value_new(i, 1), 1, NULL, &key, NULL) == BRIM_OK)
                brim_slot_store(&shared.slot, key);
            else
                EXPECT(false);
        }
        atomic_store(&shared.stop, true);
        return;
    }
    while (!atomic_load(&shared.stop)) {
        brim_ref *r = id == 1 ? brim_slot_find(&shared.slot) : NULL;
        EXPECT(id == 1 || found_id(shared.cache, 1) != UINT64_MAX); /* a replace is no miss */
        if (r != NULL) {
            EXPECT(value_alive(brim_ref_value(r), id_of(r)));
            brim_release(r);
        }
    }
}

START_TEST(found_while_replaced)
{
    shared.cache = make_value_cache(100000);
    atomic_store(&shared.stop, false);
    brim_slot_init(&shared.slot, NULL);
    ck_assert_int_eq(put(shared.cache, 1, 0, 1), BRIM_OK);
    crew_do(3, replace_or_look, NULL);
    brim_slot_store(&shared.slot, NULL);
    finish(shared.cache);
}
END_TEST

/* ---- What another thread does while the user's clock is read: in the midst of a look-up of what may be stale */

enum meanwhile { NOTHING, REPLACED, REPLACED_AND_LATE, REMOVED, STORED };

static struct {
    brim_cache *cache;
    brim_entry_options *ages;
    brim_slot *slot;
    brim_key *other;
    uint64_t now;
    enum meanwhile then;
} watch;

static uint64_t read_watch(void *arg)
{
    enum meanwhile then = watch.then;

    (void)arg;
    watch.then = NOTHING;
    switch (then) {
    case REPLACED:
        EXPECT(put(watch.cache, 1, 2, 1) == BRIM_OK);
        break;
    case REPLACED_AND_LATE:
        EXPECT(put_with(watch.cache, 1, 2, 1, watch.ages, NULL) == BRIM_OK);
        watch.now += 100;
        break;
    case REMOVED:
        (void)brim_remove(watch.cache, BRIM_KEY((uint64_t){1}));
        break;
    case STORED:
        brim_slot_store(watch.slot, watch.other);
        break;
    default:
        break;
    }
    return watch.now;
}

static brim_cache *make_watched(brim_entry_options *ages)
{
    brim_options o = borrow_options(100);

    brim_entry_options_init(ages);
    ages->max_age = 10;
    o.now = read_watch;
    memset(&watch, 0, sizeof watch);
    watch.ages = ages;
    watch.cache = make_cache(&o);
    ck_assert_int_eq(put_with(watch.cache, 1, 1, 1, ages, NULL), BRIM_OK);
    return watch.cache;
}

static uint64_t peeked_id(brim_cache *c)
{
    value *v = brim_peek(c, BRIM_KEY((uint64_t){1}));

    return v != NULL ? v->id : UINT64_MAX;
}

START_TEST(expired_in_the_midst)
{
    static const uint64_t wanted[] = {UINT64_MAX, 2, UINT64_MAX, UINT64_MAX};
    brim_entry_options ages;

    for (int way = 0; way < 3; way++) {
        brim_cache *c = make_watched(&ages);

        begin_reading(c);
        ck_assert_uint_eq(way == 0 ? found_id(c, 1) : peeked_id(c), 1); /* not yet */
        expect_counts(c, 1, 0);
        ck_assert(has(c, 1));
        watch.now = 100;
        watch.then = (enum meanwhile)_i;
        if (way == 2) {
            ck_assert_int_eq(has(c, 1), wanted[_i] == 2);
            expect_counts(c, 1, 0);
        } else {
            ck_assert_uint_eq(way == 0 ? found_id(c, 1) : peeked_id(c), wanted[_i]);
            expect_counts(c, wanted[_i] == 2 ? 2 : 1, wanted[_i] != 2);
        }
        ck_assert_int_eq(watch.then, NOTHING);
        ck_assert_uint_eq(brim_pinned(c), 0);
        brim_read_end(c);
        finish(c);
    }
}
END_TEST

START_TEST(expired_in_a_slot)
{
    brim_slot slot = BRIM_SLOT_INIT;
    brim_entry_options ages;
    brim_cache *c = make_watched(&ages);
    brim_ref *r = brim_find(c, BRIM_KEY((uint64_t){1}));
    brim_key *key = brim_ref_key(r);

    brim_release(r);
    brim_slot_store(&slot, brim_key_copy(key));
    r = brim_slot_find(&slot);
    ck_assert_uint_eq(id_of(r), 1);
    brim_release(r);
    r = brim_key_find(key);
    ck_assert_uint_eq(id_of(r), 1);
    brim_release(r);
    expect_counts(c, 3, 0);
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(2, 1), 1, NULL, &watch.other, NULL), BRIM_OK);
    watch.now = 100;
    ck_assert_ptr_null(brim_key_find(key));
    ck_assert_ptr_null(brim_slot_find(&slot));
    expect_counts(c, 3, 2);
    watch.slot = &slot;
    watch.then = STORED;
    r = brim_slot_find(&slot); /* names the other by the time that the first is seen to be stale */
    ck_assert_uint_eq(id_of(r), 2);
    brim_release(r);
    expect_counts(c, 4, 2);
    ck_assert_uint_eq(brim_pinned(c), 0);
    brim_slot_store(&slot, NULL);
    brim_key_drop(key);
    finish(c);
}
END_TEST

#ifdef BRIM_INTERFERE
static brim_ref *held;

static void release_it(void *arg)
{
    (void)arg;
    brim_release(held);
}

static struct { unsigned then; struct other removes, releases; } steps;

static void remove_held(void *arg)
{
    EXPECT(brim_remove(arg, BRIM_KEY((uint64_t){1})));
}

/* One after the other, ${steps.then} operations apart. */
static void both_act(void *arg)
{
    (void)arg;
    other_acts(&steps.removes);
    if (steps.removes.acted)
        atom_interfere(steps.then, other_acts, &steps.releases);
}

/* It leaves, and then loses its last other hold, while a look-up by handle is at it. */
START_TEST(by_key_as_it_leaves)
{
    bool met = true;
    unsigned missed = 0;

    for (unsigned after = 0; met; after++) {
        for (steps.then = 0; steps.then < 8; steps.then++) {
            brim_cache *c = make_value_cache(100);
            brim_key *key;
            brim_ref *r;

            ck_assert_int_eq(put_ref(c, 1, 1, 5, &held), BRIM_OK);
            key = brim_ref_key(held);
            steps.removes = (struct other){.cache = c, .act = remove_held, .arg = c};
            steps.releases = (struct other){.cache = c, .act = release_it};
            worker_start(&steps.removes.by);
            worker_start(&steps.releases.by);
            atom_interfere(after, both_act, NULL);
            r = brim_key_find(key);
            met = atom_has_interfered() || steps.removes.acted;
            worker_end(&steps.removes.by);
            worker_end(&steps.releases.by);
            if (!steps.removes.acted)
                remove_held(c);
            if (!steps.releases.acted)
                brim_release(held);
            ck_assert_uint_eq(values_live(), r != NULL);
            missed += r == NULL;
            brim_release(r);
            ck_assert_uint_eq(values_live(), 0);
            ck_assert_uint_eq(brim_pinned(c), 0);
            ck_assert_uint_eq(brim_used(c), 0);
            brim_key_drop(key);
            finish(c);
        }
    }
    ck_assert_uint_gt(missed, 0);
}
END_TEST

static void store_other(void *arg)
{
    brim_slot_store(arg, watch.other);
    watch.other = NULL;
}

/* A slot that names what has left gets another while it is looked at: a hit or a miss, and one of them. */
START_TEST(by_a_slot_as_it_changes)
{
    bool met = true;
    unsigned found = 0;

    for (unsigned after = 0; met; after++) {
        brim_cache *c = make_value_cache(100);
        brim_slot slot = BRIM_SLOT_INIT;
        struct other o = {.cache = c, .act = store_other, .arg = &slot};
        brim_key *key;
        brim_ref *r;

        ck_assert_int_eq(brim_insert_anonymous(c, value_new(1, 5), 5, NULL, &key, NULL), BRIM_OK);
        ck_assert(brim_key_remove(key));
        brim_slot_store(&slot, key);
        ck_assert_int_eq(brim_insert_anonymous(c, value_new(2, 5), 5, NULL, &watch.other, NULL), BRIM_OK);
        other_begin(&o, after);
        r = brim_slot_find(&slot);
        met = other_end(&o);
        ck_assert(r == NULL || (o.acted && id_of(r) == 2));
        expect_counts(c, r != NULL, r == NULL);
        found += r != NULL;
        brim_release(r);
        brim_slot_store(&slot, NULL);
        brim_key_drop(watch.other);
        watch.other = NULL;
        finish(c);
    }
    ck_assert_uint_gt(found, 0);
}
END_TEST

/* The last hold on what has left goes while a look-up by handle is at it: whoever undoes the last one destroys it. */
START_TEST(by_key_as_the_last_hold_goes)
{
    bool met = true;

    for (unsigned after = 0; met; after++) {
        brim_cache *c = make_value_cache(100);
        struct other o = {.cache = c, .act = release_it};
        brim_key *key;

        ck_assert_int_eq(put_ref(c, 1, 1, 5, &held), BRIM_OK);
        key = brim_ref_key(held);
        ck_assert(brim_key_remove(key));
        other_begin(&o, after);
        ck_assert_ptr_null(brim_key_find(key));
        met = other_end(&o);
        if (!o.acted)
            brim_release(held);
        ck_assert_uint_eq(values_live(), 0);
        ck_assert_uint_eq(brim_pinned(c), 0);
        ck_assert_uint_eq(brim_used(c), 0);
        brim_key_drop(key);
        finish(c);
    }
}
END_TEST

static void put_new(void *arg)
{
    EXPECT(put(arg, 1, 2, 1) == BRIM_OK);
}

static void remove_it(void *arg)
{
    (void)brim_remove(arg, BRIM_KEY((uint64_t){1}));
    write_once(arg, 0); /* which sweeps */
}

/* What is stale has something new, or goes, while it is peeked at: the new one is found, or nothing. */
START_TEST(peeked_while_it_is_replaced)
{
    brim_entry_options e;
    bool met = true;
    unsigned found = 0;

    brim_entry_options_init(&e);
    for (unsigned after = 0; met; after++) {
        brim_cache *c = make_borrow_cache(100);
        struct other o = {.cache = c, .act = _i == 0 ? put_new : remove_it, .arg = c};
        uint64_t key = 1;
        value *v;

        e.group = brim_group_new(c);
        ck_assert_int_eq(put_with(c, key, 1, 1, &e, NULL), BRIM_OK);
        brim_group_invalidate(e.group);
        begin_reading(c);
        other_begin(&o, after);
        v = brim_peek(c, BRIM_KEY(key));
        met = other_end(&o);
        ck_assert(v == NULL || (o.acted && _i == 0 && value_alive(v, 2)));
        found += v != NULL;
        expect_counts(c, v != NULL, v == NULL);
        brim_read_end(c);
        brim_group_drop(e.group);
        finish(c);
    }
    ck_assert_int_eq(found > 1, _i == 0);
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("find");

    tcase_add_test(tc, by_bytes);
    tcase_add_test(tc, by_key_and_slot);
    tcase_add_test(tc, found_while_replaced);
    tcase_add_loop_test(tc, expired_in_the_midst, NOTHING, STORED);
    tcase_add_test(tc, expired_in_a_slot);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, by_key_as_the_last_hold_goes);
    tcase_add_test(tc, by_key_as_it_leaves);
    tcase_add_test(tc, by_a_slot_as_it_changes);
    tcase_add_loop_test(tc, peeked_while_it_is_replaced, 0, 2);
#endif
    return suite_run(tc);
}
