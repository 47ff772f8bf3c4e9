/* SPDX-License-Identifier: MIT
 *
 * Loads of a shard's keys: asking for a value, and how a load ends.  flight.h has the machine.
 */
#include "shard/shard_locked.h"

static enum flight_state state_of(const struct flight *f)
{
    /* Relaxed, as all of a flight here: the mutex orders it. */
    return (enum flight_state)atom_load_relaxed(&((struct flight *)(uintptr_t)f)->state);
}

static void take_out_locked(struct shard *sh, struct flight *f) REQUIRES(rank_shard)
{
    if (f->listed)
        atom_store_relaxed(&sh->flying, atom_load_relaxed(&sh->flying) - 1); /* relaxed: a hint */
    flights_take_out(&sh->flights, f);
}

static void forget_locked(struct shard *sh, struct flight *f, struct flight **forgotten) REQUIRES(rank_shard)
{
    take_out_locked(sh, f);
    atom_store_relaxed(&f->state, FLIGHT_ENDED);
    if (flight_unref(f) > 0)
        return; /* somebody who was told is on its way out, and frees it */
    f->next = *forgotten;
    *forgotten = f;
}

void shard_overtake_locked(struct shard *sh, struct flight *f, struct flight **forgotten)
{
    if (f == NULL)
        return;
    if (state_of(f) == FLIGHT_FAILED)
        forget_locked(sh, f, forgotten);
    else
        flight_overtake(f);
}

/* ---- Asking */

/* What is known of the key's load: none, one that failed not long ago, or one under way. */
static struct flight *look_locked(struct shard *sh, struct shard_ask *a) REQUIRES(rank_shard)
{
    struct flight *f = flights_find(&sh->flights, (uint32_t)a->hash, a->key, a->len);

    if (f == NULL)
        return NULL;
    if (state_of(f) == FLIGHT_FAILED && a->now >= f->until) {
        forget_locked(sh, f, &a->forgotten);
        return NULL;
    }
    if (state_of(f) == FLIGHT_FLYING && shard_look_locked(f->entry, 0) != EXTRA_FRESH)
        flight_overtake(f); /* a group of it was invalidated */
    return f;
}

static enum shard_claim claim_locked(struct shard *sh, struct shard_ask *a) REQUIRES(rank_shard)
{
    if (a->flight == NULL)
        return SHARD_CLAIMABLE;
    if (!extra_load_begins(a->flight->entry))
        return SHARD_CLOSED;
    a->flight->counted = true;
    sh->loading++;
    atom_store_relaxed(&sh->flying, atom_load_relaxed(&sh->flying) + 1); /* relaxed: a hint */
    atom_store_relaxed(&a->flight->asked, a->frame);
    flights_add(&sh->flights, a->flight);
    return SHARD_CLAIMED;
}

static enum shard_claim wait_locked(struct shard *sh, struct shard_ask *a, struct flight *f) REQUIRES(rank_shard)
{
    atom_store_relaxed(&f->asked, a->frame);
    if (a->waiter == NULL)
        return SHARD_BUSY;
    flight_join(f, a->waiter);
    if (!a->block)
        return SHARD_JOINED;
    a->status = flight_wait(f, &sh->lock, a->waiter, a->self, a->deadline);
    if (flight_unref(f) == 0) {
        f->next = a->forgotten;
        a->forgotten = f;
    }
    return SHARD_TOLD;
}

static void forget_past_locked(struct shard *sh, struct flight *f, uint64_t now, struct flight **forgotten)
    REQUIRES(rank_shard)
{
    if (state_of(f) == FLIGHT_FAILED && now >= f->until)
        forget_locked(sh, f, forgotten);
}

/* Some of those that nobody asks for again. */
static void forget_some_locked(struct shard *sh, struct shard_ask *a) REQUIRES(rank_shard)
{
    enum { SOME = 4 };
    struct flight *f;

    for (int i = 0; i < SOME && (f = flights_next(&sh->flights)) != NULL; i++)
        forget_past_locked(sh, f, a->now, &a->forgotten);
}

void shard_forget_failures(struct shard *sh, uint64_t now, struct flight **forgotten)
{
    struct flight *f, *next;

    shard_lock(sh);
    for (f = sh->flights.list; f != NULL; f = next) {
        next = f->next;
        forget_past_locked(sh, f, now, forgotten);
    }
    shard_unlock(sh);
}

static enum shard_claim ask_locked(struct shard *sh, struct shard_ask *a, struct stripe *st) REQUIRES(rank_shard)
{
    struct entry *e;
    struct flight *f;

    if (shared_get(sh->closed))
        return SHARD_CLOSED;
    e = index_find(index_view(&sh->index), a->hash, a->key, a->len);
    if (e != NULL && shard_look_locked(e, a->now) == EXTRA_FRESH) {
        shard_count_pins(st, e, entry_try_hold(e)); /* it is linked and stays so: the hold stands */
        a->there = e;
        return SHARD_HIT;
    }
    forget_some_locked(sh, a);
    f = look_locked(sh, a);
    if (f == NULL)
        return claim_locked(sh, a);
    if (state_of(f) == FLIGHT_FAILED) {
        a->reason = f->reason;
        return SHARD_FAILED;
    }
    return wait_locked(sh, a, f);
}

enum shard_claim shard_ask(struct shard *sh, struct shard_ask *a, struct stripe *st)
{
    enum shard_claim claim;

    shard_lock(sh);
    claim = ask_locked(sh, a, st);
    shard_unlock(sh);
    return claim;
}

/* ---- Ending */

/* No longer under way. */
static void count_out_locked(struct shard *sh, struct flight *f) REQUIRES(rank_shard)
{
    if (!f->counted) /* not covered: what ends was under way, and ends once */
        return;
    f->counted = false;
    sh->loading--;
    extra_load_ends(f->entry);
}

static void end_locked(struct shard *sh, struct flight *f) REQUIRES(rank_shard)
{
    count_out_locked(sh, f);
    take_out_locked(sh, f);
    atom_store_relaxed(&f->state, FLIGHT_ENDED);
    atom_store_relaxed(&f->owner, NULL); /* relaxed: who still follows it finds no circle */
}

void shard_publish_locked(struct shard *sh, struct shard_link *l)
{
    end_locked(sh, l->flight);
    flight_tell(l->flight, BRIM_OK, 0, l->e, &l->told);
}

static bool may_remember_locked(const struct shard *sh, const struct flight *f) REQUIRES(rank_shard)
{
    return !shared_get(sh->closed) && state_of(f) == FLIGHT_FLYING && shard_look_locked(f->entry, 0) == EXTRA_FRESH;
}

static void remember_locked(struct shard *sh, struct flight *f, int reason, uint64_t until) REQUIRES(rank_shard)
{
    count_out_locked(sh, f);
    atom_store_relaxed(&f->state, FLIGHT_FAILED);
    atom_store_relaxed(&f->owner, NULL);
    f->reason = reason;
    f->until = until;
    flight_ref(f);
}

uint32_t shard_end(struct shard *sh, struct flight *f, brim_status status, int reason, struct entry *result,
                   unsigned refs, uint64_t until, struct waiter **told)
{
    uint32_t sharing;

    shard_lock(sh);
    sharing = atom_load_relaxed(&f->waiting);
    if (status == BRIM_OK) {
        result->kind_flags |= ENTRY_UNCHARGED; /* here, since who asks for the flight looks at its entry's flags */
        entry_set_refs(result, refs + sharing);
    }
    if (status == BRIM_FAILED && until != 0 && may_remember_locked(sh, f))
        remember_locked(sh, f, reason, until);
    else
        end_locked(sh, f);
    flight_tell(f, status, reason, result, told);
    shard_unlock(sh);
    return sharing;
}

bool shard_cancel(struct shard *sh, uint64_t hash, const void *key, size_t len, struct waiter **told,
                  struct flight **forgotten)
{
    struct flight *f;
    bool under_way;

    shard_lock(sh);
    f = flights_find(&sh->flights, (uint32_t)hash, key, len);
    under_way = f != NULL && state_of(f) != FLIGHT_FAILED;
    shard_overtake_locked(sh, f, forgotten);
    if (under_way)
        flight_tell(f, BRIM_CANCELED, 0, NULL, told);
    shard_unlock(sh);
    return under_way;
}

void shard_overtake_all(struct shard *sh, bool freeing, struct waiter **told, struct flight **forgotten)
{
    struct flight *f, *next;

    shard_lock(sh);
    for (f = sh->flights.list; f != NULL; f = next) {
        next = f->next;
        shard_overtake_locked(sh, f, forgotten);
        if (!freeing || state_of(f) == FLIGHT_ENDED)
            continue;
        take_out_locked(sh, f);
        flight_tell(f, BRIM_CANCELED, 0, NULL, told);
    }
    shard_unlock(sh);
}

bool shard_forsake(struct shard *sh, struct waiter *w)
{
    bool waits;

    shard_lock(sh);
    waits = !shared_get(w->told);
    flight_leave(w->flight, w); /* nothing, if it has been told */
    shared_set(w->told, true);
    shard_unlock(sh);
    return waits;
}

bool shard_unref(struct shard *sh, struct flight *f)
{
    bool last;

    shard_lock(sh);
    last = flight_unref(f) == 0;
    shard_unlock(sh);
    return last;
}

void shard_end_orphans_locked(struct shard *sh, struct thread *self, struct waiter **told, struct flight **forgotten)
{
    struct flight *f, *next;

    for (f = sh->flights.list; f != NULL; f = next) {
        struct thread *owner = atom_load_relaxed(&f->owner);
        next = f->next;
        flight_child(f);
        if (owner == NULL || owner == self)
            continue;
        end_locked(sh, f);
        flight_tell(f, BRIM_CANCELED, 0, NULL, told);
        forget_locked(sh, f, forgotten);
    }
}
