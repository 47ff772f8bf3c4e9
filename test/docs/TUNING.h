/* SPDX-License-Identifier: MIT
 * What the fragments of docs/TUNING.md stand on.
 */
#include <brim.h>

static brim_cache *cache;
static const unsigned ids[256];
static size_t n;
brim_write write_line;
