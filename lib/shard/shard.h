/* SPDX-License-Identifier: MIT
 *
 * A shard: one mutex over a part of the index and its policy.  No user code runs here and nothing is allocated or
 * freed under the mutex: what leaves is put on the caller's list.  Only one shard's mutex is held at a time.
 */
#ifndef BRIM_SHARD_SHARD_H
#define BRIM_SHARD_SHARD_H

#include "base/lock.h"
#include "part/stripe.h"
#include "part/tally.h"
#include "shard/budget.h"
#include "shard/index.h"
#include "shard/policy.h"
#include "shard/policy_adapt.h"

enum { SHARD_BATCH = 256 }; /* entries looked at in one hold of the mutex, at the most */

struct shard {
    /* What every write touches, in a pair of lines */
    struct lock lock; /* protects all below */
    struct index index;
    ATOM(size_t) used;    /* charge of the linked entries; read without the mutex, as the next */
    ATOM(uint32_t) count; /* of them */
    bool closed;          /* the cache is being freed */
    struct policy policy;

    /* constant */
    const brim_allocator *mem;
    struct budget *entries; /* how many there may be over all shards; NULL: any number */

    ATOM(size_t) bytes;   /* of the index; read without the mutex, as the next */
    ATOM(size_t) ghost_bytes;
    struct table *orphan; /* to which the index was being copied by a thread that a fork has left behind; or NULL */
} __attribute__((aligned(128)));

/*
 * shard_init(sh, root, mem, entries, objective, adapt, seed, shard_bits):
 * ${root} is where look-ups find its index; ${adapt} is all shards', and ${seed} that of the policy's random numbers.
 * False: no memory.
 */
bool shard_init(struct shard *sh, struct index_root *root, const brim_allocator *mem, struct budget *entries,
                brim_objective objective, struct policy_adapt *adapt, uint64_t seed, unsigned shard_bits);
void shard_destroy(struct shard *sh);

/*
 * shard_count_pins(st, e, events):
 * Keep the sum of pinned cost after an operation on ${e}'s holds.  In the section of that operation, or with a hold:
 * a change of the cost waits for sections, so that what a hold adds is what its release takes away.
 */
static inline void shard_count_pins(struct stripe *st, const struct entry *e, unsigned events)
{
    if ((events & (ENTRY_PIN | ENTRY_UNPIN)) == 0 || (entry_flags(e) & ENTRY_UNCHARGED))
        return;
    if (events & ENTRY_PIN)
        stripe_add(st, pinned, entry_cost(e));
    if (events & ENTRY_UNPIN)
        stripe_add(st, pinned, 0 - entry_cost(e));
}

/* What a look-up of a key finds that met ${e}, from whose hold came ${events} without HELD; or as shard_find. */
struct entry *shard_find_next(struct index_view v, struct entry *e, unsigned events, uint64_t hash, const void *key,
                              size_t len, struct stripe *st, struct entry_list *last);
struct entry *shard_peek_next(struct index_view v, struct entry *e, uint64_t hash, const void *key, size_t len);

/*
 * shard_hold(v, e, hash, key, len, st, last):
 * As shard_find, with what the index was seen to have.
 */
static inline struct entry *shard_hold(struct index_view v, struct entry *e, uint64_t hash, const void *key, size_t len,
                                       struct stripe *st, struct entry_list *last)
{
    unsigned events = entry_try_hold(e);

    shard_count_pins(st, e, events);
    return likely(events & ENTRY_HELD) ? e : shard_find_next(v, e, events, hash, key, len, st, last);
}

/*
 * shard_prefetch(sh, v, hash):
 * Ask for what a write of ${hash} in ${sh}, whose index is ${v}, will touch.
 */
static inline void shard_prefetch(struct shard *sh, struct index_view v, uint64_t hash)
{
    __builtin_prefetch(sh, 1);
    __builtin_prefetch((char *)sh + 64, 1);
    __builtin_prefetch(index_start(v, hash), 1);
}

/*
 * shard_find(v, hash, key, len, st, last):
 * Hold ${key}'s entry in the shard whose index is ${v}, or NULL.  On ${last} come entries that have left and whose
 * values have become the caller's to destroy, as with ENTRY_LAST.  In a section.  No lock (G7).
 */
static inline struct entry *shard_find(struct index_view v, uint64_t hash, const void *key, size_t len, struct stripe *st,
                                       struct entry_list *last)
{
    struct entry *e = index_find_for(v, hash, key, len, true);

    return likely(e != NULL) ? shard_hold(v, e, hash, key, len, st, last) : NULL;
}

/*
 * shard_peek(v, hash, key, len):
 * The entry that a look-up would find, without a hold, or NULL.  In a section.
 */
static inline struct entry *shard_peek(struct index_view v, uint64_t hash, const void *key, size_t len)
{
    struct entry *e = index_find(v, hash, key, len);

    return likely(e == NULL || entry_is_linked(e)) ? e : shard_peek_next(v, e, hash, key, len);
}

struct shard_link {
    struct entry *e;        /* in: what to link; its refs and keys as entry_publish takes them: */
    unsigned refs, keys;    /* in */
    uint16_t tag;           /* in: of its hash */
    struct tally *values;   /* in: sums the charge of its kind */
    bool only_if_absent;    /* in: an entry that is there stays */
    struct entry *expected; /* in: replace this one and no other; NULL: whatever has the key */
    struct entry *there;    /* out, SHARD_EXISTS: the entry that is there, held */
    bool added;             /* out, SHARD_LINKED: nothing was replaced */
};

enum shard_outcome {
    SHARD_LINKED,   /* done; what was replaced is on the list */
    SHARD_EXISTS,
    SHARD_NO_ENTRY, /* it would be one more than there may be */
    SHARD_GONE,     /* `expected' has left, or the cache is being freed */
    SHARD_NOMEM
};

/*
 * shard_link(sh, l, t, st, left):
 * Make ${l->e} what look-ups of its key find, in one step with the old one's end (G6).  When it is linked, its charge
 * is no longer among the thread's reservations.
 */
enum shard_outcome shard_link(struct shard *sh, struct shard_link *l, struct thread *t, struct stripe *st,
                              struct entry_list *left);

/*
 * shard_remove(sh, e, cause, st, left):
 * Take ${e} from look-ups.  False: it had left.  ${e} must not be freed meanwhile.
 */
bool shard_remove(struct shard *sh, struct entry *e, brim_cause cause, struct stripe *st, struct entry_list *left);

/*
 * shard_remove_key(sh, hash, key, len, st, left):
 * The same of ${key}'s entry.
 */
bool shard_remove_key(struct shard *sh, uint64_t hash, const void *key, size_t len, struct stripe *st,
                      struct entry_list *left);

/*
 * shard_remove_if_last(sh, e, st, left):
 * Give back the caller's hold on ${e} and remove it, if nobody else holds it.  False: nothing changed.
 */
bool shard_remove_if_last(struct shard *sh, struct entry *e, struct stripe *st, struct entry_list *left);

/* What a sweep takes. */
struct shard_sweep {
    brim_cause cause;
    bool held_too;            /* also what is held, which then only leaves look-ups */
    bool claim;               /* what it frees is the caller's */
    int kind;                 /* of this kind number only; -1: any */
    size_t need;              /* stop when as much was freed */
    unsigned most;            /* stop after as many */
    size_t freed;             /* so far: charge of what nobody held */
    unsigned taken;           /* so far */
    const struct entry *keep; /* not this one */
    const struct entry *like; /* nor one of the same hash place */
};

/*
 * shard_evict_old(sh, hash, key, len, expected, w, st, left):
 * Evict ${expected}, or if NULL the entry of ${key}, if nobody holds it and that frees ${w->need}.
 */
bool shard_evict_old(struct shard *sh, uint64_t hash, const void *key, size_t len, struct entry *expected,
                     struct shard_sweep *w, struct stripe *st, struct entry_list *left);

/*
 * shard_evict(sh, w, st, left):
 * Evict by the policy until ${w->need} is freed or a few samples find nothing.  What is held stays.
 */
void shard_evict(struct shard *sh, struct shard_sweep *w, struct stripe *st, struct entry_list *left);

/*
 * shard_sweep(sh, c, w, st, left):
 * Take what ${w} says of the next entries from ${c} on, at most SHARD_BATCH.  False: the shard is done.
 */
bool shard_sweep(struct shard *sh, struct index_cursor *c, struct shard_sweep *w, struct stripe *st,
                 struct entry_list *left);

/*
 * shard_hold_some(sh, c, out, st):
 * Hold the next entries from ${c} on, at most SHARD_BATCH.  0: the shard is done.
 */
unsigned shard_hold_some(struct shard *sh, struct index_cursor *c, struct entry *out[SHARD_BATCH], struct stripe *st);

/*
 * shard_set_cost(sh, e, charge, reserved, values, t, st):
 * ${e}, which the caller holds, is charged ${charge} from now on.  What that is more comes from ${*reserved}, which
 * the thread has reserved; what it is less is added to it.  ${values} sums the charge of its kind.  False: it is not
 * enough, and nothing changed.  Waits for sections.
 */
bool shard_set_cost(struct shard *sh, struct entry *e, size_t charge, size_t *reserved, struct tally *values,
                    struct thread *t, struct stripe *st);

/*
 * shard_child(sh):
 * In the child of a fork, the mutex held: whoever was changing the size of the index is gone.
 */
void shard_child(struct shard *sh);

/*
 * shard_close(sh):
 * Nothing is linked any more from now on.
 */
void shard_close(struct shard *sh);

/*
 * shard_fit_index(sh):
 * Shrink or grow the index to its number of entries, if nobody is at it.  False: no memory; the old one goes on as long
 * as it has room.
 */
bool shard_fit_index(struct shard *sh);

#endif
