/* SPDX-License-Identifier: MIT */
#ifndef BRIM_PART_MEMBARRIER_H
#define BRIM_PART_MEMBARRIER_H

#include <stdbool.h>

/*
 * membarrier_register():
 * Ask the kernel for private expedited barriers.  False: it has none, or this is a checking build, whose tools take
 * them for more than they are.
 */
bool membarrier_register(void);

/*
 * membarrier_all():
 * When this returns true every thread of the process has passed a full memory barrier.  False: refused.
 */
bool membarrier_all(void);

#endif
