/* SPDX-License-Identifier: MIT */
#include "cache/insert.h"

#include <string.h>

#include "cache/find.h"
#include "cache/group.h"
#include "cache/load.h"
#include "cache/pins.h"
#include "cache/stale.h"

brim_status insert_options(struct brim_cache *c, const brim_entry_options *o, struct insertion *in)
{
    brim_status status;

    in->cache = c;
    in->work = policy_pack_work(0);
    in->kind = c->default_kind;
    if (o == NULL)
        return BRIM_OK;
    if (o->size < sizeof *o || o->priority < -1 || o->priority > 1)
        return BRIM_INVALID;
    in->work = policy_pack_work(o->work);
    in->priority = o->priority;
    in->only_if_absent = o->only_if_absent;
    in->drop_old = o->drop_old;
    in->extra.max_age = o->max_age;
    in->extra.max_idle = o->max_idle;
    status = group_join(c, o, &in->extra);
    if (status == BRIM_INVALID)
        return status;
    if (o->kind != NULL) {
        brim_status known = kind_get(c, o->kind, &in->kind);
        if (known != BRIM_OK)
            return known;
    }
    return status;
}

/* ---- Making an entry */

struct entry *insert_alloc(const struct insertion *in, struct thread *t, uint64_t hash, size_t size)
{
    struct brim_cache *c = in->cache;
    struct entry *e = slab_alloc(&c->slab, t, size);

    if (e == NULL)
        return NULL;
    tally_add(&c->live, t);
    entry_init(e, in->key, in->key_len, NULL, 0);
    e->place = hash_place(hash);
    e->kind_flags = slab_class_of(size) | (in->anonymous ? ENTRY_ANONYMOUS : 0u);
    return e;
}

void insert_fill(const struct insertion *in, struct entry *e)
{
    e->work = in->work;
    e->kind_flags = in->kind->number << 8 | (entry_flags(e) & (ENTRY_CLASS | ENTRY_ANONYMOUS)) |
                    (uint32_t)(in->priority + 1) << ENTRY_PRIORITY_SHIFT | extra_flags(&in->extra);
    extra_init(e, &in->extra, 0);
    groups_count(&in->extra);
    if (extra_has_ages(&in->extra))
        atom_store_relaxed(&in->cache->ages, 1); /* relaxed: before it is linked */
}

void insert_set_value(const struct insertion *in, struct entry *e, void *value, size_t cost)
{
    struct brim_cache *c = in->cache;
    size_t charge = cost + (c->charge_overhead ? cache_overhead(c, extra_size_of(e)) : 0);

    shared_set(e->value, value);
    atom_store_relaxed(&e->cost, charge); /* relaxed, both: it is ours alone still */
    atom_store_relaxed(&e->next, cache_birth(c, in->refs > 0));
    if (entry_flags(e) & ENTRY_AGES)
        extra_born(e, cache_now(c));
}

static struct entry *make_entry(const struct insertion *in, struct thread *t, uint64_t hash)
{
    struct entry *e = insert_alloc(in, t, hash, extra_size(in->key_len, &in->extra));

    if (e == NULL)
        return NULL;
    insert_fill(in, e);
    insert_set_value(in, e, in->value, in->cost);
    return e;
}

/* ---- Linking it */

static struct entry *hold_existing(const struct insertion *in, struct caller by, uint64_t hash)
{
    struct entry_list last = {NULL, NULL};
    struct entry *e = find_hold(in->cache, by, hash, in->key, in->key_len, &last);

    dispose_lasts(&last);
    return e;
}

static void remove_old(const struct insertion *in, struct caller by, uint64_t hash)
{
    struct entry_list left = {NULL, NULL};
    struct flight *forgotten = NULL;
    bool removed;

    (void)shard_remove_key(cache_shard(in->cache, hash_place(hash)), hash, in->key, in->key_len,
                           cache_now_for_ages(in->cache), &removed, by.st, &left, &forgotten);
    load_free(forgotten);
    dispose(&left, NULL);
}

enum shard_outcome insert_link(const struct insertion *in, struct admission *a, struct shard_link *l, struct entry *e,
                               struct entry_list *left)
{
    struct shard *sh = cache_shard(in->cache, e->place);
    enum shard_outcome outcome;

    l->e = e;
    l->tag = hash_tag(a->hash);
    l->values = &in->kind->values;
    l->now = a->now;
    do {
        l->counted = a->counted;
        outcome = shard_link(sh, l, a->by.t, a->by.st, left);
    } while ((outcome == SHARD_NO_ENTRY && admit_entry(a)) || (outcome == SHARD_UNCOUNTED && admit_counted(a)));
    if (outcome == SHARD_LINKED)
        kind_count(in->kind, a->by.t, insertions, 1);
    load_free(l->forgotten);
    stale_sweep(sh, a->now, a->by, left);
    return outcome;
}

static brim_status link_entry(struct insertion *in, struct admission *a, struct entry *e)
{
    struct entry_list left = {NULL, NULL};
    /* What is to be replaced had to go first: then there must be nothing newer. */
    bool went_first = in->expected != NULL && !a->keep_old;
    struct shard_link l = {.refs = in->refs, .keys = in->keys, .only_if_absent = in->only_if_absent || went_first};
    enum shard_outcome outcome;

    l.expected = went_first ? NULL : in->expected;
    outcome = insert_link(in, a, &l, e, &left);
    dispose(&left, NULL); /* last of all: a callback may free the cache */
    switch (outcome) {
    case SHARD_LINKED:
        return BRIM_OK;
    case SHARD_EXISTS:
        if (went_first) {
            find_let_go(l.there);
            return BRIM_INVALID;
        }
        in->result = l.there;
        return BRIM_EXISTS;
    case SHARD_NO_ENTRY:
    case SHARD_UNCOUNTED:
        return BRIM_FULL;
    case SHARD_NOMEM:
        return BRIM_NOMEM;
    default:
        return BRIM_INVALID;
    }
}

void insert_uncharge(const struct insertion *in, struct entry *e, size_t cost)
{
    atom_store_relaxed(&e->cost, cost); /* relaxed: it is ours alone still */
    e->eviction = 0;
    (void)atom_add_relaxed(&in->kind->uncharged, (uint64_t)cost); /* relaxed: a statistic */
}

static void wrap_entry(const struct insertion *in, struct entry *e, size_t cost)
{
    insert_uncharge(in, e, cost);
    e->kind_flags |= ENTRY_UNCHARGED;
}

/* Refused.  If it is taken all the same: an uncharged value outside, and the old entry goes. */
static brim_status refuse(struct insertion *in, struct caller by, uint64_t hash, brim_status status, struct entry *e)
{
    bool counts = status == BRIM_TOO_BIG || status == BRIM_FULL, refused = counts || status == BRIM_CANCELED;

    if (counts) {
        kind_count(in->kind, by.t, refused, 1);
        kind_count(in->kind, by.t, too_big, status == BRIM_TOO_BIG);
    }
    if (refused && (in->drop_old || in->wrap_refused) && !in->anonymous && in->expected == NULL)
        remove_old(in, by, hash);
    if (e != NULL && refused && in->wrap_refused) {
        kind_taken(in->kind, by.t);
        wrap_entry(in, e, in->cost);
        in->result = e;
    } else if (e != NULL) {
        dispose_unborn(in->cache, e);
    }
    return status;
}

static brim_status admit_and_link(struct insertion *in, struct admission *a, struct entry *e)
{
    brim_status status = admit(a);

    if (status != BRIM_OK)
        return status;
    if (!kind_try_take(in->kind, a->by.t)) { /* the cache was freed, and its kinds are told unused */
        admit_cancel(a);
        return BRIM_INVALID;
    }
    status = link_entry(in, a, e);
    if (status != BRIM_OK) {
        kind_destroyed(in->kind, a->by.t);
        admit_cancel(a);
    }
    return status;
}

/* ${in->closed} or too big, and taken all the same, or not. */
static brim_status refuse_early(struct insertion *in, struct caller by, uint64_t hash, brim_status status)
{
    struct entry *e = NULL;

    if (in->wrap_refused && (e = make_entry(in, by.t, hash)) == NULL)
        return BRIM_NOMEM;
    return refuse(in, by, hash, status, e);
}

static brim_status insert_admitted(struct insertion *in, struct caller by, uint64_t hash)
{
    struct brim_cache *c = in->cache;
    struct admission a = {.cache = c, .by = by, .expected = in->expected, .hash = hash, .kind = in->kind};
    struct entry *e = make_entry(in, by.t, hash);
    brim_status status;

    if (e == NULL)
        return BRIM_NOMEM;
    a.charge = entry_cost(e);
    a.for_entry = e;
    a.now = cache_now_for_ages(c);
    status = admit_and_link(in, &a, e);
    if (status != BRIM_OK)
        return refuse(in, by, hash, status, e);
    in->result = e;
    return BRIM_OK;
}

brim_status insert_run(struct insertion *in)
{
    struct brim_cache *c = in->cache;
    struct caller by = caller_of(c);
    uint64_t hash = in->anonymous ? thread_random(by.t) : hash_bytes(&c->hash, in->key, in->key_len);
    size_t charge = in->cost + cache_overhead(c, extra_size(in->key_len, &in->extra));

    if (in->expected != NULL && in->anonymous)
        hash = in->expected->place; /* the same shard, so that one mutex covers both */
    shard_prefetch(cache_shard(c, hash_place(hash)), cache_index(c, hash_place(hash)), hash);
    in->result = NULL;
    if (in->closed)
        return refuse_early(in, by, hash, BRIM_CANCELED);
    if (in->only_if_absent && !in->anonymous && (in->result = hold_existing(in, by, hash)) != NULL)
        return BRIM_EXISTS;
    if (in->cost > SIZE_MAX / 2 || charge > budget_capacity(&c->budget))
        return refuse_early(in, by, hash, BRIM_TOO_BIG);
    return insert_admitted(in, by, hash);
}

/* ---- The public calls */

static brim_status wrap(brim_cache *c, void *value, size_t cost, const brim_entry_options *o, brim_ref **out)
{
    struct insertion in = {.value = value, .cost = cost, .anonymous = true};
    brim_status status;
    struct caller by;
    struct entry *e;

    if (out == NULL)
        return BRIM_INVALID;
    *out = NULL;
    if (c == NULL || cost > SIZE_MAX / 2)
        return BRIM_INVALID;
    if ((status = insert_options(c, o, &in)) != BRIM_OK && status != BRIM_CANCELED)
        return status;
    memset(&in.extra, 0, sizeof in.extra); /* outside, nothing ages or is invalidated */
    by = caller_of(c);
    e = make_entry(&in, by.t, 0);
    if (e == NULL)
        return BRIM_NOMEM;
    kind_taken(in.kind, by.t);
    wrap_entry(&in, e, cost);
    *out = ref_of(e);
    return BRIM_OK;
}

/* Taken in any case, and wanted by nobody: destroyed, with its key.  False: no memory. */
static bool end_unwanted(const struct insertion *in)
{
    struct thread *t = thread_self();
    struct entry *e = make_entry(in, t, 0);

    if (e == NULL)
        return false;
    kind_taken(in->kind, t);
    wrap_entry(in, e, in->cost);
    find_let_go(e);
    return true;
}

static brim_status insert_bytes(brim_cache *c, const void *key, size_t key_len, void *value, size_t cost,
                                const brim_entry_options *o, bool wrap_refused, brim_ref **out)
{
    struct insertion in = {.key = key, .key_len = key_len, .value = value, .cost = cost, .wrap_refused = wrap_refused};
    brim_status status = BRIM_INVALID;

    if (out != NULL)
        *out = NULL;
    if (c == NULL || cache_key_is_bad(key, key_len))
        return BRIM_INVALID;
    status = insert_options(c, o, &in);
    if (status == BRIM_CANCELED && wrap_refused)
        in.closed = true;
    else if (status != BRIM_OK)
        return status;
    if (in.closed)
        in.extra.groups = 0;
    in.refs = out != NULL;
    status = insert_run(&in);
    if (status == BRIM_EXISTS && wrap_refused && !end_unwanted(&in)) {
        find_let_go(in.result);
        return BRIM_NOMEM;
    }
    if (out != NULL && in.result != NULL)
        *out = ref_of(in.result);
    else if (in.result != NULL && status != BRIM_OK)
        find_let_go(in.result);
    return status;
}

brim_status brim_insert(brim_cache *c, const void *key, size_t key_len, void *value, size_t cost, brim_ref **out)
{
    brim_status status = insert_bytes(c, key, key_len, value, cost, NULL, false, out);

    pins_out(out);
    return status;
}

brim_status brim_insert_with(brim_cache *c, const void *key, size_t key_len, void *value, size_t cost,
                             const brim_entry_options *o, brim_ref **out)
{
    brim_status status = insert_bytes(c, key, key_len, value, cost, o, false, out);

    pins_out(out);
    return status;
}

brim_status brim_insert_or_wrap(brim_cache *c, const void *key, size_t key_len, void *value, size_t cost,
                                const brim_entry_options *o, brim_ref **out)
{
    brim_status status = insert_bytes(c, key, key_len, value, cost, o, true, out);

    pins_out(out);
    return status;
}

brim_status brim_wrap(brim_cache *c, void *value, size_t cost, const brim_entry_options *o, brim_ref **out)
{
    brim_status status = wrap(c, value, cost, o, out);

    pins_out(out);
    return status;
}

brim_status brim_insert_anonymous(brim_cache *c, void *value, size_t cost, const brim_entry_options *o, brim_key **key,
                                  brim_ref **ref)
{
    struct insertion in = {.value = value, .cost = cost, .anonymous = true};
    brim_status status;

    if (key != NULL)
        *key = NULL;
    if (ref != NULL)
        *ref = NULL;
    if (c == NULL || (key == NULL && ref == NULL))
        return BRIM_INVALID;
    if ((status = insert_options(c, o, &in)) != BRIM_OK)
        return status;
    in.refs = ref != NULL;
    in.keys = key != NULL;
    status = insert_run(&in);
    if (status != BRIM_OK)
        return status;
    if (key != NULL)
        *key = key_of(in.result);
    if (ref != NULL)
        *ref = pins_ref(ref_of(in.result));
    return BRIM_OK;
}

brim_status insert_as(const struct entry *old, struct insertion *in)
{
    in->cache = cache_of(old);
    in->kind = kind_of(old);
    in->work = old->work;
    in->priority = (int)((entry_flags(old) & ENTRY_PRIORITY) >> ENTRY_PRIORITY_SHIFT) - 1;
    extra_read(old, &in->extra);
    return groups_renew(&in->extra);
}

brim_status brim_key_replace_with(brim_key **key, void *value, size_t cost, const brim_entry_options *o, brim_ref **out)
{
    struct insertion in = {.value = value, .cost = cost};
    brim_status status;
    struct entry *old;

    if (out != NULL)
        *out = NULL;
    if (key == NULL || *key == NULL)
        return BRIM_INVALID;
    old = entry_of_key(*key);
    if (!stale_is_found(old))
        return BRIM_INVALID;
    if ((status = insert_options(cache_of(old), o, &in)) != BRIM_OK)
        return status;
    if (o == NULL || o->kind == NULL)
        in.kind = kind_of(old);
    if (o == NULL || o->work == 0)
        in.work = old->work;
    if (o == NULL && (status = insert_as(old, &in)) != BRIM_OK)
        return status;
    in.only_if_absent = false;
    in.anonymous = (entry_flags(old) & ENTRY_ANONYMOUS) != 0;
    in.key = entry_key(old, &in.key_len);
    in.expected = old;
    in.refs = out != NULL;
    in.keys = 1;
    status = insert_run(&in);
    if (status != BRIM_OK) {
        if (o != NULL && o->drop_old && (status == BRIM_TOO_BIG || status == BRIM_FULL))
            (void)brim_key_remove(*key);
        return status;
    }
    *key = key_of(in.result);
    if (out != NULL)
        *out = pins_ref(ref_of(in.result));
    brim_key_drop(key_of(old));
    return BRIM_OK;
}

brim_status brim_key_replace(brim_key **key, void *value, size_t cost)
{
    return brim_key_replace_with(key, value, cost, NULL, NULL);
}
