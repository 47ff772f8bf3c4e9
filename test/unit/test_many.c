/* SPDX-License-Identifier: MIT
 *
 * cache/many: one answer for each key, whatever the batches, in its place; what is no key counts as nothing.
 */
#include "support/stale.h"
#include "unit/caches.h"

enum { MOST = 50, FIND_MANY = 0, FIND_FIXED, PEEK_MANY, PEEK_FIXED, WAYS };

static void *const junk = (void *)(uintptr_t)0x10;

static brim_cache *c;
static struct { uint64_t key, padding; } keys[MOST];
static brim_bytes bytes[MOST];
static brim_ref *refs[MOST + 1];
static void *values[MOST + 1];

static void expect_counts(uint64_t hits, uint64_t misses)
{
    brim_stats s = stats_of(c);

    ck_assert_uint_eq(s.hits, hits);
    ck_assert_uint_eq(s.misses, misses);
}

/* Every third of the keys 0 to MOST - 1 is not there; the id of the others is theirs + 1000. */
static bool is_there(size_t i)
{
    return i % 3 != 2;
}

static void make(void)
{
    c = make_borrow_cache(1000);
    for (size_t i = 0; i < MOST; i++) {
        keys[i].key = i;
        bytes[i] = (brim_bytes){&keys[i].key, sizeof keys[i].key};
        if (is_there(i))
            ck_assert_int_eq(put(c, i, 1000 + i, 1), BRIM_OK);
    }
    begin_reading(c);
}

static void unmake(void)
{
    brim_read_end(c);
    finish(c);
}

static size_t ask(int way, size_t n)
{
    for (size_t i = 0; i <= MOST; i++) {
        refs[i] = junk;
        values[i] = junk;
    }
    switch (way) {
    case FIND_MANY: return brim_find_many(c, bytes, n, refs);
    case FIND_FIXED: return brim_find_fixed(c, &keys[0].key, sizeof keys[0].key, sizeof keys[0], n, refs);
    case PEEK_MANY: return brim_peek_many(c, bytes, n, values);
    default: return brim_peek_fixed(c, &keys[0].key, sizeof keys[0].key, sizeof keys[0], n, values);
    }
}

/* The value of the i-th answer, and the ref is released. */
static value *answer(int way, size_t i)
{
    value *v;

    if (way > FIND_FIXED)
        return values[i];
    v = brim_ref_value(refs[i]);
    brim_release(refs[i]);
    return v;
}

START_TEST(batches_of_all_sizes)
{
    static const size_t sizes[] = {0, 1, 2, 15, 16, 17, 31, 32, 33, 48, 49, MOST};
    size_t asked = 0, found = 0;

    make();
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        size_t n = sizes[k], hits = ask(_i, n), there = 0;

        ck_assert_ptr_eq(refs[n], junk);
        ck_assert_ptr_eq(values[n], junk);
        for (size_t i = 0; i < n; i++) {
            value *v = answer(_i, i);
            ck_assert_int_eq(v != NULL, is_there(i));
            ck_assert(v == NULL || value_alive(v, 1000 + i));
            there += v != NULL;
        }
        ck_assert_uint_eq(hits, there);
        asked += n;
        found += there;
    }
    expect_counts(found, asked - found);
    ck_assert_uint_eq(brim_pinned(c), 0);
    unmake();
}
END_TEST

START_TEST(bad_keys_among_good_ones)
{
    make();
    bytes[0].data = NULL;
    bytes[15].len = (size_t)UINT32_MAX + 1;
    bytes[16] = (brim_bytes){NULL, 1};
    ck_assert_uint_eq(ask(_i, 18), 9); /* of 12 */
    for (size_t i = 0; i < 18; i++)
        ck_assert_int_eq(answer(_i, i) != NULL, is_there(i) && i != 0 && i != 15 && i != 16);
    expect_counts(9, 6);
    unmake();
}
END_TEST

START_TEST(no_keys_no_cache_no_place)
{
    make();
    ask(FIND_MANY, 0);
    ck_assert_uint_eq(brim_find_many(c, NULL, 3, refs), 0);
    ck_assert_uint_eq(brim_peek_many(c, NULL, 3, values), 0);
    ck_assert_uint_eq(brim_find_fixed(NULL, keys, 8, 8, 5, refs), 0);
    ck_assert_uint_eq(brim_peek_fixed(NULL, keys, 8, 8, 5, values), 0);
    ck_assert_uint_eq(brim_key_find_many(NULL, 6, refs), 0);
    ck_assert_uint_eq(brim_key_find_many(NULL, 0, refs + 6), 0);
    ck_assert_uint_eq(brim_key_find_many((brim_key *const[]){NULL}, 0, refs + 6), 0);
    for (int i = 0; i < 5; i++) {
        ck_assert_ptr_null(refs[i]);
        ck_assert_ptr_null(values[i]);
    }
    ck_assert_ptr_null(refs[5]);
    ck_assert_ptr_eq(refs[6], junk);
    ck_assert_ptr_eq(values[5], junk);
    ck_assert_uint_eq(brim_find_many(c, bytes, 3, NULL), 0);
    ck_assert_uint_eq(brim_peek_many(c, bytes, 3, NULL), 0);
    ck_assert_uint_eq(brim_find_fixed(c, keys, 8, 8, 3, NULL), 0);
    ck_assert_uint_eq(brim_key_find_many(NULL, 3, NULL), 0);
    brim_release_many(NULL, 3);
    expect_counts(0, 0);
    brim_read_end(c);
    ck_assert_uint_eq(ask(PEEK_MANY, 20), 0); /* no section */
    for (int i = 0; i < 20; i++)
        ck_assert_ptr_null(values[i]);
    expect_counts(0, 0);
    finish(c);
}
END_TEST

START_TEST(the_empty_key_many_times)
{
    make();
    ck_assert_int_eq(brim_insert(c, NULL, 0, value_new(7, 1), 1, NULL), BRIM_OK);
    ck_assert_uint_eq(brim_find_fixed(c, NULL, 0, 0, 17, refs), 17);
    ck_assert_uint_eq(brim_peek_fixed(c, NULL, 0, 0, 17, values), 17);
    for (int i = 0; i < 17; i++) {
        ck_assert_ptr_eq(refs[i], refs[0]);
        ck_assert(value_alive(values[i], 7));
    }
    ck_assert_uint_eq(brim_pinned(c), 1);
    brim_release_many(refs, 17);
    ck_assert_uint_eq(brim_pinned(c), 0);
    unmake();
}
END_TEST

START_TEST(what_is_found_is_used)
{
    brim_ref *r;

    make();
    r = brim_find(c, bytes[1].data, bytes[1].len);
    (void)entry_take_use(entry_of_ref(r));
    for (int way = 0; way < WAYS; way++) {
        ck_assert_uint_eq(ask(way, 2), 2);
        (void)answer(way, 0);
        (void)answer(way, 1);
        ck_assert(entry_take_use(entry_of_ref(r)));
        ck_assert(!entry_take_use(entry_of_ref(r)));
    }
    brim_release(r);
    unmake();
}
END_TEST

static const look_how looks[] = {
    LOOK_FIND_MANY, LOOK_FIND_FIXED, LOOK_PEEK_MANY, LOOK_PEEK_FIXED, LOOK_KEY_FIND_MANY};

/* Those are not found, nor is a hold on them left; others of groups are found. */
START_TEST(what_is_stale)
{
    brim_entry_options e;
    looked stale, fresh;

    c = make_borrow_cache(1000);
    brim_entry_options_init(&e);
    e.group = brim_group_new(c);
    look_start(&fresh, c, 1000, &e, false);
    brim_group_drop(e.group);
    e.group = brim_group_new(c);
    look_start(&stale, c, 2000, &e, false);
    brim_group_invalidate(e.group);
    ck_assert_uint_eq(look(&stale, looks[_i]), 0);
    ck_assert_uint_eq(look(&fresh, looks[_i]), LOOKED);
    expect_counts(LOOKED, LOOKED);
    ck_assert_uint_eq(brim_pinned(c), 0);
    look_end(&fresh);
    look_end(&stale);
    brim_group_drop(e.group);
    finish(c);
}
END_TEST

/* Keys of two caches, of what has left, and none; refs that are the last. */
START_TEST(by_handle_and_back)
{
    brim_cache *other = make_value_cache(1000);
    brim_key *handles[MOST];
    size_t there = 0;

    make();
    for (size_t i = 0; i < MOST; i++) {
        handles[i] = NULL;
        if (i % 5 == 0)
            continue;
        ck_assert_int_eq(brim_insert_anonymous(i % 2 == 0 ? c : other, value_new(i, 1), 1, NULL, &handles[i], NULL),
                         BRIM_OK);
        if (i % 5 == 1)
            ck_assert(brim_key_remove(handles[i]));
    }
    ck_assert_uint_eq(brim_key_find_many(handles, MOST, refs), MOST / 5 * 3);
    for (size_t i = 0; i < MOST; i++) {
        ck_assert_int_eq(refs[i] != NULL, i % 5 > 1);
        ck_assert(refs[i] == NULL || value_alive(brim_ref_value(refs[i]), i));
        there += refs[i] != NULL && i % 2 == 0;
    }
    expect_counts(there, MOST / 10); /* NULL is no miss */
    ck_assert_uint_eq(brim_pinned(c), there);
    for (size_t i = 0; i < MOST; i++) {
        (void)brim_key_remove(handles[i]);
        brim_key_drop(handles[i]);
    }
    brim_read_end(c);
    ck_assert(value_alive(brim_ref_value(refs[MOST - 1]), MOST - 1));
    brim_release_many(refs, MOST);
    ck_assert_uint_eq(brim_pinned(c) + brim_pinned(other), 0);
    ck_assert_uint_eq(stats_of(c).values + stats_of(other).values, stats_of(c).count);
    brim_cache_free(other);
    finish(c);
}
END_TEST

/* One whose hash has the tag of ${hash}, from ${key} on. */
static uint64_t key_with_tag_of(uint64_t hash, uint64_t key)
{
    while (hash_tag(hash_bytes(&c->hash, &key, sizeof key)) != hash_tag(hash))
        key++;
    return key;
}

/* Its index has one bucket: what has the same tag is shown. */
static void make_small(void)
{
    brim_options o = borrow_options(100);

    o.shards = 1;
    o.seed = 7;
    c = make_cache(&o);
    begin_reading(c);
}

/* A key that is none has the hash 0 for as long as the batch is looked up: what lies there is not its. */
START_TEST(a_bad_key_where_something_lies)
{
    brim_bytes none[3] = {{NULL, 1}, {NULL, (size_t)UINT32_MAX + 1}, {NULL, sizeof(uint64_t)}};

    make_small();
    ck_assert_int_eq(put(c, key_with_tag_of(0, 0), 1, 1), BRIM_OK);
    if (c->shards[0].index.table->buckets == 1)
        ck_assert_ptr_nonnull(index_first(cache_index(c, 0), 0));
    ck_assert_uint_eq(brim_find_many(c, none, 3, refs), 0);
    ck_assert_uint_eq(brim_peek_many(c, none, 3, values), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_ptr_null(refs[i]);
        ck_assert_ptr_null(values[i]);
    }
    expect_counts(0, 0);
    unmake();
}
END_TEST

/* The tag shows another's entry, wherever in the batch. */
START_TEST(a_tag_of_two)
{
    uint64_t hash;

    make_small();
    keys[0].key = 0;
    hash = hash_bytes(&c->hash, &keys[0].key, sizeof keys[0].key);
    keys[1].key = key_with_tag_of(hash, 1);
    keys[2].key = key_with_tag_of(hash, keys[1].key + 1);
    for (int i = 0; i < 3; i++)
        bytes[i] = (brim_bytes){&keys[i].key, sizeof keys[i].key};
    ck_assert_int_eq(put(c, keys[0].key, 1, 1), BRIM_OK);
    if (c->shards[0].index.table->buckets == 1)
        ck_assert_ptr_nonnull(
            index_first(cache_index(c, 0), hash_bytes(&c->hash, &keys[2].key, sizeof keys[2].key)));
    ck_assert_uint_eq(ask(_i, 3), 1);
    ck_assert(value_alive(answer(_i, 0), 1));
    ck_assert_ptr_null(answer(_i, 1));
    ck_assert_ptr_null(answer(_i, 2));
    unmake();
}
END_TEST

#ifdef BRIM_TRACE_REFS
static unsigned misuses;

static void hear(const char *message, void *arg)
{
    (void)arg;
    misuses += strstr(message, "brim_release_many") != NULL;
}

START_TEST(released_twice)
{
    make();
    ck_assert_uint_eq(ask(FIND_MANY, 1), 1);
    refs[1] = refs[0];
    refs[2] = NULL; /* no misuse */
    misuses = 0;
    brim_set_debug_hook(hear, NULL);
    brim_release_many(refs, 3);
    brim_set_debug_hook(NULL, NULL);
    ck_assert_uint_eq(misuses, 1);
    ck_assert_uint_eq(brim_pinned(c), 0);
    unmake();
}
END_TEST
#endif

#ifdef BRIM_INTERFERE
static void ask_for_none(void *arg)
{
    EXPECT(ask(*(int *)arg, 0) == 0);
}

static void find_at_null(void *arg)
{
    (void)arg;
    EXPECT(brim_find_many(c, NULL, 3, refs) == 0);
}

static void peek_at_null(void *arg)
{
    (void)arg;
    EXPECT(brim_peek_many(c, NULL, 3, values) == 0);
}

static void release_none(void *arg)
{
    (void)arg;
    brim_release_many(refs, 0);
}

/* Of no keys and no refs nothing is read or written: not even a section begins. */
START_TEST(no_keys_no_work)
{
    make();
    for (int way = 0; way < WAYS; way++)
        ck_assert_uint_eq(operations_of(ask_for_none, &way), 0);
    ck_assert_uint_eq(operations_of(find_at_null, NULL), 0);
    ck_assert_uint_eq(operations_of(peek_at_null, NULL), 2); /* the stripe, and whether it has a section */
    ck_assert_uint_eq(operations_of(release_none, NULL), 0);
    unmake();
}
END_TEST

static void find_one(void *arg)
{
    (void)arg;
    refs[0] = brim_find(c, bytes[0].data, bytes[0].len);
    brim_release(refs[0]);
}

static void find_many_of_one(void *arg)
{
    (void)arg;
    EXPECT(brim_find_many(c, bytes, 1, refs) == 1);
    brim_release(refs[0]);
}

static void peek_at_one(void *arg)
{
    (void)arg;
    EXPECT(brim_peek(c, bytes[0].data, bytes[0].len) != NULL);
}

static void peek_at_many_of_one(void *arg)
{
    (void)arg;
    EXPECT(brim_peek_many(c, bytes, 1, values) == 1);
}

/* What the tag has shown is not looked up again: one read more asks ahead, and two operations count the misses. */
START_TEST(each_is_looked_up_once)
{
    make();
    ck_assert_uint_le(operations_of(find_many_of_one, NULL), operations_of(find_one, NULL) + 3);
    ck_assert_uint_le(operations_of(peek_at_many_of_one, NULL), operations_of(peek_at_one, NULL) + 3);
    unmake();
}
END_TEST

static struct { worker by; brim_key *key; unsigned shown; } beside;

static void peek_beside(void *arg)
{
    uint64_t hash = hash_bytes(&c->hash, bytes[0].data, bytes[0].len);
    bool there = brim_key_is_valid(beside.key);

    (void)arg;
    beside.shown += !there && index_first(cache_index(c, hash_place(hash)), hash) != NULL;
    EXPECT(brim_peek_many(c, bytes, 1, values) == there);
}

static void do_beside(void *arg)
{
    worker_do(&beside.by, peek_beside, arg);
}

static void read_beside(void *arg)
{
    (void)arg;
    begin_reading(c);
}

static void end_beside(void *arg)
{
    (void)arg;
    brim_read_end(c);
}

/* What leaves is not peeked at as soon as anybody can tell that it has left, though the index shows it still. */
START_TEST(what_leaves_meanwhile)
{
    bool met = true;

    worker_start(&beside.by);
    for (unsigned after = 0; met; after++) {
        brim_ref *r;

        make();
        r = brim_find(c, bytes[0].data, bytes[0].len);
        beside.key = brim_ref_key(r);
        brim_release(r);
        worker_do(&beside.by, read_beside, NULL);
        atom_interfere(after, do_beside, NULL);
        ck_assert(brim_remove(c, bytes[0].data, bytes[0].len));
        met = atom_has_interfered();
        worker_do(&beside.by, end_beside, NULL);
        brim_key_drop(beside.key);
        unmake();
    }
    worker_end(&beside.by);
    ck_assert_uint_gt(beside.shown, 0);
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("many");

    tcase_add_loop_test(tc, batches_of_all_sizes, 0, WAYS);
    tcase_add_loop_test(tc, bad_keys_among_good_ones, FIND_MANY, FIND_MANY + 1);
    tcase_add_loop_test(tc, bad_keys_among_good_ones, PEEK_MANY, PEEK_MANY + 1);
    tcase_add_test(tc, no_keys_no_cache_no_place);
    tcase_add_test(tc, the_empty_key_many_times);
    tcase_add_test(tc, what_is_found_is_used);
    tcase_add_loop_test(tc, what_is_stale, 0, (int)(sizeof looks / sizeof looks[0]));
    tcase_add_test(tc, by_handle_and_back);
    tcase_add_test(tc, a_bad_key_where_something_lies);
    tcase_add_loop_test(tc, a_tag_of_two, 0, WAYS);
#ifdef BRIM_TRACE_REFS
    tcase_add_test(tc, released_twice);
#endif
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, no_keys_no_work);
    tcase_add_test(tc, each_is_looked_up_once);
    tcase_add_test(tc, what_leaves_meanwhile);
#endif
    return suite_run(tc);
}
