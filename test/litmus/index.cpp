// SPDX-License-Identifier: MIT
//
// A look-up against replace, removal, insertion and a rebuild: it finds whole entries, never misses a key that is
// replaced while it is there, and never sees the old one after the new one (G6, G11).  A stamp of
// its use, which lies in the word that names its successor later, never hides that one.
// plant: index_publish_relaxed
// plant: index_find_relaxed
// plant: index_table_relaxed
// plant: shard_successor_relaxed
// plant: shard_replace_unlinks_first
// plant: entry_left_relaxed
// plant: entry_stamp_stores
// plant: shard_last_is_a_miss
#include "shard.h"

template <typename Self, int THREADS> struct one_shard : rl::test_suite<Self, THREADS> {
    shard sh;
    shard_common common;
    shard_room room;
    keyed old, fresh, other;

    void before()
    {
        room.make(&sh, &common);
        old.make('k', 1);
        fresh.make('k', 2);
        other.make('o', 3);
        link(&old);
    }

    void link(keyed *k)
    {
        stripe st;
        entry_list left = {NULL, NULL};
        struct shard_link l = {&k->e, 0, 0, keyed_tag};
        RL_ASSERT(::shard_link(&sh, &l, NULL, &st, &left) == SHARD_LINKED);
        entry *gone;
        while ((gone = entry_list_pop(&left)) != NULL)
            if (!entry_is_dead(gone))
                entry_release(gone); // the link's ref
    }

    // ${stamp}: of the use; 0: none.
    int find(char key, uintptr_t stamp = 0)
    {
        stripe st;
        entry_list last = {NULL, NULL};
        entry *e = shard_find(index_view(&sh.index), keyed_hash, &key, 1, &st, &last);
        entry *dead;
        while ((dead = entry_list_pop(&last)) != NULL)
            interesting++;
        if (e == NULL)
            return 0;
        int value = value_of(e);
        if (stamp != 0)
            entry_stamp(e, stamp);
        entry_release(e);
        return value;
    }

    void rebuild()
    {
        bool more = true;

        lock_acquire(&sh.lock);
        index_begin_locked(&sh.index, &room.tables[1].t);
        lock_release(&sh.lock);
        while (more) {
            lock_acquire(&sh.lock);
            more = index_copy_locked(&sh.index, &room.tables[1].t);
            if (!more)
                RL_ASSERT(index_end_locked(&sh.index, &room.tables[1].t) == &room.tables[0].t);
            lock_release(&sh.lock);
        }
    }
};

// Replacement, insertion and a rebuild at once.
struct all_at_once : one_shard<all_at_once, 3> {
    void thread(unsigned i)
    {
        if (i == 0) {
            int a = find('k'), b = find('k');
            RL_ASSERT(a == 1 || a == 2);
            RL_ASSERT(b == 1 || b == 2);
            RL_ASSERT(b >= a);
            interesting += a != b;
        } else if (i == 1) {
            link(&fresh);
            rebuild();
        } else {
            int before = find('o');
            RL_ASSERT(before == 0);
            link(&other);
            RL_ASSERT(find('o') == 3);
            int k = find('k');
            RL_ASSERT(k == 1 || k == 2);
        }
    }

    void after()
    {
        RL_ASSERT(find('k') == 2);
        RL_ASSERT(find('o') == 3);
    }
};

// A look-up and a replacement while another holds the old entry: the look-up may become the last to let it go.
struct held_by_another : one_shard<held_by_another, 3> {
    void before()
    {
        one_shard<held_by_another, 3>::before();
        entry_try_hold(&old.e);
    }

    void thread(unsigned i)
    {
        if (i == 0)
            entry_release(&old.e);
        else if (i == 1)
            link(&fresh);
        else
            RL_ASSERT(find('k') != 0);
    }
};

// Two look-ups, of which the first stamps what it finds, and a replacement.
struct stamped : one_shard<stamped, 2> {
    static uintptr_t stamp_of(unsigned frame, unsigned born)
    {
        return STAMP | (uintptr_t)frame << STAMP_FRAME_SHIFT | (uintptr_t)born << STAMP_BORN_SHIFT;
    }

    void before()
    {
        one_shard<stamped, 2>::before();
        atom_store_relaxed(&old.e.next, stamp_of(1, 5));
        atom_store_relaxed(&fresh.e.next, stamp_of(1, 6));
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            RL_ASSERT(find('k', stamp_of(2, 0)) != 0);
            RL_ASSERT(find('k') != 0);
        } else {
            link(&fresh);
        }
    }

    void after()
    {
        RL_ASSERT(find('k') == 2);
        RL_ASSERT(entry_born(&fresh.e) == 6);
        RL_ASSERT(old.e.priority == (BRIM_REPLACED | 5 << ENTRY_BORN_SHIFT) || entry_born(&old.e) == 0);
        interesting += stamp_frame(entry_stamped(&fresh.e)) == 2;
    }
};

int main(int argc, char **argv)
{
    int status = litmus_main<all_at_once>(argc, argv, 100000, 1);

    if (status == 0)
        status = litmus_main<held_by_another>(argc, argv, 100000, 2);
    return status != 0 ? status : litmus_main<stamped>(argc, argv, 50000, 2);
}
