/* SPDX-License-Identifier: MIT
 *
 * Queues: values of such a kind are destroyed in brim_collect alone, on its thread, and are charged until then.
 */
#include "support/support.h"
#include <sched.h>

enum { CAPACITY = 100, KINDS = 4, LOGGED = 4096 };

/* ---- Kinds whose values may be destroyed by whoever collects, and by nobody else */

static brim_kind kinds[KINDS];         /* all with the queue */
static _Thread_local bool may_destroy; /* this thread is in brim_collect, or in brim_queue_drop or after it */
static uint64_t order[LOGGED];         /* ids, as they were destroyed */
static atomic_uint destroyed, unused, gone;
static unsigned gone_after_unused;
static void (*while_destroying)(const value *);

static void destroy_queued(void *p, size_t cost, void *arg)
{
    const value *v = p;
    unsigned n = atomic_fetch_add(&destroyed, 1);

    EXPECT_MSG(may_destroy, "value %llu was not destroyed by a collector", (unsigned long long)v->id);
    if (n < LOGGED)
        order[n] = v->id;
    if (while_destroying != NULL)
        while_destroying(v);
    value_destroy(p, cost, arg);
}

static void count_unused(void *arg)
{
    (void)arg;
    atomic_fetch_add(&unused, 1);
}

static void count_gone(void *arg)
{
    (void)arg;
    atomic_fetch_add(&gone, 1);
    gone_after_unused = atomic_load(&unused);
}

static brim_queue *start_queue(void)
{
    brim_queue *q = brim_queue_new();

    ck_assert_ptr_nonnull(q);
    for (unsigned i = 0; i < KINDS; i++)
        kinds[i] = (brim_kind){
            .size = sizeof(brim_kind), .destroy = destroy_queued, .unused = count_unused, .queue = q};
    may_destroy = false;
    while_destroying = NULL;
    atomic_store(&destroyed, 0);
    atomic_store(&unused, 0);
    atomic_store(&gone, 0);
    return q;
}

static size_t collect(brim_queue *q, size_t max)
{
    size_t n;

    may_destroy = true;
    n = brim_collect(q, max);
    may_destroy = false;
    return n;
}

static void drop_queue(brim_queue *q)
{
    may_destroy = true;
    brim_queue_drop(q);
}

static brim_options queued_options(void)
{
    brim_options o = value_options(CAPACITY);

    o.kind = &kinds[0];
    o.shards = 1;
    o.gone = count_gone;
    return o;
}

static brim_cache *queued_cache(void)
{
    brim_options o = queued_options();

    return make_cache(&o);
}

static brim_status put_as(brim_cache *c, const brim_kind *kind, uint64_t key, size_t cost)
{
    value *v = value_new(key, cost);
    brim_entry_options e;
    brim_status s;

    brim_entry_options_init(&e);
    e.kind = kind;
    s = brim_insert_with(c, BRIM_KEY(key), v, cost, &e, NULL);
    if (s != BRIM_OK)
        value_discard(v);
    return s;
}

static void take_away(brim_cache *c, uint64_t key)
{
    ck_assert(brim_remove(c, BRIM_KEY(key)));
}

/* What all tests end with: nothing waits any more. */
static void finish_queued(brim_cache *c, brim_queue *q)
{
    brim_clear(c);
    (void)collect(q, SIZE_MAX);
    ck_assert(brim_check(c, stderr));
    ck_assert_uint_eq(brim_used(c), 0);
    brim_cache_free(c);
    ck_assert_uint_eq(values_live(), 0);
    drop_queue(q);
    no_trouble();
}

/* ---- Values wait */

START_TEST(test_queues_whatever_leaves_waits_to_be_collected)
{
    brim_queue *q = start_queue();
    brim_cache *c = queued_cache();
    brim_ref *r = NULL;
    brim_key *k = NULL;
    brim_stats s;
    uint64_t two = 2;

    for (uint64_t key = 0; key < 6; key++)
        ck_assert_int_eq(put(c, key, key, 10), BRIM_OK);
    take_away(c, 0);
    ck_assert_int_eq(put(c, 1, 11, 10), BRIM_OK);
    r = brim_find(c, BRIM_KEY(two));
    ck_assert(brim_release_with(r, BRIM_REMOVE_IF_LAST));
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(20, 10), 10, NULL, &k, NULL), BRIM_OK);
    ck_assert_int_eq(brim_key_replace(&k, value_new(21, 10), 10), BRIM_OK);
    ck_assert(brim_key_remove(k));
    brim_key_drop(k);
    ck_assert_uint_eq(brim_used(c), 90);
    s = stats_of(c);
    ck_assert_uint_eq(s.queued, 50);
    ck_assert_uint_eq(s.queued_values, 5);
    ck_assert_uint_eq(s.values, 9);
    brim_clear(c);
    ck_assert_uint_eq(brim_count(c), 0);
    ck_assert_uint_eq(brim_used(c), 90);
    ck_assert_uint_eq(atomic_load(&destroyed), 0);
    ck_assert_uint_eq(collect(q, SIZE_MAX), 9);
    ck_assert_uint_eq(atomic_load(&destroyed), 9);
    ck_assert_uint_eq(brim_used(c), 0);
    s = stats_of(c);
    ck_assert_uint_eq(s.queued + s.queued_values + s.values, 0);
    ck_assert_uint_eq(collect(q, SIZE_MAX), 0);
    finish_queued(c, q);
}
END_TEST

START_TEST(test_queues_what_waits_leaves_no_room_until_it_is_collected)
{
    brim_queue *q = start_queue();
    brim_cache *c = queued_cache();
    brim_ref *held[5];

    for (uint64_t key = 0; key < 5; key++)
        ck_assert_int_eq(put_ref(c, key, key, 10, &held[key]), BRIM_OK);
    for (uint64_t key = 5; key < 10; key++)
        ck_assert_int_eq(put(c, key, key, 10), BRIM_OK);
    for (uint64_t key = 5; key < 10; key++)
        take_away(c, key);
    ck_assert_int_eq(put(c, 20, 20, 1), BRIM_FULL);
    ck_assert_int_eq(put_as(c, &value_kind, 20, 1), BRIM_FULL);
    ck_assert_int_eq(brim_reserve(c, 1), BRIM_FULL);
    ck_assert_uint_eq(brim_used(c), CAPACITY);
    ck_assert_uint_eq(collect(q, 1), 1);
    ck_assert_int_eq(put(c, 20, 20, 11), BRIM_FULL);
    ck_assert_uint_eq(collect(q, 4), 4);
    ck_assert_int_eq(put(c, 21, 21, 50), BRIM_OK);
    brim_release_many(held, 5);
    finish_queued(c, q);
}
END_TEST

/* What is evicted makes no room of its own; with what is collected between, every insert succeeds in the end. */
START_TEST(test_queues_evicted_values_make_room_once_collected)
{
    brim_queue *q = start_queue();
    brim_cache *c = queued_cache();
    unsigned full = 0;

    for (uint64_t key = 0; key < 200; key++) {
        brim_status s = put(c, key, key, 10);

        if (s == BRIM_OK)
            continue;
        ck_assert_int_eq(s, BRIM_FULL);
        full++;
        ck_assert_uint_le(brim_used(c), CAPACITY);
        (void)collect(q, SIZE_MAX);
        if (brim_used(c) == CAPACITY) { /* nothing had been evicted yet */
            ck_assert_uint_gt(brim_trim(c, 50), 0);
            ck_assert_uint_gt(collect(q, SIZE_MAX), 0);
        }
        ck_assert_int_eq(put(c, key, key, 10), BRIM_OK);
    }
    ck_assert_uint_ge(full, 10);
    ck_assert_uint_gt(stats_of(c).left[BRIM_EVICTED], 0);
    finish_queued(c, q);
}
END_TEST

START_TEST(test_queues_a_capacity_or_ceiling_below_what_waits_says_full)
{
    brim_queue *q = start_queue();
    brim_cache *c = queued_cache();

    for (uint64_t key = 0; key < 5; key++)
        ck_assert_int_eq(put(c, key, key, 10), BRIM_OK);
    brim_clear(c);
    ck_assert_int_eq(brim_kind_set_limits(c, &kinds[0], 0, 40), BRIM_FULL);
    ck_assert_int_eq(put(c, 9, 9, 1), BRIM_FULL);
    ck_assert_int_eq(put_as(c, &kinds[1], 9, 10), BRIM_OK);
    ck_assert_uint_eq(collect(q, 4), 4);
    ck_assert_int_eq(put(c, 9, 9, 31), BRIM_FULL); /* with the ten that wait */
    ck_assert_int_eq(put(c, 9, 9, 30), BRIM_OK);
    brim_clear(c);
    ck_assert_int_eq(brim_set_capacity(c, 15), BRIM_FULL);
    ck_assert_int_eq(put(c, 9, 9, 1), BRIM_FULL);
    ck_assert_uint_eq(collect(q, SIZE_MAX), 3);
    ck_assert_int_eq(put(c, 9, 9, 15), BRIM_OK);
    finish_queued(c, q);
}
END_TEST

START_TEST(test_queues_refs_keep_values_out_of_the_queue)
{
    brim_queue *q = start_queue();
    brim_cache *c = queued_cache();
    brim_ref *held = NULL, *copy;

    ck_assert_int_eq(put_ref(c, 1, 1, 10, &held), BRIM_OK);
    ck_assert_int_eq(put(c, 2, 2, 10), BRIM_OK);
    copy = brim_ref_copy(held);
    take_away(c, 1);
    take_away(c, 2);
    ck_assert_uint_eq(stats_of(c).queued_values, 1);
    brim_release(held);
    ck_assert_uint_eq(stats_of(c).queued_values, 1);
    ck_assert(value_alive(brim_ref_value(copy), 1));
    brim_release(copy); /* joins those that wait, as the youngest */
    ck_assert_uint_eq(stats_of(c).queued_values, 2);
    ck_assert_uint_eq(collect(q, SIZE_MAX), 2);
    ck_assert_uint_eq(order[0], 2);
    ck_assert_uint_eq(order[1], 1);
    finish_queued(c, q);
}
END_TEST

static void leave_on_this_thread(void *arg)
{
    brim_cache *c = arg;
    uint64_t key = 1;

    EXPECT(put(c, 3, 33, 10) == BRIM_OK);
    EXPECT(brim_remove(c, BRIM_KEY(key)));
    brim_clear(c);
}

static void collect_on_this_thread(void *arg)
{
    EXPECT(collect(arg, SIZE_MAX) == 4);
}

/* ${may_destroy} is each thread's own. */
START_TEST(test_queues_destructors_run_on_the_thread_that_collects)
{
    brim_queue *q = start_queue();
    brim_cache *c = queued_cache();
    worker leaver, collector;

    worker_start(&leaver);
    worker_start(&collector);
    for (uint64_t key = 1; key <= 3; key++)
        ck_assert_int_eq(put(c, key, key, 10), BRIM_OK);
    worker_do(&leaver, leave_on_this_thread, c);
    worker_end(&leaver); /* nor do they run at its end */
    ck_assert_uint_eq(atomic_load(&destroyed), 0);
    worker_do(&collector, collect_on_this_thread, q);
    ck_assert_uint_eq(atomic_load(&destroyed), 4);
    worker_end(&collector);
    finish_queued(c, q);
}
END_TEST

/* ---- Order and number */

START_TEST(test_queues_several_kinds_and_caches_the_oldest_first)
{
    brim_queue *q = start_queue();
    brim_cache *caches[3];
    uint64_t state = 7, expected[300];
    unsigned n = 0;
    size_t done = 0;

    for (int i = 0; i < 3; i++)
        caches[i] = queued_cache();
    for (uint64_t id = 0; id < 300; id++) {
        brim_cache *c = caches[random_next(&state) % 3];

        ck_assert_int_eq(put_as(c, &kinds[random_next(&state) % KINDS], id, 1), BRIM_OK);
        if (id % 3 == 2)
            for (uint64_t key = id - 2; key <= id; key++)
                for (int i = 0; i < 3; i++)
                    if (brim_remove(caches[i], BRIM_KEY(key)))
                        expected[n++] = key;
        if (id % 30 == 29) /* before anything is full */
            for (size_t max = 3; done < n; done += max) {
                max = n - done < max ? n - done : max;
                ck_assert_uint_eq(collect(q, max), max);
                ck_assert_uint_eq(atomic_load(&destroyed), done + max);
            }
    }
    ck_assert_uint_eq(n, 300);
    ck_assert_uint_eq(atomic_load(&destroyed), 300);
    for (unsigned i = 0; i < n; i++)
        ck_assert_uint_eq(order[i], expected[i]);
    for (int i = 0; i < 3; i++)
        brim_cache_free(caches[i]);
    drop_queue(q);
    ck_assert_uint_eq(values_live(), 0);
}
END_TEST

START_TEST(test_queues_no_more_than_max_at_a_time)
{
    brim_queue *q = start_queue();
    brim_cache *c = queued_cache();

    for (uint64_t key = 0; key < 10; key++)
        ck_assert_int_eq(put(c, key, key, 10), BRIM_OK);
    brim_clear(c);
    ck_assert_uint_eq(collect(q, 0), 0);
    for (unsigned i = 1; i <= 3; i++) {
        ck_assert_uint_eq(collect(q, 3), 3);
        ck_assert_uint_eq(atomic_load(&destroyed), 3 * i);
        ck_assert_uint_eq(brim_used(c), CAPACITY - 30 * i);
        ck_assert_uint_eq(stats_of(c).queued, CAPACITY - 30 * i);
        ck_assert_uint_eq(stats_of(c).queued_values, 10 - 3 * i);
    }
    ck_assert_uint_eq(collect(q, 3), 1);
    ck_assert_uint_eq(collect(q, 3), 0);
    finish_queued(c, q);
}
END_TEST

START_TEST(test_queues_statistics_by_kind)
{
    brim_queue *q = start_queue();
    brim_cache *c = queued_cache();
    brim_stats s;

    for (uint64_t key = 0; key < 6; key++)
        ck_assert_int_eq(put_as(c, &kinds[key % 3], key, 5 + key), BRIM_OK);
    for (uint64_t key = 0; key < 5; key++)
        take_away(c, key);
    for (unsigned i = 0; i < 3; i++) {
        brim_stats_get_sized(c, &kinds[i], &s, sizeof s);
        ck_assert_uint_eq(s.queued_values, i == 2 ? 1 : 2);
        ck_assert_uint_eq(s.queued, i == 2 ? 7 : 5 + i + 8 + i);
        ck_assert_uint_eq(s.used, 5 + i + 8 + i);
    }
    ck_assert_uint_eq(stats_of(c).queued, 5 + 6 + 7 + 8 + 9);
    finish_queued(c, q);
}
END_TEST

/* ---- The cache goes first */

START_TEST(test_queues_values_wait_after_their_cache_was_freed)
{
    brim_queue *q = start_queue();
    brim_cache *c = queued_cache();

    for (uint64_t key = 0; key < 10; key++)
        ck_assert_int_eq(put(c, key, key, 10), BRIM_OK);
    take_away(c, 3);
    brim_cache_free(c);
    ck_assert_uint_eq(values_live(), 10);
    ck_assert_uint_eq(atomic_load(&unused), 0);
    ck_assert_uint_eq(collect(q, 9), 9);
    ck_assert_uint_eq(order[0], 3);
    ck_assert_uint_eq(atomic_load(&unused), 0);
    ck_assert_uint_eq(atomic_load(&gone), 0);
    ck_assert_uint_eq(collect(q, 9), 1);
    ck_assert_uint_eq(atomic_load(&unused), 1);
    ck_assert_uint_eq(atomic_load(&gone), 1);
    ck_assert_uint_eq(gone_after_unused, 1);
    ck_assert_uint_eq(values_live(), 0);
    drop_queue(q);
}
END_TEST

START_TEST(test_queues_unused_of_each_kind_and_gone_with_the_last_handle)
{
    brim_queue *q = start_queue();
    brim_cache *c = queued_cache();
    brim_ref *held = NULL;
    brim_key *key;

    ck_assert_int_eq(put_ref(c, 1, 1, 10, &held), BRIM_OK);
    ck_assert_int_eq(put_as(c, &kinds[1], 2, 10), BRIM_OK);
    ck_assert_int_eq(put_as(c, &kinds[2], 3, 10), BRIM_OK);
    key = brim_ref_key(held);
    brim_cache_free(c);
    ck_assert_uint_eq(collect(q, SIZE_MAX), 2);
    ck_assert_uint_eq(atomic_load(&unused), 2);
    brim_release(held);
    ck_assert_uint_eq(atomic_load(&unused), 2);
    ck_assert_uint_eq(collect(q, SIZE_MAX), 1);
    ck_assert_uint_eq(atomic_load(&unused), 3);
    ck_assert_uint_eq(atomic_load(&gone), 0);
    brim_key_drop(key);
    ck_assert_uint_eq(atomic_load(&gone), 1);
    drop_queue(q);
}
END_TEST

static struct {
    brim_cache *cache;
    brim_queue *queue;
} race;

static void free_or_collect(unsigned id, void *arg)
{
    (void)arg;
    if (id == 0)
        brim_cache_free(race.cache);
    else
        while (values_live() > 0)
            if (collect(race.queue, 3) == 0)
                sched_yield();
}

START_TEST(test_queues_collected_while_their_cache_is_freed)
{
    for (int round = 0; round < SCALED(40); round++) {
        race.queue = start_queue();
        race.cache = queued_cache();
        for (uint64_t key = 0; key < CAPACITY; key++)
            ck_assert_int_eq(put_as(race.cache, &kinds[key % KINDS], key, 1), BRIM_OK);
        crew_do(3, free_or_collect, NULL);
        ck_assert_uint_eq(atomic_load(&destroyed), CAPACITY);
        ck_assert_uint_eq(atomic_load(&unused), KINDS);
        ck_assert_uint_eq(atomic_load(&gone), 1);
        drop_queue(race.queue);
    }
}
END_TEST

/* ---- Dropping the queue */

START_TEST(test_queues_dropping_a_queue_destroys_what_waits)
{
    brim_queue *q = start_queue();
    brim_cache *c = queued_cache();
    brim_ref *held = NULL;

    for (uint64_t key = 0; key < 5; key++)
        ck_assert_int_eq(put(c, key, key, 10), BRIM_OK);
    ck_assert_int_eq(put_ref(c, 9, 9, 10, &held), BRIM_OK);
    take_away(c, 0);
    take_away(c, 1);
    take_away(c, 9);
    drop_queue(q);
    ck_assert_uint_eq(atomic_load(&destroyed), 2);
    ck_assert_uint_eq(brim_used(c), 40);
    take_away(c, 2); /* from now on wherever they fall */
    ck_assert_uint_eq(atomic_load(&destroyed), 3);
    brim_release(held);
    ck_assert_uint_eq(atomic_load(&destroyed), 4);
    ck_assert_int_eq(put(c, 10, 10, 100), BRIM_OK);
    ck_assert_uint_eq(atomic_load(&destroyed), 6);
    ck_assert_uint_eq(stats_of(c).queued_values, 0);
    finish(c);
    ck_assert_uint_eq(atomic_load(&unused), 1);
    ck_assert_uint_eq(atomic_load(&gone), 1);
}
END_TEST

START_TEST(test_queues_dropping_a_queue_of_freed_caches)
{
    brim_queue *q = start_queue();
    brim_cache *c = queued_cache(), *d = queued_cache();

    brim_queue_drop(NULL);
    for (uint64_t key = 0; key < 5; key++) {
        ck_assert_int_eq(put(c, key, key, 10), BRIM_OK);
        ck_assert_int_eq(put(d, key, key, 10), BRIM_OK);
    }
    brim_cache_free(c);
    brim_cache_free(d);
    ck_assert_uint_eq(collect(q, 1), 1);
    drop_queue(q);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(atomic_load(&unused), 2);
    ck_assert_uint_eq(atomic_load(&gone), 2);
    q = start_queue(); /* and one that nobody ever met */
    drop_queue(q);
}
END_TEST

static void work_then_drop(unsigned id, void *arg)
{
    uint64_t state = id + 1;

    (void)arg;
    if (id == 0) {
        (void)collect(race.queue, 5);
        drop_queue(race.queue);
        return;
    }
    for (int i = 0; i < SCALED(400); i++) {
        uint64_t key = random_next(&state) % 20;

        (void)put(race.cache, key, key, 1 + key % 7);
        (void)brim_remove(race.cache, BRIM_KEY(key));
    }
}

static void may_destroy_always(unsigned id, void *arg)
{
    may_destroy = true;
    work_then_drop(id, arg);
}

START_TEST(test_queues_dropped_while_values_fall)
{
    for (int round = 0; round < 20; round++) {
        race.queue = start_queue();
        race.cache = queued_cache();
        crew_do(3, may_destroy_always, NULL);
        ck_assert_uint_eq(stats_of(race.cache).queued_values, 0);
        may_destroy = true;
        finish(race.cache);
        values_start();
    }
}
END_TEST

/* ---- Callbacks */

static brim_queue *nested_queue;
static atomic_uint nested_calls;

static void collect_in_callback(const value *v)
{
    unsigned before = atomic_load(&destroyed);

    (void)v;
    EXPECT(brim_collect(nested_queue, SIZE_MAX) == 0);
    EXPECT(atomic_load(&destroyed) == before);
    atomic_fetch_add(&nested_calls, 1);
}

static void plain_destroy(void *v, size_t cost, void *arg)
{
    collect_in_callback(v);
    value_destroy(v, cost, arg);
}

static void plain_removed(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    (void)key, (void)len, (void)cost, (void)cause, (void)arg;
    collect_in_callback(v);
}

START_TEST(test_queues_collecting_inside_a_callback_does_nothing)
{
    static const brim_kind plain = {.size = sizeof plain, .destroy = plain_destroy, .removed = plain_removed};
    brim_cache *c;

    nested_queue = start_queue();
    atomic_store(&nested_calls, 0);
    c = queued_cache();
    for (uint64_t key = 0; key < 4; key++)
        ck_assert_int_eq(put_as(c, key < 3 ? &kinds[0] : &plain, key, 10), BRIM_OK);
    for (uint64_t key = 0; key < 4; key++)
        take_away(c, key);
    ck_assert_uint_eq(atomic_load(&nested_calls), 2);
    ck_assert_uint_eq(atomic_load(&destroyed), 0);
    while_destroying = collect_in_callback;
    ck_assert_uint_eq(collect(nested_queue, SIZE_MAX), 3);
    ck_assert_uint_eq(atomic_load(&nested_calls), 5);
    ck_assert_uint_eq(atomic_load(&destroyed), 3);
    while_destroying = NULL;
    finish_queued(c, nested_queue);
}
END_TEST

static void use_cache(const value *v)
{
    uint64_t next = v->id + 1000;

    EXPECT(brim_used(race.cache) <= CAPACITY);
    (void)put(race.cache, v->id + 5000, v->id + 5000, 1);
    (void)brim_remove(race.cache, BRIM_KEY(next));
    brim_release(brim_find(race.cache, BRIM_KEY(next)));
    (void)brim_set_capacity(race.cache, CAPACITY);
    (void)stats_of(race.cache);
}

START_TEST(test_queues_destructors_that_are_collected_call_anything)
{
    size_t n, all = 0;

    race.queue = start_queue();
    race.cache = queued_cache();
    for (uint64_t key = 0; key < 20; key++) {
        ck_assert_int_eq(put(race.cache, key, key, 1), BRIM_OK);
        ck_assert_int_eq(put(race.cache, key + 1000, key + 1000, 1), BRIM_OK);
    }
    for (uint64_t key = 0; key < 20; key++)
        take_away(race.cache, key);
    while_destroying = use_cache;
    while ((n = collect(race.queue, SIZE_MAX)) != 0)
        all += n;
    ck_assert_uint_eq(all, 40); /* those, and those that they removed */
    ck_assert_uint_eq(atomic_load(&destroyed), 40);
    ck_assert_uint_eq(brim_count(race.cache), 40); /* and each put one in its place */
    while_destroying = NULL;
    finish_queued(race.cache, race.queue);
}
END_TEST

enum { CASCADE = CHECKING_BUILD ? 6000 : 20000, SMALL_STACK = CHECKING_BUILD ? 512 * 1024 : 64 * 1024 };
static atomic_uint fallen;

static void remove_next(void *v, size_t cost, void *arg)
{
    uint64_t next = (uint64_t)(uintptr_t)v + 1;

    (void)cost, (void)arg;
    EXPECT(may_destroy);
    atomic_fetch_add(&fallen, 1);
    (void)brim_remove(race.cache, BRIM_KEY(next));
}

static void collect_all(unsigned id, void *arg)
{
    (void)id, (void)arg;
    while (collect(race.queue, SIZE_MAX) != 0)
        ;
}

START_TEST(test_queues_a_long_cascade_needs_a_bounded_stack)
{
    brim_options o;
    uint64_t first = 1;

    race.queue = start_queue();
    atomic_store(&fallen, 0);
    kinds[0].destroy = remove_next;
    o = queued_options();
    o.capacity = CASCADE;
    race.cache = make_cache(&o);
    for (uint64_t key = 1; key <= CASCADE; key++)
        ck_assert_int_eq(brim_insert(race.cache, BRIM_KEY(key), (void *)(uintptr_t)key, 1, NULL), BRIM_OK);
    ck_assert(brim_remove(race.cache, BRIM_KEY(first)));
    run_on_stack(SMALL_STACK, collect_all, NULL);
    ck_assert_uint_eq(atomic_load(&fallen), CASCADE);
    finish_queued(race.cache, race.queue);
}
END_TEST

static gate stopped;

static void stop_at_first(const value *v)
{
    if (v->id == 0)
        gate_stop_here(&stopped);
}

static void collect_one(void *arg)
{
    EXPECT(collect(arg, 1) == 1);
}

START_TEST(test_queues_no_lock_is_held_while_a_destructor_runs)
{
    brim_queue *q = start_queue();
    brim_cache *c = queued_cache();
    worker w;

    gate_init(&stopped);
    worker_start(&w);
    for (uint64_t key = 0; key < 3; key++)
        ck_assert_int_eq(put(c, key, key, 10), BRIM_OK);
    take_away(c, 0);
    while_destroying = stop_at_first;
    worker_begin(&w, collect_one, q);
    gate_wait_reached(&stopped);
    take_away(c, 1);
    ck_assert_uint_eq(collect(q, SIZE_MAX), 1);
    ck_assert_uint_eq(brim_used(c), 20); /* what is just being destroyed still counts */
    ck_assert_uint_eq(found_id(c, 2), 2);
    ck_assert_int_eq(put(c, 4, 4, 80), BRIM_OK);
    ck_assert_int_eq(put_as(c, &value_kind, 5, 1), BRIM_FULL);
    gate_open(&stopped);
    worker_wait(&w);
    worker_end(&w);
    gate_destroy(&stopped);
    while_destroying = NULL;
    finish_queued(c, q);
}
END_TEST

/* ---- Other values */

START_TEST(test_queues_uncharged_values_wait_too)
{
    brim_queue *q = start_queue();
    brim_cache *c = queued_cache();
    brim_entry_options e;
    brim_ref *r = NULL;

    brim_entry_options_init(&e);
    e.only_if_absent = true;
    ck_assert_int_eq(brim_wrap(c, value_new(1, 10), 10, NULL, &r), BRIM_OK);
    brim_release(r);
    ck_assert_int_eq(brim_insert_or_wrap(c, "k", 1, value_new(2, 101), 101, NULL, &r), BRIM_TOO_BIG);
    brim_release(r);
    ck_assert_int_eq(brim_insert_or_wrap(c, "k", 1, value_new(3, 101), 101, NULL, NULL), BRIM_TOO_BIG);
    ck_assert_int_eq(brim_insert_or_wrap(c, "k", 1, value_new(4, 10), 10, &e, NULL), BRIM_OK);
    ck_assert_int_eq(brim_insert_or_wrap(c, "k", 1, value_new(5, 10), 10, &e, NULL), BRIM_EXISTS);
    ck_assert_uint_eq(atomic_load(&destroyed), 0);
    ck_assert_uint_eq(brim_used(c), 10);
    ck_assert_uint_eq(stats_of(c).queued, 0);
    ck_assert_uint_eq(stats_of(c).queued_values, 4);
    ck_assert_uint_eq(collect(q, SIZE_MAX), 4);
    ck_assert_uint_eq(values_live(), 1);
    ck_assert_int_eq(brim_wrap(c, value_new(6, 10), 10, NULL, &r), BRIM_OK);
    brim_clear(c);
    brim_cache_free(c);
    brim_release(r);
    ck_assert_uint_eq(collect(q, 1), 1);
    ck_assert_uint_eq(atomic_load(&gone), 0);
    ck_assert_uint_eq(collect(q, SIZE_MAX), 1);
    ck_assert_uint_eq(atomic_load(&gone), 1);
    drop_queue(q);
    ck_assert_uint_eq(values_live(), 0);
}
END_TEST

START_TEST(test_queues_null_values_are_not_destroyed)
{
    brim_queue *q = start_queue();
    brim_cache *c = queued_cache();

    for (uint64_t key = 0; key < 5; key++)
        ck_assert_int_eq(brim_insert(c, BRIM_KEY(key), key % 2 == 0 ? NULL : value_new(key, 10), 10, NULL), BRIM_OK);
    brim_clear(c);
    (void)collect(q, SIZE_MAX);
    ck_assert_uint_eq(atomic_load(&destroyed), 2);
    ck_assert_uint_eq(brim_used(c), 0);
    finish_queued(c, q);
}
END_TEST

static brim_status load_queued(const void *key, size_t len, void *arg, void **v, size_t *cost)
{
    (void)key, (void)len;
    *cost = *(const size_t *)arg;
    *v = value_new(7, *cost);
    return BRIM_OK;
}

START_TEST(test_queues_loaded_values)
{
    brim_queue *q = start_queue();
    brim_cache *c = queued_cache();
    size_t cost = 10;
    brim_ref *r = NULL;
    brim_load *load = NULL;

    ck_assert_int_eq(brim_get(c, "k", 1, load_queued, &cost, &r), BRIM_OK);
    ck_assert(brim_ref_is_cached(r));
    brim_release(r);
    cost = 101;
    ck_assert_int_eq(brim_get(c, "big", 3, load_queued, &cost, &r), BRIM_OK);
    ck_assert(!brim_ref_is_cached(r));
    brim_release(r);
    ck_assert_int_eq(brim_claim(c, "l", 1, 0, &r, &load), BRIM_CLAIMED);
    ck_assert_int_eq(brim_load_finish(load, value_new(8, 10), 10, NULL), BRIM_OK);
    ck_assert(brim_remove(c, "k", 1));
    ck_assert(brim_remove(c, "l", 1));
    ck_assert_uint_eq(atomic_load(&destroyed), 0);
    ck_assert_uint_eq(brim_used(c), 20);
    ck_assert_uint_eq(collect(q, SIZE_MAX), 3);
    finish_queued(c, q);
}
END_TEST

/* ---- Sections */

START_TEST(test_queues_sections_first_then_the_queue)
{
    brim_queue *q = start_queue();
    brim_options o = queued_options();
    brim_cache *c;
    uint64_t key = 1;
    value *lent;

    o.borrow = true;
    c = make_cache(&o);
    ck_assert_int_eq(put(c, 1, 1, 10), BRIM_OK);
    begin_reading(c);
    lent = brim_peek(c, BRIM_KEY(key));
    take_away(c, 1);
    ck_assert_uint_eq(collect(q, SIZE_MAX), 0);
    ck_assert(value_alive(lent, 1));
    ck_assert_uint_eq(stats_of(c).waiting_values, 1);
    ck_assert_uint_eq(stats_of(c).queued_values, 0);
    brim_read_end(c);
    ck_assert_uint_eq(atomic_load(&destroyed), 0);
    ck_assert_uint_eq(brim_used(c), 10);
    ck_assert_uint_eq(collect(q, SIZE_MAX), 1);
    ck_assert_uint_eq(brim_used(c), 0);
    ck_assert_int_eq(put(c, 2, 2, 10), BRIM_OK);
    begin_reading(c);
    brim_cache_free(c);
    ck_assert_uint_eq(collect(q, SIZE_MAX), 0);
    brim_read_end(c);
    ck_assert_uint_eq(values_live(), 1);
    ck_assert_uint_eq(collect(q, SIZE_MAX), 1);
    ck_assert_uint_eq(atomic_load(&gone), 1);
    drop_queue(q);
}
END_TEST

/* ---- Threads */

static atomic_uint writers, inserted;

static void write_or_collect(unsigned id, void *arg)
{
    uint64_t state = id + 1;
    unsigned collectors = *(const unsigned *)arg;

    if (id < collectors) {
        while (atomic_load(&writers) > 0)
            if (collect(race.queue, 1 + id * 7) == 0)
                sched_yield();
        return;
    }
    for (int i = 0; i < SCALED(6000); i++) {
        uint64_t x = random_next(&state), key = x % 50;
        brim_ref *out = NULL;
        brim_status s;

        if (x >> 61 == 0)
            (void)brim_remove(race.cache, BRIM_KEY(key));
        if (x >> 61 == 1)
            out = brim_find(race.cache, BRIM_KEY(key));
        brim_release(out);
        s = put_as(race.cache, &kinds[x % KINDS], key, 1 + (x >> 8) % 5);
        EXPECT_MSG(s == BRIM_OK || s == BRIM_FULL, "status %d", (int)s);
        if (s == BRIM_OK)
            atomic_fetch_add(&inserted, 1);
        else
            sched_yield();
        EXPECT(brim_used(race.cache) <= CAPACITY);
    }
    atomic_fetch_sub(&writers, 1);
}

/* With several shards, and with sections allowed; the second half with two collectors. */
START_TEST(test_queues_threads_write_while_others_collect)
{
    unsigned collectors = 1 + (unsigned)_i / 2;
    brim_options o;

    race.queue = start_queue();
    o = queued_options();
    o.shards = 4;
    o.borrow = _i % 2 == 1;
    race.cache = make_cache(&o);
    atomic_store(&inserted, 0);
    atomic_store(&writers, 2);
    crew_do(2 + collectors, write_or_collect, &collectors);
    ck_assert_uint_gt(atomic_load(&inserted), SCALED(500));
    ck_assert_uint_gt(atomic_load(&destroyed), 0);
    ck_assert_uint_eq(atomic_load(&destroyed), values_destroyed());
    brim_clear(race.cache);
    ck_assert_uint_eq(brim_count(race.cache), 0);
    brim_cache_free(race.cache);
    while (collect(race.queue, SIZE_MAX) != 0)
        ;
    ck_assert_uint_eq(atomic_load(&destroyed), atomic_load(&inserted));
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(atomic_load(&unused), KINDS);
    ck_assert_uint_eq(atomic_load(&gone), 1);
    drop_queue(race.queue);
}
END_TEST

/* ---- What waits makes no room: nothing more than is missing goes in vain */

enum { QUEUED = 0, PLAIN = 1000 }; /* keys */

static unsigned found(brim_cache *c, uint64_t from)
{
    unsigned n = 0;

    for (uint64_t key = from; key < from + CAPACITY; key++)
        n += has(c, key);
    return n;
}

START_TEST(test_queues_an_insert_that_finds_no_room_evicts_no_more_than_is_missing)
{
    brim_queue *q = start_queue();
    brim_cache *c = queued_cache();

    for (uint64_t key = QUEUED; key < QUEUED + CAPACITY; key++)
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    for (size_t round = 1; round <= 3; round++) {
        ck_assert_int_eq(put(c, PLAIN, PLAIN, 5), BRIM_FULL);
        ck_assert_uint_ge(found(c, QUEUED), CAPACITY - 5);
        ck_assert_uint_eq(stats_of(c).queued, CAPACITY - brim_count(c));
    }
    ck_assert_uint_eq(collect(q, SIZE_MAX), 5);
    ck_assert_int_eq(put(c, PLAIN, PLAIN, 5), BRIM_OK);
    ck_assert_uint_eq(found(c, QUEUED), CAPACITY - 5);
    finish_queued(c, q);
}
END_TEST

/* ${_i}: the kind of what is inserted, with the queue or without. */
START_TEST(test_queues_entries_of_other_kinds_make_room)
{
    brim_queue *q = start_queue();
    brim_cache *c = queued_cache();
    const brim_kind *kind = _i == 0 ? &value_kind : &kinds[1];
    unsigned queued;

    for (uint64_t i = 0; i < CAPACITY / 2; i++) {
        ck_assert_int_eq(put(c, QUEUED + i, QUEUED + i, 1), BRIM_OK);
        ck_assert_int_eq(put_as(c, &value_kind, PLAIN + i, 1), BRIM_OK);
    }
    for (uint64_t i = 1; i <= 20; i++) {
        queued = found(c, QUEUED);
        ck_assert_int_eq(put_as(c, kind, 2 * PLAIN + i, 1), BRIM_OK);
        ck_assert_uint_ge(found(c, QUEUED) + 1, queued);
        ck_assert_uint_le(brim_used(c), CAPACITY);
    }
    ck_assert_uint_gt(values_destroyed(), 0);
    ck_assert_uint_eq(atomic_load(&destroyed), 0);
    finish_queued(c, q);
}
END_TEST

START_TEST(test_queues_at_a_ceiling_no_more_goes_than_is_missing)
{
    brim_queue *q = start_queue();
    brim_options o;
    brim_cache *c;

    kinds[0].ceiling = CAPACITY;
    o = queued_options();
    o.capacity = 100 * CAPACITY;
    c = make_cache(&o);
    for (uint64_t key = QUEUED; key < QUEUED + CAPACITY; key++)
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
    for (int round = 0; round < 3; round++) {
        ck_assert_int_eq(put(c, PLAIN, PLAIN, 5), BRIM_FULL);
        ck_assert_uint_ge(found(c, QUEUED), CAPACITY - 5);
    }
    ck_assert_uint_eq(collect(q, SIZE_MAX), 5);
    ck_assert_int_eq(put(c, PLAIN, PLAIN, 5), BRIM_OK);
    finish_queued(c, q);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("queues");

    tcase_add_test(tc, test_queues_whatever_leaves_waits_to_be_collected);
    tcase_add_test(tc, test_queues_what_waits_leaves_no_room_until_it_is_collected);
    tcase_add_test(tc, test_queues_evicted_values_make_room_once_collected);
    tcase_add_test(tc, test_queues_a_capacity_or_ceiling_below_what_waits_says_full);
    tcase_add_test(tc, test_queues_refs_keep_values_out_of_the_queue);
    tcase_add_test(tc, test_queues_destructors_run_on_the_thread_that_collects);
    tcase_add_test(tc, test_queues_several_kinds_and_caches_the_oldest_first);
    tcase_add_test(tc, test_queues_no_more_than_max_at_a_time);
    tcase_add_test(tc, test_queues_statistics_by_kind);
    tcase_add_test(tc, test_queues_values_wait_after_their_cache_was_freed);
    tcase_add_test(tc, test_queues_unused_of_each_kind_and_gone_with_the_last_handle);
    tcase_add_test(tc, test_queues_collected_while_their_cache_is_freed);
    tcase_add_test(tc, test_queues_dropping_a_queue_destroys_what_waits);
    tcase_add_test(tc, test_queues_dropping_a_queue_of_freed_caches);
    tcase_add_test(tc, test_queues_dropped_while_values_fall);
    tcase_add_test(tc, test_queues_collecting_inside_a_callback_does_nothing);
    tcase_add_test(tc, test_queues_destructors_that_are_collected_call_anything);
    tcase_add_test(tc, test_queues_a_long_cascade_needs_a_bounded_stack);
    tcase_add_test(tc, test_queues_no_lock_is_held_while_a_destructor_runs);
    tcase_add_test(tc, test_queues_uncharged_values_wait_too);
    tcase_add_test(tc, test_queues_null_values_are_not_destroyed);
    tcase_add_test(tc, test_queues_loaded_values);
    tcase_add_test(tc, test_queues_sections_first_then_the_queue);
    tcase_add_loop_test(tc, test_queues_threads_write_while_others_collect, 0, 4);
    tcase_add_test(tc, test_queues_an_insert_that_finds_no_room_evicts_no_more_than_is_missing);
    tcase_add_loop_test(tc, test_queues_entries_of_other_kinds_make_room, 0, 2);
    tcase_add_test(tc, test_queues_at_a_ceiling_no_more_goes_than_is_missing);
    return suite_run(tc);
}
