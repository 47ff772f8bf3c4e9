/* SPDX-License-Identifier: MIT
 *
 * shard/shard: link, replace, remove, evict, and the sums kept meanwhile.
 */
#include "unit/interfere.h"
#include "unit/shards.h"

static bool remove_key(uint64_t key, struct entry_list *left)
{
    struct flight *forgotten = NULL;
    bool removed;

    ck_assert_int_eq(shard_remove_key(&sh, hash_of(key), BRIM_KEY(key), 0, &removed, st, left, &forgotten), EXTRA_FRESH);
    ck_assert_ptr_null(forgotten);
    return removed;
}

START_TEST(link_find_remove)
{
    struct entry_list left = {NULL, NULL};
    uint64_t key = 1;
    struct flight *forgotten = NULL;
    bool removed;

    make(0);
    link_new(0, 1, 10);
    link_new(1, 2, 5);
    expect_sums(15, 2, 0);
    ck_assert_uint_eq(atom_load_relaxed(&st->reserved), 0);
    ck_assert_ptr_null(find(3));
    ck_assert_ptr_eq(find(1), &items[0].e);
    expect_sums(15, 2, 10);
    ck_assert_int_eq(shard_remove_key(&sh, hash_of(1), BRIM_KEY(key), 0, &removed, st, &left, &forgotten), EXTRA_FRESH);
    ck_assert(removed);
    ck_assert_int_eq(shard_remove_key(&sh, hash_of(1), BRIM_KEY(key), 0, &removed, st, &left, &forgotten), EXTRA_FRESH);
    ck_assert(!removed);
    ck_assert_ptr_null(forgotten);
    ck_assert_ptr_eq(entry_list_pop(&left), &items[0].e);
    ck_assert_uint_eq(items[0].e.priority & 255, BRIM_REMOVED);
    ck_assert_ptr_null(find(1));
    expect_sums(5, 1, 10);
    ck_assert_uint_eq(release(&items[0].e), 0);
    ck_assert_uint_eq(release(&items[0].e), ENTRY_UNPIN | ENTRY_LAST);
    ck_assert(shard_remove(&sh, &items[1].e, BRIM_CLEARED, st, &left, &forgotten));
    ck_assert(!shard_remove(&sh, &items[1].e, BRIM_CLEARED, st, &left, &forgotten));
    ck_assert_uint_eq(items[1].e.priority & 255, BRIM_CLEARED);
    expect_sums(0, 0, 0);
    unmake();
}
END_TEST

START_TEST(replace_in_one_step)
{
    struct entry_list left = {NULL, NULL};
    struct shard_link l;

    make(1); /* one entry: a replacement needs no more */
    link_new(0, 1, 10);
    l = link_of(1, 1, 30);
    l.refs = 1;
    ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_LINKED);
    ck_assert(!l.added);
    ck_assert_ptr_eq(entry_list_pop(&left), &items[0].e);
    ck_assert_uint_eq(items[0].e.priority & 255, BRIM_REPLACED);
    ck_assert(entry_is_dead(&items[0].e));
    expect_sums(30, 1, 30);
    l = link_of(2, 1, 1);
    l.only_if_absent = true;
    ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_EXISTS);
    ck_assert_ptr_eq(l.there, &items[1].e);
    l = link_of(2, 2, 1);
    ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_NO_ENTRY);
    l.expected = &items[0].e; /* has left */
    ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_GONE);
    shard_close(&sh);
    l.expected = NULL;
    ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_GONE);
    ck_assert_ptr_null(left.head);
    expect_sums(30, 1, 30);
    unmake();
}
END_TEST

/* A reader on its way from an entry that was replaced goes on to the new one; one that left without heir is a miss. */
START_TEST(a_replace_is_never_a_miss)
{
    uint64_t key = 1;
    struct entry *e;

    make(0);
    link_new(0, 1, 1);
    link_of(1, 1, 1);
    entry_publish(&items[1].e, 0, 0);
    atom_store_release(&items[0].e.next, (uintptr_t)&items[1].e);
    (void)entry_unlink(&items[0].e); /* the index has the old one still */
    e = find(1);
    ck_assert_ptr_eq(e, &items[1].e);
    (void)entry_unlink(&items[1].e);
    section_enter(self);
    ck_assert_ptr_null(shard_peek(index_view(&sh.index), hash_of(1), BRIM_KEY(key)));
    section_leave(self);
    unmake();
}
END_TEST

#ifdef BRIM_INTERFERE
/* ---- What another thread does on the way of a look-up of key 1, whose entry is item 0 */

static struct stripe *own, *others;
static bool is_held_by_other;
static unsigned ends[2]; /* how often each item's value was somebody's to destroy */

static void end(const struct entry *e)
{
    ck_assert(e == &items[0].e || e == &items[1].e);
    ck_assert(entry_is_dead(e));
    ends[e == &items[1].e]++;
}

static void let_go_of(struct entry *e)
{
    if (release(e) & ENTRY_LAST)
        end(e);
}

/* Of what is held, the link's own hold is ours. */
static void end_all(struct entry_list *left)
{
    struct entry *e;

    while ((e = entry_list_pop(left)) != NULL)
        if (entry_is_dead(e))
            end(e);
        else
            let_go_of(e);
}

static void remove_it(void *arg)
{
    struct entry_list left = {NULL, NULL};

    (void)arg;
    st = others;
    ck_assert(remove_key(1, &left));
    end_all(&left);
    st = own;
}

static void replace_it(void *arg)
{
    struct entry_list left = {NULL, NULL};
    struct shard_link l;

    (void)arg;
    st = others;
    l = link_of(1, 1, 2);
    ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_LINKED);
    end_all(&left);
    st = own;
}

static void remove_and_insert_it(void *arg)
{
    remove_it(arg);
    replace_it(arg);
}

static void (*const acts[])(void *arg) = {remove_it, replace_it, remove_and_insert_it};

static void let_go(void *arg)
{
    (void)arg;
    st = others;
    is_held_by_other = false;
    let_go_of(&items[0].e);
    st = own;
}

static struct { void (*act)(void *arg); unsigned then; } first_act;

static void act_then_let_go(void *arg)
{
    first_act.act(arg);
    atom_interfere(first_act.then, let_go, NULL);
}

static void begin_race(void)
{
    struct thread other = {.number = 100};

    make(0);
    own = st;
    others = stripe_of(&stripes, &other);
    link_new(0, 1, 1);
    memset(ends, 0, sizeof ends);
    is_held_by_other = false;
}

/* Each value ends once.  True: the look-up ended some. */
static bool end_of_race(struct entry *found, struct entry_list *last, bool other)
{
    struct entry_list left = {NULL, NULL};
    bool was_last = last->head != NULL;

    end_all(last);
    if (is_held_by_other)
        let_go(NULL);
    if (found != NULL)
        let_go_of(found);
    (void)remove_key(1, &left);
    end_all(&left);
    ck_assert_uint_eq(ends[0], 1);
    ck_assert_uint_eq(ends[1], other);
    expect_sums(0, 0, 0);
    unmake();
    return was_last;
}

/* A removal may be missed or not; a replace never is. */
START_TEST(a_look_up_beside_another_thread)
{
    bool found[3] = {false, false, false}; /* nothing, the old one, the new one */
    uint64_t key = 1;

    for (unsigned after = 0;; after++) {
        struct entry_list last = {NULL, NULL};
        struct entry *e;

        begin_race();
        section_enter(self);
        atom_interfere(after, acts[_i], NULL);
        e = shard_find(index_view(&sh.index), hash_of(1), BRIM_KEY(key), st, &last);
        section_leave(self);
        if (!atom_has_interfered())
            break;
        found[e == NULL ? 0 : e == &items[0].e ? 1 : 2] = true;
        ck_assert(!end_of_race(e, &last, _i != 0));
    }
    ck_assert(_i == 2 || found[0] == (_i == 0));
    ck_assert(found[1]);
    ck_assert_int_eq(found[2], _i != 0);
    unmake();
}
END_TEST

/* The same without a hold: what it finds was there at some time. */
START_TEST(a_peek_beside_another_thread)
{
    bool found[3] = {false, false, false};
    uint64_t key = 1;

    for (unsigned after = 0;; after++) {
        struct entry_list last = {NULL, NULL};
        struct entry *e;

        begin_race();
        section_enter(self);
        atom_interfere(after, acts[_i], NULL);
        e = shard_peek(index_view(&sh.index), hash_of(1), BRIM_KEY(key));
        section_leave(self);
        if (!atom_has_interfered())
            break;
        found[e == NULL ? 0 : e == &items[0].e ? 1 : 2] = true;
        ck_assert(!end_of_race(NULL, &last, _i != 0));
    }
    ck_assert(_i == 2 || found[0] == (_i == 0));
    ck_assert_int_eq(found[2], _i != 0);
    unmake();
}
END_TEST

/* Somebody holds the old one, and lets it go while a hold that came too late is undone: that one is the last then. */
START_TEST(a_look_up_that_becomes_the_last)
{
    enum { OPERATIONS = 24 };
    unsigned was_last = 0;
    uint64_t key = 1;

    for (unsigned i = 0; i < OPERATIONS * OPERATIONS; i++) {
        struct entry_list last = {NULL, NULL};
        bool is_replaced;
        struct entry *e;

        memset(&items[1], 0, sizeof items[1]);
        begin_race();
        ck_assert_ptr_eq(find(1), &items[0].e);
        is_held_by_other = true;
        first_act.act = acts[_i];
        first_act.then = i % OPERATIONS;
        section_enter(self);
        atom_interfere(i / OPERATIONS, act_then_let_go, NULL);
        e = shard_find(index_view(&sh.index), hash_of(1), BRIM_KEY(key), st, &last);
        section_leave(self);
        (void)atom_has_interfered(); /* it is forgotten */
        is_replaced = entry_is_linked(&items[1].e);
        if (_i == 1)
            ck_assert_ptr_nonnull(e);
        was_last += end_of_race(e, &last, is_replaced);
    }
    ck_assert_uint_gt(was_last, 0);
}
END_TEST
#endif

START_TEST(remove_if_last)
{
    struct entry_list left = {NULL, NULL};
    struct flight *forgotten = NULL;
    struct entry *e;

    make(0);
    link_new(0, 1, 10);
    e = find(1);
    ck_assert_ptr_eq(find(1), e);
    ck_assert(!shard_remove_if_last(&sh, e, 0, st, &left, &forgotten));
    ck_assert_uint_eq(release(e), 0);
    expect_sums(10, 1, 10);
    ck_assert(shard_remove_if_last(&sh, e, 0, st, &left, &forgotten));
    ck_assert_ptr_eq(entry_list_pop(&left), e);
    ck_assert(entry_is_dead(e));
    expect_sums(0, 0, 0);
    unmake();
}
END_TEST

static void count_left(struct entry_list *left, unsigned *n, size_t *cost)
{
    struct entry *e;

    while ((e = entry_list_pop(left)) != NULL) {
        ++*n;
        *cost += entry_cost(e);
        ck_assert(!entry_is_linked(e));
    }
}

START_TEST(evict_and_sweep)
{
    struct shard_sweep w = {.cause = BRIM_EVICTED, .kind = -1, .but_kind = -1, .need = 100, .most = UINT32_MAX};
    struct entry_list left = {NULL, NULL};
    struct index_cursor cursor = {0};
    unsigned n = 0, before;
    size_t cost = 0;

    make(0);
    for (unsigned i = 0; i < ENTRIES; i++)
        link_new(i, i, 3);
    ck_assert_ptr_eq(find(7), &items[7].e);
    w.keep = &items[8].e;
    shard_evict(&sh, &w, st, &left);
    count_left(&left, &n, &cost);
    ck_assert_uint_gt(n, 0);
    ck_assert_uint_eq(cost, w.freed);
    ck_assert_uint_lt(w.freed, 100 + 3);
    expect_sums((ENTRIES - n) * 3, ENTRIES - n, 3);
    before = n;
    w.need = SIZE_MAX;
    while (shard_sweep(&sh, &cursor, &w, st, &left))
        ck_assert_uint_le(atom_load_relaxed(&sh.count), ENTRIES);
    count_left(&left, &n, &cost);
    ck_assert_uint_gt(n, before);
    ck_assert_uint_eq(n, ENTRIES - 2); /* all but the held one and the one to keep */
    expect_sums(6, 2, 3);
    w.keep = NULL;
    w.held_too = true;
    cursor = (struct index_cursor){0};
    while (shard_sweep(&sh, &cursor, &w, st, &left)) {
    }
    count_left(&left, &n, &cost);
    expect_sums(0, 0, 3);
    ck_assert(!entry_is_dead(&items[7].e));
    ck_assert(shard_fit_index(&sh));
    ck_assert_uint_le(atom_load_relaxed(&sh.bytes), index_table_size(2)); /* it shrank again */
    unmake();
}
END_TEST

START_TEST(costs_change)
{
    struct entry *e;
    size_t reserved = 5, more;

    make(0);
    link_new(0, 1, 10);
    e = find(1);
    stripe_add(st, reserved, reserved);
    ck_assert(!shard_set_cost(&sh, e, 16, &reserved, &values, self, st, &more));
    expect_sums(10, 1, 10);
    ck_assert_uint_eq(reserved, 5);
    ck_assert(shard_set_cost(&sh, e, 15, &reserved, &values, self, st, &more));
    expect_sums(15, 1, 15);
    ck_assert_uint_eq(reserved, 0);
    ck_assert(shard_set_cost(&sh, e, 2, &reserved, &values, self, st, &more));
    expect_sums(2, 1, 2);
    ck_assert_uint_eq(reserved, 13); /* what it is less */
    ck_assert_uint_eq(atom_load_relaxed(&st->reserved), 13);
    ck_assert_uint_eq(tally_amount(&values), 2);
    ck_assert_uint_eq(release(e), ENTRY_UNPIN);
    expect_sums(2, 1, 0);
    unmake();
}
END_TEST

START_TEST(without_memory_until_full)
{
    struct entry_list left = {NULL, NULL};
    struct shard_link l;
    unsigned n = 0;

    make(0);
    heap_fail(&h, 1, SIZE_MAX);
    do
        l = link_of(n, n, 1);
    while (shard_link(&sh, &l, self, st, &left) == SHARD_LINKED && n++ < ENTRIES - 1);
    ck_assert_uint_eq(n, INDEX_ENTRIES); /* the first table's; then SHARD_NOMEM */
    ck_assert_ptr_eq(find(0), &items[0].e);
    heap_fail(&h, SIZE_MAX, SIZE_MAX);
    ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_LINKED);
    unmake();
    heap_init(&h);
    heap_fail(&h, 1, 2);
    ck_assert(!shard_init(&sh, &root, &common, BRIM_HITS, 1, 0));
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("shard");

    tcase_add_test(tc, link_find_remove);
    tcase_add_test(tc, replace_in_one_step);
    tcase_add_test(tc, a_replace_is_never_a_miss);
#ifdef BRIM_INTERFERE
    tcase_add_loop_test(tc, a_look_up_beside_another_thread, 0, 3);
    tcase_add_loop_test(tc, a_peek_beside_another_thread, 0, 3);
    tcase_add_loop_test(tc, a_look_up_that_becomes_the_last, 0, 3);
#endif
    tcase_add_test(tc, remove_if_last);
    tcase_add_test(tc, evict_and_sweep);
    tcase_add_test(tc, costs_change);
    tcase_add_test(tc, without_memory_until_full);
    return suite_run(tc);
}
