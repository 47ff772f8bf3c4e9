/* SPDX-License-Identifier: MIT */
#include "cache/kind.h"

#include "cache/cache.h"
#include "cache/limits.h"
#include "cache/queue.h"

enum { KIND_ALIGN = 128 };
/* NOLINTNEXTLINE(readability-redundant-casting): else gcc warns that the enumerations differ */
_Static_assert((int)STRIPE_KINDS == (int)KIND_SLOTS, "a thread's counters are by the slots of kinds");

#ifndef BRIM_RELACY
struct kind_table kind_table;
#endif

/* Chunk ${at} of the table, made when first asked for.  Chunks are the process's and stay.  They are zeroed: so acquire. */
static struct kind_chunk *chunk_get(uint32_t at)
{
    struct kind_chunk *there = atom_load_acquire(&kind_table.chunk[at]), *fresh;

    if (there != NULL)
        return there;
    fresh = mem_alloc_zeroed(&mem_default, sizeof *fresh, KIND_ALIGN);
    if (fresh == NULL)
        return NULL;
    while (there == NULL)
        if (atom_cas_acq_rel(&kind_table.chunk[at], &there, fresh))
            return fresh;
    mem_free(&mem_default, fresh, sizeof *fresh, KIND_ALIGN); /* another thread was first */
    return there;
}

/*
 * A number that is ${residue} modulo KIND_SLOTS.
 * Relaxed, its claim and its end: who looks ${k} up by it has an entry that was published after the claim, and is done
 * with it before the end; nothing else goes by the number from one kind to the next.
 */
static bool claim_in(struct kind_chunk *chunk, uint32_t at, unsigned residue, struct kind *k)
{
    for (uint32_t j = residue; j < KIND_CHUNK; j += KIND_SLOTS) {
        struct kind *nobody = atom_load_relaxed(&chunk->kind[j]);
        k->number = at * KIND_CHUNK + j;
        while (nobody == NULL)
            if (atom_cas_relaxed(&chunk->kind[j], &nobody, k))
                return true;
    }
    return false;
}

static bool number_claim(struct kind *k, unsigned residue)
{
    for (uint32_t at = 0; at < KIND_CHUNKS; at++) {
        struct kind_chunk *chunk = chunk_get(at);

        if (chunk == NULL)
            return false;
        if (claim_in(chunk, at, residue, k))
            return true;
    }
    return false;
}

static void number_give_back(const struct kind *k)
{
    struct kind_chunk *chunk = atom_load_relaxed(&kind_table.chunk[k->number / KIND_CHUNK]);

    atom_store_relaxed(&chunk->kind[k->number % KIND_CHUNK], NULL);
}

/* ---- Slots: of the counters in stripes.  Each kind has its own, but the last is for all that come late. */

enum { LATE_SLOT_OF = KIND_SLOTS - 1 };

/* Bits of those that ${c}'s kinds have.  Also without the lock: acquire, as kind_look_up. */
static unsigned slots_taken(const struct brim_cache *c)
{
    unsigned taken = 0;

    for (const struct kind *k = atom_load_acquire(&((struct brim_cache *)(uintptr_t)c)->kinds); k != NULL; k = shared_get(k->next))
        taken |= 1u << k->number % KIND_SLOTS;
    return taken;
}

/* One from a place on that differs by cache, so that numbers are used evenly; the late kinds' is the one before it. */
static unsigned choose_slot(const struct brim_cache *c)
{
    unsigned first = (unsigned)((uintptr_t)c >> 12) % KIND_SLOTS, taken = slots_taken(c);

    for (unsigned i = 0; i < LATE_SLOT_OF; i++) {
        unsigned slot = (first + i) % KIND_SLOTS;
        if (!(taken & 1u << slot))
            return slot;
    }
    return (first + LATE_SLOT_OF) % KIND_SLOTS;
}

static bool is_late_slot(const struct brim_cache *c, unsigned slot)
{
    return slot == ((unsigned)((uintptr_t)c >> 12) + LATE_SLOT_OF) % KIND_SLOTS;
}

/* ---- Records */

static brim_status validate(struct brim_cache *c, const brim_kind *user)
{
    if (user == NULL)
        return BRIM_OK;
    if (user->size != 0 && user->size < sizeof *user)
        return BRIM_INVALID;
    return limits_fit(c, NULL, user->floor, user->ceiling) ? BRIM_OK : BRIM_INVALID;
}

struct kind *kind_look_up(const struct brim_cache *c, const brim_kind *user)
{
    struct kind *k = atom_load_acquire(&((struct brim_cache *)(uintptr_t)c)->kinds);

    while (k != NULL && k->user != user)
        k = shared_get(k->next);
    return k;
}

static void push_locked(struct brim_cache *c, struct kind *k) REQUIRES(rank_kind)
{
    lock_assert_held(&c->kind_lock);
    shared_set(k->next, atom_load_relaxed(&c->kinds));
    /* Release: the record (edge publish).  And before a load looks whether they are closed (edge unused). */
    atom_store_seq_cst(&c->kinds, k);
}

static void kind_free(struct brim_cache *c, struct kind *k)
{
    number_give_back(k);
    queue_unuse(k->queue);
    mem_free(&c->mem, k, sizeof *k, KIND_ALIGN);
}

static struct kind *kind_new(struct brim_cache *c, const brim_kind *user)
{
    struct kind *k = mem_alloc_zeroed(&c->mem, sizeof *k, KIND_ALIGN);

    if (k == NULL)
        return NULL;
    k->user = user;
    k->cache = c;
    tally_init(&k->values);
    if (!number_claim(k, choose_slot(c))) {
        mem_free(&c->mem, k, sizeof *k, KIND_ALIGN);
        return NULL;
    }
    if (user == NULL)
        return k;
    k->queue = queue_use(user->queue);
    k->limit.queued = k->queue != NULL;
    if (k->queue != NULL)
        atom_store_relaxed(&c->common.queues, 1); /* relaxed: before any entry of it */
    if (user->floor != 0 || user->ceiling != 0)
        limits_set_first(c, k, user->floor, user->ceiling);
    return k;
}

/* NULL: ${k} is in the list.  Else who is there instead; or ${k}, and another has taken its slot or room meanwhile. */
static struct kind *push_new(struct brim_cache *c, struct kind *k)
{
    unsigned slot = k->number % KIND_SLOTS;
    struct kind *other;

    kinds_lock(c);
    other = kind_look_up(c, k->user);
    k->shares_slot = is_late_slot(c, slot);
    if (other == NULL && !k->shares_slot && (slots_taken(c) & 1u << slot))
        other = k;
    if (other == NULL && validate(c, k->user) != BRIM_OK)
        other = k; /* another's limits have been promised meanwhile */
    if (other == NULL)
        push_locked(c, k);
    kinds_unlock(c);
    return other;
}

brim_status kind_get(struct brim_cache *c, const brim_kind *user, struct kind **out)
{
    brim_status status;

    while ((*out = kind_look_up(c, user)) == NULL) {
        struct kind *k;

        if ((status = validate(c, user)) != BRIM_OK) {
            if (kind_look_up(c, user) == NULL) /* else another thread has brought it, and its own floor does not fit twice */
                return status;
            continue;
        }
        if ((k = kind_new(c, user)) == NULL)
            return BRIM_NOMEM;
        if (push_new(c, k) != NULL)
            kind_free(c, k);
    }
    return BRIM_OK;
}

size_t kind_waiting(const struct kind *k)
{
    size_t queued = (size_t)atom_load_relaxed(&((struct kind *)(uintptr_t)k)->queued); /* relaxed: a sum */

    return queued + (k->cache->borrow ? limbo_charge_of(&k->cache->limbo, k->number) : 0);
}

/* Where the sums of limits are kept, one of them, which no observer sees above its ceiling. */
size_t kind_used(const struct kind *k)
{
    return limit_counts(&k->limit) ? limit_taken(&k->limit) : tally_amount(&k->values);
}

struct limit *kind_limit(const struct entry *e)
{
    return &kind_of(e)->limit;
}

uint64_t kind_sum(const struct kind *k, size_t offset)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < KIND_PARTS; i++) {
        ATOM(uint64_t) *counter = (void *)((char *)(uintptr_t)&k->counts[i] + offset);
        sum += atom_load_relaxed(counter);
    }
    return sum;
}

void kind_taken(struct kind *k, struct thread *t)
{
    tally_add(&k->values, t);
}

static void tell_unused(const struct kind *k)
{
    if (k->user != NULL && k->user->unused != NULL)
        k->user->unused(k->user->arg);
}

bool kind_try_take(struct kind *k, struct thread *t)
{
    bool taken;

    section_enter(t);
    taken = tally_try_add(&k->values, t);
    section_leave(t);
    return taken;
}

void kind_destroyed(struct kind *k, struct thread *t)
{
    if (tally_drop(&k->values, t))
        tell_unused(k);
}

/*
 * Once for each.  Relaxed: only who closes is settled.  Who comes second takes nothing for closed, and what is counted
 * tally_close orders (edge tally).
 */
static bool close_one(struct kind *k)
{
    uint32_t no = 0;

    while (!atom_cas_relaxed(&k->closed, &no, 1))
        if (no != 0) /* not covered: always so, as no exchange fails for nothing on x86 */
            return false;
    return tally_close(&k->values);
}

void kinds_close(struct brim_cache *c)
{
    atom_store_seq_cst(&c->kinds_closed, 1);
    for (struct kind *k = atom_load_seq_cst(&c->kinds); k != NULL; k = shared_get(k->next))
        if (close_one(k))
            tell_unused(k);
}

/* Sequentially consistent: of a load that brings a new kind and the closing of all one sees the other (edge unused). */
bool kind_hold(struct kind *k, struct thread *t)
{
    if (!kind_try_take(k, t))
        return false;
    (void)atom_add_relaxed(&k->held, (uint64_t)1); /* relaxed: a statistic */
    if (unlikely(atom_load_seq_cst(&k->cache->kinds_closed)))
        (void)close_one(k); /* not to zero: we hold it */
    return true;
}

void kind_let_go(struct kind *k, struct thread *t)
{
    (void)atom_sub_relaxed(&k->held, (uint64_t)1); /* relaxed: as above */
    kind_destroyed(k, t);
}

void kinds_destroy(struct brim_cache *c)
{
    struct kind *next;

    for (struct kind *k = atom_load_acquire(&c->kinds); k != NULL; k = next) {
        next = shared_get(k->next);
        kind_free(c, k);
    }
}
