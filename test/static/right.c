/* SPDX-License-Identifier: MIT */
/* expect: nothing */
#include "cache/limbo.h"
#include "shard/shard_locked.h"

bool right(struct shard *sh, struct limbo *l);

bool right(struct shard *sh, struct limbo *l)
{
    bool closed;

    shard_lock(sh);
    closed = sh->closed;
    limbo_lock(l);
    l->taken = l->pushed;
    limbo_unlock(l);
    if (closed)
        sh->fresh = 0;
    shard_unlock(sh);
    return closed;
}
