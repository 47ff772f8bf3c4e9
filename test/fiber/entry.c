/* SPDX-License-Identifier: MIT
 *
 * The life of entries: refs, keys and a slot of two keys' values, while they are evicted, removed and replaced.  A
 * ref's value stays whole (G2), each is destroyed once (G3), a key finds the value that it was issued for and no
 * other (G8).
 *
 * plant: entry_release_relaxed
 * plant: entry_die_relaxed
 * plant: entry_hold_unchecked
 * plant: entry_key_of_freed
 */
#include "fiber/small.h"

enum { KEYS = 2, CAPACITY = 4, OPERATIONS = 4 };
enum { FOUND, MISSED, EVICTED, REPLACED, REMOVED, BY_KEY, KEY_LEFT, KEY_REPLACED, FROM_SLOT, SLOT_CHANGED, LAST };

static brim_slot slot;

/* A key, and the value that it was issued for. */
struct held {
    brim_key *key;
    unsigned of, number;
    bool left; /* it has been seen not to be valid */
};

static void before(void)
{
    brim_options o;
    brim_ref *ref;

    small_options(&o, CAPACITY);
    small_begin(&o);
    expect(small_insert(0, 1, &ref) == BRIM_OK);
    brim_slot_init(&slot, brim_ref_key(ref));
    brim_release(ref);
    expect(small_insert(1, 1, NULL) == BRIM_OK);
}

static void take_key(struct held *h, brim_ref *ref, unsigned key)
{
    brim_key_drop(h->key);
    *h = (struct held){brim_ref_key(ref), key, small_look_at(ref, key), false};
}

/* One more operation while ${ref} is held. */
static void use(brim_ref *ref, unsigned key, struct held *h)
{
    unsigned number = small_look_at(ref, key);

    if (fiber_random(2) == 0)
        take_key(h, ref, key);
    if (fiber_random(4) == 0)
        (void)brim_remove(small_cache, BRIM_KEY(key));
    expect(small_look_at(ref, key) == number);
    if (fiber_random(3) == 0) {
        if (brim_release_with(ref, BRIM_REMOVE_IF_LAST))
            fiber_saw(LAST);
    } else {
        brim_release(ref);
    }
}

static void find(unsigned key, struct held *h)
{
    brim_ref *ref = small_find(key);

    fiber_saw(ref != NULL ? FOUND : MISSED);
    if (ref != NULL)
        use(ref, key, h);
}

static void insert(unsigned key, size_t cost, struct held *h)
{
    brim_ref *ref;

    if (small_insert(key, cost, &ref) == BRIM_OK)
        use(ref, key, h);
}

static void find_by_key(struct held *h)
{
    bool valid = brim_key_is_valid(h->key);
    brim_ref *ref = brim_key_find(h->key);

    expect(!h->left || (!valid && ref == NULL));
    h->left = h->key != NULL && (!valid || ref == NULL);
    if (h->left)
        fiber_saw(KEY_LEFT);
    if (ref != NULL) {
        fiber_saw(BY_KEY);
        expect(small_look_at(ref, h->of) == h->number);
        brim_release(ref);
    }
}

static void replace_by_key(struct held *h)
{
    struct small_value *v;

    if (h->key == NULL)
        return;
    v = small_value(h->of, 1);
    if (brim_key_replace(&h->key, v, v->cost) != BRIM_OK) {
        small_refused(v);
        return;
    }
    fiber_saw(KEY_REPLACED);
    brim_key_drop(h->key); /* the value may have gone by now, and its number is not known */
    h->key = NULL;
}

static void look_into_slot(void)
{
    brim_ref *ref = brim_slot_find(&slot);
    brim_key *key;
    size_t len;

    if (ref != NULL) {
        fiber_saw(FROM_SLOT);
        (void)small_look_at(ref, *(const unsigned *)brim_ref_key_bytes(ref, &len));
        brim_release(ref);
    }
    key = brim_slot_load(&slot);
    if (key != NULL)
        expect(*(const unsigned *)brim_key_bytes(key, &len) < KEYS);
    if (key != NULL && fiber_random(2) == 0 && brim_slot_compare_exchange(&slot, key, NULL))
        fiber_saw(SLOT_CHANGED);
    brim_key_drop(key);
}

static void thread(unsigned i)
{
    struct held h = {0};

    (void)i;
    for (int n = 0; n < OPERATIONS; n++) {
        unsigned key = fiber_random(KEYS);

        switch (fiber_random(8)) {
        case 0: insert(key, 1 + fiber_random(2), &h); break;
        case 1: insert(key, CAPACITY, &h); break;
        case 2: (void)brim_key_remove(h.key); break;
        case 3: find_by_key(&h); break;
        case 4: replace_by_key(&h); break;
        case 5: look_into_slot(); break;
        case 6: brim_slot_store(&slot, brim_key_copy(h.key)); break;
        default: find(key, &h); break;
        }
    }
    find_by_key(&h);
    brim_key_drop(h.key);
}

static void after(void)
{
    if (small_left(BRIM_EVICTED) > 0)
        fiber_saw(EVICTED);
    if (small_left(BRIM_REPLACED) > 0)
        fiber_saw(REPLACED);
    if (small_left(BRIM_REMOVED) > 0)
        fiber_saw(REMOVED);
    brim_slot_store(&slot, NULL);
    small_end();
}

int main(int argc, char **argv)
{
    static const struct fiber_harness harness = {
        3, before, thread, after,
        {"found", "missed", "evicted", "replaced", "removed", "found by its key", "key of what has left",
         "replaced by its key", "found through the slot", "slot emptied", "removed by its last ref"}};

    return fiber_main(argc, argv, &harness);
}
