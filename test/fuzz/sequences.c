/* SPDX-License-Identifier: MIT
 *
 * sequences [--processes N] [--check N] [--json FILE] COUNT [FIRST]
 * Give build/fuzz/operations' target COUNT random inputs, from the one of number FIRST (1) on: many times as many a
 * second as libFuzzer, which looks after each which code it has reached.  In one of N (16; 0: none) all is checked
 * after each operation.  A number is always the same sequence: of a wrong one it is printed, and
 * `sequences 1 NUMBER' repeats it.  SIGTERM or SIGINT ends it early: what was begun is done, and the rest left.
 * --json writes how often each operation was run, and what came of it.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "model/model.h"
#include "operations.h"
#include "part/thread.h"
#include "pool.h"

enum { SHORT = 200, LONG = 1600 /* bytes at most: one in 16 is long */, BLOCK = 256, PROCESSES = 256 };
enum { REPORT = 600, STUCK = 300 }; /* seconds */

/* ---- What came of them: of one process, and the sums */

#define EVENTS(X)                                                                                            \
    X(caches) X(insertions) X(refused) X(too_big) X(hits) X(misses) X(loads) X(load_failures) X(sections) X(frames)      \
    X(idles) X(evicted) X(removed) X(replaced) X(invalidated) X(expired) X(cleared) X(freed) X(values)                   \
    X(memory_failures) X(checked) X(without_cache) X(without_insertion) X(with_eviction)
#define FIELD(name) uint64_t name;
struct events {
    EVENTS(FIELD)
};
#define NAME(name) #name,
static const char *const event_names[] = {EVENTS(NAME)};
enum { EVENT_COUNT = sizeof event_names / sizeof event_names[0] };

struct totals {
    uint64_t sequences, steps, longest, ran[OPERATIONS];
    union {
        struct events events;
        uint64_t event[EVENT_COUNT];
    };
};

static void note_cache(struct events *e, const struct cache *c)
{
    e->caches++;
    e->insertions += c->insertions;
    e->refused += c->refused;
    e->too_big += c->too_big;
    e->hits += c->hits;
    e->misses += c->misses;
    e->loads += c->loads;
    e->load_failures += c->load_failures;
    e->sections += c->sections;
    e->frames += c->frame;
    e->idles += c->idles;
    e->evicted += c->left[BRIM_EVICTED];
    e->removed += c->left[BRIM_REMOVED];
    e->replaced += c->left[BRIM_REPLACED];
    e->invalidated += c->left[BRIM_INVALIDATED];
    e->expired += c->left[BRIM_EXPIRED];
    e->cleared += c->left[BRIM_CLEARED];
    e->freed += c->left[BRIM_FREED];
}

/* What the model still knows of the sequence that has ended. */
static void note(struct totals *t)
{
    uint64_t insertions = t->events.insertions, evicted = t->events.evicted;

    t->sequences++;
    t->steps += m.step;
    t->longest = m.step > t->longest ? m.step : t->longest;
    for (unsigned i = 0; i < OPERATIONS; i++)
        t->ran[i] += m.ran[i];
    for (unsigned i = 0; i < m.caches; i++)
        note_cache(&t->events, &m.cache[i]);
    t->events.values += m.ids;
    t->events.memory_failures += pool_failures();
    t->events.checked += operations_checked;
    t->events.without_cache += m.caches == 0;
    t->events.without_insertion += t->events.insertions == insertions;
    t->events.with_eviction += t->events.evicted != evicted;
}

static void add(struct totals *to, const struct totals *t)
{
    to->sequences += t->sequences;
    to->steps += t->steps;
    to->longest = t->longest > to->longest ? t->longest : to->longest;
    for (unsigned i = 0; i < OPERATIONS; i++)
        to->ran[i] += t->ran[i];
    for (unsigned i = 0; i < EVENT_COUNT; i++)
        to->event[i] += t->event[i];
}

static void print_counts(FILE *f, const struct totals *t)
{
    fprintf(f, "  \"operations\": {\n");
    for (unsigned i = 0; model_operation(i) != NULL; i++)
        fprintf(f, "    \"%s\": %" PRIu64 "%s\n", model_operation(i), t->ran[i],
                model_operation(i + 1) != NULL ? "," : "\n  },");
    fprintf(f, "  \"events\": {\n");
    for (unsigned i = 0; i < EVENT_COUNT; i++)
        fprintf(f, "    \"%s\": %" PRIu64 "%s\n", event_names[i], t->event[i], i + 1 < EVENT_COUNT ? "," : "\n  }");
}

static bool write_json(const char *path, const struct totals *t, uint64_t first, double seconds, bool wrong)
{
    FILE *f = fopen(path, "w");

    if (f == NULL) {
        perror(path);
        return false;
    }
    fprintf(f, "{\n  \"wrong\": %s,\n  \"first\": %" PRIu64 ",\n  \"sequences\": %" PRIu64 ",\n", wrong ? "true" : "false", first,
            t->sequences);
    fprintf(f, "  \"seconds\": %.1f,\n", seconds);
    fprintf(f, "  \"steps\": %" PRIu64 ",\n  \"longest\": %" PRIu64 ",\n", t->steps, t->longest);
    print_counts(f, t);
    fprintf(f, "}\n");
    return fclose(f) == 0;
}

/* ---- One of them */

/* The library's clock: else how long loads took would differ, and with it what is evicted. */
static uint64_t clock_ns;

int clock_gettime(clockid_t id, struct timespec *t)
{
    (void)id;
    clock_ns += 1000;
    *t = (struct timespec){(time_t)(clock_ns / 1000000000), (long)(clock_ns % 1000000000)};
    return 0;
}

/* One thread has nobody to wait for, and on a busy machine would wait for other processes. */
int sched_yield(void)
{
    return 0;
}

/* Nor whom to have a barrier with: six of them would take a tenth of the time. */
long syscall(long number, ...)
{
    if (number == SYS_membarrier)
        return 0;
    errno = ENOSYS;
    return -1;
}

static uint64_t next(uint64_t *x) /* splitmix64 */
{
    uint64_t z = *x += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static void run(uint64_t number, uint64_t check)
{
    uint64_t state = number * UINT64_C(0x2545F4914F6CDD1D), word;
    size_t longest = next(&state) >> 60 == 0 ? LONG : SHORT, size = 1 + (size_t)(next(&state) % longest);
    uint8_t data[LONG + sizeof word];

    for (size_t i = 0; i < size; i += sizeof word) {
        word = next(&state);
        memcpy(data + i, &word, sizeof word);
    }
    clock_ns = UINT64_C(1000000000) * 3600;
    thread_self()->random = number;
    operations_checked = check != 0 && number % check == 0;
    (void)LLVMFuzzerTestOneInput(data, size);
}

/* ---- Processes: the model is one to a process, and a wrong sequence ends its own only */

struct process {
    pid_t pid;
    _Atomic uint64_t current; /* its sequence, */
    uint64_t seen;            /* as the parent saw it, */
    unsigned stuck;           /* for so many seconds */
    struct totals totals;
};

static struct shared {
    _Atomic uint64_t next; /* to be given out, a block at a time: what is done has no gaps */
    atomic_bool stop;
    struct process process[PROCESSES];
} *shared;

struct job {
    uint64_t count, first, check;
    unsigned processes;
    const char *program, *json;
};

static bool run_block(const struct job *j, struct process *p)
{
    uint64_t at = atomic_fetch_add(&shared->next, BLOCK), end = j->first + j->count;

    for (uint64_t number = at; number < at + BLOCK && number < end; number++) {
        atomic_store_explicit(&p->current, number, memory_order_relaxed);
        run(number, j->check);
        note(&p->totals);
    }
    return at < end;
}

/* The parent's signals stay blocked; when it is gone, so are we. */
static _Noreturn void child(const struct job *j, struct process *p)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0); /* in the first the model measures, once, what it is to know */
    while (!atomic_load(&shared->stop) && run_block(j, p)) {
    }
    fflush(NULL);
    _exit(0);
}

static void start(const struct job *j)
{
    fflush(NULL);
    for (unsigned i = 0; i < j->processes; i++) {
        struct process *p = &shared->process[i];
        pid_t pid = fork();
        if (pid == 0)
            child(j, p);
        if (pid < 0) {
            perror("fork");
            exit(2);
        }
        p->pid = pid;
    }
}

static void print_wrong(const struct job *j, const struct process *p, int status)
{
    uint64_t number = atomic_load(&p->current);

    if (WIFSIGNALED(status))
        printf("sequence %" PRIu64 " is wrong: %s\n", number, strsignal(WTERMSIG(status)));
    else
        printf("sequence %" PRIu64 " is wrong: status %d\n", number, WEXITSTATUS(status));
    printf("again: %s --check %" PRIu64 " 1 %" PRIu64 "\n", j->program, j->check, number);
}

/* False: one was wrong, or so long under way that it will not end. */
static bool reap(const struct job *j, unsigned *left)
{
    bool right = true;
    pid_t pid;
    int status;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct process *p = shared->process;

        while (p->pid != pid)
            p++;
        p->pid = 0;
        --*left;
        if (status == 0)
            continue;
        print_wrong(j, p, status);
        atomic_store(&shared->stop, true);
        right = false;
    }
    return right;
}

/* Each second. */
static void end_if_stuck(struct process *p)
{
    uint64_t now = atomic_load(&p->current);

    p->stuck = now == p->seen ? p->stuck + 1 : 0;
    p->seen = now;
    if (p->stuck >= STUCK)
        kill(p->pid, SIGABRT);
}

static double processor_seconds(void)
{
    struct rusage r;

    (void)getrusage(RUSAGE_CHILDREN, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1000000;
}

static struct totals sum_up(const struct job *j)
{
    struct totals sum = {0};

    for (unsigned i = 0; i < j->processes; i++)
        add(&sum, &shared->process[i].totals);
    return sum;
}

static void report(const struct job *j)
{
    struct totals sum = sum_up(j);

    printf("%" PRIu64 " so far\n", sum.sequences);
    fflush(stdout);
    if (j->json != NULL)
        (void)write_json(j->json, &sum, j->first, 0, false);
}

static bool wait_for_all(const struct job *j, const sigset_t *signals)
{
    const struct timespec second = {1, 0};
    bool right = true;

    for (unsigned left = j->processes, seconds = 0; left > 0;) {
        int number = sigtimedwait(signals, NULL, &second);

        if (number == SIGTERM || number == SIGINT)
            atomic_store(&shared->stop, true);
        right = reap(j, &left) && right;
        if (number >= 0 || errno != EAGAIN)
            continue;
        for (unsigned i = 0; i < j->processes; i++)
            if (shared->process[i].pid != 0)
                end_if_stuck(&shared->process[i]);
        if (++seconds % REPORT == 0)
            report(j);
    }
    return right;
}

/* False: something was wrong. */
static bool run_job(const struct job *j)
{
    struct totals sum;
    sigset_t signals;
    double seconds;
    bool right;

    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }
    atomic_store(&shared->next, j->first);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    start(j);
    right = wait_for_all(j, &signals);
    sum = sum_up(j);
    seconds = processor_seconds();
    printf("%" PRIu64 " sequences from %" PRIu64 " on, %" PRIu64 " operations, %.1f s of processor time, %.0f a second\n",
           sum.sequences, j->first, sum.steps, seconds, seconds > 0 ? (double)sum.sequences / seconds : 0);
    return (j->json == NULL || write_json(j->json, &sum, j->first, seconds, !right)) && right;
}

/* ---- The command line */

static uint64_t number_of(const char *text, uint64_t least, uint64_t most)
{
    char *end;
    uint64_t n;

    errno = 0;
    n = strtoull(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || text[0] == '-' || n < least || n > most) {
        fprintf(stderr, "not a number from %" PRIu64 " to %" PRIu64 ": %s\n", least, most, text);
        exit(2);
    }
    return n;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"processes", required_argument, NULL, 'p'},
        {"check", required_argument, NULL, 'c'},
        {"json", required_argument, NULL, 'j'},
        {0},
    };
    struct job j = {.program = argv[0], .first = 1, .check = 16, .processes = 1};
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (c) {
        case 'p': j.processes = (unsigned)number_of(optarg, 1, PROCESSES); break;
        case 'c': j.check = number_of(optarg, 0, UINT64_MAX); break;
        case 'j': j.json = optarg; break;
        default: optind = argc; break;
        }
    if (argc - optind < 1 || argc - optind > 2) {
        fprintf(stderr, "usage: %s [--processes N] [--check N] [--json FILE] COUNT [FIRST]\n", argv[0]);
        return 2;
    }
    j.count = number_of(argv[optind], 1, UINT64_MAX / 4);
    if (argc - optind == 2)
        j.first = number_of(argv[optind + 1], 0, UINT64_MAX / 4);
    return run_job(&j) ? 0 : 1;
}
