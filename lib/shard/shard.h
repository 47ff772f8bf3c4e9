/* SPDX-License-Identifier: MIT
 *
 * A shard: one mutex over a part of the index and its policy.  No user code runs here and nothing is allocated or
 * freed under the mutex: what leaves is put on the caller's list.  Only one shard's mutex is held at a time.
 */
#ifndef BRIM_SHARD_SHARD_H
#define BRIM_SHARD_SHARD_H

#include "base/lock.h"
#include "entry/extra.h"
#include "part/stripe.h"
#include "part/tally.h"
#include "shard/budget.h"
#include "shard/flight.h"
#include "shard/index.h"
#include "shard/limit.h"
#include "shard/policy.h"
#include "shard/policy_adapt.h"

enum {
    SHARD_BATCH = 256, /* entries looked at in one hold of the mutex, at the most */
    SHARD_SWEPT = 64,  /* by one write, for what is stale */
    SHARD_NEWEST = 16
};

/* What all shards of a cache share. */
struct shard_common {
    const brim_allocator *mem;     /* constant, as the next two */
    struct budget *entries;        /* how many there may be over all shards; NULL: any number */
    struct policy_adapt *adapt;
    struct limit *(*limit_of)(const struct entry *e); /* its kind's; constant */
    ATOM(uint32_t) limits;         /* some kind keeps its sums, */
    ATOM(uint32_t) queues;         /* or has a queue */
    ATOM(uint64_t) invalidations;  /* of groups, so far */
    ATOM(uintptr_t) stamp;         /* of a use now, without birth */
    bool protect;                  /* what the current frame used goes last; constant */
    ATOM(uint64_t) protected_until; /* a frame, and how far its protection was seen to leave nothing to evict: admit.c */
};

struct shard {
    /* What every write touches, in a pair of lines */
    struct lock lock;
    struct index index;
    ATOM(size_t) used;    /* charge of the linked entries; read without the mutex, as the next */
    ATOM(uint32_t) count; /* of them */
    SHARED(bool) closed GUARDED_BY(rank_shard); /* the cache is being freed */
    struct policy policy;
    struct flights flights;
    ATOM(uint32_t) flying; /* how many; read without the mutex */
    size_t loading GUARDED_BY(rank_shard); /* how many of them are under way, or were when the cache was freed */
    uint64_t lock_waits GUARDED_BY(rank_shard), lock_wait_ns GUARDED_BY(rank_shard);
    uint32_t fresh_frame GUARDED_BY(rank_shard); /* the frame of: */
    uint32_t fresh GUARDED_BY(rank_shard); /*   entries inserted in it and not asked for since, at the most, of which */
    struct entry *newest[SHARD_NEWEST] GUARDED_BY(rank_shard); /* are the last, in a ring; NULL: it has left */

    /* The sweep for what is stale: a pass over all entries, some with each write, when there may be any */
    struct index_cursor swept GUARDED_BY(rank_shard); /* how far it has come */
    ATOM(uint32_t) sweeping;     /* read without the mutex, as the next two */
    ATOM(uint64_t) clean_of;     /* invalidations before the last pass began, or if sweeping this one */
    ATOM(uint64_t) next_expiry;  /* of all entries, at the earliest; as far as this pass has seen: */
    uint64_t pass_expiry GUARDED_BY(rank_shard);

    struct shard_common *common; /* constant */

    ATOM(size_t) bytes;   /* of the index; read without the mutex, as the next */
    ATOM(size_t) ghost_bytes;
    struct table *orphans GUARDED_BY(rank_shard); /* to which threads that forks have left behind were copying the index */
} __attribute__((aligned(128)));

/*
 * shard_init(sh, root, common, objective, seed, shard_bits):
 * ${root} is where look-ups find its index; ${seed} that of the policy's random numbers.  False: no memory.
 */
bool shard_init(struct shard *sh, struct index_root *root, struct shard_common *common, brim_objective objective,
                uint64_t seed, unsigned shard_bits);
void shard_destroy(struct shard *sh);

/* For who only looks: a wait for it is not counted. */
static inline void shard_lock_to_look(struct shard *sh) LOCKS(rank_shard)
{
    lock_acquire(&sh->lock);
}

static inline void shard_unlock(struct shard *sh) UNLOCKS(rank_shard)
{
    lock_release(&sh->lock);
}

/* What ${e}'s refs hold has changed by ${delta}. */
static inline void shard_pin(struct stripe *st, const struct entry *e, size_t delta)
{
    stripe_add(st, of[entry_kind_slot(e)].pinned, delta);
}

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
        shard_pin(st, e, entry_cost(e));
    if (events & ENTRY_UNPIN)
        shard_pin(st, e, 0 - entry_cost(e));
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
    bool counted;           /* in: the charge is part of what its kind has taken */
    uint64_t now;           /* in: for the ages of what is there; 0: they are not looked at */
    struct flight *flight;  /* in: whose result ${e} is; NULL: it overtakes that of its key */
    struct waiter *told;    /* out, SHARD_LINKED: as flight_tell */
    struct flight *forgotten; /* out, SHARD_LINKED: was remembered as failed, and is the caller's to free; or NULL */
    bool redundant;         /* out, SHARD_LINKED, of a flight: it had been evicted not long before */
    bool only_if_absent;    /* in: an entry that is there stays */
    struct entry *expected; /* in: replace this one and no other; NULL: whatever has the key */
    struct entry *there;    /* out, SHARD_EXISTS: the entry that is there, held */
    bool added;             /* out, SHARD_LINKED: nothing was replaced */
};

enum shard_outcome {
    SHARD_LINKED,   /* done; what was replaced is on the list */
    SHARD_EXISTS,
    SHARD_NO_ENTRY, /* it would be one more than there may be */
    SHARD_UNCOUNTED, /* its kind has begun to keep its sums, and the charge is no part of them yet */
    SHARD_GONE,     /* `expected' has left, or the cache is being freed, or `flight' was overtaken */
    SHARD_NOMEM
};

/*
 * shard_link(sh, l, t, st, left):
 * Make ${l->e} what look-ups of its key find, in one step with the old one's end (G6).  When it is linked, its charge
 * is no longer among the thread's reservations.
 */
enum shard_outcome shard_link(struct shard *sh, struct shard_link *l, struct thread *t, struct stripe *st,
                              struct entry_list *left) EXCLUDES(rank_shard);

/*
 * shard_remove(sh, e, cause, st, left, forgotten):
 * Take ${e} from look-ups.  False: it had left.  ${e} must not be freed meanwhile.  A load of its key is overtaken;
 * ${*forgotten} becomes one that was remembered as failed.
 */
bool shard_remove(struct shard *sh, struct entry *e, brim_cause cause, struct stripe *st, struct entry_list *left,
                  struct flight **forgotten) EXCLUDES(rank_shard);

/*
 * shard_remove_key(sh, hash, key, len, now, removed, st, left, forgotten):
 * The same of ${key}'s entry; loads are overtaken also if there is none.  Returns what it was: stale ones leave for
 * that cause.
 */
enum extra_state shard_remove_key(struct shard *sh, uint64_t hash, const void *key, size_t len, uint64_t now,
                                  bool *removed, struct stripe *st, struct entry_list *left, struct flight **forgotten)
    EXCLUDES(rank_shard);

/*
 * shard_remove_if_last(sh, e, now, st, left, forgotten):
 * Give back the caller's hold on ${e} and remove it, if nobody else holds it; a stale one leaves for that cause.
 * False: nothing changed.
 */
bool shard_remove_if_last(struct shard *sh, struct entry *e, uint64_t now, struct stripe *st, struct entry_list *left,
                          struct flight **forgotten) EXCLUDES(rank_shard);

/* What a sweep takes. */
struct shard_sweep {
    brim_cause cause;
    bool held_too;            /* also what is held, which then only leaves look-ups */
    bool claim;               /* what it frees is the caller's */
    int kind;                 /* of this kind number only; -1: any */
    bool floors;              /* kinds keep their floors, but: */
    int but_kind;             /*   this kind number; -1: none */
    uint64_t now;             /* for ages; 0: not looked at */
    unsigned frame_too;       /* 0: spare what the frame used or inserted; 1: what it used; 2: nothing */
    bool queues;              /* of kinds with queues, whose victims free nothing yet, no more than: */
    size_t queue_need;
    bool second_chance;       /* only what is not marked used; the mark is taken */
    bool by_use;              /* only what was last used before: */
    uint32_t before_frame;    /*   this frame, */
    uint8_t idle_now, idle_least; /* or at least as many calls of brim_idle ago */
    unsigned used_now;        /* out: victims that the current frame had used */
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
                     struct shard_sweep *w, struct stripe *st, struct entry_list *left) EXCLUDES(rank_shard);

/*
 * shard_evict(sh, w, st, left):
 * Evict by the policy until ${w->need} is freed or a few samples find nothing.  What is held stays.
 */
void shard_evict(struct shard *sh, struct shard_sweep *w, struct stripe *st, struct entry_list *left)
    EXCLUDES(rank_shard);

/*
 * shard_sweep_fresh(sh, w, st, left):
 * Take what the current frame inserted and nobody has asked for since, until ${w->need} is freed.
 */
void shard_sweep_fresh(struct shard *sh, struct shard_sweep *w, struct stripe *st, struct entry_list *left)
    EXCLUDES(rank_shard);

/*
 * shard_sweep(sh, c, w, st, left):
 * Take what ${w} says of the next entries from ${c} on, at most SHARD_BATCH.  False: the shard is done.
 */
bool shard_sweep(struct shard *sh, struct index_cursor *c, struct shard_sweep *w, struct stripe *st,
                 struct entry_list *left) EXCLUDES(rank_shard);

/*
 * shard_may_be_stale(sh, now):
 * Whether there is something to sweep.  Without the mutex: a later call does what this one misses.  Acquire: the
 * generation that the sweep will look at (edge group).
 */
static inline bool shard_may_be_stale(struct shard *sh, uint64_t now)
{
    return atom_load_relaxed(&sh->clean_of) != atom_load_acquire(&sh->common->invalidations) ||
           atom_load_relaxed(&sh->sweeping) != 0 || (now != 0 && now >= atom_load_relaxed(&sh->next_expiry));
}

/*
 * shard_sweep_stale(sh, now, st, left):
 * Go on with the sweep for what is stale, SHARD_SWEPT entries.  False: there is nothing to sweep.
 */
bool shard_sweep_stale(struct shard *sh, uint64_t now, struct stripe *st, struct entry_list *left)
    EXCLUDES(rank_shard);

/*
 * shard_add_idle(sh, c, idle, by_age):
 * Add the charge of the next entries from ${c} on that nobody holds to ${by_age}, by how many calls of brim_idle before
 * ${idle} they were last used.  False: the shard is done.
 */
enum { SHARD_IDLE_AGES = 256 };
bool shard_add_idle(struct shard *sh, struct index_cursor *c, uint8_t idle, size_t by_age[SHARD_IDLE_AGES])
    EXCLUDES(rank_shard);

/*
 * shard_adopt_kind(sh, c, kind, limit):
 * Have the next entries of ${kind} number from ${c} on counted in ${limit} as linked.  False: the shard is done.
 */
bool shard_adopt_kind(struct shard *sh, struct index_cursor *c, unsigned kind, struct limit *limit)
    EXCLUDES(rank_shard);

/* A hint, without the mutex. */
static inline bool shard_has_flights(const struct shard *sh)
{
    return atom_load_relaxed(&((struct shard *)(uintptr_t)sh)->flying) != 0;
}

/* ---- Loads, each under the mutex.  ${told} as flight_tell */

enum shard_claim {
    SHARD_HIT,       /* out: the entry, held */
    SHARD_CLAIMED,   /* the flight given is in the table */
    SHARD_CLAIMABLE, /* none was given */
    SHARD_JOINED,    /* the waiter given waits */
    SHARD_BUSY,      /* none was given */
    SHARD_TOLD,      /* the waiter given has waited: its status and the rest are set, and it no longer waits */
    SHARD_FAILED,    /* not long ago; out: the reason */
    SHARD_CLOSED     /* the cache is being freed, or a group of the flight given is closed */
};

/* Somebody asks for a key's value. */
struct shard_ask {
    uint64_t hash, now;       /* in; now: for ages, and for what is remembered as failed */
    const void *key;          /* in */
    size_t len;               /* in */
    struct flight *flight;    /* in: to fly if nobody else's does; may be NULL */
    struct waiter *waiter;    /* in: to join another's; may be NULL */
    bool block;               /* in: and to wait until it is told, or */
    uint64_t deadline;        /* in: until this, on clock_now; 0: for ever */
    uint64_t frame;           /* in */
    struct thread *self;      /* in */
    struct entry *there;      /* out, HIT */
    brim_status status;       /* out, TOLD: as flight_wait */
    int reason;               /* out, FAILED */
    struct flight *forgotten; /* out: was remembered as failed, and is the caller's to free */
};

enum shard_claim shard_ask(struct shard *sh, struct shard_ask *a, struct stripe *st) EXCLUDES(rank_shard);

/*
 * shard_end(sh, f, status, reason, result, refs, until, told):
 * ${f} ends without publishing; its claimer's count on it stays.  OK: ${result}, never published, becomes uncharged and
 * gets ${refs} and a hold for each who waits.  FAILED with ${until}: it is remembered until then, unless it was overtaken;
 * then the table has a count.  Returns how many shared it.
 */
uint32_t shard_end(struct shard *sh, struct flight *f, brim_status status, int reason, struct entry *result,
                   unsigned refs, uint64_t until, struct waiter **told) EXCLUDES(rank_shard);

/*
 * shard_forget_failures(sh, now, forgotten):
 * Forget failures whose time is up ${now}: ${*forgotten} by `next', the caller's to free.
 */
void shard_forget_failures(struct shard *sh, uint64_t now, struct flight **forgotten) EXCLUDES(rank_shard);

/*
 * shard_cancel(sh, hash, key, len, told, forgotten):
 * Cancel ${key}'s load.  False: none is under way; ${*forgotten} may be one that was remembered as failed.
 */
bool shard_cancel(struct shard *sh, uint64_t hash, const void *key, size_t len, struct waiter **told,
                  struct flight **forgotten) EXCLUDES(rank_shard);

/*
 * shard_overtake_all(sh, freeing, told, forgotten):
 * Overtake all loads; ${freeing}: the cache is freed, and they are CANCELED and leave the table.  ${*forgotten}: those
 * remembered as failed, by `next'.
 */
void shard_overtake_all(struct shard *sh, bool freeing, struct waiter **told, struct flight **forgotten)
    EXCLUDES(rank_shard);

/*
 * shard_forsake(sh, w):
 * ${w}, told later, waits no more.  False: it has been told.
 */
bool shard_forsake(struct shard *sh, struct waiter *w) EXCLUDES(rank_shard);

/*
 * shard_unref(sh, f):
 * Give a count on ${f} back.  True: it was the last, and ${f} is the caller's to free.
 */
bool shard_unref(struct shard *sh, struct flight *f) EXCLUDES(rank_shard);

/*
 * shard_hold_some(sh, c, out, st):
 * Hold the next entries from ${c} on, at most SHARD_BATCH.  0: the shard is done.
 */
unsigned shard_hold_some(struct shard *sh, struct index_cursor *c, struct entry *out[SHARD_BATCH], struct stripe *st)
    EXCLUDES(rank_shard);

/*
 * shard_set_cost(sh, e, charge, reserved, counted, values, t, st, more):
 * ${e}, which the caller holds, is charged ${charge} from now on.  What that is more comes from ${*reserved}, which
 * the thread has reserved; what it is less is added to it.  ${counted}: what was reserved is part of what its kind has
 * taken, and what is not needed goes back there.  ${values} sums the charge of its kind.  False: it is not enough, or
 * not counted though the kind keeps its sums, and nothing changed.  ${*more}: the difference, which wraps.  Waits for
 * sections.
 */
bool shard_set_cost(struct shard *sh, struct entry *e, size_t charge, size_t *reserved, bool counted,
                    struct tally *values, struct thread *t, struct stripe *st, size_t *more) EXCLUDES(rank_shard);

/*
 * shard_child(sh, self, told, forgotten):
 * In the child of a fork, the mutex held, ${self} being the only thread: whoever was changing the size of the index is
 * gone.  So are the owners of loads and who was blocked: their loads end, CANCELED.  ${told} as flight_tell;
 * ${*forgotten}: the caller's to free, by `next'.
 */
void shard_child(struct shard *sh, struct thread *self, struct waiter **told, struct flight **forgotten)
    REQUIRES(rank_shard);

/*
 * shard_close(sh):
 * Nothing is linked any more from now on.
 */
void shard_close(struct shard *sh) EXCLUDES(rank_shard);

/*
 * shard_fit_index(sh):
 * Shrink or grow the index to its number of entries, if nobody is at it.  False: no memory; the old one goes on as long
 * as it has room.
 */
bool shard_fit_index(struct shard *sh) EXCLUDES(rank_shard);

#endif
