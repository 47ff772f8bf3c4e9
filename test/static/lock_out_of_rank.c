/* SPDX-License-Identifier: MIT */
/* expect: 'rank_shard' must be acquired before 'rank_limbo' */
#include "cache/limbo.h"
#include "shard/shard_locked.h"

void wrong(struct shard *sh, struct limbo *l);

void wrong(struct shard *sh, struct limbo *l)
{
    limbo_lock(l);
    shard_lock(sh);
    shard_unlock(sh);
    limbo_unlock(l);
}
