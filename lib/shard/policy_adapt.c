/* SPDX-License-Identifier: MIT */
#include "shard/policy_adapt.h"

#include "shard/policy_shadow.h"

enum { SPAN = 512 /* of the fading sums, in requests: four times what a shadow holds */ };

static const float BENEFIT_MOST = 16;  /* times the mean: one absurd work decides little */
static const float ADVANTAGE = 4; /* misses, of the mean benefit: by so much a mode must be better than the first */

static void adapt_lock(struct policy_adapt *a) LOCKS(rank_adapt)
{
    lock_acquire(&a->lock);
}

static void adapt_unlock(struct policy_adapt *a) UNLOCKS(rank_adapt)
{
    lock_release(&a->lock);
}

bool adapt_init(struct policy_adapt *a, brim_objective objective, uint64_t seed)
{
    a->objective = objective;
    a->seed = seed;
    return lock_init(&a->lock, RANK_ADAPT);
}

void adapt_destroy(struct policy_adapt *a, const brim_allocator *mem)
{
    guard_is_alone();
    mem_free(mem, a->shadows, sizeof(struct shadow) * POLICY_MODES, GHOSTS_ALIGN);
    lock_destroy(&a->lock);
}

size_t adapt_bytes(const struct policy_adapt *a)
{
    struct policy_adapt *that = (struct policy_adapt *)(uintptr_t)a;

    return atom_load_relaxed(&that->entries) != 0 ? sizeof(struct shadow) * POLICY_MODES : 0; /* relaxed: a statistic */
}

/* Shards differ: who asks knows only its own. */
bool adapt_fits(struct policy_adapt *a, uint64_t entries)
{
    uint64_t made_for = atom_load_relaxed(&a->entries);

    return made_for != 0 && entries * 2 >= made_for && entries <= made_for * 2;
}

/* The shadow's entries are smaller than the cache's, since its mode is not the cache's: a smaller sample. */
static void shrink_locked(struct policy_adapt *a) REQUIRES(rank_adapt)
{
    const double part = 0.75;

    for (unsigned i = 0; i < POLICY_MODES; i++)
        shadow_scale(&a->shadows[i], part);
    atom_store_relaxed(&a->threshold, (uint32_t)(part * atom_load_relaxed(&a->threshold)) + 1);
}

static void resize_locked(struct policy_adapt *a, uint64_t entries, uint64_t used, bool exactly) REQUIRES(rank_adapt)
{
    double rate = entries > SHADOW_ENTRIES ? (double)SHADOW_ENTRIES / (double)entries : 1;
    unsigned holds = (unsigned)((double)entries * rate + 0.5);

    for (unsigned i = 0; i < POLICY_MODES; i++)
        shadow_resize(&a->shadows[i], (double)used * rate, exactly ? holds : SHADOW_MOST, holds);
    atom_store_relaxed(&a->threshold, rate < 1 ? (uint32_t)(rate * UINT32_MAX) + 1 : UINT32_MAX);
    atom_store_relaxed(&a->entries, entries);
}

void adapt_fit(struct policy_adapt *a, const brim_allocator *mem, uint64_t entries, uint64_t used, bool exactly)
{
    struct shadow *fresh = NULL;

    if (entries == 0)
        return;
    if (adapt_bytes(a) == 0) {
        fresh = mem_alloc_zeroed(mem, sizeof *fresh * POLICY_MODES, GHOSTS_ALIGN);
        if (fresh == NULL)
            return;
        for (unsigned i = 0; i < POLICY_MODES; i++)
            shadow_init(&fresh[i], a->objective, &policy_modes[i], a->seed + i);
    }
    adapt_lock(a);
    if (a->shadows == NULL) {
        a->shadows = fresh;
        fresh = NULL;
    }
    resize_locked(a, entries, used, exactly);
    adapt_unlock(a);
    mem_free(mem, fresh, sizeof *fresh * POLICY_MODES, GHOSTS_ALIGN);
}

/* The first, unless another has missed less by the advantage; which it may lose again before it is left. */
static unsigned choose_locked(const struct policy_adapt *a) REQUIRES(rank_adapt)
{
    unsigned now = atom_load_relaxed(&((struct policy_adapt *)(uintptr_t)a)->mode), best = 0;
    float margin = ADVANTAGE * a->mean_benefit, least = a->missed[0] - margin;

    for (unsigned i = 1; i < POLICY_MODES; i++) {
        float missed = a->missed[i] - (i == now ? margin : 0);
        if (missed < least) {
            least = missed;
            best = i;
        }
    }
    return best;
}

void adapt_count(struct policy_adapt *a, const struct entry *e)
{
    const float fade = 1 - 1.0f / (float)SPAN;
    bool crowded = false;
    float benefit;

    adapt_lock(a);
    benefit = policy_benefit(&a->shadows[0].policy, e);
    a->requests += a->requests < SPAN;
    if (a->mean_benefit > 0 && benefit > BENEFIT_MOST * a->mean_benefit)
        benefit = BENEFIT_MOST * a->mean_benefit;
    policy_follow(&a->mean_benefit, benefit, a->requests);
    for (unsigned i = 0; i < POLICY_MODES; i++) {
        a->missed[i] = a->missed[i] * fade + (shadow_request(&a->shadows[i], e) ? 0 : benefit);
        crowded = crowded || shadow_is_crowded(&a->shadows[i]);
    }
    if (crowded)
        shrink_locked(a);
    atom_store_relaxed(&a->mode, choose_locked(a));
    adapt_unlock(a);
}
