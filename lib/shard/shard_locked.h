/* SPDX-License-Identifier: MIT
 *
 * What the files of a shard share: all under its mutex.
 */
#ifndef BRIM_SHARD_SHARD_LOCKED_H
#define BRIM_SHARD_SHARD_LOCKED_H

#include "entry/extra.h"
#include "shard/shard.h"

static inline void shard_lock(struct shard *sh) LOCKS(rank_shard)
{
    lock_acquire_counted(&sh->lock, &sh->lock_waits, &sh->lock_wait_ns);
}

static inline brim_cause shard_cause(enum extra_state state, brim_cause fresh)
{
    return state == EXTRA_FRESH ? fresh : state == EXTRA_STALE_GROUP ? BRIM_INVALIDATED : BRIM_EXPIRED;
}

/* Whether ${e} is stale. */
enum extra_state shard_look_locked(const struct entry *e, uint64_t now) REQUIRES(rank_shard);

/* Something expires at ${when}. */
static inline void shard_expect_locked(struct shard *sh, uint64_t when) REQUIRES(rank_shard)
{
    /* Relaxed: the mutex orders them; who reads without it is late at the worst. */
    if (when < atom_load_relaxed(&sh->next_expiry))
        atom_store_relaxed(&sh->next_expiry, when);
    if (when < sh->pass_expiry)
        sh->pass_expiry = when;
}

/* ${e} is inserted in the frame of its stamp, and not used. */
static inline void shard_add_fresh_locked(struct shard *sh, struct entry *e) REQUIRES(rank_shard)
{
    uint32_t frame = stamp_frame(entry_stamped(e));

    if (sh->fresh_frame != frame)
        sh->fresh = 0;
    sh->fresh_frame = frame;
    sh->newest[sh->fresh % SHARD_NEWEST] = e;
    sh->fresh += sh->fresh < UINT32_MAX; /* a program without frames inserts as many in its only one */
}

/* ${e} leaves. */
static inline void shard_forget_fresh_locked(struct shard *sh, const struct entry *e) REQUIRES(rank_shard)
{
    for (unsigned i = 0; i < SHARD_NEWEST; i++)
        if (sh->newest[i] == e)
            sh->newest[i] = NULL;
}

/* What ${e}, just unlinked, needs before the mutex is released. */
void shard_leave_locked(struct shard *sh, struct entry *e, brim_cause cause, bool claim, struct stripe *st,
                        struct entry_list *left) REQUIRES(rank_shard);

/* Take it from look-ups, held or not; only if nobody holds it. */
void shard_unlink_locked(struct shard *sh, struct entry *e, brim_cause cause, struct stripe *st,
                         struct entry_list *left) REQUIRES(rank_shard);
/* ${how}: the policy is told that it evicts; that it is its choice. */
enum shard_how { SHARD_UNTOLD, SHARD_EVICTED, SHARD_CHOSEN };
bool shard_evict_locked(struct shard *sh, struct entry *e, brim_cause cause, enum shard_how how, bool claim,
                        struct stripe *st, struct entry_list *left) REQUIRES(rank_shard);

bool shard_is_ill_sized_locked(const struct shard *sh) REQUIRES(rank_shard);

/* Overtake ${f}; one that is remembered as failed goes to ${*forgotten}.  NULL: nothing. */
void shard_overtake_locked(struct shard *sh, struct flight *f, struct flight **forgotten) REQUIRES(rank_shard);

/* The end of ${l->flight}, whose result has just been linked. */
void shard_publish_locked(struct shard *sh, struct shard_link *l) REQUIRES(rank_shard);

/* In the child of a fork: as shard_child. */
void shard_end_orphans_locked(struct shard *sh, struct thread *self, struct waiter **told, struct flight **forgotten)
    REQUIRES(rank_shard);

/* Memory of the policy; freeing NULL is nothing. */
void shard_free_ghosts(struct shard *sh, struct ghosts *g);

#endif
