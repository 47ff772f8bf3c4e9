/* SPDX-License-Identifier: MIT
 *
 * Operations on sections and what is borrowed in them, and look-ups of many keys.
 */
#include "model/model.h"

/* ---- Sections */

static void forget_borrowed(const struct cache *c)
{
    for (size_t at = 0; at < BORROWED; at++)
        if (m.borrowed[at].of != NULL && m.borrowed[at].of->of == c)
            m.borrowed[at].of = NULL;
}

static void op_begin(void)
{
    struct cache *c = pick_cache();
    brim_status s = brim_read_begin(c->cache);

    if (s == BRIM_NOMEM) {
        AGREE(memory_failed() && c->borrow, "NOMEM");
        return;
    }
    AGREE(s == (c->borrow ? BRIM_OK : BRIM_UNSUPPORTED), "status %d", (int)s);
    if (s == BRIM_OK && c->nesting++ == 0)
        c->section = ++c->sections;
}

static void end_section(struct cache *c, brim_cache *cache)
{
    if (c->nesting > 0 && --c->nesting == 0)
        forget_borrowed(c);
    brim_read_end(cache);
}

static void op_end(void)
{
    struct cache *c = pick_cache();

    end_section(c, c->cache);
}

static void op_refresh(void)
{
    struct cache *c = pick_cache();

    if (c->nesting == 1) {
        forget_borrowed(c);
        c->section = ++c->sections;
    }
    brim_read_refresh(c->cache);
}

void end_sections(struct cache *c, brim_cache *cache)
{
    while (c->nesting > 0) {
        end_section(c, cache);
        settle_step();
    }
}

static void op_drain(void)
{
    struct cache *c = pick_cache();
    brim_status s = brim_drain(c->cache, pick(2) == 0 ? 0 : -1);

    AGREE(s == (c->nesting > 0 ? BRIM_DEADLOCK : BRIM_OK), "status %d", (int)s);
}

/* ---- Borrowing */

static void keep_borrowed(const brim_ref *ref, struct item *i)
{
    size_t at = pick(BORROWED);

    m.borrowed[at].ref = ref;
    m.borrowed[at].of = i;
}

static void count_look(struct cache *c, struct item *i)
{
    if (c->nesting == 0)
        return;
    c->hits += i != NULL;
    c->misses += i == NULL;
    if (i != NULL)
        item_use(i);
}

static void op_peek(void)
{
    struct cache *c = pick_cache();
    unsigned key = pick_key();
    struct item *i = found(c, key);
    void *v = brim_peek(c->cache, KEY(key));

    AGREE(v == (c->nesting > 0 && i != NULL ? item_value(i) : NULL), "key %u", key);
    count_look(c, i);
    if (v != NULL)
        keep_borrowed(NULL, i);
}

static void op_key_peek(void)
{
    struct handle *h = pick_handle();
    struct item *i = item_is_found(h->of) ? h->of : NULL;
    void *v = brim_key_peek(h->key);

    if (h->of == NULL) {
        AGREE(v == NULL, "NULL");
        return;
    }
    AGREE(v == (h->of->of->nesting > 0 && i != NULL ? item_value(i) : NULL), "item %llu",
          (unsigned long long)h->of->id);
    count_look(h->of->of, i);
    if (v != NULL)
        keep_borrowed(NULL, i);
}

static void op_borrow(void)
{
    struct cache *c = pick_cache();
    unsigned key = pick_key();
    struct item *i = found(c, key);
    const brim_ref *r = brim_borrow(c->cache, KEY(key));

    AGREE((r != NULL) == (c->nesting > 0 && i != NULL), "key %u", key);
    count_look(c, i);
    if (r == NULL)
        return;
    is_item(r, i);
    keep_borrowed(r, i);
}

/* What was borrowed is there until the section ends. */
static void op_hold_borrowed(void)
{
    size_t at = pick(BORROWED);
    struct item *i;
    brim_ref *r;

    for (size_t n = 0; n < BORROWED && m.borrowed[at].of == NULL; n++)
        at = (at + 1) % BORROWED;
    i = m.borrowed[at].of;
    if (i == NULL)
        return;
    AGREE(i->in_use && !i->destroyed, "what was borrowed was destroyed");
    if (m.borrowed[at].ref == NULL)
        return;
    is_item(m.borrowed[at].ref, i);
    r = brim_ref_hold(m.borrowed[at].ref);
    AGREE(r != NULL, "a ref");
    hold(i);
    is_item(r, i);
    keep_ref(r, i);
}

/* ---- Many at once */

static size_t pick_many(struct cache *c, brim_bytes keys[MANY], struct item *there[MANY], size_t *hits)
{
    size_t n = pick(MANY + 1);
    unsigned key = pick_key(), step = 1 + (unsigned)pick(3);

    *hits = 0;
    for (size_t i = 0; i < n; i++) {
        keys[i] = (brim_bytes){model_key_data[key], model_key_len[key]};
        there[i] = found(c, key);
        *hits += there[i] != NULL;
        key = (key + step) % m.setup->keys;
    }
    return n;
}

static void op_find_many(void)
{
    struct cache *c = pick_cache();
    brim_bytes keys[MANY];
    struct item *there[MANY];
    brim_ref *refs[MANY];
    size_t hits, n = pick_many(c, keys, there, &hits), said = brim_find_many(c->cache, keys, n, refs);

    AGREE(said == hits, "%zu hits, not %zu", said, hits);
    for (size_t i = 0; i < n; i++) {
        AGREE((refs[i] != NULL) == (there[i] != NULL), "key %zu of them", i);
        if (refs[i] != NULL)
            item_use(there[i]);
    }
    c->hits += hits;
    c->misses += n - hits;
    for (size_t i = 0; i < n; i++)
        if (refs[i] != NULL) {
            hold(there[i]);
            is_item(refs[i], there[i]);
            keep_ref(refs[i], there[i]);
        }
}

static void op_peek_many(void)
{
    struct cache *c = pick_cache();
    brim_bytes keys[MANY];
    struct item *there[MANY];
    void *values[MANY];
    size_t hits, n = pick_many(c, keys, there, &hits), said = brim_peek_many(c->cache, keys, n, values);

    AGREE(said == (c->nesting > 0 ? hits : 0), "%zu hits, not %zu", said, hits);
    for (size_t i = 0; i < n; i++) {
        AGREE(values[i] == (c->nesting > 0 && there[i] != NULL ? item_value(there[i]) : NULL), "key %zu of them", i);
        count_look(c, there[i]);
    }
}

/* The same in an array of keys of one length. */
static void op_fixed(void)
{
    struct cache *c = pick_cache();
    unsigned key = pick_key();
    size_t len = model_key_len[key], stride = sizeof model_key_data[0], n = 1 + pick(3), hits = 0, said;
    struct item *there[4];
    brim_ref *refs[4];
    void *values[4];

    for (size_t i = 0; i < n; i++)
        if (len == 0)
            there[i] = found(c, key);
        else
            there[i] = key + i < m.setup->keys && model_key_len[key + i] == len ? found(c, key + (unsigned)i) : NULL;
    for (size_t i = 0; i < n; i++)
        hits += there[i] != NULL;
    said = brim_peek_fixed(c->cache, model_key_data[key], len, stride, n, values);
    AGREE(said == (c->nesting > 0 ? hits : 0), "%zu hits, not %zu", said, hits);
    for (size_t i = 0; i < n; i++)
        count_look(c, there[i]);
    for (size_t i = 0; i < n; i++)
        there[i] = item_is_found(there[i]) ? there[i] : NULL;
    said = brim_find_fixed(c->cache, model_key_data[key], len, stride, n, refs);
    AGREE(said == hits, "%zu hits, not %zu", said, hits);
    c->hits += hits;
    c->misses += n - hits;
    for (size_t i = 0; i < n; i++) {
        AGREE((refs[i] != NULL) == (there[i] != NULL), "key %zu of them", i);
        if (refs[i] == NULL)
            continue;
        item_use(there[i]);
        hold(there[i]);
        is_item(refs[i], there[i]);
        keep_ref(refs[i], there[i]);
    }
}

const struct operation section_operations[] = {
    {10, "begin", op_begin},   {10, "end", op_end},      {3, "refresh", op_refresh},  {1, "drain", op_drain},
    {6, "peek", op_peek},      {3, "key peek", op_key_peek}, {5, "borrow", op_borrow},
    {6, "hold borrowed", op_hold_borrowed},
    {4, "find many", op_find_many}, {2, "peek many", op_peek_many}, {2, "fixed", op_fixed}, {0, NULL, NULL},
};
