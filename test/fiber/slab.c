/* SPDX-License-Identifier: MIT
 *
 * Memory for entries: one thread allocates and shows what it has got, others take it away and give it back, and one
 * looks at it meanwhile in sections.  No slot is given out twice, none again while a section may still look at it,
 * and what one gives back comes to the other through the depot.
 *
 * plant: epoch_leave_relaxed
 * plant: epoch_ignores_readers
 */
#include "fiber/fiber.h"

#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "part/slab.h"

enum { SHOWN = 4, ROUNDS = 160, LOOKS = 60, SIZE = 64, CROWD = 20, REST = 16 };
enum { USED_AGAIN, THROUGH_DEPOT, LOOKED, SHARED_ARENA };

/* What a slot is as an entry would be: readers may look at the mark; a slot that is free has another. */
struct thing {
    uint64_t mark, more;
    ATOM(uintptr_t) link; /* the slab's, once it is retired */
};
enum { LIVE = 0x11fe };

static struct slab slab;
static ATOM(struct thing *) shown[SHOWN];
static _Atomic(bool) over;
static struct thread crowd = {.number = CROWD}; /* one of those who share an arena */
static char *seen[ROUNDS + 1];
static unsigned seen_count;

static void before(void)
{
    memset(&slab, 0, sizeof slab);
    expect(slab_init(&slab, &mem_default));
    for (unsigned i = 0; i < SHOWN; i++)
        atom_store_relaxed(&shown[i], NULL);
    over = false;
    seen_count = 0;
}

static struct thread *arena_of(unsigned i)
{
    if (fiber_seed() % 4 != i)
        return thread_self();
    fiber_saw(SHARED_ARENA);
    return &crowd;
}

/* The allocating thread's own. */
static void note(char *p)
{
    for (unsigned i = 0; i < seen_count; i++) {
        if (seen[i] == p) {
            fiber_saw(USED_AGAIN);
            return;
        }
    }
    seen[seen_count++] = p;
}

static struct thing *make(struct thread *t)
{
    uint32_t batches = atom_load_relaxed(&slab.batches[0]);
    struct thing *x = slab_alloc(&slab, t, SIZE);

    expect(x != NULL);
    if (atom_load_relaxed(&slab.batches[0]) < batches)
        fiber_saw(THROUGH_DEPOT);
    note((char *)x);
    x->mark = x->more = LIVE;
    atom_store_relaxed(&x->link, (uintptr_t)0);
    return x;
}

/* Release: what the thing is comes before it is shown (as edge publish); acquire: what was there. */
static struct thing *show(unsigned at, struct thing *x)
{
    return atom_exchange_acq_rel(&shown[at], x);
}

static void retire(struct thread *t, struct thing *x)
{
    if (x == NULL)
        return;
    expect(x->mark == LIVE && x->more == LIVE);
    slab_retire(&slab, t, x, 0);
}

static void allocate_and_show(struct thread *t)
{
    for (int n = 0; n < ROUNDS; n++) {
        /* Some it gives back itself. */
        retire(t, show((unsigned)n % SHOWN, make(t)));
        if (n % REST == 0)
            clock_pause(0);
    }
    over = true;
}

static void take_away(struct thread *t)
{
    for (unsigned n = 0; !over; n++) {
        retire(t, show(n % SHOWN, NULL));
        if (n % SHOWN == 0)
            clock_pause(0);
    }
}

static void look(void)
{
    struct thread *t = thread_self();

    for (unsigned n = 0; n < LOOKS; n++) {
        struct thing *x;

        section_enter(t);
        x = atom_load_acquire(&shown[fiber_random(SHOWN)]);
        if (x != NULL) {
            fiber_saw(LOOKED);
            expect(x->mark == LIVE);
            (void)atom_load_relaxed(&x->link);
            expect(x->more == LIVE);
        }
        section_leave(t);
    }
}

static void thread(unsigned i)
{
    if (i == 0)
        allocate_and_show(arena_of(i));
    else if (i == 1)
        take_away(arena_of(i));
    else
        look();
}

static void after(void)
{
    for (unsigned i = 0; i < SHOWN; i++)
        retire(thread_self(), show(i, NULL));
    slab_destroy(&slab);
}

int main(int argc, char **argv)
{
    static const struct fiber_harness harness = {
        3, before, thread, after, {"used again", "through the depot", "looked at", "an arena that many share"}};

    return fiber_main(argc, argv, &harness);
}
