/* SPDX-License-Identifier: MIT */
#include "ask.h"

#include "../fail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Lists ------------------------------------------------------------------------------------------------ */

/* Calls ${take} with each of the parts between commas. */
static void each_part(const char *option, const char *list, void (*take)(struct ask *, const char *), struct ask *ask)
{
    char *copy = strdup(list), *rest = copy, *part;
    if (copy == NULL)
        bench_fail("out of memory");
    while ((part = strsep(&rest, ",")) != NULL) {
        if (part[0] == '\0')
            bench_fail("--%s: '%s' has an empty part", option, list);
        take(ask, part);
    }
    free(copy);
}

/* The parts are all names of ${count}, of which ${name_of} gives each. */
static _Noreturn void fail_unknown(const char *option, const char *text, size_t count, const char *(*name_of)(size_t))
{
    char names[1024] = "";
    size_t used = 0;
    for (size_t i = 0; i < count && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i != 0 ? ", " : "", name_of(i));
    bench_fail("unknown %s '%s': there are %s", option, text, names);
}

static const char *workload_name(size_t i)
{
    return workloads[i].name;
}

static void take_workload(struct ask *ask, const char *text)
{
    const struct workload *w = workload_find(text);
    if (w == NULL)
        fail_unknown("workload", text, WORKLOADS, workload_name);
    ask->workloads |= PEER_IN(w->id);
}

static const char *peer_name(size_t i)
{
    return known_peers[i].name;
}

static void add_peer(struct ask *ask, const struct peer *peer)
{
    for (unsigned i = 0; i < ask->peer_count; i++)
        if (ask->peers[i] == peer)
            return;
    ask->peers[ask->peer_count++] = peer;
}

static void take_peer(struct ask *ask, const char *text)
{
    for (size_t i = 0; i < known_peer_count; i++) {
        const struct known_peer *known = &known_peers[i];
        if (strcmp(known->name, text) != 0)
            continue;
        if (known->peer == NULL && known->package == NULL)
            bench_fail("--peer: '%s' is not in this version", text);
        if (known->peer == NULL)
            bench_fail("--peer: '%s' was not built in: it needs %s (make peers)", text, known->package);
        add_peer(ask, known->peer);
        return;
    }
    fail_unknown("peer", text, known_peer_count, peer_name);
}

static void add_number(size_t *numbers, unsigned *count, size_t n, const char *option)
{
    for (unsigned i = 0; i < *count; i++)
        if (numbers[i] == n)
            return;
    if (*count == ASK_MAX)
        bench_fail("--%s: more than %d", option, ASK_MAX);
    numbers[(*count)++] = n;
}

static void take_threads(struct ask *ask, const char *text)
{
    const size_t n = (size_t)options_number("threads", text, 1, BENCH_MAX_THREADS);
    add_number(ask->threads, &ask->thread_count, n, "threads");
}

static void take_entries(struct ask *ask, const char *text)
{
    const size_t n = (size_t)options_number("entries", text, 1, BENCH_MAX_ENTRIES);
    add_number(ask->entries, &ask->entry_count, n, "entries");
}

static void take_all_peers(struct ask *ask)
{
    for (size_t i = 0; i < known_peer_count; i++) {
        const struct known_peer *known = &known_peers[i];
        if (known->peer != NULL)
            add_peer(ask, known->peer);
        else if (known->package != NULL)
            printf("left out: %s: package %s was not installed (make peers)\n", known->name, known->package);
        else
            printf("left out: %s: not in this version\n", known->name);
    }
}

void ask_parse(struct ask *ask, const struct options *o)
{
    *ask = (struct ask){.options = o, .workloads = o->workload != NULL ? 0 : ~0u};
    if (o->workload != NULL)
        each_part("workload", o->workload, take_workload, ask);
    if (o->thread_list != NULL)
        each_part("threads", o->thread_list, take_threads, ask);
    if (o->entry_list != NULL)
        each_part("entries", o->entry_list, take_entries, ask);
    if (o->peers != NULL)
        each_part("peer", o->peers, take_peer, ask);
    else
        take_all_peers(ask);
}

/* ---- Settings --------------------------------------------------------------------------------------------- */

static const size_t usual_threads[] = {1, 2, 64};
static const size_t usual_entries[] = {100000, 1000000};

struct choice {
    const size_t *numbers;
    unsigned count;
};

static struct choice choose_threads(const struct ask *ask, const struct workload *w)
{
    if (ask->thread_count != 0)
        return (struct choice){ask->threads, ask->thread_count};
    return (struct choice){usual_threads, w->id == MIXED ? 3 : 2};
}

static struct choice choose_entries(const struct ask *ask, const struct workload *w)
{
    const bool both = w->id == ZIPF_HIT || w->id == KEY_HIT;
    if (w->fixed_entries != 0)
        return (struct choice){&w->fixed_entries, 1};
    if (ask->entry_count != 0)
        return (struct choice){ask->entries, ask->entry_count};
    return (struct choice){usual_entries, both ? 2 : 1};
}

struct setting *ask_settings(const struct ask *ask, unsigned *count)
{
    struct setting *settings = bench_alloc((size_t)WORKLOADS * ASK_MAX * ASK_MAX, sizeof *settings);
    *count = 0;
    for (unsigned i = 0; i < WORKLOADS; i++) {
        const struct workload *w = &workloads[i];
        const struct choice threads = choose_threads(ask, w), entries = choose_entries(ask, w);
        for (unsigned e = 0; e < entries.count && (ask->workloads & PEER_IN(i)) != 0; e++)
            for (unsigned t = 0; t < threads.count; t++) {
                struct setting *s = &settings[(*count)++];
                *s = (struct setting){.workload = w, .threads = (unsigned)threads.numbers[t], .theta = w->theta};
                if (w->theta != 0 && ask->options->skew > 0)
                    s->theta = ask->options->skew;
                workload_size(&s->size, w, entries.numbers[e], s->threads, 0);
            }
    }
    return settings;
}
