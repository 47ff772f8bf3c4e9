/* SPDX-License-Identifier: MIT */
/* Where statistics come from: a file, a socket, or HTTP.  Nothing stays open. */
#ifndef TOP_SOURCE_H
#define TOP_SOURCE_H
#include <stdbool.h>
#include <stddef.h>

enum { SOURCE_ERROR = 256 };

/* All that ${place} says, with a 0 behind it; NULL: ${error}, of SOURCE_ERROR bytes, says why not. */
char *source_read(const char *place, size_t *len, char *error);
bool source_is_http(const char *place);
#endif
