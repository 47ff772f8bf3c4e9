/* SPDX-License-Identifier: MIT */
#include "stress_events.h"

#include <inttypes.h>
#include <stdio.h>

static const struct {
    const char *name;
    unsigned features;
} known[] = {
#define STRESS_EVENT_KNOWN(id, name, features) {name, features},
    STRESS_EVENTS(STRESS_EVENT_KNOWN)
};

static unsigned features_of(const struct shape *s)
{
    return (s->calm ? 0u : WITH_EVICTION) | (s->loads ? WITH_LOADS : 0u) | (s->groups ? WITH_GROUPS : 0u) |
           (s->ages ? WITH_AGES : 0u) | (s->frames ? WITH_FRAMES : 0u) | (s->limits ? WITH_LIMITS : 0u) |
           (s->queue ? WITH_QUEUE : 0u) | (s->resize ? WITH_RESIZE : 0u) | (s->borrow ? WITH_BORROW : 0u);
}

void events_sum(struct event_sums *sums, const struct events *e, const struct shape *s)
{
    sums->features |= features_of(s);
    for (int i = 0; i < EVENTS; i++)
        sums->count[i] += atomic_load_explicit(&e->count[i], memory_order_relaxed);
}

static bool is_missing(const struct event_sums *sums, int i)
{
    return sums->count[i] == 0 && (known[i].features & ~sums->features) == 0;
}

unsigned events_missing(const struct event_sums *sums)
{
    unsigned missing = 0;
    for (int i = 0; i < EVENTS; i++) {
        if (!is_missing(sums, i))
            continue;
        fprintf(stderr, "brim-bench: NOT TESTED: %s never happened\n", known[i].name);
        missing++;
    }
    return missing;
}

void events_print(const struct event_sums *sums)
{
    for (int i = 0; i < EVENTS; i++)
        if ((known[i].features & ~sums->features) == 0)
            printf("  %-28s %" PRIu64 "\n", known[i].name, sums->count[i]);
}

json_t *events_json(const struct event_sums *sums)
{
    json_t *j = json_object();
    for (int i = 0; i < EVENTS; i++)
        json_object_set_new(j, known[i].name, json_integer((json_int_t)sums->count[i]));
    return j;
}

json_t *events_missing_json(const struct event_sums *sums)
{
    json_t *j = json_array();
    for (int i = 0; i < EVENTS; i++)
        if (is_missing(sums, i))
            json_array_append_new(j, json_string(known[i].name));
    return j;
}
