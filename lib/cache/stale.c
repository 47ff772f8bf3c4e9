/* SPDX-License-Identifier: MIT */
#include "cache/stale.h"

#include "cache/dispose.h"

bool stale_look(struct brim_cache *c, struct entry *e, bool use)
{
    uint64_t now = entry_flags(e) & ENTRY_AGES ? cache_now(c) : 0;

    return extra_look(e, now, use) != EXTRA_FRESH;
}

/* Two passes: the one under way may have begun before, and passed what has become stale since. */
static void sweep_shard(struct brim_cache *c, struct shard *sh, uint64_t now)
{
    for (int passes = 0; passes < 2; passes++) {
        bool more = shard_may_be_stale(sh, now);
        while (more) {
            struct entry_list left = {NULL, NULL};
            (void)shard_sweep_stale(sh, now, caller_of(c).st, &left);
            more = atom_load_relaxed(&sh->sweeping) != 0; /* relaxed: who sweeps beside us does our work */
            dispose(&left, NULL);
        }
    }
}

void stale_sweep_all(struct brim_cache *c)
{
    uint64_t now = cache_now_for_ages(c);

    for (unsigned i = 0; i < c->shard_count; i++)
        sweep_shard(c, &c->shards[i], now);
}
