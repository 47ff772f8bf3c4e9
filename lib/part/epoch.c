/* SPDX-License-Identifier: MIT */
#include "part/epoch.h"

#ifndef BRIM_RELACY
#include "base/clock.h"
#include "part/membarrier.h"
struct epoch_mode epoch_mode;
struct epoch epoch_process = {{1}, {0}, {NULL}};
#endif

/*
 * Sequentially consistent, both: the writer bumps `now' and then reads `epoch'.  If it read this record before the
 * store, our load comes after the bump in the one order of all such accesses, reads it, and so sees all that was
 * unlinked before it.  No fence: ThreadSanitizer does not follow them.  Relaxed, the load before the store: the one after
 * it reads no older epoch, and acquires that.
 */
void epoch_enter_fenced(struct epoch *d, struct epoch_reader *r)
{
    if (r->shared)
        (void)atom_add_seq_cst(&r->epoch, (uint64_t)1);
    else if (PLANTED(epoch_enter_relaxed))
        atom_store_relaxed(&r->epoch, atom_load_relaxed(&d->now));
    else
        atom_store_seq_cst(&r->epoch, atom_load_relaxed(&d->now));
    (void)atom_load_seq_cst(&d->now);
}

uint64_t epoch_stamp(struct epoch *d)
{
    return atom_add_seq_cst(&d->now, (uint64_t)1);
}

/* After a refusal sections enter fenced, which needs no barrier. */
void epoch_barrier(void)
{
#ifndef BRIM_RELACY
    if (!atom_load_relaxed(&epoch_mode.asymmetric) || membarrier_all())
        return;
    atom_store_seq_cst(&epoch_mode.asymmetric, 0);
    clock_pause(20000000);
#endif
}

uint64_t epoch_entered(const struct epoch_reader *r)
{
    uint64_t e = atom_load_seq_cst(&((struct epoch_reader *)(uintptr_t)r)->epoch);

    if (PLANTED(epoch_ignores_readers) || e == 0)
        return EPOCH_NONE;
    return r->shared ? 0 : e;
}

/* Release: what the sections did came before (edge leave, handed on).  Who notes it has seen them end himself. */
static void note_passed(struct epoch *d, uint64_t stamp)
{
    uint64_t passed = atom_load_relaxed(&d->passed);

    while (passed < stamp && !atom_cas_release(&d->passed, &passed, stamp)) {
    }
}

/* What one has seen to have passed has passed for all. */
static bool is_known_to_have_passed(struct epoch *d, uint64_t stamp)
{
    uint64_t passed = PLANTED(epoch_passed_relaxed) ? atom_load_relaxed(&d->passed) : atom_load_acquire(&d->passed);

    return passed >= stamp;
}

bool epoch_passed(struct epoch *d, uint64_t stamp)
{
    if (is_known_to_have_passed(d, stamp))
        return true;
    epoch_barrier();
    for (struct thread *t = atom_load_seq_cst(&d->threads); t != NULL; t = t->next)
        if (epoch_entered(&t->reader) <= stamp)
            return false;
    note_passed(d, stamp);
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
