/* SPDX-License-Identifier: MIT */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "brim.h"
#include "diag.h"
#include "must.h"

enum { MAX_THREADS = 1024, MAX_PAGES = 100000, DEFAULT_PAGES = 104 };
static const size_t DEFAULT_CAPACITY = (size_t)4 << 20;

static const char HELP[] =
    "Usage: brim-render [OPTION]...\n"
    "Sets text with HarfBuzz and FreeType on many threads, every glyph bitmap out of a\n"
    "cache, and measures Brim against one mutex and an LRU list and against no cache.\n"
    "In caches too small for all, also by the time that rasterising again takes: LRU,\n"
    "Brim with BRIM_HITS and with BRIM_WORK.  All runs must draw the same pixels.\n"
    "\n"
    "  -t, --threads N       threads of the parallel runs, 1 to 1024 (default: the cores)\n"
    "  -p, --pages N         pages to set (default 104)\n"
    "  -c, --capacity BYTES  of the caches; K, M and G may follow (default 4M)\n"
    "  -s, --small BYTES     of the small caches (default: an eighth of what all glyphs take)\n"
    "  -T, --text FILE...    UTF-8 text or HTML to set (default: the package debian-handbook)\n"
    "  -f, --fonts DIR       where the DejaVu fonts are\n"
    "  -o, --out DIR         where the first twelve pages go (default build/render)\n"
    "  -j, --json FILE       the results as JSON too; -: to standard output, all else to\n"
    "                        standard error\n"
    "  -h, --help\n"
    "  -V, --version\n"
    "\n"
    "Exit status: 0; 1 when pixels differ or a cache broke its word; 2 on bad input.\n";

static unsigned long long parse_number(const char *what, const char *text, const char **end) {
    char *e;
    unsigned long long n;

    errno = 0;
    n = strtoull(text, &e, 10);
    if (!isdigit((unsigned char)*text) || errno)
        die("%s '%s' is not a number in range", what, text);
    *end = e;
    return n;
}

static size_t parse_count(const char *what, const char *text, size_t max) {
    const char *end;
    unsigned long long n = parse_number(what, text, &end);

    if (*end || n < 1 || n > max)
        die("%s must be a number from 1 to %zu, not '%s'", what, max, text);
    return (size_t)n;
}

static size_t parse_bytes(const char *what, const char *text) {
    const char *end;
    unsigned long long n = parse_number(what, text, &end);
    int shift = 0;

    switch (*end) {
    case 'K':
    case 'k':
        shift = 10;
        end++;
        break;
    case 'M':
    case 'm':
        shift = 20;
        end++;
        break;
    case 'G':
    case 'g':
        shift = 30;
        end++;
        break;
    default:
        break;
    }
    if (*end)
        die("%s '%s' is not a number of bytes (K, M or G may follow)", what, text);
    if (n < 1)
        die("%s must be more than 0", what);
    if (n > ((unsigned long long)SIZE_MAX / 2) >> shift)
        die("%s '%s' is too large", what, text);
    return (size_t)(n << shift);
}

static unsigned cores(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 2;

    return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : (unsigned)n;
}

void cli_flush_stdout(void) {
    if (fflush(stdout) != 0 || ferror(stdout))
        die("cannot write to standard output: %s", strerror(errno));
}

static _Noreturn void say_and_leave(const char *text) {
    fputs(text, stdout);
    cli_flush_stdout();
    exit(EXIT_SUCCESS);
}

static void add_text(struct cli *c, char *name) {
    if (!*name)
        die("--text needs the name of a file");
    c->texts[c->n_texts++] = name;
}

static _Noreturn void refuse(const char *argument) {
    if (strncmp(argument, "--", 2) == 0)
        die("unknown or wrongly used option '%s' (--help lists them)", argument);
    die("unknown option '-%c' (--help lists them)", optopt);
}

static void take(struct cli *c, int option, char **argv) {
    switch (option) {
    case 't':
        c->threads = (unsigned)parse_count("--threads", optarg, MAX_THREADS);
        break;
    case 'p':
        c->pages = parse_count("--pages", optarg, MAX_PAGES);
        break;
    case 'c':
        c->capacity = parse_bytes("--capacity", optarg);
        break;
    case 's':
        c->small = parse_bytes("--small", optarg);
        break;
    case 'T':
        add_text(c, optarg);
        break;
    case 'f':
        c->fonts = optarg;
        break;
    case 'o':
        c->out = optarg;
        break;
    case 'j':
        c->json = optarg;
        break;
    case 'h':
        say_and_leave(HELP);
    case 'V':
        say_and_leave(must_print("brim-render (Brim) %s\n", brim_version()));
    case ':':
        die("option '%s' needs a value (--help lists them)", argv[optind - 1]);
    default:
        refuse(argv[optind - 1]);
    }
}

void cli_parse(struct cli *c, int argc, char **argv) {
    static const struct option options[] = {
        {"threads", required_argument, NULL, 't'},
        {"pages", required_argument, NULL, 'p'},
        {"capacity", required_argument, NULL, 'c'},
        {"small", required_argument, NULL, 's'},
        {"text", required_argument, NULL, 'T'},
        {"fonts", required_argument, NULL, 'f'},
        {"out", required_argument, NULL, 'o'},
        {"json", required_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    int option;

    *c = (struct cli){
        .threads = cores(), .pages = DEFAULT_PAGES, .capacity = DEFAULT_CAPACITY, .out = "build/render"};
    c->texts = must_alloc((size_t)argc + 1, sizeof *c->texts);
    opterr = 0;
    while ((option = getopt_long(argc, argv, ":t:p:c:s:T:f:o:j:hV", options, NULL)) != -1)
        take(c, option, argv);
    if (optind < argc && !c->n_texts)
        die("unexpected argument '%s'", argv[optind]);
    while (optind < argc)
        add_text(c, argv[optind++]);
    if (!*c->out)
        die("--out needs the name of a directory");
    if (c->json && !*c->json)
        die("--json needs the name of a file");
}
