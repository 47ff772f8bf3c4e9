/* SPDX-License-Identifier: MIT */
/* brim_peek: look-ups that count nothing. */
#include "borrow.h"

#include "batches.h"

const struct peer peer_brim_peek = {
    .name = "brim peek",
    .note = "sections of 256 look-ups",
    .workloads = PEER_IN(ZIPF_HIT) | PEER_IN(HOT_KEY) | PEER_IN(CHURN) | PEER_IN(MIXED),
    .version = brim_peer_version,
    .open = brim_peer_open_borrow,
    .close = brim_peer_close,
    .enter = borrow_enter,
    .leave = borrow_leave,
    .put = put_value,
    .has = look_up,
    .loops = PEER_LOOPS,
};
