/* SPDX-License-Identifier: MIT */
#ifndef BRIM_CACHE_INSERT_H
#define BRIM_CACHE_INSERT_H

#include "cache/admit.h"

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
    bool anonymous, only_if_absent, drop_old;
    bool wrap_refused;      /* what is refused becomes an uncharged value */
    struct entry *expected; /* by handle: the entry to replace */
    unsigned refs, keys;    /* counts the caller wants on the new entry */
    struct entry *result;   /* out: the new entry, or with EXISTS the one that is there, held; else NULL */
};

/*
 * insert_options(c, o, in):
 * Take over the user's options.  OK; INVALID; UNSUPPORTED; NOMEM.
 */
brim_status insert_options(struct brim_cache *c, const brim_entry_options *o, struct insertion *in);

/*
 * insert_run(in):
 * OK; EXISTS; TOO_BIG; FULL; NOMEM; INVALID: ${in->expected} has left.
 */
brim_status insert_run(struct insertion *in);

#endif
