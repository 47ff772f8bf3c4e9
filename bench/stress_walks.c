/* SPDX-License-Identifier: MIT */
#include "stress_use.h"

#include <inttypes.h>

struct walk {
    struct lane *lane;
    uint64_t salt, calls, own, left;
};

static bool sweep_some(brim_ref *lent, void *arg)
{
    struct walk *walk = arg;
    const struct value *v = value_check_ref(walk->lane->phase, lent);
    walk->calls++;
    const bool spared = (v->id & ID_ANONYMOUS) == 0 && phase_is_kept(walk->lane->phase, v->id);
    return !spared && rng_mix(v->serial ^ walk->salt) % 32 == 0;
}

void use_remove_if(struct lane *l)
{
    struct walk walk = {.lane = l, .salt = rng_next(&l->rng)};
    const size_t removed = brim_remove_if(l->phase->cache, sweep_some, &walk);
    if (removed > walk.calls)
        stress_violation(l->phase, "remove_if removes %zu of %" PRIu64 " that it saw", removed, walk.calls);
}

static bool visit(brim_ref *lent, void *arg)
{
    struct walk *walk = arg;
    struct lane *l = walk->lane;
    const struct value *v = value_check_ref(l->phase, lent);
    walk->calls++;
    if ((v->id & ID_ANONYMOUS) == 0 && phase_is_kept(l->phase, v->id) && phase_owner(l->phase, v->id) == l->number)
        walk->own++;
    if (rng_below(&l->rng, 64) == 0)
        lane_hit(l, brim_ref_copy(lent));
    if (walk->left == 0)
        return true;
    walk->left--;
    return walk->left != 0;
}

/* What is there throughout is visited exactly once: in a calm phase, the kept keys of this lane. */
void use_for_each(struct lane *l)
{
    const struct phase *p = l->phase;
    struct walk walk = {.lane = l, .left = p->shape->calm ? 0 : rng_below(&l->rng, 1000)};
    uint64_t expected = 0;
    (void)brim_for_each(p->cache, visit, &walk);
    if (!p->shape->calm)
        return;
    for (uint64_t id = 2; id < p->ids; id += 4)
        if (phase_owner(p, id) == l->number && p->id[id].present != 0)
            expected++;
    if (walk.own != expected)
        stress_violation(p, "for_each visits %" PRIu64 " of %" PRIu64 " that are there throughout", walk.own,
                         expected);
}
