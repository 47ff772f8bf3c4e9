/* SPDX-License-Identifier: MIT */
#include "cache/section.h"

#include "cache/dispose.h"
#include "cache/registry.h"

/* ---- The cache's end */

/* Relaxed: the lock orders them. */
static bool is_first_to_find_it_over_locked(struct brim_cache *c) REQUIRES(rank_limbo)
{
    if (atom_load_relaxed(&c->sections_over) || !limbo_is_quiet(&c->stripes))
        return false;
    atom_store_relaxed(&c->sections_over, 1);
    return true;
}

/* Once, when the cache has been freed and no section is left in it.  The caller keeps it alive. */
static void end_if_over(struct brim_cache *c)
{
    bool over;

    limbo_lock(&c->limbo);
    over = is_first_to_find_it_over_locked(c);
    limbo_unlock(&c->limbo);
    if (over)
        cache_drop_live(c, thread_self());
}

/* What the end of a section leaves to do.  The caller keeps the cache alive. */
static void after_section(struct brim_cache *c)
{
    dispose_waiting(c, NULL);
    if (atom_load_seq_cst(&c->freed))
        end_if_over(c);
}

void section_forbid(struct brim_cache *c)
{
    /* Sequentially consistent: a section that is seen open after this sees it when it ends (edge last). */
    atom_store_seq_cst(&c->freed, 1);
    after_section(c);
}

/* ---- Begin and end */

static bool has_work(const struct brim_cache *c)
{
    /* Sequentially consistent: after epoch_leave_seen. */
    return limbo_count(&c->limbo) != 0 || atom_load_seq_cst(&((struct brim_cache *)(uintptr_t)c)->freed);
}

/*
 * The section is the outermost.  Once it is over another thread may end the cache, if that was freed: so whoever may
 * have something to do counts the cache alive before, or in a section of the process's domain.
 */
static void leave(struct brim_cache *c, struct thread *t, struct stripe *st)
{
    bool work = has_work(c);

    t->borrowing--;
    if (unlikely(work))
        tally_add(&c->live, t);
    section_enter(t);
    epoch_leave_seen(&st->section);
    if (!PLANTED(section_looks_first) && !work && unlikely(has_work(c)))
        work = tally_try_add(&c->live, t);
    section_leave(t);
    if (unlikely(work)) {
        after_section(c);
        cache_drop_live(c, t);
    }
}

brim_status brim_read_begin(brim_cache *c)
{
    struct thread *t = thread_self();
    struct stripe *st;
    uint64_t nesting;

    if (c == NULL || unlikely(atom_load_relaxed(&c->freed))) /* relaxed: the caller knows, or it is not yet */
        return BRIM_INVALID;
    if (!c->borrow)
        return BRIM_UNSUPPORTED;
    st = stripe_of(&c->stripes, t);
    if (unlikely(st->shared))
        return BRIM_NOMEM;
    nesting = atom_load_relaxed(&st->nesting);
    if (nesting == 0) {
        epoch_enter(&c->limbo.values, &st->section);
        t->borrowing++;
    }
    atom_store_relaxed(&st->nesting, nesting + 1);
    return BRIM_OK;
}

void brim_read_end(brim_cache *c)
{
    struct thread *t = thread_self();
    struct stripe *st = section_of(c, t);
    uint64_t nesting;

    if (st == NULL)
        return;
    nesting = atom_load_relaxed(&st->nesting);
    atom_store_relaxed(&st->nesting, nesting - 1);
    if (nesting == 1)
        leave(c, t, st);
}

/* It is never seen outside, so the cache stays, also one that has been freed. */
void brim_read_refresh(brim_cache *c)
{
    struct stripe *st = section_of(c, thread_self());

    if (st == NULL || atom_load_relaxed(&st->nesting) != 1)
        return;
    if (likely(limbo_count(&c->limbo) == 0)) {
        epoch_refresh(&c->limbo.values, &st->section);
        return;
    }
    limbo_refresh(&c->limbo, &st->section);
    dispose_waiting(c, NULL);
}

/* ---- Threads that end */

static bool has_section(struct brim_cache *c, void *arg)
{
    struct thread *t = arg;

    if (!c->borrow || atom_load_relaxed(&stripe_ready(&c->stripes, t)->nesting) == 0)
        return false;
    tally_add(&c->live, t); /* its section keeps it alive still */
    return true;
}

static void thread_ends(struct thread *t)
{
    struct brim_cache *c;

    while (t->borrowing != 0 && /* not covered: it finds one, as a section keeps its cache alive */
           (c = registry_find(has_section, t)) != NULL) {
        struct stripe *st = stripe_ready(&c->stripes, t);
        atom_store_relaxed(&st->nesting, 0);
        leave(c, t, st);
        cache_drop_live(c, t);
    }
}

void section_allow(struct brim_cache *c)
{
    tally_add(&c->live, thread_self()); /* for all sections */
    thread_on_exit(thread_ends);
}
