/* SPDX-License-Identifier: MIT
 *
 * Sections of many threads: among writers, while the cache is freed, in threads that end or stop within one.
 */
#include "support/support.h"
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

/* ---- Values whose memory is poisoned and given back at once */

#define LIVE UINT64_C(0x6d6f7274616c2121)

typedef struct mortal {
    uint64_t magic, key, version;
    unsigned char body[40];
} mortal;

static atomic_ullong born, died;

static mortal *mortal_new(uint64_t key, uint64_t version)
{
    mortal *m = malloc(sizeof *m);

    if (m == NULL)
        abort();
    m->magic = LIVE;
    m->key = key;
    m->version = version;
    memset(m->body, (int)(key & 0x7f), sizeof m->body);
    atomic_fetch_add(&born, 1);
    return m;
}

static void mortal_end(void *p, size_t cost, void *arg)
{
    mortal *m = p;

    (void)cost;
    (void)arg;
    EXPECT_MSG(m->magic == LIVE, "destroyed twice, or never alive");
    memset(m, 0xdd, sizeof *m);
    free(m);
    atomic_fetch_add(&died, 1);
}

static bool mortal_alive(const mortal *m, uint64_t key)
{
    return m->magic == LIVE && m->key == key && m->body[0] == (key & 0x7f) && m->body[39] == (key & 0x7f);
}

static const brim_kind mortal_kind = {.size = sizeof(brim_kind), .destroy = mortal_end};

static brim_cache *mortal_cache(size_t capacity, unsigned shards)
{
    brim_options o = borrow_options(capacity);

    atomic_store(&born, 0);
    atomic_store(&died, 0);
    o.kind = &mortal_kind;
    o.shards = shards;
    return make_cache(&o);
}

static bool put_mortal(brim_cache *c, uint64_t key, uint64_t version, size_t cost)
{
    mortal *m = mortal_new(key, version);
    brim_status s = brim_insert(c, BRIM_KEY(key), m, cost, NULL);

    EXPECT_MSG(s == BRIM_OK || s == BRIM_FULL || s == BRIM_TOO_BIG, "status %d", (int)s);
    if (s != BRIM_OK)
        mortal_end(m, cost, NULL);
    return s == BRIM_OK;
}

static void mortal_finish(brim_cache *c)
{
    brim_stats stats;

    settle_cache(c);
    stats = stats_of(c);
    ck_assert_uint_eq(stats.sections, 0);
    ck_assert_uint_eq(stats.waiting + stats.waiting_values + stats.waiting_ns, 0);
    ck_assert_uint_eq(stats.pinned, 0);
    ck_assert_uint_eq(stats.values, stats.count);
    finish(c);
    ck_assert_uint_eq(atomic_load(&born), atomic_load(&died));
}

/* ---- Readers among writers that insert, evict, replace, remove and clear, below a watcher of the bound */

enum { KEYS = 128, LENT = 32, READERS = 3, CAPACITY = 600 };

static struct {
    brim_cache *cache;
    atomic_uint reading;
    atomic_ullong hits, misses, oks, fulls, holds, looks;
    bool never_misses; /* only replacing, and room for all */
} among;

typedef struct reader {
    uint64_t state, seen[KEYS];
    const mortal *lent[LENT];
    uint64_t keys[LENT];
    unsigned count;
    brim_ref *held;
} reader;

static void judge(reader *r, const mortal *m, uint64_t key)
{
    if (m == NULL) {
        EXPECT_MSG(!among.never_misses, "key %llu was not found", (unsigned long long)key);
        atomic_fetch_add(&among.misses, 1);
        return;
    }
    atomic_fetch_add(&among.hits, 1);
    EXPECT_MSG(mortal_alive(m, key), "a peek of key %llu", (unsigned long long)key);
    EXPECT_MSG(m->version >= r->seen[key], "key %llu went back", (unsigned long long)key);
    r->seen[key] = m->version;
    if (r->count < LENT) {
        r->lent[r->count] = m;
        r->keys[r->count++] = key;
    }
}

static void read_one(reader *r)
{
    uint64_t key = random_next(&r->state) % KEYS;

    judge(r, brim_peek(among.cache, BRIM_KEY(key)), key);
}

static void read_by_borrow(reader *r)
{
    uint64_t key = random_next(&r->state) % KEYS;
    const brim_ref *lent = brim_borrow(among.cache, BRIM_KEY(key));

    judge(r, brim_ref_value(lent), key);
    if (lent == NULL || random_next(&r->state) % 4 != 0)
        return;
    brim_release(r->held);
    r->held = brim_ref_hold(lent);
    EXPECT(mortal_alive(brim_ref_value(r->held), key));
    atomic_fetch_add(&among.holds, 1);
}

static void read_by_key(reader *r)
{
    uint64_t key = random_next(&r->state) % KEYS;
    brim_ref *found = brim_find(among.cache, BRIM_KEY(key));
    brim_key *k = brim_ref_key(found);
    const mortal *m, *before = brim_ref_value(found);

    brim_release(found);
    m = brim_key_peek(k);
    brim_key_drop(k);
    if (m != NULL) {
        EXPECT(m == before);
        judge(r, m, key);
    }
}

static void read_many(reader *r)
{
    uint64_t names[20], n = random_next(&r->state) % 21;
    void *values[20];
    size_t hits;

    for (uint64_t i = 0; i < n; i++)
        names[i] = random_next(&r->state) % KEYS;
    hits = brim_peek_fixed(among.cache, names, 8, 8, n, values);
    for (uint64_t i = 0; i < n; i++) {
        judge(r, values[i], names[i]);
        hits -= values[i] != NULL;
    }
    EXPECT(hits == 0);
}

static void all_lent_live(reader *r)
{
    for (unsigned i = 0; i < r->count; i++)
        EXPECT_MSG(mortal_alive(r->lent[i], r->keys[i]), "a value was destroyed that was lent");
    if (r->held != NULL)
        EXPECT(((mortal *)brim_ref_value(r->held))->magic == LIVE);
}

static void read_a_section(reader *r)
{
    unsigned depth = 1 + random_next(&r->state) % 2;

    for (unsigned i = 0; i < depth; i++)
        begin_reading(among.cache);
    r->count = 0;
    for (uint64_t turns = 1 + random_next(&r->state) % 12; turns > 0; turns--) {
        switch (random_next(&r->state) % 8) {
        case 0: read_by_borrow(r); break;
        case 1: read_by_key(r); break;
        case 2: read_many(r); break;
        case 3:
            all_lent_live(r);
            if (depth == 1) {
                brim_read_refresh(among.cache);
                r->count = 0;
            }
            break;
        case 4:
            begin_reading(among.cache);
            read_one(r);
            brim_read_refresh(among.cache);
            brim_read_end(among.cache);
            break;
        default: read_one(r); break;
        }
    }
    all_lent_live(r);
    for (; depth > 0; depth--) {
        all_lent_live(r);
        brim_read_end(among.cache);
    }
    r->count = 0;
}

static bool seen_enough(void)
{
    return atomic_load(&among.looks) > 20 && atomic_load(&among.oks) > SCALED(2000) && atomic_load(&died) > SCALED(2000) &&
           (among.never_misses || stats_of(among.cache).left[BRIM_EVICTED] > SCALED(200));
}

static void read_among(unsigned id)
{
    reader r = {.state = id + 3};

    for (int round = 0; round < SCALED(30000) || (round < 10000000 && !seen_enough()); round++)
        read_a_section(&r);
    all_lent_live(&r);
    brim_release(r.held);
    atomic_fetch_sub(&among.reading, 1);
}

/* Of ${key} this thread is the only writer, so its versions rise. */
static void write_once(uint64_t *state, uint64_t key, uint64_t version)
{
    uint64_t what = random_next(state) % 512, any = random_next(state) % KEYS;
    bool ok = put_mortal(among.cache, key, version, among.never_misses ? 1 : 1 + what % 20);

    atomic_fetch_add(ok ? &among.oks : &among.fulls, 1);
    if (among.never_misses)
        return;
    if (what % 32 == 0)
        (void)brim_remove(among.cache, BRIM_KEY(any));
    if (what == 1)
        brim_clear(among.cache);
    if (what == 2)
        (void)brim_trim(among.cache, CAPACITY / 2);
    if (what == 3)
        (void)brim_drain(among.cache, 1);
}

static void write_among(unsigned id)
{
    uint64_t state = id + 77, version = 1;

    while (atomic_load(&among.reading) > 0) {
        brim_key *k = NULL;
        brim_ref *r;
        uint64_t key = random_next(&state) % (KEYS / 2) * 2 + id % 2;
        mortal *m;

        write_once(&state, key, ++version);
        if (version % 4 != 0)
            continue;
        r = brim_find(among.cache, BRIM_KEY(key));
        k = brim_ref_key(r);
        brim_release(r);
        m = mortal_new(key, ++version);
        if (brim_key_replace(&k, m, 1) != BRIM_OK)
            mortal_end(m, 1, NULL);
        brim_key_drop(k);
    }
}

static void watch_among(void)
{
    while (atomic_load(&among.reading) > 0) {
        brim_stats stats = stats_of(among.cache);
        size_t capacity = brim_capacity(among.cache), used = brim_used(among.cache);

        EXPECT_MSG(used <= capacity, "%zu used of %zu", used, capacity);
        EXPECT_MSG(stats.used <= capacity, "%zu used of %zu in the statistics", stats.used, capacity);
        EXPECT_MSG(stats.sections <= READERS, "%u sections", stats.sections);
        atomic_fetch_add(&among.looks, 1);
    }
}

static void among_role(unsigned id, void *arg)
{
    (void)arg;
    if (id < READERS)
        read_among(id);
    else if (id == READERS)
        watch_among();
    else
        write_among(id);
}

START_TEST(test_sections_among_writers)
{
    memset(&among, 0, sizeof among);
    among.never_misses = _i < 2;
    among.cache = mortal_cache(_i < 2 ? 1u << 30 : CAPACITY, _i % 2 == 0 ? 1 : 8);
    atomic_store(&among.reading, READERS);
    for (uint64_t i = 0; i < KEYS && among.never_misses; i++)
        ck_assert(put_mortal(among.cache, i, 1, 1));
    crew_do(READERS + 3, among_role, NULL);
    ck_assert_uint_gt(atomic_load(&among.hits), SCALED(20000));
    ck_assert_uint_gt(atomic_load(&among.oks), SCALED(500));
    ck_assert_uint_gt(atomic_load(&among.holds), SCALED(500));
    ck_assert_uint_gt(atomic_load(&among.looks), 20);
    ck_assert_uint_gt(atomic_load(&died), SCALED(500));
    if (!among.never_misses)
        ck_assert_uint_gt(stats_of(among.cache).left[BRIM_EVICTED], SCALED(100));
    mortal_finish(among.cache);
}
END_TEST

/* ---- The cache is freed while many threads are in sections */

enum { BORROWERS = 8 };

static struct {
    brim_cache *cache;
    atomic_uint begun, gone;
    atomic_bool freed;
} freeing;

static void freed_gone(void *arg)
{
    EXPECT(arg == &freeing);
    EXPECT(atomic_load(&born) == atomic_load(&died));
    atomic_fetch_add(&freeing.gone, 1);
}

/* Odd threads hold one of their values beyond the section; every fourth ends within it, and every third
 * nests. */
static void borrow_until_freed(unsigned id, void *arg)
{
    const mortal *lent[KEYS];
    brim_ref *held = NULL;
    uint64_t key = id;

    (void)arg;
    begin_reading(freeing.cache);
    if (id % 3 == 0)
        begin_reading(freeing.cache);
    for (uint64_t i = 0; i < KEYS; i++)
        lent[i] = brim_peek(freeing.cache, BRIM_KEY(i));
    if (id % 2 == 1)
        held = brim_ref_hold(brim_borrow(freeing.cache, BRIM_KEY(key)));
    atomic_fetch_add(&freeing.begun, 1);
    while (!atomic_load(&freeing.freed))
        sched_yield();
    for (uint64_t i = 0; i < KEYS; i++)
        EXPECT(lent[i] != NULL && mortal_alive(lent[i], i));
    EXPECT(atomic_load(&freeing.gone) == 0);
    if (id % 3 == 0) {
        brim_read_end(freeing.cache);
        for (uint64_t i = 0; i < KEYS; i++)
            EXPECT(mortal_alive(lent[i], i));
    }
    if (id % 4 != 2)
        brim_read_end(freeing.cache);
    if (held != NULL)
        EXPECT(mortal_alive(brim_ref_value(held), key));
    brim_release(held);
}

START_TEST(test_sections_of_many_threads_outlive_the_cache)
{
    for (int round = 0; round < SCALED(150); round++) {
        brim_options o = borrow_options(10000);
        crew threads;

        memset(&freeing, 0, sizeof freeing);
        atomic_store(&born, 0);
        atomic_store(&died, 0);
        o.kind = &mortal_kind;
        o.gone = freed_gone;
        o.gone_arg = &freeing;
        freeing.cache = make_cache(&o);
        for (uint64_t i = 0; i < KEYS; i++)
            ck_assert(put_mortal(freeing.cache, i, 1, 1));
        crew_start(&threads, BORROWERS, borrow_until_freed, NULL);
        while (atomic_load(&freeing.begun) < BORROWERS)
            sched_yield();
        brim_cache_free(freeing.cache);
        ck_assert_uint_eq(atomic_load(&died), 0);
        ck_assert_uint_eq(atomic_load(&freeing.gone), 0);
        atomic_store(&freeing.freed, true);
        crew_join(&threads);
        ck_assert_uint_eq(atomic_load(&born), KEYS);
        ck_assert_uint_eq(atomic_load(&died), KEYS);
        ck_assert_uint_eq(atomic_load(&freeing.gone), 1);
        no_trouble();
    }
}
END_TEST

/* Sections end, and nest, at the very moment at which the cache is freed. */
static void end_while_freed(unsigned id, void *arg)
{
    const mortal *m;
    uint64_t key = id;

    (void)arg;
    begin_reading(freeing.cache);
    m = brim_peek(freeing.cache, BRIM_KEY(key));
    atomic_fetch_add(&freeing.begun, 1);
    while (atomic_load(&freeing.begun) <= BORROWERS)
        sched_yield();
    EXPECT(m != NULL && mortal_alive(m, key));
    if (id % 2 == 0)
        brim_read_refresh(
            freeing.cache); /* lets go of it, or the cache was freed before and it does nothing */
    brim_read_end(freeing.cache);
}

START_TEST(test_sections_end_while_the_cache_is_freed)
{
    for (int round = 0; round < SCALED(400); round++) {
        brim_options o = borrow_options(10000);
        crew threads;

        memset(&freeing, 0, sizeof freeing);
        atomic_store(&born, 0);
        atomic_store(&died, 0);
        o.kind = &mortal_kind;
        o.gone = freed_gone;
        o.gone_arg = &freeing;
        freeing.cache = make_cache(&o);
        for (uint64_t i = 0; i < BORROWERS; i++)
            ck_assert(put_mortal(freeing.cache, i, 1, 1));
        crew_start(&threads, BORROWERS, end_while_freed, NULL);
        while (atomic_load(&freeing.begun) < BORROWERS)
            sched_yield();
        atomic_fetch_add(&freeing.begun, 1);
        brim_cache_free(freeing.cache);
        crew_join(&threads);
        ck_assert_uint_eq(atomic_load(&died), BORROWERS);
        ck_assert_uint_eq(atomic_load(&freeing.gone), 1);
        no_trouble();
    }
}
END_TEST

/* ---- Several threads hold and release what left */

static struct {
    brim_cache *cache;
    pthread_barrier_t borrowed, removed, held, ended;
} together;

static void hold_together(unsigned id, void *arg)
{
    uint64_t key = 1;
    const brim_ref *lent;
    brim_ref *r[3];

    (void)arg;
    begin_reading(together.cache);
    lent = brim_borrow(together.cache, BRIM_KEY(key));
    pthread_barrier_wait(&together.borrowed);
    if (id % 2 == 0) /* the others race with the removal */
        pthread_barrier_wait(&together.removed);
    for (int i = 0; i < 3; i++)
        r[i] = brim_ref_hold(lent);
    if (id % 2 != 0)
        pthread_barrier_wait(&together.removed);
    EXPECT(!brim_ref_is_cached(r[0]));
    brim_release(r[0]);
    pthread_barrier_wait(&together.held);
    brim_read_end(together.cache);
    pthread_barrier_wait(&together.ended);
    EXPECT(mortal_alive(brim_ref_value(r[1]), key));
    brim_release(r[1]);
    EXPECT(mortal_alive(brim_ref_value(r[2]), key));
    brim_release(r[2]);
}

START_TEST(test_sections_holds_of_several_threads_released_at_once)
{
    uint64_t key = 1;

    together.cache = mortal_cache(1000, 1);
    for (int round = 1; round <= SCALED(400); round++) {
        crew threads;

        pthread_barrier_init(&together.borrowed, NULL, 5);
        pthread_barrier_init(&together.removed, NULL, 5);
        pthread_barrier_init(&together.held, NULL, 5);
        pthread_barrier_init(&together.ended, NULL, 5);
        ck_assert(put_mortal(together.cache, 1, 1, 7));
        crew_start(&threads, 4, hold_together, NULL);
        pthread_barrier_wait(&together.borrowed);
        ck_assert(brim_remove(together.cache, BRIM_KEY(key)));
        pthread_barrier_wait(&together.removed);
        pthread_barrier_wait(&together.held);
        pthread_barrier_wait(&together.ended);
        crew_join(&threads);
        settle_cache(together.cache);
        ck_assert_uint_eq(atomic_load(&died), (unsigned)round);
        ck_assert_uint_eq(brim_used(together.cache), 0);
        ck_assert_uint_eq(brim_pinned(together.cache), 0);
        pthread_barrier_destroy(&together.borrowed);
        pthread_barrier_destroy(&together.removed);
        pthread_barrier_destroy(&together.held);
        pthread_barrier_destroy(&together.ended);
    }
    mortal_finish(together.cache);
}
END_TEST

/* ---- Threads that end within a section */

static void do_begin(void *c)
{
    begin_reading(c);
}

static void do_remove_all(void *c)
{
    brim_clear(c);
}

/* ${_i}: 0 a drain destroys; 1 the next write; 2 freeing, before the thread ends; 3 freeing, after; + 4:
 * nested. */
START_TEST(test_sections_a_thread_that_ends_closes_its_own)
{
    brim_cache *c = make_borrow_cache(100);
    worker w;

    worker_start(&w);
    for (uint64_t i = 0; i < 5; i++)
        ck_assert_int_eq(put(c, i, i, 10), BRIM_OK);
    for (int depth = 0; depth <= _i / 4; depth++)
        worker_do(&w, do_begin, c);
    worker_do(&w, do_remove_all, c);
    ck_assert_uint_eq(values_live(), 5);
    if (_i % 4 == 2)
        brim_cache_free(c);
    ck_assert_uint_eq(values_live(), 5);
    worker_end(&w);
    switch (_i % 4) {
    case 0: ck_assert_int_eq(brim_drain(c, -1), BRIM_OK); break;
    case 1: ck_assert_int_eq(put(c, 100, 100, 10), BRIM_OK); break;
    case 2: ck_assert_uint_eq(values_live(), 0); return;
    default: break;
    }
    ck_assert_uint_eq(stats_of(c).sections, 0);
    if (_i % 4 < 2) {
        ck_assert_uint_eq(values_live(), (unsigned)_i % 4);
        ck_assert_uint_eq(brim_used(c), 10 * ((size_t)_i % 4));
        ck_assert_uint_eq(stats_of(c).waiting, 0);
    }
    worker_start(&w); /* perhaps with the number of the one that ended */
    worker_do(&w, do_begin, c);
    ck_assert_uint_eq(stats_of(c).sections, 1);
    worker_end(&w);
    finish(c);
}
END_TEST

static pthread_key_t late_key;

static struct {
    brim_cache *cache;
    void *value;
    unsigned rounds;
} late;

/* Runs again and again, as often as the system lets it: Brim may be called in each. */
static void late_destructor(void *arg)
{
    uint64_t key = 1;
    brim_status status;
    void *v;

    late.rounds++;
    EXPECT(found_id(late.cache, 1) == 1);
    EXPECT(put(late.cache, 2, late.rounds, 1) == BRIM_OK);
    if (late.rounds == 1) { /* the thread's own section is still open */
        EXPECT(value_alive(late.value, 3));
        v = brim_peek(late.cache, BRIM_KEY(key));
        EXPECT(value_alive(v, 1));
    }
    status = brim_read_begin(late.cache);
    EXPECT(status == BRIM_OK || (late.rounds > 2 && status == BRIM_NOMEM)); /* a thread that is gone has no counters */
    if (status == BRIM_OK) {
        v = brim_peek(late.cache, BRIM_KEY(key));
        EXPECT(value_alive(v, 1));
        brim_read_end(late.cache);
    }
    if (!CHECKING_BUILD || late.rounds < 3) /* in the last round ThreadSanitizer has left the thread */
        (void)pthread_setspecific(late_key, arg);
}

static void late_thread(void *arg)
{
    uint64_t key = 3;

    (void)arg;
    (void)pthread_setspecific(late_key, &late);
    begin_reading(late.cache);
    late.value = brim_peek(late.cache, BRIM_KEY(key));
    EXPECT(brim_remove(late.cache, BRIM_KEY(key)));
}

START_TEST(test_sections_in_destructors_of_thread_specific_data)
{
    worker w;

    memset(&late, 0, sizeof late);
    late.cache = make_borrow_cache(100);
    ck_assert_int_eq(put(late.cache, 1, 1, 1), BRIM_OK);
    ck_assert_int_eq(put(late.cache, 3, 3, 1), BRIM_OK);
    ck_assert_int_eq(pthread_key_create(&late_key, late_destructor), 0);
    worker_start(&w);
    worker_do(&w, late_thread, NULL);
    worker_end(&w);
    ck_assert_uint_ge(late.rounds, 2);
    ck_assert_int_eq(pthread_key_delete(late_key), 0);
    settle_cache(late.cache);
    ck_assert_uint_eq(stats_of(late.cache).sections, 0);
    ck_assert_uint_eq(values_live(), 2);
    finish(late.cache);
}
END_TEST

static struct {
    brim_cache *cache;
    atomic_uint number, hits;
} hosts;

static void *one_of_many_threads(void *arg)
{
    uint64_t n = atomic_fetch_add(&hosts.number, 1), key = n % KEYS;
    const mortal *m;

    (void)arg;
    begin_reading(hosts.cache);
    m = brim_peek(hosts.cache, BRIM_KEY(key));
    if (n % 3 == 0)
        (void)put_mortal(hosts.cache, key, n, 1);
    if (m != NULL) {
        atomic_fetch_add(&hosts.hits, 1);
        EXPECT(mortal_alive(m, key));
    }
    if (n % 7 != 0) /* else the thread's end does it */
        brim_read_end(hosts.cache);
    return NULL;
}

START_TEST(test_sections_of_ten_thousand_threads)
{
    enum { AT_ONCE = 16 };
    pthread_t threads[AT_ONCE];
    int rounds = SCALED(10000 / AT_ONCE);

    memset(&hosts, 0, sizeof hosts);
    hosts.cache = mortal_cache(1000, 4);
    for (uint64_t i = 0; i < KEYS; i++)
        ck_assert(put_mortal(hosts.cache, i, 1, 1));
    for (int round = 0; round < rounds; round++) {
        for (int i = 0; i < AT_ONCE; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, one_of_many_threads, NULL), 0);
        for (int i = 0; i < AT_ONCE; i++)
            ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_uint_eq(stats_of(hosts.cache).sections, 0);
    }
    ck_assert_uint_eq(atomic_load(&hosts.hits), (unsigned)(rounds * AT_ONCE));
    settle_cache(hosts.cache);
    ck_assert_uint_eq(atomic_load(&born) - atomic_load(&died), KEYS);
    ck_assert_uint_eq(brim_used(hosts.cache), KEYS);
    mortal_finish(hosts.cache);
}
END_TEST

/* Many sections at once: as many threads as a crew has, all within one; a value waits for each of them. */

static struct {
    brim_cache *cache;
    atomic_uint begun, turn;
} ordered;

static void in_order(unsigned id, void *arg)
{
    const mortal *m;
    uint64_t key = 1;

    (void)arg;
    begin_reading(ordered.cache);
    m = brim_peek(ordered.cache, BRIM_KEY(key));
    atomic_fetch_add(&ordered.begun, 1);
    while (atomic_load(&ordered.turn) != id + 1)
        sched_yield();
    EXPECT(m != NULL && mortal_alive(m, key));
    EXPECT(atomic_load(&died) == 0);
    brim_read_end(ordered.cache);
    atomic_store(&ordered.turn, id + 2);
}

START_TEST(test_sections_a_value_waits_for_each_of_many_threads)
{
    crew threads;
    uint64_t key = 1;

    memset(&ordered, 0, sizeof ordered);
    ordered.cache = mortal_cache(1000, 1);
    ck_assert(put_mortal(ordered.cache, 1, 1, 1));
    crew_start(&threads, CREW_MAX, in_order, NULL);
    while (atomic_load(&ordered.begun) < CREW_MAX)
        sched_yield();
    ck_assert_uint_eq(stats_of(ordered.cache).sections, CREW_MAX);
    ck_assert(brim_remove(ordered.cache, BRIM_KEY(key)));
    atomic_store(&ordered.turn, 1);
    crew_join(&threads);
    ck_assert_uint_eq(atomic_load(&died), 1);
    mortal_finish(ordered.cache);
}
END_TEST

/* ---- Caches that come and go, perhaps at the same address */

enum { MANY_CACHES = 40 };

static struct {
    brim_cache *cache[MANY_CACHES];
    void *lent[MANY_CACHES];
} several;

static void peek_without_section(void *arg)
{
    uint64_t key = 1;

    (void)arg;
    EXPECT(brim_peek(several.cache[0], BRIM_KEY(key)) == NULL);
    begin_reading(several.cache[0]);
    EXPECT(brim_peek(several.cache[0], BRIM_KEY(key)) != NULL);
    brim_read_end(several.cache[0]);
    EXPECT(brim_peek(several.cache[0], BRIM_KEY(key)) == NULL);
}

static void begin_and_leave_open(void *arg)
{
    (void)arg;
    begin_reading(several.cache[0]);
}

static void end_what_was_open(void *arg)
{
    (void)arg;
    brim_read_end(several.cache[0]);
}

static void no_message(const char *message, void *arg)
{
    (void)message;
    (void)arg;
}

START_TEST(test_sections_of_a_cache_are_not_those_of_the_next)
{
    worker w;

    brim_set_debug_hook(no_message, NULL);
    worker_start(&w);
    for (uint64_t i = 0; i < 300; i++) {
        brim_cache *c = several.cache[0] = make_borrow_cache(100);

        ck_assert_int_eq(put(c, 1, i, 1), BRIM_OK);
        ck_assert_uint_eq(stats_of(c).sections, 0);
        peek_without_section(NULL);
        worker_do(&w, peek_without_section, NULL);
        begin_reading(c);
        if (i % 2 == 0)
            worker_do(&w, begin_and_leave_open, NULL);
        ck_assert_uint_eq(stats_of(c).sections, 1 + (i % 2 == 0));
        brim_cache_free(c);
        ck_assert_uint_eq(values_live(), 1);
        if (i % 2 == 0)
            worker_do(&w, end_what_was_open, NULL);
        if (i % 7 == 0) { /* or by the end of the thread */
            worker_end(&w);
            worker_start(&w);
        }
        brim_read_end(c);
        ck_assert_uint_eq(values_live(), 0);
    }
    worker_end(&w);
    brim_set_debug_hook(NULL, NULL);
}
END_TEST

static void begin_in_all(void *arg)
{
    uint64_t key = 1;

    (void)arg;
    for (int i = 0; i < MANY_CACHES; i++) {
        begin_reading(several.cache[i]);
        if (i % 3 == 0)
            begin_reading(several.cache[i]);
        several.lent[i] = brim_peek(several.cache[i], BRIM_KEY(key));
    }
}

/* Every second cache is freed before the thread ends, within its sections in all of them. */
START_TEST(test_sections_in_many_caches_of_a_thread_that_ends)
{
    worker w;

    worker_start(&w);
    for (uint64_t i = 0; i < MANY_CACHES; i++) {
        several.cache[i] = make_borrow_cache(100);
        ck_assert_int_eq(put(several.cache[i], 1, i, 1), BRIM_OK);
    }
    worker_do(&w, begin_in_all, NULL);
    for (uint64_t i = 0; i < MANY_CACHES; i++) {
        if (i % 2 == 0)
            brim_cache_free(several.cache[i]);
        else
            brim_clear(several.cache[i]);
        ck_assert(value_alive(several.lent[i], i));
    }
    ck_assert_uint_eq(values_live(), MANY_CACHES);
    worker_end(&w);
    ck_assert_uint_le(values_live(), MANY_CACHES / 2);
    for (uint64_t i = 1; i < MANY_CACHES; i += 2) {
        settle_cache(several.cache[i]);
        ck_assert_uint_eq(stats_of(several.cache[i]).sections, 0);
        ck_assert_uint_eq(brim_used(several.cache[i]), 0);
        brim_cache_free(several.cache[i]);
    }
    ck_assert_uint_eq(values_live(), 0);
}
END_TEST

/* ---- A hit never waits for a writer (G7), in a section neither */

static struct {
    gate gate;
    atomic_bool armed;
    brim_cache *cache;
    brim_key *keys[KEYS];
    int how;
} stop;

static void stop_if_armed(void)
{
    if (atomic_exchange(&stop.armed, false))
        gate_stop_here(&stop.gate);
}

static void stopping_destroy(void *v, size_t cost, void *arg)
{
    if (((value *)v)->id >= 1000)
        stop_if_armed();
    value_destroy(v, cost, arg);
}

static void stopping_removed(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    (void)key, (void)len, (void)cost, (void)cause, (void)arg;
    if (((value *)v)->id >= 2000)
        stop_if_armed();
}

static void stopping_allocator(void *arg)
{
    (void)arg;
    if (stop.how == 2)
        stop_if_armed();
}

static const brim_kind stopping_kind = {
    .size = sizeof(brim_kind), .destroy = stopping_destroy, .removed = stopping_removed};

/* 0: in a destructor, at the latest that of the next write; 1: in a listener; 2: in the allocator; 3: in the
 * destructor that the end of its section runs. */
static void stopped_write(void *arg)
{
    uint64_t key = 5000;

    (void)arg;
    if (stop.how == 3)
        begin_reading(stop.cache);
    EXPECT(put(stop.cache, key, stop.how == 1 ? 2001 : 1, 1) == BRIM_OK);
    EXPECT(brim_remove(stop.cache, BRIM_KEY(key)));
    if (stop.how == 3)
        brim_read_end(stop.cache);
    for (uint64_t i = 0; atomic_load(&stop.armed) && i < 100000; i++)
        (void)put(stop.cache, 6000 + i, 1, 0);
    EXPECT(!atomic_load(&stop.armed));
    if (atomic_load(&stop.armed))
        stop_if_armed();
}

static void peek_all(unsigned id, void *arg)
{
    uint64_t names[KEYS];
    void *values[KEYS];

    (void)id;
    (void)arg;
    for (int round = 0; round < 50; round++) {
        begin_reading(stop.cache);
        for (uint64_t key = 0; key < KEYS; key++) {
            brim_ref *r = brim_find(stop.cache, BRIM_KEY(key));
            const brim_ref *lent = brim_borrow(stop.cache, BRIM_KEY(key));

            names[key] = key;
            EXPECT(value_alive(brim_peek(stop.cache, BRIM_KEY(key)), key));
            EXPECT(value_alive(brim_key_peek(stop.keys[key]), key));
            brim_release(brim_ref_hold(lent));
            brim_release(r);
        }
        EXPECT(brim_peek_fixed(stop.cache, names, 8, 8, KEYS, values) == KEYS);
        brim_read_refresh(stop.cache);
        EXPECT(value_alive(values[KEYS - 1], KEYS - 1));
        brim_read_end(stop.cache);
    }
}

START_TEST(test_sections_hits_while_a_writer_is_stopped_in_a_callback)
{
    brim_options o = borrow_options(100000);
    worker writer;
    heap h;

    heap_init(&h);
    h.hook = stopping_allocator;
    o.allocator = &h.allocator;
    o.kind = &stopping_kind;
    o.shards = 1;
    atomic_store(&stop.armed, false);
    stop.how = _i;
    stop.cache = make_cache(&o);
    gate_init(&stop.gate);
    worker_start(&writer);
    for (uint64_t key = 0; key < KEYS; key++) {
        brim_ref *r = NULL;

        ck_assert_int_eq(put_ref(stop.cache, key, key, 10, &r), BRIM_OK);
        stop.keys[key] = brim_ref_key(r);
        brim_release(r);
    }
    ck_assert_int_eq(put(stop.cache, 5000, 1000, 1), BRIM_OK); /* this one's destruction stops the writer */
    atomic_store(&stop.armed, true);
    worker_begin(&writer, stopped_write, NULL);
    gate_wait_reached(&stop.gate);
    crew_do(2, peek_all, NULL);
    gate_open(&stop.gate);
    worker_wait(&writer);
    worker_end(&writer);
    gate_destroy(&stop.gate);
    for (uint64_t key = 0; key < KEYS; key++)
        brim_key_drop(stop.keys[key]);
    settle_cache(stop.cache);
    h.hook = NULL;
    finish(stop.cache);
}
END_TEST

/* ---- Stopped anywhere: a signal handler holds the writer wherever it happens to be */

static int reached_pipe[2], go_pipe[2];
static atomic_bool writer_ends;
static atomic_ullong writes;

static void hold_here(int signal_number)
{
    int saved = errno;
    char byte = 0;

    (void)signal_number;
    while (write(reached_pipe[1], &byte, 1) != 1)
        ;
    while (read(go_pipe[0], &byte, 1) != 1)
        ;
    errno = saved;
}

static void write_for_ever(unsigned id, void *arg)
{
    brim_cache *c = arg;
    uint64_t state = 1 + id;

    while (!atomic_load(&writer_ends)) {
        uint64_t x = random_next(&state), key = 1000 + x % 200;

        if (x >> 62 == 0)
            (void)brim_remove(c, BRIM_KEY(key));
        else if (brim_insert(c, BRIM_KEY(key), &writes, 1, NULL) != BRIM_OK)
            trouble(__FILE__, __LINE__, "an insert that fits failed");
        atomic_fetch_add(&writes, 1);
    }
}

/* Without touching the C library: the writer may be stopped in malloc. Returns the misses. */
static unsigned quiet_peeks(brim_cache *c)
{
    unsigned misses = 0;

    for (uint64_t key = 0; key < KEYS; key++) {
        const brim_ref *r = brim_borrow(c, BRIM_KEY(key));

        misses += r == NULL || brim_ref_value(r) != &writer_ends;
        misses += brim_peek(c, BRIM_KEY(key)) != &writer_ends;
    }
    return misses;
}

START_TEST(test_sections_hits_while_a_writer_is_stopped_anywhere)
{
    struct sigaction hold = {.sa_handler = hold_here}, before;
    unsigned misses = 0;
    brim_options o = borrow_options(1000000);
    brim_cache *c;
    crew writer;
    char byte = 0;

    o.kind = NULL;
    o.shards = 1;
    c = make_cache(&o);
    ck_assert_int_eq(pipe(reached_pipe) | pipe(go_pipe), 0);
    ck_assert_int_eq(sigaction(SIGUSR1, &hold, &before), 0);
    for (uint64_t key = 0; key < KEYS; key++)
        ck_assert_int_eq(brim_insert(c, BRIM_KEY(key), &writer_ends, 10, NULL), BRIM_OK);
    atomic_store(&writer_ends, false);
    atomic_store(&writes, 0);
    crew_start(&writer, 1, write_for_ever, c);
    while (atomic_load(&writes) == 0) /* ThreadSanitizer's start of a thread bears no signal */
        sched_yield();
    for (int round = 0; round < SCALED(1500); round++) {
        unsigned long long from = atomic_load(&writes);

        if (round % 2 == 0)
            begin_reading(c);
        while (atomic_load(&writes) < from + (unsigned long long)(round % 7))
            ;
        pthread_kill(writer.threads[0], SIGUSR1);
        while (read(reached_pipe[0], &byte, 1) != 1)
            ;
        if (round % 2 != 0)
            begin_reading(c);
        misses += quiet_peeks(c);
        while (write(go_pipe[1], &byte, 1) != 1)
            ;
        brim_read_end(c);
    }
    atomic_store(&writer_ends, true);
    crew_join(&writer);
    ck_assert_uint_eq(misses, 0);
    ck_assert_uint_gt(atomic_load(&writes), SCALED(1000));
    sigaction(SIGUSR1, &before, NULL);
    for (int i = 0; i < 2; i++) {
        close(reached_pipe[i]);
        close(go_pipe[i]);
    }
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("sections_threads");

    tcase_add_loop_test(tc, test_sections_among_writers, 0, 4);
    tcase_add_test(tc, test_sections_of_many_threads_outlive_the_cache);
    tcase_add_test(tc, test_sections_end_while_the_cache_is_freed);
    tcase_add_test(tc, test_sections_holds_of_several_threads_released_at_once);
    tcase_add_loop_test(tc, test_sections_a_thread_that_ends_closes_its_own, 0, 8);
    tcase_add_test(tc, test_sections_in_destructors_of_thread_specific_data);
    tcase_add_test(tc, test_sections_of_ten_thousand_threads);
    tcase_add_test(tc, test_sections_a_value_waits_for_each_of_many_threads);
    tcase_add_test(tc, test_sections_of_a_cache_are_not_those_of_the_next);
    tcase_add_test(tc, test_sections_in_many_caches_of_a_thread_that_ends);
    tcase_add_loop_test(tc, test_sections_hits_while_a_writer_is_stopped_in_a_callback, 0, 4);
    tcase_add_test(tc, test_sections_hits_while_a_writer_is_stopped_anywhere);
    return suite_run(tc);
}
