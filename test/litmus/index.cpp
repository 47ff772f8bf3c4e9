// SPDX-License-Identifier: MIT
//
// A look-up against replace, removal, insertion and a rebuild: it finds whole entries, never misses a key that is
// replaced while it is there, and never sees the old one after the new one (G6, G11).
// plant: index_publish_relaxed
// plant: index_find_relaxed
// plant: index_table_relaxed
// plant: shard_successor_relaxed
// plant: shard_replace_unlinks_first
// plant: entry_left_relaxed
// plant: shard_last_is_a_miss
#include "litmus.h"

#define BRIM_PART_THREAD_H // what shard.c needs of them, without the process's own records
#include "base/lock.h"
#include "part/epoch.h"
#include "part/epoch.c"

static struct epoch *no_epoch; // nothing here is given back
#define epoch_process (*no_epoch)
static inline uint64_t thread_random(struct thread *)
{
    return 0;
}

#define BRIM_PART_STRIPE_H
struct stripe {
    int none;
};
#define stripe_add(st, field, n) ((void)(st))

#define BRIM_PART_TALLY_H
struct tally;
static void tally_adjust(struct tally *, struct thread *, size_t)
{
}

#define BRIM_BASE_CLOCK_H
#define clock_pause(ns) ((void)0)

#define BRIM_BASE_MEM_H
#define mem_alloc_zeroed(mem, n, align) NULL
#define mem_free(mem, p, n, align) ((void)0)
static bool lock_init(struct lock *, int)
{
    return true;
}
static void lock_destroy(struct lock *)
{
}

#include "entry/entry.c"
#include "shard/budget.c"
#include "shard/index.c"
#include "shard/policy_ghosts.c"
#include "shard/policy.c"

// Nothing is evicted: there is nothing to adapt to.
void adapt_count(policy_adapt *, const entry *)
{
}
bool adapt_fits(policy_adapt *, uint64_t)
{
    return true;
}
void adapt_fit(policy_adapt *, const brim_allocator *, uint64_t, uint64_t, bool)
{
}
uint64_t hash_random(uint64_t *)
{
    return 0;
}

#include "shard/shard.c"

struct keyed {
    entry e; // the key follows at once
    unsigned char key[4];
};

template <typename Self> struct one_shard : rl::test_suite<Self, 3> {
    shard sh;
    index_root root;
    struct room {
        table t;
        bucket b[1];
    } tables[2];
    keyed old, fresh, other;

    void make(keyed *k, int value, char key)
    {
        entry_init(&k->e, &key, 1, (void *)(intptr_t)value, 1);
        k->e.place = 1;
        k->e.kind_flags = 1 << ENTRY_PRIORITY_SHIFT;
    }

    void before()
    {
        for (int i = 0; i < 2; i++) {
            index_table_init(&tables[i].t, 1);
            for (int j = 0; j < INDEX_ENTRIES; j++)
                tables[i].b[0].entry[j].v($) = NULL;
            tables[i].b[0].tags[0].v($) = tables[i].b[0].tags[1].v($) = 0;
        }
        index_init(&sh.index, &root, &tables[0].t, 0);
        policy_init(&sh.policy, BRIM_HITS, 1, NULL);
        sh.entries = NULL;
        sh.closed = false;
        sh.used.v($) = 0;
        sh.count.v($) = 0;
        sh.bytes.v($) = 0;
        make(&old, 1, 'k');
        make(&fresh, 2, 'k');
        make(&other, 3, 'o');
        link(&old);
    }

    void link(keyed *k)
    {
        stripe st;
        entry_list left = {NULL, NULL};
        struct shard_link l = {&k->e, 0, 0, 7, NULL, false, NULL, NULL, false};
        RL_ASSERT(::shard_link(&sh, &l, NULL, &st, &left) == SHARD_LINKED);
        entry *gone;
        while ((gone = entry_list_pop(&left)) != NULL)
            if (!entry_is_dead(gone))
                entry_release(gone); // the link's ref
    }

    int find(char key)
    {
        stripe st;
        entry_list last = {NULL, NULL};
        entry *e = shard_find(index_view(&sh.index), (uint64_t)7 << 48 | 1, &key, 1, &st, &last);
        entry *dead;
        while ((dead = entry_list_pop(&last)) != NULL)
            interesting++;
        if (e == NULL)
            return 0;
        int value = (int)(intptr_t)shared_get(e->value);
        entry_release(e);
        return value;
    }

    void rebuild()
    {
        bool more = true;

        lock_acquire(&sh.lock);
        index_begin_locked(&sh.index, &tables[1].t);
        lock_release(&sh.lock);
        while (more) {
            lock_acquire(&sh.lock);
            more = index_copy_locked(&sh.index, &tables[1].t);
            if (!more)
                RL_ASSERT(index_end_locked(&sh.index, &tables[1].t) == &tables[0].t);
            lock_release(&sh.lock);
        }
    }
};

// Replacement, insertion and a rebuild at once.
struct all_at_once : one_shard<all_at_once> {
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
struct held_by_another : one_shard<held_by_another> {
    void before()
    {
        one_shard<held_by_another>::before();
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

int main(int argc, char **argv)
{
    int status = litmus_main<all_at_once>(argc, argv, 100000, 1);

    return status != 0 ? status : litmus_main<held_by_another>(argc, argv, 100000, 3);
}
