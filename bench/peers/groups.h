/* SPDX-License-Identifier: MIT */
/* Loops that look up a group of keys at once. */
#ifndef BENCH_GROUPS_H
#define BENCH_GROUPS_H
#include "batches.h"

struct group {
    struct bench_key keys[BRIM_GROUP];
    uint64_t words[BRIM_GROUP];         /* that the values must begin with */
};

static inline void group_next(struct worker *w, struct group *group)
{
    for (unsigned i = 0; i < BRIM_GROUP; i++) {
        const uint64_t index = next_index(w);
        group->keys[i] = item_key(index);
        group->words[i] = item_word(index);
    }
    w->counts.lookups += BRIM_GROUP;
}

static inline void group_check(struct worker *w, const struct group *group, unsigned i,
                               const struct bench_value *value)
{
    if (value == NULL || value->word[0] != group->words[i])
        w->counts.wrong++;
    if (value != NULL)
        w->counts.hits++;
}

/* ${operations} is a multiple of the group. */
#define GROUP_BATCH(name, look_up_group)                                                                     \
    static void name(struct worker *w, unsigned operations)                                                  \
    {                                                                                                        \
        const uint64_t began = latency_now();                                                                \
        look_up_group(w);                                                                                    \
        w->sample = latency_now() - began;                                                                   \
        for (unsigned i = BRIM_GROUP; i < operations; i += BRIM_GROUP)                                       \
            look_up_group(w);                                                                                \
    }
#endif
