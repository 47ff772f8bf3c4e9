/* SPDX-License-Identifier: MIT
 *
 * cache/peek: what is lent is counted as found, and not held.
 */
#include "cache/section.h"
#include "support/loads.h"
#include "support/support.h"
#include "unit/interfere.h"

static brim_cache *c;

static void expect_counts(uint64_t hits, uint64_t misses)
{
    brim_stats s = stats_of(c);

    ck_assert_uint_eq(s.hits, hits);
    ck_assert_uint_eq(s.misses, misses);
}

static uint64_t refs_counted(struct entry *e)
{
    return atom_load_relaxed(&e->state) & STATE_COUNT_MASK;
}

START_TEST(hits_misses_and_what_is_no_key)
{
    uint64_t there = 1, null = 2, none = 3;
    brim_key *key;

    c = make_borrow_cache(100);
    ck_assert_int_eq(put(c, there, 11, 1), BRIM_OK);
    ck_assert_int_eq(brim_insert(c, BRIM_KEY(null), NULL, 1, NULL), BRIM_OK);
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(12, 1), 1, NULL, &key, NULL), BRIM_OK);
    ck_assert_ptr_null(brim_peek(c, BRIM_KEY(there))); /* no section */
    ck_assert_ptr_null(brim_key_peek(key));
    begin_reading(c);
    expect_counts(0, 0);
    ck_assert(value_alive(brim_peek(c, BRIM_KEY(there)), 11));
    ck_assert(value_alive(brim_key_peek(key), 12));
    ck_assert_ptr_null(brim_peek(c, BRIM_KEY(null)));
    expect_counts(3, 0);
    ck_assert_ptr_null(brim_borrow(c, BRIM_KEY(none)));
    ck_assert(brim_key_remove(key));
    ck_assert_ptr_null(brim_key_peek(key));
    expect_counts(3, 2);
    ck_assert_ptr_null(brim_peek(c, NULL, 1));
    ck_assert_ptr_null(brim_borrow(c, "x", (size_t)UINT32_MAX + 1));
    ck_assert_ptr_null(brim_key_peek(NULL));
    ck_assert_ptr_null(brim_ref_hold(NULL));
    expect_counts(3, 2);
    brim_read_end(c);
    brim_key_drop(key);
    finish(c);
}
END_TEST

/* Not even while another thread is stopped in its mutex: here, ourselves. */
START_TEST(nothing_is_locked_or_held)
{
    uint64_t name = 1;
    struct entry *e;
    struct shard *sh;
    brim_ref *r;
    brim_key *key;

    c = make_borrow_cache(100);
    ck_assert_int_eq(put_ref(c, name, 11, 5, &r), BRIM_OK);
    key = brim_ref_key(r);
    e = entry_of_ref(r);
    brim_release(r);
    sh = cache_shard(c, e->place);
    begin_reading(c);
    (void)entry_take_use(e);
    lock_acquire(&sh->lock);
    ck_assert(value_alive(brim_peek(c, BRIM_KEY(name)), 11));
    ck_assert(entry_take_use(e));
    ck_assert(value_alive(brim_key_peek(key), 11));
    ck_assert(entry_take_use(e));
    ck_assert_ptr_eq(brim_borrow(c, BRIM_KEY(name)), r);
    ck_assert(entry_take_use(e));
    lock_release(&sh->lock);
    ck_assert_uint_eq(refs_counted(e), 1); /* the link's */
    ck_assert_uint_eq(brim_pinned(c), 0);
    brim_read_end(c);
    brim_key_drop(key);
    finish(c);
}
END_TEST

/* 0: while it is cached; 1: dead, and held when its wait is over; 2: dead, and released before. */
START_TEST(held_beyond_the_section)
{
    uint64_t name = 1;
    const brim_ref *lent;
    brim_ref *r;

    c = make_borrow_cache(100);
    ck_assert_int_eq(put(c, name, 11, 5), BRIM_OK);
    begin_reading(c);
    lent = brim_borrow(c, BRIM_KEY(name));
    if (_i > 0) {
        ck_assert(brim_remove(c, BRIM_KEY(name)));
        ck_assert(entry_is_dead(entry_of_ref(lent)));
    }
    r = brim_ref_hold(lent);
    ck_assert_ptr_eq(r, lent);
    ck_assert_uint_eq(refs_counted(entry_of_ref(r)), _i == 0 ? 2 : 1);
    ck_assert_uint_eq(brim_pinned(c), 5);
    if (_i == 2) {
        brim_release(r);
        ck_assert_uint_eq(brim_pinned(c), 0);
        ck_assert_uint_eq(values_live(), 1);
    }
    brim_read_end(c);
    ck_assert_uint_eq(values_live(), _i < 2);
    ck_assert_uint_eq(stats_of(c).waiting_values, 0);
    if (_i < 2) {
        ck_assert(value_alive(brim_ref_value(r), 11));
        ck_assert(!entry_is_dead(entry_of_ref(r)));
        ck_assert_uint_eq(brim_pinned(c), 5);
        brim_release(r);
        ck_assert_uint_eq(brim_pinned(c), 0);
        ck_assert_uint_eq(values_live(), _i == 0);
    }
    finish(c);
}
END_TEST

/* All that other threads read of it: the cache but for its own thread's counters, its shard, the index, the entry. */
struct picture {
    struct brim_cache cache;
    struct shard shard;
    struct index_root root;
    struct entry entry;
    unsigned char buckets[4096];
};

static void take_picture(struct picture *p, const struct entry *e)
{
    struct shard *sh = &c->shards[0];
    size_t size = index_table_size(sh->index.table->buckets);

    memset(p, 0, sizeof *p);
    memcpy(&p->cache, c, sizeof *c);
    memcpy(&p->shard, sh, sizeof *sh);
    memcpy(&p->root, c->roots, sizeof *c->roots);
    memcpy(&p->entry, e, sizeof *e);
    ck_assert_uint_le(size, sizeof p->buckets);
    memcpy(p->buckets, sh->index.table, size);
}

/* ${_i}: 1 in a later frame; 2 with an age that is far. */
START_TEST(writes_on_a_repeated_peek)
{
    static struct picture before, after;
    brim_entry_options o;
    uint64_t name = 1;
    brim_key *key;
    brim_ref *r;

    brim_entry_options_init(&o);
    o.max_idle = _i == 2 ? UINT64_MAX / 2 : 0;
    c = make_borrow_cache(100);
    ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(name), value_new(11, 1), 1, &o, &r), BRIM_OK);
    key = brim_ref_key(r);
    brim_release(r);
    begin_reading(c);
    if (_i == 1)
        ck_assert_uint_eq(brim_next_frame(c), 1);
    ck_assert(value_alive(brim_peek(c, BRIM_KEY(name)), 11)); /* marks and stamps it */
    take_picture(&before, entry_of_key(key));
    for (int i = 0; i < 100; i++) {
        ck_assert(value_alive(brim_peek(c, BRIM_KEY(name)), 11));
        ck_assert(value_alive(brim_key_peek(key), 11));
    }
    take_picture(&after, entry_of_key(key));
    ck_assert_mem_eq(&before, &after, sizeof before);
    ck_assert_uint_eq(stats_of(c).hits, 201);
    brim_read_end(c);
    brim_key_drop(key);
    finish(c);
}
END_TEST

START_TEST(what_is_stale_is_a_miss)
{
    brim_entry_options grouped = entry_defaults();
    uint64_t name = 1;
    brim_key *key;
    brim_ref *r;

    c = make_borrow_cache(100);
    grouped.group = brim_group_new(c);
    ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(name), value_new(11, 1), 1, &grouped, &r), BRIM_OK);
    key = brim_ref_key(r);
    begin_reading(c);
    ck_assert(value_alive(brim_peek(c, BRIM_KEY(name)), 11));
    ck_assert(value_alive(brim_key_peek(key), 11));
    expect_counts(2, 0);
    brim_group_invalidate(grouped.group);
    ck_assert(entry_is_linked(entry_of_ref(r)));
    ck_assert_ptr_null(brim_peek(c, BRIM_KEY(name)));
    ck_assert_ptr_null(brim_borrow(c, BRIM_KEY(name)));
    ck_assert_ptr_null(brim_key_peek(key));
    expect_counts(2, 3);
    brim_read_end(c);
    brim_release(r);
    brim_key_drop(key);
    brim_group_drop(grouped.group);
    finish(c);
}
END_TEST

#ifdef BRIM_INTERFERE
static struct onlooker {
    worker by;
    uint64_t name;
    unsigned hits, misses;
} onlooker;

static void begin(void *arg)
{
    begin_reading(arg);
}

static void end(void *arg)
{
    brim_read_end(arg);
}

static void look_both_ways(void *arg)
{
    struct onlooker *o = arg;
    bool there = brim_contains(c, BRIM_KEY(o->name));

    EXPECT((brim_peek(c, BRIM_KEY(o->name)) != NULL) == there);
    o->hits += there;
    o->misses += !there;
}

static void onlooker_looks(void *arg)
{
    struct onlooker *o = arg;

    worker_do(&o->by, look_both_ways, o);
    atom_interfere(0, onlooker_looks, o); /* and before the next operation, too */
}

/* It is still in the index when it has left, while the remover is under way. */
START_TEST(what_leaves_is_a_miss_as_for_others)
{
    onlooker.name = 1;
    onlooker.hits = onlooker.misses = 0;
    c = make_borrow_cache(100);
    ck_assert_int_eq(put(c, onlooker.name, 11, 1), BRIM_OK);
    worker_start(&onlooker.by);
    worker_do(&onlooker.by, begin, c);
    atom_interfere(0, onlooker_looks, &onlooker);
    ck_assert(brim_remove(c, BRIM_KEY(onlooker.name)));
    (void)atom_has_interfered();
    ck_assert_uint_gt(onlooker.hits, 0);
    ck_assert_uint_gt(onlooker.misses, 0);
    worker_do(&onlooker.by, end, c);
    worker_end(&onlooker.by);
    finish(c);
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("peek");

    tcase_add_test(tc, hits_misses_and_what_is_no_key);
    tcase_add_test(tc, nothing_is_locked_or_held);
    tcase_add_loop_test(tc, held_beyond_the_section, 0, 3);
    tcase_add_loop_test(tc, writes_on_a_repeated_peek, 0, 3);
    tcase_add_test(tc, what_is_stale_is_a_miss);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, what_leaves_is_a_miss_as_for_others);
#endif
    return suite_run(tc);
}
