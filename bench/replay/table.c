/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <stdio.h>
#include <string.h>

enum { NAME_WIDTH = 16 };

static const char *const work_names[] = {
    [WORK_GIVEN] = "of the trace, if it has them", [WORK_RANDOM] = "random", [WORK_NONE] = "none"};

void table_print_head(const struct replay_ask *ask)
{
    printf("objective       %s\n", ask->objective_name);
    printf("works           %s\n", work_names[ask->work]);
    printf("threads         %u\n\n", ask->options->threads);
    printf("%-*s %8s %14s %6s %7s %7s %7s %7s\n", NAME_WIDTH, "trace", "fraction", "capacity", "shards", "object",
           "byte", "work", "seconds");
    fflush(stdout);
}

void table_print_row(const struct cell *c, const struct played *p)
{
    char fraction[16] = "-";
    if (c->fraction > 0)
        snprintf(fraction, sizeof fraction, "%g", c->fraction);
    if (strlen(c->trace->name) <= NAME_WIDTH)
        printf("%-*s", NAME_WIDTH, c->trace->name);
    else
        printf("%s\n%*s", c->trace->name, NAME_WIDTH, "");
    printf(" %8s %14zu %6u %7.4f %7.4f %7.4f %7.2f\n", fraction, c->capacity, p->shards, p->object_miss, p->byte_miss,
           p->work_miss, p->seconds);
    fflush(stdout);
}

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

json_t *table_object(const struct replay_ask *ask, const struct cell *c, const struct played *p)
{
    json_t *o = json_object();
    json_object_set_new(o, "trace", json_string(c->trace->name));
    json_object_set_new(o, "fraction", c->fraction > 0 ? json_real(c->fraction) : json_null());
    json_object_set_new(o, "capacity", number(c->capacity));
    json_object_set_new(o, "objective", json_string(ask->objective_name));
    json_object_set_new(o, "shards", number(p->shards));
    json_object_set_new(o, "object_miss", json_real(p->object_miss));
    json_object_set_new(o, "byte_miss", json_real(p->byte_miss));
    json_object_set_new(o, "work_miss", json_real(p->work_miss));
    json_object_set_new(o, "seconds", json_real(p->seconds));
    json_object_set_new(o, "requests", number(c->trace->requests));
    json_object_set_new(o, "keys", number(c->trace->distinct));
    json_object_set_new(o, "threads", number(ask->options->threads));
    json_object_set_new(o, "refused", number(p->refused));
    return o;
}
