/* SPDX-License-Identifier: MIT
 *
 * What harnesses of a shard share: its files over Relacy, but for what evicts and adapts, with as little as they need of
 * threads, counters and memory.
 */
#ifndef BRIM_TEST_LITMUS_SHARD_H
#define BRIM_TEST_LITMUS_SHARD_H

#include "process.h"

#define BRIM_PART_STRIPE_H
struct stripe {
    int none;
};
#define stripe_add(st, field, n) ((void)(st))

#define BRIM_PART_TALLY_H
struct tally;
static void tally_adjust(struct tally *, struct thread *, size_t)
{
}

#define BRIM_BASE_CLOCK_H
#define clock_pause(ns) ((void)0)

#define BRIM_BASE_MEM_H
static void *(*table_memory)(size_t n) = [](size_t) -> void * { return NULL; };
static void (*table_memory_back)(void *) = [](void *) {};
#define mem_alloc_zeroed(mem, n, align) ((struct table *)table_memory(n))
#define mem_free(mem, p, n, align) table_memory_back(p)

#include "entry/entry.c"
#include "entry/extra.c"
#include "shard/budget.c"
#include "shard/limit.c"
#include "shard/index.c"
#include "shard/policy_ghosts.c"
#include "shard/policy.c"

// Nothing is evicted: there is nothing to adapt to.
void adapt_count(policy_adapt *, const entry *)
{
}
uint64_t hash_random(uint64_t *)
{
    return 0;
}

#define state_of flight_state_of // entry.c has one of its own
#include "shard/shard_locked.h"
// By function, so that each can leave the mutex out.
#define shard_lock(sh) lock_acquire(&(sh)->lock)
#define shard_unlock(sh) lock_release(&(sh)->lock)
#include "shard/flight.c"
#include "shard/shard_load.c"
#undef state_of
#include "shard/shard.c"

void shard_free_ghosts(struct shard *, struct ghosts *)
{
}

// A shard's index, of one bucket, and a second table to copy it to.
struct shard_room {
    index_root root;
    struct {
        table t;
        bucket b[1];
    } tables[2];

    void make(shard *sh, shard_common *common)
    {
        for (int i = 0; i < 2; i++) {
            index_table_init(&tables[i].t, 1);
            for (int j = 0; j < INDEX_ENTRIES; j++)
                tables[i].b[0].entry[j].v($) = NULL;
            tables[i].b[0].tags[0].v($) = tables[i].b[0].tags[1].v($) = 0;
        }
        index_init(&sh->index, &root, &tables[0].t, 0);
        policy_init(&sh->policy, BRIM_HITS, 1, NULL);
        common->entries = NULL;
        common->limit_of = NULL;
        common->protect = false;
        atom_store_relaxed(&common->limits, 0);
        atom_store_relaxed(&common->queues, 0);
        atom_store_relaxed(&common->invalidations, 0);
        sh->common = common;
        shared_set(sh->closed, false);
        sh->flights = (struct flights){NULL, NULL, NULL};
        sh->loading = 0;
        sh->fresh = sh->fresh_frame = 0;
        atom_store_relaxed(&sh->flying, 0);
        sh->pass_expiry = UINT64_MAX;
        atom_store_relaxed(&sh->used, 0);
        atom_store_relaxed(&sh->count, 0);
        atom_store_relaxed(&sh->bytes, 0);
        atom_store_relaxed(&sh->clean_of, 0);
        atom_store_relaxed(&sh->next_expiry, UINT64_MAX);
    }
};

struct keyed {
    entry e; // the key follows at once
    unsigned char key[4];

    void make(char k, int value)
    {
        entry_init(&e, &k, 1, (void *)(intptr_t)value, 1);
        e.place = 1;
        e.kind_flags = 1 << ENTRY_PRIORITY_SHIFT;
    }
};

static const uint64_t keyed_tag = 7, keyed_hash = keyed_tag << INDEX_TAG_SHIFT | 1;

static int value_of(const entry *e)
{
    return (int)(intptr_t)shared_get(const_cast<entry *>(e)->value);
}

#endif
