// SPDX-License-Identifier: MIT
//
// A cache with options.borrow that is freed while threads borrow from it, hold refs and keys, and end sections in
// callbacks: every value is destroyed once, after all use; the cache ends once, after everything; and nothing that waits
// for a section is left behind, whoever was to look for it (edges last, asked, tally).
#include "process.h"

#include "entry/entry.c"
#include "part/tally.c"

#define BRIM_PART_STRIPE_H // one stripe for each thread
struct stripe {
    struct epoch_reader section;
    ATOM(uint32_t) nesting;
    bool shared;
};
struct stripes {
    struct stripe of[3];
};
#define stripe_add(st, field, n) ((void)(st))
#define stripe_of(s, t) (&(s)->of[(t)->number - 1])
#define stripe_ready(s, t) stripe_of(s, t)
static void stripes_each(const struct stripes *s, void (*fn)(struct stripe *, void *), void *arg)
{
    for (const stripe &st : s->of)
        fn(const_cast<stripe *>(&st), arg);
}

#define BRIM_BASE_CLOCK_H
#define clock_now() 1
#include "cache/limbo.c"

#define BRIM_CACHE_CACHE_H // what dispose.c and section.c need of a cache
struct kind {
    const brim_kind *user;
    brim_queue *queue;
    ATOM(uint64_t) queued, queued_values, uncharged;
};
struct brim_cache {
    bool borrow;
    struct stripes stripes;
    struct tally live;
    struct limbo limbo;
    struct kind kind;
    int slab;
    ATOM(uint64_t) queued;
    ATOM(uint32_t) freed, sections_over, asked;
    struct { // who reads it, and who writes it next
        rl::var<struct brim_cache *> v;
        operator struct brim_cache *()
        {
            return v($);
        }
        void operator=(struct brim_cache *c)
        {
            v($) = c;
        }
    } next_asked;
};
struct caller {
    struct thread *t;
    struct stripe *st;
};
static struct process<3> *threads; // of the running schedule, as the cache
static struct brim_cache *the_cache;
#define thread_self() (&threads->self[rl::thread_index()])
#define thread_on_exit(fn) ((void)(fn))
#define cache_of(e) the_cache
#define kind_of(e) (&the_cache->kind)
#define caller_of(c) (caller{thread_self(), stripe_of(&(c)->stripes, thread_self())})
#define cache_tick(c) 0
#define cache_entry_cost(e) 1
#define kind_count(k, t, field, n) ((void)(k))
#define kind_destroyed(k, t) ((void)(k))
#define shard_count_pins(st, e, events) ((void)(events))
static void cache_drop_live(struct brim_cache *c, struct thread *t);

static struct {
    struct disposal *disposal;
} tls[3];
#define thread_tls tls[rl::thread_index()]

#define BRIM_CACHE_ADMIT_H
#include "cache/dispose.h"
#define admit_freed(c, by, k, charge, keep) ((void)(keep))
#define BRIM_CACHE_GROUP_H
#define groups_drop(e) ((void)(e))
#define BRIM_CACHE_QUEUE_H
#define queue_push(q, e) false
static void (*memory_back)(struct entry *);
#define slab_retire(slab, t, e, class_) memory_back(e)
#include "cache/dispose.c"

#define BRIM_CACHE_REGISTRY_H
#define registry_find(match, arg) ((void)(match), (struct brim_cache *)NULL)
void debug_message(const char *)
{
    RL_ASSERT(!"debug_message");
}
#include "cache/section.c"

static void (*cache_ends)();
static void cache_drop_live(struct brim_cache *c, struct thread *t) // as cache.c
{
    if (!tally_drop(&c->live, t))
        return;
    epoch_wait(domain);
    cache_ends();
}

template <typename Self, int THREADS> struct borrowed : rl::test_suite<Self, THREADS> {
    struct process<3> process;
    brim_cache c;
    entry e;
    int entries; // 1, or 0
    brim_kind user;
    rl::var<int> value, memory, cache; // 1, and 0 once they are destroyed or given back
    rl::atomic<int> destroyed, freed, ended;

    static borrowed *current;

    static void destroy(void *, size_t, void *)
    {
        RL_ASSERT(current->value($) == 1);
        current->value($) = 0;
        RL_ASSERT(current->destroyed.fetch_add(1, rl::memory_order_relaxed) == 0);
    }

    static void back(entry *)
    {
        RL_ASSERT(current->destroyed.load(rl::memory_order_relaxed) == 1);
        epoch_wait(domain);
        RL_ASSERT(current->memory($) == 1);
        current->memory($) = 0;
        RL_ASSERT(current->freed.fetch_add(1, rl::memory_order_relaxed) == 0);
    }

    static void end()
    {
        RL_ASSERT(current->freed.load(rl::memory_order_relaxed) == current->entries);
        RL_ASSERT(current->cache($) == 1);
        current->cache($) = 0;
        RL_ASSERT(current->ended.fetch_add(1, rl::memory_order_relaxed) == 0);
    }

    // An entry in a cache; ${refs} and ${keys} of it are the user's.
    void make(unsigned refs, unsigned keys)
    {
        current = this;
        entries = 1;
        memory_back = back;
        cache_ends = end;
        threads = &process;
        the_cache = &c;
        process.make();
        for (int i = 0; i < 3; i++) {
            tls[i].disposal = NULL;
            atom_store_relaxed(&c.stripes.of[i].section.epoch, 0);
            atom_store_relaxed(&c.stripes.of[i].nesting, 0);
            c.stripes.of[i].section.shared = c.stripes.of[i].shared = false;
        }
        user = (brim_kind){};
        user.destroy = destroy;
        c.borrow = true;
        c.kind.user = &user;
        c.kind.queue = NULL;
        atom_store_relaxed(&c.freed, 0);
        atom_store_relaxed(&c.sections_over, 0);
        atom_store_relaxed(&c.asked, 0);
        tally_init(&c.live);
        atom_store_relaxed(&c.live.part[1].n, 3); // the cache, its sections, the entry
        limbo_init(&c.limbo);
        atom_store_relaxed(&c.limbo.count, 0);
        atom_store_relaxed(&c.limbo.charge, 0);
        c.limbo.old = c.limbo.young = (struct limbo_batch){{NULL, NULL}, 0, 0, 0};
        c.limbo.pushed = c.limbo.taken = 0;
        c.limbo.blocker = NULL;
        entry_init(&e, "k", 0, &value, 1);
        e.kind_flags = 0;
        entry_publish(&e, refs, keys);
        value($) = memory($) = cache($) = 1;
        destroyed($) = freed($) = ended($) = 0;
    }

    // A section of thread ${i}, from before.
    void open(unsigned i)
    {
        atom_store_relaxed(&c.stripes.of[i].section.epoch, 1);
        atom_store_relaxed(&c.stripes.of[i].nesting, 1);
        process.self[i].borrowing = 1;
    }

    void wait_in_limbo()
    {
        (void)entry_unlink(&e);
        e.priority = ENTRY_NO_CAUSE;
        limbo_push(&c.limbo, &e);
    }

    void remove() // as shard_unlink_locked, and what follows
    {
        entry_list left = {NULL, NULL};

        if (!entry_is_linked(&e))
            return;
        (void)entry_unlink(&e);
        entry_list_push(&left, &e);
        dispose(&left, NULL);
    }

    void free_cache() // as brim_cache_free
    {
        RL_ASSERT(cache($) == 1);
        if (entries > 0)
            remove();
        (void)tally_close(&c.live);
        end_cache();
    }

    void end_cache()
    {
        section_forbid(&c);
        cache_drop_live(&c, thread_self());
    }

    bool peek()
    {
        bool there = entry_is_linked(&e);

        if (there) {
            RL_ASSERT(value($) == 1);
            interesting++;
        }
        return there;
    }

    void release()
    {
        entry_list last = {NULL, NULL};

        RL_ASSERT(value($) == 1);
        section_enter(thread_self());
        unsigned events = entry_release(&e);
        if (events & ENTRY_LAST)
            entry_list_push(&last, &e);
        section_leave(thread_self());
        dispose_lasts(&last);
    }

    // In a destructor or listener.
    template <typename F> void in_callback(F f)
    {
        struct disposal outer = {};

        thread_tls.disposal = &outer;
        f();
        run(&outer);
    }
};
template <typename Self, int THREADS> borrowed<Self, THREADS> *borrowed<Self, THREADS>::current;

// Two sections are open, one of whose threads holds what it has borrowed beyond its end.
struct freed_beside_sections : borrowed<freed_beside_sections, 3> {
    void before()
    {
        make(0, 0);
        open(0);
        open(1);
    }

    void thread(unsigned i)
    {
        if (i == 2) {
            free_cache();
            return;
        }
        bool held = peek() && i == 0;
        if (held)
            (void)entry_copy_hold(&e);
        brim_read_end(&c);
        if (held)
            release();
    }

    void after()
    {
        RL_ASSERT(ended($) == 1);
    }
};

// The same in a cache without values, for which nobody has anything to look for.
struct freed_empty : borrowed<freed_empty, 2> {
    void before()
    {
        make(0, 0);
        entries = 0;
        atom_store_relaxed(&c.live.part[1].n, 2);
        open(0);
    }

    void thread(unsigned i)
    {
        if (i == 0)
            brim_read_end(&c);
        else
            free_cache();
    }

    void after()
    {
        interesting++;
        RL_ASSERT(ended($) == 1);
    }
};

// A value waits for no section any more when the first thread's ends; the other ends the value and frees the cache, maybe
// when the first has seen that there is something to look for, but not yet left.
struct freed_meanwhile : borrowed<freed_meanwhile, 2> {
    void before()
    {
        make(0, 0);
        (void)entry_unlink(&e);
        e.priority = ENTRY_NO_CAUSE;
        limbo_push(&c.limbo, &e);
        atom_store_relaxed(&c.limbo.values.now, 2);
        open(0);
        atom_store_relaxed(&c.stripes.of[0].section.epoch, 2); // it has begun after
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            brim_read_end(&c);
        } else {
            dispose_waiting(&c, NULL);
            free_cache();
        }
    }

    void after()
    {
        interesting++;
        RL_ASSERT(destroyed($) == 1 && ended($) == 1);
    }
};

// A ref and a key outlive the cache.
struct freed_beside_handles : borrowed<freed_beside_handles, 3> {
    void before()
    {
        make(1, 1);
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            release();
        } else if (i == 1) {
            RL_ASSERT(memory($) == 1);
            RL_ASSERT(cache($) == 1);
            interesting++;
            dispose_key(&e);
        } else {
            free_cache();
        }
    }

    void after()
    {
        RL_ASSERT(ended($) == 1);
    }
};

// A value waits for the first thread's section, which ends in a callback; so does one of the other's.
struct asked : borrowed<asked, 2> {
    void before()
    {
        make(0, 0);
        open(0);
        wait_in_limbo();
    }

    void thread(unsigned i)
    {
        in_callback([this, i] {
            if (i == 1)
                (void)brim_read_begin(&c);
            brim_read_end(&c);
        });
    }

    void after()
    {
        interesting++;
        RL_ASSERT(destroyed($) == 1);
    }
};

// The first's section begins anew instead, and goes on.
struct asked_anew : borrowed<asked_anew, 2> {
    void before()
    {
        make(0, 0);
        open(0);
        (void)entry_unlink(&e);
        e.priority = ENTRY_NO_CAUSE;
        limbo_push(&c.limbo, &e);
    }

    void thread(unsigned i)
    {
        in_callback([this, i] {
            if (i == 0) {
                brim_read_refresh(&c);
            } else {
                (void)brim_read_begin(&c);
                brim_read_end(&c);
            }
        });
    }

    void after()
    {
        interesting++;
        RL_ASSERT(destroyed($) == 1);
    }
};

// ---- Of the larger ones two threads each, so that all schedules can be run at bound 3

// What is removed waits for a section, or for nothing.
struct removed_beside_section : borrowed<removed_beside_section, 2> {
    void before()
    {
        make(0, 0);
        open(0);
    }

    void thread(unsigned i)
    {
        if (i == 1) {
            remove();
            return;
        }
        (void)peek();
        brim_read_end(&c);
    }

    void after()
    {
        RL_ASSERT(destroyed($) == 1);
    }
};

// It has been removed, and waits for the section, which ends while the cache is freed.  The count is closed already: that
// somebody counts meanwhile is tally.cpp's.
struct freed_beside_section : borrowed<freed_beside_section, 2> {
    void before()
    {
        make(0, 0);
        open(0);
        wait_in_limbo();
        (void)tally_close(&c.live);
    }

    void thread(unsigned i)
    {
        if (i == 0)
            brim_read_end(&c);
        else
            end_cache();
    }

    void after()
    {
        interesting++;
        RL_ASSERT(ended($) == 1);
    }
};

struct removed_beside_ref : borrowed<removed_beside_ref, 2> {
    void before()
    {
        make(1, 0);
    }

    void thread(unsigned i)
    {
        if (i == 0)
            release();
        else
            remove();
    }

    void after()
    {
        interesting++;
        RL_ASSERT(destroyed($) == 1);
    }
};

// It has been removed, and its last ref is released while the cache is freed.
struct freed_beside_ref : borrowed<freed_beside_ref, 2> {
    void before()
    {
        make(1, 0);
        remove();
        (void)tally_close(&c.live);
    }

    void thread(unsigned i)
    {
        if (i == 0)
            release();
        else
            end_cache();
    }

    void after()
    {
        interesting++;
        RL_ASSERT(ended($) == 1);
    }
};

// It is freed, and a key dropped.
struct freed_beside_key : borrowed<freed_beside_key, 2> {
    void before()
    {
        make(0, 1);
    }

    void thread(unsigned i)
    {
        if (i == 0)
            dispose_key(&e);
        else
            free_cache();
    }

    void after()
    {
        interesting++;
        RL_ASSERT(ended($) == 1);
    }
};

// It has been freed: the last ref and the last key go.
struct handles_left : borrowed<handles_left, 2> {
    void before()
    {
        make(1, 1);
        free_cache();
    }

    void thread(unsigned i)
    {
        if (i == 0)
            release();
        else
            dispose_key(&e);
    }

    void after()
    {
        interesting++;
        RL_ASSERT(ended($) == 1);
    }
};

// A value waits for two sections, which end.
struct sections_end : borrowed<sections_end, 2> {
    void before()
    {
        make(0, 0);
        open(0);
        open(1);
        wait_in_limbo();
    }

    void thread(unsigned)
    {
        RL_ASSERT(value($) == 1);
        brim_read_end(&c);
    }

    void after()
    {
        interesting++;
        RL_ASSERT(destroyed($) == 1);
    }
};

// It waits for one, while somebody lets go of it.
struct section_ends_beside_ref : borrowed<section_ends_beside_ref, 2> {
    void before()
    {
        make(1, 0);
        open(0);
        (void)entry_unlink(&e);
        (void)entry_release(&e); // the link's ref
    }

    void thread(unsigned i)
    {
        if (i == 0) {
            RL_ASSERT(value($) == 1);
            brim_read_end(&c);
        } else {
            release();
        }
    }

    void after()
    {
        interesting++;
        RL_ASSERT(destroyed($) == 1);
    }
};

LITMUS(litmus_part<asked, 20000, 1>,
       litmus_part<asked_anew, 20000, 1>,
       litmus_part<freed_empty, 20000, 2>,
       litmus_part<freed_meanwhile, 20000, 1, 2>,
       litmus_part<freed_beside_handles, 20000, 1, 1>,
       litmus_part<freed_beside_sections, 50000, 0, 0>,
       litmus_part<removed_beside_section, 10000, 1>,
       litmus_part<freed_beside_section, 10000, 1>,
       litmus_part<removed_beside_ref, 10000, 1>,
       litmus_part<freed_beside_ref, 10000, 1>,
       litmus_part<freed_beside_key, 10000, 1>,
       litmus_part<handles_left, 10000, 1>,
       litmus_part<sections_end, 10000, 1>,
       litmus_part<section_ends_beside_ref, 10000, 1>)
