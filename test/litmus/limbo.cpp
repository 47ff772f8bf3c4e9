// SPDX-License-Identifier: MIT
//
// Values that are borrowed: two readers peek at what a writer removes, one of them holds it; each looks at the
// limbo when its section ends.  The value is destroyed once, after every use, and not left behind: whoever ends
// last, the writer, a section or a ref, destroys it.  A section's stripe may just have been made.
#include "process.h"

#include "entry/entry.c"

// What stripe.c and limbo.c need: one stripe in the first chunk, which is shared, and two in the next.
#define BRIM_PART_STRIPE_H
enum { STRIPE_KINDS = 1, STRIPE_CHUNKS = 2, STRIPE_FIRST = 1 };
typedef ATOM(uint64_t) stripe_counter;
struct stripe {
    struct {
        stripe_counter pinned;
    } of[STRIPE_KINDS];
    struct epoch_reader section;
    bool shared;
};
struct stripes {
    const brim_allocator *mem;
    ATOM(struct stripe *) chunk[STRIPE_CHUNKS];
};
#define stripe_add(st, field, n) ((void)(st))

static struct stripe *(*more_stripes)();
#define BRIM_BASE_MEM_H
#define mem_alloc_zeroed(mem, n, align) more_stripes()
#define mem_free(mem, p, n, align) ((void)0)
#include "part/stripe.c"

#define BRIM_BASE_CLOCK_H
#define clock_now() 1
#include "cache/limbo.c"

struct harness : rl::test_suite<harness, 3> {
    entry e;
    limbo l;
    struct stripes stripes;
    stripe shared, more[3][2]; // each thread's, of which one is taken
    rl::atomic<int> made;
    rl::var<int> zeroed[3];
    rl::var<int> value, claimed; // claimed: as `eviction', which whoever takes it from the limbo writes
    rl::atomic<int> destroyed;

    void before()
    {
        current = this;
        more_stripes = make_stripes;
        made($) = 0;
        clear(&shared);
        shared.shared = true;
        atom_store_relaxed(&stripes.chunk[0], &shared);
        atom_store_relaxed(&stripes.chunk[1], NULL);
        entry_init(&e, "k", 0, NULL, 1);
        e.kind_flags = 0;
        entry_publish(&e, 0, 0);
        atom_store_relaxed(&l.values.now, 1);
        atom_store_relaxed(&l.count, 0);
        atom_store_relaxed(&l.charge, 0);
        l.old = l.young = (struct limbo_batch){{NULL, NULL}, 0, 0, 0};
        l.pushed = l.taken = 0;
        l.blocker = NULL;
        value($) = 1;
        claimed($) = 0;
        destroyed($) = 0;
    }

    static void clear(stripe *st)
    {
        atom_store_relaxed(&st->of[0].pinned, 0);
        atom_store_relaxed(&st->section.epoch, 0);
        st->section.shared = st->shared = false;
    }

    static harness *current;
    static stripe *make_stripes()
    {
        int i = current->made.fetch_add(1, rl::memory_order_relaxed);
        stripe *two = current->more[i];

        current->zeroed[i]($) = 1;
        clear(&two[0]);
        clear(&two[1]);
        return two;
    }

    void collect()
    {
        struct entry_list out = {NULL, NULL};

        limbo_take(&l, &stripes, &shared, &out);
        for (struct entry *x; (x = entry_list_pop(&out)) != NULL;) {
            claimed($) = 1;
            if (!entry_end_wait(x))
                continue;
            RL_ASSERT(value($) == 1);
            value($) = 0;
            RL_ASSERT(destroyed.fetch_add(1, rl::memory_order_relaxed) == 0);
            interesting++;
        }
    }

    void pass_on(unsigned events)
    {
        if (!(events & ENTRY_LAST))
            return;
        limbo_push(&l, &e);
        collect();
    }

    void thread(unsigned i)
    {
        if (i == 2) { // a writer, under the mutex
            if (entry_unlink(&e))
                limbo_push(&l, &e);
            else
                pass_on(entry_release(&e)); // the link's ref
            collect();
            return;
        }
        struct stripe *st = stripe_of_slow(&stripes, i + 1);
        bool held = false;
        RL_ASSERT(!st->shared && zeroed[(st - more[0]) / 2]($) == 1);
        epoch_enter(&l.values, &st->section);
        if (entry_is_linked(&e)) {
            RL_ASSERT(value($) == 1);
            if (i == 0)
                held = (entry_copy_hold(&e), true);
        }
        epoch_leave_seen(&st->section);
        if (limbo_count(&l) != 0)
            collect();
        if (held) {
            RL_ASSERT(value($) == 1);
            pass_on(entry_release(&e));
        }
    }

    void after()
    {
        RL_ASSERT(destroyed.load(rl::memory_order_relaxed) == 1);
    }
};

harness *harness::current;

LITMUS(litmus_part<harness, 200000, 1>)
