// SPDX-License-Identifier: MIT
//
// Readers look at what writers unlink: it is given back only when nobody can still look at it; also by a writer who
// takes another's word for it.
// plant: epoch_enter_relaxed
// plant: epoch_leave_relaxed
// plant: epoch_ignores_readers
// plant: epoch_passed_relaxed
#include "litmus.h"

#include "part/epoch.c"

template <typename Self, int READERS> struct domain : rl::test_suite<Self, 3> {
    enum { WRITERS = 3 - READERS };
    epoch d;
    struct thread record[READERS];
    rl::atomic<int> linked[WRITERS];
    rl::var<int> memory[WRITERS];

    void before()
    {
        for (int i = 0; i < READERS; i++) {
            record[i].next = i + 1 < READERS ? &record[i + 1] : NULL;
            record[i].reader.shared = false;
            record[i].reader.epoch.v($) = 0;
        }
        d.now.v($) = 1;
        d.passed.v($) = 0;
        d.threads.v($) = &record[0];
        for (int i = 0; i < WRITERS; i++) {
            linked[i]($) = 1;
            memory[i]($) = 1;
        }
    }

    void read(struct thread *t)
    {
        epoch_enter(&d, &t->reader);
        for (int i = 0; i < WRITERS; i++) {
            if (linked[i].load(rl::memory_order_acquire)) {
                RL_ASSERT(memory[i]($) == 1);
                interesting++;
            }
        }
        epoch_leave(&t->reader);
    }

    void thread(unsigned i)
    {
        if (i < READERS) {
            read(&record[i]);
            read(&record[i]);
        } else {
            linked[i - READERS].store(0, rl::memory_order_release);
            epoch_wait(&d);
            memory[i - READERS]($) = 0;
        }
    }
};

struct two_readers : domain<two_readers, 2> {
};
struct two_writers : domain<two_writers, 1> {
};

int main(int argc, char **argv)
{
    int status = litmus_main<two_readers>(argc, argv, 200000, 2);

    return status != 0 ? status : litmus_main<two_writers>(argc, argv, 200000, 2);
}
