/* SPDX-License-Identifier: MIT */
/* Look-ups that borrow: a thread's turn is one section, refreshed now and then. */
#ifndef BENCH_BORROW_H
#define BENCH_BORROW_H
#include "brim_cache.h"

#include "../fail.h"

enum { REFRESH_EVERY = 256 };           /* look-ups; a power of two */

typedef char peer_token;                /* nothing to give back */

static inline void borrow_enter(struct worker *w)
{
    const brim_status status = brim_read_begin(brim_of(w));
    if (status != BRIM_OK)
        bench_fail("cannot begin a section: %s", brim_strerror(status));
}

static inline void borrow_leave(struct worker *w)
{
    brim_read_end(brim_of(w));
}

static inline void borrow_refresh(struct worker *w)
{
    if (w->position % REFRESH_EVERY == 0)
        brim_read_refresh(brim_of(w));
}

static inline const struct bench_value *peer_find(struct worker *w, const struct bench_key *key, peer_token *token)
{
    (void)token;
    borrow_refresh(w);
    return brim_peek(brim_of(w), key, sizeof *key);
}

static inline void peer_release(struct worker *w, peer_token *token)
{
    (void)w, (void)token;
}
#endif
