/* SPDX-License-Identifier: MIT
 *
 * Sections, one thread: what each call gives within and without one, what is counted, what a section's end
 * does.
 */
#include "support/support.h"
#include <time.h>

static void *const junk = (void *)(uintptr_t)0x10;

static size_t peek_one_of_many(brim_cache *c, uint64_t key, void **out)
{
    brim_bytes bytes = {&key, sizeof key};

    *out = junk;
    return brim_peek_many(c, &bytes, 1, out);
}

static size_t peek_one_fixed(brim_cache *c, uint64_t key, void **out)
{
    *out = junk;
    return brim_peek_fixed(c, &key, sizeof key, sizeof key, 1, out);
}

static brim_key *key_of(brim_cache *c, uint64_t key)
{
    brim_ref *r = brim_find(c, BRIM_KEY(key));
    brim_key *k = brim_ref_key(r);

    brim_release(r);
    return k;
}

/* ---- Without a section ---- */

static void peeks_give_nothing(brim_cache *c, brim_key *k)
{
    uint64_t key = 1;
    void *v;

    ck_assert_ptr_null(brim_peek(c, BRIM_KEY(key)));
    ck_assert_ptr_null(brim_borrow(c, BRIM_KEY(key)));
    ck_assert_ptr_null(brim_key_peek(k));
    ck_assert_uint_eq(peek_one_of_many(c, key, &v), 0);
    ck_assert_ptr_null(v);
    ck_assert_uint_eq(peek_one_fixed(c, key, &v), 0);
    ck_assert_ptr_null(v);
}

START_TEST(test_sections_need_the_option)
{
    brim_cache *c = make_value_cache(100);
    brim_stats stats;
    brim_key *k;

    ck_assert_int_eq(put(c, 1, 1, 1), BRIM_OK);
    k = key_of(c, 1);
    ck_assert_int_eq(brim_read_begin(c), BRIM_UNSUPPORTED);
    peeks_give_nothing(c, k);
    brim_read_refresh(c);
    brim_read_end(c);
    stats = stats_of(c);
    ck_assert_uint_eq(stats.sections, 0);
    ck_assert_uint_eq(stats.waiting, 0);
    ck_assert_uint_eq(stats.waiting_values, 0);
    ck_assert_uint_eq(stats.waiting_ns, 0);
    ck_assert_uint_eq(found_id(c, 1), 1);
    brim_key_drop(k);
    finish(c);
}
END_TEST

START_TEST(test_sections_in_no_cache)
{
    ck_assert_int_eq(brim_read_begin(NULL), BRIM_INVALID);
    peeks_give_nothing(NULL, NULL);
    brim_read_refresh(NULL);
    brim_read_end(NULL);
    ck_assert_ptr_null(brim_ref_hold(NULL));
    ck_assert_uint_eq(brim_peek_many(NULL, NULL, 0, NULL), 0);
    ck_assert_uint_eq(brim_peek_fixed(NULL, NULL, 8, 8, 0, NULL), 0);
}
END_TEST

START_TEST(test_sections_without_one_nothing_is_lent)
{
    brim_cache *c = make_borrow_cache(100), *other = make_borrow_cache(100);
    brim_key *k;

    ck_assert_int_eq(put(c, 1, 1, 1), BRIM_OK);
    k = key_of(c, 1);
    peeks_give_nothing(c, k);
    brim_read_end(c);
    brim_read_refresh(c);
    ck_assert_uint_eq(stats_of(c).sections, 0);
    begin_reading(other); /* a section in another cache is none in this one */
    peeks_give_nothing(c, k);
    brim_read_end(c);
    ck_assert_uint_eq(stats_of(other).sections, 1);
    brim_read_end(other);
    brim_read_end(other);
    ck_assert_uint_eq(stats_of(other).sections, 0);
    begin_reading(c); /* ends too many are not remembered */
    ck_assert(value_alive(brim_key_peek(k), 1));
    brim_read_end(c);
    peeks_give_nothing(c, k);
    brim_key_drop(k);
    brim_cache_free(other);
    finish(c);
}
END_TEST

static void count_message(const char *message, void *arg)
{
    EXPECT(message != NULL && message[0] != '\0');
    ++*(unsigned *)arg;
}

START_TEST(test_sections_mistakes_are_told_to_the_hook)
{
#ifdef NDEBUG
    const bool tells = false;
#else
    const bool tells = true;
#endif
    brim_cache *c = make_borrow_cache(100);
    unsigned messages = 0;
    uint64_t key = 1;

    ck_assert_int_eq(put(c, 1, 1, 1), BRIM_OK);
    brim_set_debug_hook(count_message, &messages);
    ck_assert_ptr_null(brim_peek(c, BRIM_KEY(key)));
    ck_assert_int_eq(messages > 0, tells);
    messages = 0;
    brim_read_end(c);
    ck_assert_int_eq(messages > 0, tells);
    messages = 0;
    brim_read_refresh(c);
    ck_assert_int_eq(messages > 0, tells);
    messages = 0;
    begin_reading(c);
    ck_assert_ptr_nonnull(brim_peek(c, BRIM_KEY(key)));
    key = 2;
    ck_assert_ptr_null(brim_peek(c, BRIM_KEY(key)));
    brim_read_refresh(c);
    brim_read_end(c);
    ck_assert_uint_eq(messages, 0);
    brim_set_debug_hook(NULL, NULL);
    finish(c);
}
END_TEST

/* ---- What a peek gives ---- */

START_TEST(test_sections_peeks_of_hits_misses_and_null_values)
{
    brim_cache *c = make_borrow_cache(100);
    uint64_t there = 1, null = 2, none = 3;
    const brim_ref *r;
    brim_key *k, *null_key;
    void *v;

    ck_assert_int_eq(put(c, there, 77, 5), BRIM_OK);
    ck_assert_int_eq(brim_insert(c, BRIM_KEY(null), NULL, 3, NULL), BRIM_OK);
    k = key_of(c, there);
    null_key = key_of(c, null);
    begin_reading(c);
    ck_assert(value_alive(brim_peek(c, BRIM_KEY(there)), 77));
    ck_assert(value_alive(brim_key_peek(k), 77));
    ck_assert_uint_eq(peek_one_of_many(c, there, &v), 1);
    ck_assert(value_alive(v, 77));
    ck_assert_uint_eq(peek_one_fixed(c, there, &v), 1);
    ck_assert(value_alive(v, 77));
    ck_assert_ptr_null(brim_peek(c, BRIM_KEY(null)));
    ck_assert_ptr_null(brim_key_peek(null_key));
    ck_assert_uint_eq(peek_one_of_many(c, null, &v), 1);
    ck_assert_ptr_null(v);
    ck_assert_uint_eq(peek_one_fixed(c, null, &v), 1);
    ck_assert_ptr_null(v);
    r = brim_borrow(c, BRIM_KEY(null));
    ck_assert_ptr_nonnull(r);
    ck_assert_ptr_null(brim_ref_value(r));
    ck_assert_uint_eq(brim_ref_cost(r), 3);
    ck_assert_ptr_null(brim_peek(c, BRIM_KEY(none)));
    ck_assert_ptr_null(brim_borrow(c, BRIM_KEY(none)));
    ck_assert_ptr_null(brim_key_peek(NULL));
    ck_assert_uint_eq(peek_one_of_many(c, none, &v), 0);
    ck_assert_ptr_null(v);
    ck_assert_uint_eq(peek_one_fixed(c, none, &v), 0);
    ck_assert_ptr_null(v);
    ck_assert_ptr_null(brim_peek(c, NULL, 1));
    ck_assert_ptr_null(brim_borrow(c, NULL, 1));
    ck_assert_ptr_null(brim_peek(c, NULL, 0));
    brim_read_end(c);
    ck_assert_uint_eq(brim_pinned(c), 0);
    brim_key_drop(k);
    brim_key_drop(null_key);
    finish(c);
}
END_TEST

START_TEST(test_sections_a_borrowed_ref_tells_all)
{
    static const brim_kind kind = {.size = sizeof(brim_kind), .destroy = value_destroy};
    brim_cache *c = make_borrow_cache(100);
    brim_entry_options e;
    char text[200];
    const brim_ref *r, *empty;
    size_t len = 0;

    memset(text, 'x', sizeof text);
    brim_entry_options_init(&e);
    e.kind = &kind;
    ck_assert_int_eq(brim_insert_with(c, text, sizeof text, value_new(9, 21), 21, &e, NULL), BRIM_OK);
    ck_assert_int_eq(brim_insert(c, NULL, 0, value_new(10, 1), 1, NULL), BRIM_OK);
    begin_reading(c);
    r = brim_borrow(c, text, sizeof text);
    empty = brim_borrow(c, "", 0);
    ck_assert_ptr_nonnull(r);
    ck_assert_ptr_nonnull(empty);
    for (int left = 0; left < 2; left++) {
        ck_assert(value_alive(brim_ref_value(r), 9));
        ck_assert_uint_eq(brim_ref_cost(r), 21);
        ck_assert_ptr_eq(brim_ref_kind(r), &kind);
        ck_assert_ptr_nonnull(brim_ref_key_bytes(r, &len));
        ck_assert_uint_eq(len, sizeof text);
        ck_assert_mem_eq(brim_ref_key_bytes(r, NULL), text, sizeof text);
        ck_assert_int_eq(brim_ref_is_cached(r), left == 0);
        ck_assert(value_alive(brim_ref_value(empty), 10));
        ck_assert_ptr_nonnull(brim_ref_key_bytes(empty, &len));
        ck_assert_uint_eq(len, 0);
        ck_assert(brim_remove(c, text, sizeof text) == (left == 0));
    }
    ck_assert(brim_ref_is_cached(empty));
    ck_assert_ptr_null(brim_borrow(c, text, sizeof text));
    brim_read_end(c);
    ck_assert_uint_eq(values_live(), 1);
    finish(c);
}
END_TEST

START_TEST(test_sections_peeks_by_key_of_what_left)
{
    brim_cache *c = make_borrow_cache(1000);
    uint64_t removed = 1, replaced = 2;
    brim_key *k[4], *anonymous = NULL;
    void *before, *v;

    ck_assert_int_eq(put(c, removed, 1, 1), BRIM_OK);
    ck_assert_int_eq(put(c, replaced, 2, 1), BRIM_OK);
    ck_assert_int_eq(put(c, 3, 3, 1), BRIM_OK);
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(4, 1), 1, NULL, &anonymous, NULL), BRIM_OK);
    for (uint64_t i = 1; i < 4; i++)
        k[i] = key_of(c, i);
    begin_reading(c);
    before = brim_key_peek(k[1]);
    ck_assert(value_alive(before, 1));
    ck_assert(brim_remove(c, BRIM_KEY(removed)));
    ck_assert_int_eq(put(c, replaced, 12, 1), BRIM_OK);
    ck_assert_ptr_null(brim_key_peek(k[1]));
    ck_assert_ptr_null(brim_key_peek(k[2]));
    ck_assert(value_alive(brim_peek(c, BRIM_KEY(replaced)), 12));
    v = brim_key_peek(k[3]);
    brim_key_drop(k[3]); /* the value stays, and so does the entry */
    ck_assert(value_alive(v, 3));
    v = brim_key_peek(anonymous);
    ck_assert(value_alive(v, 4));
    brim_key_drop(anonymous);
    ck_assert_uint_eq(brim_trim(c, 0), 3);
    ck_assert(value_alive(v, 4));
    ck_assert(value_alive(before, 1));
    brim_key_drop(k[1]);
    brim_key_drop(k[2]);
    ck_assert(value_alive(before, 1));
    ck_assert_uint_eq(values_live(), 5);
    brim_read_end(c);
    ck_assert_uint_eq(values_live(), 0);
    finish(c);
}
END_TEST

/* ---- Many at once ---- */

static const size_t sizes[] = {0, 1, 15, 16, 17, 31, 32, 33, 1000, 100000};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* Every third misses, every third has a NULL value, some come several times. */
START_TEST(test_sections_peeks_of_many)
{
    size_t n = sizes[_i] > 33 ? (size_t)SCALED((int)sizes[_i]) : sizes[_i], hits = 0;
    brim_cache *c = make_borrow_cache(1u << 30);
    uint64_t *names = malloc((n + 1) * sizeof *names), state = 31;
    brim_bytes *keys = malloc((n + 1) * sizeof *keys);
    void **values = malloc((n + 1) * sizeof *values);
    brim_stats stats;

    for (uint64_t i = 0; i < n; i++) {
        names[i] = random_next(&state) % 8 == 0 ? random_next(&state) % (i + 1) : i;
        keys[i] = (brim_bytes){&names[i], sizeof *names};
        if (i % 3 == 0)
            ck_assert_int_eq(put(c, i, i, 1), BRIM_OK);
        if (i % 3 == 1)
            ck_assert_int_eq(brim_insert(c, BRIM_KEY(i), NULL, 1, NULL), BRIM_OK);
        hits += names[i] % 3 != 2;
    }
    begin_reading(c);
    for (int fixed = 0; fixed < 2; fixed++) {
        for (size_t i = 0; i <= n; i++)
            values[i] = junk;
        ck_assert_uint_eq(
            fixed ? brim_peek_fixed(c, names, 8, 8, n, values) : brim_peek_many(c, keys, n, values), hits);
        for (size_t i = 0; i < n; i++) {
            if (names[i] % 3 == 0)
                ck_assert(value_alive(values[i], names[i]));
            else
                ck_assert_ptr_null(values[i]);
        }
        ck_assert_ptr_eq(values[n], junk);
    }
    stats = stats_of(c);
    ck_assert_uint_eq(stats.hits, 2 * hits);
    ck_assert_uint_eq(stats.misses, 2 * (n - hits));
    brim_read_end(c);
    for (size_t i = 0; i <= n; i++)
        values[i] = junk;
    ck_assert_uint_eq(brim_peek_many(c, keys, n, values), 0); /* no section: nothing, but written */
    for (size_t i = 0; i < n; i++)
        ck_assert_ptr_null(values[i]);
    ck_assert_ptr_eq(values[n], junk);
    free(names);
    free(keys);
    free(values);
    finish(c);
}
END_TEST

static const struct {
    size_t len, stride, n;
} layouts[] = {{0, 0, 5}, {0, 8, 20},   {1, 3, 40},    {8, 24, 100},
               {8, 0, 9}, {16, 16, 17}, {17, 18, 100}, {300, 512, 33}};
enum { LAYOUTS = sizeof layouts / sizeof *layouts };

START_TEST(test_sections_peeks_of_fixed_keys_of_any_length_and_stride)
{
    size_t len = layouts[_i].len, stride = layouts[_i].stride, n = layouts[_i].n,
           bytes = (n - 1) * stride + len;
    brim_cache *c = make_borrow_cache(1u << 30);
    unsigned char *text = malloc(bytes + (bytes == 0));
    void *values[128];
    uint64_t state = 99;
    size_t hits = 0;

    for (size_t i = 0; i < bytes; i++)
        text[i] = (unsigned char)random_next(&state);
    for (size_t i = 0; i < n; i++)
        if (i % 3 != 1)
            ck_assert_int_eq(brim_insert(c, text + i * stride, len, value_new(i, 1), 1, NULL), BRIM_OK);
    begin_reading(c);
    for (size_t i = 0; i < n; i++)
        values[i] = junk;
    hits = brim_peek_fixed(c, text, len, stride, n, values);
    for (size_t i = 0; i < n; i++) {
        void *v = brim_peek(c, text + i * stride, len);

        ck_assert_ptr_eq(values[i], v);
        hits -= v != NULL;
    }
    ck_assert_uint_eq(hits, 0);
    ck_assert_ptr_nonnull(values[0]);
    brim_read_end(c);
    free(text);
    finish(c);
}
END_TEST

START_TEST(test_sections_peeks_of_keys_that_are_none)
{
    brim_cache *c = make_borrow_cache(1000);
    brim_bytes keys[20];
    void *values[20];
    size_t hits = 0;

    ck_assert_int_eq(brim_insert(c, NULL, 0, value_new(5, 1), 1, NULL), BRIM_OK);
    for (size_t i = 0; i < 20; i++) {
        keys[i] = (brim_bytes){NULL, i % 3};
        values[i] = junk;
        hits += i % 3 == 0;
    }
    begin_reading(c);
    ck_assert_uint_eq(brim_peek_many(c, keys, 20, values), hits);
    for (size_t i = 0; i < 20; i++)
        ck_assert_ptr_eq(values[i], i % 3 == 0 ? values[0] : NULL);
    ck_assert(value_alive(values[0], 5));
    ck_assert_uint_eq(brim_peek_fixed(c, NULL, 0, 8, 20, values), 20);
    ck_assert_uint_eq(brim_peek_fixed(c, NULL, 8, 8, 20, values), 0);
    ck_assert_ptr_null(values[19]);
    brim_read_end(c);
    finish(c);
}
END_TEST

/* ---- Counting ---- */

START_TEST(test_sections_hits_misses_and_sections_are_counted)
{
    brim_cache *c = make_borrow_cache(100);
    uint64_t there = 1, none = 2;
    brim_key *k;

    ck_assert_int_eq(put(c, 1, 1, 1), BRIM_OK);
    k = key_of(c, 1); /* a hit */
    begin_reading(c);
    ck_assert_uint_eq(stats_of(c).sections, 1);
    begin_reading(c);
    ck_assert_uint_eq(stats_of(c).sections, 1);
    for (int i = 0; i < 10; i++) {
        ck_assert_ptr_nonnull(brim_peek(c, BRIM_KEY(there)));
        ck_assert_ptr_nonnull(brim_borrow(c, BRIM_KEY(there)));
        ck_assert_ptr_nonnull(brim_key_peek(k));
        ck_assert_ptr_null(brim_peek(c, BRIM_KEY(none)));
        ck_assert_ptr_null(brim_borrow(c, BRIM_KEY(none)));
    }
    ck_assert_uint_eq(stats_of(c).hits, 31);
    ck_assert_uint_eq(stats_of(c).misses, 20);
    ck_assert(brim_remove(c, BRIM_KEY(there)));
    ck_assert_ptr_null(brim_key_peek(k));
    ck_assert_uint_eq(stats_of(c).hits, 31);
    ck_assert_uint_eq(stats_of(c).misses, 21);
    brim_read_end(c);
    ck_assert_uint_eq(stats_of(c).sections, 1);
    brim_read_end(c);
    ck_assert_uint_eq(stats_of(c).sections, 0);
    brim_key_drop(k);
    finish(c);
}
END_TEST

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

START_TEST(test_sections_what_waits_is_counted)
{
    brim_cache *c = make_borrow_cache(1000);
    brim_stats stats;
    uint64_t start;

    for (uint64_t i = 0; i < 10; i++)
        ck_assert_int_eq(put(c, i, i, 10 + i), BRIM_OK);
    begin_reading(c);
    stats = stats_of(c);
    ck_assert_uint_eq(stats.waiting + stats.waiting_values + stats.waiting_ns, 0);
    start = now_ns();
    for (uint64_t i = 0; i < 4; i++) {
        ck_assert(brim_remove(c, BRIM_KEY(i)));
        stats = stats_of(c);
        ck_assert_uint_eq(stats.waiting, 10 * (i + 1) + i * (i + 1) / 2);
        ck_assert_uint_eq(stats.waiting_values, i + 1);
        ck_assert_uint_eq(stats.used, 145);
        ck_assert_uint_eq(stats.values, 10);
        ck_assert_uint_eq(stats.count, 9 - i);
        ck_assert_uint_eq(stats.pinned, 0);
    }
    ck_assert_uint_eq(brim_used(c), 145);
    while ((stats = stats_of(c)).waiting_ns < 2000000)
        ck_assert_uint_lt(now_ns() - start, UINT64_C(20000000000)); /* it grows */
    ck_assert_uint_le(stats.waiting_ns, now_ns() - start + 20000000);
    brim_read_end(c);
    stats = stats_of(c);
    ck_assert_uint_eq(stats.waiting + stats.waiting_values + stats.waiting_ns, 0);
    ck_assert_uint_eq(stats.used, 145 - 46);
    ck_assert_uint_eq(stats.values, 6);
    ck_assert_uint_eq(values_live(), 6);
    finish(c);
}
END_TEST

START_TEST(test_sections_peeks_count_as_uses)
{
    enum { N = 4096 };
    brim_options o = borrow_options(N);
    brim_cache *c;
    size_t used_ones = 0, others = 0;
    uint64_t names[N / 2];
    void *values[N / 2];
    brim_key **keys = calloc(N, sizeof *keys);

    o.seed = 12345;
    o.shards = 1;
    c = make_cache(&o);
    for (uint64_t i = 0; i < N; i++) {
        brim_ref *r = NULL;

        ck_assert_int_eq(put_ref(c, i, i, 1, &r), BRIM_OK);
        keys[i] = brim_ref_key(r);
        brim_release(r);
    }
    begin_reading(c);
    for (uint64_t i = 0; i < N; i += 2) {
        names[i / 2] = i;
        if (_i == 0)
            ck_assert_ptr_nonnull(brim_peek(c, BRIM_KEY(i)));
        if (_i == 1)
            ck_assert_ptr_nonnull(brim_borrow(c, BRIM_KEY(i)));
        if (_i == 2)
            ck_assert_ptr_nonnull(brim_key_peek(keys[i]));
    }
    if (_i == 3)
        ck_assert_uint_eq(brim_peek_fixed(c, names, 8, 8, N / 2, values), N / 2);
    brim_read_end(c);
    for (uint64_t i = 0; i < N; i++)
        brim_key_drop(keys[i]);
    free(keys);
    for (uint64_t i = 0; i < N / 4; i++)
        ck_assert_int_eq(put(c, N + i, N + i, 1), BRIM_OK);
    for (uint64_t i = 0; i < N; i += 2) {
        used_ones += has(c, i);
        others += has(c, i + 1);
    }
    ck_assert_msg(used_ones > others + N / 16, "%zu of the used, %zu of the others stayed", used_ones,
                  others);
    finish(c);
}
END_TEST

/* ---- Nesting and refreshing ---- */

START_TEST(test_sections_nest)
{
    enum { DEPTH = 1000 };
    brim_cache *c = make_borrow_cache(100);
    uint64_t key = 1;
    void *v = NULL;

    ck_assert_int_eq(put(c, 1, 1, 1), BRIM_OK);
    for (int i = 0; i < DEPTH; i++) {
        begin_reading(c);
        if (i == DEPTH / 2) {
            v = brim_peek(c, BRIM_KEY(key));
            ck_assert(brim_remove(c, BRIM_KEY(key)));
        }
    }
    for (int i = 0; i < DEPTH; i++) {
        ck_assert(value_alive(v, 1));
        ck_assert_uint_eq(stats_of(c).sections, 1);
        ck_assert_uint_eq(brim_used(c), 1);
        brim_read_end(c);
    }
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(brim_used(c), 0);
    ck_assert_uint_eq(stats_of(c).sections, 0);
    finish(c);
}
END_TEST

START_TEST(test_sections_refresh_lets_go)
{
    brim_cache *c = make_borrow_cache(100);
    brim_ref *held = NULL;

    for (uint64_t i = 1; i <= 5; i++)
        ck_assert_int_eq(put(c, i, i, 10), BRIM_OK);
    begin_reading(c);
    for (uint64_t i = 1; i <= 3; i++) {
        const brim_ref *r = brim_borrow(c, BRIM_KEY(i));

        ck_assert_ptr_nonnull(r);
        if (i == 2)
            held = brim_ref_hold(r);
        ck_assert(brim_remove(c, BRIM_KEY(i)));
        ck_assert_uint_eq(brim_used(c), i == 1 ? 50 : 40);
        brim_read_refresh(c);
        ck_assert_uint_eq(brim_used(c), i == 3 ? 30 : 40);
        ck_assert_uint_eq(stats_of(c).sections, 1);
        ck_assert_uint_eq(values_live(), i == 3 ? 3 : 4);
    }
    ck_assert(value_alive(brim_ref_value(held), 2));
    brim_release(held);
    brim_read_refresh(c);
    ck_assert_uint_eq(values_live(), 2);
    for (uint64_t i = 4; i <= 5; i++)
        ck_assert(value_alive(brim_peek(c, BRIM_KEY(i)), i)); /* it goes on */
    brim_read_end(c);
    finish(c);
}
END_TEST

START_TEST(test_sections_a_nested_refresh_does_nothing)
{
    brim_cache *c = make_borrow_cache(100);
    uint64_t key = 1;
    void *v;

    ck_assert_int_eq(put(c, 1, 1, 10), BRIM_OK);
    begin_reading(c);
    v = brim_peek(c, BRIM_KEY(key));
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    begin_reading(c);
    brim_read_refresh(c);
    ck_assert(value_alive(v, 1));
    begin_reading(c);
    brim_read_refresh(c);
    brim_read_end(c);
    ck_assert(value_alive(v, 1));
    brim_read_end(c);
    ck_assert(value_alive(v, 1));
    ck_assert_uint_eq(stats_of(c).waiting, 10);
    brim_read_refresh(c); /* the outermost again */
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(stats_of(c).waiting, 0);
    brim_read_end(c);
    finish(c);
}
END_TEST

/* ---- Room ---- */

START_TEST(test_sections_own_waiting_values_make_an_insert_full)
{
    enum { N = 1000 };
    brim_options o = borrow_options(N * 10);
    brim_cache *c;
    uint64_t key = 5;
    size_t live;
    void *v;

    o.shards = _i == 0 ? 1 : 0;
    c = make_cache(&o);
    for (uint64_t i = 0; i < N; i++)
        ck_assert_int_eq(put(c, i, i, 10), BRIM_OK);
    ck_assert_uint_eq(brim_count(c), N);
    begin_reading(c);
    v = brim_peek(c, BRIM_KEY(key));
    for (uint64_t i = 0; i < 100; i++) {
        ck_assert_int_eq(put(c, N + i, N + i, 10), BRIM_FULL);
        ck_assert_uint_le(brim_used(c), N * 10);
    }
    ck_assert_int_eq(put(c, N, N, 600), BRIM_FULL);
    ck_assert_int_eq(brim_reserve(c, 10), BRIM_FULL);
    ck_assert_msg(brim_count(c) > N - N / 5, "only %zu are left", brim_count(c));
    ck_assert(value_alive(v, 5));
    ck_assert_uint_eq(values_live(), N);
    brim_read_end(c);
    live = values_live();
    ck_assert_uint_eq(live, brim_count(c)); /* what waited has gone */
    for (uint64_t i = 0; i < 100; i++)
        ck_assert_int_eq(put(c, N + i, N + i, 10), BRIM_OK);
    ck_assert_uint_le(brim_used(c), N * 10);
    finish(c);
}
END_TEST

START_TEST(test_sections_what_waits_leaves_no_room_and_then_does)
{
    brim_cache *c = make_borrow_cache(100);
    uint64_t key = 1;

    ck_assert_int_eq(put(c, 1, 1, 60), BRIM_OK);
    begin_reading(c);
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    ck_assert_int_eq(put(c, 2, 2, 41), BRIM_FULL);
    ck_assert_int_eq(put(c, 2, 2, 40), BRIM_OK);
    ck_assert_uint_eq(brim_used(c), 100);
    ck_assert_int_eq(put(c, 3, 3, 1), BRIM_FULL);
    brim_read_end(c);
    ck_assert_int_eq(put(c, 3, 3, 60), BRIM_OK);
    ck_assert_int_eq(put(c, 4, 4, 100), BRIM_OK);
    ck_assert_uint_eq(found_id(c, 4), 4);
    finish(c);
}
END_TEST

START_TEST(test_sections_replacing_in_ones_own)
{
    brim_cache *c = make_borrow_cache(100);
    brim_key *k;
    uint64_t key = 1;

    ck_assert_int_eq(put(c, 1, 0, 10), BRIM_OK);
    k = key_of(c, 1);
    begin_reading(c);
    for (uint64_t i = 1; i < 10; i++) { /* each waits */
        value *v = value_new(i, 10);

        if (i % 2 == 0)
            ck_assert_int_eq(brim_insert(c, BRIM_KEY(key), v, 10, NULL), BRIM_OK);
        else
            ck_assert_int_eq(brim_key_replace(&k, v, 10), BRIM_OK);
        if (i % 2 == 0) {
            brim_key_drop(k);
            k = key_of(c, 1);
        }
        ck_assert(value_alive(brim_key_peek(k), i));
        ck_assert_uint_eq(brim_used(c), 10 * (i + 1));
        ck_assert_uint_eq(stats_of(c).waiting_values, i);
    }
    ck_assert_int_eq(put(c, 1, 10, 10), BRIM_FULL);
    ck_assert_uint_eq(values_live(), 10);
    brim_read_end(c);
    ck_assert_uint_eq(values_live(), brim_count(c));
    ck_assert_int_eq(put(c, 1, 11, 10), BRIM_OK);
    brim_key_drop(k);
    finish(c);
}
END_TEST

START_TEST(test_sections_drain_in_ones_own)
{
    brim_cache *c = make_borrow_cache(100);
    uint64_t key = 1;

    ck_assert_int_eq(put(c, 1, 1, 10), BRIM_OK);
    begin_reading(c);
    ck_assert_int_eq(brim_drain(c, -1), BRIM_DEADLOCK);
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    ck_assert_int_eq(brim_drain(c, -1), BRIM_DEADLOCK);
    ck_assert_int_eq(brim_drain(c, 100), BRIM_DEADLOCK);
    ck_assert_uint_eq(values_live(), 1);
    brim_read_refresh(c);
    ck_assert_uint_eq(values_live(), 0);
    brim_read_end(c);
    ck_assert_int_eq(brim_drain(c, -1), BRIM_OK);
    ck_assert_int_eq(brim_drain(c, -1), BRIM_OK);
    ck_assert_uint_eq(values_live(), 0);
    finish(c);
}
END_TEST

START_TEST(test_sections_without_one_nothing_waits_long)
{
    brim_cache *c = make_borrow_cache(1000);
    uint64_t key = 0;

    for (uint64_t i = 0; i < 20; i++)
        ck_assert_int_eq(put(c, i, i, 10), BRIM_OK);
    begin_reading(c); /* a section that is over is in nobody's way */
    brim_read_end(c);
    for (; key < 5; key++)
        ck_assert(brim_remove(c, BRIM_KEY(key)));
    switch (_i) {
    case 0: ck_assert_int_eq(put(c, 100, 100, 10), BRIM_OK); break;
    case 1: ck_assert_int_eq(brim_drain(c, 0), BRIM_OK); break;
    case 2: ck_assert_int_eq(put(c, 19, 119, 10), BRIM_OK); break;
    default: brim_clear(c); break;
    }
    ck_assert_uint_le(values_live(), _i % 2 == 0 ? 16 : 15); /* with what that call itself put or replaced */
    settle_cache(c);
    ck_assert_uint_eq(values_live(), brim_count(c));
    ck_assert_uint_eq(brim_used(c), 10 * brim_count(c));
    ck_assert_uint_eq(stats_of(c).waiting, 0);
    finish(c);
}
END_TEST

/* ---- Everything may be called in a section ---- */

static bool visit(brim_ref *lent, void *arg)
{
    ++*(unsigned *)arg;
    return brim_ref_value(lent) != NULL;
}

static bool every_other(brim_ref *lent, void *arg)
{
    (void)arg;
    return id_of(lent) % 2 == 0;
}

START_TEST(test_sections_allow_every_call)
{
    brim_cache *c = make_borrow_cache(100000), *other;
    brim_slot slot = BRIM_SLOT_INIT;
    brim_ref *r = NULL, *wrapped = NULL;
    unsigned visited = 0;
    uint64_t key = 50;
    value *v;

    for (uint64_t i = 0; i < 100; i++)
        ck_assert_int_eq(put(c, i, i, 10), BRIM_OK);
    begin_reading(c);
    v = brim_peek(c, BRIM_KEY(key));
    ck_assert_uint_eq(found_id(c, 50), 50);
    ck_assert(has(c, 50));
    r = brim_find(c, BRIM_KEY(key));
    brim_slot_init(&slot, brim_ref_key(r));
    ck_assert_int_eq(brim_ref_set_cost(r, 10), BRIM_OK);
    brim_release(r);
    brim_release(brim_slot_find(&slot));
    brim_slot_store(&slot, NULL);
    ck_assert_uint_eq(brim_for_each(c, visit, &visited), 100);
    ck_assert_uint_eq(visited, 100);
    ck_assert_uint_eq(brim_remove_if(c, every_other, NULL), 50);
    ck_assert(brim_check(c, stderr));
    ck_assert_int_eq(brim_wrap(c, value_new(1, 1), 1, NULL, &wrapped), BRIM_OK);
    brim_release(wrapped);
    ck_assert_int_eq(brim_set_capacity(c, 50000), BRIM_OK);
    ck_assert_int_eq(brim_reserve(c, 10), BRIM_OK);
    brim_unreserve(c, 10);
    ck_assert_int_eq(put_ref(c, 51, 1051, 10, &r), BRIM_OK);
    ck_assert(brim_release_with(r, BRIM_REMOVE_IF_LAST));
    other = make_borrow_cache(10);
    ck_assert_int_eq(put(other, 1, 1, 1), BRIM_OK);
    brim_cache_free(other);
    brim_clear(c);
    ck_assert(brim_check(c, stderr));
    ck_assert(value_alive(v, 50));
    ck_assert_uint_eq(brim_used(c), stats_of(c).waiting);
    ck_assert_uint_ge(brim_used(c), 1000);
    brim_read_end(c);
    ck_assert_uint_eq(brim_used(c), 0);
    finish(c);
}
END_TEST

/* ---- Destructors that brim_read_end runs ---- */

static struct {
    brim_cache *cache;
    unsigned calls, depth, removed;
} nested;

static void calling_destroy(void *p, size_t cost, void *arg)
{
    uint64_t id = ((value *)p)->id, key = 5000, victim = 100 + id;
    brim_cache *c = nested.cache;
    brim_status s;

    value_destroy(p, cost, arg);
    EXPECT(nested.depth++ == 0);
    nested.calls++;
    if (id < 100 && !in_trouble()) {
        EXPECT(put(c, 1000 + id, 1000 + id, 1) == BRIM_OK);
        nested.removed += brim_remove(c, BRIM_KEY(victim));
        s = brim_read_begin(c);
        EXPECT(s == BRIM_OK);
        EXPECT(value_alive(brim_peek(c, BRIM_KEY(key)), 5000));
        brim_read_refresh(c);
        EXPECT(value_alive(brim_peek(c, BRIM_KEY(key)), 5000));
        brim_read_end(c);
        EXPECT(brim_drain(c, -1) == BRIM_DEADLOCK);
    }
    nested.depth--;
}

static const brim_kind calling_kind = {.size = sizeof(brim_kind), .destroy = calling_destroy};

static void no_message(const char *message, void *arg)
{
    (void)message;
    (void)arg;
}

START_TEST(test_sections_ends_run_destructors_that_call_brim)
{
    enum { N = 40 };
    brim_options o = borrow_options(100000);

    brim_set_debug_hook(no_message, NULL);
    o.kind = &calling_kind;
    memset(&nested, 0, sizeof nested);
    nested.cache = make_cache(&o);
    ck_assert_int_eq(put(nested.cache, 5000, 5000, 1), BRIM_OK);
    for (uint64_t i = 0; i < 2 * N; i++)
        ck_assert_int_eq(put(nested.cache, i < N ? i : 100 + i - N, i < N ? i : 100 + i - N, 1), BRIM_OK);
    begin_reading(nested.cache);
    for (uint64_t i = 0; i < N; i++) {
        ck_assert_ptr_nonnull(brim_peek(nested.cache, BRIM_KEY(i)));
        ck_assert(brim_remove(nested.cache, BRIM_KEY(i)));
    }
    ck_assert_uint_eq(nested.calls, 0);
    if (_i == 0)
        brim_read_end(nested.cache);
    else
        brim_read_refresh(nested.cache);
    ck_assert_uint_ge(nested.calls, N);
    ck_assert_uint_eq(nested.removed, N);
    if (_i != 0)
        brim_read_end(nested.cache);
    settle_cache(nested.cache);
    ck_assert_uint_eq(nested.calls, 2 * N);
    ck_assert_uint_eq(values_destroyed(), 2 * N);
    ck_assert_uint_eq(brim_count(nested.cache), 1 + N);
    ck_assert_uint_eq(stats_of(nested.cache).sections, 0);
    finish(nested.cache);
    brim_set_debug_hook(NULL, NULL);
}
END_TEST

/* ---- Several caches ---- */

START_TEST(test_sections_in_many_caches_at_once)
{
    enum { CACHES = 40 };
    brim_cache *c[CACHES];
    void *v[CACHES];
    uint64_t key = 1;

    for (uint64_t i = 0; i < CACHES; i++) {
        c[i] = make_borrow_cache(100);
        ck_assert_int_eq(put(c[i], 1, i, 1), BRIM_OK);
        begin_reading(c[i]);
        v[i] = brim_peek(c[i], BRIM_KEY(key));
        ck_assert(brim_remove(c[i], BRIM_KEY(key)));
    }
    for (size_t i = 0; i < CACHES; i++) {
        size_t j = i * 7 % CACHES; /* in another order */

        for (size_t k = i; k < CACHES; k++)
            ck_assert(value_alive(v[k * 7 % CACHES], k * 7 % CACHES));
        brim_read_end(c[j]);
        ck_assert_uint_eq(stats_of(c[j]).sections, 0);
        ck_assert_uint_eq(values_live(), CACHES - 1 - i);
    }
    for (int i = 0; i < CACHES; i++) {
        ck_assert(brim_check(c[i], stderr));
        brim_cache_free(c[i]);
    }
}
END_TEST

/* ---- The bounds hold as without borrowing ---- */

START_TEST(test_sections_entries_fill_the_capacity_exactly)
{
    enum { BIG = 1 << 20, TILE = 16 << 10 };

    for (unsigned shards = 0; shards <= 64; shards = shards == 0 ? 1 : shards * 4) {
        brim_options o = borrow_options(BIG);
        brim_cache *c;

        o.shards = shards;
        o.expected_cost = TILE;
        c = make_cache(&o);
        for (uint64_t i = 0; i < 64; i++)
            ck_assert_int_eq(put(c, i, i, TILE), BRIM_OK);
        ck_assert_uint_eq(brim_used(c), BIG);
        ck_assert_uint_eq(brim_count(c), 64);
        for (uint64_t i = 0; i < 64; i++)
            ck_assert_uint_eq(found_id(c, i), i);
        for (uint64_t i = 64; i < 200; i++) {
            ck_assert_int_eq(put(c, i, i, TILE), BRIM_OK);
            ck_assert_uint_eq(found_id(c, i), i);
            ck_assert_uint_le(brim_used(c), BIG);
            ck_assert_uint_ge(brim_count(c), 62); /* a 64th is evicted ahead, at most */
        }
        ck_assert_int_eq(put(c, 1000, 1000, BIG), BRIM_OK);
        ck_assert_uint_eq(brim_count(c), 1);
        ck_assert_int_eq(put(c, 1001, 1001, BIG), BRIM_OK);
        ck_assert_uint_eq(found_id(c, 1001), 1001);
        finish(c);
    }
}
END_TEST

/* ---- Charges of what waits */

START_TEST(test_sections_overhead_waits_with_its_value)
{
    brim_options o = borrow_options(100000);
    brim_cache *c;
    brim_stats stats;
    size_t used;

    o.charge_overhead = true;
    c = make_cache(&o);
    for (uint64_t i = 0; i < 10; i++)
        ck_assert_int_eq(put(c, i, i, 10), BRIM_OK);
    used = brim_used(c);
    ck_assert_uint_gt(used, 100);
    begin_reading(c);
    for (uint64_t i = 0; i < 5; i++)
        ck_assert(brim_remove(c, BRIM_KEY(i)));
    stats = stats_of(c);
    ck_assert_uint_eq(stats.used, used);
    ck_assert_uint_eq(stats.waiting, used / 2);
    ck_assert_uint_eq(stats.waiting_values, 5);
    brim_read_end(c);
    ck_assert_uint_eq(brim_used(c), used / 2);
    brim_clear(c);
    settle_cache(c);
    ck_assert_uint_eq(brim_used(c), 0);
    finish(c);
}
END_TEST

START_TEST(test_sections_a_cost_that_changed_waits)
{
    brim_cache *c = make_borrow_cache(1000);
    brim_ref *r = NULL;
    uint64_t key = 1;
    value *v;

    ck_assert_int_eq(put_ref(c, 1, 1, 10, &r), BRIM_OK);
    begin_reading(c);
    v = brim_peek(c, BRIM_KEY(key));
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    ck_assert_int_eq(brim_ref_set_cost(r, 300), BRIM_OK);
    v->cost = 300;
    ck_assert_uint_eq(brim_used(c), 300);
    ck_assert_uint_eq(brim_pinned(c), 300);
    brim_release(r);
    ck_assert_uint_eq(brim_pinned(c), 0);
    ck_assert_uint_eq(brim_used(c), 300);
    ck_assert_uint_eq(stats_of(c).waiting, 300);
    ck_assert(value_alive(v, 1));
    brim_read_end(c);
    ck_assert_uint_eq(brim_used(c), 0);
    ck_assert_uint_eq(values_live(), 0);
    finish(c);
}
END_TEST

START_TEST(test_sections_wrapped_and_refused_values)
{
    brim_cache *c = make_borrow_cache(100);
    brim_entry_options e;
    brim_ref *wrapped = NULL, *refused = NULL, *there = NULL;
    uint64_t key = 1;
    void *v;

    brim_entry_options_init(&e);
    ck_assert_int_eq(put(c, 1, 1, 10), BRIM_OK);
    begin_reading(c);
    v = brim_peek(c, BRIM_KEY(key));
    ck_assert_int_eq(brim_wrap(c, value_new(2, 500), 500, NULL, &wrapped), BRIM_OK);
    ck_assert_int_eq(brim_insert_or_wrap(c, BRIM_KEY(key), value_new(3, 500), 500, NULL, &refused),
                     BRIM_TOO_BIG); /* and the old entry has gone */
    ck_assert(value_alive(v, 1));
    ck_assert_uint_eq(stats_of(c).uncharged, 1000);
    ck_assert_uint_eq(stats_of(c).waiting, 10);
    ck_assert_int_eq(put(c, 1, 4, 10), BRIM_OK);
    e.only_if_absent = true;
    ck_assert_int_eq(brim_insert_or_wrap(c, BRIM_KEY(key), value_new(5, 10), 10, &e, &there), BRIM_EXISTS);
    ck_assert_uint_eq(id_of(there), 4);
    brim_release(wrapped);
    brim_release(refused);
    brim_release(there);
    ck_assert(value_alive(v, 1));
    ck_assert_uint_eq(brim_used(c), 20);
    brim_read_end(c);
    settle_cache(c);
    ck_assert_uint_eq(stats_of(c).uncharged, 0);
    ck_assert_uint_eq(brim_used(c), 10);
    ck_assert_uint_eq(values_live(), 1);
    finish(c);
}
END_TEST

START_TEST(test_sections_statistics_by_kind_include_what_waits)
{
    static const brim_kind kind = {.size = sizeof(brim_kind), .destroy = value_destroy};
    brim_cache *c = make_borrow_cache(1000);
    brim_entry_options e;
    brim_stats stats;
    uint64_t key = 1;

    brim_entry_options_init(&e);
    e.kind = &kind;
    ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(key), value_new(1, 30), 30, &e, NULL), BRIM_OK);
    ck_assert_int_eq(put(c, 2, 2, 5), BRIM_OK);
    begin_reading(c);
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    brim_stats_get_sized(c, &kind, &stats, sizeof stats);
    ck_assert_uint_eq(stats.used, 30);
    ck_assert_uint_eq(stats.values, 1);
    brim_read_end(c);
    brim_stats_get_sized(c, &kind, &stats, sizeof stats);
    ck_assert_uint_eq(stats.used, 0);
    ck_assert_uint_eq(stats.values, 0);
    finish(c);
}
END_TEST

/* A program that inserts only within sections, one a frame, does get new values into a full cache. */
START_TEST(test_sections_inserts_within_frames_go_on)
{
    brim_cache *c = make_borrow_cache(1000);
    unsigned oks = 0;

    for (uint64_t i = 0; i < 100; i++)
        ck_assert_int_eq(put(c, i, i, 10), BRIM_OK);
    for (uint64_t frame = 0; frame < 1000; frame++) {
        uint64_t key = 1000 + frame;

        begin_reading(c);
        if (put(c, key, key, 10) == BRIM_OK) {
            ck_assert(value_alive(brim_peek(c, BRIM_KEY(key)), key));
            oks++;
        }
        ck_assert_uint_le(brim_used(c), 1000);
        brim_read_end(c);
        ck_assert_uint_gt(brim_count(c), 80);
    }
    ck_assert_uint_gt(oks, 400);
    finish(c);
}
END_TEST

/* A borrowed ref's entry is not another one's before the end, also if its value needs no destruction: 0 an
 * ordinary value, 1 NULL, 2 one of a kind without a destructor; + 3: as long as a key of its own is. */
START_TEST(test_sections_a_borrowed_entry_is_not_reused)
{
    enum { N = 64, MORE = 5000 };
    static const brim_kind kind = {.size = sizeof(brim_kind), .name = "no destructor"};
    brim_cache *c = make_borrow_cache(1u << 30);
    const brim_ref *lent[N];
    char text[200] = {0};
    size_t length = _i < 3 ? sizeof(uint64_t) : sizeof text, len;
    brim_entry_options e;
    void *v = NULL;

    brim_entry_options_init(&e);
    if (_i % 3 == 2)
        e.kind = &kind;
    begin_reading(c);
    for (uint64_t i = 0; i < N + MORE; i++) {
        memcpy(text, &i, sizeof i);
        if (_i % 3 == 0)
            v = value_new(i, i);
        if (_i % 3 == 2)
            v = junk;
        ck_assert_int_eq(brim_insert_with(c, text, length, v, i, &e, NULL), BRIM_OK);
        if (i < N) {
            lent[i] = brim_borrow(c, text, length);
            ck_assert_ptr_nonnull(lent[i]);
        }
        if (i < N || i % 2 == 0)
            ck_assert(brim_remove(c, text, length));
    }
    for (uint64_t i = 0; i < N; i++) {
        const void *bytes = brim_ref_key_bytes(lent[i], &len);

        memcpy(text, &i, sizeof i);
        ck_assert_uint_eq(len, length);
        ck_assert_mem_eq(bytes, text, length);
        ck_assert_uint_eq(brim_ref_cost(lent[i]), i);
        ck_assert_ptr_eq(brim_ref_kind(lent[i]), _i % 3 == 2 ? &kind : &value_kind);
        ck_assert(!brim_ref_is_cached(lent[i]));
        if (_i % 3 == 0)
            ck_assert(value_alive(brim_ref_value(lent[i]), i));
        else
            ck_assert_ptr_eq(brim_ref_value(lent[i]), v);
        if (i % 4 == 0) /* and it can still be held */
            brim_release(brim_ref_hold(lent[i]));
    }
    ck_assert_uint_eq(stats_of(c).waiting_values, N + MORE / 2);
    brim_read_end(c);
    ck_assert_uint_eq(stats_of(c).waiting_values, 0);
    ck_assert_uint_eq(stats_of(c).values, MORE / 2);
    brim_clear(c);
    settle_cache(c);
    ck_assert_uint_eq(brim_used(c), 0);
    finish(c);
}
END_TEST

/* Once it has been freed no section begins; while it is, either is right. */
static brim_status begun_while_freed;

static void beginning_destroy(void *p, size_t cost, void *arg)
{
    begun_while_freed = brim_read_begin(nested.cache);
    if (begun_while_freed == BRIM_OK)
        brim_read_end(nested.cache);
    value_destroy(p, cost, arg);
}

START_TEST(test_sections_do_not_begin_while_the_cache_is_freed)
{
    static const brim_kind kind = {.size = sizeof(brim_kind), .destroy = beginning_destroy};
    brim_options o = borrow_options(100);

    o.kind = &kind;
    nested.cache = make_cache(&o);
    ck_assert_int_eq(put(nested.cache, 1, 1, 1), BRIM_OK);
    begun_while_freed = BRIM_OK;
    if (_i == 0) {
        brim_cache_free(nested.cache);
    } else { /* the destructor runs in the end of a section that outlived the cache */
        begin_reading(nested.cache);
        brim_cache_free(nested.cache);
        ck_assert_uint_eq(values_live(), 1);
        brim_read_end(nested.cache);
    }
    ck_assert_uint_eq(values_live(), 0);
    ck_assert(begun_while_freed == BRIM_INVALID || (_i == 0 && begun_while_freed == BRIM_OK));
}
END_TEST

enum { GUESTS = 6 };
static brim_cache *guests[GUESTS];

static void end_all_sections(void *v, size_t cost, void *arg)
{
    (void)v;
    (void)cost;
    (void)arg;
    for (int i = 0; i < GUESTS; i++)
        brim_read_end(guests[i]);
}

/* More than one cache has values that its call must see to.  _i = 1: the caches have been freed meanwhile. */
START_TEST(test_sections_of_many_caches_end_in_a_destructor)
{
    brim_kind kind = {.size = sizeof kind, .destroy = end_all_sections};
    brim_options o;
    brim_cache *c;
    uint64_t key = 1;

    brim_options_init(&o, 100);
    o.kind = &kind;
    c = make_cache(&o);
    ck_assert_int_eq(brim_insert(c, BRIM_KEY(key), &key, 1, NULL), BRIM_OK);
    for (int i = 0; i < GUESTS; i++) {
        guests[i] = make_borrow_cache(100);
        ck_assert_int_eq(put(guests[i], 1, 1, 1), BRIM_OK);
        begin_reading(guests[i]);
        ck_assert(brim_remove(guests[i], BRIM_KEY(key)));
        if (_i == 1)
            brim_cache_free(guests[i]);
    }
    ck_assert_uint_eq(values_live(), GUESTS);
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    ck_assert_uint_eq(values_live(), 0);
    for (int i = 0; i < GUESTS && _i == 0; i++)
        finish(guests[i]);
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("sections");

    tcase_add_test(tc, test_sections_need_the_option);
    tcase_add_test(tc, test_sections_in_no_cache);
    tcase_add_test(tc, test_sections_without_one_nothing_is_lent);
    tcase_add_test(tc, test_sections_mistakes_are_told_to_the_hook);
    tcase_add_test(tc, test_sections_peeks_of_hits_misses_and_null_values);
    tcase_add_test(tc, test_sections_a_borrowed_ref_tells_all);
    tcase_add_test(tc, test_sections_peeks_by_key_of_what_left);
    tcase_add_loop_test(tc, test_sections_peeks_of_many, 0, SIZES);
    tcase_add_loop_test(tc, test_sections_peeks_of_fixed_keys_of_any_length_and_stride, 0, LAYOUTS);
    tcase_add_test(tc, test_sections_peeks_of_keys_that_are_none);
    tcase_add_test(tc, test_sections_hits_misses_and_sections_are_counted);
    tcase_add_test(tc, test_sections_what_waits_is_counted);
    tcase_add_loop_test(tc, test_sections_peeks_count_as_uses, 0, 4);
    tcase_add_test(tc, test_sections_nest);
    tcase_add_test(tc, test_sections_refresh_lets_go);
    tcase_add_test(tc, test_sections_a_nested_refresh_does_nothing);
    tcase_add_loop_test(tc, test_sections_own_waiting_values_make_an_insert_full, 0, 2);
    tcase_add_test(tc, test_sections_what_waits_leaves_no_room_and_then_does);
    tcase_add_test(tc, test_sections_replacing_in_ones_own);
    tcase_add_test(tc, test_sections_drain_in_ones_own);
    tcase_add_loop_test(tc, test_sections_without_one_nothing_waits_long, 0, 4);
    tcase_add_test(tc, test_sections_allow_every_call);
    tcase_add_loop_test(tc, test_sections_ends_run_destructors_that_call_brim, 0, 2);
    tcase_add_test(tc, test_sections_in_many_caches_at_once);
    tcase_add_test(tc, test_sections_entries_fill_the_capacity_exactly);
    tcase_add_test(tc, test_sections_overhead_waits_with_its_value);
    tcase_add_test(tc, test_sections_a_cost_that_changed_waits);
    tcase_add_test(tc, test_sections_wrapped_and_refused_values);
    tcase_add_test(tc, test_sections_statistics_by_kind_include_what_waits);
    tcase_add_test(tc, test_sections_inserts_within_frames_go_on);
    tcase_add_loop_test(tc, test_sections_a_borrowed_entry_is_not_reused, 0, 6);
    tcase_add_loop_test(tc, test_sections_do_not_begin_while_the_cache_is_freed, 0, 2);
    tcase_add_loop_test(tc, test_sections_of_many_caches_end_in_a_destructor, 0, 2);
    return suite_run(tc);
}
