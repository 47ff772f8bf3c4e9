/* SPDX-License-Identifier: MIT */
/* expect: cannot call function 'dispose' while 'rank_shard' is held */
#include "cache/dispose.h"
#include "shard/shard_locked.h"

void wrong(struct shard *sh, struct entry_list *left);

void wrong(struct shard *sh, struct entry_list *left)
{
    shard_lock(sh);
    dispose(left, NULL);
    shard_unlock(sh);
}
