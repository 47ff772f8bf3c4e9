// SPDX-License-Identifier: MIT
//
// Room that racing threads take and give back: never more than there is (G4), and none is lost; who takes it comes after who
// has given it back.
#include "litmus.h"

#include "base/clock.h"
#define clock_pause(ns) rl::yield(1, $)
#include "shard/budget.c"

struct harness : rl::test_suite<harness, 3> {
    budget b;
    rl::atomic<int> in_use;
    rl::var<int> half; // is only one's: who has as much as that

    void before()
    {
        budget_init(&b, 10);
        half($) = 0;
        in_use($) = 0;
    }

    void hold(int n)
    {
        if (!budget_take(&b, (size_t)n))
            return;
        int now = in_use.fetch_add(n, rl::memory_order_relaxed) + n;
        RL_ASSERT(now <= 10);
        if (n >= 5)
            half($) = n;
        interesting++;
        in_use.fetch_sub(n, rl::memory_order_relaxed);
        budget_give(&b, (size_t)n);
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            hold(6);
            hold(3);
        } else if (i == 1) {
            hold(5);
        } else {
            size_t used = budget_used(&b);
            RL_ASSERT(used <= 10);
            hold(7);
        }
    }

    void after()
    {
        RL_ASSERT(budget_used(&b) == 0);
    }
};

// More is used than the capacity, which is raised while some of it is given back: what is taken then, the new capacity has.
struct raised : rl::test_suite<raised, 3> {
    budget b;

    void before()
    {
        budget_init(&b, 10);
        budget_take(&b, 9);
        budget_lower(&b, 10, 3, 0);
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            RL_ASSERT(budget_raise(&b, 3, 8));
        } else if (i == 1) {
            budget_give(&b, 4);
            if (budget_take(&b, 2)) {
                RL_ASSERT(budget_capacity(&b) == 8);
                interesting++;
            }
        } else {
            size_t used = budget_used(&b);
            RL_ASSERT(used == 5 || used == 7 || used == 9);
        }
    }

    void after()
    {
        RL_ASSERT(budget_capacity(&b) == 8);
        RL_ASSERT(budget_used(&b) == 5 || budget_used(&b) == 7);
    }
};

// The capacity moves within room that is there, and back: what is told to be used is never less than it is, nor more than may be.
struct moved : rl::test_suite<moved, 2> {
    budget b;

    void before()
    {
        budget_init(&b, 10);
        budget_take(&b, 4);
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            RL_ASSERT(budget_raise(&b, 10, 14));
            RL_ASSERT(budget_take(&b, 4));
            RL_ASSERT(budget_lower(&b, 14, 10, 4));
        } else {
            size_t used = budget_used(&b);
            RL_ASSERT(used == 4 || used == 8);
            interesting += used > 4;
        }
    }

    void after()
    {
        RL_ASSERT(budget_used(&b) == 4);
    }
};

// It is set below what is used: no one is told another amount for it, and who is told it takes nothing that it has not.
struct lowered : rl::test_suite<lowered, 2> {
    budget b;

    void before()
    {
        budget_init(&b, 10);
        budget_take(&b, 6);
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            RL_ASSERT(budget_lower(&b, 10, 3, 0));
        } else {
            RL_ASSERT(budget_used(&b) == 6);
            if (budget_capacity(&b) == 3) {
                RL_ASSERT(!budget_take(&b, 1));
                interesting++;
            }
        }
    }

    void after()
    {
        RL_ASSERT(budget_used(&b) == 6);
    }
};

// The same, and back again, also by another thread: so two moves may be under way, and one of them too late.
struct lowered_and_raised : rl::test_suite<lowered_and_raised, 3> {
    budget b;

    void before()
    {
        budget_init(&b, 10);
        budget_take(&b, 9);
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            RL_ASSERT(budget_lower(&b, 10, 3, 0));
        } else if (i == 1) {
            (void)budget_raise(&b, 3, 10);
        } else {
            RL_ASSERT(budget_used(&b) == 9);
            interesting++;
        }
    }

    void after()
    {
        RL_ASSERT(budget_used(&b) == 9);
    }
};

// By two threads, one of which is too late: what it took from the room comes back.
struct lowered_by_two : rl::test_suite<lowered_by_two, 3> {
    budget b;
    rl::atomic<int> successes;

    void before()
    {
        budget_init(&b, 10);
        budget_take(&b, 9);
        successes($) = 0;
    }

    void thread(unsigned i)
    {
        if (i == 2) {
            RL_ASSERT(budget_used(&b) == 9);
            interesting++;
        } else if (budget_lower(&b, 10, i == 0 ? 3 : 5, 0)) {
            successes.fetch_add(1, rl::memory_order_relaxed);
        }
    }

    void after()
    {
        RL_ASSERT(successes($) == 1);
        RL_ASSERT(budget_used(&b) == 9);
    }
};

LITMUS(litmus_part<moved, 50000, 3>,
       litmus_part<lowered, 50000, 3>,
       litmus_part<lowered_and_raised, 50000, 3>,
       litmus_part<lowered_by_two, 50000, 3>,
       litmus_part<harness, 200000, 3>,
       litmus_part<raised, 200000, 3>)
