/* SPDX-License-Identifier: MIT
 *
 * shard/shard_evict: who may go, what is counted of it, and how far a sweep for what is stale has come.
 */
#include "base/hash.h"
#include "shard/policy_shadow.h"
#include "shard/shard_locked.h"
#include "unit/interfere.h"
#include "unit/shards.h"

static const struct extra plain;
static struct group_state group;

/* What has left, since `gone' was cleared. */
static struct {
    unsigned n, freed, causes[7];
    size_t cost;
    bool item[ENTRIES];
} gone;

static void collect(struct entry_list *left)
{
    struct entry *e;

    while ((e = entry_list_pop(left)) != NULL) {
        gone.n++;
        gone.freed += entry_is_dead(e);
        gone.causes[e->priority & 255]++;
        gone.cost += entry_cost(e);
        gone.item[(struct item *)(void *)e - items] = true;
        ck_assert(!entry_is_linked(e));
    }
}

/* Those of the first ${n} items that have left, as bits; the rest have not. */
static unsigned gone_bits(unsigned n)
{
    unsigned bits = 0;

    for (unsigned i = 0; i < ENTRIES; i++) {
        ck_assert(i < n || !gone.item[i]);
        if (gone.item[i])
            bits |= 1u << i;
    }
    return bits;
}

static struct shard_sweep sweep_for(size_t need)
{
    struct shard_sweep w = {.cause = BRIM_EVICTED, .kind = -1, .but_kind = -1, .need = need, .most = UINT32_MAX};

    return w;
}

static void sweep(struct shard_sweep *w)
{
    struct entry_list left = {NULL, NULL};
    struct index_cursor cursor = {0};

    memset(&gone, 0, sizeof gone);
    while (shard_sweep(&sh, &cursor, w, st, &left)) {
    }
    collect(&left);
}

static void evict(struct shard_sweep *w)
{
    struct entry_list left = {NULL, NULL};

    memset(&gone, 0, sizeof gone);
    shard_evict(&sh, w, st, &left);
    collect(&left);
}

static uintptr_t stamp_of(uint32_t frame, uint8_t idle, bool fresh)
{
    return STAMP | (fresh ? STAMP_FRESH : 0) | (uintptr_t)frame << STAMP_FRAME_SHIFT | (uintptr_t)idle << STAMP_IDLE_SHIFT;
}

static struct extra aged(uint64_t max_age)
{
    struct extra x = {.max_age = max_age};

    return x;
}

static struct extra grouped(void)
{
    struct extra x = {.groups = 1, .member = {{&group, atom_load_relaxed(&group.generation)}}};

    return x;
}

static void invalidate(void)
{
    (void)atom_add_relaxed(&group.generation, (uint64_t)2);
    (void)atom_add_relaxed(&common.invalidations, (uint64_t)1);
}

/* ---- Who may go */

START_TEST(a_sweep_stops_where_it_is_told)
{
    struct shard_sweep w = sweep_for(5);

    make(0);
    for (unsigned i = 0; i < 20; i++)
        link_new(i, i, 2);
    sweep(&w);
    ck_assert_uint_eq(w.freed, 6);
    ck_assert_uint_eq(w.taken, 3);
    ck_assert_uint_eq(gone.n, 3);
    w = sweep_for(SIZE_MAX);
    w.most = 4;
    sweep(&w);
    ck_assert_uint_eq(w.taken, 4);
    ck_assert_uint_eq(w.freed, 8);
    ck_assert_uint_eq(w.used_now, 0);
    expect_sums(26, 13, 0);
    unmake();
}
END_TEST

START_TEST(those_of_a_kind_and_some_to_keep)
{
    struct shard_sweep w = sweep_for(SIZE_MAX);
    struct entry like;

    make(0);
    for (unsigned i = 0; i < 8; i++)
        link_item(i, 1, i % 2, &plain, 0, 0);
    like.place = items[3].e.place; /* of the same place, not linked */
    w.kind = 1;
    w.keep = &items[1].e;
    w.like = &like;
    sweep(&w);
    ck_assert_uint_eq(gone_bits(8), 1u << 5 | 1u << 7);
    w = sweep_for(SIZE_MAX);
    w.kind = 0;
    w.cause = BRIM_CLEARED;
    w.claim = true;
    sweep(&w);
    ck_assert_uint_eq(gone_bits(8), 0x55);
    ck_assert_uint_eq(gone.causes[BRIM_CLEARED], 4);
    ck_assert_uint_eq(items[0].e.eviction, ENTRY_CLAIMED);
    ck_assert_uint_eq(items[5].e.eviction, 0);
    unmake();
}
END_TEST

START_TEST(held_ones_stay_or_only_leave)
{
    struct shard_sweep w = sweep_for(SIZE_MAX);

    make(0);
    for (unsigned i = 0; i < 4; i++)
        link_new(i, i, 1);
    ck_assert_ptr_nonnull(find(2));
    sweep(&w);
    ck_assert_uint_eq(gone_bits(4), 0xb);
    w.held_too = true;
    sweep(&w);
    ck_assert_uint_eq(gone_bits(4), 0x4);
    ck_assert_uint_eq(w.freed, 3); /* it frees nothing yet */
    ck_assert_uint_eq(gone.freed, 0);
    unmake();
}
END_TEST

START_TEST(what_was_used_has_a_second_chance)
{
    struct shard_sweep w = sweep_for(SIZE_MAX);

    make(0);
    for (unsigned i = 0; i < 4; i++)
        link_new(i, i, 1);
    entry_mark_used(&items[1].e);
    w.second_chance = true;
    sweep(&w);
    ck_assert_uint_eq(gone_bits(4), 0xd);
    sweep(&w);
    ck_assert_uint_eq(gone_bits(4), 0x2);
    unmake();
}
END_TEST

START_TEST(floors_hold_but_for_one_kind)
{
    struct shard_sweep w = sweep_for(SIZE_MAX);

    make(0);
    limit_set(&limit, 5, 0);
    limit_begin(&limit, 0);
    atom_store_relaxed(&common.limits, 1);
    for (unsigned i = 0; i < 6; i++)
        link_item(i, 2, 3, &plain, 0, 0);
    ck_assert_uint_eq(atom_load_relaxed(&limit.linked), 12);
    w.floors = true;
    sweep(&w);
    ck_assert_uint_eq(gone.n, 3);
    ck_assert_uint_eq(atom_load_relaxed(&limit.linked), 6);
    w.but_kind = 3;
    w.most = w.taken + 1;
    sweep(&w);
    ck_assert_uint_eq(gone.n, 1);
    ck_assert_uint_eq(atom_load_relaxed(&limit.linked), 4);
    w = sweep_for(SIZE_MAX);
    sweep(&w);
    ck_assert_uint_eq(gone.n, 2);
    ck_assert_uint_eq(atom_load_relaxed(&limit.linked), 0);
    unmake();
}
END_TEST

/* Of a kind whose sums are not kept, floor or not. */
START_TEST(a_floor_is_of_what_is_counted)
{
    struct shard_sweep w = sweep_for(SIZE_MAX);

    make(0);
    limit_set(&limit, 5, 0);
    for (unsigned i = 0; i < 6; i++)
        link_item(i, 2, 3, &plain, 0, 0);
    w.floors = true;
    sweep(&w);
    ck_assert_uint_eq(gone.n, 6);
    unmake();
}
END_TEST

/* What waits for its owner frees nothing yet, and no more of it goes than is needed there. */
START_TEST(of_a_kind_with_a_queue)
{
    struct shard_sweep w = sweep_for(SIZE_MAX);

    make(0);
    limit.queued = _i != 1;
    for (unsigned i = 0; i < 6; i++)
        link_new(i, i, 2);
    w.queues = _i != 2;
    w.queue_need = 3;
    sweep(&w);
    ck_assert_uint_eq(gone.n, _i == 0 ? 2 : 6);
    ck_assert_uint_eq(w.taken, gone.n);
    ck_assert_uint_eq(w.freed, _i == 0 ? 0 : 12);
    ck_assert_uint_eq(w.queue_need, _i == 0 ? 0 : 3);
    sweep(&w);
    ck_assert_uint_eq(gone.n, 0);
    unmake();
}
END_TEST

START_TEST(held_or_not_all_leave)
{
    struct shard_sweep w = sweep_for(SIZE_MAX);

    make(0);
    for (unsigned i = 0; i < 4; i++)
        link_new(i, i, 1);
    ck_assert_ptr_nonnull(find(2));
    w.held_too = true;
    w.cause = BRIM_CLEARED;
    sweep(&w);
    ck_assert_uint_eq(gone_bits(4), 0xf);
    ck_assert_uint_eq(gone.n, 4); /* each once */
    ck_assert_uint_eq(gone.freed, 3);
    ck_assert_uint_eq(w.freed, 3);
    expect_sums(0, 0, 1);
    unmake();
}
END_TEST

START_TEST(use_alone_spares_nothing)
{
    struct shard_sweep w = sweep_for(SIZE_MAX);

    make(0);
    link_new(0, 0, 1);
    entry_mark_used(&items[0].e);
    sweep(&w);
    ck_assert_uint_eq(gone.n, 1);
    unmake();
}
END_TEST

#ifdef BRIM_INTERFERE
/* Somebody finds item 0, just as it is to go. */
static void find_it(void *arg)
{
    (void)arg;
    (void)entry_try_hold(&items[0].e);
}

/* ${_i}: 1: a floor would allow it. */
START_TEST(what_is_found_meanwhile_stays)
{
    bool more = true;
    unsigned stayed = 0;

    for (unsigned after = 0; more; after++) {
        struct shard_sweep w = sweep_for(1);
        struct entry_list left = {NULL, NULL};
        bool evicted;

        make(0);
        if (_i == 1) {
            limit_set(&limit, 1, 0);
            limit_begin(&limit, 0);
            atom_store_relaxed(&common.limits, 1);
        }
        link_item(0, 2, 3, &plain, 0, 0);
        link_item(1, 2, 3, &plain, 0, 0);
        w.floors = true;
        atom_interfere(after, find_it, NULL);
        evicted = shard_evict_old(&sh, 0, NULL, 0, &items[0].e, &w, st, &left);
        more = atom_has_interfered();
        ck_assert_int_eq(entry_is_linked(&items[0].e), !evicted);
        ck_assert_uint_eq(w.freed, evicted ? 2 : 0);
        ck_assert_uint_eq(w.taken, evicted);
        ck_assert_ptr_eq(left.head, evicted ? &items[0].e : NULL);
        ck_assert_uint_eq(atom_load_relaxed(&limit.linked), _i == 0 ? 0 : evicted ? 2 : 4);
        stayed += !evicted;
        unmake();
    }
    ck_assert_uint_gt(stayed, 1);
}
END_TEST

/* Both of the frame; the policy takes the other then. */
START_TEST(what_is_found_meanwhile_is_passed_over)
{
    bool more = true;

    for (unsigned after = 0; more; after++) {
        struct shard_sweep w = sweep_for(1);

        make(0);
        common.protect = true;
        atom_store_relaxed(&common.stamp, stamp_of(5, 9, false));
        for (unsigned i = 0; i < 1 + (unsigned)_i; i++)
            link_item(i, 1, 0, &plain, 0, stamp_of(5, 9, false));
        w.frame_too = 2;
        atom_interfere(after, find_it, NULL);
        evict(&w);
        more = atom_has_interfered();
        ck_assert_uint_eq(w.taken, gone.n);
        ck_assert_uint_le(gone.n, 1);
        ck_assert(gone.n == 1 || _i == 0);
        ck_assert_int_eq(gone.freed, gone.n);
        unmake();
    }
}
END_TEST
#endif

/* Of three: not of this frame, inserted in it, used in it. */
static void link_three(uint32_t frame)
{
    make(0);
    common.protect = true;
    atom_store_relaxed(&common.stamp, stamp_of(frame, 9, false));
    link_item(0, 1, 0, &plain, 0, stamp_of(frame - 1, 9, false));
    link_item(1, 1, 0, &plain, 0, stamp_of(frame, 8, true));
    link_item(2, 1, 0, &plain, 0, stamp_of(frame, 9, false));
}

START_TEST(the_frame_protects_what_it_used_and_inserted)
{
    static const unsigned taken[] = {1, 3, 7};
    struct shard_sweep w = sweep_for(SIZE_MAX);

    link_three((uint32_t)_i); /* of which frames wrap does not matter */
    for (unsigned level = 0; level < 3; level++) {
        w.frame_too = level;
        sweep(&w);
        ck_assert_uint_eq(gone_bits(3), 1u << level);
        ck_assert_uint_eq(w.used_now, level == 2);
    }
    unmake();
    for (unsigned level = 0; level < 3; level++) {
        link_three((uint32_t)_i);
        w = sweep_for(SIZE_MAX);
        w.frame_too = level;
        sweep(&w);
        ck_assert_uint_eq(gone_bits(3), taken[level]);
        unmake();
    }
    link_three((uint32_t)_i);
    common.protect = false;
    w = sweep_for(SIZE_MAX);
    sweep(&w);
    ck_assert_uint_eq(gone_bits(3), 7);
    ck_assert_uint_eq(w.used_now, 0);
    unmake();
    link_three((uint32_t)_i);
    w = sweep_for(SIZE_MAX);
    w.cause = BRIM_CLEARED; /* only eviction is choosy */
    sweep(&w);
    ck_assert_uint_eq(gone_bits(3), 7);
    ck_assert_uint_eq(w.used_now, 0);
    unmake();
}
END_TEST

START_TEST(the_policys_choice_is_in_the_same_order)
{
    struct shard_sweep w;

    for (unsigned level = 0; level < 3; level++) {
        link_three(5);
        w = sweep_for(SIZE_MAX);
        w.frame_too = level;
        evict(&w);
        ck_assert_uint_eq(gone.n, level + 1);
        ck_assert_uint_eq(w.used_now, level == 2);
        unmake();
    }
    link_three(5);
    for (unsigned next = 0; next < 3; next++) {
        w = sweep_for(1);
        w.frame_too = 2;
        evict(&w);
        ck_assert_uint_eq(gone_bits(3), 1u << next);
    }
    unmake();
}
END_TEST

START_TEST(by_when_it_was_last_used)
{
    struct shard_sweep w = sweep_for(SIZE_MAX);
    static const uint32_t frames[] = {UINT32_MAX - 1, UINT32_MAX, 0, 1};

    make(0);
    for (unsigned i = 0; i < 4; i++)
        link_item(i, 1, 0, &plain, 0, stamp_of(frames[i], 0, false));
    w.by_use = true;
    w.before_frame = UINT32_MAX - 1;
    sweep(&w);
    ck_assert_uint_eq(gone.n, 0);
    w.before_frame = UINT32_MAX;
    sweep(&w);
    ck_assert_uint_eq(gone_bits(4), 0x1);
    w.before_frame = 1;
    sweep(&w);
    ck_assert_uint_eq(gone_bits(4), 0x6);
    unmake();
}
END_TEST

START_TEST(by_how_long_it_was_idle)
{
    static const uint8_t idle[] = {2, 1, 0, 255, 3}; /* with 2 now: 0, 1, 2, 3 and 255 calls ago */
    struct shard_sweep w = sweep_for(SIZE_MAX);
    size_t by_age[SHARD_IDLE_AGES] = {0}, sum = 0;
    struct index_cursor cursor = {0};

    make(0);
    for (unsigned i = 0; i < 5; i++)
        link_item(i, i + 1, 0, &plain, 0, stamp_of(77, idle[i], false));
    ck_assert_ptr_nonnull(find(3)); /* held: no part of it */
    while (shard_add_idle(&sh, &cursor, 2, by_age)) {
    }
    for (unsigned i = 0; i < SHARD_IDLE_AGES; i++)
        sum += by_age[i];
    ck_assert_uint_eq(sum, 1 + 2 + 3 + 5);
    ck_assert_uint_eq(by_age[0], 1);
    ck_assert_uint_eq(by_age[1], 2);
    ck_assert_uint_eq(by_age[2], 3);
    ck_assert_uint_eq(by_age[255], 5);
    ck_assert_uint_eq(release(&items[3].e), ENTRY_UNPIN);
    w.by_use = true;
    w.idle_now = 2;
    w.idle_least = 3;
    sweep(&w);
    ck_assert_uint_eq(gone_bits(5), 1u << 3 | 1u << 4);
    w.idle_least = 2;
    sweep(&w);
    ck_assert_uint_eq(gone_bits(5), 1u << 2);
    unmake();
}
END_TEST

START_TEST(the_old_entry_of_a_key)
{
    struct shard_sweep w = sweep_for(5);
    struct entry_list left = {NULL, NULL};
    uint64_t key = 1, none = 99;

    make(0);
    link_new(0, 0, 5);
    link_new(1, 1, 4);
    ck_assert(!shard_evict_old(&sh, hash_of(none), &none, sizeof none, NULL, &w, st, &left));
    ck_assert(!shard_evict_old(&sh, hash_of(key), &key, sizeof key, NULL, &w, st, &left)); /* too little */
    w.need = 4;
    ck_assert_ptr_nonnull(find(1));
    ck_assert(!shard_evict_old(&sh, hash_of(key), &key, sizeof key, NULL, &w, st, &left));
    ck_assert_uint_eq(release(&items[1].e), ENTRY_UNPIN);
    ck_assert(shard_evict_old(&sh, hash_of(key), &key, sizeof key, NULL, &w, st, &left));
    ck_assert_uint_eq(w.freed, 4);
    ck_assert_ptr_eq(entry_list_pop(&left), &items[1].e);
    ck_assert(shard_evict_old(&sh, 0, NULL, 0, &items[0].e, &w, st, &left));
    ck_assert(!shard_evict_old(&sh, 0, NULL, 0, &items[0].e, &w, st, &left)); /* it has left */
    ck_assert_uint_eq(w.freed, 9);
    expect_sums(0, 0, 0);
    unmake();
}
END_TEST

/* ---- By the policy */

START_TEST(some_in_each_hold_of_the_mutex)
{
    struct shard_sweep w = sweep_for(SIZE_MAX);

    make(0);
    evict(&w);
    ck_assert_uint_eq(w.taken, 0); /* nothing is there */
    for (unsigned i = 0; i < 100; i++)
        link_new(i, i, 1);
    evict(&w);
    ck_assert_uint_eq(w.taken, 16);
    ck_assert_uint_eq(gone.n, 16);
    w.most = w.taken + 2;
    evict(&w);
    ck_assert_uint_eq(gone.n, 2);
    w = sweep_for(3);
    evict(&w);
    ck_assert_uint_eq(gone.n, 3);
    ck_assert_uint_eq(gone.causes[BRIM_EVICTED], 3);
    ck_assert_ptr_nonnull(sh.policy.ghosts);
    ck_assert_uint_eq(atom_load_relaxed(&sh.ghost_bytes), ghosts_bytes(sh.policy.ghosts));
    unmake();
}
END_TEST

START_TEST(without_memory_to_remember_it_evicts)
{
    struct shard_sweep w = sweep_for(SIZE_MAX);

    make(0);
    for (unsigned i = 0; i < 100; i++)
        link_new(i, i, 1);
    heap_fail(&h, 1, SIZE_MAX);
    evict(&w);
    ck_assert_uint_gt(h.failed, 0);
    ck_assert_uint_eq(gone.n, 16);
    ck_assert_ptr_null(sh.policy.ghosts);
    ck_assert_uint_eq(atom_load_relaxed(&sh.ghost_bytes), 0);
    unmake();
}
END_TEST

START_TEST(only_what_was_evicted_is_remembered)
{
    struct shard_sweep w = sweep_for(SIZE_MAX);

    make(0);
    for (unsigned i = 0; i < 100; i++)
        link_new(i, i, 1);
    evict(&w);
    memset(&gone, 0, sizeof gone);
    w.cause = _i == 0 ? BRIM_EVICTED : BRIM_CLEARED;
    sweep(&w);
    ck_assert_uint_eq(gone.n, 84);
    for (unsigned i = 0; i < 100; i++)
        if (gone.item[i]) {
            items[i].e.priority = ENTRY_NO_CAUSE;
            ck_assert_int_eq(policy_remembers(&sh.policy, &items[i].e), _i == 0);
        }
    unmake();
}
END_TEST

/* After a few looks, and nothing is made ready to remember what goes. */
START_TEST(all_held_nothing_goes)
{
    struct shard_sweep w = sweep_for(SIZE_MAX);
    uint64_t random;

    make(0);
    for (unsigned i = 0; i < 20; i++) {
        link_new(i, i, 1);
        ck_assert_ptr_nonnull(find(i));
    }
    random = sh.policy.random;
    evict(&w);
    ck_assert_uint_eq(gone.n, 0);
    ck_assert_uint_eq(w.taken, 0);
    for (unsigned looks = 0; looks < 4; looks++)
        (void)hash_random(&random);
    ck_assert_uint_eq(sh.policy.random, random);
    ck_assert_uint_eq(adapt_bytes(&adapt), 0);
    ck_assert_ptr_null(sh.policy.ghosts);
    unmake();
}
END_TEST

/* Few enough to be looked at all at once. */
enum { SMALL = 6 };

START_TEST(the_lowest_goes_first)
{
    make(0);
    for (unsigned i = 0; i < SMALL; i++)
        link_new(i, i, 1);
    for (unsigned i = 0; i < SMALL; i++)
        items[i].e.priority = sh.policy.clock + 1000 * (i + 1);
    for (unsigned i = 0; i < SMALL; i++) {
        struct shard_sweep w = sweep_for(1);

        evict(&w);
        ck_assert_uint_eq(gone.n, 1);
        ck_assert(gone.item[i]);
    }
    unmake();
}
END_TEST

START_TEST(what_is_held_keeps_up_with_what_goes)
{
    struct shard_sweep w = sweep_for(1);
    uint32_t clock;

    make(0);
    for (unsigned i = 0; i < SMALL; i++)
        link_new(i, i, 1);
    ck_assert_ptr_nonnull(find(3));
    clock = sh.policy.clock;
    items[3].e.priority = clock - 1000;
    evict(&w);
    ck_assert_uint_eq(gone.n, 1);
    ck_assert_uint_eq(items[3].e.priority, clock);
    unmake();
}
END_TEST

/* One that may go, and is worth most, among those that their kind's floor keeps.  ${_i}: 1: all are of this frame. */
START_TEST(floors_are_passed_over)
{
    struct shard_sweep w = sweep_for(1);

    make(0);
    common.protect = _i == 1;
    atom_store_relaxed(&common.stamp, stamp_of(5, 0, false));
    w.frame_too = 2;
    link_item(0, 1, 0, &plain, 0, stamp_of(5, 0, false));
    limit_set(&limit, 1000, 0);
    limit_begin(&limit, 0);
    atom_store_relaxed(&common.limits, 1);
    for (unsigned i = 1; i < SMALL; i++)
        link_item(i, 1, 0, &plain, 0, stamp_of(5, 0, false));
    for (unsigned i = 0; i < SMALL; i++)
        items[i].e.priority = sh.policy.clock + 1000 * (SMALL - i);
    w.floors = true;
    w.most = 1;
    evict(&w);
    ck_assert_uint_eq(gone_bits(SMALL), 1);
    unmake();
}
END_TEST

/* It was put where the worst are kept when it was fresh, and is not looked at anew. */
START_TEST(the_worst_may_have_become_stale)
{
    struct shard_sweep w = sweep_for(1);
    struct extra x = grouped();
    struct entry *e = &items[0].e;

    make(0);
    link_item(0, 1, 0, &x, 1000, 0);
    for (unsigned i = 1; i < 1000; i++)
        link_new(i, i, 1);
    e->priority = sh.policy.clock - 1000;
    policy_consider(&sh.policy, &e, 1);
    invalidate();
    evict(&w);
    ck_assert_uint_eq(gone.n, 1);
    ck_assert_uint_eq(gone.causes[BRIM_INVALIDATED], 1);
    unmake();
}
END_TEST

/* What is freed by the stale is enough. */
START_TEST(for_the_stale_nothing_else_goes)
{
    struct shard_sweep w = sweep_for(1);
    struct extra x = grouped();

    make(0);
    for (unsigned i = 0; i < SMALL; i++)
        link_item(i, 1, 0, i == 2 ? &x : &plain, 1000, 0);
    invalidate();
    evict(&w);
    ck_assert_uint_eq(gone_bits(SMALL), 1u << 2);
    unmake();
}
END_TEST

/* ${_i}: what limits the number of entries: nothing; many; as many as there are. */
START_TEST(shadows_hold_no_more_than_there_may_be)
{
    enum { N = 64 };
    static const size_t may_be[] = {0, 1000, N};
    struct shard_sweep w = sweep_for(1);

    make(may_be[_i]);
    for (unsigned i = 0; i < N; i++)
        link_new(i, i, 1);
    evict(&w);
    ck_assert_uint_ne(adapt_bytes(&adapt), 0);
    ck_assert_uint_eq(atom_load_relaxed(&adapt.entries), N - 1);
    ck_assert_uint_eq(adapt.shadows[0].most, _i < 2 ? SHADOW_MOST : N - 1);
    unmake();
}
END_TEST

/* Each is made anew only where it no longer fits. */
START_TEST(what_is_remembered_by_fits)
{
    struct shard_sweep w = sweep_for(1);
    struct ghosts *ghosts;

    make(0);
    for (unsigned i = 0; i < 100; i++)
        link_new(i, i, 1);
    evict(&w);
    ghosts = sh.policy.ghosts;
    ck_assert_ptr_nonnull(ghosts);
    ck_assert_uint_eq(atom_load_relaxed(&adapt.entries), 99);
    atom_store_relaxed(&adapt.entries, 10000); /* as if there had been so many */
    w = sweep_for(1);
    evict(&w);
    ck_assert_ptr_eq(sh.policy.ghosts, ghosts);
    ck_assert_uint_eq(atom_load_relaxed(&adapt.entries), 98);
    for (unsigned i = 100; i < 160; i++)
        link_new(i, i, 1);
    w = sweep_for(1);
    evict(&w);
    ck_assert_ptr_ne(sh.policy.ghosts, ghosts);
    ck_assert_uint_eq(sh.policy.ghosts_for, 157 + 8);
    ck_assert_uint_eq(atom_load_relaxed(&adapt.entries), 98);
    while (sh.index.count > 0) {
        w = sweep_for(SIZE_MAX);
        evict(&w);
    }
    ck_assert_uint_le(atom_load_relaxed(&sh.bytes), index_table_size(2)); /* the index, too */
    unmake();
}
END_TEST

/* Whatever eviction meets that is stale goes at once, for that cause; what of it is held only leaves. */
START_TEST(eviction_takes_the_stale_it_meets)
{
    struct extra x = _i % 2 == 0 ? aged(100) : grouped();
    brim_cause cause = _i % 2 == 0 ? BRIM_EXPIRED : BRIM_INVALIDATED;
    bool by_sweep = _i >= 2;
    struct shard_sweep w = sweep_for(SIZE_MAX);

    make(0);
    for (unsigned i = 0; i < 5; i++)
        link_item(i, 2, 0, &x, 1000, 0);
    ck_assert_ptr_nonnull(find(3));
    if (cause == BRIM_INVALIDATED)
        invalidate();
    w.now = 1100;
    w.kind = 77; /* whatever else it spares */
    w.claim = true;
    (by_sweep ? sweep : evict)(&w);
    ck_assert_uint_eq(gone_bits(5), 0x1f);
    ck_assert_uint_eq(gone.causes[cause], 5);
    ck_assert_uint_eq(gone.freed, 4);
    ck_assert_uint_eq(w.freed, 0); /* nothing of the kind that is wanted */
    ck_assert_uint_eq(w.taken, 4);
    ck_assert_uint_eq(items[0].e.eviction, ENTRY_CLAIMED);
    ck_assert_uint_eq(items[3].e.eviction, 0);
    expect_sums(0, 0, 2);
    unmake();
}
END_TEST

/* ${_i}: 0 of any kind; 1 of its own: then it counts. */
START_TEST(the_stale_of_what_is_wanted_counts)
{
    struct extra x = grouped();
    struct shard_sweep w = sweep_for(SIZE_MAX);

    make(0);
    for (unsigned i = 0; i < 5; i++)
        link_item(i, 2, 0, &x, 1000, 0);
    ck_assert_ptr_nonnull(find(3));
    invalidate();
    w.kind = _i == 0 ? -1 : (int)entry_kind(&items[0].e);
    evict(&w);
    ck_assert_uint_eq(w.freed, 8);
    ck_assert_uint_eq(w.taken, 4);
    unmake();
}
END_TEST

START_TEST(without_a_time_ages_are_not_looked_at)
{
    struct shard_sweep w = sweep_for(SIZE_MAX);
    struct extra x = aged(1);

    make(0);
    link_item(0, 1, 0, &x, 1000, 0);
    sweep(&w);
    ck_assert_uint_eq(gone.causes[BRIM_EVICTED], 1);
    link_item(1, 1, 0, &x, 1000, 0);
    w.now = 2000;
    w.keep = &items[1].e;
    sweep(&w);
    ck_assert_uint_eq(gone.n, 0); /* that one is kept, stale or not */
    w.keep = NULL;
    w.cause = BRIM_CLEARED;
    sweep(&w);
    ck_assert_uint_eq(gone.causes[BRIM_CLEARED], 1);
    unmake();
}
END_TEST

/* ---- What the frame inserted */

static void sweep_fresh(struct shard_sweep *w)
{
    struct entry_list left = {NULL, NULL};

    memset(&gone, 0, sizeof gone);
    shard_sweep_fresh(&sh, w, st, &left);
    collect(&left);
}

START_TEST(what_is_fresh_is_counted_and_taken)
{
    enum { N = 600 }; /* more than a batch */
    struct shard_sweep w = sweep_for(10);

    make(0);
    common.protect = true;
    atom_store_relaxed(&common.stamp, stamp_of(4, 0, false));
    link_item(0, 1, 0, &plain, 0, stamp_of(3, 0, true));
    ck_assert_uint_eq(sh.fresh, 1);
    sweep_fresh(&w); /* of an older frame: not at all */
    ck_assert_uint_eq(gone.n, 0);
    for (unsigned i = 1; i < N; i++)
        link_item(i, 1, 0, &plain, 0, stamp_of(4, 0, i != 1));
    ck_assert_uint_eq(sh.fresh_frame, 4);
    ck_assert_uint_eq(sh.fresh, N - 2);
    sweep_fresh(&w);
    ck_assert_uint_eq(gone.n, 10);
    ck_assert_uint_eq(sh.fresh, N - 2 - 10); /* an upper bound, until a look finds no more */
    w = sweep_for(SHARD_NEWEST + 4); /* more than are known */
    sweep_fresh(&w);
    ck_assert_uint_eq(gone.n, SHARD_NEWEST + 4);
    w = sweep_for(SIZE_MAX);
    w.kind = 1;
    sweep_fresh(&w);
    ck_assert_uint_eq(gone.n, 0);
    ck_assert_uint_eq(sh.fresh, 0);
    w.kind = -1;
    sweep_fresh(&w); /* it has been seen that there is nothing */
    ck_assert_uint_eq(gone.n, 0);
    ck_assert_uint_eq(sh.fresh, 0);
    sh.fresh = N;
    sweep_fresh(&w);
    ck_assert_uint_eq(gone.n, N - 11 - SHARD_NEWEST - 4); /* also the unused of older frames, not the used */
    ck_assert(!gone.item[1]);
    ck_assert_uint_eq(sh.fresh, 0);
    unmake();
}
END_TEST

START_TEST(the_newest_are_of_this_frame)
{
    enum { OLD = 6, NEW = 3 };
    struct shard_sweep w = sweep_for(SIZE_MAX);
    struct entry_list left = {NULL, NULL};
    struct flight *forgotten = NULL;

    make(0);
    common.protect = true;
    atom_store_relaxed(&common.stamp, stamp_of(4, 0, false));
    for (unsigned i = 0; i < OLD + NEW; i++)
        link_item(i, 1, 0, &plain, 0, stamp_of(i < OLD ? 3 : 4, 0, true));
    ck_assert_uint_eq(sh.fresh, NEW);
    ck_assert(shard_remove(&sh, &items[OLD + 2].e, BRIM_REMOVED, st, &left, &forgotten));
    for (unsigned i = 0; i < OLD; i++) /* the new ones have taken places of old ones; what has left is not there */
        ck_assert_ptr_eq(sh.newest[i], i == 2 ? NULL : i < NEW ? &items[OLD + i].e : &items[i].e);
    sh.fresh = 0;
    sweep_fresh(&w);
    ck_assert_uint_eq(gone.n, 0);
    sh.fresh = NEW;
    ck_assert_ptr_nonnull(find(OLD));
    ck_assert_ptr_nonnull(find(OLD + 1));
    sweep_fresh(&w); /* the unused of older frames go, but do not count for those that are held */
    ck_assert_uint_eq(gone_bits(OLD + NEW), (1u << OLD) - 1);
    unmake();
}
END_TEST

/* ---- What is stale */

static unsigned steps(uint64_t now, unsigned most_a_step)
{
    struct entry_list left = {NULL, NULL};
    unsigned n = 0, before = 0;

    memset(&gone, 0, sizeof gone);
    while (shard_sweep_stale(&sh, now, st, &left)) {
        collect(&left);
        ck_assert_uint_le(gone.n - before, most_a_step);
        before = gone.n;
        n++;
        ck_assert_uint_lt(n, 1000);
    }
    return n;
}

START_TEST(nothing_to_sweep)
{
    struct extra x = aged(100);

    make(0);
    ck_assert_uint_eq(steps(5000, 0), 0);
    link_item(0, 1, 0, &plain, 0, 0);
    ck_assert_uint_eq(steps(5000, 0), 0);
    ck_assert_uint_eq(atom_load_relaxed(&sh.next_expiry), UINT64_MAX);
    link_item(1, 1, 0, &x, 1000, 0);
    ck_assert_uint_eq(atom_load_relaxed(&sh.next_expiry), 1100);
    ck_assert(!shard_may_be_stale(&sh, 1099));
    ck_assert(!shard_may_be_stale(&sh, 0)); /* no time */
    ck_assert_uint_eq(steps(1099, 0), 0);
    ck_assert(shard_may_be_stale(&sh, 1100));
    unmake();
}
END_TEST

START_TEST(a_pass_over_all_some_at_a_time)
{
    enum { N = 500 };
    struct extra x;
    unsigned n;

    make(0);
    for (unsigned i = 0; i < N; i++) {
        x = aged(100 + (i % 2) * (i + 100)); /* those with an odd number live on */
        link_item(i, 1, 0, &x, 1000, 0);
    }
    ck_assert_ptr_nonnull(find(2));
    n = steps(1100, SHARD_SWEPT);
    ck_assert_uint_ge(n, N / SHARD_SWEPT + 1);
    ck_assert_uint_le(n, 4 * N / SHARD_SWEPT);
    ck_assert_uint_eq(gone.causes[BRIM_EXPIRED], N / 2);
    ck_assert_uint_eq(gone.n, N / 2);
    ck_assert_uint_eq(gone.freed, N / 2 - 1); /* a held one leaves, too */
    for (unsigned i = 0; i < N; i++)
        ck_assert_int_eq(gone.item[i], i % 2 == 0);
    ck_assert_uint_eq(atom_load_relaxed(&sh.next_expiry), 1000 + 201);
    ck_assert_uint_eq(atom_load_relaxed(&sh.sweeping), 0);
    ck_assert_uint_eq(steps(1200, 0), 0);
    ck_assert_uint_gt(steps(1201, 1), 0);
    ck_assert_uint_eq(gone.n, 1);
    ck_assert_uint_eq(atom_load_relaxed(&sh.next_expiry), 1000 + 203);
    unmake();
}
END_TEST

static bool step(uint64_t now)
{
    struct entry_list left = {NULL, NULL};
    bool more = shard_sweep_stale(&sh, now, st, &left);

    collect(&left);
    return more;
}

START_TEST(invalidations_are_swept_once)
{
    struct extra x = grouped();

    make(0);
    for (unsigned i = 0; i < 300; i++)
        link_item(i, 1, 0, i < 200 ? &x : &plain, 1000, 0);
    ck_assert(!shard_may_be_stale(&sh, 0));
    invalidate();
    ck_assert(shard_may_be_stale(&sh, 0));
    ck_assert_uint_gt(steps(0, SHARD_SWEPT), 300 / SHARD_SWEPT);
    ck_assert_uint_eq(gone.causes[BRIM_INVALIDATED], 200);
    ck_assert_uint_eq(gone.n, 200);
    ck_assert_uint_eq(atom_load_relaxed(&sh.clean_of), 1);
    ck_assert(!shard_may_be_stale(&sh, 0));
    unmake();
}
END_TEST

/* What becomes stale behind the cursor is left to another pass; what comes meanwhile is not forgotten. */
START_TEST(changes_during_a_pass)
{
    struct extra x = grouped(), y = aged(50);

    make(0);
    for (unsigned i = 0; i < 300; i++)
        link_item(i, 1, 0, &x, 1000, 0);
    (void)atom_add_relaxed(&common.invalidations, (uint64_t)1); /* of another group */
    ck_assert(step(0));
    ck_assert_uint_ne(atom_load_relaxed(&sh.sweeping), 0);
    ck_assert(shard_may_be_stale(&sh, 0));
    invalidate();
    link_item(300, 1, 0, &y, 1000, 0);
    link_item(301, 1, 0, &plain, 1000, 0);
    while (atom_load_relaxed(&sh.sweeping) != 0)
        ck_assert(step(0));
    ck_assert_uint_gt(gone.n, 0);
    ck_assert_uint_lt(gone.n, 300);
    ck_assert_uint_eq(atom_load_relaxed(&sh.next_expiry), 1050);
    ck_assert(shard_may_be_stale(&sh, 0));
    while (step(0)) {
    }
    ck_assert_uint_eq(gone.causes[BRIM_INVALIDATED], 300);
    ck_assert_uint_eq(atom_load_relaxed(&sh.next_expiry), 1050);
    unmake();
}
END_TEST

START_TEST(what_expires_is_told_to_the_pass_under_way)
{
    struct extra x = aged(500), y = aged(300);

    make(0);
    for (unsigned i = 0; i < 300; i++)
        link_item(i, 1, 0, &x, 1000, 0);
    (void)atom_add_relaxed(&common.invalidations, (uint64_t)1);
    ck_assert(step(0));
    for (unsigned i = 300; i < 310; i++) /* behind the cursor and before it */
        link_item(i, 1, 0, &y, 1000, 0);
    while (step(0)) {
    }
    ck_assert_uint_eq(gone.n, 0);
    ck_assert_uint_eq(atom_load_relaxed(&sh.next_expiry), 1300);
    unmake();
}
END_TEST

/* Its group was invalidated, and swept, between the beginning of its insertion and the end. */
START_TEST(what_is_linked_stale_is_swept)
{
    struct extra x = grouped();

    make(0);
    link_item(0, 1, 0, &plain, 0, 0);
    invalidate();
    ck_assert_uint_gt(steps(0, 0), 0);
    link_item(1, 1, 0, &x, 0, 0);
    ck_assert(shard_may_be_stale(&sh, 0));
    ck_assert_uint_gt(steps(0, 1), 0);
    ck_assert_uint_eq(gone_bits(2), 0x2);
    ck_assert(!shard_may_be_stale(&sh, 0));
    unmake();
}
END_TEST

/* ---- Late limits */

START_TEST(what_is_there_is_adopted_by_kind)
{
    enum { N = 600 };
    struct index_cursor cursor = {0};
    unsigned rounds = 0;

    make(0);
    for (unsigned i = 0; i < N; i++)
        link_item(i, 1, i % 3, &plain, 0, 0);
    while (shard_adopt_kind(&sh, &cursor, 1, &limit))
        rounds++;
    ck_assert_uint_ge(rounds, N / SHARD_BATCH);
    ck_assert_uint_eq(atom_load_relaxed(&limit.linked), N / 3);
    for (unsigned i = 0; i < N; i++)
        ck_assert_int_eq((items[i].e.eviction & ENTRY_IN_LINKED) != 0, i % 3 == 1);
    unmake();
}
END_TEST

/* Also where tests do not fork. */
static void begin_anew(void)
{
    memset(&gone, 0, sizeof gone);
}

int main(void)
{
    TCase *tc = suite_case("shard_evict");

    tcase_add_checked_fixture(tc, begin_anew, NULL);
    tcase_add_test(tc, a_sweep_stops_where_it_is_told);
    tcase_add_test(tc, those_of_a_kind_and_some_to_keep);
    tcase_add_test(tc, held_ones_stay_or_only_leave);
    tcase_add_test(tc, what_was_used_has_a_second_chance);
    tcase_add_test(tc, floors_hold_but_for_one_kind);
    tcase_add_test(tc, a_floor_is_of_what_is_counted);
    tcase_add_loop_test(tc, of_a_kind_with_a_queue, 0, 3);
    tcase_add_test(tc, held_or_not_all_leave);
    tcase_add_test(tc, use_alone_spares_nothing);
#ifdef BRIM_INTERFERE
    tcase_add_loop_test(tc, what_is_found_meanwhile_stays, 0, 2);
    tcase_add_loop_test(tc, what_is_found_meanwhile_is_passed_over, 0, 2);
#endif
    tcase_add_loop_test(tc, the_frame_protects_what_it_used_and_inserted, 0, 2);
    tcase_add_test(tc, the_policys_choice_is_in_the_same_order);
    tcase_add_test(tc, by_when_it_was_last_used);
    tcase_add_test(tc, by_how_long_it_was_idle);
    tcase_add_test(tc, the_old_entry_of_a_key);
    tcase_add_test(tc, some_in_each_hold_of_the_mutex);
    tcase_add_test(tc, without_memory_to_remember_it_evicts);
    tcase_add_loop_test(tc, only_what_was_evicted_is_remembered, 0, 2);
    tcase_add_test(tc, all_held_nothing_goes);
    tcase_add_test(tc, the_lowest_goes_first);
    tcase_add_test(tc, what_is_held_keeps_up_with_what_goes);
    tcase_add_loop_test(tc, floors_are_passed_over, 0, 2);
    tcase_add_test(tc, the_worst_may_have_become_stale);
    tcase_add_test(tc, for_the_stale_nothing_else_goes);
    tcase_add_loop_test(tc, shadows_hold_no_more_than_there_may_be, 0, 3);
    tcase_add_test(tc, what_is_remembered_by_fits);
    tcase_add_loop_test(tc, eviction_takes_the_stale_it_meets, 0, 4);
    tcase_add_loop_test(tc, the_stale_of_what_is_wanted_counts, 0, 2);
    tcase_add_test(tc, without_a_time_ages_are_not_looked_at);
    tcase_add_test(tc, what_is_fresh_is_counted_and_taken);
    tcase_add_test(tc, the_newest_are_of_this_frame);
    tcase_add_test(tc, nothing_to_sweep);
    tcase_add_test(tc, a_pass_over_all_some_at_a_time);
    tcase_add_test(tc, invalidations_are_swept_once);
    tcase_add_test(tc, changes_during_a_pass);
    tcase_add_test(tc, what_expires_is_told_to_the_pass_under_way);
    tcase_add_test(tc, what_is_linked_stale_is_swept);
    tcase_add_test(tc, what_is_there_is_adopted_by_kind);
    return suite_run(tc);
}
