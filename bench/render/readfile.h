/* SPDX-License-Identifier: MIT */
#ifndef RENDER_READFILE_H
#define RENDER_READFILE_H
#include <stddef.h>

/* A whole file and a NUL behind it, malloc'ed; NULL with errno set.  At most max bytes (else EFBIG). */
char *readfile(const char *path, size_t max, size_t *len);
#endif
