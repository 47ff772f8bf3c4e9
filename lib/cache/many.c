/* SPDX-License-Identifier: MIT
 *
 * Many look-ups at once: in stages over a batch, each asking for what the next one reads, so that the batch's misses
 * to memory overlap.
 */
#include "base/debug.h"
#include "cache/dispose.h"
#include "cache/find.h"
#include "cache/pins.h"
#include "cache/section.h"

enum { BATCH = 16 };

/* What is asked, and where the answers go. */
struct many {
    struct brim_cache *cache;
    const brim_bytes *bytes; /* the keys; NULL: */
    const unsigned char *at; /* the first of equal ones, */
    size_t len, stride;
    size_t n;
    brim_ref **refs; /* one of the two */
    void **values;
};

struct look_up {
    brim_bytes key;
    uint64_t hash;
    struct entry *e; /* what its tag shows, then what has its key; NULL: look anew */
    bool bad;        /* there is no key */
};

static brim_bytes key_at(const struct many *m, size_t i)
{
    brim_bytes b;

    if (m->bytes != NULL)
        return m->bytes[i];
    b.data = m->at != NULL ? m->at + i * m->stride : NULL;
    b.len = m->len;
    return b;
}

static void answer(const struct many *m, size_t i, struct entry *e)
{
    if (m->refs != NULL)
        m->refs[i] = e != NULL ? ref_of(e) : NULL;
    else
        m->values[i] = e != NULL ? shared_get(e->value) : NULL;
}

static void hash_batch(const struct many *m, size_t from, unsigned n, struct look_up l[BATCH])
{
    for (unsigned i = 0; i < n; i++) {
        l[i].key = key_at(m, from + i);
        l[i].bad = cache_key_is_bad(l[i].key.data, l[i].key.len);
        l[i].hash = l[i].bad ? 0 : hash_bytes(&m->cache->hash, l[i].key.data, l[i].key.len);
    }
}

/* Each loop asks for what the next one reads. */
static void prefetch_batch(struct brim_cache *c, unsigned n, struct look_up l[BATCH], bool hold)
{
    for (unsigned i = 0; i < n; i++)
        index_prefetch(cache_index(c, hash_place(l[i].hash)), l[i].hash);
    for (unsigned i = 0; i < n; i++) {
        l[i].e = index_first(cache_index(c, hash_place(l[i].hash)), l[i].hash);
        if (hold)
            __builtin_prefetch(l[i].e, 1);
        else
            __builtin_prefetch(l[i].e);
    }
    for (unsigned i = 0; i < n; i++) {
        if (l[i].e != NULL && !l[i].bad && entry_has_key(l[i].e, l[i].key.data, l[i].key.len))
            __builtin_prefetch(shared_get(l[i].e->value));
        else
            l[i].e = NULL;
    }
}

static struct entry *hold_one(struct brim_cache *c, const struct look_up *l, struct stripe *st, struct entry_list *last)
{
    struct index_view v = cache_index(c, hash_place(l->hash));

    return l->e != NULL ? shard_hold(v, l->e, l->hash, l->key.data, l->key.len, st, last)
                        : shard_find(v, l->hash, l->key.data, l->key.len, st, last);
}

static struct entry *peek_one(struct brim_cache *c, const struct look_up *l)
{
    return l->e != NULL && entry_is_linked(l->e)
               ? l->e
               : shard_peek(cache_index(c, hash_place(l->hash)), l->hash, l->key.data, l->key.len);
}

/* In the section, which keeps what is only peeked at. */
static struct entry *look_up_one(const struct many *m, const struct look_up *l, struct stripe *st, struct entry_list *last)
{
    if (unlikely(l->bad))
        return NULL;
    return m->refs != NULL ? hold_one(m->cache, l, st, last) : peek_one(m->cache, l);
}

/* Found, and perhaps stale: out of the section of the process; the user's own keeps what is peeked at. */
static struct entry *settle(const struct many *m, struct caller by, const struct look_up *l, struct entry *e,
                            struct entry_list *last)
{
    return m->refs != NULL ? find_again(m->cache, by, l->hash, l->key.data, l->key.len, e, true, last)
                           : find_peek_again(m->cache, by.t, l->hash, l->key.data, l->key.len, e);
}

static unsigned look_up_batch(const struct many *m, struct caller by, size_t from, unsigned n, struct entry_list *last)
{
    struct look_up l[BATCH];
    unsigned hits = 0, bad = 0;

    hash_batch(m, from, n, l);
    section_enter(by.t);
    prefetch_batch(m->cache, n, l, m->refs != NULL);
    for (unsigned i = 0; i < n; i++) {
        l[i].e = look_up_one(m, &l[i], by.st, last);
        if (likely(l[i].e != NULL))
            cache_use(m->cache, l[i].e);
    }
    section_leave(by.t);
    for (unsigned i = 0; i < n; i++) {
        struct entry *e = l[i].e;
        if (unlikely(e != NULL && (entry_flags(e) & ENTRY_EXTRA)))
            e = settle(m, by, &l[i], e, last);
        if (likely(e != NULL)) {
            stripe_add(by.st, of[entry_kind_slot(e)].hits, 1);
            PROBE_HIT(m->cache, l[i].key.data, l[i].key.len, e);
            hits++;
        } else if (!l[i].bad) {
            PROBE_MISS(m->cache, l[i].key.data, l[i].key.len);
        }
        bad += l[i].bad;
        answer(m, from + i, e);
    }
    stripe_add(by.st, misses, n - bad - hits);
    return hits;
}

static size_t look_up_all(const struct many *m, struct caller by)
{
    struct entry_list last = {NULL, NULL};
    size_t hits = 0;

    for (size_t from = 0; from < m->n; from += BATCH)
        hits += look_up_batch(m, by, from, m->n - from < BATCH ? (unsigned)(m->n - from) : BATCH, &last);
    dispose_lasts(&last);
    return hits;
}

static size_t miss_all(const struct many *m)
{
    for (size_t i = 0; i < m->n; i++)
        answer(m, i, NULL);
    return 0;
}

static bool has_keys(const struct many *m)
{
    return m->bytes != NULL || m->at != NULL || m->len == 0;
}

static size_t find_all(const struct many *m)
{
    if (m->n == 0 || m->refs == NULL)
        return 0;
    return m->cache != NULL && has_keys(m) ? look_up_all(m, caller_of(m->cache)) : miss_all(m);
}

static size_t peek_all(const struct many *m)
{
    struct caller by;

    if (m->n == 0 || m->values == NULL)
        return 0;
    by.t = thread_self();
    by.st = section_of(m->cache, by.t);
    return by.st != NULL && has_keys(m) ? look_up_all(m, by) : miss_all(m);
}

size_t many_find(struct brim_cache *c, const brim_bytes keys[], size_t n, brim_ref *refs[])
{
    struct many m = {.cache = c, .bytes = keys, .len = 1, .n = n, .refs = refs};

    return find_all(&m);
}

size_t brim_find_many(brim_cache *c, const brim_bytes keys[], size_t n, brim_ref *refs[])
{
    size_t hits = many_find(c, keys, n, refs);

    if (refs != NULL)
        pins_refs(refs, n);
    return hits;
}

size_t brim_find_fixed(brim_cache *c, const void *keys, size_t key_len, size_t stride, size_t n, brim_ref *refs[])
{
    struct many m = {.cache = c, .at = keys, .len = key_len, .stride = stride, .n = n, .refs = refs};
    size_t hits = find_all(&m);

    if (refs != NULL)
        pins_refs(refs, n);
    return hits;
}

size_t brim_peek_many(brim_cache *c, const brim_bytes keys[], size_t n, void *values[])
{
    struct many m = {.cache = c, .bytes = keys, .len = 1, .n = n, .values = values};

    return peek_all(&m);
}

size_t brim_peek_fixed(brim_cache *c, const void *keys, size_t key_len, size_t stride, size_t n, void *values[])
{
    struct many m = {.cache = c, .at = keys, .len = key_len, .stride = stride, .n = n, .values = values};

    return peek_all(&m);
}

/* ---- By handle */

static size_t find_by_handles(brim_key *const keys[], unsigned n, struct thread *t, brim_ref *refs[],
                              struct entry_list *last)
{
    size_t hits = 0;

    for (unsigned i = 0; i < n; i++)
        __builtin_prefetch(keys[i], 1);
    for (unsigned i = 0; i < n; i++)
        if (keys[i] != NULL)
            __builtin_prefetch(shared_get(entry_of_key(keys[i])->value));
    section_enter(t);
    for (unsigned i = 0; i < n; i++) {
        struct entry *e = entry_of_key(keys[i]);
        refs[i] = e != NULL && find_by_handle(e, t, last) ? ref_of(e) : NULL;
    }
    section_leave(t);
    for (unsigned i = 0; i < n; i++) {
        if (refs[i] != NULL && !find_settle(entry_of_ref(refs[i]), t, last))
            refs[i] = NULL;
        if (refs[i] != NULL)
            hits++;
        else if (keys[i] != NULL) {
            PROBE_MISS(cache_of(entry_of_key(keys[i])), PROBE_NO_KEY, 0);
            stripe_add(stripe_ready(&cache_of(entry_of_key(keys[i]))->stripes, t), misses, 1);
        }
    }
    return hits;
}

size_t brim_key_find_many(brim_key *const keys[], size_t n, brim_ref *refs[])
{
    struct entry_list last = {NULL, NULL};
    size_t hits = 0;

    if (refs == NULL)
        return 0;
    if (keys == NULL)
        memset(refs, 0, n * sizeof refs[0]);
    for (size_t from = 0; keys != NULL && from < n; from += BATCH)
        hits += find_by_handles(keys + from, n - from < BATCH ? (unsigned)(n - from) : BATCH, thread_self(), refs + from,
                                &last);
    dispose_lasts(&last);
    pins_refs(refs, n);
    return hits;
}

void brim_release_many(brim_ref *const refs[], size_t n)
{
    struct entry_list last = {NULL, NULL};
    struct thread *t = thread_self();

    for (size_t from = 0; refs != NULL && from < n; from += BATCH) {
        size_t end = n - from < BATCH ? n : from + BATCH;
        bool held[BATCH]; /* asked outside the section: traced builds take a lock for it */
        for (size_t i = from; i < end; i++) {
            __builtin_prefetch(refs[i], 1);
            held[i - from] = refs[i] != NULL && pins_forget(refs[i], "brim_release_many: a ref was released twice");
        }
        section_enter(t);
        for (size_t i = from; i < end; i++)
            if (held[i - from]) /* cppcheck-suppress uninitvar ; the loop before has set it for the same i */
                ref_let_go(entry_of_ref(refs[i]), t, &last);
        section_leave(t);
    }
    dispose_lasts(&last);
}
