/* SPDX-License-Identifier: MIT */
#include "cache/admit.h"

#include "base/clock.h"
#include "cache/section.h"
#include "cache/stale.h"
#include "part/window.h"

enum {
    LARGE_PART = 64,     /* of the capacity: from there on an admission is large */
    LOOK_EVERY = 16,     /* evictions */
    HOPELESS_LOOKS = 3,
    OTHER_SHARDS = 3,    /* looked at beside the own one */
    FUTILE_ROUNDS = 4,   /* of samples that free nothing */
    TURNS = 100000,       /* in which something is freed now and then, */
    STALLED_TURNS = 4000, /* in which nothing is, */
    IDLE_TURNS = 3,       /* and in which nobody else is at work either, before and after a wait for windows */
    SECTION_TURNS = 20,   /* in which only others' sections stand in the way */
    FRAME_LEVELS = 3,     /* of protection by the current frame: shard_sweep.frame_too */
    FRAME_LEVEL_BITS = 2,
    AHEAD_PART = 64,      /* of the capacity: evicted ahead where values wait for sections, */
    AHEAD_MOST = 256,     /* at most as many entries at once, so that one barrier serves a batch */
    PAUSE_NS = 50000
};

/* ---- Reservations, which a fork must not tear from the room they took: in windows */

static bool take(struct claim *claim, size_t n)
{
    bool taken;

    window_open(claim->by.t);
    taken = budget_take(&claim->cache->budget, n);
    if (taken)
        stripe_add(claim->by.st, reserved, n);
    window_close(claim->by.t);
    if (taken)
        claim->have += n;
    return taken;
}

void admit_undo(struct brim_cache *c, struct caller by, size_t charge)
{
    if (charge == 0)
        return;
    window_open(by.t);
    stripe_add(by.st, reserved, 0 - charge);
    budget_give(&c->budget, charge);
    window_close(by.t);
}

void admit_to_user(struct brim_cache *c, struct caller by, size_t charge)
{
    window_open(by.t);
    (void)atom_add_relaxed(&c->by_user, (uint64_t)charge); /* relaxed: a sum; the room was taken before */
    stripe_add(by.st, reserved, 0 - charge);
    window_close(by.t);
}

void admit_to_loads(struct brim_cache *c, struct caller by, size_t charge)
{
    window_open(by.t);
    (void)atom_add_relaxed(&c->by_loads, (uint64_t)charge); /* relaxed: as above */
    stripe_add(by.st, reserved, 0 - charge);
    window_close(by.t);
}

void admit_from_loads(struct brim_cache *c, struct caller by, size_t charge)
{
    window_open(by.t);
    stripe_add(by.st, reserved, charge);
    (void)atom_sub_relaxed(&c->by_loads, (uint64_t)charge); /* relaxed: as above */
    window_close(by.t);
}

void admit_user_undo(struct brim_cache *c, struct caller by, size_t charge)
{
    uint64_t by_user;

    window_open(by.t);
    by_user = atom_load_relaxed(&c->by_user);
    while (!atom_cas_relaxed(&c->by_user, &by_user, by_user - (charge < by_user ? charge : by_user))) {
    }
    budget_give(&c->budget, charge < by_user ? charge : (size_t)by_user);
    window_close(by.t);
}

void admit_freed(struct brim_cache *c, struct caller by, struct kind *k, size_t charge, bool keep)
{
    window_open(by.t);
    if (keep)
        stripe_add(by.st, reserved, charge);
    else
        budget_give(&c->budget, charge);
    tally_adjust(&k->values, by.t, 0 - charge);
    if (unlikely(limit_counts(&k->limit)))
        limit_give(&k->limit, charge);
    window_close(by.t);
}

bool admit_raise(struct brim_cache *c, struct caller by, size_t from, size_t to)
{
    bool raised;

    window_open(by.t);
    raised = budget_raise(&c->budget, from, to);
    window_close(by.t);
    return raised;
}

bool admit_lower(struct brim_cache *c, struct caller by, size_t from, size_t to, size_t taken)
{
    bool lowered;

    window_open(by.t);
    lowered = budget_lower(&c->budget, from, to, taken);
    if (lowered)
        stripe_add(by.st, reserved, 0 - taken);
    window_close(by.t);
    return lowered;
}

static void give_up(struct claim *claim, size_t keep)
{
    admit_undo(claim->cache, claim->by, claim->have - keep);
    claim->have = keep;
}

/* ---- Choosing the shard to evict from */

/* By charge; where that says nothing, by number. */
static size_t fullness(struct shard *sh)
{
    size_t used = atom_load_relaxed(&sh->used); /* relaxed: a hint */

    return used > 0 ? used : atom_load_relaxed(&sh->count);
}

/*
 * The own shard if it is over its fair share, else the fullest of itself and three random others: measured on traces
 * to lose nothing against one shard from 64 entries a shard on.
 */
static struct shard *choose_shard(struct brim_cache *c, struct thread *t, struct shard *own)
{
    struct shard *best = own;

    if (own == NULL)
        best = &c->shards[thread_random(t) & (c->shard_count - 1)];
    else if (atom_load_relaxed(&own->used) > budget_capacity(&c->budget) / c->shard_count) /* relaxed: a hint */
        return own;
    for (int i = 0; i < OTHER_SHARDS && c->shard_count > 1; i++) {
        struct shard *other = &c->shards[thread_random(t) & (c->shard_count - 1)];
        if (fullness(other) > fullness(best))
            best = other;
    }
    return best;
}

/* ---- Evicting */

static size_t missing(const struct admission *a, const struct claim *claim)
{
    int64_t room = budget_room(&a->cache->budget);
    size_t need = a->charge - claim->have;

    if (room >= (int64_t)need)
        return 0;
    return room > 0 ? need - (size_t)room : room < 0 ? need + (size_t)-room : need;
}

/* What is missing beyond what waits for sections already: evicting more than that would free nothing sooner. */
static size_t to_evict(const struct admission *a, const struct claim *claim)
{
    size_t need = missing(a, claim), waiting = limbo_charge(&a->cache->limbo);

    return need > waiting ? need - waiting : 0;
}

/* While more is used than the capacity, what was freed pays for that first (G4). */
static bool is_enough(const struct admission *a, struct claim *claim)
{
    if (budget_room(&a->cache->budget) < 0)
        give_up(claim, 0);
    if (claim->have > 0 && claim->have >= a->charge)
        return true;
    return take(claim, a->charge - claim->have);
}

/*
 * How far the current frame's protection has been found to leave nothing to evict: until the next frame that need not be
 * found again.  Relaxed: hints.
 */
static unsigned frame_too(struct brim_cache *c)
{
    uint64_t known = atom_load_relaxed(&c->common.protected_until);

    if (!c->common.protect)
        return 0;
    return ((known ^ atom_load_relaxed(&c->frame) << FRAME_LEVEL_BITS) >> FRAME_LEVEL_BITS) == 0
               ? (unsigned)known & ((1u << FRAME_LEVEL_BITS) - 1)
               : 0;
}

/* Nothing more can go at this level.  False: nor is there another. */
static bool next_level(struct brim_cache *c, unsigned level)
{
    if (!c->common.protect || level + 1 >= FRAME_LEVELS)
        return false;
    atom_store_relaxed(&c->common.protected_until, atom_load_relaxed(&c->frame) << FRAME_LEVEL_BITS | (level + 1));
    return true;
}

static void count_frame(struct brim_cache *c, const struct shard_sweep *w)
{
    if (unlikely(w->used_now > 0))
        (void)atom_add_relaxed(&c->frame_evictions, (uint64_t)w->used_now); /* relaxed: a statistic */
}

/* Its kind has a floor to grow to: others go first. */
static bool is_below_floor(const struct admission *a)
{
    struct limit *l = &a->kind->limit;

    /* Relaxed: hints. */
    return limit_counts(l) && atom_load_relaxed(&l->linked) + a->charge <= atom_load_relaxed(&l->floor);
}

static struct shard_sweep sweep_for(const struct admission *a, bool claim)
{
    struct shard_sweep w = {.cause = BRIM_EVICTED, .claim = claim, .kind = -1, .floors = true, .most = UINT32_MAX};

    w.but_kind = a->kind != NULL && (a->own_too || !is_below_floor(a)) ? (int)a->kind->number : -1;
    w.now = a->now;
    w.frame_too = frame_too(a->cache);
    w.keep = a->expected;
    w.like = a->for_entry;

    return w;
}

/* What to free, and of kinds with queues, which free nothing yet, no more than is on its way already. */
static void set_need(const struct admission *a, struct shard_sweep *w, size_t need, size_t ahead)
{
    size_t queued = (size_t)atom_load_relaxed(&a->cache->queued); /* relaxed, both: sums */

    w->need = need + ahead;
    w->queues = atom_load_relaxed(&a->cache->common.queues) != 0;
    w->queue_need = need > queued ? need - queued : 0;
}

/* All shards' that the current frame inserted, before what it used. */
static bool evict_fresh(struct admission *a, struct claim *claim)
{
    struct shard_sweep w = sweep_for(a, true);
    struct entry_list left = {NULL, NULL};

    set_need(a, &w, to_evict(a, claim), 0);
    for (unsigned i = 0; i < a->cache->shard_count && w.freed < w.need; i++)
        shard_sweep_fresh(&a->cache->shards[i], &w, a->by.st, &left);
    dispose(&left, claim);
    return w.taken > 0;
}

/* A few samples by the policy.  False: they freed nothing, or nothing more than what waits is needed. */
static bool evict_some(struct admission *a, struct claim *claim)
{
    struct shard *own = a->for_entry != NULL ? cache_shard(a->cache, a->for_entry->place) : NULL;
    struct shard_sweep w = sweep_for(a, true);
    /* What the frame protects goes for what is needed now alone. */
    size_t ahead = a->cache->borrow && w.frame_too == 0 ? budget_capacity(&a->cache->budget) / AHEAD_PART : 0;
    unsigned rounds = ahead > 0 ? AHEAD_MOST : 1;
    struct entry_list left = {NULL, NULL};
    int futile = 0;

    set_need(a, &w, to_evict(a, claim), 0);
    if (w.need == 0)
        return missing(a, claim) == 0;
    if (unlikely(w.frame_too == FRAME_LEVELS - 1) && evict_fresh(a, claim))
        return true;
    w.need += ahead;
    if (ahead > 0)
        w.most = AHEAD_MOST;
    while (rounds > 0 && futile < FUTILE_ROUNDS && w.freed < w.need && w.taken < w.most) {
        unsigned before = w.taken;
        shard_evict(choose_shard(a->cache, a->by.t, futile == 0 ? own : NULL), &w, a->by.st, &left);
        futile = w.taken > before ? 0 : futile + 1;
        rounds -= w.taken > before;
    }
    count_frame(a->cache, &w);
    dispose(&left, claim);
    return w.taken > 0;
}

/*
 * Look at every entry of every shard, from where the last such look has come to, so that what can go is not looked for
 * again and again behind the same entries that cannot.
 */
static void evict_all_once(struct admission *a, struct claim *claim)
{
    struct brim_cache *c = a->cache;
    uint64_t hand = atom_load_relaxed(&c->hand); /* relaxed: a hint */
    struct index_cursor cursor = {hand & UINT32_MAX};

    for (unsigned i = 0; i <= c->shard_count;) { /* the first one in two parts */
        unsigned shard = (unsigned)((hand >> 32) + i) & (c->shard_count - 1);
        struct shard_sweep w = sweep_for(a, true);
        struct entry_list left = {NULL, NULL};
        bool more;

        set_need(a, &w, to_evict(a, claim), 0);
        if (w.need == 0)
            return;
        more = shard_sweep(&c->shards[shard], &cursor, &w, a->by.st, &left);
        count_frame(c, &w);
        atom_store_relaxed(&c->hand, (uint64_t)shard << 32 | (cursor.from & UINT32_MAX));
        dispose(&left, claim);
        if (!more) {
            cursor.from = 0;
            i++;
        }
    }
}

/* And again, if that is not enough and the current frame protects some: the bound wins. */
static void evict_all(struct admission *a, struct claim *claim)
{
    unsigned level;

    do {
        level = frame_too(a->cache);
        evict_all_once(a, claim);
    } while (to_evict(a, claim) > 0 && next_level(a->cache, level));
    if (to_evict(a, claim) > 0 && a->kind != NULL && !a->own_too && is_below_floor(a)) {
        a->own_too = true; /* nothing but its own is left */
        evict_all_once(a, claim);
    }
}

/* The old entry goes first, if its ${need} is enough for certain.  What it frees is ${claim}'s, if that is not NULL. */
static bool evict_old(struct admission *a, struct claim *claim, size_t need)
{
    struct shard_sweep w = sweep_for(a, claim != NULL);
    struct entry_list left = {NULL, NULL};
    const void *key;
    size_t len;

    if (a->for_entry == NULL || (a->expected == NULL && (entry_flags(a->for_entry) & ENTRY_ANONYMOUS)))
        return false;
    key = entry_key(a->for_entry, &len);
    w.keep = w.like = NULL;
    w.floors = false;
    w.frame_too = FRAME_LEVELS - 1;
    w.need = need;
    if (!shard_evict_old(cache_shard(a->cache, a->for_entry->place), a->hash, key, len, a->expected, &w, a->by.st,
                         &left))
        return false;
    a->keep_old = false;
    dispose(&left, claim);
    return true;
}

/* ---- When all that can go has gone */

/* What this thread's outer calls have reserved, if we are in a callback of theirs. */
static uint64_t own_reserved(const struct admission *a, const struct claim *claim)
{
    /* Relaxed: our own. */
    return a->by.st->shared ? 0 : atom_load_relaxed(&a->by.st->reserved) - claim->have;
}

/* What waits for sections, if our own is among them, and so for us. */
static size_t own_waiting(const struct admission *a)
{
    return a->cache->borrow && section_stripe(a->cache, a->by.t) != NULL ? limbo_charge(&a->cache->limbo) : 0;
}

/*
 * Whether enough may become evictable or be given back: neither held, nor reserved by the user, by loads or by ourselves,
 * nor waiting for ourselves or in queues.
 */
static bool is_possible(const struct admission *a, const struct claim *claim)
{
    struct brim_cache *c = a->cache;
    /* Relaxed: a sum that is asked for again before anything is refused. */
    uint64_t fixed = stripes_pinned(&c->stripes) + atom_load_relaxed(&c->by_user) + own_reserved(a, claim);

    fixed += own_waiting(a) + atom_load_relaxed(&c->by_loads) + atom_load_relaxed(&c->queued);

    return fixed + a->charge <= budget_capacity(&c->budget);
}

/* Not possible, and not only for the moment in which a passing look-up holds an entry. */
static bool is_hopeless(const struct admission *a, const struct claim *claim)
{
    for (int looks = 0; looks < HOPELESS_LOOKS; looks++) {
        if (is_possible(a, claim))
            return false;
        clock_pause(0);
    }
    return true;
}

/* Whether other threads have reservations, or values that they are about to destroy. */
static bool others_are_busy(const struct admission *a, const struct claim *claim)
{
    const struct stripes *s = &a->cache->stripes;
    uint64_t own = own_reserved(a, claim) + claim->have;

    return stripes_sum(s, offsetof(struct stripe, reserved)) != own ||
           stripes_sum(s, offsetof(struct stripe, dying)) != stripes_sum(s, offsetof(struct stripe, destroyed));
}

/*
 * Others' reservations and victims stand in the way, and pass.  One thread at a time keeps what it has; the others
 * give theirs back, so that two large admissions cannot block each other for good.
 */
static void wait_turn(struct admission *a, struct claim *claim, bool *mine, int stalled)
{
    struct thread *nobody = NULL;

    /* Acquire and release: a lock that is only tried; what it guards is who waits, not data. */
    if (!*mine)
        *mine = atom_cas_acq_rel(&a->cache->turn, &nobody, a->by.t);
    if (!*mine)
        give_up(claim, 0);
    clock_pause(stalled < 20 ? 0 : PAUSE_NS);
}

/* Only what waits for sections stands in the way: for our own, or for long enough. */
static bool sections_block(struct admission *a, struct claim *claim, int tries)
{
    if (!a->cache->borrow)
        return false;
    dispose_waiting(a->cache, claim);
    return missing(a, claim) > 0 && to_evict(a, claim) == 0 && (own_waiting(a) > 0 || tries >= SECTION_TURNS);
}

static bool admit_hard(struct admission *a, struct claim *claim)
{
    bool mine = false, done = false;
    int64_t room = budget_room(&a->cache->budget);
    int stalled = 0, idle = 0;

    for (int tries = 0; stalled < STALLED_TURNS && idle < 2 * IDLE_TURNS; tries++) {
        size_t before = claim->have;

        if (tries == TURNS) /* not covered: nobody frees a little in each of so many turns */
            break;
        /* Who is preempted in a window has taken room and not said so yet. */
        if (idle == IDLE_TURNS)
            epoch_wait(&epoch_process);

        evict_all(a, claim);
        if (sections_block(a, claim, tries))
            break;
        if ((done = is_enough(a, claim) || (evict_old(a, claim, missing(a, claim)) && is_enough(a, claim))))
            break;
        if (is_hopeless(a, claim))
            break;
        /* As long as something is freed now and then, small inserts cannot keep us out. */
        stalled = claim->have > before ? 0 : stalled + 1;
        idle = stalled == 0 || others_are_busy(a, claim) || budget_room(&a->cache->budget) != room ? 0 : idle + 1;
        room = budget_room(&a->cache->budget);
        wait_turn(a, claim, &mine, stalled);
    }
    if (mine)
        atom_store_release(&a->cache->turn, NULL);
    return done;
}

/* By samples, as nearly all are.  What cannot succeed must not evict: a large one looks first, others soon. */
static bool admit_easy(struct admission *a, struct claim *claim)
{
    bool large = a->charge > budget_capacity(&a->cache->budget) / LARGE_PART;

    for (unsigned n = large ? LOOK_EVERY : 1; n % LOOK_EVERY != 0 || !is_hopeless(a, claim); n++) {
        if (!evict_some(a, claim))
            return is_enough(a, claim);
        if (is_enough(a, claim))
            return true;
    }
    return false;
}

/* Values wait for sections: evict before room is needed, so that they have waited by then. */
static void evict_ahead(const struct admission *a)
{
    struct brim_cache *c = a->cache;
    size_t ahead = budget_capacity(&c->budget) / AHEAD_PART;
    int64_t room = budget_room(&c->budget);
    size_t coming = (size_t)(room > 0 ? room : 0) + limbo_charge(&c->limbo);
    struct shard_sweep w = sweep_for(a, false);
    struct entry_list left = {NULL, NULL};

    if (coming >= ahead / 2 || dispose_is_under_way())
        return;
    set_need(a, &w, 0, ahead - coming);
    w.most = AHEAD_MOST;
    w.frame_too = 0;
    for (unsigned rounds = 0; rounds < AHEAD_MOST && w.freed < w.need && w.taken < w.most; rounds++)
        shard_evict(choose_shard(c, a->by.t, NULL), &w, a->by.st, &left);
    dispose(&left, NULL);
}

static brim_status admit_by_evicting(struct admission *a, struct claim *claim)
{
    atom_store_relaxed(&a->cache->pressed, 1); /* relaxed: a hint */
    dispose_waiting(a->cache, claim);
    if (a->charge > budget_capacity(&a->cache->budget) / LARGE_PART)
        stale_sweep_all(a->cache); /* what nobody finds any more goes before all else */
    if (!is_enough(a, claim) && !admit_easy(a, claim) && (is_hopeless(a, claim) || !admit_hard(a, claim))) {
        give_up(claim, 0);
        return BRIM_FULL;
    }
    give_up(claim, a->charge);
    return BRIM_OK;
}

/* Its own, the old entry last.  False: nothing can go, or enough waits for sections or in its queue. */
static bool evict_of_kind(struct admission *a, size_t need)
{
    size_t waiting;

    if (dispose_is_under_way())
        return false;
    dispose_waiting(a->cache, NULL);
    waiting = kind_waiting(a->kind);
    if (need <= waiting)
        return false;
    need -= waiting;
    return admit_evict_kind(a->cache, a->by, need, a->kind, a->for_entry) > 0 || evict_old(a, NULL, need);
}

/* Part of what its kind has taken, if that keeps its sums.  The kind evicts its own to stay below its ceiling. */
static brim_status take_of_kind(struct admission *a)
{
    struct limit *l = a->kind != NULL ? &a->kind->limit : NULL;

    if (likely(l == NULL || !limit_counts(l)))
        return BRIM_OK;
    while (!limit_take(l, a->charge)) {
        size_t ceiling = atom_load_relaxed(&l->ceiling), above = limit_above(l, a->charge); /* relaxed: asked anew */
        if (ceiling != 0 && a->charge > ceiling)
            return BRIM_TOO_BIG;
        if (above > 0 && !evict_of_kind(a, above)) {
            if (limit_take(l, a->charge))
                break;
            return BRIM_FULL;
        }
    }
    a->counted = true;
    return BRIM_OK;
}

/* Before its kind evicts anything for it. */
static bool is_too_big(const struct admission *a)
{
    size_t capacity = budget_capacity(&a->cache->budget);

    return a->charge > capacity || capacity == 0;
}

static brim_status admit_to_cache(struct admission *a, struct claim *claim)
{
    if (claim->have > 0 && claim->have >= a->charge) {
        give_up(claim, a->charge);
        return BRIM_OK;
    }
    if (!take(claim, a->charge - claim->have))
        return dispose_is_under_way() ? BRIM_FULL : admit_by_evicting(a, claim);
    dispose_waiting(a->cache, NULL);
    return BRIM_OK;
}

brim_status admit(struct admission *a)
{
    struct claim claim = {a->cache, a->by, a->have};
    brim_status status;

    a->keep_old = true;
    a->counted = false;
    status = is_too_big(a) ? BRIM_TOO_BIG : take_of_kind(a);
    if (status == BRIM_OK)
        status = admit_to_cache(a, &claim);
    if (status != BRIM_OK) {
        give_up(&claim, 0);
        if (a->counted)
            limit_give(&a->kind->limit, a->charge);
        a->counted = false;
    }
    if (a->cache->borrow && atom_load_relaxed(&a->cache->pressed)) /* relaxed: as above */
        evict_ahead(a);
    return status;
}

void admit_cancel(struct admission *a)
{
    admit_undo(a->cache, a->by, a->charge);
    if (a->counted)
        limit_give(&a->kind->limit, a->charge);
    a->counted = false;
}

bool admit_counted(struct admission *a)
{
    return take_of_kind(a) == BRIM_OK;
}

bool admit_entry(struct admission *a)
{
    if (dispose_is_under_way())
        return false;
    for (unsigned round = 0; round < FUTILE_ROUNDS + 2 * a->cache->shard_count; round++) {
        struct shard_sweep w = sweep_for(a, false);
        struct entry_list left = {NULL, NULL};
        struct shard *sh = &a->cache->shards[round & (a->cache->shard_count - 1)];
        struct index_cursor cursor = {0};

        w.need = SIZE_MAX;
        w.most = 1;
        if (round < FUTILE_ROUNDS) {
            shard_evict(choose_shard(a->cache, a->by.t, NULL), &w, a->by.st, &left);
        } else {
            while (left.head == NULL && shard_sweep(sh, &cursor, &w, a->by.st, &left)) {
            }
        }
        count_frame(a->cache, &w);
        if (left.head != NULL) {
            dispose(&left, NULL);
            return true;
        }
        if (round + 1 == FUTILE_ROUNDS + 2 * a->cache->shard_count && next_level(a->cache, frame_too(a->cache)))
            round = 0;
    }
    return false;
}

/* ---- Without an admission */

static struct shard_sweep sweep_of_kind(struct brim_cache *c, const struct kind *k, unsigned level, size_t need)
{
    struct shard_sweep w = {.cause = BRIM_EVICTED, .need = need, .most = UINT32_MAX};

    w.kind = k != NULL ? (int)k->number : -1;
    w.but_kind = -1;
    w.frame_too = level;
    w.now = cache_now_for_ages(c);
    return w;
}

/* By samples, until a few free nothing. */
static size_t evict_by_samples(struct brim_cache *c, struct caller by, size_t need, const struct kind *k, unsigned level,
                               const struct entry *like)
{
    size_t freed = 0;
    unsigned futile = 0;

    while (freed < need && futile < FUTILE_ROUNDS) {
        struct shard_sweep w = sweep_of_kind(c, k, level, need - freed);
        struct entry_list left = {NULL, NULL};

        w.like = like;
        shard_evict(choose_shard(c, by.t, NULL), &w, by.st, &left);
        futile = left.head != NULL ? 0 : futile + 1;
        freed += w.freed;
        count_frame(c, &w);
        dispose(&left, NULL);
    }
    return freed;
}

static size_t evict_level(struct brim_cache *c, struct caller by, size_t need, const struct kind *k, unsigned level)
{
    size_t freed = evict_by_samples(c, by, need, k, level, NULL);

    for (unsigned i = 0; i < c->shard_count && freed < need; i++) {
        struct index_cursor cursor = {0};
        bool more = true;

        while (more && freed < need) {
            struct shard_sweep w = sweep_of_kind(c, k, level, need - freed);
            struct entry_list left = {NULL, NULL};

            more = shard_sweep(&c->shards[i], &cursor, &w, by.st, &left);
            freed += w.freed;
            count_frame(c, &w);
            dispose(&left, NULL);
        }
    }
    return freed;
}

size_t admit_evict(struct brim_cache *c, struct caller by, size_t need, const struct kind *k)
{
    unsigned levels = c->common.protect ? FRAME_LEVELS : 1;
    size_t freed = 0;

    for (unsigned level = 0; level < levels && freed < need; level++)
        freed += evict_level(c, by, need - freed, k, level);
    /* Not in a trim inside an allocation of a trim's: that would try for as much memory as that has failed for. */
    for (unsigned i = 0; i < c->shard_count && by.t->trimming <= 1; i++)
        (void)shard_fit_index(&c->shards[i]);
    return freed;
}

/*
 * A kind with few of many entries is hardly found by samples: then a hand goes round over all shards, as a clock's,
 * from where it was left, and spares once what was used since, and twice what the current frame protects.
 */
size_t admit_evict_kind(struct brim_cache *c, struct caller by, size_t need, struct kind *k, const struct entry *like)
{
    size_t freed = evict_by_samples(c, by, need, k, 0, like);
    uint64_t hand = atom_load_relaxed(&k->hand); /* relaxed: a hint; who moves it at the same time does as well */
    struct index_cursor cursor = {hand & UINT32_MAX};
    enum { ROUNDS = 3 };

    for (unsigned i = 0; i <= ROUNDS * c->shard_count && freed < need;) {
        unsigned shard = (unsigned)((hand >> 32) + i) & (c->shard_count - 1), round = i / c->shard_count;
        struct shard_sweep w = sweep_of_kind(c, k, round < 2 ? 0 : FRAME_LEVELS - 1, need - freed);
        struct entry_list left = {NULL, NULL};
        bool more;

        w.second_chance = round == 0;
        w.like = like;
        more = shard_sweep(&c->shards[shard], &cursor, &w, by.st, &left);
        freed += w.freed;
        count_frame(c, &w);
        atom_store_relaxed(&k->hand, (uint64_t)shard << 32 | (cursor.from & UINT32_MAX));
        dispose(&left, NULL);
        if (!more) {
            cursor.from = 0;
            i++;
        }
    }
    return freed;
}
