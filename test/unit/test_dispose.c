/* SPDX-License-Identifier: MIT
 *
 * cache/dispose: announced, destroyed, one before the next, with a bounded stack.
 */
#include "cache/dispose.h"
#include "support/support.h"

static struct {
    brim_cache *cache;
    unsigned depth, deepest, destroyed, removed;
    bool under_way;
    uint64_t next;
    char order[64];
    size_t key_len;
    bool key_null;
} seen;

/* Removes the next entry from within. */
static void destroy_chain(void *v, size_t cost, void *arg)
{
    (void)v;
    (void)cost;
    (void)arg;
    if (++seen.depth > seen.deepest)
        seen.deepest = seen.depth;
    seen.destroyed++;
    seen.under_way = dispose_is_under_way();
    seen.next++;
    (void)brim_remove(seen.cache, BRIM_KEY(seen.next));
    seen.depth--;
}

static const brim_kind chain_kind = {.destroy = destroy_chain};

START_TEST(the_stack_stays_bounded)
{
    enum { N = 1000 };
    brim_options o = value_options(N);

    o.kind = &chain_kind;
    memset(&seen, 0, sizeof seen);
    seen.cache = make_cache(&o);
    for (uint64_t key = 0; key < N; key++)
        ck_assert_int_eq(brim_insert(seen.cache, BRIM_KEY(key), &seen, 1, NULL), BRIM_OK);
    ck_assert(brim_remove(seen.cache, BRIM_KEY(seen.next)));
    ck_assert_uint_eq(seen.destroyed, N);
    ck_assert_uint_eq(seen.deepest, 1);
    ck_assert(seen.under_way);
    ck_assert(!dispose_is_under_way());
    finish(seen.cache);
}
END_TEST

static void note(char what)
{
    size_t n = strlen(seen.order);

    if (n + 1 < sizeof seen.order)
        seen.order[n] = what;
}

static void on_destroy(void *v, size_t cost, void *arg)
{
    (void)cost;
    (void)arg;
    note(*(char *)v);
}

static void on_removed(const void *key, size_t key_len, void *v, size_t cost, brim_cause cause, void *arg)
{
    (void)v;
    (void)cost;
    (void)arg;
    seen.key_null = key == NULL;
    seen.key_len = key_len;
    note((char)('0' + cause));
}

static void on_destroy_entry(const void *key, size_t key_len, void *v, size_t cost, void *arg)
{
    (void)cost;
    (void)arg;
    seen.key_null = key == NULL;
    seen.key_len = key_len;
    note(*(char *)v == 'a' ? 'A' : 'B');
}

/* The ends of values that have been begun and made, for those who wait until none is under way. */
static void expect_none_dying(brim_cache *c)
{
    ck_assert_uint_eq(stripes_sum(&c->stripes, offsetof(struct stripe, dying)),
                      stripes_sum(&c->stripes, offsetof(struct stripe, destroyed)));
}

START_TEST(announced_then_destroyed)
{
    static char a[] = "a", b[] = "b";
    brim_kind kind = {.destroy = on_destroy, .removed = on_removed};
    brim_options o = value_options(10);
    brim_ref *r;

    o.kind = &kind;
    memset(&seen, 0, sizeof seen);
    seen.cache = make_cache(&o);
    ck_assert_int_eq(brim_insert(seen.cache, "key", 3, a, 5, &r), BRIM_OK);
    ck_assert_int_eq(brim_insert(seen.cache, "key", 3, b, 5, NULL), BRIM_OK);
    ck_assert_str_eq(seen.order, "2"); /* replaced, and held */
    expect_none_dying(seen.cache);
    brim_release(r);
    ck_assert_str_eq(seen.order, "2a");
    ck_assert(brim_remove(seen.cache, "key", 3));
    ck_assert_str_eq(seen.order, "2a1b");
    expect_none_dying(seen.cache);
    ck_assert(!seen.key_null);
    ck_assert_uint_eq(seen.key_len, 3);
    ck_assert_int_eq(brim_insert(seen.cache, "key", 3, NULL, 5, NULL), BRIM_OK);
    finish(seen.cache); /* NULL needs no destruction */
    ck_assert_str_eq(seen.order, "2a1b6");
}
END_TEST

START_TEST(one_before_the_next)
{
    static char a[] = "a";
    brim_kind kind = {.destroy = on_destroy, .removed = on_removed};
    brim_options o = value_options(10);

    o.kind = &kind;
    memset(&seen, 0, sizeof seen);
    seen.cache = make_cache(&o);
    for (uint64_t key = 0; key < 3; key++)
        ck_assert_int_eq(brim_insert(seen.cache, BRIM_KEY(key), a, 1, NULL), BRIM_OK);
    brim_clear(seen.cache);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(seen.order[i] == 'a', i % 2 == 1);
    finish(seen.cache);
}
END_TEST

static void note_used(void *v, size_t cost, void *arg)
{
    (void)v;
    (void)cost;
    *(size_t *)arg = brim_used(seen.cache);
    seen.destroyed++;
}

/* What the first victim frees is the inserter's own when the second is destroyed (G5). */
START_TEST(what_victims_free_is_kept)
{
    size_t used = 0;
    brim_kind kind = {.destroy = note_used, .arg = &used};
    brim_options o = value_options(10);

    o.kind = &kind;
    memset(&seen, 0, sizeof seen);
    seen.cache = make_cache(&o);
    for (uint64_t key = 0; key < 2; key++)
        ck_assert_int_eq(brim_insert(seen.cache, BRIM_KEY(key), &seen, 5, NULL), BRIM_OK);
    ck_assert_int_eq(brim_insert(seen.cache, "all", 3, &seen, 10, NULL), BRIM_OK);
    ck_assert_uint_eq(seen.destroyed, 2);
    ck_assert_uint_eq(used, 10);
    finish(seen.cache);
}
END_TEST

static brim_ref *held;

static void release_it(const void *key, size_t key_len, void *v, size_t cost, brim_cause cause, void *arg)
{
    (void)key, (void)key_len, (void)v, (void)cost, (void)cause, (void)arg;
    brim_release(held);
}

/* The listener gives back the last hold: then the link's is the last. */
START_TEST(released_by_the_listener)
{
    brim_kind kind = {.destroy = value_destroy, .removed = release_it};
    brim_options o = value_options(10);
    brim_cache *c;

    o.kind = &kind;
    c = make_cache(&o);
    ck_assert_int_eq(put_ref(c, 1, 1, 5, &held), BRIM_OK);
    ck_assert(brim_remove(c, BRIM_KEY((uint64_t){1})));
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(brim_used(c), 0);
    ck_assert_uint_eq(brim_pinned(c), 0);
    expect_none_dying(c);
    finish(c);
}
END_TEST

/* Held again while it waited for sections: it lives on, and ends with that hold. */
START_TEST(held_while_it_waited)
{
    brim_cache *c = make_borrow_cache(100);
    uint64_t key = 1;
    brim_ref *r;

    ck_assert_int_eq(put(c, key, 7, 5), BRIM_OK);
    begin_reading(c);
    r = (brim_ref *)(uintptr_t)brim_borrow(c, BRIM_KEY(key));
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    r = brim_ref_hold(r);
    ck_assert_ptr_nonnull(r);
    brim_read_end(c);
    ck_assert_uint_eq(limbo_count(&c->limbo), 0);
    ck_assert_uint_eq(values_live(), 1);
    ck_assert_uint_eq(id_of(r), 7);
    ck_assert_uint_eq(brim_used(c), 5);
    expect_none_dying(c);
    brim_release(r);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(brim_used(c), 0);
    expect_none_dying(c);
    finish(c);
}
END_TEST

/* What waits in a queue: its charge if it has one, and no NULL. */
START_TEST(what_a_queue_is_given)
{
    brim_kind kind = {.size = sizeof kind, .destroy = value_destroy};
    brim_options o = value_options(100);
    brim_cache *c;
    brim_ref *r;

    kind.queue = brim_queue_new();
    o.kind = &kind;
    c = make_cache(&o);
    ck_assert_int_eq(put(c, 1, 1, 5), BRIM_OK);
    ck_assert_int_eq(brim_insert(c, "null", 4, NULL, 3, NULL), BRIM_OK);
    ck_assert(brim_remove(c, "null", 4));
    ck_assert_uint_eq(brim_used(c), 5);
    ck_assert_uint_eq(atom_load_relaxed(&c->default_kind->queued_values), 0);
    ck_assert(brim_remove(c, BRIM_KEY((uint64_t){1})));
    ck_assert_uint_eq(atom_load_relaxed(&c->queued), 5);
    ck_assert_int_eq(brim_wrap(c, value_new(2, 7), 7, NULL, &r), BRIM_OK);
    brim_release(r);
    ck_assert_uint_eq(values_live(), 2);
    ck_assert_uint_eq(atom_load_relaxed(&c->default_kind->queued_values), 2);
    ck_assert_uint_eq(atom_load_relaxed(&c->default_kind->queued), 5); /* uncharged: the other is nothing */
    ck_assert_uint_eq(atom_load_relaxed(&c->queued), 5);
    expect_none_dying(c);
    ck_assert_uint_eq(brim_collect(kind.queue, SIZE_MAX), 2);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(atom_load_relaxed(&c->default_kind->queued_values), 0);
    ck_assert_uint_eq(atom_load_relaxed(&c->default_kind->queued), 0);
    ck_assert_uint_eq(atom_load_relaxed(&c->queued), 0);
    ck_assert_uint_eq(brim_used(c), 0);
    expect_none_dying(c);
    finish(c);
    brim_queue_drop(kind.queue);
}
END_TEST

START_TEST(destroy_entry_has_the_key)
{
    static char a[] = "a", b[] = "b";
    brim_kind kind = {.destroy = on_destroy, .destroy_entry = on_destroy_entry};
    brim_options o = value_options(10);
    brim_key *key;

    o.kind = &kind;
    memset(&seen, 0, sizeof seen);
    seen.cache = make_cache(&o);
    ck_assert_int_eq(brim_insert(seen.cache, "key", 3, a, 5, NULL), BRIM_OK);
    ck_assert(brim_remove(seen.cache, "key", 3));
    ck_assert_str_eq(seen.order, "A");
    ck_assert_uint_eq(seen.key_len, 3);
    ck_assert_int_eq(brim_insert_anonymous(seen.cache, b, 5, NULL, &key, NULL), BRIM_OK);
    ck_assert(brim_key_remove(key));
    ck_assert_str_eq(seen.order, "AB");
    ck_assert(seen.key_null);
    brim_key_drop(key);
    finish(seen.cache);
}
END_TEST

START_TEST(memory_stays_for_the_last_key)
{
    brim_cache *c = make_value_cache(10);
    brim_key *key, *copy;
    uint64_t name = 77;

    ck_assert_int_eq(brim_insert(c, BRIM_KEY(name), value_new(1, 5), 5, NULL), BRIM_OK);
    key = brim_ref_key(NULL);
    ck_assert_ptr_null(key);
    brim_ref *r = brim_find(c, BRIM_KEY(name));
    key = brim_ref_key(r);
    brim_release(r);
    copy = brim_key_copy(key);
    ck_assert(brim_key_remove(key));
    ck_assert_uint_eq(values_live(), 0);
    brim_key_drop(copy);
    brim_cache_free(c); /* the key's entry keeps it, for its bytes */
    ck_assert_mem_eq(brim_key_bytes(key, NULL), &name, sizeof name);
    ck_assert(!brim_key_is_valid(key));
    brim_key_drop(key);
}
END_TEST

/* ---- What a destructor of one cache makes leave in others */

static struct { brim_cache *first, *second; brim_queue *queue; unsigned calls; size_t collected; } others;

static void remove_from_others(void *v, size_t cost, void *arg)
{
    uint64_t key = others.calls++;

    (void)arg;
    value_destroy(v, cost, NULL);
    (void)brim_remove(others.first, BRIM_KEY(key));
    (void)brim_remove(others.second, BRIM_KEY(key));
}

static brim_cache *make_with_destructor(void (*destroy)(void *v, size_t cost, void *arg), brim_kind *kind)
{
    brim_options o = value_options(10);

    *kind = (brim_kind){.size = sizeof *kind, .destroy = destroy};
    o.kind = kind;
    memset(&others, 0, sizeof others);
    return make_cache(&o);
}

/* With sections or without: each is ended in its own cache, and what it frees is that one's. */
START_TEST(what_leaves_in_other_caches)
{
    brim_kind kind;
    brim_cache *c = make_with_destructor(remove_from_others, &kind);

    others.first = _i == 0 ? make_value_cache(100) : make_borrow_cache(100);
    others.second = _i == 0 ? make_value_cache(100) : make_borrow_cache(100);
    for (uint64_t key = 0; key < 10; key++) {
        ck_assert_int_eq(put(c, key, key, 1), BRIM_OK);
        ck_assert_int_eq(put(others.first, key, key, 3), BRIM_OK);
        ck_assert_int_eq(put(others.second, key, key, 3), BRIM_OK);
    }
    ck_assert_int_eq(put(c, 1000, 1000, 5), BRIM_OK);
    ck_assert_uint_ge(others.calls, 5);
    ck_assert_uint_eq(brim_used(c), 10 + 5 - others.calls);
    ck_assert_uint_eq(brim_used(others.first), 3 * (10 - others.calls));
    ck_assert_uint_eq(brim_used(others.second), 3 * (10 - others.calls));
    ck_assert_uint_eq(values_live(), 10 + 1 - others.calls + 2 * (10 - others.calls));
    brim_clear(c);
    finish(others.first);
    finish(others.second);
    finish(c);
}
END_TEST

/* Both calls ask for a look at what waits, and one look is enough; it keeps the cache alive. */
START_TEST(asked_twice_in_a_destructor)
{
    brim_kind kind;
    brim_cache *c = make_with_destructor(remove_from_others, &kind);

    others.first = others.second = make_borrow_cache(100);
    ck_assert_int_eq(put(c, 0, 0, 1), BRIM_OK);
    ck_assert_int_eq(put(others.first, 5, 5, 1), BRIM_OK);
    begin_reading(others.first);
    ck_assert(brim_remove(others.first, BRIM_KEY((uint64_t){5})));
    ck_assert_uint_eq(limbo_count(&others.first->limbo), 1);
    ck_assert(brim_remove(c, BRIM_KEY((uint64_t){0})));
    ck_assert_uint_eq(others.calls, 1);
    ck_assert_uint_eq(atom_load_relaxed(&others.first->asked), 0);
    ck_assert_uint_eq(tally_count(&others.first->live), 3); /* itself, its sections, and what waits */
    brim_read_end(others.first);
    ck_assert_uint_eq(values_live(), 0);
    finish(others.first);
    finish(c);
}
END_TEST

static void end_section(void *v, size_t cost, void *arg)
{
    (void)arg;
    value_destroy(v, cost, NULL);
    brim_read_end(others.first);
    others.calls = (unsigned)values_live(); /* what waited ends after this one */
}

START_TEST(a_section_ended_in_a_destructor)
{
    brim_kind kind;
    brim_cache *c = make_with_destructor(end_section, &kind);

    others.first = make_borrow_cache(100);
    ck_assert_int_eq(put(c, 0, 0, 1), BRIM_OK);
    ck_assert_int_eq(put(others.first, 5, 5, 1), BRIM_OK);
    begin_reading(others.first);
    ck_assert(brim_remove(others.first, BRIM_KEY((uint64_t){5})));
    ck_assert(brim_remove(c, BRIM_KEY((uint64_t){0})));
    ck_assert_uint_eq(others.calls, 1);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(atom_load_relaxed(&others.first->asked), 0);
    finish(others.first);
    finish(c);
}
END_TEST

static void drop_queue(void *v, size_t cost, void *arg)
{
    (void)arg;
    value_destroy(v, cost, NULL);
    others.collected += brim_collect(others.queue, SIZE_MAX);
    brim_queue_drop(others.queue);
    others.calls = (unsigned)values_live(); /* they end after this one */
}

START_TEST(a_queue_dropped_in_a_destructor)
{
    brim_kind kind, queued = {.size = sizeof queued, .destroy = value_destroy};
    brim_cache *c = make_with_destructor(drop_queue, &kind);
    brim_entry_options e;

    others.queue = queued.queue = brim_queue_new();
    brim_entry_options_init(&e);
    e.kind = &queued;
    for (uint64_t key = 0; key < 3; key++) {
        ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(key), value_new(key, 1), 1, &e, NULL), BRIM_OK);
        ck_assert(brim_remove(c, BRIM_KEY(key)));
    }
    ck_assert_int_eq(put(c, 7, 7, 1), BRIM_OK);
    ck_assert_uint_eq(brim_used(c), 4);
    ck_assert(brim_remove(c, BRIM_KEY((uint64_t){7})));
    ck_assert_uint_eq(others.collected, 0);
    ck_assert_uint_eq(others.calls, 3);
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(brim_used(c), 0);
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("dispose");

    tcase_add_test(tc, the_stack_stays_bounded);
    tcase_add_test(tc, announced_then_destroyed);
    tcase_add_test(tc, one_before_the_next);
    tcase_add_test(tc, what_victims_free_is_kept);
    tcase_add_test(tc, released_by_the_listener);
    tcase_add_test(tc, held_while_it_waited);
    tcase_add_test(tc, what_a_queue_is_given);
    tcase_add_test(tc, destroy_entry_has_the_key);
    tcase_add_test(tc, memory_stays_for_the_last_key);
    tcase_add_loop_test(tc, what_leaves_in_other_caches, 0, 2);
    tcase_add_test(tc, asked_twice_in_a_destructor);
    tcase_add_test(tc, a_section_ended_in_a_destructor);
    tcase_add_test(tc, a_queue_dropped_in_a_destructor);
    return suite_run(tc);
}
