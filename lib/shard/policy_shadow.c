/* SPDX-License-Identifier: MIT */
#include "shard/policy_shadow.h"

#include <string.h>

#include "base/hash.h"

void shadow_init(struct shadow *s, brim_objective objective, const struct policy_mode *mode, uint64_t seed)
{
    guard_is_alone();
    policy_init(&s->policy, objective, seed, NULL);
    s->policy.mode = mode;
    (void)policy_take_ghosts(&s->policy, &s->ghosts, SHADOW_ENTRIES);
    ghosts_init(&s->ghosts, SHADOW_ENTRIES);
}

/* A shadow's policy is the shadow's, not a shard's. */
static void own_policy(void) ASSERTS(rank_shard)
{
}

void shadow_resize(struct shadow *s, double capacity, unsigned most, unsigned ghosts_for)
{
    uint32_t before = s->ghosts.buckets;

    own_policy();
    ghosts_for = ghosts_for < SHADOW_ENTRIES ? ghosts_for : SHADOW_ENTRIES;
    s->capacity = capacity;
    s->most = most < SHADOW_MOST ? most : SHADOW_MOST;
    ghosts_init(&s->ghosts, ghosts_for);
    if (s->ghosts.buckets != before)
        memset(s->buckets, 0, sizeof s->buckets); /* what is remembered lies elsewhere now */
    (void)policy_take_ghosts(&s->policy, &s->ghosts, ghosts_for > 0 ? ghosts_for : 1);
}

void shadow_scale(struct shadow *s, double part)
{
    s->capacity *= part;
    if (s->most < SHADOW_MOST)
        s->most = (unsigned)(s->most * part);
}

static bool is_there(const struct shadow *s, unsigned i) REQUIRES(rank_adapt)
{
    return entry_is_linked(&s->entry[i]);
}

static struct entry *find(struct shadow *s, uint32_t place) REQUIRES(rank_adapt)
{
    for (unsigned i = 0; i < SHADOW_MOST; i++)
        if (s->place[i] == place && is_there(s, i))
            return &s->entry[i];
    return NULL;
}

static void evict(struct shadow *s) REQUIRES(rank_adapt, rank_shard)
{
    struct entry *sample[POLICY_SAMPLE], *e;
    unsigned n = 0, i = (unsigned)(hash_random(&s->policy.random) % SHADOW_MOST);

    for (unsigned looks = 0; looks < SHADOW_MOST && n < POLICY_SAMPLE; looks++, i = i + 1 < SHADOW_MOST ? i + 1 : 0)
        if (is_there(s, i))
            sample[n++] = &s->entry[i];
    policy_consider(&s->policy, sample, n);
    e = policy_next(&s->policy);
    policy_evicted(&s->policy, e, true);
    (void)entry_unlink(e);
    s->used -= (double)entry_cost(e);
    s->count--;
}

static void put(struct shadow *s, const struct entry *asked) REQUIRES(rank_adapt, rank_shard)
{
    struct entry *e;
    unsigned i = 0;

    while (is_there(s, i))
        i++;
    e = &s->entry[i];
    s->place[i] = asked->place;
    entry_init(e, NULL, 0, NULL, entry_cost(asked));
    e->place = asked->place;
    e->work = asked->work;
    e->kind_flags = asked->kind_flags;
    entry_publish(e, 0, 0);
    policy_admit(&s->policy, e, NULL);
    s->used += (double)entry_cost(e);
    s->count++;
}

bool shadow_request(struct shadow *s, const struct entry *asked)
{
    struct entry *e = find(s, asked->place);
    double cost = (double)entry_cost(asked);

    if (e != NULL) {
        entry_mark_used(e);
        return true;
    }
    if (cost > s->capacity || s->most == 0)
        return false;
    while (s->count > 0 && (s->used + cost > s->capacity || s->count >= s->most))
        evict(s);
    put(s, asked);
    return false;
}
