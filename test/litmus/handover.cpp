// SPDX-License-Identifier: MIT
//
// What passes through a slot: who looks at what it names, or finds that it names something else, sees what was done
// before that was put; who takes it out ends it after all use by who had put it.  Sections are epoch.cpp's.
#include "litmus.h"

#include "entry/entry.c"
#include "entry/slot.c"

template <typename Self> struct handed : rl::test_suite<Self, 2> {
    entry e;
    slot s;
    rl::var<int> content; // 1; 0 once it is freed

    void before()
    {
        entry_init(&e, "", 0, NULL, 1);
        entry_publish(&e, 0, 2);
        content($) = 1;
        atom_store_relaxed(&s.entry, NULL);
    }
};

// It is put, and peeked at.
struct peeked : handed<peeked> {
    void thread(unsigned i)
    {
        if (i == 0) {
            content($) = 2;
            RL_ASSERT(slot_exchange(&s, &e) == NULL);
            return;
        }
        entry *x = slot_peek(&s);
        if (x != NULL && (entry_try_hold(x) & ENTRY_HELD)) {
            RL_ASSERT(content($) == 2);
            interesting++;
            (void)entry_release(x);
        }
    }
};

// It is put, and another finds that the slot is not empty any more.
struct not_expected : handed<not_expected> {
    entry other;

    void thread(unsigned i)
    {
        if (i == 0) {
            content($) = 2;
            (void)slot_exchange(&s, &e);
            return;
        }
        if (!slot_compare_exchange(&s, NULL, &other)) {
            RL_ASSERT(content($) == 2);
            interesting++;
        }
    }
};

// Dead, it is put by the one, who has looked at it, and taken out by the other, who frees it with the last key.
struct taken : handed<taken> {
    void before()
    {
        handed::before();
        RL_ASSERT(entry_try_evict(&e) && !entry_drop_key(&e));
    }

    void drop()
    {
        if (entry_drop_key(&e))
            content($) = 0;
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            RL_ASSERT(content($) == 1);
            RL_ASSERT(slot_exchange(&s, &e) == NULL);
            return;
        }
        if (slot_compare_exchange(&s, &e, NULL)) {
            interesting++;
            drop();
        }
        drop();
    }

    void after()
    {
        if (slot_exchange(&s, NULL) != NULL)
            drop();
        RL_ASSERT(content($) == 0);
    }
};

LITMUS(litmus_part<peeked, 20000, 4>,
       litmus_part<not_expected, 20000, 4>,
       litmus_part<taken, 20000, 4>)
