/* SPDX-License-Identifier: MIT */
/* The command line. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bench_command { BENCH_RUN, BENCH_PEERS, BENCH_STRESS, BENCH_REPLAY };
enum { BENCH_MAX_THREADS = 4096, BENCH_MAX_ENTRIES = 200000000 };

struct options {
    enum bench_command command;
    const char *workload;               /* peers: a list between commas, as are the next three; NULL: all */
    const char *peers, *thread_list, *entry_list;
    double skew;                        /* of peers' zipf distributions; 0: the workload's own */
    unsigned rounds;
    unsigned threads;
    unsigned shards;                    /* 0: chosen by the cache */
    size_t entries;
    size_t capacity;                    /* in cost; 0: what the workload needs */
    double seconds;
    uint64_t seed;
    const char *fractions;              /* replay: a list between commas; NULL: none */
    const char *objective, *work;       /* replay; NULL: as it is by default */
    char *const *traces;                /* replay: files, or - */
    unsigned trace_count;
    const char *shape;                  /* stress; NULL: all */
    bool soak;                          /* stress: look whether memory stays flat */
    bool publish;                       /* to brim-top */
    const char *json;                   /* NULL: none */
};

/* Ends the program for --help and --version (status 0) and for bad input (status 2). */
void options_parse(struct options *, int argc, char **argv);

/* The number that is given for --${option}; bad input ends the program. */
uint64_t options_number(const char *option, const char *text, uint64_t min, uint64_t max);

/* Whether it may begin a number for strtod, which also reads hexadecimal ones and words. */
bool options_is_decimal(const char *text);
#endif
