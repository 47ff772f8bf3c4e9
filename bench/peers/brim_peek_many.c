/* SPDX-License-Identifier: MIT */
/* brim_peek_fixed: sixteen look-ups at once that count nothing.  What is timed is such a group. */
#include "borrow.h"

#include "batches.h"
#include "groups.h"

static inline void peek_group(struct worker *w)
{
    struct group group;
    void *values[BRIM_GROUP];
    borrow_refresh(w);
    group_next(w, &group);
    brim_peek_fixed(brim_of(w), group.keys, sizeof group.keys[0], sizeof group.keys[0], BRIM_GROUP, values);
    for (unsigned i = 0; i < BRIM_GROUP; i++)
        group_check(w, &group, i, values[i]);
}

GROUP_BATCH(peek_many_batch, peek_group)

const struct peer peer_brim_peek_many = {
    .name = "brim peek_many",
    .note = "16 at once, timed together; sections of 256",
    .workloads = PEER_IN(ZIPF_HIT),
    .version = brim_peer_version,
    .open = brim_peer_open_borrow,
    .close = brim_peer_close,
    .enter = borrow_enter,
    .leave = borrow_leave,
    .put = put_value,
    .has = look_up,
    .loops = {[LOOP_FIND] = peek_many_batch},
};
