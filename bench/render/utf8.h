/* SPDX-License-Identifier: MIT */
#ifndef RENDER_UTF8_H
#define RENDER_UTF8_H
#include <stddef.h>

/* Offset of the first byte that is not well-formed UTF-8 (or is NUL); len if there is none. */
size_t utf8_bad(const unsigned char *s, size_t len);
#endif
