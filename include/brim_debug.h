/* SPDX-License-Identifier: MIT */
#ifndef BRIM_DEBUG_H
#define BRIM_DEBUG_H
#include "brim.h"
#ifdef __cplusplus
extern "C" {
#endif
BRIM_EXPORT bool brim_check(brim_cache *, FILE *);
BRIM_EXPORT void brim_dump(brim_cache *, FILE *);
BRIM_EXPORT void brim_set_debug_hook(void (*)(const char *message, void *arg), void *arg);
#ifdef __cplusplus
}
#endif
#endif
