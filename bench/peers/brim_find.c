/* SPDX-License-Identifier: MIT */
/* brim_find and brim_release: Brim's plain interface. */
#include "refs.h"

static void *hold(struct worker *w, uint64_t index)
{
    const struct bench_key key = item_key(index);
    return brim_find(brim_of(w), &key, sizeof key);
}

static void let_go(struct worker *w, void *held)
{
    (void)w;
    brim_release(held);
}

const struct peer peer_brim_find = {
    .name = "brim find",
    .workloads = PEER_ALL,
    .version = brim_peer_version,
    .open = brim_peer_open,
    .close = brim_peer_close,
    .hold = hold,
    .let_go = let_go,
    .put = put_value,
    .has = look_up,
    .loops = PEER_LOOPS,
};
