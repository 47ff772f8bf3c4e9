/* SPDX-License-Identifier: MIT */
#ifndef RENDER_HASH_H
#define RENDER_HASH_H

/* xxhash.h, whose vector paths are not written for these warnings. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wshadow"
#define XXH_INLINE_ALL
#include <xxhash.h>
#pragma GCC diagnostic pop
#endif
