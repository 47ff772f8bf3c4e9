// SPDX-License-Identifier: MIT
//
// A slot that is read, exchanged and looked through at once: every count is given back, the entries are freed once,
// and nobody gets a key of what is freed.  The memory outlives the run: sections are epoch.cpp's.
// plant: entry_key_of_freed
// plant: entry_key_relaxed
#include "litmus.h"

#include "entry/entry.c"
#include "entry/slot.c"

struct harness : rl::test_suite<harness, 3> {
    entry e[2];
    slot s;
    rl::atomic<int> freed[2];

    void before()
    {
        for (int i = 0; i < 2; i++) {
            entry_init(&e[i], "", 0, NULL, 1);
            entry_publish(&e[i], 0, 1);
            freed[i]($) = 0;
        }
        s.entry.v($) = &e[0]; // owns its key; the other's is thread 1's
    }

    void drop(entry *x)
    {
        if (x != NULL && entry_drop_key(x))
            RL_ASSERT(freed[x - e].fetch_add(1, rl::memory_order_relaxed) == 0);
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            entry *x = slot_load_key(&s);
            if (x != NULL) {
                RL_ASSERT(freed[x - e].load(rl::memory_order_relaxed) == 0);
                interesting++;
                drop(x);
            }
        } else if (i == 1) {
            if (slot_compare_exchange(&s, &e[0], &e[1]))
                drop(&e[0]);
            else
                drop(&e[1]);
            drop(slot_exchange(&s, NULL));
        } else { // both leave, unheld
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

int main(int argc, char **argv)
{
    return litmus_main<harness>(argc, argv, 200000, 2);
}
