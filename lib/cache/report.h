/* SPDX-License-Identifier: MIT
 *
 * What is badly configured or goes badly, told from statistics and a few facts.
 */
#ifndef BRIM_CACHE_REPORT_H
#define BRIM_CACHE_REPORT_H

#include "brim.h"

struct report_facts {
    const char *name;         /* of the cache; may be NULL */
    bool charge_overhead;
    size_t floors;            /* of all kinds */
    uint64_t over_ceilings;   /* of s.too_big: larger than their kind's ceiling */
    bool ceiling_of_none;     /* what is of no kind has the most of them; else */
    const char *ceiling_kind; /* this one; its number, and its ceiling */
    uint64_t ceiling_refused;
    size_t ceiling;
    brim_stats s;
};

/*
 * report_problems(f, write, arg):
 * As brim_report_problems, of ${f}.
 */
size_t report_problems(const struct report_facts *f, brim_write *write, void *arg);

#endif
