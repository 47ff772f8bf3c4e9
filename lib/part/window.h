/* SPDX-License-Identifier: MIT
 *
 * Windows: short stretches in which a thread changes several words that belong together, without a lock, and which a
 * fork must not cut in two.  They are sections that do not begin while a fork is under way.
 */
#ifndef BRIM_PART_WINDOW_H
#define BRIM_PART_WINDOW_H

#include "part/thread.h"

struct window_gate {
    ATOM(uint32_t) closed; /* by so many */
};
extern struct window_gate window_gate HIDDEN;

void window_wait(struct thread *t);

/*
 * window_open(t), window_close(t):
 * Begin and end a window of the calling thread, whose record is ${t}.  As sections: no lock, no user code.
 */
static inline void window_open(struct thread *t)
{
    section_enter(t);
    /* Acquire: what was done while it was closed (edge gate).  Who closes it waits for this section, or we see it closed. */
    if (unlikely(atom_load_acquire(&window_gate.closed)))
        window_wait(t);
}

static inline void window_close(struct thread *t)
{
    section_leave(t);
}

/*
 * window_close_gate(), window_open_gate():
 * Around fork, and the like: when the first returns nobody is in a window, and nobody gets into one until the second.
 * By several threads at once, too.
 */
void window_close_gate(void);
void window_open_gate(void);

#endif
