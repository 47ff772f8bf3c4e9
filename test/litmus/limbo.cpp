// SPDX-License-Identifier: MIT
//
// Values that are borrowed: two readers peek at what a writer removes, one of them holds it; each looks at the limbo
// when its section ends.  The value is destroyed once, after every use, and not left behind: whoever ends last, the
// writer, a section or a ref, destroys it.
// plant: entry_wait_ignores_holds
// plant: entry_wait_relaxed
// plant: epoch_leave_unseen
// plant: epoch_ignores_readers
// plant: limbo_never_rises
// plant: limbo_blocker_stays
#include "litmus.h"

#define BRIM_PART_THREAD_H // what limbo.c needs of them, without the process's own records
#include "base/lock.h"
#include "part/epoch.h"
#include "part/epoch.c"
#include "entry/entry.c"

#define BRIM_PART_STRIPE_H
struct stripe {
    struct epoch_reader section;
};
#define stripe_add(st, field, n) ((void)(st))

static stripe *stripes; // of the running schedule: two
static void stripes_each(const struct stripes *, void (*fn)(struct stripe *, void *), void *arg)
{
    fn(&stripes[0], arg);
    fn(&stripes[1], arg);
}

#define BRIM_BASE_CLOCK_H
#define clock_now() 1
static bool lock_init(struct lock *, int)
{
    return true;
}
static void lock_destroy(struct lock *)
{
}

#include "cache/limbo.c"

struct harness : rl::test_suite<harness, 3> {
    entry e;
    limbo l;
    stripe st[2];
    rl::var<int> value;
    rl::atomic<int> destroyed;

    void before()
    {
        stripes = st;
        entry_init(&e, "k", 0, NULL, 1);
        e.kind_flags = 0;
        entry_publish(&e, 0, 0);
        atom_store_relaxed(&l.values.now, 1);
        atom_store_relaxed(&l.count, 0);
        atom_store_relaxed(&l.charge, 0);
        l.old = l.young = (struct limbo_batch){{NULL, NULL}, 0, 0, 0};
        l.pushed = l.taken = 0;
        l.blocker = NULL;
        for (int i = 0; i < 2; i++) {
            atom_store_relaxed(&st[i].section.epoch, 0);
            st[i].section.shared = false;
        }
        value($) = 1;
        destroyed($) = 0;
    }

    void collect()
    {
        struct entry_list out = {NULL, NULL};

        limbo_take(&l, NULL, &st[0], &out);
        for (struct entry *x; (x = entry_list_pop(&out)) != NULL;) {
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
        bool held = false;
        epoch_enter(&l.values, &st[i].section);
        if (entry_is_linked(&e)) {
            RL_ASSERT(value($) == 1);
            if (i == 0)
                held = (entry_copy_hold(&e), true);
        }
        epoch_leave_seen(&st[i].section);
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

int main(int argc, char **argv)
{
    return litmus_main<harness>(argc, argv, 100000, 2);
}
