/* SPDX-License-Identifier: MIT
 *
 * KeyData: the one record of an entry, shared by the cache and every handle.  Only entry.c touches its state word.
 *
 * The state word
 *
 *   63  60 59   58   57   56   55         28 27          0
 *   |  0  |hot|used|dead|linked|    keys    |    refs    |
 *
 *   refs    holds on the value: one for each brim_ref, one for the link from the index, passing ones of readers
 *           that find out in the same step that the entry has left
 *   keys    counts of brim_key handles and slots, and one for the thread that destroys the value
 *   linked  look-ups may hold it; set at birth, cleared once, under the shard's mutex
 *   dead    the value belongs to one thread, which destroys it; set by a compare-and-swap from refs = 0
 *   used    found since eviction last looked
 *   hot     not used yet: room for holds that are published instead of counted
 *
 * held(s) = refs - linked is what users hold, and what counts as pinned.
 *
 * The machine.  Transitions are single atomic operations on the word.
 *
 *   LINKED --hold: +ref, acq none--> LINKED          the result says linked: the hold stands
 *   LINKED --evict: cas refs 1 -> 0, -linked, +dead, +key (acq_rel)--> DEAD    only while nobody holds it
 *   LINKED --unlink: cas -linked (acq_rel)--> LEFT   somebody holds it; the link's ref passes to the unlinker
 *   LINKED --unlink, refs = 1--> DEAD                as evict
 *   LEFT   --hold: +ref--> LEFT                      the result says unlinked: undone by a release
 *   LEFT   --release: -ref (release), refs > 0--> LEFT
 *   LEFT   --release: refs now 0--> try: cas +dead +key (acquire) while refs = 0--> DEAD    one thread wins
 *   DEAD   --hold and its undoing--> DEAD            trigger nothing: dead is set
 *   DEAD   --hold of a borrower: +ref--> DEAD        in its section, for which the destroyer waits
 *   DEAD   --the wait is over, refs > 0: cas -dead -key (acq_rel)--> LEFT    only where values are borrowed
 *   DEAD   --the destroyer is done: -key (acq_rel)--> keys > 0: DEAD, the value gone; keys = 0: FREED
 *   DEAD   --last key dropped: -key--> FREED         only if the destroyer's own is gone already
 *
 * So a last key dropped elsewhere cannot free the entry under the destroyer, and FREED is reached once: keys falls to
 * 0 with dead set once, since who adds a key has one, or checks in a compare-and-swap that not (dead and keys = 0).
 * Memory is reused only when no section that could have seen the entry is left (part/slab.h).
 *
 * Proved by test/litmus/entry.cpp and test/litmus/slot.cpp.
 */
#ifndef BRIM_ENTRY_ENTRY_H
#define BRIM_ENTRY_ENTRY_H

#include <string.h>

#include "base/atom.h"
#include "brim.h"

#define STATE_REF ((uint64_t)1)
#define STATE_KEY ((uint64_t)1 << 28)
#define STATE_COUNT_MASK (((uint64_t)1 << 28) - 1)
#define STATE_LINKED ((uint64_t)1 << 56)
#define STATE_DEAD ((uint64_t)1 << 57)
#define STATE_USED ((uint64_t)1 << 58)

enum entry_flag {        /* in kind_flags: constant once published */
    ENTRY_CLASS = 3,     /* slab class */
    ENTRY_ANONYMOUS = 4, /* no key bytes; found by handle only */
    ENTRY_UNCHARGED = 8, /* wrapped: no part of the capacity */
    ENTRY_PRIORITY = 48, /* the user's priority + 1 */
    ENTRY_AGES = 64,     /* it has ages, */
    ENTRY_GROUPS = 128,  /* or groups: entry/extra.h */
    ENTRY_EXTRA = ENTRY_AGES | ENTRY_GROUPS
};
#define ENTRY_PRIORITY_SHIFT 4

enum entry_eviction {      /* in eviction: the shard's mutex; once it has left, whoever has it in a list of victims */
    ENTRY_FREQUENCY = 15,  /* uses seen by eviction */
    ENTRY_IN_LINKED = 32,  /* part of its kind's sum of what is linked: shard/limit.h */
    ENTRY_POOLED = 64,     /* among its shard's candidates */
    ENTRY_CLAIMED = 128    /* what its destruction frees belongs to who evicted it */
};

/* In `priority' of an entry that has left, until it was announced: why, in the lowest byte, and when it was born. */
#define ENTRY_NO_CAUSE UINT32_MAX
#define ENTRY_BORN_SHIFT 8

enum { KIND_SLOTS = 16 }; /* a cache's kinds have numbers that differ by it, as long as they can: cache/kind.h */

enum { ENTRY_LONG = 255 }; /* key_len8 of a key whose length stands before its bytes */

struct entry {
    ATOM(uint64_t) state;
    SHARED(void *) value; /* constant once published */
    ATOM(uintptr_t) next; /* 0; or a stamp; or the successor, set before `linked' is cleared; or, odd, a link */
    ATOM(size_t) cost;    /* changed under the shard's mutex by a holder of the value */
    uint32_t place;       /* of the hash; constant */
    uint32_t priority;    /* as `eviction' below; a brim_cause, and its birth, once it has left */
    uint8_t key_len8;     /* constant */
    uint8_t eviction;     /* enum entry_eviction */
    uint16_t work;        /* of re-creation, in a logarithmic scale; constant */
    uint32_t kind_flags;  /* kind number << 8 | flags */
};
#ifndef BRIM_RELACY
_Static_assert(sizeof(struct entry) == 48, "an entry with a key of 16 bytes is one cache line");
#endif

/*
 * A stamp: when it was born and last used.  While an entry is linked, it is in the word that names its successor
 * afterwards: entries are aligned to 16, so the lowest bits tell which.
 *
 *   63    43 42    35 34     3     2       1      0
 *   | born  |  idle  | frame | fresh | stamp | link |
 *
 *   born    in ticks of 2^27 ns, of the cache's clock; wraps after 78 hours
 *   idle    calls of brim_idle before its last use, or insertion; wraps
 *   frame   that of its last use, or insertion; wraps
 *   fresh   inserted in that frame, and not used since
 */
#define STAMP_BORN_SHIFT 43
#define STAMP_IDLE_SHIFT 35
#define STAMP_FRAME_SHIFT 3
#define STAMP_FRESH ((uintptr_t)4)
#define STAMP ((uintptr_t)2)
#define STAMP_LINK ((uintptr_t)1)
#define STAMP_USE (((uintptr_t)1 << STAMP_BORN_SHIFT) - 1) /* all but born */
#define STAMP_TICK_NS_SHIFT 27

/* What an operation on the state word brought about, for the caller to act on. */
enum entry_event {
    ENTRY_HELD = 1,  /* the hold stands */
    ENTRY_PIN = 2,   /* the first hold: the cost is pinned now */
    ENTRY_UNPIN = 4, /* the last hold has gone: the cost is pinned no more */
    ENTRY_LAST = 8   /* the value is the caller's to destroy; then it drops the key that came with it */
};

/* ---- Life */

/*
 * entry_size(key_len):
 * The bytes that an entry with a key of ${key_len} needs.
 */
static inline size_t entry_size(size_t key_len)
{
    return sizeof(struct entry) + key_len + (key_len < ENTRY_LONG ? 0 : sizeof(uint32_t));
}

/*
 * entry_init(e, key, key_len, value, cost):
 * Make ${e} an entry, not linked, with one ref and no key: the caller's.  It copies the key.
 */
void entry_init(struct entry *e, const void *key, size_t key_len, void *value, size_t cost);

/*
 * entry_publish(e, refs, keys):
 * Set the counts ${e} starts with, the link's ref not among them, and make it linked.  Before others can see it.
 */
void entry_publish(struct entry *e, unsigned refs, unsigned keys);

/*
 * entry_set_refs(e, refs):
 * ${e} is not linked, and nobody else's yet: it has ${refs} refs and no key.
 */
void entry_set_refs(struct entry *e, unsigned refs);

/* ---- Refs */

/*
 * entry_copy_hold(e), entry_copy_key(e):
 * One more of what the caller has; a hold also of what it has borrowed, in a section that has not ended.  Returns
 * PIN.
 */
unsigned entry_copy_hold(struct entry *e);
void entry_copy_key(struct entry *e);

/*
 * entry_end_wait(e):
 * ${e}'s value is the caller's and has waited for all sections that may have borrowed it.  False: one of them holds
 * it; then it is the caller's no more.
 */
bool entry_end_wait(struct entry *e);

/*
 * entry_try_key(e):
 * Count a key on an entry found in a slot, in a section.  False: it is about to be freed.
 */
bool entry_try_key(struct entry *e);

/*
 * entry_drop_key(e):
 * Give back a key.  True: it was the last of a dead entry, whose memory is the caller's to retire.
 */
bool entry_drop_key(struct entry *e);

/* ---- Leaving: under the shard's mutex */

/*
 * entry_unlink(e):
 * Take it from look-ups; it must be linked.  True: nobody holds it, the value is the caller's as with LAST.  False:
 * the link's ref is the caller's.
 */
bool entry_unlink(struct entry *e);

/*
 * entry_try_evict(e):
 * Unlink it if nobody holds it; then the value is the caller's as with LAST.
 */
bool entry_try_evict(struct entry *e);

/*
 * entry_remove_last(e):
 * The caller has a hold: unlink the entry and give the hold back, if it is the only one; then the value is the
 * caller's as with LAST.  False: nothing changed.
 */
bool entry_remove_last(struct entry *e);

/* ---- Looking */

bool entry_is_dead(const struct entry *e);
bool entry_has_keys(const struct entry *e);
void entry_forget_use(struct entry *e);

/* For the inline functions below. */
#define ENTRY_COUNT_LIMIT (STATE_COUNT_MASK - ((uint64_t)1 << 20)) /* all threads together cannot pass the end */
unsigned entry_try_die(struct entry *e);
unsigned entry_undo_hold(struct entry *e, uint64_t s);
_Noreturn void entry_panic_refs(void);
_Noreturn void entry_panic_release(void);

static inline uint64_t refs_of(uint64_t s)
{
    return s & STATE_COUNT_MASK;
}

static inline uint64_t held_of(uint64_t s)
{
    return refs_of(s) - ((s & STATE_LINKED) != 0);
}

static inline uint64_t entry_eight_bytes(const void *p)
{
    uint64_t x;

    memcpy(&x, p, sizeof x);
    return x;
}

/*
 * entry_key(e, len):
 * Its key bytes.
 */
static inline const unsigned char *entry_key(const struct entry *e, size_t *len)
{
    const unsigned char *p = (const unsigned char *)(e + 1);

    if (likely(e->key_len8 != ENTRY_LONG)) {
        *len = e->key_len8;
        return p;
    }
    *len = *(const uint32_t *)(const void *)p;
    return p + sizeof(uint32_t);
}

static inline unsigned entry_flags(const struct entry *e)
{
    return e->kind_flags & 255;
}

static inline unsigned entry_kind(const struct entry *e)
{
    return e->kind_flags >> 8;
}

/* Which of a thread's counters are its kind's. */
static inline unsigned entry_kind_slot(const struct entry *e)
{
    return e->kind_flags >> 8 & (KIND_SLOTS - 1);
}

static inline size_t entry_cost(const struct entry *e)
{
    /* Relaxed: who changes it holds the value and knows of no order with who asks. */
    return atom_load_relaxed(&((struct entry *)(uintptr_t)e)->cost);
}

/*
 * entry_try_hold(e):
 * Hold the value unless it has left.  In a section, or with a count on ${e}.  Returns events; without HELD there is no
 * hold, but the others may be set: undoing it can make the caller the last.
 */
static inline unsigned entry_try_hold(struct entry *e)
{
    /* Acquire: who sees that it has left must see its successor (edge replace). */
    uint64_t s = PLANTED(entry_left_relaxed) ? atom_load_relaxed(&e->state) : atom_load_acquire(&e->state);

    if (unlikely(!(s & STATE_LINKED)))
        return 0;
    /*
     * Relaxed: this receives nothing.  Key, value and cost came with its address, or with the count that the
     * caller has (edge publish).  Must become acquire if memory is ever reused within a section.
     */
    s = atom_add_relaxed(&e->state, STATE_REF);
    if (unlikely(refs_of(s) >= ENTRY_COUNT_LIMIT))
        entry_panic_refs();
    if (PLANTED(entry_hold_unchecked))
        s |= STATE_LINKED;
    if (likely(s & STATE_LINKED))
        return ENTRY_HELD | (held_of(s) == 0 ? ENTRY_PIN : 0);
    return entry_undo_hold(e, s);
}

/*
 * entry_release(e):
 * Give back a hold.  In a section: after it, ${e} may be gone but for the section.  Returns UNPIN, LAST.
 */
static inline unsigned entry_release(struct entry *e)
{
    unsigned events;
    uint64_t s;

    /* Release: what was done with the value comes before its destruction (edge destroy). */
    if (PLANTED(entry_release_relaxed))
        s = atom_sub_relaxed(&e->state, STATE_REF);
    else
        s = atom_sub_release(&e->state, STATE_REF);
    if (unlikely(refs_of(s) == 0))
        entry_panic_release();
    events = held_of(s) == 1 ? ENTRY_UNPIN : 0;
    if (unlikely(refs_of(s) == 1 && !(s & STATE_DEAD)))
        events |= entry_try_die(e);
    return events;
}

static inline bool entry_is_linked(const struct entry *e)
{
    return (atom_load_acquire(&((struct entry *)(uintptr_t)e)->state) & STATE_LINKED) != 0;
}

/* Linked, and marked used already: all that a peek asks of an entry that is in use. */
static inline bool entry_is_in_use(const struct entry *e)
{
    uint64_t s = atom_load_acquire(&((struct entry *)(uintptr_t)e)->state);

    return (s & (STATE_LINKED | STATE_USED)) == (STATE_LINKED | STATE_USED);
}

/* Relaxed: eviction takes the bit as a hint.  Written only when it changes (G7). */
static inline void entry_mark_used(struct entry *e)
{
    if (unlikely(!(atom_load_relaxed(&e->state) & STATE_USED)))
        (void)atom_or_relaxed(&e->state, STATE_USED);
}

void entry_restamp(struct entry *e, uintptr_t next, uintptr_t stamp);

/*
 * entry_stamp(e, stamp):
 * It is used now: ${stamp} without birth.  Written only when that changes, once a frame (G7).  With a hold on ${e}, or
 * in a section.  Relaxed: a hint to eviction.
 */
static inline void entry_stamp(struct entry *e, uintptr_t stamp)
{
    uintptr_t next = atom_load_relaxed(&e->next);

    if (unlikely(((next ^ stamp) & STAMP_USE) != 0))
        entry_restamp(e, next, stamp);
}

static inline uintptr_t entry_stamped(const struct entry *e)
{
    return atom_load_relaxed(&((struct entry *)(uintptr_t)e)->next); /* relaxed: as above */
}

static inline uint32_t stamp_frame(uintptr_t stamp)
{
    return (uint32_t)(stamp >> STAMP_FRAME_SHIFT);
}

static inline uint8_t stamp_idle(uintptr_t stamp)
{
    return (uint8_t)(stamp >> STAMP_IDLE_SHIFT);
}

/* Its birth; 0: it has no stamp any more. */
static inline uint32_t entry_born(const struct entry *e)
{
    uintptr_t next = entry_stamped(e);

    return (next & (STAMP | STAMP_LINK)) == STAMP ? (uint32_t)(next >> STAMP_BORN_SHIFT) : 0;
}

static inline bool entry_is_held(const struct entry *e)
{
    return held_of(atom_load_acquire(&((struct entry *)(uintptr_t)e)->state)) != 0;
}

/*
 * entry_take_use(e):
 * True if it was found since the last call.  Relaxed, as entry_mark_used.
 */
static inline bool entry_take_use(struct entry *e)
{
    if (likely(!(atom_load_relaxed(&e->state) & STATE_USED)))
        return false;
    return (atom_and_relaxed(&e->state, ~STATE_USED) & STATE_USED) != 0;
}

/*
 * entry_has_key(e, key, len):
 * Whether its key is that.  Anonymous ones have none, and a length of 0.
 */
static inline bool entry_has_key(const struct entry *e, const void *key, size_t len)
{
    const unsigned char *p = (const unsigned char *)(e + 1), *q = (const unsigned char *)key;
    size_t own;

    if (likely(len - 8 <= 8)) /* most keys: two words that may overlap, no call */
        return e->key_len8 == len && ((entry_eight_bytes(p) ^ entry_eight_bytes(q)) |
                                      (entry_eight_bytes(p + len - 8) ^ entry_eight_bytes(q + len - 8))) == 0;
    p = entry_key(e, &own);
    return own == len && !(entry_flags(e) & ENTRY_ANONYMOUS) && (len == 0 || memcmp(p, key, len) == 0);
}

/* ---- Lists of entries that have left, by `next': odd, so that readers who come by look the key up anew */

struct entry_list {
    struct entry *head, *tail;
};

static inline void entry_list_push(struct entry_list *l, struct entry *e)
{
    /* Release: a reader who meets the link sees, looking anew, what replaced the entry (edge replace). */
    atom_store_release(&e->next, (uintptr_t)1);
    if (l->tail != NULL)
        atom_store_release(&l->tail->next, (uintptr_t)e | 1);
    else
        l->head = e;
    l->tail = e;
}

/* Move all of ${from} behind ${l}. */
static inline void entry_list_join(struct entry_list *l, struct entry_list *from)
{
    if (from->head == NULL)
        return;
    if (l->tail != NULL)
        atom_store_release(&l->tail->next, (uintptr_t)from->head | 1);
    else
        l->head = from->head;
    l->tail = from->tail;
    from->head = from->tail = NULL;
}

/* The one after ${e}, or NULL. */
static inline struct entry *entry_list_next(struct entry *e)
{
    return (struct entry *)(atom_load_relaxed(&e->next) & ~(uintptr_t)1); /* relaxed: the list is ours */
}

static inline struct entry *entry_list_pop(struct entry_list *l)
{
    struct entry *e = l->head;

    if (e != NULL) {
        l->head = entry_list_next(e);
        if (l->head == NULL)
            l->tail = NULL;
    }
    return e;
}

#endif
