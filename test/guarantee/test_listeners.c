/* SPDX-License-Identifier: MIT
 *
 * Listeners: each entry that leaves is told once, with its key, value, cost and cause; listeners call anything.
 */
#include "support/support.h"
#include <sched.h>

enum { CAPACITY = 100, ID = 70, COST = 9 };

static atomic_ullong clock_now;

static uint64_t fake_now(void *arg)
{
    (void)arg;
    return atomic_load(&clock_now);
}

/* ---- Each way to leave */

static struct {
    unsigned count; /* of the value ${ID} */
    char key[16];
    size_t len, cost;
    brim_cause cause;
    bool alive;
} told;

static void tell(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    const value *left = v;

    EXPECT(arg == &told);
    if (left->id != ID)
        return;
    told.count++;
    memcpy(told.key, key, len < sizeof told.key ? len : sizeof told.key);
    told.len = len;
    told.cost = cost;
    told.cause = cause;
    told.alive = value_alive(left, ID);
}

static const brim_kind listened = {
    .size = sizeof(brim_kind), .name = "listened", .destroy = value_destroy, .removed = tell, .arg = &told};

#define KEY BRIM_STR("the key")

typedef struct scene {
    brim_cache *cache;
    brim_group *group;
    brim_ref *ref; /* to the entry; what does not release it itself leaves it to others */
} scene;

static void let_go(scene *s)
{
    brim_release(s->ref);
    s->ref = NULL;
}

static brim_status put_bytes(brim_cache *c, const char *key, size_t cost, const brim_entry_options *e)
{
    value *v = value_new(1, cost);
    brim_status s = brim_insert_with(c, BRIM_STR(key), v, cost, e, NULL);

    if (s != BRIM_OK)
        value_discard(v);
    return s;
}

static bool is_the_one(brim_ref *lent, void *arg)
{
    (void)arg;
    return id_of(lent) == ID;
}

static void by_remove(scene *s)
{
    ck_assert(brim_remove(s->cache, KEY));
}

static void by_key_remove(scene *s)
{
    brim_key *k = brim_ref_key(s->ref);

    let_go(s);
    ck_assert(brim_key_remove(k));
    brim_key_drop(k);
}

static void by_release_with(scene *s)
{
    ck_assert(brim_release_with(s->ref, BRIM_REMOVE_IF_LAST));
    s->ref = NULL;
}

static void by_remove_if(scene *s)
{
    ck_assert_uint_eq(brim_remove_if(s->cache, is_the_one, NULL), 1);
}

static void by_drop_old(scene *s)
{
    brim_entry_options e;

    brim_entry_options_init(&e);
    e.drop_old = true;
    ck_assert_int_eq(put_bytes(s->cache, "the key", CAPACITY + 1, &e), BRIM_TOO_BIG);
}

static void by_a_refused_insert_or_wrap(scene *s)
{
    value *v = value_new(1, CAPACITY + 1);

    ck_assert_int_eq(brim_insert_or_wrap(s->cache, KEY, v, CAPACITY + 1, NULL, NULL), BRIM_TOO_BIG);
}

static void by_insert(scene *s)
{
    ck_assert_int_eq(put_bytes(s->cache, "the key", 1, NULL), BRIM_OK);
}

static void by_key_replace(scene *s)
{
    brim_key *k = brim_ref_key(s->ref);

    ck_assert_int_eq(brim_key_replace(&k, value_new(1, 1), 1), BRIM_OK);
    brim_key_drop(k);
}

static void by_trim(scene *s)
{
    let_go(s);
    ck_assert_uint_eq(brim_trim(s->cache, 0), COST);
}

static void by_trim_kind(scene *s)
{
    let_go(s);
    ck_assert_uint_eq(brim_trim_kind(s->cache, &listened, 0), COST);
}

static void by_trim_unused_since(scene *s)
{
    let_go(s);
    ck_assert_uint_eq(brim_next_frame(s->cache), 1);
    ck_assert_uint_eq(brim_trim_unused_since(s->cache, 1), COST);
}

static void by_set_capacity(scene *s)
{
    let_go(s);
    ck_assert_int_eq(brim_set_capacity(s->cache, COST - 1), BRIM_OK);
}

static void by_reserve(scene *s)
{
    let_go(s);
    ck_assert_int_eq(brim_reserve(s->cache, CAPACITY), BRIM_OK);
    brim_unreserve(s->cache, CAPACITY);
}

static void by_ceiling(scene *s)
{
    let_go(s);
    ck_assert_int_eq(brim_kind_set_limits(s->cache, &listened, 0, COST - 1), BRIM_OK);
}

static void by_a_large_insert(scene *s)
{
    let_go(s);
    ck_assert_int_eq(put_bytes(s->cache, "large", CAPACITY, NULL), BRIM_OK);
}

static void by_set_cost(scene *s)
{
    value *v = value_new(1, 1);
    brim_ref *r = NULL;

    let_go(s);
    ck_assert_int_eq(brim_insert(s->cache, BRIM_STR("other"), v, 1, &r), BRIM_OK);
    ck_assert_int_eq(brim_ref_set_cost(r, CAPACITY), BRIM_OK);
    v->cost = CAPACITY;
    brim_release(r);
}

static void by_clear(scene *s)
{
    brim_clear(s->cache);
}

static void by_invalidation(scene *s)
{
    brim_group_invalidate(s->group);
    ck_assert(!brim_contains(s->cache, KEY));
}

static void by_closing(scene *s)
{
    brim_group_close(s->group);
    ck_assert(!brim_contains(s->cache, KEY));
}

static void by_age(scene *s)
{
    atomic_fetch_add(&clock_now, 61 * UINT64_C(1000000000));
    ck_assert(!brim_contains(s->cache, KEY));
}

static void by_freeing(scene *s)
{
    ck_assert(brim_check(s->cache, stderr));
    brim_cache_free(s->cache);
    s->cache = NULL;
}

/* Ages are limited to a minute where the cause says so. */
static const struct {
    void (*leave)(scene *);
    brim_cause cause;
    bool idle;
} ways[] = {
    {by_remove, BRIM_REMOVED, false},
    {by_key_remove, BRIM_REMOVED, false},
    {by_release_with, BRIM_REMOVED, false},
    {by_remove_if, BRIM_REMOVED, false},
    {by_drop_old, BRIM_REMOVED, false},
    {by_a_refused_insert_or_wrap, BRIM_REMOVED, false},
    {by_insert, BRIM_REPLACED, false},
    {by_key_replace, BRIM_REPLACED, false},
    {by_trim, BRIM_EVICTED, false},
    {by_trim_kind, BRIM_EVICTED, false},
    {by_trim_unused_since, BRIM_EVICTED, false},
    {by_set_capacity, BRIM_EVICTED, false},
    {by_reserve, BRIM_EVICTED, false},
    {by_ceiling, BRIM_EVICTED, false},
    {by_a_large_insert, BRIM_EVICTED, false},
    {by_set_cost, BRIM_EVICTED, false},
    {by_clear, BRIM_CLEARED, false},
    {by_invalidation, BRIM_INVALIDATED, false},
    {by_closing, BRIM_INVALIDATED, false},
    {by_age, BRIM_EXPIRED, false},
    {by_age, BRIM_EXPIRED, true},
    {by_freeing, BRIM_FREED, false},
};
enum { WAYS = sizeof ways / sizeof ways[0] };

static scene set_scene(brim_cause cause, bool idle)
{
    brim_options o = value_options(CAPACITY);
    brim_entry_options e;
    scene s = {0};

    memset(&told, 0, sizeof told);
    atomic_store(&clock_now, UINT64_C(1000000000000));
    o.shards = 1;
    o.now = fake_now;
    s.cache = make_cache(&o);
    s.group = brim_group_new(s.cache);
    ck_assert_ptr_nonnull(s.group);
    brim_entry_options_init(&e);
    e.kind = &listened;
    e.group = s.group;
    if (cause == BRIM_EXPIRED)
        *(idle ? &e.max_idle : &e.max_age) = 60 * UINT64_C(1000000000);
    ck_assert_int_eq(brim_insert_with(s.cache, KEY, value_new(ID, COST), COST, &e, &s.ref), BRIM_OK);
    return s;
}

/* What is stale is told when later writes sweep it. */
static void sweep(brim_cache *c)
{
    for (int i = 0; i < 500 && told.count == 0; i++)
        ck_assert_int_eq(put_bytes(c, i % 2 == 0 ? "even" : "odd", 1, NULL), BRIM_OK);
}

START_TEST(test_listeners_are_told_once_why_and_what)
{
    brim_cause cause = ways[_i].cause;
    scene s = set_scene(cause, ways[_i].idle);

    ways[_i].leave(&s);
    if (cause == BRIM_INVALIDATED || cause == BRIM_EXPIRED)
        sweep(s.cache);
    ck_assert_uint_eq(told.count, 1);
    ck_assert_int_eq(told.cause, cause);
    ck_assert_uint_eq(told.len, strlen("the key"));
    ck_assert_mem_eq(told.key, "the key", told.len);
    ck_assert_uint_eq(told.cost, COST);
    ck_assert(told.alive);
    if (s.cache != NULL)
        ck_assert_uint_eq(stats_of(s.cache).left[cause], 1);
    let_go(&s);
    ck_assert_uint_eq(told.count, 1);
    brim_group_drop(s.group);
    if (s.cache != NULL)
        finish(s.cache);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(told.count, 1);
}
END_TEST

/* Whatever finds stale entries first: their cause is why they were no longer found. */
START_TEST(test_listeners_hear_of_stale_entries_as_stale)
{
    brim_cause cause = _i % 2 == 0 ? BRIM_INVALIDATED : BRIM_EXPIRED;
    scene s = set_scene(cause, false);

    let_go(&s);
    if (cause == BRIM_INVALIDATED)
        brim_group_invalidate(s.group);
    else
        by_age(&s);
    switch (_i / 2) {
    case 0: (void)brim_trim(s.cache, 0); break;
    case 1: ck_assert_int_eq(put_bytes(s.cache, "large", CAPACITY, NULL), BRIM_OK); break;
    default: ck_assert_int_eq(brim_set_capacity(s.cache, COST - 1), BRIM_OK); break;
    }
    ck_assert_uint_eq(told.count, 1);
    ck_assert_int_eq(told.cause, cause);
    brim_group_drop(s.group);
    finish(s.cache);
    ck_assert_uint_eq(told.count, 1);
}
END_TEST

/* ---- Keys and values of all sorts */

static const size_t lengths[] = {0, 1, 7, 8, 79, 80, 81, 1000};
enum { LENGTHS = sizeof lengths / sizeof lengths[0] };
static struct {
    unsigned with_key[LENGTHS], anonymous, null_values;
} sorts;

static void tell_sorts(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    const unsigned char *bytes = key;

    (void)cost, (void)arg;
    EXPECT(cause == BRIM_CLEARED);
    sorts.null_values += v == NULL;
    if (key == NULL) {
        sorts.anonymous++;
        EXPECT(len == 0);
        return;
    }
    for (size_t i = 0; i < LENGTHS; i++)
        sorts.with_key[i] += lengths[i] == len;
    for (size_t i = 0; i < len; i++)
        EXPECT(bytes[i] == (unsigned char)(len + i));
}

START_TEST(test_listeners_get_keys_of_every_length)
{
    static const brim_kind kind = {.size = sizeof kind, .destroy = value_destroy, .removed = tell_sorts};
    brim_options o = value_options(CAPACITY);
    unsigned char key[1000];
    brim_key *k = NULL;
    brim_cache *c;

    memset(&sorts, 0, sizeof sorts);
    o.kind = &kind;
    c = make_cache(&o);
    for (unsigned i = 0; i < LENGTHS; i++) {
        for (size_t b = 0; b < lengths[i]; b++)
            key[b] = (unsigned char)(lengths[i] + b);
        ck_assert_int_eq(brim_insert(c, key, lengths[i], i % 2 == 0 ? value_new(i, 1) : NULL, 1, NULL), BRIM_OK);
    }
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(1, 1), 1, NULL, &k, NULL), BRIM_OK);
    brim_clear(c);
    for (unsigned i = 0; i < LENGTHS; i++)
        ck_assert_uint_eq(sorts.with_key[i], 1);
    ck_assert_uint_eq(sorts.anonymous, 1);
    ck_assert_uint_eq(sorts.null_values, LENGTHS / 2);
    ck_assert_uint_eq(values_destroyed(), LENGTHS / 2 + 1);
    brim_key_drop(k);
    finish(c);
}
END_TEST

START_TEST(test_listeners_hear_of_held_values_when_they_leave)
{
    scene s = set_scene(BRIM_REMOVED, false);
    brim_ref *copy = brim_ref_copy(s.ref);

    by_remove(&s);
    ck_assert_uint_eq(told.count, 1);
    let_go(&s);
    ck_assert(value_alive(brim_ref_value(copy), ID));
    brim_release(copy);
    ck_assert_uint_eq(told.count, 1);
    ck_assert_uint_eq(values_live(), 0);
    brim_group_drop(s.group);
    finish(s.cache);
}
END_TEST

static brim_status load_the_one(const void *key, size_t len, void *arg, void **v, size_t *cost)
{
    (void)key, (void)len;
    *cost = *(const size_t *)arg;
    *v = value_new(ID, *cost);
    return BRIM_OK;
}

START_TEST(test_listeners_never_hear_of_what_was_not_admitted)
{
    brim_options o = value_options(CAPACITY);
    size_t cost = CAPACITY + 1;
    brim_load *load = NULL;
    brim_ref *r = NULL;
    brim_cache *c;

    memset(&told, 0, sizeof told);
    o.kind = &listened;
    c = make_cache(&o);
    ck_assert_int_eq(brim_wrap(c, value_new(ID, 1), 1, NULL, &r), BRIM_OK);
    brim_release(r);
    ck_assert_int_eq(brim_insert_or_wrap(c, KEY, value_new(ID, cost), cost, NULL, &r), BRIM_TOO_BIG);
    brim_release(r);
    ck_assert_int_eq(put(c, 1, ID, cost), BRIM_TOO_BIG);
    ck_assert_int_eq(brim_get(c, KEY, load_the_one, &cost, &r), BRIM_OK);
    brim_release(r);
    ck_assert_int_eq(brim_claim(c, KEY, 0, &r, &load), BRIM_CLAIMED);
    ck_assert_int_eq(put_bytes(c, "the key", 1, NULL), BRIM_OK);
    ck_assert_int_eq(brim_load_finish(load, value_new(ID, 1), 1, NULL), BRIM_CANCELED);
    ck_assert_uint_eq(told.count, 0);
    ck_assert_uint_eq(values_destroyed(), 4);
    finish(c);
    ck_assert_uint_eq(told.count, 0);
}
END_TEST

START_TEST(test_listeners_hear_of_loaded_values)
{
    brim_options o = value_options(CAPACITY);
    size_t cost = COST;
    brim_ref *r = NULL;
    brim_cache *c;

    memset(&told, 0, sizeof told);
    o.kind = &listened;
    c = make_cache(&o);
    ck_assert_int_eq(brim_get(c, KEY, load_the_one, &cost, &r), BRIM_OK);
    brim_release(r);
    ck_assert(brim_remove(c, KEY));
    ck_assert_uint_eq(told.count, 1);
    ck_assert_uint_eq(told.cost, COST);
    ck_assert_mem_eq(told.key, "the key", 7);
    ck_assert_int_eq(told.cause, BRIM_REMOVED);
    finish(c);
    ck_assert_uint_eq(told.count, 1);
}
END_TEST

/* ---- Before the call returns, one after the other */

static struct {
    brim_cache *cache;
    unsigned count, depth;
} nest;

static void remove_others(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    unsigned before = ++nest.count;

    (void)key, (void)len, (void)cost, (void)cause, (void)arg;
    EXPECT(++nest.depth == 1);
    for (uint64_t other = 2; other <= 10 && ((const value *)v)->id == 1; other++)
        EXPECT(brim_remove(nest.cache, BRIM_KEY(other)));
    EXPECT(nest.count == before);
    nest.depth--;
}

START_TEST(test_listeners_of_nested_calls_run_before_the_outermost_returns)
{
    static const brim_kind kind = {.size = sizeof kind, .destroy = value_destroy, .removed = remove_others};
    brim_options o = value_options(CAPACITY);
    uint64_t first = 1;

    memset(&nest, 0, sizeof nest);
    o.kind = &kind;
    nest.cache = make_cache(&o);
    for (uint64_t key = 1; key <= 10; key++)
        ck_assert_int_eq(put(nest.cache, key, key, 1), BRIM_OK);
    ck_assert(brim_remove(nest.cache, BRIM_KEY(first)));
    ck_assert_uint_eq(nest.count, 10);
    ck_assert_uint_eq(values_live(), 0);
    finish(nest.cache);
}
END_TEST

/* ---- One key, many threads: who replaced whom is one chain, in an order that real time allows */

enum { RACERS = 3, ROUNDS = CHECKING_BUILD ? 800 : 4000, PUTS = RACERS * ROUNDS };

static struct {
    brim_cache *cache;
    atomic_ullong clock;
    struct {
        uint64_t begin, end, replaced; /* when it was put, and the id of what that replaced; ids begin with 1 */
        atomic_uint told;
    } put[PUTS + 1];
} chain;
static _Thread_local uint64_t putting; /* the id */

static void note_replaced(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    uint64_t id = ((const value *)v)->id;

    (void)key, (void)len, (void)arg;
    if (cause == BRIM_FREED)
        return;
    EXPECT(cause == BRIM_REPLACED && cost == 1 && value_alive(v, id));
    atomic_fetch_add(&chain.put[id].told, 1);
    EXPECT_MSG(putting != 0, "told outside of the call that replaced it");
    EXPECT_MSG(chain.put[putting].replaced == 0, "one call replaced two");
    chain.put[putting].replaced = id;
}

static void replace_one_key(unsigned id, void *arg)
{
    (void)arg;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t key = 1;

        putting = id * ROUNDS + i + 1;
        chain.put[putting].begin = atomic_fetch_add(&chain.clock, 1);
        EXPECT(put(chain.cache, key, putting, 1) == BRIM_OK);
        chain.put[putting].end = atomic_fetch_add(&chain.clock, 1);
        if (i % 64 == 0) /* two cores would hardly overlap */
            sched_yield();
    }
    putting = 0;
}

START_TEST(test_listeners_of_one_key_hear_one_order)
{
    static const brim_kind kind = {.size = sizeof kind, .destroy = value_destroy, .removed = note_replaced};
    brim_options o = value_options(CAPACITY);
    uint64_t last, at, successor_end, length = 0;

    memset(&chain, 0, sizeof chain);
    o.kind = &kind;
    chain.cache = make_cache(&o);
    crew_do(RACERS, replace_one_key, NULL);
    last = at = found_id(chain.cache, 1);
    ck_assert_uint_eq(atomic_load(&chain.put[last].told), 0);
    successor_end = UINT64_MAX; /* the earliest end of all that came later */
    for (; at != 0; at = chain.put[at].replaced, length++) {
        ck_assert_uint_le(length, PUTS);
        if (at != last)
            ck_assert_uint_eq(atomic_load(&chain.put[at].told), 1);
        ck_assert_uint_lt(chain.put[at].begin, successor_end);
        if (chain.put[at].end < successor_end)
            successor_end = chain.put[at].end;
    }
    ck_assert_uint_eq(length, PUTS);
    finish(chain.cache);
}
END_TEST

/* ---- Each of many values once, whatever many threads do */

enum { IDS = CHECKING_BUILD ? 6000 : 24000, NEVER_ADMITTED = 100 };

static struct {
    brim_cache *cache;
    atomic_uint next, causes[7], tells[IDS];
} once;

static void tell_once(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    uint64_t id = ((const value *)v)->id, k = UINT64_MAX;

    (void)arg;
    EXPECT(len == sizeof k);
    memcpy(&k, key, sizeof k);
    EXPECT(k == id % 60);
    EXPECT(cost == ((const value *)v)->cost && value_alive(v, id));
    atomic_fetch_add(&once.causes[cause], 1);
    EXPECT(atomic_fetch_add(&once.tells[id], 1) == 0);
}

static void destroy_once(void *v, size_t cost, void *arg)
{
    EXPECT_MSG(atomic_load(&once.tells[((const value *)v)->id]) == 1, "destroyed before it was told");
    value_destroy(v, cost, arg);
}

static void churn(unsigned thread, void *arg)
{
    uint64_t state = thread + 1, id;

    (void)arg;
    while ((id = atomic_fetch_add(&once.next, 1)) < IDS) {
        uint64_t x = random_next(&state), key = id % 60, other = (x >> 8) % 60;
        brim_ref *held = brim_find(once.cache, BRIM_KEY(other));

        if (put(once.cache, key, id, 1 + x % 5) != BRIM_OK)
            atomic_fetch_add(&once.tells[id], NEVER_ADMITTED);
        if (x >> 60 == 0)
            (void)brim_remove(once.cache, BRIM_KEY(other));
        if (x >> 56 == 0x10)
            brim_clear(once.cache);
        if (x >> 56 == 0x20)
            (void)brim_trim(once.cache, 50);
        (void)brim_release_with(held, x >> 60 == 3 ? BRIM_REMOVE_IF_LAST : 0);
    }
}

START_TEST(test_listeners_hear_of_each_value_once_among_threads)
{
    static const brim_kind kind = {.size = sizeof kind, .destroy = destroy_once, .removed = tell_once};
    brim_options o = value_options(CAPACITY);
    unsigned admitted = 0;
    brim_stats s;

    memset(&once, 0, sizeof once);
    o.kind = &kind;
    o.shards = _i == 0 ? 1 : 4;
    once.cache = make_cache(&o);
    crew_do(3, churn, NULL);
    s = stats_of(once.cache);
    for (int cause = 0; cause < 7; cause++)
        ck_assert_uint_eq(s.left[cause], atomic_load(&once.causes[cause]));
    ck_assert_uint_gt(s.left[BRIM_EVICTED], 0);
    ck_assert_uint_gt(s.left[BRIM_REPLACED], 0);
    ck_assert_uint_gt(s.left[BRIM_REMOVED], 0);
    ck_assert_uint_gt(s.left[BRIM_CLEARED], 0);
    finish(once.cache);
    for (unsigned id = 0; id < IDS; id++) {
        unsigned tells = atomic_load(&once.tells[id]);

        ck_assert_msg(tells == 1 || tells == NEVER_ADMITTED, "value %u: %u", id, tells);
        admitted += tells == 1;
    }
    ck_assert_uint_eq(admitted, s.insertions);
}
END_TEST

/* ---- Listeners that call anything */

static struct {
    brim_cache *cache;
    brim_group *group;
    brim_queue *queue;
    atomic_uint calls, loaded, claimed, inserted;
    atomic_bool idling;
} any;
static _Thread_local unsigned call_budget; /* how many more listeners may call, so that it ends */

static int swallow(void *arg, const char *text, size_t len)
{
    (void)text;
    *(size_t *)arg += len;
    return 0;
}

static bool see(brim_ref *lent, void *arg)
{
    (void)arg;
    return brim_ref_value(lent) != NULL;
}

static bool choose(brim_ref *lent, void *arg)
{
    (void)arg;
    return id_of(lent) % 5 == 0;
}

static brim_status load_small(const void *key, size_t len, void *arg, void **v, size_t *cost)
{
    (void)key, (void)len, (void)arg;
    *cost = 2;
    *v = value_new(3, 2);
    return BRIM_OK;
}

static void call_loads(brim_cache *c, uint64_t key)
{
    uint64_t other = key + 1;
    brim_ref *r = NULL;
    brim_load *load = NULL;
    brim_status s = brim_get(c, BRIM_KEY(key), load_small, NULL, &r);

    EXPECT_MSG(s == BRIM_OK || s == BRIM_FAILED || s == BRIM_CANCELED, "get: status %d", (int)s);
    if (s == BRIM_OK)
        atomic_fetch_add(&any.loaded, 1);
    brim_release(r);
    s = brim_claim(c, BRIM_KEY(other), 0, &r, &load);
    EXPECT_MSG(s == BRIM_OK || s == BRIM_CLAIMED || s == BRIM_PENDING, "claim: status %d", (int)s);
    brim_release(r);
    if (s != BRIM_CLAIMED)
        return;
    atomic_fetch_add(&any.claimed, 1);
    if (key % 3 == 0)
        brim_load_fail(load, 7);
    else
        (void)brim_load_finish(load, value_new(4, 2), 2, NULL);
}

static void call_bounds(brim_cache *c, unsigned turn)
{
    size_t written = 0;

    EXPECT(brim_collect(any.queue, SIZE_MAX) == 0);
    EXPECT(brim_drain(c, 0) != BRIM_INVALID);
    if (brim_reserve(c, 1) == BRIM_OK)
        brim_unreserve(c, 1);
    (void)brim_next_frame(c);
    switch (turn % 8) {
    case 0: brim_group_invalidate(any.group); break;
    case 1: (void)brim_trim(c, 40); break;
    case 2: (void)brim_trim_kind(c, NULL, 40); break;
    case 3:
        if (!atomic_exchange(&any.idling, true)) { /* one thread at a time */
            (void)brim_idle(c);
            atomic_store(&any.idling, false);
        }
        break;
    case 4: (void)brim_remove_if(c, choose, NULL); break;
    case 5: (void)brim_kind_set_limits(c, NULL, 10, turn % 2 == 0 ? 60 : 0); break;
    case 6: (void)brim_set_capacity(c, brim_capacity(c)); break;
    default: brim_clear(c); break;
    }
    (void)brim_for_each(c, see, NULL);
    EXPECT(brim_stats_emit(&c, 1, (brim_format)(turn % 3), swallow, &written) == BRIM_OK);
    EXPECT(written > 0);
    (void)brim_report_problems(c, NULL, NULL);
}

static void call_anything(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    unsigned turn = atomic_fetch_add(&any.calls, 1);
    uint64_t k = turn % 40;
    brim_entry_options e;
    value *small;

    (void)key, (void)len, (void)cost, (void)cause, (void)arg;
    EXPECT(atomic_load(&((value *)v)->destroyed) == 0);
    if (call_budget == 0)
        return;
    call_budget--;
    small = value_new(1, 1);
    brim_entry_options_init(&e);
    e.group = any.group;
    if (brim_insert_with(any.cache, BRIM_KEY(k), small, 1, &e, NULL) == BRIM_OK)
        atomic_fetch_add(&any.inserted, 1);
    else
        value_discard(small);
    brim_release(brim_find(any.cache, BRIM_KEY(k)));
    call_loads(any.cache, k);
    call_bounds(any.cache, turn);
    k = (k + 7) % 40;
    (void)brim_remove(any.cache, BRIM_KEY(k));
}

static const brim_kind calling = {.size = sizeof(brim_kind), .destroy = value_destroy, .removed = call_anything};

static void write_and_listen(unsigned id, void *arg)
{
    uint64_t state = id + 1;

    (void)arg;
    for (int i = 0; i < SCALED(1500); i++) {
        uint64_t x = random_next(&state), key = x % 40;

        call_budget = 3;
        (void)put(any.cache, key, x, 1 + (x >> 8) % 8);
        if ((x >> 16) % 8 == 0)
            (void)brim_remove(any.cache, BRIM_KEY(key));
    }
    call_budget = 0;
}

START_TEST(test_listeners_call_every_function)
{
    brim_options o = value_options(CAPACITY);

    memset(&any, 0, sizeof any);
    o.kind = &calling;
    o.shards = _i == 0 ? 1 : 4;
    o.protect_frame = true;
    any.queue = brim_queue_new();
    ck_assert_ptr_nonnull(any.queue);
    any.cache = make_cache(&o);
    any.group = brim_group_new(any.cache);
    ck_assert_ptr_nonnull(any.group);
    crew_do(_i == 0 ? 1 : 3, write_and_listen, NULL);
    ck_assert_uint_gt(atomic_load(&any.calls), SCALED(1500));
    ck_assert_uint_gt(atomic_load(&any.loaded), 0);
    ck_assert_uint_gt(atomic_load(&any.claimed), 0);
    ck_assert_uint_gt(atomic_load(&any.inserted), 0);
    ck_assert_uint_eq(stats_of(any.cache).loading, 0);
    ck_assert_uint_eq(stats_of(any.cache).reserved, 0);
    brim_group_drop(any.group);
    finish(any.cache);
    brim_queue_drop(any.queue);
}
END_TEST

/* ---- A second cache that takes what the first lost */

static brim_cache *second;

static void move_to_second(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    value *copy = value_new(((const value *)v)->id, cost);

    (void)arg;
    if (cause != BRIM_EVICTED || brim_insert(second, key, len, copy, cost, NULL) != BRIM_OK)
        value_discard(copy);
}

START_TEST(test_listeners_move_what_is_evicted_to_another_cache)
{
    static const brim_kind kind = {.size = sizeof kind, .destroy = value_destroy, .removed = move_to_second};
    brim_options o = value_options(20);
    brim_cache *c;

    second = make_value_cache(1000);
    o.kind = &kind;
    c = make_cache(&o);
    for (uint64_t i = 0; i < 200; i++)
        ck_assert_int_eq(put(c, i, i, 1 + i % 3), BRIM_OK);
    ck_assert_uint_gt(brim_count(second), 150);
    ck_assert_uint_eq(brim_count(second), stats_of(c).left[BRIM_EVICTED]);
    for (uint64_t i = 0; i < 200; i++) {
        ck_assert(has(c, i) != has(second, i));
        ck_assert_uint_eq(found_id(has(c, i) ? c : second, i), i);
    }
    brim_cache_free(c);
    finish(second);
}
END_TEST

/* ---- While the cache is freed */

static atomic_uint late, late_inserts;

static void insert_late(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    uint64_t k = 1000 + atomic_fetch_add(&late, 1);
    brim_ref *r = NULL;
    brim_load *load = NULL;
    brim_status s;

    (void)key, (void)len, (void)v, (void)cost, (void)arg;
    EXPECT(cause == BRIM_FREED);
    s = put(nest.cache, k, k, 1);
    EXPECT_MSG(s == BRIM_INVALID || s == BRIM_FULL, "status %d", (int)s);
    atomic_fetch_add(&late_inserts, s != BRIM_OK);
    s = brim_claim(nest.cache, BRIM_KEY(k), 0, &r, &load);
    EXPECT_MSG(s == BRIM_CANCELED || s == BRIM_INVALID, "claim: status %d", (int)s);
    EXPECT(r == NULL && load == NULL);
    brim_load_fail(load, 1);
    EXPECT(brim_find(nest.cache, BRIM_KEY(k)) == NULL);
}

START_TEST(test_listeners_insert_nothing_while_the_cache_is_freed)
{
    static const brim_kind kind = {.size = sizeof kind, .destroy = value_destroy, .removed = insert_late};
    brim_options o = value_options(CAPACITY);

    atomic_store(&late, 0);
    atomic_store(&late_inserts, 0);
    o.kind = &kind;
    nest.cache = make_cache(&o);
    for (uint64_t i = 0; i < 50; i++)
        ck_assert_int_eq(put(nest.cache, i, i, 1), BRIM_OK);
    brim_cache_free(nest.cache);
    ck_assert_uint_eq(atomic_load(&late), 50);
    ck_assert_uint_eq(atomic_load(&late_inserts), 50);
    ck_assert_uint_eq(values_live(), 0);
}
END_TEST

/* ---- A bounded stack */

enum { MANY = CHECKING_BUILD ? 6000 : 20000, SMALL_STACK = CHECKING_BUILD ? 512 * 1024 : 64 * 1024 };

static struct {
    brim_cache *cache;
    brim_group *group;
    int how;
    bool over;
    unsigned heard, inserted;
} cascade;

static void insert_next(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    uint64_t k = UINT64_MAX, next;
    brim_status s;

    (void)v, (void)cost, (void)cause, (void)arg;
    EXPECT(len == sizeof k);
    memcpy(&k, key, sizeof k);
    cascade.heard++;
    if (k >= MANY || cascade.over)
        return;
    next = k + 1;
    if (cascade.how == 0)
        (void)brim_remove(cascade.cache, BRIM_KEY(next));
    next = k + MANY;
    s = brim_insert(cascade.cache, BRIM_KEY(next), &cascade, 1, NULL);
    EXPECT_MSG(s == BRIM_OK || s == BRIM_FULL, "status %d", (int)s);
    cascade.inserted += s == BRIM_OK;
}

static void begin_cascade(unsigned id, void *arg)
{
    brim_cache *c = arg;
    uint64_t first = 0;

    (void)id;
    switch (cascade.how) {
    case 0: (void)brim_remove(c, BRIM_KEY(first)); break;
    case 1: brim_clear(c); break;
    case 2: (void)brim_trim(c, 0); break;
    case 3: (void)brim_kind_set_limits(c, NULL, 0, 1); break;
    default:
        brim_group_invalidate(cascade.group);
        (void)brim_trim(c, 0);
        break;
    }
}

START_TEST(test_listeners_that_insert_need_a_bounded_stack)
{
    static const brim_kind kind = {.size = sizeof kind, .removed = insert_next};
    brim_options o = value_options(2 * MANY);
    brim_entry_options e;
    brim_cache *c;

    memset(&cascade, 0, sizeof cascade);
    cascade.how = _i;
    o.kind = &kind;
    c = cascade.cache = make_cache(&o);
    cascade.group = brim_group_new(c);
    ck_assert_ptr_nonnull(cascade.group);
    brim_entry_options_init(&e);
    e.group = cascade.group;
    for (uint64_t i = 0; i < MANY; i++)
        ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(i), &cascade, 1, &e, NULL), BRIM_OK);
    run_on_stack(SMALL_STACK, begin_cascade, c);
    ck_assert_uint_ge(cascade.heard, MANY - (_i == 3));
    ck_assert(_i == 3 || cascade.inserted > 0);
    for (uint64_t i = 0; i < MANY && _i != 2 && _i != 3; i++) /* those may leave some: what came instead went */
        ck_assert(!has(c, i));
    cascade.over = true;
    brim_group_drop(cascade.group);
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("listeners");

    tcase_add_loop_test(tc, test_listeners_are_told_once_why_and_what, 0, WAYS);
    tcase_add_loop_test(tc, test_listeners_hear_of_stale_entries_as_stale, 0, 6);
    tcase_add_test(tc, test_listeners_get_keys_of_every_length);
    tcase_add_test(tc, test_listeners_hear_of_held_values_when_they_leave);
    tcase_add_test(tc, test_listeners_never_hear_of_what_was_not_admitted);
    tcase_add_test(tc, test_listeners_hear_of_loaded_values);
    tcase_add_test(tc, test_listeners_of_nested_calls_run_before_the_outermost_returns);
    tcase_add_test(tc, test_listeners_of_one_key_hear_one_order);
    tcase_add_loop_test(tc, test_listeners_hear_of_each_value_once_among_threads, 0, 2);
    tcase_add_loop_test(tc, test_listeners_call_every_function, 0, 2);
    tcase_add_test(tc, test_listeners_move_what_is_evicted_to_another_cache);
    tcase_add_test(tc, test_listeners_insert_nothing_while_the_cache_is_freed);
    tcase_add_loop_test(tc, test_listeners_that_insert_need_a_bounded_stack, 0, 5);
    return suite_run(tc);
}
