/* SPDX-License-Identifier: MIT */
#include "shard/flight.h"

bool flight_init(struct flight *f, uint32_t place, struct thread *owner)
{
    f->place = place;
    guard_is_alone();
    shared_set(f->refs, 1);
    f->last = &f->waiters;
    atom_store_relaxed(&f->owner, owner); /* relaxed: the mutex publishes it (edge circle) */
    return cond_init(&f->ended);
}

/* ---- The table: a tree by hash place, equal ones to the right.  They are random, so it is as good as balanced. */

static bool has_key(const struct flight *f, uint32_t place, const void *key, size_t len)
{
    return f->place == place && entry_has_key(f->entry, key, len);
}

struct flight *flights_find(const struct flights *t, uint32_t place, const void *key, size_t len)
{
    struct flight *f = t->root;

    while (f != NULL && !has_key(f, place, key, len))
        f = place < f->place ? f->left : f->right;
    return f;
}

static void plant(struct flights *t, struct flight *f) REQUIRES(rank_shard)
{
    struct flight **at = &t->root;

    while (*at != NULL)
        at = f->place < (*at)->place ? &(*at)->left : &(*at)->right;
    f->left = f->right = NULL;
    *at = f;
}

static void uproot(struct flights *t, struct flight *f) REQUIRES(rank_shard)
{
    struct flight **at = &t->root, **low, *heir;

    while (*at != f)
        at = f->place < (*at)->place ? &(*at)->left : &(*at)->right;
    if (f->left == NULL || f->right == NULL) {
        *at = f->left != NULL ? f->left : f->right;
        return;
    }
    for (low = &f->right; (*low)->left != NULL; low = &(*low)->left) {
    }
    heir = *low;
    *low = heir->right;
    heir->left = f->left;
    heir->right = f->right;
    *at = heir;
}

void flights_add(struct flights *t, struct flight *f)
{
    plant(t, f);
    f->listed = true;
    f->next = t->list;
    f->back = &t->list;
    if (t->list != NULL)
        t->list->back = &f->next;
    t->list = f;
}

void flights_take_out(struct flights *t, struct flight *f)
{
    if (!f->listed)
        return;
    uproot(t, f);
    f->listed = false;
    if (t->hand == f)
        t->hand = f->next;
    *f->back = f->next;
    if (f->next != NULL)
        f->next->back = f->back;
}

struct flight *flights_next(struct flights *t)
{
    struct flight *f = t->hand != NULL ? t->hand : t->list;

    t->hand = f != NULL ? f->next : NULL;
    return f;
}

/* ---- Waiters */

/* Relaxed, all counters and the state: the mutex orders them; who reads without it takes them as they are. */
static void add_waiting(struct flight *f, uint32_t n) REQUIRES(rank_shard)
{
    atom_store_relaxed(&f->waiting, atom_load_relaxed(&f->waiting) + n);
}

void flight_join(struct flight *f, struct waiter *w)
{
    w->flight = f;
    w->late = !PLANTED(flight_joins_late) && flight_is_overtaken(f);
    shared_set(w->told, false);
    w->next = NULL;
    w->back = f->last;
    *f->last = w;
    f->last = &w->next;
    if (!w->late) {
        add_waiting(f, 1);
        atom_store_relaxed(&f->had_waiters, 1);
    }
    if (w->later == NULL)
        flight_ref(f);
}

static void unlist(struct flight *f, struct waiter *w) REQUIRES(rank_shard)
{
    *w->back = w->next;
    if (w->next != NULL)
        w->next->back = w->back;
    else
        f->last = w->back;
    if (!w->late)
        add_waiting(f, (uint32_t)-1);
}

void flight_leave(struct flight *f, struct waiter *w)
{
    if (!shared_get(w->told))
        unlist(f, w);
}

void flight_overtake(struct flight *f)
{
    if (atom_load_relaxed(&f->state) == FLIGHT_FLYING)
        atom_store_relaxed(&f->state, FLIGHT_OVERTAKEN);
}

bool flight_is_wanted(const struct flight *f, bool own)
{
    struct flight *g = (struct flight *)(uintptr_t)f;

    return atom_load_relaxed(&g->state) == FLIGHT_FLYING &&
           (own || atom_load_relaxed(&g->had_waiters) == 0 || atom_load_relaxed(&g->waiting) > 0);
}

static void tell_one(struct flight *f, struct waiter *w, brim_status status, int reason, struct entry *result)
    REQUIRES(rank_shard)
{
    bool shares = !w->late || status == BRIM_CANCELED; /* canceled before the end is canceled for all */

    unlist(f, w);
    shared_set(w->told, true);
    /*
     * It waits for nothing any more, also before it wakes: else who waits for it now would see a circle.  Relaxed: before
     * his second look he has acquired from all whose waits he met in the first, so if he still sees this one then, none of
     * those began after it was told, and all were there at once.
     */
    if (!PLANTED(flight_told_still_waits) && w->later == NULL && w->thread != NULL && !w->thread->reader.shared)
        atom_store_relaxed(&w->thread->waits_for, NULL);
    w->status = shares ? status : BRIM_PENDING;
    w->reason = shares && status == BRIM_FAILED ? reason : 0;
    w->result = shares && status == BRIM_OK ? result : NULL;
}

void flight_tell(struct flight *f, brim_status status, int reason, struct entry *result, struct waiter **told)
{
    struct waiter *w;

    while (*told != NULL)
        told = &(*told)->next_told;
    while ((w = f->waiters) != NULL) {
        tell_one(f, w, status, reason, result);
        if (w->later == NULL)
            continue;
        w->next_told = NULL;
        *told = w;
        told = &w->next_told;
    }
    if (!PLANTED(flight_wakes_nobody))
        cond_wake_all(&f->ended);
}

/* ---- Blocking */

enum { STEPS = 1 << 16 }; /* of others' circles, which they find themselves */

/*
 * Follow who waits for whom from ${self} on.  True: back to ${self}.  ${*path} is a sum over all steps: two walks with
 * the same sum have met the same waits, each of which then lasted from the one walk to the other.
 *
 * Sequentially consistent: of two threads that publish and then look, one at least sees the other's (edge circle).
 */
static bool comes_back(struct thread *self, uint64_t *path)
{
    struct thread *t = self;

    *path = 0;
    for (int steps = 0; steps < STEPS; steps++) {
        uint64_t waits = atom_load_seq_cst(&t->waits);
        struct flight *f = PLANTED(flight_looks_relaxed) ? atom_load_relaxed(&t->waits_for)
                                                         : atom_load_seq_cst(&t->waits_for);
        /* Who moves between the two publishes after us, and looks itself. */
        if (f == NULL || (t != self && waits != atom_load_seq_cst(&t->waits)))
            return false;
        t = atom_load_relaxed(&f->owner); /* relaxed: `waits_for' came after it, and records are never freed */
        if (t == NULL)
            return false;
        *path = (*path ^ (uintptr_t)f ^ (uintptr_t)t << 7 ^ waits << 48) * 0x9E3779B97F4A7C15u;
        if (t == self)
            return true;
    }
    return false;
}

bool flight_would_deadlock(struct thread *self)
{
    uint64_t first, second;
    bool circle;

    section_enter(self);
    circle = comes_back(self, &first) &&
             (PLANTED(flight_looks_once) || (comes_back(self, &second) && first == second));
    section_leave(self);
    return circle;
}

/* The shared record cannot say what each of its threads waits for: they have timeouts alone. */
static void publish(struct thread *self, struct flight *f)
{
    if (self->reader.shared)
        return;
    if (f != NULL)
        atom_store_seq_cst(&self->waits, atom_load_relaxed(&self->waits) + 1); /* after the last wait, before this */
    if (PLANTED(flight_waits_relaxed))
        atom_store_relaxed(&self->waits_for, f);
    else
        atom_store_seq_cst(&self->waits_for, f);
}

brim_status flight_wait(struct flight *f, struct lock *l, struct waiter *w, struct thread *self, uint64_t deadline)
{
    brim_status status = BRIM_OK;

    lock_assert_held(l);
    w->thread = self;
    publish(self, f);
    if (!self->reader.shared && flight_would_deadlock(self))
        status = BRIM_DEADLOCK;
    while (status == BRIM_OK && !shared_get(w->told))
        if (!cond_wait(&f->ended, l, deadline) && !shared_get(w->told))
            status = BRIM_TIMEOUT;
    publish(self, NULL);
    flight_leave(f, w);
    return status;
}

void flight_child(struct flight *f)
{
    struct waiter *w = f->waiters, *next;

    for (; w != NULL; w = next) {
        next = w->next;
        if (w->later != NULL)
            continue;
        unlist(f, w);
        (void)flight_unref(f);
    }
    cond_renew(&f->ended);
}
