/* SPDX-License-Identifier: MIT
 *
 * The calls and returns of a history in the order of time.
 */
#ifndef LINEAR_EVENTS_H
#define LINEAR_EVENTS_H
#include "linear/history.h"

struct event {
    uint64_t time;
    uint32_t op;
    bool returns;
};

struct events {
    struct event *at;
    size_t count;
};

struct events events_of(const struct history *h);
void events_free(struct events *e);
#endif
