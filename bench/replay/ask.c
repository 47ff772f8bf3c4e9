/* SPDX-License-Identifier: MIT */
#include "ask.h"

#include "../fail.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    brim_objective objective;
} objectives[] = {{"hits", BRIM_HITS}, {"bytes", BRIM_BYTES}, {"balanced", BRIM_BALANCED}, {"work", BRIM_WORK}};

static void take_objective(struct replay_ask *ask, const char *text)
{
    for (size_t i = 0; i < sizeof objectives / sizeof objectives[0]; i++)
        if (strcmp(objectives[i].name, text) == 0) {
            ask->objective = objectives[i].objective;
            ask->objective_name = objectives[i].name;
            return;
        }
    bench_fail("unknown objective '%s': there are hits, bytes, balanced, work", text);
}

static void take_work(struct replay_ask *ask, const char *text)
{
    if (strcmp(text, "random") == 0)
        ask->work = WORK_RANDOM;
    else if (strcmp(text, "none") == 0)
        ask->work = WORK_NONE;
    else
        bench_fail("--work: '%s' is neither random nor none", text);
}

static double parse_fraction(const char *text)
{
    char *end = NULL;
    const double x = options_is_decimal(text) ? strtod(text, &end) : 0;
    if (end == NULL || end == text || *end != '\0')
        bench_fail("--fraction: '%s' is not a number", text);
    if (!(x > 0 && x <= 1))
        bench_fail("--fraction: %s is not above 0 and at most 1", text);
    return x;
}

static void take_fractions(struct replay_ask *ask, const char *list)
{
    char *copy = strdup(list), *rest = copy, *part;
    if (copy == NULL)
        bench_fail("out of memory");
    ask->fractions = bench_alloc(strlen(list) + 1, sizeof *ask->fractions);
    while ((part = strsep(&rest, ",")) != NULL) {
        if (part[0] == '\0')
            bench_fail("--fraction: '%s' has an empty part", list);
        ask->fractions[ask->fraction_count++] = parse_fraction(part);
    }
    free(copy);
}

static void check_traces(const struct options *o)
{
    unsigned standard_inputs = 0;
    if (o->trace_count == 0)
        bench_fail("replay needs a trace (see --help)");
    for (unsigned i = 0; i < o->trace_count; i++) {
        if (o->traces[i][0] == '\0')
            bench_fail("a trace without a file name");
        standard_inputs += strcmp(o->traces[i], "-") == 0 ? 1 : 0;
    }
    if (standard_inputs > 1)
        bench_fail("standard input can be only one trace");
}

void replay_ask_parse(struct replay_ask *ask, const struct options *o)
{
    *ask = (struct replay_ask){.options = o, .work = WORK_GIVEN};
    check_traces(o);
    if (o->fractions == NULL && o->capacity == 0)
        bench_fail("replay needs --fraction or --capacity (see --help)");
    if (o->fractions != NULL && o->capacity != 0)
        bench_fail("--fraction and --capacity cannot both be (see --help)");
    if (o->fractions != NULL)
        take_fractions(ask, o->fractions);
    take_objective(ask, o->objective != NULL ? o->objective : "balanced");
    if (o->work != NULL)
        take_work(ask, o->work);
}

void replay_ask_end(struct replay_ask *ask)
{
    free(ask->fractions);
}
