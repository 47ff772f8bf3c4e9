/* SPDX-License-Identifier: MIT */
#include "cache/group.h"

#define STEP ((uint64_t)2)

struct brim_group {
    struct group_state state;
    ATOM(uint64_t) counts; /* handles, entries and loads that name it */
    ATOM(uint64_t) raised; /* when its generation rose last, on the cache's group_clock */
    struct brim_cache *cache; /* constant */
};

static struct brim_group *group_of(struct group_state *s)
{
    return (struct brim_group *)(void *)s;
}

static void count(struct brim_group *g)
{
    (void)atom_add_relaxed(&g->counts, (uint64_t)1); /* relaxed: the caller's own count keeps it */
}

static void drop(struct brim_group *g)
{
    struct brim_cache *c = g->cache;
    uint64_t counts;

    /* Release: our use of it comes before its end; acquire: everybody else's (edge free). */
    if (PLANTED(group_drop_relaxed))
        counts = atom_sub_relaxed(&g->counts, (uint64_t)1);
    else
        counts = atom_sub_acq_rel(&g->counts, (uint64_t)1);
    if (counts != 1)
        return;
    mem_free(&c->mem, g, sizeof *g, _Alignof(struct brim_group));
    cache_drop_live(c, thread_self());
}

brim_group *brim_group_new(brim_cache *c)
{
    brim_group *g;

    if (c == NULL || (g = mem_alloc_zeroed(&c->mem, sizeof *g, _Alignof(struct brim_group))) == NULL)
        return NULL;
    g->cache = c;
    atom_store_relaxed(&g->counts, 1); /* relaxed: it is the caller's alone */
    tally_add(&c->live, thread_self());
    return g;
}

brim_group *brim_group_copy(brim_group *g)
{
    if (g != NULL)
        count(g);
    return g;
}

void brim_group_drop(brim_group *g)
{
    if (g != NULL)
        drop(g);
}

/* ---- Invalidation */

/*
 * Before the generation rises: who claimed before this call has an older time, and sees this one once we have returned.
 * Release: who claimed with this time, or a later one, sees what was changed before the call (edge late).  The latest
 * stays, whoever writes last.
 */
static void note_time(struct brim_group *g)
{
    uint64_t time, was = atom_load_relaxed(&g->raised);

    if (PLANTED(group_time_relaxed))
        time = atom_add_relaxed(&g->cache->group_clock, (uint64_t)1) + 1;
    else
        time = atom_add_release(&g->cache->group_clock, (uint64_t)1) + 1;
    if (PLANTED(group_time_stores))
        atom_store_relaxed(&g->raised, time);
    while (was < time && !atom_cas_relaxed(&g->raised, &was, time)) {
    }
}

/*
 * Release: what was done before (edges group, late).  After it the sweeps are told; release: they look at the generation.
 * Nothing is read after either that would have to be acquired.
 */
static void raise_generation(struct brim_group *g, uint64_t by)
{
    uint64_t now = atom_load_relaxed(&g->state.generation); /* relaxed: what is closed stays so */

    if (!PLANTED(group_time_late))
        note_time(g);
    do
        if (now & GROUP_CLOSED)
            return;
    while (!atom_cas_release(&g->state.generation, &now, now + by));
    if (PLANTED(group_time_late))
        note_time(g);
    (void)atom_add_release(&g->cache->common.invalidations, (uint64_t)1);
}

void brim_group_invalidate(brim_group *g)
{
    if (g != NULL)
        raise_generation(g, STEP);
}

void brim_group_close(brim_group *g)
{
    if (g != NULL)
        raise_generation(g, STEP | GROUP_CLOSED);
}

size_t brim_group_loads(brim_group *g)
{
    /*
     * A read-modify-write, though it changes nothing: a load that begins either comes before it, and is counted, or after
     * it, and acquires our closing.  Acquire: what the loads that have ended did is done (edge close).
     */
    return g != NULL ? (size_t)atom_add_acq_rel(&g->state.loads, (uint64_t)0) : 0;
}

/* ---- Members */

static bool names(const struct extra *x, const struct brim_group *g)
{
    for (unsigned i = 0; i < x->groups; i++)
        if (x->member[i].group == &g->state)
            return true;
    return false;
}

static brim_status join(const struct brim_cache *c, brim_group *g, struct extra *x)
{
    uint64_t generation;

    if (g == NULL)
        return BRIM_OK;
    if (g->cache != c)
        return BRIM_INVALID;
    if (names(x, g))
        return BRIM_OK;
    /* Acquire: with the generation comes when it rose (edge late). */
    generation = PLANTED(group_join_relaxed) ? atom_load_relaxed(&g->state.generation)
                                             : atom_load_acquire(&g->state.generation);
    if (generation & GROUP_CLOSED)
        return BRIM_CANCELED;
    x->member[x->groups].group = &g->state;
    x->member[x->groups++].generation = generation;
    return BRIM_OK;
}

brim_status group_join(const struct brim_cache *c, const brim_entry_options *o, struct extra *x)
{
    brim_status worst = join(c, o->group, x);

    x->groups = worst == BRIM_OK ? x->groups : 0;
    for (size_t i = 0; i < sizeof o->more_groups / sizeof o->more_groups[0]; i++) {
        brim_status status = worst == BRIM_INVALID ? BRIM_INVALID : join(c, o->more_groups[i], x);
        worst = status == BRIM_INVALID || worst == BRIM_OK ? status : worst;
    }
    return worst;
}

brim_status groups_renew(struct extra *x)
{
    brim_status status = BRIM_OK;

    for (unsigned i = 0; i < x->groups; i++) {
        x->member[i].generation = atom_load_acquire(&x->member[i].group->generation);
        if (x->member[i].generation & GROUP_CLOSED)
            status = BRIM_CANCELED;
    }
    return status;
}

bool groups_raised_since(const struct extra *x, uint64_t time)
{
    for (unsigned i = 0; i < x->groups; i++)
        if (atom_load_relaxed(&group_of(x->member[i].group)->raised) > time) /* relaxed: see raise_generation */
            return true;
    return false;
}

void groups_count(const struct extra *x)
{
    for (unsigned i = 0; i < x->groups; i++)
        count(group_of(x->member[i].group));
}

void groups_drop(struct entry *e)
{
    struct extra_groups *g = extra_groups_of(e);

    for (uint64_t i = 0; i < g->count; i++)
        drop(group_of(g->member[i].group));
}
