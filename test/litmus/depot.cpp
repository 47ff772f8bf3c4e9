// SPDX-License-Identifier: MIT
//
// Memory of entries: slots that threads take from their arenas, give back, and hand to one another through the
// depot.  No slot is had by two at once, none while a section can still see what it was, and who takes one comes
// after who gave it back.
#include "process.h"

#define BRIM_PART_WINDOW_H // the gate is epoch.cpp's
#define window_open(t) section_enter(t)
#define window_close(t) section_leave(t)
#include "brim.h"
#define BRIM_BASE_MEM_H // all slots come from the harness
#define mem_alloc(mem, n, align) NULL
#define mem_free(mem, p, n, align) ((void)0)
#define BRIM_BASE_CLOCK_H
#define clock_now() 1
#define class class_
#include "part/slab.c"
#undef class

template <typename Self, int THREADS = 3> struct arenas : rl::test_suite<Self, THREADS> {
    enum { SIZE = 128, CLASS = 2, SLOTS = 6 }; // a slot of 64 is too small for Relacy's atomics
    struct process<3> process;
    struct slab s;
    struct {
        slab_slot slot;
        char rest[SIZE - sizeof(slab_slot)];
    } memory[SLOTS];
    rl::var<int> content[SLOTS]; // written by who takes it, read by whom it is shown to
    rl::atomic<int> had[SLOTS], fresh;

    // ${numbers}: of the threads' records.
    void make(unsigned a, unsigned b, unsigned c)
    {
        process.make();
        process.self[0].number = a;
        process.self[1].number = b;
        process.self[2].number = c;
        for (int k = 0; k < SLAB_LARGE; k++) {
            s.depot[k] = NULL;
            atom_store_relaxed(&s.batches[k], 0);
        }
        std::memset(s.arena, 0, sizeof s.arena);
        for (int i = 0; i < SLOTS; i++) {
            atom_store_relaxed(&memory[i].slot.link, 1);
            content[i]($) = 0;
            had[i]($) = 0;
        }
        fresh($) = 0;
    }

    int number(void *p)
    {
        return (int)(((char *)p - (char *)memory) / SIZE);
    }

    void *take(unsigned i)
    {
        void *p = slab_alloc(&s, &process.self[i], SIZE);

        if (p == NULL)
            p = &memory[fresh.fetch_add(1, rl::memory_order_relaxed)];
        else
            interesting++;
        RL_ASSERT(had[number(p)].exchange(1, rl::memory_order_relaxed) == 0);
        content[number(p)]($) = 1;
        return p;
    }

    // It has one already, so that what comes back is more than enough; and one makes a batch.
    void retire(unsigned i, void *p)
    {
        unsigned n = process.self[i].number;
        struct slab_class *k = &s.arena[n < SLAB_ARENAS ? n : 0].class_[CLASS];

        had[number(p)].store(0, rl::memory_order_relaxed);
        k->batch = 1;
        k->free_count = 1;
        slab_retire(&s, &process.self[i], p, CLASS);
    }

    void after()
    {
        uint32_t n = 0;

        for (struct slab_batch *b = s.depot[CLASS]; b != NULL; b = b->next) {
            n++;
            RL_ASSERT(had[number(b)]($) == 0);
            had[number(b)]($) = 1;
        }
        RL_ASSERT(n == atom_load_relaxed(&s.batches[CLASS]));
    }
};

// One gives back what a reader looks at; what it has too much of, others take.
struct handed_on : arenas<handed_on> {
    rl::atomic<int> shown; // the number of a slot + 1; 0: none
    void *first, *second;

    void before()
    {
        make(1, 2, 3);
        first = take(0);
        second = take(0);
        shown($) = number(first) + 1;
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            shown.store(0, rl::memory_order_release);
            retire(0, first);
            retire(0, second);
            (void)take(0);
        } else if (i == 1) {
            (void)take(1);
        } else {
            section_enter(&process.self[2]);
            int n = shown.load(rl::memory_order_acquire);
            if (n != 0)
                RL_ASSERT(content[n - 1]($) == 1);
            section_leave(&process.self[2]);
        }
    }
};

// One puts into the depot what others take out of it.
struct depot : arenas<depot> {
    void *mine[2];

    void before()
    {
        make(1, 2, 3);
        mine[0] = take(0);
        mine[1] = take(0);
        void *there = take(0);
        had[number(there)]($) = 0;
        depot_push(&s, CLASS, (struct slab_slot *)there, 1);
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            retire(0, mine[0]);
            retire(0, mine[1]);
        } else {
            (void)take(i);
        }
    }
};

// Two that share an arena, and one with its own.
struct shared : arenas<shared> {
    void before()
    {
        make(SLAB_ARENAS, SLAB_ARENAS + 1, 1);
    }

    void thread(unsigned i)
    {
        void *p = take(i);

        retire(i, p);
        if (i != 2) {
            p = take(i);
            retire(i, p);
        }
    }
};

// Two threads each, so that all schedules can be run at bound 3: two that share, and one that shares with one that does not.
template <typename Self, unsigned OTHER> struct shared_by_two : arenas<Self, 2> {
    typedef arenas<Self, 2> base;

    void before()
    {
        base::make(SLAB_ARENAS, OTHER, 2);
    }

    void thread(unsigned i)
    {
        for (int n = 0; n < 2; n++)
            base::retire(i, base::take(i));
    }
};
struct both_shared : shared_by_two<both_shared, SLAB_ARENAS + 1> {
};
struct one_shared : shared_by_two<one_shared, 1> {
};

LITMUS(litmus_part<handed_on, 100000, 2>,
       litmus_part<depot, 50000, 2>,
       litmus_part<shared, 100000, 1, 2>,
       litmus_part<both_shared, 20000, 1>,
       litmus_part<one_shared, 20000, 1>)
