/* SPDX-License-Identifier: MIT */
/* expect: 'rank_kind' is still held at the end of function */
#include "cache/cache.h"

void wrong(struct brim_cache *c);

void wrong(struct brim_cache *c)
{
    kinds_lock(c);
    c->orphans = NULL;
}
