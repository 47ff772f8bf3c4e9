/* SPDX-License-Identifier: MIT
 *
 * G8: a key never resolves to another value than the one it was issued for; handles are shared by threads; slots are atomic.
 */
#include "support/support.h"

static brim_key *key_of(brim_cache *c, uint64_t key, uint64_t id)
{
    brim_ref *r = NULL;
    brim_key *k;

    ck_assert_int_eq(put_ref(c, key, id, 1, &r), BRIM_OK);
    k = brim_ref_key(r);
    ck_assert_ptr_nonnull(k);
    brim_release(r);
    return k;
}

static void key_finds(brim_key *k, uint64_t id)
{
    brim_ref *r = brim_key_find(k);

    ck_assert_ptr_nonnull(r);
    ck_assert_uint_eq(id_of(r), id);
    ck_assert(brim_key_is_valid(k));
    brim_release(r);
}

static void key_misses(brim_key *k)
{
    ck_assert_ptr_null(brim_key_find(k));
    ck_assert(!brim_key_is_valid(k));
    ck_assert(!brim_key_remove(k));
}

START_TEST(test_g08_a_key_never_names_another_value)
{
    brim_cache *c = make_value_cache(1000);
    brim_key *keys[50];
    uint64_t key = 1;

    for (uint64_t i = 0; i < 50; i++) {
        keys[i] = key_of(c, key, i);
        key_finds(keys[i], i);
        for (uint64_t j = 0; j < i; j++) {
            key_misses(keys[j]);
            ck_assert(!brim_key_equal(keys[i], keys[j]));
        }
        if (i % 3 == 0)
            ck_assert(brim_remove(c, BRIM_KEY(key)));
        if (i % 3 == 1)
            brim_clear(c);
        if (i % 3 != 2)
            key_misses(keys[i]);
    }
    for (int i = 0; i < 50; i++)
        brim_key_drop(keys[i]);
    finish(c);
}
END_TEST

START_TEST(test_g08_every_way_to_leave_ends_validity)
{
    brim_cache *c = make_value_cache(100);
    brim_key *k, *copy;
    brim_ref *r;
    uint64_t key = 1;

    k = key_of(c, key, 1);
    ck_assert(brim_key_remove(k));
    key_misses(k);
    brim_key_drop(k);
    k = key_of(c, key, 1);
    (void)brim_trim(c, 0);
    key_misses(k);
    brim_key_drop(k);
    k = key_of(c, key, 1);
    ck_assert_int_eq(brim_set_capacity(c, 0), BRIM_OK);
    key_misses(k);
    brim_key_drop(k);
    ck_assert_int_eq(brim_set_capacity(c, 100), BRIM_OK);
    k = key_of(c, key, 1);
    copy = brim_key_copy(k);
    ck_assert_int_eq(brim_key_replace(&k, value_new(2, 1), 1), BRIM_OK);
    key_misses(copy);
    key_finds(k, 2);
    ck_assert(!brim_key_equal(k, copy));
    brim_key_drop(copy);
    r = brim_key_find(k);
    ck_assert(brim_release_with(r, BRIM_REMOVE_IF_LAST));
    key_misses(k);
    brim_key_drop(k);
    k = key_of(c, key, 1);
    ck_assert_int_eq(put(c, 2, 2, 100), BRIM_OK);
    key_misses(k);
    brim_key_drop(k);
    k = key_of(c, key, 1);
    r = brim_key_find(k);
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    key_misses(k);                      /* also while its value is held */
    brim_release(r);
    key_misses(k);
    brim_key_drop(k);
    finish(c);
}
END_TEST

START_TEST(test_g08_the_last_key_keeps_no_value)
{
    brim_cache *c = make_value_cache(100);
    brim_key *k = key_of(c, 1, 1), *copy = brim_key_copy(k);
    uint64_t key = 1;

    brim_key_drop(k);
    ck_assert(brim_remove(c, BRIM_KEY(key)));
    ck_assert_uint_eq(values_live(), 0);
    ck_assert_uint_eq(brim_used(c), 0);
    key_misses(copy);
    brim_key_drop(copy);
    finish(c);
}
END_TEST

/* ---- Copies and drops from many threads, while the entry comes and goes ---- */

static struct { brim_cache *cache; brim_key *key; brim_ref *ref; atomic_bool stop; atomic_ullong hits, misses; atomic_uint left; } shared;

static void copy_role(unsigned id, void *arg)
{
    bool invalid = false;

    (void)arg;
    for (int i = 0; i < SCALED(40000); i++) {
        brim_key *k = brim_key_copy(shared.key), *mine = NULL;
        brim_ref *r;
        bool was = invalid;

        brim_key_assign(&mine, k);
        brim_key_drop(k);
        k = NULL;
        brim_key_swap(&mine, &k);
        EXPECT(mine == NULL);
        EXPECT(brim_key_equal(k, shared.key));
        r = brim_key_find(k);
        if (r != NULL) {
            EXPECT(id_of(r) == 1);
            EXPECT(!was);
            atomic_fetch_add(&shared.hits, 1);
        } else {
            atomic_fetch_add(&shared.misses, 1);
            invalid = true;
        }
        if (brim_key_is_valid(k))
            EXPECT(!invalid);
        else
            invalid = true;
        brim_release(r);
        r = brim_ref_copy(shared.ref);
        EXPECT(id_of(r) == 2);
        brim_release(r);
        brim_key_drop(k);
        if (id == 0 && i == SCALED(20000)) {
            uint64_t key = 1;

            EXPECT(brim_remove(shared.cache, BRIM_KEY(key)));
        }
        if (id == 0 && i > SCALED(20000) && i % 8 == 0)
            EXPECT(put(shared.cache, 1, 3, 1) == BRIM_OK);
    }
}

START_TEST(test_g08_handles_are_copied_and_dropped_by_many_threads)
{
    memset(&shared, 0, sizeof shared);
    shared.cache = make_value_cache(100000);
    shared.key = key_of(shared.cache, 1, 1);
    ck_assert_int_eq(put_ref(shared.cache, 2, 2, 1, &shared.ref), BRIM_OK);
    crew_do(4, copy_role, NULL);
    ck_assert_uint_gt(atomic_load(&shared.hits), 0);
    ck_assert_uint_gt(atomic_load(&shared.misses), 0);
    brim_key_drop(shared.key);
    brim_release(shared.ref);
    ck_assert_uint_eq(brim_pinned(shared.cache), 0);
    finish(shared.cache);
}
END_TEST

/* ---- Slots ---- */

enum { TOKENS = 12, SLOTS = 3, HANDS = 4 };
static struct { brim_cache *cache; brim_slot slots[SLOTS]; brim_key *hands[HANDS][2]; atomic_ullong swaps, finds, failed; } game;

static void play(unsigned id, void *arg)
{
    uint64_t state = id + 3;

    (void)arg;
    for (int i = 0; i < SCALED(60000); i++) {
        uint64_t x = random_next(&state);
        brim_slot *slot = &game.slots[x % SLOTS];
        brim_key **hand = &game.hands[id][(x >> 8) % 2], *seen;
        brim_ref *r;

        switch ((x >> 16) % 4) {
        case 0:
            *hand = brim_slot_exchange(slot, *hand);
            atomic_fetch_add(&game.swaps, 1);
            break;
        case 1:                         /* take what is there, if it still is; the hand's own goes in */
            seen = brim_slot_load(slot);
            if (brim_slot_compare_exchange(slot, seen, *hand)) {
                *hand = seen;           /* the load's count; the slot has dropped its own */
                atomic_fetch_add(&game.swaps, 1);
            } else {
                brim_key_drop(seen);
                atomic_fetch_add(&game.failed, 1);
            }
            break;
        case 2:
            r = brim_slot_find(slot);
            if (r != NULL) {
                EXPECT(id_of(r) < TOKENS);
                atomic_fetch_add(&game.finds, 1);
            }
            brim_release(r);
            break;
        default:
            seen = brim_slot_load(slot);
            EXPECT(seen == NULL || brim_key_is_valid(seen));
            brim_key_drop(seen);
            break;
        }
    }
}

static void count_token(brim_key *k, unsigned *counts)
{
    brim_ref *r = brim_key_find(k);

    if (k == NULL)
        return;
    ck_assert_ptr_nonnull(r);
    counts[id_of(r)]++;
    brim_release(r);
    brim_key_drop(k);
}

START_TEST(test_g08_slots_conserve_tokens)
{
    unsigned counts[TOKENS] = { 0 }, next = 0;
    brim_key *k;

    memset(&game, 0, sizeof game);
    game.cache = make_value_cache(1000);
    for (unsigned i = 0; i < SLOTS + 2 * HANDS; i++) {
        ck_assert_int_eq(brim_insert_anonymous(game.cache, value_new(next, 1), 1, NULL, &k, NULL), BRIM_OK);
        next++;
        if (i < SLOTS)
            brim_slot_init(&game.slots[i], k);
        else if (i == SLOTS)            /* one hand stays empty */
            brim_slot_store(&game.slots[0], k);
        else
            game.hands[(i - SLOTS) / 2][(i - SLOTS) % 2] = k;
    }
    crew_do(HANDS, play, NULL);
    ck_assert_uint_gt(atomic_load(&game.swaps), 100);
    ck_assert_uint_gt(atomic_load(&game.finds), 100);
    for (int i = 0; i < SLOTS; i++)
        count_token(brim_slot_exchange(&game.slots[i], NULL), counts);
    for (int i = 0; i < 2 * HANDS; i++)
        count_token(game.hands[i / 2][i % 2], counts);
    ck_assert_uint_eq(counts[0], 0);    /* overwritten by the store */
    for (unsigned i = 1; i < next; i++)
        ck_assert_uint_eq(counts[i], 1);
    finish(game.cache);
}
END_TEST

/* ---- A slot's key is dropped by one thread while others load it ---- */

static struct { brim_cache *cache; brim_slot slot; atomic_bool stop; atomic_ullong loads; } turnover;

static void turnover_role(unsigned id, void *arg)
{
    (void)arg;
    if (id == 0) {
        for (uint64_t i = 0; i < (uint64_t)SCALED(60000); i++) {
            brim_key *k = NULL;

            EXPECT(brim_insert_anonymous(turnover.cache, value_new(i, 1), 1, NULL, &k, NULL) == BRIM_OK);
            brim_slot_store(&turnover.slot, i % 16 == 0 ? NULL : brim_key_copy(k));
            if (i % 2 == 0)
                (void)brim_key_remove(k);
            brim_key_drop(k);
        }
        while (atomic_load(&turnover.loads) < 100)
            ;
        atomic_store(&turnover.stop, true);
        return;
    }
    while (!atomic_load(&turnover.stop)) {
        brim_key *k = brim_slot_load(&turnover.slot);
        brim_ref *r = brim_key_find(k), *s;

        if (r != NULL) {
            EXPECT(brim_ref_value(r) != NULL);
            s = brim_slot_find(&turnover.slot);
            if (s != NULL)
                EXPECT(id_of(s) >= id_of(r));
            brim_release(s);
        }
        brim_release(r);
        brim_key_drop(k);
        atomic_fetch_add(&turnover.loads, 1);
    }
}

START_TEST(test_g08_a_slot_is_loaded_while_its_key_is_dropped)
{
    memset(&turnover, 0, sizeof turnover);
    turnover.cache = make_value_cache(50);
    crew_do(4, turnover_role, NULL);
    brim_slot_store(&turnover.slot, NULL);
    finish(turnover.cache);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("g08");

    tcase_add_test(tc, test_g08_a_key_never_names_another_value);
    tcase_add_test(tc, test_g08_every_way_to_leave_ends_validity);
    tcase_add_test(tc, test_g08_the_last_key_keeps_no_value);
    tcase_add_test(tc, test_g08_handles_are_copied_and_dropped_by_many_threads);
    tcase_add_test(tc, test_g08_slots_conserve_tokens);
    tcase_add_test(tc, test_g08_a_slot_is_loaded_while_its_key_is_dropped);
    return suite_run(tc);
}
