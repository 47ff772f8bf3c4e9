/* SPDX-License-Identifier: MIT
 *
 * Holds that stay from step to step, and operations on keys and slots.
 */
#include "model/model.h"

void keep_ref(brim_ref *r, struct item *i)
{
    size_t at = pick(REFS);
    brim_ref *old = m.refs[at].ref;
    struct item *of = m.refs[at].of;

    m.refs[at].ref = r;
    m.refs[at].of = i;
    if (of == NULL)
        return;
    unhold(of);
    brim_release(old);
}

void lose_key(struct item *i)
{
    if (i == NULL)
        return;
    i->keys--;
    item_recycle(i);
}

void drop_handle(struct handle *h)
{
    brim_key_drop(h->key);
    lose_key(h->of);
    h->key = NULL;
    h->of = NULL;
}

void put_key(brim_key *k, struct item *i)
{
    struct handle *h = &m.handles[pick(HANDLES)];

    drop_handle(h);
    h->key = k;
    h->of = i;
}

void keep_key(brim_key *k, struct item *i)
{
    if (i != NULL)
        i->keys++;
    put_key(k, i);
}

struct handle *pick_handle(void)
{
    size_t at = pick(HANDLES);

    for (size_t n = 0; n < HANDLES && m.handles[at].of == NULL; n++)
        at = (at + 1) % HANDLES;
    if (m.handles[at].of != NULL)
        m.current = m.handles[at].of->of;
    return &m.handles[at];
}

/* Of the item's cache: one that was freed counts no more that we could ask for. */
static void count_look(struct item *i, bool hit)
{
    if (i == NULL)
        return;
    i->of->hits += hit;
    i->of->misses += !hit;
    if (hit)
        item_use(i);
}

static void keep_found(brim_ref *r, struct item *i, bool hit)
{
    AGREE((r != NULL) == hit, "item %llu", i == NULL ? 0 : (unsigned long long)i->id);
    count_look(i, hit);
    if (!hit)
        return;
    is_item(r, i);
    hold(i);
    keep_ref(r, i);
}

static void op_key_find(void)
{
    struct handle *h = pick_handle();
    bool valid = item_is_found(h->of);
    size_t len = 1;

    AGREE(brim_key_is_valid(h->key) == valid, "valid");
    if (h->of == NULL || h->of->key < 0)
        AGREE(brim_key_bytes(h->key, &len) == NULL && len == 0, "key bytes");
    else
        AGREE(brim_key_bytes(h->key, &len) != NULL && len == model_key_len[h->of->key], "key bytes");
    keep_found(brim_key_find(h->key), h->of, valid);
}

static void op_key_find_many(void)
{
    brim_key *keys[MANY];
    brim_ref *refs[MANY];
    struct item *of[MANY];
    size_t n = pick(MANY + 1), from = pick(HANDLES), hits = 0, said;

    for (size_t i = 0; i < n; i++) {
        keys[i] = m.handles[(from + i) % HANDLES].key;
        of[i] = m.handles[(from + i) % HANDLES].of;
        hits += item_is_found(of[i]);
    }
    said = brim_key_find_many(keys, n, refs);
    AGREE(said == hits, "%zu hits, not %zu", said, hits);
    for (size_t i = 0; i < n; i++)
        keep_found(refs[i], of[i], item_is_found(of[i]));
}

/* ---- Replacing */

/* With no options: all of the old one's. */
void take_over(struct terms *t, const struct item *old)
{
    t->kind = old->kind;
    t->options.max_age = old->max_age;
    t->options.max_idle = old->max_idle;
    t->members = old->members;
    for (unsigned i = 0; i < old->members; i++) {
        t->member[i] = (struct member){old->member[i].group, old->member[i].group->generation};
        if (old->member[i].group->closed)
            t->status = BRIM_CANCELED;
    }
}

static void replaced(struct handle *h, struct item *i)
{
    lose_key(h->of);
    h->of = i;
    i->keys++;
    if (i->key >= 0) {
        i->of->by_key[i->key] = i;
        overtake(i->of, (unsigned)i->key);
    }
    AGREE(i->linked && brim_key_is_valid(h->key) == item_is_found(i), "valid");
}

static void op_key_replace(void)
{
    struct handle *h = pick_handle();
    struct item *old = h->of, *i;
    struct cache *c = old != NULL ? old->of : pick_cache();
    size_t cost = pick_cost(c), n;
    bool valid = item_is_found(old), want_ref = pick(2) == 1, big;
    brim_key *before = h->key;
    brim_ref *out = NULL;
    enum verdict v;
    struct terms t;
    brim_status s;

    if (c->cache == NULL)
        return;
    pick_terms(&t, c);
    if (t.given) {
        t.options.drop_old = one_in(8);
        if (t.options.kind == NULL && old != NULL)
            t.kind = old->kind;
    } else if (old != NULL) {
        take_over(&t, old);
    }
    n = charge_of(c, cost, old == NULL ? ANONYMOUS : old->key, &t);
    big = cost > SIZE_MAX / 2 || is_too_big(c, n, (int)t.kind);
    v = room(c, n, (int)t.kind, false);
    i = item_new(c, old == NULL ? ANONYMOUS : old->key, cost, &t);
    may_evict(c, 0, (int)t.kind);
    m.subject = old;
    take(i, true);
    if (t.given || want_ref)
        s = brim_key_replace_with(&h->key, item_value(i), cost, options_of(&t), want_ref ? &out : NULL);
    else
        s = brim_key_replace(&h->key, item_value(i), cost);
    model_say("  cost, status", cost, (uint64_t)s);
    if (s == BRIM_OK) {
        AGREE(valid && t.status == BRIM_OK && !big && v != NO && !old->linked, "replaced");
        took_room_of(old);
        c->insertions++;
        replaced(h, i);
        AGREE((out != NULL) == want_ref, "a ref");
        if (want_ref) {
            hold(i);
            is_item(out, i);
            keep_ref(out, i);
        }
        return;
    }
    AGREE(out == NULL && h->key == before, "changed on failure");
    refuse(i);
    if (!valid) {
        AGREE(s == BRIM_INVALID, "status %d", (int)s);
        return;
    }
    if (t.status != BRIM_OK && s != BRIM_NOMEM) {
        AGREE(s == t.status, "status %d, not %d", (int)s, (int)t.status);
        return;
    }
    c->refused += s == BRIM_TOO_BIG || s == BRIM_FULL;
    c->too_big += s == BRIM_TOO_BIG;
    if (s == BRIM_NOMEM)
        AGREE(memory_failed(), "NOMEM");
    else
        AGREE((v != YES || big) && was_refused(s, big), "status %d", (int)s);
    if (t.options.drop_old && s != BRIM_NOMEM)
        AGREE(!old->linked, "drop_old");
    else
        AGREE(old->linked || !big, "the old one went with TOO_BIG");
}

static void op_key_remove(void)
{
    struct handle *h = pick_handle();
    bool valid = item_is_found(h->of), removed;

    m.subject = h->of;
    removed = brim_key_remove(h->key);
    AGREE(removed == valid, "removed %d", (int)removed);
    AGREE(!removed || !h->of->linked, "not announced");
}

/* ---- Copies */

static void op_keys(void)
{
    struct handle *a = &m.handles[pick(HANDLES)], *b = &m.handles[pick(HANDLES)], t;

    AGREE(brim_key_equal(a->key, b->key) == (a->of == b->of), "equal");
    switch (pick(4)) {
    case 0: drop_handle(a); break;
    case 1: keep_key(brim_key_copy(a->key), a->of); break;
    case 2:
        brim_key_swap(&a->key, &b->key);
        t = *a;
        a->of = b->of;
        b->of = t.of;
        break;
    default:
        if (b->of != NULL)
            b->of->keys++;
        brim_key_assign(&a->key, b->key);
        lose_key(a->of);
        a->of = b->of;
        break;
    }
}

/* ---- Slots */

static void lose_slot(size_t at)
{
    brim_slot_store(&m.slots[at].slot, NULL);
    lose_key(m.slots[at].of);
    m.slots[at].of = NULL;
}

static void op_slots(void)
{
    size_t at = pick(SLOTS);
    brim_slot *slot = &m.slots[at].slot;
    struct item *of = m.slots[at].of;
    struct handle *h = &m.handles[pick(HANDLES)], *e;

    switch (pick(6)) {
    case 0:
        brim_slot_store(slot, h->key);
        m.slots[at].of = h->of;
        *h = (struct handle){NULL, NULL};
        lose_key(of);
        break;
    case 1:
        h->key = brim_slot_exchange(slot, h->key);
        m.slots[at].of = h->of;
        h->of = of;
        break;
    case 2: keep_key(brim_slot_load(slot), of); break;
    case 3:
        e = &m.handles[pick(HANDLES)];
        if (h == e)
            break;
        AGREE(brim_slot_compare_exchange(slot, e->key, h->key) == (e->of == of), "compare_exchange");
        if (e->of != of)
            break;
        m.slots[at].of = h->of;
        *h = (struct handle){NULL, NULL};
        lose_key(of);
        break;
    case 4:
        lose_slot(at);
        brim_slot_init(slot, h->key);
        m.slots[at].of = h->of;
        *h = (struct handle){NULL, NULL};
        break;
    default: keep_found(brim_slot_find(slot), of, item_is_found(of)); break;
    }
}

const struct operation handle_operations[] = {
    {14, "key find", op_key_find}, {2, "key find many", op_key_find_many}, {12, "key replace", op_key_replace},
    {6, "key remove", op_key_remove}, {10, "keys", op_keys},               {12, "slots", op_slots},
    {0, NULL, NULL},
};

/* ---- The end */

void release_all(void)
{
    end_loads();
    for (unsigned i = 0; i < m.caches; i++)
        if (m.cache[i].cache != NULL)
            end_sections(&m.cache[i], m.cache[i].cache);
    for (size_t at = 0; at < REFS; at++) {
        if (m.refs[at].of != NULL)
            unhold(m.refs[at].of);
        m.refs[at].of = NULL;
        brim_release(m.refs[at].ref);
        m.refs[at].ref = NULL;
    }
    for (unsigned i = 0; i < m.caches; i++) {
        brim_unreserve(m.cache[i].cache, m.cache[i].reserved);
        m.cache[i].reserved = 0;
    }
    settle_step();
    for (unsigned i = 0; i < m.caches; i++)
        if (m.cache[i].cache != NULL)
            AGREE(m.cache[i].pinned == 0, "%zu pinned", m.cache[i].pinned);
    for (size_t at = 0; at < HANDLES; at++)
        drop_handle(&m.handles[at]);
    for (size_t at = 0; at < SLOTS; at++)
        lose_slot(at);
    drop_groups();
}

void use_freed(void)
{
    for (size_t at = 0; at < HANDLES; at++) {
        struct handle *h = &m.handles[at];
        AGREE(brim_key_find(h->key) == NULL && !brim_key_is_valid(h->key), "found in a cache that was freed");
        AGREE(brim_key_replace(&h->key, &m, 1) == BRIM_INVALID, "replaced in a cache that was freed");
        AGREE(!brim_key_remove(h->key), "removed from a cache that was freed");
    }
    for (size_t at = 0; at < SLOTS; at++)
        AGREE(brim_slot_find(&m.slots[at].slot) == NULL, "found in a cache that was freed");
    for (size_t at = 0; at < REFS; at++)
        if (m.refs[at].of != NULL)
            is_item(m.refs[at].ref, m.refs[at].of);
}
