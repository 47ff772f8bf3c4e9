/* SPDX-License-Identifier: MIT */
/* expect: cannot call function 'shard_close' while 'rank_shard' is held */
#include "shard/shard_locked.h"

void wrong(struct shard *sh);

void wrong(struct shard *sh)
{
    shard_lock(sh);
    shard_close(sh);
    shard_unlock(sh);
}
