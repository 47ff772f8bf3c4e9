/* SPDX-License-Identifier: MIT */
#ifndef RENDER_HTML_H
#define RENDER_HTML_H
#include <stdbool.h>

#include "doc.h"

bool html_looks_like(const char *text, size_t len);
/* Appends the text of an HTML file, without scripts, styles and the handbook's navigation. */
void html_read(struct doc *, const char *name, const char *text, size_t len);
#endif
