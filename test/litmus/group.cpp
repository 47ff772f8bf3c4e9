// SPDX-License-Identifier: MIT
//
// Groups and ages.  Of a closing and a load that begins one sees the other; who sees that a group was invalidated sees
// what was done before; what somebody has seen expired nobody's late use brings back; a group ends after all use of it.
#include "litmus.h"

#include "entry/extra.c"

#define BRIM_CACHE_CACHE_H // what group.c needs of a cache
struct thread;
struct tally {
    int none;
};
struct brim_cache {
    brim_allocator mem;
    tally live;
    ATOM(uint64_t) group_clock;
    struct {
        ATOM(uint64_t) invalidations;
    } common;
};
static rl::var<int> *group_memory; // of the running schedule; NULL: no group ends
static void free_group()
{
    RL_ASSERT((*group_memory)($) == 1);
    (*group_memory)($) = 0;
}
#define _Alignof alignof
#define mem_alloc_zeroed(mem, n, align) NULL
#define mem_free(mem, p, n, align) free_group()
#define thread_self() NULL
#define tally_add(tally, thread) ((void)(tally))
#define cache_drop_live(cache, thread) ((void)(cache))

#include "cache/group.c"

// A group of a cache, and an entry in it.
template <typename Self, int THREADS> struct one_group : rl::test_suite<Self, THREADS> {
    brim_cache c;
    brim_group g;
    struct grouped { // what it has follows at once: its key is empty
        entry e;
        uint64_t count;
        extra_member member[1];
    } x;

    void before()
    {
        group_memory = NULL;
        atom_store_relaxed(&c.group_clock, 0);
        atom_store_relaxed(&c.common.invalidations, 0);
        g.cache = &c;
        atom_store_relaxed(&g.counts, 1);
        atom_store_relaxed(&g.raised, 0);
        atom_store_relaxed(&g.state.generation, 0);
        atom_store_relaxed(&g.state.loads, 0);
        x.e.key_len8 = 0;
        x.e.kind_flags = ENTRY_GROUPS;
        x.count = 1;
        x.member[0].group = &g.state;
        x.member[0].generation = 0;
    }
};

// The program closes what the group's loads read from, once the group is closed and none is under way; so does another
// of its threads.
struct closing : one_group<closing, 3> {
    rl::var<int> file[2];

    void before()
    {
        one_group::before();
        file[0]($) = file[1]($) = 1;
    }

    void thread(unsigned i)
    {
        if (i < 2) {
            brim_group_close(&g);
            if (brim_group_loads(&g) == 0)
                file[i]($) = 0;
        } else if (extra_load_begins(&x.e)) {
            RL_ASSERT(file[0]($) == 1);
            RL_ASSERT(file[1]($) == 1);
            interesting++;
            extra_load_ends(&x.e);
        }
    }
};

// A look-up that finds it invalidated; a sweep that is told so, and will not look again.
struct invalidation : one_group<invalidation, 3> {
    rl::var<int> before_it;

    void before()
    {
        one_group::before();
        before_it($) = 0;
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            before_it($) = 1;
            brim_group_invalidate(&g);
        } else if (i == 1) {
            if (extra_look(&x.e, 0, false) == EXTRA_STALE_GROUP) {
                RL_ASSERT(before_it($) == 1);
                interesting++;
            }
        } else if (atom_load_acquire(&c.common.invalidations) != 0) { // as shard_sweep_stale
            RL_ASSERT(extra_look(&x.e, 0, false) == EXTRA_STALE_GROUP);
        }
    }
};

// A load whose result is to be in the group only when it is done, of what is changed and the group invalidated meanwhile;
// somebody else invalidates it too.
struct late : one_group<late, 3> {
    rl::atomic<int> source;
    int loaded;
    bool joined;

    void before()
    {
        one_group::before();
        source($) = 1;
        joined = false;
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            brim_entry_options o = {};
            struct extra found = {};
            uint64_t claimed = atom_load_acquire(&c.group_clock); // as load_alloc
            loaded = source.load(rl::memory_order_relaxed);
            o.group = &g;
            joined = group_join(&c, &o, &found) == BRIM_OK && !groups_raised_since(&found, claimed);
            x.member[0] = found.member[0];
        } else if (i == 1) {
            source.store(2, rl::memory_order_relaxed);
            brim_group_invalidate(&g);
        } else {
            brim_group_invalidate(&g);
        }
    }

    void after()
    {
        if (joined && extra_look(&x.e, 0, false) == EXTRA_FRESH) {
            RL_ASSERT(loaded == 2);
            interesting++;
        }
    }
};

// The last of a group's handles and entries frees it, after all use of it.
struct dropped : one_group<dropped, 2> {
    rl::var<int> memory;

    void before()
    {
        one_group::before();
        memory($) = 1;
        group_memory = &memory;
        (void)brim_group_copy(&g);
    }

    void thread(unsigned)
    {
        RL_ASSERT(memory($) == 1);
        brim_group_drop(&g);
    }

    void after()
    {
        RL_ASSERT(memory($) == 0);
        interesting++;
    }
};

// One has read the time when the entry was not too old, and uses it late.
struct expiry : rl::test_suite<expiry, 3> {
    struct aged {
        entry e;
        extra_ages a;
    } x;

    void before()
    {
        x.e.key_len8 = 0;
        x.e.kind_flags = ENTRY_AGES;
        x.a.born = 1;
        x.a.max_age = 0;
        x.a.max_idle = 10;
        atom_store_relaxed(&x.a.used, 1);
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            (void)extra_look(&x.e, 10, true);
        } else if (extra_look(&x.e, 11, i == 1) == EXTRA_STALE_AGE) {
            interesting++;
            RL_ASSERT(extra_look(&x.e, 10, false) == EXTRA_STALE_AGE);
        }
    }
};

LITMUS(litmus_part<closing, 50000, 3>,
       litmus_part<invalidation, 20000, 4>,
       litmus_part<late, 50000, 2>,
       litmus_part<dropped, 10000, 4>,
       litmus_part<expiry, 50000, 3>)
