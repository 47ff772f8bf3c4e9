/* SPDX-License-Identifier: MIT */
/*
 * Tells when the other side of a suspended connection has gone: libmicrohttpd does not look at it until it is
 * resumed. Who only closes his sending half counts as gone, too.
 */
#ifndef TILES_WATCH_H
#define TILES_WATCH_H
#include <stdint.h>

struct watch;

/* Lies in what is watched.  All zero: not watched. */
struct watched {
    struct watched *next, **before; /* NULL: not in the list */
    uint64_t ticket;
    int fd;
};

/* ${gone} is called on the watch's thread, once for each watched at most, and not after watch_remove has
 * returned. */
struct watch *watch_new(void (*gone)(struct watched *w));
void watch_add(struct watch *s, struct watched *w, int fd);
void watch_remove(struct watch *s, struct watched *w);
void watch_free(struct watch *s);

#endif
