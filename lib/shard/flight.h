/* SPDX-License-Identifier: MIT
 *
 * Flights: loads under way, by key, in a table of their own (G9).  All under the shard's mutex but where said.
 *
 *            claim                    finish, fail
 *   (none) ---------> FLYING ------------------------------> ENDED     its waiters are told
 *                       | |                                    ^ ^
 *                       | | insert, removal, clear, invalidation | |
 *                       | v of its group                         | |
 *                       | OVERTAKEN ----------------------------- |    publishes nothing; waiters from before are told
 *                       | cancel, free of the cache: waiters are told at once, CANCELED, and it is OVERTAKEN
 *                       v
 *                     FAILED for a while                                its waiters are told; the next to ask takes it
 *                                                                       out when the time is up
 *
 * In the table from its claim until it has ENDED, so that no second load of its key can begin; only the free of the cache
 * takes it out before.  Who asks while it is OVERTAKEN waits for its end alone (`late'), and then asks anew.
 *
 * Blocked threads and owners are visible to all, so that a thread that is about to block can follow who waits for whom,
 * without locks, in a section: flights are retired as entries are.
 *
 * Proved by test/litmus/flight.cpp.
 */
#ifndef BRIM_SHARD_FLIGHT_H
#define BRIM_SHARD_FLIGHT_H

#include "base/lock.h"
#include "entry/entry.h"
#include "part/thread.h"

struct flight;

/* One that waits for a flight's end: a blocked thread, on its stack; or who is told later: cache/wait.h. */
struct waiter {
    struct waiter *next GUARDED_BY(rank_shard), **back GUARDED_BY(rank_shard); /* of the flight */
    struct flight *flight GUARDED_BY(rank_shard);
    bool late GUARDED_BY(rank_shard); /* came when it was overtaken already */
    SHARED(bool) told GUARDED_BY(rank_shard); /* and no longer in the flight's list */
    brim_status status;    /* once told, as the next two: OK, FAILED, CANCELED; PENDING: ask anew */
    int reason;
    struct entry *result;  /* held for it; with OK */
    struct waiter *next_told;
    struct thread *thread; /* that is blocked */
    void *later;           /* constant; NULL: a blocked thread */
};

enum flight_state { FLIGHT_FLYING, FLIGHT_OVERTAKEN, FLIGHT_FAILED, FLIGHT_ENDED };

struct flight {
    struct flight *left GUARDED_BY(rank_shard), *right GUARDED_BY(rank_shard); /* of the table: a tree by place */
    uintptr_t unused;            /* the slab's link, once it is retired */
    ATOM(struct thread *) owner; /* that runs its loader; NULL: nobody's; read without the mutex */
    struct entry *entry;         /* made beforehand, with its key */
    struct flight *next, **back GUARDED_BY(rank_shard); /* all of the shard; or of those to be freed */
    uint32_t place;              /* of its hash; constant */
    bool listed GUARDED_BY(rank_shard), counted GUARDED_BY(rank_shard); /* in the table; as under way */
    SHARED(unsigned) refs GUARDED_BY(rank_shard); /* who still looks at it: its claimer, the table while it is FAILED,
                                                     blocked threads */
    ATOM(uint32_t) state;        /* enum flight_state; read without the mutex, as the next three */
    ATOM(uint32_t) waiting;      /* those who are not late */
    ATOM(uint32_t) had_waiters;
    ATOM(uint64_t) asked;        /* the frame of the last who asked */
    struct waiter *waiters GUARDED_BY(rank_shard), **last GUARDED_BY(rank_shard);
    struct cond ended;           /* some waiter has been told */
    int reason GUARDED_BY(rank_shard); /* FAILED */
    uint64_t until GUARDED_BY(rank_shard); /* FAILED, on the cache's clock */
};

struct flights {
    struct flight *root GUARDED_BY(rank_shard), *list GUARDED_BY(rank_shard);
    struct flight *hand GUARDED_BY(rank_shard); /* of looks at some of them at a time; NULL: begin anew */
};

/*
 * flight_init(f, place, owner):
 * Make ${f}, zeroed, one of a key with that ${place}, not yet in a table and without an entry.  False: no memory for its
 * condition.  No mutex needed.
 */
bool flight_init(struct flight *f, uint32_t place, struct thread *owner);

/*
 * flight_ref(f), flight_unref(f):
 * One more looks at it, one less.  Returns how many are left.
 */
static inline void flight_ref(struct flight *f) REQUIRES(rank_shard)
{
    shared_set(f->refs, shared_get(f->refs) + 1);
}

static inline unsigned flight_unref(struct flight *f) REQUIRES(rank_shard)
{
    unsigned others = shared_get(f->refs) - 1;

    shared_set(f->refs, others);
    return others;
}

/*
 * flights_find(t, place, key, len):
 * That of ${key}; NULL: none.
 */
struct flight *flights_find(const struct flights *t, uint32_t place, const void *key, size_t len)
    REQUIRES(rank_shard);
void flights_add(struct flights *t, struct flight *f) REQUIRES(rank_shard);
void flights_take_out(struct flights *t, struct flight *f) REQUIRES(rank_shard);

/*
 * flights_next(t):
 * The next of all, round and round; NULL: there is none.
 */
struct flight *flights_next(struct flights *t) REQUIRES(rank_shard);

/*
 * flight_join(f, w), flight_leave(f, w):
 * ${w} waits for ${f}'s end; does no more.
 */
void flight_join(struct flight *f, struct waiter *w) REQUIRES(rank_shard);
void flight_leave(struct flight *f, struct waiter *w) REQUIRES(rank_shard);

/*
 * flight_overtake(f):
 * It will publish nothing.
 */
void flight_overtake(struct flight *f) REQUIRES(rank_shard);

/* Without the mutex: a hint. */
static inline bool flight_is_overtaken(const struct flight *f)
{
    return atom_load_relaxed(&((struct flight *)(uintptr_t)f)->state) == FLIGHT_OVERTAKEN; /* relaxed: it, or the mutex */
}

/*
 * flight_is_wanted(f, own):
 * Neither overtaken, nor left by all who waited; ${own}: its claimer waits itself.  Without the mutex, relaxed: news
 * of it may be late.
 */
bool flight_is_wanted(const struct flight *f, bool own);

/*
 * flight_tell(f, status, reason, result, told):
 * Tell all waiters.  With OK each that is not late gets ${result}, which has a hold for it already; late ones get
 * PENDING, unless all are CANCELED.  Those who are told later are put on ${*told}.
 */
void flight_tell(struct flight *f, brim_status status, int reason, struct entry *result, struct waiter **told)
    REQUIRES(rank_shard);

/*
 * flight_wait(f, l, w, self, deadline):
 * Block, ${l} being the mutex, until ${w}, which has joined, is told.  OK: it is; TIMEOUT: ${deadline} has come, on
 * clock_now, 0: never; DEADLOCK: the thread, whose record is ${self}, would wait for itself.  ${w} has left then.
 */
brim_status flight_wait(struct flight *f, struct lock *l, struct waiter *w, struct thread *self, uint64_t deadline)
    REQUIRES(rank_shard);

/*
 * flight_would_deadlock(self):
 * ${self}, the caller, has published what it waits for: whether that waits for ${self}.  Needs no mutex.
 */
bool flight_would_deadlock(struct thread *self);

/*
 * flight_child(f):
 * In the child of a fork: the threads that were blocked are gone.
 */
void flight_child(struct flight *f) REQUIRES(rank_shard);

#endif
