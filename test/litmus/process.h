/* SPDX-License-Identifier: MIT
 *
 * What harnesses share that enter sections of the process: its domain, which lives for one schedule, and records of
 * their threads, which are there from the beginning.
 */
#ifndef BRIM_TEST_LITMUS_PROCESS_H
#define BRIM_TEST_LITMUS_PROCESS_H

#include "litmus.h"

#define BRIM_PART_THREAD_H // without the process's own records
#include "base/lock.h"
#include "part/epoch.h"
#include "part/epoch.c"

static struct epoch *domain; // of the running schedule
#define epoch_process (*domain)
static void section_enter(struct thread *t)
{
    epoch_enter(&epoch_process, &t->reader);
}
static void section_leave(struct thread *t)
{
    epoch_leave(&t->reader);
}
static uint64_t thread_random(struct thread *)
{
    return 0;
}

static bool lock_init(struct lock *, int)
{
    return true;
}
static void lock_destroy(struct lock *)
{
}

template <int THREADS> struct process {
    epoch d;
    struct thread self[THREADS];

    void make()
    {
        domain = &d;
        atom_store_relaxed(&d.now, 1);
        atom_store_relaxed(&d.passed, 0);
        atom_store_relaxed(&d.threads, &self[0]);
        for (int i = 0; i < THREADS; i++) {
            self[i].next = i + 1 < THREADS ? &self[i + 1] : NULL;
            self[i].number = (unsigned)i + 1;
            self[i].reader.shared = false;
            self[i].loading = NULL;
            self[i].borrowing = 0;
            atom_store_relaxed(&self[i].reader.epoch, 0);
            atom_store_relaxed(&self[i].waits_for, NULL);
            atom_store_relaxed(&self[i].waits, 0);
        }
    }
};

#endif
