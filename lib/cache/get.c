/* SPDX-License-Identifier: MIT
 *
 * Getting: a look-up, and if it misses a load by the caller's loader, or by whoever is at it already.
 */
#include <pthread.h>

#include "base/clock.h"
#include "cache/find.h"
#include "cache/load.h"
#include "cache/pins.h"

/* ---- Loaders */

/* The thread is canceled in its loader. */
static void abandon(void *arg)
{
    struct brim_load *l = arg;
    struct brim_cache *c = l->cache;
    struct thread *t = thread_self();

    if (!t->reader.shared)
        t->loading = l->outer;
    load_fail(l, BRIM_CANCELED, 0);
    cache_drop_live(c, t); /* the call's own */
}

static brim_status call_loader(struct brim_load *l, const struct request *r, brim_loader *loader, void *arg, void **value,
                               size_t *cost)
{
    brim_status status = BRIM_FAILED;

    pthread_cleanup_push(abandon, l);
    status = loader(r->ask.key, r->ask.len, arg, value, cost);
    pthread_cleanup_pop(0);
    return status;
}

static brim_status run_loader(struct request *r, brim_loader *loader, void *arg)
{
    struct brim_load *l = r->load;
    bool overtaken;
    void *value = NULL;
    size_t cost = 0;
    brim_status status;

    l->begun = clock_now();
    if (!r->by.t->reader.shared) {
        l->outer = r->by.t->loading;
        r->by.t->loading = &l->flight;
    }
    status = call_loader(l, r, loader, arg, &value, &cost);
    if (!r->by.t->reader.shared)
        r->by.t->loading = l->outer;
    request_count_nested(r->by.t, l->begun);
    l->in.refs = 1;
    if (status == BRIM_OK) {
        (void)load_finish(l, l->flight.entry, value, cost, &r->result);
        return BRIM_OK;
    }
    overtaken = !flight_is_wanted(&l->flight, true);
    load_fail(l, (int)status, 0);
    if (status == BRIM_CANCELED && overtaken)
        return BRIM_CANCELED;
    request_reason(r, (int)status);
    return BRIM_FAILED;
}

static brim_status get(struct request *r, brim_loader *loader, void *arg)
{
    brim_status status;

    r->by_loader = true;
    status = request_ask(r);
    return status == BRIM_CLAIMED ? run_loader(r, loader, arg) : status;
}

/* After a miss.  ${last}: what the look-up has left to dispose of. */
static __attribute__((noinline)) brim_status get_missed(struct request *r, struct entry_list *last, brim_loader *loader,
                                                        void *arg, brim_ref **out)
{
    struct brim_cache *c = r->cache;
    brim_status status;

    tally_add(&c->live, thread_self()); /* a callback may free the cache */
    request_missed(r, last);
    status = get(r, loader, arg);
    if (status == BRIM_OK)
        *out = ref_of(r->result);
    cache_drop_live(c, thread_self());
    return status;
}

static __attribute__((noinline)) brim_status get_plain(struct brim_cache *c, struct caller by, uint64_t hash,
                                                       const void *key, size_t key_len, struct entry_list *last,
                                                       brim_loader *loader, void *arg, brim_ref **out)
{
    struct request r = {.cache = c, .by = by};

    (void)request_options(&r, NULL);
    request_key(&r, key, key_len, hash);
    return get_missed(&r, last, loader, arg, out);
}

__attribute__((flatten)) brim_status brim_get(brim_cache *c, const void *key, size_t key_len, brim_loader *loader,
                                              void *arg, brim_ref **out)
{
    struct entry_list last = {NULL, NULL};
    struct caller by;
    struct entry *e;
    uint64_t hash;

    if (out == NULL)
        return BRIM_INVALID;
    *out = NULL;
    if (c == NULL || cache_key_is_bad(key, key_len) || loader == NULL)
        return BRIM_INVALID;
    by = caller_of(c);
    hash = hash_bytes(&c->hash, key, key_len);
    e = find_hit(c, by, hash, key, key_len, &last);
    if (unlikely(e == NULL)) {
        brim_status status = get_plain(c, by, hash, key, key_len, &last, loader, arg, out);
        (void)pins_ref(*out);
        return status;
    }
    *out = pins_ref(ref_of(e));
    if (unlikely(last.head != NULL))
        dispose_lasts(&last);
    return BRIM_OK;
}

/* ---- By requests */

brim_status brim_get_with(brim_cache *c, const void *key, size_t key_len, const brim_claim_options *o,
                          brim_loader *loader, void *arg, brim_ref **out)
{
    struct entry_list last = {NULL, NULL};
    struct request r = {.cache = c};
    brim_status status;

    if (out == NULL)
        return BRIM_INVALID;
    *out = NULL;
    if (loader == NULL)
        return BRIM_INVALID;
    status = request_begin(&r, c, key, key_len, o, &last);
    if (status == BRIM_PENDING)
        status = get_missed(&r, &last, loader, arg, out);
    else if (status == BRIM_OK)
        *out = ref_of(r.result);
    dispose_lasts(&last);
    (void)pins_ref(*out);
    return status;
}

brim_status brim_key_get(brim_key **key, brim_loader *loader, void *arg, brim_ref **out)
{
    struct entry_list last = {NULL, NULL};
    struct request r = {.timeout_ms = -1};
    const void *bytes;
    struct entry *e;
    brim_status status;
    size_t len;

    if (out == NULL)
        return BRIM_INVALID;
    *out = NULL;
    if (key == NULL || *key == NULL || loader == NULL)
        return BRIM_INVALID;
    e = entry_of_key(*key);
    if (find_key(e, &last)) {
        *out = pins_ref(ref_of(e));
        dispose_lasts(&last);
        return BRIM_OK;
    }
    status = entry_flags(e) & ENTRY_ANONYMOUS ? BRIM_INVALID : insert_as(e, &r.in);
    if (status != BRIM_OK) {
        dispose_lasts(&last);
        return status;
    }
    r.cache = cache_of(e);
    r.by = caller_of(r.cache);
    bytes = entry_key(e, &len);
    request_key(&r, bytes, len, hash_bytes(&r.cache->hash, bytes, len));
    status = get_missed(&r, &last, loader, arg, out);
    if (status == BRIM_OK) {
        (void)pins_ref(*out);
        *key = brim_ref_key(*out);
        brim_key_drop(key_of(e));
    }
    return status;
}
