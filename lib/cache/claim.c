/* SPDX-License-Identifier: MIT
 *
 * Claiming: as getting, for callers who make the value themselves and finish the load later, on any thread.
 */
#include "cache/dispose.h"
#include "cache/find.h"
#include "cache/load.h"
#include "cache/pins.h"
#include "cache/wait.h"

static brim_status answer(struct request *r, brim_status status, brim_ref **ref, brim_load **load)
{
    if (status == BRIM_OK)
        *ref = ref_of(r->result);
    if (status == BRIM_CLAIMED)
        *load = r->load;
    return status;
}

/* What request_begin said. */
static brim_status claim(struct request *r, brim_status status, struct entry_list *last, brim_ref **ref, brim_load **load)
{
    if (status != BRIM_PENDING) {
        (void)answer(r, status, ref, load);
        dispose_lasts(last);
        return status;
    }
    tally_add(&r->cache->live, r->by.t); /* a callback may free the cache */
    request_missed(r, last);
    status = answer(r, request_ask(r), ref, load);
    cache_drop_live(r->cache, r->by.t);
    return status;
}

static void clear(brim_ref **ref, brim_load **load)
{
    if (ref != NULL)
        *ref = NULL;
    if (load != NULL)
        *load = NULL;
}

static brim_status claim_key(brim_cache *c, const void *key, size_t key_len, const brim_claim_options *o, brim_ref **ref,
                             brim_load **load)
{
    struct entry_list last = {NULL, NULL};
    struct request r = {.cache = c};
    brim_status status;

    clear(ref, load);
    if (ref == NULL || load == NULL)
        return BRIM_INVALID;
    status = request_begin(&r, c, key, key_len, o, &last);
    return claim(&r, status, &last, ref, load);
}

brim_status brim_claim_with(brim_cache *c, const void *key, size_t key_len, const brim_claim_options *o, brim_ref **ref,
                            brim_load **load)
{
    brim_status status = claim_key(c, key, key_len, o, ref, load);

    pins_claim(c, status, ref, load);
    return status;
}

brim_status brim_claim(brim_cache *c, const void *key, size_t key_len, int timeout_ms, brim_ref **ref, brim_load **load)
{
    brim_claim_options o;
    brim_status status;

    brim_claim_options_init(&o);
    o.timeout_ms = timeout_ms;
    status = claim_key(c, key, key_len, &o, ref, load);
    pins_claim(c, status, ref, load);
    return status;
}

/* ---- Told later */

brim_status brim_claim_async(brim_cache *c, const void *key, size_t key_len, const brim_claim_options *o, brim_done *done,
                             void *arg, brim_ref **ref, brim_load **load, brim_wait **wait)
{
    struct entry_list last = {NULL, NULL};
    struct request r = {.cache = c};
    brim_wait *handle = NULL;
    brim_status status;

    clear(ref, load);
    if (wait != NULL)
        *wait = NULL;
    if (ref == NULL || load == NULL || done == NULL)
        return BRIM_INVALID;
    status = request_begin(&r, c, key, key_len, o, &last);
    if (status == BRIM_PENDING) {
        r.later = wait_new(cache_shard(c, hash_place(r.ask.hash)), done, arg);
        if (r.later == NULL)
            status = BRIM_NOMEM;
        else
            handle = wait_handle(r.later);
    }
    status = claim(&r, status, &last, ref, load);
    if (r.later != NULL && status != BRIM_PENDING)
        wait_free(r.later);
    else if (r.later != NULL && wait != NULL)
        *wait = handle;
    pins_claim(c, status, ref, load);
    return status;
}

/* ---- Many */

/* One that the look-up of all has missed.  The caller keeps the cache alive. */
static brim_status claim_one(struct brim_cache *c, const brim_bytes *key, const brim_claim_options *o, brim_ref **ref,
                             brim_load **load)
{
    struct request r = {.cache = c, .by = caller_of(c)};
    brim_status status;

    if (cache_key_is_bad(key->data, key->len))
        return BRIM_INVALID;
    if ((status = request_options(&r, o)) != BRIM_OK)
        return status;
    r.timeout_ms = 0;
    request_key(&r, key->data, key->len, hash_bytes(&c->hash, key->data, key->len));
    kind_count(r.in.kind, r.by.t, misses, 1);
    return answer(&r, request_ask(&r), ref, load);
}

/* Each reason is written where the last failure's stays. */
static size_t claim_rest(struct brim_cache *c, const brim_bytes keys[], size_t n, const brim_claim_options *o,
                         int *reason, brim_ref *refs[], brim_load *loads[], brim_status statuses[])
{
    size_t hits = 0;

    for (size_t i = 0; i < n; i++) {
        loads[i] = NULL;
        if (refs[i] != NULL)
            statuses[i] = BRIM_OK;
        else
            statuses[i] = claim_one(c, &keys[i], o, &refs[i], &loads[i]);
        hits += statuses[i] == BRIM_OK;
        if (statuses[i] == BRIM_FAILED && o != NULL)
            *reason = *o->reason;
    }
    return hits;
}

static size_t claim_none(size_t n, brim_ref *refs[], brim_load *loads[], brim_status statuses[])
{
    for (size_t i = 0; i < n; i++) {
        refs[i] = NULL;
        loads[i] = NULL;
        statuses[i] = BRIM_INVALID;
    }
    return 0;
}

size_t brim_claim_many(brim_cache *c, const brim_bytes keys[], size_t n, const brim_claim_options *o, brim_ref *refs[],
                       brim_load *loads[], brim_status statuses[])
{
    brim_claim_options own;
    int each = 0, reason = 0;
    size_t hits;

    if (refs == NULL || loads == NULL || statuses == NULL)
        return 0;
    if (c == NULL || keys == NULL || (o != NULL && o->size < sizeof *o))
        return claim_none(n, refs, loads, statuses);
    if (o != NULL) {
        own = *o;
        own.reason = &each;
    }
    tally_add(&c->live, thread_self()); /* a callback may free the cache */
    (void)many_find(c, keys, n, refs);
    hits = claim_rest(c, keys, n, o != NULL ? &own : NULL, &reason, refs, loads, statuses);
    for (size_t i = 0; i < n; i++)
        pins_claim(c, statuses[i], &refs[i], &loads[i]);
    cache_drop_live(c, thread_self());
    if (o != NULL && o->reason != NULL)
        *o->reason = reason;
    return hits;
}
