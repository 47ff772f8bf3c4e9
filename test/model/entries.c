/* SPDX-License-Identifier: MIT
 *
 * Operations by key bytes, and on refs.
 */
#include "model/model.h"

/* ---- Inserting */

static void keep_held(brim_ref *out, struct item *i)
{
    is_item(out, i);
    keep_ref(out, i);
}

/* ${out} is a new ref to ${i}, if one was asked for. */
static void keep_out(bool wanted, brim_ref *out, struct item *i)
{
    AGREE((out != NULL) == wanted, "a ref");
    if (!wanted)
        return;
    hold(i);
    keep_held(out, i);
}

/* ${i} was admitted. */
static void is_admitted(struct item *i, const struct item *old, enum verdict v, bool big)
{
    struct cache *c = i->of;

    AGREE(v != NO && !big, "admitted %zu: pinned %zu, taken %zu of %zu", i->cost, c->pinned, taken(c), c->capacity);
    AGREE(old == NULL || !old->linked, "the old one stays");
    AGREE(i->linked, "it has left already");
    took_room_of(old);
    c->insertions++;
    if (i->key >= 0)
        c->by_key[i->key] = i;
}

/* ${old}, which may be NULL, went if ${goes}; else it stays, unless making room has taken it. */
static void is_refused(struct cache *c, brim_status s, enum verdict v, bool big, struct item *old, bool goes)
{
    if (s == BRIM_NOMEM)
        AGREE(memory_failed(), "NOMEM");
    else
        AGREE((v != YES || big) && was_refused(s, big), "status %d: pinned %zu, taken %zu of %zu", (int)s, c->pinned,
              taken(c), c->capacity);
    c->refused += s != BRIM_NOMEM;
    c->too_big += s == BRIM_TOO_BIG;
    if (old != NULL && goes && s != BRIM_NOMEM)
        AGREE(!old->linked, "the old one stays");
    else if (old != NULL && big)
        AGREE(old->linked || item_is_stale(old), "the old one went");
}

static void pick_insert(struct terms *t, struct cache *c)
{
    pick_terms(t, c);
    if (!t->given && !one_in(4))
        return;
    if (!t->given)
        brim_entry_options_init(&t->options);
    t->given = true;
    t->options.drop_old = one_in(8);
    t->options.only_if_absent = one_in(6);
}

static void op_insert(void)
{
    struct cache *c = pick_cache();
    unsigned key = pick_key();
    size_t cost = pick_cost(c), n;
    struct item *old = c->by_key[key], *i;
    bool want_ref = pick(4) == 1, big, there;
    brim_ref *out = NULL;
    enum verdict v;
    struct terms t;
    brim_status s;

    pick_insert(&t, c);
    there = t.options.only_if_absent && item_is_found(old);
    n = charge_of(c, cost, key, &t);
    big = cost > SIZE_MAX / 2 || is_too_big(c, n, (int)t.kind);
    v = room(c, n, (int)t.kind, old == NULL);
    i = item_new(c, key, cost, &t);
    model_say("  key, cost", key, cost);
    may_evict(c, 0, (int)t.kind);
    m.subject = old;
    take(i, true);
    if (t.given)
        s = brim_insert_with(c->cache, KEY(key), item_value(i), cost, &t.options, want_ref ? &out : NULL);
    else
        s = brim_insert(c->cache, KEY(key), item_value(i), cost, want_ref ? &out : NULL);
    model_say("  status", (uint64_t)s, 0);
    m.statuses[s]++;
    if (s == BRIM_OK) {
        AGREE(t.status == BRIM_OK && !there, "status %d", (int)s);
        is_admitted(i, old, v, big);
        overtake(c, key);
        keep_out(want_ref, out, i);
        return;
    }
    refuse(i);
    if (s == BRIM_EXISTS || (there && t.status == BRIM_OK && s != BRIM_NOMEM)) {
        AGREE(s == BRIM_EXISTS && there && t.status == BRIM_OK && old->linked, "status %d", (int)s);
        keep_out(want_ref, out, old);
        return;
    }
    AGREE(out == NULL, "status %d", (int)s);
    if (t.status != BRIM_OK && s != BRIM_NOMEM) {
        AGREE(s == t.status && (old == NULL || old->linked), "status %d, not %d", (int)s, (int)t.status);
        return;
    }
    is_refused(c, s, v, big, old, t.options.drop_old);
    if (t.options.drop_old && s != BRIM_NOMEM)
        overtake(c, key);
}

static void op_insert_or_wrap(void)
{
    struct cache *c = pick_cache();
    unsigned key = pick_key();
    size_t cost = pick_cost(c), n;
    struct item *old = c->by_key[key], *i;
    bool want_ref = pick(4) != 3, there, big;
    brim_ref *out = NULL;
    enum verdict v;
    struct terms t;
    brim_status s;

    pick_insert(&t, c);
    there = t.options.only_if_absent && item_is_found(old);
    n = charge_of(c, cost, key, &t);
    big = cost > SIZE_MAX / 2 || is_too_big(c, n, (int)t.kind);
    v = room(c, n, (int)t.kind, old == NULL);
    i = item_new(c, key, cost, &t);
    model_say("  key, cost", key, cost);
    may_evict(c, 0, (int)t.kind);
    m.subject = old;
    take(i, true);
    m.offered = i;
    s = brim_insert_or_wrap(c->cache, KEY(key), item_value(i), cost, options_of(&t), want_ref ? &out : NULL);
    model_say("  status", (uint64_t)s, 0);
    if (s == BRIM_NOMEM || s == BRIM_INVALID) {
        AGREE((s == BRIM_INVALID && t.status == s) || (s == BRIM_NOMEM && memory_failed()), "status %d",
              (int)s);
        AGREE(out == NULL, "status %d", (int)s);
        refuse(i);
        return;
    }
    if (s == BRIM_OK) {
        AGREE(t.status == BRIM_OK && !there, "status %d", (int)s);
        is_admitted(i, old, v, big);
    } else if (s == BRIM_EXISTS) {
        AGREE(there && t.status == BRIM_OK && old->linked, "EXISTS");
        uncharge(i);
        keep_out(want_ref, out, old);
        return;
    } else if (t.status == BRIM_CANCELED) {
        AGREE(s == BRIM_CANCELED && (old == NULL || !old->linked), "status %d", (int)s);
    } else {
        is_refused(c, s, v, big, old, true);
    }
    overtake(c, key);
    if (want_ref)
        hold(i);
    if (s != BRIM_OK)
        uncharge(i);
    if (want_ref)
        keep_held(out, i);
}

static void op_wrap(void)
{
    struct cache *c = pick_cache();
    size_t cost = pick_cost(c);
    struct item *i;
    brim_ref *out = NULL;
    struct terms t;
    brim_status s;

    pick_terms(&t, c);
    i = item_new(c, WRAPPED, cost, &t);
    take(i, true);
    s = brim_wrap(c->cache, item_value(i), cost, options_of(&t), &out);
    model_say("  wrapped, status", cost, (uint64_t)s);
    if (s == BRIM_OK) {
        AGREE(t.status != BRIM_INVALID && cost <= SIZE_MAX / 2, "status %d", (int)s);
        hold(i);
        uncharge(i);
        keep_held(out, i);
        return;
    }
    AGREE(out == NULL && ((s == BRIM_INVALID && (t.status == s || cost > SIZE_MAX / 2)) ||
                          (s == BRIM_NOMEM && memory_failed())),
          "status %d", (int)s);
    refuse(i);
}

static void op_anonymous(void)
{
    struct cache *c = pick_cache();
    size_t cost = pick_cost(c), n;
    bool want_key = pick(3) != 2, want_ref = !want_key || pick(2) == 1, big;
    struct item *i;
    brim_ref *r = NULL;
    brim_key *k = NULL;
    enum verdict v;
    struct terms t;
    brim_status s;

    pick_terms(&t, c);
    n = charge_of(c, cost, ANONYMOUS, &t);
    big = cost > SIZE_MAX / 2 || is_too_big(c, n, (int)t.kind);
    v = room(c, n, (int)t.kind, true);
    i = item_new(c, ANONYMOUS, cost, &t);
    may_evict(c, 0, (int)t.kind);
    take(i, true);
    s = brim_insert_anonymous(c->cache, item_value(i), cost, options_of(&t), want_key ? &k : NULL,
                              want_ref ? &r : NULL);
    model_say("  cost, status", cost, (uint64_t)s);
    if (s == BRIM_OK) {
        AGREE(t.status == BRIM_OK, "status %d", (int)s);
        is_admitted(i, NULL, v, big);
        if (want_key)
            keep_key(k, i);
        keep_out(want_ref, r, i);
        return;
    }
    AGREE(k == NULL && r == NULL, "status %d", (int)s);
    refuse(i);
    if (t.status != BRIM_OK && s != BRIM_NOMEM)
        AGREE(s == t.status, "status %d, not %d", (int)s, (int)t.status);
    else
        is_refused(c, s, v, big, NULL, false);
}

/* ---- Looking up, removing */

static void op_find(void)
{
    struct cache *c = pick_cache();
    unsigned key = pick_key();
    struct item *i = found(c, key);
    brim_ref *r = brim_find(c->cache, KEY(key));

    model_say("  key, hit", key, r != NULL);
    AGREE((r != NULL) == (i != NULL), "key %u", key);
    c->hits += i != NULL;
    c->misses += i == NULL;
    if (i != NULL)
        item_use(i);
    AGREE(brim_contains(c->cache, KEY(key)) == (i != NULL), "key %u", key);
    keep_out(i != NULL, r, i);
}

static void op_contains(void)
{
    struct cache *c = pick_cache();

    for (unsigned key = 0; key < m.setup->keys; key++)
        AGREE(brim_contains(c->cache, KEY(key)) == (found(c, key) != NULL), "key %u", key);
}

static void op_remove(void)
{
    struct cache *c = pick_cache();
    unsigned key = pick_key();
    struct item *i = c->by_key[key], *there = found(c, key);
    bool removed;

    m.subject = i;
    removed = brim_remove(c->cache, KEY(key));
    model_say("  key, removed", key, removed);
    AGREE(removed == (there != NULL), "key %u", key);
    AGREE(i == NULL || !i->linked, "not announced");
    overtake(c, key);
}

/* ---- Refs */

/* One that is held, from a random place on, if there is any. */
static size_t pick_ref(void)
{
    size_t at = pick(REFS);

    for (size_t n = 0; n < REFS && m.refs[at].of == NULL; n++)
        at = (at + 1) % REFS;
    return at;
}

static void op_release(void)
{
    size_t at = pick_ref();
    struct item *i = m.refs[at].of;
    brim_ref *r = m.refs[at].ref;
    unsigned flags = one_in(3) ? (unsigned)pick(4) : 0;
    bool was_linked, last, removed;

    if (i == NULL)
        return;
    m.current = i->of;
    was_linked = i->linked;
    last = i->refs == 1;
    m.refs[at].ref = NULL;
    m.refs[at].of = NULL;
    model_say("  item, flags", i->id, flags);
    m.subject = i;
    unhold(i);
    if (flags == 0 && one_in(2)) {
        brim_release(r);
        AGREE(i->linked == was_linked, "left by a release");
        return;
    }
    removed = brim_release_with(r, flags);
    AGREE(removed == (was_linked && last && (flags & BRIM_REMOVE_IF_LAST) != 0), "removed %d", (int)removed);
    AGREE(i->linked == (was_linked && !removed), "linked %d", (int)i->linked);
}

static void op_release_many(void)
{
    brim_ref *refs[MANY] = {NULL};

    for (size_t n = 0, from = pick(REFS); n < MANY; n++) {
        size_t at = (from + n) % REFS;
        refs[n] = m.refs[at].ref;
        if (m.refs[at].of != NULL && one_in(2))
            refs[n] = NULL;
        if (refs[n] == NULL)
            continue;
        m.current = m.refs[at].of->of;
        unhold(m.refs[at].of);
        m.refs[at].ref = NULL;
        m.refs[at].of = NULL;
    }
    brim_release_many(refs, MANY);
}

static void op_copy_ref(void)
{
    size_t at = pick_ref();
    struct item *i = m.refs[at].of;
    brim_ref *copy = brim_ref_copy(m.refs[at].ref);

    AGREE((copy != NULL) == (i != NULL), "copy");
    keep_out(i != NULL, copy, i);
}

static void op_set_cost(void)
{
    size_t at = pick_ref(), cost, more;
    struct item *i = m.refs[at].of;
    enum verdict v = YES;
    brim_status s;
    struct cache *c;

    if (i == NULL) {
        AGREE(brim_ref_set_cost(NULL, 1) == BRIM_INVALID && brim_ref_cost(NULL) == 0, "NULL");
        return;
    }
    m.current = c = i->of;
    cost = pick_cost(c);
    more = i->charged && cost > i->cost ? cost - i->cost : 0;
    model_say("  item, cost", i->id, cost);
    if (cost > SIZE_MAX / 2 || (more > 0 && is_too_big(c, more, (int)i->kind)))
        v = NO;
    else if (more > 0)
        v = room(c, more, (int)i->kind, false);
    may_evict(c, more, (int)i->kind);
    s = brim_ref_set_cost(m.refs[at].ref, cost);
    AGREE(s == BRIM_OK ? v != NO : v != YES && was_refused(s, false), "status %d, from %zu", (int)s, i->cost);
    if (s == BRIM_OK)
        set_cost(i, cost);
    is_item(m.refs[at].ref, i);
}

static void op_ref_key(void)
{
    size_t at = pick_ref();
    struct item *i = m.refs[at].of;
    brim_key *k = brim_ref_key(m.refs[at].ref);

    AGREE((k != NULL) == (i != NULL), "a key");
    if (i == NULL)
        return;
    is_item(m.refs[at].ref, i);
    AGREE(brim_key_is_valid(k) == item_is_found(i), "valid");
    keep_key(k, i);
}

const struct operation entry_operations[] = {
    {60, "insert", op_insert},   {8, "insert or wrap", op_insert_or_wrap}, {3, "wrap", op_wrap},
    {10, "anonymous", op_anonymous}, {40, "find", op_find},                {5, "contains", op_contains},
    {12, "remove", op_remove},   {30, "release", op_release},              {2, "release many", op_release_many},
    {5, "copy ref", op_copy_ref}, {10, "set cost", op_set_cost},           {10, "ref key", op_ref_key},
    {0, NULL, NULL},
};
