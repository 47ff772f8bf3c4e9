/* SPDX-License-Identifier: MIT
 *
 * What the Relacy harnesses share: they compile the library's own C files as C++ over Relacy's atomics.
 *
 *   HARNESS [SCHEDULES [BOUND]] [release=N] [part=NAME] [seed=N] [plant=NAME [runs=N]] [plants]
 *
 * For each of its parts, or one alone, a harness runs SCHEDULES random schedules, others for each seed, and then all
 * schedules with up to BOUND context switches that no thread asks for.  It exits with 1 when a schedule fails, which
 * Relacy prints, and with 2 when nothing interesting happened in any: a harness that cannot hit proves nothing.
 *
 * For a release (test/proof/litmus.sh) it runs N random ones, which its parts share equally, and all that are within the
 * bound that each part then has.
 *
 * With the bug NAME planted (lib/base/plant.h) it exits with 1 only if in each of so many runs, with a seed each, a
 * schedule fails or the program crashes, and with 3 if it never came to that place.  With `plants' it prints the names of
 * all that it comes by.
 */
#ifndef BRIM_TEST_LITMUS_H
#define BRIM_TEST_LITMUS_H

#include <relacy/relacy.hpp>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <initializer_list>
#include <new>
#include <string>
#include <typeinfo>

#include "base/plant.h"
#include "suite.h"

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
    const char *part;      /* NULL: all */
    unsigned long release; /* how many random ones in all; 0: it is none */
    unsigned long parts;
} litmus = {0, -1, 0, 1, false, NULL, 0, 0};

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
        else if (std::strncmp(argv[i], "release=", 8) == 0)
            litmus.release = std::strtoul(argv[i] + 8, NULL, 10);
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

static bool litmus_simulate(rl::test_params &p, const litmus_suite &suite, const char *what, unsigned long first)
{
    clock_t begin = std::clock();

    p.output_stream = plant_wanted != NULL ? &litmus_nowhere : &std::cout;
    p.progress_stream = &litmus_nowhere;
    p.execution_depth_limit = 4000;
    if (!litmus_simulate_suite(p, suite)) {
        if (plant_wanted == NULL)
            std::printf("%s %s: failed\n", suite.name, what);
        return false;
    }
    double seconds = (double)(std::clock() - begin + 1) / CLOCKS_PER_SEC;
    unsigned long n = (unsigned long)p.stop_iteration - first + 1;
    if (plant_wanted == NULL)
        std::printf("%s %s: %lu schedules, %.2f s, %.0f/s\n", suite.name, what, n, seconds, (double)n / seconds);
    std::fflush(stdout); /* before it is stopped in the next */
    return true;
}

static bool litmus_random(const litmus_suite &suite, unsigned long schedules)
{
    rl::test_params p;
    /* Relacy's random numbers follow from the number of the schedule: another seed begins elsewhere. */
    unsigned long first = litmus.seed * 0x9E3779B9u / 2 + 1;

    p.search_type = rl::sched_random;
    p.initial_state = std::to_string(first) + " ";
    p.iteration_count = first + schedules - 1;
    return litmus_simulate(p, suite, "random", first);
}

static bool litmus_bounded(const litmus_suite &suite, int bound)
{
    rl::test_params p;
    char what[32];

    p.search_type = rl::sched_bound;
    p.context_bound = (unsigned)bound;
    std::snprintf(what, sizeof what, "all at bound %d", bound);
    return litmus_simulate(p, suite, what, 1);
}

template <typename Test> struct litmus_made {
    static void make(void *self)
    {
        new (self) Test();
    }
    static void before(void *self)
    {
        static_cast<Test *>(self)->before();
    }
    static void thread(void *self, unsigned i)
    {
        static_cast<Test *>(self)->thread(i);
    }
    static void after(void *self)
    {
        static_cast<Test *>(self)->after();
    }
    static void end(void *self)
    {
        static_cast<Test *>(self)->~Test();
    }
};

/*
 * One part of a harness: SCHEDULES random ones, and all at context bound BOUND, unless the command line says otherwise;
 * and at RELEASE for a release, where 3 is asked for: what is too large for that has smaller parts beside it.
 * Returns the harness's status.
 */
template <typename Test, unsigned long SCHEDULES, int BOUND, int RELEASE = (BOUND > 3 ? BOUND : 3)> static int litmus_part()
{
    typedef litmus_made<Test> made;
    typedef typename Test::params params;
    static_assert(params::thread_count == 2 || params::thread_count == 3, "suite.cpp has no others");
    const char *name = typeid(Test).name();
    unsigned long schedules = litmus.release != 0     ? (litmus.release + litmus.parts - 1) / litmus.parts
                              : litmus.schedules != 0 ? litmus.schedules
                                                      : SCHEDULES;
    int bound = litmus.release != 0 ? RELEASE : litmus.bound >= 0 ? litmus.bound : BOUND;

    /* The compiler has it after its length. */
    name += std::strspn(name, "0123456789");
    if (litmus.part != NULL && std::strcmp(name, litmus.part) != 0)
        return 0;
    litmus_suite suite = {name,         params::thread_count, sizeof(Test), made::make,
                          made::before, made::thread,         made::after,  made::end};
    interesting = 0;
    if (!litmus_random(suite, schedules) || (!litmus.list && !litmus_bounded(suite, bound)))
        return 1;
    if (interesting > 0)
        return 0;
    if (plant_wanted == NULL)
        std::printf("%s: nothing interesting\n", name);
    return 2;
}

/* All parts, from ${from} on and round to it; stops at the first that does not pass, which ${from} then is. */
static int litmus_run(std::initializer_list<int (*)()> parts, size_t &from)
{
    size_t first = from;
    int status = 0;

    litmus.parts = litmus.part != NULL ? 1 : parts.size();
    for (size_t i = 0; status == 0 && i < parts.size(); i++) {
        from = (first + i) % parts.size();
        status = parts.begin()[from]();
    }
    return status;
}

/* What the processes of all runs with a planted bug know. */
struct litmus_runs {
    size_t from; /* a bug that was caught is sought where that was, first of all */
    bool is_reached;
};

/* One run with a planted bug, in a process of its own: that may be brought down by it, and the bug is caught then, too. */
static bool litmus_catches(std::initializer_list<int (*)()> parts, litmus_runs *runs)
{
    int status;

    std::fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        status = litmus_run(parts, runs->from);
        runs->is_reached |= plant_is_reached;
        _exit(status);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        std::perror("litmus: a process of its own");
        std::exit(2);
    }
    int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    bool crashed = sig == SIGSEGV || sig == SIGBUS || sig == SIGABRT;
    runs->is_reached |= crashed;
    return crashed || (sig == 0 && WEXITSTATUS(status) == 1);
}

static int litmus_plant(std::initializer_list<int (*)()> parts)
{
    void *shared = mmap(NULL, sizeof(litmus_runs), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    litmus_runs *runs = static_cast<litmus_runs *>(shared);
    unsigned caught = 0;

    if (shared == MAP_FAILED) {
        std::perror("litmus: memory");
        return 2;
    }
    for (unsigned i = 0; i < litmus.runs; i++, litmus.seed++)
        caught += litmus_catches(parts, runs);
    std::printf("%s: caught in %u of %u runs\n", plant_wanted, caught, litmus.runs);
    return !runs->is_reached ? 3 : caught == litmus.runs ? 1 : 0;
}

static int litmus_main(int argc, char **argv, std::initializer_list<int (*)()> parts)
{
    size_t from = 0;
    int status;

    litmus_options(argc, argv);
    status = plant_wanted != NULL ? litmus_plant(parts) : litmus_run(parts, from);
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
