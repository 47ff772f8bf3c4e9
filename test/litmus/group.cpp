// SPDX-License-Identifier: MIT
//
// Groups and ages, as entries look at them.  Of a closing and a load that begins one sees the other; who sees that a
// group was invalidated sees what was done before; what somebody has seen expired nobody's late use brings back.
// plant: extra_load_relaxed
// plant: extra_load_looks_first
// plant: extra_generation_relaxed
// plant: extra_use_stores
// plant: extra_expiry_unsaid
#include "litmus.h"

#include "entry/extra.c"

struct grouped { // what it has follows at once: its key is empty
    entry e;
    uint64_t count;
    extra_member member[1];
};

static void group(grouped *g, group_state *s)
{
    atom_store_relaxed(&s->generation, 0);
    atom_store_relaxed(&s->loads, 0);
    g->e.key_len8 = 0;
    g->e.kind_flags = ENTRY_GROUPS;
    g->count = 1;
    g->member[0].group = s;
    g->member[0].generation = 0;
}

// The program closes what the group's loads read from, once the group is closed and none is under way.
struct closing : rl::test_suite<closing, 2> {
    grouped g;
    group_state s;
    rl::var<int> file;

    void before()
    {
        group(&g, &s);
        file($) = 1;
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            (void)atom_add_seq_cst(&s.generation, 2 | GROUP_CLOSED); // as brim_group_close
            if (atom_load_seq_cst(&s.loads) == 0)
                file($) = 0;
        } else if (extra_load_begins(&g.e)) {
            RL_ASSERT(file($) == 1);
            interesting++;
            extra_load_ends(&g.e);
        }
    }
};

struct invalidation : rl::test_suite<invalidation, 2> {
    grouped g;
    group_state s;
    rl::var<int> before_it;

    void before()
    {
        group(&g, &s);
        before_it($) = 0;
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            before_it($) = 1;
            (void)atom_add_seq_cst(&s.generation, 2); // as brim_group_invalidate
        } else if (extra_look(&g.e, 0, false) == EXTRA_STALE_GROUP) {
            RL_ASSERT(before_it($) == 1);
            interesting++;
        }
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

int main(int argc, char **argv)
{
    int failed = litmus_main<closing>(argc, argv, 50000, 4);

    failed = failed != 0 ? failed : litmus_main<invalidation>(argc, argv, 20000, 4);
    return failed != 0 ? failed : litmus_main<expiry>(argc, argv, 50000, 3);
}
