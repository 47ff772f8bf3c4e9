/* SPDX-License-Identifier: MIT */
#include "model/model.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct model m;
static bool traced;

/* ---- Saying what was wrong */

void model_say(const char *operation, uint64_t a, uint64_t b)
{
    size_t at = m.said_count++ % (sizeof m.said / sizeof m.said[0]);

    m.said[at].name = operation;
    m.said[at].a = a;
    m.said[at].b = b;
    if (traced)
        fprintf(stderr, "%llu: %s %llu %llu\n", (unsigned long long)m.step, operation, (unsigned long long)a,
                (unsigned long long)b);
}

_Noreturn void model_disagree(const char *file, int line, const char *condition, const char *format, ...)
{
    size_t most = sizeof m.said / sizeof m.said[0], n = m.said_count < most ? m.said_count : most;
    va_list args;

    for (size_t i = m.said_count - n; i < m.said_count; i++)
        fprintf(stderr, "  %s %llu %llu\n", m.said[i % most].name, (unsigned long long)m.said[i % most].a,
                (unsigned long long)m.said[i % most].b);
    fprintf(stderr, "%s:%d: %s, step %llu: %s: ", file, line, m.setup->seed, (unsigned long long)m.step, condition);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

/* ---- Keys: of many lengths, the first is empty; two bytes tell them apart */

unsigned char model_key_data[KEYS][112];
size_t model_key_len[KEYS];

static void make_keys(void)
{
    static const size_t lengths[] = {8, 2, 16, 17, 40, 4, 112, 8};

    for (unsigned k = 1; k < KEYS; k++) {
        model_key_len[k] = lengths[k % (sizeof lengths / sizeof lengths[0])];
        for (size_t i = 0; i < model_key_len[k]; i++)
            model_key_data[k][i] = (unsigned char)(i % 2 == 0 ? k : k >> 8);
    }
}

static unsigned key_of_bytes(const void *bytes, size_t len)
{
    const unsigned char *b = bytes;
    unsigned k = len == 0 ? 0 : b[0] | (unsigned)b[1] << 8;

    AGREE(k < KEYS && len == model_key_len[k] && memcmp(b, model_key_data[k], len) == 0, "bytes of no key, %zu", len);
    return k;
}

/* ---- Choices */

struct cache *pick_cache(void)
{
    m.current = &m.cache[pick(m.caches)];
    return m.current;
}

unsigned pick_key(void)
{
    return (unsigned)pick(m.setup->keys);
}

size_t pick_cost(const struct cache *c)
{
    switch (pick(20)) {
    case 1: return 0;
    case 2: return pick(600);
    case 3: return c->capacity < 100000 ? pick(c->capacity + c->capacity / 8 + 2) : pick(100000);
    case 4: return m.setup->capacity == 0 && one_in(8) ? SIZE_MAX / 2 + pick(2) : 7;
    default: return 1 + pick(40);
    }
}

void plain_terms(struct terms *t)
{
    memset(t, 0, sizeof *t);
}

static struct group *pick_group(const struct cache *c)
{
    struct group *g = &m.groups[pick(GROUPS)];

    return g->group != NULL && (g->of == c || one_in(16)) ? g : NULL;
}

static void join(struct terms *t, const struct cache *c, struct group *g)
{
    for (unsigned i = 0; i < t->members; i++)
        if (t->member[i].group == g)
            return;
    if (g->of != c)
        t->status = BRIM_INVALID;
    else if (g->closed && t->status == BRIM_OK)
        t->status = BRIM_CANCELED;
    if (t->status == BRIM_OK)
        t->member[t->members++] = (struct member){g, g->generation};
}

static void pick_groups(struct terms *t, struct cache *c)
{
    struct group *g;

    if ((g = pick_group(c)) != NULL) {
        t->options.group = g->group;
        join(t, c, g);
    }
    for (int i = 0; i < 3 && one_in(4); i++)
        if ((g = pick_group(c)) != NULL) {
            t->options.more_groups[i] = g->group;
            join(t, c, g);
        }
    if (t->status != BRIM_OK)
        t->members = 0;
}

void pick_terms(struct terms *t, struct cache *c)
{
    static const uint64_t ages[] = {0, 10, 0, 7, 3, 100, 1000, UINT64_MAX};

    plain_terms(t);
    if (!one_in(2) || m.setup->capacity != 0)
        return;
    t->given = true;
    brim_entry_options_init(&t->options);
    t->kind = (unsigned)pick(KINDS);
    t->options.kind = t->kind != 0 || one_in(2) ? model_kinds[t->kind] : NULL;
    pick_groups(t, c);
    t->options.max_age = ages[pick(8)];
    t->options.max_idle = ages[pick(8)];
    t->options.work = pick(256) << pick(40);
    t->options.priority = 1 - (int)pick(3);
    if (one_in(64))
        t->options.priority = 2;
    if (one_in(64))
        t->options.size--;
    if (t->options.priority == 2 || t->options.size != sizeof t->options)
        t->status = BRIM_INVALID;
}

const brim_entry_options *options_of(const struct terms *t)
{
    return t->given ? &t->options : NULL;
}

static uint64_t now(void *arg)
{
    return *(uint64_t *)arg;
}

/* ---- Overheads: found out from a cache of its own, once */

static size_t overheads[KEYS + 1][2][5];

static size_t *overhead_at(int64_t key, bool ages, unsigned members)
{
    return &overheads[key < 0 ? KEYS : key][ages][members];
}

static void measure(brim_cache *c, int64_t key, bool ages, brim_group *const groups[4], unsigned members)
{
    brim_entry_options e;
    brim_ref *r = NULL;
    size_t used, len = key < 0 ? 0 : model_key_len[key];
    brim_status s;

    brim_entry_options_init(&e);
    e.max_age = ages ? 1000000 : 0;
    e.group = members > 0 ? groups[0] : NULL;
    for (unsigned i = 1; i < members; i++)
        e.more_groups[i - 1] = groups[i];
    used = brim_used(c);
    s = key < 0 ? brim_insert_anonymous(c, NULL, 1, &e, NULL, &r) : brim_insert_with(c, KEY(key), NULL, 1, &e, &r);
    AGREE(s == BRIM_OK, "status %d", (int)s);
    used = brim_used(c) - used - 1;
    AGREE(used >= len + 32 && used <= len + 256, "an overhead of %zu for %zu bytes", used, len);
    *overhead_at(key, ages, members) = used;
    brim_release(r);
}

static void measure_overheads(void)
{
    brim_options o;
    brim_cache *c = NULL;
    brim_group *groups[4];

    brim_options_init(&o, SIZE_MAX / 2);
    o.charge_overhead = true;
    o.now = now;
    o.now_arg = &m.now;
    AGREE(brim_cache_new(&o, &c) == BRIM_OK, "no cache");
    for (int i = 0; i < 4; i++)
        groups[i] = brim_group_new(c);
    for (unsigned members = 0; members <= 4; members++)
        for (int ages = 0; ages < 2; ages++) {
            brim_clear(c);
            for (int64_t key = ANONYMOUS; key < (int64_t)m.setup->keys; key++)
                measure(c, key, ages, groups, members);
        }
    for (int i = 0; i < 4; i++)
        brim_group_drop(groups[i]);
    brim_cache_free(c);
}

size_t charge_of(const struct cache *c, size_t cost, int64_t key, const struct terms *t)
{
    bool ages = t->options.max_age != 0 || t->options.max_idle != 0;

    return cost + (c->overhead ? *overhead_at(key, ages, t->members) : 0);
}

/* ---- Groups */

void members_join(struct member *to, unsigned *n, const struct member *from, unsigned members)
{
    *n = members;
    for (unsigned i = 0; i < members; i++) {
        to[i] = from[i];
        to[i].group->members++;
    }
}

void members_leave(struct member *member, unsigned members)
{
    for (unsigned i = 0; i < members; i++)
        member[i].group->members--;
}

bool members_are_stale(const struct member *member, unsigned members)
{
    for (unsigned i = 0; i < members; i++)
        if (member[i].generation != member[i].group->generation)
            return true;
    return false;
}

/* ---- Items: what each is part of, taken out and put in again around a change */

static size_t charge(const struct item *i)
{
    return i->cost + i->overhead;
}

static void count(const struct item *i, size_t one) /* 1, or its negative */
{
    struct cache *c = i->of;
    size_t n = charge(i) * one;

    if (i->destroyed)
        return;
    c->values += one;
    c->kind[i->kind].values += one;
    if (!i->charged) {
        c->uncharged += i->cost * one;
        c->kind[i->kind].uncharged += i->cost * one;
        return;
    }
    c->used += n;
    c->kind[i->kind].used += n;
    c->pinned += i->refs != 0 ? n : 0;
    c->queued += i->queued ? n : 0;
    if (!i->linked)
        return;
    c->count += one;
    c->kind[i->kind].linked += n;
    c->kind[i->kind].idle += i->refs == 0 ? n : 0;
    c->kind[i->kind].idle_count += i->refs == 0 ? one : 0;
}

#define CHANGE(i, ...)                                                                                       \
    do {                                                                                                     \
        count(i, (size_t)-1);                                                                                \
        __VA_ARGS__;                                                                                         \
        count(i, 1);                                                                                         \
    } while (0)

struct item *item_new(struct cache *c, int64_t key, size_t cost, const struct terms *t)
{
    struct item *i = m.free;

    if (i != NULL) {
        m.free = i->next;
    } else {
        AGREE(m.made < m.setup->items, "too many items");
        i = &m.items[m.made++];
    }
    memset(i, 0, sizeof *i);
    i->of = c;
    i->key = key;
    i->id = ++m.ids;
    i->kind = t->kind;
    i->cost = cost;
    i->charged = i->in_use = i->destroyed = true; /* not there yet */
    i->null = !c->borrow && i->kind != QUEUED && key >= 0 && m.setup->capacity == 0 && i->id % 8 == 0;
    i->overhead = charge_of(c, cost, key, t) - cost;
    members_join(i->member, &i->members, t->member, t->members);
    i->max_age = t->options.max_age;
    i->max_idle = t->options.max_idle;
    i->born = i->used = m.now;
    i->frame = c->frame;
    i->idle = c->idles;
    return i;
}

void *item_value(const struct item *i)
{
    return i->null ? NULL : (void *)(uintptr_t)i;
}

void item_recycle(struct item *i)
{
    if (!i->in_use || !i->destroyed || i->due || i->keys != 0 || i->refs != 0)
        return;
    members_leave(i->member, i->members);
    i->in_use = false;
    i->next = m.free;
    m.free = i;
}

static void is_destroyed(struct item *i)
{
    count(i, (size_t)-1);
    i->destroyed = true;
    i->queued = false;
    i->of->kind[i->kind].met = true;
}

/* Left, and nobody holds it: its value is to end.  The end of NULL nobody is told. */
static void ends(struct item *i)
{
    if (i->linked || i->refs != 0 || i->destroyed || i->due)
        return;
    i->waits = i->of->nesting > 0 ? i->of->section : 0;
    i->due = true;
    i->next = m.due;
    m.due = i;
    if (i->null)
        is_destroyed(i);
}

void hold(struct item *i)
{
    CHANGE(i, i->refs++);
}

void unhold(struct item *i)
{
    AGREE(i->refs > 0, "not held");
    CHANGE(i, i->refs--);
    ends(i);
}

void take(struct item *i, bool linked)
{
    i->destroyed = false;
    i->linked = linked;
    i->charged = linked;
    count(i, 1);
}

static void unlink_item(struct item *i)
{
    CHANGE(i, i->linked = false);
    i->section = i->of->nesting > 0 ? i->of->section : 0;
}

void refuse(struct item *i)
{
    count(i, (size_t)-1);
    i->destroyed = true;
    i->linked = false;
    i->refs = 0;
    item_recycle(i);
}

void uncharge(struct item *i)
{
    if (!i->charged)
        return;
    CHANGE(i, i->linked = i->charged = false);
    i->overhead = 0;
    i->section = 0;
    ends(i);
}

void set_cost(struct item *i, size_t cost)
{
    CHANGE(i, i->cost = cost);
}

static bool is_past(const struct item *i)
{
    return (i->max_age != 0 && m.now - i->born >= i->max_age) || (i->max_idle != 0 && m.now - i->used >= i->max_idle);
}

/* What one call has found expired stays so. */
static bool is_expired(struct item *i)
{
    i->expired = i->expired || is_past(i);
    return i->expired;
}

bool item_is_stale(struct item *i)
{
    return members_are_stale(i->member, i->members) || is_expired(i);
}

bool item_is_found(struct item *i)
{
    return i != NULL && i->linked && !item_is_stale(i);
}

struct item *found(struct cache *c, unsigned key)
{
    return item_is_found(c->by_key[key]) ? c->by_key[key] : NULL;
}

/* The time of the last use is written when it changes by an eighth. */
void item_use(struct item *i)
{
    if (i->max_idle != 0 && m.now - i->used >= i->max_idle / 8 + (i->max_idle < 8))
        i->used = m.now;
    i->frame = i->of->frame;
    i->idle = i->of->idles;
}

void is_item(const brim_ref *r, struct item *i)
{
    size_t len = 1;
    const void *bytes = brim_ref_key_bytes(r, &len);

    AGREE(r != NULL && brim_ref_value(r) == item_value(i), "another value than item %llu", (unsigned long long)i->id);
    AGREE(brim_ref_cost(r) == i->cost, "%zu, %zu", brim_ref_cost(r), i->cost);
    AGREE(brim_ref_is_cached(r) == item_is_found(i), "item %llu", (unsigned long long)i->id);
    AGREE(brim_ref_kind(r) == model_kinds[i->kind], "another kind than %u", i->kind);
    if (i->key >= 0)
        AGREE(bytes != NULL && key_of_bytes(bytes, len) == i->key, "another key than %lld", (long long)i->key);
    else
        AGREE(bytes == NULL && len == 0, "key bytes");
}

/* ---- What the cache tells */

static struct item *who_leaves(const void *key, size_t len, void *value)
{
    if (value != NULL)
        return value;
    AGREE(m.current != NULL && key != NULL, "NULL left without a key");
    AGREE(m.current->by_key[key_of_bytes(key, len)] != NULL, "NULL left of another cache");
    return m.current->by_key[key_of_bytes(key, len)];
}

static bool is_another_idle(const struct cache *c, const struct item *than)
{
    for (unsigned k = 0; k < m.setup->keys; k++) {
        struct item *i = c->by_key[k];
        if (i != NULL && i != than && i != m.subject && i->linked && i->refs == 0 && i->frame != c->frame &&
            i->kind != QUEUED && c->kind[i->kind].floor == 0)
            return true;
    }
    return false;
}

/* An eviction: of what nobody holds, for what there is no room for, of what the frame used last of all. */
static void check_victim(struct item *i)
{
    struct cache *c = i->of;

    AGREE(m.evicting == c && i->refs == 0, "item %llu evicted, refs %u", (unsigned long long)i->id, i->refs);
    if (m.exact)
        AGREE(taken(c) > m.target, "evicted %zu in vain: %zu taken, to %zu", charge(i), taken(c), m.target);
    if (m.admits && m.for_kind != ANY_KIND && m.for_kind != (int)i->kind && i != m.subject)
        AGREE(c->kind[i->kind].linked - charge(i) >= c->kind[i->kind].floor, "kind %u below its floor", i->kind);
    if (m.idling)
        AGREE(c->idles - i->idle >= 2, "it was used %llu idles ago", (unsigned long long)(c->idles - i->idle));
    if (m.before_frame != 0)
        AGREE(i->frame < m.before_frame, "used in frame %llu", (unsigned long long)i->frame);
    /* Its own kind's, below the floor, goes last: nothing else could, not even of what the frame protects. */
    if (m.admits && m.for_kind == (int)i->kind && c->kind[i->kind].linked - charge(i) < c->kind[i->kind].floor)
        c->pressed_frame = c->frame + 1;
    if (c->protect && m.exact && m.admits && i->frame == c->frame) {
        AGREE(c->pressed_frame == c->frame + 1 || !is_another_idle(c, i), "the frame's own went first");
        c->pressed_frame = c->frame + 1;
    }
}

static void check_cause(struct item *i, brim_cause cause)
{
    bool invalidated = members_are_stale(i->member, i->members);

    switch (cause) {
    case BRIM_EVICTED: check_victim(i); break;
    case BRIM_REMOVED:
    case BRIM_REPLACED:
        AGREE(i == m.subject || (m.walking && cause == BRIM_REMOVED), "cause %d", (int)cause);
        AGREE(!item_is_stale(i), "a stale one, cause %d", (int)cause);
        break;
    case BRIM_INVALIDATED: AGREE(invalidated, "none of its groups was"); break;
    case BRIM_EXPIRED: AGREE(!invalidated && is_expired(i), "it had not"); break;
    case BRIM_CLEARED: AGREE(m.clearing == i->of, "not cleared"); break;
    case BRIM_FREED: AGREE(m.freeing == i->of, "not freed"); break;
    }
}

static void removed(const void *key, size_t len, void *value, size_t cost, brim_cause cause, void *arg)
{
    struct item *i = who_leaves(key, len, value);

    (void)arg;
    model_say("  leaves: item, cause", i->id, (uint64_t)cause);
    AGREE(i->in_use && i->linked && !i->destroyed, "item %llu announced", (unsigned long long)i->id);
    AGREE(cost == i->cost, "%zu, %zu", cost, i->cost);
    check_cause(i, cause);
    if (i->key == ANONYMOUS) {
        AGREE(key == NULL, "an anonymous entry has key bytes");
    } else {
        AGREE(key != NULL && key_of_bytes(key, len) == i->key, "wrong key");
        if (i->of->by_key[i->key] == i)
            i->of->by_key[i->key] = NULL;
    }
    if (i->key >= 0 && (cause == BRIM_REMOVED || cause == BRIM_REPLACED || cause == BRIM_CLEARED))
        overtake(i->of, (unsigned)i->key);
    unlink_item(i);
    i->of->left[cause]++;
    m.to_queue = m.to_queue || (i->kind == QUEUED && !m.queue_dropped);
    ends(i);
}

static void destroy_entry(const void *key, size_t len, void *value, size_t cost, void *arg)
{
    struct item *i = value;

    (void)arg;
    if (i != NULL && i == m.offered && i->linked)
        uncharge(i); /* taken and refused */
    AGREE(i != NULL && i->in_use && !i->destroyed && !i->linked && i->refs == 0,
          "item %llu destroyed, linked %d, refs %u",
          (unsigned long long)i->id, (int)i->linked, i->refs);
    AGREE(cost == i->cost, "%zu, %zu", cost, i->cost);
    AGREE(i->of->nesting == 0 || i->section != i->of->section, "item %llu destroyed under a section",
          (unsigned long long)i->id);
    if (i->kind == QUEUED && !m.queue_dropped) {
        AGREE(m.collecting && (i->queued || i->due), "destroyed outside its queue");
        AGREE(i->queue_turn == 0 || i->queue_turn >= m.collected, "collected out of turn");
        m.collected = i->queue_turn != 0 ? i->queue_turn : m.collected;
    }
    AGREE((key != NULL) == (model_kinds[i->kind]->destroy_entry != NULL && i->key >= 0), "key bytes");
    if (key != NULL)
        AGREE(key_of_bytes(key, len) == i->key, "wrong key");
    is_destroyed(i);
    if (!i->due)
        item_recycle(i);
}

static void destroy(void *value, size_t cost, void *arg)
{
    destroy_entry(NULL, 0, value, cost, arg);
}

static void unused(void *arg)
{
    (*(uint64_t *)arg)++;
}

static void gone(void *arg)
{
    struct cache *c = arg;

    AGREE(!c->gone && c->cache == NULL, "gone twice, or before it was freed");
    c->gone = true;
}

#define KIND(i, more)                                                                                        \
    {                                                                                                        \
        .size = sizeof(brim_kind), .removed = removed, .unused = unused, .arg = &m.kinds_unused[i], more     \
    }
static brim_kind kinds[KINDS] = {
    KIND(0, .destroy = destroy),
    KIND(1, .destroy_entry = destroy_entry),
    KIND(QUEUED, .destroy = destroy),
    KIND(3, .destroy = destroy),
};
const brim_kind *const model_kinds[KINDS] = {&kinds[0], &kinds[1], &kinds[2], &kinds[3]};

/* ---- Expectations */

size_t taken(const struct cache *c)
{
    return c->used + c->reserved + c->loading;
}

bool is_too_big(const struct cache *c, size_t n, int kind)
{
    size_t ceiling = kind >= 0 ? c->kind[kind].ceiling : 0;

    return n > c->capacity || c->capacity == 0 || (ceiling != 0 && n > ceiling);
}

/* Whether evicting values of a kind frees anything. */
static bool frees(unsigned kind)
{
    return kind != QUEUED || m.queue_dropped;
}

static int64_t idle_sum(const struct cache *c, int kind, bool sure)
{
    int64_t sum = 0;

    for (int k = 0; k < KINDS; k++)
        if (frees((unsigned)k) && !(sure && k != kind && c->kind[k].floor != 0))
            sum += (int64_t)c->kind[k].idle;
    return sum;
}

static bool any_idle(const struct cache *c, bool sure)
{
    for (int k = 0; k < KINDS; k++)
        if (c->kind[k].idle_count > 0 && !(sure && c->kind[k].floor != 0))
            return true;
    return false;
}

/* Stale ones go from the index also if they are held. */
static bool any_stale(const struct cache *c)
{
    for (size_t n = 0; n < m.made; n++)
        if (m.items[n].in_use && m.items[n].of == c && m.items[n].linked && item_is_stale(&m.items[n]))
            return true;
    return false;
}

static enum verdict entry_room(const struct cache *c)
{
    if (c->max_entries == 0 || c->count < c->max_entries || any_idle(c, true))
        return YES;
    return any_idle(c, false) || any_stale(c) ? MAYBE : NO;
}

static enum verdict compare(int64_t sure, int64_t most, size_t n)
{
    if (n == 0 && most < 0)
        return MAYBE; /* what costs nothing, while too much is held: either will do */
    return most < (int64_t)n ? NO : sure >= (int64_t)n ? YES : MAYBE;
}

static enum verdict worse(enum verdict a, enum verdict b)
{
    return a < b ? a : b;
}

/* Below the kind's ceiling. */
static enum verdict kind_room(const struct cache *c, size_t n, int kind)
{
    int64_t left = (int64_t)c->kind[kind].ceiling - (int64_t)c->kind[kind].used, idle = (int64_t)c->kind[kind].idle;

    if (c->kind[kind].ceiling == 0)
        return YES;
    if (!frees((unsigned)kind))
        idle = 0;
    return compare(c->nesting > 0 ? left : left + idle, left + idle + (c->borrow ? (int64_t)c->used : 0), n);
}

/* Charge ${n}, by eviction if need be; in a section of our own nothing that leaves is free until its end. */
enum verdict room_beside(const struct cache *c, size_t n, int kind, bool new_entry, size_t have)
{
    int64_t left = (int64_t)c->capacity - (int64_t)taken(c), sure = left, most = left + idle_sum(c, kind, false);
    enum verdict v;

    if (c->nesting == 0)
        sure += idle_sum(c, kind, true);
    else
        most += (int64_t)(c->used - c->pinned); /* what left before the section began */
    v = have > 0 && have >= n ? YES : compare(sure, most, n);
    if (kind >= 0)
        v = worse(v, kind_room(c, n, kind));
    if (new_entry)
        v = worse(v, entry_room(c));
    return memory_failed() ? worse(v, MAYBE) : v;
}

enum verdict room(const struct cache *c, size_t n, int kind, bool new_entry)
{
    return room_beside(c, n, kind, new_entry, 0);
}

void may_evict(struct cache *c, size_t n, int kind)
{
    bool plain = !c->borrow && c->max_entries == 0 && !m.queue_dropped; /* what goes to queues frees nothing */

    for (unsigned k = 0; k < KINDS; k++)
        plain = plain && (!c->kind[k].limited || (kind >= 0 && (int)k != kind && c->kind[k].ceiling == 0));
    m.evicting = c;
    m.admits = true;
    m.for_kind = kind;
    m.exact = plain;
    m.target = n < c->capacity ? c->capacity - n : 0;
}

/* The old entry goes last: nothing else could, not even of what the frame protects. */
void took_room_of(const struct item *old)
{
    if (old != NULL && old->destroyed && taken(old->of) + old->cost + old->overhead > old->of->capacity)
        old->of->pressed_frame = old->of->frame + 1;
}

bool was_refused(brim_status s, bool too_big)
{
    if (m.evicting != NULL && !too_big)
        m.evicting->pressed_frame = m.evicting->frame + 1;
    return too_big ? s == BRIM_TOO_BIG : s == BRIM_FULL;
}

bool memory_failed(void)
{
    return m.setup->failures != NULL && m.setup->failures() != m.failures;
}

/* ---- After each step */

static bool still_due(struct item *i)
{
    struct cache *c = i->of;

    if (i->refs != 0 || i->destroyed)
        return false;
    if (c->nesting > 0 && i->waits == c->section)
        return true;
    if (i->kind == QUEUED && !m.queue_dropped) {
        CHANGE(i, i->queued = true);
        i->queue_turn = c->borrow ? 0 : m.one_turn ? m.queue_turns : ++m.queue_turns;
        return false;
    }
    AGREE(false, "item %llu left, is not held, and not destroyed", (unsigned long long)i->id);
    return false;
}

static void check_due(void)
{
    struct item *i = m.due, *next, *ordered = NULL, **keep = &m.due;

    m.due = NULL;
    /*
     * All of a walk have one turn: it still holds what it removes while that removal sweeps what is stale.  So have all
     * of the end of a load: what leaves for a value that is not published all the same may come after that.
     */
    m.queue_turns += m.one_turn;
    for (; i != NULL; i = next) { /* in the order in which they left */
        next = i->next;
        i->next = ordered;
        ordered = i;
    }
    for (i = ordered; i != NULL; i = next) {
        next = i->next;
        i->due = still_due(i);
        if (i->due) {
            i->next = *keep;
            *keep = i;
        } else {
            item_recycle(i);
        }
    }
}

enum { PINNED_EVERY = 4 }; /* steps: a sum over many threads' counters */

static void check_cache(struct cache *c)
{
    if (c->cache == NULL)
        return;
    AGREE(brim_used(c->cache) == taken(c), "%zu, %zu + %zu + %zu", brim_used(c->cache), c->used, c->reserved,
          c->loading);
    AGREE(brim_count(c->cache) == c->count, "%zu, %zu", brim_count(c->cache), c->count);
    if (m.step % PINNED_EVERY == 0)
        AGREE(brim_pinned(c->cache) == c->pinned, "%zu, %zu", brim_pinned(c->cache), c->pinned);
    c->over = c->over && taken(c) > c->capacity;
    AGREE(taken(c) <= c->capacity || c->over, "%zu of %zu", taken(c), c->capacity);
    AGREE(c->max_entries == 0 || c->count <= c->max_entries, "%zu entries", c->count);
    for (int k = 0; k < KINDS; k++) {
        size_t ceiling = c->kind[k].ceiling;
        c->kind[k].over = c->kind[k].over && c->kind[k].used > ceiling;
        AGREE(ceiling == 0 || c->kind[k].used <= ceiling || c->kind[k].over, "kind %d: %zu of %zu", k,
              c->kind[k].used,
              ceiling);
    }
}

void settle_step(void)
{
    check_due();
    m.evicting = m.clearing = m.freeing = NULL;
    m.subject = m.offered = NULL;
    m.walking = m.one_turn = m.idling = m.exact = m.admits = m.to_queue = false;
    m.before_frame = 0;
    for (unsigned i = 0; i < m.caches; i++)
        check_cache(&m.cache[i]);
    m.failures = m.setup->failures != NULL ? m.setup->failures() : 0;
}

/* ---- A run of it */

enum { TABLE = 512 };
static const struct operation *operations[OPERATIONS];
static unsigned operation_count;
static uint8_t table[TABLE]; /* of numbers of operations */
static unsigned weights;
static bool table_of_all;

static void add_operations(const struct operation *o)
{
    for (; o->weight > 0; o++, operation_count++) {
        AGREE(operation_count < OPERATIONS && weights + o->weight <= TABLE, "too many operations");
        operations[operation_count] = o;
        memset(table + weights, (int)operation_count, o->weight);
        weights += o->weight;
    }
}

static void add_all_operations(void)
{
    bool all = m.setup == NULL || m.setup->capacity == 0;

    if (weights > 0 && all == table_of_all)
        return;
    table_of_all = all;
    weights = operation_count = 0;
    add_operations(entry_operations);
    add_operations(handle_operations);
    add_operations(bound_operations);
    if (!all)
        return;
    add_operations(more_operations);
    add_operations(load_operations);
    add_operations(section_operations);
    add_operations(other_operations);
}

const char *model_operation(unsigned number)
{
    add_all_operations();
    return number < operation_count ? operations[number]->name : NULL;
}

static void choose_options(brim_options *o)
{
    static const size_t capacities[] = {400, 100, 1500, 30, 5000, 1, 0, 1000000000, 200, 50, 100, 400, 70, 150, 800, 250};

    brim_options_init(o, capacities[pick(16)]);
    o->shards = pick(8) < 7 ? 1 : 4;
    o->seed = 1 + pick(4);
    o->max_entries = one_in(4) ? 1 + pick(12) : 0;
    o->objective = (brim_objective)pick(4);
    o->hash = (brim_hash)one_in(4);
    o->borrow = one_in(3);
    o->charge_overhead = one_in(4);
    o->protect_frame = one_in(3);
    o->name = one_in(2) ? "model" : NULL;
}

static bool make_cache(struct cache *c)
{
    brim_options o;
    brim_status s;
    bool fit;

    memset(c, 0, sizeof *c);
    if (m.setup->capacity != 0) {
        brim_options_init(&o, m.setup->capacity);
        o.shards = m.setup->shards;
    } else {
        choose_options(&o);
    }
    o.kind = &kinds[0];
    o.now = now;
    o.now_arg = &m.now;
    o.allocator = m.setup->allocator;
    o.gone = gone;
    o.gone_arg = c;
    c->borrow = o.borrow;
    c->overhead = o.charge_overhead;
    c->protect = o.protect_frame;
    c->capacity = o.capacity;
    c->max_entries = o.max_entries;
    fit = kinds[0].floor <= o.capacity && kinds[0].ceiling <= o.capacity;
    s = brim_cache_new(&o, &c->cache);
    AGREE(s == (fit ? BRIM_OK : BRIM_INVALID) || (s == BRIM_NOMEM && memory_failed()), "status %d", (int)s);
    AGREE((c->cache != NULL) == (s == BRIM_OK), "status %d", (int)s);
    c->kind[0].floor = kinds[0].floor;
    c->kind[0].ceiling = kinds[0].ceiling;
    c->kind[0].limited = kinds[0].floor != 0 || kinds[0].ceiling != 0;
    return c->cache != NULL;
}

static void make_caches(unsigned wanted)
{
    while (m.caches < wanted && make_cache(&m.cache[m.caches]))
        m.caches++;
}

static void choose_kinds(void)
{
    static const size_t limits[] = {0, 0, 0, 0, 20, 50, 100, 400};

    kinds[0].floor = kinds[0].ceiling = 0;
    kinds[QUEUED].queue = NULL;
    if (m.setup->capacity != 0)
        return;
    kinds[0].floor = limits[pick(8)];
    kinds[0].ceiling = limits[pick(8)];
    if (kinds[0].ceiling != 0 && kinds[0].floor > kinds[0].ceiling)
        kinds[0].floor = kinds[0].ceiling;
    m.queue = brim_queue_new();
    AGREE(m.queue != NULL, "no queue");
    kinds[QUEUED].queue = m.queue;
}

/* Kept for the next run. */
static struct item *items_for(size_t n)
{
    static struct item *items;
    static size_t room_for;

    if (n > room_for) {
        free(items);
        items = calloc(n, sizeof *items);
        room_for = items != NULL ? n : 0;
        AGREE(items != NULL, "no memory");
    }
    return items;
}

static void begin_first(void)
{
    traced = getenv("BRIM_TRACE") != NULL;
    make_keys();
    measure_overheads();
}

bool model_begin(const struct model_setup *setup)
{
    static bool begun;
    unsigned wanted;

    memset(&m, 0, sizeof m);
    m.setup = setup;
    m.items = items_for(setup->items);
    if (!begun)
        begin_first();
    begun = true;
    add_all_operations();
    m.now = 1;
    wanted = setup->capacity == 0 && one_in(4) ? CACHES : 1;
    choose_kinds();
    m.failures = setup->failures != NULL ? setup->failures() : 0;
    if (setup->fail != NULL && one_in(32))
        setup->fail(1 + pick(12), SIZE_MAX);
    make_caches(wanted);
    if (setup->fail != NULL)
        setup->fail(0, 0);
    if (m.caches == 0) { /* there was no memory, or no room for the kind's floor */
        kinds[0].floor = kinds[0].ceiling = 0;
        make_caches(wanted);
    }
    settle_step();
    return m.caches > 0;
}

void model_step(void)
{
    unsigned number = table[pick(weights)];
    const struct operation *o = operations[number];

    m.step++;
    m.ran[number]++;
    model_say(o->name, 0, 0);
    o->run();
    settle_step();
}

/* ---- Its end */

static void free_cache(struct cache *c)
{
    brim_cache *cache = c->cache;

    model_say("free", (uint64_t)(c - m.cache), 0);
    m.current = m.freeing = c;
    m.freed_section = c->nesting > 0 ? cache : NULL;
    c->cache = NULL;
    forget_all(c);
    brim_cache_free(cache);
    check_freed(c);
    settle_step();
    AGREE(c->count == 0, "%zu entries left", c->count);
    if (m.freed_section != NULL)
        end_sections(c, cache);
}

static void check_end(const struct cache *c)
{
    AGREE(c->values == 0 && c->used == 0 && c->uncharged == 0 && c->count == 0 && c->pinned == 0 && c->queued == 0,
          "%zu values left, %zu used", c->values, c->used);
    AGREE(c->gone, "not gone");
}

void model_end(void)
{
    bool in_hand = one_in(2);
    uint64_t met[KINDS] = {0};

    if (m.setup->fail != NULL)
        m.setup->fail(0, 0);
    m.current = &m.cache[0];
    model_check();
    if (!in_hand)
        release_all();
    for (unsigned i = 0; i < m.caches; i++)
        free_cache(&m.cache[i]);
    if (in_hand) {
        use_freed();
        release_all();
    }
    if (m.queue != NULL && !m.queue_dropped)
        drop_queue();
    settle_step();
    for (unsigned i = 0; i < m.caches; i++) {
        check_end(&m.cache[i]);
        for (int k = 0; k < KINDS; k++)
            met[k] += m.cache[i].kind[k].met;
    }
    for (int k = 0; k < KINDS; k++)
        AGREE(m.kinds_unused[k] >= met[k] && m.kinds_unused[k] <= m.caches, "kind %d: %llu of %llu", k,
              (unsigned long long)m.kinds_unused[k], (unsigned long long)met[k]);
}
