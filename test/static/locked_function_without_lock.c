/* SPDX-License-Identifier: MIT */
/* expect: calling function 'index_remove_locked' requires holding 'rank_shard' */
#include "shard/shard_locked.h"

void wrong(struct shard *sh, struct entry *e);

void wrong(struct shard *sh, struct entry *e)
{
    index_remove_locked(&sh->index, e);
}
