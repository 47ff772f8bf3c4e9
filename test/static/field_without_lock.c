/* SPDX-License-Identifier: MIT */
/* expect: writing variable 'closed' requires holding 'rank_shard' */
#include "shard/shard_locked.h"

void wrong(struct shard *sh);

void wrong(struct shard *sh)
{
    sh->closed = true;
}
