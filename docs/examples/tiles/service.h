/* SPDX-License-Identifier: MIT */
/* Tiles over HTTP: the cache, the threads that draw, and the server in front of them. */
#ifndef TILES_SERVICE_H
#define TILES_SERVICE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "brim.h"

struct options {
    const char *path; /* of the document; NULL: the built-in map */
    int page;         /* of a PDF; 1 for all else */
    const char *json; /* where the statistics go in the end, too; NULL: nowhere */
    size_t capacity;
    unsigned threads;
    uint16_t port; /* 0: any */
};

struct service;

/* NULL: ${why} says why not, and ${*bad_input} whether it is the document's fault. */
struct service *service_start(const struct options *options, char *why, size_t why_size, bool *bad_input);
uint16_t service_port(const struct service *s);

/* Read the document again.  False: ${why} says why, and the old one stays. */
bool service_reload(struct service *s, char *why, size_t why_size);

/* A line of how it goes, without its end. */
void service_progress(struct service *s, char *text, size_t size);

/* Nothing is answered any more but what is under way; then it can only tell its statistics and be freed. */
void service_stop(struct service *s);
bool service_stats(struct service *s, FILE *file, brim_format format);
void service_free(struct service *s);

#endif
