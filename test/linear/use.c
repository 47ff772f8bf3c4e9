/* SPDX-License-Identifier: MIT
 *
 * What a thread does to a key, and how it is recorded.
 */
#include "linear/record.h"

#include <inttypes.h>
#include <string.h>

enum { MANY = 4, HOT_COST = 40, COLD_KEYS = 256, FIRST_COLD = 1000 };

static size_t cost_of(struct worker *w)
{
    return w->round->model == MODEL_EXACT ? 1 : 1 + roll(w, HOT_COST);
}

void name_keep(struct worker *w, uint32_t key, brim_key *handle, uint32_t value)
{
    brim_key_drop(w->names[key].key);
    w->names[key] = (struct named){handle, value};
}

/* ---- Look-ups */

static void use_find(struct worker *w)
{
    struct round *r = w->round;
    uint32_t k = pick_key(w);
    uint64_t key = k;
    struct op *op = op_begin(w, FIND, k, 0);
    brim_ref *ref = brim_find(r->cache, &key, sizeof key);
    uint32_t number = ref != NULL ? value_seen(r, brim_ref_value(ref), k) : NOTHING;

    op_end(w, op, number);
    if (ref != NULL && roll(w, 4) == 0)
        name_keep(w, k, brim_ref_key(ref), number);
    brim_release(ref);
}

/* Half the time a handle is of what is there now: those from before mostly name what has left. */
static const struct named *name_of(struct worker *w, uint32_t k)
{
    uint64_t key = k;
    brim_ref *ref;
    struct op *op;

    if (roll(w, 2) == 0)
        return &w->names[k];
    op = op_begin(w, FIND, k, 0);
    ref = brim_find(w->round->cache, &key, sizeof key);
    op_end(w, op, ref != NULL ? value_seen(w->round, brim_ref_value(ref), k) : NOTHING);
    if (ref != NULL)
        name_keep(w, k, brim_ref_key(ref), op->result);
    brim_release(ref);
    return &w->names[k];
}

/* Different keys. */
static void pick_many(struct worker *w, uint64_t keys[MANY], brim_bytes bytes[MANY])
{
    uint32_t first = pick_key(w);

    for (uint32_t i = 0; i < MANY; i++) {
        keys[i] = (first + i) % w->round->keys;
        bytes[i] = (brim_bytes){&keys[i], sizeof keys[i]};
    }
}

static void use_find_many(struct worker *w)
{
    uint64_t keys[MANY];
    brim_bytes bytes[MANY];
    brim_ref *refs[MANY];
    struct op *ops[MANY];

    pick_many(w, keys, bytes);
    for (int i = 0; i < MANY; i++)
        ops[i] = op_begin(w, FIND, (uint32_t)keys[i], 0);
    (void)brim_find_many(w->round->cache, bytes, MANY, refs);
    for (int i = 0; i < MANY; i++)
        op_end(w, ops[i], ref_seen(w->round, refs[i], (uint32_t)keys[i]));
}

static bool begin_section(struct worker *w)
{
    brim_status s = brim_read_begin(w->round->cache);

    if (s != BRIM_OK)
        problem(w->round, "a section is %s", brim_strerror(s));
    return s == BRIM_OK;
}

static void use_peek(struct worker *w)
{
    struct round *r = w->round;
    uint32_t k = pick_key(w);
    uint64_t key = k;
    const struct value *v;
    struct op *op;

    if (!begin_section(w))
        return;
    op = op_begin(w, FIND, k, 0);
    v = roll(w, 2) == 0 ? brim_peek(r->cache, &key, sizeof key)
                        : brim_ref_value(brim_borrow(r->cache, &key, sizeof key));
    op_end(w, op, v != NULL ? value_seen(r, v, k) : NOTHING);
    if (v != NULL)
        (void)value_seen(r, v, k);
    brim_read_end(r->cache);
}

static void use_peek_many(struct worker *w)
{
    uint64_t keys[MANY];
    brim_bytes bytes[MANY];
    void *values[MANY];
    struct op *ops[MANY];

    if (!begin_section(w))
        return;
    pick_many(w, keys, bytes);
    for (int i = 0; i < MANY; i++)
        ops[i] = op_begin(w, FIND, (uint32_t)keys[i], 0);
    (void)brim_peek_many(w->round->cache, bytes, MANY, values);
    for (int i = 0; i < MANY; i++)
        op_end(w, ops[i], values[i] != NULL ? value_seen(w->round, values[i], (uint32_t)keys[i]) : NOTHING);
    brim_read_end(w->round->cache);
}

static void use_contains(struct worker *w)
{
    uint32_t k = pick_key(w);
    uint64_t key = k;
    struct op *op = op_begin(w, CONTAINS, k, 0);

    op_end(w, op, brim_contains(w->round->cache, &key, sizeof key));
}

/* ---- Inserts and removals */

static void check_refused(struct worker *w, brim_status s)
{
    bool may_be = w->round->model == MODEL_EVICTION && (s == BRIM_FULL || s == BRIM_TOO_BIG);

    if (!may_be)
        problem(w->round, "an insert is %s", brim_strerror(s));
}

static void use_insert(struct worker *w)
{
    struct round *r = w->round;
    uint32_t k = pick_key(w), number = value_number(r);
    uint64_t key = k;
    struct value *v = value_new(r, number, k);
    brim_ref *ref = NULL;
    struct op *op = op_begin(w, INSERT, k, number);
    brim_status s = brim_insert(r->cache, &key, sizeof key, v, cost_of(w), roll(w, 2) == 0 ? &ref : NULL);

    op_end(w, op, s == BRIM_OK ? number : NOTHING);
    if (s != BRIM_OK) {
        check_refused(w, s);
        value_discard(r, v);
    }
    if (ref != NULL && roll(w, 2) == 0)
        name_keep(w, k, brim_ref_key(ref), number);
    brim_release(ref);
}

static void use_add(struct worker *w)
{
    struct round *r = w->round;
    uint32_t k = pick_key(w), number = value_number(r);
    uint64_t key = k;
    struct value *v = value_new(r, number, k);
    brim_entry_options e;
    brim_ref *ref = NULL;
    brim_status s;
    struct op *op;

    brim_entry_options_init(&e);
    e.only_if_absent = true;
    op = op_begin(w, ADD, k, number);
    s = brim_insert_with(r->cache, &key, sizeof key, v, cost_of(w), &e, &ref);
    op_end(w, op, ref_seen(r, ref, k));
    if (s == BRIM_OK && op->result != number)
        problem(r, "an insert gives another value");
    if (s == BRIM_EXISTS && (op->result == number || op->result == NOTHING))
        problem(r, "an insert is EXISTS and gives no other value");
    if (s != BRIM_OK && s != BRIM_EXISTS)
        check_refused(w, s);
    if (s != BRIM_OK)
        value_discard(r, v);
}

static void use_remove(struct worker *w)
{
    uint32_t k = pick_key(w);
    uint64_t key = k;
    struct op *op = op_begin(w, REMOVE, k, 0);

    op_end(w, op, brim_remove(w->round->cache, &key, sizeof key));
}

/* False: it may have been held, and says nothing. */
static void use_remove_if_last(struct worker *w)
{
    struct round *r = w->round;
    uint32_t k = pick_key(w);
    uint64_t key = k;
    brim_ref *ref = brim_find(r->cache, &key, sizeof key);
    uint32_t number;
    struct op *op;

    if (ref == NULL)
        return;
    number = value_seen(r, brim_ref_value(ref), k);
    op = op_begin(w, KEY_REMOVE, k, number);
    if (brim_release_with(ref, BRIM_REMOVE_IF_LAST))
        op_end(w, op, number);
    else
        w->count--;
}

/* ---- By handle */

static void use_key_find(struct worker *w)
{
    uint32_t k = pick_key(w);
    const struct named *n = name_of(w, k);
    struct op *op;

    if (n->key == NULL)
        return;
    if (roll(w, 4) == 0) {
        op = op_begin(w, KEY_VALID, k, n->value);
        op_end(w, op, brim_key_is_valid(n->key) ? n->value : NOTHING);
    } else if (w->round->borrow && roll(w, 2) == 0) {
        const struct value *v;

        if (!begin_section(w))
            return;
        op = op_begin(w, KEY_FIND, k, n->value);
        v = brim_key_peek(n->key);
        op_end(w, op, v != NULL ? value_seen(w->round, v, k) : NOTHING);
        brim_read_end(w->round->cache);
    } else {
        op = op_begin(w, KEY_FIND, k, n->value);
        op_end(w, op, ref_seen(w->round, brim_key_find(n->key), k));
    }
}

static void use_key_replace(struct worker *w)
{
    struct round *r = w->round;
    uint32_t k = pick_key(w), number;
    struct named *n = &w->names[k];
    struct value *v;
    struct op *op;
    brim_status s;

    if (name_of(w, k)->key == NULL)
        return;
    number = value_number(r);
    v = value_new(r, number, k);
    op = op_begin(w, KEY_REPLACE, k, n->value);
    op->b = number;
    s = brim_key_replace(&n->key, v, cost_of(w));
    op_end(w, op, s == BRIM_OK ? number : s == BRIM_INVALID ? NOTHING : n->value);
    if (s == BRIM_OK) {
        n->value = number;
        return;
    }
    if (s != BRIM_INVALID)
        check_refused(w, s);
    value_discard(r, v);
}

static void use_key_remove(struct worker *w)
{
    uint32_t k = pick_key(w);
    const struct named *n = name_of(w, k);
    struct op *op;

    if (n->key == NULL)
        return;
    op = op_begin(w, KEY_REMOVE, k, n->value);
    op_end(w, op, brim_key_remove(n->key) ? n->value : NOTHING);
}

/* ---- Slots */

static void use_slot_find(struct worker *w)
{
    uint32_t k = pick_key(w);
    struct op *op = op_begin(w, SLOT_FIND, k, 0);

    op_end(w, op, ref_seen(w->round, brim_slot_find(&w->round->slots[k]), k));
}

static void use_slot_exchange(struct worker *w)
{
    uint32_t k = pick_key(w);
    const struct named *n = name_of(w, k);
    brim_key *out;
    struct op *op;

    if (n->key == NULL)
        return;
    handle_keep(w->round, n);
    op = op_begin(w, SLOT_EXCHANGE, k, n->value);
    out = brim_slot_exchange(&w->round->slots[k], brim_key_copy(n->key));
    op_end(w, op, handle_value(w->round, out));
    brim_key_drop(out);
}

/* What is in it is loaded, and mostly replaced by something else. */
static void use_slot_swap(struct worker *w)
{
    struct round *r = w->round;
    uint32_t k = pick_key(w);
    const struct named *n = name_of(w, k);
    struct op *op = op_begin(w, SLOT_LOAD, k, 0);
    brim_key *loaded = brim_slot_load(&r->slots[k]);

    op_end(w, op, handle_value(r, loaded));
    if (n->key != NULL) {
        brim_key *copy = brim_key_copy(n->key);
        bool done;

        handle_keep(r, n);
        op = op_begin(w, SLOT_SWAP, k, op->result);
        op->b = n->value;
        done = brim_slot_compare_exchange(&r->slots[k], loaded, copy);
        op_end(w, op, done);
        if (!done)
            brim_key_drop(copy);
    }
    brim_key_drop(loaded);
}

/*
 * Values without bytes, each put into the slot once and then removed, mostly when it has been taken out again: so the
 * slot is never without one that is there, and whoever misses must have missed one that was removed in it.
 */
static void use_renew(struct worker *w)
{
    struct round *r = w->round;
    uint32_t k = r->keys;
    struct named n = {NULL, value_number(r)};
    struct value *v;
    brim_key *gone;
    struct op *op;
    brim_status s;

    if (r->clears)
        return;
    v = value_new(r, n.value, k);
    s = brim_insert_anonymous(r->cache, v, cost_of(w), NULL, &n.key, NULL);
    if (s != BRIM_OK) {
        check_refused(w, s);
        value_discard(r, v);
        return;
    }
    handle_keep(r, &n);
    op = op_begin(w, SLOT_RENEW, k, n.value);
    gone = brim_slot_exchange(&r->slots[k], brim_key_copy(n.key));
    op_end(w, op, handle_value(r, gone));
    if (roll(w, 8) == 0)
        brim_key_assign(&gone, n.key);
    brim_key_drop(n.key);
    op = op_begin(w, SLOT_REMOVE, k, handle_value(r, gone));
    (void)brim_key_remove(gone);
    op_end(w, op, 0);
    brim_key_drop(gone);
}

static void use_renewed(struct worker *w)
{
    struct round *r = w->round;
    uint32_t k = r->keys;
    struct op *op;

    if (r->clears)
        return;
    op = op_begin(w, SLOT_FIND, k, 0);
    op_end(w, op, ref_seen(r, brim_slot_find(&r->slots[k]), k));
}

/* ---- All keys at once */

static void use_clear(struct worker *w)
{
    struct op *first = &w->op[w->count];
    size_t n = 2 * w->round->keys;

    if (!w->round->clears)
        return;
    for (uint32_t k = 0; k < w->round->keys; k++) {
        (void)op_begin(w, CLEAR, k, 0);
        (void)op_begin(w, CLEAR_LOAD, k, 0);
    }
    brim_clear(w->round->cache);
    for (size_t i = 0; i < n; i++)
        op_end(w, &first[i], 0);
}

struct walk {
    struct worker *w;
    struct op *seen[MAX_KEYS], *removal;
    uint32_t wanted;
};

/* A walk is one look at each key, at some time before it shows the entry. */
static uint32_t walk_see(struct walk *walk, const brim_ref *lent)
{
    const struct value *v = brim_ref_value(lent);
    struct op *op;

    if (v->key >= walk->w->round->keys)
        return UINT32_MAX;
    op = walk->seen[v->key];
    if (op->returned != 0) {
        problem(walk->w->round, "a walk shows key %" PRIu32 " twice", v->key);
        return UINT32_MAX;
    }
    op_end(walk->w, op, value_seen(walk->w->round, v, v->key));
    return v->key;
}

static bool walk_visit(brim_ref *lent, void *arg)
{
    (void)walk_see(arg, lent);
    return true;
}

static bool walk_ask(brim_ref *lent, void *arg)
{
    struct walk *walk = arg;
    uint32_t k = walk_see(walk, lent);

    if (k == walk->wanted)
        walk->removal = op_begin(walk->w, KEY_REMOVE, k, walk->seen[k]->result);
    return k == walk->wanted;
}

static void walk_end(struct walk *walk)
{
    for (uint32_t k = 0; k < walk->w->round->keys; k++)
        if (walk->seen[k]->returned == 0)
            op_end(walk->w, walk->seen[k], NOTHING);
}

static void use_walk(struct worker *w)
{
    struct walk walk = {.w = w, .wanted = pick_key(w)};

    for (uint32_t k = 0; k < w->round->keys; k++)
        walk.seen[k] = op_begin(w, FIND, k, 0);
    if (roll(w, 2) == 0) {
        (void)brim_for_each(w->round->cache, walk_visit, &walk);
    } else {
        size_t removed = brim_remove_if(w->round->cache, walk_ask, &walk);

        if (walk.removal != NULL)
            op_end(w, walk.removal, removed != 0 ? walk.removal->a : NOTHING);
    }
    walk_end(&walk);
}

/* ---- What makes others leave, and indexes grow and shrink; it is not recorded */

/* Two who lower it at once both need room for the difference: where nothing may be evicted it is small. */
static void use_capacity(struct worker *w)
{
    struct round *r = w->round;
    size_t less = r->model == MODEL_EXACT ? 4096 : r->capacity / 2;

    (void)brim_set_capacity(r->cache, r->capacity - roll(w, 2) * less);
}

static void use_room(struct worker *w)
{
    struct round *r = w->round;
    uint64_t key = FIRST_COLD + roll(w, COLD_KEYS);
    struct value *v;

    if (roll(w, 16) == 0)
        use_capacity(w);
    if ((w->count >> 9) % 2 != 0) {
        (void)brim_remove(r->cache, &key, sizeof key);
        return;
    }
    if (r->model == MODEL_EVICTION && roll(w, 32) == 0)
        (void)brim_trim(r->cache, r->capacity / 4);
    v = value_new(r, value_number(r), (uint32_t)key);
    if (brim_insert(r->cache, &key, sizeof key, v, HOT_COST, NULL) != BRIM_OK)
        value_discard(r, v);
}

/* ---- Something */

static const struct {
    void (*use)(struct worker *);
    unsigned weight;
    bool borrows;
} uses[] = {
    {use_find, 100, false},       {use_find_many, 20, false},
    {use_peek, 60, true},         {use_peek_many, 15, true},
    {use_contains, 30, false},    {use_insert, 40, false},
    {use_add, 30, false},         {use_remove, 25, false},
    {use_key_find, 60, false},    {use_remove_if_last, 15, false},
    {use_key_replace, 40, false}, {use_key_remove, 15, false},
    {use_slot_find, 60, false},   {use_slot_exchange, 40, false},
    {use_slot_swap, 20, false},   {use_clear, 2, false},
    {use_walk, 4, false},         {use_room, 60, false},
    {use_load, 150, false},       {use_renew, 20, false},
    {use_renewed, 30, false},
};
enum { USES = sizeof uses / sizeof uses[0] };

void use_something(struct worker *w)
{
    uint32_t sum = 0, n;
    int i = 0;

    for (int j = 0; j < USES; j++)
        sum += uses[j].weight;
    for (n = roll(w, sum); n >= uses[i].weight; i++)
        n -= uses[i].weight;
    if (!uses[i].borrows || w->round->borrow)
        uses[i].use(w);
    if (w->load_count > 0 && roll(w, 3) == 0)
        end_load(w);
}
