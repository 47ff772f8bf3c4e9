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
    } while (atom_load_seq_cst(&window_gate.closed)); /* as window_open */
}

void window_close_gate(void)
{
    (void)atom_add_seq_cst(&window_gate.closed, 1);
    if (!PLANTED(window_waits_for_nobody))
        epoch_wait(&epoch_process);
}

void window_open_gate(void)
{
    (void)atom_sub_seq_cst(&window_gate.closed, 1);
}
