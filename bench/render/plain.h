/* SPDX-License-Identifier: MIT */
#ifndef RENDER_PLAIN_H
#define RENDER_PLAIN_H
#include "doc.h"

/* Plain text: an empty line ends a paragraph. */
void plain_read(struct doc *, const char *text, size_t len);
#endif
