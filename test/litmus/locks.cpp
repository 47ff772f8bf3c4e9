// SPDX-License-Identifier: MIT
//
// What the small locks protect: the list of caches, the records of those who are told later, the queues, the
// shadows that all shards adapt by.  Each is used by three threads at once; what one leaves in it the next finds
// whole.
#include "process.h"

#include "entry/entry.c"

#include <pthread.h>
#define pthread_once(once, fn) ((void)0)
static void *(*memory)(size_t n); // zeroed
static void (*memory_back)(void *p);
#define BRIM_BASE_MEM_H
static const brim_allocator mem_default = {};
#define mem_alloc_zeroed(mem, n, align) memory(n)
#define mem_free(mem, p, n, align) ((p) != NULL ? memory_back(p) : (void)0)

// ---- The files; their own variables live for one schedule

#define BRIM_CACHE_CACHE_H
struct brim_cache {
    struct brim_cache *next, **back;
};
struct shard;
struct waiter { // as shard/flight.h, so far as it is looked at
    void *later;
    struct waiter *next_told;
    brim_status status;
    int reason;
    struct entry *result;
};
static bool (*forsake)(struct waiter *);
#define shard_forsake(sh, w) forsake(w)
#define BRIM_CACHE_PINS_H
#define pins_ref(ref) (ref)
#define ref_of(e) ((brim_ref *)(e))

#define BRIM_CACHE_DISPOSE_H
static void (*collected)(struct entry_list *);
#define dispose_is_under_way() false
#define dispose_collected(list) collected(list)
#define _Alignof alignof

#include "cache/registry.h"
#include "cache/wait.h"

#define static
struct registry_file {
#include "cache/registry.c"
};
struct wait_file {
#include "cache/wait.c"
};
#undef static

// The queue's names are public: its variables get their place by their names.
#define static extern
#include "cache/queue.c"
#undef static
alignas(struct lock) char queues[sizeof(struct lock)] __asm__("lock");

#define BRIM_SHARD_POLICY_SHADOW_H
#include "shard/policy.h"
struct shadow {
    struct policy policy;
    unsigned count;
};
static rl::var<int> *shadows; // of the running schedule: what is in all of them
static void shadow_changes()
{
    (*shadows)($) = (*shadows)($) + 1;
}
#define shadow_init(s, objective, mode, seed) ((void)0)
#define shadow_resize(s, capacity, most, holds) shadow_changes()
#define shadow_scale(s, part) shadow_changes()
#define shadow_is_crowded(s) false
enum { SHADOW_ENTRIES = 128, SHADOW_MOST = 160 };
static bool shadow_request(struct shadow *, const struct entry *)
{
    shadow_changes();
    return false;
}
static const struct policy_mode policy_modes[POLICY_MODES] = {};
static float policy_benefit(const struct policy *, const struct entry *)
{
    return 1;
}
static void policy_follow(float *, float, uint32_t)
{
}
#include "shard/policy_adapt.c"

// ---- The list of caches

// Two join and leave, a third looks for one.
struct caches : rl::test_suite<caches, 3> {
    registry_file file;
    brim_cache c[2];
    rl::var<int> there[2]; // of each cache: 1 while it is in the list

    static caches *current;

    void before()
    {
        current = this;
        file.list = NULL;
        there[0]($) = there[1]($) = 0;
    }

    static bool match(brim_cache *x, void *found)
    {
        RL_ASSERT(current->there[x - current->c]($) == 1);
        ++*(int *)found;
        return false;
    }

    void thread(unsigned i)
    {
        int found = 0;

        if (i == 2) {
            RL_ASSERT(file.registry_find(match, &found) == NULL);
            interesting += found;
            return;
        }
        there[i]($) = 1;
        file.registry_join(&c[i]);
        rl::yield(1, $); // the list's words are plain: nobody else runs between two of them but here
        file.registry_leave(&c[i]);
        there[i]($) = 0;
    }

    void after()
    {
        RL_ASSERT(file.list == NULL);
    }
};
caches *caches::current;

// ---- Those who are told later

// Records pass from one to the next; a late handle cancels nobody else's wait.
struct waits : rl::test_suite<waits, 3> {
    enum { CHUNKS_HAD = 3, USED = 4 }; // of each chunk, the last
    wait_file file;
    char chunk[CHUNKS_HAD][sizeof(wait_file::wait) * wait_file::CHUNK];
    rl::atomic<int> had;
    rl::var<int> of_record[CHUNKS_HAD * USED]; // 1 while somebody has it
    rl::atomic<int> told, canceled;
    rl::atomic<brim_wait *> handle;

    static waits *current;

    static void *more(size_t n)
    {
        void *p = current->chunk[current->had.fetch_add(1, rl::memory_order_relaxed)];

        std::memset(p, 0, n);
        return p;
    }

    static bool stop(waiter *)
    {
        rl::yield(1, $);
        return true;
    }

    void before()
    {
        current = this;
        memory = more;
        forsake = stop;
        file.chunks = 0;
        file.unused = NULL;
        had($) = 0;
        for (auto &x : of_record)
            x($) = 0;
        told($) = canceled($) = 0;
        handle($) = NULL;
    }

    int number(waiter *w)
    {
        int index = (int)file.wait_of(w)->index, from_end = wait_file::CHUNK - 1 - index % wait_file::CHUNK;

        RL_ASSERT(from_end < USED);
        return index / wait_file::CHUNK * USED + from_end;
    }

    waiter *begin()
    {
        waiter *w = file.wait_new(NULL, NULL, NULL);

        RL_ASSERT(of_record[number(w)]($) == 0);
        of_record[number(w)]($) = 1;
        return w;
    }

    void end(waiter *w)
    {
        of_record[number(w)]($) = 0;
        file.wait_free(w);
    }

    void thread(unsigned i)
    {
        waiter *w;

        if (i == 2) {
            brim_wait *h = handle.load(rl::memory_order_acquire);
            if (h != NULL && file.brim_wait_cancel(h))
                canceled.fetch_add(1, rl::memory_order_relaxed);
            return;
        }
        w = begin();
        if (i == 0) {
            brim_wait *h = file.wait_handle(w);
            of_record[number(w)]($) = 0;
            handle.store(h, rl::memory_order_release);
            if (file.brim_wait_cancel(h))
                canceled.fetch_add(1, rl::memory_order_relaxed);
        } else {
            end(w);
        }
        end(begin());
    }

    void after()
    {
        RL_ASSERT(canceled($) == 1);
        interesting++;
    }
};
waits *waits::current;

// ---- Queues

// Two threads' values go to a queue; a third collects some and drops it.
struct queue : rl::test_suite<queue, 3> {
    brim_queue q;
    entry e[3];
    rl::atomic<int> ended[3], freed;
    rl::var<int> memory_of_queue;

    static queue *current;

    static void end(entry_list *list)
    {
        for (entry *x; (x = entry_list_pop(list)) != NULL;)
            RL_ASSERT(current->ended[x - current->e].fetch_add(1, rl::memory_order_relaxed) == 0);
    }

    static void back(void *)
    {
        RL_ASSERT(current->freed.fetch_add(1, rl::memory_order_relaxed) == 0);
        current->memory_of_queue($) = 0;
    }

    void before()
    {
        current = this;
        memory_back = back;
        collected = end;
        new (queues) struct ::lock;
        q.list = (entry_list){NULL, NULL};
        q.uses = 1;
        q.dropped = false;
        for (int i = 0; i < 3; i++) {
            entry_init(&e[i], "", 0, NULL, 1);
            ended[i]($) = 0;
        }
        freed($) = 0;
        memory_of_queue($) = 1;
        (void)queue_use(&q); // a kind's, as the next
        (void)queue_use(&q);
    }

    void push(unsigned i)
    {
        RL_ASSERT(memory_of_queue($) == 1);
        if (queue_push(&q, &e[i]))
            interesting++;
        else
            RL_ASSERT(ended[i].fetch_add(1, rl::memory_order_relaxed) == 0);
    }

    void thread(unsigned i)
    {
        if (i == 2) {
            (void)brim_collect(&q, 1);
            brim_queue_drop(&q);
            return;
        }
        push(i);
        if (i == 0)
            push(2);
        queue_unuse(&q);
    }

    void after()
    {
        for (int i = 0; i < 3; i++)
            RL_ASSERT(ended[i]($) == 1);
        RL_ASSERT(freed($) == 1);
        ((struct ::lock *)(void *)queues)->~lock();
    }
};
queue *queue::current;

// ---- What shards adapt by

struct adapting : rl::test_suite<adapting, 3> {
    policy_adapt a;
    shadow memory_of_shadows[2][POLICY_MODES];
    rl::atomic<int> had;
    rl::var<int> content;

    static adapting *current;

    static void *more(size_t)
    {
        return current->memory_of_shadows[current->had.fetch_add(1, rl::memory_order_relaxed)];
    }

    static void back(void *)
    {
    }

    void before()
    {
        current = this;
        memory = more;
        memory_back = back;
        shadows = &content;
        content($) = 0;
        had($) = 0;
        a.shadows = NULL;
        a.requests = 0;
        a.mean_benefit = 0;
        for (auto &missed : a.missed)
            missed = 0;
        atom_store_relaxed(&a.entries, 0);
        atom_store_relaxed(&a.threshold, 0);
        atom_store_relaxed(&a.mode, 0);
    }

    void thread(unsigned i)
    {
        if (i < 2) {
            adapt_fit(&a, NULL, 100 + i, 1000, false);
            adapt_count(&a, NULL);
        } else if (adapt_fits(&a, 100)) {
            interesting++;
            adapt_count(&a, NULL);
        }
    }

    void after()
    {
        RL_ASSERT(a.shadows != NULL);
    }
};
adapting *adapting::current;

LITMUS(litmus_part<caches, 20000, 2>,
       litmus_part<waits, 5000, 1>,
       litmus_part<queue, 20000, 1>,
       litmus_part<adapting, 20000, 1>)
