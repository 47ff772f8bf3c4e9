// SPDX-License-Identifier: MIT
//
// Things that threads count while others close the count: its end is seen once, after the last has been dropped and
// after all use of each (edge tally); who has none gets one only before the end.
#include "process.h"

#include "part/tally.c"

template <typename Self> struct counted : rl::test_suite<Self, 3> {
    struct process<3> process;
    tally y;
    rl::var<int> memory; // what who has a thing reads, and who ends all writes
    rl::atomic<int> ends;

    void before()
    {
        process.make();
        process.self[1].number = TALLY_PARTS; // without a part of its own
        tally_init(&y);
        memory($) = 1;
        ends($) = 0;
    }

    void begin_with(int own, int shared)
    {
        atom_store_relaxed(&y.part[1].n, own);
        atom_store_relaxed(&y.part[0].n, shared);
    }

    void end()
    {
        RL_ASSERT(memory($) == 1);
        memory($) = 0;
        RL_ASSERT(ends.fetch_add(1, rl::memory_order_relaxed) == 0);
    }

    void use_and_drop(unsigned i)
    {
        RL_ASSERT(memory($) == 1);
        if (tally_drop(&y, &process.self[i])) {
            interesting++;
            end();
        }
    }

    void close()
    {
        if (tally_close(&y)) {
            interesting++;
            end();
        }
    }

    void after()
    {
        RL_ASSERT(ends($) == 1);
    }
};

// One with a part of its own takes one more.
struct dropped : counted<dropped> {
    void before()
    {
        counted::before();
        begin_with(1, 1);
    }

    void thread(unsigned i)
    {
        if (i == 2) {
            close();
            return;
        }
        if (i == 0) {
            tally_add(&y, &process.self[0]);
            use_and_drop(0);
        }
        use_and_drop(i);
    }
};

// One takes over what another counted, and drops it.
struct handed_on : counted<handed_on> {
    rl::atomic<int> given;

    void before()
    {
        counted::before();
        begin_with(1, 0);
        given($) = 0;
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            tally_add(&y, &process.self[0]);
            given.store(1, rl::memory_order_release);
            use_and_drop(0);
        } else if (i == 2) {
            close();
        } else {
            while (given.load(rl::memory_order_acquire) == 0)
                rl::yield(1, $);
            use_and_drop(1);
        }
    }
};

// One that has none tries.
template <typename Self, int WHO> struct tried : counted<Self> {
    typedef counted<Self> base;

    void before()
    {
        base::before();
        base::begin_with(WHO == 1, WHO == 0);
    }

    void thread(unsigned i)
    {
        if (i == 2) {
            base::close();
        } else if (i != WHO) {
            base::use_and_drop(i);
        } else {
            section_enter(&this->process.self[i]);
            bool has = tally_try_add(&this->y, &this->process.self[i]);
            section_leave(&this->process.self[i]);
            if (has)
                base::use_and_drop(i);
        }
    }
};
struct tried_with_own : tried<tried_with_own, 0> {
};
struct tried_without : tried<tried_without, 1> {
};

LITMUS(litmus_part<dropped, 50000, 2>,
       litmus_part<handed_on, 50000, 2>,
       litmus_part<tried_with_own, 50000, 2>,
       litmus_part<tried_without, 50000, 2>)
