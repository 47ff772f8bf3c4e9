// SPDX-License-Identifier: MIT
//
// Kinds: the record of one is made once, whoever asks first, and is whole for who finds it; of a load that brings a
// new kind and the closing of all one sees the other, and `unused' is told once, after the last.
#include "process.h"

#include "part/tally.c"

#define BRIM_BASE_MEM_H
#include "brim.h"
static const brim_allocator mem_default = {};
static void *(*memory)(size_t n);
static void (*memory_back)(void *p);
#define mem_alloc_zeroed(mem, n, align) memory(n)
#define mem_free(mem, p, n, align) memory_back(p)

#include "cache/kind.h"

#define BRIM_PART_STRIPE_H
enum { STRIPE_KINDS = KIND_SLOTS };
#define BRIM_CACHE_CACHE_H // what kind.c needs of a cache
struct brim_cache {
    brim_allocator mem;
    struct {
        ATOM(uint32_t) queues;
    } common;
    bool borrow;
    int limbo;
    struct lock kind_lock;
    ATOM(struct kind *) kinds;
    ATOM(uint32_t) kinds_closed;
};
static void kinds_lock(struct brim_cache *c)
{
    lock_acquire(&c->kind_lock);
}
static void kinds_unlock(struct brim_cache *c)
{
    lock_release(&c->kind_lock);
}
#define BRIM_CACHE_LIMITS_H
#define limits_fit(c, k, floor, ceiling) true
#define limits_set_first(c, k, floor, ceiling) ((void)(k))
#define limbo_charge_of(limbo, number) 0
#define BRIM_CACHE_QUEUE_H
#define queue_use(q) ((brim_queue *)NULL)
#define queue_unuse(q) ((void)(q))
// The process's table, of which one chunk is used; that lives for one schedule.
alignas(struct kind_table) char table[sizeof(struct kind_table)] __asm__("kind_table");
#include "shard/limit.c"
#include "cache/kind.c"

typedef std::remove_reference<decltype(kind_table.chunk[0])>::type place_of_chunk;

template <typename Self> struct kinds : rl::test_suite<Self, 2> {
    enum { RECORDS = 2, CHUNKS = 2 };
    struct process<2> process;
    brim_cache c;
    brim_kind user;
    kind_chunk chunks[CHUNKS];
    kind records[RECORDS];
    rl::var<int> there[RECORDS]; // 1: it is somebody's
    rl::atomic<int> chunks_had, records_had, told;

    static kinds *current;

    static void *more(size_t n)
    {
        if (n == sizeof(kind_chunk)) {
            kind_chunk *chunk = &current->chunks[current->chunks_had.fetch_add(1, rl::memory_order_relaxed)];
            for (int j = 0; j < RECORDS * KIND_SLOTS; j++) // no more are looked at
                atom_store_relaxed(&chunk->kind[j], NULL);
            return chunk;
        }
        int i = current->records_had.fetch_add(1, rl::memory_order_relaxed);
        kind *k = &current->records[i];
        current->there[i]($) = 1;
        atom_store_relaxed(&k->closed, 0);
        atom_store_relaxed(&k->held, 0);
        return k;
    }

    static void back(void *p)
    {
        if (p >= current->records && p < current->records + RECORDS)
            current->there[(kind *)p - current->records]($) = 0;
    }

    static void unused(void *)
    {
        RL_ASSERT(current->told.fetch_add(1, rl::memory_order_relaxed) == 0);
    }

    void before()
    {
        current = this;
        memory = more;
        memory_back = back;
        process.make();
        new (&kind_table.chunk[0]) place_of_chunk;
        atom_store_relaxed(&kind_table.chunk[0], NULL);
        atom_store_relaxed(&c.kinds, NULL);
        atom_store_relaxed(&c.kinds_closed, 0);
        user = (brim_kind){};
        user.unused = unused;
        for (int i = 0; i < RECORDS; i++)
            there[i]($) = 0;
        chunks_had($) = records_had($) = told($) = 0;
    }

    kind *get()
    {
        kind *k;
        entry e;

        RL_ASSERT(kind_get(&c, &user, &k) == BRIM_OK);
        RL_ASSERT(there[k - records]($) == 1);
        RL_ASSERT(k->user == &user);
        e.kind_flags = k->number << 8;
        RL_ASSERT(kind_of(&e) == k);
        return k;
    }

    void after()
    {
        kind_table.chunk[0].~place_of_chunk();
    }
};
template <typename Self> kinds<Self> *kinds<Self>::current;

// Two meet it at once.
struct met : kinds<met> {
    kind *got[2];

    void thread(unsigned i)
    {
        got[i] = get();
    }

    void after()
    {
        RL_ASSERT(got[0] == got[1]);
        interesting += records_had($) > 1;
        kinds::after();
    }
};

// A load brings it while the cache is freed.
struct closed : kinds<closed> {
    void thread(unsigned i)
    {
        if (i == 1) {
            kinds_close(&c);
            return;
        }
        kind *k = get();
        if (!kind_hold(k, &process.self[i]))
            return;
        RL_ASSERT(told.load(rl::memory_order_relaxed) == 0);
        interesting++;
        kind_let_go(k, &process.self[i]);
    }

    void after()
    {
        RL_ASSERT(told($) == 1);
        kinds::after();
    }
};

LITMUS(litmus_part<met, 10000, 1>,
       litmus_part<closed, 10000, 1>)
