/* SPDX-License-Identifier: MIT
 *
 * G6: operations on one key are linearizable. Values count up; a reader never misses and never goes back, not even behind
 * what another reader saw before its own look-up began.
 */
#include "support/support.h"
#include <sched.h>

enum { READERS = 3 };
enum { BY_BYTES, BY_HANDLE, BY_SLOT, BY_REF_AND_BYTES };

static struct {
    brim_cache *cache;
    brim_slot slot;
    int way;
    _Atomic uint64_t published, seen;
    atomic_bool stop;
    atomic_ullong looks, moved;
} line;

static void raise_seen(uint64_t id)
{
    uint64_t seen = atomic_load(&line.seen);

    while (seen < id && !atomic_compare_exchange_weak(&line.seen, &seen, id))
        ;
}

static brim_ref *look_up(void)
{
    uint64_t key = 1;

    if (line.way == BY_SLOT)
        return brim_slot_find(&line.slot);
    return brim_find(line.cache, BRIM_KEY(key));
}

static void reader(void)
{
    uint64_t last = 0;

    while (!atomic_load(&line.stop)) {
        uint64_t floor_seen = atomic_load(&line.seen), floor_published = atomic_load(&line.published), id;
        brim_ref *r = look_up();

        atomic_fetch_add(&line.looks, 1);
        if (r == NULL) {
            trouble(__FILE__, __LINE__, "way %d: a miss", line.way);
            continue;
        }
        id = id_of(r);
        EXPECT_MSG(id >= floor_seen && id >= floor_published, "way %d: went back to %llu from %llu, %llu", line.way,
                   (unsigned long long)id, (unsigned long long)floor_seen, (unsigned long long)floor_published);
        if (id != last)
            atomic_fetch_add(&line.moved, 1);
        last = id;
        raise_seen(id);
        if (id % 64 == 0)
            sched_yield();
        EXPECT(value_alive(brim_ref_value(r), id));
        brim_release(r);
    }
}

static void write_by_handle(uint64_t n)
{
    brim_key *k = NULL;
    brim_ref *r = NULL;

    for (uint64_t id = 2; id <= n; id++) {
        if (k == NULL) {
            uint64_t key = 1;

            r = brim_find(line.cache, BRIM_KEY(key));
            k = brim_ref_key(r);
            brim_release(r);
        }
        EXPECT(brim_key_replace(&k, value_new(id, 1), 1) == BRIM_OK);
        EXPECT(brim_key_is_valid(k));
        atomic_store(&line.published, id);
        if (id % 16 == 0) {
            brim_key_drop(k);
            k = NULL;
        }
    }
    brim_key_drop(k);
}

static void write_by_slot(uint64_t n)
{
    for (uint64_t id = 2; id <= n; id++) {
        brim_key *k = NULL, *old;

        EXPECT(brim_insert_anonymous(line.cache, value_new(id, 1), 1, NULL, &k, NULL) == BRIM_OK);
        old = brim_slot_exchange(&line.slot, k);
        atomic_store(&line.published, id);
        EXPECT(brim_key_remove(old));
        brim_key_drop(old);
    }
}

static void write_by_bytes(uint64_t n)
{
    for (uint64_t id = 2; id <= n; id++) {
        brim_ref *r = NULL;

        if (line.way == BY_REF_AND_BYTES) {
            EXPECT(put_ref(line.cache, 1, id, 1, &r) == BRIM_OK);
            EXPECT(id_of(r) == id);
            brim_release(r);
        } else {
            EXPECT(put(line.cache, 1, id, 1) == BRIM_OK);
        }
        atomic_store(&line.published, id);
    }
}

static void line_role(unsigned id, void *arg)
{
    uint64_t n = (uint64_t)SCALED(60000);

    (void)arg;
    if (id < READERS) {
        reader();
        return;
    }
    if (line.way == BY_HANDLE)
        write_by_handle(n);
    else if (line.way == BY_SLOT)
        write_by_slot(n);
    else
        write_by_bytes(n);
    while (atomic_load(&line.looks) < 100)
        sched_yield();
    atomic_store(&line.stop, true);
}

START_TEST(test_g06_readers_never_miss_and_never_go_back)
{
    brim_options o = value_options(1000);
    brim_key *k = NULL;

    memset(&line, 0, sizeof line);
    line.way = _i;
    o.shards = 1;
    line.cache = make_cache(&o);
    if (line.way == BY_SLOT) {
        ck_assert_int_eq(brim_insert_anonymous(line.cache, value_new(1, 1), 1, NULL, &k, NULL), BRIM_OK);
        brim_slot_init(&line.slot, k);
    } else {
        ck_assert_int_eq(put(line.cache, 1, 1, 1), BRIM_OK);
    }
    atomic_store(&line.published, 1);
    crew_do(READERS + 1, line_role, NULL);
    ck_assert_uint_gt(atomic_load(&line.looks), 100);
    ck_assert_uint_gt(atomic_load(&line.moved), 1);
    brim_slot_store(&line.slot, NULL);
    finish(line.cache);
}
END_TEST

/* ---- Handles of overtaken values: theirs or a miss, and a miss means that something newer is there ---- */

static void handle_role(unsigned id, void *arg)
{
    uint64_t key = 1;

    (void)arg;
    if (id == READERS) {
        write_by_bytes((uint64_t)SCALED(60000));
        while (atomic_load(&line.looks) < 100)
            sched_yield();
        atomic_store(&line.stop, true);
        return;
    }
    while (!atomic_load(&line.stop)) {
        brim_ref *r = brim_find(line.cache, BRIM_KEY(key)), *again;
        brim_key *k = brim_ref_key(r);
        uint64_t first;

        atomic_fetch_add(&line.looks, 1);
        EXPECT(r != NULL);
        if (r == NULL)
            continue;
        first = id_of(r);
        brim_release(r);
        again = brim_key_find(k);
        if (again != NULL) {
            EXPECT(id_of(again) == first);
            brim_release(again);
        } else {
            EXPECT(!brim_key_is_valid(k));
            EXPECT(found_id(line.cache, key) > first);
            EXPECT(brim_key_find(k) == NULL);
            atomic_fetch_add(&line.moved, 1);
        }
        brim_key_drop(k);
    }
}

START_TEST(test_g06_a_handle_that_misses_was_overtaken)
{
    memset(&line, 0, sizeof line);
    line.way = BY_BYTES;
    line.cache = make_value_cache(1000);
    ck_assert_int_eq(put(line.cache, 1, 1, 1), BRIM_OK);
    crew_do(READERS + 1, handle_role, NULL);
    ck_assert_uint_gt(atomic_load(&line.moved), 0);
    finish(line.cache);
}
END_TEST

/* ---- Two writers by handle: of those who replace the same value one wins ---- */

static struct { brim_cache *cache; brim_key *keys[8]; atomic_uint wins; brim_status said[8]; } duel;

static void duel_role(unsigned id, void *arg)
{
    value *v = value_new(100 + id, 1);

    (void)arg;
    duel.said[id] = brim_key_replace(&duel.keys[id], v, 1);
    if (duel.said[id] == BRIM_OK)
        atomic_fetch_add(&duel.wins, 1);
    else
        value_discard(v);
}

START_TEST(test_g06_one_of_many_replaces_wins)
{
    memset(&duel, 0, sizeof duel);
    duel.cache = make_value_cache(1000);
    for (uint64_t round = 0; round < (uint64_t)SCALED(1000); round++) {
        brim_ref *r = NULL;

        ck_assert_int_eq(put_ref(duel.cache, 1, 1, 1, &r), BRIM_OK);
        for (int i = 0; i < 4; i++)
            duel.keys[i] = brim_ref_key(r);
        brim_release(r);
        atomic_store(&duel.wins, 0);
        crew_do(4, duel_role, NULL);
        ck_assert_uint_eq(atomic_load(&duel.wins), 1);
        for (unsigned i = 0; i < 4; i++) {
            ck_assert_int_eq(duel.said[i], brim_key_is_valid(duel.keys[i]) ? BRIM_OK : BRIM_INVALID);
            if (duel.said[i] == BRIM_OK)
                ck_assert_uint_eq(found_id(duel.cache, 1), 100 + i);
            brim_key_drop(duel.keys[i]);
        }
    }
    finish(duel.cache);
}
END_TEST

/* ---- only_if_absent: one winner, and all others get its value ---- */

static struct { brim_cache *cache; uint64_t key; atomic_uint wins; uint64_t got[8]; } first_come;

static void first_role(unsigned id, void *arg)
{
    brim_entry_options e;
    brim_ref *r = NULL;
    value *v = value_new(id, 1);
    brim_status s;

    (void)arg;
    brim_entry_options_init(&e);
    e.only_if_absent = true;
    s = brim_insert_with(first_come.cache, BRIM_KEY(first_come.key), v, 1, &e, &r);
    EXPECT_MSG(s == BRIM_OK || s == BRIM_EXISTS, "status %d", (int)s);
    if (s == BRIM_OK)
        atomic_fetch_add(&first_come.wins, 1);
    else
        value_discard(v);
    EXPECT(r != NULL);
    first_come.got[id] = r == NULL ? UINT64_MAX : id_of(r);
    brim_release(r);
}

START_TEST(test_g06_only_if_absent_has_one_winner)
{
    memset(&first_come, 0, sizeof first_come);
    first_come.cache = make_value_cache(100000);
    for (int round = 0; round < SCALED(1000); round++) {
        first_come.key++;
        atomic_store(&first_come.wins, 0);
        crew_do(4, first_role, NULL);
        ck_assert_uint_eq(atomic_load(&first_come.wins), 1);
        for (int i = 1; i < 4; i++)
            ck_assert_uint_eq(first_come.got[i], first_come.got[0]);
    }
    finish(first_come.cache);
}
END_TEST

/* ---- What is in stays in while the index grows ---- */

enum { GROWERS = 2, EACH = CHECKING_BUILD ? 20000 : 100000 };
static struct { brim_cache *cache; _Atomic uint64_t done[GROWERS]; atomic_ullong finds; atomic_uint left; } grow;

static void grow_insert(unsigned id)
{
    for (uint64_t i = 0; i < EACH; i++) {
        uint64_t key = i * GROWERS + id;

        EXPECT(brim_insert(grow.cache, BRIM_KEY(key), &grow, 1, NULL) == BRIM_OK);
        atomic_store(&grow.done[id], i + 1);
    }
    atomic_fetch_sub(&grow.left, 1);
}

static void grow_find(unsigned id)
{
    uint64_t state = id + 99, rounds = 0;

    while (atomic_load(&grow.left) > 0 || rounds < 1000) {
        uint64_t x = random_next(&state), who = x % GROWERS, done = atomic_load(&grow.done[who]), key;
        brim_ref *r;

        if (done == 0)
            continue;
        key = ((x >> 8) % 4 == 0 ? done - 1 : (x >> 10) % done) * GROWERS + who;
        r = brim_find(grow.cache, BRIM_KEY(key));
        EXPECT_MSG(r != NULL, "key %llu of %llu missing", (unsigned long long)key, (unsigned long long)done);
        EXPECT(brim_contains(grow.cache, BRIM_KEY(key)));
        brim_release(r);
        rounds++;
    }
    atomic_fetch_add(&grow.finds, rounds);
}

static void grow_role(unsigned id, void *arg)
{
    (void)arg;
    if (id < GROWERS)
        grow_insert(id);
    else
        grow_find(id);
}

START_TEST(test_g06_nothing_is_lost_while_the_index_grows)
{
    brim_options o;

    memset(&grow, 0, sizeof grow);
    atomic_store(&grow.left, GROWERS);
    brim_options_init(&o, 1u << 30);
    o.shards = (unsigned)_i;
    grow.cache = make_cache(&o);
    crew_do(GROWERS + 2, grow_role, NULL);
    ck_assert_uint_eq(brim_count(grow.cache), (size_t)GROWERS * EACH);
    ck_assert_uint_ge(atomic_load(&grow.finds), 2000);
    for (uint64_t key = 0; key < (uint64_t)GROWERS * EACH; key++)
        ck_assert(has(grow.cache, key));
    for (uint64_t key = 0; key < (uint64_t)GROWERS * EACH; key += 2)
        ck_assert(brim_remove(grow.cache, BRIM_KEY(key)));
    for (uint64_t key = 0; key < (uint64_t)GROWERS * EACH; key++)
        ck_assert(has(grow.cache, key) == (key % 2 != 0));
    finish(grow.cache);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("g06");

    tcase_add_loop_test(tc, test_g06_readers_never_miss_and_never_go_back, 0, 4);
    tcase_add_test(tc, test_g06_a_handle_that_misses_was_overtaken);
    tcase_add_test(tc, test_g06_one_of_many_replaces_wins);
    tcase_add_test(tc, test_g06_only_if_absent_has_one_winner);
    tcase_add_loop_test(tc, test_g06_nothing_is_lost_while_the_index_grows, 0, 2);
    return suite_run(tc);
}
