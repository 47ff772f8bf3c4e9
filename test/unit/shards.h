/* SPDX-License-Identifier: MIT
 *
 * What tests of the files of a shard share: one shard whose entries lie in an array, of one kind, and its sums.
 */
#ifndef TEST_UNIT_SHARDS_H
#define TEST_UNIT_SHARDS_H
#include "shard/shard.h"
#include "support/support.h"

enum { ENTRIES = 2000 };

static struct item { _Alignas(16) struct entry e; uint64_t key, extra[13]; } items[ENTRIES];
static heap h;
static struct shard sh;
static struct index_root root;
static struct stripes stripes;
static struct stripe *st;
static struct thread *self;
static struct budget most;
static struct tally values;
static struct policy_adapt adapt;
static struct shard_common common;
static struct limit limit;

static inline struct limit *limit_of(const struct entry *e)
{
    (void)e;
    return &limit;
}

static inline void make(size_t max_entries)
{
    heap_init(&h);
    memset(&sh, 0, sizeof sh);
    memset(&stripes, 0, sizeof stripes);
    self = thread_self();
    ck_assert(stripes_init(&stripes, &h.allocator));
    st = stripe_of(&stripes, self);
    budget_init(&most, max_entries);
    tally_init(&values);
    memset(&adapt, 0, sizeof adapt);
    ck_assert(adapt_init(&adapt, BRIM_HITS, 1));
    memset(&common, 0, sizeof common);
    memset(&limit, 0, sizeof limit);
    common.mem = &h.allocator;
    common.entries = max_entries != 0 ? &most : NULL;
    common.adapt = &adapt;
    common.limit_of = limit_of;
    ck_assert(shard_init(&sh, &root, &common, BRIM_HITS, 1, 0));
}

static inline void unmake(void)
{
    shard_destroy(&sh);
    adapt_destroy(&adapt, &h.allocator);
    stripes_destroy(&stripes);
    ck_assert_uint_eq(h.blocks, 0);
}

static inline uint64_t hash_of(uint64_t key)
{
    return key * 0x9E3779B97F4A7C15u;
}

static inline struct shard_link link_of(unsigned i, uint64_t key, size_t cost)
{
    struct entry *e = &items[i].e;
    struct shard_link l = {.e = e, .tag = (uint16_t)(hash_of(key) >> 48), .values = &values};

    entry_init(e, BRIM_KEY(key), &items[i], cost);
    e->place = (uint32_t)hash_of(key);
    e->work = policy_pack_work(0);
    e->kind_flags = 1 << ENTRY_PRIORITY_SHIFT;
    stripe_add(st, reserved, cost);
    l.counted = limit_counts(&limit) && limit_take(&limit, cost); /* as admissions */
    return l;
}

static inline void link_new(unsigned i, uint64_t key, size_t cost)
{
    struct shard_link l = link_of(i, key, cost);
    struct entry_list left = {NULL, NULL};

    ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_LINKED);
    ck_assert_ptr_null(left.head);
    ck_assert(l.added);
}

/* Item ${i}, with key ${i}, of ${kind} number, with ${x} born at ${now}, stamped. */
static inline struct shard_link link_as(unsigned i, size_t cost, unsigned kind, const struct extra *x, uint64_t now,
                                        uintptr_t stamp)
{
    struct shard_link l = link_of(i, i, cost);

    l.e->kind_flags |= kind << 8 | extra_flags(x);
    extra_init(l.e, x, now);
    atom_store_relaxed(&l.e->next, stamp);
    return l;
}

static inline void link_item(unsigned i, size_t cost, unsigned kind, const struct extra *x, uint64_t now, uintptr_t stamp)
{
    struct shard_link l = link_as(i, cost, kind, x, now, stamp);
    struct entry_list left = {NULL, NULL};

    ck_assert_int_eq(shard_link(&sh, &l, self, st, &left), SHARD_LINKED);
    ck_assert_ptr_null(left.head);
}

static inline struct entry *find(uint64_t key)
{
    struct entry_list last = {NULL, NULL};
    struct entry *e;

    section_enter(self);
    e = shard_find(index_view(&sh.index), hash_of(key), BRIM_KEY(key), st, &last);
    ck_assert_ptr_eq(shard_peek(index_view(&sh.index), hash_of(key), BRIM_KEY(key)), e);
    section_leave(self);
    ck_assert_ptr_null(last.head);
    return e;
}

static inline unsigned release(struct entry *e)
{
    unsigned events = entry_release(e);

    shard_count_pins(st, e, events);
    return events;
}

static inline void expect_sums(size_t used, uint32_t count, uint64_t pinned)
{
    ck_assert_uint_eq(atom_load_relaxed(&sh.used), used);
    ck_assert_uint_eq(atom_load_relaxed(&sh.count), count);
    ck_assert_uint_eq(sh.index.count, count);
    ck_assert_uint_eq(stripes_pinned(&stripes), pinned);
}

#endif
