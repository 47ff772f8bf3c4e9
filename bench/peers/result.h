/* SPDX-License-Identifier: MIT */
/* What came out for one peer in one setting, and how it is told. */
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H
#include "../spread.h"
#include "ask.h"

#include <jansson.h>

struct result {
    const struct peer *peer;
    struct spread mops;                 /* million operations a second, of the rounds */
    double hit_ratio;                   /* < 0: nothing was looked up */
    double bytes_per_entry;             /* < 0: unknown */
    uint64_t p50_ns, p99_ns, p999_ns;
    uint64_t refused, wrong;
};

void result_print_head(const struct ask *);
void result_print_table(const struct setting *, const struct result *, unsigned count);

json_t *result_machine(const struct ask *);
json_t *result_left_out(const struct ask *);   /* names of the peers that were wanted but not built in */
void result_add(json_t *array, const struct ask *, const struct setting *, const struct result *, unsigned count);
#endif
