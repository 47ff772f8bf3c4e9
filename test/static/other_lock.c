/* SPDX-License-Identifier: MIT */
/* expect: writing variable 'taken' requires holding 'rank_limbo' */
#include "cache/limbo.h"
#include "shard/shard_locked.h"

void wrong(struct shard *sh, struct limbo *l);

void wrong(struct shard *sh, struct limbo *l)
{
    shard_lock(sh);
    l->taken++;
    shard_unlock(sh);
}
