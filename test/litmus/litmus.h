/* SPDX-License-Identifier: MIT
 *
 * What the Relacy harnesses share: they compile the library's own C files as C++ over Relacy's atomics.
 *
 *   HARNESS [SCHEDULES [BOUND]] [part=NAME] [seed=N] [plant=NAME [runs=N]] [plants]
 *
 * For each of its parts, or one alone, a harness runs SCHEDULES random schedules, others for each seed, and then all
 * schedules with up to BOUND context switches that no thread asks for.  It exits with 1 when a schedule fails, which Relacy
 * prints, and with 2 when nothing interesting happened in any: a harness that cannot hit proves nothing.
 *
 * With the bug NAME planted (lib/base/plant.h) it exits with 1 only if a schedule fails in each of so many runs, with a seed
 * each, and with 3 if it never came to that place.  With `plants' it prints the names of all that it comes by.
 */
#ifndef BRIM_TEST_LITMUS_H
#define BRIM_TEST_LITMUS_H

#include <relacy/relacy.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <initializer_list>
#include <new>
#include <string>
#include <typeinfo>

#include "base/plant.h"

#define _Noreturn [[noreturn]]
#define _Static_assert static_assert

static long interesting; /* how often what this part of the harness is about has happened */

extern "C" [[noreturn]] void debug_panic(const char *text)
{
    RL_ASSERT(!"debug_panic");
    (void)text;
    std::abort();
}

static struct {
    unsigned long schedules; /* 0: as many as the harness says */
    int bound;               /* -1: as the harness says */
    unsigned seed, runs;
    bool list;
    const char *part; /* NULL: all */
} litmus = {0, -1, 0, 1, false, NULL};

static void litmus_options(int argc, char **argv)
{
    int numbers = 0;

    for (int i = 1; i < argc; i++) {
        if (std::strncmp(argv[i], "plant=", 6) == 0)
            plant_wanted = argv[i] + 6;
        else if (std::strncmp(argv[i], "part=", 5) == 0)
            litmus.part = argv[i] + 5;
        else if (std::strncmp(argv[i], "seed=", 5) == 0)
            litmus.seed = (unsigned)std::atoi(argv[i] + 5);
        else if (std::strncmp(argv[i], "runs=", 5) == 0)
            litmus.runs = (unsigned)std::atoi(argv[i] + 5);
        else if (std::strcmp(argv[i], "plants") == 0)
            litmus.list = true;
        else if (numbers++ == 0)
            litmus.schedules = std::strtoul(argv[i], NULL, 10);
        else
            litmus.bound = std::atoi(argv[i]);
    }
}

/* A type's name as the compiler has it: after its length. */
static bool litmus_wants(const char *type)
{
    return litmus.part == NULL || std::strcmp(type + std::strspn(type, "0123456789"), litmus.part) == 0;
}

/* What is planted is to fail: nobody wants to read how. */
static std::ostream litmus_nowhere(NULL);

template <typename Test> static bool litmus_simulate(rl::test_params &p, const char *what, unsigned long first)
{
    clock_t begin = std::clock();

    p.output_stream = plant_wanted != NULL ? &litmus_nowhere : &std::cout;
    p.progress_stream = &litmus_nowhere;
    p.execution_depth_limit = 4000;
    if (!rl::simulate<Test>(p))
        return false;
    double seconds = (double)(std::clock() - begin + 1) / CLOCKS_PER_SEC;
    unsigned long n = (unsigned long)p.stop_iteration - first + 1;
    if (plant_wanted == NULL)
        std::printf("%s %s: %lu schedules, %.2f s, %.0f/s\n", p.test_name.c_str(), what, n, seconds, (double)n / seconds);
    return true;
}

/*
 * One part of a harness: SCHEDULES random ones, and all at context bound BOUND, unless the command line says otherwise.
 * Returns the harness's status.
 */
template <typename Test, unsigned long SCHEDULES, int BOUND> static int litmus_part()
{
    rl::test_params random, bounded;
    char what[32];

    if (!litmus_wants(typeid(Test).name()))
        return 0;
    interesting = 0;
    /* Relacy's random numbers follow from the number of the schedule: another seed begins elsewhere. */
    unsigned long first = litmus.seed * 0x9E3779B9u / 2 + 1;
    random.search_type = rl::sched_random;
    random.initial_state = std::to_string(first) + " ";
    random.iteration_count = first + (litmus.schedules != 0 ? litmus.schedules : SCHEDULES) - 1;
    bounded.search_type = rl::sched_bound;
    bounded.context_bound = litmus.bound >= 0 ? litmus.bound : BOUND;
    std::snprintf(what, sizeof what, "all at bound %u", bounded.context_bound);
    if (!litmus_simulate<Test>(random, "random", first) || (!litmus.list && !litmus_simulate<Test>(bounded, what, 1)))
        return 1;
    return interesting > 0 ? 0 : 2;
}

static int litmus_run(std::initializer_list<int (*)()> parts)
{
    int status = 0;

    for (auto part : parts)
        if (status == 0)
            status = part();
    return status;
}

static int litmus_main(int argc, char **argv, std::initializer_list<int (*)()> parts)
{
    unsigned caught = 0;
    int status = 0;

    litmus_options(argc, argv);
    if (plant_wanted == NULL)
        status = litmus_run(parts);
    for (unsigned i = 0; plant_wanted != NULL && i < litmus.runs; i++, litmus.seed++)
        caught += litmus_run(parts) == 1;
    if (plant_wanted != NULL) {
        std::printf("%s: caught in %u of %u runs\n", plant_wanted, caught, litmus.runs);
        status = !plant_is_reached ? 3 : caught == litmus.runs ? 1 : 0;
    }
    for (plant_place *p = litmus.list ? plant_places : NULL; p != NULL; p = p->next)
        p->print();
    return status;
}

#define LITMUS(...)                                                                                               \
    int main(int argc, char **argv)                                                                               \
    {                                                                                                             \
        return litmus_main(argc, argv, {__VA_ARGS__});                                                            \
    }

#endif
