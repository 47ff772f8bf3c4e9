/* SPDX-License-Identifier: MIT
 *
 * What tests of groups, ages and frames share: a listener that counts, every way to look entries up, and the writes
 * that sweep what is stale.
 */
#ifndef TEST_STALE_H
#define TEST_STALE_H
#include "support.h"

/* ---- A listener that counts what left, by cause and by the value's id */

enum { LEFT_IDS = 8192 };

static struct {
    atomic_uint causes[7], total, nulls, ids[LEFT_IDS];
} left;

static inline void left_removed(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    (void)key, (void)len, (void)cost, (void)arg;
    EXPECT((unsigned)cause < 7);
    atomic_fetch_add(&left.causes[cause], 1);
    atomic_fetch_add(&left.total, 1);
    if (v == NULL)
        atomic_fetch_add(&left.nulls, 1);
    else if (((value *)v)->id < LEFT_IDS)
        atomic_fetch_add(&left.ids[((value *)v)->id], 1);
}

static const brim_kind left_kind = {
    .size = sizeof(brim_kind), .name = "left", .destroy = value_destroy, .removed = left_removed};

static inline brim_options left_options(size_t capacity, unsigned shards)
{
    brim_options o = value_options(capacity);

    memset(&left, 0, sizeof left);
    o.kind = &left_kind;
    o.shards = shards;
    return o;
}

static inline unsigned left_by(brim_cause cause)
{
    return atomic_load(&left.causes[cause]);
}

/* ---- Inserts */

static inline brim_status put_with(brim_cache *c, uint64_t key, uint64_t id, size_t cost, const brim_entry_options *e,
                                   brim_ref **out)
{
    value *v = value_new(id, cost);
    brim_status s = brim_insert_with(c, BRIM_KEY(key), v, cost, e, out);

    if (s != BRIM_OK)
        value_discard(v);
    return s;
}

/* Keys and ids [${first}, ${first} + ${n}), each of cost 1. */
static inline void put_range(brim_cache *c, uint64_t first, uint64_t n, const brim_entry_options *e)
{
    for (uint64_t i = first; i < first + n; i++)
        EXPECT(put_with(c, i, i, 1, e, NULL) == BRIM_OK);
}

static inline unsigned count_range(brim_cache *c, uint64_t first, uint64_t n) /* quiet */
{
    unsigned found = 0;

    for (uint64_t i = first; i < first + n; i++)
        found += has(c, i);
    return found;
}

static inline unsigned find_range(brim_cache *c, uint64_t first, uint64_t n) /* and so uses them */
{
    unsigned found = 0;

    for (uint64_t i = first; i < first + n; i++)
        found += found_id(c, i) == i;
    return found;
}

/* ---- Sweeping by writes, whose own values cost nothing and need no destruction */

enum { SWEEP_AT_MOST = 64, WRITES_AT_MOST = 20000 };

static inline void write_once(brim_cache *c, uint64_t i)
{
    static const brim_kind inert = {.size = sizeof(brim_kind)};
    uint64_t key = UINT64_C(1) << 40 | i % 64;
    brim_entry_options e;

    brim_entry_options_init(&e);
    e.kind = &inert;
    EXPECT(brim_insert_with(c, BRIM_KEY(key), &left, 0, &e, NULL) == BRIM_OK);
}

/* Until no more than ${live} values are; expects that none sweeps more than it may. Returns the writes. */
static inline unsigned write_until(brim_cache *c, size_t live)
{
    unsigned n = 0;

    for (; values_live() > live && n < WRITES_AT_MOST; n++) {
        size_t before = values_live();

        write_once(c, n);
        EXPECT_MSG(before - values_live() <= SWEEP_AT_MOST, "a write swept %zu", before - values_live());
    }
    EXPECT_MSG(values_live() <= live, "%zu values are left after %u writes", values_live(), n);
    return n;
}

/* ---- Every way to look an entry up; the cache is one with sections */

typedef enum look_how {
    LOOK_FIND,
    LOOK_FIND_MANY,
    LOOK_FIND_FIXED,
    LOOK_KEY_FIND,
    LOOK_KEY_FIND_MANY,
    LOOK_SLOT_FIND,
    LOOK_PEEK,
    LOOK_KEY_PEEK,
    LOOK_PEEK_MANY,
    LOOK_PEEK_FIXED,
    LOOK_BORROW,
    LOOK_GET,
    LOOK_KEY_GET,
    LOOK_CLAIM,
    LOOK_CLAIM_MANY,
    LOOK_CLAIM_ASYNC,
    LOOK_USES, /* those above count as uses, those below do not */
    LOOK_CONTAINS = LOOK_USES,
    LOOK_KEY_IS_VALID,
    LOOK_FOR_EACH,
    LOOK_REMOVE_IF,
    LOOK_REF_IS_CACHED, /* only of what is held */
    LOOKS
} look_how;

enum { LOOKED = 8 };

typedef struct looked {
    brim_cache *cache;
    uint64_t first; /* keys and ids are first + i */
    brim_key *keys[LOOKED];
    brim_slot slots[LOOKED];
    brim_ref *held[LOOKED]; /* NULL: not held */
    unsigned hits;
} looked;

/* Insert them, each of cost 1; with ${hold} keep a ref to each. */
static inline void look_start(looked *l, brim_cache *c, uint64_t first, const brim_entry_options *e, bool hold)
{
    memset(l, 0, sizeof *l);
    l->cache = c;
    l->first = first;
    for (uint64_t i = 0; i < LOOKED; i++) {
        brim_ref *r = NULL;

        EXPECT(put_with(c, first + i, first + i, 1, e, &r) == BRIM_OK);
        l->keys[i] = brim_ref_key(r);
        brim_slot_init(&l->slots[i], brim_ref_key(r));
        if (hold)
            l->held[i] = r;
        else
            brim_release(r);
    }
}

static inline void look_end(looked *l)
{
    for (int i = 0; i < LOOKED; i++) {
        brim_key_drop(l->keys[i]);
        brim_slot_store(&l->slots[i], NULL);
        brim_release(l->held[i]);
    }
}

static inline bool look_is(const looked *l, uint64_t i, const void *v)
{
    return v != NULL && value_alive(v, l->first + i);
}

static inline unsigned look_took(const looked *l, uint64_t i, brim_ref *r)
{
    if (r == NULL)
        return 0;
    EXPECT(look_is(l, i, brim_ref_value(r)));
    brim_release(r);
    return 1;
}

static inline unsigned look_lent(const looked *l, uint64_t i, const void *v)
{
    EXPECT(v == NULL || look_is(l, i, v));
    return v != NULL;
}

static inline bool look_visit(brim_ref *r, void *arg)
{
    looked *l = arg;
    size_t len = 0;
    const void *bytes = brim_ref_key_bytes(r, &len);
    uint64_t key = 0;

    if (bytes != NULL && len == sizeof key)
        memcpy(&key, bytes, sizeof key);
    l->hits += key >= l->first && key < l->first + LOOKED;
    return true;
}

static inline bool look_judge(brim_ref *r, void *arg)
{
    (void)look_visit(r, arg);
    return false;
}

static inline brim_status look_loader(const void *key, size_t len, void *arg, void **v, size_t *cost)
{
    (void)key, (void)len, (void)arg, (void)v, (void)cost;
    return BRIM_FAILED;
}

static inline void look_done(brim_ref *r, int reason, void *arg)
{
    (void)reason, (void)arg;
    brim_release(r);
    EXPECT(r == NULL); /* nobody else loads */
}

static inline unsigned look_claimed(const looked *l, uint64_t i, brim_status s, brim_ref *r, brim_load *load)
{
    EXPECT_MSG(s == BRIM_OK || s == BRIM_CLAIMED, "claimed with status %d", (int)s);
    EXPECT((s == BRIM_OK) == (r != NULL));
    EXPECT((s == BRIM_CLAIMED) == (load != NULL));
    brim_load_fail(load, 1);
    return look_took(l, i, r);
}

static inline unsigned look_get(looked *l, look_how how, uint64_t i)
{
    uint64_t key = l->first + i;
    brim_ref *r = NULL;
    brim_status s = how == LOOK_GET ? brim_get(l->cache, BRIM_KEY(key), look_loader, NULL, &r)
                                    : brim_key_get(&l->keys[i], look_loader, NULL, &r);

    EXPECT_MSG(s == (r != NULL ? BRIM_OK : BRIM_FAILED), "got with status %d", (int)s);
    return look_took(l, i, r);
}

static inline unsigned look_one(looked *l, look_how how, uint64_t i)
{
    uint64_t key = l->first + i;
    brim_ref *r = NULL;
    brim_load *load = NULL;
    brim_status s;

    switch (how) {
    case LOOK_FIND: return look_took(l, i, brim_find(l->cache, BRIM_KEY(key)));
    case LOOK_KEY_FIND: return look_took(l, i, brim_key_find(l->keys[i]));
    case LOOK_SLOT_FIND: return look_took(l, i, brim_slot_find(&l->slots[i]));
    case LOOK_PEEK: return look_lent(l, i, brim_peek(l->cache, BRIM_KEY(key)));
    case LOOK_KEY_PEEK: return look_lent(l, i, brim_key_peek(l->keys[i]));
    case LOOK_BORROW: return look_lent(l, i, brim_ref_value(brim_borrow(l->cache, BRIM_KEY(key))));
    case LOOK_GET:
    case LOOK_KEY_GET: return look_get(l, how, i);
    case LOOK_CLAIM:
        s = brim_claim(l->cache, BRIM_KEY(key), 0, &r, &load);
        return look_claimed(l, i, s, r, load);
    case LOOK_CLAIM_ASYNC:
        s = brim_claim_async(l->cache, BRIM_KEY(key), NULL, look_done, NULL, &r, &load, NULL);
        return look_claimed(l, i, s, r, load);
    case LOOK_CONTAINS: return has(l->cache, key);
    case LOOK_KEY_IS_VALID: return brim_key_is_valid(l->keys[i]);
    case LOOK_REF_IS_CACHED:
        EXPECT(l->held[i] != NULL);
        return brim_ref_is_cached(l->held[i]);
    default: EXPECT(false); return 0;
    }
}

static inline unsigned look_at_each(looked *l, look_how how)
{
    unsigned hits = 0;

    for (uint64_t i = 0; i < LOOKED; i++)
        hits += look_one(l, how, i);
    return hits;
}

static inline unsigned look_at_all(looked *l, look_how how)
{
    uint64_t names[LOOKED];
    brim_bytes bytes[LOOKED];
    brim_ref *refs[LOOKED];
    brim_load *loads[LOOKED];
    brim_status statuses[LOOKED];
    void *lent[LOOKED];
    size_t said = 0, hits = 0;

    for (uint64_t i = 0; i < LOOKED; i++) {
        names[i] = l->first + i;
        bytes[i] = (brim_bytes){&names[i], sizeof names[i]};
    }
    switch (how) {
    case LOOK_FIND_MANY: said = brim_find_many(l->cache, bytes, LOOKED, refs); break;
    case LOOK_FIND_FIXED: said = brim_find_fixed(l->cache, names, 8, 8, LOOKED, refs); break;
    case LOOK_KEY_FIND_MANY: said = brim_key_find_many(l->keys, LOOKED, refs); break;
    case LOOK_PEEK_MANY: said = brim_peek_many(l->cache, bytes, LOOKED, lent); break;
    case LOOK_PEEK_FIXED: said = brim_peek_fixed(l->cache, names, 8, 8, LOOKED, lent); break;
    default: said = brim_claim_many(l->cache, bytes, LOOKED, NULL, refs, loads, statuses); break;
    }
    for (uint64_t i = 0; i < LOOKED; i++) {
        if (how == LOOK_PEEK_MANY || how == LOOK_PEEK_FIXED)
            hits += look_lent(l, i, lent[i]);
        else if (how == LOOK_CLAIM_MANY)
            hits += look_claimed(l, i, statuses[i], refs[i], loads[i]);
        else
            hits += look_took(l, i, refs[i]);
    }
    EXPECT_MSG(hits == said, "%zu hits, and it said %zu", hits, said);
    return (unsigned)hits;
}

/* How many of them are found; each that is found is the right one. */
static inline unsigned look(looked *l, look_how how)
{
    unsigned hits;

    l->hits = 0;
    begin_reading(l->cache);
    switch (how) {
    case LOOK_FIND_MANY:
    case LOOK_FIND_FIXED:
    case LOOK_KEY_FIND_MANY:
    case LOOK_PEEK_MANY:
    case LOOK_PEEK_FIXED:
    case LOOK_CLAIM_MANY: hits = look_at_all(l, how); break;
    case LOOK_FOR_EACH:
        (void)brim_for_each(l->cache, look_visit, l);
        hits = l->hits;
        break;
    case LOOK_REMOVE_IF:
        EXPECT(brim_remove_if(l->cache, look_judge, l) == 0);
        hits = l->hits;
        break;
    default: hits = look_at_each(l, how); break;
    }
    brim_read_end(l->cache);
    return hits;
}

#endif
