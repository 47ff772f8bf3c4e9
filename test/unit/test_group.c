/* SPDX-License-Identifier: MIT
 *
 * cache/group: who joins which generation, what raises it, and when a group's memory goes.
 */
#include "cache/group.h"
#include "unit/caches.h"

enum { PLACES = EXTRA_GROUPS };

static brim_cache *c;
static heap h;

static brim_group **place_of(brim_entry_options *o, unsigned i)
{
    return i == 0 ? &o->group : &o->more_groups[i - 1];
}

static uint64_t generation_of(brim_group *g)
{
    return atom_load_relaxed(&((struct group_state *)(void *)g)->generation);
}

START_TEST(every_place_joins_with_the_generation_of_now)
{
    brim_group *g[PLACES];
    brim_entry_options o = entry_defaults();
    struct extra x = {.groups = 0};

    ck_assert_uint_eq(sizeof o.more_groups / sizeof o.more_groups[0], PLACES - 1);
    c = cache_on(&h, 100);
    for (unsigned i = 0; i < PLACES; i++) {
        g[i] = *place_of(&o, i) = brim_group_new(c);
        for (unsigned j = 0; j < i; j++)
            brim_group_invalidate(g[i]);
    }
    ck_assert_int_eq(group_join(c, &o, &x), BRIM_OK);
    ck_assert_uint_eq(x.groups, PLACES);
    for (unsigned i = 0; i < PLACES; i++) {
        ck_assert_ptr_eq(x.member[i].group, g[i]);
        ck_assert_uint_eq(x.member[i].generation, 2 * i);
        brim_group_drop(g[i]);
    }
    finish_on(c, &h);
}
END_TEST

START_TEST(named_twice_is_named_once)
{
    brim_entry_options o = entry_defaults();
    struct extra x = {.groups = 0};
    brim_group *a, *b;

    c = cache_on(&h, 100);
    a = brim_group_new(c);
    b = brim_group_new(c);
    o.more_groups[0] = a; /* `group' is NULL: nothing */
    o.more_groups[1] = o.more_groups[2] = b;
    ck_assert_int_eq(group_join(c, &o, &x), BRIM_OK);
    ck_assert_uint_eq(x.groups, 2);
    x.groups = 0;
    o.more_groups[2] = a;
    ck_assert_int_eq(group_join(c, &o, &x), BRIM_OK);
    ck_assert_uint_eq(x.groups, 2);
    ck_assert_ptr_eq(x.member[0].group, a);
    ck_assert_ptr_eq(x.member[1].group, b);
    brim_group_drop(a);
    brim_group_drop(b);
    finish_on(c, &h);
}
END_TEST

/* Of another cache is INVALID, wherever; else closed is CANCELED, wherever. */
START_TEST(the_worst_answer_counts)
{
    brim_cache *other = make_value_cache(10);
    brim_group *theirs = brim_group_new(other), *closed, *open;

    c = cache_on(&h, 100);
    closed = brim_group_new(c);
    open = brim_group_new(c);
    brim_group_close(closed);
    for (unsigned i = 0; i < PLACES; i++)
        for (unsigned j = 0; j <= PLACES; j++) {
            brim_entry_options o = entry_defaults();
            struct extra x = {.groups = 0};

            for (unsigned k = 0; k < PLACES; k++)
                *place_of(&o, k) = k == i ? closed : k == j ? theirs : open;
            ck_assert_int_eq(group_join(c, &o, &x), j < PLACES && j != i ? BRIM_INVALID : BRIM_CANCELED);
        }
    brim_group_drop(theirs);
    brim_group_drop(closed);
    brim_group_drop(open);
    finish(other);
    finish_on(c, &h);
}
END_TEST

START_TEST(closed_for_good)
{
    brim_group *g;
    uint64_t sweeps;

    c = cache_on(&h, 100);
    g = brim_group_new(c);
    brim_group_invalidate(g);
    ck_assert_uint_eq(generation_of(g), 2);
    ck_assert_uint_eq(atom_load_relaxed(&c->common.invalidations), 1);
    brim_group_close(g);
    ck_assert_uint_eq(generation_of(g), 5); /* its entries are invalid too */
    sweeps = atom_load_relaxed(&c->common.invalidations);
    ck_assert_uint_eq(sweeps, 2);
    brim_group_invalidate(g);
    brim_group_close(g);
    ck_assert_uint_eq(generation_of(g), 5);
    ck_assert_uint_eq(atom_load_relaxed(&c->common.invalidations), sweeps); /* nothing new to sweep */
    brim_group_drop(g);
    finish_on(c, &h);
}
END_TEST

START_TEST(raised_since)
{
    brim_entry_options o = entry_defaults();
    struct extra x = {.groups = 0}, none = x;
    uint64_t then;

    c = cache_on(&h, 100);
    o.group = brim_group_new(c);
    o.more_groups[0] = brim_group_new(c);
    ck_assert_int_eq(group_join(c, &o, &x), BRIM_OK);
    then = atom_load_relaxed(&c->group_clock);
    ck_assert(!groups_raised_since(&x, then));
    brim_group_invalidate(o.more_groups[0]);
    ck_assert_uint_gt(atom_load_relaxed(&c->group_clock), then);
    ck_assert(groups_raised_since(&x, then));
    ck_assert(!groups_raised_since(&none, then));
    ck_assert(!groups_raised_since(&x, atom_load_relaxed(&c->group_clock)));
    ck_assert_int_eq(groups_renew(&x), BRIM_OK);
    ck_assert_uint_eq(x.member[0].generation, 0);
    ck_assert_uint_eq(x.member[1].generation, 2);
    brim_group_close(o.group);
    ck_assert_int_eq(groups_renew(&x), BRIM_CANCELED);
    brim_group_drop(o.group);
    brim_group_drop(o.more_groups[0]);
    finish_on(c, &h);
}
END_TEST

/* ---- Memory: the group's goes with the last of its handles, entries and loads */

START_TEST(its_memory_goes_with_the_last_count)
{
    brim_entry_options o = entry_defaults();
    size_t blocks;
    brim_load *l;

    c = cache_on(&h, 100);
    ck_assert_int_eq(put(c, 1, 1, 1), BRIM_OK); /* memory for entries is there */
    blocks = h.blocks;
    o.group = brim_group_new(c);
    ck_assert_uint_eq(h.blocks, blocks + 1);
    no_loads(c, 2);
    ck_assert_ptr_eq(brim_group_copy(o.group), o.group);
    brim_group_drop(o.group);
    ck_assert_uint_eq(h.blocks, blocks + 1);
    switch (_i) {
    case 0:
        brim_group_drop(o.group);
        break;
    case 1: /* an entry */
        ck_assert_int_eq(brim_insert_with(c, "k", 1, value_new(2, 1), 1, &o, NULL), BRIM_OK);
        brim_group_drop(o.group);
        ck_assert_uint_eq(h.blocks, blocks + 1);
        ck_assert(brim_remove(c, "k", 1));
        break;
    default: /* a load, from its claim to its end */
        l = claim_entry(c, 7, &o);
        brim_group_drop(o.group);
        brim_load_fail(l, 1);
        break;
    }
    no_loads(c, 1);
    ck_assert_uint_le(h.blocks, blocks + (_i == 2 ? 2 : 0)); /* the load itself and the spare wait for sections */
    finish_on(c, &h);
}
END_TEST

START_TEST(it_keeps_its_cache)
{
    brim_group *g;

    c = cache_on(&h, 100);
    g = brim_group_new(c);
    brim_cache_free(c);
    ck_assert_uint_gt(h.blocks, 1);
    brim_group_invalidate(g);
    ck_assert_uint_eq(brim_group_loads(g), 0);
    brim_group_drop(g);
    ck_assert_uint_eq(h.blocks, 0);
}
END_TEST

START_TEST(without_memory)
{
    c = cache_on(&h, 100);
    heap_fail(&h, 1, 2);
    ck_assert_ptr_null(brim_group_new(c));
    ck_assert_ptr_null(brim_group_new(NULL));
    no_loads(c, 0);
    ck_assert_ptr_null(brim_group_copy(NULL));
    brim_group_drop(NULL);
    brim_group_invalidate(NULL);
    brim_group_close(NULL);
    ck_assert_uint_eq(brim_group_loads(NULL), 0);
    finish_on(c, &h);
}
END_TEST

static brim_group *raced;

static void raise_it(unsigned id, void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++)
        brim_group_invalidate(raced);
    if (id == 0)
        brim_group_close(raced);
}

START_TEST(no_invalidation_is_lost_and_none_follows_a_closing)
{
    for (int round = 0; round < SCALED(100); round++) {
        uint64_t raises;

        c = cache_on(&h, 100);
        raced = brim_group_new(c);
        crew_do(3, raise_it, NULL);
        raises = atom_load_relaxed(&c->common.invalidations);
        ck_assert_uint_eq(generation_of(raced), 2 * raises + 1);
        ck_assert_uint_ge(raises, 101);
        brim_group_drop(raced);
        finish_on(c, &h);
    }
}
END_TEST

#ifdef BRIM_INTERFERE
static void invalidate_it(void *arg)
{
    brim_group_invalidate(arg);
}

/* Two at once: both generations and both times count, and the later time stays. */
START_TEST(invalidated_by_two)
{
    bool met = true;

    for (unsigned after = 0; met; after++) {
        struct extra x = {.groups = 0};
        brim_entry_options o = entry_defaults();

        c = cache_on(&h, 100);
        o.group = brim_group_new(c);
        ck_assert_int_eq(group_join(c, &o, &x), BRIM_OK);
        atom_interfere(after, invalidate_it, o.group);
        brim_group_invalidate(o.group);
        met = atom_has_interfered();
        ck_assert_uint_eq(generation_of(o.group), met ? 4 : 2);
        ck_assert_uint_eq(atom_load_relaxed(&c->group_clock), met ? 2 : 1);
        ck_assert(groups_raised_since(&x, met ? 1 : 0));
        ck_assert(!groups_raised_since(&x, met ? 2 : 1));
        ck_assert_uint_eq(atom_load_relaxed(&c->common.invalidations), met ? 2 : 1);
        brim_group_drop(o.group);
        finish_on(c, &h);
    }
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("group");

    tcase_add_test(tc, every_place_joins_with_the_generation_of_now);
    tcase_add_test(tc, named_twice_is_named_once);
    tcase_add_test(tc, the_worst_answer_counts);
    tcase_add_test(tc, closed_for_good);
    tcase_add_test(tc, raised_since);
    tcase_add_loop_test(tc, its_memory_goes_with_the_last_count, 0, 3);
    tcase_add_test(tc, it_keeps_its_cache);
    tcase_add_test(tc, without_memory);
    tcase_add_test(tc, no_invalidation_is_lost_and_none_follows_a_closing);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, invalidated_by_two);
#endif
    return suite_run(tc);
}
