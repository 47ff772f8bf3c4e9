/* SPDX-License-Identifier: MIT */
/* --publish: a thread shows brim-top the caches that are there, four times a second.  Without it nothing happens. */
#ifndef BENCH_PUBLISH_H
#define BENCH_PUBLISH_H
#include <brim.h>

void publish_begin(void);               /* bad input (status 2) if there is no place for it */
void publish_end(void);
void publish_add(brim_cache *);
void publish_remove(brim_cache *);      /* before it is freed */
#endif
