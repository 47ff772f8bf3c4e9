/* SPDX-License-Identifier: MIT
 *
 * Schedules: threads of a harness as fibers of one system thread, which may change at every atomic operation and at
 * every lock, by a scheduler that is driven by a seed.  The same seed gives the same schedule again.
 *
 * ThreadSanitizer takes each fiber for a thread, and sees no order between two of them but what the library makes:
 * so it finds a missing acquire or release wherever a schedule comes near one, also those that x86 hides.
 */
#ifndef BRIM_TEST_FIBER_FIBER_H
#define BRIM_TEST_FIBER_FIBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FIBER_MOST = 4, FIBER_SIGHTS = 16 };

struct fiber_harness {
    unsigned fibers;
    /* Of each schedule, before and after it alone; and thread ${i}, of its own: its end is a thread's end. */
    void (*before)(void);
    void (*thread)(unsigned i);
    void (*after)(void);
    const char *sights[FIBER_SIGHTS + 1]; /* what a long run must have seen, by number; ends with NULL */
};

/*
 * fiber_main(argc, argv, h):
 * PROGRAM [SCHEDULES [SEED [PLANT]]]: run as many schedules, or some twenty million steps, from ${SEED}, or 1, on, a
 * seed each; with ${PLANT} the library has that planted bug.  Returns the exit status: 0, or 2 if a long run has
 * missed one of the sights.  What fails names its seed and ends the program with another status.
 */
int fiber_main(int argc, char **argv, const struct fiber_harness *h);

/*
 * fiber_random(n):
 * A number below ${n}, by the seed and the calling thread alone, whatever the others do.
 */
unsigned fiber_random(unsigned n);

/*
 * fiber_seed():
 * That of the schedule.
 */
uint64_t fiber_seed(void);

/*
 * fiber_saw(sight):
 * It happened.
 */
void fiber_saw(unsigned sight);

_Noreturn void fiber_fail(const char *what, const char *file, int line);
#define expect(x) ((x) ? (void)0 : fiber_fail(#x, __FILE__, __LINE__))

#endif
