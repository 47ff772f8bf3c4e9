/* SPDX-License-Identifier: MIT
 * What the fragments of docs/MEMORY.md stand on.
 */
#include <brim.h>

struct pool {
    brim_cache *cache;
};
void *pool_take(struct pool *pool, size_t n, size_t align);
