/* SPDX-License-Identifier: MIT */
/* expect: 'rank_shard' is not held on every path through here */
#include "shard/shard_locked.h"

bool wrong(struct shard *sh);

bool wrong(struct shard *sh)
{
    shard_lock(sh);
    if (sh->closed)
        return false;
    sh->closed = true;
    shard_unlock(sh);
    return true;
}
