/* SPDX-License-Identifier: MIT */
/* expect: that is already held */
#include "shard/shard_locked.h"

void wrong(struct shard *a, struct shard *b);

void wrong(struct shard *a, struct shard *b)
{
    shard_lock(a);
    shard_lock(b);
    shard_unlock(b);
    shard_unlock(a);
}
