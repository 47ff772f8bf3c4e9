/* SPDX-License-Identifier: MIT */
/* brim-top: what the caches of running programs do.  The programs say so themselves: brim_publish.h. */
#include "fail.h"
#include "terminal.h"

#include <brim.h>
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { PLAIN_COLUMNS = 80, MOST_COLUMNS = 1000 };

struct asked {
    bool once, json;
    struct look look;
    struct targets targets;
};

static _Noreturn void print_help(void)
{
    puts("Usage: brim-top [OPTION]... [PLACE]...\n"
         "Shows the caches of running programs, and each one's kinds.\n"
         "\n"
         "A PLACE is the number of a process, a file, a directory of files, a Unix socket, or\n"
         "http://HOST[:PORT]/PATH, that gives the statistics of brim_stats_emit as JSON.  Without\n"
         "one: all programs that publish with brim_publish.h, as brim-bench --publish does, in\n"
         "$XDG_RUNTIME_DIR/brim or else /tmp/brim-UID.\n"
         "\n"
         "  -i, --interval S  seconds between two looks, 0.1 to 60 (default 1)\n"
         "  -s, --sort WHAT   used, finds, evictions or name (default used)\n"
         "  -1, --once        print one screen as text, after one interval, and end; also without\n"
         "                    a terminal; as wide as COLUMNS says, else 80 columns\n"
         "  -j, --json        print what came as JSON, with what it is a second, and end\n"
         "  -h, --help\n"
         "  -V, --version\n"
         "\n"
         "Keys: q quit, p pause, s sort, + and - interval, arrows choose the cache of the details.\n"
         "Columns: charge USED OF the limit, entries, hits of all finds ever and NOW, finds (of a\n"
         "kind: hits), inserts and evictions a second, loads under way, charge HELD.  A ! means\n"
         "problems.  Ki, Mi: 1024 and its square; k, M: 1000 and its square.\n"
         "\n"
         "NO_COLOR: no colours.  Exit status: 0 well, 1 no program publishes, 2 bad input.");
    exit(EXIT_SUCCESS);
}

static double parse_interval(const char *text)
{
    char *end = NULL;
    const double x = isdigit((unsigned char)text[0]) || text[0] == '.' ? strtod(text, &end) : -1;
    if (end == NULL || end == text || *end != '\0')
        top_fail("--interval: '%s' is not a number", text);
    if (!(x >= 0.1 && x <= 60))
        top_fail("--interval: %s is not between 0.1 and 60", text);
    return x;
}

static enum sort parse_sort(const char *text)
{
    for (int i = 0; i < SORTS; i++)
        if (strcmp(text, sort_name((enum sort)i)) == 0)
            return (enum sort)i;
    top_fail("--sort: '%s' is neither used, finds, evictions nor name", text);
}

static void take_option(struct asked *a, int letter, char **argv)
{
    switch (letter) {
    case 'i': a->look.interval = parse_interval(optarg); break;
    case 's': a->look.sort = parse_sort(optarg); break;
    case '1': a->once = true; break;
    case 'j': a->json = true; break;
    case 'h': print_help();
    case 'V': printf("brim-top (Brim) %s\n", brim_version()); exit(EXIT_SUCCESS);
    case ':': top_fail("%s needs a value (see --help)", argv[optind - 1]);
    default:
        if (optopt != 0 && isgraph(optopt) && strncmp(argv[optind - 1], "--", 2) != 0)
            top_fail("unknown option -%c (see --help)", optopt);
        top_fail("unknown option %s (see --help)", argv[optind - 1]);
    }
}

static void parse(struct asked *a, int argc, char **argv)
{
    static const struct option options[] = {
        {"interval", required_argument, NULL, 'i'},
        {"sort", required_argument, NULL, 's'},
        {"once", no_argument, NULL, '1'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    int letter;
    *a = (struct asked){.look = {.interval = 1}};
    opterr = 0;
    while ((letter = getopt_long(argc, argv, ":i:s:1jhV", options, NULL)) != -1)
        take_option(a, letter, argv);
    a->targets.asked = argv + optind;
    a->targets.asked_count = (size_t)(argc - optind);
    for (size_t i = 0; i < a->targets.asked_count; i++)
        if (a->targets.asked[i][0] == '\0')
            top_fail("an empty PLACE (see --help)");
}

static int text_columns(void)
{
    const char *text = getenv("COLUMNS");
    char *end = NULL;
    const long n = text != NULL && isdigit((unsigned char)text[0]) ? strtol(text, &end, 10) : 0;
    if (n >= 1 && end != NULL && *end == '\0')
        return n < MOST_COLUMNS ? (int)n : MOST_COLUMNS;
    return PLAIN_COLUMNS;
}

/* What was asked for by name must be there, and of all that publish one at least. */
static void require_some(const struct targets *all)
{
    size_t good = 0;
    for (size_t i = 0; i < all->count; i++) {
        const struct target *t = &all->at[i];
        good += t->now != NULL ? 1 : 0;
        if (t->now == NULL && all->asked_count > 0 && t->ended)
            top_fail("no process %ld runs", t->pid);
        if (t->now == NULL && all->asked_count > 0)
            top_fail("%s", t->error);
        if (t->now == NULL && t->error[0] != '\0')
            fprintf(stderr, "brim-top: %s\n", t->error);
    }
    if (good > 0)
        return;
    fputs("brim-top: no program publishes its caches (see --help)\n", stderr);
    exit(EXIT_NOTHING);
}

static void wait_for(double seconds)
{
    struct timespec t = {.tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - floor(seconds)) * 1e9)};
    while (nanosleep(&t, &t) != 0)
        ;
}

/* ---- Once */

static void print_view(struct view *v)
{
    for (size_t i = 0; i < v->count; i++)
        puts(v->at[i].text);
    view_free(v);
}

static void print_screen(const struct asked *a)
{
    struct rows rows;
    struct view v = {0};
    rows_make(&rows, &a->targets, a->look.sort);
    view_title(&v, &a->look, &a->targets, &rows);
    view_table(&v, &a->look, &rows);
    for (size_t i = 0; i < rows.count; i++)
        if (!rows.at[i].is_kind)
            view_details(&v, &a->look, &rows.at[i]);
    view_errors(&v, &a->look, &a->targets);
    print_view(&v);
    rows_free(&rows);
}

static json_t *rate_of(double rate)
{
    return rate >= 0 ? json_real(rate) : json_null();
}

static json_t *row_json(const struct row *r)
{
    json_t *o = json_copy((json_t *)r->now), *rates = json_object();
    json_object_del(o, "kinds");
    json_object_set_new(rates, "finds", rate_of(r->finds));
    json_object_set_new(rates, "hit_ratio", rate_of(r->hit_ratio_now));
    json_object_set_new(rates, "insertions", rate_of(r->inserts));
    json_object_set_new(rates, "evictions", rate_of(r->evictions));
    json_object_set_new(rates, "loads", rate_of(r->loads));
    json_object_set_new(o, "rates", rates);
    if (r->is_kind)
        return o;
    json_object_set_new(o, "program", json_string(target_program(r->target)));
    json_object_set_new(o, "pid", json_integer(r->target->pid));
    json_object_set_new(o, "ended", json_boolean(r->target->ended));
    if (target_problems(r->target, r->cache) != NULL)
        json_object_set(o, "problems", target_problems(r->target, r->cache));
    json_object_set_new(o, "kinds", json_array());
    return o;
}

static void print_json(const struct asked *a)
{
    struct rows rows;
    json_t *caches = json_array(), *whole = json_object();
    rows_make(&rows, &a->targets, a->look.sort);
    for (size_t i = 0; i < rows.count; i++) {
        json_t *list = caches;
        if (rows.at[i].is_kind)
            list = json_object_get(json_array_get(caches, json_array_size(caches) - 1), "kinds");
        json_array_append_new(list, row_json(&rows.at[i]));
    }
    json_object_set_new(whole, "caches", caches);
    if (json_dumpf(whole, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9)) != 0 ||
        putchar('\n') == EOF)
        top_fail("cannot write to standard output");
    json_decref(whole);
    rows_free(&rows);
}

static int look_once(struct asked *a)
{
    a->look.columns = text_columns();
    wait_for(a->look.interval);
    targets_read(&a->targets);
    if (a->json)
        print_json(a);
    else
        print_screen(a);
    if (fflush(stdout) != 0 || ferror(stdout))
        top_fail("cannot write to standard output: %s", strerror(errno));
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct asked asked;
    (void)setlocale(LC_CTYPE, "");
    parse(&asked, argc, argv);
    const bool plain = asked.once || asked.json || !isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO);
    targets_read(&asked.targets);
    if (plain || asked.targets.asked_count > 0)
        require_some(&asked.targets);
    const int status = plain ? look_once(&asked) : terminal_run(&asked.targets, &asked.look);
    targets_free(&asked.targets);
    return status;
}
