/* SPDX-License-Identifier: MIT */
#include "part/window.h"

#include "base/clock.h"

#ifndef BRIM_RELACY
struct window_gate window_gate;
#endif

void window_wait(struct thread *t)
{
    do {
        section_leave(t);
        clock_pause(0);
        section_enter(t);
    } while (atom_load_acquire(&window_gate.closed)); /* as window_open */
}

/*
 * Relaxed: what follows orders it (edge enter).  A section that epoch_wait does not see has read `now', or passed a
 * barrier, after it was raised there, and so sees the gate closed.
 */
void window_close_gate(void)
{
    (void)atom_add_relaxed(&window_gate.closed, 1);
    if (!PLANTED(window_waits_for_nobody))
        epoch_wait(&epoch_process);
}

/* Release: what was done while it was closed, before the next window (edge gate). */
void window_open_gate(void)
{
    (void)atom_sub_release(&window_gate.closed, 1);
}
