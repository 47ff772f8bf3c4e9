/* SPDX-License-Identifier: MIT
 *
 * Random operations of one thread against a naive reference. The reference learns of evictions from the listener, and so
 * agrees exactly, with a capacity that evicts nothing and with one that is tight. BRIM_SEED=n repeats a run.
 */
#include "support/support.h"
#include <stdarg.h>

enum { KEYS = 300, REFS = 24, HANDLES = 24, SLOTS = 4, MAX_ITEMS = 200000, UNLINKED_MAX = MAX_ITEMS, ANONYMOUS = -1, WRAPPED = -2 };

typedef struct item {
    int64_t key;
    uint64_t id;
    size_t cost;
    unsigned refs, keys, visits;
    bool linked, charged, destroyed, used;
    struct item *next_free;
} item;

typedef struct handle { brim_key *key; item *of; } handle;

static struct {
    brim_cache *cache;
    bool tight, over;                   /* over: the capacity was set below what was held, and it does not fit yet */
    item *items, *free;
    size_t made;
    item *by_key[KEYS];
    struct { brim_ref *ref; item *of; } refs[REFS];
    handle handles[HANDLES];
    struct { brim_slot slot; item *of; } slots[SLOTS];
    size_t capacity, used, pinned, reserved, uncharged, count, values;
    uint64_t left[7], random, seed, step, ids, hits, statuses[13];
    unsigned allowed;                   /* causes, as a mask, that this step may bring */
    item *unlinked[UNLINKED_MAX];       /* in this step */
    size_t unlinked_count;
} m;

static const brim_kind model_kind;

/* The text is made only on failure: Check's own asserts write something down each time, too slow for millions of them. */
#define AGREE(condition, ...) do { if (!(condition)) disagree(__LINE__, #condition, __VA_ARGS__); } while (0)

__attribute__((format(printf, 3, 4), noreturn))
static void disagree(int line, const char *condition, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ck_abort_msg("seed %llu, step %llu, line %d: %s: %s", (unsigned long long)m.seed, (unsigned long long)m.step, line, condition, text);
    abort();
}

static uint64_t pick(uint64_t n)
{
    return (random_next(&m.random) >> 11) % n;
}

static size_t pick_cost(void)
{
    switch (pick(20)) {
    case 0: return 0;
    case 1: return pick(600);
    case 2: return m.capacity < 100000 ? pick(m.capacity + m.capacity / 8 + 2) : pick(100000);
    default: return 1 + pick(40);
    }
}

/* ---- Items ---- */

static item *item_new(int64_t key, size_t cost)
{
    item *i = m.free;

    if (i != NULL) {
        m.free = i->next_free;
    } else {
        ck_assert_uint_lt(m.made, MAX_ITEMS);
        i = &m.items[m.made++];
    }
    *i = (item){ .key = key, .id = ++m.ids, .cost = cost, .charged = true, .used = true };
    return i;
}

static void item_recycle(item *i)
{
    if (!i->used || !i->destroyed || i->keys != 0 || i->refs != 0)
        return;
    i->used = false;
    i->next_free = m.free;
    m.free = i;
}

static void hold(item *i)
{
    if (i->refs++ == 0 && i->charged)
        m.pinned += i->cost;
}

static void unhold(item *i)
{
    if (--i->refs == 0 && i->charged)
        m.pinned -= i->cost;
}

static void take(item *i)               /* as charged and linked; undone by refuse */
{
    i->linked = true;
    m.count++;
    m.used += i->cost;
    m.values++;
}

static void refuse(item *i)
{
    if (i->linked) {
        i->linked = false;
        m.count--;
    }
    m.used -= i->cost;
    m.values--;
    if (i->refs != 0)
        unhold(i);
    i->destroyed = true;
    item_recycle(i);
}

static void uncharge(item *i)           /* refused, but handed over */
{
    if (i->linked) {
        i->linked = false;
        m.count--;
    }
    if (i->refs != 0)
        m.pinned -= i->cost;
    i->charged = false;
    m.used -= i->cost;
    m.uncharged += i->cost;
}

/* ---- What the cache tells ---- */

static void model_removed(const void *key, size_t len, void *v, size_t cost, brim_cause cause, void *arg)
{
    item *i = v;
    uint64_t k;

    (void)arg;
    AGREE(i->used && i->linked && !i->destroyed, "item %llu announced", (unsigned long long)i->id);
    AGREE(cost == i->cost, "%zu, %zu", cost, i->cost);
    AGREE((m.allowed >> cause & 1) != 0, "cause %d", (int)cause);
    if (i->key == ANONYMOUS) {
        AGREE(key == NULL, "an anonymous entry has key bytes");
    } else {
        AGREE(key != NULL && len == sizeof k, "key bytes");
        memcpy(&k, key, sizeof k);
        AGREE(k == (uint64_t)i->key, "wrong key");
        if (m.by_key[k] == i)
            m.by_key[k] = NULL;
    }
    i->linked = false;
    m.count--;
    m.left[cause]++;
    m.unlinked[m.unlinked_count++] = i;
}

static void model_destroy(void *v, size_t cost, void *arg)
{
    item *i = v;

    (void)arg;
    AGREE(i->used && !i->destroyed && !i->linked && i->refs == 0, "item %llu destroyed, linked %d, refs %u", (unsigned long long)i->id,
          (int)i->linked, i->refs);
    AGREE(cost == i->cost, "%zu, %zu", cost, i->cost);
    i->destroyed = true;
    m.values--;
    if (i->charged)
        m.used -= i->cost;
    else
        m.uncharged -= i->cost;
}

static const brim_kind model_kind = { .size = sizeof(brim_kind), .name = "model", .destroy = model_destroy, .removed = model_removed };

/* ---- Expectations ---- */

/* Whether what is without cost is admitted while too much is held, test_g04 asks; here either answer will do. */
static bool either(size_t cost)
{
    return cost == 0 && m.pinned + m.reserved > m.capacity;
}

static bool has_room(size_t cost)
{
    return cost <= m.capacity && m.pinned + m.reserved <= m.capacity - cost;
}

static bool right_refusal(brim_status s, size_t cost)
{
    return cost > m.capacity ? s == BRIM_TOO_BIG : s == BRIM_FULL;
}

static void is_item(const brim_ref *r, const item *i)
{
    size_t len = 0;
    const void *bytes = brim_ref_key_bytes(r, &len);

    AGREE(brim_ref_value(r) == i, "another value");
    AGREE(brim_ref_cost(r) == i->cost, "%zu, %zu", brim_ref_cost(r), i->cost);
    AGREE(brim_ref_is_cached(r) == i->linked, "item %llu", (unsigned long long)i->id);
    AGREE(brim_ref_kind(r) == &model_kind, "another kind");
    if (i->key >= 0)
        AGREE(bytes != NULL && len == sizeof i->key && memcmp(bytes, &i->key, len) == 0, "key bytes");
    else
        AGREE(bytes == NULL, "key bytes");
}

static void keep_ref(brim_ref *r, item *i)      /* the hold is counted already */
{
    size_t at = pick(REFS);
    brim_ref *old = m.refs[at].ref;
    item *of = m.refs[at].of;

    m.refs[at].ref = r;
    m.refs[at].of = i;
    if (of == NULL)
        return;
    unhold(of);
    brim_release(old);
    AGREE(of->refs != 0 || of->linked || of->destroyed, "released, and not destroyed");
    item_recycle(of);
}

static void keep_key(brim_key *k, item *i)
{
    handle *h = &m.handles[pick(HANDLES)];

    if (i != NULL)
        i->keys++;
    brim_key_drop(h->key);
    if (h->of != NULL) {
        h->of->keys--;
        item_recycle(h->of);
    }
    h->key = k;
    h->of = i;
}

/* ---- Operations ---- */

static void allow_room(unsigned more)
{
    m.allowed = more | (m.tight ? 1u << BRIM_EVICTED : 0);
}

static void op_insert(void)
{
    uint64_t key = pick(KEYS);
    size_t cost = pick_cost();
    item *old = m.by_key[key], *i = item_new((int64_t)key, cost);
    brim_ref *out = NULL;
    bool want_ref = pick(4) == 0, room = has_room(cost), free_of_cost = either(cost), drop_old = pick(8) == 0, absent = !drop_old && pick(6) == 0;
    brim_entry_options e;
    brim_status s;

    allow_room(1u << BRIM_REPLACED);
    if (drop_old)
        m.allowed |= 1u << BRIM_REMOVED;
    brim_entry_options_init(&e);
    e.drop_old = drop_old;
    e.only_if_absent = absent;
    take(i);
    if (want_ref)
        hold(i);
    if (drop_old || absent)
        s = brim_insert_with(m.cache, BRIM_KEY(key), i, cost, &e, want_ref ? &out : NULL);
    else
        s = brim_insert(m.cache, BRIM_KEY(key), i, cost, want_ref ? &out : NULL);
    m.statuses[s]++;
    if (s == BRIM_OK) {
        AGREE(room || free_of_cost, "admitted %zu: now pinned %zu, reserved %zu, used %zu of %zu, replaced %d of refs %u", cost, m.pinned, m.reserved,
              m.used, m.capacity, old != NULL, old == NULL ? 0 : old->refs);
        AGREE(old == NULL || !old->linked, "the old one stays");
        AGREE(!absent || old == NULL, "replaced though it was there");
        if (i->linked)
            m.by_key[key] = i;
        if (want_ref) {
            is_item(out, i);
            keep_ref(out, i);
        }
        return;
    }
    refuse(i);
    if (absent && old != NULL && s == BRIM_EXISTS) {
        AGREE(old->linked, "EXISTS, but it left");
        if (want_ref) {
            is_item(out, old);
            hold(old);
            keep_ref(out, old);
        }
        return;
    }
    AGREE(out == NULL, "status %d", (int)s);
    AGREE(!room && right_refusal(s, cost), "status %d, cost %zu, pinned %zu, reserved %zu, capacity %zu", (int)s, cost, m.pinned, m.reserved, m.capacity);
    if (old != NULL && drop_old)
        AGREE(!old->linked, "drop_old");
    else if (old != NULL && s == BRIM_TOO_BIG)
        AGREE(old->linked, "the old one went with TOO_BIG");
}

static void op_insert_or_wrap(void)
{
    uint64_t key = pick(KEYS);
    size_t cost = pick_cost();
    item *old = m.by_key[key], *i = item_new((int64_t)key, cost);
    brim_ref *out = NULL;
    bool room = has_room(cost), free_of_cost = either(cost);
    brim_status s;

    allow_room(1u << BRIM_REPLACED | 1u << BRIM_REMOVED);
    take(i);
    hold(i);
    s = brim_insert_or_wrap(m.cache, BRIM_KEY(key), i, cost, NULL, &out);
    AGREE(old == NULL || !old->linked, "the old one stays");
    AGREE(room || (free_of_cost && s == BRIM_OK) ? s == BRIM_OK : right_refusal(s, cost), "status %d", (int)s);
    if (s == BRIM_OK)
        m.by_key[key] = i->linked ? i : NULL;
    else
        uncharge(i);
    is_item(out, i);
    keep_ref(out, i);
}

static void op_wrap(void)
{
    item *i = item_new(WRAPPED, pick_cost());
    brim_ref *out = NULL;

    take(i);
    hold(i);
    AGREE(brim_wrap(m.cache, i, i->cost, NULL, &out) == BRIM_OK, "wrap");
    uncharge(i);
    is_item(out, i);
    keep_ref(out, i);
}

static void op_anonymous(void)
{
    item *i = item_new(ANONYMOUS, pick_cost());
    bool room = has_room(i->cost), free_of_cost = either(i->cost), want_key = pick(3) != 0, want_ref = !want_key || pick(2) == 0;
    brim_ref *r = NULL;
    brim_key *k = NULL;
    brim_status s;

    allow_room(0);
    take(i);
    if (want_ref)
        hold(i);
    s = brim_insert_anonymous(m.cache, i, i->cost, NULL, want_key ? &k : NULL, want_ref ? &r : NULL);
    if (s != BRIM_OK) {
        AGREE(!room && right_refusal(s, i->cost) && k == NULL && r == NULL, "status %d", (int)s);
        refuse(i);
        return;
    }
    AGREE(room || free_of_cost, "admitted %zu", i->cost);
    if (want_key)
        keep_key(k, i);
    if (want_ref) {
        is_item(r, i);
        keep_ref(r, i);
    }
}

static void op_find(void)
{
    uint64_t key = pick(KEYS);
    brim_ref *r = brim_find(m.cache, BRIM_KEY(key));

    AGREE((r != NULL) == (m.by_key[key] != NULL), "key %llu", (unsigned long long)key);
    AGREE(brim_contains(m.cache, BRIM_KEY(key)) == (r != NULL), "key %llu", (unsigned long long)key);
    if (r == NULL)
        return;
    m.hits++;
    is_item(r, m.by_key[key]);
    hold(m.by_key[key]);
    keep_ref(r, m.by_key[key]);
}

static void op_remove(void)
{
    uint64_t key = pick(KEYS);
    item *i = m.by_key[key];

    m.allowed = 1u << BRIM_REMOVED;
    AGREE(brim_remove(m.cache, BRIM_KEY(key)) == (i != NULL), "key %llu", (unsigned long long)key);
    AGREE(i == NULL || !i->linked, "not announced");
}

static void op_release(void)
{
    size_t at = pick(REFS);
    item *i = m.refs[at].of;
    bool remove = pick(3) == 0, was_linked, last, said;

    if (i == NULL)
        return;
    was_linked = i->linked;
    last = i->refs == 1;
    m.allowed = 1u << BRIM_REMOVED;
    unhold(i);
    m.refs[at].of = NULL;
    if (remove) {
        said = brim_release_with(m.refs[at].ref, BRIM_REMOVE_IF_LAST);
        AGREE(!was_linked || said == last, "said %d", (int)said);
        AGREE(!was_linked || i->linked != last, "linked %d", (int)i->linked);
    } else {
        brim_release(m.refs[at].ref);
        AGREE(i->linked == was_linked, "left by a release");
    }
    m.refs[at].ref = NULL;
    AGREE(i->refs != 0 || i->linked || i->destroyed, "released, and not destroyed");
    item_recycle(i);
}

static void op_copy_ref(void)
{
    size_t at = pick(REFS);
    item *i = m.refs[at].of;
    brim_ref *copy = brim_ref_copy(m.refs[at].ref);

    AGREE((copy != NULL) == (i != NULL), "copy");
    if (i == NULL)
        return;
    is_item(copy, i);
    hold(i);
    keep_ref(copy, i);
}

static void op_set_cost(void)
{
    size_t at = pick(REFS), cost = pick_cost(), before;
    item *i = m.refs[at].of;
    bool fits;
    brim_status s;

    if (i == NULL)
        return;
    before = i->cost;
    fits = !i->charged || cost <= before || (cost <= m.capacity && m.pinned - before + m.reserved <= m.capacity - cost);
    allow_room(0);
    s = brim_ref_set_cost(m.refs[at].ref, cost);
    if (s == BRIM_OK) {
        AGREE(fits, "grew from %zu to %zu", before, cost);
        i->cost = cost;
        if (i->charged) {
            m.used = m.used - before + cost;
            m.pinned = m.pinned - before + cost;
        } else {
            m.uncharged = m.uncharged - before + cost;
        }
    } else {
        AGREE(!fits && (s == BRIM_FULL || (s == BRIM_TOO_BIG && cost > m.capacity)), "status %d, from %zu to %zu", (int)s, before, cost);
    }
    is_item(m.refs[at].ref, i);
}

static void op_ref_key(void)
{
    size_t at = pick(REFS);
    item *i = m.refs[at].of;
    brim_key *k;

    if (i == NULL || !i->charged)
        return;
    k = brim_ref_key(m.refs[at].ref);
    AGREE(k != NULL && brim_key_is_valid(k) == i->linked, "ref_key");
    keep_key(k, i);
}

static void op_key_find(void)
{
    handle *h = &m.handles[pick(HANDLES)];
    bool valid = h->of != NULL && h->of->linked;
    brim_ref *r = brim_key_find(h->key);

    AGREE((r != NULL) == valid, "key_find");
    AGREE(brim_key_is_valid(h->key) == valid, "valid");
    if (r == NULL)
        return;
    m.hits++;
    is_item(r, h->of);
    hold(h->of);
    keep_ref(r, h->of);
}

static void op_key_replace(void)
{
    handle *h = &m.handles[pick(HANDLES)];
    brim_key *before = h->key;
    item *old = h->of, *i;
    size_t cost = pick_cost();
    bool room = has_room(cost), free_of_cost = either(cost), valid = old != NULL && old->linked, want_ref = pick(2) == 0;
    brim_ref *out = NULL;
    brim_status s;

    i = item_new(old == NULL ? ANONYMOUS : old->key, cost);
    allow_room(1u << BRIM_REPLACED);
    take(i);
    if (want_ref)
        hold(i);
    s = want_ref ? brim_key_replace_with(&h->key, i, cost, NULL, &out) : brim_key_replace(&h->key, i, cost);
    if (s != BRIM_OK) {
        AGREE(out == NULL && h->key == before, "changed on failure");
        AGREE(valid ? !room && right_refusal(s, cost) : s == BRIM_INVALID || (s == BRIM_TOO_BIG && cost > m.capacity), "status %d", (int)s);
        refuse(i);
        return;
    }
    AGREE(valid && (room || free_of_cost) && !old->linked, "replaced");
    if (i->key >= 0 && i->linked)
        m.by_key[i->key] = i;
    old->keys--;
    item_recycle(old);
    h->of = i;
    i->keys++;
    AGREE(brim_key_is_valid(h->key) == i->linked, "valid");
    if (want_ref) {
        is_item(out, i);
        keep_ref(out, i);
    }
}

static void op_key_remove(void)
{
    handle *h = &m.handles[pick(HANDLES)];
    bool valid = h->of != NULL && h->of->linked;

    m.allowed = 1u << BRIM_REMOVED;
    AGREE(brim_key_remove(h->key) == valid, "key_remove");
    AGREE(h->of == NULL || !h->of->linked, "not announced");
}

static void op_keys(void)
{
    handle *a = &m.handles[pick(HANDLES)], *b = &m.handles[pick(HANDLES)], t;

    AGREE(brim_key_equal(a->key, b->key) == (a->of == b->of), "equal");
    switch (pick(4)) {
    case 0: keep_key(brim_key_copy(a->key), a->of); break;
    case 1:
        brim_key_swap(&a->key, &b->key);
        t = *a;
        a->of = b->of;
        b->of = t.of;
        break;
    case 2:
        brim_key_assign(&a->key, b->key);
        if (b->of != NULL)
            b->of->keys++;
        if (a->of != NULL) {
            a->of->keys--;
            item_recycle(a->of);
        }
        a->of = b->of;
        break;
    default:
        brim_key_drop(a->key);
        if (a->of != NULL) {
            a->of->keys--;
            item_recycle(a->of);
        }
        a->key = NULL;
        a->of = NULL;
        break;
    }
}

static void op_slots(void)
{
    size_t at = pick(SLOTS);
    brim_slot *slot = &m.slots[at].slot;
    item *of = m.slots[at].of;
    handle *h = &m.handles[pick(HANDLES)], *e = &m.handles[pick(HANDLES)];
    brim_ref *r;
    bool swapped;

    switch (pick(5)) {
    case 0: keep_key(brim_slot_load(slot), of); break;
    case 1:
        brim_slot_store(slot, h->key);
        m.slots[at].of = h->of;
        *h = (handle){ NULL, NULL };
        if (of != NULL) {
            of->keys--;
            item_recycle(of);
        }
        break;
    case 2:
        h->key = brim_slot_exchange(slot, h->key);
        m.slots[at].of = h->of;
        h->of = of;
        break;
    case 3:
        if (h == e)
            break;
        swapped = brim_slot_compare_exchange(slot, e->key, h->key);
        AGREE(swapped == (e->of == of), "compare_exchange");
        if (!swapped)
            break;
        m.slots[at].of = h->of;
        *h = (handle){ NULL, NULL };
        if (of != NULL)
            of->keys--;
        break;
    default:
        r = brim_slot_find(slot);
        AGREE((r != NULL) == (of != NULL && of->linked), "slot_find");
        if (r == NULL)
            break;
        is_item(r, of);
        hold(of);
        keep_ref(r, of);
        break;
    }
}

static void op_reserve(void)
{
    size_t n = pick_cost();
    brim_status s;

    if (m.reserved != 0) {
        n = 1 + pick(m.reserved);
        brim_unreserve(m.cache, n);
        m.reserved -= n;
        return;
    }
    allow_room(0);
    s = brim_reserve(m.cache, n);
    AGREE(s == (has_room(n) ? BRIM_OK : BRIM_FULL) || (either(n) && s == BRIM_OK), "status %d for %zu", (int)s, n);
    if (s == BRIM_OK)
        m.reserved += n;
}

static void op_set_capacity(void)
{
    size_t n = m.tight ? 1 + pick(3000) : 1000000000 + pick(1000000);
    bool fits = m.pinned + m.reserved <= n;

    allow_room(0);
    AGREE(brim_set_capacity(m.cache, n) == (fits ? BRIM_OK : BRIM_FULL), "%zu, pinned %zu, reserved %zu", n, m.pinned, m.reserved);
    m.capacity = n;
    m.over = !fits;
    AGREE(brim_capacity(m.cache) == n, "capacity");
    if (!fits)
        AGREE(m.used == m.pinned, "used %zu, pinned %zu", m.used, m.pinned);
}

static void op_trim(void)
{
    size_t before = m.used, target = pick(m.used + m.reserved + 10), freed, kept;
    bool by_kind = pick(2) == 0;

    m.allowed = 1u << BRIM_EVICTED;
    freed = by_kind ? brim_trim_kind(m.cache, &model_kind, target) : brim_trim(m.cache, target);
    kept = by_kind ? m.used : m.used + m.reserved;
    AGREE(freed == before - m.used, "freed %zu of %zu to %zu", freed, before, target);
    AGREE(kept <= target || m.used == m.pinned, "trimmed to %zu, pinned %zu, target %zu", kept, m.pinned, target);
    if (before + (by_kind ? 0 : m.reserved) <= target)
        AGREE(freed == 0, "trimmed what was within the target");
}

static void op_clear(void)
{
    m.allowed = 1u << BRIM_CLEARED;
    brim_clear(m.cache);
    AGREE(m.count == 0, "%zu left", m.count);
    AGREE(m.used == m.pinned, "used");
}

static size_t visits;

static bool visit(brim_ref *lent, void *arg)
{
    item *i = brim_ref_value(lent);
    uint64_t *divisor = arg;

    visits++;
    AGREE(i->used && i->linked, "visited");
    i->visits++;
    hold(i);
    is_item(lent, i);
    unhold(i);
    return divisor == NULL || i->id % *divisor == 0;
}

static void op_walk(void)
{
    uint64_t divisor = 1 + pick(6);
    bool remove = pick(2) == 0;
    size_t before = m.count, said, expected = 0;

    for (size_t n = 0; n < m.made; n++) {
        m.items[n].visits = 0;
        expected += m.items[n].used && m.items[n].linked && m.items[n].id % divisor == 0;
    }
    visits = 0;
    m.allowed = 1u << BRIM_REMOVED;
    said = remove ? brim_remove_if(m.cache, visit, &divisor) : brim_for_each(m.cache, visit, NULL);
    AGREE(visits == before, "%zu visits of %zu", visits, before);
    for (size_t n = 0; n < m.made; n++)
        AGREE(m.items[n].visits <= 1, "visited twice");
    AGREE(said == (remove ? expected : before), "said %zu", said);
    AGREE(m.count == (remove ? before - expected : before), "count");
}

/* ---- The run ---- */

static void check_step(void)
{
    for (size_t n = 0; n < m.unlinked_count; n++) {
        item *i = m.unlinked[n];

        AGREE(i->refs != 0 || i->destroyed, "item %llu left, is not held, and not destroyed", (unsigned long long)i->id);
    }
    for (size_t n = 0; n < m.unlinked_count; n++)
        item_recycle(m.unlinked[n]);
    m.unlinked_count = 0;
    m.allowed = 0;
    AGREE(brim_used(m.cache) == m.used + m.reserved, "%zu, %zu + %zu", brim_used(m.cache), m.used, m.reserved);
    AGREE(brim_count(m.cache) == m.count, "%zu, %zu", brim_count(m.cache), m.count);
    AGREE(brim_pinned(m.cache) == m.pinned, "%zu, %zu", brim_pinned(m.cache), m.pinned);
    if (m.used + m.reserved <= m.capacity)
        m.over = false;
    AGREE(m.used + m.reserved <= m.capacity || m.over, "%zu + %zu of %zu", m.used, m.reserved, m.capacity);
}

static void check_all(void)
{
    brim_stats s;

    ck_assert(brim_check(m.cache, stderr));
    brim_stats_get(m.cache, &s);
    AGREE(s.capacity == m.capacity && s.reserved == m.reserved && s.used == m.used + m.reserved, "used");
    AGREE(s.count == m.count && s.values == m.values, "values %zu, %zu", s.values, m.values);
    AGREE(s.uncharged == m.uncharged, "uncharged %zu, %zu", s.uncharged, m.uncharged);
    for (int i = 0; i < 7; i++)
        AGREE(s.left[i] == m.left[i], "cause %d", i);
}

static void one_step(void)
{
    uint64_t what = pick(1000);

    if (what < 250) op_insert();
    else if (what < 280) op_insert_or_wrap();
    else if (what < 290) op_wrap();
    else if (what < 330) op_anonymous();
    else if (what < 500) op_find();
    else if (what < 550) op_remove();
    else if (what < 680) op_release();
    else if (what < 700) op_copy_ref();
    else if (what < 740) op_set_cost();
    else if (what < 780) op_ref_key();
    else if (what < 830) op_key_find();
    else if (what < 870) op_key_replace();
    else if (what < 885) op_key_remove();
    else if (what < 925) op_keys();
    else if (what < 965) op_slots();
    else if (what < 980) op_reserve();
    else if (what < 990) op_set_capacity();
    else if (what < 994) op_trim();
    else if (what < 996) op_walk();
    else if (what == 998 && pick(4) == 0) op_clear();
    else if (what == 999 && pick(8) == 0) check_all();
    check_step();
}

static void let_all_go(void)
{
    for (int i = 0; i < REFS; i++) {
        if (m.refs[i].of != NULL)
            unhold(m.refs[i].of);
        m.refs[i].of = NULL;
        brim_release(m.refs[i].ref);
        m.refs[i].ref = NULL;
    }
    brim_unreserve(m.cache, m.reserved);
    m.reserved = 0;
    check_step();
    AGREE(brim_pinned(m.cache) == 0, "pinned");
    check_all();
    m.allowed = 1u << BRIM_FREED;
    brim_cache_free(m.cache);
    AGREE(m.values == 0 && m.used == 0 && m.uncharged == 0 && m.count == 0, "%zu values left", m.values);
    for (int i = 0; i < HANDLES; i++) {
        AGREE(!brim_key_is_valid(m.handles[i].key), "valid after free");
        brim_key_drop(m.handles[i].key);
    }
    for (int i = 0; i < SLOTS; i++)
        brim_slot_store(&m.slots[i].slot, NULL);
}

static void run(bool tight, unsigned shards, uint64_t steps)
{
    const char *seed = getenv("BRIM_SEED");
    brim_options o;

    memset(&m, 0, sizeof m);
    m.items = calloc(MAX_ITEMS, sizeof *m.items);
    ck_assert_ptr_nonnull(m.items);
    m.tight = tight;
    m.seed = seed != NULL ? strtoull(seed, NULL, 0) : UINT64_C(20260101);
    m.random = m.seed * 2 + 1;
    m.capacity = tight ? 1500 : 1000000000;
    printf("model: BRIM_SEED=%llu, %s, %u shards, %llu steps\n", (unsigned long long)m.seed, tight ? "tight" : "ample", shards,
           (unsigned long long)steps);
    fflush(stdout);
    brim_options_init(&o, m.capacity);
    o.kind = &model_kind;
    o.shards = shards;
    m.cache = make_cache(&o);
    for (m.step = 0; m.step < steps; m.step++)
        one_step();
    ck_assert_uint_gt(m.hits, steps / 100);
    ck_assert_uint_gt(m.statuses[BRIM_OK], steps / 20);
    if (tight)
        ck_assert_uint_gt(m.left[BRIM_EVICTED], steps / 100);
    else
        ck_assert_uint_gt(m.left[BRIM_REPLACED], steps / 100);
    let_all_go();
    free(m.items);
}

START_TEST(test_model_ample_capacity_agrees_exactly)
{
    run(false, _i == 0 ? 1 : 0, (uint64_t)SCALED_ALONE(1500000));
}
END_TEST

START_TEST(test_model_tight_capacity_agrees_exactly)
{
    static const unsigned shards[] = { 1, 0, 16 };

    run(true, shards[_i], (uint64_t)SCALED_ALONE(1000000));
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("model");

    tcase_add_loop_test(tc, test_model_ample_capacity_agrees_exactly, 0, 2);
    tcase_add_loop_test(tc, test_model_tight_capacity_agrees_exactly, 0, 3);
    return suite_run(tc);
}
