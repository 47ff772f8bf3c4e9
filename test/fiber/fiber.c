/* SPDX-License-Identifier: MIT
 *
 * Every other seed preempts at random, with a mean distance of its own.  The others go by priorities that change at
 * up to three points: "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", Burckhardt et al.,
 * 2010.
 */
#include "fiber/schedule.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "brim_debug.h"

UNCHECKED_BEGIN

enum { STACK = 256 << 10 };
enum { CHANGES = 3, UNFAIR = 20000, STEPS_MOST = 3000000, LONG_RUN = 1000, REHEARSALS = 8 };
enum { STEPS_USUAL = 20000000, STEPS_AROUND = 2000 }; /* the latter: what making a cache takes */

struct fiber fibers[FIBERS];
struct fiber *running = &fibers[0];
static const struct fiber_harness *harness;
static void (*body)(unsigned i);
static uint64_t sights[FIBER_SIGHTS];
static const char *plant;
static char begun, ended; /* what orders a schedule after what comes before it, and what comes after it */

/* Of the schedule. */
static uint64_t seed, chance;
static bool exploring, by_priority, always_same;
static uint64_t steps, preempt_at, gap, change[CHANGES], lowest, trace, alone;
uint64_t now_ns, tick;
static uint64_t length = 1000; /* of a schedule without preemption */
unsigned undivided;

uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static uint64_t draw(uint64_t n)
{
    return next_random(&chance) % n;
}

/* ---- What fails */

static void say_seed(void)
{
    char text[64];
    int n = snprintf(text, sizeof text, "seed %" PRIu64 "\n", seed);

    (void)!write(STDERR_FILENO, text, (size_t)n);
}

_Noreturn void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    say_seed();
    _exit(1);
}

_Noreturn void fiber_fail(const char *what, const char *file, int line)
{
    char text[512];

    snprintf(text, sizeof text, "%s:%d: failed in fiber %d: %s", file, line, (int)(running - fibers), what);
    fail(text);
}

static void aborted(int number)
{
    (void)number;
    fail("aborted");
}

#if defined(WITH_TSAN) || defined(WITH_ASAN)
void __sanitizer_set_death_callback(void (*fn)(void));
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "halt_on_error=1";
}
#endif

static void note_misuse(const char *message, void *arg)
{
    (void)arg;
    fprintf(stderr, "%s\n", message);
}

static void prepare_to_fail(void)
{
    struct sigaction action = {.sa_handler = aborted};

    sigaction(SIGABRT, &action, NULL);
#if defined(WITH_TSAN) || defined(WITH_ASAN)
    __sanitizer_set_death_callback(say_seed);
#endif
    brim_set_debug_hook(note_misuse, NULL);
}

/* ---- Switching */

/* The C library's: AddressSanitizer's own clears the whole stack that it goes to, each time. */
static int (*swap)(ucontext_t *from, const ucontext_t *to);

static void find_swap(void)
{
    void *found = dlsym(RTLD_NEXT, "swapcontext");

    if (found == NULL)
        fail("no swapcontext");
    memcpy(&swap, &found, sizeof swap);
}

static void arrive(struct fiber *from)
{
#ifdef WITH_ASAN
    const void *bottom;
    size_t size;

    __sanitizer_finish_switch_fiber(running->fake_stack, &bottom, &size);
    if (from != NULL && from->bottom == NULL) {
        from->bottom = bottom;
        from->size = size;
    }
#else
    (void)from;
#endif
}

static void switch_to(struct fiber *to)
{
    struct fiber *from = running;

    running = to;
    trace = (trace ^ (uint64_t)(to - fibers) ^ steps << 8) * 0x9E3779B97F4A7C15u;
#ifdef WITH_ASAN
    __sanitizer_start_switch_fiber(&from->fake_stack, to->bottom, to->size);
#endif
#ifdef WITH_TSAN
    __tsan_switch_to_fiber(to->tsan, __tsan_switch_to_fiber_no_sync);
#endif
    swap(&from->context, &to->context);
    arrive(NULL);
}

/* ---- Choosing who runs */

static void wake(struct fiber *f)
{
    f->timed_out = f->deadline != 0;
    if (f->deadline > now_ns)
        now_ns = f->deadline;
    f->state = READY;
}

/* Conditions wake for no reason now and then, and time passes while others run. */
static void surprise(void)
{
    struct fiber *f = &fibers[1 + draw(FIBER_MOST)];

    if ((f->state == WAITING || f->state == ASLEEP) && draw(by_priority ? 4 : 16) == 0)
        wake(f);
}

static bool wake_earliest(void)
{
    struct fiber *first = NULL;

    for (struct fiber *f = fibers + 1; f < fibers + FIBERS; f++)
        if ((f->state == WAITING || f->state == ASLEEP) && f->deadline != 0 &&
            (first == NULL || f->deadline < first->deadline))
            first = f;
    if (first != NULL)
        wake(first);
    return first != NULL;
}

static bool all_have_ended(void)
{
    for (struct fiber *f = fibers + 1; f < fibers + FIBERS; f++)
        if (f->state != ENDED)
            return false;
    return true;
}

/* ${others}: rather than who runs now. */
static struct fiber *choose(bool others)
{
    struct fiber *ready[FIBERS], *best = NULL;
    unsigned n = 0;

    if (!always_same)
        surprise();
    for (struct fiber *f = fibers + 1; f < fibers + FIBERS; f++) {
        if (f->state != READY || (others && f == running))
            continue;
        ready[n++] = f;
        if (best == NULL || f->priority > best->priority)
            best = f;
    }
    if (n > 0)
        return by_priority ? best : ready[draw(n)];
    if (running->state == READY)
        return running;
    if (all_have_ended())
        return &fibers[0];
    if (!wake_earliest())
        fail("deadlock: nobody can run");
    return choose(others);
}

void pass(bool others)
{
    struct fiber *next = choose(others);

    if (steps > STEPS_MOST)
        fail("it does not end");
    if (next != running)
        switch_to(next);
}

static void plan_preemption(void)
{
    preempt_at = UINT64_MAX;
    if (always_same)
        return;
    if (!by_priority) {
        preempt_at = steps + 1 + draw(2 * gap);
        return;
    }
    preempt_at = steps + UNFAIR; /* who polls for ever without a yield lets others run at last */
    for (unsigned i = 0; i < CHANGES; i++)
        if (change[i] > steps && change[i] < preempt_at)
            preempt_at = change[i];
}

bool may_switch(void)
{
    return exploring && undivided == 0;
}

void step(void)
{
    steps++;
}

void behind_all(void)
{
    running->priority = --lowest;
}

void atom_yield(void);
void atom_yield(void)
{
    if (!may_switch()) {
        if (++alone > STEPS_MOST)
            fail("it does not end, though nothing else is under way");
        return;
    }
    if (++steps < preempt_at)
        return;
    plan_preemption();
    behind_all();
    pass(false);
}

/* ---- Threads */

static void live(void)
{
    arrive(&fibers[0]);
    switch_to(&fibers[0]);
    for (;;) {
        __tsan_acquire(&begun);
        body((unsigned)(running - fibers) - 1);
        end_thread();
        __tsan_release(&ended);
        running->state = ENDED;
        pass(true);
    }
}

static void make_fibers(void)
{
#ifdef WITH_TSAN
    fibers[0].tsan = __tsan_get_current_fiber();
#endif
    for (struct fiber *f = fibers + 1; f < fibers + FIBERS; f++) {
        char *stack = malloc(STACK);
        if (stack == NULL || getcontext(&f->context) != 0)
            fail("no memory for a fiber");
        f->context.uc_stack.ss_sp = stack;
        f->context.uc_stack.ss_size = STACK;
        makecontext(&f->context, live, 0);
#ifdef WITH_TSAN
        f->tsan = __tsan_create_fiber(0);
#endif
#ifdef WITH_ASAN
        f->bottom = stack;
        f->size = STACK;
#endif
        switch_to(f);
    }
}

static void plan(uint64_t of, bool plain)
{
    seed = of;
    chance = of * 0xD1342543DE82EF95u + 1;
    always_same = plain;
    by_priority = plain || of % 2 == 0;
    steps = trace = alone = 0;
    now_ns = (uint64_t)1 << 40;
    lowest = (uint64_t)1 << 32;
    for (struct fiber *f = fibers; f < fibers + FIBERS; f++) {
        f->random = next_random(&chance);
        f->priority = ((uint64_t)1 << 33) + draw((uint64_t)1 << 32);
    }
    tick = (uint64_t)1 << draw(26); /* to 34 ms: time passes slowly or quickly */
    gap = (uint64_t)1 << draw(1 + (unsigned)(64 - __builtin_clzll(length)));
    for (unsigned i = 0; i < CHANGES; i++)
        change[i] = draw(2) == 0 ? 0 : 1 + draw(length + length / 4);
    plan_preemption();
}

static void run(void (*fn)(unsigned i))
{
    body = fn;
    for (unsigned i = 0; i < harness->fibers; i++)
        fibers[1 + i].state = READY;
    __tsan_release(&begun);
    exploring = true;
    pass(true);
    exploring = false;
    __tsan_acquire(&ended);
}

/* All threads at once: later none needs a new record, so that a schedule is the same whatever ran before it. */
static unsigned present;
static void meet(unsigned i)
{
    (void)i;
    (void)brim_load_current();
    present++;
    while (present < harness->fibers)
        fiber_yield();
}

static void run_schedule(uint64_t of, bool plain)
{
    plan(of, plain);
    harness->before();
    run(harness->thread);
    harness->after();
}

static void rehearse(void)
{
    uint64_t sum = 0;

    (void)brim_load_current();
    plan(0, true);
    run(meet);
    for (uint64_t i = 0; i < REHEARSALS; i++) {
        run_schedule(i, true);
        sum += steps;
    }
    length = sum / REHEARSALS + 1;
    memset(sights, 0, sizeof sights);
}

static int report(const char *name, uint64_t schedules)
{
    int status = 0;

    printf("%s: %" PRIu64 " schedules of about %" PRIu64 " steps; ", name, schedules, length);
    printf("the last, seed %" PRIu64 ", has trace %016" PRIx64 "\n", seed, trace);
    for (unsigned i = 0; harness->sights[i] != NULL; i++) {
        printf("%10" PRIu64 "  %s\n", sights[i], harness->sights[i]);
        if (sights[i] == 0 && schedules >= LONG_RUN && plant == NULL) {
            printf("that was never seen\n");
            status = 2;
        }
    }
    return status;
}

int fiber_main(int argc, char **argv, const struct fiber_harness *h)
{
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1, schedules;
    const char *name = strrchr(argv[0], '/');

    plant = argc > 3 ? argv[3] : NULL;
    harness = h;
    prepare_to_fail();
    find_swap();
    make_fibers();
    rehearse();
    schedules = argc > 1 ? strtoull(argv[1], NULL, 10) : STEPS_USUAL / (length + STEPS_AROUND);
    for (uint64_t i = 0; i < schedules; i++)
        run_schedule(first + i, false);
    return report(name != NULL ? name + 1 : argv[0], schedules);
}

unsigned fiber_random(unsigned n)
{
    return (unsigned)(next_random(&running->random) % n);
}

uint64_t fiber_seed(void)
{
    return seed;
}

void fiber_saw(unsigned sight)
{
    sights[sight]++;
}

bool fiber_planted(const char *name);
bool fiber_planted(const char *name)
{
    return plant != NULL && strcmp(plant, name) == 0;
}

UNCHECKED_END
