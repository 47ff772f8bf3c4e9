/* SPDX-License-Identifier: MIT */
#ifndef RENDER_TEXTS_H
#define RENDER_TEXTS_H
#include <stddef.h>

#include "doc.h"

struct texts {
    struct doc *docs;
    size_t n;
};

/* One text a file; every file must be UTF-8, the whole not empty. */
struct texts texts_from_files(char **names, size_t n);
/* The Debian handbook in languages that DejaVu covers. */
struct texts texts_from_handbook(void);
void texts_free(struct texts *);
/* One more text of a document, plain or HTML; a 0 follows it.  name: for messages. */
void texts_read(struct doc *, const char *name, const char *data, size_t len);
#endif
