/* SPDX-License-Identifier: MIT */
#include "cache/admit.h"
#include "cache/find.h"
#include "cache/load.h"
#include "cache/pins.h"

void *brim_ref_value(const brim_ref *ref)
{
    return ref != NULL ? shared_get(entry_of_ref(ref)->value) : NULL;
}

size_t brim_ref_cost(const brim_ref *ref)
{
    return ref != NULL ? cache_entry_cost(entry_of_ref(ref)) : 0;
}

const brim_kind *brim_ref_kind(const brim_ref *ref)
{
    return ref != NULL ? kind_of(entry_of_ref(ref))->user : NULL;
}

static const void *bytes_of(const struct entry *e, size_t *key_len)
{
    size_t len = 0;
    const void *key = NULL;

    if (e != NULL && !(entry_flags(e) & ENTRY_ANONYMOUS))
        key = entry_key(e, &len);
    if (key_len != NULL)
        *key_len = len;
    return key;
}

const void *brim_ref_key_bytes(const brim_ref *ref, size_t *key_len)
{
    return bytes_of(entry_of_ref(ref), key_len);
}

const void *brim_key_bytes(const brim_key *key, size_t *key_len)
{
    return bytes_of(entry_of_key(key), key_len);
}

bool brim_ref_is_cached(const brim_ref *ref)
{
    return ref != NULL && stale_is_found(entry_of_ref(ref));
}

/* Reserve what is more, change, and give back what is less.  False: another thread changed it in between. */
static bool try_set_charge(struct brim_cache *c, struct entry *e, size_t charge, brim_status *status)
{
    bool charged = !(entry_flags(e) & ENTRY_UNCHARGED), done;
    struct caller by = caller_of(c);
    size_t old = entry_cost(e), reserved = charged && charge > old ? charge - old : 0, more;
    struct admission a = {.cache = c, .by = by, .charge = reserved, .expected = e, .kind = kind_of(e)};

    *status = BRIM_OK;
    if (reserved > 0 && admit(&a) != BRIM_OK) {
        *status = BRIM_FULL;
        return true;
    }
    done = shard_set_cost(cache_shard(c, e->place), e, charge, &reserved, a.counted, &kind_of(e)->values, by.t, by.st,
                          &more);
    admit_undo(c, by, reserved);
    if (!done && a.counted)
        limit_give(&a.kind->limit, a.charge);
    if (done && !charged)
        (void)atom_add_relaxed(&kind_of(e)->uncharged, (uint64_t)more); /* relaxed: a statistic */
    return done;
}

brim_status brim_ref_set_cost(brim_ref *ref, size_t cost)
{
    struct entry *e = entry_of_ref(ref);
    brim_status status;
    size_t beyond;

    if (ref == NULL)
        return BRIM_INVALID;
    if (cost > SIZE_MAX / 2)
        return BRIM_FULL;
    beyond = entry_flags(e) & ENTRY_UNCHARGED ? 0 : cache_overhead(cache_of(e), extra_size_of(e));
    while (!try_set_charge(cache_of(e), e, cost + beyond, &status)) {
    }
    return status;
}

brim_ref *brim_ref_copy(brim_ref *ref)
{
    if (ref != NULL)
        (void)entry_copy_hold(entry_of_ref(ref));
    return pins_ref(ref);
}

static inline void drop_hold(struct entry *e)
{
    struct entry_list last = {NULL, NULL};
    struct thread *t = thread_self();

    section_enter(t);
    ref_let_go(e, t, &last);
    section_leave(t);
    if (unlikely(last.head != NULL))
        dispose_lasts(&last);
}

void find_let_go(struct entry *e)
{
    drop_hold(e);
}

void brim_release(brim_ref *ref)
{
    if (ref != NULL && pins_forget(ref, "brim_release: a ref was released twice"))
        drop_hold(entry_of_ref(ref));
}

bool brim_release_with(brim_ref *ref, unsigned flags)
{
    struct entry *e = entry_of_ref(ref);
    struct entry_list left = {NULL, NULL};
    struct flight *forgotten = NULL;
    struct brim_cache *c;

    if (ref == NULL || !pins_forget(ref, "brim_release_with: a ref was released twice"))
        return false;
    if (flags & BRIM_NOT_USEFUL)
        entry_forget_use(e);
    c = cache_of(e);
    if ((flags & BRIM_REMOVE_IF_LAST) &&
        shard_remove_if_last(cache_shard(c, e->place), e, cache_now_for_ages(c), caller_of(c).st, &left, &forgotten)) {
        load_free(forgotten);
        dispose(&left, NULL);
        return true;
    }
    drop_hold(e);
    return false;
}
