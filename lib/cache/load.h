/* SPDX-License-Identifier: MIT
 *
 * Loads: making a key's value once for all who ask.  shard/flight.h has their machine; here are their memory,
 * reservations and measuring.  load.c makes them and asks, finish.c ends them, get.c and claim.c are the public calls.
 */
#ifndef BRIM_CACHE_LOAD_H
#define BRIM_CACHE_LOAD_H

#include "cache/insert.h"

struct brim_load {
    struct flight flight; /* first */
    struct brim_cache *cache;
    struct insertion in;  /* what the entry is to be: kind, work, priority, ages, groups */
    struct kind *kind;    /* of its claim, held; */
    struct kind *other;   /* that it is finished with, likewise; NULL: the same */
    uint64_t claimed;     /* when, on the cache's group_clock */
    uint64_t hash;
    struct entry *spare;  /* of a claimed load: large enough for any options to finish with */
    size_t reserved;      /* of the cache's by_loads */
    uint64_t begun;       /* when its work began, on clock_now; 0: nobody said */
    uint64_t nested;      /* nanoseconds of that which nested calls took */
    struct flight *outer; /* what its thread was loading before */
    bool by_loader;       /* it ends by its loader's return */
};

static inline struct brim_load *load_of(struct flight *f)
{
    return (struct brim_load *)(void *)f;
}

static inline struct shard *load_shard(const struct brim_load *l)
{
    return cache_shard(l->cache, hash_place(l->hash));
}

/*
 * load_unreserve(l):
 * What it had reserved is room again.
 */
void load_unreserve(struct brim_load *l);

/*
 * load_drop(l):
 * Its claimer has done with it.
 */
void load_drop(struct brim_load *l);

/*
 * load_free(list):
 * Free flights that nobody looks at any more, by `next'.  NULL: nothing.
 */
void load_free_slow(struct flight *list);

static inline void load_free(struct flight *list)
{
    if (unlikely(list != NULL))
        load_free_slow(list);
}

/*
 * load_end_all(c, freeing):
 * Overtake all loads, and forget failures; ${freeing}: the cache is freed, and all who wait are told so.
 */
void load_end_all(struct brim_cache *c, bool freeing);

/*
 * load_reserved(list):
 * What is reserved for flights, by `next'.  In the child of a fork.
 */
size_t load_reserved(const struct flight *list);

/*
 * load_forget_failures(c):
 * Forget those whose time is up.
 */
void load_forget_failures(struct brim_cache *c);

/* ---- A request for a key's value */

struct request {
    struct brim_cache *cache;
    struct caller by;
    struct insertion in;
    struct shard_ask ask;
    size_t expected;
    int timeout_ms;
    int *reason;
    bool by_loader;
    struct waiter *later;   /* told later; NULL: block */
    struct brim_load *load; /* CLAIMED: the load */
    struct entry *result;   /* OK: held */
};

/*
 * request_options(r, o):
 * Take over the user's options; NULL: the defaults.  OK; INVALID; NOMEM; CANCELED: a group is closed.
 */
brim_status request_options(struct request *r, const brim_claim_options *o);
void request_key(struct request *r, const void *key, size_t key_len, uint64_t hash);
void request_reason(const struct request *r, int reason);

/*
 * request_begin(r, c, key, key_len, o, last):
 * Make ${r} one of ${key}, and look it up.  OK: the result is there.  PENDING: it missed.  Else the answer.
 */
brim_status request_begin(struct request *r, struct brim_cache *c, const void *key, size_t key_len,
                          const brim_claim_options *o, struct entry_list *last);

/*
 * request_missed(r, last):
 * Count the miss, and dispose of what the look-up has left.  The caller keeps the cache alive.
 */
void request_missed(struct request *r, struct entry_list *last);

/*
 * request_ask(r):
 * OK; CLAIMED; else as brim_claim.  The caller keeps the cache alive.
 */
brim_status request_ask(struct request *r);

/*
 * request_count_nested(t, since):
 * A call that began at ${since} is about to return to a loader, perhaps: that was not its own work.
 */
void request_count_nested(struct thread *t, uint64_t since);

/* ---- Ending one */

/*
 * load_finish(l, e, value, cost, out):
 * With ${e}, the flight's own entry or the spare, filled.  ${*out}: the result, held, if ${l->in.refs}; else NULL.
 */
brim_status load_finish(struct brim_load *l, struct entry *e, void *value, size_t cost, struct entry **out);
void load_fail(struct brim_load *l, int reason, uint64_t ns);

#endif
