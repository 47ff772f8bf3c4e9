/* SPDX-License-Identifier: MIT
 *
 * cache/check: brim_check finds damage, planted here through the internal structures; brim_dump tells.
 */
#include "cache/cache.h"
#include "support/loads.h"
#include "support/support.h"

enum { N = 40 };

static brim_cache *c;
static char text[20000];

static bool check(const char *says)
{
    FILE *f = fmemopen(text, sizeof text, "w");
    bool ok;

    ck_assert_ptr_nonnull(f);
    memset(text, 0, sizeof text);
    ok = brim_check(c, f);
    fclose(f);
    ck_assert_int_eq(text[0] == '\0', ok); /* it says why, and only then */
    if (says != NULL)
        ck_assert_msg(strstr(text, says) != NULL, "%s: %s", says, text);
    ck_assert_int_eq(brim_check(c, NULL), ok);
    return ok;
}

static void make(void)
{
    brim_options o = value_options(1000);

    o.shards = 2;
    o.max_entries = 100;
    c = make_cache(&o);
    for (uint64_t key = 0; key < N; key++)
        ck_assert_int_eq(put(c, key, key, 2), BRIM_OK);
    ck_assert(check(NULL));
}

static struct entry *entry_of_number(uint64_t key)
{
    brim_ref *r = brim_find(c, BRIM_KEY(key));

    brim_release(r);
    return entry_of_ref(r);
}

#define DAMAGED(atom, by, says)                                                                                        \
    do {                                                                                                               \
        atom_store_relaxed(atom, atom_load_relaxed(atom) + (by));                                                      \
        ck_assert(!check(says));                                                                                       \
        atom_store_relaxed(atom, atom_load_relaxed(atom) - (by));                                                      \
        ck_assert(check(NULL));                                                                                        \
    } while (0)

START_TEST(sums)
{
    struct shard *sh;

    make();
    sh = &c->shards[1];
    DAMAGED(&sh->count, 1, "a shard's count");
    DAMAGED(&sh->used, 1, "a shard's charge");
    sh->index.count++;
    ck_assert(!check("entries of a shard's index"));
    sh->index.count--;
    DAMAGED(&c->budget.room, 1, "used");
    DAMAGED(&c->by_user, 1, "used");
    DAMAGED(&c->entries.room, 1, "number of entries");
    DAMAGED(&c->default_kind->values.part[0].amount, 1, "used");
    DAMAGED(&c->default_kind->values.part[0].n, UINT64_MAX, "values, at least");
    finish(c);
}
END_TEST

START_TEST(entries)
{
    struct entry *e;
    uint64_t state;
    unsigned char *key;
    size_t len;

    make();
    e = entry_of_number(7);
    DAMAGED(&e->cost, 1, "charge");
    e->place ^= 1;
    ck_assert(!check("hash place"));
    e->place ^= 1u ^ 1u << 31;
    ck_assert(!check("lies in its shard"));
    e->place ^= 1u << 31;
    key = (unsigned char *)(uintptr_t)entry_key(e, &len);
    key[0] ^= 1;
    ck_assert(!check("hash place"));
    key[0] ^= 1;
    e->kind_flags |= ENTRY_UNCHARGED;
    ck_assert(!check("is charged"));
    e->kind_flags &= ~(uint32_t)ENTRY_UNCHARGED;
    state = atom_load_relaxed(&e->state);
    atom_store_relaxed(&e->state, state - STATE_LINKED);
    ck_assert(!check("is linked"));
    atom_store_relaxed(&e->state, state | STATE_DEAD);
    ck_assert(!check("is linked"));
    atom_store_relaxed(&e->state, state);
    finish(c);
}
END_TEST

START_TEST(index_lanes)
{
    struct table *t;
    struct bucket *b;
    unsigned damaged = 0;

    make();
    t = c->shards[0].index.table;
    b = index_buckets(t);
    for (uint32_t i = 0; i < t->buckets; i++) {
        for (unsigned lane = 0; lane < INDEX_ENTRIES; lane++) {
            struct entry *e = atom_load_relaxed(&b[i].entry[lane]);
            uint64_t tags = atom_load_relaxed(&b[i].tags[lane / 4]);
            if (e == NULL)
                continue;
            atom_store_relaxed(&b[i].tags[lane / 4], tags ^ (uint64_t)4 << lane % 4 * 16);
            ck_assert(!check("a look-up reaches"));
            atom_store_relaxed(&b[i].tags[lane / 4], tags);
            atom_store_relaxed(&b[i].entry[lane], NULL); /* lost */
            ck_assert(!check("count"));
            atom_store_relaxed(&b[i].entry[lane], e);
            damaged++;
        }
    }
    ck_assert_uint_gt(damaged, 0);
    ck_assert(check(NULL));
    finish(c);
}
END_TEST

/* None that is a candidate for eviction. */
static struct entry *one_of_shard(const struct shard *sh)
{
    for (uint64_t key = 0; key < N; key++) {
        struct entry *e = brim_contains(c, BRIM_KEY(key)) ? entry_of_number(key) : NULL;
        if (e != NULL && cache_shard(c, e->place) == sh && !(e->eviction & ENTRY_POOLED))
            return e;
    }
    ck_abort_msg("no entry");
}

START_TEST(candidates)
{
    struct entry gone, *e;
    struct policy *p;

    make();
    ck_assert_uint_gt(brim_trim(c, 60), 0);
    p = &c->shards[0].policy;
    while (p->pooled > 0)
        policy_forget(p, p->pool[0]);
    ck_assert(check(NULL));
    e = one_of_shard(&c->shards[0]);
    p->pool[p->pooled++] = e;
    ck_assert(!check("a candidate is linked, and says so"));
    e->eviction |= ENTRY_POOLED;
    ck_assert(check(NULL));
    entry_init(&gone, NULL, 0, NULL, 1);
    p->pool[p->pooled++] = &gone;
    for (int i = 0; i < 2; i++) { /* also if it says so */
        gone.eviction = i == 0 ? 0 : ENTRY_POOLED;
        ck_assert(!check("a candidate is linked, and says so"));
    }
    p->pooled--;
    ck_assert(check(NULL));
    p->pooled--;
    ck_assert(!check("entries that are candidates")); /* it says so, and is none */
    e->eviction &= (uint8_t)~ENTRY_POOLED;
    ck_assert(check(NULL));
    ck_assert(brim_check(NULL, NULL));
    finish(c);
}
END_TEST

START_TEST(values_of_two_kinds)
{
    brim_entry_options o = entry_defaults();
    brim_kind other = value_kind;
    uint64_t name = N;

    make();
    o.kind = &other;
    ck_assert_int_eq(brim_insert_with(c, BRIM_KEY(name), value_new(N, 3), 3, &o, NULL), BRIM_OK);
    ck_assert(check(NULL));
    finish(c);
}
END_TEST

/* Sums that do not agree while something is half done say nothing. */
START_TEST(only_while_nothing_is_under_way)
{
    struct stripe *st;

    make();
    st = caller_of(c).st;
    DAMAGED(&c->budget.room, 1, "used");
    atom_store_relaxed(&c->budget.room, atom_load_relaxed(&c->budget.room) + 1);
    stripe_add(st, dying, 1);
    ck_assert(check(NULL));
    stripe_add(st, destroyed, 1);
    ck_assert(!check("used"));
    stripe_add(st, reserved, 3);
    ck_assert(check(NULL));
    stripe_add(st, reserved, (uint64_t)0 - 3);
    atom_store_relaxed(&c->budget.room, atom_load_relaxed(&c->budget.room) - 1);
    finish(c);
}
END_TEST

#ifdef BRIM_INTERFERE
static void reserve_one(void *arg)
{
    (void)arg;
    EXPECT(brim_reserve(c, 1) == BRIM_OK);
}

static void begin_to_reserve(void *arg)
{
    (void)arg;
    stripe_add(caller_of(c).st, reserved, 1);
}

static void end_to_reserve(void *arg)
{
    (void)arg;
    stripe_add(caller_of(c).st, reserved, (uint64_t)0 - 1);
}

/* Between the two looks, what ends is half done at the first one alone, and what begins at the second. */
START_TEST(half_done_at_one_look)
{
    unsigned both = 0;
    bool met = true;

    make();
    atom_store_relaxed(&c->budget.room, atom_load_relaxed(&c->budget.room) + 1);
    for (unsigned after = 0; met; after++) {
        bool ends, begins;

        begin_to_reserve(NULL);
        atom_interfere(after, end_to_reserve, NULL);
        ends = brim_check(c, NULL);
        if (!atom_has_interfered())
            end_to_reserve(NULL);
        atom_interfere(after, begin_to_reserve, NULL);
        begins = brim_check(c, NULL);
        met = atom_has_interfered();
        if (met)
            end_to_reserve(NULL);
        both += ends && begins;
    }
    ck_assert_uint_gt(both, 0);
    atom_store_relaxed(&c->budget.room, atom_load_relaxed(&c->budget.room) - 1);
    finish(c);
}
END_TEST

START_TEST(what_changes_between_two_looks)
{
    bool met = true;

    for (unsigned after = 0; met; after++) {
        make();
        atom_interfere(after, _i == 0 ? reserve_one : begin_to_reserve, NULL);
        ck_assert(brim_check(c, stderr));
        met = atom_has_interfered();
        if (met && _i != 0)
            stripe_add(caller_of(c).st, reserved, (uint64_t)0 - 1);
        brim_unreserve(c, 1);
        finish(c);
    }
}
END_TEST
#endif

START_TEST(dump)
{
    static const char longer[40] = "\x02";
    brim_options o = value_options(1000);
    brim_key *key;
    FILE *f = fmemopen(text, sizeof text, "w");

    memset(text, 0, sizeof text);
    o.name = "tiles";
    o.shards = 2;
    c = make_cache(&o);
    ck_assert_int_eq(brim_insert(c, "\x01\xab", 2, value_new(1, 77), 77, NULL), BRIM_OK);
    ck_assert_int_eq(brim_insert(c, longer, sizeof longer, value_new(2, 3), 3, NULL), BRIM_OK);
    ck_assert_int_eq(brim_insert_anonymous(c, value_new(3, 4), 4, NULL, &key, NULL), BRIM_OK);
    brim_dump(c, f);
    fclose(f);
    brim_dump(NULL, stderr);
    brim_dump(c, NULL);
    ck_assert_msg(strstr(text, "tiles") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "key 01ab (2 bytes)") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "cost 77 uses 0 key") != NULL, "%s", text);
    ck_assert_msg(strstr(text, "0200000000000000000000000000000000000000000000000000000000000000... (40 bytes)") != NULL,
                  "%s", text);
    ck_assert_msg(strstr(text, "cost 4 uses 0 anonymous key  (0 bytes)") != NULL, "%s", text);
    ck_assert_msg(strstr(text, " shard 0: ") != NULL && strstr(text, " shard 1: ") != NULL, "%s", text);
    brim_key_drop(key);
    ck_assert_uint_eq(brim_pinned(c), 0);
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("check");

    tcase_add_test(tc, sums);
    tcase_add_test(tc, entries);
    tcase_add_test(tc, index_lanes);
    tcase_add_test(tc, candidates);
    tcase_add_test(tc, values_of_two_kinds);
    tcase_add_test(tc, only_while_nothing_is_under_way);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, half_done_at_one_look);
    tcase_add_loop_test(tc, what_changes_between_two_looks, 0, 2);
#endif
    tcase_add_test(tc, dump);
    return suite_run(tc);
}
