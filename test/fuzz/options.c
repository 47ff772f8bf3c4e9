/* SPDX-License-Identifier: MIT
 *
 * The command lines of brim-bench and brim-render: the input is lines, the first says whose, the others are
 * arguments.  A wrong one must end with one message; one that is taken must have been right, as far as can be told
 * from what it gives.
 */
#include "../../bench/options.h"
#include "../../bench/render/cli.h"
#include "../../bench/replay/ask.h"
#include "attempt.h"

#include <getopt.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARGUMENTS = 16, MOST = 512 };

struct line {
    int argc;
    char *argv[ARGUMENTS + 1];
    struct options options;
    struct cli cli;
    bool taken;
};

static void expect_true(bool is, const char *what)
{
    if (!is)
        wrong("accepted: %s", what);
}

static void check_bench(const struct options *o)
{
    expect_true(o->threads >= 1 && o->threads <= BENCH_MAX_THREADS, "threads");
    expect_true(o->entries >= 1 && o->entries <= BENCH_MAX_ENTRIES, "entries");
    expect_true(o->capacity <= SIZE_MAX / 2 && o->shards <= 65536 && o->rounds >= 1, "bounds");
    expect_true(isfinite(o->seconds) && o->seconds >= 0.01 && isfinite(o->skew) && o->skew >= 0, "reals");
    expect_true(o->json == NULL || o->json[0] != '\0', "json");
    expect_true(o->command != BENCH_RUN || o->workload != NULL, "workload");
}

static void parse_bench(void *arg)
{
    struct line *l = arg;
    struct replay_ask ask;

    options_parse(&l->options, l->argc, l->argv);
    check_bench(&l->options);
    if (l->options.command == BENCH_REPLAY) {
        replay_ask_parse(&ask, &l->options);
        for (size_t i = 0; i < ask.fraction_count; i++)
            expect_true(ask.fractions[i] > 0 && ask.fractions[i] <= 1, "fraction");
        expect_true((ask.fraction_count > 0) != (l->options.capacity > 0), "what capacity");
        replay_ask_end(&ask);
    }
    l->taken = true;
    exit(EXIT_SUCCESS); /* the lists that it has joined last as long as the program */
}

static void parse_render(void *arg)
{
    struct line *l = arg;
    struct cli *c = &l->cli;

    cli_parse(c, l->argc, l->argv);
    expect_true(c->threads >= 1 && c->threads <= 1024 && c->pages >= 1 && c->pages <= 100000, "threads, pages");
    expect_true(c->capacity >= 1 && c->capacity <= SIZE_MAX / 2 && c->small <= SIZE_MAX / 2, "bytes");
    expect_true(c->out[0] != '\0' && (c->json == NULL || c->json[0] != '\0'), "files");
    for (size_t i = 0; i < c->n_texts; i++)
        expect_true(c->texts[i][0] != '\0', "a text without a name");
    free(c->texts);
    l->taken = true;
}

static void split(struct line *l, char *text)
{
    char *rest = text, *part;

    l->argv[l->argc++] = "program";
    while (l->argc < ARGUMENTS && (part = strsep(&rest, "\n")) != NULL)
        l->argv[l->argc++] = part;
    l->argv[l->argc] = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[MOST + 1];
    struct line l = {0};
    const char *out, *err, *program = size > 0 && data[0] == 'r' ? "brim-render: " : "brim-bench: ";
    int status;

    if (size == 0 || size > MOST)
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    split(&l, text);
    optind = 0; /* begin anew */
    status = attempt(data[0] == 'r' ? parse_render : parse_bench, &l, &out, &err);
    if (status == RETURNED || status == 0) {
        if (err[0] != '\0' || (out[0] == '\0') != l.taken)
            wrong("status %d, printed '%s', '%s'", status, out, err);
        return 0;
    }
    if (status != 2 || out[0] != '\0')
        wrong("status %d, printed '%s'", status, out);
    expect_message(err, program);
    return 0;
}
