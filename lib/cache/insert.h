/* SPDX-License-Identifier: MIT */
#ifndef BRIM_CACHE_INSERT_H
#define BRIM_CACHE_INSERT_H

#include "cache/admit.h"
#include "entry/extra.h"

/* One insertion, by key bytes, anonymous, or by handle. */
struct insertion {
    struct brim_cache *cache;
    const void *key;
    size_t key_len;
    void *value;
    size_t cost;
    struct kind *kind;
    uint16_t work; /* packed */
    int priority;
    struct extra extra;
    bool anonymous, only_if_absent, drop_old;
    bool closed;            /* a group is: it is refused */
    bool wrap_refused;      /* what is refused becomes an uncharged value */
    struct entry *expected; /* by handle: the entry to replace */
    unsigned refs, keys;    /* counts the caller wants on the new entry */
    struct entry *result;   /* out: the new entry, or with EXISTS the one that is there, held; else NULL */
};

/*
 * insert_options(c, o, in):
 * Take over the user's options.  OK; INVALID; NOMEM; CANCELED: a group is closed, all but groups is taken over.
 */
brim_status insert_options(struct brim_cache *c, const brim_entry_options *o, struct insertion *in);

/*
 * insert_as(old, in):
 * The same from an entry.  OK; CANCELED.
 */
brim_status insert_as(const struct entry *old, struct insertion *in);

/*
 * insert_alloc(in, t, hash, size):
 * An entry of ${size} bytes or more with the key of ${in}, whose hash is ${hash}, and nothing else.  NULL: no memory.
 */
struct entry *insert_alloc(const struct insertion *in, struct thread *t, uint64_t hash, size_t size);

/*
 * insert_fill(in, e):
 * Make ${e}, just allocated and large enough, an entry of the kind, work, priority, ages and groups of ${in}.
 */
void insert_fill(const struct insertion *in, struct entry *e);

/*
 * insert_set_value(in, e, value, cost):
 * ${e}, filled, is born now, with this value, and charged for it.
 */
void insert_set_value(const struct insertion *in, struct entry *e, void *value, size_t cost);

/*
 * insert_uncharge(in, e, cost):
 * ${e} is not admitted: it is about to be an uncharged value outside.  The flag is still to be set.
 */
void insert_uncharge(const struct insertion *in, struct entry *e, size_t cost);

/*
 * insert_link(in, a, l, e, left):
 * The room ${a} is reserved: make it ${e}'s, and ${e} what look-ups find.  ${l} has the counts.
 */
enum shard_outcome insert_link(const struct insertion *in, struct admission *a, struct shard_link *l, struct entry *e,
                               struct entry_list *left);

/*
 * insert_run(in):
 * OK; EXISTS; TOO_BIG; FULL; NOMEM; INVALID: ${in->expected} has left, or the cache is freed.
 */
brim_status insert_run(struct insertion *in);

#endif
