/* SPDX-License-Identifier: MIT */
#include "cache/insert.h"

#include <string.h>

brim_status insert_options(struct brim_cache *c, const brim_entry_options *o, struct insertion *in)
{
    const brim_kind *kind = NULL;

    in->cache = c;
    in->work = policy_pack_work(0);
    if (o != NULL) {
        if (o->size < sizeof *o || o->priority < -1 || o->priority > 1)
            return BRIM_INVALID;
        if (o->group != NULL || o->more_groups[0] != NULL || o->more_groups[1] != NULL || o->more_groups[2] != NULL ||
            o->max_age != 0 || o->max_idle != 0)
            return BRIM_UNSUPPORTED;
        in->work = policy_pack_work(o->work);
        in->priority = o->priority;
        in->only_if_absent = o->only_if_absent;
        in->drop_old = o->drop_old;
        kind = o->kind;
    }
    if (kind != NULL)
        return kind_get(c, kind, &in->kind);
    in->kind = c->default_kind;
    return BRIM_OK;
}

static struct entry *make_entry(const struct insertion *in, struct thread *t, uint64_t hash)
{
    struct brim_cache *c = in->cache;
    size_t size = entry_size(in->key_len);
    struct entry *e = slab_alloc(&c->slab, t, size);

    if (e == NULL)
        return NULL;
    tally_add(&c->live, t);
    entry_init(e, in->key, in->key_len, in->value, in->cost + cache_overhead(c, in->key_len));
    e->place = hash_place(hash);
    e->work = in->work;
    e->kind_flags = in->kind->number << 8 | slab_class_of(size) | (in->anonymous ? ENTRY_ANONYMOUS : 0u) |
                    (uint32_t)(in->priority + 1) << ENTRY_PRIORITY_SHIFT;
    return e;
}

static struct entry *hold_existing(const struct insertion *in, struct caller by, uint64_t hash)
{
    struct entry_list last = {NULL, NULL};
    struct entry *e;

    section_enter(by.t);
    e = shard_find(cache_index(in->cache, hash_place(hash)), hash, in->key, in->key_len, by.st, &last);
    section_leave(by.t);
    dispose_lasts(&last);
    return e;
}

static void remove_old(const struct insertion *in, struct caller by, uint64_t hash)
{
    struct entry_list left = {NULL, NULL};

    (void)shard_remove_key(cache_shard(in->cache, hash_place(hash)), hash, in->key, in->key_len, by.st, &left);
    dispose(&left, NULL);
}

/* The room is reserved: make it the entry's. */
static brim_status link_entry(struct insertion *in, struct admission *a, struct entry *e)
{
    struct shard *sh = cache_shard(in->cache, e->place);
    struct entry_list left = {NULL, NULL};
    struct shard_link l = {.e = e, .refs = in->refs, .keys = in->keys, .only_if_absent = in->only_if_absent};
    enum shard_outcome outcome;

    l.tag = hash_tag(a->hash);
    l.values = &in->kind->values;
    l.expected = a->keep_old ? in->expected : NULL;
    while ((outcome = shard_link(sh, &l, a->by.t, a->by.st, &left)) == SHARD_NO_ENTRY)
        if (!admit_entry(a))
            return BRIM_FULL;
    dispose(&left, NULL);
    switch (outcome) {
    case SHARD_LINKED:
        return BRIM_OK;
    case SHARD_EXISTS:
        in->result = l.there;
        return BRIM_EXISTS;
    case SHARD_NOMEM:
        return BRIM_NOMEM;
    default:
        return BRIM_INVALID;
    }
}

/* Refused, but taken all the same: an uncharged value outside, and the old entry goes. */
static void wrap(struct insertion *in, struct entry *e)
{
    atom_store_relaxed(&e->cost, in->cost); /* relaxed: it is ours alone still */
    e->kind_flags |= ENTRY_UNCHARGED;
    (void)atom_add_relaxed(&in->cache->uncharged, (uint64_t)in->cost); /* relaxed: a statistic */
    in->result = e;
}

static brim_status refuse(struct insertion *in, struct caller by, uint64_t hash, brim_status status, struct entry *e)
{
    bool refused = status == BRIM_TOO_BIG || status == BRIM_FULL;

    if (refused) {
        stripe_add(by.st, refused, 1);
        if ((in->drop_old || in->wrap_refused) && !in->anonymous && in->expected == NULL)
            remove_old(in, by, hash);
    }
    if (e != NULL && refused && in->wrap_refused) {
        kind_taken(in->kind, by.t);
        wrap(in, e);
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
    kind_taken(in->kind, a->by.t);
    status = link_entry(in, a, e);
    if (status != BRIM_OK) {
        kind_destroyed(in->kind, a->by.t);
        admit_undo(in->cache, a->by, a->charge);
    }
    return status;
}

brim_status insert_run(struct insertion *in)
{
    struct brim_cache *c = in->cache;
    struct caller by = caller_of(c);
    uint64_t hash = in->anonymous ? thread_random(by.t) : hash_bytes(&c->hash, in->key, in->key_len);
    size_t charge = in->cost + cache_overhead(c, in->key_len);
    struct admission a = {c, by, charge, NULL, in->expected, hash, true};
    bool too_big = in->cost > SIZE_MAX / 2 || charge > budget_capacity(&c->budget);
    brim_status status;
    struct entry *e;

    if (in->expected != NULL && in->anonymous)
        hash = a.hash = in->expected->place; /* the same shard, so that one mutex covers both */
    shard_prefetch(cache_shard(c, hash_place(hash)), cache_index(c, hash_place(hash)), hash);
    in->result = NULL;
    if (in->only_if_absent && !in->anonymous && (in->result = hold_existing(in, by, hash)) != NULL)
        return BRIM_EXISTS;
    if (too_big && !in->wrap_refused)
        return refuse(in, by, hash, BRIM_TOO_BIG, NULL);
    e = make_entry(in, by.t, hash);
    if (e == NULL)
        return BRIM_NOMEM;
    a.for_entry = e;
    status = too_big ? BRIM_TOO_BIG : admit_and_link(in, &a, e);
    if (status != BRIM_OK)
        return refuse(in, by, hash, status, e);
    in->result = e;
    return BRIM_OK;
}

/* ---- The public calls */

static brim_status insert_bytes(brim_cache *c, const void *key, size_t key_len, void *value, size_t cost,
                                const brim_entry_options *o, bool wrap_refused, brim_ref **out)
{
    struct insertion in = {.key = key, .key_len = key_len, .value = value, .cost = cost, .wrap_refused = wrap_refused};
    brim_status status = BRIM_INVALID;

    if (out != NULL)
        *out = NULL;
    if (c == NULL || cache_key_is_bad(key, key_len))
        return BRIM_INVALID;
    if ((status = insert_options(c, o, &in)) != BRIM_OK)
        return status;
    in.refs = out != NULL;
    status = insert_run(&in);
    if (status == BRIM_EXISTS && wrap_refused) { /* taken in any case, and wanted by nobody */
        brim_ref *unwanted;
        brim_status wrapped = brim_wrap(c, value, cost, o, &unwanted);
        if (wrapped != BRIM_OK) {
            brim_release(ref_of(in.result));
            return wrapped;
        }
        brim_release(unwanted);
    }
    if (out != NULL && in.result != NULL)
        *out = ref_of(in.result);
    else if (in.result != NULL && status != BRIM_OK)
        brim_release(ref_of(in.result));
    return status;
}

brim_status brim_insert(brim_cache *c, const void *key, size_t key_len, void *value, size_t cost, brim_ref **out)
{
    return insert_bytes(c, key, key_len, value, cost, NULL, false, out);
}

brim_status brim_insert_with(brim_cache *c, const void *key, size_t key_len, void *value, size_t cost,
                             const brim_entry_options *o, brim_ref **out)
{
    return insert_bytes(c, key, key_len, value, cost, o, false, out);
}

brim_status brim_insert_or_wrap(brim_cache *c, const void *key, size_t key_len, void *value, size_t cost,
                                const brim_entry_options *o, brim_ref **out)
{
    return insert_bytes(c, key, key_len, value, cost, o, true, out);
}

brim_status brim_wrap(brim_cache *c, void *value, size_t cost, const brim_entry_options *o, brim_ref **out)
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
    if ((status = insert_options(c, o, &in)) != BRIM_OK)
        return status;
    by = caller_of(c);
    e = make_entry(&in, by.t, 0);
    if (e == NULL)
        return BRIM_NOMEM;
    kind_taken(in.kind, by.t);
    wrap(&in, e);
    *out = ref_of(e);
    return BRIM_OK;
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
        *ref = ref_of(in.result);
    return BRIM_OK;
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
    if (!entry_is_linked(old))
        return BRIM_INVALID;
    if ((status = insert_options(cache_of(old), o, &in)) != BRIM_OK)
        return status;
    if (o == NULL || o->kind == NULL)
        in.kind = kind_of(old);
    if (o == NULL || o->work == 0)
        in.work = old->work;
    if (o == NULL)
        in.priority = (int)((entry_flags(old) & ENTRY_PRIORITY) >> ENTRY_PRIORITY_SHIFT) - 1;
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
        *out = ref_of(in.result);
    brim_key_drop(key_of(old));
    return BRIM_OK;
}

brim_status brim_key_replace(brim_key **key, void *value, size_t cost)
{
    return brim_key_replace_with(key, value, cost, NULL, NULL);
}
