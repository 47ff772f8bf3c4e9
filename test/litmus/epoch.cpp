// SPDX-License-Identifier: MIT
//
// Two readers look at what a writer unlinks: it is given back only when nobody can still look at it.
// plant: epoch_enter_relaxed
// plant: epoch_leave_relaxed
// plant: epoch_ignores_readers
#include "litmus.h"

#include "part/epoch.c"

struct harness : rl::test_suite<harness, 3> {
    epoch d;
    struct thread record[2];
    rl::atomic<int> linked;
    rl::var<int> memory;

    void before()
    {
        record[0].next = &record[1];
        record[1].next = NULL;
        for (int i = 0; i < 2; i++) {
            record[i].reader.shared = false;
            record[i].reader.epoch.v($) = 0;
        }
        d.now.v($) = 1;
        d.threads.v($) = &record[0];
        linked($) = 1;
        memory($) = 1;
    }

    void thread(unsigned i)
    {
        if (i < 2) {
            for (int n = 0; n < 2; n++) {
                epoch_enter(&d, &record[i].reader);
                if (linked.load(rl::memory_order_acquire)) {
                    RL_ASSERT(memory($) == 1);
                    interesting++;
                }
                epoch_leave(&record[i].reader);
            }
        } else {
            linked.store(0, rl::memory_order_release);
            epoch_wait(&d);
            memory($) = 0;
        }
    }
};

int main(int argc, char **argv)
{
    return litmus_main<harness>(argc, argv, 200000, 2);
}
