/* SPDX-License-Identifier: MIT
 *
 * What the Relacy harnesses share: they compile the library's own C files as C++ over Relacy's atomics.
 *
 * A harness runs random schedules, as many as its first argument says, and then all schedules with a bounded number of
 * context switches; its second argument raises that bound.  It exits with 1 when a schedule fails, which Relacy prints,
 * and with 2 when nothing interesting happened in any schedule: a harness that cannot hit proves nothing.
 */
#ifndef BRIM_TEST_LITMUS_H
#define BRIM_TEST_LITMUS_H

#include <relacy/relacy.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#define _Noreturn [[noreturn]]
#define _Static_assert static_assert

static long interesting; /* how often what this part of the harness is about has happened */

extern "C" [[noreturn]] void debug_panic(const char *text)
{
    RL_ASSERT(!"debug_panic");
    (void)text;
    std::abort();
}

template <typename Test> static int litmus_main(int argc, char **argv, unsigned long iterations, int bound)
{
    rl::test_params p;

    interesting = 0;
    if (argc > 1)
        iterations = std::strtoul(argv[1], NULL, 10);
    if (argc > 2)
        bound += std::atoi(argv[2]);
    p.iteration_count = iterations;
    p.progress_stream = &std::clog;
    p.progress_output_period = 1000000;
    p.execution_depth_limit = 4000;
    p.search_type = rl::sched_random;
    if (!rl::simulate<Test>(p))
        return 1;
    p.search_type = rl::sched_bound;
    p.context_bound = bound;
    if (!rl::simulate<Test>(p))
        return 1;
    std::printf("%lu random schedules, all %lu at context bound %d; %ld times of interest\n", iterations,
                (unsigned long)p.stop_iteration, bound, interesting);
    return interesting > 0 ? 0 : 2;
}

#endif
