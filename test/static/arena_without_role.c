/* SPDX-License-Identifier: MIT */
/* expect: reading variable 'free' requires holding 'slab_role' */
#include "part/slab.h"

bool wrong(struct slab *s);

bool wrong(struct slab *s)
{
    return s->arena[0].class[0].free == NULL;
}
