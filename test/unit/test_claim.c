/* SPDX-License-Identifier: MIT
 *
 * cache/claim: what each answer puts where, and that a wait that nobody needs is given back.
 */
#include "cache/wait.h"
#include "unit/caches.h"

enum { KEY = 7, OTHER = 8 };

static brim_cache *c;
static heap h;
static told heard;
static const uint64_t key = KEY, other = OTHER;

/* The record that is next. */
static struct waiter *next_record(void)
{
    struct waiter *w = wait_new(NULL, tell, NULL);

    ck_assert_ptr_nonnull(w);
    wait_free(w);
    return w;
}

START_TEST(without_places_nothing_happens)
{
    brim_ref *ref = (brim_ref *)(uintptr_t)&key;
    brim_load *load = (brim_load *)(uintptr_t)&key;
    brim_wait *wait = (brim_wait *)(uintptr_t)&key;

    c = cache_on(&h, 100);
    ck_assert_int_eq(brim_claim(c, BRIM_KEY(key), 0, NULL, &load), BRIM_INVALID);
    ck_assert_ptr_null(load);
    ck_assert_int_eq(brim_claim_with(c, BRIM_KEY(key), NULL, &ref, NULL), BRIM_INVALID);
    ck_assert_ptr_null(ref);
    load = (brim_load *)(uintptr_t)&key;
    ck_assert_int_eq(brim_claim_async(c, BRIM_KEY(key), NULL, NULL, NULL, &ref, &load, &wait), BRIM_INVALID);
    ck_assert_ptr_null(load);
    ck_assert_ptr_null(wait);
    ck_assert_int_eq(brim_claim_async(NULL, BRIM_KEY(key), NULL, tell, NULL, &ref, &load, &wait), BRIM_INVALID);
    ck_assert_uint_eq(stats_of(c).misses, 0);
    no_loads(c, 0);
    finish_on(c, &h);
}
END_TEST

START_TEST(a_record_that_waits_for_nothing_is_given_back)
{
    struct waiter *record = next_record();
    brim_claim_options o = claim_defaults();
    brim_entry_options e = entry_defaults();
    brim_ref *ref;
    brim_load *load, *none;
    brim_wait *wait;
    int reason = 0;
    told nobody = {.calls = 0};

    c = cache_on(&h, 100);
    e.group = brim_group_new(c);
    o.reason = &reason;
    ck_assert_int_eq(brim_claim_async(c, BRIM_KEY(key), NULL, tell, &heard, &ref, &load, &wait), BRIM_CLAIMED);
    ck_assert_ptr_null(ref);
    ck_assert_ptr_null(wait);
    ck_assert_ptr_eq(next_record(), record);
    ck_assert_int_eq(brim_claim_async(c, BRIM_KEY(key), NULL, tell, &heard, &ref, &none, &wait), BRIM_PENDING);
    ck_assert_ptr_nonnull(wait);
    ck_assert_ptr_ne(next_record(), record);
    ck_assert(brim_wait_cancel(wait));
    ck_assert_int_eq(brim_claim_async(c, BRIM_KEY(key), NULL, tell, &nobody, &ref, &none, NULL), BRIM_PENDING);
    brim_load_fail_for(load, 5, UINT64_MAX);
    told_failed(&nobody, 5);
    ck_assert_int_eq(brim_claim_async(c, BRIM_KEY(key), &o, tell, &heard, &ref, &load, &wait), BRIM_FAILED);
    ck_assert_int_eq(reason, 5);
    ck_assert_ptr_null(load);
    ck_assert_ptr_null(wait);
    ck_assert_ptr_eq(next_record(), record);
    ck_assert_int_eq(put(c, KEY, 1, 5), BRIM_OK);
    ck_assert_int_eq(brim_claim_async(c, BRIM_KEY(key), &o, tell, &heard, &ref, &load, &wait), BRIM_OK);
    ck_assert_int_eq(reason, 0);
    ck_assert_uint_eq(id_of(ref), 1);
    ck_assert_ptr_null(wait);
    ck_assert_ptr_eq(next_record(), record);
    brim_release(ref);
    brim_group_close(e.group);
    o.entry = &e;
    ck_assert_int_eq(brim_claim_async(c, BRIM_KEY(other), &o, tell, &heard, &ref, &load, &wait), BRIM_CANCELED);
    ck_assert_ptr_null(ref);
    ck_assert_ptr_null(load);
    ck_assert_ptr_eq(next_record(), record);
    told_nothing(&heard);
    brim_group_drop(e.group);
    no_loads(c, 1);
    finish_on(c, &h);
}
END_TEST

START_TEST(hits_and_misses_are_counted_once)
{
    brim_load *l;

    c = cache_on(&h, 100);
    l = claim(c, KEY);
    ck_assert_int_eq(claim_status(c, KEY, 0), BRIM_PENDING);
    ck_assert_int_eq(claim_status(c, KEY, 1), BRIM_TIMEOUT);
    ck_assert_uint_eq(stats_of(c).misses, 3);
    ck_assert_uint_eq(kind_sum(c->default_kind, offsetof(struct kind_counts, misses)), 3);
    ck_assert_uint_eq(kind_sum(c->default_kind, offsetof(struct kind_counts, load_waits)), 1);
    ck_assert_int_eq(finish_load(l, 1, 1, NULL), BRIM_OK);
    ck_assert_int_eq(claim_status(c, KEY, 0), BRIM_OK);
    ck_assert_uint_eq(stats_of(c).hits, 1);
    ck_assert_uint_eq(stats_of(c).misses, 3);
    no_loads(c, 1);
    finish_on(c, &h);
}
END_TEST

/* ---- Many */

enum { N = 7 };

START_TEST(each_of_many_has_its_own_answer)
{
    uint64_t k[N] = {1, 2, 3, 2, 4, 5, 6};
    brim_claim_options o = claim_defaults();
    brim_bytes keys[N];
    brim_ref *refs[N];
    brim_load *loads[N], *theirs;
    brim_status statuses[N];
    int reason = 99;

    for (unsigned i = 0; i < N; i++)
        keys[i] = (brim_bytes){&k[i], sizeof k[i]};
    keys[6] = (brim_bytes){NULL, 5}; /* no key */
    c = cache_on(&h, 100);
    ck_assert_int_eq(put(c, 1, 1, 5), BRIM_OK);
    theirs = claim(c, 3);
    brim_load_fail_for(claim(c, 4), 44, UINT64_MAX);
    o.reason = &reason;
    ck_assert_uint_eq(brim_claim_many(c, keys, N, &o, refs, loads, statuses), 1);
    ck_assert_int_eq(statuses[0], BRIM_OK);
    ck_assert_uint_eq(id_of(refs[0]), 1);
    ck_assert_int_eq(statuses[1], BRIM_CLAIMED);
    ck_assert_int_eq(statuses[2], BRIM_PENDING);
    ck_assert_int_eq(statuses[3], BRIM_PENDING);
    ck_assert_int_eq(statuses[4], BRIM_FAILED);
    ck_assert_int_eq(statuses[5], BRIM_CLAIMED);
    ck_assert_int_eq(statuses[6], BRIM_INVALID);
    ck_assert_int_eq(reason, 44); /* of the failure, though another was claimed after it */
    for (unsigned i = 0; i < N; i++) {
        ck_assert_int_eq(refs[i] != NULL, i == 0);
        ck_assert_int_eq(loads[i] != NULL, i == 1 || i == 5);
        brim_load_fail(loads[i], 1);
        brim_release(refs[i]);
    }
    brim_load_fail(theirs, 1);
    ck_assert_uint_eq(brim_claim_many(c, keys, 1, &o, refs, loads, statuses), 1);
    ck_assert_int_eq(reason, 0); /* no failure among them */
    brim_release(refs[0]);
    ck_assert_uint_eq(brim_claim_many(c, keys + 4, 1, NULL, refs, loads, statuses), 0);
    ck_assert_int_eq(statuses[0], BRIM_FAILED); /* nobody asks why */
    brim_clear(c); /* and what is remembered of 4 */
    no_loads(c, 0);
    finish_on(c, &h);
}
END_TEST

START_TEST(bad_requests_for_many)
{
    brim_bytes keys[2] = {{&key, sizeof key}, {&other, sizeof other}};
    brim_claim_options o = claim_defaults();
    brim_ref *refs[2];
    brim_load *loads[2];
    brim_status statuses[2];

    c = cache_on(&h, 100);
    ck_assert_int_eq(put(c, KEY, 1, 1), BRIM_OK); /* would be found */
    o.size--;
    for (int i = 0; i < 3; i++) {
        memset(refs, 1, sizeof refs);
        memset(loads, 1, sizeof loads);
        ck_assert_uint_eq(brim_claim_many(i == 0 ? NULL : c, i == 1 ? NULL : keys, 2, i == 2 ? &o : NULL, refs, loads,
                                          statuses), 0);
        for (int j = 0; j < 2; j++) {
            ck_assert_ptr_null(refs[j]);
            ck_assert_ptr_null(loads[j]);
            ck_assert_int_eq(statuses[j], BRIM_INVALID);
        }
    }
    ck_assert_uint_eq(brim_claim_many(c, keys, 2, NULL, NULL, loads, statuses), 0);
    ck_assert_uint_eq(brim_claim_many(c, keys, 2, NULL, refs, NULL, statuses), 0);
    ck_assert_uint_eq(brim_claim_many(c, keys, 2, NULL, refs, loads, NULL), 0);
    memset(statuses, 1, sizeof statuses);
    ck_assert_uint_eq(brim_claim_many(NULL, keys, 0, NULL, refs, loads, statuses), 0);
    ck_assert_uint_eq(brim_claim_many(c, keys, 0, NULL, refs, loads, statuses), 0);
    ck_assert_mem_eq(&statuses[0], &statuses[1], sizeof statuses[0]); /* nothing is written */
    no_loads(c, 1);
    finish_on(c, &h);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("claim");

    tcase_add_test(tc, without_places_nothing_happens);
    tcase_add_test(tc, a_record_that_waits_for_nothing_is_given_back);
    tcase_add_test(tc, hits_and_misses_are_counted_once);
    tcase_add_test(tc, each_of_many_has_its_own_answer);
    tcase_add_test(tc, bad_requests_for_many);
    return suite_run(tc);
}
