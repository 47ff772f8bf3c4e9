// SPDX-License-Identifier: MIT
//
// The life of an entry: a reader that holds and releases, an evictor or remover, a thread that drops the last key.
// The value is destroyed once, after every use; the memory is freed once, after that.
#include "litmus.h"

#include "entry/entry.c"

template <typename Self> struct life : rl::test_suite<Self, 3> {
    entry e;
    rl::var<int> value;  // what the users of a ref read, and the destroyer writes
    rl::var<int> memory; // what everybody with a count reads, and who frees it writes
    rl::atomic<int> destroyed, freed;

    // ${refs} and ${keys} of it are the threads'.
    void make(unsigned refs, unsigned keys)
    {
        entry_init(&e, "k", 0, NULL, 1);
        e.kind_flags = 0;
        entry_publish(&e, refs, keys);
        value($) = 1;
        memory($) = 1;
        destroyed($) = 0;
        freed($) = 0;
    }

    void drop_key()
    {
        if (!entry_drop_key(&e))
            return;
        RL_ASSERT(memory($) == 1);
        memory($) = 0;
        RL_ASSERT(freed.fetch_add(1, rl::memory_order_relaxed) == 0);
        RL_ASSERT(destroyed.load(rl::memory_order_relaxed) == 1);
    }

    void destroy()
    {
        RL_ASSERT(value($) == 1);
        value($) = 0;
        RL_ASSERT(destroyed.fetch_add(1, rl::memory_order_relaxed) == 0);
        drop_key();
    }

    void release()
    {
        if (entry_release(&e) & ENTRY_LAST)
            destroy();
    }

    void read() // in a section
    {
        unsigned events = entry_try_hold(&e);

        if (events & ENTRY_HELD) {
            RL_ASSERT(value($) == 1);
            interesting++;
            release();
        } else if (events & ENTRY_LAST) {
            destroy();
        }
    }

    void unlink() // under the mutex
    {
        if (entry_unlink(&e))
            destroy();
        else
            release(); // the link's ref
    }

    void after()
    {
        RL_ASSERT(destroyed.load(rl::memory_order_relaxed) == 1);
        RL_ASSERT(freed.load(rl::memory_order_relaxed) == 1);
    }
};

struct harness : life<harness> {
    void before()
    {
        make(1, 1); // of thread 2
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            read();
        } else if (i == 1) { // a writer, under the mutex
            if (entry_try_evict(&e))
                destroy();
            else
                unlink();
        } else { // who has the handles
            RL_ASSERT(value($) == 1);
            RL_ASSERT(memory($) == 1);
            release();
            drop_key();
        }
    }
};

// Two hold it; one lets it go, the other removes it with its own hold, if that is the last.
struct last_hold : life<last_hold> {
    void before()
    {
        make(2, 0);
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            read();
            return;
        }
        RL_ASSERT(value($) == 1);
        if (i == 1) {
            release();
        } else if (entry_remove_last(&e)) {
            destroy();
        } else {
            unlink();
            release();
        }
    }
};

LITMUS(litmus_part<last_hold, 50000, 2>,
       litmus_part<harness, 300000, 3>)
