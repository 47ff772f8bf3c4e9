/* SPDX-License-Identifier: MIT
 *
 * brim-linear: records what threads do to a few keys of a cache, in rounds, and checks that each key's history is
 * linearizable (G6, G9).
 */
#include "linear/checker.h"
#include "linear/must.h"
#include "linear/record.h"
#include "linear/text.h"

#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

enum { ROUND = 200000, LEAST_OVERLAP = 30, LONG_ENOUGH = 200000 };

struct asked {
    uint64_t operations, seed;
    unsigned threads, keys;
    bool model[2];
    const char *json, *check, *save;
};

struct totals {
    uint64_t operations, overlapping, looked_at, rounds, longest;
    uint64_t yes[WHATS], no[WHATS];
    bool violated;
};

static _Noreturn void print_help(void)
{
    puts(
        "Usage: brim-linear [options]\n"
        "  --operations N  how many operations to record and check (default 1000000)\n"
        "  --threads T     1 to 31 (default 16)\n"
        "  --keys K        4 to 64 hot keys (default 8)\n"
        "  --seed S        of the first round (default 1); each other round has one more\n"
        "  --model WHICH   exact     nothing is evicted: what is there must be found\n"
        "                  eviction  entries vanish at any time, but do not rise again\n"
        "                  both      half of the operations each (default)\n"
        "  --json FILE     write the result there\n"
        "  --save FILE     where the history of a violation goes (default brim-linear.history)\n"
        "  --check FILE    check the history in FILE and do nothing else\n"
        "\n"
        "Exit status: 0 linearizable, 1 not, or another violation, 2 bad input, 3 it proves nothing: less than 30 %\n"
        "of the operations overlap another one of their key, or something never happened.");
    exit(EXIT_SUCCESS);
}

static uint64_t number_of(const char *option, const char *text, uint64_t least, uint64_t most)
{
    char *end;
    unsigned long long n = strtoull(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || n < least || n > most)
        must_fail("%s: %s is no number from %" PRIu64 " to %" PRIu64, option, text, least, most);
    return n;
}

static void take_model(struct asked *a, const char *name)
{
    a->model[MODEL_EXACT] = strcmp(name, "eviction") != 0;
    a->model[MODEL_EVICTION] = strcmp(name, "exact") != 0;
    if (a->model[MODEL_EXACT] && a->model[MODEL_EVICTION] && strcmp(name, "both") != 0)
        must_fail("--model: exact, eviction or both, not '%s'", name);
}

static struct asked parse(int argc, char **argv)
{
    static const struct option options[] = {
        {"operations", required_argument, NULL, 'n'},
        {"threads", required_argument, NULL, 't'},
        {"keys", required_argument, NULL, 'k'},
        {"seed", required_argument, NULL, 's'},
        {"model", required_argument, NULL, 'm'},
        {"json", required_argument, NULL, 'j'},
        {"save", required_argument, NULL, 'w'},
        {"check", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    struct asked a = {.operations = 1000000,
                      .seed = 1,
                      .threads = 16,
                      .keys = 8,
                      .model = {true, true},
                      .save = "brim-linear.history"};
    int letter;

    while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (letter) {
        case 'n': a.operations = number_of("--operations", optarg, 1, UINT64_MAX / 2); break;
        case 't': a.threads = (unsigned)number_of("--threads", optarg, 1, MAX_THREADS); break;
        case 'k': a.keys = (unsigned)number_of("--keys", optarg, 4, MAX_KEYS); break;
        case 's': a.seed = number_of("--seed", optarg, 0, UINT64_MAX / 2); break;
        case 'm': take_model(&a, optarg); break;
        case 'j': a.json = optarg; break;
        case 'w': a.save = optarg; break;
        case 'c': a.check = optarg; break;
        case 'h': print_help();
        default: exit(EXIT_BAD);
        }
    }
    if (optind < argc)
        must_fail("what is '%s'? (see --help)", argv[optind]);
    return a;
}

/* ---- Histories of keys */

static int by_call(const void *a, const void *b)
{
    const struct op *x = a, *y = b;

    return (x->called > y->called) - (x->called < y->called);
}

static struct history of_key(const struct history *all, uint32_t key)
{
    struct history h = {must_alloc(all->count, sizeof *h.op), 0};

    for (size_t i = 0; i < all->count; i++)
        if (all->op[i].key == key)
            h.op[h.count++] = all->op[i];
    qsort(h.op, h.count, sizeof *h.op, by_call);
    return h;
}

static void count(struct totals *t, const struct history *h, const struct verdict *v)
{
    t->operations += h->count;
    t->overlapping += count_overlapping(h);
    t->looked_at += v->looked_at;
    t->longest = h->count > t->longest ? h->count : t->longest;
    for (size_t i = 0; i < h->count; i++) {
        const struct op *op = &h->op[i];
        bool yes = op->what == ADD ? op->result == op->a : op->result != NOTHING;

        *(yes ? &t->yes[op->what] : &t->no[op->what]) += 1;
    }
}

/* The whole of it is saved, for --check; what is printed is what of it is wrong. */
static void tell(enum model m, struct history *h, uint64_t seed, const char *save)
{
    FILE *f = save != NULL ? fopen(save, "w") : NULL;

    fprintf(stderr, "brim-linear: VIOLATION: key %" PRIu32 " is not linearizable, model %s, seed %" PRIu64 "\n",
            h->op[0].key, model_name(m), seed);
    if (f != NULL) {
        save_history(f, m, h);
        fprintf(stderr, "all of its history is in %s\n", save);
        fclose(f);
    }
    shorten_history(m, h);
    print_history(stderr, h);
}

static void check_key(enum model m, struct history *h, uint64_t seed, const char *save, struct totals *t)
{
    struct verdict v = check_history(m, h, (struct state)STATE_NOTHING);

    count(t, h, &v);
    if (v.linearizable)
        return;
    t->violated = true;
    tell(m, h, seed, save);
}

static int check_file(const struct asked *a)
{
    struct totals t = {0};
    enum model m;
    FILE *f = fopen(a->check, "r");
    struct history h;

    if (f == NULL)
        must_fail("cannot read %s", a->check);
    h = load_history(f, &m);
    fclose(f);
    check_key(m, &h, a->seed, NULL, &t);
    printf("%" PRIu64 " operations, model %s: %s\n", t.operations, model_name(m),
           t.violated ? "not linearizable" : "linearizable");
    free(h.op);
    return t.violated ? EXIT_VIOLATION : EXIT_SUCCESS;
}

/* ---- Rounds */

static void run_round(const struct asked *a, enum model m, uint64_t operations, uint64_t seed, struct totals *t)
{
    struct round *r = must_alloc(1, sizeof *r);
    struct history all;

    r->model = m;
    r->threads = a->threads;
    r->keys = a->keys;
    r->seed = seed;
    r->borrow = seed % 2 != 0;
    r->clears = seed / 2 % 2 != 0;
    r->operations = operations / a->threads + 1;
    round_run(r, &all);
    for (uint32_t k = 0; k <= a->keys && !t->violated; k++) {
        struct history h = of_key(&all, k);

        check_key(m, &h, seed, a->save, t);
        free(h.op);
    }
    t->violated = t->violated || atomic_load(&r->problems) != 0;
    t->rounds++;
    free(all.op);
    free(r);
}

static void run_model(const struct asked *a, enum model m, struct totals *t)
{
    uint64_t wanted = a->model[0] && a->model[1] ? a->operations / 2 : a->operations, until = t->operations + wanted;

    while (t->operations < until && !t->violated) {
        uint64_t left = until - t->operations;

        run_round(a, m, left < ROUND ? left : ROUND, a->seed + t->rounds, t);
    }
}

/* ---- The result */

/* Whether it happened with each result that it may have: a history in which it did not says nothing of it. */
static bool happened(const struct totals *t, enum what what)
{
    switch (what) {
    case CLEAR:
    case CLEAR_LOAD:
    case SLOT_REMOVE:
    case PENDING:
    case CLAIM:
    case FAIL: return t->no[what] != 0;
    case INSERT:
    case GET:
    case JOIN:
    case SHARE_FAILURE: return t->yes[what] != 0;
    default: return t->yes[what] != 0 && t->no[what] != 0;
    }
}

static unsigned count_missing(const struct totals *t)
{
    unsigned missing = 0;

    for (unsigned i = 0; i < WHATS; i++) {
        if (happened(t, (enum what)i))
            continue;
        fprintf(stderr, "brim-linear: NOT TESTED: %s has not had each of its results\n", what_name((enum what)i));
        missing++;
    }
    return missing;
}

static double percent(const struct totals *t)
{
    return t->operations != 0 ? 100.0 * (double)t->overlapping / (double)t->operations : 0;
}

static void print_result(const struct totals *t, double wall, double cpu)
{
    printf("operations      %" PRIu64 " in %" PRIu64 " rounds, the longest history %" PRIu64 "\n", t->operations,
           t->rounds, t->longest);
    printf("overlapping     %.1f %%\n", percent(t));
    printf("search          %" PRIu64 " points\n", t->looked_at);
    for (unsigned i = 0; i < WHATS; i++)
        printf("  %-22s %10" PRIu64 " yes %10" PRIu64 " no\n", what_name((enum what)i), t->yes[i], t->no[i]);
    printf("time            %.1f s, %.1f s of CPU\n", wall, cpu);
    printf("%s\n", t->violated ? "VIOLATED" : "linearizable");
}

static void write_json(const struct asked *a, const struct totals *t, double wall, double cpu)
{
    FILE *f = a->json != NULL ? fopen(a->json, "w") : NULL;

    if (a->json == NULL)
        return;
    if (f == NULL)
        must_fail("cannot write %s", a->json);
    fprintf(f, "{\"violated\": %s, \"operations\": %" PRIu64 ", \"overlapping_percent\": %.2f, \"rounds\": %" PRIu64,
            t->violated ? "true" : "false", t->operations, percent(t), t->rounds);
    fprintf(f,
            ", \"threads\": %u, \"keys\": %u, \"seed\": %" PRIu64
            ", \"seconds\": %.2f, \"cpu_seconds\": %.2f, \"happened\": {",
            a->threads, a->keys, a->seed, wall, cpu);
    for (unsigned i = 0; i < WHATS; i++)
        fprintf(f, "%s\"%s\": [%" PRIu64 ", %" PRIu64 "]", i != 0 ? ", " : "", what_name((enum what)i), t->yes[i],
                t->no[i]);
    fprintf(f, "}}\n");
    if (fclose(f) != 0)
        must_fail("cannot write %s", a->json);
}

static double seconds(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    struct asked a = parse(argc, argv);
    struct totals t = {0};
    double began = seconds(CLOCK_MONOTONIC);
    bool proves;

    if (a.check != NULL)
        return check_file(&a);
    for (int m = MODEL_EXACT; m <= MODEL_EVICTION; m++)
        if (a.model[m])
            run_model(&a, (enum model)m, &t);
    print_result(&t, seconds(CLOCK_MONOTONIC) - began, seconds(CLOCK_PROCESS_CPUTIME_ID));
    write_json(&a, &t, seconds(CLOCK_MONOTONIC) - began, seconds(CLOCK_PROCESS_CPUTIME_ID));
    if (t.violated)
        return EXIT_VIOLATION;
    proves = percent(&t) >= (double)LEAST_OVERLAP && (t.operations < LONG_ENOUGH || count_missing(&t) == 0);
    if (!proves)
        fprintf(stderr, "brim-linear: it proves nothing: %.1f %% overlap\n", percent(&t));
    return proves ? EXIT_SUCCESS : EXIT_PROVES_NOTHING;
}
