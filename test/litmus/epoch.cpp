// SPDX-License-Identifier: MIT
//
// Readers look at what writers unlink: it is given back only when nobody can still look at it; also by a writer who
// takes another's word for it, or by a reader without a record of its own.  Nobody is in a window while the gate is
// closed.
#include "process.h"

#define BRIM_BASE_CLOCK_H
#define clock_pause(ns) rl::yield(1, $)
#include "part/window.c"

// Where the one of the process would be; it lives for one schedule.
alignas(struct window_gate) char gate[sizeof(struct window_gate)] __asm__("window_gate");

template <typename Self, int READERS, bool SHARED_RECORD> struct domain_of : rl::test_suite<Self, 3> {
    enum { WRITERS = 3 - READERS };
    struct process<READERS> process;
    rl::atomic<int> linked[WRITERS];
    rl::var<int> memory[WRITERS];

    void before()
    {
        process.make();
        process.self[0].reader.shared = SHARED_RECORD;
        for (int i = 0; i < WRITERS; i++) {
            linked[i]($) = 1;
            memory[i]($) = 1;
        }
    }

    void read(struct thread *t)
    {
        section_enter(t);
        for (int i = 0; i < WRITERS; i++) {
            if (linked[i].load(rl::memory_order_acquire)) {
                RL_ASSERT(memory[i]($) == 1);
                interesting++;
            }
        }
        section_leave(t);
    }

    void thread(unsigned i)
    {
        if (i < READERS) {
            read(&process.self[SHARED_RECORD ? 0 : i]);
            read(&process.self[SHARED_RECORD ? 0 : i]);
        } else {
            linked[i - READERS].store(0, rl::memory_order_release);
            epoch_wait(domain);
            memory[i - READERS]($) = 0;
        }
    }
};

struct two_readers : domain_of<two_readers, 2, false> {
};
struct one_record : domain_of<one_record, 2, true> {
};
struct two_writers : domain_of<two_writers, 1, false> {
};

// A reader that goes on to read, in a section that begins anew.
struct refreshed : rl::test_suite<refreshed, 2> {
    struct process<1> process;
    rl::atomic<int> linked;
    rl::var<int> memory;

    void before()
    {
        process.make();
        linked($) = 1;
        memory($) = 1;
    }

    void look()
    {
        if (linked.load(rl::memory_order_acquire)) {
            RL_ASSERT(memory($) == 1);
            interesting++;
        }
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            section_enter(&process.self[0]);
            look();
            epoch_refresh(domain, &process.self[0].reader);
            look();
            section_leave(&process.self[0]);
        } else {
            linked.store(0, rl::memory_order_release);
            epoch_wait(domain);
            memory($) = 0;
        }
    }
};

// Two words that belong together, and a fork.
struct fork_beside : rl::test_suite<fork_beside, 3> {
    struct process<2> process;
    rl::var<int> words[2][2];

    void before()
    {
        process.make();
        new (&window_gate) struct window_gate;
        atom_store_relaxed(&window_gate.closed, 0);
        for (int i = 0; i < 2; i++)
            words[i][0]($) = words[i][1]($) = 0;
    }

    void change(unsigned i)
    {
        window_open(&process.self[i]);
        words[i][0]($) = words[i][0]($) + 1;
        rl::yield(1, $);
        words[i][1]($) = words[i][1]($) + 1;
        window_close(&process.self[i]);
    }

    void thread(unsigned i)
    {
        if (i < 2) {
            change(i);
            change(i);
            return;
        }
        window_close_gate();
        for (int j = 0; j < 2; j++) {
            int first = words[j][0]($);
            RL_ASSERT(words[j][1]($) == first);
            interesting += first == 1;
        }
        window_open_gate();
    }

    void after()
    {
        RL_ASSERT(words[0][1]($) == 2 && words[1][1]($) == 2);
        typedef struct window_gate type;
        window_gate.~type();
    }
};

// The same of one thread, so that all schedules can be run at bound 3.
struct fork_beside_one : rl::test_suite<fork_beside_one, 2> {
    struct process<1> process;
    rl::var<int> words[2];

    void before()
    {
        process.make();
        new (&window_gate) struct window_gate;
        atom_store_relaxed(&window_gate.closed, 0);
        words[0]($) = words[1]($) = 0;
    }

    void thread(unsigned i)
    {
        for (int n = 0; i == 0 && n < 2; n++) {
            window_open(&process.self[0]);
            words[0]($) = words[0]($) + 1;
            rl::yield(1, $);
            words[1]($) = words[1]($) + 1;
            window_close(&process.self[0]);
        }
        if (i == 0)
            return;
        window_close_gate();
        int first = words[0]($);
        RL_ASSERT(words[1]($) == first);
        interesting += first == 1;
        window_open_gate();
    }

    void after()
    {
        RL_ASSERT(words[1]($) == 2);
        typedef struct window_gate type;
        window_gate.~type();
    }
};

LITMUS(litmus_part<two_readers, 200000, 2>,
       litmus_part<two_writers, 200000, 2>,
       litmus_part<one_record, 100000, 2>,
       litmus_part<refreshed, 50000, 4>,
       litmus_part<fork_beside, 100000, 1, 2>,
       litmus_part<fork_beside_one, 20000, 2>)
