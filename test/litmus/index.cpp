// SPDX-License-Identifier: MIT
//
// A look-up against replace, removal, insertion and a rebuild: it finds whole entries, never misses a key that is
// replaced while it is there, and never sees the old one after the new one (G6, G11).  A stamp of
// its use, which lies in the word that names its successor later, never hides that one.
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
        lock_acquire(&sh.lock);
        index_begin_locked(&sh.index, &room.tables[1].t);
        lock_release(&sh.lock);
        lock_acquire(&sh.lock);
        RL_ASSERT(!index_copy_locked(&sh.index, &room.tables[1].t));
        lock_release(&sh.lock); // as after the first of more buckets
        lock_acquire(&sh.lock);
        RL_ASSERT(index_end_locked(&sh.index, &room.tables[1].t) == &room.tables[0].t);
        lock_release(&sh.lock);
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

// Peeks, which hold nothing, and a replacement.
struct peeked : one_shard<peeked, 2> {
    int peek()
    {
        entry *e = shard_peek(index_view(&sh.index), keyed_hash, "k", 1);
        return e != NULL ? value_of(e) : 0;
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            int a = peek(), b = peek();
            RL_ASSERT(a != 0 && b >= a);
            interesting += a != b;
        } else {
            link(&fresh);
        }
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

// Something new comes where the old one was removed: once somebody has found it nobody misses it, also if the first one had
// read the tag of the old one.
struct found_by_one : one_shard<found_by_one, 3> {
    rl::atomic<int> found;

    void before()
    {
        one_shard<found_by_one, 3>::before();
        found($) = 0;
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            if (find('k') == 2 || find('k') == 2) {
                found.store(1, rl::memory_order_release);
                interesting++;
            }
        } else if (i == 1) {
            stripe st;
            entry_list left = {NULL, NULL};
            flight *forgotten = NULL;
            bool removed;

            (void)shard_remove_key(&sh, keyed_hash, "k", 1, 0, &removed, &st, &left, &forgotten);
            RL_ASSERT(removed);
            link(&fresh);
        } else if (found.load(rl::memory_order_acquire) != 0) {
            RL_ASSERT(find('k') == 2);
        }
    }
};

// Who misses a key that is removed does not find it by handle after that.
struct missed : one_shard<missed, 2> {
    void thread(unsigned i)
    {
        if (i == 0) {
            if (find('k') == 0) {
                interesting++;
                RL_ASSERT(!entry_is_linked(&old.e));
            }
            return;
        }
        stripe st;
        entry_list left = {NULL, NULL};
        flight *forgotten = NULL;
        bool removed;

        (void)shard_remove_key(&sh, keyed_hash, "k", 1, 0, &removed, &st, &left, &forgotten);
        RL_ASSERT(removed && entry_list_pop(&left) == &old.e);
    }
};

// Who finds the new one does not find the old one by handle after that.
struct found_new : one_shard<found_new, 2> {
    void thread(unsigned i)
    {
        if (i == 1) {
            link(&fresh);
        } else if (find('k') == 2) {
            interesting++;
            RL_ASSERT(!entry_is_linked(&old.e));
        }
    }
};

// ---- The index changes its size, and the old table is given back

template <typename Self, int THREADS = 3> struct resized : rl::test_suite<Self, THREADS> {
    enum { TABLES = 4, BUCKETS = 3, ENTRIES = 5 };
    struct process<3> process;
    shard sh;
    shard_common common;
    index_root root;
    struct {
        table t;
        alignas(bucket) char b[BUCKETS][sizeof(bucket)];
    } tables[TABLES];
    bool there[TABLES];
    rl::atomic<int> made;
    keyed entries[ENTRIES];

    static resized *current;

    static void *more(size_t n)
    {
        int i = current->made.fetch_add(1, rl::memory_order_relaxed);
        bucket *b;

        RL_ASSERT(i < TABLES && n <= sizeof(table) + BUCKETS * sizeof(bucket));
        current->there[i] = true;
        for (int j = 0; j < BUCKETS; j++) {
            b = new (current->tables[i].b[j]) bucket;
            for (int k = 0; k < INDEX_ENTRIES; k++)
                atom_store_relaxed(&b->entry[k], NULL);
            atom_store_relaxed(&b->tags[0], 0);
            atom_store_relaxed(&b->tags[1], 0);
        }
        return &current->tables[i].t;
    }

    // Whoever reads it still, reads what is no atomic any more.
    static void back(void *p)
    {
        for (int i = 0; i < TABLES; i++) {
            if (p != &current->tables[i].t)
                continue;
            RL_ASSERT(current->there[i]);
            current->there[i] = false;
            for (int j = 0; j < BUCKETS; j++)
                ((bucket *)(void *)current->tables[i].b[j])->~bucket();
            std::memset(current->tables[i].b, 0x5a, sizeof current->tables[i].b);
        }
    }

    void make(uint32_t buckets, int linked)
    {
        shard_room room;

        current = this;
        process.make();
        table_memory = more;
        table_memory_back = back;
        made($) = 0;
        for (int i = 0; i < TABLES; i++)
            there[i] = false;
        room.make(&sh, &common);
        table *t = table_new(NULL, buckets);
        index_init(&sh.index, &root, t, 0);
        for (int i = 0; i < ENTRIES; i++) {
            entries[i].make((char)('a' + i), i + 1);
            entries[i].e.place = (uint32_t)i << 30;
        }
        uint32_t least = shared_get(sh.index.least);
        shared_set(sh.index.least, 0); // not too few yet
        for (int i = 0; i < linked; i++)
            link(i);
        shared_set(sh.index.least, least);
        RL_ASSERT(sh.index.table == t);
    }

    uint64_t hash(int i)
    {
        return keyed_tag << INDEX_TAG_SHIFT | entries[i].e.place;
    }

    void release_all(entry_list *left)
    {
        entry *gone;

        while ((gone = entry_list_pop(left)) != NULL)
            if (!entry_is_dead(gone))
                entry_release(gone); // the link's ref
    }

    void link(int i)
    {
        stripe st;
        entry_list left = {NULL, NULL};
        struct shard_link l = {&entries[i].e, 0, 0, keyed_tag};

        RL_ASSERT(::shard_link(&sh, &l, NULL, &st, &left) == SHARD_LINKED);
        release_all(&left);
    }

    void remove(int i)
    {
        entry_list left = {NULL, NULL};
        flight *forgotten = NULL;
        stripe st;
        bool removed;

        (void)shard_remove_key(&sh, hash(i), entries[i].key, 1, 0, &removed, &st, &left, &forgotten);
        RL_ASSERT(removed);
        release_all(&left);
    }

    bool find(unsigned thread, int i)
    {
        stripe st;
        entry_list last = {NULL, NULL};
        entry *e;

        section_enter(&process.self[thread]);
        e = shard_find(index_view(&sh.index), hash(i), entries[i].key, 1, &st, &last);
        section_leave(&process.self[thread]);
        if (e == NULL)
            return false;
        RL_ASSERT(e == &entries[i].e);
        section_enter(&process.self[thread]);
        entry_release(e);
        section_leave(&process.self[thread]);
        return true;
    }

    // ${n} are linked, in as many ${buckets}.
    void check(uint32_t buckets, uint32_t n)
    {
        RL_ASSERT(sh.index.count == n);
        RL_ASSERT(sh.index.next == NULL);
        interesting += sh.index.table->buckets == buckets;
        back(sh.index.table);
        for (int i = 0; i < TABLES; i++)
            RL_ASSERT(!there[i]);
    }
};
template <typename Self, int THREADS> resized<Self, THREADS> *resized<Self, THREADS>::current;

struct grown : resized<grown> {
    void before()
    {
        make(1, 3);
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            link(3);
            RL_ASSERT(find(0, 3));
        } else if (i == 1) {
            RL_ASSERT(find(1, 0));
            RL_ASSERT(find(1, 1));
        } else {
            remove(2);
            RL_ASSERT(!find(2, 2));
            link(4);
            RL_ASSERT(find(2, 4));
        }
    }

    void after()
    {
        for (int i = 0; i < ENTRIES; i++)
            RL_ASSERT(find(0, i) == (i != 2));
        check(2, 4);
    }
};

struct shrunk : resized<shrunk> {
    void before()
    {
        make(3, 3);
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            remove(2);
            RL_ASSERT(!find(0, 2));
        } else if (i == 1) {
            RL_ASSERT(find(1, 0));
            RL_ASSERT(find(1, 1));
        } else {
            link(3);
            RL_ASSERT(find(2, 3));
            remove(3);
        }
    }

    void after()
    {
        for (int i = 0; i < ENTRIES; i++)
            RL_ASSERT(find(0, i) == (i < 2));
        check(1, 2);
    }
};

// ---- Of the larger ones two threads each, so that all schedules can be run at bound 3

struct found_beside_replacement : one_shard<found_beside_replacement, 2> {
    void thread(unsigned i)
    {
        if (i == 0) {
            int a = find('k'), b = find('k');
            RL_ASSERT(a != 0 && b >= a);
            interesting += a != b;
        } else {
            link(&fresh);
        }
    }
};

struct found_beside_rebuild : one_shard<found_beside_rebuild, 2> {
    void thread(unsigned i)
    {
        if (i == 0) {
            RL_ASSERT(find('k') == 1);
            interesting++;
        } else {
            rebuild();
        }
    }
};

struct replaced_beside_rebuild : one_shard<replaced_beside_rebuild, 2> {
    void thread(unsigned i)
    {
        if (i == 0) {
            link(&fresh);
            RL_ASSERT(find('k') == 2);
        } else {
            rebuild();
        }
    }

    void after()
    {
        RL_ASSERT(find('k') == 2);
        interesting++;
    }
};

struct inserted_beside_rebuild : one_shard<inserted_beside_rebuild, 2> {
    void thread(unsigned i)
    {
        if (i == 0) {
            link(&other);
            RL_ASSERT(find('o') == 3);
        } else {
            rebuild();
        }
    }

    void after()
    {
        RL_ASSERT(find('k') == 1 && find('o') == 3);
        interesting++;
    }
};

// One looks up what is there since the rebuild began, or longer.
struct found_in_either : one_shard<found_in_either, 2> {
    void thread(unsigned i)
    {
        if (i == 0) {
            int k = find('k');
            RL_ASSERT(k == 1 || k == 2);
        } else {
            link(&fresh);
            rebuild();
        }
    }

    void after()
    {
        RL_ASSERT(find('k') == 2);
        interesting++;
    }
};

struct inserted_beside_replacement : one_shard<inserted_beside_replacement, 2> {
    void thread(unsigned i)
    {
        if (i == 0) {
            link(&other);
            int k = find('k');
            RL_ASSERT(k == 1 || k == 2);
            interesting += k == 2;
        } else {
            link(&fresh);
        }
    }

    void after()
    {
        RL_ASSERT(find('k') == 2 && find('o') == 3);
    }
};

struct found_beside_growth : resized<found_beside_growth, 2> {
    void before()
    {
        make(1, 3);
    }

    void thread(unsigned i)
    {
        if (i == 0)
            link(3);
        else
            RL_ASSERT(find(1, 0));
    }

    void after()
    {
        check(2, 4);
    }
};

struct removed_beside_growth : resized<removed_beside_growth, 2> {
    void before()
    {
        make(1, 3);
    }

    void thread(unsigned i)
    {
        if (i == 0)
            link(3);
        else
            remove(2);
    }

    void after()
    {
        for (int i = 0; i < 4; i++)
            RL_ASSERT(find(0, i) == (i != 2));
        check(2, 3);
    }
};

struct inserted_beside_growth : resized<inserted_beside_growth, 2> {
    void before()
    {
        make(1, 3);
    }

    void thread(unsigned i)
    {
        link(3 + (int)i);
    }

    void after()
    {
        for (int i = 0; i < ENTRIES; i++)
            RL_ASSERT(find(0, i));
        check(2, 5);
    }
};

struct found_beside_shrinking : resized<found_beside_shrinking, 2> {
    void before()
    {
        make(3, 3);
    }

    void thread(unsigned i)
    {
        if (i == 0)
            remove(2);
        else
            RL_ASSERT(find(1, 0));
    }

    void after()
    {
        check(1, 2);
    }
};

struct inserted_beside_shrinking : resized<inserted_beside_shrinking, 2> {
    void before()
    {
        make(3, 3);
    }

    void thread(unsigned i)
    {
        if (i == 0)
            remove(2);
        else
            link(3);
    }

    void after()
    {
        for (int i = 0; i < 4; i++)
            RL_ASSERT(find(0, i) == (i != 2));
        check(1, 3);
    }
};

LITMUS(litmus_part<peeked, 50000, 3>,
       litmus_part<found_by_one, 50000, 2>,
       litmus_part<grown, 50000, 0, 1>,
       litmus_part<shrunk, 50000, 0, 1>,
       litmus_part<all_at_once, 100000, 0, 1>,
       litmus_part<held_by_another, 100000, 2>,
       litmus_part<stamped, 50000, 2>,
       litmus_part<found_beside_replacement, 10000, 1>,
       litmus_part<found_beside_rebuild, 10000, 1>,
       litmus_part<replaced_beside_rebuild, 10000, 1>,
       litmus_part<inserted_beside_rebuild, 10000, 1>,
       litmus_part<found_in_either, 10000, 1>,
       litmus_part<inserted_beside_replacement, 10000, 1>,
       litmus_part<found_beside_growth, 10000, 1>,
       litmus_part<removed_beside_growth, 10000, 1>,
       litmus_part<inserted_beside_growth, 10000, 1>,
       litmus_part<found_beside_shrinking, 10000, 1>,
       litmus_part<inserted_beside_shrinking, 10000, 1>,
       litmus_part<missed, 20000, 3>,
       litmus_part<found_new, 20000, 3>)
