// SPDX-License-Identifier: MIT
//
// KeyData from its insertion to the end of its memory: found by slot and by key while it is replaced, removed or
// evicted. What is found is whole and is never the old value after the new one (G1, G6); its value is destroyed
// once, after the last release, and its memory given back once, after that and when no section can see it (G2, G3).
#include "shard.h"

#include "entry/slot.c"

template <typename Self, int THREADS = 3> struct lives : rl::test_suite<Self, THREADS> {
    enum { ENTRIES = 2 };
    struct process<3> process;
    shard sh;
    shard_common common;
    shard_room room;
    keyed entries[ENTRIES];
    slot named;
    rl::var<int> value[ENTRIES], memory[ENTRIES]; // 1, and 0 once it is destroyed or freed
    rl::atomic<int> destroyed[ENTRIES], freed[ENTRIES];

    // The first is linked, and the slot has a key of it.
    void before()
    {
        process.make();
        room.make(&sh, &common);
        for (int i = 0; i < ENTRIES; i++) {
            entries[i].make('k', i + 1);
            destroyed[i]($) = freed[i]($) = 0;
        }
        link(0, 0);
        atom_store_relaxed(&named.entry, &entries[0].e);
    }

    int number(entry *e)
    {
        return (int)((keyed *)(void *)e - entries);
    }

    void drop_key(entry *e)
    {
        int i = number(e);

        if (!entry_drop_key(e))
            return;
        epoch_wait(domain);
        RL_ASSERT(destroyed[i].load(rl::memory_order_relaxed) == 1);
        RL_ASSERT(freed[i].fetch_add(1, rl::memory_order_relaxed) == 0);
        memory[i]($) = 0;
    }

    void destroy(entry *e)
    {
        RL_ASSERT(destroyed[number(e)].fetch_add(1, rl::memory_order_relaxed) == 0);
        value[number(e)]($) = 0;
        drop_key(e);
    }

    void let_go(unsigned t, entry *e)
    {
        section_enter(&process.self[t]);
        unsigned events = entry_release(e);
        section_leave(&process.self[t]);
        if (events & ENTRY_LAST)
            destroy(e);
    }

    void dispose(unsigned t, entry_list *left)
    {
        entry *e;

        while ((e = entry_list_pop(left)) != NULL)
            if (entry_is_dead(e))
                destroy(e);
            else
                let_go(t, e); // the link's ref
    }

    // With a key for the slot.
    void link(unsigned t, int i)
    {
        value[i]($) = memory[i]($) = 1;
        stripe st;
        entry_list left = {NULL, NULL};
        struct shard_link l = {&entries[i].e, 0, 1, keyed_tag};

        RL_ASSERT(::shard_link(&sh, &l, NULL, &st, &left) == SHARD_LINKED);
        dispose(t, &left);
    }

    void replace(unsigned t)
    {
        link(t, 1);
        entry *old = slot_exchange(&named, &entries[1].e);
        if (old != NULL)
            drop_key(old);
    }

    void remove(unsigned t)
    {
        entry_list left = {NULL, NULL};
        flight *forgotten = NULL;
        stripe st;
        bool removed;

        (void)shard_remove_key(&sh, keyed_hash, "k", 1, 0, &removed, &st, &left, &forgotten);
        dispose(t, &left);
    }

    void evict(unsigned t)
    {
        entry_list left = {NULL, NULL};
        stripe st;

        lock_acquire(&sh.lock);
        entry *e = index_find(index_view(&sh.index), keyed_hash, "k", 1);
        if (e != NULL)
            (void)shard_evict_locked(&sh, e, BRIM_EVICTED, SHARD_EVICTED, false, &st, &left);
        lock_release(&sh.lock);
        dispose(t, &left);
    }

    // 0: nothing is found.
    int use(unsigned t, entry *e, entry_list *last)
    {
        int seen = 0;

        if (e != NULL) {
            RL_ASSERT(value[number(e)]($) == 1);
            seen = value_of(e);
            interesting++;
            let_go(t, e);
        }
        while ((e = entry_list_pop(last)) != NULL)
            destroy(e);
        return seen;
    }

    int find(unsigned t)
    {
        stripe st;
        entry_list last = {NULL, NULL};

        section_enter(&process.self[t]);
        entry *e = shard_find(index_view(&sh.index), keyed_hash, "k", 1, &st, &last);
        if (e != NULL)
            RL_ASSERT(memory[number(e)]($) == 1);
        section_leave(&process.self[t]);
        return use(t, e, &last);
    }

    // As brim_slot_find.
    int find_in_slot(unsigned t)
    {
        entry_list last = {NULL, NULL};
        entry *e;
        bool held, again;

        do {
            section_enter(&process.self[t]);
            e = slot_peek(&named);
            unsigned events = e != NULL ? entry_try_hold(e) : 0;
            held = (events & ENTRY_HELD) != 0;
            if (e != NULL)
                RL_ASSERT(memory[number(e)]($) == 1);
            again = e != NULL && !held && slot_peek(&named) != e;
            if (events & ENTRY_LAST)
                entry_list_push(&last, e);
            section_leave(&process.self[t]);
        } while (again);
        return use(t, held ? e : NULL, &last);
    }

    void find_and_remove_if_last(unsigned t)
    {
        stripe st;
        entry_list last = {NULL, NULL}, left = {NULL, NULL};
        flight *forgotten = NULL;

        section_enter(&process.self[t]);
        entry *e = shard_find(index_view(&sh.index), keyed_hash, "k", 1, &st, &last);
        section_leave(&process.self[t]);
        if (e != NULL && shard_remove_if_last(&sh, e, 0, &st, &left, &forgotten)) {
            interesting++;
            dispose(t, &left);
            e = NULL;
        }
        (void)use(t, e, &last);
    }

    void empty_slot()
    {
        entry *e = slot_exchange(&named, NULL);
        if (e != NULL)
            drop_key(e);
    }

    void after()
    {
        remove(0);
        empty_slot();
        RL_ASSERT(destroyed[0]($) == 1 && freed[0]($) == 1);
    }
};

// The slot and the index name the new one once the call that replaces is over; the slot may lag behind.
struct replaced : lives<replaced> {
    void thread(unsigned i)
    {
        if (i == 0) {
            int a = find(0), b = find(0);
            RL_ASSERT(a != 0 && b >= a);
        } else if (i == 1) {
            replace(1);
            RL_ASSERT(find_in_slot(1) == 2);
        } else {
            (void)find_in_slot(2);
        }
    }

    void after()
    {
        lives::after();
        RL_ASSERT(destroyed[1]($) == 1 && freed[1]($) == 1);
    }
};

// Found by the one, evicted by the other, while the slot is emptied.
struct evicted : lives<evicted> {
    void thread(unsigned i)
    {
        if (i == 0) {
            (void)find(0);
        } else if (i == 1) {
            evict(1);
            evict(1);
        } else {
            (void)find_in_slot(2);
            empty_slot();
        }
    }
};

// Removed and evicted at once.
struct removed : lives<removed> {
    void thread(unsigned i)
    {
        if (i == 0) {
            (void)find(0);
        } else if (i == 1) {
            remove(1);
            RL_ASSERT(find(1) == 0);
        } else {
            evict(2);
        }
    }
};

// Whoever holds it last removes it with that, if it is the last; meanwhile another key comes.
struct last_one : lives<last_one> {
    void before()
    {
        lives::before();
        entries[1].make('o', 2);
    }

    void thread(unsigned i)
    {
        if (i == 2)
            link(2, 1);
        else
            find_and_remove_if_last(i);
    }

    void after()
    {
        RL_ASSERT(index_find(index_view(&sh.index), keyed_hash, "o", 1) == &entries[1].e);
        lives::after();
    }
};

// ---- Of the larger ones two threads each, so that all schedules can be run at bound 3

struct replaced_and_found : lives<replaced_and_found, 2> {
    void thread(unsigned i)
    {
        if (i == 0)
            RL_ASSERT(find(0) != 0);
        else
            replace(1);
    }
};

struct replaced_in_slot : lives<replaced_in_slot, 2> {
    void thread(unsigned i)
    {
        if (i == 0)
            (void)find_in_slot(0);
        else
            replace(1);
    }
};

struct evicted_and_found : lives<evicted_and_found, 2> {
    void thread(unsigned i)
    {
        if (i == 0)
            (void)find(0);
        else
            evict(1);
    }
};

struct evicted_in_slot : lives<evicted_in_slot, 2> {
    void thread(unsigned i)
    {
        if (i == 0) {
            (void)find_in_slot(0);
            empty_slot();
        } else {
            evict(1);
        }
    }
};

struct removed_and_found : lives<removed_and_found, 2> {
    void thread(unsigned i)
    {
        if (i == 0) {
            (void)find(0);
        } else {
            remove(1);
            RL_ASSERT(find(1) == 0);
        }
    }
};

struct removed_beside_eviction : lives<removed_beside_eviction, 2> {
    void thread(unsigned i)
    {
        if (i == 0)
            evict(0);
        else
            remove(1);
    }

    void after()
    {
        lives::after();
        interesting++;
    }
};

struct found_by_both : lives<found_by_both, 2> {
    void thread(unsigned i)
    {
        if (i == 0) {
            (void)find(0);
        } else {
            (void)find_in_slot(1);
            empty_slot();
            remove(1);
        }
    }
};

struct last_of_two : lives<last_of_two, 2> {
    void thread(unsigned i)
    {
        find_and_remove_if_last(i);
    }
};

struct last_beside_link : lives<last_beside_link, 2> {
    void before()
    {
        lives::before();
        entries[1].make('o', 2);
    }

    void thread(unsigned i)
    {
        if (i == 0)
            find_and_remove_if_last(0);
        else
            link(1, 1);
    }

    void after()
    {
        RL_ASSERT(index_find(index_view(&sh.index), keyed_hash, "o", 1) == &entries[1].e);
        lives::after();
    }
};

LITMUS(litmus_part<replaced, 100000, 0, 1>,
       litmus_part<evicted, 50000, 1, 2>,
       litmus_part<removed, 50000, 1, 2>,
       litmus_part<last_one, 50000, 1, 2>,
       litmus_part<replaced_and_found, 10000, 1>,
       litmus_part<replaced_in_slot, 10000, 1>,
       litmus_part<evicted_and_found, 10000, 1>,
       litmus_part<evicted_in_slot, 10000, 1>,
       litmus_part<removed_and_found, 10000, 1>,
       litmus_part<removed_beside_eviction, 10000, 1>,
       litmus_part<found_by_both, 10000, 1>,
       litmus_part<last_of_two, 10000, 1>,
       litmus_part<last_beside_link, 10000, 1>)
