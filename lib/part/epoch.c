/* SPDX-License-Identifier: MIT */
#include "part/epoch.h"

#ifndef BRIM_RELACY
#include "base/clock.h"
#include "part/membarrier.h"
struct epoch epoch_process = {{1}, {0}, {NULL}};
#endif

/*
 * Sequentially consistent, both: the writer bumps `now' and then reads `epoch'.  If it read this record before the
 * store, our load comes after the bump in the one order of all such accesses, reads it, and so sees all that was
 * unlinked before it.  No fence: ThreadSanitizer does not follow them.
 */
void epoch_enter_fenced(struct epoch *d, struct thread *t)
{
    if (t->shared)
        atom_add_seq_cst(&t->epoch, (uint64_t)1);
    else if (PLANTED(epoch_enter_relaxed))
        atom_store_relaxed(&t->epoch, atom_load_relaxed(&d->now));
    else
        atom_store_seq_cst(&t->epoch, atom_load_relaxed(&d->now));
    (void)atom_load_seq_cst(&d->now);
}

uint64_t epoch_stamp(struct epoch *d)
{
    return atom_add_seq_cst(&d->now, (uint64_t)1);
}

/* Make every other thread pass a full barrier.  After a refusal sections enter fenced, which needs none. */
static void barrier_everywhere(struct epoch *d)
{
#ifndef BRIM_RELACY
    if (!atom_load_relaxed(&d->asymmetric) || membarrier_all())
        return;
    atom_store_seq_cst(&d->asymmetric, 0);
    clock_pause(20000000);
#else
    (void)d;
#endif
}

bool epoch_passed(struct epoch *d, uint64_t stamp)
{
    barrier_everywhere(d);
    for (struct thread *t = atom_load_seq_cst(&d->threads); t != NULL; t = t->next) {
        uint64_t e = atom_load_seq_cst(&t->epoch);
        if (PLANTED(epoch_ignores_readers))
            continue;
        if (e != 0 && (t->shared || e <= stamp))
            return false;
    }
    return true;
}

void epoch_wait(struct epoch *d)
{
    uint64_t stamp = epoch_stamp(d);

    while (!epoch_passed(d, stamp)) {
#ifdef BRIM_RELACY
        rl::yield(1, $);
#else
        clock_pause(0);
#endif
    }
}
