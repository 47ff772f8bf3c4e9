/* SPDX-License-Identifier: MIT */
/* What happened, counted: a run in which something never did has not tested it. */
#ifndef BENCH_STRESS_EVENTS_H
#define BENCH_STRESS_EVENTS_H
#include "stress_shapes.h"

#include <jansson.h>
#include <stdatomic.h>

/* What a shape must have for an event: bits of features_of. */
enum { WITH_ANY = 0, WITH_EVICTION = 1, WITH_LOADS = 2, WITH_GROUPS = 4, WITH_AGES = 8, WITH_FRAMES = 16, WITH_LIMITS = 32, WITH_QUEUE = 64, WITH_RESIZE = 128, WITH_BORROW = 256 };

/* EVENT(identifier, name in the result, features) */
#define STRESS_EVENTS(EVENT)                                                                                           \
    EVENT(EVICTED, "evicted", WITH_EVICTION)                                                                           \
    EVENT(FORKED, "forks", WITH_ANY)                                                                                   \
    EVENT(BORROWED, "borrowed", WITH_BORROW)                                                                           \
    EVENT(RESIZED, "capacity_changes", WITH_RESIZE)                                                                    \
    EVENT(LOADED, "loads", WITH_LOADS)                                                                                 \
    EVENT(LOAD_FAILED, "loads_failed", WITH_LOADS)                                                                     \
    EVENT(LOAD_SLOW, "loads_slow", WITH_LOADS)                                                                         \
    EVENT(LOAD_NESTED, "loads_nested", WITH_LOADS)                                                                     \
    EVENT(LOAD_UNWANTED, "loads_seen_unwanted", WITH_LOADS)                                                            \
    EVENT(LOAD_WAITED, "load_waits", WITH_LOADS)                                                                       \
    EVENT(FAILURE_SHARED, "failures_shared", WITH_LOADS)                                                               \
    EVENT(FAILED_FOR, "failures_kept", WITH_LOADS)                                                                     \
    EVENT(ASKED_ITSELF, "deadlocks", WITH_LOADS)                                                                       \
    EVENT(GET_TIMEOUT, "timeouts", WITH_LOADS)                                                                         \
    EVENT(GET_PENDING, "pending", WITH_LOADS)                                                                          \
    EVENT(GET_CANCELED, "gets_canceled", WITH_LOADS)                                                                   \
    EVENT(KEY_GET, "loads_by_key", WITH_LOADS)                                                                         \
    EVENT(CLAIMED, "claims", WITH_LOADS)                                                                               \
    EVENT(CLAIMED_MANY, "claims_of_many", WITH_LOADS)                                                                  \
    EVENT(HANDED_OVER, "claims_handed_over", WITH_LOADS)                                                               \
    EVENT(FINISH_OVERTAKEN, "finishes_overtaken", WITH_LOADS)                                                          \
    EVENT(FINISH_REFUSED, "finishes_refused", WITH_LOADS)                                                              \
    EVENT(LOAD_CANCELED, "loads_canceled", WITH_LOADS)                                                                 \
    EVENT(ASYNC_PENDING, "async_pending", WITH_LOADS)                                                                  \
    EVENT(ASYNC_VALUE, "async_values", WITH_LOADS)                                                                     \
    EVENT(ASYNC_FAILED, "async_failures", WITH_LOADS)                                                                  \
    EVENT(ASYNC_CANCELED, "async_canceled", WITH_LOADS)                                                                \
    EVENT(WAIT_CANCELED, "waits_canceled", WITH_LOADS)                                                                 \
    EVENT(WAIT_LATE, "waits_canceled_late", WITH_LOADS)                                                                \
    EVENT(GROUPED, "insertions_into_groups", WITH_GROUPS)                                                              \
    EVENT(GROUP_FOUND, "finds_in_groups", WITH_GROUPS)                                                                 \
    EVENT(GROUP_INVALIDATED, "invalidations", WITH_GROUPS)                                                             \
    EVENT(GROUP_CLOSED, "groups_closed", WITH_GROUPS)                                                                  \
    EVENT(GROUP_REFUSED, "refused_by_closed_groups", WITH_GROUPS)                                                      \
    EVENT(GROUP_EMPTY, "closed_groups_without_loads", WITH_GROUPS)                                                     \
    EVENT(LEFT_INVALIDATED, "left_invalidated", WITH_GROUPS)                                                           \
    EVENT(MORTAL, "insertions_with_ages", WITH_AGES)                                                                   \
    EVENT(MORTAL_FOUND, "finds_of_ages", WITH_AGES)                                                                    \
    EVENT(CLOCK_JUMPED, "clock_jumps", WITH_AGES)                                                                      \
    EVENT(LEFT_EXPIRED, "left_expired", WITH_AGES)                                                                     \
    EVENT(FRAME, "frames", WITH_FRAMES)                                                                                \
    EVENT(IDLE, "idle_calls", WITH_FRAMES)                                                                             \
    EVENT(UNUSED_TRIMMED, "trims_of_unused", WITH_FRAMES)                                                              \
    EVENT(LIMITED, "limits_changed", WITH_LIMITS)                                                                      \
    EVENT(LIMIT_COMPARED, "ceilings_compared", WITH_LIMITS)                                                            \
    EVENT(LIMIT_NEAR, "ceilings_nearly_reached", WITH_LIMITS)                                                          \
    EVENT(FLOOR_KEPT, "floors_kept", WITH_LIMITS)                                                                      \
    EVENT(COLLECTED, "collected", WITH_QUEUE)

#define STRESS_EVENT_ID(id, name, features) EVENT_##id,
enum event { STRESS_EVENTS(STRESS_EVENT_ID) EVENTS };

struct events {
    _Atomic uint64_t count[EVENTS];
};

static inline void event_add(struct events *e, enum event which, uint64_t n)
{
    atomic_fetch_add_explicit(&e->count[which], n, memory_order_relaxed);
}

static inline void event_count(struct events *e, enum event which)
{
    event_add(e, which, 1);
}

/* Of all phases. */
struct event_sums {
    uint64_t count[EVENTS];
    unsigned features;                  /* that shapes had which ran */
};

void events_sum(struct event_sums *, const struct events *, const struct shape *);
unsigned events_missing(const struct event_sums *);     /* how many never happened though they could; each is told on stderr */
void events_print(const struct event_sums *);
json_t *events_json(const struct event_sums *);
json_t *events_missing_json(const struct event_sums *);
#endif
