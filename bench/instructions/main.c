/* SPDX-License-Identifier: MIT */
/*
 * brim-instructions: a counted number of operations on a filled cache, for callgrind to count the instructions
 * of.  Meant to be run by bench/instructions/run.sh:
 *
 *   valgrind --tool=callgrind --collect-atstart=no --toggle-collect='measure_*' --dump-before=part_end ...
 *
 * What is counted lies in functions named measure_...; after each part part_end is called, so that the n-th dump
 * belongs to the n-th line printed: the part and its number of operations.  Everything is seeded: counts repeat.
 * Without valgrind the program does the same, and checks every answer.
 */
#include "fail.h"
#include "parts.h"

#include <brim.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ENTRIES = 100000000, MIN_ENTRIES = 1000 };

static _Noreturn void print_help(void)
{
    fputs("Usage: brim-instructions [--what PART,...] [--entries N]\n"
          "\n"
          "  --what     parts, done in this order (default: those that need no sections):\n"
          "            ",
          stdout);
    for (size_t i = 0; i < part_count; i++)
        printf(" %s", parts[i].name);
    puts("\n"
         "  --entries  how many fill the cache, 1000 to 100000000 (default 1000)\n"
         "\n"
         "Run it by `make instructions'.  Exit status: 0 well, 1 wrong answers, 2 bad input.");
    exit(EXIT_SUCCESS);
}

static size_t parse_entries(const char *text)
{
    char *end = NULL;
    errno = 0;
    const unsigned long long n = isdigit((unsigned char)text[0]) ? strtoull(text, &end, 10) : 0;
    if (end == NULL || *end != '\0' || errno != 0 || n < MIN_ENTRIES || n > MAX_ENTRIES)
        instructions_fail("--entries: '%s' is not a number from %d to %d", text, MIN_ENTRIES, MAX_ENTRIES);
    return (size_t)n;
}

static size_t part_find(const char *name)
{
    for (size_t i = 0; i < part_count; i++)
        if (strcmp(parts[i].name, name) == 0)
            return i;
    instructions_fail("--what: no part is named '%s' (see --help)", name);
}

static void choose(bool chosen[], char *names)
{
    if (names[0] == '\0')
        instructions_fail("--what: no part named");
    for (char *rest, *name = strtok_r(names, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest))
        chosen[part_find(name)] = true;
}

static void choose_default(bool chosen[])
{
    for (size_t i = 0; i < part_count; i++)
        chosen[i] = !parts[i].borrow;
}

/* Returns the number of wrong answers. */
static size_t run_parts(const bool chosen[], size_t entries)
{
    bool borrow = false;
    for (size_t i = 0; i < part_count; i++)
        borrow |= chosen[i] && parts[i].borrow;
    struct fill fill;
    fill_make(&fill, entries, borrow);
    for (size_t i = 0; i < part_count; i++)
        if (chosen[i])
            part_run(&parts[i], &fill);
    fill_free(&fill);
    return fill.wrong;
}

int main(int argc, char **argv)
{
    static const struct option table[] = {
        {"what", required_argument, NULL, 'w'},
        {"entries", required_argument, NULL, 'e'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    bool *chosen = fill_alloc(part_count, sizeof *chosen);
    bool chose = false;
    size_t entries = MIN_ENTRIES;
    int letter;
    while ((letter = getopt_long(argc, argv, "", table, NULL)) != -1) {
        switch (letter) {
        case 'w':
            choose(chosen, optarg);
            chose = true;
            break;
        case 'e': entries = parse_entries(optarg); break;
        case 'h': print_help();
        default: return EXIT_USAGE;
        }
    }
    if (optind < argc)
        instructions_fail("what is '%s'? (see --help)", argv[optind]);
    if (!chose)
        choose_default(chosen);
    const size_t wrong = run_parts(chosen, entries);
    free(chosen);
    if (wrong != 0)
        fprintf(stderr, "brim-instructions: %zu wrong answers\n", wrong);
    return wrong != 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
