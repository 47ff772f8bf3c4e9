/* SPDX-License-Identifier: MIT */
/*
 * The loops of all workloads, the same for every peer: an adapter defines what follows, inline, and includes
 * this, so that its calls are compiled into the loops as its users' would be.
 *
 *   peer_token                 what a hit is given back by
 *   peer_find(w, key, &token)  the value; NULL: a miss
 *   peer_release(w, &token)    after a hit
 *   peer_put(w, key, value)    false: not taken, the value is still ours
 *   peer_erase(w, key)         false: there was none; true also where it cannot tell
 */
#ifndef BENCH_BATCHES_H
#define BENCH_BATCHES_H
#include "peer.h"

#include <stdlib.h>

/* Find, read eight bytes, check, release. */
static inline bool look_up(struct worker *w, uint64_t index)
{
    const struct bench_key key = item_key(index);
    peer_token token;
    w->counts.lookups++;
    const struct bench_value *value = peer_find(w, &key, &token);
    if (value == NULL)
        return false;
    if (value->word[0] != item_word(index))
        w->counts.wrong++;
    peer_release(w, &token);
    w->counts.hits++;
    return true;
}

static inline bool look_up_timed(struct worker *w, uint64_t index)
{
    const uint64_t began = latency_now();
    const bool found = look_up(w, index);
    w->sample = latency_now() - began;
    return found;
}

static inline bool put_value(struct worker *w, uint64_t index, struct bench_value *value)
{
    const struct bench_key key = item_key(index);
    if (peer_put(w, &key, value))
        return true;
    free(value);
    w->counts.refused++;
    return false;
}

static inline bool put(struct worker *w, uint64_t index)
{
    return put_value(w, index, item_new(index));
}

static inline bool drop(struct worker *w, uint64_t index)
{
    const struct bench_key key = item_key(index);
    return peer_erase(w, &key);
}

static inline uint64_t next_index(struct worker *w)
{
    return w->sequence[w->position++ & w->mask];
}

/* Each step is compiled twice, with and without the clock; the first of a batch is timed. */
#define BATCH(name, step)                                                                                    \
    static inline void name(struct worker *w, unsigned operations)                                           \
    {                                                                                                        \
        step(w, true);                                                                                       \
        for (unsigned i = 1; i < operations; i++)                                                            \
            step(w, false);                                                                                  \
    }
#define STEP static inline __attribute__((always_inline)) void

STEP find_step(struct worker *w, bool timed)
{
    const uint64_t index = next_index(w);
    if (!(timed ? look_up_timed(w, index) : look_up(w, index)) && !w->loses)
        w->counts.wrong++;
}

/* Timed is the find alone. */
STEP churn_step(struct worker *w, bool timed)
{
    const uint64_t index = next_index(w);
    if (!(timed ? look_up_timed(w, index) : look_up(w, index)))
        (void)put(w, index);
}

STEP mixed_step(struct worker *w, bool timed)
{
    const uint64_t index = next_index(w);
    const uint32_t choice = rng_below(&w->rng, 20);
    if (choice < 18)
        (void)(timed ? look_up_timed(w, index) : look_up(w, index));
    else if (choice == 18)
        (void)put(w, index);
    else
        (void)drop(w, index);
}

/* A pair is one operation: insert a key never used before, remove the oldest of this thread's. */
STEP insert_remove_step(struct worker *w, bool timed)
{
    const uint64_t began = timed ? latency_now() : 0;
    const bool done = put(w, w->first_index + w->serial);
    const bool undone = w->serial < w->alive || drop(w, w->first_index + w->serial - w->alive);
    if (timed)
        w->sample = latency_now() - began;
    if (!(done && undone) && !w->loses)
        w->counts.wrong++;
    w->serial++;
}

BATCH(find_batch, find_step)
BATCH(churn_batch, churn_step)
BATCH(mixed_batch, mixed_step)
BATCH(insert_remove_batch, insert_remove_step)

#define PEER_LOOPS {find_batch, churn_batch, mixed_batch, insert_remove_batch}
#endif
