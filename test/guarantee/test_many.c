/* SPDX-License-Identifier: MIT
 *
 * Many at once: brim_find_many, brim_find_fixed, brim_key_find_many and brim_release_many do what one call
 * after the other does: results, refs, statistics, destruction.
 */
#include "support/support.h"

/* ---- Against a twin cache that is asked one after the other ---- */

typedef struct twins {
    brim_cache *many, *single;
} twins;

static brim_ref *const junk = (brim_ref *)(uintptr_t)0x10;

static twins twins_make(void)
{
    return (twins){make_value_cache(1u << 30), make_value_cache(1u << 30)};
}

static void twins_put(twins t, const void *key, size_t len, uint64_t id)
{
    ck_assert_int_eq(brim_insert(t.many, key, len, value_new(id, 1), 1, NULL), BRIM_OK);
    ck_assert_int_eq(brim_insert(t.single, key, len, value_new(id, 1), 1, NULL), BRIM_OK);
}

static uint64_t id_or_max(const brim_ref *r)
{
    return r == NULL ? UINT64_MAX : id_of(r);
}

/* ${got} is what a call said that filled ${refs}; the same look-ups, one at a time, say and count the same.
 */
static void twins_compare(twins t, const brim_bytes *keys, size_t n, brim_ref **refs, size_t got)
{
    brim_stats many, single;
    size_t hits = 0;

    for (size_t i = 0; i < n; i++) {
        brim_ref *r = brim_find(t.single, keys[i].data, keys[i].len);

        hits += r != NULL;
        ck_assert_ptr_ne(refs[i], junk);
        ck_assert_msg(id_or_max(refs[i]) == id_or_max(r), "key %zu of %zu", i, n);
        brim_release(r);
    }
    ck_assert_uint_eq(got, hits);
    many = stats_of(t.many);
    single = stats_of(t.single);
    ck_assert_uint_eq(many.hits, single.hits);
    ck_assert_uint_eq(many.misses, single.misses);
    ck_assert_uint_eq(many.hits + many.misses > 0, n > 0);
}

static void twins_finish(twins t)
{
    ck_assert(brim_check(t.single, stderr));
    brim_cache_free(t.single);
    finish(t.many);
}

static brim_ref **junk_refs(size_t n)
{
    brim_ref **refs = malloc((n + 1) * sizeof *refs);

    ck_assert_ptr_nonnull(refs);
    for (size_t i = 0; i <= n; i++)
        refs[i] = junk;
    return refs;
}

static void release_all(brim_cache *c, brim_ref **refs, size_t n)
{
    ck_assert_ptr_eq(refs[n], junk); /* nothing was written beyond the end */
    brim_release_many(refs, n);
    ck_assert_uint_eq(brim_pinned(c), 0);
    free(refs);
}

static const size_t sizes[] = {0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1000, 100000};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* Two thirds hit, every eighth key is one that came before. */
START_TEST(test_many_hits_misses_and_repeated_keys_in_any_number)
{
    size_t n = sizes[_i] > 33 ? (size_t)SCALED((int)sizes[_i]) : sizes[_i];
    uint64_t state = 17 + (uint64_t)_i, *names = malloc((n + 1) * sizeof *names);
    brim_bytes *keys = malloc((n + 1) * sizeof *keys);
    brim_ref **refs = junk_refs(n);
    twins t = twins_make();

    for (size_t i = 0; i < n; i++) {
        names[i] = random_next(&state) % 8 == 0 ? random_next(&state) % (i + 1) : i;
        keys[i] = (brim_bytes){&names[i], sizeof names[i]};
        if (i % 3 != 0)
            twins_put(t, &i, sizeof(uint64_t), i + 7);
    }
    twins_compare(t, keys, n, refs, brim_find_many(t.many, keys, n, refs));
    release_all(t.many, refs, n);
    refs = junk_refs(n);
    twins_compare(t, keys, n, refs, brim_find_fixed(t.many, names, sizeof *names, sizeof *names, n, refs));
    release_all(t.many, refs, n);
    free(names);
    free(keys);
    twins_finish(t);
}
END_TEST

START_TEST(test_many_of_nothing)
{
    brim_cache *c = make_value_cache(100);
    brim_stats stats;

    ck_assert_uint_eq(brim_find_many(c, NULL, 0, NULL), 0);
    ck_assert_uint_eq(brim_find_fixed(c, NULL, 8, 8, 0, NULL), 0);
    ck_assert_uint_eq(brim_find_fixed(c, NULL, 0, 0, 0, NULL), 0);
    ck_assert_uint_eq(brim_find_many(NULL, NULL, 0, NULL), 0);
    ck_assert_uint_eq(brim_find_fixed(NULL, NULL, 8, 8, 0, NULL), 0);
    ck_assert_uint_eq(brim_key_find_many(NULL, 0, NULL), 0);
    brim_release_many(NULL, 0);
    stats = stats_of(c);
    ck_assert_uint_eq(stats.hits + stats.misses, 0);
    finish(c);
}
END_TEST

START_TEST(test_many_in_no_cache_miss)
{
    for (size_t n = 1; n <= 40; n++) {
        uint64_t names[40] = {0};
        brim_bytes keys[40];
        brim_ref **refs = junk_refs(n);

        for (size_t i = 0; i < n; i++)
            keys[i] = (brim_bytes){&names[i], sizeof names[i]};
        ck_assert_uint_eq(brim_find_many(NULL, keys, n, refs), 0);
        for (size_t i = 0; i < n; i++)
            ck_assert_ptr_null(refs[i]);
        ck_assert_ptr_eq(refs[n], junk);
        refs[0] = refs[n - 1] = junk;
        ck_assert_uint_eq(brim_find_fixed(NULL, names, 8, 8, n, refs), 0);
        for (size_t i = 0; i < n; i++)
            ck_assert_ptr_null(refs[i]);
        ck_assert_ptr_eq(refs[n], junk);
        free(refs);
    }
}
END_TEST

START_TEST(test_many_keys_of_every_length_and_none)
{
    enum { N = 300 };
    static unsigned char text[70000];
    brim_bytes keys[N];
    brim_ref **refs = junk_refs(N);
    twins t = twins_make();

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (unsigned char)(i * 31 + i / 256);
    for (size_t i = 0; i < N; i++) {
        keys[i] = (brim_bytes){text + i % 5, i};
        if (i % 7 == 3)
            keys[i].len = 4000 * i % sizeof text;
        if (i % 7 == 3 && keys[i].len + 5 > sizeof text)
            keys[i].len = sizeof text - 5;
        if (i % 3 != 1)
            twins_put(t, keys[i].data, keys[i].len, i);
    }
    keys[20] = (brim_bytes){NULL, 0};
    keys[21] = (brim_bytes){text, 0};
    keys[22] = (brim_bytes){NULL, 1}; /* no key */
    keys[N - 1] = (brim_bytes){NULL, SIZE_MAX};
    twins_compare(t, keys, N, refs, brim_find_many(t.many, keys, N, refs));
    ck_assert_ptr_nonnull(refs[20]);
    ck_assert_ptr_eq(refs[20], refs[21]);
    ck_assert_ptr_null(refs[22]);
    ck_assert_ptr_null(refs[N - 1]);
    release_all(t.many, refs, N);
    twins_finish(t);
}
END_TEST

START_TEST(test_many_keys_longer_than_can_be_miss)
{
    static const char text[8] = "abc";
    brim_cache *c = make_value_cache(100);
    brim_bytes keys[3] = {{text, 3}, {text, (size_t)UINT32_MAX + 1}, {text, 3}};
    brim_ref **refs = junk_refs(3);

    ck_assert_int_eq(brim_insert(c, text, 3, value_new(1, 1), 1, NULL), BRIM_OK);
    ck_assert_uint_eq(brim_find_many(c, keys, 3, refs), 2);
    ck_assert_ptr_null(refs[1]);
    release_all(c, refs, 3);
    finish(c);
}
END_TEST

static const struct {
    size_t len, stride, n;
} layouts[] = {{0, 0, 5},    {0, 8, 20},     {1, 1, 200},    {1, 3, 40},    {7, 7, 50},
               {8, 8, 33},   {8, 24, 100},   {8, 0, 9},      {8, 3, 64},    {15, 15, 31},
               {16, 16, 17}, {16, 40, 17},   {17, 17, 100},  {17, 18, 100}, {80, 80, 40},
               {81, 81, 40}, {300, 300, 60}, {300, 512, 33}, {300, 1, 60},  {5000, 5000, 12}};
enum { LAYOUTS = sizeof layouts / sizeof *layouts };

/* The keys may overlap, or be one and the same. */
START_TEST(test_many_fixed_keys_of_any_length_and_stride)
{
    size_t len = layouts[_i].len, stride = layouts[_i].stride, n = layouts[_i].n, bytes;
    uint64_t state = 99;
    unsigned char *text;
    brim_bytes keys[256];
    brim_ref **refs = junk_refs(n);
    twins t = twins_make();

    bytes = (n - 1) * stride + len;
    text = malloc(bytes + (bytes == 0)); /* so that a sanitizer sees a look beyond the end */
    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < bytes; i++)
        text[i] = (unsigned char)random_next(&state);
    for (size_t i = 0; i < n; i++) {
        keys[i] = (brim_bytes){text + i * stride, len};
        if (i % 3 != 1)
            twins_put(t, keys[i].data, len, i);
    }
    twins_compare(t, keys, n, refs, brim_find_fixed(t.many, text, len, stride, n, refs));
    ck_assert_ptr_nonnull(refs[0]);
    release_all(t.many, refs, n);
    free(text);
    twins_finish(t);
}
END_TEST

START_TEST(test_many_fixed_keys_at_no_place)
{
    enum { N = 20 };
    twins t = twins_make();
    brim_bytes empty[N], none[N];
    brim_ref **refs = junk_refs(N);

    for (size_t i = 0; i < N; i++) {
        empty[i] = (brim_bytes){NULL, 0};
        none[i] = (brim_bytes){NULL, 8};
    }
    twins_put(t, NULL, 0, 5);
    twins_compare(t, empty, N, refs, brim_find_fixed(t.many, NULL, 0, 8, N, refs));
    ck_assert_uint_eq(id_of(refs[N - 1]), 5);
    release_all(t.many, refs, N);
    refs = junk_refs(N);
    twins_compare(t, none, N, refs, brim_find_fixed(t.many, NULL, 8, 8, N, refs));
    ck_assert_ptr_null(refs[0]);
    release_all(t.many, refs, N);
    twins_finish(t);
}
END_TEST

START_TEST(test_many_holds_and_counts_are_exact)
{
    enum { N = 48 };
    brim_cache *c = make_value_cache(10000);
    uint64_t names[N];
    brim_bytes keys[N];
    brim_ref **refs = junk_refs(N);
    brim_stats stats;

    for (uint64_t i = 0; i < 10; i++)
        ck_assert_int_eq(put(c, i, i, 10 + i), BRIM_OK);
    for (size_t i = 0; i < N; i++) {
        names[i] = i % 12; /* two of twelve miss */
        keys[i] = (brim_bytes){&names[i], sizeof names[i]};
    }
    ck_assert_uint_eq(brim_find_many(c, keys, N, refs), N / 12 * 10);
    stats = stats_of(c);
    ck_assert_uint_eq(stats.hits, N / 12 * 10);
    ck_assert_uint_eq(stats.misses, N / 12 * 2);
    ck_assert_uint_eq(brim_pinned(c), 145);
    ck_assert_uint_eq(stats.pinned, 145);
    brim_clear(c);
    ck_assert_uint_eq(values_live(), 10); /* each held four times */
    brim_release_many(refs, N / 4 * 3);
    ck_assert_uint_eq(values_live(), 10);
    brim_release_many(refs + N / 4 * 3, N / 4);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(brim_used(c), 0);
    ck_assert_uint_eq(brim_pinned(c), 0);
    free(refs);
    finish(c);
}
END_TEST

/* ---- By handle ---- */

enum { HANDLES = 60, CACHES = 3 };

/* Of ${keys}[i], in cache i % CACHES: some are NULL, some have been removed or replaced, the last cache is
 * freed. */
static bool names_nothing(uint64_t i)
{
    return i % 5 == 4;
}

static bool left(uint64_t i)
{
    return i % 7 <= 1 || i % CACHES == 2;
}

START_TEST(test_many_keys_of_several_caches)
{
    brim_cache *c[CACHES];
    brim_key *keys[HANDLES];
    brim_ref **refs = junk_refs(HANDLES), *r;
    size_t hits[CACHES] = {0}, misses[CACHES] = {0};

    for (int i = 0; i < CACHES; i++)
        c[i] = make_value_cache(10000);
    for (uint64_t i = 0; i < HANDLES; i++) {
        keys[i] = NULL;
        if (names_nothing(i))
            continue;
        ck_assert_int_eq(put_ref(c[i % CACHES], i, i, 1, &r), BRIM_OK);
        keys[i] = brim_ref_key(r);
        brim_release(r);
        if (i % 7 == 0)
            ck_assert(brim_remove(c[i % CACHES], BRIM_KEY(i)));
        if (i % 7 == 1)
            ck_assert_int_eq(put(c[i % CACHES], i, 1000 + i, 1), BRIM_OK);
        (left(i) ? misses : hits)[i % CACHES]++;
    }
    brim_cache_free(c[2]);
    ck_assert_uint_gt(hits[0], 5);
    ck_assert_uint_gt(misses[1], 2);
    ck_assert_uint_eq(brim_key_find_many(keys, HANDLES, refs), hits[0] + hits[1]);
    for (uint64_t i = 0; i < HANDLES; i++)
        ck_assert_uint_eq(id_or_max(refs[i]), names_nothing(i) || left(i) ? UINT64_MAX : i);
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(stats_of(c[i]).hits, hits[i]);
        ck_assert_uint_eq(stats_of(c[i]).misses, misses[i]);
        ck_assert_uint_eq(brim_pinned(c[i]), hits[i]);
    }
    ck_assert_ptr_eq(refs[HANDLES], junk);
    brim_release_many(refs, HANDLES);
    for (int i = 0; i < 2; i++) {
        ck_assert_uint_eq(brim_pinned(c[i]), 0);
        ck_assert(brim_check(c[i], stderr));
        brim_cache_free(c[i]);
    }
    for (int i = 0; i < HANDLES; i++)
        brim_key_drop(keys[i]);
    free(refs);
    ck_assert_uint_eq(values_live(), 0);
}
END_TEST

START_TEST(test_many_of_one_key_and_of_anonymous_ones)
{
    enum { N = 33 };
    brim_cache *c = make_value_cache(1000);
    brim_key *keys[N], *named = NULL, *anonymous = NULL;
    brim_ref **refs = junk_refs(N), *r;

    ck_assert_int_eq(put_ref(c, 1, 1, 10, &r), BRIM_OK);
    named = brim_ref_key(r);
    brim_release(r);
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(2, 20), 20, NULL, &anonymous, NULL), BRIM_OK);
    for (int i = 0; i < N; i++)
        keys[i] = i % 2 == 0 ? named : anonymous;
    ck_assert_uint_eq(brim_key_find_many(keys, N, refs), N);
    for (uint64_t i = 0; i < N; i++)
        ck_assert_uint_eq(id_of(refs[i]), i % 2 + 1);
    brim_key_drop(named);
    brim_key_drop(anonymous);
    ck_assert_uint_eq(brim_trim(c, 0), 0);
    ck_assert_uint_eq(brim_pinned(c), 30);
    release_all(c, refs, N);
    ck_assert_uint_eq(brim_trim(c, 0), 30);
    finish(c);
}
END_TEST

/* ---- Releasing ---- */

START_TEST(test_many_releases_of_several_caches_with_nothing_between)
{
    enum { N = 100 };
    brim_cache *c[CACHES];
    brim_ref *refs[N];

    for (int i = 0; i < CACHES; i++)
        c[i] = make_value_cache(10000);
    for (uint64_t i = 0; i < N; i++) {
        refs[i] = NULL;
        if (i % 4 == 3)
            continue;
        ck_assert_int_eq(put_ref(c[i % CACHES], i, i, 1, &refs[i]), BRIM_OK);
        if (i % 4 == 0)
            ck_assert(brim_remove(c[i % CACHES], BRIM_KEY(i)));
    }
    brim_cache_free(c[1]);
    ck_assert_uint_eq(values_live(), 75);
    brim_release_many(refs, N);
    for (uint64_t i = 0; i < N; i++)
        if (i % CACHES != 1)
            ck_assert_uint_eq(found_id(c[i % CACHES], i), i % 4 == 0 || i % 4 == 3 ? UINT64_MAX : i);
    ck_assert_uint_eq(values_live(), brim_count(c[0]) + brim_count(c[2]));
    ck_assert_uint_eq(brim_pinned(c[0]) + brim_pinned(c[2]), 0);
    brim_cache_free(c[0]);
    finish(c[2]);
}
END_TEST

static struct {
    brim_cache *cache;
    unsigned calls, depth;
    bool ends;
} calling;

/* Runs inside brim_release_many: all of its releases are done, and everything may be called. */
static void calling_destroy(void *v, size_t cost, void *arg)
{
    brim_cache *c = calling.cache;
    uint64_t id = ((value *)v)->id, names[3] = {id, 5000, 5000};
    brim_bytes keys[3] = {{&names[0], 8}, {&names[1], 8}, {&names[2], 8}};
    brim_ref *refs[3] = {junk, junk, junk};

    value_destroy(v, cost, arg);
    if (calling.ends)
        return;
    EXPECT(calling.depth++ == 0);
    calling.calls++;
    EXPECT(calling.calls > 1 || brim_pinned(c) == 0); /* later, what nested calls removed is still held for its listener */
    EXPECT(brim_find_many(c, keys, 3, refs) == 2);
    EXPECT(refs[0] == NULL && refs[1] == refs[2] && id_of(refs[1]) == 5000);
    brim_release_many(refs, 3);
    if (id < 3000) {
        EXPECT(put(c, 2000 + id, 2000 + id, 1) == BRIM_OK);
        EXPECT(put_ref(c, 10000 + id, 3000 + id, 1, &refs[0]) == BRIM_OK);
        refs[1] = NULL;
        id += 10000;
        EXPECT(brim_remove(c, BRIM_KEY(id)));
        brim_release_many(refs, 2); /* destroyed by the outermost call */
    }
    calling.depth--;
}

START_TEST(test_many_released_values_have_destructors_that_call_brim)
{
    enum { N = 40 };
    static const brim_kind kind = {.size = sizeof(brim_kind), .destroy = calling_destroy};
    brim_options o = value_options(100000);
    brim_ref *refs[2 * N];

    o.kind = &kind;
    memset(&calling, 0, sizeof calling);
    calling.cache = make_cache(&o);
    ck_assert_int_eq(put(calling.cache, 5000, 5000, 1), BRIM_OK);
    for (uint64_t i = 0; i < N; i++) {
        ck_assert_int_eq(put_ref(calling.cache, i, i, 1, &refs[i]), BRIM_OK);
        refs[2 * N - 1 - i] = brim_ref_copy(refs[i]);
        ck_assert(brim_remove(calling.cache, BRIM_KEY(i)));
    }
    brim_release_many(refs, 2 * N);
    ck_assert_uint_eq(calling.calls, 2 * N);
    ck_assert_uint_eq(values_destroyed(), 2 * N);
    ck_assert_uint_eq(brim_count(calling.cache), 1 + N);
    ck_assert_uint_eq(brim_pinned(calling.cache), 0);
    calling.ends = true;
    finish(calling.cache);
}
END_TEST

/* ---- Among writers ---- */

enum { BATCH = 40, KEYS = 64 };

static struct {
    brim_cache *cache;
    brim_key *keys[KEYS]; /* of values that stay */
    atomic_bool stop;
    atomic_ullong hits, misses, oks, versions[KEYS];
    bool never_misses;
} among;

/* One look at ${key}: its value carries it, and a version not older than any that was seen or had been put
 * before. */
static void judge(const brim_ref *r, uint64_t key, uint64_t *seen)
{
    uint64_t id, version;

    if (r == NULL) {
        EXPECT_MSG(!among.never_misses, "key %llu was not found", (unsigned long long)key);
        atomic_fetch_add(&among.misses, 1);
        return;
    }
    id = id_of(r);
    version = id >> 16;
    EXPECT_MSG((id & 0xffff) == key, "key %llu has value %llu", (unsigned long long)key,
               (unsigned long long)id);
    EXPECT_MSG(version >= seen[key], "key %llu went back", (unsigned long long)key);
    seen[key] = version;
    atomic_fetch_add(&among.hits, 1);
}

/* With a single writer a key, versions are put in order, and each is counted once it is there. */
static void look_at_many(uint64_t *state, uint64_t *seen)
{
    uint64_t names[BATCH], n = random_next(state) % (BATCH + 1);
    brim_bytes keys[BATCH];
    brim_ref *refs[BATCH];
    size_t hits;

    for (uint64_t i = 0; i < n; i++) {
        names[i] = random_next(state) % KEYS;
        keys[i] = (brim_bytes){&names[i], sizeof names[i]};
        if (seen[names[i]] < atomic_load(&among.versions[names[i]]))
            seen[names[i]] = atomic_load(&among.versions[names[i]]);
        refs[i] = junk;
    }
    hits = random_next(state) % 2 == 0 ? brim_find_many(among.cache, keys, n, refs)
                                       : brim_find_fixed(among.cache, names, 8, 8, n, refs);
    for (uint64_t i = 0; i < n; i++) {
        judge(refs[i], names[i], seen);
        hits -= refs[i] != NULL;
    }
    EXPECT(hits == 0);
    brim_release_many(refs, n);
}

static void look_by_key(void)
{
    brim_ref *refs[KEYS];

    EXPECT(brim_key_find_many(among.keys, KEYS, refs) == KEYS);
    for (uint64_t i = 0; i < KEYS; i++)
        EXPECT(refs[i] != NULL && id_of(refs[i]) == 1000 + i);
    brim_release_many(refs, KEYS);
}

static void put_version(uint64_t key, uint64_t version)
{
    brim_status s = put(among.cache, key, version << 16 | key, among.never_misses ? 1 : 1 + version % 5);

    EXPECT_MSG(s == BRIM_OK || (s == BRIM_FULL && !among.never_misses), "status %d", (int)s);
    if (s != BRIM_OK)
        return;
    atomic_store(&among.versions[key], version);
    atomic_fetch_add(&among.oks, 1);
}

/* The writers have had their share of the processors. */
static bool seen_enough(void)
{
    return atomic_load(&among.oks) > SCALED(1000) && (among.never_misses || atomic_load(&among.misses) > SCALED(1000));
}

static void among_role(unsigned id, void *arg)
{
    uint64_t state = id + 5, seen[KEYS] = {0}, version = 1;

    (void)arg;
    if (id < 2) {
        for (int round = 0; round < SCALED(20000) || (!seen_enough() && round < 10000000); round++) {
            look_at_many(&state, seen);
            if (round % 16 == 0 && among.never_misses)
                look_by_key();
        }
        if (id == 0)
            atomic_store(&among.stop, true);
        return;
    }
    while (!atomic_load(&among.stop)) {
        uint64_t key = random_next(&state) % (KEYS / 2) * 2 + id % 2;

        put_version(key, ++version);
        key = random_next(&state) % KEYS;
        if (!among.never_misses && version % 4 == 0)
            (void)brim_remove(among.cache, BRIM_KEY(key));
        if (values_made() > 3000000)
            break;
    }
}

START_TEST(test_many_among_writers_no_value_is_wrong_old_or_lost)
{
    brim_options o = value_options(_i < 2 ? 1u << 30 : 100);
    brim_ref *r;

    memset(&among, 0, sizeof among);
    o.shards = _i % 2 == 0 ? 1 : 8;
    among.never_misses = _i < 2;
    among.cache = make_cache(&o);
    for (uint64_t i = 0; i < KEYS && among.never_misses; i++) {
        put_version(i, 1);
        ck_assert_int_eq(put_ref(among.cache, 1000 + i, 1000 + i, 1, &r), BRIM_OK);
        among.keys[i] = brim_ref_key(r);
        brim_release(r);
    }
    crew_do(4, among_role, NULL);
    ck_assert_uint_gt(atomic_load(&among.hits), SCALED(10000));
    ck_assert_uint_gt(atomic_load(&among.oks), SCALED(1000));
    if (!among.never_misses)
        ck_assert_uint_gt(atomic_load(&among.misses), SCALED(1000));
    for (int i = 0; i < KEYS; i++)
        brim_key_drop(among.keys[i]);
    ck_assert_uint_eq(brim_pinned(among.cache), 0);
    finish(among.cache);
}
END_TEST

/* ---- Many threads release the same values at once ---- */

enum { SHARED = 64, RELEASERS = 4 };
static brim_ref *shared[RELEASERS][SHARED];

static void release_shared(unsigned id, void *arg)
{
    (void)arg;
    brim_release_many(shared[id], SHARED);
}

START_TEST(test_many_threads_release_the_same_values)
{
    brim_cache *c = make_value_cache(10000);

    for (int round = 0; round < SCALED(300); round++) {
        size_t before = values_destroyed();

        for (uint64_t i = 0; i < SHARED; i++) {
            ck_assert_int_eq(put_ref(c, i, i, 1, &shared[0][i]), BRIM_OK);
            for (unsigned t = 1; t < RELEASERS; t++)
                shared[t][(i * 7 + t) % SHARED] = brim_ref_copy(shared[0][i]);
        }
        brim_clear(c);
        ck_assert_uint_eq(values_destroyed(), before);
        crew_do(RELEASERS, release_shared, NULL);
        ck_assert_uint_eq(values_destroyed(), before + SHARED);
        ck_assert_uint_eq(brim_used(c), 0);
    }
    finish(c);
}
END_TEST

/* ---- Finding many counts as a use, as finding one does ---- */

START_TEST(test_many_finds_count_as_uses)
{
    enum { N = 4096 };
    brim_options o = value_options(N);
    brim_cache *c;
    size_t used_ones = 0, others = 0;
    uint64_t names[N / 2];
    brim_ref *refs[N / 2];

    o.seed = 12345;
    o.shards = 1;
    c = make_cache(&o);
    for (uint64_t i = 0; i < N; i++)
        ck_assert_int_eq(put(c, i, i, 1), BRIM_OK);
    for (uint64_t i = 0; i < N / 2; i++)
        names[i] = 2 * i;
    ck_assert_uint_eq(brim_find_fixed(c, names, 8, 8, N / 2, refs), N / 2);
    brim_release_many(refs, N / 2);
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

int main(void)
{
    TCase *tc = suite_case("many");

    tcase_add_loop_test(tc, test_many_hits_misses_and_repeated_keys_in_any_number, 0, SIZES);
    tcase_add_test(tc, test_many_of_nothing);
    tcase_add_test(tc, test_many_in_no_cache_miss);
    tcase_add_test(tc, test_many_keys_of_every_length_and_none);
    tcase_add_test(tc, test_many_keys_longer_than_can_be_miss);
    tcase_add_loop_test(tc, test_many_fixed_keys_of_any_length_and_stride, 0, LAYOUTS);
    tcase_add_test(tc, test_many_fixed_keys_at_no_place);
    tcase_add_test(tc, test_many_holds_and_counts_are_exact);
    tcase_add_test(tc, test_many_keys_of_several_caches);
    tcase_add_test(tc, test_many_of_one_key_and_of_anonymous_ones);
    tcase_add_test(tc, test_many_releases_of_several_caches_with_nothing_between);
    tcase_add_test(tc, test_many_released_values_have_destructors_that_call_brim);
    tcase_add_loop_test(tc, test_many_among_writers_no_value_is_wrong_old_or_lost, 0, 4);
    tcase_add_test(tc, test_many_threads_release_the_same_values);
    tcase_add_test(tc, test_many_finds_count_as_uses);
    return suite_run(tc);
}
