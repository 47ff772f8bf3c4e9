/* SPDX-License-Identifier: MIT */
#include "linear/events.h"

#include "linear/must.h"

#include <stdlib.h>

static int by_time(const void *a, const void *b)
{
    const struct event *x = a, *y = b;

    return x->time != y->time ? (x->time > y->time) - (x->time < y->time) : (x->op > y->op) - (x->op < y->op);
}

struct events events_of(const struct history *h)
{
    struct events e = {must_alloc(2 * h->count, sizeof *e.at), 2 * h->count};

    for (uint32_t i = 0; i < h->count; i++) {
        e.at[2 * i] = (struct event){h->op[i].called, i, false};
        e.at[2 * i + 1] = (struct event){h->op[i].returned, i, true};
    }
    qsort(e.at, e.count, sizeof *e.at, by_time);
    return e;
}

void events_free(struct events *e)
{
    free(e->at);
    *e = (struct events){NULL, 0};
}
