/* SPDX-License-Identifier: MIT */
/* expect: releasing 'rank_limbo' that was not held */
#include "cache/limbo.h"

void wrong(struct limbo *l);

void wrong(struct limbo *l)
{
    limbo_unlock(l);
}
