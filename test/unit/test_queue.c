/* SPDX-License-Identifier: MIT
 *
 * cache/queue: in and out in order; who counts it; what a dropped one takes.
 */
#include "cache/queue.h"
#include "unit/caches.h"

static brim_cache *c;
static heap h;
static brim_queue *q;
static brim_kind kind;
static char order[32];
static size_t collected_inside;

static void on_destroy(void *v, size_t cost, void *arg)
{
    size_t n = strlen(order);

    (void)cost;
    (void)arg;
    if (n + 1 < sizeof order)
        order[n] = *(const char *)v;
    collected_inside += brim_collect(q, 10);
}

static void make(void)
{
    q = brim_queue_new();
    ck_assert_ptr_nonnull(q);
    ck_assert_ptr_nonnull(queues_lock());
    kind = (brim_kind){.size = sizeof kind, .destroy = on_destroy, .queue = q};
    c = cache_on(&h, 100);
}

static void insert(const char *name)
{
    brim_entry_options e = entry_defaults();

    e.kind = &kind;
    ck_assert_int_eq(brim_insert_with(c, name, 1, (void *)(uintptr_t)name, 1, &e, NULL), BRIM_OK);
}

static void remove_all(const char *names)
{
    for (; *names != 0; names++)
        ck_assert(brim_remove(c, names, 1));
}

static struct kind *record(void)
{
    return kind_look_up(c, &kind);
}

START_TEST(out_in_the_order_in)
{
    make();
    insert("a"), insert("b"), insert("c"), insert("d");
    remove_all("cadb");
    ck_assert_str_eq(order, "");
    ck_assert_uint_eq(brim_used(c), 4);
    ck_assert_uint_eq(atom_load_relaxed(&record()->queued_values), 4);
    ck_assert_uint_eq(atom_load_relaxed(&c->queued), 4);
    ck_assert_uint_eq(brim_collect(q, 0), 0);
    ck_assert_uint_eq(brim_collect(q, 1), 1);
    ck_assert_str_eq(order, "c");
    ck_assert_uint_eq(brim_collect(q, 2), 2);
    ck_assert_str_eq(order, "cad");
    ck_assert_uint_eq(brim_used(c), 1);
    insert("e");
    remove_all("e");
    ck_assert_uint_eq(brim_collect(q, SIZE_MAX), 2);
    ck_assert_str_eq(order, "cadbe");
    ck_assert_uint_eq(brim_collect(q, SIZE_MAX), 0);
    ck_assert_uint_eq(collected_inside, 0);
    ck_assert_uint_eq(atom_load_relaxed(&record()->queued), 0);
    ck_assert_uint_eq(atom_load_relaxed(&c->queued), 0);
    no_loads(c, 0);
    brim_queue_drop(q);
    finish_on(c, &h);
}
END_TEST

START_TEST(dropped_it_takes_no_more)
{
    static struct entry e;

    make();
    insert("a"), insert("b"), insert("c");
    remove_all("ba");
    brim_queue_drop(q); /* the kind still counts it */
    ck_assert_str_eq(order, "ba");
    ck_assert(!queue_push(q, &e));
    remove_all("c");
    ck_assert_str_eq(order, "bac");
    ck_assert_uint_eq(brim_used(c), 0);
    finish_on(c, &h);
}
END_TEST

START_TEST(counted_by_handle_and_kinds)
{
    make();
    ck_assert_ptr_null(queue_use(NULL));
    queue_unuse(NULL);
    ck_assert_uint_eq(brim_collect(NULL, 1), 0);
    brim_queue_drop(NULL);
    ck_assert_ptr_eq(queue_use(q), q);
    brim_queue_drop(q);
    ck_assert(!queue_push(q, NULL)); /* it is there still */
    queue_unuse(q);                  /* and now it is not: sanitizers tell */
    finish_on(c, &h);
}
END_TEST

/* A kind that could not be made counts no queue. */
START_TEST(a_kind_without_memory)
{
    brim_entry_options e = entry_defaults();

    make();
    e.kind = &kind;
    heap_fail(&h, 1, 2);
    ck_assert_int_eq(brim_insert_with(c, "a", 1, order, 1, &e, NULL), BRIM_NOMEM);
    ck_assert_ptr_null(record());
    insert("a");
    ck_assert_ptr_eq(record()->queue, q);
    brim_cache_free(c);
    ck_assert_str_eq(order, "");
    ck_assert_uint_eq(brim_collect(q, 5), 1);
    ck_assert_uint_eq(h.blocks, 0);
    brim_queue_drop(q);
}
END_TEST

/* Also where tests do not fork. */
static void begin_anew(void)
{
    memset(order, 0, sizeof order);
}

int main(void)
{
    TCase *tc = suite_case("queue");

    tcase_add_checked_fixture(tc, begin_anew, NULL);
    tcase_add_test(tc, out_in_the_order_in);
    tcase_add_test(tc, dropped_it_takes_no_more);
    tcase_add_test(tc, counted_by_handle_and_kinds);
    tcase_add_test(tc, a_kind_without_memory);
    return suite_run(tc);
}
