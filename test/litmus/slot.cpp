// SPDX-License-Identifier: MIT
//
// A slot that is read, exchanged and looked through at once: every count is given back, the entries are freed once,
// and nobody gets a key of what is freed.  The memory outlives the run: sections are epoch.cpp's.
#include "litmus.h"

#include "entry/entry.c"
#include "entry/slot.c"

template <typename Self, int THREADS> struct named : rl::test_suite<Self, THREADS> {
    entry e[2];
    slot s;
    rl::var<int> content[2]; // what who has put it there has written
    rl::atomic<int> freed[2];

    // ${refs} of the first are the threads'.
    void make(unsigned refs)
    {
        for (int i = 0; i < 2; i++) {
            entry_init(&e[i], "", 0, NULL, 1);
            entry_publish(&e[i], i == 0 ? refs : 0, 1);
            freed[i]($) = 0;
        }
        content[0]($) = 1;
        s.entry.v($) = &e[0]; // owns its key; the other's is thread 1's
    }

    void drop(entry *x)
    {
        if (x != NULL && entry_drop_key(x))
            RL_ASSERT(freed[x - e].fetch_add(1, rl::memory_order_relaxed) == 0);
    }

    void use(entry *x)
    {
        RL_ASSERT(freed[x - e].load(rl::memory_order_relaxed) == 0);
        RL_ASSERT(content[x - e]($) == 1);
        interesting++;
        drop(x);
    }
};

struct harness : named<harness, 3> {
    void before()
    {
        make(0);
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            entry *x = slot_load_key(&s);
            if (x != NULL)
                use(x);
        } else if (i == 1) {
            content[1]($) = 1;
            if (slot_compare_exchange(&s, &e[0], &e[1]))
                drop(&e[0]);
            else
                drop(&e[1]);
            drop(slot_exchange(&s, NULL));
        } else { // both leave, unheld; the slot is emptied
            entry *x = slot_exchange(&s, NULL);
            if (x != NULL)
                use(x);
            for (int n = 0; n < 2; n++)
                if (entry_try_evict(&e[n]))
                    drop(&e[n]);
        }
    }

    void after()
    {
        RL_ASSERT(freed[0].load(rl::memory_order_relaxed) == 1);
        RL_ASSERT(freed[1].load(rl::memory_order_relaxed) == 1);
    }
};

// The second takes the first's place in the slot, and only then the first leaves, without a successor: one of both is found.
template <typename Self, bool HELD> struct handed_over : named<Self, 2> {
    typedef named<Self, 2> base;
    using base::e, base::s, base::drop;

    void before()
    {
        base::make(HELD);
    }

    bool find() // as brim_slot_find
    {
        for (;;) {
            entry *x = slot_peek(&s);
            unsigned events = entry_try_hold(x);
            if ((events & ENTRY_LAST) || ((events & ENTRY_HELD) && (entry_release(x) & ENTRY_LAST)))
                drop(x);
            if (events & ENTRY_HELD)
                return true;
            interesting++;
            if (slot_peek(&s) == x)
                return false;
        }
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            RL_ASSERT(find());
            return;
        }
        entry *old = slot_exchange(&s, &e[1]);
        if (HELD ? entry_remove_last(old) : entry_try_evict(old))
            drop(old);
        else if (HELD && (entry_release(old) & ENTRY_LAST))
            drop(old);
        drop(old); // the slot's, which it has kept: to drop it would be a release, too
    }
};
struct evicted : handed_over<evicted, false> {
};
struct removed : handed_over<removed, true> {
};

LITMUS(litmus_part<evicted, 20000, 3>,
       litmus_part<removed, 20000, 3>,
       litmus_part<harness, 200000, 2>)
