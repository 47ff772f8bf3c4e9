/* SPDX-License-Identifier: MIT */
#include "stress_shapes.h"

#include "fail.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* Short runs come to the first ones alone: these have everything in them. */
static const struct shape all[] = {
    {.name = "loading",
     .shards = 4,
     .room = 2,
     .max_cost = 512,
     .loads = true,
     .hot = 8,
     .groups = true,
     .ages = true},
    {.name = "groups, ages, frames",
     .shards = 4,
     .room = 8,
     .max_cost = 1024,
     .loads = true,
     .hot = 32,
     .groups = true,
     .ages = true,
     .frames = true},
    {.name = "floors, ceilings, queue, resized",
     .shards = 4,
     .room = 8,
     .max_cost = 1024,
     .resize = true,
     .loads = true,
     .hot = 16,
     .limits = true,
     .queue = true},
    {.name = "borrowed, everything, resized",
     .shards = 2,
     .room = 8,
     .max_cost = 1024,
     .resize = true,
     .borrow = true,
     .loads = true,
     .hot = 64,
     .groups = true,
     .ages = true,
     .frames = true,
     .limits = true,
     .queue = true},
    {.name = "one shard, tight, resized", .shards = 1, .room = 2, .max_cost = 1024, .resize = true},
    {.name = "borrowed, one shard, tight, resized",
     .shards = 1,
     .room = 4,
     .max_cost = 1024,
     .resize = true,
     .borrow = true},
    {.name = "chosen shards, loaded", .shards = 0, .room = 8, .max_cost = 4096, .loads = true, .hot = 128},
    {.name = "borrowed, exact", .shards = 4, .room = 8, .max_cost = 512, .exact = true, .borrow = true},
    {.name = "exact, tight, loaded",
     .shards = 2,
     .room = 2,
     .max_cost = 512,
     .exact = true,
     .loads = true,
     .hot = 16},
    {.name = "borrowed, chosen shards", .shards = 0, .room = 16, .max_cost = 2048, .borrow = true},
    {.name = "calm", .shards = 4, .max_cost = 512, .calm = true},
    {.name = "borrowed, calm", .shards = 4, .max_cost = 512, .calm = true, .borrow = true},
    {.name = "many shards, very tight, resized", .shards = 64, .room = 1, .max_cost = 2048, .resize = true},
    {.name = "few entries, frames", .shards = 2, .room = 4, .max_cost = 1024, .entries_per_lane = 16, .frames = true},
    {.name = "borrowed, few entries, overhead charged",
     .shards = 8,
     .room = 8,
     .max_cost = 512,
     .entries_per_lane = 32,
     .charge_overhead = true,
     .borrow = true},
    {.name = "overhead charged, strong hash, resized, groups",
     .shards = 8,
     .room = 4,
     .max_cost = 512,
     .resize = true,
     .charge_overhead = true,
     .strong = true,
     .groups = true},
    {.name = "roomy, queue", .shards = 16, .room = 64, .max_cost = 1024, .queue = true},
};
enum { ALL = sizeof all / sizeof all[0] };
_Static_assert(sizeof all / sizeof all[0] <= (size_t)MAX_SHAPES, "struct shapes has room for all");

static bool matches(const struct shape *s, const char *name, bool whole)
{
    return whole ? strcmp(s->name, name) == 0 : strstr(s->name, name) != NULL;
}

static void take(struct shapes *chosen, const char *name, bool whole)
{
    for (unsigned i = 0; i < ALL; i++)
        if (matches(&all[i], name, whole)) {
            chosen->at[chosen->count++] = &all[i];
            chosen->weight += shape_weight(&all[i]);
        }
}

static _Noreturn void fail_unknown(const char *name)
{
    char names[1024];
    size_t len = 0;
    for (unsigned i = 0; i < ALL; i++)
        len += (size_t)snprintf(names + len, sizeof names - len, "%s'%s'", i != 0 ? "; " : "", all[i].name);
    bench_fail("--shape: '%s' is in the name of none: %s", name, names);
}

void shapes_choose(struct shapes *chosen, const char *name)
{
    *chosen = (struct shapes){0};
    if (name != NULL)
        take(chosen, name, true);
    if (chosen->count == 0)
        take(chosen, name != NULL ? name : "", false);
    if (chosen->count == 0)
        fail_unknown(name);
}
