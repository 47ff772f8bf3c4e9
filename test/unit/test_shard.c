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
    uint64_t key = 1, other = 3;
    struct flight *forgotten = NULL;
    bool removed;

    make(0);
    link_new(0, 1, 10);
    link_new(1, 2, 5);
    expect_sums(15, 2, 0);
    ck_assert_uint_eq(atom_load_relaxed(&st->reserved), 0);
    ck_assert_ptr_null(find(3));
    section_enter(self);
    ck_assert_ptr_null(shard_find(index_view(&sh.index), hash_of(1), BRIM_KEY(other), st, &left)); /* whose hash is the same */
    section_leave(self);
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

static unsigned replace_after;

static void replace_once_more(void *arg)
{
    struct entry_list left = {NULL, NULL};
    struct shard_link l;

    (void)arg;
    st = others;
    l = link_of(2, 1, 3);
    ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_LINKED);
    st = own;
}

static void replace_twice(void *arg)
{
    replace_it(arg);
    atom_interfere(replace_after, replace_once_more, NULL);
}

/* The new one is replaced in its turn before it is held. */
START_TEST(a_look_up_beside_two_replaces)
{
    enum { OPERATIONS = 24 };
    bool found[3] = {false, false, false};
    uint64_t key = 1;

    for (unsigned i = 0; i < OPERATIONS * OPERATIONS; i++) {
        struct entry_list last = {NULL, NULL};
        struct entry *e;

        begin_race();
        replace_after = i % OPERATIONS;
        section_enter(self);
        atom_interfere(i / OPERATIONS, replace_twice, NULL);
        e = _i == 0 ? shard_find(index_view(&sh.index), hash_of(1), BRIM_KEY(key), st, &last)
                    : shard_peek(index_view(&sh.index), hash_of(1), BRIM_KEY(key));
        section_leave(self);
        (void)atom_has_interfered(); /* it is forgotten */
        ck_assert_ptr_nonnull(e);
        ck_assert_int_eq(entry_is_held(e), _i == 0);
        ck_assert_ptr_null(last.head);
        found[(struct item *)(void *)e - items] = true;
        unmake();
    }
    ck_assert(found[0] && found[1] && found[2]);
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

/* A removal makes room for another entry, whichever it is. */
START_TEST(as_many_entries_as_there_may_be)
{
    struct entry_list left = {NULL, NULL};
    struct flight *forgotten = NULL;

    make(1);
    link_new(0, 1, 1);
    ck_assert_int_eq(budget_room(&most), 0);
    ck_assert(remove_key(1, &left));
    ck_assert_int_eq(budget_room(&most), 1);
    link_new(1, 1, 1);
    ck_assert(shard_remove_if_last(&sh, find(1), 0, st, &left, &forgotten));
    ck_assert_int_eq(budget_room(&most), 1);
    link_new(2, 1, 1);
    ck_assert(shard_remove(&sh, &items[2].e, BRIM_REMOVED, st, &left, &forgotten));
    ck_assert_int_eq(budget_room(&most), 1);
    unmake();
}
END_TEST

/* The key of an anonymous one is not that of an entry whose key has no bytes. */
START_TEST(an_anonymous_one_replaces_nothing)
{
    struct entry_list left = {NULL, NULL};
    struct shard_link l = {.tag = 7, .values = &values};

    make(0);
    for (unsigned i = 0; i < 2; i++) {
        entry_init(&items[i].e, NULL, 0, NULL, 1);
        items[i].e.place = 5;
        items[i].e.work = policy_pack_work(0);
        items[i].e.kind_flags = (uint32_t)(i == 1 ? ENTRY_ANONYMOUS : 0) | 1 << ENTRY_PRIORITY_SHIFT;
        l.e = &items[i].e;
        ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_LINKED);
        ck_assert(l.added);
    }
    ck_assert_uint_eq(sh.index.count, 2);
    ck_assert(entry_is_linked(&items[0].e));
    unmake();
}
END_TEST

static struct shard_link link_over_aged(uint64_t now)
{
    struct extra aged = {.max_age = 100};
    struct shard_link l;

    make(0);
    link_item(0, 1, 0, &aged, 1000, 0);
    l = link_of(1, 0, 1);
    l.now = now;
    return l;
}

START_TEST(what_is_stale_is_as_if_it_were_gone)
{
    struct entry_list left = {NULL, NULL};
    struct shard_link l = link_over_aged(1100);

    if (_i == 0) {
        l.expected = &items[0].e;
        ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_GONE);
    } else {
        l.only_if_absent = true;
        ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_LINKED);
        ck_assert_ptr_eq(entry_list_pop(&left), &items[0].e);
        ck_assert_uint_eq(items[0].e.priority & 255, BRIM_EXPIRED);
    }
    unmake();
    l = link_over_aged(1099);
    if (_i == 0) {
        l.expected = &items[0].e;
        ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_LINKED);
        ck_assert_ptr_eq(entry_list_pop(&left), &items[0].e);
        ck_assert_uint_eq(items[0].e.priority & 255, BRIM_REPLACED);
    } else {
        l.only_if_absent = true;
        ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_EXISTS);
    }
    unmake();
}
END_TEST

START_TEST(some_are_held_at_a_time)
{
    enum { N = 600 };
    struct entry *e[SHARD_BATCH];
    struct index_cursor cursor = {0};
    unsigned n, all = 0;

    make(0);
    for (unsigned i = 0; i < N; i++)
        link_new(i, i, 2);
    while ((n = shard_hold_some(&sh, &cursor, e, st)) > 0) {
        ck_assert_uint_le(n, SHARD_BATCH);
        all += n;
        ck_assert_uint_eq(stripes_pinned(&stripes), 2 * all);
    }
    ck_assert_uint_eq(all, N);
    for (unsigned i = 0; i < N; i++)
        ck_assert_uint_eq(release(&items[i].e), ENTRY_UNPIN);
    expect_sums(2 * N, N, 0);
    unmake();
}
END_TEST

START_TEST(it_shrinks_with_what_is_removed)
{
    struct entry_list left = {NULL, NULL};
    struct flight *forgotten = NULL;

    make(0);
    for (unsigned i = 0; i < ENTRIES; i++)
        link_new(i, i, 1);
    for (unsigned i = 0; i < ENTRIES; i++) {
        ck_assert_ptr_eq(find(i), &items[i].e);
        ck_assert_uint_eq(release(&items[i].e), ENTRY_UNPIN);
    }
    for (unsigned i = 0; i < ENTRIES; i++) {
        size_t bytes = atom_load_relaxed(&sh.bytes);
        heap_fail(&h, bytes > index_table_size(2) ? SIZE_MAX : 1, SIZE_MAX); /* without need no other is made */
        if (_i == 0)
            ck_assert(remove_key(i, &left));
        else
            ck_assert(shard_remove(&sh, &items[i].e, BRIM_REMOVED, st, &left, &forgotten));
        ck_assert_uint_eq(atom_load_relaxed(&sh.bytes), index_table_size(sh.index.table->buckets));
    }
    ck_assert_uint_le(atom_load_relaxed(&sh.bytes), index_table_size(2));
    ck_assert(shard_fit_index(&sh)); /* it is: nothing to do */
    ck_assert_uint_eq(h.failed, 0);
    unmake();
}
END_TEST

/* Somebody changes the size: nobody else begins to, whatever is linked or removed meanwhile. */
START_TEST(one_at_a_time_changes_the_size)
{
    struct entry_list left = {NULL, NULL};
    struct table *t;

    make(0);
    for (unsigned i = 0; i < 3; i++)
        link_new(i, i, 1);
    ck_assert_uint_eq(sh.index.table->buckets, 1);
    t = mem_alloc_zeroed(common.mem, index_table_size(3), 64);
    index_table_init(t, 3);
    lock_acquire(&sh.lock);
    index_begin_locked(&sh.index, t);
    lock_release(&sh.lock);
    heap_fail(&h, 1, SIZE_MAX);
    link_new(3, 3, 1);
    ck_assert_uint_eq(index_wanted(&sh.index, 1), 2);
    ck_assert(shard_fit_index(&sh));
    ck_assert(remove_key(0, &left));
    ck_assert_uint_eq(h.failed, 0); /* nor was there a try */
    ck_assert_ptr_eq(sh.index.next, t);
    sh.index.next = NULL;
    mem_free(common.mem, t, index_table_size(3), 64);
    unmake();
}
END_TEST

#ifdef BRIM_INTERFERE
/* ---- Another thread that needs the mutex: when it is free */

enum { BEFORE = 3 }; /* so that the next one makes the index grow */

static void (*act_unlocked)(void);

static void when_unlocked(void *arg)
{
    if (pthread_mutex_trylock(&sh.lock.m) != 0) {
        atom_interfere(0, when_unlocked, arg);
        return;
    }
    pthread_mutex_unlock(&sh.lock.m);
    act_unlocked();
}

static unsigned inserted_by_other;

/* No more than there is room for, while the first makes it: that would be waited for. */
static void insert_up_to(unsigned n)
{
    while (inserted_by_other < n && (sh.index.next == NULL || index_has_room(&sh.index))) {
        link_new(100 + inserted_by_other, 100 + inserted_by_other, 1);
        inserted_by_other++;
    }
}

static void insert_some(void)
{
    insert_up_to(40);
}

static void insert_one(void)
{
    insert_up_to(1);
}

static bool removed_in_time; /* before copying began */

static void remove_some(void)
{
    struct entry_list left = {NULL, NULL};

    removed_in_time = sh.index.next == NULL && sh.index.table->buckets == 1;
    for (unsigned i = 0; i < BEFORE; i++)
        ck_assert(remove_key(i, &left));
}

/* One more makes the index grow; what the other does meanwhile may make that wrong, or unneeded. */
START_TEST(it_grows_beside_another_thread)
{
    static void (*const others_acts[])(void) = {insert_some, insert_one, remove_some};
    bool more = true;

    for (unsigned after = 0; more; after++) {
        unsigned n = 0;
        make(0);
        for (unsigned i = 0; i < BEFORE; i++)
            link_new(i, i, 1);
        ck_assert_uint_eq(sh.index.table->buckets, 1);
        act_unlocked = others_acts[_i];
        inserted_by_other = 0;
        removed_in_time = false;
        atom_interfere(after, when_unlocked, NULL);
        link_new(BEFORE, BEFORE, 1);
        more = atom_has_interfered();
        for (unsigned i = 0; i < 140; i++) {
            bool is_in = i == BEFORE || (i < BEFORE && !(more && _i == 2)) || (i >= 100 && i < 100 + inserted_by_other);
            ck_assert_ptr_eq(find(i), is_in ? &items[i].e : NULL);
            n += is_in;
        }
        ck_assert_uint_eq(sh.index.count, n);
        ck_assert_uint_eq(index_wanted(&sh.index, 1), sh.index.table->buckets);
        ck_assert_uint_eq(atom_load_relaxed(&sh.bytes), index_table_size(sh.index.table->buckets));
        if (removed_in_time)
            ck_assert_uint_eq(sh.index.table->buckets, 1); /* it stays as it is */
        unmake();
    }
}
END_TEST

/* ---- A table that is made smaller: by then too small, or read by another thread */

enum { MANY = 100, FEW = 10, COME = 12 };

static struct table *large;
static size_t blocks_before;
static bool came_in_time; /* when the smaller table was there, and not in use yet */

/* Without memory it keeps its size. */
static void make_large_with_few(void)
{
    struct entry_list left = {NULL, NULL};

    make(0);
    for (unsigned i = 0; i < MANY; i++)
        link_new(i, i, 1);
    heap_fail(&h, 1, SIZE_MAX);
    for (unsigned i = FEW; i < MANY; i++)
        ck_assert(remove_key(i, &left));
    heap_fail(&h, SIZE_MAX, SIZE_MAX);
    large = sh.index.table;
    blocks_before = h.blocks;
    ck_assert_uint_lt(index_wanted(&sh.index, COME), large->buckets / 2);
}

/* Where it comes in time they are too many for the table of those that were there; then a reader is there, too. */
static void insert_many(void)
{
    came_in_time = sh.index.table == large && h.blocks > blocks_before;
    heap_fail(&h, 1, SIZE_MAX);
    for (unsigned i = 0; i < COME; i++)
        link_new(MANY + i, MANY + i, 1);
    heap_fail(&h, SIZE_MAX, SIZE_MAX);
    if (came_in_time)
        section_enter(self);
}

/* Then it is given back, and nobody is waited for, as nobody has seen it. */
START_TEST(a_table_that_has_become_too_small)
{
    unsigned in_time = 0;
    bool more = true;

    for (unsigned after = 0; more; after++) {
        make_large_with_few();
        came_in_time = false;
        act_unlocked = insert_many;
        atom_interfere(after, when_unlocked, NULL);
        ck_assert(shard_fit_index(&sh));
        more = atom_has_interfered();
        if (came_in_time) {
            section_leave(self);
            ck_assert_ptr_eq(sh.index.table, large);
            ck_assert_uint_eq(h.blocks, blocks_before);
            in_time++;
        }
        ck_assert_ptr_null(sh.index.next);
        for (unsigned i = 0; i < MANY + COME; i++)
            ck_assert_ptr_eq(find(i), i < FEW || (more && i >= MANY) ? &items[i].e : NULL);
        unmake();
    }
    ck_assert_uint_ge(in_time, 2); /* before the copying began, and in it */
}
END_TEST

static bool is_reading; /* a look-up of another thread is under way */
static unsigned read_on; /* how often it was when the tables had changed */

static void end_reading(void *arg)
{
    (void)arg;
    read_on += sh.index.table != large;
    is_reading = false;
    section_leave(self);
}

static void expect_no_reading(void *arg)
{
    (void)arg;
    ck_assert(!is_reading || sh.index.table == large);
}

/* What it reads is freed only when it has ended, however long that takes. */
START_TEST(a_look_up_in_the_old_table)
{
    read_on = 0;
    for (unsigned after = 0; read_on < 50; after++) {
        make_large_with_few();
        h.hook = expect_no_reading;
        section_enter(self); /* the other's, as if it had our record */
        is_reading = true;
        atom_interfere(after, end_reading, NULL);
        ck_assert(shard_fit_index(&sh));
        ck_assert(atom_has_interfered());
        ck_assert_uint_eq(h.blocks, blocks_before);
        ck_assert_ptr_ne(sh.index.table, large);
        unmake();
    }
}
END_TEST

/* All counts of a stripe, as another thread without one of its own adds to them. */
static void add_to_all(void *arg)
{
    (void)arg;
    (void)atom_add_relaxed(&st->reserved, (uint64_t)1000);
    (void)atom_add_relaxed(&st->dying, (uint64_t)1000);
    (void)atom_add_relaxed(&st->of[0].pinned, (uint64_t)1000);
}

START_TEST(counts_that_threads_share)
{
    bool more = true;

    for (unsigned after = 0; more; after++) {
        struct entry_list left = {NULL, NULL};
        size_t reserved = 5, changed;
        uint64_t of_other;

        make(0);
        st->shared = true;
        atom_interfere(after, add_to_all, NULL);
        link_new(0, 1, 10);
        ck_assert_ptr_eq(find(1), &items[0].e);
        stripe_add(st, reserved, reserved);
        ck_assert(shard_set_cost(&sh, &items[0].e, 15, &reserved, false, &values, self, st, &changed));
        (void)release(&items[0].e);
        ck_assert(remove_key(1, &left));
        more = atom_has_interfered();
        of_other = more ? 1000 : 0;
        ck_assert_uint_eq(atom_load_relaxed(&st->reserved), of_other);
        ck_assert_uint_eq(atom_load_relaxed(&st->dying), of_other + 1);
        ck_assert_uint_eq(stripes_pinned(&stripes), of_other);
        st->shared = false;
        unmake();
    }
}
END_TEST

/* ---- Without memory, beside another thread that has some */

static struct table *others_table;
static unsigned finish_after;

static void finish_growing(void)
{
    struct table *old;

    lock_acquire(&sh.lock);
    while (index_copy_locked(&sh.index, others_table)) {
    }
    old = index_end_locked(&sh.index, others_table);
    lock_release(&sh.lock);
    mem_free(common.mem, old, index_table_size(1), 64);
}

static void begin_growing(void)
{
    lock_acquire(&sh.lock);
    index_begin_locked(&sh.index, others_table);
    lock_release(&sh.lock);
    act_unlocked = finish_growing;
    atom_interfere(finish_after, when_unlocked, NULL);
}

/* Full, of six. */
static void make_full(void)
{
    enum { LARGER = 3 };

    make(0);
    others_table = mem_alloc_zeroed(common.mem, index_table_size(LARGER), 64);
    index_table_init(others_table, LARGER);
    heap_fail(&h, 1, SIZE_MAX);
    for (unsigned i = 0; i < INDEX_ENTRIES; i++)
        link_new(i, i, 1);
}

static enum shard_outcome link_one_more(bool *interfered)
{
    struct shard_link l = link_of(INDEX_ENTRIES, INDEX_ENTRIES, 1);
    struct entry_list left = {NULL, NULL};
    enum shard_outcome outcome = shard_link(&sh, &l, self, st, &left);

    *interfered = atom_has_interfered();
    ck_assert(outcome == SHARD_LINKED || outcome == SHARD_NOMEM);
    ck_assert_ptr_eq(find(INDEX_ENTRIES), outcome == SHARD_LINKED ? &items[INDEX_ENTRIES].e : NULL);
    return outcome;
}

static void remove_one(void)
{
    struct entry_list left = {NULL, NULL};

    ck_assert(remove_key(0, &left));
}

/* It is waited for who makes the index larger, if there is somebody; and room that has come is used. */
START_TEST(room_that_another_thread_makes)
{
    bool more = true;
    unsigned linked = 0, nomem = 0;

    for (unsigned after = 0; more; after++) {
        make_full();
        finish_after = 10;
        act_unlocked = _i == 0 ? remove_one : begin_growing;
        atom_interfere(after, when_unlocked, NULL);
        if (link_one_more(&more) == SHARD_LINKED)
            linked++;
        else
            nomem++;
        more = more || sh.index.next == others_table; /* it has begun, and would have finished */
        if (sh.index.next == others_table)
            finish_growing();
        if (sh.index.table != others_table)
            mem_free(common.mem, others_table, index_table_size(3), 64);
        unmake();
    }
    ck_assert_uint_gt(linked, 10);
    ck_assert_uint_le(nomem, 5); /* only where it came after the last look */
}
END_TEST

/* With memory for what we do. */
static void fill_up(void)
{
    heap_fail(&h, 1, SIZE_MAX);
    while (index_has_room(&sh.index)) {
        link_new(100 + inserted_by_other, 100 + inserted_by_other, 1);
        inserted_by_other++;
    }
    heap_fail(&h, SIZE_MAX, SIZE_MAX);
}

/* More is made. */
START_TEST(room_that_another_thread_takes)
{
    bool more = true;
    unsigned taken = 0;

    for (unsigned after = 0; more; after++) {
        make(0);
        inserted_by_other = 0;
        heap_fail(&h, 1, SIZE_MAX);
        for (unsigned i = 0; i < INDEX_ENTRIES; i++)
            link_new(i, i, 1);
        heap_fail(&h, SIZE_MAX, SIZE_MAX);
        act_unlocked = fill_up;
        atom_interfere(after, when_unlocked, NULL);
        ck_assert_int_eq(link_one_more(&more), SHARD_LINKED);
        ck_assert_uint_eq(sh.index.count, INDEX_ENTRIES + 1 + inserted_by_other);
        taken += inserted_by_other > 0;
        unmake();
    }
    ck_assert_uint_gt(taken, 0);
}
END_TEST

START_TEST(who_makes_it_larger_is_waited_for)
{
    bool finished = true;

    for (unsigned after = 0; after < 100; after++) {
        make_full();
        finish_after = after;
        begin_growing();
        ck_assert_int_eq(link_one_more(&finished), SHARD_LINKED);
        ck_assert(finished);
        unmake();
    }
}
END_TEST
#endif

/* Who was making it larger is gone. */
START_TEST(in_a_child_the_new_table_is_given_up)
{
    struct flight *forgotten = NULL;
    struct waiter *told = NULL;
    struct table *t[2];

    make(0);
    link_new(0, 0, 1);
    lock_acquire(&sh.lock);
    shard_child(&sh, self, &told, &forgotten);
    ck_assert_ptr_null(sh.orphans);
    for (int i = 0; i < 2; i++) { /* and in its own child: both are still to be freed */
        t[i] = mem_alloc_zeroed(common.mem, index_table_size(3), 64);
        index_table_init(t[i], 3);
        index_begin_locked(&sh.index, t[i]);
        shard_child(&sh, self, &told, &forgotten);
        ck_assert_ptr_null(sh.index.next);
        ck_assert_ptr_eq(sh.orphans, t[i]);
    }
    shard_child(&sh, self, &told, &forgotten);
    lock_release(&sh.lock);
    ck_assert_ptr_eq(sh.orphans, t[1]);
    ck_assert_ptr_eq(sh.orphans->orphan, t[0]);
    ck_assert_ptr_null(t[0]->orphan);
    for (unsigned i = 1; i < 20; i++)
        link_new(i, i, 1);
    unmake();
}
END_TEST

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
    ck_assert(!shard_set_cost(&sh, e, 16, &reserved, false, &values, self, st, &more));
    expect_sums(10, 1, 10);
    ck_assert_uint_eq(reserved, 5);
    ck_assert(shard_set_cost(&sh, e, 15, &reserved, false, &values, self, st, &more));
    expect_sums(15, 1, 15);
    ck_assert_uint_eq(reserved, 0);
    ck_assert(shard_set_cost(&sh, e, 2, &reserved, false, &values, self, st, &more));
    expect_sums(2, 1, 2);
    ck_assert_uint_eq(reserved, 13); /* what it is less */
    ck_assert_uint_eq(atom_load_relaxed(&st->reserved), 13);
    ck_assert_uint_eq(tally_amount(&values), 2);
    ck_assert_uint_eq(release(e), ENTRY_UNPIN);
    expect_sums(2, 1, 0);
    unmake();
}
END_TEST

/* What was admitted before its kind kept its sums is linked, and charged more, only when it is part of them. */
START_TEST(sums_begun_meanwhile)
{
    struct entry_list left = {NULL, NULL};
    struct shard_link l;
    size_t reserved = 5, more;
    struct entry *e;

    make(0);
    l = link_of(0, 1, 10);
    limit_begin(&limit, 0);
    atom_store_relaxed(&common.limits, 1);
    ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_UNCOUNTED);
    expect_sums(0, 0, 0);
    ck_assert(limit_take(&limit, 10));
    l.counted = true;
    ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_LINKED);
    expect_sums(10, 1, 0);
    e = find(1);
    stripe_add(st, reserved, reserved);
    ck_assert(!shard_set_cost(&sh, e, 15, &reserved, false, &values, self, st, &more));
    ck_assert_uint_eq(limit_taken(&limit), 10);
    ck_assert(shard_set_cost(&sh, e, 10, &reserved, false, &values, self, st, &more)); /* no more */
    ck_assert(limit_take(&limit, 5));
    ck_assert(shard_set_cost(&sh, e, 12, &reserved, true, &values, self, st, &more));
    ck_assert_uint_eq(reserved, 3);
    ck_assert_uint_eq(limit_taken(&limit), 12); /* what was not needed has gone back */
    ck_assert_uint_eq(atom_load_relaxed(&limit.linked), 12);
    ck_assert(limit_take(&limit, 3));
    ck_assert(shard_set_cost(&sh, e, 11, &reserved, true, &values, self, st, &more)); /* less, as it turns out */
    ck_assert_uint_eq(reserved, 4);
    ck_assert_uint_eq(limit_taken(&limit), 11);
    ck_assert_uint_eq(atom_load_relaxed(&limit.linked), 11);
    (void)release(e);
    unmake();
}
END_TEST

START_TEST(sums_begun_before_a_replacement)
{
    struct entry_list left = {NULL, NULL};
    struct shard_link l;

    make(0);
    link_new(0, 1, 10);
    l = link_of(1, 1, 20);
    limit_begin(&limit, 10);
    atom_store_relaxed(&common.limits, 1);
    ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_UNCOUNTED);
    ck_assert_ptr_null(left.head);
    expect_sums(10, 1, 0);
    ck_assert(limit_take(&limit, 20));
    l.counted = true;
    ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_LINKED);
    ck_assert_ptr_eq(entry_list_pop(&left), &items[0].e);
    expect_sums(20, 1, 0);
    ck_assert_uint_eq(limit_taken(&limit), 30); /* the old one's until it is destroyed */
    ck_assert_uint_eq(atom_load_relaxed(&limit.linked), 20);
    unmake();
}
END_TEST

START_TEST(the_cost_of_what_has_left_or_is_not_charged)
{
    struct entry_list left = {NULL, NULL};
    size_t reserved = 5, more;
    struct entry *e;

    make(0);
    link_new(0, 1, 10);
    e = find(1);
    ck_assert(remove_key(1, &left));
    stripe_add(st, reserved, reserved);
    ck_assert(!shard_set_cost(&sh, e, 16, &reserved, false, &values, self, st, &more));
    ck_assert(shard_set_cost(&sh, e, 12, &reserved, false, &values, self, st, &more));
    ck_assert_uint_eq(more, 2);
    ck_assert_uint_eq(reserved, 3);
    ck_assert_uint_eq(entry_cost(e), 12);
    expect_sums(0, 0, 12);
    ck_assert_uint_eq(tally_amount(&values), 12);

    (void)link_of(1, 2, 0);
    e = &items[1].e;
    e->kind_flags |= ENTRY_UNCHARGED;
    entry_set_refs(e, 1);
    shard_count_pins(st, e, ENTRY_PIN);
    ck_assert(shard_set_cost(&sh, e, 1000, &reserved, false, &values, self, st, &more));
    ck_assert_uint_eq(entry_cost(e), 1000);
    ck_assert_uint_eq(reserved, 3);
    ck_assert_uint_eq(tally_amount(&values), 12);
    shard_count_pins(st, e, ENTRY_UNPIN);
    expect_sums(0, 0, 12);
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
    tcase_add_loop_test(tc, a_look_up_beside_two_replaces, 0, 2);
    tcase_add_loop_test(tc, a_look_up_that_becomes_the_last, 0, 3);
#endif
    tcase_add_test(tc, remove_if_last);
    tcase_add_test(tc, as_many_entries_as_there_may_be);
    tcase_add_test(tc, an_anonymous_one_replaces_nothing);
    tcase_add_loop_test(tc, what_is_stale_is_as_if_it_were_gone, 0, 2);
    tcase_add_test(tc, some_are_held_at_a_time);
    tcase_add_loop_test(tc, it_shrinks_with_what_is_removed, 0, 2);
    tcase_add_test(tc, one_at_a_time_changes_the_size);
#ifdef BRIM_INTERFERE
    tcase_add_loop_test(tc, it_grows_beside_another_thread, 0, 3);
    tcase_add_test(tc, a_table_that_has_become_too_small);
    tcase_add_test(tc, a_look_up_in_the_old_table);
    tcase_add_test(tc, counts_that_threads_share);
    tcase_add_loop_test(tc, room_that_another_thread_makes, 0, 2);
    tcase_add_test(tc, room_that_another_thread_takes);
    tcase_add_test(tc, who_makes_it_larger_is_waited_for);
#endif
    tcase_add_test(tc, in_a_child_the_new_table_is_given_up);
    tcase_add_test(tc, evict_and_sweep);
    tcase_add_test(tc, costs_change);
    tcase_add_test(tc, sums_begun_meanwhile);
    tcase_add_test(tc, sums_begun_before_a_replacement);
    tcase_add_test(tc, the_cost_of_what_has_left_or_is_not_charged);
    tcase_add_test(tc, without_memory_until_full);
    return suite_run(tc);
}
