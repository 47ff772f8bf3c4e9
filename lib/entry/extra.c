/* SPDX-License-Identifier: MIT */
#include "entry/extra.h"

enum { ALIGN = 8 };

static size_t key_end(size_t key_len)
{
    return (entry_size(key_len) + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static char *start_of(const struct entry *e)
{
    size_t len;

    (void)entry_key(e, &len);
    return (char *)(uintptr_t)e + key_end(len);
}

size_t extra_size(size_t key_len, const struct extra *x)
{
    unsigned flags = extra_flags(x);

    if (flags == 0)
        return entry_size(key_len);
    return key_end(key_len) + (flags & ENTRY_AGES ? sizeof(struct extra_ages) : 0) +
           (flags & ENTRY_GROUPS ? sizeof(struct extra_groups) + x->groups * sizeof(struct extra_member) : 0);
}

size_t extra_size_of(const struct entry *e)
{
    struct extra x;
    size_t len;

    (void)entry_key(e, &len);
    extra_read(e, &x);
    return extra_size(len, &x);
}

struct extra_ages *extra_ages_of(const struct entry *e)
{
    return entry_flags(e) & ENTRY_AGES ? (struct extra_ages *)(void *)start_of(e) : NULL;
}

struct extra_groups *extra_groups_of(const struct entry *e)
{
    size_t before = entry_flags(e) & ENTRY_AGES ? sizeof(struct extra_ages) : 0;

    return entry_flags(e) & ENTRY_GROUPS ? (struct extra_groups *)(void *)(start_of(e) + before) : NULL;
}

void extra_born(struct entry *e, uint64_t now)
{
    struct extra_ages *a = extra_ages_of(e);

    if (a == NULL)
        return;
    a->born = now;
    atom_store_relaxed(&a->used, now); /* relaxed: it is not published yet */
}

void extra_init(struct entry *e, const struct extra *x, uint64_t now)
{
    struct extra_ages *a = extra_ages_of(e);
    struct extra_groups *g = extra_groups_of(e);

    if (a != NULL) {
        a->max_age = x->max_age;
        a->max_idle = x->max_idle;
    }
    extra_born(e, now);
    if (g != NULL) {
        g->count = x->groups;
        for (unsigned i = 0; i < x->groups; i++)
            g->member[i] = x->member[i];
    }
}

void extra_read(const struct entry *e, struct extra *x)
{
    const struct extra_ages *a = extra_ages_of(e);
    const struct extra_groups *g = extra_groups_of(e);

    memset(x, 0, sizeof *x);
    if (a != NULL) {
        x->max_age = a->max_age;
        x->max_idle = a->max_idle;
    }
    if (g != NULL) {
        x->groups = (unsigned)g->count;
        for (unsigned i = 0; i < x->groups; i++)
            x->member[i] = g->member[i];
    }
}

/*
 * Acquire: who sees that a group was invalidated sees what was done before (edge group).  Coherence alone makes the
 * invalidation seen by all who come after its return.
 */
static bool is_invalidated(const struct extra_groups *g)
{
    for (uint64_t i = 0; i < g->count; i++) {
        uint64_t now = PLANTED(extra_generation_relaxed) ? atom_load_relaxed(&g->member[i].group->generation)
                                                         : atom_load_acquire(&g->member[i].group->generation);
        if (now != g->member[i].generation)
            return true;
    }
    return false;
}

static bool is_past(const struct extra_ages *a, uint64_t used, uint64_t now)
{
    return (a->max_age != 0 && now > a->born && now - a->born >= a->max_age) ||
           (a->max_idle != 0 && now > used && now - used >= a->max_idle);
}

/*
 * Relaxed, all: the word says no more than itself.  By compare-and-swap, so that what one call has found expired no
 * other uses: whichever comes first decides (edge expire).
 */
static bool is_expired(struct extra_ages *a, uint64_t now, bool use)
{
    uint64_t used = atom_load_relaxed(&a->used);

    for (;;) {
        if (used == EXTRA_EXPIRED)
            return true;
        if (now != 0 && is_past(a, used, now)) {
            if (PLANTED(extra_expiry_unsaid) || atom_cas_relaxed(&a->used, &used, EXTRA_EXPIRED))
                return true;
        } else if (use && a->max_idle != 0 && now > used && now - used >= a->max_idle / 8 + (a->max_idle < 8)) {
            if (PLANTED(extra_use_stores)) {
                atom_store_relaxed(&a->used, now);
                return false;
            }
            if (atom_cas_relaxed(&a->used, &used, now))
                return false;
        } else {
            return false;
        }
    }
}

enum extra_state extra_look(const struct entry *e, uint64_t now, bool use)
{
    struct extra_groups *g = extra_groups_of(e);
    struct extra_ages *a = extra_ages_of(e);

    if (g != NULL && is_invalidated(g))
        return EXTRA_STALE_GROUP;
    return a != NULL && is_expired(a, now, use) ? EXTRA_STALE_AGE : EXTRA_FRESH;
}

/* Release: what the load did comes before (edge close).  No more: which loads begin is settled where they do. */
void extra_load_ends(struct entry *e)
{
    struct extra_groups *g = extra_groups_of(e);

    for (uint64_t i = 0; g != NULL && i < g->count; i++)
        if (PLANTED(extra_load_ends_relaxed))
            (void)atom_sub_relaxed(&g->member[i].group->loads, (uint64_t)1);
        else
            (void)atom_sub_release(&g->member[i].group->loads, (uint64_t)1);
}

/*
 * Acquire: if its loads were counted before this, and there was none, the group was closed before, and we see it.  The
 * generation is read relaxed: no older one can be seen then (edge close).
 */
bool extra_load_begins(struct entry *e)
{
    struct extra_groups *g = extra_groups_of(e);
    bool closed = false;

    for (uint64_t i = 0; g != NULL && i < g->count; i++) {
        struct group_state *s = g->member[i].group;
        uint64_t generation;

        if (PLANTED(extra_load_looks_first))
            closed |= (atom_load_relaxed(&s->generation) & GROUP_CLOSED) != 0;
        if (PLANTED(extra_load_relaxed))
            (void)atom_add_relaxed(&s->loads, (uint64_t)1);
        else
            (void)atom_add_acquire(&s->loads, (uint64_t)1);
        generation = atom_load_relaxed(&s->generation);
        if (!PLANTED(extra_load_looks_first))
            closed |= (generation & GROUP_CLOSED) != 0;
    }
    if (closed)
        extra_load_ends(e);
    return !closed;
}

static uint64_t later(uint64_t from, uint64_t by)
{
    return by == 0 || from > UINT64_MAX - by ? UINT64_MAX : from + by;
}

uint64_t extra_expiry(const struct entry *e)
{
    const struct extra_ages *a = extra_ages_of(e);
    uint64_t used, age, idle;

    if (a == NULL)
        return UINT64_MAX;
    used = atom_load_relaxed(&((struct extra_ages *)(uintptr_t)a)->used); /* relaxed: a hint to the sweep */
    age = later(a->born, a->max_age);
    idle = used == EXTRA_EXPIRED ? 0 : later(used, a->max_idle);
    return age < idle ? age : idle;
}
