/* SPDX-License-Identifier: MIT */
/* expect: reading variable 'pushed' requires holding 'rank_limbo' */
#include "cache/limbo.h"

bool wrong(struct limbo *l);

bool wrong(struct limbo *l)
{
    uint64_t taken;

    limbo_lock(l);
    taken = l->taken;
    limbo_unlock(l);
    return taken == l->pushed;
}
