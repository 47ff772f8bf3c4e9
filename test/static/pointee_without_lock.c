/* SPDX-License-Identifier: MIT */
/* expect: writing the value pointed to by 'ghosts' requires holding 'rank_shard' */
#include "shard/shard_locked.h"

void wrong(struct shard *sh);

void wrong(struct shard *sh)
{
    sh->policy.ghosts->buckets = 0;
}
