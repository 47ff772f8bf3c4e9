/* SPDX-License-Identifier: MIT */
#include "options.h"

#include "fail.h"
#include "workloads.h"

#include <brim.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMON_OPTIONS                                     \
    {"threads", required_argument, NULL, 't'},             \
    {"seconds", required_argument, NULL, 's'},             \
    {"json", required_argument, NULL, 'j'},                \
    {"help", no_argument, NULL, 'h'},                      \
    {"version", no_argument, NULL, 'V'}

enum { OPTION_SOAK = 256 };

#define PUBLISH_OPTION {"publish", no_argument, NULL, 'P'}

static const struct option run_options[] = {
    {"workload", required_argument, NULL, 'w'},
    {"entries", required_argument, NULL, 'e'},
    {"capacity", required_argument, NULL, 'c'},
    {"shards", required_argument, NULL, 'n'},
    PUBLISH_OPTION,
    COMMON_OPTIONS,
    {NULL, 0, NULL, 0},
};
static const struct option peers_options[] = {
    {"workload", required_argument, NULL, 'w'},
    {"peer", required_argument, NULL, 'p'},
    {"entries", required_argument, NULL, 'e'},
    {"skew", required_argument, NULL, 'k'},
    {"rounds", required_argument, NULL, 'r'},
    COMMON_OPTIONS,
    {NULL, 0, NULL, 0},
};
static const struct option stress_options[] = {
    {"seed", required_argument, NULL, 'x'},
    {"shape", required_argument, NULL, 'S'},
    {"soak", no_argument, NULL, OPTION_SOAK},
    PUBLISH_OPTION,
    COMMON_OPTIONS,
    {NULL, 0, NULL, 0},
};
static const struct option replay_options[] = {
    {"fraction", required_argument, NULL, 'f'},
    {"capacity", required_argument, NULL, 'c'},
    {"objective", required_argument, NULL, 'o'},
    {"work", required_argument, NULL, 'W'},
    {"shards", required_argument, NULL, 'n'},
    PUBLISH_OPTION,
    {"threads", required_argument, NULL, 't'},
    {"json", required_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static _Noreturn void print_help(void)
{
    puts("Usage: brim-bench run -w NAME [options]\n"
         "       brim-bench peers [options]\n"
         "       brim-bench stress [options]\n"
         "       brim-bench replay TRACE... -f F[,F...] | -c C [options]\n"
         "\n"
         "run measures a workload:\n"
         "  -w, --workload NAME  zipf-hit       finds that all hit, zipf 0.99\n"
         "                       key-hit        the same by handle\n"
         "                       hot-key        finds of one key\n"
         "                       churn          get or insert, zipf 0.9 over 4 x the capacity\n"
         "                       insert-remove  pairs, 100 entries alive\n"
         "                       mixed          90 % find, 5 % insert, 5 % remove, zipf 0.99\n"
         "                       pinned         churn with three quarters of it all held\n"
         "  -e, --entries N      how many entries (default 100000)\n"
         "  -c, --capacity C     capacity in bytes of cost, 64 an entry (default: what the workload needs)\n"
         "  -n, --shards N       shards of the cache (default: chosen by the cache)\n"
         "\n"
         "peers measures workloads on Brim and on other caches, in turns:\n"
         "  -w, --workload NAME  as above (default: all), repeated or between commas\n"
         "  -p, --peer NAME      only this one; likewise (a wrong name lists them)\n"
         "  -t, --threads LIST   default: 1,2, and 64 for mixed\n"
         "  -e, --entries LIST   default: 100000, and 1000000 for zipf-hit and key-hit\n"
         "  -k, --skew THETA     of the zipf distributions\n"
         "  -s, --seconds S      a round of a peer (default 0.2)\n"
         "  -r, --rounds N       default 5\n"
         "\n"
         "stress uses everything at once and checks every answer:\n"
         "  -x, --seed X         where the random operations start (default 1)\n"
         "  -S, --shape NAME     only caches with this in their name, as loading (a wrong name lists them);\n"
         "                       default: all in turn.  From 5 seconds on all that can happen must happen\n"
         "      --soak           half of the time many caches one after the other, half of it a single one: memory must\n"
         "                       not be more in the last quarter of either than in the second, beyond 5 %\n"
         "\n"
         "replay finds the requests of traces, inserts what misses, and counts the misses:\n"
         "  TRACE                a file of lines `key size' or `key size work', work in nanoseconds, plain or\n"
         "                       zstd; - is standard input; blank lines and lines with # are left out\n"
         "  -f, --fraction LIST  capacities, as shares of the sizes of all keys together: above 0, at most 1\n"
         "  -c, --capacity C     the capacity\n"
         "  -o, --objective WHAT hits, bytes, balanced or work: what eviction saves (default balanced)\n"
         "  -W, --work WHICH     random  works of 1 to 1000 by key, instead of the trace's\n"
         "                       none    no works, all count as equal\n"
         "  -n, --shards N       shards of the cache (default: chosen by the cache)\n"
         "\n"
         "all of them:\n"
         "  -t, --threads N      1 to 4096 (default 2; replay: 1)\n"
         "  -s, --seconds S      how long, fractions allowed (default 5; not for replay)\n"
         "  -j, --json FILE      write the result there; -: to standard output, and all else to standard error\n"
         "  -P, --publish        let brim-top look at the caches meanwhile (not for peers)\n"
         "  -h, --help\n"
         "  -V, --version\n"
         "\n"
         "Exit status: 0 well, 1 wrong values or violations, 2 bad input.");
    exit(EXIT_SUCCESS);
}

static _Noreturn void print_version(void)
{
    printf("brim-bench (Brim) %s\n", brim_version());
    exit(EXIT_SUCCESS);
}

uint64_t options_number(const char *option, const char *text, uint64_t min, uint64_t max)
{
    char *end = NULL;
    errno = 0;
    const unsigned long long n = isdigit((unsigned char)text[0]) ? strtoull(text, &end, 10) : 0;
    if (end == NULL || *end != '\0')
        bench_fail("--%s: '%s' is not a number", option, text);
    if (errno == ERANGE || n < min || n > max)
        bench_fail("--%s: %s is not between %llu and %llu", option, text, (unsigned long long)min,
                   (unsigned long long)max);
    return n;
}

bool options_is_decimal(const char *text)
{
    return (isdigit((unsigned char)text[0]) || text[0] == '.') && strpbrk(text, "xX") == NULL;
}

static double parse_real(const char *option, const char *text, double min, double max)
{
    char *end = NULL;
    const double x = options_is_decimal(text) ? strtod(text, &end) : -1;
    if (end == NULL || end == text || *end != '\0' || !isfinite(x))
        bench_fail("--%s: '%s' is not a number", option, text);
    if (x < min || x > max)
        bench_fail("--%s: %s is not between %g and %.0f", option, text, min, max);
    return x;
}

/* Lists may be given in several pieces. */
static const char *join(const char *list, const char *text)
{
    char *both;
    if (list == NULL)
        return text;
    if (asprintf(&both, "%s,%s", list, text) < 0)
        bench_fail("out of memory");
    return both;
}

static void take_list(struct options *o, int letter, const char *text)
{
    const char **list = letter == 'w' ? &o->workload : letter == 't' ? &o->thread_list : &o->entry_list;
    *list = join(*list, text);
}

static void take_option(struct options *o, int letter, const char *text)
{
    if (o->command == BENCH_PEERS && strchr("wte", letter) != NULL) {
        take_list(o, letter, text);
        return;
    }
    switch (letter) {
    case 't': o->threads = (unsigned)options_number("threads", text, 1, BENCH_MAX_THREADS); break;
    case 'e': o->entries = (size_t)options_number("entries", text, 1, BENCH_MAX_ENTRIES); break;
    case 'c': o->capacity = (size_t)options_number("capacity", text, 1, SIZE_MAX / 2); break;
    case 'n': o->shards = (unsigned)options_number("shards", text, 1, 65536); break;
    case 'x': o->seed = options_number("seed", text, 0, UINT64_MAX); break;
    case 's': o->seconds = parse_real("seconds", text, 0.01, 1e6); break;
    case 'S': o->shape = text; break;
    case 'P': o->publish = true; break;
    case OPTION_SOAK: o->soak = true; break;
    case 'w': o->workload = text; break;
    case 'f': o->fractions = join(o->fractions, text); break;
    case 'o': o->objective = text; break;
    case 'W': o->work = text; break;
    case 'p': o->peers = join(o->peers, text); break;
    case 'k': o->skew = parse_real("skew", text, 0.01, 10); break;
    case 'r': o->rounds = (unsigned)options_number("rounds", text, 1, 10000); break;
    case 'j': o->json = text; break;
    case 'h': print_help();
    case 'V': print_version();
    default: break;
    }
}

/* What getopt wants to know of ${table}'s letters. */
static void short_options(const struct option *table, char *text)
{
    *text++ = ':';
    for (; table->name != NULL; table++) {
        if (table->val >= OPTION_SOAK)
            continue;
        *text++ = (char)table->val;
        if (table->has_arg == required_argument)
            *text++ = ':';
    }
    *text = '\0';
}

static void take_all(struct options *o, int argc, char **argv, const struct option *table)
{
    int letter;
    char letters[64];
    short_options(table, letters);
    opterr = 0;
    while ((letter = getopt_long(argc, argv, letters, table, NULL)) != -1) {
        if (letter == ':')
            bench_fail("%s needs a value (see --help)", argv[optind - 1]);
        if (letter == '?' && optopt != 0)
            bench_fail("unknown option -%c (see --help)", optopt);
        if (letter == '?')
            bench_fail("unknown option %s (see --help)", argv[optind - 1]);
        take_option(o, letter, optarg);
    }
    if (optind < argc && o->command != BENCH_REPLAY)
        bench_fail("what is '%s'? (see --help)", argv[optind]);
    o->traces = argv + optind;
    o->trace_count = (unsigned)(argc - optind);
}

static enum bench_command parse_command(const char *name)
{
    if (strcmp(name, "run") == 0)
        return BENCH_RUN;
    if (strcmp(name, "peers") == 0)
        return BENCH_PEERS;
    if (strcmp(name, "stress") == 0)
        return BENCH_STRESS;
    if (strcmp(name, "replay") == 0)
        return BENCH_REPLAY;
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        print_help();
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        print_version();
    bench_fail("unknown command '%s': run, peers, stress or replay (see --help)", name);
}

static const struct option *const tables[] = {[BENCH_RUN] = run_options,
                                              [BENCH_PEERS] = peers_options,
                                              [BENCH_STRESS] = stress_options,
                                              [BENCH_REPLAY] = replay_options};

void options_parse(struct options *o, int argc, char **argv)
{
    if (argc < 2)
        bench_fail("what to do? run, peers, stress or replay (see --help)");
    *o = (struct options){.threads = 2, .entries = 100000, .seconds = 5, .seed = 1, .rounds = 5};
    o->command = parse_command(argv[1]);
    if (o->command == BENCH_PEERS)
        o->seconds = 0.2;
    if (o->command == BENCH_REPLAY)
        o->threads = 1;
    take_all(o, argc - 1, argv + 1, tables[o->command]);
    if (o->json != NULL && o->json[0] == '\0')
        bench_fail("--json: no file name");
    if (o->command != BENCH_RUN)
        return;
    if (o->workload == NULL)
        bench_fail("run needs --workload (see --help)");
    if (workload_find(o->workload) == NULL)
        bench_fail("unknown workload '%s' (see --help)", o->workload);
}
