/* SPDX-License-Identifier: MIT
 *
 * cache/pins: who holds what, and what is given back twice; where it is not traced, that this is said.
 */
#include "brim_debug.h"
#include "cache/pins.h"
#include "unit/caches.h"

static brim_cache *c;
static heap h;
static char text[65536];

/* What is written into ${text}; returns its number of lines. */
static unsigned dump(brim_cache *of)
{
    FILE *f = fmemopen(text, sizeof text, "w");
    unsigned lines = 0;

    ck_assert_ptr_nonnull(f);
    brim_dump_refs(of, f);
    ck_assert_int_eq(fclose(f), 0);
    for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    return lines;
}

START_TEST(nothing_to_nowhere)
{
    c = cache_on(&h, 100);
    brim_dump_refs(c, NULL);
    ck_assert_uint_eq(dump(NULL), 0);
    finish_on(c, &h);
}
END_TEST

#ifndef BRIM_TRACE_REFS

START_TEST(it_does_not_know)
{
    brim_ref *r;

    c = cache_on(&h, 100);
    ck_assert_int_eq(put_ref(c, 1, 1, 5, &r), BRIM_OK);
    ck_assert_uint_eq(dump(c), 1);
    ck_assert_ptr_nonnull(strstr(text, "not traced"));
    ck_assert_ptr_null(strstr(text, "key"));
    brim_release(r);
    finish_on(c, &h);
}
END_TEST

#else

static char heard[8][128];
static unsigned messages;

static void hear(const char *message, void *arg)
{
    (void)arg;
    (void)snprintf(heard[messages++ % 8], sizeof heard[0], "%s", message);
}

static void expect_heard(unsigned n, const char *call)
{
    ck_assert_uint_eq(messages, n);
    ck_assert_msg(strstr(heard[(n - 1) % 8], call) != NULL, "\"%s\" does not name %s", heard[(n - 1) % 8], call);
}

static unsigned out_now(void)
{
    unsigned n = 0, lines = dump(c);
    const char *last = strstr(text, " refs and loads are out\n");

    ck_assert_ptr_nonnull(last);
    while (last > text && last[-1] != '\n')
        last--;
    ck_assert_int_eq(sscanf(last, "%u", &n), 1);
    ck_assert_uint_eq(lines, n + 1);
    return n;
}

START_TEST(key_thread_and_site)
{
    uint64_t key = 0x1122334455667788;
    char wanted[65], line[100], anonymous[40];
    brim_ref *r, *a, *empty;

    c = cache_on(&h, 100);
    ck_assert_uint_eq(out_now(), 0);
    ck_assert_int_eq(put_ref(c, key, 1, 5, &r), BRIM_OK);
    ck_assert_uint_eq(out_now(), 1);
    ck_assert_ptr_nonnull(strstr(text, "key 8877665544332211 (8 bytes)"));
    ck_assert_ptr_nonnull(strstr(text, "cost 5"));
    (void)snprintf(wanted, sizeof wanted, "thread %u for 0.", thread_self()->number);
    ck_assert_ptr_nonnull(strstr(text, wanted));
    ck_assert_ptr_nonnull(strstr(text, "test_pins+0x")); /* this program, from which the call came */
    ck_assert_ptr_null(strstr(text, " left"));
    memset(anonymous, 'k', sizeof anonymous); /* longer than what is shown of it */
    ck_assert_int_eq(brim_insert(c, anonymous, sizeof anonymous, value_new(2, 1), 1, &a), BRIM_OK);
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    ck_assert_uint_eq(out_now(), 2);
    for (int i = 0; i < 32; i++)
        (void)snprintf(wanted + 2 * i, 3, "%02x", 'k');
    (void)snprintf(line, sizeof line, " key %s... (40 bytes)", wanted);
    ck_assert_ptr_nonnull(strstr(text, line));
    ck_assert_ptr_nonnull(strstr(text, "cost 5 left"));
    ck_assert_int_eq(brim_insert(c, NULL, 0, value_new(3, 1), 1, &empty), BRIM_OK);
    ck_assert_uint_eq(out_now(), 3);
    ck_assert_ptr_nonnull(strstr(text, " key  (0 bytes)"));
    brim_release(empty);
    brim_release(a);
    brim_release(r);
    ck_assert_uint_eq(out_now(), 0);
    finish_on(c, &h);
}
END_TEST

START_TEST(sites_with_a_name_and_with_none)
{
    brim_ref *r;

    c = cache_on(&h, 100);
    ck_assert_int_eq(put_ref(c, 1, 1, 5, &r), BRIM_OK);
    pins_note(c, r, false, (const void *)(uintptr_t)strtod); /* that of a function which the program imports */
    pins_note(c, r, false, (const void *)(uintptr_t)16);
    ck_assert_uint_eq(out_now(), 3);
    ck_assert_ptr_nonnull(strstr(text, ")\n"));
    ck_assert_ptr_nonnull(strstr(text, " s from 0x10\n"));
    ck_assert(pins_forget(r, "test") && pins_forget(r, "test"));
    brim_release(r);
    finish_on(c, &h);
}
END_TEST

/* Every call that gives out a ref, and what it gives. */
START_TEST(each_call_is_traced)
{
    enum { REFS = 13 };
    uint64_t k = 1, k2 = 2, k3 = 3, k4 = 4, k5 = 5, k6 = 6;
    brim_bytes keys[] = {{&k, sizeof k}, {&k2, sizeof k2}};
    maker m = {.id = 9, .cost = 1};
    brim_claim_options o = claim_defaults();
    brim_ref *r[REFS], *many[2], *none;
    brim_load *l, *loads[2];
    brim_status statuses[2];
    brim_key *key;
    unsigned n = 0;

    c = cache_on(&h, 100);
    brim_set_debug_hook(hear, NULL);
    ck_assert_int_eq(put_ref(c, k, 1, 1, &r[n++]), BRIM_OK);
    ck_assert_int_eq(put(c, k2, 2, 1), BRIM_OK);
    ck_assert_ptr_nonnull(r[n++] = brim_find(c, BRIM_KEY(k)));
    ck_assert_ptr_nonnull(r[n++] = brim_ref_copy(r[0]));
    key = brim_ref_key(r[0]);
    ck_assert_ptr_nonnull(r[n++] = brim_key_find(key));
    ck_assert_int_eq(get(c, k, &m, &r[n++]), BRIM_OK);
    ck_assert_int_eq(get(c, k3, &m, &r[n++]), BRIM_OK);
    ck_assert_int_eq(brim_claim(c, BRIM_KEY(k), 0, &r[n++], &l), BRIM_OK);
    ck_assert_int_eq(brim_claim_with(c, BRIM_KEY(k), NULL, &r[n++], &l), BRIM_OK);
    ck_assert_int_eq(brim_wrap(c, value_new(3, 1), 1, NULL, &r[n++]), BRIM_OK);
    ck_assert_int_eq(brim_key_get(&key, make_value, &m, &r[n++]), BRIM_OK);
    ck_assert_int_eq(brim_insert_or_wrap(c, BRIM_KEY(k4), value_new(4, 1), 1, NULL, &r[n++]), BRIM_OK);
    ck_assert_uint_eq(out_now(), n);
    ck_assert_uint_eq(brim_find_many(c, keys, 2, many), 2);
    ck_assert_uint_eq(out_now(), n + 2);
    ck_assert_int_eq(brim_claim(c, BRIM_KEY(k5), 0, &none, &l), BRIM_CLAIMED);
    ck_assert_uint_eq(out_now(), n + 3);
    ck_assert_ptr_nonnull(strstr(text, "load 0x"));
    ck_assert_int_eq(finish_load(l, 5, 1, &r[n++]), BRIM_OK);
    ck_assert_uint_eq(out_now(), n + 2);
    ck_assert_uint_le(n, REFS);
    ck_assert_uint_eq(brim_claim_many(c, keys, 2, NULL, many + 0, loads, statuses), 2); /* held twice now */
    ck_assert_uint_eq(out_now(), n + 4);
    for (int i = 0; i < 2; i++) {
        brim_release(many[i]);
        brim_release(many[i]);
    }
    keys[0] = keys[1] = (brim_bytes){&k6, sizeof k6};
    ck_assert_uint_eq(brim_claim_many(c, keys, 2, NULL, many, loads, statuses), 0);
    ck_assert_int_eq(statuses[1], BRIM_PENDING);
    ck_assert_uint_eq(out_now(), n + 1); /* the load, and for the other nothing */
    statuses[0] = BRIM_CLAIMED;
    ck_assert_uint_eq(brim_claim_many(c, keys, 0, NULL, many, loads, statuses), 0);
    ck_assert_uint_eq(brim_claim_many(c, keys, 0, &o, many, loads, statuses), 0);
    ck_assert_uint_eq(out_now(), n + 1);
    brim_load_fail(loads[0], 1);
    ck_assert_int_eq(brim_claim_with(c, BRIM_KEY(k6), NULL, &none, &l), BRIM_CLAIMED);
    ck_assert_uint_eq(out_now(), n + 1);
    brim_load_fail(l, 1);
    for (unsigned i = 0; i < n; i++)
        brim_release(r[i]);
    ck_assert_uint_eq(out_now(), 0);
    ck_assert_uint_eq(messages, 0);
    brim_key_drop(key);
    no_loads(c, 5);
    brim_set_debug_hook(NULL, NULL);
    finish_on(c, &h);
}
END_TEST

START_TEST(what_done_is_given_is_traced)
{
    brim_load *l;
    told t;

    c = cache_on(&h, 100);
    brim_set_debug_hook(hear, NULL);
    l = claim(c, 1);
    (void)wait_for(c, 1, &t);
    ck_assert_int_eq(finish_load(l, 1, 1, NULL), BRIM_OK);
    told_got(&t, 1, true); /* who has released it without a message */
    ck_assert_uint_eq(messages, 0);
    ck_assert_uint_eq(out_now(), 0);
    brim_set_debug_hook(NULL, NULL);
    finish_on(c, &h);
}
END_TEST

START_TEST(released_twice)
{
    brim_ref *r, *again;

    c = cache_on(&h, 100);
    brim_set_debug_hook(hear, NULL);
    ck_assert_int_eq(put_ref(c, 1, 1, 5, &r), BRIM_OK);
    brim_release(r);
    ck_assert_uint_eq(messages, 0);
    brim_release(r);
    expect_heard(1, "brim_release:");
    ck_assert(!brim_release_with(r, BRIM_REMOVE_IF_LAST));
    expect_heard(2, "brim_release_with:");
    ck_assert_uint_eq(brim_pinned(c), 0);
    ck_assert_uint_eq(found_id(c, 1), 1);
    ck_assert(brim_check(c, stderr));
    again = brim_find(c, BRIM_KEY((uint64_t){1})); /* of the same entry, and so the same handle */
    ck_assert_ptr_eq(again, r);
    ck_assert(brim_release_with(again, BRIM_REMOVE_IF_LAST));
    ck_assert_uint_eq(messages, 2);
    brim_set_debug_hook(NULL, NULL);
    finish_on(c, &h);
}
END_TEST

START_TEST(consumed_twice)
{
    brim_ref *out = (brim_ref *)text;
    value *v = value_new(1, 5), *unwanted = value_new(2, 5);
    brim_load *l;

    c = cache_on(&h, 100);
    brim_set_debug_hook(hear, NULL);
    l = claim(c, 1);
    ck_assert_int_eq(brim_load_finish(l, v, 5, NULL), BRIM_OK);
    ck_assert_int_eq(brim_load_finish(l, unwanted, 5, &out), BRIM_INVALID);
    expect_heard(1, "brim_load_finish:");
    ck_assert_ptr_null(out);
    ck_assert(value_alive(unwanted, 2));
    brim_load_fail(l, 1);
    expect_heard(2, "brim_load_fail:");
    ck_assert_uint_eq(found_id(c, 1), 1);
    ck_assert_uint_eq(out_now(), 0);
    no_loads(c, 1);
    value_discard(unwanted);
    brim_set_debug_hook(NULL, NULL);
    finish_on(c, &h);
}
END_TEST

/* A load that was not consumed, for its bad options, is out as before. */
START_TEST(not_consumed)
{
    brim_entry_options e = entry_defaults();
    brim_load *l;

    c = cache_on(&h, 100);
    brim_set_debug_hook(hear, NULL);
    l = claim(c, 1);
    e.priority = 5;
    ck_assert_int_eq(brim_load_finish_with(l, NULL, 5, &e, NULL), BRIM_INVALID);
    ck_assert_uint_eq(out_now(), 1);
    brim_load_fail(l, 1);
    ck_assert_uint_eq(messages, 0);
    ck_assert_uint_eq(out_now(), 0);
    brim_set_debug_hook(NULL, NULL);
    finish_on(c, &h);
}
END_TEST

/* Of several of one entry that of the thread goes which releases; a ref may be released elsewhere all the same. */
static brim_ref *theirs;

static void find_it(unsigned id, void *arg)
{
    (void)id;
    theirs = brim_find(arg, BRIM_KEY((uint64_t){1}));
}

static void release_it(unsigned id, void *arg)
{
    (void)id;
    (void)arg;
    brim_release(theirs);
}

START_TEST(threads_are_told_apart)
{
    char own[64];
    brim_cache *other = make_value_cache(10);
    brim_ref *r, *elsewhere;

    c = cache_on(&h, 100);
    brim_set_debug_hook(hear, NULL);
    ck_assert_int_eq(put_ref(other, 1, 1, 5, &elsewhere), BRIM_OK);
    (void)snprintf(own, sizeof own, "thread %u ", thread_self()->number);
    ck_assert_int_eq(put_ref(c, 1, 1, 5, &r), BRIM_OK);
    crew_do(1, find_it, c);
    ck_assert_uint_eq(out_now(), 2); /* not those of other caches */
    brim_release(r);
    ck_assert_uint_eq(out_now(), 1);
    ck_assert_ptr_null(strstr(text, own)); /* the other's is out */
    brim_release(theirs);
    ck_assert_uint_eq(out_now(), 0);
    theirs = brim_find(c, BRIM_KEY((uint64_t){1}));
    crew_do(1, release_it, NULL);
    ck_assert_uint_eq(out_now(), 0);
    ck_assert_uint_eq(messages, 0);
    brim_release(elsewhere);
    brim_set_debug_hook(NULL, NULL);
    brim_cache_free(other);
    finish_on(c, &h);
}
END_TEST

enum { MANY = 5000 }; /* more than there are buckets */

/* Of those in one bucket each is itself. */
START_TEST(many_are_told_apart)
{
    static const char loads[16 * MANY];

    c = cache_on(&h, 100);
    brim_set_debug_hook(hear, NULL);
    for (int i = 0; i < MANY; i++)
        pins_note(c, loads + (ptrdiff_t)16 * i, true, NULL);
    for (int i = 0; i < MANY; i += 2)
        ck_assert(pins_forget(loads + (ptrdiff_t)16 * i, "test"));
    ck_assert_uint_eq(messages, 0);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(pins_forget(loads + (ptrdiff_t)16 * i, "test"), i % 2 == 1);
    ck_assert_uint_eq(messages, MANY / 2);
    brim_set_debug_hook(NULL, NULL);
    finish_on(c, &h);
}
END_TEST

static bool no_memory;

void *malloc(size_t n)
{
    return no_memory ? NULL : calloc(1, n);
}

/* What could not be noted is out all the same: nothing that is given back is called misuse any more. */
START_TEST(without_memory_nothing_is_misuse)
{
    brim_ref *r;

    c = cache_on(&h, 100);
    brim_set_debug_hook(hear, NULL);
    ck_assert_int_eq(put(c, 1, 1, 5), BRIM_OK);
    no_memory = true;
    r = brim_find(c, BRIM_KEY((uint64_t){1}));
    no_memory = false;
    ck_assert_uint_eq(id_of(r), 1);
    ck_assert_uint_eq(out_now(), 0);
    brim_release(r);
    ck_assert_uint_eq(messages, 0);
    ck_assert_uint_eq(brim_pinned(c), 0);
    brim_set_debug_hook(NULL, NULL);
    finish_on(c, &h);
}
END_TEST

#endif

int main(void)
{
    TCase *tc = suite_case("pins");

    tcase_add_test(tc, nothing_to_nowhere);
#ifndef BRIM_TRACE_REFS
    tcase_add_test(tc, it_does_not_know);
#else
    tcase_add_test(tc, key_thread_and_site);
    tcase_add_test(tc, sites_with_a_name_and_with_none);
    tcase_add_test(tc, each_call_is_traced);
    tcase_add_test(tc, what_done_is_given_is_traced);
    tcase_add_test(tc, released_twice);
    tcase_add_test(tc, consumed_twice);
    tcase_add_test(tc, not_consumed);
    tcase_add_test(tc, threads_are_told_apart);
    tcase_add_test(tc, many_are_told_apart);
    tcase_add_test(tc, without_memory_nothing_is_misuse); /* the last: it is so for the rest of the process */
#endif
    return suite_run(tc);
}
